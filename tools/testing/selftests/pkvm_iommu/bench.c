// SPDX-License-Identifier: GPL-2.0
/*
 * What the protection costs, for QEMU's -icount shift=4: the counter advances
 * by 16 ns per guest instruction, EL2's included. Prints "bench NAME|NUMBER".
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/ioctl.h>

#include "testdev.h"

#define NS_PER_INSTRUCTION	16
#define ROUNDS			1000

static uint64_t counter_hz(void)
{
	uint64_t hz;

	asm volatile("mrs %0, cntfrq_el0" : "=r" (hz));
	return hz;
}

/* Instructions of one donation and return of a page, or -1. */
static double donate(int fd, uint64_t *seal_ns)
{
	struct pkvm_iommu_test_bench few = { .count = ROUNDS };
	struct pkvm_iommu_test_bench many = { .count = 2 * ROUNDS };

	/* The difference is without the hypercall's own cost. */
	if (ioctl(fd, PKVM_IOMMU_TEST_BENCH, &few) ||
	    ioctl(fd, PKVM_IOMMU_TEST_BENCH, &many))
		return -1;
	*seal_ns = many.seal_ns;
	return (double)(many.ticks - few.ticks) * 1e9 / counter_hz() /
	       NS_PER_INSTRUCTION / ROUNDS;
}

/* Attach or detach the streams of all PCI devices. */
static int all_streams(uint64_t op)
{
	DIR *dir = opendir("/sys/bus/pci/devices");
	unsigned int bus, slot, fn;
	struct dirent *entry;
	int n = 0;

	while (dir && (entry = readdir(dir))) {
		if (sscanf(entry->d_name, "%*x:%x:%x.%x", &bus, &slot, &fn) == 3)
			n += !td_call(op, 0, bus << 8 | slot << 3 | fn, 0).err;
	}
	if (dir)
		closedir(dir);
	return n;
}

int main(void)
{
	int fd = open("/dev/pkvm_iommu_test", O_RDWR);
	uint64_t seal_ns, pages = 0;
	double none, some;

	if (fd < 0 || td_open()) {
		printf("# no /dev/pkvm_iommu_test\n");
		return 1;
	}
	some = donate(fd, &seal_ns);
	all_streams(PKVM_IOMMU_DETACH);
	none = donate(fd, &seal_ns);
	all_streams(PKVM_IOMMU_ATTACH);
	if (some < 0 || none < 0) {
		printf("# the test device cannot donate\n");
		return 1;
	}
	td_info(PKVM_IOMMU_INFO_SHADOW, &pages);

	printf("bench donate-none|%.0f\n", none);
	printf("bench donate-some|%.0f\n", some);
	printf("bench seal|%.0f\n", (double)seal_ns / NS_PER_INSTRUCTION);
	printf("bench shadow-bytes|%.0f\n", (double)pages * 4096);
	return 0;
}
