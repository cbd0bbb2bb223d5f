// SPDX-License-Identifier: GPL-2.0
/* Steps of a walk for domains and mappings, see runner.h. */
#include <errno.h>

#include <linux/pkvm_iommu.h>

#include "runner.h"

/* Leave a domain with empty tables in several places. */
static bool drain(u64 id)
{
	struct spec_domain *d;
	u64 res[3], i, start, end;

	for (d = spec.domain; d < spec.domain + SPEC_DOMAINS && d->id != id; d++)
		;
	if (!id || d == spec.domain + SPEC_DOMAINS || d->dying)
		return true;
	for (i = 0; i < 4; i++) {
		if (call(false, res, PKVM_IOMMU_MAP, id, i << 30, 3, PKVM_IOMMU_RUN(0x9000000, 1), 0) > 0)
			return false;
	}
	/* Each call makes progress, except at a block that it may not split. */
	for (i = 0; d->is.nr && i < 2000; i++) {
		end = d->is.map[0].iova + d->is.map[0].size;
		end = below(2) ? end : (end + ENV_BLOCK - 1) & ~(ENV_BLOCK - 1);
		/* From the start of a block; or of a piece, as one call does not do every hole. */
		start = d->is.map[0].iova & ~(ENV_BLOCK - 1);
		if (ENV_PAGE_SHIFT != 12 && below(2))
			start = d->is.map[0].iova & ~(PIECE - 1);
		if (call(false, res, PKVM_IOMMU_UNMAP, id, start, end - start, below(2)) > 0)
			return false;
	}
	if (d->is.nr)
		fail("domain %llu cannot be emptied", (unsigned long long)id);
	for (i = 0; i < (u64)spec.nr_streams; i++) {
		struct spec_stream st = spec.stream[i];

		if (st.attached && st.domain == id &&
		    call(false, res, PKVM_IOMMU_DETACH, st.iommu, st.sid, id) > 0)
			return false;
	}

	return true;
}

/* A page of EL2's that devices can read as long as another nested domain exists, or 0. */
static u64 lent_page(void)
{
	u64 base = ENV_RAM0 / ENV_PAGE, nr = ENV_RAM1_END / ENV_PAGE - base, first = below(nr), i;

	for (i = 0; i < nr; i++) {
		u64 pa = (base + (first + i) % nr) * ENV_PAGE;

		if (smmu_lent(pa))
			return pa;
	}

	return 0;
}

/* A page of any owner, or none, for the root table of a nested domain. */
static u64 some_root(void)
{
	if (!below(30))
		return rnd() >> below(64);
	if (!below(6))
		return lent_page();

	return (some_pfn() & (~0ULL / ENV_PAGE)) * ENV_PAGE;
}

bool do_domain(void)
{
	u64 res[3], id, root, kind, iommu, nested = 0;
	int i, n = 0, given;

	for (i = 0; i < WALK_DOMAINS; i++) {
		n += !!spec.domain[i].id;
		nested += spec.domain[i].nested;
	}
	if (n < WALK_DOMAINS && below(n + 1) < 2) {
		kind = below(3) || nested > 2 ? PKVM_IOMMU_DOMAIN_MANAGED :
		       below(20) ? PKVM_IOMMU_DOMAIN_NESTED : rnd() >> below(64);
		root = some_root();
		iommu = some_iommu();
		if (call(false, res, PKVM_IOMMU_DOMAIN_ALLOC, kind, root, iommu) > 0)
			return false;
		if ((int)res[0] == -ENOMEM && below(2)) {
			given = give_block(res[1]);
			if (given <= 0)
				return !given;
			call(false, res, PKVM_IOMMU_DOMAIN_ALLOC, kind, root, iommu);
		}
		return true;
	}
	id = some_domain();
	if (!below(4) && !drain(id))
		return false;
	for (i = 0; i < 2000; i++) {
		if (call(false, res, PKVM_IOMMU_DOMAIN_FREE, id) != -EAGAIN ||
		    !below(3))
			return true;
	}
	fail("the end of a domain takes no end");
}

/* Arguments for MAP: usually one run, of @size bytes. */
static struct act some_map(u64 id, u64 iova, u64 size)
{
	struct act a = { .kind = ACT_CALL, .chance = noise(), .a = { PKVM_IOMMU_MAP, id, iova } };
	int i, nr = below(3) ? 1 : 1 + below(PKVM_IOMMU_RUNS + 1);

	a.a[3] = below(20) ? 1 + below(31) : rnd() >> below(64);
	for (i = 0; i < nr && i < PKVM_IOMMU_RUNS; i++) {
		u64 phys = some_phys(iova) & ~(ENV_PAGE - 1), pages = 1 + below(3);

		if (!i)
			pages = size / ENV_PAGE & PKVM_IOMMU_RUN_PAGES;
		else if (!below(8))
			pages = below(2) ? PIECE_PAGES : below(PKVM_IOMMU_RUN_PAGES + 1);
		/* The same memory again, or the memory behind it. */
		if (i && !below(4))
			phys = (a.a[3 + i] & ~(ENV_PAGE - 1)) +
			       (below(2) ? 0 : (a.a[3 + i] & PKVM_IOMMU_RUN_PAGES) * ENV_PAGE);
		a.a[4 + i] = PKVM_IOMMU_RUN(phys, pages);
		/* Not the start of a page. */
		if (ENV_PAGE_SHIFT > 12 && !below(100))
			a.a[4 + i] |= 1ULL << (12 + below(ENV_PAGE_SHIFT - 12));
		iova += pages * ENV_PAGE;
	}
	if (!below(16)) {
		/* 1 GiB, usually where it can be a block. */
		a.a[2] &= below(4) ? ~(GIB - 1) : ~0ULL;
		a.a[4] = (below(8) ? 1 + below(4) : rnd() >> below(64)) * GIB;
	}
	/* The first 0 ends the runs; EL2 ignores the registers behind it. */
	for (i++; i < PKVM_IOMMU_RUNS; i++)
		a.a[4 + i] = noise();

	return a;
}

/* Arguments for MAP_LIST: the same runs, from a list that may be too short. */
static struct act some_list(u64 id, u64 iova, u64 size)
{
	struct act a = some_map(id, iova, size);
	int i;

	a.a[0] = PKVM_IOMMU_MAP_LIST;
	for (i = ARGS - 1; i >= 6; i--)
		a.a[i] = a.a[i - 2];
	a.a[4] = below(20) ? below(768) : some_number(spec.nr_runs);
	a.a[5] = below(20) ? 1 + below(below(16) ? 24 : PKVM_IOMMU_LIST_RUNS) :
		 some_number(PKVM_IOMMU_LIST_RUNS);

	return a;
}

/* Remove the first @done bytes from the runs. */
static void map_rest(struct act *a, u64 done)
{
	u64 *run, pages = done / ENV_PAGE, n;
	int i;

	a->a[2] += done;
	/* The rest of a list is chosen anew. */
	if (a->a[0] == PKVM_IOMMU_MAP_LIST)
		return;
	for (run = a->a + 4; run < a->a + ARGS && pages; ) {
		n = *run & PKVM_IOMMU_RUN_PAGES;
		if (!n && pages < GIB / ENV_PAGE) {
			n = GIB / ENV_PAGE - pages;
			*run += PKVM_IOMMU_RUN(pages * ENV_PAGE, n < 4095 ? n : 4095);
			break;
		}
		n = n ? n : GIB / ENV_PAGE;
		if (n > pages) {
			*run += pages * ENV_PAGE - pages;
			break;
		}
		pages -= n;
		for (i = run - a->a; i < ARGS - 1; i++)
			a->a[i] = a->a[i + 1];
		a->a[ARGS - 1] = 0;
	}
}

bool do_map(void)
{
	const struct spec_domain *d = &spec.domain[below(WALK_DOMAINS)];
	u64 id = some_own_domain(), iova = some_iova(), size = some_size(), res[3];
	struct act a;
	int given;

	/* Behind an existing mapping, or over it. */
	if (d->is.nr && below(2)) {
		const struct spec_map *m = &d->is.map[below(d->is.nr)];

		id = d->id;
		iova = below(8) ? m->iova + m->size : m->iova;
		size = below(2) ? size : (1 + below(3)) * ENV_PAGE;
	}
	a = below(4) ? some_map(id, iova, size) : some_list(id, iova, size);
	if (act(&a, res) > 0)
		return false;
	/* A call may map less than asked for. The pages that it asks for are enough to continue. */
	if (((int)res[0] && (int)res[0] != -ENOMEM) || below(2))
		return true;
	if (res[0]) {
		given = give_pages(res[2]);
		if (given <= 0)
			return !given;
	}
	map_rest(&a, res[1]);

	return act(&a, res) <= 0;
}

bool do_unmap(void)
{
	struct spec_domain *d = &spec.domain[below(WALK_DOMAINS)];
	u64 id = some_own_domain(), iova = some_iova(), size = some_size(), res[3], flags;

	/* An existing mapping, or nearly its range. */
	if (d->is.nr && below(6)) {
		const struct spec_map *m = &d->is.map[below(d->is.nr)];

		id = d->id;
		iova = m->iova;
		size = m->size;
		switch (below(8)) {
		case 0:
			iova += ENV_PAGE;
			break;
		case 1:
			size += ENV_PAGE;
			break;
		case 2:
			size -= size > ENV_PAGE ? ENV_PAGE : 0;
			break;
		case 3:
			size = ENV_PAGE;
			break;
		case 4:
			iova &= ~(ENV_BLOCK - 1);
			size = ENV_BLOCK;
			break;
		case 5:
			size = some_size();
			break;
		}
	}
	flags = below(30) ? below(2) * PKVM_IOMMU_UNMAP_LAZY : rnd() >> below(64);

	return call(false, res, PKVM_IOMMU_UNMAP, id, iova, size, flags) <= 0;
}

bool do_lookup(void)
{
	u64 res[3], id = some_own_domain();

	call(false, res, PKVM_IOMMU_LOOKUP, id, some_iova() + below(ENV_PAGE));
	call(false, res, PKVM_IOMMU_INFO, PKVM_IOMMU_INFO_MAPPED, id);

	return true;
}

bool do_flush(void)
{
	u64 res[3];

	return call(false, res, PKVM_IOMMU_FLUSH, some_own_domain()) <= 0;
}

bool do_invalidate(void)
{
	u64 res[3], iova = below(8) ? some_iova() & ~(ENV_PAGE - 1) : rnd() >> below(64);
	u64 flags = below(8) ? below(2) * PKVM_IOMMU_INVALIDATE_LEAF : rnd() >> below(64);
	u64 size = below(4) ? below(80) * ENV_PAGE : some_size();

	/* Up to the end of all addresses, or across it. */
	if (!below(8)) {
		iova = -(1 + below(4)) * ENV_PAGE;
		size = (1 + below(6)) * ENV_PAGE;
	}

	return call(false, res, PKVM_IOMMU_INVALIDATE, some_nested_domain(), iova, size,
		    flags) <= 0;
}

bool do_replay(void)
{
	u64 res[3];

	u64 domain = some_own_domain();

	return call(false, res, PKVM_IOMMU_REPLAY, some_iommu_for(domain), domain) <= 0;
}

/* REPLAY until it is complete or refused, or sometimes less if @breaks_off. */
bool replay_all(u64 iommu, u64 domain, bool breaks_off)
{
	u64 res[3];
	int i;

	for (i = 0; i < 20000; i++) {
		if (call(false, res, PKVM_IOMMU_REPLAY, iommu, domain) > 0)
			return false;
		/* A device that refused for want of memory may accept the next time. */
		if ((int)res[0] == -EIO && below(8))
			continue;
		if (res[0] || !res[1] || (breaks_off && !below(30)))
			return true;
	}
	fail("a replay takes no end");
}

/*
 * Run out of memory at each page that a call allocates: empty the pool, call, give
 * one page, and repeat. The pages that a call asks for are always enough.
 */
bool do_starved(void)
{
	u64 res[3], iommu = some_iommu(), asked = 0, nr = 0, parts = 0;
	struct act a = { .kind = ACT_CALL, .chance = noise() };
	bool maps;

	switch (below(3)) {
	case 0:
		a.a[0] = PKVM_IOMMU_ATTACH;
		a.a[1] = iommu;
		a.a[2] = some_sid(iommu);
		a.a[3] = some_domain_for(iommu);
		break;
	case 1:
		if (spec.domain[WALK_DOMAINS - 1].id)
			return true;
		a.a[0] = PKVM_IOMMU_DOMAIN_ALLOC;
		a.a[1] = below(2);
		a.a[2] = some_root();
		a.a[3] = iommu;
		break;
	case 2:
		a = below(4) ? some_map(some_own_domain(), some_iova(), some_size()) :
			       some_list(some_own_domain(), some_iova(), some_size());
		break;
	}
	while (spec.free_max && !call(false, res, PKVM_IOMMU_RECLAIM))
		;
	for (;;) {
		if (act(&a, res) > 0)
			return false;
		if ((int)res[0] != -ENOMEM)
			return true;
		maps = a.a[0] == PKVM_IOMMU_MAP || a.a[0] == PKVM_IOMMU_MAP_LIST;
		/* Thousands of mappings would make each check slow. */
		if (maps && res[1]) {
			if (parts++ == 32)
				return true;
			map_rest(&a, res[1]);
			nr = 0;
		}
		/* Later it asks for fewer pages, because it has used some. */
		if (!nr)
			asked = maps ? res[2] : res[1];
		/* It keeps the pages that it took, so one page at a time is enough too. */
		if (nr++ > asked)
			fail("more pages than -ENOMEM asked for are not enough");
		/* But for a root table, which may have to be in one piece. */
		if ((nr == 1 && !maps ? give_block(asked) : give_pages(1)) <= 0)
			return !ended;
	}
}

/* Unmap more lazily than EL2 has room for, in runs that are not adjacent. */
bool do_lazies(void)
{
	u64 id = some_own_domain(), res[3], iova = some_iova() & ~(PIECE - 1), pages, i;
	const u64 base = ENV_RAM1 & ~(ENV_PAGE - 1);
	struct act a = { .kind = ACT_CALL, .chance = noise(),
			 .a = { PKVM_IOMMU_MAP, id, iova, PKVM_IOMMU_PROT_READ } };
	/* Few large ones, or many small ones. */
	bool large = below(2);
	int n;

	for (n = 0; n < (large ? 16 : 24); n++) {
		a.a[2] = iova;
		for (i = 0, pages = 0; i < PKVM_IOMMU_RUNS && pages < PIECE_PAGES; i++) {
			u64 nr = large ? PIECE_PAGES : 1;

			a.a[4 + i] = PKVM_IOMMU_RUN(base + (large ? 1 : 1 + (i * 5 + n) % 64) *
						    ENV_PAGE, nr);
			pages += nr;
		}
		if (i < PKVM_IOMMU_RUNS)
			a.a[4 + i] = 0;
		if (act(&a, res) > 0 || ((int)res[0] == -ENOMEM && give_pages(res[2]) < 0))
			return false;
		if (call(false, res, PKVM_IOMMU_UNMAP, id, iova, pages * ENV_PAGE,
			 PKVM_IOMMU_UNMAP_LAZY) > 0)
			return false;
	}

	return true;
}
