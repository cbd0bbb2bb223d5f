// SPDX-License-Identifier: GPL-2.0-only
/*
 * The one iommu_ops for every IOMMU that the hypervisor has.
 *
 * It translates the kernel's IOMMU API into hypercalls and knows neither the
 * hardware nor the architecture. The identity domain is the hypervisor's
 * shadow, in which a device reaches what the host itself may reach; it is never
 * bypass. A paging domain is one of the hypervisor's, which checks and pins what
 * is mapped. The blocked domain is the state of a stream that is not attached.
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
 * @attached: of these, how many are in @domain
 * @domain: what the hypervisor has it attached to, if @attached
 */
struct pkvm_iommu_stream {
	struct device	*dev;
	unsigned int	users;
	unsigned int	attached;
	struct iommu_domain *domain;
};

/**
 * struct pkvm_paging_domain - a domain with mappings of its own
 * @domain: the IOMMU core's part
 * @id: the hypervisor's name of it
 */
struct pkvm_paging_domain {
	struct iommu_domain	domain;
	u64			id;
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

static struct pkvm_paging_domain *to_paging(struct iommu_domain *domain)
{
	return container_of(domain, struct pkvm_paging_domain, domain);
}

static u64 domain_id(struct iommu_domain *domain)
{
	return domain == &identity_domain ? PKVM_IOMMU_DOMAIN_IDENTITY : to_paging(domain)->id;
}

/* A call that may need memory, which is reported in result @needs. */
static int call_with_memory(struct pkvm_iommu_hvc *hvc, int needs, gfp_t gfp)
{
	int tries, ret;

	for (tries = 0; tries < TOPUP_TRIES; tries++) {
		ret = pkvm_iommu_hvc(hvc);
		if (ret != -ENOMEM || pkvm_iommu_topup(hvc->res[needs], gfp))
			break;
	}

	return ret;
}

static int stream_call(struct pkvm_iommu_dev *pdev, u32 sid, enum pkvm_iommu_op op,
		       struct iommu_domain *domain)
{
	struct pkvm_iommu_hvc hvc = {
		.op	= op,
		.args	= { pdev->id, sid, domain_id(domain) },
	};

	return call_with_memory(&hvc, 0, GFP_KERNEL);
}

/*
 * Devices that share a stream change domains one after the other. The stream goes
 * with the first of them, and is blocked when none is left.
 */
static int stream_attach(struct pkvm_iommu_dev *pdev, u32 sid, struct iommu_domain *domain)
{
	struct pkvm_iommu_stream *stream = xa_load(&pdev->streams, sid);
	struct iommu_domain *was = stream->attached ? stream->domain : NULL;
	int ret = 0;

	lockdep_assert_held(&streams_mutex);
	if (was != domain) {
		if (was)
			WARN_ON(stream_call(pdev, sid, PKVM_IOMMU_DETACH, was));
		ret = stream_call(pdev, sid, PKVM_IOMMU_ATTACH, domain);
		/* Back; what that needs is still there. */
		if (ret && was)
			WARN_ON(stream_call(pdev, sid, PKVM_IOMMU_ATTACH, was));
	}
	if (!ret) {
		stream->domain = domain;
		stream->attached++;
	}

	return ret;
}

static void stream_detach(struct pkvm_iommu_dev *pdev, u32 sid)
{
	struct pkvm_iommu_stream *stream = xa_load(&pdev->streams, sid);

	lockdep_assert_held(&streams_mutex);
	if (!--stream->attached)
		WARN_ON(stream_call(pdev, sid, PKVM_IOMMU_DETACH, stream->domain));
}

static void master_detach(struct pkvm_iommu_master *master, struct iommu_fwspec *fwspec)
{
	int i;

	lockdep_assert_held(&streams_mutex);
	if (master->domain != &blocked_domain) {
		for (i = 0; i < fwspec->num_ids; i++)
			stream_detach(master->pdev, fwspec->ids[i]);
	}
	master->domain = &blocked_domain;
}

static int master_attach(struct pkvm_iommu_master *master, struct iommu_fwspec *fwspec,
			 struct iommu_domain *domain)
{
	int i, ret = 0;

	lockdep_assert_held(&streams_mutex);
	for (i = 0; i < fwspec->num_ids && !ret; i++)
		ret = stream_attach(master->pdev, fwspec->ids[i], domain);
	if (!ret)
		master->domain = domain;
	else
		for (i--; i--; )
			stream_detach(master->pdev, fwspec->ids[i]);

	return ret;
}

static int pkvm_iommu_attach(struct iommu_domain *domain, struct device *dev,
			     struct iommu_domain *old)
{
	struct pkvm_iommu_master *master = dev_iommu_priv_get(dev);
	struct iommu_fwspec *fwspec = dev_iommu_fwspec_get(dev);
	struct iommu_domain *was = master->domain;
	int ret = 0;

	if (was == domain)
		return 0;

	mutex_lock(&streams_mutex);
	master_detach(master, fwspec);
	ret = master_attach(master, fwspec, domain);
	if (ret) {
		dev_err(dev, "pkvm_iommu: cannot attach: %d\n", ret);
		/* What it needed is still there. */
		if (was != &blocked_domain)
			WARN_ON(master_attach(master, fwspec, was));
	}
	mutex_unlock(&streams_mutex);

	return ret;
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
		.attach_dev	= pkvm_iommu_attach,
	},
};

static struct iommu_domain blocked_domain = {
	.type	= IOMMU_DOMAIN_BLOCKED,
	.ops	= &(const struct iommu_domain_ops){
		.attach_dev	= pkvm_iommu_attach_blocked,
	},
};

static u64 prot_flags(int prot)
{
	return (prot & IOMMU_READ ? PKVM_IOMMU_PROT_READ : 0) |
	       (prot & IOMMU_WRITE ? PKVM_IOMMU_PROT_WRITE : 0) |
	       (prot & IOMMU_CACHE ? PKVM_IOMMU_PROT_CACHE : 0) |
	       (prot & IOMMU_MMIO ? PKVM_IOMMU_PROT_MMIO : 0) |
	       (prot & IOMMU_NOEXEC ? PKVM_IOMMU_PROT_NOEXEC : 0);
}

static int pkvm_iommu_map_pages(struct iommu_domain *domain, unsigned long iova,
				phys_addr_t paddr, size_t pgsize, size_t pgcount,
				int prot, gfp_t gfp, size_t *mapped)
{
	size_t done, size = pgsize * pgcount;
	int ret = 0, stuck = 0;

	for (done = 0; done < size && !ret; ) {
		struct pkvm_iommu_hvc hvc = {
			.op	= PKVM_IOMMU_MAP,
			.args	= { to_paging(domain)->id, iova + done, paddr + done,
				    size - done, prot_flags(prot) },
		};

		ret = pkvm_iommu_hvc(&hvc);
		done += hvc.res[0];
		/* Memory that was given can be taken by others, but not for ever. */
		stuck = hvc.res[0] ? 0 : stuck + 1;
		if (ret == -ENOMEM && stuck < TOPUP_TRIES)
			ret = pkvm_iommu_topup(hvc.res[1], gfp & ~__GFP_ACCOUNT);
	}
	*mapped = done;

	return ret;
}

/* Returns the bytes that had been mapped. */
static size_t unmap_range(struct iommu_domain *domain, unsigned long iova, size_t size)
{
	size_t done = 0, mapped = 0;
	int ret = 0;

	while (done < size && !ret) {
		struct pkvm_iommu_hvc hvc = {
			.op	= PKVM_IOMMU_UNMAP,
			.args	= { to_paging(domain)->id, iova + done, size - done },
		};

		ret = pkvm_iommu_hvc(&hvc);
		done += hvc.res[0];
		mapped += hvc.res[1];
	}

	return mapped;
}

static size_t pkvm_iommu_unmap_pages(struct iommu_domain *domain, unsigned long iova,
				     size_t pgsize, size_t pgcount,
				     struct iommu_iotlb_gather *gather)
{
	return unmap_range(domain, iova, pgsize * pgcount);
}

static phys_addr_t pkvm_iommu_iova_to_phys(struct iommu_domain *domain, dma_addr_t iova)
{
	struct pkvm_iommu_hvc hvc = {
		.op	= PKVM_IOMMU_LOOKUP,
		.args	= { to_paging(domain)->id, iova },
	};

	return pkvm_iommu_hvc(&hvc) ? 0 : hvc.res[0];
}

static void pkvm_iommu_domain_free(struct iommu_domain *domain)
{
	struct pkvm_iommu_hvc hvc = {
		.op	= PKVM_IOMMU_DOMAIN_FREE,
		.args	= { to_paging(domain)->id },
	};
	int ret;

	while ((ret = pkvm_iommu_hvc(&hvc)) == -EAGAIN)
		cond_resched();
	/* Whoever had it left something mapped. */
	if (ret == -EBUSY) {
		unmap_range(domain, 0, domain->geometry.aperture_end + 1);
		while ((ret = pkvm_iommu_hvc(&hvc)) == -EAGAIN)
			cond_resched();
	}
	WARN_ON(ret);
	kfree(to_paging(domain));
	pkvm_iommu_reclaim();
}

static const struct iommu_domain_ops paging_ops = {
	.attach_dev	= pkvm_iommu_attach,
	.map_pages	= pkvm_iommu_map_pages,
	.unmap_pages	= pkvm_iommu_unmap_pages,
	.iova_to_phys	= pkvm_iommu_iova_to_phys,
	.free		= pkvm_iommu_domain_free,
};

static struct iommu_domain *pkvm_iommu_domain_alloc(struct device *dev)
{
	struct pkvm_iommu_hvc limit = {
		.op	= PKVM_IOMMU_INFO,
		.args	= { PKVM_IOMMU_INFO_LIMIT },
	};
	struct pkvm_iommu_hvc hvc = { .op = PKVM_IOMMU_DOMAIN_ALLOC };
	struct pkvm_paging_domain *paging;
	int ret;

	ret = pkvm_iommu_hvc(&limit);
	if (ret)
		return ERR_PTR(ret);

	paging = kzalloc_obj(*paging);
	if (!paging)
		return ERR_PTR(-ENOMEM);

	ret = call_with_memory(&hvc, 0, GFP_KERNEL);
	if (ret) {
		kfree(paging);
		return ERR_PTR(ret);
	}
	paging->id = hvc.res[0];
	paging->domain.ops = &paging_ops;
	paging->domain.pgsize_bitmap = SZ_4K | SZ_2M;
	paging->domain.geometry.aperture_end = DMA_BIT_MASK(limit.res[0]);
	paging->domain.geometry.force_aperture = true;

	return &paging->domain;
}

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

static const struct iommu_ops pkvm_iommu_ops = {
	.capable		= pkvm_iommu_capable,
	.probe_device		= pkvm_iommu_probe_device,
	.release_device		= pkvm_iommu_release_device,
	.probe_finalize		= pkvm_iommu_probe_finalize,
	.device_group		= pkvm_iommu_device_group,
	.get_resv_regions	= pkvm_iommu_get_resv_regions,
	.of_xlate		= pkvm_iommu_of_xlate,
	.domain_alloc_paging	= pkvm_iommu_domain_alloc,
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
