// SPDX-License-Identifier: GPL-2.0
/*
 * The one legal panic: stop the SMMU's command queue behind EL2's back, then
 * make EL2 revoke a page. It must not go on. Prints "not ok" if it does.
 *
 *	lostsync	with a stream attached, EL2 panics
 */
#include <stdint.h>
#include <stdio.h>
#include <unistd.h>

#include "tap.h"
#include "testdev.h"

#define ARM_SMMU_CR0	0x20
#define CR0_EVTQEN	(1 << 2)
#define CR0_SMMUEN	(1 << 0)

int main(void)
{
	const uint64_t args[17] = {
		PKVM_IOMMU_TEST, PKVM_IOMMU_TEST_WRITE_REG, 0, ARM_SMMU_CR0,
		CR0_SMMUEN | CR0_EVTQEN,
	};
	uint64_t phys;

	if (td_open())
		tap_bail("no /dev/pkvm_iommu_test");
	phys = td_alloc();
	tap_ok(phys != 0, "a page to donate");
	tap_ok(!td_raw(PKVM_IOMMU_TEST_FN_CALL, args).err, "the command queue is stopped");
	fflush(stdout);
	sleep(1);
	td_call(PKVM_IOMMU_TOPUP, phys >> 12, 1, 0);
	tap_ok(false, "EL2 went on without its CMD_SYNC");
	return tap_done();
}
