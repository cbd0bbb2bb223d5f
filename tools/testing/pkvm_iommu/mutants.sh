#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# `make mutants`: break one protection after another (mutants.list) in a copy of
# the EL2 sources, and check that the walk notices. A mutant whose expression no
# longer changes the source is an error: update the list with the code.
#
#	mutants.sh [NAME...]	only these
#
# SHARD=1/2 runs every second mutant, from the first; SHARD=2/2 the others.
#
# A race that needs several things to meet can miss a mutant by chance: up to three seeds
# are tried, and the output says which one found it if it is not the first.

HERE=$(cd "$(dirname "$0")" && pwd)
ROOT=$(cd "$HERE/../../.." && pwd)
CACHE=${XDG_CACHE_HOME:-$HOME/.cache}/pkvm-iommu
SRC=$ROOT/arch/arm64/kvm/hyp/nvhe/iommu

set -eu
export LC_ALL=C
[ -s "$CACHE/tree" ] || {
	echo "error: no kernel source yet: run 'make setup image'" >&2
	exit 1
}
TREE=${TREE:-$CACHE/$(cat "$CACHE/tree")}
SHARD=${SHARD:-1/1}
O=${O:-$CACHE/check-mutants-${SHARD%/*}}
# Not STEPS, which names the steps of `make nightly`.
STEPS=${WALK_STEPS:-6000}
# For missing locks: walk-race, see access.c. Most of its acts are races.
RACE="--races --no-shrink --steps 40000 --config"

build() { make -s -C "$HERE" TREE="$TREE" "$@" >"$O/log" 2>&1; }

# base_of SHIFT: what mutants with that page size start from. It must pass.
base_of() {
	base=$O/base
	[ "$1" -ne 12 ] || return 0
	base=$O/base-$1
	case $based in *" $1 "*) return 0 ;; esac
	based="$based $1 "
	rm -rf "$O/src"
	cp -Rp "$SRC" "$O/src"
	if ! build O="$base" EL2="$O/src" PAGE_SHIFT="$1" "$base/walk-opt" "$base/virtio-opt" ||
	   ! "$base/walk-opt" --steps $((STEPS / 12)) >"$O/log" 2>&1 ||
	   ! "$base/virtio-opt" >"$O/log" 2>&1; then
		cat "$O/log"
		echo "error: with pages of 2^$1, the walk fails without a mutant" >&2
		exit 1
	fi
}

# run PROGRAM 'ARGS': of the mutant.
run() {
	# shellcheck disable=SC2086
	timeout "$LIMIT" "$O/mut/$1" $2 >"$O/log" 2>&1
}

# The configuration that finds most; then all for a short time, since some mutants matter in one
# configuration only; then all.
walk() {
	if [ "$machines" != all ]; then
		for machine in $machines; do
			run walk-opt "--no-shrink --steps $steps --config $machine" || return
		done
		return
	fi
	run walk-opt "--no-shrink --steps $steps --config two-level" &&
		run walk-opt "--no-shrink --steps $((steps / 12))" &&
		run walk-opt "--no-shrink --steps $steps"
}

mkdir -p "$O"
# Races run without the lock assertions of the sources: the walk has to notice the
# consequences of a missing lock.
rm -rf "$O/src" "$O/unasserted"
cp -Rp "$SRC" "$O/unasserted"
sed -i '/^[[:blank:]]*hyp_assert_lock_held(/d' "$O/unasserted"/*.c "$O/unasserted"/backends/*.c
cp -Rp "$SRC" "$O/src"
build O="$O/base" EL2="$O/src" "$O/base/walk-opt" || {
	cat "$O/log"
	exit 1
}
build O="$O/base" EL2="$O/src" "$O/base/virtio-opt" || { cat "$O/log"; exit 1; }
rm -rf "$O/src"
cp -Rp "$O/unasserted" "$O/src"
build O="$O/base" EL2="$O/src" "$O/base/walk-race" || { cat "$O/log"; exit 1; }
t0=$(date +%s)
# shellcheck disable=SC2086
if ! "$O/base/walk-opt" --steps "$STEPS" >"$O/log" 2>&1 ||
   ! "$O/base/walk-race" $RACE two-level >"$O/log" 2>&1 ||
   ! "$O/base/walk-race" $RACE slow-queue >"$O/log" 2>&1 ||
   ! "$O/base/walk-race" $RACE lost-sync >"$O/log" 2>&1 ||
   ! "$O/base/walk-race" $RACE virtio-many --steps 80000 >"$O/log" 2>&1 ||
   ! "$O/base/walk-race" $RACE virtio --steps 150000 >"$O/log" 2>&1 ||
   ! "$O/base/virtio-opt" >"$O/log" 2>&1; then
	cat "$O/log"
	echo "error: the walk fails without a mutant" >&2
	exit 1
fi
# Seconds for one mutant. On a busy machine, a mutant that survives must not be taken
# for one that hangs.
LIMIT=${LIMIT:-$((30 + 5 * ($(date +%s) - t0)))}

based=
killed=0
survived=0
stale=0
nr=0
t0=$(date +%s)
while IFS='	' read -r name file expr; do
	case $name in "#"*|"") continue ;; esac
	if [ $# -gt 0 ]; then
		case " $* " in *" $name "*) ;; *) continue ;; esac
	fi
	nr=$((nr + 1))
	[ $((nr % ${SHARD#*/})) -eq $((${SHARD%/*} % ${SHARD#*/})) ] || continue
	from=$SRC
	case $name in race-*) from=$O/unasserted ;; esac
	rm -rf "$O/mut" "$O/src"
	# What only kernels with pages of another size show runs in the walk of that size.
	shift=12
	steps=$STEPS
	case $name in
	pages16-*)	shift=14 ;;
	pages64-*)	shift=16 ;;
	esac
	[ $shift -eq 12 ] || steps=$((STEPS / 12))
	base_of $shift
	rm -rf "$O/src"
	cp -Rp "$base" "$O/mut"
	cp -Rp "$from" "$O/src"
	sed "$expr" "$from/$file" >"$O/src/$file"
	if cmp -s "$from/$file" "$O/src/$file"; then
		echo "stale     $name: the expression changes nothing"
		stale=$((stale + 1))
		continue
	fi
	# One backend has a test of its own, which is faster; one is in few machines.
	progs=walk-opt
	machines=all
	[ "${file##*/}" != smmu-v2.c ] || machines=$("$base/walk-opt" --list | grep v2)
	seeds=1
	[ "${file##*/}" != virtio.c ] || progs="virtio-opt walk-opt"
	race_config=two-level
	case $name in
	race-virtio-*|race-weak-virtio-*) race_config="virtio --steps 150000" ;;
	race-late-*|race-weak-late-*) race_config=slow-queue ;;
	race-lost-*) race_config="lost-sync --steps 120000" ;;
	race-several-*) race_config="virtio-many --steps 240000" ;;
	esac
	case $name in race-*) progs=walk-race seeds="1 2 3" ;; esac
	# shellcheck disable=SC2046,SC2086
	if ! build O="$O/mut" EL2="$O/src" PAGE_SHIFT="$shift" $(printf "$O/mut/%s " $progs); then
		echo "stale     $name: does not compile"
		sed 's/^/          /' "$O/log" | head -n 5
		stale=$((stale + 1))
		continue
	fi
	for seed in $seeds; do
		for prog in $progs; do
			rc=0
			case $prog in
			walk-opt) walk || rc=$? ;;
			walk-race) run walk-race "$RACE $race_config --seed $seed" || rc=$? ;;
			*) run "$prog" "" || rc=$? ;;
			esac
			[ $rc -eq 0 ] || break 2
		done
	done
	if [ "$rc" -eq 0 ]; then
		echo "SURVIVED  $name"
		survived=$((survived + 1))
		continue
	fi
	how=$(sed -n 's/^# FAILED: //p; s/^# \(the device: \)/\1/p; s/^not ok [0-9]* - //p; s/^# \(killed by signal\)/\1/p' "$O/log" | head -n 1)
	where=$(sed -n 's/.*failed: .* --config \([^ ]*\).*/\1/p' "$O/log" | head -n 1)
	[ "$rc" -ne 124 ] || how="no end within $LIMIT s"
	[ -n "$how" ] || {
		echo "stale     $name: $prog fails, but not because of the mutant"
		sed 's/^/          /' "$O/log" | head -n 5
		stale=$((stale + 1))
		continue
	}
	[ "$seed" -eq 1 ] || where="$where, seed $seed"
	echo "killed    $name: by $prog${where:+ $where}: $how"
	killed=$((killed + 1))
done <"$HERE/mutants.list"

echo "$killed of $((killed + survived + stale)) mutants killed, $survived survived, $stale stale, $(($(date +%s) - t0)) s"
[ $((survived + stale)) -eq 0 ]
