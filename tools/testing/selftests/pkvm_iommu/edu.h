/* SPDX-License-Identifier: GPL-2.0 */
#ifndef EDU_H
#define EDU_H

#include <stddef.h>
#include <stdint.h>

/*
 * QEMU's "edu" PCI device as a DMA engine driven by host root. Its buffer of 4 KiB
 * can be read and written only by DMA. A transfer takes 100 ms. The device reports no
 * errors: a refused read leaves zeros in the buffer; a refused write has no effect.
 */
struct edu {
	volatile uint8_t *bar;
	uint32_t sid;		/* stream id: bus, device, function */
	char name[32];		/* of the PCI device in sysfs */
};

#define EDU_MAX 4096

/* All return 0 or a negative errno. */
int edu_open(struct edu *edu);
/* The device with index @nth, from 0. */
int edu_open_nth(struct edu *edu, unsigned int nth);
/* Let the device answer and do DMA, again: the kernel ends that when it sleeps. */
int edu_enable(struct edu *edu);
/* Remove the device from the kernel, but keep its registers mapped, as root can. */
int edu_remove(struct edu *edu);
/* Let the kernel find the device again. */
int edu_rescan(struct edu *edu);
/* Read memory at @phys into the buffer. */
int edu_fetch(struct edu *edu, uint64_t phys, size_t len);
/* Write the buffer to memory at @phys. */
int edu_store(struct edu *edu, uint64_t phys, size_t len);

#endif
