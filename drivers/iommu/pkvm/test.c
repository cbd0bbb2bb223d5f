// SPDX-License-Identifier: GPL-2.0-only
/*
 * /dev/pkvm_iommu_test: root plays the hostile host. And options to boot with
 * less than the hardware offers.
 */
#include <linux/gfp.h>
#include <linux/init.h>
#include <linux/miscdevice.h>
#include <linux/mm.h>
#include <linux/platform_device.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include <asm/arch_timer.h>
#include <asm/kvm_mmu.h>
#include <asm/kvm_pkvm.h>
#include <asm/sections.h>

#include <uapi/linux/pkvm_iommu_test.h>

#include "pkvm.h"

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

	if (!pkvm_iommu_hypervisor())
		return -ENODEV;
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
	int i;

	*faults = (struct pkvm_iommu_test_faults){};
	for (i = 0; i < pkvm_iommu_nr_devs; i++) {
		struct pkvm_iommu_test_faults *from = &pkvm_iommu_devs[i]->faults;
		/* Pairs with report_fault(). */
		u64 count = smp_load_acquire(&from->count);

		if (count) {
			faults->info = READ_ONCE(from->info);
			faults->address = READ_ONCE(from->address);
			faults->iommu = i;
		}
		faults->count += count;
	}
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
		  .address = pkvm_iommu_first_chunk.page ?
			     page_to_phys(pkvm_iommu_first_chunk.page) : 0,
		  .size = pkvm_iommu_first_chunk.page ?
			  PAGE_SIZE << pkvm_iommu_first_chunk.order : 0 },
	};
	u64 index = range->index;
	struct pkvm_iommu_dev *pdev;

	if (index < ARRAY_SIZE(fixed)) {
		*range = fixed[index];
		range->index = index;
	} else {
		index -= ARRAY_SIZE(fixed);
		if (index >= 2 * pkvm_iommu_nr_devs)
			return -ENOENT;
		pdev = pkvm_iommu_devs[index / 2];
		range->iommu = pdev->id;
		if (index % 2) {
			range->kind = PKVM_IOMMU_TEST_RANGE_MMIO;
			range->address = pdev->mmio;
			range->size = pdev->mmio_size;
		} else {
			range->kind = PKVM_IOMMU_TEST_RANGE_TABLE;
			range->address = pdev->mem ? page_to_phys(pdev->mem) : 0;
			range->size = pdev->mem ? pdev->mem_size : 0;
		}
	}

	return 0;
}

static int test_alloc(struct pkvm_iommu_test_page *arg)
{
	struct page *page = alloc_page(GFP_KERNEL | __GFP_ZERO);

	if (!page)
		return -ENOMEM;
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
	bench->seal_ns = pkvm_iommu_seal_ns;
	__free_page(page);

	return ret;
}

/* Ask the hypervisor whether the page is the host's: a wild free would crash. */
static int test_free(const struct pkvm_iommu_test_page *arg)
{
	struct pkvm_iommu_hvc hvc = {
		.op	= PKVM_IOMMU_TEST,
		.args	= { PKVM_IOMMU_TEST_SHADOW, arg->pfn << PAGE_SHIFT },
	};

	if (!pfn_valid(arg->pfn) || pkvm_iommu_hvc(&hvc) || !hvc.res[0])
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

/* The page of runs for PKVM_IOMMU_MAP_LIST that is for tests: the last. */
static int test_mmap(struct file *file, struct vm_area_struct *vma)
{
	struct pkvm_iommu_hvc hvc = {
		.op	= PKVM_IOMMU_INFO,
		.args	= { PKVM_IOMMU_INFO_RUNS },
	};

	if (!pkvm_iommu_lists || pkvm_iommu_hvc(&hvc))
		return -ENODEV;
	if (vma->vm_pgoff || vma->vm_end - vma->vm_start != PAGE_SIZE)
		return -EINVAL;

	return remap_pfn_range(vma, vma->vm_start,
			       virt_to_pfn(&(*pkvm_iommu_lists)[hvc.res[0]]) - 1, PAGE_SIZE,
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
 * pkvm_iommu_test=software,stage1,linear,noncoherent,trusting,fail:N,once: an IOMMU
 * of software; use less of the hardware than it offers; leave it to EL2 to refuse
 * protected VMs; let page allocations of the boot fail from the N-th on, or just that.
 */
static bool software_iommu __initdata;
static bool test_trusting __ro_after_init;
static u64 test_set_flags __initdata, test_clear_flags __initdata;
static unsigned int test_fail_at __initdata;
static bool test_fail_once __initdata;

static int __init test_param(char *arg)
{
	char *word;

	while ((word = strsep(&arg, ","))) {
		if (!strcmp(word, "software"))
			software_iommu = true;
		else if (!strcmp(word, "trusting"))
			test_trusting = true;
		else if (!strcmp(word, "stage1"))
			test_set_flags |= PKVM_IOMMU_F_STAGE1;
		else if (!strcmp(word, "linear"))
			test_set_flags |= PKVM_IOMMU_F_LINEAR;
		else if (!strcmp(word, "noncoherent"))
			test_clear_flags |= PKVM_IOMMU_F_COHERENT;
		else if (!strcmp(word, "once"))
			test_fail_once = true;
		else if (strncmp(word, "fail:", 5) || kstrtouint(word + 5, 0, &test_fail_at))
			return -EINVAL;
	}

	return 0;
}
early_param("pkvm_iommu_test", test_param);

u64 __init pkvm_iommu_test_flags(u64 flags)
{
	return (flags | test_set_flags) & ~test_clear_flags;
}

bool pkvm_iommu_test_trusting(void)
{
	return test_trusting;
}

bool __init pkvm_iommu_test_fail(void)
{
	if (!test_fail_at)
		return false;
	if (test_fail_at > 1) {
		test_fail_at--;
		return false;
	}
	if (test_fail_once)
		test_fail_at = 0;

	return true;
}

static int __init software_iommu_init(void)
{
	struct platform_device *platform;
	struct pkvm_iommu_dev *pdev;

	if (!software_iommu || !pkvm_iommu_enabled())
		return 0;

	platform = platform_device_register_simple("pkvm-iommu-test", -1, NULL, 0);
	if (IS_ERR(platform))
		return PTR_ERR(platform);

	pdev = kzalloc_obj(*pdev);
	if (!pdev)
		return -ENOMEM;
	pdev->dev = &platform->dev;
	pdev->type = PKVM_IOMMU_TYPE_TEST;
	pdev->flags = PKVM_IOMMU_F_COHERENT;

	return pkvm_iommu_register(pdev);
}
device_initcall(software_iommu_init);
