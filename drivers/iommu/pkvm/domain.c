// SPDX-License-Identifier: GPL-2.0-only
/*
 * Paging domains: I/O address spaces with mappings of their own.
 *
 * EL2 has the page tables of a managed domain; it checks every mapping, and pins the memory.
 * nested.c has the other kind. Either is for the streams of IOMMUs that have the geometry of the
 * one for which it was made.
 *
 * The IOMMU core keeps a domain until its last user is gone, and its users do not look up,
 * map and unmap the same range at the same time.
 *
 * The DMA API looks up the first page of what it unmaps, which the cache of cache.h has.
 * VFIO and iommufd look up page after page, to find the memory to unpin. So a domain of
 * theirs remembers the run that EL2 found last, see cache.h, and a hypercall serves as many
 * pages as follow each other in memory. Domains for the DMA API do without, see
 * paging_attach().
 *
 * Callers: the IOMMU core, through pkvm_iommu_domain_alloc() in the iommu_ops of
 * frontend.c and through the operations of a domain.
 */
#include <linux/cleanup.h>
#include <linux/dma-mapping.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/spinlock.h>

#include "cache.h"
#include "core.h"

static void pkvm_iommu_flush_iotlb_all(struct iommu_domain *domain)
{
	struct pkvm_iommu_hvc hvc = {
		.op	= PKVM_IOMMU_FLUSH,
		.args	= { to_paging(domain)->id },
	};

	WARN_ON(pkvm_iommu_hvc(&hvc));
}

/* Have EL2 translate an address. Returns 0 if it is not mapped; else sets @size. */
static phys_addr_t call_lookup(struct pkvm_paging_domain *paging, dma_addr_t iova, u64 *size)
{
	struct pkvm_iommu_hvc hvc = {
		.op	= PKVM_IOMMU_LOOKUP,
		.args	= { paging->id, iova },
	};

	if (pkvm_iommu_hvc(&hvc))
		return 0;
	*size = hvc.res[1];

	return hvc.res[0];
}

static phys_addr_t dma_iova_to_phys(struct iommu_domain *domain, dma_addr_t iova)
{
	struct pkvm_paging_domain *paging = to_paging(domain);
	phys_addr_t phys = cache_lookup(paging, iova);
	u64 size;

	return phys ?: pkvm_iommu_batch_lookup(paging, iova) ?: call_lookup(paging, iova, &size);
}

/* Translate an address by the run that was found last, or find another one. */
static phys_addr_t found_lookup(struct pkvm_paging_domain *paging, dma_addr_t iova)
{
	struct pkvm_iommu_found *found = &paging->found;
	u64 size = 0;

	guard(raw_spinlock_irqsave)(&found->lock);
	if (iova - found->iova < found->size)
		return found->phys + (iova - found->iova);

	WRITE_ONCE(found->size, 1);
	/* Pairs with found_forget(). */
	smp_mb();
	found->iova = iova;
	found->phys = call_lookup(paging, iova, &size);
	WRITE_ONCE(found->size, size);

	return found->phys;
}

static phys_addr_t paging_iova_to_phys(struct iommu_domain *domain, dma_addr_t iova)
{
	struct pkvm_paging_domain *paging = to_paging(domain);
	phys_addr_t phys = cache_lookup(paging, iova);

	return phys ?: pkvm_iommu_batch_lookup(paging, iova) ?: found_lookup(paging, iova);
}

/*
 * The first call of a gather waits for the IOMMUs itself, so that an unmap in one piece takes
 * one hypercall. It marks the gather as queued: the calls that follow are lazy, and set
 * @pgsize. One flush then waits for all of them: VFIO unpins what it has unmapped only after
 * iommu_iotlb_sync().
 */
static size_t paging_unmap_pages(struct iommu_domain *domain, unsigned long iova, size_t pgsize,
				 size_t pgcount, struct iommu_iotlb_gather *gather)
{
	size_t size;

	if (gather->queued)
		gather->pgsize = pgsize;
	size = pkvm_iommu_unmap_pages(domain, iova, pgsize, pgcount, gather);
	gather->queued = true;
	found_forget(to_paging(domain), iova, size);

	return size;
}

static void paging_iotlb_sync(struct iommu_domain *domain, struct iommu_iotlb_gather *gather)
{
	if (gather->pgsize)
		pkvm_iommu_flush_iotlb_all(domain);
}

static void paging_free(struct pkvm_paging_domain *paging)
{
	kfree(paging->cache);
	kfree(paging);
}

/* EL2 frees a domain in bounded steps. */
static int call_domain_free(struct pkvm_paging_domain *paging)
{
	struct pkvm_iommu_hvc hvc = {
		.op	= PKVM_IOMMU_DOMAIN_FREE,
		.args	= { paging->id },
	};
	int ret;

	while ((ret = pkvm_iommu_hvc(&hvc)) == -EAGAIN)
		cond_resched();

	return ret;
}

static void pkvm_iommu_domain_free(struct iommu_domain *domain)
{
	struct pkvm_paging_domain *paging = to_paging(domain);
	size_t size = domain->geometry.aperture_end + 1;
	int ret;

	pkvm_iommu_batch_cancel_all(paging);
	xa_erase(&pkvm_iommu_domains, paging->id);
	ret = call_domain_free(paging);
	/* The last user left something mapped. */
	if (ret == -EBUSY) {
		pkvm_iommu_unmap_range(paging, 0, size, 0);
		ret = call_domain_free(paging);
	}
	WARN_ON(ret);
	paging_free(paging);
	pkvm_iommu_reclaim(ULONG_MAX);
}

/* For the DMA API, where each instruction counts. */
static const struct iommu_domain_ops dma_domain_ops = {
	.attach_dev		= pkvm_iommu_attach,
	.map_pages		= pkvm_iommu_map_pages,
	.unmap_pages		= pkvm_iommu_unmap_pages,
	.flush_iotlb_all	= pkvm_iommu_flush_iotlb_all,
	.iotlb_sync_map		= pkvm_iommu_iotlb_sync_map,
	.iova_to_phys		= dma_iova_to_phys,
	.free			= pkvm_iommu_domain_free,
};

/*
 * The type of a domain is not known when it is allocated. The DMA API uses a domain only
 * after the first attach, so no other operation is under way.
 */
static int paging_attach(struct iommu_domain *domain, struct device *dev,
			 struct iommu_domain *old)
{
	if (iommu_is_dma_domain(domain) && domain->ops != &dma_domain_ops)
		WRITE_ONCE(domain->ops, &dma_domain_ops);

	return pkvm_iommu_attach(domain, dev, old);
}

/* For VFIO, iommufd, and drivers that map by themselves. */
static const struct iommu_domain_ops paging_ops = {
	.attach_dev		= paging_attach,
	.map_pages		= pkvm_iommu_map_pages,
	.unmap_pages		= paging_unmap_pages,
	.flush_iotlb_all	= pkvm_iommu_flush_iotlb_all,
	.iotlb_sync		= paging_iotlb_sync,
	.iotlb_sync_map		= pkvm_iommu_iotlb_sync_map,
	.iova_to_phys		= paging_iova_to_phys,
	.free			= pkvm_iommu_domain_free,
};

/**
 * pkvm_iommu_domain_alloc() - domain_alloc_paging of the iommu_ops
 * @dev: a device that the domain is for
 *
 * The domain is nested if the boot prefers that, and the IOMMU of @dev can nest.
 *
 * Context: sleeps.
 * Return: the domain, with nothing mapped; -EOPNOTSUPP if the IOMMU of @dev does not translate;
 * -ENOMEM; the errors of PKVM_IOMMU_DOMAIN_ALLOC.
 */
struct iommu_domain *pkvm_iommu_domain_alloc(struct device *dev)
{
	struct pkvm_iommu_master *master = dev_iommu_priv_get(dev);
	struct pkvm_iommu_hvc hvc = {
		.op	= PKVM_IOMMU_DOMAIN_ALLOC,
		.args	= { PKVM_IOMMU_DOMAIN_MANAGED, 0, master->pdev->id },
	};
	struct pkvm_paging_domain *paging;
	int ret;

	if (master->pdev->managed == PKVM_IOMMU_MANAGED_NONE)
		return ERR_PTR(-EOPNOTSUPP);
	if (pkvm_iommu_prefers_nested() && master->pdev->nested)
		return pkvm_iommu_nested_alloc(master->pdev);

	paging = kzalloc_obj(*paging);
	if (!paging)
		return ERR_PTR(-ENOMEM);
	paging->cache = kcalloc(PKVM_IOMMU_CACHE_SLOTS, sizeof(*paging->cache), GFP_KERNEL);
	ret = paging->cache ? pkvm_iommu_hvc_topup(&hvc, GFP_KERNEL) : -ENOMEM;
	if (ret) {
		paging_free(paging);
		return ERR_PTR(ret);
	}
	paging->id = hvc.res[0];
	paging->geometry = master->pdev->geometry;
	xa_store(&pkvm_iommu_domains, paging->id, xa_mk_value(PKVM_IOMMU_DOMAIN_MANAGED),
		 GFP_KERNEL);
	raw_spin_lock_init(&paging->found.lock);
	paging->domain.ops = &paging_ops;
	/* Of 1 GiB in any case: EL2 has a run for that, of which it makes the largest blocks. */
	paging->domain.pgsize_bitmap = PAGE_SIZE | PMD_SIZE | SZ_1G;
	paging->domain.geometry.aperture_end = DMA_BIT_MASK(master->pdev->address_bits);
	paging->domain.geometry.force_aperture = true;

	return &paging->domain;
}
