// SPDX-License-Identifier: GPL-2.0
/*
 * Random reads of 4 KiB from a disk, without the page cache, by two threads. Prints
 * "bench reads|NUMBER": reads in a second by both, the median of the rounds. A round is two
 * seconds, or, with a size, the time to start a protected VM whose guest writes to all of its
 * memory; that is printed as "bench vm-ms|NUMBER".
 *
 *	diskreads DISK [ROUNDS [MIB]]	DISK is a name in /dev
 */
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "vm.h"

#define SIZE		4096
#define THREADS		2
#define MAX_ROUNDS	15

static volatile int stop;
static off_t blocks;
static int disk;

/* Returns the number of reads, or NULL if one failed. */
static void *reader(void *arg)
{
	uint64_t chance = (uintptr_t)arg, nr = 0;
	void *buf = aligned_alloc(SIZE, SIZE);

	while (buf && !stop) {
		chance = chance * 6364136223846793005ULL + 1442695040888963407ULL;
		if (pread(disk, buf, SIZE, (chance >> 16) % blocks * SIZE) != SIZE)
			break;
		nr++;
	}
	free(buf);
	return (void *)(uintptr_t)(stop ? nr : 0);
}

static double seconds_since(const struct timespec *begin)
{
	struct timespec end;

	clock_gettime(CLOCK_MONOTONIC, &end);
	return end.tv_sec - begin->tv_sec + (end.tv_nsec - begin->tv_nsec) / 1e9;
}

/* Milliseconds to start a protected VM whose guest writes to all but its code; or -1. */
static int start_vm(struct vm *vm, size_t pages)
{
	struct timespec begin;
	int ret;

	clock_gettime(CLOCK_MONOTONIC, &begin);
	ret = vm_start(vm, true, pages, 1);
	if (!ret)
		ret = vm_fill(vm, 1, pages - 1);
	if (!ret)
		return 1000 * seconds_since(&begin);
	printf("# %s: %d\n", vm->step, ret);
	return -1;
}

static int order(const void *a, const void *b)
{
	return *(const int *)a - *(const int *)b;
}

int main(int argc, char **argv)
{
	int i, r, rate[MAX_ROUNDS], ms[MAX_ROUNDS], rounds = argc > 2 ? atoi(argv[2]) : 5;
	size_t pages = argc > 3 ? atoi(argv[3]) * (1048576 / SIZE) : 0;
	struct timespec begin;
	struct vm vm;
	pthread_t thread[THREADS];
	char name[64];
	void *nr;

	snprintf(name, sizeof(name), "/dev/%s", argc > 1 ? argv[1] : "");
	disk = open(name, O_RDONLY | O_DIRECT);
	if (disk < 0 || rounds < 1 || rounds > MAX_ROUNDS) {
		printf("# %s cannot be opened, or not from 1 to %d rounds\n", name, MAX_ROUNDS);
		return 1;
	}
	blocks = lseek(disk, 0, SEEK_END) / SIZE;
	for (r = 0; r < rounds && blocks; r++) {
		double sum = 0;

		stop = 0;
		clock_gettime(CLOCK_MONOTONIC, &begin);
		for (i = 0; i < THREADS; i++) {
			void *chance = (void *)(uintptr_t)(r * THREADS + i + 1);

			if (pthread_create(&thread[i], NULL, reader, chance))
				return 1;
		}
		ms[r] = pages ? start_vm(&vm, pages) : 0;
		if (!pages)
			sleep(2);
		stop = 1;
		for (i = 0; i < THREADS; i++) {
			pthread_join(thread[i], &nr);
			if (!nr) {
				printf("# a read of %s failed\n", name);
				return 1;
			}
			sum += (uintptr_t)nr;
		}
		if (ms[r] < 0)
			return 1;
		rate[r] = sum / seconds_since(&begin);
		if (pages)
			vm_stop(&vm);
		printf("# %d reads a second, %d ms\n", rate[r], ms[r]);
		fflush(stdout);
	}
	qsort(rate, r, sizeof(*rate), order);
	printf("bench reads|%d\n", r ? rate[r / 2] : 0);
	qsort(ms, r, sizeof(*ms), order);
	if (pages)
		printf("bench vm-ms|%d\n", r ? ms[r / 2] : 0);
	return 0;
}
