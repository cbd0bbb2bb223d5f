// SPDX-License-Identifier: GPL-2.0-only
/*
 * Paging domains: I/O address spaces with mappings of their own.
 *
 * EL2 has the page tables of a managed domain; it checks every mapping, and pins the memory.
 * Such a domain can be attached to the streams of any IOMMU. nested.c has the other kind.
 *
 * No locks: the IOMMU core keeps a domain until its last user is gone, and its
 * users do not map and unmap the same range at the same time.
 *
 * Callers: the IOMMU core, through pkvm_iommu_domain_alloc() in the iommu_ops of
 * frontend.c and through the operations of a domain.
 */
#include <linux/dma-mapping.h>
#include <linux/sched.h>
#include <linux/slab.h>

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

static phys_addr_t pkvm_iommu_iova_to_phys(struct iommu_domain *domain, dma_addr_t iova)
{
	struct pkvm_paging_domain *paging = to_paging(domain);
	struct pkvm_iommu_hvc hvc = {
		.op	= PKVM_IOMMU_LOOKUP,
		.args	= { paging->id, iova },
	};
	phys_addr_t phys = cache_lookup(paging, iova);

	if (phys)
		return phys;

	phys = pkvm_iommu_batch_lookup(paging, iova);
	if (!phys && !pkvm_iommu_hvc(&hvc))
		phys = hvc.res[0];

	return phys;
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

static const struct iommu_domain_ops paging_ops = {
	.attach_dev		= pkvm_iommu_attach,
	.map_pages		= pkvm_iommu_map_pages,
	.unmap_pages		= pkvm_iommu_unmap_pages,
	.flush_iotlb_all	= pkvm_iommu_flush_iotlb_all,
	.iotlb_sync_map		= pkvm_iommu_iotlb_sync_map,
	.iova_to_phys		= pkvm_iommu_iova_to_phys,
	.free			= pkvm_iommu_domain_free,
};

/**
 * pkvm_iommu_domain_alloc() - domain_alloc_paging of the iommu_ops
 * @dev: a device that the domain is for
 *
 * The domain is nested if the boot prefers that, and the IOMMU of @dev can nest.
 *
 * Context: sleeps.
 * Return: the domain, with nothing mapped; -ENOMEM; the errors of
 * PKVM_IOMMU_DOMAIN_ALLOC and PKVM_IOMMU_INFO.
 */
struct iommu_domain *pkvm_iommu_domain_alloc(struct device *dev)
{
	struct pkvm_iommu_master *master = dev_iommu_priv_get(dev);
	struct pkvm_iommu_hvc hvc = { .op = PKVM_IOMMU_DOMAIN_ALLOC };
	struct pkvm_paging_domain *paging;
	u64 address_bits;
	int ret;

	if (pkvm_iommu_prefers_nested() && master->pdev->nested)
		return pkvm_iommu_nested_alloc(master->pdev);

	ret = pkvm_iommu_read_info(PKVM_IOMMU_INFO_LIMIT, 0, &address_bits);
	if (ret)
		return ERR_PTR(ret);

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
	xa_store(&pkvm_iommu_domains, paging->id, xa_mk_value(PKVM_IOMMU_DOMAIN_MANAGED), GFP_KERNEL);
	paging->domain.ops = &paging_ops;
	paging->domain.pgsize_bitmap = SZ_4K | SZ_2M;
	paging->domain.geometry.aperture_end = DMA_BIT_MASK(address_bits);
	paging->domain.geometry.force_aperture = true;

	return &paging->domain;
}
