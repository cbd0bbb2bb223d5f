// SPDX-License-Identifier: GPL-2.0-only
/*
 * PKVM_IOMMU_TEST, only with CONFIG_PKVM_IOMMU_TEST: operations that let the tests
 * look into EL2. They do not belong in a kernel that guards secrets.
 */
#include <linux/io.h>

#include <asm/kvm_pkvm.h>

#include <nvhe/mem_protect.h>
#include <nvhe/pkvm.h>

#include "core.h"

#include <uapi/linux/pkvm_iommu_test.h>

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

/* EL2 does this when it has no more pages for the host's stage-2. */
static int test_unmap_dev(void)
{
	int ret;

	hyp_spin_lock(&host_mmu.lock);
	ret = host_stage2_unmap_dev_all();
	hyp_spin_unlock(&host_mmu.lock);

	return ret;
}

static int test_guest_pgd(u64 handle, u64 *phys)
{
	struct pkvm_hyp_vm *vm = get_pkvm_hyp_vm(handle);

	if (!vm)
		return -ENOENT;
	*phys = vm->kvm.arch.mmu.pgd_phys;
	put_pkvm_hyp_vm(vm);

	return 0;
}

static int test_write_reg(u64 id, u64 offset, u64 value)
{
	struct pkvm_iommu *iommu = pkvm_iommu_get(id);

	if (!iommu || offset >= iommu->mmio_size - offset_in_page(iommu->mmio))
		return -ENOENT;
	writel_relaxed(value, iommu->mmio + ALIGN_DOWN(offset, 4));

	return 0;
}

/**
 * pkvm_iommu_test() - PKVM_IOMMU_TEST
 * @args: enum pkvm_iommu_test_op and its arguments, any values
 * @res: set to the first result
 * @res2: set to the second result
 *
 * Return: 0, or an errno as <uapi/linux/pkvm_iommu_test.h> says.
 */
int pkvm_iommu_test(const u64 *args, u64 *res, u64 *res2)
{
	switch (args[0]) {
	case PKVM_IOMMU_TEST_SHADOW:
		*res = pkvm_iommu_test_shadow(args[1]);
		return 0;
	case PKVM_IOMMU_TEST_GUEST_PGD:
		return test_guest_pgd(args[1], res);
	case PKVM_IOMMU_TEST_STREAM:
		return pkvm_iommu_test_stream(args[1], args[2], res);
	case PKVM_IOMMU_TEST_INVALIDATIONS:
		return pkvm_iommu_test_invalidations(args[1], res);
	case PKVM_IOMMU_TEST_PERMITTED:
		return pkvm_iommu_test_permitted(args[1], args[2], res);
	case PKVM_IOMMU_TEST_UNMAP_DEV:
		return test_unmap_dev();
	case PKVM_IOMMU_TEST_DONATE:
		return test_donate(args[1], args[2]);
	case PKVM_IOMMU_TEST_WRITE_REG:
		return test_write_reg(args[1], args[2], args[3]);
	case PKVM_IOMMU_TEST_SELFTEST:
		return pkvm_iommu_selftest(args, res, res2);
	case PKVM_IOMMU_TEST_RESUME:
		pkvm_iommu_resume();
		return 0;
	}

	return -EOPNOTSUPP;
}
