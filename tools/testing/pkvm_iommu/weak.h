/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Weak memory in races: the model of what arm64 permits beyond one order of all
 * accesses, see weak.c. Plain C, for access.c, env.c and interleave.c.
 */
#ifndef WEAK_H
#define WEAK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * On if the EL2 sources are compiled with hooks before each access (access.c sets
 * it before main()), unless --no-weak is given.
 */
extern bool weak_on;
/* A race is under way, and the model is on. */
extern bool weak_active;

/* Of this race: loads with a value that was overwritten, stores that came late. */
struct weak_stats {
	uint64_t early, late;
};

extern struct weak_stats weak_stats;

/* interleave.c: a race begins and ends; no CPU shares the memory at @stacks. */
void weak_begin(uint64_t seed, const void *stacks, size_t size);
void weak_end(void);
/* The CPU that runs is now @cpu, or nobody of the race: -1. */
void weak_switch(int cpu);
/* Everything before completes, and nothing after has begun: the boundary of an act. */
void weak_complete(void);
/* True if another CPU or a device now would see a difference to what this CPU sees. */
bool weak_pending(void);
/* Memory as all others see it: for hardware, and for checks. They nest. */
void weak_hide(void);
void weak_show(void);
/* True between the two: an access is not one of the CPU that runs. */
bool weak_hidden(void);

/* access.c: an instrumented access of the running CPU comes next. */
void weak_read(const void *addr, size_t size);
void weak_write(void *addr, size_t size);
/* The access that was announced last is over. */
void weak_settle(void);

/* env.c */
void weak_lock(uint64_t released);
uint64_t weak_release(void);	/* returns when */
void weak_mmio_read(void);
void weak_mmio_write(void);
/* A device is about to write to what EL2 sees at @addr. */
void weak_device_write(const void *addr, size_t size);
#endif /* WEAK_H */
