#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# `make check`: build the EL2 sources for this machine with sanitizers, walk each
# configuration, and let a fuzzer choose for a while, if clang has one. TAP on
# stdout; the last line is the count.
#
#	check.sh [STEPS]	steps of each configuration, default 12000
#
# PAGES=16K or PAGES=64K does all of it as in a kernel with pages of that size. By default,
# pages are of 4 KiB, and the configurations in which the size matters most are walked for a
# short time with the others as well.
#
# CC=clang builds with clang. SEED= gives the first seed (default: from the
# clock; it is printed). O= is where the objects go. FUZZ= seconds of the fuzzers,
# 20; 0: none. For a nightly run: check.sh 2000000, and see fuzz.c and runner.c.

HERE=$(cd "$(dirname "$0")" && pwd)
CACHE=${XDG_CACHE_HOME:-$HOME/.cache}/pkvm-iommu

set -eu
export LC_ALL=C
[ -s "$CACHE/tree" ] || {
	echo "error: no kernel source yet: run 'make setup image'" >&2
	exit 1
}
TREE=${TREE:-$CACHE/$(cat "$CACHE/tree")}
PAGES=${PAGES:-4K}
case $PAGES in
4K)	SHIFT=12 ;;
16K)	SHIFT=14 ;;
64K)	SHIFT=16 ;;
*)	echo "error: PAGES=$PAGES: 4K, 16K or 64K" >&2; exit 1 ;;
esac
O=${O:-$CACHE/check-${CC:-cc}$([ $SHIFT -eq 12 ] || echo "-$PAGES")}
STEPS=${1:-12000}
FUZZ=${FUZZ:-20}
CLANG=${CLANG:-clang}
SEED=${SEED:-$(date +%s)}

passed=0
failed=0
skipped=0
nr=0

# row NAME COMMAND...
row() {
	row_name=$1
	shift
	nr=$((nr + 1))
	row_rc=0
	"$@" >"$O/log" 2>&1 || row_rc=$?
	if [ $row_rc -eq 0 ]; then
		passed=$((passed + 1))
		grep '^# ' "$O/log" || :
		echo "ok $nr - $row_name"
	else
		failed=$((failed + 1))
		sed 's/^[^#]/# &/' "$O/log" | tail -n 60
		echo "not ok $nr - $row_name"
	fi
}

# skip NAME WHY
skip() {
	nr=$((nr + 1))
	skipped=$((skipped + 1))
	echo "ok $nr - $1 # SKIP $2"
}

build() { make -s -j"$(nproc)" -C "$HERE" TREE="$TREE" PAGE_SHIFT="$SHIFT" "$@"; }

# walk_all PROGRAM NAME-PREFIX ARGS...: start a walk of each configuration that is read from
# stdin, one on each CPU at a time, and print their rows in order.
walk_all() {
	wa_prog=$1
	wa_prefix=$2
	shift 2
	wa_configs=$(cat)
	rm -f "$O"/rc.*
	echo "$wa_configs" | SEED=$SEED O=$O PROG=$wa_prog PREFIX=$wa_prefix ARGS=$* \
		xargs -P "$(nproc)" -I {} sh -c 'rc=0
			"$O/$PROG" --config {} --seed "$SEED" --save "$O/$PREFIX{}.trace" $ARGS \
				>"$O/out.{}" 2>&1 || rc=$?
			echo $rc >"$O/rc.tmp.{}"
			mv "$O/rc.tmp.{}" "$O/rc.{}"' &
	for wa_config in $wa_configs; do
		row "$wa_prefix$wa_config" walk_result "$wa_config"
	done
	wait
}

walk_result() {
	while [ ! -e "$O/rc.$1" ]; do
		sleep 0.1
	done
	cat "$O/out.$1"
	return "$(cat "$O/rc.$1")"
}

# Mainly races, which switch CPUs before each access to memory: see access.c.
races() {
	printf '%s\n' two-level slow-queue noncoherent-s1 mixed-coherency lost-sync \
		virtio-lost kinds smmu-v2 smmu-v2-scarce smmu-v2-lost >"$O/races"
	walk_all walk-race races- --races --steps $((STEPS / 6)) <"$O/races"
}

# Calls per minute of the optimised build, one process on each CPU. Without a target,
# because it depends on the machine.
throughput() {
	build O="$O" ${CC:+CC="$CC"} "$O/walk-opt"
	for cpu in $(seq "$(nproc)"); do
		"$O/walk-opt" --config two-level --seed $((SEED + cpu)) --steps 40000 \
			--save "$O/throughput.trace" >"$O/throughput.$cpu" &
		eval "pid$cpu=\$!"
	done
	for cpu in $(seq "$(nproc)"); do
		eval "wait \$pid$cpu" || { cat "$O/throughput.$cpu"; return 1; }
	done
	sed -n 's/.* \([0-9.]*\) million calls a minute$/\1/p' "$O"/throughput.* |
		awk '{ sum += $1 } END { printf "# %.2f million calls a minute\n", sum
			exit !sum }'
	rm -f "$O"/throughput.*
}

# other_sizes: a short walk with the other page sizes. Objects of each size are in a folder of
# its own.
other_sizes() {
	for os_pages in 16K 64K; do
		os_shift=14
		[ $os_pages = 16K ] || os_shift=16
		row "$os_pages-build" build O="$O/$os_pages" PAGE_SHIFT=$os_shift ${CC:+CC="$CC"} \
			"$O/$os_pages/walk-opt"
		[ "$row_rc" -eq 0 ] || continue
		printf '%s\n' two-level noncoherent-s1 reach40 reach48 virtio-smmu gib \
			many-domains smmu-v2 smmu-v2-scarce smmu-v2-401 >"$O/sizes"
		walk_all "$os_pages/walk-opt" "pages-$os_pages-" --steps $((STEPS / 24)) <"$O/sizes"
	done
}

has_fuzzer() {
	printf '%s\n' '#include <stddef.h>' \
		'int LLVMFuzzerTestOneInput(const unsigned char *d, size_t n) { return 0; }' \
		>"$O/probe.c"
	"$CLANG" -fsanitize=fuzzer,address -o "$O/probe" "$O/probe.c" >/dev/null 2>&1
}

# fuzz_start WHICH: run a fuzzer in the background. It saves inputs that fail.
fuzz_start() {
	CONFIG=$config "$O/fuzz/fuzz-$1" -seed=$((SEED & 0x7fffffff)) \
		-max_total_time=$(((FUZZ + 1) / 2)) -max_len=1024 -len_control=0 \
		-artifact_prefix="$O/fuzz/$1-$config-" >"$O/fuzz/$1-$config.log" 2>&1 &
}

# Both fuzzers at once, half of the time for each kind of hardware.
fuzz() {
	for config in two-level virtio-smmu; do
		fuzz_start calls
		pid_calls=$!
		fuzz_start steps
		pid_steps=$!
		row "fuzz-calls, $config" fuzz_result calls "$config" "$pid_calls"
		row "fuzz-steps, $config" fuzz_result steps "$config" "$pid_steps"
	done
}

# fuzz_result WHICH CONFIG PID
fuzz_result() {
	fuzz_log=$O/fuzz/$1-$2.log
	if wait "$3"; then
		sed -n 's/^#\([0-9]*\)[[:space:]]*DONE *\(cov: [0-9]*\).*/# \1 inputs, \2/p' \
			"$fuzz_log" | grep . && return 0
	fi
	sed -n '/FAILED/,/repeat/p; /ERROR/p; /Test unit/p' "$fuzz_log"
	echo "repeat: CONFIG=$2 $O/fuzz/fuzz-$1 FILE"
	return 1
}

# The tree needs our patches, for the headers that our sources include. The sources
# themselves are those of the overlay.
mkdir -p "$O/fuzz"
echo "TAP version 13"
echo "# seed $SEED, $STEPS steps for each configuration, ${CC:-cc}, pages of ${PAGES}iB"
row "build" build O="$O" ${CC:+CC="$CC"} "$O/walk-san" "$O/virtio-san" "$O/smmu-v2-san"
if [ $failed -eq 0 ]; then
	row "virtio-iommu, alone" "$O/virtio-san"
	row "software SMMUv2, alone" "$O/smmu-v2-san"
	"$O/walk-san" --list >"$O/configs"
	walk_all walk-san "" --steps "$STEPS" <"$O/configs"
	row "races-build" build O="$O" ${CC:+CC="$CC"} "$O/walk-race"
	[ $failed -gt 0 ] || races
	row "throughput" throughput
	[ $SHIFT -ne 12 ] || other_sizes
	if [ "$FUZZ" -eq 0 ]; then
		skip fuzz "FUZZ=0"
	elif ! has_fuzzer; then
		skip fuzz "no libFuzzer: install clang-14 and libclang-rt-14-dev, or set CLANG="
	else
		row "fuzz-build" build O="$O/fuzz" CC="$CLANG" fuzz
		[ $failed -gt 0 ] || fuzz
	fi
fi
echo "1..$nr"
echo "$passed passed, $failed failed, $skipped skipped"
[ $failed -eq 0 ]
