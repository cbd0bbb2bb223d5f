// SPDX-License-Identifier: GPL-2.0
/* Arguments of calls, at their limits, see runner.h. */
#include <linux/pkvm_iommu.h>

#include "runner.h"

/* Memory that scenarios need. They follow the boot, which takes none of it; nor does the pool. */
bool for_scenarios(u64 pfn)
{
	return (pfn >= SCENARIO_PAGES / ENV_PAGE && pfn < SCENARIO_END / ENV_PAGE) ||
	       (pfn >= ENV_GIB / ENV_PAGE && pfn < ENV_GIB_END / ENV_PAGE) ||
	       pfn / ENV_PTES == WHOLE_BLOCK / ENV_BLOCK;
}

static u64 any_pfn(void)
{
	static const u64 edges[] = {
		0, 1, ENV_RAM0 / ENV_PAGE - 1, ENV_RAM0 / ENV_PAGE, ENV_RAM0_END / ENV_PAGE - 1,
		ENV_RAM0_END / ENV_PAGE, ENV_RAM1 / ENV_PAGE, ENV_RAM1 / ENV_PAGE + 1,
		ENV_RAM1_END / ENV_PAGE - 1, ENV_RAM1_END / ENV_PAGE,
		ENV_RAM2 / ENV_PAGE, ENV_RAM2_END / ENV_PAGE - 1, ENV_RAM2_END / ENV_PAGE,
		ENV_CARVEOUT / ENV_PAGE - 1, ENV_CARVEOUT / ENV_PAGE, 0x9050000 / ENV_PAGE,
		0x906f000 / ENV_PAGE,
		1ULL << 20, (1ULL << 24) - 1, 1ULL << 24, 1ULL << 32, 1ULL << 36, 1ULL << 40,
		1ULL << 52, ~0ULL / ENV_PAGE, ~0ULL,
	};
	u64 base = edges[below(COUNT(edges))];

	switch (below(16)) {
	case 0:
		return base + below(5) - 2;
	case 1:
		return base << below(13);
	case 2 ... 4:
		return ENV_RAM1 / ENV_PAGE + below((ENV_RAM1_END - ENV_RAM1) / ENV_PAGE);
	case 5:
		return ENV_RAM2 / ENV_PAGE + below((ENV_RAM2_END - ENV_RAM2) / ENV_PAGE);
	case 6 ... 7:
		base = ENV_RAM0 / ENV_PAGE + below((ENV_RAM0_END - ENV_RAM0) / ENV_PAGE);
		/* Usually leave one block whole. */
		if (base / ENV_PTES == WHOLE_BLOCK / ENV_BLOCK && below(200))
			base -= ENV_PTES;
		return base;
	}
	/* A few pages, used repeatedly, across the end of a table or, with 64 KiB, of a piece. */
	base = ENV_PAGE_SHIFT == 14 ? ENV_PTES : PIECE_PAGES;
	return ENV_RAM1 / ENV_PAGE + base - 16 + below(0x30);
}

u64 some_pfn(void)
{
	u64 pfn;

	do
		pfn = any_pfn();
	while (spec.state < SPEC_SEALED && for_scenarios(pfn));

	return pfn;
}

u64 some_number(u64 max)
{
	static const u64 strange[] = { 0, ~0ULL, 1ULL << 52, 1ULL << 51, (1ULL << 52) + 1,
				       1ULL << 32, 1ULL << 63 };

	switch (below(12)) {
	case 0:
		return strange[below(COUNT(strange))];
	case 1:
		return max + below(3) - 1;
	case 2 ... 6:
		return 1;
	}

	return 1 + below(max);
}

u64 some_iommu(void)
{
	static const u64 strange[] = { ~0ULL, 32, 31, 1ULL << 32, 1ULL << 63 };

	if (!below(40))
		return strange[below(COUNT(strange))];
	if (!below(40))
		return spec.nr_iommus;

	return below(spec.nr_iommus);
}

/* A few streams, so that they are used repeatedly: neighbours, first, last, distant ones. */
u64 some_sid(u64 iommu)
{
	static const u64 few[] = { 0, 1, 7, 8, 62, 63, 64, 65, 127, 128, 511, 512, 4095 };
	unsigned int bits = iommu < (u64)spec.nr_iommus ? spec.iommu[iommu].sid_bits : 8;
	u64 end = 1ULL << bits;

	/* An id with a mask: few bits, or any. */
	if (iommu < (u64)spec.nr_iommus && spec.iommu[iommu].ids && !below(3))
		return few[below(COUNT(few))] |
		       (below(4) ? (1ULL << below(4)) - 1 : below(1 << 16)) << 16;
	switch (below(20)) {
	case 0:
		return end + below(3) - 1;
	case 1:
		return below(2) ? ~0ULL : 1ULL << (bits + below(64 - bits));
	case 2:
		return (1ULL << 32) | below(end);
	case 3:
		return below(40) * 1361 % end;
	case 4:
		return end - 1 - below(2);
	}

	return few[below(COUNT(few))] % end;
}

/* Exclusive end of the addresses of devices behind an IOMMU. */
u64 limit_of(u64 iommu)
{
	return iommu < (u64)spec.nr_iommus && spec.iommu[iommu].limit ?
	       1ULL << spec.iommu[iommu].limit : ~0ULL;
}

/* The same for a domain; any IOMMU's if there is no such domain, or it is the identity domain. */
u64 limit_in(u64 domain)
{
	int iommu = spec_domain_iommu(&spec, domain);

	return limit_of(iommu < 0 ? below(spec.nr_iommus) : (u64)iommu);
}

u64 some_domain(void)
{
	static const u64 strange[] = { 1, 2, ~0ULL, 1ULL << 32, 1ULL << 63, 0xffff, 0x10000 };

	if (!below(30))
		return strange[below(COUNT(strange))];

	return below(3) ? spec.domain[below(WALK_DOMAINS)].id : PKVM_IOMMU_DOMAIN_IDENTITY;
}

/* Usually a domain that streams of the IOMMU can be in. */
u64 some_domain_for(u64 iommu)
{
	u64 id = some_domain();
	int tries;

	for (tries = 0; tries < 8 && below(16) && !spec_fits(&spec, iommu, id); tries++)
		id = some_domain();

	return id;
}

/* Usually an IOMMU whose streams can be in the domain. */
u64 some_iommu_for(u64 domain)
{
	u64 iommu = some_iommu();
	int tries;

	for (tries = 0; tries < 8 && below(16) && !spec_fits(&spec, iommu, domain); tries++)
		iommu = some_iommu();

	return iommu;
}

/* A domain that can have mappings. */
u64 some_own_domain(void)
{
	int tries;
	u64 id;

	for (tries = below(16); tries; tries--) {
		id = spec.domain[below(WALK_DOMAINS)].id;
		if (id)
			return id;
	}

	return some_domain();
}

u64 some_nested_domain(void)
{
	u64 id, root;
	int i, first = below(WALK_DOMAINS);

	for (i = 0; i < WALK_DOMAINS && below(30); i++) {
		id = spec.domain[(first + i) % WALK_DOMAINS].id;
		if (id && spec_nested(&spec, id, &root))
			return id;
	}

	return some_domain();
}

/* A few addresses, so that mappings collide; across the ends of tables and of the range. */
u64 some_iova(void)
{
	u64 limit = limit_in(PKVM_IOMMU_DOMAIN_IDENTITY);
	u64 few[] = { 0, ENV_BLOCK, GIB - ENV_BLOCK, GIB, 2 * GIB, limit - ENV_BLOCK,
		      limit - GIB, limit - 3 * GIB };
	u64 iova = few[below(COUNT(few))];

	switch (below(20)) {
	case 0:
		return iova + below(ENV_PAGE);
	case 1:
		return limit - ENV_PAGE * (below(4) - 1);
	case 2:
		return rnd() >> below(64) & ~(ENV_PAGE - 1);
	case 3 ... 8:
		return iova;
	}

	return iova + (below(2) ? below(6) : 508 + below(8)) * ENV_PAGE;
}

u64 some_size(void)
{
	static const u64 strange[] = { 0, 1, ENV_PAGE / 2, ~0ULL, 1ULL << 63, ~(ENV_PAGE - 1) };
	u64 big = ENV_BLOCK << below(2);

	switch (below(24)) {
	case 0:
		return strange[below(COUNT(strange))];
	case 1:
		return limit_in(PKVM_IOMMU_DOMAIN_IDENTITY) >> below(12);
	case 2 ... 6:
		return big;
	case 7 ... 8:
		return big + (below(3) - 1) * ENV_PAGE;
	case 9:
		return (1 + below(5)) * PIECE;
	}

	return (1 + below(12)) * ENV_PAGE;
}

/* Memory or MMIO, often aligned for blocks. */
u64 some_phys(u64 iova)
{
	static const u64 blocks[] = { WHOLE_BLOCK, WHOLE_BLOCK, WHOLE_BLOCK,
				      ENV_RAM0 + ENV_SCALE * 0x800000,
				      ENV_RAM0 + ENV_SCALE * 0xa00000,
				      ENV_RAM0 + ENV_SCALE * 0x400000,
				      0x9000000, 0x80000000, ENV_RAM2 & ~(ENV_BLOCK - 1) };

	if (below(2))
		return some_pfn() * ENV_PAGE;

	return blocks[below(COUNT(blocks))] + (below(4) ? iova & (ENV_BLOCK - 1) : 0);
}

static bool is_free(u64 pfn)
{
	unsigned char *page = spec_page(&spec, pfn);

	return page && *page == SPEC_HOST && pfn < ENV_RAM2 / ENV_PAGE &&
	       !for_scenarios(pfn) && !spec_pinned(&spec, pfn);
}

/* A free page of the host: by chance, or the first one if few are left; 0 if none is. */
u64 host_page(void)
{
	u64 pfn;
	int tries;

	for (tries = 0; tries < 50; tries++) {
		pfn = some_pfn();
		if (is_free(pfn))
			return pfn;
	}
	for (pfn = ENV_RAM1 / ENV_PAGE; pfn < ENV_RAM1_END / ENV_PAGE; pfn++) {
		if (is_free(pfn))
			return pfn;
	}

	return 0;
}

/* @n free pages of the host in a row, aligned to that size, a power of two; or 0. */
u64 host_block(u64 n)
{
	u64 pfn, i;
	int tries;

	for (tries = 0; tries < 50; tries++) {
		pfn = host_page() & ~(n - 1);
		for (i = 0; pfn && i < n && is_free(pfn + i); i++)
			;
		if (pfn && i == n)
			return pfn;
	}

	return 0;
}
