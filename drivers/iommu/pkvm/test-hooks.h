/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Test hooks: where the tests observe the layer, or make a step of it fail.
 *
 * test.c defines the table. Without CONFIG_PKVM_IOMMU_TEST there is no table,
 * and the compiler removes every wrapper below. boot.c and fault.c are the only
 * users; a wrapper may be called from any context unless it says otherwise.
 */
#ifndef __PKVM_IOMMU_TEST_HOOKS_H
#define __PKVM_IOMMU_TEST_HOOKS_H

#include <linux/kconfig.h>
#include <linux/types.h>

struct page;

/**
 * struct pkvm_iommu_test_hooks - functions that test.c supplies, all of them
 * @register_flags: returns the PKVM_IOMMU_F_* to register an IOMMU with, given
 *	those that its init module found
 * @fail_boot_alloc: returns true to make a page allocation of the boot fail
 * @allow_protected_vms: returns true to leave it to EL2 to refuse protected VMs
 * @boot_call_begin: a boot hypercall is about to be made
 * @boot_call_end: that hypercall has returned
 * @donated: EL2 has accepted @size bytes of memory at @page; @target is as for
 *	PKVM_IOMMU_BOOT_DONATE
 * @fault: @iommu has reported a fault; @info and @address are the results of
 *	PKVM_IOMMU_FAULT
 */
struct pkvm_iommu_test_hooks {
	u64	(*register_flags)(u64 flags);
	bool	(*fail_boot_alloc)(void);
	bool	(*allow_protected_vms)(void);
	void	(*boot_call_begin)(void);
	void	(*boot_call_end)(void);
	void	(*donated)(u64 target, struct page *page, size_t size);
	void	(*fault)(u32 iommu, u64 info, u64 address);
};

extern const struct pkvm_iommu_test_hooks pkvm_iommu_test_hooks;

/* Bytes behind the run lists of the batches, for runs that tests write. */
#define PKVM_IOMMU_TEST_RUN_LIST_SIZE	(IS_ENABLED(CONFIG_PKVM_IOMMU_TEST) ? PAGE_SIZE : 0)

static inline u64 pkvm_iommu_test_register_flags(u64 flags)
{
	if (IS_ENABLED(CONFIG_PKVM_IOMMU_TEST))
		return pkvm_iommu_test_hooks.register_flags(flags);
	return flags;
}

static inline bool pkvm_iommu_test_fail_boot_alloc(void)
{
	return IS_ENABLED(CONFIG_PKVM_IOMMU_TEST) && pkvm_iommu_test_hooks.fail_boot_alloc();
}

static inline bool pkvm_iommu_test_allow_protected_vms(void)
{
	return IS_ENABLED(CONFIG_PKVM_IOMMU_TEST) && pkvm_iommu_test_hooks.allow_protected_vms();
}

static inline void pkvm_iommu_test_boot_call_begin(void)
{
	if (IS_ENABLED(CONFIG_PKVM_IOMMU_TEST))
		pkvm_iommu_test_hooks.boot_call_begin();
}

static inline void pkvm_iommu_test_boot_call_end(void)
{
	if (IS_ENABLED(CONFIG_PKVM_IOMMU_TEST))
		pkvm_iommu_test_hooks.boot_call_end();
}

static inline void pkvm_iommu_test_donated(u64 target, struct page *page, size_t size)
{
	if (IS_ENABLED(CONFIG_PKVM_IOMMU_TEST))
		pkvm_iommu_test_hooks.donated(target, page, size);
}

static inline void pkvm_iommu_test_fault(u32 iommu, u64 info, u64 address)
{
	if (IS_ENABLED(CONFIG_PKVM_IOMMU_TEST))
		pkvm_iommu_test_hooks.fault(iommu, info, address);
}

#endif /* __PKVM_IOMMU_TEST_HOOKS_H */
