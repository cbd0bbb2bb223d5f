// SPDX-License-Identifier: GPL-2.0
/*
 * The random walk: objects that all threads use at the same time. One domain, one
 * stream and a few pages belong to no thread; of their calls, only the set of possible
 * answers is checked. A mapping must lead to one of the pages, each call must end, and
 * after all threads have ended nothing may be left: no mapping, no pin, no stream.
 *
 * Also the pool, with several threads: a thread that takes a page back may get a page
 * of another. So its pages are common, and a list tells which of them EL2 has.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "walk.h"

#define PAGES	8
#define IOVAS	6
#define IOVA	(5ULL << 30)
#define SID	0x3000

static uint64_t shared_phys, shared_domain, shared_sid;

/* Check that @err is success or one of @errors. */
static bool is_one_of(int64_t err, const int *errors)
{
	if (err == TD_BROKEN)
		return false;
	for (; err && *errors && err != *errors; errors++)
		;
	return !err || *errors;
}

static int64_t try(struct walker *w, uint64_t res[3], const uint64_t args[ARGS],
		   const int *errors)
{
	int64_t err = call_raw(w, PKVM_IOMMU_TEST_FN_CALL, res, args);

	w->shared++;
	if (!is_one_of(err, errors))
		wrong(w, "an answer that cannot be: %lld", (long long)err);
	return err;
}

static uint64_t shared_page(struct walker *w)
{
	return shared_phys + below(w, PAGES) * PAGE;
}

static void try_map(struct walker *w, uint64_t iova)
{
	static const int errors[] = { -EEXIST, -EPERM, -ENOMEM, 0 };
	uint64_t res[3], runs = 1 + below(w, 3), i, args[ARGS] = {
		PKVM_IOMMU_MAP, shared_domain, iova, 1 + below(w, 3),
	};
	int64_t err;

	for (i = 0; i < runs; i++)
		args[4 + i] = PKVM_IOMMU_RUN(shared_page(w), 1);
	err = try(w, res, args, errors);
	/* Without an error it may be 0, because others unmap in the same place. */
	if (res[1] > runs * PAGE)
		wrong(w, "an impossible size");
	if (err == -ENOMEM && !feed(w, res[2]))
		return;
}

static void try_unmap(struct walker *w, uint64_t iova)
{
	static const int errors[] = { 0 };
	uint64_t res[3], size = (1 + below(w, 3)) * PAGE;
	const uint64_t args[ARGS] = {
		PKVM_IOMMU_UNMAP, shared_domain, iova, size, below(w, 2),
	};

	try(w, res, args, errors);
	if (res[1] > size || !res[1] || res[2] > res[1])
		wrong(w, "an impossible size");
}

static void try_lookup(struct walker *w, uint64_t iova)
{
	static const int errors[] = { -ENOTCONN, 0 };
	const uint64_t args[ARGS] = { PKVM_IOMMU_LOOKUP, shared_domain, iova };
	uint64_t res[3];

	if (!try(w, res, args, errors) &&
	    (res[1] < shared_phys || res[1] + res[2] > shared_phys + PAGES * PAGE || !res[2]))
		wrong(w, "a mapping leads elsewhere");
}

static void try_stream(struct walker *w)
{
	static const int errors[] = { -EBUSY, -EAGAIN, -ENOTCONN, -ENOMEM, 0 };
	const uint64_t args[ARGS] = {
		below(w, 2) ? PKVM_IOMMU_ATTACH : PKVM_IOMMU_DETACH, 0, shared_sid,
		below(w, 2) || !machine.identity ? shared_domain : PKVM_IOMMU_DOMAIN_IDENTITY,
	};
	uint64_t res[3];

	if (try(w, res, args, errors) == -ENOMEM)
		feed(w, res[1]);
}

/* REPLAY; other threads may attach or detach the stream meanwhile. */
static void try_replay(struct walker *w)
{
	static const int errors[] = { -ENOTCONN, 0 };
	const uint64_t args[ARGS] = { PKVM_IOMMU_REPLAY, 0, shared_domain };
	uint64_t res[3];

	if (!try(w, res, args, errors) && res[1] > (machine.identity ? 0 : 1))
		wrong(w, "a replay has more to tell than there can be");
}

static void try_donate(struct walker *w)
{
	static const int errors[] = { -EBUSY, -EPERM, 0 };
	const uint64_t args[ARGS] = {
		PKVM_IOMMU_TEST, PKVM_IOMMU_TEST_DONATE, shared_page(w) / PAGE, 1,
	};
	uint64_t res[3];

	try(w, res, args, errors);
}

static void try_share(struct walker *w)
{
	const uint64_t args[ARGS] = { shared_page(w) / PAGE };
	uint64_t res[3];
	int64_t err;

	err = call_raw(w, below(w, 2) ? PKVM_IOMMU_TEST_FN_SHARE_HYP :
		       PKVM_IOMMU_TEST_FN_UNSHARE_HYP, res, args);
	w->shared++;
	if (err && err != -EPERM)
		wrong(w, "share: %lld", (long long)err);
}

void shared_step(struct walker *w)
{
	uint64_t iova = IOVA + below(w, IOVAS) * PAGE, res[3];
	const uint64_t flush[ARGS] = { PKVM_IOMMU_FLUSH, shared_domain };
	static const int none[] = { 0 };

	switch (below(w, 16)) {
	case 0 ... 4:
		try_map(w, iova);
		break;
	case 5 ... 8:
		try_unmap(w, iova);
		break;
	case 9:
		try(w, res, flush, none);
		break;
	case 10:
		try_lookup(w, iova);
		break;
	case 11 ... 12:
		if (below(w, 4))
			try_stream(w);
		else
			try_replay(w);
		break;
	case 13:
		if (!below(w, 8))
			try_donate(w);
		break;
	default:
		try_share(w);
	}
}

bool shared_open(uint64_t phys)
{
	struct td_res res = td_call(PKVM_IOMMU_DOMAIN_ALLOC, 0, 0, 0);

	shared_phys = phys;
	shared_sid = machine.identity ? SID : setup_spare(machine.threads);
	shared_domain = res.x2;
	return !res.err && shared_sid;
}

const char *shared_close(struct walker *w)
{
	uint64_t done, i;
	struct td_res res;

	for (done = 0; done < (IOVAS + 4) * PAGE; done += res.x2) {
		res = td_call(PKVM_IOMMU_UNMAP, shared_domain, IOVA + done,
			      (IOVAS + 4) * PAGE - done);
		if (res.err || !res.x2)
			return "the shared domain cannot be emptied";
	}
	td_call(PKVM_IOMMU_DETACH, 0, shared_sid, shared_domain);
	td_call(PKVM_IOMMU_DETACH, 0, shared_sid, PKVM_IOMMU_DOMAIN_IDENTITY);
	if (td_call(PKVM_IOMMU_DETACH, 0, shared_sid, shared_domain).err != -ENOTCONN)
		return "the shared stream cannot be detached";
	for (i = 0; i < PAGES; i++) {
		const uint64_t args[ARGS] = { shared_phys / PAGE + i };
		uint64_t r[3];

		call_raw(w, PKVM_IOMMU_TEST_FN_UNSHARE_HYP, r, args);
		/* EL2 flushes lazily unmapped pages to get the page. */
		if (td_call(PKVM_IOMMU_TEST, PKVM_IOMMU_TEST_DONATE, args[0], 1).err)
			return "a pin is left on a shared page";
	}
	do {
		res = td_call(PKVM_IOMMU_DOMAIN_FREE, shared_domain, 0, 0);
	} while (res.err == -EAGAIN);
	return res.err ? "the shared domain cannot be freed" : NULL;
}

/********** the pool of several threads */

#define POOL_MAX	(THREADS * POOL_PAGES)

static pthread_mutex_t pool_lock = PTHREAD_MUTEX_INITIALIZER;
static struct {
	uint64_t phys;
	volatile uint64_t *mem;
	bool given;
} pool[POOL_MAX];
static unsigned int pool_nr;

void pool_open(struct walker *w)
{
	unsigned int i;

	for (i = POOL_PAGES; i < SPAN_PAGES; i++) {
		pool[pool_nr].phys = page_of(w, 1, i);
		pool[pool_nr++].mem = memory_at(w, page_of(w, 1, i));
	}
}

/* Give any page to EL2. */
bool pool_give(struct walker *w)
{
	uint64_t res[3], args[ARGS] = { PKVM_IOMMU_TOPUP, 0, 1 };
	unsigned int i, n;

	pthread_mutex_lock(&pool_lock);
	for (n = 0, i = below(w, pool_nr); n < pool_nr; n++, i = (i + 1) % pool_nr)
		if (!pool[i].given)
			break;
	if (n < pool_nr) {
		*pool[i].mem = ~0ULL;
		pool[i].given = true;
	}
	pthread_mutex_unlock(&pool_lock);
	if (n == pool_nr)
		return false;
	args[1] = pool[i].phys / PAGE;
	if (call_raw(w, PKVM_IOMMU_TEST_FN_CALL, res, args))
		wrong(w, "a page is not taken: %lld", (long long)res[0]);
	return true;
}

/* Take any page back. */
bool pool_take(struct walker *w)
{
	const uint64_t args[ARGS] = { PKVM_IOMMU_RECLAIM };
	uint64_t res[3];
	unsigned int i;

	if (call_raw(w, PKVM_IOMMU_TEST_FN_CALL, res, args)) {
		if ((int64_t)res[0] != -ENOMEM)
			wrong(w, "reclaim: %lld", (long long)res[0]);
		return false;
	}
	pthread_mutex_lock(&pool_lock);
	for (i = 0; i < pool_nr && pool[i].phys != res[1] * PAGE; i++)
		;
	if (i == pool_nr || !pool[i].given)
		wrong(w, "a page that the pool was not given");
	if (*pool[i].mem)
		wrong(w, "a page comes back with contents");
	pool[i].given = false;
	pthread_mutex_unlock(&pool_lock);
	return true;
}
