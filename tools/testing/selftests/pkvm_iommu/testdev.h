/* SPDX-License-Identifier: GPL-2.0 */
#ifndef TESTDEV_H
#define TESTDEV_H

#include <stdbool.h>
#include <stdint.h>
#include <linux/pkvm_iommu_test.h>

/* /dev/pkvm_iommu_test: root plays the hostile host kernel. */

/* x0 if a function does not exist, or not in this state (SMCCC). */
#define SMCCC_NOT_SUPPORTED	(-1)
/* Result of td_call() if the hypercall could not be made. */
#define TD_BROKEN		(-100000)

struct td_res {
	int64_t x0;	/* SMCCC status */
	int64_t err;	/* x1: 0 or a negative errno */
	uint64_t x2, x3;
};

/* 0 or a negative errno. */
int td_open(void);
bool td_present(void);

/* A raw hypercall: @fn is PKVM_IOMMU_TEST_FN_*, @args are x1 to x17. */
struct td_res td_raw(uint64_t fn, const uint64_t args[17]);
/* __pkvm_iommu_call(@op, ...). */
struct td_res td_call(uint64_t op, uint64_t a, uint64_t b, uint64_t c);
/* PKVM_IOMMU_MAP of runs, up to the first 0. td_map() maps as much as one call can. */
struct td_res td_map_runs(uint64_t domain, uint64_t iova, uint64_t prot,
			  const uint64_t runs[PKVM_IOMMU_RUNS]);
struct td_res td_map(uint64_t domain, uint64_t iova, uint64_t phys, uint64_t size, uint64_t prot);
/*
 * PKVM_IOMMU_MAP_LIST of @nr runs from index @at of td_list(), the last TD_LIST runs of
 * a page that is shared with EL2. td_list() is NULL if there is no such page.
 */
#define TD_LIST		512
volatile uint64_t *td_list(void);
struct td_res td_map_list(uint64_t domain, uint64_t iova, uint64_t prot, uint64_t at, uint64_t nr);
/* enum pkvm_iommu_info; returns x1. */
int64_t td_info(uint64_t which, uint64_t *value);
/* Check that streams of this IOMMU can be attached to the identity domain. */
bool td_has_identity(uint64_t iommu);
/* Block a stream. Sets its IOMMU, and the domain that it was attached to. */
bool td_take_stream(uint32_t sid, uint64_t *iommu, uint64_t *domain);
/*
 * PKVM_IOMMU_ATTACH, and PKVM_IOMMU_REPLAY if the IOMMU has no page tables. x2 is 0
 * if REPLAY was asked for by exactly such an IOMMU.
 */
struct td_res td_attach(uint64_t iommu, uint64_t sid, uint64_t domain);
int td_faults(struct pkvm_iommu_test_faults *f);
/* Find the @n-th range of a kind; false if there is none. */
bool td_range(uint64_t kind, unsigned int n, struct pkvm_iommu_test_range *r);
/* Allocate a page of kernel memory. Returns its physical address; 0 on failure. */
uint64_t td_alloc(void);
/* False if the page is not the host's, or a device has it mapped: it is lost then. */
bool td_free(uint64_t phys);
/*
 * Give pages to EL2, which the kernel then leaks. The largest powers of two are in one piece:
 * the first of them has room for a root table.
 */
bool td_topup(uint64_t n);

#endif
