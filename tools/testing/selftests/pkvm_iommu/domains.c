// SPDX-License-Identifier: GPL-2.0
/*
 * DMA domains: the calls of <uapi/linux/pkvm_iommu.h> that make, map and attach them,
 * checked by DMA of a device. TAP.
 *
 *	domains		the IOMMU translates with stage 2
 *	domains stage1	with stage 1, which has no write-only permission
 *
 * If the IOMMU walks no page tables, there is no identity domain: the kernel has edu in
 * another domain, mappings can only be unmapped whole, and faults tell less. They do
 * not distinguish a missing permission from a missing mapping. QEMU's have no
 * direction either, and of a blocked stream only its number.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "domains.h"

/********** arguments */

static void test_unknown_domain(uint64_t phys)
{
	const uint64_t no_domain[] = {
		IDENTITY, a + 1000, 0xffff, 0x10000, BIT(31), BIT(32), BIT(32) | a,
		BIT(63) | a, ALL_ONES,
	};
	size_t i;

	FOR_EACH(i, no_domain) {
		struct state before = state();
		uint64_t d = no_domain[i];
		char name[64];

		snprintf(name, sizeof(name), "domain %#llx", (ull)d);
		tap_note("%s", name);
		is(MAP(d, X, phys, PAGE, RW), -ENXIO, 0, 0, "MAP");
		is(UNMAP(d, X, PAGE), -ENXIO, 0, 0, "UNMAP");
		is(LOOKUP(d, X), -ENXIO, 0, 0, "LOOKUP");
		is(FREE(d), -ENXIO, 0, 0, "DOMAIN_FREE");
		is(FLUSH(d), -ENXIO, 0, 0, "FLUSH");
		is(INFO_MAPPED(d), -ENXIO, 0, 0, "INFO_MAPPED");
		is(CALL4(REPLAY, iommu, d, 0), -ENXIO, 0, 0, "REPLAY");
		if (d != IDENTITY)
			is(CALL4(ATTACH, iommu, edu.sid | 7, d), -ENXIO, 0, 0, "ATTACH");
		unchanged(before, name);
	}
}

#define RUN(phys, pages)	PKVM_IOMMU_RUN(phys, pages)

static void test_map_arguments(uint64_t phys)
{
	const uint64_t top = -PAGE;	/* the last page of 64 bits */
	const uint64_t good = RUN(phys, 1);
	const struct {
		uint64_t iova, prot, runs[PKVM_IOMMU_RUNS];
		int err;
	} bad[] = {
		{ X + 1, RW, { good }, -EINVAL },
		{ X + PAGE / 2, RW, { good }, -EINVAL },
		{ X, RW, { 0 }, -EINVAL },
		{ X, RW, { 0, good }, -EINVAL },
		{ X, RW, { RUN(phys, 0) }, -EINVAL },
		{ X, RW, { good, RUN(phys, 0) }, -EINVAL },
		{ X, RW, { good, good, good, good, good, good, good, good, good, good, good,
			   good, RUN(phys, 0) }, -EINVAL },
		{ X, 0, { good }, -EINVAL },
		{ X, RW & ~(READ | WRITE), { good }, -EINVAL },
		{ X, RW | BIT(5), { good }, -EINVAL },
		{ X, RW | BIT(32), { good }, -EINVAL },
		{ X, RW | BIT(63), { good }, -EINVAL },
		{ X, ALL_ONES, { good }, -EINVAL },
		{ limit, RW, { good }, -ERANGE },
		{ limit - PAGE, RW, { RUN(phys, 2) }, -ERANGE },
		{ limit - PAGE, RW, { good, good }, -ERANGE },
		{ BIT(63), RW, { good }, -ERANGE },
		{ top, RW, { good }, -ERANGE },
		{ top, RW, { RUN(phys, 2) }, -ERANGE },
		{ top, RW, { good, good }, -ERANGE },
		{ X, RW, { RUN(limit, 1) }, -ERANGE },
		{ X, RW, { RUN(limit - PAGE, 2) }, -ERANGE },
		{ X, RW, { RUN(limit - PAGE, 4095) }, -ERANGE },
		{ X, RW, { RUN(BIT(63), 1) }, -ERANGE },
		{ X, RW, { RUN(top, 1) }, -ERANGE },
		{ X, RW, { RUN(top, 2) }, -ERANGE },
		{ X, RW, { RUN(top, 4095) }, -ERANGE },
		{ X, RW, { good, RUN(limit, 1) }, -ERANGE },
		{ X, RW, { good, good, good, good, good, good, good, good, good, good, good,
			   good, RUN(top, 1) }, -ERANGE },
	};
	const struct {
		uint64_t iova, size, flags;
		int err;
	} bad_unmap[] = {
		{ X + 1, PAGE, 0, -EINVAL },
		{ X + PAGE / 2, PAGE, 0, -EINVAL },
		{ X, PAGE + 1, 0, -EINVAL },
		{ X, 1, 0, -EINVAL },
		{ X, 0, 0, -EINVAL },
		{ X, ALL_ONES, 0, -EINVAL },
		{ X, PAGE, BIT(1), -EINVAL },
		{ X, PAGE, BIT(63) | PKVM_IOMMU_UNMAP_LAZY, -EINVAL },
		{ X, PAGE, ALL_ONES, -EINVAL },
		{ limit, PAGE, 0, -ERANGE },
		{ limit - PAGE, 2 * PAGE, 0, -ERANGE },
		{ BIT(63), PAGE, 0, -ERANGE },
		{ top, PAGE, 0, -ERANGE },
		{ top, 2 * PAGE, 0, -ERANGE },
		{ X, limit, 0, -ERANGE },
		{ X, -X, 0, -ERANGE },
		{ X, -X + PAGE, 0, -ERANGE },
		{ X, BIT(63), 0, -ERANGE },
		{ X, top, PKVM_IOMMU_UNMAP_LAZY, -ERANGE },
	};
	struct state before;
	char name[96];
	size_t i;

	FOR_EACH(i, bad) {
		before = state();
		snprintf(name, sizeof(name), "MAP(%#llx, %#llx, %#llx, %#llx...)",
			 (ull)bad[i].iova, (ull)bad[i].prot, (ull)bad[i].runs[0],
			 (ull)bad[i].runs[1]);
		is(td_map_runs(a, bad[i].iova, bad[i].prot, bad[i].runs), bad[i].err, 0, 0, name);
		unchanged(before, name);
	}
	FOR_EACH(i, bad_unmap) {
		before = state();
		snprintf(name, sizeof(name), "UNMAP(%#llx, %#llx, %#llx)",
			 (ull)bad_unmap[i].iova, (ull)bad_unmap[i].size, (ull)bad_unmap[i].flags);
		is(call(PKVM_IOMMU_UNMAP, a, bad_unmap[i].iova, bad_unmap[i].size,
			bad_unmap[i].flags, 0), bad_unmap[i].err, 0, 0, name);
		unchanged(before, name);
	}
	is(LOOKUP(a, limit), -ERANGE, 0, 0, "LOOKUP at the limit");
	is(LOOKUP(a, BIT(63)), -ERANGE, 0, 0, "LOOKUP of bit 63");
	is(LOOKUP(a, ALL_ONES), -ERANGE, 0, 0, "LOOKUP of all ones");
	is(LOOKUP(a, limit - 1), -ENOTCONN, 0, 0, "LOOKUP below the limit");
	is(UNMAP(a, X, PAGE), 0, PAGE, 0, "UNMAP of nothing");
}

/* Mapped already, also if only the end of a range is mapped. */
static void test_exists(uint64_t phys)
{
	uint64_t mapped, before = INFO_MAPPED(a).x2;
	struct td_res res;

	if (!map_ok(a, X + PAGE, phys, PAGE, RW, "a page"))
		return;
	is(INFO_MAPPED(a), 0, before + PAGE, 0, "INFO of the bytes mapped");
	is(MAP(a, X + PAGE, phys, PAGE, RW), -EEXIST, 0, 0, "MAP over it");
	is(MAP(a, X + PAGE, phys_of((void *)other), PAGE, READ), -EEXIST, 0, 0,
	   "MAP of another over it");
	res = MAP(a, X, phys, 2 * PAGE, RW);
	tap_ok(res.err == -EEXIST && res.x2 <= PAGE && !res.x3 &&
	       LOOKUP(a, X).err == (res.x2 ? 0 : -ENOTCONN),
	       "MAP up to it: EEXIST, x2 tells what is mapped");
	if (res.x2)
		unmap_ok(a, X, res.x2, "that");
	res = LOOKUP(a, X + PAGE + 0x123);
	tap_ok(!res.err && res.x2 == phys + 0x123 && res.x3 == PAGE - 0x123,
	       "LOOKUP still finds the page, and nothing behind it");
	/* A hole in front and behind. */
	tap_ok(!unmap(a, X, 3 * PAGE, &mapped) && mapped == PAGE,
	       "UNMAP across holes: x3 is what was mapped");
	is(LOOKUP(a, X + PAGE), -ENOTCONN, 0, 0, "LOOKUP afterwards");
	is(INFO_MAPPED(a), 0, before, 0, "INFO of the bytes mapped, afterwards");
}

/* The pages that -ENOMEM asks for are enough. */
static void test_no_memory(uint64_t phys)
{
	static uint64_t pages[MANY], rest[MANY];
	struct td_res res;
	uint64_t d = 0, far = BIT(34);
	size_t n, n_rest;

	n = drain(pages, 0);
	res = CALL4(DOMAIN_ALLOC, 0, 0, iommu);
	if (tap_ok(res.err == -ENOMEM && res.x2 && !res.x3,
		   "DOMAIN_ALLOC with an empty pool: ENOMEM, wants %llu",
		   (ull)res.x2)) {
		topup(res.x2);
		res = CALL4(DOMAIN_ALLOC, 0, 0, iommu);
		tap_ok(!res.err, "DOMAIN_ALLOC with that: %lld", (long long)res.err);
		d = res.err ? 0 : res.x2;
	}
	n_rest = drain(rest, 0);
	res = MAP(d, far, phys, PAGE, RW);
	tap_ok(res.err == -ENOMEM && !res.x2 && res.x3,
	       "MAP with an empty pool: ENOMEM, wants %llu", (ull)res.x3);
	is(LOOKUP(d, far), -ENOTCONN, 0, 0, "LOOKUP there");
	can_donate(phys, true, "that could not be mapped");
	if (res.err == -ENOMEM) {
		topup(res.x3);
		is(MAP(d, far, phys, PAGE, RW), 0, PAGE, 0, "MAP with that");
		is(UNMAP(d, far, PAGE), 0, PAGE, PAGE, "UNMAP of it");
	}
	is(domain_free(d), 0, 0, 0, "DOMAIN_FREE of it");
	while (n--)
		TOPUP(pages[n]);
	while (n_rest--)
		TOPUP(rest[n_rest]);
}

/********** memory that the host does not own */

static void test_attach(void)
{
	is(attach(a), -EBUSY, 0, 0, "ATTACH to A while it is elsewhere");
	is(detach(a), -ENOTCONN, 0, 0, "DETACH from A while it is elsewhere");
	control("in identity");
	is(detach(home), 0, 0, 0, "DETACH from where it was");
	/* The buffer still holds what control() fetched. */
	dma_store(phys_of((void *)other), other, 0, PKVM_IOMMU_FAULT_BLOCKED,
		  "while detached");
	is(attach(a), 0, 0, 0, "ATTACH to A");
	is(attach(a), -EBUSY, 0, 0, "ATTACH to A again");
	is(attach(b), -EBUSY, 0, 0, "ATTACH to B as well");
	is(attach(IDENTITY), identity ? -EBUSY : -EOPNOTSUPP, 0, 0,
	   "ATTACH to identity as well");
	is(attach(home), -EBUSY, 0, 0, "ATTACH to where it was as well");
	is(detach(b), -ENOTCONN, 0, 0, "DETACH from B");
	is(detach(home), -ENOTCONN, 0, 0, "DETACH from where it was, again");
}

/*
 * The last page that devices can address. With 40 or 42 bits, stage 2 has a root of several
 * tables of 512 GiB each. QEMU (10.0.2) takes the first of them for all addresses: find out by
 * different pages at the two places, and then return the last page of the first table.
 */
static uint64_t last_page(void)
{
	uint64_t top = limit - PAGE, alias = BIT(39) - PAGE;
	uint32_t data = marker(), got;

	if (stage1 || (limit != BIT(40) && limit != BIT(42)))
		return top;
	map_ok(a, top, phys_of((void *)page), PAGE, RW, "at the top");
	map_ok(a, alias, phys_of((void *)other), PAGE, RW, "in the first table");
	*page = data;
	*other = ~data;
	window[2] = 0;
	tap_ok(!edu_fetch(&edu, top, 4) && !edu_store(&edu, WINDOW + 8, 4), "DMA at the top");
	got = window[2];
	unmap_ok(a, top, PAGE, "at the top");
	unmap_ok(a, alias, PAGE, "in the first table");
	tap_ok(got == data || got == ~data, "reaches what one of the root tables maps");
	if (got == data)
		return top;
	tap_note("this SMMU uses the first root table for all addresses");
	return alias;
}

static void test_dma(void)
{
	uint64_t phys = phys_of((void *)page), top = last_page();
	const int unmapped = PKVM_IOMMU_FAULT_UNMAPPED;
	const int permission = PKVM_IOMMU_FAULT_PERMISSION;

	dma(X, page, unmapped, "where nothing is mapped");
	dma(phys, page, unmapped, "at the physical address");

	map_ok(a, X, phys, PAGE, RW, "to read and write");
	dma(X, page, OK, "through a mapping");
	dma(X + PAGE - 4, page + PAGE / 4 - 1, OK, "to the page's end");
	dma(X + PAGE, page, unmapped, "behind it");
	dma(X - 4, page, unmapped, "before it");
	dma(phys, page, unmapped, "at the physical address");
	unmap_ok(a, X, PAGE, "it");
	dma(X, page, unmapped, "after UNMAP");

	map_ok(a, X, phys_of((void *)other), PAGE, RW, "another page at the address");
	dma(X, other, OK, "to the other page");
	page[0] = 1;
	dma_writes(X, other, OK, "to the other page");
	tap_ok(page[0] == 1, "the old page has not changed");
	unmap_ok(a, X, PAGE, "the other page");

	/* First the access that is refused: see SILENT. */
	map_ok(a, X, phys, PAGE, READ, "to read");
	dma_writes(X, page, permission, "read-only");
	dma_reads(X, page, OK, "read-only");
	dma_writes(X, page, SILENT, "read-only, when it is cached");
	unmap_ok(a, X, PAGE, "it");
	map_ok(a, X, phys, PAGE, WRITE, "to write");
	/* Stage 1 has no write-only permission. */
	dma_reads(X, page, stage1 ? OK : permission, "write-only");
	dma_writes(X, page, OK, "write-only");
	dma_reads(X, page, stage1 ? OK : SILENT, "write-only, when it is cached");
	unmap_ok(a, X, PAGE, "it");

	map_ok(a, top, phys, PAGE, RW, "at the top");
	dma(top, page, OK, "at the top");
	dma(limit, page, SILENT, "beyond the limit");
	unmap_ok(a, top, PAGE, "it");
	dma(top, page, unmapped, "at the top after UNMAP");
}

/* Changes made while the stream is detached take effect when it is attached again. */
static void test_reattach(void)
{
	uint64_t phys = phys_of((void *)page);

	map_ok(a, X, phys, PAGE, RW, "a page");
	dma(X, page, OK, "before DETACH");
	is(detach(a), 0, 0, 0, "DETACH from A");
	dma_store(X, page, 0, PKVM_IOMMU_FAULT_BLOCKED, "while detached");
	unmap_ok(a, X, PAGE, "it");
	map_ok(a, X, phys_of((void *)other), PAGE, RW, "another");
	is(attach(a), 0, 0, 0, "ATTACH to A");
	dma(X, other, OK, "to the other page");
	/* Only the window is mapped in B. */
	is(detach(a), 0, 0, 0, "DETACH from A");
	is(attach(b), 0, 0, 0, "ATTACH to B");
	map_ok(b, WINDOW, phys_of((void *)window), PAGE, RW, "the window in B");
	dma(X, other, PKVM_IOMMU_FAULT_UNMAPPED, "in B");
	map_ok(b, X, phys, PAGE, RW, "in B");
	dma(X, page, OK, "in B");
	is(detach(b), 0, 0, 0, "DETACH from B");
	is(attach(a), 0, 0, 0, "ATTACH to A");
	dma(X, other, OK, "in A");
	unmap_ok(a, X, PAGE, "in A");
	unmap_ok(b, X, PAGE, "in B");
	unmap_ok(b, WINDOW, PAGE, "the window in B");
}

/********** pins */

/********** lifetimes */

#define CYCLES	10000

static bool cycle(uint64_t phys)
{
	uint64_t d = domain_alloc(), done, mapped;

	return d && !map(d, X, phys, PAGE, RW, &done) &&
	       !unmap(d, X, PAGE, &mapped) && mapped == PAGE && !domain_free(d).err;
}

static void test_cycles(void)
{
	uint64_t phys = phys_of((void *)page);
	struct state before, after;
	time_t start = time(NULL);
	int i, good = 0;

	cycle(phys);
	before = state();
	for (i = 0; i < CYCLES; i++)
		good += cycle(phys);
	after = state();
	tap_ok(good == CYCLES, "%d cycles of ALLOC, MAP, UNMAP, FREE", good);
	tap_note("in %lld s", (long long)(time(NULL) - start));
	same_pool(&before, &after);
}

#define MANY_DOMAINS	2000

/* Many domains at the same time, each with a mapping. */
static void test_many(uint64_t phys)
{
	static uint64_t d[MANY_DOMAINS];
	struct state before, after;
	uint64_t done, mapped;
	int i, n, good = 0;

	before = state();
	for (n = 0; n < MANY_DOMAINS; n++) {
		d[n] = domain_alloc();
		if (!d[n] || map(d[n], X + n * PAGE, phys, PAGE, RW, &done))
			break;
	}
	for (i = 0; i < n; i++)
		good += LOOKUP(d[i], X + i * PAGE).x2 == phys &&
			LOOKUP(d[i], X + (i + 1) * PAGE).err == -ENOTCONN;
	tap_ok(n == MANY_DOMAINS && good == n, "%d domains at a time, each with a mapping", good);
	can_donate(phys, false, "that all of them map");
	for (good = 0, i = 0; i < n; i++)
		good += !unmap(d[i], X + i * PAGE, PAGE, &mapped) && mapped == PAGE &&
			!domain_free(d[i]).err;
	tap_ok(good == n, "DOMAIN_FREE of all of them: %d", good);
	/* Their pages are free again, except those of the domain table. */
	after = state();
	tap_ok(after.value[PKVM_IOMMU_INFO_POOL_TOTAL] - after.value[PKVM_IOMMU_INFO_POOL_FREE] -
	       (before.value[PKVM_IOMMU_INFO_POOL_TOTAL] -
		before.value[PKVM_IOMMU_INFO_POOL_FREE]) <= 1 + MANY_DOMAINS / 512,
	       "their memory is unused again");
}

/* The kernel's shrinker takes back the free pages of the pool: those of all domains. */
static void test_shrinker(uint64_t phys)
{
	uint64_t before, after;
	FILE *f;

	td_info(PKVM_IOMMU_INFO_POOL_FREE, &before);
	f = fopen("/proc/sys/vm/drop_caches", "w");
	if (f) {
		fputs("2\n", f);
		fclose(f);
	}
	td_info(PKVM_IOMMU_INFO_POOL_FREE, &after);
	tap_ok(before >= MANY_DOMAINS && after < before / 8,
	       "the kernel takes unused memory back: %llu pages, then %llu",
	       (ull)before, (ull)after);
	can_donate(phys, true, "that all of them had");
}

static void test_lifetime(void)
{
	uint64_t phys = phys_of((void *)page), old = a;

	map_ok(a, X, phys, PAGE, RW, "a page");
	dma(X, page, OK, "through it");
	is(FREE(a), -EBUSY, 0, 0, "DOMAIN_FREE while attached and mapped");
	unmap_ok(a, WINDOW, PAGE, "the window");
	unmap_ok(a, X, PAGE, "it");
	is(FREE(a), -EBUSY, 0, 0, "DOMAIN_FREE while attached");
	map_ok(a, X, phys, PAGE, RW, "it again");
	is(detach(a), 0, 0, 0, "DETACH");
	is(FREE(a), -EBUSY, 0, 0, "DOMAIN_FREE while mapped");
	can_donate(phys, false, "that is mapped in A");
	unmap_ok(a, X, PAGE, "it");
	is(domain_free(a), 0, 0, 0, "DOMAIN_FREE");
	can_donate(phys, true, "that was mapped in A");

	is(FREE(old), -ENXIO, 0, 0, "DOMAIN_FREE of what is no more");
	is(attach(old), -ENXIO, 0, 0, "ATTACH to it");
	is(detach(old), -ENXIO, 0, 0, "DETACH from it");
	is(MAP(old, X, phys, PAGE, RW), -ENXIO, 0, 0, "MAP in it");
	is(UNMAP(old, X, PAGE), -ENXIO, 0, 0, "UNMAP in it");
	is(LOOKUP(old, X), -ENXIO, 0, 0, "LOOKUP in it");
	/* The host can still use the stream. */
	is(attach(home), 0, 0, 0, "ATTACH to where it was");
	control("in identity again");
	is(detach(home), 0, 0, 0, "DETACH from there");

	/* No translation of the old domain may be used for the new one. */
	a = domain_alloc();
	tap_ok(a != 0, "DOMAIN_ALLOC");
	tap_note("domain %llu was %llu", (ull)a, (ull)old);
	map_ok(a, WINDOW, phys_of((void *)window), PAGE, RW, "the window");
	is(attach(a), 0, 0, 0, "ATTACH to the new domain");
	dma(X, page, PKVM_IOMMU_FAULT_UNMAPPED, "at the old domain's address");
	map_ok(a, X, phys_of((void *)other), PAGE, RW, "another page there");
	dma(X, other, OK, "through the new mapping");
	unmap_ok(a, X, PAGE, "it");
}

/*
 * Tables across the address space take several calls to free. After the first call,
 * only DOMAIN_FREE finds the domain.
 */
static void test_dying(uint64_t phys)
{
	uint64_t i, done, mapped, bad = 0;
	struct td_res res;

	for (i = 0; i < 64; i++)
		bad += map(b, i << 34, phys, PAGE, READ, &done) != 0;
	for (i = 0; i < 64; i++)
		bad += unmap(b, i << 34, PAGE, &mapped) || mapped != PAGE;
	tap_ok(!bad, "MAP and UNMAP in B, far apart");
	res = FREE(b);
	if (tap_ok(res.err == -EAGAIN, "DOMAIN_FREE of B, with many tables: %lld",
		   (long long)res.err)) {
		is(MAP(b, X, phys, PAGE, RW), -ENXIO, 0, 0, "MAP meanwhile");
		is(UNMAP(b, X, PAGE), -ENXIO, 0, 0, "UNMAP meanwhile");
		is(LOOKUP(b, X), -ENXIO, 0, 0, "LOOKUP meanwhile");
		is(CALL4(ATTACH, iommu, edu.sid | 7, b), -ENXIO, 0, 0,
		   "ATTACH meanwhile");
		is(domain_free(b), 0, 0, 0, "DOMAIN_FREE of B, to its end");
	}
	is(FREE(b), -ENXIO, 0, 0, "DOMAIN_FREE of B again");
}

int main(int argc, char **argv)
{
	uint8_t *huge;
	uint64_t phys;

	stage1 = argc > 1 && !strcmp(argv[1], "stage1");
	begin();
	huge = huge_alloc();
	phys = phys_of((void *)page);

	a = domain_alloc();
	b = domain_alloc();
	if (!tap_ok(a && b && a != b, "two domains: %llu and %llu", (ull)a, (ull)b))
		return tap_done();
	/* Enough pages, so that no call fails for want of memory. */
	topup(64);
	map_ok(a, WINDOW, phys_of((void *)window), PAGE, RW, "a window");
	test_unknown_domain(phys);
	test_map_arguments(phys);
	test_exists(phys);
	test_no_memory(phys);
	test_refused_memory();
	test_mmio();
	test_large();
	test_pin_overflow();
	test_runs();
	test_list();
	test_cycles();
	test_many(phys);
	test_shrinker(phys);

	topup(64);
	test_attach();
	test_dma();
	test_reattach();
	test_pins();
	test_guests();
	topup(64);
	test_blocks(huge);
	test_room_for_blocks(huge);
	test_gib();
	test_small(huge);
	test_lazy(phys);
	test_lifetime();

	is(detach(a), 0, 0, 0, "DETACH at the end");
	is(attach(home), 0, 0, 0, "ATTACH to where it was at the end");
	control("at the end");
	unmap_ok(a, WINDOW, PAGE, "the window");
	is(domain_free(a), 0, 0, 0, "DOMAIN_FREE of A");
	test_dying(phys);
	huge_free(huge);
	return tap_done();
}
