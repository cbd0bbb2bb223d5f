/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * pKVM IOMMU layer at EL2: what mem_protect.c calls, and what lies between the
 * core and a backend. The contract with the host is <uapi/linux/pkvm_iommu.h>.
 *
 * Lock order, outer to inner:
 *
 *	host_mmu.lock -> pkvm_pgd_lock -> pkvm_iommu::lock -> pool lock
 *	host_mmu.lock -> pkvm_iommu_domain::lock -> pkvm_iommu::lock -> pool lock
 *	domain_lock (of the domain table) -> pool lock
 *
 * domain_lock is held with neither of the first two. host_mmu.lock and a domain's
 * lock are held together for an increment only.
 */
#ifndef __ARM64_KVM_NVHE_IOMMU_H__
#define __ARM64_KVM_NVHE_IOMMU_H__

#include <linux/types.h>

struct kvm_cpu_context;

#ifdef CONFIG_PKVM_IOMMU

#include <linux/io-pgtable.h>

#include <asm/barrier.h>
#include <asm/sysreg.h>
#include <vdso/time64.h>

#include <nvhe/spinlock.h>

#include <uapi/linux/pkvm_iommu.h>

/**
 * struct pkvm_iommu_domain - a translation that streams can be attached to
 * @fmt: ARM_64_LPAE_S1 or ARM_64_LPAE_S2
 * @tag: ASID or VMID, chosen by EL2, the same on every IOMMU; never 0, which
 *	the SMMUv3 driver model reserves for bypass
 * @cfg: what the hardware has to be told of the page table
 * @lazy: room for what was unmapped lazily, see domain.c
 * @hw: 64 aligned bytes, zeroed, for what the backend tells the hardware of the
 *	domain; see pkvm_iommu_ops::domain_init
 * @ops: the page table, also where no hardware walks it; the shadow's is guarded by
 *	host_mmu.lock, others by @lock
 * @lock: guards the page table and @mapped
 * @mapped: bytes that it maps
 * @users: calls that are using it, and one for each attached stream; guarded by
 *	the lock of the domain table
 * @freed: tables below this address have been freed, by PKVM_IOMMU_DOMAIN_FREE
 * @flushes: how often the domain was flushed, or is being flushed; guarded by @lock,
 *	and changed with host_mmu.lock held as well
 * @flushed: how often that was done; the same
 * @nr_lazy: runs in @lazy; guarded by host_mmu.lock, as are the next two
 * @lazy_entries: entries of page tables that they were
 * @lazy_slot: where the domain is in the list of those that have some
 * @streams: attached streams by IOMMU; guarded by the lock of that IOMMU
 * @told: for an IOMMU without page tables, where PKVM_IOMMU_REPLAY has come: what
 *	is mapped below it knows, and is told; guarded by its lock
 *
 * The first six are immutable.
 */
struct pkvm_iommu_domain {
	enum io_pgtable_fmt		fmt;
	u16				tag;
	const struct io_pgtable_cfg	*cfg;
	u64				*lazy;
	void				*hw;
	struct io_pgtable_ops		*ops;

	hyp_spinlock_t			lock;
	unsigned long			mapped;
	unsigned long			users;
	u64				freed;
	u64				flushes;
	u64				flushed;
	unsigned int			nr_lazy;
	unsigned int			lazy_entries;
	unsigned int			lazy_slot;
	u32				streams[PKVM_IOMMU_MAX];
	u64				told[PKVM_IOMMU_MAX];
};

/* Its id at the host; the shadow has tag 1. */
static inline u64 pkvm_iommu_domain_id(const struct pkvm_iommu_domain *domain)
{
	return domain->tag - 1;
}

/**
 * struct pkvm_iommu_fault - a fault as a backend reports it
 * @sid: stream
 * @reason: enum pkvm_iommu_fault_reason
 * @write: the device wrote
 * @lost: records after it were lost
 * @address: the address that the device used
 */
struct pkvm_iommu_fault {
	u32	sid;
	u8	reason;
	bool	write;
	bool	lost;
	u64	address;
};

/**
 * struct pkvm_iommu - one IOMMU in the registry
 * @id: index in the registry
 * @ops: its backend
 * @mmio_phys: address of the registers, page aligned
 * @mmio_size: their size in bytes, whole pages
 * @mmio: where EL2 has them mapped
 * @flags: PKVM_IOMMU_F_*
 * @sid_bits: stream ids have so many bits; set by the backend's probe
 * @oas: output addresses have so many bits; set by the backend's probe
 * @asid_bits: ASIDs have so many bits; by probe
 * @vmid_bits: VMIDs have so many bits; by probe
 * @fmts: BIT(enum io_pgtable_fmt) of each format that it can walk; by probe
 * @mem_size: bytes of contiguous memory that it needs, 0 or a power of two of
 *	at least a page; by probe
 * @mem: that memory, aligned to its size and zeroed
 * @dead: it did not respond at boot
 * @lock: guards what follows, and the backend's state and queues
 * @streams: root of the core's record of streams, see stream_slot()
 *
 * Everything above @lock is immutable after PKVM_IOMMU_BOOT_SEAL.
 */
struct pkvm_iommu {
	u32				id;
	const struct pkvm_iommu_ops	*ops;
	phys_addr_t			mmio_phys;
	size_t				mmio_size;
	void __iomem			*mmio;
	u64				flags;
	u8				sid_bits;
	u8				oas;
	u8				asid_bits;
	u8				vmid_bits;
	u32				fmts;
	size_t				mem_size;
	void				*mem;
	bool				dead;

	hyp_spinlock_t			lock;
	void				*streams;
};

static inline bool pkvm_iommu_coherent(const struct pkvm_iommu *iommu)
{
	return iommu->flags & PKVM_IOMMU_F_COHERENT;
}

/**
 * struct pkvm_iommu_mapping - contiguous memory behind contiguous addresses
 * @iova: I/O virtual address
 * @phys: physical address
 * @size: bytes, within one naturally aligned 2 MiB of I/O virtual addresses
 * @prot: IOMMU_READ and so on, see <linux/iommu.h>
 * @is_memory: or MMIO of the host
 * @shift: log2 of the bytes of each entry in the page table; not for backends
 */
struct pkvm_iommu_mapping {
	u64	iova;
	u64	phys;
	u64	size;
	int	prot;
	bool	is_memory;
	u8	shift;
};

static inline unsigned int pkvm_iommu_entries(const struct pkvm_iommu_mapping *map)
{
	return map->size >> map->shift;
}

/**
 * struct pkvm_iommu_ops - what a backend does
 * @isolates: false for software that only pretends
 * @probe: boot. Read the ID registers and fill in what struct pkvm_iommu leaves
 *	to probe; change no hardware state. Returns 0, or -ENXIO with the reason
 *	in *@why.
 * @alloc: boot. Take from pkvm_iommu_alloc_page() what @init needs. Returns 0
 *	or -ENOMEM; is then called again.
 * @init: boot. Take the hardware over, whatever state it is in, so that it
 *	blocks every stream and nothing stale is cached. Returns 0 or a negative
 *	errno with the reason in *@why.
 * @domain_init: fill in @domain's hw, before a stream is attached to it; optional
 * @stream_prepare: provide what stream_set() needs for @sid; optional. Returns 0
 *	or -ENOMEM, and then has changed nothing that a device could notice.
 * @stream_set: let @sid through @domain, or block it, which was let through
 *	@domain, if @through is false. Has reached the hardware on return. The
 *	caller has called @stream_prepare, and never replaces a domain by another.
 *	Returns 0, or -EIO if hardware without page tables refuses to let it
 *	through; blocking cannot fail.
 * @map: for hardware that walks no page tables, NULL for others: tell it of @nr
 *	new mappings in @domain, which has a stream of this IOMMU. Returns 0 or -EIO;
 *	the caller then has @invalidate take back all of them, told or not.
 * @invalidate: drop all cached translations of [@addr, @addr + @size) of
 *	@domain, or of all of it if @size is 0; with @map, forget the mappings in
 *	that range (@size is 0 only after the domain's last stream of this IOMMU was
 *	blocked, or another one: then there is nothing to forget). On return, every
 *	access that used one of them has completed. Cannot fail.
 * @fault: take the oldest fault. False if there is none.
 *
 * The core calls everything from @stream_prepare on with pkvm_iommu::lock held,
 * interrupts masked, and has checked every argument; a backend sees no value
 * that the host could change under it, and keeps no book of its own about who
 * may do what.
 */
struct pkvm_iommu_ops {
	bool isolates;
	int (*probe)(struct pkvm_iommu *iommu, u64 *why);
	int (*alloc)(struct pkvm_iommu *iommu);
	int (*init)(struct pkvm_iommu *iommu, u64 *why);
	void (*domain_init)(struct pkvm_iommu *iommu, struct pkvm_iommu_domain *domain);
	int (*stream_prepare)(struct pkvm_iommu *iommu, u32 sid);
	int (*stream_set)(struct pkvm_iommu *iommu, u32 sid,
			  const struct pkvm_iommu_domain *domain, bool through);
	int (*map)(struct pkvm_iommu *iommu, const struct pkvm_iommu_domain *domain,
		   const struct pkvm_iommu_mapping *maps, int nr);
	void (*invalidate)(struct pkvm_iommu *iommu,
			   const struct pkvm_iommu_domain *domain,
			   u64 addr, u64 size);
	bool (*fault)(struct pkvm_iommu *iommu, struct pkvm_iommu_fault *fault);
};

extern const struct pkvm_iommu_ops pkvm_smmu_v3_ops;
extern const struct pkvm_iommu_ops pkvm_iommu_virtio_ops;
extern const struct pkvm_iommu_ops pkvm_iommu_test_ops;

/* How long hardware may take to answer. */
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
 * Wait until @cond is true; false if it is not in time. Looks once more when it is
 * late: this CPU may have been held up.
 */
#define pkvm_iommu_wait(cond)							\
({										\
	u64 __deadline = pkvm_iommu_deadline();					\
	bool __good, __late = false;						\
										\
	while (!(__good = (cond)) && !__late)					\
		__late = pkvm_iommu_late(__deadline);				\
	__good;									\
})

/* Core, iommu.c */
extern struct pkvm_iommu pkvm_iommus[PKVM_IOMMU_MAX];
extern unsigned int pkvm_iommu_nr;
extern bool pkvm_iommu_all_walk;
void *pkvm_iommu_alloc_page(void);
void pkvm_iommu_free_page(void *page);
void __noreturn pkvm_iommu_lost_command(struct pkvm_iommu *iommu);
void pkvm_iommu_invalidate_all(const struct pkvm_iommu_domain *domain,
			       hyp_spinlock_t *lock, u64 addr, u64 size);

int pkvm_iommu_map_one(struct pkvm_iommu *iommu, struct pkvm_iommu_domain *domain,
		       const struct pkvm_iommu_mapping *maps, int nr, u64 from, u64 told);
int pkvm_iommu_map_all(struct pkvm_iommu_domain *domain,
		       const struct pkvm_iommu_mapping *maps, int nr);

#define PKVM_IOMMU_RADIX_BITS	(PAGE_SHIFT - 3)
#define PKVM_IOMMU_RADIX_LEVELS(bits)	DIV_ROUND_UP(bits, PKVM_IOMMU_RADIX_BITS)
void **pkvm_iommu_radix(void **root, u64 index, int levels, bool alloc);

/**
 * struct pkvm_iommu_run - entries that map contiguous memory
 * @phys: where the memory starts
 * @len: bytes
 * @shift: log2 of the bytes of each entry
 * @is_memory: or MMIO of the host
 */
struct pkvm_iommu_run {
	u64	phys;
	u64	len;
	u8	shift;
	bool	is_memory;
};

/* The page-table library, io-pgtable.c */
struct io_pgtable_ops *pkvm_iommu_pgtable_alloc(enum io_pgtable_fmt fmt,
						const struct io_pgtable_cfg *cfg);
void pkvm_iommu_pgtable_free(struct io_pgtable_ops *ops);
int pkvm_iommu_pgtable_map(struct io_pgtable_ops *ops, const struct pkvm_iommu_mapping *maps,
			   int nr, u64 stale, bool mark, int *done);

/*
 * Entries that mapped contiguous memory or MMIO, and were unmapped: the address, and
 * below it which of the two, whether it was a block, and how many pages.
 */
#define PKVM_IOMMU_GONE_PAGES		GENMASK(9, 0)
#define PKVM_IOMMU_GONE_MEMORY		BIT(10)
#define PKVM_IOMMU_GONE_BLOCK		BIT(11)

int pkvm_iommu_pgtable_unmap(struct io_pgtable_ops *ops, u64 iova, u64 max,
			     u64 *gone, int nr, u64 stale, u64 *size);
int pkvm_iommu_pgtable_read(struct io_pgtable_ops *ops, u64 iova, u64 max,
			    struct pkvm_iommu_run *runs, int nr);
void *pkvm_iommu_pgtable_prune(struct io_pgtable_ops *ops, u64 iova);
bool pkvm_iommu_pgtable_starts(struct io_pgtable_ops *ops, u64 iova);
int pkvm_iommu_pgtable_prot(struct io_pgtable_ops *ops, u64 iova);

/* Domains other than the shadow, domain.c */
int pkvm_iommu_domain_init(struct pkvm_iommu_domain *domain, u16 tag,
			   enum io_pgtable_fmt fmt, unsigned int bits, bool coherent);
struct pkvm_iommu_domain *pkvm_iommu_domain_get(u64 id);
void pkvm_iommu_domain_put(struct pkvm_iommu_domain *domain);
int pkvm_iommu_domain_alloc(u64 *res);
int pkvm_iommu_domain_free(u64 id);
int pkvm_iommu_map(const u64 *args, const u64 *list, u64 nr, u64 *res);
int pkvm_iommu_unmap(const u64 *args, u64 *res);
int pkvm_iommu_lookup(const u64 *args, u64 *res);
int pkvm_iommu_flush(u64 id);
int pkvm_iommu_replay(struct pkvm_iommu *iommu, struct pkvm_iommu_domain *domain);
int pkvm_iommu_pins_build(u64 phys, u64 size);
void pkvm_iommu_pins_update(u64 phys, u64 size, bool reachable);

/* The identity domain, shadow.c */
extern struct pkvm_iommu_domain pkvm_iommu_shadow;
int pkvm_iommu_shadow_init(enum io_pgtable_fmt fmt, unsigned int bits,
			   bool coherent, bool walked);
bool pkvm_iommu_region(u64 addr, u64 *start, u64 *end);
int pkvm_iommu_shadow_build(void);
bool pkvm_iommu_shadow_maps(u64 addr);

/* CONFIG_PKVM_IOMMU_TEST, test.c */
int pkvm_iommu_test(const u64 *args, u64 *res);
int pkvm_iommu_selftest(const u64 *args, u64 *res);

/* mem_protect.c */
int __pkvm_host_donate_hyp_mmio(phys_addr_t phys, u64 size);
int pkvm_iommu_test_unmap_dev(void);

/* Entry points for the rest of pKVM */
void pkvm_iommu_host_update(phys_addr_t phys, u64 size, bool reachable);
int pkvm_iommu_check_pins(phys_addr_t phys, u64 size);
bool pkvm_iommu_next_mmio(u64 addr, u64 *start, u64 *end);
int pkvm_iommu_check_isolation(void);
bool pkvm_iommu_in_service(void);
void handle___pkvm_iommu_boot(struct kvm_cpu_context *host_ctxt);
void handle___pkvm_iommu_call(struct kvm_cpu_context *host_ctxt);

#else /* !CONFIG_PKVM_IOMMU */

static inline void pkvm_iommu_host_update(phys_addr_t phys, u64 size,
					  bool reachable) { }

static inline int pkvm_iommu_check_pins(phys_addr_t phys, u64 size)
{
	return 0;
}

static inline bool pkvm_iommu_next_mmio(u64 addr, u64 *start, u64 *end)
{
	return false;
}

static inline int pkvm_iommu_check_isolation(void)
{
	return 0;
}

static inline bool pkvm_iommu_in_service(void)
{
	return false;
}

#endif /* CONFIG_PKVM_IOMMU */
#endif /* __ARM64_KVM_NVHE_IOMMU_H__ */
