// SPDX-License-Identifier: GPL-2.0
/*
 * Shortening a failure. The acts of the boot that failed are in shared memory. Each
 * half of them is left out in turn, then each quarter, and so on down to single acts.
 * A shorter list is kept if it fails with the same message, numbers ignored. Each
 * attempt is a process that boots with the same seed and does the acts of the list.
 *
 * A trace is text: a line for each act, with its kind, its seed, its group and CPU,
 * its arguments without trailing zeros, and after a # the act in words.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "shrink.h"

#define SECONDS		60	/* for all attempts */

static const char *const kinds[] = {
	[ACT_CALL] = "call", [ACT_PAGE] = "page", [ACT_DMA] = "dma", [ACT_EVENT] = "event",
	[ACT_GERROR] = "gerror", [ACT_SYNC] = "sync", [ACT_RESUME] = "resume",
};

void record_init(void)
{
	record = mmap(NULL, sizeof(*record), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (record == MAP_FAILED) {
		perror("mmap");
		exit(1);
	}
}

void record_reset(void)
{
	record->on = false;
	record->nr = 0;
	record->failure[0] = 0;
}

u64 boot_seed(u64 seed, u64 boot_nr)
{
	return seed * 1000003 + boot_nr;
}

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);

	return t.tv_sec + t.tv_nsec / 1e9;
}

/* Check that these acts still fail in the same way. */
static bool fails(const struct config *c, u64 seed, const struct act *acts, u64 nr,
		  int status, const char *failure)
{
	int got, fd;
	pid_t pid;

	fflush(stdout);
	record_reset();
	pid = fork();
	if (!pid) {
		fd = open("/dev/null", O_WRONLY);
		dup2(fd, 1);
		dup2(fd, 2);
		alarm(SECONDS);
		if (engine_boot(c, seed))
			engine_replay(acts, nr);
		_exit(0);
	}
	if (pid < 0 || waitpid(pid, &got, 0) != pid) {
		perror("fork");
		exit(1);
	}

	return got == status && !strcmp(record->failure, failure);
}

/* Leave out [from, to) of @acts. */
static u64 without(const struct act *acts, u64 nr, u64 from, u64 to, struct act *rest)
{
	memcpy(rest, acts, from * sizeof(*acts));
	memcpy(rest + from, acts + to, (nr - to) * sizeof(*acts));

	return nr - (to - from);
}

static void print_trace(FILE *f, const struct act *acts, u64 nr)
{
	char words[400];
	int last, n;
	u64 i;

	for (i = 0; i < nr; i++) {
		const struct act *a = &acts[i];

		fprintf(f, "%s %#llx %u %u", kinds[a->kind], (unsigned long long)a->chance,
			a->group, a->cpu);
		for (last = ARGS; last && !a->a[last - 1]; last--)
			;
		for (n = 0; n < last; n++)
			fprintf(f, " %#llx", (unsigned long long)a->a[n]);
		act_words(a, words, sizeof(words));
		fprintf(f, " # %s\n", words);
	}
}

static void save(const char *file, const struct config *c, u64 seed, const struct act *acts, u64 nr)
{
	FILE *f = fopen(file, "w");

	if (!f) {
		perror(file);
		return;
	}
	fprintf(f, "# pkvm-iommu trace of a walk; walk-san --replay repeats it\n");
	fprintf(f, "boot %s %#llx\n", c->name, (unsigned long long)seed);
	print_trace(f, acts, nr);
	fclose(f);
}

void shrink(const struct config *c, u64 seed, u64 boot_nr, int status, const char *save_as,
	    const char *myself)
{
	struct act *acts, *rest;
	u64 nr = record->nr, was = nr, size, from, tried = 0, left, i;
	char failure[sizeof(record->failure)], file[300], words[400];
	double end = now() + SECONDS;

	seed = boot_seed(seed, boot_nr);
	if (!nr || nr > MAX_ACTS)
		return;
	acts = malloc(nr * sizeof(*acts));
	rest = malloc(nr * sizeof(*acts));
	memcpy(acts, record->act, nr * sizeof(*acts));
	strcpy(failure, record->failure);

	if (!fails(c, seed, acts, nr, status, failure)) {
		printf("# the acts alone do not repeat it: only the whole walk does\n");
		return;
	}
	for (size = (nr + 1) / 2; size; size = size > 1 ? (size + 1) / 2 : 0) {
		for (from = 0; from < nr && now() < end;) {
			u64 to = from + size < nr ? from + size : nr;

			left = without(acts, nr, from, to, rest);
			tried++;
			if (fails(c, seed, rest, left, status, failure)) {
				memcpy(acts, rest, left * sizeof(*acts));
				nr = left;
			} else {
				from = to;
			}
		}
	}
	/* Clear the registers that EL2 ignores, if it still fails. */
	memcpy(rest, acts, nr * sizeof(*acts));
	for (i = 0; i < nr; i++)
		memset(&rest[i].a[1 + act_args(&rest[i])], 0,
		       (ARGS - 1 - act_args(&rest[i])) * sizeof(rest[i].a[0]));
	if (fails(c, seed, rest, nr, status, failure))
		memcpy(acts, rest, nr * sizeof(*acts));

	printf("# from %llu acts to %llu, in %llu attempts:\n", (unsigned long long)was,
	       (unsigned long long)nr, (unsigned long long)tried);
	for (i = 0; i < nr && i < 100; i++) {
		act_words(&acts[i], words, sizeof(words));
		if (acts[i].group)
			printf("#   at once, on CPU %u: %s\n", acts[i].cpu, words);
		else
			printf("#   %s\n", words);
	}
	snprintf(file, sizeof(file), "%s", save_as ? save_as : "walk.trace");
	save(file, c, seed, acts, nr);
	printf("# replay: %s --replay %s --trace\n", myself, file);
}

static bool parse(char *line, struct act *a)
{
	char *word = strtok(line, " ");
	u64 val[3 + ARGS] = {};
	unsigned int i;

	*a = (struct act) {};
	for (i = 0; i < COUNT(kinds); i++) {
		if (word && kinds[i] && !strcmp(word, kinds[i]))
			break;
	}
	if (i == COUNT(kinds))
		return false;
	a->kind = i;
	for (i = 0; i < COUNT(val); i++) {
		word = strtok(NULL, " ");
		if (!word && i < 3)
			return false;
		val[i] = word ? strtoull(word, NULL, 0) : 0;
	}
	a->chance = val[0];
	a->group = val[1];
	a->cpu = val[2];
	memcpy(a->a, val + 3, sizeof(a->a));

	return true;
}

int replay(const char *file)
{
	const struct config *c = NULL;
	struct act *acts = calloc(MAX_ACTS, sizeof(*acts));
	unsigned long long seed = 0;
	char line[1024], name[64];
	FILE *f = fopen(file, "r");
	unsigned int i;
	u64 nr = 0;

	if (!f) {
		perror(file);
		return 2;
	}
	while (fgets(line, sizeof(line), f)) {
		if (line[0] == '#' || line[0] == '\n')
			continue;
		if (sscanf(line, "boot %63s %llx", name, &seed) == 2) {
			for (i = 0; i < nr_configs; i++) {
				if (!strcmp(configs[i].name, name))
					c = &configs[i];
			}
			continue;
		}
		line[strcspn(line, "#")] = 0;
		if (nr == MAX_ACTS || !parse(line, &acts[nr++])) {
			fprintf(stderr, "%s: not an act: %s\n", file, line);
			return 2;
		}
	}
	fclose(f);
	if (!c) {
		fprintf(stderr, "%s: no line 'boot CONFIGURATION SEED' of a configuration that exists\n",
			file);
		return 2;
	}
	act_repeat = file;
	if (engine_boot(c, seed))
		engine_replay(acts, nr);
	printf("# %s: %llu acts, nothing wrong\n", file, (unsigned long long)nr);

	return 0;
}
