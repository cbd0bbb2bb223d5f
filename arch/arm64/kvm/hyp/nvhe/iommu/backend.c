// SPDX-License-Identifier: GPL-2.0-only
/*
 * Calls from the core to the backends: the lock of an IOMMU, invalidation on all
 * IOMMUs, mappings for IOMMUs without page tables, ranges for IOMMUs that only permit and
 * deny, and lost commands.
 *
 * An invalidation queues the commands on each IOMMU that has streams of the domain, and
 * then waits for all of them. If these walk page tables, the caller owns no addresses
 * of the domain, so that others map and unmap meanwhile. An IOMMU has at most one batch of
 * commands of each CPU in its queue.
 *
 * An IOMMU without pkvm_iommu_ops::wait completes the commands before it returns.
 * A command that the hardware does not complete in time ends EL2, see
 * pkvm_iommu_lost_command().
 */
#include <asm/kvm_hyp.h>
#include <asm/kvm_hypevents.h>
#include <asm/pkvm_iommu.h>

#include <nvhe/mem_protect.h>

#include "core.h"

/**
 * struct backend_cpu - what a CPU has to do with the IOMMUs at this time
 * @locked: IOMMU whose lock it holds, or NULL
 * @outer: other lock that it holds, and that pkvm_iommu_lost_command() releases, or NULL
 * @tickets: result of pkvm_iommu_ops::invalidate of each IOMMU that it waits for
 */
struct backend_cpu {
	struct pkvm_iommu	*locked;
	hyp_spinlock_t		*outer;
	u64			tickets[PKVM_IOMMU_MAX];
};

static DEFINE_PER_CPU(struct backend_cpu, backend_cpu);
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
 *
 * Nobody knows whether a device still reaches the page that is about to change its
 * owner. EL2 ends here, so the page never gets its new owner. This is the only
 * panic of this code that can be caused from outside EL2, by an IOMMU that does not respond.
 *
 * The host turns the BRK into a message, see pkvm_iommu_report_panic(). To do so it
 * takes stage-2 faults, so this function releases the locks that would stop them. If
 * a hostile host continues, every later call and every revocation ends here too.
 */
noinline void __noreturn pkvm_iommu_lost_command(void)
{
	struct backend_cpu *cpu = this_cpu_ptr(&backend_cpu);

	/* Before the locks are released: the next holder must see it. */
	WRITE_ONCE(pkvm_iommu_lost, true);
	if (cpu->locked)
		hyp_spin_unlock(&cpu->locked->lock);
	if (cpu->outer)
		hyp_spin_unlock(cpu->outer);
	/* Once: a hostile host may go on. */
	*cpu = (struct backend_cpu) {};
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
	struct backend_cpu *cpu = this_cpu_ptr(&backend_cpu);

	hyp_spin_lock(&iommu->lock);
	cpu->locked = iommu;
	cpu->outer = held;
	if (READ_ONCE(pkvm_iommu_lost))
		pkvm_iommu_lost_command();
}

/**
 * pkvm_iommu_unlock() - release the lock of an IOMMU
 * @iommu: the IOMMU
 */
void pkvm_iommu_unlock(struct pkvm_iommu *iommu)
{
	struct backend_cpu *cpu = this_cpu_ptr(&backend_cpu);

	cpu->locked = NULL;
	cpu->outer = NULL;
	hyp_spin_unlock(&iommu->lock);
}

/*
 * Find, without a lock, the IOMMUs that may have cached translations of a domain. The
 * caller has changed the page table before.
 *
 * stream_attach() sets the bit of the IOMMU, executes mb(), and then makes the hardware
 * use the page table. So if the bit is clear here, it is set later than it is read, the
 * hardware reads the page table later still, and sees the change of the caller.
 * pkvm_iommu_detach() invalidates the whole domain before it clears the bit, so if the
 * bit is clear here after a detach, nothing is cached; stream.c says why that holds for
 * several streams that come and go at the same time:
 *
 *	unmap			attach			hardware
 *	entry = 0		set bit
 *	mb()			mb()
 *	read bit: 0		STE = domain		reads STE, then entry: 0
 */
static unsigned int domain_iommus(const struct pkvm_iommu_domain *domain)
{
	/* After the change of the page table. */
	mb();

	return atomic_read(&domain->iommus);
}

#define for_each_iommu_in(iommu, set)						\
	for (; (set) && ((iommu) = &pkvm_iommus[__ffs(set)]); (set) &= (set) - 1)

static noinline void invalidate_now(struct pkvm_iommu *iommu,
				    const struct pkvm_iommu_domain *domain, hyp_spinlock_t *held,
				    u64 addr, u64 size, bool leaf)
{
	pkvm_iommu_lock(iommu, held);
	if (domain->streams[iommu->id])
		iommu->ops->invalidate(iommu, domain, addr, size, leaf);
	pkvm_iommu_unlock(iommu);
}

/**
 * pkvm_iommu_invalidate() - drop cached translations on all IOMMUs
 * @domain: domain of the translations
 * @held: the lock that the caller holds, or NULL. pkvm_iommu_lost_command() releases it
 * @addr: first I/O virtual address
 * @size: bytes; 0 for the whole domain
 * @leaf: no entry that points to a table, or leads to a table of a nested domain, has changed
 *
 * On return, all accesses that used a dropped translation have completed. Does not
 * return if any CPU has lost a command, even if there is nothing to invalidate.
 *
 * Context: no other lock is held; takes the lock of each IOMMU without
 * pkvm_iommu_ops::wait that has streams of @domain.
 */
void pkvm_iommu_invalidate(const struct pkvm_iommu_domain *domain, hyp_spinlock_t *held,
			   u64 addr, u64 size, bool leaf)
{
	unsigned int iommus = domain_iommus(domain), posted = 0;
	struct backend_cpu *cpu;
	struct pkvm_iommu *iommu;
	bool lost;

	trace_pkvm_iommu_invalidate(domain->tag, addr, size);
	if (!iommus && likely(!READ_ONCE(pkvm_iommu_lost)))
		return;

	cpu = this_cpu_ptr(&backend_cpu);
	for_each_iommu_in(iommu, iommus) {
		if (!iommu->ops->wait) {
			invalidate_now(iommu, domain, held, addr, size, leaf);
			continue;
		}
		cpu->tickets[iommu->id] = iommu->ops->invalidate(iommu, domain, addr, size, leaf);
		posted |= BIT(iommu->id);
	}

	lost = READ_ONCE(pkvm_iommu_lost);
	for_each_iommu_in(iommu, posted) {
		if (lost)
			break;
		lost = !iommu->ops->wait(iommu, cpu->tickets[iommu->id]);
	}
	if (unlikely(lost)) {
		cpu->outer = held;
		pkvm_iommu_lost_command();
	}
}

/**
 * pkvm_iommu_invalidate_one() - drop all cached translations of a domain on one IOMMU
 * @iommu: the IOMMU
 * @domain: the domain, of which a stream was just blocked
 *
 * On return, all accesses that used a dropped translation have completed.
 *
 * Context: the lock of @iommu is held if that has no pkvm_iommu_ops::wait; else no lock is.
 */
void pkvm_iommu_invalidate_one(struct pkvm_iommu *iommu, const struct pkvm_iommu_domain *domain)
{
	u64 ticket;

	trace_pkvm_iommu_invalidate(domain->tag, 0, 0);
	/* stream_set has dropped the stream's configuration; that of others has not changed. */
	ticket = iommu->ops->invalidate(iommu, domain, 0, 0, true);
	if (iommu->ops->wait && !iommu->ops->wait(iommu, ticket))
		pkvm_iommu_lost_command();
}

/**
 * pkvm_iommu_backend_permit() - permit or deny a range on the IOMMUs of a geometry that do not
 * translate
 * @geometry: their geometry
 * @phys: first physical address, page aligned
 * @size: bytes, whole pages
 * @permit: permit accesses to the range; false to deny them
 *
 * On return, no access to a range that is denied is under way on these IOMMUs. An IOMMU that did
 * not respond at boot is left out: nothing is attached to it.
 *
 * Context: host_mmu.lock is held; takes the lock of each such IOMMU.
 */
void pkvm_iommu_backend_permit(const struct pkvm_iommu_geometry *geometry, u64 phys, u64 size,
			       bool permit)
{
	struct pkvm_iommu *iommu;

	hyp_assert_lock_held(&host_mmu.lock);
	for_each_pkvm_iommu(iommu) {
		if (iommu->geometry != geometry || iommu->dead)
			continue;
		pkvm_iommu_lock(iommu, &host_mmu.lock);
		iommu->ops->permit(iommu, phys, size, permit);
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
	/* A stream that is attached after this gets the mappings by a replay. */
	unsigned int iommus = domain_iommus(domain);
	struct pkvm_iommu *iommu;
	int n, ret = 0;

	hyp_assert_lock_held(&domain->lock);
	for_each_iommu_in(iommu, iommus) {
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
				       maps[nr - 1].iova + maps[nr - 1].size - maps->iova, true);
	if (!ret)
		domain->replayed[iommu->id] = to;
	pkvm_iommu_unlock(iommu);

	return ret;
}
