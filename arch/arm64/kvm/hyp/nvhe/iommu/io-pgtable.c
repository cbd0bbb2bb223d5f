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
	/* No caller asks for concatenated root tables. */
	return size <= PAGE_SIZE ? pkvm_iommu_alloc_page() : NULL;
}

static void pgtable_free(void *cookie, void *pages, size_t size)
{
	pkvm_iommu_free_page(pages);
}

/**
 * pkvm_iommu_pgtable_alloc() - make an empty page table
 * @fmt: ARM_64_LPAE_S1 or ARM_64_LPAE_S2
 * @cfg: its ias, oas, pgsize_bitmap and coherent_walk are used
 *
 * Context: any lock but the pool's may be held.
 * Return: its operations, or NULL if the pool is empty or the library rejects @cfg.
 */
struct io_pgtable_ops *pkvm_iommu_pgtable_alloc(enum io_pgtable_fmt fmt,
						const struct io_pgtable_cfg *cfg)
{
	struct io_pgtable_cfg new = *cfg;
	struct io_pgtable *iop;

	new.quirks = IO_PGTABLE_QUIRK_NO_WARN;
	new.alloc = pgtable_alloc;
	new.free = pgtable_free;

	if (fmt == ARM_64_LPAE_S1)
		iop = arm_64_lpae_alloc_pgtable_s1(&new, NULL);
	else
		iop = arm_64_lpae_alloc_pgtable_s2(&new, NULL);
	if (!iop)
		return NULL;

	/* As alloc_io_pgtable_ops() does, which is not part of the library. */
	iop->fmt = fmt;
	iop->cookie = NULL;
	iop->cfg = new;

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
 * level @last. Each table is one page, the root included, see pgtable_alloc().
 */
static __always_inline arm_lpae_iopte *pgtable_walk(struct arm_lpae_io_pgtable *data, u64 iova,
						    int last, int *level)
{
	arm_lpae_iopte pte, *ptep, *table = data->pgd;
	int lvl = data->start_level, shift = ARM_LPAE_LVL_SHIFT(lvl, data);

	for (;; lvl++, shift -= PAGE_SHIFT - 3) {
		ptep = table + (iova >> shift & (PTRS_PER_PTE - 1));
		pte = READ_ONCE(*ptep);
		if (lvl == last || iopte_type(pte) != ARM_LPAE_PTE_TYPE_TABLE)
			break;
		table = hyp_phys_to_virt(pte & ARM_LPAE_PTE_ADDR_MASK);
	}
	*level = lvl;

	return ptep;
}

static arm_lpae_iopte *pgtable_find(struct arm_lpae_io_pgtable *data, u64 iova, int *level)
{
	return pgtable_walk(data, iova, ARM_LPAE_MAX_LEVELS - 1, level);
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

/* Let the library map, to make missing tables; the caller writes the entries again. */
static int pgtable_make(struct arm_lpae_io_pgtable *data, const struct pkvm_iommu_mapping *map)
{
	struct io_pgtable_ops *ops = &data->iop.ops;
	size_t mapped;

	return ops->map_pages(ops, map->iova, map->phys, BIT(map->shift),
			      mapping_entries(map), map->prot, 0, &mapped);
}

/**
 * pkvm_iommu_pgtable_map() - write the entries of mappings
 * @domain: the domain
 * @maps: mappings; nothing is written for one that fails
 * @nr: number of mappings
 * @mark: mark the start of each mapping, for pkvm_iommu_pgtable_starts()
 * @stale: check if the address of an entry must not be used yet. It gets what
 *	pkvm_iommu_pgtable_unmap() has left in the entry of a page; 0 for other entries
 * @done: set to the number of mappings, from the first, that are written
 *
 * Context: the lock of @domain is held.
 * Return: 0; -EEXIST if a page is mapped already; -EAGAIN for such entries; -ENOMEM
 * if the pool is empty.
 */
int pkvm_iommu_pgtable_map(struct pkvm_iommu_domain *domain,
			   const struct pkvm_iommu_mapping *maps, int nr, bool mark,
			   pkvm_iommu_stale_fn stale, int *done)
{
	struct arm_lpae_io_pgtable *data = io_pgtable_ops_to_data(domain->ops);
	const struct pkvm_iommu_mapping *map = maps, *last = NULL;
	arm_lpae_iopte pte, prot = 0, *ptep = NULL, usable = 0;
	int ret = 0, lvl = 0, shift = 0, i, n;

	for (; map < maps + nr; last = map++) {
		if (!last || last->prot != map->prot || last->is_memory != map->is_memory)
			prot = arm_lpae_prot_to_pte(data, map->prot) |
			       (map->is_memory ? PTE_MEMORY : 0);
		/* Usually in the same table as the mapping before. */
		if (shift == PAGE_SHIFT && map->iova >> PMD_SHIFT == last->iova >> PMD_SHIFT) {
			ptep += (s64)(map->iova - last->iova) >> PAGE_SHIFT;
		} else {
			ptep = pgtable_find(data, map->iova, &lvl);
			shift = ARM_LPAE_LVL_SHIFT(lvl, data);
		}

		n = mapping_entries(map);
		if (shift == map->shift) {
			for (i = 0; i < n && !ret; i++) {
				if (!ptep[i] || ptep[i] == usable)
					continue;
				if (ptep[i] & ARM_LPAE_PTE_VALID)
					ret = -EEXIST;
				else if (stale(domain, ptep[i]))
					ret = -EAGAIN;
				else
					usable = ptep[i];
			}
			if (!ret && shift != PAGE_SHIFT && stale(domain, 0))
				ret = -EAGAIN;
		} else if (shift > map->shift && !*ptep) {
			ret = stale(domain, 0) ? -EAGAIN : pgtable_make(data, map);
			ptep = pgtable_find(data, map->iova, &lvl);
			shift = map->shift;
		} else {
			/* There is a block, or a table where a block is to be written. */
			ret = -EEXIST;
		}
		if (ret)
			break;

		pte = map->phys | prot | (shift == PAGE_SHIFT ? ARM_LPAE_PTE_TYPE_PAGE :
							       ARM_LPAE_PTE_TYPE_BLOCK);
		for (i = 0; i < n; i++, pte += BIT(shift))
			WRITE_ONCE(ptep[i], pte);
		if (mark)
			*ptep |= PTE_START;
		if (!data->iop.cfg.coherent_walk)
			__arm_lpae_sync_pte(ptep, n, &data->iop.cfg);
	}
	/* Visible to table walks before the host or an IOMMU learns of the mappings. */
	wmb();
	*done = map - maps;

	return ret;
}

/**
 * pkvm_iommu_pgtable_prune() - remove an empty last-level table
 * @ops: the page table
 * @iova: first I/O virtual address that the table translates
 *
 * Context: the caller holds the lock of the page table. It invalidates the whole
 * domain before it frees the table, and before something is mapped there.
 * Return: the table; NULL if there is none, or it is not empty.
 */
void *pkvm_iommu_pgtable_prune(struct io_pgtable_ops *ops, u64 iova)
{
	struct arm_lpae_io_pgtable *data = io_pgtable_ops_to_data(ops);
	arm_lpae_iopte *ptep, *table;
	int lvl, i;

	ptep = pgtable_walk(data, iova, ARM_LPAE_MAX_LEVELS - 2, &lvl);
	if (lvl != ARM_LPAE_MAX_LEVELS - 2 || iopte_type(*ptep) != ARM_LPAE_PTE_TYPE_TABLE)
		return NULL;
	table = hyp_phys_to_virt(*ptep & ARM_LPAE_PTE_ADDR_MASK);
	for (i = 0; i < PTRS_PER_PTE; i++) {
		if (table[i] & ARM_LPAE_PTE_VALID)
			return NULL;
	}
	WRITE_ONCE(*ptep, 0);
	if (!data->iop.cfg.coherent_walk)
		__arm_lpae_sync_pte(ptep, 1, &data->iop.cfg);

	return table;
}

/**
 * pkvm_iommu_pgtable_drain() - free the tables of an empty page table, but for the root
 * @ops: the page table, in which nothing is mapped, and which no IOMMU walks
 * @iova: I/O virtual address, 0 at first, from which on tables are left; set anew
 * @max: entries to look at
 *
 * Context: nobody else uses the page table. Any lock but the pool's may be held.
 * Return: true if all are freed; false if @max is reached.
 */
bool pkvm_iommu_pgtable_drain(struct io_pgtable_ops *ops, u64 *iova, int max)
{
	struct arm_lpae_io_pgtable *data = io_pgtable_ops_to_data(ops);
	u64 end = BIT(data->iop.cfg.ias);
	arm_lpae_iopte *ptep;
	int lvl, last;

	while (*iova < end) {
		if (!max--)
			return false;
		ptep = pgtable_walk(data, *iova, ARM_LPAE_MAX_LEVELS - 2, &lvl);
		if (iopte_type(*ptep) == ARM_LPAE_PTE_TYPE_TABLE)
			pkvm_iommu_free_page(hyp_phys_to_virt(*ptep & ARM_LPAE_PTE_ADDR_MASK));
		WRITE_ONCE(*ptep, 0);
		*iova = ALIGN_DOWN(*iova, ARM_LPAE_BLOCK_SIZE(lvl, data)) +
			ARM_LPAE_BLOCK_SIZE(lvl, data);
		/* After the last entry of a table, free that table. */
		for (last = lvl - 1; last >= data->start_level &&
		     IS_ALIGNED(*iova, ARM_LPAE_BLOCK_SIZE(last, data)); last--) {
			ptep = pgtable_walk(data, *iova - 1, last, &lvl);
			pkvm_iommu_free_page(hyp_phys_to_virt(*ptep & ARM_LPAE_PTE_ADDR_MASK));
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
 * Context: the caller holds the lock of the page table.
 * Return: true if nothing is mapped at @iova, or a mapping starts there.
 */
bool pkvm_iommu_pgtable_starts(struct io_pgtable_ops *ops, u64 iova)
{
	struct arm_lpae_io_pgtable *data = io_pgtable_ops_to_data(ops);
	int lvl;
	arm_lpae_iopte pte = *pgtable_find(data, iova, &lvl);

	return !(pte & ARM_LPAE_PTE_VALID) ||
	       (pte & PTE_START && IS_ALIGNED(iova, ARM_LPAE_BLOCK_SIZE(lvl, data)));
}

/**
 * pkvm_iommu_pgtable_prot() - read the permissions of a mapping
 * @ops: the page table
 * @iova: I/O virtual address that is mapped
 *
 * Context: the caller holds the lock of the page table.
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
	arm_lpae_iopte pte = *pgtable_find(data, iova, &lvl) & types;

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

/* Number of entries of one table, from that of @iova on, that map the next @max bytes. */
static int pgtable_entries(u64 iova, u64 max, int lvl)
{
	if (lvl != ARM_LPAE_MAX_LEVELS - 1)
		return 1;

	return min_t(u64, max >> PAGE_SHIFT, PTRS_PER_PTE - pte_index(iova));
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
 * Looks at one table only, so that the work is bounded.
 *
 * Context: the caller holds the lock of the page table.
 * Return: number of runs; 0 if @iova is not mapped.
 */
int pkvm_iommu_pgtable_read(struct io_pgtable_ops *ops, u64 iova, u64 max,
			    struct pkvm_iommu_run *run, int nr)
{
	struct arm_lpae_io_pgtable *data = io_pgtable_ops_to_data(ops);
	int lvl, shift, n, i = 1, found = 1;
	arm_lpae_iopte pte, next, *ptep;
	u64 size;

	ptep = pgtable_find(data, iova, &lvl);
	pte = READ_ONCE(*ptep);
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
	run->is_memory = pte & PTE_MEMORY;
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
		run->is_memory = next & PTE_MEMORY;
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
 * @stale: value to write to page entries, see pkvm_iommu_stale(). Block entries are
 *	cleared to 0
 * @size: set to the bytes that were unmapped
 *
 * Looks at one table only. Tables that become empty are kept.
 *
 * Context: the caller holds the lock of the page table, and invalidates.
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

	ptep = pgtable_find(data, iova, &lvl);
	pte = READ_ONCE(*ptep);
	if (!(pte & ARM_LPAE_PTE_VALID))
		return 0;
	shift = ARM_LPAE_LVL_SHIFT(lvl, data);
	n = pgtable_entries(iova, max, lvl);

	if (shift != PAGE_SHIFT) {
		/* Larger blocks do not fit into a removed run. Only the shadow has them. */
		if (shift > PMD_SHIFT || iova & (BIT(shift) - 1) || max < BIT(shift))
			return -EINVAL;
		*removed = pack_removed(pte, BIT(shift - PAGE_SHIFT)) | PKVM_IOMMU_REMOVED_BLOCK;
		/* The library interprets entries at this level, which may point to tables. */
		stale = 0;
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
