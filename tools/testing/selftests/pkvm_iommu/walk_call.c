// SPDX-License-Identifier: GPL-2.0
/* The random walk: checked calls, random numbers, and failures. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tap.h"
#include "walk.h"

struct machine machine;

/* splitmix64 */
uint64_t chance(struct walker *w)
{
	uint64_t z = w->chance += 0x9e3779b97f4a7c15ULL;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
	return z ^ (z >> 31);
}

uint64_t below(struct walker *w, uint64_t n)
{
	return n ? chance(w) % n : 0;
}

static void print_call(const struct walk_call *c)
{
	static const char *const names[] = {
		"attach", "detach", "topup", "reclaim", "fault", "info", "test",
		"domain_alloc", "domain_free", "map", "unmap", "lookup", "flush", "replay",
		"map_list", "invalidate", "region",
	};
	int i, last = ARGS - 1;

	if (c->fn == PKVM_IOMMU_TEST_FN_SHARE_HYP)
		printf("#   share_hyp");
	else if (c->fn == PKVM_IOMMU_TEST_FN_UNSHARE_HYP)
		printf("#   unshare_hyp");
	else if (c->args[0] < sizeof(names) / sizeof(names[0]))
		printf("#   %s", names[c->args[0]]);
	else
		printf("#   operation %llu", (ull)c->args[0]);
	while (last > 0 && !c->args[last])
		last--;
	for (i = c->fn == PKVM_IOMMU_TEST_FN_CALL; i <= last; i++)
		printf(" %#llx", (ull)c->args[i]);
	printf(" = %lld, %#llx, %#llx\n", (long long)c->res[0], (ull)c->res[1],
	       (ull)c->res[2]);
}

void wrong(struct walker *w, const char *fmt, ...)
{
	static pthread_mutex_t once = PTHREAD_MUTEX_INITIALIZER;
	char text[256];
	va_list ap;
	uint64_t i;

	/* Other threads may continue, but print nothing any more. */
	pthread_mutex_lock(&once);
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	printf("# thread %u, its call %llu; what led to it:\n", w->nr, (ull)w->calls);
	for (i = w->calls > TRACE ? w->calls - TRACE : 0; i < w->calls; i++)
		print_call(&w->trace[i % TRACE]);
	tap_note("repeat: %s", machine.replay);
	tap_ok(false, "%s", text);
	tap_done();
	_exit(1);
}

int64_t call_raw(struct walker *w, uint64_t fn, uint64_t res[3], const uint64_t args[ARGS])
{
	struct walk_call *c = &w->trace[w->calls++ % TRACE];
	struct td_res r = td_raw(fn, args);
	int i;

	c->fn = fn;
	memcpy(c->args, args, sizeof(c->args));
	for (i = 0; i < ARGS; i++)
		w->digest = (w->digest ^ args[i]) * 0x100000001b3ULL;
	w->digest ^= r.err ^ r.x2 << 20 ^ r.x3 << 40;
	res[0] = r.err;
	res[1] = r.x2;
	res[2] = r.x3;
	memcpy(c->res, res, sizeof(c->res));
	if (r.x0)
		wrong(w, "the hypercall was not taken: %lld", (long long)r.x0);
	w->works += !res[0];
	return res[0];
}

int64_t call_args(struct walker *w, uint64_t res[3], const uint64_t args[ARGS])
{
	const char *what;

	if (machine.weak) {
		/* The other threads use the pool too. */
		w->spec.free_min = 0;
		w->spec.free_max = 1ULL << 40;
		w->spec.total = 1ULL << 40;
		w->spec.enough = 0;
		w->spec.enough_alloc = 0;
	}
	call_raw(w, PKVM_IOMMU_TEST_FN_CALL, res, args);
	what = spec_call(&w->spec, args, res);
	if (what)
		wrong(w, "the specification disagrees: %s", what);
	return res[0];
}

int64_t call(struct walker *w, uint64_t res[3], uint64_t op, uint64_t a1, uint64_t a2,
	     uint64_t a3, uint64_t a4)
{
	const uint64_t args[ARGS] = { op, a1, a2, a3, a4 };

	return call_args(w, res, args);
}
