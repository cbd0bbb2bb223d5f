// SPDX-License-Identifier: GPL-2.0-only
/*
 * Pins: counts of the mappings that devices have of each page of memory.
 *
 * A pinned page keeps its owner. mem_protect.c calls pkvm_iommu_check_pins(), which is
 * in lazy.c because it may have to flush, before
 * it gives a page of the host to EL2 or to a guest, or lets a guest take back a page
 * that it shares with the host. Sharing takes nothing from the host, so pinned pages
 * can be shared, and shared pages can be pinned.
 *
 * Pages that are mapped one by one are counted one by one; a 2 MiB block that one
 * page-table entry maps is counted once. For each block there is also the number of
 * its pages that the host cannot reach, so that pinning a block examines no page:
 *
 *	block:	pins = 1, unreachable = 0	mapped once by a block entry
 *	pages:	0 0 2 0 1 ...			page 2 mapped twice, page 4 once
 *
 * host_mmu.lock guards everything here.
 */
#include <asm/kvm_pkvm.h>

#include <nvhe/mem_protect.h>
#include <nvhe/memory.h>

#include "core.h"

/**
 * struct block - a 2 MiB block of memory, in two slots of a radix tree
 * @pins: mappings of the whole block
 * @unreachable: pages in it that the host cannot reach
 * @pages: mappings of each of its pages, or NULL before the first of them. Four
 *	blocks share a pool page of such counts
 */
struct block {
	u32	pins;
	u32	unreachable;
	u16	*pages;
};

#define BLOCK_SLOTS		(sizeof(struct block) / sizeof(void *))
#define BLOCK_LEVELS		PKVM_IOMMU_RADIX_LEVELS(48 - PMD_SHIFT + 1)
#define BLOCKS_PER_PAGE		(PAGE_SIZE / sizeof(struct block))
#define PINS_BLOCKS		(PAGE_SIZE / (PTRS_PER_PTE * sizeof(u16)))

static void *blocks;
unsigned long pkvm_iommu_nr_pins;

/* The page of blocks that was used last, and the index of its first block. */
static struct block *last_blocks;
static u64 last_blocks_index = U64_MAX;

static noinline bool blocks_find(u64 first, bool alloc)
{
	void **slot = pkvm_iommu_radix(&blocks, first * BLOCK_SLOTS, BLOCK_LEVELS, alloc);

	if (slot) {
		last_blocks = (struct block *)slot;
		last_blocks_index = first;
	}

	return slot;
}

static inline struct block *block_of(u64 phys, bool alloc)
{
	u64 index = phys >> PMD_SHIFT, first = ALIGN_DOWN(index, BLOCKS_PER_PAGE);

	if (last_blocks_index != first && !blocks_find(first, alloc))
		return NULL;

	return last_blocks + (index - first);
}

/* Allocate the counts of the pages of a block, and of its neighbours. */
static bool block_pages(struct block *block, u64 phys)
{
	unsigned int i, index = phys >> PMD_SHIFT & (PINS_BLOCKS - 1);
	u16 *pages;

	pages = pkvm_iommu_alloc_page();
	if (!pages)
		return false;
	for (i = 0, block -= index; i < PINS_BLOCKS; i++)
		block[i].pages = pages + i * PTRS_PER_PTE;

	return true;
}

/**
 * pkvm_iommu_pins_build() - allocate the blocks of a range of memory
 * @phys: first physical address
 * @size: bytes of memory; one call covers at most 1 GiB
 *
 * Context: host_mmu.lock is held; during boot.
 * Return: 0 or -ENOMEM.
 */
int pkvm_iommu_pins_build(u64 phys, u64 size)
{
	u64 end = phys + min(size, SZ_1G);

	hyp_assert_lock_held(&host_mmu.lock);
	for (; phys < end; phys = ALIGN(phys + 1, BLOCKS_PER_PAGE * PMD_SIZE)) {
		if (!block_of(phys, true))
			return -ENOMEM;
	}

	return 0;
}

/**
 * pkvm_iommu_pins_update() - the host has gained or lost a range of memory
 * @phys: first physical address
 * @size: bytes, whole pages
 * @reachable: the host can reach the range now; false if it cannot any more
 *
 * Cannot fail, because pkvm_iommu_pins_build() has allocated the blocks.
 *
 * Context: host_mmu.lock is held.
 */
void pkvm_iommu_pins_update(u64 phys, u64 size, bool reachable)
{
	u64 nr_pages = size >> PAGE_SHIFT, n;

	hyp_assert_lock_held(&host_mmu.lock);
	do {
		n = min(nr_pages, PTRS_PER_PTE - pte_index(phys));
		block_of(phys, false)->unreachable += reachable ? -n : n;
		phys += n << PAGE_SHIFT;
		nr_pages -= n;
	} while (nr_pages);
}

/**
 * pkvm_iommu_is_pinned() - check whether devices have any page of a range mapped
 * @phys: first physical address
 * @size: bytes, whole pages
 *
 * Context: host_mmu.lock is held.
 */
bool pkvm_iommu_is_pinned(u64 phys, u64 size)
{
	/* Nothing above the reach of devices is ever pinned. */
	u64 end = min(phys + size, pkvm_iommu_limit());
	struct block *block;

	hyp_assert_lock_held(&host_mmu.lock);
	for (; phys < end && pkvm_iommu_nr_pins; phys += PAGE_SIZE) {
		block = block_of(phys, false);
		if (block && (block->pins || (block->pages && block->pages[pte_index(phys)])))
			return true;
	}

	return false;
}

/*
 * Add @delta to @n counts, four at a time where they fill an aligned word. Returns
 * false if a count is beyond PKVM_IOMMU_PINS_MAX then: its top bit is set.
 */
static bool counts_add_many(u16 *count, unsigned int n, int delta)
{
	const u64 ones = 0x0001000100010001, tops = ones << 15;
	u64 word, all = 0;

	while (n) {
		if (n >= 4 && IS_ALIGNED((u64)count, sizeof(word))) {
			word = *(u64 *)count + delta * ones;
			*(u64 *)count = word;
			count += 4;
			n -= 4;
		} else {
			word = *count += delta;
			count++;
			n--;
		}
		all |= word;
	}

	return !(all & tops);
}

static inline bool counts_add(u16 *count, unsigned int n, int delta)
{
	BUILD_BUG_ON(PKVM_IOMMU_PINS_MAX != 0x7fff);
	if (n > 1)
		return counts_add_many(count, n, delta);
	*count += delta;

	return *count <= PKVM_IOMMU_PINS_MAX;
}

/* Remove one pin from pages, or from a block if @shift is that of a block. */
static inline void unpin(u64 phys, u64 len, int shift)
{
	unsigned int n, i;

	pkvm_iommu_nr_pins -= len >> shift;
	if (len == PAGE_SIZE) {
		block_of(phys, false)->pages[pte_index(phys)]--;
		return;
	}
	if (shift != PAGE_SHIFT) {
		block_of(phys, false)->pins--;
		return;
	}
	do {
		i = pte_index(phys);
		n = min_t(u64, len >> PAGE_SHIFT, PTRS_PER_PTE - i);
		counts_add(block_of(phys, false)->pages + i, n, -1);
		phys += (u64)n << PAGE_SHIFT;
		len -= (u64)n << PAGE_SHIFT;
	} while (len);
}

static bool host_reaches(u64 phys, unsigned int n)
{
	struct hyp_page *page = hyp_phys_to_page(phys), *end = page + n;

	for (; page < end; page++) {
		if (get_host_state(page) == PKVM_NOPAGE)
			return false;
	}

	return true;
}

/* Pin @n pages of one block. */
static __always_inline int pin_pages(u64 phys, unsigned int n)
{
	struct block *block = block_of(phys, false);
	u16 *counts;

	/* Before counts are allocated: a refused call uses no memory. */
	if (block->unreachable && !host_reaches(phys, n))
		return -EPERM;
	if (!block->pages && !block_pages(block, phys))
		return -ENOMEM;

	counts = block->pages + pte_index(phys);
	if (!counts_add(counts, n, 1)) {
		counts_add(counts, n, -1);
		return -EBUSY;
	}
	pkvm_iommu_nr_pins += n;

	return 0;
}

static int pin_block(struct block *block)
{
	if (block->unreachable)
		return -EPERM;
	if (block->pins == PKVM_IOMMU_PINS_MAX)
		return -EBUSY;
	block->pins++;
	pkvm_iommu_nr_pins++;

	return 0;
}

/* Pin all pages of a range, or its block if @shift is that of a block; or nothing. */
static inline int pin(u64 phys, u64 len, int shift)
{
	unsigned int n;
	int ret = 0;
	u64 done;

	if (len == PAGE_SIZE)
		return pin_pages(phys, 1);
	if (shift != PAGE_SHIFT)
		return pin_block(block_of(phys, false));

	for (done = 0; done < len; done += (u64)n << PAGE_SHIFT) {
		n = min_t(u64, (len - done) >> PAGE_SHIFT, PTRS_PER_PTE - pte_index(phys + done));
		ret = pin_pages(phys + done, n);
		if (ret)
			break;
	}
	if (done && ret)
		unpin(phys, done, PAGE_SHIFT);

	return ret;
}

/**
 * pkvm_iommu_pin() - pin the memory of mappings that are about to be made
 * @maps: mappings; MMIO among them is only checked
 * @nr: number of mappings
 * @ret: set to 0, or to the reason why the first mapping that is not pinned cannot
 *	be: -EPERM if the host does not reach all of it, or it belongs to an IOMMU's
 *	registers; -EBUSY if a count is at PKVM_IOMMU_PINS_MAX; -ENOMEM if the pool
 *	is empty
 *
 * Context: host_mmu.lock is held.
 * Return: number of mappings, from the first, that are pinned.
 */
int pkvm_iommu_pin(const struct pkvm_iommu_mapping *maps, int nr, int *ret)
{
	const struct pkvm_iommu_mapping *map = maps;

	hyp_assert_lock_held(&host_mmu.lock);
	for (*ret = 0; map < maps + nr; map++) {
		if (map->is_memory)
			*ret = pin(map->phys, map->size, map->shift);
		else if (!pkvm_iommu_is_host_mmio(map->phys, map->size))
			*ret = -EPERM;
		if (*ret)
			break;
	}

	return map - maps;
}

/**
 * pkvm_iommu_unpin() - undo pkvm_iommu_pin()
 * @maps: mappings that are pinned and were not made
 * @nr: number of mappings
 *
 * Context: host_mmu.lock is held.
 */
void pkvm_iommu_unpin(const struct pkvm_iommu_mapping *maps, int nr)
{
	hyp_assert_lock_held(&host_mmu.lock);
	for (; nr--; maps++) {
		if (maps->is_memory)
			unpin(maps->phys, maps->size, maps->shift);
	}
}

/**
 * pkvm_iommu_unpin_removed() - remove the pins of runs that are unmapped
 * @removed: removed runs, see PKVM_IOMMU_REMOVED_PAGES, which every IOMMU has
 *	invalidated
 * @nr: number of runs
 *
 * Context: host_mmu.lock is held.
 */
void pkvm_iommu_unpin_removed(const u64 *removed, int nr)
{
	hyp_assert_lock_held(&host_mmu.lock);
	for (; nr--; removed++) {
		if (*removed & PKVM_IOMMU_REMOVED_MEMORY)
			unpin(*removed & PAGE_MASK,
			      (*removed & PKVM_IOMMU_REMOVED_PAGES) << PAGE_SHIFT,
			      *removed & PKVM_IOMMU_REMOVED_BLOCK ? PMD_SHIFT : PAGE_SHIFT);
	}
}
