// SPDX-License-Identifier: GPL-2.0
/* The software SMMUv3, see smmu.h: registers, queues, and events. */
#include <string.h>

#include "smmu-priv.h"

/* A range of one page without a level is illegal (4.4.1.1). */
static bool range_error(struct smmu *s, struct cmd *c)
{
	return s->c.ril && is_range(c) && inv_size(c) == ENV_PAGE && !BITS(c->w[1], 9, 8);
}

/* Error that the architecture specifies for a command (7.1, 4); 0: none. */
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

	/* Reserved values, and a write to memory on completion. */
	if (op == 0x46 && cs == 1)
		fail("smmu %d: CMD_SYNC with an interrupt", s->id);
	if ((op == 0x2a || op == 0x12) && (!s->c.ril || !is_range(c)) &&
	    (BITS(c->w[1], 11, 8) || BITS(c->w[0], 24, 12)))
		fail("smmu %d: range fields in a command without range", s->id);
	if ((op == 0x2a || op == 0x12) && is_range(c) &&
	    (BITS(c->w[1], 11, 10) != RANGE_GRANULE || c->w[1] & (ENV_PAGE - 1) & ~0xfffULL))
		fail("smmu %d: a range of another granule", s->id);
	if ((op == 0x28 || op == 0x30 || op == 0x20) && c->w[1])
		fail("smmu %d: command %#x has stale bits %#llx", s->id, op,
		     (unsigned long long)c->w[1]);
}

/* Kinds of invalidation: of entries, of descriptors, of stage 1, and the rest. */
static int cmd_kind(struct cmd *c)
{
	switch (c->w[0] & 0xff) {
	case 0x03: case 0x04:
		return 0;
	case 0x05: case 0x06:
		return 1;
	case 0x10: case 0x11: case 0x12:
		return 2;
	}

	return 3;
}

/*
 * CMD_SYNC: all commands before it have an effect, in whatever order. What one kind drops
 * is fetched once more through what the next kind drops then.
 */
static void apply_pending(struct smmu *s)
{
	int order[] = { 0, 1, 2, 3 }, i, n, other, kind;

	if (!s->nr_pending && enabled(s))
		judge_all(s);
	for (n = 0; n < (int)COUNT(order); n++) {
		other = n + smmu_random(COUNT(order) - n);
		kind = order[other];
		order[other] = order[n];
		for (i = 0; i < s->nr_pending; i++) {
			if (cmd_kind(&s->pending[i]) == kind)
				break;
		}
		if (i == s->nr_pending)
			continue;
		for (; i < s->nr_pending; i++) {
			if (cmd_kind(&s->pending[i]) == kind)
				apply_cmd(s, &s->pending[i]);
		}
		/* It may read everything again at once. */
		if (enabled(s))
			judge_all(s);
	}
	s->nr_pending = 0;
}

static void consume(struct smmu *s)
{
	unsigned int bits = REG(s, CMDQ_BASE) & 0x1f;
	u32 mask = BIT(bits + 1) - 1, prod = REG(s, CMDQ_PROD) & mask;
	u32 cons = REG(s, CMDQ_CONS) & mask;
	u64 base = REG(s, CMDQ_BASE) & 0x000fffffffffffe0ULL;
	struct ctx *ctx;
	struct cmd c;
	int err;

	if (!(REG(s, CR0ACK) & CR0_CMDQEN) || (REG(s, GERROR) ^ REG(s, GERRORN)) & GERR_CMDQ)
		return;
	if (((prod - cons) & mask) > BIT(bits))
		fail("smmu %d: the command queue has overflowed", s->id);
	if (s->c.dead_sync)
		return;
	for (; cons != prod; cons = (cons + 1) & mask) {
		u64 pa = base + (cons & (BIT(bits) - 1)) * 16;

		REG(s, CMDQ_CONS) = cons;
		if (s->c.pauses && !smmu_random(s->c.pauses))
			return;
		if (s->dying && !--s->dying) {
			s->c.dead_sync = true;
			return;
		}
		check_owned(s, pa, "command queue");
		memcpy(&c, (char *)(s->c.coherent ? env_cpu(pa & ~4095ULL) : env_poc(pa & ~4095ULL)) +
		       pa % 4096, sizeof(c));
		err = cmd_error(s, &c);
		if (!err && s->c.fetch_errors && !s->cmd_error && !smmu_random(s->c.fetch_errors))
			err = 2;	/* injected fetch error */
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
		apply_pending(s);
		forget_cds(s);
		for (ctx = s->ctxs; ctx; ctx = ctx->next)
			smmu_stats.prefetches++;
	}
	REG(s, CMDQ_CONS) = cons;
}

/* Registers. */

static void set_strtab(struct smmu *s)
{
	unsigned int bits = v3_table_bits(s);
	u64 size = two_level(s) ? BIT(bits - strtab_split(s)) * 8 : BIT(bits) * 64, pa;

	if (bits > s->c.sid_bits)
		fail("smmu %d: stream table of %u bits for %u", s->id, bits, s->c.sid_bits);
	if (two_level(s) && (!s->c.two_level || (strtab_split(s) != 6 && strtab_split(s) != 8 &&
						 strtab_split(s) != 10)))
		fail("smmu %d: stream table format %#llx", s->id,
		     (unsigned long long)REG(s, STRTAB_BASE_CFG));
	if (strtab_base(s) & (size - 1))
		fail("smmu %d: stream table is not aligned to its size", s->id);
	free_watches(&s->config);
	for (pa = strtab_base(s); pa < strtab_base(s) + size; pa += ENV_PAGE)
		check_owned(s, pa, "stream table");
	s->strtab = true;
}

/* A request is acknowledged after some reads, or never. */
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
			if (~old & REG(s, CR0) & CR0_SMMUEN) {
				set_strtab(s);
				judge_all(s);
			}
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
		/* Devices must not pass while it is disabled. */
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
	if (reg == CMDQ_PROD && !s->c.latency && !s->c.pauses)
		consume(s);
}

/* Halves of the 64-bit registers are not modelled. */
static bool is_wide(u32 reg)
{
	return reg == STRTAB_BASE || reg == CMDQ_BASE || reg == EVTQ_BASE ||
	       reg == GERROR_IRQ_CFG0 || reg == EVTQ_IRQ_CFG0;
}

static u64 v3_mmio(struct smmu *s, u64 reg, bool write, u64 val, int size)
{
	if (reg % size || reg >= REGS || (size == 8) != is_wide(reg))
		fail("smmu %d: access of %d bytes to register %#llx", s->id, size,
		     (unsigned long long)reg);
	if (!write)
		return reg_read(s, reg);
	reg_write(s, reg, val);

	return 0;
}

static void v3_add(struct smmu *s)
{
	static const int oas[] = { 32, 36, 40, 42, 44, 48, 52 };
	unsigned int i;

	/* IDR0 (6.3.1): little endian, 16-bit tags, no stall, AArch64. */
	REG(s, IDR0) = s->c.s2 | s->c.s1 << 1 | 2 << 2 | s->c.coherent << 4 |
		       s->c.hyp << 9 | s->c.ats << 10 | BIT(12) | s->c.msi << 13 |
		       BIT(18) | 2 << 21 | 1 << 24 | s->c.two_level << 27;
	REG(s, IDR0) ^= s->c.idr0_flip;
	REG(s, IDR1) = s->c.sid_bits | s->c.evtq_bits << 16 | s->c.cmdq_bits << 21 |
		       (u64)s->c.ovr << 27 | s->c.idr1_set;
	REG(s, IDR3) = (u64)s->c.ril << 10;
	REG(s, IIDR) = s->c.iidr;
	for (i = 0; i < COUNT(oas) && oas[i] < s->c.oas; i++)
		;
	REG(s, IDR5) = i | (s->c.no_granule ? IDR5_GRANULES & ~IDR5_GRANULE : IDR5_GRANULE);

	/* State after firmware: enabled, bypassing, queues at unknown addresses. */
	REG(s, CR0) = REG(s, CR0ACK) = CR0_SMMUEN | CR0_CMDQEN | CR0_EVTQEN;
	REG(s, GERROR) = 0x4;
	REG(s, GERROR_IRQ_CFG0) = REG(s, EVTQ_IRQ_CFG0) = s->c.msi ? 0x8020000 : 0;
	REG(s, IRQ_CTRL) = REG(s, IRQ_CTRLACK) = 7;
	REG(s, CMDQ_BASE) = ENV_RAM0 | 5;
	REG(s, CMDQ_PROD) = REG(s, CMDQ_CONS) = 3;
	s->boot_config = s->boot_tlb = true;
	s->boot_el2 = s->c.hyp;
}

/*
 * Registers whose value after a reset is unknown are random, and GBPA lets everything pass.
 * Nothing is said of the caches (3.11): they may have what they had, and more.
 */
static void v3_reset(struct smmu *s, enum smmu_dead dead)
{
	static const u32 unknown[] = {
		CR1, CR2, GERROR_IRQ_CFG0, STRTAB_BASE, STRTAB_BASE_CFG, CMDQ_BASE, CMDQ_PROD,
		CMDQ_CONS, EVTQ_BASE, EVTQ_IRQ_CFG0, EVTQ_PROD, EVTQ_CONS,
	};
	unsigned int i;

	REG(s, CR0) = REG(s, CR0ACK) = 0;
	REG(s, GBPA) = 0;
	REG(s, IRQ_CTRL) = REG(s, IRQ_CTRLACK) = 0;
	REG(s, GERROR) = REG(s, GERRORN) = 0;
	for (i = 0; i < COUNT(unknown); i++)
		REG(s, unknown[i]) = smmu_random(~0ULL) & (is_wide(unknown[i]) ? ~0ULL : ~0U);
	memset(s->wait, 0, sizeof(s->wait));
	s->nr_pending = 0;
	s->cmd_error = false;
	s->dying = 0;
	s->boot_config = s->boot_tlb = true;
	s->boot_el2 = s->c.hyp;
	s->c.dead_gbpa = dead == SMMU_DEAD_GBPA;
	s->c.dead_cr0 = dead == SMMU_DEAD_CR0;
	s->c.dead_irq = dead == SMMU_DEAD_IRQ;
	s->c.dead_sync = dead == SMMU_DEAD_SYNC;
}

/* Events (7.2). */

static bool v3_event_room(struct smmu *s)
{
	unsigned int bits = REG(s, EVTQ_BASE) & 0x1f;
	u32 mask = BIT(bits + 1) - 1;

	return ((REG(s, EVTQ_PROD) - REG(s, EVTQ_CONS)) & mask) < BIT(bits);
}

static int v3_events(struct smmu *s)
{
	return BIT(REG(s, EVTQ_BASE) & 0x1f);
}

static void v3_check_events(struct smmu *s, int nr_faults)
{
	if (!v3_event_room(s) && nr_faults < v3_events(s))
		fail("events are not taken from the queue of smmu %d", s->id);
}

static bool v3_event(struct smmu *s, u32 sid, int what, u64 addr, bool write)
{
	unsigned int bits = REG(s, EVTQ_BASE) & 0x1f;
	u32 mask = BIT(bits + 1) - 1, prod = REG(s, EVTQ_PROD);
	u64 base = REG(s, EVTQ_BASE) & 0x000fffffffffffe0ULL, pa;
	u64 record[4] = { what | (u64)sid << 32, 0, 0, 0 };

	if (!(REG(s, CR0ACK) & CR0_EVTQEN))
		return true;
	if (!v3_event_room(s)) {
		if (!((REG(s, EVTQ_PROD) ^ REG(s, EVTQ_CONS)) & OVERFLOW))
			REG(s, EVTQ_PROD) ^= OVERFLOW;
		return false;
	}
	/* Other events record only the stream; their remaining words are random. */
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

	return true;
}

static void v3_gerror(struct smmu *s, u32 bits)
{
	/* An error that is active already stays as it is. */
	bits &= ~(REG(s, GERROR) ^ REG(s, GERRORN));
	REG(s, GERROR) ^= bits;
}

/* The record of an access that was refused. A stream without configuration has no address. */
static bool v3_refused(struct smmu *s, u32 sid, enum smmu_result res, u64 addr, bool write,
		       struct spec_fault *f)
{
	*f = (struct spec_fault) { .sid = sid };
	/* C_BAD_STREAMID or C_BAD_STE. */
	if (res == SMMU_BLOCKED)
		return v3_event(s, sid, sid >> v3_table_bits(s) || smmu_random(2) ? 0x02 : 0x04, 0,
				false);
	f->addr = addr;
	f->write = write;
	if (res == SMMU_PERMISSION)
		return v3_event(s, sid, 0x13, addr, write);

	return v3_event(s, sid, smmu_random(8) ? 0x10 : 0x11, addr, write);
}

static bool v3_enabled(struct smmu *s)
{
	return REG(s, CR0ACK) & CR0_SMMUEN;
}

static void v3_check_enabled(struct smmu *s)
{
	if (!enabled(s) || !(REG(s, GBPA) & GBPA_ABORT))
		fail("smmu %d: not enabled", s->id);
	if (s->nr_pending)
		fail("smmu %d: commands without CMD_SYNC", s->id);
	if (REG(s, IRQ_CTRLACK) != (BIT(0) | BIT(2)))
		fail("smmu %d: no interrupts of events and errors", s->id);
	if (!(REG(s, CR2) & BIT(2)))
		fail("smmu %d: takes part in the CPUs' TLB broadcasts", s->id);
	if (!(REG(s, CR2) & BIT(1)))
		fail("smmu %d: does not record unknown streams", s->id);
}

static bool is_queue(struct smmu *s, u64 pa, u32 base)
{
	return (REG(s, base) & 0x000fffffffffffe0ULL) / ENV_PAGE == pa / ENV_PAGE;
}

static void v3_check_freed(struct smmu *s, u64 pa)
{
	if (s->strtab && (is_queue(s, pa, CMDQ_BASE) || is_queue(s, pa, EVTQ_BASE)))
		fail("smmu %d: page %#llx is given away, but is a queue", s->id,
		     (unsigned long long)pa);
}

const struct smmu_model smmu_v3 = {
	.add		= v3_add,
	.reset		= v3_reset,
	.mmio		= v3_mmio,
	.enabled	= v3_enabled,
	.observe	= v3_observe,
	.judge		= v3_judge,
	.judge_all	= v3_judge_all,
	.sid_bits	= v3_table_bits,
	.refused	= v3_refused,
	.events		= v3_events,
	.check_events	= v3_check_events,
	.event		= v3_event,
	.gerror		= v3_gerror,
	.check_enabled	= v3_check_enabled,
	.check_freed	= v3_check_freed,
};
