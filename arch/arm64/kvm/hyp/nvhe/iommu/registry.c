// SPDX-License-Identifier: GPL-2.0-only
/*
 * Registry of IOMMUs, and the regions of the physical address space.
 *
 * PKVM_IOMMU_BOOT_REGISTER and PKVM_IOMMU_BOOT_SEAL write the registry, from one
 * thread of the host, which is still trusted then. It is constant afterwards, so
 * readers need no lock.
 */
#include <linux/nospec.h>

#include <nvhe/mem_protect.h>
#include <nvhe/memory.h>
#include <nvhe/mm.h>

#include "core.h"

struct pkvm_iommu pkvm_iommus[PKVM_IOMMU_MAX];
unsigned int pkvm_iommu_nr;
/* Smallest output address size of those that walk tables: some IOMMU reads no table above it. */
unsigned int pkvm_iommu_oas = 64;
struct pkvm_iommu_geometry pkvm_iommu_geometries[PKVM_IOMMU_MAX];
unsigned int pkvm_iommu_nr_geometries;
/* Exclusive end of the addresses that any device can use; beyond it are no counts, see pin.c. */
u64 pkvm_iommu_limit;

/*
 * Registers of each IOMMU; and those withheld, of devices that are behind no IOMMU and that
 * the host must not program.
 */
struct pkvm_iommu_mmio pkvm_iommu_mmios[PKVM_IOMMU_MMIOS_MAX];
unsigned int pkvm_iommu_nr_mmios;

/**
 * pkvm_iommu_get() - look up an IOMMU
 * @id: any value; the host's name for the IOMMU
 *
 * Return: the IOMMU, or NULL.
 */
struct pkvm_iommu *pkvm_iommu_get(u64 id)
{
	if (id >= pkvm_iommu_nr)
		return NULL;

	return &pkvm_iommus[array_index_nospec(id, PKVM_IOMMU_MAX)];
}

/**
 * pkvm_iommu_next_mmio() - find registers that are EL2's
 * @addr: physical address to start at
 * @start: set to the first address of the registers; it may be below @addr
 * @end: set to the exclusive end of the registers
 *
 * Return: false if EL2 has no registers at or above @addr.
 */
bool pkvm_iommu_next_mmio(u64 addr, u64 *start, u64 *end)
{
	const struct pkvm_iommu_mmio *mmio;

	*start = U64_MAX;
	for_each_pkvm_iommu_mmio(mmio) {
		if (mmio->phys + mmio->size > addr && mmio->phys < *start) {
			*start = mmio->phys;
			*end = mmio->phys + mmio->size;
		}
	}

	return *start != U64_MAX;
}

/**
 * pkvm_iommu_memory_range() - find the range of memory, or of none, that an address is in
 * @addr: physical address
 * @start: set to the first address of the range
 * @end: set to its exclusive end, at most pkvm_iommu_limit
 *
 * A range is memory, or everything between two ranges of memory. Pages that are only
 * partly memory count as not memory, because they can never be donated. So does memory
 * that appears after boot: it is not in pKVM's list.
 *
 * Return: true for memory.
 */
bool pkvm_iommu_memory_range(u64 addr, u64 *start, u64 *end)
{
	u64 base, stop;
	int i;

	*start = 0;
	*end = pkvm_iommu_limit;
	for (i = 0; i < hyp_memblock_nr; i++) {
		base = PAGE_ALIGN(hyp_memory[i].base);
		stop = ALIGN_DOWN(hyp_memory[i].base + hyp_memory[i].size, PAGE_SIZE);

		if (addr < base) {
			*end = min(*end, base);
			return false;
		}
		if (addr < stop) {
			*start = base;
			*end = min(*end, stop);
			return true;
		}
		*start = stop;
	}

	return false;
}

/**
 * pkvm_iommu_is_host_mmio() - check that a range is MMIO of the host, or memory that
 * appeared after boot
 * @phys: first physical address
 * @size: bytes
 *
 * The answer does not change after the seal, because pKVM gives none of it to a VM or to EL2:
 * so it needs no pin.
 *
 * Return: false if part of it is memory, or registers of an IOMMU.
 */
bool pkvm_iommu_is_host_mmio(u64 phys, u64 size)
{
	u64 start, stop;

	if (pkvm_iommu_memory_range(phys, &start, &stop) || stop < phys + size)
		return false;

	return !pkvm_iommu_next_mmio(phys, &start, &stop) || start >= phys + size;
}
