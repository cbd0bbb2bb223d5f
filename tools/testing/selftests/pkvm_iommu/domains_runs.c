// SPDX-License-Identifier: GPL-2.0
/*
 * Part of `domains`: many runs in one call, lazy unmapping, and blocks that replace
 * pages.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "domains.h"

/* Map scattered memory at adjacent addresses with one call. */
void test_runs(void)
{
	const uint64_t w = phys_of((void *)window), p = phys_of((void *)page);
	uint64_t runs[PKVM_IOMMU_RUNS], at, wrong = 0, elsewhere = td_alloc();
	struct td_res res;
	size_t i;

	/* Not adjacent in memory. */
	FOR_EACH(i, runs)
		runs[i] = PKVM_IOMMU_RUN(i % 2 ? w : p, 1);
	res = td_map_runs(b, Y, RW, runs);
	if (res.err == -ENOMEM && topup(res.x3))
		res = td_map_runs(b, Y, RW, runs);
	is(res, 0, PKVM_IOMMU_RUNS * PAGE, 0, "MAP of as many runs as there can be");
	FOR_EACH(i, runs)
		wrong += LOOKUP(b, Y + i * PAGE + 8).x2 != (i % 2 ? w : p) + 8;
	tap_ok(!wrong, "LOOKUP of each: %llu wrong", (ull)wrong);
	is(LOOKUP(b, Y + i * PAGE), -ENOTCONN, 0, 0, "LOOKUP behind them");
	is(UNMAP(b, Y, PKVM_IOMMU_RUNS * PAGE), 0, PKVM_IOMMU_RUNS * PAGE,
	   PKVM_IOMMU_RUNS * PAGE, "UNMAP of all of them");

	/* Across the end of a table. */
	at = Y + BLOCK - 2 * PAGE;
	memset(runs, 0, sizeof(runs));
	runs[0] = PKVM_IOMMU_RUN(p, 1);
	runs[1] = PKVM_IOMMU_RUN(w, 1);
	runs[2] = PKVM_IOMMU_RUN(p, 1);
	res = td_map_runs(b, at, RW, runs);
	if (res.err == -ENOMEM && topup(res.x3)) {
		UNMAP(b, at, 3 * PAGE);
		res = td_map_runs(b, at, RW, runs);
	}
	is(res, 0, 3 * PAGE, 0, "MAP of runs across the end of a table");
	is(LOOKUP(b, at + 2 * PAGE), 0, p, PAGE, "LOOKUP of the last");
	is(UNMAP(b, at, 3 * PAGE), 0, 3 * PAGE, 3 * PAGE, "UNMAP of them");

	/* Runs before the refused one stay mapped; nothing behind it is mapped. */
	if (tap_ok(elsewhere && !TOPUP(elsewhere).err, "a page that is EL2's")) {
		runs[1] = PKVM_IOMMU_RUN(elsewhere, 1);
		is(td_map_runs(b, Y, RW, runs), -EPERM, PAGE, 0, "MAP with it in the middle");
		is(LOOKUP(b, Y), 0, p, PAGE, "LOOKUP of the run before it");
		is(LOOKUP(b, Y + PAGE), -ENOTCONN, 0, 0, "LOOKUP of its place");
		is(LOOKUP(b, Y + 2 * PAGE), -ENOTCONN, 0, 0, "LOOKUP of the run behind it");
		is(UNMAP(b, Y, 3 * PAGE), 0, 3 * PAGE, PAGE, "UNMAP of that");
		if (!take_back(elsewhere))
			tap_bail("lost a page");
	}
	can_donate(p, true, "after all that");

	/* The first 0 ends the runs. */
	runs[0] = PKVM_IOMMU_RUN(p, 1);
	runs[1] = 0;
	is(td_map_runs(b, Y, RW, runs), 0, PAGE, 0, "MAP of one run, others behind its end");
	is(LOOKUP(b, Y + PAGE), -ENOTCONN, 0, 0, "LOOKUP behind it");
	is(UNMAP(b, Y, PAGE), 0, PAGE, PAGE, "UNMAP of it");
}

/* Continue where a call stopped, as a driver does. Returns the last error. */
static int64_t map_list(uint64_t nr, unsigned int *calls)
{
	struct td_res res = { 0 };
	uint64_t done = 0;

	for (*calls = 0; done < nr && !res.err; done += res.x2 / PAGE) {
		*calls += 1;
		res = td_map_list(b, Y + done * PAGE, RW, done, nr - done);
		if (res.err == -ENOMEM && topup(res.x3))
			res.err = 0;
		else if (!res.err && !res.x2)
			res.err = -ELOOP;
	}
	return res.err;
}

/* Runs in memory that the host can write meanwhile. */
void test_list(void)
{
	static const struct {
		uint64_t at, nr;
		const char *name;
	} beyond[] = {
		{ 0, 0, "no run" },
		{ 0, PKVM_IOMMU_LIST_RUNS + 1, "more than a call takes" },
		{ TD_LIST, 1, "behind the last" },
		{ TD_LIST - 1, 2, "across the last" },
		{ BIT(61), 1, "an index that wraps when multiplied" },
		{ ALL_ONES - TD_LIST, 2, "an index near the end" },
		{ 0, ALL_ONES, "a number that wraps" },
		{ 1, ALL_ONES - 1, "both" },
	};
	const uint64_t w = phys_of((void *)window), p = phys_of((void *)page);
	uint64_t i, info, wrong = 0, most = PKVM_IOMMU_LIST_RUNS, elsewhere = td_alloc();
	volatile uint64_t *list = td_list();
	struct state before;
	unsigned int calls;
	struct td_res res;

	if (!tap_ok(list, "a page of runs"))
		return;
	if (!tap_ok(!td_info(PKVM_IOMMU_INFO_RUNS, &info) && info >= TD_LIST,
		    "INFO: room for %llu", (ull)info))
		return;
	for (i = 0; i < TD_LIST; i++)
		list[i] = PKVM_IOMMU_RUN(i % 2 ? w : p, 1);
	is(td_call(PKVM_IOMMU_TOPUP, phys_of((void *)list) / PAGE, 1, 0), -EPERM, 0, 0,
	   "TOPUP with the page of runs");

	tap_ok(!map_list(most, &calls), "MAP_LIST of as many runs as a call takes");
	for (i = 0; i < most; i++)
		wrong += LOOKUP(b, Y + i * PAGE + 8).x2 != (i % 2 ? w : p) + 8;
	tap_ok(!wrong, "LOOKUP of each: %llu wrong", (ull)wrong);
	is(LOOKUP(b, Y + most * PAGE), -ENOTCONN, 0, 0, "LOOKUP behind them");
	can_donate(p, false, "that a list maps");
	is(UNMAP(b, Y, most * PAGE), 0, most * PAGE, most * PAGE, "UNMAP of all by one call");
	can_donate(p, true, "after that");
	/* If the IOMMU has no page tables, a call does less. */
	tap_ok(!map_list(most, &calls) && (calls == 1 || !identity),
	       "MAP_LIST again, by one call: %u", calls);
	is(UNMAP(b, Y, most * PAGE), 0, most * PAGE, most * PAGE, "UNMAP of all");

	before = state();
	FOR_EACH(i, beyond)
		is(td_map_list(b, Y, RW, beyond[i].at, beyond[i].nr), -EINVAL, 0, 0,
		   beyond[i].name);
	is(td_map_list(b, Y + 1, RW, 0, 4), -EINVAL, 0, 0, "an address within a page");
	is(td_map_list(b, Y, 0, 0, 4), -EINVAL, 0, 0, "no permission");
	is(td_map_list(b, Y, BIT(5), 0, 4), -EINVAL, 0, 0, "an unknown permission");
	is(td_map_list(IDENTITY, Y, RW, 0, 4), -ENXIO, 0, 0, "the identity domain");
	is(td_map_list(b, limit, RW, 0, 4), -ERANGE, 0, 0, "beyond the reach of devices");
	is(td_map_list(b, limit - 2 * PAGE, RW, 0, 4), -ERANGE, 0, 0, "across its end");
	unchanged(before, "after all that was refused");

	/* The first invalid run ends the call; nothing behind it is mapped. */
	for (i = 3; i < 64; i += 60) {
		list[i] = p;
		res = td_map_list(b, Y, RW, 0, 64);
		tap_ok(res.err == -EINVAL || (!res.err && res.x2 && !identity),
		       "run %llu of no pages: %lld", (ull)i, (long long)res.err);
		tap_ok(res.x2 <= i * PAGE, "what was mapped ends before it");
		if (res.x2)
			unmap_ok(b, Y, res.x2, "UNMAP of that");
		list[i] = PKVM_IOMMU_RUN(limit, 1);
		res = td_map_list(b, Y, RW, 0, 64);
		tap_ok(res.err == -ERANGE || (!res.err && res.x2 && !identity),
		       "run %llu beyond reach: %lld", (ull)i, (long long)res.err);
		tap_ok(res.x2 <= i * PAGE, "what was mapped ends before it");
		if (res.x2)
			unmap_ok(b, Y, res.x2, "UNMAP of that");
		list[i] = PKVM_IOMMU_RUN(p, 1);
	}
	if (tap_ok(elsewhere && !TOPUP(elsewhere).err, "a page that is EL2's")) {
		list[7] = PKVM_IOMMU_RUN(elsewhere, 1);
		is(td_map_list(b, Y, RW, 0, 64), -EPERM, 7 * PAGE, 0, "MAP_LIST with it");
		is(LOOKUP(b, Y + 7 * PAGE), -ENOTCONN, 0, 0, "LOOKUP of its place");
		is(UNMAP(b, Y, 64 * PAGE), 0, 64 * PAGE, 7 * PAGE, "UNMAP of what came before");
		if (!take_back(elsewhere))
			tap_bail("lost a page");
	}
	can_donate(p, true, "after all that");
}

/* More runs than EL2 remembers for one domain. */
#define LAZY_MANY	600

/*
 * Edu is attached to A. Between UNMAP_LAZY and FLUSH, a device may or may not reach the
 * memory. The host has to keep it as long as a device may.
 */
void test_lazy(uint64_t phys)
{
	const uint64_t w = phys_of((void *)window);
	uint64_t d, i, done, bad = 0;

	map_ok(a, X, phys, PAGE, RW, "a page");
	dma(X, page, OK, "that IOMMUs have cached");
	is(UNMAP_LAZY(a, X, PAGE), 0, PAGE, PAGE, "UNMAP_LAZY");
	is(LOOKUP(a, X), -ENOTCONN, 0, 0, "LOOKUP of it");
	is(UNMAP_LAZY(a, X, PAGE), 0, PAGE, 0, "UNMAP_LAZY again");
	is(FLUSH(a), 0, 0, 0, "FLUSH");
	dma(X, page, PKVM_IOMMU_FAULT_UNMAPPED, "after FLUSH");
	is(FLUSH(a), 0, 0, 0, "FLUSH of nothing");

	/* Without FLUSH: the change of owner flushes. */
	map_ok(a, X, phys, PAGE, RW, "it again");
	dma(X, page, OK, "that IOMMUs have cached again");
	is(UNMAP_LAZY(a, X, PAGE), 0, PAGE, PAGE, "UNMAP_LAZY");
	can_donate(phys, true, "that was unmapped lazily");
	dma(X, page, PKVM_IOMMU_FAULT_UNMAPPED, "after that");

	/* A page that is mapped elsewhere too is still refused. */
	map_ok(a, X, phys, PAGE, RW, "it in A");
	map_ok(b, X, phys, PAGE, RW, "it in B as well");
	is(UNMAP_LAZY(a, X, PAGE), 0, PAGE, PAGE, "UNMAP_LAZY in A");
	can_donate(phys, false, "that B maps");
	is(UNMAP_LAZY(b, X, PAGE), 0, PAGE, PAGE, "UNMAP_LAZY in B");
	can_donate(phys, true, "that both have unmapped lazily");

	/* Map again at the same address before a FLUSH. */
	map_ok(a, X, phys, PAGE, RW, "it again");
	dma(X, page, OK, "that is cached");
	is(UNMAP_LAZY(a, X, PAGE), 0, PAGE, PAGE, "UNMAP_LAZY");
	map_ok(a, X, phys_of((void *)other), PAGE, RW, "another there");
	dma(X, other, OK, "reaches the other, and not what was there");
	is(UNMAP_LAZY(a, X, PAGE), 0, PAGE, PAGE, "UNMAP_LAZY of that");

	/* Scattered, so that EL2 remembers each as a run of its own. */
	for (i = 0; i < LAZY_MANY; i++)
		bad += map(a, Y + i * PAGE, i % 2 ? w : phys, PAGE, RW, &done) != 0;
	for (i = 0; i < LAZY_MANY; i++)
		bad += UNMAP_LAZY(a, Y + i * PAGE, PAGE).x3 != PAGE;
	tap_ok(!bad, "MAP and UNMAP_LAZY of %d pages", LAZY_MANY);
	dma(Y, page, PKVM_IOMMU_FAULT_UNMAPPED, "to the first of them");
	can_donate(phys, true, "that was under half of them");

	/* DOMAIN_FREE flushes the domain. */
	d = domain_alloc();
	map_ok(d, X, phys, PAGE, RW, "a page in a new domain");
	is(UNMAP_LAZY(d, X, PAGE), 0, PAGE, PAGE, "UNMAP_LAZY in it");
	is(domain_free(d), 0, 0, 0, "DOMAIN_FREE of it");
	can_donate(phys, true, "that it had");
	is(FLUSH(d), -ENXIO, 0, 0, "FLUSH of it");
}

/* An empty table that pages have left is replaced by a block. */
void test_room_for_blocks(uint8_t *huge)
{
	const uint64_t at = Z + 8 * BLOCK;
	uint64_t phys, free_before, free_after, mapped;
	volatile uint32_t *last;

	if (!huge || !RUN_HAS_BLOCK) {
		tap_skip(huge ? "a run has no blocks" : "no huge page", "room for blocks");
		return;
	}
	phys = phys_of(huge);
	last = (volatile uint32_t *)(huge + BLOCK - PAGE);
	topup(8);
	td_info(PKVM_IOMMU_INFO_POOL_FREE, &free_before);
	map_ok(a, at + PAGE, phys, PAGE, RW, "a page");
	dma(at + PAGE, (volatile uint32_t *)huge, OK, "to it, by tables that are cached then");
	unmap_ok(a, at + PAGE, PAGE, "it");
	map_ok(a, at, phys, BLOCK, RW, "a block");
	is(UNMAP(a, at, PAGE), -EINVAL, 0, 0, "UNMAP of its first page: it is one");
	td_info(PKVM_IOMMU_INFO_POOL_FREE, &free_after);
	/* The page may have needed three tables. The last of them is free again. */
	tap_ok(free_before - free_after <= 2, "the table is back: %llu pages used",
	       (ull)(free_before - free_after));
	dma(at + BLOCK - PAGE, last, OK, "to the block's last page");
	can_donate(phys, false, "of the block");
	unmap_ok(a, at, BLOCK, "the block");
	dma(at + BLOCK - PAGE, last, PKVM_IOMMU_FAULT_UNMAPPED, "after UNMAP");

	/* A table that is not empty stays. */
	map_ok(a, at + 7 * PAGE, phys, PAGE, RW, "a page again");
	is(MAP(a, at, phys, BLOCK, RW), -EEXIST, 0, 0, "MAP of a block over it");
	is(LOOKUP(a, at + 7 * PAGE), 0, phys, PAGE, "LOOKUP of it");
	tap_ok(!unmap(a, at, BLOCK, &mapped) && mapped == PAGE, "UNMAP finds just that");
	can_donate(phys, true, "of the block afterwards");
}

#define FEW		3
#define FEW_NR		100

/*
 * More small mappings than one UNMAP removes, of memory that is not contiguous: a call
 * that stops early does not stop within a mapping.
 */
void test_small(uint8_t *huge)
{
	const uint64_t size = FEW * PAGE;
	uint64_t phys, i, done, mapped, bad = 0;
	volatile uint32_t *first, *last;

	if (!huge) {
		tap_skip("no huge page", "small mappings");
		return;
	}
	phys = phys_of(huge);
	first = (volatile uint32_t *)(huge + FEW_NR * size);
	last = (volatile uint32_t *)(huge + size);
	for (i = 0; i < FEW_NR; i++)
		bad += map(a, Y + i * size, phys + (FEW_NR - i) * size, size, RW, &done) ||
		       done != size;
	/* One page first, so that the bounds of a call, powers of two, fall within mappings. */
	bad += map(a, Y - PAGE, phys, PAGE, RW, &done) || done != PAGE;
	tap_ok(!bad, "MAP of %d times %d pages, and one", FEW_NR, FEW);
	dma(Y, first, OK, "into the first");
	dma(Y + (FEW_NR - 1) * size, last, OK, "into the last");
	tap_ok(!unmap(a, Y - PAGE, PAGE + FEW_NR * size, &mapped) &&
	       mapped == PAGE + FEW_NR * size, "UNMAP of all of them");
	for (i = 0, bad = 0; i <= FEW_NR * FEW; i++)
		bad += LOOKUP(a, Y - PAGE + i * PAGE).err != -ENOTCONN;
	tap_ok(!bad, "nothing is mapped");
	dma(Y, first, PKVM_IOMMU_FAULT_UNMAPPED, "into the first");
	dma(Y + (FEW_NR - 1) * size, last, PKVM_IOMMU_FAULT_UNMAPPED, "into the last");
}
