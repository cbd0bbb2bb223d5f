# SPDX-License-Identifier: GPL-2.0
# Sourced by run.sh: what the protection costs. Under -icount shift=4 the
# guest's clock ticks 16 ns per instruction, EL2 included, and reads the same in
# every run. One CPU only.
# shellcheck shell=sh

# measure NAME MEM APPEND: boots the program `bench`.
# Unpacking the initramfs beside the seal would keep the timer interrupt pending,
# and QEMU's clock then runs ahead of the instructions.
measure() {
	MEM=$2
	boot "bench-$1" "-icount shift=4,sleep=off" \
		"pkvm_test=bench initramfs_async=0 $3" 300
	grep -q '^# exit bench 0$' "$LOGS/bench-$1.tap" ||
		die "bench did not run to its end: $LOGS/bench-$1.tap"
}

# value NAME WHAT
value() {
	sed -n "s/^bench $2|//p" "$LOGS/bench-$1.tap"
}

# line TEXT OFF ON LIMIT: LIMIT is for ON - OFF; fails above it.
line() {
	awk -v text="$1" -v off="$2" -v on="$3" -v limit="$4" 'BEGIN {
		printf "%-58s %9d %9d %9d %9d%s\n", text, off, on, on - off, limit,
			(on - off > limit) ? "  <== MISSED" : ""
		exit (on - off > limit) }' || bench_bad=1
}

# Lines of code, without blanks and comments.
count_lines() {
	cat "$@" | "${CROSS_COMPILE}gcc" -fpreprocessed -dD -E -P -x c - 2>/dev/null |
		grep -c '[^[:space:]]'
}

bench() {
	bench_bad=0
	SMP=1			# for boot; more CPUs mean nothing under icount
	measure off 1G pkvm_iommu=off
	measure on 1G ""
	measure on-more 2G ""

	printf '%-58s %9s %9s %9s %9s\n' "guest instructions" off on added limit
	line "donate and reclaim a page, no identity stream" \
		"$(value off donate-none)" "$(value on donate-none)" 600
	line "donate and reclaim a page, with identity streams" \
		"$(value off donate-some)" "$(value on donate-some)" 2500
	line "seal at boot, per GiB of memory (1 GiB -> 2 GiB)" \
		"$(value on seal)" "$(value on-more seal)" 10000000
	echo
	printf '%-58s %9s %9s %9s %9s\n' "bytes" "1 GiB" "2 GiB" added limit
	line "shadow tables" "$(value on shadow-bytes)" "$(value on-more shadow-bytes)" 2202009
	echo
	echo "EL2 text added by the layer, bytes (without the test backend):"
	for b_obj in iommu shadow io-pgtable smmu-v3; do
		"${CROSS_COMPILE}size" -A "$OBJ/arch/arm64/kvm/hyp/nvhe/iommu/$b_obj.nvhe.o" |
			awk -v name="$b_obj" '/^\.text/ { n += $2 } END { printf "  %-12s %6d\n", name, n }'
	done
	echo "Lines of code, without comments and blanks:"
	b_hyp=$ROOT/arch/arm64/kvm/hyp/nvhe/iommu
	b_drv=$ROOT/drivers/iommu/pkvm
	printf '  %-34s %5d\n' \
		"EL2 core" "$(count_lines "$b_hyp/iommu.c" "$b_hyp/shadow.c" "$b_hyp/io-pgtable.c")" \
		"EL2 SMMUv3 backend (at most 900)" "$(count_lines "$b_hyp/smmu-v3.c")" \
		"EL1 frontend and boot" "$(count_lines "$b_drv/frontend.c" "$b_drv/boot.c")" \
		"EL1 SMMUv3 init (at most 150)" "$(count_lines "$b_drv/smmu-v3.c")"
	echo "Existing kernel files:"
	"$TOOLS/footprint.sh" | tail -n 1
	return $bench_bad
}
