// SPDX-License-Identifier: GPL-2.0-only
/*
 * Calls from the core to the backends: the lock of an IOMMU, invalidation on all
 * IOMMUs, mappings for IOMMUs without page tables, and lost commands.
 *
 * The lock of an IOMMU is held for bounded work only. A command that the hardware
 * does not complete in time ends EL2, see pkvm_iommu_lost_command().
 */
#include <asm/kvm_hyp.h>
#include <asm/pkvm_iommu.h>

#include <nvhe/mem_protect.h>

#include "core.h"

/* Outer lock that this CPU holds while it holds the lock of an IOMMU, or NULL. */
static DEFINE_PER_CPU(hyp_spinlock_t *, backend_outer_lock);
bool pkvm_iommu_lost;

/**
 * pkvm_iommu_die() - end EL2 after a lost command, see pkvm_iommu_lost_command()
 *
 * Context: no lock is held that the host's handling of stage-2 faults takes.
 */
void __noreturn pkvm_iommu_die(void)
{
	asm volatile("brk %0" : : "i" (PKVM_IOMMU_LOST_BRK_IMM));
	unreachable();
}

/**
 * pkvm_iommu_lost_command() - end EL2 because an IOMMU lost a command
 * @iommu: the IOMMU that did not complete a command in time
 *
 * Nobody knows whether a device still reaches the page that is about to change its
 * owner. EL2 ends here, so the page never gets its new owner. This is the only
 * panic that can be caused from outside EL2.
 *
 * The host turns the BRK into a message, see pkvm_iommu_report_panic(). To do so it
 * takes stage-2 faults, so this function releases the locks that would stop them. If
 * a hostile host continues, every later call and every revocation ends here too.
 *
 * Context: the lock of @iommu is held.
 */
noinline void __noreturn pkvm_iommu_lost_command(struct pkvm_iommu *iommu)
{
	hyp_assert_lock_held(&iommu->lock);
	/* Before the locks are released: the next holder must see it. */
	WRITE_ONCE(pkvm_iommu_lost, true);
	hyp_spin_unlock(&iommu->lock);
	if (*this_cpu_ptr(&backend_outer_lock))
		hyp_spin_unlock(*this_cpu_ptr(&backend_outer_lock));
	pkvm_iommu_die();
}

/* End EL2 if a command was lost, even if no IOMMU has to be asked now. */
static void check_lost(hyp_spinlock_t *held)
{
	if (likely(!READ_ONCE(pkvm_iommu_lost)))
		return;

	hyp_spin_unlock(held);
	pkvm_iommu_die();
}

/**
 * pkvm_iommu_lock() - take the lock of an IOMMU
 * @iommu: the IOMMU
 * @held: the innermost other lock that the caller holds, or NULL.
 *	pkvm_iommu_lost_command() releases it
 *
 * Does not return if a command was lost while this CPU waited for the lock: the
 * state that it guards is then incomplete.
 */
void pkvm_iommu_lock(struct pkvm_iommu *iommu, hyp_spinlock_t *held)
{
	*this_cpu_ptr(&backend_outer_lock) = held;
	hyp_spin_lock(&iommu->lock);
	if (READ_ONCE(pkvm_iommu_lost))
		pkvm_iommu_lost_command(iommu);
}

/**
 * pkvm_iommu_unlock() - release the lock of an IOMMU
 * @iommu: the IOMMU
 */
void pkvm_iommu_unlock(struct pkvm_iommu *iommu)
{
	hyp_spin_unlock(&iommu->lock);
	*this_cpu_ptr(&backend_outer_lock) = NULL;
}

/*
 * Check, without the lock of @iommu, whether it may have cached translations of
 * @domain. The caller has changed the page table before, and has executed mb() since.
 *
 * stream_attach() counts the stream, executes mb(), and then makes the hardware use
 * the page table. So if the count is 0 here, it is changed later than it is read, the
 * hardware reads the page table later still, and sees the change of the caller.
 * pkvm_iommu_detach() invalidates the whole domain before it counts down, so if the
 * count is 0 here after a detach, nothing is cached:
 *
 *	unmap			attach			hardware
 *	entry = 0		streams++
 *	mb()			mb()
 *	read streams: 0		STE = domain		reads STE, then entry: 0
 */
static bool has_streams(const struct pkvm_iommu *iommu, const struct pkvm_iommu_domain *domain)
{
	return READ_ONCE(domain->streams[iommu->id]);
}

/**
 * pkvm_iommu_invalidate() - drop cached translations on all IOMMUs
 * @domain: domain of the translations
 * @lock: lock that guards the page table of @domain
 * @addr: first I/O virtual address
 * @size: bytes; 0 for the whole domain
 *
 * On return, all accesses that used a dropped translation have completed.
 *
 * Context: @lock is held; takes the lock of each IOMMU that has streams of @domain.
 */
void pkvm_iommu_invalidate(const struct pkvm_iommu_domain *domain, hyp_spinlock_t *lock,
			   u64 addr, u64 size)
{
	struct pkvm_iommu *iommu;

	hyp_assert_lock_held(lock);
	/* After the change of the page table, see has_streams(). */
	mb();
	check_lost(lock);
	for_each_pkvm_iommu(iommu) {
		if (!has_streams(iommu, domain))
			continue;
		pkvm_iommu_lock(iommu, lock);
		if (domain->streams[iommu->id])
			iommu->ops->invalidate(iommu, domain, addr, size);
		pkvm_iommu_unlock(iommu);
	}
}

/**
 * pkvm_iommu_backend_map() - pass new mappings to IOMMUs without page tables
 * @domain: domain of the mappings
 * @maps: mappings in ascending order
 * @nr: number of mappings
 *
 * An IOMMU whose replay is under way gets only the mappings below the address that
 * the replay has reached; the replay passes the others.
 *
 * Context: the lock of @domain is held; takes the lock of each IOMMU.
 * Return: 0, or -EIO from the first IOMMU that refuses a mapping.
 */
int pkvm_iommu_backend_map(struct pkvm_iommu_domain *domain,
			   const struct pkvm_iommu_mapping *maps, int nr)
{
	struct pkvm_iommu *iommu;
	int n, ret = 0;

	hyp_assert_lock_held(&domain->lock);
	/* A stream that is attached after this gets the mappings by a replay. */
	mb();
	check_lost(&domain->lock);
	for_each_pkvm_iommu(iommu) {
		if (!has_streams(iommu, domain))
			continue;
		pkvm_iommu_lock(iommu, &domain->lock);
		for (n = nr; n && maps[n - 1].iova >= domain->replayed[iommu->id]; )
			n--;
		if (iommu->ops->map && domain->streams[iommu->id] && n)
			ret = iommu->ops->map(iommu, domain, maps, n);
		pkvm_iommu_unlock(iommu);
		if (ret)
			break;
	}

	return ret;
}

/**
 * pkvm_iommu_backend_replay() - pass existing mappings to one IOMMU without page tables
 * @iommu: the IOMMU
 * @domain: domain of the mappings
 * @maps: mappings in ascending order; they are all of the mappings that start in
 *	[@from, @to)
 * @nr: number of mappings, may be 0
 * @from: address that the replay had reached
 * @to: address that the replay reaches with this call
 *
 * Context: the lock of @domain is held; takes the lock of @iommu.
 * Return: 0; -EAGAIN if a stream was attached meanwhile, so that the replay has to
 * start again; or -EIO if the IOMMU refuses a mapping, which then has none of @maps.
 */
int pkvm_iommu_backend_replay(struct pkvm_iommu *iommu, struct pkvm_iommu_domain *domain,
			      const struct pkvm_iommu_mapping *maps, int nr,
			      u64 from, u64 to)
{
	int ret = 0;

	hyp_assert_lock_held(&domain->lock);
	pkvm_iommu_lock(iommu, &domain->lock);
	if (domain->replayed[iommu->id] != from)
		ret = -EAGAIN;
	else if (domain->streams[iommu->id] && nr)
		ret = iommu->ops->map(iommu, domain, maps, nr);
	/* It may have accepted some of them: the next replay passes all of them again. */
	if (ret == -EIO)
		iommu->ops->invalidate(iommu, domain, maps->iova,
				       maps[nr - 1].iova + maps[nr - 1].size - maps->iova);
	if (!ret)
		domain->replayed[iommu->id] = to;
	pkvm_iommu_unlock(iommu);

	return ret;
}
