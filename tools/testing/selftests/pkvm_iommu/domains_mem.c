// SPDX-License-Identifier: GPL-2.0
/*
 * Part of `domains`: memory that can be mapped, and changes of its owner.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "domains.h"
#include "vm.h"

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

/* A range that begins in host memory: that part may be mapped. */
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

void test_refused_memory(void)
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
		/* The second of 3 pages; the host may own the first and the last. */
		refuse_tail(r.address, PAGE, kinds[i].what);
		/* The host may own the other pages of the pool again. */
		if (kinds[i].kind == PKVM_IOMMU_TEST_RANGE_POOL)
			continue;
		snprintf(last, sizeof(last), "the end of %s", kinds[i].what);
		refuse_map((r.address + r.size - 1) / PAGE * PAGE, PAGE, last);
	}
	if (td_range(PKVM_IOMMU_TEST_RANGE_CARVEOUT, 0, &r) && r.size)
		refuse_tail(r.address, 2 * BLOCK, "the carve-out");
}

/* MMIO that belongs to no IOMMU: the console. */
void test_mmio(void)
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

void test_pins(void)
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

	/* The other order: a donated page cannot be mapped. */
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

/* A page of the VM that the guest has not accessed yet. */
static void test_guest_takes(struct vm *vm)
{
	volatile uint32_t *mem = (volatile uint32_t *)(vm->mem + TAKEN * PAGE);
	uint64_t phys = vm_phys(vm, TAKEN), status = 1;
	int ret;

	map_ok(a, X, phys, PAGE, RW, "a page that a guest will touch");
	ret = vm_fill(vm, TAKEN, 1);
	if (!tap_ok(ret == -EBUSY, "the guest does not get it: KVM_RUN: %d", ret))
		return;
	/* The host still owns it: the CPU can access it too. */
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
	/* Not dma(): the CPU cannot access the page. */
	window[2] = 0;
	if (!edu_fetch(&edu, X, 4))
		edu_store(&edu, WINDOW + 8, 4);
	tap_ok(!window[2] && guest_op(vm, OP_VERIFY, LENT), "DMA gets nothing of it");
}

/* The guest ends while its page is mapped: the mapping stays, the host owns the page. */
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

void test_guests(void)
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

void test_blocks(uint8_t *huge)
{
	volatile uint32_t *first = (volatile uint32_t *)huge;
	volatile uint32_t *last = (volatile uint32_t *)(huge + BLOCK - PAGE);
	uint64_t phys, inside, mapped;
	struct td_res res;

	if (!huge || !RUN_HAS_BLOCK) {
		tap_skip(huge ? "a run has no blocks" : "no huge page", "blocks");
		return;
	}
	phys = phys_of(huge);
	inside = phys + 5 * PAGE;

	res = MAP(a, Z, phys, BLOCK, RW);
	if (res.err == -ENOMEM && topup(res.x3))
		res = MAP(a, Z, phys, BLOCK, RW);
	is(res, 0, BLOCK, 0, "MAP of a block in one call");
	is(LOOKUP(a, Z + BLOCK - 1), 0, phys + BLOCK - 1, 1, "LOOKUP of its last byte");
	is(LOOKUP(a, Z + 5 * PAGE), 0, inside, BLOCK - 5 * PAGE, "LOOKUP of its sixth page");
	dma(Z, first, OK, "to its first page");
	dma(Z + BLOCK - PAGE, last, OK, "to its last page");
	dma(Z + BLOCK, last, PKVM_IOMMU_FAULT_UNMAPPED, "behind it");

	is(UNMAP(a, Z, PAGE), -EINVAL, 0, 0, "UNMAP of its first page");
	is(UNMAP(a, Z + BLOCK - PAGE, PAGE), -EINVAL, 0, 0, "UNMAP of its last page");
	is(UNMAP(a, Z + PAGE, BLOCK), -EINVAL, 0, 0, "UNMAP of all but its first page");
	is(UNMAP(a, Z - PAGE, BLOCK), -EINVAL, identity ? PAGE : 0, 0,
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

	/* There is a table already: a block replaces it, or pages are mapped. */
	map_ok(a, Z + BLOCK, inside, PAGE, RW, "a page");
	unmap_ok(a, Z + BLOCK, PAGE, "the page");
	map_ok(a, Z + BLOCK, phys, BLOCK, RW, "a block in its place");
	dma(Z + 2 * BLOCK - PAGE, last, OK, "to the block's last page");
	can_donate(inside, false, "in it");
	unmap_ok(a, Z + BLOCK, BLOCK, "the block");
	dma(Z + 2 * BLOCK - PAGE, last, PKVM_IOMMU_FAULT_UNMAPPED, "after UNMAP");
	can_donate(inside, true, "of it");
	/* Different alignment: pages, each of which can be unmapped if tables are walked. */
	map_ok(a, Z + 3 * BLOCK + PAGE, phys, BLOCK, RW, "of a block as pages");
	is(UNMAP(a, Z + 3 * BLOCK + 6 * PAGE, PAGE), identity ? 0 : -EINVAL,
	   identity ? PAGE : 0, identity ? PAGE : 0, "UNMAP of one");
	can_donate(inside, identity, "in it");
	can_donate(inside - PAGE, false, "beside it");
	tap_ok(!unmap(a, Z + 3 * BLOCK, 2 * BLOCK, &mapped) &&
	       mapped == BLOCK - (identity ? PAGE : 0), "UNMAP of the rest");
}

/* 1 GiB as one run: a block with pages of 4 KiB, 32 or 2 blocks with larger ones. */
void test_gib(void)
{
	const uint64_t inside[] = { 0, GIB / 4 + 7 * PAGE, GIB - PAGE };
	const uint64_t block = PAGE_SHIFT == 12 ? GIB : BLOCK, at = 2 * Z;
	/* One call makes 16 blocks of a run. */
	const uint64_t part = GIB / block > 16 ? 16 * block : GIB;
	volatile uint32_t *first, *last;
	struct phys_gib gib;
	uint64_t phys, mapped;
	size_t i;

	if (!phys_gib_alloc(&gib)) {
		tap_skip("no 1 GiB in one piece", "MAP of 1 GiB");
		goto out;
	}
	first = gib.first;
	last = gib.last;
	phys = phys_of(gib.first);
	is(call(PKVM_IOMMU_MAP, a, at, RW, PKVM_IOMMU_RUN_GIB(phys), 0), 0, part, 0,
	   "MAP of 1 GiB");
	if (part < GIB)
		map_ok(a, at + part, phys + part, GIB - part, RW, "of the rest of it");
	is(LOOKUP(a, at + 8), 0, phys + 8, block - 8, "LOOKUP finds one block");
	dma(at, first, OK, "to its first page");
	dma(at + GIB - PAGE, last, OK, "to its last page");
	FOR_EACH(i, inside)
		can_donate(phys + inside[i], false, "in 1 GiB");
	is(UNMAP(a, at, block / 2), -EINVAL, 0, 0, "UNMAP of half a block");
	is(UNMAP(a, at + part - PAGE, PAGE), -EINVAL, 0, 0, "UNMAP of the end");
	tap_ok(!unmap(a, at, GIB, &mapped) && mapped == GIB, "UNMAP of 1 GiB");
	dma(at, first, PKVM_IOMMU_FAULT_UNMAPPED, "after UNMAP, to its first page");
	dma(at + GIB - PAGE, last, PKVM_IOMMU_FAULT_UNMAPPED, "and to its last page");
	FOR_EACH(i, inside)
		can_donate(phys + inside[i], true, "of it");
out:
	phys_gib_free(&gib);
}

/********** large ranges */

#define LARGE		(4096 * PAGE)

/* 4096 pages of the host's memory. Their contents do not matter: there is no DMA to it. */
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
				tap_ok(false, "MAP of 4096 pages: %lld, %#llx; UNMAP finds %#llx",
				       (long long)err, (ull)done, (ull)mapped);
				break;
			}
		}
	}
	if (f)
		fclose(f);
	return phys;
}

void test_large(void)
{
	/* Different alignment, so that all are mapped as pages; and longer than one run. */
	const uint64_t base = BIT(33) + PAGE;
	uint64_t phys = find_large(), done, mapped, holes = 0, i, wrong = 0;
	unsigned int calls = 0;
	struct td_res res = { 0 };
	int64_t err = 0;

	if (!tap_ok(phys != 0, "4096 pages of host memory"))
		return;
	if (identity)
		err = map(b, base, phys, LARGE, READ, &done);
	else	/* Page by page, so that they can be unmapped so. */
		for (done = 0; done < LARGE && !err; done += mapped)
			err = map(b, base + done, phys + done, PAGE, READ, &mapped);
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

	/* Unmap from hole to hole; each call returns how far it came. */
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
	/* An almost empty address space. */
	tap_ok(!unmap(b, 0, limit, &mapped) && !mapped, "UNMAP of everything");
}

#define PINS_MAX	PKVM_IOMMU_PINS_MAX

/* More mappings of one page than can be counted. */
void test_pin_overflow(void)
{
	uint64_t phys = phys_of((void *)page), i, done, mapped;
	int64_t err = 0;

	for (i = 0; i <= PINS_MAX && !err; i++)
		err = map(b, i * PAGE, phys, PAGE, READ, &done);
	tap_ok(err == -EBUSY && i == PINS_MAX + 1,
	       "MAP of a page for the %llu. time: %lld", (ull)i, (long long)err);
	is(LOOKUP(b, PINS_MAX * PAGE), -ENOTCONN, 0, 0, "LOOKUP of that");
	can_donate(phys, false, "with all these mappings");
	err = unmap(b, 0, PINS_MAX * PAGE, &mapped);
	tap_ok(!err && mapped == PINS_MAX * PAGE, "UNMAP of all: %lld, %#llx",
	       (long long)err, (ull)mapped);
	can_donate(phys, true, "without them");
}
