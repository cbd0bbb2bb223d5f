// SPDX-License-Identifier: GPL-2.0
/* What the tests have to know of domain.c, and is nobody else's business. */
#include DOMAIN_C

bool env_pinned(u64 pa)
{
	return is_pinned(pa, PAGE_SIZE);
}

/* How many there are. Each that goes makes a difference: a call adds, or takes. */
u64 env_pins(void)
{
	return nr_pins;
}
