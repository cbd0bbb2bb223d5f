// SPDX-License-Identifier: GPL-2.0-only
/*
 * The shadow: the page table of the identity domain. Each geometry has one if its IOMMUs walk
 * page tables.
 *
 * It maps exactly the memory that the host may reach by CPU, at its physical
 * address, as far as the geometry reaches: pages whose host state is not PKVM_NOPAGE, and MMIO
 * that EL2 does not own.
 * mem_protect.c calls pkvm_iommu_host_update() at each change of the host state. That
 * function must not fail or allocate. So the tables for every page of memory are
 * built once, at page granularity, including pages that the host cannot reach then,
 * and are never freed: an update only writes last-level entries. MMIO does not
 * change after the seal, and is mapped with the largest blocks. So is memory that appears
 * after boot, which pKVM does not distinguish from MMIO.
 *
 * IOMMUs that do not translate have no page table. They are told of each range that is built,
 * and then of each change, at the same places.
 *
 * Entries have the memory attributes of the host's stage 2, for memory and MMIO alike: normal
 * and cacheable, so that the attributes of stage 1, or else of the device's access, count.
 *
 *	0           pkvm_iommu_built                      pkvm_iommu_limit
 *	|== built, live ==|-- not yet built ------------|   out of reach of devices
 *
 * All shadows are built together. One of them may be ahead of pkvm_iommu_built, up to its
 * pkvm_iommu_geometry::built, if another one lacks memory: it maps all pages there, as all do
 * before those that the host cannot reach are unmapped.
 *
 * The build does bounded work per call, and stops at any page for want of memory.
 * Entries below the cursor follow page ownership from the moment they are built,
 * because the build itself has the host donate pages.
 *
 * host_mmu.lock guards everything here.
 */
#include <asm/kvm_hyp.h>
#include <asm/kvm_hypevents.h>
#include <asm/kvm_mmu.h>
#include <asm/kvm_pkvm.h>

#include <nvhe/mem_protect.h>
#include <nvhe/memory.h>

#include "core.h"

#define SHADOW_TAG		1
/* Page-table entries that one call of pkvm_iommu_shadow_build() writes. */
#define SHADOW_BUILD_MAX	SZ_32K

#define SHADOW_PROT		(IOMMU_READ | IOMMU_WRITE | IOMMU_CACHE)

/**
 * pkvm_iommu_shadow_init() - make the shadows, with empty page tables
 *
 * One whose page table is not used has a root all the same: pool.c then knows the largest.
 *
 * Context: boot; the geometries are set. Called again after -ENOMEM.
 * Return: 0 or -ENOMEM.
 */
int pkvm_iommu_shadow_init(void)
{
	struct pkvm_iommu_geometry *geometry;
	struct pkvm_iommu_domain *shadow;
	int ret = 0;

	for_each_pkvm_iommu_geometry(geometry) {
		shadow = &geometry->shadow;
		shadow->geometry = geometry;
		if (geometry->permits || shadow->ops)
			continue;
		if (!shadow->hw)
			shadow->hw = pkvm_iommu_alloc_page();
		ret = shadow->hw ? pkvm_iommu_domain_init(shadow, geometry, SHADOW_TAG) : -ENOMEM;
		if (ret)
			break;
	}

	return ret;
}

/* Map as much of a range that is not built yet as there is memory for, from @addr. */
static int shadow_map_one(struct pkvm_iommu_geometry *geometry, u64 addr, u64 end, size_t pgsize)
{
	struct io_pgtable_ops *ops = geometry->shadow.ops;
	u64 start = max(addr, geometry->built);
	size_t mapped = 0;
	int ret = 0;

	if (start < end)
		ret = ops->map_pages(ops, start, start, pgsize, (end - start) / pgsize,
				     SHADOW_PROT, 0, &mapped);
	geometry->built = start + mapped;

	return ret;
}

/*
 * Map, and permit, a range that is not built yet: as much as all shadows have memory for. With
 * pkvm_iommu_ops::map only, just the counts of pin.c follow ownership.
 */
static int shadow_map(u64 addr, size_t pgsize, size_t count, size_t *mapped)
{
	struct pkvm_iommu_geometry *geometry;
	u64 end = addr + pgsize * count, stop;
	int ret = 0;

	/* Entries of the host's stage 2 that are neither are normal and cacheable. */
	BUILD_BUG_ON((PKVM_HOST_MEM_PROT | PKVM_HOST_MMIO_PROT) &
		     (KVM_PGTABLE_PROT_DEVICE | KVM_PGTABLE_PROT_NORMAL_NC));
	hyp_assert_lock_held(&host_mmu.lock);
	*mapped = end - addr;
	for_each_pkvm_iommu_geometry(geometry) {
		stop = min(end, geometry->end);
		if (!geometry->walks || addr >= stop)
			continue;
		ret = shadow_map_one(geometry, addr, stop, pgsize);
		if (geometry->built < stop)
			*mapped = min(*mapped, geometry->built - addr);
		if (!*mapped)
			return ret;
	}
	for_each_pkvm_iommu_geometry(geometry) {
		stop = min(addr + *mapped, geometry->end);
		if (geometry->permits && addr < stop)
			pkvm_iommu_backend_permit(geometry, addr, stop - addr, true);
	}

	return 0;
}

/*
 * Map @count pages below pkvm_iommu_built; or unmap them, if @prot is 0. Returns the bytes
 * that are done, from @addr. That is at least one page: the tables exist, and their entries
 * agree with the host state that mem_protect.c has just checked.
 */
static __always_inline u64 shadow_change(const struct pkvm_iommu_geometry *geometry, u64 addr,
					 size_t count, int prot)
{
	struct io_pgtable_ops *ops = geometry->shadow.ops;
	size_t done = 0;

	hyp_assert_lock_held(&host_mmu.lock);
	if (prot)
		ops->map_pages(ops, addr, addr, PAGE_SIZE, count, prot, 0, &done);
	else
		done = ops->unmap_pages(ops, addr, PAGE_SIZE, count, NULL);
	BUG_ON(!done);

	return done;
}

static int build_memory(u64 end, size_t budget, size_t *done)
{
	size_t mapped, count = min_t(u64, budget, (end - pkvm_iommu_built) >> PAGE_SHIFT);
	struct hyp_page *page, *last, *run;
	int ret;

	ret = pkvm_iommu_pins_build(pkvm_iommu_built, count << PAGE_SHIFT);
	if (!ret)
		ret = shadow_map(pkvm_iommu_built, PAGE_SIZE, count, &mapped);
	if (ret)
		return ret;

	/* Unmap the runs of pages that the host cannot reach. */
	*done = mapped >> PAGE_SHIFT;
	page = hyp_phys_to_page(pkvm_iommu_built);
	last = page + *done;
	pkvm_iommu_built += mapped;
	while (page < last) {
		if (get_host_state(page++) != PKVM_NOPAGE)
			continue;
		for (run = page - 1; page < last && get_host_state(page) == PKVM_NOPAGE; )
			page++;
		/* Nothing can be pinned yet. */
		BUG_ON(pkvm_iommu_pins_close(hyp_page_to_phys(run), (page - run) << PAGE_SHIFT));
		pkvm_iommu_host_update(hyp_page_to_phys(run),
				       (page - run) << PAGE_SHIFT, false);
	}

	return 0;
}

static int build_mmio(u64 end, size_t budget, size_t *done)
{
	size_t mapped, pgsize = PAGE_SIZE, larger;
	u64 start, stop;
	int ret;

	*done = 1;
	if (pkvm_iommu_next_mmio(pkvm_iommu_built, &start, &stop)) {
		if (start <= pkvm_iommu_built) {
			pkvm_iommu_built = min(stop, end);
			return 0;
		}
		end = min(end, start);
	}

	/* The largest block size that fits, up to where a larger block can start. */
	for (larger = PMD_SIZE; larger <= SZ_1G; larger *= PTRS_PER_PTE) {
		if (!IS_ALIGNED(pkvm_iommu_built, larger) || end - pkvm_iommu_built < larger) {
			end = min(end, ALIGN(pkvm_iommu_built + 1, larger));
			break;
		}
		pgsize = larger;
	}
	budget = min_t(u64, budget, (end - pkvm_iommu_built) / pgsize);

	ret = shadow_map(pkvm_iommu_built, pgsize, budget, &mapped);
	if (ret)
		return ret;

	pkvm_iommu_built += mapped;
	*done = mapped / pgsize;

	return 0;
}

/**
 * pkvm_iommu_shadow_build() - build the next part of all shadows
 *
 * Context: boot; takes host_mmu.lock.
 * Return: 0 when the shadows are complete, -EAGAIN if the call has to be repeated,
 * -ENOMEM if the pool is empty.
 */
int pkvm_iommu_shadow_build(void)
{
	size_t done, budget = SHADOW_BUILD_MAX / pkvm_iommu_nr_geometries;
	u64 start, end;
	int ret = 0;

	hyp_spin_lock(&host_mmu.lock);
	while (pkvm_iommu_built < pkvm_iommu_limit) {
		if (!budget) {
			ret = -EAGAIN;
			break;
		}
		if (pkvm_iommu_memory_range(pkvm_iommu_built, &start, &end))
			ret = build_memory(end, budget, &done);
		else
			ret = build_mmio(end, budget, &done);
		if (ret)
			break;
		budget -= min(budget, done);
	}
	hyp_spin_unlock(&host_mmu.lock);

	return ret;
}

/**
 * pkvm_iommu_host_update() - the host has gained or lost a range of memory
 * @phys: first physical address, page aligned
 * @size: bytes, whole pages
 * @reachable: the host can reach the range now, and could not before; false for the
 *	reverse
 *
 * When the host has lost the range, no device reaches it on return, and all accesses
 * that were under way have completed.
 *
 * Context: host_mmu.lock is held.
 */
void pkvm_iommu_host_update(phys_addr_t phys, u64 size, bool reachable)
{
	u64 addr, stop, end = min_t(u64, phys + size, pkvm_iommu_built);
	struct pkvm_iommu_geometry *geometry;

	hyp_assert_lock_held(&host_mmu.lock);

	/* Nothing follows ownership before the seal, or beyond the reach of devices. */
	if (phys >= end)
		return;

	if (!reachable) {
		trace_pkvm_iommu_revoke(phys, end - phys);
		/* The caller has asked pkvm_iommu_check_pins(), which has closed the range. */
		BUG_ON(pkvm_iommu_closed != phys);
	}
	for_each_pkvm_iommu_geometry(geometry) {
		stop = min(end, geometry->end);
		if (unlikely(phys >= stop))
			continue;
		for (addr = geometry->walks ? phys : stop; addr < stop; )
			addr += shadow_change(geometry, addr, (stop - addr) >> PAGE_SHIFT,
					      reachable ? SHADOW_PROT : 0);
		if (unlikely(geometry->permits))
			pkvm_iommu_backend_permit(geometry, phys, stop - phys, reachable);
		/*
		 * An invalidation by address does not drop what the hardware has combined of
		 * stage 1 of a nested domain and stage 2; and the range may hold tables of stage 1.
		 * So drop all of the shadow if there are nested domains. A new one takes
		 * host_mmu.lock, in pkvm_iommu_shadow_lend(), before a stream is attached to it, so
		 * that the hardware has combined nothing of this range for it. A shadow without
		 * page table has nothing to drop; but after a lost command, a revocation ends here.
		 */
		if (!reachable)
			pkvm_iommu_invalidate(&geometry->shadow, &host_mmu.lock, phys,
					      geometry->lent ? 0 : stop - phys, !geometry->lent);
	}
	if (reachable)
		pkvm_iommu_pins_open(phys, end - phys);
}

/**
 * pkvm_iommu_host_reaches() - check if the host may reach a page by CPU
 * @phys: any value; physical address in the page
 *
 * Context: takes host_mmu.lock.
 * Return: false for memory that the host neither owns nor borrows, and for registers of EL2's.
 */
bool pkvm_iommu_host_reaches(u64 phys)
{
	u64 start, end;
	bool reaches;

	if (!pkvm_iommu_memory_range(phys, &start, &end))
		return !pkvm_iommu_next_mmio(phys, &start, &end) || start > phys;

	hyp_spin_lock(&host_mmu.lock);
	reaches = get_host_state(hyp_phys_to_page(phys)) != PKVM_NOPAGE;
	hyp_spin_unlock(&host_mmu.lock);

	return reaches;
}

/**
 * pkvm_iommu_shadow_lend() - let devices read a page of EL2's, or end that
 * @geometry: geometry of the devices
 * @page: page of the pool, which holds no secret
 * @lend: begin; false to end
 *
 * A device that is attached to the identity domain, or to one that is nested in it, reads the
 * page at its physical address. After the end, all such accesses have completed, and nothing
 * of the shadow is cached.
 *
 * Context: takes host_mmu.lock.
 * Return: false if the page is beyond the reach of devices.
 */
bool pkvm_iommu_shadow_lend(struct pkvm_iommu_geometry *geometry, void *page, bool lend)
{
	u64 phys = hyp_virt_to_phys(page);

	if (phys >= geometry->built)
		return false;
	/* A device that does not snoop must not find what the page held before. */
	if (lend)
		kvm_flush_dcache_to_poc(page, PAGE_SIZE);

	hyp_spin_lock(&host_mmu.lock);
	geometry->lent += lend ? 1 : -1;
	/* Until now the entry is empty: the host lost the page to EL2. */
	shadow_change(geometry, phys, 1, lend ? IOMMU_READ | IOMMU_CACHE : 0);
	hyp_spin_unlock(&host_mmu.lock);
	if (!lend)
		pkvm_iommu_invalidate(&geometry->shadow, NULL, 0, 0, false);

	return true;
}
