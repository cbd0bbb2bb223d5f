#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# The overlay and patches/7.3 as a series for `git am` on plain Linux 7.3.
#
#   series.sh make [DIR]	the patches and a cover letter in DIR (build/series)
#   series.sh check		they apply, and give what `make install` gives
#   series.sh style		they are clean under checkpatch --strict
#   series.sh build		they apply to the whole of Linux 7.3; KVM and drivers/iommu
#				build with each one, with CONFIG_PKVM_IOMMU and without it,
#				and with the last one also for defconfig
#
# A file series/NN-name describes patch NN: its message, a line "%files", and the files
# that it adds or changes, which may be patterns with "*". Instead of a message,
# "%message NAME" takes that of patches/7.3/NAME. A file that is named belongs to that
# patch, whatever patterns match it; of several patterns, the first one counts. A file
# that no patch has is an error.
#
# A file enters the series with its final content. Exceptions are Makefiles, Kconfig and
# the table of kinds, to which many patches add a line or a block: see derive.awk.

# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

MANIFEST=$TOOLS/series
MAX_PATCHES=25
FULL=$CACHE/series		# a whole tree and its objects, see build_series

# The user's configuration must not change the series.
export GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_NOSYSTEM=1
git() { command git -c core.excludesFile=/dev/null -c core.autocrlf=false -c gc.auto=0 "$@"; }

# The same checkout gives the same series: author and date are the checkout's.
author() {
	for au in "$ROOT/patches/$SERIES"/*.patch; do :; done
	au=$(sed -n 's/^From: //p' "$au" | head -n 1)
	export GIT_AUTHOR_NAME="${au% <*}" GIT_COMMITTER_NAME="${au% <*}"
	au=${au##*<}
	export GIT_AUTHOR_EMAIL="${au%>}" GIT_COMMITTER_EMAIL="${au%>}"
	au=$(command git -C "$ROOT" log -1 --format=%aD 2>/dev/null || date -R)
	export GIT_AUTHOR_DATE="$au" GIT_COMMITTER_DATE="$au"
}

patched_files() {
	sed -n 's|^--- a/||p' "$ROOT/patches/$SERIES"/*.patch | sort -u
}

# pristine DIR: the files that the patches change, as Linux has them.
pristine() {
	mkdir -p "$1"
	cp "$(tree)/Makefile" "$1/"
	patched_files | while read -r f; do
		mkdir -p "$1/$(dirname "$f")"
		if [ -f "$(tree)/.pkvm-iommu/orig/$f" ]; then
			cp "$(tree)/.pkvm-iommu/orig/$f" "$1/$f"
		else
			cp "$(tree)/$f" "$1/$f"
		fi
	done
}

# repository DIR FILE...: make it one, with these files as the first commit, "linux".
repository() {
	repo=$1
	shift
	git -C "$repo" init -q -b series
	git -C "$repo" add -f "$@"
	git -C "$repo" commit -q -m "Linux $(version_of "$repo")"
	git -C "$repo" tag linux
}

# $S/want is the result, $S/overlay what is new in it, $S/files what is new or changed.
want() {
	pristine "$S/base"
	cp -R "$S/base" "$S/want"
	"$TOOLS/tree.sh" install "$S/want" 2>"$S/log" || { cat "$S/log" >&2; exit 1; }
	cp "$S/want/.pkvm-iommu/overlay" "$S/overlay"
	patched_files | sort - "$S/overlay" >"$S/files"
	rm -rf "$S/want/.pkvm-iommu"
}

# $S/owners: "patch file", for each of $S/files.
owners() {
	for o in "$MANIFEST"/[0-9]*; do
		sed '1,/^%files$/d; /^$/d' "$o" | sed "s|^|${o##*/} |"
	done >"$S/patterns"
	awk '
	NR == FNR && $2 ~ /\*/ {
		glob[++globs] = $2
		owner_of_glob[globs] = $1
		gsub(/\./, "\\.", $2)
		gsub(/\*/, ".*", $2)
		regex[globs] = "^" $2 "$"
		next
	}
	NR == FNR {
		if ($2 in owner) {
			print "error: " $2 " is in " owner[$2] " and in " $1 >"/dev/stderr"
			bad = 1
		}
		owner[$2] = $1
		next
	}
	{
		mine = owner[$0]
		for (i = 1; mine == "" && i <= globs; i++)
			if ($0 ~ regex[i]) {
				mine = owner_of_glob[i]
				used[i] = 1
			}
		if (mine == "") {
			print "error: no patch of the series has " $0 >"/dev/stderr"
			bad = 1
		}
		seen[$0] = 1
		print mine, $0
	}
	END {
		for (f in owner)
			if (owner[f] != "" && !(f in seen))
				print "note: " owner[f] " names " f ", which does not exist" >"/dev/stderr"
		exit bad
	}' "$S/patterns" "$S/files" >"$S/owners" ||
		die "name these files in ${MANIFEST#"$ROOT"/}"
}

shared_file() {
	case $1 in
	arch/*/Makefile | drivers/*/Makefile | drivers/*/Kconfig)	;;
	*/backends/kinds.h | tools/testing/selftests/*/Makefile)	;;
	*)	return 1 ;;
	esac
	# What Linux has itself is changed by one patch.
	[ ! -f "$S/base/$1" ]
}

# Write the shared files that exist already as they are with the files present.
derive_shared() {
	(cd "$S/repo" && git ls-files -c -o) | sort >"$S/present"
	while read -r f; do
		if shared_file "$f" && grep -qxF "$f" "$S/present"; then echo "$f"; fi
	done <"$S/files" >"$S/shared"
	options=" $(grep 'Makefile$' "$S/shared" | while read -r f; do
		awk -v path="$f" -v options_only=1 -f "$MANIFEST/derive.awk" \
			"$S/present" "$S/want/$f"
	done | sort -u | tr '\n' ' ')"
	while read -r f; do
		awk -v path="$f" -v options="$options" -f "$MANIFEST/derive.awk" \
			"$S/present" "$S/want/$f" >"$S/repo/$f"
	done <"$S/shared"
}

# message ENTRY: that of the patch.
message() {
	m_from=$(sed -n 's/^%message //p' "$1")
	if [ -z "$m_from" ]; then
		sed '/^%files$/,$d' "$1"
		return
	fi
	sed -n 's/^Subject: \[PATCH\] //p' "$ROOT/patches/$SERIES/$m_from"
	sed '1,/^$/d; /^---$/,$d; /^Signed-off-by:/d' "$ROOT/patches/$SERIES/$m_from" |
		sed '1s/^/\n/'
}

# commits: the series on top of the first commit in $S/repo.
commits() {
	cp -R "$S/base" "$S/repo"
	repository "$S/repo" .
	nr=0
	for entry in "$MANIFEST"/[0-9]*; do
		grep "^${entry##*/} " "$S/owners" | cut -d ' ' -f 2 | while read -r f; do
			mkdir -p "$S/repo/$(dirname "$f")"
			cp -p "$S/want/$f" "$S/repo/$f"
		done
		derive_shared
		git -C "$S/repo" add -f -A
		if git -C "$S/repo" diff --cached --quiet; then
			say "note: ${entry##*/} has no files, and is left out"
			continue
		fi
		message "$entry" | git -C "$S/repo" commit -q -s -F -
		nr=$((nr + 1))
	done
	[ $nr -le $MAX_PATCHES ] || die "$nr patches, more than $MAX_PATCHES"
	diff -r -x .git "$S/want" "$S/repo" >&2 ||
		die "the last patch does not give what make install gives"
}

# Lines of code, without comments and blank lines.
code_lines() {
	for cl; do gcc -fpreprocessed -dD -E -P "$cl" 2>/dev/null; done | grep -c '[^[:space:]]'
}

cover() {
	el2=$S/want/arch/arm64/kvm/hyp/nvhe/iommu
	# shellcheck disable=SC2046
	sed "s/@EL2@/$(code_lines $(find "$el2" -name '*.[ch]' ! -name 'test-*'))/
		s/@SMMU@/$(code_lines "$el2/backends/smmu-v3.c")/
		s/@SMMU2@/$(code_lines "$el2/backends/smmu-v2.c")/
		s/@VIRTIO@/$(code_lines "$el2/backends/virtio.c")/
		s/@FOOTPRINT@/$("$TOOLS/footprint.sh" | sed -n 's/^ *\([0-9]*\)  total.*/\1/p')/
		s/@VERSION@/$(version_of "$S/want")/" "$MANIFEST/cover"
}

# generate DIR
generate() {
	want
	owners
	commits
	git -C "$S/repo" config branch.series.description "$(cover)"
	mkdir -p "$1"
	rm -f "$1"/[0-9][0-9][0-9][0-9]-*.patch
	git -C "$S/repo" format-patch -q --no-renames --no-signature --full-index \
		--cover-letter --cover-from-description=subject -o "$1" linux
}

# patches DIR: all but the cover letter.
patches() {
	for p in "$1"/[0-9]*.patch; do
		[ "${p##*/}" = 0000-cover-letter.patch ] || echo "$p"
	done
}

check_series() {
	generate "$S/out"
	cp -R "$S/base" "$S/am"
	repository "$S/am" .
	# shellcheck disable=SC2046
	git -C "$S/am" am -q $(patches "$S/out")
	diff -r -x .git "$S/want" "$S/am"
}

# Files that MAINTAINERS does not have, by the entry that the first patch adds.
unmaintained() {
	sed -n 's/^+\([FN]\):	/\1 /p' "$ROOT/patches/$SERIES"/*-maintainers.patch >"$S/entry"
	awk '
	NR == FNR && $1 == "N"	{ regex[++n] = $2; next }
	NR == FNR {
		gsub(/\./, "\\.", $2)
		gsub(/\*/, "[^/]*", $2)
		regex[++n] = "^" $2
		next
	}
	{
		for (i = 1; i <= n; i++)
			if ($0 ~ regex[i])
				next
		print "error: no line of our entry in MAINTAINERS matches " $0
	}' "$S/entry" "$S/overlay"
}

# What checkpatch finds in a patch and not in a file, and is wrong about:
#  FILE_PATH_CHANGES	it does not know that the first patch changes MAINTAINERS
#  REPEATED_WORD	the last word of a line in a list and the first of the next one
#  TRAILING_SEMICOLON	a macro that declares, after an empty one
PATCH_TYPES=FILE_PATH_CHANGES,REPEATED_WORD,TRAILING_SEMICOLON
# Messages and tables in scripts are not wrapped; those of the guest have no suffix.
SCRIPT_TYPES=LONG_LINE,LONG_LINE_STRING,LONG_LINE_COMMENT,EXECUTE_PERMISSIONS,SPDX_LICENSE_TAG

style_series() {
	generate "$S/out"
	unmaintained >"$S/log"
	cat "$S/log"
	[ ! -s "$S/log" ] || return 1
	# shellcheck source=static-checks.sh
	. "$TOOLS/static-checks.sh"
	cd "$(tree)" || return 1
	rc=0
	for p in $(patches "$S/out"); do
		ignore=$PATCH_TYPES,$KERNEL_TYPES
		! grep -q '^+++ b/tools/' "$p" || ignore=$PATCH_TYPES,$USER_TYPES
		! grep -q '^+++ b/tools/.*/qemu/' "$p" || ignore=$ignore,$SCRIPT_TYPES
		perl scripts/checkpatch.pl --strict --terse --show-types --no-summary \
			--ignore "$ignore" "$p" || rc=1
	done
	return $rc
}

########## build

export CCACHE_DIR="$CACHE/ccache" CCACHE_BASEDIR="$FULL"
export KBUILD_BUILD_TIMESTAMP="@0" KBUILD_BUILD_USER=pkvm KBUILD_BUILD_HOST=iommu

# The whole of Linux as it was, in $FULL, with the files that we touch in git.
full_tree() {
	FULL_TREE=$FULL/$(cat "$CACHE/tree")
	rm -rf "$FULL_TREE"
	mkdir -p "$FULL"
	cp -al "$(tree)" "$FULL_TREE"
	if [ -f "$FULL_TREE/.pkvm-iommu/overlay" ]; then
		(cd "$FULL_TREE" && xargs rm -f <.pkvm-iommu/overlay)
	fi
	rm -rf "$FULL_TREE/.pkvm-iommu"
	(cd "$S/base" && find . -type f) | while read -r f; do
		# Keep the time of what is the same, and never write through a link.
		cmp -s "$S/base/$f" "$FULL_TREE/$f" || {
			rm -f "$FULL_TREE/$f"
			cp "$S/base/$f" "$FULL_TREE/$f"
		}
	done
	# shellcheck disable=SC2046
	repository "$FULL_TREE" $(cd "$S/base" && find . -type f)
}

# kmake CONFIG ARGS...: the kernel's make, in the objects of that configuration.
kmake() {
	km=$FULL/$1
	shift
	make -C "$FULL_TREE" O="$km" ARCH=arm64 CROSS_COMPILE="ccache $CROSS_COMPILE" \
		HOSTCC="ccache gcc" -j"$JOBS" "$@"
}

# configure CONFIG: all-on is the kernel of the tests, all-off the same without the layer;
# defconfig-on has the layer without its tests.
configure() {
	fragment=$FULL/$1.config
	case $1 in
	all-on)
		cp "$TOOLS/kernel.config" "$fragment" ;;
	all-off)
		sed '/^CONFIG_PKVM_IOMMU/d' "$TOOLS/kernel.config" >"$fragment"
		echo '# CONFIG_PKVM_IOMMU is not set' >>"$fragment" ;;
	defconfig-*)
		[ "$1" = defconfig-on ] && switch=-e || switch=-d
		kmake "$1" defconfig &&
			"$FULL_TREE/scripts/config" --file "$FULL/$1/.config" $switch PKVM_IOMMU &&
			kmake "$1" olddefconfig
		return ;;
	esac
	kmake "$1" KCONFIG_ALLCONFIG="$fragment" allnoconfig
}

# build CONFIG TARGET...
build() (
	unset MAKEFLAGS MFLAGS MAKELEVEL KERNEL
	log=$LOGS/series-$1.log
	config=$1
	shift
	mkdir -p "$FULL/$config"
	{ configure "$config" && kmake "$config" "$@"; } >"$log" 2>&1 </dev/null || {
		grep -E -m 20 'error:|Error [0-9]|undefined' "$log" >&2
		tail -n 5 "$log" >&2
		return 1
	}
	! grep -E 'warning:' "$log" >&2
)

# complete CONFIG: the kernel would link. KVM, with EL2 in it, and drivers/iommu have all
# symbols of the layer.
complete() {
	"${CROSS_COMPILE}nm" "$FULL/$1/arch/arm64/kvm/built-in.a" \
		"$FULL/$1/drivers/iommu/built-in.a" 2>/dev/null | awk '
	NF == 2 && $1 == "U" && /pkvm/	{ used[$2] = 1; next }
	NF == 3					{ defined[$3] = 1; n += /pkvm/ }
	END {
		for (s in used)
			if (!(s in defined)) {
				print "undefined: " s
				bad = 1
			}
		exit bad || n < 20
	}' >&2
}

# What was built before is remembered by content, so that this can be interrupted.
done_before() { grep -qxF "$1" "$FULL/done" 2>/dev/null; }

build_series() {
	generate "$S/out"
	full_tree
	for p in $(patches "$S/out"); do
		git -C "$FULL_TREE" am -q "$p"
		for config in all-on all-off; do
			key="$config $(git -C "$FULL_TREE" rev-parse 'HEAD^{tree}')"
			! done_before "$key" || continue
			t0=$(now)
			build $config arch/arm64/kvm/ drivers/iommu/ ||
				die "${p##*/}, $config: does not build"
			complete $config || die "${p##*/}, $config: does not link"
			say "$(printf '%5d s  %s, %s' $(($(now) - t0)) "${p##*/}" "$config")"
			echo "$key" >>"$FULL/done"
		done
	done
	for config in defconfig-on defconfig-off; do
		key="$config $(git -C "$FULL_TREE" rev-parse 'HEAD^{tree}')"
		! done_before "$key" || continue
		step "$config" build $config arch/arm64/kvm/ drivers/iommu/
		echo "$key" >>"$FULL/done"
	done
	(cd "$S/want" && find . -type f) | while read -r f; do
		cmp "$S/want/$f" "$FULL_TREE/$f" || exit 1
	done
}

command -v git >/dev/null || die "git is not installed"
S=$(mktemp -d "$CACHE/series.XXXXXX")
trap 'rm -rf "$S"' EXIT
trap 'exit 1' INT TERM
author
case ${1:-} in
make)
	out=${2:-$ROOT/build/series}
	generate "$out"
	say "$out: $nr patches; git am --empty=drop $out/*.patch"
	;;
check)		check_series ;;
style)		style_series ;;
build)		build_series ;;
*)		die "usage: series.sh make [DIR] | check | style | build" ;;
esac
