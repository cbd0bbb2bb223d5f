#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Makes the guest's initramfs: busybox, our init, and every static program that
# tools/testing/selftests/pkvm_iommu builds. The kernel brings /dev/console.

# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

SELFTESTS=$ROOT/tools/testing/selftests/pkvm_iommu

build_programs() {
	mkdir -p "$PROGS"
	make -C "$SELFTESTS" OUT="$PROGS" CROSS_COMPILE="$CROSS_COMPILE" -j"$JOBS"
}

pack() {
	d=$1
	mkdir -p "$d/bin" "$d/dev" "$d/proc" "$d/sys" "$d/tmp" "$d/root"
	cp "$BUSYBOX" "$d/bin/busybox"
	cp "$TOOLS/init" "$d/init"
	cp "$TOOLS/devices" "$TOOLS/kunit" "$d/bin/"
	chmod 755 "$d/init" "$d/bin/devices" "$d/bin/kunit"
	for a in sh mount mkdir cat echo sleep poweroff; do
		ln -s busybox "$d/bin/$a"	# the rest: busybox --install
	done
	[ ! -d "$PROGS" ] || find "$PROGS" -maxdepth 1 -type f -perm -100 \
		-exec cp {} "$d/bin/" \;
	(cd "$d" && find . | sort | cpio -o -H newc -R 0:0 --quiet) |
		gzip -1 -n >"$INITRD.tmp"
	mv "$INITRD.tmp" "$INITRD"
}

unset MAKEFLAGS MFLAGS MAKELEVEL KERNEL 2>/dev/null || :
lock
[ ! -f "$SELFTESTS/Makefile" ] || step "test programs" build_programs
SCRATCH=$(mktemp -d "$CACHE/scratch.XXXXXX")
trap 'rm -rf "$SCRATCH"' EXIT
trap 'exit 1' INT TERM
step "initramfs" pack "$SCRATCH"
