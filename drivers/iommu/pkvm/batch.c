// SPDX-License-Identifier: GPL-2.0-only
/*
 * Mapping and unmapping in paging domains.
 *
 * Mappings are queued: map_pages() adds a run of memory to the batch of the
 * caller, and iotlb_sync_map(), which the IOMMU core calls once for a whole
 * mapping, makes EL2 map all runs of the batch with as few hypercalls as possible.
 * A batch holds runs that follow each other in I/O virtual addresses, of one
 * domain. A run that does not fit is mapped at once, outside of any batch.
 *
 * A mapping that EL2 refuses stays in the batch with its errno, so that the
 * caller's iotlb_sync_map() can return it. The caller then unmaps the range: what
 * is still in a batch is removed from it, and the rest is unmapped. Unmapping is
 * never queued.
 *
 * The caller is an execution context: a task, or an interrupt on top of it, see
 * context_key(). Batches are the slots of a hash table. Each context has one slot,
 * on whatever CPU it runs, so no call looks at more than one, however many CPUs
 * there are. A context that finds its slot taken by another one does without.
 *
 * This relies on a guarantee of the IOMMU API's users: until a mapping is synced,
 * and until a mapping that failed is undone, nobody but the context that made it
 * syncs, unmaps or looks up its range. iommu_map() and iommu_map_sg() map, sync
 * and undo in one call. All users of dma_iova_link() in the kernel call
 * dma_iova_sync(), or undo what they linked, in the context that linked it. A user
 * that breaks the rule harms itself at most: its mapping is missing, or an unmap
 * removes what was there before. EL2 checks every hypercall in any case.
 *
 * No locks: a context claims a free slot by a compare-and-swap of the slot's owner
 * from 0 to its own key (acquire), and frees it by storing 0 (release). So all that
 * the last owner did to the slot and its run list comes before what the next one
 * does. In between, other contexts read the owner at most, find that it is neither
 * 0 nor their key, and leave the slot alone; an interrupt of the owner is such a
 * context. Freeing a domain is the exception, see pkvm_iommu_batch_cancel_all().
 * Interrupts stay enabled, and the owner of a slot may be preempted, move to
 * another CPU, or sleep.
 *
 * Callers: the IOMMU core, through the operations in domain.c; domain.c.
 */
#include <linux/hash.h>
#include <linux/preempt.h>
#include <linux/sched.h>
#include <linux/slab.h>

#include "cache.h"
#include "core.h"

/*
 * Largest size of one run in bytes: whole blocks, as EL2 maps these at once. A block of 512 MiB,
 * with pages of 64 KiB, is more than a run.
 */
#define RUN_MAX			ALIGN_DOWN(PKVM_IOMMU_RUN_PAGES << PAGE_SHIFT, \
					   min(PMD_SIZE, SZ_32M))

/* Owner of a batch while its context allocates memory. No context has this key. */
#define BATCH_BUSY		1UL

/**
 * struct pkvm_iommu_batch - queued mappings of one context; a slot of the table
 * @owner: context_key() of the context that has the slot, BATCH_BUSY, or 0 if the
 *	slot is free. Accessed by all contexts; all other members by the owner
 * @domain: the domain of the mappings; NULL if the slot is free. Also accessed
 *	when a domain is freed
 * @iova: I/O virtual address of the first mapping
 * @size: size of all mappings in bytes
 * @runs: the memory to map, as PKVM_IOMMU_RUN(): a run list shared with EL2, or
 *	@reg_runs if there is none; constant
 * @prot: IOMMU_READ and so on, for all mappings
 * @next: index in @runs of the first run that is not mapped yet
 * @nr: index in @runs behind the last run
 * @max: room in @runs; constant
 * @error: errno of a hypercall that failed, or 0. What it did not map stays
 *	queued until it is unmapped
 * @gfp: how to allocate the memory that EL2 needs for the mappings
 * @index: index of the first of @runs for PKVM_IOMMU_MAP_LIST; constant
 * @reg_runs: as many runs as fit into the registers of one hypercall
 */
struct pkvm_iommu_batch {
	unsigned long			owner;
	struct pkvm_paging_domain	*domain;
	unsigned long			iova;
	size_t				size;
	u64				*runs;
	int				prot;
	unsigned int			next;
	unsigned int			nr;
	unsigned int			max;
	int				error;
	gfp_t				gfp;
	unsigned int			index;
	u64				reg_runs[PKVM_IOMMU_RUNS];
} __aligned(256);	/* whole cache lines, and a power of two to index by a shift */

/* The table. The static one is for few CPUs, or if there is no memory for another. */
static struct pkvm_iommu_batch few_batches[PKVM_IOMMU_MIN_BATCHES];
static struct pkvm_iommu_batch *batches __ro_after_init = few_batches;
static unsigned int batches_shift __ro_after_init = 32 - ilog2(PKVM_IOMMU_MIN_BATCHES);

/*
 * A number that no other context has at the same time: the address of the current
 * task plus the level of interrupts on top of it, of which each is active once.
 */
static inline unsigned long context_key(void)
{
	unsigned long key = (unsigned long)current;

	BUILD_BUG_ON(__alignof__(struct task_struct) < 4);
	/* irq_count() also counts disabled softirqs, which are no other context. */
	return unlikely(irq_count()) ? key + interrupt_context_level() : key;
}

/* hash_32() of a key, but with a constant that is ready to shift by. */
static inline struct pkvm_iommu_batch *batch_slot(unsigned long key)
{
	return &batches[(u32)key * GOLDEN_RATIO_32 >> batches_shift];
}

/*
 * The batch of the current context, or NULL if it has none. Only the context
 * itself makes itself the owner, so the answer cannot be out of date.
 */
static inline struct pkvm_iommu_batch *own_batch(void)
{
	unsigned long key = context_key();
	struct pkvm_iommu_batch *batch = batch_slot(key);

	return READ_ONCE(batch->owner) == key ? batch : NULL;
}

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
	u64 large;
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
		large = hvc.res[0] >= PKVM_IOMMU_CACHE_SLOTS << PAGE_SHIFT &&
			(*run & PKVM_IOMMU_RUN_PAGES) >= PKVM_IOMMU_CACHE_SLOTS ? CACHE_LARGE : 0;
		cache_add(paging, batch->iova, *run & ~PKVM_IOMMU_RUN_PAGES, large);
		batch_skip(batch, hvc.res[0]);
	}

	return ret;
}

/*
 * Donate pages for a batch. The allocation may sleep, and may map memory itself
 * when it reclaims some. Nested calls of the same context must not find the batch.
 */
static int batch_topup(struct pkvm_iommu_batch *batch, u64 nr_pages)
{
	unsigned long owner = batch->owner;
	int ret;

	WRITE_ONCE(batch->owner, BATCH_BUSY);
	/* The pages belong to the pool, not to the caller's memory cgroup. */
	ret = pkvm_iommu_topup(nr_pages, batch->gfp & ~__GFP_ACCOUNT);
	WRITE_ONCE(batch->owner, owner);

	return ret;
}

/*
 * Map everything in a batch, until EL2 returns an error. The error is returned,
 * and stays in the batch with all that is not mapped.
 */
static int batch_send(struct pkvm_iommu_batch *batch)
{
	int ret = 0, no_progress = 0, topups = 0;
	size_t size;
	u64 pages_needed;

	while (batch->size && !ret) {
		size = batch->size;
		ret = batch_call(batch, &pages_needed);
		no_progress = batch->size < size ? 0 : no_progress + 1;
		if (ret != -ENOMEM || no_progress >= PKVM_IOMMU_TOPUP_TRIES)
			continue;
		if (!topups++)
			pkvm_iommu_reclaim_disable();
		ret = batch_topup(batch, pages_needed);
	}
	if (topups)
		pkvm_iommu_reclaim_enable();
	batch->error = ret;

	return ret;
}

/* Let another domain or context have a batch that is empty. */
static void batch_release(struct pkvm_iommu_batch *batch)
{
	WRITE_ONCE(batch->domain, NULL);
	/* Pairs with batch_add(): the next owner writes the batch after this one. */
	smp_store_release(&batch->owner, 0);
}

/* Does a batch have mappings in this range? */
static bool batch_overlaps(const struct pkvm_iommu_batch *batch,
			   const struct pkvm_paging_domain *paging, unsigned long iova,
			   size_t size)
{
	return batch->domain == paging && batch->iova <= iova + size - 1 &&
	       iova <= batch->iova + batch->size - 1;
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
	struct pkvm_iommu_batch *batch = own_batch();
	int ret;

	if (!batch || !batch_overlaps(batch, paging, iova, size))
		return 0;

	ret = batch->error ?: batch_send(batch);
	if (!batch->size)
		batch_release(batch);
	/* An error behind the range is for the call that syncs that part. */
	else if (!batch_overlaps(batch, paging, iova, size))
		ret = 0;

	return ret;
}

/*
 * Remove the mappings of a range from a batch that has some. Returns their size,
 * and in @start their address.
 *
 * The caller must not unmap them at EL2: if EL2 refused them because something
 * else is mapped there, that has to stay. A batch without an error that extends
 * beyond the range is mapped instead, because the rest of it is still wanted: the
 * caller then unmaps the range at EL2.
 */
static size_t batch_cancel(struct pkvm_iommu_batch *batch, struct pkvm_paging_domain *paging,
			   unsigned long iova, size_t size, unsigned long *start)
{
	size_t cancelled = 0;

	if (!batch->error && (batch->iova < iova || batch->iova - iova + batch->size > size))
		batch_send(batch);
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

/**
 * pkvm_iommu_batch_cancel_all() - remove all mappings of a domain from the batches
 * @paging: the domain, which nobody uses any more
 *
 * A batch of the domain is one that its context has left behind without a sync or
 * an unmap, so nobody uses it. Any other batch just has its domain read.
 *
 * Context: any.
 */
void pkvm_iommu_batch_cancel_all(struct pkvm_paging_domain *paging)
{
	unsigned int i;

	for (i = 0; i < 1U << (32 - batches_shift); i++) {
		if (READ_ONCE(batches[i].domain) == paging)
			batch_release(&batches[i]);
	}
}

/**
 * pkvm_iommu_batch_lookup() - find a mapping that the caller has queued
 * @paging: the domain
 * @iova: I/O virtual address
 *
 * Context: any.
 * Return: the physical address, or 0 if the mapping is not in the caller's batch.
 */
phys_addr_t pkvm_iommu_batch_lookup(struct pkvm_paging_domain *paging, unsigned long iova)
{
	struct pkvm_iommu_batch *batch = own_batch();
	u64 size, offset;
	unsigned int i;

	if (!batch || !batch_overlaps(batch, paging, iova, 1))
		return 0;

	offset = iova - batch->iova;
	for (i = batch->next; i < batch->nr; i++) {
		size = (batch->runs[i] & PKVM_IOMMU_RUN_PAGES) << PAGE_SHIFT;
		if (offset < size)
			return (batch->runs[i] & ~PKVM_IOMMU_RUN_PAGES) + offset;
		offset -= size;
	}

	return 0;
}

/* Fill a batch with one run. */
static void batch_start(struct pkvm_iommu_batch *batch, struct pkvm_paging_domain *paging,
			unsigned long iova, u64 run, int prot, gfp_t gfp)
{
	WRITE_ONCE(batch->domain, paging);
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
static noinline int batch_add_full(struct pkvm_iommu_batch *batch, unsigned long iova, u64 run,
				   int prot, gfp_t gfp)
{
	int ret = batch->error ?: batch_send(batch);

	if (!ret)
		batch_start(batch, batch->domain, iova, run, prot, gfp);

	return ret;
}

/* Map a run at once, because the slot of the context is in use for something else. */
static noinline int map_unqueued(struct pkvm_paging_domain *paging, unsigned long iova, u64 run,
				 int prot, gfp_t gfp)
{
	struct pkvm_iommu_batch single = { .max = 1, .runs = single.reg_runs };
	int ret;

	batch_start(&single, paging, iova, run, prot, gfp);
	ret = batch_send(&single);
	if (ret) {
		pkvm_iommu_unmap_range(paging, iova, single.iova - iova, 0);
		/* The lookup of another user may have found it. */
		found_forget(paging, iova, single.iova - iova);
	}

	return ret;
}

/* Queue a run until iotlb_sync_map(), in one batch with the runs that it continues. */
static inline int batch_add(struct pkvm_paging_domain *paging, unsigned long iova, u64 run,
			    int prot, gfp_t gfp)
{
	unsigned long key = context_key();
	struct pkvm_iommu_batch *batch = batch_slot(key);
	unsigned long owner = READ_ONCE(batch->owner);

	/* Pairs with batch_release(). */
	if (!owner && try_cmpxchg_acquire(&batch->owner, &owner, key)) {
		batch_start(batch, paging, iova, run, prot, gfp);
		return 0;
	}
	if (owner != key || batch->domain != paging || batch->prot != prot ||
	    batch->iova + batch->size != iova)
		return map_unqueued(paging, iova, run, prot, gfp);
	if (batch->nr == batch->max || batch->error)
		return batch_add_full(batch, iova, run, prot, gfp);
	batch->runs[batch->nr++] = run;
	batch->size += (run & PKVM_IOMMU_RUN_PAGES) << PAGE_SHIFT;

	return 0;
}

/*
 * Map 1 GiB at once, outside of any batch: EL2 makes it the largest blocks there is room for.
 * Returns the bytes that are mapped, also on an error, which then recurs for the rest.
 */
static noinline size_t map_gib(struct pkvm_paging_domain *paging, unsigned long iova,
			       phys_addr_t paddr, int prot, gfp_t gfp)
{
	struct pkvm_iommu_hvc hvc = {
		.op	= PKVM_IOMMU_MAP,
		.args	= { paging->id, iova, prot_flags(prot), PKVM_IOMMU_RUN_GIB(paddr) },
	};
	int tries, ret;

	if (!paddr || !IS_ALIGNED(iova | paddr, SZ_1G))
		return 0;

	pkvm_iommu_reclaim_disable();
	ret = pkvm_iommu_hvc(&hvc);
	for (tries = 0; ret == -ENOMEM && tries < PKVM_IOMMU_TOPUP_TRIES; tries++) {
		if (hvc.res[0] || pkvm_iommu_topup(hvc.res[1], gfp & ~__GFP_ACCOUNT))
			break;
		ret = pkvm_iommu_hvc(&hvc);
	}
	pkvm_iommu_reclaim_enable();

	return hvc.res[0];
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
		len = size - done;
		if (unlikely(len > RUN_MAX)) {
			len = pgsize == SZ_1G ? map_gib(to_paging(domain), iova + done,
							paddr + done, prot, gfp) : 0;
			done += len;
			if (len)
				continue;
			/* The next GiB may be one entry again. */
			len = min_t(size_t, RUN_MAX, SZ_1G - (iova + done) % SZ_1G);
		}
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
	struct pkvm_iommu_batch *batch = own_batch();
	unsigned long start;

	/* After an error, the end of a mapping may still be queued when it is unmapped. */
	if (unlikely(batch) && batch_overlaps(batch, paging, iova, size))
		cancelled = batch_cancel(batch, paging, iova, size, &start);
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
 * pkvm_iommu_batch_init() - make the batches
 *
 * A batch with one of the run lists that are shared with EL2 has room for all runs
 * of the list; the others have room for the runs that fit into registers.
 *
 * Context: boot, before the first mapping.
 */
void __init pkvm_iommu_batch_init(void)
{
	unsigned int i, nr = pkvm_iommu_nr_batches();
	struct pkvm_iommu_batch *many = NULL;

	if (nr > PKVM_IOMMU_MIN_BATCHES)
		many = kvcalloc(nr, sizeof(*many), GFP_KERNEL);
	if (many) {
		batches = many;
		batches_shift = 32 - ilog2(nr);
	}

	for (i = 0; i < 1U << (32 - batches_shift); i++) {
		batches[i].runs = batches[i].reg_runs;
		batches[i].max = PKVM_IOMMU_RUNS;
		if (i >= pkvm_iommu_nr_run_lists)
			continue;
		batches[i].runs = pkvm_iommu_run_lists[i];
		batches[i].max = PKVM_IOMMU_LIST_RUNS;
		batches[i].index = i * PKVM_IOMMU_LIST_RUNS;
	}
}
