// SPDX-License-Identifier: GPL-2.0-only
/*
 * Domains with mappings of their own, and the pins that hold the memory behind
 * them.
 *
 * The host chooses what is mapped where. EL2 sees to it that everything behind a
 * mapping is the host's to reach, at the time of the call and until the mapping
 * is gone and every IOMMU has forgotten it. Between the two the memory is
 * pinned: mem_protect.c asks pkvm_iommu_check_pins() before it gives a page to EL2
 * or to a guest, or takes it back from the host. Sharing does not take a page
 * from the host, so shared pages can be pinned as well.
 *
 * A call works on a bounded number of entries and says how far it came. Order:
 *
 *	map:	pin under host_mmu.lock; then map under the domain's lock, and tell
 *		hardware that walks no page tables; unpin what was not mapped
 *	unmap:	unmap and invalidate under the domain's lock; then unpin
 *	lazy:	unmap under the domain's lock; then remember under host_mmu.lock,
 *		under which the domain is invalidated later, before it is unpinned
 *
 * A revocation holds host_mmu.lock, and does not wait for mappings: a domain's lock
 * is held with it for an increment only, see lazy_flush().
 *
 * Pins are counted per page, or per 2 MiB where a whole block is mapped as one.
 * For the latter, the number of pages that the host cannot reach is kept per
 * block as well: no entry costs a walk over 512 pages.
 */
#include <asm/kvm_pkvm.h>

#include <nvhe/iommu.h>
#include <nvhe/mem_protect.h>
#include <nvhe/memory.h>

/* Mappings, and entries of last-level tables, that one call makes. */
#define MAP_MAX			16
#define MAP_ENTRIES		2048
/* Runs or holes that one call goes through. */
#define UNMAP_STEPS		64
/* Times that one call tells an IOMMU what is mapped. */
#define REPLAY_CALLS		1
/* GiB of addresses whose tables one call frees. */
#define FREE_TABLES		2
/* Runs of contiguous memory that one call collects to unpin. */
#define UNMAP_RUNS		256
#define DOMAIN_BITS		16

/* Offsets of pkvm_iommu_domain::hw and ::lazy in the domain's page. */
#define DOMAIN_HW		2048
#define DOMAIN_LAZY		(DOMAIN_HW + 64)

/*
 * What was unmapped lazily: see PKVM_IOMMU_GONE_PAGES. What is memory is still
 * pinned. A domain has a page's rest for it, and flushing it is to be short; and so is
 * flushing all. Blocks are not worth it.
 */
#define LAZY_MAX		((PAGE_SIZE - DOMAIN_LAZY) / sizeof(u64))
#define LAZY_ENTRIES		4096
#define LAZY_DOMAINS		64

static struct pkvm_iommu_domain *lazy_domains[LAZY_DOMAINS];
static unsigned int nr_lazy_domains;

/*
 * What an entry has in it that was unmapped lazily. IOMMUs may still have the old
 * one, and must not have two at a time: until the next flush nothing is mapped there.
 */
static u64 lazy_stale(u64 flushes)
{
	return (flushes + 1) << 2;
}

static void lazy_flush(struct pkvm_iommu_domain *domain);

static void lazy_flush_all(void)
{
	while (nr_lazy_domains)
		lazy_flush(lazy_domains[0]);
}

/*
 * The domain table: a slot holds a domain, with DOMAIN_DYING once it is out of
 * service, or for an id that is free again the next such id, shifted, with bit 0
 * set. domain_lock guards it.
 */
#define DOMAIN_DYING		2

static DEFINE_HYP_SPINLOCK(domain_lock);
static void *domain_table;
static u64 domain_next = 1;
static u64 domain_free_id;

/**
 * struct block - a 2 MiB block of memory, in two slots of a radix tree
 * @pins: mappings of the whole block
 * @unreachable: pages in it that the host cannot reach
 * @pages: mappings of each of its pages, or NULL if there were none yet; four
 *	blocks have a page of them
 *
 * host_mmu.lock guards it.
 */
struct block {
	u32	pins;
	u32	unreachable;
	u16	*pages;
};

#define BLOCK_SLOTS		(sizeof(struct block) / sizeof(void *))
#define BLOCK_LEVELS		PKVM_IOMMU_RADIX_LEVELS(48 - PMD_SHIFT + 1)
#define BLOCKS_PER_PAGE		(PAGE_SIZE / sizeof(struct block))
#define PINS_BLOCKS		(PAGE_SIZE / (PTRS_PER_PTE * sizeof(u16)))

static void *blocks;
static unsigned long nr_pins;

/* A page of them, and where it starts: most calls are for where the last was. */
static struct block *last_blocks;
static u64 last_blocks_index = U64_MAX;

static noinline bool blocks_find(u64 first, bool alloc)
{
	void **slot = pkvm_iommu_radix(&blocks, first * BLOCK_SLOTS, BLOCK_LEVELS, alloc);

	if (slot) {
		last_blocks = (struct block *)slot;
		last_blocks_index = first;
	}

	return slot;
}

static inline struct block *block_of(u64 phys, bool alloc)
{
	u64 index = phys >> PMD_SHIFT, first = ALIGN_DOWN(index, BLOCKS_PER_PAGE);

	if (last_blocks_index != first && !blocks_find(first, alloc))
		return NULL;

	return last_blocks + (index - first);
}

/* Make the counts of a block's pages. */
static bool block_pages(struct block *block, u64 phys)
{
	unsigned int i, index = phys >> PMD_SHIFT & (PINS_BLOCKS - 1);
	u16 *pages;

	pages = pkvm_iommu_alloc_page();
	if (!pages)
		return false;
	for (i = 0, block -= index; i < PINS_BLOCKS; i++)
		block[i].pages = pages + i * PTRS_PER_PTE;

	return true;
}

/**
 * pkvm_iommu_pins_build() - prepare for the memory at an address
 * @phys: where memory starts
 * @size: bytes of it; at most 1 GiB is covered by one call
 *
 * Context: host_mmu.lock held; boot.
 * Return: 0 or -ENOMEM.
 */
int pkvm_iommu_pins_build(u64 phys, u64 size)
{
	u64 end = phys + min(size, SZ_1G);

	for (; phys < end; phys = ALIGN(phys + 1, BLOCKS_PER_PAGE * PMD_SIZE)) {
		if (!block_of(phys, true))
			return -ENOMEM;
	}

	return 0;
}

/**
 * pkvm_iommu_pins_update() - memory has come to, or gone from, the host
 * @phys: where it starts
 * @size: bytes, whole pages
 * @reachable: the direction
 *
 * Context: host_mmu.lock held. Cannot fail: the slots exist.
 */
void pkvm_iommu_pins_update(u64 phys, u64 size, bool reachable)
{
	u64 end = phys + size;

	for (; phys < end; phys += PAGE_SIZE) {
		struct block *block = block_of(phys, false);

		block->unreachable += reachable ? -1 : 1;
	}
}

static bool is_pinned(u64 phys, u64 size)
{
	/* Nothing above the reach of devices is ever pinned. */
	u64 end = min(phys + size, BIT(pkvm_iommu_shadow.cfg->ias));
	struct block *block;

	for (; phys < end && nr_pins; phys += PAGE_SIZE) {
		block = block_of(phys, false);
		if (block && (block->pins || (block->pages && block->pages[pte_index(phys)])))
			return true;
	}

	return false;
}

/**
 * pkvm_iommu_check_pins() - may memory change its owner?
 * @phys: where it starts
 * @size: bytes, whole pages
 *
 * What is only waiting to be flushed is flushed.
 *
 * Context: host_mmu.lock held; takes each pkvm_iommu::lock.
 * Return: 0, or -EBUSY if devices have any of it mapped.
 */
int pkvm_iommu_check_pins(phys_addr_t phys, u64 size)
{
	if (!nr_pins || !is_pinned(phys, size))
		return 0;
	if (!nr_lazy_domains)
		return -EBUSY;

	lazy_flush_all();

	return is_pinned(phys, size) ? -EBUSY : 0;
}

/*
 * Add @delta to @n counts; four at a time, where they fill a word. Returns false
 * if one of them is beyond PKVM_IOMMU_PINS_MAX then, which is its top bit.
 */
static bool counts_add_many(u16 *count, unsigned int n, int delta)
{
	const u64 ones = 0x0001000100010001, tops = ones << 15;
	u64 word, all = 0;

	while (n) {
		if (n >= 4 && IS_ALIGNED((u64)count, sizeof(word))) {
			word = *(u64 *)count + delta * ones;
			*(u64 *)count = word;
			count += 4;
			n -= 4;
		} else {
			word = *count += delta;
			count++;
			n--;
		}
		all |= word;
	}

	return !(all & tops);
}

static inline bool counts_add(u16 *count, unsigned int n, int delta)
{
	BUILD_BUG_ON(PKVM_IOMMU_PINS_MAX != 0x7fff);
	if (n > 1)
		return counts_add_many(count, n, delta);
	*count += delta;

	return *count <= PKVM_IOMMU_PINS_MAX;
}

/* Pages, or the block if that is what @shift says. host_mmu.lock held. */
static inline void unpin(u64 phys, u64 len, int shift)
{
	unsigned int n, i;

	nr_pins -= len >> shift;
	if (len == PAGE_SIZE) {
		block_of(phys, false)->pages[pte_index(phys)]--;
		return;
	}
	if (shift != PAGE_SHIFT) {
		block_of(phys, false)->pins--;
		return;
	}
	do {
		i = pte_index(phys);
		n = min_t(u64, len >> PAGE_SHIFT, PTRS_PER_PTE - i);
		counts_add(block_of(phys, false)->pages + i, n, -1);
		phys += (u64)n << PAGE_SHIFT;
		len -= (u64)n << PAGE_SHIFT;
	} while (len);
}

static bool host_reaches(u64 phys, unsigned int n)
{
	struct hyp_page *page = hyp_phys_to_page(phys), *end = page + n;

	for (; page < end; page++) {
		if (get_host_state(page) == PKVM_NOPAGE)
			return false;
	}

	return true;
}

static __always_inline int pin_pages(u64 phys, unsigned int n)
{
	struct block *block = block_of(phys, false);
	u16 *counts;

	/* Before anything is allocated for the counts. */
	if (block->unreachable && !host_reaches(phys, n))
		return -EPERM;
	if (!block->pages && !block_pages(block, phys))
		return -ENOMEM;

	counts = block->pages + pte_index(phys);
	if (!counts_add(counts, n, 1)) {
		counts_add(counts, n, -1);
		return -EBUSY;
	}
	nr_pins += n;

	return 0;
}

static int pin_block(struct block *block)
{
	if (block->unreachable)
		return -EPERM;
	if (block->pins == PKVM_IOMMU_PINS_MAX)
		return -EBUSY;
	block->pins++;
	nr_pins++;

	return 0;
}

/* Pages, or the block if that is what @shift says; all or nothing. host_mmu.lock held. */
static inline int pin(u64 phys, u64 len, int shift)
{
	unsigned int n;
	int ret = 0;
	u64 done;

	if (len == PAGE_SIZE)
		return pin_pages(phys, 1);
	if (shift != PAGE_SHIFT)
		return pin_block(block_of(phys, false));

	for (done = 0; done < len; done += (u64)n << PAGE_SHIFT) {
		n = min_t(u64, (len - done) >> PAGE_SHIFT, PTRS_PER_PTE - pte_index(phys + done));
		ret = pin_pages(phys + done, n);
		if (ret)
			break;
	}
	if (done && ret)
		unpin(phys, done, PAGE_SHIFT);

	return ret;
}

/**
 * pkvm_iommu_domain_init() - give a domain an empty page table
 * @domain: the domain, zeroed, with @hw if it has a place for it
 * @tag: its ASID or VMID
 * @fmt: ARM_64_LPAE_S1 or ARM_64_LPAE_S2
 * @bits: of addresses, in and out
 * @coherent: table walks snoop the CPU caches
 *
 * Context: no lock needed, the domain is not in use.
 * Return: 0 or -ENOMEM.
 */
int pkvm_iommu_domain_init(struct pkvm_iommu_domain *domain, u16 tag,
			   enum io_pgtable_fmt fmt, unsigned int bits, bool coherent)
{
	struct io_pgtable_cfg cfg = {
		.ias		= bits,
		/* The library names output sizes as the architecture does. */
		.oas		= bits == 39 ? 40 : bits,
		.pgsize_bitmap	= SZ_4K | SZ_2M | SZ_1G,
		.coherent_walk	= coherent,
	};
	struct pkvm_iommu *iommu;

	if (!domain->hw)
		domain->hw = pkvm_iommu_alloc_page();
	if (!domain->hw)
		return -ENOMEM;
	domain->ops = pkvm_iommu_pgtable_alloc(fmt, &cfg);
	if (!domain->ops)
		return -ENOMEM;

	domain->fmt = fmt;
	domain->tag = tag;
	domain->cfg = &io_pgtable_ops_to_pgtable(domain->ops)->cfg;
	hyp_spin_lock_init(&domain->lock);

	for (iommu = pkvm_iommus; iommu < pkvm_iommus + pkvm_iommu_nr; iommu++) {
		if (iommu->ops->domain_init)
			iommu->ops->domain_init(iommu, domain);
	}

	return 0;
}

static void **domain_slot(u64 id, bool alloc)
{
	return pkvm_iommu_radix(&domain_table, id, PKVM_IOMMU_RADIX_LEVELS(DOMAIN_BITS), alloc);
}

/**
 * pkvm_iommu_domain_get() - use a domain
 * @id: the host's name of it, any value
 *
 * Context: takes the lock of the domain table.
 * Return: the domain, which stays until pkvm_iommu_domain_put(); or NULL.
 */
struct pkvm_iommu_domain *pkvm_iommu_domain_get(u64 id)
{
	struct pkvm_iommu_domain *domain = NULL;
	void **slot;

	if (id == PKVM_IOMMU_DOMAIN_IDENTITY)
		return &pkvm_iommu_shadow;

	hyp_spin_lock(&domain_lock);
	slot = id < domain_next ? domain_slot(id, false) : NULL;
	if (slot && !((u64)*slot & (DOMAIN_DYING | 1))) {
		domain = *slot;
		domain->users++;
	}
	hyp_spin_unlock(&domain_lock);

	return domain;
}

/**
 * pkvm_iommu_domain_put() - the reverse
 * @domain: from pkvm_iommu_domain_get()
 */
void pkvm_iommu_domain_put(struct pkvm_iommu_domain *domain)
{
	if (domain == &pkvm_iommu_shadow)
		return;

	hyp_spin_lock(&domain_lock);
	domain->users--;
	hyp_spin_unlock(&domain_lock);
}

/* Identifiers that every IOMMU has; tag 0 is nobody's. */
static u64 domain_limit(void)
{
	unsigned int bits = DOMAIN_BITS;
	struct pkvm_iommu *iommu;

	for (iommu = pkvm_iommus; iommu < pkvm_iommus + pkvm_iommu_nr; iommu++)
		bits = min(bits, pkvm_iommu_shadow.fmt == ARM_64_LPAE_S2 ?
				 iommu->vmid_bits : iommu->asid_bits);

	return BIT(bits) - 1;
}

/* PKVM_IOMMU_DOMAIN_ALLOC */
int pkvm_iommu_domain_alloc(u64 *res)
{
	const struct pkvm_iommu_domain *shadow = &pkvm_iommu_shadow;
	struct pkvm_iommu_domain *domain = pkvm_iommu_alloc_page();
	int ret = -ENOMEM;
	void **slot;
	u64 id;

	/* The domain, its page table's root and data, its slot. */
	res[0] = 6;
	if (!domain)
		return -ENOMEM;
	domain->hw = (void *)domain + DOMAIN_HW;
	domain->lazy = (void *)domain + DOMAIN_LAZY;
	BUILD_BUG_ON(sizeof(*domain) > DOMAIN_HW);

	hyp_spin_lock(&domain_lock);
	id = domain_free_id ?: domain_next;
	slot = domain_slot(id, true);
	if (!domain_free_id && domain_next >= domain_limit())
		ret = -ENOSPC;
	else if (slot)
		ret = pkvm_iommu_domain_init(domain, id + 1, shadow->fmt, shadow->cfg->ias,
					     shadow->cfg->coherent_walk);
	if (!ret) {
		if (domain_free_id)
			domain_free_id = (u64)*slot >> 1;
		else
			domain_next++;
		*slot = domain;
	}
	hyp_spin_unlock(&domain_lock);

	if (ret)
		pkvm_iommu_free_page(domain);
	if (ret != -ENOMEM)
		res[0] = ret ? 0 : id;

	return ret;
}

/*
 * Free the tables below the root, a few GiB of addresses at a time. Nothing is
 * mapped, and no IOMMU walks them: the last detach has invalidated all of the
 * domain's translations, and none have come since. Returns true when done.
 */
static bool domain_free_tables(struct pkvm_iommu_domain *domain)
{
	u64 limit = BIT(domain->cfg->ias);
	struct pkvm_iommu_run run;
	int tables = 0;

	while (domain->freed < limit) {
		pkvm_iommu_pgtable_read(domain->ops, domain->freed, SZ_4K, &run, 1);
		if (run.shift < PUD_SHIFT) {
			if (tables++ == FREE_TABLES)
				return false;
			domain->ops->unmap_pages(domain->ops, domain->freed, SZ_1G, 1, NULL);
			run.len = SZ_1G;
		}
		domain->freed += run.len;
	}

	return true;
}

/* PKVM_IOMMU_DOMAIN_FREE */
int pkvm_iommu_domain_free(u64 id)
{
	struct pkvm_iommu_domain *domain;
	void **slot = NULL;
	int ret = -ENXIO;
	bool done;

	hyp_spin_lock(&domain_lock);
	if (id && id < domain_next)
		slot = domain_slot(id, false);
	if (slot && !((u64)*slot & 1)) {
		domain = (void *)((u64)*slot & ~DOMAIN_DYING);
		ret = domain->users || domain->mapped ? -EBUSY : 0;
	}
	if (!ret) {
		/* From here on nobody finds it but this call, and the next. */
		*slot = (void *)((u64)domain | DOMAIN_DYING);
		domain->users++;
	}
	hyp_spin_unlock(&domain_lock);
	if (ret)
		return ret;

	hyp_spin_lock(&host_mmu.lock);
	if (domain->nr_lazy)
		lazy_flush(domain);
	hyp_spin_unlock(&host_mmu.lock);

	done = domain_free_tables(domain);
	if (done)
		pkvm_iommu_pgtable_free(domain->ops);

	hyp_spin_lock(&domain_lock);
	domain->users--;
	if (done) {
		*slot = (void *)(domain_free_id << 1 | 1);
		domain_free_id = id;
	}
	hyp_spin_unlock(&domain_lock);
	if (!done)
		return -EAGAIN;

	memset(domain, 0, PAGE_SIZE);
	pkvm_iommu_free_page(domain);

	return 0;
}

/* The checks that calls on a range have in common; takes a use of the domain. */
static struct pkvm_iommu_domain *mapping_args(u64 id, u64 iova, u64 size, int *ret)
{
	u64 limit = BIT(pkvm_iommu_shadow.cfg->ias);
	struct pkvm_iommu_domain *domain = NULL;

	if (id != PKVM_IOMMU_DOMAIN_IDENTITY)
		domain = pkvm_iommu_domain_get(id);
	if (!domain) {
		*ret = -ENXIO;
		return NULL;
	}

	if (!size || !PAGE_ALIGNED(iova | size))
		*ret = -EINVAL;
	else if (!*ret && (iova >= limit || size > limit - iova))
		*ret = -ERANGE;
	if (*ret) {
		pkvm_iommu_domain_put(domain);
		return NULL;
	}

	return domain;
}

/* Whether [phys, phys + size) is MMIO that is the host's, and constant. */
static bool is_host_mmio(u64 phys, u64 size)
{
	u64 start, stop;

	if (pkvm_iommu_region(phys, &start, &stop) || stop < phys + size)
		return false;

	return !pkvm_iommu_next_mmio(phys, &start, &stop) || start >= phys + size;
}

static int to_prot(u64 flags)
{
	return (flags & PKVM_IOMMU_PROT_READ ? IOMMU_READ : 0) |
	       (flags & PKVM_IOMMU_PROT_WRITE ? IOMMU_WRITE : 0) |
	       (flags & PKVM_IOMMU_PROT_CACHE ? IOMMU_CACHE : 0) |
	       (flags & PKVM_IOMMU_PROT_MMIO ? IOMMU_MMIO : 0) |
	       (flags & PKVM_IOMMU_PROT_NOEXEC ? IOMMU_NOEXEC : 0);
}

/*
 * Take over what the host asks to be mapped, @nr runs from @list, which it can change
 * at any time: each is read once, and it is the copy that is checked and used.
 */
static int runs_read(const u64 *list, int nr, u64 *runs, u64 *size)
{
	u64 run, phys, len, limit = BIT(pkvm_iommu_shadow.cfg->ias);
	int i, ret = 0;

	for (*size = 0, i = 0; i < nr; i++) {
		run = READ_ONCE(list[i]);
		runs[i] = run;
		phys = run & ~PKVM_IOMMU_RUN_PAGES;
		len = (run & PKVM_IOMMU_RUN_PAGES) << PAGE_SHIFT;
		if (!len)
			return -EINVAL;
		if (phys >= limit || len > limit - phys)
			ret = -ERANGE;
		*size += len;
	}

	return ret;
}

/* Whether a block can be mapped at @iova: an empty table may be in its place. */
static bool block_fits(struct pkvm_iommu_domain *domain, u64 iova)
{
	struct pkvm_iommu_run run;
	void *table = NULL;
	bool fits = false;

	hyp_spin_lock(&domain->lock);
	if (!pkvm_iommu_pgtable_read(domain->ops, iova, SZ_2M, &run, 1)) {
		fits = run.shift >= PMD_SHIFT;
		if (!fits)
			table = pkvm_iommu_pgtable_prune(domain->ops, iova);
	}
	if (table) {
		/* IOMMUs may have cached where it is. */
		pkvm_iommu_invalidate_all(domain, &domain->lock, 0, 0);
		pkvm_iommu_free_page(table);
		fits = true;
	}
	hyp_spin_unlock(&domain->lock);

	return fits;
}

/*
 * Cut runs where a last-level table, or memory, begins or ends; a block where
 * both addresses and what is in the table allow it. Returns the mappings, which
 * may not be all.
 */
static int runs_split(struct pkvm_iommu_domain *domain, u64 iova, const u64 *runs, int nr,
		      int prot, struct pkvm_iommu_mapping *maps)
{
	const int mmio_prot = (prot & ~IOMMU_CACHE) | IOMMU_MMIO;
	u64 phys, len, start = 0, end = 0, entries = 0;
	struct pkvm_iommu_mapping *map = maps;
	bool is_memory = false;
	int i;

	for (i = 0; i < nr; i++) {
		phys = runs[i] & ~PKVM_IOMMU_RUN_PAGES;
		len = (runs[i] & PKVM_IOMMU_RUN_PAGES) << PAGE_SHIFT;
		for (; len; map++) {
			if (map == maps + MAP_MAX || entries >= MAP_ENTRIES)
				return map - maps;
			if (phys < start || phys >= end)
				is_memory = pkvm_iommu_region(phys, &start, &end);
			map->iova = iova;
			map->phys = phys;
			map->size = min3(len, ALIGN(iova + 1, SZ_2M) - iova, end - phys);
			map->shift = PAGE_SHIFT;
			map->is_memory = is_memory;
			map->prot = is_memory ? prot : mmio_prot;

			if (map->size == SZ_2M && IS_ALIGNED(phys, SZ_2M) &&
			    block_fits(domain, iova))
				map->shift = PMD_SHIFT;

			iova += map->size;
			phys += map->size;
			len -= map->size;
			entries += pkvm_iommu_entries(map);
		}
	}

	return map - maps;
}

/* Returns how many are pinned; of MMIO, how many need not be. */
static int maps_pin(const struct pkvm_iommu_mapping *maps, int nr, int *ret)
{
	const struct pkvm_iommu_mapping *map = maps;

	*ret = 0;
	hyp_spin_lock(&host_mmu.lock);
	while (map < maps + nr) {
		if (map->is_memory)
			*ret = pin(map->phys, map->size, map->shift);
		else if (!is_host_mmio(map->phys, map->size))
			*ret = -EPERM;

		if (!*ret)
			map++;
		else if (*ret == -EBUSY && nr_lazy_domains)
			/* What only waits to be flushed does not count: once more. */
			lazy_flush_all();
		else
			break;
	}
	hyp_spin_unlock(&host_mmu.lock);

	return map - maps;
}

/* What was unmapped, and is forgotten by every IOMMU. host_mmu.lock held. */
static inline void unpin_gone(u64 gone)
{
	if (gone & PKVM_IOMMU_GONE_MEMORY)
		unpin(gone & PAGE_MASK, (gone & PKVM_IOMMU_GONE_PAGES) << PAGE_SHIFT,
		      gone & PKVM_IOMMU_GONE_BLOCK ? PMD_SHIFT : PAGE_SHIFT);
}

static void maps_unpin(const struct pkvm_iommu_mapping *map, int nr)
{
	hyp_spin_lock(&host_mmu.lock);
	for (; nr--; map++) {
		if (map->is_memory)
			unpin(map->phys, map->size, map->shift);
	}
	hyp_spin_unlock(&host_mmu.lock);
}

/* The addresses of mappings, one behind the other. */
static u64 maps_size(const struct pkvm_iommu_mapping *maps, int nr)
{
	return nr ? maps[nr - 1].iova + maps[nr - 1].size - maps->iova : 0;
}

/* Tell hardware that walks no page tables; all or nothing. The domain's lock is held. */
static int maps_tell(struct pkvm_iommu_domain *domain, const struct pkvm_iommu_mapping *maps,
		     int nr)
{
	const struct pkvm_iommu_mapping *map = maps, *end = maps + nr;
	int found, ret = 0;
	u64 gone, len;

	if (nr)
		ret = pkvm_iommu_map_all(domain, maps, nr);
	if (!ret)
		return 0;

	for (; map < end; map++) {
		/* Just made, each by entries of one kind. */
		found = pkvm_iommu_pgtable_unmap(domain->ops, map->iova, map->size, &gone, 1, 0,
						 &len);
		BUG_ON(found != 1 || len != map->size);
	}
	pkvm_iommu_invalidate_all(domain, &domain->lock, maps->iova, maps_size(maps, nr));

	return ret;
}

/* Map what is pinned. Returns how many. */
static int maps_write(struct pkvm_iommu_domain *domain, const struct pkvm_iommu_mapping *maps,
		      int nr, int *ret)
{
	int done, told = 0;

	hyp_spin_lock(&domain->lock);
	*ret = pkvm_iommu_pgtable_map(domain->ops, maps, nr, lazy_stale(domain->flushed),
				      !pkvm_iommu_all_walk, &done);
	if (!pkvm_iommu_all_walk)
		told = maps_tell(domain, maps, done);
	if (told) {
		*ret = told;
		done = 0;
	}
	domain->mapped += maps_size(maps, done);
	hyp_spin_unlock(&domain->lock);

	return done;
}

/* Map runs, as many as a call may; adds the bytes to @res, and for -ENOMEM the pages. */
static int runs_map(struct pkvm_iommu_domain *domain, u64 iova, u64 flags, const u64 *runs,
		    int nr, u64 *res)
{
	struct pkvm_iommu_mapping maps[MAP_MAX] __uninitialized;
	int i, pinned, done, err, ret;

	nr = runs_split(domain, iova, runs, nr, to_prot(flags), maps);
	pinned = maps_pin(maps, nr, &ret);

	done = maps_write(domain, maps, pinned, &err);
	if (err == -EAGAIN) {
		hyp_spin_lock(&host_mmu.lock);
		lazy_flush(domain);
		hyp_spin_unlock(&host_mmu.lock);
		if (!done)
			done = maps_write(domain, maps, pinned, &err);
		/* Elsewhere, or stale again by another CPU: this is as far as it gets. */
		if (err == -EAGAIN) {
			err = 0;
			ret = 0;
		}
	}

	if (done < pinned)
		maps_unpin(maps + done, pinned - done);
	ret = err ?: ret;
	res[0] += maps_size(maps, done);

	/* The most that can be used: tables, and counts for what is not pinned yet. */
	if (ret == -ENOMEM) {
		for (res[1] = 3, i = pinned; i < nr; i++)
			res[1] += maps[i].size > PAGE_SIZE ? 2 : 1;
	}

	return ret;
}

/**
 * pkvm_iommu_map() - PKVM_IOMMU_MAP and PKVM_IOMMU_MAP_LIST
 * @args: domain id, I/O virtual address, PKVM_IOMMU_PROT_*
 * @list: runs, see runs_read()
 * @nr: how many
 * @res: results
 *
 * Return: see <uapi/linux/pkvm_iommu.h>.
 */
int pkvm_iommu_map(const u64 *args, const u64 *list, u64 nr, u64 *res)
{
	u64 end, size, iova = args[1], flags = args[2], limit = BIT(pkvm_iommu_shadow.cfg->ias);
	u64 runs[MAP_MAX] __uninitialized;
	struct pkvm_iommu_domain *domain;
	int n, ret = 0;

	if (flags >> 5 || !(flags & (PKVM_IOMMU_PROT_READ | PKVM_IOMMU_PROT_WRITE)))
		ret = -EINVAL;
	/* Each has a page at least. */
	domain = mapping_args(args[0], iova, nr << PAGE_SHIFT, &ret);
	if (!domain)
		return ret;

	do {
		n = min(nr, MAP_MAX);
		ret = runs_read(list, n, runs, &size);
		if (!ret && size > limit - iova - res[0])
			ret = -ERANGE;
		if (ret)
			break;
		end = res[0] + size;
		ret = runs_map(domain, iova + res[0], flags, runs, n, res);
		list += n;
		nr -= n;
		/* Hardware that had to be told is told once in a call. */
	} while (nr && !ret && res[0] == end && end < MAP_ENTRIES << PAGE_SHIFT &&
		 pkvm_iommu_all_walk);
	pkvm_iommu_domain_put(domain);

	return ret;
}

/* Finish what was unmapped lazily. host_mmu.lock held. */
static void lazy_flush(struct pkvm_iommu_domain *domain)
{
	bool listed = domain->nr_lazy;

	/* What is unmapped from here on is for the next flush. */
	hyp_spin_lock(&domain->lock);
	domain->flushes++;
	hyp_spin_unlock(&domain->lock);
	pkvm_iommu_invalidate_all(domain, &host_mmu.lock, 0, 0);
	hyp_spin_lock(&domain->lock);
	domain->flushed = domain->flushes;
	hyp_spin_unlock(&domain->lock);

	while (domain->nr_lazy)
		unpin_gone(domain->lazy[--domain->nr_lazy]);
	domain->lazy_entries = 0;
	if (!listed)
		return;

	/* The last one in the list takes its place. */
	nr_lazy_domains--;
	lazy_domains[domain->lazy_slot] = lazy_domains[nr_lazy_domains];
	lazy_domains[domain->lazy_slot]->lazy_slot = domain->lazy_slot;
}

/* Keep a run pinned until the domain is flushed. host_mmu.lock held. */
static void lazy_add(struct pkvm_iommu_domain *domain, u64 gone)
{
	if (domain->nr_lazy == LAZY_MAX || domain->lazy_entries >= LAZY_ENTRIES)
		lazy_flush(domain);
	if (!domain->nr_lazy) {
		if (nr_lazy_domains == LAZY_DOMAINS)
			lazy_flush(lazy_domains[0]);
		domain->lazy_slot = nr_lazy_domains++;
		lazy_domains[domain->lazy_slot] = domain;
	}
	domain->lazy[domain->nr_lazy++] = gone;
	domain->lazy_entries += gone & PKVM_IOMMU_GONE_PAGES;
}

/* PKVM_IOMMU_FLUSH */
int pkvm_iommu_flush(u64 id)
{
	struct pkvm_iommu_domain *domain = NULL;

	if (id != PKVM_IOMMU_DOMAIN_IDENTITY)
		domain = pkvm_iommu_domain_get(id);
	if (!domain)
		return -ENXIO;

	hyp_spin_lock(&host_mmu.lock);
	if (domain->nr_lazy)
		lazy_flush(domain);
	hyp_spin_unlock(&host_mmu.lock);
	pkvm_iommu_domain_put(domain);

	return 0;
}

/* Whether a range of mappings is whole, for hardware that was told of them. */
static bool unmap_whole(struct pkvm_iommu_domain *domain, u64 iova, u64 size)
{
	return pkvm_iommu_pgtable_starts(domain->ops, iova) &&
	       (iova + size == BIT(domain->cfg->ias) ||
		pkvm_iommu_pgtable_starts(domain->ops, iova + size));
}

/* What UNMAP collects on a CPU, on which it is not interrupted: too much for the stack. */
static DEFINE_PER_CPU(u64 [UNMAP_RUNS], unmap_gone);

/* PKVM_IOMMU_UNMAP */
int pkvm_iommu_unmap(const u64 *args, u64 *res)
{
	u64 len, iova = args[1], size = args[2], flags = args[3];
	int i, found = 0, nr = 0, steps, ret = 0;
	u64 *gone = *this_cpu_ptr(&unmap_gone);
	struct pkvm_iommu_domain *domain;
	struct pkvm_iommu_run hole;
	bool lazy, block = false;

	if (flags & ~PKVM_IOMMU_UNMAP_LAZY)
		ret = -EINVAL;
	domain = mapping_args(args[0], iova, size, &ret);
	if (!domain)
		return ret;
	/* What other hardware was told it must be told again, at once. */
	lazy = flags & PKVM_IOMMU_UNMAP_LAZY && pkvm_iommu_all_walk;

	hyp_spin_lock(&domain->lock);
	if (!pkvm_iommu_all_walk && !unmap_whole(domain, iova, size))
		found = -EINVAL;
	for (steps = 0; steps < UNMAP_STEPS && found >= 0; steps++) {
		if (res[0] == size || nr == UNMAP_RUNS)
			break;
		found = pkvm_iommu_pgtable_unmap(domain->ops, iova + res[0], size - res[0],
						 gone + nr, UNMAP_RUNS - nr,
						 lazy ? lazy_stale(domain->flushes) : 0, &len);
		if (found > 0) {
			nr += found;
			block |= gone[nr - 1] & PKVM_IOMMU_GONE_BLOCK;
			res[0] += len;
			res[1] += len;
		} else if (!found) {
			pkvm_iommu_pgtable_read(domain->ops, iova + res[0], size - res[0],
						&hole, 1);
			res[0] += min(size - res[0], hole.len);
		}
	}
	domain->mapped -= res[1];
	lazy &= !block;
	if (nr && !lazy)
		pkvm_iommu_invalidate_all(domain, &domain->lock, iova, res[0]);
	hyp_spin_unlock(&domain->lock);

	if (nr) {
		hyp_spin_lock(&host_mmu.lock);
		for (i = 0; i < nr; i++) {
			if (lazy)
				lazy_add(domain, gone[i]);
			else	/* Now no device reaches it. */
				unpin_gone(gone[i]);
		}
		hyp_spin_unlock(&host_mmu.lock);
	}
	pkvm_iommu_domain_put(domain);

	return min(found, 0);
}

/*
 * PKVM_IOMMU_REPLAY: go on telling an IOMMU that walks no page tables what is
 * mapped. Returns 0 when done, 1 if there is more, or a negative errno.
 */
int pkvm_iommu_replay(struct pkvm_iommu *iommu, struct pkvm_iommu_domain *domain)
{
	struct pkvm_iommu_mapping maps[MAP_MAX] __uninitialized;
	struct pkvm_iommu_run runs[MAP_MAX] __uninitialized;
	u64 iova, from, end = BIT(domain->cfg->ias);
	int i, first, found, steps, calls = 0, ret = 0;

	hyp_spin_lock(&domain->lock);
	/* Only a replay changes it, and only under this lock; or a new start. */
	from = READ_ONCE(domain->told[iommu->id]);
	iova = from;
	for (steps = 0; steps < UNMAP_STEPS && !ret && iova < end; steps++) {
		found = pkvm_iommu_pgtable_read(domain->ops, iova, SZ_2M, runs, MAP_MAX);
		if (found && calls++ == REPLAY_CALLS)
			break;
		/* Of what starts before, MAP has told when it came. */
		first = found && !pkvm_iommu_pgtable_starts(domain->ops, iova);
		if (!found || first)
			iova += runs->len;
		for (i = first; i < found; i++) {
			maps[i].iova = iova;
			maps[i].phys = runs[i].phys;
			maps[i].size = runs[i].len;
			maps[i].prot = pkvm_iommu_pgtable_prot(domain->ops, iova);
			maps[i].is_memory = runs[i].is_memory;
			iova += runs[i].len;
		}
		ret = pkvm_iommu_map_one(iommu, domain, maps + first, found - first, from, iova);
		from = iova;
	}
	hyp_spin_unlock(&domain->lock);

	return ret == -EAGAIN ? 1 : ret ?: iova < end;
}

/* PKVM_IOMMU_LOOKUP */
int pkvm_iommu_lookup(const u64 *args, u64 *res)
{
	u64 iova = ALIGN_DOWN(args[1], PAGE_SIZE);
	struct pkvm_iommu_domain *domain;
	struct pkvm_iommu_run run;
	int ret = 0;

	domain = mapping_args(args[0], iova, PAGE_SIZE, &ret);
	if (!domain)
		return ret;

	hyp_spin_lock(&domain->lock);
	if (pkvm_iommu_pgtable_read(domain->ops, args[1], 1, &run, 1))
		res[0] = run.phys;
	else
		ret = -ENOTCONN;
	hyp_spin_unlock(&domain->lock);
	pkvm_iommu_domain_put(domain);

	return ret;
}
