// SPDX-License-Identifier: GPL-2.0-only
/*
 * Table and life of domains.
 *
 * The host names a domain by an id that EL2 chooses: from DOMAIN_BITS up, the index of its
 * geometry; below, its index in the table of that. A table is a radix tree of slots. A slot
 * holds 0 if its index was never used; a domain, with DOMAIN_DYING while PKVM_IOMMU_DOMAIN_FREE
 * is under way; or, for an index that is free again, the next free one shifted by one with bit 0
 * set. Index 0 is never used: id 0 names a shadow, see stream.c.
 *
 * domain_lock guards changes of the tables. A call uses a domain without that lock: EL2
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

static DEFINE_HYP_SPINLOCK(domain_lock);
/* Slot whose domain a call on this CPU uses or frees, or NULL. */
static DEFINE_PER_CPU(void **, slot_in_use);
/*
 * Of each geometry: the table, whose pages are never freed, and are zeroed before they are in it;
 * the largest index that was used; and the head of the list of free indices, or 0.
 */
static void *domain_tables[PKVM_IOMMU_MAX];
static u64 domain_last[PKVM_IOMMU_MAX], domain_free_index[PKVM_IOMMU_MAX];

static void init_hw(struct pkvm_iommu_domain *domain)
{
	struct pkvm_iommu *iommu;

	for_each_pkvm_iommu(iommu) {
		if (iommu->geometry == domain->geometry && iommu->ops->domain_init)
			iommu->ops->domain_init(iommu, domain);
	}
}

/**
 * pkvm_iommu_domain_init() - give a domain an empty page table
 * @domain: the domain, zeroed but for @hw
 * @geometry: its geometry
 * @tag: its ASID or VMID
 *
 * Context: the domain is not in use yet.
 * Return: 0 or -ENOMEM.
 */
int pkvm_iommu_domain_init(struct pkvm_iommu_domain *domain, struct pkvm_iommu_geometry *geometry,
			   u16 tag)
{
	domain->ops = pkvm_iommu_pgtable_alloc(geometry, geometry->fmt, geometry->bits);
	if (!domain->ops)
		return -ENOMEM;

	domain->geometry = geometry;
	domain->fmt = geometry->fmt;
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
static int nested_init(struct domain_page *page, struct pkvm_iommu_geometry *geometry, u16 tag,
		       u64 root)
{
	struct io_pgtable_ops *ops;

	ops = pkvm_iommu_pgtable_alloc(geometry, ARM_64_LPAE_S1, PKVM_IOMMU_NESTED_BITS);
	if (!ops)
		return -ENOMEM;
	page->cfg = io_pgtable_ops_to_pgtable(ops)->cfg;
	pkvm_iommu_pgtable_free(ops);
	page->cfg.arm_lpae_s1_cfg.ttbr = root;

	page->domain.geometry = geometry;
	page->domain.parent = &geometry->shadow;
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
	u64 geometry = id >> DOMAIN_BITS;
	void **slot;

	BUILD_BUG_ON(((u64)PKVM_IOMMU_MAX << DOMAIN_BITS) - 1 != PKVM_IOMMU_DOMAIN_ID_MAX);
	if (geometry >= PKVM_IOMMU_MAX)
		return NULL;
	geometry = array_index_nospec(geometry, PKVM_IOMMU_MAX);

	return pkvm_iommu_radix_find(&domain_tables[geometry], id & (BIT(DOMAIN_BITS) - 1),
				     DOMAIN_LEVELS, &slot) ? slot : NULL;
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
 * Return: the domain; NULL if there is none, or for PKVM_IOMMU_DOMAIN_IDENTITY.
 */
struct pkvm_iommu_domain *pkvm_iommu_domain_get(u64 id)
{
	struct pkvm_iommu_domain *domain;
	void **slot;
	u64 entry;

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
	/* After all accesses to the domain. A shadow has no slot: it is NULL already. */
	smp_store_release(this_cpu_ptr(&slot_in_use), NULL);
}

/*
 * Exclusive end of the indices whose tag, the index plus 1, every IOMMU of the geometry can hold.
 * With stage 2, the tag of a managed domain is a VMID, and that of a nested one an ASID.
 */
static u64 domain_limit(const struct pkvm_iommu_geometry *geometry, bool nested)
{
	unsigned int bits = DOMAIN_BITS;
	struct pkvm_iommu *iommu;

	for_each_pkvm_iommu(iommu) {
		if (iommu->geometry != geometry)
			continue;
		if (geometry->fmt == ARM_64_LPAE_S2)
			bits = min(bits, iommu->vmid_bits);
		if (geometry->fmt == ARM_64_LPAE_S1 || (nested && iommu->nests))
			bits = min(bits, iommu->asid_bits);
	}

	return BIT(bits) - 1;
}

/**
 * pkvm_iommu_domain_alloc() - PKVM_IOMMU_DOMAIN_ALLOC
 * @iommu: an IOMMU that the domain is for
 * @hw: of a nested domain, pkvm_iommu_domain::hw; else NULL
 * @root: of a nested domain, physical address of the host's root table
 * @id: set to the id of the new domain
 *
 * Context: takes the lock of the domain tables.
 * Return: 0, -EOPNOTSUPP if the IOMMU does not translate, -ENOSPC if no id is free, or -ENOMEM.
 */
int pkvm_iommu_domain_alloc(const struct pkvm_iommu *iommu, void *hw, u64 root, u64 *id)
{
	struct pkvm_iommu_geometry *geometry = iommu->geometry;
	unsigned int n = geometry - pkvm_iommu_geometries;
	struct domain_page *page;
	int ret = -ENOMEM;
	void **slot;
	u64 new;

	BUILD_BUG_ON(sizeof(struct domain_page) > PAGE_SIZE);
	if (geometry->permits)
		return -EOPNOTSUPP;
	page = pkvm_iommu_alloc_page();
	if (!page)
		return -ENOMEM;
	page->domain.hw = hw ?: page->hw;
	page->domain.lazy = page->lazy;

	hyp_spin_lock(&domain_lock);
	new = domain_free_index[n] ?: domain_last[n] + 1;
	slot = pkvm_iommu_radix(&domain_tables[n], new, DOMAIN_LEVELS, true);
	if (new >= domain_limit(geometry, hw))
		ret = -ENOSPC;
	else if (slot)
		ret = hw ? nested_init(page, geometry, new + 1, root) :
			   pkvm_iommu_domain_init(&page->domain, geometry, new + 1);
	if (!ret) {
		if (domain_free_index[n])
			domain_free_index[n] = (u64)*slot >> 1;
		else
			domain_last[n]++;
		/* pkvm_iommu_domain_get() finds it complete. */
		smp_store_release(slot, &page->domain);
		*id = (u64)n << DOMAIN_BITS | new;
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
 * @geometry: set to the geometry of that domain, likewise
 *
 * Context: takes the lock of the domain table, the domain's flush_lock and host_mmu.lock,
 * one by one.
 * Return: 0; -ENXIO if there is no such domain; -EBUSY if it is in use or something
 * is mapped; -EAGAIN if the call has to be repeated.
 */
int pkvm_iommu_domain_free(u64 id, void **hw, struct pkvm_iommu_geometry **geometry)
{
	struct pkvm_iommu_domain *domain;
	void **slot = domain_slot(id);
	int ret = -ENXIO;
	unsigned int n;
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
	*geometry = domain->geometry;
	n = *geometry - pkvm_iommu_geometries;
	if (domain->parent)
		*hw = domain->hw;

	hyp_spin_lock(&domain_lock);
	WRITE_ONCE(*this_cpu_ptr(&slot_in_use), NULL);
	if (done) {
		WRITE_ONCE(*slot, (void *)(domain_free_index[n] << 1 | 1));
		domain_free_index[n] = id & (BIT(DOMAIN_BITS) - 1);
	}
	hyp_spin_unlock(&domain_lock);
	if (!done)
		return -EAGAIN;

	pkvm_iommu_free_page(domain);

	return 0;
}
