// SPDX-License-Identifier: GPL-2.0-only
/*
 * Nested domains: the host has the page tables of stage 1, EL2 has stage 2, which is the
 * shadow of the domain's geometry.
 *
 * EL2 never reads a table of the host's. The hardware translates each address that it finds
 * there by the shadow, that of the root table too, so that a device reaches what it reaches
 * in the identity domain, whatever the host writes, and whenever. Nothing is pinned.
 *
 * Rules for the translations that the hardware caches of both stages together:
 *
 *  - An invalidation of stage 2 by address does not drop translations that combine both
 *    stages. So a revocation drops all of the shadow if there are nested domains, see
 *    pkvm_iommu_host_update().
 *  - A detach drops all of the shadow on its IOMMU: once the IOMMU has no streams, it gets no
 *    invalidations; and once there are no nested domains, revocations are by address.
 *  - PKVM_IOMMU_INVALIDATE drops what the host has changed. A host that does without it
 *    harms its own devices only.
 *
 * The hardware reads the description of stage 1, pkvm_iommu_domain::hw, by the shadow. It is
 * in a page of its own that holds no secret. The shadow lends that page to devices, to be
 * read, for the life of the domain.
 */
#include "core.h"

/**
 * pkvm_iommu_nested_info() - PKVM_IOMMU_INFO_NESTED
 * @iommu: the IOMMU
 *
 * Return: the format, as <uapi/linux/pkvm_iommu.h> says, or 0 if the IOMMU cannot nest.
 */
u64 pkvm_iommu_nested_info(const struct pkvm_iommu *iommu)
{
	if (!iommu->nests)
		return 0;

	return FIELD_PREP(PKVM_IOMMU_NESTED_FMT, ARM_64_LPAE_S1) |
	       FIELD_PREP(PKVM_IOMMU_NESTED_IAS, PKVM_IOMMU_NESTED_BITS) |
	       FIELD_PREP(PKVM_IOMMU_NESTED_OAS, pkvm_iommu_arch_bits(iommu->geometry)) |
	       (iommu->geometry->coherent ? PKVM_IOMMU_NESTED_COHERENT : 0);
}

static void end_hw(struct pkvm_iommu_geometry *geometry, void *hw)
{
	pkvm_iommu_shadow_lend(geometry, hw, false);
	pkvm_iommu_free_page(hw);
}

/**
 * pkvm_iommu_nested_alloc() - PKVM_IOMMU_DOMAIN_ALLOC of a nested domain
 * @iommu: an IOMMU that the domain is for
 * @root: any value; physical address of the host's root table
 * @id: set to the id of the new domain
 *
 * Context: takes host_mmu.lock and the lock of the domain table, one by one.
 * Return: 0, or an errno as <uapi/linux/pkvm_iommu.h> says.
 */
int pkvm_iommu_nested_alloc(const struct pkvm_iommu *iommu, u64 root, u64 *id)
{
	void *hw;
	int ret;

	if (!iommu->nests)
		return -EOPNOTSUPP;
	if (!PAGE_ALIGNED(root))
		return -EINVAL;
	if (root >= iommu->geometry->end)
		return -ERANGE;

	hw = pkvm_iommu_alloc_page();
	if (!hw)
		return -ENOMEM;
	if (!pkvm_iommu_shadow_lend(iommu->geometry, hw, true)) {
		pkvm_iommu_free_page(hw);
		return -ENOMEM;
	}

	ret = pkvm_iommu_domain_alloc(iommu, hw, root, id);
	if (ret)
		end_hw(iommu->geometry, hw);

	return ret;
}

/**
 * pkvm_iommu_nested_free() - PKVM_IOMMU_DOMAIN_FREE
 * @id: any value; the host's name for the domain
 *
 * Context: as pkvm_iommu_domain_free(). Then, for a nested domain, takes host_mmu.lock, and
 * waits for IOMMUs without it.
 * Return: as pkvm_iommu_domain_free().
 */
int pkvm_iommu_nested_free(u64 id)
{
	struct pkvm_iommu_geometry *geometry;
	void *hw = NULL;
	int ret = pkvm_iommu_domain_free(id, &hw, &geometry);

	if (hw)
		end_hw(geometry, hw);

	return ret;
}

/**
 * pkvm_iommu_nested_invalidate() - PKVM_IOMMU_INVALIDATE
 * @id: any value; the host's name for the domain
 * @iova: any value; first I/O virtual address
 * @size: any value; bytes, 0 for the whole domain
 * @flags: any value; PKVM_IOMMU_INVALIDATE_*
 *
 * Context: takes the lock of the queue of each IOMMU that has streams of the domain, one by
 * one.
 * Return: 0, or an errno as <uapi/linux/pkvm_iommu.h> says.
 */
int pkvm_iommu_nested_invalidate(u64 id, u64 iova, u64 size, u64 flags)
{
	const u64 limit = BIT(PKVM_IOMMU_NESTED_BITS);
	struct pkvm_iommu_domain *domain;
	int ret = 0;

	domain = pkvm_iommu_domain_get(id);
	if (!domain)
		return -ENXIO;

	if (!domain->parent)
		ret = -EOPNOTSUPP;
	else if (flags & ~PKVM_IOMMU_INVALIDATE_LEAF || (size && !PAGE_ALIGNED(iova | size)))
		ret = -EINVAL;
	else if (size && (iova >= limit || size > limit - iova))
		ret = -ERANGE;
	else
		pkvm_iommu_invalidate(domain, NULL, iova, size,
				      flags & PKVM_IOMMU_INVALIDATE_LEAF);
	pkvm_iommu_domain_put(domain);

	return ret;
}
