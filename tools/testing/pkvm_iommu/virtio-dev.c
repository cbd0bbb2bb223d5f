// SPDX-License-Identifier: GPL-2.0
/*
 * Test of the virtio-iommu backend without the core, against the software device
 * (virtio-model.h), which checks requests and lies in its answers. TAP on stdout.
 * "Physical" addresses are virtual addresses of this program.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

/* Included, because each boot of this test clears the state of the backend. */
#include VIRTIO_C

#include "virtio-model.h"

typedef unsigned long long ull;

#define ENDPOINTS	8

#define PROPERTIES	512

static const struct vdev_config honest = {
	.endpoints = ENDPOINTS, .input_bits = 39, .tag_bits = 10,
};
static struct vdev dev;
static u32 probe_size = PROPERTIES;

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

/* Print only what mutants.sh looks for, and end. */
static void segv(int sig)
{
	static const char text[] = "\n# FAILED: EL2 accesses memory that it does not have\nBail out!\n";

	fflush(stdout);
	if (write(1, text, sizeof(text) - 1) < 0)
		_exit(2);
	_exit(1);
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
	/* The page that follows cannot be accessed. */
	pages[i] = mmap(NULL, 2 * PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			-1, 0);
	if (pages[i] == MAP_FAILED || mprotect(pages[i] + PAGE_SIZE, PAGE_SIZE, PROT_NONE))
		fail("no memory");
	return pages[i];
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
		if (pages[i])
			munmap(pages[i], 2 * PAGE_SIZE);
		pages[i] = NULL;
	}
	vdev_free(&dev);
	vdev_init(&dev, &honest);
	dev.c.probe_size = probe_size;
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

static struct pkvm_iommu_region region;

static int probe(void)
{
	return ops->region(&iommu, 3, 0, &region);
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
		BIT_ULL(VIRTIO_IOMMU_F_DOMAIN_RANGE) | BIT_ULL(VIRTIO_IOMMU_F_PROBE);
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
		{ "probe", probe, -EIO },
	};
	enum vdev_lie lie;
	int i, ret;

	for (lie = SILENT; lie <= REFUSED; lie++) {
		for (i = 0; i < 5; i++) {
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

/* A property at @at; its length is of what follows the first four bytes. Returns its end. */
static int property(u8 *to, int at, u16 type, u16 len, u8 kind, u64 start, u64 last)
{
	const struct virtio_iommu_probe_resv_mem mem = {
		.head = { .type = type, .length = len },
		.subtype = kind, .start = start, .end = last,
	};

	memcpy(to + at, &mem, at + sizeof(mem) > PROPERTIES ? PROPERTIES - at : sizeof(mem));
	return at + sizeof(mem.head) + len;
}

static bool is_region(u64 index, enum pkvm_iommu_region_kind kind, u64 start, u64 end)
{
	return !ops->region(&iommu, 3, index, &region) && region.kind == kind &&
	       region.start == start && region.end == end;
}

/* The number of regions. They are all read, so that the whole list is. */
static int regions(void)
{
	int nr = 0, ret;

	while (!(ret = ops->region(&iommu, 3, nr, &region)) && nr < PROPERTIES)
		nr++;
	return ret == -ENODATA && ops->region(&iommu, 3, ~0ULL, &region) == -ENODATA ? nr : -1;
}

#define RESV	VIRTIO_IOMMU_PROBE_T_RESV_MEM

static void test_properties(void)
{
	u8 list[PROPERTIES] = {};
	int at, i;

	boot(HONEST);
	ok(regions() == 0, "no region");
	ok(ops->region(&iommu, ENDPOINTS, 0, &region) == -EIO, "regions of what is not there");
	dev.c.properties = list;
	at = property(list, 0, RESV, 20, 0, 0x1234, 0x5678);
	/* Unknown, of odd length; without any length; a type with reserved bits; longer. */
	at = property(list, at, 0xfff, 7, 0, 0, 0);
	at = property(list, at, 2, 0, 0, 0, 0);
	at = property(list, at, 0xf000 | RESV, 20, 1, 0x8090000, 0x809ffff);
	at = property(list, at, RESV, 28, 0, 0, ~0ULL);
	at = property(list, at, RESV, 20, 0x77, 5, 5);
	ok(regions() == 4, "four regions");
	ok(is_region(0, PKVM_IOMMU_REGION_RESERVED, 0x1234, 0x5678), "the first");
	ok(is_region(1, PKVM_IOMMU_REGION_MSI, 0x8090000, 0x809ffff), "MSIs");
	ok(is_region(2, PKVM_IOMMU_REGION_RESERVED, 0, ~0ULL), "everything");
	ok(is_region(3, PKVM_IOMMU_REGION_RESERVED, 5, 5), "a kind that is not known");
	ok(!attach() && !map() && mapped() == MANY && !detach(), "other requests work");

	/* An end before the start; too short for a region; then one that is right. */
	memset(list, 0, sizeof(list));
	at = property(list, 0, RESV, 20, 0, 0x2000, 0x1fff);
	at = property(list, at, RESV, 19, 0, 1, 2);
	at = property(list, at, RESV, 0, 0, 3, 4);
	property(list, at, RESV, 20, 0, 0x3000, 0x3fff);
	ok(regions() == 1 && is_region(0, PKVM_IOMMU_REGION_RESERVED, 0x3000, 0x3fff),
	   "regions that are none");
	/* The list ends with type 0, whatever follows. */
	memset(list, 0, sizeof(list));
	at = property(list, 0, RESV, 20, 0, 1, 2);
	at = property(list, at, 0xf000, 20, 0, 3, 4);
	property(list, at, RESV, 20, 0, 5, 6);
	ok(regions() == 1, "the end of the list");
	/* Lengths that lead out of the list, or to its very end. */
	for (i = 0; i < 30; i++) {
		memset(list, 0, sizeof(list));
		at = property(list, 0, 0xabc, PROPERTIES - 4 - i, 0, 0, 0);
		if (i)
			property(list, at, RESV, 20, 0, ~0ULL, ~0ULL);
		if (regions() != (i >= 24))
			break;
	}
	ok(i == 30, "a property before a region: of all but %d bytes of the list", i);
	for (i = 0; i < 0x10000; i += 509) {
		memset(list, 0, sizeof(list));
		property(list, 0, RESV, i, 0, 1, 2);
		if (regions() != (i >= 20 && i <= PROPERTIES - 4))
			break;
	}
	ok(i >= 0x10000, "a region in a property of %d bytes", i);
	memset(list, 0, sizeof(list));
	for (i = 0; i < PROPERTIES; i++)
		list[i] = i % 4 == 0;		/* as many properties as can be */
	ok(regions() == 0, "nothing but headers");

	/* Properties of before are not those of now. */
	memset(list, 0, sizeof(list));
	property(list, 0, RESV, 20, 0, 1, 2);
	ok(regions() == 1, "a region, and then");
	dev.c.lie = PROPERTIES_UNWRITTEN;
	ok(regions() == 0, "nothing but a status");
	dev.c.lie = HONEST;
	ok(regions() == 1, "the region again");
	ok(lying(PROPERTIES_LONG, probe) == LOST, "more properties than there is room for: lost");
}

/* As many properties as the page has room for, and one byte more. */
static void test_probe_size(void)
{
	u32 size = PROPERTIES_MAX;
	u8 list[PAGE_SIZE] = {};
	int i;

	for (i = 0; i < 4; i++) {
		probe_size = i == 0 ? size : i == 1 ? size + 1 : i == 2 ? 0 : ~0U;
		if (boot(HONEST))
			break;
		dev.c.properties = list;
		property(list, 0, RESV, 20, 0, 1, 2);
		/* And the header of another one at the very end. */
		property(list, 24, 0xabc, size - 24 - 4 - 4, 0, 0, 0);
		list[size - 4] = RESV;
		if (regions() != !i || !(dev.features & BIT_ULL(VIRTIO_IOMMU_F_PROBE)) != !!i)
			break;
	}
	ok(i == 4, "%u bytes of properties: %s", probe_size, i == 4 ? "right" : "wrong");
	probe_size = PROPERTIES;
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
	signal(SIGSEGV, segv);
	printf("TAP version 13\n");
	test_boot();
	test_requests();
	test_lies();
	test_properties();
	test_probe_size();
	test_events();
	printf("1..%u\n# %u passed, %u failed\n", count, count - failed, failed);
	return failed != 0;
}
