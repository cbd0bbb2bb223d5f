// SPDX-License-Identifier: GPL-2.0-only
/*
 * The IOMMUs, and the other devices, whose registers EL2 has.
 *
 * No locks: boot.c adds IOMMUs in initcalls, which run one after the other, and
 * everything here is constant when they are over.
 *
 * Callers: the other files of the core.
 */
#include <linux/property.h>

#include "core.h"

struct pkvm_iommu_dev *pkvm_iommu_devs[PKVM_IOMMU_MAX];
unsigned int pkvm_iommu_nr_devs;

/* Devices whose registers EL2 takes; one for each range. */
static struct device *withheld[PKVM_IOMMU_WITHHELD_MAX] __initdata;
static unsigned int nr_withheld __initdata;

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

/**
 * pkvm_iommu_has_registers() - check if an address is in the registers of an IOMMU
 * @phys: physical address
 *
 * Context: any; device_initcall of drivers/, or later.
 * Return: true if it is in a page with registers of an IOMMU that EL2 has.
 */
bool pkvm_iommu_has_registers(phys_addr_t phys)
{
	struct pkvm_iommu_dev *pdev;

	for_each_pkvm_iommu_dev(pdev) {
		if (phys >= ALIGN_DOWN(pdev->mmio, PAGE_SIZE) &&
		    phys < PAGE_ALIGN(pdev->mmio + pdev->mmio_size))
			return true;
	}

	return false;
}

/**
 * pkvm_iommu_add_withheld() - remember a device whose registers EL2 takes
 * @dev: the device
 *
 * Context: boot; after each success of PKVM_IOMMU_BOOT_WITHHOLD.
 */
void __init pkvm_iommu_add_withheld(struct device *dev)
{
	withheld[nr_withheld++] = dev;
}

/**
 * pkvm_iommu_is_withheld() - look up a device whose registers EL2 takes
 * @fwnode: its firmware node
 *
 * Context: boot.
 * Return: true if nobody can program the device.
 */
bool __init pkvm_iommu_is_withheld(const struct fwnode_handle *fwnode)
{
	unsigned int i;

	for (i = 0; i < nr_withheld; i++) {
		if (dev_fwnode(withheld[i]) == fwnode)
			return true;
	}

	return false;
}
