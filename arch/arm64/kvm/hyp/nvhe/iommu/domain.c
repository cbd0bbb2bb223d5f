// SPDX-License-Identifier: GPL-2.0-only
/*
 * Table and life of domains.
 *
 * The host names a domain by an id that EL2 chooses. The table is a radix tree of
 * slots. A slot holds 0 if its id was never used; a domain, with DOMAIN_DYING while
 * PKVM_IOMMU_DOMAIN_FREE is under way; or, for an id that is free again, the next free id
 * shifted by one with bit 0 set. Id 0 is the shadow, which is not in the table and never freed.
 *
 * domain_lock guards changes of the table. A call uses a domain without that lock: EL2
 * is not preempted, so a CPU uses at most one domain at a time, and announces the slot
 * of the table in slot_in_use. Slots are never freed.
 *
 *	pkvm_iommu_domain_get()		PKVM_IOMMU_DOMAIN_FREE
 *	slot_in_use = slot		slot |= DOMAIN_DYING
 *	mb()				mb()
 *	domain = acquire slot		read slot_in_use of each CPU
 *
 * The two barriers make sure that at least one of the two reads sees the other CPU's
 * store: either the call finds that the domain is dying, or FREE finds that it is in
 * use. The acquire pairs with the release of the slot in PKVM_IOMMU_DOMAIN_ALLOC.
 */
#include <linux/nospec.h>

#include <nvhe/mem_protect.h>
#include <nvhe/mm.h>

#include "core.h"

#define DOMAIN_BITS		16
#define DOMAIN_DYING		2

/**
 * struct domain_page - the pool page of a domain
 * @domain: the domain
 * @hw: pkvm_iommu_domain::hw
 * @lazy: pkvm_iommu_domain::lazy
 * @cfg: of a nested domain, which has its @hw elsewhere: pkvm_iommu_domain::cfg
 */
struct domain_page {
	struct pkvm_iommu_domain domain;
	u8 hw[PKVM_IOMMU_DOMAIN_HW_SIZE] __aligned(PKVM_IOMMU_DOMAIN_HW_SIZE);
	u64 lazy[PKVM_IOMMU_LAZY_RING];
	struct io_pgtable_cfg cfg;
};

struct pkvm_iommu_domain pkvm_iommu_shadow;

static DEFINE_HYP_SPINLOCK(domain_lock);
/* Slot whose domain a call on this CPU uses or frees, or NULL. */
static DEFINE_PER_CPU(void **, slot_in_use);
/* Pages of the table are never freed, and pages are zeroed before they are in it. */
static void *domain_table;
static u64 domain_next = 1;
/* Head of the list of free ids, or 0. */
static u64 domain_free_id;

static void init_hw(struct pkvm_iommu_domain *domain)
{
	struct pkvm_iommu *iommu;

	for_each_pkvm_iommu(iommu) {
		if (iommu->ops->domain_init)
			iommu->ops->domain_init(iommu, domain);
	}
}

/* Make an empty page table of the geometry that all domains have in common, but for @ias. */
static struct io_pgtable_ops *table_alloc(enum io_pgtable_fmt fmt, unsigned int ias)
{
	const struct io_pgtable_cfg cfg = {
		.ias		= ias,
		.oas		= pkvm_iommu_arch_bits(),
		.pgsize_bitmap	= PAGE_SIZE | PMD_SIZE | SZ_1G,
		.coherent_walk	= pkvm_iommu_geometry.coherent,
	};

	return pkvm_iommu_pgtable_alloc(fmt, &cfg);
}

/**
 * pkvm_iommu_domain_init() - give a domain an empty page table
 * @domain: the domain, zeroed but for @hw
 * @tag: its ASID or VMID
 *
 * Context: the domain is not in use yet.
 * Return: 0 or -ENOMEM.
 */
int pkvm_iommu_domain_init(struct pkvm_iommu_domain *domain, u16 tag)
{
	domain->ops = table_alloc(pkvm_iommu_geometry.fmt, pkvm_iommu_geometry.bits);
	if (!domain->ops)
		return -ENOMEM;

	domain->fmt = pkvm_iommu_geometry.fmt;
	domain->tag = tag;
	domain->cfg = &io_pgtable_ops_to_pgtable(domain->ops)->cfg;
	hyp_spin_lock_init(&domain->lock);
	hyp_spin_lock_init(&domain->flush_lock);
	init_hw(domain);

	return 0;
}

/*
 * Make a domain that is nested in the shadow, with the host's root table. The host's tables
 * are of the same library, so their configuration is that of a table which EL2 allocates, and
 * frees at once.
 */
static int nested_init(struct domain_page *page, u16 tag, u64 root)
{
	struct io_pgtable_ops *ops = table_alloc(ARM_64_LPAE_S1, PKVM_IOMMU_NESTED_BITS);

	if (!ops)
		return -ENOMEM;
	page->cfg = io_pgtable_ops_to_pgtable(ops)->cfg;
	pkvm_iommu_pgtable_free(ops);
	page->cfg.arm_lpae_s1_cfg.ttbr = root;

	page->domain.parent = &pkvm_iommu_shadow;
	page->domain.fmt = ARM_64_LPAE_S1;
	page->domain.tag = tag;
	page->domain.cfg = &page->cfg;
	init_hw(&page->domain);

	return 0;
}

#define DOMAIN_LEVELS		PKVM_IOMMU_RADIX_LEVELS(DOMAIN_BITS)

/* The slot of any value of the host, or NULL if there is none. */
static inline void **domain_slot(u64 id)
{
	void **slot;

	BUILD_BUG_ON(BIT(DOMAIN_BITS) - 1 != PKVM_IOMMU_DOMAIN_ID_MAX);
	if (id >> DOMAIN_BITS)
		return NULL;
	id = array_index_nospec(id, BIT(DOMAIN_BITS));

	return pkvm_iommu_radix_find(&domain_table, id, DOMAIN_LEVELS, &slot) ? slot : NULL;
}

/* The domain of a slot, or NULL if the slot has none, or it is being freed. */
static struct pkvm_iommu_domain *slot_domain(void **slot)
{
	/* Pairs with the release in pkvm_iommu_domain_alloc(): the domain is complete. */
	void *entry = smp_load_acquire(slot);

	return (u64)entry & (DOMAIN_DYING | 1) ? NULL : entry;
}

/*
 * A FREE that returns -EBUSY marks the domain as dying for a moment. Wait for it, so
 * that a domain which stays does not vanish for other calls.
 */
static noinline struct pkvm_iommu_domain *slot_domain_locked(void **slot)
{
	struct pkvm_iommu_domain *domain;

	WRITE_ONCE(*this_cpu_ptr(&slot_in_use), NULL);
	hyp_spin_lock(&domain_lock);
	domain = slot_domain(slot);
	if (domain)
		WRITE_ONCE(*this_cpu_ptr(&slot_in_use), slot);
	hyp_spin_unlock(&domain_lock);

	return domain;
}

/**
 * pkvm_iommu_domain_get() - begin to use a domain
 * @id: any value; the host's name for the domain
 *
 * The domain is not freed before pkvm_iommu_domain_put(), which the same CPU calls
 * before it uses another domain.
 *
 * Context: no lock is held.
 * Return: the domain, or NULL.
 */
struct pkvm_iommu_domain *pkvm_iommu_domain_get(u64 id)
{
	struct pkvm_iommu_domain *domain;
	void **slot;
	u64 entry;

	if (id == PKVM_IOMMU_DOMAIN_IDENTITY)
		return &pkvm_iommu_shadow;
	slot = domain_slot(id);
	entry = slot ? (u64)READ_ONCE(*slot) : 0;
	if (!entry || entry & 1)
		return NULL;
	/* Without an announcement, for which a FREE that is under way would return -EBUSY. */
	if (entry & DOMAIN_DYING)
		return slot_domain_locked(slot);

	WRITE_ONCE(*this_cpu_ptr(&slot_in_use), slot);
	/* Before the slot is read, see the top of this file. */
	mb();
	domain = slot_domain(slot);

	return likely(domain) ? domain : slot_domain_locked(slot);
}

/**
 * pkvm_iommu_domain_put() - end the use of a domain
 * @domain: domain from pkvm_iommu_domain_get()
 *
 * Context: no lock is held.
 */
void pkvm_iommu_domain_put(struct pkvm_iommu_domain *domain)
{
	/* After all accesses to the domain. The shadow has no slot: it is NULL already. */
	smp_store_release(this_cpu_ptr(&slot_in_use), NULL);
}

/*
 * Exclusive end of the ids whose tag, the id plus 1, every IOMMU can hold. With stage 2, the
 * tag of a managed domain is a VMID, and that of a nested one an ASID.
 */
static u64 domain_limit(bool nested)
{
	unsigned int bits = DOMAIN_BITS;
	struct pkvm_iommu *iommu;

	for_each_pkvm_iommu(iommu) {
		/* No managed or nested domain is attached there. */
		if (iommu->ops->permit)
			continue;
		if (pkvm_iommu_geometry.fmt == ARM_64_LPAE_S2)
			bits = min(bits, iommu->vmid_bits);
		if (pkvm_iommu_geometry.fmt == ARM_64_LPAE_S1 || (nested && iommu->nests))
			bits = min(bits, iommu->asid_bits);
	}

	return BIT(bits) - 1;
}

/**
 * pkvm_iommu_domain_alloc() - PKVM_IOMMU_DOMAIN_ALLOC
 * @hw: of a nested domain, pkvm_iommu_domain::hw; else NULL
 * @root: of a nested domain, physical address of the host's root table
 * @id: set to the id of the new domain
 *
 * Context: takes the lock of the domain table.
 * Return: 0, -ENOSPC if no id is free, or -ENOMEM.
 */
int pkvm_iommu_domain_alloc(void *hw, u64 root, u64 *id)
{
	struct domain_page *page = pkvm_iommu_alloc_page();
	int ret = -ENOMEM;
	void **slot;
	u64 new;

	BUILD_BUG_ON(sizeof(struct domain_page) > PAGE_SIZE);
	if (!page)
		return -ENOMEM;
	page->domain.hw = hw ?: page->hw;
	page->domain.lazy = page->lazy;

	hyp_spin_lock(&domain_lock);
	new = domain_free_id ?: domain_next;
	slot = pkvm_iommu_radix(&domain_table, new, DOMAIN_LEVELS, true);
	if (new >= domain_limit(hw))
		ret = -ENOSPC;
	else if (slot)
		ret = hw ? nested_init(page, new + 1, root) :
			   pkvm_iommu_domain_init(&page->domain, new + 1);
	if (!ret) {
		if (domain_free_id)
			domain_free_id = (u64)*slot >> 1;
		else
			domain_next++;
		/* pkvm_iommu_domain_get() finds it complete. */
		smp_store_release(slot, &page->domain);
		*id = new;
	}
	hyp_spin_unlock(&domain_lock);

	if (ret)
		pkvm_iommu_free_page(page);

	return ret;
}

/* Check that a dying domain is used by no call, attached to no stream, and empty. */
static bool domain_is_idle(const struct pkvm_iommu_domain *domain, void **slot)
{
	unsigned int cpu;

	hyp_assert_lock_held(&domain_lock);
	for (cpu = 0; cpu < hyp_nr_cpus; cpu++) {
		/* Pairs with pkvm_iommu_domain_put(): its accesses are over. */
		if (smp_load_acquire(per_cpu_ptr(&slot_in_use, cpu)) == slot)
			return false;
	}

	/* No call uses the domain: these do not change any more. */
	return !atomic_read(&domain->attached) && !atomic64_read(&domain->mapped);
}

/* Take a domain out of service if it is idle, or else leave it as it was. */
static int domain_mark_dying(struct pkvm_iommu_domain *domain, void **slot)
{
	bool dying = (u64)*slot & DOMAIN_DYING;

	hyp_assert_lock_held(&domain_lock);
	WRITE_ONCE(*slot, (void *)((u64)domain | DOMAIN_DYING));
	/* Before slot_in_use is read, see the top of this file. */
	mb();
	if (domain_is_idle(domain, slot)) {
		/* FREE uses the domain, too: another one finds that, and returns -EBUSY. */
		WRITE_ONCE(*this_cpu_ptr(&slot_in_use), slot);
		return 0;
	}
	if (!dying)
		WRITE_ONCE(*slot, domain);

	return -EBUSY;
}

/**
 * pkvm_iommu_domain_free() - PKVM_IOMMU_DOMAIN_FREE
 * @id: any value; the host's name for the domain
 * @hw: set to pkvm_iommu_domain::hw if a nested domain was freed, for the caller to free
 *
 * Context: takes the lock of the domain table, the domain's flush_lock and host_mmu.lock,
 * one by one.
 * Return: 0; -ENXIO if there is no such domain; -EBUSY if it is in use or something
 * is mapped; -EAGAIN if the call has to be repeated.
 */
int pkvm_iommu_domain_free(u64 id, void **hw)
{
	struct pkvm_iommu_domain *domain;
	void **slot = domain_slot(id);
	int ret = -ENXIO;
	bool done;

	hyp_spin_lock(&domain_lock);
	if (slot && *slot && !((u64)*slot & 1)) {
		domain = (void *)((u64)*slot & ~DOMAIN_DYING);
		ret = domain_mark_dying(domain, slot);
	}
	hyp_spin_unlock(&domain_lock);
	if (ret)
		return ret;

	if (pkvm_iommu_lazy_pending(domain))
		pkvm_iommu_flush_domain(domain, NULL);
	/* A revocation may have found the domain in lazy_domains, see lazy.c: wait for it. */
	hyp_spin_lock(&host_mmu.lock);
	hyp_spin_unlock(&host_mmu.lock);

	/*
	 * Nothing is mapped, and no IOMMU walks the tables: the last detach invalidated the
	 * whole domain, and no stream has been attached since.
	 */
	done = domain->parent ||
	       pkvm_iommu_pgtable_drain(domain->ops, &domain->freed, PKVM_IOMMU_MAX_ENTRIES);
	if (done && !domain->parent)
		pkvm_iommu_pgtable_free(domain->ops);
	if (domain->parent)
		*hw = domain->hw;

	hyp_spin_lock(&domain_lock);
	WRITE_ONCE(*this_cpu_ptr(&slot_in_use), NULL);
	if (done) {
		WRITE_ONCE(*slot, (void *)(domain_free_id << 1 | 1));
		domain_free_id = id;
	}
	hyp_spin_unlock(&domain_lock);
	if (!done)
		return -EAGAIN;

	pkvm_iommu_free_page(domain);

	return 0;
}
