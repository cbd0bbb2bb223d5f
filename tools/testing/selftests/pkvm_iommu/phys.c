// SPDX-License-Identifier: GPL-2.0
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "phys.h"

/* Documentation/admin-guide/mm/pagemap.rst */
#define PAGEMAP_PRESENT	(1ULL << 63)
#define PAGEMAP_PFN	((1ULL << 55) - 1)

#define GIB		(1UL << 30)

uint64_t phys_page;
unsigned int phys_shift;

static void __attribute__((constructor)) phys_init(void)
{
	phys_page = sysconf(_SC_PAGESIZE);
	phys_shift = __builtin_ctzl(phys_page);
}

void *phys_alloc(size_t pages)
{
	void *p = mmap(NULL, pages * PAGE, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_LOCKED | MAP_POPULATE,
		       -1, 0);

	if (p == MAP_FAILED)
		return NULL;
	/* Only a written page is allocated; others are the zero page. */
	memset(p, 0, pages * PAGE);
	return p;
}

void phys_free(void *mem, size_t pages)
{
	if (mem)
		munmap(mem, pages * PAGE);
}

uint64_t phys_of(const void *p)
{
	uint64_t entry = 0;
	int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return 0;
	if (pread(fd, &entry, sizeof(entry),
		  (uintptr_t)p / PAGE * sizeof(entry)) != sizeof(entry))
		entry = 0;
	close(fd);
	if (!(entry & PAGEMAP_PRESENT) || !(entry & PAGEMAP_PFN))
		return 0;
	return (entry & PAGEMAP_PFN) * PAGE + (uintptr_t)p % PAGE;
}

static size_t gib_part(void)
{
	return PAGE_SHIFT == 16 ? BLOCK : GIB;
}

bool phys_gib_alloc(struct phys_gib *gib)
{
	const size_t size = gib_part();
	void *low, *high, *new;
	size_t i, n;

	*gib = (struct phys_gib){ 0 };
	for (n = 0; n < PHYS_GIB_PAGES; n++) {
		new = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS |
			   MAP_HUGETLB | __builtin_ctzl(size) << MAP_HUGE_SHIFT, -1, 0);
		if (new == MAP_FAILED)
			return false;
		*(volatile uint8_t *)new = 0;
		gib->mem[n] = new;
		for (i = 0; i <= n; i++) {
			low = phys_of(gib->mem[i]) < phys_of(new) ? gib->mem[i] : new;
			high = low == new ? gib->mem[i] : new;
			gib->first = low;
			gib->last = (uint8_t *)high + size - PAGE;
			if (!(phys_of(low) % GIB) &&
			    phys_of(gib->last) == phys_of(low) + GIB - PAGE)
				return true;
		}
	}
	return false;
}

void phys_gib_free(struct phys_gib *gib)
{
	size_t n;

	for (n = 0; n < PHYS_GIB_PAGES && gib->mem[n]; n++)
		munmap(gib->mem[n], gib_part());
}

void *phys_map(uint64_t phys)
{
	int fd = open("/dev/mem", O_RDWR | O_CLOEXEC);
	void *mem;

	if (fd < 0)
		return NULL;
	mem = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, phys);
	close(fd);
	return mem == MAP_FAILED ? NULL : mem;
}

void phys_unmap(void *mem)
{
	munmap(mem, PAGE);
}

/* The sum of the values of all lines "key: value" with one of @keys. */
static long sum_keys(const char *file, const char * const *keys, long unit)
{
	char line[160], key[64];
	long value, sum = 0;
	FILE *f = fopen(file, "r");
	size_t i;

	while (f && fgets(line, sizeof(line), f)) {
		if (sscanf(line, " %63[^:]: %ld", key, &value) != 2)
			continue;
		for (i = 0; keys[i]; i++)
			if (!strcmp(key, keys[i]))
				sum += value * unit;
	}
	if (f)
		fclose(f);
	return sum;
}

/*
 * Free memory, and memory of caches that come and go. /proc/zoneinfo has the counts of
 * the CPUs' lists of free pages.
 */
long mem_free_kib(void)
{
	static const char * const known[] = {
		"MemFree", "Buffers", "Cached", "Slab", "KernelStack",
		"PageTables", "SecPageTables", "AnonPages", "Percpu",
		"VmallocUsed", NULL
	};
	static const char * const lists[] = { "count", NULL };

	/* Much is freed only after an RCU grace period. */
	usleep(300000);
	return sum_keys("/proc/meminfo", known, 1) +
	       sum_keys("/proc/zoneinfo", lists, PAGE / 1024);
}

long mem_lost_kib(void)
{
	static const char * const total[] = { "MemTotal", NULL };

	return sum_keys("/proc/meminfo", total, 1) - mem_free_kib();
}

long mem_free_kernel_kib(void)
{
	char line[160], zone[16] = "";
	long free, sum = 0;
	FILE *f = fopen("/proc/zoneinfo", "r");

	while (f && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "Node %*d, zone %15s", zone) == 1)
			continue;
		if (sscanf(line, " pages free %ld", &free) == 1 && strcmp(zone, "Movable"))
			sum += free * (long)(PAGE / 1024);
	}
	if (f)
		fclose(f);
	return sum;
}
