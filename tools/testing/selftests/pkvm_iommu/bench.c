// SPDX-License-Identifier: GPL-2.0
/*
 * Costs of the protection, for QEMU's -icount shift=4: the counter advances by 16 ns
 * per guest instruction, EL2's included. Prints "bench NAME|NUMBER".
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include "phys.h"
#include "testdev.h"

#define NS_PER_INSTRUCTION	16
#define ROUNDS			1000
#define FEW_ROUNDS		100

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

	/* The difference leaves out the cost of the hypercall itself. */
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

#define GIB		0x40000000UL

/* 0 on failure. */
static uint64_t domain_alloc(void)
{
	struct td_res res = td_call(PKVM_IOMMU_DOMAIN_ALLOC, 0, 0, 0);

	if (res.err == -ENOMEM && td_topup(res.x2))
		res = td_call(PKVM_IOMMU_DOMAIN_ALLOC, 0, 0, 0);
	return res.err ? 0 : res.x2;
}

static bool domain_free(uint64_t domain)
{
	int64_t err;

	do {
		err = td_call(PKVM_IOMMU_DOMAIN_FREE, domain, 0, 0).err;
	} while (err == -EAGAIN);
	return !err;
}

static bool map(uint64_t domain, uint64_t iova, uint64_t phys, uint64_t size)
{
	struct td_res res;
	uint64_t done;

	for (done = 0; done < size; done += res.x2) {
		res = td_map(domain, iova + done, phys + done, size - done, PKVM_IOMMU_PROT_READ);
		if (res.err == -ENOMEM ? !td_topup(res.x3) : res.err || !res.x2)
			return false;
	}
	return true;
}

static bool unmap(uint64_t domain, uint64_t size)
{
	struct td_res res;
	uint64_t done;

	for (done = 0; done < size; done += res.x2) {
		res = td_call(PKVM_IOMMU_UNMAP, domain, done, size - done);
		if (res.err || !res.x2)
			return false;
	}
	return true;
}

/* 4 MiB of the host's memory, or 0. It is not modified. */
static uint64_t find_memory(void)
{
	unsigned long long start, end, at;
	uint64_t domain = domain_alloc(), phys = 0;
	FILE *f = fopen("/proc/iomem", "r");
	char line[160];

	while (domain && f && !phys && fgets(line, sizeof(line), f)) {
		if (!strstr(line, "System RAM") ||
		    sscanf(line, " %llx-%llx", &start, &end) != 2)
			continue;
		at = (start + BLOCK - 1) & -BLOCK;
		for (; !phys && at + 2 * BLOCK <= end; at += BLOCK) {
			if (map(domain, 0, at, 2 * BLOCK))
				phys = at;
			if (!unmap(domain, 2 * BLOCK))
				break;
		}
	}
	if (f)
		fclose(f);
	return domain && domain_free(domain) ? phys : 0;
}

static uint64_t pool_used(void)
{
	uint64_t total = 0, unused = 0;

	td_info(PKVM_IOMMU_INFO_POOL_TOTAL, &total);
	td_info(PKVM_IOMMU_INFO_POOL_FREE, &unused);
	return total - unused;
}

/*
 * Pages that EL2 uses for a domain with 1 GiB mapped, always the same 2 MiB; 0 on
 * failure. Without @blocks, the memory starts at its second page: no block is aligned.
 */
static uint64_t table_pages(bool blocks)
{
	uint64_t domain, at, used, phys = find_memory();
	bool good = true;

	used = pool_used();
	domain = phys ? domain_alloc() : 0;
	if (!domain)
		return 0;
	for (at = 0; good && at < GIB; at += BLOCK)
		good = map(domain, at, blocks ? phys : phys + PAGE, BLOCK);
	used = pool_used() - used;
	good = unmap(domain, GIB) && good;
	return domain_free(domain) && good ? used : 0;
}

/* A block of memory that is never given back, because EL2 may keep pages; or 0. */
static uint64_t block_alloc(void)
{
	FILE *f = fopen("/proc/sys/vm/nr_hugepages", "w");
	void *p;

	if (f) {
		fputs("1\n", f);
		fclose(f);
	}
	p = mmap(NULL, BLOCK, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB | MAP_POPULATE | MAP_LOCKED, -1, 0);
	if (p == MAP_FAILED)
		return 0;
	memset(p, 0, BLOCK);
	return phys_of(p);
}

static uint64_t counter(void)
{
	uint64_t ticks;

	asm volatile("isb\nmrs %0, cntvct_el0" : "=r" (ticks) : : "memory");
	return ticks;
}

/* Instructions to give EL2 @nr pages by one call, the system call included; or -1. */
static double give(uint64_t phys, uint64_t nr)
{
	uint64_t begin, ticks = 0, n;
	struct td_res res;
	int i;

	/* The kernel leaks these. */
	while (!td_call(PKVM_IOMMU_RECLAIM, 0, 0, 0).err)
		;
	for (i = 0; phys && i < FEW_ROUNDS; i++) {
		begin = counter();
		res = td_call(PKVM_IOMMU_TOPUP, phys / PAGE, nr, 0);
		ticks += counter() - begin;
		for (n = 0; !res.err && n < nr; n++) {
			res = td_call(PKVM_IOMMU_RECLAIM, 0, 0, 0);
			/* There is nothing else in the pool. */
			if (!res.err && res.x2 * PAGE - phys >= nr * PAGE)
				res.err = -EIO;
		}
		if (res.err)
			return -1;
	}
	return (double)ticks * 1e9 / counter_hz() / NS_PER_INSTRUCTION / FEW_ROUNDS;
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
	printf("bench shadow-bytes|%.0f\n", (double)pages * PAGE);
	if (pages) {
		uint64_t phys = block_alloc();

		printf("bench give-1|%.0f\n", give(phys, 1));
		printf("bench give-32|%.0f\n", give(phys, 32));
		printf("bench table-bytes-pages|%.0f\n", (double)table_pages(false) * PAGE);
		printf("bench table-bytes-blocks|%.0f\n", (double)table_pages(true) * PAGE);
	}
	return 0;
}
