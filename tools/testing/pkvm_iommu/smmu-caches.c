// SPDX-License-Identifier: GPL-2.0
/*
 * The software SMMUv3, see smmu.h: page-table contents that it may have cached, and
 * invalidation.
 */
#include <stdlib.h>
#include <string.h>

#include "smmu-priv.h"

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

void word_values(struct watch *w, int index, struct values *vals)
{
	int i;

	vals->nr = 0;
	if (!w->unlinked) {
		vals->v[vals->nr++] = w->seen[0][index];
		if (w->seen[1][index] != w->seen[0][index])
			add_value(vals, w->seen[1][index]);
	}
	for (i = 0; i < w->nr_stale; i++) {
		if (w->stale[i].index == index)
			add_value(vals, w->stale[i].val);
	}
	for (i = 0; i < w->nr_combined; i++) {
		if (w->combined[i].index == index)
			add_value(vals, w->combined[i].val);
	}
}

static void add_combined(struct watch *w, int index, u64 val)
{
	int i;

	if (!is_leaf(val, w->level))
		return;
	for (i = 0; i < w->nr_combined; i++) {
		if (w->combined[i].index == index && w->combined[i].val == val)
			return;
	}
	if (w->nr_combined == w->max_combined) {
		w->max_combined = w->max_combined * 2 + 8;
		w->combined = realloc(w->combined, w->max_combined * sizeof(*w->combined));
	}
	w->combined[w->nr_combined++] = (struct stale) { index, val };
}

/* It may be cached of stage 2 while nested contexts use it: combined with stage 1 as well. */
static void combine_word(struct smmu *s, struct watch *w, int index, u64 val)
{
	struct ctx *ctx;

	for (ctx = w->kind == TABLE ? s->ctxs : NULL; ctx; ctx = ctx->next) {
		if (ctx->outer == w->ctx && ctx->filled)
			add_combined(w, index, val);
	}
}

/* Translations of stage 2 alone may be combined at any time while streams use both. */
void combine_stale(struct ctx *nested)
{
	struct watch *w;
	int i;

	for (w = nested->outer->tables; w; w = w->next) {
		for (i = 0; i < w->nr_stale; i++)
			add_combined(w, w->stale[i].index, w->stale[i].val);
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

void drop_stale(struct watch *w, int first, int last)
{
	int i, kept = 0;

	for (i = 0; i < w->nr_stale; i++) {
		if (w->stale[i].index < first || w->stale[i].index > last)
			w->stale[kept++] = w->stale[i];
	}
	w->nr_stale = kept;
}

void check_owned(struct smmu *s, u64 pa, const char *what)
{
	if (!env_el2_owns(pa / ENV_PAGE))
		fail("smmu %d: %s at %#llx, which EL2 does not own", s->id, what,
		     (unsigned long long)pa);
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

void add_table(struct smmu *s, struct ctx *ctx, u64 pa, int level, u64 base);

static void follow(struct smmu *s, struct watch *w, int index, u64 val)
{
	u64 size = BIT(level_shift(w->level)), base = w->base + index * size;

	/* A root may be less than a page. */
	if (base < s->limit && is_table(val, w->level) &&
	    (w->ctx->domain || interesting(base, size)))
		add_table(s, w->ctx, val & ADDR_MASK, w->level + 1, base);
}

void add_table(struct smmu *s, struct ctx *ctx, u64 pa, int level, u64 base)
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
			      .ctx = ctx, .next = ctx->tables, .changed = true, .fresh = true };
	ctx->tables = w;
	memcpy(w->seen[0], env_cpu(pa), ENV_PAGE);
	memcpy(w->seen[1], s->c.coherent ? env_cpu(pa) : env_poc(pa), ENV_PAGE);
	for (i = 0; i < PTES; i++) {
		for (v = 0; v < 2; v++)
			follow(s, w, i, w->seen[v][i]);
	}
}

/* A root may be several tables, one behind the other. */
void add_root(struct smmu *s, struct ctx *ctx, const struct root *root)
{
	u64 addr, pa, base;

	for (addr = 0; addr < BIT(root->bits); addr = base + PTES * BIT(level_shift(root->level))) {
		pa = root_table(root, addr, &base);
		add_table(s, ctx, pa, root->level, base);
	}
}

void free_watches(struct watch **list)
{
	struct watch *w;

	while ((w = *list)) {
		*list = w->next;
		free(w->stale);
		free(w->combined);
		free(w);
	}
}

/* Of the page of a context descriptor, the SMMU reads only the descriptor. */
static bool has_word(struct watch *w, int index)
{
	return w->kind != CDS || index / 8 == w->base % ENV_PAGE / 64;
}

/*
 * A word becomes valid: an older valid value must not be cached any more (IHI 0070, 3.21.1,
 * break-before-make). Bits 58 to 55 belong to software.
 */
static void check_broken(struct smmu *s, struct watch *w, int index, u64 val)
{
	u64 addr = w->base + index * BIT(level_shift(w->level));
	int i;

	for (i = 0; (val & 1) && i < w->nr_stale; i++) {
		if (w->stale[i].index == index && (w->stale[i].val & 1) &&
		    (w->stale[i].val ^ val) & ~(15 * BIT(55)))
			fail("smmu %d: %#llx is mapped, but may have an older translation", s->id,
			     (unsigned long long)addr);
	}
	for (i = 0; (val & 1) && i < w->nr_combined; i++) {
		if (w->combined[i].index == index && (w->combined[i].val ^ val) & ~(15 * BIT(55)))
			fail("smmu %d: %#llx is mapped, but may have an older one of both stages",
			     s->id, (unsigned long long)addr);
	}
}

/* Add the current contents to the values that the SMMU may have read or cached. */
void observe_watch(struct smmu *s, struct watch *w)
{
	const u64 *now[2] = { env_cpu(w->pa), s->c.coherent ? env_cpu(w->pa) : env_poc(w->pa) };
	bool cached = w->kind == TABLE ? w->ctx->filled : enabled(s);
	int i, v;

	if (w->unlinked)
		return;
	for (v = 0; v < (s->c.coherent ? 1 : 2); v++) {
		if (!memcmp(now[v], w->seen[v], ENV_PAGE))
			continue;
		for (i = 0; i < PTES; i++) {
			u64 old = w->seen[v][i];

			if (old == now[v][i] || !has_word(w, i))
				continue;
			w->changed = w->fresh = true;
			if (cached && (w->kind != TABLE || (old & 1)))
				add_stale(w, i, old);
			combine_word(s, w, i, old);
			w->seen[v][i] = now[v][i];
			if (s->c.coherent)
				w->seen[1][i] = now[v][i];
			if (w->kind == TABLE) {
				follow(s, w, i, now[v][i]);
				check_broken(s, w, i, now[v][i]);
			}
		}
	}
}

/* Invalidation: takes effect at the CMD_SYNC that follows. */

/* Observe the tables of @ctx anew, without cached values. */
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
 * Find the tables that no pointer leads to any more, cached pointers included. Their
 * translations may still be cached, except those of [@addr, @addr + @size).
 */
static void sweep(struct smmu *s, struct ctx *ctx, u64 addr, u64 size)
{
	struct watch *w, *old = ctx->tables;
	int i, v;

	ctx->tables = NULL;
	for (i = 0; i < ctx->nr_roots; i++)
		add_root(s, ctx, &ctx->roots[i]);
	/* @old has the memory of each table: follow its pointers, and link it again. */
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
		for (i = 0; !new && !w->unlinked && i < PTES; i++) {
			u64 start = w->base + i * span;

			for (v = 0; v < 2; v++) {
				if (is_leaf(w->seen[v][i], w->level) &&
				    (start + span <= addr || start >= addr + size))
					add_stale(w, i, w->seen[v][i]);
				combine_word(s, w, i, w->seen[v][i]);
			}
		}
		if (new) {
			for (i = 0; i < w->nr_stale; i++)
				add_stale(new, w->stale[i].index, w->stale[i].val);
			for (i = 0; i < w->nr_combined; i++)
				add_combined(new, w->combined[i].index, w->combined[i].val);
		} else if (w->nr_stale || w->nr_combined) {
			w->unlinked = w->changed = true;
			w->next = ctx->tables;
			ctx->tables = w;
			continue;
		}
		free(w->stale);
		free(w->combined);
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

/* Range commands, with IDR3.RIL (4.4.1.1): NUM, SCALE and TG, which is 0 for no range. */
bool is_range(struct cmd *c)
{
	return BITS(c->w[1], 11, 10);
}

u64 inv_size(struct cmd *c)
{
	u64 pages = 1;

	if (is_range(c))
		pages = (BITS(c->w[0], 16, 12) + 1) << BITS(c->w[0], 24, 20);

	return pages * ENV_PAGE;
}

/*
 * An invalidation of a nested context. What it drops of stage 2 for sure is all or nothing:
 * other addresses may lead to the same page, and global entries have no ASID. A command with
 * a level (TTL) drops entries of that level only, and the host may have mapped something at
 * any level.
 */
static void inv_nested(struct ctx *ctx, struct cmd *c)
{
	u64 addr = c->w[1] & ~(ENV_PAGE - 1), end = addr + inv_size(c);
	bool all = (c->w[0] & 0xff) != 0x12, leaf = c->w[1] & 1;
	struct watch *w;
	struct inv *inv;

	if (all && (c->w[0] & 0xff) != 0x11) {
		for (w = ctx->outer->tables; w; w = w->next)
			w->nr_combined = 0;
		ctx->filled = false;
	}
	for (inv = ctx->inv; inv < ctx->inv + COUNT(ctx->inv); inv++) {
		if (all)
			inv->start = inv->end;
		else if (addr <= inv->start && end > inv->start && (!leaf || inv->leaf) &&
			 !BITS(c->w[1], 9, 8))
			inv->start = end < inv->end ? end : inv->end;
	}
}

void apply_cmd(struct smmu *s, struct cmd *c)
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
	case 0x03:	/* CFGI_STE; without Leaf, its L1 descriptor too */
		for (w = s->config; w; w = w->next) {
			u32 l1 = sid >> strtab_split(s);

			if (w->kind == STES && sid - w->base < page_stes(s))
				drop_stale(w, (sid - w->base) * 8, (sid - w->base) * 8 + 7);
			if (w->kind == L1STD && !leaf && l1 / ENV_PTES == w->base / ENV_PTES)
				drop_stale(w, l1 % ENV_PTES, l1 % ENV_PTES);
		}
		break;
	case 0x04:	/* CFGI_STE_RANGE; all of them with 31 */
		range = c->w[1] & 0x1f;
		first = range == 31 ? 0 : sid & ~(BIT(range + 1) - 1);
		last = range == 31 ? ~0U : first + BIT(range + 1) - 1;
		for (w = s->config; w; w = w->next) {
			if (range == 31 || (w->base >= first && w->base + page_stes(s) - 1 <= last))
				drop_stale(w, 0, ENV_PTES - 1);
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
				drop_stale(w, 0, ENV_PTES - 1);
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

			if (ctx->outer) {
				if (ctx->outer->tag == vmid && op != 0x2a &&
				    (ctx->tag == asid || (op != 0x11 && op != 0x12)))
					inv_nested(ctx, c);
				continue;
			}
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
