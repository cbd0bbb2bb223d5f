/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
#ifndef _UAPI_LINUX_PKVM_IOMMU_H
#define _UAPI_LINUX_PKVM_IOMMU_H

/**
 * DOC: The pKVM IOMMU hypercall contract
 *
 * The host kernel (EL1) asks, the hypervisor (EL2) decides. Two SMCCC
 * functions carry every request; the operation is the first argument:
 *
 *  - ``__pkvm_iommu_boot``: enum pkvm_iommu_boot_op. Exists only until pKVM
 *    drops the host's privileges; from then on SMCCC answers NOT_SUPPORTED.
 *  - ``__pkvm_iommu_call``: enum pkvm_iommu_op. Exists only from then on;
 *    before, SMCCC answers NOT_SUPPORTED.
 *
 * Registers: x1 the operation, x2 to x17 its arguments. On return x0 is the
 * SMCCC status, which must be checked before anything else; x1 is 0 or a
 * negative errno; x2 and x3 are the operation's results, and 0 where it has
 * none. Arguments that an operation does not name are ignored.
 *
 * Units: addresses and sizes are in bytes, "pfn" is a physical address divided
 * by EL2's PAGE_SIZE, "pages" are of that size.
 *
 * A call that returns an error has changed nothing that the host or a device
 * could notice. The exceptions are those that go on where they stopped, and say
 * how far they came: %PKVM_IOMMU_BOOT_SEAL, %PKVM_IOMMU_DOMAIN_FREE,
 * %PKVM_IOMMU_MAP, %PKVM_IOMMU_MAP_LIST, %PKVM_IOMMU_UNMAP and %PKVM_IOMMU_REPLAY.
 * A call that returns -ENOMEM reports in x2, those that map in x3, how many pages to
 * give with %PKVM_IOMMU_TOPUP before the same call can go on; it may have used what
 * the pool had.
 *
 * Errors that mean the same everywhere:
 *
 *  - -EOPNOTSUPP: no such operation.
 *  - -ENODEV: the layer is not in service: it was sealed off
 *    (``pkvm_iommu=off``), no IOMMU is registered, or sealing failed.
 *    %PKVM_IOMMU_RECLAIM is always in service.
 *  - -ENOENT: no such IOMMU; for the pool, no IOMMU at all.
 */

/**
 * enum pkvm_iommu_type - which backend at EL2 drives an IOMMU
 * @PKVM_IOMMU_TYPE_SMMU_V3: Arm SMMUv3 (IHI 0070)
 * @PKVM_IOMMU_TYPE_VIRTIO: virtio-iommu over MMIO (virtio 1.2, 5.13)
 *
 * 1 is reserved for tests.
 */
enum pkvm_iommu_type {
	PKVM_IOMMU_TYPE_SMMU_V3		= 0,
	/* 1 is PKVM_IOMMU_TYPE_TEST, see pkvm_iommu_test.h. */
	PKVM_IOMMU_TYPE_VIRTIO		= 2,
};

/**
 * enum pkvm_iommu_boot_op - operations while the host is still trusted
 * @PKVM_IOMMU_BOOT_REGISTER: make an IOMMU known; EL2 reads its ID registers
 *	and decides whether it can be isolated. Changes no hardware state.
 *
 *	Arguments: enum pkvm_iommu_type; address and size of the registers (all
 *	pages that they touch become EL2's); flags: %PKVM_IOMMU_F_COHERENT, F_STAGE1, F_LINEAR.
 *	Results: x2 the IOMMU's id; x3 the bytes of contiguous, naturally aligned
 *	memory that it wants from %PKVM_IOMMU_BOOT_DONATE (0: none).
 *
 *	-EINVAL: unknown type or flag, empty or wrapping range.
 *	-EPERM: the range is not purely MMIO.
 *	-EEXIST: it shares a page with the registers of a registered IOMMU.
 *	-ENOSPC: more than %PKVM_IOMMU_MAX IOMMUs.
 *	-EBUSY: sealed.
 *	-ENOMEM: EL2 cannot map the registers; x2 is 0, nothing helps.
 *	-ENXIO: the hardware cannot be isolated; x2 says why (enum
 *	pkvm_iommu_refusal).
 * @PKVM_IOMMU_BOOT_DONATE: give EL2 a contiguous range of memory.
 *
 *	Arguments: the IOMMU's id, or %PKVM_IOMMU_POOL for the common pool;
 *	pfn; pages. With %PKVM_IOMMU_RUN_LIST, the memory stays the host's, which
 *	writes runs for %PKVM_IOMMU_MAP_LIST to it, and is shared with EL2 for ever.
 *
 *	-EINVAL: pages is 0 or beyond %PKVM_IOMMU_DONATE_MAX, or it is less than
 *	the IOMMU asked for, or not aligned to it; or the range reaches beyond
 *	what the CPU or any registered IOMMU can address, or across the end of
 *	memory.
 *	-EPERM: not all of it is memory that the host owns exclusively.
 *	-EBUSY: sealed; for an IOMMU, sealing has begun, or it has its memory; for
 *	runs, there is memory for them already.
 *	Memory that was accepted stays with EL2 even if a later step of the boot
 *	fails; what remains of it in the pool can be had back with
 *	%PKVM_IOMMU_RECLAIM.
 * @PKVM_IOMMU_BOOT_SEAL: build the shadow, take the registers of all
 *	registered IOMMUs from the host, set them to block every stream, audit
 *	EL2's ownership, and close the registry.
 *
 *	Arguments: flags, %PKVM_IOMMU_F_OFF or %PKVM_IOMMU_F_PARTIAL.
 *	Results: x2 on -ENOMEM the pages to give to the pool; on another error
 *	enum pkvm_iommu_refusal; x3 the id of the IOMMU that is to blame.
 *
 *	-EAGAIN: the work is bounded, call again.
 *	-ENOMEM: give x2 pages to %PKVM_IOMMU_POOL and call again.
 *	-EBUSY: sealed.
 *	-EINVAL: unknown flag.
 *	-ENODEV: no IOMMU that isolates is registered.
 *	-ENXIO, -EPERM, -EIO, -ETIMEDOUT: isolation cannot be established.
 *
 *	After -EAGAIN and -ENOMEM the call goes on where it stopped. After any
 *	other error but -EBUSY and -EINVAL the registry is closed and EL2 refuses
 *	protected VMs until the next boot. After -ETIMEDOUT the IOMMUs are in
 *	service all the same, but for those that did not respond; after -ENODEV
 *	those of the test type are.
 */
enum pkvm_iommu_boot_op {
	PKVM_IOMMU_BOOT_REGISTER	= 0,
	PKVM_IOMMU_BOOT_DONATE		= 1,
	PKVM_IOMMU_BOOT_SEAL		= 2,
};

/**
 * enum pkvm_iommu_op - operations while the host is not trusted
 * @PKVM_IOMMU_ATTACH: let the DMA of a stream through a domain.
 *
 *	Arguments: IOMMU id; stream id; domain id (%PKVM_IOMMU_DOMAIN_IDENTITY, or
 *	from %PKVM_IOMMU_DOMAIN_ALLOC).
 *	Results: x2 on success: 1 if the stream reaches nothing of what is mapped
 *	before %PKVM_IOMMU_REPLAY, else 0.
 *
 *	-EINVAL: the stream id is beyond what the hardware's stream table holds.
 *	-ENXIO: no such domain.
 *	-EOPNOTSUPP: the identity domain, and this IOMMU cannot follow what the host
 *	owns without a window (%PKVM_IOMMU_INFO_IDENTITY).
 *	-EBUSY: the stream is attached (to whichever domain).
 *	-EIO: the IOMMU did not respond at boot, or refuses the stream, of which a
 *	record may then remain.
 *	-ENOMEM: see above.
 * @PKVM_IOMMU_DETACH: block a stream. When it returns 0, no DMA of the stream
 *	that began before is still under way, and none begins.
 *
 *	Arguments: IOMMU id; stream id; the domain that it is attached to.
 *
 *	-EINVAL: as above.
 *	-ENXIO: no such domain.
 *	-ENOTCONN: the stream is not attached to this domain.
 * @PKVM_IOMMU_TOPUP: give memory to the common pool.
 *
 *	Arguments: pfn; pages.
 *
 *	-EINVAL: pages is 0 or beyond %PKVM_IOMMU_TOPUP_MAX, or the range reaches
 *	beyond what the CPU or any registered IOMMU can address, or across the end
 *	of memory.
 *	-EPERM: not all of it is memory that the host owns exclusively.
 *	-EBUSY: some of it is mapped for devices.
 * @PKVM_IOMMU_RECLAIM: have one unused page of the pool back, zeroed.
 *
 *	Results: x2 the pfn. The page was given with %PKVM_IOMMU_TOPUP or
 *	%PKVM_IOMMU_BOOT_DONATE and is the host's again.
 *
 *	-ENOMEM: the pool is empty (x2 is 0: there is nothing to give).
 * @PKVM_IOMMU_FAULT: take the oldest fault that an IOMMU recorded, and
 *	acknowledge its error interrupts.
 *
 *	Arguments: IOMMU id.
 *	Results: x2 see PKVM_IOMMU_FAULT_*; x3 the address that the device used.
 *
 *	-EAGAIN: there is none.
 * @PKVM_IOMMU_INFO: read one of enum pkvm_iommu_info.
 *
 *	Arguments: which; for some, of which IOMMU.
 *	Results: x2 the value.
 *
 *	-EINVAL: no such value.
 * @PKVM_IOMMU_DOMAIN_ALLOC: make a domain with no mappings. It can be attached
 *	to streams of any IOMMU.
 *
 *	Results: x2 its id.
 *
 *	-ENOSPC: the hardware has no more address space identifiers.
 *	-ENOMEM: see above.
 * @PKVM_IOMMU_DOMAIN_FREE: end a domain; its memory returns to the pool.
 *
 *	Arguments: domain id.
 *
 *	-ENXIO: no such domain, or the identity domain.
 *	-EBUSY: streams are attached, something is mapped, or another call is
 *	using it.
 *	-EAGAIN: the domain is out of service, but the work is bounded: call again.
 * @PKVM_IOMMU_MAP: let the devices in a domain reach memory. The memory cannot
 *	change owner until it is unmapped again.
 *
 *	Arguments: domain id; I/O virtual address; PKVM_IOMMU_PROT_*; in x5 to x17
 *	up to %PKVM_IOMMU_RUNS runs of memory (PKVM_IOMMU_RUN()), which are mapped
 *	one behind the other. The first 0 ends them.
 *	Results: x2 the bytes that are mapped, from the start: also after an error,
 *	and less than asked for without one, because the work of a call is bounded;
 *	x3 on -ENOMEM the pages to give before going on. Blocks are used where both
 *	addresses and what is there allow it.
 *
 *	-ENXIO: no such domain, or the identity domain.
 *	-EINVAL: the address is not page aligned, no run, a run of no pages, unknown
 *	or no permission.
 *	-ERANGE: an address of any run lies, or wraps, beyond
 *	%PKVM_IOMMU_INFO_LIMIT.
 *	-EEXIST: something is mapped there.
 *	-EPERM: not all of the memory is what the host may reach, or it is part of
 *	an IOMMU's registers.
 *	-EBUSY: a page is mapped more often than can be counted
 *	(%PKVM_IOMMU_PINS_MAX).
 *	-EIO: an IOMMU did not accept it.
 *	-ENOMEM: see above.
 * @PKVM_IOMMU_MAP_LIST: as %PKVM_IOMMU_MAP, with runs that are in memory which the
 *	host gave for them (%PKVM_IOMMU_RUN_LIST). Each is read once, when its turn
 *	comes; the first that is at fault ends the call.
 *
 *	Arguments: domain id; I/O virtual address; PKVM_IOMMU_PROT_*; index of the first
 *	run; how many, up to %PKVM_IOMMU_LIST_RUNS.
 *	Results and errors: as above, and
 *
 *	-EINVAL: no run, too many, or beyond %PKVM_IOMMU_INFO_RUNS.
 * @PKVM_IOMMU_UNMAP: the reverse. What was unmapped is not reached any more on
 *	return: every access that was under way has completed. Not so with
 *	%PKVM_IOMMU_UNMAP_LAZY: then devices may reach the memory, and it stays
 *	the host's, until the domain is flushed. EL2 flushes by itself when it has
 *	too much to remember, before it refuses to let memory change owner, and
 *	before it maps something else there.
 *
 *	Arguments: domain id; I/O virtual address; bytes; flags.
 *	Results: x2 the bytes that have been dealt with, from the start; there,
 *	nothing is mapped any more. Less than asked for without an error: go on
 *	from there. x3 the bytes among them that had been mapped.
 *
 *	-ENXIO, -ERANGE: as above.
 *	-EINVAL: not page aligned, size 0, unknown flag, or a block would have to be
 *	split: x2 says where. With an IOMMU without page tables, also if a run would
 *	have to be split at either end, and then x2 is 0; there, none extends beyond a
 *	multiple of 2 MiB of I/O virtual addresses, nor where memory ends.
 * @PKVM_IOMMU_FLUSH: finish what %PKVM_IOMMU_UNMAP_LAZY left open. On return, what
 *	was unmapped before the call is not reached any more.
 *
 *	Arguments: domain id.
 *
 *	-ENXIO: no such domain, or the identity domain.
 * @PKVM_IOMMU_REPLAY: tell an IOMMU that has no page tables what is mapped in a
 *	domain, after %PKVM_IOMMU_ATTACH asked for it.
 *
 *	Arguments: IOMMU id; domain id.
 *	Results: x2 is 1 if there is more: call again; 0 when done.
 *
 *	-ENXIO: as above.
 *	-ENOTCONN: no stream of this IOMMU is attached to the domain.
 *	-EIO: the IOMMU did not accept it.
 * @PKVM_IOMMU_LOOKUP: where an I/O virtual address leads.
 *
 *	Arguments: domain id; I/O virtual address.
 *	Results: x2 the physical address.
 *
 *	-ENXIO, -ERANGE: as above.
 *	-ENOTCONN: nothing is mapped there.
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
};

/*
 * A run of memory for PKVM_IOMMU_MAP: its address, page aligned, and in the bits
 * below its pages. PAGE_SIZE of at least 4096 leaves room for 4095.
 */
#define PKVM_IOMMU_RUN(phys, pages)	((phys) | (pages))
#define PKVM_IOMMU_RUN_PAGES		0xfffULL
#define PKVM_IOMMU_RUNS			13
/* Runs that one PKVM_IOMMU_MAP_LIST uses; they are 64-bit words. */
#define PKVM_IOMMU_LIST_RUNS		256
/* Mappings of a page, or of a block, that can be counted. */
#define PKVM_IOMMU_PINS_MAX		0x7fff

/* Fourth argument of PKVM_IOMMU_UNMAP. */
#define PKVM_IOMMU_UNMAP_LAZY		(1ULL << 0)

/* Third argument of PKVM_IOMMU_MAP. */
#define PKVM_IOMMU_PROT_READ		(1ULL << 0)
#define PKVM_IOMMU_PROT_WRITE		(1ULL << 1)
/* The device's accesses snoop the CPU caches. */
#define PKVM_IOMMU_PROT_CACHE		(1ULL << 2)
/* Device memory: what is not memory is always mapped so. */
#define PKVM_IOMMU_PROT_MMIO		(1ULL << 3)
#define PKVM_IOMMU_PROT_NOEXEC		(1ULL << 4)

/* Table walks of this IOMMU snoop the CPU caches. */
#define PKVM_IOMMU_F_COHERENT		(1ULL << 0)
/* For tests: use stage 1 even where there is stage 2, and a one-level stream table. */
#define PKVM_IOMMU_F_STAGE1		(1ULL << 1)
#define PKVM_IOMMU_F_LINEAR		(1ULL << 2)
/* Seal without isolation: pkvm_iommu=off on the kernel command line. */
#define PKVM_IOMMU_F_OFF		(1ULL << 3)
/* Seal, but refuse protected VMs: there are devices behind other IOMMUs. */
#define PKVM_IOMMU_F_PARTIAL		(1ULL << 4)

#define PKVM_IOMMU_MAX			32
/* Target of PKVM_IOMMU_BOOT_DONATE: the common pool rather than an IOMMU. */
#define PKVM_IOMMU_POOL			(~0ULL)
/* The same: memory for the runs of PKVM_IOMMU_MAP_LIST. */
#define PKVM_IOMMU_RUN_LIST		(~1ULL)
/* Pages of one PKVM_IOMMU_BOOT_DONATE, and of one PKVM_IOMMU_TOPUP. */
#define PKVM_IOMMU_DONATE_MAX		1024
#define PKVM_IOMMU_TOPUP_MAX		32

/* Identity: what the host may reach by CPU, at its physical address. */
#define PKVM_IOMMU_DOMAIN_IDENTITY	0

/**
 * enum pkvm_iommu_refusal - why hardware cannot be isolated
 * @PKVM_IOMMU_REFUSE_NONE: not a matter of the hardware
 * @PKVM_IOMMU_REFUSE_STAGE: it has no usable translation stage or format, or
 *	not the one that all other IOMMUs have
 * @PKVM_IOMMU_REFUSE_GRANULE: it cannot translate pages of PAGE_SIZE
 * @PKVM_IOMMU_REFUSE_PRESET: its tables or queues are preset, or it has
 *	command queues outside of the registered range
 * @PKVM_IOMMU_REFUSE_TIMEOUT: a register or command was not acknowledged
 * @PKVM_IOMMU_REFUSE_MEMORY: it was not given the memory that it asked for
 * @PKVM_IOMMU_REFUSE_MMIO: its register range is too small, or was not the
 *	host's to give
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

/* x2 of PKVM_IOMMU_FAULT: stream id, enum pkvm_iommu_fault_reason, flags. */
#define PKVM_IOMMU_FAULT_SID		0x00000000ffffffffULL
#define PKVM_IOMMU_FAULT_REASON		0x000000ff00000000ULL
#define PKVM_IOMMU_FAULT_WRITE		(1ULL << 40)
/* The queue was full: the IOMMU lost, or may have lost, records after those in it. */
#define PKVM_IOMMU_FAULT_LOST		(1ULL << 41)

/**
 * enum pkvm_iommu_fault_reason - what an IOMMU refused, or suffered
 * @PKVM_IOMMU_FAULT_UNKNOWN: none of the below
 * @PKVM_IOMMU_FAULT_BLOCKED: the stream is not attached; address and direction
 *	may not be known, and are then 0
 * @PKVM_IOMMU_FAULT_UNMAPPED: the address is not mapped in its domain
 * @PKVM_IOMMU_FAULT_PERMISSION: mapped, but not for this access
 * @PKVM_IOMMU_FAULT_FORBIDDEN: a kind of transaction that is never allowed,
 *	such as one that claims to be translated already
 * @PKVM_IOMMU_FAULT_HARDWARE: the IOMMU could not read its own tables, or
 *	reports an error of its own (the stream id is then 0)
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
 * enum pkvm_iommu_info - values that PKVM_IOMMU_INFO reads
 * @PKVM_IOMMU_INFO_POOL_FREE: unused pages of the pool
 * @PKVM_IOMMU_INFO_POOL_TOTAL: pages that the pool was given, less those that
 *	were reclaimed
 * @PKVM_IOMMU_INFO_SHADOW: pages of the pool that hold the shadow's tables
 * @PKVM_IOMMU_INFO_LIMIT: end of the physical addresses that devices can
 *	reach, in bits
 * @PKVM_IOMMU_INFO_IDENTITY: 1 if the streams of the IOMMU whose id is in x3 can
 *	be attached to the identity domain, else 0
 * @PKVM_IOMMU_INFO_RUNS: runs that there is memory for, see %PKVM_IOMMU_RUN_LIST
 */
enum pkvm_iommu_info {
	PKVM_IOMMU_INFO_POOL_FREE	= 0,
	PKVM_IOMMU_INFO_POOL_TOTAL	= 1,
	PKVM_IOMMU_INFO_SHADOW		= 2,
	PKVM_IOMMU_INFO_LIMIT		= 3,
	PKVM_IOMMU_INFO_IDENTITY	= 4,
	PKVM_IOMMU_INFO_RUNS		= 5,
};

#endif /* _UAPI_LINUX_PKVM_IOMMU_H */
