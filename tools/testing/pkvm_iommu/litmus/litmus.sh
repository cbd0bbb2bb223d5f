#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Litmus tests of the lock-free rules at EL2, in the memory model of AArch64: what a
# test describes must not be observable; what one whose name contains "-without-"
# describes, which lacks one barrier, must be. TAP on stdout.
#
#	litmus.sh [NAME...]	only these
#	litmus.sh fetch		download herd7 from Debian's development suite first
#
# herd7 (Debian: herdtools7, in no release up to 13) comes from HERD7=, from PATH, or
# from what "fetch" left in the cache. Without it all tests are skipped.

HERE=$(cd "$(dirname "$0")" && pwd)
CACHE=${XDG_CACHE_HOME:-$HOME/.cache}/pkvm-iommu
DIR=$CACHE/herdtools
ROOT=$DIR/root

set -eu
export LC_ALL=C

# With a state of apt of its own; what the package needs is unpacked beside it, so
# that the system's libraries stay as they are.
fetch() {
	arch=$(dpkg --print-architecture)
	mirror=$("$HERE/../../selftests/pkvm_iommu/qemu/setup.sh" mirror)
	[ -n "$mirror" ] || {
		echo "error: no Debian mirror in the sources of apt: set DEBIAN_MIRROR="
		exit 1
	}
	mkdir -p "$DIR/lists/partial" "$DIR/cache/archives/partial" "$DIR/deb"
	echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg]" \
		"$mirror sid main" >"$DIR/sources.list"
	: >"$DIR/status"
	set -- -q -y -o Dir::Etc::sourcelist="$DIR/sources.list" -o Dir::Etc::sourceparts=- \
		-o Dir::State::lists="$DIR/lists" -o Dir::State::status="$DIR/status" \
		-o Dir::Cache="$DIR/cache" -o APT::Architecture="$arch" \
		-o APT::Sandbox::User=root -o Acquire::Languages=none -o Acquire::Retries=3
	apt-get "$@" update
	rm -f "$DIR"/deb/*.deb
	(cd "$DIR/deb" && apt-get "$@" download herdtools7 libc6 libgmp10)
	rm -rf "$ROOT"
	for deb in "$DIR"/deb/*.deb; do
		dpkg -x "$deb" "$ROOT"
	done
}

herd() {
	if [ -n "${HERD7:-}" ]; then
		"$HERD7" "$@"
	elif command -v herd7 >/dev/null; then
		herd7 "$@"
	else
		"$LOADER" --library-path "${LOADER%/*}" "$ROOT/usr/bin/herd7" \
			-set-libdir "$ROOT/usr/share/herdtools7/herd" "$@"
	fi
}

if [ "${1:-}" = fetch ]; then
	fetch >&2
	shift
fi
LOADER=$(find "$ROOT"/usr/lib/*/ -maxdepth 1 -name 'ld-linux*.so.*' 2>/dev/null | head -n 1)

why=
if ! herd -version >/dev/null 2>&1; then
	why="no herd7: run tools/testing/pkvm_iommu/litmus/litmus.sh fetch"
fi
[ $# -gt 0 ] || set -- "$HERE"/*.litmus
nr=0
failed=0
echo "TAP version 13"
for name; do
	name=$(basename "$name" .litmus)
	nr=$((nr + 1))
	if [ -n "$why" ]; then
		echo "ok $nr - $name # SKIP $why"
		continue
	fi
	expect=Never
	case $name in *-without-*) expect=Sometimes ;; esac
	out=$(herd "$HERE/$name.litmus" 2>&1) || :
	got=$(echo "$out" | sed -n 's/^Observation [^ ]* \([A-Z][a-z]*\) .*/\1/p')
	if [ "$got" = $expect ]; then
		echo "ok $nr - $name: $expect"
	else
		echo "$out" | sed 's/^/# /'
		echo "not ok $nr - $name: ${got:-nothing}, not $expect"
		failed=$((failed + 1))
	fi
done
echo "1..$nr"
[ $failed -eq 0 ]
