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

/* How an attack ended. The catalogue: attack.c. */
enum outcome {
	REACHED,	/* it worked: the secret was read, memory was changed */
	BLOCKED,	/* nothing read, nothing changed, and something proves why */
	REFUSED,	/* the documented error, or a fault on the CPU's access */
	NOT_THERE,	/* there is nothing to attack here */
	FAIL,		/* none of these: the test proves nothing */
};

struct row {
	const char *id, *text;
	enum outcome (*run)(const struct row *row);
	uint64_t arg;		/* of run */
	bool stock;		/* pKVM stops it with our layer off too */
};

extern const struct row rows[];
extern const size_t nr_rows;

/* Bytes of a DMA attack: few, as each 4 of them may make a fault record. */
#define ATTACK_LEN	64

extern struct edu edu;
/* The IOMMU that edu is behind, and the domain that the kernel has it in. */
extern uint64_t iommu, home;
/* A page of ours, which the positive control uses. */
extern uint64_t own_phys;

/* Sets the evidence of the row under way. */
void say(const char *text, ...) __attribute__((format(printf, 1, 2)));
/* The same, of a row that could not be done: FAIL. */
enum outcome broken(const char *what);

/* probe.c: */

/* 0 or a negative errno. */
int probe_init(void);
/* Between these, what the attacker has mapped where the kernel has edu is not there. */
void probe_leave(void);
int probe_enter(void);

/* REACHED if the hypervisor takes calls. */
enum outcome in_service(void);
/* What a call needs that says -ENOMEM. The kernel is without these for good. */
bool give_pages(uint64_t n);
/* A page at its own address, in @domain: x1 of the calls. */
int64_t map_page(uint64_t domain, uint64_t phys);
int64_t unmap_page(uint64_t domain, uint64_t phys, uint64_t flags);

/*
 * The positive control: DMA reads and writes host memory. Leaves the control's
 * pattern in the device's buffer, so that "the device did nothing" differs
 * from "the device read zeros".
 */
bool control(void);

/*
 * DMA read of ATTACK_LEN bytes. @secret is what is there, or NULL where only
 * EL2 knows: any non-zero byte is then a leak. @got (ATTACK_LEN bytes, may be
 * NULL) is what came.
 */
enum outcome dma_read(uint64_t phys, const void *secret, void *got);
/* The same, of @len bytes up to ATTACK_LEN. */
enum outcome dma_read_len(uint64_t phys, size_t len, const void *secret,
			  void *got);

/* By DMA: the first ATTACK_LEN bytes in a page that are not zero, or 0. */
uint64_t dma_find(uint64_t phys);

/*
 * DMA write of @data, or of a pattern if NULL, @len bytes up to ATTACK_LEN.
 * Only the caller can tell whether memory changed: it calls dma_write_result()
 * with what it found.
 */
bool dma_write(uint64_t phys, const void *data, size_t len);
enum outcome dma_write_result(bool changed);
extern const uint8_t attack_pattern[ATTACK_LEN];

/*
 * DMA of a detached stream, to and from our own page. The read wants
 * attack_pattern: look at the buffer when the stream is attached again.
 */
enum outcome detached_write(void);
enum outcome detached_read(void);
bool buffer_is(const void *expected);

/* CPU access through /dev/mem: 0, the signal that it got, or a negative errno. */
int cpu_read(uint64_t phys, uint32_t *value);
int cpu_write(uint64_t phys, uint32_t value);
/* The same as an attack, with its positive control. */
enum outcome cpu_attack(uint64_t phys);
/* Flips bits of a register, which others of it may enable; and back again. */
enum outcome cpu_write_attack(uint64_t phys, uint32_t flip, uint32_t set);

/*
 * The @n-th range of a kind (PKVM_IOMMU_TEST_RANGE_*): what the test device
 * says, else what the kernel's own tables say. ranges.c.
 */
bool find_range(uint64_t kind, unsigned int n, uint64_t *start, uint64_t *size);

/* attack_regs.c: what a device, or the CPU, does to the registers of an IOMMU. */
enum outcome regs_read(uint64_t start, uint64_t size);
enum outcome regs_write(uint64_t start, uint64_t size);
enum outcome regs_cpu_write(uint64_t start, uint64_t size);

/* attack_maps.c: rows. */
enum outcome topup_mapped(const struct row *row);
enum outcome pool_map(const struct row *row);

/* REFUSED if @res is @err, with SMCCC success. -ENODEV: NOT_THERE. */
enum outcome expect_errno(struct td_res res, int err);

#endif
