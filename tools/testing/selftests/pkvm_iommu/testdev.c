// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include "phys.h"
#include "testdev.h"

static int td_fd = -1;

int td_open(void)
{
	td_fd = open("/dev/pkvm_iommu_test", O_RDWR | O_CLOEXEC);
	return td_fd < 0 ? -errno : 0;
}

bool td_present(void)
{
	return td_fd >= 0;
}

struct td_res td_raw(uint64_t fn, const uint64_t args[17])
{
	struct pkvm_iommu_test_call call = { .fn = fn };

	memcpy(call.args, args, sizeof(call.args));
	if (ioctl(td_fd, PKVM_IOMMU_TEST_CALL, &call))
		return (struct td_res){ .x0 = TD_BROKEN, .err = TD_BROKEN };
	return (struct td_res){
		.x0 = call.res[0], .err = call.res[1],
		.x2 = call.res[2], .x3 = call.res[3],
	};
}

struct td_res td_call(uint64_t op, uint64_t a, uint64_t b, uint64_t c)
{
	const uint64_t args[17] = { op, a, b, c };
	struct td_res res = td_raw(PKVM_IOMMU_TEST_FN_CALL, args);

	/* x1 is undefined then; callers check one number only. */
	if (res.x0)
		res.err = TD_BROKEN;
	return res;
}

struct td_res td_map_runs(uint64_t domain, uint64_t iova, uint64_t prot,
			  const uint64_t runs[PKVM_IOMMU_RUNS])
{
	uint64_t args[17] = { PKVM_IOMMU_MAP, domain, iova, prot };
	struct td_res res;

	memcpy(&args[4], runs, PKVM_IOMMU_RUNS * sizeof(*runs));
	res = td_raw(PKVM_IOMMU_TEST_FN_CALL, args);
	if (res.x0)
		res.err = TD_BROKEN;
	return res;
}

struct td_res td_map(uint64_t domain, uint64_t iova, uint64_t phys, uint64_t size, uint64_t prot)
{
	const uint64_t most = 0xe00 * PAGE;	/* seven blocks of pages of 4 KiB */
	uint64_t n, runs[PKVM_IOMMU_RUNS] = { 0 };
	unsigned int i;

	for (i = 0; i < PKVM_IOMMU_RUNS && size; i++) {
		n = size < most ? size : most;
		runs[i] = PKVM_IOMMU_RUN(phys, n / PAGE);
		phys += n;
		size -= n;
	}
	return td_map_runs(domain, iova, prot, runs);
}

volatile uint64_t *td_list(void)
{
	static void *list;

	if (!list)
		list = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, td_fd, 0);
	return list == MAP_FAILED ? NULL : (uint64_t *)list + PAGE / 8 - TD_LIST;
}

struct td_res td_map_list(uint64_t domain, uint64_t iova, uint64_t prot, uint64_t at, uint64_t nr)
{
	uint64_t all = 0, args[17] = { PKVM_IOMMU_MAP_LIST, domain, iova, prot };
	struct td_res res;

	td_info(PKVM_IOMMU_INFO_RUNS, &all);
	args[4] = all - TD_LIST + at;
	args[5] = nr;
	res = td_raw(PKVM_IOMMU_TEST_FN_CALL, args);
	if (res.x0)
		res.err = TD_BROKEN;
	return res;
}

int64_t td_info(uint64_t which, uint64_t *value)
{
	struct td_res res = td_call(PKVM_IOMMU_INFO, which, 0, 0);

	*value = res.x2;
	return res.err;
}

bool td_has_identity(uint64_t iommu)
{
	struct td_res res = td_call(PKVM_IOMMU_INFO, PKVM_IOMMU_INFO_IDENTITY, iommu, 0);

	return !res.err && res.x2;
}

/* More domains than any test makes. */
#define DOMAINS_MAX	4096

bool td_take_stream(uint32_t sid, uint64_t *iommu, uint64_t *domain)
{
	for (*iommu = 0; *iommu < PKVM_IOMMU_MAX; (*iommu)++) {
		for (*domain = 0; *domain < DOMAINS_MAX; (*domain)++) {
			if (!td_call(PKVM_IOMMU_DETACH, *iommu, sid, *domain).err)
				return true;
		}
	}
	return false;
}

struct td_res td_attach(uint64_t iommu, uint64_t sid, uint64_t domain)
{
	struct td_res res = td_call(PKVM_IOMMU_ATTACH, iommu, sid, domain), more = { 0 };

	/* Each domain has one stream, so this ATTACH is its first. */
	if (res.err || res.x2 == td_has_identity(iommu))
		return res;
	if (res.x2) {
		do {
			more = td_call(PKVM_IOMMU_REPLAY, iommu, domain, 0);
		} while (!more.err && more.x2);
		return more;
	}
	return res;
}

int td_faults(struct pkvm_iommu_test_faults *f)
{
	return ioctl(td_fd, PKVM_IOMMU_TEST_FAULTS, f) ? -errno : 0;
}

bool td_range(uint64_t kind, unsigned int n, struct pkvm_iommu_test_range *r)
{
	uint64_t i;

	for (i = 0;; i++) {
		*r = (struct pkvm_iommu_test_range){ .index = i };
		if (ioctl(td_fd, PKVM_IOMMU_TEST_RANGE, r))
			return false;
		if (r->kind == kind && !n--)
			return true;
	}
}

uint64_t td_alloc(void)
{
	struct pkvm_iommu_test_page page = { 0 };

	if (ioctl(td_fd, PKVM_IOMMU_TEST_ALLOC, &page))
		return 0;
	return page.pfn * PAGE;
}

bool td_topup(uint64_t n)
{
	struct pkvm_iommu_test_page page;

	for (; n; n -= 1ULL << page.order) {
		page.order = 0;
		while (2ULL << page.order <= n && 2ULL << page.order <= PKVM_IOMMU_TOPUP_MAX)
			page.order++;
		if (ioctl(td_fd, PKVM_IOMMU_TEST_ALLOC, &page) ||
		    td_call(PKVM_IOMMU_TOPUP, page.pfn, 1ULL << page.order, 0).err)
			return false;
	}
	return true;
}

bool td_free(uint64_t phys)
{
	struct pkvm_iommu_test_page page = { .pfn = phys / PAGE };

	return !phys || !ioctl(td_fd, PKVM_IOMMU_TEST_FREE, &page);
}
