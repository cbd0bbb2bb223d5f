// SPDX-License-Identifier: GPL-2.0
/* The software virtio-iommus of a walk, see vdev.h. */
#include <linux/pkvm_iommu.h>

#include "env.h"
#include "vdev.h"

typedef uint64_t u64;
typedef uint32_t u32;
typedef unsigned long long ull;

bool (*vdev_knows)(int id, u64 domain, u64 *mapped, u64 *lingers);

static struct vdev vdevs[VDEV_MAX];
static int nr_vdevs;

#define for_each_vdev(d)	for (d = vdevs; d < vdevs + nr_vdevs; d++)

static struct vdev *vdev_of(int id)
{
	struct vdev *d;

	for_each_vdev(d) {
		if (d->id == id)
			return d;
	}
	fail("IOMMU %d is no virtio-iommu", id);
}

void vdev_add(int id, const struct vdev_config *config)
{
	struct vdev *d = &vdevs[nr_vdevs++];

	vdev_init(d, config);
	d->id = id;
}

void vdev_break(int id, enum vdev_lie how)
{
	struct vdev *d = vdev_of(id);

	d->c.lie = how;
	/* Requests that it had not done may be done at last. */
	if (how == HONEST && !d->c.latency && d->nr_pending)
		vdev_tick(d);
}

/* Functions that the model needs, see virtio-model.h. */

void *vdev_memory(struct vdev *d, u64 addr, u64 size)
{
	if (addr / ENV_PAGE != (addr + size - 1) / ENV_PAGE || !env_el2_owns(addr / ENV_PAGE))
		fail("virtio %d: a queue at %#llx, which EL2 does not own", d->id, (ull)addr);

	return (char *)env_cpu(addr & ~(ENV_PAGE - 1)) + addr % ENV_PAGE;
}

u64 vdev_name(struct vdev *d)
{
	return smmu_attaching;
}

u64 vdev_random(u64 n)
{
	return smmu_random(n);
}

static void check_pinned(struct vdev *d, const struct vdev_mapping *m)
{
	u64 pa;

	for (pa = m->phys; pa <= m->phys + (m->last - m->start); pa += ENV_PAGE) {
		if (env_is_ram(pa) && !env_pinned(pa))
			fail("virtio %d: a device may reach %#llx, which is mapped but not pinned",
			     d->id, (ull)pa);
	}
}

/* Check at once: a later undo by EL2 would be too late. */
void vdev_mapped(struct vdev *d, const struct vdev_domain *domain, const struct vdev_mapping *m)
{
	bool must, never;
	u64 pa;

	check_pinned(d, m);
	for (pa = m->phys; pa <= m->phys + (m->last - m->start); pa += ENV_PAGE) {
		if (env_is_ram(pa)) {
			never = !env_host_reaches(pa / ENV_PAGE);
		} else {
			/* MMIO, whose ownership does not change. */
			smmu_range(pa, ENV_PAGE, &must, &never);
		}
		if (never)
			fail("virtio %d: a device may reach %#llx, which is not the host's", d->id,
			     (ull)pa);
	}
}

/* Called by the environment. */

static struct vdev *at_register(u64 pa)
{
	struct vdev *d;

	for_each_vdev(d) {
		if (pa >= d->c.base && pa < d->c.base + d->c.size)
			return d;
	}

	return NULL;
}

bool vdev_has(u64 pa)
{
	return at_register(pa);
}

u64 vdev_mmio(u64 pa, bool write, u64 val, int size)
{
	struct vdev *d = at_register(pa);

	if (!write)
		return vdev_read(d, pa - d->c.base, size);
	vdev_write(d, pa - d->c.base, val, size);

	return 0;
}

void vdev_mmio_taken(u64 base, u64 size)
{
	struct vdev *d;

	for_each_vdev(d)
		d->taken |= base <= d->c.base && base + size >= d->c.base + d->c.size;
}

void vdev_look(void)
{
	struct vdev *d;

	for_each_vdev(d) {
		if (d->c.polls)
			vdev_poll(d);
	}
}

void vdev_time(void)
{
	struct vdev *d;

	for_each_vdev(d)
		vdev_tick(d);
}

/* Checks. */

void vdev_check_revoked(u64 pfn, u64 nr)
{
	const struct vdev_domain *domain;
	u64 pa = pfn * ENV_PAGE, end = (pfn + nr) * ENV_PAGE;
	struct vdev *d;
	int i;

	for_each_vdev(d) {
		for (domain = d->domains; domain; domain = domain->next) {
			for (i = 0; i < domain->nr; i++) {
				const struct vdev_mapping *m = &domain->map[i];

				if (m->phys < end && m->phys + (m->last - m->start) >= pa)
					fail("virtio %d: page %#llx was revoked, but is still mapped",
					     d->id, (ull)pfn);
			}
		}
	}
}

void vdev_check_freed(u64 pa)
{
	struct vdev *d;
	int i;

	for_each_vdev(d) {
		for (i = 0; i < 2; i++) {
			if (d->q[i].ready && (d->q[i].desc / ENV_PAGE == pa / ENV_PAGE ||
					      d->q[i].avail / ENV_PAGE == pa / ENV_PAGE ||
					      d->q[i].used / ENV_PAGE == pa / ENV_PAGE))
				fail("virtio %d: page %#llx is given away, but is a queue", d->id,
				     (ull)pa);
		}
	}
}

/* Pinned memory stays pinned unless pins were removed: then check all. */
void vdev_check_pinned(void)
{
	static u64 were;
	const struct vdev_domain *domain;
	struct vdev *d;
	int i;

	if (!nr_vdevs || env_unpins() == were)
		return;
	were = env_unpins();
	for_each_vdev(d) {
		for (domain = d->domains; domain; domain = domain->next) {
			for (i = 0; i < domain->nr; i++)
				check_pinned(d, &domain->map[i]);
		}
	}
}

void vdev_check_enabled(int id)
{
	struct vdev *d = vdev_of(id);

	if (!d->taken)
		fail("virtio %d: its registers are the host's", id);
	if (d->bypass)
		fail("virtio %d: streams that are not attached pass", id);
	if (d->nr_pending)
		fail("virtio %d: EL2 did not wait for a request", id);
	if (!d->q[0].ready || !d->q[1].ready)
		fail("virtio %d: not in service", id);
}

void vdev_check_stream(int id, u32 sid, bool attached, u64 domain)
{
	struct vdev *d = vdev_of(id);
	struct vdev_domain *has = sid < d->c.endpoints ? d->domain[sid] : NULL;

	if (!attached && has)
		fail("virtio %d: stream %#x is not attached, but may translate", id, sid);
	if (attached && (!has || has->name != domain))
		fail("virtio %d: stream %#x of domain %llu is in domain %lld", id, sid, (ull)domain,
		     has ? (long long)has->name : -1);
}

static void check_mapping(struct vdev *d, const struct vdev_domain *domain,
			  const struct vdev_mapping *m)
{
	u64 size = m->last + 1 - m->start;
	struct smmu_map map, was = {
		.pa = m->phys, .read = m->flags & VDEV_MAP_READ, .write = m->flags & VDEV_MAP_WRITE,
		.only_write = true,
	};
	bool any = smmu_mapping(domain->name, m->start, size, &map);

	if (smmu_lingers(domain->name, m->start, size, &was))
		return;
	if (!any)
		fail("virtio %d: %#llx leads to %#llx, but is not mapped", d->id, (ull)m->start,
		     (ull)m->phys);
	if (!map.all || map.pa != m->phys)
		fail("virtio %d: %#llx leads to %#llx, but is mapped elsewhere", d->id,
		     (ull)m->start, (ull)m->phys);
	/* The page table that a REPLAY reads has write-only entries: its format is stage 2. */
	if (map.write != was.write || map.read != was.read)
		fail("virtio %d: %#llx has other permissions: %#x", d->id, (ull)m->start, m->flags);
	if (!d->c.no_mmio && map.mmio != !!(m->flags & VDEV_MAP_MMIO))
		fail("virtio %d: %#llx is taken for %s", d->id, (ull)m->start,
		     map.mmio ? "memory" : "MMIO");
}

void vdev_check_reach(int id, bool all)
{
	struct vdev *d = vdev_of(id);
	u64 mapped, lingers, i;
	struct vdev_domain *domain;
	bool knows;

	for (domain = d->domains; domain; domain = domain->next) {
		for (i = 0; i < (u64)domain->nr; i++) {
			if (all || domain->map[i].fresh)
				check_mapping(d, domain, &domain->map[i]);
			domain->map[i].fresh = false;
		}
		/* Mappings do not overlap: the right number of bytes means that none is missing. */
		knows = vdev_knows(id, domain->name, &mapped, &lingers);
		if (domain->bytes > mapped + lingers)
			fail("virtio %d: more is mapped in domain %llu than may be", id,
			     (ull)domain->name);
		if (knows && domain->bytes < mapped)
			fail("virtio %d: not all of domain %llu is reached", id, (ull)domain->name);
	}
}

/* Events, and accesses. */

bool vdev_room(int id)
{
	return vdev_event_room(vdev_of(id));
}

static struct spec_fault tell(int id, u32 sid, int reason, u32 flags, u64 addr)
{
	static const int reasons[] = {
		[VDEV_FAULT_DOMAIN]	= PKVM_IOMMU_FAULT_BLOCKED,
		/* The device does not distinguish missing permissions. */
		[VDEV_FAULT_MAPPING]	= PKVM_IOMMU_FAULT_UNMAPPED,
	};
	struct vdev *d = vdev_of(id);

	vdev_event(d, reason, flags, sid, flags & VDEV_FAULT_ADDRESS ? addr : smmu_random(~0ULL));
	smmu_stats.events++;

	return (struct spec_fault) {
		.sid = sid, .reason = reason <= VDEV_FAULT_MAPPING ? reasons[reason] : 0,
		.write = flags & VDEV_FAULT_WRITE,
		.addr = flags & VDEV_FAULT_ADDRESS ? addr : 0,
	};
}

enum smmu_result vdev_dma(int id, u32 sid, u64 addr, bool write, u64 *pa, struct spec_fault *f)
{
	u32 flags = write ? VDEV_FAULT_WRITE : VDEV_FAULT_READ;
	struct vdev *d = vdev_of(id);
	const struct vdev_mapping *m;

	smmu_stats.dma++;
	*pa = addr;
	if (!d->domain[sid]) {
		if (d->bypass)
			return SMMU_BYPASS;
		*f = tell(id, sid, VDEV_FAULT_DOMAIN, smmu_random(2) ? flags : flags |
			  VDEV_FAULT_ADDRESS, addr);
		return SMMU_BLOCKED;
	}
	m = vdev_find(d->domain[sid], addr);
	if (m && m->flags & (write ? VDEV_MAP_WRITE : VDEV_MAP_READ)) {
		*pa = addr - m->start + m->phys;
		return SMMU_OK;
	}
	*f = tell(id, sid, VDEV_FAULT_MAPPING, flags | VDEV_FAULT_ADDRESS, addr);

	return m ? SMMU_PERMISSION : SMMU_UNMAPPED;
}

void vdev_strange(int id, u32 sid, int reason, bool has_addr, u64 addr, bool write)
{
	tell(id, sid, reason, (has_addr ? VDEV_FAULT_ADDRESS : 0) |
	     (write ? VDEV_FAULT_WRITE : 0), addr);
}

unsigned int vdev_notified(void)
{
	unsigned int most = 0;
	struct vdev *d;

	for_each_vdev(d) {
		most = d->notified[0] > most ? d->notified[0] : most;
		d->notified[0] = 0;
	}

	return most;
}
