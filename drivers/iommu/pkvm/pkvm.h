/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The pKVM IOMMU layer at EL1, as init modules see it.
 *
 * An init module (init/) finds IOMMUs of one kind, describes each one in a
 * struct pkvm_iommu_dev and registers it. From then on the core uses it; see
 * core.h. Only init modules know hardware. They run during the boot, while EL2
 * still trusts the host.
 */
#ifndef __PKVM_IOMMU_H
#define __PKVM_IOMMU_H

#include <linux/iommu.h>
#include <linux/ioport.h>
#include <linux/types.h>
#include <linux/xarray.h>

#include <asm/pkvm_iommu.h>

/**
 * struct pkvm_iommu_dev - an IOMMU that EL2 drives
 * @dev: its device
 * @type: selects the backend at EL2
 * @mmio: physical address of its registers
 * @mmio_size: size of its registers in bytes
 * @flags: PKVM_IOMMU_F_COHERENT, or 0
 * @irqs: wired interrupts that announce faults; 0 where there is none
 * @id: EL2's id of it, and its index in pkvm_iommu_devs
 * @iommu: the IOMMU core's handle
 * @identity: its streams can be attached to the identity domain
 * @nested: page-table format of nested domains, PKVM_IOMMU_NESTED_*; 0 if its devices have
 *	managed domains only
 * @streams: struct pkvm_iommu_stream by stream id; guarded by
 *	pkvm_iommu_streams_mutex
 * @masters: list of struct pkvm_iommu_master; guarded by pkvm_iommu_streams_mutex
 *
 * The init module sets the members up to @irqs and zeroes the others. @id is
 * set by pkvm_iommu_register(), @identity and @nested before @iommu is registered; all are
 * constant from then on.
 */
struct pkvm_iommu_dev {
	struct device		*dev;
	enum pkvm_iommu_type	type;
	phys_addr_t		mmio;
	size_t			mmio_size;
	u64			flags;
	int			irqs[2];

	u32			id;
	struct iommu_device	iommu;
	bool			identity;
	u64			nested;
	struct xarray		streams;
	struct list_head	masters;
};

bool pkvm_iommu_enabled(void);
int pkvm_iommu_register(struct pkvm_iommu_dev *pdev);
bool pkvm_iommu_has_registers(phys_addr_t phys, size_t size);
u32 pkvm_iommu_virtio_id(const struct resource *window);
int pkvm_iommu_withhold(const char *name, const struct fwnode_handle *fwnode, phys_addr_t phys,
			size_t size);

#endif /* __PKVM_IOMMU_H */
