// SPDX-License-Identifier: GPL-2.0
/*
 * Mapping against donation, on several CPUs: some threads map and unmap a page in
 * domains of their own, while another gives the page to EL2 and takes it back. The page
 * must not be mapped while EL2 owns it, and EL2 must not get it while it is mapped. And
 * a list of runs that changes while EL2 reads it. TAP.
 *
 *	maprace [seconds]
 */
#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "phys.h"
#include "tap.h"
#include "testdev.h"

#define MAPPERS		2
#define IOVA		0x40000000ULL
#define POOL_MAX	512

struct mapper {
	pthread_t thread;
	uint64_t domain;
	unsigned long mapped, refused, wrong;
};

static struct mapper mappers[MAPPERS];
static uint64_t target;			/* physical address of the page */
static volatile bool stop;

static struct td_res map(uint64_t domain, uint64_t iova, uint64_t phys, uint64_t size)
{
	return td_map(domain, iova, phys, size, PKVM_IOMMU_PROT_READ | PKVM_IOMMU_PROT_WRITE);
}

static void *run_mapper(void *arg)
{
	/* Long enough for the page to be mapped nowhere now and then. */
	const struct timespec pause = { .tv_nsec = 1000000 };
	struct mapper *m = arg;
	struct td_res res;

	while (!stop) {
		if (m->mapped % 8 == 7)
			nanosleep(&pause, NULL);
		res = map(m->domain, IOVA, target, PAGE);
		if (!res.err) {
			m->mapped++;
			res = td_call(PKVM_IOMMU_LOOKUP, m->domain, IOVA, 0);
			m->wrong += res.err || res.x2 != target;
			res = td_call(PKVM_IOMMU_UNMAP, m->domain, IOVA, PAGE);
			m->wrong += res.err || res.x2 != PAGE || res.x3 != PAGE;
		} else {
			m->refused++;
			m->wrong += res.err != -EPERM;
		}
	}
	return NULL;
}

/* Take pages back until the target is among them; give the others again. */
static bool take_back(void)
{
	static uint64_t others[POOL_MAX];
	struct td_res res;
	size_t n = 0;
	bool found = false;

	while (!found && n < POOL_MAX) {
		res = td_call(PKVM_IOMMU_RECLAIM, 0, 0, 0);
		if (res.err)
			break;
		found = res.x2 * PAGE == target;
		if (!found)
			others[n++] = res.x2;
	}
	while (n)
		td_call(PKVM_IOMMU_TOPUP, others[--n], 1, 0);
	return found;
}

#define LISTED		16ULL
#define TURNS		2000

/* Alternate one of the runs between a page of the host and a page of EL2. */
static void *run_writer(void *arg)
{
	volatile uint64_t *run = arg;
	uint64_t good = *run, bad = PKVM_IOMMU_RUN(target, 1);

	while (!stop)
		*run = *run == good ? bad : good;
	*run = good;
	return NULL;
}

/* EL2 maps the runs that it has checked, even if the list has changed since. */
static void list_race(uint64_t domain)
{
	const uint64_t rw = PKVM_IOMMU_PROT_READ | PKVM_IOMMU_PROT_WRITE, place = LISTED / 2;
	unsigned long whole = 0, part = 0, wrong = 0;
	volatile uint64_t *list = td_list();
	uint64_t ours = td_alloc();
	struct td_res res;
	pthread_t writer;
	uint64_t i;

	if (!tap_ok(list && ours, "a list of runs, and a page") ||
	    !tap_ok(!td_call(PKVM_IOMMU_TOPUP, target / PAGE, 1, 0).err, "a page that is EL2's"))
		return;
	for (i = 0; i < LISTED; i++)
		list[i] = PKVM_IOMMU_RUN(ours, 1);
	stop = false;
	pthread_create(&writer, NULL, run_writer, (void *)&list[place]);
	for (i = 0; i < TURNS; i++) {
		res = td_map_list(domain, IOVA, rw, 0, LISTED);
		if (!res.err && res.x2 == LISTED * PAGE)
			whole++;
		else if (res.err == -EPERM && res.x2 == place * PAGE)
			part++;
		else
			wrong++;
		res = td_call(PKVM_IOMMU_LOOKUP, domain, IOVA + place * PAGE, 0);
		wrong += res.err ? res.err != -ENOTCONN : res.x2 != ours;
		res = td_call(PKVM_IOMMU_UNMAP, domain, IOVA, LISTED * PAGE);
		wrong += res.err || res.x2 != LISTED * PAGE;
	}
	stop = true;
	pthread_join(writer, NULL);
	tap_note("the list was mapped %lu times, refused %lu", whole, part);
	tap_ok(whole && part, "EL2 read the run both ways");
	tap_ok(!wrong, "%lu times it was neither, or led elsewhere", wrong);
	tap_ok(take_back(), "EL2's page comes back");
	td_free(ours);
}

int main(int argc, char **argv)
{
	time_t end = time(NULL) + (argc > 1 ? atoi(argv[1]) : 15);
	unsigned long given = 0, busy = 0, wrong = 0, mapped = 0, refused = 0;
	struct td_res res;
	size_t i;

	if (td_open())
		tap_bail("no /dev/pkvm_iommu_test");
	target = td_alloc();
	if (!tap_ok(target && td_topup(32), "a page, and memory for the tables"))
		return tap_done();
	for (i = 0; i < MAPPERS; i++) {
		res = td_call(PKVM_IOMMU_DOMAIN_ALLOC, 0, 0, 0);
		mappers[i].domain = res.x2;
		/* Tables of the domain, and counts of the page. */
		res = map(res.x2, IOVA, target, PAGE);
		tap_ok(!res.err, "domain %llu maps it: %lld",
		       (unsigned long long)mappers[i].domain, (long long)res.err);
	}
	res = td_call(PKVM_IOMMU_TOPUP, target / PAGE, 1, 0);
	tap_ok(res.err == -EBUSY, "mapped twice, it cannot be given away");
	for (i = 0; i < MAPPERS; i++)
		td_call(PKVM_IOMMU_UNMAP, mappers[i].domain, IOVA, PAGE);

	for (i = 0; i < MAPPERS; i++)
		pthread_create(&mappers[i].thread, NULL, run_mapper, &mappers[i]);
	while (time(NULL) < end) {
		res = td_call(PKVM_IOMMU_TOPUP, target / PAGE, 1, 0);
		if (res.err) {
			busy++;
			wrong += res.err != -EBUSY;
			continue;
		}
		given++;
		/* EL2 owns the page: it cannot be mapped in any domain. */
		for (i = 0; i < 2 * MAPPERS; i++)
			wrong += td_call(PKVM_IOMMU_LOOKUP, mappers[i % MAPPERS].domain,
					 IOVA, 0).err != -ENOTCONN;
		wrong += !take_back();
	}
	stop = true;
	for (i = 0; i < MAPPERS; i++) {
		pthread_join(mappers[i].thread, NULL);
		mapped += mappers[i].mapped;
		refused += mappers[i].refused;
		wrong += mappers[i].wrong;
	}
	tap_note("mapped %lu times, refused %lu; given %lu times, busy %lu",
		 mapped, refused, given, busy);
	tap_ok(mapped > 100, "it was mapped again and again");
	tap_ok(given > 10, "it was given away again and again");
	tap_ok(!wrong, "%lu times it was both, or a call failed in another way", wrong);

	list_race(mappers[0].domain);
	for (i = 0; i < MAPPERS; i++) {
		do {
			res = td_call(PKVM_IOMMU_DOMAIN_FREE, mappers[i].domain, 0, 0);
		} while (res.err == -EAGAIN);
		tap_ok(!res.err, "the domain ends: %lld", (long long)res.err);
	}
	tap_ok(!td_call(PKVM_IOMMU_TOPUP, target / PAGE, 1, 0).err,
	       "no pin is left: it can be given away");
	return tap_done();
}
