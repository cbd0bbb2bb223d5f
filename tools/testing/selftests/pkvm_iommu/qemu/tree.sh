#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Puts the overlay and patches/7.3 into a kernel tree.
#
#   tree.sh install DIR	into this tree
#   tree.sh check DIR	only check that it would fit
#   tree.sh sync	into the tree in the cache
#
# Everything is prepared and checked in a scratch directory first: a refusal
# leaves the tree unchanged. A file is written only if its content changes, so that the
# kernel's make rebuilds only what depends on it.
#
# DIR/.pkvm-iommu records the installed files:
#   overlay	list of our files
#   orig/F	the kernel's own F, before the patches
#   new/F	F with the patches
# A file that equals new/F was written by this script: the patches apply to orig/F
# instead. Any other file is taken as it is. So an interrupted run, a newer series of
# patches and an updated tree need no special case.

# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

PATCHES=$ROOT/patches/$SERIES

# The overlay's files, relative to the checkout. What makes a series of them is none.
overlay_files() {
	cd "$ROOT"
	for of in arch drivers include Documentation tools/testing/selftests; do
		[ ! -d "$of" ] || find "$of" -type f ! -name '*.o' ! -name '*.a' \
			! -name '*.cmd' ! -name '*.orig' ! -name '*.rej' ! -name '*~' \
			! -path "*/qemu/series*" ! -path "*/qemu/nightly.sh"
	done | sort
}

# The files that the patches touch.
patched_files() {
	[ -n "$(patch_list)" ] || return 0
	patch_list | while read -r pf; do
		sed -n 's/^\(---\|+++\) [ab]\/\([^	]*\).*/\2/p' "$pf"
	done | sort -u
}

patch_list() {
	for pl in "$PATCHES"/*.patch; do
		[ ! -f "$pl" ] || echo "$pl"
	done
}

# put FROM TO: replace TO atomically, if the content differs.
put() {
	! cmp -s "$1" "$2" || return 0
	mkdir -p "$(dirname "$2")"
	cp "$1" "$2.pkvm-tmp"
	[ ! -x "$1" ] || chmod +x "$2.pkvm-tmp"
	mv "$2.pkvm-tmp" "$2"
}

# Start from the kernel's own files, in scratch/base and scratch/new.
take_base() {
	patched_files >"$SCRATCH/patched"
	while read -r f; do
		mkdir -p "$SCRATCH/new/$(dirname "$f")" "$SCRATCH/base/$(dirname "$f")"
		b=$TREE/$f
		if cmp -s "$b" "$STATE/new/$f" || cmp -s "$b" "$STATE/next/$f"; then
			b=$STATE/orig/$f
		fi
		[ ! -f "$b" ] || cp -p "$b" "$SCRATCH/new/$f"
	done <"$SCRATCH/patched"
	# If the owner of the tree applied patches by hand: revert them, the
	# last one first.
	patch_list | sort -r | while read -r p; do
		try_patch -R "$p" && run_patch -R "$p"
		:
	done
	cp -a "$SCRATCH/new/." "$SCRATCH/base"
}

# Without fuzz: a person has to look at changed context.
run_patch() {
	patch -p1 -s -f -F0 --no-backup-if-mismatch -d "$SCRATCH/new" "$1" -i "$2"
}

try_patch() {
	patch -p1 -s -f -F0 --dry-run -d "$SCRATCH/new" "$1" -i "$2" >"$SCRATCH/log" 2>&1
}

apply_patches() {
	patch_list >"$SCRATCH/patches"
	while read -r p; do
		if ! try_patch -N "$p"; then
			cat "$SCRATCH/log" >&2
			die "${p##*/} does not apply to $TREE (Linux $(version_of "$TREE")); nothing was changed"
		fi
		run_patch -N "$p" >/dev/null
	done <"$SCRATCH/patches"
}

# Our files must not exist in the kernel; existing files are changed by patches.
check_overlay() {
	overlay_files >"$SCRATCH/overlay"
	touch "$SCRATCH/old"
	[ ! -f "$STATE/overlay" ] || sort -u "$STATE/overlay" >"$SCRATCH/old"
	comm -23 "$SCRATCH/overlay" "$SCRATCH/old" | while read -r f; do
		[ ! -e "$TREE/$f" ] || cmp -s "$ROOT/$f" "$TREE/$f" || echo "$f"
	done >"$SCRATCH/clash"
	[ ! -s "$SCRATCH/clash" ] ||
		die "$TREE has files of the same name; nothing was changed: $(tr '\n' ' ' <"$SCRATCH/clash")"
}

write_patched() {
	while read -r f; do
		mkdir -p "$STATE/orig/$(dirname "$f")" "$STATE/next/$(dirname "$f")"
		if [ -f "$SCRATCH/base/$f" ]; then
			put "$SCRATCH/base/$f" "$STATE/orig/$f"
		else
			rm -f "$STATE/orig/$f"
		fi
		# next/F before F, new/F after it: F is recognised as ours
		# wherever this is interrupted.
		if [ -f "$SCRATCH/new/$f" ]; then
			put "$SCRATCH/new/$f" "$STATE/next/$f"
			put "$SCRATCH/new/$f" "$TREE/$f"
			put "$SCRATCH/new/$f" "$STATE/new/$f"
		else
			rm -f "$TREE/$f"
		fi
	done <"$SCRATCH/patched"
	rm -rf "$STATE/next"

	# Restore the files that the patches no longer touch.
	[ -d "$STATE/new" ] || return 0
	(cd "$STATE/new" && find . -type f | sed 's|^\./||' | sort) |
		comm -23 - "$SCRATCH/patched" | while read -r f; do
		if cmp -s "$TREE/$f" "$STATE/new/$f"; then
			if [ -f "$STATE/orig/$f" ]; then
				put "$STATE/orig/$f" "$TREE/$f"
			else
				rm -f "$TREE/$f"
			fi
		fi
		rm -f "$STATE/new/$f" "$STATE/orig/$f"
	done
}

write_overlay() {
	# Before the first file is written, own the old ones and the new ones.
	sort -u "$SCRATCH/overlay" "$SCRATCH/old" >"$SCRATCH/both"
	put "$SCRATCH/both" "$STATE/overlay"
	while read -r f; do
		put "$ROOT/$f" "$TREE/$f"
	done <"$SCRATCH/overlay"
	comm -13 "$SCRATCH/overlay" "$SCRATCH/old" | while read -r f; do
		rm -f "$TREE/$f"
		rmdir -p "$TREE/$(dirname "$f")" 2>/dev/null || :
	done
	put "$SCRATCH/overlay" "$STATE/overlay"
}

mode=${1:-}
case $mode in
install|check)
	[ -n "${2:-}" ] || die "usage: make install KERNEL=<a Linux $SERIES source tree>"
	[ -d "$2" ] || die "$2 is not a directory"
	TREE=$(cd "$2" && pwd)
	;;
sync)
	TREE=$(tree)
	;;
*)
	die "usage: tree.sh install DIR | check DIR | sync"
	;;
esac

check_version "$TREE"
STATE=$TREE/.pkvm-iommu
SCRATCH=$(mktemp -d "$CACHE/scratch.XXXXXX")
trap 'rm -rf "$SCRATCH"' EXIT
trap 'exit 1' INT TERM
mkdir "$SCRATCH/new" "$SCRATCH/base"

take_base
apply_patches
check_overlay
[ "$mode" != check ] || exit 0
mkdir -p "$STATE"
write_patched
write_overlay
[ "$mode" != install ] ||
	say "$TREE: $(wc -l <"$SCRATCH/overlay") files, $(wc -l <"$SCRATCH/patches") patches"
