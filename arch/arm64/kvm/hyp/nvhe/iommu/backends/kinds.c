// SPDX-License-Identifier: GPL-2.0-only
/*
 * Look-up of the backend for a kind of IOMMU. The kinds are listed in kinds.h.
 */
#include <linux/kconfig.h>

#include "../core.h"

#include <uapi/linux/pkvm_iommu_test.h>

#define KIND(option, kind)	KIND_OF(option, option, kind)
#define KIND_OF(option, type, kind)	extern const struct pkvm_iommu_ops pkvm_iommu_##kind##_ops
#include "kinds.h"
#undef KIND_OF

/* NULL where the configuration leaves the backend out. */
#define KIND_OF(option, type, kind)						\
	case PKVM_IOMMU_TYPE_##type:						\
		return IS_ENABLED(CONFIG_PKVM_IOMMU_##option) ?			\
		       &pkvm_iommu_##kind##_ops : NULL

/**
 * pkvm_iommu_kind() - find the backend for a kind of IOMMU
 * @type: any value; enum pkvm_iommu_type
 *
 * Return: the operations of the backend, or NULL.
 */
const struct pkvm_iommu_ops *pkvm_iommu_kind(u64 type)
{
	switch (type) {
#include "kinds.h"
	}

	return NULL;
}
