// SPDX-License-Identifier: GPL-2.0-only
/*
 * Boot: hands IOMMUs and memory to EL2 while EL2 still trusts the host, and
 * decides by the command line what becomes of devices that EL2 cannot isolate.
 *
 * The order of the boot:
 *
 *   device_initcall, arch/		KVM initialises EL2
 *   device_initcall, drivers/iommu/	init modules call pkvm_iommu_register()
 *   device_initcall_sync, arch/	KVM calls pkvm_iommu_finalize(): EL2 takes
 *					the IOMMUs. Then the host is deprivileged
 *   device_initcall_sync, drivers/	frontend.c registers the IOMMUs with the
 *					IOMMU core
 *
 * No failure stops the boot. If devices are not isolated in the end, the log
 * says why and EL2 refuses protected VMs.
 *
 * No locks: initcalls run one after the other, and everything here is constant
 * when they are over.
 *
 * Callers: init modules and test.c, to register IOMMUs; KVM, through
 * asm/pkvm_iommu.h; the other files of the core, for the command line.
 */
#define pr_fmt(fmt) "pkvm_iommu: " fmt

#include <linux/device.h>
#include <linux/gfp.h>
#include <linux/init.h>
#include <linux/mm.h>
#include <linux/string.h>
#include <linux/vmstat.h>

#include "core.h"
#include "test-hooks.h"

u64 (*pkvm_iommu_run_lists)[PKVM_IOMMU_LIST_RUNS] __ro_after_init;
unsigned int pkvm_iommu_nr_run_lists __ro_after_init;

/* The answer to devices that EL2 cannot isolate. */
static enum {
	POLICY_STRICT,
	POLICY_PARTIAL,
	POLICY_OFF,
} policy __ro_after_init;
static bool iommu_nested __ro_after_init;	/* pkvm_iommu=nested */
static bool wants_crash __ro_after_init;	/* pkvm_iommu=crash */
static bool isolation_established __ro_after_init;
static const char *refused_for __ro_after_init;	/* reason for the refusal of protected VMs */

static const char * const policies[] = {
	[POLICY_STRICT]	 = "strict",
	[POLICY_PARTIAL] = "partial",
	[POLICY_OFF]	 = "off",
};

static const char * const kinds[] = { "managed", "nested" };

/* Words, separated by commas; of those that exclude each other, the last one counts. */
static int __init pkvm_iommu_param(char *arg)
{
	char none[] = "", *word;
	int i, ret = 0;

	/* The parameter without "=" is one without a word, which is not known either. */
	arg = arg ?: none;
	while ((word = strsep(&arg, ","))) {
		i = match_string(policies, ARRAY_SIZE(policies), word);
		if (i >= 0) {
			policy = i;
			continue;
		}
		i = match_string(kinds, ARRAY_SIZE(kinds), word);
		if (i >= 0) {
			iommu_nested = i;
			continue;
		}
		if (!strcmp(word, "crash")) {
			wants_crash = true;
			continue;
		}
		pr_err("'pkvm_iommu=%s' is not known; off, strict, partial, managed, nested and crash are\n",
		       word);
		ret = -EINVAL;
	}

	return ret;
}
early_param("pkvm_iommu", pkvm_iommu_param);

/**
 * pkvm_iommu_prefers_nested() - are paging domains nested where the hardware can nest?
 *
 * Context: any; once early parameters are parsed.
 * Return: true with pkvm_iommu=nested.
 */
bool pkvm_iommu_prefers_nested(void)
{
	return iommu_nested;
}

/**
 * pkvm_iommu_wants_crash() - is EL2 that of a kernel that crashed, by the command line?
 *
 * Context: any; once early parameters are parsed.
 * Return: true with pkvm_iommu=crash.
 */
bool pkvm_iommu_wants_crash(void)
{
	return wants_crash && policy != POLICY_OFF;
}

/**
 * pkvm_iommu_enabled() - does EL2 take the IOMMUs, or has it got them already?
 *
 * Context: any; device_initcall of drivers/, or later.
 * Return: true if pKVM is in use and was not told to leave the IOMMUs alone.
 */
bool pkvm_iommu_enabled(void)
{
	return policy != POLICY_OFF && (pkvm_iommu_hyp_present() || pkvm_iommu_in_crash_kernel());
}

/**
 * pkvm_iommu_allows_protected_vms() - may protected VMs be created?
 *
 * EL2 makes the same decision when a VM is created, and its answer is the one
 * that counts; this one gives the host an errno before it allocates anything.
 *
 * Context: any; once pkvm_iommu_finalize() has returned.
 * Return: true if devices are isolated, and also if the user chose to do without
 * isolation (pkvm_iommu=off).
 */
bool pkvm_iommu_allows_protected_vms(void)
{
	if (policy == POLICY_OFF || pkvm_iommu_test_allow_protected_vms())
		return true;

	return isolation_established && (policy == POLICY_PARTIAL || !pkvm_iommu_nr_holes());
}

static int __init boot_hvc(struct pkvm_iommu_hvc *hvc)
{
	int ret;

	pkvm_iommu_test_boot_call_begin();
	ret = pkvm_iommu_hvc_boot(hvc);
	pkvm_iommu_test_boot_call_end();

	return ret;
}

/* Every page allocation of the boot goes through here, so that tests can make it fail. */
static struct page * __init boot_alloc(unsigned int order, gfp_t zone)
{
	gfp_t gfp = GFP_KERNEL | zone;

	if (pkvm_iommu_test_fail_boot_alloc())
		return NULL;

	/* Fail rather than invoke the OOM killer: the host can boot without isolation. */
	gfp |= __GFP_NOWARN | (order ? __GFP_NORETRY : __GFP_RETRY_MAYFAIL);

	return alloc_pages(gfp, order);
}

/*
 * Text of enum pkvm_iommu_refusal. Init modules print the reasons of their own. The
 * specification in the selftests, spec-boot.c, knows the last reason, too.
 */
static const char * __init refusal_name(u64 why)
{
	static const char * const names[] __initconst = {
		[PKVM_IOMMU_REFUSE_NONE]	= "internal error",
		[PKVM_IOMMU_REFUSE_STAGE]	= "no usable translation stage or address size",
		[PKVM_IOMMU_REFUSE_GRANULE]	= "does not support the kernel's page size",
		[PKVM_IOMMU_REFUSE_PRESET]	= "preset tables or registers, unsuitable queues",
		[PKVM_IOMMU_REFUSE_TIMEOUT]	= "does not respond",
		[PKVM_IOMMU_REFUSE_MEMORY]	= "no memory for its stream table",
		[PKVM_IOMMU_REFUSE_MMIO]	= "registers too small, missing, or not the host's",
		[PKVM_IOMMU_REFUSE_AUDIT]	= "EL2 maps something that the host can reach",
	};

	BUILD_BUG_ON(ARRAY_SIZE(names) != PKVM_IOMMU_REFUSE_AUDIT + 1);

	return why < ARRAY_SIZE(names) ? names[why] : "unknown reason";
}

/* Donate pages to an IOMMU or to the pool. Frees them if EL2 does not accept them. */
static int __init donate_pages(u64 target, struct page *page, unsigned int order)
{
	struct pkvm_iommu_hvc hvc = {
		.op	= PKVM_IOMMU_BOOT_DONATE,
		.args	= { target, page_to_pfn(page), 1UL << order },
	};
	unsigned int i;
	int ret;

	/* Pages of the pool can be reclaimed one by one. */
	split_page(page, order);
	ret = boot_hvc(&hvc);
	for (i = 0; ret && i < 1U << order; i++)
		__free_page(page + i);

	return ret;
}

/*
 * Allocate pages and donate them. -EINVAL means that an IOMMU cannot address the
 * pages, so that is tried again with lower memory.
 */
static struct page * __init donate_new(u64 target, unsigned int order, int *ret)
{
	gfp_t zone = 0;
	struct page *page;

	for (;;) {
		page = boot_alloc(order, zone);
		*ret = page ? donate_pages(target, page, order) : -ENOMEM;
		if (!*ret)
			mod_node_page_state(page_pgdat(page), NR_IOMMU_PAGES, 1 << order);
		if (*ret != -EINVAL || zone)
			return *ret ? NULL : page;
		zone = GFP_DMA32;
	}
}

/*
 * Without a window that EL2 needs, PKVM_IOMMU_BOOT_SEAL will fail. One that EL2 does not take for
 * another reason stays the host's, who could program the IOMMU by it: a hole.
 */
static void __init name_windows(const struct pkvm_iommu_dev *pdev)
{
	const struct resource *window;
	int ret;

	for (window = pdev->windows; window < pdev->windows + pdev->nr_windows; window++) {
		struct pkvm_iommu_hvc hvc = {
			.op	= PKVM_IOMMU_BOOT_WINDOW,
			.args	= { pdev->id, window->start, resource_size(window) },
		};

		ret = boot_hvc(&hvc);
		if (ret)
			pkvm_iommu_hole("%s: registers %pR are not the hypervisor's (%d)",
					dev_name(pdev->dev), window, ret);
	}
}

/**
 * pkvm_iommu_register() - register an IOMMU with EL2
 * @pdev: the IOMMU; must not be freed if this succeeds
 *
 * After a failure the caller may leave the hardware to another driver, but
 * protected VMs will be refused. The log has the reason.
 *
 * Context: device_initcall of drivers/; sleeps.
 * Return: 0, also if there is no memory for the IOMMU's stream table, for which
 * pkvm_iommu_finalize() fails; -ENODEV if pkvm_iommu_enabled() is false; the
 * errors of PKVM_IOMMU_BOOT_REGISTER. In a crash kernel, -ENODEV if EL2 does not have it.
 */
int __init pkvm_iommu_register(struct pkvm_iommu_dev *pdev)
{
	struct pkvm_iommu_hvc hvc = {
		.op	= PKVM_IOMMU_BOOT_REGISTER,
		.args	= { pdev->type, pdev->mmio, pdev->mmio_size,
			    pkvm_iommu_test_register_flags(pdev->flags) },
	};
	struct page *page;
	size_t size;
	int ret;

	if (!pkvm_iommu_enabled())
		return -ENODEV;

	if (pkvm_iommu_in_crash_kernel()) {
		if (!pkvm_iommu_inherited(pdev->mmio, &pdev->id))
			return -ENODEV;
		size = 0;
	} else {
		ret = boot_hvc(&hvc);
		if (ret) {
			dev_err(pdev->dev, "pkvm_iommu: cannot isolate: %s (%d)\n",
				ret == -ENXIO ? refusal_name(hvc.res[0]) : "not accepted", ret);
			return ret;
		}
		pdev->id = hvc.res[0];
		size = hvc.res[1];
		name_windows(pdev);
	}
	xa_init(&pdev->streams);
	INIT_LIST_HEAD(&pdev->masters);
	pkvm_iommu_devs[pkvm_iommu_nr_devs++] = pdev;
	/* A power domain stays on when the system sleeps: EL2 would not learn that it was off. */
	dev_pm_syscore_device(pdev->dev, true);

	if (size) {
		page = donate_new(pdev->id, get_order(size), &ret);
		/* It stays registered: PKVM_IOMMU_BOOT_SEAL will fail and name it. */
		if (!page)
			dev_err(pdev->dev, "pkvm_iommu: no memory for its stream table (%d)\n",
				ret);
		else
			pkvm_iommu_test_donated(pdev->id, page, size);
	}

	return 0;
}

/* Donate at least @nr_pages to the pool, in chunks as large as can be had. */
static int __init donate_pool(u64 nr_pages)
{
	unsigned int order = ilog2(PKVM_IOMMU_DONATE_MAX);
	struct page *page;
	int ret;

	order = min_t(unsigned int, order, get_order(nr_pages << PAGE_SHIFT));
	while (nr_pages) {
		page = donate_new(PKVM_IOMMU_POOL, order, &ret);
		if (!page && order && ret == -ENOMEM) {
			order--;
			continue;
		}
		if (!page)
			return ret;
		pkvm_iommu_test_donated(PKVM_IOMMU_POOL, page, PAGE_SIZE << order);
		nr_pages -= min_t(u64, nr_pages, 1ULL << order);
	}

	return 0;
}

/*
 * Share memory with EL2 for the runs of PKVM_IOMMU_MAP_LIST, one list for each
 * batch, as far as EL2 accepts as much at once. Without a list, one hypercall maps
 * no more runs than fit into registers.
 */
static void __init share_run_lists(void)
{
	size_t max = (PKVM_IOMMU_DONATE_MAX << PAGE_SHIFT) - PKVM_IOMMU_TEST_RUN_LIST_SIZE;
	size_t size = min(pkvm_iommu_nr_batches() * sizeof(*pkvm_iommu_run_lists), max);
	unsigned int nr = size / sizeof(*pkvm_iommu_run_lists);
	struct pkvm_iommu_hvc hvc = { .op = PKVM_IOMMU_BOOT_DONATE };
	unsigned int order;
	struct page *page;

	size = PAGE_ALIGN(size) + PKVM_IOMMU_TEST_RUN_LIST_SIZE;
	order = get_order(size);
	page = boot_alloc(order, __GFP_ZERO);
	if (!page)
		return;

	hvc.args[0] = PKVM_IOMMU_RUN_LIST;
	hvc.args[1] = page_to_pfn(page);
	hvc.args[2] = size >> PAGE_SHIFT;
	if (boot_hvc(&hvc)) {
		__free_pages(page, order);
		return;
	}
	pkvm_iommu_run_lists = page_address(page);
	pkvm_iommu_nr_run_lists = nr;
}

/**
 * pkvm_iommu_withhold() - have EL2 take the registers of a device
 * @name: name of a device that can access memory and is behind no IOMMU; idle
 * @fwnode: its firmware node
 * @phys: physical address of the registers
 * @size: bytes of registers
 *
 * Neither drivers nor other devices reach the pages of the registers once EL2 has taken
 * them: the caller has to keep drivers off the device. If they cannot be taken, that is
 * logged as a hole.
 *
 * Context: boot, after the IOMMUs are registered; sleeps.
 * Return: 0, also for registers within those of an IOMMU that EL2 has; the errors of
 * PKVM_IOMMU_BOOT_WITHHOLD.
 */
int __init pkvm_iommu_withhold(const char *name, const struct fwnode_handle *fwnode,
			       phys_addr_t phys, size_t size)
{
	struct pkvm_iommu_hvc hvc = {
		.op	= PKVM_IOMMU_BOOT_WITHHOLD,
		.args	= { phys, size },
	};
	int ret = pkvm_iommu_has_registers(phys, size) ? 0 : boot_hvc(&hvc);

	if (ret) {
		pkvm_iommu_hole("%s can access any memory, and cannot be withheld (%d)", name, ret);
		return ret;
	}
	pkvm_iommu_add_withheld(fwnode);
	pr_info("%s could access any memory: the hypervisor takes its registers\n", name);

	return 0;
}

static void __init report_failure(int ret, const u64 *res)
{
	refused_for = refusal_name(res[0]);
	if (ret == -ENODEV)
		refused_for = "no IOMMU keeps devices out of protected VMs";
	else if (ret == -ENOMEM)
		refused_for = "no memory for the translation tables";

	if (ret == -ENODEV || ret == -ENOMEM)
		pr_err("%s (%d)\n", refused_for, ret);
	else if (res[1] < pkvm_iommu_nr_devs)
		pr_err("%s cannot be isolated: %s (%d)\n",
		       dev_name(pkvm_iommu_devs[res[1]]->dev), refused_for, ret);
	else
		pr_err("isolation failed: %s (%d)\n", refused_for, ret);
}

/**
 * pkvm_iommu_finalize() - have EL2 take all registered IOMMUs
 *
 * Ends registration, whether it succeeds or not. The log has the result.
 *
 * Context: once, right before pKVM deprivileges the host; sleeps.
 */
void __init pkvm_iommu_finalize(void)
{
	struct pkvm_iommu_hvc hvc = { .op = PKVM_IOMMU_BOOT_SEAL };
	bool refuse;
	u64 rounds = 0;
	int ret;

	if (policy == POLICY_OFF) {
		hvc.args[0] = PKVM_IOMMU_F_OFF;
		WARN_ON(boot_hvc(&hvc));
		pr_warn("off: devices can read and overwrite protected VMs\n");
		return;
	}

	pkvm_iommu_report_holes();
	refuse = pkvm_iommu_nr_holes() && policy == POLICY_STRICT;
	if (refuse)
		hvc.args[0] = PKVM_IOMMU_F_REFUSE_VMS;
	if (pkvm_iommu_nr_devs)
		share_run_lists();

	while ((ret = boot_hvc(&hvc))) {
		/*
		 * The identity domain's tables take 1/512 of the memory at most, plus those
		 * for MMIO; several times that many rounds are allowed.
		 */
		if (ret == -ENOMEM && rounds++ < 1024 + totalram_pages() / SZ_64K)
			ret = donate_pool(hvc.res[0]) ? -ENOMEM : 0;
		else if (ret == -EAGAIN)
			ret = 0;
		if (ret)
			break;
		cond_resched();
	}

	if (ret)
		report_failure(ret, hvc.res);
	else
		pr_info("%u IOMMU(s) are the hypervisor's: every stream is blocked until attached\n",
			pkvm_iommu_nr_devs);

	isolation_established = !ret;
	if (!ret && pkvm_iommu_nr_holes() && !refuse)
		pr_warn("partial: the devices named above can read and overwrite protected VMs\n");
	else if (!ret && refuse)
		pr_err("protected VMs are refused; pkvm_iommu=partial would allow them, reached by the devices named above\n");
	else if (ret)
		pr_err("protected VMs are refused; pkvm_iommu=off would allow them, without DMA isolation\n");
}

/**
 * pkvm_iommu_show_status() - print if protected VMs are isolated
 * @s: the file
 *
 * Context: after boot.
 */
void pkvm_iommu_show_status(struct seq_file *s)
{
	seq_printf(s, "policy: %s, %s domains\n", policies[policy], kinds[iommu_nested]);
	if (pkvm_iommu_allows_protected_vms())
		seq_puts(s, "protected VMs: allowed\n");
	else
		seq_printf(s, "protected VMs: refused: %s\n",
			   refused_for ?: "devices below are not kept out");
}
