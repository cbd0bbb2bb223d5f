// SPDX-License-Identifier: GPL-2.0
/*
 * Reads the counts of pins, which are private to one file of EL2, and notices when some
 * are removed. This file includes that file (see PINS in the Makefile) and is compiled
 * in its place.
 */
#define pkvm_iommu_unpin		el2_unpin
#define pkvm_iommu_unpin_removed	el2_unpin_removed
#include PINS_C
#undef pkvm_iommu_unpin
#undef pkvm_iommu_unpin_removed

/* No switch to another CPU before accesses, not even at function entry: see access.c. */
#ifdef __clang__
#define ATOMIC	__attribute__((disable_sanitizer_instrumentation))
#else
#define ATOMIC	__attribute__((no_sanitize("thread")))
#endif

static u64 unpins;

void pkvm_iommu_unpin(const struct pkvm_iommu_mapping *maps, int nr);
void pkvm_iommu_unpin_removed(const u64 *removed, int nr);

void pkvm_iommu_unpin(const struct pkvm_iommu_mapping *maps, int nr)
{
	el2_unpin(maps, nr);
	unpins++;
	env_unpinned();
}

void pkvm_iommu_unpin_removed(const u64 *removed, int nr)
{
	el2_unpin_removed(removed, nr);
	unpins++;
	env_unpinned();
}

ATOMIC static u16 count_at(const struct chunk *chunk, u64 pa)
{
	return ((const u16 *)chunk->counts)[pa >> PAGE_SHIFT & (CHUNK_PAGES - 1)];
}

ATOMIC bool env_pinned(u64 pa)
{
	unsigned int block = pa >> PMD_SHIFT & (CHUNK_BLOCKS - 1);
	struct chunk *chunk;
	u16 count;
	bool ret = false;

	env_atomic++;
	chunk = (struct chunk *)pkvm_iommu_radix(&chunks, chunk_slot(pa), CHUNK_LEVELS, false);
	if (chunk) {
		count = chunk->counts ? count_at(chunk, pa) : 0;
		ret = (count && count != CLOSED) || chunk->blocks[block].counter & BLOCK_PINS;
	}
	env_atomic--;

	return ret;
}

/* Changes when pins were removed. */
ATOMIC u64 env_unpins(void)
{
	return unpins;
}
