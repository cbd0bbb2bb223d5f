// SPDX-License-Identifier: GPL-2.0
/*
 * Memory that appears after boot: blocks of memory that are there, but offline. The program
 * puts most of them online for pages that can be moved, so that it gets such pages itself, and
 * the last one for the kernel. Devices reach this memory, in the identity domain, in a managed
 * and in a nested one. pKVM does not know it, so it can be given neither to EL2 nor to a
 * protected VM. Afterwards the kernel has it: run this program last. TAP.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "domains.h"
#include "stage1.h"
#include "vm.h"

#define BLOCKS_MAX	64
#define GUEST_PAGES	8
#define MEMORY		"/sys/devices/system/memory/"

static struct stage1 tables;
static unsigned int blocks[BLOCKS_MAX], nr_blocks;
static uint64_t block_size;

/* Reads a line without its end. */
static bool get(const char *path, char *line, size_t size)
{
	FILE *f = fopen(path, "r");
	bool done = f && fgets(line, size, f);

	if (f)
		fclose(f);
	if (done)
		line[strcspn(line, "\n")] = 0;
	return done;
}

static void find_blocks(void)
{
	char path[96], line[32];
	unsigned int i;

	if (!get(MEMORY "block_size_bytes", line, sizeof(line)))
		tap_bail("memory does not appear after boot");
	block_size = strtoull(line, NULL, 16);
	for (i = 0; i < 4096 && nr_blocks < BLOCKS_MAX; i++) {
		snprintf(path, sizeof(path), MEMORY "memory%u/state", i);
		if (get(path, line, sizeof(line)) && !strcmp(line, "offline"))
			blocks[nr_blocks++] = i;
	}
}

static bool put_online(unsigned int block, const char *how)
{
	char path[96];

	snprintf(path, sizeof(path), MEMORY "memory%u/state", block);
	return put(path, how);
}

/* Check that this is memory that appeared after boot. */
static bool is_new(uint64_t phys)
{
	unsigned int i;

	for (i = 0; i < nr_blocks; i++)
		if (phys / block_size == blocks[i])
			return true;
	return false;
}

/* One test: the device copies 4 KiB of a page to another. */
static void copies(uint64_t from, volatile uint32_t *source, uint64_t to,
		   volatile uint32_t *target, const char *name)
{
	size_t i, wrong = 0;

	for (i = 0; i < EDU_MAX / 4; i++) {
		source[i] = marker();
		target[i] = 0;
	}
	if (edu_fetch(&edu, from, EDU_MAX) || edu_store(&edu, to, EDU_MAX))
		tap_bail("the device does not answer");
	for (i = 0; i < EDU_MAX / 4; i++)
		wrong += target[i] != source[i];
	tap_ok(!wrong, "%s: the device copies 4 KiB, %zu words are wrong", name, wrong);
}

static void test_identity(void)
{
	uint64_t faults = fault_count();

	is(attach(home), 0, 0, 0, "ATTACH to identity");
	copies(phys_of((void *)page), page, phys_of((void *)other), other, "identity");
	tap_ok(fault_count() == faults, "identity: no fault");
	is(detach(home), 0, 0, 0, "DETACH");
}

static void test_managed(void)
{
	uint64_t phys = phys_of((void *)page);
	uint8_t *huge;

	is(attach(a), 0, 0, 0, "ATTACH to a managed domain");
	map_ok(a, WINDOW, phys_of((void *)window), PAGE, RW, "of the window");
	map_ok(a, X, phys, PAGE, RW, "of a page");
	map_ok(a, Y, phys_of((void *)other), PAGE, RW, "of another page");
	dma(X, page, OK, "to it");
	copies(X, page, Y, other, "managed");
	is(TOPUP(phys), -EPERM, 0, 0, "TOPUP of it");
	unmap_ok(a, X, PAGE, "of it");
	dma(X, page, PKVM_IOMMU_FAULT_UNMAPPED, "to it after UNMAP");
	is(TOPUP(phys), -EPERM, 0, 0, "TOPUP of it, not mapped");
	unmap_ok(a, Y, PAGE, "of the other page");

	huge = huge_alloc();
	if (huge && is_new(phys_of(huge))) {
		volatile uint32_t *last = (volatile uint32_t *)(huge + BLOCK - PAGE);

		is(MAP(a, Z, phys_of(huge), BLOCK, RW), 0, BLOCK, 0, "MAP of a block");
		copies(Z, (volatile uint32_t *)huge, Z + BLOCK - PAGE, last, "block");
		unmap_ok(a, Z, BLOCK, "of the block");
	} else {
		tap_skip("no huge page there", "a block");
	}
	huge_free(huge);
	is(detach(a), 0, 0, 0, "DETACH");
}

/*
 * Movable pages that a VM uses are moved to memory of the kernel's, which pKVM knows: the
 * guest touches all of its pages but the last.
 */
static void test_guest(struct vm *vm)
{
	size_t i, nr_new = 0;
	int ret;

	ret = vm_start(vm, true, GUEST_PAGES, 0x5ec2e704);
	if (!tap_ok(!ret, "a protected VM: %s: %d", vm->step, ret))
		return;
	tap_ok(is_new(vm_phys(vm, GUEST_PAGES - 1)), "its memory is there");
	ret = vm_fill(vm, 1, GUEST_PAGES - 2);
	for (i = 0; i < GUEST_PAGES - 1; i++)
		nr_new += is_new(vm_phys(vm, i));
	tap_ok(!ret && !nr_new, "its guest gets none of it: KVM_RUN: %d, %zu pages", ret, nr_new);
}

/* The last page is moved to new memory, because the kernel prefers that now. */
static void test_guest_refused(struct vm *vm)
{
	uint64_t status;
	int ret;

	ret = vm_fill(vm, GUEST_PAGES - 1, 1);
	tap_ok(ret == -EPERM && is_new(vm_phys(vm, GUEST_PAGES - 1)),
	       "a guest does not get such a page: KVM_RUN: %d", ret);
	tap_ok(vm_resume(vm, &status), "not when asked again, either");
	vm_stop(vm);
}

static void set(uint64_t iova, uint64_t entry)
{
	if (!stage1_set(&tables, iova, entry))
		tap_bail("no memory for tables");
}

/* The tables of the host are in this memory, too: devices find them by the identity domain. */
static void test_nested(void)
{
	struct td_res res = CALL4(INFO, PKVM_IOMMU_INFO_NESTED, iommu, 0);
	uint64_t n;

	if (res.err || !res.x2) {
		tap_skip("the IOMMU does not nest", "nested");
		return;
	}
	if (!stage1_init(&tables))
		tap_bail("no memory for tables");
	set(X, phys_of((void *)page) | STAGE1_PAGE);
	set(Y, phys_of((void *)other) | STAGE1_PAGE);
	tap_ok(is_new(stage1_root(&tables)), "nested: the root table is in this memory");
	res = CALL4(DOMAIN_ALLOC, PKVM_IOMMU_DOMAIN_NESTED, stage1_root(&tables), iommu);
	n = res.x2;
	if (!tap_ok(!res.err, "DOMAIN_ALLOC of a nested domain: %lld", (long long)res.err))
		return;
	is(attach(n), 0, 0, 0, "ATTACH to it");
	copies(X, page, Y, other, "nested");
	is(detach(n), 0, 0, 0, "DETACH");
	is(FREE(n), 0, 0, 0, "DOMAIN_FREE");
	for (n = 0; n < tables.used; n++)
		phys_unmap((void *)tables.table[n].entries);
}

/* The frontend gives EL2 pages for a domain; the kernel prefers the new memory. */
static void test_frontend(void)
{
	static uint64_t pages[MANY];
	char path[96];

	is(attach(home), 0, 0, 0, "ATTACH to where it was");
	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/iommu_group/type", edu.name);
	drain(pages, 0);
	tap_ok(put(path, "DMA"), "the pool is empty: a DMA domain is made all the same");
	tap_ok(put(path, "identity"), "and ends");
}

int main(void)
{
	unsigned int i, online = 0;
	uint64_t phys;
	struct vm vm;
	uint8_t *mem;

	begin();
	find_blocks();
	if (!tap_ok(nr_blocks > 1, "%u blocks of memory are offline", nr_blocks))
		return tap_done();
	is(detach(home), 0, 0, 0, "DETACH from where it was");
	a = domain_alloc();
	if (!tap_ok(a && home == IDENTITY, "a domain, and edu is in identity"))
		return tap_done();
	topup(64);

	for (i = 0; i < nr_blocks - 1; i++)
		online += put_online(blocks[i], "online_movable");
	tap_ok(online == nr_blocks - 1, "%u blocks are put online", online);
	mem = phys_alloc(3);
	if (!tap_ok(mem && is_new(phys_of(mem)) && is_new(phys_of(mem + PAGE)) &&
		    is_new(phys_of(mem + 2 * PAGE)), "this program has pages there"))
		return tap_done();
	window = (volatile uint32_t *)mem;
	page = (volatile uint32_t *)(mem + PAGE);
	other = (volatile uint32_t *)(mem + 2 * PAGE);
	test_identity();
	test_managed();
	test_guest(&vm);

	tap_ok(put_online(blocks[nr_blocks - 1], "online_kernel"),
	       "the last block is put online for the kernel");
	phys = td_alloc();
	if (!tap_ok(is_new(phys), "the kernel has a page there"))
		return tap_done();
	is(TOPUP(phys), -EPERM, 0, 0, "TOPUP of it");
	test_guest_refused(&vm);
	test_nested();
	test_frontend();
	return tap_done();
}
