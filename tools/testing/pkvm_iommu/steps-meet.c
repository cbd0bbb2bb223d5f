// SPDX-License-Identifier: GPL-2.0
/*
 * Races in which what has to meet does: a page is mapped in a domain that one IOMMU
 * has no stream of, or one; then that stream comes or goes while the page is unmapped,
 * mapped again, and given away (see has_streams() in backend.c). Or a domain is freed
 * while others begin to use it (see domain.c). Or events of devices while the host
 * takes them.
 */
#include <linux/pkvm_iommu.h>

#include "runner.h"

#define CALL(...)	(struct act) { .kind = ACT_CALL, .chance = noise(), .a = { __VA_ARGS__ } }

struct meeting {
	u64 domain, iommu, sid, iova, pfn, nr;
};

/* No stream of the IOMMU has the domain. Returns false if EL2 has stopped. */
static bool detach_all(const struct meeting *m)
{
	u64 res[3];
	int i;

	for (i = 0; i < spec.nr_streams; i++) {
		struct spec_stream st = spec.stream[i];

		if (st.attached && st.domain == m->domain && (u64)st.iommu == m->iommu &&
		    call(false, res, PKVM_IOMMU_DETACH, st.iommu, st.sid, st.domain) > 0)
			return false;
	}

	return true;
}

static struct act some_part(const struct meeting *m)
{
	u64 n = below(m->nr);

	switch (below(8)) {
	case 0:
		return CALL(PKVM_IOMMU_MAP, m->domain, m->iova + n * ENV_PAGE, 3,
			    PKVM_IOMMU_RUN((m->pfn + n) * ENV_PAGE, 1));
	case 1:
		return CALL(PKVM_IOMMU_ATTACH, m->iommu, m->sid, m->domain);
	case 2:
		return CALL(PKVM_IOMMU_DETACH, m->iommu, m->sid, m->domain);
	case 3:
		return CALL(PKVM_IOMMU_FLUSH, m->domain);
	case 4:
		return CALL(PKVM_IOMMU_DOMAIN_FREE, m->domain);
	case 5:
		if (is_virtio(m->iommu))
			return CALL(PKVM_IOMMU_REPLAY, m->iommu, m->domain);
		break;
	case 6:
		return (struct act) { .kind = ACT_PAGE, .chance = noise(),
				      .a = { ENV_DONATE_GUEST, m->pfn + n } };
	}

	return CALL(PKVM_IOMMU_UNMAP, m->domain, m->iova + n * ENV_PAGE,
		    (1 + below(m->nr - n)) * ENV_PAGE, below(2) * PKVM_IOMMU_UNMAP_LAZY);
}

static struct act some_event(const struct meeting *m)
{
	return (struct act) { .kind = ACT_EVENT, .chance = noise(),
			      .a = { m->iommu, m->sid, 0x12, PKVM_IOMMU_FAULT_PERMISSION, true,
				     noise(), below(2) } };
}

/*
 * The queue is empty before, and does not overflow: a record that is lost while FAULT
 * is about to free an entry is one that FAULT neither made room for nor can mention.
 */
static bool meet_events(const struct meeting *m)
{
	unsigned int group = 1 + below(1 << 30), n, nr = 3 + below(4);
	struct act acts[MAX_RACE];
	u64 res[3];
	int ret;

	if (smmu_events(m->iommu) < (int)nr)
		return true;
	do {
		ret = call(false, res, PKVM_IOMMU_FAULT, m->iommu);
	} while (!ret);
	if (ret > 0)
		return false;
	for (n = 0; n < nr; n++) {
		acts[n] = n % 2 ? CALL(PKVM_IOMMU_FAULT, m->iommu) : some_event(m);
		acts[n].cpu = n % 2;
		acts[n].group = group;
	}

	return act_group(acts, nr) <= 0;
}

/*
 * A domain that nobody uses is freed, and perhaps made again, while others begin to use
 * it: either they do not find it, or it is not freed.
 */
static bool meet_free(const struct meeting *m)
{
	unsigned int group = 1 + below(1 << 30), n = 0, nr = 3 + below(3);
	const struct spec_domain *d;
	struct act acts[MAX_RACE];
	int room = 0;
	u64 res[3];

	for (d = spec.domain; d < spec.domain + SPEC_DOMAINS; d++)
		room += !d->id;
	if (room < 8)
		return true;
	call(false, res, PKVM_IOMMU_UNMAP, m->domain, m->iova, m->nr * ENV_PAGE, 0);
	acts[n++] = CALL(PKVM_IOMMU_DOMAIN_FREE, m->domain);
	acts[n++] = CALL(PKVM_IOMMU_MAP, m->domain, m->iova, 3,
			 PKVM_IOMMU_RUN(m->pfn * ENV_PAGE, 1));
	while (n < nr) {
		switch (below(4)) {
		case 0:
			/* At most one more than the domain that goes. */
			acts[n] = n == 2 ? CALL(PKVM_IOMMU_DOMAIN_ALLOC) :
				  CALL(PKVM_IOMMU_DOMAIN_FREE, m->domain);
			break;
		case 1:
			acts[n] = CALL(PKVM_IOMMU_DOMAIN_FREE, m->domain);
			break;
		case 2:
			acts[n] = CALL(PKVM_IOMMU_LOOKUP, m->domain, m->iova);
			break;
		default:
			acts[n] = CALL(PKVM_IOMMU_ATTACH, m->iommu, m->sid, m->domain);
			break;
		}
		n++;
	}
	for (n = 0; n < nr; n++) {
		acts[n].cpu = n < 2 ? (n ? RACE_CPUS - 1 : 0) : below(RACE_CPUS);
		acts[n].group = group;
	}

	return act_group(acts, nr) <= 0;
}

bool do_meet(void)
{
	struct meeting m = { .domain = some_own_domain(), .nr = 1 + below(4), .sid = below(16) };
	unsigned int group = 1 + below(1 << 30), cpus = 2 + below(RACE_CPUS - 1), i, n = 0;
	struct act acts[MAX_RACE];
	bool attached = below(2);
	u64 res[3];

	m.iommu = below(config->nr + config->nr_virtio);
	m.iova = some_iova() & ~(ENV_PAGE - 1);
	m.pfn = host_page();
	if (m.iommu >= (u64)spec.nr_iommus || !m.pfn || m.iova >= smmu_limit - 16 * ENV_PAGE)
		return true;
	if (is_smmu(m.iommu) && !spec.iommu[m.iommu].dead && !below(8))
		return meet_events(&m);
	if (!detach_all(&m))
		return false;
	if (!below(3))
		return meet_free(&m);
	if (attached && call(false, res, PKVM_IOMMU_ATTACH, m.iommu, m.sid, m.domain) > 0)
		return false;
	call(false, res, PKVM_IOMMU_UNMAP, m.domain, m.iova, m.nr * ENV_PAGE, 0);
	if (call(false, res, PKVM_IOMMU_MAP, m.domain, m.iova, 3,
		 PKVM_IOMMU_RUN(m.pfn * ENV_PAGE, m.nr), 0) > 0)
		return false;
	if (attached && is_virtio(m.iommu) && !replay_all(m.iommu, m.domain, false))
		return false;

	acts[n++] = CALL(attached ? PKVM_IOMMU_DETACH : PKVM_IOMMU_ATTACH, m.iommu, m.sid,
			 m.domain);
	acts[n++] = CALL(PKVM_IOMMU_UNMAP, m.domain, m.iova, m.nr * ENV_PAGE,
			 !below(4) * PKVM_IOMMU_UNMAP_LAZY);
	acts[1].cpu = 1;
	acts[0].cpu = 0;
	for (i = below(5); i; i--, n++) {
		acts[n] = some_part(&m);
		acts[n].cpu = below(cpus);
	}
	for (i = 0; i < n; i++)
		acts[i].group = group;

	return act_group(acts, n) <= 0;
}
