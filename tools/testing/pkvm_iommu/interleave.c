// SPDX-License-Identifier: GPL-2.0
/*
 * Several CPUs. Each is a coroutine that does its acts in order. When a lock is taken
 * or released, and between acts, the CPU that continues is chosen at random, so that
 * critical sections run in every possible order. walk-race also switches before each
 * access to memory (access.c), which shows accesses that no lock guards, and models
 * the order of accesses on arm64: stores come late and loads early (weak.c).
 *
 * At each switch, memory that a device may reach has to be pinned. At the end, some
 * order of the acts has to explain all answers (spec-race.c) and all that devices
 * reach.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>

#include <linux/pkvm_iommu.h>

#include "runner.h"
#include "weak.h"

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define FIBERS_OF_ASAN
#endif
#elif defined(__SANITIZE_ADDRESS__)
#define FIBERS_OF_ASAN
#endif

#ifdef FIBERS_OF_ASAN
#include <sanitizer/common_interface_defs.h>
#define start_switch(fake, stack, size)	__sanitizer_start_switch_fiber(fake, stack, size)
#define finish_switch(fake, stack, size) __sanitizer_finish_switch_fiber(fake, stack, size)
#else
#define start_switch(fake, stack, size)	do { } while (0)
#define finish_switch(fake, stack, size) do { } while (0)
#endif

#define STACK	(256 << 10)

struct fiber {
	ucontext_t context;
	void *fake;		/* fake stack of ASan */
	const void *stack;
	size_t size;
	bool live;
	unsigned int cpu;
	struct env_lock *waits;
	u64 attaching;
};

/* The first one starts the others. */
static struct fiber fibers[1 + RACE_CPUS];
static struct fiber *this, *before;
static const struct act *race_acts;
static int nr_race_acts;
static struct spec_event events[MAX_RACE + RACE_PROBES];
static u64 race_chance, race_clock, race_rate;
u64 race_busy_streams;

static u64 chance(u64 n)
{
	race_chance = race_chance * 6364136223846793005ULL + 1442695040888963407ULL;

	return (race_chance >> 33) % n;
}

static void go_to(struct fiber *to, bool ends)
{
	struct fiber *from = this;

	from->attaching = smmu_attaching;
	before = from;
	this = to;
	env_this_cpu = to->cpu;
	smmu_attaching = to->attaching;
	weak_switch(to - fibers - 1);
	start_switch(ends ? NULL : &from->fake, to->stack, to->size);
	swapcontext(&from->context, &to->context);
	finish_switch(from->fake, NULL, NULL);
}

/* A CPU that can continue, or NULL. */
static struct fiber *choose(void)
{
	struct fiber *can[RACE_CPUS], *f;
	int nr = 0;

	for (f = fibers + 1; f < fibers + COUNT(fibers); f++) {
		if (f->live && (!f->waits || !f->waits->held || env_cpu_stopped(f->waits->cpu)))
			can[nr++] = f;
	}

	return nr ? can[chance(nr)] : NULL;
}

static void yield(struct env_lock *waits)
{
	struct fiber *next;

	weak_hide();
	env_atomic++;
	if (!ended)
		smmu_check_fresh();
	env_atomic--;
	weak_show();
	if (!waits && chance(2))
		return;
	this->waits = waits;
	next = choose();
	if (!next)
		fail("deadlock: all CPUs wait for %s and others", waits->held);
	if (next != this)
		go_to(next, false);
	this->waits = NULL;
}

/* EL2 is about to access memory: switch CPUs, in some races often, in others rarely. */
void race_access(void)
{
	/* More often while others see something else. */
	if (env_yield && !env_atomic && !weak_hidden() &&
	    !chance(weak_pending() ? 2 + race_rate / 4 : race_rate))
		yield(NULL);
}

/* Returns false if EL2 has stopped on this CPU. */
static bool race_act(const struct act *a, struct spec_event *e)
{
	weak_complete();
	*e = (struct spec_event) { .args = a->a, .start = ++race_clock };
	act_prepare(a);
	switch (a->kind) {
	case ACT_CALL:
		e->kind = SPEC_CALL;
		if (!env_hvc(false, a->a, e->res)) {
			if (!may_stop || !env_rightly)
				fail("EL2 stops in %s", env_bug_func);
			ended = true;
			return false;
		}
		break;
	case ACT_PAGE:
		e->kind = SPEC_PAGE;
		e->op = a->a[0];
		e->pfn = a->a[1];
		e->res[0] = env_page_op(a->a[0], a->a[1]);
		if ((int)e->res[0] == -EIO) {
			if (!may_stop || !env_rightly)
				fail("EL2 stops in %s", env_bug_func);
			ended = true;
			return false;
		}
		break;
	case ACT_EVENT:
		e->kind = SPEC_FAULT;
		e->iommu = a->a[0];
		e->fault = event_fault(a);
		e->room = make_event(a);
		break;
	default:
		fail("an act that is not for several CPUs");
	}
	weak_complete();
	e->end = ++race_clock;
	act_returned(a, e->res);
	if (a->kind == ACT_CALL)
		act_answers[!e->res[0]]++;
	if (a->kind == ACT_CALL && (int)e->res[0] == -EAGAIN &&
	    (a->a[0] == PKVM_IOMMU_ATTACH || a->a[0] == PKVM_IOMMU_DETACH))
		race_busy_streams++;
	env_no_locks();

	return true;
}

static void run_fiber(void)
{
	unsigned int nr = this - fibers - 1;
	int i;

	/* Only ASan knows the stack of the first fiber. */
	if (before == &fibers[0])
		finish_switch(NULL, &fibers[0].stack, &fibers[0].size);
	else
		finish_switch(NULL, NULL, NULL);
	for (i = 0; i < nr_race_acts; i++) {
		if (race_acts[i].cpu != nr)
			continue;
		if (!race_act(&race_acts[i], &events[i]))
			break;
		yield(NULL);
	}
	weak_complete();
	this->live = false;
	this->waits = NULL;
	/* If fibers are left and none can continue, they wait for each other. */
	for (i = 1; i < (int)COUNT(fibers); i++) {
		if (fibers[i].live)
			break;
	}
	if (i == COUNT(fibers)) {
		go_to(&fibers[0], true);
	} else {
		struct fiber *next = choose();

		if (!next)
			fail("deadlock: all other CPUs wait");
		go_to(next, true);
	}
}

/* Look up raced-for addresses at the end: their mappings tell one order from another. */
static int probe(int nr)
{
	static u64 args[RACE_PROBES][ARGS];
	const struct act *a;
	int n = 0;
	u64 i;

	for (a = race_acts; a < race_acts + nr_race_acts; a++) {
		if (a->kind != ACT_CALL ||
		    (a->a[0] != PKVM_IOMMU_MAP && a->a[0] != PKVM_IOMMU_MAP_LIST))
			continue;
		for (i = 0; i < 3 && n < RACE_PROBES; i++, n++) {
			struct spec_event *e = &events[nr + n];

			args[n][0] = PKVM_IOMMU_LOOKUP;
			args[n][1] = a->a[1];
			args[n][2] = a->a[2] + i * ENV_PAGE;
			*e = (struct spec_event) { .args = args[n], .start = ++race_clock };
			env_hvc(false, args[n], e->res);
			e->end = ++race_clock;
		}
	}

	return nr + n;
}

int race(const struct act *acts, int nr)
{
	static char *stacks;
	static int i;	/* static: a longjmp of another stack may intervene */
	const char *wrong;
	int n;
	char words[160];

	race_acts = acts;
	nr_race_acts = nr;
	race_chance = acts->group;
	race_rate = 4 << acts->group % 8;
	race_clock = 0;
	smmu_chance = acts->group;
	if (!stacks)
		stacks = malloc(RACE_CPUS * STACK);

	memset(fibers, 0, sizeof(fibers));
	fibers[0].cpu = env_this_cpu;
	for (i = 0; i < RACE_CPUS; i++) {
		struct fiber *f = &fibers[1 + i];

		for (n = 0; n < nr && (int)acts[n].cpu != i; n++)
			;
		f->live = n < nr;
		f->cpu = env_live_cpu(i);
		f->stack = stacks + i * STACK;
		f->size = STACK;
		getcontext(&f->context);
		f->context.uc_stack.ss_sp = stacks + i * STACK;
		f->context.uc_stack.ss_size = STACK;
		makecontext(&f->context, run_fiber, 0);
	}
	this = &fibers[0];
	weak_begin(acts->group, stacks, RACE_CPUS * STACK);
	env_yield = yield;
	go_to(choose(), false);
	env_yield = NULL;
	if (weak_active)
		note("at once: %llu loads were early, %llu stores late",
		     (unsigned long long)weak_stats.early, (unsigned long long)weak_stats.late);
	weak_end();
	env_this_cpu = env_live_cpu(0);

	for (i = 0; i < nr; i++) {
		act_words(&acts[i], words, sizeof(words));
		note("at once, CPU %u, %llu to %llu: %s = %lld, %#llx, %#llx", acts[i].cpu,
		     (unsigned long long)events[i].start, (unsigned long long)events[i].end, words,
		     (long long)events[i].res[0], (unsigned long long)events[i].res[1],
		     (unsigned long long)events[i].res[2]);
	}
	if (ended)
		return STOPPED;
	wrong = spec_race(&spec, events, probe(nr));
	if (wrong)
		fail("no order explains what calls at the same time return: %s", wrong);
	/* Some of the checks are slow with many mappings. */
	check_race(!(acts->group % 4));

	return 0;
}
