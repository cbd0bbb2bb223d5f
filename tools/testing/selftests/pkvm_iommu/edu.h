/* SPDX-License-Identifier: GPL-2.0 */
#ifndef EDU_H
#define EDU_H

#include <stddef.h>
#include <stdint.h>

/*
 * QEMU's "edu" PCI device as a DMA engine in the hands of host root: it has a
 * buffer of one page, which only DMA can fill or show. A transfer takes 100 ms.
 * It never reports an error: a refused read leaves zeros in the buffer, a
 * refused write nothing at all.
 */
struct edu {
	volatile uint8_t *bar;
	uint32_t sid;		/* stream id: bus, device, function */
	char name[32];		/* of the PCI device in sysfs */
};

#define EDU_MAX 4096

/* All return 0 or a negative errno. */
int edu_open(struct edu *edu);
/* The @nth of several, from 0. */
int edu_open_nth(struct edu *edu, unsigned int nth);
/* Remove it from the kernel, but keep its registers in hand, as root can. */
int edu_remove(struct edu *edu);
/* And have it found again. */
int edu_rescan(struct edu *edu);
/* Memory at @phys into the buffer. */
int edu_fetch(struct edu *edu, uint64_t phys, size_t len);
/* The buffer into memory at @phys. */
int edu_store(struct edu *edu, uint64_t phys, size_t len);

#endif
