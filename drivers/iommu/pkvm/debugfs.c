// SPDX-License-Identifier: GPL-2.0-only
/*
 * State of the layer, for people: /sys/kernel/debug/pkvm_iommu/
 *
 *   status	are protected VMs isolated, and if not, why; holes; the pool
 *   iommus	the IOMMUs that EL2 has
 *   streams	their streams, with devices, domains and the number of faults
 *   domains	paging domains, with their kind, and what EL2 maps in managed ones
 *
 * For people only: the format may change. What EL2 knows is asked from EL2, each value by
 * one call of constant cost.
 *
 * Locks: pkvm_iommu_streams_mutex while the streams of an IOMMU are printed. A domain may
 * come or go while domains are printed.
 *
 * Callers: frontend.c, once.
 */
#include <linux/debugfs.h>
#include <linux/seq_file.h>
#include <linux/sizes.h>

#include "core.h"

static void show_info(struct seq_file *s, const char *name, enum pkvm_iommu_info info)
{
	u64 value;

	if (!pkvm_iommu_read_info(info, 0, &value))
		seq_printf(s, "%s: %llu\n", name, value);
}

static int status_show(struct seq_file *s, void *unused)
{
	pkvm_iommu_show_status(s);
	pkvm_iommu_show_holes(s);
	show_info(s, "pages of the pool", PKVM_IOMMU_INFO_POOL_TOTAL);
	show_info(s, "pages of the pool, free", PKVM_IOMMU_INFO_POOL_FREE);
	show_info(s, "pages of the pool, shadow", PKVM_IOMMU_INFO_SHADOW);

	return 0;
}
DEFINE_SHOW_ATTRIBUTE(status);

static int iommus_show(struct seq_file *s, void *unused)
{
	struct pkvm_iommu_dev *pdev;

	for_each_pkvm_iommu_dev(pdev)
		seq_printf(s, "%u: %s, type %d, registers %pa, %llu bits, geometry %llu%s%s%s\n",
			   pdev->id, pdev->dev ? dev_name(pdev->dev) : "test", pdev->type,
			   &pdev->mmio, pdev->address_bits, pdev->geometry,
			   pdev->flags & PKVM_IOMMU_F_COHERENT ? ", coherent" : "",
			   pdev->identity ? ", identity" : "", pdev->nested ? ", nested" : "");

	return 0;
}
DEFINE_SHOW_ATTRIBUTE(iommus);

static int streams_show(struct seq_file *s, void *unused)
{
	struct pkvm_iommu_dev *pdev;

	for_each_pkvm_iommu_dev(pdev)
		pkvm_iommu_show_streams(s, pdev);

	return 0;
}
DEFINE_SHOW_ATTRIBUTE(streams);

static int domains_show(struct seq_file *s, void *unused)
{
	unsigned long id;
	void *kind;
	u64 bytes;
	int ret;

	xa_for_each(&pkvm_iommu_domains, id, kind) {
		if (xa_to_value(kind) == PKVM_IOMMU_DOMAIN_NESTED) {
			seq_printf(s, "%lu: nested\n", id);
			continue;
		}
		/* EL2 frees no domain that is in use: keep it in the list meanwhile. */
		xa_lock(&pkvm_iommu_domains);
		ret = xa_load(&pkvm_iommu_domains, id) != kind ? -ENXIO :
		      pkvm_iommu_read_info(PKVM_IOMMU_INFO_MAPPED, id, &bytes);
		xa_unlock(&pkvm_iommu_domains);
		if (!ret)
			seq_printf(s, "%lu: managed, %llu KiB mapped\n", id, bytes / SZ_1K);
	}

	return 0;
}
DEFINE_SHOW_ATTRIBUTE(domains);

/**
 * pkvm_iommu_debugfs_init() - make the files
 *
 * Context: boot, once pKVM is finalised; sleeps.
 */
void __init pkvm_iommu_debugfs_init(void)
{
	struct dentry *dir = debugfs_create_dir("pkvm_iommu", NULL);

	debugfs_create_file("status", 0400, dir, NULL, &status_fops);
	debugfs_create_file("iommus", 0400, dir, NULL, &iommus_fops);
	debugfs_create_file("streams", 0400, dir, NULL, &streams_fops);
	debugfs_create_file("domains", 0400, dir, NULL, &domains_fops);
}
