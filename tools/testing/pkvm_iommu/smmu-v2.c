// SPDX-License-Identifier: GPL-2.0
/*
 * The software SMMUv2, see smmu-v2.h: registers. Sections are those of IHI 0062. A register that
 * hardware would ignore or that stage 2 does not need is an error of the program.
 */
#include <string.h>

#include "smmu-v2.h"

struct v2 v2s[SMMU_MAX];

static void bad(struct smmu *s, const char *what, u64 reg)
{
	fail("smmu %d: %s: register %#llx", s->id, what, (unsigned long long)reg);
}

/* ID registers (10.6). */

static u32 size_code(unsigned int bits)
{
	static const unsigned int sizes[] = { 32, 36, 40, 42, 44, 48 };
	u32 i;

	for (i = 0; i < COUNT(sizes) - 1 && sizes[i] < bits; i++)
		;

	return i;
}

static u32 id_register(struct smmu *s, u32 reg)
{
	const struct smmu_v2_config *c = &s->c.v2;
	u64 page = c->pages64 ? 0x10000 : 0x1000, pages = s->c.size / page / 2;
	u32 formats = ENV_PAGE_SHIFT == 12 ? 1 : ENV_PAGE_SHIFT == 14 ? 2 : 4, n = c->overlong;

	switch (reg) {
	case V2_ID0:
		return (u32)s->c.s1 << 30 | (u32)s->c.s2 << 29 | (u32)(s->c.s1 && s->c.s2) << 28 |
		       (u32)!!c->smrs << 27 | BIT(26) | BIT(24) | (c->irqs ?: c->banks) << 16 |
		       (u32)s->c.coherent << 14 | (c->exids ? 15 : s->c.sid_bits) << 9 |
		       (u32)c->exids << 8 | c->smrs;
	case V2_ID0 + 4:
		while (pages >> (n + 1 - c->overlong))
			n++;
		return (u32)c->pages64 << 31 | (n - 1) << 28 | c->s2_banks << 16 | c->banks;
	case V2_ID0 + 8:
		if (s->c.no_granule)
			formats = 7 & ~formats;
		if (c->mmu401)
			formats = 0;
		return (u32)c->vmid16 << 15 | formats << 12 | size_code(s->c.oas) << 8 |
		       size_code(s->c.oas) << 4 | size_code(c->ias ?: s->c.oas);
	case V2_ID7:
		return c->mmu500 ? c->mmu500 << 4 : 0x21;
	}

	return 0;
}

/* Invalidation (10.4, 16.5). */

static void invalidate(struct smmu *s, struct v2_inv inv)
{
	struct v2 *v = v2_of(s);

	if (v->nr_inv == V2_INVS)
		fail("smmu %d: too many invalidations without TLBSYNC", s->id);
	if (s->dying && !--s->dying)
		s->c.dead_sync = true;
	inv.seq = ++v->seq;
	inv.sealed = v->sealed;
	v->inv[v->nr_inv++] = inv;
	s->nr_pending = v->nr_inv;
	smmu_stats.commands++;
}

static void start_sync(struct smmu *s, struct v2_sync *sync)
{
	/* Of the next ones: one that is under way covers the new one, and lasts longer. */
	sync->active = true;
	sync->seq = v2_of(s)->seq;
	sync->wait = s->c.latency ? smmu_random(s->c.latency + 1) : 0;
}

/* At the latest. @bank is -1 for the invalidations of all banks and those of space 0. */
static void complete(struct smmu *s, const struct v2_sync *sync, int bank)
{
	struct v2 *v = v2_of(s);
	int i, kept = 0, nr = v->nr_inv;

	for (i = 0; i < nr; i++) {
		if (v->inv[i].seq > sync->seq || (bank >= 0 && v->inv[i].bank != bank))
			v->inv[kept++] = v->inv[i];
		else
			v2_land(s, &v->inv[i]);
	}
	v->nr_inv = s->nr_pending = kept;
	smmu_stats.syncs++;
	/* It may read everything again at once. */
	if (kept < nr && v->sealed)
		v2_judge_all(s);
}

static u32 sync_status(struct smmu *s, struct v2_sync *sync, int bank)
{
	if (!sync->active)
		return 0;
	if (s->c.dead_sync)
		return 1;
	if (sync->wait) {
		sync->wait--;
		return 1;
	}
	sync->active = false;
	complete(s, sync, bank);

	return 0;
}

/* Space 0: global registers (10). */

static int entry_index(struct smmu *s, u32 reg, u32 first)
{
	u32 n = (reg - first) / 4;

	if (n >= v2_entries(s))
		bad(s, "there is no such entry", reg);
	if (first == V2_SMR && !s->c.v2.smrs)
		bad(s, "there is no stream matching", reg);

	return n;
}

static u64 space0_read(struct smmu *s, u32 reg)
{
	struct v2 *v = v2_of(s);

	if (reg >= V2_S2CR && reg < V2_S2CR + 4 * V2_ENTRIES)
		return v->s2cr[entry_index(s, reg, V2_S2CR)];
	if (reg >= V2_SMR && reg < V2_SMR + 4 * V2_ENTRIES)
		return v->smr[entry_index(s, reg, V2_SMR)];
	if (reg >= V2_ID0 && reg <= V2_ID7)
		return id_register(s, reg);
	switch (reg) {
	case V2_CR0:
		return v->cr0;
	case V2_CR2:
		return v->cr2;
	case V2_ACR:
		return v->acr;
	case V2_GFAR:
		return v->gfar;
	case V2_GFSR:
		return v->gfsr;
	case V2_GFSYNR0:
		return v->gfsynr0;
	case V2_GFSYNR1:
		return v->gfsynr1;
	case V2_GFSYNR2:
		return 0;
	case V2_TLBGSTATUS:
		return sync_status(s, &v->sync, -1);
	}
	bad(s, "read", reg);

	return 0;
}

static void write_cr0(struct smmu *s, u32 val)
{
	struct v2 *v = v2_of(s);

	if (v->stuck || s->c.dead_cr0)
		return;
	/* Without EXIDS and VMID16, these bits are reserved. */
	val &= ~BIT(30);
	if (!s->c.v2.exids)
		val &= ~CR0_EXIDENABLE;
	if (!s->c.v2.vmid16)
		val &= ~CR0_VMID16EN;
	if (v->sealed && val & CR0_CLIENTPD)
		fail("smmu %d: disabled: accesses bypass it", s->id);
	if (v->sealed && !(val & CR0_USFCFG))
		fail("smmu %d: streams without an entry bypass it", s->id);
	v2_change(s);
	v->cr0 = val;
	v2_changed(s);
}

static void space0_write(struct smmu *s, u32 reg, u32 val)
{
	struct v2 *v = v2_of(s);

	if (s->frozen == SMMU_ENTRIES && reg >= V2_SMR && reg < V2_S2CR + 4 * V2_ENTRIES)
		return;
	if (reg >= V2_S2CR && reg < V2_S2CR + 4 * V2_ENTRIES) {
		v2_change(s);
		v->s2cr[entry_index(s, reg, V2_S2CR)] = val;
		v2_changed(s);
		return;
	}
	if (reg >= V2_SMR && reg < V2_SMR + 4 * V2_ENTRIES) {
		v2_change(s);
		v->smr[entry_index(s, reg, V2_SMR)] = val & v2_smr_bits(s, v->cr0);
		v2_changed(s);
		return;
	}
	switch (reg) {
	case V2_CR0:
		write_cr0(s, val);
		return;
	case V2_CR2:
		if (v->sealed && val & CR2_EXTENDED)
			fail("smmu %d: extended entries bypass it", s->id);
		v2_change(s);
		v->cr2 = val;
		v2_changed(s);
		return;
	case V2_ACR:
		/* The secure side can keep the lock (MMU-500, r2p0 and later). */
		if (s->c.v2.locked)
			val |= v->acr & ACR_CACHE_LOCK;
		v->acr = s->c.v2.mmu500 ? val : 0;
		return;
	case V2_GFSR:
		v->gfsr &= ~val;
		return;
	case V2_GFSRRESTORE:
		v->gfsr = val & GFSR_ALL;
		return;
	case V2_TLBIVMID:
		if (val >> (v->cr0 & CR0_VMID16EN ? 16 : 8))
			fail("smmu %d: invalidation of VMID %#x", s->id, val);
		invalidate(s, (struct v2_inv) { .op = V2_VMID, .bank = -1, .vmid = val });
		return;
	case V2_TLBIALLNSNH:
		invalidate(s, (struct v2_inv) { .op = V2_ALL, .bank = -1 });
		return;
	case V2_TLBIALLH:
		invalidate(s, (struct v2_inv) { .op = V2_HYP, .bank = -1 });
		return;
	case V2_TLBGSYNC:
		start_sync(s, &v->sync);
		return;
	}
	bad(s, "write", reg);
}

/* Space 1: attributes of banks (10.7). */

static u32 *space1_reg(struct smmu *s, u32 reg)
{
	u32 n = reg % 0x400 / 4;

	if (n >= s->c.v2.banks)
		bad(s, "there is no such bank", reg);
	switch (reg & ~0x3ffU) {
	case V2_CBAR:
		return &v2_of(s)->bank[n].cbar;
	case V2_CBFRSYNRA:
		return &v2_of(s)->bank[n].frsynra;
	case V2_CBA2R:
		return &v2_of(s)->bank[n].cba2r;
	}
	bad(s, "access", reg);

	return NULL;
}

static void space1_write(struct smmu *s, u32 reg, u32 val)
{
	u32 n = reg % 0x400 / 4, *to = space1_reg(s, reg);

	if ((reg & ~0x3ffU) == V2_CBFRSYNRA) {
		*to = val;
		return;
	}
	/* Banks for stage 2 only have no type. Each bank has its own interrupt: no IRPTNDX. */
	if ((reg & ~0x3ffU) == V2_CBAR)
		val &= ~(0xffU << 24) & ~(n < s->c.v2.s2_banks ? 3U << 16 : 0);
	else
		val &= s->c.v2.vmid16 ? 0xffff0003 : 3;
	if (s->frozen == SMMU_BANKS)
		return;
	v2_change(s);
	*to = val;
	v2_changed(s);
}

/* A bank (16). */

static u64 bank_read(struct smmu *s, int n, u32 reg)
{
	struct v2_bank *b = &v2_of(s)->bank[n];

	switch (reg) {
	case V2_SCTLR:
		return b->sctlr;
	case V2_ACTLR:
		return b->actlr;
	case V2_TCR2:
		return b->tcr2;
	case V2_TTBR0:
		return b->ttbr0;
	case V2_TTBR0 + 4:
		return b->ttbr0 >> 32;
	case V2_TCR:
		return b->tcr;
	case V2_FSR:
		return b->fsr;
	case V2_FAR:
		return b->far;
	case V2_FAR + 4:
		return b->far >> 32;
	case V2_IPAFAR:
		return b->ipafar;
	case V2_IPAFAR + 4:
		return b->ipafar >> 32;
	case V2_FSYNR0:
		return b->fsynr0;
	case V2_FSYNR1:
		return b->fsynr1;
	case V2_TLBSTATUS:
		return sync_status(s, &b->sync, n);
	}
	bad(s, "read", reg);

	return 0;
}

/* TLBIIPAS2 and TLBIIPAS2L (16.5): bits 47 to 12 of the address, of the VMID of the bank. */
static void bank_invalidate(struct smmu *s, int n, u32 reg, u64 val, int size)
{
	struct v2_bank *b = &v2_of(s)->bank[n];
	struct v2_inv inv = { .op = reg == V2_TLBIIPAS2L ? V2_IPA_LEAF : V2_IPA, .bank = n,
			      .addr = val << 12 };

	if (s->c.v2.mmu401)
		fail("smmu %d: has no invalidation of stage 2 by address", s->id);
	if (!s->c.s2 || BITS(b->cbar, 17, 16) || !(b->cba2r & 1))
		fail("smmu %d: bank %d is not of stage 2, but invalidates it", s->id, n);
	if (size != 8 || val >> 36)
		fail("smmu %d: invalidation of address %#llx of %d bytes", s->id,
		     (unsigned long long)val, size);
	inv.vmid = v2_of(s)->cr0 & CR0_VMID16EN ? b->cba2r >> 16 : b->cbar & 0xff;
	invalidate(s, inv);
}

static void bank_write(struct smmu *s, int n, u32 reg, u64 val, int size)
{
	struct v2_bank *b = &v2_of(s)->bank[n];

	switch (reg) {
	case V2_ACTLR:
		/* MMU-500: CACHE_LOCK guards it. Elsewhere it has no meaning here. */
		if (s->c.v2.mmu500 && !(s->c.v2.mmu500 >= 2 && v2_of(s)->acr & ACR_CACHE_LOCK))
			b->actlr = val & 3;
		return;
	case V2_FSR:
		b->fsr &= ~(val & FSR_FAULT & ~FSR_SS);
		return;
	case V2_RESUME:
		/* An access that firmware let stall ends, or is tried again (16.5.20). */
		if (!(b->fsr & FSR_SS) || !(val & 1))
			fail("smmu %d: bank %d resumes nothing, or tries it again", s->id, n);
		b->fsr &= ~FSR_SS;
		return;
	case V2_FSRRESTORE:
		b->fsr = val;
		return;
	case V2_FAR:
		b->far = size == 8 ? val : (b->far & ~0xffffffffULL) | val;
		return;
	case V2_TLBIIPAS2:
	case V2_TLBIIPAS2L:
		bank_invalidate(s, n, reg, val, size);
		return;
	case V2_TLBSYNC:
		start_sync(s, &b->sync);
		return;
	}
	if (s->frozen == SMMU_BANKS)
		return;
	v2_change(s);
	switch (reg) {
	case V2_SCTLR:
		b->sctlr = val;
		break;
	case V2_TCR2:
		b->tcr2 = val;
		break;
	case V2_TCR:
		b->tcr = val;
		break;
	case V2_TTBR0:
		b->ttbr0 = size == 8 ? val : (b->ttbr0 & ~0xffffffffULL) | val;
		break;
	case V2_TTBR0 + 4:
		b->ttbr0 = (b->ttbr0 & 0xffffffff) | val << 32;
		break;
	default:
		bad(s, "write", reg);
	}
	v2_changed(s);
}

/* All registers have 32 bits but for these (2.2), which can also be accessed by halves. */
static bool is_wide(struct smmu *s, u64 page, u64 pages, u32 reg)
{
	if (page >= pages)
		return reg == V2_TTBR0 || reg == V2_FAR || reg == V2_IPAFAR ||
		       reg == V2_TLBIIPAS2 || reg == V2_TLBIIPAS2L;

	return !page && reg == V2_GFAR;
}

static u64 v2_mmio(struct smmu *s, u64 at, bool write, u64 val, int size)
{
	u64 page_size = s->c.v2.pages64 ? 0x10000 : 0x1000, pages = s->c.size / page_size / 2;
	u64 page = at / page_size, reg = at % page_size;

	if (s->gated)
		return 0;
	if (at % size || reg >= 0x1000 ||
	    (size != 4 && (size != 8 || !is_wide(s, page, pages, reg))))
		fail("smmu %d: access of %d bytes to register %#llx", s->id, size,
		     (unsigned long long)at);
	if (page >= pages + s->c.v2.banks || (page < pages && page > 1))
		bad(s, "there is no such page", at);
	if (!write) {
		/* All writes before it have arrived. */
		v2_arrived(s);
		val = page >= pages ? bank_read(s, page - pages, reg) :
		      page ? *space1_reg(s, reg) : space0_read(s, reg);
		return size == 8 ? val : (u32)val;
	}
	if (size == 4)
		val = (u32)val;
	if (page >= pages)
		bank_write(s, page - pages, reg, val, size);
	else if (page)
		space1_write(s, reg, val);
	else
		space0_write(s, reg, val);

	return 0;
}

/* Registers whose value after a reset is unknown, or that firmware left, are random. */
static void scramble(struct smmu *s)
{
	struct v2 *v = v2_of(s);
	unsigned int n;

	for (n = 0; n < v2_entries(s); n++) {
		v->smr[n] = smmu_random(1ULL << 32) & v2_smr_bits(s, v->cr0);
		v->s2cr[n] = smmu_random(1ULL << 32) &
			     (0x3c0308ff | (s->c.v2.exids ? S2CR_EXIDVALID : 0));
	}
	for (n = 0; n < s->c.v2.banks; n++) {
		v->bank[n] = (struct v2_bank) {
			.cbar = smmu_random(1ULL << 24) & ~(n < s->c.v2.s2_banks ? 3U << 16 : 0),
			.cba2r = smmu_random(1ULL << 32) & (s->c.v2.vmid16 ? 0xffff0003 : 3),
			.sctlr = smmu_random(1ULL << 32), .tcr = smmu_random(1ULL << 32),
			.tcr2 = smmu_random(1ULL << 32), .ttbr0 = smmu_random(~0ULL),
			.fsr = smmu_random(2) ? smmu_random(1ULL << 32) & FSR_FAULT : 0,
			.fsynr0 = smmu_random(1ULL << 32), .frsynra = smmu_random(1ULL << 32),
			.far = smmu_random(~0ULL), .ipafar = smmu_random(~0ULL),
			.actlr = s->c.v2.mmu500 ? 3 : 0,
		};
	}
	v->gfsr = smmu_random(2) ? smmu_random(1ULL << 32) & GFSR_ALL : 0;
	/* With an extension: entries in other registers, whose values are unknown (10.6.3). */
	v->cr2 = smmu_random(1ULL << 32) & (CR2_EXTENDED | 0xffff);
	v->acr = s->c.v2.mmu500 >= 2 ? ACR_CACHE_LOCK : 0;
	v->nr_inv = s->nr_pending = v->nr_flights = 0;
	v->sealed = v->sync.active = false;
	s->boot_config = s->boot_tlb = true;
	/* Only stage 1 has entries of a hypervisor. */
	s->boot_el2 = s->c.s1;
}

static void v2_add(struct smmu *s)
{
	struct v2 *v = v2_of(s);

	memset(v, 0, sizeof(*v));
	v->cr0 = s->c.dead_cr0 ? CR0_CLIENTPD : smmu_random(1ULL << 32) & 0x3fe03ff7;
	if (s->c.v2.vmid16 && smmu_random(2))
		v->cr0 |= CR0_VMID16EN;
	if (s->c.v2.exids && smmu_random(2))
		v->cr0 |= CR0_EXIDENABLE;
	scramble(s);
}

/* 10.6.1: of sCR0, only CLIENTPD is set. Nothing is said of the TLBs. */
static void v2_reset(struct smmu *s, enum smmu_dead dead)
{
	struct v2 *v = v2_of(s);

	v->cr0 = CR0_CLIENTPD;
	scramble(s);
	s->dying = 0;
	s->frozen = 0;
	v->stuck = dead == SMMU_DEAD_CR0 || dead == SMMU_DEAD_GBPA;
	s->c.dead_sync = dead == SMMU_DEAD_SYNC || dead == SMMU_DEAD_IRQ;
}

static bool v2_enabled(struct smmu *s)
{
	return v2_of(s)->sealed;
}

static unsigned int v2_sid_bits(struct smmu *s)
{
	return s->c.v2.smrs ? 32 : s->c.sid_bits;
}

/* There is no queue: one record for each bank, and a global one. */
static int v2_events(struct smmu *s)
{
	return 0;
}

static void v2_gerror(struct smmu *s, u32 bits)
{
	fail("smmu %d: has no errors of its own", s->id);
}

const struct smmu_model smmu_v2 = {
	.add		= v2_add,
	.reset		= v2_reset,
	.mmio		= v2_mmio,
	.enabled	= v2_enabled,
	.judge		= v2_judge,
	.judge_all	= v2_judge_all,
	.sid_bits	= v2_sid_bits,
	.refused	= v2_refused,
	.events		= v2_events,
	.check_events	= v2_check_events,
	.event		= v2_event,
	.gerror		= v2_gerror,
	.check_enabled	= v2_check_enabled,
};
