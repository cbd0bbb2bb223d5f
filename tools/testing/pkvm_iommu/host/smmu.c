// SPDX-License-Identifier: GPL-2.0
/* A software SMMUv3 that caches all that it may, see smmu.h. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "env.h"
#include "smmu.h"

typedef uint64_t u64;
typedef uint32_t u32;
typedef uint16_t u16;

#define BIT(n)		(1ULL << (n))
#define BITS(v, hi, lo)	(((v) >> (lo)) & (~0ULL >> (63 - ((hi) - (lo)))))
#define COUNT(a)	(sizeof(a) / sizeof((a)[0]))

/* Registers (6.2). */
#define IDR0		0x00
#define IDR1		0x04
#define IDR3		0x0c
#define IDR5		0x14
#define CR0		0x20
#define CR0ACK		0x24
#define CR1		0x28
#define CR2		0x2c
#define GBPA		0x44
#define IRQ_CTRL	0x50
#define IRQ_CTRLACK	0x54
#define GERROR		0x60
#define GERRORN		0x64
#define GERROR_IRQ_CFG0	0x68
#define STRTAB_BASE	0x80
#define STRTAB_BASE_CFG	0x88
#define CMDQ_BASE	0x90
#define CMDQ_PROD	0x98
#define CMDQ_CONS	0x9c
#define EVTQ_BASE	0xa0
#define EVTQ_IRQ_CFG0	0xb0
#define EVTQ_PROD	0x100a8
#define EVTQ_CONS	0x100ac
#define REGS		0x100b0

#define CR0_SMMUEN	BIT(0)
#define CR0_PRIQEN	BIT(1)
#define CR0_EVTQEN	BIT(2)
#define CR0_CMDQEN	BIT(3)
#define CR0_ATSCHK	BIT(4)
#define GBPA_ABORT	BIT(20)
#define GBPA_UPDATE	BIT(31)
#define GERR_CMDQ	BIT(0)
#define OVERFLOW	BIT(31)
#define MSI_ADDR	0x000ffffffffffffcULL

#define ADDR_MASK	0x0000fffffffff000ULL	/* of an output address, 4K */

/*
 * A page that the SMMU reads: part of its stream table, a context descriptor,
 * or a page table. @seen is what it held when we last looked, in the CPU's view
 * and at the point of coherency.
 */
enum kind { L1STD, STES, CDS, TABLE };

struct stale {
	u16 index;
	u64 val;
};

struct watch {
	u64 pa;
	enum kind kind;
	u64 base;		/* first sid, L1 index, or input address */
	int level;		/* TABLE */
	struct ctx *ctx;	/* TABLE */
	bool unlinked;		/* nobody walks it: only what was cached is left */
	bool changed;		/* since it was checked */
	u64 seen[2][512];
	struct stale *stale;
	int nr_stale, max_stale;
	struct watch *next;
};

/* What translations are tagged with, and the tables that were seen with it. */
struct root {
	u64 pa;
	int level, bits;
};

struct ctx {
	bool s2;
	u16 tag;
	u64 domain;		/* of the ATTACH that let a stream through it first */
	bool live;		/* and a stream has it still */
	bool reached;		/* by a configuration that it may have now */
	bool filled;		/* there may be cached translations */
	struct root roots[8];
	int nr_roots;
	struct watch *tables;
	struct ctx *next;
};

struct cmd {
	u64 w[2];
};

struct smmu {
	struct smmu_config c;
	int id;
	bool taken;		/* the registers are EL2's */
	u64 reg[REGS / 4];	/* 64-bit ones in the even slot */
	unsigned int wait[4];	/* until CR0, IRQ_CTRL, GBPA, the queue act */
	struct watch *config;	/* stream table and context descriptors */
	struct ctx *ctxs;
	struct cmd pending[1024];	/* consumed since the last sync */
	int nr_pending;
	u32 sids[4096];		/* that may translate */
	int nr_sids;
	/* Context descriptors, by stream: cached apart from the entries. */
	struct {
		u32 sid;
		u64 pa;
	} cds[4096];
	int nr_cds;
	bool boot_config, boot_tlb, boot_el2;	/* stale since before boot */
	bool cmd_error;
	bool strtab;		/* the table is set up and watched */
};

static struct smmu smmus[SMMU_MAX];
static int nr_smmus;
struct smmu_stats smmu_stats;
void (*smmu_range)(u64 pa, u64 size, bool *must, bool *never);
bool (*smmu_mapping)(u64 domain, u64 iova, u64 size, struct smmu_map *map);
u64 smmu_attaching;
u64 smmu_limit;

#define REG(s, r)	((s)->reg[(r) / 4])

static bool enabled(struct smmu *s)
{
	return REG(s, CR0ACK) & CR0_SMMUEN;
}

/* Words and their possible values. */

#define MAX_VALUES	64

struct values {
	u64 v[MAX_VALUES];
	int nr;
};

static void add_value(struct values *vals, u64 v)
{
	int i;

	for (i = 0; i < vals->nr; i++) {
		if (vals->v[i] == v)
			return;
	}
	if (vals->nr == MAX_VALUES)
		fail("more than %d values of a word: nothing is invalidated", MAX_VALUES);
	vals->v[vals->nr++] = v;
}

static void word_values(struct watch *w, int index, struct values *vals)
{
	int i;

	vals->nr = 0;
	if (!w->unlinked) {
		add_value(vals, w->seen[0][index]);
		add_value(vals, w->seen[1][index]);
	}
	for (i = 0; i < w->nr_stale; i++) {
		if (w->stale[i].index == index)
			add_value(vals, w->stale[i].val);
	}
}

static void add_stale(struct watch *w, int index, u64 val)
{
	int i;

	for (i = 0; i < w->nr_stale; i++) {
		if (w->stale[i].index == index && w->stale[i].val == val)
			return;
	}
	if (w->nr_stale == w->max_stale) {
		w->max_stale = w->max_stale * 2 + 8;
		w->stale = realloc(w->stale, w->max_stale * sizeof(*w->stale));
	}
	w->stale[w->nr_stale++] = (struct stale) { index, val };
	smmu_stats.stale++;
}

static void drop_stale(struct watch *w, int first, int last)
{
	int i, kept = 0;

	for (i = 0; i < w->nr_stale; i++) {
		if (w->stale[i].index < first || w->stale[i].index > last)
			w->stale[kept++] = w->stale[i];
	}
	w->nr_stale = kept;
}

static void check_owned(struct smmu *s, u64 pa, const char *what)
{
	if (!env_el2_owns(pa / ENV_PAGE))
		fail("smmu %d: %s at %#llx, which EL2 does not own", s->id, what,
		     (unsigned long long)pa);
}

/* Page tables. Levels are 0 to 3, entries 8 bytes, the granule 4K. */

static int level_shift(int level)
{
	return 12 + 9 * (3 - level);
}

static bool is_table(u64 pte, int level)
{
	return level < 3 && (pte & 3) == 3;
}

static bool is_leaf(u64 pte, int level)
{
	return level == 3 ? (pte & 3) == 3 : (pte & 3) == 1 && level;
}

static bool pte_readable(struct ctx *ctx, u64 pte)
{
	if (!(pte & BIT(10)))		/* access flag */
		return false;

	return ctx->s2 ? pte & BIT(6) : true;
}

static bool pte_writable(struct ctx *ctx, u64 pte)
{
	if (!(pte & BIT(10)))
		return false;

	return ctx->s2 ? pte & BIT(7) : !(pte & BIT(7));
}

static bool interesting(u64 start, u64 size)
{
	int i;

	if (start < ENV_END && start + size > ENV_RAM0)
		return true;
	for (i = 0; i < nr_smmus; i++) {
		if (start < smmus[i].c.base + smmus[i].c.size &&
		    start + size > smmus[i].c.base)
			return true;
	}

	return false;
}

static void add_table(struct smmu *s, struct ctx *ctx, u64 pa, int level, u64 base);

static void follow(struct smmu *s, struct watch *w, int index, u64 val)
{
	u64 size = BIT(level_shift(w->level)), base = w->base + index * size;

	/* A root may be less than a page. */
	if (base < smmu_limit && is_table(val, w->level) &&
	    (w->ctx->domain || interesting(base, size)))
		add_table(s, w->ctx, val & ADDR_MASK, w->level + 1, base);
}

static void add_table(struct smmu *s, struct ctx *ctx, u64 pa, int level, u64 base)
{
	struct watch *w;
	int i, v;

	for (w = ctx->tables; w; w = w->next) {
		if (w->pa == pa && w->level == level && w->base == base && !w->unlinked)
			return;
	}
	check_owned(s, pa, "page table");
	w = calloc(1, sizeof(*w));
	*w = (struct watch) { .pa = pa, .kind = TABLE, .base = base, .level = level,
			      .ctx = ctx, .next = ctx->tables, .changed = true };
	ctx->tables = w;
	memcpy(w->seen[0], env_cpu(pa), ENV_PAGE);
	memcpy(w->seen[1], s->c.coherent ? env_cpu(pa) : env_poc(pa), ENV_PAGE);
	for (i = 0; i < 512; i++) {
		for (v = 0; v < 2; v++)
			follow(s, w, i, w->seen[v][i]);
	}
}

static void free_watches(struct watch **list)
{
	struct watch *w;

	while ((w = *list)) {
		*list = w->next;
		free(w->stale);
		free(w);
	}
}

/* Of the page of a context descriptor, only that is the SMMU's. */
static bool has_word(struct watch *w, int index)
{
	return w->kind != CDS || index / 8 == w->base % ENV_PAGE / 64;
}

/* What is at hand may have been read, and what changed may be remembered. */
static void observe_watch(struct smmu *s, struct watch *w)
{
	const u64 *now[2] = { env_cpu(w->pa), s->c.coherent ? env_cpu(w->pa) : env_poc(w->pa) };
	bool cached = w->kind == TABLE ? w->ctx->filled : enabled(s);
	int i, v;

	if (w->unlinked)
		return;
	for (v = 0; v < (s->c.coherent ? 1 : 2); v++) {
		if (!memcmp(now[v], w->seen[v], ENV_PAGE))
			continue;
		for (i = 0; i < 512; i++) {
			u64 old = w->seen[v][i];

			if (old == now[v][i] || !has_word(w, i))
				continue;
			w->changed = true;
			if (cached && (w->kind != TABLE || (old & 1)))
				add_stale(w, i, old);
			w->seen[v][i] = now[v][i];
			if (s->c.coherent)
				w->seen[1][i] = now[v][i];
			if (w->kind == TABLE)
				follow(s, w, i, now[v][i]);
		}
	}
}

/* Configuration: which entries a stream may have, and what they say. */

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
	for (i = 0; kind == STES && i < 64; i++) {
		if (w->seen[0][i * 8] | w->seen[1][i * 8])
			add_sid(s, base + i);
	}

	return w;
}

static bool two_level(struct smmu *s)
{
	return BITS(REG(s, STRTAB_BASE_CFG), 17, 16) == 1;
}

static unsigned int split(struct smmu *s)
{
	return BITS(REG(s, STRTAB_BASE_CFG), 10, 6);
}

unsigned int smmu_table_bits(int id)
{
	return BITS(REG(&smmus[id], STRTAB_BASE_CFG), 5, 0);
}

static u64 strtab(struct smmu *s)
{
	return REG(s, STRTAB_BASE) & 0x000fffffffffffc0ULL;
}

/*
 * The pages that may hold the entry of @sid. Returns how many, and whether
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
		pas[0] = (strtab(s) + sid * 64ULL) & ~(ENV_PAGE - 1);
		return 1;
	}
	index = sid >> split(s);
	pa = strtab(s) + index * 8;
	l1 = config_watch(s, L1STD, pa & ~(ENV_PAGE - 1), index & ~511ULL);
	word_values(l1, index % 512, &vals);
	for (i = 0; i < vals.nr; i++) {
		u64 span = vals.v[i] & 0x1f, l2 = vals.v[i] & 0x000fffffffffffc0ULL;

		if (!span) {
			*none = true;
			continue;
		}
		if (span != split(s) + 1)
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
		/* Without V, the rest is not looked at. */
		if (!word && !(vals.v[i] & (w->kind == CDS ? BIT(31) : 1)))
			fn(s, e, arg);
		else
			combine(w, index, e, word + 1, nr, fn, s, arg);
	}
}

struct outcome {
	u32 sid;
	bool blocked, bypass;
	struct ctx *ctx;	/* the last one found */
	int nr_ctx;
};

static void found_ctx(struct smmu *s, struct outcome *out, bool s2, u16 tag,
		      u64 pa, int level, int bits)
{
	struct ctx *ctx;
	int i;

	for (ctx = s->ctxs; ctx; ctx = ctx->next) {
		if (ctx->s2 == s2 && ctx->tag == tag)
			break;
	}
	if (!ctx) {
		ctx = calloc(1, sizeof(*ctx));
		*ctx = (struct ctx) { .s2 = s2, .tag = tag, .next = s->ctxs };
		s->ctxs = ctx;
	}
	if (!ctx->live)
		ctx->domain = smmu_attaching;
	ctx->live = true;
	for (i = 0; i < ctx->nr_roots; i++) {
		if (ctx->roots[i].pa == pa && ctx->roots[i].level == level &&
		    ctx->roots[i].bits == bits)
			break;
	}
	if (i == ctx->nr_roots) {
		if (i == COUNT(ctx->roots))
			fail("smmu %d: tag %d has %d tables", s->id, tag, i);
		ctx->roots[ctx->nr_roots++] = (struct root) { pa, level, bits };
		add_table(s, ctx, pa, level, 0);
	}
	ctx->reached = true;
	ctx->filled = true;
	if (out->ctx != ctx)
		out->nr_ctx++;
	out->ctx = ctx;
}

/* Levels and size of a table with @bits of input; concatenation is not used. */
static int start_level(int bits)
{
	return 4 - (bits - 12 + 8) / 9;
}

static void judge_cd(struct smmu *s, struct entry *e, void *arg)
{
	struct outcome *out = arg;
	int bits = 64 - BITS(e->w[0], 5, 0);

	/* V, AArch64, 4K, little endian, an input size that exists (5.4). */
	if (!(e->w[0] & BIT(31)) || !(e->w[0] & BIT(41)) || BITS(e->w[0], 7, 6) ||
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
	found_ctx(s, out, false, BITS(e->w[0], 63, 48), e->w[1] & 0x000ffffffffffff0ULL,
		  start_level(bits), bits);
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
	s->cds[s->nr_cds++].pa = pa;
}

static void drop_cds(struct smmu *s, u32 sid, bool all)
{
	int i, kept = 0;

	for (i = 0; i < s->nr_cds; i++) {
		if (!all && s->cds[i].sid != sid)
			s->cds[kept++] = s->cds[i];
	}
	s->nr_cds = kept;
}

/* Descriptors that no stream has, in whatever way, are of no interest. */
static void forget_cds(struct smmu *s)
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

static void judge_ste(struct smmu *s, struct entry *e, void *arg)
{
	struct outcome *out = arg;
	int config = BITS(e->w[0], 3, 1), bits, level, i;
	struct entry cd;
	u64 pa;

	if (!(e->w[0] & 1) || !(config & 4)) {
		out->blocked = true;
		return;
	}
	if (BITS(e->w[1], 29, 28))
		fail("smmu %d: a stream table entry enables ATS", s->id);
	/* SHCFG: 0 is non-shareable, and is right only where it is ignored. */
	if (s->c.ovr && BITS(e->w[1], 45, 44) != 1)
		fail("smmu %d: a stream table entry overrides shareability", s->id);

	switch (config) {
	case 4:
		out->bypass = true;
		break;
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
		/* What is cached for the stream serves whatever its entry says. */
		for (i = 0; i < s->nr_cds; i++) {
			pa = s->cds[i].pa;
			if (s->cds[i].sid == out->sid)
				combine(config_watch(s, CDS, pa & ~(ENV_PAGE - 1), pa),
					pa % ENV_PAGE / 8, &cd, 0, 2, judge_cd, s, out);
		}
		break;
	case 6:
		bits = 64 - BITS(e->w[2], 37, 32);
		level = 2 - (int)BITS(e->w[2], 39, 38);
		/* AArch64, 4K, little endian, a level that fits the size (5.2). */
		if (!s->c.s2 || !(e->w[2] & BIT(51)) || BITS(e->w[2], 47, 46) ||
		    e->w[2] & BIT(52) || bits > 48 || bits < 25 || level < 0 ||
		    level != start_level(bits)) {
			out->blocked = true;
			break;
		}
		if (e->w[2] & BIT(57))
			fail("smmu %d: a stream table entry stalls", s->id);
		found_ctx(s, out, true, BITS(e->w[2], 15, 0),
			  e->w[3] & 0x000ffffffffffff0ULL, level, bits);
		break;
	case 7:
		fail("smmu %d: a stream table entry nests", s->id);
	}
}

static struct outcome judge_stream(struct smmu *s, u32 sid)
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
	if (sid >> smmu_table_bits(s->id)) {
		out.blocked = true;
		return out;
	}
	nr = ste_pages(s, sid, pas, &none);
	if (none)
		out.blocked = true;
	for (i = 0; i < nr; i++) {
		unsigned int per_page = ENV_PAGE / 64, in_page = sid % per_page;

		combine(config_watch(s, STES, pas[i], sid - in_page), in_page * 8, &e, 0, 8,
			judge_ste, s, &out);
	}

	return out;
}

/* After a change of the configuration: who reaches which tables now? */
static void judge_all(struct smmu *s)
{
	struct ctx *ctx;
	int i;

	for (ctx = s->ctxs; ctx; ctx = ctx->next)
		ctx->reached = false;
	for (i = 0; i < s->nr_sids; i++) {
		struct outcome out = judge_stream(s, s->sids[i]);

		if (out.bypass)
			fail("smmu %d: stream %#x may bypass", s->id, s->sids[i]);
		/* Blocked for certain: of no interest until its entry changes. */
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
		    !memcmp(env_poc(w->pa), w->seen[1], ENV_PAGE))
			continue;
		if (w->kind == CDS && !memcmp((char *)env_cpu(w->pa) + w->base % ENV_PAGE,
					      (char *)w->seen[0] + w->base % ENV_PAGE, 64) &&
		    !memcmp((char *)env_poc(w->pa) + w->base % ENV_PAGE,
			    (char *)w->seen[1] + w->base % ENV_PAGE, 64))
			continue;
		for (i = 0; i < 512; i++) {
			if (w->seen[0][i] == env_cpu(w->pa)[i])
				continue;
			if (w->kind == STES)
				add_sid(s, w->base + i / 8);
			/* A table is linked: the first leads to all of its entries. */
			if (w->kind == L1STD)
				add_sid(s, (w->base + i) << split(s));
		}
		observe_watch(s, w);
		changed = true;
	}

	return changed;
}

static void observe(struct smmu *s, u64 pa)
{
	struct ctx *ctx;
	struct watch *w;

	if (!s->strtab)
		return;
	if (observe_config(s, pa) && enabled(s))
		judge_all(s);
	for (ctx = s->ctxs; ctx; ctx = ctx->next) {
		for (w = ctx->tables; w; w = w->next) {
			if (pa == SMMU_EVERYTHING || (pa & ~(ENV_PAGE - 1)) == w->pa)
				observe_watch(s, w);
		}
	}
}

void smmu_observe_all(u64 pa)
{
	int i;

	for (i = 0; i < nr_smmus; i++)
		observe(&smmus[i], pa);
}

/* Invalidation: takes effect at the CMD_SYNC that follows. */

/* Tables of @ctx as memory has them now, with nothing remembered. */
static void refill(struct smmu *s, struct ctx *ctx)
{
	free_watches(&ctx->tables);
	ctx->nr_roots = 0;
	ctx->filled = false;
	ctx->reached = false;
}

static void inv_ctx(struct smmu *s, struct ctx *ctx, bool globals_stay)
{
	struct watch *w;
	int i;

	/* Global entries are not tagged with an address space. */
	for (w = globals_stay ? ctx->tables : NULL; w; w = w->next) {
		for (i = 0; i < w->nr_stale; i++) {
			if (is_leaf(w->stale[i].val, w->level) && !(w->stale[i].val & BIT(11)))
				return;
		}
	}
	refill(s, ctx);
}

/*
 * Find the tables that nothing leads to any more, now that no pointer to them
 * is remembered. What they translated may still be: all but [@addr, @addr + @size).
 */
static void sweep(struct smmu *s, struct ctx *ctx, u64 addr, u64 size)
{
	struct watch *w, *old = ctx->tables;
	int i, v;

	ctx->tables = NULL;
	for (i = 0; i < ctx->nr_roots; i++)
		add_table(s, ctx, ctx->roots[i].pa, ctx->roots[i].level, 0);
	/* @old has the memory of each: follow that, and put it in place. */
	for (w = old; w; w = w->next) {
		for (i = 0; i < w->nr_stale; i++)
			follow(s, w, w->stale[i].index, w->stale[i].val);
	}
	while ((w = old)) {
		struct watch *new;
		u64 span = BIT(level_shift(w->level));

		old = w->next;
		for (new = ctx->tables; new; new = new->next) {
			if (new->pa == w->pa && new->level == w->level && new->base == w->base &&
			    !new->unlinked)
				break;
		}
		for (i = 0; !new && !w->unlinked && i < 512; i++) {
			u64 start = w->base + i * span;

			for (v = 0; v < 2; v++) {
				if (is_leaf(w->seen[v][i], w->level) &&
				    (start + span <= addr || start >= addr + size))
					add_stale(w, i, w->seen[v][i]);
			}
		}
		if (new) {
			for (i = 0; i < w->nr_stale; i++)
				add_stale(new, w->stale[i].index, w->stale[i].val);
		} else if (w->nr_stale) {
			w->unlinked = w->changed = true;
			w->next = ctx->tables;
			ctx->tables = w;
			continue;
		}
		free(w->stale);
		free(w);
	}
}

static void inv_addr(struct smmu *s, struct ctx *ctx, u64 addr, u64 size, bool leaf)
{
	struct watch *w;
	int i, kept;

	for (w = ctx->tables; w; w = w->next) {
		u64 span = BIT(level_shift(w->level));

		for (i = kept = 0; i < w->nr_stale; i++) {
			u64 start = w->base + w->stale[i].index * span;

			if (start < addr + size && start + span > addr &&
			    (!leaf || is_leaf(w->stale[i].val, w->level)))
				continue;
			w->stale[kept++] = w->stale[i];
		}
		w->nr_stale = kept;
	}
	if (!leaf)
		sweep(s, ctx, addr, size);
}

/* Range commands, with IDR3.RIL (4.4.1.1): NUM, SCALE and TG; TG is 4K, or there is none. */
static bool is_range(struct cmd *c)
{
	return BITS(c->w[1], 11, 10);
}

static u64 inv_size(struct cmd *c)
{
	u64 pages = 1;

	if (is_range(c))
		pages = (BITS(c->w[0], 16, 12) + 1) << BITS(c->w[0], 24, 20);

	return pages * ENV_PAGE;
}

static void apply(struct smmu *s, struct cmd *c)
{
	u32 sid = BITS(c->w[0], 63, 32), first, last;
	u16 asid = BITS(c->w[0], 63, 48), vmid = BITS(c->w[0], 47, 32);
	u64 addr = c->w[1] & ~(ENV_PAGE - 1);
	bool leaf = c->w[1] & 1;
	struct ctx *ctx;
	struct watch *w;
	unsigned int range;

	smmu_stats.invalidations++;
	switch (c->w[0] & 0xff) {
	case 0x03:	/* CFGI_STE; without Leaf, its L1 too */
		for (w = s->config; w; w = w->next) {
			if (w->kind == STES && sid / 64 == w->base / 64)
				drop_stale(w, sid % 64 * 8, sid % 64 * 8 + 7);
			if (w->kind == L1STD && !leaf && (sid >> split(s)) / 512 == w->base / 512)
				drop_stale(w, (sid >> split(s)) % 512, (sid >> split(s)) % 512);
		}
		break;
	case 0x04:	/* CFGI_STE_RANGE; all of them with 31 */
		range = c->w[1] & 0x1f;
		first = range == 31 ? 0 : sid & ~(BIT(range + 1) - 1);
		last = range == 31 ? ~0U : first + BIT(range + 1) - 1;
		for (w = s->config; w; w = w->next) {
			if (range == 31 || (w->base >= first && w->base + 63 <= last))
				drop_stale(w, 0, 511);
		}
		if (range == 31) {
			s->boot_config = false;
			drop_cds(s, 0, true);
		}
		break;
	case 0x05:	/* CFGI_CD */
	case 0x06:	/* CFGI_CD_ALL */
		for (w = s->config; w; w = w->next) {
			if (w->kind == CDS)
				drop_stale(w, 0, 511);
		}
		drop_cds(s, sid, false);
		break;
	case 0x20:	/* TLBI_EL2_ALL */
		s->boot_el2 = false;
		break;
	case 0x30:	/* TLBI_NSNH_ALL */
		s->boot_tlb = false;
		for (ctx = s->ctxs; ctx; ctx = ctx->next)
			refill(s, ctx);
		break;
	case 0x10:	/* TLBI_NH_ALL */
	case 0x11:	/* TLBI_NH_ASID */
	case 0x12:	/* TLBI_NH_VA */
	case 0x28:	/* TLBI_S12_VMALL */
	case 0x2a:	/* TLBI_S2_IPA */
		for (ctx = s->ctxs; ctx; ctx = ctx->next) {
			u32 op = c->w[0] & 0xff;

			/* Stage 1 has VMID 0 here; without stage 2 there is none. */
			if (ctx->s2 ? op < 0x28 || ctx->tag != vmid :
				      op == 0x2a || (s->c.s2 && vmid))
				continue;
			if (!ctx->s2 && (op == 0x11 || op == 0x12) && ctx->tag != asid)
				continue;
			if (op == 0x12 || op == 0x2a)
				inv_addr(s, ctx, addr, inv_size(c), leaf);
			else
				inv_ctx(s, ctx, op == 0x11);
		}
		break;
	}
}

/* Of one page and without a level, a range is illegal (4.4.1.1). */
static bool range_error(struct smmu *s, struct cmd *c)
{
	return s->c.ril && is_range(c) && inv_size(c) == ENV_PAGE && !BITS(c->w[1], 9, 8);
}

/* The error that the architecture has for a command, 0: none (7.1, 4). */
static int cmd_error(struct smmu *s, struct cmd *c)
{
	u32 op = c->w[0] & 0xff;

	if (c->w[0] & BIT(10))		/* SSec, in a non-secure queue */
		return 1;
	switch (op) {
	case 0x03: case 0x04: case 0x05: case 0x06:
	case 0x30: case 0x46:
		return 0;
	case 0x10: case 0x11: case 0x12:
		if (op == 0x12 && range_error(s, c))
			return 1;
		return s->c.s1 ? 0 : 1;
	case 0x20:
		return s->c.hyp ? 0 : 1;
	case 0x28: case 0x2a:
		if (op == 0x2a && range_error(s, c))
			return 1;
		return s->c.s2 ? 0 : 1;
	}

	return 1;
}

static void check_cmd(struct smmu *s, struct cmd *c)
{
	u32 op = c->w[0] & 0xff, cs = BITS(c->w[0], 13, 12);

	/* What is reserved, or would write to memory. */
	if (op == 0x46 && cs == 1)
		fail("smmu %d: CMD_SYNC with an interrupt", s->id);
	if ((op == 0x2a || op == 0x12) && (!s->c.ril || !is_range(c)) &&
	    (BITS(c->w[1], 11, 8) || BITS(c->w[0], 24, 12)))
		fail("smmu %d: range fields in a command without range", s->id);
	if ((op == 0x2a || op == 0x12) && BITS(c->w[1], 11, 10) > 1)
		fail("smmu %d: a range of a granule other than 4K", s->id);
	if ((op == 0x28 || op == 0x30 || op == 0x20) && c->w[1])
		fail("smmu %d: command %#x has stale bits %#llx", s->id, op,
		     (unsigned long long)c->w[1]);
}

static bool is_cfgi_cd(struct cmd *c)
{
	return (c->w[0] & 0xff) == 0x05 || (c->w[0] & 0xff) == 0x06;
}

static void consume(struct smmu *s)
{
	unsigned int bits = REG(s, CMDQ_BASE) & 0x1f;
	u32 mask = BIT(bits + 1) - 1, prod = REG(s, CMDQ_PROD) & mask;
	u32 cons = REG(s, CMDQ_CONS) & mask;
	u64 base = REG(s, CMDQ_BASE) & 0x000fffffffffffe0ULL;
	struct ctx *ctx;
	struct cmd c;
	int i, err;

	if (!(REG(s, CR0ACK) & CR0_CMDQEN) || (REG(s, GERROR) ^ REG(s, GERRORN)) & GERR_CMDQ)
		return;
	if (s->c.dead_sync)
		return;
	if (((prod - cons) & mask) > BIT(bits))
		fail("smmu %d: the command queue has overflowed", s->id);
	for (; cons != prod; cons = (cons + 1) & mask) {
		u64 pa = base + (cons & (BIT(bits) - 1)) * 16;

		REG(s, CMDQ_CONS) = cons;
		check_owned(s, pa, "command queue");
		memcpy(&c, (char *)(s->c.coherent ? env_cpu(pa & ~4095ULL) : env_poc(pa & ~4095ULL)) +
		       pa % 4096, sizeof(c));
		err = cmd_error(s, &c);
		if (!err && s->c.fetch_errors && !s->cmd_error && !smmu_random(s->c.fetch_errors))
			err = 2;	/* memory failed it for once */
		s->cmd_error = err;
		if (err) {
			REG(s, CMDQ_CONS) = cons | (u64)err << 24;
			REG(s, GERROR) ^= GERR_CMDQ;
			return;
		}
		check_cmd(s, &c);
		smmu_stats.commands++;
		if ((c.w[0] & 0xff) != 0x46) {
			if (s->nr_pending == COUNT(s->pending))
				fail("smmu %d: too many commands without CMD_SYNC", s->id);
			s->pending[s->nr_pending++] = c;
			continue;
		}
		smmu_stats.syncs++;
		/*
		 * In whatever order: descriptors go first, and are fetched once more
		 * through the entries that go then.
		 */
		for (i = 0; i < s->nr_pending; i++) {
			if (is_cfgi_cd(&s->pending[i]))
				apply(s, &s->pending[i]);
		}
		if (enabled(s))
			judge_all(s);
		for (i = 0; i < s->nr_pending; i++) {
			if (!is_cfgi_cd(&s->pending[i]))
				apply(s, &s->pending[i]);
		}
		s->nr_pending = 0;
		/* And at once it reads everything again. */
		if (enabled(s))
			judge_all(s);
		forget_cds(s);
		for (ctx = s->ctxs; ctx; ctx = ctx->next)
			smmu_stats.prefetches++;
	}
	REG(s, CMDQ_CONS) = cons;
}

/* Registers. */

static void set_strtab(struct smmu *s)
{
	unsigned int bits = smmu_table_bits(s->id);
	u64 size = two_level(s) ? BIT(bits - split(s)) * 8 : BIT(bits) * 64, pa;

	if (bits > s->c.sid_bits)
		fail("smmu %d: stream table of %u bits for %u", s->id, bits, s->c.sid_bits);
	if (two_level(s) && (!s->c.two_level || (split(s) != 6 && split(s) != 8 &&
						 split(s) != 10)))
		fail("smmu %d: stream table format %#llx", s->id,
		     (unsigned long long)REG(s, STRTAB_BASE_CFG));
	if (strtab(s) & (size - 1))
		fail("smmu %d: stream table is not aligned to its size", s->id);
	free_watches(&s->config);
	for (pa = strtab(s); pa < strtab(s) + size; pa += ENV_PAGE)
		check_owned(s, pa, "stream table");
	s->strtab = true;
}

/* A request is acknowledged after some looks, or never. */
static bool settled(struct smmu *s, int which, bool dead)
{
	if (dead)
		return false;
	if (s->wait[which] < s->c.latency) {
		s->wait[which]++;
		return false;
	}

	return true;
}

static u64 reg_read(struct smmu *s, u32 reg)
{
	switch (reg) {
	case CR0ACK:
		if (REG(s, CR0ACK) != REG(s, CR0) && settled(s, 0, s->c.dead_cr0)) {
			u64 old = REG(s, CR0ACK);

			REG(s, CR0ACK) = REG(s, CR0);
			if (~old & REG(s, CR0) & CR0_SMMUEN)
				set_strtab(s);
		}
		break;
	case IRQ_CTRLACK:
		if (settled(s, 1, s->c.dead_irq))
			REG(s, IRQ_CTRLACK) = REG(s, IRQ_CTRL);
		break;
	case GBPA:
		if (REG(s, GBPA) & GBPA_UPDATE && settled(s, 2, s->c.dead_gbpa))
			REG(s, GBPA) &= ~GBPA_UPDATE;
		break;
	case CMDQ_CONS:
		if (settled(s, 3, false))
			consume(s);
		break;
	}

	return REG(s, reg);
}

static void check_idle(struct smmu *s, u32 reg, u64 bit)
{
	if ((REG(s, CR0) | REG(s, CR0ACK)) & bit)
		fail("smmu %d: register %#x written while it is in use", s->id, reg);
}

static void reg_write(struct smmu *s, u32 reg, u64 val)
{
	u32 mask;

	switch (reg) {
	case CR0:
		if (REG(s, CR0) != REG(s, CR0ACK) && !s->c.dead_cr0)
			fail("smmu %d: CR0 written before it was acknowledged", s->id);
		/* No gap in which devices pass. */
		if (!(val & CR0_SMMUEN) && !(REG(s, GBPA) & GBPA_ABORT))
			fail("smmu %d: disabled without GBPA.ABORT", s->id);
		if (!(val & CR0_SMMUEN) && REG(s, GBPA) & GBPA_UPDATE)
			fail("smmu %d: disabled before GBPA was taken over", s->id);
		if (val & CR0_SMMUEN && s->c.ats && !(val & CR0_ATSCHK))
			fail("smmu %d: translated transactions are not checked", s->id);
		if (val & CR0_PRIQEN)
			fail("smmu %d: page requests enabled", s->id);
		s->wait[0] = 0;
		break;
	case CR1:
		check_idle(s, reg, CR0_SMMUEN | CR0_CMDQEN | CR0_EVTQEN);
		break;
	case CR2:
	case STRTAB_BASE:
	case STRTAB_BASE_CFG:
		check_idle(s, reg, CR0_SMMUEN);
		break;
	case CMDQ_BASE:
	case CMDQ_CONS:
		check_idle(s, reg, CR0_CMDQEN);
		break;
	case EVTQ_BASE:
	case EVTQ_PROD:
		check_idle(s, reg, CR0_EVTQEN);
		break;
	case IRQ_CTRL:
		s->wait[1] = 0;
		break;
	case GERROR_IRQ_CFG0:
	case EVTQ_IRQ_CFG0:
		if (val & MSI_ADDR)
			fail("smmu %d: interrupts as writes to memory", s->id);
		if (REG(s, IRQ_CTRLACK))
			fail("smmu %d: interrupt configured while enabled", s->id);
		break;
	case GBPA:
		if (REG(s, GBPA) & GBPA_UPDATE)
			fail("smmu %d: GBPA written during an update", s->id);
		if (!(val & GBPA_UPDATE))
			return;
		s->wait[2] = 0;
		break;
	case CMDQ_PROD:
		mask = BIT((REG(s, CMDQ_BASE) & 0x1f) + 1) - 1;
		if (REG(s, CR0ACK) & CR0_CMDQEN &&
		    ((val - REG(s, CMDQ_CONS)) & mask) > (mask + 1) / 2)
			fail("smmu %d: the command queue is full", s->id);
		s->wait[3] = 0;
		break;
	case IDR0:
	case IDR1:
	case IDR3:
	case IDR5:
	case CR0ACK:
	case IRQ_CTRLACK:
	case GERROR:
		fail("smmu %d: register %#x is read-only", s->id, reg);
	}
	REG(s, reg) = val;
	if (reg == IRQ_CTRL && val && s->c.msi &&
	    (REG(s, GERROR_IRQ_CFG0) | REG(s, EVTQ_IRQ_CFG0)) & MSI_ADDR)
		fail("smmu %d: interrupts enabled that write to memory", s->id);
	if (reg == CMDQ_PROD && !s->c.latency)
		consume(s);
}

/* Halves of the 64-bit registers are not modelled. */
static bool is_wide(u32 reg)
{
	return reg == STRTAB_BASE || reg == CMDQ_BASE || reg == EVTQ_BASE ||
	       reg == GERROR_IRQ_CFG0 || reg == EVTQ_IRQ_CFG0;
}

u64 smmu_mmio(u64 pa, bool write, u64 val, int size)
{
	struct smmu *s;
	u64 reg;

	for (s = smmus; s < smmus + nr_smmus; s++) {
		if (pa < s->c.base || pa >= s->c.base + s->c.size)
			continue;
		reg = pa - s->c.base;
		if (reg % size || reg >= REGS || (size == 8) != is_wide(reg))
			fail("smmu %d: access of %d bytes to register %#llx", s->id, size,
			     (unsigned long long)reg);
		if (write)
			reg_write(s, reg, val);
		else
			return reg_read(s, reg);
		return 0;
	}
	fail("access to registers at %#llx", (unsigned long long)pa);
}

int smmu_add(const struct smmu_config *config)
{
	static const int oas[] = { 32, 36, 40, 42, 44, 48, 52 };
	struct smmu *s = &smmus[nr_smmus];
	unsigned int i;

	s->c = *config;
	s->id = nr_smmus;
	/* IDR0 (6.3.1): little endian, 16-bit tags, no stall, AArch64. */
	REG(s, IDR0) = s->c.s2 | s->c.s1 << 1 | 2 << 2 | s->c.coherent << 4 |
		       s->c.hyp << 9 | s->c.ats << 10 | BIT(12) | s->c.msi << 13 |
		       BIT(18) | 2 << 21 | 1 << 24 | s->c.two_level << 27;
	REG(s, IDR0) ^= s->c.idr0_flip;
	REG(s, IDR1) = s->c.sid_bits | s->c.evtq_bits << 16 | s->c.cmdq_bits << 21 |
		       (u64)s->c.ovr << 27 | s->c.idr1_set;
	REG(s, IDR3) = (u64)s->c.ril << 10;
	for (i = 0; i < COUNT(oas) && oas[i] < s->c.oas; i++)
		;
	REG(s, IDR5) = i | !s->c.no_gran4k << 4;

	/* What firmware leaves: running, open, with the queues somewhere. */
	REG(s, CR0) = REG(s, CR0ACK) = CR0_SMMUEN | CR0_CMDQEN | CR0_EVTQEN;
	REG(s, GERROR) = 0x4;
	REG(s, GERROR_IRQ_CFG0) = REG(s, EVTQ_IRQ_CFG0) = s->c.msi ? 0x8020000 : 0;
	REG(s, IRQ_CTRL) = REG(s, IRQ_CTRLACK) = 7;
	REG(s, CMDQ_BASE) = ENV_RAM0 | 5;
	REG(s, CMDQ_PROD) = REG(s, CMDQ_CONS) = 3;
	s->boot_config = s->boot_tlb = true;
	s->boot_el2 = s->c.hyp;

	return nr_smmus++;
}

void smmu_break_sync(int id, bool broken)
{
	smmus[id].c.dead_sync = broken;
}

void smmu_mmio_taken(u64 base, u64 size)
{
	struct smmu *s;

	for (s = smmus; s < smmus + nr_smmus; s++) {
		if (base < s->c.base + s->c.size && base + size > s->c.base)
			s->taken = true;
	}
}

/* Checks. */

static void check_entry(struct smmu *s, struct watch *w, int index)
{
	u64 size = BIT(level_shift(w->level)), addr = w->base + index * size, pa;
	bool must, never, table = false;
	struct values vals;
	int i;

	if (addr >= smmu_limit)
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
		pa = pte & ADDR_MASK & ~(size - 1);
		if (pa != addr)
			fail("smmu %d: %#llx leads to %#llx", s->id, (unsigned long long)addr,
			     (unsigned long long)pa);
		if (never)
			fail("smmu %d: a device may still reach %#llx, which is not the host's",
			     s->id, (unsigned long long)addr);
		if (must && !(pte_readable(w->ctx, pte) && pte_writable(w->ctx, pte)))
			fail("smmu %d: %#llx lacks permissions: %#llx", s->id,
			     (unsigned long long)addr, (unsigned long long)pte);
	}
}

/* The same for a domain that has mappings of its own: neither more nor less than those. */
static void check_mapping(struct smmu *s, struct watch *w, int index)
{
	u64 size = BIT(level_shift(w->level)), addr = w->base + index * size, pa;
	struct smmu_map map;
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
		pa = pte & ADDR_MASK & ~(size - 1);
		if (!any)
			fail("smmu %d: %#llx leads to %#llx, but is not mapped", s->id,
			     (unsigned long long)addr, (unsigned long long)pa);
		if (!map.all || map.pa != pa)
			fail("smmu %d: %#llx leads to %#llx, but is mapped elsewhere", s->id,
			     (unsigned long long)addr, (unsigned long long)pa);
		/* Stage 1 does not know what is only written. */
		if (map.write != pte_writable(w->ctx, pte) ||
		    (map.read || w->ctx->s2 ? map.read != pte_readable(w->ctx, pte) : false))
			fail("smmu %d: %#llx has other permissions: %#llx", s->id,
			     (unsigned long long)addr, (unsigned long long)pte);
	}
}

/* A table whose walk may still give [@pa, @pa + @size), whatever the address. */
static bool leads_to(struct watch *w, u64 pa, u64 size)
{
	u64 span = BIT(level_shift(w->level));
	struct values vals;
	int i, v;

	for (i = 0; i < 512; i++) {
		if (w->base + i * span >= smmu_limit)
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

void smmu_check_reach(int id, bool all)
{
	struct smmu *s = &smmus[id];
	struct ctx *ctx;
	struct watch *w;
	int i, nr;

	observe(s, SMMU_EVERYTHING);
	for (ctx = s->ctxs; ctx; ctx = ctx->next) {
		if (!ctx->reached)
			continue;
		for (i = 0; i < ctx->nr_roots; i++) {
			if (BIT(ctx->roots[i].bits) != smmu_limit)
				fail("smmu %d: a table of %d bits", s->id, ctx->roots[i].bits);
		}
		for (w = ctx->tables; w; w = w->next) {
			if (!all && !w->changed)
				continue;
			w->changed = false;
			nr = 512;
			if (w->level < 3 && (smmu_limit - w->base) >> level_shift(w->level) < 512)
				nr = (smmu_limit - w->base) >> level_shift(w->level);
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
 * A range has just left the host, or come back. In the identity domain, the
 * entries to look at are those of the same address; in others, all are.
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
		observe(s, SMMU_EVERYTHING);
		for (ctx = s->ctxs; ctx; ctx = ctx->next) {
			if (reachable || !ctx->reached)
				continue;
			for (w = ctx->tables; w; w = w->next) {
				if (ctx->domain && leads_to(w, pfn * ENV_PAGE, nr * ENV_PAGE))
					fail("smmu %d: page %#llx was revoked, but is still mapped",
					     s->id, (unsigned long long)pfn);
				if (ctx->domain || w->level < 3)
					continue;
				for (i = pfn; i < pfn + nr; i++) {
					if (i / 512 != w->base / ENV_PAGE / 512)
						continue;
					word_values(w, i % 512, &vals);
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

/* Memory that a device may reach through a mapping is pinned, in the worst case too. */
void smmu_check_pinned(void)
{
	struct watch *w;
	struct smmu *s;
	struct ctx *ctx;
	int i;

	for (s = smmus; s < smmus + nr_smmus; s++) {
		observe(s, SMMU_EVERYTHING);
		for (ctx = s->ctxs; ctx; ctx = ctx->next) {
			for (w = ctx->domain ? ctx->tables : NULL; w; w = w->next) {
				u64 span = BIT(level_shift(w->level));

				for (i = 0; i < 512 && w->base + i * span < smmu_limit; i++) {
					if (w->nr_stale || w->seen[0][i] || w->seen[1][i])
						check_pinned(s, w, i);
				}
			}
		}
	}
}

/* A page of EL2 goes to the host. */
void smmu_check_freed(u64 pa)
{
	struct smmu *s;
	struct ctx *ctx;
	struct watch *w;

	for (s = smmus; s < smmus + nr_smmus; s++) {
		observe(s, SMMU_EVERYTHING);
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
		if (s->strtab && ((REG(s, CMDQ_BASE) & 0x000fffffffffffe0ULL) / ENV_PAGE == pa / ENV_PAGE ||
				  (REG(s, EVTQ_BASE) & 0x000fffffffffffe0ULL) / ENV_PAGE == pa / ENV_PAGE))
			fail("smmu %d: page %#llx is given away, but is a queue", s->id,
			     (unsigned long long)pa);
	}
}

void smmu_check_stream(int id, u32 sid, bool attached, u64 domain)
{
	struct smmu *s = &smmus[id];
	struct outcome out;
	int i;

	out = judge_stream(s, sid);
	if (out.bypass)
		fail("smmu %d: stream %#x may bypass", id, sid);
	if (!attached && out.nr_ctx)
		fail("smmu %d: stream %#x is not attached, but may translate", id, sid);
	/* Its memory may become something else. */
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

void smmu_check_enabled(int id)
{
	struct smmu *s = &smmus[id];

	if (!s->taken)
		fail("smmu %d: its registers are the host's", id);
	if (!enabled(s) || !(REG(s, GBPA) & GBPA_ABORT))
		fail("smmu %d: not enabled", id);
	if (s->boot_config || s->boot_tlb || s->boot_el2)
		fail("smmu %d: caches from before boot are not invalidated", id);
	if (s->nr_pending)
		fail("smmu %d: commands without CMD_SYNC", id);
	if (!(REG(s, CR2) & BIT(2)))
		fail("smmu %d: takes part in the CPUs' TLB broadcasts", id);
	if (!(REG(s, CR2) & BIT(1)))
		fail("smmu %d: does not record unknown streams", id);
}

/* Events (7.2). */

bool smmu_event_room(int id)
{
	struct smmu *s = &smmus[id];
	unsigned int bits = REG(s, EVTQ_BASE) & 0x1f;
	u32 mask = BIT(bits + 1) - 1;

	return ((REG(s, EVTQ_PROD) - REG(s, EVTQ_CONS)) & mask) < BIT(bits);
}

int smmu_events(int id)
{
	return BIT(REG(&smmus[id], EVTQ_BASE) & 0x1f);
}

bool smmu_overflowed(int id)
{
	return (REG(&smmus[id], EVTQ_PROD) ^ REG(&smmus[id], EVTQ_CONS)) & OVERFLOW;
}

static void event(struct smmu *s, u32 sid, int what, u64 addr, bool write)
{
	unsigned int bits = REG(s, EVTQ_BASE) & 0x1f;
	u32 mask = BIT(bits + 1) - 1, prod = REG(s, EVTQ_PROD);
	u64 base = REG(s, EVTQ_BASE) & 0x000fffffffffffe0ULL, pa;
	u64 record[4] = { what | (u64)sid << 32, 0, 0, 0 };

	if (!(REG(s, CR0ACK) & CR0_EVTQEN))
		return;
	if (!smmu_event_room(s->id)) {
		if (!smmu_overflowed(s->id))
			REG(s, EVTQ_PROD) ^= OVERFLOW;
		return;
	}
	/* Others than these record the stream alone; the rest may be anything. */
	if (what == 0x07 || (what >= 0x10 && what <= 0x13)) {
		record[1] = (smmu_random(~0ULL) & ~BIT(35)) | (write ? 0 : BIT(35));
		record[2] = addr;
	} else {
		record[1] = smmu_random(~0ULL);
		record[2] = smmu_random(~0ULL);
	}
	record[3] = smmu_random(~0ULL);
	pa = base + (prod & (BIT(bits) - 1)) * 32;
	check_owned(s, pa, "event queue");
	env_dev_write(pa, record, sizeof(record), s->c.coherent);
	REG(s, EVTQ_PROD) = ((prod + 1) & mask) | (prod & OVERFLOW);
	smmu_stats.events++;
}

void smmu_event(int id, u32 sid, int what, u64 addr, bool write)
{
	event(&smmus[id], sid, what, addr, write);
}

void smmu_raise_gerror(int id, u32 bits)
{
	/* An error that is active already stays as it is. */
	bits &= ~(REG(&smmus[id], GERROR) ^ REG(&smmus[id], GERRORN));
	REG(&smmus[id], GERROR) ^= bits;
}

/* Any of the values that the hardware may have for a word. */
static enum smmu_result walk(struct smmu *s, struct ctx *ctx, u64 addr, bool write, u64 *pa)
{
	struct root *root = &ctx->roots[smmu_random(ctx->nr_roots)];
	u64 table = root->pa, base = 0;
	struct values vals;
	struct watch *w;
	int level;

	if (addr >> root->bits)
		return SMMU_UNMAPPED;
	for (level = root->level; level < 4; level++) {
		u64 span = BIT(level_shift(level)), pte;

		for (w = ctx->tables; w; w = w->next) {
			if (w->pa == table && w->level == level && w->base == base && !w->unlinked)
				break;
		}
		if (!w)
			return SMMU_UNMAPPED;	/* nothing of interest there */
		word_values(w, (addr - base) / span, &vals);
		pte = vals.v[smmu_random(vals.nr)];
		if (is_table(pte, level)) {
			table = pte & ADDR_MASK;
			base += (addr - base) / span * span;
			continue;
		}
		if (!is_leaf(pte, level))
			return SMMU_UNMAPPED;
		*pa = (pte & ADDR_MASK & ~(span - 1)) | (addr & (span - 1));
		if (write ? !pte_writable(ctx, pte) : !pte_readable(ctx, pte))
			return SMMU_PERMISSION;
		return SMMU_OK;
	}

	return SMMU_UNMAPPED;
}

enum smmu_result smmu_dma(int id, u32 sid, u64 addr, bool write, u64 *pa)
{
	struct smmu *s = &smmus[id];
	struct outcome out = judge_stream(s, sid);
	enum smmu_result res;

	smmu_stats.dma++;
	*pa = addr;
	if (out.bypass)
		return SMMU_BYPASS;
	if (!out.ctx) {
		/* C_BAD_STREAMID or C_BAD_STE. */
		event(s, sid, sid >> smmu_table_bits(id) || smmu_random(2) ? 0x02 : 0x04, 0, false);
		return SMMU_BLOCKED;
	}
	res = walk(s, out.ctx, addr, write, pa);
	if (res == SMMU_UNMAPPED)
		event(s, sid, smmu_random(8) ? 0x10 : 0x11, addr, write);
	if (res == SMMU_PERMISSION)
		event(s, sid, 0x13, addr, write);

	return res;
}
