// SPDX-License-Identifier: GPL-2.0-only
/*
 * Selftest of page ownership and DMA, only with CONFIG_PKVM_IOMMU_TEST.
 *
 * The table below has a line for each state that a page of the host can be in, and a
 * column for each step from there, legal or not. A cell is the expected outcome: the
 * errno, whether devices in the identity domain reach the page, whether it is pinned,
 * and the number of invalidations.
 *
 * A call runs one cell on memory of the caller and gives all of it back. It can be
 * repeated at any time after the seal, with any kernel configuration. The host
 * chooses the arguments, so nothing here trusts them: a wrong argument, or a step with
 * an unexpected outcome, is a result and never stops EL2.
 *
 * selftest_lock is outside of all other locks, so that only one call uses the VM.
 */
#include <asm/kvm_pkvm.h>
#include <asm/stage2_pgtable.h>

#include <nvhe/mem_protect.h>
#include <nvhe/memory.h>
#include <nvhe/mm.h>
#include <nvhe/pkvm.h>

#include "core.h"

#include <uapi/linux/pkvm_iommu_test.h>

/* I/O virtual addresses of the page, of its second mapping, and of its block. */
#define IOVA_PAGE	SZ_1G
#define IOVA_AGAIN	(SZ_1G + SZ_16M)
#define IOVA_BLOCK	(2UL * SZ_1G)
/* A run that is mapped by blocks: one of them, or 1 GiB if that is longer than a run of pages. */
#define RUN_HAS_BLOCK	(PTRS_PER_PTE <= PKVM_IOMMU_RUN_PAGES)
#define RUN_SIZE	(RUN_HAS_BLOCK ? PMD_SIZE : SZ_1G)
#define GFN		0x100
/* The last VMID that the host allocates for its VMs. */
#define VMID		255

enum {
	/* Nothing for devices changes; the errno. */
	K = 0, P = -EPERM, B = -EBUSY, N = -ENOENT, E = -EEXIST, I = -EINVAL,
	/* It works, and: devices lose the page; have it again; */
	T = 1, G,
	/* it is pinned; no longer; no longer, but for another mapping; */
	M, U, V,
	/* it waits for a flush; that, and is still, or again, pinned; */
	L, W,
	/* the flush, on request; the flush, and devices lose the page; */
	F, A,
	/* the cell makes no sense: its caller at EL2 would have checked before */
	X,
};

struct outcome {
	bool	shadow, pinned;
	u8	invalidated;	/* by the step */
	u8	waiting;	/* when EL2 wants to know whether the page is pinned */
};

static const struct outcome outcomes[] = {
	[T] = { .invalidated = 1 },
	[G] = { .shadow = true },
	[M] = { .shadow = true, .pinned = true },
	[U] = { .shadow = true, .invalidated = 1 },
	[V] = { .shadow = true, .pinned = true, .invalidated = 1 },
	[L] = { .shadow = true, .waiting = 1 },
	[W] = { .shadow = true, .pinned = true, .waiting = 1 },
	[F] = { .shadow = true, .invalidated = 1 },
	[A] = { .invalidated = 2 },
};

#define S(step)		PKVM_IOMMU_STEP_##step
#define NR_STEPS	(PKVM_IOMMU_STEP_FLUSH + 1)

static const struct state {
	u8		path[4];	/* the steps that lead there, 1 more each */
	struct outcome	is;
	s8		then[NR_STEPS];	/* in their order */
} states[] = {
/*
 *	 to EL2	share	FF-A	to VM	VM shares lend	map	unmap	   of a block
 *	 |  back | un hold | un	|  back	|  un	|  un	|  block| lazy all part | flush
 */
[PKVM_IOMMU_STATE_HOST] = { {}, { true, },
	{ T, P,  K, P, P,  K, P,  T, N,  N, N,  K, N,  M, M,  K, K,  K, K,  K } },
[PKVM_IOMMU_STATE_SHARED] = { { S(SHARE_HYP) + 1 }, { true, },
	{ P, P,  P, K, K,  P, X,  P, N,  N, N,  P, N,  M, M,  K, K,  K, K,  K } },
[PKVM_IOMMU_STATE_HELD] = { { S(SHARE_HYP) + 1, S(HOLD) + 1 }, { true, },
	{ P, P,  P, B, K,  P, X,  P, N,  N, N,  P, N,  M, M,  K, K,  K, K,  K } },
[PKVM_IOMMU_STATE_FFA] = { { S(SHARE_FFA) + 1 }, { true, },
	{ P, P,  P, P, P,  P, K,  P, N,  N, N,  P, N,  M, M,  K, K,  K, K,  K } },
[PKVM_IOMMU_STATE_HYP] = { { S(DONATE_HYP) + 1 }, { false, },
	{ P, G,  P, P, P,  P, P,  P, N,  N, N,  P, N,  P, P,  K, K,  K, K,  K } },
[PKVM_IOMMU_STATE_GUEST] = { { S(DONATE_GUEST) + 1 }, { false, },
	{ P, P,  P, P, P,  P, P,  P, G,  G, P,  P, P,  P, P,  K, K,  K, K,  K } },
[PKVM_IOMMU_STATE_BORROWED] = { { S(DONATE_GUEST) + 1, S(GUEST_SHARE) + 1 }, { true, },
	{ P, P,  P, P, P,  P, P,  P, K,  P, T,  P, P,  M, M,  K, K,  K, K,  K } },
[PKVM_IOMMU_STATE_LENT] = { { S(LEND) + 1 }, { true, },
	{ P, P,  P, P, P,  P, X,  P, P,  P, P,  P, K,  M, M,  K, K,  K, K,  K } },
[PKVM_IOMMU_STATE_MAPPED] = { { S(MAP) + 1 }, { true, true, },
	{ B, P,  K, P, P,  K, P,  B, N,  N, N,  K, N,  E, M,  U, L,  K, K,  K } },
[PKVM_IOMMU_STATE_TWICE] = { { S(MAP) + 1, S(MAP_AGAIN) + 1 }, { true, true, },
	{ B, P,  K, P, P,  K, P,  B, N,  N, N,  K, N,  E, M,  V, W,  K, K,  K } },
[PKVM_IOMMU_STATE_LAZY] = { { S(MAP) + 1, S(UNMAP_LAZY) + 1 }, { true, false, 0, 1 },
	{ A, P,  K, P, P,  K, P,  A, N,  N, N,  K, N,  V, W,  K, K,  K, K,  F } },
[PKVM_IOMMU_STATE_BLOCK] = { { S(MAP_BLOCK) + 1 }, { true, true, },
	{ B, P,  K, P, P,  K, P,  B, N,  N, N,  K, N,  M, E,  K, K,  U, I,  K } },
[PKVM_IOMMU_STATE_SHARED_MAPPED] = { { S(SHARE_HYP) + 1, S(MAP) + 1 }, { true, true, },
	{ P, P,  P, K, K,  P, X,  P, N,  N, N,  P, N,  E, M,  U, L,  K, K,  K } },
[PKVM_IOMMU_STATE_LENT_MAPPED] = { { S(LEND) + 1, S(MAP) + 1 }, { true, true, },
	{ P, P,  P, P, P,  P, X,  P, P,  P, P,  P, K,  E, M,  U, L,  K, K,  K } },
[PKVM_IOMMU_STATE_BORROWED_MAPPED] = {
	{ S(DONATE_GUEST) + 1, S(GUEST_SHARE) + 1, S(MAP) + 1 }, { true, true, },
	{ P, P,  P, P, P,  P, P,  P, K,  P, B,  P, P,  E, M,  U, L,  K, K,  K } },
[PKVM_IOMMU_STATE_BORROWED_BLOCK] = {
	{ S(DONATE_GUEST) + 1, S(GUEST_SHARE) + 1, S(MAP_BLOCK) + 1 }, { true, true, },
	{ P, P,  P, P, P,  P, P,  P, K,  P, B,  P, P,  M, E,  K, K,  U, I,  K } },
[PKVM_IOMMU_STATE_BORROWED_LAZY] = {
	{ S(DONATE_GUEST) + 1, S(GUEST_SHARE) + 1, S(MAP) + 1, S(UNMAP_LAZY) + 1 },
	{ true, false, 0, 1 },
	{ P, P,  P, P, P,  P, P,  P, K,  P, A,  P, P,  V, W,  K, K,  K, K,  F } },
};

static DEFINE_HYP_SPINLOCK(selftest_lock);

static struct pkvm_hyp_vm selftest_vm = {
	.kvm.arch.mmu = {
		.arch	= &selftest_vm.kvm.arch,
		.pgt	= &selftest_vm.pgt,
	},
};

static struct pkvm_hyp_vcpu selftest_vcpu = {
	.vcpu = {
		.kvm		= &selftest_vm.kvm,
		.arch.hw_mmu	= &selftest_vm.kvm.arch.mmu,
	},
};

/* Page and domain under test, and the number of EL2's pins of the page. */
static u64 page_pfn, page_domain;
static unsigned int page_held;

/* Donate pages of the host from @pfn on to the VM: its root table, and a memcache. */
static int vm_init(u64 pfn)
{
	struct kvm_s2_mmu *mmu = &selftest_vm.kvm.arch.mmu;
	struct kvm_hyp_memcache *mc = &selftest_vcpu.vcpu.arch.pkvm_memcache;
	void *virt = hyp_phys_to_virt(hyp_pfn_to_phys(pfn)), *table;
	u64 root;
	int ret;

	mmu->vtcr = host_mmu.arch.mmu.vtcr;
	atomic64_set(&mmu->vmid.id, VMID);
	root = kvm_pgtable_stage2_pgd_size(mmu->vtcr);
	if (root >> PAGE_SHIFT > PKVM_IOMMU_SELFTEST_VM_PAGES / 2)
		return -EINVAL;
	ret = __pkvm_host_donate_hyp(pfn, PKVM_IOMMU_SELFTEST_VM_PAGES);
	if (ret)
		return ret;
	memset(virt, 0, PKVM_IOMMU_SELFTEST_VM_PAGES << PAGE_SHIFT);
	ret = kvm_guest_prepare_stage2(&selftest_vm, virt);
	if (ret) {
		__pkvm_hyp_donate_host(pfn, PKVM_IOMMU_SELFTEST_VM_PAGES);
		return ret;
	}
	for (table = virt + root; table < virt + (PKVM_IOMMU_SELFTEST_VM_PAGES << PAGE_SHIFT);
	     table += PAGE_SIZE)
		push_hyp_memcache(mc, table, hyp_virt_to_phys);

	return 0;
}

static void vm_end(void)
{
	struct kvm_hyp_memcache *mc = &selftest_vcpu.vcpu.arch.pkvm_memcache, given = {};
	void *table;

	/* Return all pages to the host. The caller notices if one is missing. */
	reclaim_pgtable_pages(&selftest_vm, &given);
	while ((table = pop_hyp_memcache(mc, hyp_phys_to_virt)))
		__pkvm_hyp_donate_host(hyp_virt_to_pfn(table), 1);
}

static int map(u64 iova, u64 phys, u64 pages)
{
	const u64 run = PKVM_IOMMU_RUN(phys, pages);
	struct pkvm_iommu_progress progress = {};

	return pkvm_iommu_map(page_domain, iova, PKVM_IOMMU_PROT_READ | PKVM_IOMMU_PROT_WRITE,
			      &run, 1, &progress);
}

static int unmap(u64 iova, u64 size, u64 flags)
{
	struct pkvm_iommu_progress progress = {};

	return pkvm_iommu_unmap(page_domain, iova, size, flags, &progress);
}

static int do_step(unsigned int step)
{
	u64 phys = hyp_pfn_to_phys(page_pfn), block = ALIGN_DOWN(phys, RUN_SIZE);
	void *virt = hyp_phys_to_virt(phys);
	int ret;

	switch (step) {
	case PKVM_IOMMU_STEP_DONATE_HYP:
		return __pkvm_host_donate_hyp(page_pfn, 1);
	case PKVM_IOMMU_STEP_RETURN_HYP:
		return __pkvm_hyp_donate_host(page_pfn, 1);
	case PKVM_IOMMU_STEP_SHARE_HYP:
		return __pkvm_host_share_hyp(page_pfn);
	case PKVM_IOMMU_STEP_UNSHARE_HYP:
		return __pkvm_host_unshare_hyp(page_pfn);
	case PKVM_IOMMU_STEP_HOLD:
		ret = hyp_pin_shared_mem(virt, virt + PAGE_SIZE);
		page_held += !ret;
		return ret;
	case PKVM_IOMMU_STEP_SHARE_FFA:
		return __pkvm_host_share_ffa(page_pfn, 1);
	case PKVM_IOMMU_STEP_UNSHARE_FFA:
		return __pkvm_host_unshare_ffa(page_pfn, 1);
	case PKVM_IOMMU_STEP_DONATE_GUEST:
		return __pkvm_host_donate_guest(page_pfn, GFN, &selftest_vcpu);
	case PKVM_IOMMU_STEP_RECLAIM_GUEST:
		return __pkvm_host_reclaim_page_guest(GFN, &selftest_vm);
	case PKVM_IOMMU_STEP_GUEST_SHARE:
		return __pkvm_guest_share_host(&selftest_vcpu, GFN);
	case PKVM_IOMMU_STEP_GUEST_UNSHARE:
		return __pkvm_guest_unshare_host(&selftest_vcpu, GFN);
	case PKVM_IOMMU_STEP_LEND:
		return __pkvm_host_share_guest(page_pfn, GFN, 1, &selftest_vcpu,
					       KVM_PGTABLE_PROT_RWX);
	case PKVM_IOMMU_STEP_UNLEND:
		return __pkvm_host_unshare_guest(GFN, 1, &selftest_vm);
	case PKVM_IOMMU_STEP_MAP:
		return map(IOVA_PAGE, phys, 1);
	case PKVM_IOMMU_STEP_MAP_AGAIN:
		return map(IOVA_AGAIN, phys, 1);
	case PKVM_IOMMU_STEP_MAP_BLOCK:
		return map(IOVA_BLOCK, block, RUN_HAS_BLOCK ? PTRS_PER_PTE : 0);
	case PKVM_IOMMU_STEP_UNMAP:
		return unmap(IOVA_PAGE, PAGE_SIZE, 0);
	case PKVM_IOMMU_STEP_UNMAP_LAZY:
		return unmap(IOVA_PAGE, PAGE_SIZE, PKVM_IOMMU_UNMAP_LAZY);
	case PKVM_IOMMU_STEP_UNMAP_BLOCK:
		return unmap(IOVA_BLOCK, RUN_SIZE, 0);
	case PKVM_IOMMU_STEP_UNMAP_PART:
		return unmap(IOVA_BLOCK, PAGE_SIZE, 0);
	case PKVM_IOMMU_STEP_FLUSH:
		return pkvm_iommu_flush(page_domain);
	}

	return -EINVAL;
}

/* Return the page to the host from any state. */
static void undo(const struct state *state)
{
	void *virt = hyp_phys_to_virt(hyp_pfn_to_phys(page_pfn));
	bool ffa = state->path[0] == S(SHARE_FFA) + 1;

	unmap(IOVA_PAGE, PAGE_SIZE, 0);
	unmap(IOVA_AGAIN, PAGE_SIZE, 0);
	unmap(IOVA_BLOCK, RUN_SIZE, 0);
	do_step(PKVM_IOMMU_STEP_FLUSH);
	for (; page_held; page_held--)
		hyp_unpin_shared_mem(virt, virt + PAGE_SIZE);
	do_step(PKVM_IOMMU_STEP_UNSHARE_HYP);
	do_step(PKVM_IOMMU_STEP_UNLEND);
	do_step(PKVM_IOMMU_STEP_RECLAIM_GUEST);
	do_step(PKVM_IOMMU_STEP_RETURN_HYP);
	/* Unsharing from FF-A does not check whom the page is shared with. */
	if (ffa || get_host_state(hyp_phys_to_page(hyp_pfn_to_phys(page_pfn))) ==
		   PKVM_PAGE_SHARED_OWNED)
		do_step(PKVM_IOMMU_STEP_UNSHARE_FFA);
}

static u64 invalidations(void)
{
	u64 id, nr, sum = 0;

	for (id = 0; id < pkvm_iommu_nr; id++) {
		if (!pkvm_iommu_test_invalidations(id, &nr))
			sum += nr;
	}

	return sum;
}

/* Check that all software IOMMUs that do not translate permit the page, or deny it. */
static bool permits_agree(u64 phys, bool want)
{
	u64 id, permitted;

	for (id = 0; id < pkvm_iommu_nr; id++) {
		if (!pkvm_iommu_test_permitted(id, phys, &permitted) && permitted != want)
			return false;
	}

	return true;
}

/* Compare the page with @want. Returns enum pkvm_iommu_selftest_failure, or 0. */
static int compare(const struct outcome *want, u64 before, u64 *got)
{
	u64 phys = hyp_pfn_to_phys(page_pfn), after = invalidations();

	*got = pkvm_iommu_test_shadow(phys);
	if (*got != want->shadow)
		return PKVM_IOMMU_SELFTEST_SHADOW;
	*got = !want->shadow;
	if (!permits_agree(phys, want->shadow))
		return PKVM_IOMMU_SELFTEST_PERMITTED;
	*got = after - before;
	if (*got != want->invalidated)
		return PKVM_IOMMU_SELFTEST_INVALIDATED;

	/* A page that the host cannot reach is closed: nobody can pin it. */
	hyp_spin_lock(&host_mmu.lock);
	*got = false;
	if (get_host_state(hyp_phys_to_page(phys)) != PKVM_NOPAGE) {
		*got = pkvm_iommu_check_pins(phys, PAGE_SIZE) != 0;
		if (!*got)
			pkvm_iommu_pins_open(phys, PAGE_SIZE);
	}
	hyp_spin_unlock(&host_mmu.lock);
	if (*got != want->pinned)
		return PKVM_IOMMU_SELFTEST_PINNED;
	*got = invalidations() - after;

	return *got != want->waiting ? PKVM_IOMMU_SELFTEST_WAITING : 0;
}

static int run(const struct state *state, unsigned int step, u64 *got)
{
	int i, ret, cell = state->then[step], err = min(cell, 0);
	struct outcome want = cell > 0 ? outcomes[cell] : state->is;
	u64 before;

	for (i = 0; i < ARRAY_SIZE(state->path) && state->path[i]; i++) {
		ret = do_step(state->path[i] - 1);
		*got = ret;
		if (ret)
			return PKVM_IOMMU_SELFTEST_SETUP;
	}

	before = invalidations();
	ret = do_step(step);
	*got = ret;
	if (ret != err)
		return PKVM_IOMMU_SELFTEST_ERRNO;

	return compare(&want, before, got);
}

/* Check that the range is memory. The steps check its owner. */
static bool is_block(u64 pfn, u64 pages)
{
	u64 phys = pfn << PAGE_SHIFT, start, end;

	return !(pfn >> (48 - PAGE_SHIFT)) && IS_ALIGNED(pfn, pages) &&
	       pkvm_iommu_memory_range(phys, &start, &end) && end - phys >= pages << PAGE_SHIFT;
}

/**
 * pkvm_iommu_selftest() - PKVM_IOMMU_TEST_SELFTEST
 * @args: arguments of the operation, any values
 * @res: set to 0, or enum pkvm_iommu_selftest_failure
 * @res2: set to the value that was found instead of the expected one
 *
 * Context: takes selftest_lock, and inside it the locks of the operations.
 * Return: 0, or an errno as <uapi/linux/pkvm_iommu_test.h> says.
 */
int pkvm_iommu_selftest(const u64 *args, u64 *res, u64 *res2)
{
	static const struct outcome host = { .shadow = true };
	u64 state = args[1], step = args[2], before;
	int ret;

	if (!pkvm_iommu_in_service())
		return -ENODEV;
	if (state >= ARRAY_SIZE(states) || step >= NR_STEPS || states[state].then[step] == X)
		return -ENOENT;
	if (!is_block(args[3], RUN_SIZE >> PAGE_SHIFT) ||
	    !is_block(args[4], PKVM_IOMMU_SELFTEST_VM_PAGES))
		return -EINVAL;

	hyp_spin_lock(&selftest_lock);
	page_pfn = args[3] + 1;
	page_domain = args[5];
	/* undo() must not change a page that somebody else uses. */
	hyp_spin_lock(&host_mmu.lock);
	ret = get_host_state(hyp_phys_to_page(hyp_pfn_to_phys(page_pfn))) == PKVM_PAGE_OWNED ?
	      0 : -EPERM;
	hyp_spin_unlock(&host_mmu.lock);
	if (!ret)
		ret = vm_init(args[4]);
	if (!ret) {
		*res = run(&states[state], step, res2);
		undo(&states[state]);
		vm_end();
		before = invalidations();
		if (!*res && compare(&host, before, res2))
			*res = PKVM_IOMMU_SELFTEST_LEFT;
	}
	hyp_spin_unlock(&selftest_lock);
	if (!ret && !*res)
		*res2 = 0;

	return ret;
}
