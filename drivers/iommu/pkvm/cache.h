/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Translation cache of a paging domain.
 *
 * The DMA API looks up the physical address of each mapping before it unmaps it.
 * The cache answers for the mappings that were made most recently; all other
 * addresses take a hypercall. The first page of a mapping has one slot, which
 * holds one translation, or 0:
 *
 *   63      62             36 35            0
 *   large   rest of the IOVA   physical PFN
 *
 * There is room for an IOVA and a physical address of 48 bits each. A translation
 * that does not fit is not cached.
 *
 * "Large" means that the mapping has at least as many pages as there are slots.
 * Nothing else is then cached for that range, because users of the IOMMU API do
 * not unmap a part of what they mapped with one call. Unmapping the range clears
 * one slot instead of all.
 *
 * Neighbouring pages have slots in one cache line, like their page table entries
 * at EL2.
 *
 * No locks: slots are read and written with single accesses, and users of the
 * IOMMU API do not look up, map and unmap the same page at the same time. A
 * range is removed before EL2 unmaps it.
 *
 * The run that PKVM_IOMMU_LOOKUP found last can reach into ranges of other users of the
 * domain, which unmap them at any time:
 *
 *	lookup				unmap
 *	found.size = 1, locked		EL2 clears entries
 *	smp_mb()			smp_mb()
 *	EL2 reads entries		read found.size
 *
 * Either EL2 finds that an entry is cleared, or the unmap finds that there may be a run. It
 * then waits for the lock, and drops the run if it has what was unmapped. As long as nobody
 * looks up, unmaps only read @size, so CPUs share its cache line.
 *
 * Inline, because these are on the path of every map and unmap. Callers: batch.c,
 * domain.c and nested.c.
 */
#ifndef __PKVM_IOMMU_CACHE_H
#define __PKVM_IOMMU_CACHE_H

#include <linux/bitfield.h>
#include <linux/build_bug.h>
#include <linux/cleanup.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/pfn.h>
#include <linux/spinlock.h>

#include "core.h"

#define CACHE_LARGE		BIT_ULL(63)
#define CACHE_TAG		GENMASK_ULL(62, 36)
#define CACHE_PFN		GENMASK_ULL(35, 0)

/* Bits of addresses that fit. */
#define CACHE_ADDRESS_BITS	48

static_assert(PAGE_SHIFT + PKVM_IOMMU_CACHE_BITS + 27 >= CACHE_ADDRESS_BITS);

static inline u64 *cache_slot(struct pkvm_paging_domain *paging, u64 iova)
{
	return paging->cache + (iova >> PAGE_SHIFT) % PKVM_IOMMU_CACHE_SLOTS;
}

static inline u64 cache_tag(u64 iova)
{
	return iova >> (PAGE_SHIFT + PKVM_IOMMU_CACHE_BITS);
}

/* Add the first page of a mapping, whose addresses fit. @flags is CACHE_LARGE or 0. */
static inline u64 *cache_add_fitting(struct pkvm_paging_domain *paging, u64 iova, u64 phys,
				     u64 flags)
{
	u64 *slot = cache_slot(paging, iova);

	WRITE_ONCE(*slot, flags | cache_tag(iova) << __bf_shf(CACHE_TAG) | phys >> PAGE_SHIFT);

	return slot;
}

/* The same with any addresses. */
static inline void cache_add(struct pkvm_paging_domain *paging, u64 iova, u64 phys, u64 flags)
{
	if (FIELD_FIT(CACHE_TAG, cache_tag(iova)) && FIELD_FIT(CACHE_PFN, phys >> PAGE_SHIFT))
		cache_add_fitting(paging, iova, phys, flags);
}

/* Returns the physical address, or 0 if it is not cached. */
static inline phys_addr_t cache_lookup(struct pkvm_paging_domain *paging, u64 iova)
{
	u64 entry = READ_ONCE(*cache_slot(paging, iova));

	if (!entry || FIELD_GET(CACHE_TAG, entry) != cache_tag(iova))
		return 0;

	return PFN_PHYS(FIELD_GET(CACHE_PFN, entry)) + offset_in_page(iova);
}

static inline void cache_clear(u64 *slot, u64 *end)
{
	while (slot + 16 <= end) {
		/* Each STP is two accesses of 64 bits, neither of which can tear. */
		asm volatile("stp xzr, xzr, [%0], #16\n"
			     "stp xzr, xzr, [%0], #16\n"
			     "stp xzr, xzr, [%0], #16\n"
			     "stp xzr, xzr, [%0], #16\n"
			     "stp xzr, xzr, [%0], #16\n"
			     "stp xzr, xzr, [%0], #16\n"
			     "stp xzr, xzr, [%0], #16\n"
			     "stp xzr, xzr, [%0], #16\n"
			     : "+r" (slot) : : "memory");
	}
	while (slot < end)
		WRITE_ONCE(*slot++, 0);
}

static inline bool cache_is_large(u64 entry, u64 iova)
{
	return entry & CACHE_LARGE && FIELD_GET(CACHE_TAG, entry) == cache_tag(iova);
}

/* Remove a range that is about to be unmapped. */
static inline void cache_forget(struct pkvm_paging_domain *paging, u64 iova, size_t size)
{
	u64 *end = paging->cache + PKVM_IOMMU_CACHE_SLOTS, *slot = cache_slot(paging, iova);
	size_t n = size >> PAGE_SHIFT;

	if (n == 1 ||
	    (n == PKVM_IOMMU_CACHE_SLOTS && cache_is_large(READ_ONCE(*slot), iova))) {
		WRITE_ONCE(*slot, 0);
	} else if (likely(slot + n <= end)) {
		cache_clear(slot, slot + n);
	} else {
		cache_clear(slot, end);
		cache_clear(paging->cache, min(end, paging->cache + n - (end - slot)));
	}
}

/* A range was unmapped: forget a run that has some of it. */
static inline void found_forget(struct pkvm_paging_domain *paging, u64 iova, u64 size)
{
	struct pkvm_iommu_found *found = &paging->found;

	/* Pairs with found_lookup(), see the top of this file. */
	smp_mb();
	if (!READ_ONCE(found->size))
		return;

	guard(raw_spinlock_irqsave)(&found->lock);
	if (iova - found->iova < found->size || found->iova - iova < size)
		WRITE_ONCE(found->size, 0);
}

#endif /* __PKVM_IOMMU_CACHE_H */
