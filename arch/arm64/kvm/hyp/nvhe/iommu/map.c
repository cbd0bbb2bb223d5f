// SPDX-License-Identifier: GPL-2.0-only
/*
 * Mappings of domains other than the shadow: MAP, MAP_LIST, UNMAP, LOOKUP, FLUSH,
 * REPLAY.
 *
 * The host chooses what is mapped where. EL2 makes sure that the host may reach
 * everything behind a mapping, from the call that maps it until the mapping is gone
 * and every IOMMU has invalidated it. Between the two the memory is pinned, see pin.c.
 *
 * A call works on a bounded number of entries and returns how far it came. Order:
 *
 *	map		pin; own the addresses, see range.c: write the page table, and pass
 *			the mappings to IOMMUs without page tables; unpin the mappings
 *			that could not be made
 *	unmap		own the addresses: clear the entries; then invalidate, without
 *			owning them if the IOMMUs walk page tables; unpin
 *	lazy unmap	own the addresses: clear the entries and hand the runs, which stay
 *			pinned, to lazy.c
 *
 * PKVM_IOMMU_MAP_LIST is the only operation that reads memory which the host can
 * write meanwhile, see runs_read().
 */
#include <linux/nospec.h>

#include <nvhe/mem_protect.h>
#include <nvhe/memory.h>

#include "core.h"

/* Mappings that are pinned at once, and then written at once. */
#define MAP_MAX			16
/* Tables that one UNMAP or REPLAY looks at. */
#define TABLE_STEPS		64
/* Runs of contiguous memory that one UNMAP removes. */
#define UNMAP_RUNS		256

/* Runs for MAP_LIST: memory of the host, shared with EL2 and pinned at boot. */
static const u64 *list_runs;
static u64 list_nr_runs;

/* Runs that UNMAP removes on a CPU. EL2 is not preempted; the stack has no room. */
static DEFINE_PER_CPU(u64 [UNMAP_RUNS], unmap_removed);

/**
 * pkvm_iommu_share_list() - share memory of the host for the runs of MAP_LIST
 * @pfn: first page
 * @nr_pages: number of pages, at most PKVM_IOMMU_DONATE_MAX
 *
 * hyp_pin_shared_mem() takes a reference, so that the memory stays shared for ever.
 *
 * Context: boot; takes host_mmu.lock.
 * Return: 0; -EBUSY if there is such memory already; -EINVAL; or the errors of
 * __pkvm_host_share_hyp().
 */
int pkvm_iommu_share_list(u64 pfn, u64 nr_pages)
{
	u64 i, size = nr_pages << PAGE_SHIFT;
	void *virt = hyp_phys_to_virt(hyp_pfn_to_phys(pfn));
	int ret;

	if (list_runs)
		return -EBUSY;
	if (!pkvm_iommu_pages_valid(pfn, nr_pages, PKVM_IOMMU_DONATE_MAX, 48))
		return -EINVAL;

	for (i = 0; i < nr_pages; i++) {
		ret = __pkvm_host_share_hyp(pfn + i);
		if (ret)
			goto undo;
	}
	ret = hyp_pin_shared_mem(virt, virt + size);
	if (ret)
		goto undo;

	list_runs = virt;
	list_nr_runs = size / sizeof(u64);

	return 0;

undo:
	while (i--)
		WARN_ON(__pkvm_host_unshare_hyp(pfn + i));
	return ret;
}

/**
 * pkvm_iommu_list_runs() - number of runs that the shared memory has room for
 */
u64 pkvm_iommu_list_runs(void)
{
	return list_nr_runs;
}

/* Begin to use a domain that the host may map in; NULL, and an errno in *@ret, for any other. */
static struct pkvm_iommu_domain *managed_domain_get(u64 id, int *ret)
{
	struct pkvm_iommu_domain *domain = pkvm_iommu_domain_get(id);

	if (domain && !domain->parent)
		return domain;

	*ret = domain ? -EOPNOTSUPP : -ENXIO;
	if (domain)
		pkvm_iommu_domain_put(domain);

	return NULL;
}

/*
 * Check the range of an operation, and begin to use its domain. Returns NULL and an
 * errno in *@ret if something is wrong. Other arguments may have set *@ret already:
 * those of the domain, and -EINVAL for the range, take precedence.
 */
static struct pkvm_iommu_domain *range_args(u64 id, u64 iova, u64 size, int *ret)
{
	struct pkvm_iommu_domain *domain = managed_domain_get(id, ret);
	u64 limit;

	if (!domain)
		return NULL;

	limit = domain->geometry->end;
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

static int to_prot(u64 flags)
{
	return (flags & PKVM_IOMMU_PROT_READ ? IOMMU_READ : 0) |
	       (flags & PKVM_IOMMU_PROT_WRITE ? IOMMU_WRITE : 0) |
	       (flags & PKVM_IOMMU_PROT_CACHE ? IOMMU_CACHE : 0) |
	       (flags & PKVM_IOMMU_PROT_MMIO ? IOMMU_MMIO : 0) |
	       (flags & PKVM_IOMMU_PROT_NOEXEC ? IOMMU_NOEXEC : 0);
}

/*
 * Copy @nr runs from @list to @runs and check them; @limit ends physical addresses. The host
 * may change @list at any time: each run is read once, and only the copy is checked and used.
 * Adds up the bytes in *@size.
 */
static int runs_read(const u64 *list, int nr, u64 limit, u64 *runs, u64 *size)
{
	u64 run, phys, len;
	int i, ret = 0;

	for (*size = 0, i = 0; i < nr; i++) {
		run = READ_ONCE(list[i]);
		runs[i] = run;
		phys = run & ~PKVM_IOMMU_RUN_PAGES;
		/* With pages above 4 KiB, some bits belong neither to it nor to the number. */
		if (!PAGE_ALIGNED(phys))
			return -EINVAL;
		len = (run & PKVM_IOMMU_RUN_PAGES) << PAGE_SHIFT;
		if (unlikely(!len)) {
			if (!phys || !IS_ALIGNED(phys, SZ_1G))
				return -EINVAL;
			len = SZ_1G;
		}
		if (phys >= limit || len > limit - phys)
			ret = -ERANGE;
		*size += len;
	}

	return ret;
}

/*
 * Make *@map a block, if there may be room for one; other CPUs may change that until it is
 * written. The run goes on for @len bytes in its region. An empty table of pages in its place is
 * removed: the mappings that it had are gone, and the table has stayed. Its entries are added to
 * *@entries, those that were looked at; so are the pins of 1 GiB, which only pages of 4 KiB have
 * blocks of.
 */
static void fit_block(struct pkvm_iommu_domain *domain, struct pkvm_iommu_mapping *map, u64 len,
		      u64 *entries)
{
	u64 iova = map->iova, range = pkvm_iommu_range_lock(domain, iova, PMD_SIZE);
	struct pkvm_iommu_run run;
	void *table = NULL;

	/* The range is large enough to own all addresses, so a table can be removed. */
	if (!pkvm_iommu_pgtable_read(domain->ops, iova, PMD_SIZE, &run, 1)) {
		if (run.shift >= PMD_SHIFT)
			map->shift = PMD_SHIFT;
		else
			table = pkvm_iommu_pgtable_prune(domain->ops, iova,
							 pkvm_iommu_stale(domain, false));
	}
	pkvm_iommu_range_unlock(domain, range);
	if (PAGE_SHIFT == 12 && unlikely(len >= SZ_1G) && map->shift == PMD_SHIFT &&
	    run.shift >= PUD_SHIFT && IS_ALIGNED(iova | map->phys, SZ_1G)) {
		map->shift = PUD_SHIFT;
		*entries += SZ_1G / SZ_2M;
	}
	if (table) {
		/* IOMMUs may have cached the address of the table. */
		pkvm_iommu_flush_domain(domain, NULL);
		pkvm_iommu_free_page(table);
		*entries += PTRS_PER_PTE;
		map->shift = PMD_SHIFT;
	}
	if (map->shift != PAGE_SHIFT)
		map->size = BIT(map->shift);
}

/*
 * Split runs into mappings, which end where a piece of a last-level table or a region of memory
 * ends. A mapping is a block of PMD_SIZE or 1 GiB if both addresses are aligned and the page
 * table has room for one. Returns the number of mappings, which may not cover all runs.
 */
static int runs_split(struct pkvm_iommu_domain *domain, u64 iova, const u64 *runs, int nr,
		      int prot, struct pkvm_iommu_mapping *maps, u64 *entries)
{
	u64 phys, len, room, start = 0, end = 0;
	struct pkvm_iommu_mapping *map = maps;
	bool is_memory = false;
	int i;

	for (i = 0; i < nr; i++) {
		phys = runs[i] & ~PKVM_IOMMU_RUN_PAGES;
		len = (runs[i] & PKVM_IOMMU_RUN_PAGES) << PAGE_SHIFT ?: SZ_1G;
		for (; len; map++) {
			if (map == maps + MAP_MAX || *entries >= PKVM_IOMMU_MAX_ENTRIES)
				return map - maps;
			if (phys < start || phys >= end)
				is_memory = pkvm_iommu_memory_range(phys, &start, &end);
			map->iova = iova;
			map->phys = phys;
			room = min(len, end - phys);
			map->size = min(room, ALIGN(iova + 1, PKVM_IOMMU_PIECE_SIZE) - iova);
			map->shift = PAGE_SHIFT;
			map->is_memory = is_memory;
			map->prot = prot;

			if (room >= PMD_SIZE && IS_ALIGNED(iova | phys, PMD_SIZE))
				fit_block(domain, map, room, entries);

			iova += map->size;
			phys += map->size;
			len -= map->size;
			*entries += map->size >> map->shift;
		}
	}

	return map - maps;
}

/* Bytes of I/O virtual addresses of @nr mappings, each of which continues the last. */
static u64 maps_size(const struct pkvm_iommu_mapping *maps, int nr)
{
	return nr ? maps[nr - 1].iova + maps[nr - 1].size - maps->iova : 0;
}

/* Pass new mappings to IOMMUs without page tables. If one refuses, undo all of them. */
static int maps_pass(struct pkvm_iommu_domain *domain, const struct pkvm_iommu_mapping *maps,
		     int nr)
{
	const struct pkvm_iommu_mapping *map = maps, *end = maps + nr;
	int found, ret = 0;
	u64 removed, len;

	hyp_assert_lock_held(&domain->lock);
	if (nr)
		ret = pkvm_iommu_backend_map(domain, maps, nr);
	if (!ret)
		return 0;

	for (; map < end; map++) {
		/* Cannot fail: the entries were just written, each mapping's of one kind. */
		found = pkvm_iommu_pgtable_unmap(domain->ops, map->iova, map->size, &removed, 1,
						 pkvm_iommu_stale(domain, false), &len);
		BUG_ON(found != 1 || len != map->size);
	}
	/* With the lock held, as in pkvm_iommu_unmap(). */
	pkvm_iommu_flush_range(domain, maps->iova, maps_size(maps, nr), &domain->lock);

	return ret;
}

/*
 * Pin the memory of mappings. Before one is refused, try again with host_mmu.lock held: a
 * change of owner that fails closes pages for a moment, and runs that wait for a flush
 * are counted although they are not mapped. Returns the number of mappings, from the
 * first, that are pinned.
 */
static int maps_pin(const struct pkvm_iommu_mapping *maps, int nr, int *ret)
{
	int pinned = pkvm_iommu_pin(maps, nr, ret);

	if (unlikely(*ret)) {
		hyp_spin_lock(&host_mmu.lock);
		pinned += pkvm_iommu_pin(maps + pinned, nr - pinned, ret);
		if (*ret == -EBUSY) {
			pkvm_iommu_lazy_flush_all();
			pinned += pkvm_iommu_pin(maps + pinned, nr - pinned, ret);
		}
		hyp_spin_unlock(&host_mmu.lock);
	}

	return pinned;
}

/*
 * Make pinned mappings. See pkvm_iommu_pgtable_map() for @flushed. Adds the bytes that are
 * mapped to *@bytes. Returns the number of mappings that are made.
 */
static int maps_write(struct pkvm_iommu_domain *domain, const struct pkvm_iommu_mapping *maps,
		      int nr, u64 *flushed, u64 *bytes, int *ret)
{
	u64 range, size = maps_size(maps, nr);
	int done, err = 0;

	range = pkvm_iommu_range_lock(domain, maps->iova, size);
	*ret = pkvm_iommu_pgtable_map(domain, maps, nr, !range, pkvm_iommu_is_stale, flushed,
				      &done);
	if (!range)
		err = maps_pass(domain, maps, done);
	if (err) {
		*ret = err;
		done = 0;
	}
	if (done < nr)
		size = maps_size(maps, done);
	atomic64_add(size, &domain->mapped);
	pkvm_iommu_range_unlock(domain, range);
	*bytes += size;

	return done;
}

/* Map @nr runs, as many as one call may; adds to @progress. */
static int runs_map(struct pkvm_iommu_domain *domain, u64 iova, u64 flags, const u64 *runs,
		    int nr, u64 *entries, struct pkvm_iommu_progress *progress)
{
	struct pkvm_iommu_mapping maps[MAP_MAX] __uninitialized;
	int pinned, done = 0, err = 0, ret;
	bool again = false;
	u64 flushed = 0;

	nr = runs_split(domain, iova, runs, nr, to_prot(flags), maps, entries);
	pinned = maps_pin(maps, nr, &ret);

	while (pinned) {
		done = maps_write(domain, maps, pinned, &flushed, &progress->done, &err);
		if (likely(err != -EAGAIN))
			break;
		/* Another CPU changes mappings there: return what is done, without an error. */
		if (done || again || !flushed) {
			err = 0;
			ret = 0;
			break;
		}
		pkvm_iommu_flush_domain(domain, NULL);
		again = true;
	}

	if (done < pinned)
		pkvm_iommu_unpin(maps + done, pinned - done);
	ret = err ?: ret;

	/* Three tables at most for the next mapping, one for each that follows. */
	if (ret == -ENOMEM)
		progress->need = 3 + nr - done;

	return ret;
}

/**
 * pkvm_iommu_map() - PKVM_IOMMU_MAP
 * @domain_id: any value; domain
 * @iova: any value; I/O virtual address
 * @flags: any value; PKVM_IOMMU_PROT_*
 * @runs: PKVM_IOMMU_RUN() of the memory, which the host may change meanwhile
 * @nr: number of runs
 * @progress: zeroed; set to the result
 *
 * Context: owns the addresses, all of the domain for a block, and takes the lock of each
 * IOMMU without page tables that has streams of the domain; takes host_mmu.lock before it
 * refuses a page; may flush, see pkvm_iommu_flush().
 * Return: 0, or an errno as <uapi/linux/pkvm_iommu.h> says.
 */
int pkvm_iommu_map(u64 domain_id, u64 iova, u64 flags, const u64 *runs, u64 nr,
		   struct pkvm_iommu_progress *progress)
{
	u64 end, size, limit, entries = 0;
	u64 copy[MAP_MAX] __uninitialized;
	struct pkvm_iommu_domain *domain;
	int n, ret = 0;

	if (flags >> 5 || !(flags & (PKVM_IOMMU_PROT_READ | PKVM_IOMMU_PROT_WRITE)))
		ret = -EINVAL;
	/* Each run has at least one page. */
	domain = range_args(domain_id, iova, nr << PAGE_SHIFT, &ret);
	if (!domain)
		return ret;

	limit = domain->geometry->end;
	do {
		n = min(nr, MAP_MAX);
		ret = runs_read(runs, n, limit, copy, &size);
		if (!ret && size > limit - iova - progress->done)
			ret = -ERANGE;
		if (ret)
			break;
		end = progress->done + size;
		ret = runs_map(domain, iova + progress->done, flags, copy, n, &entries, progress);
		runs += n;
		nr -= n;
		/* An IOMMU without page tables gets MAP_MAX mappings per call. */
	} while (nr && !ret && progress->done == end &&
		 entries < PKVM_IOMMU_MAX_ENTRIES && domain->geometry->walks);
	pkvm_iommu_domain_put(domain);

	return ret;
}

/**
 * pkvm_iommu_map_list() - PKVM_IOMMU_MAP_LIST
 * @domain_id: any value; domain
 * @iova: any value; I/O virtual address
 * @flags: any value; PKVM_IOMMU_PROT_*
 * @first: any value; index of the first run in the shared memory
 * @nr: any value; number of runs
 * @progress: zeroed; set to the result
 *
 * Context and return: as pkvm_iommu_map().
 */
int pkvm_iommu_map_list(u64 domain_id, u64 iova, u64 flags, u64 first, u64 nr,
			struct pkvm_iommu_progress *progress)
{
	if (nr > PKVM_IOMMU_LIST_RUNS || nr > list_nr_runs || first > list_nr_runs - nr)
		return -EINVAL;
	nr = array_index_nospec(nr, PKVM_IOMMU_LIST_RUNS + 1);
	first = array_index_nospec(first, list_nr_runs - nr + 1);

	return pkvm_iommu_map(domain_id, iova, flags, list_runs + first, nr, progress);
}

/* Check that neither end of a range splits a mapping that was passed to an IOMMU. */
static bool range_is_whole(struct pkvm_iommu_domain *domain, u64 iova, u64 size)
{
	hyp_assert_lock_held(&domain->lock);
	return pkvm_iommu_pgtable_starts(domain->ops, iova) &&
	       (iova + size == domain->geometry->end ||
		pkvm_iommu_pgtable_starts(domain->ops, iova + size));
}

/*
 * Clear the entries of a range that the caller owns, as many as one call may; the runs that
 * they mapped are put into @removed. @stale says what the entries wait for. Sets @progress.
 * Sets *@ret to 0, or to -EINVAL if the range begins or ends within a block. Returns the
 * number of runs.
 */
static int range_clear(struct pkvm_iommu_domain *domain, u64 iova, u64 size, u64 stale,
		       u64 *removed, struct pkvm_iommu_progress *progress, int *ret)
{
	u64 len, done = 0;
	int found = 0, nr = 0, steps, entries = 0;
	struct pkvm_iommu_run hole;

	for (steps = 0; steps < TABLE_STEPS && found >= 0; steps++) {
		if (done == size || nr == UNMAP_RUNS || entries >= PKVM_IOMMU_MAX_ENTRIES)
			break;
		found = pkvm_iommu_pgtable_unmap(domain->ops, iova + done, size - done,
						 removed + nr, UNMAP_RUNS - nr, stale, &len);
		if (found > 0) {
			nr += found;
			entries += len >> (removed[nr - 1] & PKVM_IOMMU_REMOVED_BLOCK ?
					   PMD_SHIFT : PAGE_SHIFT);
			done += len;
			progress->unmapped += len;
		} else if (!found) {
			pkvm_iommu_pgtable_read(domain->ops, iova + done, size - done, &hole, 1);
			len = min(size - done, hole.len);
			entries += hole.shift == PAGE_SHIFT ? len >> PAGE_SHIFT : 1;
			done += len;
		}
	}
	atomic64_sub(progress->unmapped, &domain->mapped);
	progress->done = done;
	*ret = min(found, 0);

	return nr;
}

/**
 * pkvm_iommu_unmap() - PKVM_IOMMU_UNMAP
 * @domain_id: any value; domain
 * @iova: any value; I/O virtual address
 * @size: any value; bytes
 * @flags: any value; PKVM_IOMMU_UNMAP_LAZY
 * @progress: zeroed; set to the result
 *
 * Context: owns the addresses; takes the domain's flush_lock with @flags; then takes the lock
 * of the queue of each IOMMU that has streams of the domain, one by one.
 * Return: 0, or an errno as <uapi/linux/pkvm_iommu.h> says.
 */
int pkvm_iommu_unmap(u64 domain_id, u64 iova, u64 size, u64 flags,
		     struct pkvm_iommu_progress *progress)
{
	u64 *removed = *this_cpu_ptr(&unmap_removed);
	struct pkvm_iommu_domain *domain;
	struct pkvm_iommu_flush flush;
	u64 range, stale, now;
	bool lazy, walks;
	int nr = 0, ret = 0;

	if (flags & ~PKVM_IOMMU_UNMAP_LAZY)
		ret = -EINVAL;
	domain = range_args(domain_id, iova, size, &ret);
	if (!domain)
		return ret;
	/* IOMMUs without page tables need every UNMAP at once. */
	walks = domain->geometry->walks;
	lazy = flags & PKVM_IOMMU_UNMAP_LAZY && walks;

	range = pkvm_iommu_range_lock(domain, iova, size);
	stale = pkvm_iommu_stale(domain, lazy);
	if (!walks && !range_is_whole(domain, iova, size))
		ret = -EINVAL;
	else
		nr = range_clear(domain, iova, size, stale, removed, progress, &ret);
	if (nr && lazy) {
		hyp_spin_lock(&domain->flush_lock);
		now = pkvm_iommu_stale(domain, true);
		if (unlikely(now != stale))
			pkvm_iommu_pgtable_restale(domain->ops, iova, progress->done, stale, now);
		/* If there is no room for more runs, flush all of them with these. */
		if (pkvm_iommu_lazy_add(domain, removed, nr))
			nr = 0;
		else
			pkvm_iommu_flush_prepare(domain, &flush);
		hyp_spin_unlock(&domain->flush_lock);
	}
	/*
	 * An IOMMU without page tables refuses to split a mapping. What it has must not
	 * differ from the page table when range_is_whole() looks at that.
	 */
	if (nr && !walks)
		pkvm_iommu_flush_range(domain, iova, progress->done, &domain->lock);
	pkvm_iommu_range_unlock(domain, range);

	if (nr && lazy)
		pkvm_iommu_flush_run(domain, &flush, NULL);
	else if (nr && walks)
		pkvm_iommu_flush_range(domain, iova, progress->done, NULL);
	pkvm_iommu_unpin_removed(removed, nr);
	pkvm_iommu_domain_put(domain);

	return ret;
}

/**
 * pkvm_iommu_lookup() - PKVM_IOMMU_LOOKUP
 * @domain_id: any value; domain
 * @iova: any value; I/O virtual address
 * @phys: set to the physical address that it maps to
 * @len: set to the bytes from there on that are mapped without a gap
 *
 * Reads the rest of the piece of the table as well. Other CPUs may change these entries
 * meanwhile, but cannot remove the table: for that they would have to own this address, too.
 *
 * Context: owns the address.
 * Return: 0, or an errno as <uapi/linux/pkvm_iommu.h> says.
 */
int pkvm_iommu_lookup(u64 domain_id, u64 iova, u64 *phys, u64 *len)
{
	struct pkvm_iommu_domain *domain;
	struct pkvm_iommu_run run;
	int ret = 0;
	u64 range;

	domain = range_args(domain_id, ALIGN_DOWN(iova, PAGE_SIZE), PAGE_SIZE, &ret);
	if (!domain)
		return ret;

	range = pkvm_iommu_range_lock(domain, iova, PAGE_SIZE);
	if (pkvm_iommu_pgtable_read(domain->ops, iova, PKVM_IOMMU_PIECE_SIZE, &run, 1)) {
		*phys = run.phys;
		*len = run.len;
	} else {
		ret = -ENOTCONN;
	}
	pkvm_iommu_range_unlock(domain, range);
	pkvm_iommu_domain_put(domain);

	return ret;
}

/**
 * pkvm_iommu_mapped() - PKVM_IOMMU_INFO_MAPPED
 * @domain_id: any value; domain
 * @bytes: set to the bytes that are mapped
 *
 * Context: any.
 * Return: 0, -ENXIO or -EOPNOTSUPP.
 */
int pkvm_iommu_mapped(u64 domain_id, u64 *bytes)
{
	int ret = 0;
	struct pkvm_iommu_domain *domain = managed_domain_get(domain_id, &ret);

	if (!domain)
		return ret;

	*bytes = atomic64_read(&domain->mapped);
	pkvm_iommu_domain_put(domain);

	return 0;
}

/**
 * pkvm_iommu_flush() - PKVM_IOMMU_FLUSH
 * @domain_id: any value; domain
 *
 * Context: takes the domain's flush_lock, and then that of the queue of each IOMMU that has
 * streams of the domain, one by one.
 * Return: 0, -ENXIO or -EOPNOTSUPP.
 */
int pkvm_iommu_flush(u64 domain_id)
{
	int ret = 0;
	struct pkvm_iommu_domain *domain = managed_domain_get(domain_id, &ret);

	if (!domain)
		return ret;

	if (pkvm_iommu_lazy_pending(domain))
		pkvm_iommu_flush_domain(domain, NULL);
	pkvm_iommu_domain_put(domain);

	return 0;
}

/* Continue a replay for an IOMMU without page tables; sets @more if it is not at its end. */
static int domain_replay(struct pkvm_iommu *iommu, struct pkvm_iommu_domain *domain, bool *more)
{
	struct pkvm_iommu_mapping maps[MAP_MAX] __uninitialized;
	struct pkvm_iommu_run runs[MAP_MAX] __uninitialized;
	u64 iova, from, end = domain->geometry->end;
	int i, first, found = 0, steps, ret = 0;

	hyp_spin_lock(&domain->lock);
	/* Changed with this lock held only, or by the first attach, which restarts it. */
	from = READ_ONCE(domain->replayed[iommu->id]);
	iova = from;
	/* One call of pkvm_iommu_ops::map at most, with MAP_MAX mappings. */
	for (steps = 0; steps < TABLE_STEPS && !ret && !found && iova < end; steps++) {
		found = pkvm_iommu_pgtable_read(domain->ops, iova, PKVM_IOMMU_PIECE_SIZE, runs,
						MAP_MAX);
		/* A mapping that starts before @iova was passed when it was made. */
		first = found && !pkvm_iommu_pgtable_starts(domain->ops, iova);
		if (!found || first)
			iova += runs->len;
		for (i = first; i < found; i++) {
			maps[i].iova = iova;
			maps[i].phys = runs[i].phys;
			maps[i].size = runs[i].len;
			maps[i].prot = pkvm_iommu_pgtable_prot(domain->ops, iova);
			iova += runs[i].len;
		}
		ret = pkvm_iommu_backend_replay(iommu, domain, maps + first, found - first,
						from, iova);
		from = iova;
	}
	hyp_spin_unlock(&domain->lock);

	*more = ret == -EAGAIN || iova < end;

	return ret == -EAGAIN ? 0 : ret;
}

/**
 * pkvm_iommu_replay() - PKVM_IOMMU_REPLAY
 * @id: any value; IOMMU
 * @domain_id: any value; domain
 * @more: set if the operation has to be repeated
 *
 * Context: takes the lock of the IOMMU and of the domain, one by one; and with the
 * latter the lock of the IOMMU.
 * Return: 0, or an errno as <uapi/linux/pkvm_iommu.h> says.
 */
int pkvm_iommu_replay(u64 id, u64 domain_id, bool *more)
{
	struct pkvm_iommu *iommu = pkvm_iommu_get(id);
	struct pkvm_iommu_domain *domain;
	int ret = 0;

	if (!iommu)
		return -ENOENT;
	domain = managed_domain_get(domain_id, &ret);
	if (!domain)
		return ret;

	pkvm_iommu_lock(iommu, NULL);
	if (!domain->streams[iommu->id])
		ret = -ENOTCONN;
	pkvm_iommu_unlock(iommu);
	if (!ret && iommu->ops->map)
		ret = domain_replay(iommu, domain, more);
	pkvm_iommu_domain_put(domain);

	return ret;
}
