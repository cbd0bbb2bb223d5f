/* SPDX-License-Identifier: GPL-2.0 */
/* Interfaces between the files of the specification, see spec.h. */
#ifndef SPEC_PRIV_H
#define SPEC_PRIV_H

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <linux/pkvm_iommu_test.h>

#include "spec.h"
#include "spec-env.h"

typedef uint64_t u64;
typedef uint32_t u32;

/* The page size of EL2. The build-machine runner is built for each; a guest has one, see phys.h. */
#ifndef SPEC_PAGE_SHIFT
extern unsigned int phys_shift;
#define SPEC_PAGE_SHIFT	phys_shift
#endif
#define PAGE	(1ULL << SPEC_PAGE_SHIFT)
/* A piece is mapped, unmapped and looked up at once; a block of the smallest size; the next. */
#define PIECE	(512 * PAGE)
#define BLOCK	(PAGE / 8 * PAGE)
#define NEXT(b)	((b) * (PAGE / 8))
#define GIB	(1ULL << 30)

/* The allowed answers: errors whose condition holds, or success. */
struct allowed {
	u64 err[3];		/* a bit for each errno: they are below 192 */
	int nr;			/* of reasons for an error */
	bool maybe;		/* success is allowed too */
};

static inline void if_so(struct allowed *a, bool condition, int err)
{
	if (condition) {
		a->err[err / 64] |= 1ULL << err % 64;
		a->nr++;
	}
}

/* The same, but success stays allowed. */
static inline void may_be(struct allowed *a, bool condition, int err)
{
	if (condition && !a->nr)
		a->maybe = true;
	if_so(a, condition, err);
}

const char *judge(const struct allowed *a, const u64 *res, bool *ok);
const char *no_results(const u64 *res);
const char *simple(const u64 *res, int err);

/* spec.c */
void cannot_give(struct spec *s, struct allowed *a, u64 pfn, u64 nr, u64 max, u64 reach);
u64 pool_reach(struct spec *s);
void give(struct spec *s, u64 pfn, u64 nr, enum spec_page to);
void pool_gets(struct spec *s, u64 pfn, u64 nr);
void pool_may_lose(struct spec *s, u64 pages);

/* spec-domain.c */
bool domain_exists(struct spec *s, u64 id);
void flushed(struct spec *s, u64 pfn);
const char *domain_alloc(struct spec *s, const u64 *args, const u64 *res);
const char *nests(struct spec *s, u64 iommu, bool can);
const char *invalidate(struct spec *s, const u64 *args, const u64 *res);
const char *domain_free(struct spec *s, const u64 *args, const u64 *res);
const char *map(struct spec *s, const u64 *args, const u64 *res);
const char *unmap(struct spec *s, const u64 *args, const u64 *res);
const char *lookup(struct spec *s, const u64 *args, const u64 *res);
const char *info_mapped(struct spec *s, const u64 *args, const u64 *res);
const char *flush(struct spec *s, const u64 *args, const u64 *res);
void attached(struct spec *s, int iommu, u64 domain, bool replay);
bool may_know(struct spec *s, int iommu, u64 domain);
void detached(struct spec *s, int iommu, u64 domain);
bool is_connected(struct spec *s, int iommu, u64 domain);
const char *replay_maps(struct spec *s, const u64 *args, const u64 *res);

/* The runs of a MAP or MAP_LIST; NULL if they are beyond the shared memory. */
const u64 *runs_of(struct spec *s, const u64 *args, u64 *nr);
u64 run_size(u64 run);
/* The two steps of a MAP, in any order: map its part, and check the error for the rest. */
const char *map_part(struct spec *s, const u64 *args, const u64 *res, bool verdict);

/* spec-race.c: possible effects of concurrent events on this one. */
bool race_may_pin(struct spec *s, u64 pfn);
bool race_may_unmap(struct spec *s, u64 domain);	/* lazily */
bool race_may_empty(struct spec *s, u64 domain);	/* addresses, or tables */
bool race_may_use(struct spec *s, u64 domain);
bool race_may_set(struct spec *s, u64 iommu, u64 sid);	/* attach or detach the stream */
bool race_may_attach(struct spec *s, u64 iommu, u64 domain);
bool race_may_replay(struct spec *s, u64 iommu, u64 domain);

#endif /* SPEC_PRIV_H */
