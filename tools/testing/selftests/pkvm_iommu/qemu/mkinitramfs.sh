#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Makes the guest's initramfs: busybox, our init, and every program that
# tools/testing/selftests/pkvm_iommu builds, static, in the tree in the cache, which has
# the kernel's lib.mk. The kernel provides /dev/console.
# A second initramfs, which few boots need, has the kernel's selftests/vfio.

# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

build_programs() {
	mkdir -p "$PROGS"
	make -C "$(tree)/tools/testing/selftests/pkvm_iommu" ARCH=arm64 OUTPUT="$PROGS" \
		CROSS_COMPILE="$CROSS_COMPILE" USERLDFLAGS=-static -j"$JOBS"
}

build_vfio() {
	mkdir -p "$CACHE/selftests-vfio"
	make -C "$TOOLS/vfio" TREE="$(tree)" OUT="$CACHE/selftests-vfio" \
		CROSS_COMPILE="$CROSS_COMPILE" -j"$JOBS"
}

# archive DIR FILE
archive() {
	(cd "$1" && find . | sort | cpio -o -H newc -R 0:0 --quiet) |
		gzip -1 -n >"$2.tmp"
	mv "$2.tmp" "$2"
}

pack() {
	d=$1/all
	mkdir -p "$d/bin" "$d/dev" "$d/proc" "$d/sys" "$d/tmp" "$d/root"
	cp "$BUSYBOX" "$d/bin/busybox"
	cp "$TOOLS/init" "$d/init"
	chmod 755 "$d/init"
	for p in appears banks devices devlib groups kunit soak status trace vmstart; do
		cp "$TOOLS/$p" "$d/bin/"
		chmod 755 "$d/bin/$p"
	done
	for a in sh mount mkdir cat echo sleep poweroff; do
		ln -s busybox "$d/bin/$a"	# the rest: busybox --install
	done
	[ ! -d "$PROGS" ] || find "$PROGS" -maxdepth 1 -type f -perm -100 \
		-exec cp {} "$d/bin/" \;
	archive "$d" "$INITRD"

	d=$1/vfio
	mkdir -p "$d/bin" "$d/vfio"
	cp "$TOOLS/vfio/vfio" "$d/bin/vfio"
	chmod 755 "$d/bin/vfio"
	cp "$CACHE"/selftests-vfio/*_test "$d/vfio/"
	archive "$d" "$VFIO_INITRD"
}

unset MAKEFLAGS MFLAGS MAKELEVEL KERNEL 2>/dev/null || :
lock
step "overlay and patches into the tree" "$TOOLS/tree.sh" sync
step "test programs" build_programs
step "the kernel's selftests/vfio" build_vfio
SCRATCH=$(mktemp -d "$CACHE/scratch.XXXXXX")
trap 'rm -rf "$SCRATCH"' EXIT
trap 'exit 1' INT TERM
step "initramfs" pack "$SCRATCH"
