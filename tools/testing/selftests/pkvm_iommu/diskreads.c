// SPDX-License-Identifier: GPL-2.0
/*
 * Random reads of 4 KiB from a disk, without the page cache, by two threads. Prints
 * "bench reads|NUMBER": reads in a second by both, the median of the rounds.
 *
 *	diskreads DISK [ROUNDS]		DISK is a name in /dev
 */
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

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

static int order(const void *a, const void *b)
{
	return *(const int *)a - *(const int *)b;
}

int main(int argc, char **argv)
{
	int i, r, rate[MAX_ROUNDS], rounds = argc > 2 ? atoi(argv[2]) : 5;
	struct timespec begin, end;
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
		double seconds, sum = 0;

		stop = 0;
		clock_gettime(CLOCK_MONOTONIC, &begin);
		for (i = 0; i < THREADS; i++) {
			void *chance = (void *)(uintptr_t)(r * THREADS + i + 1);

			if (pthread_create(&thread[i], NULL, reader, chance))
				return 1;
		}
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
		clock_gettime(CLOCK_MONOTONIC, &end);
		seconds = end.tv_sec - begin.tv_sec + (end.tv_nsec - begin.tv_nsec) / 1e9;
		rate[r] = sum / seconds;
		printf("# %d reads a second\n", rate[r]);
		fflush(stdout);
	}
	qsort(rate, r, sizeof(*rate), order);
	printf("bench reads|%d\n", r ? rate[r / 2] : 0);
	return 0;
}
