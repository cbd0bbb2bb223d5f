// SPDX-License-Identifier: GPL-2.0
/*
 * Parts of the soak test, which the script `soak` runs side by side, again and again.
 *
 *	soak_part names		names of the edu devices
 *	soak_part domains	make domains, map, let edu access them, and free them
 *	soak_part storm		edu devices write to EL2's memory without a pause
 *	soak_part begin		note what EL2 and the host have, in the file NOTES
 *	soak_part end N		compare with that, after N protected VMs; show that the
 *				comparison notices what is left over. TAP
 *
 * All devices may lose their settings at any time, because the system sleeps. `begin` and
 * `end` run alone, with every device in the identity domain or without one.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "domains.h"
#include "phys.h"
#include "stage1.h"

#define NOTES		"/tmp/soak.notes"

/* Devices: the first for domains, the next two for the script, the others for the storm. */
#define STORM_FIRST	3
#define STORM_MAX	8
#define STORM_SECONDS	4

#define ROUNDS		2
#define PAGES		24	/* of a domain */
#define TRIES		20

/* More than there are domains at once during the soak: all others are free. */
#define IDS		64
#define SPARE_KIB	(48 * 1024)
#define PAGES_MAX	(1 << 20)

static struct stage1 tables;
static uint64_t phys[PAGES];
static volatile uint32_t *mem[PAGES];

/********** domains */

static unsigned long read_number(const char *path)
{
	FILE *f = fopen(path, "r");
	unsigned long n = 0;

	if (f && fscanf(f, "%lu", &n) != 1)
		n = 0;
	if (f)
		fclose(f);
	return n;
}

/* How often devices slept: also if the system did not, in the end. */
static unsigned long sleeps(void)
{
	return read_number("/sys/power/suspend_stats/success") +
	       read_number("/sys/power/suspend_stats/fail");
}

/* Others take pages of the pool at the same time. */
static uint64_t new_domain(bool nested)
{
	struct td_res res;
	int i;

	for (i = 0; i < TRIES; i++) {
		res = CALL4(DOMAIN_ALLOC, nested ? PKVM_IOMMU_DOMAIN_NESTED : 0,
			    nested ? stage1_root(&tables) : 0, 0);
		if (res.err != -ENOMEM || !topup(res.x2))
			break;
	}
	if (res.err)
		tap_bail("DOMAIN_ALLOC: %lld", (long long)res.err);
	return res.x2;
}

static void map_page(uint64_t domain, uint64_t iova, uint64_t page)
{
	uint64_t done;
	int64_t err = -ENOMEM;
	int i;

	for (i = 0; i < TRIES && err == -ENOMEM; i++)
		err = map(domain, iova, page, PAGE, RW, &done);
	if (err)
		tap_bail("MAP: %lld", (long long)err);
}

static void must(struct td_res res, const char *what)
{
	if (res.err)
		tap_bail("%s: %lld", what, (long long)res.err);
}

/* Check that the device copies a word from @from to @to, or that it does not. */
static bool copies(uint64_t from, volatile uint32_t *source, uint64_t to,
		   volatile uint32_t *target, bool expect)
{
	unsigned long slept;
	bool good;
	int i;

	for (i = 0; i < TRIES; i++) {
		slept = sleeps();
		good = !edu_enable(&edu);
		*source = marker();
		*target = 0;
		good = good && !edu_fetch(&edu, from, 4) && !edu_store(&edu, to, 4);
		good = good && *target == (expect ? *source : 0);
		/* A device that slept accessed nothing. This is counted after it has woken up. */
		if (!good)
			usleep(500000);
		if ((good && expect) || slept == sleeps())
			return good;
	}
	return false;
}

static void attach_to(uint64_t domain)
{
	struct td_res res;
	int i;

	for (i = 0; i < TRIES; i++) {
		res = attach(domain);
		if (res.err != -ENOMEM)
			break;
	}
	must(res, "ATTACH");
}

/* A managed domain: what is unmapped, strictly or lazily, is out of the device's reach. */
static void round_managed(bool lazy)
{
	uint64_t d = new_domain(false);
	int i;

	for (i = 0; i < PAGES; i++)
		map_page(d, X + i * BLOCK, phys[i]);
	must(detach(home), "DETACH");
	attach_to(d);
	for (i = 1; i < 3; i++)
		if (!copies(X, mem[0], X + i * BLOCK, mem[i], true))
			tap_bail("managed: the device does not copy");
	for (i = 1; i < PAGES; i++)
		must(lazy ? UNMAP_LAZY(d, X + i * BLOCK, PAGE) : UNMAP(d, X + i * BLOCK, PAGE),
		     "UNMAP");
	if (lazy)
		must(FLUSH(d), "FLUSH");
	if (!copies(X, mem[0], X + BLOCK, mem[1], false))
		tap_bail("managed: the device writes to what is unmapped");
	must(UNMAP(d, X, PAGE), "UNMAP");
	must(detach(d), "DETACH");
	attach_to(home);
	must(domain_free(d), "DOMAIN_FREE");
}

static void set(uint64_t iova, uint64_t entry)
{
	if (!stage1_set(&tables, iova, entry))
		tap_bail("no memory for tables");
}

static void round_nested(void)
{
	uint64_t d;

	if (!stage1_init(&tables))
		tap_bail("no memory for tables");
	set(X, phys[0] | STAGE1_PAGE);
	set(Y, phys[1] | STAGE1_PAGE);
	d = new_domain(true);
	must(detach(home), "DETACH");
	attach_to(d);
	if (!copies(X, mem[0], Y, mem[1], true))
		tap_bail("nested: the device does not copy");
	set(Y, 0);
	must(CALL4(INVALIDATE, d, Y, PAGE), "INVALIDATE");
	if (!copies(X, mem[0], Y, mem[1], false))
		tap_bail("nested: the device writes to what is unmapped");
	must(detach(d), "DETACH");
	attach_to(home);
	must(domain_free(d), "DOMAIN_FREE");
	stage1_free(&tables);
}

/* The pages are the kernel's: it may move those of a program at any time. */
static int soak_domains(void)
{
	int i;

	if (td_open() || edu_open(&edu) || !td_take_stream(edu.sid, &iommu, &home))
		tap_bail("no /dev/pkvm_iommu_test, or no edu device behind an IOMMU");
	attach_to(home);
	for (i = 0; i < PAGES; i++) {
		phys[i] = td_alloc();
		mem[i] = phys[i] ? phys_map(phys[i]) : NULL;
		if (!mem[i])
			tap_bail("no memory");
	}
	for (i = 0; i < ROUNDS; i++) {
		round_managed(false);
		round_managed(true);
		round_nested();
	}
	for (i = 0; i < PAGES; i++) {
		phys_unmap((void *)mem[i]);
		td_free(phys[i]);
	}
	return 0;
}

/********** faults */

static volatile bool stop;
static uint64_t target;

/* As in storm.c, but a device may sleep meanwhile. */
static void *attacker(void *arg)
{
	while (!stop) {
		edu_enable(arg);
		edu_store(arg, target, EDU_MAX);
	}
	return NULL;
}

static int soak_names(void)
{
	struct edu edu;
	int i;

	for (i = 0; !edu_open_nth(&edu, i); i++)
		puts(edu.name);
	return 0;
}

static int soak_storm(void)
{
	struct pkvm_iommu_test_faults before, after;
	static struct edu edus[STORM_MAX];
	struct pkvm_iommu_test_range range;
	pthread_t threads[STORM_MAX];
	int i, nr = 0;

	while (nr < STORM_MAX && !edu_open_nth(&edus[nr], STORM_FIRST + nr))
		nr++;
	if (!nr || td_open() || !td_range(PKVM_IOMMU_TEST_RANGE_CARVEOUT, 0, &range))
		tap_bail("needs /dev/pkvm_iommu_test, and more edu devices");
	target = range.address;
	td_faults(&before);
	for (i = 0; i < nr; i++)
		if (pthread_create(&threads[i], NULL, attacker, &edus[i]))
			tap_bail("no thread");
	sleep(STORM_SECONDS);
	stop = true;
	for (i = 0; i < nr; i++)
		pthread_join(threads[i], NULL);
	td_faults(&after);
	if (after.count == before.count)
		tap_bail("%d devices, and no fault", nr);
	printf("%llu faults\n", (ull)(after.count - before.count));
	return 0;
}

/********** state of EL2 and of the host */

struct notes {
	uint64_t pool_used, shadow;
	uint64_t ids[IDS];	/* of domains that are free, sorted */
	long lost_kib;		/* memory of the host that is of no known use */
};

static int compare(const void *one, const void *other)
{
	const uint64_t *x = one, *y = other;

	return (*x > *y) - (*x < *y);
}

static uint64_t info(uint64_t which)
{
	uint64_t value;

	if (td_info(which, &value))
		tap_bail("INFO %llu fails", (ull)which);
	return value;
}

static uint64_t pool_used(void)
{
	return info(PKVM_IOMMU_INFO_POOL_TOTAL) - info(PKVM_IOMMU_INFO_POOL_FREE);
}

/* All free ids up to the highest that was ever used; an id that was lost is missing. */
static void note_ids(uint64_t ids[IDS])
{
	int i;

	for (i = 0; i < IDS; i++)
		ids[i] = new_domain(false);
	for (i = IDS - 1; i >= 0; i--)
		must(domain_free(ids[i]), "DOMAIN_FREE");
	qsort(ids, IDS, sizeof(ids[0]), compare);
}

/*
 * Allocate almost every free page of the host. The kernel gives each one to EL2 and back before
 * it frees it, which fails if the page is pinned. Returns the number of pages.
 */
static uint64_t find_pins(uint64_t *pinned)
{
	static uint64_t pages[PAGES_MAX];
	uint64_t i, nr;

	for (nr = 0; nr < PAGES_MAX; nr++) {
		if (nr % 256 == 0 && mem_free_kernel_kib() < SPARE_KIB)
			break;
		pages[nr] = td_alloc();
		if (!pages[nr])
			break;
	}
	*pinned = 0;
	for (i = 0; i < nr; i++) {
		if (td_free(pages[i]))
			continue;
		if ((*pinned)++ < 5)
			tap_note("page %#llx is pinned", (ull)pages[i]);
	}
	return nr;
}

static void note(struct notes *n)
{
	note_ids(n->ids);
	n->pool_used = pool_used();
	n->shadow = info(PKVM_IOMMU_INFO_SHADOW);
	/* The pool grows, and shrinks, at the cost of the host. */
	n->lost_kib = mem_lost_kib() - (long)(info(PKVM_IOMMU_INFO_POOL_TOTAL) * PAGE / 1024);
}

static bool same_ids(const struct notes *a, const struct notes *b)
{
	return !memcmp(a->ids, b->ids, sizeof(a->ids));
}

static int soak_begin(void)
{
	FILE *f = fopen(NOTES, "w");
	struct notes n;

	if (td_open() || !f)
		tap_bail("no /dev/pkvm_iommu_test, or no file");
	/* The pages of what is only made once. */
	note_ids(n.ids);
	note(&n);
	if (fwrite(&n, sizeof(n), 1, f) != 1)
		tap_bail("cannot write");
	fclose(f);
	return 0;
}

/* A domain, and in it a page, which is pinned. */
static void show_that_it_notices(const struct notes *end)
{
	uint64_t domain = new_domain(false), page = td_alloc();
	struct notes now;
	bool freed;

	map_page(domain, X, page);
	note_ids(now.ids);
	tap_ok(pool_used() > end->pool_used, "a domain that is left over is noticed: the pool");
	tap_ok(!same_ids(&now, end), "a domain that is left over is noticed: its id");
	freed = td_free(page);
	tap_ok(!freed, "a page that is left mapped is noticed");
	must(UNMAP(domain, X, PAGE), "UNMAP");
	must(domain_free(domain), "DOMAIN_FREE");
	note_ids(now.ids);
	tap_ok(pool_used() == end->pool_used && same_ids(&now, end),
	       "without them, nothing is left over");
	tap_ok(freed || td_free(page), "without them, the page is free");
}

static int soak_end(long vms)
{
	FILE *f = fopen(NOTES, "r");
	struct notes begin, end;
	uint64_t pages, pinned;
	long lost;

	if (td_open() || !f || fread(&begin, sizeof(begin), 1, f) != 1)
		tap_bail("no /dev/pkvm_iommu_test, or no notes");
	note(&end);
	tap_ok(end.pool_used == begin.pool_used, "pages of the pool in use: %llu, %llu before",
	       (ull)end.pool_used, (ull)begin.pool_used);
	tap_ok(end.shadow == begin.shadow, "pages of the shadow: %llu, %llu before",
	       (ull)end.shadow, (ull)begin.shadow);
	tap_ok(same_ids(&begin, &end), "the %d lowest free ids are the same: %llu to %llu", IDS,
	       (ull)end.ids[0], (ull)end.ids[IDS - 1]);
	/* Less than one page for each VM; other uses of memory differ by as much as 100 pages. */
	lost = end.lost_kib - begin.lost_kib;
	tap_ok(lost < (vms > 100 ? vms : 100) * (long)(PAGE / 1024),
	       "the host has lost %ld KiB, %ld VMs", lost, vms);
	pages = find_pins(&pinned);
	tap_ok(pages && !pinned, "%llu of %llu free pages of the host are pinned", (ull)pinned,
	       (ull)pages);
	show_that_it_notices(&end);
	return tap_done();
}

int main(int argc, char **argv)
{
	const char *mode = argc > 1 ? argv[1] : "";

	if (!strcmp(mode, "names"))
		return soak_names();
	if (!strcmp(mode, "domains"))
		return soak_domains();
	if (!strcmp(mode, "storm"))
		return soak_storm();
	if (!strcmp(mode, "begin"))
		return soak_begin();
	if (!strcmp(mode, "end"))
		return soak_end(argc > 2 ? atol(argv[2]) : 0);
	tap_bail("usage: soak_part names | domains | storm | begin | end N");
}
