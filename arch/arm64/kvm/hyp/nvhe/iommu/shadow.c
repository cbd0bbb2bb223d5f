// SPDX-License-Identifier: GPL-2.0-only
/*
 * The shadow: the translation behind the identity domain.
 *
 * It maps exactly what the host may reach by CPU, at its physical address: the
 * memory whose host state is not PKVM_NOPAGE, and the MMIO that EL2 does not
 * own. mem_protect.c calls pkvm_iommu_host_update() at each change of that,
 * which must neither fail nor allocate. So the table of every page of memory is
 * built once, at page granularity, including what the host cannot reach at that
 * moment, and is never freed: an update only writes last-level entries. MMIO
 * does not change after the seal and is mapped with the largest blocks.
 *
 *	0                cursor                      BIT(bits)
 *	|== built, live ==|-- not yet built ------------|   devices reach no more
 *
 * The build is bounded work per call and can stop for want of memory at any
 * page; what is below the cursor is kept up to date from the moment it is
 * built, because the donations of the build itself already change it.
 *
 * Locking: host_mmu.lock guards everything here.
 */
#include <asm/kvm_pkvm.h>

#include <nvhe/iommu.h>
#include <nvhe/mem_protect.h>
#include <nvhe/memory.h>
#include <nvhe/mm.h>

#define SHADOW_TAG		1
/* Entries written by one call of pkvm_iommu_shadow_build(). */
#define SHADOW_BUILD_MAX	SZ_32K

#define PROT_MEMORY	(IOMMU_READ | IOMMU_WRITE | IOMMU_CACHE)
#define PROT_MMIO	(IOMMU_READ | IOMMU_WRITE | IOMMU_MMIO)

struct pkvm_iommu_domain pkvm_iommu_shadow;

static struct io_pgtable_ops *shadow_ops;
static unsigned int shadow_bits;
static u64 shadow_cursor;
/* Without an IOMMU that walks it, only the counts of pages are kept. */
static bool shadow_walked;

int pkvm_iommu_shadow_init(enum io_pgtable_fmt fmt, unsigned int bits,
			   bool coherent, bool walked)
{
	int ret = pkvm_iommu_domain_init(&pkvm_iommu_shadow, SHADOW_TAG, fmt, bits, coherent);

	if (ret)
		return ret;

	shadow_ops = pkvm_iommu_shadow.ops;
	shadow_bits = bits;
	shadow_walked = walked;

	return 0;
}

static int shadow_map(u64 addr, size_t pgsize, size_t count, int prot,
		      size_t *mapped)
{
	*mapped = shadow_walked ? 0 : pgsize * count;
	if (!shadow_walked)
		return 0;

	return shadow_ops->map_pages(shadow_ops, addr, addr, pgsize, count,
				     prot, 0, mapped);
}

/**
 * pkvm_iommu_region() - find out what an address is
 * @addr: the address
 * @start: where the memory, or what lies between memory, starts
 * @end: where it ends, or the reach of devices does
 *
 * Context: any; memory does not come and go.
 * Return: true for memory.
 */
bool pkvm_iommu_region(u64 addr, u64 *start, u64 *end)
{
	u64 base, stop;
	int i;

	*start = 0;
	*end = BIT(shadow_bits);
	for (i = 0; i < hyp_memblock_nr; i++) {
		/* A page that is partly memory can never be donated. */
		base = PAGE_ALIGN(hyp_memory[i].base);
		stop = ALIGN_DOWN(hyp_memory[i].base + hyp_memory[i].size, PAGE_SIZE);

		if (addr < base) {
			*end = min(*end, base);
			return false;
		}
		if (addr < stop) {
			*start = base;
			*end = min(*end, stop);
			return true;
		}
		*start = stop;
	}

	return false;
}

static int build_memory(u64 end, size_t budget, size_t *done)
{
	size_t mapped, count = min_t(u64, budget, (end - shadow_cursor) >> PAGE_SHIFT);
	struct hyp_page *page, *last, *run;
	int ret;

	ret = pkvm_iommu_pins_build(shadow_cursor, count << PAGE_SHIFT);
	if (!ret)
		ret = shadow_map(shadow_cursor, PAGE_SIZE, count, PROT_MEMORY, &mapped);
	if (ret)
		return ret;

	/* Take out again, run by run, what the host cannot reach. */
	*done = mapped >> PAGE_SHIFT;
	page = hyp_phys_to_page(shadow_cursor);
	last = page + *done;
	shadow_cursor += mapped;
	while (page < last) {
		if (get_host_state(page++) != PKVM_NOPAGE)
			continue;
		for (run = page - 1; page < last && get_host_state(page) == PKVM_NOPAGE; )
			page++;
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
	if (pkvm_iommu_next_mmio(shadow_cursor, &start, &stop)) {
		if (start <= shadow_cursor) {
			shadow_cursor = min(stop, end);
			return 0;
		}
		end = min(end, start);
	}

	/* The largest block that fits, as many as until a larger one can start. */
	for (larger = SZ_2M; larger <= SZ_1G; larger *= PTRS_PER_PTE) {
		if (!IS_ALIGNED(shadow_cursor, larger) || end - shadow_cursor < larger) {
			end = min(end, ALIGN(shadow_cursor + 1, larger));
			break;
		}
		pgsize = larger;
	}
	budget = min_t(u64, budget, (end - shadow_cursor) / pgsize);

	ret = shadow_map(shadow_cursor, pgsize, budget, PROT_MMIO, &mapped);
	if (ret)
		return ret;

	shadow_cursor += mapped;
	*done = mapped / pgsize;

	return 0;
}

/**
 * pkvm_iommu_shadow_build() - build the next part of the shadow
 *
 * Return: 0 when all of it is built, -EAGAIN when more is to be done, -ENOMEM
 * when the pool is empty.
 */
int pkvm_iommu_shadow_build(void)
{
	size_t done, budget = SHADOW_BUILD_MAX;
	u64 start, end;
	int ret = 0;

	hyp_spin_lock(&host_mmu.lock);
	while (shadow_cursor < BIT(shadow_bits)) {
		if (!budget) {
			ret = -EAGAIN;
			break;
		}
		if (pkvm_iommu_region(shadow_cursor, &start, &end))
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
 * pkvm_iommu_host_update() - memory has come to, or gone from, the host
 * @phys: where it starts, page aligned
 * @size: bytes, whole pages
 * @reachable: the host may reach it from now on; it could not before. Or the
 *	reverse.
 *
 * When it takes memory away, no device reaches it any more on return: all
 * accesses that were under way have completed.
 *
 * Context: host_mmu.lock held; takes each pkvm_iommu::lock.
 */
void pkvm_iommu_host_update(phys_addr_t phys, u64 size, bool reachable)
{
	u64 addr = phys, end = min_t(u64, phys + size, shadow_cursor);
	size_t done;

	hyp_assert_lock_held(&host_mmu.lock);

	/* Nothing to do before the seal, or above what devices can reach. */
	if (addr >= end)
		return;

	while (addr < end) {
		size_t count = (end - addr) >> PAGE_SHIFT;

		if (reachable || !shadow_walked)
			shadow_map(addr, PAGE_SIZE, count, PROT_MEMORY, &done);
		else
			done = shadow_ops->unmap_pages(shadow_ops, addr, PAGE_SIZE,
						       count, NULL);
		/*
		 * The table is there, and its entries agree with the host state
		 * that mem_protect.c has just checked: EL2 itself is broken.
		 */
		BUG_ON(!done);
		addr += done;
	}

	pkvm_iommu_pins_update(phys, end - phys, reachable);
	if (!reachable)
		pkvm_iommu_invalidate_all(&pkvm_iommu_shadow, &host_mmu.lock, phys, end - phys);
}

/* For tests: whether devices in the identity domain reach @addr. */
bool pkvm_iommu_shadow_maps(u64 addr)
{
	struct pkvm_iommu_run run;
	bool maps = false;

	hyp_spin_lock(&host_mmu.lock);
	if (addr < shadow_cursor)
		maps = pkvm_iommu_pgtable_read(shadow_ops, addr, PAGE_SIZE, &run, 1) &&
		       run.phys == addr;
	hyp_spin_unlock(&host_mmu.lock);

	return maps;
}
