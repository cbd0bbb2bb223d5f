// SPDX-License-Identifier: GPL-2.0-only
/*
 * Init module for the Arm SMMUv3: registers each SMMUv3 of the device tree, or of
 * ACPI's IORT, with EL2. It passes on what only the firmware knows (address,
 * interrupts, cache coherency) and reads no register: isolation depends on the ID
 * registers, so EL2 reads them itself.
 *
 * The initcall runs before that of the stock SMMUv3 driver, which therefore
 * finds these devices bound.
 *
 * No locks. Nothing here is called after boot.
 */
#include <linux/acpi.h>
#include <linux/acpi_iort.h>
#include <linux/dma-map-ops.h>
#include <linux/of.h>
#include <linux/platform_device.h>
#include <linux/slab.h>

#include "../pkvm.h"

/*
 * CMDQ-V has command queues in registers of their own, through which the host could
 * make the SMMU write memory. The device tree tells it by the compatible of the SMMU
 * (the reference to the registers is optional), ACPI by a device whose _UID is the
 * identifier of the SMMU's IORT node.
 */
static bool __init smmu_v3_has_cmdqv(struct device *dev)
{
	struct acpi_iort_node *node;
	struct acpi_device *cmdqv;
	char uid[11];

	if (dev->of_node)
		return of_device_is_compatible(dev->of_node, "nvidia,tegra264-smmu") ||
		       of_property_present(dev->of_node, "nvidia,cmdqv");

	node = *(struct acpi_iort_node **)dev_get_platdata(dev);
	snprintf(uid, sizeof(uid), "%u", node->identifier);
	cmdqv = acpi_dev_get_first_match_dev("NVDA200C", uid, -1);
	acpi_dev_put(cmdqv);

	return cmdqv;
}

static int __init smmu_v3_probe(struct platform_device *platform)
{
	struct device *dev = &platform->dev;
	struct pkvm_iommu_dev *pdev;
	struct resource *res;
	u32 cells;
	int *irqs;
	int ret;

	/* In ACPI, stream ids are single numbers. */
	if (dev->of_node &&
	    (of_property_read_u32(dev->of_node, "#iommu-cells", &cells) || cells != 1))
		return dev_err_probe(dev, -EINVAL, "#iommu-cells is not 1\n");
	if (smmu_v3_has_cmdqv(dev))
		return dev_err_probe(dev, -ENXIO, "pkvm_iommu: cannot isolate: CMDQ-V\n");
	/* Cavium ThunderX2: EL2 would write where nothing is. With ACPI, REGISTER refuses it. */
	if (device_property_present(dev, "cavium,cn9900-broken-page1-regspace"))
		return dev_err_probe(dev, -ENXIO,
				     "pkvm_iommu: cannot isolate: no second page of registers\n");
	res = platform_get_resource(platform, IORESOURCE_MEM, 0);
	if (!res)
		return dev_err_probe(dev, -EINVAL, "no registers\n");

	irqs = devm_kcalloc(dev, 2, sizeof(*irqs), GFP_KERNEL);
	pdev = irqs ? kzalloc_obj(*pdev) : NULL;
	if (!pdev)
		return -ENOMEM;

	pdev->dev = dev;
	pdev->type = PKVM_IOMMU_TYPE_SMMU_V3;
	pdev->mmio = res->start;
	pdev->mmio_size = resource_size(res);
	/* dma-coherent, or the COHACC override of IORT. */
	if (dev_is_dma_coherent(dev))
		pdev->flags = PKVM_IOMMU_F_COHERENT;

	pdev->irqs = irqs;
	ret = platform_get_irq_byname_optional(platform, "combined");
	if (ret <= 0)
		ret = platform_get_irq_byname_optional(platform, "eventq");
	if (ret > 0)
		irqs[pdev->nr_irqs++] = ret;
	ret = platform_get_irq_byname_optional(platform, "gerror");
	if (ret > 0)
		irqs[pdev->nr_irqs++] = ret;

	ret = pkvm_iommu_register(pdev);
	if (ret)
		kfree(pdev);

	return ret;
}

static const struct of_device_id smmu_v3_of_match[] = {
	{ .compatible = "arm,smmu-v3" },
	{ }
};

/* The name that the kernel gives devices made from SMMUv3 nodes of IORT. */
static const struct platform_device_id smmu_v3_ids[] = {
	{ .name = "arm-smmu-v3" },
	{ }
};

static struct platform_driver smmu_v3_driver = {
	.id_table	= smmu_v3_ids,
	.driver		= {
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
