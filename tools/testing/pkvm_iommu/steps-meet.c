// SPDX-License-Identifier: GPL-2.0
/*
 * Races in which what has to meet does: a page is mapped in a domain that one IOMMU
 * has no stream of, or one; then that stream comes or goes while the page is unmapped,
 * mapped again, and given away (see domain_iommus() in backend.c). Or a domain is freed
 * while others begin to use it (see domain.c). Or events of devices while the host
 * takes them.
 */
#include <errno.h>

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
			acts[n] = n == 2 ? CALL(PKVM_IOMMU_DOMAIN_ALLOC, 0, 0, m->iommu) :
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

/* A revocation finds a domain with runs to flush, while the domain is freed. */
static bool meet_revoke(const struct meeting *m)
{
	unsigned int group = 1 + below(1 << 30), n, nr = 2 + below(2);
	struct act acts[MAX_RACE];
	u64 res[3];

	call(false, res, PKVM_IOMMU_UNMAP, m->domain, m->iova, 8 * ENV_PAGE, 0);
	if (call(false, res, PKVM_IOMMU_MAP, m->domain, m->iova, 3,
		 PKVM_IOMMU_RUN(m->pfn * ENV_PAGE, 1), 0) > 0)
		return false;
	/* So that all pages of the domain come back below. */
	if (!do_reclaim(64))
		return false;
	call(false, res, PKVM_IOMMU_UNMAP, m->domain, m->iova, ENV_PAGE, PKVM_IOMMU_UNMAP_LAZY);
	acts[0] = CALL(PKVM_IOMMU_DOMAIN_FREE, m->domain);
	acts[1] = (struct act) { .kind = ACT_PAGE, .chance = noise(),
				 .a = { ENV_DONATE_GUEST, m->pfn } };
	acts[2] = CALL(PKVM_IOMMU_DOMAIN_FREE, m->domain);
	for (n = 0; n < nr; n++) {
		acts[n].cpu = n == 1;
		acts[n].group = group;
	}

	/* EL2 does not write to the pages any more. */
	return act_group(acts, nr) <= 0 && do_reclaim(64);
}

/* A page is mapped, and the next one is mapped already: both cannot be given away. */
static bool meet_busy(const struct meeting *m)
{
	unsigned int group = 1 + below(1 << 30), n, nr = 2 + below(3);
	struct act acts[MAX_RACE];
	u64 res[3];

	call(false, res, PKVM_IOMMU_UNMAP, m->domain, m->iova, 8 * ENV_PAGE, 0);
	if (call(false, res, PKVM_IOMMU_MAP, m->domain, m->iova, 3,
		 PKVM_IOMMU_RUN((m->pfn + 1) * ENV_PAGE, 1), 0) > 0)
		return false;
	for (n = 0; n < nr; n++) {
		if (n % 2)
			acts[n] = CALL(PKVM_IOMMU_MAP, m->domain, m->iova + n * ENV_PAGE, 3,
				       PKVM_IOMMU_RUN(m->pfn * ENV_PAGE, 1));
		else
			acts[n] = CALL(PKVM_IOMMU_TOPUP, m->pfn, 2);
		acts[n].cpu = n % 2;
		acts[n].group = group;
	}

	return act_group(acts, nr) <= 0;
}

/* An empty table is freed for a block, and its page may go back to the host. */
static bool meet_block(const struct meeting *m)
{
	unsigned int group = 1 + below(1 << 30), n = 0, nr = 5 + below(3);
	u64 res[3], iova = m->iova & ~(BLOCK_RUN_SIZE - 1);
	struct act acts[MAX_RACE];

	call(false, res, PKVM_IOMMU_UNMAP, m->domain, iova, BLOCK_RUN_SIZE, 0);
	if (call(false, res, PKVM_IOMMU_MAP, m->domain, m->iova, 3,
		 PKVM_IOMMU_RUN(m->pfn * ENV_PAGE, 1), 0) > 0)
		return false;
	call(false, res, PKVM_IOMMU_UNMAP, m->domain, m->iova, ENV_PAGE, 0);
	/* Pages that are freed go back to the host at once. */
	if (!do_reclaim(64))
		return false;
	acts[n++] = CALL(PKVM_IOMMU_MAP, m->domain, iova, 3, BLOCK_RUN);
	while (n < nr) {
		if (n < 4)
			acts[n] = CALL(PKVM_IOMMU_RECLAIM);
		else if (below(4))
			acts[n] = CALL(PKVM_IOMMU_LOOKUP, m->domain,
				       iova + below(ENV_PTES) * ENV_PAGE);
		else
			acts[n] = CALL(PKVM_IOMMU_UNMAP, m->domain, iova, BLOCK_RUN_SIZE, 0);
		n++;
	}
	for (n = 0; n < nr; n++) {
		acts[n].cpu = n < 4 ? 0 : 1 + below(RACE_CPUS - 1);
		acts[n].group = group;
	}

	return act_group(acts, nr) <= 0;
}

/* A block is mapped at two addresses, while a page of it changes its owner. */
static bool meet_blocks(const struct meeting *m)
{
	unsigned int group = 1 + below(1 << 30), n, nr = 6 + below(5), mapped = below(3);
	u64 res[3], at, iova = m->iova & ~(2 * BLOCK_RUN_SIZE - 1);
	u64 pfn = WHOLE_BLOCK / ENV_PAGE + below(ENV_PTES);
	struct act acts[MAX_RACE], page[2];

	for (n = 0; n < 2; n++)
		page[n] = (struct act) { .kind = ACT_PAGE, .group = group,
					 .a = { n ? ENV_RECLAIM_GUEST : ENV_DONATE_GUEST, pfn } };
	call(false, res, PKVM_IOMMU_UNMAP, m->domain, iova, 2 * BLOCK_RUN_SIZE, 0);
	for (n = 0; n < mapped; n++) {
		if (call(false, res, PKVM_IOMMU_MAP, m->domain, iova + n * BLOCK_RUN_SIZE, 3,
			 BLOCK_RUN, 0) > 0)
			return false;
	}
	for (n = 0; n < nr; n++) {
		at = iova + n % 2 * BLOCK_RUN_SIZE;
		if (n < 2)
			acts[n] = page[n];
		/* Both mappings go at once. */
		else if (below(2) || (n < 4 && mapped == 2))
			acts[n] = CALL(PKVM_IOMMU_UNMAP, m->domain, at, BLOCK_RUN_SIZE, 0);
		else
			acts[n] = CALL(PKVM_IOMMU_MAP, m->domain, at, 3,
				       BLOCK_RUN);
		acts[n].cpu = n < 2 ? 0 : 1 + n % 2;
		acts[n].group = group;
	}
	page[0].group = page[1].group = 0;
	if (act_group(acts, nr) > 0 || act(&page[1], res) > 0)
		return false;
	/* No pin is left. */
	if (call(false, res, PKVM_IOMMU_UNMAP, m->domain, iova, 2 * BLOCK_RUN_SIZE, 0) > 0)
		return false;

	return act(&page[0], res) <= 0 && act(&page[1], res) <= 0;
}

/* Pages whose counts EL2 keeps in one word: one changes its owner, the others are mapped. */
static bool meet_lanes(const struct meeting *m)
{
	unsigned int group = 1 + below(1 << 30), n, nr = 6 + below(5);
	struct act acts[MAX_RACE], give = { .kind = ACT_PAGE, .a = { ENV_DONATE_GUEST } };
	struct act back = { .kind = ACT_PAGE, .a = { ENV_RECLAIM_GUEST } };
	u64 res[3], at, pfn = m->pfn & ~3ULL;

	call(false, res, PKVM_IOMMU_UNMAP, m->domain, m->iova, 8 * ENV_PAGE, 0);
	for (n = 0; n < nr; n++) {
		acts[n] = n % 2 ? give : back;
		at = n % 3;
		if (n % 3 && below(2))
			acts[n] = CALL(PKVM_IOMMU_UNMAP, m->domain, m->iova + at * ENV_PAGE, ENV_PAGE, 0);
		else if (n % 3)
			acts[n] = CALL(PKVM_IOMMU_MAP, m->domain, m->iova + at * ENV_PAGE, 3,
				       PKVM_IOMMU_RUN((pfn + at) * ENV_PAGE, 1));
		else
			acts[n].a[1] = pfn;
		acts[n].cpu = n % 3;
		acts[n].group = group;
	}
	if (act_group(acts, nr) > 0)
		return false;
	/* No pin is left. */
	if (call(false, res, PKVM_IOMMU_UNMAP, m->domain, m->iova, 8 * ENV_PAGE, 0) > 0)
		return false;
	for (n = 0; n < 3; n++) {
		give.a[1] = back.a[1] = pfn + n;
		if (act(&back, res) > 0 || act(&give, res) > 0 || act(&back, res) > 0)
			return false;
	}

	return true;
}

/* A domain is flushed while more is unmapped lazily, and mapped again. */
static bool meet_lazy(const struct meeting *m)
{
	unsigned int group = 1 + below(1 << 30), n, nr = 5 + below(3), cpus = 2 + below(2);
	struct act acts[MAX_RACE];
	u64 res[3], at;

	if (call(false, res, PKVM_IOMMU_ATTACH, m->iommu, m->sid, m->domain) > 0)
		return false;
	call(false, res, PKVM_IOMMU_UNMAP, m->domain, m->iova, 8 * ENV_PAGE, 0);
	if (call(false, res, PKVM_IOMMU_MAP, m->domain, m->iova, 3,
		 PKVM_IOMMU_RUN(m->pfn * ENV_PAGE, 4), 0) > 0)
		return false;
	call(false, res, PKVM_IOMMU_UNMAP, m->domain, m->iova, ENV_PAGE, PKVM_IOMMU_UNMAP_LAZY);
	for (n = 0; n < nr; n++) {
		at = m->iova + (n / cpus % 3 + 1) * ENV_PAGE;
		if (n % cpus == 0)
			acts[n] = CALL(PKVM_IOMMU_UNMAP, m->domain, at, ENV_PAGE,
				       PKVM_IOMMU_UNMAP_LAZY);
		else if (n % cpus == 1)
			acts[n] = CALL(PKVM_IOMMU_FLUSH, m->domain);
		else
			acts[n] = CALL(PKVM_IOMMU_MAP, m->domain, at, 3,
				       PKVM_IOMMU_RUN((m->pfn + 1 + below(8)) * ENV_PAGE, 1));
		acts[n].cpu = n % cpus;
		acts[n].group = group;
	}

	return act_group(acts, nr) <= 0;
}

/*
 * A lazy UNMAP ends in a hole that waits for the same flush. That flush begins and ends
 * meanwhile, and something is mapped in the rest of the hole.
 */
static bool meet_hole(const struct meeting *m)
{
	u64 res[3], hole, size = BLOCK_RUN_SIZE;
	unsigned int group = 1 + below(1 << 30), n;
	struct act acts[3];

	hole = (m->iova & ~(2 * size - 1)) + size;
	call(false, res, PKVM_IOMMU_UNMAP, m->domain, hole - size, 2 * size, 0);
	if (call(false, res, PKVM_IOMMU_MAP, m->domain, hole, 3,
		 BLOCK_RUN, 0) > 0 ||
	    call(false, res, PKVM_IOMMU_MAP, m->domain, hole - 2 * ENV_PAGE, 3,
		 PKVM_IOMMU_RUN(m->pfn * ENV_PAGE, 2), 0) > 0 ||
	    call(false, res, PKVM_IOMMU_UNMAP, m->domain, hole, size, PKVM_IOMMU_UNMAP_LAZY) > 0)
		return false;
	acts[0] = CALL(PKVM_IOMMU_UNMAP, m->domain, hole - 2 * ENV_PAGE, 4 * ENV_PAGE,
		       PKVM_IOMMU_UNMAP_LAZY);
	acts[1] = CALL(PKVM_IOMMU_FLUSH, m->domain);
	acts[2] = CALL(PKVM_IOMMU_MAP, m->domain, hole + (4 + below(8)) * ENV_PAGE, 3,
		       PKVM_IOMMU_RUN((m->pfn + 2) * ENV_PAGE, 1));
	for (n = 0; n < 3; n++) {
		acts[n].cpu = n;
		acts[n].group = group;
	}

	return act_group(acts, 3) <= 0;
}

/*
 * Domains are made at the same time, and a domain gets its first streams of two IOMMUs, both
 * of which have to be told what is unmapped.
 */
static bool meet_users(struct meeting *m)
{
	unsigned int group = 1 + below(1 << 30), n, nr = below(2) ? 2 : 4 + below(4), room = 0;
	unsigned int all = config->nr + config->nr_virtio ?: 1;
	u64 res[3], ids[SPEC_DOMAINS];
	u64 iommus[2] = { m->iommu, below(4) ? (m->iommu + 1) % all : below(all) };
	const struct spec_domain *d;
	struct act acts[MAX_RACE];

	/* Usually one whose streams can be in the domain. */
	for (n = 0; n < 8 && !spec_fits(&spec, iommus[1], m->domain); n++)
		iommus[1] = below(all);
	m->iommu = iommus[1];
	if (!detach_all(m) ||
	    call(false, res, PKVM_IOMMU_MAP, m->domain, m->iova, 3,
		 PKVM_IOMMU_RUN(m->pfn * ENV_PAGE, 1), 0) > 0)
		return false;
	for (d = spec.domain; d < spec.domain + SPEC_DOMAINS; d++)
		room += !d->id;
	for (n = 0; n < nr; n++) {
		if (nr == 2)
			acts[n] = CALL(PKVM_IOMMU_ATTACH, iommus[n], m->sid, m->domain);
		else if (n < 2 && room > 8)
			acts[n] = CALL(PKVM_IOMMU_DOMAIN_ALLOC, 0, 0, iommus[0]);
		else
			acts[n] = CALL(n / 2 % 2 ? PKVM_IOMMU_ATTACH : PKVM_IOMMU_DETACH,
				       iommus[n % 2], m->sid, m->domain);
		acts[n].cpu = n % 2;
		acts[n].group = group;
	}
	for (n = 0; n < SPEC_DOMAINS; n++)
		ids[n] = spec.domain[n].id;
	if (act_group(acts, nr) > 0)
		return false;
	for (n = 0; n < 2; n++) {
		if (is_virtio(iommus[n]) && !replay_all(iommus[n], m->domain, false))
			return false;
	}
	if (call(false, res, PKVM_IOMMU_UNMAP, m->domain, m->iova, ENV_PAGE, 0) > 0)
		return false;
	check_all(true);
	for (n = 0; n < SPEC_DOMAINS; n++) {
		if (spec.domain[n].id && spec.domain[n].id != ids[n] &&
		    call(false, res, PKVM_IOMMU_DOMAIN_FREE, spec.domain[n].id) > 0)
			return false;
	}
	if (call(false, res, PKVM_IOMMU_DOMAIN_FREE, m->domain) > 0)
		return false;
	for (n = 0; n < 2; n++) {
		m->iommu = iommus[n];
		if (!detach_all(m))
			return false;
	}

	return call(false, res, PKVM_IOMMU_DOMAIN_FREE, m->domain) <= 0;
}

/* The host uses a domain that another CPU is about to make: it has the id that was freed last. */
static bool meet_fresh(const struct meeting *m)
{
	unsigned int group = 1 + below(1 << 30), n, nr = 3 + below(4), room = 0;
	const struct spec_domain *d;
	struct act acts[MAX_RACE];
	u64 res[3], id;

	for (d = spec.domain; d < spec.domain + SPEC_DOMAINS; d++)
		room += !d->id;
	if (room < 8)
		return true;
	if (call(false, res, PKVM_IOMMU_DOMAIN_ALLOC, 0, 0, m->iommu))
		return !ended;
	id = res[1];
	if (call(false, res, PKVM_IOMMU_DOMAIN_FREE, id))
		return !ended;
	for (n = 0; n < nr; n++) {
		if (!n)
			acts[n] = CALL(PKVM_IOMMU_DOMAIN_ALLOC, 0, 0, m->iommu);
		else if (below(2))
			acts[n] = CALL(PKVM_IOMMU_LOOKUP, id, m->iova);
		else
			acts[n] = CALL(PKVM_IOMMU_MAP, id, m->iova, 3,
				       PKVM_IOMMU_RUN(m->pfn * ENV_PAGE, 1));
		acts[n].cpu = n ? 1 + n % 2 : 0;
		acts[n].group = group;
	}
	if (act_group(acts, nr) > 0)
		return false;
	call(false, res, PKVM_IOMMU_UNMAP, id, m->iova, ENV_PAGE, 0);
	for (n = 0; n < 100 && !ended; n++) {
		if (call(false, res, PKVM_IOMMU_DOMAIN_FREE, id) != -EAGAIN)
			break;
	}

	return !ended;
}

/*
 * The streams of a domain come and go at the same time, and a page of it is unmapped and given
 * away: whichever is the last to go, nothing is cached then.
 */
static bool meet_streams(const struct meeting *m)
{
	unsigned int group = 1 + below(1 << 30), n, nr = 4 + below(5), cpus = 2 + below(3);
	struct act acts[MAX_RACE], give = { .kind = ACT_PAGE, .a = { ENV_DONATE_GUEST, m->pfn } };
	u64 res[3];

	call(false, res, PKVM_IOMMU_UNMAP, m->domain, m->iova, 8 * ENV_PAGE, 0);
	if (call(false, res, PKVM_IOMMU_MAP, m->domain, m->iova, 3,
		 PKVM_IOMMU_RUN(m->pfn * ENV_PAGE, 1), 0) > 0)
		return false;
	for (n = 0; n < 3; n++) {
		if (below(2) && call(false, res, PKVM_IOMMU_ATTACH, m->iommu, m->sid + n,
				     m->domain) > 0)
			return false;
	}
	for (n = 0; n < nr; n++) {
		acts[n] = CALL(below(2) ? PKVM_IOMMU_ATTACH : PKVM_IOMMU_DETACH, m->iommu,
			       m->sid + below(3), m->domain);
		if (n == 1)
			acts[n] = CALL(PKVM_IOMMU_UNMAP, m->domain, m->iova, ENV_PAGE, 0);
		if (n == 1 + cpus)
			acts[n] = give;
		acts[n].cpu = n % cpus;
		acts[n].group = group;
	}
	if (act_group(acts, nr) > 0)
		return false;
	check_all(true);

	return true;
}

/* CPUs invalidate as much as one batch of commands holds: a short queue has no room for two. */
static bool meet_queue(const struct meeting *m)
{
	unsigned int group = 1 + below(1 << 30), n, nr = 3 + below(2);
	u64 res[3], at, iova = m->iova & ~(128 * ENV_PAGE - 1);
	struct act acts[MAX_RACE];

	if (call(false, res, PKVM_IOMMU_ATTACH, m->iommu, m->sid, m->domain) > 0)
		return false;
	for (n = 0; n < nr; n++) {
		at = iova + n * 32 * ENV_PAGE;
		if (call(false, res, PKVM_IOMMU_UNMAP, m->domain, at, 32 * ENV_PAGE, 0) > 0 ||
		    call(false, res, PKVM_IOMMU_MAP, m->domain, at + below(32) * ENV_PAGE, 3,
			 PKVM_IOMMU_RUN(m->pfn * ENV_PAGE, 1), 0) > 0)
			return false;
		acts[n] = CALL(PKVM_IOMMU_UNMAP, m->domain, at, (31 + below(2)) * ENV_PAGE, 0);
		acts[n].cpu = n;
		acts[n].group = group;
	}

	return act_group(acts, nr) <= 0;
}

/* The queue of an IOMMU that takes no more commands soon. */
bool do_full_queue(void)
{
	struct meeting m = { .domain = some_own_domain(), .iova = some_iova(), .pfn = host_page() };

	if (!m.pfn || m.iova >= limit_in(m.domain) - 256 * ENV_PAGE)
		return one_step();

	return meet_queue(&m);
}

/* Make a nested domain, with more pages in the pool than it needs. Returns its id, or 0. */
static u64 new_nested(const struct meeting *m)
{
	u64 res[3];

	if (give_pages(16) <= 0 || call(false, res, PKVM_IOMMU_DOMAIN_ALLOC,
					PKVM_IOMMU_DOMAIN_NESTED, m->pfn * ENV_PAGE, m->iommu))
		return 0;

	return res[1];
}

/* The two streams are in no domain; and @all others are not within the identity domain. */
static bool detach_pair(const struct meeting *m, bool all)
{
	u64 res[3], root;
	int i;

	for (i = 0; i < spec.nr_streams; i++) {
		struct spec_stream st = spec.stream[i];

		if (!st.attached || (u64)st.iommu != m->iommu)
			continue;
		if (st.sid != m->sid && st.sid != m->sid + 1 &&
		    (!all || (st.domain && !spec_nested(&spec, st.domain, &root))))
			continue;
		if (call(false, res, PKVM_IOMMU_DETACH, st.iommu, st.sid, st.domain) > 0)
			return false;
	}

	return true;
}

/*
 * The last stream of a nested domain goes, or the first one comes, while a page is given
 * away that these streams could reach: the table of the host itself, or any. Afterwards a
 * stream comes again, and must not find what was there.
 */
static bool meet_nested(const struct meeting *m)
{
	unsigned int group = 1 + below(1 << 30), n, nr = 2 + below(5), cpus = 2 + below(2);
	u64 res[3], id, lost = below(2) ? m->pfn : host_page() ?: m->pfn;
	struct act acts[MAX_RACE], give = { .kind = ACT_PAGE, .a = { ENV_DONATE_GUEST, lost } };
	struct act back = { .kind = ACT_PAGE, .a = { ENV_RECLAIM_GUEST, lost } };
	bool attached = below(2);

	if (!spec_domain_room(&spec))
		return true;
	if (!detach_pair(m, below(2)))
		return false;
	id = new_nested(m);
	if (!id)
		return !ended;
	if (attached && call(false, res, PKVM_IOMMU_ATTACH, m->iommu, m->sid, id) > 0)
		return false;
	for (n = 0; n < nr; n++) {
		if (n < 2)
			acts[n] = n ? CALL(attached ? PKVM_IOMMU_DETACH : PKVM_IOMMU_ATTACH,
					   m->iommu, m->sid, id) : give;
		else if (below(2))
			acts[n] = CALL(below(2) ? PKVM_IOMMU_ATTACH : PKVM_IOMMU_DETACH, m->iommu,
				       m->sid + below(2), below(2) ? id : PKVM_IOMMU_DOMAIN_IDENTITY);
		else if (below(2))
			acts[n] = CALL(PKVM_IOMMU_INVALIDATE, id, 0, below(2) * ENV_PAGE, below(2));
		else
			acts[n] = below(2) ? back : CALL(PKVM_IOMMU_DOMAIN_FREE, id);
		acts[n].cpu = n < 2 ? n : below(cpus);
		acts[n].group = group;
	}
	if (act_group(acts, nr) > 0)
		return false;
	check_all(true);
	for (n = 0; n < 2; n++) {
		if (!detach_pair(m, false) || act(n ? &back : &give, res) > 0 ||
		    call(false, res, PKVM_IOMMU_ATTACH, m->iommu, m->sid, id) > 0)
			return false;
		check_all(true);
	}
	if (!detach_pair(m, false))
		return false;

	/* The page that described the domain goes to the host. */
	return call(false, res, PKVM_IOMMU_DOMAIN_FREE, id) <= 0 && do_reclaim(64);
}

/*
 * The page that describes a nested domain is the only one in the pool when the domain goes.
 * The host takes it, and EL2 uses it, not before devices have ceased to read it.
 */
static bool meet_lent(const struct meeting *m)
{
	unsigned int group = 1 + below(1 << 30), n, nr = MAX_RACE - below(6);
	struct act acts[MAX_RACE];
	u64 res[3], id;

	if (!spec_domain_room(&spec))
		return true;
	id = new_nested(m);
	if (!id)
		return !ended;
	/* Its first stream, or another one, reads the page. */
	if (!detach_pair(m, false) ||
	    call(false, res, PKVM_IOMMU_ATTACH, m->iommu, m->sid + 1, id) > 0 ||
	    call(false, res, PKVM_IOMMU_ATTACH, m->iommu, m->sid, PKVM_IOMMU_DOMAIN_IDENTITY) > 0 ||
	    call(false, res, PKVM_IOMMU_DETACH, m->iommu, m->sid + 1, id) > 0 ||
	    !do_reclaim(10000))
		return false;
	for (n = 0; n < nr; n++) {
		if (!n)
			acts[n] = CALL(PKVM_IOMMU_DOMAIN_FREE, id);
		else if (n > 2 || below(2))
			acts[n] = CALL(PKVM_IOMMU_RECLAIM);
		else
			acts[n] = CALL(PKVM_IOMMU_ATTACH, m->iommu, m->sid + 1, id);
		acts[n].cpu = n ? 1 + n % 2 : 0;
		acts[n].group = group;
	}
	if (act_group(acts, nr) > 0)
		return false;
	check_all(true);

	return detach_pair(m, false) && call(false, res, PKVM_IOMMU_DOMAIN_FREE, id) <= 0 &&
	       do_reclaim(64);
}

bool do_meet(void)
{
	struct meeting m = { .domain = some_own_domain(), .nr = 1 + below(4), .sid = below(16) };
	unsigned int group = 1 + below(1 << 30), cpus = 2 + below(RACE_CPUS - 1), i, n = 0;
	struct act acts[MAX_RACE];
	bool attached = below(2);
	u64 res[3];

	m.iommu = below(config->nr + config->nr_virtio);
	/* Usually streams that can be in the domain. */
	for (i = 0; i < 8 && !spec_fits(&spec, m.iommu, m.domain); i++)
		m.iommu = below(config->nr + config->nr_virtio);
	m.iova = some_iova() & ~(ENV_PAGE - 1);
	m.pfn = host_page();
	if (m.iommu >= (u64)spec.nr_iommus || spec.iommu[m.iommu].permits || !m.pfn ||
	    m.iova >= limit_in(m.domain) - 16 * ENV_PAGE)
		return true;
	if (is_smmu(m.iommu) && !spec.iommu[m.iommu].dead && !below(8))
		return meet_events(&m);
	if (is_smmu(m.iommu) && spec.iommu[m.iommu].nests == SPEC_NESTS && !below(6))
		return below(3) ? meet_nested(&m) : meet_lent(&m);
	if (!detach_all(&m))
		return false;
	if (!below(3))
		return meet_free(&m);
	if (!below(8))
		return meet_busy(&m);
	if (!below(4))
		return meet_revoke(&m);
	if (!below(8))
		return meet_block(&m);
	if (!below(4))
		return meet_blocks(&m);
	if (!below(6))
		return meet_lanes(&m);
	if (!below(6))
		return meet_lazy(&m);
	if (!below(6))
		return meet_hole(&m);
	if (!below(6))
		return meet_users(&m);
	if (!below(6))
		return meet_fresh(&m);
	if (is_smmu(m.iommu) && !below(3))
		return meet_queue(&m);
	if (is_smmu(m.iommu) && !below(3))
		return meet_streams(&m);
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
