# SPDX-License-Identifier: GPL-2.0
# Sourced by run.sh: the cost of the protection in guest instructions. Under
# -icount shift=4 the guest's clock ticks 16 ns per instruction, EL2 included,
# and reads the same in every run. One CPU only.
# shellcheck shell=sh

# The program `bench` prints "bench WHAT|NUMBER" lines.
bench() {
	SMP=1			# for boot; more CPUs mean nothing under icount
	for side in off on; do
		arg=
		[ $side = on ] || arg=pkvm_iommu=off
		boot bench-$side "-icount shift=4,sleep=off" \
			"pkvm_test=bench iommu.passthrough=0 $arg" 300
		grep -q '^# exit bench 0$' "$LOGS/bench-$side.tap" ||
			die "bench did not run to its end: $LOGS/bench-$side.tap"
	done
	awk -F '|' '
	/^bench /	{ side = FILENAME == ARGV[1] ? 1 : 2
			  what = substr($1, 7); v[side, what] = $2
			  if (!(what in seen)) { seen[what]; order[++n] = what } }
	END {
		printf "%-32s %10s %10s %7s\n", "guest instructions", "off", "on", "ratio"
		for (i = 1; i <= n; i++) {
			a = v[1, order[i]]; b = v[2, order[i]]
			printf "%-32s %10s %10s %7s\n", order[i], a, b,
				a > 0 ? sprintf("%.2f", b / a) : "-"
		}
		exit n == 0
	}' "$LOGS/bench-off.tap" "$LOGS/bench-on.tap"
}
