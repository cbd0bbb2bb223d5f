/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Trace events of the pKVM IOMMU layer at EL2, in the remote "hypervisor" of tracefs. Part of
 * <asm/kvm_hypevents.h>, which is read several times. They exist with
 * CONFIG_NVHE_EL2_TRACING; without it they cost nothing.
 *
 *   pkvm_iommu_call		a call of the host, with its answer
 *   pkvm_iommu_invalidate	IOMMUs with streams of a domain drop translations of it, or all
 *				if size is 0
 *   pkvm_iommu_revoke		devices lose memory, because its owner changes
 *
 * They hold what the host passes and gets, and its own physical addresses.
 */
#ifndef __PKVM_IOMMU_OP_NAME
#define __PKVM_IOMMU_OP_NAME

#include <uapi/linux/pkvm_iommu.h>

static inline const char *__pkvm_iommu_op_name(u64 op)
{
	switch (op) {
	case PKVM_IOMMU_ATTACH:		return "ATTACH";
	case PKVM_IOMMU_DETACH:		return "DETACH";
	case PKVM_IOMMU_TOPUP:		return "TOPUP";
	case PKVM_IOMMU_RECLAIM:	return "RECLAIM";
	case PKVM_IOMMU_FAULT:		return "FAULT";
	case PKVM_IOMMU_INFO:		return "INFO";
	case PKVM_IOMMU_DOMAIN_ALLOC:	return "DOMAIN_ALLOC";
	case PKVM_IOMMU_DOMAIN_FREE:	return "DOMAIN_FREE";
	case PKVM_IOMMU_MAP:		return "MAP";
	case PKVM_IOMMU_UNMAP:		return "UNMAP";
	case PKVM_IOMMU_LOOKUP:		return "LOOKUP";
	case PKVM_IOMMU_FLUSH:		return "FLUSH";
	case PKVM_IOMMU_REPLAY:		return "REPLAY";
	case PKVM_IOMMU_MAP_LIST:	return "MAP_LIST";
	case PKVM_IOMMU_INVALIDATE:	return "INVALIDATE";
	case PKVM_IOMMU_REGION:		return "REGION";
	}

	return "?";
}
#endif

#ifdef CONFIG_PKVM_IOMMU
HYP_EVENT(pkvm_iommu_call,
	  HE_PROTO(u64 op, const u64 *args, int ret, u64 x2, u64 x3),
	  HE_STRUCT(he_field(u64, op)
		    he_field(u64, arg0)
		    he_field(u64, arg1)
		    he_field(u64, arg2)
		    he_field(u64, arg3)
		    he_field(u64, x2)
		    he_field(u64, x3)
		    he_field(int, ret)),
	  HE_ASSIGN(__entry->op = op;
		    __entry->arg0 = args[0];
		    __entry->arg1 = args[1];
		    __entry->arg2 = args[2];
		    __entry->arg3 = args[3];
		    __entry->x2 = x2;
		    __entry->x3 = x3;
		    __entry->ret = ret;),
	  HE_PRINTK("op=%s args=%#llx,%#llx,%#llx,%#llx ret=%d x2=%#llx x3=%#llx",
		    __pkvm_iommu_op_name(__entry->op), __entry->arg0, __entry->arg1,
		    __entry->arg2, __entry->arg3, __entry->ret, __entry->x2, __entry->x3)
);

HYP_EVENT(pkvm_iommu_invalidate,
	  HE_PROTO(u16 tag, u64 addr, u64 size),
	  HE_STRUCT(he_field(u64, addr)
		    he_field(u64, size)
		    he_field(u16, tag)),
	  HE_ASSIGN(__entry->addr = addr;
		    __entry->size = size;
		    __entry->tag = tag;),
	  HE_PRINTK("tag=%u addr=%#llx size=%#llx", __entry->tag, __entry->addr, __entry->size)
);

HYP_EVENT(pkvm_iommu_revoke,
	  HE_PROTO(u64 phys, u64 size),
	  HE_STRUCT(he_field(u64, phys)
		    he_field(u64, size)),
	  HE_ASSIGN(__entry->phys = phys;
		    __entry->size = size;),
	  HE_PRINTK("phys=%#llx size=%#llx", __entry->phys, __entry->size)
);
#endif
