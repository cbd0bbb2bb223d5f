#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Coverage of the EL2 code (arch/arm64/kvm/hyp/nvhe/iommu) by the tests in QEMU, in
# lines. The code is not instrumented: QEMU logs each block of instructions when it
# translates it, before it runs for the first time. KASLR is off.
#
# A line counts as run if an instruction was translated that belongs to it by the
# compiler's line table. A line that is inlined in several places counts if one of them
# ran. A line whose instructions were merged with another line counts with that line.
# A line that was optimised away is not listed. A block ends at a branch, so lines
# behind a branch count only if they are reached; lines behind an instruction that
# takes an exception count always.
#
#   coverage.sh [name...]	boots these configurations, else all but the slow ones
#
# Prints the share of lines that ran for each file, and the lines that did not.
# GCOV=DIR adds the lines that run on the build machine. DIR has the *.gcov files; `make
# TREE=... O=X cov` in tools/testing/pkvm_iommu writes them to X/cov.
# The logs stay in the cache; KEEP=1 uses the existing ones.

# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

EL2=arch/arm64/kvm/hyp/nvhe/iommu
ASM=$CACHE/coverage
OBJDUMP=${CROSS_COMPILE}objdump

# Slow configurations that add little: races, disks and networks, other kernels.
default_configs() {
	awk -F '|' '/^(#|[ \t]*$)|image=/ { next }
		{ name = $1; gsub(/[ \t]/, "", name) }
		name ~ /race|devices|smp4|walk-4|kunit|vfio|storm|stress/ { next }
		{ print name }' "$TOOLS/configs"
	echo demo
}

# Each instruction of our files: "ADDRESS FILE:LINE", the address within 2 MiB.
# Run-time addresses differ from the linked ones by a multiple of that.
instructions() {
	"$OBJDUMP" --dwarf=decodedline "$OBJ/vmlinux" | awk -v dir="$EL2/" '
	function low(hex,   i, n) {
		for (i = length(hex) - 5; i <= length(hex); i++)
			n = n * 16 + index("0123456789abcdef", substr(hex, i, 1)) - 1
		return n % 2097152
	}
	/:$/ {
		i = index($1, dir)
		file = i ? substr($1, i + length(dir)) : ""
		sub(/:$/, "", file)
		next
	}
	# A new line number starts here; addresses up to the next belong to it.
	$3 ~ /^0x/ && $2 ~ /^[0-9]+$/ {
		print low($3), (file == "" ? "-" : file ":" $2)
	}
	$2 == "-" && $3 ~ /^0x/ { print low($3), "-" }'
}

# Addresses of EL2 that ran. The log also has user space, at other addresses.
executed() {
	cat "$ASM"/*.asm | awk '
	function low(hex,   i, n) {
		for (i = length(hex) - 5; i <= length(hex); i++)
			n = n * 16 + index("0123456789abcdef", substr(hex, i, 1)) - 1
		return n % 2097152
	}
	/^0x[0-9a-f]+: / && !/^0xffff........: / {
		sub(/:$/, "", $1)
		print low($1)
	}' | sort -un
}

# Lines of the listings: "run FILE:LINE" or "not FILE:LINE".
lines() {
	instructions >"$ASM/instructions"
	[ -s "$ASM/instructions" ] || die "no line numbers in $OBJ/vmlinux: run 'make image'"
	executed >"$ASM/executed"
	[ -s "$ASM/executed" ] || die "no EL2 code in the logs in $ASM"
	# An address belongs to the last line number that starts at or before it.
	{
		sed 's/$/ 0/' "$ASM/instructions"
		sed 's/$/ - 1/' "$ASM/executed"
	} | sort -s -k1,1n -k3,3n | awk '
		$3 {
			for (l in here)
				ran[l] = 1
			next
		}
		$1 != at { split("", here); at = $1 }
		$2 != "-" { here[$2] = 1; all[$2] = 1 }
		END {
			for (l in all)
				print (l in ran ? "run" : "not"), l
		}'
	[ -z "${GCOV:-}" ] || gcov_lines
}

gcov_lines() {
	find "$ROOT/$EL2" -name '*.c' | while read -r gl; do
		[ ! -f "$GCOV/${gl##*/}.gcov" ] || awk -F : -v file="${gl#"$ROOT/$EL2"/}" '
			$1 ~ /#####|=====/ { print "not", file ":" $2 + 0; next }
			$1 ~ /[0-9]/ { print "run", file ":" $2 + 0 }' "$GCOV/${gl##*/}.gcov"
	done
}

report() {
	lines | sort -u | awk -v src="$ROOT/$EL2" '
	# Without the tests, and without files of the kernel.
	{
		split($2, at, ":")
		name = at[1]
		sub(/^backends\//, "", name)
	}
	name ~ /^(self)?test[-.]|\// { next }
	{
		all[$2] = 1
		if ($1 == "run")
			ran[$2] = 1
		if (at[2] > last[at[1]])
			last[at[1]] = at[2]
	}
	END {
		for (f in last) {
			n = r = 0
			for (i = 1; i <= last[f]; i++) {
				n += (f ":" i) in all
				r += (f ":" i) in ran
			}
			printf "%-23s %5d of %5d lines  %5.1f %%\n", f, r, n, 100 * r / n | "sort"
			sum += n; done += r
		}
		close("sort")
		printf "%-23s %5d of %5d lines  %5.1f %%\n\nNever run:\n", "together", done, sum, 100 * done / sum
		for (f in last) {
			while ((getline text < (src "/" f)) > 0) {
				line++
				if ((f ":" line) in all && !((f ":" line) in ran)) {
					sub(/^[ \t]+/, "", text)
					printf "%s:%d: %s\n", f, line, text | "sort -t: -k1,1 -k2,2n"
				}
			}
			line = 0
		}
	}'
}

if [ -z "${KEEP:-}" ]; then
	rm -rf "$ASM"
	mkdir -p "$ASM"
	# A failed test makes this script fail too, but its coverage counts.
	# shellcheck disable=SC2046
	[ $# -gt 0 ] || set -- $(default_configs)
	rc=0
	COVERAGE=$ASM "$TOOLS/run.sh" test "$@" >"$ASM/tap" || rc=$?
	grep '^not ok' "$ASM/tap" >&2 || :
	tail -n 1 "$ASM/tap" >&2
fi
report
exit "${rc:-0}"
