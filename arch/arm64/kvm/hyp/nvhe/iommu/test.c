// SPDX-License-Identifier: GPL-2.0-only
/*
 * Only with CONFIG_PKVM_IOMMU_TEST: a backend without hardware, and a window
 * into EL2 for the tests. Neither belongs in a kernel that guards secrets, and
 * the backend never counts as isolation.
 */
#include <linux/io.h>

#include <asm/kvm_pkvm.h>

#include <nvhe/iommu.h>
#include <nvhe/mem_protect.h>
#include <nvhe/pkvm.h>

#include <uapi/linux/pkvm_iommu_test.h>

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
			   const struct pkvm_iommu_domain *domain, bool through)
{
	__assign_bit(sid, test_streams[iommu->id], through);

	return 0;
}

static void test_invalidate(struct pkvm_iommu *iommu,
			    const struct pkvm_iommu_domain *domain, u64 addr, u64 size)
{
	test_invalidations[iommu->id]++;
}

static bool test_fault(struct pkvm_iommu *iommu, struct pkvm_iommu_fault *fault)
{
	return false;
}

const struct pkvm_iommu_ops pkvm_iommu_test_ops = {
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

static int test_donate(u64 pfn, u64 count)
{
	int ret = 0;

	while (count-- && !ret) {
		ret = __pkvm_host_donate_hyp(pfn, 1);
		if (!ret)
			ret = __pkvm_hyp_donate_host(pfn, 1);
	}

	return ret;
}

int pkvm_iommu_test(const u64 *args, u64 *res)
{
	struct pkvm_hyp_vm *vm;

	switch (args[0]) {
	case PKVM_IOMMU_TEST_SHADOW:
		res[0] = pkvm_iommu_shadow_maps(args[1]);
		return 0;
	case PKVM_IOMMU_TEST_GUEST_PGD:
		vm = get_pkvm_hyp_vm(args[1]);
		if (!vm)
			return -ENOENT;
		res[0] = vm->kvm.arch.mmu.pgd_phys;
		put_pkvm_hyp_vm(vm);
		return 0;
	case PKVM_IOMMU_TEST_STREAM:
		if (!is_test(args[1]))
			return -ENOENT;
		if (args[2] >> TEST_SID_BITS)
			return -EINVAL;
		res[0] = test_bit(args[2], test_streams[args[1]]);
		return 0;
	case PKVM_IOMMU_TEST_INVALIDATIONS:
		if (!is_test(args[1]))
			return -ENOENT;
		res[0] = READ_ONCE(test_invalidations[args[1]]);
		return 0;
	case PKVM_IOMMU_TEST_UNMAP_DEV:
		return pkvm_iommu_test_unmap_dev();
	case PKVM_IOMMU_TEST_DONATE:
		return test_donate(args[1], args[2]);
	case PKVM_IOMMU_TEST_WRITE_REG:
		if (args[1] >= pkvm_iommu_nr || args[2] >= pkvm_iommus[args[1]].mmio_size -
					offset_in_page(pkvm_iommus[args[1]].mmio))
			return -ENOENT;
		writel_relaxed(args[3], pkvm_iommus[args[1]].mmio + ALIGN_DOWN(args[2], 4));
		return 0;
	case PKVM_IOMMU_TEST_SELFTEST:
		return pkvm_iommu_selftest(args, res);
	}

	return -EOPNOTSUPP;
}
