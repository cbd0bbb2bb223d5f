/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A software virtio-iommu behind virtio-mmio, written from Virtual I/O Device
 * Version 1.2 and sharing no code with the backend under test. It checks requests,
 * does them in any order and at any time after it can see them, and can lie in
 * everything that a driver reads.
 *
 * The functions that the program has to provide are at the end.
 */
#ifndef VIRTIO_MODEL_H
#define VIRTIO_MODEL_H

#include <stdbool.h>
#include <stdint.h>

enum vdev_lie {
	HONEST,
	/* At boot. */
	MAGIC, LEGACY, OTHER_DEVICE, NO_V1, NO_MAP, NO_BYPASS_CONFIG, BIG_PAGES, INPUT_START,
	INPUT_SHORT, TAGS_START, TAGS_FEW,
	RESET_HANGS, FEATURES_REFUSED, BYPASS_STAYS, QUEUE_SMALL, QUEUE_READY,
	/* Of requests. */
	SILENT, IDX_AHEAD, IDX_BEHIND, ID_HIGH, ID_STATUS, ID_IDLE, ID_TWICE, LEN_SHORT, LEN_LONG,
	STATUS_NEW, STATUS_UNWRITTEN, REFUSED,
	/* Of events. */
	EVENT_ID, EVENT_SHORT, EVENT_LONG, EVENT_IDX,
	/* Of properties: no more than the status is written, or more than there is room for. */
	PROPERTIES_UNWRITTEN, PROPERTIES_LONG,
};

/* Addresses that endpoints cannot use, at first and last byte. Even endpoints have all of them. */
#define VDEV_REGIONS	3
struct vdev_region {
	uint64_t start, last;
	uint8_t kind;
};

/* A kind of hardware, and how it misbehaves. */
struct vdev_config {
	uint64_t base, size;		/* of its registers */
	unsigned int endpoints;		/* exclusive end of the stream ids that exist */
	unsigned int input_bits;	/* of I/O virtual addresses */
	unsigned int tag_bits;		/* of domains' ids */
	bool no_ranges;			/* does not report limits, and has none */
	bool no_mmio;			/* without VIRTIO_IOMMU_F_MMIO */
	bool incoherent;		/* according to the firmware */
	/* Fail on requests that a core never makes, such as a mapping over another. */
	bool strict;
	bool polls;			/* does not wait for a notification */
	unsigned int latency;		/* reads of the counter until it acts */
	unsigned int refuses;		/* one per this many MAP, for want of memory; 0: never */
	uint32_t probe_size;		/* bytes of properties; 0: none */
	struct vdev_region region[VDEV_REGIONS];
	unsigned int regions;		/* odd endpoints have one less: not the first */
	/* If not NULL, the properties of each endpoint, @probe_size bytes. */
	const uint8_t *properties;
	enum vdev_lie lie;
};

/* Virtio's own numbers (5.13.6). */
#define VDEV_MAP_READ		1
#define VDEV_MAP_WRITE		2
#define VDEV_MAP_MMIO		4
#define VDEV_FAULT_DOMAIN	1
#define VDEV_FAULT_MAPPING	2
#define VDEV_FAULT_READ		1
#define VDEV_FAULT_WRITE	2
#define VDEV_FAULT_ADDRESS	0x100
#define VDEV_RESERVED		0
#define VDEV_MSI		1

struct vdev_mapping {
	uint64_t start, last, phys;	/* the last byte, as in a request */
	uint32_t flags;
	bool fresh;			/* not checked yet */
};

/* A domain exists while an endpoint is attached (5.13.6.3). */
struct vdev_domain {
	uint32_t tag;
	uint64_t name;			/* see vdev_name() */
	unsigned int endpoints;
	uint64_t bytes;			/* mapped bytes */
	struct vdev_mapping *map;
	int nr, max;
	struct vdev_domain *next;
};

#define VDEV_ENDPOINTS	1024
#define VDEV_QUEUE	256

struct vdev_queue {
	uint32_t num, ready;
	uint16_t served;		/* index of the first buffer not taken yet */
	uint64_t desc, avail, used;
};

struct vdev {
	struct vdev_config c;
	int id;
	bool taken;			/* the registers are EL2's */
	uint32_t status, sel, features_sel, driver_sel, isr, notified[2];
	uint64_t features;
	uint8_t bypass;
	struct vdev_queue q[2];		/* requests, events */
	struct {			/* requests that it has seen */
		uint16_t head;
		uint64_t name;		/* vdev_name() then, for an attach */
	} pending[VDEV_QUEUE];
	int nr_pending;
	unsigned int wait;
	struct vdev_domain *domain[VDEV_ENDPOINTS];
	struct vdev_domain *domains;
	uint64_t requests, refused;
};

void vdev_init(struct vdev *d, const struct vdev_config *config);
void vdev_free(struct vdev *d);
uint64_t vdev_read(struct vdev *d, uint64_t reg, int size);
void vdev_write(struct vdev *d, uint64_t reg, uint64_t val, int size);
void vdev_poll(struct vdev *d);			/* memory may have changed */
void vdev_tick(struct vdev *d);			/* time goes by */
const struct vdev_mapping *vdev_find(const struct vdev_domain *domain, uint64_t addr);
/* Report a fault. Returns false if there is no buffer for it. */
bool vdev_event(struct vdev *d, uint8_t reason, uint32_t flags, uint32_t endpoint,
		uint64_t address);
bool vdev_event_room(struct vdev *d);

/*
 * Provided by the program: access to memory at an address from a queue or descriptor;
 * a name for the domain of an attach request that is seen now; random numbers; and a
 * check of a mapping that was just made.
 */
void *vdev_memory(struct vdev *d, uint64_t addr, uint64_t size);
uint64_t vdev_name(struct vdev *d);
uint64_t vdev_random(uint64_t n);
void vdev_mapped(struct vdev *d, const struct vdev_domain *domain, const struct vdev_mapping *m);
void fail(const char *fmt, ...) __attribute__((noreturn, format(printf, 1, 2)));

#endif /* VIRTIO_MODEL_H */
