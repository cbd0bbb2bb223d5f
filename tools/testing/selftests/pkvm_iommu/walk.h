/* SPDX-License-Identifier: GPL-2.0 */
#ifndef WALK_H
#define WALK_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "nvme.h"
#include "phys.h"
#include "spec.h"
#include "testdev.h"

/*
 * The random walk of walk.c: what each of its threads has. The files:
 *
 *	walk.c		steps: a hostile host, and its memory
 *	walk_call.c	calls, judged by the specification; chance; failures
 *	walk_setup.c	what comes before
 *	walk_dma.c	physical truth
 *	walk_shared.c	what all threads fight over
 */
#define BLOCK		0x200000UL
#define BLOCK_PAGES	(BLOCK / PAGE)
#define ARGS		17
#define TRACE		32
#define THREADS		16

typedef unsigned long long ull;

/* A call as it was made: to be told if something goes wrong. */
struct walk_call {
	uint64_t fn, args[ARGS], res[3];
};

/*
 * A thread's memory is two blocks of 2 MiB: one to be mapped as a whole, and pages.
 * In the second lie, from its start: those that are mapped and change hands, the
 * completion queue, and, in the upper half, those for EL2's pool.
 */
struct walker {
	unsigned int nr;		/* of the thread */
	pthread_t thread;
	uint64_t chance;		/* state of the generator */
	uint64_t todo;			/* calls */
	struct spec spec;
	uint8_t *mem;			/* two blocks, not next to each other for devices */
	uint64_t phys[2];		/* their addresses */
	struct nvme nvme;
	bool has_nvme, ready;		/* the device; its queue is set up */
	uint32_t spare;			/* another device's stream, or 0 */
	uint64_t calls, works, shared;
	uint64_t digest;		/* of all calls and answers */
	uint64_t reached, refused, faults;
	struct walk_call trace[TRACE];
};

/* What the machine is like, constant once the threads run. */
struct machine {
	uint64_t seed;
	unsigned int threads;
	bool weak;			/* several threads: one pool, nobody knows all of it */
	unsigned int limit, reach, sid_bits;	/* reach: of physical addresses */
	bool identity;
	/* Without it, the IOMMU refuses streams of no device: there is none from here on. */
	uint64_t endpoints;
	uint64_t el2[32];		/* addresses that are EL2's */
	unsigned int nr_el2;
	uint64_t regs, regs_size;	/* of the IOMMU */
	uint64_t ram_end;
	char replay[128];
};

extern struct machine machine;

#define CQ_PAGE		64	/* in the second block */
#define POOL_PAGES	256	/* from there to its end */
#define WINDOW		(11ULL << 30)	/* where the device has its queue */

/* walk_call.c */
uint64_t below(struct walker *w, uint64_t n);
uint64_t chance(struct walker *w);
/* A call; the specification judges it. Returns x1. */
int64_t call(struct walker *w, uint64_t res[3], uint64_t op, uint64_t a1, uint64_t a2,
	     uint64_t a3, uint64_t a4);
int64_t call_args(struct walker *w, uint64_t res[3], const uint64_t args[ARGS]);
/* One whose answer the caller judges. */
int64_t call_raw(struct walker *w, uint64_t fn, uint64_t res[3], const uint64_t args[ARGS]);
/* Say what went wrong and what led to it, and end. */
void wrong(struct walker *w, const char *fmt, ...)
	__attribute__((noreturn, format(printf, 2, 3)));

/* walk.c */
uint64_t page_of(struct walker *w, unsigned int block, unsigned int page);
void *memory_at(struct walker *w, uint64_t phys);
uint64_t some_iova(struct walker *w);
uint64_t some_feed(struct walker *w);
bool feed(struct walker *w, uint64_t nr);
/* When all pages are in use: end a domain other than this. */
void end_another(struct walker *w, uint64_t domain);
/* Attach a stream of the IOMMU to one of the thread's domains. */
void attach(struct walker *w, uint64_t sid);
/* Tell an IOMMU all of what is mapped in a domain. */
void replay(struct walker *w, uint64_t iommu, uint64_t domain);

/* walk_setup.c */
/* Blocks of 2 MiB, which are never given back to the kernel: EL2 may keep some. */
uint8_t *setup_memory(unsigned int nr);
bool setup_machine(void);
/* The stream of the @nth device that is there for nothing else, blocked; or 0. */
uint32_t setup_spare(unsigned int nth);
/* The kernel's unused pages are the kernel's again: then all in the pool is ours. */
void setup_pool(void);
void setup_walker(struct walker *w, uint8_t *mem, uint64_t calls);

/* walk_dma.c */
void dma_open(struct walker *w);
void dma_step(struct walker *w);

/* walk_shared.c */
/* Whose pages nobody else uses. */
bool shared_open(uint64_t phys);
void shared_step(struct walker *w);
/* When all threads have ended: NULL, or what is wrong. */
const char *shared_close(struct walker *w);
void pool_open(struct walker *w);
bool pool_give(struct walker *w);
bool pool_take(struct walker *w);

#endif
