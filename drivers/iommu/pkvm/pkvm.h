/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The host's side of the pKVM IOMMU layer.
 *
 * Three kinds of files: an init module per vendor finds hardware and registers
 * it (smmu-v3.c); boot.c hands it to the hypervisor; frontend.c is the one
 * iommu_ops for whatever was handed over. Only the first kind knows vendors,
 * and nothing here is trusted once the boot is over.
 */
#ifndef __PKVM_IOMMU_H
#define __PKVM_IOMMU_H

#include <linux/iommu.h>
#include <linux/types.h>
#include <linux/xarray.h>

#include <asm/pkvm_iommu.h>

#include <uapi/linux/pkvm_iommu_test.h>

/**
 * struct pkvm_iommu_dev - an IOMMU that the hypervisor has, or is to have
 * @dev: its device; set by the init module
 * @type: enum pkvm_iommu_type; set by the init module
 * @mmio: address of its registers; set by the init module
 * @mmio_size: their size; set by the init module
 * @flags: PKVM_IOMMU_F_*; set by the init module
 * @irqs: interrupts that announce faults, or 0; set by the init module
 * @id: its id at the hypervisor
 * @iommu: handle of the IOMMU core
 * @identity: its streams can be attached to the identity domain
 * @streams: struct pkvm_iommu_stream by stream id
 */
struct pkvm_iommu_dev {
	struct device			*dev;
	enum pkvm_iommu_type		type;
	phys_addr_t			mmio;
	size_t				mmio_size;
	u64				flags;
	int				irqs[2];

	u32				id;
	struct iommu_device		iommu;
	bool				identity;
	struct xarray			streams;
};

/* All of them, in the order of their ids; constant after boot. */
extern struct pkvm_iommu_dev *pkvm_iommu_devs[PKVM_IOMMU_MAX];
extern unsigned int pkvm_iommu_nr_devs;

#define for_each_pkvm_iommu_dev(pdev)						\
	for (struct pkvm_iommu_dev **__pos = pkvm_iommu_devs;			\
	     __pos < pkvm_iommu_devs + pkvm_iommu_nr_devs && ((pdev) = *__pos);	\
	     __pos++)

struct pkvm_iommu_dev *pkvm_iommu_find(const struct fwnode_handle *fwnode);

extern atomic_t pkvm_iommu_topups;

/*
 * Lists of runs for PKVM_IOMMU_MAP_LIST, or NULL: one for each possible CPU, and for
 * tests a page of them behind all others.
 */
extern u64 (*pkvm_iommu_lists)[PKVM_IOMMU_LIST_RUNS];

bool pkvm_iommu_enabled(void);
int pkvm_iommu_register(struct pkvm_iommu_dev *pdev);
int pkvm_iommu_topup(u64 nr_pages, gfp_t gfp);
void pkvm_iommu_shrinker(void);
unsigned long pkvm_iommu_reclaim(unsigned long max);

#endif /* __PKVM_IOMMU_H */
