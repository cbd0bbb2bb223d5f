// SPDX-License-Identifier: GPL-2.0
/* The random walk: properties of the machine, and memory of each thread. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "edu.h"
#include "walk.h"

#define COUNT(a)	(sizeof(a) / sizeof((a)[0]))

static void huge_pages(unsigned int nr)
{
	FILE *f = fopen("/proc/sys/vm/nr_hugepages", "w");

	if (f) {
		fprintf(f, "%u\n", nr);
		fclose(f);
	}
}

uint8_t *setup_memory(unsigned int nr)
{
	void *p;

	huge_pages(nr);
	p = mmap(NULL, nr * BLOCK, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB | MAP_POPULATE | MAP_LOCKED, -1, 0);
	if (p == MAP_FAILED)
		return NULL;
	memset(p, 0, nr * BLOCK);
	return p;
}

static void el2_range(struct walker *w, const struct pkvm_iommu_test_range *r)
{
	uint64_t pfn;

	for (pfn = r->address / PAGE; pfn < (r->address + r->size) / PAGE; pfn++) {
		unsigned char *page = spec_page(&w->spec, pfn);

		if (page)
			*page = SPEC_EL2;
	}
	if (r->size && machine.nr_el2 + 2 <= COUNT(machine.el2) && !w->nr) {
		machine.el2[machine.nr_el2++] = r->address & ~(PAGE - 1);
		machine.el2[machine.nr_el2++] = (r->address + r->size - 1) & ~(PAGE - 1);
	}
}

/* Initial state of a thread's specification: ownership of memory, and the IOMMUs. */
static void describe(struct walker *w)
{
	static const uint64_t kinds[] = {
		PKVM_IOMMU_TEST_RANGE_TABLE, PKVM_IOMMU_TEST_RANGE_HYP_TEXT,
		PKVM_IOMMU_TEST_RANGE_HYP_DATA, PKVM_IOMMU_TEST_RANGE_HYP_BSS,
		PKVM_IOMMU_TEST_RANGE_CARVEOUT,
	};
	FILE *f = fopen("/proc/iomem", "r");
	struct pkvm_iommu_test_range r;
	unsigned long long from, to;
	struct spec *s = &w->spec;
	char line[128];
	unsigned int i, n;

	s->state = SPEC_SEALED;
	s->isolated = true;
	s->cpu_bits = machine.reach;
	while (f && fgets(line, sizeof(line), f)) {
		if (line[0] == ' ' || !strstr(line, "System RAM") ||
		    sscanf(line, "%llx-%llx", &from, &to) != 2)
			continue;
		if (s->nr_mem < (int)COUNT(s->mem))
			spec_memory(s, from, to + 1);
	}
	if (f)
		fclose(f);
	for (i = 0; i < COUNT(kinds); i++)
		for (n = 0; td_range(kinds[i], n, &r); n++)
			el2_range(w, &r);
	for (n = 0; td_range(PKVM_IOMMU_TEST_RANGE_MMIO, n, &r); n++) {
		s->iommu[n] = (struct spec_iommu) {
			.base = r.address, .at = r.address, .size = r.size,
			.sid_bits = machine.sid_bits,
			.oas = machine.reach, .isolates = r.size, .has = true,
			.no_tables = !machine.identity, .endpoints = machine.endpoints,
			.limit = td_call(PKVM_IOMMU_INFO, PKVM_IOMMU_INFO_LIMIT, n, 0).x2,
			.geometry = td_call(PKVM_IOMMU_INFO, PKVM_IOMMU_INFO_GEOMETRY, n, 0).x2,
		};
		s->nr_iommus = n + 1;
		if (r.size) {
			machine.regs = r.address;
			machine.regs_size = r.size;
		}
	}
	td_info(PKVM_IOMMU_INFO_POOL_TOTAL, &s->total);
}

/* One more than the highest stream of a PCI device. */
static uint64_t setup_endpoints(void)
{
	DIR *dir = opendir("/sys/bus/pci/devices");
	unsigned int bus, dev, fn;
	uint64_t end = 0, sid;
	struct dirent *d;

	while (dir && (d = readdir(dir))) {
		if (sscanf(d->d_name, "%*x:%x:%x.%x", &bus, &dev, &fn) != 3)
			continue;
		sid = bus << 8 | dev << 3 | fn;
		end = sid < end ? end : sid + 1;
	}
	if (dir)
		closedir(dir);
	return end;
}

uint32_t setup_spare(unsigned int nth)
{
	uint64_t iommu, domain;
	struct edu edu;

	if (machine.identity || edu_open_nth(&edu, nth) ||
	    !td_take_stream(edu.sid, &iommu, &domain))
		return 0;
	return edu.sid;
}

/* Find the range of stream ids: DETACH fails for ids beyond it. */
bool setup_machine(void)
{
	uint64_t id, limit;
	struct td_res res;

	/* More than enough pages for tables, records and counts that EL2 keeps. */
	td_topup(64);
	res = td_call(PKVM_IOMMU_DOMAIN_ALLOC, 0, 0, 0);
	id = res.x2;
	if (res.err || td_info(PKVM_IOMMU_INFO_LIMIT, &limit))
		return false;
	machine.limit = limit;
	/* The memory that an IOMMU without page tables can map does not limit the pool. */
	machine.reach = limit;
	while (machine.reach < 52 &&
	       td_call(PKVM_IOMMU_TOPUP, 1ULL << machine.reach >> PAGE_SHIFT, 1, 0).err == -EPERM)
		machine.reach++;
	while (machine.sid_bits < 32 &&
	       td_call(PKVM_IOMMU_DETACH, 0, 1ULL << machine.sid_bits, id).err == -ENOTCONN)
		machine.sid_bits++;
	machine.identity = td_has_identity(0);
	if (!machine.identity)
		machine.endpoints = setup_endpoints();
	do {
		res = td_call(PKVM_IOMMU_DOMAIN_FREE, id, 0, 0);
	} while (res.err == -EAGAIN);
	return !res.err && machine.sid_bits > 8;
}

void setup_pool(void)
{
	while (!td_call(PKVM_IOMMU_RECLAIM, 0, 0, 0).err)
		;
}

void setup_walker(struct walker *w, uint8_t *mem, uint64_t calls)
{
	uint64_t iommu, domain;
	int i;

	w->chance = machine.seed * 0x2545f4914f6cdd1dULL + w->nr;
	w->todo = calls / machine.threads;
	w->mem = mem;
	for (i = 0; i < 2; i++)
		w->phys[i] = phys_of(mem + i * BLOCK);
	describe(w);
	dma_open(w);
	/* This program uses the stream from here on; the kernel may have it attached. */
	if (w->has_nvme)
		td_take_stream(w->nvme.sid, &iommu, &domain);
	w->spare = setup_spare(w->nr);
	nested_open(w);
	if (machine.weak)
		pool_open(w);
}
