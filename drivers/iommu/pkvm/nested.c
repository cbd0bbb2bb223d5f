// SPDX-License-Identifier: GPL-2.0-only
/*
 * Nested domains: paging domains whose page tables are the kernel's own.
 *
 * The hardware translates by these tables, and then by EL2's table of what the host may
 * reach. So mapping needs no hypercall, and to unmap it takes one for the invalidation. The
 * format of the tables is what EL2 reports; io-pgtable does the rest.
 *
 * No locks: as domain.c; io-pgtable needs none.
 *
 * Callers: domain.c, and the IOMMU core through the operations of a domain.
 */
#include <linux/dma-mapping.h>
#include <linux/io-pgtable.h>
#include <linux/slab.h>

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

/* io-pgtable calls this also for the tables of a domain that EL2 did not make. */
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

static void tlb_add_page(struct iommu_iotlb_gather *gather, unsigned long iova, size_t granule,
			 void *cookie)
{
	struct pkvm_paging_domain *paging = cookie;

	iommu_iotlb_gather_add_page(&paging->domain, gather, iova, granule);
}

static const struct iommu_flush_ops nested_flush_ops = {
	.tlb_flush_all	= tlb_flush_all,
	.tlb_flush_walk	= tlb_flush_walk,
	.tlb_add_page	= tlb_add_page,
};

static int nested_map_pages(struct iommu_domain *domain, unsigned long iova, phys_addr_t paddr,
			    size_t pgsize, size_t pgcount, int prot, gfp_t gfp, size_t *mapped)
{
	struct io_pgtable_ops *ops = to_paging(domain)->pgtable;

	return ops->map_pages(ops, iova, paddr, pgsize, pgcount, prot, gfp, mapped);
}

static size_t nested_unmap_pages(struct iommu_domain *domain, unsigned long iova, size_t pgsize,
				 size_t pgcount, struct iommu_iotlb_gather *gather)
{
	struct io_pgtable_ops *ops = to_paging(domain)->pgtable;

	return ops->unmap_pages(ops, iova, pgsize, pgcount, gather);
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

static int nested_attach(struct iommu_domain *domain, struct device *dev,
			 struct iommu_domain *old)
{
	struct pkvm_iommu_master *master = dev_iommu_priv_get(dev);

	/* The caller makes a domain that suits the device. */
	if (!master->pdev->nested)
		return -EINVAL;

	return pkvm_iommu_attach(domain, dev, old);
}

static void nested_free(struct iommu_domain *domain)
{
	struct pkvm_paging_domain *paging = to_paging(domain);
	struct pkvm_iommu_hvc hvc = {
		.op	= PKVM_IOMMU_DOMAIN_FREE,
		.args	= { paging->id },
	};

	/* No stream is attached: nothing walks the tables. */
	free_io_pgtable_ops(paging->pgtable);
	WARN_ON(pkvm_iommu_hvc(&hvc));
	kfree(paging);
	pkvm_iommu_reclaim(ULONG_MAX);
}

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

/* Device for whose table walks the tables are made visible: one that does not snoop, if any. */
static struct device *walking_device(struct pkvm_iommu_dev *pdev)
{
	struct pkvm_iommu_dev *other;

	for_each_pkvm_iommu_dev(other) {
		if (other->nested && !(other->flags & PKVM_IOMMU_F_COHERENT))
			return other->dev;
	}

	return pdev->dev;
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
		.pgsize_bitmap	= SZ_4K | SZ_2M | SZ_1G,
		.ias		= FIELD_GET(PKVM_IOMMU_NESTED_IAS, pdev->nested),
		.oas		= FIELD_GET(PKVM_IOMMU_NESTED_OAS, pdev->nested),
		.coherent_walk	= pdev->nested & PKVM_IOMMU_NESTED_COHERENT,
		.tlb		= &nested_flush_ops,
		.iommu_dev	= walking_device(pdev),
	};
	struct pkvm_iommu_hvc hvc = {
		.op	= PKVM_IOMMU_DOMAIN_ALLOC,
		.args	= { PKVM_IOMMU_DOMAIN_NESTED },
	};
	struct pkvm_paging_domain *paging = kzalloc_obj(*paging);
	int ret = -ENOMEM;

	if (!paging)
		return ERR_PTR(-ENOMEM);
	paging->pgtable = alloc_io_pgtable_ops(fmt, &cfg, paging);
	if (paging->pgtable) {
		hvc.args[1] = root_table(fmt, &cfg);
		ret = pkvm_iommu_hvc_topup(&hvc, GFP_KERNEL);
	}
	if (ret) {
		free_io_pgtable_ops(paging->pgtable);
		kfree(paging);
		return ERR_PTR(ret);
	}
	paging->id = hvc.res[0];
	paging->domain.ops = &nested_ops;
	paging->domain.pgsize_bitmap = cfg.pgsize_bitmap;
	paging->domain.geometry.aperture_end = DMA_BIT_MASK(cfg.ias);
	paging->domain.geometry.force_aperture = true;

	return &paging->domain;
}
