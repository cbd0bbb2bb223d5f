/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * Hypercalls by which a pKVM host uses the IOMMUs that the hypervisor owns.
 *
 * This file is the contract: general rules first, then one block for each
 * operation, then the constants. It is rendered as
 * Documentation/virt/kvm/arm/pkvm-iommu-abi.rst.
 */
#ifndef _UAPI_LINUX_PKVM_IOMMU_H
#define _UAPI_LINUX_PKVM_IOMMU_H

/**
 * DOC: Calling convention
 *
 * The host kernel (EL1) asks, the hypervisor (EL2) decides. Two SMCCC functions,
 * called by HVC, carry every request:
 *
 *  - ``__pkvm_iommu_boot`` performs an &enum pkvm_iommu_boot_op. It exists until
 *    pKVM drops the host's privileges at the end of boot. Until then EL2 trusts
 *    the host.
 *  - ``__pkvm_iommu_call`` performs an &enum pkvm_iommu_op. It exists from then on.
 *    The host is not trusted: it may pass any value, on any CPU, at any time.
 *
 * A call at the wrong time gets the SMCCC status NOT_SUPPORTED and does nothing.
 * The function identifiers are ``KVM_HOST_SMCCC_FUNC(name)`` of <asm/kvm_asm.h>.
 * Host and hypervisor are one kernel image, so they can differ between kernels.
 *
 * Registers of a call:
 *
 *  - x0: function identifier
 *  - x1: operation
 *  - x2 to x17: arguments. Registers that an operation does not name are ignored.
 *
 * Registers on return:
 *
 *  - x0: SMCCC status. If it is not 0, the other registers hold no answer.
 *  - x1: 0 or a negative errno, as a signed 64-bit value
 *  - x2, x3: results; 0 where the operation has none
 *
 * Units: addresses and sizes are in bytes. A pfn is a physical address divided by
 * EL2's PAGE_SIZE, and pages are of that size. "Page aligned" means a multiple of
 * PAGE_SIZE.
 *
 * An operation can be called in any context, with interrupts disabled as well. EL2
 * performs it on the calling CPU with interrupts masked. It does not sleep. Calls
 * from several CPUs may overlap, except for the boot operations: EL2 takes no lock
 * for those, and the host makes one at a time.
 *
 * A call "waits for an IOMMU" if EL2 sends it commands and spins until they are
 * complete. Other calls go on meanwhile, but for these: calls for the same IOMMU, if it has no
 * page tables or no queue of commands; calls for the same domain, if it is for IOMMUs without page
 * tables; and all changes of the host's stage 2, if memory changes its owner. If a command of
 * ``__pkvm_iommu_call`` is not complete within a second, the call does not return: EL2 panics,
 * because a device could still reach memory that was taken from it. Every later call panics as
 * well. A call that finds the queue of the IOMMU full has a second for the commands in it first,
 * and again if other CPUs fill the queue meanwhile.
 *
 * In the examples, ``OP(a, b, ...)`` is a call with a in x2, b in x3 and so on. The
 * arrow precedes x1, and the results if they matter. PAGE_SIZE is 4096, and the block
 * size of the kernel (PMD_SIZE) 2 MiB.
 */

/**
 * DOC: Errors and partial progress
 *
 * Each operation lists its errors. If several apply, any of them may be returned.
 * Two more mean the same for every operation:
 *
 *  - -EOPNOTSUPP: x1 names no operation.
 *  - -ENODEV: the layer is not in service. It is in service once
 *    %PKVM_IOMMU_BOOT_SEAL has succeeded, or has failed with -ETIMEDOUT, or with -ENODEV
 *    where there are IOMMUs of the test types. It is not after ``pkvm_iommu=off``, without a
 *    registered IOMMU, or if the seal failed for another reason. %PKVM_IOMMU_RECLAIM works in
 *    any case.
 *
 * A call that returns an error has changed nothing that the host or a device could
 * notice. The exceptions are operations that bound the work of one call. They stop
 * early and report their progress, which is not undone if they then meet an error:
 *
 *  - %PKVM_IOMMU_BOOT_SEAL and %PKVM_IOMMU_DOMAIN_FREE return -EAGAIN. The caller
 *    repeats the call to continue.
 *  - %PKVM_IOMMU_MAP, %PKVM_IOMMU_MAP_LIST and %PKVM_IOMMU_UNMAP return in x2 the
 *    bytes that they have dealt with, from the start. Without an error, the caller
 *    continues after them.
 *  - %PKVM_IOMMU_REPLAY returns 1 in x2 if there is more to do. The caller repeats
 *    the call to continue.
 */

/**
 * DOC: Memory for the hypervisor
 *
 * EL2 has no memory of its own for page tables and records. The host gives pages to
 * EL2's pool: with %PKVM_IOMMU_BOOT_DONATE during boot, then with %PKVM_IOMMU_TOPUP.
 * A page that was given belongs to EL2. Neither the host's CPUs nor its devices reach
 * it until %PKVM_IOMMU_RECLAIM returns it. One exception: for each nested domain, EL2 lets
 * devices read a page in which it describes the host's page table to IOMMUs.
 *
 * An operation that needs more than the pool has returns -ENOMEM and the number of pages
 * to give. That number is in x2; %PKVM_IOMMU_MAP and %PKVM_IOMMU_MAP_LIST, which report
 * their progress in x2, have it in x3. The caller gives at least so many pages and repeats
 * the call. Pages that the failed call took from the pool are not lost: they serve the
 * call that follows.
 *
 * A page table of stage 2 can have a root of up to 16 pages, contiguous and aligned to its size:
 * with pages of 4 KiB, 2 for 40 bits of addresses and 8 for 42; with pages of 16 KiB, 8 for 39,
 * 16 for 40 and 2 for 48. EL2 takes such a root from pages that one call has given together, also
 * contiguous and aligned. So for %PKVM_IOMMU_BOOT_SEAL and %PKVM_IOMMU_DOMAIN_ALLOC, the caller
 * gives the largest power of two of the number that -ENOMEM reports in one call, aligned to its
 * size; the others may be single pages. All of them come back one by one.
 *
 * The pool is common to all CPUs. Another call can use up the pages first, and
 * %PKVM_IOMMU_RECLAIM can return them to the host. The caller then gets -ENOMEM again
 * and repeats; it should limit the number of attempts that make no progress.
 */

/**
 * enum pkvm_iommu_boot_op - operations of __pkvm_iommu_boot
 * @PKVM_IOMMU_BOOT_REGISTER: make an IOMMU known to EL2
 * @PKVM_IOMMU_BOOT_DONATE: give EL2 a contiguous range of memory
 * @PKVM_IOMMU_BOOT_SEAL: have EL2 take over all registered IOMMUs
 * @PKVM_IOMMU_BOOT_WITHHOLD: have EL2 take the registers of another device
 * @PKVM_IOMMU_BOOT_WINDOW: name further registers of an IOMMU
 *
 * A block of the same name describes each operation.
 */
enum pkvm_iommu_boot_op {
	PKVM_IOMMU_BOOT_REGISTER	= 0,
	PKVM_IOMMU_BOOT_DONATE		= 1,
	PKVM_IOMMU_BOOT_SEAL		= 2,
	PKVM_IOMMU_BOOT_WITHHOLD	= 3,
	PKVM_IOMMU_BOOT_WINDOW		= 4,
};

/**
 * DOC: PKVM_IOMMU_BOOT_REGISTER
 *
 * Make an IOMMU known to EL2. EL2 reads its ID registers and decides whether it can
 * isolate with it. The state of the hardware does not change.
 *
 * Arguments:
 *
 *  - x2: &enum pkvm_iommu_type
 *  - x3: physical address of the registers
 *  - x4: size of the registers in bytes. All pages that the range touches become EL2's
 *    with %PKVM_IOMMU_BOOT_SEAL.
 *  - x5: flags, any of %PKVM_IOMMU_F_COHERENT, %PKVM_IOMMU_F_STAGE1, %PKVM_IOMMU_F_LINEAR,
 *    %PKVM_IOMMU_F_REACH and %PKVM_IOMMU_F_QUIRKS
 *
 * Results:
 *
 *  - x2: on success, the IOMMU's id. Ids count from 0 in the order of registration.
 *    On -ENXIO, an &enum pkvm_iommu_refusal.
 *  - x3: on success, the bytes of contiguous memory that the IOMMU needs from
 *    %PKVM_IOMMU_BOOT_DONATE, aligned to this size; 0 if none
 *
 * Errors:
 *
 *  - -EINVAL: the type is unknown, or this kernel has no backend for it.
 *  - -EINVAL: a flag is unknown, or %PKVM_IOMMU_F_REACH is less than 32 and not 0.
 *  - -EINVAL: %PKVM_IOMMU_F_QUIRKS has a bit that has no meaning for this type.
 *  - -EINVAL: the range is empty, or reaches beyond the physical addresses of the CPU.
 *  - -EPERM: a page of the range is memory.
 *  - -EEXIST: a page of the range belongs to an IOMMU that is registered already, or is
 *    withheld.
 *  - -ENOSPC: %PKVM_IOMMU_MAX IOMMUs are registered.
 *  - -EBUSY: %PKVM_IOMMU_BOOT_SEAL has begun, or the registry is closed.
 *  - -ENOMEM: EL2 has no address space or page tables left to map the registers. x2 is
 *    0: the host cannot give memory for this.
 *  - -ENXIO: the hardware cannot be isolated, for the reason in x2.
 *
 * Context: one boot operation at a time. Does not wait for the IOMMU.
 *
 * Example, an SMMUv3 that needs a stream table of 64 KiB, and an IOMMU that EL2
 * cannot use because it does not translate pages of PAGE_SIZE::
 *
 *	BOOT_REGISTER(TYPE_SMMU_V3, 0x9050000, 0x20000, F_COHERENT) -> 0, x2 = 0, x3 = 0x10000
 *	BOOT_REGISTER(TYPE_SMMU_V3, 0x9090000, 0x20000, 0) -> -ENXIO, x2 = REFUSE_GRANULE
 */

/**
 * DOC: PKVM_IOMMU_BOOT_WITHHOLD
 *
 * Have EL2 take the registers of a device that can access memory and is behind no IOMMU.
 * From %PKVM_IOMMU_BOOT_SEAL on, neither the host's CPUs nor its devices reach them, so
 * that the host cannot program an access. EL2 does not touch them: the device has to be
 * idle.
 *
 * Arguments:
 *
 *  - x2: physical address of the registers
 *  - x3: size of the registers in bytes. All pages that the range touches become EL2's.
 *
 * Errors:
 *
 *  - -EINVAL: the range is empty, or reaches beyond the physical addresses of the CPU.
 *  - -EPERM: a page of the range is memory.
 *  - -EEXIST: a page of the range belongs to an IOMMU that is registered, or is withheld.
 *  - -ENOSPC: %PKVM_IOMMU_WITHHELD_MAX ranges are withheld.
 *  - -EBUSY: %PKVM_IOMMU_BOOT_SEAL has begun, or the registry is closed.
 *
 * Context: one boot operation at a time.
 *
 * Example::
 *
 *	BOOT_WITHHOLD(0x9020000, 0x18) -> 0
 */

/**
 * DOC: PKVM_IOMMU_BOOT_WINDOW
 *
 * Name further registers of an IOMMU, apart from those of %PKVM_IOMMU_BOOT_REGISTER. The backend
 * knows how many such windows the IOMMU has, and finds them in the order of the calls. Without
 * all of them, %PKVM_IOMMU_BOOT_SEAL fails.
 *
 * Arguments:
 *
 *  - x2: IOMMU id
 *  - x3: physical address of the registers
 *  - x4: size of the registers in bytes. All pages that the range touches become EL2's
 *    with %PKVM_IOMMU_BOOT_SEAL.
 *
 * Errors:
 *
 *  - -ENOENT: there is no such IOMMU.
 *  - -EINVAL: the range is empty, or reaches beyond the physical addresses of the CPU.
 *  - -EPERM: a page of the range is memory.
 *  - -EEXIST: a page of the range belongs to an IOMMU that is registered, this one included, or
 *    is withheld.
 *  - -ENOSPC: the IOMMU has all its windows, or needs none.
 *  - -ENOMEM: EL2 has no address space or page tables left to map the registers.
 *  - -EBUSY: %PKVM_IOMMU_BOOT_SEAL has begun, or the registry is closed.
 *
 * Context: one boot operation at a time. Does not wait for the IOMMU.
 *
 * Example, IOMMU 2 with two windows::
 *
 *	BOOT_REGISTER(type, 0x90a0000, 0x1000, 0) -> 0, x2 = 2
 *	BOOT_WINDOW(2, 0x90c0000, 0x400) -> 0
 *	BOOT_WINDOW(2, 0x90d0000, 0x400) -> -ENOSPC
 */

/**
 * DOC: PKVM_IOMMU_BOOT_DONATE
 *
 * Give EL2 a contiguous range of memory. It becomes a table of one IOMMU, pages of
 * the pool, or the list of runs that %PKVM_IOMMU_MAP_LIST reads.
 *
 * A table and pages of the pool belong to EL2 from then on. They stay with EL2 if a
 * later step of the boot fails, but %PKVM_IOMMU_RECLAIM returns what is unused in the
 * pool. The list of runs stays the host's memory. It is shared with EL2 for ever, and
 * the host writes runs to it at any time.
 *
 * Arguments:
 *
 *  - x2: the id of the IOMMU that asked for memory, %PKVM_IOMMU_POOL for the pool, or
 *    %PKVM_IOMMU_RUN_LIST for the list of runs
 *  - x3: pfn of the first page
 *  - x4: number of pages, 1 to %PKVM_IOMMU_DONATE_MAX
 *
 * Errors:
 *
 *  - -EINVAL: x4 is 0, or more than %PKVM_IOMMU_DONATE_MAX.
 *  - -EINVAL: the range is smaller than the IOMMU asked for, or is not aligned to that
 *    size.
 *  - -EINVAL: the range reaches beyond the physical addresses of the CPU, or beyond 48 bits; for
 *    an IOMMU, beyond its addresses; for the pool, beyond those of any registered IOMMU that
 *    walks page tables.
 *  - -EINVAL: the range crosses the end of a region of memory.
 *  - -EPERM: not all of the range is memory that the host owns exclusively.
 *  - -ENOENT: there is no such IOMMU. For the pool and for the list of runs: no IOMMU
 *    is registered.
 *  - -EBUSY: the registry is closed.
 *  - -EBUSY: for an IOMMU, it has its memory, or %PKVM_IOMMU_BOOT_SEAL has begun.
 *  - -EBUSY: for the list of runs, there is one.
 *
 * Context: one boot operation at a time.
 *
 * Example, 64 KiB for the stream table of IOMMU 0, 2 MiB for the pool, and one page
 * for a list of 512 runs::
 *
 *	BOOT_DONATE(0, 0x41230, 16) -> 0
 *	BOOT_DONATE(POOL, 0x41400, 512) -> 0
 *	BOOT_DONATE(RUN_LIST, 0x41300, 1) -> 0
 */

/**
 * DOC: PKVM_IOMMU_BOOT_SEAL
 *
 * Take over all registered IOMMUs and close the registry. EL2 chooses the geometry of each
 * (%PKVM_IOMMU_INFO_GEOMETRY), builds the page tables of the identity domain, takes all
 * registers from the host (of IOMMUs, and withheld), audits that the host reaches nothing that
 * EL2 maps, and makes every IOMMU block every stream. If that succeeds, EL2 allows protected VMs.
 *
 * Arguments:
 *
 *  - x2: flags, any of %PKVM_IOMMU_F_OFF and %PKVM_IOMMU_F_REFUSE_VMS. With OFF, EL2 takes
 *    nothing, the layer is never in service, and protected VMs are allowed without
 *    isolation. With REFUSE_VMS, EL2 refuses protected VMs even if all else succeeds.
 *
 * Results:
 *
 *  - x2: on -ENOMEM, the number of pages to give to the pool. On -ENXIO, -EPERM, -EIO and
 *    -ETIMEDOUT, an &enum pkvm_iommu_refusal. Else 0.
 *  - x3: on these four errors, the id of the IOMMU to blame; the number of IOMMUs if it is
 *    registers that are withheld. It is 0 with %PKVM_IOMMU_REFUSE_AUDIT.
 *
 * Errors:
 *
 *  - -EAGAIN: the work of one call is done, and there is more.
 *  - -ENOMEM: the pool has too few pages.
 *  - -EBUSY: the registry is closed: the IOMMUs are sealed or sealed off, or sealing
 *    them has failed.
 *  - -EINVAL: a flag is unknown.
 *  - -ENODEV: no IOMMU is registered, or only those of the test types.
 *  - -ENXIO: an IOMMU did not get the memory that it needs (%PKVM_IOMMU_REFUSE_MEMORY), or not
 *    all its windows (%PKVM_IOMMU_REFUSE_MMIO), or it and the CPU reach less than 32 bits of
 *    physical addresses (%PKVM_IOMMU_REFUSE_STAGE).
 *  - -EPERM: the registers of an IOMMU, or those withheld, are not all MMIO that the host
 *    owns (%PKVM_IOMMU_REFUSE_MMIO), or EL2 maps something that the host reaches
 *    (%PKVM_IOMMU_REFUSE_AUDIT).
 *  - -EIO: EL2 has no memory left to take the registers out of the host's stage-2
 *    tables (%PKVM_IOMMU_REFUSE_MMIO). The pool does not serve these tables.
 *  - -ETIMEDOUT: an IOMMU did not respond (%PKVM_IOMMU_REFUSE_TIMEOUT), or did not
 *    accept its configuration (another reason). If there are several, x2 and x3
 *    are of the last one.
 *
 * Partial progress: after -EAGAIN, repeat the call to continue. After -ENOMEM, first give
 * x2 pages to the pool. After -EBUSY and -EINVAL nothing has
 * changed. After any other error the registry is closed, and EL2 refuses protected VMs
 * until the next boot:
 *
 *  - After -ETIMEDOUT the layer is in service, except for the IOMMUs that did not
 *    respond. Their streams cannot be attached.
 *  - After -ENODEV it is in service if there are IOMMUs of the test types.
 *  - After the other errors it is not in service.
 *
 * Context: one boot operation at a time. Waits for the hardware.
 *
 * Example, a seal that needs memory and several calls::
 *
 *	BOOT_SEAL(0) -> -ENOMEM, x2 = 512
 *	BOOT_DONATE(POOL, 0x41400, 512) -> 0
 *	BOOT_SEAL(0) -> -EAGAIN
 *	BOOT_SEAL(0) -> 0
 */

/**
 * enum pkvm_iommu_op - operations of __pkvm_iommu_call
 * @PKVM_IOMMU_ATTACH: let the DMA of a stream through a domain
 * @PKVM_IOMMU_DETACH: block a stream
 * @PKVM_IOMMU_TOPUP: give memory to the pool
 * @PKVM_IOMMU_RECLAIM: take an unused page of the pool back
 * @PKVM_IOMMU_FAULT: take the oldest fault that an IOMMU recorded
 * @PKVM_IOMMU_INFO: read a value about the layer or an IOMMU
 * @PKVM_IOMMU_DOMAIN_ALLOC: create a domain
 * @PKVM_IOMMU_DOMAIN_FREE: destroy a domain
 * @PKVM_IOMMU_MAP: map memory in a domain, by runs in registers
 * @PKVM_IOMMU_UNMAP: remove mappings
 * @PKVM_IOMMU_LOOKUP: translate an I/O virtual address
 * @PKVM_IOMMU_FLUSH: complete lazy unmaps
 * @PKVM_IOMMU_REPLAY: send the mappings of a domain to an IOMMU without page tables
 * @PKVM_IOMMU_MAP_LIST: map memory in a domain, by runs in shared memory
 * @PKVM_IOMMU_INVALIDATE: drop what IOMMUs have cached of the host's page tables
 * @PKVM_IOMMU_REGION: read a reserved region of a stream
 *
 * A block of the same name describes each operation. 6 is reserved for tests.
 */
enum pkvm_iommu_op {
	PKVM_IOMMU_ATTACH		= 0,
	PKVM_IOMMU_DETACH		= 1,
	PKVM_IOMMU_TOPUP		= 2,
	PKVM_IOMMU_RECLAIM		= 3,
	PKVM_IOMMU_FAULT		= 4,
	PKVM_IOMMU_INFO			= 5,
	/* 6 is PKVM_IOMMU_TEST, see pkvm_iommu_test.h. */
	PKVM_IOMMU_DOMAIN_ALLOC		= 7,
	PKVM_IOMMU_DOMAIN_FREE		= 8,
	PKVM_IOMMU_MAP			= 9,
	PKVM_IOMMU_UNMAP		= 10,
	PKVM_IOMMU_LOOKUP		= 11,
	PKVM_IOMMU_FLUSH		= 12,
	PKVM_IOMMU_REPLAY		= 13,
	PKVM_IOMMU_MAP_LIST		= 14,
	PKVM_IOMMU_INVALIDATE		= 15,
	PKVM_IOMMU_REGION		= 16,
};

/**
 * DOC: PKVM_IOMMU_ATTACH
 *
 * Let the DMA of a stream through a domain. On success the stream reaches what the
 * domain maps, and the domain cannot be destroyed. A stream is attached to one domain
 * at a time: to change it, detach the stream first. Until its first attach, and after
 * a detach, a stream is blocked.
 *
 * Arguments:
 *
 *  - x2: IOMMU id
 *  - x3: stream id
 *  - x4: domain id, %PKVM_IOMMU_DOMAIN_IDENTITY or from %PKVM_IOMMU_DOMAIN_ALLOC
 *
 * Results:
 *
 *  - x2: on success, 1 if the IOMMU has no page tables and may not know all of the domain's
 *    mappings, as after the first attach of the domain: the stream reaches them only after
 *    %PKVM_IOMMU_REPLAY. Else 0.
 *    On -ENOMEM, the number of pages to give to the pool.
 *
 * Errors:
 *
 *  - -ENODEV: the layer is not in service.
 *  - -ENOENT: there is no such IOMMU.
 *  - -EINVAL: the stream id is beyond what the IOMMU's stream table can hold.
 *  - -EINVAL: the domain was made for an IOMMU of another geometry (%PKVM_IOMMU_INFO_GEOMETRY).
 *  - -ENXIO: there is no such domain.
 *  - -EOPNOTSUPP: the domain is the identity domain, and this IOMMU has no page tables,
 *    so that it cannot follow page ownership in time (%PKVM_IOMMU_INFO_IDENTITY).
 *  - -EOPNOTSUPP: the domain is managed, and this IOMMU does not translate: it only permits and
 *    denies accesses (%PKVM_IOMMU_INFO_MANAGED).
 *  - -EOPNOTSUPP: the domain is nested, and this IOMMU cannot nest (%PKVM_IOMMU_INFO_NESTED).
 *  - -EBUSY: the stream is attached, to this domain or another.
 *  - -EAGAIN: another CPU attaches or detaches the stream. Repeat the call.
 *  - -EIO: the IOMMU did not respond at boot.
 *  - -EIO: the IOMMU refuses the stream, for instance because it overlaps one that is attached.
 *    The stream stays blocked; EL2 may keep the pages that it used for its record of the stream.
 *  - -ENOSPC: the hardware has nothing left for another stream, or for a stream in this domain
 *    (%PKVM_IOMMU_MANAGED_SOME); for a stream in the identity domain, only the former.
 *    The stream stays blocked; EL2 may keep the pages, as with -EIO. The same attach may succeed
 *    after a detach of another stream of this IOMMU, and to another domain at once.
 *  - -ENOMEM: the pool has too few pages.
 *
 * Context: waits for the IOMMU.
 *
 * Example, streams 0x8 and 0x10 of IOMMU 0, the second one without memory at first::
 *
 *	ATTACH(0, 0x8, 3) -> 0, x2 = 0
 *	ATTACH(0, 0x10, 3) -> -ENOMEM, x2 = 5
 *	TOPUP(0x8a100, 5) -> 0
 *	ATTACH(0, 0x10, 3) -> 0, x2 = 0
 */

/**
 * DOC: PKVM_IOMMU_DETACH
 *
 * Block a stream. On success no DMA of the stream is under way, and none begins.
 *
 * Arguments:
 *
 *  - x2: IOMMU id
 *  - x3: stream id
 *  - x4: id of the domain that the stream is attached to
 *
 * Errors:
 *
 *  - -ENODEV: the layer is not in service.
 *  - -ENOENT: there is no such IOMMU.
 *  - -EINVAL: the stream id is beyond what the IOMMU's stream table can hold.
 *  - -ENXIO: there is no such domain.
 *  - -ENOTCONN: the stream is not attached to this domain.
 *  - -EAGAIN: another CPU attaches or detaches the stream. Repeat the call.
 *
 * Context: waits for the IOMMU.
 *
 * Example, a detach, and the same again::
 *
 *	DETACH(0, 0x8, 3) -> 0
 *	DETACH(0, 0x8, 3) -> -ENOTCONN
 */

/**
 * DOC: PKVM_IOMMU_TOPUP
 *
 * Give memory to the pool. On success it belongs to EL2, and neither the host's CPUs
 * nor its devices reach it.
 *
 * Arguments:
 *
 *  - x2: pfn of the first page
 *  - x3: number of pages, 1 to %PKVM_IOMMU_TOPUP_MAX
 *
 * Errors:
 *
 *  - -ENODEV: the layer is not in service.
 *  - -EINVAL: x3 is 0, or more than %PKVM_IOMMU_TOPUP_MAX.
 *  - -EINVAL: the range reaches beyond the physical addresses of the CPU or of any registered
 *    IOMMU that walks page tables, or beyond 48 bits. Memory at a lower address may do.
 *  - -EINVAL: the range crosses the end of a region of memory.
 *  - -EPERM: not all of the range is memory that the host owns exclusively.
 *  - -EBUSY: a page of the range is mapped in a domain.
 *
 * Context: waits for every IOMMU that has a stream in the identity domain or in a nested one,
 * or that does not translate; and, if a page of the range was unmapped lazily, for those of
 * the domains with lazy unmaps.
 *
 * Example, five pages, and a page that a device has mapped::
 *
 *	TOPUP(0x8a100, 5) -> 0
 *	TOPUP(0x8a200, 1) -> -EBUSY
 */

/**
 * DOC: PKVM_IOMMU_RECLAIM
 *
 * Take one unused page of the pool back. On success it is the host's again, zeroed. The
 * host had given it with %PKVM_IOMMU_BOOT_DONATE or %PKVM_IOMMU_TOPUP. EL2 chooses which
 * page it is.
 *
 * This operation works even if the layer is not in service.
 *
 * Results:
 *
 *  - x2: on success, the pfn of the page
 *
 * Errors:
 *
 *  - -ENOMEM: the pool has no unused page. x2 is 0: there is nothing to give.
 *
 * Context: does not wait for IOMMUs.
 *
 * Example, a pool with one page::
 *
 *	RECLAIM() -> 0, x2 = 0x8a103
 *	RECLAIM() -> -ENOMEM, x2 = 0
 */

/**
 * DOC: PKVM_IOMMU_FAULT
 *
 * Take the oldest fault that an IOMMU recorded, and acknowledge the interrupts by which
 * it announced faults and errors. An interrupt can stand for many faults, so its handler
 * calls until there are none.
 *
 * Arguments:
 *
 *  - x2: IOMMU id
 *
 * Results:
 *
 *  - x2: on success, the stream, the reason and flags: the fields %PKVM_IOMMU_FAULT_SID,
 *    %PKVM_IOMMU_FAULT_REASON, %PKVM_IOMMU_FAULT_WRITE and %PKVM_IOMMU_FAULT_LOST
 *  - x3: on success, the I/O virtual address that the device used; 0 if it is not known.
 *    With %PKVM_IOMMU_FAULT_HARDWARE it may be an error code of the IOMMU instead.
 *
 * Errors:
 *
 *  - -ENODEV: the layer is not in service.
 *  - -ENOENT: there is no such IOMMU.
 *  - -EAGAIN: the IOMMU has recorded no fault, or did not respond at boot.
 *
 * Context: does not wait for the IOMMU. Calls for one IOMMU exclude each other.
 *
 * Example, a write of stream 0x8 to 0x40aa803c, which its domain does not map::
 *
 *	FAULT(0) -> 0, x2 = 0x10200000008, x3 = 0x40aa803c
 *	FAULT(0) -> -EAGAIN
 */

/**
 * DOC: PKVM_IOMMU_INFO
 *
 * Read a value about the layer, an IOMMU or a domain.
 *
 * Arguments:
 *
 *  - x2: &enum pkvm_iommu_info
 *  - x3: IOMMU id, for %PKVM_IOMMU_INFO_LIMIT, %PKVM_IOMMU_INFO_IDENTITY,
 *    %PKVM_IOMMU_INFO_MANAGED, %PKVM_IOMMU_INFO_NESTED, %PKVM_IOMMU_INFO_GEOMETRY and
 *    %PKVM_IOMMU_INFO_REGISTERS; domain id, for %PKVM_IOMMU_INFO_MAPPED; physical address, for
 *    %PKVM_IOMMU_INFO_REACHES
 *
 * Results:
 *
 *  - x2: on success, the value
 *
 * Errors:
 *
 *  - -ENODEV: the layer is not in service.
 *  - -EINVAL: x2 names no value.
 *  - -ENOENT: the value is of an IOMMU, and there is no such IOMMU.
 *  - -ENXIO: the value is of a domain, and there is no such domain, or it is the identity
 *    domain.
 *  - -EOPNOTSUPP: the value is of a managed domain, and the domain is nested.
 *
 * Context: does not wait for IOMMUs. The values of the pool, of a domain and of a physical
 * address may be out of date on return.
 *
 * Example, devices behind IOMMU 0 reach 44 bits, and its streams can use the identity domain::
 *
 *	INFO(INFO_LIMIT, 0) -> 0, x2 = 44
 *	INFO(INFO_IDENTITY, 0) -> 0, x2 = 1
 */

/**
 * DOC: PKVM_IOMMU_DOMAIN_ALLOC
 *
 * Create a domain: an I/O virtual address space. The host names an IOMMU that it is for. Streams
 * of all IOMMUs of the same geometry (%PKVM_IOMMU_INFO_GEOMETRY) can be attached to it. It has an
 * address space identifier (an ASID or VMID) of its own on these.
 *
 * A managed domain has page tables of EL2's. It has no mappings at first.
 *
 * A nested domain has page tables of the host's, in the host's memory, which the host
 * changes without a call, and in the format that %PKVM_IOMMU_INFO_NESTED reports. IOMMUs
 * that can nest translate an I/O virtual address by these tables (stage 1), and the result,
 * the address of each table, and the address of the root by the identity domain (stage 2).
 * So devices reach what they reach by the identity domain, wherever the tables lead. Nothing
 * is pinned: all of it, tables included, can change its owner at any time.
 * %PKVM_IOMMU_INVALIDATE is for these domains; %PKVM_IOMMU_MAP, %PKVM_IOMMU_MAP_LIST,
 * %PKVM_IOMMU_UNMAP, %PKVM_IOMMU_LOOKUP, %PKVM_IOMMU_FLUSH and %PKVM_IOMMU_REPLAY are not.
 *
 * Arguments:
 *
 *  - x2: %PKVM_IOMMU_DOMAIN_MANAGED or %PKVM_IOMMU_DOMAIN_NESTED
 *  - x3: nested: physical address of the root table, page aligned
 *  - x4: IOMMU id
 *
 * Results:
 *
 *  - x2: on success, the domain's id, which is not 0. On -ENOMEM, the number of pages
 *    to give to the pool.
 *
 * Errors:
 *
 *  - -ENODEV: the layer is not in service.
 *  - -EINVAL: x2 names no kind of domain, or the root table is not page aligned.
 *  - -ENOENT: there is no such IOMMU.
 *  - -ERANGE: the root table is beyond the reach of devices (%PKVM_IOMMU_INFO_LIMIT).
 *  - -EOPNOTSUPP: the domain would be managed, and this IOMMU does not translate
 *    (%PKVM_IOMMU_INFO_MANAGED).
 *  - -EOPNOTSUPP: the domain would be nested, and this IOMMU cannot nest
 *    (%PKVM_IOMMU_INFO_NESTED).
 *  - -ENOSPC: the hardware has no address space identifier left.
 *  - -ENOMEM: the pool has too few pages, or too few in one piece for a root table; of a nested
 *    domain, too few within the reach of devices.
 *
 * Context: does not wait for IOMMUs, except for -ENOSPC and -ENOMEM of a nested domain:
 * until then devices could read a page of zeros, which the pool then has again.
 *
 * Example::
 *
 *	DOMAIN_ALLOC(DOMAIN_MANAGED, 0, 1) -> -ENOMEM, x2 = 6
 *	TOPUP(0x8a100, 6) -> 0
 *	DOMAIN_ALLOC(DOMAIN_MANAGED, 0, 1) -> 0, x2 = 3
 *	DOMAIN_ALLOC(DOMAIN_NESTED, 0x8b000000, 1) -> 0, x2 = 4
 */

/**
 * DOC: PKVM_IOMMU_DOMAIN_FREE
 *
 * Destroy a domain that has no streams and no mappings. Lazy unmaps are completed. The
 * domain's memory returns to the pool, and its id can be given to a new domain.
 *
 * Arguments:
 *
 *  - x2: domain id, from %PKVM_IOMMU_DOMAIN_ALLOC
 *
 * Errors:
 *
 *  - -ENODEV: the layer is not in service.
 *  - -ENXIO: there is no such domain, or it is the identity domain.
 *  - -EBUSY: a stream is attached, or something is mapped.
 *  - -EBUSY: another call is using the domain.
 *  - -EAGAIN: the work of one call is done, and there is more.
 *
 * Partial progress: after -EAGAIN the domain is out of service, and other operations on it
 * return -ENXIO. Repeat the call to continue.
 *
 * Context: waits for IOMMUs only if the domain is nested: without streams they have nothing
 * of a managed one cached.
 *
 * Example, a domain that used many page tables::
 *
 *	DOMAIN_FREE(3) -> -EAGAIN
 *	MAP(3, 0x100000, READ, RUN(0x8a000000, 1)) -> -ENXIO
 *	DOMAIN_FREE(3) -> 0
 */

/**
 * DOC: PKVM_IOMMU_MAP
 *
 * Map memory or MMIO in a domain, for its devices to reach. EL2 checks that the host
 * itself may reach it. Memory is pinned while it is mapped: it cannot be given to EL2 or
 * to a VM, and a VM cannot take back what it shared with the host. These transitions fail
 * with -EBUSY.
 *
 * Runs are mapped one behind the other. Where both addresses are multiples of the block size of
 * the kernel, 2 MiB, 32 MiB or 512 MiB, and the run goes on for as long, EL2 makes a block,
 * unless smaller mappings are in its place. With pages of 4 KiB, %PKVM_IOMMU_RUN_GIB becomes a
 * block at an address that is a multiple of 1 GiB, unless smaller mappings are, or have been, in
 * its place. EL2 cuts the rest into pieces where an I/O virtual address is a multiple of 512
 * pages and where memory begins or ends.
 *
 * Arguments:
 *
 *  - x2: domain id, from %PKVM_IOMMU_DOMAIN_ALLOC
 *  - x3: first I/O virtual address, page aligned
 *  - x4: permissions and attributes, %PKVM_IOMMU_PROT_*; READ or WRITE at least
 *  - x5 to x17: 1 to %PKVM_IOMMU_RUNS runs of memory, made by %PKVM_IOMMU_RUN. The first
 *    0 ends them.
 *
 * Results:
 *
 *  - x2: bytes that this call has mapped, from x3 on, also on an error
 *  - x3: on -ENOMEM, the number of pages to give to the pool before the call is repeated.
 *
 * Errors:
 *
 *  - -ENODEV: the layer is not in service.
 *  - -ENXIO: there is no such domain, or it is the identity domain.
 *  - -EOPNOTSUPP: the domain is nested.
 *  - -EINVAL: the I/O virtual address is not page aligned.
 *  - -EINVAL: x4 has an unknown bit, or neither READ nor WRITE.
 *  - -EINVAL: there is no run, or one of no pages that is not %PKVM_IOMMU_RUN_GIB, or one that
 *    does not start at a page.
 *  - -ERANGE: an I/O virtual address or a physical one is beyond the reach of devices
 *    (%PKVM_IOMMU_INFO_LIMIT), or wraps.
 *  - -EEXIST: something is mapped at an I/O virtual address of the piece after the x2 bytes.
 *  - -EPERM: the host may not reach all of the piece after the x2 bytes, or it is part of an
 *    IOMMU's registers.
 *  - -EBUSY: a page or block of the piece after the x2 bytes is mapped %PKVM_IOMMU_PINS_MAX times.
 *  - -EIO: an IOMMU without page tables does not accept the mapping.
 *  - -ENOMEM: the pool has too few pages.
 *
 * Partial progress: after -ENODEV, -ENXIO, -EINVAL and -ERANGE nothing is mapped and x2 is
 * 0. Otherwise the x2 bytes are mapped, and stay so on an error. x2 is less than the size of
 * the runs also without an error, because the work of a call is bounded. To continue, take
 * what is mapped off the first runs and call with x3 advanced by x2. x2 can be 0 without an
 * error, if other CPUs map or unmap in the same place meanwhile: repeat the call.
 *
 * Context: does not wait for IOMMUs, except for those without page tables, where a block
 * takes the place of an empty table, and where something was unmapped and the invalidation
 * has not completed.
 *
 * Example, three pages and one page, read and write, from 0x100000 on; then 4095 pages, of
 * which one call maps a part::
 *
 *	MAP(3, 0x100000, READ | WRITE, RUN(0x8a000000, 3), RUN(0x8b000000, 1), 0)
 *		-> 0, x2 = 0x4000
 *	MAP(3, 0x200000, READ, RUN(0x90001000, 4095), 0) -> 0, x2 = 0x800000
 *	MAP(3, 0xa00000, READ, RUN(0x90801000, 2047), 0) -> 0, x2 = 0x7ff000
 */

/**
 * DOC: PKVM_IOMMU_MAP_LIST
 *
 * Map memory or MMIO in a domain, for its devices to reach, as %PKVM_IOMMU_MAP does, by more
 * runs than fit into registers. The runs are in memory that the host has given for them
 * (%PKVM_IOMMU_RUN_LIST). The host can change them at any time: EL2 reads each run once, then
 * checks and uses what it has read.
 *
 * Arguments:
 *
 *  - x2: domain id, from %PKVM_IOMMU_DOMAIN_ALLOC
 *  - x3: first I/O virtual address, page aligned
 *  - x4: permissions and attributes, %PKVM_IOMMU_PROT_*; READ or WRITE at least
 *  - x5: index of the first run in the list; runs are words of 64 bits
 *  - x6: number of runs, 1 to %PKVM_IOMMU_LIST_RUNS
 *
 * Results:
 *
 *  - x2: bytes that this call has mapped, from x3 on, also on an error
 *  - x3: on -ENOMEM, the number of pages to give to the pool before the call is repeated.
 *
 * Errors:
 *
 *  - -ENODEV: the layer is not in service.
 *  - -ENXIO: there is no such domain, or it is the identity domain.
 *  - -EOPNOTSUPP: the domain is nested.
 *  - -EINVAL: x6 is 0, or more than %PKVM_IOMMU_LIST_RUNS.
 *  - -EINVAL: the runs lie beyond the end of the list (%PKVM_IOMMU_INFO_RUNS), or there is
 *    no list.
 *  - -EINVAL: the I/O virtual address is not page aligned.
 *  - -EINVAL: x4 has an unknown bit, or neither READ nor WRITE.
 *  - -EINVAL: a run has no pages and is not %PKVM_IOMMU_RUN_GIB, or does not start at a page.
 *    Runs that precede it may be mapped.
 *  - -ERANGE: an I/O virtual address or a physical one is beyond the reach of devices
 *    (%PKVM_IOMMU_INFO_LIMIT), or wraps. Runs that precede it may be mapped.
 *  - -EEXIST: something is mapped at an I/O virtual address of the piece after the x2 bytes.
 *  - -EPERM: the host may not reach all of the piece after the x2 bytes, or it is part of an
 *    IOMMU's registers.
 *  - -EBUSY: a page or block of the piece after the x2 bytes is mapped %PKVM_IOMMU_PINS_MAX times.
 *  - -EIO: an IOMMU without page tables does not accept the mapping.
 *  - -ENOMEM: the pool has too few pages.
 *
 * Partial progress: the x2 bytes are mapped, and stay so on an error. x2 is less than the size
 * of the runs also without an error, because the work of a call is bounded. To continue, take
 * what is mapped off the first runs and call with x3 advanced by x2. x2 can be 0 without an
 * error, if other CPUs map or unmap in the same place meanwhile: repeat the call. EL2 maps a
 * few runs at a time, and other CPUs can find, and unmap, the first of them while it maps
 * the others.
 *
 * Context: does not wait for IOMMUs, except for those without page tables, where a block
 * takes the place of an empty table, and where something was unmapped and the invalidation
 * has not completed.
 *
 * Example, the 20 runs of one page each that the host has written from index 512 on::
 *
 *	MAP_LIST(3, 0x100000, READ, 512, 20) -> 0, x2 = 0x14000
 */

/**
 * DOC: PKVM_IOMMU_UNMAP
 *
 * Remove the mappings in a range of I/O virtual addresses. Parts of the range that are not
 * mapped are no error. On return every access of a device to what was unmapped has completed,
 * and these mappings no longer pin the memory.
 *
 * With %PKVM_IOMMU_UNMAP_LAZY the call does not wait for that. Until the domain is flushed,
 * devices may still reach the memory, and it stays the host's. EL2 flushes the domain by
 * itself when it has too much to remember, before it refuses to let the memory change owner,
 * and before it maps something else at these I/O virtual addresses. In a domain for IOMMUs
 * without page tables, the flag is ignored.
 *
 * Arguments:
 *
 *  - x2: domain id, from %PKVM_IOMMU_DOMAIN_ALLOC
 *  - x3: first I/O virtual address, page aligned
 *  - x4: size of the range in bytes, a multiple of PAGE_SIZE and not 0
 *  - x5: flags, %PKVM_IOMMU_UNMAP_LAZY or 0
 *
 * Results:
 *
 *  - x2: bytes that this call has dealt with, from x3 on, also on an error. Nothing is mapped
 *    there any more.
 *  - x3: the bytes among them that had been mapped
 *
 * Errors:
 *
 *  - -ENODEV: the layer is not in service.
 *  - -ENXIO: there is no such domain, or it is the identity domain.
 *  - -EOPNOTSUPP: the domain is nested.
 *  - -EINVAL: x3 or x4 is not page aligned, or x4 is 0.
 *  - -EINVAL: a flag is unknown.
 *  - -EINVAL: the range begins or ends within a block. x2 is the size of what precedes the
 *    block and is unmapped.
 *  - -EINVAL: the domain is for IOMMUs without page tables, and the range begins or ends within a
 *    piece that %PKVM_IOMMU_MAP or %PKVM_IOMMU_MAP_LIST has made of a run. x2 is 0.
 *  - -ERANGE: the range goes beyond %PKVM_IOMMU_INFO_LIMIT, or wraps.
 *
 * Partial progress: x2 is less than x4 also without an error, because the work of a call is
 * bounded; it is then not 0. To continue, call with x3 advanced by x2 and x4 reduced by it.
 *
 * Context: waits for every IOMMU that has a stream in the domain, if anything was mapped and
 * the call is not lazy, or if EL2 flushes.
 *
 * Example, four pages of which one is not mapped, and a part of a block::
 *
 *	UNMAP(3, 0x100000, 0x4000, 0) -> 0, x2 = 0x4000, x3 = 0x3000
 *	UNMAP(3, 0x3ff000, 0x2000, 0) -> -EINVAL, x2 = 0x1000, x3 = 0x1000
 */

/**
 * DOC: PKVM_IOMMU_LOOKUP
 *
 * Translate an I/O virtual address, and tell how far the translations behind it follow.
 *
 * Arguments:
 *
 *  - x2: domain id, from %PKVM_IOMMU_DOMAIN_ALLOC
 *  - x3: I/O virtual address, which need not be aligned
 *
 * Results:
 *
 *  - x2: on success, the physical address
 *  - x3: on success, the bytes from the address on that are mapped without a gap, to
 *    physical addresses that follow x2. EL2 counts to the end of a block, or over pages at most
 *    to the next I/O virtual address that is a multiple of 512 pages, and not beyond a change of
 *    permissions or attributes, nor from memory to MMIO or back. In a domain for IOMMUs without
 *    page tables, it does not count beyond a piece that %PKVM_IOMMU_MAP or %PKVM_IOMMU_MAP_LIST
 *    has made of a run either.
 *
 * If other calls map or unmap behind the page or block of the address meanwhile, x3 may count
 * some of these pages as they were before, and others as they were afterwards.
 *
 * Errors:
 *
 *  - -ENODEV: the layer is not in service.
 *  - -ENXIO: there is no such domain, or it is the identity domain.
 *  - -EOPNOTSUPP: the domain is nested.
 *  - -ERANGE: the address is beyond %PKVM_IOMMU_INFO_LIMIT.
 *  - -ENOTCONN: nothing is mapped at this address.
 *
 * Context: does not wait for IOMMUs.
 *
 * Example, three pages that are mapped to three that follow each other, and one to another::
 *
 *	MAP(3, 0x100000, READ, RUN(0x8a000000, 3), RUN(0x8b000000, 1), 0) -> 0, x2 = 0x4000
 *	LOOKUP(3, 0x100804) -> 0, x2 = 0x8a000804, x3 = 0x27fc
 *	LOOKUP(3, 0x103000) -> 0, x2 = 0x8b000000, x3 = 0x1000
 */

/**
 * DOC: PKVM_IOMMU_FLUSH
 *
 * Complete what %PKVM_IOMMU_UNMAP_LAZY left open. On return no device reaches what was
 * unmapped in the domain before the call, and these mappings no longer pin the memory.
 *
 * Arguments:
 *
 *  - x2: domain id, from %PKVM_IOMMU_DOMAIN_ALLOC
 *
 * Errors:
 *
 *  - -ENODEV: the layer is not in service.
 *  - -ENXIO: there is no such domain, or it is the identity domain.
 *  - -EOPNOTSUPP: the domain is nested.
 *
 * Context: waits for every IOMMU that has a stream in the domain, if there are lazy unmaps.
 *
 * Example::
 *
 *	UNMAP(3, 0x100000, 0x1000, UNMAP_LAZY) -> 0, x2 = 0x1000, x3 = 0x1000
 *	FLUSH(3) -> 0
 */

/**
 * DOC: PKVM_IOMMU_REPLAY
 *
 * Send the mappings of a domain to an IOMMU without page tables, after %PKVM_IOMMU_ATTACH
 * asked for it. For an IOMMU that walks page tables there is nothing to do, and the call
 * succeeds.
 *
 * Arguments:
 *
 *  - x2: IOMMU id
 *  - x3: domain id, from %PKVM_IOMMU_DOMAIN_ALLOC
 *
 * Results:
 *
 *  - x2: on success, 1 if there is more to send, 0 when the IOMMU has all mappings
 *
 * Errors:
 *
 *  - -ENODEV: the layer is not in service.
 *  - -ENOENT: there is no such IOMMU.
 *  - -ENXIO: there is no such domain, or it is the identity domain.
 *  - -EOPNOTSUPP: the domain is nested.
 *  - -ENOTCONN: no stream of this IOMMU is attached to the domain.
 *  - -EIO: the IOMMU did not accept a mapping. It keeps those of earlier calls.
 *
 * Partial progress: while x2 is 1, repeat the call to continue. Mappings that are made or removed
 * meanwhile are taken into account.
 *
 * Context: waits for the IOMMU. Calls for one IOMMU exclude each other.
 *
 * Example, a stream joins a domain with mappings::
 *
 *	ATTACH(1, 0x20, 3) -> 0, x2 = 1
 *	REPLAY(1, 3) -> 0, x2 = 1
 *	REPLAY(1, 3) -> 0, x2 = 0
 */

/**
 * DOC: PKVM_IOMMU_INVALIDATE
 *
 * Drop what IOMMUs have cached of the host's page tables of a nested domain. On return every
 * access of a device that used a dropped translation has completed. Entries of these tables
 * have to be of one address space (nG): global ones may stay.
 *
 * Arguments:
 *
 *  - x2: domain id, from %PKVM_IOMMU_DOMAIN_ALLOC
 *  - x3: first I/O virtual address, page aligned; ignored if x4 is 0
 *  - x4: size of the range in bytes, a multiple of PAGE_SIZE; 0 for the whole domain
 *  - x5: flags, %PKVM_IOMMU_INVALIDATE_LEAF or 0
 *
 * Errors:
 *
 *  - -ENODEV: the layer is not in service.
 *  - -ENXIO: there is no such domain, or it is the identity domain.
 *  - -EOPNOTSUPP: the domain is managed.
 *  - -EINVAL: x3 or x4 is not page aligned.
 *  - -EINVAL: a flag is unknown.
 *  - -ERANGE: the range goes beyond the input addresses that %PKVM_IOMMU_INFO_NESTED reports,
 *    or wraps.
 *
 * Context: waits for every IOMMU that has a stream in the domain.
 *
 * Example, a page, then everything::
 *
 *	INVALIDATE(4, 0xffff0000, 0x1000, INVALIDATE_LEAF) -> 0
 *	INVALIDATE(4, 0, 0, 0) -> 0
 */

/**
 * DOC: PKVM_IOMMU_REGION
 *
 * Read a reserved region of a stream: I/O virtual addresses at which the IOMMU does not
 * translate accesses of the stream by its domain. The host should map nothing there. EL2 does
 * not enforce this; the IOMMU may refuse such a mapping, and %PKVM_IOMMU_MAP then returns -EIO.
 *
 * A stream has few regions, which do not change. They have no order, and may overlap. The
 * stream need not be attached.
 *
 * Arguments:
 *
 *  - x2: IOMMU id
 *  - x3: stream id
 *  - x4: index of the region, from 0
 *
 * Results:
 *
 *  - x2: on success, the first I/O virtual address, page aligned; and in the bits below
 *    (%PKVM_IOMMU_REGION_KIND) an &enum pkvm_iommu_region_kind
 *  - x3: on success, the last I/O virtual address, the last one of a page; not below the first
 *
 * Errors:
 *
 *  - -ENODEV: the layer is not in service.
 *  - -ENOENT: there is no such IOMMU.
 *  - -EINVAL: the stream id is beyond what the IOMMU's stream table can hold.
 *  - -ENODATA: the stream has no region with this index. Only IOMMUs without page tables have
 *    regions.
 *  - -EIO: the IOMMU did not respond at boot.
 *  - -EIO: the IOMMU refuses to tell, because it has no such stream, for instance.
 *
 * Context: waits for the IOMMU. Calls for one IOMMU exclude each other.
 *
 * Example, a stream with a region for message-signalled interrupts::
 *
 *	REGION(1, 0x20, 0) -> 0, x2 = 0x8090001, x3 = 0x809ffff
 *	REGION(1, 0x20, 1) -> -ENODATA
 */

/**
 * enum pkvm_iommu_type - kind of an IOMMU, for %PKVM_IOMMU_BOOT_REGISTER
 * @PKVM_IOMMU_TYPE_SMMU_V3: Arm SMMUv3 (IHI 0070)
 * @PKVM_IOMMU_TYPE_VIRTIO: virtio-iommu over MMIO (virtio 1.2, 5.13); has no page tables
 * @PKVM_IOMMU_TYPE_SMMU_V2: Arm SMMUv2 (IHI 0062). Stream ids have 16 bits, and from bit 16 a mask
 *	of those that do not matter, if it matches streams. Streams that overlap exclude each other.
 *
 * The kind selects the backend at EL2. 1, 3 and 4 are reserved for tests.
 */
enum pkvm_iommu_type {
	PKVM_IOMMU_TYPE_SMMU_V3		= 0,
	/* 1 is PKVM_IOMMU_TYPE_TEST, see pkvm_iommu_test.h. */
	PKVM_IOMMU_TYPE_VIRTIO		= 2,
	/* 3 is PKVM_IOMMU_TYPE_TEST_TOLD, 4 is PKVM_IOMMU_TYPE_TEST_PERMITS. */
	PKVM_IOMMU_TYPE_SMMU_V2		= 5,
};

/**
 * DOC: Flags of boot operations
 *
 * For %PKVM_IOMMU_BOOT_REGISTER:
 *
 *  - %PKVM_IOMMU_F_COHERENT: table walks of this IOMMU snoop the CPU caches.
 *  - %PKVM_IOMMU_F_STAGE1: for tests, use stage 1 even if the IOMMU has stage 2.
 *  - %PKVM_IOMMU_F_LINEAR: for tests, use a stream table of one level.
 *  - %PKVM_IOMMU_F_REACH: for tests, a field: use so many bits of addresses, if the IOMMU has
 *    more; 0: use all.
 *  - %PKVM_IOMMU_F_QUIRKS: a field: errata and the like that only the firmware's description tells,
 *    as bits whose meaning depends on the type. %PKVM_IOMMU_TYPE_SMMU_V2 has two:
 *    %PKVM_IOMMU_SMMU_V2_MMU500 and %PKVM_IOMMU_SMMU_V2_MMU401, for these models of Arm's. The
 *    other types have none.
 *
 * For %PKVM_IOMMU_BOOT_SEAL:
 *
 *  - %PKVM_IOMMU_F_OFF: take no IOMMU and do without isolation. The kernel was booted with
 *    ``pkvm_iommu=off``.
 *  - %PKVM_IOMMU_F_REFUSE_VMS: take the IOMMUs, but refuse protected VMs. The host has found
 *    devices that no registered IOMMU keeps in bounds.
 */
#define PKVM_IOMMU_F_COHERENT		(1ULL << 0)
#define PKVM_IOMMU_F_STAGE1		(1ULL << 1)
#define PKVM_IOMMU_F_LINEAR		(1ULL << 2)
#define PKVM_IOMMU_F_OFF		(1ULL << 3)
#define PKVM_IOMMU_F_REFUSE_VMS		(1ULL << 4)
#define PKVM_IOMMU_F_REACH		(0xffULL << 8)
#define PKVM_IOMMU_F_QUIRKS		(0xffffffffULL << 32)
/* In PKVM_IOMMU_F_QUIRKS */
#define PKVM_IOMMU_SMMU_V2_MMU500	0x1
#define PKVM_IOMMU_SMMU_V2_MMU401	0x2

/**
 * DOC: Targets of PKVM_IOMMU_BOOT_DONATE
 *
 * Beside the id of an IOMMU:
 *
 *  - %PKVM_IOMMU_POOL: the pool
 *  - %PKVM_IOMMU_RUN_LIST: the list of runs that %PKVM_IOMMU_MAP_LIST reads
 */
#define PKVM_IOMMU_POOL			(~0ULL)
#define PKVM_IOMMU_RUN_LIST		(~1ULL)

/**
 * DOC: Limits
 *
 *  - %PKVM_IOMMU_MAX: IOMMUs that can be registered; their ids are smaller
 *  - %PKVM_IOMMU_WITHHELD_MAX: ranges of registers that can be withheld
 *  - %PKVM_IOMMU_WINDOWS_MAX: windows that an IOMMU can have, besides its first registers
 *  - %PKVM_IOMMU_DONATE_MAX: pages of one %PKVM_IOMMU_BOOT_DONATE
 *  - %PKVM_IOMMU_TOPUP_MAX: pages of one %PKVM_IOMMU_TOPUP
 *  - %PKVM_IOMMU_RUNS: runs of one %PKVM_IOMMU_MAP
 *  - %PKVM_IOMMU_LIST_RUNS: runs of one %PKVM_IOMMU_MAP_LIST
 *  - %PKVM_IOMMU_PINS_MAX: mappings of one page as a page, or of one block as a block
 *  - %PKVM_IOMMU_DOMAIN_ID_MAX: largest id of a domain
 */
#define PKVM_IOMMU_MAX			32
#define PKVM_IOMMU_WITHHELD_MAX		64
#define PKVM_IOMMU_WINDOWS_MAX		3
#define PKVM_IOMMU_DONATE_MAX		1024
#define PKVM_IOMMU_TOPUP_MAX		32
#define PKVM_IOMMU_RUNS			13
#define PKVM_IOMMU_LIST_RUNS		256
#define PKVM_IOMMU_PINS_MAX		0x7fff
#define PKVM_IOMMU_DOMAIN_ID_MAX	0x1fffff

/**
 * DOC: The identity domain
 *
 * %PKVM_IOMMU_DOMAIN_IDENTITY is the id of a domain that always exists. It maps what the host
 * may reach by CPU, at its physical address, and follows page ownership. Each IOMMU translates
 * by a table in its own format, which has what the IOMMU reaches (%PKVM_IOMMU_INFO_LIMIT). All
 * of it is mapped as normal, cacheable memory, as in the host's stage 2. Streams can be attached
 * to it if %PKVM_IOMMU_INFO_IDENTITY says so. It takes no mappings. An IOMMU that does not
 * translate permits these accesses, and denies all others.
 */
#define PKVM_IOMMU_DOMAIN_IDENTITY	0

/**
 * DOC: Runs of memory
 *
 * A run is contiguous memory or MMIO. ``PKVM_IOMMU_RUN(phys, pages)`` encodes it in 64 bits:
 * the physical address, page aligned, and in the bits below (%PKVM_IOMMU_RUN_PAGES) the number
 * of pages, 1 to 4095. PAGE_SIZE is at least 4096, so the two do not overlap; bits between them
 * are 0. With 0 pages, it is a run of 1 GiB, if the physical address is a multiple of 1 GiB and
 * not 0: ``PKVM_IOMMU_RUN_GIB``.
 * With pages of 64 KiB, no other run is long enough for a block.
 */
#define PKVM_IOMMU_RUN(phys, pages)	((phys) | (pages))
#define PKVM_IOMMU_RUN_GIB(phys)	(phys)
#define PKVM_IOMMU_RUN_PAGES		0xfffULL

/**
 * DOC: Permissions and attributes of a mapping
 *
 *  - %PKVM_IOMMU_PROT_READ: devices may read.
 *  - %PKVM_IOMMU_PROT_WRITE: devices may write. With a stage 1 format they may then read as
 *    well.
 *  - %PKVM_IOMMU_PROT_CACHE: accesses of devices snoop the CPU caches.
 *  - %PKVM_IOMMU_PROT_MMIO: map as device memory.
 *  - %PKVM_IOMMU_PROT_NOEXEC: devices may not fetch instructions.
 */
#define PKVM_IOMMU_PROT_READ		(1ULL << 0)
#define PKVM_IOMMU_PROT_WRITE		(1ULL << 1)
#define PKVM_IOMMU_PROT_CACHE		(1ULL << 2)
#define PKVM_IOMMU_PROT_MMIO		(1ULL << 3)
#define PKVM_IOMMU_PROT_NOEXEC		(1ULL << 4)

/**
 * DOC: Flags of PKVM_IOMMU_UNMAP
 *
 *  - %PKVM_IOMMU_UNMAP_LAZY: do not wait until devices no longer reach the memory.
 */
#define PKVM_IOMMU_UNMAP_LAZY		(1ULL << 0)

/**
 * DOC: Kinds of domains
 *
 *  - %PKVM_IOMMU_DOMAIN_MANAGED: EL2 has the page tables.
 *  - %PKVM_IOMMU_DOMAIN_NESTED: the host has page tables of stage 1, within the identity domain.
 */
#define PKVM_IOMMU_DOMAIN_MANAGED	0
#define PKVM_IOMMU_DOMAIN_NESTED	1

/**
 * DOC: Flags of PKVM_IOMMU_INVALIDATE
 *
 *  - %PKVM_IOMMU_INVALIDATE_LEAF: only entries that map something were changed, and no entry
 *    that points to a table.
 */
#define PKVM_IOMMU_INVALIDATE_LEAF	(1ULL << 0)

/**
 * DOC: Fields of a region
 *
 * x2 of %PKVM_IOMMU_REGION has these fields, beside a page-aligned address:
 *
 *  - %PKVM_IOMMU_REGION_KIND: &enum pkvm_iommu_region_kind
 */
#define PKVM_IOMMU_REGION_KIND		0xfffULL

/**
 * enum pkvm_iommu_region_kind - use of a reserved region
 * @PKVM_IOMMU_REGION_RESERVED: none for the host
 * @PKVM_IOMMU_REGION_MSI: accesses pass untranslated, for message-signalled interrupts. The host
 *	need not map the doorbell of its interrupt controller.
 */
enum pkvm_iommu_region_kind {
	PKVM_IOMMU_REGION_RESERVED	= 0,
	PKVM_IOMMU_REGION_MSI		= 1,
};

/**
 * DOC: Format of the page tables of nested domains
 *
 * %PKVM_IOMMU_INFO_NESTED has these fields:
 *
 *  - %PKVM_IOMMU_NESTED_FMT: &enum io_pgtable_fmt of the kernel
 *  - %PKVM_IOMMU_NESTED_IAS: size of I/O virtual addresses in bits; not 0
 *  - %PKVM_IOMMU_NESTED_OAS: size of the addresses in the tables in bits
 *  - %PKVM_IOMMU_NESTED_COHERENT: table walks snoop the CPU caches.
 *
 * Pages are of PAGE_SIZE, blocks of 2 MiB and 1 GiB with pages of 4 KiB, of 32 MiB with 16 KiB,
 * and of 512 MiB with 64 KiB. Memory attributes are those that drivers/iommu/io-pgtable-arm.c
 * writes.
 */
#define PKVM_IOMMU_NESTED_FMT		0x0000ffULL
#define PKVM_IOMMU_NESTED_IAS		0x00ff00ULL
#define PKVM_IOMMU_NESTED_OAS		0xff0000ULL
#define PKVM_IOMMU_NESTED_COHERENT	(1ULL << 24)

/**
 * enum pkvm_iommu_refusal - reason why hardware cannot be isolated
 * @PKVM_IOMMU_REFUSE_NONE: no reason in the hardware
 * @PKVM_IOMMU_REFUSE_STAGE: the IOMMU has no usable translation stage, format or address size
 * @PKVM_IOMMU_REFUSE_GRANULE: the IOMMU cannot translate pages of PAGE_SIZE
 * @PKVM_IOMMU_REFUSE_PRESET: the IOMMU's tables or queues are preset or not suitable, or it has
 *	command queues outside of the registered range, or registers do not keep what EL2 writes
 * @PKVM_IOMMU_REFUSE_TIMEOUT: the IOMMU did not acknowledge a register write or a command
 * @PKVM_IOMMU_REFUSE_MEMORY: the IOMMU was not given the memory that it needs
 * @PKVM_IOMMU_REFUSE_MMIO: a range of registers is too small, is missing, or the host does not
 *	own it
 * @PKVM_IOMMU_REFUSE_AUDIT: EL2 maps something that the host can still reach
 */
enum pkvm_iommu_refusal {
	PKVM_IOMMU_REFUSE_NONE		= 0,
	PKVM_IOMMU_REFUSE_STAGE		= 1,
	PKVM_IOMMU_REFUSE_GRANULE	= 2,
	PKVM_IOMMU_REFUSE_PRESET	= 3,
	PKVM_IOMMU_REFUSE_TIMEOUT	= 4,
	PKVM_IOMMU_REFUSE_MEMORY	= 5,
	PKVM_IOMMU_REFUSE_MMIO		= 6,
	PKVM_IOMMU_REFUSE_AUDIT		= 7,
};

/**
 * DOC: Fields of a fault
 *
 * x2 of %PKVM_IOMMU_FAULT has these fields:
 *
 *  - %PKVM_IOMMU_FAULT_SID: stream id, 32 bits
 *  - %PKVM_IOMMU_FAULT_REASON: &enum pkvm_iommu_fault_reason, 8 bits
 *  - %PKVM_IOMMU_FAULT_WRITE: the access was a write.
 *  - %PKVM_IOMMU_FAULT_LOST: the queue was full, and the IOMMU lost, or may have lost, faults
 *    that came after those in the queue.
 */
#define PKVM_IOMMU_FAULT_SID		0x00000000ffffffffULL
#define PKVM_IOMMU_FAULT_REASON		0x000000ff00000000ULL
#define PKVM_IOMMU_FAULT_WRITE		(1ULL << 40)
#define PKVM_IOMMU_FAULT_LOST		(1ULL << 41)

/**
 * enum pkvm_iommu_fault_reason - reason why an IOMMU recorded a fault
 * @PKVM_IOMMU_FAULT_UNKNOWN: none of the following
 * @PKVM_IOMMU_FAULT_BLOCKED: the stream is not attached. Address and direction may not be known,
 *	and are then 0.
 * @PKVM_IOMMU_FAULT_UNMAPPED: the domain does not map the address
 * @PKVM_IOMMU_FAULT_PERMISSION: the domain maps the address, but not for this kind of access
 * @PKVM_IOMMU_FAULT_FORBIDDEN: a kind of transaction that is never allowed, such as one that
 *	claims to be translated already
 * @PKVM_IOMMU_FAULT_HARDWARE: the IOMMU could not read its tables, or reports an error of its own;
 *	with the latter the stream id is 0
 */
enum pkvm_iommu_fault_reason {
	PKVM_IOMMU_FAULT_UNKNOWN	= 0,
	PKVM_IOMMU_FAULT_BLOCKED	= 1,
	PKVM_IOMMU_FAULT_UNMAPPED	= 2,
	PKVM_IOMMU_FAULT_PERMISSION	= 3,
	PKVM_IOMMU_FAULT_FORBIDDEN	= 4,
	PKVM_IOMMU_FAULT_HARDWARE	= 5,
};

/**
 * enum pkvm_iommu_info - values that %PKVM_IOMMU_INFO reads
 * @PKVM_IOMMU_INFO_POOL_FREE: unused pages in the pool
 * @PKVM_IOMMU_INFO_POOL_TOTAL: pages that were given to the pool, less those that were reclaimed
 * @PKVM_IOMMU_INFO_SHADOW: pages of the pool that hold the tables of the identity domain, and
 *	the counts of pins
 * @PKVM_IOMMU_INFO_LIMIT: number of bits of the addresses that devices behind the IOMMU in x3 can
 *	use, both physical and I/O virtual: the largest of 32, 36, 39, 40, 42, 44 and 48 that CPU
 *	and IOMMU have
 * @PKVM_IOMMU_INFO_IDENTITY: 1 if streams of the IOMMU in x3 can be attached to the identity
 *	domain, else 0
 * @PKVM_IOMMU_INFO_RUNS: runs for which the list of %PKVM_IOMMU_RUN_LIST has room; 0 without a list
 * @PKVM_IOMMU_INFO_NESTED: format of the page tables of nested domains, if streams of the IOMMU in
 *	x3 can be attached to these, else 0
 * @PKVM_IOMMU_INFO_MAPPED: bytes that the managed domain in x3 maps
 * @PKVM_IOMMU_INFO_MANAGED: &enum pkvm_iommu_managed of the IOMMU in x3
 * @PKVM_IOMMU_INFO_GEOMETRY: number that stands for format and sizes of the IOMMU in x3: streams of
 *	IOMMUs with the same number can be attached to the same domain
 * @PKVM_IOMMU_INFO_REGISTERS: physical address of the registers of the IOMMU in x3, as in
 *	%PKVM_IOMMU_BOOT_REGISTER
 * @PKVM_IOMMU_INFO_REACHES: 1 if the host reaches the page of the physical address in x3 by CPU,
 *	else 0: memory of EL2's, or of a protected VM that does not share it; or registers that
 *	are EL2's. 1 for an address at which there is nothing.
 */
enum pkvm_iommu_info {
	PKVM_IOMMU_INFO_POOL_FREE	= 0,
	PKVM_IOMMU_INFO_POOL_TOTAL	= 1,
	PKVM_IOMMU_INFO_SHADOW		= 2,
	PKVM_IOMMU_INFO_LIMIT		= 3,
	PKVM_IOMMU_INFO_IDENTITY	= 4,
	PKVM_IOMMU_INFO_RUNS		= 5,
	PKVM_IOMMU_INFO_NESTED		= 6,
	PKVM_IOMMU_INFO_MAPPED		= 7,
	PKVM_IOMMU_INFO_MANAGED		= 8,
	PKVM_IOMMU_INFO_GEOMETRY	= 9,
	PKVM_IOMMU_INFO_REGISTERS	= 10,
	PKVM_IOMMU_INFO_REACHES		= 11,
};

/**
 * enum pkvm_iommu_managed - streams of an IOMMU that can be attached to managed domains
 * @PKVM_IOMMU_MANAGED_NONE: none. The IOMMU does not translate: it permits accesses as the identity
 *	domain has them, and denies all others
 * @PKVM_IOMMU_MANAGED_ALL: all
 * @PKVM_IOMMU_MANAGED_SOME: each, but not all at a time: %PKVM_IOMMU_ATTACH may return -ENOSPC
 */
enum pkvm_iommu_managed {
	PKVM_IOMMU_MANAGED_NONE		= 0,
	PKVM_IOMMU_MANAGED_ALL		= 1,
	PKVM_IOMMU_MANAGED_SOME		= 2,
};

#endif /* _UAPI_LINUX_PKVM_IOMMU_H */
