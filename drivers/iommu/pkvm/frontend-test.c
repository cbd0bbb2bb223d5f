// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit tests of paging domains: map, unmap, attach and fault handlers, through
 * the kernel's IOMMU API as other drivers use it. The edu device of QEMU does
 * the DMA. One case looks at the translation cache itself. Two put regions of an IOMMU in the
 * place of those that EL2 tells: QEMU's virtio-iommu has regions over PCI only.
 *
 * No locks: one case runs at a time. A fault handler runs in an interrupt thread
 * and publishes what it saw with release and acquire.
 */
#include <kunit/static_stub.h>
#include <kunit/test.h>
#include <linux/delay.h>
#include <linux/dma-mapping.h>
#include <linux/fs.h>
#include <linux/fs_struct.h>
#include <linux/hrtimer.h>
#include <linux/iommu.h>
#include <linux/iopoll.h>
#include <linux/pci.h>
#include <linux/sizes.h>

#include "cache.h"
#include "core.h"

/* docs/specs/edu.rst of QEMU */
#define EDU_DMA_SRC		0x80
#define EDU_DMA_DST		0x88
#define EDU_DMA_COUNT		0x90
#define EDU_DMA_CMD		0x98
#define EDU_CMD_START		BIT(0)
#define EDU_CMD_TO_RAM		BIT(1)
#define EDU_BUFFER		0x40000

#define IOVA			0x12340000UL
#define OTHER_IOVA		0x98760000UL
#define LENGTH			64
#define PROT			(IOMMU_READ | IOMMU_WRITE | IOMMU_CACHE)

/**
 * struct frontend_test - fixture of each case
 * @edu: the device; no driver is bound to it
 * @bar: registers of the device
 * @domain: paging domain that the device is attached to
 * @page: memory for the case to map
 * @faults: number of calls of the fault handler
 * @dev: device that the last call was for
 * @iova: address that the last call was for
 * @flags: IOMMU_FAULT_* of the last call
 */
struct frontend_test {
	struct pci_dev		*edu;
	void __iomem		*bar;
	struct iommu_domain	*domain;
	struct page		*page;
	unsigned int		faults;
	struct device		*dev;
	unsigned long		iova;
	int			flags;
};

static int fault_handler(struct iommu_domain *domain, struct device *dev,
			 unsigned long iova, int flags, void *token)
{
	struct frontend_test *priv = token;

	priv->dev = dev;
	priv->iova = iova;
	priv->flags = flags;
	/* Pairs with transfer(): a fault that is counted has its arguments. */
	smp_store_release(&priv->faults, priv->faults + 1);

	return 0;
}

static int frontend_test_init(struct kunit *test)
{
	struct frontend_test *priv = kunit_kzalloc(test, sizeof(*priv), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, priv);
	test->priv = priv;
	priv->edu = pci_get_device(0x1234, 0x11e8, NULL);
	if (!priv->edu)
		kunit_skip(test, "no edu device");
	KUNIT_ASSERT_EQ(test, pci_enable_device(priv->edu), 0);
	pci_set_master(priv->edu);
	priv->bar = pci_iomap(priv->edu, 0, 0);
	KUNIT_ASSERT_NOT_NULL(test, priv->bar);
	priv->page = alloc_page(GFP_KERNEL | __GFP_ZERO);
	KUNIT_ASSERT_NOT_NULL(test, priv->page);

	priv->domain = iommu_paging_domain_alloc(&priv->edu->dev);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, priv->domain);
	iommu_set_fault_handler(priv->domain, fault_handler, priv);
	KUNIT_ASSERT_EQ(test, iommu_attach_device(priv->domain, &priv->edu->dev), 0);

	return 0;
}

static void frontend_test_exit(struct kunit *test)
{
	struct frontend_test *priv = test->priv;

	if (!priv || !priv->edu)
		return;
	if (!IS_ERR_OR_NULL(priv->domain)) {
		if (iommu_get_domain_for_dev(&priv->edu->dev) == priv->domain)
			iommu_detach_device(priv->domain, &priv->edu->dev);
		iommu_domain_free(priv->domain);
	}
	if (priv->page)
		__free_page(priv->page);
	if (priv->bar)
		pci_iounmap(priv->edu, priv->bar);
	pci_clear_master(priv->edu);
	pci_disable_device(priv->edu);
	pci_dev_put(priv->edu);
}

/* Have the device do DMA at IOVA. Returns the number of faults that were reported. */
static unsigned int transfer(struct kunit *test, u64 command)
{
	struct frontend_test *priv = test->priv;
	unsigned int before = priv->faults;
	bool to_ram = command & EDU_CMD_TO_RAM;
	u64 value;

	writeq(to_ram ? EDU_BUFFER : IOVA, priv->bar + EDU_DMA_SRC);
	writeq(to_ram ? IOVA : EDU_BUFFER, priv->bar + EDU_DMA_DST);
	writeq(LENGTH, priv->bar + EDU_DMA_COUNT);
	writeq(command | EDU_CMD_START, priv->bar + EDU_DMA_CMD);
	KUNIT_ASSERT_EQ(test, 0,
			readq_poll_timeout(priv->bar + EDU_DMA_CMD, value,
					   !(value & EDU_CMD_START), 1000, 5000000));
	msleep(100);

	/* Pairs with fault_handler(). The last call has returned after 100 ms. */
	return smp_load_acquire(&priv->faults) - before;
}

static void expect_fault(struct kunit *test, u64 command, int flags)
{
	struct frontend_test *priv = test->priv;

	KUNIT_EXPECT_GT(test, transfer(test, command), 0);
	KUNIT_EXPECT_PTR_EQ(test, priv->dev, &priv->edu->dev);
	KUNIT_EXPECT_GE(test, priv->iova, IOVA);
	KUNIT_EXPECT_LT(test, priv->iova, IOVA + LENGTH);
	KUNIT_EXPECT_EQ(test, priv->flags, flags);
}

static void fault_handler_read(struct kunit *test)
{
	expect_fault(test, 0, IOMMU_FAULT_READ);
}

static void fault_handler_write(struct kunit *test)
{
	expect_fault(test, EDU_CMD_TO_RAM, IOMMU_FAULT_WRITE);
}

static void map_and_unmap(struct kunit *test)
{
	struct frontend_test *priv = test->priv;
	phys_addr_t phys = page_to_phys(priv->page);
	u32 *word = page_address(priv->page);

	KUNIT_ASSERT_EQ(test, 0, iommu_map(priv->domain, IOVA, phys, PAGE_SIZE,
					   IOMMU_READ | IOMMU_WRITE | IOMMU_CACHE, GFP_KERNEL));
	KUNIT_EXPECT_EQ(test, iommu_iova_to_phys(priv->domain, IOVA + 8), phys + 8);

	*word = 0x600d600d;
	KUNIT_EXPECT_EQ(test, transfer(test, 0), 0);
	*word = 0;
	KUNIT_EXPECT_EQ(test, transfer(test, EDU_CMD_TO_RAM), 0);
	KUNIT_EXPECT_EQ(test, READ_ONCE(*word), 0x600d600d);

	KUNIT_EXPECT_EQ(test, iommu_unmap(priv->domain, IOVA, PAGE_SIZE), PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, iommu_iova_to_phys(priv->domain, IOVA), 0);
	*word = 0;
	expect_fault(test, EDU_CMD_TO_RAM, IOMMU_FAULT_WRITE);
	KUNIT_EXPECT_EQ(test, READ_ONCE(*word), 0);
}

static void read_only(struct kunit *test)
{
	struct frontend_test *priv = test->priv;
	u32 *word = page_address(priv->page);

	KUNIT_ASSERT_EQ(test, 0, iommu_map(priv->domain, IOVA, page_to_phys(priv->page),
					   PAGE_SIZE, IOMMU_READ | IOMMU_CACHE, GFP_KERNEL));
	/* Write before reading: QEMU reports no fault for a translation that it has cached. */
	*word = 0x600d600d;
	expect_fault(test, EDU_CMD_TO_RAM, IOMMU_FAULT_WRITE);
	KUNIT_EXPECT_EQ(test, READ_ONCE(*word), 0x600d600d);
	KUNIT_EXPECT_EQ(test, transfer(test, 0), 0);
	KUNIT_EXPECT_EQ(test, iommu_unmap(priv->domain, IOVA, PAGE_SIZE), PAGE_SIZE);
}

/* A mapping that is queued can be looked up, and removed without a trace. */
static void queue_and_cancel(struct kunit *test)
{
	struct frontend_test *priv = test->priv;
	phys_addr_t phys = page_to_phys(priv->page);

	KUNIT_ASSERT_EQ(test, 0, iommu_map_nosync(priv->domain, IOVA, phys, PAGE_SIZE, PROT,
						  GFP_KERNEL));
	KUNIT_ASSERT_EQ(test, 0, iommu_map_nosync(priv->domain, IOVA + PAGE_SIZE, phys, PAGE_SIZE,
						  PROT, GFP_KERNEL));
	KUNIT_EXPECT_EQ(test, iommu_iova_to_phys(priv->domain, IOVA), phys);
	KUNIT_EXPECT_EQ(test, iommu_iova_to_phys(priv->domain, IOVA + PAGE_SIZE + 8), phys + 8);
	KUNIT_EXPECT_EQ(test, iommu_unmap(priv->domain, IOVA, 2 * PAGE_SIZE), 2 * PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, iommu_sync_map(priv->domain, IOVA, 2 * PAGE_SIZE), 0);
	KUNIT_EXPECT_EQ(test, iommu_iova_to_phys(priv->domain, IOVA), 0);
	KUNIT_EXPECT_EQ(test, iommu_iova_to_phys(priv->domain, IOVA + PAGE_SIZE), 0);
}

/*
 * The error is for the sync, and what was mapped before survives the undo. A nested domain
 * queues nothing: the error is for the mapping.
 */
static void queue_over_older(struct kunit *test)
{
	struct frontend_test *priv = test->priv;
	phys_addr_t phys = page_to_phys(priv->page);
	unsigned long older = IOVA + PAGE_SIZE;
	bool nested = pkvm_iommu_prefers_nested();
	size_t queued = nested ? PAGE_SIZE : 2 * PAGE_SIZE;
	int ret;

	KUNIT_ASSERT_EQ(test, 0, iommu_map(priv->domain, older, phys, PAGE_SIZE, PROT,
					   GFP_KERNEL));
	KUNIT_ASSERT_EQ(test, 0, iommu_map_nosync(priv->domain, IOVA, phys, PAGE_SIZE, PROT,
						  GFP_KERNEL));
	ret = iommu_map_nosync(priv->domain, older, phys, PAGE_SIZE, PROT, GFP_KERNEL);
	KUNIT_ASSERT_EQ(test, ret, nested ? -EEXIST : 0);
	KUNIT_EXPECT_EQ(test, iommu_sync_map(priv->domain, IOVA, queued), nested ? 0 : -EEXIST);
	KUNIT_EXPECT_EQ(test, iommu_unmap(priv->domain, IOVA, queued), queued);
	KUNIT_EXPECT_EQ(test, iommu_iova_to_phys(priv->domain, IOVA), 0);
	KUNIT_EXPECT_EQ(test, iommu_iova_to_phys(priv->domain, older), phys);
	KUNIT_EXPECT_EQ(test, iommu_unmap(priv->domain, older, PAGE_SIZE), PAGE_SIZE);
}

/**
 * struct interrupt - an interrupt that maps a page
 * @timer: what interrupts
 * @domain: where it maps the page
 * @iova: at this address
 * @phys: the page
 * @done: set at the end
 * @ret: what iommu_map() returned
 * @found: what iommu_iova_to_phys() returned for the task's queued mapping
 */
struct interrupt {
	struct hrtimer		timer;
	struct iommu_domain	*domain;
	unsigned long		iova;
	phys_addr_t		phys;
	bool			done;
	int			ret;
	phys_addr_t		found;
};

static enum hrtimer_restart interrupt_maps(struct hrtimer *timer)
{
	struct interrupt *irq = container_of(timer, struct interrupt, timer);

	irq->ret = iommu_map(irq->domain, irq->iova, irq->phys, PAGE_SIZE, PROT, GFP_ATOMIC);
	irq->found = iommu_iova_to_phys(irq->domain, IOVA);
	/* Pairs with queue_interrupted(). */
	smp_store_release(&irq->done, true);

	return HRTIMER_NORESTART;
}

/*
 * An interrupt neither sends nor joins the mappings that the task has queued, not
 * even when its own follows them. Nor does another mapping of the task. A nested domain
 * queues nothing.
 */
static void queue_interrupted(struct kunit *test)
{
	struct frontend_test *priv = test->priv;
	phys_addr_t phys = page_to_phys(priv->page);
	struct interrupt irq = {
		.domain	= priv->domain,
		.iova	= IOVA + PAGE_SIZE,
		.phys	= phys,
	};
	unsigned int i;

	KUNIT_ASSERT_EQ(test, 0, iommu_map_nosync(priv->domain, IOVA, phys, PAGE_SIZE, PROT,
						  GFP_KERNEL));
	hrtimer_setup_on_stack(&irq.timer, interrupt_maps, CLOCK_MONOTONIC,
			       HRTIMER_MODE_REL_HARD);
	hrtimer_start(&irq.timer, ms_to_ktime(1), HRTIMER_MODE_REL_HARD);
	/* Pairs with interrupt_maps(). Does not sleep, so that this task is interrupted. */
	for (i = 0; i < 1000000 && !smp_load_acquire(&irq.done); i++)
		udelay(1);
	hrtimer_cancel(&irq.timer);
	destroy_hrtimer_on_stack(&irq.timer);

	KUNIT_ASSERT_TRUE(test, irq.done);
	KUNIT_EXPECT_EQ(test, irq.ret, 0);
	KUNIT_EXPECT_EQ(test, irq.found, pkvm_iommu_prefers_nested() ? phys : 0);
	KUNIT_EXPECT_EQ(test, iommu_iova_to_phys(priv->domain, IOVA + PAGE_SIZE), phys);

	KUNIT_EXPECT_EQ(test, 0, iommu_map(priv->domain, OTHER_IOVA, phys, PAGE_SIZE, PROT,
					   GFP_KERNEL));
	KUNIT_EXPECT_EQ(test, iommu_iova_to_phys(priv->domain, OTHER_IOVA), phys);
	KUNIT_EXPECT_EQ(test, iommu_unmap(priv->domain, OTHER_IOVA, PAGE_SIZE), PAGE_SIZE);

	KUNIT_EXPECT_EQ(test, iommu_iova_to_phys(priv->domain, IOVA), phys);
	KUNIT_EXPECT_EQ(test, iommu_sync_map(priv->domain, IOVA, PAGE_SIZE), 0);
	KUNIT_EXPECT_EQ(test, transfer(test, 0), 0);
	KUNIT_EXPECT_EQ(test, iommu_unmap(priv->domain, IOVA, 2 * PAGE_SIZE), 2 * PAGE_SIZE);
}

/* One lookup serves the pages that follow, until they are unmapped. */
static void lookup_run(struct kunit *test)
{
	struct frontend_test *priv = test->priv;
	struct pkvm_iommu_found *found = &to_paging(priv->domain)->found;
	phys_addr_t phys, other = page_to_phys(priv->page);
	struct page *pages = alloc_pages(GFP_KERNEL, 2);
	unsigned int i;

	KUNIT_ASSERT_NOT_NULL(test, pages);
	phys = page_to_phys(pages);
	KUNIT_EXPECT_EQ(test, 0, iommu_map(priv->domain, IOVA, phys, 4 * PAGE_SIZE, PROT,
					   GFP_KERNEL));
	for (i = 0; i < 4; i++)
		KUNIT_EXPECT_EQ(test, iommu_iova_to_phys(priv->domain, IOVA + i * PAGE_SIZE + 8),
				phys + i * PAGE_SIZE + 8);
	if (!pkvm_iommu_prefers_nested()) {
		/* The cache has the first page. */
		KUNIT_EXPECT_EQ(test, found->iova, IOVA + PAGE_SIZE + 8);
		KUNIT_EXPECT_EQ(test, found->size, 3 * PAGE_SIZE - 8);
	}

	/* Before the run, and within it. */
	KUNIT_EXPECT_EQ(test, iommu_unmap(priv->domain, IOVA, PAGE_SIZE), PAGE_SIZE);
	if (!pkvm_iommu_prefers_nested())
		KUNIT_EXPECT_NE(test, found->size, 0);
	KUNIT_EXPECT_EQ(test, iommu_unmap(priv->domain, IOVA + 2 * PAGE_SIZE, PAGE_SIZE),
			PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, iommu_iova_to_phys(priv->domain, IOVA + 2 * PAGE_SIZE), 0);
	KUNIT_EXPECT_EQ(test, 0, iommu_map(priv->domain, IOVA + 2 * PAGE_SIZE, other, PAGE_SIZE,
					   PROT, GFP_KERNEL));
	KUNIT_EXPECT_EQ(test, iommu_iova_to_phys(priv->domain, IOVA + 2 * PAGE_SIZE), other);
	KUNIT_EXPECT_EQ(test, iommu_iova_to_phys(priv->domain, IOVA + PAGE_SIZE),
			phys + PAGE_SIZE);

	/* A range that begins before the run and ends behind it. io-pgtable stops at a hole. */
	KUNIT_EXPECT_EQ(test, 0, iommu_map(priv->domain, IOVA, phys, PAGE_SIZE, PROT, GFP_KERNEL));
	KUNIT_EXPECT_EQ(test, iommu_unmap(priv->domain, IOVA, 4 * PAGE_SIZE), 4 * PAGE_SIZE);
	for (i = 0; i < 4; i++)
		KUNIT_EXPECT_EQ(test, iommu_iova_to_phys(priv->domain, IOVA + i * PAGE_SIZE), 0);
	__free_pages(pages, 2);
}

/* The pieces that VFIO unmaps: after the sync, the device does not reach the last of them. */
static void unmap_in_pieces(struct kunit *test)
{
	struct frontend_test *priv = test->priv;
	phys_addr_t phys = page_to_phys(priv->page);
	u32 *word = page_address(priv->page);
	struct iommu_iotlb_gather gather;

	KUNIT_ASSERT_EQ(test, 0, iommu_map(priv->domain, OTHER_IOVA, phys, PAGE_SIZE, PROT,
					   GFP_KERNEL));
	KUNIT_ASSERT_EQ(test, 0, iommu_map(priv->domain, IOVA, phys, PAGE_SIZE, PROT,
					   GFP_KERNEL));
	*word = 0x600d600d;
	KUNIT_EXPECT_EQ(test, transfer(test, 0), 0);
	KUNIT_EXPECT_EQ(test, transfer(test, EDU_CMD_TO_RAM), 0);

	iommu_iotlb_gather_init(&gather);
	KUNIT_EXPECT_EQ(test, iommu_unmap_fast(priv->domain, OTHER_IOVA, PAGE_SIZE, &gather),
			PAGE_SIZE);
	/* In a managed domain, one piece alone needs no flush, see paging_iotlb_sync(). */
	if (!pkvm_iommu_prefers_nested())
		KUNIT_EXPECT_EQ(test, gather.pgsize, 0);
	KUNIT_EXPECT_EQ(test, iommu_unmap_fast(priv->domain, IOVA, PAGE_SIZE, &gather), PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, gather.pgsize, PAGE_SIZE);
	iommu_iotlb_sync(priv->domain, &gather);

	*word = 0;
	expect_fault(test, EDU_CMD_TO_RAM, IOMMU_FAULT_WRITE);
	KUNIT_EXPECT_EQ(test, READ_ONCE(*word), 0);
}

/* Regions that the IOMMU of a test has, and how many of them. */
static const u64 regions[][2] = {
	{ 0x80000000, 0xffffffff },
	{ 0x8090000 | PKVM_IOMMU_REGION_MSI, 0x809ffff },
};

static unsigned int nr_regions;

static int read_region_stub(struct pkvm_iommu_dev *pdev, u32 sid, u64 index, u64 *res)
{
	if (index >= nr_regions)
		return -ENODATA;
	memcpy(res, regions[index], sizeof(regions[index]));

	return 0;
}

/* Count the regions of the device that are as given. */
static int count_regions(struct device *dev, enum iommu_resv_type type, u64 start, u64 length)
{
	struct iommu_resv_region *region;
	LIST_HEAD(list);
	int nr = 0;

	iommu_get_resv_regions(dev, &list);
	list_for_each_entry(region, &list, list)
		nr += region->type == type && (!length || (region->start == start &&
							   region->length == length));
	iommu_put_resv_regions(dev, &list);

	return nr;
}

static void reserved_regions(struct kunit *test)
{
	struct frontend_test *priv = test->priv;
	struct device *dev = &priv->edu->dev;

	nr_regions = ARRAY_SIZE(regions);
	kunit_activate_static_stub(test, pkvm_iommu_read_region, read_region_stub);
	KUNIT_EXPECT_EQ(test, 1, count_regions(dev, IOMMU_RESV_RESERVED, 0x80000000, SZ_2G));
	KUNIT_EXPECT_EQ(test, 1, count_regions(dev, IOMMU_RESV_RESERVED, 0, 0));
	KUNIT_EXPECT_EQ(test, 1, count_regions(dev, IOMMU_RESV_MSI, 0x8090000, SZ_64K));
	KUNIT_EXPECT_EQ(test, 1, count_regions(dev, IOMMU_RESV_MSI, 0, 0));
	KUNIT_EXPECT_EQ(test, 0, count_regions(dev, IOMMU_RESV_SW_MSI, 0, 0));
	kunit_deactivate_static_stub(test, pkvm_iommu_read_region);

	/* The answers of EL2: QEMU has no such regions. */
	KUNIT_EXPECT_EQ(test, 0, count_regions(dev, IOMMU_RESV_RESERVED, 0, 0));
	KUNIT_EXPECT_EQ(test, 0, count_regions(dev, IOMMU_RESV_MSI, 0, 0));
	KUNIT_EXPECT_EQ(test, 1, count_regions(dev, IOMMU_RESV_SW_MSI, 0, 0));
}

/* Change the type of the group of a device, as root does. */
static int change_group(struct device *dev, const char *type)
{
	struct iommu_group *group = iommu_group_get(dev);
	char path[64];
	struct file *file;
	loff_t pos = 0;
	ssize_t size;

	snprintf(path, sizeof(path), "/sys/kernel/iommu_groups/%d/type", iommu_group_id(group));
	iommu_group_put(group);
	scoped_with_init_fs()
		file = filp_open(path, O_WRONLY, 0);
	if (IS_ERR(file))
		return PTR_ERR(file);
	size = kernel_write(file, type, strlen(type), &pos);
	filp_close(file, NULL);

	return size < 0 ? size : 0;
}

/* Map a page in a new domain for the DMA API, with so many regions. */
static dma_addr_t dma_address(struct kunit *test, unsigned int nr)
{
	struct frontend_test *priv = test->priv;
	struct device *dev = &priv->edu->dev;
	dma_addr_t addr;

	nr_regions = nr;
	kunit_activate_static_stub(test, pkvm_iommu_read_region, read_region_stub);
	/* A new one in any case: the default may be of this type. */
	KUNIT_EXPECT_EQ(test, 0, change_group(dev, "identity"));
	KUNIT_EXPECT_EQ(test, 0, change_group(dev, "DMA"));
	kunit_deactivate_static_stub(test, pkvm_iommu_read_region);

	addr = dma_map_page(dev, priv->page, 0, PAGE_SIZE, DMA_BIDIRECTIONAL);
	KUNIT_ASSERT_FALSE(test, dma_mapping_error(dev, addr));
	dma_unmap_page(dev, addr, PAGE_SIZE, DMA_BIDIRECTIONAL);

	return addr;
}

/* The DMA API allocates from the end of the first 4 GiB, unless that is reserved. */
static void reserved_dma(struct kunit *test)
{
	struct frontend_test *priv = test->priv;
	struct device *dev = &priv->edu->dev;

	iommu_detach_device(priv->domain, dev);
	KUNIT_EXPECT_GE(test, dma_address(test, 0), 0x80000000);
	KUNIT_EXPECT_LT(test, dma_address(test, 1), 0x80000000);
	KUNIT_EXPECT_EQ(test, 0, change_group(dev, "auto"));
}

static void translation_cache(struct kunit *test)
{
	static const u64 iovas[] = { 0, PAGE_SIZE, PMD_SIZE, BIT_ULL(46), BIT_ULL(48) - PAGE_SIZE };
	size_t all = PKVM_IOMMU_CACHE_SLOTS << PAGE_SHIFT;
	struct pkvm_paging_domain paging = {};
	u64 i, phys = BIT_ULL(48) - SZ_4M;

	paging.cache = kunit_kcalloc(test, PKVM_IOMMU_CACHE_SLOTS, sizeof(u64), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, paging.cache);
	for (i = 0; i < ARRAY_SIZE(iovas); i++) {
		KUNIT_EXPECT_EQ(test, cache_lookup(&paging, iovas[i]), 0);
		cache_add(&paging, iovas[i], phys, 0);
		KUNIT_EXPECT_EQ(test, cache_lookup(&paging, iovas[i] + 5), phys + 5);
		KUNIT_EXPECT_EQ(test, cache_lookup(&paging, iovas[i] ^ all), 0);
		cache_forget(&paging, iovas[i], PAGE_SIZE);
		KUNIT_EXPECT_EQ(test, cache_lookup(&paging, iovas[i]), 0);
	}

	/* Too high for a slot. */
	cache_add(&paging, (FIELD_MAX(CACHE_TAG) + 1) * all, phys, 0);
	cache_add(&paging, PAGE_SIZE, (CACHE_PFN + 1) << PAGE_SHIFT, 0);
	KUNIT_EXPECT_EQ(test, cache_lookup(&paging, 0), 0);
	KUNIT_EXPECT_EQ(test, cache_lookup(&paging, PAGE_SIZE), 0);

	/* A range that wraps around in the cache. */
	for (i = 0; i < 40; i++)
		cache_add(&paging, all + (i - 16) * PAGE_SIZE, phys, 0);
	cache_forget(&paging, all - 15 * PAGE_SIZE, 38 * PAGE_SIZE);
	for (i = 0; i < 40; i++)
		KUNIT_EXPECT_EQ(test, cache_lookup(&paging, all + (i - 16) * PAGE_SIZE),
				i % 39 ? 0 : phys);
	cache_forget(&paging, 0, 4 * all);
	for (i = 0; i < PKVM_IOMMU_CACHE_SLOTS; i++)
		KUNIT_EXPECT_EQ(test, paging.cache[i], 0);

	/* Of a large mapping, only the first page is cached; another one is not it. */
	cache_add(&paging, all, phys, CACHE_LARGE);
	cache_add(&paging, 2 * all + PAGE_SIZE, phys, 0);
	KUNIT_EXPECT_EQ(test, cache_lookup(&paging, all), phys);
	cache_forget(&paging, all, all);
	KUNIT_EXPECT_EQ(test, cache_lookup(&paging, all), 0);
	KUNIT_EXPECT_EQ(test, cache_lookup(&paging, 2 * all + PAGE_SIZE), phys);
	cache_add(&paging, all, phys, CACHE_LARGE);
	cache_forget(&paging, 2 * all, all);
	KUNIT_EXPECT_EQ(test, cache_lookup(&paging, 2 * all + PAGE_SIZE), 0);
}

static struct kunit_case frontend_test_cases[] = {
	KUNIT_CASE(fault_handler_read),
	KUNIT_CASE(fault_handler_write),
	KUNIT_CASE_SLOW(map_and_unmap),
	KUNIT_CASE(read_only),
	KUNIT_CASE(queue_and_cancel),
	KUNIT_CASE(queue_over_older),
	KUNIT_CASE(queue_interrupted),
	KUNIT_CASE(lookup_run),
	KUNIT_CASE(unmap_in_pieces),
	KUNIT_CASE(reserved_regions),
	KUNIT_CASE(reserved_dma),
	KUNIT_CASE(translation_cache),
	{}
};

static struct kunit_suite frontend_test_suite = {
	.name		= "pkvm-iommu-frontend",
	.init		= frontend_test_init,
	.exit		= frontend_test_exit,
	.test_cases	= frontend_test_cases,
};

kunit_test_suite(frontend_test_suite);

MODULE_DESCRIPTION("KUnit tests of the pKVM IOMMU frontend");
MODULE_LICENSE("GPL");
