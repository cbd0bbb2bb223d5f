// SPDX-License-Identifier: GPL-2.0-only
/*
 * EL2's memory pool: the host gives pages when a hypercall needs them, and takes
 * back pages that EL2 does not use.
 *
 * EL2 allocates page tables and records from a pool of pages that the host
 * donated. A hypercall for which the pool is too small returns -ENOMEM and the
 * number of pages it needs. The pages are donated with PKVM_IOMMU_TOPUP and the
 * call is repeated. In between they are unused, so reclaiming is disabled for
 * that time: otherwise the two could go on for ever.
 *
 * No locks; reclaim_disabled is atomic. Callers: frontend.c, domain.c, batch.c,
 * stream.c; the shrinker. Not before pKVM is finalised: what boot.c gives at
 * boot is donated with other hypercalls.
 */
#define pr_fmt(fmt) "pkvm_iommu: " fmt

#include <linux/atomic.h>
#include <linux/gfp.h>
#include <linux/init.h>
#include <linux/mm.h>
#include <linux/shrinker.h>
#include <linux/vmstat.h>

#include "core.h"

/* Number of callers that have topped up the pool and not yet used the pages. */
static atomic_t reclaim_disabled;

/**
 * pkvm_iommu_reclaim_disable() - keep unused pages in the pool
 *
 * Calls nest: each one has to be followed by pkvm_iommu_reclaim_enable().
 *
 * Context: any.
 */
void pkvm_iommu_reclaim_disable(void)
{
	atomic_inc(&reclaim_disabled);
}

/**
 * pkvm_iommu_reclaim_enable() - undo one pkvm_iommu_reclaim_disable()
 *
 * Context: any.
 */
void pkvm_iommu_reclaim_enable(void)
{
	atomic_dec(&reclaim_disabled);
}

/**
 * pkvm_iommu_topup() - donate pages to the pool
 * @nr_pages: number of pages
 * @gfp: how to allocate them
 *
 * Pages that were donated before an error stay in the pool.
 *
 * If the caller can sleep, pages are donated in pieces as large as can be had, each a power of
 * two: a root table may have several pages. The pages can be reclaimed one by one.
 *
 * Context: as @gfp says; once pKVM is finalised.
 * Return: 0; -ENOMEM if the host has no more pages; the errors of
 * PKVM_IOMMU_TOPUP.
 */
int pkvm_iommu_topup(u64 nr_pages, gfp_t gfp)
{
	unsigned int i, order = gfpflags_allow_blocking(gfp) ? ilog2(PKVM_IOMMU_TOPUP_MAX) : 0;
	struct pkvm_iommu_hvc hvc = { .op = PKVM_IOMMU_TOPUP };
	struct page *page;
	gfp_t effort;
	int ret;

	while (nr_pages) {
		order = min_t(unsigned int, order, ilog2(nr_pages));
		/* A root table has at most 16 pages; more in one piece are not worth an effort. */
		effort = order > ilog2(16) ? __GFP_NORETRY : __GFP_RETRY_MAYFAIL;
		page = alloc_pages(order ? gfp | effort | __GFP_NOWARN : gfp, order);
		if (!page && order) {
			order--;
			continue;
		}
		if (!page)
			return -ENOMEM;
		split_page(page, order);
		hvc.args[0] = page_to_pfn(page);
		hvc.args[1] = 1UL << order;
		ret = pkvm_iommu_hvc(&hvc);
		if (!ret) {
			mod_node_page_state(page_pgdat(page), NR_IOMMU_PAGES, 1 << order);
			nr_pages -= 1UL << order;
			continue;
		}
		for (i = 0; i < 1U << order; i++)
			__free_page(page + i);
		/*
		 * -EINVAL: an IOMMU cannot address the page. -EPERM: it is memory that has
		 * appeared after boot, which pKVM does not know. Try lower memory.
		 */
		if ((ret != -EINVAL && ret != -EPERM) || gfp & GFP_DMA32)
			return ret;
		gfp |= GFP_DMA32;
	}

	return 0;
}

/**
 * pkvm_iommu_hvc_topup() - make a hypercall, and top up the pool for it
 * @hvc: the hypercall; its operation reports the pages that it needs in x2
 * @gfp: how to allocate these pages
 *
 * Context: as @gfp says; once pKVM is finalised.
 * Return: as the operation says. -ENOMEM: the host has no more pages, or others
 * used them PKVM_IOMMU_TOPUP_TRIES times.
 */
int pkvm_iommu_hvc_topup(struct pkvm_iommu_hvc *hvc, gfp_t gfp)
{
	int tries, ret = pkvm_iommu_hvc(hvc);

	if (ret != -ENOMEM)
		return ret;

	pkvm_iommu_reclaim_disable();
	for (tries = 0; tries < PKVM_IOMMU_TOPUP_TRIES && ret == -ENOMEM; tries++) {
		if (pkvm_iommu_topup(hvc->res[0], gfp))
			break;
		ret = pkvm_iommu_hvc(hvc);
	}
	pkvm_iommu_reclaim_enable();

	return ret;
}

/**
 * pkvm_iommu_reclaim() - take unused pages of the pool back
 * @max: maximum number of pages
 *
 * Does nothing while reclaiming is disabled, or in a crash kernel.
 *
 * Context: any; once pKVM is finalised.
 * Return: number of pages that were freed.
 */
unsigned long pkvm_iommu_reclaim(unsigned long max)
{
	struct pkvm_iommu_hvc hvc = { .op = PKVM_IOMMU_RECLAIM };
	struct page *page;
	unsigned long nr;

	/* They may be of the kernel that crashed. */
	if (pkvm_iommu_in_crash_kernel())
		return 0;

	for (nr = 0; nr < max && !atomic_read(&reclaim_disabled) && !pkvm_iommu_hvc(&hvc); nr++) {
		page = pfn_to_page(hvc.res[0]);
		dec_node_page_state(page, NR_IOMMU_PAGES);
		__free_page(page);
	}

	return nr;
}

static unsigned long shrink_count(struct shrinker *shrinker, struct shrink_control *sc)
{
	u64 free_pages;

	return pkvm_iommu_read_info(PKVM_IOMMU_INFO_POOL_FREE, 0, &free_pages) ? 0 : free_pages;
}

static unsigned long shrink_scan(struct shrinker *shrinker, struct shrink_control *sc)
{
	return pkvm_iommu_reclaim(sc->nr_to_scan) ?: SHRINK_STOP;
}

/**
 * pkvm_iommu_shrinker_init() - take unused pages back when memory is short
 *
 * Context: boot, once pKVM is finalised; sleeps.
 */
void __init pkvm_iommu_shrinker_init(void)
{
	struct shrinker *shrinker = shrinker_alloc(0, "pkvm-iommu");

	if (!shrinker) {
		pr_warn("no shrinker: unused memory comes back with the next free domain\n");
		return;
	}
	shrinker->count_objects = shrink_count;
	shrinker->scan_objects = shrink_scan;
	shrinker_register(shrinker);
}
