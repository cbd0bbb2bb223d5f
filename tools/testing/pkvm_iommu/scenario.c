// SPDX-License-Identifier: GPL-2.0
/* Situations that a random walk rarely reaches, see runner.h. */
#include <errno.h>

#include <linux/pkvm_iommu.h>

#include "runner.h"

static void must(bool ok, const char *what)
{
	if (!ok)
		fail("scenario: %s", what);
}

/* A call that is given the pages that it needs. */
static int fed(struct act *a, u64 *res)
{
	bool map = a->a[0] == PKVM_IOMMU_MAP || a->a[0] == PKVM_IOMMU_MAP_LIST;
	int ret;

	while ((ret = act(a, res)) == -ENOMEM) {
		must((map ? give_pages(res[2]) : give_block(res[1])) == 1, "no page for the pool");
		/* The caller continues with the rest. */
		if (map && res[1])
			return 0;
	}

	return ret;
}

static u64 new_domain_for(u64 iommu)
{
	struct act a = { .kind = ACT_CALL, .a = { PKVM_IOMMU_DOMAIN_ALLOC, 0, 0, iommu } };
	u64 res[3];

	must(!fed(&a, res), "no domain");

	return res[1];
}

/* The last FREE: a large root table is more than the work of one. */
static void end_domain(u64 id)
{
	u64 res[3];
	int ret;

	while ((ret = call(false, res, PKVM_IOMMU_DOMAIN_FREE, id)) == -EAGAIN)
		;
	must(!ret, "the domain ends");
}

static u64 new_domain(void)
{
	return new_domain_for(0);
}

/* Map @phys, a page or a block, as often as it can be pinned; then once more. */
static void saturate(u64 id, u64 phys, u64 pages)
{
	struct act a = { .kind = ACT_CALL, .a = { PKVM_IOMMU_MAP, id, 0, 3 } };
	struct act give = { .kind = ACT_PAGE, .a = { ENV_DONATE_GUEST, phys / ENV_PAGE } };
	u64 res[3], done, nr, i;

	for (done = 0; done < PKVM_IOMMU_PINS_MAX; done += nr) {
		nr = PKVM_IOMMU_PINS_MAX - done;
		nr = nr < PKVM_IOMMU_RUNS ? nr : PKVM_IOMMU_RUNS;
		a.a[2] = done * pages * ENV_PAGE;
		for (i = 0; i < PKVM_IOMMU_RUNS; i++)
			a.a[4 + i] = i < nr ? PKVM_IOMMU_RUN(phys, pages) : 0;
		must(!fed(&a, res), "a mapping that counts");
		nr = res[1] / ENV_PAGE / pages;
	}
	a.a[2] = done * pages * ENV_PAGE;
	a.a[4] = PKVM_IOMMU_RUN(phys, pages);
	a.a[5] = 0;
	must(fed(&a, res) == -EBUSY, "one more than can be counted is refused");
	/* Lazily unmapped pages stay pinned until EL2 flushes, which it does before it refuses. */
	must(call(false, res, PKVM_IOMMU_UNMAP, id, 0, pages * ENV_PAGE,
		  PKVM_IOMMU_UNMAP_LAZY) == 0, "one less");
	must(!fed(&a, res), "one more instead");
	must(act(&give, res) == -EBUSY, "it is pinned");
	for (i = 0; i <= done * pages * ENV_PAGE; i += res[1])
		must(!call(false, res, PKVM_IOMMU_UNMAP, id, i,
			   (done + 1) * pages * ENV_PAGE - i, 0) && res[1], "all go");
	must(!act(&give, res), "it is not pinned any more");
	give.a[0] = ENV_RECLAIM_GUEST;
	must(!act(&give, res), "it comes back");
}

void saturate_pins(void)
{
	u64 id = new_domain();

	saturate(id, SCENARIO_PAGES, 1);
	/* A run has to have room for a block of memory. */
	if (ENV_PTES <= PKVM_IOMMU_RUN_PAGES)
		saturate(id, WHOLE_BLOCK, ENV_PTES);
	end_domain(id);
}

/* More lazily unmapped runs than a domain has room for: EL2 flushes it. */
static void many_lazy_runs(void)
{
	struct act a = { .kind = ACT_CALL,
			 .a = { PKVM_IOMMU_MAP, new_domain(), ENV_PAGE, 3,
				PKVM_IOMMU_RUN(SCENARIO_PAGES, 1) } };
	u64 res[3], i, n, most = 512;

	for (n = 0; n < most; n++) {
		a.a[2] = (1 + n) * ENV_PAGE;
		/* A run that takes the place of another one is of another page. */
		a.a[4] = PKVM_IOMMU_RUN(SCENARIO_PAGES + n % 3 * ENV_PAGE, 1);
		must(!fed(&a, res), "a page is mapped");
		must(!call(false, res, PKVM_IOMMU_UNMAP, a.a[1], a.a[2], ENV_PAGE,
			   PKVM_IOMMU_UNMAP_LAZY), "it is unmapped");
	}
	/* Mapping works where the flush has taken place. */
	for (i = 0; i < most; i++) {
		a.a[2] = (1 + i) * ENV_PAGE;
		must(!fed(&a, res), "a page is mapped again");
	}
	for (i = ENV_PAGE; i < (1 + most) * ENV_PAGE; i += res[1])
		must(!call(false, res, PKVM_IOMMU_UNMAP, a.a[1], i, (1 + most) * ENV_PAGE - i, 0),
		     "all go");
	end_domain(a.a[1]);
}

/*
 * As many domains as the hardware has tags for. The specification has no room for so
 * many: these calls are hidden from it, and it reads the size of the pool afterwards.
 * They are not recorded for a replay either.
 */
void many_domains(void)
{
	u64 args[ARGS] = { PKVM_IOMMU_DOMAIN_ALLOC }, res[3], ids[256], nr = 0;
	int ret;

	for (;;) {
		must(env_hvc(false, args, res), "an answer");
		ret = (int)res[0];
		if (ret == -ENOMEM)
			must(give_pages(res[1]) == 1, "pages for the pool");
		else if (ret)
			break;
		else
			ids[nr++] = res[1];
		must(nr < COUNT(ids), "an end");
	}
	must(ret == -ENOSPC && !res[1] && !res[2], "no domain is left");
	must(nr == (1 << 8) - 2, "an id for each tag but two: nobody's, and the identity's");
	args[0] = PKVM_IOMMU_DOMAIN_FREE;
	while (nr--) {
		args[1] = ids[nr];
		must(env_hvc(false, args, res) && !res[0], "a domain ends");
	}
	spec.free_min = 0;
}

/*
 * A list whose first runs, as many as EL2 checks at a time, end at the last address. The
 * next address has the entries of address 0, where a page is mapped.
 */
static void list_across_end(u64 end)
{
	struct act a = { .kind = ACT_CALL,
			 .a = { PKVM_IOMMU_MAP, new_domain(), 0, 3, PKVM_IOMMU_RUN(SCENARIO_PAGES, 1) } };
	u64 res[3], i;

	must(!fed(&a, res), "a page is mapped");
	a.a[0] = PKVM_IOMMU_MAP_LIST;
	a.a[2] = end - 32 * ENV_PAGE;
	a.a[4] = 0;
	a.a[5] = 24;
	for (i = 6; i < ARGS; i++)
		a.a[i] = PKVM_IOMMU_RUN(SCENARIO_PAGES, 2);
	must(fed(&a, res) == -ERANGE && res[1] == 32 * ENV_PAGE, "a list up to the end");
	for (i = 0; i < end; i += res[1])
		must(!call(false, res, PKVM_IOMMU_UNMAP, a.a[1], i, end - i, 0) && res[1], "all go");
	end_domain(a.a[1]);
}

/* More pages in one UNMAP than a command of range invalidation can name. */
static void unmap_far_apart(void)
{
	struct act a = { .kind = ACT_CALL,
			 .a = { PKVM_IOMMU_MAP, new_domain(), 0, 3,
				PKVM_IOMMU_RUN(SCENARIO_PAGES, 1) } };
	struct act attach = { .kind = ACT_CALL, .a = { PKVM_IOMMU_ATTACH, 0, 0, a.a[1] } };
	u64 res[3], i, reach = 1ULL << 48;

	if (spec.nr_runs)
		list_across_end(reach);
	must(!fed(&attach, res), "a stream is attached");
	must(!fed(&a, res), "a page is mapped");
	a.a[2] = reach / 4;
	must(!fed(&a, res), "and one far behind");
	for (i = 0; i < reach; i += res[1]) {
		must(!call(false, res, PKVM_IOMMU_UNMAP, a.a[1], i, reach - i, 0) && res[1],
		     "all go");
		check_all(true);
	}
	must(!call(false, res, PKVM_IOMMU_DETACH, 0, 0, a.a[1]), "it is detached");
	end_domain(a.a[1]);
}

/* The most addresses. With pages of 16 KiB, their root table has two pages. */
void far_apart(void)
{
	if (ENV_PAGE_SHIFT == 14)
		block_root();
	unmap_far_apart();
}

/* The last page that tables can be read from, if it is memory, and the first that they cannot. */
void edge_of_reach(void)
{
	u64 res[3], reach = limit_of(0);

	must(call(false, res, PKVM_IOMMU_TOPUP, reach / ENV_PAGE, 1) == -EINVAL, "none behind");
	must(call(false, res, PKVM_IOMMU_TOPUP, reach / ENV_PAGE - 1, 2) == -EINVAL, "nor across");
	if (spec_page(&spec, reach / ENV_PAGE))
		must(!call(false, res, PKVM_IOMMU_TOPUP, reach / ENV_PAGE - 1, 1),
		     "the last is taken");
}

static void look_up(u64 id, u64 iova, u64 phys, u64 size)
{
	u64 res[3];

	must(!call(false, res, PKVM_IOMMU_LOOKUP, id, iova) && res[1] == phys && res[2] == size,
	     "a run is found");
}

static void reach(u64 addr)
{
	struct act a = { .kind = ACT_DMA, .chance = noise(), .a = { 0, 0, addr, true } };
	u64 res[3];

	must(!act(&a, res), "a device reaches what it may");
}

/*
 * Root tables of several pages: only pages that are given as such a block become one; each
 * part of it translates; and the block comes back page by page.
 */
void block_root(void)
{
	struct act a = { .kind = ACT_CALL, .a = { PKVM_IOMMU_DOMAIN_ALLOC } };
	u64 res[3], i, total, need, part, pages, pfn, size, parts;
	struct act attach = { .kind = ACT_CALL, .a = { PKVM_IOMMU_ATTACH, 0, 0 } };

	/* One page of the root translates so many bits (DDI 0487, R_SRKBC). */
	part = ENV_PAGE_SHIFT == 12 ? 39 : limit_of(0) >> 48 ? 47 : 36;
	pages = limit_of(0) >> part;
	if (ENV_PAGE_SHIFT == 16 || pages > 16)
		return;
	must(pages == 2 || pages == 8 || pages == 16, "more than one page");
	while (!call(false, res, PKVM_IOMMU_RECLAIM))
		;
	must(act(&a, res) == -ENOMEM && res[1] > pages, "the pool is empty");
	need = res[1];
	for (size = 1; 2 * size <= need; size *= 2)
		;
	must(size >= pages, "what is asked for has room for a block");
	must(!call(false, res, PKVM_IOMMU_INFO, PKVM_IOMMU_INFO_POOL_TOTAL, 0), "a number");
	total = res[1];

	/* Single pages, and as many in a row at the wrong place. */
	must(give_pages(need) == 1, "pages for the pool");
	for (pfn = 0; !pfn; )
		pfn = host_block(2 * pages);
	must(!call(false, res, PKVM_IOMMU_TOPUP, pfn + pages / 2, pages), "pages in a row");
	must(act(&a, res) == -ENOMEM && res[1] == need, "no block is among them");
	must(!call(false, res, PKVM_IOMMU_TOPUP, pfn, pages / 2), "half of a block");
	must(act(&a, res) == -ENOMEM && res[1] == need, "nor with the other half");
	for (pfn = 0; !pfn; )
		pfn = host_block(size);
	must(!call(false, res, PKVM_IOMMU_TOPUP, pfn, size), "a block");
	must(!act(&a, res), "a domain");
	attach.a[3] = res[1];

	must(!fed(&attach, res), "a stream is attached");
	a.a[0] = PKVM_IOMMU_MAP;
	a.a[1] = attach.a[3];
	a.a[3] = 3;
	for (i = 0; i < pages; i++) {
		/* A part of the root: its first page, its last, and MMIO as far up. */
		a.a[2] = i << part;
		a.a[4] = PKVM_IOMMU_RUN(SCENARIO_PAGES, 1);
		must(!fed(&a, res), "a page is mapped");
		a.a[2] = ((i + 1) << part) - ENV_PAGE;
		a.a[4] = PKVM_IOMMU_RUN(a.a[2], 1);
		must(!fed(&a, res), "and one at the end");
		reach(i << part);
		reach(a.a[2]);
		look_up(a.a[1], a.a[2], a.a[2], ENV_PAGE);
	}
	check_all(true);
	a.a[2] += ENV_PAGE;
	must(act(&a, res) == -ERANGE && !res[1], "nothing behind");
	for (i = 0, parts = 0; i < limit_of(0); i += res[1], parts += res[2])
		must(!call(false, res, PKVM_IOMMU_UNMAP, a.a[1], i, limit_of(0) - i, 0) && res[1],
		     "all go");
	must(parts == 2 * pages * ENV_PAGE, "all were there");
	must(!call(false, res, PKVM_IOMMU_DETACH, 0, 0, a.a[1]), "it is detached");

	attach.a[3] = PKVM_IOMMU_DOMAIN_IDENTITY;
	must(!fed(&attach, res), "identity");
	for (i = 0; i < pages; i++)
		reach(((i + 1) << part) - ENV_PAGE);
	must(!call(false, res, PKVM_IOMMU_DETACH, 0, 0, 0), "it is detached");

	end_domain(a.a[1]);
	/* The block of one domain is that of the next one. */
	must(!call(false, res, PKVM_IOMMU_DOMAIN_ALLOC, PKVM_IOMMU_DOMAIN_MANAGED, 0, 0),
	     "another domain");
	must(res[1] == a.a[1], "with the same id");
	end_domain(a.a[1]);
	while (!call(false, res, PKVM_IOMMU_RECLAIM))
		;
	must(!call(false, res, PKVM_IOMMU_INFO, PKVM_IOMMU_INFO_POOL_TOTAL, 0) &&
	     res[1] == total + 5, "all come back, but for records of ids and streams");
}

/* MMIO, which the host always owns; memory may have been given away during boot. */
#define DEVICE		0x80000000ULL
/* A block of it at least, in one run. */
#define DEVICE_RUN	(ENV_PAGE_SHIFT == 16 ? PKVM_IOMMU_RUN_GIB(DEVICE) : \
						PKVM_IOMMU_RUN(DEVICE, ENV_PTES))

static void unmap_all(u64 id, u64 size)
{
	u64 res[3], i;

	for (i = 0; i < size; i += res[1])
		must(!call(false, res, PKVM_IOMMU_UNMAP, id, i, size - i, 0) && res[1], "all go");
}

static void map_run(u64 id, u64 iova, u64 phys, u64 pages)
{
	struct act a = { .kind = ACT_CALL, .a = { PKVM_IOMMU_MAP, id, 0, 3 } };
	u64 res[3], n;

	for (n = 0; n < pages; n += res[1] / ENV_PAGE) {
		a.a[2] = iova + n * ENV_PAGE;
		a.a[4] = PKVM_IOMMU_RUN(phys + n * ENV_PAGE, pages - n);
		must(!fed(&a, res) && res[1], "a run is mapped");
	}
}

/* The runs that LOOKUP finds: from within a page, to a gap, a table's end, a block's end. */
static void find_runs(void)
{
	const u64 table = PIECE, pages = 3 * ENV_PAGE;
	u64 id = new_domain(), res[3];

	map_run(id, table - pages, DEVICE, 5);
	map_run(id, table + 2 * ENV_PAGE, DEVICE + 8 * ENV_PAGE, 2);
	look_up(id, table - pages + 0x123, DEVICE + 0x123, pages - 0x123);
	look_up(id, table - 1, DEVICE + pages - 1, 1);
	look_up(id, table, DEVICE + pages, 2 * ENV_PAGE);
	look_up(id, table + 2 * ENV_PAGE, DEVICE + 8 * ENV_PAGE, 2 * ENV_PAGE);
	map_run(id, 2 * table, DEVICE, PIECE_PAGES);
	look_up(id, 2 * table + pages + 8, DEVICE + pages + 8, table - pages - 8);
	must(call(false, res, PKVM_IOMMU_LOOKUP, id, 3 * table) == -ENOTCONN, "nothing behind");
	unmap_all(id, 3 * table);
	end_domain(id);
}

/* Make tables that are empty, at multiples of @step; the last level has @nr of them. */
static void empty_tables(u64 id, u64 nr, u64 step)
{
	u64 res[3], i;

	for (i = 0; i < nr; i++)
		map_run(id, i * step, DEVICE, 1);
	for (i = 0; i < nr; i++)
		must(!call(false, res, PKVM_IOMMU_UNMAP, id, i * step, ENV_PAGE, 0), "it goes");
}

static u64 pool_used(void)
{
	u64 total[3], left[3];

	call(false, total, PKVM_IOMMU_INFO, PKVM_IOMMU_INFO_POOL_TOTAL, 0);
	call(false, left, PKVM_IOMMU_INFO, PKVM_IOMMU_INFO_POOL_FREE, 0);

	return total[1] - left[1];
}

static u64 give(u64 op, u64 phys)
{
	struct act a = { .kind = ACT_PAGE, .a = { op, phys / ENV_PAGE } };
	u64 res[3];

	return act(&a, res);
}

/*
 * Blocks of 1 GiB, of memory: one entry maps all of it, and each page of it is pinned until the
 * block is unmapped. Where they do not fit, blocks of 2 MiB take their place.
 */
static void gib_of_memory(void)
{
	static const u64 pages[] = { ENV_GIB, ENV_GIB + (5 << 21) + 7 * ENV_PAGE, ENV_GIB_END - ENV_PAGE };
	const u64 block = 1 << 21, at = 4 * GIB;
	struct act a = { .kind = ACT_CALL, .a = { PKVM_IOMMU_MAP, new_domain(), at, 3, ENV_GIB } };
	struct act attach = { .kind = ACT_CALL, .a = { PKVM_IOMMU_ATTACH, 0, 0, a.a[1] } };
	u64 res[3], i, used, id = a.a[1], lazy;

	must(!fed(&attach, res), "a stream is attached");
	/* A page nearby: the tables above are there. */
	map_run(id, 2 * GIB, ENV_GIB, 1);
	used = pool_used();
	must(!act(&a, res) && res[1] == GIB, "1 GiB is mapped");
	must(pool_used() == used, "without a table");
	for (i = 0; i < COUNT(pages); i++) {
		reach(at + pages[i] - ENV_GIB);
		look_up(id, at + pages[i] - ENV_GIB + 8, pages[i] + 8, ENV_GIB_END - pages[i] - 8);
		must(give(ENV_DONATE_GUEST, pages[i]) == -EBUSY, "each page is pinned");
	}
	check_all(true);
	must(call(false, res, PKVM_IOMMU_UNMAP, id, at, GIB / 2, 0) == -EINVAL && !res[1], "no half");
	must(call(false, res, PKVM_IOMMU_UNMAP, id, at + GIB - block, block, 0) == -EINVAL && !res[1],
	     "no end");
	/* Each unmapping leaves the address to be used again, and no pin. */
	for (lazy = 0; lazy < 2; lazy++) {
		must(!call(false, res, PKVM_IOMMU_UNMAP, id, at, GIB, lazy) && res[2] == GIB, "all");
		for (i = 1; i < COUNT(pages); i++) {
			must(!give(ENV_DONATE_GUEST, pages[i]), "no page is pinned");
			must(act(&a, res) == -EPERM && !res[1], "the host does not reach all of it");
			must(!give(ENV_RECLAIM_GUEST, pages[i]), "it comes back");
		}
		must(!act(&a, res) && res[1] == GIB, "1 GiB again");
	}
	must(!call(false, res, PKVM_IOMMU_UNMAP, id, at, GIB, 0), "all");

	/* Memory a part of which is EL2's is mapped up to there, by smaller blocks. */
	a.a[2] = at + block;
	must(!fed(&a, res) && res[1] && res[1] < GIB, "not aligned");
	unmap_all(id, at + 2 * GIB);
	a.a[2] = at;
	must(!fed(&a, res) && res[1] && res[1] < GIB, "there has been a table");
	unmap_all(id, at + 2 * GIB);
	a.a[4] = ENV_GIB + block;
	must(act(&a, res) == -EINVAL, "not a multiple");
	a.a[4] = ENV_GIB_END;
	a.a[2] = 8 * GIB;
	must(!fed(&a, res) && res[1] && res[1] < GIB, "memory begins in between");
	unmap_all(id, 10 * GIB);

	/* The work of a call is bounded by the pins of 2048 blocks, or so. */
	for (i = 0; i < PKVM_IOMMU_RUNS; i++)
		a.a[4 + i] = (20 + i) * GIB;
	a.a[2] = 16 * GIB;
	must(!fed(&a, res) && res[1] >= 3 * GIB && res[1] <= 5 * GIB, "a part of 13 GiB");
	a.a[2] += 5 * GIB;
	must(!fed(&a, res) && res[1] >= 3 * GIB, "and more");
	must(!call(false, res, PKVM_IOMMU_UNMAP, id, 16 * GIB, 16 * GIB, 0) && res[2] <= 5 * GIB,
	     "a part of these");
	unmap_all(id, 40 * GIB);
	must(!call(false, res, PKVM_IOMMU_DETACH, 0, 0, id), "it is detached");
	end_domain(id);
}

/*
 * The same with the blocks that pages of 16 KiB and 64 KiB have, of 32 MiB and 512 MiB. They are
 * made of several pieces that EL2 maps, unmaps and looks up at once, and only as a whole.
 */
static void large_blocks(void)
{
	const u64 at = 4 * GIB, last = WHOLE_BLOCK + BLOCK_RUN_SIZE - ENV_PAGE;
	const u64 pages[] = { WHOLE_BLOCK, WHOLE_BLOCK + PIECE + 7 * ENV_PAGE, last };
	struct act a = { .kind = ACT_CALL,
			 .a = { PKVM_IOMMU_MAP, new_domain(), at, 3, BLOCK_RUN } };
	struct act attach = { .kind = ACT_CALL, .a = { PKVM_IOMMU_ATTACH, 0, 0, a.a[1] } };
	u64 res[3], i, used, id = a.a[1], lazy, off;

	must(!fed(&attach, res), "a stream is attached");
	map_run(id, at - ENV_PAGE, WHOLE_BLOCK, 1);
	used = pool_used();
	must(!act(&a, res) && res[1] == BLOCK_RUN_SIZE, "blocks are mapped");
	must(pool_used() == used, "without a table");
	for (i = 0; i < COUNT(pages); i++) {
		off = pages[i] - WHOLE_BLOCK;
		reach(at + off);
		look_up(id, at + off + 8, pages[i] + 8, ENV_BLOCK - off % ENV_BLOCK - 8);
		must(give(ENV_DONATE_GUEST, pages[i]) == -EBUSY, "each page is pinned");
	}
	check_all(true);
	must(call(false, res, PKVM_IOMMU_UNMAP, id, at, ENV_BLOCK / 2, 0) == -EINVAL, "no half");
	must(call(false, res, PKVM_IOMMU_UNMAP, id, at + PIECE, PIECE, 0) == -EINVAL, "no piece");
	for (lazy = 0; lazy < 2; lazy++) {
		must(!call(false, res, PKVM_IOMMU_UNMAP, id, at, BLOCK_RUN_SIZE, lazy) &&
		     res[2] == BLOCK_RUN_SIZE, "all");
		must(!give(ENV_DONATE_GUEST, pages[1]), "no page is pinned");
		must(act(&a, res) == -EPERM && !res[1], "the host does not reach all of it");
		must(!give(ENV_RECLAIM_GUEST, pages[1]), "it comes back");
		must(!act(&a, res) && res[1] == BLOCK_RUN_SIZE, "blocks again");
	}
	unmap_all(id, at + BLOCK_RUN_SIZE);

	/* By pages, and then by a block in the place of their table. */
	a.a[2] = at + PIECE;
	must(!fed(&a, res) && res[1], "not aligned");
	unmap_all(id, at + 2 * BLOCK_RUN_SIZE);
	a.a[2] = at;
	must(!fed(&a, res) && res[1] == ENV_BLOCK, "a block, with the work for a table");
	look_up(id, at, WHOLE_BLOCK, ENV_BLOCK);
	unmap_all(id, at + BLOCK_RUN_SIZE);
	must(!call(false, res, PKVM_IOMMU_DETACH, 0, 0, id), "it is detached");
	end_domain(id);
}

/* The largest blocks that the page size has. */
void gib_blocks(void)
{
	if (ENV_PAGE_SHIFT == 12)
		gib_of_memory();
	else
		large_blocks();
}

/*
 * A list of which the first 16 runs, as many as EL2 checks at a time, have less than 2048
 * entries, and the next 16 as well. No run crosses the end of a table, which would split it.
 */
static void bounded_list(void)
{
	static const u64 pages[] = { 1, 1, 1, 512, 72, 72, 73, 73, 73, 73, 73 };
	struct act a = { .kind = ACT_CALL,
			 .a = { PKVM_IOMMU_MAP_LIST, new_domain(), PIECE - 3 * ENV_PAGE, 3, 0,
				32 } };
	u64 res[3];
	int i;

	must(spec.nr_runs >= 32 && ARGS == 6 + 11, "the list has room");
	/* For want of pages, it would stop earlier. */
	must(give_pages(64) == 1, "pages for the tables");
	for (i = 0; i < 11; i++)
		a.a[6 + i] = PKVM_IOMMU_RUN(DEVICE + ENV_PAGE, pages[i]);
	must(!fed(&a, res) && res[1] > 1600 * ENV_PAGE && res[1] < (2048 + 512) * ENV_PAGE,
	     "a MAP_LIST stops after 2048 entries");
	unmap_all(a.a[1], 16 * PIECE);
	end_domain(a.a[1]);
}

/* One call looks at 2048 entries at most, also where these are empty, and clears few tables. */
static void bounded_work(void)
{
	struct act a = { .kind = ACT_CALL,
			 .a = { PKVM_IOMMU_MAP, new_domain(), 0, 3, DEVICE_RUN, DEVICE_RUN } };
	u64 res[3], calls, blocks = PKVM_IOMMU_RUN_PAGES / ENV_PTES;

	if (blocks) {
		a.a[4] = PKVM_IOMMU_RUN(DEVICE, blocks * ENV_PTES);
		a.a[5] = PKVM_IOMMU_RUN(DEVICE + blocks * ENV_BLOCK, blocks * ENV_PTES);
	} else {
		blocks = GIB / ENV_BLOCK;
	}
	/* Each block takes the place of a table of 512 entries, or more. */
	empty_tables(a.a[1], 2 * blocks, ENV_BLOCK);
	must(!fed(&a, res) && res[1] && res[1] <= (2048 / ENV_PTES ?: 1) * ENV_BLOCK,
	     "a MAP stops after a few tables");
	unmap_all(a.a[1], 2 * blocks * ENV_BLOCK);

	/* A run of many pages, by pieces, also where these are of one table. */
	a.a[2] = ENV_PAGE;
	a.a[4] = PKVM_IOMMU_RUN(DEVICE + 2 * ENV_PAGE, PKVM_IOMMU_RUN_PAGES);
	a.a[5] = 0;
	must(!fed(&a, res) && res[1] && res[1] <= (2048 + 512) * ENV_PAGE,
	     "a MAP stops after pieces");
	must(!call(false, res, PKVM_IOMMU_UNMAP, a.a[1], 0, 8 * ENV_BLOCK, 0) &&
	     res[2] <= (2048 + 512) * ENV_PAGE, "so does an UNMAP");
	unmap_all(a.a[1], 8 * ENV_BLOCK);

	/* Tables of 512 entries, of which one is used. Larger ones are one root. */
	if (ENV_PAGE_SHIFT == 12)
		empty_tables(a.a[1], 12, 1 << 30);
	for (calls = 0; call(false, res, PKVM_IOMMU_DOMAIN_FREE, a.a[1]) == -EAGAIN; calls++)
		;
	must(calls >= 3 || ENV_PAGE_SHIFT != 12, "a FREE stops after 2048 entries");

	/* Many tables, to which the entries of one lead. To clear one is work by its size. */
	a.a[1] = new_domain();
	empty_tables(a.a[1], 128, ENV_BLOCK);
	for (calls = 0; call(false, res, PKVM_IOMMU_DOMAIN_FREE, a.a[1]) == -EAGAIN; calls++)
		;
	must(calls >= (ENV_PAGE_SHIFT == 12 ? 2 : ENV_PAGE / 4096),
	     "a FREE stops after a few tables");
}

/* More domains with something to flush than EL2 lists: the oldest is flushed. */
/* Mapping goes on from a page that was flushed to one that waits for the next flush. */
static void map_across_flushes(void)
{
	struct act a = { .kind = ACT_CALL,
			 .a = { PKVM_IOMMU_MAP, new_domain(), ENV_PAGE, 3,
				PKVM_IOMMU_RUN(SCENARIO_PAGES, 2) } };
	u64 res[3];

	must(!fed(&a, res), "two pages are mapped");
	must(!call(false, res, PKVM_IOMMU_UNMAP, a.a[1], ENV_PAGE, ENV_PAGE,
		   PKVM_IOMMU_UNMAP_LAZY), "the first is unmapped");
	must(!call(false, res, PKVM_IOMMU_FLUSH, a.a[1]), "and flushed");
	must(!call(false, res, PKVM_IOMMU_UNMAP, a.a[1], 2 * ENV_PAGE, ENV_PAGE,
		   PKVM_IOMMU_UNMAP_LAZY), "the second is unmapped");
	must(!fed(&a, res) && res[1] == 2 * ENV_PAGE, "both are mapped again");
	must(!call(false, res, PKVM_IOMMU_UNMAP, a.a[1], ENV_PAGE, 2 * ENV_PAGE, 0), "both go");
	end_domain(a.a[1]);
}

void many_lazy_domains(void)
{
	struct act a = { .kind = ACT_CALL,
			 .a = { PKVM_IOMMU_MAP, 0, ENV_PAGE, 3,
				PKVM_IOMMU_RUN(SCENARIO_PAGES, 1) } };
	u64 ids[SPEC_DOMAINS], res[3], i, n;

	find_runs();
	/* Some boots have no list. */
	if (spec.nr_runs)
		bounded_list();
	bounded_work();
	many_lazy_runs();
	map_across_flushes();
	for (n = 0; n < SPEC_DOMAINS; n++) {
		ids[n] = new_domain();
		a.a[1] = ids[n];
		must(!fed(&a, res), "a page is mapped");
		struct act attach = { .kind = ACT_CALL,
				      .a = { PKVM_IOMMU_ATTACH, 0, n, ids[n] } };
		must(!fed(&attach, res), "a stream is attached");
	}
	for (i = 0; i < n; i++) {
		must(!call(false, res, PKVM_IOMMU_UNMAP, ids[i], ENV_PAGE, ENV_PAGE,
			   PKVM_IOMMU_UNMAP_LAZY), "it is unmapped");
		check_all(false);
	}
	/* The donation of the page flushes the other domains. */
	must(!call(false, res, PKVM_IOMMU_TOPUP, SCENARIO_PAGES / ENV_PAGE, 1),
	     "the page can be given");
	check_all(true);
	for (i = 0; i < n; i++) {
		must(!call(false, res, PKVM_IOMMU_DETACH, 0, i, ids[i]), "it is detached");
		end_domain(ids[i]);
	}
}

/* Runs of one page each that are not adjacent, from @iova on. */
static void map_pages(u64 id, u64 iova, u64 pages)
{
	struct act a = { .kind = ACT_CALL, .a = { PKVM_IOMMU_MAP, id, iova, 3 } };
	u64 res[3], i, n;

	for (n = 0; n < pages; n += res[1] / ENV_PAGE) {
		a.a[2] = iova + n * ENV_PAGE;
		for (i = 0; i < PKVM_IOMMU_RUNS; i++)
			a.a[4 + i] = n + i < pages ?
				     PKVM_IOMMU_RUN(DEVICE + (n + i) * 2 * ENV_PAGE, 1) : 0;
		must(!fed(&a, res) && res[1], "pages are mapped");
	}
}

/*
 * A replay whose position has become the middle of a block: mappings behind the block
 * must not be skipped. And a replay during which the stream is detached and attached
 * again: a new replay starts, and the old one must not continue it.
 */
void replay_in_between(void)
{
	struct act attach = { .kind = ACT_CALL, .a = { PKVM_IOMMU_ATTACH, 0, 5 } };
	struct act block = { .kind = ACT_CALL, .a = { PKVM_IOMMU_MAP, 0, 0, 3,
			     DEVICE_RUN } };
	u64 id = new_domain(), res[3], n;
	struct act at_once[3];

	find_runs();
	attach.a[3] = block.a[1] = id;
	map_pages(id, 0, 200);
	must(!fed(&attach, res) && res[1] == 1, "a stream is attached and asks for a replay");
	must(!call(false, res, PKVM_IOMMU_REPLAY, 0, id) && res[1], "a replay has begun");
	unmap_all(id, 200 * ENV_PAGE);
	must(!fed(&block, res) && res[1] == ENV_BLOCK, "a block is mapped");
	map_pages(id, ENV_BLOCK, 1);
	map_pages(id, ENV_BLOCK + 100 * ENV_PAGE, 3);
	must(replay_all(0, id, false), "the replay goes on");
	check_all(true);
	unmap_all(id, 2 * ENV_BLOCK);

	map_pages(id, 0, 200);
	for (n = 0; n < 3; n++) {
		at_once[n] = (struct act) { .kind = ACT_CALL, .cpu = n > 0,
					    .a = { PKVM_IOMMU_REPLAY, 0, id } };
		if (n)
			at_once[n].a[2] = 5;
		at_once[n].a[3] = n ? id : 0;
	}
	at_once[1].a[0] = PKVM_IOMMU_DETACH;
	at_once[2].a[0] = PKVM_IOMMU_ATTACH;
	for (n = 0; n < 50; n++) {
		must(!call(false, res, PKVM_IOMMU_DETACH, 0, 5, id), "it is detached");
		must(!act(&attach, res) && res[1] == 1, "it is attached again");
		/* One REPLAY passes only a few runs. */
		must(!call(false, res, PKVM_IOMMU_REPLAY, 0, id) && res[1], "a replay has begun");
		at_once[0].group = at_once[1].group = at_once[2].group = 1 + below(1 << 30);
		must(act_group(at_once, 3) <= 0, "EL2 goes on");
		must(replay_all(0, id, false), "the replay goes on");
		check_all(true);
	}
	must(!call(false, res, PKVM_IOMMU_DETACH, 0, 5, id), "it is detached");
	unmap_all(id, 200 * ENV_PAGE);
	end_domain(id);
}

/* The SMMUs in @mask were off; those in @dead do not come back, in the way that @how says. */
static int resume_with(u64 mask, u64 dead, enum smmu_dead how)
{
	struct act a = { .kind = ACT_RESUME, .chance = noise(), .a = { mask, how, dead } };
	u64 res[3];

	return act(&a, res);
}

static int resume(u64 mask)
{
	return resume_with(mask, 0, SMMU_LIVES);
}

static void attach_to(u64 iommu, u64 sid, u64 id)
{
	struct act a = { .kind = ACT_CALL, .a = { PKVM_IOMMU_ATTACH, iommu, sid, id } };
	u64 res[3];

	must(!fed(&a, res), "a stream is attached");
}

/*
 * Domains of IOMMUs that differ: each has all that its own IOMMU can, and no stream of one that
 * cannot. The page is beyond the reach of some.
 */
void apart(void)
{
	struct act a = { .kind = ACT_CALL, .a = { PKVM_IOMMU_MAP, 0, ENV_PAGE, 3 } };
	struct act attach = { .kind = ACT_CALL, .a = { PKVM_IOMMU_ATTACH, 0, 1 } };
	u64 res[3], i, j, pfn = (1ULL << 32) / ENV_PAGE, beyond = 0, sent;

	while (*spec_page(&spec, pfn) != SPEC_HOST)
		pfn++;
	for (i = 0; i < (u64)spec.nr_iommus; i++) {
		if (is_permits(i))
			continue;
		attach.a[3] = a.a[1] = new_domain_for(i);
		for (j = 0; j < (u64)spec.nr_iommus; j++) {
			attach.a[1] = j;
			must(spec_fits(&spec, j, a.a[1]) && !is_permits(j) ?
			     !fed(&attach, res) : act(&attach, res) < 0, "streams that fit");
		}
		a.a[4] = PKVM_IOMMU_RUN(pfn * ENV_PAGE, 1);
		beyond += pfn * ENV_PAGE >= limit_of(i);
		if (fed(&a, res) == -ERANGE) {
			must(pfn * ENV_PAGE >= limit_of(i), "the page is within reach");
			a.a[4] = PKVM_IOMMU_RUN(SCENARIO_PAGES, 1);
			must(!fed(&a, res), "a page is mapped");
		}
		/* Lazily, EL2 sends no command. */
		sent = smmu_stats.commands;
		must(!call(false, res, PKVM_IOMMU_UNMAP, a.a[1], ENV_PAGE, ENV_PAGE,
			   PKVM_IOMMU_UNMAP_LAZY), "it is unmapped");
		must(!is_smmu(i) || smmu_stats.commands == sent, "lazily");
		must(!call(false, res, PKVM_IOMMU_FLUSH, a.a[1]), "it is flushed");
		must(!is_smmu(i) || smmu_stats.commands > sent, "with a command");
		for (j = 0; j < (u64)spec.nr_iommus; j++)
			must(!call(false, res, PKVM_IOMMU_DETACH, j, 1, a.a[1]) ==
			     (spec_fits(&spec, j, a.a[1]) && !is_permits(j)), "they go");
		while (call(false, res, PKVM_IOMMU_DOMAIN_FREE, a.a[1]) == -EAGAIN)
			;
		check_all(true);
	}
	must(beyond == 1, "one IOMMU does not reach the page");
}

/*
 * CPUs attach and detach one stream, and others beside it whose entries are in the same table,
 * which the first of them makes. Of those for one stream, one at a time is done.
 */
void same_stream(void)
{
	u64 res[3], ids[] = { new_domain(), PKVM_IOMMU_DOMAIN_IDENTITY, new_domain() }, n, i, sid;
	unsigned int group;
	struct act acts[9];

	must(give_pages(64) == 1, "pages for the pool");
	for (n = 0; n < 30; n++) {
		group = 1 + below(1 << 30);
		for (i = 0; i < COUNT(acts); i++) {
			acts[i] = (struct act) { .kind = ACT_CALL, .cpu = i % 3, .group = group };
			acts[i].a[0] = i / 3 == 1 ? PKVM_IOMMU_DETACH : PKVM_IOMMU_ATTACH;
			acts[i].a[2] = n * 64 + (n % 2 && i % 3 == 1);
			acts[i].a[3] = ids[i % 3];
		}
		must(act_group(acts, COUNT(acts)) <= 0, "EL2 goes on");
		check_all(true);
		for (sid = n * 64; sid < n * 64 + 2; sid++) {
			if (spec_attached(&spec, 0, sid))
				must(!call(false, res, PKVM_IOMMU_DETACH, 0, sid,
					   spec_domain_of(&spec, 0, sid)), "it is detached");
		}
	}
	must(race_busy_streams, "some calls find the stream in use");
	end_domain(ids[0]);
	end_domain(ids[2]);
}

/* Pages of the host that follow each other, @nr of them; 0 if there are none. */
static u64 host_pages(u64 nr)
{
	u64 pfn, n = 0;

	for (pfn = ENV_RAM1_END / ENV_PAGE; pfn-- > ENV_RAM1 / ENV_PAGE + 1; ) {
		unsigned char *page = spec_page(&spec, pfn);

		n = page && *page == SPEC_HOST && !spec_pinned(&spec, pfn) ? n + 1 : 0;
		if (n == nr)
			return pfn;
	}

	return 0;
}

/*
 * With streams of nested domains, EL2 waits for the SMMU once for all pages that one call takes
 * from the host: two drops of everything that stage 2 leads to, and one of the descriptors
 * between them, each with its CMD_SYNC.
 */
void donate_ranges(void)
{
	struct act a = { .kind = ACT_CALL,
			 .a = { PKVM_IOMMU_DOMAIN_ALLOC, PKVM_IOMMU_DOMAIN_NESTED } };
	u64 res[3], id, pfn, nr, used;

	must(!fed(&a, res), "a nested domain");
	id = res[1];
	attach_to(0, 1, id);
	for (nr = 1; nr <= PKVM_IOMMU_TOPUP_MAX; nr++) {
		struct smmu_stats before = smmu_stats;

		pfn = host_pages(nr);
		must(pfn, "pages of the host's");
		must(!call(false, res, PKVM_IOMMU_TOPUP, pfn, nr), "they can be given");
		must(smmu_stats.commands - before.commands == 6 &&
		     smmu_stats.syncs - before.syncs == 3, "EL2 sends six commands");
		check_all(true);
		while (*spec_page(&spec, pfn) != SPEC_HOST)
			must(!call(false, res, PKVM_IOMMU_RECLAIM), "they come back");
	}
	must(!call(false, res, PKVM_IOMMU_DETACH, 0, 1, id), "it is detached");
	end_domain(id);

	/* Another one needs nothing that this one has not left. */
	used = pool_used();
	must(!fed(&a, res), "a nested domain again");
	end_domain(res[1]);
	must(pool_used() == used, "all its pages are in the pool again");
}

/* Events of a stream: until the queue is full, and one more. */
static void many_events(u64 iommu)
{
	struct act a = { .kind = ACT_EVENT, .chance = noise(),
			 .a = { iommu, 1, 0x12, PKVM_IOMMU_FAULT_PERMISSION, true, 0x5000, true } };
	u64 res[3];
	int n;

	for (n = smmu_events(iommu); n >= 0; n--)
		act(&a, res);
}

static void take_faults(u64 iommu)
{
	u64 res[3];

	while (!call(false, res, PKVM_IOMMU_FAULT, iommu))
		;
}

/*
 * SMMUs lose their registers, each by itself and all at once: with events that the host
 * has not taken, lazily unmapped pages, streams in each kind of domain, and each value of
 * the queue's index. EL2 leaves those alone that work.
 */
void suspend_resume(void)
{
	struct act a = { .kind = ACT_CALL, .a = { PKVM_IOMMU_MAP, new_domain(), ENV_PAGE, 3 } };
	u64 res[3], n, i, all = (1 << config->nr) - 1, first, second;

	must(give_pages(32) == 1, "pages for the pool");
	first = second = host_page();
	while (second == first)
		second = host_page();
	a.a[4] = PKVM_IOMMU_RUN(first * ENV_PAGE, 1);
	a.a[5] = PKVM_IOMMU_RUN(second * ENV_PAGE, 1);
	must(!fed(&a, res), "two pages are mapped");
	for (i = 0; i < (u64)config->nr; i++) {
		attach_to(i, 1, a.a[1]);
		attach_to(i, 2, PKVM_IOMMU_DOMAIN_IDENTITY);
		many_events(i);
	}
	must(!resume(0), "nothing was off");
	for (i = 0; i < (u64)config->nr; i++)
		take_faults(i);
	/* The commands of a turn are fewer than the queue has room for. */
	for (n = 0; n < 100; n++) {
		must(!call(false, res, PKVM_IOMMU_UNMAP, a.a[1], ENV_PAGE, ENV_PAGE,
			   PKVM_IOMMU_UNMAP_LAZY), "the first page is unmapped");
		for (i = 0; i < (u64)config->nr; i++)
			many_events(i);
		must(!resume(n % 4 ? 1 << n % config->nr : n % 3 ? all : 0),
		     "EL2 sets them up");
		for (i = 0; i < (u64)config->nr; i++) {
			many_events(i);
			take_faults(i);
		}
		must(!call(false, res, PKVM_IOMMU_UNMAP, a.a[1], 2 * ENV_PAGE, ENV_PAGE, 0),
		     "the second page is unmapped");
		check_all(true);
		must(!call(false, res, PKVM_IOMMU_TOPUP, second, 1), "and given away");
		must(!call(false, res, PKVM_IOMMU_FLUSH, a.a[1]), "the first one is flushed");
		while (*spec_page(&spec, second) != SPEC_HOST)
			must(!call(false, res, PKVM_IOMMU_RECLAIM), "it comes back");
		must(!fed(&a, res), "both are mapped again");
	}
	for (i = 0; i < (u64)config->nr; i++)
		must(!call(false, res, PKVM_IOMMU_DETACH, i, 1, a.a[1]), "a stream is detached");
	unmap_all(a.a[1], 4 * ENV_PAGE);
	end_domain(a.a[1]);
}

/* A hostile host goes on after a lost command: it does not run without the IOMMUs. */
void resume_after_loss(void)
{
	struct act sync = { .kind = ACT_SYNC, .chance = noise(), .a = { true } };
	u64 res[3];
	int n;

	attach_to(0, 1, PKVM_IOMMU_DOMAIN_IDENTITY);
	act(&sync, res);
	for (n = 0; !ended; n++) {
		must(n < 100, "a command is lost");
		if (call(false, res, PKVM_IOMMU_DETACH, 0, 1, PKVM_IOMMU_DOMAIN_IDENTITY) <= 0)
			call(false, res, PKVM_IOMMU_ATTACH, 0, 1, PKVM_IOMMU_DOMAIN_IDENTITY);
	}
	must(!resume(3), "EL2 sets them up");
	must(call(false, res, PKVM_IOMMU_DETACH, 0, 1, PKVM_IOMMU_DOMAIN_IDENTITY) == STOPPED,
	     "and calls end as before");
}

/* The host stops the clock of an SMMU, and then takes a page from devices. */
void lost_clock(void)
{
	struct act clock = { .kind = ACT_SYNC, .a = { SMMU_GATED } };
	struct act give = { .kind = ACT_PAGE,
			    .a = { ENV_DONATE_GUEST, SCENARIO_PAGES / ENV_PAGE } };
	u64 res[3];

	attach_to(0, 1, PKVM_IOMMU_DOMAIN_IDENTITY);
	act(&clock, res);
	must(act(&give, res) == STOPPED, "the page stays the host's");
}

/*
 * A DETACH sends the invalidation of the stream's entry and CMD_SYNC, then that of translations
 * and CMD_SYNC. The SMMU is lost within the second pair.
 */
void lost_detach(void)
{
	struct act sync = { .kind = ACT_SYNC, .chance = noise(), .a = { 2 + 2 + below(2) } };
	u64 res[3];

	attach_to(0, 1, PKVM_IOMMU_DOMAIN_IDENTITY);
	act(&sync, res);
	must(call(false, res, PKVM_IOMMU_DETACH, 0, 1, PKVM_IOMMU_DOMAIN_IDENTITY) == STOPPED,
	     "the DETACH does not return");
}

/* An SMMU does not come back. The host does not run on this CPU again, nor on another one. */
void resume_fails(void)
{
	attach_to(0, 1, PKVM_IOMMU_DOMAIN_IDENTITY);
	must(!resume(3), "EL2 sets them up");
	/* The first one: the second has to be set up all the same. */
	must(resume_with(3, 1, SMMU_DEAD_GBPA + below(4)) == STOPPED,
	     "EL2 does not return");
	must(resume(0) == STOPPED, "nor does it on another CPU");
}
