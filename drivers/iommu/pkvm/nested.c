// SPDX-License-Identifier: GPL-2.0-only
/*
 * Nested domains: paging domains whose page tables are the kernel's own.
 *
 * The hardware translates by these tables, and then by EL2's table of what the host may
 * reach. So mapping needs no hypercall, and to unmap it takes one for the invalidation. The
 * format of the tables is what EL2 reports; io-pgtable does the rest.
 *
 * The DMA API looks up the first page of what it unmaps. That page is in the cache of cache.h,
 * because a walk of the tables takes longer than all else that an unmap does at EL1. Other users
 * look up page after page, and unmap other pieces than they have mapped: no cache for them.
 *
 * No locks: as domain.c; io-pgtable needs none.
 *
 * Callers: domain.c, frontend.c, and the IOMMU core through the operations of a domain.
 */
#include <linux/dma-map-ops.h>
#include <linux/dma-mapping.h>
#include <linux/io-pgtable.h>
#include <linux/memblock.h>
#include <linux/slab.h>

#include "cache.h"
#include "core.h"

static void invalidate(struct pkvm_paging_domain *paging, unsigned long iova, size_t size,
		       u64 flags)
{
	struct pkvm_iommu_hvc hvc = {
		.op	= PKVM_IOMMU_INVALIDATE,
		.args	= { paging->id, iova, size, flags },
	};

	WARN_ON(pkvm_iommu_hvc(&hvc));
}

/* io-pgtable calls this also for the tables of a domain that EL2 does not have. */
static void tlb_flush_all(void *cookie)
{
	struct pkvm_paging_domain *paging = cookie;

	if (paging->id)
		invalidate(paging, 0, 0, 0);
}

static void tlb_flush_walk(unsigned long iova, size_t size, size_t granule, void *cookie)
{
	invalidate(cookie, iova, size, 0);
}

/* Without tlb_add_page: nested_unmap_pages() gathers what io-pgtable unmaps. */
static const struct iommu_flush_ops nested_flush_ops = {
	.tlb_flush_all	= tlb_flush_all,
	.tlb_flush_walk	= tlb_flush_walk,
};

static int nested_map_pages(struct iommu_domain *domain, unsigned long iova, phys_addr_t paddr,
			    size_t pgsize, size_t pgcount, int prot, gfp_t gfp, size_t *mapped)
{
	struct io_pgtable_ops *ops = to_paging(domain)->pgtable;

	/* io-pgtable would warn. */
	if (unlikely((paddr + pgsize * pgcount - 1) >> io_pgtable_ops_to_pgtable(ops)->cfg.oas))
		return -ERANGE;

	return ops->map_pages(ops, iova, paddr, pgsize, pgcount, prot, gfp, mapped);
}

static size_t nested_unmap_pages(struct iommu_domain *domain, unsigned long iova, size_t pgsize,
				 size_t pgcount, struct iommu_iotlb_gather *gather)
{
	struct io_pgtable_ops *ops = to_paging(domain)->pgtable;
	/* Gather the range as a whole: io-pgtable would make a call for each entry. */
	size_t size = ops->unmap_pages(ops, iova, pgsize, pgcount, NULL);

	if (gather->queued || unlikely(!size))
		return size;
	if (iommu_iotlb_gather_is_disjoint(gather, iova, size))
		iommu_iotlb_sync(domain, gather);
	/* INVALIDATE has no level, so pages and blocks can be in one range. */
	gather->pgsize = pgsize;
	iommu_iotlb_gather_add_range(gather, iova, size);

	return size;
}

static void nested_iotlb_sync(struct iommu_domain *domain, struct iommu_iotlb_gather *gather)
{
	/* Tables that go have been invalidated by tlb_flush_walk(). */
	if (gather->pgsize)
		invalidate(to_paging(domain), gather->start, gather->end - gather->start + 1,
			   PKVM_IOMMU_INVALIDATE_LEAF);
}

static void nested_flush_iotlb_all(struct iommu_domain *domain)
{
	tlb_flush_all(to_paging(domain));
}

static phys_addr_t nested_iova_to_phys(struct iommu_domain *domain, dma_addr_t iova)
{
	struct io_pgtable_ops *ops = to_paging(domain)->pgtable;

	return ops->iova_to_phys(ops, iova);
}

/* Each instruction counts: the entry is made before the call, which needs no values after it. */
static int dma_map_pages(struct iommu_domain *domain, unsigned long iova, phys_addr_t paddr,
			 size_t pgsize, size_t pgcount, int prot, gfp_t gfp, size_t *mapped)
{
	struct pkvm_paging_domain *paging = to_paging(domain);
	struct io_pgtable_ops *ops = paging->pgtable;
	u64 *slot = cache_add_fitting(paging, iova, paddr, pgsize < PMD_SIZE ? 0 : CACHE_LARGE);
	int ret;

	ret = ops->map_pages(ops, iova, paddr, pgsize, pgcount, prot, gfp, mapped);
	if (unlikely(ret))
		WRITE_ONCE(*slot, 0);

	return ret;
}

static size_t dma_unmap_pages(struct iommu_domain *domain, unsigned long iova, size_t pgsize,
			      size_t pgcount, struct iommu_iotlb_gather *gather)
{
	struct pkvm_paging_domain *paging = to_paging(domain);
	struct io_pgtable_ops *ops = paging->pgtable;

	cache_forget(paging, iova, pgsize * pgcount);
	/* A flush will invalidate: there is nothing to gather. */
	if (gather->queued)
		return ops->unmap_pages(ops, iova, pgsize, pgcount, NULL);

	return nested_unmap_pages(domain, iova, pgsize, pgcount, gather);
}

static phys_addr_t dma_iova_to_phys(struct iommu_domain *domain, dma_addr_t iova)
{
	return cache_lookup(to_paging(domain), iova) ?: nested_iova_to_phys(domain, iova);
}

static const struct iommu_domain_ops nested_dma_ops;

static int nested_attach(struct iommu_domain *domain, struct device *dev,
			 struct iommu_domain *old)
{
	struct pkvm_iommu_master *master = dev_iommu_priv_get(dev);

	/* The caller makes a domain that suits the device. */
	if (!master->pdev->nested)
		return -EINVAL;
	/* As paging_attach() of domain.c. */
	if (iommu_is_dma_domain(domain) && to_paging(domain)->cache &&
	    domain->ops != &nested_dma_ops)
		WRITE_ONCE(domain->ops, &nested_dma_ops);

	return pkvm_iommu_attach(domain, dev, old);
}

static void paging_free(struct pkvm_paging_domain *paging)
{
	free_io_pgtable_ops(paging->pgtable);
	kfree(paging->cache);
	kfree(paging);
}

static void nested_free(struct iommu_domain *domain)
{
	struct pkvm_paging_domain *paging = to_paging(domain);
	struct pkvm_iommu_hvc hvc = {
		.op	= PKVM_IOMMU_DOMAIN_FREE,
		.args	= { paging->id },
	};

	xa_erase(&pkvm_iommu_domains, paging->id);
	/* As long as EL2 has the domain, IOMMUs may walk the tables. */
	if (WARN_ON(pkvm_iommu_hvc(&hvc)))
		return;
	paging->id = 0;
	paging_free(paging);
	pkvm_iommu_reclaim(ULONG_MAX);
}

static const struct iommu_domain_ops nested_dma_ops = {
	.attach_dev		= nested_attach,
	.map_pages		= dma_map_pages,
	.unmap_pages		= dma_unmap_pages,
	.flush_iotlb_all	= nested_flush_iotlb_all,
	.iotlb_sync		= nested_iotlb_sync,
	.iova_to_phys		= dma_iova_to_phys,
	.free			= nested_free,
};

/* For VFIO, iommufd, and drivers that map by themselves. */
static const struct iommu_domain_ops nested_ops = {
	.attach_dev		= nested_attach,
	.map_pages		= nested_map_pages,
	.unmap_pages		= nested_unmap_pages,
	.flush_iotlb_all	= nested_flush_iotlb_all,
	.iotlb_sync		= nested_iotlb_sync,
	.iova_to_phys		= nested_iova_to_phys,
	.free			= nested_free,
};

/* Physical address of the root table, for the formats that EL2 can report. */
static u64 root_table(enum io_pgtable_fmt fmt, const struct io_pgtable_cfg *cfg)
{
	return fmt == ARM_64_LPAE_S1 ? cfg->arm_lpae_s1_cfg.ttbr : 0;
}

/**
 * pkvm_iommu_nested_probe() - find out if the devices of an IOMMU can have nested domains
 * @pdev: the IOMMU; its @address_bits is set, and @nested is set here
 *
 * They have managed domains instead in two cases that EL2 does not rule out. Memory is beyond
 * the reach of devices: tables and buffers can be anywhere. Or the firmware says that the IOMMU
 * snoops, and its registers say that it does not: io-pgtable cleans tables by the DMA API of the
 * IOMMU, which does nothing for a device that snoops.
 *
 * Context: boot; pKVM is finalised.
 * Return: 0; the errors of PKVM_IOMMU_INFO and dma_set_mask().
 */
int __init pkvm_iommu_nested_probe(struct pkvm_iommu_dev *pdev)
{
	u64 format;
	int ret;

	ret = pkvm_iommu_read_info(PKVM_IOMMU_INFO_NESTED, pdev->id, &format);
	if (ret)
		return ret;
	if (!format || PFN_PHYS(max_pfn) > BIT_ULL(pdev->address_bits))
		return 0;
	if (!(format & PKVM_IOMMU_NESTED_COHERENT)) {
		if (dev_is_dma_coherent(pdev->dev))
			return 0;
		ret = dma_set_mask(pdev->dev, DMA_BIT_MASK(FIELD_GET(PKVM_IOMMU_NESTED_OAS,
								     format)));
	}
	if (!ret)
		pdev->nested = format;

	return ret;
}

/**
 * pkvm_iommu_nested_alloc() - make a nested domain
 * @pdev: an IOMMU that can nest
 *
 * Context: sleeps.
 * Return: the domain, with nothing mapped; -ENOMEM; the errors of
 * PKVM_IOMMU_DOMAIN_ALLOC.
 */
struct iommu_domain *pkvm_iommu_nested_alloc(struct pkvm_iommu_dev *pdev)
{
	enum io_pgtable_fmt fmt = FIELD_GET(PKVM_IOMMU_NESTED_FMT, pdev->nested);
	struct io_pgtable_cfg cfg = {
		/* A mistake of the caller's is an error, as it is in managed domains. */
		.quirks		= IO_PGTABLE_QUIRK_NO_WARN,
		.pgsize_bitmap	= PAGE_SIZE | PMD_SIZE | SZ_1G,
		.ias		= FIELD_GET(PKVM_IOMMU_NESTED_IAS, pdev->nested),
		.oas		= FIELD_GET(PKVM_IOMMU_NESTED_OAS, pdev->nested),
		.coherent_walk	= pdev->nested & PKVM_IOMMU_NESTED_COHERENT,
		.tlb		= &nested_flush_ops,
		.iommu_dev	= pdev->dev,
	};
	struct pkvm_iommu_hvc hvc = {
		.op	= PKVM_IOMMU_DOMAIN_ALLOC,
		.args	= { PKVM_IOMMU_DOMAIN_NESTED },
	};
	struct pkvm_paging_domain *paging = kzalloc_obj(*paging);
	bool cached = max(cfg.ias, cfg.oas) <= CACHE_ADDRESS_BITS;
	int ret = -ENOMEM;

	if (!paging)
		return ERR_PTR(-ENOMEM);
	if (cached)
		paging->cache = kcalloc(PKVM_IOMMU_CACHE_SLOTS, sizeof(*paging->cache),
					GFP_KERNEL);
	paging->pgtable = alloc_io_pgtable_ops(fmt, &cfg, paging);
	if (paging->pgtable && !paging->cache == !cached) {
		hvc.args[1] = root_table(fmt, &cfg);
		hvc.args[2] = pdev->id;
		ret = pkvm_iommu_hvc_topup(&hvc, GFP_KERNEL);
	}
	if (ret) {
		paging_free(paging);
		return ERR_PTR(ret);
	}
	paging->id = hvc.res[0];
	paging->geometry = pdev->geometry;
	xa_store(&pkvm_iommu_domains, paging->id, xa_mk_value(PKVM_IOMMU_DOMAIN_NESTED),
		 GFP_KERNEL);
	paging->domain.ops = &nested_ops;
	paging->domain.pgsize_bitmap = cfg.pgsize_bitmap;
	paging->domain.geometry.aperture_end = DMA_BIT_MASK(cfg.ias);
	paging->domain.geometry.force_aperture = true;

	return &paging->domain;
}
