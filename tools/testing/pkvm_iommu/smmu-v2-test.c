// SPDX-License-Identifier: GPL-2.0
/*
 * Test of the software SMMUv2 (smmu-v2.h) without EL2: it blocks, translates, keeps what hardware
 * may keep, records faults, and finds errors of its user. TAP on stdout.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "smmu-v2.h"

#define PAGES	32
#define OURS	24		/* pages of EL2's; the others are not */
#define PA(n)	(ENV_RAM0 + (n) * ENV_PAGE)
#define LEAF	(0x7ffULL & ~4 & ~BIT(11))	/* page, access flag, read and write, memory */
#define FIRST	(ENV_PAGE_SHIFT == 12 ? 1 : 2)
#define TCR	(BIT(31) | 1 << 16 | GRANULE << 14 | 3 << 12 | 1 << 10 | 1 << 8 | 1 << 6 | 28)
#define ON	(SCTLR_M | SCTLR_CFIE | SCTLR_CFRE)
#define SEEN(r)	(1U << SMMU_##r)

static u64 memory[PAGES * ENV_PTES];
static u64 chance = 1;
static unsigned int count, failed;
static jmp_buf out;
static bool may_fail;
static char why[256];
static struct smmu_config config;
static struct spec_fault fault;
static bool room;

/********** functions that the model calls */

void (*env_yield)(struct env_lock *waits);

void fail(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(why, sizeof(why), fmt, ap);
	va_end(ap);
	if (may_fail)
		longjmp(out, 1);
	printf("# %s\nBail out!\n", why);
	exit(1);
}

u64 smmu_random(u64 n)
{
	chance = chance * 6364136223846793005ULL + 1442695040888963407ULL;

	return n ? (chance >> 20) % n : 0;
}

u64 *env_cpu(u64 pa) { return memory + (pa - ENV_RAM0) / 8; }
u64 *env_poc(u64 pa) { return env_cpu(pa); }
bool env_is_ram(u64 pa) { return pa >= ENV_RAM0 && pa < PA(PAGES); }
bool env_el2_owns(u64 pfn) { return env_is_ram(pfn * ENV_PAGE) && pfn * ENV_PAGE < PA(OURS); }
bool env_pinned(u64 pa) { return true; }
u64 env_unpins(void) { return 0; }
void env_dev_write(u64 pa, const void *data, size_t size, bool snoops) { }

/********** its user */

static void ok(bool good, const char *what)
{
	failed += !good;
	printf("%sok %u - %s\n", good ? "" : "not ", ++count, what);
}

/* Offsets in space 0, in space 1, and in a bank. */
static u64 page(int n) { return n * (config.v2.pages64 ? 0x10000ULL : 0x1000); }
static u64 bank(int n) { return config.size / 2 + page(n); }
static void w(u64 at, u32 val) { smmu_mmio(config.base + at, true, val, 4); }
static void w64(u64 at, u64 val) { smmu_mmio(config.base + at, true, val, 8); }
static u32 r(u64 at) { return smmu_mmio(config.base + at, false, 0, 4); }

static int sync_at(u64 start, u64 status)
{
	int n;

	w(start, 0);
	for (n = 0; n < 100 && r(status); n++)
		;
	return n;
}

static int gsync(void) { return sync_at(V2_TLBGSYNC, V2_TLBGSTATUS); }
static int bsync(int n) { return sync_at(bank(n) + V2_TLBSYNC, bank(n) + V2_TLBSTATUS); }

/* Entry of @addr in the table at @level of those from page @root on. */
static u64 *pte(int root, int level, u64 addr)
{
	return env_cpu(PA(root + level - FIRST)) + (addr >> level_shift(level)) % ENV_PTES;
}

static void set(u64 *entry, u64 val)
{
	*entry = val;
	smmu_observe_all(SMMU_EVERYTHING);
}

static void map(int root, u64 addr, u64 pa)
{
	int level;

	for (level = FIRST; level < 3; level++)
		set(pte(root, level, addr), PA(root + level - FIRST + 1) | 3);
	set(pte(root, 3, addr), pa | LEAF);
}

/* Results of many accesses, a bit for each. */
static unsigned int seen(u32 sid, u64 addr, bool write)
{
	unsigned int i, got = 0;
	u64 pa;

	for (i = 0; i < 100; i++)
		got |= 1U << smmu_dma(0, sid, addr, write, &pa, &fault, &room);

	return got;
}

static void clear(void)
{
	unsigned int n;

	w(V2_GFSR, ~0U);
	for (n = 0; n < config.v2.banks; n++) {
		if (r(bank(n) + V2_FSR) & FSR_SS)
			w(bank(n) + V2_RESUME, 1);
		w(bank(n) + V2_FSR, ~0U);
	}
}

/* Block everything, in hardware that firmware or a reset left in any state. */
static void init_mapping(void)
{
	unsigned int n;

	for (n = 0; n < v2_entries(&smmus[0]); n++) {
		w(V2_S2CR + 4 * n, 2 << 16);
		if (config.v2.smrs)
			w(V2_SMR + 4 * n, 0);
	}
	for (n = 0; n < config.v2.banks; n++)
		w(bank(n) + V2_SCTLR, 0);
	clear();
	w(V2_CR2, 0);
	w(V2_CR0, CR0_USFCFG | CR0_GFIE | CR0_GFRE | CR0_GCFGFIE | CR0_GCFGFRE | CR0_PTM |
		  CR0_VMIDPNE | CR0_SMCFCFG);
}

static void init(void)
{
	init_mapping();
	w(V2_TLBIALLNSNH, 0);
	w(V2_TLBIALLH, 0);
	gsync();
}

static void program(int n, int vmid, int root)
{
	w(page(1) + V2_CBAR + 4 * n, vmid);
	w(page(1) + V2_CBA2R + 4 * n, 1);
	w(bank(n) + V2_TCR, TCR);
	w64(bank(n) + V2_TTBR0, PA(root));
	w(bank(n) + V2_SCTLR, ON);
}

static void attach(int entry, u32 id, u32 mask, int to)
{
	w(V2_S2CR + 4 * entry, to);
	if (config.v2.smrs)
		w(V2_SMR + 4 * entry, SMR_VALID | mask << 16 | id);
	r(V2_CR0);
}

static void power_on(void)
{
	memset(memory, 0, sizeof(memory));
	memset(smmus, 0, sizeof(smmus));
	nr_smmus = 0;
	smmu_add(&config);
	smmu_attaching = 1;
	smmu_set_limit(0, BIT(36));
	smmu_mmio_taken(config.base, config.size);
}

/* Streams 0x10 to 0x13, or 3, reach page 30 at 5 pages, by VMID 7 and bank 1. */
static void start(void)
{
	power_on();
	init();
	map(0, 5 * ENV_PAGE, PA(30));
	program(1, 7, 0);
	if (config.v2.smrs)
		attach(2, 0x10, 3, 1);
	else
		attach(3, 0, 0, 1);
	clear();
}

/* Check that the model finds the error of @code, and says @text. */
#define finds(text, code)							\
do {										\
	start();								\
	why[0] = 0;								\
	may_fail = true;							\
	if (!setjmp(out)) {							\
		code;								\
	}									\
	may_fail = false;							\
	ok(strstr(why, text), "error: " text);					\
} while (0)

static void test_faults(void)
{
	u64 addr = 6 * ENV_PAGE + 8, fsr = bank(1) + V2_FSR;
	struct v2_bank *b = &v2s[0].bank[1];
	u64 pa;

	ok(seen(0x20, 0, true) == SEEN(BLOCKED) && r(V2_GFSR) == (GFSR_USF | BIT(31)) &&
	   v2_irq(0, -1), "an unknown stream is recorded, and that there were more");
	clear();
	ok(smmu_dma(0, 0x11, addr, true, &pa, &fault, &room) == SMMU_UNMAPPED && room &&
	   b->far == addr && b->fsr & (FSR_TF | FSR_ASF) && b->fsynr0 & FSYNR0_WNR &&
	   (b->frsynra & 0xffff) == 0x11 && v2_irq(0, 1) && !v2_irq(0, 0), "a fault is recorded");
	smmu_dma(0, 0x10, 7 * ENV_PAGE, false, &pa, &fault, &room);
	ok(!room && r(fsr) & FSR_MULTI && b->far == addr && b->frsynra % 65536 == 0x11,
	   "the second one is lost");
	w(fsr, r(fsr));
	ok(!(r(fsr) & FSR_FAULT) && !v2_irq(0, 1), "it is acknowledged");
	set(pte(0, 3, 5 * ENV_PAGE), 0);
	w(V2_TLBIVMID, 7);
	gsync();
	set(pte(0, 3, 5 * ENV_PAGE), PA(30) | (LEAF & ~BIT(7)));
	clear();
	ok(seen(0x10, 5 * ENV_PAGE, true) == SEEN(PERMISSION) && b->fsr & (FSR_PF | FSR_AFF) &&
	   seen(0x10, 5 * ENV_PAGE, false) == SEEN(OK), "permissions");
}

static void test_stale(void)
{
	unsigned int gone = SEEN(UNMAPPED), both = gone | SEEN(OK);
	u64 *leaf = pte(0, 3, 5 * ENV_PAGE), *table = pte(0, 2, 5 * ENV_PAGE);

	set(leaf, 0);
	ok(seen(0x10, 5 * ENV_PAGE, true) == both, "without invalidation it is stale");
	w64(bank(1) + V2_TLBIIPAS2L, 5 * ENV_PAGE >> 12);
	ok(seen(0x10, 5 * ENV_PAGE, true) == both, "and without a sync");
	bsync(0);
	ok(seen(0x10, 5 * ENV_PAGE, true) == both, "and with that of another bank");
	ok(bsync(1) + 1 && seen(0x10, 5 * ENV_PAGE, true) == gone, "the sync of the bank ends it");
	start();
	set(leaf, 0);
	w(V2_TLBIVMID, 7);
	ok(bsync(1) + 1 && seen(0x10, 5 * ENV_PAGE, true) == both, "that of a bank is not global");
	ok(gsync() + 1 && seen(0x10, 5 * ENV_PAGE, true) == gone, "a global one is");
	start();
	set(leaf, 0);
	w(V2_TLBIVMID, 6);
	ok(gsync() + 1 && seen(0x10, 5 * ENV_PAGE, true) == both, "another VMID");
	start();
	set(leaf, 0);
	w(V2_TLBGSYNC, 0);
	w(V2_TLBIVMID, 7);
	ok(!r(V2_TLBGSTATUS) && seen(0x10, 5 * ENV_PAGE, true) == both, "a sync before it");
	start();
	set(table, 0);
	w64(bank(1) + V2_TLBIIPAS2L, 5 * ENV_PAGE >> 12);
	ok(bsync(1) + 1 && seen(0x10, 5 * ENV_PAGE, true) == both, "a pointer to a table stays");
	w64(bank(1) + V2_TLBIIPAS2, 5 * ENV_PAGE >> 12);
	ok(bsync(1) + 1 && seen(0x10, 5 * ENV_PAGE, true) == gone, "unless it is invalidated too");
}

static void test_streams(void)
{
	ok(seen(0x10, 5 * ENV_PAGE, true) == SEEN(OK) && seen(0x13, 5 * ENV_PAGE, false) == SEEN(OK),
	   "ids that the mask covers");
	ok(seen(0x14, 5 * ENV_PAGE, true) == SEEN(BLOCKED) && seen(0, 0, true) == SEEN(BLOCKED),
	   "and no others");
	clear();
	attach(0, 0x12, 0, 2 << 16);
	ok(seen(0x12, 5 * ENV_PAGE, true) == SEEN(BLOCKED) && r(V2_GFSR) & GFSR_SMCF &&
	   seen(0x11, 5 * ENV_PAGE, true) == SEEN(OK), "a conflict is a fault");
	start();
	w(V2_S2CR, 1);
	w(V2_SMR, SMR_VALID | 0x40);
	ok(judge_stream(&smmus[0], 0x40).blocked, "a write arrives late");
	ok(r(V2_CR0) && !judge_stream(&smmus[0], 0x40).blocked, "and before the next read ends");
	w(V2_S2CR + 8, 2 << 16);
	r(V2_CR0);
	ok(judge_stream(&smmus[0], 0x10).nr_ctx && gsync() + 1 &&
	   judge_stream(&smmus[0], 0x10).nr_ctx, "accesses go on after a detach");
	w(V2_TLBIVMID, 7);
	ok(gsync() + 1 && !judge_stream(&smmus[0], 0x10).nr_ctx &&
	   judge_stream(&smmus[0], 0x40).nr_ctx, "until TLBIVMID and TLBGSYNC");
	start();
	w(V2_TLBIVMID, 7);
	w(V2_S2CR + 8, 2 << 16);
	ok(gsync() + 1 && judge_stream(&smmus[0], 0x10).nr_ctx, "a TLBIVMID before that is no use");
	v2s[0].cr0 = 0;
	ok(v2_target(&smmus[0], 0x20, &(u32) { 0 }).kind == V2_BYPASS, "USFCFG blocks the unknown");
}

static void test_errors(void)
{
	finds("may bypass", w(V2_S2CR + 8, 1 << 16));
	finds("accesses bypass it", w(V2_CR0, CR0_CLIENTPD));
	finds("streams without an entry bypass it", w(V2_CR0, 0));
	finds("has two entries", { w(V2_CR0, r(V2_CR0) & ~CR0_SMCFCFG);
				   attach(0, 0x11, 0, 2 << 16); seen(0x11, 0, true); });
	finds("have VMID 7 and different tables", { program(0, 7, 8); attach(0, 0x80, 0, 0); });
	finds("does not exist", attach(0, 0x80, 0, 77));
	finds("of a reserved type", attach(0, 0x80, 0, 3 << 16));
	finds("which EL2 does not own", { program(0, 8, 26); attach(0, 0x80, 0, 0); });
	finds("has a table of AArch32", w(page(1) + V2_CBA2R + 4, 0));
	finds("translates more bits", smmus[0].c.v2.ias = 32; w(bank(1) + V2_TCR, TCR));
	finds("is of stage 1", w(page(1) + V2_CBAR + 4, 1 << 16));
	finds("stalls", w(bank(1) + V2_SCTLR, ON | SCTLR_CFCFG));
	finds("size and level do not fit", w(bank(1) + V2_TCR, TCR & ~63));
	finds("but accesses by it may be under way", {
		w(V2_S2CR + 8, 2 << 16); gsync(); w(bank(1) + V2_SCTLR, 0); });
	finds("entry 0 matches what another does", attach(0, 0x12, 0, 1));
	finds("there is no such entry", w(V2_SMR + 4 * config.v2.smrs, 0));
	finds("there is no such bank", r(page(1) + 4 * config.v2.banks));
	finds("there is no such page", r(bank(config.v2.banks)));
	finds("access of 8 bytes", w64(V2_CR0, 0));
	finds("access of 4 bytes", r(2));
	finds("access to registers", r(config.size));
	finds("write: register 0x20", w(V2_ID0, 0));
	finds("of 4 bytes", w(bank(1) + V2_TLBIIPAS2, 5));
	finds("invalidations without TLBSYNC", { w(V2_TLBIVMID, 7); smmu_check_enabled(0); });
	finds("caches from before boot", { smmu_reset(0, SMMU_LIVES); w(V2_TLBIALLNSNH, 0);
					   w(V2_TLBIALLH, 0); gsync(); init_mapping();
					   smmu_check_enabled(0); });
	finds("global faults are not told", { w(V2_CR0, CR0_USFCFG); smmu_check_enabled(0); });
	finds("has 1 records", { w(V2_GFSRRESTORE, 1); smmu_check_events(0, 0); });
	finds("faults of bank 1 are not told", { w(bank(1) + V2_SCTLR, SCTLR_M);
						 smmu_check_enabled(0); });
}

static void test_kinds(void)
{
	struct smmu_config was = config;
	u64 addr = 5 * ENV_PAGE;
	u32 s2cr, tcr;

	config.latency = 20;
	start();
	ok(gsync() + gsync() + gsync() + gsync() > 0, "a sync takes time");
	smmu_break_sync(0, true);
	while (!smmus[0].c.dead_sync)
		w(V2_TLBIVMID, 7);
	ok(gsync() == 100, "or never ends");
	config = was;
	start();
	smmu_break_sync(0, SMMU_FROZEN);
	s2cr = r(V2_S2CR + 4);
	tcr = r(bank(1) + V2_TCR);
	w(V2_S2CR + 4, ~s2cr);
	w(bank(1) + V2_TCR, ~tcr);
	ok((r(V2_S2CR + 4) == s2cr) != (r(bank(1) + V2_TCR) == tcr),
	   "entries, or else banks, can stop to keep what is written");
	config.v2.mmu500 = 2;
	start();
	w(bank(1) + V2_ACTLR, 0);
	ok(r(bank(1) + V2_ACTLR) == 3, "CACHE_LOCK guards ACTLR of the MMU-500");
	w(V2_ACR, r(V2_ACR) & ~ACR_CACHE_LOCK);
	w(bank(1) + V2_ACTLR, 0);
	ok(!r(bank(1) + V2_ACTLR), "until it is cleared");
	config = was;
	config.v2.smrs = 0;
	config.sid_bits = 5;
	config.v2.pages64 = true;
	config.size = 0x200000;
	start();
	ok(seen(3, addr, true) == SEEN(OK) && seen(2, addr, true) == SEEN(BLOCKED) &&
	   !(r(V2_ID0) & BIT(27)), "streams by index, registers in pages of 64 KiB");
	config = was;
	config.v2.vmid16 = true;
	start();
	w(V2_CR0, r(V2_CR0) | CR0_VMID16EN);
	w(page(1) + V2_CBA2R + 4, 0x12340001);
	r(V2_CR0);
	ok(v2_target(&smmus[0], 0x10, &(u32) { 0 }).vmid == 0x1234, "VMIDs of 16 bits");
	config = was;
}

/* Memory is freed when the process ends: no check for leaks. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
	return "detect_leaks=0";
}

int main(void)
{
	config = (struct smmu_config) {
		.base = 0x9050000, .size = 0x20000, .s1 = true, .s2 = true, .coherent = true,
		.sid_bits = 10, .oas = 36,
		.v2 = { .banks = 4, .s2_banks = 1, .smrs = 16, .masks = 0x3ff },
	};
	power_on();
	ok(seen(0x20, 0, true) == SEEN(BYPASS), "nothing is blocked before it is programmed");
	init();
	ok(seen(0x20, 0, true) == SEEN(BLOCKED), "all is blocked afterwards");
	start();
	smmu_check_enabled(0);
	smmu_check_events(0, 0);
	ok(true, "it is in service");
	test_streams();
	start();
	test_faults();
	start();
	test_stale();
	test_errors();
	test_kinds();
	start();
	smmu_reset(0, SMMU_LIVES);
	ok(seen(0x10, 0, true) == SEEN(BYPASS) && r(V2_CR0) == CR0_CLIENTPD,
	   "it loses its state without power");
	init();
	ok(seen(0x10, 5 * ENV_PAGE, true) == SEEN(BLOCKED), "and comes back");
	printf("1..%u\n", count);

	return failed ? 1 : 0;
}
