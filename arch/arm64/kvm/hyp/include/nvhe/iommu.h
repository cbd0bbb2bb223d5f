/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * pKVM IOMMU layer at EL2: the functions that the rest of pKVM calls.
 *
 * The contract with the host is <uapi/linux/pkvm_iommu.h>; the interface between
 * core and backends is <nvhe/iommu-backend.h>.
 */
#ifndef __ARM64_KVM_NVHE_IOMMU_H__
#define __ARM64_KVM_NVHE_IOMMU_H__

#include <linux/types.h>

struct kvm_cpu_context;

#ifdef CONFIG_PKVM_IOMMU

/* Page ownership, called from mem_protect.c */
void pkvm_iommu_host_update(phys_addr_t phys, u64 size, bool reachable);
int pkvm_iommu_check_pins(phys_addr_t phys, u64 size);
bool pkvm_iommu_next_mmio(u64 addr, u64 *start, u64 *end);

/* State of the layer; the first is called from pkvm.c, the second by the layer itself */
int pkvm_iommu_check_isolation(void);
bool pkvm_iommu_in_service(void);

/* Power-off of CPUs and of the system, called from psci-relay.c */
bool pkvm_iommu_can_suspend(void);
void pkvm_iommu_resume(void);

/* Hypercalls, called from hyp-main.c */
void handle___pkvm_iommu_boot(struct kvm_cpu_context *host_ctxt);
void handle___pkvm_iommu_call(struct kvm_cpu_context *host_ctxt);

/* Defined in mem_protect.c for the layer */
int __pkvm_host_donate_hyp_mmio(phys_addr_t phys, u64 size);

#else /* !CONFIG_PKVM_IOMMU */

static inline void pkvm_iommu_host_update(phys_addr_t phys, u64 size, bool reachable)
{
}

static inline int pkvm_iommu_check_pins(phys_addr_t phys, u64 size)
{
	return 0;
}

static inline bool pkvm_iommu_next_mmio(u64 addr, u64 *start, u64 *end)
{
	return false;
}

static inline int pkvm_iommu_check_isolation(void)
{
	return 0;
}

static inline bool pkvm_iommu_can_suspend(void)
{
	return true;
}

static inline void pkvm_iommu_resume(void)
{
}

#endif /* CONFIG_PKVM_IOMMU */

/* Defined in mem_protect.c, for test-calls.c; with host_mmu.lock held */
int host_stage2_unmap_dev_all(void);

#endif /* __ARM64_KVM_NVHE_IOMMU_H__ */
