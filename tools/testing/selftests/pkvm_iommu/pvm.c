// SPDX-License-Identifier: GPL-2.0
/*
 * Lifetime of protected VMs: start, run, share, unshare, end, many times, without
 * losing memory. TAP.
 *
 *	pvm		protected VMs work
 *	pvm busy [N]	the same, while other programs use memory and domains: lost memory
 *			cannot be measured. N: only so many, and none that is not protected,
 *			which fails if it gets memory that appeared after boot
 *	pvm refused	protected VMs are refused with EPERM, others work: the
 *			machine has devices that could not be isolated
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tap.h"
#include "testdev.h"
#include "vm.h"

#define PAGES	16
#define SHARED	2	/* the page that is shared with the host and unshared */

static int cycles = 100;
#define WARM_UP		10

/* Less than a leak of one page per cycle takes from each batch. */
#define NOISE_KIB	(cycles * (long)(PAGE / 1024) - 1)
#define BATCHES		3

static bool check(struct vm *vm, bool good, const char *what)
{
	if (!good)
		tap_note("%s: %s", what, vm->step);
	return good;
}

/* The host reads the data that the guest wrote to the shared page. */
static bool host_reads_secret(struct vm *vm)
{
	const uint64_t *p = (const uint64_t *)(vm->mem + SHARED * PAGE);
	size_t i;

	for (i = 0; i < PAGE / 8; i++)
		if (p[i] != vm_secret(vm, SHARED, i))
			return false;
	return true;
}

static bool do_ok(struct vm *vm, uint64_t op, size_t page, size_t pages)
{
	uint64_t result = ~0ULL;
	int ret = vm_do(vm, op, page, pages, &result);

	if (!ret && !result)
		return true;
	tap_note("command %llu: error %d, result %llx", (unsigned long long)op,
		 ret, (unsigned long long)result);
	return false;
}

/* Start and end a VM. A @protected VM shares a page for a while. */
static bool live(bool protected, uint32_t seed)
{
	struct vm vm;
	bool good = false;
	int ret = vm_start(&vm, protected, PAGES, seed);

	if (ret) {
		tap_note("%s: %s", vm.step, strerror(-ret));
		return false;
	}
	if (!do_ok(&vm, OP_FILL, 1, PAGES - 1) ||
	    !do_ok(&vm, OP_VERIFY, 1, PAGES - 1))
		goto out;
	if (protected && !do_ok(&vm, OP_SHARE, SHARED, 1))
		goto out;
	if (!check(&vm, host_reads_secret(&vm), "host reads another pattern"))
		goto out;
	if (protected && !do_ok(&vm, OP_UNSHARE, SHARED, 1))
		goto out;
	if (!do_ok(&vm, OP_VERIFY, 1, PAGES - 1))
		goto out;
	good = check(&vm, !vm_off(&vm), "guest did not power off");
out:
	vm_stop(&vm);
	return good;
}

static bool pool(uint64_t v[2])
{
	return td_present() && !td_info(PKVM_IOMMU_INFO_POOL_FREE, &v[0]) &&
	       !td_info(PKVM_IOMMU_INFO_POOL_TOTAL, &v[1]);
}

/* Run cycles VMs. Returns the number that worked, and sets the free memory lost. */
static int batch(long *lost)
{
	long before = mem_free_kib();
	int i, good = 0;

	for (i = 0; i < cycles; i++)
		good += live(true, i + 1);
	*lost = before - mem_free_kib();
	tap_note("%d protected VMs took %ld KiB", cycles, *lost);
	return good;
}

static void test_cycles(bool busy)
{
	uint64_t before[2] = { 0 }, after[2] = { 0 };
	int i, good = 0, batches = 0;
	bool have_pool;
	long lost;

	for (i = 0; i < WARM_UP; i++)
		if (!live(true, i + 1))
			break;
	if (!tap_ok(i == WARM_UP, "a protected VM runs, shares, powers off"))
		return;

	have_pool = pool(before);
	do {
		good += batch(&lost);
	} while (++batches < BATCHES && lost > NOISE_KIB && !busy);
	pool(after);

	tap_ok(good == batches * cycles, "%d of %d protected VMs in a row", good,
	       batches * cycles);
	if (busy)
		return;
	tap_ok(lost <= NOISE_KIB, "free memory does not shrink");
	if (have_pool)
		tap_ok(!memcmp(before, after, sizeof(before)),
		       "pool: %llu of %llu pages free before, %llu of %llu after",
		       (unsigned long long)before[0],
		       (unsigned long long)before[1],
		       (unsigned long long)after[0],
		       (unsigned long long)after[1]);
	else
		tap_skip("no test device, or not in service", "pool unchanged");
}

static void test_refused(void)
{
	struct vm vm;
	int ret = vm_start(&vm, true, PAGES, 1);

	tap_ok(ret == -EPERM, "protected VM is refused: %s: %s", vm.step,
	       ret ? strerror(-ret) : "it started");
	vm_stop(&vm);
}

int main(int argc, char **argv)
{
	bool others = argc <= 2;

	if (!others)
		cycles = atoi(argv[2]);
	td_open();
	if (others)
		tap_ok(live(false, 1), "an ordinary VM runs and powers off");
	if (argc > 1 && !strcmp(argv[1], "refused"))
		test_refused();
	else
		test_cycles(argc > 1 && !strcmp(argv[1], "busy"));
	if (others)
		tap_ok(live(false, 2), "an ordinary VM still does");
	return tap_done();
}
