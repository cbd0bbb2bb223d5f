// SPDX-License-Identifier: GPL-2.0-only
/*
 * Mapping and unmapping in paging domains.
 *
 * Mappings are queued: map_pages() adds a run of memory to the batch of the CPU,
 * and iotlb_sync_map(), which the IOMMU core calls once for a whole mapping,
 * makes EL2 map all runs of the batch with as few hypercalls as possible. A batch
 * holds runs that follow each other in I/O virtual addresses, of one domain, and
 * of one task. A run that does not fit is mapped at once, outside of any batch.
 *
 * A mapping that EL2 refuses stays in the batch with its errno, so that the
 * caller's iotlb_sync_map() can return it. The caller then unmaps the range: what
 * is still in a batch is removed from it, and the rest is unmapped. Unmapping is
 * never queued.
 *
 * Locks: each batch has a raw spinlock, taken with interrupts disabled, because
 * devices are mapped from any context. A batch is usually used by its own CPU
 * only; others lock it when a domain has a batch there. No two of these locks
 * are held together.
 *
 * Callers: the IOMMU core, through the operations in domain.c; domain.c.
 */
#include <linux/percpu.h>
#include <linux/sched.h>
#include <linux/spinlock.h>

#include "cache.h"
#include "core.h"

/* Largest size of one run in bytes: whole blocks, as EL2 maps these at once. */
#define RUN_MAX			ALIGN_DOWN(PKVM_IOMMU_RUN_PAGES << PAGE_SHIFT, SZ_2M)

/**
 * struct pkvm_iommu_batch - mappings that are queued on a CPU
 * @lock: guards all other members, but for the constant ones
 * @domain: the domain of the mappings; NULL if the batch is empty
 * @owner: the task that queued them. Nobody else adds to the batch, so that the
 *	task whose mapping fails is the one that gets the error
 * @context: irq_count() of that task, which tells it from its interrupts
 * @error: errno of a hypercall that failed, or 0. What it did not map stays
 *	queued until it is unmapped
 * @iova: I/O virtual address of the first mapping
 * @size: size of all mappings in bytes
 * @prot: IOMMU_READ and so on, for all mappings
 * @gfp: how to allocate the memory that EL2 needs for them
 * @next: index in @runs of the first run that is not mapped yet
 * @nr: index in @runs behind the last run
 * @max: room in @runs; constant
 * @runs: the memory to map, as PKVM_IOMMU_RUN(): a run list shared with EL2, or
 *	@reg_runs if there is none; constant
 * @index: index of the first of @runs for PKVM_IOMMU_MAP_LIST; constant
 * @reg_runs: as many runs as fit into the registers of one hypercall
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
	u64				reg_runs[PKVM_IOMMU_RUNS];
};

static DEFINE_PER_CPU(struct pkvm_iommu_batch, batches) = {
	.lock	= __RAW_SPIN_LOCK_UNLOCKED(batches.lock),
};

static u64 prot_flags(int prot)
{
	return (prot & IOMMU_READ ? PKVM_IOMMU_PROT_READ : 0) |
	       (prot & IOMMU_WRITE ? PKVM_IOMMU_PROT_WRITE : 0) |
	       (prot & IOMMU_CACHE ? PKVM_IOMMU_PROT_CACHE : 0) |
	       (prot & IOMMU_MMIO ? PKVM_IOMMU_PROT_MMIO : 0) |
	       (prot & IOMMU_NOEXEC ? PKVM_IOMMU_PROT_NOEXEC : 0);
}

/**
 * pkvm_iommu_unmap_range() - unmap a range of a paging domain at EL2
 * @paging: the domain
 * @iova: I/O virtual address, page aligned
 * @size: in bytes, whole pages
 * @flags: 0 or PKVM_IOMMU_UNMAP_LAZY
 *
 * Knows nothing of batches. Holes in the range count as unmapped: the IOMMU core
 * may have more behind them.
 *
 * Context: any.
 * Return: number of bytes from @iova in which nothing is mapped any more; less
 * than @size if EL2 refused to go on.
 */
size_t pkvm_iommu_unmap_range(struct pkvm_paging_domain *paging, unsigned long iova,
			      size_t size, u64 flags)
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

/* Remove the first @size bytes from a batch. */
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

/*
 * Make one hypercall that maps as much of a batch as EL2 does in one. What it
 * maps is removed from the batch. After -ENOMEM, @pages_needed is the number of
 * pages that EL2 needs to go on.
 */
static int batch_call(struct pkvm_iommu_batch *batch, u64 *pages_needed)
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
	*pages_needed = hvc.res[1];
	if (hvc.res[0]) {
		cache_add(paging, batch->iova, *run & ~PKVM_IOMMU_RUN_PAGES);
		batch_skip(batch, hvc.res[0]);
	}

	return ret;
}

/*
 * Map everything in a batch, until EL2 returns an error. The error is returned,
 * and stays in the batch with all that is not mapped.
 *
 * The caller holds the lock of a CPU's batch, and @flags are those that it saved.
 * The lock is dropped to allocate memory, and between hypercalls, so that
 * interrupts are disabled for one of them at most. The batch keeps its domain and
 * owner meanwhile. A batch that is not a CPU's has no lock, and @flags is NULL.
 */
static int batch_send(struct pkvm_iommu_batch *batch, unsigned long *flags)
{
	int ret = 0, no_progress = 0, topups = 0;
	size_t size;
	u64 pages_needed;

	if (flags)
		lockdep_assert_held(&batch->lock);
	while (batch->size && !ret) {
		size = batch->size;
		ret = batch_call(batch, &pages_needed);
		no_progress = batch->size < size ? 0 : no_progress + 1;
		if (!ret && batch->size && flags) {
			raw_spin_unlock_irqrestore(&batch->lock, *flags);
			raw_spin_lock_irqsave(&batch->lock, *flags);
		}
		if (ret != -ENOMEM || no_progress == PKVM_IOMMU_TOPUP_TRIES)
			continue;
		if (!topups++)
			pkvm_iommu_reclaim_disable();
		if (flags)
			raw_spin_unlock_irqrestore(&batch->lock, *flags);
		/* The pages belong to the pool, not to the caller's memory cgroup. */
		ret = pkvm_iommu_topup(pages_needed, batch->gfp & ~__GFP_ACCOUNT);
		if (flags)
			raw_spin_lock_irqsave(&batch->lock, *flags);
	}
	if (topups)
		pkvm_iommu_reclaim_enable();
	batch->error = ret;

	return ret;
}

/* Let another domain or owner have a batch that is empty. */
static void batch_release(struct pkvm_iommu_batch *batch)
{
	lockdep_assert_held(&batch->lock);
	atomic_dec(&batch->domain->nr_batches);
	batch->domain = NULL;
}

/* Does a batch have mappings in this range? */
static bool batch_overlaps(const struct pkvm_iommu_batch *batch,
			   const struct pkvm_paging_domain *paging, unsigned long iova,
			   size_t size)
{
	lockdep_assert_held(&batch->lock);

	return batch->domain == paging && batch->iova <= iova + size - 1 &&
	       iova <= batch->iova + batch->size - 1;
}

/* Map everything in a batch if some of it is in this range. */
static int batch_sync(struct pkvm_iommu_batch *batch, struct pkvm_paging_domain *paging,
		      unsigned long iova, size_t size)
{
	unsigned long flags;
	int ret = 0;

	if (READ_ONCE(batch->domain) != paging)
		return 0;

	raw_spin_lock_irqsave(&batch->lock, flags);
	if (batch_overlaps(batch, paging, iova, size)) {
		ret = batch->error ?: batch_send(batch, &flags);
		if (!batch->size)
			batch_release(batch);
		/* An error behind the range is for the caller who syncs that part. */
		else if (!batch_overlaps(batch, paging, iova, size))
			ret = 0;
	}
	raw_spin_unlock_irqrestore(&batch->lock, flags);

	return ret;
}

/**
 * pkvm_iommu_iotlb_sync_map() - iotlb_sync_map of paging domains
 * @domain: the domain
 * @iova: I/O virtual address
 * @size: in bytes
 *
 * Context: any; sleeps if that was allowed when the range was mapped.
 * Return: 0; -ENOMEM if the host has no pages for EL2; the errors of
 * PKVM_IOMMU_MAP.
 */
int pkvm_iommu_iotlb_sync_map(struct iommu_domain *domain, unsigned long iova, size_t size)
{
	struct pkvm_paging_domain *paging = to_paging(domain);
	int cpu, ret;

	if (!atomic_read(&paging->nr_batches))
		return 0;

	/* Usually there is just the batch of this CPU, unless the task has migrated. */
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
 * Remove the mappings of a range from one batch, see cancel_queued(). A batch
 * without an error that extends beyond the range is mapped instead, because the
 * rest of it is still wanted: the caller then unmaps the range at EL2.
 */
static size_t batch_cancel(struct pkvm_iommu_batch *batch, unsigned long *flags,
			   struct pkvm_paging_domain *paging, unsigned long iova, size_t size,
			   unsigned long *start)
{
	size_t cancelled = 0;

	if (!batch->error && (batch->iova < iova || batch->iova - iova + batch->size > size))
		batch_send(batch, flags);
	*start = batch->iova;
	if (batch_overlaps(batch, paging, iova, size) && batch->iova >= iova) {
		cancelled = min(batch->size, size - (batch->iova - iova));
		batch_skip(batch, cancelled);
	} else if (batch_overlaps(batch, paging, iova, size)) {
		/* Nothing behind the mapping that failed was mapped: remove all of that. */
		batch->size = iova - batch->iova;
	}
	if (!batch->size)
		batch_release(batch);

	return cancelled;
}

/*
 * Remove the mappings of a range from the first batch that has some. Returns
 * their size, and in @start their address.
 *
 * The caller must not unmap them at EL2: if EL2 refused them because something
 * else is mapped there, that has to stay.
 */
static size_t cancel_queued(struct pkvm_paging_domain *paging, unsigned long iova, size_t size,
			    unsigned long *start)
{
	struct pkvm_iommu_batch *batch;
	unsigned long flags;
	size_t cancelled = 0;
	int cpu;

	for_each_possible_cpu(cpu) {
		batch = per_cpu_ptr(&batches, cpu);
		if (cancelled || READ_ONCE(batch->domain) != paging)
			continue;
		raw_spin_lock_irqsave(&batch->lock, flags);
		if (batch_overlaps(batch, paging, iova, size))
			cancelled = batch_cancel(batch, &flags, paging, iova, size, start);
		raw_spin_unlock_irqrestore(&batch->lock, flags);
	}

	return cancelled;
}

/**
 * pkvm_iommu_batch_cancel_all() - remove all mappings of a domain from the batches
 * @paging: the domain
 * @size: size of its address space in bytes
 *
 * Context: any.
 */
void pkvm_iommu_batch_cancel_all(struct pkvm_paging_domain *paging, size_t size)
{
	unsigned long start;

	while (cancel_queued(paging, 0, size, &start))
		;
}

/**
 * pkvm_iommu_batch_lookup() - find a mapping that is queued
 * @paging: the domain
 * @iova: I/O virtual address
 *
 * Context: any.
 * Return: the physical address, or 0 if the mapping is in no batch.
 */
phys_addr_t pkvm_iommu_batch_lookup(struct pkvm_paging_domain *paging, unsigned long iova)
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
		if (batch_overlaps(batch, paging, iova, 1)) {
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

/* Fill a batch with one run. Its lock is held, if it is a CPU's. */
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

/* Add a run to a batch that it continues, but that is full or has failed. */
static noinline int batch_add_full(struct pkvm_iommu_batch *batch, unsigned long *flags,
				   unsigned long iova, u64 run, int prot, gfp_t gfp)
{
	int ret = batch->error ?: batch_send(batch, flags);

	lockdep_assert_held(&batch->lock);
	if (!ret)
		batch_start(batch, batch->domain, iova, run, prot, gfp);

	return ret;
}

/* Map a run at once, because the batch of the CPU is in use by somebody else. */
static noinline int map_unqueued(struct pkvm_paging_domain *paging, unsigned long iova, u64 run,
				 int prot, gfp_t gfp)
{
	struct pkvm_iommu_batch single = { .max = 1, .runs = single.reg_runs };
	int ret;

	batch_start(&single, paging, iova, run, prot, gfp);
	ret = batch_send(&single, NULL);
	if (ret)
		pkvm_iommu_unmap_range(paging, iova, single.iova - iova, 0);

	return ret;
}

/* Queue a run until iotlb_sync_map(), in one batch with the runs that it continues. */
static inline int batch_add(struct pkvm_paging_domain *paging, unsigned long iova, u64 run,
			    int prot, gfp_t gfp)
{
	struct pkvm_iommu_batch *batch = raw_cpu_ptr(&batches);
	unsigned int context = irq_count();
	unsigned long flags;
	bool continues;
	int ret = 0;

	raw_spin_lock_irqsave(&batch->lock, flags);
	continues = batch->domain == paging && batch->owner == current &&
		    batch->context == context && batch->prot == prot &&
		    batch->iova + batch->size == iova;
	if (continues && batch->nr < batch->max && !batch->error) {
		batch->runs[batch->nr++] = run;
		batch->size += (run & PKVM_IOMMU_RUN_PAGES) << PAGE_SHIFT;
	} else if (!batch->domain) {
		batch_start(batch, paging, iova, run, prot, gfp);
		batch->owner = current;
		batch->context = context;
		atomic_inc(&paging->nr_batches);
	} else if (continues) {
		ret = batch_add_full(batch, &flags, iova, run, prot, gfp);
	} else {
		raw_spin_unlock_irqrestore(&batch->lock, flags);
		return map_unqueued(paging, iova, run, prot, gfp);
	}
	raw_spin_unlock_irqrestore(&batch->lock, flags);

	return ret;
}

/**
 * pkvm_iommu_map_pages() - map_pages of paging domains
 * @domain: the domain
 * @iova: I/O virtual address
 * @paddr: physical address
 * @pgsize: size of a page in bytes
 * @pgcount: number of pages
 * @prot: IOMMU_READ and so on
 * @gfp: how to allocate what EL2 needs for the mapping, now or at the sync
 * @mapped: where to store the number of bytes that are queued or mapped
 *
 * Context: as @gfp says.
 * Return: as for pkvm_iommu_iotlb_sync_map(); also for runs that were queued
 * before.
 */
int pkvm_iommu_map_pages(struct iommu_domain *domain, unsigned long iova, phys_addr_t paddr,
			 size_t pgsize, size_t pgcount, int prot, gfp_t gfp, size_t *mapped)
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

/**
 * pkvm_iommu_unmap_pages() - unmap_pages of paging domains
 * @domain: the domain
 * @iova: I/O virtual address
 * @pgsize: size of a page in bytes
 * @pgcount: number of pages
 * @gather: tells whether the DMA API flushes later
 *
 * Context: any.
 * Return: number of bytes from @iova in which nothing of the caller's is mapped
 * or queued any more.
 */
size_t pkvm_iommu_unmap_pages(struct iommu_domain *domain, unsigned long iova, size_t pgsize,
			      size_t pgcount, struct iommu_iotlb_gather *gather)
{
	u64 flags = iommu_iotlb_gather_queued(gather) ? PKVM_IOMMU_UNMAP_LAZY : 0;
	struct pkvm_paging_domain *paging = to_paging(domain);
	size_t done, cancelled = 0, size = pgsize * pgcount;
	unsigned long start, unused;

	/* After an error, the end of a mapping may still be queued when it is unmapped. */
	if (atomic_read(&paging->nr_batches))
		cancelled = cancel_queued(paging, iova, size, &start);
	if (!cancelled)
		return pkvm_iommu_unmap_range(paging, iova, size, flags);

	/* If several batches had parts of the range, there is no one gap to leave out. */
	while (atomic_read(&paging->nr_batches) && cancel_queued(paging, iova, size, &unused))
		cancelled = 0;
	if (!cancelled)
		return pkvm_iommu_unmap_range(paging, iova, size, flags);

	done = pkvm_iommu_unmap_range(paging, iova, start - iova, flags);
	if (done == start - iova)
		done += cancelled + pkvm_iommu_unmap_range(paging, start + cancelled,
							   iova + size - start - cancelled,
							   flags);

	return done;
}

/**
 * pkvm_iommu_batch_init() - give the batches the run lists shared with EL2
 *
 * Without them, a batch has room for the runs that fit into registers.
 *
 * Context: boot, before the first mapping.
 */
void __init pkvm_iommu_batch_init(void)
{
	struct pkvm_iommu_batch *batch;
	int cpu;

	for_each_possible_cpu(cpu) {
		batch = per_cpu_ptr(&batches, cpu);
		batch->runs = batch->reg_runs;
		batch->max = PKVM_IOMMU_RUNS;
		if (!pkvm_iommu_run_lists)
			continue;
		batch->runs = pkvm_iommu_run_lists[cpu];
		batch->max = PKVM_IOMMU_LIST_RUNS;
		batch->index = cpu * PKVM_IOMMU_LIST_RUNS;
	}
}
