// SPDX-License-Identifier: GPL-2.0-only
/*
 * Table and life of domains.
 *
 * The host names a domain by an id that EL2 chooses. The table is a radix tree of
 * slots. A slot holds a domain, with DOMAIN_DYING while PKVM_IOMMU_DOMAIN_FREE is
 * under way, or, for an id that is free again, the next free id shifted by one with
 * bit 0 set. Id 0 is the shadow, which is not in the table and never freed.
 *
 * domain_lock guards the table and pkvm_iommu_domain::users.
 */
#include <nvhe/mem_protect.h>

#include "core.h"

#define DOMAIN_BITS		16
#define DOMAIN_DYING		2
/* GiB of addresses whose tables one PKVM_IOMMU_DOMAIN_FREE frees. */
#define FREE_TABLES		2

/**
 * struct domain_page - the pool page of a domain
 * @domain: the domain
 * @hw: pkvm_iommu_domain::hw
 * @lazy: pkvm_iommu_domain::lazy
 */
struct domain_page {
	struct pkvm_iommu_domain domain;
	u8 hw[PKVM_IOMMU_DOMAIN_HW_SIZE] __aligned(PKVM_IOMMU_DOMAIN_HW_SIZE);
	u64 lazy[PKVM_IOMMU_LAZY_RUNS];
};

struct pkvm_iommu_domain pkvm_iommu_shadow;

static DEFINE_HYP_SPINLOCK(domain_lock);
static void *domain_table;
static u64 domain_next = 1;
/* Head of the list of free ids, or 0. */
static u64 domain_free_id;

/**
 * pkvm_iommu_domain_init() - give a domain an empty page table
 * @domain: the domain, zeroed; its @hw is allocated if it is NULL
 * @tag: its ASID or VMID
 *
 * Context: the domain is not in use yet.
 * Return: 0 or -ENOMEM.
 */
int pkvm_iommu_domain_init(struct pkvm_iommu_domain *domain, u16 tag)
{
	unsigned int bits = pkvm_iommu_geometry.bits;
	struct io_pgtable_cfg cfg = {
		.ias		= bits,
		/* The library knows output sizes by their architected names only. */
		.oas		= bits == 39 ? 40 : bits,
		.pgsize_bitmap	= SZ_4K | SZ_2M | SZ_1G,
		.coherent_walk	= pkvm_iommu_geometry.coherent,
	};
	struct pkvm_iommu *iommu;

	if (!domain->hw)
		domain->hw = pkvm_iommu_alloc_page();
	if (!domain->hw)
		return -ENOMEM;
	domain->ops = pkvm_iommu_pgtable_alloc(pkvm_iommu_geometry.fmt, &cfg);
	if (!domain->ops)
		return -ENOMEM;

	domain->fmt = pkvm_iommu_geometry.fmt;
	domain->tag = tag;
	domain->cfg = &io_pgtable_ops_to_pgtable(domain->ops)->cfg;
	hyp_spin_lock_init(&domain->lock);

	for_each_pkvm_iommu(iommu) {
		if (iommu->ops->domain_init)
			iommu->ops->domain_init(iommu, domain);
	}

	return 0;
}

static void **domain_slot(u64 id, bool alloc)
{
	hyp_assert_lock_held(&domain_lock);
	return pkvm_iommu_radix(&domain_table, id, PKVM_IOMMU_RADIX_LEVELS(DOMAIN_BITS), alloc);
}

/**
 * pkvm_iommu_domain_get() - begin to use a domain
 * @id: any value; the host's name for the domain
 *
 * The domain is not freed before pkvm_iommu_domain_put().
 *
 * Context: takes the lock of the domain table.
 * Return: the domain, or NULL.
 */
struct pkvm_iommu_domain *pkvm_iommu_domain_get(u64 id)
{
	struct pkvm_iommu_domain *domain = NULL;
	void **slot;

	if (id == PKVM_IOMMU_DOMAIN_IDENTITY)
		return &pkvm_iommu_shadow;

	hyp_spin_lock(&domain_lock);
	slot = id < domain_next ? domain_slot(id, false) : NULL;
	if (slot && !((u64)*slot & (DOMAIN_DYING | 1))) {
		domain = *slot;
		domain->users++;
	}
	hyp_spin_unlock(&domain_lock);

	return domain;
}

/**
 * pkvm_iommu_domain_put() - end the use of a domain
 * @domain: domain from pkvm_iommu_domain_get()
 *
 * Context: takes the lock of the domain table.
 */
void pkvm_iommu_domain_put(struct pkvm_iommu_domain *domain)
{
	if (domain == &pkvm_iommu_shadow)
		return;

	hyp_spin_lock(&domain_lock);
	domain->users--;
	hyp_spin_unlock(&domain_lock);
}

/* Exclusive end of the ids whose tag every IOMMU can hold. The tag is the id plus 1. */
static u64 domain_limit(void)
{
	unsigned int bits = DOMAIN_BITS;
	struct pkvm_iommu *iommu;

	for_each_pkvm_iommu(iommu)
		bits = min(bits, pkvm_iommu_geometry.fmt == ARM_64_LPAE_S2 ?
				 iommu->vmid_bits : iommu->asid_bits);

	return BIT(bits) - 1;
}

/**
 * pkvm_iommu_domain_alloc() - PKVM_IOMMU_DOMAIN_ALLOC
 * @id: set to the id of the new domain
 * @need: set to the pages that the pool lacks, with -ENOMEM
 *
 * Context: takes the lock of the domain table.
 * Return: 0, -ENOSPC if no id is free, or -ENOMEM.
 */
int pkvm_iommu_domain_alloc(u64 *id, u64 *need)
{
	struct domain_page *page = pkvm_iommu_alloc_page();
	int ret = -ENOMEM;
	void **slot;
	u64 new;

	BUILD_BUG_ON(sizeof(struct domain_page) > PAGE_SIZE);
	/* The domain, the root and the data of its page table, its slot. */
	*need = 6;
	if (!page)
		return -ENOMEM;
	page->domain.hw = page->hw;
	page->domain.lazy = page->lazy;

	hyp_spin_lock(&domain_lock);
	new = domain_free_id ?: domain_next;
	slot = domain_slot(new, true);
	if (!domain_free_id && domain_next >= domain_limit())
		ret = -ENOSPC;
	else if (slot)
		ret = pkvm_iommu_domain_init(&page->domain, new + 1);
	if (!ret) {
		if (domain_free_id)
			domain_free_id = (u64)*slot >> 1;
		else
			domain_next++;
		*slot = &page->domain;
		*id = new;
	}
	hyp_spin_unlock(&domain_lock);

	if (ret)
		pkvm_iommu_free_page(page);

	return ret;
}

/*
 * Free the tables below the root, FREE_TABLES of a GiB each per call. Nothing is
 * mapped, and no IOMMU walks them: the last detach invalidated the whole domain, and
 * no stream has been attached since. Returns true when all are freed.
 */
static bool domain_free_tables(struct pkvm_iommu_domain *domain)
{
	u64 limit = BIT(domain->cfg->ias);
	struct pkvm_iommu_run run;
	int tables = 0;

	while (domain->freed < limit) {
		pkvm_iommu_pgtable_read(domain->ops, domain->freed, SZ_4K, &run, 1);
		if (run.shift < PUD_SHIFT) {
			if (tables++ == FREE_TABLES)
				return false;
			domain->ops->unmap_pages(domain->ops, domain->freed, SZ_1G, 1, NULL);
			run.len = SZ_1G;
		}
		domain->freed += run.len;
	}

	return true;
}

/**
 * pkvm_iommu_domain_free() - PKVM_IOMMU_DOMAIN_FREE
 * @id: any value; the host's name for the domain
 *
 * Context: takes the lock of the domain table and host_mmu.lock, one by one.
 * Return: 0; -ENXIO if there is no such domain; -EBUSY if it is in use or something
 * is mapped; -EAGAIN if the call has to be repeated.
 */
int pkvm_iommu_domain_free(u64 id)
{
	struct pkvm_iommu_domain *domain;
	void **slot = NULL;
	int ret = -ENXIO;
	bool done;

	hyp_spin_lock(&domain_lock);
	if (id && id < domain_next)
		slot = domain_slot(id, false);
	if (slot && !((u64)*slot & 1)) {
		domain = (void *)((u64)*slot & ~DOMAIN_DYING);
		ret = domain->users || domain->mapped ? -EBUSY : 0;
	}
	if (!ret) {
		/* From here on only this operation finds the domain. */
		*slot = (void *)((u64)domain | DOMAIN_DYING);
		domain->users++;
	}
	hyp_spin_unlock(&domain_lock);
	if (ret)
		return ret;

	hyp_spin_lock(&host_mmu.lock);
	if (domain->nr_lazy)
		pkvm_iommu_lazy_flush(domain);
	hyp_spin_unlock(&host_mmu.lock);

	done = domain_free_tables(domain);
	if (done)
		pkvm_iommu_pgtable_free(domain->ops);

	hyp_spin_lock(&domain_lock);
	domain->users--;
	if (done) {
		*slot = (void *)(domain_free_id << 1 | 1);
		domain_free_id = id;
	}
	hyp_spin_unlock(&domain_lock);
	if (!done)
		return -EAGAIN;

	memset(domain, 0, PAGE_SIZE);
	pkvm_iommu_free_page(domain);

	return 0;
}
