// SPDX-License-Identifier: GPL-2.0
/*
 * Test of the virtio-iommu backend without the core, against the software device
 * (virtio-model.h), which checks requests and lies in its answers. TAP on stdout.
 * "Physical" addresses are virtual addresses of this program.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

/* Included, because each boot of this test clears the state of the backend. */
#include VIRTIO_C

#include "virtio-model.h"

typedef unsigned long long ull;

#define ENDPOINTS	8

static const struct vdev_config honest = {
	.endpoints = ENDPOINTS, .input_bits = 39, .tag_bits = 10,
};
static struct vdev dev;

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

/********** functions that the backend calls */

void env_bug(const char *func, const char *file, int line)
{
	fail("%s stops EL2 (%s:%d)", func, file, line);
}

void env_store(const void *addr) { }
void env_dmb(enum env_scope scope) { }
void env_dsb(enum env_scope scope) { }
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

void pkvm_iommu_lost_command(void)
{
	if (!may_lose)
		fail("an honest answer was not understood");
	longjmp(lost, 1);
}

/********** functions that the device calls */

/* The device may access these pages only. */
void *vdev_memory(struct vdev *d, uint64_t addr, uint64_t size)
{
	int i;

	for (i = 0; i < 2; i++) {
		if (addr >= (u64)pages[i] && addr + size <= (u64)pages[i] + PAGE_SIZE)
			return (void *)addr;
	}
	fail("%#llx is not the queues' memory", (ull)addr);
}

uint64_t vdev_name(struct vdev *d) { return 0; }
uint64_t vdev_random(uint64_t n) { return 0; }
void vdev_mapped(struct vdev *d, const struct vdev_domain *domain, const struct vdev_mapping *m) { }

uint64_t env_mmio_read(const volatile void *addr, int size)
{
	return vdev_read(&dev, (u64)addr - (u64)iommu.mmio, size);
}

void env_mmio_write(volatile void *addr, uint64_t val, int size)
{
	vdev_write(&dev, (u64)addr - (u64)iommu.mmio, val, size);
}

/********** tests */

static struct pkvm_iommu_domain a = { .tag = 7 };

static int boot(enum vdev_lie lie)
{
	u64 why = 0;
	int ret, i;

	for (i = 0; i < 2; i++) {
		free(pages[i]);
		pages[i] = NULL;
	}
	vdev_free(&dev);
	vdev_init(&dev, &honest);
	dev.c.lie = lie;
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
	ops->invalidate(&iommu, &a, IOVA, 2 * MANY * PAGE_SIZE, true);
	return 0;
}

static int mapped(void)
{
	return dev.domain[3] ? dev.domain[3]->nr : 0;
}

#define LOST	1

/* Result of a call while the device lies. */
static int lying(enum vdev_lie lie, int (*call)(void))
{
	int ret = LOST;

	may_lose = true;
	dev.c.lie = lie;
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
	enum vdev_lie lie;

	ok(!boot(HONEST), "boot");
	ok(!dev.bypass && dev.features == expected && dev.q[0].ready && dev.q[1].ready &&
	   iommu.oas == 39 && iommu.vmid_bits == 10 && iommu.asid_bits == 10 &&
	   ((u16 *)dev.q[1].avail)[1] == QUEUE_NUM, "bypass is off, features, queues, limits");
	for (lie = MAGIC; lie <= TAGS_FEW; lie++)
		ok(boot(lie) == -ENXIO, "lie %d: probe refuses", lie);
	ok(boot(RESET_HANGS) == -ETIMEDOUT, "no end of reset: -ETIMEDOUT");
	for (lie = FEATURES_REFUSED; lie <= QUEUE_READY; lie++)
		ok(boot(lie) == -ETIMEDOUT, "lie %d: init fails", lie);
}

static void test_requests(void)
{
	const struct vdev_mapping *m;
	int i, wrong = 0;

	boot(HONEST);
	ok(!attach() && dev.domain[3] && dev.domain[3]->tag == a.tag && dev.notified[0] == 1,
	   "attach");
	ok(ops->stream_set(&iommu, ENDPOINTS, &a, true) == -EIO, "attach of what is not there");
	dev.notified[0] = 0;
	ok(!map() && mapped() == MANY && dev.notified[0] == 2, "%d mappings by %u notifications",
	   mapped(), dev.notified[0]);
	for (m = dev.domain[3]->map; m < dev.domain[3]->map + mapped(); m++) {
		i = (m->start - IOVA) / PAGE_SIZE / 2;
		wrong += m->phys != (1000 + i) * PAGE_SIZE ||
			 m->last != m->start + (i % 2 + 1) * PAGE_SIZE - 1 ||
			 m->flags != (i % 3 ? VDEV_MAP_READ : VDEV_MAP_WRITE);
	}
	ok(!wrong, "they are what they have to be");
	ok(map() == -EIO, "again: refused");
	dev.notified[0] = 0;
	unmap();
	ok(!mapped() && dev.notified[0] == 1, "unmap by one notification");
	ops->invalidate(&iommu, &a, 0, 0, false);
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
	enum vdev_lie lie;
	int i, ret;

	for (lie = SILENT; lie <= REFUSED; lie++) {
		for (i = 0; i < 4; i++) {
			/* ID_TWICE needs at least two requests. */
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
	enum vdev_lie lie;
	int i, n;

	boot(HONEST);
	ok(!ops->fault(&iommu, &fault), "no fault");
	vdev_event(&dev, VIRTIO_IOMMU_FAULT_R_MAPPING, VIRTIO_IOMMU_FAULT_F_WRITE |
	      VIRTIO_IOMMU_FAULT_F_ADDRESS, 5, 0x123456789000);
	vdev_event(&dev, VIRTIO_IOMMU_FAULT_R_DOMAIN, VIRTIO_IOMMU_FAULT_F_READ, 6, 0x1000);
	vdev_event(&dev, 200, VIRTIO_IOMMU_FAULT_F_ADDRESS, ~0U, ~0ULL);
	ok(is_fault(PKVM_IOMMU_FAULT_UNMAPPED, 5, true, 0x123456789000), "a write, not mapped");
	ok(!dev.isr, "the interrupt is acknowledged");
	ok(is_fault(PKVM_IOMMU_FAULT_BLOCKED, 6, false, 0), "not attached, no address");
	ok(is_fault(PKVM_IOMMU_FAULT_UNKNOWN, ~0U, false, ~0ULL), "something new");
	ok(!ops->fault(&iommu, &fault), "no more");

	for (i = 0, n = 0; i < 70000; i++) {
		vdev_event(&dev, VIRTIO_IOMMU_FAULT_R_DOMAIN, VIRTIO_IOMMU_FAULT_F_ADDRESS, i, i);
		if (i % 50 == 49)
			while (ops->fault(&iommu, &fault))
				n += fault.sid == fault.address && !fault.lost;
	}
	ok(n == 70000, "%d of 70000 in order", n);
	for (i = 0; i < 100; i++)
		vdev_event(&dev, VIRTIO_IOMMU_FAULT_R_DOMAIN, 0, i, 0);
	ok(ops->fault(&iommu, &fault) && fault.lost && !fault.sid, "a full queue loses some");
	for (n = 1; ops->fault(&iommu, &fault); n++)
		;
	ok(n == 64, "the others are there: %d", n);

	for (lie = EVENT_ID; lie <= EVENT_IDX; lie++) {
		boot(HONEST);
		dev.c.lie = lie;
		vdev_event(&dev, VIRTIO_IOMMU_FAULT_R_DOMAIN, 0, 5, 0);
		fault = (struct pkvm_iommu_fault){};
		ok(ops->fault(&iommu, &fault) && fault.reason == PKVM_IOMMU_FAULT_HARDWARE &&
		   !fault.sid && !ops->fault(&iommu, &fault),
		   "lie %d: a hardware fault, and no more", lie);
		dev.c.lie = HONEST;
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
