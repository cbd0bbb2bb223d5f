// SPDX-License-Identifier: GPL-2.0
/*
 * Concurrent calls, see spec.h. Their answers are right if the same calls, made one
 * after the other in some order, may have these answers. In that order, a call comes
 * after all calls that had ended when it began. Exceptions:
 *
 * - A MAP is two steps: the part that it maps, and the error for the rest.
 * - A donation may find memory busy because a concurrent call is about to map it and
 *   fails, or has unmapped it and not yet unpinned it. Any concurrent UNMAP, FLUSH or
 *   DOMAIN_FREE counts as the latter.
 * - A FLUSH may have come before a concurrent lazy UNMAP, whose translations then
 *   linger, even if another order is found.
 * - A MAP may map nothing, without an error, if there is a concurrent UNMAP or MAP in its
 *   domain: at an address that others empty again and again, it may have to wait for an
 *   invalidation each time.
 * - Translations of an UNMAP may linger if one of the calls is a lazy UNMAP in its domain:
 *   in another order with the same answers, that one has unmapped them.
 * - A REPLAY may have come before a concurrent ATTACH that asks for another.
 * - A domain may be in use because a concurrent call names it.
 * - An ATTACH or DETACH may find the stream in use by another one that succeeds.
 * - The pool may be empty at any moment. Its counts are not checked.
 *
 * All orders are tried, depth first, each from a copy of the state.
 */
#include <stddef.h>

#include "spec-priv.h"

#define MAX_EVENTS	64
#define MAX_NODES	1000000

static bool overlaps(const struct spec_event *a, const struct spec_event *b)
{
	return a != b && a->start < b->end && b->start < a->end;
}

bool race_may_pin(struct spec *s, u64 pfn)
{
	const struct spec_event *e;
	const u64 *run;
	u64 nr;

	for (e = s->race; e && e < s->race + s->nr_race; e++) {
		if (e->kind != SPEC_CALL || !overlaps(e, s->now))
			continue;
		switch (e->args[0]) {
		case PKVM_IOMMU_UNMAP:
		case PKVM_IOMMU_FLUSH:
		case PKVM_IOMMU_DOMAIN_FREE:
			return true;
		case PKVM_IOMMU_MAP:
		case PKVM_IOMMU_MAP_LIST:
			for (run = runs_of(s, e->args, &nr); run && nr; run++, nr--) {
				if (pfn >= *run / PAGE &&
				    pfn < *run / PAGE + run_size(*run) / PAGE)
					return true;
			}
		}
	}

	return false;
}

bool race_may_use(struct spec *s, u64 domain)
{
	const struct spec_event *e;

	for (e = s->race; e && e < s->race + s->nr_race; e++) {
		if (e->kind != SPEC_CALL || !overlaps(e, s->now))
			continue;
		switch (e->args[0]) {
		case PKVM_IOMMU_ATTACH:
		case PKVM_IOMMU_DETACH:
			if (e->args[3] == domain)
				return true;
			break;
		case PKVM_IOMMU_REPLAY:
			if (e->args[2] == domain)
				return true;
			break;
		case PKVM_IOMMU_MAP:
		case PKVM_IOMMU_MAP_LIST:
		case PKVM_IOMMU_UNMAP:
		case PKVM_IOMMU_LOOKUP:
		case PKVM_IOMMU_FLUSH:
		case PKVM_IOMMU_INVALIDATE:
		case PKVM_IOMMU_DOMAIN_FREE:
			if (e->args[1] == domain)
				return true;
		}
	}

	return false;
}

bool race_may_set(struct spec *s, u64 iommu, u64 sid)
{
	const struct spec_event *e;

	for (e = s->race; e && e < s->race + s->nr_race; e++) {
		if (e->kind == SPEC_CALL && overlaps(e, s->now) && !e->res[0] &&
		    (e->args[0] == PKVM_IOMMU_ATTACH || e->args[0] == PKVM_IOMMU_DETACH) &&
		    e->args[1] == iommu && e->args[2] == sid)
			return true;
	}

	return false;
}

bool race_may_unmap(struct spec *s, u64 domain)
{
	const struct spec_event *e;

	for (e = s->race; e && e < s->race + s->nr_race; e++) {
		if (e->kind == SPEC_CALL && e->args[1] == domain &&
		    e->args[0] == PKVM_IOMMU_UNMAP && e->args[4] & PKVM_IOMMU_UNMAP_LAZY)
			return true;
	}

	return false;
}

bool race_may_empty(struct spec *s, u64 domain)
{
	const struct spec_event *e;

	for (e = s->race; e && e < s->race + s->nr_race; e++) {
		if (e->kind == SPEC_CALL && overlaps(e, s->now) && e->args[1] == domain &&
		    (e->args[0] == PKVM_IOMMU_UNMAP || e->args[0] == PKVM_IOMMU_MAP ||
		     e->args[0] == PKVM_IOMMU_MAP_LIST))
			return true;
	}

	return false;
}

bool race_may_attach(struct spec *s, u64 iommu, u64 domain)
{
	const struct spec_event *e;

	for (e = s->race; e && e < s->race + s->nr_race; e++) {
		if (e->kind == SPEC_CALL && overlaps(e, s->now) && e->args[1] == iommu &&
		    e->args[0] == PKVM_IOMMU_ATTACH && e->args[3] == domain)
			return true;
	}

	return false;
}

/* A REPLAY of the domain to the IOMMU may be under way. */
bool race_may_replay(struct spec *s, u64 iommu, u64 domain)
{
	const struct spec_event *e;

	for (e = s->race; e && e < s->race + s->nr_race; e++) {
		if (e->kind == SPEC_CALL && overlaps(e, s->now) && e->args[1] == iommu &&
		    e->args[0] == PKVM_IOMMU_REPLAY && e->args[2] == domain)
			return true;
	}

	return false;
}

static void *copy(const void *from, size_t size)
{
	return size ? memcpy(malloc(size), from, size) : NULL;
}

static void maps_copy(struct spec_maps *l)
{
	l->map = copy(l->map, l->nr * sizeof(*l->map));
	l->max = l->nr;
}

static struct spec *spec_copy(const struct spec *from)
{
	struct spec *to = malloc(sizeof(*to));
	int i;

	/* Copy only the used part, which is small. */
	memcpy(to, from, offsetof(struct spec, iommu));
	memcpy(to->iommu, from->iommu, from->nr_iommus * sizeof(*from->iommu));
	memcpy(&to->nr_iommus, &from->nr_iommus,
	       sizeof(*to) - offsetof(struct spec, nr_iommus));
	for (i = 0; i < to->nr_mem; i++)
		to->mem[i].page = copy(from->mem[i].page, from->mem[i].end - from->mem[i].first);
	to->stream = copy(from->stream, from->nr_streams * sizeof(*from->stream));
	to->max_streams = to->nr_streams;
	for (i = 0; i < SPEC_DOMAINS; i++) {
		maps_copy(&to->domain[i].is);
		maps_copy(&to->domain[i].was);
	}

	return to;
}

static void spec_drop(struct spec *s)
{
	int i;

	for (i = 0; i < s->nr_mem; i++)
		free(s->mem[i].page);
	free(s->stream);
	for (i = 0; i < SPEC_DOMAINS; i++) {
		free(s->domain[i].is.map);
		free(s->domain[i].was.map);
	}
}

static bool is_map(const struct spec_event *e)
{
	int ret = (int)e->res[0];

	if (e->kind != SPEC_CALL)
		return false;

	return e->args[0] == PKVM_IOMMU_MAP_LIST ||
	       (e->args[0] == PKVM_IOMMU_MAP && ret != -EINVAL && ret != -ERANGE && ret != -ENXIO);
}

/* Steps of an event that are not done yet. */
#define STEP	1
#define VERDICT	2

static const char *take(struct spec *s, const struct spec_event *e, int part)
{
	s->now = e;
	s->free_min = 0;
	switch (e->kind) {
	case SPEC_CALL:
		if (is_map(e))
			return map_part(s, e->args, e->res, part == VERDICT);
		return spec_call(s, e->args, e->res);
	case SPEC_PAGE:
		return spec_page_op(s, e->op, e->pfn, (int)e->res[0]);
	case SPEC_FAULT:
		spec_fault(s, e->iommu, e->fault, e->room);
		break;
	}

	return NULL;
}

static const char *reason;
static int nodes, deepest;

/* Find an order that explains the remaining events; @s is then the final state. */
static bool explain(struct spec *s, const struct spec_event *e, unsigned char *left, int nr,
		    int depth)
{
	const char *wrong;
	struct spec *next;
	bool any = false;
	int i, j, part;

	for (i = 0; i < nr; i++) {
		if (!left[i])
			continue;
		any = true;
		for (j = 0; j < nr; j++) {
			if (left[j] && e[j].end < e[i].start)
				break;
		}
		if (j < nr)
			continue;
		for (part = STEP; part <= VERDICT; part++) {
			if (!(left[i] & part))
				continue;
			if (++nodes > MAX_NODES)
				return false;
			next = spec_copy(s);
			wrong = take(next, &e[i], part);
			/* Report the message of the order that came farthest. */
			if (wrong && depth >= deepest) {
				deepest = depth;
				reason = wrong;
			}
			left[i] &= ~part;
			if (!wrong && explain(next, e, left, nr, depth + 1)) {
				spec_drop(s);
				memcpy(s, next, sizeof(*s));
				free(next);
				return true;
			}
			left[i] |= part;
			spec_drop(next);
			free(next);
		}
	}

	return !any;
}

const char *spec_race(struct spec *s, const struct spec_event *events, int nr)
{
	unsigned char left[MAX_EVENTS];
	int i;

	if (nr > MAX_EVENTS)
		return "more at the same time than can be explained";
	for (i = 0; i < nr; i++)
		left[i] = is_map(&events[i]) ? STEP | VERDICT : STEP;
	s->race = events;
	s->nr_race = nr;
	s->free_max = ~0ULL >> 1;
	nodes = 0;
	deepest = 0;
	reason = "nothing";
	if (!explain(s, events, left, nr, 0))
		return nodes > MAX_NODES ? "too many orders, none of which explains it" : reason;
	s->race = NULL;
	s->now = NULL;
	s->nr_race = 0;
	s->free_min = 0;
	s->free_max = s->total;

	return NULL;
}
