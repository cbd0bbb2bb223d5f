// SPDX-License-Identifier: GPL-2.0
/*
 * An IOMMU that loses its registers, as in a power-off of the system. The registers are
 * written to what a reset may leave, behind EL2's back; then EL2 sets the IOMMU up again by
 * the code that it runs when a CPU comes back from power-off. Checked by DMA. TAP.
 *
 *	resume			an SMMUv3
 *	resume hotplug		the same, but a CPU does come back: it is turned off before
 *	resume denied		IOMMUs that EL2 cannot set up again: SYSTEM_SUSPEND is denied
 *	resume sleep		the host sleeps (suspend-to-idle), and the interrupt of a fault is
 *				lost meanwhile
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "domains.h"
#include "stage1.h"

#define UNMAPPED	PKVM_IOMMU_FAULT_UNMAPPED
#define BLOCKED		PKVM_IOMMU_FAULT_BLOCKED
/* Nothing is mapped here at first. */
#define GAP		(Y + 8 * PAGE)
/* Enough for QEMU's command queue of 256 entries to go round. */
#define TURNS		150

/* Enables interrupts of the event queue and of errors. */
#define IRQ_CTRL	0x50
#define IRQ_CTRL_ON	5

/* Values of PSCI. */
#define NOT_SUPPORTED	(-1)
#define DENIED		(-3)

/* Registers of an SMMUv3 (IHI 0070, 6.2). */
static const struct {
	uint32_t offset, value;
} after_reset[] = {
	{ 0x20, 0 },			/* CR0: disabled, before all others */
	{ 0x44, 1U << 31 },		/* GBPA: accesses pass, and take this over */
	{ IRQ_CTRL, 0 },
	{ 0x28, 0 }, { 0x2c, 0 },	/* CR1, CR2 */
	{ 0x80, 0 }, { 0x84, 0 },	/* STRTAB_BASE */
	{ 0x88, 0 },			/* STRTAB_BASE_CFG */
	{ 0x90, 0 }, { 0x94, 0 },	/* CMDQ_BASE */
	{ 0x98, 0 }, { 0x9c, 0 },	/* CMDQ_PROD, CMDQ_CONS */
	{ 0xa0, 0 }, { 0xa4, 0 },	/* EVENTQ_BASE */
	{ 0x100a8, 0 }, { 0x100ac, 0 },	/* EVENTQ_PROD, EVENTQ_CONS */
};

static bool hotplug;
static struct stage1 tables;
static uint64_t page_phys, other_phys, foreign;

static bool cpu1(const char *online)
{
	return put("/sys/devices/system/cpu/cpu1/online", online);
}

/* The real-time clock wakes the system up. */
static bool sleep_until_alarm(void)
{
	return put("/sys/class/rtc/rtc0/wakealarm", "+2") &&
	       put("/sys/power/state", "freeze") && !edu_enable(&edu);
}

static void write_reg(uint32_t offset, uint32_t value)
{
	if (call(PKVM_IOMMU_TEST, PKVM_IOMMU_TEST_WRITE_REG, iommu, offset, value, 0).err)
		tap_bail("no such register");
}

static void lose(void)
{
	size_t i;

	if (hotplug && !cpu1("0"))
		tap_bail("CPU 1 cannot be turned off");
	for (i = 0; i < sizeof(after_reset) / sizeof(after_reset[0]); i++)
		write_reg(after_reset[i].offset, after_reset[i].value);
}

static bool resume(void)
{
	return hotplug ? cpu1("1") :
	       !call(PKVM_IOMMU_TEST, PKVM_IOMMU_TEST_RESUME, 0, 0, 0, 0).err;
}

/*
 * The device reads a page of EL2's code. A refused read leaves zeros in its buffer, which it
 * then writes to @to, the address of the window at this time.
 */
static bool reads_el2(uint64_t to)
{
	volatile uint8_t *seen = (volatile uint8_t *)window;
	int i;

	memset((void *)window, 0xff, EDU_MAX);
	if (edu_fetch(&edu, foreign, EDU_MAX) || edu_store(&edu, to, EDU_MAX))
		tap_bail("the device does not answer");
	for (i = 0; i < EDU_MAX; i++)
		if (seen[i])
			return true;
	return false;
}

/* @to: address of the window in edu's domain. Without registers, it is the physical one. */
static void lose_and_resume(uint64_t to, const char *name)
{
	tap_ok(!reads_el2(to), "%s, before: the device does not read EL2's memory", name);
	lose();
	tap_ok(reads_el2(phys_of((void *)window)),
	       "%s, without its registers: it does, the attack is real", name);
	tap_ok(resume(), "%s: EL2 sets the IOMMU up", name);
	tap_ok(!reads_el2(to), "%s, after: the device does not read EL2's memory", name);
}

static void test_suspend(int64_t expect)
{
	const uint64_t args[17] = { 0 };
	int i;

	for (i = 0; i < 3; i++) {
		struct td_res res = td_raw(PKVM_IOMMU_TEST_FN_SUSPEND, args);

		tap_ok((int32_t)res.x0 == expect, "SYSTEM_SUSPEND: %d, %s", (int)res.x0,
		       expect == DENIED ? "EL2 denies it" : "the firmware does not have it");
	}
	control("after it");
}

static void copies(uint64_t phys, volatile uint32_t *mem, const char *when)
{
	page[0] = marker();
	mem[0] = 0;
	tap_ok(!edu_fetch(&edu, page_phys, 4) && !edu_store(&edu, phys, 4) && mem[0] == page[0],
	       "%s: the device reaches a page", when);
}

/* A page that becomes EL2's after it. */
static void test_identity(void)
{
	uint64_t phys = td_alloc();
	volatile uint32_t *mem = phys ? phys_map(phys) : NULL;

	if (!mem)
		tap_bail("no page");
	copies(phys, mem, "identity, before");
	lose_and_resume(phys_of((void *)window), "identity");
	copies(phys, mem, "identity, after");
	phys_unmap((void *)mem);
	is(TOPUP(phys), 0, 0, 0, "TOPUP of it");
	foreign = phys;
	tap_ok(!reads_el2(phys_of((void *)window)), "identity, after: the device does not read it");
}

static void test_managed(void)
{
	int i, good = 0, turns = hotplug ? 5 : TURNS;
	uint64_t mapped;

	map_ok(a, X, page_phys, PAGE, RW, "of a page");
	map_ok(a, Y, other_phys, PAGE, RW, "of another page");
	is(detach(home), 0, 0, 0, "DETACH from where it was");
	is(attach(a), 0, 0, 0, "ATTACH to a managed domain");
	dma(X, page, OK, "before");
	dma(Y, other, OK, "before");
	is(UNMAP_LAZY(a, Y, PAGE), 0, PAGE, PAGE, "UNMAP of the other page, lazily");
	lose_and_resume(WINDOW, "managed domain");
	dma(X, page, OK, "after");
	dma(GAP, page, UNMAPPED, "after, where nothing is mapped");
	dma(foreign, page, UNMAPPED, "after, at the address of EL2's memory");
	can_donate(other_phys, true, "that was unmapped lazily, after");
	can_donate(page_phys, false, "that is mapped, after");

	map_ok(a, GAP, other_phys, PAGE, RW, "after");
	dma(GAP, other, OK, "after MAP");
	unmap_ok(a, GAP, PAGE, "after");
	dma(GAP, other, UNMAPPED, "after UNMAP");
	/* The queue goes round. */
	for (i = 0; i < turns; i++) {
		if (MAP(a, GAP, other_phys, PAGE, RW).err || unmap(a, GAP, PAGE, &mapped))
			break;
		if (i % 2)
			lose();
		good += resume();
	}
	tap_ok(good == turns, "%d times: MAP, UNMAP, and a CPU that comes back", good);
	dma(X, page, OK, "then");
	dma(GAP, other, UNMAPPED, "then");

	lose_and_resume(WINDOW, "managed domain again");
	is(detach(a), 0, 0, 0, "DETACH");
	dma_store(X, page, 0, BLOCKED, "while detached");
	lose();
	tap_ok(resume(), "EL2 sets the IOMMU up");
	dma_store(X, page, 0, BLOCKED, "while detached, after");
	is(attach(a), 0, 0, 0, "ATTACH, after");
	dma(X, page, OK, "after ATTACH");
	is(detach(a), 0, 0, 0, "DETACH");
	unmap_ok(a, X, PAGE, "of the page");
}

static void test_sleep(void)
{
	uint64_t before;
	int i;

	map_ok(a, X, page_phys, PAGE, RW, "of a page");
	is(detach(home), 0, 0, 0, "DETACH from where it was");
	is(attach(a), 0, 0, 0, "ATTACH to a managed domain");
	dma(X, page, OK, "before");
	for (i = 0; i < 3; i++) {
		tap_ok(sleep_until_alarm(), "the host sleeps, and an alarm wakes it up");
		dma(X, page, OK, "after");
		dma(GAP, page, UNMAPPED, "after, where nothing is mapped");
	}

	/* The IOMMU records the fault, and nobody gets its interrupt. */
	write_reg(IRQ_CTRL, 0);
	before = fault_count();
	if (edu_fetch(&edu, GAP, 4))
		tap_bail("the device does not answer");
	usleep(500000);
	tap_ok(fault_count() == before, "a fault whose interrupt is lost is not reported");
	tap_ok(sleep_until_alarm(), "the host sleeps, and an alarm wakes it up");
	tap_ok(faulted(before, GAP, false, UNMAPPED), "then the fault is reported");
	write_reg(IRQ_CTRL, IRQ_CTRL_ON);
	dma(GAP, page, UNMAPPED, "with interrupts again");

	is(detach(a), 0, 0, 0, "DETACH");
	unmap_ok(a, X, PAGE, "of the page");
}

static void set(uint64_t iova, uint64_t entry)
{
	if (!stage1_set(&tables, iova, entry))
		tap_bail("no memory for tables");
}

static void test_nested(void)
{
	struct td_res res;
	uint64_t n;

	if (!stage1_init(&tables))
		tap_bail("no memory for tables");
	set(WINDOW, phys_of((void *)window) | STAGE1_PAGE);
	set(X, page_phys | STAGE1_PAGE);
	do {
		res = CALL4(DOMAIN_ALLOC, PKVM_IOMMU_DOMAIN_NESTED, stage1_root(&tables), iommu);
	} while (res.err == -ENOMEM && topup(res.x2));
	n = res.x2;
	if (!tap_ok(!res.err, "DOMAIN_ALLOC of a nested domain: %lld", (long long)res.err))
		return;
	is(attach(n), 0, 0, 0, "ATTACH to it");
	set(foreign, foreign | STAGE1_PAGE);
	dma(X, page, OK, "nested, before");
	lose_and_resume(WINDOW, "nested domain");
	dma(X, page, OK, "nested, after");
	dma(GAP, page, UNMAPPED, "nested, after, where nothing is mapped");
	dma(foreign, page, UNMAPPED, "nested, after, by an entry for EL2's memory");
	set(X, 0);
	is(CALL4(INVALIDATE, n, X, PAGE), 0, 0, 0, "INVALIDATE, after");
	dma(X, page, UNMAPPED, "nested, after the entry was removed");
	is(detach(n), 0, 0, 0, "DETACH");
	is(FREE(n), 0, 0, 0, "DOMAIN_FREE");
	stage1_free(&tables);
}

static void test_losses(void)
{
	struct td_res res;

	test_managed();
	res = CALL4(INFO, PKVM_IOMMU_INFO_NESTED, iommu, 0);
	if (!res.err && res.x2)
		test_nested();
	is(attach(home), 0, 0, 0, "ATTACH to where it was");
	test_identity();
}

int main(int argc, char **argv)
{
	const char *mode = argc > 1 ? argv[1] : "";
	struct pkvm_iommu_test_range r;

	hotplug = !strcmp(mode, "hotplug");
	begin();
	page_phys = phys_of((void *)page);
	other_phys = phys_of((void *)other);
	if (!td_range(PKVM_IOMMU_TEST_RANGE_HYP_TEXT, 0, &r))
		tap_bail("EL2 has no code");
	foreign = r.address & ~(PAGE - 1);
	if (!strcmp(mode, "denied")) {
		test_suspend(DENIED);
		return tap_done();
	}

	test_suspend(NOT_SUPPORTED);
	a = domain_alloc();
	if (!tap_ok(a && home == IDENTITY, "a domain, and edu is in identity"))
		return tap_done();
	topup(64);
	map_ok(a, WINDOW, phys_of((void *)window), PAGE, RW, "of the window");
	if (!strcmp(mode, "sleep")) {
		test_sleep();
		is(attach(home), 0, 0, 0, "ATTACH to where it was");
	} else {
		test_losses();
	}
	control("at the end");
	unmap_ok(a, WINDOW, PAGE, "of the window");
	is(domain_free(a), 0, 0, 0, "DOMAIN_FREE");
	return tap_done();
}
