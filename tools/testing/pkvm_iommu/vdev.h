/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The software virtio-iommus of a walk (virtio-model.h), and the checks that the
 * mappings which they hold are allowed at each moment. The counterpart of smmu.h; ids
 * are those of the registry.
 */
#ifndef VDEV_H
#define VDEV_H

#include "smmu.h"
#include "spec.h"
#include "virtio-model.h"

#define VDEV_MAX	4

void vdev_add(int id, const struct vdev_config *config);
void vdev_break(int id, enum vdev_lie how);	/* takes effect at once; HONEST: works again */

/* Called by the environment. */
bool vdev_has(uint64_t pa);			/* a register */
uint64_t vdev_mmio(uint64_t pa, bool write, uint64_t val, int size);
void vdev_mmio_taken(uint64_t base, uint64_t size);
void vdev_look(void);				/* memory may have changed */
void vdev_time(void);				/* time goes by */
void vdev_check_revoked(uint64_t pfn, uint64_t nr);
void vdev_check_freed(uint64_t pa);
void vdev_check_pinned(void);

/* Called by the walk. */
void vdev_check_enabled(int id);
void vdev_check_stream(int id, uint32_t sid, bool attached, uint64_t domain);
/* Check all that devices reach through it, or only new mappings, which is faster. */
void vdev_check_reach(int id, bool all);
bool vdev_room(int id);				/* for an event */
/* One access. A refused access is recorded, and @f set to the record to expect. */
enum smmu_result vdev_dma(int id, uint32_t sid, uint64_t addr, bool write, uint64_t *pa,
			  struct spec_fault *f);
unsigned int vdev_notified(void);		/* most requests to one since the last call */
void vdev_strange(int id, uint32_t sid, int reason, bool has_addr, uint64_t addr, bool write);

/*
 * Returns true if an IOMMU must have all mappings of a domain; sets @mapped to their
 * bytes. Mappings that may linger after a lazy unmap are not counted. Set by the walk.
 */
extern bool (*vdev_knows)(int id, uint64_t domain, uint64_t *mapped, uint64_t *lingers);

#endif /* VDEV_H */
