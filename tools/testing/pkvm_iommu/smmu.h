/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Software SMMUs. That of version 2 is described in smmu-v2.h; the functions here are for both.
 *
 * A software SMMUv3, written from the architecture (IHI 0070) and sharing no
 * code with the backend under test. It is the worst hardware that is allowed:
 *
 * - It reads a stream table entry as eight words, each at its own time.
 * - It caches every configuration and translation that it could have read at
 *   any point in time, and drops one only when a CMD_SYNC follows the command that
 *   invalidates it. So a word that it can read has several possible values: the one
 *   in memory, the one in the CPU's cache, which may be evicted (if the SMMU does
 *   not snoop), and each older value that was not invalidated since.
 * - It may start to use any combination of these values at any time.
 *
 * It accepts only the commands and formats that the layer needs. All others cause
 * the error that the architecture specifies.
 */
#ifndef SMMU_H
#define SMMU_H

#include <stdbool.h>
#include <stdint.h>

#include "spec.h"

#define SMMU_MAX	4
#define SMMU_EVERYTHING	(~0ULL)

/* Of an SMMUv2, see smmu-v2.h. */
struct smmu_v2_config {
	unsigned int banks;		/* 0: it is an SMMUv3 */
	unsigned int s2_banks;		/* banks at the start that have stage 2 only */
	unsigned int smrs;		/* 0: no stream matching, the id is the index of an S2CR */
	uint32_t masks;			/* bits of a mask that exist */
	unsigned int ias;		/* input bits of stage 2, if not the output bits */
	unsigned int irqs;		/* interrupts of contexts, if not one for each bank */
	bool pages64;			/* its registers have pages of 64 KiB */
	bool vmid16;
	unsigned int mmu500;		/* major revision, 1 or 2; 0: another implementation */
	bool locked;			/* MMU-500: the secure side keeps CACHE_LOCK */
	bool mmu401;			/* an SMMUv1 with tables of 64 KiB pages */
	bool exids;			/* ids of 16 bits */
	bool overlong;			/* more registers than are registered */
	bool freezes;			/* it breaks as SMMU_FROZEN, not by lost commands */
};

/* A kind of hardware, and how it misbehaves. */
struct smmu_config {
	uint64_t base;			/* of its registers */
	uint64_t size;
	bool s1, s2, two_level, coherent, hyp, ats, msi, ovr, ril;
	unsigned int sid_bits, oas, cmdq_bits, evtq_bits;
	unsigned int latency;		/* register reads until a request is done */
	unsigned int fetch_errors;	/* one per this many commands; 0: never */
	unsigned int pauses;		/* stop for a while, once in this many commands; 0: never */
	uint32_t idr0_flip, idr1_set;	/* features that cannot be isolated */
	bool no_granule;		/* none of the kernel's page size */
	uint32_t iidr;			/* implementation */
	bool erratum;			/* it has one that keeps it from nesting */
	bool dead_gbpa, dead_cr0, dead_irq, dead_sync;	/* never acknowledges */
	struct smmu_v2_config v2;
};

/* Result of a device's access. */
enum smmu_result {
	SMMU_OK,
	SMMU_BLOCKED,		/* no valid configuration */
	SMMU_UNMAPPED,
	SMMU_PERMISSION,
	SMMU_BYPASS,		/* went through untranslated */
};

int smmu_add(const struct smmu_config *config);
/* 0: it works again; 1: takes effect at once, or a little later; else after so many commands - 2 */
void smmu_break_sync(int id, uint64_t how);
/* Of an SMMUv2, instead: it has no clock, and the bus answers 0 in its place. */
#define SMMU_GATED	(~0ULL)
/* Likewise: its entries, or its banks, do not keep what is written. */
#define SMMU_FROZEN	(~1ULL)
/* Requests that the hardware does not acknowledge after a reset. */
enum smmu_dead { SMMU_LIVES, SMMU_DEAD_GBPA, SMMU_DEAD_CR0, SMMU_DEAD_IRQ, SMMU_DEAD_SYNC };
void smmu_reset(int id, enum smmu_dead dead);	/* and what is cached, stays so */

/* Called by the environment. */
uint64_t smmu_mmio(uint64_t pa, bool write, uint64_t val, int size);
void smmu_observe_all(uint64_t pa);	/* memory at @pa, or all, may have changed */
void smmu_mmio_taken(uint64_t base, uint64_t size);
void smmu_check_revoked(uint64_t pfn, uint64_t nr, bool reachable);
void smmu_check_freed(uint64_t pa);
void smmu_check_pinned(void);

/* Called by the walk. */
unsigned int smmu_table_bits(int id);	/* stream ids that the table holds */
/*
 * Check that a stream is certainly blocked, or certainly translated, for everything
 * that the hardware may do.
 */
void smmu_check_stream(int id, uint32_t sid, bool attached, uint64_t domain);
/*
 * Check all that the hardware can reach, against smmu_range() and
 * smmu_mapping(); or only what changed since the last time, which is faster.
 */
void smmu_check_reach(int id, bool all);
/* Check that memory behind mappings is pinned, in tables changed since the last call. */
void smmu_check_fresh(void);
/* Check that the SMMU protects: it is enabled, and nothing from before boot is cached. */
void smmu_check_enabled(int id);
/*
 * One access, with random cache contents. If it is refused, @f is set to the record of it but for
 * the reason, and @room to false if there was no room for the record.
 */
enum smmu_result smmu_dma(int id, uint32_t sid, uint64_t addr, bool write, uint64_t *pa,
			  struct spec_fault *f, bool *room);
int smmu_events(int id);	/* most events that the queue can hold; 0: there is no queue */
/* Check the records that it keeps: EL2 has yet to take @nr_faults of them, or some of these. */
void smmu_check_events(int id, int nr_faults);
/* Returns false if there is no room for it. */
extern int smmu_place;		/* of the last record, if there is no queue */
bool smmu_event(int id, uint32_t sid, int what, uint64_t addr, bool write);
void smmu_raise_gerror(int id, uint32_t bits);
uint64_t smmu_random(uint64_t below);	/* the walk's source of chance */

/*
 * The specification's answer for a range: part of it must be reachable, or part of
 * it must not be. Set by the walk.
 */
extern void (*smmu_range)(uint64_t pa, uint64_t size, bool *must, bool *never);
/*
 * Read the mappings of a domain other than the identity domain: returns true if
 * part of the range is mapped, and sets @map if all of it is, contiguously. Set by
 * the walk.
 */
struct smmu_map {
	bool all, read, write;
	bool only_write;		/* the entry may be write-only */
	bool mmio, cache;		/* memory type that the host asked for */
	uint64_t pa;
};
extern bool (*smmu_mapping)(uint64_t domain, uint64_t iova, uint64_t size,
			    struct smmu_map *map);
/*
 * Check that devices may still reach, until the flush after a lazy unmap, the memory
 * that the whole range was mapped to, with these permissions. Set by the walk.
 */
extern bool (*smmu_lingers)(uint64_t domain, uint64_t iova, uint64_t size,
			    const struct smmu_map *map);
/* A page of EL2's that devices may read: a context descriptor, and nothing else. */
bool smmu_lent(uint64_t pa);
/*
 * Read what a nested domain is to have: the root table that the host gave, and the format
 * of INFO_NESTED. Returns false if the domain is not nested. Set by the walk.
 */
struct smmu_nested {
	uint64_t root;
	unsigned int ias, oas;
	bool coherent;
};
extern bool (*smmu_nested)(uint64_t domain, struct smmu_nested *nested);
/*
 * If stream ids have masks: find the attached stream that has an id of the bus, and its domain.
 * Set by the walk.
 */
extern bool (*smmu_owner)(int iommu, uint32_t id, uint32_t *sid, uint64_t *domain);
/*
 * A CPU of the host is about to call INVALIDATE; and it has returned, and was @done or
 * refused. Streams that could translate before the call have to see the invalidation.
 */
#define SMMU_CALLERS	5
void smmu_invalidating(int cpu, uint64_t domain, uint64_t addr, uint64_t size, bool leaf);
void smmu_invalidated(int cpu, bool done);
/* Domain of the next ATTACH. */
extern uint64_t smmu_attaching;
/* EL2 sets SMMUs up after a power-off: streams are in the domains of before. */
extern bool smmu_resuming;
/* Set the exclusive end of the input addresses that are checked. */
void smmu_set_limit(int id, uint64_t limit);

struct smmu_stats {
	uint64_t commands, syncs, invalidations, prefetches, stale, dma, events;
};
extern struct smmu_stats smmu_stats;

#endif /* SMMU_H */
