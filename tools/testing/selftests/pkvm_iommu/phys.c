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
