/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Interface between the pKVM IOMMU core and its backends.
 *
 * A backend drives one kind of IOMMU hardware. The core checks every value that
 * comes from the host, keeps all books about who may do what, and calls the
 * backend with checked values only. Documentation/virt/kvm/arm/pkvm-iommu-backend.rst
 * explains how to write one.
 */
#ifndef __ARM64_KVM_NVHE_IOMMU_BACKEND_H__
#define __ARM64_KVM_NVHE_IOMMU_BACKEND_H__

#include <linux/atomic.h>
#include <linux/cache.h>
#include <linux/io-pgtable.h>
#include <linux/types.h>

#include <asm/barrier.h>
#include <asm/sysreg.h>
#include <vdso/time64.h>

#include <nvhe/spinlock.h>

#include <uapi/linux/pkvm_iommu.h>

struct pkvm_iommu_geometry;

/* Bytes of pkvm_iommu_domain::hw. */
#define PKVM_IOMMU_DOMAIN_HW_SIZE	64

/**
 * struct pkvm_iommu_domain - address space that streams can be attached to
 * @geometry: the core's; IOMMUs that have the same one can have streams in the domain
 * @fmt: format of the page table, ARM_64_LPAE_S1 or ARM_64_LPAE_S2
 * @tag: ASID or VMID on every IOMMU that has @geometry. EL2 chooses it. Never 0, which the SMMUv3
 *	driver reserves for bypass; 1 for the identity domain only
 * @parent: the shadow, if the domain is nested in it, see nested.c; @fmt, @cfg and @tag then
 *	describe stage 1, those of the parent describe stage 2. Else NULL
 * @cfg: configuration of the page table: roots, sizes, attributes
 * @hw: PKVM_IOMMU_DOMAIN_HW_SIZE bytes of the backends, aligned to their size and
 *	zeroed, at an address that hardware can read. If the domain is nested, hardware reads
 *	it by the parent's page table, and devices can read it
 * @lazy: ring of the runs that a lazy UNMAP removed, see lazy.c
 * @ops: the page table; managed domains have one even if no hardware walks it.
 *	host_mmu.lock guards that of the shadow, @busy or @lock that of other domains
 * @lock: guards @range_wanted; the page table if the IOMMUs have none, see range.c
 * @range_wanted: a call waits for bits of @busy
 * @busy: addresses that calls own, see range.c
 * @mapped: bytes that are mapped
 * @attached: attached streams on all IOMMUs
 * @freed: PKVM_IOMMU_DOMAIN_FREE has freed all tables below this address
 * @flush_lock: guards the members to @lazy_slot, and what @lazy holds; @flushes, @flushed,
 *	@lazy_first and @lazy_end are also read without it
 * @flushes: flushes of the whole domain that have begun
 * @flushed: number of the last flush that is known to have completed
 * @lazy_first: runs that have left @lazy
 * @lazy_end: runs that were put into @lazy
 * @lazy_weight: work to unpin the runs in @lazy, in pages
 * @lazy_slot: index of the domain in the list of domains with runs in @lazy
 * @iommus: BIT(id) of each IOMMU with attached streams, see domain_iommus() in backend.c
 * @streams: attached streams of each IOMMU; the parent's include those of nested domains.
 *	Guarded by that IOMMU's lock
 * @replayed: for each IOMMU without page tables: PKVM_IOMMU_REPLAY has passed all
 *	mappings below this address to it. Guarded by that IOMMU's lock
 *
 * @geometry to @ops do not change after pkvm_iommu_domain_init().
 */
struct pkvm_iommu_domain {
	struct pkvm_iommu_geometry	*geometry;
	enum io_pgtable_fmt		fmt;
	u16				tag;
	const struct pkvm_iommu_domain	*parent;
	const struct io_pgtable_cfg	*cfg;
	u64				*lazy;
	void				*hw;
	struct io_pgtable_ops		*ops;

	hyp_spinlock_t			lock;
	bool				range_wanted;
	atomic64_t			busy;
	atomic64_t			mapped;
	atomic_t			attached;
	u64				freed;
	hyp_spinlock_t			flush_lock;
	u64				flushes;
	u64				flushed;
	u64				lazy_first;
	u64				lazy_end;
	unsigned int			lazy_weight;
	unsigned int			lazy_slot;
	atomic_t			iommus;
	u32				streams[PKVM_IOMMU_MAX];
	u64				replayed[PKVM_IOMMU_MAX];
};

/**
 * struct pkvm_iommu_fault - fault record in generic terms
 * @sid: stream id
 * @reason: enum pkvm_iommu_fault_reason
 * @write: true for a write, false for a read
 * @lost: the hardware lost the records after this one
 * @address: I/O virtual address of the access
 */
struct pkvm_iommu_fault {
	u32	sid;
	u8	reason;
	bool	write;
	bool	lost;
	u64	address;
};

/**
 * struct pkvm_iommu_region - I/O virtual addresses that a stream cannot use
 * @start: first address; the core extends the region to whole pages
 * @end: last address, not below @start
 * @kind: its use
 */
struct pkvm_iommu_region {
	u64				start;
	u64				end;
	enum pkvm_iommu_region_kind	kind;
};

/**
 * struct pkvm_iommu - an IOMMU in the registry
 * @id: index in the registry
 * @ops: its backend
 * @base: physical address of the registers
 * @mmio_size: bytes of registers, whole pages
 * @mmio: EL2's mapping of the registers
 * @nr_windows: further windows of registers that it has; 0 to PKVM_IOMMU_WINDOWS_MAX; set by probe
 * @windows: EL2's mapping of each, once PKVM_IOMMU_BOOT_WINDOW has named it: after probe
 * @window_sizes: bytes of each, as the host has named it
 * @flags: PKVM_IOMMU_F_*
 * @sid_bits: size of stream ids in bits; set by pkvm_iommu_ops::probe
 * @oas: output address size in bits; set by probe, and made smaller by PKVM_IOMMU_F_REACH
 * @asid_bits: size of ASIDs in bits; set by probe, not with pkvm_iommu_ops::permit
 * @vmid_bits: size of VMIDs in bits; likewise
 * @fmts: BIT(enum io_pgtable_fmt) of each page-table format that it can walk; likewise
 * @nests: it can translate by ARM_64_LPAE_S1 within ARM_64_LPAE_S2, and @fmts has both; set by
 *	probe
 * @mem_size: bytes of contiguous memory that it needs: 0, or a power of two of at
 *	least a page; set by probe
 * @mem: that memory, aligned to its size and zeroed
 * @geometry: format and sizes of the domains that its streams can be attached to, for the core
 * @dead: it did not respond during the seal
 * @lock: guards @streams, and the backend's state but for queues with a lock of their own
 * @streams: root of the radix tree of streams, see stream.c
 *
 * @id to @dead do not change after PKVM_IOMMU_BOOT_SEAL. Each IOMMU is in cache lines of its
 * own, because CPUs write @lock while others read @ops of the next IOMMU.
 */
struct pkvm_iommu {
	u32				id;
	const struct pkvm_iommu_ops	*ops;
	u64				base;
	size_t				mmio_size;
	void __iomem			*mmio;
	u8				nr_windows;
	void __iomem			*windows[PKVM_IOMMU_WINDOWS_MAX];
	size_t				window_sizes[PKVM_IOMMU_WINDOWS_MAX];
	u64				flags;
	u8				sid_bits;
	u8				oas;
	u8				asid_bits;
	u8				vmid_bits;
	u32				fmts;
	bool				nests;
	size_t				mem_size;
	void				*mem;
	struct pkvm_iommu_geometry	*geometry;
	bool				dead;

	hyp_spinlock_t			lock;
	void				*streams;
} ____cacheline_aligned_in_smp;

static inline bool pkvm_iommu_coherent(const struct pkvm_iommu *iommu)
{
	return iommu->flags & PKVM_IOMMU_F_COHERENT;
}

/**
 * struct pkvm_iommu_mapping - contiguous memory at contiguous I/O virtual addresses
 * @iova: I/O virtual address
 * @phys: physical address
 * @size: bytes, within naturally aligned 512 pages of I/O virtual addresses; or a block, aligned
 * @prot: IOMMU_READ and so on, see <linux/iommu.h>
 * @is_memory: memory of the boot; false for the rest of what the host reaches; not for backends
 * @shift: log2 of the bytes that one page-table entry maps; not for backends
 */
struct pkvm_iommu_mapping {
	u64	iova;
	u64	phys;
	u64	size;
	int	prot;
	bool	is_memory;
	u8	shift;
};

/**
 * struct pkvm_iommu_ops - operations of a backend
 * @isolates: the hardware keeps devices out of memory; false for the software
 *	backends of the tests
 * @scarce: attaches can fail with -ENOSPC
 * @quirks: bits of PKVM_IOMMU_F_QUIRKS in pkvm_iommu::flags that have a meaning
 * @probe: during boot. Read the ID registers and fill in the members of struct
 *	pkvm_iommu that are set by probe. Changes no hardware state. Returns 0, or
 *	-ENXIO with enum pkvm_iommu_refusal in *@why.
 * @alloc: during boot. Take the pages that @init needs from
 *	pkvm_iommu_alloc_page(); optional. Returns 0, or -ENOMEM and is then called again.
 * @init: during boot. Take over the hardware in any state, so that it blocks every
 *	stream and caches no older translation. Returns 0, or a negative errno with
 *	enum pkvm_iommu_refusal in *@why.
 * @lost: check whether the hardware has lost its registers, for instance in a power-off. The
 *	core then calls @init again, with the lock of the IOMMU held: the streams that are
 *	attached stay attached to their domains. Fault records that the core has not taken,
 *	and the commands of invalidations that it no longer waits for, may be lost; a ticket
 *	from before counts as completed. Called without a lock, on several CPUs at once, also
 *	while another CPU is in @init: it must not return false before @init has done all.
 *	Optional; without it, EL2 denies to suspend the system.
 * @domain_init: fill in pkvm_iommu_domain::hw before the first attach; optional
 * @stream_prepare: allocate everything that @stream_set needs for @sid; optional.
 *	Returns 0, or -ENOMEM with no change that a device could notice. Does not wait for
 *	the hardware.
 * @stream_set: with @attach, attach @sid, which is blocked, to @domain; without,
 *	block @sid, which is attached to @domain. The hardware has done so on
 *	return. Called after @stream_prepare. Returns 0, or -EIO if hardware
 *	without page tables refuses the attach, or hardware cannot match @sid, or
 *	finds that it and an attached stream stand for the same accesses; -ENOSPC
 *	with @scarce. An error changes nothing. Blocking does not fail. With @permit, @domain is
 *	always the identity domain, and blocking waits for the accesses under way.
 * @map: only for hardware without page tables: pass @nr new mappings of @domain,
 *	which has a stream of this IOMMU. Returns 0 or -EIO; after -EIO the core calls
 *	@invalidate for all of them.
 * @permit: only for hardware that does not translate: permit accesses to [@phys, @phys + @size),
 *	whole pages, of all streams that are attached; or deny them, without @permit. Everything
 *	is denied at first, and beyond pkvm_iommu::oas for ever. On return the hardware
 *	does so, whatever it had cached before, and no access to a denied range is under way.
 *	Does not fail, and does not allocate. Also called during boot before @init, when the
 *	registers are not EL2's yet: it then writes to memory only, from which @init sets the
 *	hardware up. Such a range can be as large as pkvm_iommu::oas allows.
 * @invalidate: drop all cached translations of [@addr, @addr + @size) of @domain,
 *	or of all of @domain, and of domains that are nested in it, if @size is 0. With @leaf,
 *	no entry that points to a table, or leads to a table of a nested domain, has changed.
 *	With @map, forget the mappings in the
 *	range; if @size is 0, forget none, although there may be some. Without @wait, all
 *	accesses that used a dropped translation have completed on return. With @wait,
 *	queue the commands and return a ticket for it. Does not fail. Not with @permit.
 * @wait: wait until all accesses that used a translation which the @invalidate of
 *	@ticket dropped have completed; optional. Invalidations complete in the order
 *	of the calls of @invalidate. Returns false if the hardware is late.
 * @fault: take the oldest fault record, into memory that is zeroed; optional. Returns false if
 *	there is none.
 * @region: find the reserved region of @sid with the given index, of a bounded number; optional.
 *	Returns 0, -ENODATA if there is none, or -EIO if the hardware does not tell. The stream
 *	may be blocked, unknown to the hardware, and one that @stream_prepare has not seen.
 *
 * Context: the core calls @stream_prepare and all later operations with
 * pkvm_iommu::lock held and interrupts masked. With @wait, it calls @stream_set, @invalidate and
 * @wait without that lock, on several CPUs at once, but @stream_set and @stream_prepare for one
 * stream on one CPU at a time. The host cannot change any argument during the call.
 */
struct pkvm_iommu_ops {
	bool isolates;
	bool scarce;
	u32 quirks;
	int (*probe)(struct pkvm_iommu *iommu, u64 *why);
	int (*alloc)(struct pkvm_iommu *iommu);
	int (*init)(struct pkvm_iommu *iommu, u64 *why);
	bool (*lost)(struct pkvm_iommu *iommu);
	void (*domain_init)(struct pkvm_iommu *iommu, struct pkvm_iommu_domain *domain);
	int (*stream_prepare)(struct pkvm_iommu *iommu, u32 sid);
	int (*stream_set)(struct pkvm_iommu *iommu, u32 sid,
			  const struct pkvm_iommu_domain *domain, bool attach);
	int (*map)(struct pkvm_iommu *iommu, const struct pkvm_iommu_domain *domain,
		   const struct pkvm_iommu_mapping *maps, int nr);
	void (*permit)(struct pkvm_iommu *iommu, u64 phys, u64 size, bool permit);
	u64 (*invalidate)(struct pkvm_iommu *iommu,
			  const struct pkvm_iommu_domain *domain,
			  u64 addr, u64 size, bool leaf);
	bool (*wait)(struct pkvm_iommu *iommu, u64 ticket);
	bool (*fault)(struct pkvm_iommu *iommu, struct pkvm_iommu_fault *fault);
	int (*region)(struct pkvm_iommu *iommu, u32 sid, u64 index,
		      struct pkvm_iommu_region *region);
};

/* Define the operations of a backend: PKVM_IOMMU_BACKEND(kind) = { ... }; */
#define PKVM_IOMMU_BACKEND(kind)						\
	extern const struct pkvm_iommu_ops pkvm_iommu_##kind##_ops;		\
	const struct pkvm_iommu_ops pkvm_iommu_##kind##_ops

/* Time that hardware has to acknowledge a register or complete a command. */
#define PKVM_IOMMU_TIMEOUT_US	1000000

static inline u64 pkvm_iommu_deadline(void)
{
	return read_sysreg(cntpct_el0) +
	       read_sysreg(cntfrq_el0) * PKVM_IOMMU_TIMEOUT_US / USEC_PER_SEC;
}

static inline bool pkvm_iommu_late(u64 deadline)
{
	isb();
	return read_sysreg(cntpct_el0) > deadline;
}

/*
 * Wait until @cond is true. Evaluates to false if it is not true in time. @cond is
 * evaluated once more after the deadline, because this CPU may have been held up.
 */
#define pkvm_iommu_wait(cond)							\
({										\
	u64 __deadline = 0;							\
	bool __good, __late = false;						\
										\
	while (!(__good = (cond)) && !__late) {					\
		__deadline = __deadline ?: pkvm_iommu_deadline();		\
		__late = pkvm_iommu_late(__deadline);				\
	}									\
	__good;									\
})

/* Functions of the core that backends call */
void *pkvm_iommu_alloc_page(void);
void __noreturn pkvm_iommu_lost_command(void);

#endif /* __ARM64_KVM_NVHE_IOMMU_BACKEND_H__ */
