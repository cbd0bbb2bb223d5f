// SPDX-License-Identifier: GPL-2.0
/*
 * The virtio-iommu backend against a software device, written from Virtual I/O
 * Device Version 1.2, that checks what it is told and can lie about the rest.
 * TAP on stdout. "Physical" addresses are this program's own.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

/* The backend itself, because each boot here begins without its state. */
#include VIRTIO_C

typedef unsigned long long ull;

enum lie {
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
};

#define ENDPOINTS	8
#define MAPPINGS	256

struct queue {
	u32 num, ready, served;
	u64 desc, avail, used;
};

/* The device; a mapping with no end is none. */
static struct {
	enum lie lie;
	u32 status, sel, features_sel, driver_sel, isr, notified[2];
	u64 features;
	u8 bypass;
	struct queue q[2];
	u32 domain[ENDPOINTS];
	struct mapping {
		u32 domain, flags;
		u64 start, end, phys;
	} mappings[MAPPINGS];
} dev;

static unsigned int count, failed;
static jmp_buf lost;
static bool may_lose;
static u64 now;
static void *pages[2];
static struct pkvm_iommu iommu;
static const struct pkvm_iommu_ops *ops = &pkvm_iommu_virtio_ops;

s64 hyp_physvirt_offset;
unsigned int env_this_cpu;

void fail(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	printf("# the device: ");
	vprintf(fmt, ap);
	printf("\nBail out!\n");
	va_end(ap);
	exit(1);
}

static void ok(bool good, const char *fmt, ...)
{
	va_list ap;

	failed += !good;
	printf("%sok %u - ", good ? "" : "not ", ++count);
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	printf("\n");
}

/********** what the backend calls */

void env_bug(const char *func, const char *file, int line)
{
	fail("%s stops EL2 (%s:%d)", func, file, line);
}

void env_store(const void *addr) { }
void env_barrier(void) { }
void env_clean(const void *addr, size_t size) { }
void env_brk(void) { abort(); }
uint64_t env_time(void) { return now++; }

void *pkvm_iommu_alloc_page(void)
{
	int i = pages[0] ? 1 : 0;

	if (pages[i])
		fail("a third page");
	pages[i] = aligned_alloc(PAGE_SIZE, PAGE_SIZE);
	return memset(pages[i], 0, PAGE_SIZE);
}

void pkvm_iommu_lost_command(struct pkvm_iommu *iommu)
{
	if (!may_lose)
		fail("an honest answer was not understood");
	longjmp(lost, 1);
}

/********** queues */

/* What the device may touch lies in one of the pages. */
static void *at(u64 addr, u64 size, u64 align)
{
	int i;

	if (addr % align)
		fail("%#llx is not aligned to %llu", (ull)addr, (ull)align);
	for (i = 0; i < 2; i++) {
		if (addr >= (u64)pages[i] && addr + size <= (u64)pages[i] + PAGE_SIZE)
			return (void *)addr;
	}
	fail("%#llx is not the queues' memory", (ull)addr);
}

static struct vring_desc *desc_at(struct queue *q, u16 i)
{
	if (i >= q->num)
		fail("descriptor %u of %u", i, q->num);
	return (struct vring_desc *)at(q->desc, q->num * sizeof(struct vring_desc), 16) + i;
}

static struct vring_avail *avail_of(struct queue *q)
{
	return at(q->avail, 4 + 2 * q->num, 2);
}

static struct vring_used *used_of(struct queue *q)
{
	return at(q->used, 4 + 8 * q->num, 4);
}

static void use(struct queue *q, u32 id, u32 len)
{
	struct vring_used *used = used_of(q);

	used->ring[used->idx % q->num] = (vring_used_elem_t){ .id = id, .len = len };
	used->idx++;
}

/********** requests */

static u8 do_attach(const struct virtio_iommu_req_attach *req, bool attach)
{
	if (req->endpoint >= ENDPOINTS)
		return VIRTIO_IOMMU_S_NOENT;
	if (attach) {
		if (req->flags || dev.domain[req->endpoint])
			fail("attach with flags, or of what is attached");
		dev.domain[req->endpoint] = req->domain;
		return VIRTIO_IOMMU_S_OK;
	}
	if (dev.domain[req->endpoint] != req->domain)
		return VIRTIO_IOMMU_S_INVAL;
	dev.domain[req->endpoint] = 0;
	return VIRTIO_IOMMU_S_OK;
}

static u8 do_map(const struct virtio_iommu_req_map *req)
{
	struct mapping *m, *room = NULL;

	if (!req->flags || req->flags & ~VIRTIO_IOMMU_MAP_F_MASK ||
	    req->virt_start % PAGE_SIZE || (req->virt_end + 1) % PAGE_SIZE ||
	    req->phys_start % PAGE_SIZE || req->virt_end <= req->virt_start)
		fail("MAP: flags %#x, %#llx to %#llx", req->flags, (ull)req->virt_start,
		     (ull)req->virt_end);
	for (m = dev.mappings; m < dev.mappings + MAPPINGS; m++) {
		if (!m->end)
			room = m;
		else if (m->domain == req->domain && m->start <= req->virt_end &&
			 req->virt_start <= m->end)
			return VIRTIO_IOMMU_S_INVAL;
	}
	if (!room)
		return VIRTIO_IOMMU_S_NOMEM;
	*room = (struct mapping){ req->domain, req->flags, req->virt_start, req->virt_end,
				  req->phys_start };
	return VIRTIO_IOMMU_S_OK;
}

static u8 do_unmap(const struct virtio_iommu_req_unmap *req)
{
	struct mapping *m;

	for (m = dev.mappings; m < dev.mappings + MAPPINGS; m++) {
		if (!m->end || m->domain != req->domain || m->start > req->virt_end ||
		    req->virt_start > m->end)
			continue;
		if (m->start < req->virt_start || m->end > req->virt_end)
			return VIRTIO_IOMMU_S_RANGE;
		m->end = 0;
	}
	return VIRTIO_IOMMU_S_OK;
}

static u8 do_request(const void *req, u32 len)
{
	static const u8 lens[] = { 0, 20, 20, 36, 28 };
	u8 type = *(const u8 *)req;

	if (type >= sizeof(lens) || !type || len != lens[type])
		fail("request %u of %u bytes", type, len);
	switch (type) {
	case VIRTIO_IOMMU_T_ATTACH:
	case VIRTIO_IOMMU_T_DETACH:
		return do_attach(req, type == VIRTIO_IOMMU_T_ATTACH);
	case VIRTIO_IOMMU_T_MAP:
		return do_map(req);
	default:
		return do_unmap(req);
	}
}

static void answer(struct queue *q, u16 head)
{
	struct vring_desc *in = desc_at(q, head), *out;
	u8 *tail, status;

	if (in->flags != VRING_DESC_F_NEXT)
		fail("a request begins with flags %#x", in->flags);
	out = desc_at(q, in->next);
	if (out->flags != VRING_DESC_F_WRITE || out->len != 4)
		fail("a request ends with flags %#x, %u bytes", out->flags, out->len);
	tail = at(out->addr, out->len, 1);
	status = dev.lie == REFUSED ? VIRTIO_IOMMU_S_INVAL :
		 do_request(at(in->addr, in->len, 1), in->len);
	if (dev.lie == STATUS_NEW)
		status = VIRTIO_IOMMU_S_NOMEM + 1;
	if (dev.lie != STATUS_UNWRITTEN)
		memcpy(tail, &(u32){ status }, 4);
	use(q, dev.lie == ID_HIGH ? 0x10000 + head : dev.lie == ID_STATUS ? in->next :
	       dev.lie == ID_IDLE ? head + 32 : dev.lie == ID_TWICE ? 0 : head,
	    dev.lie == LEN_SHORT ? 3 : dev.lie == LEN_LONG ? 5 : 4);
}

static void notify(u32 index)
{
	struct queue *q = &dev.q[index];

	if (index > 1 || !q->ready || !(dev.status & VIRTIO_CONFIG_S_DRIVER_OK))
		fail("notified of queue %u too early", index);
	dev.notified[index]++;
	if (index || dev.lie == SILENT)
		return;
	for (; q->served != avail_of(q)->idx; q->served = (u16)(q->served + 1))
		answer(q, avail_of(q)->ring[q->served % q->num]);
	if (dev.lie == IDX_AHEAD)
		used_of(q)->idx++;
	if (dev.lie == IDX_BEHIND)
		used_of(q)->idx--;
}

/* Tell of a fault, if there is a buffer. */
static void event(u8 reason, u32 flags, u32 endpoint, u64 address)
{
	struct queue *q = &dev.q[1];
	struct virtio_iommu_fault *fault;
	struct vring_desc *desc;
	u16 head;

	if (q->served == avail_of(q)->idx)
		return;
	head = avail_of(q)->ring[q->served % q->num];
	q->served = (u16)(q->served + 1);
	desc = desc_at(q, head);
	if (desc->flags != VRING_DESC_F_WRITE || desc->len < sizeof(*fault))
		fail("a buffer for events with flags %#x, %u bytes", desc->flags, desc->len);
	fault = at(desc->addr, desc->len, 1);
	*fault = (struct virtio_iommu_fault){
		.reason = reason, .flags = flags, .endpoint = endpoint, .address = address,
	};
	use(q, dev.lie == EVENT_ID ? 64 : head, sizeof(*fault) + (dev.lie == EVENT_LONG) -
	    (dev.lie == EVENT_SHORT));
	if (dev.lie == EVENT_IDX)
		used_of(q)->idx += q->num;
	dev.isr |= VIRTIO_MMIO_INT_VRING;
}

/********** registers */

static u64 offered(void)
{
	return (dev.lie == NO_V1 ? 0 : BIT_ULL(VIRTIO_F_VERSION_1)) |
	       BIT_ULL(VIRTIO_IOMMU_F_BYPASS) | BIT_ULL(VIRTIO_IOMMU_F_PROBE) |
	       BIT_ULL(VIRTIO_RING_F_EVENT_IDX) | BIT_ULL(VIRTIO_F_RING_PACKED) |
	       BIT_ULL(VIRTIO_IOMMU_F_MMIO) |
	       BIT_ULL(VIRTIO_IOMMU_F_INPUT_RANGE) | BIT_ULL(VIRTIO_IOMMU_F_DOMAIN_RANGE) |
	       (dev.lie == NO_MAP ? 0 : BIT_ULL(VIRTIO_IOMMU_F_MAP_UNMAP)) |
	       (dev.lie == NO_BYPASS_CONFIG ? 0 : BIT_ULL(VIRTIO_IOMMU_F_BYPASS_CONFIG));
}

static u64 config_read(u32 offset, int size)
{
	struct virtio_iommu_config config = {
		.page_size_mask	= dev.lie == BIG_PAGES ? ~0xffffULL : ~0xfffULL,
		.input_range	= { dev.lie == INPUT_START ? PAGE_SIZE : 0,
				    dev.lie == INPUT_SHORT ? BIT_ULL(31) - 1 : BIT_ULL(39) - 1 },
		.domain_range	= { dev.lie == TAGS_START ? 3 : 0, dev.lie == TAGS_FEW ? 99 : 1023 },
		.bypass		= dev.bypass,
	};
	u64 val = 0;

	if (offset + size > sizeof(config))
		fail("config + %#x", offset);
	memcpy(&val, (u8 *)&config + offset, size);
	return val;
}

uint64_t env_mmio_read(const volatile void *addr, int size)
{
	u64 reg = (u64)addr - (u64)iommu.mmio;
	struct queue *q = &dev.q[dev.sel & 1];

	if (reg >= VIRTIO_MMIO_CONFIG)
		return config_read(reg - VIRTIO_MMIO_CONFIG, size);
	switch (reg) {
	case VIRTIO_MMIO_MAGIC_VALUE:	return dev.lie == MAGIC ? 0 : 0x74726976;
	case VIRTIO_MMIO_VERSION:	return dev.lie == LEGACY ? 1 : 2;
	case VIRTIO_MMIO_DEVICE_ID:	return dev.lie == OTHER_DEVICE ? 2 : 23;
	case VIRTIO_MMIO_DEVICE_FEATURES: return (u32)(offered() >> (32 * dev.features_sel));
	case VIRTIO_MMIO_QUEUE_NUM_MAX:	return dev.lie == QUEUE_SMALL ? 32 : 256;
	case VIRTIO_MMIO_QUEUE_READY:	return dev.lie == QUEUE_READY || q->ready;
	case VIRTIO_MMIO_INTERRUPT_STATUS: return dev.isr;
	case VIRTIO_MMIO_STATUS:	return dev.status;
	}
	fail("read of register %#llx", (ull)reg);
}

static void set_half(u64 *val, u64 reg, u32 half)
{
	*val = reg & 4 ? (u32)*val | (u64)half << 32 : (*val & ~0xffffffffULL) | half;
}

static void set_status(u32 val)
{
	if (!val && dev.lie == RESET_HANGS)
		return;
	if (!val)
		dev.status = dev.features = 0, memset(dev.q, 0, sizeof(dev.q));
	else if (dev.status & ~val)
		fail("status %#x after %#x", val, dev.status);
	if (dev.features & ~offered())
		fail("features that are not offered");
	dev.status = val;
	if (dev.lie == FEATURES_REFUSED)
		dev.status &= ~VIRTIO_CONFIG_S_FEATURES_OK;
}

void env_mmio_write(volatile void *addr, uint64_t val, int size)
{
	u64 reg = (u64)addr - (u64)iommu.mmio;
	struct queue *q = &dev.q[dev.sel & 1];

	switch (reg) {
	case VIRTIO_MMIO_DEVICE_FEATURES_SEL:	dev.features_sel = val & 1; return;
	case VIRTIO_MMIO_DRIVER_FEATURES_SEL:	dev.driver_sel = val & 1; return;
	case VIRTIO_MMIO_DRIVER_FEATURES:
		set_half(&dev.features, 4 * dev.driver_sel, val);
		return;
	case VIRTIO_MMIO_STATUS:		set_status(val); return;
	case VIRTIO_MMIO_QUEUE_SEL:		dev.sel = val; return;
	case VIRTIO_MMIO_QUEUE_NUM:		q->num = val; return;
	case VIRTIO_MMIO_QUEUE_NOTIFY:		notify(val); return;
	case VIRTIO_MMIO_INTERRUPT_ACK:		dev.isr &= ~val; return;
	case VIRTIO_MMIO_QUEUE_READY:
		if (dev.bypass && dev.lie != BYPASS_STAYS)
			fail("queue %u before bypass is off", dev.sel);
		q->ready = val;
		return;
	case VIRTIO_MMIO_CONFIG + offsetof(struct virtio_iommu_config, bypass):
		if (size != 1 || !(dev.status & VIRTIO_CONFIG_S_FEATURES_OK) ||
		    !(dev.features & BIT_ULL(VIRTIO_IOMMU_F_BYPASS_CONFIG)))
			fail("write of bypass, %d bytes, status %#x", size, dev.status);
		if (dev.lie != BYPASS_STAYS)
			dev.bypass = val;
		return;
	}
	switch (reg & ~4ULL) {
	case VIRTIO_MMIO_QUEUE_DESC_LOW:	set_half(&q->desc, reg, val); return;
	case VIRTIO_MMIO_QUEUE_AVAIL_LOW:	set_half(&q->avail, reg, val); return;
	case VIRTIO_MMIO_QUEUE_USED_LOW:	set_half(&q->used, reg, val); return;
	}
	fail("write of register %#llx", (ull)reg);
}

/********** tests */

static struct pkvm_iommu_domain a = { .tag = 7 };

static int boot(enum lie lie)
{
	u64 why = 0;
	int ret, i;

	for (i = 0; i < 2; i++) {
		free(pages[i]);
		pages[i] = NULL;
	}
	memset(&dev, 0, sizeof(dev));
	dev.bypass = 1;
	dev.lie = lie;
	dev.status = VIRTIO_CONFIG_S_ACKNOWLEDGE;
	memset(hyp_virtios, 0, sizeof(hyp_virtios));
	iommu = (struct pkvm_iommu){
		.id = 5, .mmio = (void *)0xa003e00ULL, .mmio_size = PAGE_SIZE,
		.flags = PKVM_IOMMU_F_COHERENT,
	};
	ret = ops->probe(&iommu, &why);
	if (!ret && dev.status != VIRTIO_CONFIG_S_ACKNOWLEDGE)
		fail("probe changed the status");
	if (!ret)
		ret = ops->alloc(&iommu) ?: ops->init(&iommu, &why);
	return ret;
}

static int attach(void)
{
	return ops->stream_set(&iommu, 3, &a, true);
}

static int detach(void)
{
	return ops->stream_set(&iommu, 3, &a, false);
}

#define IOVA	0x100000ULL
#define MANY	40

static int map(void)
{
	struct pkvm_iommu_mapping maps[MANY];
	int i;

	for (i = 0; i < MANY; i++)
		maps[i] = (struct pkvm_iommu_mapping){
			.iova = IOVA + 2 * i * PAGE_SIZE, .phys = (1000 + i) * PAGE_SIZE,
			.size = (i % 2 + 1) * PAGE_SIZE, .prot = i % 3 ? IOMMU_READ : IOMMU_WRITE,
		};
	return ops->map(&iommu, &a, maps, MANY);
}

static int unmap(void)
{
	ops->invalidate(&iommu, &a, IOVA, 2 * MANY * PAGE_SIZE);
	return 0;
}

static int mapped(void)
{
	int i, n = 0;

	for (i = 0; i < MAPPINGS; i++)
		n += dev.mappings[i].end != 0;
	return n;
}

#define LOST	1

/* The result of a call to a device that lies from now on. */
static int lying(enum lie lie, int (*call)(void))
{
	int ret = LOST;

	may_lose = true;
	dev.lie = lie;
	if (!setjmp(lost))
		ret = call();
	may_lose = false;
	return ret;
}

static void test_boot(void)
{
	static const u64 expected = BIT_ULL(VIRTIO_F_VERSION_1) |
		BIT_ULL(VIRTIO_IOMMU_F_MAP_UNMAP) | BIT_ULL(VIRTIO_IOMMU_F_BYPASS_CONFIG) |
		BIT_ULL(VIRTIO_IOMMU_F_MMIO) | BIT_ULL(VIRTIO_IOMMU_F_INPUT_RANGE) |
		BIT_ULL(VIRTIO_IOMMU_F_DOMAIN_RANGE);
	enum lie lie;

	ok(!boot(HONEST), "boot");
	ok(!dev.bypass && dev.features == expected && dev.q[0].ready && dev.q[1].ready &&
	   iommu.oas == 39 && iommu.vmid_bits == 10 && iommu.asid_bits == 10 &&
	   avail_of(&dev.q[1])->idx == 64, "bypass is off, features, queues, limits");
	for (lie = MAGIC; lie <= TAGS_FEW; lie++)
		ok(boot(lie) == -ENXIO, "lie %d: probe refuses", lie);
	ok(boot(RESET_HANGS) == -ETIMEDOUT, "no end of reset: -ETIMEDOUT");
	for (lie = FEATURES_REFUSED; lie <= QUEUE_READY; lie++)
		ok(boot(lie) == -EIO, "lie %d: init fails", lie);
}

static void test_requests(void)
{
	const struct mapping *m;
	int i, wrong = 0;

	boot(HONEST);
	ok(!attach() && dev.domain[3] == a.tag && dev.notified[0] == 1, "attach");
	ok(ops->stream_set(&iommu, ENDPOINTS, &a, true) == -EIO, "attach of what is not there");
	dev.notified[0] = 0;
	ok(!map() && mapped() == MANY && dev.notified[0] == 2, "%d mappings by %u notifications",
	   mapped(), dev.notified[0]);
	for (m = dev.mappings; m < dev.mappings + MAPPINGS; m++) {
		i = (m->start - IOVA) / PAGE_SIZE / 2;
		wrong += m->end && (m->domain != a.tag || m->phys != (1000 + i) * PAGE_SIZE ||
			 m->end != m->start + (i % 2 + 1) * PAGE_SIZE - 1 ||
			 m->flags != (i % 3 ? VIRTIO_IOMMU_MAP_F_READ : VIRTIO_IOMMU_MAP_F_WRITE));
	}
	ok(!wrong, "they are what they have to be");
	ok(map() == -EIO, "again: refused");
	dev.notified[0] = 0;
	unmap();
	ok(!mapped() && dev.notified[0] == 1, "unmap by one notification");
	ops->invalidate(&iommu, &a, 0, 0);
	ok(dev.notified[0] == 1, "nothing to forget, nothing to tell");
	detach();
	ok(!dev.domain[3], "detach");

	/* Indices of 16 bits wrap. */
	for (i = 0, wrong = 0; i < 40000; i++)
		wrong += attach() || detach();
	ok(!wrong && !dev.domain[3], "40000 times attach and detach");
}

static void test_lies(void)
{
	static const struct {
		const char *name;
		int (*call)(void);
		int refused;
	} calls[] = {
		{ "attach", attach, -EIO }, { "map", map, -EIO },
		{ "detach", detach, LOST }, { "unmap", unmap, LOST },
	};
	enum lie lie;
	int i, ret;

	for (lie = SILENT; lie <= REFUSED; lie++) {
		for (i = 0; i < 4; i++) {
			/* One request is used twice only if there are two. */
			if (lie == ID_TWICE && calls[i].call != map)
				continue;
			boot(HONEST);
			if (i)
				attach();
			ret = lying(lie, calls[i].call);
			ok(ret == (lie == REFUSED ? calls[i].refused : LOST), "%s, lie %d: %s",
			   calls[i].name, lie, ret == LOST ? "lost" : ret ? "-EIO" : "believed");
		}
	}
}

static bool is_fault(u8 reason, u32 sid, bool write, u64 address)
{
	struct pkvm_iommu_fault fault = {};

	return ops->fault(&iommu, &fault) && fault.reason == reason && fault.sid == sid &&
	       fault.write == write && fault.address == address;
}

static void test_events(void)
{
	struct pkvm_iommu_fault fault = {};
	enum lie lie;
	int i, n;

	boot(HONEST);
	ok(!ops->fault(&iommu, &fault), "no fault");
	event(VIRTIO_IOMMU_FAULT_R_MAPPING, VIRTIO_IOMMU_FAULT_F_WRITE |
	      VIRTIO_IOMMU_FAULT_F_ADDRESS, 5, 0x123456789000);
	event(VIRTIO_IOMMU_FAULT_R_DOMAIN, VIRTIO_IOMMU_FAULT_F_READ, 6, 0x1000);
	event(200, VIRTIO_IOMMU_FAULT_F_ADDRESS, ~0U, ~0ULL);
	ok(is_fault(PKVM_IOMMU_FAULT_UNMAPPED, 5, true, 0x123456789000), "a write, not mapped");
	ok(!dev.isr, "the interrupt is acknowledged");
	ok(is_fault(PKVM_IOMMU_FAULT_BLOCKED, 6, false, 0), "not attached, no address");
	ok(is_fault(PKVM_IOMMU_FAULT_UNKNOWN, ~0U, false, ~0ULL), "something new");
	ok(!ops->fault(&iommu, &fault), "no more");

	for (i = 0, n = 0; i < 70000; i++) {
		event(VIRTIO_IOMMU_FAULT_R_DOMAIN, VIRTIO_IOMMU_FAULT_F_ADDRESS, i, i);
		if (i % 50 == 49)
			while (ops->fault(&iommu, &fault))
				n += fault.sid == fault.address && !fault.lost;
	}
	ok(n == 70000, "%d of 70000 in order", n);
	for (i = 0; i < 100; i++)
		event(VIRTIO_IOMMU_FAULT_R_DOMAIN, 0, i, 0);
	ok(ops->fault(&iommu, &fault) && fault.lost && !fault.sid, "a full queue loses some");
	for (n = 1; ops->fault(&iommu, &fault); n++)
		;
	ok(n == 64, "the others are there: %d", n);

	for (lie = EVENT_ID; lie <= EVENT_IDX; lie++) {
		boot(HONEST);
		dev.lie = lie;
		event(VIRTIO_IOMMU_FAULT_R_DOMAIN, 0, 5, 0);
		fault = (struct pkvm_iommu_fault){};
		ok(ops->fault(&iommu, &fault) && fault.reason == PKVM_IOMMU_FAULT_HARDWARE &&
		   !fault.sid && !ops->fault(&iommu, &fault),
		   "lie %d: a hardware fault, and no more", lie);
		dev.lie = HONEST;
		ok(!attach() && !detach(), "requests work");
	}
}

int main(void)
{
	printf("TAP version 13\n");
	test_boot();
	test_requests();
	test_lies();
	test_events();
	printf("1..%u\n# %u passed, %u failed\n", count, count - failed, failed);
	return failed != 0;
}
