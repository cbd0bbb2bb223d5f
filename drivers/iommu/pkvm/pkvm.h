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
#include <linux/of.h>
#include <linux/types.h>
#include <linux/xarray.h>

#include <asm/pkvm_iommu.h>

/**
 * struct pkvm_iommu_dev - an IOMMU that EL2 drives
 * @dev: its device
 * @type: selects the backend at EL2
 * @mmio: physical address of its registers
 * @mmio_size: size of its registers in bytes
 * @windows: further registers, in the order in which the backend knows them; kept
 * @nr_windows: their number, at most %PKVM_IOMMU_WINDOWS_MAX
 * @flags: PKVM_IOMMU_F_COHERENT, and FIELD_PREP(PKVM_IOMMU_F_QUIRKS, quirks of the backend); or 0
 * @irqs: wired interrupts that announce faults, @nr_irqs of them; kept
 * @nr_irqs: their number
 * @stream_id: translate the cells of a device's reference to the IOMMU, which match its
 *	#iommu-cells, to a stream id. Returns 0, or -EINVAL if they have none. NULL: one cell is the
 *	stream id, and without cells there is stream 0 only
 * @id: EL2's id of it; its index in pkvm_iommu_devs, except in a crash kernel
 * @iommu: the IOMMU core's handle
 * @identity: its streams can be attached to the identity domain
 * @managed: enum pkvm_iommu_managed
 * @address_bits: size of the addresses that its devices can use
 * @geometry: IOMMUs with the same one can have devices in the same domain
 * @nested: page-table format of nested domains, PKVM_IOMMU_NESTED_*; 0 if its devices have
 *	managed domains only
 * @streams: struct pkvm_iommu_stream by stream id; guarded by
 *	pkvm_iommu_streams_mutex
 * @masters: list of struct pkvm_iommu_master; guarded by pkvm_iommu_streams_mutex
 *
 * The init module sets the members up to @stream_id and zeroes the others. @id is set by
 * pkvm_iommu_register(), @identity to @nested before @iommu is registered; all are constant from
 * then on.
 */
struct pkvm_iommu_dev {
	struct device		*dev;
	enum pkvm_iommu_type	type;
	phys_addr_t		mmio;
	size_t			mmio_size;
	const struct resource	*windows;
	unsigned int		nr_windows;
	u64			flags;
	const int		*irqs;
	unsigned int		nr_irqs;
	int (*stream_id)(const struct of_phandle_args *args, u32 *sid);

	u32			id;
	struct iommu_device	iommu;
	bool			identity;
	u64			managed;
	u64			address_bits;
	u64			geometry;
	u64			nested;
	struct xarray		streams;
	struct list_head	masters;
};

/**
 * pkvm_iommu_id_mask() - a pkvm_iommu_dev::stream_id for ids with masks
 * @args: an id, and a mask or none, of 16 bits each: bits that the mask has do not matter
 * @sid: set to the stream id: the mask in the upper half, and in the lower half the id without
 *	the bits of the mask, so that the same ids and mask always give the same stream id
 *
 * Return: 0, or -EINVAL if that is not what @args has.
 */
static inline int pkvm_iommu_id_mask(const struct of_phandle_args *args, u32 *sid)
{
	u32 id = args->args_count > 0 ? args->args[0] : 0;
	u32 mask = args->args_count > 1 ? args->args[1] : 0;

	if (args->args_count < 1 || args->args_count > 2 || (id | mask) >> 16)
		return -EINVAL;
	*sid = mask << 16 | (id & ~mask);

	return 0;
}

bool pkvm_iommu_enabled(void);
/* crash.c */
#ifdef CONFIG_CRASH_DUMP
bool pkvm_iommu_in_crash_kernel(void);
bool pkvm_iommu_inherited_page(phys_addr_t registers);
#else
static inline bool pkvm_iommu_in_crash_kernel(void) { return false; }
static inline bool pkvm_iommu_inherited_page(phys_addr_t registers) { return false; }
#endif
int pkvm_iommu_register(struct pkvm_iommu_dev *pdev);
bool pkvm_iommu_has_registers(phys_addr_t phys, size_t size);
u32 pkvm_iommu_virtio_id(const struct resource *window);
int pkvm_iommu_withhold(const char *name, const struct fwnode_handle *fwnode, phys_addr_t phys,
			size_t size);

#endif /* __PKVM_IOMMU_H */
