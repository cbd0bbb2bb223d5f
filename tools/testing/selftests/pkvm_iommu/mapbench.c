// SPDX-License-Identifier: GPL-2.0
/*
 * What mapping for DMA costs: the kernel's dma_map_benchmark on the edu device,
 * for QEMU's -icount shift=4: 16 ns per guest instruction, EL2's included.
 * Prints "bench NAME|NUMBER". The device has to be in a DMA domain. The argument
 * chooses one line.
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define NS_PER_INSTRUCTION	16

/* As include/uapi/linux/map_benchmark.h of the kernel has it. */
struct map_benchmark {
	uint64_t avg_map_100ns;
	uint64_t map_stddev;
	uint64_t avg_unmap_100ns;
	uint64_t unmap_stddev;
	uint32_t threads;
	uint32_t seconds;
	int32_t node;
	uint32_t dma_bits;
	uint32_t dma_dir;
	uint32_t dma_trans_ns;
	uint32_t granule;
	uint8_t map_mode;
	uint8_t expansion[75];
};

#define DMA_MAP_BENCHMARK	_IOWR('d', 1, struct map_benchmark)

static int write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY);
	ssize_t n = fd < 0 ? -1 : write(fd, text, strlen(text));

	if (fd >= 0)
		close(fd);
	return n < 0 ? -1 : 0;
}

/* Hand the edu device to the kernel's benchmark driver. */
static int bind_edu(void)
{
	DIR *dir = opendir("/sys/bus/pci/devices");
	struct dirent *entry;
	char path[400], id[16];
	int ret = -1;

	while (dir && ret && (entry = readdir(dir))) {
		FILE *f;

		snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/device", entry->d_name);
		f = fopen(path, "r");
		if (!f)
			continue;
		if (fscanf(f, "%15s", id) != 1 || strcmp(id, "0x11e8")) {
			fclose(f);
			continue;
		}
		fclose(f);
		snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/driver_override",
			 entry->d_name);
		ret = write_file(path, "dma_map_benchmark") ||
		      write_file("/sys/bus/pci/drivers/dma_map_benchmark/bind", entry->d_name);
	}
	if (dir)
		closedir(dir);
	return ret;
}

#define PIPES		8
#define PIPE_PAGES	256

/*
 * Leave the kernel with free pages that have no free neighbours: what two pipes
 * took in turns, and one of them gives back. So each page of a scatter list is a
 * segment of its own, whatever the boot has left behind.
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

	if (bind_edu()) {
		printf("# no edu device, or it cannot be bound to dma_map_benchmark\n");
		return 1;
	}
	fd = open("/sys/kernel/debug/dma_map_benchmark", O_RDWR);
	if (fd < 0) {
		printf("# no dma_map_benchmark in debugfs\n");
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
