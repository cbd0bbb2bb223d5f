// SPDX-License-Identifier: GPL-2.0
/* The software SMMUv3, see smmu.h: checks that everything which it may do is allowed. */
#include <string.h>

#include "smmu-priv.h"

/* Where a leaf leads. With pages of 64 KiB, bits 15 to 12 are those of an address of 52 bits. */
static u64 leaf_pa(struct smmu *s, struct watch *w, u64 pte)
{
	if (pte & (ENV_PAGE - 1) & ~0xfffULL)
		fail("smmu %d: entry %#llx has reserved bits", s->id, (unsigned long long)pte);

	return pte & ADDR_MASK & ~(BIT(level_shift(w->level)) - 1);
}

static void check_entry(struct smmu *s, struct watch *w, int index)
{
	u64 size = BIT(level_shift(w->level)), addr = w->base + index * size, pa;
	bool must, never, table = false;
	struct values vals;
	int i;

	if (addr >= s->limit)
		return;
	word_values(w, index, &vals);
	for (i = 0; i < vals.nr; i++)
		table |= is_table(vals.v[i], w->level);
	if (table && vals.nr == 1)
		return;
	smmu_range(addr, size, &must, &never);
	for (i = 0; i < vals.nr; i++) {
		u64 pte = vals.v[i];

		if (is_table(pte, w->level))
			continue;
		if (!is_leaf(pte, w->level)) {
			if (must)
				fail("smmu %d: %#llx is the host's, but a device may not reach it",
				     s->id, (unsigned long long)addr);
			continue;
		}
		pa = leaf_pa(s, w, pte);
		if (pa != addr)
			fail("smmu %d: %#llx leads to %#llx", s->id, (unsigned long long)addr,
			     (unsigned long long)pa);
		if (never && !(w->level == 3 && !pte_writable(w->ctx, pte) && smmu_lent(addr)))
			fail("smmu %d: a device may still reach %#llx, which is not the host's",
			     s->id, (unsigned long long)addr);
		if (must && !(pte_readable(w->ctx, pte) && pte_writable(w->ctx, pte)))
			fail("smmu %d: %#llx lacks permissions: %#llx", s->id,
			     (unsigned long long)addr, (unsigned long long)pte);
		/* As stage 2 of the host: normal memory, so that stage 1 or the device decides. */
		if (pte_type(w->ctx, pte) != PTE_CACHED)
			fail("smmu %d: %#llx is not normal, cacheable memory: %#llx", s->id,
			     (unsigned long long)addr, (unsigned long long)pte);
	}
}

/* The same for a domain with mappings of its own: it reaches exactly those. */
static void check_mapping(struct smmu *s, struct watch *w, int index)
{
	u64 size = BIT(level_shift(w->level)), addr = w->base + index * size, pa;
	struct smmu_map map, was;
	struct values vals;
	bool any;
	int i;

	word_values(w, index, &vals);
	if (!vals.nr)
		return;
	any = smmu_mapping(w->ctx->domain, addr, size, &map);
	for (i = 0; i < vals.nr; i++) {
		u64 pte = vals.v[i];

		if (is_table(pte, w->level))
			continue;
		if (!is_leaf(pte, w->level)) {
			if (any)
				fail("smmu %d: %#llx is mapped, but a device may not reach it",
				     s->id, (unsigned long long)addr);
			continue;
		}
		pa = leaf_pa(s, w, pte);
		/* Stage 1 has no write-only entries. */
		was = (struct smmu_map) { .pa = pa, .read = pte_readable(w->ctx, pte),
					  .write = pte_writable(w->ctx, pte),
					  .only_write = w->ctx->s2 };
		if (smmu_lingers(w->ctx->domain, addr, size, &was))
			continue;
		if (!any)
			fail("smmu %d: %#llx leads to %#llx, but is not mapped", s->id,
			     (unsigned long long)addr, (unsigned long long)pa);
		if (!map.all || map.pa != pa)
			fail("smmu %d: %#llx leads to %#llx, but is mapped elsewhere", s->id,
			     (unsigned long long)addr, (unsigned long long)pa);
		/* Stage 1 has no write-only entries. */
		if (map.write != pte_writable(w->ctx, pte) ||
		    (map.read || w->ctx->s2 ? map.read != pte_readable(w->ctx, pte) : false))
			fail("smmu %d: %#llx has other permissions: %#llx", s->id,
			     (unsigned long long)addr, (unsigned long long)pte);
		if (pte_type(w->ctx, pte) != (map.mmio ? PTE_DEVICE :
					      map.cache ? PTE_CACHED : PTE_UNCACHED))
			fail("smmu %d: %#llx has another memory type: %#llx", s->id,
			     (unsigned long long)addr, (unsigned long long)pte);
	}
}

/* Check if a walk of the table may still lead to [@pa, @pa + @size), from any address. */
static bool leads_to(struct smmu *s, struct watch *w, u64 pa, u64 size)
{
	u64 span = BIT(level_shift(w->level));
	struct values vals;
	int i, v;

	for (i = 0; i < PTES; i++) {
		if (w->base + i * span >= s->limit)
			break;
		if (!w->nr_stale && !w->seen[0][i] && !w->seen[1][i])
			continue;
		word_values(w, i, &vals);
		for (v = 0; v < vals.nr; v++) {
			u64 out = vals.v[v] & ADDR_MASK & ~(span - 1);

			if (is_leaf(vals.v[v], w->level) && out < pa + size && out + span > pa)
				return true;
		}
	}

	return false;
}

/* Fast path for most tables: nothing is mapped, and nothing has to be. */
static bool is_empty(struct ctx *ctx, struct watch *w)
{
	static const u64 zero[2][ENV_PTES];
	struct smmu_map map;

	return !w->nr_stale && !memcmp(w->seen, zero, sizeof(zero)) &&
	       !smmu_mapping(ctx->domain, w->base, ENV_PTES * BIT(level_shift(w->level)), &map);
}

/* Stage 2 must still lead to the root table of the host where it has led before. */
static void check_cached_roots(struct smmu *s)
{
	bool must, never;
	int i;

	for (i = 0; i < s->nr_cds; i++) {
		if (!s->cds[i].root)
			continue;
		smmu_range(s->cds[i].root, ENV_PAGE, &must, &never);
		if (never && !smmu_lent(s->cds[i].root))
			fail("smmu %d: %#llx may still be walked as a root table", s->id,
			     (unsigned long long)s->cds[i].root);
	}
}

void smmu_check_reach(int id, bool all)
{
	struct smmu *s = &smmus[id];
	struct ctx *ctx;
	struct watch *w;
	int i, nr;

	observe_smmu(s, SMMU_EVERYTHING);
	check_cached_roots(s);
	for (ctx = s->ctxs; ctx; ctx = ctx->next) {
		if (!ctx->reached)
			continue;
		for (i = 0; i < ctx->nr_roots; i++) {
			if (BIT(ctx->roots[i].bits) != s->limit)
				fail("smmu %d: a table of %d bits", s->id, ctx->roots[i].bits);
		}
		for (w = ctx->tables; w; w = w->next) {
			if (!all && !w->changed)
				continue;
			w->changed = false;
			if (ctx->domain && is_empty(ctx, w))
				continue;
			nr = ENV_PTES;
			if (w->level < 3 && (s->limit - w->base) >> level_shift(w->level) < PTES)
				nr = (s->limit - w->base) >> level_shift(w->level);
			for (i = 0; i < nr; i++) {
				if (ctx->domain)
					check_mapping(s, w, i);
				else
					check_entry(s, w, i);
			}
		}
	}
}

/*
 * The host has just lost or gained a range. Check the entries of the same address in
 * the identity domain, and all entries in other domains.
 */
void smmu_check_revoked(u64 pfn, u64 nr, bool reachable)
{
	struct smmu *s;
	struct ctx *ctx;
	struct watch *w;
	struct values vals;
	u64 i;
	int v;

	for (s = smmus; s < smmus + nr_smmus; s++) {
		observe_smmu(s, SMMU_EVERYTHING);
		for (v = 0; v < s->nr_cds && !reachable; v++) {
			if (s->cds[v].root && s->cds[v].root / ENV_PAGE - pfn < nr)
				fail("smmu %d: page %#llx was revoked, but may be a root table",
				     s->id, (unsigned long long)s->cds[v].root / ENV_PAGE);
		}
		for (ctx = s->ctxs; ctx; ctx = ctx->next) {
			if (reachable || !ctx->reached)
				continue;
			for (w = ctx->tables; w; w = w->next) {
				if (ctx->domain && leads_to(s, w, pfn * ENV_PAGE, nr * ENV_PAGE))
					fail("smmu %d: page %#llx was revoked, but is still mapped",
					     s->id, (unsigned long long)pfn);
				if (ctx->domain || w->level < 3)
					continue;
				for (i = pfn; i < pfn + nr; i++) {
					if (i / ENV_PTES != w->base / ENV_BLOCK)
						continue;
					word_values(w, i % ENV_PTES, &vals);
					for (v = 0; v < vals.nr; v++) {
						if (is_leaf(vals.v[v], 3))
							fail("smmu %d: page %#llx was revoked, but a device may still reach it",
							     s->id, (unsigned long long)i);
					}
				}
			}
		}
	}
}

static void check_pinned(struct smmu *s, struct watch *w, int index)
{
	u64 span = BIT(level_shift(w->level)), pa;
	struct values vals;
	int i;

	word_values(w, index, &vals);
	for (i = 0; i < vals.nr; i++) {
		pa = vals.v[i] & ADDR_MASK & ~(span - 1);
		if (is_leaf(vals.v[i], w->level) && env_is_ram(pa) && !env_pinned(pa))
			fail("smmu %d: a device may reach %#llx, which is mapped but not pinned",
			     s->id, (unsigned long long)pa);
	}
}

static void check_all_pinned(bool all)
{
	struct watch *w;
	struct smmu *s;
	struct ctx *ctx;
	int i;

	for (s = smmus; s < smmus + nr_smmus; s++) {
		for (ctx = s->ctxs; ctx; ctx = ctx->next) {
			for (w = ctx->domain ? ctx->tables : NULL; w; w = w->next) {
				u64 span = BIT(level_shift(w->level));

				if (!all && !w->fresh)
					continue;
				w->fresh = false;
				for (i = 0; i < PTES && w->base + i * span < s->limit; i++) {
					if (w->nr_stale || w->seen[0][i] || w->seen[1][i])
						check_pinned(s, w, i);
				}
			}
		}
	}
}

void smmu_check_fresh(void)
{
	check_all_pinned(false);
}

/* Memory that a device may reach through a mapping is pinned, in the worst case too. */
void smmu_check_pinned(void)
{
	static u64 were;
	u64 pins = env_unpins();

	smmu_observe_all(SMMU_EVERYTHING);
	/* Pinned memory stays pinned unless pins were removed: then check all. */
	check_all_pinned(pins != were);
	were = pins;
}

/* A page of EL2 goes to the host. */
void smmu_check_freed(u64 pa)
{
	struct smmu *s;
	struct ctx *ctx;
	struct watch *w;

	for (s = smmus; s < smmus + nr_smmus; s++) {
		observe_smmu(s, SMMU_EVERYTHING);
		for (w = s->config; w; w = w->next) {
			if (w->pa == pa)
				fail("smmu %d: page %#llx is given away, but holds configuration",
				     s->id, (unsigned long long)pa);
		}
		for (ctx = s->ctxs; ctx; ctx = ctx->next) {
			for (w = ctx->tables; w; w = w->next) {
				if (w->pa == pa && !w->unlinked)
					fail("smmu %d: page %#llx is given away, but may be walked",
					     s->id, (unsigned long long)pa);
			}
		}
		if (s->model->check_freed)
			s->model->check_freed(s, pa);
	}
}

static void check_stream(struct smmu *s, u32 sid, bool attached, u64 domain)
{
	int id = s->id;
	struct outcome out;
	int i;

	/* After a race, this may be the first check; the tables are compared in any case. */
	if (attached)
		smmu_attaching = domain;
	out = judge_stream(s, sid);
	if (out.bypass)
		fail("smmu %d: stream %#x may bypass", id, sid);
	if (!attached && out.nr_ctx)
		fail("smmu %d: stream %#x is not attached, but may translate", id, sid);
	/* The memory of the context descriptor may be reused. */
	for (i = 0; !attached && i < s->nr_cds; i++) {
		if (s->cds[i].sid == sid)
			fail("smmu %d: stream %#x is not attached, but its descriptor may be cached",
			     id, sid);
	}
	if (attached && (out.blocked || out.nr_ctx != 1))
		fail("smmu %d: stream %#x is attached, but may be blocked, or in %d domains",
		     id, sid, out.nr_ctx);
	if (attached && out.ctx->domain != domain)
		fail("smmu %d: stream %#x of domain %llu is in domain %llu", id, sid,
		     (unsigned long long)domain, (unsigned long long)out.ctx->domain);
}

/* With a mask, a stream stands for several ids of the bus: check some of them. */
void smmu_check_stream(int id, u32 sid, bool attached, u64 domain)
{
	struct smmu *s = &smmus[id];
	u32 ids = BIT(s->c.sid_bits) - 1, mask = sid >> 16, bus, owner;
	int n;

	if (!s->c.v2.smrs) {
		check_stream(s, sid, attached, domain);
		return;
	}
	for (n = 0; n < 8; n++) {
		bus = (sid | (n == 1 ? mask : n ? mask & smmu_random(1 << 16) : 0)) & ids;
		attached = smmu_owner(id, bus, &owner, &domain);
		check_stream(s, bus, attached, domain);
		if (!mask)
			break;
	}
}

void smmu_check_enabled(int id)
{
	struct smmu *s = &smmus[id];

	if (!s->taken)
		fail("smmu %d: its registers are the host's", id);
	if (s->boot_config || s->boot_tlb || s->boot_el2)
		fail("smmu %d: caches from before boot are not invalidated", id);
	s->model->check_enabled(s);
}
