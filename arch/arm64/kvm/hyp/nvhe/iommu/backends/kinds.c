// SPDX-License-Identifier: GPL-2.0-only
/*
 * Look-up of backends. The kinds are listed in kinds.h.
 */
#include <linux/array_size.h>
#include <linux/kconfig.h>
#include <linux/nospec.h>

#include "../core.h"
#include "kinds.h"

/* NULL where the configuration leaves the backend out. */
#define KIND_OPS(option, kind)							\
	[PKVM_IOMMU_TYPE_##option] = IS_ENABLED(CONFIG_PKVM_IOMMU_##option) ?	\
				     &pkvm_iommu_##kind##_ops : NULL,

static const struct pkvm_iommu_ops * const kinds[] = {
	PKVM_IOMMU_KINDS(KIND_OPS)
};

/**
 * pkvm_iommu_kind() - find the backend for a kind of IOMMU
 * @type: any value; enum pkvm_iommu_type
 *
 * Return: the operations of the backend, or NULL.
 */
const struct pkvm_iommu_ops *pkvm_iommu_kind(u64 type)
{
	if (type >= ARRAY_SIZE(kinds))
		return NULL;

	return kinds[array_index_nospec(type, ARRAY_SIZE(kinds))];
}
