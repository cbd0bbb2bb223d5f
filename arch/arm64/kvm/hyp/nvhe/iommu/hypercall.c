// SPDX-License-Identifier: GPL-2.0-only
/*
 * Hypercalls of the pKVM IOMMU layer: decoding and dispatch.
 *
 * This is the only file that reads the host's registers. Until PKVM_IOMMU_BOOT_SEAL
 * the host is trusted. Afterwards it may issue any call with any register values,
 * from any CPU, at any time. A call either does what <uapi/linux/pkvm_iommu.h> says,
 * or returns an errno and has changed nothing. EL2 has saved the registers, so that
 * the host cannot change them during the call.
 */
#include <asm/kvm_hyp.h>
#include <asm/kvm_hypevents.h>

#include <nvhe/trap_handler.h>

#include "core.h"

#include <uapi/linux/pkvm_iommu_test.h>

/**
 * struct call_result - result registers of an operation
 * @x2: first result
 * @x3: second result
 */
struct call_result {
	u64 x2;
	u64 x3;
};

static int boot_register(struct kvm_cpu_context *ctxt, struct call_result *result)
{
	DECLARE_REG(u64, type, ctxt, 2);
	DECLARE_REG(u64, base, ctxt, 3);
	DECLARE_REG(u64, size, ctxt, 4);
	DECLARE_REG(u64, flags, ctxt, 5);
	struct pkvm_iommu_boot_result boot = {};
	int ret = pkvm_iommu_register(type, base, size, flags, &boot);

	result->x2 = ret ? boot.why : boot.id;
	result->x3 = boot.mem_size;

	return ret;
}

static int boot_donate(struct kvm_cpu_context *ctxt, struct call_result *result)
{
	DECLARE_REG(u64, target, ctxt, 2);
	DECLARE_REG(u64, pfn, ctxt, 3);
	DECLARE_REG(u64, nr_pages, ctxt, 4);

	return pkvm_iommu_donate(target, pfn, nr_pages);
}

static int boot_seal(struct kvm_cpu_context *ctxt, struct call_result *result)
{
	DECLARE_REG(u64, flags, ctxt, 2);
	struct pkvm_iommu_boot_result boot = {};
	int ret = pkvm_iommu_seal(flags, &boot);

	result->x2 = ret == -ENOMEM ? PKVM_IOMMU_SEAL_PAGES : boot.why;
	result->x3 = boot.id;

	return ret;
}

static int call_attach(struct kvm_cpu_context *ctxt, struct call_result *result)
{
	DECLARE_REG(u64, id, ctxt, 2);
	DECLARE_REG(u64, sid, ctxt, 3);
	DECLARE_REG(u64, domain_id, ctxt, 4);
	bool replay = false;
	int ret = pkvm_iommu_attach(id, sid, domain_id, &replay);

	result->x2 = ret == -ENOMEM ? PKVM_IOMMU_ATTACH_PAGES : replay;

	return ret;
}

static int call_detach(struct kvm_cpu_context *ctxt, struct call_result *result)
{
	DECLARE_REG(u64, id, ctxt, 2);
	DECLARE_REG(u64, sid, ctxt, 3);
	DECLARE_REG(u64, domain_id, ctxt, 4);

	return pkvm_iommu_detach(id, sid, domain_id);
}

static int call_topup(struct kvm_cpu_context *ctxt, struct call_result *result)
{
	DECLARE_REG(u64, pfn, ctxt, 2);
	DECLARE_REG(u64, nr_pages, ctxt, 3);

	return pkvm_iommu_pool_topup(pfn, nr_pages, PKVM_IOMMU_TOPUP_MAX);
}

static int call_reclaim(struct kvm_cpu_context *ctxt, struct call_result *result)
{
	return pkvm_iommu_pool_reclaim(&result->x2);
}

static int call_fault(struct kvm_cpu_context *ctxt, struct call_result *result)
{
	DECLARE_REG(u64, id, ctxt, 2);
	struct pkvm_iommu_fault fault = {};
	int ret = pkvm_iommu_take_fault(id, &fault);

	if (ret)
		return ret;

	result->x2 = FIELD_PREP(PKVM_IOMMU_FAULT_SID, fault.sid) |
		     FIELD_PREP(PKVM_IOMMU_FAULT_REASON, fault.reason) |
		     (fault.write ? PKVM_IOMMU_FAULT_WRITE : 0) |
		     (fault.lost ? PKVM_IOMMU_FAULT_LOST : 0);
	result->x3 = fault.address;

	return 0;
}

static int call_info(struct kvm_cpu_context *ctxt, struct call_result *result)
{
	DECLARE_REG(u64, which, ctxt, 2);
	DECLARE_REG(u64, id, ctxt, 3);
	const struct pkvm_iommu *iommu;

	switch (which) {
	case PKVM_IOMMU_INFO_POOL_FREE:
		result->x2 = pkvm_iommu_pool_free();
		return 0;
	case PKVM_IOMMU_INFO_POOL_TOTAL:
		result->x2 = pkvm_iommu_pool_total();
		return 0;
	case PKVM_IOMMU_INFO_SHADOW:
		result->x2 = pkvm_iommu_shadow_pages;
		return 0;
	case PKVM_IOMMU_INFO_RUNS:
		result->x2 = pkvm_iommu_list_runs();
		return 0;
	case PKVM_IOMMU_INFO_REACHES:
		result->x2 = pkvm_iommu_host_reaches(id);
		return 0;
	case PKVM_IOMMU_INFO_LIMIT:
	case PKVM_IOMMU_INFO_IDENTITY:
	case PKVM_IOMMU_INFO_NESTED:
	case PKVM_IOMMU_INFO_MANAGED:
	case PKVM_IOMMU_INFO_GEOMETRY:
	case PKVM_IOMMU_INFO_REGISTERS:
		iommu = pkvm_iommu_get(id);
		if (!iommu)
			return -ENOENT;
		result->x2 = which == PKVM_IOMMU_INFO_LIMIT ? iommu->geometry->bits :
			     which == PKVM_IOMMU_INFO_GEOMETRY ?
			     iommu->geometry - pkvm_iommu_geometries :
			     which == PKVM_IOMMU_INFO_NESTED ? pkvm_iommu_nested_info(iommu) :
			     which == PKVM_IOMMU_INFO_IDENTITY ? !iommu->ops->map :
			     which == PKVM_IOMMU_INFO_REGISTERS ? iommu->base :
			     iommu->ops->permit ? PKVM_IOMMU_MANAGED_NONE :
			     iommu->ops->scarce ? PKVM_IOMMU_MANAGED_SOME :
						  PKVM_IOMMU_MANAGED_ALL;
		return 0;
	case PKVM_IOMMU_INFO_MAPPED:
		return pkvm_iommu_mapped(id, &result->x2);
	}

	return -EINVAL;
}

static int call_domain_alloc(struct kvm_cpu_context *ctxt, struct call_result *result)
{
	DECLARE_REG(u64, kind, ctxt, 2);
	DECLARE_REG(u64, root, ctxt, 3);
	DECLARE_REG(u64, id, ctxt, 4);
	const struct pkvm_iommu *iommu = pkvm_iommu_get(id);
	bool nested = kind == PKVM_IOMMU_DOMAIN_NESTED;
	int ret = -EINVAL;

	if (!iommu)
		return -ENOENT;
	if (nested)
		ret = pkvm_iommu_nested_alloc(iommu, root, &result->x2);
	else if (kind == PKVM_IOMMU_DOMAIN_MANAGED)
		ret = pkvm_iommu_domain_alloc(iommu, NULL, 0, &result->x2);
	if (ret == -ENOMEM)
		result->x2 = nested ? PKVM_IOMMU_NESTED_PAGES :
				      PKVM_IOMMU_DOMAIN_PAGES + pkvm_iommu_pool_block();

	return ret;
}

static int call_domain_free(struct kvm_cpu_context *ctxt, struct call_result *result)
{
	DECLARE_REG(u64, domain_id, ctxt, 2);

	return pkvm_iommu_nested_free(domain_id);
}

static int call_map(struct kvm_cpu_context *ctxt, struct call_result *result)
{
	DECLARE_REG(u64, domain_id, ctxt, 2);
	DECLARE_REG(u64, iova, ctxt, 3);
	DECLARE_REG(u64, flags, ctxt, 4);
	const u64 *runs = &cpu_reg(ctxt, 5);
	struct pkvm_iommu_progress progress = {};
	int nr = 0, ret;

	while (nr < PKVM_IOMMU_RUNS && runs[nr])
		nr++;
	ret = pkvm_iommu_map(domain_id, iova, flags, runs, nr, &progress);
	result->x2 = progress.done;
	result->x3 = progress.need;

	return ret;
}

static int call_map_list(struct kvm_cpu_context *ctxt, struct call_result *result)
{
	DECLARE_REG(u64, domain_id, ctxt, 2);
	DECLARE_REG(u64, iova, ctxt, 3);
	DECLARE_REG(u64, flags, ctxt, 4);
	DECLARE_REG(u64, first, ctxt, 5);
	DECLARE_REG(u64, nr, ctxt, 6);
	struct pkvm_iommu_progress progress = {};
	int ret = pkvm_iommu_map_list(domain_id, iova, flags, first, nr, &progress);

	result->x2 = progress.done;
	result->x3 = progress.need;

	return ret;
}

static int call_unmap(struct kvm_cpu_context *ctxt, struct call_result *result)
{
	DECLARE_REG(u64, domain_id, ctxt, 2);
	DECLARE_REG(u64, iova, ctxt, 3);
	DECLARE_REG(u64, size, ctxt, 4);
	DECLARE_REG(u64, flags, ctxt, 5);
	struct pkvm_iommu_progress progress = {};
	int ret = pkvm_iommu_unmap(domain_id, iova, size, flags, &progress);

	result->x2 = progress.done;
	result->x3 = progress.unmapped;

	return ret;
}

static int call_lookup(struct kvm_cpu_context *ctxt, struct call_result *result)
{
	DECLARE_REG(u64, domain_id, ctxt, 2);
	DECLARE_REG(u64, iova, ctxt, 3);

	return pkvm_iommu_lookup(domain_id, iova, &result->x2, &result->x3);
}

static int call_flush(struct kvm_cpu_context *ctxt, struct call_result *result)
{
	DECLARE_REG(u64, domain_id, ctxt, 2);

	return pkvm_iommu_flush(domain_id);
}

static int call_replay(struct kvm_cpu_context *ctxt, struct call_result *result)
{
	DECLARE_REG(u64, id, ctxt, 2);
	DECLARE_REG(u64, domain_id, ctxt, 3);
	bool more = false;
	int ret = pkvm_iommu_replay(id, domain_id, &more);

	if (!ret)
		result->x2 = more;

	return ret;
}

static int call_invalidate(struct kvm_cpu_context *ctxt, struct call_result *result)
{
	DECLARE_REG(u64, domain_id, ctxt, 2);
	DECLARE_REG(u64, iova, ctxt, 3);
	DECLARE_REG(u64, size, ctxt, 4);
	DECLARE_REG(u64, flags, ctxt, 5);

	return pkvm_iommu_nested_invalidate(domain_id, iova, size, flags);
}

static int call_region(struct kvm_cpu_context *ctxt, struct call_result *result)
{
	DECLARE_REG(u64, id, ctxt, 2);
	DECLARE_REG(u64, sid, ctxt, 3);
	DECLARE_REG(u64, index, ctxt, 4);
	struct pkvm_iommu_region region = {};
	int ret = pkvm_iommu_find_region(id, sid, index, &region);

	if (ret)
		return ret;

	/* Whole pages. */
	result->x2 = (region.start & PAGE_MASK) | region.kind;
	result->x3 = region.end | ~PAGE_MASK;

	return 0;
}

static int boot_withhold(struct kvm_cpu_context *ctxt)
{
	DECLARE_REG(u64, base, ctxt, 2);
	DECLARE_REG(u64, size, ctxt, 3);

	return pkvm_iommu_withhold(base, size);
}

static int boot_window(struct kvm_cpu_context *ctxt)
{
	DECLARE_REG(u64, id, ctxt, 2);
	DECLARE_REG(u64, base, ctxt, 3);
	DECLARE_REG(u64, size, ctxt, 4);

	return pkvm_iommu_window(id, base, size);
}

static int boot_call(u64 op, struct kvm_cpu_context *ctxt, struct call_result *result)
{
	switch (op) {
	case PKVM_IOMMU_BOOT_REGISTER:	return boot_register(ctxt, result);
	case PKVM_IOMMU_BOOT_DONATE:	return boot_donate(ctxt, result);
	case PKVM_IOMMU_BOOT_SEAL:	return boot_seal(ctxt, result);
	case PKVM_IOMMU_BOOT_WITHHOLD:	return boot_withhold(ctxt);
	case PKVM_IOMMU_BOOT_WINDOW:	return boot_window(ctxt);
	}

	return -EOPNOTSUPP;
}

static int call(u64 op, struct kvm_cpu_context *ctxt, struct call_result *result)
{
	switch (op) {
	case PKVM_IOMMU_ATTACH:		return call_attach(ctxt, result);
	case PKVM_IOMMU_DETACH:		return call_detach(ctxt, result);
	case PKVM_IOMMU_TOPUP:		return call_topup(ctxt, result);
	case PKVM_IOMMU_RECLAIM:	return call_reclaim(ctxt, result);
	case PKVM_IOMMU_FAULT:		return call_fault(ctxt, result);
	case PKVM_IOMMU_INFO:		return call_info(ctxt, result);
	case PKVM_IOMMU_DOMAIN_ALLOC:	return call_domain_alloc(ctxt, result);
	case PKVM_IOMMU_DOMAIN_FREE:	return call_domain_free(ctxt, result);
	case PKVM_IOMMU_MAP:		return call_map(ctxt, result);
	case PKVM_IOMMU_UNMAP:		return call_unmap(ctxt, result);
	case PKVM_IOMMU_LOOKUP:		return call_lookup(ctxt, result);
	case PKVM_IOMMU_FLUSH:		return call_flush(ctxt, result);
	case PKVM_IOMMU_REPLAY:		return call_replay(ctxt, result);
	case PKVM_IOMMU_MAP_LIST:	return call_map_list(ctxt, result);
	case PKVM_IOMMU_INVALIDATE:	return call_invalidate(ctxt, result);
	case PKVM_IOMMU_REGION:		return call_region(ctxt, result);
	}

	return -EOPNOTSUPP;
}

static void put_result(struct kvm_cpu_context *host_ctxt, int ret,
		       const struct call_result *result)
{
	cpu_reg(host_ctxt, 1) = ret;
	cpu_reg(host_ctxt, 2) = result->x2;
	cpu_reg(host_ctxt, 3) = result->x3;
}

/**
 * handle___pkvm_iommu_boot() - handle the hypercall __pkvm_iommu_boot
 * @host_ctxt: registers of the host
 *
 * Context: boot; interrupts masked.
 */
void handle___pkvm_iommu_boot(struct kvm_cpu_context *host_ctxt)
{
	DECLARE_REG(u64, op, host_ctxt, 1);
	struct call_result result = {};
	int ret = boot_call(op, host_ctxt, &result);

	put_result(host_ctxt, ret, &result);
}

/**
 * handle___pkvm_iommu_call() - handle the hypercall __pkvm_iommu_call
 * @host_ctxt: registers of the host
 *
 * Context: any time after pKVM has dropped the host's privileges; interrupts masked.
 */
void handle___pkvm_iommu_call(struct kvm_cpu_context *host_ctxt)
{
	DECLARE_REG(u64, op, host_ctxt, 1);
	struct call_result result = {};
	int ret;

	if (READ_ONCE(pkvm_iommu_lost))
		pkvm_iommu_die();

	if (IS_ENABLED(CONFIG_PKVM_IOMMU_TEST) && op == PKVM_IOMMU_TEST)
		ret = pkvm_iommu_test(&cpu_reg(host_ctxt, 2), &result.x2, &result.x3);
	/* Whatever happened at boot, the host can have unused memory back. */
	else if (!pkvm_iommu_in_service() && op != PKVM_IOMMU_RECLAIM)
		ret = -ENODEV;
	else
		ret = call(op, host_ctxt, &result);
	trace_pkvm_iommu_call(op, &cpu_reg(host_ctxt, 2), ret, result.x2, result.x3);
	put_result(host_ctxt, ret, &result);
}
