/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Interfaces between the files of the pKVM IOMMU core.
 *
 * A file may call the files below it in this list, and no file above it. "make
 * test" reads the list and the calls in the objects, and fails on any other call.
 *
 *	hypercall	decodes registers, dispatches, encodes results
 *	test-calls	PKVM_IOMMU_TEST, only with CONFIG_PKVM_IOMMU_TEST
 *	test-self	selftest of page ownership, likewise
 *	boot		REGISTER, WINDOW, WITHHOLD, DONATE, SEAL; return from power-off
 *	backends/kinds	table of the kinds of IOMMUs
 *	map		MAP, MAP_LIST, UNMAP, LOOKUP, FLUSH, REPLAY
 *	nested		nested domains; DOMAIN_FREE, INVALIDATE
 *	stream		ATTACH, DETACH, FAULT, REGION
 *	shadow		identity domain; follows page ownership
 *	domain		table and life of domains
 *	lazy		flushes; runs that are unmapped but not flushed
 *	range		addresses of a domain that a call owns
 *	pin		counts of mappings per page and block
 *	backends/KIND	hardware, one file for each kind
 *	test-backend	backend without hardware
 *	backend		an IOMMU's lock, lost commands, broadcasts to all IOMMUs
 *	io-pgtable	the kernel's page-table library
 *	pool		pages and radix trees of pages
 *	registry	IOMMUs, ranges of memory, geometries
 *
 * Lock order, outer to inner; "make check" checks it (lock_order[] in
 * tools/testing/pkvm_iommu/env.c):
 *
 *	host_mmu.lock
 *	pkvm_pgd_lock or the lock of a VM, as mem_protect.c takes them
 *	pkvm_iommu_domain::lock, or addresses of a domain, see range.c
 *	pkvm_iommu_domain::flush_lock
 *	pkvm_iommu::lock
 *	the lock of an IOMMU's queue, in its backend
 *	pool_lock
 *
 * The lock of the domain table is held by itself, or with that of the pool inside it.
 * MAP, UNMAP and LOOKUP own the addresses that they work on, LOOKUP only the page that it
 * translates. UNMAP, and MAP where something was unmapped just before, take the lock of each
 * queue in turn afterwards. MAP takes host_mmu.lock before it refuses a page.
 *
 * While a CPU waits for an SMMU, it owns no addresses, so that pkvm_iommu_lost_command() has none
 * to give back, and holds no lock. "make check" fails at any other wait (check_wait() in env.c).
 * Exceptions:
 *
 *  - A revocation, and a MAP that flushes before it refuses a page, hold host_mmu.lock.
 *  - The CPU that sets an SMMU up after a power-off holds its lock; all others need that SMMU.
 *  - A CPU that waits for an IOMMU that has page tables, but no pkvm_iommu_ops::wait, holds the
 *    lock of the IOMMU.
 *  - An IOMMU that does not translate is told of each change of ownership under host_mmu.lock,
 *    and with its own lock held.
 *  - An IOMMU without page tables has to have what the page table has. In a domain for such
 *    IOMMUs, MAP and UNMAP take the domain's lock for all addresses, and wait with it held; who
 *    waits for that IOMMU also has its lock.
 */
#ifndef __PKVM_IOMMU_CORE_H__
#define __PKVM_IOMMU_CORE_H__

#include <nvhe/iommu.h>
#include <nvhe/iommu-backend.h>

/* registry.c */

/**
 * struct pkvm_iommu_geometry - properties that some IOMMUs and their domains have in common
 * @fmt: page-table format, ARM_64_LPAE_S1 or ARM_64_LPAE_S2
 * @bits: size of I/O virtual and physical addresses that devices can use, in bits
 * @end: exclusive end of these addresses, and so of those of each domain
 * @coherent: table walks snoop the CPU caches; true without @walks
 * @walks: the IOMMUs walk page tables
 * @permits: the IOMMUs do not translate, and have pkvm_iommu_ops::permit. With neither, they
 *	have pkvm_iommu_ops::map
 * @shadow: the identity domain. Its page table is used with @walks only; without a page table,
 *	it stands for the streams that @permits
 * @built: with @walks, exclusive end of what @shadow maps, see shadow.c; host_mmu.lock guards
 *	it, as it does @lent
 * @lent: pages that are lent to devices: one for each nested domain, from before to after its life
 *
 * The members before @shadow are set by PKVM_IOMMU_BOOT_SEAL, one geometry for all IOMMUs that
 * have them in common. Each IOMMU has one geometry: it sees the domains of that one only, so
 * identifiers (VMIDs and ASIDs) of different geometries may be equal.
 */
struct pkvm_iommu_geometry {
	enum io_pgtable_fmt		fmt;
	u8				bits;
	bool				coherent;
	bool				walks;
	bool				permits;
	u64				end;
	struct pkvm_iommu_domain	shadow;
	u64				built;
	unsigned int			lent;
};

extern struct pkvm_iommu pkvm_iommus[PKVM_IOMMU_MAX];
extern unsigned int pkvm_iommu_nr;
extern unsigned int pkvm_iommu_oas;
extern struct pkvm_iommu_geometry pkvm_iommu_geometries[PKVM_IOMMU_MAX];
extern unsigned int pkvm_iommu_nr_geometries;
extern u64 pkvm_iommu_limit;

/**
 * struct pkvm_iommu_mmio - registers that are EL2's
 * @phys: physical address, page aligned
 * @size: bytes, whole pages; 0 for an IOMMU without registers
 * @id: IOMMU that has the registers; PKVM_IOMMU_MAX if they are withheld
 */
struct pkvm_iommu_mmio {
	u64	phys;
	u64	size;
	u32	id;
};

/* Registers of each IOMMU, its windows, and registers withheld. */
#define PKVM_IOMMU_MMIOS_MAX							\
	(PKVM_IOMMU_MAX * (1 + PKVM_IOMMU_WINDOWS_MAX) + PKVM_IOMMU_WITHHELD_MAX)

extern struct pkvm_iommu_mmio pkvm_iommu_mmios[PKVM_IOMMU_MMIOS_MAX];
extern unsigned int pkvm_iommu_nr_mmios;

#define for_each_pkvm_iommu(iommu)						\
	for (iommu = pkvm_iommus; iommu < pkvm_iommus + pkvm_iommu_nr; iommu++)

#define for_each_pkvm_iommu_geometry(geometry)					\
	for (geometry = pkvm_iommu_geometries;					\
	     geometry < pkvm_iommu_geometries + pkvm_iommu_nr_geometries; geometry++)

#define for_each_pkvm_iommu_mmio(mmio)						\
	for (mmio = pkvm_iommu_mmios; mmio < pkvm_iommu_mmios + pkvm_iommu_nr_mmios; mmio++)

struct pkvm_iommu *pkvm_iommu_get(u64 id);
bool pkvm_iommu_memory_range(u64 addr, u64 *start, u64 *end);
bool pkvm_iommu_is_host_mmio(u64 phys, u64 size);

/* Size of addresses as the architecture names it; 39 bits are a part of 40. */
static inline unsigned int pkvm_iommu_arch_bits(const struct pkvm_iommu_geometry *geometry)
{
	return geometry->bits == 39 ? 40 : geometry->bits;
}

/* Input address size of stage 1 of nested domains. All IOMMUs that walk tables have it. */
#define PKVM_IOMMU_NESTED_BITS	48

/*
 * Bound of the page-table entries that one call looks at or changes. A call that has not
 * reached it goes on with the entries of one more table at most: 512, 2048 or 8192.
 */
#define PKVM_IOMMU_MAX_ENTRIES	2048

/*
 * Entries of a last-level table that are dealt with at once, aligned: all of them with pages of
 * 4 KiB, a fourth with 16 KiB, a sixteenth with 64 KiB. Only the search for an empty table in the
 * place of a block looks at a whole table.
 */
#define PKVM_IOMMU_PIECE	512
#define PKVM_IOMMU_PIECE_SIZE	((u64)PKVM_IOMMU_PIECE << PAGE_SHIFT)

/* pool.c */
void pkvm_iommu_pool_init(void);
void pkvm_iommu_free_page(void *page);
void *pkvm_iommu_alloc_block(size_t size);
void pkvm_iommu_free_block(void *block);
bool pkvm_iommu_pages_valid(u64 pfn, u64 nr_pages, u64 max, unsigned int bits);
int pkvm_iommu_take_pages(u64 pfn, u64 nr_pages, u64 max, unsigned int bits);
int pkvm_iommu_pool_topup(u64 pfn, u64 nr_pages, u64 max);
int pkvm_iommu_pool_reclaim(u64 *pfn);
u64 pkvm_iommu_pool_free(void);
u64 pkvm_iommu_pool_block(void);
u64 pkvm_iommu_pool_total(void);

#define PKVM_IOMMU_RADIX_BITS	(PAGE_SHIFT - 3)
#define PKVM_IOMMU_RADIX_LEVELS(bits)	DIV_ROUND_UP(bits, PKVM_IOMMU_RADIX_BITS)
void **pkvm_iommu_radix(void **root, u64 index, int levels, bool alloc);

/*
 * Find a slot, see pkvm_iommu_radix(). Returns false if the page that would hold it does
 * not exist; *@slot is then the slot of that page, or of one above it.
 */
static __always_inline bool pkvm_iommu_radix_find(void **root, u64 index, int levels,
						  void ***slot)
{
	int shift = levels * PKVM_IOMMU_RADIX_BITS;
	void **page;

	*slot = root;
#pragma GCC unroll 4
	while (shift) {
		page = READ_ONCE(**slot);
		if (!page)
			return false;
		shift -= PKVM_IOMMU_RADIX_BITS;
		*slot = page + (index >> shift & (BIT(PKVM_IOMMU_RADIX_BITS) - 1));
	}

	return true;
}

/* io-pgtable.c */

/**
 * struct pkvm_iommu_run - page-table entries that map contiguous memory
 * @phys: physical address of the memory
 * @len: bytes
 * @shift: log2 of the bytes that each entry maps
 */
struct pkvm_iommu_run {
	u64	phys;
	u64	len;
	u8	shift;
};

/*
 * A removed run, packed into 64 bits: entries that mapped contiguous memory or MMIO
 * and were cleared. Its physical address, and in the bits below PAGE_SHIFT the
 * number of pages and two flags. Of a block, log2 of the number of pages.
 */
#define PKVM_IOMMU_REMOVED_PAGES	GENMASK(9, 0)
#define PKVM_IOMMU_REMOVED_MEMORY	BIT(10)
#define PKVM_IOMMU_REMOVED_BLOCK	BIT(11)

/* Check if the address of a cleared entry of a domain must not be used yet. */
typedef bool (*pkvm_iommu_stale_fn)(const struct pkvm_iommu_domain *domain, u64 value);

struct io_pgtable_ops *pkvm_iommu_pgtable_alloc(const struct pkvm_iommu_geometry *geometry,
						enum io_pgtable_fmt fmt, unsigned int ias);
void pkvm_iommu_pgtable_free(struct io_pgtable_ops *ops);
int pkvm_iommu_pgtable_map(struct pkvm_iommu_domain *domain,
			   const struct pkvm_iommu_mapping *maps, int nr, bool mark,
			   pkvm_iommu_stale_fn stale, u64 *flushed, int *done);
int pkvm_iommu_pgtable_unmap(struct io_pgtable_ops *ops, u64 iova, u64 max,
			     u64 *removed, int nr, u64 stale, u64 *size);
int pkvm_iommu_pgtable_read(struct io_pgtable_ops *ops, u64 iova, u64 max,
			    struct pkvm_iommu_run *runs, int nr);
void pkvm_iommu_pgtable_restale(struct io_pgtable_ops *ops, u64 iova, u64 size, u64 old,
				u64 new);
void *pkvm_iommu_pgtable_prune(struct io_pgtable_ops *ops, u64 iova, u64 stale);
bool pkvm_iommu_pgtable_drain(struct io_pgtable_ops *ops, u64 *iova, int max);
bool pkvm_iommu_pgtable_starts(struct io_pgtable_ops *ops, u64 iova);
int pkvm_iommu_pgtable_prot(struct io_pgtable_ops *ops, u64 iova);

/* backend.c */

/* Set when a command is lost. No operation of an IOMMU completes from then on. */
extern bool pkvm_iommu_lost;

void __noreturn pkvm_iommu_die(void);
void pkvm_iommu_lock(struct pkvm_iommu *iommu, hyp_spinlock_t *held);
void pkvm_iommu_unlock(struct pkvm_iommu *iommu);
void pkvm_iommu_invalidate(const struct pkvm_iommu_domain *domain, hyp_spinlock_t *held,
			   u64 addr, u64 size, bool leaf);
void pkvm_iommu_invalidate_one(struct pkvm_iommu *iommu, const struct pkvm_iommu_domain *domain);
void pkvm_iommu_backend_permit(const struct pkvm_iommu_geometry *geometry, u64 phys, u64 size,
			       bool permit);
int pkvm_iommu_backend_map(struct pkvm_iommu_domain *domain,
			   const struct pkvm_iommu_mapping *maps, int nr);
int pkvm_iommu_backend_replay(struct pkvm_iommu *iommu, struct pkvm_iommu_domain *domain,
			      const struct pkvm_iommu_mapping *maps, int nr,
			      u64 from, u64 to);

/* pin.c */

extern u64 pkvm_iommu_built, pkvm_iommu_closed;

int pkvm_iommu_pins_build(u64 phys, u64 size);
int pkvm_iommu_pins_close(u64 phys, u64 size);
void pkvm_iommu_pins_open(u64 phys, u64 size);
int pkvm_iommu_pin(const struct pkvm_iommu_mapping *maps, int nr, int *ret);
void pkvm_iommu_unpin(const struct pkvm_iommu_mapping *maps, int nr);
void pkvm_iommu_unpin_removed(const u64 *removed, int nr);

/* range.c */

void pkvm_iommu_range_wait(struct pkvm_iommu_domain *domain, u64 range);

/* Own all of @range, or nothing. */
static inline bool pkvm_iommu_range_try(struct pkvm_iommu_domain *domain, u64 range)
{
	s64 busy = atomic64_read(&domain->busy);

	do {
		if (busy & range)
			return false;
	} while (!atomic64_try_cmpxchg_acquire(&domain->busy, &busy, busy | range));

	return true;
}

/*
 * Own the addresses [@iova, @iova + @size) of a domain, whole pages, see range.c. Returns
 * a value for pkvm_iommu_range_unlock().
 */
static inline u64 pkvm_iommu_range_lock(struct pkvm_iommu_domain *domain, u64 iova, u64 size)
{
	u64 range, pages = size >> PAGE_SHIFT;

	if (unlikely(!domain->geometry->walks)) {
		hyp_spin_lock(&domain->lock);
		return 0;
	}

	range = rol64(pages < 64 ? BIT(pages) - 1 : ~0UL, iova >> PAGE_SHIFT & 63);
	if (READ_ONCE(domain->range_wanted) || !pkvm_iommu_range_try(domain, range))
		pkvm_iommu_range_wait(domain, range);

	return range;
}

static inline void pkvm_iommu_range_unlock(struct pkvm_iommu_domain *domain, u64 range)
{
	if (likely(range))
		atomic64_fetch_andnot_release(range, &domain->busy);
	else
		hyp_spin_unlock(&domain->lock);
}

/* lazy.c */

/*
 * Runs that a domain remembers, see lazy.c, which bounds a flush under host_mmu.lock; and
 * the size of their ring. An UNMAP that removes more, as those of long scatter lists do,
 * flushes at once.
 */
#define PKVM_IOMMU_LAZY_RUNS	248
#define PKVM_IOMMU_LAZY_RING	256

/**
 * struct pkvm_iommu_flush - an invalidation of a whole domain
 * @number: its number, see lazy.c
 * @lazy_end: it completes the runs in the ring of the domain before this place
 */
struct pkvm_iommu_flush {
	u64	number;
	u64	lazy_end;
};

u64 pkvm_iommu_stale(const struct pkvm_iommu_domain *domain, bool lazy);
bool pkvm_iommu_is_stale(const struct pkvm_iommu_domain *domain, u64 value);
bool pkvm_iommu_lazy_pending(const struct pkvm_iommu_domain *domain);
void pkvm_iommu_lazy_flush_all(void);
bool pkvm_iommu_lazy_add(struct pkvm_iommu_domain *domain, const u64 *removed, int nr);
void pkvm_iommu_flush_range(struct pkvm_iommu_domain *domain, u64 addr, u64 size,
			    hyp_spinlock_t *held);
void pkvm_iommu_flush_prepare(struct pkvm_iommu_domain *domain, struct pkvm_iommu_flush *flush);
void pkvm_iommu_flush_run(struct pkvm_iommu_domain *domain, const struct pkvm_iommu_flush *flush,
			  hyp_spinlock_t *held);
void pkvm_iommu_flush_domain(struct pkvm_iommu_domain *domain, hyp_spinlock_t *held);

/* domain.c */
int pkvm_iommu_domain_init(struct pkvm_iommu_domain *domain, struct pkvm_iommu_geometry *geometry,
			   u16 tag);
struct pkvm_iommu_domain *pkvm_iommu_domain_get(u64 id);
void pkvm_iommu_domain_put(struct pkvm_iommu_domain *domain);
/*
 * Pages of a managed domain: itself, the root and the data of its page table, its slot. For a
 * root that is a block, pkvm_iommu_pool_block() more: at least one power of two of them is as
 * large.
 */
#define PKVM_IOMMU_DOMAIN_PAGES		6
/* A nested domain has one more, see nested.c. */
#define PKVM_IOMMU_NESTED_PAGES		(PKVM_IOMMU_DOMAIN_PAGES + 1)

int pkvm_iommu_domain_alloc(const struct pkvm_iommu *iommu, void *hw, u64 root, u64 *id);
int pkvm_iommu_domain_free(u64 id, void **hw, struct pkvm_iommu_geometry **geometry);

/* shadow.c */
int pkvm_iommu_shadow_init(void);
int pkvm_iommu_shadow_build(void);
bool pkvm_iommu_host_reaches(u64 phys);
bool pkvm_iommu_shadow_lend(struct pkvm_iommu_geometry *geometry, void *page, bool lend);

/* stream.c */
/* Pages that ATTACH asks for: the levels of the tree of streams at most, a table of the backend. */
#define PKVM_IOMMU_ATTACH_PAGES		(PKVM_IOMMU_RADIX_LEVELS(32) + 1)

int pkvm_iommu_attach(u64 id, u64 sid, u64 domain_id, bool *replay);
int pkvm_iommu_detach(u64 id, u64 sid, u64 domain_id);
int pkvm_iommu_take_fault(u64 id, struct pkvm_iommu_fault *fault);
int pkvm_iommu_find_region(u64 id, u64 sid, u64 index, struct pkvm_iommu_region *region);

/* nested.c */
u64 pkvm_iommu_nested_info(const struct pkvm_iommu *iommu);
int pkvm_iommu_nested_alloc(const struct pkvm_iommu *iommu, u64 root, u64 *id);
int pkvm_iommu_nested_free(u64 id);
int pkvm_iommu_nested_invalidate(u64 id, u64 iova, u64 size, u64 flags);

/* map.c */

/**
 * struct pkvm_iommu_progress - how far MAP, MAP_LIST or UNMAP came
 * @done: bytes dealt with, from the first address
 * @unmapped: UNMAP: bytes among @done that were mapped
 * @need: MAP, MAP_LIST with -ENOMEM: pages that the pool lacks
 */
struct pkvm_iommu_progress {
	u64	done;
	u64	unmapped;
	u64	need;
};

int pkvm_iommu_share_list(u64 pfn, u64 nr_pages);
u64 pkvm_iommu_list_runs(void);
int pkvm_iommu_map(u64 domain_id, u64 iova, u64 flags, const u64 *runs, u64 nr,
		   struct pkvm_iommu_progress *progress);
int pkvm_iommu_map_list(u64 domain_id, u64 iova, u64 flags, u64 first, u64 nr,
			struct pkvm_iommu_progress *progress);
int pkvm_iommu_unmap(u64 domain_id, u64 iova, u64 size, u64 flags,
		     struct pkvm_iommu_progress *progress);
int pkvm_iommu_mapped(u64 domain_id, u64 *bytes);
int pkvm_iommu_lookup(u64 domain_id, u64 iova, u64 *phys, u64 *len);
int pkvm_iommu_flush(u64 domain_id);
int pkvm_iommu_replay(u64 id, u64 domain_id, bool *more);

/* backends/kinds.c */
const struct pkvm_iommu_ops *pkvm_iommu_kind(u64 type);

/* boot.c */

/**
 * struct pkvm_iommu_boot_result - results of REGISTER and SEAL
 * @id: REGISTER: the new IOMMU; SEAL with an error: the IOMMU that causes it
 * @mem_size: REGISTER: bytes of contiguous memory that it needs
 * @why: enum pkvm_iommu_refusal
 */
struct pkvm_iommu_boot_result {
	u64	id;
	u64	mem_size;
	u64	why;
};

/* Pages of the pool that the tables of all shadows have. */
extern u64 pkvm_iommu_shadow_pages;

/* Pages that SEAL asks for with -ENOMEM. It does not know how many it lacks. */
#define PKVM_IOMMU_SEAL_PAGES		(SZ_2M >> PAGE_SHIFT)

int pkvm_iommu_withhold(u64 base, u64 size);
int pkvm_iommu_window(u64 id, u64 base, u64 size);
int pkvm_iommu_register(u64 type, u64 base, u64 size, u64 flags,
			struct pkvm_iommu_boot_result *result);
int pkvm_iommu_donate(u64 target, u64 pfn, u64 nr_pages);
int pkvm_iommu_seal(u64 flags, struct pkvm_iommu_boot_result *result);

/* test-calls.c, test-self.c, test-backend.c: CONFIG_PKVM_IOMMU_TEST only */
int pkvm_iommu_test(const u64 *args, u64 *res, u64 *res2);
int pkvm_iommu_selftest(const u64 *args, u64 *res, u64 *res2);
int pkvm_iommu_test_stream(u64 id, u64 sid, u64 *attached);
int pkvm_iommu_test_invalidations(u64 id, u64 *nr);
int pkvm_iommu_test_permitted(u64 id, u64 phys, u64 *permitted);
u64 pkvm_iommu_test_shadow(u64 addr);

#endif /* __PKVM_IOMMU_CORE_H__ */
