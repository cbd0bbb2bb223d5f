/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The pKVM IOMMU layer at EL1, as the files of its core see each other.
 *
 * EL2 trusts these files until the end of the boot, as it trusts the rest of the
 * host. From then on it checks every hypercall: a mistake here can stop the host's
 * devices from working, but cannot expose the memory of a protected VM.
 *
 * A file may call those below it, never those above:
 *
 *   frontend.c		the iommu_ops; brings the IOMMUs into service
 *   debugfs.c		state of the layer, for people
 *   fault.c		interrupts: reads faults from EL2 and reports them
 *   domain.c		paging domains: creates them; looks up, flushes and frees managed ones
 *   nested.c		nested domains, whose page tables are the kernel's
 *   batch.c		mapping, in batches, and unmapping in managed domains
 *   stream.c		devices and their streams; attaches them to domains
 *   pool.c		tops up EL2's memory pool, and takes unused pages back
 *   boot.c		hands IOMMUs and memory to EL2; the command line
 *   cover.c		finds what can access memory and is behind no IOMMU of EL2's
 *   cover-acpi.c	the same, as far as ACPI tells
 *   crash.c		looks up IOMMUs that EL2 has of a kernel that crashed
 *   registry.c		the IOMMUs that EL2 has, and devices whose registers it takes
 *
 * cache.h is part of domain.c, nested.c and batch.c. The init modules (init/) call what
 * pkvm.h has, of boot.c and the files below it; test.c calls boot.c only;
 * test-hooks.h says what calls test.c.
 *
 * Locks, in the order of taking them: the IOMMU core's group mutex,
 * pkvm_iommu_streams_mutex. Mapping and unmapping for the DMA API take none (batch.c);
 * lookups and unmapping of other users take pkvm_iommu_found::lock, a leaf (domain.c).
 */
#ifndef __PKVM_IOMMU_CORE_H
#define __PKVM_IOMMU_CORE_H

#include <linux/bits.h>
#include <linux/container_of.h>
#include <linux/cpumask.h>
#include <linux/iommu.h>
#include <linux/log2.h>
#include <linux/minmax.h>
#include <linux/mutex.h>
#include <linux/seq_file.h>
#include <linux/spinlock.h>
#include <linux/types.h>
#include <linux/xarray.h>

#include "pkvm.h"

/*
 * How often a hypercall that made no progress for lack of memory is repeated.
 * One top-up is enough unless another caller uses the memory meanwhile.
 */
#define PKVM_IOMMU_TOPUP_TRIES	4

/**
 * struct pkvm_iommu_stream - a stream of an IOMMU, with at least one device
 * @dev: one of its devices, whose group the others join, and for messages; a reference
 *	is held
 * @users: number of devices that have the stream
 * @attached: number of these devices that are attached to @domain
 * @domain: domain that EL2 has attached the stream to; valid if @attached is
 *	not 0
 * @faults: accesses that were refused
 *
 * All members are guarded by pkvm_iommu_streams_mutex.
 */
struct pkvm_iommu_stream {
	struct device		*dev;
	unsigned int		users;
	unsigned int		attached;
	struct iommu_domain	*domain;
	unsigned long		faults;
};

/**
 * struct pkvm_iommu_master - a device behind an IOMMU that EL2 drives
 * @pdev: the IOMMU; constant
 * @dev: the device; constant
 * @list: in @pdev->masters
 * @domain: domain that the device is attached to; guarded by
 *	pkvm_iommu_streams_mutex, as is @list
 *
 * dev_iommu_priv_get() of the device.
 */
struct pkvm_iommu_master {
	struct pkvm_iommu_dev	*pdev;
	struct device		*dev;
	struct list_head	list;
	struct iommu_domain	*domain;
};

/* Slots of a translation cache, see cache.h. */
#define PKVM_IOMMU_CACHE_BITS	9
#define PKVM_IOMMU_CACHE_SLOTS	BIT(PKVM_IOMMU_CACHE_BITS)

/**
 * struct pkvm_iommu_found - the run of translations that PKVM_IOMMU_LOOKUP found last
 * @lock: guards the others; a leaf, taken in any context
 * @iova: first I/O virtual address
 * @phys: physical address that it maps to
 * @size: in bytes; 0 if there is no run. Changed with @lock held, read without it
 */
struct pkvm_iommu_found {
	raw_spinlock_t	lock;
	u64		iova;
	u64		phys;
	u64		size;
};

/**
 * struct pkvm_paging_domain - a domain with mappings of its own
 * @domain: the IOMMU core's part
 * @id: EL2's id of the domain; constant
 * @geometry: that of the IOMMU for which it was made; constant
 * @cache: recent translations, PKVM_IOMMU_CACHE_SLOTS of them, see cache.h
 * @pgtable: nested: its page table
 * @found: managed, not for the DMA API: see cache.h
 */
struct pkvm_paging_domain {
	struct iommu_domain	domain;
	u64			id;
	u64			geometry;
	u64			*cache;
	struct io_pgtable_ops	*pgtable;
	struct pkvm_iommu_found	found;
};

static inline struct pkvm_paging_domain *to_paging(struct iommu_domain *domain)
{
	return container_of(domain, struct pkvm_paging_domain, domain);
}

/*
 * registry.c: the IOMMUs that EL2 has, by id; in a crash kernel, in any order. Constant after
 * device_initcall.
 */
extern struct pkvm_iommu_dev *pkvm_iommu_devs[PKVM_IOMMU_MAX];
extern unsigned int pkvm_iommu_nr_devs;

#define for_each_pkvm_iommu_dev(pdev)						\
	for (struct pkvm_iommu_dev **__pos = pkvm_iommu_devs;			\
	     __pos < pkvm_iommu_devs + pkvm_iommu_nr_devs && ((pdev) = *__pos);	\
	     __pos++)

struct pkvm_iommu_dev *pkvm_iommu_find(const struct fwnode_handle *fwnode);
struct pkvm_iommu_dev *pkvm_iommu_find_at(phys_addr_t phys);

void pkvm_iommu_add_withheld(const struct fwnode_handle *fwnode);
bool pkvm_iommu_is_withheld(const struct fwnode_handle *fwnode);

/* Requester IDs of a PCI segment. */
#define PKVM_IOMMU_RIDS		0x10000U

/* crash.c; see pkvm.h, too */
bool pkvm_iommu_wants_crash(void);
#ifdef CONFIG_CRASH_DUMP
bool pkvm_iommu_inherited(phys_addr_t registers, u32 *id);
void pkvm_iommu_detach_inherited(struct pkvm_iommu_dev *pdev, u32 sid);
#else
static inline bool pkvm_iommu_inherited(phys_addr_t registers, u32 *id) { return false; }
static inline void pkvm_iommu_detach_inherited(struct pkvm_iommu_dev *pdev, u32 sid) {}
#endif

/* cover.c, cover-acpi.c */
__printf(1, 2) void pkvm_iommu_hole(const char *format, ...);
void pkvm_iommu_rid_holes(const char *name, const unsigned long *covered,
			  unsigned int first_bus, unsigned int last_bus);
void pkvm_iommu_report_holes(void);
unsigned int pkvm_iommu_nr_holes(void);
#ifdef CONFIG_ACPI
void pkvm_iommu_report_acpi_holes(void);
void pkvm_iommu_report_acpi_device(struct device *dev);
#else
static inline void pkvm_iommu_report_acpi_holes(void) {}
static inline void pkvm_iommu_report_acpi_device(struct device *dev) {}
#endif

void pkvm_iommu_show_holes(struct seq_file *s);

/* boot.c */
bool pkvm_iommu_prefers_nested(void);
void pkvm_iommu_show_status(struct seq_file *s);

/*
 * boot.c: memory shared with EL2 for the runs of PKVM_IOMMU_MAP_LIST, or NULL.
 * One list for each batch, or fewer, and behind them, with CONFIG_PKVM_IOMMU_TEST,
 * a page that tests write. Constant after boot.
 */
extern u64 (*pkvm_iommu_run_lists)[PKVM_IOMMU_LIST_RUNS];
extern unsigned int pkvm_iommu_nr_run_lists;

/* pool.c */
int pkvm_iommu_hvc_topup(struct pkvm_iommu_hvc *hvc, gfp_t gfp);
int pkvm_iommu_topup(u64 nr_pages, gfp_t gfp);
unsigned long pkvm_iommu_reclaim(unsigned long max);
void pkvm_iommu_reclaim_disable(void);
void pkvm_iommu_reclaim_enable(void);
void pkvm_iommu_shrinker_init(void);

/* stream.c */
extern struct mutex pkvm_iommu_streams_mutex;
extern struct xarray pkvm_iommu_domains;
extern struct iommu_domain pkvm_iommu_identity_domain;
extern struct iommu_domain pkvm_iommu_blocked_domain;
int pkvm_iommu_attach(struct iommu_domain *domain, struct device *dev, struct iommu_domain *old);
struct iommu_device *pkvm_iommu_probe_device(struct device *dev);
struct iommu_group *pkvm_iommu_device_group(struct device *dev);
void pkvm_iommu_release_device(struct device *dev);
void pkvm_iommu_show_streams(struct seq_file *s, struct pkvm_iommu_dev *pdev);

/* batch.c */
int pkvm_iommu_map_pages(struct iommu_domain *domain, unsigned long iova, phys_addr_t paddr,
			 size_t pgsize, size_t pgcount, int prot, gfp_t gfp, size_t *mapped);
int pkvm_iommu_iotlb_sync_map(struct iommu_domain *domain, unsigned long iova, size_t size);
size_t pkvm_iommu_unmap_pages(struct iommu_domain *domain, unsigned long iova, size_t pgsize,
			      size_t pgcount, struct iommu_iotlb_gather *gather);
size_t pkvm_iommu_unmap_range(struct pkvm_paging_domain *paging, unsigned long iova,
			      size_t size, u64 flags);
phys_addr_t pkvm_iommu_batch_lookup(struct pkvm_paging_domain *paging, unsigned long iova);
void pkvm_iommu_batch_cancel_all(struct pkvm_paging_domain *paging);
void pkvm_iommu_batch_init(void);

/* Batches of few CPUs; a power of two. */
#define PKVM_IOMMU_MIN_BATCHES	16

/*
 * Number of batches that are wanted, a power of two. Twice as many as CPUs, so that
 * a context usually finds its slot of the hash table free.
 */
static inline unsigned int pkvm_iommu_nr_batches(void)
{
	return max(PKVM_IOMMU_MIN_BATCHES, roundup_pow_of_two(2 * nr_cpu_ids));
}

/* domain.c */
struct iommu_domain *pkvm_iommu_domain_alloc(struct device *dev);

/* nested.c */
int pkvm_iommu_nested_probe(struct pkvm_iommu_dev *pdev);
struct iommu_domain *pkvm_iommu_nested_alloc(struct pkvm_iommu_dev *pdev);

/* debugfs.c */
#ifdef CONFIG_DEBUG_FS
void pkvm_iommu_debugfs_init(void);
#else
static inline void pkvm_iommu_debugfs_init(void) {}
#endif

/* frontend.c */
int pkvm_iommu_stream_id(struct pkvm_iommu_dev *pdev, const struct of_phandle_args *args,
			 u32 *sid);
int pkvm_iommu_read_region(struct pkvm_iommu_dev *pdev, u32 sid, u64 index, u64 *res);

/* fault.c */
void pkvm_iommu_request_irqs(struct pkvm_iommu_dev *pdev);
void pkvm_iommu_fault_init(void);

/**
 * pkvm_iommu_read_info() - read a value that EL2 reports
 * @info: which value
 * @id: the IOMMU's or domain's id, for a value that one of these has
 * @value: where to store it; unchanged on failure
 *
 * Context: any; once pKVM is finalised.
 * Return: 0; the errors of PKVM_IOMMU_INFO.
 */
static inline int pkvm_iommu_read_info(enum pkvm_iommu_info info, u64 id, u64 *value)
{
	struct pkvm_iommu_hvc hvc = { .op = PKVM_IOMMU_INFO, .args = { info, id } };
	int ret = pkvm_iommu_hvc(&hvc);

	if (!ret)
		*value = hvc.res[0];

	return ret;
}

#endif /* __PKVM_IOMMU_CORE_H */
