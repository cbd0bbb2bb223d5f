/* SPDX-License-Identifier: GPL-2.0 */
#ifndef DMABENCH_H
#define DMABENCH_H

#include <stdint.h>
#include <sys/ioctl.h>

/* The kernel's dma_map_benchmark on the edu device. */

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

/* All functions return 0 or a negative errno unless noted. */
int dmabench_find(void);
/* Write to a file of the device in sysfs. */
int dmabench_write(const char *file, const char *text);
/* Hand the device to the kernel's benchmark driver; returns its file, for ioctl. */
int dmabench_bind(void);
int dmabench_unbind(void);

#endif
