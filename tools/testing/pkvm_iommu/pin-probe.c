// SPDX-License-Identifier: GPL-2.0
/*
 * Reads the counts of pins, which are private to one file of EL2. This file includes
 * that file (see PINS in the Makefile) and is compiled in its place.
 */
#include PINS_C

/* No switch to another CPU before accesses, not even at function entry: see access.c. */
#ifdef __clang__
#define ATOMIC	__attribute__((disable_sanitizer_instrumentation))
#else
#define ATOMIC	__attribute__((no_sanitize("thread")))
#endif

ATOMIC bool env_pinned(u64 pa)
{
	struct block *last = last_blocks;
	u64 index = last_blocks_index;
	bool ret;

	/* Another CPU may be changing last_blocks of that file. */
	env_atomic++;
	last_blocks_index = U64_MAX;
	ret = pkvm_iommu_is_pinned(pa, PAGE_SIZE);
	last_blocks_index = index;
	last_blocks = last;
	env_atomic--;

	return ret;
}

/* Number of pins. Between two reads, one call only adds pins or only removes pins. */
ATOMIC u64 env_pins(void)
{
	return pkvm_iommu_nr_pins;
}
