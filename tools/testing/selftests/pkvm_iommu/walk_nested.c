// SPDX-License-Identifier: GPL-2.0
/*
 * The random walk: DMA in a nested domain, whose page table the walk writes. An entry may lead
 * anywhere; whether the device gets there is up to the specification of who owns the page. The
 * steps of walk.c free the domain, and give its pages away, as those of any other.
 */
#include <errno.h>

#include "walk.h"

/* Addresses that a translation is made for, and dropped. */
#define AT		(1ULL << 41)
#define PAGES		4

void nested_open(struct walker *w)
{
	uint64_t res[3];

	if (!w->has_nvme ||
	    call(w, res, PKVM_IOMMU_INFO, PKVM_IOMMU_INFO_NESTED, 0, 0, 0) || !res[1])
		return;
	w->nests = stage1_init(&w->tables) &&
		   stage1_set(&w->tables, WINDOW, page_of(w, 1, CQ_PAGE) | STAGE1_PAGE) &&
		   stage1_set(&w->tables, AT, 0);
}

/* The domain that has our root table, or a new one; or 0. */
static uint64_t our_domain(struct walker *w)
{
	struct spec_domain *d;
	int n = 0;

	for (d = w->spec.domain; d < w->spec.domain + SPEC_DOMAINS; d++) {
		n += !!d->id;
		if (d->id && d->nested && !d->dying && d->root == stage1_root(&w->tables))
			return d->id;
	}
	return n < SPEC_DOMAINS ? new_domain(w, PKVM_IOMMU_DOMAIN_NESTED,
					       stage1_root(&w->tables)) : 0;
}

/* Move the device there. */
static bool enter(struct walker *w, uint64_t domain)
{
	uint64_t res[3], before = spec_domain_of(&w->spec, 0, w->nvme.sid);
	int64_t err;

	if (spec_attached(&w->spec, 0, w->nvme.sid) && before == domain)
		return true;
	if (spec_attached(&w->spec, 0, w->nvme.sid))
		call(w, res, PKVM_IOMMU_DETACH, 0, w->nvme.sid, before, 0);
	err = call(w, res, PKVM_IOMMU_ATTACH, 0, w->nvme.sid, domain, 0);
	if (err == -ENOMEM && feed(w, res[1]))
		err = call(w, res, PKVM_IOMMU_ATTACH, 0, w->nvme.sid, domain, 0);
	return !err;
}

/* By an entry that leads to @phys, or by none if that is 0. */
static void reach(struct walker *w, uint64_t iova, uint64_t phys)
{
	struct expect e = {
		.must_not = !phys, .reason = PKVM_IOMMU_FAULT_UNMAPPED, .phys = phys,
	};

	if (phys)
		spec_range(&w->spec, phys & ~(PAGE - 1), PAGE, &e.may, &e.must_not);
	dma_check(w, iova, below(w, 2), e);
}

void nested_step(struct walker *w)
{
	uint64_t offset = below(w, PAGE / 8) * 8, iova = AT + below(w, PAGES) * PAGE;
	uint64_t domain, phys = 0, res[3];
	bool give = false;

	if (!w->nests)
		return;
	pthread_mutex_lock(&dma_lock);
	domain = our_domain(w);
	if (!domain || !enter(w, domain))
		goto out;
	if (nvme_start(&w->nvme, memory_at(w, page_of(w, 1, CQ_PAGE)), WINDOW))
		wrong(w, "the device does not start");
	w->ready = true;

	switch (below(w, 8)) {
	case 0:
		break;
	case 1:
		phys = machine.nr_el2 ? machine.el2[below(w, machine.nr_el2)] & ~(PAGE - 1) : 0;
		break;
	case 2 ... 3:
		give = !machine.weak;
		phys = give ? some_feed(w) : 0;
		break;
	default:
		phys = some_page(w);
	}
	stage1_set(&w->tables, iova, phys ? phys | STAGE1_PAGE : 0);
	call(w, res, PKVM_IOMMU_INVALIDATE, domain, iova, below(w, 2) ? PAGE : 0,
	     below(w, 2) ? PKVM_IOMMU_INVALIDATE_LEAF : 0);
	reach(w, iova + offset, phys ? phys + offset : 0);
	/* Combined translations of both stages are dropped when EL2 gets the page. */
	if (give && phys && !call(w, res, PKVM_IOMMU_TOPUP, phys / PAGE, 1, 0, 0))
		reach(w, iova + offset, phys + offset);
out:
	pthread_mutex_unlock(&dma_lock);
}
