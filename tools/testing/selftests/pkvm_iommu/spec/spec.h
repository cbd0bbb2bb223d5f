/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The executable specification of <linux/pkvm_iommu.h>: a state, and for each call the
 * answers that the contract allows in that state. It is written from the contract,
 * and independent of the implementation of EL2. If several errors apply, the contract
 * does not define which one is returned, and any of them is right.
 *
 * Devices must not reach memory that the host cannot reach, whoever owns it. The
 * specification records the owner to know which calls may succeed.
 */
#ifndef SPEC_H
#define SPEC_H

#include <stdbool.h>
#include <stdint.h>

#define SPEC_IOMMUS	32
#define SPEC_REGISTERS	160
#define SPEC_FAULTS	256

enum spec_page {
	SPEC_HOST,		/* owned by the host alone */
	SPEC_HOST_SHARED,	/* owned and shared by the host */
	SPEC_RUNS,		/* the same, for runs of MAP_LIST: shared for ever */
	SPEC_BORROWED,		/* owned by a guest, and shared with the host */
	SPEC_GUEST,
	SPEC_EL2,		/* owned by EL2 for ever */
	SPEC_POOL,		/* in the pool, used or free */
};

struct spec_memory {
	uint64_t first, end;	/* pfns of whole pages */
	unsigned char *page;	/* enum spec_page */
};

struct spec_fault {
	uint32_t sid;
	int reason;
	bool write;
	uint64_t addr;
	bool after_loss;	/* records were lost since the one before it */
	int place;		/* of the record, if records have no order: any number */
	bool hides;		/* others were lost because of this one */
};

/* Registers that EL2 keeps from the host: windows of IOMMUs, and those withheld. */
struct spec_registers {
	uint64_t base, size;
};

/* Addresses that streams cannot use. */
struct spec_region {
	uint64_t first, last;
	uint64_t kind;
	bool odd;		/* streams with an odd id have it too */
};

#define SPEC_REGIONS	3

struct spec_iommu {
	uint64_t base, size;		/* pages of registers */
	uint64_t at;			/* address of the registers */
	unsigned int sid_bits, oas;
	uint64_t wants;			/* bytes of memory */
	int lacks_windows;		/* windows that the host has yet to name */
	bool has, isolates, dead;
	bool no_tables;			/* walks no page tables: mappings are passed to it */
	bool permits;			/* does not translate: only permits and denies */
	int contexts;			/* if not 0: streams that it can translate at a time */
	int matches, banks;		/* if not 0: attached streams, and domains with streams */
	/*
	 * If @ids is not 0, a stream id has a mask in its upper half: it stands for all ids on the
	 * bus that have the same bits but for those. These bits of ids and of masks exist.
	 */
	uint32_t ids, masks;
	bool unordered;			/* its records of faults have no order */
	uint64_t endpoints;		/* if not 0: exclusive end of the streams that it accepts */
	bool fickle;			/* may refuse a mapping */
	enum { SPEC_MAY_NEST, SPEC_NESTS, SPEC_NESTS_NOT } nests;	/* the calls tell */
	unsigned int limit;		/* size of addresses of devices, in bits; 0: unknown */
	int geometry;			/* INFO_GEOMETRY; -1: unknown */
	uint64_t nested_format;		/* INFO_NESTED; 0: unknown */
	bool tells;			/* of the regions of its streams */
	struct spec_region region[SPEC_REGIONS];
	int nr_regions;
	struct spec_fault fault[SPEC_FAULTS];
	int nr_faults;
	bool loss;			/* a loss is not reported yet */
	uint32_t errors;		/* errors of the IOMMU itself, not reported yet */
};

struct spec_stream {
	int iommu;
	uint32_t sid;
	bool attached;
	uint64_t domain;
};

struct spec_map {
	uint64_t iova, phys, size, prot;
};

struct spec_maps {
	struct spec_map *map;
	int nr, max;
	bool runs;			/* each map is one run of at most 2 MiB, not split */
};

#define SPEC_DOMAINS	72

struct spec_domain {
	uint64_t id;			/* 0: none */
	int iommu;			/* for which it was made */
	bool dying;			/* FREE has begun */
	bool nested;			/* the host has the page table, from @root on */
	uint64_t root;
	uint32_t knows;			/* IOMMUs without page tables that have all mappings */
	uint32_t may_know;		/* or that may have: the last REPLAY raced with an attach */
	struct spec_maps is;		/* current mappings */
	/*
	 * Mappings before a lazy unmap. EL2 may have flushed them since; the calls do
	 * not tell. The host still owns the memory.
	 */
	struct spec_maps was;
};

struct spec {
	enum { SPEC_OPEN, SPEC_BUILDING, SPEC_SEALED, SPEC_OFF, SPEC_FAILED } state;
	bool isolated;
	struct spec_memory mem[4];
	int nr_mem;
	struct spec_iommu iommu[SPEC_IOMMUS];
	int nr_iommus;
	struct spec_registers registers[SPEC_REGISTERS];
	int nr_registers, nr_withheld;
	struct spec_stream *stream;
	int nr_streams, max_streams;
	uint64_t total;			/* pages of the pool */
	uint64_t free_min, free_max;	/* bounds of its free pages; INFO sets both */
	uint64_t enough;		/* free pages that are enough for any ATTACH; 0: unknown */
	uint64_t enough_alloc;		/* the same for DOMAIN_ALLOC */
	struct spec_domain domain[SPEC_DOMAINS];
	unsigned int cpu_bits;		/* of physical addresses */
	uint64_t nr_runs;		/* runs in the memory shared for MAP_LIST */
	const uint64_t *runs;		/* its contents; the walk sets it before a call */

	/* Concurrent events, and the current one of them: see spec-race.c. */
	const struct spec_event *race, *now;
	int nr_race;

	/* Properties of the hardware, which the walk sets before a call. */
	bool refuses;			/* REGISTER, SEAL: it cannot be isolated */
	uint64_t timeouts;		/* SEAL: mask of IOMMUs that do not respond */
	uint64_t stubborn;		/* of these, IOMMUs that respond, but keep their settings */
	bool audit_fails;		/* SEAL */
	bool no_room;			/* REGISTER: mapping the registers at EL2 fails */
	bool cannot_take;		/* SEAL: taking the registers from the host fails */
	unsigned int new_oas;		/* REGISTER: of the next IOMMU */
};

void spec_memory(struct spec *s, uint64_t base, uint64_t end);
unsigned char *spec_page(struct spec *s, uint64_t pfn);
bool spec_domain_room(struct spec *s);	/* the specification has room for another domain */
/* Check a range: devices must be able to reach part of it; or must not reach part of it. */
void spec_range(struct spec *s, uint64_t pa, uint64_t size, bool *must, bool *never);
/* The IOMMU for which a domain was made; -1: none, or the identity domain. */
int spec_domain_iommu(struct spec *s, uint64_t domain);
/* Check that streams of an IOMMU can be in the domain, as far as its geometry goes. */
bool spec_fits(struct spec *s, uint64_t iommu, uint64_t domain);
/* Check that a domain is nested, and read its root table. */
bool spec_nested(struct spec *s, uint64_t domain, uint64_t *root);
bool spec_attached(struct spec *s, int iommu, uint32_t sid);
uint64_t spec_domain_of(struct spec *s, int iommu, uint32_t sid);
/* Find the attached stream that has an id of the bus, if stream ids have masks. */
bool spec_owner(struct spec *s, int iommu, uint32_t id, uint32_t *sid);
/*
 * Look up mappings of a domain: returns NULL if nothing in the range is mapped; else
 * its first mapping, and sets @all if the whole range is mapped contiguously.
 */
const struct spec_map *spec_mapped(struct spec *s, uint64_t domain, uint64_t iova,
				   uint64_t size, bool *all);
/* Check that the whole range may still lead to @phys, with @prot in the bits of @mask. */
bool spec_was_mapped(struct spec *s, uint64_t domain, uint64_t iova, uint64_t size,
		     uint64_t phys, uint64_t prot, uint64_t mask);
/* Check if a translation of @iova may be left from before a lazy unmap. */
bool spec_may_linger(struct spec *s, uint64_t domain, uint64_t iova);
/* Count the bytes that are mapped, and those that may linger after a lazy unmap. */
bool spec_knows(struct spec *s, int iommu, uint64_t domain, uint64_t *mapped, uint64_t *lingers);
/* Check that a page is mapped, so that the host must not lose it. */
bool spec_pinned(struct spec *s, uint64_t pfn);

/* The state of a page from which an enum env_op (spec-env.h) starts. */
enum spec_page spec_page_from(int op);
/* Check the result @ret of a transition. */
const char *spec_page_op(struct spec *s, int op, uint64_t pfn, int ret);

/*
 * Check the answer @res (x1 to x3) to the call @args (x1 to x17), and update the
 * state. Returns NULL, or a message if the answer is wrong.
 */
const char *spec_boot(struct spec *s, const uint64_t *args, const uint64_t *res);
const char *spec_call(struct spec *s, const uint64_t *args, const uint64_t *res);

/* A device was refused. The IOMMU recorded it if it had room. */
void spec_fault(struct spec *s, int iommu, struct spec_fault fault, bool room);

/* An event that is concurrent with others, from @start to @end. */
struct spec_event {
	enum { SPEC_CALL, SPEC_PAGE, SPEC_FAULT } kind;
	uint64_t start, end;
	const uint64_t *args;		/* of a call */
	uint64_t res[3];
	int op;				/* of a page */
	uint64_t pfn;
	struct spec_fault fault;
	bool room;
	int iommu;
};

/*
 * Update the state by all events, in an order that explains their answers. Returns
 * NULL, or a message if there is no such order.
 */
const char *spec_race(struct spec *s, const struct spec_event *events, int nr);

#endif /* SPEC_H */
