/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Table of the kinds of IOMMUs, one line for each:
 *
 *	KIND(X, y)	enum pkvm_iommu_type PKVM_IOMMU_TYPE_X, whose backend
 *			pkvm_iommu_y_ops is built with CONFIG_PKVM_IOMMU_X
 */
#ifndef __PKVM_IOMMU_KINDS_H__
#define __PKVM_IOMMU_KINDS_H__

#include <nvhe/iommu-backend.h>

#include <uapi/linux/pkvm_iommu_test.h>

#define PKVM_IOMMU_KINDS(KIND)		\
	KIND(SMMU_V3, smmu_v3)		\
	KIND(VIRTIO, virtio)		\
	KIND(TEST, test)

#define PKVM_IOMMU_DECLARE_KIND(option, kind)	\
	extern const struct pkvm_iommu_ops pkvm_iommu_##kind##_ops;
PKVM_IOMMU_KINDS(PKVM_IOMMU_DECLARE_KIND)

#endif /* __PKVM_IOMMU_KINDS_H__ */
