// SPDX-License-Identifier: GPL-2.0
/* What the tests have to know of domain.c, and is nobody else's business. */
#include DOMAIN_C

bool env_pinned(u64 pa)
{
	return is_pinned(pa, PAGE_SIZE);
}
