// SPDX-License-Identifier: GPL-2.0
/*
 * The random walk: checks by DMA. A thread's device reads and writes at addresses that,
 * by the specification, it may reach or must not reach. The contents of memory and the
 * fault log show the result. Nothing is expected at lazily unmapped addresses until
 * the flush.
 */
#include <errno.h>
#include <unistd.h>

#include "walk.h"

pthread_mutex_t dma_lock = PTHREAD_MUTEX_INITIALIZER;

static bool attached(struct walker *w)
{
	return spec_attached(&w->spec, 0, w->nvme.sid);
}

static struct expect expect(struct walker *w, uint64_t iova, bool write)
{
	struct expect e = { .reason = PKVM_IOMMU_FAULT_UNMAPPED };
	uint64_t domain = spec_domain_of(&w->spec, 0, w->nvme.sid);
	const struct spec_map *m;
	uint64_t mapped, lingers;
	bool all;

	if (!attached(w)) {
		e.must_not = true;
		e.reason = PKVM_IOMMU_FAULT_BLOCKED;
		/* Address of a device that bypasses the IOMMU. */
		e.phys = iova;
		return e;
	}
	/* QEMU records no fault beyond the input size of stage 2. */
	if (iova >> machine.limit) {
		e.must_not = true;
		e.reason = -1;
		return e;
	}
	if (domain == PKVM_IOMMU_DOMAIN_IDENTITY) {
		spec_range(&w->spec, iova & ~(PAGE - 1), PAGE, &e.may, &e.must_not);
		e.phys = iova;
		return e;
	}
	/* The device may still use an old translation. */
	if (spec_may_linger(&w->spec, domain, iova))
		return e;
	m = spec_mapped(&w->spec, domain, iova, 1, &all);
	/* The IOMMU may not have all mappings yet. */
	if (m && !machine.identity && !spec_knows(&w->spec, 0, domain, &mapped, &lingers))
		return e;
	if (m) {
		e.may = m->prot & (write ? PKVM_IOMMU_PROT_WRITE : PKVM_IOMMU_PROT_READ);
		/* Stage 1 has no write-only entries. */
		e.must_not = write && !e.may;
		e.phys = iova - m->iova + m->phys;
		/* QEMU records no fault if its cache of translations refuses. */
		e.reason = -1;
		return e;
	}
	e.must_not = true;
	return e;
}

/* A random address, with room for the data in its page. */
static uint64_t target(struct walker *w, uint64_t domain)
{
	struct spec_domain *d;
	const struct spec_map *m;
	uint64_t offset = below(w, PAGE / 8) * 8;
	bool mapped = below(w, 3);

	if (domain == PKVM_IOMMU_DOMAIN_IDENTITY && below(w, 8))
		return page_of(w, below(w, 2), below(w, 16)) + offset;
	for (d = w->spec.domain; mapped && d < w->spec.domain + SPEC_DOMAINS; d++) {
		if (d->id != domain || !d->is.nr)
			continue;
		m = &d->is.map[below(w, d->is.nr)];
		return m->iova + below(w, m->size / PAGE + 1) * PAGE + offset;
	}
	return (some_iova(w) & ~(PAGE - 1)) + offset;
}

/* Check the log for the fault of a refused access. */
static void faulted(struct walker *w, uint64_t before, uint64_t iova, int reason)
{
	struct pkvm_iommu_test_faults f = { 0 };
	/* Hardware without page tables reports no reason for a blocked stream. */
	uint64_t info = (uint64_t)(reason == PKVM_IOMMU_FAULT_BLOCKED && !machine.identity ?
				   PKVM_IOMMU_FAULT_UNKNOWN : reason) << 32 | w->nvme.sid;
	bool found = false;
	int i;

	/*
	 * One record for each 4 bytes. The kernel takes them later, maybe on another
	 * CPU.
	 */
	for (i = 0; i < 4000 && !found; i++) {
		if (i)
			usleep(500);
		td_faults(&f);
		found = f.count > before && (f.info & ~PKVM_IOMMU_FAULT_WRITE) == info &&
			(reason == PKVM_IOMMU_FAULT_BLOCKED || (f.address & ~7ULL) == iova);
	}
	if (!found)
		wrong(w, "no fault of stream %#x at %#llx; the last of %llu: %#llx at %#llx",
		      w->nvme.sid, (ull)iova, (ull)(f.count - before), (ull)f.info,
		      (ull)f.address);
	w->faults++;
}

void dma_check(struct walker *w, uint64_t iova, bool write, struct expect e)
{
	struct pkvm_iommu_test_faults f = { 0 };
	uint32_t data = chance(w) & 0xffffff, old = data ^ 0x5a5a5a, got = 0;
	volatile uint64_t *mem = NULL;
	enum nvme_result res;
	bool reached;

	/* Not the page of the queue, to which the device writes, at whatever address. */
	if ((e.phys & ~(PAGE - 1)) == page_of(w, 1, CQ_PAGE))
		return;
	if (e.phys)
		mem = memory_at(w, e.phys);
	/* Write only to memory of this thread, which is always safe. */
	if (e.may && !mem)
		return;
	td_faults(&f);
	if (mem)
		*mem = nvme_word(write ? old : data);
	if (attached(w) && nvme_give(&w->nvme, write ? data : old) != NVME_DONE)
		wrong(w, "the device cannot work on its own memory");
	__sync_synchronize();
	res = write ? nvme_write(&w->nvme, iova) : nvme_read(&w->nvme, iova);
	w->ready = res == NVME_DONE;
	if (res == NVME_BROKEN || (attached(w) && res == NVME_LOST))
		wrong(w, "the device does not answer, or cannot reach its queue");
	__sync_synchronize();
	if (write) {
		reached = mem && nvme_data(*mem) == data;
		if (mem && !reached && *mem != nvme_word(old))
			wrong(w, "a write to %#llx left %#llx", (ull)iova, (ull)mem[0]);
	} else {
		if (attached(w) && nvme_take(&w->nvme, &got) != NVME_DONE)
			wrong(w, "the device cannot work on its own memory");
		reached = attached(w) && mem && got == data;
	}
	if (e.may && !reached)
		wrong(w, "stream %#x cannot %s %#llx, where it may: %#x", w->nvme.sid,
		      write ? "write" : "read", (ull)iova, got);
	if (e.must_not && reached)
		wrong(w, "stream %#x can %s %#llx, where it must not", w->nvme.sid,
		      write ? "write" : "read", (ull)iova);
	if (e.must_not && e.reason >= 0)
		faulted(w, f.count, iova, e.reason);
	w->reached += e.may;
	w->refused += e.must_not;
}

static void check(struct walker *w, uint64_t iova, bool write)
{
	dma_check(w, iova, write, expect(w, iova, write));
}

/* Map the device's queue and start the device. */
static bool prepare(struct walker *w, uint64_t domain)
{
	uint64_t cq = page_of(w, 1, CQ_PAGE), iova = cq, res[3], args[ARGS] = {
		PKVM_IOMMU_MAP, domain, WINDOW,
		PKVM_IOMMU_PROT_READ | PKVM_IOMMU_PROT_WRITE | PKVM_IOMMU_PROT_CACHE,
		PKVM_IOMMU_RUN(cq, 1),
	};
	uint64_t mapped, lingers;
	int64_t err, tries;

	if (attached(w) && domain != PKVM_IOMMU_DOMAIN_IDENTITY) {
		if (!machine.identity && !spec_knows(&w->spec, 0, domain, &mapped, &lingers))
			replay(w, 0, domain);
		iova = WINDOW;
		err = call_args(w, res, args);
		for (tries = 0; err == -ENOMEM && tries < 4; tries++) {
			if (!feed(w, res[2]))
				end_another(w, domain);
			err = call_args(w, res, args);
		}
		if (err)
			return false;
	}
	/* If it is not attached, it is reset the next time. */
	if (attached(w) && (!w->ready || w->nvme.cq_iova != iova)) {
		if (nvme_start(&w->nvme, memory_at(w, cq), iova))
			wrong(w, "the device does not start");
		w->ready = true;
	}
	return attached(w) || w->ready;
}

/*
 * The IOMMU may have cached the translation that was just used: unmap it, lazily or
 * not, and check again.
 */
static void again_unmapped(struct walker *w, uint64_t domain)
{
	const struct spec_map *m = NULL;
	uint64_t iova, res[3];
	struct spec_domain *d;
	bool lazy = below(w, 2);
	int tries;

	for (d = w->spec.domain; d < w->spec.domain + SPEC_DOMAINS && d->id != domain; d++)
		;
	/* Keep the window mapped. */
	for (tries = 0; tries < 8 && (!m || m->iova == WINDOW); tries++)
		m = &d->is.map[below(w, d->is.nr)];
	if (m->iova == WINDOW)
		return;
	iova = m->iova + below(w, m->size / PAGE) * PAGE;
	check(w, iova, true);
	if (call(w, res, PKVM_IOMMU_UNMAP, domain, iova, PAGE, lazy) &&
	    call(w, res, PKVM_IOMMU_UNMAP, domain, iova & ~(BLOCK - 1), BLOCK, lazy))
		return;
	if (lazy)
		call(w, res, PKVM_IOMMU_FLUSH, domain, 0, 0, 0);
	check(w, iova, below(w, 2));
}

/* The same with a page that is given to EL2, which flushes lazily unmapped pages. */
static void again_given(struct walker *w, uint64_t domain)
{
	uint64_t phys = machine.weak ? 0 : some_feed(w), iova = phys, res[3], args[ARGS] = {
		PKVM_IOMMU_MAP, domain, WINDOW + PAGE,
		PKVM_IOMMU_PROT_READ | PKVM_IOMMU_PROT_WRITE | PKVM_IOMMU_PROT_CACHE,
		PKVM_IOMMU_RUN(phys, 1),
	};

	if (!phys)
		return;
	if (domain != PKVM_IOMMU_DOMAIN_IDENTITY) {
		iova = WINDOW + PAGE;
		if (call_args(w, res, args))
			return;
	}
	check(w, iova, true);
	if (domain != PKVM_IOMMU_DOMAIN_IDENTITY)
		call(w, res, PKVM_IOMMU_UNMAP, domain, iova, PAGE, PKVM_IOMMU_UNMAP_LAZY);
	call(w, res, PKVM_IOMMU_TOPUP, phys / PAGE, 1, 0, 0);
	check(w, iova, false);
}

void dma_step(struct walker *w)
{
	uint64_t domain, iova, res[3];

	if (!w->has_nvme)
		return;
	pthread_mutex_lock(&dma_lock);
	/* Without an identity domain, it would be blocked most of the time. */
	if (!machine.identity && !attached(w) && below(w, 2))
		attach(w, w->nvme.sid);
	domain = spec_domain_of(&w->spec, 0, w->nvme.sid);
	if (prepare(w, domain)) {
		iova = target(w, domain);
		check(w, iova, below(w, 2) || !attached(w));
		if (attached(w) && domain != PKVM_IOMMU_DOMAIN_IDENTITY)
			again_unmapped(w, domain);
		if (attached(w) && (domain == PKVM_IOMMU_DOMAIN_IDENTITY || below(w, 2)))
			again_given(w, domain);
	}
	if (attached(w) && domain != PKVM_IOMMU_DOMAIN_IDENTITY)
		call(w, res, PKVM_IOMMU_UNMAP, domain, WINDOW, PAGE, 0);
	pthread_mutex_unlock(&dma_lock);
}

void dma_open(struct walker *w)
{
	w->has_nvme = !nvme_open(&w->nvme, w->nr);
}
