// SPDX-License-Identifier: GPL-2.0
/*
 * Random walks: a hostile host calls EL2 with arguments at their edges, while
 * pages change hands and devices do DMA. After each step the answer is compared
 * with the specification (spec.c), and what devices can reach, with the worst
 * caches, is compared with what it says they may (smmu.c).
 *
 *	walk [--config NAME] [--seed N] [--steps N] [--boot N] [--trace] [--list]
 *
 * Each boot is a process of its own. A failure prints the seed and the last
 * calls, and the command that repeats it.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <linux/pkvm_iommu.h>

#include "walk.h"

#define STEPS_PER_BOOT	5000

const struct config *config;
struct spec spec;
static u64 seed = 1, step, steps = 200000, boot_nr, only_boot = ~0ULL;
static bool tracing;
static const char *myself;
static u64 counts[16], answers[2];	/* calls per operation; that failed or not */

/* Chance: splitmix64. */
static u64 state;

u64 rnd(void)
{
	u64 z = state += 0x9e3779b97f4a7c15ULL;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;

	return z ^ (z >> 31);
}

u64 below(u64 n)
{
	return n ? rnd() % n : 0;
}

u64 smmu_random(u64 n)
{
	return below(n);
}

/* The last things that happened. */
#define TRACE	24
#define TRACE_LEN	160
static char trace[TRACE][TRACE_LEN];
static u64 traced;

void note(const char *fmt, ...)
{
	char *line = trace[traced++ % TRACE];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(line, TRACE_LEN, fmt, ap);
	va_end(ap);
	if (tracing)
		printf("# %llu: %s\n", (unsigned long long)step, line);
}

void fail(const char *fmt, ...)
{
	va_list ap;
	u64 i;

	fflush(stdout);
	printf("# FAILED: ");
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	printf("\n# in step %llu; what led to it:\n", (unsigned long long)step);
	for (i = traced > TRACE ? traced - TRACE : 0; i < traced; i++)
		printf("#   %s\n", trace[i % TRACE]);
	printf("# repeat: %s --config %s --seed %llu --boot %llu --steps %llu\n", myself,
	       config->name, (unsigned long long)seed, (unsigned long long)boot_nr,
	       (unsigned long long)steps);
	fflush(stdout);
	_exit(1);
}

/*
 * Memory of the host: page tables that open everything, or stream table entries
 * that bypass (4), translate with stage 1 (5) or with stage 2 (6).
 */
void scribble(u64 pfn)
{
	u64 *cpu = env_cpu(pfn * ENV_PAGE), *poc = env_poc(pfn * ENV_PAGE);
	bool entries = below(2);
	int i;

	for (i = 0; i < 512; i++) {
		u64 addr = below(2) ? ENV_RAM0 + below(2048) * ENV_PAGE : ENV_RAM2;

		if (entries && !(i % 8))
			cpu[i] = addr | 1 | (4 + below(3)) << 1;
		else if (entries && i % 8 == 2)
			cpu[i] = 1 | (64ULL - 36) << 32 | 1ULL << 38 | 1ULL << 51;
		else
			cpu[i] = addr | 0x6c1 | (below(2) << 1);
		poc[i] = cpu[i];
	}
}

static void range_says(u64 pa, u64 size, bool *must, bool *never)
{
	spec_range(&spec, pa, size, must, never);
}

bool mapping_says(u64 domain, u64 iova, u64 size, struct smmu_map *map)
{
	const struct spec_map *m = spec_mapped(&spec, domain, iova, size, &map->all);

	if (!m)
		return false;
	map->pa = iova - m->iova + m->phys;
	map->read = m->prot & PKVM_IOMMU_PROT_READ;
	map->write = m->prot & PKVM_IOMMU_PROT_WRITE;

	return true;
}

static const char *const names[] = {
	"attach", "detach", "topup", "reclaim", "fault", "info", "test", "domain alloc",
	"domain free", "map", "unmap", "lookup",
};

static void note_call(bool boot, const u64 *a, const u64 *res)
{
	static const char *const boot_names[] = { "register", "donate", "seal" };

	note("%s %s(%#llx, %#llx, %#llx, %#llx, %#llx) = %lld, %#llx, %#llx",
	     boot ? "boot" : "call", boot ? (a[0] < COUNT(boot_names) ? boot_names[a[0]] : "?") :
		    (a[0] < COUNT(names) ? names[a[0]] : "?"),
	     (unsigned long long)a[1], (unsigned long long)a[2], (unsigned long long)a[3],
	     (unsigned long long)a[4], (unsigned long long)a[5], (long long)res[0],
	     (unsigned long long)res[1], (unsigned long long)res[2]);
}

bool may_stop;

/* A call, judged. Returns x1, or 1 if EL2 stopped, rightly. */
int call5(bool boot, u64 *res, u64 op, u64 a1, u64 a2, u64 a3, u64 a4, u64 a5)
{
	u64 args[6] = { op, a1, a2, a3, a4, a5 };
	const char *wrong;

	res[0] = 0xdead;
	if (!env_hvc(boot, args, res)) {
		note("%s %llu(%#llx, %#llx, %#llx): EL2 stops", boot ? "boot" : "call",
		     (unsigned long long)op, (unsigned long long)a1, (unsigned long long)a2,
		     (unsigned long long)a3);
		if (!may_stop || !env_rightly)
			fail("EL2 stops in %s", env_bug_func);
		return 1;
	}
	note_call(boot, args, res);
	if (!boot) {
		counts[op < COUNT(counts) ? op : COUNT(counts) - 1]++;
		answers[!res[0]]++;
	}
	env_no_locks();
	wrong = boot ? spec_boot(&spec, args, res) : spec_call(&spec, args, res);
	if (wrong)
		fail("%s", wrong);

	return (int)res[0];
}

int call(bool boot, u64 *res, u64 op, u64 a1, u64 a2, u64 a3, u64 a4)
{
	return call5(boot, res, op, a1, a2, a3, a4, rnd());
}

/* Arguments at their edges. */

/* Checks after a step. */

bool is_smmu(int id)
{
	return id < config->nr;
}

void check_all(bool thorough)
{
	int i, n;

	for (i = 0; i < spec.nr_iommus; i++) {
		if (!is_smmu(i) || spec.iommu[i].dead)
			continue;
		smmu_check_enabled(i);
		if (!smmu_event_room(i) && spec.iommu[i].nr_faults < smmu_events(i))
			fail("events are not taken from the queue of smmu %d", i);
		smmu_check_reach(i, thorough);
		for (n = 0; thorough && n < spec.nr_streams; n++) {
			if (spec.stream[n].iommu == i)
				smmu_check_stream(i, spec.stream[n].sid, spec.stream[n].attached,
						  spec.stream[n].domain);
		}
	}
}

void check_one(u64 iommu, u64 sid)
{
	bool attached;

	if (spec.state == SPEC_SEALED && iommu < (u64)config->nr && !spec.iommu[iommu].dead &&
	    sid < 1ULL << 32) {
		attached = !(sid >> spec.iommu[iommu].sid_bits) &&
			   spec_attached(&spec, iommu, sid);
		smmu_check_stream(iommu, sid, attached,
				  attached ? spec_domain_of(&spec, iommu, sid) : 0);
	}
}

static void one_boot(u64 nr_steps)
{
	bool coherent = true, up;
	u64 pfn, breaks = ~0ULL;
	int i;

	for (i = 0; i < config->nr; i++)
		coherent &= config->smmu[i].coherent;
	env_init(coherent, config->ia);
	spec.cpu_bits = config->ia;
	spec_memory(&spec, ENV_RAM0, ENV_RAM0_END);
	spec_memory(&spec, ENV_RAM1, ENV_RAM1_END);
	spec_memory(&spec, ENV_RAM2, ENV_RAM2_END);
	for (pfn = ENV_CARVEOUT / ENV_PAGE; pfn < ENV_CARVEOUT_END / ENV_PAGE; pfn++)
		*spec_page(&spec, pfn) = SPEC_EL2;
	for (i = 0; i < config->nr; i++)
		smmu_add(&config->smmu[i]);
	smmu_range = range_says;
	smmu_mapping = mapping_says;
	smmu_limit = ~0ULL;
	if (config->expect == LOST)
		breaks = below(nr_steps / 2);

	up = boot_all();
	if (up)
		check_all(true);
	for (step = 0; step < nr_steps; step++) {
		if (!up) {
			/* Out of service: calls are refused, and change nothing. */
			(below(2) ? do_info() : below(2) ? do_attach(below(2)) :
			 below(2) ? do_topup() : do_reclaim(1));
			continue;
		}
		if (step == breaks) {
			smmu_break_sync(0, true);
			may_stop = true;
		}
		if (!one_step()) {
			aftermath();
			return;
		}
		/* A lost command shows later: nothing may be reachable meanwhile. */
		check_all(step % 16 == 0);
	}
	if (up && config->expect == LOST && breaks + 200 < nr_steps)
		fail("EL2 goes on without its IOMMU");
}

static void run(const struct config *c)
{
	u64 left = steps, first = only_boot == ~0ULL ? 0 : only_boot;
	struct timespec t0, t1;
	int status;

	config = c;
	clock_gettime(CLOCK_MONOTONIC, &t0);
	for (boot_nr = first; left; boot_nr++) {
		/* Where little happens, or not for long, there are more boots. */
		u64 most = c->expect == RUN || c->expect == TIMEOUT ? STEPS_PER_BOOT : 500;
		u64 n = left < most ? left : most;
		pid_t pid;

		fflush(stdout);
		pid = fork();
		if (!pid) {
			state = seed * 1000003 + boot_nr;
			one_boot(n);
			if (boot_nr == first)
				printf("# %s: seed %llu, in the first boot %llu of %llu calls succeed; "
				       "%llu invalidations, %llu syncs, %llu stale words, %llu events\n",
				       c->name, (unsigned long long)seed,
				       (unsigned long long)answers[1],
				       (unsigned long long)(answers[0] + answers[1]),
				       (unsigned long long)smmu_stats.invalidations,
				       (unsigned long long)smmu_stats.syncs,
				       (unsigned long long)smmu_stats.stale,
				       (unsigned long long)smmu_stats.events);
			exit(0);
		}
		if (pid < 0 || waitpid(pid, &status, 0) != pid) {
			perror("fork");
			exit(1);
		}
		if (!WIFEXITED(status) || WEXITSTATUS(status)) {
			if (WIFSIGNALED(status))
				printf("# killed by signal %d\n", WTERMSIG(status));
			printf("# failed: %s --config %s --seed %llu --boot %llu --steps %llu\n",
			       myself, c->name, (unsigned long long)seed,
			       (unsigned long long)boot_nr, (unsigned long long)n);
			exit(1);
		}
		left -= n;
		if (only_boot != ~0ULL)
			break;
	}
	clock_gettime(CLOCK_MONOTONIC, &t1);
	printf("# %s: %llu steps, %.1f s\n", c->name, (unsigned long long)(steps - left),
	       t1.tv_sec - t0.tv_sec + (t1.tv_nsec - t0.tv_nsec) / 1e9);
}

/* Memory is given back when the process ends. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
	return "detect_leaks=0";
}

int main(int argc, char **argv)
{
	const char *name = NULL;
	unsigned int i;
	int n;

	myself = argv[0];
	for (n = 1; n < argc; n++) {
		bool more = n + 1 < argc;

		if (!strcmp(argv[n], "--list")) {
			for (i = 0; i < nr_configs; i++)
				puts(configs[i].name);
			return 0;
		} else if (!strcmp(argv[n], "--trace")) {
			tracing = true;
		} else if (!strcmp(argv[n], "--config") && more) {
			name = argv[++n];
		} else if (!strcmp(argv[n], "--seed") && more) {
			seed = strtoull(argv[++n], NULL, 0);
		} else if (!strcmp(argv[n], "--steps") && more) {
			steps = strtoull(argv[++n], NULL, 0);
		} else if (!strcmp(argv[n], "--boot") && more) {
			only_boot = strtoull(argv[++n], NULL, 0);
		} else {
			fprintf(stderr, "usage: %s [--config NAME] [--seed N] [--steps N] [--boot N] [--trace] [--list]\n",
				argv[0]);
			return 2;
		}
	}
	n = 0;
	for (i = 0; i < nr_configs; i++) {
		if (name && strcmp(name, configs[i].name))
			continue;
		run(&configs[i]);
		n++;
	}
	if (!n) {
		fprintf(stderr, "no such configuration: %s\n", name);
		return 2;
	}

	return 0;
}
