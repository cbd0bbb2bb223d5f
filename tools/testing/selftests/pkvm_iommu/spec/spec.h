/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The executable specification of <linux/pkvm_iommu.h>: a state, and for each
 * call the answers that the contract allows in that state. It knows nothing of
 * how EL2 works. Written from the contract; where several errors apply, the
 * contract does not say which one is returned, so any of them is right.
 *
 * Memory that the host cannot reach, whoever has it, is all the same to a
 * device; the specification keeps the owner to know which calls may succeed.
 */
#ifndef SPEC_H
#define SPEC_H

#include <stdbool.h>
#include <stdint.h>

#define SPEC_IOMMUS	32
#define SPEC_FAULTS	256

enum spec_page {
	SPEC_HOST,		/* the host's alone */
	SPEC_HOST_SHARED,	/* the host's, and shared by it */
	SPEC_RUNS,		/* the same, with runs for EL2, for good */
	SPEC_BORROWED,		/* a guest's, and shared with the host */
	SPEC_GUEST,
	SPEC_EL2,		/* EL2's, for good */
	SPEC_POOL,		/* given to the pool, in use or not */
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
};

struct spec_iommu {
	uint64_t base, size;		/* registers */
	unsigned int sid_bits, oas;
	uint64_t wants;			/* bytes of memory */
	bool has, isolates, dead;
	bool no_tables;			/* has to be told of mappings */
	uint64_t endpoints;		/* if not 0: refuses streams from this one on */
	bool fickle;			/* may refuse a mapping */
	struct spec_fault fault[SPEC_FAULTS];
	int nr_faults;
	bool loss;			/* not reported yet */
	uint32_t errors;		/* of its own, not reported yet */
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
	bool runs;			/* each is one run, of 2 MiB at most: none may be split */
};

#define SPEC_DOMAINS	72

struct spec_domain {
	uint64_t id;			/* 0: none */
	bool dying;			/* FREE has begun */
	uint32_t knows;			/* IOMMUs that were told of all that is mapped */
	struct spec_maps is;		/* mapped */
	/*
	 * Was mapped, until a lazy unmap. EL2 may have flushed it since, or not: it
	 * does not say. It is the host's still.
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
	struct spec_stream *stream;
	int nr_streams, max_streams;
	uint64_t total;			/* pages of the pool */
	uint64_t free_min, free_max;	/* of which unused; INFO says exactly */
	uint64_t enough;		/* with so many, no ATTACH runs out; 0: not said */
	uint64_t enough_alloc;		/* the same for DOMAIN_ALLOC */
	struct spec_domain domain[SPEC_DOMAINS];
	unsigned int cpu_bits;		/* of physical addresses */
	unsigned int limit;		/* reach of devices, in bits; 0: not said */
	uint64_t nr_runs;		/* that there is memory for */
	const uint64_t *runs;		/* what is in it: the walk says where, and before a call */

	/* Calls at the same time, of which this is one: see spec-race.c. */
	const struct spec_event *race, *now;
	int nr_race;

	/* What the hardware is: the walk says before the call. */
	bool refuses;			/* REGISTER, SEAL: it cannot be isolated */
	uint64_t timeouts;		/* SEAL: these do not respond */
	bool audit_fails;		/* SEAL */
	bool no_room;			/* REGISTER: for the registers */
	bool cannot_take;		/* SEAL: them from the host */
	unsigned int new_oas;		/* REGISTER: of the next IOMMU */
};

void spec_memory(struct spec *s, uint64_t base, uint64_t end);
unsigned char *spec_page(struct spec *s, uint64_t pfn);
bool spec_domain_room(struct spec *s);	/* for another domain, here */
/* What devices may reach of a range: some of it has to be, some must not be. */
void spec_range(struct spec *s, uint64_t pa, uint64_t size, bool *must, bool *never);
bool spec_attached(struct spec *s, int iommu, uint32_t sid);
uint64_t spec_domain_of(struct spec *s, int iommu, uint32_t sid);
/*
 * What is mapped in a domain: NULL if nothing is in the range; else the mapping at
 * its start, or of what there is, and whether all of it leads to one place.
 */
const struct spec_map *spec_mapped(struct spec *s, uint64_t domain, uint64_t iova,
				   uint64_t size, bool *all);
/* Whether all of a range may still lead to @phys, with the @mask of @prot. */
bool spec_was_mapped(struct spec *s, uint64_t domain, uint64_t iova, uint64_t size,
		     uint64_t phys, uint64_t prot, uint64_t mask);
/* Whether anything may be left of what was mapped at @iova. */
bool spec_may_linger(struct spec *s, uint64_t domain, uint64_t iova);
/* How many bytes are mapped, and how many may be left of those that were. */
bool spec_knows(struct spec *s, int iommu, uint64_t domain, uint64_t *mapped, uint64_t *lingers);
/* Mapped, and so what nobody may take from the host. */
bool spec_pinned(struct spec *s, uint64_t pfn);

/* The state of a page from which an enum env_op (spec-env.h) starts. */
enum spec_page spec_page_from(int op);
/* Judge what came of one. */
const char *spec_page_op(struct spec *s, int op, uint64_t pfn, int ret);

/*
 * Judge the answer @res (x1 to x3) to the call @args (x1 to x17), and take the
 * step. Returns NULL, or what is wrong with it.
 */
const char *spec_boot(struct spec *s, const uint64_t *args, const uint64_t *res);
const char *spec_call(struct spec *s, const uint64_t *args, const uint64_t *res);

/* A device was refused; the IOMMU had room to record it, or not. */
void spec_fault(struct spec *s, int iommu, struct spec_fault fault, bool room);

/* Something that happened while other things did, from @start to @end. */
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
 * Take the steps of all events, in an order that explains their answers. Returns
 * NULL, or why there is none.
 */
const char *spec_race(struct spec *s, const struct spec_event *events, int nr);

#endif /* SPEC_H */
