/* SPDX-License-Identifier: GPL-2.0 */
#ifndef ATTACK_H
#define ATTACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "edu.h"
#include "phys.h"
#include "testdev.h"
#include "vm.h"

/* Outcome of an attack. The catalogue is described in attack.c. */
enum outcome {
	REACHED,	/* the attack worked: the secret was read, memory was changed */
	BLOCKED,	/* nothing read, nothing changed, and a record proves why */
	REFUSED,	/* the documented error, or a fault on the CPU's access */
	NOT_THERE,	/* this machine has nothing to attack */
	FAIL,		/* none of these: the test proves nothing */
};

struct row {
	const char *id, *text;
	enum outcome (*run)(const struct row *row);
	uint64_t arg;		/* argument of run */
	bool stock;		/* pKVM stops it without the IOMMU layer too */
	bool nested;		/* edu is in a new nested domain */
};

extern const struct row rows[];
extern const size_t nr_rows;

/* Bytes of a DMA attack: few, because each 4 bytes may make a fault record. */
#define ATTACK_LEN	64

extern struct edu edu;
/* The IOMMU of edu, and the domain that the kernel has attached it to. */
extern uint64_t iommu, home;
/* A page of this program, which the positive control uses. */
extern uint64_t own_phys;
/* Let probe_enter() give edu a nested domain; its page table, NULL if it has another domain. */
extern bool probe_nested;
extern struct stage1 *probe_tables;

/* Set the evidence of the current row. */
void say(const char *text, ...) __attribute__((format(printf, 1, 2)));
/* The same for a row that could not be run: returns FAIL. */
enum outcome broken(const char *what);

/* probe.c: */

/* 0 or a negative errno. */
int probe_init(void);
/*
 * Leave edu in its domain as it was found, and prepare it for attacks again: with mappings
 * in its domain, or with a nested domain.
 */
void probe_leave(void);
int probe_enter(void);
/* Check that streams of edu's IOMMU can be attached to nested domains. */
bool can_nest(void);
/* I/O virtual address at which an attack aims at @phys. */
uint64_t aim_at(uint64_t phys);

/* Returns REACHED if EL2 accepts calls. */
enum outcome in_service(void);
/* Give EL2 the pages that a call with -ENOMEM asks for. The kernel leaks them. */
bool give_pages(uint64_t n);
/* Map a page at its physical address in @domain. Returns x1 of the calls. */
int64_t map_page(uint64_t domain, uint64_t phys);
int64_t unmap_page(uint64_t domain, uint64_t phys, uint64_t flags);

/*
 * The positive control: DMA reads and writes host memory. Leaves the control's
 * pattern in the device's buffer, which distinguishes a device that did nothing
 * from one that read zeros.
 */
bool control(void);

/*
 * DMA read of ATTACK_LEN bytes. @secret is the contents of the memory, or NULL if
 * only EL2 knows them: any non-zero byte is then a leak. @got (ATTACK_LEN bytes, may
 * be NULL) is set to the bytes that the device read.
 */
enum outcome dma_read(uint64_t phys, const void *secret, void *got);
/* The same, of @len bytes up to ATTACK_LEN. */
enum outcome dma_read_len(uint64_t phys, size_t len, const void *secret,
			  void *got);

/* Find the first non-zero ATTACK_LEN bytes of a page by DMA. Returns 0 if there are none. */
uint64_t dma_find(uint64_t phys);

/*
 * DMA write of @data, or of a pattern if NULL, @len bytes up to ATTACK_LEN.
 * The caller checks if memory has changed, and calls dma_write_result().
 */
bool dma_write(uint64_t phys, const void *data, size_t len);
/* The same at an I/O virtual address of a nested domain, which the caller has mapped. */
bool dma_write_iova(uint64_t iova);
enum outcome dma_write_result(bool changed);
extern const uint8_t attack_pattern[ATTACK_LEN];

/*
 * DMA of a detached stream, to and from our own page. The read tries to load
 * attack_pattern: check the buffer when the stream is attached again.
 */
enum outcome detached_write(void);
enum outcome detached_read(void);
/* DMA write to our own page, in a nested domain whose root table is not the host's. */
enum outcome rootless_write(void);
bool buffer_is(const void *expected);

/* CPU access through /dev/mem. Returns 0, the signal that was raised, or a negative errno. */
int cpu_read(uint64_t phys, uint32_t *value);
int cpu_write(uint64_t phys, uint32_t value);
/* The same as an attack, with its positive control. */
enum outcome cpu_attack(uint64_t phys);
/* Flip bits of a register and restore them; @set enables the write, if it needs it. */
enum outcome cpu_write_attack(uint64_t phys, uint32_t flip, uint32_t set);

/*
 * Find the @n-th range of a kind (PKVM_IOMMU_TEST_RANGE_*) with the test device, or
 * without it from /proc. ranges.c.
 */
bool find_range(uint64_t kind, unsigned int n, uint64_t *start, uint64_t *size);

/* attack_regs.c: the kind of IOMMU; a device's or the CPU's accesses to its registers. */
bool is_smmu(void);
enum outcome regs_read(uint64_t start, uint64_t size);
enum outcome regs_write(uint64_t start, uint64_t size);
enum outcome regs_cpu_write(uint64_t start, uint64_t size);

/* attack_maps.c: rows. */
enum outcome topup_mapped(const struct row *row);
enum outcome pool_map(const struct row *row);

/* attack_nested.c: rows. */
enum outcome nested_table(const struct row *row);
enum outcome nested_rewritten(const struct row *row);
enum outcome nested_root(const struct row *row);
enum outcome nested_descriptor(const struct row *row);
enum outcome nested_descriptor_taken(const struct row *row);
enum bad_invalidate { WRONG_DOMAIN, WRAPS, HUGE };
enum outcome nested_invalidate(const struct row *row);
enum outcome nested_id_reused(const struct row *row);

/* REFUSED if @res is @err, with SMCCC success; NOT_THERE if it is -ENODEV. */
enum outcome expect_errno(struct td_res res, int err);

#endif
