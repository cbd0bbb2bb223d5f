/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * Test interface of the pKVM IOMMU layer, with CONFIG_PKVM_IOMMU_TEST only.
 *
 * It is for the tests of the same kernel tree and can change with them.
 */
#ifndef _UAPI_LINUX_PKVM_IOMMU_TEST_H
#define _UAPI_LINUX_PKVM_IOMMU_TEST_H

#include <linux/ioctl.h>
#include <linux/pkvm_iommu.h>
#include <linux/types.h>

/*
 * An enum pkvm_iommu_type: an IOMMU in software. It protects nothing and never counts as
 * isolation.
 */
#define PKVM_IOMMU_TYPE_TEST		1

/* An enum pkvm_iommu_op: do the enum pkvm_iommu_test_op in x2. */
#define PKVM_IOMMU_TEST			6

/**
 * enum pkvm_iommu_test_op - second argument of PKVM_IOMMU_TEST
 * @PKVM_IOMMU_TEST_SHADOW: x2: 1 if the shadow maps the address in x3, else 0
 * @PKVM_IOMMU_TEST_GUEST_PGD: x2: address of the stage-2 root table of the VM
 *	whose handle is in x3; -ENOENT: no such VM
 * @PKVM_IOMMU_TEST_STREAM: IOMMU in x3, which must be of the test type, and
 *	stream in x4: x2: 1 if the backend was told to let it through, else 0
 * @PKVM_IOMMU_TEST_INVALIDATIONS: test type IOMMU in x3: x2: invalidations
 *	so far
 * @PKVM_IOMMU_TEST_UNMAP_DEV: run host_stage2_unmap_dev_all()
 * @PKVM_IOMMU_TEST_DONATE: donate the page whose pfn is in x3 to EL2 and back,
 *	x4 times; the errors of %PKVM_IOMMU_TOPUP
 * @PKVM_IOMMU_TEST_WRITE_REG: break hardware: write x5 to the 32-bit register
 *	at offset x4 of the IOMMU in x3
 * @PKVM_IOMMU_TEST_SELFTEST: from the enum pkvm_iommu_selftest_state in x3 take
 *	the enum pkvm_iommu_selftest_step in x4, with the second page of the block
 *	of 2 MiB whose first pfn is in x5, %PKVM_IOMMU_SELFTEST_VM_PAGES aligned
 *	pages from the pfn in x6 for the tables of a VM, and the domain in x7,
 *	which nothing else uses. A test type IOMMU must have a stream on the
 *	identity domain and one on that. x2: 0 if all of it was as it should be, or
 *	enum pkvm_iommu_selftest_failure; x3: what was found instead.
 *	-ENOENT: there is no such state or step, or no sense in it from there
 */
enum pkvm_iommu_test_op {
	PKVM_IOMMU_TEST_SHADOW		= 0,
	PKVM_IOMMU_TEST_GUEST_PGD	= 1,
	PKVM_IOMMU_TEST_STREAM		= 2,
	PKVM_IOMMU_TEST_INVALIDATIONS	= 3,
	PKVM_IOMMU_TEST_UNMAP_DEV	= 4,
	PKVM_IOMMU_TEST_DONATE		= 5,
	PKVM_IOMMU_TEST_WRITE_REG	= 6,
	PKVM_IOMMU_TEST_SELFTEST	= 7,
};

#define PKVM_IOMMU_SELFTEST_VM_PAGES	64

/**
 * enum pkvm_iommu_selftest_state - what can be with a page of the host
 * @PKVM_IOMMU_STATE_HOST: it is the host's alone
 * @PKVM_IOMMU_STATE_SHARED: shared with EL2
 * @PKVM_IOMMU_STATE_HELD: and EL2 uses it
 * @PKVM_IOMMU_STATE_FFA: shared with the secure world
 * @PKVM_IOMMU_STATE_HYP: given to EL2
 * @PKVM_IOMMU_STATE_GUEST: given to a VM
 * @PKVM_IOMMU_STATE_BORROWED: which shares it with the host
 * @PKVM_IOMMU_STATE_LENT: shared with a VM
 * @PKVM_IOMMU_STATE_MAPPED: mapped for devices
 * @PKVM_IOMMU_STATE_TWICE: in two places
 * @PKVM_IOMMU_STATE_LAZY: was mapped, and is unmapped lazily
 * @PKVM_IOMMU_STATE_BLOCK: mapped with the block that it is in
 * @PKVM_IOMMU_STATE_SHARED_MAPPED: both
 * @PKVM_IOMMU_STATE_LENT_MAPPED: both
 * @PKVM_IOMMU_STATE_BORROWED_MAPPED: both
 * @PKVM_IOMMU_STATE_BORROWED_BLOCK: both
 * @PKVM_IOMMU_STATE_BORROWED_LAZY: both
 */
enum pkvm_iommu_selftest_state {
	PKVM_IOMMU_STATE_HOST			= 0,
	PKVM_IOMMU_STATE_SHARED			= 1,
	PKVM_IOMMU_STATE_HELD			= 2,
	PKVM_IOMMU_STATE_FFA			= 3,
	PKVM_IOMMU_STATE_HYP			= 4,
	PKVM_IOMMU_STATE_GUEST			= 5,
	PKVM_IOMMU_STATE_BORROWED		= 6,
	PKVM_IOMMU_STATE_LENT			= 7,
	PKVM_IOMMU_STATE_MAPPED			= 8,
	PKVM_IOMMU_STATE_TWICE			= 9,
	PKVM_IOMMU_STATE_LAZY			= 10,
	PKVM_IOMMU_STATE_BLOCK			= 11,
	PKVM_IOMMU_STATE_SHARED_MAPPED		= 12,
	PKVM_IOMMU_STATE_LENT_MAPPED		= 13,
	PKVM_IOMMU_STATE_BORROWED_MAPPED	= 14,
	PKVM_IOMMU_STATE_BORROWED_BLOCK		= 15,
	PKVM_IOMMU_STATE_BORROWED_LAZY		= 16,
};

/**
 * enum pkvm_iommu_selftest_step - what host, EL2 and VM can do with a page
 * @PKVM_IOMMU_STEP_DONATE_HYP: the host gives it to EL2
 * @PKVM_IOMMU_STEP_RETURN_HYP: EL2 gives it back
 * @PKVM_IOMMU_STEP_SHARE_HYP: the host shares it with EL2
 * @PKVM_IOMMU_STEP_UNSHARE_HYP: no longer
 * @PKVM_IOMMU_STEP_HOLD: EL2 begins to use what is shared
 * @PKVM_IOMMU_STEP_SHARE_FFA: the host shares it with the secure world
 * @PKVM_IOMMU_STEP_UNSHARE_FFA: no longer
 * @PKVM_IOMMU_STEP_DONATE_GUEST: the host gives it to a VM
 * @PKVM_IOMMU_STEP_RECLAIM_GUEST: the host takes it back from the VM
 * @PKVM_IOMMU_STEP_GUEST_SHARE: the VM shares its page with the host
 * @PKVM_IOMMU_STEP_GUEST_UNSHARE: no longer
 * @PKVM_IOMMU_STEP_LEND: the host shares it with a VM
 * @PKVM_IOMMU_STEP_UNLEND: no longer
 * @PKVM_IOMMU_STEP_MAP: it is mapped for devices
 * @PKVM_IOMMU_STEP_MAP_BLOCK: the block that it is in is, elsewhere
 * @PKVM_IOMMU_STEP_UNMAP: undoes the first
 * @PKVM_IOMMU_STEP_UNMAP_LAZY: the same, lazily
 * @PKVM_IOMMU_STEP_UNMAP_BLOCK: undoes the second
 * @PKVM_IOMMU_STEP_UNMAP_PART: a part of the second
 * @PKVM_IOMMU_STEP_FLUSH: flushes the domain
 * @PKVM_IOMMU_STEP_MAP_AGAIN: it is mapped in another place; not by itself
 */
enum pkvm_iommu_selftest_step {
	PKVM_IOMMU_STEP_DONATE_HYP	= 0,
	PKVM_IOMMU_STEP_RETURN_HYP	= 1,
	PKVM_IOMMU_STEP_SHARE_HYP	= 2,
	PKVM_IOMMU_STEP_UNSHARE_HYP	= 3,
	PKVM_IOMMU_STEP_HOLD		= 4,
	PKVM_IOMMU_STEP_SHARE_FFA	= 5,
	PKVM_IOMMU_STEP_UNSHARE_FFA	= 6,
	PKVM_IOMMU_STEP_DONATE_GUEST	= 7,
	PKVM_IOMMU_STEP_RECLAIM_GUEST	= 8,
	PKVM_IOMMU_STEP_GUEST_SHARE	= 9,
	PKVM_IOMMU_STEP_GUEST_UNSHARE	= 10,
	PKVM_IOMMU_STEP_LEND		= 11,
	PKVM_IOMMU_STEP_UNLEND		= 12,
	PKVM_IOMMU_STEP_MAP		= 13,
	PKVM_IOMMU_STEP_MAP_BLOCK	= 14,
	PKVM_IOMMU_STEP_UNMAP		= 15,
	PKVM_IOMMU_STEP_UNMAP_LAZY	= 16,
	PKVM_IOMMU_STEP_UNMAP_BLOCK	= 17,
	PKVM_IOMMU_STEP_UNMAP_PART	= 18,
	PKVM_IOMMU_STEP_FLUSH		= 19,
	PKVM_IOMMU_STEP_MAP_AGAIN	= 20,
};

/**
 * enum pkvm_iommu_selftest_failure - what was not as it should be
 * @PKVM_IOMMU_SELFTEST_SETUP: a step to the state fails; with this errno
 * @PKVM_IOMMU_SELFTEST_ERRNO: the result of the step
 * @PKVM_IOMMU_SELFTEST_SHADOW: whether the identity domain reaches the page
 * @PKVM_IOMMU_SELFTEST_INVALIDATED: how many invalidations the step made
 * @PKVM_IOMMU_SELFTEST_PINNED: whether the page is pinned
 * @PKVM_IOMMU_SELFTEST_WAITING: how many invalidations it took to know
 * @PKVM_IOMMU_SELFTEST_LEFT: the host does not have the page back, unpinned
 */
enum pkvm_iommu_selftest_failure {
	PKVM_IOMMU_SELFTEST_SETUP	= 1,
	PKVM_IOMMU_SELFTEST_ERRNO	= 2,
	PKVM_IOMMU_SELFTEST_SHADOW	= 3,
	PKVM_IOMMU_SELFTEST_INVALIDATED	= 4,
	PKVM_IOMMU_SELFTEST_PINNED	= 5,
	PKVM_IOMMU_SELFTEST_WAITING	= 6,
	PKVM_IOMMU_SELFTEST_LEFT	= 7,
};

/*
 * /dev/pkvm_iommu_test, with CONFIG_PKVM_IOMMU_TEST only: root plays the
 * hostile host kernel.
 */

/* Function of struct pkvm_iommu_test_call. */
#define PKVM_IOMMU_TEST_FN_BOOT		0
#define PKVM_IOMMU_TEST_FN_CALL		1
#define PKVM_IOMMU_TEST_FN_SHARE_HYP	2	/* __pkvm_host_share_hyp(pfn) */
#define PKVM_IOMMU_TEST_FN_UNSHARE_HYP	3	/* __pkvm_host_unshare_hyp(pfn) */

/**
 * struct pkvm_iommu_test_call - a raw hypercall
 * @fn: in: PKVM_IOMMU_TEST_FN_*
 * @args: in: x1 to x17
 * @res: out: x0 to x3
 */
struct pkvm_iommu_test_call {
	__u64 fn;
	__u64 args[17];
	__u64 res[4];
};

/**
 * struct pkvm_iommu_test_faults - what the fault log has seen
 * @count: out: faults since boot
 * @info: out: x2 of the last PKVM_IOMMU_FAULT
 * @address: out: its x3
 * @iommu: out: its IOMMU
 */
struct pkvm_iommu_test_faults {
	__u64 count;
	__u64 info;
	__u64 address;
	__u64 iommu;
};

/* What struct pkvm_iommu_test_range describes. */
#define PKVM_IOMMU_TEST_RANGE_MMIO	0	/* registers of an IOMMU */
#define PKVM_IOMMU_TEST_RANGE_TABLE	1	/* memory given to one IOMMU */
#define PKVM_IOMMU_TEST_RANGE_POOL	2	/* memory given to the pool */
#define PKVM_IOMMU_TEST_RANGE_HYP_TEXT	3
#define PKVM_IOMMU_TEST_RANGE_HYP_DATA	4
#define PKVM_IOMMU_TEST_RANGE_HYP_BSS	5
#define PKVM_IOMMU_TEST_RANGE_CARVEOUT	6	/* memory reserved for EL2 at boot */

/**
 * struct pkvm_iommu_test_range - where EL2's things are
 * @index: in: 0, 1, 2, ... until the ioctl fails with -ENOENT
 * @kind: out: PKVM_IOMMU_TEST_RANGE_*
 * @iommu: out: for the registers and memory of an IOMMU, its id
 * @address: out: physical
 * @size: out: bytes
 */
struct pkvm_iommu_test_range {
	__u64 index;
	__u64 kind;
	__u64 iommu;
	__u64 address;
	__u64 size;
};

/**
 * struct pkvm_iommu_test_page - a page of kernel memory to experiment with
 * @pfn: out of PKVM_IOMMU_TEST_ALLOC; in of PKVM_IOMMU_TEST_FREE, which leaks
 *	the page instead where EL2 has not given it back
 */
struct pkvm_iommu_test_page {
	__u64 pfn;
};

/**
 * struct pkvm_iommu_test_bench - time %PKVM_IOMMU_TEST_DONATE
 * @count: in: how often
 * @ticks: out: ticks of the counter, from just before the hypercall
 * @seal_ns: out: nanoseconds that the boot calls took at EL2
 */
struct pkvm_iommu_test_bench {
	__u64 count;
	__u64 ticks;
	__u64 seal_ns;
};

#define PKVM_IOMMU_TEST_CALL	_IOWR('p', 0x80, struct pkvm_iommu_test_call)
#define PKVM_IOMMU_TEST_FAULTS	_IOR('p', 0x81, struct pkvm_iommu_test_faults)
#define PKVM_IOMMU_TEST_RANGE	_IOWR('p', 0x82, struct pkvm_iommu_test_range)
#define PKVM_IOMMU_TEST_ALLOC	_IOR('p', 0x83, struct pkvm_iommu_test_page)
#define PKVM_IOMMU_TEST_FREE	_IOW('p', 0x84, struct pkvm_iommu_test_page)
#define PKVM_IOMMU_TEST_BENCH	_IOWR('p', 0x85, struct pkvm_iommu_test_bench)

#endif /* _UAPI_LINUX_PKVM_IOMMU_TEST_H */
