// SPDX-License-Identifier: GPL-2.0
/*
 * How mapping for DMA scales: the kernel's dma_map_benchmark on the edu device with one
 * thread and with two, in turns. Prints "bench scale-NAME|NUMBER": pairs of map and
 * unmap in a second with two threads, in percent of those with one; the median of the
 * rounds. It needs two CPUs that run at the same time, and a device in a DMA domain.
 *
 * For comparison, the same of a system call and of a hypercall that do nothing.
 *
 *	mapscale [ROUNDS]
 */
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "dmabench.h"
#include "testdev.h"

#define MAX_ROUNDS	15

/* Time of a pair of map and unmap by one of @threads, in 100 ns; 0 if that fails. */
static uint64_t pair(int fd, uint32_t granule, uint32_t threads)
{
	struct map_benchmark map = {
		.threads = threads, .seconds = 1, .node = -1, .dma_bits = 32,
		.granule = granule,
	};

	return ioctl(fd, DMA_MAP_BENCHMARK, &map) ? 0 : map.avg_map_100ns + map.avg_unmap_100ns;
}

static volatile bool stop;

static void *calls(void *hypercall)
{
	uint64_t val, *nr = calloc(1, sizeof(*nr));

	while (nr && !stop) {
		if (hypercall)
			td_info(PKVM_IOMMU_INFO_POOL_FREE, &val);
		else
			syscall(SYS_getppid);
		++*nr;
	}
	return nr;
}

/* Calls in a fifth of a second by all of @threads; 0 if that fails. */
static uint64_t call_rate(bool hypercall, int threads)
{
	struct timespec fifth = { .tv_nsec = 200000000 };
	pthread_t thread[2];
	uint64_t sum = 0;
	void *nr;
	int i;

	stop = false;
	for (i = 0; i < threads; i++) {
		if (pthread_create(&thread[i], NULL, calls, hypercall ? "" : NULL))
			exit(1);
	}
	nanosleep(&fifth, NULL);
	stop = true;
	for (i = 0; i < threads; i++) {
		pthread_join(thread[i], &nr);
		sum += nr ? *(uint64_t *)nr : 0;
		free(nr);
	}
	return sum;
}

static int order(const void *a, const void *b)
{
	return *(const int *)a - *(const int *)b;
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		uint32_t granule;
	} runs[] = { { "4K", 1 }, { "64K", 16 } };
	int percent[MAX_ROUNDS], rounds = argc > 1 ? atoi(argv[1]) : 5;
	uint64_t one, two;
	size_t i;
	int fd, r;

	if (rounds < 1 || rounds > MAX_ROUNDS) {
		printf("# from 1 to %d rounds\n", MAX_ROUNDS);
		return 1;
	}
	for (i = 0; i < 2; i++) {
		/* With pkvm_iommu=off, EL2 only says that there is no such call. */
		if (i && td_open())
			return 1;
		for (r = 0; r < rounds; r++) {
			one = call_rate(i, 1);
			two = call_rate(i, 2);
			percent[r] = one ? 100 * two / one : 0;
		}
		qsort(percent, rounds, sizeof(*percent), order);
		printf("bench scale-%s|%d\n", i ? "hypercall" : "syscall", percent[rounds / 2]);
		fflush(stdout);
	}
	fd = dmabench_find() ? -1 : dmabench_bind();
	if (fd < 0) {
		printf("# no edu device, or it cannot be bound to dma_map_benchmark\n");
		return 1;
	}
	for (i = 0; i < sizeof(runs) / sizeof(runs[0]); i++) {
		for (r = 0; r < rounds; r++) {
			one = pair(fd, runs[i].granule, 1);
			two = pair(fd, runs[i].granule, 2);
			if (!one || !two) {
				printf("# dma_map_benchmark fails for %s\n", runs[i].name);
				return 1;
			}
			percent[r] = 200 * one / two;
			printf("# %s: %.1f us with one thread, %.1f with two: %d %%\n",
			       runs[i].name, one / 10.0, two / 10.0, percent[r]);
			fflush(stdout);
		}
		qsort(percent, rounds, sizeof(*percent), order);
		printf("bench scale-%s|%d\n", runs[i].name, percent[rounds / 2]);
		fflush(stdout);
	}
	return 0;
}
