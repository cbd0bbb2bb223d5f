// SPDX-License-Identifier: GPL-2.0-only
/*
 * The IOMMUs, and the other devices, whose registers EL2 has.
 *
 * No locks: boot.c adds IOMMUs in initcalls, which run one after the other, and
 * everything here is constant when they are over.
 *
 * Callers: the other files of the core; init modules.
 */
#include <linux/property.h>

#include "core.h"

struct pkvm_iommu_dev *pkvm_iommu_devs[PKVM_IOMMU_MAX];
unsigned int pkvm_iommu_nr_devs;

/* Firmware nodes of devices whose registers EL2 takes. */
static const struct fwnode_handle *withheld[PKVM_IOMMU_WITHHELD_MAX];
static unsigned int nr_withheld;

/**
 * pkvm_iommu_find() - look up an IOMMU that EL2 has, by its firmware node
 * @fwnode: its firmware node
 *
 * Context: any; device_initcall of drivers/, or later.
 * Return: the IOMMU, or NULL if none with this node is registered.
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
 * pkvm_iommu_find_at() - look up an IOMMU that EL2 has, by its registers
 * @phys: physical address of its registers
 *
 * Context: any; device_initcall of drivers/, or later.
 * Return: the IOMMU, or NULL if none has registers there.
 */
struct pkvm_iommu_dev *pkvm_iommu_find_at(phys_addr_t phys)
{
	struct pkvm_iommu_dev *pdev;

	for_each_pkvm_iommu_dev(pdev) {
		if (pdev->mmio == phys)
			return pdev;
	}

	return NULL;
}

static bool pages_have(phys_addr_t start, size_t bytes, phys_addr_t phys, size_t size)
{
	return phys >= ALIGN_DOWN(start, PAGE_SIZE) && phys + size <= PAGE_ALIGN(start + bytes);
}

/**
 * pkvm_iommu_has_registers() - check if registers are within those of an IOMMU
 * @phys: physical address
 * @size: bytes
 *
 * Context: any; device_initcall of drivers/, or later.
 * Return: true if they are in pages with registers of an IOMMU that EL2 has.
 */
bool pkvm_iommu_has_registers(phys_addr_t phys, size_t size)
{
	const struct resource *window;
	struct pkvm_iommu_dev *pdev;

	for_each_pkvm_iommu_dev(pdev) {
		if (pages_have(pdev->mmio, pdev->mmio_size, phys, size))
			return true;
		for (window = pdev->windows; window < pdev->windows + pdev->nr_windows; window++) {
			if (pages_have(window->start, resource_size(window), phys, size))
				return true;
		}
	}

	return false;
}

/**
 * pkvm_iommu_add_withheld() - remember a device whose registers EL2 takes
 * @fwnode: its firmware node
 *
 * Context: boot.
 */
void __init pkvm_iommu_add_withheld(const struct fwnode_handle *fwnode)
{
	if (nr_withheld < ARRAY_SIZE(withheld))
		withheld[nr_withheld++] = fwnode;
}

/**
 * pkvm_iommu_is_withheld() - look up a device whose registers EL2 takes
 * @fwnode: its firmware node
 *
 * Context: any.
 * Return: true if nobody can program the device.
 */
bool pkvm_iommu_is_withheld(const struct fwnode_handle *fwnode)
{
	unsigned int i;

	for (i = 0; i < nr_withheld; i++) {
		if (withheld[i] == fwnode)
			return true;
	}

	return false;
}
