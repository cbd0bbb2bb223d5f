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
 *	map:	pin under host_mmu.lock; then map under the domain's lock;
 *		unpin what was not mapped
 *	unmap:	unmap and invalidate under the domain's lock; then unpin
 *
 * The two locks are never held together, so a revocation, which holds
 * host_mmu.lock, does not wait for mappings.
 *
 * Pins are counted per page, or per 2 MiB where a whole block is mapped as one.
 * For the latter, the number of pages that the host cannot reach is kept per
 * block as well: no entry costs a walk over 512 pages.
 */
#include <asm/kvm_pkvm.h>

#include <nvhe/iommu.h>
#include <nvhe/mem_protect.h>
#include <nvhe/memory.h>

/* Tables that one call fills, and runs or holes that one call goes through. */
#define MAP_WALKS		4
#define UNMAP_STEPS		64
/* GiB of addresses whose tables one call frees. */
#define FREE_TABLES		2
/* Runs of contiguous memory that one call collects to unpin; on the stack. */
#define UNMAP_RUNS		64
#define DOMAIN_BITS		16

/* Offset of pkvm_iommu_domain::hw in the domain's page. */
#define DOMAIN_HW		2048

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
 * struct block - a 2 MiB block of memory, in one slot of a radix tree
 * @pins: mappings of the whole block
 * @unreachable: pages in it that the host cannot reach
 *
 * host_mmu.lock guards it.
 */
struct block {
	u32	pins;
	u32	unreachable;
};

static void *blocks;
/* Four u16 counts to a slot. */
static void *page_pins;
static unsigned long nr_pins;

/* A page of them, and which GiB it covers: most calls are for where the last was. */
static struct block *last_blocks;
static u64 last_gib;

static struct block *block_of(u64 phys, bool alloc)
{
	u64 index = phys >> PMD_SHIFT & (PTRS_PER_PMD - 1);

	BUILD_BUG_ON(sizeof(struct block) != sizeof(void *));
	if (!last_blocks || last_gib != phys >> PUD_SHIFT) {
		last_blocks = (struct block *)pkvm_iommu_radix(&blocks, phys >> PMD_SHIFT,
							       48 - PMD_SHIFT, alloc);
		if (!last_blocks)
			return NULL;
		last_blocks -= index;
		last_gib = phys >> PUD_SHIFT;
	}

	return last_blocks + index;
}

static u16 *page_pins_of(u64 phys, bool alloc)
{
	u64 pfn = hyp_phys_to_pfn(phys);
	u16 *slot = (u16 *)pkvm_iommu_radix(&page_pins, pfn >> 2, 48 - PAGE_SHIFT - 2, alloc);

	return slot ? slot + (pfn & 3) : NULL;
}

/* The counts of neighbours are neighbours, but for the end of a page of them. */
static u16 *next_pins(u16 *pins, u64 phys, bool alloc)
{
	if (pins && hyp_phys_to_pfn(phys) & (PAGE_SIZE / sizeof(*pins) - 1))
		return pins + 1;

	return page_pins_of(phys, alloc);
}

/**
 * pkvm_iommu_pins_build() - prepare for the memory at an address
 * @phys: address; up to 1 GiB of memory from there is covered
 *
 * Context: host_mmu.lock held; boot.
 * Return: 0 or -ENOMEM.
 */
int pkvm_iommu_pins_build(u64 phys)
{
	/* A page of slots covers an aligned GiB. */
	return block_of(phys, true) ? 0 : -ENOMEM;
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

/**
 * pkvm_iommu_check_pins() - may memory change its owner?
 * @phys: where it starts
 * @size: bytes, whole pages
 *
 * Context: host_mmu.lock held.
 * Return: 0, or -EBUSY if devices have any of it mapped.
 */
int pkvm_iommu_check_pins(phys_addr_t phys, u64 size)
{
	u64 addr, end;
	struct block *block;
	u16 *pins = NULL;

	if (!nr_pins)
		return 0;

	/* Nothing above the reach of devices is ever pinned. */
	end = min(phys + size, BIT(pkvm_iommu_shadow.cfg->ias));

	for (addr = phys; addr < end; addr += PAGE_SIZE) {
		pins = next_pins(pins, addr, false);
		block = block_of(addr, false);
		if ((pins && *pins) || (block && block->pins))
			return -EBUSY;
	}

	return 0;
}

/* host_mmu.lock held. */
static void unpin(u64 phys, u64 len, u64 size)
{
	u16 *pins = NULL;

	nr_pins -= len / size;
	for (; len; phys += size, len -= size) {
		if (size == PAGE_SIZE) {
			pins = next_pins(pins, phys, false);
			--*pins;
		} else {
			block_of(phys, false)->pins--;
		}
	}
}

/* Pin pages, or one block if that is @size; all or nothing. host_mmu.lock held. */
static int pin(u64 phys, u64 len, u64 size)
{
	struct hyp_page *page, *first = hyp_phys_to_page(phys);
	struct block *block;
	u16 *pins = NULL;
	int ret = 0;
	u64 done;

	if (size != PAGE_SIZE) {
		block = block_of(phys, false);
		if (block->unreachable)
			return -EPERM;
		if (block->pins == U32_MAX)
			return -EBUSY;
		block->pins++;
		nr_pins++;
		return 0;
	}

	/* Before anything is allocated for the counts. */
	for (page = first; page < first + (len >> PAGE_SHIFT); page++) {
		if (get_host_state(page) == PKVM_NOPAGE)
			return -EPERM;
	}

	for (done = 0; done < len; done += PAGE_SIZE) {
		pins = next_pins(pins, phys + done, true);
		if (!pins)
			ret = -ENOMEM;
		else if (*pins == U16_MAX)
			ret = -EBUSY;
		if (ret)
			break;
		++*pins;
		nr_pins++;
	}
	if (ret)
		unpin(phys, done, PAGE_SIZE);

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
	return pkvm_iommu_radix(&domain_table, id, DOMAIN_BITS, alloc);
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
		if (run.size < SZ_1G) {
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

static struct pkvm_iommu_domain *mapping_args(u64 id, u64 iova, u64 size, int *ret)
{
	u64 limit = BIT(pkvm_iommu_shadow.cfg->ias);
	struct pkvm_iommu_domain *domain = NULL;

	*ret = -ENXIO;
	if (id != PKVM_IOMMU_DOMAIN_IDENTITY)
		domain = pkvm_iommu_domain_get(id);
	if (!domain)
		return NULL;

	*ret = 0;
	if (!size || !PAGE_ALIGNED(iova | size))
		*ret = -EINVAL;
	else if (iova >= limit || size > limit - iova)
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
	bool is_memory;

	if (pkvm_iommu_region_end(phys, &is_memory) < phys + size || is_memory)
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
 * What one walk of the table can map from @iova: a block where both addresses,
 * @size and what is in the table allow it, else pages up to the end of the
 * table. Returns the bytes, or a negative errno.
 */
static s64 map_some(struct pkvm_iommu_domain *domain, u64 iova, u64 phys, u64 size, int prot)
{
	u64 end, pgsize = SZ_4K, len = min(size, ALIGN(iova + 1, SZ_2M) - iova);
	struct pkvm_iommu_run run;
	size_t mapped = 0;
	bool is_memory;
	int ret = 0;

	/* An empty table stays, so a block is only used where there is none. */
	if (len == SZ_2M && IS_ALIGNED(phys, SZ_2M)) {
		hyp_spin_lock(&domain->lock);
		if (!pkvm_iommu_pgtable_read(domain->ops, iova, len, &run, 1) &&
		    run.size >= SZ_2M)
			pgsize = SZ_2M;
		hyp_spin_unlock(&domain->lock);
	}

	end = pkvm_iommu_region_end(phys, &is_memory);
	if (end - phys < len) {
		len = end - phys;
		pgsize = SZ_4K;
	}

	if (is_memory) {
		hyp_spin_lock(&host_mmu.lock);
		ret = pin(phys, len, pgsize);
		hyp_spin_unlock(&host_mmu.lock);
	} else if (is_host_mmio(phys, len)) {
		prot = (prot & ~IOMMU_CACHE) | IOMMU_MMIO;
	} else {
		ret = -EPERM;
	}
	if (ret)
		return ret;

	hyp_spin_lock(&domain->lock);
	/* A block must not replace a table that has come there since. */
	if (pgsize == SZ_2M &&
	    (pkvm_iommu_pgtable_read(domain->ops, iova, len, &run, 1) || run.size < SZ_2M))
		ret = -EEXIST;
	else
		ret = domain->ops->map_pages(domain->ops, iova, phys, pgsize, len / pgsize,
					     prot, 0, &mapped);
	domain->mapped += mapped / pgsize;
	hyp_spin_unlock(&domain->lock);

	if (ret && is_memory) {
		hyp_spin_lock(&host_mmu.lock);
		unpin(phys, len, pgsize);
		hyp_spin_unlock(&host_mmu.lock);
	}

	return ret ?: len;
}

/* PKVM_IOMMU_MAP */
int pkvm_iommu_map(const u64 *args, u64 *res)
{
	u64 iova = args[1], phys = args[2], size = args[3], flags = args[4];
	u64 limit = BIT(pkvm_iommu_shadow.cfg->ias);
	struct pkvm_iommu_domain *domain;
	int ret, walks;
	s64 len = 0;

	domain = mapping_args(args[0], iova, size, &ret);
	if (!domain)
		return ret;

	if (!PAGE_ALIGNED(phys) || flags >> 5 ||
	    !(flags & (PKVM_IOMMU_PROT_READ | PKVM_IOMMU_PROT_WRITE)))
		len = -EINVAL;
	else if (phys >= limit || size > limit - phys)
		len = -ERANGE;

	for (walks = 0; len >= 0 && res[0] < size && walks < MAP_WALKS; walks++) {
		len = map_some(domain, iova + res[0], phys + res[0], size - res[0],
			       to_prot(flags));
		if (len > 0)
			res[0] += len;
	}
	pkvm_iommu_domain_put(domain);

	/* The most that one walk can use: tables, and two paths to counts of pins. */
	if (len == -ENOMEM)
		res[1] = 3 + 7;

	return min(len, 0);
}

/*
 * Unmap from @addr what one walk of the table finds, or go over a hole; @runs are
 * to be unpinned. Returns the bytes, or -EINVAL.
 */
static s64 unmap_some(struct pkvm_iommu_domain *domain, u64 addr, u64 left,
		      struct pkvm_iommu_run *runs, int *nr)
{
	u64 size, len = 0;
	int i, found;

	found = pkvm_iommu_pgtable_read(domain->ops, addr, left, &runs[*nr], UNMAP_RUNS - *nr);
	size = runs[*nr].size;
	if (!found)
		return min(left, runs[*nr].len);
	if (addr & (size - 1) || left < size)
		return -EINVAL;

	for (i = 0; i < found; i++)
		len += runs[*nr + i].len;
	/* They are there, just seen under the lock. */
	BUG_ON(domain->ops->unmap_pages(domain->ops, addr, size, len / size, NULL) != len);
	domain->mapped -= len / size;
	*nr += found;

	return len;
}

/* Memory is pinned, MMIO is not. */
static void unpin_run(const struct pkvm_iommu_run *run)
{
	u64 phys, len, left = run->len;
	bool is_memory;

	for (phys = run->phys; left; phys += len, left -= len) {
		len = min(left, pkvm_iommu_region_end(phys, &is_memory) - phys);
		if (is_memory)
			unpin(phys, len, run->size);
	}
}

/* PKVM_IOMMU_UNMAP */
int pkvm_iommu_unmap(const u64 *args, u64 *res)
{
	struct pkvm_iommu_run runs[UNMAP_RUNS];
	struct pkvm_iommu_domain *domain;
	u64 iova = args[1], size = args[2];
	int ret, steps, nr = 0;
	s64 len = 0;

	domain = mapping_args(args[0], iova, size, &ret);
	if (!domain)
		return ret;

	hyp_spin_lock(&domain->lock);
	for (steps = 0; steps < UNMAP_STEPS; steps++) {
		int before = nr;

		if (res[0] == size || nr == UNMAP_RUNS)
			break;
		len = unmap_some(domain, iova + res[0], size - res[0], runs, &nr);
		if (len < 0)
			break;
		res[0] += len;
		if (nr > before)
			res[1] += len;
	}
	if (res[1])
		pkvm_iommu_invalidate_all(domain, &domain->lock, iova, res[0]);
	hyp_spin_unlock(&domain->lock);
	pkvm_iommu_domain_put(domain);

	/* Now no device reaches any of it. */
	if (nr) {
		hyp_spin_lock(&host_mmu.lock);
		while (nr--)
			unpin_run(&runs[nr]);
		hyp_spin_unlock(&host_mmu.lock);
	}

	return min(len, 0);
}

/* PKVM_IOMMU_LOOKUP */
int pkvm_iommu_lookup(const u64 *args, u64 *res)
{
	u64 iova = ALIGN_DOWN(args[1], PAGE_SIZE);
	struct pkvm_iommu_domain *domain;
	struct pkvm_iommu_run run;
	int ret;

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
