// SPDX-License-Identifier: GPL-2.0-only
/*
 * Backend for the Arm SMMUv2 (IHI 0062, Arm System Memory Management Unit Architecture
 * Specification v2; the names of registers and fields are the references): MMU-500, other
 * implementations of the architecture, and the MMU-401 with pages of 64 KiB. Checked against a
 * model of the architecture only, never on hardware.
 *
 * EL2 owns the whole register space: the global registers and all context banks. The core
 * decides who may do what, and has checked every argument. The hardware is trusted to do what the
 * architecture says, but not to do it in time: every wait has a deadline. What secure firmware
 * keeps for itself (SMMU_SCR1) is not in the ID registers, and serves secure streams only.
 *
 * A transaction finds its stream mapping entry (S2CR) by its stream id: with stream matching,
 * the entry whose SMR has the id, else the one at that index. An entry either is of the type
 * fault, or names a context bank. A bank translates with stage 2 only. No entry bypasses.
 *
 *	stream id  -> SMR, S2CR ->  bank                   ->  page table
 *	0x12              0         0: identity domain         the shadow
 *	0x40 to 0x7f      1  ---->  1: a domain, 2 streams     its table
 *	0x88              2  --'
 *	others: fault               2: no domain               a page without entries
 *
 * A domain with streams of this SMMU has one bank. Bank 0 is for the identity domain alone, so
 * that a device always gets it as long as there is an SMR. A bank that translates by no domain
 * does so by a page without entries, because one that is disabled (SCTLR.M=0) bypasses.
 *
 * pkvm_iommu::lock guards everything here. Each operation waits for the hardware.
 */
#include <asm/kvm_hyp.h>
#include <asm/kvm_mmu.h>

#include <nvhe/iommu-backend.h>
#include <nvhe/memory.h>

#include "../../../../../../../drivers/iommu/arm/arm-smmu/arm-smmu.h"

/* Registers and fields that the stock driver's header does not define */
#define CR0_SMCFCFG		BIT(21)
#define CR0_STALLD		BIT(8)
#define SMMU_CR2		0x8
#define SMMU_GFAR		0x40
#define GFSR_ICF		BIT(0)
#define GFSR_UUT		BIT(8)
#define GFSR_MULTI		BIT(31)
#define GFSYNR0_WNR		BIT(1)
/* CACHE_LOCK, S2CRB_TLBEN and SMTNMB_TLBEN */
#define MMU500_ACR_UNWANTED	(BIT(26) | BIT(10) | BIT(8))
#define MMU500_ACTLR_CPRE	BIT(1)

#define ENTRIES_MAX		128
/* Pages that are invalidated one by one. Beyond, the whole domain is. */
#define INV_MAX			32
/* pkvm_iommu_domain::tag of the identity domain, which has bank 0 */
#define IDENTITY_TAG		1

/*
 * VTCR of a bank without a domain: 32 bits of addresses, whose root table has at most 128 entries,
 * at level 1 with pages of 4 KiB, else at level 2; walks that do not snoop. A table beyond 32 bits
 * faults, too.
 */
#define VTCR_EMPTY		(ARM_SMMU_VTCR_RES1 | FIELD_PREP(ARM_SMMU_VTCR_SL0, 1) |	\
				 FIELD_PREP(ARM_SMMU_VTCR_T0SZ, 64 - 32) |		\
				 FIELD_PREP(ARM_SMMU_VTCR_TG0,				\
					    PAGE_SHIFT == 16 ? 1 : PAGE_SHIFT - 12))
#define VTCR_CHECKED		(ARM_SMMU_VTCR_SL0 | ARM_SMMU_VTCR_T0SZ | ARM_SMMU_VTCR_TG0)
/*
 * Faults terminate the access (CFCFG=0), interrupt, and do not hold up others of the bank (HUPCF).
 * AFE and TRE have a meaning in stage 1 only; the stock driver sets them in both.
 */
#define SCTLR_ON		(ARM_SMMU_SCTLR_M | ARM_SMMU_SCTLR_CFRE | ARM_SMMU_SCTLR_CFIE | \
				 ARM_SMMU_SCTLR_HUPCF | ARM_SMMU_SCTLR_AFE | ARM_SMMU_SCTLR_TRE)
/*
 * Transactions of unknown streams, and those that match two entries, fault (USFCFG, SMCFCFG); they
 * do not all bypass (CLIENTPD=0), and none stalls (GSE=0, STALLD). Broadcast TLB maintenance of
 * CPUs is ignored, and VMIDs are not shared with them (PTM, VMIDPNE). GFIE is set last.
 */
#define CR0_ON			(ARM_SMMU_sCR0_USFCFG | CR0_SMCFCFG | CR0_STALLD |		\
				 ARM_SMMU_sCR0_PTM | ARM_SMMU_sCR0_VMIDPNE |			\
				 ARM_SMMU_sCR0_GFRE | ARM_SMMU_sCR0_GCFGFRE |			\
				 ARM_SMMU_sCR0_GCFGFIE)
/* Isolation depends on these; and smmu_lost() on GFIE. */
#define CR0_CHECKED		(ARM_SMMU_sCR0_USFCFG | ARM_SMMU_sCR0_CLIENTPD |		\
				 ARM_SMMU_sCR0_VMID16EN | ARM_SMMU_sCR0_EXIDENABLE |		\
				 ARM_SMMU_sCR0_GFIE)

#define S2CR_FAULT		FIELD_PREP(ARM_SMMU_S2CR_TYPE, S2CR_TYPE_FAULT)

/**
 * struct smmu_bank - a context bank
 * @domain: the domain by which it translates, or NULL
 * @streams: entries that name the bank
 */
struct smmu_bank {
	const struct pkvm_iommu_domain	*domain;
	unsigned int			streams;
};

/**
 * struct smmu_entry - a stream mapping entry
 * @bank: the context bank that it names; NULL if it faults
 * @sid: stream id: an id of 16 bits, and from bit 16 a mask of the bits of it that do not matter;
 *	without stream matching, an index
 */
struct smmu_entry {
	struct smmu_bank	*bank;
	u32			sid;
};

/**
 * struct hyp_smmu - state of an SMMUv2
 * @shift: log2 of the bytes of a page of registers
 * @nr_pages: pages of global registers. The banks follow, a page for each
 * @nr_banks: context banks
 * @nr_entries: stream mapping entries
 * @matching: IDR0.SMS: entries have an SMR
 * @exids: IDR0.EXIDS: ids have 16 bits. An SMR has no valid bit then, but its S2CR does
 * @vmid16: IDR2.VMID16S: VMIDs have 16 bits
 * @mmu500: the errata of the MMU-500
 * @mmu401: an extension of SMMUv1, which invalidates stage 2 by VMID only
 * @id_bits: bits of ids that SMRs have; init makes them fewer during boot
 * @mask_bits: bits of ids that SMRs can mask; set by init during boot
 * @sized: @id_bits and @mask_bits are final
 * @next_fault: bank whose fault is taken next; @nr_banks for global faults
 * @tables: a page, the state of the registers, from which init restores them
 * @empty: the page without entries
 */
struct hyp_smmu {
	u8	shift, nr_banks, nr_entries, next_fault;
	u16	nr_pages, id_bits, mask_bits;
	bool	matching, exids, vmid16, mmu500, mmu401, sized;
	struct {
		struct smmu_bank	banks[ENTRIES_MAX];
		struct smmu_entry	entries[ENTRIES_MAX];
	} *tables;
	void	*empty;
};

static struct hyp_smmu hyp_smmus[PKVM_IOMMU_MAX];

static struct hyp_smmu *to_smmu(struct pkvm_iommu *iommu)
{
	return &hyp_smmus[iommu->id];
}

/* Some transaction matches both of two stream ids. */
static bool smmu_overlap(u32 sid, u32 other)
{
	return !((u16)(sid ^ other) & ~((sid | other) >> 16));
}

/* Offset of a register in the second page of global registers, or in that of a bank. */
#define gr1(iommu, reg)	(BIT(to_smmu(iommu)->shift) + (reg))

static u32 cb(struct pkvm_iommu *iommu, unsigned int bank, u32 reg)
{
	return ((to_smmu(iommu)->nr_pages + bank) << to_smmu(iommu)->shift) + reg;
}

static u32 smmu_read(struct pkvm_iommu *iommu, u32 reg)
{
	return readl_relaxed(iommu->mmio + reg);
}

static void smmu_write(struct pkvm_iommu *iommu, u32 val, u32 reg)
{
	writel_relaxed(val, iommu->mmio + reg);
}

/* Write a register. Returns false if the bits of @mask do not keep the value. */
static bool smmu_set(struct pkvm_iommu *iommu, u32 val, u32 reg, u32 mask)
{
	smmu_write(iommu, val, reg);
	return !((smmu_read(iommu, reg) ^ val) & mask);
}

/*
 * Wait until the invalidations before this have completed, and with them the accesses that used, or
 * were about to use, what they drop: all with sTLBGSYNC, those of a bank with its TLBSYNC. In both
 * cases, the status is in the register that follows. A status of 0 counts only from an SMMU that
 * answers: where nothing does, for want of a clock for instance, a read may give 0, too.
 */
static bool smmu_sync(struct pkvm_iommu *iommu, u32 sync)
{
	smmu_write(iommu, 0, sync);
	if (!pkvm_iommu_wait(!(smmu_read(iommu, sync + 4) & ARM_SMMU_sTLBGSTATUS_GSACTIVE)) ||
	    !(smmu_read(iommu, ARM_SMMU_GR0_sCR0) & ARM_SMMU_sCR0_USFCFG))
		return false;

	/* Accesses after this must not start before. */
	dsb(sy);

	return true;
}

static void smmu_drop_domain(struct pkvm_iommu *iommu, const struct pkvm_iommu_domain *domain)
{
	smmu_write(iommu, domain->tag, ARM_SMMU_GR0_TLBIVMID);
	if (!smmu_sync(iommu, ARM_SMMU_GR0_sTLBGSYNC))
		pkvm_iommu_lost_command();
}

static bool smmu_drop_all(struct pkvm_iommu *iommu)
{
	smmu_write(iommu, 0, ARM_SMMU_GR0_TLBIALLH);
	smmu_write(iommu, 0, ARM_SMMU_GR0_TLBIALLNSNH);
	return smmu_sync(iommu, ARM_SMMU_GR0_sTLBGSYNC);
}

static int smmu_probe(struct pkvm_iommu *iommu, u64 *why)
{
	static const u8 sizes[] = { 32, 36, 40, 42, 44, 48 };
	u32 quirks = FIELD_GET(PKVM_IOMMU_F_QUIRKS, iommu->flags);
	struct hyp_smmu *smmu = to_smmu(iommu);
	u32 idr0, idr1, idr2, sidb;

	*why = PKVM_IOMMU_REFUSE_MMIO;
	if (!IS_ALIGNED(iommu->base, PAGE_SIZE))
		return -ENXIO;
	idr0 = smmu_read(iommu, ARM_SMMU_GR0_ID0);
	idr1 = smmu_read(iommu, ARM_SMMU_GR0_ID1);
	idr2 = smmu_read(iommu, ARM_SMMU_GR0_ID2);
	sidb = FIELD_GET(ARM_SMMU_ID0_NUMSIDB, idr0);
	*smmu = (struct hyp_smmu) {
		.shift		= idr1 & ARM_SMMU_ID1_PAGESIZE ? 16 : 12,
		.nr_pages	= 2 << FIELD_GET(ARM_SMMU_ID1_NUMPAGENDXB, idr1),
		.nr_banks	= FIELD_GET(ARM_SMMU_ID1_NUMCB, idr1),
		.nr_entries	= idr0 & ARM_SMMU_ID0_SMS ? FIELD_GET(ARM_SMMU_ID0_NUMSMRG, idr0) :
							    min_t(u32, BIT(sidb), ENTRIES_MAX),
		.matching	= idr0 & ARM_SMMU_ID0_SMS,
		.exids		= idr0 & ARM_SMMU_ID0_SMS && idr0 & ARM_SMMU_ID0_EXIDS,
		.id_bits	= idr0 & ARM_SMMU_ID0_EXIDS ? U16_MAX : BIT(sidb) - 1,
		.vmid16		= idr2 & ARM_SMMU_ID2_VMID16,
		.mmu500		= quirks & PKVM_IOMMU_SMMU_V2_MMU500,
		.mmu401		= quirks & PKVM_IOMMU_SMMU_V2_MMU401,
	};
	/* As many pages are for banks as for global registers. None is left to the host. */
	if (iommu->mmio_size < 2UL * smmu->nr_pages << smmu->shift ||
	    smmu->nr_banks > min_t(u32, smmu->nr_pages, ENTRIES_MAX))
		return -ENXIO;

	*why = PKVM_IOMMU_REFUSE_STAGE;
	if (!(idr0 & ARM_SMMU_ID0_S2TS) || !smmu->nr_banks)
		return -ENXIO;
	*why = PKVM_IOMMU_REFUSE_GRANULE;
	/* The register does not have the only format of 64 bits of an MMU-401. */
	if (smmu->mmu401 ? PAGE_SHIFT != 16 :
			   !(idr2 & ARM_SMMU_ID2_PTFS_4K << (PAGE_SHIFT - 12) / 2))
		return -ENXIO;

	*why = PKVM_IOMMU_REFUSE_PRESET;
	if (!smmu->nr_entries || smmu->nr_entries > ENTRIES_MAX)
		return -ENXIO;

	/* Indices beyond the last entry are unknown streams. */
	iommu->sid_bits = smmu->matching ? 32 : ilog2(smmu->nr_entries);
	iommu->oas = sizes[min3(FIELD_GET(ARM_SMMU_ID2_IAS, idr2),
				FIELD_GET(ARM_SMMU_ID2_OAS, idr2), ARRAY_SIZE(sizes) - 1)];
	iommu->fmts = BIT(ARM_64_LPAE_S2);
	iommu->vmid_bits = smmu->vmid16 ? 16 : 8;
	/* Stage 2 has none, so that this SMMU does not limit those of others. */
	iommu->asid_bits = 16;
	/* Needless cache maintenance is harmless, missing maintenance is not. */
	if (!(idr0 & ARM_SMMU_ID0_CTTW))
		iommu->flags &= ~PKVM_IOMMU_F_COHERENT;

	return 0;
}

static int smmu_alloc(struct pkvm_iommu *iommu)
{
	struct hyp_smmu *smmu = to_smmu(iommu);

	BUILD_BUG_ON(sizeof(*smmu->tables) > SZ_4K);
	if (!smmu->tables)
		smmu->tables = pkvm_iommu_alloc_page();
	if (!smmu->empty)
		smmu->empty = pkvm_iommu_alloc_page();

	return smmu->tables && smmu->empty ? 0 : -ENOMEM;
}

/*
 * Have a bank translate by its domain, or by the page without entries. No entry names the bank,
 * and no access uses it. Returns false if the bank does not keep its settings.
 */
static bool smmu_set_bank(struct pkvm_iommu *iommu, unsigned int n)
{
	struct hyp_smmu *smmu = to_smmu(iommu);
	const struct pkvm_iommu_domain *domain = smmu->tables->banks[n].domain;
	u64 vttbr = domain ? domain->cfg->arm_lpae_s2_cfg.vttbr : hyp_virt_to_phys(smmu->empty);
	u32 vtcr = domain ? arm_smmu_lpae_vtcr(domain->cfg) : VTCR_EMPTY;
	/* No domain has VMID 0. */
	u16 vmid = domain ? domain->tag : 0;
	u32 vmid16 = smmu->vmid16 ? FIELD_PREP(ARM_SMMU_CBA2R_VMID16, vmid) : 0;
	/* TYPE is CBAR_TYPE_S2_TRANS, which is 0. */
	u32 cbar = smmu->vmid16 ? 0 : FIELD_PREP(ARM_SMMU_CBAR_VMID, vmid);
	u32 actlr = cb(iommu, n, ARM_SMMU_CB_ACTLR);
	bool good = true;

	/*
	 * Several errata of the MMU-500 (841119, 826419, 562869, 1047329) leave stale translations
	 * behind unless it prefetches none. Firmware can have locked that, by SACR.CACHE_LOCK.
	 */
	if (smmu->mmu500)
		good = smmu_set(iommu, smmu_read(iommu, actlr) & ~MMU500_ACTLR_CPRE, actlr,
				MMU500_ACTLR_CPRE);
	/* These two give the other registers their format. */
	good &= smmu_set(iommu, ARM_SMMU_CBA2R_VA64 | vmid16, gr1(iommu, ARM_SMMU_GR1_CBA2R(n)),
			 ARM_SMMU_CBA2R_VA64 | ARM_SMMU_CBA2R_VMID16);
	good &= smmu_set(iommu, cbar, gr1(iommu, ARM_SMMU_GR1_CBAR(n)),
			 ARM_SMMU_CBAR_TYPE | ARM_SMMU_CBAR_VMID);
	good &= smmu_set(iommu, vtcr, cb(iommu, n, ARM_SMMU_CB_TCR), VTCR_CHECKED);
	/* The page table before its address. */
	wmb();
	writeq_relaxed(vttbr, iommu->mmio + cb(iommu, n, ARM_SMMU_CB_TTBR0));

	return good & smmu_set(iommu, SCTLR_ON, cb(iommu, n, ARM_SMMU_CB_SCTLR),
			       ARM_SMMU_SCTLR_M | ARM_SMMU_SCTLR_CFCFG);
}

/*
 * Have an entry name its bank, or fault. The SMR comes first and goes last: meanwhile, the
 * transactions of the stream match nothing, or an entry that faults. Returns false if the entry
 * does not keep its settings, other than bits of the id that are masked. They have arrived when
 * they have been read.
 */
static bool smmu_set_entry(struct pkvm_iommu *iommu, unsigned int n)
{
	struct hyp_smmu *smmu = to_smmu(iommu);
	const struct smmu_entry *entry = &smmu->tables->entries[n];
	u32 valid = smmu->exids ? 0 : ARM_SMMU_SMR_VALID, s2cr = S2CR_FAULT;

	if (entry->bank)
		s2cr = FIELD_PREP(ARM_SMMU_S2CR_TYPE, S2CR_TYPE_TRANS) |
		       FIELD_PREP(ARM_SMMU_S2CR_CBNDX, entry->bank - smmu->tables->banks) |
		       (smmu->exids ? ARM_SMMU_S2CR_EXIDVALID : 0);
	/* An SMR has the fields of a stream id: ID and MASK. */
	if (entry->bank && smmu->matching &&
	    !smmu_set(iommu, entry->sid | valid, ARM_SMMU_GR0_SMR(n), ~(entry->sid >> 16)))
		return false;
	if (!smmu_set(iommu, s2cr, ARM_SMMU_GR0_S2CR(n),
		      ARM_SMMU_S2CR_TYPE | ARM_SMMU_S2CR_EXIDVALID))
		return false;

	return entry->bank || !smmu->matching || smmu_set(iommu, 0, ARM_SMMU_GR0_SMR(n), valid);
}

/*
 * Block every stream. Before, the SMMU may let some streams pass and translate others. First those
 * that match nothing or two entries fault, then those that match one, then, without CLIENTPD, all.
 * With firmware's ids of 16 bits, a stream of two entries may pass by the second one until that
 * is written, too. Entries match nothing from then on: a reset leaves SMRs unknown. Bits of CR2
 * can make the hardware use more entries than are known here.
 */
static bool smmu_block_all(struct pkvm_iommu *iommu, u32 cr0)
{
	struct hyp_smmu *smmu = to_smmu(iommu);
	unsigned int n;

	smmu_write(iommu, smmu_read(iommu, ARM_SMMU_GR0_sCR0) | ARM_SMMU_sCR0_USFCFG | CR0_SMCFCFG,
		   ARM_SMMU_GR0_sCR0);
	for (n = 0; n < smmu->nr_entries; n++)
		smmu_write(iommu, S2CR_FAULT, ARM_SMMU_GR0_S2CR(n));
	for (n = 0; smmu->matching && n < smmu->nr_entries; n++)
		smmu_write(iommu, 0, ARM_SMMU_GR0_SMR(n));

	return smmu_set(iommu, cr0, ARM_SMMU_GR0_sCR0, CR0_CHECKED) &&
	       smmu_set(iommu, 0, SMMU_CR2, ~0);
}

/*
 * Acknowledge the fault of a bank, and end an access that it has stalled. The interrupt is
 * level-triggered, and goes with the bits. A fault that has come since sets MULTI, and is lost.
 */
static void smmu_ack_bank(struct pkvm_iommu *iommu, unsigned int n, u32 fsr)
{
	smmu_write(iommu, fsr | ARM_SMMU_CB_FSR_MULTI, cb(iommu, n, ARM_SMMU_CB_FSR));
	if (fsr & ARM_SMMU_CB_FSR_SS)
		smmu_write(iommu, ARM_SMMU_RESUME_TERMINATE, cb(iommu, n, ARM_SMMU_CB_RESUME));
}

static int smmu_init(struct pkvm_iommu *iommu, u64 *why)
{
	struct hyp_smmu *smmu = to_smmu(iommu);
	u32 cr0 = CR0_ON | (smmu->vmid16 ? ARM_SMMU_sCR0_VMID16EN : 0) |
			   (smmu->exids ? ARM_SMMU_sCR0_EXIDENABLE : 0);
	bool good = true;
	unsigned int n;

	/* Walks of it do not snoop. */
	kvm_flush_dcache_to_poc(smmu->empty, PAGE_SIZE);

	*why = PKVM_IOMMU_REFUSE_PRESET;
	if (!smmu_block_all(iommu, cr0))
		return -ETIMEDOUT;
	/* Unlock ACTLR. TLBs need no entries for streams that bypass (TLBEN): there are none. */
	if (smmu->mmu500)
		smmu_write(iommu, smmu_read(iommu, ARM_SMMU_GR0_sACR) & ~MMU500_ACR_UNWANTED,
			   ARM_SMMU_GR0_sACR);

	/* A bank changes only when all accesses that have found it have completed. */
	*why = PKVM_IOMMU_REFUSE_TIMEOUT;
	for (n = 0; n < smmu->nr_banks; n++)
		smmu_ack_bank(iommu, n, smmu_read(iommu, cb(iommu, n, ARM_SMMU_CB_FSR)));
	if (!smmu_drop_all(iommu))
		return -ETIMEDOUT;
	for (n = 0; n < smmu->nr_banks; n++)
		good &= smmu_set_bank(iommu, n);
	/* Once more, now that nothing is prefetched. */
	if (!smmu_drop_all(iommu))
		return -ETIMEDOUT;

	/* During boot, all entries fault. After a power-off, they are again what they were. */
	*why = PKVM_IOMMU_REFUSE_PRESET;
	if (smmu->matching && !smmu->sized) {
		/*
		 * Find the bits that SMRs have: ID in the lower half, MASK in the upper one. Bits
		 * of an id that are masked may not be kept.
		 */
		smmu_write(iommu, smmu->id_bits, ARM_SMMU_GR0_SMR(0));
		smmu->id_bits &= (u16)smmu_read(iommu, ARM_SMMU_GR0_SMR(0));
		smmu_write(iommu, (u32)smmu->id_bits << 16, ARM_SMMU_GR0_SMR(0));
		smmu->mask_bits = smmu_read(iommu, ARM_SMMU_GR0_SMR(0)) >> 16;
		smmu->sized = true;
	}
	for (n = 0; n < smmu->nr_entries; n++)
		good = good && smmu_set_entry(iommu, n);
	smmu_write(iommu, smmu_read(iommu, ARM_SMMU_GR0_sGFSR), ARM_SMMU_GR0_sGFSR);
	if (!good || !smmu_set(iommu, cr0 | ARM_SMMU_sCR0_GFIE, ARM_SMMU_GR0_sCR0, CR0_CHECKED))
		return -ETIMEDOUT;

	return 0;
}

/*
 * A reset sets CLIENTPD, and does not set GFIE, which shows that init is complete. Where nothing
 * answers, a read may have all bits set, or none.
 */
static bool smmu_lost(struct pkvm_iommu *iommu)
{
	return (smmu_read(iommu, ARM_SMMU_GR0_sCR0) &
		(ARM_SMMU_sCR0_CLIENTPD | ARM_SMMU_sCR0_GFIE)) != ARM_SMMU_sCR0_GFIE;
}

/* Find the bank of a domain, or else one that it can have. */
static int smmu_find_bank(struct pkvm_iommu *iommu, const struct pkvm_iommu_domain *domain)
{
	const struct smmu_bank *banks = to_smmu(iommu)->tables->banks;
	int n, unused = -ENOSPC;

	if (domain->tag == IDENTITY_TAG)
		return 0;
	for (n = 1; n < to_smmu(iommu)->nr_banks; n++) {
		if (banks[n].domain == domain)
			return n;
		if (!banks[n].domain && unused < 0)
			unused = n;
	}

	return unused;
}

/*
 * Find the entry of a stream, or an unused one for it, with @new. Transactions that match two
 * entries fault, or do what the implementation likes: a stream that overlaps another one is
 * refused, even in the same domain.
 */
static int smmu_find_entry(struct pkvm_iommu *iommu, u32 sid, bool new)
{
	struct hyp_smmu *smmu = to_smmu(iommu);
	const struct smmu_entry *entries = smmu->tables->entries;
	int n, unused = -ENOSPC;

	if (!smmu->matching)
		return sid;
	if (new && ((u16)sid & ~smmu->id_bits || sid >> 16 & ~smmu->mask_bits))
		return -EIO;
	for (n = 0; n < smmu->nr_entries; n++) {
		if (!entries[n].bank)
			unused = unused < 0 ? n : unused;
		else if (smmu_overlap(sid, entries[n].sid))
			return new ? -EIO : n;
	}

	return unused;
}

static int smmu_stream_set(struct pkvm_iommu *iommu, u32 sid,
			   const struct pkvm_iommu_domain *domain, bool attach)
{
	struct smmu_entry *entries = to_smmu(iommu)->tables->entries;
	int n = smmu_find_entry(iommu, sid, attach), b = smmu_find_bank(iommu, domain);
	struct smmu_bank *bank;
	bool good = true;

	/* Not to block: the domain has a bank, and the stream an entry. */
	if (n < 0 || b < 0)
		return n < 0 ? n : b;

	bank = &to_smmu(iommu)->tables->banks[b];
	if (attach && !bank->streams++) {
		bank->domain = domain;
		good = smmu_set_bank(iommu, b);
	}
	entries[n] = (struct smmu_entry) { attach ? bank : NULL, sid };
	/* No entry names a bank that has not its settings. */
	good = good && smmu_set_entry(iommu, n);
	/* Accesses that have found the bank complete before it changes. A SYNC is not enough. */
	if (!attach)
		smmu_drop_domain(iommu, domain);
	if (!attach && !--bank->streams) {
		bank->domain = NULL;
		good &= smmu_set_bank(iommu, b);
	}
	if (!good)
		pkvm_iommu_lost_command();

	return 0;
}

/*
 * The banks share TLBs, by VMID. A domain has its VMID to itself, so one invalidation by VMID, or
 * some by address in its bank, drop all that there is. The former needs no bank: the last stream
 * of the domain may have just left.
 */
static u64 smmu_invalidate(struct pkvm_iommu *iommu, const struct pkvm_iommu_domain *domain,
			   u64 addr, u64 size, bool leaf)
{
	u32 reg = leaf ? ARM_SMMU_CB_S2_TLBIIPAS2L : ARM_SMMU_CB_S2_TLBIIPAS2;
	u64 end = addr + size;
	int bank;

	/* After the page-table entries, which the core has cleaned from the caches if need be. */
	wmb();
	if (!size || size > INV_MAX * PAGE_SIZE || to_smmu(iommu)->mmu401) {
		smmu_drop_domain(iommu, domain);
		return 0;
	}

	/* With a size, the domain has a stream. */
	bank = smmu_find_bank(iommu, domain);
	for (; addr < end; addr += PAGE_SIZE)
		writeq_relaxed(addr >> 12, iommu->mmio + cb(iommu, bank, reg));
	if (!smmu_sync(iommu, cb(iommu, bank, ARM_SMMU_CB_TLBSYNC)))
		pkvm_iommu_lost_command();

	return 0;
}

/* The attached stream that an id of the hardware's is of, or else that id. */
static u32 smmu_sid(struct pkvm_iommu *iommu, u16 id)
{
	const struct smmu_entry *entries = to_smmu(iommu)->tables->entries;
	int n = to_smmu(iommu)->matching ? smmu_find_entry(iommu, id, false) : -ENOENT;

	return n >= 0 && entries[n].bank ? entries[n].sid : id;
}

/* A fault in a bank. Until it is acknowledged, others only set MULTI. */
static bool smmu_bank_fault(struct pkvm_iommu *iommu, unsigned int n,
			    struct pkvm_iommu_fault *fault)
{
	u32 fsr = smmu_read(iommu, cb(iommu, n, ARM_SMMU_CB_FSR));

	if (!(fsr & ARM_SMMU_CB_FSR_FAULT))
		return false;

	fault->sid = smmu_sid(iommu, smmu_read(iommu, gr1(iommu, ARM_SMMU_GR1_CBFRSYNRA(n))));
	fault->write = smmu_read(iommu, cb(iommu, n, ARM_SMMU_CB_FSYNR0)) & ARM_SMMU_CB_FSYNR0_WNR;
	fault->address = readq_relaxed(iommu->mmio + cb(iommu, n, ARM_SMMU_CB_FAR));
	fault->reason = fsr & (ARM_SMMU_CB_FSR_TF | ARM_SMMU_CB_FSR_ASF) ?
				PKVM_IOMMU_FAULT_UNMAPPED :
			fsr & (ARM_SMMU_CB_FSR_PF | ARM_SMMU_CB_FSR_AFF) ?
				PKVM_IOMMU_FAULT_PERMISSION :
			fsr & ARM_SMMU_CB_FSR_UUT ? PKVM_IOMMU_FAULT_FORBIDDEN :
						    PKVM_IOMMU_FAULT_HARDWARE;
	fault->lost = fsr & ARM_SMMU_CB_FSR_MULTI;
	smmu_ack_bank(iommu, n, fsr);

	return true;
}

/* A fault of a transaction that has found no bank, or an error of the SMMU's own. */
static bool smmu_global_fault(struct pkvm_iommu *iommu, struct pkvm_iommu_fault *fault)
{
	u32 gfsr = smmu_read(iommu, ARM_SMMU_GR0_sGFSR);

	if (!gfsr)
		return false;

	fault->reason = PKVM_IOMMU_FAULT_HARDWARE;
	fault->address = gfsr;
	if (gfsr & (ARM_SMMU_sGFSR_USF | GFSR_ICF | GFSR_UUT)) {
		fault->reason = gfsr & GFSR_UUT ? PKVM_IOMMU_FAULT_FORBIDDEN :
						  PKVM_IOMMU_FAULT_BLOCKED;
		fault->sid = (u16)smmu_read(iommu, ARM_SMMU_GR0_sGFSYNR1);
		fault->write = smmu_read(iommu, ARM_SMMU_GR0_sGFSYNR0) & GFSYNR0_WNR;
		fault->address = readq_relaxed(iommu->mmio + SMMU_GFAR);
	}
	fault->lost = gfsr & GFSR_MULTI;
	smmu_write(iommu, gfsr | GFSR_MULTI, ARM_SMMU_GR0_sGFSR);

	return true;
}

/* Banks and global faults take turns, so that no device hides the faults of others. */
static bool smmu_fault(struct pkvm_iommu *iommu, struct pkvm_iommu_fault *fault)
{
	struct hyp_smmu *smmu = to_smmu(iommu);
	unsigned int n, i;

	for (i = 0; i <= smmu->nr_banks; i++) {
		n = smmu->next_fault;
		smmu->next_fault = n < smmu->nr_banks ? n + 1 : 0;
		if (n < smmu->nr_banks ? smmu_bank_fault(iommu, n, fault) :
					 smmu_global_fault(iommu, fault))
			return true;
	}

	return false;
}

PKVM_IOMMU_BACKEND(smmu_v2) = {
	.isolates	= true,
	.scarce		= true,
	.quirks		= PKVM_IOMMU_SMMU_V2_MMU500 | PKVM_IOMMU_SMMU_V2_MMU401,
	.probe		= smmu_probe,
	.alloc		= smmu_alloc,
	.init		= smmu_init,
	.lost		= smmu_lost,
	.stream_set	= smmu_stream_set,
	.invalidate	= smmu_invalidate,
	.fault		= smmu_fault,
};
