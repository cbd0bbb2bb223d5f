// SPDX-License-Identifier: GPL-2.0
/*
 * The environment of the EL2 code of the IOMMU layer, see env.h: a model of the parts
 * of mem_protect.c and mm.c that it calls, with the same rules, order and errors, on
 * the real page records (struct hyp_page) and page allocator.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include <nvhe/gfp.h>
#include <nvhe/iommu.h>
#include <nvhe/iommu-backend.h>
#include <nvhe/memory.h>

#include "smmu.h"
#include "vdev.h"
#include "weak.h"

#define MMIO_VA		0x100000000000ULL	/* never mapped: accesses fault into the handler */
#define FILE_SIZE	((ENV_SCALE << 26) + ENV_GIB_END - ENV_GIB)
#define VMEMMAP_SIZE	((ENV_END >> PAGE_SHIFT) * sizeof(struct hyp_page))

struct memblock_region hyp_memory[4] = {
	{ ENV_RAM0, ENV_RAM0_END - ENV_RAM0 },
	{ ENV_RAM1, ENV_RAM1_END - ENV_RAM1 },
	{ ENV_RAM2, ENV_RAM2_END - ENV_RAM2 },
};
unsigned int hyp_memblock_nr = 3;

/* Of the core, whose header is its own. */
extern struct pkvm_iommu pkvm_iommus[PKVM_IOMMU_MAX];

struct host_mmu host_mmu;
struct kvm_pgtable pkvm_pgtable;
DEFINE_HYP_SPINLOCK(pkvm_pgd_lock);
s64 hyp_physvirt_offset;
unsigned long hyp_nr_cpus = ENV_CPUS;

static u8 *el2_mem, *test_mem, *poc_mem;
static bool env_coherent;
static bool env_fail_audit, env_no_mapping, env_no_taking;
static u64 env_now;
static bool env_stopped;		/* on some CPU */
void (*env_yield)(struct env_lock *waits);
int env_atomic;
bool env_rightly;
const char *env_bug_func;
unsigned int env_this_cpu;

/*
 * Locks are taken in the order of this list, never twice, and released. A lock is known
 * by the expression with which it is taken.
 */
static const char *const lock_order[] = {
	"&host_mmu.lock", "&pkvm_pgd_lock", "&vm->lock", "&domain->lock",
	"&domain->flush_lock", "&domain_lock", "&iommu->lock", "&smmu->queue_lock",
	"&smmu->gerror_lock", "&pool_lock", "&pool->lock",
};
/* The last of these locks is taken with none of the others held. */
static const char *const lock_alone[] = { "&host_mmu.lock", "&domain->lock", "&domain_lock" };
static struct {
	jmp_buf stop;
	bool stoppable, stopped;
	unsigned int taken;		/* locks, in the current call */
	unsigned int relaxed;		/* turns of loops that wait, in the current call */
	int locks[ARRAY_SIZE(lock_order)];
	const struct pkvm_iommu *iommu;	/* whose lock was taken last */
	const struct pkvm_iommu_domain *domain;	/* likewise */
	bool resumes;			/* it comes from power-off */
} cpus[ENV_CPUS];
#define this_cpu	(&cpus[env_this_cpu])

/* Locks that one call takes at most. The work of a call is bounded: it takes far fewer. */
#define LOCKS_MAX	100000
#define RELAX_MAX	10000000

static void __noreturn stop(bool rightly, const char *func)
{
	env_rightly = rightly;
	env_bug_func = func;
	if (!this_cpu->stoppable)
		fail("EL2 stops in %s", func);
	longjmp(this_cpu->stop, 1);
}

void env_brk(void)
{
	stop(true, "BRK");
}

void env_halt(void)
{
	stop(true, "a loop without an end");
}

void env_bug(const char *func, const char *file, int line)
{
	stop(false, func);
}

bool env_cpu_stopped(unsigned int cpu)
{
	return cpus[cpu].stopped;
}

unsigned int env_live_cpu(unsigned int n)
{
	unsigned int cpu;

	for (cpu = 0; cpu < ENV_CPUS; cpu++) {
		if (!cpus[cpu].stopped && !n--)
			return cpu;
	}
	fail("EL2 has stopped on all CPUs");
}

/* EL2 has stopped on this CPU, and keeps its locks: continue on another CPU. */
static void next_cpu(void)
{
	env_stopped = true;
	this_cpu->stopped = true;
	if (!env_yield)
		env_this_cpu = env_live_cpu(0);
}

static int lock_rank(const char *name)
{
	int i;

	for (i = 0; i < ARRAY_SIZE(lock_order); i++) {
		if (!strcmp(name, lock_order[i]))
			return i;
	}
	fail("lock %s has no place in lock_order (env.c)", name);
}

static void check_order(int rank, const char *name)
{
	int i, last = ARRAY_SIZE(lock_alone) - 1;

	for (i = rank; i < ARRAY_SIZE(lock_order); i++) {
		if (this_cpu->locks[i])
			fail("lock order: %s taken with %s held", name, lock_order[i]);
	}
	for (i = 0; i < last && !strcmp(name, lock_alone[last]); i++) {
		if (this_cpu->locks[lock_rank(lock_alone[i])])
			fail("lock order: %s taken with %s held", name, lock_alone[i]);
	}
}

void env_lock(struct env_lock *lock, const char *name)
{
	int rank = lock_rank(name);

	if (++this_cpu->taken > LOCKS_MAX)
		fail("the call does not end: it takes locks for ever");
	if (lock->held && lock->cpu == env_this_cpu)
		fail("deadlock: %s taken twice", name);
	check_order(rank, name);
	if (env_yield)
		env_yield(NULL);
	while (lock->held) {
		if (cpus[lock->cpu].stopped)
			stop(true, "a lock of a CPU that stopped");
		if (!env_yield)
			fail("deadlock: %s was never given back", name);
		env_yield(lock);
	}
	this_cpu->locks[rank]++;
	if (!strcmp(name, "&iommu->lock"))
		this_cpu->iommu = container_of(lock, struct pkvm_iommu, lock);
	if (!strcmp(name, "&domain->lock"))
		this_cpu->domain = container_of(lock, struct pkvm_iommu_domain, lock);
	lock->held = name;
	lock->cpu = env_this_cpu;
	weak_lock(lock->released);
}

void env_unlock(struct env_lock *lock, const char *name)
{
	env_assert_held(lock, name);
	lock->released = weak_release();
	/* Pages that are not pinned may change their owner at any time. */
	if (!strcmp(lock->held, "&domain->lock") && !env_stopped) {
		weak_hide();
		smmu_check_fresh();
		weak_show();
	}
	/* The name by which it was taken; @name may be that of a pointer. */
	this_cpu->locks[lock_rank(lock->held)]--;
	lock->held = NULL;
	if (env_yield)
		env_yield(NULL);
}

void env_relax(void)
{
	weak_complete();
	if (++this_cpu->relaxed > RELAX_MAX)
		fail("the call does not end: it waits for ever");
	if (env_yield && !env_atomic)
		env_yield(NULL);
}

void env_unpinned(void)
{
	if (env_stopped)
		return;
	weak_hide();
	smmu_check_pinned();
	vdev_check_pinned();
	weak_show();
}

void env_assert_held(struct env_lock *lock, const char *name)
{
	/* Probes of the tests read without locks, while no other CPU runs. */
	if (env_atomic)
		return;
	if (!lock->held)
		fail("%s should be held", name);
	if (lock->cpu != env_this_cpu)
		fail("%s should be held, but another CPU has it", name);
}

void env_no_locks(void)
{
	int i;

	for (i = 0; i < ARRAY_SIZE(lock_order); i++) {
		if (this_cpu->locks[i])
			fail("%s still held after the call", lock_order[i]);
	}
}

/*
 * Locks with which a CPU may wait for hardware. A revocation has those of mem_protect.c, so that
 * the page does not get its new owner. An IOMMU that comes from power-off is waited for by all
 * CPUs, and one without pkvm_iommu_ops::wait with its lock held. And for an IOMMU without page
 * tables, that of the domain is held, too, which is for such IOMMUs only.
 */
static bool is_told(void)
{
	unsigned int i, iommus = atomic_read(&this_cpu->domain->iommus);

	for (i = 0; iommus >> i; i++) {
		if (iommus >> i & 1 && !pkvm_iommus[i].ops->map)
			return false;
	}

	return true;
}

static bool may_wait_with(int rank)
{
	const char *name = lock_order[rank];

	if (!strcmp(name, "&iommu->lock"))
		return this_cpu->resumes || !this_cpu->iommu->ops->wait;

	return rank <= lock_rank("&vm->lock") || (!strcmp(name, "&domain->lock") && is_told());
}

static void check_wait(void)
{
	int i;

	for (i = 0; i < ARRAY_SIZE(lock_order); i++) {
		if (this_cpu->locks[i] && !may_wait_with(i))
			fail("a CPU waits for hardware with %s held", lock_order[i]);
	}
}

/* EL2 reads the time only to wait for hardware. */
u64 env_time(void)
{
	check_wait();
	/* Stores do not wait for ever. */
	weak_release();
	vdev_time();
	return ++env_now;
}

/* Memory. */

bool env_is_ram(u64 pa)
{
	u64 page = ALIGN_DOWN(pa, PAGE_SIZE);
	int i;

	for (i = 0; i < hyp_memblock_nr; i++) {
		if (page >= hyp_memory[i].base &&
		    page + PAGE_SIZE <= hyp_memory[i].base + hyp_memory[i].size)
			return true;
	}

	return false;
}

static bool in_ram(u64 pa)
{
	int i;

	for (i = 0; i < hyp_memblock_nr; i++) {
		if (pa >= hyp_memory[i].base && pa < hyp_memory[i].base + hyp_memory[i].size)
			return true;
	}

	return false;
}

bool addr_is_memory(phys_addr_t phys)
{
	return in_ram(phys);
}

u64 *env_cpu(u64 pa)
{
	return env_is_ram(pa) ? (u64 *)(test_mem + pa) : NULL;
}

u64 *env_poc(u64 pa)
{
	return env_is_ram(pa) ? (u64 *)(poc_mem + pa) : NULL;
}

static u64 el2_pa(const void *addr)
{
	u64 pa = (u64)addr + hyp_physvirt_offset;

	if (!env_is_ram(pa))
		fail("cache maintenance of %p, which is no memory", addr);

	return pa;
}

u8 *env_alias(const void *addr)
{
	if ((u8 *)addr >= el2_mem && (u8 *)addr < el2_mem + ENV_END)
		return test_mem + ((u8 *)addr - el2_mem);

	return (u8 *)addr;
}

u64 env_page_of(u64 pa)
{
	return in_ram(pa) ? (u64)(el2_mem + pa) >> PAGE_SHIFT : 0;
}

void env_visible(const void *addr)
{
	if (!addr) {
		smmu_observe_all(SMMU_EVERYTHING);
		return;
	}
	if ((u8 *)addr >= el2_mem && (u8 *)addr < el2_mem + ENV_END)
		smmu_observe_all((u64)((u8 *)addr - el2_mem));
	vdev_look();
}

/* EL2 has stored there. */
void env_store(const void *addr)
{
	/* Others see it later, see weak.c. */
	if (weak_active && !env_atomic)
		weak_settle();
	else
		env_visible(addr);
}

/*
 * Clean and invalidate: copy lines from the CPU's view to memory; or from memory, if a
 * device has written the line since.
 */
#define LINE	64
static u8 *dev_wrote;		/* one per line */

void env_clean(const void *addr, size_t size)
{
	u64 pa, start = ALIGN_DOWN(el2_pa(addr), LINE), end = el2_pa(addr) + size;

	/* It ends with a DSB, and stores to its lines come before. */
	env_dsb(ENV_ALL);
	/* A line may be evicted early: hardware can see data that is not cleaned yet. */
	smmu_observe_all(SMMU_EVERYTHING);
	if (env_coherent)
		return;
	for (pa = start; pa < end; pa += LINE) {
		if (dev_wrote[pa / LINE])
			memcpy(test_mem + pa, poc_mem + pa, LINE);
		else
			memcpy(poc_mem + pa, test_mem + pa, LINE);
		dev_wrote[pa / LINE] = 0;
	}
	smmu_observe_all(SMMU_EVERYTHING);
}

void env_dev_write(u64 pa, const void *data, size_t size, bool snoops)
{
	u64 line = ALIGN_DOWN(pa, LINE);

	if (!env_is_ram(pa))
		fail("device write to %#llx, which is no memory", (unsigned long long)pa);
	if (snoops || env_coherent)
		weak_device_write(el2_mem + pa, size);
	if (snoops)
		memcpy(test_mem + pa, data, size);
	/* A dirty line is eventually written back over the data of the device. */
	else if (!env_coherent && !dev_wrote[pa / LINE] &&
		 memcmp(test_mem + line, poc_mem + line, LINE))
		return;
	memcpy(poc_mem + pa, data, size);
	dev_wrote[pa / LINE] = !env_coherent && !snoops;
}

static void el2_access(u64 pfn, u64 nr, bool on)
{
	if (mprotect(el2_mem + (pfn << PAGE_SHIFT), nr << PAGE_SHIFT,
		     on ? PROT_READ | PROT_WRITE : PROT_NONE)) {
		perror("mprotect");
		exit(1);
	}
}

static void segv(int sig, siginfo_t *info, void *context)
{
	u8 *addr = info->si_addr;

	if (addr >= el2_mem && addr < el2_mem + ENV_END)
		fail("EL2 touches %#llx, which it does not own",
		     (unsigned long long)(addr - el2_mem));
	fail("segmentation fault at %p", addr);
}

static void *reserve(u64 size, int prot)
{
	void *mem = mmap(NULL, size, prot, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (mem == MAP_FAILED) {
		perror("mmap");
		exit(1);
	}

	return mem;
}

static void map_ram(u8 *base, int fd, int prot)
{
	off_t off = 0;
	int i;

	for (i = 0; i < hyp_memblock_nr; i++) {
		u64 start = ALIGN_DOWN(hyp_memory[i].base, PAGE_SIZE);
		u64 size = PAGE_ALIGN(hyp_memory[i].base + hyp_memory[i].size) - start;

		if (mmap(base + start, size, prot, MAP_SHARED | MAP_FIXED, fd, off) == MAP_FAILED) {
			perror("mmap");
			exit(1);
		}
		off += size;
	}
}

/* Before env_init(): there is 1 GiB more. It is too large to be filled, or to be copied. */
void env_add_gib(void)
{
	hyp_memory[3] = hyp_memory[2];
	hyp_memory[2] = (struct memblock_region) { ENV_GIB, ENV_GIB_END - ENV_GIB };
	hyp_memblock_nr = 4;
}

void env_init(bool coherent, unsigned int ia_bits)
{
	struct sigaction sa = { .sa_sigaction = segv, .sa_flags = SA_SIGINFO };
	int i, fd = memfd_create("memory", 0);
	u64 pa, *p;

	if (fd < 0 || ftruncate(fd, FILE_SIZE)) {
		perror("memfd");
		exit(1);
	}
	el2_mem = reserve(ENV_END, PROT_NONE);
	test_mem = reserve(ENV_END, PROT_NONE);
	map_ram(el2_mem, fd, PROT_NONE);
	map_ram(test_mem, fd, PROT_READ | PROT_WRITE);
	poc_mem = test_mem;
	if (!coherent)
		poc_mem = reserve(ENV_END, PROT_READ | PROT_WRITE);
	dev_wrote = reserve(ENV_END / LINE, PROT_READ | PROT_WRITE);
	env_coherent = coherent;

	hyp_physvirt_offset = -(s64)(uintptr_t)el2_mem;
	__hyp_vmemmap = (u64)reserve(VMEMMAP_SIZE, PROT_READ | PROT_WRITE);
	host_mmu.pgt.ia_bits = ia_bits;
	sigaction(SIGSEGV, &sa, NULL);
	sigaction(SIGBUS, &sa, NULL);

	/*
	 * All memory is filled with words that are valid to an SMMU, in both views, so
	 * that a use of memory which EL2 has not written is noticed.
	 */
	for (i = 0; i < hyp_memblock_nr; i++) {
		if (hyp_memory[i].base == ENV_GIB)
			continue;
		for (pa = hyp_memory[i].base & PAGE_MASK; pa < hyp_memory[i].base +
		     hyp_memory[i].size; pa += 8) {
			p = (u64 *)(test_mem + pa);
			*p = ENV_RAM0 | ((pa * 40503) & 0xff000) | 0x6c1 | (pa & 8 ? 0xc : 2);
			*(u64 *)(poc_mem + pa) = *p;
		}
	}
	/* The carve-out of EL2. */
	for (pa = ENV_CARVEOUT; pa < ENV_CARVEOUT_END; pa += PAGE_SIZE) {
		set_host_state(hyp_phys_to_page(pa), PKVM_NOPAGE);
		set_hyp_state(hyp_phys_to_page(pa), PKVM_PAGE_OWNED);
		el2_access(pa >> PAGE_SHIFT, 1, true);
	}
}

/* After a fork: give this process memory of its own. */
void env_unshare(void)
{
	int i, fd = memfd_create("memory", 0);
	off_t off = 0;
	u64 pa;

	if (fd < 0 || ftruncate(fd, FILE_SIZE)) {
		perror("memfd");
		exit(1);
	}
	for (i = 0; i < hyp_memblock_nr; i++) {
		u64 start = ALIGN_DOWN(hyp_memory[i].base, PAGE_SIZE);
		u64 size = PAGE_ALIGN(hyp_memory[i].base + hyp_memory[i].size) - start;

		if (start != ENV_GIB && pwrite(fd, test_mem + start, size, off) != (ssize_t)size) {
			perror("pwrite");
			exit(1);
		}
		off += size;
	}
	map_ram(el2_mem, fd, PROT_NONE);
	map_ram(test_mem, fd, PROT_READ | PROT_WRITE);
	close(fd);
	for (i = 0; i < hyp_memblock_nr; i++) {
		for (pa = PAGE_ALIGN(hyp_memory[i].base); env_is_ram(pa); pa += PAGE_SIZE) {
			if (get_hyp_state(hyp_phys_to_page(pa)) != PKVM_NOPAGE)
				el2_access(pa >> PAGE_SHIFT, 1, true);
		}
	}
}

/* Page ownership, as in mem_protect.c. */

static bool check_state(u64 pfn, u64 nr, enum pkvm_page_state host, enum pkvm_page_state hyp)
{
	for (; nr--; pfn++) {
		struct hyp_page *page = hyp_phys_to_page(pfn << PAGE_SHIFT);

		if (!env_is_ram(pfn << PAGE_SHIFT) || get_host_state(page) != host ||
		    get_hyp_state(page) != hyp)
			return false;
	}

	return true;
}

static void set_hyp_states(u64 pfn, u64 nr, enum pkvm_page_state state)
{
	for (; nr--; pfn++)
		set_hyp_state(hyp_phys_to_page(pfn << PAGE_SHIFT), state);
}

/* As __host_update_page_state() in patches/7.3/0001-hooks.patch. */
static void update_host_state(u64 pfn, u64 nr, enum pkvm_page_state state)
{
	bool was = get_host_state(hyp_phys_to_page(pfn << PAGE_SHIFT)) != PKVM_NOPAGE;
	bool reachable = state != PKVM_NOPAGE;
	u64 i;

	for (i = 0; i < nr; i++)
		set_host_state(hyp_phys_to_page((pfn + i) << PAGE_SHIFT), state);
	if (reachable == was)
		return;
	pkvm_iommu_host_update(pfn << PAGE_SHIFT, nr << PAGE_SHIFT, reachable);
	/* From here on the page may have another owner. */
	weak_hide();
	smmu_check_revoked(pfn, nr, reachable);
	if (!reachable)
		vdev_check_revoked(pfn, nr);
	weak_show();
}

static bool valid_range(u64 pfn, u64 nr)
{
	u64 limit = BIT(host_mmu.pgt.ia_bits - PAGE_SHIFT);

	return nr && pfn < limit && limit - pfn >= nr;
}

/* As check_range_allowed_memory(): no range may cross the end of a memory block. */
static int range_error(u64 pfn, u64 nr)
{
	u64 start = pfn << PAGE_SHIFT, last = ((pfn + nr) << PAGE_SHIFT) - 1;
	int i;

	for (i = 0; i < hyp_memblock_nr; i++) {
		u64 stop = hyp_memory[i].base + hyp_memory[i].size;

		if (start < hyp_memory[i].base)
			return last < hyp_memory[i].base ? -EPERM : -EINVAL;
		if (start < stop)
			return last < stop ? 0 : -EINVAL;
	}

	return -EPERM;
}

int __pkvm_host_donate_hyp(u64 pfn, u64 nr)
{
	int ret = -EPERM;

	if (!valid_range(pfn, nr))
		return -EINVAL;
	hyp_spin_lock(&host_mmu.lock);
	hyp_spin_lock(&pkvm_pgd_lock);
	ret = range_error(pfn, nr);
	if (!ret && !check_state(pfn, nr, PKVM_PAGE_OWNED, PKVM_NOPAGE))
		ret = -EPERM;
	if (!ret)
		ret = pkvm_iommu_check_pins(pfn << PAGE_SHIFT, nr << PAGE_SHIFT);
	if (!ret) {
		set_hyp_states(pfn, nr, PKVM_PAGE_OWNED);
		el2_access(pfn, nr, true);
		update_host_state(pfn, nr, PKVM_NOPAGE);
	}
	hyp_spin_unlock(&pkvm_pgd_lock);
	hyp_spin_unlock(&host_mmu.lock);

	return ret;
}

int __pkvm_hyp_donate_host(u64 pfn, u64 nr)
{
	int ret = -EPERM;
	u64 i;

	if (!valid_range(pfn, nr))
		return -EINVAL;
	hyp_spin_lock(&host_mmu.lock);
	hyp_spin_lock(&pkvm_pgd_lock);
	if (check_state(pfn, nr, PKVM_NOPAGE, PKVM_PAGE_OWNED)) {
		ret = 0;
		for (i = 0; i < nr; i++) {
			if (hyp_phys_to_page((pfn + i) << PAGE_SHIFT)->refcount)
				ret = -EBUSY;
		}
	}
	if (!ret) {
		weak_hide();
		for (i = 0; i < nr; i++) {
			smmu_check_freed((pfn + i) << PAGE_SHIFT);
			vdev_check_freed((pfn + i) << PAGE_SHIFT);
		}
		weak_show();
		set_hyp_states(pfn, nr, PKVM_NOPAGE);
		el2_access(pfn, nr, false);
		update_host_state(pfn, nr, PKVM_PAGE_OWNED);
	}
	hyp_spin_unlock(&pkvm_pgd_lock);
	hyp_spin_unlock(&host_mmu.lock);

	return ret;
}

static int change_share(u64 pfn, bool shared)
{
	int ret = -EPERM;

	hyp_spin_lock(&host_mmu.lock);
	hyp_spin_lock(&pkvm_pgd_lock);
	if (shared ? check_state(pfn, 1, PKVM_PAGE_OWNED, PKVM_NOPAGE) :
	    check_state(pfn, 1, PKVM_PAGE_SHARED_OWNED, PKVM_PAGE_SHARED_BORROWED)) {
		set_hyp_states(pfn, 1, shared ? PKVM_PAGE_SHARED_BORROWED : PKVM_NOPAGE);
		update_host_state(pfn, 1, shared ? PKVM_PAGE_SHARED_OWNED : PKVM_PAGE_OWNED);
		ret = 0;
	}
	hyp_spin_unlock(&pkvm_pgd_lock);
	hyp_spin_unlock(&host_mmu.lock);

	return ret;
}

int __pkvm_host_share_hyp(u64 pfn)
{
	return change_share(pfn, true);
}

int __pkvm_host_unshare_hyp(u64 pfn)
{
	return change_share(pfn, false);
}

/* EL2 can access shared memory while it is pinned. */
int hyp_pin_shared_mem(void *from, void *to)
{
	u64 pfn = hyp_virt_to_phys(from) >> PAGE_SHIFT, nr = (to - from) >> PAGE_SHIFT, i;
	int ret = -EPERM;

	hyp_spin_lock(&host_mmu.lock);
	hyp_spin_lock(&pkvm_pgd_lock);
	if (check_state(pfn, nr, PKVM_PAGE_SHARED_OWNED, PKVM_PAGE_SHARED_BORROWED)) {
		for (i = 0; i < nr; i++)
			hyp_phys_to_page((pfn + i) << PAGE_SHIFT)->refcount++;
		el2_access(pfn, nr, true);
		ret = 0;
	}
	hyp_spin_unlock(&pkvm_pgd_lock);
	hyp_spin_unlock(&host_mmu.lock);

	return ret;
}

/* Registers that the host has lost. */
static struct {
	u64 start, end;
} taken[SPEC_IOMMUS + SPEC_REGISTERS];
static unsigned int nr_taken;

bool env_is_taken(u64 phys, u64 size)
{
	unsigned int i;

	for (i = 0; i < nr_taken; i++) {
		if (phys >= taken[i].start && phys + size <= taken[i].end)
			return true;
	}

	return false;
}

void env_check_window(unsigned int id, unsigned int nr, uint64_t phys, uint64_t size)
{
	const struct pkvm_iommu *iommu = &pkvm_iommus[id];

	if ((u64)iommu->windows[nr] != MMIO_VA + phys || iommu->window_sizes[nr] != size)
		fail("window %u of IOMMU %u is %zu bytes at %#llx", nr, id,
		     iommu->window_sizes[nr], (u64)iommu->windows[nr] - MMIO_VA);
}

int __pkvm_host_donate_hyp_mmio(phys_addr_t phys, u64 size)
{
	u64 pa;

	if (env_no_taking)
		return -ENOMEM;
	hyp_spin_lock(&host_mmu.lock);
	for (pa = phys; pa < phys + size; pa += PAGE_SIZE) {
		if (env_is_ram(pa))
			break;
	}
	if (pa == phys + size) {
		taken[nr_taken].start = phys;
		taken[nr_taken++].end = phys + size;
		smmu_mmio_taken(phys, size);
		vdev_mmio_taken(phys, size);
	}
	hyp_spin_unlock(&host_mmu.lock);

	return pa == phys + size ? 0 : -EPERM;
}

/* EL2 runs from here on. True, a second time, if it stops. */
#define el2_stops()								\
	(this_cpu->stoppable = true, this_cpu->taken = 0, this_cpu->relaxed = 0,	\
	 setjmp(this_cpu->stop))

/* The other transitions of page ownership, and those that take nothing from the host. */
int env_page_op(enum env_op op, u64 pfn)
{
	static const struct {
		enum pkvm_page_state host, hyp, to_host, to_hyp;
	} change[ENV_OPS] = {
		[ENV_SHARE_HYP]	= { PKVM_PAGE_OWNED, PKVM_NOPAGE,
				    PKVM_PAGE_SHARED_OWNED, PKVM_PAGE_SHARED_BORROWED },
		[ENV_UNSHARE_HYP] = { PKVM_PAGE_SHARED_OWNED, PKVM_PAGE_SHARED_BORROWED,
				      PKVM_PAGE_OWNED, PKVM_NOPAGE },
		[ENV_DONATE_GUEST] = { PKVM_PAGE_OWNED, PKVM_NOPAGE, PKVM_NOPAGE, PKVM_NOPAGE },
		[ENV_RECLAIM_GUEST] = { PKVM_NOPAGE, PKVM_NOPAGE, PKVM_PAGE_OWNED, PKVM_NOPAGE },
		[ENV_GUEST_SHARE] = { PKVM_NOPAGE, PKVM_NOPAGE,
				      PKVM_PAGE_SHARED_BORROWED, PKVM_NOPAGE },
		[ENV_GUEST_UNSHARE] = { PKVM_PAGE_SHARED_BORROWED, PKVM_NOPAGE,
					PKVM_NOPAGE, PKVM_NOPAGE },
	};
	volatile int ret = -EPERM;

	if (el2_stops()) {
		next_cpu();
		return -EIO;
	}
	hyp_spin_lock(&host_mmu.lock);
	if (check_state(pfn, 1, change[op].host, change[op].hyp))
		ret = op == ENV_UNSHARE_HYP && hyp_phys_to_page(pfn << PAGE_SHIFT)->refcount ?
		      -EBUSY : 0;
	if (!ret && (op == ENV_DONATE_GUEST || op == ENV_GUEST_UNSHARE))
		ret = pkvm_iommu_check_pins(pfn << PAGE_SHIFT, PAGE_SIZE);
	if (!ret) {
		set_hyp_states(pfn, 1, change[op].to_hyp);
		update_host_state(pfn, 1, change[op].to_host);
	}
	hyp_spin_unlock(&host_mmu.lock);
	this_cpu->stoppable = false;

	return ret;
}

u64 env_el2_pa(const void *addr)
{
	return hyp_virt_to_phys((void *)addr);
}

bool env_host_reaches(u64 pfn)
{
	return get_host_state(hyp_phys_to_page(pfn << PAGE_SHIFT)) != PKVM_NOPAGE;
}

bool env_host_owns(u64 pfn)
{
	return pfn < ENV_END >> PAGE_SHIFT && env_is_ram(pfn << PAGE_SHIFT) &&
	       check_state(pfn, 1, PKVM_PAGE_OWNED, PKVM_NOPAGE);
}

bool env_el2_owns(u64 pfn)
{
	return env_is_ram(pfn << PAGE_SHIFT) &&
	       check_state(pfn, 1, PKVM_NOPAGE, PKVM_PAGE_OWNED);
}

/* test-backend.c, whose header is the core's own. */
int pkvm_iommu_test_stream(u64 id, u64 sid, u64 *attached);
int pkvm_iommu_test_permitted(u64 id, u64 phys, u64 *permitted);

bool env_permitted(unsigned int id, uint64_t pa, bool *attached)
{
	u64 permitted, stream;

	env_atomic++;
	if (pkvm_iommu_test_permitted(id, pa, &permitted) ||
	    pkvm_iommu_test_stream(id, 0, &stream))
		fail("IOMMU %u does not permit and deny", id);
	env_atomic--;
	*attached = stream;

	return permitted;
}

int host_stage2_unmap_dev_all(void)
{
	return 0;
}

int pkvm_iommu_selftest(const u64 *args, u64 *res)
{
	return -EOPNOTSUPP;
}

void env_fail_registers(bool f)
{
	env_no_mapping = f;
}

void env_fail_taking(bool f)
{
	env_no_taking = f;
}

void env_fail_ownership(bool f)
{
	env_fail_audit = f;
}

int pkvm_check_host_ownership(void)
{
	hyp_assert_lock_held(&host_mmu.lock);
	hyp_assert_lock_held(&pkvm_pgd_lock);

	return env_fail_audit ? -EPERM : 0;
}

int get_order(unsigned long size)
{
	int order = 0;

	for (size = size ? (size - 1) >> PAGE_SHIFT : BIT(63); size; size >>= 1)
		order++;

	return order;
}

struct pkvm_hyp_vm *get_pkvm_hyp_vm(u64 handle)
{
	static struct pkvm_hyp_vm vm = { .kvm.arch.mmu.pgd_phys = ENV_GUEST_PGD };

	return handle == ENV_GUEST ? &vm : NULL;
}

void put_pkvm_hyp_vm(struct pkvm_hyp_vm *vm)
{
}

/* Registers: nothing is mapped there, so each access calls these functions. */

int __pkvm_create_private_mapping(phys_addr_t phys, size_t size,
				  enum kvm_pgtable_prot prot, unsigned long *haddr)
{
	if (prot != PAGE_HYP_DEVICE)
		fail("registers mapped as memory");
	if (env_no_mapping)
		return -ENOMEM;
	*haddr = MMIO_VA + phys;

	return 0;
}

u64 kvm_pgtable_hyp_unmap(struct kvm_pgtable *pgt, u64 addr, u64 size)
{
	return size;
}

u64 env_mmio_read(const volatile void *addr, int size)
{
	u64 pa = (u64)addr - MMIO_VA, val;

	weak_mmio_read();
	weak_hide();
	val = vdev_has(pa) ? vdev_mmio(pa, false, 0, size) : smmu_mmio(pa, false, 0, size);
	weak_show();

	return val;
}

void env_mmio_write(volatile void *addr, u64 val, int size)
{
	u64 pa = (u64)addr - MMIO_VA;

	weak_mmio_write();
	weak_hide();
	smmu_observe_all(SMMU_EVERYTHING);
	if (vdev_has(pa))
		vdev_mmio(pa, true, val, size);
	else
		smmu_mmio(pa, true, val, size);
	weak_show();
}

bool env_protected_vms(void)
{
	return !pkvm_iommu_check_isolation();
}

bool env_in_service(void)
{
	return pkvm_iommu_in_service();
}

bool env_can_suspend(void)
{
	return pkvm_iommu_can_suspend();
}

bool env_resume(void)
{
	if (el2_stops()) {
		next_cpu();
		return false;
	}
	this_cpu->resumes = true;
	pkvm_iommu_resume();
	this_cpu->resumes = false;
	this_cpu->stoppable = false;

	return true;
}

bool env_hvc(bool boot, const u64 *args, u64 *res)
{
	struct kvm_cpu_context ctxt;
	int i;

	memset(&ctxt, 0xa5, sizeof(ctxt));
	for (i = 0; i < ENV_ARGS; i++)
		ctxt.regs.regs[1 + i] = args[i];
	if (el2_stops()) {
		next_cpu();
		return false;
	}
	if (boot)
		handle___pkvm_iommu_boot(&ctxt);
	else
		handle___pkvm_iommu_call(&ctxt);
	this_cpu->stoppable = false;
	for (i = 0; i < 3; i++)
		res[i] = ctxt.regs.regs[1 + i];

	return true;
}
