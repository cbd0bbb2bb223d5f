// SPDX-License-Identifier: GPL-2.0
/*
 * For scripts: prints "COUNT STREAM REASON ADDRESS", the number of faults so far and
 * the last of them. REASON is a number of enum pkvm_iommu_fault_reason.
 */
#include <stdio.h>

#include "testdev.h"

#define FIELD(mask, value)	(((value) & (mask)) / ((mask) & ~((mask) << 1)))

int main(void)
{
	struct pkvm_iommu_test_faults f;

	if (td_open() || td_faults(&f)) {
		fprintf(stderr, "no /dev/pkvm_iommu_test: is CONFIG_PKVM_IOMMU_TEST set?\n");
		return 1;
	}
	printf("%llu %#llx %llu %#llx\n", (unsigned long long)f.count,
	       (unsigned long long)FIELD(PKVM_IOMMU_FAULT_SID, f.info),
	       (unsigned long long)FIELD(PKVM_IOMMU_FAULT_REASON, f.info),
	       (unsigned long long)f.address);
	return 0;
}
