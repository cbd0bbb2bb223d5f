/* SPDX-License-Identifier: GPL-2.0 */
#ifndef PHYS_H
#define PHYS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The kernel's page size and its shift; and the size of a block (PMD_SIZE). */
extern uint64_t phys_page;
extern unsigned int phys_shift;
#define PAGE		phys_page
#define PAGE_SHIFT	phys_shift
#define BLOCK		(PAGE / 8 * PAGE)

/* Allocate present, locked anonymous memory; NULL on failure. */
void *phys_alloc(size_t pages);
void phys_free(void *mem, size_t pages);
/* Physical address of @p; 0 if it has none, or this user may not read it. */
uint64_t phys_of(const void *p);
/*
 * 1 GiB of memory in one piece, if the host has set it aside at boot: hugepagesz=1G hugepages=1; or
 * with pages of 64 KiB hugepagesz=512M hugepages=8, two of which have to follow each other.
 */
#define PHYS_GIB_PAGES	16

struct phys_gib {
	void *first, *last;	/* its first and its last page */
	void *mem[PHYS_GIB_PAGES];
};

bool phys_gib_alloc(struct phys_gib *gib);
void phys_gib_free(struct phys_gib *gib);
/* Map a page of memory at its physical address, cached; NULL on failure. */
void *phys_map(uint64_t phys);
void phys_unmap(void *mem);
/* Memory of the host, in KiB, that is free or of a known use; and all other memory. */
long mem_free_kib(void);
long mem_lost_kib(void);
/* Free memory, in KiB, that the kernel can allocate for itself. */
long mem_free_kernel_kib(void);

#endif
