// SPDX-License-Identifier: GPL-2.0-only
/*
 * Init module for the Arm SMMUv2: registers each one of the device tree with EL2. It passes on
 * what only the firmware knows: address, interrupts, cache coherency, and the models that no ID
 * register tells. EL2 reads the ID registers itself.
 *
 * The initcall runs before that of the stock driver, which therefore finds these devices bound.
 * Others are left to the stock driver and named in the log: those of other vendors, whose
 * differences only that driver knows, and those with ACPI.
 *
 * No locks. Nothing here is called after boot, but for smmu_v2_stream_id().
 */
#include <linux/bitfield.h>
#include <linux/clk.h>
#include <linux/of.h>
#include <linux/of_address.h>
#include <linux/platform_device.h>
#include <linux/property.h>
#include <linux/slab.h>

#include "../pkvm.h"

/*
 * One cell is an id, to which the SMMU's node can have a mask that all ids have in common; two
 * are an id and a mask.
 */
static int smmu_v2_stream_id(const struct of_phandle_args *args, u32 *sid)
{
	struct of_phandle_args ids = *args;

	if (ids.args_count == 1 &&
	    !of_property_read_u32(ids.np, "stream-match-mask", &ids.args[1]))
		ids.args_count = 2;

	return pkvm_iommu_id_mask(&ids, sid);
}

/* Reason why EL2 cannot drive an SMMU that the device tree describes so, or NULL. */
static const char * __init smmu_v2_obstacle(struct device_node *node)
{
	const char *first = "";

	/* Another vendor's comes first, and then Arm's that it is derived from. */
	of_property_read_string(node, "compatible", &first);
	if (!strstarts(first, "arm,"))
		return first;
	if (of_property_present(node, "calxeda,smmu-secure-config-access"))
		return "registers of the secure side";
	if (of_property_present(node, "mmu-masters"))
		return "mmu-masters";

	return NULL;
}

static int __init smmu_v2_irqs(struct platform_device *platform, struct pkvm_iommu_dev *pdev)
{
	int i, j, irq, nr = platform_irq_count(platform);
	int *irqs;

	if (nr <= 0)
		return nr;
	irqs = devm_kcalloc(&platform->dev, nr, sizeof(*irqs), GFP_KERNEL);
	if (!irqs)
		return -ENOMEM;
	/*
	 * Interrupts of global faults come first, then one for each bank. All are alike here, and
	 * several may be the same.
	 */
	for (i = 0; i < nr; i++) {
		irq = platform_get_irq(platform, i);
		if (irq == -EPROBE_DEFER)
			return irq;
		for (j = 0; j < pdev->nr_irqs && irqs[j] != irq; j++)
			;
		if (irq > 0 && j == pdev->nr_irqs)
			irqs[pdev->nr_irqs++] = irq;
	}
	pdev->irqs = irqs;

	return 0;
}

static int __init smmu_v2_probe(struct platform_device *platform)
{
	struct device *dev = &platform->dev;
	const char *obstacle = smmu_v2_obstacle(dev->of_node);
	struct clk_bulk_data *clocks;
	struct pkvm_iommu_dev *pdev;
	struct resource *res;
	int ret;

	if (obstacle)
		return dev_err_probe(dev, -ENXIO, "pkvm_iommu: cannot isolate: %s\n", obstacle);
	res = platform_get_resource(platform, IORESOURCE_MEM, 0);
	if (!res)
		return dev_err_probe(dev, -EINVAL, "no registers\n");
	/* From now on for good: EL2 uses the registers at any time. */
	ret = devm_clk_bulk_get_all_enabled(dev, &clocks);
	if (ret < 0)
		return dev_err_probe(dev, ret, "no clocks\n");

	pdev = kzalloc_obj(*pdev);
	if (!pdev)
		return -ENOMEM;

	pdev->dev = dev;
	pdev->type = PKVM_IOMMU_TYPE_SMMU_V2;
	pdev->mmio = res->start;
	pdev->mmio_size = resource_size(res);
	pdev->stream_id = smmu_v2_stream_id;
	pdev->flags = FIELD_PREP(PKVM_IOMMU_F_QUIRKS, (unsigned long)device_get_match_data(dev));
	if (of_dma_is_coherent(dev->of_node))
		pdev->flags |= PKVM_IOMMU_F_COHERENT;

	ret = smmu_v2_irqs(platform, pdev) ?: pkvm_iommu_register(pdev);
	if (ret)
		kfree(pdev);

	return ret;
}

static const struct of_device_id smmu_v2_of_match[] = {
	{ .compatible = "arm,mmu-500", .data = (void *)PKVM_IOMMU_SMMU_V2_MMU500 },
	{ .compatible = "arm,smmu-v2" },
	/* EL2 refuses these two, but for an MMU-401 with pages of 64 KiB. */
	{ .compatible = "arm,mmu-401", .data = (void *)PKVM_IOMMU_SMMU_V2_MMU401 },
	{ .compatible = "arm,mmu-400" },
	{ }
};

static struct platform_driver smmu_v2_driver = {
	.driver	= {
		.name		= "pkvm-smmu-v2",
		.of_match_table	= smmu_v2_of_match,
	},
};

static int __init smmu_v2_init(void)
{
	if (!pkvm_iommu_enabled())
		return -ENODEV;

	return platform_driver_probe(&smmu_v2_driver, smmu_v2_probe);
}
device_initcall(smmu_v2_init);
