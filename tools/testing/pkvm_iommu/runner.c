// SPDX-License-Identifier: GPL-2.0
/*
 * Random walks: a hostile host calls EL2 with arguments at their limits, while pages
 * change their owner and devices do DMA. After each step, the answer is compared with
 * the specification (spec.c), and the memory that devices can reach, with the worst
 * allowed cache contents, with the memory that they may reach (smmu.c, vdev.c).
 *
 *	walk-san [--config NAME] [--seed N] [--steps N] [--boot N] [--trace] [--list]
 *		 [--save FILE] [--no-shrink] [--races] [--no-weak]
 *	walk-san --replay FILE [--trace] [--no-weak]
 *
 * Each boot is a process of its own. The acts of a boot that failed are reduced to a
 * short list that still fails in the same way, see shrink.c. The list is printed and
 * saved, and --replay repeats it. For a nightly run, choose the seed and more steps:
 *
 *	walk-opt --seed $(date +%s) --steps 2000000
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "shrink.h"
#include "runner.h"
#include "weak.h"

#define STEPS_PER_BOOT	5000

static u64 seed = 1, steps = 200000, only_boot = ~0ULL;
static bool shrinking = true;
static const char *save_as;
static const char *myself, *weak_off = "";

static void one_boot(const struct config *c, u64 boot_nr, u64 nr_steps)
{
	engine_walk(nr_steps, engine_boot(c, boot_seed(seed, boot_nr)));
	/* The parent adds them up over all boots. */
	record->calls += act_answers[0] + act_answers[1];
	if (boot_nr && boot_nr != only_boot)
		return;
	printf("# %s: seed %llu, in the first boot %llu of %llu calls succeed; "
	       "%llu invalidations, %llu syncs, %llu stale words, %llu events\n",
	       c->name, (unsigned long long)seed, (unsigned long long)act_answers[1],
	       (unsigned long long)(act_answers[0] + act_answers[1]),
	       (unsigned long long)smmu_stats.invalidations,
	       (unsigned long long)smmu_stats.syncs,
	       (unsigned long long)smmu_stats.stale,
	       (unsigned long long)smmu_stats.events);
}

static void run(const struct config *c)
{
	u64 left = steps, first = only_boot == ~0ULL ? 0 : only_boot, boot_nr, calls = record->calls;
	struct timespec t0, t1;
	char repeat[512];
	double time;
	int status;

	clock_gettime(CLOCK_MONOTONIC, &t0);
	for (boot_nr = first; left; boot_nr++) {
		/* More and shorter boots for configurations that end early. */
		u64 most = c->expect == RUN || c->expect == TIMEOUT ? STEPS_PER_BOOT : 500;
		u64 n = left < most ? left : most;
		pid_t pid;

		fflush(stdout);
		record_reset();
		pid = fork();
		if (!pid) {
			snprintf(repeat, sizeof(repeat),
				 "%s --config %s --seed %llu --boot %llu --steps %llu%s%s",
				 myself, c->name, (unsigned long long)seed,
				 (unsigned long long)boot_nr, (unsigned long long)n,
				 mostly_races ? " --races" : "", weak_off);
			act_repeat = repeat;
			one_boot(c, boot_nr, n);
			exit(0);
		}
		if (pid < 0 || waitpid(pid, &status, 0) != pid) {
			perror("fork");
			exit(1);
		}
		if (!WIFEXITED(status) || WEXITSTATUS(status)) {
			if (WIFSIGNALED(status))
				printf("# killed by signal %d\n", WTERMSIG(status));
			printf("# failed: %s --config %s --seed %llu --boot %llu --steps %llu%s%s\n",
			       myself, c->name, (unsigned long long)seed,
			       (unsigned long long)boot_nr, (unsigned long long)n,
			       mostly_races ? " --races" : "", weak_off);
			if (shrinking)
				shrink(c, seed, boot_nr, status, save_as, myself);
			exit(1);
		}
		left -= n;
		if (only_boot != ~0ULL)
			break;
	}
	clock_gettime(CLOCK_MONOTONIC, &t1);
	time = t1.tv_sec - t0.tv_sec + (t1.tv_nsec - t0.tv_nsec) / 1e9;
	printf("# %s: %llu steps, %.1f s, %.2f million calls a minute\n", c->name,
	       (unsigned long long)(steps - left), time, (record->calls - calls) * 60 / time / 1e6);
}

/* Memory is freed when the process ends: no check for leaks. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
	return "detect_leaks=0";
}

int main(int argc, char **argv)
{
	const char *name = NULL, *replay_from = NULL;
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
			act_tracing = true;
		} else if (!strcmp(argv[n], "--no-shrink")) {
			shrinking = false;
		} else if (!strcmp(argv[n], "--races")) {
			mostly_races = true;
		} else if (!strcmp(argv[n], "--no-weak")) {
			weak_on = false;
			weak_off = " --no-weak";
		} else if (!strcmp(argv[n], "--config") && more) {
			name = argv[++n];
		} else if (!strcmp(argv[n], "--seed") && more) {
			seed = strtoull(argv[++n], NULL, 0);
		} else if (!strcmp(argv[n], "--steps") && more) {
			steps = strtoull(argv[++n], NULL, 0);
		} else if (!strcmp(argv[n], "--boot") && more) {
			only_boot = strtoull(argv[++n], NULL, 0);
		} else if (!strcmp(argv[n], "--save") && more) {
			save_as = argv[++n];
		} else if (!strcmp(argv[n], "--replay") && more) {
			replay_from = argv[++n];
		} else {
			fprintf(stderr, "usage: %s [--config NAME] [--seed N] [--steps N] [--boot N] [--trace]\n"
				"\t[--save FILE] [--no-shrink] [--races] [--no-weak] [--list]\n"
				"\t[--replay FILE]\n", argv[0]);
			return 2;
		}
	}
	record_init();
	if (replay_from)
		return replay(replay_from);
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
