#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Calls between the files of the EL2 core run one way: fails if an object refers to a
# symbol of a file that stands above its own in the list at the top of core.h, or if
# a file is not in that list.
#
#   one-way.sh DIR	DIR has the objects of arch/arm64/kvm/hyp/nvhe/iommu

# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

DIR=${1:?usage: one-way.sh DIR}
CORE=$ROOT/arch/arm64/kvm/hyp/nvhe/iommu

# Objects whose source is gone stay in DIR.
names() {
	cd "$CORE" && find . -name '*.c' | sed 's|^\./||; s|\.c$||' | sort
}

# Lines "order FILE" from the list, then "FILE TYPE SYMBOL" from the objects.
{
	sed -n '/^ \*	hypercall	/,/^ \*$/s/^ \*	\([a-zA-Z/-]*\)	.*/order \1/p' "$CORE/core.h"
	names | while read -r name; do
		"${CROSS_COMPILE}nm" "$DIR/$name.nvhe.o" |
			awk -v f="$name" '{ print f, $(NF - 1), $NF }'
	done
} | awk '
$1 == "order" { rank[$2] = ++n; next }
{
	file = $1 in rank ? $1 : $1 ~ /^backends\// ? "backends/KIND" : ""
	if (!file) {
		if (!unknown[$1]++)
			print $1 ".c is not in the list of core.h"
		bad = 1
	}
}
$2 == "U"		{ users[++u] = $1; place[u] = rank[file]; symbol[u] = $3; next }
$2 ~ /^[ABDRTVW]$/	{ definer[$3] = $1; height[$3] = rank[file] }
END {
	for (i = 1; i <= u; i++) {
		s = symbol[i]
		if (!(s in definer) || definer[s] == users[i])
			continue
		calls++
		if (height[s] <= place[i]) {
			print users[i] ".c uses " s " of " definer[s] ".c, which is not below it"
			bad = 1
		}
	}
	printf "%d files in the list, %d references between files\n", n, calls
	exit bad || n < 10 || calls < 20
}'
