// SPDX-License-Identifier: GPL-2.0
/*
 * The panic after a lost command: stop the IOMMU without EL2's knowledge, then make EL2
 * revoke a page. EL2 must not continue. Prints "not ok" if it does.
 *
 *	lostsync		an SMMUv3, with a stream attached: stop its command
 *				queue, donate a page
 *	lostsync virtio		a virtio-iommu, with edu behind it: reset it, unmap a
 *				page in edu's domain
 */
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "edu.h"
#include "phys.h"
#include "tap.h"
#include "testdev.h"

#define ARM_SMMU_CR0	0x20
#define CR0_EVTQEN	(1 << 2)
#define CR0_SMMUEN	(1 << 0)

#define VIRTIO_MMIO_STATUS	0x070
#define IOVA			0x40000000

static uint64_t iommu, domain, phys;

static void stop(uint64_t reg, uint64_t value)
{
	const uint64_t args[17] = {
		PKVM_IOMMU_TEST, PKVM_IOMMU_TEST_WRITE_REG, iommu, reg, value,
	};

	tap_ok(!td_raw(PKVM_IOMMU_TEST_FN_CALL, args).err, "the IOMMU is stopped");
	fflush(stdout);
	sleep(1);
}

static void lose_smmu(void)
{
	stop(ARM_SMMU_CR0, CR0_SMMUEN | CR0_EVTQEN);
	td_call(PKVM_IOMMU_TOPUP, phys / PAGE, 1, 0);
}

static void lose_virtio(void)
{
	struct td_res res;
	struct edu edu;

	if (edu_open(&edu) || !td_take_stream(edu.sid, &iommu, &domain) ||
	    td_attach(iommu, edu.sid, domain).err)
		tap_bail("no edu behind an IOMMU");
	td_topup(16);
	res = td_map(domain, IOVA, phys, PAGE, PKVM_IOMMU_PROT_READ);
	tap_ok(!res.err, "MAP of a page: %lld", (long long)res.err);
	stop(VIRTIO_MMIO_STATUS, 0);
	td_call(PKVM_IOMMU_UNMAP, domain, IOVA, PAGE);
}

int main(int argc, char **argv)
{
	if (td_open())
		tap_bail("no /dev/pkvm_iommu_test");
	phys = td_alloc();
	tap_ok(phys != 0, "a page to revoke");
	if (argc > 1 && !strcmp(argv[1], "virtio"))
		lose_virtio();
	else
		lose_smmu();
	tap_ok(false, "EL2 went on without an answer");
	return tap_done();
}
