// SPDX-License-Identifier: GPL-2.0-only
/*
 * Streams: which domain each stream is attached to, and the faults of devices.
 *
 * Each IOMMU has a radix tree of pool pages, whose leaves hold the domain of a
 * stream, or NULL while the stream is blocked. The pages of the tree are not freed:
 * there are at most as many as the hardware's own stream table has.
 *
 * An attached stream counts in pkvm_iommu_domain::attached, so that its domain is not
 * freed. pkvm_iommu::lock guards the tree,
 * and pkvm_iommu_domain::streams of that IOMMU.
 */
#include <linux/nospec.h>

#include "core.h"

#define STREAM_LEVELS		PKVM_IOMMU_RADIX_LEVELS(32)

static struct pkvm_iommu_domain **stream_slot(struct pkvm_iommu *iommu, u32 sid, bool alloc)
{
	int levels = PKVM_IOMMU_RADIX_LEVELS(iommu->sid_bits);

	hyp_assert_lock_held(&iommu->lock);
	return (struct pkvm_iommu_domain **)pkvm_iommu_radix(&iommu->streams, sid, levels, alloc);
}

/* Check the arguments of ATTACH and DETACH, and begin to use the domain. */
static int stream_args(u64 id, u64 sid, u64 domain_id, struct pkvm_iommu **iommu,
		       u32 *checked_sid, struct pkvm_iommu_domain **domain)
{
	*iommu = pkvm_iommu_get(id);
	if (!*iommu)
		return -ENOENT;
	if (sid >> (*iommu)->sid_bits)
		return -EINVAL;
	*domain = pkvm_iommu_domain_get(domain_id);
	if (!*domain)
		return -ENXIO;
	*checked_sid = array_index_nospec(sid, BIT((*iommu)->sid_bits));

	return 0;
}

/* Add @n to the streams of a domain behind an IOMMU, and to those of its parent. */
static void count_stream(struct pkvm_iommu *iommu, struct pkvm_iommu_domain *domain, int n)
{
	hyp_assert_lock_held(&iommu->lock);
	if (domain->parent)
		count_stream(iommu, &pkvm_iommu_shadow, n);
	domain->streams[iommu->id] += n;
	if (domain->streams[iommu->id])
		atomic_or(BIT(iommu->id), &domain->iommus);
	else
		atomic_andnot(BIT(iommu->id), &domain->iommus);
}

/* Attach a blocked stream. Returns the errors of pkvm_iommu_attach(). */
static int stream_attach(struct pkvm_iommu *iommu, u32 sid, struct pkvm_iommu_domain *domain,
			 bool *replay)
{
	struct pkvm_iommu_domain **slot;
	int ret = 0;

	hyp_assert_lock_held(&iommu->lock);
	slot = stream_slot(iommu, sid, true);
	if (!slot)
		return -ENOMEM;
	if (*slot)
		return -EBUSY;
	if (iommu->ops->stream_prepare)
		ret = iommu->ops->stream_prepare(iommu, sid);
	if (ret)
		return ret;

	/* An IOMMU without page tables has no mapping of a domain without streams. */
	if (iommu->ops->map && !domain->streams[iommu->id])
		domain->replayed[iommu->id] = 0;

	count_stream(iommu, domain, 1);
	/* Before the stream can use a translation, see domain_iommus() in backend.c. */
	mb();
	ret = iommu->ops->stream_set(iommu, sid, domain, true);
	if (ret) {
		count_stream(iommu, domain, -1);
		return ret;
	}

	*replay = iommu->ops->map && domain->replayed[iommu->id] < pkvm_iommu_limit();
	*slot = domain;
	atomic_inc(&domain->attached);

	return 0;
}

/**
 * pkvm_iommu_attach() - PKVM_IOMMU_ATTACH
 * @id: any value; IOMMU
 * @sid: any value; stream id
 * @domain_id: any value; domain
 * @replay: set if PKVM_IOMMU_REPLAY has to follow
 * @need: set to the pages that the pool lacks, with -ENOMEM
 *
 * Context: takes the lock of the IOMMU; rarely, by itself, that of the domain table.
 * Return: 0, or an errno as <uapi/linux/pkvm_iommu.h> says.
 */
int pkvm_iommu_attach(u64 id, u64 sid, u64 domain_id, bool *replay, u64 *need)
{
	struct pkvm_iommu_domain *domain;
	struct pkvm_iommu *iommu;
	u32 checked_sid;
	int ret;

	ret = stream_args(id, sid, domain_id, &iommu, &checked_sid, &domain);
	if (ret)
		return ret;

	if (iommu->dead) {
		ret = -EIO;
	} else if (domain->parent ? !iommu->nests :
				    iommu->ops->map && domain == &pkvm_iommu_shadow) {
		ret = -EOPNOTSUPP;
	} else {
		pkvm_iommu_lock(iommu, NULL);
		ret = stream_attach(iommu, checked_sid, domain, replay);
		pkvm_iommu_unlock(iommu);
	}

	pkvm_iommu_domain_put(domain);
	/* At most the levels of the tree, and a table of the backend. */
	*need = STREAM_LEVELS + 1;

	return ret;
}

/**
 * pkvm_iommu_detach() - PKVM_IOMMU_DETACH
 * @id: any value; IOMMU
 * @sid: any value; stream id
 * @domain_id: any value; domain
 *
 * Context: takes the lock of the IOMMU; rarely, by itself, that of the domain table.
 * Return: 0, or an errno as <uapi/linux/pkvm_iommu.h> says.
 */
int pkvm_iommu_detach(u64 id, u64 sid, u64 domain_id)
{
	struct pkvm_iommu_domain **slot, *domain;
	struct pkvm_iommu *iommu;
	u32 checked_sid;
	int ret;

	ret = stream_args(id, sid, domain_id, &iommu, &checked_sid, &domain);
	if (ret)
		return ret;

	pkvm_iommu_lock(iommu, NULL);
	slot = stream_slot(iommu, checked_sid, false);
	if (slot && *slot == domain) {
		iommu->ops->stream_set(iommu, checked_sid, domain, false);
		/*
		 * Wait for the accesses under way, and drop every translation: an
		 * IOMMU without streams of the domain, or of its parent, gets no
		 * invalidation for it.
		 */
		pkvm_iommu_invalidate_one(iommu, domain->parent ?: domain);
		*slot = NULL;
		/* Nothing is cached any more: no invalidation is needed from here on. */
		count_stream(iommu, domain, -1);
		atomic_dec(&domain->attached);
	} else {
		ret = -ENOTCONN;
	}
	pkvm_iommu_unlock(iommu);

	pkvm_iommu_domain_put(domain);

	return ret;
}

/**
 * pkvm_iommu_take_fault() - PKVM_IOMMU_FAULT
 * @id: any value; IOMMU
 * @fault: set to the oldest fault record
 *
 * Context: takes the lock of the IOMMU.
 * Return: 0, -ENOENT if there is no such IOMMU, -EAGAIN if it has no record.
 */
int pkvm_iommu_take_fault(u64 id, struct pkvm_iommu_fault *fault)
{
	struct pkvm_iommu *iommu = pkvm_iommu_get(id);
	bool found;

	if (!iommu)
		return -ENOENT;
	if (iommu->dead)
		return -EAGAIN;

	pkvm_iommu_lock(iommu, NULL);
	found = iommu->ops->fault(iommu, fault);
	pkvm_iommu_unlock(iommu);

	return found ? 0 : -EAGAIN;
}
