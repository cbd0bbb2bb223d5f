// SPDX-License-Identifier: GPL-2.0-only
/*
 * pKVM IOMMU core: the registry of IOMMUs, the record of streams, the memory
 * pool, and the dispatch of hypercalls.
 *
 * Until PKVM_IOMMU_BOOT_SEAL the host is trusted. Afterwards it may issue any
 * call with any register values, from any CPU, at any time. A call either does
 * what <uapi/linux/pkvm_iommu.h> says or returns an errno and has changed
 * nothing. Arguments arrive in registers, which EL2 has saved where the host
 * cannot change them. One call reads memory that the host can write meanwhile,
 * PKVM_IOMMU_MAP_LIST: see runs_read() in domain.c. Each handler checks everything
 * first and then commits what cannot fail. An IOMMU's lock is held only for work
 * that is bounded.
 *
 * The registry is written by boot calls only, which one thread of the trusted
 * host makes, and is read-only afterwards.
 */
#include <linux/nospec.h>

#include <asm/kvm_hyp.h>
#include <asm/kvm_mmu.h>
#include <asm/pkvm_iommu.h>

#include <nvhe/gfp.h>
#include <nvhe/iommu.h>
#include <nvhe/mem_protect.h>
#include <nvhe/memory.h>
#include <nvhe/mm.h>
#include <nvhe/trap_handler.h>

#include <uapi/linux/pkvm_iommu_test.h>

struct pkvm_iommu pkvm_iommus[PKVM_IOMMU_MAX];
unsigned int pkvm_iommu_nr;
/* No IOMMU has to be told what is mapped; and so there is an identity domain. */
bool pkvm_iommu_all_walk;

/*
 * OPEN -> BUILDING -> SEALED, or from any of the first two to OFF or FAILED.
 * Protected VMs need iommu_isolated, which comes with SEALED, or OFF: then the
 * boot has chosen to go without.
 */
static enum {
	IOMMU_OPEN,
	IOMMU_BUILDING,
	IOMMU_SEALED,
	IOMMU_OFF,
	IOMMU_FAILED,
} iommu_state;

static bool iommu_isolated;
/* The fewest output address bits of all IOMMUs: they read no table above. */
static unsigned int iommu_oas = 64;
/* The reach of devices, in bits. */
static unsigned int iommu_limit;
static unsigned long iommu_shadow_pages;

static const struct pkvm_iommu_ops *iommu_backend(u64 type)
{
	switch (type) {
#ifdef CONFIG_PKVM_IOMMU_SMMU_V3
	case PKVM_IOMMU_TYPE_SMMU_V3:
		return &pkvm_smmu_v3_ops;
#endif
#ifdef CONFIG_PKVM_IOMMU_VIRTIO
	case PKVM_IOMMU_TYPE_VIRTIO:
		return &pkvm_iommu_virtio_ops;
#endif
#ifdef CONFIG_PKVM_IOMMU_TEST
	case PKVM_IOMMU_TYPE_TEST:
		return &pkvm_iommu_test_ops;
#endif
	}

	return NULL;
}

/*
 * The pool. Pages come one by one, so that each can go back as it came: the
 * hyp_pool has an empty range, which makes every page 'external' to it.
 */
static struct hyp_pool pool;
static DEFINE_HYP_SPINLOCK(pool_lock);
static unsigned long pool_free;
static unsigned long pool_total;

static void pool_add(u64 pfn, u64 nr_pages)
{
	struct hyp_page *page = hyp_phys_to_page(hyp_pfn_to_phys(pfn));

	hyp_spin_lock(&pool_lock);
	for (; nr_pages--; page++) {
		/* The page was the host's alone, so nobody has counted it. */
		hyp_set_page_refcounted(page);
		hyp_put_page(&pool, hyp_page_to_virt(page));
		pool_free++;
		pool_total++;
	}
	hyp_spin_unlock(&pool_lock);
}

/**
 * pkvm_iommu_alloc_page() - take a zeroed page from the pool
 *
 * Context: any other lock may be held.
 * Return: the page, or NULL.
 */
void *pkvm_iommu_alloc_page(void)
{
	void *page = NULL;

	/* Without an IOMMU the pool is not even initialised. */
	hyp_spin_lock(&pool_lock);
	if (pool_free) {
		page = hyp_alloc_pages(&pool, 0);
		pool_free--;
	}
	hyp_spin_unlock(&pool_lock);

	return page;
}

/**
 * pkvm_iommu_free_page() - return a page to the pool
 * @page: from pkvm_iommu_alloc_page()
 *
 * Context: any other lock may be held. No IOMMU walks the page any more.
 */
void pkvm_iommu_free_page(void *page)
{
	hyp_spin_lock(&pool_lock);
	hyp_put_page(&pool, page);
	pool_free++;
	hyp_spin_unlock(&pool_lock);
}

/* @max bounds the work and keeps sums from wrapping. */
static bool pages_valid(u64 pfn, u64 nr_pages, u64 max)
{
	u64 limit = BIT(min(iommu_oas, 52) - PAGE_SHIFT);

	return nr_pages && nr_pages <= max && pfn < limit && limit - pfn >= nr_pages;
}

/* Take memory from the host. */
static int iommu_take(u64 pfn, u64 nr_pages, u64 max)
{
	if (!pages_valid(pfn, nr_pages, max))
		return -EINVAL;

	return __pkvm_host_donate_hyp(pfn, nr_pages);
}

static int iommu_topup(u64 pfn, u64 nr_pages, u64 max)
{
	int ret = iommu_take(pfn, nr_pages, max);

	if (!ret)
		pool_add(pfn, nr_pages);

	return ret;
}

static int iommu_reclaim(u64 *res)
{
	void *page = pkvm_iommu_alloc_page();

	if (!page)
		return -ENOMEM;

	hyp_spin_lock(&pool_lock);
	pool_total--;
	hyp_spin_unlock(&pool_lock);

	/* Neither our pointers nor older contents, whichever way it is read. */
	kvm_flush_dcache_to_poc(page, PAGE_SIZE);
	/* Ours, mapped once and not counted by anybody else: cannot fail. */
	hyp_virt_to_page(page)->refcount = 0;
	BUG_ON(__pkvm_hyp_donate_host(hyp_virt_to_pfn(page), 1));
	res[0] = hyp_virt_to_pfn(page);

	return 0;
}

/* Runs for PKVM_IOMMU_MAP_LIST. The host writes them at any time. */
static const u64 *iommu_runs;
static u64 iommu_nr_runs;

/* Share memory of the host for them, and pin it, so that it stays shared. */
static int iommu_share_runs(u64 pfn, u64 nr_pages)
{
	u64 i, size = nr_pages << PAGE_SHIFT;
	void *virt = hyp_phys_to_virt(hyp_pfn_to_phys(pfn));
	int ret;

	if (iommu_runs)
		return -EBUSY;
	if (!pages_valid(pfn, nr_pages, PKVM_IOMMU_DONATE_MAX))
		return -EINVAL;

	for (i = 0; i < nr_pages; i++) {
		ret = __pkvm_host_share_hyp(pfn + i);
		if (ret)
			goto undo;
	}
	ret = hyp_pin_shared_mem(virt, virt + size);
	if (ret)
		goto undo;

	iommu_runs = virt;
	iommu_nr_runs = size / sizeof(u64);

	return 0;

undo:
	while (i--)
		WARN_ON(__pkvm_host_unshare_hyp(pfn + i));
	return ret;
}

static int map_registers(const u64 *args, u64 *res)
{
	int nr = 0;

	while (nr < PKVM_IOMMU_RUNS && args[3 + nr])
		nr++;

	return pkvm_iommu_map(args, args + 3, nr, res);
}

static int map_list(const u64 *args, u64 *res)
{
	u64 first = args[3], nr = args[4];

	if (nr > PKVM_IOMMU_LIST_RUNS || nr > iommu_nr_runs || first > iommu_nr_runs - nr)
		return -EINVAL;
	nr = array_index_nospec(nr, PKVM_IOMMU_LIST_RUNS + 1);
	first = array_index_nospec(first, iommu_nr_runs - nr + 1);

	return pkvm_iommu_map(args, iommu_runs + first, nr, res);
}

/* False if @slot is to hold a page that does not exist. */
static inline bool radix_find(void **root, u64 index, int levels, void ***slot)
{
	int shift = levels * PKVM_IOMMU_RADIX_BITS;

	for (*slot = root; shift && **slot; ) {
		shift -= PKVM_IOMMU_RADIX_BITS;
		*slot = (void **)**slot + (index >> shift & (BIT(PKVM_IOMMU_RADIX_BITS) - 1));
	}

	return !shift;
}

/**
 * pkvm_iommu_radix() - find a slot in a radix tree of pool pages
 * @root: its root, NULL in the beginning
 * @index: which slot
 * @levels: PKVM_IOMMU_RADIX_LEVELS() of the bits that @index can have
 * @alloc: make what is missing, with slots of 0
 *
 * Context: whatever guards the tree is held.
 * Return: the slot; NULL if it does not exist, or the pool is empty.
 */
void **pkvm_iommu_radix(void **root, u64 index, int levels, bool alloc)
{
	void **slot, *page;

	while (!radix_find(root, index, levels, &slot)) {
		page = alloc ? pkvm_iommu_alloc_page() : NULL;
		if (!page)
			return NULL;
		*slot = page;
	}

	return slot;
}

/*
 * The record of streams: per IOMMU a radix tree of pool pages, whose leaves
 * hold the domain that a stream is attached to, or NULL. Its pages stay: there
 * are at most as many as the stream table of the hardware itself has.
 */
#define STREAM_LEVELS		PKVM_IOMMU_RADIX_LEVELS(32)

static struct pkvm_iommu_domain **stream_slot(struct pkvm_iommu *iommu, u32 sid, bool alloc)
{
	int levels = PKVM_IOMMU_RADIX_LEVELS(iommu->sid_bits);

	return (struct pkvm_iommu_domain **)pkvm_iommu_radix(&iommu->streams, sid, levels, alloc);
}

static struct pkvm_iommu *iommu_get(u64 id)
{
	if (id >= pkvm_iommu_nr)
		return NULL;

	return &pkvm_iommus[array_index_nospec(id, PKVM_IOMMU_MAX)];
}

/* What this CPU holds, beside an IOMMU's lock, while it waits for that IOMMU. */
static DEFINE_PER_CPU(hyp_spinlock_t *, iommu_held_lock);
/* Set once a command was lost: nothing that needs an IOMMU completes any more. */
static bool iommu_lost;

static void __noreturn iommu_die(void)
{
	asm volatile("brk %0" : : "i" (PKVM_IOMMU_LOST_BRK_IMM));
	unreachable();
}

/**
 * pkvm_iommu_lost_command() - the one legal panic
 * @iommu: did not complete a command in time
 *
 * Nobody can say whether a device still reaches the page that is about to change
 * hands, so EL2 ends here, and the page never gets its new owner. The host turns
 * the BRK into a message (pkvm_iommu_report_panic()). For that it has to take
 * stage-2 faults, so the locks that stand in the way are dropped. A hostile host
 * carries on, but every later call and every revocation ends here as well.
 *
 * Context: @iommu's lock held.
 */
noinline void __noreturn pkvm_iommu_lost_command(struct pkvm_iommu *iommu)
{
	/* Seen by whoever takes one of the locks. */
	WRITE_ONCE(iommu_lost, true);
	hyp_spin_unlock(&iommu->lock);
	if (*this_cpu_ptr(&iommu_held_lock))
		hyp_spin_unlock(*this_cpu_ptr(&iommu_held_lock));
	iommu_die();
}

/*
 * Take an IOMMU's lock, with @held perhaps, which is then dropped if a command is
 * lost. Whoever waited for one that was lost finds what its CPU left, and must not
 * go on.
 */
static void iommu_lock(struct pkvm_iommu *iommu, hyp_spinlock_t *held)
{
	*this_cpu_ptr(&iommu_held_lock) = held;
	hyp_spin_lock(&iommu->lock);
	if (READ_ONCE(iommu_lost))
		pkvm_iommu_lost_command(iommu);
}

static void iommu_unlock(struct pkvm_iommu *iommu)
{
	hyp_spin_unlock(&iommu->lock);
	*this_cpu_ptr(&iommu_held_lock) = NULL;
}

/* The checks that ATTACH and DETACH have in common; takes a use of the domain. */
static int stream_args(const u64 *args, struct pkvm_iommu **iommu, u32 *sid,
		       struct pkvm_iommu_domain **domain)
{
	*iommu = iommu_get(args[0]);
	if (!*iommu)
		return -ENOENT;
	if (args[1] >> (*iommu)->sid_bits)
		return -EINVAL;
	*domain = pkvm_iommu_domain_get(args[2]);
	if (!*domain)
		return -ENXIO;
	*sid = array_index_nospec(args[1], BIT((*iommu)->sid_bits));

	return 0;
}

static int iommu_attach(const u64 *args, u64 *res)
{
	struct pkvm_iommu_domain **slot, *domain;
	struct pkvm_iommu *iommu;
	u32 sid;
	int ret;

	ret = stream_args(args, &iommu, &sid, &domain);
	if (ret)
		return ret;

	if (iommu->dead)
		ret = -EIO;
	else if (iommu->ops->map && domain == &pkvm_iommu_shadow)
		ret = -EOPNOTSUPP;
	if (ret) {
		pkvm_iommu_domain_put(domain);
		return ret;
	}

	iommu_lock(iommu, NULL);
	slot = stream_slot(iommu, sid, true);
	if (!slot)
		ret = -ENOMEM;
	else if (*slot)
		ret = -EBUSY;
	else if (iommu->ops->stream_prepare)
		ret = iommu->ops->stream_prepare(iommu, sid);

	if (!ret)
		ret = iommu->ops->stream_set(iommu, sid, domain, true);
	if (!ret) {
		/* Hardware that walks no page tables starts with nothing mapped. */
		if (iommu->ops->map && !domain->streams[iommu->id])
			domain->told[iommu->id] = 0;
		res[0] = iommu->ops->map && domain->told[iommu->id] < BIT(domain->cfg->ias);
		*slot = domain;
		domain->streams[iommu->id]++;
	}
	iommu_unlock(iommu);

	/* The stream keeps the use. */
	if (ret)
		pkvm_iommu_domain_put(domain);

	/* The most that one attach can use: its record and a table. */
	if (ret == -ENOMEM)
		res[0] = STREAM_LEVELS + 1;

	return ret;
}

static int iommu_detach(const u64 *args)
{
	struct pkvm_iommu_domain **slot, *domain;
	struct pkvm_iommu *iommu;
	u32 sid;
	int ret;

	ret = stream_args(args, &iommu, &sid, &domain);
	if (ret)
		return ret;

	iommu_lock(iommu, NULL);
	slot = stream_slot(iommu, sid, false);
	if (slot && *slot == domain) {
		iommu->ops->stream_set(iommu, sid, domain, false);
		/*
		 * Wait for the accesses under way, and leave nothing cached:
		 * without a stream, nothing is invalidated here any more.
		 */
		iommu->ops->invalidate(iommu, domain, 0, 0);
		*slot = NULL;
		domain->streams[iommu->id]--;
	} else {
		ret = -ENOTCONN;
	}
	iommu_unlock(iommu);

	/* That of the stream, and ours. */
	if (!ret)
		pkvm_iommu_domain_put(domain);
	pkvm_iommu_domain_put(domain);

	return ret;
}

/**
 * pkvm_iommu_invalidate_all() - drop cached translations on every IOMMU
 * @domain: of this domain
 * @lock: the lock that guards its page table
 * @addr: first address
 * @size: bytes
 *
 * On return, every access that used one of them has completed.
 *
 * Context: @lock held; takes each pkvm_iommu::lock.
 */
void pkvm_iommu_invalidate_all(const struct pkvm_iommu_domain *domain,
			       hyp_spinlock_t *lock, u64 addr, u64 size)
{
	struct pkvm_iommu *iommu;

	for (iommu = pkvm_iommus; iommu < pkvm_iommus + pkvm_iommu_nr; iommu++) {
		iommu_lock(iommu, lock);
		if (domain->streams[iommu->id])
			iommu->ops->invalidate(iommu, domain, addr, size);
		iommu_unlock(iommu);
	}
}

/**
 * pkvm_iommu_map_one() - tell an IOMMU without page tables what is mapped
 * @iommu: that one
 * @domain: where
 * @maps: what
 * @nr: how many
 * @from: where a replay had come to
 * @told: where it comes to with this; 0 if it is none, and what the replay will
 *	come to is left to it
 *
 * Context: @domain's lock held; takes @iommu's.
 * Return: 0, also if it need not know; -EAGAIN if a stream was attached meanwhile
 * and the replay has to start anew; or the errors of pkvm_iommu_ops::map.
 */
int pkvm_iommu_map_one(struct pkvm_iommu *iommu, struct pkvm_iommu_domain *domain,
		       const struct pkvm_iommu_mapping *maps, int nr, u64 from, u64 told)
{
	int ret = 0;

	iommu_lock(iommu, &domain->lock);
	if (told && domain->told[iommu->id] != from) {
		iommu_unlock(iommu);
		return -EAGAIN;
	}
	while (!told && nr && maps[nr - 1].iova >= domain->told[iommu->id])
		nr--;
	if (iommu->ops->map && domain->streams[iommu->id] && nr)
		ret = iommu->ops->map(iommu, domain, maps, nr);
	/* It may know some of them: the next replay begins with all. */
	if (ret && told)
		iommu->ops->invalidate(iommu, domain, maps->iova,
				       maps[nr - 1].iova + maps[nr - 1].size - maps->iova);
	if (!ret && told)
		domain->told[iommu->id] = told;
	iommu_unlock(iommu);

	return ret;
}

/**
 * pkvm_iommu_map_all() - tell all IOMMUs without page tables what is mapped
 * @domain: where
 * @maps: what
 * @nr: how many
 *
 * Context: @domain's lock held; takes each pkvm_iommu::lock.
 * Return: 0, or the error of the first that does not accept it.
 */
int pkvm_iommu_map_all(struct pkvm_iommu_domain *domain,
		       const struct pkvm_iommu_mapping *maps, int nr)
{
	struct pkvm_iommu *iommu;
	int ret = 0;

	for (iommu = pkvm_iommus; iommu < pkvm_iommus + pkvm_iommu_nr && !ret; iommu++)
		ret = pkvm_iommu_map_one(iommu, domain, maps, nr, 0, 0);

	return ret;
}

/* PKVM_IOMMU_REPLAY */
static int iommu_replay(const u64 *args, u64 *res)
{
	struct pkvm_iommu *iommu = iommu_get(args[0]);
	struct pkvm_iommu_domain *domain;
	int ret = 0;

	if (!iommu)
		return -ENOENT;
	domain = args[1] == PKVM_IOMMU_DOMAIN_IDENTITY ? NULL : pkvm_iommu_domain_get(args[1]);
	if (!domain)
		return -ENXIO;

	iommu_lock(iommu, NULL);
	if (!domain->streams[iommu->id])
		ret = -ENOTCONN;
	iommu_unlock(iommu);
	if (!ret && iommu->ops->map)
		ret = pkvm_iommu_replay(iommu, domain);
	pkvm_iommu_domain_put(domain);

	/* There is more. */
	if (ret > 0) {
		res[0] = 1;
		ret = 0;
	}

	return ret;
}

static int iommu_fault(const u64 *args, u64 *res)
{
	struct pkvm_iommu *iommu = iommu_get(args[0]);
	struct pkvm_iommu_fault fault = {};
	bool found;

	if (!iommu)
		return -ENOENT;
	if (iommu->dead)
		return -EAGAIN;

	iommu_lock(iommu, NULL);
	found = iommu->ops->fault(iommu, &fault);
	iommu_unlock(iommu);
	if (!found)
		return -EAGAIN;

	res[0] = FIELD_PREP(PKVM_IOMMU_FAULT_SID, fault.sid) |
		 FIELD_PREP(PKVM_IOMMU_FAULT_REASON, fault.reason) |
		 (fault.write ? PKVM_IOMMU_FAULT_WRITE : 0) |
		 (fault.lost ? PKVM_IOMMU_FAULT_LOST : 0);
	res[1] = fault.address;

	return 0;
}

static int iommu_info(const u64 *args, u64 *res)
{
	const struct pkvm_iommu *iommu;

	switch (args[0]) {
	case PKVM_IOMMU_INFO_POOL_FREE:
		res[0] = READ_ONCE(pool_free);
		return 0;
	case PKVM_IOMMU_INFO_POOL_TOTAL:
		res[0] = READ_ONCE(pool_total);
		return 0;
	case PKVM_IOMMU_INFO_SHADOW:
		res[0] = iommu_shadow_pages;
		return 0;
	case PKVM_IOMMU_INFO_LIMIT:
		res[0] = iommu_limit;
		return 0;
	case PKVM_IOMMU_INFO_RUNS:
		res[0] = iommu_nr_runs;
		return 0;
	case PKVM_IOMMU_INFO_IDENTITY:
		iommu = iommu_get(args[1]);
		if (!iommu)
			return -ENOENT;
		res[0] = !iommu->ops->map;
		return 0;
	}

	return -EINVAL;
}

/**
 * pkvm_iommu_next_mmio() - find the registers of an IOMMU
 * @addr: where to start looking
 * @start: the first address of what was found; it may lie below @addr
 * @end: the address behind it
 *
 * Context: any; the registry is constant, or the caller's to change.
 * Return: false if there are none at or above @addr.
 */
bool pkvm_iommu_next_mmio(u64 addr, u64 *start, u64 *end)
{
	const struct pkvm_iommu *iommu;
	bool found = false;

	for (iommu = pkvm_iommus; iommu < pkvm_iommus + pkvm_iommu_nr; iommu++) {
		u64 stop = iommu->mmio_phys + iommu->mmio_size;

		if (stop <= addr || (found && *start < iommu->mmio_phys))
			continue;
		*start = iommu->mmio_phys;
		*end = stop;
		found = true;
	}

	return found;
}

#define REGISTER_FLAGS	(PKVM_IOMMU_F_COHERENT | PKVM_IOMMU_F_STAGE1 | PKVM_IOMMU_F_LINEAR)

static int iommu_register(const u64 *args, u64 *res)
{
	u64 phys = ALIGN_DOWN(args[1], PAGE_SIZE), size = args[2], flags = args[3], start, end;
	const struct pkvm_iommu_ops *ops = iommu_backend(args[0]);
	struct pkvm_iommu *iommu = &pkvm_iommus[pkvm_iommu_nr];
	unsigned long va = 0;
	int ret;

	if (iommu_state != IOMMU_OPEN)
		return -EBUSY;
	if (!ops || flags & ~REGISTER_FLAGS || (ops->isolates && !size) ||
	    args[1] + size < size || args[1] + size > U64_MAX - PAGE_SIZE)
		return -EINVAL;
	/* All of the pages that they touch. */
	size = size ? PAGE_ALIGN(args[1] + size) - phys : 0;
	if (pkvm_iommu_nr == PKVM_IOMMU_MAX)
		return -ENOSPC;
	if (size && pkvm_iommu_next_mmio(phys, &start, &end) && start < phys + size)
		return -EEXIST;

	for (start = phys; start < phys + size; start += PAGE_SIZE) {
		if (addr_is_memory(start))
			return -EPERM;
	}

	if (size) {
		ret = __pkvm_create_private_mapping(phys, size, PAGE_HYP_DEVICE, &va);
		if (ret)
			return ret;
	}

	*iommu = (struct pkvm_iommu) {
		.id		= pkvm_iommu_nr,
		.ops		= ops,
		.mmio_phys	= phys,
		.mmio_size	= size,
		.mmio		= (void __iomem *)va + (args[1] - phys),
		.flags		= flags,
	};
	ret = ops->probe(iommu, &res[0]);
	if (ret) {
		/* Another driver may have the hardware. */
		hyp_spin_lock(&pkvm_pgd_lock);
		kvm_pgtable_hyp_unmap(&pkvm_pgtable, va, size);
		hyp_spin_unlock(&pkvm_pgd_lock);
		return ret;
	}

	if (!iommu->id)
		hyp_pool_init(&pool, 0, 0, 0);
	iommu_oas = min(iommu_oas, iommu->oas);
	res[0] = iommu->id;
	res[1] = iommu->mem_size;
	pkvm_iommu_nr++;

	return 0;
}

static int iommu_donate(const u64 *args)
{
	u64 id = args[0], pfn = args[1], nr_pages = args[2];
	struct pkvm_iommu *iommu;
	int ret;

	if (iommu_state != IOMMU_OPEN && iommu_state != IOMMU_BUILDING)
		return -EBUSY;
	if (!pkvm_iommu_nr)
		return -ENOENT;
	if (id == PKVM_IOMMU_RUN_LIST)
		return iommu_share_runs(pfn, nr_pages);
	if (id == PKVM_IOMMU_POOL)
		return iommu_topup(pfn, nr_pages, PKVM_IOMMU_DONATE_MAX);

	iommu = iommu_get(id);
	if (!iommu)
		return -ENOENT;
	if (iommu_state != IOMMU_OPEN || iommu->mem)
		return -EBUSY;
	if (nr_pages << PAGE_SHIFT < iommu->mem_size ||
	    !IS_ALIGNED(hyp_pfn_to_phys(pfn), max(iommu->mem_size, PAGE_SIZE)))
		return -EINVAL;

	ret = iommu_take(pfn, nr_pages, PKVM_IOMMU_DONATE_MAX);
	if (ret)
		return ret;

	iommu->mem = hyp_phys_to_virt(hyp_pfn_to_phys(pfn));
	memset(iommu->mem, 0, nr_pages << PAGE_SHIFT);
	kvm_flush_dcache_to_poc(iommu->mem, nr_pages << PAGE_SHIFT);

	return 0;
}

static bool iommu_isolates(void)
{
	struct pkvm_iommu *iommu;

	for (iommu = pkvm_iommus; iommu < pkvm_iommus + pkvm_iommu_nr; iommu++) {
		if (iommu->ops->isolates)
			return true;
	}

	return false;
}

/* One format and one reach for all, so that one shadow serves all. */
static int seal_open(u64 *res)
{
	u32 fmts = BIT(ARM_64_LPAE_S1) | BIT(ARM_64_LPAE_S2);
	static const u8 sizes[] = { 48, 44, 39, 36, 32 };
	unsigned int i, bits = min(host_mmu.pgt.ia_bits, iommu_oas);
	bool coherent = true, all_walk = true, any_walks = false;
	struct pkvm_iommu *iommu;
	int ret;

	if (!pkvm_iommu_nr)
		return -ENODEV;

	for (iommu = pkvm_iommus; iommu < pkvm_iommus + pkvm_iommu_nr; iommu++) {
		res[1] = iommu->id;
		if (iommu->mem_size && !iommu->mem) {
			res[0] = PKVM_IOMMU_REFUSE_MEMORY;
			return -ENXIO;
		}
		fmts &= iommu->fmts;
		if (!fmts) {
			res[0] = PKVM_IOMMU_REFUSE_STAGE;
			return -ENXIO;
		}
		coherent &= pkvm_iommu_coherent(iommu);
		all_walk &= !iommu->ops->map;
		any_walks |= !iommu->ops->map;
	}
	res[1] = 0;

	/*
	 * Architected sizes are 32, 36, 40, 42, 44 and 48. For 40 and 42 bits,
	 * stage 2 would need concatenated root tables.
	 */
	for (i = 0; i < ARRAY_SIZE(sizes) && sizes[i] > bits; i++)
		;
	if (i == ARRAY_SIZE(sizes)) {
		res[0] = PKVM_IOMMU_REFUSE_STAGE;
		return -ENXIO;
	}
	bits = sizes[i];

	ret = pkvm_iommu_shadow_init(fmts & BIT(ARM_64_LPAE_S2) ?
				     ARM_64_LPAE_S2 : ARM_64_LPAE_S1, bits, coherent, any_walks);
	if (ret)
		return ret;

	pkvm_iommu_all_walk = all_walk;
	iommu_limit = bits;
	iommu_state = IOMMU_BUILDING;

	return 0;
}

/* The registers of every IOMMU become EL2's, then all of EL2 is audited. */
static int seal_take(u64 *res)
{
	struct pkvm_iommu *iommu;
	int ret;

	for (iommu = pkvm_iommus; iommu < pkvm_iommus + pkvm_iommu_nr; iommu++) {
		if (!iommu->mmio_size)
			continue;
		ret = __pkvm_host_donate_hyp_mmio(iommu->mmio_phys, iommu->mmio_size);
		if (ret) {
			res[0] = PKVM_IOMMU_REFUSE_MMIO;
			res[1] = iommu->id;
			/* Not the pool's memory: the host's stage 2 has its own. */
			return ret == -ENOMEM ? -EIO : ret;
		}
	}

	hyp_spin_lock(&host_mmu.lock);
	hyp_spin_lock(&pkvm_pgd_lock);
	ret = pkvm_check_host_ownership();
	hyp_spin_unlock(&pkvm_pgd_lock);
	hyp_spin_unlock(&host_mmu.lock);
	if (ret)
		res[0] = PKVM_IOMMU_REFUSE_AUDIT;

	return ret;
}

static int __iommu_seal(u64 flags, u64 *res)
{
	struct pkvm_iommu *iommu;
	int ret, err = 0;
	u64 why;

	if (iommu_state == IOMMU_OPEN) {
		ret = seal_open(res);
		if (ret)
			return ret;
	}

	ret = pkvm_iommu_shadow_build();
	if (ret)
		return ret;
	if (!iommu_shadow_pages)
		iommu_shadow_pages = pool_total - pool_free;

	for (iommu = pkvm_iommus; iommu < pkvm_iommus + pkvm_iommu_nr; iommu++) {
		ret = iommu->ops->alloc(iommu);
		if (ret)
			return ret;
	}

	ret = seal_take(res);
	if (ret)
		return ret;

	for (iommu = pkvm_iommus; iommu < pkvm_iommus + pkvm_iommu_nr; iommu++) {
		ret = iommu->ops->init(iommu, &why);
		if (!ret)
			continue;
		/* The host can have the others. */
		iommu->dead = true;
		err = ret;
		res[0] = why;
		res[1] = iommu->id;
	}

	/* The software backend alone serves the tests, but protects nothing. */
	iommu_state = IOMMU_SEALED;
	if (!err && !iommu_isolates())
		err = -ENODEV;
	iommu_isolated = !err && !(flags & PKVM_IOMMU_F_PARTIAL);

	return err;
}

static int iommu_seal(const u64 *args, u64 *res)
{
	int ret;

	if (iommu_state != IOMMU_OPEN && iommu_state != IOMMU_BUILDING)
		return -EBUSY;
	if (args[0] & ~(PKVM_IOMMU_F_OFF | PKVM_IOMMU_F_PARTIAL))
		return -EINVAL;
	if (args[0] & PKVM_IOMMU_F_OFF) {
		iommu_state = IOMMU_OFF;
		return 0;
	}

	ret = __iommu_seal(args[0], res);
	if (ret == -ENOMEM)
		res[0] = 512;
	else if (ret && ret != -EAGAIN && iommu_state != IOMMU_SEALED)
		iommu_state = IOMMU_FAILED;

	return ret;
}

/**
 * pkvm_iommu_check_isolation() - may there be protected VMs?
 *
 * Context: any.
 * Return: 0, or -EPERM where devices could reach them and the boot did not
 * choose that with pkvm_iommu=off.
 */
int pkvm_iommu_check_isolation(void)
{
	return iommu_state == IOMMU_OFF || iommu_isolated ? 0 : -EPERM;
}

/**
 * pkvm_iommu_in_service() - do IOMMUs hold state that must not be lost?
 *
 * Context: any.
 */
bool pkvm_iommu_in_service(void)
{
	return iommu_state == IOMMU_SEALED;
}

static void put_result(struct kvm_cpu_context *host_ctxt, int ret, const u64 *res)
{
	cpu_reg(host_ctxt, 1) = ret;
	cpu_reg(host_ctxt, 2) = res[0];
	cpu_reg(host_ctxt, 3) = res[1];
}

void handle___pkvm_iommu_boot(struct kvm_cpu_context *host_ctxt)
{
	const u64 *args = &cpu_reg(host_ctxt, 2);
	int ret = -EOPNOTSUPP;
	u64 res[2] = {};

	switch (cpu_reg(host_ctxt, 1)) {
	case PKVM_IOMMU_BOOT_REGISTER:
		ret = iommu_register(args, res);
		break;
	case PKVM_IOMMU_BOOT_DONATE:
		ret = iommu_donate(args);
		break;
	case PKVM_IOMMU_BOOT_SEAL:
		ret = iommu_seal(args, res);
		break;
	}
	put_result(host_ctxt, ret, res);
}

void handle___pkvm_iommu_call(struct kvm_cpu_context *host_ctxt)
{
	u64 op = cpu_reg(host_ctxt, 1), res[2] = {};
	const u64 *args = &cpu_reg(host_ctxt, 2);
	int ret = -EOPNOTSUPP;

	if (READ_ONCE(iommu_lost))
		iommu_die();

#ifdef CONFIG_PKVM_IOMMU_TEST
	if (op == PKVM_IOMMU_TEST) {
		put_result(host_ctxt, pkvm_iommu_test(args, res), res);
		return;
	}
#endif
	/* Whatever happened at boot, the host can have unused memory back. */
	if (iommu_state != IOMMU_SEALED && op != PKVM_IOMMU_RECLAIM) {
		put_result(host_ctxt, -ENODEV, res);
		return;
	}

	switch (op) {
	case PKVM_IOMMU_ATTACH:
		ret = iommu_attach(args, res);
		break;
	case PKVM_IOMMU_DETACH:
		ret = iommu_detach(args);
		break;
	case PKVM_IOMMU_TOPUP:
		ret = iommu_topup(args[0], args[1], PKVM_IOMMU_TOPUP_MAX);
		break;
	case PKVM_IOMMU_RECLAIM:
		ret = iommu_reclaim(res);
		break;
	case PKVM_IOMMU_FAULT:
		ret = iommu_fault(args, res);
		break;
	case PKVM_IOMMU_INFO:
		ret = iommu_info(args, res);
		break;
	case PKVM_IOMMU_DOMAIN_ALLOC:
		ret = pkvm_iommu_domain_alloc(res);
		break;
	case PKVM_IOMMU_DOMAIN_FREE:
		ret = pkvm_iommu_domain_free(args[0]);
		break;
	case PKVM_IOMMU_MAP:
		ret = map_registers(args, res);
		break;
	case PKVM_IOMMU_MAP_LIST:
		ret = map_list(args, res);
		break;
	case PKVM_IOMMU_UNMAP:
		ret = pkvm_iommu_unmap(args, res);
		break;
	case PKVM_IOMMU_LOOKUP:
		ret = pkvm_iommu_lookup(args, res);
		break;
	case PKVM_IOMMU_FLUSH:
		ret = pkvm_iommu_flush(args[0]);
		break;
	case PKVM_IOMMU_REPLAY:
		ret = iommu_replay(args, res);
		break;
	}
	put_result(host_ctxt, ret, res);
}
