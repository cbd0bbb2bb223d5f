// SPDX-License-Identifier: GPL-2.0
/* The software SMMUv3, see smmu.h: possible configurations of a stream. */
#include <stdlib.h>
#include <string.h>

#include "smmu-priv.h"

/* A stream table entry, or the words of a context descriptor. */
struct entry {
	u64 w[8];
};

static void add_sid(struct smmu *s, u32 sid)
{
	int i;

	for (i = 0; i < s->nr_sids; i++) {
		if (s->sids[i] == sid)
			return;
	}
	if (s->nr_sids == COUNT(s->sids))
		fail("smmu %d: too many streams", s->id);
	s->sids[s->nr_sids++] = sid;
}

static struct watch *config_watch(struct smmu *s, enum kind kind, u64 pa, u64 base)
{
	struct watch *w;
	int i;

	for (w = s->config; w; w = w->next) {
		if (w->kind == kind && w->pa == pa && w->base == base)
			return w;
	}
	check_owned(s, pa, kind == CDS ? "context descriptor" : "stream table");
	w = calloc(1, sizeof(*w));
	*w = (struct watch) { .pa = pa, .kind = kind, .base = base, .next = s->config };
	s->config = w;
	memcpy(w->seen[0], env_cpu(pa), ENV_PAGE);
	memcpy(w->seen[1], s->c.coherent ? env_cpu(pa) : env_poc(pa), ENV_PAGE);
	for (i = 0; kind == STES && i < (int)page_stes(s); i++) {
		if (w->seen[0][i * 8] | w->seen[1][i * 8])
			add_sid(s, base + i);
	}

	return w;
}

unsigned int v3_table_bits(struct smmu *s)
{
	return BITS(REG(s, STRTAB_BASE_CFG), 5, 0);
}

/*
 * Find the pages that may hold the entry of @sid. Returns their number; sets @none if
 * there may be none.
 */
static int ste_pages(struct smmu *s, u32 sid, u64 *pas, bool *none)
{
	struct values vals;
	struct watch *l1;
	u64 pa, index;
	int i, nr = 0;

	*none = false;
	if (!two_level(s)) {
		pas[0] = (strtab_base(s) + sid * 64ULL) & ~(ENV_PAGE - 1);
		return 1;
	}
	index = sid >> strtab_split(s);
	pa = strtab_base(s) + index * 8;
	l1 = config_watch(s, L1STD, pa & ~(ENV_PAGE - 1), index & ~(ENV_PTES - 1));
	word_values(l1, index % ENV_PTES, &vals);
	for (i = 0; i < vals.nr; i++) {
		u64 span = vals.v[i] & 0x1f, l2 = vals.v[i] & 0x000fffffffffffc0ULL;

		if (!span) {
			*none = true;
			continue;
		}
		if (span != strtab_split(s) + 1)
			fail("smmu %d: level-1 descriptor %#llx has a span of %d", s->id,
			     (unsigned long long)vals.v[i], (int)span);
		if (l2 & (BIT(span - 1 + 6) - 1))
			fail("smmu %d: level-2 table %#llx is not aligned", s->id,
			     (unsigned long long)l2);
		pas[nr++] = l2;
	}

	return nr;
}

/* Call @fn for each combination of the words of @nr words at @index of @w. */
static void combine(struct watch *w, int index, struct entry *e, int word, int nr,
		    void (*fn)(struct smmu *s, struct entry *e, void *arg),
		    struct smmu *s, void *arg)
{
	struct values vals;
	int i;

	if (word == nr) {
		fn(s, e, arg);
		return;
	}
	word_values(w, index + word, &vals);
	for (i = 0; i < vals.nr; i++) {
		e->w[word] = vals.v[i];
		/* Without V, the other words are not read. */
		if (!word && !(vals.v[i] & (w->kind == CDS ? BIT(31) : 1)))
			fn(s, e, arg);
		else
			combine(w, index, e, word + 1, nr, fn, s, arg);
	}
}

static struct ctx *get_ctx(struct smmu *s, struct ctx *outer, bool s2, u16 tag, u64 domain)
{
	struct ctx *ctx;

	for (ctx = s->ctxs; ctx; ctx = ctx->next) {
		if (ctx->outer == outer && ctx->s2 == s2 && ctx->tag == tag)
			break;
	}
	if (!ctx) {
		ctx = calloc(1, sizeof(*ctx));
		*ctx = (struct ctx) { .outer = outer, .s2 = s2, .tag = tag, .next = s->ctxs };
		s->ctxs = ctx;
	}
	if (!ctx->live)
		ctx->domain = domain;
	ctx->live = true;
	ctx->reached = true;
	ctx->filled = true;

	return ctx;
}

void count_ctx(struct outcome *out, struct ctx *ctx)
{
	if (out->ctx != ctx)
		out->nr_ctx++;
	out->ctx = ctx;
}

struct ctx *found_ctx(struct smmu *s, bool s2, u16 tag, const struct root *root, u64 domain)
{
	struct ctx *ctx = get_ctx(s, NULL, s2, tag, domain);
	int i;

	for (i = 0; i < ctx->nr_roots; i++) {
		if (ctx->roots[i].pa == root->pa && ctx->roots[i].level == root->level &&
		    ctx->roots[i].bits == root->bits)
			break;
	}
	if (i == ctx->nr_roots) {
		if (i == COUNT(ctx->roots))
			fail("smmu %d: tag %d has %d tables", s->id, tag, i);
		ctx->roots[i] = *root;
		ctx->nr_roots++;
		add_root(s, ctx, &ctx->roots[i]);
	}

	return ctx;
}

/* First level of a walk with @bits of input, without concatenated tables. */
static int start_level(int bits)
{
	return 4 - (bits - ENV_PAGE_SHIFT + TABLE_BITS - 1) / TABLE_BITS;
}

static struct watch *last_table(struct ctx *outer, u64 page)
{
	struct watch *w;

	for (w = outer->tables; w; w = w->next) {
		if (w->level == 3 && !w->unlinked && (page ^ w->base) / ENV_BLOCK == 0)
			return w;
	}

	return NULL;
}

/* The hardware may keep where stage 2 leads for the root table, until it drops descriptors. */
static void cache_root(struct smmu *s, struct outcome *out, u64 root)
{
	struct watch *w = last_table(out->outer, root);
	struct values vals;
	int i;

	vals.nr = 0;
	if (w)
		word_values(w, root / ENV_PAGE % ENV_PTES, &vals);
	for (i = 0; i < vals.nr; i++) {
		if (is_leaf(vals.v[i], 3))
			s->cds[out->cd].root = root;
	}
}

/* Check the descriptor of a nested domain (5.4) against the format that the host was told. */
static void check_nested_cd(struct smmu *s, struct ctx *ctx, struct entry *e)
{
	static const unsigned int sizes[] = { 32, 36, 40, 42, 44, 48, 52, 0 };
	unsigned int bits = 64 - BITS(e->w[0], 5, 0);
	struct smmu_nested is;
	bool nested = smmu_nested(ctx->domain, &is);

	/* During a race, the specification may not know the domain yet. */
	if (!env_yield && !nested)
		fail("smmu %d: domain %llu is not nested, but a stream of it is", s->id,
		     (unsigned long long)ctx->domain);
	if ((!env_yield && e->w[1] != is.root) || e->w[2])
		fail("smmu %d: a context descriptor leads to %#llx and %#llx", s->id,
		     (unsigned long long)e->w[1], (unsigned long long)e->w[2]);
	if (bits != is.ias || sizes[BITS(e->w[0], 34, 32)] != is.oas)
		fail("smmu %d: a context descriptor translates %d to %d bits", s->id, bits,
		     sizes[BITS(e->w[0], 34, 32)]);
	/* Walks snoop: cacheable and inner shareable, as the CPUs have the tables. */
	if (is.coherent && (BITS(e->w[0], 13, 12) != 3 || BITS(e->w[0], 11, 10) != 1 ||
			    BITS(e->w[0], 9, 8) != 1))
		fail("smmu %d: stage 1 is walked with the attributes %#llx", s->id,
		     (unsigned long long)BITS(e->w[0], 13, 8));
	/* EPD0; TBI, PAN; HD, HA; all of R, A and ASET: terminate and record faults, own ASID. */
	if (e->w[0] & (BIT(14) | 7 * BIT(38) | 3 * BIT(42)) || BITS(e->w[0], 47, 45) != 7)
		fail("smmu %d: context descriptor %#llx of a nested domain", s->id,
		     (unsigned long long)e->w[0]);
	/* Attributes of io-pgtable-arm.c: not cacheable, cacheable, device, outer only. */
	if ((u32)e->w[3] != 0xf404ff44)
		fail("smmu %d: a context descriptor has the attributes %#llx", s->id,
		     (unsigned long long)e->w[3]);
}

static void judge_cd(struct smmu *s, struct entry *e, void *arg)
{
	struct outcome *out = arg;
	int bits = 64 - BITS(e->w[0], 5, 0);
	struct ctx *ctx;

	/* V, AArch64, the granule, little endian, an input size that exists (5.4). */
	if (!(e->w[0] & BIT(31)) || !(e->w[0] & BIT(41)) || BITS(e->w[0], 7, 6) != GRANULE ||
	    e->w[0] & BIT(15) || bits > 48 || bits < 25) {
		out->blocked = true;
		return;
	}
	if (!(e->w[0] & BIT(30)))
		fail("smmu %d: context descriptor %#llx uses TTB1", s->id,
		     (unsigned long long)e->w[0]);
	if (e->w[0] & BIT(44))
		fail("smmu %d: context descriptor %#llx stalls", s->id,
		     (unsigned long long)e->w[0]);
	if (!out->outer) {
		struct root root = { e->w[1] & 0x000ffffffffffff0ULL, start_level(bits), bits };

		count_ctx(out, found_ctx(s, false, BITS(e->w[0], 63, 48), &root, smmu_attaching));
		return;
	}

	ctx = get_ctx(s, out->outer, false, BITS(e->w[0], 63, 48), smmu_attaching);
	count_ctx(out, ctx);
	combine_stale(ctx);
	check_nested_cd(s, ctx, e);
	cache_root(s, out, e->w[1] & 0x000ffffffffff000ULL);
}

/*
 * Stage 2 has to lead to the descriptor, whatever the hardware has cached, by a page that
 * is read only, and normal memory: S2PTW forbids devices.
 */
static void check_fetch(struct smmu *s, struct ctx *outer, u64 page, u64 table, int level, u64 base)
{
	u64 span = BIT(level_shift(level)), index = (page - base) / span, pte;
	struct values vals;
	struct watch *w;
	int i;

	for (w = outer->tables; w; w = w->next) {
		if (w->pa == table && w->level == level && w->base == base && !w->unlinked)
			break;
	}
	vals.nr = 0;
	if (w)
		word_values(w, index, &vals);
	if (!vals.nr)
		fail("smmu %d: stage 2 has no table for the descriptor at %#llx", s->id,
		     (unsigned long long)page);
	for (i = 0; i < vals.nr; i++) {
		pte = vals.v[i];
		if (is_table(pte, level))
			check_fetch(s, outer, page, pte & ADDR_MASK, level + 1,
				    base + index * span);
		else if (level < 3 || !is_leaf(pte, 3) || (pte & ADDR_MASK) != page ||
			 !pte_readable(outer, pte) || pte_writable(outer, pte) || !BITS(pte, 5, 4))
			fail("smmu %d: stage 2 leads to the descriptor at %#llx by %#llx", s->id,
			     (unsigned long long)page, (unsigned long long)pte);
	}
}

/* All of the page is one descriptor. */
static bool is_one_cd(const u64 *page, bool or_none)
{
	int i, at = -1;

	for (i = 0; i < PTES; i++) {
		if (at < 0 && i % 8 == 0 && page[i] & BIT(31) && page[i] & BIT(41))
			at = i;
		else if (page[i] && (at < 0 || i > at + 3))
			return false;
	}

	return at >= 0 || or_none;
}

bool smmu_lent(u64 pa)
{
	u64 page = pa & ~(ENV_PAGE - 1);
	struct smmu *s;
	struct ctx *ctx;
	struct watch *w;

	/* An SMMU that snoops needs none in memory. */
	if (!env_el2_owns(page / ENV_PAGE) || !is_one_cd(env_cpu(page), false) ||
	    !is_one_cd(env_poc(page), true))
		return false;
	/* It has no other use. */
	for (s = smmus; s < smmus + nr_smmus; s++) {
		for (w = s->config; w; w = w->next) {
			if (w->pa == page && w->kind != CDS)
				return false;
		}
		for (ctx = s->ctxs; ctx; ctx = ctx->next) {
			for (w = ctx->tables; w; w = w->next) {
				if (w->pa == page && !w->unlinked)
					return false;
			}
		}
	}

	return true;
}

void smmu_invalidating(int cpu, u64 domain, u64 addr, u64 size, bool leaf)
{
	struct smmu *s;
	struct ctx *ctx;

	for (s = smmus; s < smmus + nr_smmus; s++) {
		for (ctx = s->ctxs; ctx; ctx = ctx->next) {
			if (!ctx->outer || !ctx->reached || ctx->domain != domain)
				continue;
			/* Without a range, one of a single address does not do. */
			ctx->inv[cpu].start = size ? addr : 0;
			ctx->inv[cpu].end = size ? addr + size : ~0ULL;
			ctx->inv[cpu].leaf = leaf;
		}
	}
}

void smmu_invalidated(int cpu, bool done)
{
	struct smmu *s;
	struct ctx *ctx;

	for (s = smmus; s < smmus + nr_smmus; s++) {
		for (ctx = s->ctxs; ctx; ctx = ctx->next) {
			struct inv *inv = &ctx->inv[cpu];

			if (done && inv->start != inv->end)
				fail("smmu %d: from %#llx on, domain %llu was not invalidated", s->id,
				     (unsigned long long)inv->start,
				     (unsigned long long)ctx->domain);
			inv->start = inv->end;
		}
	}
}

static void add_cd(struct smmu *s, u32 sid, u64 pa)
{
	int i;

	for (i = 0; i < s->nr_cds; i++) {
		if (s->cds[i].sid == sid && s->cds[i].pa == pa)
			return;
	}
	if (s->nr_cds == COUNT(s->cds))
		fail("smmu %d: too many context descriptors", s->id);
	s->cds[s->nr_cds].sid = sid;
	s->cds[s->nr_cds].root = 0;
	s->cds[s->nr_cds++].pa = pa;
}

void drop_cds(struct smmu *s, u32 sid, bool all)
{
	int i, kept = 0;

	for (i = 0; i < s->nr_cds; i++) {
		if (!all && s->cds[i].sid != sid)
			s->cds[kept++] = s->cds[i];
	}
	s->nr_cds = kept;
}

/* Drop the context descriptors that no stream may use. */
void forget_cds(struct smmu *s)
{
	struct watch *w, **p = &s->config;
	int i;

	while ((w = *p)) {
		for (i = 0; i < s->nr_cds && s->cds[i].pa != w->base; i++)
			;
		if (w->kind != CDS || i < s->nr_cds) {
			p = &w->next;
			continue;
		}
		*p = w->next;
		free(w->stale);
		free(w);
	}
}

/*
 * The root of a table of stage 2, from the fields T0SZ, SL0 and TG0. False if it is illegal: a
 * level has to fit the size: more than one entry, at most 16 tables; the highest one only if
 * addresses can have 44 bits, 42 with pages of 16 KiB (DDI 0487, VTCR_EL2.SL0).
 */
bool stage2_root(struct smmu *s, u64 t0sz, u64 sl0, u64 tg0, u64 base, struct root *root)
{
	/* SL0 counts from level 2 up with 4 KiB, and from level 3 up with the other sizes. */
	int first = ENV_PAGE_SHIFT == 12 ? 2 : 3, level = first - (int)sl0;
	int bits = 64 - t0sz, table = level_shift(level) + TABLE_BITS;

	if (!s->c.s2 || tg0 != GRANULE || bits > 48 || bits < 25 || level < first - 2 ||
	    bits <= level_shift(level) || bits > table + 4 ||
	    (level == first - 2 && s->c.oas < (ENV_PAGE_SHIFT == 14 ? 42 : 44)))
		return false;
	/* Tables that are concatenated are aligned to the size of all: the rest is ignored. */
	if (bits > table)
		base &= ~(ENV_PAGE * BIT(bits - table) - 1);
	*root = (struct root) { base, level, bits };

	return true;
}

/* Stage 2 of a stream table entry, or NULL if it is illegal. */
static struct ctx *stage2(struct smmu *s, struct entry *e, u64 domain)
{
	struct root root;
	struct ctx *ctx;

	/* AArch64, little endian (5.2). */
	if (!(e->w[2] & BIT(51)) || e->w[2] & BIT(52) ||
	    !stage2_root(s, BITS(e->w[2], 37, 32), BITS(e->w[2], 39, 38), BITS(e->w[2], 47, 46),
			 e->w[3] & 0x000ffffffffffff0ULL, &root))
		return NULL;
	if (e->w[2] & BIT(57))
		fail("smmu %d: a stream table entry stalls", s->id);
	ctx = found_ctx(s, true, BITS(e->w[2], 15, 0), &root, domain);
	/* Of the identity domain, all entries have the same stage 2, and one VMID; less S2PTW. */
	if (!ctx->domain && !s->identity[0]) {
		s->identity[0] = e->w[2] & ~BIT(54);
		s->identity[1] = e->w[3];
	}
	if (!ctx->domain &&
	    (s->identity[0] != (e->w[2] & ~BIT(54)) || s->identity[1] != e->w[3]))
		fail("smmu %d: the identity domain is at %#llx with %#llx, but was with %#llx",
		     s->id, (unsigned long long)e->w[3], (unsigned long long)e->w[2],
		     (unsigned long long)s->identity[0]);

	return ctx;
}

static void judge_ste(struct smmu *s, struct entry *e, void *arg)
{
	struct outcome *out = arg;
	int config = BITS(e->w[0], 3, 1), i;
	u64 pa, table, base;
	struct entry cd;

	if (!(e->w[0] & 1) || !(config & 4)) {
		out->blocked = true;
		return;
	}
	if (BITS(e->w[1], 29, 28))
		fail("smmu %d: a stream table entry enables ATS", s->id);
	/* SHCFG: 0 is non-shareable, which is right only if the field is ignored. */
	if (s->c.ovr && BITS(e->w[1], 45, 44) != 1)
		fail("smmu %d: a stream table entry overrides shareability", s->id);

	out->outer = NULL;
	if (config & 2) {
		out->outer = stage2(s, e, config & 1 ? 0 : smmu_attaching);
		if (!out->outer) {
			out->blocked = true;
			return;
		}
	}
	switch (config) {
	case 4:
		out->bypass = true;
		break;
	case 7:
		if (out->outer->domain)
			fail("smmu %d: a stream table entry nests in domain %llu", s->id,
			     (unsigned long long)out->outer->domain);
		if (!(e->w[2] & BIT(54)))
			fail("smmu %d: stage 1 may be walked in device memory", s->id);
		pa = e->w[0] & 0x00fffffffffff000ULL;
		for (i = 0; i < out->outer->nr_roots; i++) {
			table = root_table(&out->outer->roots[i], pa, &base);
			check_fetch(s, out->outer, pa, table, out->outer->roots[i].level, base);
		}
		__attribute__((fallthrough));
	case 5:
		if (!s->c.s1) {
			out->blocked = true;
			break;
		}
		if (BITS(e->w[0], 63, 59))
			fail("smmu %d: a stream table entry has substreams", s->id);
		if (BITS(e->w[1], 31, 30))
			fail("smmu %d: a stream table entry is not of EL1", s->id);
		pa = e->w[0] & 0x00ffffffffffffc0ULL;
		add_cd(s, out->sid, pa);
		/* A cached descriptor of the stream is used, whatever its entry points to. */
		for (i = 0; i < s->nr_cds; i++) {
			pa = s->cds[i].pa;
			out->cd = i;
			if (s->cds[i].sid == out->sid)
				combine(config_watch(s, CDS, pa & ~(ENV_PAGE - 1), pa),
					pa % ENV_PAGE / 8, &cd, 0, out->outer ? 4 : 2, judge_cd, s, out);
		}
		break;
	case 6:
		count_ctx(out, out->outer);
		break;
	}
}

struct outcome v3_judge(struct smmu *s, u32 sid)
{
	struct outcome out = { .sid = sid };
	struct entry e;
	u64 pas[MAX_VALUES];
	bool none;
	int i, nr;

	if (s->boot_config && enabled(s))
		out.bypass = true;
	if (!enabled(s)) {
		if (!(REG(s, GBPA) & GBPA_ABORT))
			out.bypass = true;
		out.blocked = true;
		return out;
	}
	if (sid >> v3_table_bits(s)) {
		out.blocked = true;
		return out;
	}
	nr = ste_pages(s, sid, pas, &none);
	if (none)
		out.blocked = true;
	for (i = 0; i < nr; i++) {
		unsigned int in_page = sid % page_stes(s);

		combine(config_watch(s, STES, pas[i], sid - in_page), in_page * 8, &e, 0, 8,
			judge_ste, s, &out);
	}

	return out;
}

/* After a change of the configuration: find out which streams reach which tables. */
void v3_judge_all(struct smmu *s)
{
	struct ctx *ctx;
	int i;

	for (ctx = s->ctxs; ctx; ctx = ctx->next)
		ctx->reached = false;
	for (i = 0; i < s->nr_sids; i++) {
		struct outcome out = v3_judge(s, s->sids[i]);

		if (out.bypass)
			fail("smmu %d: stream %#x may bypass", s->id, s->sids[i]);
		/* Certainly blocked: skip the stream until its entry changes. */
		if (!out.ctx)
			s->sids[i--] = s->sids[--s->nr_sids];
	}
	for (ctx = s->ctxs; ctx; ctx = ctx->next)
		ctx->live = ctx->reached;
}

static bool observe_config(struct smmu *s, u64 pa)
{
	struct watch *w;
	bool changed = false;
	int i;

	for (w = s->config; w; w = w->next) {
		if (pa != SMMU_EVERYTHING && (pa & ~(ENV_PAGE - 1)) != w->pa)
			continue;
		if (!memcmp(env_cpu(w->pa), w->seen[0], ENV_PAGE) &&
		    (s->c.coherent || !memcmp(env_poc(w->pa), w->seen[1], ENV_PAGE)))
			continue;
		if (w->kind == CDS && !memcmp((char *)env_cpu(w->pa) + w->base % ENV_PAGE,
					      (char *)w->seen[0] + w->base % ENV_PAGE, 64) &&
		    !memcmp((char *)env_poc(w->pa) + w->base % ENV_PAGE,
			    (char *)w->seen[1] + w->base % ENV_PAGE, 64))
			continue;
		for (i = 0; i < PTES; i++) {
			if (w->seen[0][i] == env_cpu(w->pa)[i])
				continue;
			if (w->kind == STES)
				add_sid(s, w->base + i / 8);
			/* A table is linked: the first leads to all of its entries. */
			if (w->kind == L1STD)
				add_sid(s, (w->base + i) << strtab_split(s));
		}
		observe_watch(s, w);
		changed = true;
	}

	return changed;
}

void v3_observe(struct smmu *s, u64 pa)
{
	if (s->strtab && observe_config(s, pa) && enabled(s))
		v3_judge_all(s);
}
