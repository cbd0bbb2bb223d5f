// SPDX-License-Identifier: GPL-2.0-only
/*
 * Init module for devices that can access any memory, are behind no IOMMU, and that a
 * host can do without: EL2 takes their registers, so that nobody programs them.
 *
 *  - The firmware configuration device of QEMU, which copies to and from memory.
 *  - Performance monitors of an SMMUv3 that signal an overflow by a write to memory
 *    (IHI 0070, 10.4, PMCG_CFGR.MSI).
 *
 * A monitor that lies in the registers of its SMMU is EL2's with these.
 *
 * The devices stay bound to this driver, which keeps others off them: an access to
 * registers of EL2's is a fault of the host. The initcall runs before those of the
 * drivers that would use them.
 *
 * No locks. Nothing here is called after boot.
 */
#include <linux/acpi.h>
#include <linux/io.h>
#include <linux/of.h>
#include <linux/platform_device.h>

#include "../pkvm.h"

#define PMCG_NAME		"arm-smmu-v3-pmcg"
#define PMCG_CFGR		0xe00
#define PMCG_CFGR_MSI		BIT(21)

static bool __init is_pmcg(struct platform_device *platform)
{
	return !strcmp(platform->name, PMCG_NAME) ||
	       of_device_is_compatible(platform->dev.of_node, "arm,smmu-v3-pmcg");
}

static bool __init pmcg_writes_memory(struct resource *page0)
{
	void __iomem *regs = ioremap(page0->start, resource_size(page0));
	bool msi = true;

	if (regs) {
		msi = readl(regs + PMCG_CFGR) & PMCG_CFGR_MSI;
		iounmap(regs);
	}

	return msi;
}

static int __init withheld_probe(struct platform_device *platform)
{
	struct device *dev = &platform->dev;
	struct resource *res;

	/* The second page of a monitor has counters only. */
	res = platform_get_resource(platform, IORESOURCE_MEM, 0);
	if (!res)
		return -ENODEV;
	if (pkvm_iommu_in_crash_kernel())
		return pkvm_iommu_inherited_page(res->start) ? 0 : -ENODEV;
	if (is_pmcg(platform) && resource_size(res) > PMCG_CFGR &&
	    !pkvm_iommu_has_registers(res->start, resource_size(res)) && !pmcg_writes_memory(res))
		return -ENODEV;

	return pkvm_iommu_withhold(dev_name(dev), dev_fwnode(dev), res->start,
				   resource_size(res));
}

static const struct of_device_id withheld_of_match[] = {
	{ .compatible = "qemu,fw-cfg-mmio" },
	{ .compatible = "arm,smmu-v3-pmcg" },
	{ }
};

static const struct acpi_device_id withheld_acpi_match[] = {
	{ "QEMU0002" },
	{ }
};

/* The name that the kernel gives devices made from PMCG nodes of IORT. */
static const struct platform_device_id withheld_ids[] = {
	{ .name = PMCG_NAME },
	{ }
};

static struct platform_driver withheld_driver = {
	.id_table	= withheld_ids,
	.driver		= {
		.name			= "pkvm-withheld",
		.of_match_table		= withheld_of_match,
		.acpi_match_table	= withheld_acpi_match,
	},
};

static int __init withheld_init(void)
{
	if (!pkvm_iommu_enabled())
		return -ENODEV;

	return platform_driver_probe(&withheld_driver, withheld_probe);
}
device_initcall(withheld_init);
