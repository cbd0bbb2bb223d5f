// SPDX-License-Identifier: GPL-2.0-only
/*
 * Holes of the isolation in the tables of ACPI: IORT (DEN 0049), VIOT, and devices of
 * the namespace that have _CCA, which those that access memory must have (ACPI 6.5,
 * 6.2.17). See cover.c.
 *
 * IORT is read here once more because drivers/acpi answers only for devices that exist.
 * Firmware is trusted, but not free of errors: a table with a wrong length or offset is
 * a hole, and counts as empty.
 *
 * No locks: @iort is constant after boot.
 *
 * Callers: cover.c, at boot and when a device is added later.
 */
#include <linux/acpi.h>
#include <linux/bitmap.h>
#include <linux/pci.h>
#include <linux/platform_device.h>

#include "core.h"

static struct acpi_table_iort *iort __ro_after_init;

static const struct acpi_iort_node *iort_node(u32 offset)
{
	return (const void *)iort + offset;
}

#define for_each_iort_node(offset, i)						\
	for ((i) = 0, (offset) = iort ? iort->node_offset : 0;			\
	     iort && (i) < iort->node_count;					\
	     (i)++, (offset) += iort_node(offset)->length)

static const struct acpi_iort_id_mapping * __init
iort_mapping(const struct acpi_iort_node *node, u32 i)
{
	return (const struct acpi_iort_id_mapping *)((const void *)node +
						     node->mapping_offset) + i;
}

static bool __init iort_node_is_sound(u32 offset)
{
	static const size_t sizes[] __initconst = {
		[ACPI_IORT_NODE_NAMED_COMPONENT]  = sizeof(struct acpi_iort_named_component) + 1,
		[ACPI_IORT_NODE_PCI_ROOT_COMPLEX] = offsetofend(struct acpi_iort_root_complex,
								pci_segment_number),
		[ACPI_IORT_NODE_SMMU]		  = offsetofend(struct acpi_iort_smmu,
								base_address),
		[ACPI_IORT_NODE_SMMU_V3]	  = offsetofend(struct acpi_iort_smmu_v3,
								base_address),
	};
	const struct acpi_iort_node *node = iort_node(offset);
	u32 left = iort->header.length - offset;
	size_t size = sizeof(*node);

	if (offset > iort->header.length || left < size)
		return false;
	size += node->type < ARRAY_SIZE(sizes) ? sizes[node->type] : 0;

	return node->length >= size && node->length <= left &&
	       node->mapping_offset <= node->length &&
	       node->mapping_count <= (node->length - node->mapping_offset) /
				      sizeof(struct acpi_iort_id_mapping);
}

/* Check all lengths and offsets. */
static bool __init iort_is_sound(void)
{
	u32 offset, i;

	if (iort->header.length < sizeof(*iort))
		return false;
	for_each_iort_node(offset, i) {
		if (!iort_node_is_sound(offset))
			return false;
	}

	return true;
}

/* Find the IOMMU of EL2's that a mapping leads to, or NULL. */
static struct pkvm_iommu_dev * __init iort_iommu(const struct acpi_iort_id_mapping *map)
{
	const struct acpi_iort_smmu_v3 *smmu;
	u32 offset, i;

	for_each_iort_node(offset, i) {
		smmu = (const void *)iort_node(offset)->node_data;
		if (offset == map->output_reference)
			return iort_node(offset)->type == ACPI_IORT_NODE_SMMU_V3 ?
			       pkvm_iommu_find_at(smmu->base_address) : NULL;
	}

	return NULL;
}

/*
 * Mark the requester IDs that lead to IOMMUs of EL2's, and clear those that a mapping leads
 * elsewhere: with mappings that overlap, as in firmware that counts one ID too many, an ID
 * has to be covered by all of them.
 */
static void __init iort_mark_rids(const struct acpi_iort_node *root, bool covers,
				  unsigned long *covered)
{
	const struct acpi_iort_id_mapping *map;
	u32 first, last, i;

	for (i = 0; i < root->mapping_count; i++) {
		map = iort_mapping(root, i);
		if (!iort_iommu(map) == covers)
			continue;
		first = map->input_base;
		last = PKVM_IOMMU_RIDS - 1;
		if (map->flags & ACPI_IORT_ID_SINGLE_MAPPING)
			first = 0;
		else if (first <= last)
			last = first + min(map->id_count, last - first);
		if (first > last)
			continue;
		if (covers)
			bitmap_set(covered, first, last - first + 1);
		else
			bitmap_clear(covered, first, last - first + 1);
	}
}

static void __init iort_mark_segment(u32 segment, bool covers, unsigned long *covered)
{
	const struct acpi_iort_root_complex *root;
	u32 offset, i;

	for_each_iort_node(offset, i) {
		root = (const void *)iort_node(offset)->node_data;
		if (iort_node(offset)->type == ACPI_IORT_NODE_PCI_ROOT_COMPLEX &&
		    root->pci_segment_number == segment)
			iort_mark_rids(iort_node(offset), covers, covered);
	}
}

/* A bridge, whose buses the host can renumber, or SR-IOV, which can take the buses that follow. */
static int __init extends_bus(struct pci_dev *dev, void *found)
{
	*(bool *)found |= dev->hdr_type != PCI_HEADER_TYPE_NORMAL ||
			  pci_find_ext_capability(dev, PCI_EXT_CAP_ID_SRIOV);

	return *(bool *)found;
}

/*
 * The last bus that a device below a root bus can be on. Firmware that makes IORT for the
 * machine as it is, as QEMU does, may leave out buses that nothing can be on.
 */
static unsigned int __init last_bus(struct pci_bus *root)
{
	bool extends = false;

	pci_walk_bus(root, extends_bus, &extends);

	return extends ? root->busn_res.end : root->number;
}

static void __init report_segment(const char *name, u32 segment, unsigned int first,
				  unsigned int last)
{
	unsigned long *covered = bitmap_zalloc(PKVM_IOMMU_RIDS, GFP_KERNEL);

	if (covered) {
		iort_mark_segment(segment, true, covered);
		iort_mark_segment(segment, false, covered);
	}
	pkvm_iommu_rid_holes(name, covered, first, last);
	bitmap_free(covered);
}

static void __init report_root_buses(void)
{
	struct pci_bus *bus = NULL;

	while ((bus = pci_find_next_bus(bus)))
		report_segment(dev_name(&bus->dev), pci_domain_nr(bus), bus->number,
			       last_bus(bus));
}

/* A root complex that the kernel does not use, or not yet: the host can use it all the same. */
static void __init iort_report_root(const struct acpi_iort_node *node)
{
	u32 segment = ((const struct acpi_iort_root_complex *)node->node_data)->pci_segment_number;
	struct pci_bus *bus = NULL;
	char name[32];

	while ((bus = pci_find_next_bus(bus))) {
		if (pci_domain_nr(bus) == segment)
			return;
	}
	snprintf(name, sizeof(name), "PCI segment %u", segment);
	report_segment(name, segment, 0, 0xff);
}

static void __init iort_report_smmu(const char *kind, u64 base)
{
	if (!pkvm_iommu_find_at(base))
		pkvm_iommu_hole("%s at 0x%llx is not the hypervisor's", kind, base);
}

/* Accesses of firmware; the kernel learns of them only when a driver attaches the stream. */
static void __init iort_report_rmr(const struct acpi_iort_node *node)
{
	struct pkvm_iommu_dev *pdev;
	u32 i;

	for (i = 0; i < node->mapping_count; i++) {
		pdev = iort_iommu(iort_mapping(node, i));
		if (pdev)
			dev_warn(pdev->dev,
				 "pkvm_iommu: stream 0x%x has memory reserved by firmware; it is blocked until its device is attached\n",
				 iort_mapping(node, i)->output_base);
	}
}

static bool __init iort_all_covered(const struct acpi_iort_node *node)
{
	u32 i;

	for (i = 0; i < node->mapping_count; i++) {
		if (!iort_iommu(iort_mapping(node, i)))
			return false;
	}

	return node->mapping_count;
}

/* The path of a device in the namespace. Sets the bytes that it has at most. */
static const char *iort_path(const struct acpi_iort_node *node, size_t *size)
{
	const struct acpi_iort_named_component *component = (const void *)node->node_data;

	*size = (const void *)node + node->length - (const void *)component->device_name;

	return component->device_name;
}

static void __init iort_report_component(const struct acpi_iort_node *node)
{
	size_t size;
	const char *path = iort_path(node, &size);

	if (!iort_all_covered(node))
		pkvm_iommu_hole("%.*s is behind no IOMMU", (int)size, path);
}

/* Check that IORT has a device of the namespace: report_iort() says if it is covered. */
static bool iort_knows(const char *path)
{
	const char *known;
	u32 offset, i;
	size_t size;

	for_each_iort_node(offset, i) {
		if (iort_node(offset)->type != ACPI_IORT_NODE_NAMED_COMPONENT)
			continue;
		known = iort_path(iort_node(offset), &size);
		if (strnlen(known, size) == strlen(path) && !strncmp(known, path, size))
			return true;
	}

	return false;
}

static void __init report_iort(void)
{
	const struct acpi_iort_smmu_v3 *smmu_v3;
	const struct acpi_iort_smmu *smmu;
	u32 offset, i;

	for_each_iort_node(offset, i) {
		smmu = (const void *)iort_node(offset)->node_data;
		smmu_v3 = (const void *)iort_node(offset)->node_data;
		switch (iort_node(offset)->type) {
		case ACPI_IORT_NODE_NAMED_COMPONENT:
			iort_report_component(iort_node(offset));
			break;
		case ACPI_IORT_NODE_PCI_ROOT_COMPLEX:
			iort_report_root(iort_node(offset));
			break;
		case ACPI_IORT_NODE_SMMU:
			iort_report_smmu("SMMU", smmu->base_address);
			break;
		case ACPI_IORT_NODE_SMMU_V3:
			iort_report_smmu("SMMUv3", smmu_v3->base_address);
			break;
		case ACPI_IORT_NODE_RMR:
			iort_report_rmr(iort_node(offset));
			break;
		}
	}
}

static bool is_empty_virtio_window(struct device *dev)
{
	struct resource *window = NULL;

	if (dev && dev_is_platform(dev))
		window = platform_get_resource(to_platform_device(dev), IORESOURCE_MEM, 0);

	return window && !pkvm_iommu_virtio_id(window);
}

/* All that is below a root bridge has a requester ID, and is covered with the root bus. */
static bool is_below_pci(struct acpi_device *adev)
{
	for (; IS_ENABLED(CONFIG_PCI) && adev; adev = acpi_dev_parent(adev)) {
		if (acpi_pci_find_root(adev->handle))
			return true;
	}

	return false;
}

/*
 * A device that has no resources cannot be programmed: a container of others. One on a serial
 * bus has no access to memory of its own; it inherits _CCA from the controller.
 */
static int report_device(struct device *dev, void *unused)
{
	struct acpi_device *adev = to_acpi_device(dev);
	struct acpi_buffer path = { ACPI_ALLOCATE_BUFFER, NULL };

	if (!adev->status.present || adev->flags.enumeration_by_parent ||
	    acpi_get_dma_attr(adev) == DEV_DMA_NOT_SUPPORTED ||
	    !acpi_has_method(adev->handle, METHOD_NAME__CRS) || is_below_pci(adev) ||
	    pkvm_iommu_is_withheld(acpi_fwnode_handle(adev)))
		return 0;
	if (!strcmp(acpi_device_hid(adev), "LNRO0005") &&
	    is_empty_virtio_window(acpi_get_first_physical_node(adev)))
		return 0;
	if (ACPI_FAILURE(acpi_get_name(adev->handle, ACPI_FULL_PATHNAME, &path))) {
		pkvm_iommu_hole("%s: no memory to check if it is behind an IOMMU", dev_name(dev));
		return 0;
	}
	if (!iort_knows(path.pointer))
		pkvm_iommu_hole("%s (%s) is behind no IOMMU",
				(char *)path.pointer, acpi_device_hid(adev));
	ACPI_FREE(path.pointer);

	return 0;
}

/**
 * pkvm_iommu_report_acpi_device() - log a device that was added, if it is a hole
 * @dev: device of any kind
 *
 * Only devices that represent one of the namespace count, and one for each.
 *
 * Context: after pkvm_iommu_report_acpi_holes(); sleeps.
 */
void pkvm_iommu_report_acpi_device(struct device *dev)
{
	struct acpi_device *adev = ACPI_COMPANION(dev);

	if (adev && acpi_get_first_physical_node(adev) == dev)
		report_device(&adev->dev, NULL);
}

static void __init report_viot(const struct acpi_table_viot *viot)
{
	const struct acpi_viot_virtio_iommu_mmio *mmio;
	const struct acpi_viot_virtio_iommu_pci *pci;
	const struct acpi_viot_header *node;
	u32 offset, i;

	if (viot->header.length < sizeof(*viot)) {
		pkvm_iommu_hole("ACPI table VIOT is broken");
		return;
	}
	offset = viot->node_offset;
	for (i = 0; i < viot->node_count; i++, offset += node->length) {
		node = (const void *)viot + offset;
		pci = (const void *)node;
		mmio = (const void *)node;
		/* All nodes have at least the size of that for a virtio-iommu. */
		if (offset + sizeof(*pci) > viot->header.length ||
		    offset + node->length > viot->header.length || node->length < sizeof(*pci)) {
			pkvm_iommu_hole("ACPI table VIOT is broken");
			return;
		}
		if (node->type == ACPI_VIOT_NODE_VIRTIO_IOMMU_PCI)
			pkvm_iommu_hole("virtio-iommu %04x:%02x:%02x.%u is not the hypervisor's",
					pci->segment, PCI_BUS_NUM(pci->bdf), PCI_SLOT(pci->bdf),
					PCI_FUNC(pci->bdf));
		else if (node->type == ACPI_VIOT_NODE_VIRTIO_IOMMU_MMIO &&
			 !pkvm_iommu_find_at(mmio->base_address))
			pkvm_iommu_hole("virtio-iommu at 0x%llx is not the hypervisor's",
					mmio->base_address);
	}
}

/**
 * pkvm_iommu_report_acpi_holes() - log the holes that ACPI tells
 *
 * Context: boot, when all IOMMUs are registered; sleeps.
 */
void __init pkvm_iommu_report_acpi_holes(void)
{
	struct acpi_table_header *table = NULL;

	if (acpi_disabled)
		return;
	acpi_get_table(ACPI_SIG_IORT, 0, &table);
	iort = (struct acpi_table_iort *)table;
	if (iort && !iort_is_sound()) {
		pkvm_iommu_hole("ACPI table IORT is broken");
		iort = NULL;
		acpi_put_table(table);
	}
	/* For devices that are added later, the table stays mapped. */
	report_iort();
	report_root_buses();
	acpi_bus_for_each_dev(report_device, NULL);

	if (ACPI_SUCCESS(acpi_get_table(ACPI_SIG_VIOT, 0, &table))) {
		report_viot((const struct acpi_table_viot *)table);
		acpi_put_table(table);
	}
}
