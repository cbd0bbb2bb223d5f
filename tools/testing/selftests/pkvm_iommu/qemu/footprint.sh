#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# How much patches/7.3 changes in existing kernel files: lines added plus lines
# removed, per file and in total. Fails above the limit.

# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

LIMIT=140

set -- "$ROOT/patches/$SERIES"/*.patch
[ -e "$1" ] || die "no patches in patches/$SERIES"

# The hunk header says how many lines follow, so that a removed line which
# looks like "-- a/file" is not taken for a header.
awk -v limit=$LIMIT '
function count(range,	n) {
	n = split(range, part, ",")
	return n > 1 ? part[2] : 1
}
old > 0 || new > 0 {
	c = substr($0, 1, 1)
	if (c == "+") { new--; lines[file]++; total++; next }
	if (c == "-") { old--; lines[file]++; total++; next }
	if (c == "\\") next
	old--; new--
	next
}
/^--- /	{ from = $2 }
/^\+\+\+ / { file = ($2 == "/dev/null") ? from : $2; sub(/^[ab]\//, "", file) }
/^@@ /	{ old = count(substr($2, 2)); new = count(substr($3, 2)) }
END {
	for (f in lines) {
		printf "%5d  %s\n", lines[f], f | "sort -k2"
	}
	close("sort -k2")
	printf "%5d  total, limit %d\n", total, limit
	exit total == 0 || total > limit
}' "$@"
