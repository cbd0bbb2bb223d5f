// SPDX-License-Identifier: GPL-2.0
/*
 * Run EL2's table of page ownership (hyp/nvhe/iommu/test-self.c): every transition from
 * every state, one row each. Needs an IOMMU of the test type, which counts
 * invalidations. TAP.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "phys.h"
#include "tap.h"
#include "testdev.h"

#define SID_SHADOW	1
#define SID_DOMAIN	2

static const char *const states[] = {
	"the host's", "shared with EL2", "in EL2's use", "shared with FF-A", "EL2's",
	"a VM's", "shared by a VM", "shared with a VM", "mapped", "mapped twice",
	"unmapped lazily", "in a mapped block", "shared with EL2 and mapped",
	"shared with a VM and mapped", "shared by a VM and mapped",
	"shared by a VM in a mapped block", "shared by a VM and unmapped lazily",
};

static const char *const steps[] = {
	"donate to EL2", "return from EL2", "share with EL2", "unshare from EL2",
	"EL2 holds it", "share with FF-A", "unshare from FF-A", "donate to a VM",
	"reclaim from the VM", "the VM shares it", "the VM unshares it", "share with a VM",
	"unshare from the VM", "map", "map its block", "unmap", "unmap lazily",
	"unmap the block", "unmap a part of the block", "flush",
};

static const char *const failures[] = {
	"", "cannot get there", "result", "devices reach it", "invalidations", "pinned",
	"invalidations to know whether it is pinned", "not the host's again",
	"an IOMMU that does not translate permits it",
};

#define COUNT(a)	(sizeof(a) / sizeof((a)[0]))

/*
 * Memory that is mapped by blocks as one run, and other memory for tables. It is never returned to
 * the kernel, because EL2 may keep pages. Sets the physical addresses.
 */
static bool blocks(uint64_t *phys, uint64_t *vm)
{
	static struct phys_gib gib;
	FILE *f;
	void *p;

	/* A block of 512 MiB is longer than a run; 1 GiB is one, too. */
	if (PAGE_SHIFT < 16) {
		f = fopen("/proc/sys/vm/nr_hugepages", "w");
		if (f) {
			fputs("2\n", f);
			fclose(f);
		}
	} else if (!phys_gib_alloc(&gib)) {
		return false;
	}
	p = mmap(NULL, 2 * BLOCK, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB | MAP_POPULATE | MAP_LOCKED, -1, 0);
	if (p == MAP_FAILED)
		return false;
	memset(p, 0, 2 * BLOCK);
	*phys = phys_of(gib.first ? gib.first : p);
	*vm = phys_of((uint8_t *)p + BLOCK);
	return true;
}

/* Find the IOMMU of the test type: only it has a count of invalidations. */
static bool find_iommu(uint64_t *iommu)
{
	for (*iommu = 0; *iommu < PKVM_IOMMU_MAX; ++*iommu)
		if (!td_call(PKVM_IOMMU_TEST, PKVM_IOMMU_TEST_INVALIDATIONS, *iommu, 0).err)
			return true;
	return false;
}

static int run(int fd, uint64_t state, uint64_t step, uint64_t phys, uint64_t vm,
	       uint64_t domain, uint64_t res[2])
{
	struct pkvm_iommu_test_call call = {
		.fn = PKVM_IOMMU_TEST_FN_CALL,
		.args = { PKVM_IOMMU_TEST, PKVM_IOMMU_TEST_SELFTEST, state, step,
			  phys / PAGE, vm / PAGE, domain },
	};

	if (ioctl(fd, PKVM_IOMMU_TEST_CALL, &call) || call.res[0])
		return TD_BROKEN;
	res[0] = call.res[2];
	res[1] = call.res[3];
	return (int64_t)call.res[1];
}

/* Wrong arguments return errors. */
static void arguments(int fd, uint64_t phys, uint64_t vm, uint64_t domain)
{
	const struct {
		uint64_t state, step, phys, vm;
		int err;
	} bad[] = {
		{ COUNT(states), 0, phys, vm, -ENOENT },
		{ ~0ULL, 0, phys, vm, -ENOENT },
		{ 0, COUNT(steps), phys, vm, -ENOENT },
		{ 0, ~0ULL, phys, vm, -ENOENT },
		{ 0, 0, phys + PAGE, vm, -EINVAL },
		{ 0, 0, ~0ULL, vm, -EINVAL },
		{ 0, 0, 0, vm, -EINVAL },
		{ 0, 0, phys, vm + PAGE, -EINVAL },
		{ 0, 0, phys, 0, -EINVAL },
		{ 0, 0, phys, -BLOCK, -EINVAL },
	};
	uint64_t res[2];
	size_t i;
	int err;

	for (i = 0; i < COUNT(bad); i++) {
		err = run(fd, bad[i].state, bad[i].step, bad[i].phys, bad[i].vm, domain, res);
		tap_ok(err == bad[i].err, "wrong arguments %zu: %d", i, err);
	}
}

int main(void)
{
	uint64_t state, step, iommu, domain, phys, vm, res[2];
	int err, fd, rows = 0;

	fd = open("/dev/pkvm_iommu_test", O_RDWR | O_CLOEXEC);
	if (fd < 0 || td_open())
		tap_bail("no /dev/pkvm_iommu_test");
	if (!blocks(&phys, &vm))
		tap_bail("no memory in blocks");
	if (!find_iommu(&iommu))
		tap_bail("no IOMMU of the test type: pkvm_iommu_test=software");
	td_topup(64);
	domain = td_call(PKVM_IOMMU_DOMAIN_ALLOC, 0, 0, iommu).x2;
	if (td_call(PKVM_IOMMU_ATTACH, iommu, SID_SHADOW, PKVM_IOMMU_DOMAIN_IDENTITY).err ||
	    td_call(PKVM_IOMMU_ATTACH, iommu, SID_DOMAIN, domain).err)
		tap_bail("the test's streams cannot be attached");

	arguments(fd, phys, vm, domain);
	for (state = 0; state < COUNT(states); state++) {
		for (step = 0; step < COUNT(steps); step++) {
			err = run(fd, state, step, phys, vm, domain, res);
			/* The table has no such row. */
			if (err == -ENOENT)
				continue;
			rows++;
			if (!tap_ok(!err && !res[0], "%s: %s", states[state], steps[step]))
				tap_note("%d; %s: %lld", err,
					 res[0] < COUNT(failures) ? failures[res[0]] : "?",
					 (long long)res[1]);
		}
	}
	tap_ok(rows > 300, "%d rows", rows);
	td_call(PKVM_IOMMU_DETACH, iommu, SID_SHADOW, PKVM_IOMMU_DOMAIN_IDENTITY);
	td_call(PKVM_IOMMU_DETACH, iommu, SID_DOMAIN, domain);
	do {
		err = td_call(PKVM_IOMMU_DOMAIN_FREE, domain, 0, 0).err;
	} while (err == -EAGAIN);
	tap_ok(!err, "nothing is left in the domain");
	return tap_done();
}
