// SPDX-License-Identifier: GPL-2.0-only
/*
 * Init module for virtio-iommu over MMIO: registers each one of the device tree
 * with EL2, which negotiates features with the device itself.
 *
 * The stock virtio-mmio transport is earlier in drivers/Makefile and has bound
 * every virtio,mmio node by now; the stock virtio-iommu driver has not probed
 * yet. So the transport is unbound from virtio-iommu devices before this driver
 * probes, and bound again to those that EL2 did not accept.
 *
 * A virtio register window is smaller than a page, but EL2 takes whole pages
 * from the host. So a page is only given to EL2 if no other device has
 * registers in it, and it is reserved, because a probe of the empty windows in
 * it would fault.
 *
 * No locks. Nothing here is called after boot.
 */
#include <linux/of.h>
#include <linux/of_address.h>
#include <linux/of_platform.h>
#include <linux/platform_device.h>
#include <linux/slab.h>
#include <uapi/linux/virtio_ids.h>

#include "../pkvm.h"

static const struct of_device_id virtio_of_match[] = {
	{ .compatible = "virtio,mmio" },
	{ }
};

/* Returns the virtio device id in the register window of a node, 0 if it is empty. */
static u32 __init virtio_device_id(struct device_node *node)
{
	struct resource window;

	return of_address_to_resource(node, 0, &window) ? 0 : pkvm_iommu_virtio_id(&window);
}

/* Returns the range of whole pages that contains a register window. */
static struct resource __init virtio_pages(struct resource window)
{
	window.start = ALIGN_DOWN(window.start, PAGE_SIZE);
	window.end = ALIGN(window.end + 1, PAGE_SIZE) - 1;

	return window;
}

/*
 * Returns the node of another virtio device with registers in these pages, or
 * NULL. The caller has to put the node.
 */
static struct device_node * __init virtio_neighbour(struct device_node *self,
						    struct resource *pages)
{
	struct device_node *node;
	struct resource window;

	for_each_matching_node(node, virtio_of_match) {
		if (node != self && of_device_is_available(node) &&
		    !of_address_to_resource(node, 0, &window) &&
		    resource_overlaps(&window, pages) && virtio_device_id(node))
			return node;
	}

	return NULL;
}

static int __init virtio_probe(struct platform_device *platform)
{
	struct resource *window, pages;
	struct device *dev = &platform->dev;
	struct device_node *neighbour;
	struct pkvm_iommu_dev *pdev;
	int ret;

	if (virtio_device_id(dev->of_node) != VIRTIO_ID_IOMMU)
		return -ENODEV;
	/* An IOMMU would translate the physical addresses that EL2 gives it for its queues. */
	if (of_property_present(dev->of_node, "iommus"))
		return dev_err_probe(dev, -ENXIO, "pkvm_iommu: cannot isolate: behind an IOMMU\n");
	window = platform_get_resource(platform, IORESOURCE_MEM, 0);
	if (!window)
		return dev_err_probe(dev, -EINVAL, "no registers\n");

	pages = virtio_pages(*window);
	neighbour = virtio_neighbour(dev->of_node, &pages);
	if (neighbour) {
		dev_err(dev, "pkvm_iommu: cannot isolate: shares a page of registers with %pOF\n",
			neighbour);
		of_node_put(neighbour);
		return -EBUSY;
	}
	/* Keeps other drivers out of the empty windows of the page. crash.c has done it there. */
	if (!pkvm_iommu_in_crash_kernel() &&
	    !request_mem_region(pages.start, resource_size(&pages), "pkvm_iommu"))
		return dev_err_probe(dev, -EBUSY, "pkvm_iommu: cannot isolate: registers in use\n");

	ret = -ENOMEM;
	pdev = kzalloc_obj(*pdev);
	if (!pdev)
		goto release;

	pdev->dev = dev;
	pdev->type = PKVM_IOMMU_TYPE_VIRTIO;
	pdev->mmio = window->start;
	pdev->mmio_size = resource_size(window);
	if (of_dma_is_coherent(dev->of_node))
		pdev->flags = PKVM_IOMMU_F_COHERENT;
	ret = platform_get_irq_optional(platform, 0);
	if (ret > 0)
		pdev->irqs = devm_kmemdup(dev, &ret, sizeof(ret), GFP_KERNEL);
	pdev->nr_irqs = !!pdev->irqs;

	ret = pkvm_iommu_register(pdev);
	if (!ret)
		return 0;

	kfree(pdev);
release:
	release_mem_region(pages.start, resource_size(&pages));
	return ret;
}

static struct platform_driver virtio_driver = {
	.driver	= {
		.name		= "pkvm-virtio-iommu",
		.of_match_table	= virtio_of_match,
	},
};

/*
 * Unbind the stock transport from all virtio-iommu devices, or bind it to those
 * that have no driver.
 */
static void __init virtio_stock_driver(bool bind)
{
	struct platform_device *platform;
	struct device_node *node;

	for_each_matching_node(node, virtio_of_match) {
		platform = of_find_device_by_node(node);
		if (!platform)
			continue;
		if (virtio_device_id(node) != VIRTIO_ID_IOMMU)
			;
		else if (!bind)
			device_release_driver(&platform->dev);
		else if (!platform->dev.driver)
			WARN_ON(device_attach(&platform->dev) < 0);
		put_device(&platform->dev);
	}
}

static int __init virtio_init(void)
{
	int ret;

	if (!pkvm_iommu_enabled())
		return -ENODEV;

	virtio_stock_driver(false);
	ret = platform_driver_probe(&virtio_driver, virtio_probe);
	virtio_stock_driver(true);

	return ret;
}
device_initcall(virtio_init);
