// SPDX-License-Identifier: GPL-2.0
/* The step of a walk that runs several CPUs at once, see runner.h and interleave.c. */
#include <string.h>

#include <linux/pkvm_iommu.h>

#include "runner.h"

/* The objects that the CPUs race for: few, so that they collide. */
struct hot {
	u64 domain[2], iova, pfn, iommu, sid, list;
	bool block;		/* some mappings are blocks */
	bool whole;		/* some UNMAPs are as long as one batch of commands */
	int allocs;		/* DOMAIN_ALLOC calls that the specification has room for */
};

#define CALL(...)	(struct act) { .kind = ACT_CALL, .chance = noise(), .a = { __VA_ARGS__ } }

static struct act hot_map(struct hot *h)
{
	struct act a = CALL(PKVM_IOMMU_MAP, h->domain[below(2)], h->iova + below(6) * ENV_PAGE, 3);
	int i, nr = 1 + below(3);

	if (h->block && below(2))
		return CALL(PKVM_IOMMU_MAP, a.a[1], h->iova & ~(ENV_BLOCK - 1), 3,
			    BLOCK_RUN);
	for (i = 0; i < nr; i++)
		a.a[4 + i] = PKVM_IOMMU_RUN((h->pfn + below(6)) * ENV_PAGE, 1 + below(2));
	/* Each CPU in a part of the memory that no other CPU uses. */
	if (!below(3)) {
		a.a[0] = PKVM_IOMMU_MAP_LIST;
		memmove(&a.a[6], &a.a[4], nr * sizeof(a.a[0]));
		a.a[4] = h->list++ * 32;
		/* EL2 maps 16 runs at a time, which a long UNMAP could tell apart. */
		a.a[5] = below(4) ? nr : 1 + below(h->block || h->whole ? 16 : 32);
	}

	return a;
}

static struct act hot_act(struct hot *h)
{
	u64 domain = below(8) ? h->domain[below(2)] : PKVM_IOMMU_DOMAIN_IDENTITY;
	u64 pfn = h->pfn + below(6), iommu = below(4) ? h->iommu : below(spec.nr_iommus);

	switch (below(32)) {
	case 0 ... 6:
		return hot_map(h);
	case 7 ... 13:
		if (h->block && below(2))
			return CALL(PKVM_IOMMU_UNMAP, h->domain[below(2)],
				    h->iova & ~(ENV_BLOCK - 1), BLOCK_RUN_SIZE,
				    below(2) * PKVM_IOMMU_UNMAP_LAZY);
		if (h->whole && below(4))
			return CALL(PKVM_IOMMU_UNMAP, h->domain[below(2)], h->iova, 32 * ENV_PAGE,
				    below(2) * PKVM_IOMMU_UNMAP_LAZY);
		return CALL(PKVM_IOMMU_UNMAP, h->domain[below(2)], h->iova + below(6) * ENV_PAGE,
			    (1 + below(6)) * ENV_PAGE, below(2) * PKVM_IOMMU_UNMAP_LAZY);
	case 14:
		if (is_virtio(h->iommu) && below(8))
			return CALL(PKVM_IOMMU_REPLAY, h->iommu, domain);
		return CALL(PKVM_IOMMU_FLUSH, domain);
	case 15 ... 17:
		return CALL(PKVM_IOMMU_TOPUP, pfn, 1 + below(4));
	case 18:
		return CALL(PKVM_IOMMU_RECLAIM);
	case 19 ... 21:
		return CALL(PKVM_IOMMU_ATTACH, iommu, h->sid + below(2), domain);
	case 22 ... 23:
		return CALL(PKVM_IOMMU_DETACH, iommu, h->sid + below(2), domain);
	case 24 ... 25:
		return CALL(PKVM_IOMMU_DOMAIN_FREE, domain);
	case 26:
		if (h->allocs-- > 0)
			return CALL(PKVM_IOMMU_DOMAIN_ALLOC, below(2), h->pfn * ENV_PAGE, iommu);
		break;
	case 27:
		if (is_virtio(h->iommu) && below(2))
			return CALL(PKVM_IOMMU_REGION, h->iommu, h->sid + below(2), below(3));
		return CALL(PKVM_IOMMU_FAULT, h->iommu);
	case 28:
		if (is_virtio(h->iommu) && below(2))
			return CALL(PKVM_IOMMU_REPLAY, h->iommu, domain);
		return CALL(PKVM_IOMMU_LOOKUP, domain, h->iova + below(6) * ENV_PAGE);
	case 29:
		if (below(2))
			return CALL(PKVM_IOMMU_INFO, PKVM_IOMMU_INFO_REACHES, pfn * ENV_PAGE);
		return CALL(PKVM_IOMMU_INFO, below(12), h->iommu);
	case 30:
		return CALL(PKVM_IOMMU_INVALIDATE, domain, h->iova, below(3) * ENV_PAGE, below(2));
	}

	return (struct act) { .kind = ACT_PAGE, .chance = noise(), .a = { below(ENV_OPS), pfn } };
}

bool do_race(void)
{
	struct hot h = { .iommu = below(spec.nr_iommus), .sid = below(64), .block = !below(4),
			 .whole = !below(4) };
	struct act acts[MAX_RACE];
	unsigned int group = 1 + below(1 << 30), cpus = 2 + below(RACE_CPUS - 1);
	int i, n = 0, nr = cpus + below(4);

	if (!spec.nr_iommus)
		return true;
	if (!below(4))
		return do_meet();
	for (i = 0; i < WALK_DOMAINS; i++) {
		h.allocs += !spec.domain[i].id;
		if (spec.domain[i].id && !spec.domain[i].dying)
			h.domain[n++ % 2] = spec.domain[i].id;
	}
	if (!n)
		return true;
	if (n == 1)
		h.domain[1] = h.domain[0];
	if (!below(3))
		h.domain[1] = some_nested_domain() ?: h.domain[1];
	h.iova = some_iova() & ~(ENV_PAGE - 1);
	if (h.iova >= limit_in(h.domain[0]) - 32 * ENV_PAGE)
		h.iova = limit_in(h.domain[0]) - 32 * ENV_PAGE;
	/* Usually streams that can be in the first domain. */
	for (i = 0; i < 8 && !spec_fits(&spec, h.iommu, h.domain[0]); i++)
		h.iommu = below(spec.nr_iommus);
	if (h.sid + 1 >= 1ULL << spec.iommu[h.iommu].sid_bits)
		h.sid = 0;
	h.pfn = host_page();
	if (!h.pfn)
		return true;
	for (i = 0; i < nr; i++) {
		acts[i] = hot_act(&h);
		acts[i].group = group;
		acts[i].cpu = i < (int)cpus ? (unsigned int)i : below(cpus);
	}

	return act_group(acts, nr) <= 0;
}
