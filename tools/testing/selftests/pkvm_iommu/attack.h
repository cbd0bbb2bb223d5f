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
/* A page of ours, which the positive control uses. */
extern uint64_t own_phys;

/* Sets the evidence of the row under way. */
void say(const char *text, ...) __attribute__((format(printf, 1, 2)));

/* probe.c: */

/* 0 or a negative errno. */
int probe_init(void);

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

/* CPU read through /dev/mem: 0, the signal that it got, or a negative errno. */
int cpu_read(uint64_t phys, uint32_t *value);
/* The same as an attack, with its positive control. */
enum outcome cpu_attack(uint64_t phys);

/*
 * The @n-th range of a kind (PKVM_IOMMU_TEST_RANGE_*): what the test device
 * says, else what the kernel's own tables say. ranges.c.
 */
bool find_range(uint64_t kind, unsigned int n, uint64_t *start, uint64_t *size);

/* REFUSED if @res is @err, with SMCCC success. -ENODEV: NOT_THERE. */
enum outcome expect_errno(struct td_res res, int err);

#endif
