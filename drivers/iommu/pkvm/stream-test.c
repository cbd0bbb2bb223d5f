// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit tests of the choices that the frontend makes for a device: its stream ids, and its default
 * domain on an IOMMU that does not translate, or not enough. QEMU has no such IOMMU: the edu
 * device is behind another one, whose answers the cases replace.
 *
 * No locks: one case runs at a time.
 */
#include <kunit/static_stub.h>
#include <kunit/test.h>
#include <linux/iommu.h>
#include <linux/pci.h>

#include "core.h"

/* Cells of references to an IOMMU, and the stream ids that they have; -1: none. */
static void stream_ids(struct kunit *test)
{
	static const struct {
		bool mask;
		int nr;
		u32 cells[3];
		s64 sid;
	} rows[] = {
		{ false, 0, { 7 }, 0 },
		{ false, 1, { 0x12345678 }, 0x12345678 },
		{ false, 2, { 1, 2 }, -1 },
		{ true, 0, { 7 }, -1 },
		{ true, 1, { 0xffff }, 0xffff },
		{ true, 1, { 0x10000 }, -1 },
		{ true, 2, { 0x1234, 0 }, 0x1234 },
		{ true, 2, { 0x1234, 0x00ff }, 0x00ff1200 },
		{ true, 2, { 0x12ff, 0x00ff }, 0x00ff1200 },
		{ true, 2, { 0x1234, 0x10000 }, -1 },
		{ true, 3, { 1, 2, 3 }, -1 },
	};
	struct of_phandle_args args;
	struct pkvm_iommu_dev pdev = {};
	int i, ret;
	u32 sid;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		pdev.stream_id = rows[i].mask ? pkvm_iommu_id_mask : NULL;
		args.args_count = rows[i].nr;
		memcpy(args.args, rows[i].cells, sizeof(rows[i].cells));
		sid = 0xdead;
		ret = pkvm_iommu_stream_id(&pdev, &args, &sid);
		KUNIT_EXPECT_EQ_MSG(test, ret, rows[i].sid < 0 ? -EINVAL : 0, "row %d", i);
		if (!ret)
			KUNIT_EXPECT_EQ_MSG(test, (s64)sid, rows[i].sid, "row %d", i);
	}
}

static int full_stub(struct iommu_domain *domain, struct device *dev, struct iommu_domain *old)
{
	return -ENOSPC;
}

/* The type of the default domain that the frontend wants for a device that is blocked. */
static int wanted_type(struct device *dev, struct pkvm_iommu_master *master, u64 managed)
{
	const struct iommu_ops *ops = dev->iommu->iommu_dev->ops;
	u64 was = master->pdev->managed;
	int type;

	master->pdev->managed = managed;
	type = ops->def_domain_type(dev);
	master->pdev->managed = was;

	return type;
}

static void default_domain(struct kunit *test)
{
	struct pci_dev *edu = pci_get_device(0x1234, 0x11e8, NULL);
	struct pkvm_iommu_master *master;
	struct iommu_domain *domain;
	struct device *dev;

	if (!edu)
		kunit_skip(test, "no edu device");
	dev = &edu->dev;
	master = dev_iommu_priv_get(dev);
	if (!master->pdev->identity) {
		pci_dev_put(edu);
		kunit_skip(test, "no identity domain");
	}
	KUNIT_EXPECT_EQ(test, wanted_type(dev, master, PKVM_IOMMU_MANAGED_NONE),
			IOMMU_DOMAIN_IDENTITY);
	master->pdev->managed = PKVM_IOMMU_MANAGED_NONE;
	domain = iommu_paging_domain_alloc(dev);
	master->pdev->managed = PKVM_IOMMU_MANAGED_ALL;
	KUNIT_EXPECT_EQ(test, PTR_ERR_OR_ZERO(domain), -EOPNOTSUPP);
	if (!IS_ERR_OR_NULL(domain))
		iommu_domain_free(domain);

	KUNIT_ASSERT_EQ(test, iommu_device_claim_dma_owner(dev, test), 0);
	KUNIT_EXPECT_PTR_EQ(test, master->domain, &pkvm_iommu_blocked_domain);
	KUNIT_EXPECT_EQ(test, wanted_type(dev, master, PKVM_IOMMU_MANAGED_SOME), 0);
	/* It was tried, and is blocked again. */
	KUNIT_EXPECT_PTR_EQ(test, master->domain, &pkvm_iommu_blocked_domain);
	kunit_activate_static_stub(test, pkvm_iommu_attach, full_stub);
	KUNIT_EXPECT_EQ(test, wanted_type(dev, master, PKVM_IOMMU_MANAGED_ALL), 0);
	KUNIT_EXPECT_EQ(test, wanted_type(dev, master, PKVM_IOMMU_MANAGED_SOME),
			IOMMU_DOMAIN_IDENTITY);
	kunit_deactivate_static_stub(test, pkvm_iommu_attach);
	iommu_device_release_dma_owner(dev);
	pci_dev_put(edu);
}

static struct kunit_case stream_test_cases[] = {
	KUNIT_CASE(stream_ids),
	KUNIT_CASE(default_domain),
	{}
};

static struct kunit_suite stream_test_suite = {
	.name		= "pkvm-iommu-stream",
	.test_cases	= stream_test_cases,
};

kunit_test_suite(stream_test_suite);

MODULE_DESCRIPTION("KUnit tests of streams and default domains of the pKVM IOMMU frontend");
MODULE_LICENSE("GPL");
