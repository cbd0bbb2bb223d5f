/* SPDX-License-Identifier: GPL-2.0 */
#ifndef PHYS_H
#define PHYS_H

#include <stddef.h>
#include <stdint.h>

#define PAGE 4096UL

/* Allocate present, locked anonymous memory; NULL on failure. */
void *phys_alloc(size_t pages);
void phys_free(void *mem, size_t pages);
/* Physical address of @p; 0 if it has none, or this user may not read it. */
uint64_t phys_of(const void *p);
/* Map a page of memory at its physical address, cached; NULL on failure. */
void *phys_map(uint64_t phys);
void phys_unmap(void *mem);
/* Memory of the host, in KiB, that is free or of a known use; and all other memory. */
long mem_free_kib(void);
long mem_lost_kib(void);
/* Free memory, in KiB, that the kernel can allocate for itself. */
long mem_free_kernel_kib(void);

#endif
