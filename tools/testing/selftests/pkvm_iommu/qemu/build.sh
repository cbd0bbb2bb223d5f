#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Builds the kernel in the cache and leaves build/Image and build/config in the
# checkout. The configuration is allnoconfig plus kernel.config.
#
# With VARIANT=el2-debug, a second kernel, build/Image-el2-debug: CONFIG_NVHE_EL2_DEBUG
# makes EL2 check more, and test itself at boot. It starts from the objects of the first
# kernel, so that only the differences are compiled. VARIANT=nightly adds CONFIG_FTRACE, with
# which EL2 has trace events, CONFIG_HOTPLUG_CPU, so that CPUs come back from power-off,
# CONFIG_SUSPEND, with a clock that wakes the system up, or CONFIG_PM_DEBUG with ACPI, where QEMU
# describes no such clock, and CONFIG_CRASH_DUMP; almost all objects differ. VARIANT=16k and
# VARIANT=64k have pages of that size; all objects differ.

# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

export CCACHE_DIR="$CACHE/ccache" CCACHE_BASEDIR="$CACHE"
# The date and the builder are part of the image. Constants let ccache hit.
export KBUILD_BUILD_TIMESTAMP="@0" KBUILD_BUILD_USER=pkvm KBUILD_BUILD_HOST=iommu
# Make variables of our caller must not reach the kernel's make.
unset MAKEFLAGS MFLAGS MAKELEVEL KERNEL 2>/dev/null || :

VARIANT=${VARIANT:-}
FRAGMENT=$TOOLS/kernel.config

variant() {
	case $VARIANT in
	"")		return ;;
	el2-debug)	options=CONFIG_NVHE_EL2_DEBUG=y ;;
	nightly)	options="CONFIG_NVHE_EL2_DEBUG=y CONFIG_FTRACE=y CONFIG_HOTPLUG_CPU=y
				CONFIG_SUSPEND=y CONFIG_RTC_CLASS=y CONFIG_RTC_INTF_SYSFS=y
				CONFIG_RTC_DRV_PL031=y CONFIG_PM_DEBUG=y CONFIG_KEXEC_FILE=y
				CONFIG_CRASH_DUMP=y CONFIG_PROC_VMCORE=y" ;;
	16k | 64k)	options=CONFIG_ARM64_${VARIANT%k}K_PAGES=y
			mkdir -p "$OBJ-$VARIANT" ;;
	*)		die "no kernel variant is named $VARIANT" ;;
	esac
	[ -d "$OBJ-$VARIANT" ] || cp -a "$OBJ" "$OBJ-$VARIANT"
	OBJ=$OBJ-$VARIANT
	FRAGMENT=$OBJ/fragment
	# Of two lines for one option, the second counts. Of page sizes, there is one line.
	{
		case $options in
		*K_PAGES=y)	grep -v 'K_PAGES=y' "$TOOLS/kernel.config" ;;
		*)		cat "$TOOLS/kernel.config" ;;
		esac
		echo "$options" | tr -s ' \t\n' '\n'
	} >"$FRAGMENT"
}

kmake() {
	make -C "$TREE" O="$OBJ" ARCH=arm64 \
		CROSS_COMPILE="ccache $CROSS_COMPILE" HOSTCC="ccache gcc" "$@"
}

# conf does not touch an unchanged .config. Running it always costs a second, and
# cannot miss a changed Kconfig file.
configure() {
	kmake KCONFIG_ALLCONFIG="$FRAGMENT" allnoconfig
}

# An option whose dependencies are not met vanishes silently: name it.
check_config() {
	grep -E '^CONFIG_[A-Z0-9_]+=y' "$FRAGMENT" |
		sed 's/=y.*/=y/' | sort -u >"$LOGS/asked"
	sort -u "$OBJ/.config" | comm -23 "$LOGS/asked" - >"$LOGS/unset"
	[ ! -s "$LOGS/unset" ] ||
		die "kernel.config asks for what this kernel cannot have: $(tr '\n' ' ' <"$LOGS/unset")"
}

# Run the kernel's make in the background, and print its progress every ten seconds.
compile() {
	log=$LOGS/kernel-build.log
	t0=$(now)
	kmake -j"$JOBS" Image >"$log" 2>&1 </dev/null &
	pid=$!
	trap 'kill $pid 2>/dev/null; exit 1' INT TERM
	shown=0
	while kill -0 $pid 2>/dev/null; do
		sleep 0.5
		t=$(($(now) - t0))
		if [ $((t - shown)) -ge 10 ]; then
			shown=$t
			say "$(printf '%5d s  kernel: %d objects' $t \
				"$(grep -cE '^  ([A-Z]*CC|[A-Z]*AS) ' "$log" || :)")"
		fi
	done
	rc=0
	wait $pid || rc=$?
	trap - INT TERM
	if [ $rc -ne 0 ]; then
		# Show the first error; with -j others may follow it.
		grep -E -m 20 'error:|Error [0-9]|undefined' "$log" >&2 || :
		tail -n 30 "$log" >&2
		die "the kernel does not build; the whole log: $log"
	fi
	say "$(printf '%5d s  kernel built, %d objects' $(($(now) - t0)) \
		"$(grep -cE '^  ([A-Z]*CC|[A-Z]*AS) ' "$log" || :)")"
	# Show warnings, which are only in the log otherwise.
	grep -E 'warning:' "$log" >&2 || :
}

leave() {
	mkdir -p "$ROOT/build"
	cmp -s "$1" "$2" || { cp "$1" "$2.tmp"; mv "$2.tmp" "$2"; }
}

lock
TREE=$(tree)
variant
step "overlay and patches into ${TREE##*/}" "$TOOLS/tree.sh" sync
step "configure" configure
check_config
compile
leave "$OBJ/arch/arm64/boot/Image" "$ROOT/build/Image${VARIANT:+-$VARIANT}"
leave "$OBJ/.config" "$ROOT/build/config${VARIANT:+-$VARIANT}"
