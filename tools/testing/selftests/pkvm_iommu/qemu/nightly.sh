# SPDX-License-Identifier: GPL-2.0
# Sourced by run.sh: what is too long for `make test`. Each step is a TAP row.
#
# A step that passed is not repeated for the same content of the checkout and the same
# kernel, so that an interrupted run goes on where it was. `rm -r CACHE/nightly`
# forgets that.
#
# NIGHTLY_MINUTES: how long to check with random seeds, 10 by default.
# SOAK_MINUTES: how long to soak, 60 by default.
# shellcheck shell=sh

NIGHTLY=$CACHE/nightly
NIGHTLY_MINUTES=${NIGHTLY_MINUTES:-10}

# The name of the checkout's content, committed or not; empty without git.
checkout_state() (
	cd "$ROOT" || return
	cs_objects=$(git rev-parse --git-path objects) || return
	export GIT_INDEX_FILE="$NIGHTLY/index" GIT_OBJECT_DIRECTORY="$NIGHTLY/objects"
	GIT_ALTERNATE_OBJECT_DIRECTORIES=$(cd "$cs_objects" && pwd)
	export GIT_ALTERNATE_OBJECT_DIRECTORIES
	mkdir -p "$GIT_OBJECT_DIRECTORY"
	git add -A && git write-tree
) 2>/dev/null

# wanted STEP: all are, if none is named.
wanted() {
	case "$WANTED" in
	"  " | *" $1 "*)	;;
	*)		return 1 ;;
	esac
}

# nightly_row STEP TEXT COMMAND...
nightly_row() {
	wanted "$1" || return 0
	nr_mark=$PASSED/$1
	[ "$1" != soak ] || nr_mark=$nr_mark-$SOAK_MINUTES
	nr_text=$2
	shift 2
	if [ -n "$STATE" ] && [ -e "$nr_mark" ]; then
		echo "ok - $nr_text"
		echo "# passed before, $(cat "$nr_mark") s"
		return
	fi
	nr_t0=$(now)
	say "        $nr_text"
	loud_row "$nr_text" "$@" || return 1
	say "$(printf '%5d s  %s' $(($(now) - nr_t0)) "$nr_text")"
	[ -z "$STATE" ] || echo $(($(now) - nr_t0)) >"$nr_mark"
}

# skip_row STEP TEXT REASON
skip_row() {
	! wanted "$1" || echo "ok - $2 # SKIP $3"
}

########## steps

# Two shards at once; each prints a line for every mutant.
all_mutants() {
	am_rc=0
	SHARD=1/2 "$RUNNER/mutants.sh" &
	am_pid=$!
	SHARD=2/2 "$RUNNER/mutants.sh" || am_rc=1
	wait $am_pid || am_rc=1
	return $am_rc
}

# Rounds of `make check`, each with a seed of its own, which it prints. They are short, so that
# an hour has several of them.
random_check() {
	rc_end=$(($(now) + 60 * NIGHTLY_MINUTES))
	while [ "$(now)" -lt $rc_end ]; do
		rc_seed=$(od -An -N4 -tu4 /dev/urandom | tr -d ' ')
		say "        seed $rc_seed, $((rc_end - $(now))) s to go"
		SEED=$rc_seed FUZZ=60 "$RUNNER/check.sh" >"$LOGS/nightly-check" || {
			cat "$LOGS/nightly-check"
			return 1
		}
		tail -n 1 "$LOGS/nightly-check"
	done
}

# Each line of EL2 that no walk reaches is in uncovered.txt, with a reason.
walk_coverage() {
	make -s -C "$RUNNER" TREE="$(tree)" O="$NIGHTLY/cov" cov
}

# kernel_make NAME ARGS...: the kernel's make in the patched tree, in objects of NAME's.
kernel_make() (
	unset MAKEFLAGS MFLAGS MAKELEVEL KERNEL
	km_out=$NIGHTLY/$1
	shift
	mkdir -p "$km_out"
	make -C "$(tree)" O="$km_out" ARCH=arm64 CROSS_COMPILE="$CROSS_COMPILE" -j"$JOBS" "$@"
)

# no_warning NAME: its log has no warning about a file of ours. The names of the
# scripts and test programs are no matter of the kernel's build.
no_warning() {
	(cd "$ROOT" && find arch drivers include Documentation -type f) >"$LOGS/nightly-names"
	! grep -Ei 'warning|error' "$NIGHTLY/$1.log" | grep -F -f "$LOGS/nightly-names"
}

# our_directories NAME ARGS...: configure, compile KVM and ourselves, warn of nothing. With
# FRAGMENT, by another configuration than the kernel of the tests.
our_directories() {
	od_name=$1
	{
		kernel_make "$@" KCONFIG_ALLCONFIG="${FRAGMENT:-$TOOLS/kernel.config}" \
			allnoconfig &&
			kernel_make "$@" arch/arm64/kvm/ drivers/iommu/pkvm/
	} >"$NIGHTLY/$od_name.log" 2>&1 || {
		tail -n 30 "$NIGHTLY/$od_name.log"
		return 1
	}
	no_warning "$od_name"
}

# What was compiled before warned before: compile all of it.
fresh_directories() {
	rm -rf "${NIGHTLY:?}/$1"
	our_directories "$@"
}

# With the objects of the kernel that the tests boot: little differs. That one links, or
# there would be no image.
link_off() {
	rm -rf "$NIGHTLY/off"
	cp -a "$OBJ" "$NIGHTLY/off"
	sed '/^CONFIG_PKVM_IOMMU/d' "$TOOLS/kernel.config" >"$NIGHTLY/off.config"
	echo '# CONFIG_PKVM_IOMMU is not set' >>"$NIGHTLY/off.config"
	lo_ccache="ccache $CROSS_COMPILE"
	{
		kernel_make off CROSS_COMPILE="$lo_ccache" HOSTCC="ccache gcc" \
			KCONFIG_ALLCONFIG="$NIGHTLY/off.config" allnoconfig &&
			kernel_make off CROSS_COMPILE="$lo_ccache" HOSTCC="ccache gcc" vmlinux
	} >"$NIGHTLY/off.log" 2>&1 || {
		tail -n 30 "$NIGHTLY/off.log"
		return 1
	}
	no_warning off
	if "${CROSS_COMPILE}nm" "$NIGHTLY/off/vmlinux" | grep pkvm_iommu; then
		echo "symbols of the layer are left"
		return 1
	fi
}

# other_pages SIZE: kernels with pages of that size compile, EL2 passes its walks, and the
# configurations pages16 or pages64 boot such a kernel.
other_pages() {
	sed "s/^CONFIG_ARM64_4K_PAGES=/CONFIG_ARM64_$1_PAGES=/" "$TOOLS/kernel.config" \
		>"$NIGHTLY/pages-$1.config"
	FRAGMENT=$NIGHTLY/pages-$1.config fresh_directories "pages-$1" W=1 || return 1
	grep -qx "CONFIG_ARM64_$1_PAGES=y" "$NIGHTLY/pages-$1/.config" || {
		echo "the kernel has pages of another size"
		return 1
	}
	PAGES=$1 "$RUNNER/check.sh" >"$LOGS/nightly-pages-$1" || {
		cat "$LOGS/nightly-pages-$1"
		return 1
	}
	tail -n 1 "$LOGS/nightly-pages-$1"
	# shellcheck disable=SC2046
	"$TOOLS/run.sh" test $(config_lines | sed -n "s/^\(pages${1%K}[^ |]*\).*/\1/p")
}

our_htmldocs() {
	kernel_make docs SPHINXDIRS=virt/kvm htmldocs >"$NIGHTLY/docs.log" 2>&1 || {
		tail -n 30 "$NIGHTLY/docs.log"
		return 1
	}
	no_warning docs
}

# kernel_clang: LLVM= for the kernel's make, for a clang that can build this kernel.
kernel_clang() {
	kc_min=$("$(tree)/scripts/min-tool-version.sh" llvm)
	for kc_version in "" -19; do
		command -v "clang$kc_version" >/dev/null || continue
		command -v "ld.lld$kc_version" >/dev/null || continue
		kc_have=$("clang$kc_version" -dumpversion)
		[ "$(printf '%s\n' "$kc_min" "$kc_have" | sort -V | head -n 1)" = "$kc_min" ] ||
			continue
		echo "${kc_version:-1}"
		return
	done
	return 1
}

# Skipped tests count as failed here: herd7 has to be there.
litmus_tests() {
	lt_out=$("$RUNNER/litmus/litmus.sh" fetch) || { echo "$lt_out"; return 1; }
	echo "$lt_out"
	! echo "$lt_out" | grep -q '# SKIP'
}

# nightly_rows [STEP...]: only these
nightly_rows() {
	WANTED=" $* "
	mkdir -p "$NIGHTLY"
	STATE=$(checkout_state) || STATE=
	if ! loud_row "setup" "$TOOLS/setup.sh" ||
	   ! loud_row "the kernel builds" "$TOOLS/build.sh" ||
	   ! loud_row "the test programs build" "$TOOLS/mkinitramfs.sh"; then
		echo "# complete"
		return
	fi
	[ -n "$STATE" ] || say "no git checkout: nothing is remembered"
	# One state only: older ones are not asked for again.
	PASSED=$NIGHTLY/passed/$STATE-$(cat "$CACHE/tree")
	[ -d "$PASSED" ] || rm -rf "$NIGHTLY/passed"
	mkdir -p "$PASSED"
	# Without root or network, the steps that need the packages are skipped.
	"$TOOLS/setup.sh" nightly >&2 || say "not all packages of make nightly are there"

	nightly_row series-check "the series applies to the files that it touches" \
		"$TOOLS/series.sh" check || :
	nightly_row series-style "the series is clean under checkpatch --strict" \
		"$TOOLS/series.sh" style || :
	nightly_row series-build "each patch of the series builds, with and without CONFIG_PKVM_IOMMU" \
		"$TOOLS/series.sh" build || :
	nightly_row link-off "the kernel links without CONFIG_PKVM_IOMMU" link_off || :

	if command -v sphinx-build >/dev/null; then
		nightly_row htmldocs "our documents build without a warning" our_htmldocs || :
	else
		skip_row htmldocs "our documents build without a warning" "sphinx is not installed"
	fi
	nightly_row gcc-w1 "gcc W=1 warns of nothing of ours" \
		fresh_directories w1 W=1 || :
	if nr_llvm=$(kernel_clang); then
		nightly_row clang "clang W=1 warns of nothing of ours" \
			fresh_directories clang LLVM="$nr_llvm" W=1 || :
	else
		skip_row clang "clang W=1 warns of nothing of ours" \
			"no clang that can build Linux is installed"
	fi
	for nr_size in 16K 64K; do
		nightly_row "pages-$nr_size" \
			"pages of ${nr_size}iB: our files compile, make check passes, a kernel boots and is attacked" \
			other_pages "$nr_size" || :
	done
	if command -v sparse >/dev/null; then
		nightly_row sparse "sparse warns of nothing of ours" \
			fresh_directories sparse C=1 || :
	else
		skip_row sparse "sparse warns of nothing of ours" "sparse is not installed"
	fi

	nightly_row litmus "herd7 agrees with the litmus tests of the lock-free rules" \
		litmus_tests || :
	nightly_row random "make check with random seeds, $NIGHTLY_MINUTES minutes" \
		random_check || :
	nightly_row mutants "make check notices every mutant" all_mutants || :
	nightly_row walk-coverage "make check runs each line of EL2, or there is a reason" \
		walk_coverage || :
	nightly_row debug "a kernel with hotplug of CPUs, suspend, and EL2's trace events" \
		"$TOOLS/run.sh" test trace resume-hotplug sleep sleep-devices || :
	nightly_row devices "more of devices, storms and stress, and VMs of 52 bits" \
		"$TOOLS/run.sh" test dma-lazy-a72 nested-devices-a72 nested-map-stress \
		nested-storm lpa2-pvm smmu-v2-smp4 || :
	nightly_row vfio "the kernel's selftests/vfio on a virtio-iommu" \
		"$TOOLS/run.sh" test virtio-vfio || :
	nightly_row soak "everything at once, $SOAK_MINUTES minutes, and nothing is lost" \
		"$TOOLS/run.sh" test soak || :
	nightly_row crash "a crash kernel dumps the host's memory, and no protected VM's" \
		"$TOOLS/run.sh" test crash crash-nested crash-virtio crash-unasked || :
	nightly_row coverage "coverage of the EL2 code in QEMU" "$TOOLS/coverage.sh" || :
	echo "# complete"
}
