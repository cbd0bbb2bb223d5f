// SPDX-License-Identifier: GPL-2.0
/*
 * Devices that fault continuously must not stall the host. TAP.
 *
 * Every edu device, in the identity domain, writes to memory of EL2 without a pause,
 * while a disk is read: the first NVMe namespace.
 *
 *	storm [nested]
 *
 * nested: by a nested domain, which maps everything in blocks of 1 GiB.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "edu.h"
#include "phys.h"
#include "stage1.h"
#include "tap.h"
#include "testdev.h"

#define DEVICES_MIN	4
#define DEVICES_MAX	32
#define SECONDS		6
/* The kernel's default rate limit: 10 messages in 5 seconds. */
#define MESSAGES_MAX	(10 * (SECONDS / 5 + 2))

static struct edu edus[DEVICES_MAX];
static uint64_t target;
static volatile bool stop;

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

static void *attacker(void *arg)
{
	while (!stop)
		edu_store(arg, target, EDU_MAX);
	return NULL;
}

struct work {
	unsigned long reads;
	double longest;		/* longest time between two completed reads, in s */
};

/* Read the disk for @seconds. */
static struct work work(int disk, double seconds)
{
	double begin = now(), last = begin, t;
	struct work w = { 0 };
	void *buf;

	buf = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (buf == MAP_FAILED)
		tap_bail("no memory");
	do {
		if (pread(disk, buf, PAGE, w.reads % 1024 * PAGE) != (ssize_t)PAGE)
			tap_bail("the disk cannot be read: %s", strerror(errno));
		w.reads++;
		t = now();
		if (t - last > w.longest)
			w.longest = t - last;
		last = t;
	} while (t - begin < seconds);
	munmap(buf, PAGE);
	return w;
}

/* Messages about refused devices since the last call. */
static unsigned int messages(int log)
{
	char record[8192];
	unsigned int found = 0;
	ssize_t n;

	while ((n = read(log, record, sizeof(record) - 1)) > 0 || errno == EPIPE) {
		record[n > 0 ? n : 0] = 0;
		if (strstr(record, "was refused a"))
			found++;
	}
	return found;
}

/* Check that edu reads the data that this program wrote to @page. */
static bool dma_works(struct edu *edu, volatile uint32_t *page)
{
	page[0] = 0x600d600d;
	if (edu_fetch(edu, phys_of((void *)page), EDU_MAX))
		return false;
	page[0] = 0;
	return !edu_store(edu, phys_of((void *)page), EDU_MAX) && page[0] == 0x600d600d;
}

/* A nested domain for all devices, and the one that they were in before. */
#define MEMORY_GIB	8
static struct stage1 tables;
static uint64_t iommu, home, nested;

static bool nest(unsigned int nr)
{
	struct td_res res;
	unsigned int i;
	bool good = true;

	if (!stage1_init_identity(&tables, MEMORY_GIB))
		return false;
	for (i = 0; i < 16; i++)
		td_call(PKVM_IOMMU_TOPUP, td_alloc() / PAGE, 1, 0);
	res = td_call(PKVM_IOMMU_DOMAIN_ALLOC, PKVM_IOMMU_DOMAIN_NESTED, stage1_root(&tables), 0);
	nested = res.x2;
	for (i = 0; i < nr && !res.err; i++)
		good &= td_take_stream(edus[i].sid, &iommu, &home) &&
			!td_attach(iommu, edus[i].sid, nested).err;
	return good && !res.err;
}

static bool unnest(unsigned int nr)
{
	bool good = true;
	unsigned int i;

	for (i = 0; i < nr; i++)
		good &= !td_call(PKVM_IOMMU_DETACH, iommu, edus[i].sid, nested).err &&
			!td_attach(iommu, edus[i].sid, home).err;
	good &= !td_call(PKVM_IOMMU_DOMAIN_FREE, nested, 0, 0).err;
	stage1_free(&tables);
	return good;
}

int main(int argc, char **argv)
{
	bool by_nested = argc > 1 && !strcmp(argv[1], "nested");
	struct pkvm_iommu_test_faults before, after;
	int disk = open("/dev/nvme0n1", O_RDONLY | O_DIRECT);
	int log = open("/dev/kmsg", O_RDONLY | O_NONBLOCK);
	unsigned int i, nr = 0, said;
	struct pkvm_iommu_test_range range;
	pthread_t threads[DEVICES_MAX];
	volatile uint32_t *page = phys_alloc(1);
	struct work calm, stormy;

	while (nr < DEVICES_MAX && !edu_open_nth(&edus[nr], nr))
		nr++;
	if (disk < 0 || log < 0 || !page || td_open() || nr < DEVICES_MIN ||
	    !td_range(PKVM_IOMMU_TEST_RANGE_CARVEOUT, 0, &range))
		tap_bail("needs an NVMe disk, /dev/kmsg, /dev/pkvm_iommu_test and %u edu devices",
			 DEVICES_MIN);
	target = range.address;

	if (by_nested)
		tap_ok(nest(nr), "the devices are in a nested domain");
	tap_ok(dma_works(&edus[0], page), "edu reaches memory of the host's");
	calm = work(disk, 2);
	lseek(log, 0, SEEK_END);
	td_faults(&before);

	for (i = 0; i < nr; i++)
		if (pthread_create(&threads[i], NULL, attacker, &edus[i]))
			tap_bail("no thread");
	stormy = work(disk, SECONDS);
	td_faults(&after);
	stop = true;
	for (i = 0; i < nr; i++)
		pthread_join(threads[i], NULL);
	said = messages(log);

	tap_note("%u devices, %.0f faults a second, %u messages", nr,
		 (double)(after.count - before.count) / SECONDS, said);
	tap_note("%lu reads a second instead of %lu, the longest pause is %.0f ms",
		 stormy.reads / SECONDS, calm.reads / 2, stormy.longest * 1000);
	tap_ok(after.count - before.count >= 1000 && after.address - target < EDU_MAX &&
	       (after.info & PKVM_IOMMU_FAULT_REASON) >> 32 == PKVM_IOMMU_FAULT_UNMAPPED,
	       "the devices fault all the time");
	/* QEMU is slower during the storm: one of its threads runs all devices. */
	tap_ok(stormy.reads / SECONDS >= calm.reads / 2 / 20,
	       "the disk is read at a twentieth of its speed, or faster");
	tap_ok(stormy.longest < 0.5, "and never pauses for half a second");
	tap_ok(said && said <= MESSAGES_MAX, "the log has some messages, and no flood of them");
	tap_ok(dma_works(&edus[0], page), "edu reaches memory of the host's afterwards");
	if (by_nested)
		tap_ok(unnest(nr) && dma_works(&edus[0], page),
		       "and outside of the nested domain");
	return tap_done();
}
