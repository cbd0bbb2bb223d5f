/* SPDX-License-Identifier: GPL-2.0 */
#ifndef WALK_H
#define WALK_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "nvme.h"
#include "phys.h"
#include "spec.h"
#include "stage1.h"
#include "testdev.h"

/*
 * Interfaces between the files of the random walk, and the state of its threads:
 *
 *	walk.c		steps: a hostile host, and its memory
 *	walk_call.c	calls, checked by the specification; random numbers; failures
 *	walk_setup.c	setup of the machine and the threads
 *	walk_dma.c	DMA, and checks of the memory that it reaches
 *	walk_nested.c	the same in a nested domain
 *	walk_shared.c	objects that all threads use at the same time
 */
#define SPAN_PAGES	512
/* The longest run of a thread's first block: a block, if a run can be as long. */
#define WHOLE_PAGES	(BLOCK / PAGE < 4096 ? BLOCK / PAGE : SPAN_PAGES)
#define ARGS		17
#define TRACE		32
#define THREADS		16

typedef unsigned long long ull;

/* A call that was made, for the message of a failure. */
struct walk_call {
	uint64_t fn, args[ARGS], res[3];
};

/*
 * A thread's memory is two blocks. The first is mapped as a whole, if a run can be as long. The
 * second has, from its start, the pages that are mapped and change their owner, the completion
 * queue, and from the middle of the span on the pages for EL2's pool.
 */
struct walker {
	unsigned int nr;		/* index of the thread */
	pthread_t thread;
	uint64_t chance;		/* state of the random numbers */
	uint64_t todo;			/* number of calls left */
	struct spec spec;
	uint8_t *mem;			/* two blocks, not adjacent in physical memory */
	uint64_t phys[2];		/* their addresses */
	struct nvme nvme;
	bool has_nvme, ready;		/* the device; its queue is set up */
	bool nests;			/* the device can have nested domains */
	struct stage1 tables;		/* of that which it has, see walk_nested.c */
	uint32_t spare;			/* stream of a device that is not used otherwise, or 0 */
	uint64_t calls, works, shared;
	uint64_t digest;		/* digest of all calls and answers */
	uint64_t reached, refused, faults;
	struct walk_call trace[TRACE];
};

/* Properties of the machine, constant once the threads run. */
struct machine {
	uint64_t seed;
	unsigned int threads;
	bool weak;			/* several threads: the pool is known in part */
	unsigned int limit, reach, sid_bits;	/* reach: of physical addresses */
	bool identity;
	/* Exclusive end of the streams that exist, if the IOMMU refuses all others; or 0. */
	uint64_t endpoints;
	uint64_t el2[32];		/* addresses that EL2 owns */
	unsigned int nr_el2;
	uint64_t regs, regs_size;	/* registers of the IOMMU */
	uint64_t ram_end;
	char replay[128];
};

extern struct machine machine;

#define CQ_PAGE		64	/* in the second block */
#define POOL_PAGES	256	/* from there to the end of the span */
#define WINDOW		(11ULL << 30)	/* I/O virtual address of the device's queue */

/* walk_call.c */
uint64_t below(struct walker *w, uint64_t n);
uint64_t chance(struct walker *w);
/* A call, checked by the specification. Returns x1. */
int64_t call(struct walker *w, uint64_t res[3], uint64_t op, uint64_t a1, uint64_t a2,
	     uint64_t a3, uint64_t a4);
int64_t call_args(struct walker *w, uint64_t res[3], const uint64_t args[ARGS]);
/* A call whose answer the caller checks. */
int64_t call_raw(struct walker *w, uint64_t fn, uint64_t res[3], const uint64_t args[ARGS]);
/* Print the failure and the last calls, and end. */
void wrong(struct walker *w, const char *fmt, ...)
	__attribute__((noreturn, format(printf, 2, 3)));

/* walk.c */
uint64_t page_of(struct walker *w, unsigned int block, unsigned int page);
void *memory_at(struct walker *w, uint64_t phys);
uint64_t some_page(struct walker *w);
uint64_t some_iova(struct walker *w);
uint64_t some_feed(struct walker *w);
bool feed(struct walker *w, uint64_t nr);
/* If all pages are in use: end a domain other than this one. */
void end_another(struct walker *w, uint64_t domain);
/* Returns the id of a new domain, or 0. */
uint64_t new_domain(struct walker *w, uint64_t kind, uint64_t root);
/* Attach a stream of the IOMMU to one of the thread's domains. */
void attach(struct walker *w, uint64_t sid);
/* Pass all mappings of a domain to an IOMMU. */
void replay(struct walker *w, uint64_t iommu, uint64_t domain);

/* walk_setup.c */
/* Blocks, which are never given back to the kernel: EL2 may keep some. */
uint8_t *setup_memory(unsigned int nr);
bool setup_machine(void);
/* Block the stream of the @nth device that nothing else uses. Returns it, or 0. */
uint32_t setup_spare(unsigned int nth);
/* Have the kernel take its unused pages back: the pool then has only ours. */
void setup_pool(void);
void setup_walker(struct walker *w, uint8_t *mem, uint64_t calls);

/* walk_dma.c */
void dma_open(struct walker *w);
void dma_step(struct walker *w);

struct expect {
	bool may, must_not;	/* both false: any result is right */
	uint64_t phys;		/* physical address, if it may */
	int reason;		/* reason of the fault; -1: maybe no record */
};

/* One device at a time: then the last fault in the log is its own. */
extern pthread_mutex_t dma_lock;
/* An access of the thread's device, which is attached or blocked; checked by @e. */
void dma_check(struct walker *w, uint64_t iova, bool write, struct expect e);

/* walk_nested.c */
void nested_open(struct walker *w);
void nested_step(struct walker *w);

/* walk_shared.c */
/* Open the shared domain; @phys is memory that nothing else uses. */
bool shared_open(uint64_t phys);
void shared_step(struct walker *w);
/* Check the shared state after all threads have ended. Returns NULL or a message. */
const char *shared_close(struct walker *w);
void pool_open(struct walker *w);
bool pool_give(struct walker *w);
bool pool_take(struct walker *w);

#endif
