// SPDX-License-Identifier: GPL-2.0
/*
 * Litmus tests of the model of weak memory itself (weak.c), with the primitives of
 * include/el2.h: each runs many times, with another seed each time. What arm64 permits
 * and the model is to show has to be seen, what arm64 forbids must not be. TAP on stdout.
 *
 *	litmus-model [RUNS]	times that each test runs, default 20000
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <ucontext.h>

#include "../weak.h"

#define CPUS	4		/* RACE_CPUS in runner.h */
#define STACK	(64 << 10)
#ifdef __clang__
#define NOT_HOOKED	__attribute__((disable_sanitizer_instrumentation))
#else
#define NOT_HOOKED	__attribute__((no_sanitize("thread")))
#endif

/* On different cache lines, as if it mattered. */
static struct {
	u64 x, y, z;
	u64 *p;
	u16 h;
	unsigned long bits;
	atomic64_t a;
	hyp_spinlock_t lock;
} m;
static u64 r[8];		/* values that were read; stored by code with hooks, compared by none */

static ucontext_t context[1 + CPUS];
static char stacks[CPUS][STACK];
static void (*thread[CPUS])(void);
static int now, live;
static u64 seed;
void (*env_yield)(struct env_lock *waits);
int env_atomic;
unsigned int env_this_cpu;

NOT_HOOKED static u64 chance(u64 n)
{
	seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;

	return (seed >> 33) % n;
}

NOT_HOOKED static void go_to(int to)
{
	int from = now;

	now = to;
	env_this_cpu = to - 1;
	weak_switch(to - 1);
	swapcontext(&context[from], &context[to]);
}

/* Somebody goes on, or the one who started them all. */
NOT_HOOKED static void next(void)
{
	int to;

	if (!live) {
		go_to(0);
		return;
	}
	do {
		to = chance(CPUS);
	} while (!(live & 1 << to));
	if (to + 1 != now)
		go_to(to + 1);
}

NOT_HOOKED static void yield(struct env_lock *waits)
{
	next();
}

NOT_HOOKED void race_access(void)
{
	if (env_yield && !env_atomic && !chance(3))
		next();
}

NOT_HOOKED void list_access(const void *addr)
{
}

NOT_HOOKED uint8_t *env_alias(const void *addr)
{
	return (uint8_t *)addr;
}

NOT_HOOKED uint64_t env_page_of(uint64_t pa)
{
	return 0;
}

NOT_HOOKED void env_visible(const void *addr)
{
}

NOT_HOOKED void env_store(const void *addr)
{
	weak_settle();
}

NOT_HOOKED void env_lock(struct env_lock *lock, const char *name)
{
	while (lock->held)
		next();
	lock->held = name;
	weak_lock(lock->released);
}

NOT_HOOKED void env_unlock(struct env_lock *lock, const char *name)
{
	lock->released = weak_release();
	lock->held = NULL;
	next();
}

NOT_HOOKED void fail(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	exit(1);
}

NOT_HOOKED static void run_thread(void)
{
	thread[now - 1]();
	weak_complete();
	live &= ~(1 << (now - 1));
	next();
}

/* Threads. A number is the place in r[] that the read value goes to. */
#define THREAD(name, ...)	static void name(void) { __VA_ARGS__; }
#define W(var, val)		WRITE_ONCE(m.var, val)
#define R(i, var)		(r[i] = READ_ONCE(m.var))
#define REL(var, val)		smp_store_release(&m.var, val)
#define ACQ(i, var)		(r[i] = smp_load_acquire(&m.var))

THREAD(none, )
THREAD(wx_ry, W(x, 1); R(0, y))
THREAD(wy_rx, W(y, 1); R(1, x))
THREAD(wx_mb_ry, W(x, 1); smp_mb(); R(0, y))
THREAD(wy_mb_rx, W(y, 1); smp_mb(); R(1, x))
THREAD(wx_dsbst_ry, W(x, 1); wmb(); R(0, y))
THREAD(wx_dmbst_ry, W(x, 1); smp_wmb(); R(0, y))
THREAD(wy_dsbst_rx, W(y, 1); wmb(); R(1, x))
THREAD(relx_acqy, REL(x, 1); ACQ(0, y))
THREAD(rely_acqx, REL(y, 1); ACQ(1, x))
THREAD(xchgx_ry, xchg(&m.x, 1); R(0, y))
THREAD(xchgy_rx, xchg(&m.y, 1); R(1, x))
THREAD(relaxedx_ry, xchg_relaxed(&m.x, 1); R(0, y))
THREAD(setbit_ry, set_bit(3, &m.bits); W(x, 1); R(0, y))
THREAD(wx_wy, W(x, 1); W(y, 1))
THREAD(wx_wmb_wy, W(x, 1); smp_wmb(); W(y, 1))
THREAD(wx_rely, W(x, 1); REL(y, 1))
THREAD(wx_addy, W(x, 1); atomic64_fetch_add_release(1, (atomic64_t *)&m.y))
THREAD(wx_addy_relaxed, W(x, 1); atomic64_fetch_add_relaxed(1, (atomic64_t *)&m.y))
THREAD(ry_rx, R(0, y); R(1, x))
THREAD(ry_rmb_rx, R(0, y); smp_rmb(); R(1, x))
THREAD(acqy_rx, ACQ(0, y); R(1, x))
THREAD(ry_acqx, R(0, y); ACQ(1, x))
THREAD(tryy_rx, u64 old = 1; r[0] = try_cmpxchg_acquire((u64 *)&m.y, &old, 2); R(1, x))
THREAD(wx_relp, W(x, 1); REL(p, (u64 *)&m.x))
THREAD(deref, u64 *p = READ_ONCE(m.p); r[0] = !!p; r[1] = p ? READ_ONCE(*p) : 0)
THREAD(wx12, W(x, 1); W(x, 2))
THREAD(rx_rx, R(0, x); R(1, x))
THREAD(wx3_rx, W(x, 3); R(0, x))
THREAD(wx1, W(x, 1))
THREAD(wy1, W(y, 1))
THREAD(rx_rely, R(0, x); REL(y, 1))
THREAD(acqy_rx_12, ACQ(1, y); R(2, x))
THREAD(acqx_ry_01, ACQ(0, x); R(1, y))
THREAD(acqy_rx_23, ACQ(2, y); R(3, x))
THREAD(rx_ry_01, R(0, x); R(1, y))
THREAD(ry_rx_23, R(2, y); R(3, x))
THREAD(ry_wx, R(0, y); W(x, 1))
THREAD(rx_wy, R(1, x); W(y, 1))
THREAD(wx1_wy2, W(x, 1); W(y, 2))
THREAD(wy1_wx2, W(y, 1); W(x, 2))
THREAD(wx1_wmb_wy2, W(x, 1); smp_wmb(); W(y, 2))
THREAD(wy1_wmb_wx2, W(y, 1); smp_wmb(); W(x, 2))
THREAD(locked_w, hyp_spin_lock(&m.lock); W(x, 1); W(y, 1); hyp_spin_unlock(&m.lock))
THREAD(locked_r, hyp_spin_lock(&m.lock); R(0, y); R(1, x); hyp_spin_unlock(&m.lock))
THREAD(inc3, int i; for (i = 0; i < 3; i++) atomic64_fetch_add_relaxed(1, &m.a))
THREAD(inc_h, u16 old = READ_ONCE(m.h); while (!try_cmpxchg_relaxed(&m.h, &old, old + 1)) ;)
THREAD(plain_inc, m.x++)
THREAD(bit_set, set_bit(1, &m.bits); set_bit(2, &m.bits))
THREAD(bit_clear, set_bit(0, &m.bits); clear_bit(0, &m.bits))

NOT_HOOKED static bool both_0(void) { return !r[0] && !r[1]; }
NOT_HOOKED static bool is_10(void) { return r[0] == 1 && !r[1]; }
NOT_HOOKED static bool backwards(void) { return r[0] > r[1]; }
NOT_HOOKED static bool not_own(void) { return r[0] != 3 && r[0] != 2; }
NOT_HOOKED static bool own_old(void) { return !r[0]; }
NOT_HOOKED static bool wrc(void) { return r[0] == 1 && r[1] == 1 && !r[2]; }
NOT_HOOKED static bool iriw(void) { return r[0] == 1 && !r[1] && r[2] == 1 && !r[3]; }
NOT_HOOKED static bool lb(void) { return r[0] == 1 && r[1] == 1; }
NOT_HOOKED static bool both_1(void) { return m.x == 1 && m.y == 1; }
NOT_HOOKED static bool not_12(void) { return m.a.counter != 12; }
NOT_HOOKED static bool not_h(void) { return m.h != 4; }
NOT_HOOKED static bool lost_inc(void) { return m.x != 2; }
NOT_HOOKED static bool lost_bit(void) { return m.bits != 6; }

static const struct test {
	const char *name;
	bool seen;
	bool (*outcome)(void);
	void (*thread[CPUS])(void);
} tests[] = {
	{ "SB", true, both_0, { wx_ry, wy_rx } },
	{ "SB, mb in one", true, both_0, { wx_mb_ry, wy_rx } },
	{ "SB, mb", false, both_0, { wx_mb_ry, wy_mb_rx } },
	{ "SB, dsb(st)", false, both_0, { wx_dsbst_ry, wy_dsbst_rx } },
	{ "SB, dmb(st) in one", true, both_0, { wx_dmbst_ry, wy_mb_rx } },
	{ "SB, release and acquire", true, both_0, { relx_acqy, rely_acqx } },
	{ "SB, xchg", false, both_0, { xchgx_ry, xchgy_rx } },
	{ "SB, set_bit in between", true, both_0, { setbit_ry, wy_mb_rx } },
	{ "MP", true, is_10, { wx_wy, ry_rx } },
	{ "MP, wmb alone", true, is_10, { wx_wmb_wy, ry_rx } },
	{ "MP, rmb alone", true, is_10, { wx_wy, ry_rmb_rx } },
	{ "MP, wmb and rmb", false, is_10, { wx_wmb_wy, ry_rmb_rx } },
	{ "MP, release alone", true, is_10, { wx_rely, ry_rx } },
	{ "MP, acquire alone", true, is_10, { wx_wy, acqy_rx } },
	{ "MP, acquire of the wrong one", true, is_10, { wx_rely, ry_acqx } },
	{ "MP, release and acquire", false, is_10, { wx_rely, acqy_rx } },
	{ "MP, release by an atomic", false, is_10, { wx_addy, acqy_rx } },
	{ "MP, relaxed atomic", true, is_10, { wx_addy_relaxed, acqy_rx } },
	{ "MP, acquire by an atomic", false, is_10, { wx_rely, tryy_rx } },
	{ "MP, lock", false, is_10, { locked_w, locked_r } },
	{ "MP, lock on one side", true, is_10, { locked_w, ry_rx } },
	{ "MP, release and dependency", false, is_10, { wx_relp, deref } },
	{ "CoRR", false, backwards, { wx12, rx_rx } },
	{ "CoWR", false, own_old, { wx3_rx, wx1 } },
	{ "CoWW", false, not_own, { wx3_rx, none } },
	{ "WRC, release and acquire", false, wrc, { wx1, rx_rely, acqy_rx_12 } },
	{ "IRIW", true, iriw, { wx1, wy1, rx_ry_01, ry_rx_23 } },
	{ "IRIW, acquire", false, iriw, { wx1, wy1, acqx_ry_01, acqy_rx_23 } },
	/* arm64 permits it; the model is stronger. */
	{ "LB", false, lb, { ry_wx, rx_wy } },
	{ "2+2W", true, both_1, { wx1_wy2, wy1_wx2 } },
	{ "2+2W, wmb", false, both_1, { wx1_wmb_wy2, wy1_wmb_wx2 } },
	{ "atomic additions", false, not_12, { inc3, inc3, inc3, inc3 } },
	{ "additions by compare and swap of 16 bits", false, not_h, { inc_h, inc_h, inc_h, inc_h } },
	{ "additions that are not atomic", true, lost_inc, { plain_inc, plain_inc } },
	{ "bits", false, lost_bit, { bit_set, bit_clear } },
};

/* Returns how often the outcome was seen. */
NOT_HOOKED static int run(const struct test *t, int runs)
{
	static int i, cpu, seen;	/* swapcontext() returns twice, for the compiler */

	seen = 0;
	for (i = 0; i < runs; i++) {
		seed = i + 1;
		chance(2);
		memset(&m, 0, sizeof(m));
		memset(r, 0, sizeof(r));
		now = 0;
		for (cpu = live = 0; cpu < CPUS; cpu++) {
			thread[cpu] = t->thread[cpu];
			if (!thread[cpu])
				continue;
			live |= 1 << cpu;
			getcontext(&context[1 + cpu]);
			context[1 + cpu].uc_stack.ss_sp = stacks[cpu];
			context[1 + cpu].uc_stack.ss_size = STACK;
			makecontext(&context[1 + cpu], run_thread, 0);
		}
		weak_begin(i, stacks, sizeof(stacks));
		env_yield = yield;
		next();
		env_yield = NULL;
		weak_end();
		seen += t->outcome();
	}

	return seen;
}

NOT_HOOKED int main(int argc, char **argv)
{
	int i, seen, failed = 0, runs = argc > 1 ? atoi(argv[1]) : 20000;

	printf("TAP version 13\n1..%d\n", (int)ARRAY_SIZE(tests));
	for (i = 0; i < ARRAY_SIZE(tests); i++) {
		seen = run(&tests[i], runs);
		failed += !seen == tests[i].seen;
		printf("%sok %d - %s: %d of %d\n", !seen == tests[i].seen ? "not " : "", i + 1,
		       tests[i].name, seen, runs);
	}

	return !!failed;
}
