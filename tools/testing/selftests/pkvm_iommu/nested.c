// SPDX-License-Identifier: GPL-2.0
/*
 * Nested domains: the calls of <uapi/linux/pkvm_iommu.h> for them, and DMA of a device by
 * page tables that this program writes. TAP.
 *
 *	nested		the IOMMU of edu can nest
 *	nested none	no IOMMU can: such a domain is refused
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "domains.h"
#include "stage1.h"

#define NESTED		PKVM_IOMMU_DOMAIN_NESTED
#define LEAF		PKVM_IOMMU_INVALIDATE_LEAF
#define ALLOC(kind, root)	CALL4(DOMAIN_ALLOC, kind, root, iommu)
#define INVALIDATE(d, iova, size, flags) \
	call(PKVM_IOMMU_INVALIDATE, d, iova, size, flags, 0)
#define TOP		BIT(STAGE1_BITS)
#define UNMAPPED	PKVM_IOMMU_FAULT_UNMAPPED
#define PERMISSION	PKVM_IOMMU_FAULT_PERMISSION
#define BLOCKED		PKVM_IOMMU_FAULT_BLOCKED

/* A nested domain and its page table. */
struct nested {
	uint64_t id;
	struct stage1 tables;
};

static struct nested n, m;
static uint64_t page_phys, other_phys;

static struct td_res alloc_root(uint64_t root)
{
	struct td_res res = ALLOC(NESTED, root);

	if (res.err == -ENOMEM && topup(res.x2))
		res = ALLOC(NESTED, root);
	return res;
}

static void set(struct nested *nested, uint64_t iova, uint64_t entry)
{
	if (!stage1_set(&nested->tables, iova, entry))
		tap_bail("no memory for tables");
}

/* A new domain, with a window for DMA to and from the device's buffer. */
static bool open_nested(struct nested *nested)
{
	struct td_res res;

	if (!stage1_init(&nested->tables))
		tap_bail("no memory for tables");
	res = alloc_root(stage1_root(&nested->tables));
	nested->id = res.err ? 0 : res.x2;
	set(nested, WINDOW, phys_of((void *)window) | STAGE1_PAGE);
	return nested->id;
}

static void move(uint64_t from, uint64_t to, const char *name)
{
	struct td_res out = detach(from), in = attach(to);

	tap_ok(!out.err && !in.err, "move edu %s: %lld, %lld", name, (long long)out.err,
	       (long long)in.err);
}

/********** arguments */

static void test_info(void)
{
	struct td_res res = CALL4(INFO, PKVM_IOMMU_INFO_NESTED, iommu, 0);
	const uint64_t known = PKVM_IOMMU_NESTED_FMT | PKVM_IOMMU_NESTED_IAS |
			       PKVM_IOMMU_NESTED_OAS | PKVM_IOMMU_NESTED_COHERENT;
	unsigned int oas = (res.x2 & PKVM_IOMMU_NESTED_OAS) >> 16;

	tap_note("INFO_NESTED: %#llx", (ull)res.x2);
	tap_ok(!res.err && !res.x3 && !(res.x2 & ~known), "INFO_NESTED has known fields only");
	/* ARM_64_LPAE_S1 of enum io_pgtable_fmt. */
	tap_ok((res.x2 & PKVM_IOMMU_NESTED_FMT) == 2, "its format is that of an SMMU's stage 1");
	tap_ok((res.x2 & PKVM_IOMMU_NESTED_IAS) >> 8 == STAGE1_BITS,
	       "its I/O virtual addresses have %d bits", STAGE1_BITS);
	tap_ok(oas <= 52 && BIT(oas) >= limit, "the addresses in its tables have %u bits", oas);
	is(CALL4(INFO, PKVM_IOMMU_INFO_NESTED, PKVM_IOMMU_MAX, 0), -ENOENT, 0, 0,
	   "INFO_NESTED of no IOMMU");
	is(CALL4(INFO, PKVM_IOMMU_INFO_NESTED, ALL_ONES, 0), -ENOENT, 0, 0,
	   "INFO_NESTED of all ones");
}

static void test_alloc_arguments(void)
{
	const uint64_t top = -PAGE, root = stage1_root(&n.tables);
	const struct {
		uint64_t kind, root;
		int err;
	} bad[] = {
		{ 2, root, -EINVAL },
		{ 3, root, -EINVAL },
		{ BIT(31), root, -EINVAL },
		{ BIT(32), root, -EINVAL },
		{ BIT(32) | NESTED, root, -EINVAL },
		{ BIT(63), root, -EINVAL },
		{ ALL_ONES, root, -EINVAL },
		{ NESTED, root + 1, -EINVAL },
		{ NESTED, root + 64, -EINVAL },
		{ NESTED, root + PAGE / 2, -EINVAL },
		{ NESTED, root | BIT(63) | 1, -EINVAL },
		{ NESTED, ALL_ONES, -EINVAL },
		{ NESTED, limit, -ERANGE },
		{ NESTED, limit + PAGE, -ERANGE },
		{ NESTED, limit | root, -ERANGE },
		{ NESTED, BIT(48), -ERANGE },
		{ NESTED, BIT(52), -ERANGE },
		{ NESTED, BIT(63), -ERANGE },
		{ NESTED, top, -ERANGE },
	};
	struct state before;
	char name[96];
	size_t i;

	FOR_EACH(i, bad) {
		before = state();
		snprintf(name, sizeof(name), "DOMAIN_ALLOC(%#llx, %#llx)", (ull)bad[i].kind,
			 (ull)bad[i].root);
		is(ALLOC(bad[i].kind, bad[i].root), bad[i].err, 0, 0, name);
		unchanged(before, name);
	}
}

static void test_other_calls(void)
{
	struct state before = state();
	uint64_t runs = td_list() ? 1 : 0;

	if (runs)
		td_list()[0] = PKVM_IOMMU_RUN(page_phys, 1);
	is(MAP(n.id, X, page_phys, PAGE, RW), -EOPNOTSUPP, 0, 0, "MAP");
	if (tap_ok(runs, "a list of runs"))
		is(td_map_list(n.id, X, RW, 0, 1), -EOPNOTSUPP, 0, 0, "MAP_LIST");
	is(UNMAP(n.id, X, PAGE), -EOPNOTSUPP, 0, 0, "UNMAP");
	is(UNMAP_LAZY(n.id, X, PAGE), -EOPNOTSUPP, 0, 0, "UNMAP, lazily");
	is(LOOKUP(n.id, X), -EOPNOTSUPP, 0, 0, "LOOKUP");
	is(INFO_MAPPED(n.id), -EOPNOTSUPP, 0, 0, "INFO_MAPPED");
	is(FLUSH(n.id), -EOPNOTSUPP, 0, 0, "FLUSH");
	is(CALL4(REPLAY, iommu, n.id, 0), -EOPNOTSUPP, 0, 0, "REPLAY");
	unchanged(before, "calls for managed domains");
}

static void test_invalidate_arguments(void)
{
	const uint64_t top = -PAGE;
	const struct {
		uint64_t domain, iova, size, flags;
		int err;
	} calls[] = {
		{ IDENTITY, X, PAGE, 0, -ENXIO },
		{ IDENTITY, 0, 0, 0, -ENXIO },
		{ n.id + 1000, X, PAGE, 0, -ENXIO },
		{ BIT(32) | n.id, X, PAGE, 0, -ENXIO },
		{ ALL_ONES, X, PAGE, 0, -ENXIO },
		{ a, X, PAGE, 0, -EOPNOTSUPP },
		{ a, 0, 0, 0, -EOPNOTSUPP },
		{ n.id, X + 1, PAGE, 0, -EINVAL },
		{ n.id, X + PAGE / 2, PAGE, LEAF, -EINVAL },
		{ n.id, X, PAGE + 1, 0, -EINVAL },
		{ n.id, X, 1, 0, -EINVAL },
		{ n.id, X, ALL_ONES, 0, -EINVAL },
		{ n.id, X, PAGE, BIT(1), -EINVAL },
		{ n.id, X, PAGE, BIT(63) | LEAF, -EINVAL },
		{ n.id, X, PAGE, ALL_ONES, -EINVAL },
		{ n.id, X, 0, BIT(1), -EINVAL },
		{ n.id, TOP, PAGE, 0, -ERANGE },
		{ n.id, TOP - PAGE, 2 * PAGE, 0, -ERANGE },
		{ n.id, PAGE, TOP, 0, -ERANGE },
		{ n.id, BIT(63), PAGE, 0, -ERANGE },
		{ n.id, top, PAGE, 0, -ERANGE },
		{ n.id, top, 2 * PAGE, 0, -ERANGE },
		{ n.id, X, -X, 0, -ERANGE },
		{ n.id, X, -X + PAGE, 0, -ERANGE },
		{ n.id, 0, BIT(63), LEAF, -ERANGE },
		{ n.id, 0, top, 0, -ERANGE },
		{ n.id, X, PAGE, LEAF, 0 },
		{ n.id, X, PAGE, 0, 0 },
		{ n.id, TOP - PAGE, PAGE, 0, 0 },
		{ n.id, 0, TOP, LEAF, 0 },
		{ n.id, 0, TOP, 0, 0 },
		{ n.id, PAGE, TOP - PAGE, 0, 0 },
		{ n.id, 0, 0, 0, 0 },
		{ n.id, 0, 0, LEAF, 0 },
		{ n.id, 1, 0, 0, 0 },
		{ n.id, ALL_ONES, 0, 0, 0 },
	};
	struct state before = state();
	char name[96];
	size_t i;

	FOR_EACH(i, calls) {
		snprintf(name, sizeof(name), "INVALIDATE(%#llx, %#llx, %#llx, %#llx)",
			 (ull)calls[i].domain, (ull)calls[i].iova, (ull)calls[i].size,
			 (ull)calls[i].flags);
		is(INVALIDATE(calls[i].domain, calls[i].iova, calls[i].size, calls[i].flags),
		   calls[i].err, 0, 0, name);
	}
	unchanged(before, "INVALIDATE");
}

/* An IOMMU that is not edu's and cannot nest, if there is one. */
static void test_attach_elsewhere(void)
{
	struct td_res res;
	uint64_t i;

	for (i = 0; i < PKVM_IOMMU_MAX; i++) {
		res = CALL4(INFO, PKVM_IOMMU_INFO_NESTED, i, 0);
		if (!res.err && !res.x2)
			is(CALL4(ATTACH, i, 0, n.id), -EOPNOTSUPP, 0, 0,
			   "ATTACH to an IOMMU that cannot nest");
	}
}

/********** memory */

/* The pages that -ENOMEM asks for are enough. */
static void test_no_memory(void)
{
	static uint64_t pages[MANY];
	size_t count = drain(pages, 0);
	struct td_res res = ALLOC(NESTED, page_phys);

	if (tap_ok(res.err == -ENOMEM && res.x2 && !res.x3,
		   "DOMAIN_ALLOC with an empty pool: ENOMEM, wants %llu", (ull)res.x2)) {
		topup(res.x2);
		res = ALLOC(NESTED, page_phys);
		if (tap_ok(!res.err, "DOMAIN_ALLOC with that: %lld", (long long)res.err))
			is(FREE(res.x2), 0, 0, 0, "DOMAIN_FREE of it");
	}
	while (count--)
		TOPUP(pages[count]);
}

#define CYCLES	2000

static bool cycle(void)
{
	struct td_res res = alloc_root(page_phys);

	return !res.err && !INVALIDATE(res.x2, 0, 0, 0).err && !FREE(res.x2).err;
}

static void test_cycles(void)
{
	struct state before, after;
	int i, good = 0;

	cycle();
	before = state();
	for (i = 0; i < CYCLES; i++)
		good += cycle();
	after = state();
	tap_ok(good == CYCLES, "%d cycles of ALLOC, INVALIDATE, FREE", good);
	same_pool(&before, &after);
}

#define MANY_DOMAINS	100

/* Many at the same time. Each takes memory, and gives all of it back. */
static void test_many(void)
{
	static uint64_t d[MANY_DOMAINS];
	struct state before, during, after;
	int i, good = 0, freed = 0;

	/* Pages for all of them, and a slot of the domain table for each. */
	for (i = 0; i < 16; i++)
		topup(64);
	for (i = 0; i < 2; i++) {
		before = state();
		for (good = 0; good < MANY_DOMAINS; good++) {
			struct td_res res = ALLOC(NESTED, page_phys);

			if (res.err)
				break;
			d[good] = res.x2;
		}
		during = state();
		for (freed = 0; freed < good; freed++)
			if (FREE(d[freed]).err)
				break;
		after = state();
	}
	tap_ok(good == MANY_DOMAINS && freed == good, "%d nested domains at a time", freed);
	tap_ok(before.value[PKVM_IOMMU_INFO_POOL_FREE] >=
	       during.value[PKVM_IOMMU_INFO_POOL_FREE] + 2 * MANY_DOMAINS &&
	       !memcmp(&before, &after, sizeof(before)),
	       "pool: %llu pages free before, %llu with them, %llu after",
	       (ull)before.value[PKVM_IOMMU_INFO_POOL_FREE],
	       (ull)during.value[PKVM_IOMMU_INFO_POOL_FREE],
	       (ull)after.value[PKVM_IOMMU_INFO_POOL_FREE]);
}

static uint64_t pool_used(void)
{
	struct state s = state();

	return s.value[PKVM_IOMMU_INFO_POOL_TOTAL] - s.value[PKVM_IOMMU_INFO_POOL_FREE];
}

/********** DMA */

static void test_attach(void)
{
	is(attach(n.id), -EBUSY, 0, 0, "ATTACH while edu is elsewhere");
	is(detach(n.id), -ENOTCONN, 0, 0, "DETACH while edu is elsewhere");
	control("in identity");
	is(detach(home), 0, 0, 0, "DETACH from where it was");
	dma_store(other_phys, other, 0, BLOCKED, "while detached");
	is(attach(n.id), 0, 0, 0, "ATTACH");
	is(attach(n.id), -EBUSY, 0, 0, "ATTACH again");
	is(attach(home), -EBUSY, 0, 0, "ATTACH to where it was as well");
	is(FREE(n.id), -EBUSY, 0, 0, "DOMAIN_FREE while attached");
}

static void test_pages(void)
{
	const uint64_t top = TOP - PAGE;

	dma(X, page, UNMAPPED, "where nothing is mapped");
	dma(page_phys, page, UNMAPPED, "at the physical address");
	set(&n, X, page_phys | STAGE1_PAGE);
	dma(X, page, OK, "by an entry of the host's");
	dma(X + PAGE - 4, page + PAGE / 4 - 1, OK, "to the page's end");
	dma(X + PAGE, page, UNMAPPED, "behind it");
	dma(page_phys, page, UNMAPPED, "at the physical address");

	set(&n, X, 0);
	is(INVALIDATE(n.id, X, PAGE, LEAF), 0, 0, 0, "INVALIDATE of the entry");
	dma(X, page, UNMAPPED, "after the entry was removed");

	set(&n, X, other_phys | STAGE1_PAGE);
	dma(X, other, OK, "to another page at the address");
	set(&n, X, page_phys | STAGE1_PAGE);
	is(INVALIDATE(n.id, X, PAGE, LEAF), 0, 0, 0, "INVALIDATE of the changed entry");
	other[0] = 1;
	dma(X, page, OK, "by the changed entry");
	tap_ok(other[0] == 1, "the other page has not changed");

	set(&n, X, 0);
	is(INVALIDATE(n.id, ALL_ONES, 0, 0), 0, 0, 0, "INVALIDATE of the whole domain");
	dma(X, page, UNMAPPED, "after the entry was removed again");

	set(&n, top, page_phys | STAGE1_PAGE);
	dma(top, page, OK, "at the top");
	set(&n, top, 0);
	is(INVALIDATE(n.id, 0, TOP, LEAF), 0, 0, 0, "INVALIDATE of all addresses");
	dma(top, page, UNMAPPED, "at the top, after the entry was removed");
}

static void test_permissions(void)
{
	/* First the access that is refused: see SILENT. */
	set(&n, X, page_phys | STAGE1_PAGE | STAGE1_READONLY);
	dma_writes(X, page, PERMISSION, "read-only");
	dma_reads(X, page, OK, "read-only");
	set(&n, X, page_phys | STAGE1_PAGE);
	is(INVALIDATE(n.id, X, PAGE, LEAF), 0, 0, 0, "INVALIDATE of the entry");
	dma_writes(X, page, OK, "to read and write");
	set(&n, X, 0);
	is(INVALIDATE(n.id, X, PAGE, LEAF), 0, 0, 0, "INVALIDATE of the entry");
}

static void test_ranges(void)
{
	uint64_t i;

	for (i = 0; i < 4; i++)
		set(&n, X + i * PAGE, page_phys | STAGE1_PAGE);
	for (i = 0; i < 4; i++)
		dma_writes(X + i * PAGE, page, OK, "by one of four entries");
	for (i = 0; i < 4; i++)
		set(&n, X + i * PAGE, 0);
	is(INVALIDATE(n.id, X, 4 * PAGE, LEAF), 0, 0, 0, "INVALIDATE of all four");
	for (i = 0; i < 4; i++)
		dma_writes(X + i * PAGE, page, UNMAPPED, "by one of the removed entries");
}

/* A table that goes with all its entries. */
static void test_table(void)
{
	volatile uint64_t *above;
	uint64_t entry;

	set(&n, Y, page_phys | STAGE1_PAGE);
	above = stage1_entry(&n.tables, Y, STAGE1_LEAF - 1);
	entry = *above;
	dma(Y, page, OK, "by a table");
	*above = 0;
	is(INVALIDATE(n.id, Y, BLOCK, 0), 0, 0, 0, "INVALIDATE of the table");
	dma(Y, page, UNMAPPED, "after the table was removed");
	*above = entry;
	dma(Y, page, OK, "by the table, when it is back");
	set(&n, Y, 0);
	is(INVALIDATE(n.id, Y, PAGE, LEAF), 0, 0, 0, "INVALIDATE of its entry");
}

static void test_block(uint8_t *huge)
{
	volatile uint64_t *above = stage1_entry(&n.tables, Y + 8 * BLOCK, STAGE1_LEAF - 1);
	volatile uint32_t *inside = (volatile uint32_t *)(huge + BLOCK - PAGE);

	*above = phys_of(huge) | STAGE1_BLOCK;
	dma(Y + 9 * BLOCK - PAGE, inside, OK, "by a block");
	dma(Y + 9 * BLOCK, inside, UNMAPPED, "behind it");
	*above = 0;
	is(INVALIDATE(n.id, Y + 8 * BLOCK, BLOCK, LEAF), 0, 0, 0, "INVALIDATE of the block");
	dma(Y + 9 * BLOCK - PAGE, inside, UNMAPPED, "after the block was removed");
}

/* Nothing is pinned, and what comes back is reached again without a call. */
static void test_not_pinned(void)
{
	set(&n, X, page_phys | STAGE1_PAGE);
	dma(X, page, OK, "to a page");
	can_donate(page_phys, true, "that a nested domain maps");
	dma(X, page, OK, "to the page, when it is the host's again");
	set(&n, X, 0);
	is(INVALIDATE(n.id, X, PAGE, LEAF), 0, 0, 0, "INVALIDATE of the entry");
}

/* The first page that is not the host's, of each kind that a device must not reach. */
#define FOREIGN		3

static bool foreign_pages(uint64_t pages[FOREIGN])
{
	static const uint64_t kinds[FOREIGN] = {
		PKVM_IOMMU_TEST_RANGE_CARVEOUT, PKVM_IOMMU_TEST_RANGE_POOL,
		PKVM_IOMMU_TEST_RANGE_MMIO,
	};
	struct pkvm_iommu_test_range r;
	size_t i;

	for (i = 0; i < FOREIGN; i++) {
		if (!td_range(kinds[i], 0, &r))
			return false;
		pages[i] = r.address;
	}
	return true;
}

/* Without the direction of the access: a record of a table may have that of the table walk. */
static void refused(uint64_t iova, const char *name)
{
	struct pkvm_iommu_test_faults f = { 0 };
	uint64_t before = fault_count();
	uint32_t old = marker();
	int i;

	other[0] = old;
	edu_store(&edu, iova, 4);
	for (i = 0; i < 200 && !td_faults(&f) && f.count == before; i++)
		usleep(10000);
	if (!tap_ok(f.count > before && f.address == iova && other[0] == old &&
		    (f.info & ~PKVM_IOMMU_FAULT_WRITE) == ((uint64_t)UNMAPPED << 32 | edu.sid),
		    "DMA %s: is refused", name))
		tap_note("%llu faults, the last: info %#llx address %#llx",
			 (ull)(f.count - before), (ull)f.info, (ull)f.address);
}

/* Entries, tables and root tables that are not the host's. The domain exists, and maps nothing. */
static void test_foreign(void)
{
	volatile uint64_t *above = stage1_entry(&n.tables, Y + 16 * BLOCK, STAGE1_LEAF - 1);
	uint64_t pages[FOREIGN];
	struct td_res res;
	size_t i;

	if (!tap_ok(foreign_pages(pages), "pages that are not the host's"))
		return;
	FOR_EACH(i, pages) {
		tap_note("page %#llx", (ull)pages[i]);
		set(&n, X, pages[i] | STAGE1_PAGE);
		dma(X, page, UNMAPPED, "by an entry for a page that is not the host's");
		set(&n, X, 0);
		*above = pages[i] | STAGE1_NEXT;
		refused(Y + 16 * BLOCK, "by a table that is not the host's");
		*above = 0;

		res = alloc_root(pages[i]);
		if (!tap_ok(!res.err, "DOMAIN_ALLOC with such a root: %lld", (long long)res.err))
			continue;
		move(n.id, res.x2, "there");
		refused(X, "by a root that is not the host's");
		refused(0, "by it at address 0");
		move(res.x2, n.id, "back");
		is(FREE(res.x2), 0, 0, 0, "DOMAIN_FREE of it");
	}
	dma(WINDOW + 64, window + 16, OK, "afterwards");
}

/* Two domains with different pages at the same address. */
static void test_two(void)
{
	tap_ok(open_nested(&m) && m.id != n.id, "a second domain: %llu", (ull)m.id);
	set(&n, X, page_phys | STAGE1_PAGE);
	dma(X, page, OK, "in the first");
	move(n.id, m.id, "to the second");
	dma(X, page, UNMAPPED, "in the second");
	set(&m, X, other_phys | STAGE1_PAGE);
	page[0] = 1;
	dma(X, other, OK, "in the second");
	tap_ok(page[0] == 1, "the first one's page has not changed");
	is(INVALIDATE(n.id, 0, 0, 0), 0, 0, 0, "INVALIDATE of the first");
	dma(X, other, OK, "in the second still");
	move(m.id, n.id, "to the first");
	dma(X, page, OK, "in the first again");
	move(n.id, a, "to a managed domain");
	dma_store(X, page, 0, UNMAPPED, "in a managed domain");
	move(a, m.id, "to the second");
	dma(X, other, OK, "in the second again");
}

/*
 * The id, and with it the address space identifier, of a domain that is freed while the
 * IOMMU may still know a translation of it. Edu is in the second domain.
 */
static void test_reuse(void)
{
	uint64_t old = m.id;

	set(&m, Y, other_phys | STAGE1_PAGE);
	dma(Y, other, OK, "in the domain that will go");
	is(FREE(m.id), -EBUSY, 0, 0, "DOMAIN_FREE of it while attached");
	is(detach(m.id), 0, 0, 0, "DETACH");
	dma_store(Y, other, 0, BLOCKED, "while detached");
	is(FREE(m.id), 0, 0, 0, "DOMAIN_FREE");
	is(FREE(m.id), -ENXIO, 0, 0, "DOMAIN_FREE again");
	is(attach(m.id), -ENXIO, 0, 0, "ATTACH to it");
	is(INVALIDATE(m.id, 0, 0, 0), -ENXIO, 0, 0, "INVALIDATE of it");
	stage1_free(&m.tables);
	tap_ok(open_nested(&m) && m.id == old, "a new domain with the same id: %llu, %llu",
	       (ull)m.id, (ull)old);
	is(attach(m.id), 0, 0, 0, "ATTACH to the new one");
	dma(Y, other, UNMAPPED, "at the old one's address");
	set(&m, Y, page_phys | STAGE1_PAGE);
	other[0] = 1;
	dma(Y, page, OK, "by the new one's entry");
	tap_ok(other[0] == 1, "the old one's page has not changed");
}

static void test_none(void)
{
	struct td_res res;
	uint64_t i;

	for (i = 0; i < PKVM_IOMMU_MAX; i++) {
		res = CALL4(INFO, PKVM_IOMMU_INFO_NESTED, i, 0);
		if (!res.err)
			tap_ok(!res.x2, "IOMMU %llu cannot nest", (ull)i);
	}
	is(ALLOC(NESTED, page_phys), -EOPNOTSUPP, 0, 0, "DOMAIN_ALLOC of a nested domain");
	is(ALLOC(2, page_phys), -EINVAL, 0, 0, "DOMAIN_ALLOC of an unknown kind");
}

int main(int argc, char **argv)
{
	uint8_t *huge;
	uint64_t before;

	begin();
	page_phys = phys_of((void *)page);
	other_phys = phys_of((void *)other);
	if (argc > 1 && !strcmp(argv[1], "none")) {
		test_none();
		return tap_done();
	}

	huge = huge_alloc();
	a = domain_alloc();
	test_info();
	if (!tap_ok(a && open_nested(&n), "a managed domain and a nested one: %llu, %llu",
		    (ull)a, (ull)n.id))
		return tap_done();
	topup(64);
	test_alloc_arguments();
	test_other_calls();
	test_invalidate_arguments();
	test_attach_elsewhere();
	test_no_memory();
	test_cycles();
	test_many();

	before = pool_used();
	test_attach();
	test_invalidate_arguments();
	test_pages();
	test_permissions();
	test_ranges();
	test_table();
	test_block(huge);
	test_not_pinned();
	test_foreign();
	test_two();
	test_reuse();

	move(m.id, home, "to where it was");
	control("at the end");
	is(FREE(m.id), 0, 0, 0, "DOMAIN_FREE of the second");
	tap_ok(pool_used() == before, "DMA and INVALIDATE took no memory: %llu pages, then %llu",
	       (ull)before, (ull)pool_used());
	is(FREE(n.id), 0, 0, 0, "DOMAIN_FREE of the first");
	is(domain_free(a), 0, 0, 0, "DOMAIN_FREE of the managed domain");
	stage1_free(&n.tables);
	stage1_free(&m.tables);
	huge_free(huge);
	return tap_done();
}
