// SPDX-License-Identifier: GPL-2.0-only
/*
 * The kernel's page-table library, drivers/iommu/io-pgtable-arm.c, compiled for EL2
 * unchanged, and the operations of EL2 on its tables.
 *
 * Each header that the library includes is included here first, so that functions
 * which EL2 lacks can be redefined after it. The callers have checked every range;
 * the library sees no unchecked value of the host. None of its calls sleeps, and the
 * levels of a table bound its recursion.
 */
#include <linux/atomic.h>
#include <linux/bitops.h>
#include <linux/dma-mapping.h>
#include <linux/io-pgtable.h>
#include <linux/iova_bitmap.h>
#include <linux/sizes.h>
#include <linux/slab.h>
#include <linux/types.h>

#include <asm/barrier.h>
#include <asm/kvm_mmu.h>

#include <nvhe/memory.h>

#include "core.h"

#include "../../../../../../drivers/iommu/iommu-pages.h"

/* A WARN is fatal at EL2. Callers check the results instead. */
#undef WARN_ON
#define WARN_ON(condition)	({ bool __c = !!(condition); unlikely(__c); })
#undef WARN_ONCE
#define WARN_ONCE(condition, format...)	WARN_ON(condition)

#undef phys_to_virt
#define phys_to_virt(phys)	hyp_phys_to_virt(phys)
#undef virt_to_phys
#define virt_to_phys(virt)	hyp_virt_to_phys(virt)

#undef kmalloc_obj
#define kmalloc_obj(object)	pkvm_iommu_alloc_page()
#undef kfree
#define kfree(object)		pkvm_iommu_free_page(object)

/* Reached only without cfg->alloc, which pkvm_iommu_pgtable_alloc() sets. */
#define iommu_alloc_pages_node_sz(nid, gfp, size)	NULL
#define iommu_free_pages(pages)				do { } while (0)
#define iommu_pages_free_incoherent(pages, dev)		do { } while (0)

/* Clean tables to the point of coherency for walks that do not snoop. */
#undef dma_map_single
#define dma_map_single(dev, addr, size, dir)				\
({									\
	kvm_flush_dcache_to_poc(addr, size);				\
	(dma_addr_t)hyp_virt_to_phys(addr);				\
})
#undef dma_mapping_error
#define dma_mapping_error(dev, addr)	false
#undef dma_unmap_single
#define dma_unmap_single(dev, addr, size, dir)	do { } while (0)
#undef dma_sync_single_for_device
#define dma_sync_single_for_device(dev, addr, size, dir)		\
	kvm_flush_dcache_to_poc(hyp_phys_to_virt(addr), size)

#undef pr_fmt
#undef dev_err
#define dev_err(dev, format...)		((void)(dev))

#if IS_ENABLED(CONFIG_IOMMUFD_DRIVER)
/* Dirty tracking is not offered. An inline function of the library refers to it. */
void iova_bitmap_set(struct iova_bitmap *bitmap, unsigned long iova, size_t length)
{
}
#endif

#include "../../../../../../drivers/iommu/io-pgtable-arm.c"

static void *pgtable_alloc(void *cookie, size_t size, gfp_t gfp)
{
	/* A root of stage 2 can be up to 16 tables, one behind the other. */
	return size <= PAGE_SIZE ? pkvm_iommu_alloc_page() : pkvm_iommu_alloc_block(size);
}

static void pgtable_free(void *cookie, void *pages, size_t size)
{
	if (size <= PAGE_SIZE)
		pkvm_iommu_free_page(pages);
	else
		pkvm_iommu_free_block(pages);
}

/**
 * pkvm_iommu_pgtable_alloc() - make an empty page table
 * @geometry: geometry of the IOMMUs that walk it
 * @fmt: ARM_64_LPAE_S1 or ARM_64_LPAE_S2
 * @ias: size of its input addresses, in bits
 *
 * Context: any lock but the pool's may be held.
 * Return: its operations, or NULL if the pool is empty or the library rejects the sizes.
 */
struct io_pgtable_ops *pkvm_iommu_pgtable_alloc(const struct pkvm_iommu_geometry *geometry,
						enum io_pgtable_fmt fmt, unsigned int ias)
{
	struct io_pgtable_cfg cfg = {
		.quirks		= IO_PGTABLE_QUIRK_NO_WARN,
		.pgsize_bitmap	= PAGE_SIZE | PMD_SIZE | SZ_1G,
		.ias		= ias,
		.oas		= pkvm_iommu_arch_bits(geometry),
		.coherent_walk	= geometry->coherent,
		.alloc		= pgtable_alloc,
		.free		= pgtable_free,
	};
	struct io_pgtable *iop;

	if (fmt == ARM_64_LPAE_S1)
		iop = arm_64_lpae_alloc_pgtable_s1(&cfg, NULL);
	else
		iop = arm_64_lpae_alloc_pgtable_s2(&cfg, NULL);
	if (!iop)
		return NULL;

	/* As alloc_io_pgtable_ops() does, which is not part of the library. */
	iop->fmt = fmt;
	iop->cookie = NULL;
	iop->cfg = cfg;

	return &iop->ops;
}

/**
 * pkvm_iommu_pgtable_free() - free a page table
 * @ops: from pkvm_iommu_pgtable_alloc()
 *
 * Context: no IOMMU walks it any more. Any lock but the pool's may be held.
 */
void pkvm_iommu_pgtable_free(struct io_pgtable_ops *ops)
{
	arm_lpae_free_pgtable(io_pgtable_ops_to_pgtable(ops));
}

/*
 * Find the entry that maps @iova, or the empty entry where the walk ends, down to
 * level @last. Each table is one page, but for the root, see pgtable_alloc(). Sets *@value
 * to the entry as it was then: another CPU may put a table for other addresses in its place.
 */
static __always_inline arm_lpae_iopte *pgtable_walk(struct arm_lpae_io_pgtable *data, u64 iova,
						    int last, int *level, arm_lpae_iopte *value)
{
	arm_lpae_iopte pte, *ptep, *table = data->pgd;
	int lvl = data->start_level, shift = ARM_LPAE_LVL_SHIFT(lvl, data);
	u64 index = iova >> shift;

	for (;; lvl++) {
		ptep = table + index;
		pte = READ_ONCE(*ptep);
		if (lvl == last || iopte_type(pte) != ARM_LPAE_PTE_TYPE_TABLE)
			break;
		table = hyp_phys_to_virt(pte & ARM_LPAE_PTE_ADDR_MASK);
		shift -= PAGE_SHIFT - 3;
		index = iova >> shift & (PTRS_PER_PTE - 1);
	}
	*level = lvl;
	*value = pte;

	return ptep;
}

/* Number of entries of one piece, from that of @iova on, that map the next @max bytes. */
static int pgtable_entries(u64 iova, u64 max, int lvl)
{
	if (lvl != ARM_LPAE_MAX_LEVELS - 1)
		return 1;

	return min_t(u64, max >> PAGE_SHIFT, PKVM_IOMMU_PIECE - pte_index(iova) % PKVM_IOMMU_PIECE);
}

static arm_lpae_iopte *pgtable_find(struct arm_lpae_io_pgtable *data, u64 iova, int *level,
				    arm_lpae_iopte *value)
{
	return pgtable_walk(data, iova, ARM_LPAE_MAX_LEVELS - 1, level, value);
}

/*
 * Bits of an entry that the architecture leaves to software: the entry is the first
 * of a mapping; the entry maps memory, not MMIO.
 */
#define PTE_START	BIT(56)
#define PTE_MEMORY	BIT(57)

static unsigned int mapping_entries(const struct pkvm_iommu_mapping *map)
{
	return map->size >> map->shift;
}

/*
 * Let the library map, to make missing tables; the caller writes the entries again. Other
 * CPUs may make the same tables for other addresses: the library lets one of them win. It
 * takes whatever is not 0 for a table or a block, so @pte, the value of the entry above
 * which says that it can be used, is removed first. Only who owns all addresses of such an
 * entry gives it another value.
 */
static int pgtable_make(struct arm_lpae_io_pgtable *data, const struct pkvm_iommu_mapping *map,
			arm_lpae_iopte *ptep, arm_lpae_iopte pte)
{
	struct io_pgtable_ops *ops = &data->iop.ops;
	size_t mapped;

	if (pte)
		cmpxchg64_relaxed(ptep, pte, 0);

	return ops->map_pages(ops, map->iova, map->phys, BIT(map->shift),
			      mapping_entries(map), map->prot, 0, &mapped);
}

/*
 * Another CPU may have made a table for other addresses, and not cleaned it yet to the
 * point of coherency.
 */
static noinline void pgtable_clean(struct arm_lpae_io_pgtable *data, u64 iova)
{
	arm_lpae_iopte *ptep, pte;
	int last, lvl;

	for (last = data->start_level; last < ARM_LPAE_MAX_LEVELS - 1; last++) {
		ptep = pgtable_walk(data, iova, last, &lvl, &pte);
		if (iopte_type(pte) == ARM_LPAE_PTE_TYPE_TABLE && !(pte & ARM_LPAE_PTE_SW_SYNC))
			__arm_lpae_sync_pte(ptep, 1, &data->iop.cfg);
	}
}

/**
 * pkvm_iommu_pgtable_map() - write the entries of mappings
 * @domain: the domain
 * @maps: mappings; nothing is written for one that fails
 * @nr: number of mappings
 * @mark: mark the start of each mapping, for pkvm_iommu_pgtable_starts()
 * @stale: check if the address of an entry must not be used yet. It gets what
 *	pkvm_iommu_pgtable_unmap() or pkvm_iommu_pgtable_prune() has left in the entry
 * @flushed: value of entries whose address can be used, whatever @stale says, or 0; with
 *	-EAGAIN, set to the value for which @stale said so, or 0 if that is not the reason
 * @done: set to the number of mappings, from the first, that are written
 *
 * Context: the caller owns the addresses, see range.c.
 * Return: 0; -EEXIST if a page is mapped already; -EAGAIN if @stale says so, or there is a
 * table where a block is to be written; -ENOMEM if the pool is empty.
 */
int pkvm_iommu_pgtable_map(struct pkvm_iommu_domain *domain,
			   const struct pkvm_iommu_mapping *maps, int nr, bool mark,
			   pkvm_iommu_stale_fn stale, u64 *flushed, int *done)
{
	struct arm_lpae_io_pgtable *data = io_pgtable_ops_to_data(domain->ops);
	const struct pkvm_iommu_mapping *map = maps, *last = NULL;
	arm_lpae_iopte pte, prot = 0, *ptep = NULL, value = 0, fresh = 0;
	const arm_lpae_iopte usable = *flushed;
	int ret = 0, lvl = 0, shift = 0, i, n;

	*flushed = 0;
	for (; map < maps + nr; last = map++) {
		if (!last || last->prot != map->prot || last->is_memory != map->is_memory)
			prot = arm_lpae_prot_to_pte(data, map->prot) |
			       (map->is_memory ? PTE_MEMORY : 0);
		/* Usually in the same table as the mapping before. */
		if (shift == PAGE_SHIFT && map->iova >> PMD_SHIFT == last->iova >> PMD_SHIFT) {
			ptep += (s64)(map->iova - last->iova) >> PAGE_SHIFT;
		} else {
			ptep = pgtable_find(data, map->iova, &lvl, &value);
			shift = ARM_LPAE_LVL_SHIFT(lvl, data);
		}

		n = mapping_entries(map);
		if (shift == map->shift) {
			for (i = 0; i < n; i++) {
				pte = READ_ONCE(ptep[i]);
				if (likely(!pte || pte == fresh))
					continue;
				if (pte & ARM_LPAE_PTE_VALID) {
					ret = -EEXIST;
					break;
				}
				if (pte != usable && stale(domain, pte)) {
					ret = -EAGAIN;
					*flushed = pte;
					break;
				}
				fresh = pte;
			}
		} else if (shift > map->shift) {
			pte = value;
			if (iopte_leaf(pte, lvl, data->iop.fmt)) {
				ret = -EEXIST;
			} else if (pte && pte != usable && stale(domain, pte)) {
				ret = -EAGAIN;
				*flushed = pte;
			} else {
				ret = pgtable_make(data, map, ptep, pte);
			}
			ptep = pgtable_find(data, map->iova, &lvl, &value);
			shift = map->shift;
		} else {
			/* Another CPU has made a table since fit_block() looked. */
			ret = -EAGAIN;
		}
		if (ret)
			break;

		pte = map->phys | prot | (shift == PAGE_SHIFT ? ARM_LPAE_PTE_TYPE_PAGE :
							       ARM_LPAE_PTE_TYPE_BLOCK);
		for (i = 0; i < n; i++, pte += BIT(shift))
			WRITE_ONCE(ptep[i], pte);
		if (mark)
			*ptep |= PTE_START;
		if (!data->iop.cfg.coherent_walk) {
			__arm_lpae_sync_pte(ptep, n, &data->iop.cfg);
			pgtable_clean(data, map->iova);
		}
	}
	/* Visible to table walks before the host or an IOMMU learns of the mappings. */
	wmb();
	*done = map - maps;

	return ret;
}

/**
 * pkvm_iommu_pgtable_restale() - change what cleared entries wait for
 * @ops: the page table
 * @iova: first I/O virtual address, within the range of the table
 * @size: bytes, not 0
 * @old: value of the entries to change, from pkvm_iommu_stale()
 * @new: their new value
 *
 * Leaves an entry alone that is only partly in the range: another CPU may just have found its
 * value usable, see pgtable_make().
 *
 * Context: the caller owns the addresses, see range.c.
 */
void pkvm_iommu_pgtable_restale(struct io_pgtable_ops *ops, u64 iova, u64 size, u64 old, u64 new)
{
	struct arm_lpae_io_pgtable *data = io_pgtable_ops_to_data(ops);
	u64 bytes, next, end = iova + size;
	arm_lpae_iopte pte, *ptep;
	int lvl, i, n;

	for (; iova < end; iova = next) {
		ptep = pgtable_find(data, iova, &lvl, &pte);
		n = pgtable_entries(iova, end - iova, lvl);
		bytes = ARM_LPAE_BLOCK_SIZE(lvl, data);
		next = ALIGN_DOWN(iova, bytes) + n * bytes;
		if (!IS_ALIGNED(iova, bytes) || next > end)
			continue;
		for (i = 0; i < n; i++) {
			if (READ_ONCE(ptep[i]) == old)
				WRITE_ONCE(ptep[i], new);
		}
	}
}

/**
 * pkvm_iommu_pgtable_prune() - remove an empty last-level table
 * @ops: the page table
 * @iova: first I/O virtual address that the table translates
 * @stale: value to write to the entry of the table, see pkvm_iommu_stale()
 *
 * Context: the caller owns all addresses. It invalidates the whole domain before it frees
 * the table.
 * Return: the table; NULL if there is none, or it is not empty.
 */
void *pkvm_iommu_pgtable_prune(struct io_pgtable_ops *ops, u64 iova, u64 stale)
{
	struct arm_lpae_io_pgtable *data = io_pgtable_ops_to_data(ops);
	arm_lpae_iopte pte, *ptep, *table;
	int lvl, i;

	ptep = pgtable_walk(data, iova, ARM_LPAE_MAX_LEVELS - 2, &lvl, &pte);
	if (lvl != ARM_LPAE_MAX_LEVELS - 2 || iopte_type(pte) != ARM_LPAE_PTE_TYPE_TABLE)
		return NULL;
	table = hyp_phys_to_virt(pte & ARM_LPAE_PTE_ADDR_MASK);
	for (i = 0; i < PTRS_PER_PTE; i++) {
		if (table[i] & ARM_LPAE_PTE_VALID)
			return NULL;
	}
	WRITE_ONCE(*ptep, stale);
	if (!data->iop.cfg.coherent_walk)
		__arm_lpae_sync_pte(ptep, 1, &data->iop.cfg);

	return table;
}

/* The pool clears the pages that it gets: that is the work of about so many entries. */
#define FREE_ENTRIES	(PAGE_SIZE / 128)

/**
 * pkvm_iommu_pgtable_drain() - free the tables of an empty page table, but for the root
 * @ops: the page table, in which nothing is mapped, and which no IOMMU walks
 * @iova: I/O virtual address, 0 at first, from which on tables are left; set anew
 * @max: entries to look at. A table that is freed counts as FREE_ENTRIES more
 *
 * Context: nobody else uses the page table. Any lock but the pool's may be held.
 * Return: true if all are freed; false if @max is reached.
 */
bool pkvm_iommu_pgtable_drain(struct io_pgtable_ops *ops, u64 *iova, int max)
{
	struct arm_lpae_io_pgtable *data = io_pgtable_ops_to_data(ops);
	u64 end = BIT(data->iop.cfg.ias);
	arm_lpae_iopte pte, *ptep;
	int lvl, last;

	while (*iova < end) {
		if (max-- <= 0)
			return false;
		ptep = pgtable_walk(data, *iova, ARM_LPAE_MAX_LEVELS - 2, &lvl, &pte);
		if (iopte_type(pte) == ARM_LPAE_PTE_TYPE_TABLE) {
			pkvm_iommu_free_page(hyp_phys_to_virt(pte & ARM_LPAE_PTE_ADDR_MASK));
			max -= FREE_ENTRIES;
		}
		WRITE_ONCE(*ptep, 0);
		*iova = ALIGN_DOWN(*iova, ARM_LPAE_BLOCK_SIZE(lvl, data)) +
			ARM_LPAE_BLOCK_SIZE(lvl, data);
		/* After the last entry of a table, free that table. */
		for (last = lvl - 1; last >= data->start_level &&
		     IS_ALIGNED(*iova, ARM_LPAE_BLOCK_SIZE(last, data)); last--) {
			ptep = pgtable_walk(data, *iova - 1, last, &lvl, &pte);
			pkvm_iommu_free_page(hyp_phys_to_virt(pte & ARM_LPAE_PTE_ADDR_MASK));
			WRITE_ONCE(*ptep, 0);
		}
	}

	return true;
}

/**
 * pkvm_iommu_pgtable_starts() - check that no mapping extends across an address
 * @ops: the page table, whose mappings are marked, see pkvm_iommu_pgtable_map()
 * @iova: I/O virtual address within the range of the table
 *
 * Context: the caller owns the addresses, see range.c.
 * Return: true if nothing is mapped at @iova, or a mapping starts there.
 */
bool pkvm_iommu_pgtable_starts(struct io_pgtable_ops *ops, u64 iova)
{
	struct arm_lpae_io_pgtable *data = io_pgtable_ops_to_data(ops);
	arm_lpae_iopte pte;
	int lvl;

	pgtable_find(data, iova, &lvl, &pte);

	return !(pte & ARM_LPAE_PTE_VALID) ||
	       (pte & PTE_START && IS_ALIGNED(iova, ARM_LPAE_BLOCK_SIZE(lvl, data)));
}

/**
 * pkvm_iommu_pgtable_prot() - read the permissions of a mapping
 * @ops: the page table
 * @iova: I/O virtual address that is mapped
 *
 * Context: the caller owns the addresses, see range.c.
 * Return: IOMMU_READ, IOMMU_WRITE and IOMMU_MMIO, as far as they are set.
 */
int pkvm_iommu_pgtable_prot(struct io_pgtable_ops *ops, u64 iova)
{
	/* Stage 1 has no write-only entries. A writable one is readable too. */
	static const int prots[] = { IOMMU_READ, IOMMU_READ | IOMMU_WRITE, IOMMU_WRITE };
	struct arm_lpae_io_pgtable *data = io_pgtable_ops_to_data(ops);
	const arm_lpae_iopte types = ~(ARM_LPAE_PTE_ADDR_MASK | PTE_START | PTE_MEMORY |
				       ARM_LPAE_PTE_TYPE_MASK | ARM_LPAE_PTE_XN);
	int lvl, i, mmio, prot;
	arm_lpae_iopte pte;

	pgtable_find(data, iova, &lvl, &pte);
	pte &= types;
	/* Compare with what the library encodes for each combination. */
	for (mmio = 0; mmio <= IOMMU_MMIO; mmio += IOMMU_MMIO) {
		for (i = 0; i < ARRAY_SIZE(prots); i++) {
			prot = prots[i] | mmio;
			if (pte == (arm_lpae_prot_to_pte(data, prot) & types) ||
			    pte == (arm_lpae_prot_to_pte(data, prot | IOMMU_CACHE) & types))
				return prot;
		}
	}

	return 0;
}

/**
 * pkvm_iommu_pgtable_read() - read the mappings from an address on
 * @ops: the page table
 * @iova: first I/O virtual address, within the range of the table
 * @max: bytes to look at, at least one
 * @run: filled with the runs that are mapped from @iova on without a gap, all with
 *	entries of one size. If nothing is mapped at @iova, the first run has the
 *	length of the hole in @len, and the size of an entry there in @shift
 * @nr: room in @run, at least one
 *
 * Looks at one piece of a table only, so that the work is bounded.
 *
 * Context: the caller owns the addresses, see range.c. LOOKUP owns the first page only:
 * what it reads of the others may have changed on return.
 * Return: number of runs; 0 if @iova is not mapped.
 */
int pkvm_iommu_pgtable_read(struct io_pgtable_ops *ops, u64 iova, u64 max,
			    struct pkvm_iommu_run *run, int nr)
{
	struct arm_lpae_io_pgtable *data = io_pgtable_ops_to_data(ops);
	int lvl, shift, n, i = 1, found = 1;
	arm_lpae_iopte pte, next, *ptep;
	u64 size;

	ptep = pgtable_find(data, iova, &lvl, &pte);
	shift = ARM_LPAE_LVL_SHIFT(lvl, data);
	size = BIT(shift);
	n = pgtable_entries(iova, max, lvl);
	run->shift = shift;

	if (!(pte & ARM_LPAE_PTE_VALID)) {
		while (i < n && !(READ_ONCE(ptep[i]) & ARM_LPAE_PTE_VALID))
			i++;
		run->len = ((u64)i << shift) - (iova & (size - 1));
		return 0;
	}

	run->phys = (pte & ARM_LPAE_PTE_ADDR_MASK) + (iova & (size - 1));
	run->len = size - (iova & (size - 1));
	for (; i < n; i++, pte = next) {
		next = READ_ONCE(ptep[i]);
		if (next == (pte & ~PTE_START) + size) {
			run->len += size;
			continue;
		}
		if (!(next & ARM_LPAE_PTE_VALID) || found == nr)
			break;
		found++;
		run++;
		run->phys = next & ARM_LPAE_PTE_ADDR_MASK;
		run->len = size;
		run->shift = shift;
	}

	return found;
}

static u64 pack_removed(arm_lpae_iopte pte, u64 pages)
{
	return (pte & ARM_LPAE_PTE_ADDR_MASK) | pages |
	       (pte & PTE_MEMORY ? PKVM_IOMMU_REMOVED_MEMORY : 0);
}

/**
 * pkvm_iommu_pgtable_unmap() - clear the entries from an address on
 * @ops: the page table
 * @iova: first I/O virtual address, within the range of the table
 * @max: bytes to unmap at most
 * @removed: filled with the removed runs of pages, or one block, without a gap
 * @nr: room in @removed, at least one
 * @stale: value to write to the entries, see pkvm_iommu_stale()
 * @size: set to the bytes that were unmapped
 *
 * Looks at one piece of a table only. Tables that become empty are kept.
 *
 * Context: the caller owns the addresses, and invalidates.
 * Return: number of runs in @removed; 0 if @iova is not mapped, see
 * pkvm_iommu_pgtable_read() for the length of the hole; -EINVAL if @iova or the end of
 * the range is within a block.
 */
int pkvm_iommu_pgtable_unmap(struct io_pgtable_ops *ops, u64 iova, u64 max,
			     u64 *removed, int nr, u64 stale, u64 *size)
{
	struct arm_lpae_io_pgtable *data = io_pgtable_ops_to_data(ops);
	int lvl, shift, n, i = 1, found = 1;
	arm_lpae_iopte pte, next, *ptep;

	ptep = pgtable_find(data, iova, &lvl, &pte);
	if (!(pte & ARM_LPAE_PTE_VALID))
		return 0;
	shift = ARM_LPAE_LVL_SHIFT(lvl, data);
	n = pgtable_entries(iova, max, lvl);

	if (shift != PAGE_SHIFT) {
		if (iova & (BIT(shift) - 1) || max < BIT(shift))
			return -EINVAL;
		*removed = pack_removed(pte, shift - PAGE_SHIFT) | PKVM_IOMMU_REMOVED_BLOCK;
	} else {
		*removed = pack_removed(pte, 1);
	}
	WRITE_ONCE(*ptep, stale);

	for (; i < n; i++, pte = next) {
		next = READ_ONCE(ptep[i]);
		if (next == (pte & ~PTE_START) + PAGE_SIZE) {
			*removed += 1;
		} else {
			if (!(next & ARM_LPAE_PTE_VALID) || found == nr)
				break;
			found++;
			*++removed = pack_removed(next, 1);
		}
		WRITE_ONCE(ptep[i], stale);
	}
	if (!data->iop.cfg.coherent_walk)
		__arm_lpae_sync_pte(ptep, i, &data->iop.cfg);
	*size = (u64)i << shift;

	return found;
}
