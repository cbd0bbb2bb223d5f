// SPDX-License-Identifier: GPL-2.0
/*
 * A model of weak memory for races: multi-copy atomic, as ARMv8 is.
 *
 * There is one order in time of all stores, that in which they reach memory. A store
 * first waits in the store buffer of its CPU, where only that CPU sees it. It leaves
 * the buffer when a barrier, a release or an atomic operation needs it to, or by
 * chance: in any order, except that stores to one address keep their order, a
 * release comes after all stores before it, and a DMB for stores divides the buffer.
 *
 * A load may have been satisfied early, so that it returns a value that was
 * overwritten since. It is as if each load had a time at which it looked at memory:
 * not before the last acquire, DSB or DMB of the CPU, not before the time at which
 * the CPU already saw, or made, a newer value of the same address, and not before the
 * value came to memory that a pointer to the address was read from (an address
 * dependency). Values that were overwritten are kept for a while.
 *
 * How it is done: memory has what the running CPU sees. Its waiting stores are taken
 * out (weak_hide()) when another CPU runs or hardware looks, and put back afterwards.
 * The hooks of access.c come before an access: for an early load, memory has the old
 * value until the next hook or call of the environment; the value of a store is
 * known from the next one on. Sources without hooks (page_alloc.c, env.c) act on
 * memory directly, and their stores are never delayed.
 *
 * Weaker than the architecture in nothing; stronger in this: a load is never later
 * than a store after it, a barrier makes the CPU wait, atomic operations see and make
 * the newest value at once, device accesses are not delayed, and what lies between
 * two acts is complete. A dependency other than through a pointer (an index) is not
 * recognized: early loads of what was found through one would be false alarms.
 */
#include <stdio.h>
#include <string.h>

#include "runner.h"
#include "weak.h"

typedef uint8_t u8;

#define STORES		32	/* in a store buffer */
#define MAX_STORE	4096
#define OLD		256	/* overwritten values */
#define MAX_LOAD	16
#define DEPS		64
#define BUCKETS		4096

struct store {
	u8 *addr;			/* as EL2 sees it */
	size_t size;
	u64 epoch, access;
	bool release;
	u8 was[MAX_STORE], now[MAX_STORE];
};

/* An overwritten value. Those of a large store are unknown: opaque. */
struct old {
	const u8 *addr;
	size_t size;
	bool opaque;
	unsigned int passed;		/* CPUs that saw, or made, something newer */
	u64 time, access;		/* when it was overwritten */
	u8 val[MAX_LOAD];
};

struct weak_cpu {
	/* The first @nr of @at, from the oldest on. */
	struct store store[STORES], *at[STORES];
	int nr;
	bool open;			/* the newest is not done yet */
	bool next_release;
	u64 epoch;
	u64 floor;			/* no load is earlier */
	u64 seen;			/* the latest of the loads */
	u64 drained;			/* the last of the stores */
	u64 start;			/* since when the value that was read last is there */
	struct {
		u64 page, time;
	} dep[DEPS];
	int next_dep;
	u64 last_dep;			/* the latest of their times */
	size_t early_size;		/* of a load with an old value; 0: none */
	u8 *early, real[MAX_LOAD], stale[MAX_LOAD];
};

bool weak_on, weak_active;
struct weak_stats weak_stats;
static struct weak_cpu cpus[RACE_CPUS], *this;
static int hidden;
static u64 clock, accesses, old_chance, drain_rate, early_rate, window;
static struct old old[OLD];
static u64 nr_old, oldest_time;		/* of those that are forgotten */
static unsigned short bucket[BUCKETS];
static const u8 *stacks, *stacks_end;

static u64 chance(u64 n)
{
	old_chance = old_chance * 6364136223846793005ULL + 1442695040888963407ULL;

	return (old_chance >> 33) % n;
}

static u64 max(u64 a, u64 b)
{
	return a > b ? a : b;
}

static bool overlap(const u8 *a, size_t n, const u8 *b, size_t m)
{
	return a < b + m && b < a + n;
}

/* Overwritten values. */

static void count(const u8 *addr, size_t size, int by)
{
	u64 i;

	for (i = (u64)addr / 16; i <= ((u64)addr + size - 1) / 16; i++)
		bucket[i % BUCKETS] += by;
}

/* A hint that saves looking. */
static bool maybe_old(const u8 *addr, size_t size)
{
	u64 i;

	for (i = (u64)addr / 16; i <= ((u64)addr + size - 1) / 16; i++) {
		if (bucket[i % BUCKETS])
			return true;
	}

	return false;
}

static void overwrite(const u8 *addr, size_t size, const u8 *val, int by)
{
	struct old *o = &old[nr_old % OLD];

	if (nr_old++ >= OLD) {
		oldest_time = o->time;
		count(o->addr, o->size, -1);
	}
	*o = (struct old) { .addr = addr, .size = size, .opaque = size > MAX_LOAD,
			    .time = ++clock, .access = accesses };
	if (by >= 0)
		o->passed = 1U << by;
	if (!o->opaque)
		memcpy(o->val, val, size);
	count(addr, size, 1);
}

/*
 * The next older one than number @i that overlaps with the range, or -1. An early
 * load of the CPU that finds none may be of any time since @oldest_time.
 */
static long next_old(long i, const u8 *addr, size_t size)
{
	long last = nr_old > OLD ? (long)(nr_old - OLD) : 0;

	while (--i >= last) {
		if (overlap(old[i % OLD].addr, old[i % OLD].size, addr, size))
			return i;
	}

	return -1;
}

static u64 time_of(long i)
{
	return i < 0 ? oldest_time : old[i % OLD].time;
}

/* This CPU has seen what overwrote number @i; it sees no older one from here on. */
static void pass(long i, const u8 *addr, size_t size)
{
	for (; i >= 0; i = next_old(i, addr, size))
		old[i % OLD].passed |= 1U << (this - cpus);
}

/* The store buffer. */

static bool is_private(const u8 *addr)
{
	return addr >= stacks && addr < stacks_end;
}

void weak_settle(void)
{
	struct store *s;

	if (!weak_active || !this || hidden)
		return;
	if (this->early_size) {
		if (!memcmp(this->early, this->stale, this->early_size))
			memcpy(this->early, this->real, this->early_size);
		this->early_size = 0;
	}
	if (this->open) {
		this->open = false;
		s = this->at[this->nr - 1];
		memcpy(s->now, env_alias(s->addr), s->size);
		/* A release that changes nothing still orders what follows the value. */
		if (!s->release && !memcmp(s->now, s->was, s->size)) {
			this->nr--;
			if (maybe_old(s->addr, s->size))
				pass(next_old(nr_old, s->addr, s->size), s->addr, s->size);
		}
	}
}

static void take(int i)
{
	struct store *s = this->at[i];

	memmove(&this->at[i], &this->at[i + 1], (this->nr - i - 1) * sizeof(*this->at));
	this->at[--this->nr] = s;
}

/* Memory has changed for all. */
static void visible(const u8 *addr)
{
	weak_hide();
	env_visible(addr);
	weak_show();
}

static void drain(int i)
{
	struct store *s = this->at[i];
	const u8 *addr = s->addr;

	overwrite(s->addr, s->size, s->was, this - cpus);
	/* Whatever this CPU stored or read there is at least as new. */
	pass(nr_old - 1, s->addr, s->size);
	this->drained = clock;
	weak_stats.late += accesses != s->access;
	take(i);
	visible(addr);
}

static bool can_drain(int i)
{
	struct store *s = this->at[i];
	int n;

	for (n = 0; n < i; n++) {
		if (s->release || this->at[n]->epoch < s->epoch ||
		    overlap(this->at[n]->addr, this->at[n]->size, s->addr, s->size))
			return false;
	}

	return true;
}

/* Some store that may leave the buffer does; the oldest always may. */
static void drain_one(void)
{
	int i = chance(this->nr);

	while (!can_drain(i))
		i--;
	drain(i);
}

/* Others may run in between. */
static void drain_all(void)
{
	while (this->nr) {
		drain_one();
		if (this->nr && env_yield && !env_atomic && !chance(8))
			env_yield(NULL);
	}
}

/* The first @nr, in order. */
static void drain_first(int nr)
{
	while (nr--)
		drain(0);
}

static void drain_by_chance(void)
{
	accesses++;
	while (this->nr && !chance(drain_rate))
		drain_one();
}

bool weak_pending(void)
{
	weak_settle();

	return weak_active && this && this->nr;
}

/*
 * Take the waiting stores out, from the newest on. If memory has not what the newest
 * one left there, sources without hooks have stored there since: then all that
 * waits has reached memory before that.
 */
void weak_hide(void)
{
	struct store *s;
	int i, n;

	if (!weak_active || !this)
		return;
	weak_settle();
	if (hidden++)
		return;
	for (i = this->nr - 1; i >= 0; i--) {
		s = this->at[i];
		if (!memcmp(env_alias(s->addr), s->now, s->size)) {
			memcpy(env_alias(s->addr), s->was, s->size);
			continue;
		}
		for (i++; i < this->nr; i++)
			memcpy(env_alias(this->at[i]->addr), this->at[i]->now, this->at[i]->size);
		for (n = 0; n < this->nr; n++) {
			s = this->at[n];
			overwrite(s->addr, s->size, s->was, this - cpus);
			pass(nr_old - 1, s->addr, s->size);
		}
		this->drained = clock;
		this->nr = 0;
		env_visible(NULL);
		break;
	}
}

void weak_show(void)
{
	struct store *s;
	int i;

	if (!weak_active || !this || --hidden)
		return;
	for (i = 0; i < this->nr; i++) {
		s = this->at[i];
		memcpy(s->was, env_alias(s->addr), s->size);
		memcpy(env_alias(s->addr), s->now, s->size);
	}
}

bool weak_hidden(void)
{
	return weak_active && this && hidden;
}

/* Accesses. */

void weak_write(void *addr, size_t size)
{
	struct store *s;

	if (!weak_active || !this || env_atomic || is_private(addr) || size > MAX_STORE)
		return;
	weak_settle();
	drain_by_chance();
	if (this->nr == STORES)
		drain_one();
	s = this->at[this->nr++];
	s->addr = addr;
	s->size = size;
	s->epoch = this->epoch;
	s->access = accesses;
	s->release = this->next_release;
	this->next_release = false;
	memcpy(s->was, env_alias(addr), size);
	this->open = true;
}

/* Since when the address that a load uses can have been known. */
static u64 dep_time(const u8 *addr)
{
	u64 page = (u64)addr / ENV_PAGE, time = 0;
	int i;

	if (this->last_dep <= this->floor)
		return 0;
	/* The target of a pointer may extend into the next page. */
	for (i = 0; i < DEPS; i++) {
		if (this->dep[i].page == page || this->dep[i].page == page - 1)
			time = max(time, this->dep[i].time);
	}

	return time;
}

/* A value that was read may be a pointer, or the address of a page with attributes. */
static void add_dep(u64 val, u64 time)
{
	u64 pages[2] = { val / ENV_PAGE, env_page_of(val << 16 >> 16 & ~(ENV_PAGE - 1)) };
	int i;

	this->last_dep = max(this->last_dep, time);
	for (i = 0; i < 2; i++) {
		if (!pages[i])
			continue;
		this->dep[this->next_dep % DEPS].page = pages[i];
		this->dep[this->next_dep++ % DEPS].time = time;
	}
}

void weak_read(const void *ptr, size_t size)
{
	const u8 *addr = ptr;
	u64 floor, since;
	long i, chosen = -1;
	u64 val;

	if (!weak_active || !this || env_atomic || is_private(addr))
		return;
	weak_settle();
	drain_by_chance();
	this->start = 0;
	/* It sees its own stores. */
	for (i = 0; i < this->nr; i++) {
		if (overlap(this->at[i]->addr, this->at[i]->size, addr, size))
			return;
	}
	since = dep_time(addr);
	if (maybe_old(addr, size)) {
		floor = max(this->floor, since);
		i = next_old(nr_old, addr, size);
		while (i >= 0 && size <= MAX_LOAD) {
			struct old *o = &old[i % OLD];

			if (o->opaque || o->addr > addr || o->addr + o->size < addr + size ||
			    o->passed & 1U << (this - cpus) || o->time <= floor ||
			    accesses - o->access > window || chance(early_rate))
				break;
			chosen = i;
			i = next_old(i, addr, size);
		}
		this->start = time_of(i);
		pass(i, addr, size);
		this->seen = max(this->seen, this->start);
		since = max(since, this->start);
	}
	if (chosen >= 0) {
		this->early = env_alias(addr);
		this->early_size = size;
		memcpy(this->real, this->early, size);
		memcpy(this->stale, old[chosen % OLD].val + (addr - old[chosen % OLD].addr), size);
		memcpy(this->early, this->stale, size);
		weak_stats.early++;
	}
	if (size == 8 && since > this->floor) {
		memcpy(&val, env_alias(addr), 8);
		add_dep(val, since);
	}
}

/* Order. */

void env_acquire(void)
{
	if (!weak_active || !this || env_atomic)
		return;
	weak_settle();
	this->floor = max(this->floor, this->start);
}

void env_release(void)
{
	if (!weak_active || !this || env_atomic)
		return;
	weak_settle();
	this->next_release = true;
}

static void barrier(enum env_scope scope, bool dsb)
{
	weak_settle();
	if (scope == ENV_STORES && !dsb) {
		this->epoch++;
		return;
	}
	if (scope != ENV_LOADS)
		drain_all();
	if (scope != ENV_STORES)
		this->floor = max(this->floor, this->seen);
	/* An access after a DSB, or DMB, comes after the stores before it. */
	if (scope != ENV_LOADS)
		this->floor = max(this->floor, this->drained);
}

void env_dmb(enum env_scope scope)
{
	if (weak_active && this && !env_atomic)
		barrier(scope, false);
	weak_hide();
	env_visible(NULL);
	weak_show();
}

void env_dsb(enum env_scope scope)
{
	if (weak_active && this && !env_atomic)
		barrier(scope, true);
	weak_hide();
	env_visible(NULL);
	weak_show();
}

void weak_complete(void)
{
	if (!weak_active || !this)
		return;
	weak_settle();
	drain_all();
	this->floor = this->seen = this->drained = clock;
}

/* A loop waits for others. */
void weak_lock(u64 released)
{
	weak_settle();
	if (weak_active && this)
		this->floor = max(this->floor, released);
}

u64 weak_release(void)
{
	if (!weak_active || !this)
		return 0;
	weak_settle();
	drain_all();

	return ++clock;
}

void weak_mmio_read(void)
{
	weak_settle();
	if (weak_active && this)
		this->seen = clock;
}

/* A DMB for stores orders earlier ones before the write to a device, too. */
void weak_mmio_write(void)
{
	int i;

	if (!weak_active || !this)
		return;
	weak_settle();
	for (i = this->nr; i && this->at[i - 1]->epoch == this->epoch; i--)
		;
	drain_first(i);
}

void weak_device_write(const void *addr, size_t size)
{
	const u8 *p = addr;

	if (!weak_active)
		return;
	for (; size; p += 8, size -= size < 8 ? size : 8)
		overwrite(p, size < 8 ? size : 8, env_alias(p), -1);
}

static u64 load(const u8 *from, int size)
{
	u64 val = 0;

	memcpy(&val, from, size);	/* little endian */

	return val;
}

static u64 result(enum env_rmw op, u64 val, u64 arg)
{
	switch (op) {
	case ENV_XCHG: return arg;
	case ENV_ADD: return val + arg;
	case ENV_OR: return val | arg;
	case ENV_AND: return val & arg;
	case ENV_XOR: return val ^ arg;
	case ENV_CMPXCHG: return arg;
	}

	return val;
}

/*
 * An atomic operation; @expected is of ENV_CMPXCHG, which orders nothing if it fails.
 * It takes place in memory, at once. What its own CPU has to store before is there.
 */
u64 env_rmw(volatile void *ptr, int size, enum env_rmw op, u64 expected, u64 arg, int order)
{
	const u8 *addr = (const u8 *)ptr;
	u64 mask = ~0ULL >> (64 - 8 * size), was, now;
	bool weak = weak_active && this && !env_atomic;
	u8 *mem = env_alias(addr);
	int i;

	if (weak) {
		weak_settle();
		drain_by_chance();
		/* A comparison may succeed or fail depending on other CPUs meanwhile. */
		if (order & ENV_RELEASE)
			drain_all();
		for (i = this->nr; i; i--) {
			struct store *s = this->at[i - 1];

			if (s->epoch < this->epoch || overlap(s->addr, s->size, addr, size))
				break;
		}
		drain_first(i);
	}
	was = load(mem, size);
	if (weak) {
		i = maybe_old(addr, size) ? next_old(nr_old, addr, size) : -1;
		this->start = i < 0 ? 0 : time_of(i);
		pass(i, addr, size);
		this->seen = max(this->seen, this->start);
		if (size == 8)
			add_dep(was, max(dep_time(addr), this->start));
	}
	if (op == ENV_CMPXCHG && was != (expected & mask))
		return was;
	now = result(op, was, arg);
	if (weak) {
		overwrite(addr, size, mem, this - cpus);
		pass(nr_old - 1, addr, size);
	}
	memcpy(mem, &now, size);
	if (weak) {
		if (order & ENV_ACQUIRE)
			this->floor = max(this->floor, this->start);
		if (order == ENV_FULL)
			this->floor = max(this->floor, clock);
		visible(addr);
	} else {
		env_store(addr);
	}

	return was;
}

/* Races. */

void weak_begin(u64 seed, const void *private, size_t size)
{
	int i, n;

	if (!weak_on)
		return;
	/* Which CPU stores late, or loads early, differs from race to race. */
	old_chance = seed * 0x9e3779b97f4a7c15ULL + 1;
	drain_rate = 2 << chance(8);
	early_rate = 2 + chance(3);
	window = 32 << chance(8);
	nr_old = 0;
	oldest_time = clock;
	weak_stats = (struct weak_stats) {};
	memset(bucket, 0, sizeof(bucket));
	for (i = 0; i < RACE_CPUS; i++) {
		struct weak_cpu *c = &cpus[i];

		c->nr = c->next_dep = c->early_size = 0;
		c->open = c->next_release = false;
		c->floor = c->seen = c->drained = clock;
		c->epoch = c->start = c->last_dep = 0;
		memset(c->dep, 0, sizeof(c->dep));
		for (n = 0; n < STORES; n++)
			c->at[n] = &c->store[n];
	}
	stacks = private;
	stacks_end = stacks + size;
	this = NULL;
	hidden = 0;
	weak_active = true;
}

void weak_switch(int cpu)
{
	if (!weak_active)
		return;
	weak_hide();
	this = cpu < 0 ? NULL : &cpus[cpu];
	hidden = this ? 1 : 0;
	weak_show();
}

void weak_end(void)
{
	weak_active = false;
	this = NULL;
}
