/* SPDX-License-Identifier: GPL-2.0 */
#ifndef NVME_H
#define NVME_H

#include <stdbool.h>
#include <stdint.h>

/*
 * QEMU's NVMe controller as a DMA engine driven by host root: each command moves 8
 * bytes from or to an address, at once. Commands, and the data that the program
 * exchanges with the device, are in its controller memory buffer (cmb_size_mb=1), so
 * that apart from that address it accesses only its completion queue. The device does
 * not report a refused transfer: a refused read returns other data; a refused write
 * leaves memory unchanged. 24 bits are moved, bits 24 to 47 of a little-endian u64.
 */
struct nvme {
	volatile uint8_t *regs, *cmb;
	volatile uint32_t *cq;		/* the completion queue, a zeroed page */
	uint64_t cq_iova;
	uint32_t sid;			/* stream id: bus, device, function */
	unsigned int slot;		/* index in the queues */
	char name[32];			/* of the PCI device in sysfs */
};

enum nvme_result {
	NVME_DONE,
	NVME_LOST,	/* the queue is unreachable: the command ran, nvme_start() is needed */
	NVME_BROKEN,	/* no answer, or an error */
};

/*
 * Open the @index-th controller of the machine, after unbinding the kernel's driver.
 * Returns 0 or a negative errno; -ENODEV if there is none.
 */
int nvme_open(struct nvme *nvme, unsigned int index);
/* Reset. The completion queue is the page @cq, which the device accesses at @iova. */
int nvme_start(struct nvme *nvme, volatile void *cq, uint64_t iova);
/* Load the data that the device holds, and read it back, without DMA. */
enum nvme_result nvme_give(struct nvme *nvme, uint32_t data);
enum nvme_result nvme_take(struct nvme *nvme, uint32_t *data);
/* The device reads the data from @iova, or writes it there, by DMA. */
enum nvme_result nvme_read(struct nvme *nvme, uint64_t iova);
enum nvme_result nvme_write(struct nvme *nvme, uint64_t iova);

static inline uint64_t nvme_word(uint32_t data)
{
	return (uint64_t)data << 24;
}

static inline uint32_t nvme_data(uint64_t word)
{
	return word >> 24 & 0xffffff;
}

#endif
