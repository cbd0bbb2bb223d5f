// SPDX-License-Identifier: GPL-2.0-only
/*
 * The one iommu_ops for every IOMMU that the hypervisor has.
 *
 * It translates the kernel's IOMMU API into hypercalls and knows neither the
 * hardware nor the architecture. The identity domain is the hypervisor's
 * shadow, in which a device reaches what the host itself may reach; it is never
 * bypass. A paging domain is one of the hypervisor's, which checks and pins what
 * is mapped. The blocked domain is the state of a stream that is not attached.
 */
#define pr_fmt(fmt) "pkvm_iommu: " fmt

#include <linux/bitfield.h>
#include <linux/dma-mapping.h>
#include <linux/init.h>
#include <linux/memblock.h>
#include <linux/module.h>
#include <linux/pci.h>
#include <linux/platform_device.h>
#include <linux/slab.h>
#include <linux/unroll.h>

#include "../dma-iommu.h"
#include "core.h"

#define MSI_IOVA_BASE		0x8000000
#define MSI_IOVA_LENGTH		0x100000
/*
 * Where recently mapped addresses lead: what the DMA API asks before it unmaps. A
 * slot holds one translation, or 0; what is not there the hypervisor looks up.
 */
#define CACHE_VALID		BIT_ULL(63)
#define CACHE_TAG		GENMASK_ULL(62, 36)
#define CACHE_PFN		GENMASK_ULL(35, 0)

static u64 prot_flags(int prot)
{
	return (prot & IOMMU_READ ? PKVM_IOMMU_PROT_READ : 0) |
	       (prot & IOMMU_WRITE ? PKVM_IOMMU_PROT_WRITE : 0) |
	       (prot & IOMMU_CACHE ? PKVM_IOMMU_PROT_CACHE : 0) |
	       (prot & IOMMU_MMIO ? PKVM_IOMMU_PROT_MMIO : 0) |
	       (prot & IOMMU_NOEXEC ? PKVM_IOMMU_PROT_NOEXEC : 0);
}

static u64 *cache_slot(struct pkvm_paging_domain *paging, u64 iova)
{
	return paging->cache + (iova >> PAGE_SHIFT) % PKVM_IOMMU_CACHE_SLOTS;
}

/* Addresses whose tag does not fit have none, and are not remembered. */
static u64 cache_tag(u64 iova)
{
	u64 tag = iova >> (PAGE_SHIFT + PKVM_IOMMU_CACHE_BITS);

	return FIELD_FIT(CACHE_TAG, tag) ? CACHE_VALID | FIELD_PREP(CACHE_TAG, tag) : 0;
}

static void cache_add(struct pkvm_paging_domain *paging, u64 iova, u64 phys)
{
	u64 tag = cache_tag(iova), pfn = phys >> PAGE_SHIFT;

	if (tag && FIELD_FIT(CACHE_PFN, pfn))
		WRITE_ONCE(*cache_slot(paging, iova), tag | FIELD_PREP(CACHE_PFN, pfn));
}

static void cache_clear(u64 *slot, size_t n)
{
	unrolled_count(8)
	while (n--)
		WRITE_ONCE(*slot++, 0);
}

/* Before it is unmapped. */
static void cache_forget(struct pkvm_paging_domain *paging, u64 iova, size_t size)
{
	u64 *slot = cache_slot(paging, iova);
	size_t n = min(size >> PAGE_SHIFT, PKVM_IOMMU_CACHE_SLOTS);
	size_t first = min_t(size_t, n, paging->cache + PKVM_IOMMU_CACHE_SLOTS - slot);

	if (n == 1) {
		WRITE_ONCE(*slot, 0);
		return;
	}
	cache_clear(slot, first);
	cache_clear(paging->cache, n - first);
}

/*
 * Returns the bytes from the start that are not mapped any more, whether they were
 * or not: so the core goes on where there may be more behind a hole.
 */
static size_t unmap_range(struct pkvm_paging_domain *paging, unsigned long iova, size_t size,
			  u64 flags)
{
	size_t done = 0;
	int ret = 0;

	cache_forget(paging, iova, size);
	while (done < size && !ret) {
		struct pkvm_iommu_hvc hvc = {
			.op	= PKVM_IOMMU_UNMAP,
			.args	= { paging->id, iova + done, size - done, flags },
		};

		ret = pkvm_iommu_hvc(&hvc);
		done += hvc.res[0];
	}

	return done;
}

/**
 * struct pkvm_iommu_batch - mappings that wait for iotlb_sync_map(), on a CPU
 * @lock: guards it
 * @domain: whose they are; NULL if there are none
 * @owner: the task that makes them: nobody else adds to them, so that an error
 *	reaches the one whose mapping failed
 * @context: and what has interrupted that task, irq_count()
 * @error: why they cannot be mapped. They stay until they are unmapped
 * @iova: where the first is that is waiting
 * @size: bytes of those that are
 * @prot: as for map_pages()
 * @gfp: how to allocate what the hypervisor needs for them
 * @next: the first run that is waiting
 * @nr: runs
 * @max: room for so many
 * @runs: of memory, one behind the other: @few, or the CPU's list
 * @index: of the first in the list, for the hypervisor
 * @few: what fits into the registers of a call
 */
struct pkvm_iommu_batch {
	raw_spinlock_t			lock;
	struct pkvm_paging_domain	*domain;
	struct task_struct		*owner;
	unsigned int			context;
	int				error;
	unsigned long			iova;
	size_t				size;
	int				prot;
	gfp_t				gfp;
	unsigned int			next;
	unsigned int			nr;
	unsigned int			max;
	u64				*runs;
	unsigned int			index;
	u64				few[PKVM_IOMMU_RUNS];
};

static DEFINE_PER_CPU(struct pkvm_iommu_batch, batches) = {
	.lock	= __RAW_SPIN_LOCK_UNLOCKED(batches.lock),
};

/* Whole blocks, as many as a run can hold. */
#define RUN_MAX			ALIGN_DOWN(PKVM_IOMMU_RUN_PAGES << PAGE_SHIFT, SZ_2M)

/* So many bytes from the start wait no more. */
static void batch_skip(struct pkvm_iommu_batch *batch, size_t size)
{
	u64 pages, *run = &batch->runs[batch->next];

	batch->iova += size;
	batch->size -= size;
	if (!batch->size)
		return;

	for (; size; size -= pages << PAGE_SHIFT) {
		pages = min(size >> PAGE_SHIFT, *run & PKVM_IOMMU_RUN_PAGES);
		*run += (pages << PAGE_SHIFT) - pages;
		if (!(*run & PKVM_IOMMU_RUN_PAGES)) {
			run++;
			batch->next++;
		}
	}
}

/* One call for what waits; what was mapped waits no more. @needs is for -ENOMEM. */
static int batch_call(struct pkvm_iommu_batch *batch, u64 *needs)
{
	struct pkvm_paging_domain *paging = batch->domain;
	u64 *run = &batch->runs[batch->next];
	unsigned int nr = batch->nr - batch->next;
	struct pkvm_iommu_hvc hvc = {
		.op	= PKVM_IOMMU_MAP,
		.args	= { paging->id, batch->iova, prot_flags(batch->prot) },
	};
	int ret;

	if (nr == 1) {
		hvc.args[3] = *run;
		ret = pkvm_iommu_hvc(&hvc);
	} else if (nr <= PKVM_IOMMU_RUNS) {
		ret = pkvm_iommu_hvc_runs(&hvc, run, nr);
	} else {
		hvc.op = PKVM_IOMMU_MAP_LIST;
		hvc.args[3] = batch->index + batch->next;
		hvc.args[4] = nr;
		ret = pkvm_iommu_hvc(&hvc);
	}
	*needs = hvc.res[1];
	if (hvc.res[0]) {
		cache_add(paging, batch->iova, *run & ~PKVM_IOMMU_RUN_PAGES);
		batch_skip(batch, hvc.res[0]);
	}

	return ret;
}

/*
 * Map all that waits. The lock is held, if it is a CPU's batch (@flags); it is
 * dropped after a call that is not the last, but the batch stays its owner's.
 */
static int batch_send(struct pkvm_iommu_batch *batch, unsigned long *flags)
{
	int ret = 0, stuck = 0, topups = 0;
	size_t left;
	u64 needs;

	while (batch->size && !ret) {
		left = batch->size;
		ret = batch_call(batch, &needs);
		/* Memory that was given can be taken by others, but not for ever. */
		stuck = batch->size < left ? 0 : stuck + 1;
		if (!ret && batch->size && flags) {
			/* Interrupts may have waited for what a call does. */
			raw_spin_unlock_irqrestore(&batch->lock, *flags);
			raw_spin_lock_irqsave(&batch->lock, *flags);
		}
		if (ret != -ENOMEM || stuck == PKVM_IOMMU_TOPUP_TRIES)
			continue;
		if (!topups++)
			pkvm_iommu_reclaim_disable();
		if (flags)
			raw_spin_unlock_irqrestore(&batch->lock, *flags);
		ret = pkvm_iommu_topup(needs, batch->gfp & ~__GFP_ACCOUNT);
		if (flags)
			raw_spin_lock_irqsave(&batch->lock, *flags);
	}
	if (topups)
		pkvm_iommu_reclaim_enable();
	batch->error = ret;

	return ret;
}

/* The lock is held. */
static void batch_end(struct pkvm_iommu_batch *batch)
{
	atomic_dec(&batch->domain->nr_batches);
	batch->domain = NULL;
}

/* Some of what waits there is for this range. */
static bool batch_has(const struct pkvm_iommu_batch *batch,
		      const struct pkvm_paging_domain *paging, unsigned long iova, size_t size)
{
	return batch->domain == paging && batch->iova <= iova + size - 1 &&
	       iova <= batch->iova + batch->size - 1;
}

/* Map what waits on a CPU, if some of it is for this range. */
static int batch_sync(struct pkvm_iommu_batch *batch, struct pkvm_paging_domain *paging,
		      unsigned long iova, size_t size)
{
	unsigned long flags;
	int ret = 0;

	if (READ_ONCE(batch->domain) != paging)
		return 0;

	raw_spin_lock_irqsave(&batch->lock, flags);
	if (batch_has(batch, paging, iova, size)) {
		ret = batch->error ?: batch_send(batch, &flags);
		if (!batch->size)
			batch_end(batch);
		/* Another part of it has failed, for which its own sync is to come. */
		else if (!batch_has(batch, paging, iova, size))
			ret = 0;
	}
	raw_spin_unlock_irqrestore(&batch->lock, flags);

	return ret;
}

static int pkvm_iommu_iotlb_sync_map(struct iommu_domain *domain, unsigned long iova, size_t size)
{
	struct pkvm_paging_domain *paging = to_paging(domain);
	int cpu, ret;

	if (!atomic_read(&paging->nr_batches))
		return 0;

	/* Mostly all of it waits here; some may on CPUs where the caller was before. */
	ret = batch_sync(raw_cpu_ptr(&batches), paging, iova, size);
	if (!atomic_read(&paging->nr_batches))
		return ret;
	for_each_possible_cpu(cpu) {
		if (!ret)
			ret = batch_sync(per_cpu_ptr(&batches, cpu), paging, iova, size);
	}

	return ret;
}

/*
 * What waits for a range has to be mapped no more. Returns the bytes, and where
 * they start: nothing of theirs is to be unmapped. What is mapped there, if
 * anything, is what they were refused for.
 */
static size_t batches_drop(struct pkvm_paging_domain *paging, unsigned long iova, size_t size,
			   unsigned long *start)
{
	struct pkvm_iommu_batch *batch;
	unsigned long flags;
	size_t dropped = 0;
	int cpu;

	for_each_possible_cpu(cpu) {
		batch = per_cpu_ptr(&batches, cpu);
		if (dropped || READ_ONCE(batch->domain) != paging)
			continue;
		raw_spin_lock_irqsave(&batch->lock, flags);
		if (batch_has(batch, paging, iova, size)) {
			/* Of a part, the rest is wanted: map it, to unmap the part. */
			if (!batch->error && (batch->iova < iova ||
					      batch->iova - iova + batch->size > size))
				batch_send(batch, &flags);
			*start = batch->iova;
			if (batch_has(batch, paging, iova, size) && batch->iova >= iova) {
				dropped = min(batch->size, size - (batch->iova - iova));
				batch_skip(batch, dropped);
			} else if (batch_has(batch, paging, iova, size)) {
				/* It has failed, so its end may as well go. */
				batch->size = iova - batch->iova;
			}
			if (!batch->size)
				batch_end(batch);
		}
		raw_spin_unlock_irqrestore(&batch->lock, flags);
	}

	return dropped;
}

/* Where an address leads that waits, or 0. */
static phys_addr_t batches_find(struct pkvm_paging_domain *paging, unsigned long iova)
{
	struct pkvm_iommu_batch *batch;
	phys_addr_t phys = 0;
	unsigned long flags;
	u64 size, offset;
	unsigned int i;
	int cpu;

	for_each_possible_cpu(cpu) {
		batch = per_cpu_ptr(&batches, cpu);
		if (READ_ONCE(batch->domain) != paging)
			continue;
		raw_spin_lock_irqsave(&batch->lock, flags);
		if (batch_has(batch, paging, iova, 1)) {
			offset = iova - batch->iova;
			for (i = batch->next; i < batch->nr && !phys; i++) {
				size = (batch->runs[i] & PKVM_IOMMU_RUN_PAGES) << PAGE_SHIFT;
				if (offset < size)
					phys = (batch->runs[i] & ~PKVM_IOMMU_RUN_PAGES) + offset;
				offset -= size;
			}
		}
		raw_spin_unlock_irqrestore(&batch->lock, flags);
	}

	return phys;
}

static void __init batches_init(void)
{
	struct pkvm_iommu_batch *batch;
	int cpu;

	for_each_possible_cpu(cpu) {
		batch = per_cpu_ptr(&batches, cpu);
		batch->runs = batch->few;
		batch->max = PKVM_IOMMU_RUNS;
		if (!pkvm_iommu_run_lists)
			continue;
		batch->runs = pkvm_iommu_run_lists[cpu];
		batch->max = PKVM_IOMMU_LIST_RUNS;
		batch->index = cpu * PKVM_IOMMU_LIST_RUNS;
	}
}

static void batch_start(struct pkvm_iommu_batch *batch, struct pkvm_paging_domain *paging,
			unsigned long iova, u64 run, int prot, gfp_t gfp)
{
	batch->domain = paging;
	batch->error = 0;
	batch->iova = iova;
	batch->size = (run & PKVM_IOMMU_RUN_PAGES) << PAGE_SHIFT;
	batch->prot = prot;
	batch->gfp = gfp;
	batch->next = 0;
	batch->nr = 1;
	batch->runs[0] = run;
}

/* There is no room for a run in a batch, whose lock is held, and dropped. */
static noinline int batch_add_slow(struct pkvm_iommu_batch *batch, unsigned long flags,
				   bool mine, struct pkvm_paging_domain *paging,
				   unsigned long iova, u64 run, int prot, gfp_t gfp)
{
	struct pkvm_iommu_batch alone = { .max = 1, .runs = alone.few };
	int ret;

	if (mine) {
		ret = batch->error ?: batch_send(batch, &flags);
		if (!ret)
			batch_start(batch, paging, iova, run, prot, gfp);
		raw_spin_unlock_irqrestore(&batch->lock, flags);
		return ret;
	}

	/* It waits for somebody else: this run goes alone. */
	raw_spin_unlock_irqrestore(&batch->lock, flags);
	batch_start(&alone, paging, iova, run, prot, gfp);
	ret = batch_send(&alone, NULL);
	if (ret)
		unmap_range(paging, iova, alone.iova - iova, 0);

	return ret;
}

/* Leave a run to iotlb_sync_map(), together with those that it continues. */
static inline int batch_add(struct pkvm_paging_domain *paging, unsigned long iova, u64 run,
			    int prot, gfp_t gfp)
{
	struct pkvm_iommu_batch *batch = raw_cpu_ptr(&batches);
	unsigned int context = irq_count();
	unsigned long flags;
	bool mine;

	raw_spin_lock_irqsave(&batch->lock, flags);
	mine = batch->domain == paging && batch->owner == current &&
	       batch->context == context && batch->prot == prot &&
	       batch->iova + batch->size == iova;
	if (mine && batch->nr < batch->max && !batch->error) {
		batch->runs[batch->nr++] = run;
		batch->size += (run & PKVM_IOMMU_RUN_PAGES) << PAGE_SHIFT;
	} else if (!batch->domain) {
		batch_start(batch, paging, iova, run, prot, gfp);
		batch->owner = current;
		batch->context = context;
		atomic_inc(&paging->nr_batches);
	} else {
		return batch_add_slow(batch, flags, mine, paging, iova, run, prot, gfp);
	}
	raw_spin_unlock_irqrestore(&batch->lock, flags);

	return 0;
}

static int pkvm_iommu_map_pages(struct iommu_domain *domain, unsigned long iova,
				phys_addr_t paddr, size_t pgsize, size_t pgcount,
				int prot, gfp_t gfp, size_t *mapped)
{
	size_t size = pgsize * pgcount, done = 0, len;
	int ret = 0;

	do {
		len = min(size - done, RUN_MAX);
		ret = batch_add(to_paging(domain), iova + done,
				PKVM_IOMMU_RUN(paddr + done, len >> PAGE_SHIFT), prot, gfp);
		if (ret)
			break;
		done += len;
	} while (done < size);
	*mapped = done;

	return ret;
}

static size_t pkvm_iommu_unmap_pages(struct iommu_domain *domain, unsigned long iova,
				     size_t pgsize, size_t pgcount,
				     struct iommu_iotlb_gather *gather)
{
	u64 flags = iommu_iotlb_gather_queued(gather) ? PKVM_IOMMU_UNMAP_LAZY : 0;
	struct pkvm_paging_domain *paging = to_paging(domain);
	size_t done, dropped = 0, size = pgsize * pgcount;
	unsigned long start, other;

	/* A mapping that failed is undone while its end still waits. */
	if (atomic_read(&paging->nr_batches))
		dropped = batches_drop(paging, iova, size, &start);
	if (!dropped)
		return unmap_range(paging, iova, size, flags);

	while (atomic_read(&paging->nr_batches) && batches_drop(paging, iova, size, &other))
		dropped = 0;
	if (!dropped)
		return unmap_range(paging, iova, size, flags);

	done = unmap_range(paging, iova, start - iova, flags);
	if (done == start - iova)
		done += dropped + unmap_range(paging, start + dropped,
					      iova + size - start - dropped, flags);

	return done;
}

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
	u64 entry = READ_ONCE(*cache_slot(paging, iova));
	phys_addr_t phys = 0;

	if (entry && (entry & ~CACHE_PFN) == cache_tag(iova))
		return PFN_PHYS(FIELD_GET(CACHE_PFN, entry)) + offset_in_page(iova);

	if (atomic_read(&paging->nr_batches))
		phys = batches_find(paging, iova);
	if (!phys && !pkvm_iommu_hvc(&hvc))
		phys = hvc.res[0];

	return phys;
}

static void pkvm_iommu_domain_free(struct iommu_domain *domain)
{
	struct pkvm_iommu_hvc hvc = {
		.op	= PKVM_IOMMU_DOMAIN_FREE,
		.args	= { to_paging(domain)->id },
	};
	size_t all = domain->geometry.aperture_end + 1;
	unsigned long start;
	int ret;

	while (batches_drop(to_paging(domain), 0, all, &start))
		;
	while ((ret = pkvm_iommu_hvc(&hvc)) == -EAGAIN)
		cond_resched();
	/* Whoever had it left something mapped. */
	if (ret == -EBUSY) {
		unmap_range(to_paging(domain), 0, all, 0);
		while ((ret = pkvm_iommu_hvc(&hvc)) == -EAGAIN)
			cond_resched();
	}
	WARN_ON(ret);
	kfree(to_paging(domain));
	pkvm_iommu_reclaim(ULONG_MAX);
}

static const struct iommu_domain_ops paging_ops = {
	.attach_dev	= pkvm_iommu_attach,
	.map_pages	= pkvm_iommu_map_pages,
	.unmap_pages	= pkvm_iommu_unmap_pages,
	.flush_iotlb_all = pkvm_iommu_flush_iotlb_all,
	.iotlb_sync_map	= pkvm_iommu_iotlb_sync_map,
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
	ret = pkvm_iommu_hvc_topup(&hvc, GFP_KERNEL);
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

	switch (cap) {
	case IOMMU_CAP_CACHE_COHERENCY:
		return master->pdev->flags & PKVM_IOMMU_F_COHERENT;
	case IOMMU_CAP_NOEXEC:
	case IOMMU_CAP_DEFERRED_FLUSH:
		return true;
	default:
		return false;
	}
}

static int pkvm_iommu_def_domain_type(struct device *dev)
{
	struct pkvm_iommu_master *master = dev_iommu_priv_get(dev);

	return master->pdev->identity ? 0 : IOMMU_DOMAIN_DMA;
}

static const struct iommu_ops pkvm_iommu_ops = {
	.capable		= pkvm_iommu_capable,
	.probe_device		= pkvm_iommu_probe_device,
	.release_device		= pkvm_iommu_release_device,
	.probe_finalize		= pkvm_iommu_probe_finalize,
	.device_group		= pkvm_iommu_device_group,
	.def_domain_type	= pkvm_iommu_def_domain_type,
	.get_resv_regions	= pkvm_iommu_get_resv_regions,
	.of_xlate		= pkvm_iommu_of_xlate,
	.domain_alloc_paging	= pkvm_iommu_domain_alloc,
	.identity_domain	= &pkvm_iommu_identity_domain,
	.blocked_domain		= &pkvm_iommu_blocked_domain,
	.release_domain		= &pkvm_iommu_blocked_domain,
	.owner			= THIS_MODULE,
};

static int __init pkvm_iommu_start(struct pkvm_iommu_dev *pdev)
{
	struct pkvm_iommu_hvc hvc = {
		.op	= PKVM_IOMMU_INFO,
		.args	= { PKVM_IOMMU_INFO_IDENTITY, pdev->id },
	};
	int ret;

	pkvm_iommu_request_irqs(pdev);
	ret = pkvm_iommu_hvc(&hvc);
	if (ret)
		return ret;
	pdev->identity = hvc.res[0];

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
	struct pkvm_iommu_dev *pdev;
	int ret;

	if (!pkvm_iommu_enabled())
		return 0;

	pkvm_iommu_reclaim(ULONG_MAX);
	/* What could not be isolated in full may still be in service. */
	if (pkvm_iommu_hvc(&hvc))
		return 0;

	pkvm_iommu_shrinker_init();
	batches_init();
	for_each_pkvm_iommu_dev(pdev) {
		if (pdev->type == PKVM_IOMMU_TYPE_TEST)
			continue;
		ret = pkvm_iommu_start(pdev);
		if (ret)
			dev_err(pdev->dev, "pkvm_iommu: its devices stay blocked: %d\n", ret);
	}

	return 0;
}
device_initcall_sync(pkvm_iommu_init);
