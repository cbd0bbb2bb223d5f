// SPDX-License-Identifier: GPL-2.0
/*
 * DMA to pages that change their owner between the host and guests: one thread has the
 * device read them; others start protected VMs that take, fill, verify and return
 * pages. The device must never read a secret. TAP.
 *
 *	race [pages]		at least this many pages, default 10000
 *	race nested [pages]	by a nested domain, which maps everything in blocks of 1 GiB
 *				and stays as it is
 */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "edu.h"
#include "phys.h"
#include "stage1.h"
#include "tap.h"
#include "testdev.h"
#include "vm.h"

#define THREADS		3
#define VM_PAGES	256
/* Short: each 4 refused bytes may make a fault record. */
#define READ_LEN	256
/* Upper half of a word of a secret, less the VM's number. */
#define SECRET		0x5ec20000
#define SECRET_MASK	0xffff0000

static struct edu edu;
static uint8_t *own;
static uint64_t own_phys;

/* Pages under attack: each guest thread publishes those of its VM. */
static _Atomic uint64_t target[THREADS][VM_PAGES];
static atomic_uint next_vm, running, died;
static atomic_ulong donated, wrong;
static unsigned int nr_vms;
static _Atomic(const char *)died_at;
static atomic_int died_of;

static void died_here(const char *where, int err)
{
	atomic_fetch_add(&died, 1);
	died_at = where;
	died_of = err;
}

static void one_vm(unsigned int thread, unsigned int n)
{
	uint64_t bad = 1;
	struct vm vm;
	size_t i;
	int ret;

	ret = vm_start(&vm, true, VM_PAGES, SECRET | (n & 0xffff));
	if (ret) {
		died_here(vm.step, ret);
		return;
	}
	for (i = 1; i < VM_PAGES; i++)
		target[thread][i] = vm_phys(&vm, i);
	/* One page at a time, so that DMA hits all stages of the VM. */
	for (i = 1; i < VM_PAGES && !ret; i++)
		ret = vm_fill(&vm, i, 1);
	if (!ret)
		ret = vm_do(&vm, OP_VERIFY, 1, VM_PAGES - 1, &bad);
	if (ret)
		died_here("command", ret);
	else
		atomic_fetch_add(&donated, VM_PAGES);
	atomic_fetch_add(&wrong, bad);
	/* Pages stay targets during and after the teardown of the VM. */
	vm_stop(&vm);
}

static void *guests(void *arg)
{
	unsigned int thread = (uintptr_t)arg, n;

	while ((n = atomic_fetch_add(&next_vm, 1)) < nr_vms && !died)
		one_vm(thread, n);
	atomic_fetch_sub(&running, 1);
	return NULL;
}

/* Read one page by DMA. Returns 1 if it had a secret, 0 if not, or a negative errno. */
static int steal(uint64_t phys)
{
	const uint64_t *words = (const uint64_t *)own;
	size_t i;
	int ret;

	memset(own, 0, READ_LEN);
	ret = edu_fetch(&edu, phys, READ_LEN);
	if (!ret)
		ret = edu_store(&edu, own_phys, READ_LEN);
	if (ret)
		return ret;
	for (i = 0; i < READ_LEN / 8; i++)
		if (words[i] >> 32 && (words[i] >> 32 & SECRET_MASK) == SECRET)
			return 1;
	return 0;
}

static bool control(void)
{
	volatile uint64_t *p = (volatile uint64_t *)own;

	p[0] = 0x0123456789abcdef;
	p[1] = 0;
	return !edu_fetch(&edu, own_phys, 8) &&
	       !edu_store(&edu, own_phys + 8, 8) && p[1] == p[0];
}

static uint64_t faults(void)
{
	struct pkvm_iommu_test_faults f = { 0 };

	return td_present() && !td_faults(&f) ? f.count : 0;
}

/* A nested domain, and the one that edu was in before. */
#define MEMORY_GIB	8
static struct stage1 tables;
static uint64_t iommu, home, nested;

static bool move(uint64_t from, uint64_t to)
{
	return !td_call(PKVM_IOMMU_DETACH, iommu, edu.sid, from).err &&
	       !td_attach(iommu, edu.sid, to).err;
}

static bool nest(void)
{
	struct td_res res;

	if (!td_take_stream(edu.sid, &iommu, &home) || td_attach(iommu, edu.sid, home).err ||
	    !stage1_init_identity(&tables, MEMORY_GIB))
		return false;
	td_topup(16);
	res = td_call(PKVM_IOMMU_DOMAIN_ALLOC, PKVM_IOMMU_DOMAIN_NESTED, stage1_root(&tables),
		      iommu);
	nested = res.x2;
	return !res.err && move(home, nested);
}

static bool unnest(void)
{
	bool good = move(nested, home) &&
		    !td_call(PKVM_IOMMU_DOMAIN_FREE, nested, 0, 0).err;

	stage1_free(&tables);
	return good;
}

int main(int argc, char **argv)
{
	unsigned long reads = 0, stolen = 0, errors = 0, pages = 10000;
	bool by_nested = argc > 1 && !strcmp(argv[1], "nested");
	uint64_t before, after;
	pthread_t t[THREADS];
	unsigned int i;

	if (by_nested) {
		argc--;
		argv++;
	}
	if (argc > 1)
		pages = strtoul(argv[1], NULL, 0);
	nr_vms = (pages + VM_PAGES - 1) / VM_PAGES;
	td_open();
	own = phys_alloc(1);
	own_phys = own ? phys_of(own) : 0;
	if (!own_phys || edu_open(&edu))
		tap_bail("no edu device, or no pagemap");
	tap_note("%u VMs of %u pages on %u threads, %ld CPUs", nr_vms, VM_PAGES,
		 THREADS, sysconf(_SC_NPROCESSORS_ONLN));
	tap_ok(control(), "DMA works before");
	if (by_nested)
		tap_ok(nest() && control(), "DMA works in a nested domain");

	before = faults();
	running = THREADS;
	for (i = 0; i < THREADS; i++)
		if (pthread_create(&t[i], NULL, guests, (void *)(uintptr_t)i))
			tap_bail("no thread");
	srand(1);
	while (running) {
		uint64_t phys = target[rand() % THREADS][1 + rand() % (VM_PAGES - 1)];
		int ret;

		if (!phys) {
			usleep(1000);
			continue;
		}
		ret = steal(phys);
		reads++;
		stolen += ret > 0;
		errors += ret < 0;
	}
	for (i = 0; i < THREADS; i++)
		pthread_join(t[i], NULL);
	/* The fault log may lag. */
	usleep(200000);
	after = faults();

	if (!tap_ok(!died, "all VMs ran"))
		tap_note("%u died, the last at %s: %s", died, died_at,
			 strerror(-died_of));
	tap_ok(donated >= pages, "%lu pages went to guests and back", donated);
	tap_ok(!wrong, "%lu words that guests found changed", wrong);
	tap_ok(reads && !errors, "%lu DMA reads, %lu broken", reads, errors);
	tap_ok(!stolen, "%lu reads brought a secret", stolen);
	if (td_present())
		tap_ok(after > before, "%llu DMA accesses were refused",
		       (unsigned long long)(after - before));
	else
		tap_skip("no test device", "DMA accesses were refused");
	tap_ok(control(), "DMA works after");
	if (by_nested)
		tap_ok(unnest() && control(), "DMA works outside of the nested domain");
	return tap_done();
}
