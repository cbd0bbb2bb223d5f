// SPDX-License-Identifier: GPL-2.0-only
/*
 * Streams: which domain each stream is attached to, its reserved regions, and the faults of
 * devices.
 *
 * Each IOMMU has a radix tree of pool pages. A leaf of it is the slot of a stream: its
 * domain; NULL while the stream is blocked; or STREAM_BUSY. The pages of the tree are not
 * freed: what the host spends on streams that are never attached is its own loss.
 *
 * An attached stream counts in pkvm_iommu_domain::attached, so that its domain is not
 * freed. pkvm_iommu::lock guards the tree, and pkvm_iommu_domain::streams of that IOMMU.
 *
 * ATTACH and DETACH release that lock while they wait for the IOMMU, unless its backend has
 * no pkvm_iommu_ops::wait. The slot is STREAM_BUSY then, and another ATTACH or DETACH of the
 * stream returns -EAGAIN. So one CPU at a time changes the configuration of a stream, and the
 * lock orders each change after the one before. Those of other streams run at the same time,
 * in the same domain too:
 *
 *	ATTACH				DETACH
 *	lock: slot = STREAM_BUSY,	lock: slot = STREAM_BUSY
 *	      count up
 *	mb()				block the stream, wait
 *	let the stream translate, wait	invalidate all of the domain, wait
 *	lock: slot = domain		lock: slot = NULL, count down
 *
 * A stream is counted from before it can translate until all that it had the IOMMU cache is
 * dropped: each DETACH invalidates after its own stream is blocked. What another stream has
 * the IOMMU cache meanwhile, the DETACH of that one drops. So whichever DETACH is the last to
 * count down, nothing of the domain is cached when the count is 0.
 *
 * Until its end, a call uses the domain, see domain.c: nobody frees it meanwhile.
 */
#include <linux/nospec.h>

#include "core.h"

/* Slot of a stream for which an ATTACH or DETACH waits. */
#define STREAM_BUSY		((struct pkvm_iommu_domain *)1)

static struct pkvm_iommu_domain **stream_slot(struct pkvm_iommu *iommu, u32 sid, bool alloc)
{
	int levels = PKVM_IOMMU_RADIX_LEVELS(iommu->sid_bits);

	hyp_assert_lock_held(&iommu->lock);
	return (struct pkvm_iommu_domain **)pkvm_iommu_radix(&iommu->streams, sid, levels, alloc);
}

/*
 * Check the arguments of ATTACH and DETACH, and begin to use the domain. The identity domain is
 * the shadow of the IOMMU's geometry.
 */
static int stream_args(u64 id, u64 sid, u64 domain_id, struct pkvm_iommu **iommu,
		       u32 *checked_sid, struct pkvm_iommu_domain **domain)
{
	*iommu = pkvm_iommu_get(id);
	if (!*iommu)
		return -ENOENT;
	if (sid >> (*iommu)->sid_bits)
		return -EINVAL;
	*domain = domain_id == PKVM_IOMMU_DOMAIN_IDENTITY ? &(*iommu)->geometry->shadow :
							    pkvm_iommu_domain_get(domain_id);
	if (!*domain)
		return -ENXIO;
	*checked_sid = array_index_nospec(sid, BIT((*iommu)->sid_bits));

	return 0;
}

/* Let other calls use the IOMMU while this one waits for it; the slot is STREAM_BUSY. */
static void wait_begin(struct pkvm_iommu *iommu)
{
	if (iommu->ops->wait)
		pkvm_iommu_unlock(iommu);
}

static void wait_end(struct pkvm_iommu *iommu)
{
	if (iommu->ops->wait)
		pkvm_iommu_lock(iommu, NULL);
}

/*
 * Add @n to the streams of a domain behind an IOMMU, and to those of its parent. An IOMMU that
 * does not translate caches no translations, and needs no invalidation.
 */
static void count_stream(struct pkvm_iommu *iommu, struct pkvm_iommu_domain *domain, int n)
{
	hyp_assert_lock_held(&iommu->lock);
	if (iommu->ops->permit)
		return;
	if (domain->parent)
		count_stream(iommu, &domain->geometry->shadow, n);
	domain->streams[iommu->id] += n;
	if (domain->streams[iommu->id])
		atomic_or(BIT(iommu->id), &domain->iommus);
	else
		atomic_andnot(BIT(iommu->id), &domain->iommus);
}

/*
 * Attach a blocked stream. Returns the errors of pkvm_iommu_attach(). The lock of the IOMMU is
 * held, but not during the wait.
 */
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
		return *slot == STREAM_BUSY ? -EAGAIN : -EBUSY;
	if (iommu->ops->stream_prepare)
		ret = iommu->ops->stream_prepare(iommu, sid);
	if (ret)
		return ret;

	/* An IOMMU without page tables has no mapping of a domain without streams. */
	if (iommu->ops->map && !domain->streams[iommu->id])
		domain->replayed[iommu->id] = 0;

	*slot = STREAM_BUSY;
	count_stream(iommu, domain, 1);
	wait_begin(iommu);
	/* Before the stream can use a translation, see domain_iommus() in backend.c. */
	mb();
	ret = iommu->ops->stream_set(iommu, sid, domain, true);
	wait_end(iommu);
	if (ret) {
		*slot = NULL;
		count_stream(iommu, domain, -1);
		return ret;
	}

	*replay = iommu->ops->map && domain->replayed[iommu->id] < domain->geometry->end;
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
 *
 * Context: takes the lock of the IOMMU; rarely, by itself, that of the domain table. Waits for
 * the IOMMU, without a lock if that has pkvm_iommu_ops::wait.
 * Return: 0, or an errno as <uapi/linux/pkvm_iommu.h> says.
 */
int pkvm_iommu_attach(u64 id, u64 sid, u64 domain_id, bool *replay)
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
		   domain == &iommu->geometry->shadow ? !!iommu->ops->map :
		   !!iommu->ops->permit) {
		ret = -EOPNOTSUPP;
	} else if (domain->geometry != iommu->geometry) {
		ret = -EINVAL;
	} else {
		pkvm_iommu_lock(iommu, NULL);
		ret = stream_attach(iommu, checked_sid, domain, replay);
		pkvm_iommu_unlock(iommu);
	}

	pkvm_iommu_domain_put(domain);

	return ret;
}

/**
 * pkvm_iommu_detach() - PKVM_IOMMU_DETACH
 * @id: any value; IOMMU
 * @sid: any value; stream id
 * @domain_id: any value; domain
 *
 * Context: takes the lock of the IOMMU; rarely, by itself, that of the domain table. Waits for
 * the IOMMU, without a lock if that has pkvm_iommu_ops::wait.
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
		*slot = STREAM_BUSY;
		wait_begin(iommu);
		iommu->ops->stream_set(iommu, checked_sid, domain, false);
		/*
		 * Wait for the accesses under way, and drop every translation: an
		 * IOMMU without streams of the domain, or of its parent, gets no
		 * invalidation for it.
		 */
		if (!iommu->ops->permit)
			pkvm_iommu_invalidate_one(iommu, domain->parent ?: domain);
		wait_end(iommu);
		*slot = NULL;
		/* Nothing is cached any more: no invalidation is needed from here on. */
		count_stream(iommu, domain, -1);
		atomic_dec(&domain->attached);
	} else {
		ret = slot && *slot == STREAM_BUSY ? -EAGAIN : -ENOTCONN;
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
	if (iommu->dead || !iommu->ops->fault)
		return -EAGAIN;

	pkvm_iommu_lock(iommu, NULL);
	found = iommu->ops->fault(iommu, fault);
	pkvm_iommu_unlock(iommu);

	return found ? 0 : -EAGAIN;
}

/**
 * pkvm_iommu_find_region() - PKVM_IOMMU_REGION
 * @id: any value; IOMMU
 * @sid: any value; stream id
 * @index: any value; index of the region
 * @region: set to the region
 *
 * Context: takes the lock of the IOMMU.
 * Return: 0, or an errno as <uapi/linux/pkvm_iommu.h> says.
 */
int pkvm_iommu_find_region(u64 id, u64 sid, u64 index, struct pkvm_iommu_region *region)
{
	struct pkvm_iommu *iommu = pkvm_iommu_get(id);
	int ret;

	if (!iommu)
		return -ENOENT;
	if (sid >> iommu->sid_bits)
		return -EINVAL;
	if (iommu->dead)
		return -EIO;
	if (!iommu->ops->region)
		return -ENODATA;

	pkvm_iommu_lock(iommu, NULL);
	ret = iommu->ops->region(iommu, sid, index, region);
	pkvm_iommu_unlock(iommu);

	return ret;
}
