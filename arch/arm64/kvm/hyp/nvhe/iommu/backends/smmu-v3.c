// SPDX-License-Identifier: GPL-2.0-only
/*
 * Backend for the Arm SMMUv3. Section numbers are those of IHI 0070 (Arm System
 * Memory Management Unit Architecture Specification v3).
 *
 * EL2 owns all registers of the non-secure programming interface, the stream table,
 * the command queue and the event queue. The core decides who may do what, and has
 * checked every argument. The hardware is trusted to do what the architecture says,
 * but not to do it in time: every wait has a deadline.
 *
 * A stream table entry (STE) either has V=0, which aborts transactions and records
 * C_BAD_STE, or translates through the domain's page table: with stage 2, or with
 * stage 1 and one context descriptor if an IOMMU has no stage 2. For a nested domain it
 * translates with both: stage 1 is the host's, stage 2 that of the parent, whose VMID all
 * nested domains have. No STE bypasses.
 *
 * pkvm_iommu::lock guards the level-1 table and the event queue. The core changes one STE on one
 * CPU at a time. The command queue has a lock of its own, which is held only to add a batch of
 * commands: smmu_invalidate() returns then, and smmu_wait_ticket() waits without a lock.
 */
#include <asm/kvm_hyp.h>
#include <asm/kvm_mmu.h>

#include <nvhe/iommu-backend.h>
#include <nvhe/memory.h>

#include "../../../../../../../drivers/iommu/arm/arm-smmu-v3/arm-smmu-v3.h"

/* Fields that the stock driver's header does not define */
#define IDR1_ECMDQ		BIT(31)
#define SMMU_PAGE1		SZ_64K
#define SMMU_REGS_SIZE		SZ_128K
#define EVT_ID_TRANSL_FORBIDDEN	0x07
#define EVT_ID_WALK_EABT	0x0b
#define IIDR_IMPLEMENTER_ARM	0x43b
#define IIDR_PRODUCTID_MMU_600	0x483
#define IIDR_PRODUCTID_MMU_700	0x487

/*
 * A level-2 stream table of 64 entries fills 4 KiB, at most a page of the pool. The level-1
 * or linear table is at most 4 MiB, the largest block of the host's page allocator
 * (3.3.1.2).
 */
#define L2_SPLIT		6
#define L2_ENTRIES		BIT(L2_SPLIT)
#define L1_MAX_BITS		19
#define LINEAR_MAX_BITS		16

#define CMDQ_BITS		(ilog2(SZ_4K) - CMDQ_ENT_SZ_SHIFT)
#define EVTQ_BITS		(ilog2(SZ_4K) - EVTQ_ENT_SZ_SHIFT)
/* Commands in a batch. Beyond it, the whole domain is invalidated by one command. */
#define BATCH_MAX		32
/*
 * With it: invalidate the whole domain beyond so many pages. A command covers five
 * bits of the number of pages; SCALE is limited without 52-bit addresses (4.4.1.1).
 */
#define INV_MAX_RANGE		(BIT(31) - 1)

/* The page size of the kernel: support for it, and its code in a range (6.3.6, 4.4.1.1). */
#define IDR5_GRAN		(IDR5_GRAN4K << (PAGE_SHIFT - 12) / 2)
#define TLBI_TG			((PAGE_SHIFT - 10) / 2)

/**
 * struct hyp_smmu - state of an SMMUv3
 * @two_level: the stream table has two levels
 * @ats: IDR0.ATS: translated transactions exist and must be checked
 * @msi: IDR0.MSI: the SMMU can write interrupts to memory
 * @ril: IDR3.RIL: a command can invalidate a range
 * @el2: IDR0.HYP: translations can be tagged as EL2's
 * @attr_ovr: IDR1.ATTR_TYPES_OVR: STEs must select the incoming attributes
 * @cmdq: command queue, a page
 * @cmdq_bits: log2 of the entries of @cmdq
 * @queue_lock: guards @cmdq and @cmdq_prod; innermost but for @gerror_lock
 * @gerror_lock: guards GERRORN
 * @cmdq_prod: commands that were ever added; the low bits are the index with the wrap bit
 * @cmdq_cons: commands that are known to be consumed; changed with @queue_lock held
 * @evtq: event queue, a page
 * @evtq_bits: log2 of the entries of @evtq
 * @evtq_cons: index of the next entry to read, with wrap and overflow bits
 */
struct hyp_smmu {
	bool			two_level;
	bool			ats;
	bool			msi;
	bool			ril;
	bool			el2;
	bool			attr_ovr;
	__le64			*cmdq;
	u8			cmdq_bits;
	hyp_spinlock_t		queue_lock;
	hyp_spinlock_t		gerror_lock;
	u64			cmdq_prod;
	u64			cmdq_cons;
	__le64			*evtq;
	u8			evtq_bits;
	u32			evtq_cons;
};

static struct hyp_smmu hyp_smmus[PKVM_IOMMU_MAX];

static struct hyp_smmu *to_smmu(struct pkvm_iommu *iommu)
{
	return &hyp_smmus[iommu->id];
}

static u32 smmu_read(struct pkvm_iommu *iommu, u32 reg)
{
	return readl_relaxed(iommu->mmio + reg);
}

static void smmu_write(struct pkvm_iommu *iommu, u32 val, u32 reg)
{
	writel_relaxed(val, iommu->mmio + reg);
}

static void smmu_write64(struct pkvm_iommu *iommu, u64 val, u32 reg)
{
	writeq_relaxed(val, iommu->mmio + reg);
}

/* Make memory that the SMMU is about to read visible to it. */
static void smmu_publish(struct pkvm_iommu *iommu, void *addr, size_t size)
{
	if (!pkvm_iommu_coherent(iommu))
		kvm_flush_dcache_to_poc(addr, size);
	/* Before the register write that makes the SMMU read it. */
	wmb();
}

/* Wait until *(@reg) & @mask == @val. */
static bool smmu_wait(struct pkvm_iommu *iommu, u32 reg, u32 mask, u32 val)
{
	return pkvm_iommu_wait((smmu_read(iommu, reg) & mask) == val);
}

/*
 * Commands that the SMMU has consumed. The register has the low bits of that count.
 * cmdq_cons is what the count was when room was needed last, so the register is at most
 * the size of the queue ahead of it. If another CPU stores cmdq_cons between the two
 * reads, the result may be too small, never too large.
 */
static u64 smmu_consumed(struct pkvm_iommu *iommu)
{
	struct hyp_smmu *smmu = to_smmu(iommu);
	u64 cons;

	/* Before the register. Pairs with the release in smmu_make_room(). */
	cons = smp_load_acquire(&smmu->cmdq_cons);

	return cons + ((smmu_read(iommu, ARM_SMMU_CMDQ_CONS) - cons) &
		       (BIT(smmu->cmdq_bits + 1) - 1));
}

/*
 * A command queue error stops the queue. Acknowledging it makes the SMMU fetch the
 * command again, which succeeds after a transient abort of memory. A command that the
 * SMMU does not support keeps failing until the deadline. No invalidation is ever
 * skipped (7.1).
 */
static void smmu_ack_cmdq_error(struct pkvm_iommu *iommu)
{
	struct hyp_smmu *smmu = to_smmu(iommu);
	u32 gerrorn;

	hyp_spin_lock(&smmu->gerror_lock);
	gerrorn = smmu_read(iommu, ARM_SMMU_GERRORN);
	if ((smmu_read(iommu, ARM_SMMU_GERROR) ^ gerrorn) & GERROR_CMDQ_ERR)
		smmu_write(iommu, gerrorn ^ GERROR_CMDQ_ERR, ARM_SMMU_GERRORN);
	hyp_spin_unlock(&smmu->gerror_lock);
}

/*
 * Check that all commands before @ticket have completed: the consumer index has passed
 * the CMD_SYNC that is the last of them (4.7.3).
 */
static bool smmu_completed(struct pkvm_iommu *iommu, u64 ticket)
{
	if ((s64)(smmu_consumed(iommu) - ticket) >= 0)
		return true;
	smmu_ack_cmdq_error(iommu);

	return false;
}

/* Result of smmu_submit() if the queue has had no room for too long. */
#define NO_TICKET		U64_MAX

/* Wait for the commands before @ticket, from smmu_submit(). */
static bool smmu_wait_ticket(struct pkvm_iommu *iommu, u64 ticket)
{
	if (ticket == NO_TICKET)
		return false;
	if (!pkvm_iommu_wait(smmu_completed(iommu, ticket)))
		return false;

	/* Accesses after this must not start before the commands have completed. */
	dsb(sy);

	return true;
}

/*
 * Wait for room for @n commands, with the lock of the queue released. When it is held again,
 * other CPUs may have taken the room, but each of them has at most one batch in the queue.
 * Returns false, without the lock, if the commands in the queue are late.
 */
static noinline bool smmu_make_room(struct pkvm_iommu *iommu, u64 n)
{
	struct hyp_smmu *smmu = to_smmu(iommu);
	u64 ticket = smmu->cmdq_prod + n - BIT(smmu->cmdq_bits);

	hyp_spin_unlock(&smmu->queue_lock);
	if (!smmu_wait_ticket(iommu, ticket))
		return false;
	hyp_spin_lock(&smmu->queue_lock);
	/* Pairs with smmu_consumed(): the register is read after this. */
	smp_store_release(&smmu->cmdq_cons, smmu_consumed(iommu));

	return true;
}

/*
 * Submit a batch of @n commands, at most BATCH_MAX, to which a CMD_SYNC is added: @cmds
 * has room for it. A CPU waits for its batch before it submits another one, so the queue
 * has room at once unless many CPUs have batches in it. Returns a ticket for
 * smmu_wait_ticket(), which may be NO_TICKET.
 */
static u64 smmu_submit(struct pkvm_iommu *iommu, struct arm_smmu_cmd *cmds, int n)
{
	struct hyp_smmu *smmu = to_smmu(iommu);
	u64 prod, size = BIT(smmu->cmdq_bits);
	__le64 *entry;

	cmds[n++] = arm_smmu_make_cmd_sync(CMDQ_SYNC_0_CS_NONE, 0);

	hyp_spin_lock(&smmu->queue_lock);
	while (unlikely(smmu->cmdq_prod - smmu->cmdq_cons + n > size)) {
		if (!smmu_make_room(iommu, n))
			return NO_TICKET;
	}
	for (prod = smmu->cmdq_prod; n--; cmds++, prod++) {
		entry = smmu->cmdq + (prod & (size - 1)) * CMDQ_ENT_DWORDS;
		entry[0] = cpu_to_le64(cmds->data[0]);
		entry[1] = cpu_to_le64(cmds->data[1]);
	}
	smmu->cmdq_prod = prod;
	smmu_publish(iommu, smmu->cmdq, SZ_4K);
	smmu_write(iommu, prod & (2 * size - 1), ARM_SMMU_CMDQ_PROD);
	hyp_spin_unlock(&smmu->queue_lock);

	return prod;
}

/* Execute one command. Returns false if it has not completed in time. */
static bool smmu_try_cmd(struct pkvm_iommu *iommu, struct arm_smmu_cmd cmd)
{
	struct arm_smmu_cmd cmds[2] = { cmd };

	return smmu_wait_ticket(iommu, smmu_submit(iommu, cmds, 1));
}

static void smmu_cmd(struct pkvm_iommu *iommu, struct arm_smmu_cmd cmd)
{
	if (!smmu_try_cmd(iommu, cmd))
		pkvm_iommu_lost_command();
}

static int smmu_refuse(u64 *why, enum pkvm_iommu_refusal reason)
{
	*why = reason;
	return -ENXIO;
}

/* Errata of Arm's implementations as the stock driver knows them: 1209401; 2268618, 2812531. */
static bool smmu_nests(struct pkvm_iommu *iommu)
{
	u32 iidr = smmu_read(iommu, ARM_SMMU_IIDR), variant = FIELD_GET(IIDR_VARIANT, iidr);

	if (iommu->fmts != (BIT(ARM_64_LPAE_S1) | BIT(ARM_64_LPAE_S2)))
		return false;
	if (FIELD_GET(IIDR_IMPLEMENTER, iidr) != IIDR_IMPLEMENTER_ARM)
		return true;
	switch (FIELD_GET(IIDR_PRODUCTID, iidr)) {
	case IIDR_PRODUCTID_MMU_600:
		return variant >= 2;
	case IIDR_PRODUCTID_MMU_700:
		return variant && FIELD_GET(IIDR_REVISION, iidr);
	}

	return true;
}

static int smmu_probe(struct pkvm_iommu *iommu, u64 *why)
{
	static const u8 oas[] = { 32, 36, 40, 42, 44, 48, 52 };
	struct hyp_smmu *smmu = to_smmu(iommu);
	u32 idr0, idr1, idr5, max;

	if (iommu->mmio_size < SMMU_REGS_SIZE)
		return smmu_refuse(why, PKVM_IOMMU_REFUSE_MMIO);

	idr0 = smmu_read(iommu, ARM_SMMU_IDR0);
	idr1 = smmu_read(iommu, ARM_SMMU_IDR1);
	idr5 = smmu_read(iommu, ARM_SMMU_IDR5);

	/* Enhanced command queues can be anywhere in memory, and write MSIs (6.3.6). */
	if (idr1 & (IDR1_TABLES_PRESET | IDR1_QUEUES_PRESET | IDR1_REL | IDR1_ECMDQ))
		return smmu_refuse(why, PKVM_IOMMU_REFUSE_PRESET);
	if (!(FIELD_GET(IDR0_TTF, idr0) & IDR0_TTF_AARCH64) ||
	    FIELD_GET(IDR0_TTENDIAN, idr0) == IDR0_TTENDIAN_BE ||
	    FIELD_GET(IDR0_STALL_MODEL, idr0) == IDR0_STALL_MODEL_FORCE)
		return smmu_refuse(why, PKVM_IOMMU_REFUSE_STAGE);
	if (idr0 & IDR0_S1P)
		iommu->fmts |= BIT(ARM_64_LPAE_S1);
	if (idr0 & IDR0_S2P && !(iommu->flags & PKVM_IOMMU_F_STAGE1))
		iommu->fmts |= BIT(ARM_64_LPAE_S2);
	if (!iommu->fmts)
		return smmu_refuse(why, PKVM_IOMMU_REFUSE_STAGE);
	iommu->nests = smmu_nests(iommu);
	if (!(idr5 & IDR5_GRAN))
		return smmu_refuse(why, PKVM_IOMMU_REFUSE_GRANULE);

	*smmu = (struct hyp_smmu) {
		.ats		= idr0 & IDR0_ATS,
		.msi		= idr0 & IDR0_MSI,
		.ril		= smmu_read(iommu, ARM_SMMU_IDR3) & IDR3_RIL,
		.el2		= idr0 & IDR0_HYP,
		.attr_ovr	= idr1 & IDR1_ATTR_TYPES_OVR,
		.cmdq_bits	= min_t(u32, CMDQ_BITS, FIELD_GET(IDR1_CMDQS, idr1)),
		.evtq_bits	= min_t(u32, EVTQ_BITS, FIELD_GET(IDR1_EVTQS, idr1)),
	};
	/* The longest batch of commands and its CMD_SYNC must fit. */
	if (BIT(smmu->cmdq_bits) < BATCH_MAX + 1)
		return smmu_refuse(why, PKVM_IOMMU_REFUSE_PRESET);

	iommu->oas = oas[min_t(u32, FIELD_GET(IDR5_OAS, idr5), ARRAY_SIZE(oas) - 1)];
	iommu->sid_bits = FIELD_GET(IDR1_SIDSIZE, idr1);
	iommu->asid_bits = idr0 & IDR0_ASID16 ? 16 : 8;
	iommu->vmid_bits = idr0 & IDR0_VMID16 ? 16 : 8;
	/* Needless cache maintenance is harmless, missing maintenance is not. */
	if (!(idr0 & IDR0_COHACC))
		iommu->flags &= ~PKVM_IOMMU_F_COHERENT;
	smmu->two_level = FIELD_GET(IDR0_ST_LVL, idr0) == IDR0_ST_LVL_2LVL &&
			  iommu->sid_bits > L2_SPLIT &&
			  !(iommu->flags & PKVM_IOMMU_F_LINEAR);

	/* Streams beyond the table abort with C_BAD_STREAMID (6.3.24). */
	max = smmu->two_level ? L1_MAX_BITS + L2_SPLIT : LINEAR_MAX_BITS;
	iommu->sid_bits = min_t(u32, iommu->sid_bits, max);
	if (smmu->two_level)
		iommu->mem_size = sizeof(__le64) << (iommu->sid_bits - L2_SPLIT);
	else
		iommu->mem_size = sizeof(struct arm_smmu_ste) << iommu->sid_bits;
	iommu->mem_size = max(iommu->mem_size, PAGE_SIZE);

	return 0;
}

static int smmu_alloc(struct pkvm_iommu *iommu)
{
	struct hyp_smmu *smmu = to_smmu(iommu);

	if (!smmu->cmdq)
		smmu->cmdq = pkvm_iommu_alloc_page();
	if (!smmu->evtq)
		smmu->evtq = pkvm_iommu_alloc_page();

	return smmu->cmdq && smmu->evtq ? 0 : -ENOMEM;
}

/* Write the context descriptor of a stage-1 domain; it is the same for every SMMU. */
static void smmu_domain_init(struct pkvm_iommu *iommu, struct pkvm_iommu_domain *domain)
{
	const typeof(domain->cfg->arm_lpae_s1_cfg.tcr) *tcr = &domain->cfg->arm_lpae_s1_cfg.tcr;
	struct arm_smmu_cd *cd = domain->hw;

	if (domain->fmt != ARM_64_LPAE_S1)
		return;

	cd->data[0] = cpu_to_le64(FIELD_PREP(CTXDESC_CD_0_TCR_T0SZ, tcr->tsz) |
				  FIELD_PREP(CTXDESC_CD_0_TCR_TG0, tcr->tg) |
				  FIELD_PREP(CTXDESC_CD_0_TCR_IRGN0, tcr->irgn) |
				  FIELD_PREP(CTXDESC_CD_0_TCR_ORGN0, tcr->orgn) |
				  FIELD_PREP(CTXDESC_CD_0_TCR_SH0, tcr->sh) |
				  FIELD_PREP(CTXDESC_CD_0_TCR_IPS, tcr->ips) |
				  FIELD_PREP(CTXDESC_CD_0_ASID, domain->tag) |
				  CTXDESC_CD_0_TCR_EPD1 | CTXDESC_CD_0_AA64 |
				  CTXDESC_CD_0_R | CTXDESC_CD_0_A |
				  CTXDESC_CD_0_ASET | CTXDESC_CD_0_V);
	cd->data[1] = cpu_to_le64(domain->cfg->arm_lpae_s1_cfg.ttbr & CTXDESC_CD_1_TTB0_MASK);
	cd->data[3] = cpu_to_le64(domain->cfg->arm_lpae_s1_cfg.mair);
	smmu_publish(iommu, cd, sizeof(*cd));
}

/* Make transactions abort while the SMMU is disabled (6.3.13), then disable it. */
static bool smmu_quiesce(struct pkvm_iommu *iommu)
{
	u32 gbpa;

	if (!smmu_wait(iommu, ARM_SMMU_GBPA, GBPA_UPDATE, 0))
		return false;
	gbpa = smmu_read(iommu, ARM_SMMU_GBPA);
	smmu_write(iommu, gbpa | GBPA_ABORT | GBPA_UPDATE, ARM_SMMU_GBPA);
	if (!smmu_wait(iommu, ARM_SMMU_GBPA, GBPA_UPDATE, 0))
		return false;

	smmu_write(iommu, 0, ARM_SMMU_CR0);
	if (!smmu_wait(iommu, ARM_SMMU_CR0ACK, ~0, 0))
		return false;

	smmu_write(iommu, 0, ARM_SMMU_IRQ_CTRL);
	if (!smmu_wait(iommu, ARM_SMMU_IRQ_CTRLACK, ~0, 0))
		return false;

	/* Use wired interrupts only: an MSI is a write to memory. */
	if (to_smmu(iommu)->msi) {
		smmu_write64(iommu, 0, ARM_SMMU_GERROR_IRQ_CFG0);
		smmu_write64(iommu, 0, ARM_SMMU_EVTQ_IRQ_CFG0);
	}

	return true;
}

static bool smmu_enable(struct pkvm_iommu *iommu, u32 cr0)
{
	smmu_write(iommu, cr0, ARM_SMMU_CR0);
	return smmu_wait(iommu, ARM_SMMU_CR0ACK, cr0, cr0);
}

/* Set everything but the enables. Both queues are empty then, and unread events are lost. */
static void smmu_set_tables(struct pkvm_iommu *iommu)
{
	struct hyp_smmu *smmu = to_smmu(iommu);
	/* It goes on from where it was: a ticket from before is that of completed commands. */
	u32 index = smmu->cmdq_prod & (BIT(smmu->cmdq_bits + 1) - 1);
	u32 sh = pkvm_iommu_coherent(iommu) ? ARM_SMMU_SH_ISH : ARM_SMMU_SH_OSH;
	u32 c = pkvm_iommu_coherent(iommu) ? CR1_CACHE_WB : CR1_CACHE_NC;
	u32 fmt = smmu->two_level ? STRTAB_BASE_CFG_FMT_2LVL : STRTAB_BASE_CFG_FMT_LINEAR;

	smmu_write(iommu, FIELD_PREP(CR1_TABLE_SH, sh) | FIELD_PREP(CR1_TABLE_OC, c) |
			  FIELD_PREP(CR1_TABLE_IC, c) | FIELD_PREP(CR1_QUEUE_SH, sh) |
			  FIELD_PREP(CR1_QUEUE_OC, c) | FIELD_PREP(CR1_QUEUE_IC, c),
		   ARM_SMMU_CR1);
	/* Ignore broadcast TLB maintenance of CPUs; record events of unknown streams. */
	smmu_write(iommu, CR2_PTM | CR2_RECINVSID, ARM_SMMU_CR2);

	smmu_write64(iommu, hyp_virt_to_phys(iommu->mem) | STRTAB_BASE_RA,
		     ARM_SMMU_STRTAB_BASE);
	smmu_write(iommu, FIELD_PREP(STRTAB_BASE_CFG_FMT, fmt) |
			  FIELD_PREP(STRTAB_BASE_CFG_SPLIT, smmu->two_level ? L2_SPLIT : 0) |
			  FIELD_PREP(STRTAB_BASE_CFG_LOG2SIZE, iommu->sid_bits),
		   ARM_SMMU_STRTAB_BASE_CFG);

	smmu_publish(iommu, smmu->evtq, SZ_4K);
	smmu_write64(iommu, hyp_virt_to_phys(smmu->cmdq) | Q_BASE_RWA | smmu->cmdq_bits,
		     ARM_SMMU_CMDQ_BASE);
	smmu_write(iommu, index, ARM_SMMU_CMDQ_PROD);
	smmu_write(iommu, index, ARM_SMMU_CMDQ_CONS);
	smmu_write64(iommu, hyp_virt_to_phys(smmu->evtq) | Q_BASE_RWA | smmu->evtq_bits,
		     ARM_SMMU_EVTQ_BASE);
	smmu_write(iommu, 0, SMMU_PAGE1 + ARM_SMMU_EVTQ_PROD);
	smmu_write(iommu, 0, SMMU_PAGE1 + ARM_SMMU_EVTQ_CONS);
	smmu->evtq_cons = 0;
}

static int smmu_init(struct pkvm_iommu *iommu, u64 *why)
{
	u32 irqs = IRQ_CTRL_EVTQ_IRQEN | IRQ_CTRL_GERROR_IRQEN;
	/* Without ATSCHK, translated transactions bypass translation (3.9.1.3). */
	u32 cr0 = to_smmu(iommu)->ats ? CR0_ATSCHK : 0;

	*why = PKVM_IOMMU_REFUSE_TIMEOUT;
	if (!smmu_quiesce(iommu))
		return -ETIMEDOUT;

	smmu_set_tables(iommu);
	smmu_write(iommu, smmu_read(iommu, ARM_SMMU_GERROR), ARM_SMMU_GERRORN);

	cr0 |= CR0_CMDQEN;
	if (!smmu_enable(iommu, cr0))
		return -ETIMEDOUT;

	if (!smmu_try_cmd(iommu, arm_smmu_make_cmd_cfgi_all()) ||
	    (to_smmu(iommu)->el2 &&
	     !smmu_try_cmd(iommu, arm_smmu_make_cmd_op(CMDQ_OP_TLBI_EL2_ALL))) ||
	    !smmu_try_cmd(iommu, arm_smmu_make_cmd_op(CMDQ_OP_TLBI_NSNH_ALL)))
		return -ETIMEDOUT;

	smmu_write(iommu, irqs, ARM_SMMU_IRQ_CTRL);
	cr0 |= CR0_EVTQEN | CR0_SMMUEN;
	if (!smmu_wait(iommu, ARM_SMMU_IRQ_CTRLACK, irqs, irqs) ||
	    !smmu_enable(iommu, cr0))
		return -ETIMEDOUT;

	*why = PKVM_IOMMU_REFUSE_NONE;

	return 0;
}

/*
 * A reset clears CR0 and CR0ACK (6.3.9, 6.3.10), and leaves GBPA to the implementation
 * (6.3.13). Where nothing answers, a read may have all bits set; bit 31 is reserved.
 */
static bool smmu_lost(struct pkvm_iommu *iommu)
{
	return (smmu_read(iommu, ARM_SMMU_CR0ACK) & (CR0_SMMUEN | BIT(31))) != CR0_SMMUEN;
}

static __le64 *smmu_l1_desc(struct pkvm_iommu *iommu, u32 sid)
{
	return (__le64 *)iommu->mem + (sid >> L2_SPLIT);
}

static int smmu_stream_prepare(struct pkvm_iommu *iommu, u32 sid)
{
	__le64 *desc = smmu_l1_desc(iommu, sid);
	void *l2;

	if (!to_smmu(iommu)->two_level || *desc)
		return 0;

	l2 = pkvm_iommu_alloc_page();
	if (!l2)
		return -ENOMEM;

	/* Publish the table, whose STEs have V=0, before the descriptor that points at it. */
	smmu_publish(iommu, l2, PAGE_SIZE);
	WRITE_ONCE(*desc, cpu_to_le64(hyp_virt_to_phys(l2) |
				      FIELD_PREP(STRTAB_L1_DESC_SPAN, L2_SPLIT + 1)));
	smmu_publish(iommu, desc, sizeof(*desc));

	return 0;
}

static __le64 *smmu_ste(struct pkvm_iommu *iommu, u32 sid)
{
	struct arm_smmu_ste *table = iommu->mem;

	if (to_smmu(iommu)->two_level) {
		table = hyp_phys_to_virt(le64_to_cpu(*smmu_l1_desc(iommu, sid)) &
					 STRTAB_L1_DESC_L2PTR_MASK);
		sid &= L2_ENTRIES - 1;
	}

	return table[sid].data;
}

static void smmu_cfgi_ste(struct pkvm_iommu *iommu, u32 sid, void *ste,
			  const struct pkvm_iommu_domain *domain)
{
	struct arm_smmu_cmd cmd;

	smmu_publish(iommu, ste, sizeof(struct arm_smmu_ste));
	/*
	 * With the level-1 descriptor: an invalid one may be cached too (16.2), from before this
	 * CPU, or another one that has not come so far, has written it.
	 */
	smmu_cmd(iommu, arm_smmu_make_cmd_cfgi_ste(sid, false));
	/*
	 * A context descriptor is cached separately. Until the old STE is invalidated,
	 * the SMMU may fetch the descriptor again through it: invalidate in this order.
	 */
	if (domain->fmt == ARM_64_LPAE_S1) {
		cmd = arm_smmu_make_cmd_op(CMDQ_OP_CFGI_CD_ALL);
		cmd.data[0] |= FIELD_PREP(CMDQ_CFGI_0_SID, sid);
		smmu_cmd(iommu, cmd);
	}
}

static void smmu_make_ste(struct pkvm_iommu *iommu, u64 *ste,
			  const struct pkvm_iommu_domain *domain)
{
	u64 cache = pkvm_iommu_coherent(iommu) ? STRTAB_STE_1_S1C_CACHE_WBRA :
						 STRTAB_STE_1_S1C_CACHE_NC;
	const struct pkvm_iommu_domain *stage2 = domain->parent ?: domain;
	const typeof(domain->cfg->arm_lpae_s2_cfg.vtcr) *vtcr = &stage2->cfg->arm_lpae_s2_cfg.vtcr;

	ste[0] = STRTAB_STE_0_V;
	/* EATS=0: translation requests and translated transactions abort. */
	if (to_smmu(iommu)->attr_ovr)
		ste[1] = FIELD_PREP(STRTAB_STE_1_SHCFG, STRTAB_STE_1_SHCFG_INCOMING);

	/* The two values of Config have a bit for each stage: both together nest (5.2). */
	if (stage2->fmt == ARM_64_LPAE_S2) {
		u64 fields;

		fields = FIELD_PREP(STRTAB_STE_2_VTCR_S2T0SZ, vtcr->tsz) |
			 FIELD_PREP(STRTAB_STE_2_VTCR_S2SL0, vtcr->sl) |
			 FIELD_PREP(STRTAB_STE_2_VTCR_S2IR0, vtcr->irgn) |
			 FIELD_PREP(STRTAB_STE_2_VTCR_S2OR0, vtcr->orgn) |
			 FIELD_PREP(STRTAB_STE_2_VTCR_S2SH0, vtcr->sh) |
			 FIELD_PREP(STRTAB_STE_2_VTCR_S2TG, vtcr->tg) |
			 FIELD_PREP(STRTAB_STE_2_VTCR_S2PS, vtcr->ps);
		ste[0] |= FIELD_PREP(STRTAB_STE_0_CFG, STRTAB_STE_0_CFG_S2_TRANS);
		ste[2] = FIELD_PREP(STRTAB_STE_2_S2VMID, stage2->tag) |
			 FIELD_PREP(STRTAB_STE_2_VTCR, fields) |
			 STRTAB_STE_2_S2AA64 | STRTAB_STE_2_S2PTW | STRTAB_STE_2_S2R;
		ste[3] = stage2->cfg->arm_lpae_s2_cfg.vttbr & STRTAB_STE_3_S2TTB_MASK;
	}
	if (domain->fmt == ARM_64_LPAE_S1) {
		/* S1CDMax=0: one descriptor; transactions with a SubstreamID abort. */
		ste[0] |= FIELD_PREP(STRTAB_STE_0_CFG, STRTAB_STE_0_CFG_S1_TRANS) |
			  (hyp_virt_to_phys(domain->hw) & STRTAB_STE_0_S1CTXPTR_MASK);
		ste[1] |= FIELD_PREP(STRTAB_STE_1_S1CIR, cache) |
			  FIELD_PREP(STRTAB_STE_1_S1COR, cache) |
			  FIELD_PREP(STRTAB_STE_1_S1CSH, ARM_SMMU_SH_ISH) |
			  FIELD_PREP(STRTAB_STE_1_STRW, STRTAB_STE_1_STRW_NSEL1);
	}
}

static int smmu_stream_set(struct pkvm_iommu *iommu, u32 sid,
			   const struct pkvm_iommu_domain *domain, bool attach)
{
	__le64 *ste = smmu_ste(iommu, sid);
	u64 new[STRTAB_STE_DWORDS] = {};
	int i;

	/*
	 * The SMMU reads the eight words of an STE in any order (3.21.3). So only the
	 * word with V changes while the others already have their final values: to
	 * attach, write the other words, invalidate the STE, then set V; to block,
	 * clear V.
	 */
	if (attach) {
		smmu_make_ste(iommu, new, domain);
		for (i = 1; i < STRTAB_STE_DWORDS; i++)
			WRITE_ONCE(ste[i], cpu_to_le64(new[i]));
		smmu_cfgi_ste(iommu, sid, ste, domain);
	}

	WRITE_ONCE(ste[0], cpu_to_le64(new[0]));
	smmu_cfgi_ste(iommu, sid, ste, domain);

	return 0;
}

static u64 smmu_invalidate(struct pkvm_iommu *iommu,
			   const struct pkvm_iommu_domain *domain, u64 addr, u64 size, bool leaf)
{
	bool stage2 = domain->fmt == ARM_64_LPAE_S2, ril = to_smmu(iommu)->ril;
	u16 vmid = stage2 ? domain->tag : domain->parent ? domain->parent->tag : 0;
	u16 asid = stage2 ? 0 : domain->tag;
	struct arm_smmu_cmd cmds[BATCH_MAX + 1] __uninitialized, *cmd = cmds;
	u64 num, scale, pages = size >> PAGE_SHIFT;

	if (!pages || pages > (ril ? INV_MAX_RANGE : BATCH_MAX)) {
		*cmd++ = arm_smmu_make_cmd_tlbi(stage2 ? CMDQ_OP_TLBI_S12_VMALL :
						CMDQ_OP_TLBI_NH_ASID, asid, vmid);
		/*
		 * Hardware may keep, with a context descriptor, where stage 2 has led for the
		 * root table, as QEMU does. Drop that once stage 2 leads elsewhere, and then
		 * what was found by it in between.
		 */
		if (stage2 && !leaf) {
			cmd[0] = arm_smmu_make_cmd_sync(CMDQ_SYNC_0_CS_NONE, 0);
			cmd[1] = arm_smmu_make_cmd_cfgi_all();
			cmd[2] = cmd[0];
			cmd[3] = cmd[-1];
			cmd += 4;
		}
		pages = 0;
	}
	/*
	 * A range of one page would be illegal without a level (4.4.1.1), and there are errata
	 * of the commands without a range: as the stock driver does, drop one page more.
	 */
	if (ril && (pages & CMDQ_TLBI_RANGE_NUM_MAX) == 1)
		pages++;
	for (; pages; pages -= num << scale, addr += num << (scale + PAGE_SHIFT), cmd++) {
		*cmd = arm_smmu_make_cmd_tlbi(stage2 ? CMDQ_OP_TLBI_S2_IPA :
					      CMDQ_OP_TLBI_NH_VA, asid, vmid);
		cmd->data[1] = addr | (leaf ? CMDQ_TLBI_1_LEAF : 0);
		scale = ril ? __ffs(pages) : 0;
		num = ril ? (pages >> scale) & CMDQ_TLBI_RANGE_NUM_MAX : 1;
		if (ril) {
			cmd->data[0] |= FIELD_PREP(CMDQ_TLBI_0_NUM, num - 1) |
					FIELD_PREP(CMDQ_TLBI_0_SCALE, scale);
			cmd->data[1] |= FIELD_PREP(CMDQ_TLBI_1_TG, TLBI_TG);
		}
	}

	/* smmu_publish() orders the page-table entries before the commands (3.19). */
	return smmu_submit(iommu, cmds, cmd - cmds);
}

static u8 smmu_fault_reason(u64 id)
{
	switch (id) {
	case EVT_ID_BAD_STREAMID_CONFIG:
	case EVT_ID_BAD_STE_CONFIG:
		return PKVM_IOMMU_FAULT_BLOCKED;
	case EVT_ID_TRANSLATION_FAULT:
	case EVT_ID_ADDR_SIZE_FAULT:
		return PKVM_IOMMU_FAULT_UNMAPPED;
	case EVT_ID_ACCESS_FAULT:
	case EVT_ID_PERMISSION_FAULT:
		return PKVM_IOMMU_FAULT_PERMISSION;
	case EVT_ID_STREAM_DISABLED_FAULT:
	case EVT_ID_TRANSL_FORBIDDEN:
	case EVT_ID_BAD_SUBSTREAMID_CONFIG:
		return PKVM_IOMMU_FAULT_FORBIDDEN;
	case EVT_ID_STE_FETCH_FAULT:
	case EVT_ID_CD_FETCH_FAULT:
	case EVT_ID_BAD_CD_CONFIG:
	case EVT_ID_VMS_FETCH_FAULT:
	case EVT_ID_WALK_EABT:
		return PKVM_IOMMU_FAULT_HARDWARE;
	}

	return PKVM_IOMMU_FAULT_UNKNOWN;
}

/* Report a global error, except CMDQ_ERR, which smmu_ack_cmdq_error() handles. */
static bool smmu_gerror(struct pkvm_iommu *iommu, struct pkvm_iommu_fault *fault)
{
	struct hyp_smmu *smmu = to_smmu(iommu);
	u32 gerrorn, error;

	hyp_spin_lock(&smmu->gerror_lock);
	gerrorn = smmu_read(iommu, ARM_SMMU_GERRORN);
	error = (smmu_read(iommu, ARM_SMMU_GERROR) ^ gerrorn) &
		GERROR_ERR_MASK & ~GERROR_CMDQ_ERR;
	if (error)
		smmu_write(iommu, gerrorn ^ error, ARM_SMMU_GERRORN);
	hyp_spin_unlock(&smmu->gerror_lock);
	if (!error)
		return false;

	*fault = (struct pkvm_iommu_fault) {
		.reason		= PKVM_IOMMU_FAULT_HARDWARE,
		.address	= error,
	};

	return true;
}

static bool smmu_fault(struct pkvm_iommu *iommu, struct pkvm_iommu_fault *fault)
{
	struct hyp_smmu *smmu = to_smmu(iommu);
	u32 wrap = BIT(smmu->evtq_bits), index = smmu->evtq_cons & (wrap - 1);
	u32 prod = smmu_read(iommu, SMMU_PAGE1 + ARM_SMMU_EVTQ_PROD);
	__le64 *event = smmu->evtq + index * EVTQ_ENT_DWORDS;
	u64 word[3], id;
	int i;

	if (smmu_gerror(iommu, fault))
		return true;
	if (!((prod ^ smmu->evtq_cons) & (wrap | (wrap - 1))))
		return false;

	/* Read the record after the index that announced it. */
	rmb();
	if (!pkvm_iommu_coherent(iommu))
		kvm_flush_dcache_to_poc(event, EVTQ_ENT_DWORDS * sizeof(*event));
	for (i = 0; i < 3; i++)
		word[i] = le64_to_cpu(READ_ONCE(event[i]));

	fault->sid = FIELD_GET(EVTQ_0_SID, word[0]);
	id = FIELD_GET(EVTQ_0_ID, word[0]);
	fault->reason = smmu_fault_reason(id);
	/* Configuration errors record neither address nor direction (7.3). */
	if (id == EVT_ID_TRANSL_FORBIDDEN ||
	    (id >= EVT_ID_TRANSLATION_FAULT && id <= EVT_ID_PERMISSION_FAULT)) {
		fault->write = !(word[1] & EVTQ_1_RnW);
		fault->address = word[2];
	}
	/* The overflow flag toggles; copying it acknowledges (7.4). */
	fault->lost = (prod ^ smmu->evtq_cons) & Q_OVERFLOW_FLAG;

	smmu->evtq_cons = ((smmu->evtq_cons + 1) & (wrap | (wrap - 1))) |
			  (prod & Q_OVERFLOW_FLAG);
	/* Free the entry of the queue only after it has been read. */
	mb();
	smmu_write(iommu, smmu->evtq_cons, SMMU_PAGE1 + ARM_SMMU_EVTQ_CONS);

	return true;
}

PKVM_IOMMU_BACKEND(smmu_v3) = {
	.isolates	= true,
	.probe		= smmu_probe,
	.alloc		= smmu_alloc,
	.init		= smmu_init,
	.lost		= smmu_lost,
	.domain_init	= smmu_domain_init,
	.stream_prepare	= smmu_stream_prepare,
	.stream_set	= smmu_stream_set,
	.invalidate	= smmu_invalidate,
	.wait		= smmu_wait_ticket,
	.fault		= smmu_fault,
};
