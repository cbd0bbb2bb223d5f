// SPDX-License-Identifier: GPL-2.0
/*
 * Reads the private counts of pins, for the tests alone: this file includes the
 * file of EL2 that has them (see PINS in the Makefile), and is compiled instead.
 */
#include PINS_C

/* Not even on the way in does another CPU come between: see access.c. */
#define ATOMIC	__attribute__((no_sanitize("thread")))

ATOMIC bool env_pinned(u64 pa)
{
	struct block *last = last_blocks;
	u64 index = last_blocks_index;
	bool ret;

	/* Another CPU may be about to change what that file remembers. */
	env_atomic++;
	last_blocks_index = U64_MAX;
	ret = pkvm_iommu_is_pinned(pa, PAGE_SIZE);
	last_blocks_index = index;
	last_blocks = last;
	env_atomic--;

	return ret;
}

/* How many there are. Each that goes makes a difference: a call adds, or takes. */
ATOMIC u64 env_pins(void)
{
	return pkvm_iommu_nr_pins;
}
