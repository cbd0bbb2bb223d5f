/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The interface between drivers/iommu/pkvm/ and KVM on arm64: hypercalls, and
 * the functions that KVM calls. Everything in drivers/iommu/pkvm/ that depends
 * on the architecture is here.
 */
#ifndef __ASM_PKVM_IOMMU_H
#define __ASM_PKVM_IOMMU_H

#include <linux/printk.h>
#include <linux/types.h>

#include <asm/brk-imm.h>
#include <asm/esr.h>

/* EL2 panics with this BRK immediate when an IOMMU does not complete a command. */
#define PKVM_IOMMU_LOST_BRK_IMM	0xa00

#ifdef CONFIG_PKVM_IOMMU

#include <linux/arm-smccc.h>
#include <linux/build_bug.h>
#include <linux/crash_dump.h>
#include <linux/errno.h>
#include <linux/string.h>

#include <asm/kvm_asm.h>
#include <asm/virt.h>

#include <uapi/linux/pkvm_iommu.h>

/**
 * struct pkvm_iommu_hvc - a hypercall to the IOMMU layer of EL2
 * @op: the operation: enum pkvm_iommu_boot_op or enum pkvm_iommu_op (x1)
 * @args: arguments of the operation (x2 to x6)
 * @res: results of the operation (x2 and x3); set in case of errors, too
 *
 * See <uapi/linux/pkvm_iommu.h> for the operations.
 */
struct pkvm_iommu_hvc {
	u64	op;
	u64	args[5];
	u64	res[2];
};

/*
 * x1 is the errno only if x0 is SMCCC_RET_SUCCESS. EL2 does not implement the
 * call at the wrong time of the boot, and x1 then still has the operation, which
 * can look like success.
 */
#define __pkvm_iommu_hvc(func, hvc)						\
({										\
	struct pkvm_iommu_hvc *__hvc = (hvc);					\
	struct arm_smccc_res __res;						\
										\
	arm_smccc_1_1_hvc(KVM_HOST_SMCCC_FUNC(func), __hvc->op, __hvc->args[0],	\
			  __hvc->args[1], __hvc->args[2], __hvc->args[3],	\
			  __hvc->args[4], &__res);				\
	__hvc->res[0] = __res.a2;						\
	__hvc->res[1] = __res.a3;						\
	__res.a0 == SMCCC_RET_SUCCESS ? (int)__res.a1 : -EOPNOTSUPP;		\
})

/**
 * pkvm_iommu_hvc_boot() - make a hypercall while EL2 still trusts the host
 * @hvc: an operation of enum pkvm_iommu_boot_op; receives the results
 *
 * Context: any; once EL2 is initialised, and until pKVM is finalised.
 * Return: as the operation says; -EOPNOTSUPP: too early, or too late.
 */
static inline int pkvm_iommu_hvc_boot(struct pkvm_iommu_hvc *hvc)
{
	return __pkvm_iommu_hvc(__pkvm_iommu_boot, hvc);
}

/**
 * pkvm_iommu_hvc() - make a hypercall at run time
 * @hvc: an operation of enum pkvm_iommu_op; receives the results
 *
 * Context: any; once pKVM is finalised.
 * Return: as the operation says; -EOPNOTSUPP: too early.
 */
static inline int pkvm_iommu_hvc(struct pkvm_iommu_hvc *hvc)
{
	return __pkvm_iommu_hvc(__pkvm_iommu_call, hvc);
}

/**
 * pkvm_iommu_hvc_runs() - make a hypercall that takes several runs of memory
 * @hvc: an operation of enum pkvm_iommu_op with its first three arguments;
 *	receives the results
 * @runs: the runs, PKVM_IOMMU_RUN(); passed in x5 to x17
 * @nr: number of runs, 1 to PKVM_IOMMU_RUNS
 *
 * Context: any; once pKVM is finalised.
 * Return: as the operation says; -EOPNOTSUPP: too early.
 */
static inline int pkvm_iommu_hvc_runs(struct pkvm_iommu_hvc *hvc, const u64 *runs,
				      unsigned int nr)
{
	union {
		struct arm_smccc_1_2_regs	regs;
		u64				x[5 + PKVM_IOMMU_RUNS];
	} in, out;

	BUILD_BUG_ON(sizeof(in.regs) != sizeof(in.x));
	in.x[0] = KVM_HOST_SMCCC_FUNC(__pkvm_iommu_call);
	in.x[1] = hvc->op;
	memcpy(&in.x[2], hvc->args, 3 * sizeof(u64));
	memcpy(&in.x[5], runs, nr * sizeof(u64));
	if (nr < PKVM_IOMMU_RUNS)
		in.x[5 + nr] = 0;
	arm_smccc_1_2_hvc(&in.regs, &out.regs);
	hvc->res[0] = out.x[2];
	hvc->res[1] = out.x[3];

	return out.x[0] == SMCCC_RET_SUCCESS ? (int)out.x[1] : -EOPNOTSUPP;
}

/* Returns true if pKVM is in use and EL2 is initialised. */
static inline bool pkvm_iommu_hyp_present(void)
{
	return is_protected_kvm_enabled() && is_kvm_arm_initialised();
}

/*
 * Returns true in a kernel at EL1 that another one has started when it crashed. EL2 may be a
 * pKVM that the other one has initialised.
 */
static inline bool pkvm_iommu_hyp_inherited(void)
{
	return is_kdump_kernel() && !is_hyp_mode_available();
}

/**
 * pkvm_iommu_report_panic() - log that a lost IOMMU command made EL2 panic
 * @esr: ESR_EL2 of the panic
 *
 * Does nothing if EL2 panicked for another reason.
 *
 * Context: before the host panics, when EL2 does not return.
 */
static inline void pkvm_iommu_report_panic(u64 esr)
{
	if (ESR_ELx_EC(esr) == ESR_ELx_EC_BRK64 &&
	    esr_brk_comment(esr) == PKVM_IOMMU_LOST_BRK_IMM)
		pr_emerg("pkvm_iommu: an IOMMU did not complete a command: a device may still reach memory that was revoked\n");
}

void pkvm_iommu_finalize(void);
bool pkvm_iommu_allows_protected_vms(void);

#else /* !CONFIG_PKVM_IOMMU */

static inline void pkvm_iommu_report_panic(u64 esr) { }
static inline void pkvm_iommu_finalize(void) { }
static inline bool pkvm_iommu_allows_protected_vms(void)
{
	return true;
}

#endif /* CONFIG_PKVM_IOMMU */
#endif /* __ASM_PKVM_IOMMU_H */
