// SPDX-License-Identifier: GPL-2.0-only
/*
 * Backends without hardware, only with CONFIG_PKVM_IOMMU_TEST, one of each kind: "test" walks
 * page tables, "test_told" is told of mappings, and "test_permits" only permits and denies.
 *
 * They record for the tests which streams are attached, how many invalidations there were, and
 * which pages are permitted. They never count as isolation. They are also the skeletons for a
 * new backend.
 *
 * At the end are the functions that read these records, and the shadows, for the tests.
 */
#include <nvhe/mem_protect.h>

#include "core.h"

#include <uapi/linux/pkvm_iommu_test.h>

#define TEST_SID_BITS		12
/* pkvm_iommu_domain::tag of the identity domain */
#define TEST_IDENTITY_TAG	1
/* Addresses that the third kind permits, if PKVM_IOMMU_F_REACH names no fewer. */
#define TEST_PERMITS_BITS	36

static DECLARE_BITMAP(test_streams[PKVM_IOMMU_MAX], BIT(TEST_SID_BITS));
static unsigned int test_contexts[PKVM_IOMMU_MAX];
static u64 test_invalidations[PKVM_IOMMU_MAX];

static int test_probe(struct pkvm_iommu *iommu, u64 *why)
{
	iommu->sid_bits = TEST_SID_BITS;
	iommu->oas = 48;
	iommu->asid_bits = 8;
	iommu->vmid_bits = 8;
	iommu->fmts = BIT(ARM_64_LPAE_S1) | BIT(ARM_64_LPAE_S2);
	if (FIELD_GET(PKVM_IOMMU_F_QUIRKS, iommu->flags) & PKVM_IOMMU_TEST_WINDOWS)
		iommu->nr_windows = PKVM_IOMMU_WINDOWS_MAX;

	return 0;
}

static int test_init(struct pkvm_iommu *iommu, u64 *why)
{
	return 0;
}

/* Like hardware with a few contexts, one for each stream that is translated. */
static int test_stream_set(struct pkvm_iommu *iommu, u32 sid,
			   const struct pkvm_iommu_domain *domain, bool attach)
{
	unsigned int *contexts = &test_contexts[iommu->id];

	if (domain->tag != TEST_IDENTITY_TAG) {
		if (attach && *contexts == PKVM_IOMMU_TEST_CONTEXTS)
			return -ENOSPC;
		*contexts += attach ? 1 : -1;
	}
	__assign_bit(sid, test_streams[iommu->id], attach);

	return 0;
}

static u64 test_invalidate(struct pkvm_iommu *iommu,
			   const struct pkvm_iommu_domain *domain, u64 addr, u64 size, bool leaf)
{
	test_invalidations[iommu->id]++;

	return 0;
}

static bool test_fault(struct pkvm_iommu *iommu, struct pkvm_iommu_fault *fault)
{
	return false;
}

PKVM_IOMMU_BACKEND(test) = {
	.scarce		= true,
	.quirks		= PKVM_IOMMU_TEST_QUIRKS | PKVM_IOMMU_TEST_WINDOWS,
	.probe		= test_probe,
	.init		= test_init,
	.stream_set	= test_stream_set,
	.invalidate	= test_invalidate,
	.fault		= test_fault,
};

static int test_told_map(struct pkvm_iommu *iommu, const struct pkvm_iommu_domain *domain,
			 const struct pkvm_iommu_mapping *maps, int nr)
{
	return 0;
}

PKVM_IOMMU_BACKEND(test_told) = {
	.scarce		= true,
	.quirks		= PKVM_IOMMU_TEST_QUIRKS | PKVM_IOMMU_TEST_WINDOWS,
	.probe		= test_probe,
	.init		= test_init,
	.stream_set	= test_stream_set,
	.map		= test_told_map,
	.invalidate	= test_invalidate,
};

/* One stream; and in pkvm_iommu::mem a bit for each page, which is all that hardware needs. */
static int test_permits_probe(struct pkvm_iommu *iommu, u64 *why)
{
	u8 reach = FIELD_GET(PKVM_IOMMU_F_REACH, iommu->flags) ?: TEST_PERMITS_BITS;

	iommu->sid_bits = 0;
	iommu->oas = min(reach, TEST_PERMITS_BITS);
	iommu->mem_size = max(BIT(iommu->oas - PAGE_SHIFT) / BITS_PER_BYTE, PAGE_SIZE);

	return 0;
}

static void test_permits_permit(struct pkvm_iommu *iommu, u64 phys, u64 size, bool permit)
{
	u64 page = phys >> PAGE_SHIFT, end = (phys + size) >> PAGE_SHIFT;
	unsigned long *table = iommu->mem;

	while (page < end) {
		if (IS_ALIGNED(page, BITS_PER_LONG) && end - page >= BITS_PER_LONG) {
			WRITE_ONCE(table[page / BITS_PER_LONG], permit ? ~0UL : 0);
			page += BITS_PER_LONG;
		} else {
			__assign_bit(page++, table, permit);
		}
	}
}

PKVM_IOMMU_BACKEND(test_permits) = {
	.probe		= test_permits_probe,
	.init		= test_init,
	.stream_set	= test_stream_set,
	.permit		= test_permits_permit,
};

static bool is_test(u64 id)
{
	return id < pkvm_iommu_nr && pkvm_iommus[id].ops->init == test_init;
}

/**
 * pkvm_iommu_test_stream() - read whether a stream is attached
 * @id: any value; IOMMU
 * @sid: any value; stream id
 * @attached: set to 1 if the backend was asked to attach the stream, else to 0
 *
 * Return: 0, -ENOENT if there is no such IOMMU of these kinds, -EINVAL.
 */
int pkvm_iommu_test_stream(u64 id, u64 sid, u64 *attached)
{
	if (!is_test(id))
		return -ENOENT;
	if (sid >> pkvm_iommus[id].sid_bits)
		return -EINVAL;
	*attached = test_bit(sid, test_streams[id]);

	return 0;
}

/**
 * pkvm_iommu_test_invalidations() - read how many invalidations an IOMMU had
 * @id: any value; IOMMU
 * @nr: set to the number
 *
 * Return: 0, -ENOENT if there is no such IOMMU of these kinds.
 */
int pkvm_iommu_test_invalidations(u64 id, u64 *nr)
{
	if (!is_test(id))
		return -ENOENT;
	*nr = READ_ONCE(test_invalidations[id]);

	return 0;
}

/**
 * pkvm_iommu_test_permitted() - read whether an IOMMU permits accesses to a page
 * @id: any value; IOMMU
 * @phys: any value; physical address
 * @permitted: set to 1 or 0
 *
 * Return: 0, -ENOENT if there is no such IOMMU of the kind that only permits and denies.
 */
int pkvm_iommu_test_permitted(u64 id, u64 phys, u64 *permitted)
{
	if (!is_test(id) || !pkvm_iommus[id].ops->permit)
		return -ENOENT;
	*permitted = !(phys >> pkvm_iommus[id].oas) &&
		     test_bit(phys >> PAGE_SHIFT, pkvm_iommus[id].mem);

	return 0;
}

/**
 * pkvm_iommu_test_shadow() - check whether the shadows map an address to itself
 * @addr: any value; physical address
 *
 * Context: takes host_mmu.lock.
 * Return: 1 or 0; 2 if some of those that reach the address do, and others do not.
 */
u64 pkvm_iommu_test_shadow(u64 addr)
{
	struct pkvm_iommu_geometry *geometry;
	bool maps = false, lacks = false;
	struct pkvm_iommu_run run;

	hyp_spin_lock(&host_mmu.lock);
	for_each_pkvm_iommu_geometry(geometry) {
		if (!geometry->walks || addr >= geometry->built)
			continue;
		if (pkvm_iommu_pgtable_read(geometry->shadow.ops, addr, PAGE_SIZE, &run, 1) &&
		    run.phys == addr)
			maps = true;
		else
			lacks = true;
	}
	hyp_spin_unlock(&host_mmu.lock);

	return maps + (maps && lacks);
}
