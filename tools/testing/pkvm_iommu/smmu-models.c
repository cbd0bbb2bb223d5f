// SPDX-License-Identifier: GPL-2.0
/*
 * The software SMMUs, see smmu.h: functions that all versions of the architecture have in
 * common. The table smmu_model selects those that differ.
 */
#include "smmu-priv.h"

struct smmu smmus[SMMU_MAX];
int nr_smmus;
struct smmu_stats smmu_stats;
void (*smmu_range)(u64 pa, u64 size, bool *must, bool *never);
bool (*smmu_mapping)(u64 domain, u64 iova, u64 size, struct smmu_map *map);
bool (*smmu_lingers)(u64 domain, u64 iova, u64 size, const struct smmu_map *map);
bool (*smmu_nested)(u64 domain, struct smmu_nested *nested);
bool (*smmu_owner)(int iommu, u32 id, u32 *sid, u64 *domain);
u64 smmu_attaching;
bool smmu_resuming;
int smmu_place;

int smmu_add(const struct smmu_config *config)
{
	struct smmu *s = &smmus[nr_smmus];

	s->c = *config;
	s->id = nr_smmus;
	s->model = s->c.v2.banks ? &smmu_v2 : &smmu_v3;
	s->model->add(s);

	return nr_smmus++;
}

void smmu_set_limit(int id, u64 limit)
{
	smmus[id].limit = limit;
}

void smmu_break_sync(int id, u64 how)
{
	smmus[id].c.dead_sync = false;
	smmus[id].gated = how == SMMU_GATED;
	smmus[id].frozen = how == SMMU_FROZEN ? SMMU_ENTRIES + smmu_random(2) : 0;
	if (smmus[id].gated || smmus[id].frozen)
		return;
	smmus[id].dying = how == 1 ? 1 + smmu_random(8) : how ? how - 1 : 0;
}

void smmu_reset(int id, enum smmu_dead dead)
{
	smmus[id].model->reset(&smmus[id], dead);
}

u64 smmu_mmio(u64 pa, bool write, u64 val, int size)
{
	struct smmu *s;

	for (s = smmus; s < smmus + nr_smmus; s++) {
		if (pa >= s->c.base && pa < s->c.base + s->c.size)
			return s->model->mmio(s, pa - s->c.base, write, val, size);
	}
	fail("access to registers at %#llx", (unsigned long long)pa);
}

void smmu_mmio_taken(u64 base, u64 size)
{
	struct smmu *s;

	for (s = smmus; s < smmus + nr_smmus; s++) {
		if (base < s->c.base + s->c.size && base + size > s->c.base)
			s->taken = true;
	}
}

void observe_smmu(struct smmu *s, u64 pa)
{
	struct ctx *ctx;
	struct watch *w;

	if (s->model->observe)
		s->model->observe(s, pa);
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
		observe_smmu(&smmus[i], pa);
}

struct outcome judge_stream(struct smmu *s, u32 sid)
{
	return s->model->judge(s, sid);
}

void judge_all(struct smmu *s)
{
	s->model->judge_all(s);
}

unsigned int smmu_table_bits(int id)
{
	return smmus[id].model->sid_bits(&smmus[id]);
}

int smmu_events(int id)
{
	return smmus[id].model->events(&smmus[id]);
}

void smmu_check_events(int id, int nr_faults)
{
	smmus[id].model->check_events(&smmus[id], nr_faults);
}

bool smmu_event(int id, u32 sid, int what, u64 addr, bool write)
{
	return smmus[id].model->event(&smmus[id], sid, what, addr, write);
}

void smmu_raise_gerror(int id, u32 bits)
{
	smmus[id].model->gerror(&smmus[id], bits);
}

/* Walk the tables; for each word, take one of the values that the hardware may have. */
static enum smmu_result walk(struct smmu *s, struct ctx *ctx, u64 addr, bool write, u64 *pa)
{
	struct root *root = &ctx->roots[smmu_random(ctx->nr_roots)];
	u64 table, base;
	struct values vals;
	struct watch *w;
	int level;

	if (addr >> root->bits)
		return SMMU_UNMAPPED;
	table = root_table(root, addr, &base);
	for (level = root->level; level < 4; level++) {
		u64 span = BIT(level_shift(level)), pte;

		for (w = ctx->tables; w; w = w->next) {
			if (w->pa == table && w->level == level && w->base == base && !w->unlinked)
				break;
		}
		if (!w)
			return SMMU_UNMAPPED;	/* beyond the addresses that are checked */
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

enum smmu_result smmu_dma(int id, u32 sid, u64 addr, bool write, u64 *pa, struct spec_fault *f,
			  bool *room)
{
	struct smmu *s = &smmus[id];
	struct outcome out = judge_stream(s, sid);
	enum smmu_result res = SMMU_BLOCKED;

	smmu_stats.dma++;
	*pa = addr;
	if (out.bypass)
		return SMMU_BYPASS;
	/* Stage 1 of a nested domain may lead anywhere: for instance to the same address. */
	if (out.ctx)
		res = walk(s, out.ctx->outer ? out.ctx->outer : out.ctx, addr, write, pa);
	if (res != SMMU_OK)
		*room = s->model->refused(s, sid, res, addr, write, f);

	return res;
}
