/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * Test interface of the pKVM IOMMU layer, with CONFIG_PKVM_IOMMU_TEST only.
 *
 * Three parts: what the tests add to the hypercalls of <linux/pkvm_iommu.h>, the
 * arguments of EL2's selftest, and /dev/pkvm_iommu_test. It is for the tests of the
 * same kernel tree and can change with them. headers_install does not export it.
 */
#ifndef _UAPI_LINUX_PKVM_IOMMU_TEST_H
#define _UAPI_LINUX_PKVM_IOMMU_TEST_H

#include <linux/ioctl.h>
#include <linux/pkvm_iommu.h>
#include <linux/types.h>

/*
 * Values of enum pkvm_iommu_type: IOMMUs in software. They may be registered without registers,
 * protect nothing, and never count as isolation. TEST walks page tables, TEST_TOLD has no page
 * tables, and TEST_PERMITS does not translate. Of TEST and TEST_TOLD, at most
 * PKVM_IOMMU_TEST_CONTEXTS streams can be attached to domains other than the identity domain.
 * TEST_PERMITS has one stream, and needs memory: a bit for each page of its reach. TEST and
 * TEST_TOLD know the bits of PKVM_IOMMU_TEST_QUIRKS in %PKVM_IOMMU_F_QUIRKS, to no effect; with
 * PKVM_IOMMU_TEST_WINDOWS there, they have %PKVM_IOMMU_WINDOWS_MAX windows.
 */
#define PKVM_IOMMU_TYPE_TEST		1
#define PKVM_IOMMU_TYPE_TEST_TOLD	3
#define PKVM_IOMMU_TYPE_TEST_PERMITS	4

#define PKVM_IOMMU_TEST_CONTEXTS	2
#define PKVM_IOMMU_TEST_QUIRKS		0x5
#define PKVM_IOMMU_TEST_WINDOWS		0x8

/*
 * An enum pkvm_iommu_op: do the enum pkvm_iommu_test_op in x2. It works even if the layer is
 * not in service.
 */
#define PKVM_IOMMU_TEST			6

/**
 * enum pkvm_iommu_test_op - operations of PKVM_IOMMU_TEST
 * @PKVM_IOMMU_TEST_SHADOW: read in x2 whether the identity domain maps the physical address in
 *	x3: 1 or 0; 2 if it does for some IOMMUs that reach the address, and not for others
 * @PKVM_IOMMU_TEST_GUEST_PGD: read in x2 the physical address of the stage-2 root table of the
 *	VM whose handle is in x3. -ENOENT: there is no such VM.
 * @PKVM_IOMMU_TEST_STREAM: read in x2 whether the backend of the IOMMU in x3, which must be of a
 *	test type, has let stream x4 through: 1 or 0. -ENOENT: there is no such IOMMU of these
 *	types. -EINVAL: it has no such stream.
 * @PKVM_IOMMU_TEST_INVALIDATIONS: read in x2 how many invalidations the backend of the IOMMU in
 *	x3, which must be of a test type, has been asked for. -ENOENT: there is no such IOMMU of
 *	these types.
 * @PKVM_IOMMU_TEST_UNMAP_DEV: unmap all MMIO from the host's stage 2, as EL2 does to recycle its
 *	tables; returns the error of that
 * @PKVM_IOMMU_TEST_DONATE: donate the page whose pfn is in x3 to EL2 and back, x4 times; returns
 *	the errors of %PKVM_IOMMU_TOPUP
 * @PKVM_IOMMU_TEST_WRITE_REG: break hardware: write x5 to the 32-bit register at offset x4 of the
 *	IOMMU in x3. -ENOENT: there is no such IOMMU or register.
 * @PKVM_IOMMU_TEST_SELFTEST: bring a page to the &enum pkvm_iommu_selftest_state in x3, take the
 *	&enum pkvm_iommu_selftest_step in x4, compare the outcome with EL2's table, and undo all of
 *	it. The page is the second one of the block whose first pfn is in x5; with pages of 64 KiB,
 *	of 1 GiB, because a block is longer than a run of pages. From the pfn in x6 on, which is
 *	aligned to them, %PKVM_IOMMU_SELFTEST_VM_PAGES pages serve as tables of a VM. The domain in
 *	x7 is not used otherwise. An IOMMU of the test type must have a stream in the identity
 *	domain and one in that domain. x2: 0 if the outcome is as it should be, or the
 *	&enum pkvm_iommu_selftest_failure; x3: the value found instead. -ENOENT: there is no such
 *	state or step, or the table has nothing for the two. -EINVAL: x5 or x6 is not an aligned
 *	range of memory. -ENODEV: the layer is not in service. -EPERM: the page is not the host's
 *	alone.
 * @PKVM_IOMMU_TEST_RESUME: set up the IOMMUs that have lost their registers, as EL2 does when a
 *	CPU comes back from power-off. Does not return if one of them does not respond.
 * @PKVM_IOMMU_TEST_PERMITTED: read in x2 whether the IOMMU in x3, which must be of
 *	PKVM_IOMMU_TYPE_TEST_PERMITS, permits accesses to the physical address in x4: 1 or 0.
 *	-ENOENT: there is no such IOMMU of this type.
 *
 * An operation that does not exist returns -EOPNOTSUPP.
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
	PKVM_IOMMU_TEST_RESUME		= 8,
	PKVM_IOMMU_TEST_PERMITTED	= 9,
};

/* Pages that PKVM_IOMMU_TEST_SELFTEST needs for the tables of a VM. */
#define PKVM_IOMMU_SELFTEST_VM_PAGES	64

/**
 * enum pkvm_iommu_selftest_state - states that a page of the host can be in
 * @PKVM_IOMMU_STATE_HOST: owned by the host, shared with nobody
 * @PKVM_IOMMU_STATE_SHARED: shared with EL2
 * @PKVM_IOMMU_STATE_HELD: shared with EL2, and pinned by it for use
 * @PKVM_IOMMU_STATE_FFA: shared with the secure world
 * @PKVM_IOMMU_STATE_HYP: donated to EL2
 * @PKVM_IOMMU_STATE_GUEST: donated to a VM
 * @PKVM_IOMMU_STATE_BORROWED: donated to a VM, which shares it with the host
 * @PKVM_IOMMU_STATE_LENT: shared by the host with a VM
 * @PKVM_IOMMU_STATE_MAPPED: mapped in a domain
 * @PKVM_IOMMU_STATE_TWICE: mapped in a domain at two addresses
 * @PKVM_IOMMU_STATE_LAZY: was mapped, and is unmapped lazily
 * @PKVM_IOMMU_STATE_BLOCK: mapped as part of its block
 * @PKVM_IOMMU_STATE_SHARED_MAPPED: SHARED and MAPPED
 * @PKVM_IOMMU_STATE_LENT_MAPPED: LENT and MAPPED
 * @PKVM_IOMMU_STATE_BORROWED_MAPPED: BORROWED and MAPPED
 * @PKVM_IOMMU_STATE_BORROWED_BLOCK: BORROWED and BLOCK
 * @PKVM_IOMMU_STATE_BORROWED_LAZY: BORROWED and LAZY
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
 * enum pkvm_iommu_selftest_step - things that host, EL2 and VM can do with a page
 * @PKVM_IOMMU_STEP_DONATE_HYP: the host donates it to EL2
 * @PKVM_IOMMU_STEP_RETURN_HYP: EL2 donates it to the host
 * @PKVM_IOMMU_STEP_SHARE_HYP: the host shares it with EL2
 * @PKVM_IOMMU_STEP_UNSHARE_HYP: the host stops sharing it with EL2
 * @PKVM_IOMMU_STEP_HOLD: EL2 pins the shared page
 * @PKVM_IOMMU_STEP_SHARE_FFA: the host shares it with the secure world
 * @PKVM_IOMMU_STEP_UNSHARE_FFA: the host stops sharing it with the secure world
 * @PKVM_IOMMU_STEP_DONATE_GUEST: the host donates it to a VM
 * @PKVM_IOMMU_STEP_RECLAIM_GUEST: the host reclaims it from the VM
 * @PKVM_IOMMU_STEP_GUEST_SHARE: the VM shares it with the host
 * @PKVM_IOMMU_STEP_GUEST_UNSHARE: the VM stops sharing it with the host
 * @PKVM_IOMMU_STEP_LEND: the host shares it with a VM
 * @PKVM_IOMMU_STEP_UNLEND: the host stops sharing it with the VM
 * @PKVM_IOMMU_STEP_MAP: the host maps it in the domain
 * @PKVM_IOMMU_STEP_MAP_BLOCK: the host maps its block in the domain, at another address
 * @PKVM_IOMMU_STEP_UNMAP: the host undoes %PKVM_IOMMU_STEP_MAP
 * @PKVM_IOMMU_STEP_UNMAP_LAZY: the host undoes %PKVM_IOMMU_STEP_MAP lazily
 * @PKVM_IOMMU_STEP_UNMAP_BLOCK: the host undoes %PKVM_IOMMU_STEP_MAP_BLOCK
 * @PKVM_IOMMU_STEP_UNMAP_PART: the host tries to unmap a page of the mapped block
 * @PKVM_IOMMU_STEP_FLUSH: the host flushes the domain
 * @PKVM_IOMMU_STEP_MAP_AGAIN: the host maps it at a second address; leads to a state only, and is
 *	not in the table by itself
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
 * enum pkvm_iommu_selftest_failure - part of an outcome that is not as the table has it
 * @PKVM_IOMMU_SELFTEST_SETUP: a step on the way to the state failed; x3: its errno
 * @PKVM_IOMMU_SELFTEST_ERRNO: the step returned another errno; x3: that errno
 * @PKVM_IOMMU_SELFTEST_SHADOW: the identity domain maps the page, or does not; x3: 1 or 0
 * @PKVM_IOMMU_SELFTEST_INVALIDATED: the step made more or fewer invalidations; x3: their number
 * @PKVM_IOMMU_SELFTEST_PINNED: the page is pinned, or is not; x3: 1 or 0
 * @PKVM_IOMMU_SELFTEST_WAITING: EL2's check for pins made more or fewer invalidations, by flushing
 *	lazy unmaps; x3: their number
 * @PKVM_IOMMU_SELFTEST_LEFT: afterwards the page is not the host's again, or is pinned
 * @PKVM_IOMMU_SELFTEST_PERMITTED: an IOMMU of PKVM_IOMMU_TYPE_TEST_PERMITS permits the page, or
 *	does not; x3: 1 or 0
 */
enum pkvm_iommu_selftest_failure {
	PKVM_IOMMU_SELFTEST_SETUP	= 1,
	PKVM_IOMMU_SELFTEST_ERRNO	= 2,
	PKVM_IOMMU_SELFTEST_SHADOW	= 3,
	PKVM_IOMMU_SELFTEST_INVALIDATED	= 4,
	PKVM_IOMMU_SELFTEST_PINNED	= 5,
	PKVM_IOMMU_SELFTEST_WAITING	= 6,
	PKVM_IOMMU_SELFTEST_LEFT	= 7,
	PKVM_IOMMU_SELFTEST_PERMITTED	= 8,
};

/**
 * DOC: /dev/pkvm_iommu_test
 *
 * Through this device root plays a hostile host kernel. Its ioctls:
 *
 *  - %PKVM_IOMMU_TEST_CALL: make a hypercall. -ENODEV: there is no hypervisor. -EINVAL: unknown
 *    function. -EBUSY: the firmware would suspend the system. An error of the hypercall itself
 *    is in its results.
 *  - %PKVM_IOMMU_TEST_FAULTS: read the number of faults, and the last one.
 *  - %PKVM_IOMMU_TEST_RANGE: find out where EL2's memory is. -ENOENT: there is no such range.
 *  - %PKVM_IOMMU_TEST_ALLOC: allocate a zeroed page. -ENOMEM: there is none.
 *  - %PKVM_IOMMU_TEST_FREE: free such a page. -EBUSY: the host does not own it; it is leaked.
 *  - %PKVM_IOMMU_TEST_BENCH: time %PKVM_IOMMU_TEST_DONATE, whose errors it returns. -ENOMEM: there
 *    is no page for it.
 *
 * mmap() of one page at offset 0 maps the last page of the list of runs of
 * %PKVM_IOMMU_RUN_LIST, which the kernel leaves to the tests. -ENODEV: there is no list.
 */

/* Functions of struct pkvm_iommu_test_call. */
#define PKVM_IOMMU_TEST_FN_BOOT		0	/* __pkvm_iommu_boot */
#define PKVM_IOMMU_TEST_FN_CALL		1	/* __pkvm_iommu_call */
#define PKVM_IOMMU_TEST_FN_SHARE_HYP	2	/* __pkvm_host_share_hyp(pfn) */
#define PKVM_IOMMU_TEST_FN_UNSHARE_HYP	3	/* __pkvm_host_unshare_hyp(pfn) */
#define PKVM_IOMMU_TEST_FN_SUSPEND	4	/* SYSTEM_SUSPEND; x0: result of PSCI */

/**
 * struct pkvm_iommu_test_call - a hypercall with any registers
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
 * struct pkvm_iommu_test_faults - faults that the kernel has read from EL2
 * @count: out: faults since boot
 * @info: out: x2 of the last PKVM_IOMMU_FAULT
 * @address: out: its x3
 * @iommu: out: its IOMMU's id
 */
struct pkvm_iommu_test_faults {
	__u64 count;
	__u64 info;
	__u64 address;
	__u64 iommu;
};

/* Kinds of a struct pkvm_iommu_test_range. */
#define PKVM_IOMMU_TEST_RANGE_MMIO	0	/* registers of an IOMMU */
#define PKVM_IOMMU_TEST_RANGE_TABLE	1	/* memory donated to one IOMMU */
#define PKVM_IOMMU_TEST_RANGE_POOL	2	/* memory donated to the pool */
#define PKVM_IOMMU_TEST_RANGE_HYP_TEXT	3
#define PKVM_IOMMU_TEST_RANGE_HYP_DATA	4
#define PKVM_IOMMU_TEST_RANGE_HYP_BSS	5
#define PKVM_IOMMU_TEST_RANGE_CARVEOUT	6	/* memory reserved for EL2 at boot */
#define PKVM_IOMMU_TEST_RANGE_WINDOW	7	/* further registers of an IOMMU */

/**
 * struct pkvm_iommu_test_range - memory or MMIO that belongs to EL2
 * @index: in: 0, 1, 2, ... until the ioctl fails with -ENOENT
 * @kind: out: PKVM_IOMMU_TEST_RANGE_*
 * @iommu: out: id of the IOMMU, for its registers and its memory
 * @address: out: physical address
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
 * @pfn: out of PKVM_IOMMU_TEST_ALLOC, in of PKVM_IOMMU_TEST_FREE
 * @order: in of PKVM_IOMMU_TEST_ALLOC: log2 of the number of pages, in a row and aligned, which
 *	PKVM_IOMMU_TEST_FREE frees one by one; at most %PKVM_IOMMU_TOPUP_MAX
 */
struct pkvm_iommu_test_page {
	__u64 pfn;
	__u64 order;
};

/**
 * struct pkvm_iommu_test_bench - time that %PKVM_IOMMU_TEST_DONATE takes
 * @count: in: number of donations
 * @ticks: out: ticks of the system counter for all of them, the hypercall included
 * @seal_ns: out: nanoseconds that the boot operations took at EL2
 */
struct pkvm_iommu_test_bench {
	__u64 count;
	__u64 ticks;
	__u64 seal_ns;
};

#define PKVM_IOMMU_TEST_CALL	_IOWR('p', 0x80, struct pkvm_iommu_test_call)
#define PKVM_IOMMU_TEST_FAULTS	_IOR('p', 0x81, struct pkvm_iommu_test_faults)
#define PKVM_IOMMU_TEST_RANGE	_IOWR('p', 0x82, struct pkvm_iommu_test_range)
#define PKVM_IOMMU_TEST_ALLOC	_IOWR('p', 0x83, struct pkvm_iommu_test_page)
#define PKVM_IOMMU_TEST_FREE	_IOW('p', 0x84, struct pkvm_iommu_test_page)
#define PKVM_IOMMU_TEST_BENCH	_IOWR('p', 0x85, struct pkvm_iommu_test_bench)

#endif /* _UAPI_LINUX_PKVM_IOMMU_TEST_H */
