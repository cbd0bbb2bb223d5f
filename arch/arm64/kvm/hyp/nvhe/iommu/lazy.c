// SPDX-License-Identifier: GPL-2.0-only
/*
 * Lazy unmapping: runs that are out of the page table, and that IOMMUs may still
 * have cached.
 *
 * PKVM_IOMMU_UNMAP_LAZY clears page-table entries without an invalidation. The
 * memory stays pinned until the domain is flushed: by the host, because there are
 * too many runs to remember, before something else is mapped at the same addresses,
 * or because a page that only such a pin holds is to change its owner.
 *
 * A domain remembers its runs in its own page. Three bounds keep a flush short, and so
 * a flush of all domains: runs, page-table entries, domains. Blocks are never unmapped
 * lazily.
 *
 * host_mmu.lock guards everything here. pkvm_iommu_domain::flushes and ::flushed are
 * changed with that and the lock of the domain held, and read with the latter.
 */
#include <nvhe/mem_protect.h>

#include "core.h"

/*
 * Bounds of the page-table entries that the remembered runs of one domain had, and of
 * the domains that have such runs. That of the runs is PKVM_IOMMU_LAZY_RUNS in core.h.
 */
#define LAZY_ENTRIES		4096
#define LAZY_DOMAINS		64

static struct pkvm_iommu_domain *lazy_domains[LAZY_DOMAINS];
static unsigned int nr_lazy_domains;

/**
 * pkvm_iommu_lazy_flush() - complete all lazy unmappings of a domain
 * @domain: the domain
 *
 * On return, no device reaches the runs any more, and they are not pinned.
 *
 * Context: host_mmu.lock is held; takes the lock of @domain, to count, and the lock
 * of each IOMMU.
 */
void pkvm_iommu_lazy_flush(struct pkvm_iommu_domain *domain)
{
	bool listed = domain->nr_lazy;

	hyp_assert_lock_held(&host_mmu.lock);
	/* An UNMAP that begins after this waits for the next flush. */
	hyp_spin_lock(&domain->lock);
	domain->flushes++;
	hyp_spin_unlock(&domain->lock);
	pkvm_iommu_invalidate(domain, &host_mmu.lock, 0, 0);
	hyp_spin_lock(&domain->lock);
	domain->flushed = domain->flushes;
	hyp_spin_unlock(&domain->lock);

	pkvm_iommu_unpin_removed(domain->lazy, domain->nr_lazy);
	domain->nr_lazy = 0;
	domain->lazy_entries = 0;
	if (!listed)
		return;

	/* The last domain of the list takes the free place. */
	nr_lazy_domains--;
	lazy_domains[domain->lazy_slot] = lazy_domains[nr_lazy_domains];
	lazy_domains[domain->lazy_slot]->lazy_slot = domain->lazy_slot;
}

/**
 * pkvm_iommu_lazy_flush_all() - complete all lazy unmappings
 *
 * Context: host_mmu.lock is held; takes the lock of each domain, to count, and the
 * lock of each IOMMU.
 * Return: false if there were none.
 */
bool pkvm_iommu_lazy_flush_all(void)
{
	hyp_assert_lock_held(&host_mmu.lock);
	if (!nr_lazy_domains)
		return false;

	while (nr_lazy_domains)
		pkvm_iommu_lazy_flush(lazy_domains[0]);

	return true;
}

static inline void lazy_add(struct pkvm_iommu_domain *domain, u64 removed)
{
	if (domain->nr_lazy == PKVM_IOMMU_LAZY_RUNS || domain->lazy_entries >= LAZY_ENTRIES)
		pkvm_iommu_lazy_flush(domain);
	if (!domain->nr_lazy) {
		if (nr_lazy_domains == LAZY_DOMAINS)
			pkvm_iommu_lazy_flush(lazy_domains[0]);
		domain->lazy_slot = nr_lazy_domains++;
		lazy_domains[domain->lazy_slot] = domain;
	}
	domain->lazy[domain->nr_lazy++] = removed;
	domain->lazy_entries += removed & PKVM_IOMMU_REMOVED_PAGES;
}

/**
 * pkvm_iommu_lazy_add() - remember runs until the domain is flushed
 * @domain: the domain that they were unmapped from
 * @removed: removed runs of pages, see PKVM_IOMMU_REMOVED_PAGES
 * @nr: number of runs
 *
 * Context: host_mmu.lock is held; takes the lock of each IOMMU if there is no room.
 */
void pkvm_iommu_lazy_add(struct pkvm_iommu_domain *domain, const u64 *removed, int nr)
{
	hyp_assert_lock_held(&host_mmu.lock);
	while (nr--)
		lazy_add(domain, *removed++);
}

/**
 * pkvm_iommu_check_pins() - check that a range of memory may change its owner
 * @phys: first physical address
 * @size: bytes, whole pages
 *
 * Flushes all domains if only remembered runs may be in the way.
 *
 * Context: host_mmu.lock is held; takes the lock of each IOMMU.
 * Return: 0, or -EBUSY if devices have a page of the range mapped.
 */
int pkvm_iommu_check_pins(phys_addr_t phys, u64 size)
{
	hyp_assert_lock_held(&host_mmu.lock);
	if (!pkvm_iommu_nr_pins || !pkvm_iommu_is_pinned(phys, size))
		return 0;
	if (!pkvm_iommu_lazy_flush_all())
		return -EBUSY;

	return pkvm_iommu_is_pinned(phys, size) ? -EBUSY : 0;
}
