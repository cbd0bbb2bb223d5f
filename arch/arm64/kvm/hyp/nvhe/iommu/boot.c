// SPDX-License-Identifier: GPL-2.0-only
/*
 * Boot: REGISTER, WINDOW, WITHHOLD, DONATE, SEAL. And the return of IOMMUs from a power-off.
 *
 * The host is trusted until pKVM drops its privileges, and makes these calls from one
 * thread. PKVM_IOMMU_BOOT_SEAL closes the registry. Protected VMs are allowed if all of the
 * seal succeeded, or if the host asked for no isolation by PKVM_IOMMU_F_OFF.
 */
#include <asm/kvm_mmu.h>

#include <nvhe/mem_protect.h>
#include <nvhe/memory.h>
#include <nvhe/mm.h>

#include "core.h"

/* OPEN -> SEALING -> SEALED; or from the first two to OFF or FAILED. */
static enum {
	IOMMU_OPEN,
	IOMMU_SEALING,
	IOMMU_SEALED,
	IOMMU_OFF,
	IOMMU_FAILED,
} iommu_state;

static bool iommu_isolated;
static unsigned int nr_withheld;
u64 pkvm_iommu_shadow_pages;

#define REGISTER_FLAGS	(PKVM_IOMMU_F_COHERENT | PKVM_IOMMU_F_STAGE1 | PKVM_IOMMU_F_LINEAR | \
			 PKVM_IOMMU_F_REACH)

/* It reads page tables, which the pool has. */
static bool walks(const struct pkvm_iommu *iommu)
{
	return !iommu->ops->map && !iommu->ops->permit;
}

/*
 * Check registers that EL2 is to take, and round @base and @size to all pages that they
 * touch.
 */
static int check_registers(u64 *base, u64 *size)
{
	u64 addr, phys = ALIGN_DOWN(*base, PAGE_SIZE), start, end;

	if (*base + *size < *size || *base + *size > BIT(host_mmu.pgt.ia_bits))
		return -EINVAL;
	*size = *size ? PAGE_ALIGN(*base + *size) - phys : 0;
	*base = phys;
	if (*size && pkvm_iommu_next_mmio(phys, &start, &end) && start < phys + *size)
		return -EEXIST;

	for (addr = phys; addr < phys + *size; addr += PAGE_SIZE) {
		if (addr_is_memory(addr))
			return -EPERM;
	}

	return 0;
}

/* Map registers of an IOMMU at EL2: @phys and @size become whole pages, *@mmio is for @base. */
static int map_registers(u64 base, u64 *phys, u64 *size, void __iomem **mmio)
{
	unsigned long va = 0;
	int ret;

	*phys = base;
	ret = check_registers(phys, size);
	if (!ret && *size)
		ret = __pkvm_create_private_mapping(*phys, *size, PAGE_HYP_DEVICE, &va);
	*mmio = (void __iomem *)va + (base - *phys);

	return ret;
}

static void add_registers(u64 phys, u64 size, u32 id)
{
	pkvm_iommu_mmios[pkvm_iommu_nr_mmios++] = (struct pkvm_iommu_mmio) { phys, size, id };
}

/**
 * pkvm_iommu_register() - PKVM_IOMMU_BOOT_REGISTER
 * @type: enum pkvm_iommu_type
 * @base: physical address of the registers
 * @size: bytes of registers
 * @flags: PKVM_IOMMU_F_*
 * @result: zeroed; set to the result
 *
 * Context: boot; takes pkvm_pgd_lock.
 * Return: 0, or an errno as <uapi/linux/pkvm_iommu.h> says.
 */
int pkvm_iommu_register(u64 type, u64 base, u64 size, u64 flags,
			struct pkvm_iommu_boot_result *result)
{
	const struct pkvm_iommu_ops *ops = pkvm_iommu_kind(type);
	struct pkvm_iommu *iommu = &pkvm_iommus[pkvm_iommu_nr];
	u64 phys, reach = FIELD_GET(PKVM_IOMMU_F_REACH, flags) ?: 64;
	void __iomem *mmio;
	int ret;

	if (iommu_state != IOMMU_OPEN)
		return -EBUSY;
	if (!ops || flags & ~(REGISTER_FLAGS | FIELD_PREP(PKVM_IOMMU_F_QUIRKS, ops->quirks)) ||
	    reach < 32 || (ops->isolates && !size))
		return -EINVAL;
	if (pkvm_iommu_nr == PKVM_IOMMU_MAX)
		return -ENOSPC;
	ret = map_registers(base, &phys, &size, &mmio);
	if (ret)
		return ret;

	*iommu = (struct pkvm_iommu) {
		.id		= pkvm_iommu_nr,
		.ops		= ops,
		.base		= base,
		.mmio_size	= size,
		.mmio		= mmio,
		.flags		= flags,
	};
	ret = ops->probe(iommu, &result->why);
	if (ret) {
		/* Another driver may use the hardware, so EL2 keeps no mapping of it. */
		hyp_spin_lock(&pkvm_pgd_lock);
		kvm_pgtable_hyp_unmap(&pkvm_pgtable, (u64)mmio & PAGE_MASK, size);
		hyp_spin_unlock(&pkvm_pgd_lock);
		return ret;
	}

	if (!iommu->id)
		pkvm_iommu_pool_init();
	iommu->oas = min(iommu->oas, reach);
	if (walks(iommu))
		pkvm_iommu_oas = min(pkvm_iommu_oas, iommu->oas);
	result->id = iommu->id;
	result->mem_size = iommu->mem_size;
	add_registers(phys, size, iommu->id);
	pkvm_iommu_nr++;

	return 0;
}

/**
 * pkvm_iommu_window() - PKVM_IOMMU_BOOT_WINDOW
 * @id: IOMMU
 * @base: physical address of the registers
 * @size: bytes of registers
 *
 * Context: boot; takes pkvm_pgd_lock.
 * Return: 0, or an errno as <uapi/linux/pkvm_iommu.h> says.
 */
int pkvm_iommu_window(u64 id, u64 base, u64 size)
{
	struct pkvm_iommu *iommu = pkvm_iommu_get(id);
	size_t bytes = size;
	void __iomem *mmio;
	unsigned int n = 0;
	u64 phys;
	int ret;

	if (iommu_state != IOMMU_OPEN)
		return -EBUSY;
	if (!iommu)
		return -ENOENT;
	if (!size)
		return -EINVAL;
	while (n < iommu->nr_windows && iommu->windows[n])
		n++;
	if (n == iommu->nr_windows)
		return -ENOSPC;
	ret = map_registers(base, &phys, &size, &mmio);
	if (ret)
		return ret;

	iommu->windows[n] = mmio;
	iommu->window_sizes[n] = bytes;
	add_registers(phys, size, id);

	return 0;
}

/**
 * pkvm_iommu_withhold() - PKVM_IOMMU_BOOT_WITHHOLD
 * @base: physical address of the registers
 * @size: bytes of registers
 *
 * Context: boot.
 * Return: 0, or an errno as <uapi/linux/pkvm_iommu.h> says.
 */
int pkvm_iommu_withhold(u64 base, u64 size)
{
	int ret;

	if (iommu_state != IOMMU_OPEN)
		return -EBUSY;
	if (!size)
		return -EINVAL;
	if (nr_withheld == PKVM_IOMMU_WITHHELD_MAX)
		return -ENOSPC;
	ret = check_registers(&base, &size);
	if (ret)
		return ret;

	add_registers(base, size, PKVM_IOMMU_MAX);
	nr_withheld++;

	return 0;
}

/**
 * pkvm_iommu_donate() - PKVM_IOMMU_BOOT_DONATE
 * @target: id of an IOMMU, PKVM_IOMMU_POOL or PKVM_IOMMU_RUN_LIST
 * @pfn: first page
 * @nr_pages: number of pages
 *
 * Context: boot; takes host_mmu.lock.
 * Return: 0, or an errno as <uapi/linux/pkvm_iommu.h> says.
 */
int pkvm_iommu_donate(u64 target, u64 pfn, u64 nr_pages)
{
	struct pkvm_iommu *iommu;
	int ret;

	if (iommu_state > IOMMU_SEALING)
		return -EBUSY;
	if (!pkvm_iommu_nr)
		return -ENOENT;
	if (target == PKVM_IOMMU_RUN_LIST)
		return pkvm_iommu_share_list(pfn, nr_pages);
	if (target == PKVM_IOMMU_POOL)
		return pkvm_iommu_pool_topup(pfn, nr_pages, PKVM_IOMMU_DONATE_MAX);

	iommu = pkvm_iommu_get(target);
	if (!iommu)
		return -ENOENT;
	if (iommu_state != IOMMU_OPEN || iommu->mem)
		return -EBUSY;
	if (nr_pages << PAGE_SHIFT < iommu->mem_size ||
	    !IS_ALIGNED(hyp_pfn_to_phys(pfn), max(iommu->mem_size, PAGE_SIZE)))
		return -EINVAL;

	ret = pkvm_iommu_take_pages(pfn, nr_pages, PKVM_IOMMU_DONATE_MAX, iommu->oas);
	if (ret)
		return ret;

	iommu->mem = hyp_phys_to_virt(hyp_pfn_to_phys(pfn));
	memset(iommu->mem, 0, nr_pages << PAGE_SHIFT);
	kvm_flush_dcache_to_poc(iommu->mem, nr_pages << PAGE_SHIFT);

	return 0;
}

/* Largest architected address size that the CPU and an IOMMU have, or 0. */
static u8 common_bits(const struct pkvm_iommu *iommu)
{
	/* Some IOMMUs have 39 bits, which are a part of 40, see pkvm_iommu_arch_bits(). */
	static const u8 sizes[] = { 48, 44, 42, 40, 39, 36, 32 };
	unsigned int i, bits = min(host_mmu.pgt.ia_bits, iommu->oas);

	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		if (sizes[i] <= bits)
			return sizes[i];
	}

	return 0;
}

/*
 * Find the geometry that fits an IOMMU best, or add it. IOMMUs share one only if it is best for
 * all of them: what is less than best costs bounce buffers (@bits), the cleaning of each entry
 * (@coherent), nested domains (@fmt), or lazy unmapping and parallel MAPs (@walks). The number of
 * tags is not among them: the IOMMU that has fewest decides how many domains there can be.
 */
static struct pkvm_iommu_geometry *find_geometry(const struct pkvm_iommu *iommu)
{
	struct pkvm_iommu_geometry *new = &pkvm_iommu_geometries[pkvm_iommu_nr_geometries];
	struct pkvm_iommu_geometry *geometry;

	new->fmt = iommu->fmts & BIT(ARM_64_LPAE_S2) ? ARM_64_LPAE_S2 : ARM_64_LPAE_S1;
	new->bits = common_bits(iommu);
	new->walks = walks(iommu);
	new->permits = iommu->ops->permit;
	new->coherent = !new->walks || pkvm_iommu_coherent(iommu);
	if (!new->bits || !(iommu->fmts || new->permits))
		return NULL;

	for_each_pkvm_iommu_geometry(geometry) {
		if (geometry->fmt == new->fmt && geometry->bits == new->bits &&
		    geometry->walks == new->walks && geometry->permits == new->permits &&
		    geometry->coherent == new->coherent)
			return geometry;
	}
	new->end = BIT(new->bits);
	pkvm_iommu_nr_geometries++;
	pkvm_iommu_limit = max(pkvm_iommu_limit, new->end);

	return new;
}

/* Choose format and address size of each IOMMU. */
static int seal_geometry(struct pkvm_iommu_boot_result *result)
{
	struct pkvm_iommu *iommu;

	for_each_pkvm_iommu(iommu) {
		result->id = iommu->id;
		iommu->geometry = find_geometry(iommu);
		if (iommu->mem_size && !iommu->mem)
			result->why = PKVM_IOMMU_REFUSE_MEMORY;
		else if (iommu->nr_windows && !iommu->windows[iommu->nr_windows - 1])
			result->why = PKVM_IOMMU_REFUSE_MMIO;
		else if (!iommu->geometry)
			result->why = PKVM_IOMMU_REFUSE_STAGE;
		else
			continue;
		return -ENXIO;
	}
	result->id = 0;

	return 0;
}

/*
 * Take the registers of every IOMMU, and those withheld, from the host. Then audit all
 * mappings of EL2.
 */
static int seal_take(struct pkvm_iommu_boot_result *result)
{
	const struct pkvm_iommu_mmio *mmio;
	int ret;

	for_each_pkvm_iommu_mmio(mmio) {
		ret = mmio->size ? __pkvm_host_donate_hyp_mmio(mmio->phys, mmio->size) : 0;
		if (ret) {
			result->why = PKVM_IOMMU_REFUSE_MMIO;
			result->id = min(mmio->id, pkvm_iommu_nr);
			/* The host's stage 2 lacks memory, not our pool. */
			return ret == -ENOMEM ? -EIO : ret;
		}
	}

	hyp_spin_lock(&host_mmu.lock);
	hyp_spin_lock(&pkvm_pgd_lock);
	ret = pkvm_check_host_ownership();
	hyp_spin_unlock(&pkvm_pgd_lock);
	hyp_spin_unlock(&host_mmu.lock);
	if (ret)
		result->why = PKVM_IOMMU_REFUSE_AUDIT;

	return ret;
}

/*
 * Have every backend take over its hardware. Returns the errno of the last that fails, or
 * -ENODEV if none isolates.
 */
static int seal_init(struct pkvm_iommu_boot_result *result)
{
	struct pkvm_iommu *iommu;
	bool isolates = false;
	int ret, err = 0;
	u64 why;

	for_each_pkvm_iommu(iommu) {
		isolates |= iommu->ops->isolates;
		ret = iommu->ops->init(iommu, &why);
		if (!ret)
			continue;
		iommu->dead = true;
		err = ret;
		result->why = why;
		result->id = iommu->id;
	}
	if (!err && !isolates)
		err = -ENODEV;

	return err;
}

static int seal(u64 flags, struct pkvm_iommu_boot_result *result)
{
	struct pkvm_iommu *iommu;
	int ret;

	iommu_state = IOMMU_SEALING;
	if (!pkvm_iommu_nr)
		return -ENODEV;
	ret = pkvm_iommu_nr_geometries ? 0 : seal_geometry(result);
	ret = ret ?: pkvm_iommu_shadow_init() ?: pkvm_iommu_shadow_build();
	if (ret)
		return ret;
	if (!pkvm_iommu_shadow_pages)
		pkvm_iommu_shadow_pages = pkvm_iommu_pool_total() - pkvm_iommu_pool_free();

	for_each_pkvm_iommu(iommu) {
		ret = iommu->ops->alloc ? iommu->ops->alloc(iommu) : 0;
		if (ret)
			return ret;
	}

	ret = seal_take(result);
	if (ret)
		return ret;

	ret = seal_init(result);
	/* With an error, too: IOMMUs that are not dead serve the host, without protected VMs. */
	iommu_state = IOMMU_SEALED;
	iommu_isolated = !ret && !(flags & PKVM_IOMMU_F_REFUSE_VMS);

	return ret;
}

/**
 * pkvm_iommu_seal() - PKVM_IOMMU_BOOT_SEAL
 * @flags: PKVM_IOMMU_F_OFF or PKVM_IOMMU_F_REFUSE_VMS
 * @result: zeroed; set to the result
 *
 * Context: boot; takes host_mmu.lock, and with it pkvm_pgd_lock.
 * Return: 0, or an errno as <uapi/linux/pkvm_iommu.h> says.
 */
int pkvm_iommu_seal(u64 flags, struct pkvm_iommu_boot_result *result)
{
	int ret;

	if (iommu_state > IOMMU_SEALING)
		return -EBUSY;
	if (flags & ~(PKVM_IOMMU_F_OFF | PKVM_IOMMU_F_REFUSE_VMS))
		return -EINVAL;
	if (flags & PKVM_IOMMU_F_OFF) {
		iommu_state = IOMMU_OFF;
		return 0;
	}

	ret = seal(flags, result);
	if (ret && ret != -ENOMEM && ret != -EAGAIN && iommu_state != IOMMU_SEALED)
		iommu_state = IOMMU_FAILED;

	return ret;
}

/**
 * pkvm_iommu_check_isolation() - check that protected VMs are allowed
 *
 * Context: any.
 * Return: 0, or -EPERM if devices could reach a protected VM, and the boot did not
 * choose that with pkvm_iommu=off.
 */
int pkvm_iommu_check_isolation(void)
{
	return iommu_state == IOMMU_OFF || iommu_isolated ? 0 : -EPERM;
}

/**
 * pkvm_iommu_in_service() - check whether EL2 has taken IOMMUs over
 *
 * Context: any.
 */
bool pkvm_iommu_in_service(void)
{
	return iommu_state == IOMMU_SEALED;
}

/**
 * pkvm_iommu_can_suspend() - check whether EL2 can set up all IOMMUs after a power-off
 *
 * Context: any.
 * Return: false if an IOMMU could come back with its registers lost, and EL2 would not know.
 */
bool pkvm_iommu_can_suspend(void)
{
	struct pkvm_iommu *iommu;

	if (!pkvm_iommu_in_service())
		return true;
	for_each_pkvm_iommu(iommu) {
		if (!iommu->dead && !iommu->ops->lost)
			return false;
	}

	return true;
}

static bool resume_one(struct pkvm_iommu *iommu)
{
	bool good;
	u64 why;

	if (iommu->dead || !iommu->ops->lost || !iommu->ops->lost(iommu))
		return true;
	hyp_spin_lock(&iommu->lock);
	/* Another CPU may have set it up meanwhile. */
	good = !iommu->ops->lost(iommu) || !iommu->ops->init(iommu, &why);
	hyp_spin_unlock(&iommu->lock);

	return good;
}

/**
 * pkvm_iommu_resume() - set up the IOMMUs that have lost their registers
 *
 * Every CPU makes this call, before the host runs on it, when it comes from power-off, and
 * when a PSCI call returns that has not turned it off. IOMMUs have been off only if all CPUs
 * have, so each CPU finds them working, or is the first. Nothing depends on how the host
 * turned the CPU off.
 *
 * Does not return if an IOMMU does not respond: it may let all accesses pass, so the host must
 * not run again. A panic of EL2 is reported by the host, so this loops instead of calling
 * pkvm_iommu_die(), and takes the lock of the IOMMU without pkvm_iommu_lock(), which calls that
 * if a command was lost earlier. The other IOMMUs are set up first. Another CPU that comes
 * back tries again.
 *
 * Context: interrupts masked; no lock is held; takes the lock of each IOMMU that has lost its
 * registers.
 */
void pkvm_iommu_resume(void)
{
	struct pkvm_iommu *iommu;
	bool good = true;

	if (!pkvm_iommu_in_service())
		return;
	for_each_pkvm_iommu(iommu)
		good &= resume_one(iommu);
	while (!good)
		wfe();
}
