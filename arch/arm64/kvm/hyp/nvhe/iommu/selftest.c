// SPDX-License-Identifier: GPL-2.0-only
/*
 * Only with CONFIG_PKVM_IOMMU_TEST: what each change of a page's owner means for
 * devices. The table below has a line for each state that a page of the host can be
 * in and a column for each step from there, legal or not. A cell says what must
 * come of it: the errno, whether devices in the identity domain reach the page,
 * whether it is pinned, and how often an IOMMU was told to forget something.
 *
 * A call runs one cell on memory of the caller, and gives all of it back, so it can
 * be repeated, at any time after the seal, whatever else the kernel is built with.
 * The host asks for it, so nothing here trusts what it says: a wrong argument, or a
 * step that does not do what it should, is an answer and never the end of EL2.
 *
 * Locking: selftest_lock, outside of all others, so that the one VM is used once
 * at a time.
 */
#include <asm/kvm_pkvm.h>
#include <asm/stage2_pgtable.h>

#include <nvhe/iommu.h>
#include <nvhe/mem_protect.h>
#include <nvhe/memory.h>
#include <nvhe/mm.h>
#include <nvhe/pkvm.h>

#include <uapi/linux/pkvm_iommu_test.h>

/* Where the page is in the domain, once and twice, and its block. */
#define IOVA_PAGE	SZ_1G
#define IOVA_AGAIN	(SZ_1G + SZ_16M)
#define IOVA_BLOCK	(2UL * SZ_1G)
#define GFN		0x100
/* A VMID that the host's VMs get last. */
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

/* The page under test, and how often EL2 holds it. */
static u64 page_pfn, page_domain;
static unsigned int page_held;

/* The VM has the pages of the host's from @pfn on: its root, and for its tables. */
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

	/* Back to the host, one by one; what could not be is seen by the caller. */
	reclaim_pgtable_pages(&selftest_vm, &given);
	while ((table = pop_hyp_memcache(mc, hyp_phys_to_virt)))
		__pkvm_hyp_donate_host(hyp_virt_to_pfn(table), 1);
}

static int map(u64 iova, u64 phys, u64 pages)
{
	const u64 args[3 + PKVM_IOMMU_RUNS] = {
		page_domain, iova, PKVM_IOMMU_PROT_READ | PKVM_IOMMU_PROT_WRITE,
		PKVM_IOMMU_RUN(phys, pages),
	};
	u64 res[2] = {};

	return pkvm_iommu_map(args, args + 3, 1, res);
}

static int unmap(u64 iova, u64 size, u64 flags)
{
	const u64 args[] = { page_domain, iova, size, flags };
	u64 res[2] = {};

	return pkvm_iommu_unmap(args, res);
}

static int do_step(unsigned int step)
{
	u64 phys = hyp_pfn_to_phys(page_pfn), block = ALIGN_DOWN(phys, SZ_2M);
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
		return map(IOVA_BLOCK, block, PTRS_PER_PTE);
	case PKVM_IOMMU_STEP_UNMAP:
		return unmap(IOVA_PAGE, PAGE_SIZE, 0);
	case PKVM_IOMMU_STEP_UNMAP_LAZY:
		return unmap(IOVA_PAGE, PAGE_SIZE, PKVM_IOMMU_UNMAP_LAZY);
	case PKVM_IOMMU_STEP_UNMAP_BLOCK:
		return unmap(IOVA_BLOCK, SZ_2M, 0);
	case PKVM_IOMMU_STEP_UNMAP_PART:
		return unmap(IOVA_BLOCK, PAGE_SIZE, 0);
	case PKVM_IOMMU_STEP_FLUSH:
		return pkvm_iommu_flush(page_domain);
	}

	return -EINVAL;
}

/* Whatever became of the page: the host's, and nobody else's. */
static void undo(const struct state *state)
{
	void *virt = hyp_phys_to_virt(hyp_pfn_to_phys(page_pfn));
	bool ffa = state->path[0] == S(SHARE_FFA) + 1;

	unmap(IOVA_PAGE, PAGE_SIZE, 0);
	unmap(IOVA_AGAIN, PAGE_SIZE, 0);
	unmap(IOVA_BLOCK, SZ_2M, 0);
	do_step(PKVM_IOMMU_STEP_FLUSH);
	for (; page_held; page_held--)
		hyp_unpin_shared_mem(virt, virt + PAGE_SIZE);
	do_step(PKVM_IOMMU_STEP_UNSHARE_HYP);
	do_step(PKVM_IOMMU_STEP_UNLEND);
	do_step(PKVM_IOMMU_STEP_RECLAIM_GUEST);
	do_step(PKVM_IOMMU_STEP_RETURN_HYP);
	/* It does not look whom the page is shared with. */
	if (ffa || get_host_state(hyp_phys_to_page(hyp_pfn_to_phys(page_pfn))) ==
		   PKVM_PAGE_SHARED_OWNED)
		do_step(PKVM_IOMMU_STEP_UNSHARE_FFA);
}

static u64 invalidations(void)
{
	u64 args[2] = { PKVM_IOMMU_TEST_INVALIDATIONS }, res[2], sum = 0;

	for (; args[1] < pkvm_iommu_nr; args[1]++) {
		if (!pkvm_iommu_test(args, res))
			sum += res[0];
	}

	return sum;
}

/* Which of its parts is not as @want; 0 if all are. */
static int compare(const struct outcome *want, u64 before, u64 *got)
{
	u64 phys = hyp_pfn_to_phys(page_pfn), after = invalidations();

	*got = pkvm_iommu_shadow_maps(phys);
	if (*got != want->shadow)
		return PKVM_IOMMU_SELFTEST_SHADOW;
	*got = after - before;
	if (*got != want->invalidated)
		return PKVM_IOMMU_SELFTEST_INVALIDATED;

	hyp_spin_lock(&host_mmu.lock);
	*got = pkvm_iommu_check_pins(phys, PAGE_SIZE) != 0;
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

/* All of it is memory; whose it is, the steps find out. */
static bool is_block(u64 pfn, u64 pages)
{
	u64 phys = pfn << PAGE_SHIFT, start, end;

	return !(pfn >> (48 - PAGE_SHIFT)) && IS_ALIGNED(pfn, pages) &&
	       pkvm_iommu_region(phys, &start, &end) && end - phys >= pages << PAGE_SHIFT;
}

/* PKVM_IOMMU_TEST_SELFTEST */
int pkvm_iommu_selftest(const u64 *args, u64 *res)
{
	static const struct outcome host = { .shadow = true };
	u64 state = args[1], step = args[2], before;
	int ret;

	if (!pkvm_iommu_in_service())
		return -ENODEV;
	if (state >= ARRAY_SIZE(states) || step >= NR_STEPS || states[state].then[step] == X)
		return -ENOENT;
	if (!is_block(args[3], PTRS_PER_PTE) || !is_block(args[4], PKVM_IOMMU_SELFTEST_VM_PAGES))
		return -EINVAL;

	hyp_spin_lock(&selftest_lock);
	page_pfn = args[3] + 1;
	page_domain = args[5];
	/* What is undone must not be another's. */
	hyp_spin_lock(&host_mmu.lock);
	ret = get_host_state(hyp_phys_to_page(hyp_pfn_to_phys(page_pfn))) == PKVM_PAGE_OWNED ?
	      0 : -EPERM;
	hyp_spin_unlock(&host_mmu.lock);
	if (!ret)
		ret = vm_init(args[4]);
	if (!ret) {
		res[0] = run(&states[state], step, &res[1]);
		undo(&states[state]);
		vm_end();
		before = invalidations();
		if (!res[0] && compare(&host, before, &res[1]))
			res[0] = PKVM_IOMMU_SELFTEST_LEFT;
	}
	hyp_spin_unlock(&selftest_lock);
	if (!ret && !res[0])
		res[1] = 0;

	return ret;
}
