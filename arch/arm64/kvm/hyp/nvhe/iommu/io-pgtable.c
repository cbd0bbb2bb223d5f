// SPDX-License-Identifier: GPL-2.0-only
/*
 * The kernel's own page-table library, compiled for EL2 as it stands.
 *
 * Every header that it includes is included here first, so that what EL2 does
 * not have can then be redefined. The library never sees a value of the host:
 * its callers have checked the ranges. No call of it sleeps, and its recursion
 * is bounded by the levels of a table.
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

#include <nvhe/iommu.h>
#include <nvhe/memory.h>

#include "../../../../../../drivers/iommu/iommu-pages.h"

/* A WARN is fatal at EL2: the callers here look at the result instead. */
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

/* Table walks that do not snoop: clean to the point of coherency. */
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
/* Dirty tracking is not offered, but an inline function refers to it. */
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
 * @cfg: ias, oas, pgsize_bitmap and coherent_walk
 *
 * Context: any lock but the pool's may be held.
 * Return: its operations, or NULL if the pool is empty or @cfg is not possible.
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
 * Context: no IOMMU walks it any more; as pkvm_iommu_pgtable_alloc().
 */
void pkvm_iommu_pgtable_free(struct io_pgtable_ops *ops)
{
	arm_lpae_free_pgtable(io_pgtable_ops_to_pgtable(ops));
}

/**
 * pkvm_iommu_pgtable_read() - find what is behind addresses
 * @ops: the page table
 * @iova: where to start, within its range
 * @max: look no further than so many bytes, at least one
 * @runs: filled with what is mapped from @iova on, without a gap, all by entries
 *	of one size. If nothing is mapped there, the first says how far the hole
 *	goes on (len) and the size that an entry has where it begins
 * @nr: room in @runs, at least one
 *
 * Context: the page table does not change meanwhile.
 * Return: runs found; 0 if @iova is not mapped.
 */
int pkvm_iommu_pgtable_read(struct io_pgtable_ops *ops, u64 iova, u64 max,
			    struct pkvm_iommu_run *runs, int nr)
{
	struct arm_lpae_io_pgtable *data = io_pgtable_ops_to_data(ops);
	arm_lpae_iopte pte, *ptep = data->pgd;
	struct pkvm_iommu_run *run = runs;
	int lvl, i, n = 1;
	u64 size;

	for (lvl = data->start_level; lvl < ARM_LPAE_MAX_LEVELS; lvl++) {
		i = ARM_LPAE_LVL_IDX(iova, lvl, data);
		pte = READ_ONCE(ptep[i]);
		size = ARM_LPAE_BLOCK_SIZE(lvl, data);
		run->size = size;
		if (!pte || iopte_leaf(pte, lvl, data->iop.fmt))
			break;
		ptep = iopte_deref(pte, data);
	}

	if (lvl == ARM_LPAE_MAX_LEVELS - 1)
		n = min_t(u64, max / size, arm_lpae_max_entries(i, data));
	ptep += i;

	if (!pte) {
		for (i = 1; i < n && !READ_ONCE(ptep[i]); i++)
			;
		run->len = i * size - (iova & (size - 1));
		return 0;
	}

	run->phys = iopte_to_paddr(pte, data) + (iova & (size - 1));
	run->len = size;
	for (i = 1; i < n; i++) {
		u64 phys;

		pte = READ_ONCE(ptep[i]);
		if (!pte)
			break;
		phys = iopte_to_paddr(pte, data);
		if (run->phys + run->len == phys) {
			run->len += size;
			continue;
		}
		if (run - runs == nr - 1)
			break;
		*++run = (struct pkvm_iommu_run){ phys, size, size };
	}

	return run - runs + 1;
}
