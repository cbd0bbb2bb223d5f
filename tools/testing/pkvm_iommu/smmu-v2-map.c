// SPDX-License-Identifier: GPL-2.0
/*
 * The software SMMUv2, see smmu-v2.h: from streams to page tables, accesses that are under way,
 * records of faults, and checks. Sections are those of IHI 0062.
 */
#include "smmu-v2.h"

/* Entries of the stream mapping table (2.3, 10.6.17 and 10.6.18), as of now. */
struct entry {
	bool valid;
	u32 id, mask;
	struct v2_target to;
};

static struct entry before[V2_ENTRIES];

static struct v2_target blocked(int bank)
{
	return (struct v2_target) { .kind = V2_BLOCKED, .bank = bank };
}

/* Once EL2 has taken it over, a configuration without a defined meaning is an error of EL2's. */
static struct v2_target wrong(struct smmu *s, int n, const char *what)
{
	if (v2_of(s)->sealed)
		fail("smmu %d: bank %d, which a stream uses, %s", s->id, n, what);

	return (struct v2_target) { .kind = V2_BYPASS, .bank = n };
}

static unsigned int code_size(u64 code)
{
	static const unsigned int sizes[] = { 32, 36, 40, 42, 44, 48, 0, 0 };

	return sizes[code & 7];
}

/* The table of a bank (16.4): stage 2, AArch64, little endian, faults that terminate. */
static struct v2_target bank_target(struct smmu *s, int n)
{
	struct v2 *v = v2_of(s);
	struct v2_target to = { .kind = V2_WALK, .bank = n };
	unsigned int ias = s->c.v2.ias ?: s->c.oas, out;
	struct v2_bank *b;

	if (n >= (int)s->c.v2.banks)
		return wrong(s, n, "does not exist");
	b = &v->bank[n];
	out = code_size(BITS(b->tcr, 18, 16));
	/* Without M, addresses pass untranslated. */
	if (!(b->sctlr & SCTLR_M))
		return (struct v2_target) { .kind = V2_BYPASS, .bank = n };
	if (BITS(b->cbar, 17, 16))
		return wrong(s, n, "is of stage 1");
	if (!(b->cba2r & 1))
		return wrong(s, n, "has a table of AArch32");
	if (b->sctlr & SCTLR_E)
		return wrong(s, n, "has a big-endian table");
	if (b->sctlr & SCTLR_CFCFG)
		return wrong(s, n, "stalls");
	if (!stage2_root(s, BITS(b->tcr, 5, 0), BITS(b->tcr, 7, 6), BITS(b->tcr, 15, 14),
			 b->ttbr0 & 0x0000fffffffff000ULL, &to.root))
		return wrong(s, n, "has a table whose size and level do not fit");
	if (to.root.bits > (int)ias)
		return wrong(s, n, "translates more bits than there are");
	if (out > s->c.oas || out < (to.root.bits < (int)s->c.oas ? to.root.bits : (int)s->c.oas))
		return wrong(s, n, "has another output size");
	/* Walks snoop only what is cacheable and shareable. */
	if (s->c.coherent &&
	    (!BITS(b->tcr, 9, 8) || !BITS(b->tcr, 11, 10) || !BITS(b->tcr, 13, 12)))
		return wrong(s, n, "does not snoop");
	to.vmid = v->cr0 & CR0_VMID16EN ? b->cba2r >> 16 : b->cbar & 0xff;

	return to;
}

static struct entry get_entry(struct smmu *s, unsigned int n)
{
	struct v2 *v = v2_of(s);
	struct entry e = { .valid = true, .id = n };
	u32 s2cr = v->s2cr[n];

	if (s->c.v2.smrs) {
		bool ex = v->cr0 & CR0_EXIDENABLE;

		e.valid = ex ? s2cr & S2CR_EXIDVALID : v->smr[n] & SMR_VALID;
		e.id = v->smr[n] & (ex ? 0xffff : 0x7fff);
		e.mask = v->smr[n] >> 16 & (ex ? 0xffff : 0x7fff);
	}
	switch (BITS(s2cr, 17, 16)) {
	case 0:
		if (e.valid && v->sealed && (s2cr & BIT(11) || BITS(s2cr, 9, 8)))
			fail("smmu %d: entry %u overrides memory attributes", s->id, n);
		e.to = bank_target(s, s2cr & 0xff);
		break;
	case 1:
		e.to = (struct v2_target) { .kind = V2_BYPASS, .bank = -1 };
		break;
	case 2:
		e.to = blocked(-1);
		break;
	default:
		if (e.valid && v->sealed)
			fail("smmu %d: entry %u is of a reserved type", s->id, n);
		e.to = (struct v2_target) { .kind = V2_BYPASS, .bank = -1 };
	}

	return e;
}

/* Entries that are not valid name banks, but nothing uses these. */
static void get_entries(struct smmu *s, struct entry *to)
{
	struct v2 *v = v2_of(s);
	unsigned int n;

	for (n = 0; n < v2_entries(s); n++) {
		to[n] = (struct entry) { .valid = false };
		if (!s->c.v2.smrs || (v->cr0 & CR0_EXIDENABLE ? v->s2cr[n] & S2CR_EXIDVALID :
							  v->smr[n] & SMR_VALID))
			to[n] = get_entry(s, n);
	}
}

static bool matches(u32 sid, u32 id, u32 mask)
{
	return !((sid ^ id) & ~mask);
}

/* 2.3.1: several matches are a conflict, which is a fault or not predictable. */
struct v2_target v2_target(struct smmu *s, u32 sid, u32 *fault)
{
	struct v2 *v = v2_of(s);
	struct entry all[V2_ENTRIES], *hit = NULL;
	unsigned int n;

	*fault = 0;
	if (v->cr0 & CR0_CLIENTPD)
		return (struct v2_target) { .kind = V2_BYPASS, .bank = -1 };
	get_entries(s, all);
	for (n = 0; n < v2_entries(s); n++) {
		if (!all[n].valid || !matches(sid, all[n].id, all[n].mask))
			continue;
		if (hit) {
			*fault = GFSR_SMCF;
			if (!(v->cr0 & CR0_SMCFCFG))
				fail("smmu %d: stream %#x has two entries: not predictable", s->id,
				     sid);
			return blocked(-1);
		}
		hit = &all[n];
	}
	*fault = hit ? GFSR_ICF : GFSR_USF;
	if (hit)
		return hit->to;
	if (v->cr0 & CR0_USFCFG)
		return blocked(-1);

	return (struct v2_target) { .kind = V2_BYPASS, .bank = -1 };
}

/* Accesses that are under way. */

static bool same(const struct v2_target *a, const struct v2_target *b)
{
	return a->kind == b->kind && a->bank == b->bank && a->vmid == b->vmid &&
	       a->root.pa == b->root.pa && a->root.level == b->root.level &&
	       a->root.bits == b->root.bits;
}

static void add_flight(struct smmu *s, u32 id, u32 mask, const struct v2_target *to)
{
	struct v2 *v = v2_of(s);
	struct v2_flight *f;

	for (f = v->flight; f < v->flight + v->nr_flights; f++) {
		if (f->id == id && f->mask == mask && same(&f->to, to)) {
			f->seq = v->seq;
			return;
		}
	}
	if (v->nr_flights == V2_FLIGHTS)
		fail("smmu %d: too many changes without invalidation and TLBGSYNC", s->id);
	v->flight[v->nr_flights++] = (struct v2_flight) { id, mask, *to, v->seq };
}

static void drop_flights(struct v2 *v, bool posted, bool all, u16 vmid, u64 seq)
{
	int i, kept = 0;

	for (i = 0; i < v->nr_flights; i++) {
		struct v2_flight *f = &v->flight[i];

		if (posted ? f->to.kind == V2_BLOCKED :
		    f->to.kind == V2_WALK && f->seq < seq && (all || f->to.vmid == vmid))
			continue;
		v->flight[kept++] = *f;
	}
	v->nr_flights = kept;
}

void v2_arrived(struct smmu *s)
{
	drop_flights(v2_of(s), true, false, 0, 0);
}

void v2_change(struct smmu *s)
{
	if (v2_of(s)->sealed)
		get_entries(s, before);
}

/* Some stream id matches entry @n and another one: not predictable, or a fault. */
static bool conflict(struct smmu *s, const struct entry *all, unsigned int n)
{
	unsigned int m;

	for (m = 0; m < v2_entries(s); m++) {
		if (m != n && all[m].valid &&
		    matches(all[m].id, all[n].id, all[m].mask | all[n].mask))
			return true;
	}

	return false;
}

/*
 * EL2 has taken it over once nothing bypasses: an entry blocks, or leads to a table of EL2's. From
 * then on this has to stay so.
 */
static bool is_sealed(struct smmu *s)
{
	struct v2 *v = v2_of(s);
	struct entry all[V2_ENTRIES];
	unsigned int n;

	if (v->cr0 & CR0_CLIENTPD || !(v->cr0 & CR0_USFCFG) || v->cr2 & CR2_EXTENDED)
		return false;
	get_entries(s, all);
	for (n = 0; n < v2_entries(s); n++) {
		if (!all[n].valid || all[n].to.kind == V2_BLOCKED)
			continue;
		if (all[n].to.kind == V2_BYPASS || conflict(s, all, n) ||
		    !env_el2_owns(all[n].to.root.pa / ENV_PAGE))
			return false;
	}

	return true;
}

void v2_changed(struct smmu *s)
{
	struct v2_target none = blocked(-1), to;
	struct entry after[V2_ENTRIES];
	struct v2 *v = v2_of(s);
	unsigned int n;
	int i, nr;

	if (!v->sealed) {
		v->sealed = is_sealed(s);
		if (v->sealed)
			v2_judge_all(s);
		return;
	}
	get_entries(s, after);
	for (n = 0; n < v2_entries(s); n++) {
		struct entry *old = &before[n], *new = &after[n];

		if (old->valid == new->valid && old->id == new->id && old->mask == new->mask &&
		    same(&old->to, &new->to))
			continue;
		if (old->valid && old->to.kind == V2_WALK)
			add_flight(s, old->id, old->mask, &old->to);
		if (new->valid && new->to.kind == V2_WALK) {
			if (conflict(s, after, n))
				fail("smmu %d: entry %u matches what another does", s->id, n);
			add_flight(s, new->id, new->mask, &none);
		}
	}
	/* They have found their bank, and read its registers now. */
	for (i = 0, nr = v->nr_flights; i < nr; i++) {
		struct v2_flight f = v->flight[i];

		if (f.to.kind != V2_WALK)
			continue;
		to = bank_target(s, f.to.bank);
		if (to.kind == V2_BYPASS)
			fail("smmu %d: bank %d is disabled, but accesses by it may be under way",
			     s->id, f.to.bank);
		if (!same(&to, &f.to))
			add_flight(s, f.id, f.mask, &to);
	}
	v2_judge_all(s);
}

/* The prefetcher of the MMU-500 may fetch anew what has just been invalidated: errata. */
static bool prefetches(struct smmu *s, u16 vmid, bool all)
{
	struct v2 *v = v2_of(s);
	unsigned int n;

	for (n = 0; n < s->c.v2.banks; n++) {
		struct v2_bank *b = &v->bank[n];

		if (b->actlr & ACTLR_CPRE && b->sctlr & SCTLR_M &&
		    (all || (v->cr0 & CR0_VMID16EN ? b->cba2r >> 16 : b->cbar & 0xff) == vmid))
			return true;
	}

	return false;
}

/* An invalidation has completed. */
void v2_land(struct smmu *s, const struct v2_inv *inv)
{
	/* As a command of the SMMUv3, which means the same to what is cached of page tables. */
	static const u8 ops[] = { [V2_ALL] = 0x30, [V2_HYP] = 0x20, [V2_VMID] = 0x28,
				  [V2_IPA] = 0x2a, [V2_IPA_LEAF] = 0x2a };
	struct cmd c = { { ops[inv->op] | (u64)inv->vmid << 32,
			   inv->addr | (inv->op == V2_IPA_LEAF) } };
	bool all = inv->op == V2_ALL, tlb = s->boot_tlb, hyp = s->boot_el2;

	if (inv->op != V2_HYP && prefetches(s, inv->vmid, all) && !smmu_random(4))
		return;
	apply_cmd(s, &c);
	if (all || inv->op == V2_VMID)
		drop_flights(v2_of(s), false, all, inv->vmid, inv->seq);
	/* While accesses bypassed, or translated by tables of firmware, it was too early. */
	if (!inv->sealed) {
		s->boot_tlb = tlb;
		s->boot_el2 = hyp;
	}
	s->boot_config = s->boot_tlb;
}

/* Judgement. */

/* The domain of a stream that comes back from a power-off; else that of an ATTACH. */
static u64 domain_of(struct smmu *s, u32 id)
{
	u64 domain = smmu_attaching;
	u32 sid;

	if (smmu_resuming)
		smmu_owner(s->id, id, &sid, &domain);

	return domain;
}

static void count_target(struct smmu *s, struct outcome *out, const struct v2_target *to,
			 u64 domain)
{
	switch (to->kind) {
	case V2_BLOCKED:
		out->blocked = true;
		break;
	case V2_BYPASS:
		out->bypass = true;
		break;
	case V2_WALK:
		count_ctx(out, found_ctx(s, true, to->vmid, &to->root, domain));
		break;
	}
}

struct outcome v2_judge(struct smmu *s, u32 sid)
{
	struct outcome out = { .sid = sid };
	struct v2 *v = v2_of(s);
	struct v2_target to;
	u32 fault;
	int i;

	if (!v->sealed || s->boot_config) {
		out.bypass = true;
		if (!v->sealed)
			return out;
	}
	if (sid >> s->c.sid_bits) {
		out.blocked = true;
		return out;
	}
	to = v2_target(s, sid, &fault);
	count_target(s, &out, &to, domain_of(s, sid));
	for (i = 0; i < v->nr_flights; i++) {
		if (matches(sid, v->flight[i].id, v->flight[i].mask))
			count_target(s, &out, &v->flight[i].to, smmu_attaching);
	}

	return out;
}

/* Entries of the TLB have no bank: two tables of one VMID are not predictable (2.1). */
static void check_vmids(struct smmu *s, const struct entry *all)
{
	const struct v2_target *a, *b;
	unsigned int n, m;

	for (n = 0; n < v2_entries(s); n++) {
		a = &all[n].to;
		for (m = 0; all[n].valid && a->kind == V2_WALK && m < n; m++) {
			b = &all[m].to;
			if (all[m].valid && b->kind == V2_WALK && a->vmid == b->vmid &&
			    (a->root.pa != b->root.pa || a->root.level != b->root.level ||
			     a->root.bits != b->root.bits))
				fail("smmu %d: banks %d and %d have VMID %d and different tables",
				     s->id, b->bank, a->bank, a->vmid);
		}
	}
}

void v2_judge_all(struct smmu *s)
{
	struct entry all[V2_ENTRIES];
	struct v2 *v = v2_of(s);
	struct outcome out = { 0 };
	struct ctx *ctx;
	unsigned int n;
	int i;

	for (ctx = s->ctxs; ctx; ctx = ctx->next)
		ctx->reached = false;
	get_entries(s, all);
	check_vmids(s, all);
	for (n = 0; n < v2_entries(s); n++) {
		if (!all[n].valid)
			continue;
		count_target(s, &out, &all[n].to, domain_of(s, all[n].id));
		if (out.bypass)
			fail("smmu %d: stream %#x may bypass", s->id, all[n].id);
	}
	for (i = 0; i < v->nr_flights; i++)
		count_target(s, &out, &v->flight[i].to, smmu_attaching);
	for (ctx = s->ctxs; ctx; ctx = ctx->next)
		ctx->live = ctx->reached;
}

/* Records of faults (3.6, 10.6.7, 16.5.7): the first one stays; MULTI says that more were lost. */

static bool global_fault(struct smmu *s, u32 sid, u32 fault, u64 addr, bool write)
{
	struct v2 *v = v2_of(s);

	smmu_place = -1;
	smmu_stats.events++;
	if (v->gfsr) {
		v->gfsr |= FSR_MULTI;
		return false;
	}
	v->gfsr = fault;
	v->gfar = addr;
	v->gfsynr0 = (smmu_random(1 << 7) & ~BIT(1)) | (write ? BIT(1) : 0);
	v->gfsynr1 = sid | smmu_random(1 << 15) << 16;

	return true;
}

static bool bank_fault(struct smmu *s, int n, u32 sid, u32 fault, u64 addr, bool write)
{
	struct v2_bank *b = &v2_of(s)->bank[n];

	smmu_place = n;
	smmu_stats.events++;
	if (b->fsr & FSR_FAULT) {
		b->fsr |= FSR_MULTI;
		return false;
	}
	b->fsr = fault | FSR_AARCH64;
	b->far = addr;
	b->ipafar = addr;
	b->fsynr0 = (smmu_random(1 << 12) & ~FSYNR0_WNR) | (write ? FSYNR0_WNR : 0);
	b->fsynr1 = smmu_random(1ULL << 32);
	b->frsynra = sid | smmu_random(1 << 15) << 16;

	return true;
}

/* The bank that an access of the stream uses, or one that is under way; -1: none. */
static int bank_of(struct smmu *s, u32 sid, u32 *fault)
{
	struct v2_target to = v2_target(s, sid, fault);
	struct v2 *v = v2_of(s);
	int i;

	for (i = 0; to.kind != V2_WALK && i < v->nr_flights; i++) {
		if (v->flight[i].to.kind == V2_WALK &&
		    matches(sid, v->flight[i].id, v->flight[i].mask))
			to = v->flight[i].to;
	}

	return to.kind == V2_WALK ? to.bank : -1;
}

bool v2_refused(struct smmu *s, u32 sid, enum smmu_result res, u64 addr, bool write,
		struct spec_fault *f)
{
	u32 fault;
	int n = bank_of(s, sid, &fault);

	*f = (struct spec_fault) { .sid = sid, .addr = addr, .write = write };
	if (res == SMMU_BLOCKED || n < 0)
		return global_fault(s, sid, fault, addr, write);
	if (res == SMMU_PERMISSION)
		fault = smmu_random(8) ? FSR_PF : FSR_AFF;
	else
		fault = smmu_random(8) ? FSR_TF : FSR_ASF;

	return bank_fault(s, n, sid, fault, addr, write);
}

/* An event of the SMMUv3 that a device can cause here: a fault of the access flag. */
bool v2_event(struct smmu *s, u32 sid, int what, u64 addr, bool write)
{
	u32 fault;
	int n = bank_of(s, sid, &fault);

	return n < 0 ? global_fault(s, sid, fault, addr, write) :
		       bank_fault(s, n, sid, FSR_AFF, addr, write);
}

bool v2_irq(int id, int n)
{
	struct v2 *v = &v2s[id];

	if (n >= 0)
		return v->bank[n].fsr & FSR_FAULT && v->bank[n].sctlr & SCTLR_CFIE;

	return (v->gfsr & ~(GFSR_ICF | GFSR_SMCF) && v->cr0 & CR0_GFIE) ||
	       (v->gfsr & (GFSR_ICF | GFSR_SMCF) && v->cr0 & CR0_GCFGFIE);
}

/* Checks. */

void v2_check_events(struct smmu *s, int nr_faults)
{
	struct v2 *v = v2_of(s);
	unsigned int n;
	int nr = !!v->gfsr;

	for (n = 0; n < s->c.v2.banks; n++)
		nr += !!(v->bank[n].fsr & FSR_FAULT);
	if (nr != nr_faults)
		fail("smmu %d: has %d records, but the host is to see %d", s->id, nr, nr_faults);
}

void v2_check_enabled(struct smmu *s)
{
	struct v2 *v = v2_of(s);
	unsigned int n;

	if (!v->sealed)
		fail("smmu %d: not enabled", s->id);
	if (v->nr_inv)
		fail("smmu %d: invalidations without TLBSYNC", s->id);
	if (~v->cr0 & (CR0_GFIE | CR0_GFRE | CR0_GCFGFIE | CR0_GCFGFRE))
		fail("smmu %d: global faults are not told: sCR0 is %#x", s->id, v->cr0);
	if (v->cr0 & (CR0_GSE | CR0_FB))
		fail("smmu %d: stalls, or broadcasts: sCR0 is %#x", s->id, v->cr0);
	if (!(v->cr0 & CR0_SMCFCFG))
		fail("smmu %d: streams with two entries are not predictable", s->id);
	if (!(v->cr0 & CR0_PTM))
		fail("smmu %d: takes part in the CPUs' TLB broadcasts", s->id);
	for (n = 0; n < v2_entries(s); n++) {
		struct entry e = get_entry(s, n);

		if (e.valid && e.to.kind == V2_WALK &&
		    ~v->bank[e.to.bank].sctlr & (SCTLR_CFIE | SCTLR_CFRE))
			fail("smmu %d: faults of bank %d are not told", s->id, e.to.bank);
	}
}
