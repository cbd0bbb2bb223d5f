// SPDX-License-Identifier: GPL-2.0-only
/*
 * Holes of the isolation: devices that can access memory and that no IOMMU of EL2's
 * keeps in bounds, as far as the firmware tells. This file reads the device tree,
 * cover-acpi.c the tables of ACPI.
 *
 * A hole is a property of the machine, not of what the host does with it: after the
 * boot, the host programs any device and renumbers PCI buses. So all requester IDs count
 * that the host can give to a device, and devices without a driver count.
 *
 * A device tree does not say which platform devices access memory. Those count that
 * have iommus, dma-coherent, dma-noncoherent or #dma-cells; the others are the business
 * of whoever builds the platform, as are nodes that the firmware has disabled. But for
 * IOMMUs that are disabled: they access memory for their queues, so EL2 takes their
 * registers.
 *
 * An IOMMU of EL2's is a hole itself, if the device tree says that the host can switch it
 * off or reset it.
 *
 * Some holes show later: a driver binds to a PCI device that has no IOMMU, for instance
 * below a host bridge that appears after the boot; or ACPI has the kernel add a device that
 * is not behind one. EL1 then allows no more protected VMs, if the policy is strict. EL2
 * cannot be told: it does not believe the host any more.
 *
 * Locks: holes_mutex guards the record of holes.
 *
 * Callers: boot.c; cover-acpi.c; debugfs.c; init/virtio.c; the driver core, when a
 * driver binds, or a device is added.
 */
#define pr_fmt(fmt) "pkvm_iommu: " fmt

#include <linux/amba/bus.h>
#include <linux/bitmap.h>
#include <linux/io.h>
#include <linux/of.h>
#include <linux/of_address.h>
#include <linux/pci.h>
#include <linux/platform_device.h>
#include <uapi/linux/virtio_ids.h>
#include <uapi/linux/virtio_mmio.h>

#include "core.h"

#define VIRTIO_MAGIC	0x74726976

/* Number of holes, and texts of the first ones for debugfs. */
static unsigned int nr_holes;
static const char *holes[32];
static DEFINE_MUTEX(holes_mutex);

static bool hole_is_known(const char *text)
{
	unsigned int i;

	for (i = 0; i < min(nr_holes, ARRAY_SIZE(holes)); i++) {
		if (text && holes[i] && !strcmp(holes[i], text))
			return true;
	}

	return false;
}

/**
 * pkvm_iommu_hole() - log a hole of the isolation, and count it
 * @format: names the device and what is wrong; no newline
 *
 * Does nothing if it has logged the same before, and remembers that.
 *
 * Context: sleeps.
 */
void pkvm_iommu_hole(const char *format, ...)
{
	struct va_format vaf;
	va_list args;
	char *text;

	va_start(args, format);
	vaf.fmt = format;
	vaf.va = &args;
	text = kasprintf(GFP_KERNEL, "%pV", &vaf);
	mutex_lock(&holes_mutex);
	if (hole_is_known(text)) {
		kfree(text);
	} else {
		pr_err("%pV\n", &vaf);
		if (nr_holes < ARRAY_SIZE(holes))
			holes[nr_holes] = text;
		else
			kfree(text);
		WRITE_ONCE(nr_holes, nr_holes + 1);
	}
	mutex_unlock(&holes_mutex);
	va_end(args);
}

/**
 * pkvm_iommu_nr_holes() - read the number of holes that were found
 *
 * Context: any.
 * Return: their number until now.
 */
unsigned int pkvm_iommu_nr_holes(void)
{
	return READ_ONCE(nr_holes);
}

/**
 * pkvm_iommu_show_holes() - print the holes that were found
 * @s: the file
 *
 * Context: sleeps.
 */
void pkvm_iommu_show_holes(struct seq_file *s)
{
	unsigned int i;

	mutex_lock(&holes_mutex);
	seq_printf(s, "holes: %u\n", nr_holes);
	for (i = 0; i < min(nr_holes, ARRAY_SIZE(holes)); i++)
		seq_printf(s, "  %s\n", holes[i] ?: "(no memory for its name)");
	mutex_unlock(&holes_mutex);
}

/**
 * pkvm_iommu_rid_holes() - log requester IDs of a root complex that are not covered
 * @name: name of the root complex or of its root bus
 * @covered: bit for each 16-bit requester ID that an IOMMU of EL2's has in front of it,
 *	or NULL: no memory for the bitmap
 * @first_bus: first bus number
 * @last_bus: last bus number; 0xff if it is more
 *
 * Names the first range of them.
 *
 * Context: boot.
 */
void __init pkvm_iommu_rid_holes(const char *name, const unsigned long *covered,
				 unsigned int first_bus, unsigned int last_bus)
{
	unsigned long start, stop, end, first = 0, last = 0;
	unsigned int nr = 0;

	last_bus = min(last_bus, 0xff);
	if (!covered || first_bus > last_bus) {
		pkvm_iommu_hole("%s: cannot check its requester IDs", name);
		return;
	}
	start = first_bus << 8;
	end = (last_bus + 1) << 8;
	for_each_clear_bitrange_from(start, stop, covered, end) {
		if (nr++)
			continue;
		first = start;
		last = min(stop, end) - 1;
	}
	if (nr)
		pkvm_iommu_hole("%s: requester IDs 0x%lx to 0x%lx%s are behind no IOMMU",
				name, first, last, nr > 1 ? ", and others," : "");
}

/**
 * pkvm_iommu_virtio_id() - read which virtio device has an MMIO window
 * @window: the window
 *
 * Context: sleeps.
 * Return: the virtio device id; 0 if the window is empty; U32_MAX if that cannot be read.
 */
u32 pkvm_iommu_virtio_id(const struct resource *window)
{
	void __iomem *regs;
	u32 id = U32_MAX;

	/* There is no other device in a page that EL2 has. */
	if (pkvm_iommu_in_crash_kernel() && pkvm_iommu_inherited_page(window->start))
		return pkvm_iommu_inherited(window->start, &id) ? VIRTIO_ID_IOMMU : 0;
	regs = ioremap(window->start, resource_size(window));
	if (!regs)
		return id;
	if (readl(regs + VIRTIO_MMIO_MAGIC_VALUE) == VIRTIO_MAGIC)
		id = readl(regs + VIRTIO_MMIO_DEVICE_ID);
	iounmap(regs);

	return id;
}

/*
 * Mark the requester IDs that iommu-map leads to IOMMUs of EL2's, in the order of the
 * entries' binding: ID, phandle, as many cells as the IOMMU has, number of IDs.
 */
static void __init of_mark_rids(struct device_node *bridge, unsigned long *covered)
{
	int len = 0, cell = 0;
	const __be32 *map = of_get_property(bridge, "iommu-map", &len);

	for (len /= sizeof(*map); cell + 4 <= len; ) {
		u32 first = be32_to_cpu(map[cell]), nr, cells = 1;
		struct device_node *iommu = of_find_node_by_phandle(be32_to_cpu(map[cell + 1]));

		of_property_read_u32(iommu, "#iommu-cells", &cells);
		of_node_put(iommu);
		if (!iommu || cells > MAX_PHANDLE_ARGS || cell + 3 + cells > len)
			break;
		nr = be32_to_cpu(map[cell + 2 + cells]);
		if (pkvm_iommu_find(of_fwnode_handle(iommu)) && first < PKVM_IOMMU_RIDS)
			bitmap_set(covered, first, min(nr, PKVM_IOMMU_RIDS - first));
		cell += 3 + cells;
	}
}

/* The host bridge maps an ID after it has applied iommu-map-mask. */
static void __init of_mask_rids(struct device_node *bridge, unsigned long *covered)
{
	unsigned int rid;
	u32 mask;

	if (of_property_read_u32(bridge, "iommu-map-mask", &mask))
		return;
	for (rid = PKVM_IOMMU_RIDS; rid--; )
		__assign_bit(rid, covered, test_bit(rid & mask, covered));
}

static void __init of_report_host_bridge(struct device_node *bridge)
{
	unsigned long *covered = bitmap_zalloc(PKVM_IOMMU_RIDS, GFP_KERNEL);
	u32 buses[2] = { 0, 0xff };
	char name[64];

	of_property_read_u32_array(bridge, "bus-range", buses, ARRAY_SIZE(buses));
	if (covered) {
		of_mark_rids(bridge, covered);
		of_mask_rids(bridge, covered);
	}
	snprintf(name, sizeof(name), "%pOF", bridge);
	pkvm_iommu_rid_holes(name, covered, buses[0], buses[1]);
	bitmap_free(covered);
}

/* Some host bridges have no device_type; drivers/of goes by their name, too. */
static bool __init of_is_pci(struct device_node *node)
{
	return of_node_is_type(node, "pci") || of_node_is_type(node, "pciex") ||
	       of_node_name_eq(node, "pcie");
}

/* All that is below a host bridge has a requester ID, and is covered with the bridge. */
static bool __init of_is_below_pci(struct device_node *node)
{
	struct device_node *parent = of_get_parent(node);

	while (parent && !of_is_pci(parent))
		parent = of_get_next_parent(parent);
	of_node_put(parent);

	return parent;
}

static bool __init of_is_empty_virtio_window(struct device_node *node)
{
	struct resource window;

	return of_device_is_compatible(node, "virtio,mmio") &&
	       !of_address_to_resource(node, 0, &window) && !pkvm_iommu_virtio_id(&window);
}

/*
 * Not a bus, and not a part of the GIC: the tables of the ITS, which have these properties,
 * are out of reach of any IOMMU (see "What is not protected" in pkvm-iommu.rst).
 */
static const struct of_device_id of_no_masters[] __initconst = {
	{ .compatible = "simple-bus" },
	{ .compatible = "arm,gic-v3" },
	{ .compatible = "arm,gic-v3-its" },
	{ }
};

static bool __init of_is_master(struct device_node *node)
{
	return (of_property_present(node, "iommus") ||
		of_property_present(node, "dma-coherent") ||
		of_property_present(node, "dma-noncoherent") ||
		of_property_present(node, "#dma-cells")) &&
	       !of_node_is_root(node) && !of_match_node(of_no_masters, node) &&
	       !pkvm_iommu_is_withheld(of_fwnode_handle(node)) &&
	       !of_is_empty_virtio_window(node);
}

/* Check that `iommus` has IOMMUs of EL2's only, and at least one. */
static bool __init of_is_covered(struct device_node *node)
{
	struct of_phandle_args args;
	struct pkvm_iommu_dev *pdev;
	int i;

	for (i = 0; !of_parse_phandle_with_args(node, "iommus", "#iommu-cells", i, &args); i++) {
		pdev = pkvm_iommu_find(of_fwnode_handle(args.np));
		of_node_put(args.np);
		if (!pdev)
			return false;
	}

	return i && i == of_count_phandle_with_args(node, "iommus", "#iommu-cells");
}

/* An IOMMU that EL2 does not have. If it is disabled, the kernel can do without it. */
static void __init of_report_iommu(struct device_node *iommu)
{
	struct resource res;
	char name[64];
	int i;

	if (of_device_is_available(iommu)) {
		pkvm_iommu_hole("%pOF is not the hypervisor's", iommu);
		return;
	}
	snprintf(name, sizeof(name), "%pOF, disabled,", iommu);
	for (i = 0; !of_address_to_resource(iommu, i, &res); i++)
		pkvm_iommu_withhold(name, of_fwnode_handle(iommu), res.start,
				    resource_size(&res));
}

/*
 * The power domain or the reset of an IOMMU, or of a bus that it is on, takes its registers
 * from EL2, and the host programs these controllers: the IOMMU may let everything pass then.
 * Clocks do not count: without one, accesses wait.
 */
static void __init of_report_power(struct device_node *iommu)
{
	struct device_node *node = of_node_get(iommu);

	for (; node; node = of_get_next_parent(node)) {
		if (of_property_present(node, "power-domains") ||
		    of_property_present(node, "resets"))
			pkvm_iommu_hole("%pOF: the host can switch off or reset %pOF", iommu, node);
	}
}

static void __init of_report_holes(void)
{
	struct device_node *node;

	for_each_of_allnodes(node) {
		if (pkvm_iommu_find(of_fwnode_handle(node)))
			of_report_power(node);
		else if (of_property_present(node, "#iommu-cells"))
			of_report_iommu(node);
		else if (!of_device_is_available(node) || of_is_below_pci(node))
			continue;
		else if (of_is_pci(node))
			of_report_host_bridge(node);
		else if (of_is_master(node) && !of_is_covered(node))
			pkvm_iommu_hole("%pOF is behind no IOMMU", node);
	}
}

/* The firmware knows no IOMMU for the device. Other drivers wait until theirs is there. */
static void report_driver(struct device *dev)
{
	if (!dev_iommu_fwspec_get(dev))
		pkvm_iommu_hole("%s has a driver, and is behind no IOMMU", dev_name(dev));
}

static int driver_bound(struct notifier_block *nb, unsigned long action, void *data)
{
	if (action == BUS_NOTIFY_BOUND_DRIVER)
		report_driver(data);

	return NOTIFY_OK;
}

static struct notifier_block bound_notifier = { .notifier_call = driver_bound };

static int device_added(struct notifier_block *nb, unsigned long action, void *data)
{
	if (action == BUS_NOTIFY_ADD_DEVICE)
		pkvm_iommu_report_acpi_device(data);

	return NOTIFY_OK;
}

/* The buses of devices that the kernel makes from the namespace of ACPI. */
static struct notifier_block platform_notifier = { .notifier_call = device_added };
static struct notifier_block amba_notifier = { .notifier_call = device_added };

/**
 * pkvm_iommu_report_holes() - find and log all holes of the isolation, now and from now on
 *
 * Context: boot, when all IOMMUs are registered; sleeps.
 */
void __init pkvm_iommu_report_holes(void)
{
	struct pci_dev *pdev = NULL;

	of_report_holes();
	pkvm_iommu_report_acpi_holes();
	bus_register_notifier(&platform_bus_type, &platform_notifier);
	if (IS_ENABLED(CONFIG_ARM_AMBA))
		bus_register_notifier(&amba_bustype, &amba_notifier);

	for_each_pci_dev(pdev) {
		if (pdev->dev.driver)
			report_driver(&pdev->dev);
	}
	if (IS_ENABLED(CONFIG_PCI))
		bus_register_notifier(&pci_bus_type, &bound_notifier);
}
