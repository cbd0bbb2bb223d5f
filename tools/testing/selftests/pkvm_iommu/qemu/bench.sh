# SPDX-License-Identifier: GPL-2.0
# Sourced by run.sh: the costs of the protection. Under -icount shift=4, the guest's
# clock advances 16 ns per instruction, EL2 included, and is the same in every run.
# One CPU only.
# shellcheck shell=sh

SIZES="4K 64K 1M 2M sg-16 sg-256"	# of mapbench, in its order
# Limits, as multiples of the instructions of the native SMMUv3 or virtio-iommu
# driver: mode, size, map, unmap, both added.
TARGETS="strict 4K 1.60 1.00 1.10
strict 64K - - 1.00
strict 1M - - 1.00
strict 2M - - 1.25
strict sg-16 - - 0.90
strict sg-256 - - 0.90
lazy 4K - - 1.30
nested 4K 1.02 0.80 -
nested 64K 1.02 0.80 -
nested 1M 1.02 1.00 -
nested 2M 1.02 1.00 -
nested sg-16 1.02 0.80 -
nested sg-256 1.02 0.80 -
nested-lazy 4K 1.02 1.05 -
nested-lazy 64K 1.02 1.05 -
nested-lazy 1M 1.02 1.05 -
nested-lazy 2M 1.02 1.05 -
nested-lazy sg-16 1.02 1.05 -
nested-lazy sg-256 1.02 1.05 -
beside 4K 1.00 1.00 1.00
beside 64K 1.00 1.00 1.00
beside sg-16 1.00 1.00 1.00
beside sg-256 1.00 1.00 1.00"
SMMU=9050000				# its registers on QEMU's machine

# measure NAME MEM APPEND [PROGRAM [QEMU-ARGS [MACHINE]]]: boot the program, `bench`
# if none is given. If the initramfs were unpacked during the seal, the timer interrupt
# would stay pending, and QEMU's clock would run ahead of the instructions.
measure() {
	MEM=$2
	(MACHINE=${6:-$MACHINE} && boot "bench-$1" "$ICOUNT ${5:-}" \
		"pkvm_test=${4:-bench} initramfs_async=0 $3" 600) || :
	m_program=${4:-bench}
	grep -q "^# exit ${m_program%%:*} 0$" "$LOGS/bench-$1.tap" ||
		die "${4:-bench} did not run to its end: $LOGS/bench-$1.tap"
	case ${4:-bench} in
	mapscale*)	m_want="scale-syscall scale-hypercall scale-4K scale-64K" ;;
	diskreads*)	m_want=reads ;;
	vmstart*)	m_want="vm-ms reads net-kib" ;;
	mapbench)	m_want=$(for m_size in $SIZES; do echo "map-$m_size unmap-$m_size"; done) ;;
	*)		m_want="donate-none donate-some seal shadow-bytes" ;;
	esac
	for m_what in $m_want; do
		readable "$1" "$m_what"
	done
}

# value NAME WHAT
value() {
	sed -n "s/^bench $2|//p" "$LOGS/bench-$1.tap"
}

# readable NAME WHAT: check that there is exactly one such number.
readable() {
	case $(value "$1" "$2") in
	'' | *[!0-9]*)	die "no figure for $2: $LOGS/bench-$1.tap" ;;
	esac
}

# scale_line TEXT OFF ON SIZE LEAST: at least that, and native's own ratio less 10.
scale_line() {
	awk -v text="$1" -v off="$(value "$2" "scale-$4")" -v on="$(value "$3" "scale-$4")" \
		-v least="$5" 'BEGIN {
		least = off - 10 > least ? off - 10 : least
		printf "%-58s %9d %9d %9d%s\n", text, off, on, least,
			(on < least) ? sprintf("  <== missed by %d", least - on) : "" }'
}

# Two CPUs that run at the same time, native and ours one after the other. A program
# counts the pairs of map and unmap by one thread and by two, in turns; and, to compare,
# system calls and hypercalls that do nothing. The machine has to be idle. See
# spin-mutex.c for what is preloaded.
scale_table() {
	st_so=$CACHE/spin-mutex.so
	gcc -O2 -shared -fPIC -o "$st_so" "$TOOLS/spin-mutex.c" -ldl || die "gcc fails"
	for st_mode in strict lazy; do
		st_append="iommu.passthrough=0"
		[ $st_mode = strict ] || st_append="$st_append iommu.strict=0"
		(ICOUNT="" SMP=2
		export LD_PRELOAD="$st_so"
		measure scale-$st_mode-off 1G "pkvm_iommu=off $st_append" mapscale:9
		measure scale-$st_mode-on 1G "$st_append" mapscale:9
		measure scale-$st_mode-nested 1G "pkvm_iommu=nested $st_append" mapscale:9) ||
			exit 1
	done
	printf '%-58s %9s %9s %9s\n' "pairs in a second: two CPUs, in percent of one" native pKVM \
		"at least"
	printf '%-58s %9d %9d %9s\n' \
		"system calls that do nothing" "$(value scale-strict-off scale-syscall)" \
		"$(value scale-strict-on scale-syscall)" - \
		"hypercalls that do nothing" "$(value scale-strict-off scale-hypercall)" \
		"$(value scale-strict-on scale-hypercall)" -
	for st_mode in strict lazy; do
		for st_size in 4K 64K; do
			scale_line "DMA, $st_mode, $st_size" scale-$st_mode-off scale-$st_mode-on \
				$st_size "$([ $st_mode = strict ] && echo 160 || echo 180)"
			scale_line "DMA, $st_mode, $st_size, nested" scale-$st_mode-off \
				scale-$st_mode-nested $st_size 0
		done
	done
}

# Random reads by two CPUs from an NVMe disk with four queues, strict. QEMU answers them
# from nothing, in a thread of its own.
disk_table() {
	(ICOUNT="" SMP=2
	dt_disk="-drive if=none,id=null,driver=null-co,read-zeroes=on,size=1G
		-device nvme,serial=bench,drive=null,max_ioqpairs=4"
	measure disk-off 1G "pkvm_iommu=off iommu.passthrough=0" diskreads:nvme0n1 "$dt_disk"
	measure disk-on 1G "iommu.passthrough=0" diskreads:nvme0n1 "$dt_disk"
	measure disk-nested 1G "pkvm_iommu=nested iommu.passthrough=0" diskreads:nvme0n1 \
		"$dt_disk") || exit 1
	dt_off=$(value disk-off reads)
	for dt_kind in on nested; do
		dt_on=$(value disk-$dt_kind reads)
		[ $dt_kind = on ] && dt_text=managed || dt_text=$dt_kind
		printf '%-58s %9d %9d %8d%%\n' \
			"random reads in a second, NVMe, 2 CPUs: native, $dt_text" \
			"$dt_off" "$dt_on" $((100 * dt_on / dt_off))
	done
}

# A protected VM of 256 MiB whose guest writes to all of it starts, while two threads read
# from an NVMe disk and a file is fetched by virtio-net. One CPU, icount: a millisecond is
# 62500 instructions, of all that runs meanwhile.
start_table() {
	mkdir -p "$LOGS/bench.tftp"
	head -c 1000000 /dev/urandom >"$LOGS/bench.tftp/blob"
	sv_qemu="-drive if=none,id=null,driver=null-co,read-zeroes=on,size=1G
		-device nvme,serial=bench,drive=null,max_ioqpairs=4
		-netdev user,id=net,tftp=$LOGS/bench.tftp
		-device virtio-net-pci,netdev=net,romfile=,iommu_platform=on,disable-legacy=on"
	sv_program=vmstart:nvme0n1:eth0:256
	(measure start-off 1G "pkvm_iommu=off iommu.passthrough=0" $sv_program "$sv_qemu"
	measure start-on 1G "iommu.passthrough=0" $sv_program "$sv_qemu"
	measure start-nested 1G "pkvm_iommu=nested iommu.passthrough=0" $sv_program \
		"$sv_qemu") || exit 1
	printf '%-58s %9s %9s %9s\n' "starting a protected VM of 256 MiB, disk and network at work" \
		native managed nested
	for sv_what in "vm-ms|milliseconds" "reads|reads from the disk, in a second" \
			"net-kib|KiB from the network, in a second"; do
		printf '%-58s' "${sv_what#*|}"
		for sv_kind in off on nested; do
			printf ' %9d' "$(value start-$sv_kind "${sv_what%%|*}")"
		done
		echo
	done
	awk -v on="$(value start-on vm-ms)" -v nested="$(value start-nested vm-ms)" 'BEGIN {
		printf "%-58s %29.2f%s\n", "nested, times managed, at most 1.25", nested / on,
			(nested > 1.25 * on) ? sprintf("  <== missed by %.2f", nested / on - 1.25) : "" }'
}

# line TEXT OFF ON LIMIT: print a line; fails if ON - OFF is above LIMIT.
line() {
	awk -v text="$1" -v off="$2" -v on="$3" -v limit="$4" 'BEGIN {
		printf "%-58s %9d %9d %9d %9d%s\n", text, off, on, on - off, limit,
			(on - off > limit) ? "  <== MUST BE KEPT" : "" }'
}

# map_table MODE OFF ON [OFF-TEXT ON-TEXT]: costs of mapping in two boots, and the
# targets.
map_table() {
	printf '%-14s %15s   %15s   %23s   %s\n' "DMA, $1" "${4:-native}" "${5:-pKVM}" \
		"times ${4:-native}" "at most"
	printf '%-14s %7s %7s   %7s %7s   %7s %7s %7s   %5s %5s %5s\n' "" map unmap map unmap \
		map unmap both map unmap both
	for mt_size in $SIZES; do
		echo "$TARGETS" | awk -v mode="$1" -v size="$mt_size" \
			-v m0="$(value "$2" "map-$mt_size")" -v u0="$(value "$2" "unmap-$mt_size")" \
			-v m1="$(value "$3" "map-$mt_size")" -v u1="$(value "$3" "unmap-$mt_size")" '
		BEGIN { for (i = 3; i <= 5; i++) most[i] = "-" }
		$1 == mode && $2 == size { for (i = 3; i <= 5; i++) most[i] = $i }
		END {
			x[3] = m1 / m0; x[4] = u1 / u0; x[5] = (m1 + u1) / (m0 + u0)
			split("- - map unmap both", name)
			for (i = 3; i <= 5; i++)
				if (most[i] != "-" && x[i] > most[i])
					missed = missed sprintf("  <== %s missed by %.3f",
						name[i], x[i] - most[i])
			printf "%-14s %7d %7d   %7d %7d   %7.3f %7.3f %7.3f   %5s %5s %5s%s\n",
				size, m0, u0, m1, u1, x[3], x[4], x[5],
				most[3], most[4], most[5], missed
		}'
	done
}

# Build the plugin count.c; if that fails, $COUNT stays empty.
build_count() {
	COUNT=
	bc_addr="$("${CROSS_COMPILE}nm" "$OBJ/vmlinux" | awk '
		{ at[$3] = $1 }
		END {
			n = split("dma_single_map_benchmark_prepare dma_sg_map_benchmark_prepare " \
				"dma_single_map_benchmark_do_map dma_sg_map_benchmark_do_map " \
				"__kvm_nvhe___hyp_text_start __kvm_nvhe___hyp_text_end " \
				"__kvm_nvhe___kvm_hyp_host_vector __kvm_nvhe_handle_trap " \
				"__kvm_nvhe_handle___pkvm_iommu_call", name, " ")
			for (i = 1; i <= n; i++) {
				if (!(name[i] in at)) {
					print "count.c looks for " name[i] ", which vmlinux lacks" \
						> "/dev/stderr"
					exit 1
				}
				printf ",a%d=%s", i, at[name[i]]
			}
		}')" || die "the plugin for QEMU does not know what to count"
	bc_so=$CACHE/count.so
	gcc -O2 -shared -fPIC -o "$bc_so" "$TOOLS/count.c" >"$LOGS/count.log" 2>&1 ||
		die "$(cat "$LOGS/count.log")"
	if echo quit | "$QEMU" -M none -display none -nodefaults -monitor stdio \
			-plugin "$bc_so,out=$LOGS/count.none$bc_addr,smmu=0" \
			>"$LOGS/count.log" 2>&1; then
		COUNT=$bc_so
	else
		say "$QEMU loads no plugins, so nothing is counted: $(tail -n 1 "$LOGS/count.log")"
	fi
}

# count NAME SMMU: QEMU's argument that counts in this boot, see count.c.
count() {
	rm -f "$LOGS/bench-$1.count"
	[ -z "$COUNT" ] || echo "-plugin $COUNT,out=$LOGS/bench-$1.count$bc_addr,smmu=$2"
}

# counted NAME SIZE: hypercalls, commands, instructions at EL2 of an operation.
counted() {
	[ -n "$COUNT" ] || { echo "- - -"; return; }
	# shellcheck disable=SC2086
	set -- "$1" "$2" $SIZES
	c_name=$1
	c_size=$2
	shift 2
	awk -v size="$c_size" -v sizes="$*" '
		BEGIN { n = split(sizes, name, " ") }
		$1 == "lock" { next }
		{ rows = NR }
		NF == 4 && $1 > 0 && name[NR] == size {
			printf "%.2f %s %.0f\n", $2 / $1,
				$3 == "-" ? $3 : sprintf("%.2f", $3 / $1), $4 / $1
			found = 1
		}
		END { exit !(found && rows == n) }' "$LOGS/bench-$c_name.count" ||
		die "no counts for $c_size: $LOGS/bench-$c_name.count"
}

# serial_table NAME: instructions of the first benchmark, pairs of map and unmap of 4K,
# with a lock held, by who can want the lock, and how many CPUs it keeps busy.
serial_table() {
	[ -n "$COUNT" ] || return 0
	echo "Instructions of map and unmap, $1, 4K, with a lock held that can be wanted by"
	printf '%-58s %9s %9s %9s\n' "" held "CPUs" "at most"
	{
		"${CROSS_COMPILE}nm" -S "$OBJ/vmlinux"
		echo "pair $(value "$2" map-4K) $(value "$2" unmap-4K)"
		cat "$LOGS/bench-$2.count"
	} | awk '
		# The high halves of addresses are compared as text: numbers have 53 bits.
		function hex(s,   i, n) {
			for (i = 1; i <= length(s); i++)
				n = 16 * n + index("0123456789abcdef", substr(s, i, 1)) - 1
			return n
		}
		function part(s) { return substr("0000000000000000" s, length(s) + 1) }
		function low(s) { return hex(substr(s, 9)) }
		NF == 4 && $4 ~ /^__kvm_nvhe_(host_mmu|pool_lock|domain_lock|hyp_smmus|pkvm_iommus|hyp_virtios)$/ {
			at[$4] = part($1); size[$4] = hex($2); next
		}
		$1 == "pair" { pair = $2 + $3; next }
		NF == 4 && $1 ~ /^[0-9]+$/ && !ops { ops = $1 }
		# What is taken in one of a hundred operations belongs to something else.
		$1 == "lock" && $2 == 1 && $4 > ops / 100 {
			who = "in the same domain"
			for (s in at) {
				a = part($3)
				if (substr(a, 1, 8) == substr(at[s], 1, 8) &&
				    low(a) >= low(at[s]) && low(a) < low(at[s]) + size[s])
					who = s ~ /smmu|iommu|virtio/ ? "behind the same IOMMU" : "anywhere"
			}
			held[who] += $5
		}
		END {
			n = split("anywhere;behind the same IOMMU;in the same domain", name, ";")
			split("0 120 250", most, " ")
			for (i = 1; i <= n; i++) {
				h = held[name[i]] / ops
				printf "  %-56s %9.0f %9s %9d%s\n", "every CPU " name[i], h,
					h ? sprintf("%.0f", pair / h) : "-", most[i],
					(h > most[i]) ? sprintf("  <== missed by %.0f", h - most[i]) : ""
			}
		}'
}

# count_table MODE OFF ON
count_table() {
	printf '%-14s %23s   %35s\n' "DMA, $1" "native" "pKVM"
	printf '%-14s %11s %11s   %11s %11s %11s %11s\n' "map and unmap" "commands" "at EL2" \
		"hypercalls" "commands" "at EL2" "of all"
	for ct_size in $SIZES; do
		ct_off=$(counted "$2" "$ct_size")
		ct_on=$(counted "$3" "$ct_size")
		echo "$ct_size $ct_off $ct_on" "$(value "$3" "map-$ct_size")" \
			"$(value "$3" "unmap-$ct_size")" | awk '{
			printf "%-14s %11s %11s   %11s %11s %11s %11s\n", $1, $3, $4, $5, $6, $7,
				$7 == "-" ? "-" : sprintf("%.0f%%", 100 * $7 / ($8 + $9)) }'
	done
}

# chart FILE TITLE NAME TEXT [NAME TEXT...]: the figures of these boots as SVG, with
# the targets of the second.
chart() {
	ch_file=$1
	{
		echo "$2"
		shift 2
		ch_names=
		ch_texts=series
		while [ $# -gt 0 ]; do
			ch_names="$ch_names $1"
			ch_texts="$ch_texts|$2"
			shift 2
		done
		echo "$ch_texts"
		echo "$TARGETS" | sed -n 's/^strict \([^ ]*\) .* /target|\1 /p'
		for ch_size in $SIZES; do
			printf '%s' "$ch_size"
			for ch_name in $ch_names; do
				printf ' %s %s' "$(value "$ch_name" "map-$ch_size")" \
					"$(value "$ch_name" "unmap-$ch_size")"
			done
			echo
		done
	} | awk -f "$TOOLS/chart.awk" >"$ch_file.tmp"
	mv "$ch_file.tmp" "$ch_file"
}

KINDS='/\(smmu-v[23]\|virtio\)\.c$'	# the files for one kind of IOMMU

# sources DIR: its C files except those for tests.
sources() {
	find "$1" -name '*.c' | grep -v '/[^/]*test[^/]*\.c$' | sort
}

# Lines of code, without blanks and comments.
count_lines() {
	cat "$@" | "${CROSS_COMPILE}gcc" -fpreprocessed -dD -E -P -x c - 2>/dev/null |
		grep -c '[^[:space:]]'
}

report() {
	CPU=max			# the figures of pkvm-iommu-cost.rst
	SMP=1			# for boot; icount has no use for more CPUs
	ICOUNT="-icount shift=4,sleep=off"
	measure off 1G pkvm_iommu=off
	measure on 1G ""
	measure on-more 2G ""
	measure nested 1G "pkvm_iommu=nested iommu.passthrough=0"

	printf '%-58s %9s %9s %9s %9s\n' "guest instructions" off on added limit
	line "donate and reclaim a page, no identity stream" \
		"$(value off donate-none)" "$(value on donate-none)" 600
	line "donate and reclaim a page, with identity streams" \
		"$(value off donate-some)" "$(value on donate-some)" 2500
	line "donate and reclaim a page, with streams of nested domains" \
		"$(value off donate-some)" "$(value nested donate-some)" 3000
	line "seal at boot, per GiB of memory (1 GiB -> 2 GiB)" \
		"$(value on seal)" "$(value on-more seal)" 10000000
	echo
	for b_pages in 1 32; do
		readable on give-$b_pages
		readable nested give-$b_pages
	done
	# Nested domains add one invalidation to a call, for however many pages.
	printf '%-58s %9s %9s %9s\n' "guest instructions to give EL2 pages by one call" \
		identity nested added
	for b_pages in 1 32; do
		printf '%-58s %9d %9d %9d\n' "  pages: $b_pages" "$(value on give-$b_pages)" \
			"$(value nested give-$b_pages)" \
			$(($(value nested give-$b_pages) - $(value on give-$b_pages)))
	done
	echo
	printf '%-58s %9s %9s %9s %9s\n' "bytes" "1 GiB" "2 GiB" added limit
	line "shadow tables and counts of pins" "$(value on shadow-bytes)" "$(value on-more shadow-bytes)" 2726297
	echo
	for b_what in table-bytes-pages table-bytes-blocks; do
		readable on $b_what
		[ "$(value on $b_what)" != 0 ] || die "1 GiB cannot be mapped: $LOGS/bench-on.tap"
	done
	printf '%-58s %9d\n' \
		"page tables of a DMA domain with 1 GiB, mapped by pages" \
		"$(value on table-bytes-pages)" \
		"the same, mapped by 2 MiB" "$(value on table-bytes-blocks)"
	echo

	# Symbols have the addresses that nm prints, and the same in each run.
	b_append="nokaslr iommu.passthrough=0"
	build_count
	measure map-off 1G "pkvm_iommu=off $b_append" mapbench "$(count map-off $SMMU)"
	measure map-on 1G "$b_append" mapbench "$(count map-on $SMMU)"
	measure lazy-off 1G "pkvm_iommu=off iommu.strict=0 $b_append" mapbench
	measure lazy-on 1G "iommu.strict=0 $b_append" mapbench "$(count lazy-on $SMMU)"
	measure nested-map 1G "pkvm_iommu=nested $b_append" mapbench "$(count nested-map $SMMU)"
	measure nested-lazy 1G "pkvm_iommu=nested iommu.strict=0 $b_append" mapbench
	echo "Guest instructions of dma_map_benchmark on an SMMUv3; native: pkvm_iommu=off"
	echo
	map_table strict map-off map-on
	echo
	map_table lazy lazy-off lazy-on
	echo
	map_table nested map-off nested-map native "pKVM, nested"
	echo
	map_table nested-lazy lazy-off nested-lazy native "pKVM, nested"
	echo
	count_table strict map-off map-on
	echo
	count_table nested map-off nested-map
	echo
	serial_table strict map-on
	serial_table lazy lazy-on
	echo
	virtio_boots
	echo "The same on a virtio-iommu, of which QEMU's side is not counted"
	echo
	map_table virtio virtio-off virtio-on
	echo
	map_table beside virtio-off map-on virtio "pKVM SMMUv3"
	echo
	count_table virtio virtio-off virtio-on
	echo
	chart "$ROOT/build/bench.svg" "DMA mapping, strict" \
		map-off "SMMUv3, native" map-on "SMMUv3, managed" nested-map "SMMUv3, nested" \
		virtio-off "virtio-iommu, native" virtio-on "virtio-iommu, pKVM"
	echo "Chart: build/bench.svg"
	echo
	start_table
	echo
	scale_table
	echo
	disk_table
	echo
	echo "EL2 text added by the layer, bytes (without the test backend):"
	b_hyp=arch/arm64/kvm/hyp/nvhe/iommu
	b_drv=$ROOT/drivers/iommu/pkvm
	sources "$ROOT/$b_hyp" | while read -r b_src; do
		b_src=${b_src#"$ROOT/$b_hyp"/}
		"${CROSS_COMPILE}size" -A "$OBJ/$b_hyp/${b_src%.c}.nvhe.o" |
			awk -v name="${b_src%.c}" \
				'/^\.text/ { n += $2 } END { printf "  %-18s %6d\n", name, n }'
	done
	echo "Lines of code, without comments and blanks:"
	# The names of our files have no blanks.
	# shellcheck disable=SC2046
	printf '  %-34s %5d\n' \
		"EL2 core" "$(count_lines $(sources "$ROOT/$b_hyp" | grep -v "$KINDS"))" \
		"EL2 SMMUv3 backend (at most 900)" \
			"$(count_lines $(sources "$ROOT/$b_hyp" | grep '/smmu-v3\.c$'))" \
		"EL2 SMMUv2 backend (at most 400)" \
			"$(count_lines $(sources "$ROOT/$b_hyp" | grep '/smmu-v2\.c$'))" \
		"EL2 virtio-iommu backend" \
			"$(count_lines $(sources "$ROOT/$b_hyp" | grep '/virtio\.c$'))" \
		"EL1 without the init modules" \
			"$(count_lines $(sources "$b_drv" | grep -v "$KINDS"))" \
		"EL1 SMMUv3 init (at most 150)" "$(count_lines "$b_drv/init/smmu-v3.c")" \
		"EL1 SMMUv2 init (at most 150)" "$(count_lines "$b_drv/init/smmu-v2.c")" \
		"EL1 virtio-iommu init" "$(count_lines "$b_drv/init/virtio.c")"
	echo "Existing kernel files:"
	"$TOOLS/footprint.sh" | tail -n 1
}

# The benchmark with all of PCI behind a virtio-iommu.
virtio_boots() {
	vb_machine=virt,virtualization=on,gic-version=3
	MEM=1G
	vb_tree=$(MACHINE=$vb_machine && device_tree bench-virtio virtio-iommu)
	# Without ioeventfd, QEMU answers before the guest continues. With it, the time that
	# the guest polls depends on the machine.
	vb_qemu="$VIRTIO_IOMMU -global virtio-mmio.ioeventfd=off -dtb $vb_tree"
	measure virtio-off 1G "pkvm_iommu=off $b_append" mapbench \
		"$vb_qemu $(count virtio-off 0)" "$vb_machine"
	measure virtio-on 1G "$b_append" mapbench \
		"$vb_qemu $(count virtio-on 0)" "$vb_machine"
}

# Fails if a limit is exceeded or a figure cannot be measured. The costs of mapping are
# only printed.
#
#	bench [scale]	scale: only the table of two CPUs, which depends on what else the
#			build machine does
bench() {
	if [ "${1:-}" = scale ]; then
		scale_table
		return
	fi
	report >"$LOGS/bench.txt"
	echo "Targets missed: $(grep -c '<==.*missed' "$LOGS/bench.txt" || :)" >>"$LOGS/bench.txt"
	cp "$LOGS/bench.txt" "$ROOT/build/bench.txt"
	cat "$LOGS/bench.txt"
	say "also in build/bench.txt"
	! grep -q 'MUST BE KEPT' "$LOGS/bench.txt" || die "a limit is not kept: see above"
}
