// SPDX-License-Identifier: GPL-2.0
/* Attacks by the mappings of a domain, without DMA. */
#include <errno.h>

#include "attack.h"

static bool domain_new(uint64_t *domain)
{
	struct td_res res;

	do {
		res = td_call(PKVM_IOMMU_DOMAIN_ALLOC, 0, 0, 0);
	} while (res.err == -ENOMEM && give_pages(res.x2));
	*domain = res.x2;
	return !res.err;
}

static bool domain_end(uint64_t domain)
{
	int64_t err;

	do {
		err = td_call(PKVM_IOMMU_DOMAIN_FREE, domain, 0, 0).err;
	} while (err == -EAGAIN);
	return !err;
}

/* A page that a device reaches must not become EL2's. */
enum outcome topup_mapped(const struct row *row)
{
	enum outcome outcome = in_service();
	uint64_t domain, phys;

	(void)row;
	if (outcome != REACHED)
		return outcome;
	phys = td_alloc();
	if (!phys || !domain_new(&domain) || map_page(domain, phys))
		return broken("could not map");
	outcome = expect_errno(td_call(PKVM_IOMMU_TOPUP, phys / PAGE, 1, 0), -EBUSY);
	if (unmap_page(domain, phys, 0) || !domain_end(domain))
		outcome = broken("could not end the domain");
	td_free(phys);
	return outcome;
}

/* Pages left over after boot belong to the host again: the CPU can read them. */
enum outcome pool_map(const struct row *row)
{
	enum outcome outcome = in_service();
	uint64_t domain, start, size, at;
	unsigned int refused = 0, host = 0;
	uint32_t unused;

	(void)row;
	if (outcome != REACHED)
		return outcome;
	if (!find_range(PKVM_IOMMU_TEST_RANGE_POOL, 0, &start, &size) ||
	    !domain_new(&domain))
		return broken("no pool, or no domain");
	for (at = start; at < start + size; at += PAGE) {
		bool hidden = cpu_read(at, &unused) > 0;
		int64_t err = map_page(domain, at);

		/* The tables of the mapping may have used this page. */
		if (!hidden && err == -EPERM)
			hidden = cpu_read(at, &unused) > 0;
		refused += hidden && err == -EPERM;
		host += !hidden && !err;
		if (hidden ? err != -EPERM : err != 0) {
			say("%#llx, which the CPU %s: MAP says %lld", (unsigned long long)at,
			    hidden ? "cannot read" : "reads", (long long)err);
			outcome = hidden && !err ? REACHED : FAIL;
			break;
		}
		if (!err)
			unmap_page(domain, at, 0);
	}
	if (at == start + size) {
		say("EPERM for %u pages; %u are the host's again", refused, host);
		outcome = refused ? REFUSED : FAIL;
	}
	return domain_end(domain) ? outcome : broken("could not end the domain");
}
