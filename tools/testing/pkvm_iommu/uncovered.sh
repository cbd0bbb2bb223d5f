#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Coverage of the EL2 sources, lines and branches, by a walk of all configurations.
# Lines that are not reached must be listed in uncovered.txt with a reason. The list
# names file, function and text, so that it does not depend on line numbers.
#
#	make -C tools/testing/pkvm_iommu TREE=... O=... cov
#	uncovered.sh O EL2		what "make cov" runs; WALK_STEPS= of each configuration

HERE=$(cd "$(dirname "$0")" && pwd)
O=$1
EL2=$2
WALK_STEPS=${WALK_STEPS:-20000}

set -eu
export LC_ALL=C
find "$O/cov" -name '*.gcda' -exec rm {} +
"$O/walk-cov" --seed 1 --steps "$WALK_STEPS" --no-shrink >"$O/cov/log" || {
	tail -n 40 "$O/cov/log"
	exit 1
}

cd "$O/cov"
: >lines
: >totals
rm -f ./*.gcov
find "$EL2" -name '*.c' | sort | while read -r src; do
	name=${src#"$EL2"/}
	name=${name%.c}
	[ -e "el2/$name.o" ] || continue
	gcov -b -o "$(dirname "el2/$name.o")" "el2/$name.o" >gcov.log 2>/dev/null
	awk -v path="$src" -v file="$name.c" '
		/^File/ { on = index($0, "\047" path "\047") }
		on && /^Lines/ { lines = $0 }
		on && /^Taken/ { taken = $0 }
		END {
			sub(/.*:/, "", lines); sub(/.*:/, "", taken)
			printf "%s\t%s\t%s\n", file, lines, taken
		}' gcov.log >>totals
	# A line at the left margin with a parenthesis starts a function.
	awk -v file="$name.c" '
		/^(function|branch|call|unconditional)/ { next }
		{
			count = $0; sub(/:.*/, "", count); gsub(/ /, "", count)
			text = $0; sub(/^[^:]*:[^:]*:/, "", text)
			if (text ~ /^[a-z][^;]*\(/) {
				fn = text; sub(/\(.*/, "", fn); sub(/.*[ *]/, "", fn)
			}
			if (count == "#####" || count == "=====") {
				gsub(/^[ \t]+|[ \t]+$/, "", text)
				printf "%s\t%s\t%s\n", file, fn, text
			}
		}' "${src##*/}.gcov" >>lines
done

echo "file			lines		branches taken"
awk -F '\t' '{ printf "%-23s\t%s\t%s\n", $1, $2, $3 }' totals
sort -u lines >uncovered
grep -v '^#' "$HERE/uncovered.txt" | cut -f 1-3 | sort -u >listed
echo
echo "not covered, and why:"
grep -v '^#' "$HERE/uncovered.txt" | while IFS='	' read -r file fn text why; do
	if grep -qxF "$file	$fn	$text" uncovered; then
		echo "$file: $fn: $text: $why"
	else
		echo "$file: $fn: $text: covered now; take it from the list if that lasts"
	fi
done
comm -23 uncovered listed >new
[ ! -s new ] || {
	echo
	echo "error: not covered, and not in uncovered.txt (file, function, text, reason):"
	cat new
	exit 1
}
