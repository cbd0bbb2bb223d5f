// SPDX-License-Identifier: GPL-2.0-only
/*
 * A crash kernel: the kernel before it has crashed, and EL2 is still the one that served it.
 *
 * Under pKVM, EL2 does not let a kernel that crashes take its place: it answers
 * HVC_SOFT_RESTART with an error, and cpu_soft_restart() enters the next kernel at EL1. That
 * one, which is the same image, finds neither KVM nor registers of IOMMUs. But EL2 takes the
 * calls that it took before. So here nothing is registered, donated or sealed: the IOMMUs are
 * looked up at EL2, by the address of their registers.
 *
 *  - A stream stays as it is until a driver first maps memory for its device, see
 *    pkvm_iommu_ops::is_attach_deferred. Until then the device may still do DMA for the kernel
 *    before, and reaches what that one let it reach. Afterwards it reaches what is mapped for it
 *    here. Never is a stream moved to the identity domain: it would reach memory of this kernel
 *    by addresses that the kernel before chose for something else.
 *  - Pages that come back from EL2's pool would be of the kernel before: none is taken back.
 *  - Faults of the devices that still do DMA are not read, so that they do not keep the only
 *    CPU busy.
 *  - /proc/vmcore reads pages that this kernel does not reach as zeros.
 *
 * No call can be tried to find out if EL2 is there: without a hypervisor it is undefined, and
 * another one may mean something else by it. So "pkvm_iommu=crash" says it.
 *
 * No locks: everything here is constant after the initcall.
 *
 * Callers: boot.c, init modules, and the files of the core that do something else then.
 */
#define pr_fmt(fmt) "pkvm_iommu: " fmt

#include <linux/crash_dump.h>
#include <linux/init.h>
#include <linux/ioport.h>

#include "core.h"

static bool in_crash_kernel __ro_after_init;

/**
 * pkvm_iommu_in_crash_kernel() - are the IOMMUs those of a kernel that crashed?
 *
 * Context: any; arch_initcall_sync, or later.
 * Return: true if EL2 has IOMMUs in service that another kernel has given to it.
 */
bool pkvm_iommu_in_crash_kernel(void)
{
	return in_crash_kernel;
}

/**
 * pkvm_iommu_inherited() - look up an IOMMU that EL2 has already
 * @registers: physical address of its registers
 * @id: set to EL2's id of it
 *
 * Context: crash kernel.
 * Return: true if EL2 has it.
 */
bool pkvm_iommu_inherited(phys_addr_t registers, u32 *id)
{
	u64 phys;

	for (*id = 0; !pkvm_iommu_read_info(PKVM_IOMMU_INFO_REGISTERS, *id, &phys); ++*id) {
		if (phys == registers)
			return true;
	}

	return false;
}

/**
 * pkvm_iommu_inherited_page() - check if EL2 has a page of registers already
 * @registers: physical address of the registers
 *
 * Context: crash kernel.
 * Return: true if an access to the registers would be a fault.
 */
bool pkvm_iommu_inherited_page(phys_addr_t registers)
{
	u64 reaches;

	return pkvm_iommu_read_info(PKVM_IOMMU_INFO_REACHES, registers, &reaches) || !reaches;
}

/**
 * pkvm_iommu_detach_inherited() - block a stream that the kernel before has left attached
 * @pdev: the IOMMU
 * @sid: the stream
 *
 * Only the kernel before knew the domain: all are tried.
 *
 * Context: crash kernel; sleeps.
 */
void pkvm_iommu_detach_inherited(struct pkvm_iommu_dev *pdev, u32 sid)
{
	struct pkvm_iommu_hvc hvc = { .op = PKVM_IOMMU_DETACH, .args = { pdev->id, sid } };

	for (; hvc.args[2] <= PKVM_IOMMU_DOMAIN_ID_MAX; hvc.args[2]++) {
		if (!pkvm_iommu_hvc(&hvc))
			return;
		cond_resched();
	}
}

#ifdef CONFIG_PROC_VMCORE
/* Memory of EL2's, and of protected VMs: an access by the CPU would be a fault. */
static bool vmcore_pfn_is_ram(struct vmcore_cb *cb, unsigned long pfn)
{
	return !pkvm_iommu_inherited_page(PFN_PHYS(pfn));
}

static struct vmcore_cb vmcore_cb = { .pfn_is_ram = vmcore_pfn_is_ram };

static void __init vmcore_init(void)
{
	register_vmcore_cb(&vmcore_cb);
}
#else
static void __init vmcore_init(void) {}
#endif

/* Keep drivers that request the registers out of them, and say which IOMMUs there are. */
static void __init reserve_registers(void)
{
	u64 phys;
	u32 id;

	for (id = 0; !pkvm_iommu_read_info(PKVM_IOMMU_INFO_REGISTERS, id, &phys); id++) {
		request_mem_region(ALIGN_DOWN(phys, PAGE_SIZE), PAGE_SIZE, "pkvm_iommu");
		pr_info("crash kernel: the IOMMU at %#llx is still the hypervisor's\n", phys);
	}
}

/* Before the drivers of IOMMUs, and before /proc/vmcore reads the memory. */
static int __init crash_init(void)
{
	u64 address_bits;

	if (!pkvm_iommu_wants_crash())
		return 0;
	if (!pkvm_iommu_hyp_inherited()) {
		pr_err("crash: this kernel has not been started by one that crashed\n");
		return 0;
	}
	if (pkvm_iommu_read_info(PKVM_IOMMU_INFO_LIMIT, 0, &address_bits)) {
		pr_info("crash kernel: the hypervisor has no IOMMUs\n");
		return 0;
	}
	in_crash_kernel = true;
	vmcore_init();
	reserve_registers();

	return 0;
}
arch_initcall_sync(crash_init);
