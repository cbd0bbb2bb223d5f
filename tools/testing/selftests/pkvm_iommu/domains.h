/* SPDX-License-Identifier: GPL-2.0 */
#ifndef DOMAINS_H
#define DOMAINS_H

/* Interfaces between the files of `domains`: calls, and DMA by edu. */

#include <stdbool.h>
#include <stdint.h>

#include "edu.h"
#include "phys.h"
#include "tap.h"
#include "testdev.h"

#define BIT(n)		(1ULL << (n))
#define ALL_ONES	(~0ULL)
#define GIB		0x40000000UL
/* A run can be a block; otherwise only a run of 1 GiB has blocks. */
#define RUN_HAS_BLOCK	(BLOCK / PAGE <= PKVM_IOMMU_RUN_PAGES)
#define IDENTITY	PKVM_IOMMU_DOMAIN_IDENTITY
#define READ		PKVM_IOMMU_PROT_READ
#define WRITE		PKVM_IOMMU_PROT_WRITE
#define RW		(READ | WRITE | PKVM_IOMMU_PROT_CACHE)

/* I/O virtual addresses at which the test machines have no memory. */
#define WINDOW		0x10000000UL
#define X		0x12340000UL
#define Y		0x20000000UL	/* aligned to a block */
#define Z		0x800000000UL	/* aligned to a block; a page table is never made there */

#define FOR_EACH(i, a)	for (i = 0; i < sizeof(a) / sizeof((a)[0]); i++)

typedef unsigned long long ull;

extern struct edu edu;
extern uint64_t iommu, limit;
extern bool stage1;
/* True if edu's IOMMU has an identity domain; and edu's domain before the test. */
extern bool identity;
extern uint64_t home;
extern uint64_t a, b;		/* the domains; edu is attached to A unless noted */
/* Pages of this program: one to load and show edu's buffer, and two targets of DMA. */
extern volatile uint32_t *window, *page, *other;

#define CALL4(op, a1, a2, a3)	call(PKVM_IOMMU_##op, a1, a2, a3, 0, 0)
#define MAP(d, iova, phys, size, prot)	td_map(d, iova, phys, size, prot)
#define UNMAP(d, iova, size)	CALL4(UNMAP, d, iova, size)
#define UNMAP_LAZY(d, iova, size) \
	call(PKVM_IOMMU_UNMAP, d, iova, size, PKVM_IOMMU_UNMAP_LAZY, 0)
#define FLUSH(d)		CALL4(FLUSH, d, 0, 0)
#define LOOKUP(d, iova)		CALL4(LOOKUP, d, iova, 0)
#define INFO_MAPPED(d)		td_call(PKVM_IOMMU_INFO, PKVM_IOMMU_INFO_MAPPED, d, 0)
#define FREE(d)			CALL4(DOMAIN_FREE, d, 0, 0)
#define TOPUP(phys)		CALL4(TOPUP, (phys) / PAGE, 1, 0)

struct state {
	uint64_t value[PKVM_IOMMU_INFO_LIMIT + 1];
};

#define MANY 4096

/*
 * Expectations other than enum pkvm_iommu_fault_reason. QEMU records no fault if its
 * cache of translations refuses the access, nor beyond the input size of stage 2.
 */
#define OK	(-1)
#define SILENT	(-2)

bool put(const char *path, const char *text);
struct td_res call(uint64_t op, uint64_t arg1, uint64_t arg2, uint64_t arg3, uint64_t arg4,
		   uint64_t arg5);
bool is(struct td_res res, int err, uint64_t x2, uint64_t x3, const char *name);
struct state state(void);
void unchanged(struct state before, const char *name);
void same_pool(const struct state *before, const struct state *after);
bool topup(uint64_t n);
size_t drain(uint64_t pages[MANY], uint64_t last);
bool take_back(uint64_t phys);
void can_donate(uint64_t phys, bool expect, const char *name);
uint64_t domain_alloc(void);
int64_t map(uint64_t domain, uint64_t iova, uint64_t phys, uint64_t size, uint64_t prot,
	    uint64_t *done);
int64_t unmap(uint64_t domain, uint64_t iova, uint64_t size, uint64_t *mapped);
bool map_ok(uint64_t domain, uint64_t iova, uint64_t phys, uint64_t size, uint64_t prot,
	    const char *name);
bool unmap_ok(uint64_t domain, uint64_t iova, uint64_t size, const char *name);
struct td_res attach(uint64_t domain);
struct td_res domain_free(uint64_t domain);
struct td_res detach(uint64_t domain);
uint64_t fault_count(void);
bool faulted(uint64_t before, uint64_t iova, bool write, int reason);
uint32_t marker(void);
void dma_reads(uint64_t iova, volatile uint32_t *mem, int expect, const char *name);
void dma_store(uint64_t iova, volatile uint32_t *mem, uint32_t data, int expect,
	       const char *name);
void dma_writes(uint64_t iova, volatile uint32_t *mem, int expect, const char *name);
void dma(uint64_t iova, volatile uint32_t *mem, int expect, const char *name);
void control(const char *when);
void begin(void);

/* The tests of the other files. */
void test_small(uint8_t *huge);
void test_refused_memory(void);
void test_mmio(void);
void test_pins(void);
void test_guests(void);
void test_blocks(uint8_t *huge);
void test_gib(void);
void test_large(void);
void test_pin_overflow(void);
void test_runs(void);
void test_list(void);
void test_lazy(uint64_t phys);
void test_room_for_blocks(uint8_t *huge);
uint8_t *huge_alloc(void);
void huge_free(uint8_t *huge);

#endif
