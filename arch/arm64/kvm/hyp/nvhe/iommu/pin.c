// SPDX-License-Identifier: GPL-2.0-only
/*
 * Pins: counts of the mappings that devices have of each page of memory.
 *
 * A pinned page keeps its owner. mem_protect.c calls pkvm_iommu_check_pins(), which is
 * in lazy.c because it may have to flush, before it gives a page of the host to EL2 or
 * to a guest, or lets a guest take back a page that it shares with the host. Sharing
 * takes nothing from the host, so pinned pages can be shared, and shared pages can be
 * pinned.
 *
 * Each page has a 16-bit count, which is either a number of mappings or CLOSED. The
 * count is CLOSED if the host cannot reach the page. Pages that are mapped one by one
 * are counted one by one; a block of PMD_SIZE that one page-table entry maps is counted once,
 * in a word of its own, which also has the number of its closed pages. A 1 GiB block is
 * counted as 512 of these:
 *
 *	block:	pins = 1, closed = 0		mapped once by a block entry
 *	pages:	0 0 2 0 1 CLOSED ...		page 2 mapped twice, page 4 once
 *
 * MAP and UNMAP change counts without a lock. Pages are closed and opened with
 * host_mmu.lock held. Each rule is one compare-and-swap of the word that has both
 * sides of it:
 *
 *	pin a page	count n -> n + 1, unless CLOSED; acquire
 *	pin a block	pins n -> n + 1, unless a page is closed; acquire
 *	unpin		n -> n - 1; release
 *	close a page	closed n -> n + 1, unless the block is pinned; acquire
 *			count 0 -> CLOSED, or else undo the former; acquire
 *	open a page	CLOSED -> 0, closed n -> n - 1; release
 *
 * A page-table entry that is live, or that an IOMMU may have cached, has a pin: MAP
 * pins before it writes the entry, and UNMAP and the flush of lazy.c unpin after every
 * IOMMU has invalidated it. So a page that could be closed has no such entry, and gets
 * none while it is CLOSED. The release of the unpin and the acquire of the close put
 * the last access of a device before those of the new owner; the release of the open
 * and the acquire of the pin put those of the last owner before the first of a device.
 */
#include <asm/kvm_pkvm.h>

#include <nvhe/mem_protect.h>
#include <nvhe/memory.h>

#include "core.h"

/*
 * One page has the counts of a chunk of memory: four blocks, which are 8 MiB with pages of 4 KiB.
 * A count is at most PKVM_IOMMU_PINS_MAX, which is less than CLOSED.
 */
#define CHUNK_PAGES		(PAGE_SIZE / sizeof(u16))
#define CHUNK_SHIFT		(PAGE_SHIFT + ilog2(CHUNK_PAGES))
#define CHUNK_BLOCKS		BIT(CHUNK_SHIFT - PMD_SHIFT)

/* Four counts are one word; lane 0 is the count of the first page. */
#define LANES			(sizeof(u64) / sizeof(u16))
#define ALL_LANES		0x0001000100010001UL
#define CLOSED			0x8000UL

#define BLOCK_PINS		GENMASK(15, 0)
#define BLOCK_CLOSED		BIT(16)

/**
 * struct chunk - pins of four blocks of memory, in four slots of a radix tree
 * @counts: mappings of each page, or CLOSED: a page of the pool
 * @blocks: mappings of each block, in BLOCK_PINS, and its closed pages, in units of
 *	BLOCK_CLOSED
 * @unused: makes the size a power of two
 */
struct chunk {
	u64		*counts;
	atomic_t	blocks[CHUNK_BLOCKS];
	u64		unused;
};

#define CHUNK_SLOTS		(sizeof(struct chunk) / sizeof(void *))
#define CHUNK_LEVELS		(PAGE_SHIFT == 16 ? 2 : 3)
#define CHUNKS_BITS		(48 - CHUNK_SHIFT + ilog2(CHUNK_SLOTS))

/*
 * Exclusive end of the addresses that are built: counts and shadow follow the owner of
 * memory below. Changed with host_mmu.lock held, during boot only.
 */
u64 pkvm_iommu_built;

/* First address of the range that was closed last; host_mmu.lock guards it. */
u64 pkvm_iommu_closed;

/* Pages of the tree are never freed. All of it is there before the first MAP. */
static void *chunks;

static u64 chunk_slot(u64 phys)
{
	return (phys >> CHUNK_SHIFT) * CHUNK_SLOTS;
}

/*
 * The chunk of an address below pkvm_iommu_built. All pages of the tree exist there, so this
 * is pkvm_iommu_radix_find() without its checks.
 */
static inline struct chunk *chunk_of(u64 phys)
{
	u64 mask = BIT(PKVM_IOMMU_RADIX_BITS) - 1, slot = chunk_slot(phys);
	void **page = READ_ONCE(chunks);

	if (CHUNK_LEVELS > 2)
		page = READ_ONCE(page[slot >> 2 * PKVM_IOMMU_RADIX_BITS & mask]);
	page = READ_ONCE(page[slot >> PKVM_IOMMU_RADIX_BITS & mask]);

	return (struct chunk *)(page + (slot & mask));
}

static inline atomic_t *block_of(struct chunk *chunk, u64 phys)
{
	return &chunk->blocks[phys >> PMD_SHIFT & (CHUNK_BLOCKS - 1)];
}

/* Bytes of a range that are in its first chunk. */
static inline u64 in_chunk(u64 phys, u64 len)
{
	return min(len, BIT(CHUNK_SHIFT) - (phys & (BIT(CHUNK_SHIFT) - 1)));
}

/**
 * pkvm_iommu_pins_build() - allocate the counts of a range of memory
 * @phys: first physical address
 * @size: bytes of memory
 *
 * Context: host_mmu.lock is held; during boot.
 * Return: 0 or -ENOMEM.
 */
int pkvm_iommu_pins_build(u64 phys, u64 size)
{
	u64 end = phys + size;
	struct chunk *chunk;

	BUILD_BUG_ON(PKVM_IOMMU_RADIX_LEVELS(CHUNKS_BITS) != CHUNK_LEVELS);
	hyp_assert_lock_held(&host_mmu.lock);
	for (; phys < end; phys = ALIGN(phys + 1, BIT(CHUNK_SHIFT))) {
		chunk = (struct chunk *)pkvm_iommu_radix(&chunks, chunk_slot(phys),
							 CHUNK_LEVELS, true);
		if (!chunk)
			return -ENOMEM;
		if (!chunk->counts)
			chunk->counts = pkvm_iommu_alloc_page();
		if (!chunk->counts)
			return -ENOMEM;
	}

	return 0;
}

/*
 * Call @op for the words of the counts of pages of one chunk, at least one, with a 1 in
 * the lane of each page, until it returns an error. Returns that error, or 0. *@done is
 * set to the bytes before it.
 */
static __always_inline int for_counts(struct chunk *chunk, u64 phys, u64 len,
				      int (*op)(u64 *word, u64 ones), u64 *done)
{
	u64 pfn = phys >> PAGE_SHIFT, lane = pfn & (LANES - 1), n = len >> PAGE_SHIFT, left = n;
	u64 *word = chunk->counts + (pfn & (CHUNK_PAGES - 1)) / LANES;
	int ret = 0;

	if (lane || n < LANES) {
		n = min(n, LANES - lane);
		ret = op(word++, ALL_LANES >> (LANES - n) * 16 << lane * 16);
		left -= ret ? 0 : n;
	}
	while (left >= LANES && !ret) {
		ret = op(word++, ALL_LANES);
		left -= ret ? 0 : LANES;
	}
	if (left && !ret) {
		ret = op(word, ALL_LANES >> (LANES - left) * 16);
		left = ret ? left : 0;
	}
	*done = len - (left << PAGE_SHIFT);

	return ret;
}

static __always_inline int word_pin(u64 *word, u64 ones)
{
	u64 old = READ_ONCE(*word);

	BUILD_BUG_ON(CLOSED - PKVM_IOMMU_PINS_MAX != 1);
	do {
		if (unlikely((old + ones) & ones * CLOSED))
			return old & ones * CLOSED ? -EPERM : -EBUSY;
	} while (unlikely(!try_cmpxchg_acquire(word, &old, old + ones)));

	return 0;
}

static __always_inline int word_unpin(u64 *word, u64 ones)
{
	atomic64_fetch_sub_release(ones, (atomic64_t *)word);

	return 0;
}

/* The word with the count of a page, and in *@one a 1 in its lane. */
static inline u64 *count_of(const struct chunk *chunk, u64 phys, u64 *one)
{
	u64 pfn = phys >> PAGE_SHIFT;

	*one = 1UL << (pfn & (LANES - 1)) * 16;

	return chunk->counts + (pfn & (CHUNK_PAGES - 1)) / LANES;
}

static int block_pin(atomic_t *block)
{
	int old = atomic_read(block);

	do {
		if (old >= BLOCK_CLOSED)
			return -EPERM;
		if (old == PKVM_IOMMU_PINS_MAX)
			return -EBUSY;
	} while (!atomic_try_cmpxchg_acquire(block, &old, old + 1));

	return 0;
}

static void open_page(u64 phys)
{
	struct chunk *chunk = chunk_of(phys);
	u64 one, *word = count_of(chunk, phys, &one);

	atomic64_fetch_sub_release(one * CLOSED, (atomic64_t *)word);
	atomic_fetch_sub_release(BLOCK_CLOSED, block_of(chunk, phys));
}

static int close_page(u64 phys)
{
	struct chunk *chunk = chunk_of(phys);
	u64 one, *word = count_of(chunk, phys, &one), count;
	atomic_t *block = block_of(chunk, phys);
	int closed = atomic_read(block);

	do {
		if (closed & BLOCK_PINS)
			return -EBUSY;
	} while (unlikely(!atomic_try_cmpxchg_acquire(block, &closed, closed + BLOCK_CLOSED)));

	count = READ_ONCE(*word);
	do {
		if (count & one * U16_MAX) {
			atomic_fetch_sub_release(BLOCK_CLOSED, block);
			return -EBUSY;
		}
	} while (unlikely(!try_cmpxchg_acquire(word, &count, count + one * CLOSED)));

	return 0;
}

/**
 * pkvm_iommu_pins_open() - undo pkvm_iommu_pins_close()
 * @phys: first physical address
 * @size: bytes, whole pages; those from pkvm_iommu_built on have no counts
 *
 * Context: host_mmu.lock is held.
 */
void pkvm_iommu_pins_open(u64 phys, u64 size)
{
	u64 end = min(phys + size, pkvm_iommu_built);

	hyp_assert_lock_held(&host_mmu.lock);
	for (; phys < end; phys += PAGE_SIZE)
		open_page(phys);
}

/**
 * pkvm_iommu_pins_close() - let nobody pin a range of memory any more
 * @phys: first physical address
 * @size: bytes, whole pages; those from pkvm_iommu_built on have no counts
 *
 * Context: host_mmu.lock is held.
 * Return: 0; or -EBUSY if a page of the range is pinned, and then nothing is closed.
 */
int pkvm_iommu_pins_close(u64 phys, u64 size)
{
	u64 at, end = min(phys + size, pkvm_iommu_built);

	hyp_assert_lock_held(&host_mmu.lock);
	for (at = phys; at < end; at += PAGE_SIZE) {
		if (close_page(at)) {
			pkvm_iommu_pins_open(phys, at - phys);
			return -EBUSY;
		}
	}
	pkvm_iommu_closed = phys;

	return 0;
}

static noinline void unpin_pages(u64 phys, u64 len)
{
	u64 n, none;

	for (; len; phys += n, len -= n) {
		n = in_chunk(phys, len);
		for_counts(chunk_of(phys), phys, n, word_unpin, &none);
	}
}

static noinline int pin_pages(u64 phys, u64 len)
{
	u64 done, n;
	int ret = 0;

	for (done = 0; done < len && !ret; done += n)
		ret = for_counts(chunk_of(phys + done), phys + done,
				 in_chunk(phys + done, len - done), word_pin, &n);
	if (ret)
		unpin_pages(phys, done);

	return ret;
}

static __always_inline void unpin_block(u64 phys)
{
	atomic_fetch_sub_release(1, block_of(chunk_of(phys), phys));
}

static noinline void unpin_blocks(u64 phys, u64 len)
{
	u64 end = phys + len;

	for (; phys < end; phys += PMD_SIZE)
		unpin_block(phys);
}

static noinline int pin_blocks(u64 phys, u64 len)
{
	u64 at, end = phys + len;
	int ret;

	for (at = phys; at < end; at += PMD_SIZE) {
		ret = block_pin(block_of(chunk_of(at), at));
		if (ret) {
			unpin_blocks(phys, at - phys);
			return ret;
		}
	}

	return 0;
}

/* Remove one pin from pages, or from a block if @shift is that of a block. */
static __always_inline void unpin(u64 phys, u64 len, int shift)
{
	u64 *word, one;

	if (len == PAGE_SIZE) {
		word = count_of(chunk_of(phys), phys, &one);
		word_unpin(word, one);
	} else if (shift == PAGE_SHIFT) {
		unpin_pages(phys, len);
	} else if (likely(shift == PMD_SHIFT)) {
		unpin_block(phys);
	} else {
		unpin_blocks(phys, BIT(shift));
	}
}

/* Pin all pages of a range, or its block if @shift is that of a block; or nothing. */
static __always_inline int pin(u64 phys, u64 len, int shift)
{
	u64 *word, one;

	if (len == PAGE_SIZE) {
		word = count_of(chunk_of(phys), phys, &one);
		return word_pin(word, one);
	}

	if (shift == PAGE_SHIFT)
		return pin_pages(phys, len);

	if (unlikely(shift != PMD_SHIFT))
		return pin_blocks(phys, len);

	return block_pin(block_of(chunk_of(phys), phys));
}

/**
 * pkvm_iommu_pin() - pin the memory of mappings that are about to be made
 * @maps: mappings; MMIO among them is only checked
 * @nr: number of mappings
 * @ret: set to 0, or to the reason why the first mapping that is not pinned cannot
 *	be: -EPERM if the host does not reach all of it, or it belongs to an IOMMU's
 *	registers; -EBUSY if a count is at PKVM_IOMMU_PINS_MAX
 *
 * A change of owner that fails closes pages for a moment, so -EPERM is certain only
 * with host_mmu.lock held.
 *
 * Context: any.
 * Return: number of mappings, from the first, that are pinned.
 */
int pkvm_iommu_pin(const struct pkvm_iommu_mapping *maps, int nr, int *ret)
{
	const struct pkvm_iommu_mapping *map = maps;

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
 * Context: any.
 */
void pkvm_iommu_unpin(const struct pkvm_iommu_mapping *maps, int nr)
{
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
 * Context: any.
 */
void pkvm_iommu_unpin_removed(const u64 *removed, int nr)
{
	u64 n;

	for (; nr--; removed++) {
		n = *removed & PKVM_IOMMU_REMOVED_PAGES;
		if (*removed & PKVM_IOMMU_REMOVED_MEMORY)
			unpin(*removed & PAGE_MASK, n << PAGE_SHIFT,
			      *removed & PKVM_IOMMU_REMOVED_BLOCK ? PAGE_SHIFT + n : PAGE_SHIFT);
	}
}
