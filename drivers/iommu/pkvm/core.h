/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The pKVM IOMMU layer at EL1, as the files of its core see each other.
 *
 * EL2 trusts these files until the end of the boot, as it trusts the rest of the
 * host. From then on it checks every hypercall: a mistake here can stop the host's
 * devices from working, but cannot expose the memory of a protected VM.
 *
 * A file may call those below it, never those above:
 *
 *   frontend.c		the iommu_ops; brings the IOMMUs into service
 *   fault.c		interrupts: reads faults from EL2 and reports them
 *   domain.c		paging domains: creates, looks up, flushes and frees them
 *   batch.c		mapping, in batches, and unmapping in paging domains
 *   stream.c		devices and their streams; attaches them to domains
 *   pool.c		tops up EL2's memory pool, and takes unused pages back
 *   boot.c		hands IOMMUs and memory to EL2; knows which IOMMUs EL2 has
 *
 * cache.h is part of domain.c and batch.c. The init modules (init/) and test.c
 * call boot.c only; test-hooks.h says what calls test.c.
 *
 * Locks, in the order of taking them: the IOMMU core's group mutex,
 * pkvm_iommu_streams_mutex, the lock of a batch (batch.c), of which at most one is
 * held.
 */
#ifndef __PKVM_IOMMU_CORE_H
#define __PKVM_IOMMU_CORE_H

#include <linux/iommu.h>
#include <linux/mutex.h>
#include <linux/types.h>

#include "pkvm.h"

/*
 * How often a hypercall that made no progress for lack of memory is repeated.
 * One top-up is enough unless another caller uses the memory meanwhile.
 */
#define PKVM_IOMMU_TOPUP_TRIES	4

/* boot.c: the IOMMUs that EL2 has, by id. Constant after device_initcall. */
extern struct pkvm_iommu_dev *pkvm_iommu_devs[PKVM_IOMMU_MAX];
extern unsigned int pkvm_iommu_nr_devs;

#define for_each_pkvm_iommu_dev(pdev)						\
	for (struct pkvm_iommu_dev **__pos = pkvm_iommu_devs;			\
	     __pos < pkvm_iommu_devs + pkvm_iommu_nr_devs && ((pdev) = *__pos);	\
	     __pos++)

struct pkvm_iommu_dev *pkvm_iommu_find(const struct fwnode_handle *fwnode);

/*
 * boot.c: memory shared with EL2 for the runs of PKVM_IOMMU_MAP_LIST, or NULL.
 * One list for each possible CPU, and behind them, with CONFIG_PKVM_IOMMU_TEST,
 * a page that tests write. Constant after boot.
 */
extern u64 (*pkvm_iommu_run_lists)[PKVM_IOMMU_LIST_RUNS];

/* pool.c */
int pkvm_iommu_hvc_topup(struct pkvm_iommu_hvc *hvc, gfp_t gfp);
int pkvm_iommu_topup(u64 nr_pages, gfp_t gfp);
unsigned long pkvm_iommu_reclaim(unsigned long max);
void pkvm_iommu_reclaim_disable(void);
void pkvm_iommu_reclaim_enable(void);
void pkvm_iommu_shrinker_init(void);

/**
 * pkvm_iommu_read_info() - read a value that EL2 reports
 * @info: which value
 * @iommu: the IOMMU's id, for a value that an IOMMU has
 * @value: where to store it; unchanged on failure
 *
 * Context: any; once pKVM is finalised.
 * Return: 0; the errors of PKVM_IOMMU_INFO.
 */
static inline int pkvm_iommu_read_info(enum pkvm_iommu_info info, u32 iommu, u64 *value)
{
	struct pkvm_iommu_hvc hvc = { .op = PKVM_IOMMU_INFO, .args = { info, iommu } };
	int ret = pkvm_iommu_hvc(&hvc);

	if (!ret)
		*value = hvc.res[0];

	return ret;
}

#endif /* __PKVM_IOMMU_CORE_H */
