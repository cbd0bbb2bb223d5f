# SPDX-License-Identifier: GPL-2.0
# Sourced by run.sh: what the protection costs. Under -icount shift=4 the
# guest's clock ticks 16 ns per instruction, EL2 included, and reads the same in
# every run. One CPU only.
# shellcheck shell=sh

# measure NAME MEM APPEND [PROGRAM]: boots the program, `bench` if none is given.
# Unpacking the initramfs beside the seal would keep the timer interrupt pending,
# and QEMU's clock then runs ahead of the instructions.
measure() {
	MEM=$2
	boot "bench-$1" "-icount shift=4,sleep=off" \
		"pkvm_test=${4:-bench} initramfs_async=0 $3" 300
	grep -q "^# exit ${4:-bench} 0$" "$LOGS/bench-$1.tap" ||
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

# map_line SIZE: what mapping costs, beside the native driver.
map_line() {
	awk -v size="$1" -v m0="$(value map-off "map-$1")" -v u0="$(value map-off "unmap-$1")" \
		-v m1="$(value map-on "map-$1")" -v u1="$(value map-on "unmap-$1")" 'BEGIN {
		printf "%-12s %9d %9d %9d %9d %9.2f %9.2f %9.2f\n", size, m0, u0, m1, u1,
			m1 / m0, u1 / u0, (m1 + u1) / (m0 + u0) }'
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
	measure map-off 1G "pkvm_iommu=off iommu.passthrough=0" mapbench
	measure map-on 1G "iommu.passthrough=0" mapbench
	printf '%-12s %9s %9s %9s %9s %9s %9s %9s\n' "DMA, strict" "off: map" unmap \
		"on: map" unmap "map x" "unmap x" "both x"
	for b_size in 4K 64K 1M 2M sg-16 sg-256; do
		map_line $b_size
	done
	echo
	echo "EL2 text added by the layer, bytes (without the test backend):"
	for b_obj in iommu shadow domain io-pgtable smmu-v3; do
		"${CROSS_COMPILE}size" -A "$OBJ/arch/arm64/kvm/hyp/nvhe/iommu/$b_obj.nvhe.o" |
			awk -v name="$b_obj" '/^\.text/ { n += $2 } END { printf "  %-12s %6d\n", name, n }'
	done
	echo "Lines of code, without comments and blanks:"
	b_hyp=$ROOT/arch/arm64/kvm/hyp/nvhe/iommu
	b_drv=$ROOT/drivers/iommu/pkvm
	printf '  %-34s %5d\n' \
		"EL2 core" "$(count_lines "$b_hyp/iommu.c" "$b_hyp/shadow.c" "$b_hyp/domain.c" \
			"$b_hyp/io-pgtable.c")" \
		"EL2 SMMUv3 backend (at most 900)" "$(count_lines "$b_hyp/smmu-v3.c")" \
		"EL1 frontend and boot" "$(count_lines "$b_drv/frontend.c" "$b_drv/boot.c")" \
		"EL1 SMMUv3 init (at most 150)" "$(count_lines "$b_drv/smmu-v3.c")"
	echo "Existing kernel files:"
	"$TOOLS/footprint.sh" | tail -n 1
	return $bench_bad
}
