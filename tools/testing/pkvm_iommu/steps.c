// SPDX-License-Identifier: GPL-2.0
/* The steps of a walk, see runner.h. */
#include <errno.h>
#include <string.h>

#include <linux/pkvm_iommu_test.h>

#include "runner.h"

/* Give @n pages to the pool. Returns 1; 0 if the host has none; -1 if EL2 has stopped. */
int give_pages(u64 n)
{
	u64 res[3], pfn;

	for (; n; n--) {
		pfn = host_page();
		if (!pfn)
			return 0;
		if (call(false, res, PKVM_IOMMU_TOPUP, pfn, 1) > 0)
			return -1;
	}

	return 1;
}

/* The same, for a root table: the largest power of two together, as far as there are so many. */
int give_block(u64 n)
{
	u64 res[3], size = 1, pfn;

	while (2 * size <= n)
		size *= 2;
	pfn = host_block(size);
	if (!pfn)
		return give_pages(n);
	if (call(false, res, PKVM_IOMMU_TOPUP, pfn, size) > 0)
		return -1;

	return give_pages(n - size);
}

/* Steps. Each returns false if EL2 has stopped. */

bool do_attach(bool attach)
{
	u64 iommu = some_iommu(), sid = some_sid(iommu), domain = some_domain_for(iommu), res[6];

	/* A refused call takes no page: the specification compares the pool. */
	if (!below(16))
		call(false, res, PKVM_IOMMU_INFO, PKVM_IOMMU_INFO_POOL_FREE);
	/* Usually a stream that is attached. */
	if (!attach && below(4) && iommu < (u64)spec.nr_iommus &&
	    !(sid >> spec.iommu[iommu].sid_bits))
		domain = spec_domain_of(&spec, iommu, sid);
	if (call(false, res, attach ? PKVM_IOMMU_ATTACH : PKVM_IOMMU_DETACH, iommu, sid,
		 domain) > 0)
		return false;
	if (!below(16))
		call(false, res + 3, PKVM_IOMMU_INFO, PKVM_IOMMU_INFO_POOL_FREE);
	/* Give the pages that it asks for, and repeat. It must not ask again. */
	if ((int)res[0] == -ENOMEM && attach && below(2)) {
		int given = give_pages(res[1]);

		if (given <= 0)
			return !given;
		if (call(false, res, PKVM_IOMMU_ATTACH, iommu, sid, domain) > 0)
			return false;
	}
	/* Usually do the REPLAY that it asks for. */
	if (attach && !res[0] && res[1] && below(8))
		return replay_all(iommu, domain, true);

	return true;
}

bool do_topup(void)
{
	u64 res[3];

	return call(false, res, PKVM_IOMMU_TOPUP, some_pfn(), some_number(PKVM_IOMMU_TOPUP_MAX)) <= 0;
}

bool do_reclaim(u64 times)
{
	u64 res[3];

	for (; times; times--) {
		if (call(false, res, PKVM_IOMMU_RECLAIM))
			break;
	}

	return true;
}

bool do_page(void)
{
	struct act a = { .kind = ACT_PAGE, .chance = noise(), .a = { below(ENV_OPS) } };
	unsigned char *page;
	u64 res[3];
	int tries;

	/* Usually a page in a state that allows the transition. */
	for (tries = 0; tries < 20; tries++) {
		a.a[1] = some_pfn();
		page = spec_page(&spec, a.a[1]);
		if (page && *page == spec_page_from(a.a[0]))
			return act(&a, res) <= 0;
	}

	return below(4) || act(&a, res) <= 0;
}

static bool do_fault(u64 times)
{
	/* The event queue was not reached; service failure mode; both. */
	static const u64 errors[] = { 1 << 2, 1 << 8, 1 << 2 | 1 << 8 };
	u64 res[3], iommu;

	for (; times; times--) {
		iommu = some_iommu();
		if (is_smmu(iommu) && !is_smmu_v2(iommu) && !below(20)) {
			struct act a = { .kind = ACT_GERROR, .a = { iommu, errors[below(3)] } };

			act(&a, res);
		}
		call(false, res, PKVM_IOMMU_FAULT, iommu);
	}

	return true;
}

/* Memory, MMIO, registers of an IOMMU and the page after them, or anything. */
static u64 any_phys(void)
{
	const struct spec_iommu *i = &spec.iommu[spec.nr_iommus ? below(spec.nr_iommus) : 0];

	switch (below(8)) {
	case 0:
		return i->base + below(i->size + ENV_PAGE);
	case 1:
		return rnd() >> below(64);
	}

	return some_phys(rnd());
}

bool do_info(void)
{
	u64 res[3];

	if (!below(3))
		call(false, res, PKVM_IOMMU_INFO, PKVM_IOMMU_INFO_REACHES, any_phys());
	else
		call(false, res, PKVM_IOMMU_INFO, below(10) ? below(12) : rnd() >> below(64),
		     some_iommu());

	return true;
}

static bool do_region(void)
{
	u64 res[3], iommu = some_iommu(), sid = some_sid(iommu), index;
	int ret;

	/* Usually all regions of a stream that exists. */
	if (!is_virtio(iommu) || !below(4))
		return call(false, res, PKVM_IOMMU_REGION, iommu, sid,
			    below(2) ? below(5) : rnd() >> below(64)) <= 0;
	sid = below(spec.iommu[iommu].endpoints);
	for (index = 0, ret = 0; !ret; index++)
		ret = call(false, res, PKVM_IOMMU_REGION, iommu, sid, index);

	return ret < 0;
}

static bool do_dma(void)
{
	u64 all = config->nr + config->nr_virtio + config->permits, iommu = below(all), res[3];
	u64 sid, root;
	struct act a = { .kind = ACT_DMA, .chance = noise(),  };

	/* Test backends of the other kinds have no devices. */
	if (iommu >= all - config->permits)
		iommu += nr_configured() - all;
	sid = is_permits(iommu) ? 0 : some_sid(iommu) & 0xffffffff;
	a.a[0] = iommu;
	a.a[1] = sid;
	/* Only addresses that this hardware can express. */
	if (!all || spec.iommu[iommu].dead ||
	    (is_smmu(iommu) && (spec.iommu[iommu].ids ? sid & 0xffff : sid) >>
	     config->smmu[iommu].sid_bits) ||
	    (is_virtio(iommu) && sid >= spec.iommu[iommu].endpoints))
		return true;
	a.a[2] = (some_pfn() & (~0ULL / ENV_PAGE)) * ENV_PAGE + below(ENV_PAGE);
	if (!(sid >> spec.iommu[iommu].sid_bits) && spec_attached(&spec, iommu, sid) &&
	    spec_domain_of(&spec, iommu, sid) &&
	    !spec_nested(&spec, spec_domain_of(&spec, iommu, sid), &root))
		a.a[2] = some_iova() + below(ENV_PAGE);
	a.a[3] = below(2);

	return act(&a, res) <= 0;
}

/* Events that a device can cause other than by the address of an access. */
static bool do_strange(void)
{
	static const struct {
		int event, reason;
		bool address;
	} strange[] = {
		{ 0x03, PKVM_IOMMU_FAULT_HARDWARE, false },
		{ 0x07, PKVM_IOMMU_FAULT_FORBIDDEN, true },
		{ 0x08, PKVM_IOMMU_FAULT_FORBIDDEN, false },
		{ 0x0b, PKVM_IOMMU_FAULT_HARDWARE, false },
		{ 0x12, PKVM_IOMMU_FAULT_PERMISSION, true },
		{ 0x24, PKVM_IOMMU_FAULT_UNKNOWN, false },
		{ 0x25, PKVM_IOMMU_FAULT_HARDWARE, false },
		{ 0xe0, PKVM_IOMMU_FAULT_UNKNOWN, false },
	};
	unsigned int which = below(COUNT(strange));
	u64 iommu = below(config->nr + config->nr_virtio), res[3];
	struct act a = { .kind = ACT_EVENT, .chance = noise(),
			 .a = { iommu, some_sid(iommu) & 0xffffffff, strange[which].event,
				strange[which].reason, strange[which].address, noise(),
				below(2) } };

	/* The records of an SMMUv2 are of accesses: do_dma() makes them all. */
	if (!(config->nr + config->nr_virtio) || spec.iommu[iommu].dead || is_smmu_v2(iommu))
		return true;
	if (is_virtio(iommu)) {
		/* Defined reasons, with or without an address; and undefined ones. */
		a.a[2] = below(4);
		a.a[3] = a.a[2] == VDEV_FAULT_DOMAIN ? PKVM_IOMMU_FAULT_BLOCKED :
			 a.a[2] == VDEV_FAULT_MAPPING ? PKVM_IOMMU_FAULT_UNMAPPED :
			 PKVM_IOMMU_FAULT_UNKNOWN;
		a.a[4] = below(2);
	}

	return act(&a, res) <= 0;
}

/* Unless an IOMMU loses commands: EL2 would stop, which resume_fails() is for. */
bool do_resume(void)
{
	struct act a = { .kind = ACT_RESUME, .chance = noise(), .a = { below(1 << config->nr) } };
	u64 res[3];

	return may_stop || act(&a, res) <= 0;
}

static bool do_test(void)
{
	static const u64 others[] = { PKVM_IOMMU_TEST_GUEST_PGD, PKVM_IOMMU_TEST_UNMAP_DEV,
				      PKVM_IOMMU_TEST_SELFTEST, PKVM_IOMMU_TEST_PERMITTED + 1,
				      PKVM_IOMMU_TEST_WRITE_REG };
	u64 res[3], iommu = some_iommu();

	if (!below(4))
		return call(false, res, PKVM_IOMMU_TEST, PKVM_IOMMU_TEST_DONATE, some_pfn(), 1) <= 0;
	if (!below(8))
		call(false, res, PKVM_IOMMU_TEST, PKVM_IOMMU_TEST_PERMITTED, iommu,
		     (some_pfn() & (~0ULL >> 12)) * ENV_PAGE);
	else if (!below(8))
		call(false, res, PKVM_IOMMU_TEST, others[below(COUNT(others))], iommu, 1ULL << 40);
	else if (below(2))
		call(false, res, PKVM_IOMMU_TEST, PKVM_IOMMU_TEST_SHADOW,
		     (some_pfn() & (~0ULL / ENV_PAGE)) * ENV_PAGE);
	else
		call(false, res, PKVM_IOMMU_TEST, below(2) ? PKVM_IOMMU_TEST_STREAM :
		     PKVM_IOMMU_TEST_INVALIDATIONS, iommu, some_sid(iommu));

	return true;
}

static bool do_garbage(void)
{
	u64 res[3], op = below(2) ? PKVM_IOMMU_REGION + 1 + below(4) : rnd() >> below(64);

	if (op <= PKVM_IOMMU_REGION)
		return true;
	return call(false, res, op, rnd() >> below(64)) <= 0;
}

bool mostly_races;

bool one_step(void)
{
	if (config->suspends && !below(50))
		return do_resume();
	if (mostly_races && below(2))
		return do_race();

	switch (below(64)) {
	case 60 ... 63:
		return do_race();
	case 40 ... 42:
		return do_domain();
	case 43 ... 50:
		return do_map();
	case 51 ... 57:
		return do_unmap();
	case 58:
		return below(2) ? do_lookup() : below(2) ? do_replay() : do_starved();
	case 59:
		return below(2) ? do_invalidate() : below(8) ? do_flush() : do_lazies();
	case 0 ... 6:
		return do_attach(true);
	case 7 ... 12:
		return do_attach(false);
	case 13 ... 15:
		return do_topup();
	case 16 ... 18:
		return do_reclaim(below(120) ? 1 : 10000);
	case 20 ... 29:
		return do_page();
	case 30 ... 31:
		return do_fault(below(8) ? 1 : 12);
	case 32 ... 33:
		return below(3) ? do_info() : do_region();
	case 34 ... 37:
		return do_dma();
	case 19:
		return do_test();
	case 38:
		return below(4) ? do_dma() : do_strange();
	}

	return do_garbage();
}
