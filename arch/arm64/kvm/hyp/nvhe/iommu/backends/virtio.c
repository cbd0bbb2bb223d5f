// SPDX-License-Identifier: GPL-2.0-only
/*
 * Backend for virtio-iommu, a device without page tables: each mapping is a request.
 * Section numbers are those of Virtual I/O Device Version 1.2.
 *
 * EL2 owns the register page and both virtqueues. The core decides who may do what,
 * and has checked every argument.
 *
 * The device is trusted to isolate, but not to answer correctly or in time. Used
 * rings, request status, fault records and configuration are written by the device:
 * each is read once, and checked before it serves as an index or a length. A request
 * is accepted, refused with a status of the specification, or anything else,
 * including no answer. In the last case nobody knows what the device lets through, now
 * or later, so EL2 ends in pkvm_iommu_lost_command(). That includes requests to map:
 * the device may execute one later, when the memory belongs to somebody else.
 *
 * Endpoints that are not attached are blocked, because config.bypass is 0.
 *
 * pkvm_iommu::lock guards struct hyp_virtio. Each operation waits for its requests,
 * so the request queue is empty whenever the lock is free.
 */
#include <asm/kvm_hyp.h>

#include <nvhe/iommu-backend.h>
#include <nvhe/memory.h>

#include <linux/iommu.h>
#include <linux/virtio_byteorder.h>
#include <uapi/linux/virtio_config.h>
#include <uapi/linux/virtio_ids.h>
#include <uapi/linux/virtio_iommu.h>
#include <uapi/linux/virtio_mmio.h>
#include <uapi/linux/virtio_ring.h>

#define VIRTIO_MAGIC		0x74726976	/* "virt" (4.2.2) */
/* PCI requester ids of 256 segments. */
#define VIRTIO_SID_BITS		24
/* Smallest tag of a domain that is attached here: 0 is reserved, 1 is the shadow. */
#define VIRTIO_TAG_MIN		2
#define VIRTIO_TAG_BITS		16

#define QUEUE_REQUEST		0
#define QUEUE_EVENT		1
#define QUEUE_NUM		64
/* A request has two descriptors: one that the device reads, and its status. */
#define SLOTS			(QUEUE_NUM / 2 - 2)
/* A PROBE has three descriptors of its own; the second one is for properties. */
#define PROBE_DESC		(2 * SLOTS)

#define FEATURES_NEEDED		(BIT_ULL(VIRTIO_F_VERSION_1) |			\
				 BIT_ULL(VIRTIO_IOMMU_F_MAP_UNMAP) |		\
				 BIT_ULL(VIRTIO_IOMMU_F_BYPASS_CONFIG))
/*
 * The older VIRTIO_IOMMU_F_BYPASS is not negotiated: with it, unattached endpoints
 * bypass. With ACCESS_PLATFORM, addresses are physical, because the init module
 * refuses a device that is itself behind an IOMMU.
 */
#define FEATURES_TAKEN		(FEATURES_NEEDED |				\
				 BIT_ULL(VIRTIO_IOMMU_F_INPUT_RANGE) |		\
				 BIT_ULL(VIRTIO_IOMMU_F_DOMAIN_RANGE) |		\
				 BIT_ULL(VIRTIO_IOMMU_F_PROBE) |		\
				 BIT_ULL(VIRTIO_IOMMU_F_MMIO) |			\
				 BIT_ULL(VIRTIO_F_ACCESS_PLATFORM) |		\
				 BIT_ULL(VIRTIO_F_ORDER_PLATFORM))

/**
 * struct virtq - a split virtqueue (2.7)
 * @desc: descriptors; constant after boot, except the length of requests
 * @avail: descriptors that the device may use
 * @used: descriptors that the device has used; the only part that it writes
 */
struct virtq {
	struct vring_desc	desc[QUEUE_NUM];
	struct {
		__le16			flags;
		__le16			idx;
		__le16			ring[QUEUE_NUM];
	} avail;
	struct {
		__le16			flags;
		__le16			idx;
		vring_used_elem_t	ring[QUEUE_NUM];
	} used __aligned(VRING_USED_ALIGN_SIZE);
};

/**
 * struct virtio_slot - buffer of one request
 * @req: the part that the device reads, without the tail of the specification's
 *	structures. All requests share the first two fields; a detach is laid out as
 *	an attach, an unmap as a map
 * @tail: the part that the device writes
 */
struct virtio_slot {
	union virtio_req {
		struct {
			struct virtio_iommu_req_head	head;
			__le32				domain;
		};
		struct virtio_iommu_req_attach	attach;
		struct virtio_iommu_req_map	map;
	} req;
	struct virtio_iommu_req_tail		tail;
};

/*
 * A queue and its buffers fit into a page. The properties of @probe, which the device writes,
 * have the rest of the page.
 */
struct virtio_requests {
	struct virtq			q;
	struct virtio_slot		slots[SLOTS];
	struct virtio_iommu_req_probe	probe;
};

#define PROPERTIES_MAX		(PAGE_SIZE - sizeof(struct virtio_requests))

struct virtio_events {
	struct virtq			q;
	struct virtio_iommu_fault	faults[QUEUE_NUM];
};

/* Not a status of the specification: the device has not written one. */
#define STATUS_NONE		0xff

/**
 * struct hyp_virtio - state of a virtio-iommu
 * @features: negotiated features
 * @requests: request queue, a page
 * @done: avail and used index of the request queue while it is empty
 * @nr: requests that the next notification sends
 * @head: first descriptor of these requests
 * @probe_size: bytes of properties of an endpoint; 0 if EL2 does not ask for them
 * @events: event queue, a page
 * @seen: used index up to which events were taken
 * @deaf: the device wrote an invalid entry into the event queue, which is not used
 *	any more
 */
struct hyp_virtio {
	u64			features;
	struct virtio_requests	*requests;
	u16			done;
	u16			nr;
	u16			head;
	u32			probe_size;
	struct virtio_events	*events;
	u16			seen;
	bool			deaf;
};

static struct hyp_virtio hyp_virtios[PKVM_IOMMU_MAX];

static struct hyp_virtio *to_virtio(struct pkvm_iommu *iommu)
{
	return &hyp_virtios[iommu->id];
}

static u32 virtio_read(struct pkvm_iommu *iommu, u32 reg)
{
	return readl_relaxed(iommu->mmio + reg);
}

static void virtio_write(struct pkvm_iommu *iommu, u32 val, u32 reg)
{
	writel_relaxed(val, iommu->mmio + reg);
}

static u32 virtio_config32(struct pkvm_iommu *iommu, u32 offset)
{
	return virtio_read(iommu, VIRTIO_MMIO_CONFIG + offset);
}

static u64 virtio_config64(struct pkvm_iommu *iommu, u32 offset)
{
	return virtio_config32(iommu, offset) | (u64)virtio_config32(iommu, offset + 4) << 32;
}

#define CONFIG(_field)		offsetof(struct virtio_iommu_config, _field)

/* Add a request to the next notification. The caller has checked that there is room. */
static union virtio_req *virtio_add(struct pkvm_iommu *iommu, u8 type,
				    const struct pkvm_iommu_domain *domain)
{
	static const u8 len[] = {
		[VIRTIO_IOMMU_T_ATTACH]	= offsetof(struct virtio_iommu_req_attach, tail),
		[VIRTIO_IOMMU_T_DETACH]	= offsetof(struct virtio_iommu_req_detach, tail),
		[VIRTIO_IOMMU_T_MAP]	= offsetof(struct virtio_iommu_req_map, tail),
		[VIRTIO_IOMMU_T_UNMAP]	= offsetof(struct virtio_iommu_req_unmap, tail),
	};
	struct hyp_virtio *virtio = to_virtio(iommu);
	struct virtq *q = &virtio->requests->q;
	struct virtio_slot *slot = &virtio->requests->slots[virtio->nr];

	*slot = (struct virtio_slot) {
		.req.head.type	= type,
		.req.domain	= cpu_to_le32(domain->tag),
		.tail.status	= STATUS_NONE,
	};
	q->desc[2 * virtio->nr].len = __cpu_to_virtio32(true, len[type]);
	q->avail.ring[(u16)(virtio->done + virtio->nr) % QUEUE_NUM] = cpu_to_le16(2 * virtio->nr);
	virtio->nr++;

	return &slot->req;
}

/*
 * Evaluate the answers of the device: 0 if it accepted every request, -EIO if it
 * refused some, -EPROTO unless there is exactly one valid answer to each. The order of
 * the answers in the ring does not matter.
 */
static int virtio_answers(struct hyp_virtio *virtio)
{
	u32 i, id, len, most = virtio->head == PROBE_DESC ? virtio->probe_size : 0;
	struct virtq *q = &virtio->requests->q;
	int ret = 0;
	u64 seen = 0;
	u8 status;

	for (i = 0; i < virtio->nr; i++) {
		vring_used_elem_t *elem = &q->used.ring[(u16)(virtio->done + i) % QUEUE_NUM];

		id = __virtio32_to_cpu(true, READ_ONCE(elem->id)) - virtio->head;
		len = __virtio32_to_cpu(true, READ_ONCE(elem->len));
		status = READ_ONCE(virtio->requests->slots[i].tail.status);
		if (id >= 2 * virtio->nr || id % 2 || seen & BIT_ULL(id) ||
		    len - sizeof(struct virtio_iommu_req_tail) > most ||
		    status > VIRTIO_IOMMU_S_NOMEM)
			return -EPROTO;
		seen |= BIT_ULL(id);
		if (status != VIRTIO_IOMMU_S_OK)
			ret = -EIO;
	}

	return ret;
}

/*
 * Send the added requests with one notification, and wait for the answers (2.7.13,
 * 5.13.6.2). Returns 0, or -EIO if the device refused some. Does not return if the
 * answers are late or invalid.
 */
static int virtio_flush(struct pkvm_iommu *iommu)
{
	struct hyp_virtio *virtio = to_virtio(iommu);
	struct virtq *q = &virtio->requests->q;
	u16 idx = virtio->done + virtio->nr;
	int ret;

	/* The device sees the requests before the index. */
	wmb();
	WRITE_ONCE(q->avail.idx, cpu_to_le16(idx));
	/* And the index before the notification. */
	wmb();
	virtio_write(iommu, QUEUE_REQUEST, VIRTIO_MMIO_QUEUE_NOTIFY);
	if (!pkvm_iommu_wait(le16_to_cpu(READ_ONCE(q->used.idx)) == idx))
		pkvm_iommu_lost_command();
	/* Read the answers after the index, and before anything that relies on them. */
	mb();

	ret = virtio_answers(virtio);
	if (ret == -EPROTO)
		pkvm_iommu_lost_command();
	virtio->done = idx;
	virtio->nr = 0;

	return ret;
}

static int virtio_refuse(u64 *why, enum pkvm_iommu_refusal reason)
{
	*why = reason;
	return -ENXIO;
}

/* Read the offered features. Writes only the register that selects their words. */
static u64 virtio_features(struct pkvm_iommu *iommu)
{
	u64 features;

	virtio_write(iommu, 1, VIRTIO_MMIO_DEVICE_FEATURES_SEL);
	features = (u64)virtio_read(iommu, VIRTIO_MMIO_DEVICE_FEATURES) << 32;
	virtio_write(iommu, 0, VIRTIO_MMIO_DEVICE_FEATURES_SEL);

	return features | virtio_read(iommu, VIRTIO_MMIO_DEVICE_FEATURES);
}

static int virtio_probe(struct pkvm_iommu *iommu, u64 *why)
{
	struct hyp_virtio *virtio = to_virtio(iommu);
	u64 first = 0, last = U64_MAX;
	u32 first_tag = 0, last_tag = U32_MAX;

	if (iommu->mmio_size - offset_in_page(iommu->mmio) <
	    VIRTIO_MMIO_CONFIG + sizeof(struct virtio_iommu_config))
		return virtio_refuse(why, PKVM_IOMMU_REFUSE_MMIO);
	virtio->features = virtio_features(iommu) & FEATURES_TAKEN;
	if (virtio_read(iommu, VIRTIO_MMIO_MAGIC_VALUE) != VIRTIO_MAGIC ||
	    virtio_read(iommu, VIRTIO_MMIO_VERSION) != 2 ||
	    virtio_read(iommu, VIRTIO_MMIO_DEVICE_ID) != VIRTIO_ID_IOMMU ||
	    (virtio->features & FEATURES_NEEDED) != FEATURES_NEEDED)
		return virtio_refuse(why, PKVM_IOMMU_REFUSE_STAGE);
	/* This backend does no cache maintenance for its queues. */
	if (!pkvm_iommu_coherent(iommu))
		return virtio_refuse(why, PKVM_IOMMU_REFUSE_PRESET);
	/* The smallest size is that to which mappings are aligned (5.13.4). */
	if (!(virtio_config64(iommu, CONFIG(page_size_mask)) & (2 * PAGE_SIZE - 1)))
		return virtio_refuse(why, PKVM_IOMMU_REFUSE_GRANULE);

	/* A range that is not offered has no limit (5.13.4). */
	if (virtio->features & BIT_ULL(VIRTIO_IOMMU_F_INPUT_RANGE)) {
		first = virtio_config64(iommu, CONFIG(input_range.start));
		last = virtio_config64(iommu, CONFIG(input_range.end));
	}
	if (virtio->features & BIT_ULL(VIRTIO_IOMMU_F_DOMAIN_RANGE)) {
		first_tag = virtio_config32(iommu, CONFIG(domain_range.start));
		last_tag = virtio_config32(iommu, CONFIG(domain_range.end));
	}
	if (virtio->features & BIT_ULL(VIRTIO_IOMMU_F_PROBE))
		virtio->probe_size = virtio_config32(iommu, CONFIG(probe_size));
	if (!virtio->probe_size || virtio->probe_size > PROPERTIES_MAX) {
		virtio->features &= ~BIT_ULL(VIRTIO_IOMMU_F_PROBE);
		virtio->probe_size = 0;
	}
	if (first || last < U32_MAX || first_tag > VIRTIO_TAG_MIN || last_tag < U8_MAX)
		return virtio_refuse(why, PKVM_IOMMU_REFUSE_STAGE);

	/* Domains have I/O virtual and physical addresses of the same size. */
	iommu->oas = min(last == U64_MAX ? 64 : ilog2(last + 1), 52);
	iommu->sid_bits = VIRTIO_SID_BITS;
	iommu->asid_bits = min(ilog2((u64)last_tag + 1), VIRTIO_TAG_BITS);
	iommu->vmid_bits = iommu->asid_bits;
	/* The device reads no page table: either format will do. */
	iommu->fmts = BIT(ARM_64_LPAE_S1) | BIT(ARM_64_LPAE_S2);

	return 0;
}

static int virtio_alloc(struct pkvm_iommu *iommu)
{
	struct hyp_virtio *virtio = to_virtio(iommu);

	BUILD_BUG_ON(sizeof(struct virtio_requests) > PAGE_SIZE);
	BUILD_BUG_ON(sizeof(struct virtio_events) > PAGE_SIZE);
	if (!virtio->requests)
		virtio->requests = pkvm_iommu_alloc_page();
	if (!virtio->events)
		virtio->events = pkvm_iommu_alloc_page();

	return virtio->requests && virtio->events ? 0 : -ENOMEM;
}

static void virtq_set_desc(struct virtq *q, int i, void *addr, u32 len, u16 flags)
{
	q->desc[i] = (struct vring_desc) {
		.addr	= __cpu_to_virtio64(true, hyp_virt_to_phys(addr)),
		.len	= __cpu_to_virtio32(true, len),
		.flags	= __cpu_to_virtio16(true, flags),
		.next	= __cpu_to_virtio16(true, flags & VRING_DESC_F_NEXT ? i + 1 : 0),
	};
}

static void virtio_fill_queues(struct hyp_virtio *virtio)
{
	struct virtio_requests *requests = virtio->requests;
	struct virtio_events *events = virtio->events;
	int i;

	for (i = 0; i < SLOTS; i++) {
		virtq_set_desc(&requests->q, 2 * i, &requests->slots[i].req, 0,
			       VRING_DESC_F_NEXT);
		virtq_set_desc(&requests->q, 2 * i + 1, &requests->slots[i].tail,
			       sizeof(requests->slots[i].tail), VRING_DESC_F_WRITE);
	}
	virtq_set_desc(&requests->q, PROBE_DESC, &requests->probe, sizeof(requests->probe),
		       VRING_DESC_F_NEXT);
	virtq_set_desc(&requests->q, PROBE_DESC + 1, requests->probe.properties,
		       virtio->probe_size, VRING_DESC_F_WRITE | VRING_DESC_F_NEXT);
	virtq_set_desc(&requests->q, PROBE_DESC + 2, &requests->slots[0].tail,
		       sizeof(requests->slots[0].tail), VRING_DESC_F_WRITE);
	/* Only the event queue interrupts. */
	requests->q.avail.flags = cpu_to_le16(VRING_AVAIL_F_NO_INTERRUPT);

	for (i = 0; i < QUEUE_NUM; i++) {
		virtq_set_desc(&events->q, i, &events->faults[i], sizeof(events->faults[i]),
			       VRING_DESC_F_WRITE);
		events->q.avail.ring[i] = cpu_to_le16(i);
	}
	events->q.avail.idx = cpu_to_le16(QUEUE_NUM);
}

static void virtio_write_addr(struct pkvm_iommu *iommu, void *addr, u32 reg)
{
	virtio_write(iommu, lower_32_bits(hyp_virt_to_phys(addr)), reg);
	virtio_write(iommu, upper_32_bits(hyp_virt_to_phys(addr)), reg + 4);
}

static bool virtio_set_queue(struct pkvm_iommu *iommu, u32 index, struct virtq *q)
{
	virtio_write(iommu, index, VIRTIO_MMIO_QUEUE_SEL);
	if (virtio_read(iommu, VIRTIO_MMIO_QUEUE_READY) ||
	    virtio_read(iommu, VIRTIO_MMIO_QUEUE_NUM_MAX) < QUEUE_NUM)
		return false;

	virtio_write(iommu, QUEUE_NUM, VIRTIO_MMIO_QUEUE_NUM);
	virtio_write_addr(iommu, &q->desc, VIRTIO_MMIO_QUEUE_DESC_LOW);
	virtio_write_addr(iommu, &q->avail, VIRTIO_MMIO_QUEUE_AVAIL_LOW);
	virtio_write_addr(iommu, &q->used, VIRTIO_MMIO_QUEUE_USED_LOW);
	virtio_write(iommu, 1, VIRTIO_MMIO_QUEUE_READY);

	return virtio_read(iommu, VIRTIO_MMIO_QUEUE_READY) == 1;
}

/* Write the status. Returns true if the device then has exactly @status. */
static bool virtio_set_status(struct pkvm_iommu *iommu, u32 status)
{
	virtio_write(iommu, status, VIRTIO_MMIO_STATUS);
	return virtio_read(iommu, VIRTIO_MMIO_STATUS) == status;
}

static int virtio_init(struct pkvm_iommu *iommu, u64 *why)
{
	u32 status = VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER;
	struct hyp_virtio *virtio = to_virtio(iommu);
	void __iomem *bypass = iommu->mmio + VIRTIO_MMIO_CONFIG + CONFIG(bypass);

	/* Reset: no endpoint is attached then (2.4, 4.2.2.1). */
	*why = PKVM_IOMMU_REFUSE_TIMEOUT;
	virtio_write(iommu, 0, VIRTIO_MMIO_STATUS);
	if (!pkvm_iommu_wait(!virtio_read(iommu, VIRTIO_MMIO_STATUS)))
		return -ETIMEDOUT;

	/* The device clears FEATURES_OK if it does not support the choice (3.1.1). */
	*why = PKVM_IOMMU_REFUSE_STAGE;
	virtio_write(iommu, status, VIRTIO_MMIO_STATUS);
	virtio_write(iommu, 1, VIRTIO_MMIO_DRIVER_FEATURES_SEL);
	virtio_write(iommu, upper_32_bits(virtio->features), VIRTIO_MMIO_DRIVER_FEATURES);
	virtio_write(iommu, 0, VIRTIO_MMIO_DRIVER_FEATURES_SEL);
	virtio_write(iommu, lower_32_bits(virtio->features), VIRTIO_MMIO_DRIVER_FEATURES);
	status |= VIRTIO_CONFIG_S_FEATURES_OK;
	if (!virtio_set_status(iommu, status))
		return -ETIMEDOUT;
	/* From here on unattached endpoints are blocked (5.13.4.2). */
	writeb_relaxed(0, bypass);

	*why = PKVM_IOMMU_REFUSE_PRESET;
	virtio_fill_queues(virtio);
	/* Before the device can read the queues. */
	wmb();
	if (!virtio_set_queue(iommu, QUEUE_REQUEST, &virtio->requests->q) ||
	    !virtio_set_queue(iommu, QUEUE_EVENT, &virtio->events->q))
		return -ETIMEDOUT;

	*why = PKVM_IOMMU_REFUSE_STAGE;
	status |= VIRTIO_CONFIG_S_DRIVER_OK;
	if (!virtio_set_status(iommu, status) || readb_relaxed(bypass))
		return -ETIMEDOUT;
	virtio_write(iommu, QUEUE_EVENT, VIRTIO_MMIO_QUEUE_NOTIFY);
	*why = PKVM_IOMMU_REFUSE_NONE;

	return 0;
}

static int virtio_stream_set(struct pkvm_iommu *iommu, u32 sid,
			     const struct pkvm_iommu_domain *domain, bool attach)
{
	union virtio_req *req = virtio_add(iommu, attach ? VIRTIO_IOMMU_T_ATTACH :
					   VIRTIO_IOMMU_T_DETACH, domain);
	int ret;

	req->attach.endpoint = cpu_to_le32(sid);
	ret = virtio_flush(iommu);
	if (ret && !attach)
		pkvm_iommu_lost_command();

	return ret;
}

/* The MMIO flag is only defined with VIRTIO_IOMMU_F_MMIO. */
static u32 virtio_map_flags(u64 features, int prot)
{
	return (prot & IOMMU_READ ? VIRTIO_IOMMU_MAP_F_READ : 0) |
	       (prot & IOMMU_WRITE ? VIRTIO_IOMMU_MAP_F_WRITE : 0) |
	       (prot & IOMMU_MMIO && features & BIT_ULL(VIRTIO_IOMMU_F_MMIO) ?
		VIRTIO_IOMMU_MAP_F_MMIO : 0);
}

static int virtio_map(struct pkvm_iommu *iommu, const struct pkvm_iommu_domain *domain,
		      const struct pkvm_iommu_mapping *maps, int nr)
{
	struct hyp_virtio *virtio = to_virtio(iommu);
	union virtio_req *req;
	int i, ret = 0;

	for (i = 0; i < nr && !ret; i++) {
		req = virtio_add(iommu, VIRTIO_IOMMU_T_MAP, domain);
		req->map.virt_start = cpu_to_le64(maps[i].iova);
		req->map.virt_end = cpu_to_le64(maps[i].iova + maps[i].size - 1);
		req->map.phys_start = cpu_to_le64(maps[i].phys);
		req->map.flags = cpu_to_le32(virtio_map_flags(virtio->features, maps[i].prot));
		if (virtio->nr == SLOTS || i == nr - 1)
			ret = virtio_flush(iommu);
	}

	return ret;
}

static u64 virtio_invalidate(struct pkvm_iommu *iommu,
			     const struct pkvm_iommu_domain *domain, u64 addr, u64 size,
			     bool leaf)
{
	union virtio_req *req;

	if (!size)
		return 0;

	/* The range has whole mappings, and holes, which are allowed (5.13.6.6). */
	req = virtio_add(iommu, VIRTIO_IOMMU_T_UNMAP, domain);
	req->map.virt_start = cpu_to_le64(addr);
	req->map.virt_end = cpu_to_le64(addr + size - 1);
	if (virtio_flush(iommu))
		pkvm_iommu_lost_command();

	return 0;
}

static void virtio_read_fault(const struct virtio_iommu_fault *event,
			      struct pkvm_iommu_fault *fault)
{
	u32 flags = le32_to_cpu(READ_ONCE(event->flags));
	u8 reason = READ_ONCE(event->reason);

	/* R_MAPPING also covers an access without permission. */
	fault->reason = reason == VIRTIO_IOMMU_FAULT_R_MAPPING ? PKVM_IOMMU_FAULT_UNMAPPED :
			reason == VIRTIO_IOMMU_FAULT_R_DOMAIN ? PKVM_IOMMU_FAULT_BLOCKED :
			PKVM_IOMMU_FAULT_UNKNOWN;
	fault->sid = le32_to_cpu(READ_ONCE(event->endpoint));
	fault->write = flags & VIRTIO_IOMMU_FAULT_F_WRITE;
	if (flags & VIRTIO_IOMMU_FAULT_F_ADDRESS)
		fault->address = le64_to_cpu(READ_ONCE(event->address));
}

static bool virtio_fault(struct pkvm_iommu *iommu, struct pkvm_iommu_fault *fault)
{
	struct hyp_virtio *virtio = to_virtio(iommu);
	struct virtq *q = &virtio->events->q;
	u32 id, len, isr = virtio_read(iommu, VIRTIO_MMIO_INTERRUPT_STATUS);
	u16 waiting, index = virtio->seen % QUEUE_NUM;

	if (isr)
		virtio_write(iommu, isr & (VIRTIO_MMIO_INT_VRING | VIRTIO_MMIO_INT_CONFIG),
			     VIRTIO_MMIO_INTERRUPT_ACK);
	/* Acknowledge before looking: a later event interrupts again. */
	mb();
	waiting = le16_to_cpu(READ_ONCE(q->used.idx)) - virtio->seen;
	if (!waiting || virtio->deaf)
		return false;

	/* Read the record after the index that announced it. */
	rmb();
	id = __virtio32_to_cpu(true, READ_ONCE(q->used.ring[index].id));
	len = __virtio32_to_cpu(true, READ_ONCE(q->used.ring[index].len));
	if (waiting > QUEUE_NUM || id >= QUEUE_NUM || len != sizeof(struct virtio_iommu_fault)) {
		/* The state of the event buffers is unknown. Isolation does not depend on it. */
		virtio->deaf = true;
		fault->reason = PKVM_IOMMU_FAULT_HARDWARE;
		return true;
	}
	id = array_index_nospec(id, QUEUE_NUM);
	virtio_read_fault(&virtio->events->faults[id], fault);
	/* Without a free buffer, the device drops events without a sign. */
	fault->lost = waiting == QUEUE_NUM;

	q->avail.ring[index] = cpu_to_le16(id);
	virtio->seen++;
	/* Return the buffer to the device only after it has been read. */
	mb();
	WRITE_ONCE(q->avail.idx, cpu_to_le16(virtio->seen + QUEUE_NUM));
	/* And the index before the notification. */
	wmb();
	virtio_write(iommu, QUEUE_EVENT, VIRTIO_MMIO_QUEUE_NOTIFY);

	return true;
}

/* Have the device write the properties of an endpoint (5.13.6.7). */
static int virtio_get_properties(struct pkvm_iommu *iommu, u32 sid)
{
	struct hyp_virtio *virtio = to_virtio(iommu);
	struct virtio_requests *requests = virtio->requests;
	int ret;

	memset(requests->probe.properties, 0, virtio->probe_size);
	requests->probe.head.type = VIRTIO_IOMMU_T_PROBE;
	requests->probe.endpoint = cpu_to_le32(sid);
	requests->slots[0].tail.status = STATUS_NONE;
	requests->q.avail.ring[virtio->done % QUEUE_NUM] = cpu_to_le16(PROBE_DESC);
	virtio->nr = 1;
	virtio->head = PROBE_DESC;
	ret = virtio_flush(iommu);
	virtio->head = 0;

	return ret;
}

/*
 * The device can write properties at any time, so EL2 judges a copy of each. The list ends with
 * type 0, or with a length that leads out of it. A property has a header at least, so that the
 * work is bounded. A region of an unknown kind is reserved (5.13.6.7.3.1).
 */
static int virtio_region(struct pkvm_iommu *iommu, u32 sid, u64 index,
			 struct pkvm_iommu_region *region)
{
	struct hyp_virtio *virtio = to_virtio(iommu);
	struct virtio_iommu_probe_resv_mem mem;
	u32 at = 0, type, len, room = virtio->probe_size;
	int ret = room ? virtio_get_properties(iommu, sid) : -ENODATA;

	for (; !ret && room >= sizeof(mem.head); at += len, room -= len) {
		mem = (struct virtio_iommu_probe_resv_mem) {};
		memcpy(&mem, virtio->requests->probe.properties + at, min(room, sizeof(mem)));
		/* The compiler must not read twice. */
		barrier();
		type = le16_to_cpu(mem.head.type) & VIRTIO_IOMMU_PROBE_T_MASK;
		len = sizeof(mem.head) + le16_to_cpu(mem.head.length);
		if (type == VIRTIO_IOMMU_PROBE_T_NONE || len > room)
			break;

		region->start = le64_to_cpu(mem.start);
		region->end = le64_to_cpu(mem.end);
		region->kind = mem.subtype == VIRTIO_IOMMU_RESV_MEM_T_MSI ?
			       PKVM_IOMMU_REGION_MSI : PKVM_IOMMU_REGION_RESERVED;
		if (type == VIRTIO_IOMMU_PROBE_T_RESV_MEM && len >= sizeof(mem) &&
		    region->start <= region->end && !index--)
			return 0;
	}

	return ret ?: -ENODATA;
}

PKVM_IOMMU_BACKEND(virtio) = {
	.isolates	= true,
	.probe		= virtio_probe,
	.alloc		= virtio_alloc,
	.init		= virtio_init,
	.stream_set	= virtio_stream_set,
	.map		= virtio_map,
	.invalidate	= virtio_invalidate,
	.fault		= virtio_fault,
	.region		= virtio_region,
};
