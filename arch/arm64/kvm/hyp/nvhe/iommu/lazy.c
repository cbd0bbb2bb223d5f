// SPDX-License-Identifier: GPL-2.0-only
/*
 * Flushes: when an address that was unmapped can be used again; and lazy unmapping.
 *
 * IOMMUs must never have two translations of one address. So an address that was
 * unmapped is not mapped again before an invalidation has completed. UNMAP clears an
 * entry while it owns the address, see range.c, and invalidates afterwards. What the entry
 * has meanwhile says for which invalidation the address waits, see pkvm_iommu_stale():
 *
 *	on a CPU	the next one of that CPU, which has a number: flush_cpu::done of
 *			the CPU has to reach it
 *	lazily		the next flush of the whole domain, which has a number, too:
 *			pkvm_iommu_domain::flushed has to reach it
 *
 * A CPU completes an invalidation before it begins another one. A flush gets its number with
 * pkvm_iommu_domain::flush_lock held. A lazy UNMAP reads the next number without the lock,
 * and clears the entries. If it finds, with the lock held, that a flush has begun meanwhile,
 * which may not cover its entries, it lets these wait for the next one; nobody else has
 * looked at them, because it still owns the addresses.
 *
 * A MAP that finds a waiting entry flushes the domain, and may then write over each entry that
 * has the same value as the one that it has found. No entry gets that value after the flush
 * has begun: a CPU that was about to write it would still own the addresses, and so keep the
 * MAP from seeing them; and numbers of flushes only grow.
 *
 * PKVM_IOMMU_UNMAP_LAZY clears page-table entries without an invalidation. The memory
 * stays pinned until the whole domain is flushed: by the host, because there are too
 * many runs to remember, before something else is mapped at the same addresses, or
 * because a page that only such a pin holds is to change its owner.
 *
 * A domain remembers its runs in a ring in its own page, which flush_lock
 * guards. A run leaves the ring when a flush that began after it was put in has
 * completed; each such flush may take it out, so a revocation need not wait for the flush
 * of another CPU. Two bounds keep a flush short: runs, and the work to unpin them.
 *
 * lazy_domains has the domains with runs in their ring, for revocations. A domain takes
 * and leaves a slot with its flush_lock held. Before it is freed, it
 * waits for a revocation that may have read the slot: that holds host_mmu.lock. The
 * length of the list bounds the work of a revocation.
 */
#include <linux/bitfield.h>

#include <nvhe/mem_protect.h>

#include "core.h"

/* Bounds of the work to unpin the runs in one ring, and of the domains with runs in theirs. */
#define LAZY_WEIGHT		4096
#define LAZY_DOMAINS		64

static struct pkvm_iommu_domain *lazy_domains[LAZY_DOMAINS];

/**
 * struct flush_cpu - invalidations of domains by one CPU
 * @begun: number of the last one that has begun
 * @done: number of the last one that has completed; read by other CPUs
 * @id: index of the CPU plus 1; 0 before it is known
 */
struct flush_cpu {
	u64		begun;
	u64		done;
	unsigned int	id;
};

static DEFINE_PER_CPU(struct flush_cpu, flush_cpu);

/* EL2 does not know the index of the CPU that it runs on. */
static noinline void flush_cpu_find(struct flush_cpu *cpu)
{
	unsigned int id = 0;

	while (per_cpu_ptr(&flush_cpu, id) != cpu)
		id++;
	cpu->id = id + 1;
}

/*
 * Value of an entry that was cleared. Bits 0 and 1 are clear, so hardware takes it as
 * invalid.
 */
#define STALE_LAZY		BIT(2)
#define STALE_LAZY_SHIFT	3	/* a number of flushes of the domain above */
#define STALE_CPU		GENMASK(14, 3)
#define STALE_SHIFT		15	/* a number of invalidations of that CPU above */

/**
 * pkvm_iommu_stale() - value for page-table entries that are cleared
 * @domain: the domain
 * @lazy: the addresses wait for the next flush of the domain; otherwise for the next
 *	invalidation of this CPU
 *
 * Context: any. If @lazy is set, the result is certain only with @domain's flush_lock held.
 */
u64 pkvm_iommu_stale(const struct pkvm_iommu_domain *domain, bool lazy)
{
	struct flush_cpu *cpu;

	BUILD_BUG_ON(!FIELD_FIT(STALE_CPU, CONFIG_NR_CPUS - 1));
	if (lazy)
		return (READ_ONCE(domain->flushes) + 1) << STALE_LAZY_SHIFT | STALE_LAZY;

	cpu = this_cpu_ptr(&flush_cpu);
	if (unlikely(!cpu->id))
		flush_cpu_find(cpu);

	return (cpu->begun + 1) << STALE_SHIFT | FIELD_PREP(STALE_CPU, cpu->id - 1);
}

/**
 * pkvm_iommu_is_stale() - check if an address has to wait for an invalidation
 * @domain: the domain
 * @value: from pkvm_iommu_stale()
 *
 * Context: the caller owns the address.
 */
bool pkvm_iommu_is_stale(const struct pkvm_iommu_domain *domain, u64 value)
{
	struct flush_cpu *cpu;

	if (value & STALE_LAZY) {
		/* Pairs with the release in lazy_remove(). */
		return value >> STALE_LAZY_SHIFT > smp_load_acquire(&domain->flushed);
	}

	cpu = per_cpu_ptr(&flush_cpu, FIELD_GET(STALE_CPU, value));

	/* Pairs with the release in pkvm_iommu_flush_range(). */
	return value >> STALE_SHIFT > smp_load_acquire(&cpu->done);
}

/* Give a domain a slot of lazy_domains. Returns false if all are taken. */
static bool lazy_list(struct pkvm_iommu_domain *domain)
{
	unsigned int i, slot = domain->tag;

	for (i = 0; i < LAZY_DOMAINS; i++) {
		slot = (domain->tag + i) % LAZY_DOMAINS;
		if (!READ_ONCE(lazy_domains[slot]) &&
		    !cmpxchg_relaxed(&lazy_domains[slot], NULL, domain))
			break;
	}
	domain->lazy_slot = slot;

	return i < LAZY_DOMAINS;
}

/*
 * Work to unpin a removed run, in pages. Four pages are unpinned at once, a block of PMD_SIZE by
 * itself; larger blocks are many of these, see pin.c.
 */
static unsigned int run_weight(u64 removed)
{
	unsigned int n = removed & PKVM_IOMMU_REMOVED_PAGES;

	return removed & PKVM_IOMMU_REMOVED_BLOCK ? 4 << (n - (PMD_SHIFT - PAGE_SHIFT)) : n;
}

/**
 * pkvm_iommu_lazy_add() - remember runs until the domain is flushed
 * @domain: the domain that they were unmapped from
 * @removed: removed runs, see PKVM_IOMMU_REMOVED_PAGES
 * @nr: number of runs
 *
 * Context: @domain's flush_lock is held.
 * Return: false if there is no room; the caller then has to flush the domain.
 */
bool pkvm_iommu_lazy_add(struct pkvm_iommu_domain *domain, const u64 *removed, int nr)
{
	u64 used = domain->lazy_end - domain->lazy_first, weight = domain->lazy_weight;
	int i;

	hyp_assert_lock_held(&domain->flush_lock);
	if (used + nr > PKVM_IOMMU_LAZY_RUNS)
		return false;
	for (i = 0; i < nr; i++) {
		weight += run_weight(removed[i]);
		domain->lazy[(domain->lazy_end + i) % PKVM_IOMMU_LAZY_RING] = removed[i];
	}
	if (weight > LAZY_WEIGHT || (!used && !lazy_list(domain)))
		return false;
	WRITE_ONCE(domain->lazy_end, domain->lazy_end + nr);
	domain->lazy_weight = weight;

	return true;
}

/* A flush has completed: take its runs out of the ring, unless another one did so. */
static void lazy_remove(struct pkvm_iommu_domain *domain, const struct pkvm_iommu_flush *flush)
{
	u64 *runs, first, i, n, end = flush->lazy_end;

	hyp_spin_lock(&domain->flush_lock);
	/* Another CPU maps at the addresses only after the invalidation. */
	smp_store_release(&domain->flushed, max(domain->flushed, flush->number));
	for (first = domain->lazy_first; first < end; first += n) {
		runs = domain->lazy + first % PKVM_IOMMU_LAZY_RING;
		n = min(end - first, PKVM_IOMMU_LAZY_RING - first % PKVM_IOMMU_LAZY_RING);
		pkvm_iommu_unpin_removed(runs, n);
		for (i = 0; i < n; i++)
			domain->lazy_weight -= run_weight(runs[i]);
	}
	/* If the ring was empty before, the slot is not the domain's any more. */
	if (first != domain->lazy_first && first == domain->lazy_end)
		/* A CPU that finds the slot empty finds the runs not pinned. */
		smp_store_release(&lazy_domains[domain->lazy_slot], NULL);
	/* So does a CPU that finds the ring empty. */
	smp_store_release(&domain->lazy_first, first);
	hyp_spin_unlock(&domain->flush_lock);
}

/**
 * pkvm_iommu_flush_range() - invalidate addresses of a domain
 * @domain: the domain
 * @addr: first I/O virtual address
 * @size: bytes; 0 for the whole domain
 * @held: the lock that the caller holds, or NULL
 *
 * On return, no device reaches what this CPU has unmapped there.
 *
 * Context: no lock is held but @held: host_mmu.lock, or the lock of @domain.
 */
void pkvm_iommu_flush_range(struct pkvm_iommu_domain *domain, u64 addr, u64 size,
			    hyp_spinlock_t *held)
{
	struct flush_cpu *cpu = this_cpu_ptr(&flush_cpu);

	cpu->begun++;
	pkvm_iommu_invalidate(domain, held, addr, size, true);
	/* Another CPU maps at the addresses only after the invalidation. */
	smp_store_release(&cpu->done, cpu->begun);
}

/**
 * pkvm_iommu_flush_prepare() - prepare a flush of a domain
 * @domain: the domain
 * @flush: set for pkvm_iommu_flush_run(), which has to follow
 *
 * Context: @domain's flush_lock is held.
 */
void pkvm_iommu_flush_prepare(struct pkvm_iommu_domain *domain, struct pkvm_iommu_flush *flush)
{
	hyp_assert_lock_held(&domain->flush_lock);
	flush->number = domain->flushes + 1;
	WRITE_ONCE(domain->flushes, flush->number);
	flush->lazy_end = domain->lazy_end;
}

/**
 * pkvm_iommu_flush_run() - flush a domain
 * @domain: the domain
 * @flush: set by pkvm_iommu_flush_prepare() on this CPU
 * @held: host_mmu.lock if the caller holds it, or NULL
 *
 * On return, no device reaches what was unmapped before pkvm_iommu_flush_prepare(), and
 * what was unmapped lazily before is not pinned any more.
 *
 * Context: no lock is held but @held; takes @domain's flush_lock.
 */
void pkvm_iommu_flush_run(struct pkvm_iommu_domain *domain, const struct pkvm_iommu_flush *flush,
			  hyp_spinlock_t *held)
{
	pkvm_iommu_flush_range(domain, 0, 0, held);
	lazy_remove(domain, flush);
}

/**
 * pkvm_iommu_lazy_pending() - check if a domain has runs that wait for a flush
 * @domain: the domain
 *
 * Context: any. If the result is false, the runs of all UNMAPs before are not pinned.
 */
bool pkvm_iommu_lazy_pending(const struct pkvm_iommu_domain *domain)
{
	/* Pairs with the release in lazy_remove(). */
	u64 first = smp_load_acquire(&domain->lazy_first);

	return first != READ_ONCE(domain->lazy_end);
}

/**
 * pkvm_iommu_flush_domain() - complete all unmappings of a domain
 * @domain: the domain
 * @held: host_mmu.lock if the caller holds it, or NULL
 *
 * Context: no lock is held but @held; takes @domain's flush_lock.
 */
void pkvm_iommu_flush_domain(struct pkvm_iommu_domain *domain, hyp_spinlock_t *held)
{
	struct pkvm_iommu_flush flush;

	hyp_spin_lock(&domain->flush_lock);
	pkvm_iommu_flush_prepare(domain, &flush);
	hyp_spin_unlock(&domain->flush_lock);
	pkvm_iommu_flush_run(domain, &flush, held);
}

/**
 * pkvm_iommu_lazy_flush_all() - complete all lazy unmappings
 *
 * Context: host_mmu.lock is held; takes the flush_lock of each domain, one by one.
 */
void pkvm_iommu_lazy_flush_all(void)
{
	struct pkvm_iommu_domain *domain;
	int i;

	hyp_assert_lock_held(&host_mmu.lock);
	for (i = 0; i < LAZY_DOMAINS; i++) {
		/* Pairs with the release in lazy_remove(): the runs are not pinned then. */
		domain = smp_load_acquire(&lazy_domains[i]);
		if (domain)
			pkvm_iommu_flush_domain(domain, &host_mmu.lock);
	}
}

/**
 * pkvm_iommu_check_pins() - check that a range of memory may change its owner
 * @phys: first physical address
 * @size: bytes, whole pages
 *
 * Flushes all domains if only remembered runs may be in the way. The host must lose the
 * range if the result is 0: nothing in it can be pinned any more.
 *
 * Context: host_mmu.lock is held; takes the flush_lock of each domain, one by one.
 * Return: 0, or -EBUSY if devices have a page of the range mapped.
 */
int pkvm_iommu_check_pins(phys_addr_t phys, u64 size)
{
	if (!pkvm_iommu_pins_close(phys, size))
		return 0;
	pkvm_iommu_lazy_flush_all();

	/* Even if nothing was left to flush: another CPU may have done it just now. */
	return pkvm_iommu_pins_close(phys, size);
}
