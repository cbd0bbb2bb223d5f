// SPDX-License-Identifier: GPL-2.0-only
/*
 * Backend without hardware, only with CONFIG_PKVM_IOMMU_TEST.
 *
 * It records which streams are attached and counts invalidations, for the tests. It
 * never counts as isolation. It is also the skeleton for a new backend.
 */
#include "core.h"

#define TEST_SID_BITS	12

static DECLARE_BITMAP(test_streams[PKVM_IOMMU_MAX], BIT(TEST_SID_BITS));
static u64 test_invalidations[PKVM_IOMMU_MAX];

static int test_probe(struct pkvm_iommu *iommu, u64 *why)
{
	iommu->sid_bits = TEST_SID_BITS;
	iommu->oas = 48;
	iommu->asid_bits = 8;
	iommu->vmid_bits = 8;
	iommu->fmts = BIT(ARM_64_LPAE_S1) | BIT(ARM_64_LPAE_S2);

	return 0;
}

static int test_alloc(struct pkvm_iommu *iommu)
{
	return 0;
}

static int test_init(struct pkvm_iommu *iommu, u64 *why)
{
	return 0;
}

static int test_stream_set(struct pkvm_iommu *iommu, u32 sid,
			   const struct pkvm_iommu_domain *domain, bool attach)
{
	__assign_bit(sid, test_streams[iommu->id], attach);

	return 0;
}

static u64 test_invalidate(struct pkvm_iommu *iommu,
			   const struct pkvm_iommu_domain *domain, u64 addr, u64 size, bool leaf)
{
	test_invalidations[iommu->id]++;

	return 0;
}

static bool test_fault(struct pkvm_iommu *iommu, struct pkvm_iommu_fault *fault)
{
	return false;
}

PKVM_IOMMU_BACKEND(test) = {
	.probe		= test_probe,
	.alloc		= test_alloc,
	.init		= test_init,
	.stream_set	= test_stream_set,
	.invalidate	= test_invalidate,
	.fault		= test_fault,
};

static bool is_test(u64 id)
{
	return id < pkvm_iommu_nr && pkvm_iommus[id].ops == &pkvm_iommu_test_ops;
}

/**
 * pkvm_iommu_test_stream() - read whether a stream is attached
 * @id: any value; IOMMU
 * @sid: any value; stream id
 * @attached: set to 1 if the backend was asked to attach the stream, else to 0
 *
 * Return: 0, -ENOENT if there is no such IOMMU of this kind, -EINVAL.
 */
int pkvm_iommu_test_stream(u64 id, u64 sid, u64 *attached)
{
	if (!is_test(id))
		return -ENOENT;
	if (sid >> TEST_SID_BITS)
		return -EINVAL;
	*attached = test_bit(sid, test_streams[id]);

	return 0;
}

/**
 * pkvm_iommu_test_invalidations() - read how many invalidations an IOMMU had
 * @id: any value; IOMMU
 * @nr: set to the number
 *
 * Return: 0, -ENOENT if there is no such IOMMU of this kind.
 */
int pkvm_iommu_test_invalidations(u64 id, u64 *nr)
{
	if (!is_test(id))
		return -ENOENT;
	*nr = READ_ONCE(test_invalidations[id]);

	return 0;
}
