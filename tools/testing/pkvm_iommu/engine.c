// SPDX-License-Identifier: GPL-2.0
/*
 * The engine of a walk: random choices, one boot, and random steps after it or the
 * acts of a list. There is one boot per process.
 */
#include <stdio.h>
#include <string.h>

#include <linux/pkvm_iommu.h>

#include "runner.h"

#define ARM_64_LPAE_S1	2	/* of enum io_pgtable_fmt */

const struct config *config;
struct spec spec;
const unsigned char *engine_choices;
size_t engine_nr_choices;
u64 smmu_chance;

/*
 * Random numbers are splitmix64. The walk and the hardware have a state each, so that
 * the hardware chooses the same when a part of the walk is left out.
 */
static u64 walk_chance, noise_chance;

static u64 splitmix(u64 *state)
{
	u64 z = *state += 0x9e3779b97f4a7c15ULL;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;

	return z ^ (z >> 31);
}

/* Take a value from the input of a fuzzer, until its end. */
static u64 choose(int bytes)
{
	u64 val = 0;

	while (bytes-- && engine_nr_choices) {
		val = val << 8 | *engine_choices++;
		engine_nr_choices--;
	}

	return val;
}

u64 rnd(void)
{
	return engine_choices ? choose(8) : splitmix(&walk_chance);
}

u64 below(u64 n)
{
	if (!n)
		return 0;
	if (engine_choices)
		return choose(n <= 256 ? 1 : n <= 65536 ? 2 : 8) % n;

	return rnd() % n;
}

u64 noise(void)
{
	return splitmix(&noise_chance);
}

u64 smmu_random(u64 n)
{
	return n ? splitmix(&smmu_chance) % n : 0;
}

static void range_says(u64 pa, u64 size, bool *must, bool *never)
{
	spec_range(&spec, pa, size, must, never);
}

static bool has_stage2(const struct config *c, int i)
{
	return i >= c->nr || (c->smmu[i].s2 && !(c->flags & PKVM_IOMMU_F_STAGE1));
}

static bool snoops(const struct config *c, int i)
{
	return i >= c->nr || c->smmu[i].coherent;
}

/* An IOMMU nests if it has both stages, and no erratum, whatever the others have. */
static void check_nests(const struct config *c)
{
	u64 res[3];
	bool nests;
	int i;

	for (i = 0; i < spec.nr_iommus; i++) {
		nests = i < c->nr && c->smmu[i].s1 && has_stage2(c, i) && !c->smmu[i].erratum &&
			!c->smmu[i].v2.banks;
		if (call(false, res, PKVM_IOMMU_INFO, PKVM_IOMMU_INFO_NESTED, i) ||
		    !res[1] == nests)
			fail("smmu %d: nests, or does not: %#llx", i, (unsigned long long)res[1]);
		if (nests && (!(res[1] & PKVM_IOMMU_NESTED_COHERENT) == snoops(c, i) ||
			      (res[1] & PKVM_IOMMU_NESTED_FMT) != ARM_64_LPAE_S1))
			fail("smmu %d: the host is told %#llx of the tables", i,
			     (unsigned long long)res[1]);
	}
}

/* Each IOMMU has all that it can. Those that can the same, and no others, share a geometry. */
static void check_geometries(const struct config *c)
{
	static const unsigned int sizes[] = { 48, 44, 42, 40, 39, 36, 32 };
	const struct spec_iommu *a = spec.iommu, *b;
	unsigned int bits, n;
	int i, j;
	bool same;

	for (i = 0; i < spec.nr_iommus; i++, a++) {
		bits = a->oas < c->ia ? a->oas : c->ia;
		for (n = 0; sizes[n] > bits; n++)
			;
		if (a->limit != sizes[n])
			fail("IOMMU %d: %u of %u bits", i, a->limit, bits);
		for (j = 0, b = spec.iommu; j < i; j++, b++) {
			same = a->limit == b->limit && a->no_tables == b->no_tables &&
			       a->permits == b->permits && has_stage2(c, i) == has_stage2(c, j) &&
			       snoops(c, i) == snoops(c, j);
			if (same != (a->geometry == b->geometry))
				fail("IOMMUs %d and %d have the geometries %d and %d", i, j,
				     a->geometry, b->geometry);
		}
	}
}

bool engine_boot(const struct config *c, u64 seed)
{
	bool coherent = true, up;
	u64 pfn;
	int i;

	config = c;
	walk_chance = noise_chance = smmu_chance = seed;
	splitmix(&noise_chance);
	for (i = 0; i < c->nr; i++)
		coherent &= c->smmu[i].coherent;
	if (c->gib)
		env_add_gib();
	env_init(coherent, c->ia);
	spec.cpu_bits = c->ia;
	spec_memory(&spec, ENV_RAM0, ENV_RAM0_END);
	spec_memory(&spec, ENV_RAM1, ENV_RAM1_END);
	if (c->gib)
		spec_memory(&spec, ENV_GIB, ENV_GIB_END);
	spec_memory(&spec, ENV_RAM2, ENV_RAM2_END);
	for (pfn = ENV_CARVEOUT / ENV_PAGE; pfn < ENV_CARVEOUT_END / ENV_PAGE; pfn++)
		*spec_page(&spec, pfn) = SPEC_EL2;
	for (i = 0; i < c->nr; i++)
		smmu_add(&c->smmu[i]);
	for (i = 0; i < c->nr_virtio; i++)
		vdev_add(c->nr + i, &c->virtio[i]);
	smmu_range = range_says;
	smmu_mapping = mapping_says;
	smmu_lingers = lingers_says;
	smmu_nested = nested_says;
	smmu_owner = owner_says;
	vdev_knows = knows_says;
	up = boot_all();
	if (up) {
		check_nests(c);
		check_geometries(c);
		check_all(true);
	}

	return up;
}

/* A lie of the device that EL2 must notice with a single request. */
static enum vdev_lie some_lie(void)
{
	static const enum vdev_lie lies[] = {
		SILENT, IDX_AHEAD, IDX_BEHIND, ID_HIGH, ID_STATUS, ID_IDLE, LEN_SHORT, LEN_LONG,
		STATUS_NEW, STATUS_UNWRITTEN,
	};

	return lies[below(COUNT(lies))];
}

void engine_walk(u64 nr_steps, bool up)
{
	bool fuzzed = engine_choices, full;
	u64 step, breaks = ~0ULL, res[3];
	struct act sync = { .kind = ACT_SYNC, .a = { true } };

	if (record)
		record->on = true;
	if (config->scenario)
		config->scenario();
	if (ended)
		return;
	if (config->expect == LOST) {
		breaks = below(nr_steps / 2);
		if (!is_smmu(0))
			sync.a[0] = some_lie();
		else if (config->smmu[0].v2.freezes)
			sync.a[0] = SMMU_FROZEN;
	}
	for (step = 0; step < nr_steps && !(fuzzed && !engine_nr_choices); step++) {
		if (!up) {
			/* Out of service: calls are refused and change nothing. */
			(below(2) ? do_info() : below(2) ? do_attach(below(2)) :
			 below(2) ? do_topup() : do_reclaim(1));
			continue;
		}
		if (step == breaks)
			act(&sync, res);
		full = step == breaks && mostly_races && is_smmu(0);
		/* The first command that is lost is often that of a detach, which waits by itself. */
		if (!(full ? do_full_queue() :
		      step == breaks && below(4) ? do_attach(false) : one_step()) || ended) {
			aftermath();
			return;
		}
		/* EL2 notices a lost command later. Nothing may be reachable meanwhile. */
		check_all(step % 16 == 0);
	}
	if (up && config->expect == LOST && breaks + 200 < nr_steps)
		fail("EL2 goes on without its IOMMU");
}

void engine_replay(const struct act *acts, u64 nr)
{
	u64 i, n, res[3];

	for (i = 0; i < nr; i += n) {
		n = 1;
		if (!acts[i].group || ended) {
			act(&acts[i], res);
		} else {
			while (i + n < nr && n < MAX_RACE && acts[i + n].group == acts[i].group)
				n++;
			act_group(&acts[i], n);
		}
		if (!ended)
			check_all(true);
	}
}
