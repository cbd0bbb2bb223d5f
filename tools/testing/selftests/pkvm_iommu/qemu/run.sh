#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Boots guests and checks their output.
#
#   run.sh demo			every attack, protection off and on, as a table
#   run.sh test [name...]	all checks, the demo and all configurations, or only
#				those named ("demo" for the demo); TAP on stdout
#   run.sh nightly [step...]	see nightly.sh
#   run.sh shell		interactive
#   run.sh bench		see bench.sh
#   run.sh distro		see distro.sh
#
# Environment: MACHINE CPU SMP MEM APPEND QEMU IMAGE SOAK_MINUTES COVERAGE (see coverage.sh).

# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

QEMU=${QEMU:-qemu-system-aarch64}
MACHINE=${MACHINE:-virt,virtualization=on,gic-version=3,iommu=smmuv3}
CPU=${CPU:-neoverse-n1}
SMP=${SMP:-1}
MEM=${MEM:-512M}
# All groups in the identity domain, which an attacker with root would choose.
APPEND=${APPEND:-iommu.passthrough=1}
IMAGE=${IMAGE:-$ROOT/build/Image}
SOAK_MINUTES=${SOAK_MINUTES:-60}
# It is in the last of the machine's slots for virtio-mmio devices.
VIRTIO_IOMMU="-global virtio-mmio.force-legacy=false
	-device virtio-iommu-device,primary-bus=pcie.0"
# The attacker's device; at the end of the command line if its bus is defined there.
EDU="-device edu,dma_mask=0xffffffffffffffff"
EDU_LAST=
# Two SMMUs, each in front of a root complex, for the newer QEMU.
TWO_SMMUS="-device arm-smmuv3,primary-bus=pcie.0,stage=nested,id=s0
	-device pxb-pcie,id=pcie.1,bus_nr=16,bus=pcie.0
	-device arm-smmuv3,primary-bus=pcie.1,stage=nested,id=s1
	-device pcie-root-port,id=port1,bus=pcie.1,chassis=1"
# Nine PCIe ports, whose buses are 1 to 9, and a device that has a driver on the last.
BUSES="$(for n in 1 2 3 4 5 6 7 8 9; do echo "-device pcie-root-port,id=port$n,chassis=$n"; done)
	-device qemu-xhci,bus=port9"
# Boots by UEFI; QEMU then describes the machine by ACPI as well, which the kernel prefers.
UEFI="-bios /usr/share/qemu-efi-aarch64/QEMU_EFI.fd"
# Words on the console that fail a boot.
COMPLAINTS='Kernel panic|did not complete a command|Oops|BUG:|WARNING:|hyp panic|Internal error:|Call trace:'

# guest TIMEOUT SERIAL 'qemu args' 'append': run QEMU with the common arguments.
# --foreground: Ctrl-C reaches QEMU too.
guest() {
	# These are lists of words.
	# shellcheck disable=SC2086
	timeout --foreground -k 5 "$1" \
		"$QEMU" -M "$MACHINE" -cpu "$CPU" -smp "$SMP" -m "$MEM" \
		-display none -nodefaults -no-reboot -serial "$2" \
		-kernel "$IMAGE" -initrd "$INITRD" \
		-append "console=ttyAMA0 kvm-arm.mode=protected panic=-1 $APPEND $4" \
		$EDU $3 $EDU_LAST
}

# With one CPU, time passes by instructions, and at once where the guest waits: the
# transfers of edu take 100 ms each. Several CPUs have to run at the same time.
clock() {
	[ "$SMP" -eq 1 ] || return 0
	case $1 in
	*-icount*)	;;
	*)		echo "-icount shift=2,sleep=off" ;;
	esac
}

# boot NAME 'qemu args' 'append' TIMEOUT: console to logs/NAME.console, the
# programs' output to logs/NAME.tap, messages of QEMU to logs/NAME.qemu.
# Returns QEMU's status, 124 if it had to be killed.
boot() {
	b_t0=$(now)
	b_rc=0
	b_log=
	rm -f "$LOGS/$1.console" "$LOGS/$1.raw"
	# Above the addresses of programs and firmware, below the kernel.
	[ -z "${COVERAGE:-}" ] || b_log="-d in_asm -D $COVERAGE/$1.asm
		-dfilter 0x1000000000..0xfffffffffffff"
	guest "$4" "${SERIAL:-file:$LOGS/$1.console}" "-device virtio-serial-pci
		-chardev file,id=res,path=$LOGS/$1.raw
		-device virtconsole,chardev=res $b_log $(clock "$2") $2" "$3${COVERAGE:+ nokaslr}" \
		</dev/null >"$LOGS/$1.qemu" 2>&1 || b_rc=$?
	touch "$LOGS/$1.console" "$LOGS/$1.raw"
	tr -d '\r' <"$LOGS/$1.raw" >"$LOGS/$1.tap"
	case $b_rc in
	0)	b_end="ended" ;;
	124)	b_end="killed after $4 s" ;;
	*)	b_end="QEMU failed: $(head -n 1 "$LOGS/$1.qemu")" ;;
	esac
	say "$(printf '%5d s  boot %s: %s' $(($(now) - b_t0)) "$1" "$b_end")"
	return $b_rc
}

# complaints NAME: the offending console lines.
complaints() {
	tr -d '\r' <"$LOGS/$1.console" | grep -E "$COMPLAINTS" || :
}

powered_off() {
	grep -q 'reboot: Power down' "$LOGS/$1.console"
}

########## demo

# attack_boots NAME 'qemu args' TIMEOUT PROGRAM: both boots, in parallel; fails if one of
# them is not complete.
attack_boots() {
	bad=0
	boot "$1-off" "$2" "pkvm_test=$4 pkvm_iommu=off" "$3" &
	off_boot=$!
	boot "$1-on" "$2" "pkvm_test=$4" "$3" || bad=1
	wait $off_boot || bad=1
	for side in off on; do
		if ! grep -q '^# exit attack ' "$LOGS/$1-$side.tap" || ! powered_off "$1-$side"; then
			say "protection $side: the attacks did not run to their end; see $LOGS/$1-$side.console"
			bad=1
		fi
		complaints "$1-$side" >"$LOGS/$1.complaints"
		if [ -s "$LOGS/$1.complaints" ]; then
			sed "s/^/protection $side: /" "$LOGS/$1.complaints" >&2
			bad=1
		fi
	done
	return $bad
}

demo() {
	bad=0
	attack_boots demo "" "${DEMO_TIMEOUT:-240}" attack || bad=1
	echo
	tr -d '\r' <"$LOGS/demo-on.console" | sed 's/^\[ *[0-9.]*\] *//' |
		grep -E '^pkvm[_-]iommu' | head -n 12 || :
	echo
	table "$LOGS/demo-off.tap" "$LOGS/demo-on.tap" || bad=1
	return $bad
}

# table OFF ON [TEST [IDS]]: print both runs side by side, or as rows of a test that
# begin with TEST. Fails unless every attack has the expected outcome. The attacks in
# IDS (separated by commas; "x*" for all that begin with x) have no target on this machine; with
# "!" before it, only with the protection on.
table() {
	awk -F '|' -v least=20 -v tap="${3:-}" -v none="${4:-}" '
	function pad(s, n)	{ return sprintf("%-" n "s", s) }
	function no_target(id,	i) {
		for (i = 1; i <= nones; i++)
			if (id ~ "^" absent[i] "$")
				return wanted[i]
		return 0
	}
	BEGIN			{ gsub(/\*/, ".*", none); nones = split(none, absent, ",")
				  for (i = 1; i <= nones; i++)
					wanted[i] = sub(/^!/, "", absent[i]) ? 2 : 1 }
	!/^row /		{ next }
	{
		side = FILENAME == ARGV[1] ? 1 : 2
		id = substr($1, 5)
		if (!(id in text)) {
			order[++n] = id
			text[id] = $2
			if (length(id) > w_id) w_id = length(id)
			if (length($2) > w_text) w_text = length($2)
		}
		if ((side, id) in outcome)
			twice[id] = 1
		outcome[side, id] = $3
		if ($4 != "")
			evidence[id] = $4	# of the second run
	}
	END {
		if (w_id < 2) w_id = 2
		if (w_text < 6) w_text = 6
		head = pad("id", w_id) "  " pad("attack", w_text) "  off      on       evidence"
		rule = head
		gsub(/./, "-", rule)
		if (!tap)
			print head "\n" rule
		for (i = 1; i <= n; i++) {
			id = order[i]
			off = (1, id) in outcome ? outcome[1, id] : "missing"
			on = (2, id) in outcome ? outcome[2, id] : "missing"
			good = (off == "reached" || off == "n/a") &&
			       (on == "blocked" || on == "refused") && !(id in twice)
			none_here = no_target(id)
			if (none_here)
				good = on == "n/a" && !(id in twice) && \
				       (off == "n/a" || (none_here == 2 && off == "reached"))
			count["off " off]++
			count["on " on]++
			bad += !good
			if (tap) {
				print (good ? "" : "not ") "ok - " tap " " id ": " \
					text[id] " (off " off ", on " on \
					(on == "n/a" ? ": " evidence[id] : "") ")"
				continue
			}
			print pad(id, w_id) "  " pad(text[id], w_text) "  " \
				pad(off, 7) "  " pad(on, 7) "  " evidence[id] \
				(good ? "" : "   <== WRONG")
		}
		if (!tap) print ""
		printf (tap ? "# " : "") "%d attacks. Protection off: %d reached, %d n/a. On: %d blocked, %d refused, %d n/a. Wrong: %d.\n",
			n, count["off reached"], count["off n/a"],
			count["on blocked"], count["on refused"], count["on n/a"], bad
		if (n < least)
			printf (tap ? "# " : "") "Too few: at least %d are expected.\n", least
		# If no attack works with the protection off, the run shows
		# nothing.
		exit bad || n < least || !count["off reached"]
	}' "$1" "$2"
}

########## test

# Rows are written without numbers: "ok - text", "not ok - text",
# "ok - text # SKIP why", "# comment"; number() makes TAP of them.
number() {
	awk '
	/^# complete$/ { complete = 1; next }
	/^(not )?ok - / {
		what = /^not/ ? "not ok" : "ok"
		sub(/^(not )?ok - /, "")
		if (what == "not ok") failed++
		# An expected failure counts as skipped.
		else if (/ # (SKIP|XFAIL|TODO)/) skipped++
		else passed++
		print what " " ++n " - " $0
		fflush()
		next
	}
	{ print /^#/ ? $0 : "# " $0; fflush() }
	END {
		if (!complete) {
			failed++
			print "not ok " ++n " - the runner came to its end"
		}
		print "1.." n+0
		printf "%d passed, %d failed, %d skipped\n", passed, failed, skipped
		exit failed || !passed
	}'
}

# row TEXT COMMAND...: one row; the output of a failing command follows it.
row() {
	row_text=$1
	shift
	row_log=$LOGS/${name:-run}.row
	if ("$@") >"$row_log" 2>&1 </dev/null; then
		echo "ok - $row_text"
	else
		echo "not ok - $row_text"
		head -n 60 "$row_log" | sed 's/^/#   /'
		return 1
	fi
}

# The same for long commands, whose output is printed while they run.
loud_row() {
	row_text=$1
	shift
	if ("$@") >&2 </dev/null; then
		echo "ok - $row_text"
	else
		echo "not ok - $row_text"
		return 1
	fi
}

# judge NAME PROGRAMS EXPECT < .tap: rows of one boot's programs.
judge() {
	awk -v conf="$1" -v progs="$2" -v expect="$3" '
	function bad(text) { print "not ok - " conf ": " cur ": " text }
	function leave() {
		if (cur == "")
			return
		# A guest that is expected to crash leaves a program half done.
		if (expect != "" && !exited[cur])
			;
		else if (plan < 0)
			bad("has a plan")
		else if (plan != seen)
			bad("ran " seen " of the " plan " tests planned")
		cur = ""
	}
	/^# start / { leave(); cur = $3; plan = -1; seen = 0; next }
	/^# exit / {
		if ($3 == cur) {
			# 4 is the exit status of a kselftest that was skipped
			if ($4 != 0 && !($4 == 4 && plan == 0 && skip))
				bad("exit status " $4)
			exited[$3]++
			leave()
		}
		next
	}
	cur == "" { next }
	/^1\.\.[0-9]+/ {
		if (plan >= 0)
			bad("has one plan only")
		plan = substr($1, 4) + 0
		skip = / # SKIP/
		if (plan == 0)
			print (skip ? "ok" : "not ok") " - " conf ": " cur ": " \
				(skip ? "whole" $0 : "an empty plan")
		next
	}
	/^Bail out!/ { bad($0); next }
	/^(not )?ok [0-9]+/ {
		what = /^not/ ? "not ok" : "ok"
		sub(/^not /, "")
		if ($2 != ++seen)
			bad("test " seen " has number " $2)
		sub(/^ok [0-9]+ *(- )?/, "")
		print what " - " conf ": " cur ": " $0
		next
	}
	# Explanations, up to a number of lines; the log has them all.
	/^#/ && !/^# (RUN|  *OK) / && ++comments[cur] <= 100 { print }
	END {
		leave()
		n = split(progs, want, ",")
		for (i = 1; i <= n; i++) {
			sub(/:.*/, "", want[i])
			cur = want[i]
			if (exited[cur]-- < 1 && expect == "")
				bad("ran to its end")
		}
	}' | sed 's/: whole1\.\.0/: whole program/'
}

# clean_boot NAME STATUS EXPECT: check the console.
clean_boot() {
	cb_rc=0
	cb_file=$LOGS/$1.complaints
	complaints "$1" >"$cb_file"
	# A stack trace belongs to an expected complaint.
	[ -z "$3" ] || sed -i '/Call trace:/d' "$cb_file"
	for cb_word in $(echo "$3" | tr ',' ' '); do
		cb_word=$(echo "$cb_word" | tr '_' ' ')
		if ! grep -qF "$cb_word" "$cb_file"; then
			echo "expected on the console, but not there: $cb_word"
			cb_rc=1
		fi
		grep -vF "$cb_word" "$cb_file" >"$cb_file.rest" || :
		mv "$cb_file.rest" "$cb_file"
	done
	if [ -s "$cb_file" ]; then
		cat "$cb_file"
		cb_rc=1
	fi
	if [ "$2" -ne 0 ]; then
		echo "QEMU's status is $2 (124: killed at the timeout)"
		cat "$LOGS/$1.qemu"
		cb_rc=1
	elif [ -z "$3" ] && ! powered_off "$1"; then
		echo "the guest did not power off by itself"
		cb_rc=1
	fi
	[ $cb_rc -eq 0 ] || { echo "the console's end:"; tail -n 25 "$LOGS/$1.console"; }
	return $cb_rc
}

# The default stands for "-".
field() {
	[ "$1" = - ] && echo "$2" || echo "$1"
}

trim() {
	echo "$1" | sed 's/^[ 	]*//; s/[ 	]*$//'
}

# real_devices NAME: devices for `devices`: new disks, and three networks with a file on
# their TFTP server.
real_devices() {
	rm -rf "$LOGS/$1.tftp"
	mkdir -p "$LOGS/$1.tftp"
	head -c 1000000 /dev/urandom >"$LOGS/$1.tftp/blob"
	(cd "$LOGS/$1.tftp" && sha256sum blob >blob.sum)
	for rd_disk in nvme virtio ahci usb; do
		rm -f "$LOGS/$1.$rd_disk"
		truncate -s 64M "$LOGS/$1.$rd_disk"
		echo "-drive if=none,id=$rd_disk,format=raw,cache=unsafe,file=$LOGS/$1.$rd_disk"
	done
	for rd_net in e1000e virtio igb; do
		echo "-netdev user,id=net-$rd_net,tftp=$LOGS/$1.tftp"
	done
	echo "-device nvme,serial=pkvm,drive=nvme" \
		"-device virtio-blk-pci,drive=virtio,iommu_platform=on,disable-legacy=on" \
		"-device ich9-ahci,id=ahci -device ide-hd,drive=ahci,bus=ahci.0" \
		"-device qemu-xhci,id=xhci -device usb-storage,drive=usb,bus=xhci.0" \
		"-device e1000e,netdev=net-e1000e,romfile=" \
		"-device virtio-net-pci,netdev=net-virtio,romfile=,iommu_platform=on,disable-legacy=on" \
		"-device igb,netdev=net-igb,romfile="
}

# crash_disk NAME: a disk with room for a dump of all memory.
crash_disk() {
	rm -f "$LOGS/$1.nvme"
	truncate -s 1G "$LOGS/$1.nvme"
	echo "-drive if=none,id=nvme,format=raw,cache=unsafe,detect-zeroes=on,file=$LOGS/$1.nvme" \
		"-device nvme,serial=pkvm,drive=nvme"
}

# crash_files NAME: an initramfs that also has the kernel and the initramfs that a crash
# boots; prints the file.
crash_files() {
	cf_dir=$LOGS/$1.crash
	rm -rf "$cf_dir"
	mkdir -p "$cf_dir/crash"
	cp "$IMAGE" "$cf_dir/crash/Image"
	cp "$INITRD" "$cf_dir/crash/initrd"
	(cd "$cf_dir" && find crash | cpio --quiet -o -H newc; cat "$INITRD") >"$LOGS/$1.initrd"
	rm -rf "$cf_dir"
	echo "$LOGS/$1.initrd"
}

# Devices for `storm`: a disk, and edu devices that fault (one more is always there).
storm_devices() {
	echo "-drive if=none,id=null,driver=null-co,size=64M,read-zeroes=on" \
		"-device nvme,serial=pkvm,drive=null"
	for sd_edu in 1 2 3 4 5 6 7; do
		echo "-device edu,id=edu$sd_edu,dma_mask=0xffffffffffffffff"
	done
}

# Devices for `soak`: disks and networks, edu devices (one more is always there), and memory that
# appears after boot.
soak_devices() {
	real_devices "$1"
	for so_edu in 1 2 3 4; do
		echo "-device edu,id=edu$so_edu,dma_mask=0xffffffffffffffff"
	done
	echo "-object memory-backend-ram,id=mem1,size=1G -device pc-dimm,memdev=mem1"
}

# nvme_devices N: devices for `walk`: one per thread for DMA, and other streams.
nvme_devices() {
	nd=0
	while [ $nd -lt "$1" ]; do
		echo "-device nvme,serial=walk$nd,cmb_size_mb=1 -device edu"
		nd=$((nd + 1))
	done
}

# device_tree NAME EDIT: the machine's device tree, changed by one of the edits
# below; prints the file, and arguments that belong to it.
device_tree() {
	dt=$LOGS/$1.dtb
	"$QEMU" -M "$MACHINE,dumpdtb=$dt" -cpu "$CPU" -smp "$SMP" -m "$MEM" \
		-display none -nodefaults >/dev/null 2>&1
	case $2 in
	small-registers)	# an SMMUv3 without its second register page
		fdtput -t x "$dt" /smmuv3@9050000 reg 0 9050000 0 10000 ;;
	other-iommu)		# an IOMMU without a driver, and a device behind it
		fdtput -c "$dt" /unknown-iommu
		fdtput -t s "$dt" /unknown-iommu compatible example,unknown
		fdtput -t x "$dt" /unknown-iommu '#iommu-cells' 1
		fdtput -t x "$dt" /unknown-iommu phandle 9001
		fdtput -c "$dt" /display
		fdtput -t s "$dt" /display compatible example,display
		fdtput -t x "$dt" /display iommus 9001 0 ;;
	disabled-iommu)		# an SMMUv3 that the firmware has disabled
		fdtput -c "$dt" /iommu@b000000
		fdtput -t s "$dt" /iommu@b000000 compatible arm,smmu-v3
		fdtput -t s "$dt" /iommu@b000000 status disabled
		fdtput -t x "$dt" /iommu@b000000 reg 0 b000000 0 20000
		fdtput -t x "$dt" /iommu@b000000 '#iommu-cells' 1 ;;
	pci-hole)		# no IOMMU in front of buses 8 and up
		dt_phandle=$(fdtget -t x "$dt" /smmuv3@9050000 phandle)
		fdtput -t x "$dt" /pcie@10000000 iommu-map 0 "$dt_phandle" 0 800 ;;
	pci-mask)		# the map ignores the bus number
		dt_phandle=$(fdtget -t x "$dt" /smmuv3@9050000 phandle)
		fdtput -t x "$dt" /pcie@10000000 iommu-map-mask ff
		fdtput -t x "$dt" /pcie@10000000 iommu-map 0 "$dt_phandle" 0 100 ;;
	shared-stream)		# devices 0, 1 and 4 have one stream; so have 2 and 3
		dt_phandle=$(fdtget -t x "$dt" /smmuv3@9050000 phandle)
		fdtput -t x "$dt" /pcie@10000000 iommu-map-mask ffffffd7
		fdtput -t x "$dt" /pcie@10000000 iommu-map 0 "$dt_phandle" 0 10000 ;;
	pmcg-msi)		# a performance monitor that writes to memory: its registers
				# are in flash memory, whose contents a file has
		fdtput -c "$dt" /pmcg@4000000
		fdtput -t s "$dt" /pmcg@4000000 compatible arm,smmu-v3-pmcg
		fdtput -t x "$dt" /pmcg@4000000 reg 0 4000000 0 1000
		truncate -s 64M "$dt.flash"
		# Bit 21 of the word at 0xe00, see withheld.c.
		printf '\040' | dd of="$dt.flash" bs=1 seek=$((0xe02)) conv=notrunc 2>/dev/null
		dt="$dt -drive if=pflash,unit=1,format=raw,file=$dt.flash" ;;
	cmdqv)			# an SMMUv3 with more command queues than EL2 knows of
		fdtput -t s "$dt" /smmuv3@9050000 compatible nvidia,tegra264-smmu arm,smmu-v3 ;;
	broken-page1)		# an SMMUv3 with the registers of page 1 in page 0
		fdtput -t x "$dt" /smmuv3@9050000 cavium,cn9900-broken-page1-regspace ;;
	power-domain)		# the host can switch off the SMMUv3
		fdtput -t x "$dt" /smmuv3@9050000 power-domains 9001 0 ;;
	reset-bus)		# or reset the bus that it is on
		fdtput -t x "$dt" / resets 9001 0 ;;
	smmu-v2 | smmu-v2-*)
				# an SMMUv2 whose registers are the last MiB of 1 GiB of
				# memory: they keep what is written, and it translates nothing
		fdtput -c "$dt" /iommu@7ff00000
		fdtput -t s "$dt" /iommu@7ff00000 compatible arm,mmu-500
		[ "$2" != smmu-v2-vendor ] || fdtput -t s "$dt" /iommu@7ff00000 compatible \
			marvell,ap806-smmu-500 arm,mmu-500
		fdtput -t x "$dt" /iommu@7ff00000 reg 0 7ff00000 0 10000
		fdtput -t x "$dt" /iommu@7ff00000 interrupts 0 c8 4 0 c9 4 0 c9 4
		fdtput -t x "$dt" /iommu@7ff00000 '#global-interrupts' 1
		fdtput -t x "$dt" /iommu@7ff00000 clocks "$(fdtget -t x "$dt" /apb-pclk phandle)"
		fdtput -t x "$dt" /iommu@7ff00000 dma-coherent
		fdtput -t x "$dt" /iommu@7ff00000 '#iommu-cells' 1
		# The functions of a device have one stream.
		[ "$2" != smmu-v2-mask ] ||
			fdtput -t x "$dt" /iommu@7ff00000 stream-match-mask 7
		fdtput -t x "$dt" /iommu@7ff00000 phandle 9001
		fdtput -t x "$dt" /pcie@10000000 iommu-map 0 9001 0 10000
		# IDR0 to IDR2: stage 2 of 40 bits, 16 entries, ids of 16 bits, 8 banks.
		truncate -s 64K "$dt.regs"
		printf '\020\137\000\050\010\000\000\040\042\160\000\000' |
			dd of="$dt.regs" bs=1 seek=32 conv=notrunc 2>/dev/null
		dt="$dt -device loader,file=$dt.regs,addr=0x7ff00000,force-raw=on" ;;
	virtio-iommu)		# the devices behind it, which QEMU does not describe
		fdtput -t x "$dt" /virtio_mmio@a003e00 '#iommu-cells' 1
		fdtput -t x "$dt" /virtio_mmio@a003e00 phandle 9000
		fdtput -t x "$dt" /pcie@10000000 iommu-map 0 9000 0 10000 ;;
	esac
	echo "$dt"
}

# The table of a device with command queues for the SMMU whose identifier in IORT is 1:
#	Scope (\_SB) { Device (CMDQ) { Name (_HID, "NVDA200C") Name (_UID, One) } }
cmdqv_table() {
	printf 'SSDT\107\000\000\000\002\206PKVM  CMDQ    \001\000\000\000TEST\001\000\000\000'
	printf '\020"\134_SB_\133\202\032CMDQ\010_HID\015NVDA200C\000\010_UID\001'
}

# acpi_table NAME EDIT: an initramfs with a changed IORT, see iort.c; prints the file.
acpi_table() {
	at_dir=$LOGS/$1.acpi
	rm -rf "$at_dir"
	mkdir -p "$at_dir/kernel/firmware/acpi"
	gcc -Wall -Wextra -o "$at_dir/iort" "$TOOLS/iort.c"
	"$at_dir/iort" "$2" >"$at_dir/kernel/firmware/acpi/iort.aml"
	[ "$2" != cmdqv ] || cmdqv_table >"$at_dir/kernel/firmware/acpi/ssdt.aml"
	(cd "$at_dir" && find kernel | cpio --quiet -o -H newc; cat "$INITRD") >"$LOGS/$1.initrd"
	echo "$LOGS/$1.initrd"
}

# one_config LINE: boot a line of ./configs and judge it. Runs in a subshell.
one_config() (
	IFS='|'
	set -f
	# shellcheck disable=SC2086
	set -- $1
	set +f
	unset IFS
	name=$(trim "$1")
	MACHINE=$(field "$(trim "$2")" "$MACHINE")
	CPU=$(field "$(trim "$3")" "$CPU")
	SMP=$(field "$(trim "$4")" "$SMP")
	MEM=$(field "$(trim "$5")" "$MEM")
	append=$(field "$(trim "$6")" "")
	devices=$(field "$(trim "$7")" "")
	case $devices in
	real)	devices=$(real_devices "$name") ;;
	storm)	devices=$(storm_devices) ;;
	soak)	devices=$(soak_devices "$name") ;;
	nvme)	devices=$(nvme_devices "$SMP") ;;
	buses)	devices=$BUSES ;;
	crash)	devices=$(crash_disk "$name") ;;
	esac
	programs=$(trim "$8" | tr -d ' ')
	limit=120
	longer=0
	follower=
	attacks=
	expect=
	log=
	for o in ${9:-}; do
		case $o in
		timeout=*)	limit=${o#*=} ;;
		expect=*)	expect=${o#*=} ;;
		attacks | attacks=*)
				attacks=y
				no_target=${o#attacks}
				no_target=${no_target#=} ;;
		log=*)		log="$log ${o#*=}" ;;
		initrd=vfio)
			cat "$INITRD" "$VFIO_INITRD" >"$LOGS/$name.vfio"
			INITRD=$LOGS/$name.vfio
			;;
		virtio-iommu)	devices="$VIRTIO_IOMMU $devices -dtb $(device_tree "$name" "$o")" ;;
		two-smmus | two-smmus=*)
				if [ ! -x "$NEW_QEMU/qemu" ]; then
					echo "ok - $name # SKIP no QEMU that can have several SMMUs"
					return
				fi
				QEMU=$NEW_QEMU/qemu
				stages=${o#two-smmus}
				stages=${stages#=}
				two=$(echo "$TWO_SMMUS" | sed "1s/nested/${stages%,*}/
					3s/nested/${stages#*,}/; s/stage=,/stage=nested,/")
				devices="$UEFI $two $devices" ;;
		edu-behind=*)	EDU_LAST="$EDU,bus=${o#*=}"
				EDU= ;;
		at-once)	devices="-global virtio-mmio.ioeventfd=off $devices" ;;
		image=*)	IMAGE=$ROOT/build/Image-${o#*=}
				# Once in a run.
				[ ! -e "$LOGS/built.$$.${o#*=}" ] || continue
				loud_row "$name: its kernel builds" \
					env VARIANT="${o#*=}" "$TOOLS/build.sh" || continue
				touch "$LOGS/built.$$.${o#*=}" ;;
		nightly)	;;
		minutes)	programs=$programs:$SOAK_MINUTES
				longer=$((SOAK_MINUTES * 90))
				sleep $((limit + longer)) &
				follower=$!
				follow "$name" $follower & ;;
		crash)		INITRD=$(crash_files "$name") ;;
		uefi)		devices="$UEFI $devices" ;;
		iort=*)		devices="$UEFI $devices"
				INITRD=$(acpi_table "$name" "${o#*=}") ;;
		dtb=*)		devices="$devices -dtb $(device_tree "$name" "${o#*=}")" ;;
		*)		echo "not ok - $name: option $o in configs" ;;
		esac
	done
	if [ -n "$attacks" ]; then
		attack_rows "$name" "$name: attack" "$devices" "$limit" "$no_target" "$programs"
		return
	fi
	status=0
	boot "$name" "$devices" "pkvm_test=$programs $append" $((limit + longer)) || status=$?
	[ -z "$follower" ] || kill "$follower" || :
	judge "$name" "$programs" "$expect" <"$LOGS/$name.tap"
	row "$name: boots and powers off without a complaint" \
		clean_boot "$name" $status "$expect" || :
	for text in $log; do
		row "$name: the log says: $(echo "$text" | tr '_' ' ')" \
			grep -qF "$(echo "$text" | tr '_' ' ')" "$LOGS/$name.console" || :
	done
)

# follow NAME PID: print the progress that the programs of a boot tell of, each minute, until the
# process ends.
follow() {
	: >"$LOGS/$1.raw"
	tail -n +1 -F --pid="$2" "$LOGS/$1.raw" 2>/dev/null |
		grep --line-buffered '^# minute' >&2
}

# attack_rows NAME TEST 'qemu args' TIMEOUT IDS PROGRAM: the attacks, one row each, see table.
attack_rows() {
	name=$1
	loud_row "$2: both boots end without a complaint" attack_boots "$1" "$3" "$4" "$6" || :
	ar_rc=0
	table "$LOGS/$1-off.tap" "$LOGS/$1-on.tap" "$2" "$5" >"$LOGS/$1.attacks" || ar_rc=1
	cat "$LOGS/$1.attacks"
	row "$2: enough attacks, and each came out as it should" [ $ar_rc -eq 0 ] || :
}

config_lines() { grep -Ev '^(#|[[:space:]]*$)' "$TOOLS/configs"; }

# work QUEUE: run the lines of the queue one after the other, until it is empty. The
# rows of a configuration stay together.
work() {
	while
		exec 8>"$1.lock"
		flock 8
		work_line=$(head -n 1 "$1")
		sed -i 1d "$1"
		exec 8>&-
		[ -n "$work_line" ]
	do
		work_rows=$LOGS/$(trim "${work_line%%|*}").rows
		one_config "$work_line" >"$work_rows"
		flock "$1.lock" cat "$work_rows"
	done
}

test_rows() {
	if ! loud_row "setup" "$TOOLS/setup.sh" ||
	   ! loud_row "the kernel builds, and has every option asked for" "$TOOLS/build.sh" ||
	   ! loud_row "the test programs build" "$TOOLS/mkinitramfs.sh"; then
		echo "# complete"
		return
	fi
	if [ $# -eq 0 ]; then
		# shellcheck source=static-checks.sh
		. "$TOOLS/static-checks.sh"
		# These use one CPU, as much of "make check" does.
		(name=static check_rows) >"$LOGS/static.rows" &
		second=$!
		# Half the steps of its default: "make nightly" walks for longer.
		loud_row "make check: EL2 on this machine, against the specification" \
			env SEED=1 FUZZ=5 "$RUNNER/check.sh" 6000 || :
		wait $second
		cat "$LOGS/static.rows"
	fi
	rm -f "$LOGS/built.$$."*
	config_lines >"$LOGS/configs"
	case " ${*:-demo} " in
	*" demo "*)	attack_rows demo attack "" "${DEMO_TIMEOUT:-240}" "" attack ;;
	esac
	for want; do
		[ "$want" != demo ] || continue
		grep -q "^${want}[ 	|]" "$LOGS/configs" || echo "not ok - no configuration is named $want"
	done
	# Guests with one CPU two at a time, the others one at a time.
	: >"$LOGS/singles"
	: >"$LOGS/others"
	while read -r line; do
		conf=$(trim "${line%%|*}")
		if [ $# -eq 0 ]; then
			case "$line " in *" nightly "*) continue ;; esac
		else
			case " $* " in *" $conf "*) ;; *) continue ;; esac
		fi
		case $(echo "$line" | cut -d '|' -f 4) in
		*[2-9]*)	echo "$line" >>"$LOGS/others" ;;
		*)		echo "$line" >>"$LOGS/singles" ;;
		esac
	done <"$LOGS/configs"
	work "$LOGS/singles" &
	second=$!
	work "$LOGS/singles"
	wait $second
	work "$LOGS/others"
	echo "# complete"
}

########## main

mode=${1:-}
[ $# -eq 0 ] || shift
case $mode in
demo)
	"$TOOLS/mkinitramfs.sh"
	demo
	;;
test)
	echo "TAP version 13"
	test_rows "$@" | number
	;;
nightly)
	# shellcheck source=nightly.sh
	. "$TOOLS/nightly.sh"
	echo "TAP version 13"
	nightly_rows "$@" | number
	;;
shell)
	"$TOOLS/mkinitramfs.sh"
	guest 0 mon:stdio "" ""
	;;
bench)
	"$TOOLS/mkinitramfs.sh"
	# shellcheck source=bench.sh
	. "$TOOLS/bench.sh"
	bench "$@"
	;;
distro)
	# shellcheck source=distro.sh
	. "$TOOLS/distro.sh"
	echo "TAP version 13"
	distro_rows | number
	;;
*)
	die "usage: run.sh demo | test [name...] | nightly [step...] | shell | bench | distro"
	;;
esac
