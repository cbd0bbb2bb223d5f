// SPDX-License-Identifier: GPL-2.0-only
/*
 * Ownership of I/O virtual addresses.
 *
 * MAP, UNMAP and LOOKUP own the addresses that they work on, so that two of them for
 * different addresses of a domain run at the same time, and two for one address one after
 * the other. Who owns an address may change its page-table entry. Tables are made for other
 * addresses at the same time, by compare-and-swap; only who owns all addresses of a domain
 * removes a table.
 *
 * pkvm_iommu_domain::busy has a bit for every 64th page: that of page n is n modulo 64. So
 * a call waits for another one if a page of each has the same bit, and one of 64 pages or
 * more owns the whole domain:
 *
 *	MAP   page 0x1000		bit 0
 *	UNMAP pages 0x1003 to 0x1012	bits 3 to 18
 *
 * A call sets all of its bits with one compare-and-swap, or none. It owns one range at a
 * time, so there is no order to keep. A call that cannot have its range waits with the
 * domain's lock held, and sets range_wanted. Others then wait for the lock, which is fair.
 *
 * Order of memory: the compare-and-swap is an acquire, the clearing of the bits a release.
 * All changes of the word are atomic read-modify-writes, so an acquire that reads the
 * change of a third CPU is ordered after the release before that, too.
 *
 * IOMMUs without page tables refuse to split mappings, so what a call may do there depends
 * on the addresses beside its own. In a domain for such IOMMUs, a call holds the domain's
 * lock instead.
 */
#include "core.h"

/**
 * pkvm_iommu_range_wait() - wait until a range of addresses can be owned, and own it
 * @domain: the domain
 * @range: bits of pkvm_iommu_domain::busy
 *
 * Context: takes the lock of @domain. The caller owns no address.
 */
noinline void pkvm_iommu_range_wait(struct pkvm_iommu_domain *domain, u64 range)
{
	hyp_spin_lock(&domain->lock);
	WRITE_ONCE(domain->range_wanted, true);
	while (!pkvm_iommu_range_try(domain, range))
		cpu_relax();
	WRITE_ONCE(domain->range_wanted, false);
	hyp_spin_unlock(&domain->lock);
}
