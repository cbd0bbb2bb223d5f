// SPDX-License-Identifier: GPL-2.0
/* The executable specification, see spec.h: domains and mappings. */
#include "spec-priv.h"

static struct spec_domain *domain_of(struct spec *s, u64 id)
{
	struct spec_domain *d;

	for (d = s->domain; id && d < s->domain + SPEC_DOMAINS; d++) {
		if (d->id == id)
			return d;
	}

	return NULL;
}

bool domain_exists(struct spec *s, u64 id)
{
	struct spec_domain *d = domain_of(s, id);

	return id == PKVM_IOMMU_DOMAIN_IDENTITY || (d && !d->dying);
}

bool spec_domain_room(struct spec *s)
{
	struct spec_domain *d;

	for (d = s->domain; d < s->domain + SPEC_DOMAINS; d++) {
		if (!d->id)
			return true;
	}

	return false;
}

int spec_domain_iommu(struct spec *s, u64 id)
{
	struct spec_domain *d = domain_of(s, id);

	return d ? d->iommu : -1;
}

bool spec_fits(struct spec *s, u64 iommu, u64 id)
{
	int made_for = spec_domain_iommu(s, id);

	return made_for < 0 || iommu >= (u64)s->nr_iommus ||
	       s->iommu[made_for].geometry == s->iommu[iommu].geometry;
}

/* Exclusive end of the addresses of a domain. */
static u64 end_of(struct spec *s, const struct spec_domain *d)
{
	return 1ULL << (d ? s->iommu[d->iommu].limit : 48);
}

static const struct spec_map *map_at(const struct spec_maps *l, u64 iova)
{
	const struct spec_map *m;

	for (m = l->map; m && m < l->map + l->nr; m++) {
		if (iova >= m->iova && iova < m->iova + m->size)
			return m;
	}

	return NULL;
}

const struct spec_map *spec_mapped(struct spec *s, u64 id, u64 iova, u64 size, bool *all)
{
	const struct spec_domain *d = domain_of(s, id);
	const struct spec_map *first = NULL, *m;
	u64 pos;

	*all = false;
	for (m = d ? d->is.map : NULL; m && m < d->is.map + d->is.nr; m++) {
		if (m->iova >= iova + size || m->iova + m->size <= iova)
			continue;
		if (!first || m->iova < first->iova)
			first = m;
	}
	for (pos = iova; first && pos < iova + size; pos = m->iova + m->size) {
		m = map_at(&d->is, pos);
		if (!m || m->phys - m->iova != first->phys - first->iova ||
		    m->prot != first->prot)
			return first;
	}
	*all = first;

	return first;
}

bool spec_was_mapped(struct spec *s, u64 id, u64 iova, u64 size, u64 phys, u64 prot, u64 mask)
{
	const struct spec_domain *d = domain_of(s, id);
	const struct spec_map *m;
	u64 pos;

	for (pos = iova; d && pos < iova + size; pos = m->iova + m->size) {
		for (m = d->was.map; m && m < d->was.map + d->was.nr; m++) {
			if (pos >= m->iova && pos < m->iova + m->size &&
			    m->phys - m->iova == phys - iova && !((m->prot ^ prot) & mask))
				break;
		}
		if (!m || m == d->was.map + d->was.nr)
			return false;
	}

	return d;
}

bool spec_may_linger(struct spec *s, u64 id, u64 iova)
{
	const struct spec_domain *d = domain_of(s, id);

	return d && map_at(&d->was, iova);
}

static u64 count_maps(const struct spec_maps *l, u64 pfn)
{
	const struct spec_map *m;
	u64 nr = 0;

	for (m = l->map; m && m < l->map + l->nr; m++)
		nr += pfn >= m->phys / PAGE && pfn < (m->phys + m->size) / PAGE;

	return nr;
}

bool spec_pinned(struct spec *s, u64 pfn)
{
	const struct spec_domain *d;

	for (d = s->domain; d < s->domain + SPEC_DOMAINS; d++) {
		if (count_maps(&d->is, pfn))
			return true;
	}

	return false;
}

static void map_add(struct spec_maps *l, u64 iova, u64 phys, u64 size, u64 prot)
{
	struct spec_map *m;

	if (!size)
		return;
	/* Usually it continues the last one. */
	m = l->nr && !l->runs ? l->map + l->nr - 1 : NULL;
	if (m && m->iova + m->size == iova && m->phys + m->size == phys && m->prot == prot) {
		m->size += size;
		return;
	}
	if (l->nr == l->max) {
		l->max = l->max * 2 + 16;
		l->map = realloc(l->map, l->max * sizeof(*l->map));
	}
	l->map[l->nr++] = (struct spec_map) { iova, phys, size, prot };
}

/*
 * Move the mappings of the range from @start to @end, an I/O virtual or a physical one,
 * from @l to @to, or delete them if it is NULL. Returns their bytes.
 */
static u64 map_del(struct spec_maps *l, bool phys, u64 start, u64 end, struct spec_maps *to)
{
	u64 was = 0;
	int i;

	for (i = 0; start < end && i < l->nr; i++) {
		struct spec_map m = l->map[i];
		u64 base = phys ? m.phys : m.iova;
		u64 from = base > start ? 0 : start - base;
		u64 until = base + m.size < end ? m.size : end - base;

		if (base >= end || base + m.size <= start)
			continue;
		was += until - from;
		if (to)
			map_add(to, m.iova + from, m.phys + from, until - from, m.prot);
		/* Replace it by the last mapping, then add its parts outside the range. */
		l->map[i--] = l->map[--l->nr];
		map_add(l, m.iova, m.phys, from, m.prot);
		map_add(l, m.iova + until, m.phys + until, m.size - until, m.prot);
	}

	return was;
}

/* A page has another owner: no translation of it can linger any more. */
void flushed(struct spec *s, u64 pfn)
{
	struct spec_domain *d;

	for (d = s->domain; d < s->domain + SPEC_DOMAINS; d++)
		map_del(&d->was, true, pfn * PAGE, (pfn + 1) * PAGE, NULL);
}

static void maps_free(struct spec_maps *l)
{
	free(l->map);
	*l = (struct spec_maps) { .runs = l->runs };
}

/* IOMMUs without page tables. */

bool is_connected(struct spec *s, int iommu, u64 domain)
{
	int i;

	for (i = 0; i < s->nr_streams; i++) {
		if (s->stream[i].attached && s->stream[i].iommu == iommu &&
		    s->stream[i].domain == domain)
			return true;
	}

	return false;
}

/* @replay: ATTACH asked for REPLAY, so the IOMMU does not have all mappings yet. */
void attached(struct spec *s, int iommu, u64 id, bool replay)
{
	struct spec_domain *d = domain_of(s, id);

	if (!d)
		return;
	if (replay)
		d->knows &= ~(1U << iommu);
	else if (d->may_know >> iommu & 1)
		d->knows |= 1U << iommu;
	d->may_know &= ~(1U << iommu);
	/* That REPLAY may complete what this ATTACH asks for. */
	if (replay && race_may_replay(s, iommu, id))
		d->may_know |= 1U << iommu;
}

void detached(struct spec *s, int iommu, u64 id)
{
	struct spec_domain *d = domain_of(s, id);

	if (d && !is_connected(s, iommu, id)) {
		d->knows &= ~(1U << iommu);
		d->may_know &= ~(1U << iommu);
	}
}

/* Check if an IOMMU without page tables, or a @fickle one, has a stream of the domain. */
static bool is_told(struct spec *s, u64 id, bool fickle)
{
	int i;

	for (i = 0; i < s->nr_iommus; i++) {
		if (s->iommu[i].no_tables && (s->iommu[i].fickle || !fickle) &&
		    is_connected(s, i, id))
			return true;
	}

	return false;
}

static u64 bytes_of(const struct spec_maps *l)
{
	const struct spec_map *m;
	u64 bytes = 0;

	for (m = l->map; m && m < l->map + l->nr; m++)
		bytes += m->size;

	return bytes;
}

/* @iommu may have all mappings of the domain: its next ATTACH says so. */
bool may_know(struct spec *s, int iommu, u64 id)
{
	struct spec_domain *d = domain_of(s, id);

	return d && d->may_know >> iommu & 1;
}

bool spec_knows(struct spec *s, int iommu, u64 id, u64 *mapped, u64 *lingers)
{
	struct spec_domain *d = domain_of(s, id);

	*mapped = d ? bytes_of(&d->is) : 0;
	*lingers = d ? bytes_of(&d->was) : 0;

	return d && d->knows >> iommu & 1;
}

/* Returns 1 if @iova lies within a run; 2 if EL2 may have split the run there. */
static int in_run(const struct spec_domain *d, struct spec *s, u64 iova)
{
	const struct spec_map *m = map_at(&d->is, iova);
	u64 pfn;

	if (!m || m->iova == iova)
		return 0;
	pfn = (iova - m->iova + m->phys) / PAGE;

	return !spec_page(s, pfn) == !spec_page(s, pfn - 1) ? 1 : 2;
}

bool spec_nested(struct spec *s, u64 id, u64 *root)
{
	struct spec_domain *d = domain_of(s, id);

	if (!d || !d->nested)
		return false;
	*root = d->root;

	return true;
}

/* A call has told whether an IOMMU can nest. */
const char *nests(struct spec *s, u64 iommu, bool can)
{
	struct spec_iommu *i = &s->iommu[iommu];

	if (i->nests != SPEC_MAY_NEST && i->nests != (can ? SPEC_NESTS : SPEC_NESTS_NOT))
		return "an IOMMU that nests, and does not";
	if (can && (i->no_tables || !i->isolates))
		return "an IOMMU that cannot nest does";
	i->nests = can ? SPEC_NESTS : SPEC_NESTS_NOT;

	return NULL;
}

/* The root table of a managed domain may have several pages. */
static bool large_root(const struct spec_iommu *i)
{
	if (SPEC_PAGE_SHIFT == 14)
		return i->limit == 39 || i->limit == 40 || i->limit == 48;

	return SPEC_PAGE_SHIFT == 12 && (i->limit == 40 || i->limit == 42);
}

const char *domain_alloc(struct spec *s, const u64 *args, const u64 *res)
{
	bool ok, nested = args[1] == PKVM_IOMMU_DOMAIN_NESTED;
	bool exists = args[3] < (u64)s->nr_iommus;
	struct spec_iommu *i = &s->iommu[exists ? args[3] : 0];
	/* No call may have given as many pages in a row as its root table has. */
	bool block = !nested && large_root(i);
	struct allowed a = {};
	struct spec_domain *d;
	const char *wrong;

	if_so(&a, !exists, ENOENT);
	if_so(&a, args[1] > PKVM_IOMMU_DOMAIN_NESTED, EINVAL);
	if_so(&a, nested && args[2] % PAGE, EINVAL);
	if_so(&a, nested && args[2] >> i->limit, ERANGE);
	if_so(&a, !nested && i->permits, EOPNOTSUPP);
	if_so(&a, nested && i->nests == SPEC_NESTS_NOT, EOPNOTSUPP);
	may_be(&a, nested && i->nests == SPEC_MAY_NEST, EOPNOTSUPP);
	if (!a.nr || a.maybe) {
		if_so(&a, block || !s->enough_alloc || s->free_min < s->enough_alloc, ENOMEM);
		a.maybe = true;
	}
	wrong = judge(&a, res, &ok);
	if (wrong)
		return wrong;
	if (res[2])
		return "a second result";
	if (nested && (ok || (exists && (int)res[0] == -EOPNOTSUPP))) {
		wrong = nests(s, args[3], ok);
		if (wrong)
			return wrong;
	}
	if (!ok && (int)res[0] != -ENOMEM)
		return no_results(res);
	if (!ok) {
		if (!res[1] || res[1] > PKVM_IOMMU_TOPUP_MAX)
			return "-ENOMEM asks for a strange number of pages";
		if (s->free_min > res[1] && !block)
			return "-ENOMEM asks for fewer pages than there are";
		s->enough_alloc = res[1] > s->enough_alloc ? res[1] : s->enough_alloc;
		pool_may_lose(s, res[1]);
		return NULL;
	}
	pool_may_lose(s, s->enough_alloc ? s->enough_alloc : s->free_min);
	if (!res[1] || domain_of(s, res[1]))
		return "the id of another domain";
	for (d = s->domain; d < s->domain + SPEC_DOMAINS && d->id; d++)
		;
	if (d == s->domain + SPEC_DOMAINS)
		return "more domains than the specification has room for";
	*d = (struct spec_domain) { .id = res[1], .is.runs = i->no_tables, .nested = nested,
				    .root = nested ? args[2] : 0, .iommu = args[3] };

	return NULL;
}

const char *domain_free(struct spec *s, const u64 *args, const u64 *res)
{
	struct spec_domain *d = domain_of(s, args[1]);
	struct allowed a = {};
	const char *wrong;
	int i;
	bool ok;

	if_so(&a, !d, ENXIO);
	if_so(&a, d && d->is.nr, EBUSY);
	for (i = 0; d && i < s->nr_streams; i++) {
		if (s->stream[i].attached && s->stream[i].domain == args[1]) {
			if_so(&a, true, EBUSY);
			break;
		}
	}
	may_be(&a, !a.nr, EAGAIN);
	/* Also while another FREE is under way: it uses the domain, other calls do not find it. */
	may_be(&a, race_may_use(s, args[1]), EBUSY);
	wrong = judge(&a, res, &ok);
	if (wrong)
		return wrong;
	/* Pages return to the pool. */
	if (ok || (int)res[0] == -EAGAIN) {
		s->free_max = s->total;
		d->dying = true;
		maps_free(&d->was);
	}
	if (ok) {
		maps_free(&d->is);
		*d = (struct spec_domain) {};
	}

	return no_results(res);
}

/* Checks that all calls with a range have in common. */
static struct spec_domain *map_args(struct spec *s, struct allowed *a, u64 id, u64 iova, u64 size)
{
	struct spec_domain *d = domain_of(s, id);

	if_so(a, !d || d->dying, ENXIO);
	if_so(a, d && d->nested, EOPNOTSUPP);
	if_so(a, !size || (iova | size) % PAGE, EINVAL);
	if_so(a, iova + size < iova || iova + size > end_of(s, d), ERANGE);

	return d;
}

/* Most pages that one call takes from the pool. The contract does not define it. */
#define MAP_PAGES(nr)	(96 + 2 * (nr))

/* Bytes of a run; 0: it is invalid. */
u64 run_size(u64 run)
{
	u64 pages = run & PKVM_IOMMU_RUN_PAGES;

	if (run % PAGE & ~PKVM_IOMMU_RUN_PAGES)
		return 0;

	return pages ? pages * PAGE : run && !(run % GIB) ? GIB : 0;
}

const u64 *runs_of(struct spec *s, const u64 *args, u64 *nr)
{
	if (args[0] == PKVM_IOMMU_MAP_LIST) {
		*nr = args[5];
		return s->nr_runs && *nr <= PKVM_IOMMU_LIST_RUNS && *nr <= s->nr_runs &&
		       args[4] <= s->nr_runs - *nr ? s->runs + args[4] : NULL;
	}
	/* The first 0 ends them. */
	for (*nr = 0; *nr < PKVM_IOMMU_RUNS && args[4 + *nr]; )
		++*nr;

	return args + 4;
}

/* Returns the error of mapping pages at @iova, or NULL if they can be mapped. */
static const char *map_done(struct spec *s, struct spec_domain *d, u64 iova, u64 phys, u64 size,
			    u64 prot)
{
	bool must, never, all;
	u64 pos, here;

	if (!size)
		return NULL;
	spec_range(s, phys, size, &must, &never);
	if (never)
		return "maps what the host may not reach";
	if (spec_mapped(s, d->id, iova, size, &all))
		return "maps over what is mapped";
	/* An IOMMU must not have two translations of an address: the old one is flushed. */
	if (!race_may_unmap(s, d->id))
		map_del(&d->was, false, iova, iova + size, NULL);
	/*
	 * Runs are split at multiples of 512 pages, which matters without page tables. One call
	 * maps all of 1 GiB only as a block, if there are such blocks. A smaller block counts as
	 * its pieces: it is not split for other reasons.
	 */
	for (pos = 0; pos < size; pos += here) {
		here = d->is.runs && size < NEXT(BLOCK) ? PIECE - (iova + pos) % PIECE : size;
		here = here < size - pos ? here : size - pos;
		map_add(&d->is, iova + pos, phys + pos, here, prot);
	}

	return NULL;
}

static void map_not_done(struct spec *s, u64 id, u64 iova, u64 phys, u64 size, u64 runs,
			 bool *perm, bool *exist, bool *busy)
{
	struct spec_domain *d;
	bool must, never, all;
	u64 pos;

	if (!size)
		return;
	spec_range(s, phys, size, &must, &never);
	*perm |= never;
	*exist |= !!spec_mapped(s, id, iova, size, &all);
	/* This call has pins of its own, and other pins may wait for a flush. */
	for (pos = phys; !*busy && pos < phys + size; pos += PAGE) {
		u64 nr = runs;

		for (d = s->domain; d < s->domain + SPEC_DOMAINS; d++)
			nr += count_maps(&d->is, pos / PAGE) + count_maps(&d->was, pos / PAGE);
		*busy |= nr > PKVM_IOMMU_PINS_MAX;
	}
}

/* Apply the runs that were mapped (@verdict false), or find the error of the rest. */
static const char *map_runs(struct spec *s, struct spec_domain *d, const u64 *args, u64 done,
			    bool verdict, bool *perm, bool *exist, bool *busy)
{
	u64 iova = args[2], prot = args[3], pos = 0, nr;
	const u64 *runs = runs_of(s, args, &nr), *run;
	const char *wrong = NULL;

	for (run = runs; run < runs + nr && !wrong; run++) {
		u64 len = run_size(*run), phys = *run / PAGE * PAGE;
		u64 here = done <= pos ? 0 : done - pos < len ? done - pos : len;

		if (verdict)
			map_not_done(s, d->id, iova + pos + here, phys + here, len - here, nr,
				     perm, exist, busy);
		else
			wrong = map_done(s, d, iova + pos, phys, here, prot);
		pos += len;
	}

	return wrong;
}

const char *map_part(struct spec *s, const u64 *args, const u64 *res, bool verdict)
{
	bool ok, empty = false, range = false, perm = false, exist = false, busy = false;
	bool later = false;
	u64 prot = args[3], done = res[1], size = 0, nr, i;
	u64 end = end_of(s, domain_of(s, args[1]));
	const u64 *runs = runs_of(s, args, &nr);
	bool list = args[0] == PKVM_IOMMU_MAP_LIST;
	struct allowed a = {};
	struct spec_domain *d;
	const char *wrong;

	for (i = 0; runs && i < nr; i++) {
		u64 len = run_size(runs[i]), phys = runs[i] / PAGE * PAGE;

		empty |= !len;
		range |= phys + len < phys || phys + len > end;
		/* Of a list, the runs before the first invalid one can be mapped. */
		if (list && args[2] < end)
			range |= size + len > end - args[2];
		if (list && (empty || range))
			break;
		size += len;
	}
	/* If several errors apply, any of them may be returned. */
	for (; runs && list && range && i < nr; i++)
		later |= !run_size(runs[i]);
	/* Each run has at least one page. */
	if (!list && args[2] < end)
		range |= nr * PAGE > end - args[2];
	/* A list has at least one page per run. */
	d = map_args(s, &a, args[1], args[2], list ? nr * PAGE : size);
	if_so(&a, !runs || (!list && empty) || prot >> 5 || !(prot & 3), EINVAL);
	if_so(&a, (!list && range) || args[2] >= end, ERANGE);
	if (a.nr) {
		wrong = judge(&a, res, &ok);
		return wrong ? wrong : no_results(res);
	}
	if (done % PAGE || done > size)
		return "an impossible size";
	wrong = map_runs(s, d, args, done, verdict, &perm, &exist, &busy);
	if (wrong || !verdict)
		return wrong;

	if_so(&a, empty || later, EINVAL);
	if_so(&a, range, ERANGE);
	if_so(&a, perm, EPERM);
	if_so(&a, exist, EEXIST);
	if_so(&a, busy, EBUSY);
	if_so(&a, is_told(s, d->id, true), EIO);
	if_so(&a, s->free_min < MAP_PAGES(nr), ENOMEM);
	/* Concurrent calls may make it wait at the same address again and again. */
	a.maybe = done || race_may_empty(s, args[1]);
	wrong = judge(&a, res, &ok);
	if (wrong)
		return wrong;
	if (ok && !done && !race_may_empty(s, args[1]))
		return "no progress and no error";
	if ((int)res[0] == -ENOMEM) {
		/* It may need more than one TOPUP: a page for each run, and tables. */
		if (!res[2] || res[2] > 2 * PKVM_IOMMU_TOPUP_MAX)
			return "-ENOMEM asks for a strange number of pages";
	}
	pool_may_lose(s, MAP_PAGES(nr));
	/* Empty tables may make room for a block. */
	if (!s->race)
		s->free_max = s->free_max + MAP_PAGES(nr) < s->total ?
			      s->free_max + MAP_PAGES(nr) : s->total;

	return res[2] && (int)res[0] != -ENOMEM ? "a second result" : NULL;
}

const char *map(struct spec *s, const u64 *args, const u64 *res)
{
	const char *wrong = map_part(s, args, res, false);
	bool refused = (int)res[0] == -EINVAL || (int)res[0] == -ERANGE || (int)res[0] == -ENXIO;

	refused &= args[0] == PKVM_IOMMU_MAP;

	return wrong || refused ? wrong : map_part(s, args, res, true);
}

/* Memory that a block of this size can map is at @at, and not all of it is in the range. */
static bool cuts_block(struct spec *s, u64 id, u64 from, u64 to, u64 at, u64 block)
{
	u64 start = at & ~(block - 1);
	const struct spec_map *m;
	bool all;

	if (start >= from && start + block <= to)
		return false;
	m = spec_mapped(s, id, start, block, &all);

	return all && !((m->phys - m->iova) % block);
}

const char *unmap(struct spec *s, const u64 *args, const u64 *res)
{
	u64 iova = args[2], size = args[3], done = res[1], block;
	bool ok, split = false, lazy = args[4] & PKVM_IOMMU_UNMAP_LAZY;
	struct allowed a = {};
	struct spec_domain *d;
	const char *wrong;

	d = map_args(s, &a, args[1], iova, size);
	if_so(&a, args[4] & ~PKVM_IOMMU_UNMAP_LAZY, EINVAL);
	if (a.nr) {
		wrong = judge(&a, res, &ok);
		return wrong ? wrong : no_results(res);
	}
	if (done % PAGE || done > size)
		return "an impossible size";
	/*
	 * Check for a block that is only partly in the range. Where runs must not be split, both
	 * ends are checked before anything is unmapped.
	 */
	for (block = BLOCK; done < size && block <= GIB; block = NEXT(block)) {
		if (cuts_block(s, args[1], iova + done, iova + size, iova + done, block) ||
		    (d->is.runs &&
		     cuts_block(s, args[1], iova + done, iova + size, iova + size - 1, block))) {
			if_so(&a, true, EINVAL);
			break;
		}
	}
	/* Runs must not be split for an IOMMU without page tables that has the domain. */
	if (d->is.runs) {
		int ends = in_run(d, s, iova) | in_run(d, s, iova + size);

		if_so(&a, ends, EINVAL);
		split = ends & 1 && is_told(s, args[1], false);
	}
	a.maybe = done && !split;
	wrong = judge(&a, res, &ok);
	if (wrong)
		return wrong;
	if (ok && !done)
		return "no progress and no error";

	/* If two UNMAP overlap, either may have been the one that unmapped a page. */
	lazy |= race_may_unmap(s, args[1]);

	return map_del(&d->is, false, iova, iova + done, lazy ? &d->was : NULL) != res[2] ?
		"unmaps more or less than there was" : NULL;
}

const char *flush(struct spec *s, const u64 *args, const u64 *res)
{
	struct spec_domain *d = domain_of(s, args[1]);
	struct allowed a = {};
	const char *wrong;
	bool ok;

	if_so(&a, !d || d->dying, ENXIO);
	if_so(&a, d && d->nested, EOPNOTSUPP);
	wrong = judge(&a, res, &ok);
	if (wrong)
		return wrong;
	if (ok && !race_may_unmap(s, args[1]))
		maps_free(&d->was);

	return no_results(res);
}

const char *invalidate(struct spec *s, const u64 *args, const u64 *res)
{
	struct spec_domain *d = domain_of(s, args[1]);
	u64 format = d ? s->iommu[d->iommu].nested_format : 0;
	unsigned int ias = (format & PKVM_IOMMU_NESTED_IAS) >> 8;
	u64 iova = args[2], size = args[3];
	struct allowed a = {};
	const char *wrong;
	bool ok;

	if_so(&a, !d || d->dying, ENXIO);
	if_so(&a, d && !d->nested, EOPNOTSUPP);
	if_so(&a, size && (iova | size) % PAGE, EINVAL);
	if_so(&a, args[4] & ~PKVM_IOMMU_INVALIDATE_LEAF, EINVAL);
	if_so(&a, size && (iova + size < iova || (ias && (iova + size - 1) >> ias)), ERANGE);
	may_be(&a, size && !ias, ERANGE);
	wrong = judge(&a, res, &ok);

	return wrong ? wrong : no_results(res);
}

/*
 * Check the size of the run that LOOKUP found. Entries can be the same for other permissions
 * than those that were asked for, so a run may go on where these change.
 */
static const char *lookup_size(struct spec *s, u64 id, u64 iova, u64 phys, u64 size)
{
	u64 end = iova / PIECE * PIECE + PIECE, prot = 0, pos, next, block;
	const struct spec_domain *d = domain_of(s, id);
	const struct spec_map *m;
	bool must = true, memory = false, is_memory, all;

	/* Others may map and unmap behind the page. */
	if (race_may_use(s, id))
		return NULL;
	/* The rest of a block that is more than a piece. */
	for (block = BLOCK; size > end - iova && block <= GIB; block = NEXT(block)) {
		pos = iova & ~(block - 1);
		m = spec_mapped(s, id, pos, block, &all);
		if (size == pos + block - iova && all && !((m->phys - m->iova) % block))
			return NULL;
	}
	if (!size || size > end - iova || (iova + size) % PAGE)
		return "an impossible size";
	for (pos = iova; pos < end; pos = next) {
		next = pos / PAGE * PAGE + PAGE;
		m = map_at(&d->is, pos);
		if (!m || pos - m->iova + m->phys != phys + pos - iova)
			break;
		is_memory = spec_page(s, (phys + pos - iova) / PAGE);
		if (pos > iova)
			must &= m->prot == prot && is_memory == memory &&
				!(d->is.runs && m->iova == pos);
		prot = m->prot;
		memory = is_memory;
		if (must && next > iova + size)
			return "less than what is mapped there";
	}

	return iova + size > pos ? "more than what is mapped there" : NULL;
}

const char *lookup(struct spec *s, const u64 *args, const u64 *res)
{
	u64 iova = args[2], page = iova / PAGE * PAGE;
	const struct spec_map *m;
	struct allowed a = {};
	const char *wrong;
	bool ok, all;

	map_args(s, &a, args[1], page, PAGE);
	m = a.nr ? NULL : spec_mapped(s, args[1], page, PAGE, &all);
	if_so(&a, !m, ENOTCONN);
	wrong = judge(&a, res, &ok);
	if (wrong)
		return wrong;
	if (!ok)
		return no_results(res);
	if (res[1] != iova - m->iova + m->phys)
		return "another address than what was mapped";

	return lookup_size(s, args[1], iova, res[1], res[2]);
}

const char *info_mapped(struct spec *s, const u64 *args, const u64 *res)
{
	struct allowed a = {};
	struct spec_domain *d = map_args(s, &a, args[2], 0, PAGE);
	const char *wrong;
	bool ok;

	wrong = judge(&a, res, &ok);
	if (wrong)
		return wrong;
	if (!ok)
		return no_results(res);
	/* Concurrent calls may have mapped and unmapped meanwhile. */
	if (!s->race && res[1] != bytes_of(&d->is))
		return "another size than what is mapped";

	return res[2] ? "a second result" : NULL;
}

const char *replay_maps(struct spec *s, const u64 *args, const u64 *res)
{
	bool ok, exists = args[1] < (u64)s->nr_iommus, knows;
	const struct spec_iommu *iommu = &s->iommu[exists ? args[1] : 0];
	struct allowed a = {};
	struct spec_domain *d;
	const char *wrong;

	if_so(&a, !exists, ENOENT);
	d = map_args(s, &a, args[2], 0, PAGE);
	if_so(&a, !exists || !is_connected(s, args[1], args[2]), ENOTCONN);
	knows = d && exists && d->knows >> args[1] & 1;
	may_be(&a, !a.nr && iommu->no_tables && iommu->fickle && !knows, EIO);
	wrong = judge(&a, res, &ok);
	if (wrong)
		return wrong;
	/* IOMMUs with page tables need no REPLAY. */
	if (!ok || !iommu->no_tables)
		return no_results(res);
	if (res[1] > 1 || res[2])
		return "strange results";
	if (knows && res[1])
		return "goes on after all was told";
	if (!res[1] && race_may_attach(s, args[1], args[2]))
		d->may_know |= 1U << args[1];
	else if (!res[1])
		d->knows |= 1U << args[1];

	return NULL;
}
