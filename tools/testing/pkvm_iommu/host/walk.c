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

#include "env.h"
#include "smmu.h"
#include "spec.h"

typedef uint64_t u64;
typedef uint32_t u32;

#define COUNT(a)	(sizeof(a) / sizeof((a)[0]))
#define STEPS_PER_BOOT	5000

/* What the hardware is like, and what has to come of it. */
enum expect { RUN, LOST, TIMEOUT, REFUSE, AUDIT, OFF, UNFED, STAGES, TESTS };

struct config {
	const char *name;
	bool lies;			/* the firmware says that it snoops */
	unsigned int ia;		/* physical addresses of the CPU, in bits */
	enum expect expect;
	int nr, tests;			/* IOMMUs, and test backends after them */
	u64 flags;
	struct smmu_config smmu[3];
	int why;
};

#define AT(where)	.base = where, .size = 0x20000
#define BIG		.two_level = true, .sid_bits = 16, .cmdq_bits = 8, .evtq_bits = 7
#define SMALL		.sid_bits = 7, .cmdq_bits = 6, .evtq_bits = 1

static const struct config configs[] = {
	{ .name = "two-level", .ia = 36, .nr = 1, .smmu = { {
		AT(0x9050000), BIG, .s1 = true, .s2 = true, .coherent = true, .hyp = true,
		.oas = 44, .ril = true } } },
	{ .name = "stage1", .ia = 36, .nr = 1, .smmu = { {
		AT(0x9050000), BIG, .s1 = true, .coherent = true, .oas = 44, .msi = true } } },
	{ .name = "stage1-forced", .ia = 39, .nr = 1, .flags = PKVM_IOMMU_F_STAGE1, .smmu = { {
		AT(0x9050000), BIG, .s1 = true, .s2 = true, .coherent = true, .oas = 40,
		.ril = true, .ats = true, .ovr = true } } },
	{ .name = "linear", .ia = 44, .nr = 1, .flags = PKVM_IOMMU_F_LINEAR, .smmu = { {
		AT(0x9050000), .two_level = true, .sid_bits = 9, .cmdq_bits = 7, .evtq_bits = 3,
		.s1 = true, .s2 = true, .coherent = true, .hyp = true, .oas = 52,
		.msi = true, .ats = true, .ovr = true } } },
	{ .name = "noncoherent", .ia = 36, .nr = 1, .smmu = { {
		AT(0x9050000), BIG, .s2 = true, .oas = 36, .latency = 3, .ril = true } } },
	{ .name = "noncoherent-s1", .ia = 36, .nr = 1, .smmu = { {
		AT(0x9050000), SMALL, .s1 = true, .oas = 36, .ats = true } } },
	{ .name = "noncoherent-lied", .ia = 36, .nr = 1, .lies = true, .smmu = { {
		AT(0x9050000), BIG, .s1 = true, .s2 = true, .oas = 36 } } },
	{ .name = "small", .ia = 32, .nr = 1, .smmu = { {
		AT(0x9050000), .sid_bits = 0, .cmdq_bits = 6, .evtq_bits = 0,
		.s2 = true, .coherent = true, .oas = 32 } } },
	{ .name = "several", .ia = 40, .nr = 3, .tests = 1, .smmu = {
		{ AT(0x9050000), BIG, .s1 = true, .s2 = true, .coherent = true, .oas = 44 },
		{ AT(0x40520000), SMALL, .s2 = true, .coherent = true, .oas = 40, .latency = 1 },
		{ AT(0x9070000), .two_level = true, .sid_bits = 7, .cmdq_bits = 10,
		  .evtq_bits = 2, .s1 = true, .s2 = true, .coherent = true, .oas = 42,
		  .hyp = true, .ats = true, .msi = true, .ril = true } } },
	{ .name = "mixed-coherency", .ia = 36, .nr = 2, .smmu = {
		{ AT(0x9050000), SMALL, .s1 = true, .s2 = true, .coherent = true, .oas = 44 },
		{ AT(0x9070000), BIG, .s1 = true, .oas = 40 } } },
	{ .name = "sid32", .ia = 36, .nr = 1, .smmu = { {
		AT(0x9050000), .two_level = true, .sid_bits = 32, .cmdq_bits = 19,
		.evtq_bits = 19, .s1 = true, .s2 = true, .coherent = true, .oas = 48 } } },
	{ .name = "reach32", .ia = 40, .nr = 1, .smmu = { {
		AT(0x9050000), BIG, .s1 = true, .s2 = true, .coherent = true, .oas = 32 } } },
	{ .name = "reach48", .ia = 48, .nr = 1, .smmu = { {
		AT(0x9050000), BIG, .s1 = true, .s2 = true, .coherent = true, .oas = 48 } } },
	{ .name = "fetch-errors", .ia = 36, .nr = 1, .smmu = { {
		AT(0x9050000), BIG, .s1 = true, .s2 = true, .coherent = true, .oas = 44,
		.fetch_errors = 20, .latency = 2 } } },
	{ .name = "lost-sync", .ia = 36, .nr = 1, .expect = LOST, .smmu = { {
		AT(0x9050000), BIG, .s1 = true, .s2 = true, .coherent = true, .oas = 44 } } },
	{ .name = "dead-gbpa", .ia = 36, .nr = 2, .expect = TIMEOUT, .smmu = {
		{ AT(0x9050000), BIG, .s2 = true, .coherent = true, .oas = 44, .dead_gbpa = true },
		{ AT(0x9070000), BIG, .s2 = true, .coherent = true, .oas = 44 } } },
	{ .name = "dead-cr0", .ia = 36, .nr = 2, .expect = TIMEOUT, .smmu = {
		{ AT(0x9050000), BIG, .s2 = true, .coherent = true, .oas = 44, .dead_cr0 = true },
		{ AT(0x9070000), BIG, .s2 = true, .coherent = true, .oas = 44 } } },
	{ .name = "dead-irq", .ia = 36, .nr = 2, .expect = TIMEOUT, .smmu = {
		{ AT(0x9050000), BIG, .s2 = true, .coherent = true, .oas = 44, .dead_irq = true },
		{ AT(0x9070000), BIG, .s2 = true, .coherent = true, .oas = 44 } } },
	{ .name = "dead-sync", .ia = 36, .nr = 2, .expect = TIMEOUT, .smmu = {
		{ AT(0x9050000), BIG, .s2 = true, .coherent = true, .oas = 44, .dead_sync = true },
		{ AT(0x9070000), BIG, .s2 = true, .coherent = true, .oas = 44 } } },
	{ .name = "audit", .ia = 36, .nr = 1, .expect = AUDIT, .smmu = { {
		AT(0x9050000), BIG, .s2 = true, .coherent = true, .oas = 44 } } },
	{ .name = "off", .ia = 36, .nr = 1, .expect = OFF, .smmu = { {
		AT(0x9050000), BIG, .s2 = true, .coherent = true, .oas = 44 } } },
	{ .name = "no-memory", .ia = 36, .nr = 1, .expect = UNFED, .smmu = { {
		AT(0x9050000), BIG, .s2 = true, .coherent = true, .oas = 44 } } },
	{ .name = "no-common-stage", .ia = 36, .nr = 2, .expect = STAGES, .smmu = {
		{ AT(0x9050000), BIG, .s2 = true, .coherent = true, .oas = 44 },
		{ AT(0x9070000), BIG, .s1 = true, .coherent = true, .oas = 44 } } },
	{ .name = "tests-only", .ia = 36, .tests = 32, .expect = TESTS },
#define REFUSED(n, reason, ...)	{ .name = "refuse-" n, .ia = 36, .nr = 1, .expect = REFUSE,\
		.why = PKVM_IOMMU_REFUSE_##reason, .smmu = { { .base = 0x9050000,	\
		.two_level = true, .sid_bits = 16, .evtq_bits = 7, .coherent = true,	\
		.oas = 44, __VA_ARGS__ } } }
#define Q	.size = 0x20000, .cmdq_bits = 8
	REFUSED("no-stage", STAGE, Q),
	REFUSED("no-4k", GRANULE, Q, .s2 = true, .no_gran4k = true),
	REFUSED("stall", STAGE, Q, .s2 = true, .idr0_flip = 3 << 24),
	REFUSED("big-endian", STAGE, Q, .s2 = true, .idr0_flip = 1 << 21),
	REFUSED("preset-tables", PRESET, Q, .s2 = true, .idr1_set = 1 << 30),
	REFUSED("preset-queues", PRESET, Q, .s2 = true, .idr1_set = 1 << 29),
	REFUSED("ecmdq", PRESET, Q, .s2 = true, .idr1_set = 1U << 31),
	REFUSED("small-queue", PRESET, .size = 0x20000, .s2 = true, .cmdq_bits = 5),
	REFUSED("short", MMIO, .size = 0x10000, .cmdq_bits = 8, .s2 = true),
};

static const struct config *config;
static struct spec spec;
static u64 seed = 1, step, steps = 200000, boot_nr, only_boot = ~0ULL;
static bool tracing;
static const char *myself;
static u64 counts[16], answers[2];	/* calls per operation; that failed or not */

/* Chance: splitmix64. */
static u64 state;

static u64 rnd(void)
{
	u64 z = state += 0x9e3779b97f4a7c15ULL;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;

	return z ^ (z >> 31);
}

static u64 below(u64 n)
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

static void note(const char *fmt, ...)
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
static void scribble(u64 pfn)
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

static bool mapping_says(u64 domain, u64 iova, u64 size, struct smmu_map *map)
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

static bool may_stop;		/* an IOMMU lost a command: EL2 may end */

/* A call, judged. Returns x1, or 1 if EL2 stopped, rightly. */
static int call5(bool boot, u64 *res, u64 op, u64 a1, u64 a2, u64 a3, u64 a4, u64 a5)
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

static int call(bool boot, u64 *res, u64 op, u64 a1, u64 a2, u64 a3, u64 a4)
{
	return call5(boot, res, op, a1, a2, a3, a4, rnd());
}

/* Arguments at their edges. */

#define WHOLE_BLOCK	0x40200000ULL

static u64 some_pfn(void)
{
	static const u64 edges[] = {
		0, 1, ENV_RAM0 / ENV_PAGE - 1, ENV_RAM0 / ENV_PAGE, ENV_RAM0_END / ENV_PAGE - 1,
		ENV_RAM0_END / ENV_PAGE, ENV_RAM1 / ENV_PAGE, ENV_RAM1 / ENV_PAGE + 1,
		ENV_RAM1_END / ENV_PAGE - 1, ENV_RAM1_END / ENV_PAGE,
		ENV_RAM2 / ENV_PAGE, ENV_RAM2_END / ENV_PAGE - 1, ENV_RAM2_END / ENV_PAGE,
		ENV_CARVEOUT / ENV_PAGE - 1, ENV_CARVEOUT / ENV_PAGE, 0x9050, 0x906f,
		1ULL << 20, (1ULL << 24) - 1, 1ULL << 24, 1ULL << 32, 1ULL << 36, 1ULL << 40,
		1ULL << 52, ~0ULL >> 12, ~0ULL,
	};
	u64 base = edges[below(COUNT(edges))];

	switch (below(16)) {
	case 0:
		return base + below(5) - 2;
	case 1:
		return base << below(13);
	case 2 ... 4:
		return ENV_RAM1 / ENV_PAGE + below((ENV_RAM1_END - ENV_RAM1) / ENV_PAGE);
	case 5:
		return ENV_RAM2 / ENV_PAGE + below((ENV_RAM2_END - ENV_RAM2) / ENV_PAGE);
	case 6 ... 7:
		base = ENV_RAM0 / ENV_PAGE + below((ENV_RAM0_END - ENV_RAM0) / ENV_PAGE);
		/* Mostly, leave one block of 2 MiB whole. */
		return base / 512 == WHOLE_BLOCK / ENV_PAGE / 512 && below(200) ? base - 512 : base;
	}
	/* A few pages, again and again; across a table's end. */
	return ENV_RAM1 / ENV_PAGE + 0x1f0 + below(0x30);
}

static u64 some_number(u64 max)
{
	static const u64 strange[] = { 0, ~0ULL, 1ULL << 52, 1ULL << 51, (1ULL << 52) + 1,
				       1ULL << 32, 1ULL << 63 };

	switch (below(12)) {
	case 0:
		return strange[below(COUNT(strange))];
	case 1:
		return max + below(3) - 1;
	case 2 ... 6:
		return 1;
	}

	return 1 + below(max);
}

static u64 some_iommu(void)
{
	static const u64 strange[] = { ~0ULL, 32, 31, 1ULL << 32, 1ULL << 63 };

	if (!below(40))
		return strange[below(COUNT(strange))];
	if (!below(40))
		return spec.nr_iommus;

	return below(spec.nr_iommus);
}

/* A few streams, so that they are met again: neighbours, ends, far ones. */
static u64 some_sid(u64 iommu)
{
	static const u64 few[] = { 0, 1, 7, 8, 62, 63, 64, 65, 127, 128, 511, 512, 4095 };
	unsigned int bits = iommu < (u64)spec.nr_iommus ? spec.iommu[iommu].sid_bits : 8;
	u64 end = 1ULL << bits;

	switch (below(20)) {
	case 0:
		return end + below(3) - 1;
	case 1:
		return below(2) ? ~0ULL : 1ULL << (bits + below(64 - bits));
	case 2:
		return (1ULL << 32) | below(end);
	case 3:
		return below(40) * 1361 % end;
	case 4:
		return end - 1 - below(2);
	}

	return few[below(COUNT(few))] % end;
}

static u64 some_domain(void)
{
	static const u64 strange[] = { 1, 2, ~0ULL, 1ULL << 32, 1ULL << 63, 0xffff, 0x10000 };

	if (!below(30))
		return strange[below(COUNT(strange))];

	return below(3) ? spec.domain[below(SPEC_DOMAINS)].id : PKVM_IOMMU_DOMAIN_IDENTITY;
}

/* Of them, one that can have mappings. */
static u64 some_own_domain(void)
{
	int tries;
	u64 id;

	for (tries = below(16); tries; tries--) {
		id = spec.domain[below(SPEC_DOMAINS)].id;
		if (id)
			return id;
	}

	return some_domain();
}

/* A few places, so that mappings meet; across the ends of tables and of the range. */
static u64 some_iova(void)
{
	u64 few[] = { 0, 1ULL << 21, (1ULL << 30) - (1ULL << 21), 1ULL << 30, 2ULL << 30,
		      smmu_limit - (1ULL << 21), smmu_limit - (1ULL << 30),
		      smmu_limit - (3ULL << 30) };
	u64 iova = few[below(COUNT(few))];

	switch (below(20)) {
	case 0:
		return iova + below(ENV_PAGE);
	case 1:
		return smmu_limit - ENV_PAGE * (below(4) - 1);
	case 2:
		return rnd() >> below(64) & ~(ENV_PAGE - 1);
	case 3 ... 8:
		return iova;
	}

	return iova + (below(2) ? below(6) : 508 + below(8)) * ENV_PAGE;
}

static u64 some_size(void)
{
	static const u64 strange[] = { 0, 1, ENV_PAGE / 2, ~0ULL, 1ULL << 63, ~0xfffULL };
	u64 big = 1ULL << (21 + below(2));

	switch (below(24)) {
	case 0:
		return strange[below(COUNT(strange))];
	case 1:
		return smmu_limit >> below(12);
	case 2 ... 6:
		return big;
	case 7 ... 8:
		return big + (below(3) - 1) * ENV_PAGE;
	case 9:
		return (1 + below(5)) << 21;
	}

	return (1 + below(12)) * ENV_PAGE;
}

/* Memory or MMIO, often so that blocks are possible. */
static u64 some_phys(u64 iova)
{
	static const u64 blocks[] = { WHOLE_BLOCK, WHOLE_BLOCK, WHOLE_BLOCK, 0x40800000,
				      0x40a00000, 0x40400000, 0x9000000, 0x80000000,
				      ENV_RAM2 & ~0x1fffffULL };

	if (below(2))
		return some_pfn() * ENV_PAGE;

	return blocks[below(COUNT(blocks))] + (below(4) ? iova & 0x1fffff : 0);
}

/* A free page of the host's, or 0. */
static u64 host_page(void)
{
	int tries;

	for (tries = 0; tries < 50; tries++) {
		u64 pfn = some_pfn();
		unsigned char *page = spec_page(&spec, pfn);

		if (page && *page == SPEC_HOST && pfn < ENV_RAM2 / ENV_PAGE &&
		    !spec_pinned(&spec, pfn))
			return pfn;
	}

	return 0;
}

/* Checks after a step. */

static bool is_smmu(int id)
{
	return id < config->nr;
}

static void check_all(bool thorough)
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

static void check_one(u64 iommu, u64 sid)
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

/* Give the pool so many pages: 1, or 0 if there are none, or -1 if EL2 has stopped. */
static int give_pages(u64 n)
{
	u64 res[3], pfn;

	for (; n; n--) {
		pfn = host_page();
		if (!pfn)
			return 0;
		scribble(pfn);
		if (call(false, res, PKVM_IOMMU_TOPUP, pfn, 1, rnd(), rnd()) > 0)
			return -1;
	}

	return 1;
}

/* Steps. Each returns false if EL2 has stopped. */

static bool do_attach(bool attach)
{
	u64 iommu = some_iommu(), sid = some_sid(iommu), domain = some_domain(), res[3];

	/* Where it is attached, mostly. */
	if (!attach && below(4) && iommu < (u64)spec.nr_iommus &&
	    !(sid >> spec.iommu[iommu].sid_bits))
		domain = spec_domain_of(&spec, iommu, sid);
	smmu_attaching = domain;
	if (call(false, res, attach ? PKVM_IOMMU_ATTACH : PKVM_IOMMU_DETACH, iommu, sid,
		 domain, rnd()) > 0)
		return false;
	check_one(iommu, sid);
	/* Give just what it asks for, and ask again: the specification insists. */
	if ((int)res[0] == -ENOMEM && attach && below(2)) {
		int given = give_pages(res[1]);

		if (given <= 0)
			return !given;
		if (call(false, res, PKVM_IOMMU_ATTACH, iommu, sid, domain, rnd()) > 0)
			return false;
		check_one(iommu, sid);
	}

	return true;
}

/* Leave a domain with nothing but tables, in several places. */
static bool drain(u64 id)
{
	struct spec_domain *d;
	u64 res[3], i, end;

	for (d = spec.domain; d < spec.domain + SPEC_DOMAINS && d->id != id; d++)
		;
	if (!id || d == spec.domain + SPEC_DOMAINS || d->dying)
		return true;
	for (i = 0; i < 4; i++) {
		if (call5(false, res, PKVM_IOMMU_MAP, id, i << 30, 0x9000000, ENV_PAGE, 3) > 0)
			return false;
	}
	/* Each call gets somewhere, but for a block that it may not split. */
	for (i = 0; d->nr && i < 2000; i++) {
		end = d->map[0].iova + d->map[0].size;
		end = below(2) ? end : (end + 0x1fffff) & ~0x1fffffULL;
		if (call(false, res, PKVM_IOMMU_UNMAP, id, d->map[0].iova & ~0x1fffffULL,
			 end - (d->map[0].iova & ~0x1fffffULL), rnd()) > 0)
			return false;
	}
	if (d->nr)
		fail("domain %llu cannot be emptied", (unsigned long long)id);
	for (i = 0; i < (u64)spec.nr_streams; i++) {
		struct spec_stream st = spec.stream[i];

		if (st.attached && st.domain == id &&
		    call(false, res, PKVM_IOMMU_DETACH, st.iommu, st.sid, id, rnd()) > 0)
			return false;
	}

	return true;
}

static bool do_domain(void)
{
	u64 res[3], id;
	int i, n = 0, given;

	for (i = 0; i < SPEC_DOMAINS; i++)
		n += !!spec.domain[i].id;
	if (n < SPEC_DOMAINS && below(n + 1) < 2) {
		if (call(false, res, PKVM_IOMMU_DOMAIN_ALLOC, rnd(), rnd(), rnd(), rnd()) > 0)
			return false;
		if ((int)res[0] == -ENOMEM && below(2)) {
			given = give_pages(res[1]);
			if (given <= 0)
				return !given;
			call(false, res, PKVM_IOMMU_DOMAIN_ALLOC, rnd(), rnd(), rnd(), rnd());
		}
		return true;
	}
	id = some_domain();
	if (!below(4) && !drain(id))
		return false;
	for (i = 0; i < 2000; i++) {
		if (call(false, res, PKVM_IOMMU_DOMAIN_FREE, id, rnd(), rnd(), rnd()) != -EAGAIN ||
		    !below(3))
			return true;
	}
	fail("the end of a domain takes no end");
}

static bool do_map(void)
{
	const struct spec_domain *d = &spec.domain[below(SPEC_DOMAINS)];
	u64 id = some_own_domain(), iova = some_iova(), phys, size = some_size();
	u64 prot = below(20) ? 1 + below(31) : rnd() >> below(64), res[3], done;
	int given;

	/* Behind, or upon, what there is. */
	if (d->nr && below(2)) {
		const struct spec_map *m = &d->map[below(d->nr)];

		id = d->id;
		iova = below(8) ? m->iova + m->size : m->iova;
		size = below(2) ? size : (1 + below(3)) * ENV_PAGE;
	}
	phys = some_phys(iova);

	if (call5(false, res, PKVM_IOMMU_MAP, id, iova, phys, size, prot) > 0)
		return false;
	if ((int)res[0] != -ENOMEM || below(2))
		return true;
	done = res[1];
	given = give_pages(res[2]);
	if (given <= 0)
		return !given;
	call5(false, res, PKVM_IOMMU_MAP, id, iova + done, phys + done, size - done, prot);
	if ((int)res[0] == -ENOMEM && !res[1])
		fail("what -ENOMEM asked for was not enough");

	return true;
}

static bool do_unmap(void)
{
	struct spec_domain *d = &spec.domain[below(SPEC_DOMAINS)];
	u64 id = some_own_domain(), iova = some_iova(), size = some_size(), res[3];

	/* What is there, or nearly. */
	if (d->nr && below(6)) {
		const struct spec_map *m = &d->map[below(d->nr)];

		id = d->id;
		iova = m->iova;
		size = m->size;
		switch (below(8)) {
		case 0:
			iova += ENV_PAGE;
			break;
		case 1:
			size += ENV_PAGE;
			break;
		case 2:
			size -= size > ENV_PAGE ? ENV_PAGE : 0;
			break;
		case 3:
			size = ENV_PAGE;
			break;
		case 4:
			iova &= ~0x1fffffULL;
			size = 1ULL << 21;
			break;
		case 5:
			size = some_size();
			break;
		}
	}

	return call(false, res, PKVM_IOMMU_UNMAP, id, iova, size, rnd()) <= 0;
}

static bool do_lookup(void)
{
	u64 res[3];

	call(false, res, PKVM_IOMMU_LOOKUP, some_own_domain(), some_iova() + below(ENV_PAGE), rnd(),
	     rnd());

	return true;
}

static bool do_topup(void)
{
	u64 pfn = some_pfn(), nr = some_number(PKVM_IOMMU_TOPUP_MAX), res[3], i;

	for (i = 0; i < nr && i < 40; i++) {
		unsigned char *page = spec_page(&spec, pfn + i);

		if (page && *page == SPEC_HOST)
			scribble(pfn + i);
	}

	return call(false, res, PKVM_IOMMU_TOPUP, pfn, nr, rnd(), rnd()) <= 0;
}

static bool do_reclaim(u64 times)
{
	static const u64 zero[512];
	u64 res[3];

	for (; times; times--) {
		if (call(false, res, PKVM_IOMMU_RECLAIM, rnd(), rnd(), rnd(), rnd()))
			break;
		if (memcmp(env_cpu(res[1] * ENV_PAGE), zero, ENV_PAGE) ||
		    memcmp(env_poc(res[1] * ENV_PAGE), zero, ENV_PAGE))
			fail("page %#llx comes back with contents", (unsigned long long)res[1]);
		scribble(res[1]);
	}

	return true;
}

static bool do_page(void)
{
	/* From which state, and to which. */
	static const struct {
		enum spec_page from, to;
		const char *name;
	} ops[ENV_OPS] = {
		[ENV_SHARE_HYP]		= { SPEC_HOST, SPEC_HOST_SHARED, "share" },
		[ENV_UNSHARE_HYP]	= { SPEC_HOST_SHARED, SPEC_HOST, "unshare" },
		[ENV_DONATE_GUEST]	= { SPEC_HOST, SPEC_GUEST, "donate to guest" },
		[ENV_RECLAIM_GUEST]	= { SPEC_GUEST, SPEC_HOST, "reclaim from guest" },
		[ENV_GUEST_SHARE]	= { SPEC_GUEST, SPEC_BORROWED, "guest shares" },
		[ENV_GUEST_UNSHARE]	= { SPEC_BORROWED, SPEC_GUEST, "guest unshares" },
	};
	enum env_op op = below(ENV_OPS);
	unsigned char *page;
	u64 pfn;
	int tries, ret;

	for (tries = 0; tries < 20; tries++) {
		pfn = some_pfn();
		page = spec_page(&spec, pfn);
		if (page && *page == ops[op].from)
			break;
	}
	if (tries == 20)
		return true;
	ret = env_page_op(op, pfn);
	note("page %#llx: %s: %d", (unsigned long long)pfn, ops[op].name, ret);
	if ((op == ENV_DONATE_GUEST || op == ENV_GUEST_UNSHARE) && spec_pinned(&spec, pfn)) {
		if (ret != -EBUSY)
			fail("page %#llx changes hands, but is mapped", (unsigned long long)pfn);
		return true;
	}
	if (ret == -EIO) {
		if (!may_stop || !env_rightly)
			fail("EL2 stops in %s", env_bug_func);
		return false;
	}
	if (ret)
		fail("the environment refuses: %d", ret);
	env_no_locks();
	*page = ops[op].to;

	return true;
}

static bool do_fault(u64 times)
{
	u64 res[3], iommu;

	for (; times; times--) {
		iommu = some_iommu();
		if (iommu < (u64)config->nr && !below(20)) {
			smmu_raise_gerror(iommu, 1 << 2);
			spec.iommu[iommu].errors = 1 << 2;
		}
		call(false, res, PKVM_IOMMU_FAULT, iommu, rnd(), rnd(), rnd());
	}

	return true;
}

static bool do_info(void)
{
	u64 res[3];

	call(false, res, PKVM_IOMMU_INFO, below(10) ? below(4) : rnd() >> below(64), rnd(),
	     rnd(), rnd());

	return true;
}

static bool do_dma(void)
{
	static const int reasons[] = {
		[SMMU_BLOCKED]		= PKVM_IOMMU_FAULT_BLOCKED,
		[SMMU_UNMAPPED]		= PKVM_IOMMU_FAULT_UNMAPPED,
		[SMMU_PERMISSION]	= PKVM_IOMMU_FAULT_PERMISSION,
	};
	u64 iommu = below(config->nr), sid = some_sid(iommu) & 0xffffffff, pfn = some_pfn();
	u64 addr = ((pfn & (~0ULL >> 12)) * ENV_PAGE + below(ENV_PAGE)), pa, right = addr;
	bool write = below(2), attached, must, never, room;
	struct smmu_map map;
	enum smmu_result got;
	u64 domain = 0;

	/* Only what this hardware can express. */
	if (!config->nr || spec.iommu[iommu].dead || sid >> config->smmu[iommu].sid_bits)
		return true;
	attached = !(sid >> spec.iommu[iommu].sid_bits) && spec_attached(&spec, iommu, sid);
	if (attached)
		domain = spec_domain_of(&spec, iommu, sid);
	if (domain)
		addr = some_iova() + below(ENV_PAGE);
	spec_range(&spec, addr & ~(ENV_PAGE - 1), ENV_PAGE, &must, &never);
	if (domain) {
		must = mapping_says(domain, addr, 1, &map) && (write ? map.write : map.read);
		/* Stage 1 does not know what is only written. */
		never = !mapping_says(domain, addr, 1, &map) || (write && !map.write);
		right = map.pa;
	} else if (addr >= smmu_limit) {
		must = false;
		never = true;
	} else if (!env_cpu(addr) && !never) {
		return true;	/* MMIO: smmu_check_reach() looks at that */
	}
	room = smmu_event_room(iommu);
	got = smmu_dma(iommu, sid, addr, write, &pa);
	note("dma of stream %#llx of %llu: %s %#llx: %d%s", (unsigned long long)sid,
	     (unsigned long long)iommu, write ? "write" : "read", (unsigned long long)addr,
	     got, got && !room ? ", not recorded" : "");
	if (got == SMMU_BYPASS)
		fail("a device bypasses translation");
	if (got == SMMU_OK && (!attached || never || pa != right))
		fail("a device reaches what it must not");
	if (got != SMMU_OK && attached && must)
		fail("a device is refused what it may have");
	if (got != SMMU_OK) {
		struct spec_fault f = { .sid = sid, .reason = reasons[got],
					.write = write && got != SMMU_BLOCKED,
					.addr = got == SMMU_BLOCKED ? 0 : addr };

		spec_fault(&spec, iommu, f, room);
	}

	return true;
}

/* What devices can provoke but by an address. */
static bool do_strange(void)
{
	static const struct {
		int event, reason;
		bool address;
	} strange[] = {
		{ 0x03, PKVM_IOMMU_FAULT_HARDWARE, false },
		{ 0x07, PKVM_IOMMU_FAULT_FORBIDDEN, true },
		{ 0x08, PKVM_IOMMU_FAULT_FORBIDDEN, false },
		{ 0x12, PKVM_IOMMU_FAULT_PERMISSION, true },
		{ 0x24, PKVM_IOMMU_FAULT_UNKNOWN, false },
		{ 0x25, PKVM_IOMMU_FAULT_HARDWARE, false },
		{ 0xe0, PKVM_IOMMU_FAULT_UNKNOWN, false },
	};
	unsigned int which = below(COUNT(strange));
	u64 iommu = below(config->nr);
	struct spec_fault f = { .sid = some_sid(iommu), .reason = strange[which].reason };
	bool write = below(2), room;
	u64 addr = rnd();

	if (!config->nr || spec.iommu[iommu].dead)
		return true;
	if (strange[which].address) {
		f.write = write;
		f.addr = addr;
	}
	room = smmu_event_room(iommu);
	smmu_event(iommu, f.sid, strange[which].event, addr, write);
	note("event %#x of stream %#x of %llu%s", strange[which].event, f.sid,
	     (unsigned long long)iommu, room ? "" : ", not recorded");
	spec_fault(&spec, iommu, f, room);

	return true;
}

static bool do_test(void)
{
	u64 res[3], iommu = some_iommu();

	if (below(2))
		call(false, res, PKVM_IOMMU_TEST, PKVM_IOMMU_TEST_SHADOW,
		     (some_pfn() & (~0ULL >> 12)) * ENV_PAGE, rnd(), rnd());
	else
		call(false, res, PKVM_IOMMU_TEST, below(2) ? PKVM_IOMMU_TEST_STREAM :
		     PKVM_IOMMU_TEST_INVALIDATIONS, iommu, some_sid(iommu), rnd());

	return true;
}

static bool do_garbage(void)
{
	u64 res[3], op = below(2) ? PKVM_IOMMU_LOOKUP + 1 + below(4) : rnd() >> below(64);

	if (op <= PKVM_IOMMU_LOOKUP)
		return true;
	return call(false, res, op, rnd(), rnd() >> below(64), rnd(), rnd()) <= 0;
}

static bool one_step(void)
{
	switch (below(60)) {
	case 40 ... 42:
		return do_domain();
	case 43 ... 50:
		return do_map();
	case 51 ... 57:
		return do_unmap();
	case 58:
		return do_lookup();
	case 0 ... 6:
		return do_attach(true);
	case 7 ... 12:
		return do_attach(false);
	case 13 ... 15:
		return do_topup();
	case 16 ... 18:
		return do_reclaim(below(120) ? 1 : 10000);
	case 20 ... 29:
		return do_page();
	case 30 ... 31:
		return do_fault(below(8) ? 1 : 12);
	case 32 ... 33:
		return do_info();
	case 34 ... 37:
		return do_dma();
	case 19:
		return do_test();
	case 38:
		return below(4) ? do_dma() : do_strange();
	}

	return do_garbage();
}

/* Boot. */

static int boot(u64 *res, u64 op, u64 a1, u64 a2, u64 a3, u64 a4)
{
	return call(true, res, op, a1, a2, a3, a4);
}

/* Calls that must fail, or may as well; the specification knows. */
static void boot_noise(void)
{
	static const u64 bases[] = { 0, 1, 0x9050000, 0x9060000, 0x9040000, ENV_RAM0, 0x40500000,
				     ENV_RAM1_END, ~0xfffULL, 0x9050800 };
	u64 res[3];

	if (below(3))
		return;
	switch (below(5)) {
	case 0:
		/* A type that is unknown, or a range that cannot be: no hardware. */
		if (spec.state == SPEC_OPEN && !spec.nr_iommus) {
			boot(res, PKVM_IOMMU_BOOT_REGISTER, 2 + (rnd() >> below(62)),
			     bases[below(COUNT(bases))], 0x20000, 0);
			break;
		}
		if (spec.nr_iommus && spec.iommu[0].size)
			boot(res, PKVM_IOMMU_BOOT_REGISTER, PKVM_IOMMU_TYPE_SMMU_V3,
			     spec.iommu[0].base + 0x10000, 0x20000, rnd() & 7);
		break;
	case 1:
		/* Memory, from the start or further in; and a flag that is none. */
		boot(res, PKVM_IOMMU_BOOT_REGISTER, 0, below(2) ? ENV_RAM0 - ENV_PAGE :
		     ENV_RAM0_END - ENV_PAGE, 0x20000, below(2) ? 1 : 8);
		break;
	case 2:
		if (spec.nr_iommus)
			boot(res, PKVM_IOMMU_BOOT_DONATE, below(2) ? PKVM_IOMMU_POOL :
			     spec.nr_iommus + below(3), some_pfn() | 1ULL << 45,
			     some_number(PKVM_IOMMU_DONATE_MAX), 0);
		break;
	case 3:
		/* To an IOMMU that has its memory, or not as it wants it. */
		if (spec.nr_iommus && spec.iommu[spec.nr_iommus - 1].wants)
			boot(res, PKVM_IOMMU_BOOT_DONATE, spec.nr_iommus - 1, some_pfn() | 1,
			     some_number(PKVM_IOMMU_DONATE_MAX), 0);
		break;
	case 4:
		boot(res, PKVM_IOMMU_BOOT_SEAL, rnd() | 1ULL << 63, rnd(), 0, 0);
		break;
	}
}

/* Contiguous, aligned memory of the host; from the end, for what is large. */
static u64 find_range(u64 pages)
{
	u64 pfn, i, align = pages;

	while (align & (align - 1))
		align &= align - 1;
	for (pfn = ENV_RAM0 / ENV_PAGE; pfn < ENV_RAM1_END / ENV_PAGE; pfn += align) {
		for (i = 0; i < pages; i++) {
			unsigned char *page = spec_page(&spec, pfn + i);

			if (!page || *page != SPEC_HOST)
				break;
		}
		if (i == pages)
			return pfn;
	}
	fail("no %llu pages in a row", (unsigned long long)pages);
}

static bool boot_all(void)
{
	u64 res[3], pfn, n, i, flags = below(6) ? 0 : PKVM_IOMMU_F_PARTIAL;
	int id, ret;

	if (config->expect == OFF)
		flags |= PKVM_IOMMU_F_OFF;
	boot_noise();
	for (id = 0; id < config->nr + config->tests; id++) {
		bool test = id >= config->nr;
		const struct smmu_config *c = &config->smmu[test ? 0 : id];

		spec.new_oas = test ? 48 : c->oas;
		spec.refuses = config->expect == REFUSE;
		ret = boot(res, PKVM_IOMMU_BOOT_REGISTER,
			   test ? PKVM_IOMMU_TYPE_TEST : PKVM_IOMMU_TYPE_SMMU_V3,
			   test ? 0 : c->base, test ? 0 : c->size,
			   test ? PKVM_IOMMU_F_COHERENT :
			   (c->coherent || config->lies ? PKVM_IOMMU_F_COHERENT : 0) |
			   config->flags);
		if (config->expect == REFUSE) {
			if (ret != -ENXIO || (int)res[1] != config->why)
				fail("refused with %d, %llu", ret, (unsigned long long)res[1]);
			spec.refuses = false;
			/* And so the layer cannot be sealed. */
			boot(res, PKVM_IOMMU_BOOT_SEAL, 0, 0, 0, 0);
			return false;
		}
		if (ret)
			fail("cannot register");
		boot_noise();
		if (spec.iommu[id].wants && !spec.iommu[id].has && config->expect != UNFED) {
			pfn = find_range(spec.iommu[id].wants / ENV_PAGE);
			for (i = 0; i < spec.iommu[id].wants / ENV_PAGE; i++)
				scribble(pfn + i);
			if (boot(res, PKVM_IOMMU_BOOT_DONATE, id, pfn,
				 spec.iommu[id].wants / ENV_PAGE, 0))
				fail("cannot donate");
		}
	}

	for (id = 0; id < config->nr; id++) {
		const struct smmu_config *c = &config->smmu[id];

		if (c->dead_gbpa || c->dead_cr0 || c->dead_irq || c->dead_sync)
			spec.timeouts |= 1ULL << id;
	}
	if (config->expect == TESTS)	/* one more than there can be */
		boot(res, PKVM_IOMMU_BOOT_REGISTER, PKVM_IOMMU_TYPE_TEST, 0, 0, 0);
	spec.refuses = config->expect == STAGES;
	spec.audit_fails = config->expect == AUDIT;
	env_fail_ownership(spec.audit_fails);
	for (;;) {
		boot_noise();
		do_page();
		if (env_protected_vms())
			fail("protected VMs before the seal");
		ret = boot(res, PKVM_IOMMU_BOOT_SEAL, flags, rnd(), rnd(), rnd());
		if (ret == -EAGAIN)
			continue;
		if (ret != -ENOMEM)
			break;
		/* A part of what it asks for, in one place or in several. */
		for (n = 1 + below(res[1]); n; n -= i) {
			i = below(2) ? 1 : n < 32 ? n : 32;
			pfn = find_range(i);
			scribble(pfn);
			if (boot(res, PKVM_IOMMU_BOOT_DONATE, PKVM_IOMMU_POOL, pfn, i, 0))
				fail("cannot donate");
		}
	}
	if (env_protected_vms() != (spec.state == SPEC_OFF || spec.isolated))
		fail("protected VMs are %s", env_protected_vms() ? "allowed" : "refused");
	if (env_in_service() != (spec.state == SPEC_SEALED))
		fail("in service: %d", env_in_service());
	if (config->expect == OFF && !ret)
		return false;
	boot_noise();
	if (config->expect == UNFED || config->expect == STAGES) {
		if (ret != -ENXIO)
			fail("sealed in spite of all");
		return false;
	}
	if (config->expect == AUDIT) {
		if (ret != -EPERM)
			fail("sealed with a failed audit");
		return false;
	}
	if (ret != (config->expect == TIMEOUT ? -ETIMEDOUT :
		    config->expect == TESTS ? -ENODEV : 0))
		fail("cannot seal");
	for (id = 0; id < spec.nr_iommus; id++) {
		spec.iommu[id].sid_bits = 12;
		if (is_smmu(id))
			spec.iommu[id].sid_bits = spec.iommu[id].dead ?
				config->smmu[id].sid_bits : smmu_table_bits(id);
	}
	call(false, res, PKVM_IOMMU_INFO, PKVM_IOMMU_INFO_LIMIT, 0, 0, 0);
	smmu_limit = 1ULL << res[1];
	call(false, res, PKVM_IOMMU_INFO, PKVM_IOMMU_INFO_SHADOW, 0, 0, 0);

	return true;
}

/*
 * EL2 has stopped on one CPU. A hostile host goes on with the others, and the
 * hardware may recover: still nobody gets what a device may reach.
 */
static void aftermath(void)
{
	u64 args[6], res[3], i, n, pfn;
	enum env_op op;

	for (n = 0; n < 60; n++) {
		if (!below(20))
			smmu_break_sync(0, below(2));
		if (below(2)) {
			for (i = 1; i < 6; i++)
				args[i] = below(3) ? below(3) : some_pfn();
			args[0] = below(PKVM_IOMMU_LOOKUP + 1);
			if (env_hvc(false, args, res))
				fail("call %llu is answered after a lost command",
				     (unsigned long long)args[0]);
		} else {
			op = below(2) ? ENV_DONATE_GUEST : ENV_GUEST_UNSHARE;
			pfn = some_pfn();
			if (!spec_page(&spec, pfn))
				continue;
			if (!env_page_op(op, pfn) && pfn * ENV_PAGE < smmu_limit)
				fail("page %#llx is revoked after a lost command",
				     (unsigned long long)pfn);
		}
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
			for (i = 0; i < COUNT(configs); i++)
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
	for (i = 0; i < COUNT(configs); i++) {
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
