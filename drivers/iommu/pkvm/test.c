// SPDX-License-Identifier: GPL-2.0-only
/*
 * Test support: /dev/pkvm_iommu_test, through which root issues arbitrary
 * hypercalls as a hostile host would; the pkvm_iommu_test= option, which takes
 * features from the hardware and makes allocations of the boot fail; and a
 * software IOMMU.
 *
 * Observations of the layer arrive through the hooks at the end of this file
 * and are kept here. Those of the boot are constant when userspace starts;
 * fault_log_lock guards the record of faults.
 *
 * Callers: boot.c and fault reporting, through test-hooks.h; userspace, through
 * the device.
 */
#include <linux/arm-smccc.h>
#include <linux/gfp.h>
#include <linux/init.h>
#include <linux/ktime.h>
#include <linux/miscdevice.h>
#include <linux/mm.h>
#include <linux/platform_device.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/uaccess.h>

#include <asm/arch_timer.h>
#include <asm/kvm_mmu.h>
#include <asm/kvm_pkvm.h>
#include <asm/sections.h>

#include <uapi/linux/pkvm_iommu_test.h>
#include <uapi/linux/psci.h>

#include "core.h"
#include "test-hooks.h"

/**
 * struct test_memory - memory that EL2 accepted during the boot
 * @page: its first page, or NULL
 * @size: in bytes
 */
struct test_memory {
	struct page	*page;
	size_t		size;
};

/* The first chunk of the pool, which holds tables of the identity domain. */
static struct test_memory first_pool_chunk __ro_after_init;
/* Memory for the stream table of each IOMMU. */
static struct test_memory stream_tables[PKVM_IOMMU_MAX] __ro_after_init;
/* Time spent in boot hypercalls, in nanoseconds. */
static u64 boot_call_start __ro_after_init, boot_call_ns __ro_after_init;
/* Number of faults of all IOMMUs, and the last one. */
static struct pkvm_iommu_test_faults fault_log;
static DEFINE_SPINLOCK(fault_log_lock);

/* EL2 denies it, or the firmware does not know it. It must not take place here. */
static int test_suspend(u64 *ret)
{
	struct arm_smccc_res res;

	arm_smccc_smc(PSCI_1_0_FN_PSCI_FEATURES, PSCI_1_0_FN64_SYSTEM_SUSPEND, 0, 0, 0, 0, 0, 0,
		      &res);
	if ((int)res.a0 != PSCI_RET_NOT_SUPPORTED)
		return -EBUSY;
	arm_smccc_smc(PSCI_1_0_FN64_SYSTEM_SUSPEND, 0, 0, 0, 0, 0, 0, 0, &res);
	*ret = res.a0;

	return 0;
}

static int test_call(struct pkvm_iommu_test_call *call)
{
	static const u32 functions[] = {
		[PKVM_IOMMU_TEST_FN_BOOT]	 = KVM_HOST_SMCCC_FUNC(__pkvm_iommu_boot),
		[PKVM_IOMMU_TEST_FN_CALL]	 = KVM_HOST_SMCCC_FUNC(__pkvm_iommu_call),
		[PKVM_IOMMU_TEST_FN_SHARE_HYP]	 = KVM_HOST_SMCCC_FUNC(__pkvm_host_share_hyp),
		[PKVM_IOMMU_TEST_FN_UNSHARE_HYP] = KVM_HOST_SMCCC_FUNC(__pkvm_host_unshare_hyp),
	};
	union {
		struct arm_smccc_1_2_regs	regs;
		u64				x[18];
	} in, out;

	if (!pkvm_iommu_hyp_present() && !pkvm_iommu_in_crash_kernel())
		return -ENODEV;
	if (call->fn == PKVM_IOMMU_TEST_FN_SUSPEND)
		return test_suspend(call->res);
	if (call->fn >= ARRAY_SIZE(functions))
		return -EINVAL;

	in.x[0] = functions[call->fn];
	memcpy(&in.x[1], call->args, sizeof(call->args));
	arm_smccc_1_2_hvc(&in.regs, &out.regs);
	memcpy(call->res, out.x, sizeof(call->res));

	return 0;
}

static void test_faults(struct pkvm_iommu_test_faults *faults)
{
	spin_lock(&fault_log_lock);
	*faults = fault_log;
	spin_unlock(&fault_log_lock);
}

static phys_addr_t memory_phys(const struct test_memory *memory)
{
	return memory->page ? page_to_phys(memory->page) : 0;
}

#define HYP_RANGE(_kind, _name)							\
	{ .kind = PKVM_IOMMU_TEST_RANGE_##_kind,					\
	  .address = __pa_symbol(_name##_start), .size = _name##_end - _name##_start }

static int test_range(struct pkvm_iommu_test_range *range)
{
	const struct pkvm_iommu_test_range fixed[] = {
		HYP_RANGE(HYP_TEXT, __hyp_text),
		HYP_RANGE(HYP_DATA, __hyp_data),
		HYP_RANGE(HYP_BSS, __hyp_bss),
		{ .kind = PKVM_IOMMU_TEST_RANGE_CARVEOUT, .address = hyp_mem_base,
		  .size = hyp_mem_size },
		{ .kind = PKVM_IOMMU_TEST_RANGE_POOL,
		  .address = memory_phys(&first_pool_chunk), .size = first_pool_chunk.size },
	};
	u64 which, index = range->index;
	struct pkvm_iommu_dev *pdev;

	if (index < ARRAY_SIZE(fixed)) {
		*range = fixed[index];
		range->index = index;
	} else {
		/* The memory, the registers and the windows of each. */
		index -= ARRAY_SIZE(fixed);
		which = index % (2 + PKVM_IOMMU_WINDOWS_MAX);
		index /= 2 + PKVM_IOMMU_WINDOWS_MAX;
		if (index >= pkvm_iommu_nr_devs)
			return -ENOENT;
		pdev = pkvm_iommu_devs[index];
		range->iommu = pdev->id;
		if (!which) {
			range->kind = PKVM_IOMMU_TEST_RANGE_TABLE;
			range->address = memory_phys(&stream_tables[pdev->id]);
			range->size = stream_tables[pdev->id].size;
		} else if (which == 1) {
			range->kind = PKVM_IOMMU_TEST_RANGE_MMIO;
			range->address = pdev->mmio;
			range->size = pdev->mmio_size;
		} else {
			range->kind = PKVM_IOMMU_TEST_RANGE_WINDOW;
			range->size = 0;
			if (which - 2 < pdev->nr_windows) {
				range->address = pdev->windows[which - 2].start;
				range->size = resource_size(&pdev->windows[which - 2]);
			}
		}
	}

	return 0;
}

static int test_alloc(struct pkvm_iommu_test_page *arg)
{
	struct page *page;

	if (arg->order > ilog2(PKVM_IOMMU_TOPUP_MAX))
		return -EINVAL;
	page = alloc_pages(GFP_KERNEL | __GFP_ZERO, arg->order);
	if (!page)
		return -ENOMEM;
	split_page(page, arg->order);
	arg->pfn = page_to_pfn(page);

	return 0;
}

static int test_bench(struct pkvm_iommu_test_bench *bench)
{
	struct page *page = alloc_page(GFP_KERNEL);
	struct pkvm_iommu_hvc hvc = {
		.op	= PKVM_IOMMU_TEST,
		.args	= { PKVM_IOMMU_TEST_DONATE, 0, bench->count },
	};
	u64 start;
	int ret;

	if (!page)
		return -ENOMEM;
	hvc.args[1] = page_to_pfn(page);

	preempt_disable();
	start = __arch_counter_get_cntvct();
	ret = pkvm_iommu_hvc(&hvc);
	bench->ticks = __arch_counter_get_cntvct() - start;
	preempt_enable();
	bench->seal_ns = boot_call_ns;
	__free_page(page);

	return ret;
}

/*
 * Free a page only if the host can give it to EL2, and so owns it: the kernel would crash
 * later if it used a page that EL2 or a VM has. Devices reach pages that are not the host's.
 */
static int test_free(const struct pkvm_iommu_test_page *arg)
{
	struct pkvm_iommu_hvc hvc = {
		.op	= PKVM_IOMMU_TEST,
		.args	= { PKVM_IOMMU_TEST_DONATE, arg->pfn, 1 },
	};

	if (!pfn_valid(arg->pfn) || pkvm_iommu_hvc(&hvc))
		return -EBUSY;
	__free_page(pfn_to_page(arg->pfn));

	return 0;
}

static long test_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	union {
		struct pkvm_iommu_test_call	call;
		struct pkvm_iommu_test_faults	faults;
		struct pkvm_iommu_test_range	range;
		struct pkvm_iommu_test_page	page;
		struct pkvm_iommu_test_bench	bench;
	} data = {};
	void __user *user = (void __user *)arg;
	int ret = 0;

	if (_IOC_SIZE(cmd) > sizeof(data))
		return -ENOTTY;
	if (_IOC_DIR(cmd) & _IOC_WRITE && copy_from_user(&data, user, _IOC_SIZE(cmd)))
		return -EFAULT;

	switch (cmd) {
	case PKVM_IOMMU_TEST_CALL:
		ret = test_call(&data.call);
		break;
	case PKVM_IOMMU_TEST_FAULTS:
		test_faults(&data.faults);
		break;
	case PKVM_IOMMU_TEST_RANGE:
		ret = test_range(&data.range);
		break;
	case PKVM_IOMMU_TEST_ALLOC:
		ret = test_alloc(&data.page);
		break;
	case PKVM_IOMMU_TEST_FREE:
		ret = test_free(&data.page);
		break;
	case PKVM_IOMMU_TEST_BENCH:
		ret = test_bench(&data.bench);
		break;
	default:
		return -ENOTTY;
	}
	if (!ret && _IOC_DIR(cmd) & _IOC_READ && copy_to_user(user, &data, _IOC_SIZE(cmd)))
		return -EFAULT;

	return ret;
}

/* Map the run list for tests: the last page of the memory shared for run lists. */
static int test_mmap(struct file *file, struct vm_area_struct *vma)
{
	struct pkvm_iommu_hvc hvc = {
		.op	= PKVM_IOMMU_INFO,
		.args	= { PKVM_IOMMU_INFO_RUNS },
	};

	if (!pkvm_iommu_run_lists || pkvm_iommu_hvc(&hvc))
		return -ENODEV;
	if (vma->vm_pgoff || vma->vm_end - vma->vm_start != PAGE_SIZE)
		return -EINVAL;

	return remap_pfn_range(vma, vma->vm_start,
			       virt_to_pfn(&(*pkvm_iommu_run_lists)[hvc.res[0]]) - 1, PAGE_SIZE,
			       vma->vm_page_prot);
}

static const struct file_operations test_fops = {
	.unlocked_ioctl	= test_ioctl,
	.mmap		= test_mmap,
};

static struct miscdevice test_device = {
	.minor	= MISC_DYNAMIC_MINOR,
	.name	= "pkvm_iommu_test",
	.fops	= &test_fops,
	.mode	= 0600,
};

builtin_misc_device(test_device);

/*
 * pkvm_iommu_test=, a comma-separated list of:
 *
 *   software		register a software IOMMU that walks page tables
 *   told		register one that is told of mappings
 *   permits		register one that only permits and denies
 *   stage1		use stage 1 even if the hardware has stage 2
 *   linear		use a one-level stream table
 *   reach:N		use N bits of addresses, at least 32
 *   noncoherent	ignore that the firmware calls an IOMMU coherent
 *   trusting		the host creates protected VMs even if EL2 will refuse them
 *   fail:N		page allocations of the boot fail from the N-th on
 *   once		with fail:N, only the N-th fails
 *
 * Early parameters are parsed before the first boot hypercall.
 */
static bool software_iommu __ro_after_init, software_told __ro_after_init;
static bool software_permits __ro_after_init;
static bool trusting __ro_after_init;
static u64 set_flags __ro_after_init, clear_flags __ro_after_init;
static unsigned int fail_at __ro_after_init;
static bool fail_once __ro_after_init;

static int __init test_param(char *arg)
{
	unsigned int reach;
	char *word;

	while ((word = strsep(&arg, ","))) {
		if (!strcmp(word, "software"))
			software_iommu = true;
		else if (!strcmp(word, "told"))
			software_told = true;
		else if (!strcmp(word, "permits"))
			software_permits = true;
		else if (!strcmp(word, "trusting"))
			trusting = true;
		else if (!strcmp(word, "stage1"))
			set_flags |= PKVM_IOMMU_F_STAGE1;
		else if (!strcmp(word, "linear"))
			set_flags |= PKVM_IOMMU_F_LINEAR;
		else if (!strcmp(word, "noncoherent"))
			clear_flags |= PKVM_IOMMU_F_COHERENT;
		else if (!strcmp(word, "once"))
			fail_once = true;
		else if (!strncmp(word, "reach:", 6) && !kstrtouint(word + 6, 0, &reach))
			set_flags |= FIELD_PREP(PKVM_IOMMU_F_REACH, reach);
		else if (strncmp(word, "fail:", 5) || kstrtouint(word + 5, 0, &fail_at))
			return -EINVAL;
	}

	return 0;
}
early_param("pkvm_iommu_test", test_param);

static u64 hook_register_flags(u64 flags)
{
	return (flags | set_flags) & ~clear_flags;
}

static bool hook_fail_boot_alloc(void)
{
	if (!fail_at)
		return false;
	if (fail_at > 1) {
		fail_at--;
		return false;
	}
	if (fail_once)
		fail_at = 0;

	return true;
}

static bool hook_allow_protected_vms(void)
{
	return trusting;
}

static void hook_boot_call_begin(void)
{
	boot_call_start = ktime_get_ns();
}

static void hook_boot_call_end(void)
{
	boot_call_ns += ktime_get_ns() - boot_call_start;
}

static void hook_donated(u64 target, struct page *page, size_t size)
{
	struct test_memory *memory = target == PKVM_IOMMU_POOL ? &first_pool_chunk :
							       &stream_tables[target];

	if (!memory->page)
		*memory = (struct test_memory){ page, size };
}

static void hook_fault(u32 iommu, u64 info, u64 address)
{
	spin_lock(&fault_log_lock);
	fault_log.count++;
	fault_log.info = info;
	fault_log.address = address;
	fault_log.iommu = iommu;
	spin_unlock(&fault_log_lock);
}

const struct pkvm_iommu_test_hooks pkvm_iommu_test_hooks = {
	.register_flags		= hook_register_flags,
	.fail_boot_alloc	= hook_fail_boot_alloc,
	.allow_protected_vms	= hook_allow_protected_vms,
	.boot_call_begin	= hook_boot_call_begin,
	.boot_call_end		= hook_boot_call_end,
	.donated		= hook_donated,
	.fault			= hook_fault,
};

/* Addresses at which QEMU's virt machine has no device: the registers are not used. */
static const struct resource software_windows[PKVM_IOMMU_WINDOWS_MAX] = {
	DEFINE_RES_MEM(0x0c010800, 0x400),
	DEFINE_RES_MEM(0x0c030000, SZ_64K),
	DEFINE_RES_MEM(0x0c020ffc, 8),
};

static int __init register_software(unsigned int type)
{
	struct platform_device *platform;
	struct pkvm_iommu_dev *pdev;

	platform = platform_device_register_simple("pkvm-iommu-test", type, NULL, 0);
	if (IS_ERR(platform))
		return PTR_ERR(platform);

	pdev = kzalloc_obj(*pdev);
	if (!pdev)
		return -ENOMEM;
	pdev->dev = &platform->dev;
	pdev->type = type;
	pdev->flags = PKVM_IOMMU_F_COHERENT;
	if (type == PKVM_IOMMU_TYPE_TEST) {
		pdev->flags |= FIELD_PREP(PKVM_IOMMU_F_QUIRKS, PKVM_IOMMU_TEST_WINDOWS);
		pdev->windows = software_windows;
		pdev->nr_windows = ARRAY_SIZE(software_windows);
	}

	return pkvm_iommu_register(pdev);
}

static int __init software_iommu_init(void)
{
	int ret = 0;

	if (!pkvm_iommu_enabled())
		return 0;
	if (software_iommu)
		ret = register_software(PKVM_IOMMU_TYPE_TEST);
	if (!ret && software_told)
		ret = register_software(PKVM_IOMMU_TYPE_TEST_TOLD);
	if (!ret && software_permits)
		ret = register_software(PKVM_IOMMU_TYPE_TEST_PERMITS);

	return ret;
}
device_initcall(software_iommu_init);
