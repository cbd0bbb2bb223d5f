// SPDX-License-Identifier: GPL-2.0
/*
 * Random walk of a hostile host: calls with arguments at their limits, while pages
 * change their owner. Each answer is checked by the specification (spec/spec.c), which
 * the build-machine runner (tools/testing/pkvm_iommu) uses too, and by DMA of a device.
 * TAP.
 *
 *	walk [SEED [CALLS [THREADS [SECONDS]]]]
 *
 * With one thread, everything is checked, and the same seed makes the same calls. With
 * several threads, each has pages, domains, streams and a device of its own, which are
 * checked exactly. Shared objects (walk_shared.c) and the size of the pool are checked
 * less strictly. A seed of 0, or none, chooses a new one. SECONDS ends the walk early,
 * because several CPUs are slow in QEMU.
 *
 * Each thread needs an NVMe controller. If there is no identity domain, each also needs
 * an edu, and all together one more, because such hardware knows the streams that exist.
 *
 * PKVM_IOMMU_FAULT is called only for IOMMUs that do not exist, because the kernel takes
 * the records of the others.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "tap.h"
#include "walk.h"

#define COUNT(a)	(sizeof(a) / sizeof((a)[0]))
#define IDENTITY	PKVM_IOMMU_DOMAIN_IDENTITY
/* Calls between two checks by DMA. */
#define DMA_EVERY	60

static struct walker walkers[THREADS];

/********** memory */

uint64_t page_of(struct walker *w, unsigned int block, unsigned int page)
{
	return w->phys[block] + page * PAGE;
}

/* Pointer to @phys, if it belongs to the thread and the host may access it. */
void *memory_at(struct walker *w, uint64_t phys)
{
	unsigned char *page = spec_page(&w->spec, phys / PAGE);
	int i;

	if (!page || (*page != SPEC_HOST && *page != SPEC_HOST_SHARED))
		return NULL;
	for (i = 0; i < 2; i++)
		if (phys >= w->phys[i] && phys < w->phys[i] + BLOCK)
			return w->mem + i * BLOCK + (phys - w->phys[i]);
	return NULL;
}

/* The pages that change their owner: few, so that they are used repeatedly. */
uint64_t some_page(struct walker *w)
{
	return page_of(w, !!below(w, 3), below(w, 4) ? below(w, 8) : below(w, CQ_PAGE));
}

/* A page for the pool, or 0. */
uint64_t some_feed(struct walker *w)
{
	unsigned int n, i = below(w, SPAN_PAGES - POOL_PAGES);

	for (n = POOL_PAGES; n < SPAN_PAGES; n++) {
		uint64_t phys = page_of(w, 1, POOL_PAGES + (i + n) % (SPAN_PAGES - POOL_PAGES));

		if (memory_at(w, phys) && !spec_pinned(&w->spec, phys / PAGE))
			return phys;
	}
	return 0;
}

/* Give the pool a page. */
static bool give(struct walker *w)
{
	uint64_t res[3], phys;

	if (machine.weak)
		return pool_give(w);
	phys = some_feed(w);
	if (!phys)
		return false;
	*(volatile uint64_t *)memory_at(w, phys) = ~0ULL;
	return !call(w, res, PKVM_IOMMU_TOPUP, phys / PAGE, 1, 0, 0);
}

/* Give the pool @nr pages in one piece, aligned to its size: a power of two. */
static bool give_piece(struct walker *w, uint64_t nr)
{
	uint64_t res[3], phys, i, first;

	for (first = POOL_PAGES; first + nr <= SPAN_PAGES; first += nr) {
		phys = page_of(w, 1, first);
		for (i = 0; i < nr && memory_at(w, phys + i * PAGE) &&
		     !spec_pinned(&w->spec, phys / PAGE + i); i++)
			;
		if (i < nr)
			continue;
		for (i = 0; i < nr; i++)
			*(volatile uint64_t *)memory_at(w, phys + i * PAGE) = ~0ULL;
		return !call(w, res, PKVM_IOMMU_TOPUP, phys / PAGE, nr, 0, 0);
	}
	return false;
}

/* As -ENOMEM asks for it: a root table may have several pages. */
bool feed(struct walker *w, uint64_t nr)
{
	uint64_t piece = 1;

	while (piece <= nr / 2)
		piece *= 2;
	if (piece > 1 && !machine.weak && give_piece(w, piece))
		nr -= piece;
	while (nr && give(w))
		nr--;
	return !nr;
}

/********** arguments at their limits */

uint64_t some_iova(struct walker *w)
{
	uint64_t end = 1ULL << machine.limit;
	const uint64_t few[] = { 0, BLOCK, (1ULL << 30) - BLOCK, 1ULL << 30, 2ULL << 30,
				 end - BLOCK, end - (1ULL << 30), end - (3ULL << 30) };
	uint64_t iova = few[below(w, COUNT(few))];

	switch (below(w, 24)) {
	case 0:
		return iova + below(w, PAGE);
	case 1:
		return end - PAGE * (below(w, 4) - 1);
	case 2:
		return chance(w) >> below(w, 64) & ~(PAGE - 1);
	case 3 ... 8:
		return iova;
	}
	return iova + (below(w, 2) ? below(w, 6) : 508 + below(w, 8)) * PAGE;
}

static uint64_t some_size(struct walker *w)
{
	const uint64_t strange[] = { 0, 1, PAGE / 2, ~0ULL, 1ULL << 63, -PAGE };

	switch (below(w, 24)) {
	case 0:
		return strange[below(w, COUNT(strange))];
	case 1:
		return 1ULL << (machine.limit - below(w, 12));
	case 2 ... 6:
		return BLOCK << below(w, 2);
	case 7:
		return BLOCK + (below(w, 3) - 1) * PAGE;
	}
	return (1 + below(w, 12)) * PAGE;
}

/* An address that cannot be mapped or given: of EL2, of registers, of nothing. */
static uint64_t forbidden(struct walker *w)
{
	switch (below(w, 4)) {
	case 0:
		return machine.regs + below(w, machine.regs_size / PAGE + 1) * PAGE;
	case 1:
		return 1ULL << machine.limit;
	case 2:
		return below(w, 2) ? 1ULL << 52 : -PAGE;
	}
	return machine.nr_el2 ? machine.el2[below(w, machine.nr_el2)] : -PAGE;
}

/* A run for MAP. */
static uint64_t some_run(struct walker *w, uint64_t iova)
{
	switch (below(w, 32)) {
	case 0:
		return forbidden(w) | (below(w, 3) ? 1 : below(w, 4096));
	case 1:
		return some_page(w);			/* a run of no pages */
	case 2:
		return 0x9000000 | 1;			/* MMIO of the host */
	case 3 ... 7:
		return PKVM_IOMMU_RUN(w->phys[0], WHOLE_PAGES);
	case 8 ... 9:
		return page_of(w, 0, iova / PAGE % WHOLE_PAGES) | 1;
	}
	return PKVM_IOMMU_RUN(some_page(w), 1 + below(w, below(w, 4) ? 3 : 16));
}

static uint64_t some_sid(struct walker *w)
{
	static const uint64_t few[] = { 0, 1, 7, 8, 62, 63 };
	uint64_t end = 1ULL << machine.sid_bits;
	/* A bus that does not exist, even if only 16 bits of the id are used. */
	uint64_t own = end / 2 + (machine.identity ? 0 : 0x8000) + w->nr * 64;

	if (w->has_nvme && below(w, 2))
		return w->nvme.sid;
	if (w->spare && below(w, 4))
		return w->spare;
	switch (below(w, 24)) {
	case 0:
		return end + below(w, 2);
	case 1:
		return below(w, 2) ? ~0ULL : 1ULL << 32 | own;
	}
	return (own + few[below(w, COUNT(few))]) % end;
}

static uint64_t some_own_domain(struct walker *w)
{
	static const uint64_t strange[] = { ~0ULL, 0xffff, 0x10000, 1ULL << 32, 1ULL << 63 };
	uint64_t id;
	int i;

	if (!below(w, 40))
		return strange[below(w, COUNT(strange))];
	if (!below(w, 40))
		return IDENTITY;
	for (i = 0; i < 8; i++) {
		id = w->spec.domain[below(w, SPEC_DOMAINS)].id;
		if (id)
			return id;
	}
	return 0xffff;
}

static uint64_t some_domain(struct walker *w)
{
	return below(w, machine.identity ? 3 : 16) ? some_own_domain(w) : IDENTITY;
}

static int domain_index(struct walker *w, uint64_t id)
{
	int i;

	for (i = 0; i < SPEC_DOMAINS; i++)
		if (id && w->spec.domain[i].id == id)
			return i;
	return -1;
}

/********** steps */

void replay(struct walker *w, uint64_t iommu, uint64_t domain)
{
	uint64_t res[3];

	while (!call(w, res, PKVM_IOMMU_REPLAY, iommu, domain, 0, 0) && res[1])
		;
}

static void attach_to(struct walker *w, uint64_t iommu, uint64_t sid, uint64_t domain)
{
	uint64_t res[3];
	int64_t err = call(w, res, PKVM_IOMMU_ATTACH, iommu, sid, domain, 0);

	if (err == -ENOMEM && feed(w, res[1]))
		err = call(w, res, PKVM_IOMMU_ATTACH, iommu, sid, domain, 0);
	if (!err && res[1] && below(w, 4))
		replay(w, iommu, domain);
}

void attach(struct walker *w, uint64_t sid)
{
	attach_to(w, 0, sid, some_own_domain(w));
}

static void step_attach(struct walker *w)
{
	uint64_t iommu = below(w, 30) ? 0 : w->spec.nr_iommus + below(w, 3);

	attach_to(w, iommu, some_sid(w), some_domain(w));
}

static void step_detach(struct walker *w)
{
	uint64_t res[3], iommu = below(w, 30) ? 0 : w->spec.nr_iommus;
	uint64_t sid = some_sid(w), domain = some_domain(w);

	/* Usually a stream that is attached. */
	if (!(sid >> machine.sid_bits) && below(w, 4))
		domain = spec_domain_of(&w->spec, 0, sid);
	call(w, res, PKVM_IOMMU_DETACH, iommu, sid, domain, 0);
}

/* Ids in use by all threads, to check that each is given out once. */
static unsigned char domain_used[0x10000];

uint64_t new_domain(struct walker *w, uint64_t kind, uint64_t root)
{
	uint64_t res[3];
	int64_t err = call(w, res, PKVM_IOMMU_DOMAIN_ALLOC, kind, root, 0, 0);

	if (err == -ENOMEM && feed(w, res[1]))
		err = call(w, res, PKVM_IOMMU_DOMAIN_ALLOC, kind, root, 0, 0);
	if (err)
		return 0;
	if (res[1] >= COUNT(domain_used) ||
	    __atomic_exchange_n(&domain_used[res[1]], 1, __ATOMIC_SEQ_CST))
		wrong(w, "two domains have the id %llu", (ull)res[1]);
	return res[1];
}

/* A nested domain can have any page as its root. It needs no table as long as nobody uses it. */
static void step_alloc(struct walker *w)
{
	uint64_t root = below(w, 4) ? some_page(w) : forbidden(w);

	if (!below(w, 40))
		new_domain(w, chance(w) >> below(w, 64), below(w, 2) ? root : chance(w));
	else if (below(w, 4))
		new_domain(w, PKVM_IOMMU_DOMAIN_MANAGED, root);
	else
		new_domain(w, PKVM_IOMMU_DOMAIN_NESTED, root);
}

static int64_t domain_free(struct walker *w, uint64_t id)
{
	bool ours = domain_index(w, id) >= 0;
	uint64_t res[3];
	int64_t err;

	if (ours)
		__atomic_store_n(&domain_used[id], 0, __ATOMIC_SEQ_CST);
	err = call(w, res, PKVM_IOMMU_DOMAIN_FREE, id, 0, 0, 0);
	if (ours && err)
		__atomic_store_n(&domain_used[id], 1, __ATOMIC_SEQ_CST);
	return err;
}

/* Unmap everything in a domain, and detach its streams. */
static void drain(struct walker *w, uint64_t id)
{
	struct spec_domain *d;
	uint64_t res[3], start, end;
	int i = domain_index(w, id);

	if (i < 0 || w->spec.domain[i].dying)
		return;
	d = &w->spec.domain[i];
	for (i = 0; d->is.nr && i < 2000; i++) {
		start = d->is.map[0].iova & ~(BLOCK - 1);
		end = (d->is.map[0].iova + d->is.map[0].size + BLOCK - 1) & ~(BLOCK - 1);
		/* A call looks at a part of a large block. */
		while (!call(w, res, PKVM_IOMMU_UNMAP, id, start, end - start, 0) && res[1] &&
		       res[1] < end - start)
			start += res[1];
	}
	if (d->is.nr)
		wrong(w, "domain %llu cannot be emptied", (ull)id);
	for (i = 0; i < w->spec.nr_streams; i++) {
		struct spec_stream s = w->spec.stream[i];

		if (s.attached && s.domain == id)
			call(w, res, PKVM_IOMMU_DETACH, s.iommu, s.sid, id, 0);
	}
}

static void step_free(struct walker *w)
{
	uint64_t id = some_own_domain(w);
	int i;

	if (below(w, 2))
		drain(w, id);
	for (i = 0; i < 5000; i++)
		if (domain_free(w, id) != -EAGAIN || !below(w, 4))
			return;
	wrong(w, "the end of a domain takes no end");
}

void end_another(struct walker *w, uint64_t domain)
{
	uint64_t id = some_own_domain(w);
	int i;

	if (id == domain)
		return;
	drain(w, id);
	for (i = 0; i < 5000 && domain_free(w, id) == -EAGAIN; i++)
		;
}

static void step_domain(struct walker *w)
{
	int i, n = 0;

	for (i = 0; i < SPEC_DOMAINS; i++)
		n += !!w->spec.domain[i].id;
	if (n < SPEC_DOMAINS / 2 || (n < SPEC_DOMAINS && below(w, 4)))
		step_alloc(w);
	else
		step_free(w);
}

static void step_map(struct walker *w)
{
	uint64_t res[3], args[ARGS] = { PKVM_IOMMU_MAP, some_own_domain(w), some_iova(w) };
	unsigned int i, n = below(w, 3) ? 1 + below(w, 2) : 1 + below(w, PKVM_IOMMU_RUNS);
	struct spec_domain *d = &w->spec.domain[below(w, SPEC_DOMAINS)];

	/* Behind an existing mapping, or over it. */
	if (d->id && d->is.nr && !below(w, 3)) {
		const struct spec_map *m = &d->is.map[below(w, d->is.nr)];

		args[1] = d->id;
		args[2] = below(w, 8) ? m->iova + m->size : m->iova;
	}
	args[3] = below(w, 20) ? 1 + below(w, 31) : chance(w) >> below(w, 64);
	for (i = 0; i < n; i++)
		args[4 + i] = some_run(w, args[2]);
	if (call_args(w, res, args) == -ENOMEM)
		feed(w, res[2]);
}

static void step_unmap(struct walker *w)
{
	struct spec_domain *d = &w->spec.domain[below(w, SPEC_DOMAINS)];
	uint64_t res[3], id = some_own_domain(w), iova = some_iova(w), size = some_size(w);
	uint64_t flags = below(w, 2);

	if (d->is.nr && below(w, 8)) {
		const struct spec_map *m = &d->is.map[below(w, d->is.nr)];

		id = d->id;
		iova = m->iova;
		size = m->size;
		switch (below(w, 10)) {
		case 0:
			iova += PAGE;
			break;
		case 1:
			size += PAGE;
			break;
		case 2:
			size = PAGE;
			break;
		case 3:
			iova &= ~(BLOCK - 1);
			size = BLOCK;
			break;
		}
	}
	if (!below(w, 40))
		flags = chance(w) >> below(w, 64);
	call(w, res, PKVM_IOMMU_UNMAP, id, iova, size, flags);
}

static void step_flush(struct walker *w)
{
	uint64_t res[3];

	call(w, res, PKVM_IOMMU_FLUSH, some_own_domain(w), 0, 0, 0);
}

static void step_invalidate(struct walker *w)
{
	uint64_t res[3], flags = below(w, 20) ? below(w, 2) : chance(w) >> below(w, 64);

	call(w, res, PKVM_IOMMU_INVALIDATE, some_own_domain(w), some_iova(w),
	     below(w, 4) ? some_size(w) : 0, flags);
}

static void step_lookup(struct walker *w)
{
	struct spec_domain *d = &w->spec.domain[below(w, SPEC_DOMAINS)];
	uint64_t res[3], id = some_own_domain(w), iova = some_iova(w);

	if (d->is.nr && below(w, 2)) {
		id = d->id;
		iova = d->is.map[below(w, d->is.nr)].iova;
	}
	call(w, res, PKVM_IOMMU_LOOKUP, id, iova + below(w, PAGE), 0, 0);
}

/*
 * Changes of the owner are rare with several CPUs: each stops all CPUs, which takes
 * QEMU some milliseconds.
 */
static bool is_dear(struct walker *w)
{
	return machine.weak && below(w, 16);
}

/* Share a page with EL2, or unshare it; or give a page to EL2, or take it back. */
static void step_page(struct walker *w)
{
	uint64_t phys = some_page(w), res[3];
	unsigned char *page = spec_page(&w->spec, phys / PAGE);
	bool pinned = spec_pinned(&w->spec, phys / PAGE);
	const uint64_t args[ARGS] = { phys / PAGE };
	const uint64_t donate[ARGS] = {
		PKVM_IOMMU_TEST, PKVM_IOMMU_TEST_DONATE, phys / PAGE, 1 + below(w, 3),
	};
	int64_t err, want;

	switch (below(w, 5)) {
	case 0:
		want = *page == SPEC_HOST ? 0 : -EPERM;
		err = call_raw(w, PKVM_IOMMU_TEST_FN_SHARE_HYP, res, args);
		if (!err)
			*page = SPEC_HOST_SHARED;
		break;
	case 1 ... 2:
		want = *page == SPEC_HOST_SHARED ? 0 : -EPERM;
		err = call_raw(w, PKVM_IOMMU_TEST_FN_UNSHARE_HYP, res, args);
		if (!err)
			*page = SPEC_HOST;
		break;
	default:
		if (is_dear(w))
			return;
		want = *page != SPEC_HOST ? -EPERM : pinned ? -EBUSY : 0;
		err = call_raw(w, PKVM_IOMMU_TEST_FN_CALL, res, donate);
	}
	if (err != want)
		wrong(w, "page %#llx: %lld instead of %lld", (ull)phys, (long long)err,
		      (long long)want);
}

static void step_topup(struct walker *w)
{
	uint64_t res[3], phys;

	switch (below(w, 4)) {
	case 0:
		/* A call that is refused. */
		phys = below(w, 2) ? forbidden(w) : some_page(w);
		if (memory_at(w, phys) && !spec_pinned(&w->spec, phys / PAGE) &&
		    *spec_page(&w->spec, phys / PAGE) == SPEC_HOST)
			break;
		call(w, res, PKVM_IOMMU_TOPUP, phys / PAGE, 1, 0, 0);
		return;
	case 1:
		call(w, res, PKVM_IOMMU_TOPUP, page_of(w, 0, 0) / PAGE,
		     below(w, 2) ? 0 : PKVM_IOMMU_TOPUP_MAX + 1 + below(w, 3), 0, 0);
		return;
	}
	if (!is_dear(w))
		give(w);
}

static bool take(struct walker *w)
{
	volatile uint64_t *mem;
	uint64_t res[3];

	if (machine.weak)
		return pool_take(w);
	if (call(w, res, PKVM_IOMMU_RECLAIM, 0, 0, 0, 0))
		return false;
	mem = memory_at(w, res[1] * PAGE);
	if (!mem || *mem)
		wrong(w, "a page comes back with contents, or is another's");
	return true;
}

static void step_reclaim(struct walker *w)
{
	int n = below(w, 60) || machine.weak ? 1 : POOL_PAGES;

	if (is_dear(w))
		return;
	while (n-- && take(w))
		;
}

/* Calls that change nothing. */
static void step_ask(struct walker *w)
{
	uint64_t res[3], op;

	switch (below(w, 8)) {
	case 0:
		call(w, res, PKVM_IOMMU_INFO, machine.weak ? PKVM_IOMMU_INFO_LIMIT : below(w, 4),
		     0, 0, 0);
		break;
	case 1:
		if (below(w, 2))
			call(w, res, PKVM_IOMMU_INFO, PKVM_IOMMU_INFO_REACHES,
			     (below(w, 3) ? some_page(w) : forbidden(w)) + below(w, PAGE), 0, 0);
		else
			call(w, res, PKVM_IOMMU_INFO, below(w, 3) ? PKVM_IOMMU_INFO_IDENTITY +
			     2 * below(w, 2) : PKVM_IOMMU_INFO_REGISTERS, below(w, 3), 0, 0);
		break;
	case 2:
		call(w, res, PKVM_IOMMU_INFO,
		     PKVM_IOMMU_INFO_RUNS + 1 + (chance(w) >> below(w, 60)), 0, 0, 0);
		break;
	case 3:
		call(w, res, PKVM_IOMMU_FAULT, w->spec.nr_iommus + (chance(w) >> below(w, 60)),
		     0, 0, 0);
		break;
	case 4:
		if (machine.identity)
			call(w, res, PKVM_IOMMU_TEST, PKVM_IOMMU_TEST_SHADOW,
			     below(w, 3) ? some_page(w) : forbidden(w), 0, 0);
		break;
	case 5:
		call(w, res, PKVM_IOMMU_REPLAY, below(w, 8) ? 0 : w->spec.nr_iommus,
		     some_own_domain(w), 0, 0);
		break;
	case 6:
		call(w, res, PKVM_IOMMU_REGION, below(w, 8) ? 0 : w->spec.nr_iommus, some_sid(w),
		     chance(w) >> below(w, 64), 0);
		break;
	default:
		op = PKVM_IOMMU_REGION + 1 + (chance(w) >> below(w, 60));
		call(w, res, op, chance(w), chance(w), chance(w), chance(w));
	}
}

static void step(struct walker *w)
{
	if (machine.weak && !below(w, 6)) {
		shared_step(w);
		return;
	}
	switch (below(w, 100)) {
	case 0 ... 6:
		step_attach(w);
		break;
	case 7 ... 12:
		step_detach(w);
		break;
	case 13 ... 17:
		step_domain(w);
		break;
	case 18 ... 39:
		step_map(w);
		break;
	case 40 ... 61:
		step_unmap(w);
		break;
	case 62 ... 63:
		step_flush(w);
		break;
	case 64 ... 65:
		step_invalidate(w);
		break;
	case 66 ... 71:
		step_lookup(w);
		break;
	case 72 ... 83:
		step_page(w);
		break;
	case 84 ... 88:
		step_topup(w);
		break;
	case 89 ... 93:
		step_reclaim(w);
		break;
	default:
		step_ask(w);
	}
}

/* Undo everything, and check that nothing is mapped, attached, shared or pinned. */
static void finish(struct walker *w)
{
	uint64_t res[3], id, phys;
	unsigned int b, p;
	int i;

	for (i = 0; i < SPEC_DOMAINS; i++) {
		id = w->spec.domain[i].id;
		if (!id)
			continue;
		drain(w, id);
		while (domain_free(w, id) == -EAGAIN)
			;
	}
	for (i = 0; i < w->spec.nr_streams; i++) {
		struct spec_stream s = w->spec.stream[i];

		if (s.attached)
			call(w, res, PKVM_IOMMU_DETACH, s.iommu, s.sid, s.domain, 0);
	}
	for (b = 0; b < 2; b++) {
		for (p = 0; p < CQ_PAGE; p++) {
			const uint64_t args[ARGS] = { page_of(w, b, p) / PAGE };
			const uint64_t donate[ARGS] = {
				PKVM_IOMMU_TEST, PKVM_IOMMU_TEST_DONATE, args[0], 1,
			};

			phys = args[0] * PAGE;
			if (!memory_at(w, phys))
				wrong(w, "page %#llx is lost", (ull)phys);
			if (*spec_page(&w->spec, args[0]) == SPEC_HOST_SHARED)
				call_raw(w, PKVM_IOMMU_TEST_FN_UNSHARE_HYP, res, args);
			/* With several threads, check only the pages used most: see is_dear(). */
			if ((p < 8 || !machine.weak) &&
			    call_raw(w, PKVM_IOMMU_TEST_FN_CALL, res, donate))
				wrong(w, "page %#llx is pinned, but not mapped", (ull)phys);
		}
	}
}

static uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static uint64_t deadline = ~0ULL;

static void *run(void *arg)
{
	struct walker *w = arg;
	uint64_t next = DMA_EVERY;

	while (w->calls < w->todo && (deadline == ~0ULL || now_ms() < deadline)) {
		step(w);
		if (w->calls >= next) {
			if (below(w, 4))
				dma_step(w);
			else
				nested_step(w);
			next = w->calls + DMA_EVERY;
		}
	}
	finish(w);
	return NULL;
}

int main(int argc, char **argv)
{
	uint64_t calls, begin, all = 0, works = 0, reached = 0, refused = 0, faults = 0;
	unsigned int i, devices = 0;
	const char *left = NULL;
	uint8_t *mem;

	machine.seed = argc > 1 ? strtoull(argv[1], NULL, 0) : 0;
	calls = argc > 2 ? strtoull(argv[2], NULL, 0) : 100000;
	machine.threads = argc > 3 ? atoi(argv[3]) : sysconf(_SC_NPROCESSORS_ONLN);
	if (!machine.seed && getrandom(&machine.seed, 4, 0) != 4)
		tap_bail("no seed");
	if (!machine.threads || machine.threads > THREADS)
		tap_bail("between 1 and %d threads", THREADS);
	machine.weak = machine.threads > 1;
	snprintf(machine.replay, sizeof(machine.replay), "pkvm_test=walk:%#llx:%llu:%u",
		 (ull)machine.seed, (ull)calls, machine.threads);
	tap_note("%s", machine.replay);
	if (td_open())
		tap_bail("no /dev/pkvm_iommu_test");
	mem = setup_memory(2 * machine.threads + 1);
	if (!mem)
		tap_bail("no memory in blocks");
	if (!setup_machine())
		tap_bail("no IOMMU in service");
	if (machine.weak && !shared_open(phys_of(mem + 2 * machine.threads * BLOCK)))
		tap_bail("no domain");
	setup_pool();
	for (i = 0; i < machine.threads; i++) {
		walkers[i].nr = i;
		setup_walker(&walkers[i], mem + 2 * i * BLOCK, calls);
		devices += walkers[i].has_nvme && (machine.identity || walkers[i].spare);
	}
	tap_ok(devices == machine.threads, "each thread has devices of its own: %u", devices);

	begin = now_ms();
	if (argc > 4)
		deadline = begin + strtoull(argv[4], NULL, 0) * 1000;
	for (i = 0; machine.weak && i < machine.threads; i++)
		if (pthread_create(&walkers[i].thread, NULL, run, &walkers[i]))
			tap_bail("no thread");
	if (!machine.weak)
		run(&walkers[0]);
	for (i = 0; i < machine.threads; i++) {
		if (machine.weak)
			pthread_join(walkers[i].thread, NULL);
		all += walkers[i].calls;
		works += walkers[i].works;
		reached += walkers[i].reached;
		refused += walkers[i].refused;
		faults += walkers[i].faults;
	}
	begin = now_ms() - begin;
	tap_note("digest of the first thread's calls and answers: %#llx",
		 (ull)walkers[0].digest);
	if (machine.weak)
		left = shared_close(&walkers[0]);
	if (argc > 4)
		calls = 1000 * machine.threads;
	tap_ok(all >= calls, "%llu calls in %llu ms: none disagrees with the specification",
	       (ull)all, (ull)begin);
	tap_ok(works > all / 4 && works < all - all / 10, "%llu of them work, the others do not",
	       (ull)works);
	tap_ok(reached > all / 1000 && refused > all / 1000 && faults > all / 4000,
	       "DMA: %llu reach what they may, %llu not what they must not, %llu faults",
	       (ull)reached, (ull)refused, (ull)faults);
	tap_ok(!left, "nothing is left behind: %s", left ? left : "no mapping, pin or stream");
	return tap_done();
}
