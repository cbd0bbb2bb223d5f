// SPDX-License-Identifier: GPL-2.0
/*
 * Domains with devices behind several IOMMUs, checked by DMA of an edu device behind each of
 * two. The kernel has both devices in the identity domain. TAP.
 *
 *	spanning		domains have devices behind both
 *	spanning apart		the IOMMUs have different geometries: no domain has
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "edu.h"
#include "phys.h"
#include "stage1.h"
#include "tap.h"
#include "testdev.h"

#define DEVICES		2
#define IDENTITY	PKVM_IOMMU_DOMAIN_IDENTITY
#define RW		(PKVM_IOMMU_PROT_READ | PKVM_IOMMU_PROT_WRITE | PKVM_IOMMU_PROT_CACHE)
/* I/O virtual addresses: the page that fills and shows edu's buffer, and the target. */
#define WINDOW		0x10000000UL
#define TARGET		0x20000000UL

static struct edu edu[DEVICES];
static uint64_t iommu[DEVICES];
static volatile uint32_t *window, *target;

/* Repeat a call until the pool has enough pages. */
static struct td_res call(uint64_t op, uint64_t a, uint64_t b, uint64_t c)
{
	struct td_res res = td_call(op, a, b, c);

	while (res.err == -ENOMEM) {
		if (!td_topup(res.x2))
			tap_bail("no memory for the pool");
		res = td_call(op, a, b, c);
	}
	return res;
}

static void map(uint64_t domain, uint64_t iova, volatile uint32_t *mem)
{
	uint64_t phys = phys_of((void *)mem);
	struct td_res res = td_map(domain, iova, phys, PAGE, RW);

	if (res.err == -ENOMEM) {
		td_topup(res.x3);
		res = td_map(domain, iova, phys, PAGE, RW);
	}
	tap_ok(!res.err && res.x2 == PAGE, "MAP of a page at %#lx: %lld", iova,
	       (long long)res.err);
}

static uint64_t faults(void)
{
	struct pkvm_iommu_test_faults f = { 0 };

	td_faults(&f);
	return f.count;
}

static uint32_t marker(void)
{
	static uint32_t last = 0x5a000000;

	return ++last;
}

/* The device copies from the window to the target, or its IOMMU refuses the target. */
static void dma(int i, bool works, const char *when)
{
	struct pkvm_iommu_test_faults f = { 0 };
	uint64_t before = faults();
	uint32_t data = marker(), old = marker();
	int ret, tries;

	window[0] = data;
	target[0] = old;
	ret = edu_fetch(&edu[i], WINDOW, 4) ?: edu_store(&edu[i], TARGET, 4);
	if (works) {
		tap_ok(!ret && target[0] == data && faults() == before,
		       "%s: the device behind IOMMU %d reaches the page", when, i);
		return;
	}
	/* The kernel's fault log may lag. */
	for (tries = 0; tries < 200 && !td_faults(&f) && f.count == before; tries++)
		usleep(10000);
	if (f.iommu != iommu[i])
		tap_note("%llu faults, of IOMMU %llu", (unsigned long long)(f.count - before),
			 (unsigned long long)f.iommu);
	tap_ok(!ret && target[0] == old && f.count > before && f.iommu == iommu[i],
	       "%s: the device behind IOMMU %d does not reach it, and its fault is recorded",
	       when, i);
}

static void both(bool works, const char *when)
{
	int i;

	for (i = 0; i < DEVICES; i++)
		dma(i, works, when);
}

static void attach(uint64_t domain)
{
	int i;

	for (i = 0; i < DEVICES; i++)
		tap_ok(!call(PKVM_IOMMU_ATTACH, iommu[i], edu[i].sid, domain).err,
		       "ATTACH of the device behind IOMMU %d", i);
}

/* The device of the first IOMMU leaves; the domain lives on for the other one. */
static void leave(uint64_t domain)
{
	struct td_res res;

	tap_ok(!call(PKVM_IOMMU_DETACH, iommu[0], edu[0].sid, domain).err, "DETACH of one");
	dma(1, true, "one left");
	res = call(PKVM_IOMMU_DOMAIN_FREE, domain, 0, 0);
	tap_ok(res.err == -EBUSY, "DOMAIN_FREE with the other one attached: %lld",
	       (long long)res.err);
	tap_ok(!call(PKVM_IOMMU_DETACH, iommu[1], edu[1].sid, domain).err, "DETACH of the other");
	/* A managed domain is freed when nothing is mapped; a nested one has no such calls. */
	call(PKVM_IOMMU_UNMAP, domain, WINDOW, PAGE);
	call(PKVM_IOMMU_UNMAP, domain, TARGET, PAGE);
	do {
		res = call(PKVM_IOMMU_DOMAIN_FREE, domain, 0, 0);
	} while (res.err == -EAGAIN);
	tap_ok(!res.err, "DOMAIN_FREE: %lld", (long long)res.err);
}

static void test_managed(void)
{
	struct td_res res = call(PKVM_IOMMU_DOMAIN_ALLOC, PKVM_IOMMU_DOMAIN_MANAGED, 0, iommu[0]);
	uint64_t domain = res.x2;

	tap_ok(!res.err, "DOMAIN_ALLOC, managed");
	map(domain, WINDOW, window);
	attach(domain);
	both(false, "before MAP");
	map(domain, TARGET, target);
	both(true, "after MAP");
	res = call(PKVM_IOMMU_UNMAP, domain, TARGET, PAGE);
	tap_ok(!res.err && res.x2 == PAGE, "UNMAP");
	both(false, "after UNMAP");
	map(domain, TARGET, target);
	both(true, "mapped again");
	leave(domain);
}

static void test_nested(void)
{
	uint64_t domain, phys = phys_of((void *)target);
	struct stage1 tables;
	struct td_res res;

	if (!stage1_init(&tables) ||
	    !stage1_set(&tables, WINDOW, phys_of((void *)window) | STAGE1_PAGE) ||
	    !stage1_set(&tables, TARGET, phys | STAGE1_PAGE))
		tap_bail("no memory for page tables");
	res = call(PKVM_IOMMU_DOMAIN_ALLOC, PKVM_IOMMU_DOMAIN_NESTED, stage1_root(&tables),
		   iommu[0]);
	domain = res.x2;
	tap_ok(!res.err, "DOMAIN_ALLOC, nested: %lld", (long long)res.err);
	attach(domain);
	both(true, "nested");
	stage1_set(&tables, TARGET, 0);
	res = call(PKVM_IOMMU_INVALIDATE, domain, TARGET, PAGE);
	tap_ok(!res.err, "INVALIDATE: %lld", (long long)res.err);
	both(false, "entry removed");
	stage1_set(&tables, TARGET, phys | STAGE1_PAGE);
	leave(domain);
	stage1_free(&tables);
}

/* A domain of each IOMMU: the other one's device cannot be in it. */
static void test_apart(void)
{
	struct td_res res;
	uint64_t domain;
	int i;

	for (i = 0; i < DEVICES; i++) {
		res = call(PKVM_IOMMU_DOMAIN_ALLOC, PKVM_IOMMU_DOMAIN_MANAGED, 0, iommu[i]);
		domain = res.x2;
		tap_ok(!res.err, "DOMAIN_ALLOC for IOMMU %d", i);
		map(domain, WINDOW, window);
		map(domain, TARGET, target);
		tap_ok(!call(PKVM_IOMMU_ATTACH, iommu[i], edu[i].sid, domain).err,
		       "ATTACH of its device");
		res = call(PKVM_IOMMU_ATTACH, iommu[!i], edu[!i].sid, domain);
		tap_ok(res.err == -EINVAL, "ATTACH of the other one: %lld", (long long)res.err);
		dma(i, true, "mapped");
		dma(!i, false, "not attached");
		res = call(PKVM_IOMMU_UNMAP, domain, TARGET, PAGE);
		tap_ok(!res.err && res.x2 == PAGE, "UNMAP");
		dma(i, false, "after UNMAP");
		tap_ok(!call(PKVM_IOMMU_DETACH, iommu[i], edu[i].sid, domain).err, "DETACH");
		call(PKVM_IOMMU_UNMAP, domain, WINDOW, PAGE);
		do {
			res = call(PKVM_IOMMU_DOMAIN_FREE, domain, 0, 0);
		} while (res.err == -EAGAIN);
		tap_ok(!res.err, "DOMAIN_FREE: %lld", (long long)res.err);
	}
}

/* The identity domain: a page that is given to EL2 is out of reach of all devices. */
static void test_identity(void)
{
	uint64_t phys = td_alloc();
	volatile uint32_t *mem = phys ? phys_map(phys) : NULL;
	uint64_t before;
	int i;

	if (!mem)
		tap_bail("no page");
	for (i = 0; i < DEVICES; i++) {
		window[0] = marker();
		mem[0] = 0;
		tap_ok(!edu_fetch(&edu[i], phys_of((void *)window), 4) &&
		       !edu_store(&edu[i], phys, 4) && mem[0] == window[0],
		       "identity: the device behind IOMMU %d reaches a page of the host", i);
	}
	phys_unmap((void *)mem);
	tap_ok(!td_call(PKVM_IOMMU_TOPUP, phys / PAGE, 1, 0).err, "the page is given to EL2");
	for (i = 0; i < DEVICES; i++) {
		window[0] = 0xffffffff;
		before = faults();
		/* A refused read leaves zeros in the buffer. */
		tap_ok(!edu_fetch(&edu[i], phys_of((void *)window), 4) &&
		       !edu_fetch(&edu[i], phys, 4) && faults() > before &&
		       !edu_store(&edu[i], phys_of((void *)window), 4) && !window[0],
		       "identity: the device behind IOMMU %d reaches it no longer", i);
	}
}

static uint64_t geometry(int i)
{
	return td_call(PKVM_IOMMU_INFO, PKVM_IOMMU_INFO_GEOMETRY, iommu[i], 0).x2;
}

int main(int argc, char **argv)
{
	bool apart = argc > 1 && !strcmp(argv[1], "apart");
	uint64_t domain;
	int i, ret;

	ret = td_open();
	if (ret)
		tap_bail("no test device: %s", strerror(-ret));
	for (i = 0; i < DEVICES; i++) {
		ret = edu_open_nth(&edu[i], i);
		if (ret)
			tap_bail("edu %d: %s", i, strerror(-ret));
	}
	window = phys_alloc(1);
	target = phys_alloc(1);
	if (!phys_of((void *)window) || !phys_of((void *)target))
		tap_bail("no memory");

	test_identity();
	for (i = 0; i < DEVICES; i++) {
		if (!td_take_stream(edu[i].sid, &iommu[i], &domain) || domain != IDENTITY)
			tap_bail("edu %d is not in the identity domain", i);
	}
	tap_ok(iommu[0] != iommu[1], "the devices are behind different IOMMUs: %llu and %llu",
	       (unsigned long long)iommu[0], (unsigned long long)iommu[1]);
	tap_ok((geometry(0) != geometry(1)) == apart, "their geometries: %llu and %llu",
	       (unsigned long long)geometry(0), (unsigned long long)geometry(1));
	if (apart) {
		test_apart();
	} else {
		test_managed();
		test_nested();
	}
	attach(IDENTITY);

	return tap_done();
}
