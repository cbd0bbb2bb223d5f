/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The fake architecture: force-included in front of each EL2 source, so that
 * it compiles for the build machine. The headers that the sources name are
 * either the real ones (Makefile: REAL), those of tools/include, or empty.
 *
 * This file and env.c replace the following for the tests. Stores that hardware may
 * see in the middle of an update, barriers and cache maintenance call hooks. Locks
 * check their order. Register accesses go to the software IOMMUs. BUG() is caught.
 */
#ifndef EL2_H
#define EL2_H

#define CONFIG_PHYS_ADDR_T_64BIT	1
/* Page descriptors of the kernel, which EL2 has no use for. */
#define __IOMMU_PAGES_H

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <linux/types.h>
#include <linux/compiler.h>
#include <linux/bits.h>
#include <linux/bitops.h>
#include <linux/bitfield.h>
#include <linux/list.h>
#include <linux/log2.h>
#include <linux/sizes.h>
#include <linux/align.h>
#include <linux/kernel.h>
#include <linux/build_bug.h>
#include <linux/kconfig.h>
#include <linux/stringify.h>

#include "../env.h"

#define CONFIG_PKVM_IOMMU		1
#define CONFIG_PKVM_IOMMU_SMMU_V2	1
#define CONFIG_PKVM_IOMMU_SMMU_V3	1
#define CONFIG_PKVM_IOMMU_TEST		1
#define CONFIG_PKVM_IOMMU_VIRTIO	1

typedef u64 dma_addr_t;
typedef u64 kvm_pte_t;

#define __ro_after_init
#define __uninitialized
#undef __always_unused
#define __always_unused		__attribute__((unused))
#undef noinline
#define noinline		__attribute__((noinline))
#undef __noreturn
#define __noreturn		__attribute__((noreturn))
#undef __rcu
#define __rcu
#undef __iomem
#define __iomem
#undef fallthrough
#define fallthrough		__attribute__((fallthrough))
#define __counted_by(member)
#define __cacheline_aligned
#define ____cacheline_aligned_in_smp
#define SMP_CACHE_BYTES		64
#define EXPORT_SYMBOL_GPL(sym)

#define PAGE_SHIFT		ENV_PAGE_SHIFT
#define PAGE_SIZE		(1UL << PAGE_SHIFT)
#define PAGE_MASK		(~(PAGE_SIZE - 1))
#define PTRS_PER_PTE		(1 << (PAGE_SHIFT - 3))
#define PTRS_PER_PMD		PTRS_PER_PTE
#define PMD_SHIFT		(2 * PAGE_SHIFT - 3)
#define PMD_SIZE		(1UL << PMD_SHIFT)
#define PUD_SHIFT		(3 * PAGE_SHIFT - 6)
#undef U8_MAX
#undef U16_MAX
#undef U32_MAX
#undef U64_MAX
#define U8_MAX			((u8)~0U)
#define U16_MAX			((u16)~0U)
#define U64_MAX			((u64)~0ULL)
#define U32_MAX			((u32)~0U)
#define MAX_PAGE_ORDER		10
#define NR_PAGE_ORDERS		(MAX_PAGE_ORDER + 1)
#define PAGE_ALIGN(addr)	ALIGN(addr, PAGE_SIZE)
#define pte_index(addr)		((addr) >> PAGE_SHIFT & (PTRS_PER_PTE - 1))
#define offset_in_page(p)	((unsigned long)(p) & ~PAGE_MASK)
#define PAGE_ALIGNED(addr)	IS_ALIGNED((unsigned long)(addr), PAGE_SIZE)
#define USEC_PER_SEC		1000000L
#define lower_32_bits(n)	((u32)(n))
#define upper_32_bits(n)	((u32)((n) >> 16 >> 16))
#ifndef ALIGN_DOWN
#define ALIGN_DOWN(x, a)	((x) & ~((typeof(x))(a) - 1))
#endif

/* Without the kernel's check that both arguments have the same signedness. */
#undef min
#undef max
#undef min_t
#undef max_t
#undef min3
#undef clamp
#define __cmp(op, a, b)		({ typeof(1 ? (a) : (b)) __a = (a), __b = (b);	\
				   __a op __b ? __a : __b; })
#define min(a, b)		__cmp(<, a, b)
#define max(a, b)		__cmp(>, a, b)
#define min3(a, b, c)		min(min(a, b), c)
#define min_t(type, a, b)	min((type)(a), (type)(b))
#define max_t(type, a, b)	max((type)(a), (type)(b))
#define clamp(v, lo, hi)	min(max(v, lo), hi)

/* BUG() ends the call; env.c decides if the test has failed. */
#undef BUG
#undef BUG_ON
#undef WARN_ON
#undef WARN_ON_ONCE
#undef WARN_ONCE
#undef WARN
#define BUG()			env_bug(__func__, __FILE__, __LINE__)
#define BUG_ON(cond)		do { if (cond) BUG(); } while (0)
/* Fatal at EL2 as well. */
#define WARN_ON(cond)		({ bool __c = !!(cond); if (__c) BUG(); __c; })
#define WARN_ON_ONCE(cond)	WARN_ON(cond)
#define WARN_ONCE(cond, ...)	WARN_ON(cond)
#define WARN(cond, ...)		WARN_ON(cond)

/*
 * The only assembly in the EL2 sources is the BRK that ends EL2 on purpose. The
 * instruction itself, which is not this machine's, is never reached or emitted.
 */
#define asm			env_brk(); for (; 0;) __asm__
#define PKVM_IOMMU_LOST_BRK_IMM	0xa00
#undef unreachable
#define unreachable()		__builtin_unreachable()

/* CPUs are logical: env.c and interleave.c choose the one that runs. */
#define DECLARE_PER_CPU(type, name)	extern __typeof__(type) name[ENV_CPUS]
#define DEFINE_PER_CPU(type, name)	__typeof__(type) name[ENV_CPUS]
#define per_cpu_ptr(ptr, cpu)		(&(*(ptr))[cpu])
#define this_cpu_ptr(ptr)		per_cpu_ptr(ptr, env_this_cpu)
#define CONFIG_NR_CPUS			ENV_CPUS
#define hyp_smp_processor_id()		env_this_cpu
extern unsigned long hyp_nr_cpus;

/* A store that hardware may see at once. */
#undef WRITE_ONCE
#define WRITE_ONCE(x, val)						\
({									\
	*(volatile typeof(x) *)&(x) = (val);				\
	env_store((const void *)&(x));					\
})
/* <asm/kvm_hypevents.h> */
#define trace_pkvm_iommu_call(op, args, ret, x2, x3)	do {} while (0)
#define trace_pkvm_iommu_invalidate(tag, addr, size)	do {} while (0)
#define trace_pkvm_iommu_revoke(phys, size)		do {} while (0)

#undef READ_ONCE
#define READ_ONCE(x)		(*(const volatile typeof(x) *)&(x))

/*
 * Order of memory, as arm64 has it: see weak.c. mb() and the like are DSBs, smp_mb()
 * and dma_mb() and the like are DMBs.
 */
#undef wmb
#undef rmb
#undef mb
#undef smp_wmb
#undef smp_rmb
#undef smp_mb
#undef smp_load_acquire
#undef smp_store_release
#define ENV_SCOPE_sy		ENV_ALL
#define ENV_SCOPE_osh		ENV_ALL
#define ENV_SCOPE_ish		ENV_ALL
#define ENV_SCOPE_nsh		ENV_ALL
#define ENV_SCOPE_st		ENV_STORES
#define ENV_SCOPE_oshst		ENV_STORES
#define ENV_SCOPE_ishst		ENV_STORES
#define ENV_SCOPE_nshst		ENV_STORES
#define ENV_SCOPE_ld		ENV_LOADS
#define ENV_SCOPE_oshld		ENV_LOADS
#define ENV_SCOPE_ishld		ENV_LOADS
#define ENV_SCOPE_nshld		ENV_LOADS
#define dsb(type)		env_dsb(ENV_SCOPE_##type)
#define dmb(type)		env_dmb(ENV_SCOPE_##type)
#define mb()			dsb(sy)
#define rmb()			dsb(ld)
#define wmb()			dsb(st)
#define dma_mb()		dmb(osh)
#define dma_rmb()		dmb(oshld)
#define dma_wmb()		dmb(oshst)
#define smp_mb()		dmb(ish)
#define smp_rmb()		dmb(ishld)
#define smp_wmb()		dmb(ishst)
#define smp_mb__before_atomic()	smp_mb()
#define smp_mb__after_atomic()	smp_mb()
#define smp_load_acquire(p)						\
({									\
	typeof(*(p)) __acquired = READ_ONCE(*(p));			\
	env_acquire();							\
	__acquired;							\
})
#define smp_store_release(p, v)						\
do {									\
	typeof(p) __to = (p);						\
	typeof(*(p)) __released = (v);					\
	env_release();							\
	WRITE_ONCE(*__to, __released);					\
} while (0)

/* Atomic operations. Where accesses have hooks, others may run before these, too. */
#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define EL2_HOOKS
#endif
#elif defined(__SANITIZE_THREAD__)
#define EL2_HOOKS
#endif
#ifdef EL2_HOOKS
void env_hook(void);
void *env_memset(void *to, int byte, size_t size);
void *env_memcpy(void *to, const void *from, size_t size);
#undef memset
#undef memcpy
#define memset(to, byte, size)	env_memset(to, byte, size)
#define memcpy(to, from, size)	env_memcpy(to, from, size)
#else
#define env_hook()		do { } while (0)
#endif
#define env_atomic_op(ptr, op, old, arg, order)				\
({									\
	typeof(ptr) __ptr = (ptr);					\
	unsigned long __old = (unsigned long)(old);			\
	unsigned long __arg = (unsigned long)(arg);			\
	env_hook();							\
	(typeof(*(ptr)))env_rmw(__ptr, sizeof(*__ptr), op, __old, __arg, order);	\
})
#define env_try_cmpxchg(ptr, oldp, new, order)				\
({									\
	typeof(oldp) __oldp = (oldp);					\
	typeof(*(oldp)) __was = *__oldp;				\
	typeof(*(oldp)) __is = env_atomic_op(ptr, ENV_CMPXCHG, __was, new, order);	\
	if (__is != __was)						\
		*__oldp = __is;						\
	__is == __was;							\
})
#undef xchg
#undef cmpxchg
#undef try_cmpxchg
#define xchg(p, v)		env_atomic_op(p, ENV_XCHG, 0, v, ENV_FULL)
#define xchg_acquire(p, v)	env_atomic_op(p, ENV_XCHG, 0, v, ENV_ACQUIRE)
#define xchg_release(p, v)	env_atomic_op(p, ENV_XCHG, 0, v, ENV_RELEASE)
#define xchg_relaxed(p, v)	env_atomic_op(p, ENV_XCHG, 0, v, ENV_RELAXED)
#define cmpxchg(p, o, n)		env_atomic_op(p, ENV_CMPXCHG, o, n, ENV_FULL)
#define cmpxchg_acquire(p, o, n)	env_atomic_op(p, ENV_CMPXCHG, o, n, ENV_ACQUIRE)
#define cmpxchg_release(p, o, n)	env_atomic_op(p, ENV_CMPXCHG, o, n, ENV_RELEASE)
#define cmpxchg_relaxed(p, o, n)	env_atomic_op(p, ENV_CMPXCHG, o, n, ENV_RELAXED)
#define try_cmpxchg(p, o, n)		env_try_cmpxchg(p, o, n, ENV_FULL)
#define try_cmpxchg_acquire(p, o, n)	env_try_cmpxchg(p, o, n, ENV_ACQUIRE)
#define try_cmpxchg_release(p, o, n)	env_try_cmpxchg(p, o, n, ENV_RELEASE)
#define try_cmpxchg_relaxed(p, o, n)	env_try_cmpxchg(p, o, n, ENV_RELAXED)
#define cmpxchg64(p, o, n)		cmpxchg(p, o, n)
#define cmpxchg64_acquire(p, o, n)	cmpxchg_acquire(p, o, n)
#define cmpxchg64_release(p, o, n)	cmpxchg_release(p, o, n)
#define cmpxchg64_relaxed(p, o, n)	cmpxchg_relaxed(p, o, n)
#define try_cmpxchg64(p, o, n)		try_cmpxchg(p, o, n)
#define try_cmpxchg64_acquire(p, o, n)	try_cmpxchg_acquire(p, o, n)
#define try_cmpxchg64_release(p, o, n)	try_cmpxchg_release(p, o, n)
#define try_cmpxchg64_relaxed(p, o, n)	try_cmpxchg_relaxed(p, o, n)

/* atomic_t and atomic64_t. A name without suffix that returns a value is fully ordered. */
#undef ATOMIC_INIT
#define ATOMIC_INIT(i)		{ (i) }
#define ATOMIC64_INIT(i)	{ (i) }
typedef struct { s64 counter; } atomic64_t;
#define ATOMIC_RETURN(name, type, op, val, suffix, order)				\
static inline type name##_fetch_##op##suffix(type i, name##_t *v)			\
{											\
	return env_atomic_op(&v->counter, val, 0, ATOMIC_ARG_##op(i), order);		\
}
#define ATOMIC_SUM(name, type, op, sign, suffix, order)					\
static inline type name##_##op##_return##suffix(type i, name##_t *v)			\
{											\
	return env_atomic_op(&v->counter, ENV_ADD, 0, sign i, order) sign i;		\
}
#define ATOMIC_ARG_add(i)	(i)
#define ATOMIC_ARG_sub(i)	(-(i))
#define ATOMIC_ARG_or(i)	(i)
#define ATOMIC_ARG_and(i)	(i)
#define ATOMIC_ARG_andnot(i)	(~(i))
#define ATOMIC_ARG_xor(i)	(i)
#define ATOMIC_ORDERS(what, ...)			\
	what(__VA_ARGS__, , ENV_FULL)			\
	what(__VA_ARGS__, _acquire, ENV_ACQUIRE)	\
	what(__VA_ARGS__, _release, ENV_RELEASE)	\
	what(__VA_ARGS__, _relaxed, ENV_RELAXED)
#define ATOMIC_OP(name, type, op, val)							\
static inline void name##_##op(type i, name##_t *v)					\
{											\
	env_atomic_op(&v->counter, val, 0, ATOMIC_ARG_##op(i), ENV_RELAXED);		\
}											\
ATOMIC_ORDERS(ATOMIC_RETURN, name, type, op, val)
#define ATOMIC_TYPE(name, type)								\
ATOMIC_OP(name, type, add, ENV_ADD)							\
ATOMIC_OP(name, type, sub, ENV_ADD)							\
ATOMIC_OP(name, type, or, ENV_OR)							\
ATOMIC_OP(name, type, and, ENV_AND)							\
ATOMIC_OP(name, type, andnot, ENV_AND)							\
ATOMIC_OP(name, type, xor, ENV_XOR)							\
ATOMIC_ORDERS(ATOMIC_SUM, name, type, add, +)						\
ATOMIC_ORDERS(ATOMIC_SUM, name, type, sub, -)						\
static inline type name##_read(const name##_t *v) { return READ_ONCE(v->counter); }	\
static inline void name##_set(name##_t *v, type i) { WRITE_ONCE(v->counter, i); }	\
static inline type name##_read_acquire(const name##_t *v)				\
{											\
	return smp_load_acquire(&v->counter);						\
}											\
static inline void name##_set_release(name##_t *v, type i)				\
{											\
	smp_store_release(&v->counter, i);						\
}											\
static inline void name##_inc(name##_t *v) { name##_add(1, v); }			\
static inline void name##_dec(name##_t *v) { name##_sub(1, v); }			\
static inline bool name##_dec_and_test(name##_t *v) { return !name##_sub_return(1, v); }
ATOMIC_TYPE(atomic, int)
ATOMIC_TYPE(atomic64, s64)
#define atomic_xchg(v, i)			xchg(&(v)->counter, i)
#define atomic64_xchg(v, i)			xchg(&(v)->counter, i)
#define atomic_cmpxchg(v, o, n)			cmpxchg(&(v)->counter, o, n)
#define atomic64_cmpxchg(v, o, n)		cmpxchg(&(v)->counter, o, n)
#define atomic_try_cmpxchg(v, o, n)		try_cmpxchg(&(v)->counter, o, n)
#define atomic_try_cmpxchg_acquire(v, o, n)	try_cmpxchg_acquire(&(v)->counter, o, n)
#define atomic_try_cmpxchg_release(v, o, n)	try_cmpxchg_release(&(v)->counter, o, n)
#define atomic_try_cmpxchg_relaxed(v, o, n)	try_cmpxchg_relaxed(&(v)->counter, o, n)
#define atomic64_try_cmpxchg(v, o, n)		try_cmpxchg(&(v)->counter, o, n)
#define atomic64_try_cmpxchg_acquire(v, o, n)	try_cmpxchg_acquire(&(v)->counter, o, n)
#define atomic64_try_cmpxchg_release(v, o, n)	try_cmpxchg_release(&(v)->counter, o, n)
#define atomic64_try_cmpxchg_relaxed(v, o, n)	try_cmpxchg_relaxed(&(v)->counter, o, n)

static inline u64 rol64(u64 word, unsigned int shift)
{
	return word << (shift & 63) | word >> (-shift & 63);
}

/* Bits; those of tools/include are not atomic. */
#undef set_bit
#undef clear_bit
#undef test_and_set_bit
#undef test_and_clear_bit
#define env_bit_op(nr, addr, op, not, order)						\
({											\
	unsigned long __bit = (nr);							\
	!!(env_atomic_op((volatile unsigned long *)(addr) + BIT_WORD(__bit), op, 0,	\
			 not BIT_MASK(__bit), order) & BIT_MASK(__bit));		\
})
#define set_bit(nr, addr)		((void)env_bit_op(nr, addr, ENV_OR, +, ENV_RELAXED))
#define clear_bit(nr, addr)		((void)env_bit_op(nr, addr, ENV_AND, ~, ENV_RELAXED))
#define clear_bit_unlock(nr, addr)	((void)env_bit_op(nr, addr, ENV_AND, ~, ENV_RELEASE))
#define test_and_set_bit(nr, addr)	env_bit_op(nr, addr, ENV_OR, +, ENV_FULL)
#define test_and_set_bit_lock(nr, addr)	env_bit_op(nr, addr, ENV_OR, +, ENV_ACQUIRE)
#define test_and_clear_bit(nr, addr)	env_bit_op(nr, addr, ENV_AND, ~, ENV_FULL)

#define isb()			do { } while (0)
#undef cpu_relax
#define cpu_relax()		env_relax()
/* Only in a loop without an end: the host does not run again on this CPU. */
#undef wfe
#define wfe()			env_halt()
#undef array_index_nospec
#define array_index_nospec(i, n)	((i) < (n) ? (i) : 0)

#define read_sysreg(reg)	env_sysreg_##reg()
#define env_sysreg_cntpct_el0()	env_time()
#define env_sysreg_cntfrq_el0()	ENV_FREQUENCY

#undef readb_relaxed
#undef writeb_relaxed
#define readb_relaxed(addr)		((u8)env_mmio_read(addr, 1))
#define writeb_relaxed(val, addr)	env_mmio_write(addr, (u8)(val), 1)
#undef readl_relaxed
#undef readq_relaxed
#undef writel_relaxed
#undef writeq_relaxed
#define readl_relaxed(addr)		((u32)env_mmio_read(addr, 4))
#define readq_relaxed(addr)		env_mmio_read(addr, 8)
#define writel_relaxed(val, addr)	env_mmio_write(addr, (u32)(val), 4)
#define writeq_relaxed(val, addr)	env_mmio_write(addr, val, 8)
#define readl(addr)			({ u32 __val = readl_relaxed(addr); dma_rmb(); __val; })
#define writel(val, addr)		do { dma_wmb(); writel_relaxed(val, addr); } while (0)

#define kvm_flush_dcache_to_poc(addr, size)	env_clean(addr, size)

/* Locks: env.c checks owner and order, by the name that the source uses. */
typedef struct env_lock hyp_spinlock_t;
#define __HYP_SPIN_LOCK_UNLOCKED	((hyp_spinlock_t) { NULL })
#define DEFINE_HYP_SPINLOCK(x)		hyp_spinlock_t x
#define hyp_spin_lock_init(l)		((l)->held = NULL)
#define hyp_spin_lock(l)		env_lock(l, #l)
#define hyp_spin_unlock(l)		env_unlock(l, #l)
#define hyp_assert_lock_held(l)		env_assert_held(l, #l)
#define hyp_spin_is_locked(l)		((l)->held != NULL)

/* <nvhe/memory.h> is the real one; this is what it needs. */
enum kvm_pgtable_prot {
	KVM_PGTABLE_PROT_R	= BIT(0),
	KVM_PGTABLE_PROT_DEVICE	= BIT(3),
	KVM_PGTABLE_PROT_NORMAL_NC = BIT(4),
	PKVM_HOST_MEM_PROT	= KVM_PGTABLE_PROT_R,
	PKVM_HOST_MMIO_PROT	= KVM_PGTABLE_PROT_R,
	KVM_PGTABLE_PROT_SW0	= BIT(55),
	KVM_PGTABLE_PROT_SW1	= BIT(56),
	PAGE_HYP		= 1,
	PAGE_HYP_DEVICE		= 2,
};
extern s64 hyp_physvirt_offset;
#define __hyp_pa(virt)		((phys_addr_t)(uintptr_t)(virt) + hyp_physvirt_offset)

struct kvm_pgtable {
	unsigned int ia_bits;
};

struct host_mmu {
	struct kvm_pgtable pgt;
	hyp_spinlock_t lock;
};

struct memblock_region {
	phys_addr_t base;
	phys_addr_t size;
};

struct kvm_cpu_context {
	struct {
		u64 regs[31];
	} regs;
};
#define cpu_reg(ctxt, r)	((ctxt)->regs.regs[r])
#define DECLARE_REG(type, name, ctxt, reg)	type name = (type)cpu_reg(ctxt, reg)

struct pkvm_hyp_vm {
	struct {
		struct {
			struct {
				u64 pgd_phys;
			} mmu;
		} arch;
	} kvm;
};

extern struct host_mmu host_mmu;
extern struct kvm_pgtable pkvm_pgtable;
extern hyp_spinlock_t pkvm_pgd_lock;
extern struct memblock_region hyp_memory[];
extern unsigned int hyp_memblock_nr;
bool addr_is_memory(phys_addr_t phys);
int __pkvm_host_donate_hyp(u64 pfn, u64 nr_pages);
int __pkvm_hyp_donate_host(u64 pfn, u64 nr_pages);
int __pkvm_host_share_hyp(u64 pfn);
int __pkvm_host_unshare_hyp(u64 pfn);
int hyp_pin_shared_mem(void *from, void *to);
int __pkvm_create_private_mapping(phys_addr_t phys, size_t size,
				  enum kvm_pgtable_prot prot, unsigned long *haddr);
u64 kvm_pgtable_hyp_unmap(struct kvm_pgtable *pgt, u64 addr, u64 size);
int pkvm_check_host_ownership(void);
int get_order(unsigned long size);
struct pkvm_hyp_vm *get_pkvm_hyp_vm(u64 handle);
void put_pkvm_hyp_vm(struct pkvm_hyp_vm *vm);

/* Bitmaps, of which tools/include has less than the kernel. */
#ifndef DECLARE_BITMAP
#define DECLARE_BITMAP(name, bits)	unsigned long name[BITS_TO_LONGS(bits)]
#endif
#define __assign_bit(nr, addr, value)					\
	((value) ? __set_bit(nr, addr) : __clear_bit(nr, addr))

/* Declarations for <linux/io-pgtable.h> and the page-table library. */
struct device;
struct iova_bitmap;
struct iommu_dirty_bitmap { struct iova_bitmap *bitmap; };
struct iommu_iotlb_gather { unsigned long start, end; size_t pgsize; bool queued; };
#define IOMMU_READ		BIT(0)
#define IOMMU_WRITE		BIT(1)
#define IOMMU_CACHE		BIT(2)
#define IOMMU_NOEXEC		BIT(3)
#define IOMMU_MMIO		BIT(4)
#define IOMMU_PRIV		BIT(5)
#define IOMMU_DIRTY_NO_CLEAR	BIT(0)
#define iommu_iotlb_gather_queued(gather)		((gather)->queued)
#define iommu_dirty_bitmap_record(dirty, iova, size)	((void)(dirty))
#define iommu_pages_start_incoherent(pages, dev)	0
#define dev_to_node(dev)	0
#undef GFP_KERNEL
#define GFP_KERNEL		0
#define DMA_TO_DEVICE		1
enum dma_data_direction { DMA_NOTHING };

/* Declarations for the headers of the stock drivers; none is used. */
#undef __init
#undef __exit
#define __init
#define __exit
typedef int irqreturn_t;
#ifndef find_next_zero_bit
#define find_next_zero_bit(map, end, start)	(end)
#endif
enum iommu_hw_info_type { IOMMU_HW_INFO_NONE };
enum iommu_viommu_type { IOMMU_VIOMMU_NONE };
struct iommu_user_data;
struct iommu_user_data_array;
typedef struct { int v; } rwlock_t;
typedef s64 ktime_t;
typedef u32 ioasid_t;
#define IOMMU_NO_PASID		0
#define IOMMU_FWSPEC_PCI_RC_CANWBS	1
#define spinlock_t		fake_spinlock_t
typedef struct { int v; } fake_spinlock_t;
struct fake_rcu_head { void *p; };
#define rcu_head		fake_rcu_head
struct ida { int v; };
struct iommu_device { int v; };
struct fake_rb { void *p; };
#define rb_root			fake_rb
#define rb_node			fake_rb
struct fake_mutex { int v; };
#define mutex			fake_mutex
struct iommu_domain { int v; };
struct mmu_notifier { int v; };
struct iommufd_viommu { int v; };
struct iommufd_vdevice { int v; };
struct fake_fwspec { int flags; };
#define dev_iommu_fwspec_get(dev)	((struct fake_fwspec *)(dev))
#define kzalloc_flex(...)		NULL
#define rwlock_init(l)			do { } while (0)
#define rcu_dereference_protected(p, c)	(p)
#ifndef kfree
#define kfree(p)			((void)(p))
#endif
#ifndef ERR_PTR
#define ERR_PTR(e)			((void *)(long)(e))
#endif

#endif /* EL2_H */
