// SPDX-License-Identifier: GPL-2.0
/*
 * Calls and checks that the tests of `domains` consist of.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "domains.h"

struct edu edu;
uint64_t iommu, limit;
bool stage1, identity;
uint64_t home;
uint64_t a, b;		/* the domains; edu is attached to A unless noted */
/* Pages of this program: one to load and show edu's buffer, and two targets of DMA. */
volatile uint32_t *window, *page, *other;

/* Write to a file of the kernel's. */
bool put(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	bool done;

	if (fd < 0)
		return false;
	done = write(fd, text, strlen(text)) == (ssize_t)strlen(text);
	close(fd);
	return done;
}

struct td_res call(uint64_t op, uint64_t arg1, uint64_t arg2, uint64_t arg3, uint64_t arg4,
		   uint64_t arg5)
{
	const uint64_t args[17] = { op, arg1, arg2, arg3, arg4, arg5 };
	struct td_res res = td_raw(PKVM_IOMMU_TEST_FN_CALL, args);

	if (res.x0)
		res.err = TD_BROKEN;
	return res;
}

/* One test: @res is @err, with these results. */
bool is(struct td_res res, int err, uint64_t x2, uint64_t x3, const char *name)
{
	bool good = !res.x0 && res.err == err && res.x2 == x2 && res.x3 == x3;

	if (!good)
		tap_note("x0 %lld x1 %lld x2 %#llx x3 %#llx, expected x1 %d x2 %#llx x3 %#llx",
			 (long long)res.x0, (long long)res.err, (ull)res.x2,
			 (ull)res.x3, err, (ull)x2, (ull)x3);
	return tap_ok(good, "%s: %s", name, err ? strerrorname_np(-err) : "works");
}

struct state state(void)
{
	struct state s;
	int i;

	for (i = 0; i <= PKVM_IOMMU_INFO_LIMIT; i++)
		if (td_info(i, &s.value[i]))
			s.value[i] = ALL_ONES;
	return s;
}

/* One test: a call has changed nothing, and left X unmapped. */
void unchanged(struct state before, const char *name)
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

void same_pool(const struct state *before, const struct state *after)
{
	tap_ok(!memcmp(before, after, sizeof(*before)),
	       "pool: %llu of %llu pages free before, %llu of %llu after",
	       (ull)before->value[PKVM_IOMMU_INFO_POOL_FREE],
	       (ull)before->value[PKVM_IOMMU_INFO_POOL_TOTAL],
	       (ull)after->value[PKVM_IOMMU_INFO_POOL_FREE],
	       (ull)after->value[PKVM_IOMMU_INFO_POOL_TOTAL]);
}

/********** memory for the hypervisor */

/* The kernel leaks the pages. */
bool topup(uint64_t n)
{
	return n <= 64 && td_topup(n);
}

/* Take pages from the pool, up to MANY, or up to the page at @last. */
size_t drain(uint64_t pages[MANY], uint64_t last)
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

/* Take the page at @phys back from the pool, and no other page. */
bool take_back(uint64_t phys)
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
void can_donate(uint64_t phys, bool expect, const char *name)
{
	struct state before = state(), after;
	struct td_res res = TOPUP(phys);

	/* Take it back before this program accesses it. */
	if (!res.err && !take_back(phys))
		tap_bail("lost a page");
	after = state();
	tap_ok(res.err == (expect ? 0 : -EBUSY) &&
	       !memcmp(&before, &after, sizeof(before)),
	       "TOPUP of a page %s: %s", name, expect ? "works" : "EBUSY");
}

/********** a block of this program's memory */

static void huge_pages(const char *nr)
{
	FILE *f = fopen("/proc/sys/vm/nr_hugepages", "w");

	if (f) {
		fputs(nr, f);
		fclose(f);
	}
}

uint8_t *huge_alloc(void)
{
	const int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB | MAP_POPULATE | MAP_LOCKED;
	void *p = mmap(NULL, BLOCK, PROT_READ | PROT_WRITE, flags, -1, 0);

	/* Without one from the boot. */
	if (p == MAP_FAILED) {
		huge_pages("1\n");
		p = mmap(NULL, BLOCK, PROT_READ | PROT_WRITE, flags, -1, 0);
	}
	if (p == MAP_FAILED)
		return NULL;
	memset(p, 0, BLOCK);
	return phys_of(p) % BLOCK ? NULL : p;
}

void huge_free(uint8_t *huge)
{
	if (huge)
		munmap(huge, BLOCK);
	huge_pages("0\n");
}

/********** domains */

uint64_t domain_alloc(void)
{
	struct td_res res = CALL4(DOMAIN_ALLOC, 0, 0, iommu);

	if (res.err == -ENOMEM && topup(res.x2))
		res = CALL4(DOMAIN_ALLOC, 0, 0, iommu);
	if (res.err)
		tap_note("DOMAIN_ALLOC: %lld", (long long)res.err);
	return res.err ? 0 : res.x2;
}

/* Map, giving memory as needed. Returns an errno, and the bytes that are mapped. */
int64_t map(uint64_t domain, uint64_t iova, uint64_t phys, uint64_t size, uint64_t prot,
	    uint64_t *done)
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

/* Unmap in steps. Returns an errno, and the bytes that were mapped. */
int64_t unmap(uint64_t domain, uint64_t iova, uint64_t size, uint64_t *mapped)
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
bool map_ok(uint64_t domain, uint64_t iova, uint64_t phys, uint64_t size, uint64_t prot,
	    const char *name)
{
	uint64_t done;
	int64_t err = map(domain, iova, phys, size, prot, &done);
	struct td_res res = LOOKUP(domain, iova + size - 8);

	return tap_ok(!err && done == size && !res.err && res.x2 == phys + size - 8,
		      "MAP %s: %lld", name, (long long)err);
}

bool unmap_ok(uint64_t domain, uint64_t iova, uint64_t size, const char *name)
{
	uint64_t mapped;
	int64_t err = unmap(domain, iova, size, &mapped);

	return tap_ok(!err && mapped == size &&
		      LOOKUP(domain, iova).err == -ENOTCONN,
		      "UNMAP %s: %lld", name, (long long)err);
}

struct td_res attach(uint64_t domain)
{
	struct td_res res = td_attach(iommu, edu.sid, domain);

	if (res.err == -ENOMEM && topup(res.x2))
		res = td_attach(iommu, edu.sid, domain);
	return res;
}

/* Repeat DOMAIN_FREE until the domain is freed. */
struct td_res domain_free(uint64_t domain)
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

struct td_res detach(uint64_t domain)
{
	return CALL4(DETACH, iommu, edu.sid, domain);
}

/********** DMA, of 4 bytes: one beat, one fault record */

uint64_t fault_count(void)
{
	struct pkvm_iommu_test_faults f = { 0 };

	td_faults(&f);
	return f.count;
}

/* Check the fault record of a refused access. */
bool faulted(uint64_t before, uint64_t iova, bool write, int reason)
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
	/* Such hardware reports less: see domains.c. */
	if (!identity) {
		if (reason == PKVM_IOMMU_FAULT_PERMISSION)
			reason = PKVM_IOMMU_FAULT_UNMAPPED;
		if (reason == PKVM_IOMMU_FAULT_BLOCKED)
			reason = PKVM_IOMMU_FAULT_UNKNOWN;
		info = (uint64_t)reason << 32 | edu.sid;
		f.info &= ~(write ? PKVM_IOMMU_FAULT_WRITE : 0);
	}
	/* Direction and address are 0 if they are unknown. */
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

uint32_t marker(void)
{
	static uint32_t last = 0x5a000000;

	return ++last;
}

/* One test: the device reads the data of @mem at @iova, or is refused. */
void dma_reads(uint64_t iova, volatile uint32_t *mem, int expect, const char *name)
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

/* Without the window: the contents of the buffer differ from those of memory. */
void dma_store(uint64_t iova, volatile uint32_t *mem, uint32_t data, int expect,
	       const char *name)
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

void dma_writes(uint64_t iova, volatile uint32_t *mem, int expect, const char *name)
{
	uint32_t data = marker();

	window[0] = data;
	if (edu_fetch(&edu, WINDOW, 4))
		tap_bail("the device does not answer");
	dma_store(iova, mem, data, expect, name);
}

void dma(uint64_t iova, volatile uint32_t *mem, int expect, const char *name)
{
	dma_reads(iova, mem, expect, name);
	dma_writes(iova, mem, expect, name);
}

/* The identity domain needs no window. ATTACH is refused if it does not exist. */
void control(const char *when)
{
	uint32_t data = marker();

	if (!identity) {
		is(attach(IDENTITY), -EOPNOTSUPP, 0, 0, "ATTACH to identity");
		return;
	}
	page[0] = data;
	page[1] = 0;
	if (!edu_fetch(&edu, phys_of((void *)page), 4))
		edu_store(&edu, phys_of((void *)page) + 4, 4);
	tap_ok(page[1] == data, "DMA works %s", when);
}

/* Open the devices, and attach edu to where it is. */
void begin(void)
{
	uint8_t *mem;

	if (td_open() || edu_open(&edu))
		tap_bail("no /dev/pkvm_iommu_test, or no edu device");
	mem = phys_alloc(3);
	if (!mem || !phys_of(mem))
		tap_bail("no memory, or no pagemap");
	window = (volatile uint32_t *)mem;
	page = (volatile uint32_t *)(mem + PAGE);
	other = (volatile uint32_t *)(mem + 2 * PAGE);
	if (!td_take_stream(edu.sid, &iommu, &home))
		tap_bail("not in service, or edu is behind no IOMMU");
	limit = BIT(CALL4(INFO, PKVM_IOMMU_INFO_LIMIT, iommu, 0).x2);
	identity = td_has_identity(iommu);
	if (identity && home != IDENTITY)
		tap_bail("edu is not in identity, though it exists");
	if (attach(home).err)
		tap_bail("edu cannot be attached to where it was");
	control("at the start");
}
