// SPDX-License-Identifier: GPL-2.0
/*
 * Costs of mapping for DMA: the kernel's dma_map_benchmark on the edu device, for
 * QEMU's -icount shift=4: 16 ns per guest instruction, EL2's included. Prints "bench
 * NAME|NUMBER". The device has to be in a DMA domain. The argument selects one line.
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "dmabench.h"

#define NS_PER_INSTRUCTION	16

#define PIPES		8
#define PIPE_PAGES	256

/*
 * Leave the kernel with free pages that have no free neighbours: two pipes take pages
 * in turns, and one of them frees its pages. So each page of a scatter list is a
 * segment of its own, whatever pages are free after boot.
 */
static int scatter(void)
{
	static char page[4096];
	int i, j, keep[2], give[2], last[PIPES];

	for (i = 0; i < PIPES; i++) {
		if (pipe(keep) || pipe(give) ||
		    fcntl(keep[1], F_SETPIPE_SZ, PIPE_PAGES * sizeof(page)) < 0 ||
		    fcntl(give[1], F_SETPIPE_SZ, PIPE_PAGES * sizeof(page)) < 0)
			return -1;
		for (j = 0; j < PIPE_PAGES; j++) {
			if (write(keep[1], page, sizeof(page)) != sizeof(page) ||
			    write(give[1], page, sizeof(page)) != sizeof(page))
				return -1;
		}
		last[i] = give[0];
		close(give[1]);
	}
	for (i = 0; i < PIPES; i++)
		close(last[i]);
	return 0;
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		uint32_t granule;
		uint8_t mode;
	} runs[] = {
		{ "4K", 1, 0 }, { "64K", 16, 0 }, { "1M", 256, 0 }, { "2M", 512, 0 },
		{ "sg-16", 16, 1 }, { "sg-256", 256, 1 },
	};
	size_t i;
	int fd;

	fd = dmabench_find() ? -1 : dmabench_bind();
	if (fd < 0) {
		printf("# no edu device, or it cannot be bound to dma_map_benchmark\n");
		return 1;
	}
	for (i = 0; i < sizeof(runs) / sizeof(runs[0]); i++) {
		struct map_benchmark map = {
			.threads = 1, .seconds = 1, .node = -1, .dma_bits = 32,
			.granule = runs[i].granule, .map_mode = runs[i].mode,
		};

		if (argc > 1 && strcmp(argv[1], runs[i].name))
			continue;
		if (runs[i].mode && scatter()) {
			printf("# no memory to scatter\n");
			return 1;
		}
		if (ioctl(fd, DMA_MAP_BENCHMARK, &map)) {
			printf("# dma_map_benchmark fails for %s\n", runs[i].name);
			return 1;
		}
		printf("bench map-%s|%.0f\n", runs[i].name,
		       map.avg_map_100ns * 100.0 / NS_PER_INSTRUCTION);
		printf("bench unmap-%s|%.0f\n", runs[i].name,
		       map.avg_unmap_100ns * 100.0 / NS_PER_INSTRUCTION);
		fflush(stdout);
	}
	return 0;
}
