/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Table of the kinds of IOMMUs, one line for each. KIND(X, y) is enum pkvm_iommu_type
 * PKVM_IOMMU_TYPE_X, whose backend is PKVM_IOMMU_BACKEND(y), built with
 * CONFIG_PKVM_IOMMU_X. With KIND_OF(X, Z, y), the type is PKVM_IOMMU_TYPE_Z instead.
 *
 * kinds.c includes this file more than once: it has no include guard.
 */
KIND(SMMU_V3, smmu_v3);
KIND(SMMU_V2, smmu_v2);
KIND(VIRTIO, virtio);
KIND(TEST, test);
KIND_OF(TEST, TEST_TOLD, test_told);
KIND_OF(TEST, TEST_PERMITS, test_permits);
