// SPDX-License-Identifier: GPL-2.0-only
/*
 * Handing IOMMUs and memory to the hypervisor.
 *
 * Order of boot: KVM initialises EL2 (device_initcall, arch/); the init modules
 * register what they find (device_initcall, first in drivers/iommu/);
 * pkvm_iommu_finalize() has EL2 take it all (device_initcall_sync, arch/), just
 * before the host loses its privileges; the frontend offers the IOMMUs to the
 * kernel (device_initcall_sync, drivers/).
 *
 * Whatever fails here, the host boots; but then EL2 refuses protected VMs, and
 * the log says why.
 */
#define pr_fmt(fmt) "pkvm_iommu: " fmt

#include <linux/device.h>
#include <linux/gfp.h>
#include <linux/init.h>
#include <linux/mm.h>
#include <linux/of.h>
#include <linux/property.h>

#include "core.h"
#include "test-hooks.h"

struct pkvm_iommu_dev *pkvm_iommu_devs[PKVM_IOMMU_MAX];
unsigned int pkvm_iommu_nr_devs;

u64 (*pkvm_iommu_run_lists)[PKVM_IOMMU_LIST_RUNS] __ro_after_init;

static bool iommu_off __ro_after_init;
static bool isolation_established __ro_after_init;

static int __init pkvm_iommu_param(char *arg)
{
	if (!arg || strcmp(arg, "off")) {
		pr_err("'pkvm_iommu=%s' is not known; 'off' is\n", arg ?: "");
		return -EINVAL;
	}
	iommu_off = true;

	return 0;
}
early_param("pkvm_iommu", pkvm_iommu_param);

/**
 * pkvm_iommu_enabled() - is there a hypervisor that wants IOMMUs?
 *
 * Context: device_initcall of drivers/, or later.
 */
bool pkvm_iommu_enabled(void)
{
	return !iommu_off && pkvm_iommu_hypervisor();
}

/**
 * pkvm_iommu_find() - look up a registered IOMMU
 * @fwnode: its firmware node
 *
 * Context: any; device_initcall of drivers/, or later.
 * Return: the IOMMU, or NULL if EL2 does not have it.
 */
struct pkvm_iommu_dev *pkvm_iommu_find(const struct fwnode_handle *fwnode)
{
	struct pkvm_iommu_dev *pdev;

	for_each_pkvm_iommu_dev(pdev) {
		if (dev_fwnode(pdev->dev) == fwnode)
			return pdev;
	}

	return NULL;
}

/**
 * pkvm_iommu_allows_protected_vms() - may protected VMs be created?
 *
 * They may if devices are isolated, and also if the user chose to do without
 * isolation (pkvm_iommu=off). EL2 makes the same decision when a VM is
 * created, and its answer is the one that counts; this one gives the host an
 * errno before it allocates anything.
 *
 * Context: any; once pkvm_iommu_finalize() has returned.
 */
bool pkvm_iommu_allows_protected_vms(void)
{
	return isolation_established || iommu_off || pkvm_iommu_test_allow_protected_vms();
}

static int __init boot_hvc(struct pkvm_iommu_hvc *hvc)
{
	int ret;

	pkvm_iommu_test_boot_call_begin();
	ret = pkvm_iommu_hvc_boot(hvc);
	pkvm_iommu_test_boot_call_end();

	return ret;
}

/* The one place where the boot allocates pages, so that tests can make it fail. */
static struct page * __init boot_alloc(unsigned int order, gfp_t zone)
{
	gfp_t gfp = GFP_KERNEL | zone;

	if (pkvm_iommu_test_fail_boot_alloc())
		return NULL;

	/* Never by killing somebody, or by a panic: the host is to boot. */
	gfp |= __GFP_NOWARN | (order ? __GFP_NORETRY : __GFP_RETRY_MAYFAIL);

	return alloc_pages(gfp, order);
}

static const char * __init refusal_name(u64 why)
{
	static const char * const names[] __initconst = {
		[PKVM_IOMMU_REFUSE_NONE]	= "internal error",
		[PKVM_IOMMU_REFUSE_STAGE]	= "no usable, or no common, translation stage",
		[PKVM_IOMMU_REFUSE_GRANULE]	= "does not support the kernel's page size",
		[PKVM_IOMMU_REFUSE_PRESET]	= "preset tables, or unsuitable queues",
		[PKVM_IOMMU_REFUSE_TIMEOUT]	= "does not respond",
		[PKVM_IOMMU_REFUSE_MEMORY]	= "no memory for its stream table",
		[PKVM_IOMMU_REFUSE_MMIO]	= "registers too small, or not the host's",
		[PKVM_IOMMU_REFUSE_AUDIT]	= "EL2 maps something that the host can reach",
	};

	return why < ARRAY_SIZE(names) ? names[why] : "unknown reason";
}

static int __init donate_boot(u64 target, struct page *page, unsigned int order)
{
	struct pkvm_iommu_hvc hvc = {
		.op	= PKVM_IOMMU_BOOT_DONATE,
		.args	= { target, page_to_pfn(page), 1UL << order },
	};
	unsigned int i;
	int ret;

	/* The hypervisor may give single pages of it back. */
	split_page(page, order);
	ret = boot_hvc(&hvc);
	for (i = 0; ret && i < 1U << order; i++)
		__free_page(page + i);

	return ret;
}

/* Allocate and donate; lower memory if an IOMMU cannot address what we got. */
static struct page * __init donate_new(u64 target, unsigned int order, int *ret)
{
	gfp_t zone = 0;
	struct page *page;

	for (;;) {
		page = boot_alloc(order, zone);
		*ret = page ? donate_boot(target, page, order) : -ENOMEM;
		if (*ret != -EINVAL || zone)
			return *ret ? NULL : page;
		zone = GFP_DMA32;
	}
}

/**
 * pkvm_iommu_register() - register an IOMMU with the hypervisor
 * @pdev: the IOMMU; must live for ever if this succeeds
 *
 * After a failure, another driver may have the hardware, but protected VMs will
 * be refused.
 *
 * Context: device_initcall; sleeps.
 * Return: 0; -ENODEV if pKVM is not in use; -ENOMEM; errors of
 * PKVM_IOMMU_BOOT_REGISTER.
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

	ret = boot_hvc(&hvc);
	if (ret) {
		dev_err(pdev->dev, "pkvm_iommu: cannot isolate: %s (%d)\n",
			ret == -ENXIO ? refusal_name(hvc.res[0]) : "not accepted", ret);
		return ret;
	}

	pdev->id = hvc.res[0];
	size = hvc.res[1];
	xa_init(&pdev->streams);
	pkvm_iommu_devs[pdev->id] = pdev;
	pkvm_iommu_nr_devs = pdev->id + 1;

	if (size) {
		page = donate_new(pdev->id, get_order(size), &ret);
		/* Without memory it stays registered; PKVM_IOMMU_BOOT_SEAL will name it. */
		if (!page)
			dev_err(pdev->dev, "pkvm_iommu: no memory for its stream table (%d)\n",
				ret);
		else
			pkvm_iommu_test_donated(pdev->id, page, size);
	}

	return 0;
}

/* Give the pool at least @nr_pages, in the largest pieces that there are. */
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

/* Without lists, a call carries what fits into registers. */
static void __init share_run_lists(void)
{
	size_t size = PAGE_ALIGN(nr_cpu_ids * sizeof(*pkvm_iommu_run_lists)) +
		      PKVM_IOMMU_TEST_RUN_LIST_SIZE;
	struct pkvm_iommu_hvc hvc = { .op = PKVM_IOMMU_BOOT_DONATE };
	unsigned int order = get_order(size);
	struct page *page;

	page = boot_alloc(order, __GFP_ZERO);
	if (!page)
		return;

	hvc.args[0] = PKVM_IOMMU_RUN_LIST;
	hvc.args[1] = page_to_pfn(page);
	hvc.args[2] = size >> PAGE_SHIFT;
	if (boot_hvc(&hvc))
		__free_pages(page, order);
	else
		pkvm_iommu_run_lists = page_address(page);
}

static void __init report_failure(int ret, const u64 *res)
{
	if (ret == -ENODEV)
		pr_err("no IOMMU keeps devices out of protected VMs\n");
	else if (ret == -ENOMEM)
		pr_err("no memory for the translation tables (%d)\n", ret);
	else if (res[1] < pkvm_iommu_nr_devs)
		pr_err("%s cannot be isolated: %s (%d)\n",
		       dev_name(pkvm_iommu_devs[res[1]]->dev), refusal_name(res[0]), ret);
	else
		pr_err("isolation failed: %s (%d)\n", refusal_name(res[0]), ret);
}

/*
 * Name in the log each IOMMU that the firmware describes and that was not
 * registered with EL2: devices behind it are not isolated. Returns true if
 * there is one.
 */
static bool __init report_foreign_iommus(void)
{
	bool found = false;
	struct device_node *node;

	for_each_node_with_property(node, "#iommu-cells") {
		if (!of_device_is_available(node) || pkvm_iommu_find(of_fwnode_handle(node)))
			continue;
		pr_err("%pOF is not the hypervisor's: devices behind it are not kept out\n", node);
		found = true;
	}

	return found;
}

/**
 * pkvm_iommu_finalize() - have the hypervisor take all IOMMUs
 *
 * Context: once, right before pKVM drops the host's privileges; sleeps.
 */
void __init pkvm_iommu_finalize(void)
{
	struct pkvm_iommu_hvc hvc = { .op = PKVM_IOMMU_BOOT_SEAL };
	u64 rounds = 0;
	int ret;

	if (iommu_off) {
		hvc.args[0] = PKVM_IOMMU_F_OFF;
		WARN_ON(boot_hvc(&hvc));
		pr_warn("off: devices can read and overwrite protected VMs\n");
		return;
	}

	if (report_foreign_iommus())
		hvc.args[0] = PKVM_IOMMU_F_PARTIAL;
	if (pkvm_iommu_nr_devs)
		share_run_lists();

	while ((ret = boot_hvc(&hvc))) {
		/* The tables take 1/512 of the memory, and what MMIO needs. */
		if (ret == -ENOMEM && rounds++ < 1024 + totalram_pages() / SZ_64K)
			ret = donate_pool(hvc.res[0]);
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

	isolation_established = !ret && !hvc.args[0];
	if (!isolation_established)
		pr_err("protected VMs are refused; pkvm_iommu=off would allow them, without DMA isolation\n");
}
