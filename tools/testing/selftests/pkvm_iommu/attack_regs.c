// SPDX-License-Identifier: GPL-2.0
/* Attacks on the registers of an IOMMU, an SMMUv3 or a virtio-iommu over MMIO. */
#include "attack.h"

/*
 * A register bit that lets unattached streams bypass the IOMMU. Attached streams do
 * not notice, so that the bit can be changed for a moment, read back and restored.
 */
struct bypass {
	uint64_t offset;
	uint32_t flip, set;
};

/* Size of QEMU's virtio-mmio window; an SMMU's is larger. */
#define VIRTIO_WINDOW	0x200

bool is_smmu(void)
{
	uint64_t start, size;

	return find_range(PKVM_IOMMU_TEST_RANGE_MMIO, 0, &start, &size) && size > VIRTIO_WINDOW;
}

static struct bypass bypass_of(uint64_t size)
{
	/* IHI 0070, SMMU_GBPA: ABORT, and UPDATE. */
	static const struct bypass smmu = { 0x44, 1U << 20, 1U << 31 };
	/* Virtual I/O Device Version 1.2, 4.2.2 and 5.13.4: config.bypass. */
	static const struct bypass virtio = { 0x100 + 36, 1, 0 };

	return size <= VIRTIO_WINDOW ? virtio : smmu;
}

enum outcome regs_write(uint64_t start, uint64_t size)
{
	const struct bypass b = bypass_of(size);
	uint64_t at = start + b.offset;
	uint32_t old = 0, new, value;
	enum outcome outcome = dma_read_len(at, 4, NULL, &old);

	value = (outcome == REACHED ? old ^ b.flip : b.flip) | b.set;
	if (!dma_write(at, &value, 4))
		return broken("could not try");
	if (outcome != REACHED)
		return dma_write_result(false);

	dma_read_len(at, 4, NULL, &new);
	value = old | b.set;
	if (!dma_write(at, &value, 4))
		return broken("could not restore");
	return dma_write_result(new != old);
}

enum outcome regs_cpu_write(uint64_t start, uint64_t size)
{
	const struct bypass b = bypass_of(size);

	return cpu_write_attack(start + b.offset, b.flip, b.set);
}

/* Registers are 32 bits wide: a longer access may read as zero. */
enum outcome regs_read(uint64_t start, uint64_t size)
{
	(void)size;
	return dma_read_len(start, 4, NULL, NULL);
}
