// SPDX-License-Identifier: GPL-2.0
/*
 * The hypercall contract, include/uapi/linux/pkvm_iommu.h: every operation, with its
 * arguments at their limits, returns the documented error and changes nothing. TAP.
 *
 *	hypercalls	the layer is in service
 *	hypercalls off	pkvm_iommu=off: everything answers -ENODEV
 *	hypercalls masks	an id of the first IOMMU has a mask in its upper half, so that
 *			all values of 32 bits are streams
 *
 * If there is no identity domain, streams are attached to a domain of this program.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "edu.h"
#include "phys.h"
#include "tap.h"
#include "testdev.h"

#define BIT(n)		(1ULL << (n))
#define ALL_ONES	(~0ULL)
#define IDENTITY	PKVM_IOMMU_DOMAIN_IDENTITY
/* Any error is right. */
#define ANY_ERROR	1

static struct edu edu;
static bool have_edu;
static bool edu_attached;
static uint64_t iommu;		/* the IOMMU of edu, else the first */
static bool identity;
static bool masks;
static uint64_t home;		/* the domain that edu is attached to */
static uint64_t dom = IDENTITY;	/* a domain for streams */
static uint8_t *own;

typedef unsigned long long ull;

struct state {
	uint64_t value[PKVM_IOMMU_INFO_LIMIT + 1];
};

static struct state state(void)
{
	struct state s = { 0 };
	int i;

	for (i = 0; i <= PKVM_IOMMU_INFO_LIMIT; i++)
		if (td_info(i, &s.value[i]))
			s.value[i] = ALL_ONES;
	return s;
}

static uint64_t pool_free(void)
{
	return state().value[PKVM_IOMMU_INFO_POOL_FREE];
}

static bool unchanged(const struct state *before)
{
	struct state now = state();
	int i;

	for (i = 0; i <= PKVM_IOMMU_INFO_LIMIT; i++)
		if (now.value[i] != before->value[i])
			tap_note("info %d was %#llx and is %#llx", i,
				 (ull)before->value[i], (ull)now.value[i]);
	return !memcmp(&now, before, sizeof(now));
}

static uint64_t shadow(uint64_t phys)
{
	struct td_res res = td_call(PKVM_IOMMU_TEST, PKVM_IOMMU_TEST_SHADOW,
				    phys, 0);

	return res.err ? ALL_ONES : res.x2;
}

static bool error_is(struct td_res res, int err)
{
	bool good = !res.x0 &&
		    (err == ANY_ERROR ? res.err < 0 && res.err > -4096 :
					res.err == err);

	/* x2 and x3 are 0 without a result: an error leaks nothing. */
	if (res.err < 0 && res.err != -ENOMEM && (res.x2 || res.x3))
		good = false;
	if (!good)
		tap_note("x0 %lld x1 %lld x2 %#llx x3 %#llx, expected x1 %d",
			 (long long)res.x0, (long long)res.err, (ull)res.x2,
			 (ull)res.x3, err);
	return good;
}

/* One call that must fail with @err and change nothing. */
static void refuse(const char *name, uint64_t op, uint64_t a, uint64_t b,
		   uint64_t c, int err)
{
	struct state before = state();
	struct td_res res = td_call(op, a, b, c);
	bool same = unchanged(&before);

	tap_ok(error_is(res, err) && same, "%s(%#llx, %#llx, %#llx): %s", name,
	       (ull)a, (ull)b, (ull)c,
	       err == ANY_ERROR ? "refused" : strerrorname_np(-err));
}

#define REFUSE(op, a, b, c, err) refuse(#op, PKVM_IOMMU_##op, a, b, c, err)

/* The device reads and writes host memory. */
static void control(const char *when)
{
	static uint64_t marker = 0x1122334455667788;
	uint64_t phys = have_edu ? phys_of(own) : 0;
	volatile uint64_t *p = (volatile uint64_t *)own;

	if (!have_edu) {
		tap_skip("no edu device", "DMA works %s", when);
		return;
	}
	if (!identity) {
		REFUSE(ATTACH, iommu, edu.sid, IDENTITY, -EOPNOTSUPP);
		return;
	}
	p[0] = ++marker;
	p[1] = 0;
	if (!edu_fetch(&edu, phys, 8))
		edu_store(&edu, phys + 8, 8);
	tap_ok(p[1] == marker, "DMA works %s", when);
}

static void test_unknown_ops(void)
{
	static const uint64_t ops[] = {
		PKVM_IOMMU_REGION + 1, 0x100, BIT(31), BIT(32), BIT(32) + 5,
		BIT(63), ALL_ONES,
	};
	size_t i;

	for (i = 0; i < sizeof(ops) / sizeof(ops[0]); i++) {
		char name[32];

		snprintf(name, sizeof(name), "op %#llx", (ull)ops[i]);
		refuse(name, ops[i], 0, 0, 0, -EOPNOTSUPP);
	}
}

/* Invalid ids of IOMMUs, streams and domains, each next to valid ones. */
static const uint64_t no_iommu[] = {
	PKVM_IOMMU_MAX - 1, PKVM_IOMMU_MAX, 0x8000, BIT(31), BIT(32), BIT(63),
	ALL_ONES,
};

/* The first two are streams if ids have masks. */
static const uint64_t no_stream[] = {
	0xffffffff, BIT(31), BIT(32), BIT(63), ALL_ONES,
};

static const uint64_t no_domain[] = { 1001, 1002, BIT(31), BIT(32), ALL_ONES };

#define FOR_EACH(i, a) for (i = 0; i < sizeof(a) / sizeof((a)[0]); i++)

/*
 * -ENOMEM is always allowed if it returns the number of pages to give. They stay in
 * the pool: the kernel leaks them.
 */
static struct td_res attach(uint64_t sid)
{
	struct td_res res = td_attach(iommu, sid, dom);

	if (res.x0 || res.err != -ENOMEM || !res.x2 || res.x2 > 16)
		return res;
	td_topup(res.x2);
	return td_attach(iommu, sid, dom);
}

/* Check the calls that the core made to the software backend. */
static void backend_knows(uint64_t sid, bool attached, uint64_t invalidations)
{
	struct td_res stream = td_call(PKVM_IOMMU_TEST, PKVM_IOMMU_TEST_STREAM, iommu, sid);
	struct td_res inv = td_call(PKVM_IOMMU_TEST, PKVM_IOMMU_TEST_INVALIDATIONS, iommu, 0);

	if (stream.err || inv.err)
		return;
	tap_ok(stream.x2 == attached, "the backend has stream %#llx %s", (ull)sid,
	       attached ? "attached" : "blocked");
	tap_ok(inv.x2 == invalidations, "%llu invalidations: %llu",
	       (ull)invalidations, (ull)inv.x2);
}

static void test_streams(void)
{
	/* Function 7 of edu, or of the host bridge, does not exist. */
	uint64_t sid = edu.sid, none = edu.sid | 7, spare = identity ? none : sid;
	struct td_res res;
	size_t i;

	FOR_EACH(i, no_iommu) {
		REFUSE(ATTACH, no_iommu[i], none, dom, -ENOENT);
		REFUSE(DETACH, no_iommu[i], sid, home, -ENOENT);
	}
	for (i = masks ? 2 : 0; i < sizeof(no_stream) / sizeof(no_stream[0]); i++) {
		REFUSE(ATTACH, iommu, no_stream[i], dom, -EINVAL);
		REFUSE(DETACH, iommu, no_stream[i], dom, -EINVAL);
	}
	/* The upper 32 bits are checked too. */
	REFUSE(ATTACH, iommu, BIT(32) | sid, dom, -EINVAL);
	FOR_EACH(i, no_domain) {
		REFUSE(ATTACH, iommu, none, no_domain[i], -ENXIO);
		REFUSE(DETACH, iommu, sid, no_domain[i], -ENXIO);
	}
	REFUSE(DETACH, iommu, none, dom, -ENOTCONN);
	if (edu_attached)
		REFUSE(ATTACH, iommu, sid, dom, -EBUSY);
	else
		tap_skip("no edu device behind an IOMMU", "ATTACH of an attached stream");
	control("after refused attaches and detaches");

	if (!identity) {
		REFUSE(DETACH, iommu, sid, dom, -ENOTCONN);
		REFUSE(ATTACH, iommu, none, dom, -EIO);
		res = td_call(PKVM_IOMMU_DETACH, iommu, sid, home);
		tap_ok(!res.x0 && !res.err, "DETACH of edu: %lld", (long long)res.err);
	}
	res = attach(spare);
	if (!tap_ok(!res.x0 && !res.err && !res.x2 && !res.x3,
		    "ATTACH of stream %#llx: %lld", (ull)spare,
		    (long long)res.err))
		return;
	backend_knows(spare, true, 0);
	REFUSE(ATTACH, iommu, spare, dom, -EBUSY);
	/* While a stream is attached, memory that the host loses is invalidated. */
	td_call(PKVM_IOMMU_TOPUP, td_alloc() / PAGE, 1, 0);
	backend_knows(spare, true, 1);
	res = td_call(PKVM_IOMMU_DETACH, iommu, spare, dom);
	tap_ok(!res.x0 && !res.err && !res.x2 && !res.x3, "DETACH of it: %lld",
	       (long long)res.err);
	backend_knows(spare, false, 2);
	td_call(PKVM_IOMMU_TOPUP, td_alloc() / PAGE, 1, 0);
	backend_knows(spare, false, 2);
	REFUSE(DETACH, iommu, spare, dom, -ENOTCONN);
	if (!identity) {
		res = td_attach(iommu, sid, home);
		tap_ok(!res.x0 && !res.err, "ATTACH of edu to where it was: %lld",
		       (long long)res.err);
	}
}

/* Offer the first page of a range of @kind to the pool. */
static void refuse_range(uint64_t kind, const char *what)
{
	struct pkvm_iommu_test_range r;
	struct state before = state();
	struct td_res res;

	if (!td_range(kind, 0, &r) || !r.size) {
		tap_skip("none here", "TOPUP of %s", what);
		return;
	}
	res = td_call(PKVM_IOMMU_TOPUP, r.address / PAGE, 1, 0);
	tap_ok(error_is(res, -EPERM) && unchanged(&before), "TOPUP of %s: EPERM",
	       what);
}

static void test_topup_refused(uint64_t phys)
{
	static const uint64_t bad_pages[] = {
		0, PKVM_IOMMU_TOPUP_MAX + 1, BIT(32), BIT(32) + 1, BIT(52),
		BIT(63), ALL_ONES,
	};
	/* Beyond physical addresses, and numbers that wrap when shifted. */
	static const uint64_t bad_pfn[] = {
		BIT(52) - 1, BIT(52), BIT(52) + 1, BIT(63), ALL_ONES,
	};
	const uint64_t share[17] = { phys / PAGE };
	struct state before;
	struct td_res res;
	size_t i;

	FOR_EACH(i, bad_pages)
		REFUSE(TOPUP, phys / PAGE, bad_pages[i], 0, -EINVAL);
	FOR_EACH(i, bad_pfn)
		REFUSE(TOPUP, bad_pfn[i], 1, 0, -EINVAL);
	/* Page 0 is not memory on the test machines; all ones wraps. */
	REFUSE(TOPUP, 0, 1, 0, -EPERM);
	REFUSE(TOPUP, ALL_ONES, 2, 0, -EINVAL);

	refuse_range(PKVM_IOMMU_TEST_RANGE_MMIO, "an IOMMU's registers");
	refuse_range(PKVM_IOMMU_TEST_RANGE_TABLE, "an IOMMU's memory");
	refuse_range(PKVM_IOMMU_TEST_RANGE_POOL, "the pool's memory");
	refuse_range(PKVM_IOMMU_TEST_RANGE_HYP_TEXT, "EL2's text");
	refuse_range(PKVM_IOMMU_TEST_RANGE_HYP_BSS, "EL2's bss");
	refuse_range(PKVM_IOMMU_TEST_RANGE_CARVEOUT, "EL2's carve-out");

	res = td_raw(PKVM_IOMMU_TEST_FN_SHARE_HYP, share);
	before = state();
	tap_ok(!res.x0 && !res.err && shadow(phys) == identity,
	       "share a page with EL2: devices still reach it");
	res = td_call(PKVM_IOMMU_TOPUP, phys / PAGE, 1, 0);
	tap_ok(error_is(res, -EPERM) && unchanged(&before),
	       "TOPUP of a page that is shared with EL2: EPERM");
	res = td_raw(PKVM_IOMMU_TEST_FN_UNSHARE_HYP, share);
	tap_ok(!res.x0 && !res.err, "unshare it");
}

/* A range whose second page is refused: no page is taken. */
static void test_topup_partial(void)
{
	struct pkvm_iommu_test_range r;
	struct state before = state();
	struct td_res res;

	if (!td_range(PKVM_IOMMU_TEST_RANGE_CARVEOUT, 0, &r)) {
		tap_skip("no carve-out", "TOPUP across the carve-out's start");
		return;
	}
	res = td_call(PKVM_IOMMU_TOPUP, r.address / PAGE - 1, 2, 0);
	tap_ok(error_is(res, -EPERM) && unchanged(&before),
	       "TOPUP across the carve-out's start: EPERM");
}

/* A stream far from all others may need memory that the pool lacks. */
#define FAR_STREAM	0x4000

static void test_attach_empty(void)
{
	struct state before = state();
	struct td_res res;

	res = td_call(PKVM_IOMMU_ATTACH, iommu, FAR_STREAM, dom);
	if (!res.x0 && res.err == -EINVAL) {
		tap_skip("not so many streams", "ATTACH with an empty pool");
		return;
	}
	if (res.err == -ENOMEM) {
		tap_ok(res.x2 && !res.x3 && unchanged(&before),
		       "ATTACH with an empty pool: ENOMEM, wants %llu",
		       (ull)res.x2);
		res = attach(FAR_STREAM);
	}
	/* Hardware without page tables knows the streams that exist. */
	if (!identity) {
		tap_ok(!res.x0 && res.err == -EIO, "ATTACH of stream %#x: EIO", FAR_STREAM);
		return;
	}
	tap_ok(!res.x0 && !res.err, "ATTACH of stream %#x: %lld", FAR_STREAM,
	       (long long)res.err);
	res = td_call(PKVM_IOMMU_DETACH, iommu, FAR_STREAM, dom);
	tap_ok(!res.x0 && !res.err, "DETACH of it: %lld", (long long)res.err);
}

#define MANY 4096

/* Empty the pool, check that it is empty, fill it again. */
static void test_reclaim_all(void)
{
	static uint64_t pfn[MANY];
	struct state before = state(), empty;
	struct td_res res = { 0 };
	size_t n, i, bad = 0;

	for (n = 0; n < MANY; n++) {
		res = td_call(PKVM_IOMMU_RECLAIM, 0, 0, 0);
		if (res.err)
			break;
		pfn[n] = res.x2;
		bad += !res.x2 || res.x3;
	}
	empty = state();
	tap_ok(res.err == -ENOMEM && !res.x2 && !bad,
	       "RECLAIM gives %zu pages, then ENOMEM", n);
	tap_ok(n == before.value[PKVM_IOMMU_INFO_POOL_FREE] &&
	       !empty.value[PKVM_IOMMU_INFO_POOL_FREE] &&
	       empty.value[PKVM_IOMMU_INFO_POOL_TOTAL] + n ==
	       before.value[PKVM_IOMMU_INFO_POOL_TOTAL],
	       "the pool counts them");
	control("with an empty pool");
	test_attach_empty();
	empty = state();
	for (i = n, bad = 0; i--; )
		bad += td_call(PKVM_IOMMU_TOPUP, pfn[i], 1, 0).err != 0;
	tap_ok(!bad && pool_free() ==
	       empty.value[PKVM_IOMMU_INFO_POOL_FREE] + n,
	       "they can be given again");
}

static void test_pool(void)
{
	uint64_t phys = td_alloc();
	struct state before, after;
	struct td_res res;

	if (!tap_ok(phys != 0, "a page to give"))
		return;
	test_topup_refused(phys);
	test_topup_partial();
	control("after refused top-ups");

	before = state();
	res = td_call(PKVM_IOMMU_TOPUP, phys / PAGE, 1, 0);
	after = state();
	tap_ok(!res.x0 && !res.err && !res.x2 && !res.x3, "TOPUP of a page: %lld",
	       (long long)res.err);
	tap_ok(after.value[PKVM_IOMMU_INFO_POOL_FREE] ==
	       before.value[PKVM_IOMMU_INFO_POOL_FREE] + 1 &&
	       after.value[PKVM_IOMMU_INFO_POOL_TOTAL] ==
	       before.value[PKVM_IOMMU_INFO_POOL_TOTAL] + 1,
	       "the pool counts it");
	tap_ok(shadow(phys) == 0, "the shadow does not map it");
	REFUSE(TOPUP, phys / PAGE, 1, 0, -EPERM);
	test_reclaim_all();
	/* EL2 chooses the page that it returns; the kernel leaks this one. */
	td_free(phys);
	control("after reclaim");
}

static void test_fault(void)
{
	struct td_res res;
	size_t i;

	FOR_EACH(i, no_iommu)
		REFUSE(FAULT, no_iommu[i], 0, 0, -ENOENT);
	/* The kernel may have taken the record already: both results are right. */
	res = td_call(PKVM_IOMMU_FAULT, iommu, 0, 0);
	tap_ok(!res.x0 && (!res.err || res.err == -EAGAIN), "FAULT: %lld",
	       (long long)res.err);
}

static void reaches(uint64_t phys, uint64_t expect, const char *what)
{
	struct td_res res = td_call(PKVM_IOMMU_INFO, PKVM_IOMMU_INFO_REACHES, phys, 0);

	tap_ok(!res.err && res.x2 == expect && !res.x3, "INFO: the host %s %s, %#llx",
	       expect ? "reaches" : "does not reach", what, (ull)phys);
}

static void test_info(void)
{
	static const uint64_t el2_kinds[] = {
		PKVM_IOMMU_TEST_RANGE_HYP_TEXT, PKVM_IOMMU_TEST_RANGE_HYP_DATA,
		PKVM_IOMMU_TEST_RANGE_CARVEOUT, PKVM_IOMMU_TEST_RANGE_POOL,
		PKVM_IOMMU_TEST_RANGE_TABLE,
	};
	struct pkvm_iommu_test_range r;
	static const uint64_t bad[] = {
		PKVM_IOMMU_INFO_REACHES + 1, BIT(31), BIT(32), BIT(63), ALL_ONES,
	};
	struct state s = state();
	struct td_res res;
	size_t i;

	FOR_EACH(i, bad)
		REFUSE(INFO, bad[i], 0, 0, -EINVAL);
	tap_ok(s.value[PKVM_IOMMU_INFO_POOL_FREE] +
	       s.value[PKVM_IOMMU_INFO_SHADOW] <=
	       s.value[PKVM_IOMMU_INFO_POOL_TOTAL],
	       "pool: %llu free, %llu in the shadow, of %llu",
	       (ull)s.value[0], (ull)s.value[2], (ull)s.value[1]);
	tap_ok(s.value[PKVM_IOMMU_INFO_LIMIT] >= 32 &&
	       s.value[PKVM_IOMMU_INFO_LIMIT] <= 56,
	       "devices reach %llu bits", (ull)s.value[PKVM_IOMMU_INFO_LIMIT]);
	res = td_call(PKVM_IOMMU_INFO, PKVM_IOMMU_INFO_IDENTITY, iommu, 0);
	tap_ok(!res.err && res.x2 == (home == IDENTITY) && !res.x3,
	       "its streams can%s have the identity domain", identity ? "" : "not");
	REFUSE(INFO, PKVM_IOMMU_INFO_IDENTITY, PKVM_IOMMU_MAX, 0, -ENOENT);
	REFUSE(INFO, PKVM_IOMMU_INFO_IDENTITY, ALL_ONES, 0, -ENOENT);
	REFUSE(INFO, PKVM_IOMMU_INFO_MANAGED, PKVM_IOMMU_MAX, 0, -ENOENT);
	REFUSE(INFO, PKVM_IOMMU_INFO_MANAGED, ALL_ONES, 0, -ENOENT);
	REFUSE(INFO, PKVM_IOMMU_INFO_NESTED, PKVM_IOMMU_MAX, 0, -ENOENT);
	REFUSE(INFO, PKVM_IOMMU_INFO_NESTED, ALL_ONES, 0, -ENOENT);
	REFUSE(INFO, PKVM_IOMMU_INFO_LIMIT, PKVM_IOMMU_MAX, 0, -ENOENT);
	REFUSE(INFO, PKVM_IOMMU_INFO_LIMIT, ALL_ONES, 0, -ENOENT);
	REFUSE(INFO, PKVM_IOMMU_INFO_GEOMETRY, PKVM_IOMMU_MAX, 0, -ENOENT);
	REFUSE(INFO, PKVM_IOMMU_INFO_GEOMETRY, ALL_ONES, 0, -ENOENT);
	REFUSE(DOMAIN_ALLOC, PKVM_IOMMU_DOMAIN_MANAGED, 0, PKVM_IOMMU_MAX, -ENOENT);
	REFUSE(DOMAIN_ALLOC, PKVM_IOMMU_DOMAIN_NESTED, 0, ALL_ONES, -ENOENT);
	REFUSE(INFO, PKVM_IOMMU_INFO_MAPPED, IDENTITY, 0, -ENXIO);
	REFUSE(INFO, PKVM_IOMMU_INFO_MAPPED, ALL_ONES, 0, -ENXIO);
	REFUSE(INFO, PKVM_IOMMU_INFO_REGISTERS, PKVM_IOMMU_MAX, 0, -ENOENT);
	REFUSE(INFO, PKVM_IOMMU_INFO_REGISTERS, ALL_ONES, 0, -ENOENT);
	for (i = 0; td_range(PKVM_IOMMU_TEST_RANGE_MMIO, i, &r); i++) {
		res = td_call(PKVM_IOMMU_INFO, PKVM_IOMMU_INFO_REGISTERS, r.iommu, 0);
		tap_ok(!res.err && res.x2 == r.address && !res.x3,
		       "INFO: IOMMU %llu has registers at %#llx", (ull)r.iommu, (ull)res.x2);
		if (r.size)
			reaches(r.address, 0, "its registers");
	}
	for (i = 0; i < sizeof(el2_kinds) / sizeof(*el2_kinds); i++)
		if (td_range(el2_kinds[i], 0, &r) && r.size)
			reaches(r.address, 0, "memory of EL2's");
	reaches(phys_of(&s) & ~(PAGE - 1), 1, "memory of its own");
	reaches(ALL_ONES, 1, "the last page, where nothing is");
	REFUSE(REPLAY, PKVM_IOMMU_MAX, 0, 0, -ENOENT);
	REFUSE(REPLAY, 0, 0, 0, -ENXIO);
	/*
	 * QEMU's IOMMUs have no regions. One without page tables is asked, and answers that it
	 * has no function 7 of edu.
	 */
	REFUSE(REGION, iommu, edu.sid, 0, -ENODATA);
	REFUSE(REGION, iommu, edu.sid, ALL_ONES, -ENODATA);
	REFUSE(REGION, iommu, edu.sid | 7, 0, identity ? -ENODATA : -EIO);
	REFUSE(REGION, PKVM_IOMMU_MAX, edu.sid, 0, -ENOENT);
	REFUSE(REGION, ALL_ONES, edu.sid, 0, -ENOENT);
	for (i = masks ? 2 : 0; i < sizeof(no_stream) / sizeof(no_stream[0]); i++)
		REFUSE(REGION, iommu, no_stream[i], 0, -EINVAL);
	/* Arguments that an operation does not have are ignored. */
	res = td_call(PKVM_IOMMU_INFO, PKVM_IOMMU_INFO_LIMIT, 0, ALL_ONES);
	tap_ok(!res.err && res.x2 == s.value[PKVM_IOMMU_INFO_LIMIT] && !res.x3,
	       "INFO ignores further arguments");
}

static uint64_t permitted(uint64_t id, uint64_t phys)
{
	struct td_res res = td_call(PKVM_IOMMU_TEST, PKVM_IOMMU_TEST_PERMITTED, id, phys);

	return res.err ? ALL_ONES : res.x2;
}

/* Check if the command line asks for a software IOMMU: pkvm_iommu_test=@word. */
static bool asked_for(const char *word)
{
	char line[2048] = "", *words;
	FILE *f = fopen("/proc/cmdline", "r");

	if (!f || !fgets(line, sizeof(line), f))
		tap_bail("cannot read the command line");
	fclose(f);
	words = strstr(line, "pkvm_iommu_test=");
	if (!words)
		return false;
	words[strcspn(words, " ")] = '\0';

	return strstr(words, word);
}

/* The contexts of a software IOMMU that translates run out. */
static void test_no_space(uint64_t id, uint64_t domain)
{
	const uint64_t end = PKVM_IOMMU_TEST_CONTEXTS;
	uint64_t sid;

	for (sid = 0; sid < end && !td_call(PKVM_IOMMU_ATTACH, id, sid, domain).err; sid++)
		;
	tap_ok(sid == end, "ATTACH of %llu streams to a managed domain", (ull)sid);
	REFUSE(ATTACH, id, end, domain, -ENOSPC);
	tap_ok(!td_call(PKVM_IOMMU_ATTACH, id, end, IDENTITY).err &&
	       !td_call(PKVM_IOMMU_DETACH, id, end, IDENTITY).err,
	       "ATTACH of the next to the identity domain");
	REFUSE(DETACH, id, end, domain, -ENOTCONN);
	while (sid--)
		td_call(PKVM_IOMMU_DETACH, id, sid, domain);
}

/* A software IOMMU that is told of mappings: no identity domain, and a replay after ATTACH. */
static void test_told(void)
{
	uint64_t id, domain, before, map[17] = { PKVM_IOMMU_MAP };
	struct td_res res;

	for (id = 0; id < PKVM_IOMMU_MAX; id++) {
		res = td_call(PKVM_IOMMU_INFO, PKVM_IOMMU_INFO_IDENTITY, id, 0);
		if (!td_call(PKVM_IOMMU_TEST, PKVM_IOMMU_TEST_STREAM, id, 0).err && !res.x2)
			break;
	}
	if (id == PKVM_IOMMU_MAX) {
		if (asked_for("told"))
			tap_ok(false, "an IOMMU that is told of mappings");
		return;
	}
	td_topup(32);
	domain = td_call(PKVM_IOMMU_DOMAIN_ALLOC, 0, 0, id).x2;
	REFUSE(ATTACH, id, 0, IDENTITY, -EOPNOTSUPP);
	REFUSE(ATTACH, 0, 0, domain, -EINVAL);
	map[1] = domain;
	map[2] = PAGE;
	map[3] = 3;
	map[4] = PKVM_IOMMU_RUN(td_alloc(), 1);
	res = td_raw(PKVM_IOMMU_TEST_FN_CALL, map);
	tap_ok(!res.err && res.x2 == PAGE, "MAP a page for IOMMU %llu, which is told: %lld",
	       (ull)id, (long long)res.err);
	res = td_call(PKVM_IOMMU_ATTACH, id, 0, domain);
	tap_ok(!res.err && res.x2 == 1, "ATTACH asks for a replay");
	do {
		res = td_call(PKVM_IOMMU_REPLAY, id, domain, 0);
	} while (!res.err && res.x2);
	tap_ok(!res.err, "REPLAY of the page: %lld", (long long)res.err);
	before = td_call(PKVM_IOMMU_TEST, PKVM_IOMMU_TEST_INVALIDATIONS, id, 0).x2;
	res = td_call(PKVM_IOMMU_UNMAP, domain, PAGE, PAGE);
	tap_ok(!res.err && res.x3 == PAGE &&
	       td_call(PKVM_IOMMU_TEST, PKVM_IOMMU_TEST_INVALIDATIONS, id, 0).x2 > before,
	       "it is told of the UNMAP");
	tap_ok(!td_call(PKVM_IOMMU_DETACH, id, 0, domain).err, "DETACH of it");
	tap_ok(!td_call(PKVM_IOMMU_DOMAIN_FREE, domain, 0, 0).err, "its domain is free again");
}

/* An IOMMU that only permits and denies: one stream, no managed domains; it follows ownership. */
static void test_permits(void)
{
	uint64_t kind, id, domain, phys = td_alloc();
	struct pkvm_iommu_test_range r;
	struct td_res res;

	for (id = 0; permitted(id, phys) == ALL_ONES && id < PKVM_IOMMU_MAX; id++)
		;
	if (id == PKVM_IOMMU_MAX) {
		if (asked_for("permits"))
			tap_ok(false, "an IOMMU that only permits and denies");
		return;
	}
	res = td_call(PKVM_IOMMU_INFO, PKVM_IOMMU_INFO_MANAGED, id, 0);
	tap_ok(!res.err && res.x2 == PKVM_IOMMU_MANAGED_NONE, "IOMMU %llu: no managed domains",
	       (ull)id);
	td_topup(32);
	domain = td_call(PKVM_IOMMU_DOMAIN_ALLOC, 0, 0, 0).x2;
	REFUSE(ATTACH, id, 0, domain, -EOPNOTSUPP);
	REFUSE(DOMAIN_ALLOC, PKVM_IOMMU_DOMAIN_MANAGED, 0, id, -EOPNOTSUPP);
	REFUSE(ATTACH, id, 1, IDENTITY, -EINVAL);
	res = td_call(PKVM_IOMMU_ATTACH, id, 0, IDENTITY);
	tap_ok(!res.err && !res.x2, "ATTACH to the identity domain: %lld", (long long)res.err);
	REFUSE(ATTACH, id, 0, IDENTITY, -EBUSY);
	tap_ok(td_call(PKVM_IOMMU_TEST, PKVM_IOMMU_TEST_STREAM, id, 0).x2 == 1,
	       "its backend has the stream attached");
	tap_ok(permitted(id, phys) == 1, "it permits a page of the host");
	res = td_call(PKVM_IOMMU_TOPUP, phys / PAGE, 1, 0);
	tap_ok(!res.err && !permitted(id, phys), "it denies a page of the pool");
	do {
		res = td_call(PKVM_IOMMU_RECLAIM, 0, 0, 0);
	} while (!res.err && permitted(id, res.x2 * PAGE) == 1);
	tap_ok(res.err == -ENOMEM, "it permits all pages that come back: %lld", (long long)res.err);
	for (kind = PKVM_IOMMU_TEST_RANGE_MMIO; kind <= PKVM_IOMMU_TEST_RANGE_CARVEOUT; kind++) {
		if (kind != PKVM_IOMMU_TEST_RANGE_POOL && td_range(kind, 0, &r) && r.size)
			tap_ok(!permitted(id, r.address) && !permitted(id, r.address + r.size - 1),
			       "it denies range %llu", (ull)kind);
	}
	tap_ok(!permitted(id, ALL_ONES), "it denies what is beyond its reach");
	tap_ok(!td_call(PKVM_IOMMU_DETACH, id, 0, IDENTITY).err &&
	       !td_call(PKVM_IOMMU_TEST, PKVM_IOMMU_TEST_STREAM, id, 0).x2, "DETACH of it");
	td_topup(16);
	if (!td_call(PKVM_IOMMU_TEST, PKVM_IOMMU_TEST_STREAM, 0, 0).err)
		test_no_space(0, domain);
	tap_ok(!td_call(PKVM_IOMMU_DOMAIN_FREE, domain, 0, 0).err, "the domain is free again");
}

/* Further registers of the IOMMUs; none where no IOMMU has any. */
static void test_windows(void)
{
	struct pkvm_iommu_test_range r;
	unsigned int i, nr = 0;
	struct td_res res;

	for (i = 0; td_range(PKVM_IOMMU_TEST_RANGE_WINDOW, i, &r); i++) {
		if (!r.size)
			continue;
		nr++;
		tap_ok(!shadow(r.address) && !shadow(r.address + r.size - 1),
		       "the shadow does not map the window at %#llx", (ull)r.address);
		reaches(r.address, 0, "the first page of the window");
		reaches(r.address + r.size - 1, 0, "the last page of the window");
		res = td_call(PKVM_IOMMU_TOPUP, r.address / PAGE, 1, 0);
		tap_ok(error_is(res, -EPERM), "TOPUP of its page: EPERM");
	}
	if (asked_for("software"))
		tap_ok(nr == PKVM_IOMMU_WINDOWS_MAX, "%u windows", nr);
}

static void test_test_ops(void)
{
	struct pkvm_iommu_test_range r;
	uint64_t kind, last;

	REFUSE(TEST, ALL_ONES, 0, 0, ANY_ERROR);
	REFUSE(TEST, PKVM_IOMMU_TEST_WRITE_REG + 1, 0, 0, ANY_ERROR);
	REFUSE(TEST, PKVM_IOMMU_TEST_GUEST_PGD, 0, 0, -ENOENT);
	REFUSE(TEST, PKVM_IOMMU_TEST_GUEST_PGD, 0xfff, 0, -ENOENT);
	REFUSE(TEST, PKVM_IOMMU_TEST_GUEST_PGD, ALL_ONES, 0, -ENOENT);
	REFUSE(TEST, PKVM_IOMMU_TEST_STREAM, ALL_ONES, 0, ANY_ERROR);
	REFUSE(TEST, PKVM_IOMMU_TEST_INVALIDATIONS, ALL_ONES, 0, ANY_ERROR);
	/* Without an IOMMU that walks page tables there is no shadow. */
	tap_ok(shadow(phys_of(own)) == identity, "the shadow maps host memory");
	tap_ok(shadow(ALL_ONES) != 1, "the shadow does not map the end");
	for (kind = PKVM_IOMMU_TEST_RANGE_MMIO;
	     kind <= PKVM_IOMMU_TEST_RANGE_CARVEOUT; kind++) {
		if (!td_range(kind, 0, &r) || !r.size) {
			tap_skip("none here", "shadow of range %llu", (ull)kind);
			continue;
		}
		/* The host may own the end of the pool again. */
		last = kind == PKVM_IOMMU_TEST_RANGE_POOL ? PAGE : r.size;
		tap_ok(!shadow(r.address) && !shadow(r.address + last - 1),
		       "the shadow does not map range %llu", (ull)kind);
	}
}

static void test_boot_ops(void)
{
	static const uint64_t ops[] = {
		PKVM_IOMMU_BOOT_REGISTER, PKVM_IOMMU_BOOT_DONATE,
		PKVM_IOMMU_BOOT_SEAL, PKVM_IOMMU_BOOT_WITHHOLD,
		PKVM_IOMMU_BOOT_WINDOW, 5, ALL_ONES,
	};
	size_t i;

	FOR_EACH(i, ops) {
		const uint64_t args[17] = { ops[i] };
		struct td_res res = td_raw(PKVM_IOMMU_TEST_FN_BOOT, args);

		tap_ok(res.x0 == SMCCC_NOT_SUPPORTED,
		       "boot op %#llx is gone: x0 %lld", (ull)ops[i],
		       (long long)res.x0);
	}
}

static void test_off(void)
{
	uint64_t op;

	for (op = PKVM_IOMMU_ATTACH; op <= PKVM_IOMMU_REGION; op++) {
		struct td_res res = td_call(op, 0, edu.sid, 0);

		if (op == PKVM_IOMMU_TEST)
			continue;

		/* RECLAIM works without the layer too; the pool may be empty. */
		if (op == PKVM_IOMMU_RECLAIM && res.err == -ENOMEM)
			tap_ok(!res.x0 && !res.x2, "op %llu: ENOMEM", (ull)op);
		else
			tap_ok(error_is(res, -ENODEV), "op %llu: ENODEV", (ull)op);
	}
	test_boot_ops();
	control("without the layer");
}

/* Find the IOMMU and the domain of edu. Nothing has changed on return. */
static void find_iommu(void)
{
	edu_attached = have_edu && td_take_stream(edu.sid, &iommu, &home);
	if (!edu_attached) {
		iommu = 0;
		home = 0;
	}
	identity = td_has_identity(iommu);
	if (edu_attached)
		edu_attached = !td_attach(iommu, edu.sid, home).err;
	if (identity)
		return;
	td_topup(16);
	dom = td_call(PKVM_IOMMU_DOMAIN_ALLOC, 0, 0, 0).x2;
	tap_ok(edu_attached && dom && dom != home, "a domain of ours: %llu, the kernel's: %llu",
	       (ull)dom, (ull)home);
}

int main(int argc, char **argv)
{
	uint64_t value;

	if (td_open())
		tap_bail("no /dev/pkvm_iommu_test");
	own = phys_alloc(1);
	if (!own || !phys_of(own))
		tap_bail("no memory, or no pagemap");
	have_edu = !edu_open(&edu);
	if (!have_edu)
		edu.sid = 0;
	if (argc > 1 && !strcmp(argv[1], "off")) {
		identity = true;
		control("at the start");
		test_off();
		return tap_done();
	}
	masks = argc > 1 && !strcmp(argv[1], "masks");
	if (!tap_ok(!td_info(PKVM_IOMMU_INFO_LIMIT, &value), "in service"))
		return tap_done();
	find_iommu();
	control("at the start");
	test_unknown_ops();
	test_streams();
	test_pool();
	test_fault();
	test_info();
	test_told();
	test_permits();
	test_windows();
	test_test_ops();
	test_boot_ops();
	control("at the end");
	return tap_done();
}
