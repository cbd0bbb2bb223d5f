// SPDX-License-Identifier: GPL-2.0
/*
 * The software virtio-iommu, see virtio-model.h. Section numbers are those of
 * Virtual I/O Device Version 1.2; this machine is little-endian, as the device is.
 */
#include <stdlib.h>
#include <string.h>

#include "virtio-model.h"

typedef uint64_t u64;
typedef uint32_t u32;
typedef uint16_t u16;
typedef uint8_t u8;
typedef unsigned long long ull;

#define PAGE		(1ULL << ENV_PAGE_SHIFT)
#define BIT(n)		(1ULL << (n))

/* Registers (4.2.2), and the configuration behind them (5.13.4). */
enum {
	R_MAGIC = 0x00, R_VERSION = 0x04, R_DEVICE = 0x08, R_FEATURES = 0x10,
	R_FEATURES_SEL = 0x14, R_DRIVER = 0x20, R_DRIVER_SEL = 0x24, R_QUEUE_SEL = 0x30,
	R_QUEUE_MAX = 0x34, R_QUEUE_NUM = 0x38, R_QUEUE_READY = 0x44, R_NOTIFY = 0x50,
	R_ISR = 0x60, R_ACK = 0x64, R_STATUS = 0x70, R_DESC = 0x80, R_AVAIL = 0x90,
	R_USED = 0xa0, R_CONFIG = 0x100,
	C_BYPASS = 36, C_SIZE = 40,
};
enum { S_ACKNOWLEDGE = 1, S_DRIVER_OK = 4, S_FEATURES_OK = 8 };
enum {
	F_INPUT_RANGE = 0, F_DOMAIN_RANGE = 1, F_MAP_UNMAP = 2, F_BYPASS = 3, F_PROBE = 4,
	F_MMIO = 5, F_BYPASS_CONFIG = 6, F_EVENT_IDX = 29, F_VERSION_1 = 32, F_PACKED = 34,
};
/* Requests and their states (5.13.6). */
enum { T_ATTACH = 1, T_DETACH, T_MAP, T_UNMAP, T_PROBE };
enum { S_OK, S_IOERR, S_UNSUPP, S_DEVERR, S_INVAL, S_RANGE, S_NOENT, S_FAULT, S_NOMEM };
enum { D_NEXT = 1, D_WRITE = 2 };

struct desc {
	u64 addr;
	u32 len;
	u16 flags, next;
};

struct attach {
	u32 type, domain, endpoint, flags, reserved;
};

struct range {		/* MAP; UNMAP has neither phys nor flags, but a reserved word */
	u32 type, domain;
	u64 start, last, phys;
	u32 flags;
};

struct probe {
	u32 type, endpoint;
	u8 reserved[64];
};

struct property {
	u16 type, len;
	u8 subtype, reserved[3];
	u64 start, last;
};

struct fault {
	u8 reason, reserved[3];
	u32 flags, endpoint, reserved2;
	u64 address;
};

/********** queues (2.7) */

static void *at(struct vdev *d, u64 addr, u64 size, u64 align)
{
	if (addr % align)
		fail("virtio %d: %#llx is not aligned to %llu", d->id, (ull)addr, (ull)align);
	return vdev_memory(d, addr, size);
}

static struct desc *desc_at(struct vdev *d, struct vdev_queue *q, u16 i)
{
	if (i >= q->num)
		fail("virtio %d: descriptor %u of %u", d->id, i, q->num);
	return (struct desc *)at(d, q->desc, q->num * sizeof(struct desc), 16) + i;
}

/* Flags, the index, the ring. */
static volatile u16 *avail(struct vdev *d, struct vdev_queue *q)
{
	return at(d, q->avail, 4 + 2 * q->num, 2);
}

static volatile u16 *used_idx(struct vdev *d, struct vdev_queue *q)
{
	return (u16 *)at(d, q->used, 4 + 8 * q->num, 4) + 1;
}

static void use(struct vdev *d, struct vdev_queue *q, u32 id, u32 len)
{
	volatile u16 *idx = used_idx(d, q);
	volatile u32 *elem = (u32 *)(idx + 1) + 2 * (*idx % q->num);

	elem[0] = id;
	elem[1] = len;
	*idx = *idx + 1;
}

/********** domains */

static struct vdev_domain *find_domain(struct vdev *d, u32 tag)
{
	struct vdev_domain *domain;

	for (domain = d->domains; domain && domain->tag != tag; domain = domain->next)
		;
	return domain;
}

const struct vdev_mapping *vdev_find(const struct vdev_domain *domain, u64 addr)
{
	const struct vdev_mapping *m;

	for (m = domain->map; m < domain->map + domain->nr; m++) {
		if (addr >= m->start && addr <= m->last)
			return m;
	}
	return NULL;
}

static void leave(struct vdev *d, u32 endpoint)
{
	struct vdev_domain *domain = d->domain[endpoint], **p;

	d->domain[endpoint] = NULL;
	if (--domain->endpoints)
		return;
	for (p = &d->domains; *p != domain; p = &(*p)->next)
		;
	*p = domain->next;
	free(domain->map);
	free(domain);
}

static u8 no(struct vdev *d, u8 status, const char *what)
{
	if (d->c.strict)
		fail("virtio %d: %s", d->id, what);
	return status;
}

static u8 do_attach(struct vdev *d, const struct attach *req, u64 name)
{
	struct vdev_domain *domain;

	if (req->flags || req->reserved)
		fail("virtio %d: attach with flags %#x, %#x", d->id, req->flags, req->reserved);
	if (req->endpoint >= d->c.endpoints)
		return S_NOENT;
	if (!d->c.no_ranges && req->domain >> d->c.tag_bits)
		fail("virtio %d: no domain can be %u", d->id, req->domain);
	/* Allowed (5.13.6.3.2), but a core never does it. */
	if (d->domain[req->endpoint])
		fail("virtio %d: attach of endpoint %u, which is attached", d->id, req->endpoint);
	domain = find_domain(d, req->domain);
	if (!domain) {
		domain = calloc(1, sizeof(*domain));
		domain->tag = req->domain;
		domain->name = name;
		domain->next = d->domains;
		d->domains = domain;
	} else if (domain->name != name) {
		fail("virtio %d: endpoint %u joins domain %llu instead of %llu", d->id,
		     req->endpoint, (ull)domain->name, (ull)name);
	}
	domain->endpoints++;
	d->domain[req->endpoint] = domain;
	return S_OK;
}

static u8 do_detach(struct vdev *d, const struct attach *req)
{
	if (req->flags || req->reserved)
		fail("virtio %d: detach with reserved words", d->id);
	if (req->endpoint >= d->c.endpoints)
		return S_NOENT;
	if (!d->domain[req->endpoint] || d->domain[req->endpoint]->tag != req->domain)
		return no(d, S_INVAL, "detach from another domain");
	leave(d, req->endpoint);
	return S_OK;
}

static u8 do_map(struct vdev *d, const struct range *req)
{
	struct vdev_domain *domain = find_domain(d, req->domain);
	u32 known = VDEV_MAP_READ | VDEV_MAP_WRITE |
		    (d->features & BIT(F_MMIO) ? VDEV_MAP_MMIO : 0);
	int i;

	if (!(req->flags & (VDEV_MAP_READ | VDEV_MAP_WRITE)) || req->flags & ~known ||
	    req->start % PAGE || (req->last + 1) % PAGE || req->phys % PAGE ||
	    req->last <= req->start ||
	    (!d->c.no_ranges && req->last >> d->c.input_bits))
		fail("virtio %d: MAP with flags %#x, %#llx to %#llx", d->id, req->flags,
		     (ull)req->start, (ull)req->last);
	if (!domain)
		return no(d, S_NOENT, "MAP in no domain");
	for (i = 0; i < domain->nr; i++) {
		if (domain->map[i].start <= req->last && req->start <= domain->map[i].last)
			return no(d, S_INVAL, "MAP over what is mapped");
	}
	/* Allowed, and not required (5.13.6.7.3.1). */
	for (i = 0; i < (int)d->c.regions; i++) {
		if (d->c.region[i].start <= req->last && req->start <= d->c.region[i].last) {
			d->refused++;
			return S_INVAL;
		}
	}
	if (d->c.refuses && !vdev_random(d->c.refuses)) {
		d->refused++;
		return S_NOMEM;
	}
	if (domain->nr == domain->max) {
		domain->max = domain->max * 2 + 16;
		domain->map = realloc(domain->map, domain->max * sizeof(*domain->map));
	}
	domain->map[domain->nr++] = (struct vdev_mapping) {
		req->start, req->last, req->phys, req->flags, true };
	domain->bytes += req->last + 1 - req->start;
	vdev_mapped(d, domain, &domain->map[domain->nr - 1]);
	return S_OK;
}

static u8 do_unmap(struct vdev *d, const struct range *req)
{
	struct vdev_domain *domain = find_domain(d, req->domain);
	struct vdev_mapping *m;
	int i;

	if (req->last < req->start)
		fail("virtio %d: UNMAP of %#llx to %#llx", d->id, (ull)req->start, (ull)req->last);
	if (!domain)
		return no(d, S_NOENT, "UNMAP in no domain");
	/* No mapping is removed if one would have to be split (5.13.6.6.1). */
	for (i = 0, m = domain->map; i < domain->nr; i++, m++) {
		if (m->start <= req->last && req->start <= m->last &&
		    (m->start < req->start || m->last > req->last))
			return no(d, S_RANGE, "UNMAP of a part of a mapping");
	}
	for (i = 0; i < domain->nr; i++) {
		m = &domain->map[i];
		if (m->start > req->last || req->start > m->last)
			continue;
		domain->bytes -= m->last + 1 - m->start;
		*m = domain->map[--domain->nr];
		i--;
	}
	return S_OK;
}

/********** properties (5.13.6.7) */

/* A property that no driver knows, of any length; the bits above its type are reserved. */
static u8 *unknown_property(u8 *to)
{
	struct property head = { .type = 2 + vdev_random(0xffe), .len = vdev_random(24) };

	memcpy(to, &head, 4);
	memset(to + 4, 0x5a, head.len);
	return to + 4 + head.len;
}

static u8 *region_property(u8 *to, const struct vdev_region *region)
{
	struct property p = { .type = 1, .len = 20, .subtype = region->kind,
			      .start = region->start, .last = region->last };

	memcpy(to, &p, sizeof(p));
	return to + sizeof(p);
}

static u8 do_probe(struct vdev *d, const struct probe *req, u8 *to)
{
	unsigned int i;
	u8 *end = to + d->c.probe_size;

	for (i = 0; i < sizeof(req->reserved); i++) {
		if (req->reserved[i])
			fail("virtio %d: PROBE with reserved bytes", d->id);
	}
	if (req->endpoint >= d->c.endpoints)
		return S_NOENT;
	if (d->c.lie == PROPERTIES_UNWRITTEN)
		return S_OK;
	if (d->c.properties) {
		memcpy(to, d->c.properties, d->c.probe_size);
		return S_OK;
	}
	for (i = req->endpoint % 2; i < d->c.regions; i++) {
		if (vdev_random(2))
			to = unknown_property(to);
		to = region_property(to, &d->c.region[i]);
	}
	memset(to, 0, end - to);
	return S_OK;
}

/********** requests */

static u8 do_request(struct vdev *d, const void *req, u32 len, u64 name, u8 *properties)
{
	static const u8 lens[] = { 0, 20, 20, 36, 28, 72 };
	union {
		u32 type;
		struct attach attach;
		struct range range;
		struct probe probe;
	} copy = {};

	memcpy(&copy.type, req, sizeof(copy.type));
	if (copy.type >= sizeof(lens) || !copy.type || len != lens[copy.type] ||
	    (copy.type == T_PROBE) != !!properties)
		fail("virtio %d: request %#x of %u bytes", d->id, copy.type, len);
	memcpy(&copy, req, len);
	d->requests++;
	switch (copy.type) {
	case T_ATTACH:
		return do_attach(d, &copy.attach, name);
	case T_DETACH:
		return do_detach(d, &copy.attach);
	case T_MAP:
		return do_map(d, &copy.range);
	case T_PROBE:
		return do_probe(d, &copy.probe, properties);
	default:
		/* UNMAP has a reserved word where MAP has an address. */
		if (copy.range.phys)
			fail("virtio %d: UNMAP with a reserved word", d->id);
		return do_unmap(d, &copy.range);
	}
}

static void answer(struct vdev *d, u16 head, u64 name)
{
	enum vdev_lie lie = d->c.lie;
	struct vdev_queue *q = &d->q[0];
	struct desc *in = desc_at(d, q, head), *out;
	u32 word, more = 0;
	u8 *tail, *properties = NULL;

	if (in->flags != D_NEXT)
		fail("virtio %d: a request begins with flags %#x", d->id, in->flags);
	out = desc_at(d, q, in->next);
	if (out->flags == (D_WRITE | D_NEXT)) {
		more = out->len;
		if (!(d->features & BIT(F_PROBE)) || more != d->c.probe_size)
			fail("virtio %d: %u bytes for properties", d->id, more);
		properties = at(d, out->addr, more, 1);
		out = desc_at(d, q, out->next);
	}
	if (out->flags != D_WRITE || out->len != 4)
		fail("virtio %d: a request ends with flags %#x, %u bytes", d->id, out->flags,
		     out->len);
	tail = at(d, out->addr, out->len, 1);
	word = lie == REFUSED ? S_INVAL :
	       do_request(d, at(d, in->addr, in->len, 1), in->len, name, properties);
	if (lie == STATUS_NEW)
		word = S_NOMEM + 1;
	if (lie != STATUS_UNWRITTEN)
		memcpy(tail, &word, 4);
	/* A driver cannot rely on the properties of a refused PROBE, nor on their length. */
	if (word != S_OK || lie == PROPERTIES_UNWRITTEN)
		more = vdev_random(2) ? more : 0;
	if (lie == PROPERTIES_LONG && properties)
		more++;
	use(d, q, lie == ID_HIGH ? 0x10000 + head : lie == ID_STATUS ? in->next :
	    lie == ID_IDLE ? head + 32 : lie == ID_TWICE ? 0 : head,
	    lie == LEN_SHORT ? 3 : more + (lie == LEN_LONG ? 5 : 4));
}

/* Look for new requests. */
void vdev_poll(struct vdev *d)
{
	struct vdev_queue *q = &d->q[0];

	if (!q->ready || !(d->status & S_DRIVER_OK))
		return;
	for (; q->served != avail(d, q)[1]; q->served++) {
		if (d->nr_pending == (int)q->num)
			fail("virtio %d: more requests than the queue holds", d->id);
		d->pending[d->nr_pending].head = avail(d, q)[2 + q->served % q->num];
		d->pending[d->nr_pending++].name = vdev_name(d);
		d->wait = 0;
	}
}

/* Do some requests, in any order (2.7.13 requires none). */
static void work(struct vdev *d, u64 most)
{
	u64 done, name, i;
	u16 head;

	if (d->c.lie == SILENT)
		return;
	for (done = 0; d->nr_pending && done < most; done++) {
		i = d->c.latency ? vdev_random(d->nr_pending) : 0;
		head = d->pending[i].head;
		name = d->pending[i].name;
		memmove(d->pending + i, d->pending + i + 1,
			(--d->nr_pending - i) * sizeof(d->pending[0]));
		answer(d, head, name);
	}
	if (done && !d->nr_pending && d->c.lie == IDX_AHEAD)
		++*used_idx(d, &d->q[0]);
	if (done && !d->nr_pending && d->c.lie == IDX_BEHIND)
		--*used_idx(d, &d->q[0]);
}

void vdev_tick(struct vdev *d)
{
	if (d->nr_pending && d->wait++ >= d->c.latency)
		work(d, 1 + vdev_random(8));
}

static void notify(struct vdev *d, u32 index)
{
	if (index > 1 || !d->q[index].ready || !(d->status & S_DRIVER_OK))
		fail("virtio %d: notified of queue %u too early", d->id, index);
	d->notified[index]++;
	if (index)
		return;
	vdev_poll(d);
	if (!d->c.latency)
		work(d, VDEV_QUEUE);
}

/********** events (5.13.6.8) */

bool vdev_event_room(struct vdev *d)
{
	struct vdev_queue *q = &d->q[1];

	return q->ready && q->served != avail(d, q)[1];
}

bool vdev_event(struct vdev *d, u8 reason, u32 flags, u32 endpoint, u64 address)
{
	struct vdev_queue *q = &d->q[1];
	enum vdev_lie lie = d->c.lie;
	struct fault *fault;
	struct desc *desc;
	u16 head;

	if (!vdev_event_room(d))
		return false;
	head = avail(d, q)[2 + q->served % q->num];
	q->served++;
	desc = desc_at(d, q, head);
	if (desc->flags != D_WRITE || desc->len < sizeof(*fault))
		fail("virtio %d: a buffer for events with flags %#x, %u bytes", d->id, desc->flags,
		     desc->len);
	fault = at(d, desc->addr, desc->len, 1);
	*fault = (struct fault) { .reason = reason, .flags = flags, .endpoint = endpoint,
				  .address = address };
	use(d, q, lie == EVENT_ID ? 64 : head, sizeof(*fault) + (lie == EVENT_LONG) -
	    (lie == EVENT_SHORT));
	if (lie == EVENT_IDX)
		*used_idx(d, q) += q->num;
	d->isr |= 1;
	return true;
}

/********** registers */

static u64 offered(struct vdev *d)
{
	enum vdev_lie lie = d->c.lie;

	return (lie == NO_V1 ? 0 : BIT(F_VERSION_1)) | BIT(F_BYPASS) | BIT(F_PROBE) |
	       BIT(F_EVENT_IDX) | BIT(F_PACKED) | (d->c.no_mmio ? 0 : BIT(F_MMIO)) |
	       (d->c.no_ranges ? 0 : BIT(F_INPUT_RANGE) | BIT(F_DOMAIN_RANGE)) |
	       (lie == NO_MAP ? 0 : BIT(F_MAP_UNMAP)) |
	       (lie == NO_BYPASS_CONFIG ? 0 : BIT(F_BYPASS_CONFIG));
}

static u64 config_read(struct vdev *d, u64 offset, int size)
{
	enum vdev_lie lie = d->c.lie;
	struct {
		u64 page_sizes, input[2];
		u32 tags[2], probe_size;
		u8 bypass, reserved[3];
	} config = {
		/* Mappings are aligned to the smallest; the driver's size need not be one. */
		.page_sizes = lie == BIG_PAGES ? ~(2 * PAGE - 1) : BIT(12) | BIT(21) | BIT(30),
		.input = { lie == INPUT_START ? PAGE : 0,
			   BIT(lie == INPUT_SHORT ? 31 : d->c.input_bits) - 1 },
		.tags = { lie == TAGS_START ? 3 : 0,
			  lie == TAGS_FEW ? 99 : BIT(d->c.tag_bits) - 1 },
		.probe_size = d->c.probe_size,
		.bypass = d->bypass,
	};
	u64 val = 0;

	_Static_assert(sizeof(config) == C_SIZE, "5.13.4");
	if (offset + size > sizeof(config))
		fail("virtio %d: config + %#llx", d->id, (ull)offset);
	memcpy(&val, (u8 *)&config + offset, size);
	return val;
}

u64 vdev_read(struct vdev *d, u64 reg, int size)
{
	struct vdev_queue *q = &d->q[d->sel & 1];
	enum vdev_lie lie = d->c.lie;

	if (reg >= R_CONFIG)
		return config_read(d, reg - R_CONFIG, size);
	if (size != 4)
		fail("virtio %d: read of %d bytes of register %#llx", d->id, size, (ull)reg);
	switch (reg) {
	case R_MAGIC:		return lie == MAGIC ? 0 : 0x74726976;
	case R_VERSION:		return lie == LEGACY ? 1 : 2;
	case R_DEVICE:		return lie == OTHER_DEVICE ? 2 : 23;
	case R_FEATURES:	return (u32)(offered(d) >> (32 * d->features_sel));
	case R_QUEUE_MAX:	return lie == QUEUE_SMALL ? 32 : VDEV_QUEUE;
	case R_QUEUE_READY:	return lie == QUEUE_READY || q->ready;
	case R_ISR:		return d->isr;
	case R_STATUS:		return d->status;
	}
	fail("virtio %d: read of register %#llx", d->id, (ull)reg);
}

static void set_half(u64 *val, u64 reg, u32 half)
{
	*val = reg & 4 ? (u32)*val | (u64)half << 32 : (*val & ~0xffffffffULL) | half;
}

static void reset(struct vdev *d)
{
	u32 i;

	for (i = 0; i < VDEV_ENDPOINTS; i++) {
		if (d->domain[i])
			leave(d, i);
	}
	memset(d->q, 0, sizeof(d->q));
	d->features = 0;
	d->nr_pending = 0;
	d->isr = 0;
}

static void set_status(struct vdev *d, u32 val)
{
	if (!val && d->c.lie == RESET_HANGS)
		return;
	if (!val)
		reset(d);
	else if (d->status & ~val)
		fail("virtio %d: status %#x after %#x", d->id, val, d->status);
	if (d->features & ~offered(d))
		fail("virtio %d: features that are not offered", d->id);
	d->status = val;
	if (d->c.lie == FEATURES_REFUSED)
		d->status &= ~S_FEATURES_OK;
}

void vdev_write(struct vdev *d, u64 reg, u64 val, int size)
{
	struct vdev_queue *q = &d->q[d->sel & 1];

	if (size != (reg == R_CONFIG + C_BYPASS ? 1 : 4))
		fail("virtio %d: write of %d bytes to register %#llx", d->id, size, (ull)reg);
	switch (reg) {
	case R_FEATURES_SEL:	d->features_sel = val & 1; return;
	case R_DRIVER_SEL:	d->driver_sel = val & 1; return;
	case R_DRIVER:		set_half(&d->features, 4 * d->driver_sel, val); return;
	case R_STATUS:		set_status(d, val); return;
	case R_QUEUE_SEL:	d->sel = val; return;
	case R_QUEUE_NUM:	q->num = val; return;
	case R_NOTIFY:		notify(d, val); return;
	case R_ACK:		d->isr &= ~val; return;
	case R_QUEUE_READY:
		if (d->bypass && d->c.lie != BYPASS_STAYS)
			fail("virtio %d: queue %u before bypass is off", d->id, d->sel);
		if (!q->num || q->num > VDEV_QUEUE || q->num & (q->num - 1))
			fail("virtio %d: a queue of %u", d->id, q->num);
		q->ready = val;
		return;
	case R_CONFIG + C_BYPASS:
		if (!(d->status & S_FEATURES_OK) || !(d->features & BIT(F_BYPASS_CONFIG)))
			fail("virtio %d: write of bypass, status %#x", d->id, d->status);
		if (d->c.lie != BYPASS_STAYS)
			d->bypass = val;
		return;
	}
	switch (reg & ~4ULL) {
	case R_DESC:	set_half(&q->desc, reg, val); return;
	case R_AVAIL:	set_half(&q->avail, reg, val); return;
	case R_USED:	set_half(&q->used, reg, val); return;
	}
	fail("virtio %d: write of register %#llx", d->id, (ull)reg);
}

/* State after firmware: unattached endpoints bypass. */
void vdev_init(struct vdev *d, const struct vdev_config *config)
{
	memset(d, 0, sizeof(*d));
	d->c = *config;
	if (d->c.endpoints > VDEV_ENDPOINTS)
		fail("virtio: more endpoints than the model has room for");
	d->bypass = 1;
	d->status = S_ACKNOWLEDGE;
}

void vdev_free(struct vdev *d)
{
	reset(d);
}
