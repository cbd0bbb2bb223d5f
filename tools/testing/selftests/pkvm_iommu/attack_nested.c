// SPDX-License-Identifier: GPL-2.0
/*
 * Attacks by nested domains: the attacker writes the page table of stage 1, gives its tables
 * away, and aims at EL2's descriptor of it, which devices can read. That is a context
 * descriptor (CD) on an SMMUv3.
 */
#include <errno.h>
#include <string.h>

#include "attack.h"
#include "stage1.h"

/* An I/O virtual address that no other attack uses, aligned to the reach of a table. */
#define T		(1ULL << 41)
#define WORDS		(PAGE / 8)

/* Pages of the guest. */
#define GUEST_PAGES	4
enum guest_page { CODE, DATA, TABLE };

static bool invalidate(void)
{
	return !td_call(PKVM_IOMMU_INVALIDATE, home, 0, 0).err;
}

/* Attach edu to another domain, or to the same again. */
static bool move(uint64_t domain)
{
	if (td_call(PKVM_IOMMU_DETACH, iommu, edu.sid, home).err ||
	    td_attach(iommu, edu.sid, domain).err)
		return false;
	home = domain;
	return true;
}

/* A page of the host's that DMA writes, to see where an attack has arrived. */
struct spare {
	uint64_t phys;
	volatile uint64_t *words;
};

static bool spare_init(struct spare *spare)
{
	spare->phys = td_alloc();
	spare->words = spare->phys ? phys_map(spare->phys) : NULL;
	return spare->words;
}

static void spare_free(struct spare *spare)
{
	if (spare->words)
		phys_unmap((void *)spare->words);
	td_free(spare->phys);
}

/* Check if attack_pattern has arrived, and remove it. */
static bool arrived(struct spare *spare)
{
	bool changed = spare->words[0];
	size_t i;

	for (i = 0; i < ATTACK_LEN / 8; i++)
		spare->words[i] = 0;
	return changed;
}

static enum outcome use_taken_table(struct vm *vm, struct spare *spare)
{
	uint64_t phys = vm_phys(vm, TABLE), word;
	volatile uint64_t *entry = stage1_entry(probe_tables, T, STAGE1_LEAF - 1);
	uint64_t *table = (uint64_t *)(vm->mem + TABLE * PAGE);
	size_t i;

	for (i = 0; i < WORDS; i++)
		table[i] = spare->phys | STAGE1_PAGE;
	if (!entry)
		return broken("no memory for tables");
	*entry = phys | STAGE1_NEXT;
	if (!dma_write_iova(T) || !arrived(spare))
		return broken("the table does not work while it is the host's");
	/* The guest takes the page by its first access, and has what the host wrote. */
	if (vm_load(vm, TABLE * PAGE, &word) || word != (spare->phys | STAGE1_PAGE))
		return broken("the guest does not have the table");
	/* An entry that was not used before, then one that may be cached. */
	if (!dma_write_iova(T + PAGE))
		return broken("could not try");
	if (arrived(spare))
		return dma_write_result(true);
	return dma_write_iova(T) ? dma_write_result(arrived(spare)) : broken("could not try");
}

/*
 * The root of a second domain, with the tables of the first below it. It works with what the
 * guest has in it if the IOMMU reads it.
 */
static enum outcome use_taken_root(struct vm *vm, struct spare *spare)
{
	volatile uint64_t *root = stage1_entry(probe_tables, 0, 0);
	uint64_t *taken = (uint64_t *)(vm->mem + TABLE * PAGE), word, first = home;
	size_t i, used = stage1_index(aim_at(own_phys), 0);
	enum outcome outcome;
	struct td_res res;

	(void)spare;
	for (i = 0; i < WORDS; i++)
		taken[i] = root[i];
	do {
		res = td_call(PKVM_IOMMU_DOMAIN_ALLOC, PKVM_IOMMU_DOMAIN_NESTED,
			      vm_phys(vm, TABLE), iommu);
	} while (res.err == -ENOMEM && give_pages(res.x2));
	if (res.x0 || res.err)
		return expect_errno(res, 0);
	if (!move(res.x2) || !control())
		outcome = broken("the root does not work while it is the host's");
	else if (vm_load(vm, TABLE * PAGE + used * 8, &word) || word != root[used])
		outcome = broken("the guest does not have the root");
	else
		outcome = rootless_write();
	return move(first) && !td_call(PKVM_IOMMU_DOMAIN_FREE, res.x2, 0, 0).err ?
	       outcome : broken("edu does not come back");
}

static enum outcome rewrite(struct vm *vm, struct spare *spare)
{
	uint64_t wrong;

	if (vm_fill(vm, DATA, 1) ||
	    !stage1_set(probe_tables, T, spare->phys | STAGE1_PAGE) ||
	    !dma_write_iova(T) || !arrived(spare))
		return broken("DMA does not reach the page of the first entry");
	/* Without an invalidation, the device may reach the old page. */
	if (!stage1_set(probe_tables, T, vm_phys(vm, DATA) | STAGE1_PAGE) ||
	    !dma_write_iova(T) || vm_do(vm, OP_VERIFY, DATA, 1, &wrong))
		return broken("could not try");
	if (wrong)
		return dma_write_result(true);
	if (!invalidate() || !dma_write_iova(T) || vm_do(vm, OP_VERIFY, DATA, 1, &wrong))
		return broken("could not try after an invalidation");
	return dma_write_result(wrong);
}

/* Run an attack with a guest and a page of the host's. */
static enum outcome with_guest(enum outcome (*attack)(struct vm *vm, struct spare *spare),
			       uint32_t seed)
{
	enum outcome outcome = in_service();
	struct spare spare = { 0 };
	struct vm vm;

	if (outcome != REACHED)
		return outcome;
	if (vm_start(&vm, true, GUEST_PAGES, seed))
		return broken("no guest");
	outcome = spare_init(&spare) ? attack(&vm, &spare) : broken("no page");
	vm_stop(&vm);
	spare_free(&spare);
	return outcome;
}

enum outcome nested_table(const struct row *row)
{
	return with_guest(row->arg ? use_taken_root : use_taken_table, 0x5ec2e704);
}

enum outcome nested_rewritten(const struct row *row)
{
	(void)row;
	return with_guest(rewrite, 0x5ec2e705);
}

/*
 * Tables are not pinned: the host can give them away, and then its devices reach nothing. EL2
 * clears the page, so that use_taken_root() shows more.
 */
enum outcome nested_root(const struct row *row)
{
	enum outcome outcome = in_service();
	struct td_res res;

	(void)row;
	if (outcome != REACHED)
		return outcome;
	res = td_call(PKVM_IOMMU_TOPUP, stage1_root(probe_tables) / PAGE, 1, 0);
	if (res.x0 || res.err)
		return expect_errno(res, 0);
	return rootless_write();
}

/* The pages that EL2 can make a descriptor of: all that are unused in its pool. */
#define POOL_MAX	4096
#define POOL_MIN	16
static uint64_t pool[POOL_MAX];
static size_t pool_pages;

/* Take all of them, and give them again, with more if there are few. */
static bool learn_pool(void)
{
	struct td_res res;
	size_t i, bad = 0;

	for (pool_pages = 0; pool_pages < POOL_MAX; pool_pages++) {
		res = td_call(PKVM_IOMMU_RECLAIM, 0, 0, 0);
		if (res.x0 || res.err)
			break;
		pool[pool_pages] = res.x2 * PAGE;
	}
	while (pool_pages < POOL_MIN)
		pool[pool_pages++] = td_alloc();
	for (i = 0; i < pool_pages; i++)
		bad += td_call(PKVM_IOMMU_TOPUP, pool[i] / PAGE, 1, 0).err != 0;
	return !bad;
}

/* Page among them that devices reach and the CPU does not; 0 unless there is exactly one. */
static uint64_t lent_page(void)
{
	uint64_t found = 0;
	uint32_t unused;
	size_t i, n = 0;

	for (i = 0; i < pool_pages; i++) {
		if (td_call(PKVM_IOMMU_TEST, PKVM_IOMMU_TEST_SHADOW, pool[i], 0).x2 &&
		    cpu_read(pool[i], &unused) > 0) {
			found = pool[i];
			n++;
		}
	}
	return n == 1 ? found : 0;
}

/* Give edu a new nested domain. Returns the address of its descriptor, or 0. */
static uint64_t find_descriptor(void)
{
	probe_leave();
	return learn_pool() && !probe_enter() ? lent_page() : 0;
}

/* The second word of a CD has the address of the root table. */
#define CD_TTB0		0x000ffffffffff000ULL

static bool read_descriptor(uint64_t cd, uint64_t *words)
{
	return dma_read(cd, NULL, words) == REACHED;
}

/*
 * A device reads the descriptor: that shows that this is the right page. QEMU records no fault
 * of a write if it has cached the read: a detach drops that.
 */
static enum outcome overwrite(uint64_t cd, uint64_t root)
{
	uint64_t before[ATTACK_LEN / 8], after[ATTACK_LEN / 8];
	bool changed;

	if (!cd)
		return broken("no descriptor");
	if (!read_descriptor(cd, before))
		return FAIL;
	if ((before[1] & CD_TTB0) != root) {
		say("the device reads %#llx at %#llx, and not a descriptor of %#llx",
		    (unsigned long long)before[1], (unsigned long long)cd,
		    (unsigned long long)root);
		return FAIL;
	}
	if (!move(home) || !dma_write(cd, NULL, ATTACK_LEN))
		return broken("could not try");
	changed = !read_descriptor(cd, after) || memcmp(before, after, ATTACK_LEN);
	if (!move(home) || !dma_write(cd, NULL, ATTACK_LEN))
		return broken("could not try again");
	return dma_write_result(changed);
}

enum outcome nested_descriptor(const struct row *row)
{
	enum outcome outcome = in_service();
	struct td_res res;
	uint64_t cd;

	if (outcome != REACHED)
		return outcome;
	if (!row->arg) {
		cd = find_descriptor();
		return overwrite(cd, stage1_root(probe_tables));
	}

	/* The descriptor of a domain that edu is not attached to. */
	if (!can_nest()) {
		say("no IOMMU can nest");
		return NOT_THERE;
	}
	if (!learn_pool())
		return broken("the pool does not take its pages back");
	res = td_call(PKVM_IOMMU_DOMAIN_ALLOC, PKVM_IOMMU_DOMAIN_NESTED, own_phys, iommu);
	if (res.x0 || res.err)
		return broken("no domain");
	outcome = overwrite(lent_page(), own_phys);
	if (td_call(PKVM_IOMMU_DOMAIN_FREE, res.x2, 0, 0).err)
		return broken("could not free the domain");
	return outcome;
}

/* By the CPU, or by a call. */
enum outcome nested_descriptor_taken(const struct row *row)
{
	enum outcome outcome = in_service();
	uint64_t cd;

	if (outcome != REACHED)
		return outcome;
	cd = find_descriptor();
	if (!cd)
		return broken("no descriptor");
	return row->arg ? expect_errno(td_call(PKVM_IOMMU_TOPUP, cd / PAGE, 1, 0), -EPERM) :
			  cpu_attack(cd);
}

/* Larger than the id of any domain. */
#define NO_SUCH_DOMAIN	0xffff

enum outcome nested_invalidate(const struct row *row)
{
	enum outcome outcome = in_service();
	uint64_t top = 1ULL << STAGE1_BITS;

	if (outcome != REACHED)
		return outcome;
	switch ((enum bad_invalidate)row->arg) {
	case WRONG_DOMAIN:
		return expect_errno(td_call(PKVM_IOMMU_INVALIDATE, NO_SUCH_DOMAIN, T, PAGE),
				    -ENXIO);
	case WRAPS:	/* up to address 0 */
		return expect_errno(td_call(PKVM_IOMMU_INVALIDATE, home, top - PAGE, PAGE - top),
				    -ERANGE);
	case HUGE:
		return expect_errno(td_call(PKVM_IOMMU_INVALIDATE, home, 0, 1ULL << 63), -ERANGE);
	}
	return FAIL;
}

/* Give edu a new domain, with the id of the one that it had. */
static bool renew(uint64_t root)
{
	struct td_res res;

	if (td_call(PKVM_IOMMU_DETACH, iommu, edu.sid, home).err ||
	    td_call(PKVM_IOMMU_DOMAIN_FREE, home, 0, 0).err)
		return false;
	res = td_call(PKVM_IOMMU_DOMAIN_ALLOC, PKVM_IOMMU_DOMAIN_NESTED, root, iommu);
	return !res.err && res.x2 == home && !td_attach(iommu, edu.sid, home).err;
}

/* The device has used a translation of the old domain. The new one has none at that address. */
enum outcome nested_id_reused(const struct row *row)
{
	enum outcome outcome = in_service();
	struct spare spare = { 0 };
	struct stage1 fresh;

	(void)row;
	if (outcome != REACHED)
		return outcome;
	if (!spare_init(&spare) || !stage1_init(&fresh) ||
	    !stage1_set(&fresh, aim_at(own_phys), own_phys | STAGE1_PAGE) ||
	    !stage1_set(probe_tables, T, spare.phys | STAGE1_PAGE))
		return broken("no memory for tables");
	if (!dma_write_iova(T) || !arrived(&spare))
		outcome = broken("DMA does not reach the page of the first domain");
	else if (!renew(stage1_root(&fresh)) || !control())
		outcome = broken("no new domain with the same id, or DMA does not work in it");
	else if (!dma_write_iova(T))
		outcome = broken("could not try");
	else
		outcome = dma_write_result(arrived(&spare));
	if (!renew(stage1_root(probe_tables)))
		outcome = broken("edu does not come back");
	stage1_free(&fresh);
	spare_free(&spare);
	return outcome;
}
