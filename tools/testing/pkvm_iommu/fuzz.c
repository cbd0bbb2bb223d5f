// SPDX-License-Identifier: GPL-2.0
/*
 * For libFuzzer: the same checks as in the walk (runner.c). The fuzzer makes the
 * choices, guided by the branches of the EL2 sources that it reaches.
 *
 *	fuzz-calls	the input is a sequence of calls: an operation, then for each
 *			argument a byte for its kind, and its value
 *	fuzz-steps	the input replaces the random numbers of the walk
 *
 * Each input runs in a process forked from one that has booted, so that inputs do not
 * depend on each other; both share the memory of the branch counters. libFuzzer saves
 * an input that fails. Repeat it with
 *
 *	fuzz-calls FILE
 *
 * CONFIG= selects the hardware (walk-san --list), in both cases.
 *
 * A nightly run, with a corpus that grows:
 *
 *	fuzz-steps -max_total_time=28800 -max_len=4096 CORPUS
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/pkvm_iommu_test.h>

#include "runner.h"

#define LIMIT		20	/* seconds for an input */

/* Sections in which clang counts the branches of all objects. */
extern unsigned char __start___sancov_cntrs[], __stop___sancov_cntrs[];

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

static unsigned char *shared;

static size_t nr_counters(void)
{
	return __stop___sancov_cntrs - __start___sancov_cntrs;
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	const char *name = getenv("CONFIG");
	unsigned int i;

	for (i = 0; name && i < nr_configs && strcmp(configs[i].name, name); i++)
		;
	if (!name)
		i = 0;
	if (i == nr_configs || configs[i].expect != RUN) {
		fprintf(stderr, "CONFIG=%s: no configuration that boots; see walk-san --list\n", name);
		exit(2);
	}
	shared = mmap(NULL, nr_counters(), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		      -1, 0);
	if (shared == MAP_FAILED) {
		perror("mmap");
		exit(1);
	}
	act_repeat = "with the file that libFuzzer saves";
	if (!engine_boot(&configs[i], 1))
		fail("the layer is not in service");

	return 0;
}

#ifdef FUZZ_CALLS
/* An argument: small, an edge, an id, an address or a run, or eight bytes as they are. */
static u64 argument(void)
{
	switch (below(8)) {
	case 0:
		return 0;
	case 1:
		return below(256);
	case 2:
		return some_pfn();
	case 3:
		return some_iova() + below(2) * below(ENV_PAGE);
	case 4:
		return PKVM_IOMMU_RUN(some_pfn() * ENV_PAGE, below(256));
	case 5:
		return below(65536) * ENV_PAGE;
	case 6:
		return 1ULL << below(64);
	}

	return rnd();
}

static void one_input(void)
{
	struct act a = { .kind = ACT_CALL };
	u64 res[3];
	int i, nr;

	while (engine_nr_choices) {
		a.chance = noise();
		nr = 1 + below(ARGS);
		a.a[0] = below(256) < 240 ? below(PKVM_IOMMU_REGION + 2) : rnd();
		for (i = 1; i < ARGS; i++)
			a.a[i] = i < nr ? argument() : 0;
		/* Tests that break hardware on purpose. */
		if (a.a[0] == PKVM_IOMMU_TEST && a.a[1] > PKVM_IOMMU_TEST_INVALIDATIONS &&
		    a.a[1] != PKVM_IOMMU_TEST_PERMITTED)
			a.a[1] = PKVM_IOMMU_TEST_STREAM;
		act(&a, res);
		check_all(false);
	}
	check_all(true);
}
#else
static void one_input(void)
{
	engine_walk(~0ULL, true);
	check_all(true);
}
#endif

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
	int status;
	pid_t pid = fork();

	if (!pid) {
		alarm(LIMIT);
		env_unshare();
		engine_choices = data;
		engine_nr_choices = size;
		one_input();
		memcpy(shared, __start___sancov_cntrs, nr_counters());
		_exit(0);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid) {
		perror("fork");
		exit(1);
	}
	if (status)
		abort();
	memcpy(__start___sancov_cntrs, shared, nr_counters());

	return 0;
}
