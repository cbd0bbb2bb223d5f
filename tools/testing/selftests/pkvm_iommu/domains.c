// SPDX-License-Identifier: GPL-2.0
/*
 * DMA domains: the calls of <uapi/linux/pkvm_iommu.h> that make, map and attach
 * them, with a device that shows where DMA really goes. TAP.
 *
 *	domains		the IOMMU translates with stage 2
 *	domains stage1	with stage 1, which has no write-only permission
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "edu.h"
#include "phys.h"
#include "tap.h"
#include "testdev.h"
#include "vm.h"

#define BIT(n)		(1ULL << (n))
#define ALL_ONES	(~0ULL)
#define BLOCK		0x200000UL
#define IDENTITY	PKVM_IOMMU_DOMAIN_IDENTITY
#define READ		PKVM_IOMMU_PROT_READ
#define WRITE		PKVM_IOMMU_PROT_WRITE
#define RW		(READ | WRITE | PKVM_IOMMU_PROT_CACHE)

/* I/O virtual addresses, where no machine of ours has memory. */
#define WINDOW		0x10000000UL
#define X		0x12345000UL
#define Y		0x20000000UL	/* aligned to a block */
#define Z		0x800000000UL	/* the same; never a page table there */

#define FOR_EACH(i, a)	for (i = 0; i < sizeof(a) / sizeof((a)[0]); i++)

typedef unsigned long long ull;

static struct edu edu;
static uint64_t iommu, limit;
static bool stage1;
static uint64_t a, b;		/* the domains; edu is in A where not said otherwise */
/* Pages of ours: the way into and out of edu's buffer, and two to be reached. */
static volatile uint32_t *window, *page, *other;

static struct td_res call(uint64_t op, uint64_t arg1, uint64_t arg2,
			  uint64_t arg3, uint64_t arg4, uint64_t arg5)
{
	const uint64_t args[6] = { op, arg1, arg2, arg3, arg4, arg5 };
	struct td_res res = td_raw(PKVM_IOMMU_TEST_FN_CALL, args);

	if (res.x0)
		res.err = TD_BROKEN;
	return res;
}

#define CALL4(op, a1, a2, a3)	call(PKVM_IOMMU_##op, a1, a2, a3, 0, 0)
#define MAP(d, iova, phys, size, prot) \
	call(PKVM_IOMMU_MAP, d, iova, phys, size, prot)
#define UNMAP(d, iova, size)	CALL4(UNMAP, d, iova, size)
#define LOOKUP(d, iova)		CALL4(LOOKUP, d, iova, 0)
#define FREE(d)			CALL4(DOMAIN_FREE, d, 0, 0)
#define TOPUP(phys)		CALL4(TOPUP, (phys) / PAGE, 1, 0)

/* One test: @res is @err, with these results. */
static bool is(struct td_res res, int err, uint64_t x2, uint64_t x3,
	       const char *name)
{
	bool good = !res.x0 && res.err == err && res.x2 == x2 && res.x3 == x3;

	if (!good)
		tap_note("x0 %lld x1 %lld x2 %#llx x3 %#llx, expected x1 %d x2 %#llx x3 %#llx",
			 (long long)res.x0, (long long)res.err, (ull)res.x2,
			 (ull)res.x3, err, (ull)x2, (ull)x3);
	return tap_ok(good, "%s: %s", name, err ? strerrorname_np(-err) : "works");
}

struct state {
	uint64_t value[PKVM_IOMMU_INFO_LIMIT + 1];
};

static struct state state(void)
{
	struct state s;
	int i;

	for (i = 0; i <= PKVM_IOMMU_INFO_LIMIT; i++)
		if (td_info(i, &s.value[i]))
			s.value[i] = ALL_ONES;
	return s;
}

/* One test: a call has changed nothing, and left X unmapped. */
static void unchanged(struct state before, const char *name)
{
	struct state now = state();
	struct td_res res = LOOKUP(a, X);
	int i;

	for (i = 0; i <= PKVM_IOMMU_INFO_LIMIT; i++)
		if (now.value[i] != before.value[i])
			tap_note("info %d was %#llx and is %#llx", i,
				 (ull)before.value[i], (ull)now.value[i]);
	tap_ok(!memcmp(&now, &before, sizeof(now)) && res.err == -ENOTCONN,
	       "%s: nothing changed", name);
}

/********** memory for the hypervisor */

/* The kernel leaks the pages. */
static bool topup(uint64_t n)
{
	if (n > 64)
		return false;
	while (n--)
		if (TOPUP(td_alloc()).err)
			return false;
	return true;
}

#define MANY 4096

/* Take pages from the pool, up to MANY or until that at @last came. */
static size_t drain(uint64_t pages[MANY], uint64_t last)
{
	struct td_res res;
	size_t n = 0;

	while (n < MANY) {
		res = CALL4(RECLAIM, 0, 0, 0);
		if (res.err)
			break;
		pages[n++] = res.x2 * PAGE;
		if (res.x2 * PAGE == last)
			break;
	}
	return n;
}

/* Have back the page at @phys, which the pool has, and no other. */
static bool take_back(uint64_t phys)
{
	static uint64_t pages[MANY];
	size_t n = drain(pages, phys);
	bool found = n && pages[n - 1] == phys;

	if (found)
		n--;
	while (n--)
		TOPUP(pages[n]);
	return found;
}

/* One test: the page can become EL2's, or cannot because devices map it. */
static void can_donate(uint64_t phys, bool expect, const char *name)
{
	struct state before = state(), after;
	struct td_res res = TOPUP(phys);

	/* Ours again before anything touches it. */
	if (!res.err && !take_back(phys))
		tap_bail("lost a page");
	after = state();
	tap_ok(res.err == (expect ? 0 : -EBUSY) &&
	       !memcmp(&before, &after, sizeof(before)),
	       "TOPUP of a page %s: %s", name, expect ? "works" : "EBUSY");
}

/********** domains */

static uint64_t domain_alloc(void)
{
	struct td_res res = CALL4(DOMAIN_ALLOC, 0, 0, 0);

	if (res.err == -ENOMEM && topup(res.x2))
		res = CALL4(DOMAIN_ALLOC, 0, 0, 0);
	if (res.err)
		tap_note("DOMAIN_ALLOC: %lld", (long long)res.err);
	return res.err ? 0 : res.x2;
}

/* Errno, and how many bytes; gives memory and goes on. */
static int64_t map(uint64_t domain, uint64_t iova, uint64_t phys, uint64_t size,
		   uint64_t prot, uint64_t *done)
{
	struct td_res res;
	int stuck = 0;

	for (*done = 0; *done < size; *done += res.x2) {
		res = MAP(domain, iova + *done, phys + *done, size - *done, prot);
		if (res.x2 > size - *done)
			return -EPROTO;
		stuck = res.x2 ? 0 : stuck + 1;
		if (res.err == -ENOMEM && stuck < 4 && topup(res.x3))
			continue;
		if (res.err || !res.x2) {
			*done += res.x2;
			return res.err ? res.err : -EPROTO;
		}
	}
	return 0;
}

/* All of it in steps: errno; what was mapped. */
static int64_t unmap(uint64_t domain, uint64_t iova, uint64_t size, uint64_t *mapped)
{
	struct td_res res;
	uint64_t done;

	*mapped = 0;
	for (done = 0; done < size; done += res.x2) {
		res = UNMAP(domain, iova + done, size - done);
		*mapped += res.x3;
		if (res.err || !res.x2 || res.x2 > size - done || res.x3 > res.x2)
			return res.err ? res.err : -EPROTO;
	}
	return 0;
}

/* One test each. */
static bool map_ok(uint64_t domain, uint64_t iova, uint64_t phys, uint64_t size,
		   uint64_t prot, const char *name)
{
	uint64_t done;
	int64_t err = map(domain, iova, phys, size, prot, &done);
	struct td_res res = LOOKUP(domain, iova + size - 8);

	return tap_ok(!err && done == size && !res.err && res.x2 == phys + size - 8,
		      "MAP %s: %lld", name, (long long)err);
}

static bool unmap_ok(uint64_t domain, uint64_t iova, uint64_t size,
		     const char *name)
{
	uint64_t mapped;
	int64_t err = unmap(domain, iova, size, &mapped);

	return tap_ok(!err && mapped == size &&
		      LOOKUP(domain, iova).err == -ENOTCONN,
		      "UNMAP %s: %lld", name, (long long)err);
}

static struct td_res attach(uint64_t domain)
{
	struct td_res res = CALL4(ATTACH, iommu, edu.sid, domain);

	if (res.err == -ENOMEM && topup(res.x2))
		res = CALL4(ATTACH, iommu, edu.sid, domain);
	return res;
}

/* Until the bounded work of each call has freed it. */
static struct td_res domain_free(uint64_t domain)
{
	struct td_res res;
	int i;

	for (i = 0; i < 10000; i++) {
		res = FREE(domain);
		if (res.err != -EAGAIN)
			break;
	}
	return res;
}

static struct td_res detach(uint64_t domain)
{
	return CALL4(DETACH, iommu, edu.sid, domain);
}

/********** DMA, of 4 bytes: one beat, one fault record */

/*
 * Expectations other than enum pkvm_iommu_fault_reason. QEMU records no fault
 * where it is its cache of translations that refuses, nor beyond the reach of
 * stage 2.
 */
#define OK	(-1)
#define SILENT	(-2)

static uint64_t fault_count(void)
{
	struct pkvm_iommu_test_faults f = { 0 };

	td_faults(&f);
	return f.count;
}

/* The device was refused: the record of it says so. */
static bool faulted(uint64_t before, uint64_t iova, bool write, int reason)
{
	struct pkvm_iommu_test_faults f = { 0 };
	uint64_t info = (uint64_t)reason << 32 | edu.sid |
			(write ? PKVM_IOMMU_FAULT_WRITE : 0);
	bool good;
	int i;

	if (reason == SILENT)
		return true;

	/* The kernel's fault log may lag. */
	for (i = 0; i < 200 && !td_faults(&f) && f.count == before; i++)
		usleep(10000);
	good = f.count > before && f.iommu == iommu;
	/* Direction and address are 0 where they are not known. */
	if (reason == PKVM_IOMMU_FAULT_BLOCKED)
		good = good && (f.info | PKVM_IOMMU_FAULT_WRITE) ==
			       (info | PKVM_IOMMU_FAULT_WRITE) &&
		       (f.address == iova || !f.address);
	else
		good = good && f.info == info && f.address == iova;
	if (!good)
		tap_note("%llu faults, the last: info %#llx address %#llx, expected %#llx %#llx",
			 (ull)(f.count - before), (ull)f.info, (ull)f.address,
			 (ull)info, (ull)iova);
	return good;
}

static uint32_t marker(void)
{
	static uint32_t last = 0x5a000000;

	return ++last;
}

/* One test: the device reads what is in @mem at @iova, or is refused. */
static void dma_reads(uint64_t iova, volatile uint32_t *mem, int expect,
		      const char *name)
{
	uint64_t before = fault_count();
	uint32_t data = marker();
	bool good;

	*mem = data;
	good = !edu_fetch(&edu, iova, 4);
	if (expect == OK)
		good = good && fault_count() == before;
	else
		good = good && faulted(before, iova, false, expect);
	window[2] = data ^ 0xffff;
	if (edu_store(&edu, WINDOW + 8, 4))
		good = false;
	if (window[2] != (expect == OK ? data : 0)) {
		tap_note("the device has %#x of %#x", window[2], data);
		good = false;
	}
	tap_ok(good, "DMA %s: read %s", name, expect == OK ? "works" : "is refused");
}

/* Without the window: what is in the buffer is not what is in memory. */
static void dma_store(uint64_t iova, volatile uint32_t *mem, uint32_t data,
		      int expect, const char *name)
{
	uint64_t before = fault_count();
	uint32_t old = marker();
	bool good;

	*mem = old;
	good = !edu_store(&edu, iova, 4);
	if (expect == OK)
		good = good && fault_count() == before;
	else
		good = good && faulted(before, iova, true, expect);
	if (*mem != (expect == OK ? data : old)) {
		tap_note("memory has %#x, before %#x, the device %#x", *mem, old, data);
		good = false;
	}
	tap_ok(good, "DMA %s: write %s", name, expect == OK ? "works" : "is refused");
}

static void dma_writes(uint64_t iova, volatile uint32_t *mem, int expect,
		       const char *name)
{
	uint32_t data = marker();

	window[0] = data;
	if (edu_fetch(&edu, WINDOW, 4))
		tap_bail("the device does not answer");
	dma_store(iova, mem, data, expect, name);
}

static void dma(uint64_t iova, volatile uint32_t *mem, int expect, const char *name)
{
	dma_reads(iova, mem, expect, name);
	dma_writes(iova, mem, expect, name);
}

/* Identity: no window is needed. */
static void control(const char *when)
{
	uint32_t data = marker();

	page[0] = data;
	page[1] = 0;
	if (!edu_fetch(&edu, phys_of((void *)page), 4))
		edu_store(&edu, phys_of((void *)page) + 4, 4);
	tap_ok(page[1] == data, "DMA works %s", when);
}

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
		if (d != IDENTITY)
			is(CALL4(ATTACH, iommu, edu.sid | 7, d), -ENXIO, 0, 0, "ATTACH");
		unchanged(before, name);
	}
}

static void test_map_arguments(uint64_t phys)
{
	const uint64_t top = -PAGE;	/* the last page of 64 bits */
	const struct {
		uint64_t iova, phys, size, prot;
		int err;
	} bad[] = {
		{ X + 1, phys, PAGE, RW, -EINVAL },
		{ X + PAGE / 2, phys, PAGE, RW, -EINVAL },
		{ X, phys + 1, PAGE, RW, -EINVAL },
		{ X, phys, PAGE + 1, RW, -EINVAL },
		{ X, phys, 1, RW, -EINVAL },
		{ X, phys, ALL_ONES, RW, -EINVAL },
		{ X, phys, 0, RW, -EINVAL },
		{ X, phys, PAGE, 0, -EINVAL },
		{ X, phys, PAGE, RW & ~(READ | WRITE), -EINVAL },
		{ X, phys, PAGE, RW | BIT(5), -EINVAL },
		{ X, phys, PAGE, RW | BIT(32), -EINVAL },
		{ X, phys, PAGE, RW | BIT(63), -EINVAL },
		{ X, phys, PAGE, ALL_ONES, -EINVAL },
		{ limit, phys, PAGE, RW, -ERANGE },
		{ limit - PAGE, phys, 2 * PAGE, RW, -ERANGE },
		{ BIT(63), phys, PAGE, RW, -ERANGE },
		{ top, phys, PAGE, RW, -ERANGE },
		{ top, phys, 2 * PAGE, RW, -ERANGE },
		{ X, phys, limit, RW, -ERANGE },
		{ X, phys, -X, RW, -ERANGE },
		{ X, phys, -X + PAGE, RW, -ERANGE },
		{ X, phys, BIT(63), RW, -ERANGE },
		{ X, phys, top, RW, -ERANGE },
		{ X, limit, PAGE, RW, -ERANGE },
		{ X, limit - PAGE, 2 * PAGE, RW, -ERANGE },
		{ X, BIT(63), PAGE, RW, -ERANGE },
		{ X, top, PAGE, RW, -ERANGE },
		{ X, top, 2 * PAGE, RW, -ERANGE },
	};
	size_t i;

	FOR_EACH(i, bad) {
		struct state before = state();
		char name[96];

		snprintf(name, sizeof(name), "MAP(%#llx, %#llx, %#llx, %#llx)",
			 (ull)bad[i].iova, (ull)bad[i].phys, (ull)bad[i].size,
			 (ull)bad[i].prot);
		is(MAP(a, bad[i].iova, bad[i].phys, bad[i].size, bad[i].prot),
		   bad[i].err, 0, 0, name);
		unchanged(before, name);
	}
	/* What UNMAP and LOOKUP have of the same: all but permissions and phys. */
	FOR_EACH(i, bad) {
		struct state before = state();
		char name[64];

		if (bad[i].phys != phys || bad[i].prot != RW)
			continue;
		snprintf(name, sizeof(name), "UNMAP(%#llx, %#llx)",
			 (ull)bad[i].iova, (ull)bad[i].size);
		is(UNMAP(a, bad[i].iova, bad[i].size), bad[i].err, 0, 0, name);
		unchanged(before, name);
	}
	is(LOOKUP(a, limit), -ERANGE, 0, 0, "LOOKUP at the limit");
	is(LOOKUP(a, BIT(63)), -ERANGE, 0, 0, "LOOKUP of bit 63");
	is(LOOKUP(a, ALL_ONES), -ERANGE, 0, 0, "LOOKUP of all ones");
	is(LOOKUP(a, limit - 1), -ENOTCONN, 0, 0, "LOOKUP below the limit");
	is(UNMAP(a, X, PAGE), 0, PAGE, 0, "UNMAP of nothing");
}

/* Mapped already: also where a range only ends in something mapped. */
static void test_exists(uint64_t phys)
{
	struct td_res res;
	uint64_t mapped;

	if (!map_ok(a, X + PAGE, phys, PAGE, RW, "a page"))
		return;
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
	tap_ok(!res.err && res.x2 == phys + 0x123, "LOOKUP still finds the page");
	/* A hole in front and behind. */
	tap_ok(!unmap(a, X, 3 * PAGE, &mapped) && mapped == PAGE,
	       "UNMAP across holes: x3 is what was mapped");
	is(LOOKUP(a, X + PAGE), -ENOTCONN, 0, 0, "LOOKUP afterwards");
}

/* What -ENOMEM asks for is enough. */
static void test_no_memory(uint64_t phys)
{
	static uint64_t pages[MANY], rest[MANY];
	struct td_res res;
	uint64_t d = 0, far = BIT(34);
	size_t n, n_rest;

	n = drain(pages, 0);
	res = CALL4(DOMAIN_ALLOC, 0, 0, 0);
	if (tap_ok(res.err == -ENOMEM && res.x2 && !res.x3,
		   "DOMAIN_ALLOC with an empty pool: ENOMEM, wants %llu",
		   (ull)res.x2)) {
		topup(res.x2);
		res = CALL4(DOMAIN_ALLOC, 0, 0, 0);
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

/********** memory that is not the host's */

static void refuse_map(uint64_t phys, uint64_t size, const char *what)
{
	struct state before = state();
	char name[96];

	snprintf(name, sizeof(name), "MAP of %s", what);
	is(MAP(a, X, phys, size, RW), -EPERM, 0, 0, name);
	unchanged(before, name);
	snprintf(name, sizeof(name), "MAP of %s, to read", what);
	is(MAP(a, X, phys, size, READ), -EPERM, 0, 0, name);
}

/* A range that begins in host memory: up to there it may be mapped. */
static void refuse_tail(uint64_t start, uint64_t before, const char *what)
{
	uint64_t size = before + PAGE, done, mapped;
	int64_t err = map(a, Y, start - before, size, RW, &done);

	tap_ok(err == -EPERM && done <= before,
	       "MAP of %#llx bytes that end in %s: EPERM, %#llx mapped",
	       (ull)size, what, (ull)done);
	tap_ok(!unmap(a, Y, size, &mapped) && mapped == done,
	       "UNMAP of just that");
}

static void test_refused_memory(void)
{
	static const struct {
		uint64_t kind;
		const char *what;
	} kinds[] = {
		{ PKVM_IOMMU_TEST_RANGE_MMIO, "an IOMMU's registers" },
		{ PKVM_IOMMU_TEST_RANGE_TABLE, "an IOMMU's memory" },
		{ PKVM_IOMMU_TEST_RANGE_POOL, "the pool" },
		{ PKVM_IOMMU_TEST_RANGE_HYP_TEXT, "EL2's text" },
		{ PKVM_IOMMU_TEST_RANGE_HYP_DATA, "EL2's data" },
		{ PKVM_IOMMU_TEST_RANGE_HYP_BSS, "EL2's bss" },
		{ PKVM_IOMMU_TEST_RANGE_CARVEOUT, "EL2's carve-out" },
	};
	struct pkvm_iommu_test_range r;
	size_t i;

	FOR_EACH(i, kinds) {
		char last[64];

		if (!td_range(kinds[i].kind, 0, &r) || !r.size) {
			tap_skip("none here", "MAP of %s", kinds[i].what);
			continue;
		}
		/* The linker aligns EL2's text to less than a page. */
		r.size += r.address % PAGE;
		r.address -= r.address % PAGE;
		refuse_map(r.address, PAGE, kinds[i].what);
		/* In the middle of 3: before and behind may be the host's. */
		refuse_tail(r.address, PAGE, kinds[i].what);
		/* The pool's other pages may be the host's again. */
		if (kinds[i].kind == PKVM_IOMMU_TEST_RANGE_POOL)
			continue;
		snprintf(last, sizeof(last), "the end of %s", kinds[i].what);
		refuse_map((r.address + r.size - 1) / PAGE * PAGE, PAGE, last);
	}
	if (td_range(PKVM_IOMMU_TEST_RANGE_CARVEOUT, 0, &r) && r.size)
		refuse_tail(r.address, 2 * BLOCK, "the carve-out");
}

/* Device memory that is no IOMMU's: the console's. */
static void test_mmio(void)
{
	unsigned long long start, end;
	uint64_t phys = 0;
	char line[160];
	FILE *f = fopen("/proc/iomem", "r");

	while (f && fgets(line, sizeof(line), f))
		if (strstr(line, "pl011") && sscanf(line, " %llx-%llx", &start, &end) == 2)
			phys = start;
	if (f)
		fclose(f);
	if (!phys) {
		tap_skip("no PL011", "MAP of registers");
		return;
	}
	if (map_ok(b, X, phys, PAGE, READ | WRITE | PKVM_IOMMU_PROT_MMIO,
		   "of a device's registers"))
		unmap_ok(b, X, PAGE, "of them");
}

/********** DMA */

static void test_attach(void)
{
	is(attach(a), -EBUSY, 0, 0, "ATTACH to A while it is in identity");
	is(detach(a), -ENOTCONN, 0, 0, "DETACH from A while it is in identity");
	control("in identity");
	is(detach(IDENTITY), 0, 0, 0, "DETACH from identity");
	/* The buffer still holds what control() fetched. */
	dma_store(phys_of((void *)other), other, 0, PKVM_IOMMU_FAULT_BLOCKED,
		  "while detached");
	is(attach(a), 0, 0, 0, "ATTACH to A");
	is(attach(a), -EBUSY, 0, 0, "ATTACH to A again");
	is(attach(b), -EBUSY, 0, 0, "ATTACH to B as well");
	is(attach(IDENTITY), -EBUSY, 0, 0, "ATTACH to identity as well");
	is(detach(b), -ENOTCONN, 0, 0, "DETACH from B");
	is(detach(IDENTITY), -ENOTCONN, 0, 0, "DETACH from identity, again");
}

static void test_dma(void)
{
	uint64_t phys = phys_of((void *)page), top = limit - PAGE;
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

	/* First what is refused: see SILENT. */
	map_ok(a, X, phys, PAGE, READ, "to read");
	dma_writes(X, page, permission, "read-only");
	dma_reads(X, page, OK, "read-only");
	dma_writes(X, page, SILENT, "read-only, when it is cached");
	unmap_ok(a, X, PAGE, "it");
	map_ok(a, X, phys, PAGE, WRITE, "to write");
	/* Stage 1 cannot say "write, but do not read". */
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

/* What changes while the stream is elsewhere has changed when it is back. */
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
	/* B has nothing but the window. */
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

static void test_pins(void)
{
	uint64_t phys = phys_of((void *)page);

	can_donate(phys, true, "that is not mapped");
	map_ok(a, X, phys, PAGE, RW, "in A");
	can_donate(phys, false, "that A maps");
	map_ok(a, Y, phys, PAGE, READ, "in A a second time");
	map_ok(b, X, phys, PAGE, READ, "in B");
	unmap_ok(a, X, PAGE, "in A");
	can_donate(phys, false, "that A still maps once, and B");
	dma_reads(X, page, PKVM_IOMMU_FAULT_UNMAPPED, "to the first address");
	dma_reads(Y, page, OK, "to the second address");
	unmap_ok(a, Y, PAGE, "in A a second time");
	can_donate(phys, false, "that B still maps");
	unmap_ok(b, X, PAGE, "in B");
	can_donate(phys, true, "that is not mapped any more");

	/* The other order: what was donated is not mapped. */
	phys = td_alloc();
	tap_ok(!TOPUP(phys).err, "TOPUP of a page");
	is(MAP(a, X, phys, PAGE, RW), -EPERM, 0, 0, "MAP of it");
	if (!take_back(phys))
		tap_bail("lost a page");
	map_ok(a, X, phys, PAGE, RW, "after RECLAIM of it");
	unmap_ok(a, X, PAGE, "it");
	td_free(phys);
}

#define GUEST_PAGES	8
enum guest_page { CODE, TAKEN, LENT, DYING };

static bool guest_op(struct vm *vm, uint64_t op, size_t n)
{
	uint64_t status;

	return !vm_do(vm, op, n, 1, &status) && !status;
}

/* A page that the host has for the guest, and the guest not yet. */
static void test_guest_takes(struct vm *vm)
{
	volatile uint32_t *mem = (volatile uint32_t *)(vm->mem + TAKEN * PAGE);
	uint64_t phys = vm_phys(vm, TAKEN), status = 1;
	int ret;

	map_ok(a, X, phys, PAGE, RW, "a page that a guest will touch");
	ret = vm_fill(vm, TAKEN, 1);
	if (!tap_ok(ret == -EBUSY, "the guest does not get it: KVM_RUN: %d", ret))
		return;
	/* It is still the host's, for the CPU as well. */
	dma(X, mem, OK, "to it");
	unmap_ok(a, X, PAGE, "it");
	ret = vm_resume(vm, &status);
	tap_ok(!ret && !status, "then the guest gets it: KVM_RUN: %d", ret);
	is(MAP(a, X, phys, PAGE, RW), -EPERM, 0, 0, "MAP of a guest's page");
	is(MAP(a, X, phys, PAGE, READ), -EPERM, 0, 0, "MAP of it to read");
	refuse_tail(phys, PAGE, "a guest's page");
	tap_ok(guest_op(vm, OP_VERIFY, TAKEN), "the guest finds what it wrote");
}

static void test_guest_lends(struct vm *vm)
{
	volatile uint32_t *mem = (volatile uint32_t *)(vm->mem + LENT * PAGE);
	uint64_t phys = vm_phys(vm, LENT), status = 0;

	if (!tap_ok(!vm_fill(vm, LENT, 1) && guest_op(vm, OP_SHARE, LENT),
		    "a guest shares a page"))
		return;
	map_ok(a, X, phys, PAGE, RW, "it");
	dma(X, mem, OK, "to a page that a guest shares");
	tap_ok(!vm_do(vm, OP_UNSHARE, LENT, 1, &status) && status,
	       "the guest cannot unshare it: %#llx", (ull)status);
	dma(X, mem, OK, "to it still");
	unmap_ok(a, X, PAGE, "it");
	tap_ok(guest_op(vm, OP_UNSHARE, LENT), "then it can");
	is(MAP(a, X, phys, PAGE, RW), -EPERM, 0, 0, "MAP of it afterwards");
	tap_ok(!vm_fill(vm, LENT, 1) && guest_op(vm, OP_VERIFY, LENT),
	       "the guest fills it");
	/* Not dma(): the CPU cannot touch the page. */
	window[2] = 0;
	if (!edu_fetch(&edu, X, 4))
		edu_store(&edu, WINDOW + 8, 4);
	tap_ok(!window[2] && guest_op(vm, OP_VERIFY, LENT), "DMA gets nothing of it");
}

/* The guest goes while its page is mapped: the mapping stays, with the host. */
static void test_guest_dies(struct vm *vm)
{
	volatile uint32_t *mem = (volatile uint32_t *)(vm->mem + DYING * PAGE);
	uint64_t phys = vm_phys(vm, DYING);

	tap_ok(!vm_fill(vm, DYING, 1) && guest_op(vm, OP_SHARE, DYING),
	       "a guest shares a page");
	map_ok(a, X, phys, PAGE, RW, "it");
	vm_destroy(vm);
	dma(X, mem, OK, "after the guest's end");
	can_donate(phys, false, "that is mapped, after the guest's end");
	unmap_ok(a, X, PAGE, "it");
	can_donate(phys, true, "that was a guest's");
}

static void test_guests(void)
{
	struct vm vm;
	int ret = vm_start(&vm, true, GUEST_PAGES, 0x5ec2e704);

	if (!tap_ok(!ret, "a protected VM: %s: %d", vm.step, ret))
		return;
	test_guest_takes(&vm);
	test_guest_lends(&vm);
	test_guest_dies(&vm);
	vm_stop(&vm);
}

/********** blocks */

static void huge_pages(const char *nr)
{
	FILE *f = fopen("/proc/sys/vm/nr_hugepages", "w");

	if (f) {
		fputs(nr, f);
		fclose(f);
	}
}

static uint8_t *huge_alloc(void)
{
	void *p;

	huge_pages("1\n");
	p = mmap(NULL, BLOCK, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB | MAP_POPULATE |
		 MAP_LOCKED, -1, 0);
	if (p == MAP_FAILED)
		return NULL;
	memset(p, 0, BLOCK);
	return phys_of(p) % BLOCK ? NULL : p;
}

static void huge_free(uint8_t *huge)
{
	if (huge)
		munmap(huge, BLOCK);
	huge_pages("0\n");
}

static void test_blocks(uint8_t *huge)
{
	volatile uint32_t *first = (volatile uint32_t *)huge;
	volatile uint32_t *last = (volatile uint32_t *)(huge + BLOCK - PAGE);
	uint64_t phys, inside, mapped;
	struct td_res res;

	if (!huge) {
		tap_skip("no huge page", "blocks");
		return;
	}
	phys = phys_of(huge);
	inside = phys + 5 * PAGE;

	res = MAP(a, Z, phys, BLOCK, RW);
	if (res.err == -ENOMEM && topup(res.x3))
		res = MAP(a, Z, phys, BLOCK, RW);
	is(res, 0, BLOCK, 0, "MAP of 2 MiB in one call");
	res = LOOKUP(a, Z + BLOCK - 1);
	tap_ok(!res.err && res.x2 == phys + BLOCK - 1, "LOOKUP of its last byte");
	dma(Z, first, OK, "to its first page");
	dma(Z + BLOCK - PAGE, last, OK, "to its last page");
	dma(Z + BLOCK, last, PKVM_IOMMU_FAULT_UNMAPPED, "behind it");

	is(UNMAP(a, Z, PAGE), -EINVAL, 0, 0, "UNMAP of its first page");
	is(UNMAP(a, Z + BLOCK - PAGE, PAGE), -EINVAL, 0, 0, "UNMAP of its last page");
	is(UNMAP(a, Z + PAGE, BLOCK), -EINVAL, 0, 0, "UNMAP of all but its first page");
	is(UNMAP(a, Z - PAGE, BLOCK), -EINVAL, PAGE, 0,
	   "UNMAP of all but its last page");
	is(MAP(a, Z + PAGE, phys, PAGE, RW), -EEXIST, 0, 0, "MAP inside it");
	dma(Z, first, OK, "to its first page");
	dma(Z + BLOCK - PAGE, last, OK, "to its last page");
	can_donate(phys, false, "at the start of a block");
	can_donate(inside, false, "inside a block");
	can_donate(phys + BLOCK - PAGE, false, "at the end of a block");

	/* The same page as a page: two counts. */
	map_ok(b, X, inside, PAGE, RW, "a page of it in B");
	unmap_ok(a, Z, BLOCK, "the block");
	dma(Z, first, PKVM_IOMMU_FAULT_UNMAPPED, "after UNMAP, to its first page");
	dma(Z + BLOCK - PAGE, last, PKVM_IOMMU_FAULT_UNMAPPED, "and to its last page");
	can_donate(inside, false, "that B still maps");
	can_donate(inside + PAGE, true, "beside it");
	unmap_ok(b, X, PAGE, "in B");
	can_donate(inside, true, "that was in a block");

	/* A hole in the block's memory. */
	tap_ok(!TOPUP(inside).err, "TOPUP of a page of it");
	refuse_tail(inside, 5 * PAGE, "a page that is EL2's");
	res = MAP(a, Z, phys, BLOCK, RW);
	tap_ok(res.err == -EPERM && res.x2 <= inside - phys, "MAP of the block: EPERM");
	tap_ok(!unmap(a, Z, BLOCK, &mapped) && mapped == res.x2, "UNMAP of that");
	if (!take_back(inside))
		tap_bail("lost a page");
	map_ok(a, Z, phys, BLOCK, RW, "of the block after RECLAIM");
	dma(Z + 5 * PAGE, first + 5 * PAGE / 4, OK, "to that page");
	unmap_ok(a, Z, BLOCK, "it");

	/* A table is there already: pages, for all that one can tell. */
	map_ok(a, Z + BLOCK, inside, PAGE, RW, "a page");
	unmap_ok(a, Z + BLOCK, PAGE, "the page");
	map_ok(a, Z + BLOCK, phys, BLOCK, RW, "a block in its place");
	dma(Z + 2 * BLOCK - PAGE, last, OK, "to the block's last page");
	can_donate(inside, false, "in it");
	unmap_ok(a, Z + BLOCK, BLOCK, "the block");
	dma(Z + 2 * BLOCK - PAGE, last, PKVM_IOMMU_FAULT_UNMAPPED, "after UNMAP");
	can_donate(inside, true, "of it");
	/* Not aligned alike: pages, each of which can go by itself. */
	map_ok(a, Z + 3 * BLOCK + PAGE, phys, BLOCK, RW, "of 2 MiB as pages");
	is(UNMAP(a, Z + 3 * BLOCK + 6 * PAGE, PAGE), 0, PAGE, PAGE, "UNMAP of one");
	can_donate(inside, true, "that was unmapped");
	can_donate(inside - PAGE, false, "beside it");
	tap_ok(!unmap(a, Z + 3 * BLOCK, 2 * BLOCK, &mapped) && mapped == BLOCK - PAGE,
	       "UNMAP of the rest");
}

/********** large ranges */

#define LARGE		(8 * BLOCK)

/* 16 MiB that are the host's: whose they are does not matter, no DMA goes there. */
static uint64_t find_large(void)
{
	unsigned long long start, end;
	uint64_t phys = 0, at, done, mapped;
	char line[160];
	FILE *f = fopen("/proc/iomem", "r");

	while (f && !phys && fgets(line, sizeof(line), f)) {
		if (!strstr(line, "System RAM") ||
		    sscanf(line, " %llx-%llx", &start, &end) != 2)
			continue;
		for (at = start; !phys && at + LARGE <= end; at += LARGE) {
			int64_t err = map(b, 0, at, LARGE, READ, &done);

			if (!err)
				phys = at;
			if ((err && err != -EPERM) || unmap(b, 0, LARGE, &mapped) ||
			    mapped != done) {
				tap_ok(false, "MAP of 16 MiB: %lld, %#llx; UNMAP finds %#llx",
				       (long long)err, (ull)done, (ull)mapped);
				break;
			}
		}
	}
	if (f)
		fclose(f);
	return phys;
}

static void test_large(void)
{
	/* Never aligned alike, so that they are all pages. */
	const uint64_t base = BIT(33) + PAGE;
	uint64_t phys = find_large(), done, mapped, holes = 0, i, wrong = 0;
	unsigned int calls = 0;
	struct td_res res;
	int64_t err;

	if (!tap_ok(phys != 0, "16 MiB of host memory"))
		return;
	err = map(b, base, phys, LARGE, READ, &done);
	tap_ok(!err && done == LARGE, "MAP of it: %lld", (long long)err);
	for (i = 0; i < LARGE; i += PAGE) {
		res = LOOKUP(b, base + i);
		wrong += res.err || res.x2 != phys + i;
	}
	tap_ok(!wrong, "LOOKUP of each page: %llu wrong", (ull)wrong);

	for (i = 0; i < LARGE; i += 37 * PAGE, holes += PAGE)
		wrong += UNMAP(b, base + i, PAGE).x3 != PAGE;
	tap_ok(!wrong, "UNMAP of %llu pages", (ull)(holes / PAGE));
	can_donate(phys + PAGE, false, "that is mapped");

	/* From a hole to a hole; what is left is mapped up to where it says. */
	for (done = mapped = 0; done < LARGE + 2 * PAGE; done += res.x2) {
		uint64_t at = base - PAGE + done;

		res = UNMAP(b, at, LARGE + 2 * PAGE - done);
		calls++;
		mapped += res.x3;
		wrong += res.x3 > res.x2;
		if (res.err || !res.x2)
			break;
		for (i = 0; i < res.x2; i += 16 * PAGE)
			wrong += LOOKUP(b, at + i).err != -ENOTCONN;
	}
	tap_ok(!res.err && done == LARGE + 2 * PAGE && mapped == LARGE - holes && !wrong,
	       "UNMAP of the rest: %#llx bytes, %#llx of them mapped, in %u calls",
	       (ull)done, (ull)mapped, calls);
	tap_ok(calls > 1, "the work of a call is bounded");
	/* An address space of nothing much. */
	tap_ok(!unmap(b, 0, limit, &mapped) && !mapped, "UNMAP of everything");
}

#define PINS_MAX	65535

/* More mappings of one page than can be counted. */
static void test_pin_overflow(void)
{
	uint64_t phys = phys_of((void *)page), i, done, mapped;
	int64_t err = 0;

	for (i = 0; i <= PINS_MAX && !err; i++)
		err = map(b, i * PAGE, phys, PAGE, READ, &done);
	tap_ok(err == -EBUSY && i == PINS_MAX + 1,
	       "MAP of a page for the %llu. time: %lld", (ull)i, (long long)err);
	is(LOOKUP(b, PINS_MAX * PAGE), -ENOTCONN, 0, 0, "LOOKUP of that");
	can_donate(phys, false, "with all these mappings");
	err = unmap(b, 0, BIT(30), &mapped);
	tap_ok(!err && mapped == PINS_MAX * PAGE, "UNMAP of all: %lld, %#llx",
	       (long long)err, (ull)mapped);
	can_donate(phys, true, "without them");
}

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
	tap_ok(!memcmp(&before, &after, sizeof(before)),
	       "pool: %llu of %llu pages free before, %llu of %llu after",
	       (ull)before.value[PKVM_IOMMU_INFO_POOL_FREE],
	       (ull)before.value[PKVM_IOMMU_INFO_POOL_TOTAL],
	       (ull)after.value[PKVM_IOMMU_INFO_POOL_FREE],
	       (ull)after.value[PKVM_IOMMU_INFO_POOL_TOTAL]);
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
	/* The stream is still the host's to use. */
	is(attach(IDENTITY), 0, 0, 0, "ATTACH to identity");
	control("in identity again");
	is(detach(IDENTITY), 0, 0, 0, "DETACH from identity");

	/* No translation of the old domain may serve the new one. */
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
 * Tables all over the address space take several calls to free. After the first
 * it is no domain any more, but for the next.
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

/* Which IOMMU has edu's stream. */
static bool find_iommu(void)
{
	for (iommu = 0; iommu < PKVM_IOMMU_MAX; iommu++) {
		struct td_res res = CALL4(ATTACH, iommu, edu.sid, IDENTITY);

		if (res.err == -EBUSY)
			return true;
		if (!res.err)
			CALL4(DETACH, iommu, edu.sid, IDENTITY);
	}
	return false;
}

int main(int argc, char **argv)
{
	uint8_t *mem, *huge;
	uint64_t phys;

	stage1 = argc > 1 && !strcmp(argv[1], "stage1");
	if (td_open() || edu_open(&edu))
		tap_bail("no /dev/pkvm_iommu_test, or no edu device");
	mem = phys_alloc(3);
	huge = huge_alloc();
	if (!mem || !phys_of(mem))
		tap_bail("no memory, or no pagemap");
	window = (volatile uint32_t *)mem;
	page = (volatile uint32_t *)(mem + PAGE);
	other = (volatile uint32_t *)(mem + 2 * PAGE);
	phys = phys_of((void *)page);
	if (td_info(PKVM_IOMMU_INFO_LIMIT, &limit) || !find_iommu())
		tap_bail("not in service, or edu is not in an identity domain");
	limit = BIT(limit);
	control("at the start");

	a = domain_alloc();
	b = domain_alloc();
	if (!tap_ok(a && b && a != b, "two domains: %llu and %llu", (ull)a, (ull)b))
		return tap_done();
	/* So that no refusal is for want of memory. */
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
	test_cycles();

	topup(64);
	test_attach();
	test_dma();
	test_reattach();
	test_pins();
	test_guests();
	topup(64);
	test_blocks(huge);
	test_lifetime();

	is(detach(a), 0, 0, 0, "DETACH at the end");
	is(attach(IDENTITY), 0, 0, 0, "ATTACH to identity at the end");
	control("at the end");
	unmap_ok(a, WINDOW, PAGE, "the window");
	is(domain_free(a), 0, 0, 0, "DOMAIN_FREE of A");
	test_dying(phys);
	huge_free(huge);
	return tap_done();
}
