// SPDX-License-Identifier: GPL-2.0-only
/*
 * Init module for the Arm SMMUv3: registers each SMMUv3 of the device tree with
 * EL2. It passes on what only the firmware knows (address, interrupts, cache
 * coherency) and reads no register: isolation depends on the ID registers, so EL2
 * reads them itself.
 *
 * The initcall runs before that of the stock SMMUv3 driver, which therefore
 * finds these devices bound.
 *
 * No locks. Nothing here is called after boot.
 */
#include <linux/of.h>
#include <linux/of_address.h>
#include <linux/platform_device.h>
#include <linux/slab.h>

#include "../pkvm.h"

static int __init smmu_v3_probe(struct platform_device *platform)
{
	struct device *dev = &platform->dev;
	struct pkvm_iommu_dev *pdev;
	struct resource *res;
	u32 cells;
	int ret;

	if (of_property_read_u32(dev->of_node, "#iommu-cells", &cells) || cells != 1)
		return dev_err_probe(dev, -EINVAL, "#iommu-cells is not 1\n");
	/*
	 * CMDQ-V has command queues in registers of their own, through which the
	 * host could make the SMMU write memory.
	 */
	if (of_property_present(dev->of_node, "nvidia,cmdqv"))
		return dev_err_probe(dev, -ENXIO, "pkvm_iommu: cannot isolate: CMDQ-V\n");
	res = platform_get_resource(platform, IORESOURCE_MEM, 0);
	if (!res)
		return dev_err_probe(dev, -EINVAL, "no registers\n");

	pdev = kzalloc_obj(*pdev);
	if (!pdev)
		return -ENOMEM;

	pdev->dev = dev;
	pdev->type = PKVM_IOMMU_TYPE_SMMU_V3;
	pdev->mmio = res->start;
	pdev->mmio_size = resource_size(res);
	if (of_dma_is_coherent(dev->of_node))
		pdev->flags = PKVM_IOMMU_F_COHERENT;

	ret = platform_get_irq_byname_optional(platform, "combined");
	if (ret <= 0)
		ret = platform_get_irq_byname_optional(platform, "eventq");
	if (ret > 0)
		pdev->irqs[0] = ret;
	ret = platform_get_irq_byname_optional(platform, "gerror");
	if (ret > 0)
		pdev->irqs[1] = ret;

	ret = pkvm_iommu_register(pdev);
	if (ret)
		kfree(pdev);

	return ret;
}

static const struct of_device_id smmu_v3_of_match[] = {
	{ .compatible = "arm,smmu-v3" },
	{ }
};

static struct platform_driver smmu_v3_driver = {
	.driver	= {
		.name		= "pkvm-smmu-v3",
		.of_match_table	= smmu_v3_of_match,
	},
};

static int __init smmu_v3_init(void)
{
	if (!pkvm_iommu_enabled())
		return -ENODEV;

	return platform_driver_probe(&smmu_v3_driver, smmu_v3_probe);
}
device_initcall(smmu_v3_init);
