/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A software SMMUv2, written from the architecture (IHI 0062) and sharing no code with the backend
 * under test. It is the worst hardware that is allowed:
 *
 * - A write to a register is posted: it arrives when a register of the same SMMU is read at last.
 * - Accesses that began before a write go on by the old mapping of their stream, until an
 *   invalidation of the VMID, or of all, and a sTLBGSYNC have completed after the write. An access
 *   that has found its context bank reads the bank's registers later.
 * - TLB entries are tagged by VMID only. They hold every translation that a stream could have
 *   used, and drop it only when a TLBSYNC that follows the invalidation is seen to be complete.
 *   That of a bank completes what was written to that bank's page.
 *
 * Page tables, what is cached of them, and the checks are those of all SMMUs: smmu-priv.h.
 */
#ifndef SMMU_V2_H
#define SMMU_V2_H

#include "smmu-priv.h"

#define V2_ENTRIES	256	/* SMRs, S2CRs and banks that the fields of ID0 and ID1 can name */

/* Space 0 (IHI 0062, 10), and space 1. */
#define V2_CR0		0x000
#define V2_CR2		0x008
#define V2_ACR		0x010
#define V2_ID0		0x020
#define V2_ID7		0x03c
#define V2_GFAR		0x040
#define V2_GFSR		0x048
#define V2_GFSRRESTORE	0x04c
#define V2_GFSYNR0	0x050
#define V2_GFSYNR1	0x054
#define V2_GFSYNR2	0x058
#define V2_TLBIVMID	0x064
#define V2_TLBIALLNSNH	0x068
#define V2_TLBIALLH	0x06c
#define V2_TLBGSYNC	0x070
#define V2_TLBGSTATUS	0x074
#define V2_SMR		0x800
#define V2_S2CR		0xc00
#define V2_CBAR		0x000
#define V2_CBFRSYNRA	0x400
#define V2_CBA2R	0x800
/* A bank (IHI 0062, 16). */
#define V2_SCTLR	0x000
#define V2_ACTLR	0x004
#define V2_RESUME	0x008
#define V2_TCR2		0x010
#define V2_TTBR0	0x020
#define V2_TCR		0x030
#define V2_FSR		0x058
#define V2_FSRRESTORE	0x05c
#define V2_FAR		0x060
#define V2_FSYNR0	0x068
#define V2_FSYNR1	0x06c
#define V2_IPAFAR	0x070
#define V2_TLBIIPAS2	0x630
#define V2_TLBIIPAS2L	0x638
#define V2_TLBSYNC	0x7f0
#define V2_TLBSTATUS	0x7f4

#define CR0_CLIENTPD	BIT(0)
#define CR0_GFRE	BIT(1)
#define CR0_GFIE	BIT(2)
#define CR0_EXIDENABLE	BIT(3)
#define CR0_GCFGFRE	BIT(4)
#define CR0_GCFGFIE	BIT(5)
#define CR0_STALLD	BIT(8)
#define CR0_GSE		BIT(9)
#define CR0_USFCFG	BIT(10)
#define CR0_VMIDPNE	BIT(11)
#define CR0_PTM		BIT(12)
#define CR0_FB		BIT(13)
#define CR0_SMCFCFG	BIT(21)
#define CR0_VMID16EN	BIT(31)
#define CR2_EXTENDED	(3ULL << 29)	/* EXSMRGENABLE and COMPINDEXENABLE */
#define ACR_CACHE_LOCK	BIT(26)	/* MMU-500 */
#define GFSR_ICF	BIT(0)
#define GFSR_USF	BIT(1)
#define GFSR_SMCF	BIT(2)
#define GFSR_ALL	(0x1ffULL | BIT(31))
#define SMR_VALID	BIT(31)
#define S2CR_EXIDVALID	BIT(10)
#define SCTLR_M		BIT(0)
#define SCTLR_E		BIT(4)
#define SCTLR_CFRE	BIT(5)
#define SCTLR_CFIE	BIT(6)
#define SCTLR_CFCFG	BIT(7)
#define ACTLR_CPRE	BIT(1)	/* MMU-500 */
#define FSR_TF		BIT(1)
#define FSR_AFF		BIT(2)
#define FSR_PF		BIT(3)
#define FSR_ASF		BIT(7)
#define FSR_AARCH64	(2ULL << 9)
#define FSR_SS		BIT(30)
#define FSR_MULTI	BIT(31)
#define FSR_FAULT	(0x1feULL | 3 * BIT(30))
#define FSYNR0_WNR	BIT(4)

struct v2_sync {
	bool active;
	u64 seq;		/* invalidations up to this one are to be complete */
	unsigned int wait;	/* reads of the status until they are */
};

struct v2_bank {
	u32 cbar, cba2r, sctlr, actlr, tcr, tcr2;
	u64 ttbr0;
	u32 fsr, fsynr0, fsynr1, frsynra;
	u64 far, ipafar;
	struct v2_sync sync;
};

/* Where an access goes. */
struct v2_target {
	enum { V2_BLOCKED, V2_BYPASS, V2_WALK } kind;
	int bank;		/* -1: none */
	u16 vmid;
	struct root root;
};

/*
 * Accesses that may still be under way, of stream ids that match; or, if they are blocked, that
 * come before a write arrives.
 */
struct v2_flight {
	u32 id, mask;
	struct v2_target to;
	u64 seq;		/* the last invalidation that was before them */
};

/* An invalidation, in the order of the writes. */
struct v2_inv {
	enum { V2_ALL, V2_HYP, V2_VMID, V2_IPA, V2_IPA_LEAF } op;
	int bank;		/* -1: a register of space 0 */
	u16 vmid;
	u64 addr, seq;
	bool sealed;		/* no access bypassed when it was written */
};

#define V2_INVS		4096
#define V2_FLIGHTS	512

struct v2 {
	u32 cr0, cr2, acr, gfsr, gfsynr0, gfsynr1;
	u64 gfar;
	u32 smr[V2_ENTRIES], s2cr[V2_ENTRIES];
	struct v2_bank bank[V2_ENTRIES];
	struct v2_sync sync;
	struct v2_inv inv[V2_INVS];
	int nr_inv;
	struct v2_flight flight[V2_FLIGHTS];
	int nr_flights;
	u64 seq;
	bool sealed;		/* no access bypasses: EL2 has taken it over */
	bool stuck;		/* sCR0 cannot be written */
};

extern struct v2 v2s[SMMU_MAX];

/* Bits of SMRs that exist. With ids of 16 bits, the S2CR has the valid bit (2.3.2). */
static inline u32 v2_smr_bits(struct smmu *s, u32 cr0)
{
	u32 ids = BIT(s->c.sid_bits) - 1;

	if (!s->c.v2.smrs)
		return 0;
	if (!(cr0 & CR0_EXIDENABLE))
		ids &= 0x7fff;

	return (cr0 & CR0_EXIDENABLE ? 0 : SMR_VALID) | ids | (s->c.v2.masks & ids) << 16;
}

static inline struct v2 *v2_of(struct smmu *s)
{
	return &v2s[s->id];
}

/* S2CRs; with stream matching, SMRs as well. */
static inline unsigned int v2_entries(struct smmu *s)
{
	return s->c.v2.smrs ?: 1U << s->c.sid_bits;
}

/* smmu-v2-map.c */
/* The mapping changes between the two: a write to a register. */
void v2_change(struct smmu *s);
void v2_changed(struct smmu *s);
struct v2_target v2_target(struct smmu *s, u32 sid, u32 *fault);
void v2_arrived(struct smmu *s);	/* all writes */
void v2_land(struct smmu *s, const struct v2_inv *inv);
struct outcome v2_judge(struct smmu *s, u32 sid);
void v2_judge_all(struct smmu *s);
bool v2_refused(struct smmu *s, u32 sid, enum smmu_result res, u64 addr, bool write,
		struct spec_fault *f);
bool v2_event(struct smmu *s, u32 sid, int what, u64 addr, bool write);
bool v2_irq(int id, int n);	/* level of the interrupt of a bank; -1: of global faults */
void v2_check_events(struct smmu *s, int nr_faults);
void v2_check_enabled(struct smmu *s);

#endif /* SMMU_V2_H */
