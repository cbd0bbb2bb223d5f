/* SPDX-License-Identifier: GPL-2.0 */
#ifndef NVME_H
#define NVME_H

#include <stdbool.h>
#include <stdint.h>

/*
 * An NVMe controller as a DMA engine in the hands of host root: it moves 8 bytes
 * from or to an address on command, at once. QEMU's, with a controller memory
 * buffer (cmb_size_mb=1) for the commands and for what the program gives and
 * takes, so that beside that address it reaches its completion queue only. It
 * does not say that a transfer was refused: a refused read leaves it with
 * something else, a refused write leaves memory as it was. What moves is 24 bits,
 * in bits 24 to 47 of a little-endian u64.
 */
struct nvme {
	volatile uint8_t *regs, *cmb;
	volatile uint32_t *cq;		/* the completion queue, a zeroed page */
	uint64_t cq_iova;
	uint32_t sid;			/* stream id: bus, device, function */
	unsigned int slot;		/* of the queues */
	char name[32];			/* of the PCI device in sysfs */
};

enum nvme_result {
	NVME_DONE,
	NVME_LOST,	/* it cannot reach the queue: done, but needs nvme_start() */
	NVME_BROKEN,	/* no answer, or an error */
};

/*
 * The @index-th controller in the machine, which the kernel's driver must give
 * up. Returns 0 or a negative errno; -ENODEV if there is none.
 */
int nvme_open(struct nvme *nvme, unsigned int index);
/* Reset; the completion queue is the page @cq, at @iova for the device. */
int nvme_start(struct nvme *nvme, volatile void *cq, uint64_t iova);
/* What the device holds, from the program and to it: no DMA. */
enum nvme_result nvme_give(struct nvme *nvme, uint32_t data);
enum nvme_result nvme_take(struct nvme *nvme, uint32_t *data);
/* The same by DMA: the device reads from @iova, or writes there. */
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
