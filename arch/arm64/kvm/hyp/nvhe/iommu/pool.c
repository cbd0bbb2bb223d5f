// SPDX-License-Identifier: GPL-2.0-only
/*
 * Pool of pages that the host has given to the layer, and radix trees of its pages.
 *
 * Every table, queue and record of the layer is made of pages of the pool. A page
 * comes from the host by itself and can go back by itself. The pool lock is inside
 * all other locks.
 *
 * A root table of stage 2 can have several pages, contiguous and aligned to their size. Pages
 * that the host gives as such a block stay together until the other pages are used up.
 */
#include <asm/kvm_mmu.h>

#include <nvhe/gfp.h>
#include <nvhe/mem_protect.h>
#include <nvhe/memory.h>

#include "core.h"

/* Its range is empty, which makes every page external to it: no buddy is merged. */
static struct hyp_pool pool;
static DEFINE_HYP_SPINLOCK(pool_lock);
static unsigned long pool_free;
static unsigned long pool_total;
/*
 * Free blocks, linked by their first words; and pages of a block, 0 before the first request. All
 * blocks are as large as the largest root table.
 */
static void **pool_blocks;
static unsigned long pool_block;

/**
 * pkvm_iommu_pool_init() - prepare the empty pool
 *
 * Context: boot, before the first page is added.
 */
void pkvm_iommu_pool_init(void)
{
	hyp_pool_init(&pool, 0, 0, 0);
}

static void block_push(void **block)
{
	hyp_assert_lock_held(&pool_lock);
	*block = pool_blocks;
	pool_blocks = block;
}

static void *block_pop(void)
{
	void **block = pool_blocks;

	hyp_assert_lock_held(&pool_lock);
	if (block)
		pool_blocks = *block;

	return block;
}

static void pages_push(void *virt, u64 nr_pages)
{
	hyp_assert_lock_held(&pool_lock);
	for (; nr_pages--; virt += PAGE_SIZE) {
		/* The page belonged to the host alone, or to a block: its reference count is 0. */
		hyp_set_page_refcounted(hyp_virt_to_page(virt));
		hyp_put_page(&pool, virt);
	}
}

static void pool_add(u64 pfn, u64 nr_pages)
{
	void *virt = hyp_phys_to_virt(hyp_pfn_to_phys(pfn)), *end = virt + (nr_pages << PAGE_SHIFT);
	u64 block;

	hyp_spin_lock(&pool_lock);
	block = pool_block << PAGE_SHIFT;
	while (virt < end) {
		if (block && IS_ALIGNED(hyp_virt_to_phys(virt), block) && end - virt >= block) {
			block_push(virt);
			virt += block;
		} else {
			pages_push(virt, 1);
			virt += PAGE_SIZE;
		}
	}
	pool_free += nr_pages;
	pool_total += nr_pages;
	hyp_spin_unlock(&pool_lock);
}

/**
 * pkvm_iommu_alloc_page() - take a page from the pool
 *
 * Context: any other lock may be held.
 * Return: a zeroed page, or NULL if the pool is empty.
 */
void *pkvm_iommu_alloc_page(void)
{
	void *page = NULL;

	/* Without an IOMMU the pool is empty, and not initialised either. */
	hyp_spin_lock(&pool_lock);
	if (pool_free) {
		page = hyp_alloc_pages(&pool, 0);
		if (!page) {
			pages_push(block_pop(), pool_block);
			page = hyp_alloc_pages(&pool, 0);
		}
		pool_free--;
	}
	hyp_spin_unlock(&pool_lock);

	return page;
}

/**
 * pkvm_iommu_free_page() - return a page to the pool
 * @page: page from pkvm_iommu_alloc_page(), which no IOMMU can reach any more
 *
 * Context: any other lock may be held.
 */
void pkvm_iommu_free_page(void *page)
{
	hyp_spin_lock(&pool_lock);
	hyp_put_page(&pool, page);
	pool_free++;
	hyp_spin_unlock(&pool_lock);
}

/**
 * pkvm_iommu_alloc_block() - take several pages from the pool, for a root table
 * @size: bytes; a power of two. After the seal, no larger one than in a call before
 *
 * Context: any other lock may be held.
 * Return: zeroed memory, aligned to @size; NULL if the host has given no such block since the
 * first call, or all are in use.
 */
void *pkvm_iommu_alloc_block(size_t size)
{
	void *block;

	hyp_spin_lock(&pool_lock);
	/* Blocks that are in use keep their size: they are roots of shadows. */
	while (size >> PAGE_SHIFT > pool_block && pool_blocks)
		pages_push(block_pop(), pool_block);
	pool_block = max(pool_block, size >> PAGE_SHIFT);
	block = block_pop();
	pool_free -= block ? pool_block : 0;
	hyp_spin_unlock(&pool_lock);
	if (block)
		memset(block, 0, size);

	return block;
}

/**
 * pkvm_iommu_free_block() - return memory of a root table to the pool
 * @block: memory from pkvm_iommu_alloc_block(), which no IOMMU can reach any more
 *
 * Context: any other lock may be held.
 */
void pkvm_iommu_free_block(void *block)
{
	hyp_spin_lock(&pool_lock);
	block_push(block);
	pool_free += pool_block;
	hyp_spin_unlock(&pool_lock);
}

/**
 * pkvm_iommu_pages_valid() - check a range of pages that the host offers
 * @pfn: first page
 * @nr_pages: number of pages
 * @max: upper bound of @nr_pages; it bounds the work, and keeps sums from wrapping
 * @bits: size of the addresses that IOMMUs can read
 *
 * Return: false if the range is empty, too long, or beyond the addresses that IOMMUs can
 * read, or that an entry of a page table has room for.
 */
bool pkvm_iommu_pages_valid(u64 pfn, u64 nr_pages, u64 max, unsigned int bits)
{
	u64 limit = BIT(min(bits, 48) - PAGE_SHIFT);

	return nr_pages && nr_pages <= max && pfn < limit && limit - pfn >= nr_pages;
}

/**
 * pkvm_iommu_take_pages() - take pages from the host
 * @pfn: first page
 * @nr_pages: number of pages
 * @max: see pkvm_iommu_pages_valid()
 * @bits: likewise
 *
 * Context: takes host_mmu.lock.
 * Return: 0, -EINVAL, or the errors of __pkvm_host_donate_hyp().
 */
int pkvm_iommu_take_pages(u64 pfn, u64 nr_pages, u64 max, unsigned int bits)
{
	if (!pkvm_iommu_pages_valid(pfn, nr_pages, max, bits))
		return -EINVAL;

	return __pkvm_host_donate_hyp(pfn, nr_pages);
}

/**
 * pkvm_iommu_pool_topup() - take pages from the host into the pool
 * @pfn: first page
 * @nr_pages: number of pages
 * @max: see pkvm_iommu_pages_valid()
 *
 * Context: takes host_mmu.lock.
 * Return: as pkvm_iommu_take_pages().
 */
int pkvm_iommu_pool_topup(u64 pfn, u64 nr_pages, u64 max)
{
	int ret = pkvm_iommu_take_pages(pfn, nr_pages, max, pkvm_iommu_oas);

	if (!ret)
		pool_add(pfn, nr_pages);

	return ret;
}

/**
 * pkvm_iommu_pool_reclaim() - return a free page of the pool to the host
 * @pfn: set to the page
 *
 * Context: takes host_mmu.lock.
 * Return: 0, or -ENOMEM if the pool is empty.
 */
int pkvm_iommu_pool_reclaim(u64 *pfn)
{
	void *page = pkvm_iommu_alloc_page();

	if (!page)
		return -ENOMEM;

	hyp_spin_lock(&pool_lock);
	pool_total--;
	hyp_spin_unlock(&pool_lock);

	/* No pointer of EL2 remains, however the host maps the page: clean to PoC. */
	kvm_flush_dcache_to_poc(page, PAGE_SIZE);
	/* EL2 owns the page, and nobody else counts it: the donation cannot fail. */
	hyp_virt_to_page(page)->refcount = 0;
	BUG_ON(__pkvm_hyp_donate_host(hyp_virt_to_pfn(page), 1));
	*pfn = hyp_virt_to_pfn(page);

	return 0;
}

/**
 * pkvm_iommu_pool_free() - number of free pages
 *
 * Context: any; the number may be out of date on return.
 */
u64 pkvm_iommu_pool_free(void)
{
	return READ_ONCE(pool_free);
}

/**
 * pkvm_iommu_pool_block() - pages of a root table, if these have to be one block; else 0
 *
 * Context: any.
 */
u64 pkvm_iommu_pool_block(void)
{
	return READ_ONCE(pool_block);
}

/**
 * pkvm_iommu_pool_total() - number of pages, free or in use
 *
 * Context: any; the number may be out of date on return.
 */
u64 pkvm_iommu_pool_total(void)
{
	return READ_ONCE(pool_total);
}

/**
 * pkvm_iommu_radix() - find a slot in a radix tree of pool pages
 * @root: root of the tree; an empty tree has a root of NULL
 * @index: index of the slot
 * @levels: PKVM_IOMMU_RADIX_LEVELS() of the number of bits that @index can have
 * @alloc: allocate missing pages, whose slots are then 0
 *
 * Context: with @alloc, the caller holds the lock that guards the tree. Without, none
 * is needed: pages of a tree are not freed.
 * Return: the slot; NULL if it does not exist, or the pool is empty.
 */
void **pkvm_iommu_radix(void **root, u64 index, int levels, bool alloc)
{
	void **slot, *page;

	while (!pkvm_iommu_radix_find(root, index, levels, &slot)) {
		page = alloc ? pkvm_iommu_alloc_page() : NULL;
		if (!page)
			return NULL;
		/* Other CPUs may read the tree without a lock: they see a zeroed page. */
		smp_store_release(slot, page);
	}

	return slot;
}
