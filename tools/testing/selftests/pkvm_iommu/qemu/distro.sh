# SPDX-License-Identifier: GPL-2.0
# Sourced by run.sh: `make distro`. Debian's own configuration for arm64 with the layer added,
# and Debian's user space on an NVMe disk behind the SMMU, booted by UEFI and ACPI.
#
# Of Debian's modules, those in distro/modules are built, and what they need: all of them take
# hours. Everything is kept in CACHE/distro; a second run compiles and downloads nothing.
# shellcheck shell=sh

DISTRO=$CACHE/distro
DISTRO_SUITE=${DISTRO_SUITE:-bookworm}
DISTRO_OBJ=$DISTRO/build
# Packages beside debootstrap's minimal set.
DEBIAN_PACKAGES=systemd-sysv,udev,dbus,kmod,iproute2,busybox-static,procps

distro_make() (
	unset MAKEFLAGS MFLAGS MAKELEVEL KERNEL
	export CCACHE_DIR="$CACHE/ccache" CCACHE_BASEDIR="$CACHE"
	make -C "$(tree)" O="$DISTRO_OBJ" ARCH=arm64 CROSS_COMPILE="ccache $CROSS_COMPILE" \
		HOSTCC="ccache gcc" "$@"
)

# Debian's configuration, as its package has it.
distro_fetch_config() {
	[ ! -s "$DISTRO/config.debian" ] || return 0
	dc_deb=$(ls "$DL/linux-config-${SERIES}"_*_arm64.deb 2>/dev/null | tail -n 1)
	if [ -z "$dc_deb" ]; then
		"$TOOLS/setup.sh" deb "linux-config-$SERIES" arm64 || return 1
		dc_deb=$(ls "$DL/linux-config-${SERIES}"_*_arm64.deb | tail -n 1)
	fi
	dpkg-deb --fsys-tarfile "$dc_deb" |
		tar -xO --wildcards './usr/src/linux-config-*/config.arm64_none_arm64.xz' |
		xz -dc >"$DISTRO/config.tmp"
	grep -q '^CONFIG_ARM64=y' "$DISTRO/config.tmp" || return 1
	mv "$DISTRO/config.tmp" "$DISTRO/config.debian"
}

# Debian's configuration, and
# - the layer,
# - options of selftests/vfio and selftests/iommu. VFIO_NOIOMMU brings the page tables that the
#   latter needs; it does nothing unless it is asked for at run time,
# - all of /dev/mem, by which the attacks read and write physical memory as a hostile host does,
# - without the families of SoCs, which ACPI does not need: clocks and pins are a third of what is
#   built in,
# - no signatures of modules, which need keys, and no debug information, which takes most of the
#   time of the build: the code is the same without.
distro_configure() {
	mkdir -p "$DISTRO_OBJ"
	dc_platforms=$(sed -n 's/^\(menu\)\{0,1\}config \(ARCH_.*\)/CONFIG_\2=n/p' \
		"$(tree)/arch/arm64/Kconfig.platforms")
	cat "$DISTRO/config.debian" - >"$DISTRO_OBJ/.config.new" <<-END
		$dc_platforms
		CONFIG_PKVM_IOMMU=y
		CONFIG_PKVM_IOMMU_SMMU_V3=y
		CONFIG_PKVM_IOMMU_VIRTIO=y
		CONFIG_PKVM_IOMMU_TEST=y
		CONFIG_IOMMUFD=m
		CONFIG_VFIO_DEVICE_CDEV=y
		CONFIG_VFIO_NOIOMMU=y
		CONFIG_FAULT_INJECTION=y
		CONFIG_FAULT_INJECTION_DEBUG_FS=y
		CONFIG_FAILSLAB=y
		CONFIG_IOMMUFD_TEST=y
		CONFIG_STRICT_DEVMEM=n
		CONFIG_LOCALVERSION="-pkvm-iommu"
		CONFIG_MODULE_SIG=n
		CONFIG_SYSTEM_TRUSTED_KEYS=""
		CONFIG_DEBUG_INFO_NONE=y
		CONFIG_DEBUG_INFO_BTF=n
	END
	cmp -s "$DISTRO_OBJ/.config.new" "$DISTRO_OBJ/.config.asked" &&
		cmp -s "$TOOLS/distro/modules" "$DISTRO_OBJ/modules.asked" && return 0
	cp "$DISTRO_OBJ/.config.new" "$DISTRO_OBJ/.config"
	distro_make olddefconfig || return 1
	{ echo "Module Size Used by"; sed '/^#/d; s/$/ 1 0/' "$TOOLS/distro/modules"; } \
		>"$DISTRO_OBJ/lsmod"
	# It asks about options that it makes visible.
	yes '' | distro_make LSMOD="$DISTRO_OBJ/lsmod" localmodconfig || return 1
	for dc_option in PKVM_IOMMU PKVM_IOMMU_SMMU_V3 PKVM_IOMMU_TEST VFIO_DEVICE_CDEV \
			 IOMMUFD_TEST FAILSLAB; do
		grep -qx "CONFIG_$dc_option=y" "$DISTRO_OBJ/.config" ||
			{ echo "CONFIG_$dc_option is not set"; return 1; }
	done
	cp "$DISTRO_OBJ/.config.new" "$DISTRO_OBJ/.config.asked"
	cp "$TOOLS/distro/modules" "$DISTRO_OBJ/modules.asked"
}

distro_kernel() {
	distro_make -j"$JOBS" Image modules >"$LOGS/distro-build.log" 2>&1 &
	dk_pid=$!
	dk_t0=$(now)
	while kill -0 $dk_pid 2>/dev/null; do
		sleep 30
		say "$(printf '%5d s  kernel: %d objects' $(($(now) - dk_t0)) \
			"$(grep -cE '^  (CC|AS) ' "$LOGS/distro-build.log" || :)")"
	done
	wait $dk_pid || { tail -n 30 "$LOGS/distro-build.log"; return 1; }
	! grep 'warning:' "$LOGS/distro-build.log" | grep -i pkvm_iommu || return 1
	! grep -x CONFIG_STRICT_DEVMEM=y "$DISTRO_OBJ/.config"
}

# A root directory with the first stage of debootstrap; the second one runs in the guest, where
# the programs can run.
distro_first_stage() {
	[ ! -e "$DISTRO/root.done" ] || return 0
	rm -rf "$DISTRO/root"
	debootstrap --foreign --arch=arm64 --variant=minbase --include="$DEBIAN_PACKAGES" \
		"$DISTRO_SUITE" "$DISTRO/root" "$("$TOOLS/setup.sh" mirror)" || return 1
	touch "$DISTRO/root.done"
}

# The kernel's own selftests/iommu, static. They want libcap.
distro_iommu_tests() {
	[ -d "$DISTRO/libcap" ] || {
		ls "$DL"/libcap-dev_*_arm64.deb >/dev/null 2>&1 ||
			"$TOOLS/setup.sh" deb libcap-dev arm64 || return 1
		for di_deb in "$DL"/libcap-dev_*_arm64.deb; do :; done
		dpkg-deb -x "$di_deb" "$DISTRO/libcap" || return 1
	}
	mkdir -p "$DISTRO/iommu"
	make -C "$(tree)/tools/testing/selftests/iommu" ARCH=arm64 OUTPUT="$DISTRO/iommu" \
		CROSS_COMPILE="$CROSS_COMPILE" \
		KHDR_INCLUDES="-isystem $CACHE/selftests-vfio/kernel/usr/include" \
		USERCFLAGS="-isystem $DISTRO/libcap/usr/include" \
		USERLDFLAGS="-static -L$DISTRO/libcap/usr/lib/aarch64-linux-gnu" all
}

# What changes from run to run: modules, programs, the service.
distro_files() {
	df_dir=$1
	distro_make INSTALL_MOD_PATH="$df_dir" DEPMOD=/sbin/depmod modules_install || return 1
	mkdir -p "$df_dir/opt/pkvm/vfio" "$df_dir/opt/pkvm/iommu" "$df_dir/etc/systemd/system"
	find "$PROGS" -maxdepth 1 -type f -perm -100 -exec cp {} "$df_dir/opt/pkvm/" \;
	cp "$CACHE"/selftests-vfio/*_test "$df_dir/opt/pkvm/vfio/"
	cp "$DISTRO/iommu/iommufd" "$DISTRO/iommu/iommufd_fail_nth" "$df_dir/opt/pkvm/iommu/"
	cp "$TOOLS/vfio/vfio" "$df_dir/opt/pkvm/vfio.sh"
	cp "$TOOLS/distro/test" "$df_dir/opt/pkvm/distro-test"
	cp "$TOOLS/distro/pkvm-test.service" "$df_dir/etc/systemd/system/"
	chmod 755 "$df_dir"/opt/pkvm/*
}

distro_initrd() {
	di_dir=$DISTRO/initrd
	rm -rf "$di_dir"
	mkdir -p "$di_dir/bin" "$di_dir/dev" "$di_dir/proc" "$di_dir/sys" "$di_dir/disk" \
		"$di_dir/files"
	cp "$BUSYBOX" "$di_dir/bin/busybox"
	ln -s busybox "$di_dir/bin/sh"
	cp "$TOOLS/distro/enter" "$di_dir/init"
	chmod 755 "$di_dir/init"
	distro_files "$di_dir/files" || return 1
	(cd "$di_dir" && find . | sort | cpio -o -H newc -R 0:0 --quiet) | gzip -1 -n >"$DISTRO/initrd.gz"
}

# distro_boot NAME TIMEOUT APPEND: the console gets a line every few seconds, which wakes the
# guest up when it sleeps.
distro_boot() {
	INITRD=$DISTRO/initrd.gz
	# igb reserves a bus for its virtual functions, which QEMU's table leaves out.
	INITRD=$(acpi_table "$1" full)
	IMAGE=$DISTRO_OBJ/arch/arm64/boot/Image
	MEM=5G
	SMP=2
	APPEND="rw $3"
	SERIAL=chardev:console
	rm -f "$LOGS/$1.input"
	mkfifo "$LOGS/$1.input"
	exec 7<>"$LOGS/$1.input"
	while sleep 3; do echo; done >&7 &
	db_keys=$!
	db_rc=0
	boot "$1" "$UEFI $(distro_devices "$1") -chardev
		file,id=console,path=$LOGS/$1.console,input-path=$LOGS/$1.input" "" "$2" || db_rc=$?
	kill $db_keys
	exec 7>&-
	return $db_rc
}

distro_devices() {
	mkdir -p "$LOGS/$1.tftp"
	[ -s "$LOGS/$1.tftp/blob" ] || head -c 4000000 /dev/urandom >"$LOGS/$1.tftp/blob"
	(cd "$LOGS/$1.tftp" && sha256sum blob >blob.sum)
	echo "-drive if=none,id=root,format=raw,cache=unsafe,file=$DISTRO/disk" \
		"-device nvme,serial=root,drive=root" \
		"-netdev user,id=net0,tftp=$LOGS/$1.tftp" \
		"-device virtio-net-pci,netdev=net0,romfile=,iommu_platform=on,disable-legacy=on" \
		"-device igb,romfile="
}

# The disk that Debian is on: made once.
distro_install() {
	[ ! -e "$DISTRO/disk.done" ] || return 0
	rm -f "$DISTRO/disk"
	truncate -s 3G "$DISTRO/disk"
	/sbin/mke2fs -q -t ext4 -d "$DISTRO/root" "$DISTRO/disk" || return 1
	distro_boot distro-install 1800 "pkvm_distro=install" || return 1
	grep -q '^# installed' "$LOGS/distro-install.tap" || return 1
	touch "$DISTRO/disk.done"
}

distro_rows() {
	mkdir -p "$DISTRO"
	if ! loud_row "setup" "$TOOLS/setup.sh" ||
	   ! loud_row "packages for a distribution's kernel" "$TOOLS/setup.sh" distro ||
	   ! loud_row "overlay and patches into the tree" "$TOOLS/tree.sh" sync ||
	   ! loud_row "the test programs build" "$TOOLS/mkinitramfs.sh" ||
	   ! loud_row "Debian's configuration" distro_fetch_config ||
	   ! loud_row "Debian's configuration with the layer" distro_configure ||
	   ! loud_row "the kernel builds, without a warning of ours" distro_kernel ||
	   ! loud_row "the kernel's selftests/iommu build" distro_iommu_tests ||
	   ! loud_row "initramfs with modules and programs" distro_initrd ||
	   ! loud_row "Debian's user space, first stage" distro_first_stage ||
	   ! loud_row "Debian installs itself in the guest" distro_install; then
		echo "# complete"
		return
	fi
	dr_pages="hugepagesz=1G hugepages=1 hugepagesz=2M hugepages=80 default_hugepagesz=2M"
	# The devices that selftests/iommu works on are mocked: tests that fail without the layer
	# as well say nothing about it.
	distro_boot distro-off 1800 "pkvm_distro=iommufd pkvm_iommu=off $dr_pages" || :
	judge distro iommufd,iommufd_fail_nth "" <"$LOGS/distro-off.tap" >"$DISTRO/off"
	row "selftests/iommu without the layer: $(grep -c '^ok' "$DISTRO/off") pass, \
$(grep -c '^not ok' "$DISTRO/off") fail" test "$(grep -c '^ok' "$DISTRO/off")" -gt 200 || :
	dr_status=0
	distro_boot distro 5400 "pkvm_distro=test iommu.strict=1 vfio_pci.enable_sriov=1 $dr_pages" ||
		dr_status=$?
	judge distro distro-test,vfio,iommufd,iommufd_fail_nth "" <"$LOGS/distro.tap" |
		awk 'FILENAME != "-" { if (/^not ok - distro: iommufd/) fails[substr($0, 5)] = 1; next }
		     /^not ok/ && substr($0, 5) in fails {
			print substr($0, 5) " # SKIP it fails without the layer as well"; next }
		     { print }' "$DISTRO/off" -
	row "distro: boots and powers off without a complaint" clean_boot distro $dr_status "" || :
	echo "# complete"
}
