#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# `make check`: build the EL2 sources for this machine with sanitizers, and walk
# each configuration. TAP on stdout; the last line is the count.
#
#	check.sh [STEPS]	steps of each configuration, default 12000
#
# CC=clang builds with clang. SEED= gives the first seed (default: from the
# clock; it is printed). O= is where the objects go.

HERE=$(cd "$(dirname "$0")" && pwd)
CACHE=${XDG_CACHE_HOME:-$HOME/.cache}/pkvm-iommu

set -eu
export LC_ALL=C
[ -s "$CACHE/tree" ] || {
	echo "error: no kernel source yet: run 'make setup image'" >&2
	exit 1
}
TREE=${TREE:-$CACHE/$(cat "$CACHE/tree")}
O=${O:-$CACHE/host-${CC:-cc}}
STEPS=${1:-12000}
SEED=${SEED:-$(date +%s)}

passed=0
failed=0
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

# The patched tree has to have our patches, not our sources: those are the
# overlay's own. What it must have is what they include.
mkdir -p "$O"
echo "TAP version 13"
echo "# seed $SEED, $STEPS steps for each configuration, ${CC:-cc}"
row "build" make -s -C "$HERE" TREE="$TREE" O="$O" ${CC:+CC="$CC"} "$O/walk-san"
if [ $failed -eq 0 ]; then
	for config in $("$O/walk-san" --list); do
		row "$config" "$O/walk-san" --config "$config" --seed "$SEED" --steps "$STEPS" \
			--save "$O/$config.trace"
	done
fi
echo "1..$nr"
echo "$passed passed, $failed failed, 0 skipped"
[ $failed -eq 0 ]
