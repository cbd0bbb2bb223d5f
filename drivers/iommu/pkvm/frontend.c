// SPDX-License-Identifier: GPL-2.0-only
/*
 * The iommu_ops, one for all IOMMUs that EL2 drives, and the step of the boot
 * that registers these IOMMUs with the IOMMU core.
 *
 * The layer translates the kernel's IOMMU API into hypercalls. It knows neither
 * the hardware nor the architecture: what differs between IOMMUs, EL2 reports.
 *
 * No locks: everything used here is constant after boot.
 *
 * Callers: the IOMMU core.
 */
#define pr_fmt(fmt) "pkvm_iommu: " fmt

#include <kunit/static_stub.h>
#include <linux/dma-mapping.h>
#include <linux/init.h>
#include <linux/memblock.h>
#include <linux/module.h>
#include <linux/pci.h>

#include "../dma-iommu.h"
#include "core.h"

#define MSI_IOVA_BASE		0x8000000
#define MSI_IOVA_LENGTH		0x100000

/* Memory that the IOMMU cannot lead to. */
static bool memory_beyond_reach(const struct pkvm_iommu_dev *pdev)
{
	return PFN_PHYS(max_pfn) > BIT_ULL(pdev->address_bits);
}

/*
 * In the identity domain, the IOMMU is what the DMA API calls a bus with a smaller limit than
 * the device: it bounces what lies beyond. A DMA domain has I/O virtual addresses within the
 * limit anyway.
 */
static void pkvm_iommu_probe_finalize(struct device *dev)
{
	struct pkvm_iommu_master *master = dev_iommu_priv_get(dev);

	dev->bus_dma_limit = min_not_zero(dev->bus_dma_limit,
					  DMA_BIT_MASK(master->pdev->address_bits));
}

/**
 * pkvm_iommu_stream_id() - translate a device's reference to an IOMMU
 * @pdev: the IOMMU
 * @args: the reference
 * @sid: set to the stream id
 *
 * Context: any.
 * Return: 0; -EINVAL if the init module knows no stream id for these cells.
 */
int pkvm_iommu_stream_id(struct pkvm_iommu_dev *pdev, const struct of_phandle_args *args,
			 u32 *sid)
{
	if (pdev->stream_id)
		return pdev->stream_id(args, sid);
	if (args->args_count > 1)
		return -EINVAL;
	*sid = args->args_count ? args->args[0] : 0;

	return 0;
}

static int pkvm_iommu_of_xlate(struct device *dev, const struct of_phandle_args *args)
{
	struct pkvm_iommu_dev *pdev = pkvm_iommu_find(of_fwnode_handle(args->np));
	u32 sid;
	int ret;

	if (!pdev)
		return -ENODEV;
	ret = pkvm_iommu_stream_id(pdev, args, &sid);
	if (ret) {
		dev_err(dev, "pkvm_iommu: no stream id in the %d cells after %pOF\n",
			args->args_count, args->np);
		return ret;
	}

	return iommu_fwspec_add_ids(dev, &sid, 1);
}

/**
 * pkvm_iommu_read_region() - read a reserved region of a stream
 * @pdev: the IOMMU
 * @sid: the stream
 * @index: index of the region
 * @res: receives the results of PKVM_IOMMU_REGION
 *
 * A function of its own for frontend-test.c, which puts another one in its place.
 *
 * Context: any; once pKVM is finalised.
 * Return: 0; the errors of PKVM_IOMMU_REGION.
 */
int pkvm_iommu_read_region(struct pkvm_iommu_dev *pdev, u32 sid, u64 index, u64 *res)
{
	struct pkvm_iommu_hvc hvc = {
		.op	= PKVM_IOMMU_REGION,
		.args	= { pdev->id, sid, index },
	};
	int ret;

	KUNIT_STATIC_STUB_REDIRECT(pkvm_iommu_read_region, pdev, sid, index, res);
	ret = pkvm_iommu_hvc(&hvc);
	memcpy(res, hvc.res, sizeof(hvc.res));

	return ret;
}

static void add_region(struct list_head *head, u64 start, u64 size, enum iommu_resv_type type)
{
	int prot = type == IOMMU_RESV_RESERVED ? 0 : IOMMU_WRITE | IOMMU_NOEXEC | IOMMU_MMIO;
	struct iommu_resv_region *region;

	region = iommu_alloc_resv_region(start, size, prot, type, GFP_KERNEL);
	if (region)
		list_add_tail(&region->list, head);
}

/*
 * Add the regions that EL2 reports for a stream of the device. Returns true if one is for MSIs:
 * the IOMMU then passes them, and there is nothing to map for them.
 */
static bool add_stream_regions(struct device *dev, u32 sid, struct list_head *head)
{
	struct pkvm_iommu_master *master = dev_iommu_priv_get(dev);
	bool is_msi, has_msi = false;
	u64 index, start, res[2];
	int ret;

	for (index = 0; !(ret = pkvm_iommu_read_region(master->pdev, sid, index, res)); index++) {
		start = res[0] & ~PKVM_IOMMU_REGION_KIND;
		is_msi = (res[0] & PKVM_IOMMU_REGION_KIND) == PKVM_IOMMU_REGION_MSI;
		add_region(head, start, res[1] - start + 1,
			   is_msi ? IOMMU_RESV_MSI : IOMMU_RESV_RESERVED);
		has_msi |= is_msi;
	}
	if (ret != -ENODATA)
		dev_warn(dev, "pkvm_iommu: cannot read reserved regions of stream %#x: %d\n", sid,
			 ret);

	return has_msi;
}

static void pkvm_iommu_get_resv_regions(struct device *dev, struct list_head *head)
{
	struct iommu_fwspec *fwspec = dev_iommu_fwspec_get(dev);
	bool has_msi = false;
	int i;

	for (i = 0; i < fwspec->num_ids; i++)
		has_msi |= add_stream_regions(dev, fwspec->ids[i], head);
	if (!has_msi)
		add_region(head, MSI_IOVA_BASE, MSI_IOVA_LENGTH, IOMMU_RESV_SW_MSI);

	iommu_dma_get_resv_regions(dev, head);
}

static bool pkvm_iommu_capable(struct device *dev, enum iommu_cap cap)
{
	struct pkvm_iommu_master *master = dev_iommu_priv_get(dev);

	switch (cap) {
	case IOMMU_CAP_CACHE_COHERENCY:
		return master->pdev->flags & PKVM_IOMMU_F_COHERENT;
	case IOMMU_CAP_NOEXEC:
		return true;
	case IOMMU_CAP_DEFERRED_FLUSH:
		/* An IOMMU without page tables is told of each unmapping at once. */
		return master->pdev->identity;
	default:
		return false;
	}
}

/*
 * Try if the hardware has room for a device that is blocked, in a domain that translates: the
 * IOMMU core does not expect its first attach to fail.
 */
static bool has_room(struct device *dev)
{
	struct pkvm_iommu_master *master = dev_iommu_priv_get(dev);
	struct iommu_domain *domain;
	int ret;

	if (master->pdev->managed != PKVM_IOMMU_MANAGED_SOME ||
	    master->domain != &pkvm_iommu_blocked_domain)
		return true;
	domain = pkvm_iommu_domain_alloc(dev);
	if (IS_ERR(domain))
		return true;
	ret = pkvm_iommu_attach(domain, dev, NULL);
	if (!ret)
		pkvm_iommu_blocked_domain.ops->attach_dev(&pkvm_iommu_blocked_domain, dev, domain);
	domain->ops->free(domain);

	return ret != -ENOSPC;
}

/*
 * In a DMA domain nothing bounces: EL2 refuses to map memory beyond the reach of the IOMMU, and
 * the DMA fails. So a device that is trusted is in the identity domain if there is such memory.
 * In a crash kernel none is, see crash.c.
 */
static int pkvm_iommu_def_domain_type(struct device *dev)
{
	struct pkvm_iommu_master *master = dev_iommu_priv_get(dev);

	if (!master->pdev->identity || pkvm_iommu_in_crash_kernel())
		return IOMMU_DOMAIN_DMA;
	if (master->pdev->managed == PKVM_IOMMU_MANAGED_NONE)
		return IOMMU_DOMAIN_IDENTITY;
	if (!has_room(dev)) {
		dev_warn(dev, "pkvm_iommu: no room to translate: only the identity domain is left\n");
		return IOMMU_DOMAIN_IDENTITY;
	}
	if (dev_is_pci(dev) && to_pci_dev(dev)->untrusted)
		return 0;

	return memory_beyond_reach(master->pdev) ? IOMMU_DOMAIN_IDENTITY : 0;
}

/* Until the driver of a device maps memory, the device is in the hands of the kernel before. */
static bool pkvm_iommu_is_attach_deferred(struct device *dev)
{
	return pkvm_iommu_in_crash_kernel();
}

static const struct iommu_ops pkvm_iommu_ops = {
	.capable		= pkvm_iommu_capable,
	.probe_device		= pkvm_iommu_probe_device,
	.release_device		= pkvm_iommu_release_device,
	.probe_finalize		= pkvm_iommu_probe_finalize,
	.device_group		= pkvm_iommu_device_group,
	.is_attach_deferred	= pkvm_iommu_is_attach_deferred,
	.def_domain_type	= pkvm_iommu_def_domain_type,
	.get_resv_regions	= pkvm_iommu_get_resv_regions,
	.of_xlate		= pkvm_iommu_of_xlate,
	.domain_alloc_paging	= pkvm_iommu_domain_alloc,
	.identity_domain	= &pkvm_iommu_identity_domain,
	.blocked_domain		= &pkvm_iommu_blocked_domain,
	.release_domain		= &pkvm_iommu_blocked_domain,
	.owner			= THIS_MODULE,
};

/* From here on, the IOMMU core probes the devices behind this IOMMU. */
static int __init start_iommu(struct pkvm_iommu_dev *pdev)
{
	u64 identity;
	int ret;

	if (!pkvm_iommu_in_crash_kernel())
		pkvm_iommu_request_irqs(pdev);

	ret = pkvm_iommu_read_info(PKVM_IOMMU_INFO_IDENTITY, pdev->id, &identity) ?:
	      pkvm_iommu_read_info(PKVM_IOMMU_INFO_MANAGED, pdev->id, &pdev->managed) ?:
	      pkvm_iommu_read_info(PKVM_IOMMU_INFO_LIMIT, pdev->id, &pdev->address_bits) ?:
	      pkvm_iommu_read_info(PKVM_IOMMU_INFO_GEOMETRY, pdev->id, &pdev->geometry);
	if (ret)
		return ret;
	pdev->identity = identity;
	ret = pkvm_iommu_nested_probe(pdev);
	if (ret)
		return ret;
	if (memory_beyond_reach(pdev))
		dev_warn(pdev->dev, "pkvm_iommu: memory beyond %llu bits of addresses: its devices reach it by bounce buffers, in the identity domain only\n",
			 pdev->address_bits);

	ret = iommu_device_sysfs_add(&pdev->iommu, pdev->dev, NULL, "%s", dev_name(pdev->dev));
	if (ret)
		return ret;

	ret = iommu_device_register(&pdev->iommu, &pkvm_iommu_ops, pdev->dev);
	if (ret)
		iommu_device_sysfs_remove(&pdev->iommu);

	return ret;
}

/* Runs after finalize_pkvm(), which has the same initcall level in arch/. */
static int __init pkvm_iommu_init(void)
{
	struct pkvm_iommu_dev *pdev;
	u64 pages;
	int ret;

	if (!pkvm_iommu_enabled())
		return 0;

	pkvm_iommu_debugfs_init();
	pkvm_iommu_reclaim(ULONG_MAX);
	/*
	 * EL2 has this value if it has IOMMUs in service, which can be the case even
	 * if it refuses protected VMs.
	 */
	if (pkvm_iommu_read_info(PKVM_IOMMU_INFO_POOL_TOTAL, 0, &pages))
		return 0;

	if (!pkvm_iommu_in_crash_kernel())
		pkvm_iommu_shrinker_init();
	pkvm_iommu_batch_init();
	pkvm_iommu_fault_init();
	for_each_pkvm_iommu_dev(pdev) {
		/* A software IOMMU of the tests. */
		if (!pdev->mmio_size)
			continue;
		ret = start_iommu(pdev);
		if (ret)
			dev_err(pdev->dev, "pkvm_iommu: its devices stay blocked: %d\n", ret);
	}

	return 0;
}
device_initcall_sync(pkvm_iommu_init);
