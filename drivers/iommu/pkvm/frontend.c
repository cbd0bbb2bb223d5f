// SPDX-License-Identifier: GPL-2.0-only
/*
 * The one iommu_ops for every IOMMU that the hypervisor has.
 *
 * It translates the kernel's IOMMU API into hypercalls and knows neither the
 * hardware nor the architecture. The identity domain is the hypervisor's
 * shadow, in which a device reaches what the host itself may reach; it is never
 * bypass. The blocked domain is the state of a stream that is not attached.
 *
 * Streams that devices share, as PCI aliases do, are attached once: a stream
 * counts its devices, under streams_mutex. A group's devices change domains
 * under its mutex, which the IOMMU core holds.
 */
#define pr_fmt(fmt) "pkvm_iommu: " fmt

#include <linux/bitfield.h>
#include <linux/dma-mapping.h>
#include <linux/init.h>
#include <linux/interrupt.h>
#include <linux/memblock.h>
#include <linux/module.h>
#include <linux/pci.h>
#include <linux/platform_device.h>
#include <linux/ratelimit.h>
#include <linux/slab.h>

#include "../dma-iommu.h"
#include "pkvm.h"

#define MSI_IOVA_BASE		0x8000000
#define MSI_IOVA_LENGTH		0x100000
/* More than one attach can need, should others take what was given for it. */
#define TOPUP_TRIES		4

/**
 * struct pkvm_iommu_stream - a stream that devices of ours have
 * @dev: the first device, for messages; a reference is held
 * @users: devices that have it
 * @attached: of these, how many are in the identity domain
 */
struct pkvm_iommu_stream {
	struct device	*dev;
	unsigned int	users;
	unsigned int	attached;
};

/**
 * struct pkvm_iommu_master - a device behind an IOMMU of ours
 * @pdev: the IOMMU
 * @domain: what it is attached to
 */
struct pkvm_iommu_master {
	struct pkvm_iommu_dev	*pdev;
	struct iommu_domain	*domain;
};

static const struct iommu_ops pkvm_iommu_ops;
static struct iommu_domain identity_domain, blocked_domain;
static DEFINE_MUTEX(streams_mutex);

static int stream_call(struct pkvm_iommu_dev *pdev, u32 sid, enum pkvm_iommu_op op)
{
	struct pkvm_iommu_hvc hvc = {
		.op	= op,
		.args	= { pdev->id, sid, PKVM_IOMMU_DOMAIN_IDENTITY },
	};
	int tries, ret;

	for (tries = 0; tries < TOPUP_TRIES; tries++) {
		ret = pkvm_iommu_hvc(&hvc);
		if (ret != -ENOMEM || pkvm_iommu_topup(hvc.res[0], GFP_KERNEL))
			break;
	}

	return ret;
}

static int stream_attach(struct pkvm_iommu_dev *pdev, u32 sid)
{
	struct pkvm_iommu_stream *stream = xa_load(&pdev->streams, sid);
	int ret = 0;

	lockdep_assert_held(&streams_mutex);
	if (!stream->attached)
		ret = stream_call(pdev, sid, PKVM_IOMMU_ATTACH);
	if (!ret)
		stream->attached++;

	return ret;
}

static void stream_detach(struct pkvm_iommu_dev *pdev, u32 sid)
{
	struct pkvm_iommu_stream *stream = xa_load(&pdev->streams, sid);

	lockdep_assert_held(&streams_mutex);
	if (!--stream->attached)
		WARN_ON(stream_call(pdev, sid, PKVM_IOMMU_DETACH));
}

static int pkvm_iommu_attach_identity(struct iommu_domain *domain, struct device *dev,
				      struct iommu_domain *old)
{
	struct pkvm_iommu_master *master = dev_iommu_priv_get(dev);
	struct iommu_fwspec *fwspec = dev_iommu_fwspec_get(dev);
	int i, ret = 0;

	if (master->domain == domain)
		return 0;

	mutex_lock(&streams_mutex);
	for (i = 0; i < fwspec->num_ids; i++) {
		ret = stream_attach(master->pdev, fwspec->ids[i]);
		if (ret)
			break;
	}
	if (ret) {
		dev_err(dev, "pkvm_iommu: cannot attach stream %#x: %d\n",
			fwspec->ids[i], ret);
		while (i--)
			stream_detach(master->pdev, fwspec->ids[i]);
	} else {
		master->domain = domain;
	}
	mutex_unlock(&streams_mutex);

	return ret;
}

static void master_detach(struct pkvm_iommu_master *master, struct iommu_fwspec *fwspec)
{
	int i;

	if (master->domain == &identity_domain) {
		for (i = 0; i < fwspec->num_ids; i++)
			stream_detach(master->pdev, fwspec->ids[i]);
	}
	master->domain = &blocked_domain;
}

static int pkvm_iommu_attach_blocked(struct iommu_domain *domain, struct device *dev,
				     struct iommu_domain *old)
{
	mutex_lock(&streams_mutex);
	master_detach(dev_iommu_priv_get(dev), dev_iommu_fwspec_get(dev));
	mutex_unlock(&streams_mutex);

	return 0;
}

static struct iommu_domain identity_domain = {
	.type	= IOMMU_DOMAIN_IDENTITY,
	.ops	= &(const struct iommu_domain_ops){
		.attach_dev	= pkvm_iommu_attach_identity,
	},
};

static struct iommu_domain blocked_domain = {
	.type	= IOMMU_DOMAIN_BLOCKED,
	.ops	= &(const struct iommu_domain_ops){
		.attach_dev	= pkvm_iommu_attach_blocked,
	},
};

static void streams_remove(struct pkvm_iommu_dev *pdev, struct iommu_fwspec *fwspec, int nr)
{
	struct pkvm_iommu_stream *stream;

	while (nr--) {
		stream = xa_load(&pdev->streams, fwspec->ids[nr]);
		if (!--stream->users) {
			xa_erase(&pdev->streams, fwspec->ids[nr]);
			put_device(stream->dev);
			kfree(stream);
		}
	}
}

static int streams_add(struct pkvm_iommu_dev *pdev, struct device *dev,
		       struct iommu_fwspec *fwspec)
{
	struct pkvm_iommu_stream *stream;
	int i, ret;

	for (i = 0; i < fwspec->num_ids; i++) {
		stream = xa_load(&pdev->streams, fwspec->ids[i]);
		if (stream) {
			stream->users++;
			continue;
		}
		stream = kzalloc_obj(*stream);
		if (!stream) {
			ret = -ENOMEM;
			goto undo;
		}
		stream->dev = get_device(dev);
		stream->users = 1;
		ret = xa_err(xa_store(&pdev->streams, fwspec->ids[i], stream, GFP_KERNEL));
		if (ret) {
			put_device(dev);
			kfree(stream);
			goto undo;
		}
	}

	return 0;

undo:
	streams_remove(pdev, fwspec, i);
	return ret;
}

static struct pkvm_iommu_dev *find_iommu(struct fwnode_handle *fwnode)
{
	int i;

	for (i = 0; i < pkvm_iommu_nr_devs; i++) {
		if (dev_fwnode(pkvm_iommu_devs[i]->dev) == fwnode)
			return pkvm_iommu_devs[i];
	}

	return NULL;
}

static struct iommu_device *pkvm_iommu_probe_device(struct device *dev)
{
	struct iommu_fwspec *fwspec = dev_iommu_fwspec_get(dev);
	struct pkvm_iommu_master *master;
	struct pkvm_iommu_dev *pdev;
	int ret;

	pdev = find_iommu(fwspec->iommu_fwnode);
	if (!pdev)
		return ERR_PTR(-ENODEV);

	master = kzalloc_obj(*master);
	if (!master)
		return ERR_PTR(-ENOMEM);
	master->pdev = pdev;
	master->domain = &blocked_domain;

	mutex_lock(&streams_mutex);
	ret = streams_add(pdev, dev, fwspec);
	mutex_unlock(&streams_mutex);
	if (ret) {
		kfree(master);
		return ERR_PTR(ret);
	}
	dev_iommu_priv_set(dev, master);

	return &pdev->iommu;
}

static void pkvm_iommu_release_device(struct device *dev)
{
	struct pkvm_iommu_master *master = dev_iommu_priv_get(dev);
	struct iommu_fwspec *fwspec = dev_iommu_fwspec_get(dev);

	mutex_lock(&streams_mutex);
	/* The core releases to identity where the firmware maps regions directly. */
	master_detach(master, fwspec);
	streams_remove(master->pdev, fwspec, fwspec->num_ids);
	mutex_unlock(&streams_mutex);
	kfree(master);
}

/* What lies above the reach of the IOMMUs goes through bounce buffers. */
static void pkvm_iommu_probe_finalize(struct device *dev)
{
	struct pkvm_iommu_hvc hvc = {
		.op	= PKVM_IOMMU_INFO,
		.args	= { PKVM_IOMMU_INFO_LIMIT },
	};

	if (!pkvm_iommu_hvc(&hvc) && PFN_PHYS(max_pfn) > BIT_ULL(hvc.res[0]))
		dev->bus_dma_limit = min_not_zero(dev->bus_dma_limit,
						  DMA_BIT_MASK(hvc.res[0]));
}

static struct iommu_group *pkvm_iommu_device_group(struct device *dev)
{
	return dev_is_pci(dev) ? pci_device_group(dev) : generic_device_group(dev);
}

static int pkvm_iommu_of_xlate(struct device *dev, const struct of_phandle_args *args)
{
	return iommu_fwspec_add_ids(dev, args->args, 1);
}

static void pkvm_iommu_get_resv_regions(struct device *dev, struct list_head *head)
{
	struct iommu_resv_region *region;

	region = iommu_alloc_resv_region(MSI_IOVA_BASE, MSI_IOVA_LENGTH,
					 IOMMU_WRITE | IOMMU_NOEXEC | IOMMU_MMIO,
					 IOMMU_RESV_SW_MSI, GFP_KERNEL);
	if (region)
		list_add_tail(&region->list, head);

	iommu_dma_get_resv_regions(dev, head);
}

static bool pkvm_iommu_capable(struct device *dev, enum iommu_cap cap)
{
	struct pkvm_iommu_master *master = dev_iommu_priv_get(dev);

	return cap == IOMMU_CAP_CACHE_COHERENCY &&
	       master->pdev->flags & PKVM_IOMMU_F_COHERENT;
}

/* Until there are domains with mappings of their own, this is all there is. */
static int pkvm_iommu_def_domain_type(struct device *dev)
{
	return IOMMU_DOMAIN_IDENTITY;
}

static const struct iommu_ops pkvm_iommu_ops = {
	.capable		= pkvm_iommu_capable,
	.probe_device		= pkvm_iommu_probe_device,
	.release_device		= pkvm_iommu_release_device,
	.probe_finalize		= pkvm_iommu_probe_finalize,
	.device_group		= pkvm_iommu_device_group,
	.get_resv_regions	= pkvm_iommu_get_resv_regions,
	.of_xlate		= pkvm_iommu_of_xlate,
	.def_domain_type	= pkvm_iommu_def_domain_type,
	.identity_domain	= &identity_domain,
	.blocked_domain		= &blocked_domain,
	.release_domain		= &blocked_domain,
	.owner			= THIS_MODULE,
};

static const char *fault_reason(u64 info)
{
	switch (FIELD_GET(PKVM_IOMMU_FAULT_REASON, info)) {
	case PKVM_IOMMU_FAULT_BLOCKED:
		return "the stream is not attached";
	case PKVM_IOMMU_FAULT_UNMAPPED:
		return "not the host's to reach, or not mapped";
	case PKVM_IOMMU_FAULT_PERMISSION:
		return "not permitted";
	case PKVM_IOMMU_FAULT_FORBIDDEN:
		return "a kind of transaction that is not allowed";
	case PKVM_IOMMU_FAULT_HARDWARE:
		return "hardware error";
	}

	return "unknown reason";
}

static void report_fault(struct pkvm_iommu_dev *pdev, u64 info, u64 address)
{
	static DEFINE_RATELIMIT_STATE(rs, DEFAULT_RATELIMIT_INTERVAL,
				      DEFAULT_RATELIMIT_BURST);
	u32 sid = FIELD_GET(PKVM_IOMMU_FAULT_SID, info);
	struct pkvm_iommu_stream *stream;

	pdev->faults.info = info;
	pdev->faults.address = address;
	/* Pairs with the test device: the record is there when it is counted. */
	smp_store_release(&pdev->faults.count, pdev->faults.count + 1);

	if (!__ratelimit(&rs))
		return;
	if (FIELD_GET(PKVM_IOMMU_FAULT_REASON, info) == PKVM_IOMMU_FAULT_HARDWARE) {
		dev_err(pdev->dev, "pkvm_iommu: %s: stream %#x, code %#llx\n",
			fault_reason(info), sid, address);
		return;
	}

	mutex_lock(&streams_mutex);
	stream = xa_load(&pdev->streams, sid);
	dev_err(pdev->dev, "pkvm_iommu: %s (stream %#x) was refused a %s %#llx: %s%s\n",
		stream ? dev_name(stream->dev) : "unknown device", sid,
		info & PKVM_IOMMU_FAULT_WRITE ? "write to" : "read of", address,
		fault_reason(info),
		info & PKVM_IOMMU_FAULT_LOST ? "; others were lost" : "");
	mutex_unlock(&streams_mutex);
}

/* The interrupt may come once for many faults, so there are no more on return. */
static irqreturn_t pkvm_iommu_irq(int irq, void *data)
{
	struct pkvm_iommu_dev *pdev = data;
	struct pkvm_iommu_hvc hvc = { .op = PKVM_IOMMU_FAULT, .args = { pdev->id } };
	irqreturn_t ret = IRQ_NONE;

	while (!pkvm_iommu_hvc(&hvc)) {
		report_fault(pdev, hvc.res[0], hvc.res[1]);
		cond_resched();
		ret = IRQ_HANDLED;
	}

	return ret;
}

static int __init pkvm_iommu_start(struct pkvm_iommu_dev *pdev)
{
	int i, ret;

	for (i = 0; i < ARRAY_SIZE(pdev->irqs); i++) {
		if (!pdev->irqs[i])
			continue;
		ret = request_threaded_irq(pdev->irqs[i], NULL, pkvm_iommu_irq,
					   IRQF_ONESHOT | IRQF_SHARED,
					   dev_name(pdev->dev), pdev);
		if (ret)
			dev_warn(pdev->dev, "pkvm_iommu: no interrupt %d: %d\n",
				 pdev->irqs[i], ret);
	}
	if (!pdev->irqs[0])
		dev_warn(pdev->dev, "pkvm_iommu: no wired interrupt: faults are not reported\n");

	ret = iommu_device_sysfs_add(&pdev->iommu, pdev->dev, NULL, "%s", dev_name(pdev->dev));
	if (ret)
		return ret;

	ret = iommu_device_register(&pdev->iommu, &pkvm_iommu_ops, pdev->dev);
	if (ret)
		iommu_device_sysfs_remove(&pdev->iommu);

	return ret;
}

/* After finalize_pkvm(), which has the same initcall level in arch/. */
static int __init pkvm_iommu_init(void)
{
	struct pkvm_iommu_hvc hvc = {
		.op	= PKVM_IOMMU_INFO,
		.args	= { PKVM_IOMMU_INFO_LIMIT },
	};
	int i, ret;

	if (!pkvm_iommu_enabled())
		return 0;

	pkvm_iommu_reclaim();
	/* What could not be isolated in full may still be in service. */
	if (pkvm_iommu_hvc(&hvc))
		return 0;

	for (i = 0; i < pkvm_iommu_nr_devs; i++) {
		if (pkvm_iommu_devs[i]->type == PKVM_IOMMU_TYPE_TEST)
			continue;
		ret = pkvm_iommu_start(pkvm_iommu_devs[i]);
		if (ret)
			dev_err(pkvm_iommu_devs[i]->dev,
				"pkvm_iommu: its devices stay blocked: %d\n", ret);
	}

	return 0;
}
device_initcall_sync(pkvm_iommu_init);
