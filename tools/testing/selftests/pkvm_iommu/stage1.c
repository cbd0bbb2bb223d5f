// SPDX-License-Identifier: GPL-2.0
/* Page tables of a nested domain. */
#include <stddef.h>

#include "phys.h"
#include "stage1.h"
#include "testdev.h"

#define ADDRESS		((1ULL << STAGE1_BITS) - PAGE)

/* Returns the index of the new table, or -1. */
static int table_new(struct stage1 *s1)
{
	uint64_t phys = s1->used < STAGE1_TABLES ? td_alloc() : 0;
	void *mem = phys ? phys_map(phys) : NULL;

	if (!mem) {
		td_free(phys);
		return -1;
	}
	s1->table[s1->used].phys = phys;
	s1->table[s1->used].entries = mem;
	return s1->used++;
}

bool stage1_init(struct stage1 *s1)
{
	s1->used = 0;
	return !table_new(s1);
}

void stage1_free(struct stage1 *s1)
{
	while (s1->used--) {
		phys_unmap((void *)s1->table[s1->used].entries);
		td_free(s1->table[s1->used].phys);
	}
	s1->used = 0;
}

uint64_t stage1_root(const struct stage1 *s1)
{
	return s1->table[0].phys;
}

/* Returns the index of the table that an entry points to, making one if it is empty, or -1. */
static int table_next(struct stage1 *s1, volatile uint64_t *entry)
{
	int i;

	if (!*entry) {
		i = table_new(s1);
		if (i >= 0)
			*entry = s1->table[i].phys | STAGE1_NEXT;
		return i;
	}
	for (i = s1->used - 1; i >= 0; i--)
		if (s1->table[i].phys == (*entry & ADDRESS))
			break;
	return i;
}

/* Size of what an entry of @level leads to, as a shift. */
static unsigned int stage1_shift(int level)
{
	return PAGE_SHIFT + (PAGE_SHIFT - 3) * (STAGE1_LEAF - level);
}

unsigned int stage1_index(uint64_t iova, int level)
{
	return iova >> stage1_shift(level) & (PAGE / 8 - 1);
}

volatile uint64_t *stage1_entry(struct stage1 *s1, uint64_t iova, int level)
{
	volatile uint64_t *entry;
	int i, at = 0;

	for (i = 0;; i++) {
		entry = &s1->table[at].entries[stage1_index(iova, i)];
		if (i == level)
			return entry;
		at = table_next(s1, entry);
		if (at < 0)
			return NULL;
	}
}

bool stage1_init_identity(struct stage1 *s1, unsigned int gib)
{
	/* Only pages of 4 KiB have blocks at two levels, the larger ones of 1 GiB. */
	const int level = STAGE1_LEAF - (PAGE_SHIFT == 12 ? 2 : 1);
	const uint64_t size = 1ULL << stage1_shift(level);
	volatile uint64_t *entry;
	uint64_t at;

	if (!stage1_init(s1))
		return false;
	for (at = 0; at < (uint64_t)gib << 30; at += size) {
		entry = stage1_entry(s1, at, level);
		if (!entry)
			return false;
		*entry = at | STAGE1_BLOCK;
	}
	return true;
}

bool stage1_set(struct stage1 *s1, uint64_t iova, uint64_t entry)
{
	volatile uint64_t *slot = stage1_entry(s1, iova, STAGE1_LEAF);

	if (slot)
		*slot = entry;
	return slot;
}
