/* SPDX-License-Identifier: GPL-2.0 */
#ifndef STAGE1_H
#define STAGE1_H

#include <stdbool.h>
#include <stdint.h>

#include "phys.h"

/*
 * Page tables of a nested domain, in memory of the host: 4 levels of pages of 4 or 16 KiB, or
 * 3 levels of 64 KiB, with entries as drivers/iommu/io-pgtable-arm.c writes them for a DMA API
 * user. Everything that this program writes takes effect without a call, as far as the IOMMU has
 * not cached it.
 */
#define STAGE1_BITS	48
/* Levels count from the root, which has what is left of the address. */
#define STAGE1_LEAF	((STAGE1_BITS - 4) / ((int)PAGE_SHIFT - 3) - 1)
#define STAGE1_TABLES	128

/* Types of entries; other fields: nG, AF, inner shareable, EL0, cacheable memory. */
#define STAGE1_NEXT	3ULL
#define STAGE1_PAGE	(0xf44ULL | 3)
#define STAGE1_BLOCK	(0xf44ULL | 1)
#define STAGE1_READONLY	(1ULL << 7)

struct stage1 {
	unsigned int used;
	/* The first one is the root. */
	struct {
		uint64_t phys;
		volatile uint64_t *entries;
	} table[STAGE1_TABLES];
};

/* Make an empty root table. */
bool stage1_init(struct stage1 *s1);
/* Free all tables, except those that are no longer the host's. */
void stage1_free(struct stage1 *s1);
uint64_t stage1_root(const struct stage1 *s1);
/* Index of @iova in a table of @level. */
unsigned int stage1_index(uint64_t iova, int level);
/* Entry of @iova at @level, from 0 to STAGE1_LEAF. Makes the tables above it; NULL: no memory. */
volatile uint64_t *stage1_entry(struct stage1 *s1, uint64_t iova, int level);
/* Make tables that lead from each address below @gib GiB to the same, by blocks. */
bool stage1_init_identity(struct stage1 *s1, unsigned int gib);
/* Write the entry of a page. */
bool stage1_set(struct stage1 *s1, uint64_t iova, uint64_t entry);

#endif
