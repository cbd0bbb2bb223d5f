# SPDX-License-Identifier: GPL-2.0
# Sourced by the other scripts: paths, and output of progress.
# Progress goes to stderr, so that stdout is left to results.
#
# The scripts work in a checkout of pkvm-iommu only. `make install` copies them into
# kernel trees with the test programs, but there the patches, the build-machine
# runner and the top-level Makefile are missing.
# shellcheck shell=sh disable=SC2034

set -eu
umask 022
export LC_ALL=C

TOOLS=$(cd "$(dirname "$0")" && pwd)
ROOT=$(cd "$TOOLS/../../../../.." && pwd)
RUNNER=$ROOT/tools/testing/pkvm_iommu	# the EL2 code on the build machine
CACHE=${XDG_CACHE_HOME:-$HOME/.cache}/pkvm-iommu
SERIES=7.3			# the kernel series that patches/ is for

DL=$CACHE/dl			# downloads
OBJ=$CACHE/build		# the kernel's O= directory
LOGS=$CACHE/logs
PROGS=$CACHE/selftests		# the static programs for the guest
BUSYBOX=$CACHE/busybox
NEW_QEMU=$CACHE/new-qemu	# where it could be had, see setup.sh
INITRD=$CACHE/initramfs.cpio.gz
VFIO_INITRD=$CACHE/vfio.cpio.gz	# unpacked after the other, where asked for
CROSS_COMPILE=${CROSS_COMPILE:-aarch64-linux-gnu-}
JOBS=${JOBS:-$(nproc)}

say() { echo "$*" >&2; }
die() { say "error: $*"; exit 1; }

[ -d "$ROOT/patches/$SERIES" ] || die "$ROOT is not a checkout of pkvm-iommu"
mkdir -p "$DL" "$LOGS"

now() { date +%s; }

# step TEXT COMMAND...: run a command and print one line with its time. Its output
# goes to a log, whose tail is printed if it fails.
step() {
	step_text=$1
	shift
	step_log=$LOGS/step.$$
	step_t0=$(now)
	step_rc=0
	"$@" >"$step_log" 2>&1 </dev/null || step_rc=$?
	if [ $step_rc -ne 0 ]; then
		tail -n 40 "$step_log" >&2
		rm -f "$step_log"
		die "$step_text: failed after $(($(now) - step_t0)) s"
	fi
	rm -f "$step_log"
	say "$(printf '%5d s  %s' $(($(now) - step_t0)) "$step_text")"
}

# Only one setup or build at a time uses a cache.
lock() {
	exec 9>"$CACHE/lock"
	flock -n 9 || { say "waiting for another run in $CACHE"; flock 9; }
}

# version_of TREE: its version, or nothing if it is no kernel tree.
version_of() {
	[ -f "$1/Makefile" ] || return 0
	awk '$2 == "=" && !($1 in v) { v[$1] = $3 }
		END { if (v["VERSION"] != "")
			printf "%s.%s.%s%s\n", v["VERSION"], v["PATCHLEVEL"],
				v["SUBLEVEL"], v["EXTRAVERSION"] }' "$1/Makefile"
}

# check_version TREE: fail unless it is a kernel of the series.
check_version() {
	check_v=$(version_of "$1")
	case $check_v in
	"$SERIES".*)	;;
	"")	die "$1 is not a kernel source tree" ;;
	*)	die "$1 is Linux $check_v; this overlay is for Linux $SERIES" ;;
	esac
}

# The kernel tree in the cache; setup.sh writes its name last.
tree() {
	[ -s "$CACHE/tree" ] || die "no kernel source yet: run 'make setup'"
	echo "$CACHE/$(cat "$CACHE/tree")"
}
