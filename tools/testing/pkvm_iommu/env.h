/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The environment of the EL2 code: memory and page ownership, locks, time,
 * registers. Plain C for both sides: the EL2 sources include it through
 * include/el2.h, the tests directly.
 *
 * Memory is mapped twice. EL2's mapping has only the pages that EL2 owns, so that
 * an access to any other page is a SIGSEGV. The tests and the software IOMMUs use
 * the other mapping. If the SMMU does not snoop the CPU caches, there is a second
 * copy of the memory: the data that env_clean() has written back.
 */
#ifndef ENV_H
#define ENV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "spec-env.h"

/* The page size of the kernel under test; a last-level table, and a block of the next level. */
#ifndef ENV_PAGE_SHIFT
#define ENV_PAGE_SHIFT	12
#endif
#define ENV_PAGE	(1ULL << ENV_PAGE_SHIFT)
#define ENV_PTES	(ENV_PAGE / 8)
#define ENV_BLOCK	(ENV_PTES * ENV_PAGE)
#define ENV_FREQUENCY	100ULL		/* each read of the counter advances it by 1 */

/*
 * Three ranges of memory: the second is not page aligned, and the third lies
 * across 4 GiB. With pages of 16 KiB, they have as many blocks as with 4 KiB; with 64 KiB, as
 * many pages.
 */
#define ENV_SCALE	(ENV_PAGE_SHIFT == 12 ? 1ULL : 16ULL)
#define ENV_RAM0	0x40000000ULL
#define ENV_RAM0_END	(ENV_RAM0 + ENV_SCALE * 0x500000)
#define ENV_RAM1	(ENV_RAM0 + ENV_SCALE * 0x600000 + ENV_PAGE / 2)
#define ENV_RAM1_END	(ENV_RAM0 + ENV_SCALE * 0xc00000 - 2 * ENV_PAGE + ENV_PAGE / 4)
#define ENV_GIB		0x80000000ULL	/* only if the configuration has it */
#define ENV_GIB_END	0xc0000000ULL
#define ENV_RAM2	(0x100000000ULL - 32 * ENV_PAGE)
#define ENV_RAM2_END	(0x100000000ULL + 64 * ENV_PAGE)
#define ENV_CARVEOUT	(ENV_RAM0 + ENV_SCALE * 0x410000)	/* owned by EL2 before the boot */
#define ENV_CARVEOUT_END	(ENV_CARVEOUT + 4 * ENV_PAGE)
#define ENV_END		(0x100000000ULL + 256 * ENV_PAGE)	/* exclusive end of the mappings */

#define ENV_CPUS	1024
extern unsigned int env_this_cpu;

/* A lock of EL2: the name by which it was taken, and the CPU that holds it. */
struct env_lock {
	const char *held;
	unsigned int cpu;
	uint64_t released;	/* when; see weak.c */
};

/* Accesses that a barrier orders; atomic operations, and what those order. */
enum env_scope { ENV_ALL, ENV_LOADS, ENV_STORES };
enum env_rmw { ENV_XCHG, ENV_ADD, ENV_OR, ENV_AND, ENV_XOR, ENV_CMPXCHG };
#define ENV_RELAXED	0
#define ENV_ACQUIRE	1
#define ENV_RELEASE	2
#define ENV_FULL	3

/* Called by the EL2 sources. */
void env_brk(void) __attribute__((noreturn));	/* the BRK that ends EL2 after a lost command */
void env_halt(void) __attribute__((noreturn));	/* EL2 never returns to the host */
void env_bug(const char *func, const char *file, int line) __attribute__((noreturn));
void env_store(const void *addr);
void env_dmb(enum env_scope scope);
void env_dsb(enum env_scope scope);
void env_acquire(void);		/* the load before is an acquire */
void env_release(void);		/* the store after is a release */
void env_relax(void);
uint64_t env_rmw(volatile void *ptr, int size, enum env_rmw op, uint64_t expected, uint64_t arg,
		 int order);	/* returns the old value */
void env_clean(const void *addr, size_t size);
uint64_t env_time(void);
uint64_t env_mmio_read(const volatile void *addr, int size);
void env_mmio_write(volatile void *addr, uint64_t val, int size);
void env_lock(struct env_lock *lock, const char *name);
void env_unlock(struct env_lock *lock, const char *name);
void env_assert_held(struct env_lock *lock, const char *name);

/* Called by the tests. */
void env_init(bool coherent, unsigned int ia_bits);
void env_add_gib(void);
void env_unshare(void);				/* memory, after a fork */
int env_page_op(enum env_op op, uint64_t pfn);
bool env_is_ram(uint64_t pa);			/* whole page of memory */
bool env_host_reaches(uint64_t pfn);		/* by EL2's own record */
bool env_host_owns(uint64_t pfn);		/* exclusively, not shared */
bool env_el2_owns(uint64_t pfn);
uint64_t env_el2_pa(const void *addr);		/* physical address of an EL2 address */
uint8_t *env_alias(const void *addr);		/* where that can always be accessed */
uint64_t env_page_of(uint64_t pa);		/* its number as EL2 sees it; 0: none */
void env_visible(const void *addr);		/* to hardware; NULL: all memory */
uint64_t *env_cpu(uint64_t pa);			/* memory as the CPUs see it */
uint64_t *env_poc(uint64_t pa);			/* memory as a non-snooping SMMU sees it */
void env_dev_write(uint64_t pa, const void *data, size_t size, bool snoops);
uint64_t env_unpins(void);			/* changes when pins were removed */
void env_unpinned(void);			/* some were, just now */
bool env_pinned(uint64_t pa);			/* by EL2's own record */
/* By the table of an IOMMU that does not translate; and if its stream is attached. */
bool env_permitted(unsigned int id, uint64_t pa, bool *attached);
void env_no_locks(void);			/* check that this CPU holds no lock */
unsigned int env_live_cpu(unsigned int n);	/* the n-th on which EL2 has not stopped */
bool env_cpu_stopped(unsigned int cpu);
/*
 * With several CPUs: called at the boundaries of locks, and with a lock that
 * another CPU holds, to let others run. It returns on the same CPU.
 */
extern void (*env_yield)(struct env_lock *waits);
extern int env_atomic;				/* not 0: do not switch to another CPU */
void env_fail_ownership(bool fail);		/* the audit at the seal fails */
void env_fail_registers(bool fail);		/* mapping registers at EL2 fails */
void env_fail_taking(bool fail);		/* taking registers from the host fails */
bool env_is_taken(uint64_t phys, uint64_t size);	/* the host has lost these registers */
/* Check what the backend finds as a window of its IOMMU. */
void env_check_window(unsigned int id, unsigned int nr, uint64_t phys, uint64_t size);
bool env_protected_vms(void);			/* EL2 allows protected VMs */
bool env_in_service(void);
#define ENV_ARGS	17
/* A hypercall: @args x1 to x17; @res x1 to x3. True unless EL2 stopped. */
bool env_hvc(bool boot, const uint64_t *args, uint64_t *res);
/* A CPU comes from power-off. True unless EL2 stopped. */
bool env_resume(void);
bool env_can_suspend(void);			/* EL2 permits SYSTEM_SUSPEND */
/*
 * Set by env_hvc(), env_resume() and env_page_op() if EL2 stopped: true if it ended after a lost
 * command, or waits for a lock of a CPU that did. If the CPUs run one at a time, the
 * next call is made on another CPU.
 */
extern bool env_rightly;
extern const char *env_bug_func;	/* function of the BUG(), if env_rightly is false */

/* Called by both: a test has failed. Prints the trace and exits. */
void fail(const char *fmt, ...) __attribute__((noreturn, format(printf, 1, 2)));

#endif /* ENV_H */
