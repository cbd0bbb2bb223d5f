/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Translation cache of a paging domain.
 *
 * The DMA API looks up the physical address of each mapping before it unmaps it.
 * The cache answers for the pages that were mapped most recently; all others
 * take a hypercall. A page has one slot, which holds one translation, or 0:
 *
 *   63      62             36 35            0
 *   valid   rest of the IOVA   physical PFN
 *
 * A translation that does not fit, because of a high address, is not cached.
 *
 * No locks: slots are read and written with single accesses, and users of the
 * IOMMU API do not look up, map and unmap the same page at the same time. A
 * range is removed before EL2 unmaps it.
 *
 * Inline, because these are on the path of every map and unmap. Callers: batch.c
 * and domain.c.
 */
#ifndef __PKVM_IOMMU_CACHE_H
#define __PKVM_IOMMU_CACHE_H

#include <linux/bitfield.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/pfn.h>
#include <linux/unroll.h>

#include "core.h"

#define CACHE_VALID		BIT_ULL(63)
#define CACHE_TAG		GENMASK_ULL(62, 36)
#define CACHE_PFN		GENMASK_ULL(35, 0)

static inline u64 *cache_slot(struct pkvm_paging_domain *paging, u64 iova)
{
	return paging->cache + (iova >> PAGE_SHIFT) % PKVM_IOMMU_CACHE_SLOTS;
}

/* Returns the upper half of the slot of an address, or 0 if the address does not fit. */
static inline u64 cache_tag(u64 iova)
{
	u64 tag = iova >> (PAGE_SHIFT + PKVM_IOMMU_CACHE_BITS);

	return FIELD_FIT(CACHE_TAG, tag) ? CACHE_VALID | FIELD_PREP(CACHE_TAG, tag) : 0;
}

static inline void cache_add(struct pkvm_paging_domain *paging, u64 iova, u64 phys)
{
	u64 tag = cache_tag(iova), pfn = phys >> PAGE_SHIFT;

	if (tag && FIELD_FIT(CACHE_PFN, pfn))
		WRITE_ONCE(*cache_slot(paging, iova), tag | FIELD_PREP(CACHE_PFN, pfn));
}

/* Returns the physical address, or 0 if it is not cached. */
static inline phys_addr_t cache_lookup(struct pkvm_paging_domain *paging, u64 iova)
{
	u64 entry = READ_ONCE(*cache_slot(paging, iova));

	if (!entry || (entry & ~CACHE_PFN) != cache_tag(iova))
		return 0;

	return PFN_PHYS(FIELD_GET(CACHE_PFN, entry)) + offset_in_page(iova);
}

static inline void cache_clear(u64 *slot, size_t n)
{
	unrolled_count(8)
	while (n--)
		WRITE_ONCE(*slot++, 0);
}

/* Remove a range that is about to be unmapped. */
static inline void cache_forget(struct pkvm_paging_domain *paging, u64 iova, size_t size)
{
	u64 *slot = cache_slot(paging, iova);
	size_t n = min(size >> PAGE_SHIFT, PKVM_IOMMU_CACHE_SLOTS);
	size_t first = min_t(size_t, n, paging->cache + PKVM_IOMMU_CACHE_SLOTS - slot);

	if (n == 1) {
		WRITE_ONCE(*slot, 0);
		return;
	}
	cache_clear(slot, first);
	cache_clear(paging->cache, n - first);
}

#endif /* __PKVM_IOMMU_CACHE_H */
