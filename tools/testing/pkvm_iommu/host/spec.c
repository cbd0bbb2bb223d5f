// SPDX-License-Identifier: GPL-2.0
/* The executable specification of <linux/pkvm_iommu.h>, see spec.h. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <linux/pkvm_iommu.h>

#include "env.h"
#include "spec.h"

typedef uint64_t u64;
typedef uint32_t u32;

#define PAGE	4096ULL

/* The answers that are allowed: errors whose reason is given, or success. */
struct allowed {
	int err[8];
	int nr;
	bool maybe;		/* ... and success all the same */
};

static void if_so(struct allowed *a, bool condition, int err)
{
	if (condition)
		a->err[a->nr++] = err;
}

static const char *judge(const struct allowed *a, const u64 *res, bool *ok)
{
	int ret = (int)res[0], i;

	*ok = !ret;
	if ((u64)(int64_t)ret != res[0])
		return "x1 is no errno";
	if (!ret)
		return !a->nr || a->maybe ? NULL : "success, where an error is due";
	for (i = 0; i < a->nr; i++) {
		if (a->err[i] == -ret)
			return NULL;
	}

	return a->nr ? "the wrong error" : "an error without a reason";
}

static const char *no_results(const u64 *res)
{
	return res[1] || res[2] ? "results, where there are none" : NULL;
}

/* Memory. */

void spec_memory(struct spec *s, u64 base, u64 end)
{
	struct spec_memory *m = &s->mem[s->nr_mem++];

	m->first = (base + PAGE - 1) / PAGE;
	m->end = end / PAGE;
	m->page = calloc(m->end - m->first, 1);
}

unsigned char *spec_page(struct spec *s, u64 pfn)
{
	struct spec_memory *m;

	for (m = s->mem; m < s->mem + s->nr_mem; m++) {
		if (pfn >= m->first && pfn < m->end)
			return &m->page[pfn - m->first];
	}

	return NULL;
}

static bool reachable(unsigned char page)
{
	return page == SPEC_HOST || page == SPEC_HOST_SHARED || page == SPEC_BORROWED;
}

void spec_range(struct spec *s, u64 pa, u64 size, bool *must, bool *never)
{
	u64 end = pa + size, pfn, other = size / PAGE;
	struct spec_memory *m;
	int i;

	*must = *never = false;
	for (i = 0; i < s->nr_iommus; i++) {
		u64 start = s->iommu[i].base, stop = start + s->iommu[i].size;

		if (pa >= stop || end <= start)
			continue;
		*never = true;
		other -= ((end < stop ? end : stop) - (pa > start ? pa : start)) / PAGE;
	}
	for (m = s->mem; m < s->mem + s->nr_mem; m++) {
		u64 first = pa / PAGE > m->first ? pa / PAGE : m->first;
		u64 last = end / PAGE < m->end ? end / PAGE : m->end;

		for (pfn = first; pfn < last; pfn++) {
			other--;
			if (reachable(m->page[pfn - m->first]))
				*must = true;
			else
				*never = true;
		}
	}
	/* The rest is MMIO, which is the host's. */
	if (other)
		*must = true;
}

/* [@pfn, @pfn + @nr) cannot be given to EL2. */
static void cannot_give(struct spec *s, struct allowed *a, u64 pfn, u64 nr, u64 max)
{
	bool wrong = false, in = false, out = false, edge = false;
	u64 reach = 64, i, was = 0;
	struct spec_memory *m;

	for (i = 0; i < (u64)s->nr_iommus; i++) {
		if (s->iommu[i].oas < reach)
			reach = s->iommu[i].oas;
	}
	if (!nr || nr > max || pfn + nr < pfn || reach < 12 ||
	    (reach - 12 < 64 && (pfn + nr - 1) >> (reach - 12))) {
		if_so(a, true, EINVAL);
		return;
	}
	for (i = pfn; i < pfn + nr; i++) {
		unsigned char *page = spec_page(s, i);

		if (page) {
			u64 which = 0;

			for (m = s->mem; m < s->mem + s->nr_mem; m++) {
				if (i >= m->first && i < m->end)
					which = m - s->mem + 1;
			}
			edge |= was && was != which;
			was = which;
			in = true;
			wrong |= *page != SPEC_HOST;
		} else {
			out = true;
		}
	}
	/* No physical address: the contract does not say which of the two it is. */
	edge |= (pfn + nr - 1) >> (s->cpu_bits - 12);
	/* A page that is partly memory is an end of memory, too. */
	for (m = s->mem; m < s->mem + s->nr_mem; m++)
		edge |= (pfn < m->first && pfn + nr >= m->first) ||
			(pfn <= m->end && pfn + nr > m->end);
	if_so(a, edge || (in && out), EINVAL);
	if_so(a, wrong || out, EPERM);
}

static void give(struct spec *s, u64 pfn, u64 nr, enum spec_page to)
{
	while (nr--)
		*spec_page(s, pfn++) = to;
}

/* Page ownership, as far as it is not the layer's. */

static const struct {
	enum spec_page from, to;
} page_ops[ENV_OPS] = {
	[ENV_SHARE_HYP]		= { SPEC_HOST, SPEC_HOST_SHARED },
	[ENV_UNSHARE_HYP]	= { SPEC_HOST_SHARED, SPEC_HOST },
	[ENV_DONATE_GUEST]	= { SPEC_HOST, SPEC_GUEST },
	[ENV_RECLAIM_GUEST]	= { SPEC_GUEST, SPEC_HOST },
	[ENV_GUEST_SHARE]	= { SPEC_GUEST, SPEC_BORROWED },
	[ENV_GUEST_UNSHARE]	= { SPEC_BORROWED, SPEC_GUEST },
};

enum spec_page spec_page_from(int op)
{
	return page_ops[op].from;
}

const char *spec_page_op(struct spec *s, int op, u64 pfn, int ret)
{
	unsigned char *page = spec_page(s, pfn);
	u64 res[3] = { ret };
	struct allowed a = {};
	const char *wrong;
	bool ok;

	if_so(&a, !page || *page != page_ops[op].from, EPERM);
	if_so(&a, !a.nr && !reachable(page_ops[op].to) && spec_pinned(s, pfn), EBUSY);
	wrong = judge(&a, res, &ok);
	if (wrong)
		return wrong;
	if (ok)
		*page = page_ops[op].to;

	return NULL;
}

/* Streams. */

static struct spec_stream *stream(struct spec *s, int iommu, u32 sid)
{
	struct spec_stream *st;
	int i;

	for (i = 0; i < s->nr_streams; i++) {
		st = &s->stream[i];
		if (st->iommu == iommu && st->sid == sid)
			return st;
	}
	if (s->nr_streams == s->max_streams) {
		s->max_streams = s->max_streams * 2 + 64;
		s->stream = realloc(s->stream, s->max_streams * sizeof(*s->stream));
	}
	st = &s->stream[s->nr_streams++];
	*st = (struct spec_stream) { .iommu = iommu, .sid = sid };

	return st;
}

bool spec_attached(struct spec *s, int iommu, u32 sid)
{
	return stream(s, iommu, sid)->attached;
}

uint64_t spec_domain_of(struct spec *s, int iommu, u32 sid)
{
	return stream(s, iommu, sid)->domain;
}

/* Domains. */

static struct spec_domain *domain_of(struct spec *s, u64 id)
{
	struct spec_domain *d;

	for (d = s->domain; id && d < s->domain + SPEC_DOMAINS; d++) {
		if (d->id == id)
			return d;
	}

	return NULL;
}

static bool domain_exists(struct spec *s, u64 id)
{
	struct spec_domain *d = domain_of(s, id);

	return id == PKVM_IOMMU_DOMAIN_IDENTITY || (d && !d->dying);
}

const struct spec_map *spec_mapped(struct spec *s, u64 id, u64 iova, u64 size, bool *all)
{
	const struct spec_domain *d = domain_of(s, id);
	const struct spec_map *first = NULL, *m;
	u64 pos;

	*all = false;
	for (m = d ? d->map : NULL; m && m < d->map + d->nr; m++) {
		if (m->iova >= iova + size || m->iova + m->size <= iova)
			continue;
		if (!first || m->iova < first->iova)
			first = m;
	}
	for (pos = iova; first && pos < iova + size; pos = m->iova + m->size) {
		for (m = d->map; m < d->map + d->nr; m++) {
			if (pos >= m->iova && pos < m->iova + m->size)
				break;
		}
		if (m == d->map + d->nr || m->phys - m->iova != first->phys - first->iova ||
		    m->prot != first->prot)
			return first;
	}
	*all = first;

	return first;
}

bool spec_pinned(struct spec *s, u64 pfn)
{
	const struct spec_domain *d;
	const struct spec_map *m;

	for (d = s->domain; d < s->domain + SPEC_DOMAINS; d++) {
		for (m = d->map; m && m < d->map + d->nr; m++) {
			if (pfn >= m->phys / PAGE && pfn < (m->phys + m->size) / PAGE)
				return true;
		}
	}

	return false;
}

static void map_add(struct spec_domain *d, u64 iova, u64 phys, u64 size, u64 prot)
{
	struct spec_map *m;

	if (!size)
		return;
	for (m = d->map; m && m < d->map + d->nr; m++) {
		if (m->iova + m->size == iova && m->phys + m->size == phys && m->prot == prot) {
			m->size += size;
			return;
		}
	}
	if (d->nr == d->max) {
		d->max = d->max * 2 + 16;
		d->map = realloc(d->map, d->max * sizeof(*d->map));
	}
	d->map[d->nr++] = (struct spec_map) { iova, phys, size, prot };
}

/* Returns how much there was. */
static u64 map_del(struct spec_domain *d, u64 iova, u64 size)
{
	u64 end = iova + size, was = 0;
	int i;

	for (i = 0; i < d->nr; i++) {
		struct spec_map m = d->map[i];
		u64 from = m.iova > iova ? m.iova : iova;
		u64 to = m.iova + m.size < end ? m.iova + m.size : end;

		if (from >= to)
			continue;
		was += to - from;
		/* The last takes its place; what is left of it does not overlap. */
		d->map[i--] = d->map[--d->nr];
		map_add(d, m.iova, m.phys, from - m.iova, m.prot);
		map_add(d, to, m.phys + (to - m.iova), m.iova + m.size - to, m.prot);
	}

	return was;
}

static void pool_may_lose(struct spec *s, u64 pages)
{
	s->free_min -= pages < s->free_min ? pages : s->free_min;
}

static const char *domain_alloc(struct spec *s, const u64 *res)
{
	struct allowed a = {};
	struct spec_domain *d;
	const char *wrong;
	bool ok;

	if_so(&a, !s->enough_alloc || s->free_min < s->enough_alloc, ENOMEM);
	a.maybe = true;
	wrong = judge(&a, res, &ok);
	if (wrong)
		return wrong;
	if (res[2])
		return "a second result";
	if (!ok) {
		if (!res[1] || res[1] > PKVM_IOMMU_TOPUP_MAX)
			return "-ENOMEM asks for a strange number of pages";
		if (s->free_min > res[1])
			return "-ENOMEM asks for fewer pages than there are";
		s->enough_alloc = res[1];
		pool_may_lose(s, res[1]);
		return NULL;
	}
	pool_may_lose(s, s->enough_alloc ? s->enough_alloc : s->free_min);
	if (!res[1] || domain_of(s, res[1]))
		return "the id of another domain";
	for (d = s->domain; d->id; d++)
		;
	*d = (struct spec_domain) { .id = res[1] };

	return NULL;
}

static const char *domain_free(struct spec *s, const u64 *args, const u64 *res)
{
	struct spec_domain *d = domain_of(s, args[1]);
	struct allowed a = {};
	const char *wrong;
	int i;
	bool ok;

	if_so(&a, !d, ENXIO);
	if_so(&a, d && d->nr, EBUSY);
	for (i = 0; d && i < s->nr_streams; i++) {
		if (s->stream[i].attached && s->stream[i].domain == args[1]) {
			if_so(&a, true, EBUSY);
			break;
		}
	}
	if (!a.nr) {
		if_so(&a, true, EAGAIN);
		a.maybe = true;
	}
	wrong = judge(&a, res, &ok);
	if (wrong)
		return wrong;
	/* Pages come back. */
	if (ok || (int)res[0] == -EAGAIN) {
		s->free_max = s->total;
		d->dying = true;
	}
	if (ok) {
		free(d->map);
		*d = (struct spec_domain) {};
	}

	return no_results(res);
}

/* The checks that MAP, UNMAP and LOOKUP have in common. */
static struct spec_domain *map_args(struct spec *s, struct allowed *a, u64 id, u64 iova, u64 size)
{
	struct spec_domain *d = domain_of(s, id);

	if_so(a, !d || d->dying, ENXIO);
	if_so(a, !size || (iova | size) % PAGE, EINVAL);
	if_so(a, iova + size < iova || iova + size > 1ULL << s->limit, ERANGE);

	return d;
}

/* The most pages that one call takes from the pool: the contract has no number. */
#define MAP_PAGES	64

static const char *map(struct spec *s, const u64 *args, const u64 *res)
{
	u64 iova = args[2], phys = args[3], size = args[4], prot = args[5], done = res[1];
	struct allowed a = {};
	bool ok, must, never, all;
	struct spec_domain *d;
	const char *wrong;

	d = map_args(s, &a, args[1], iova, size);
	if_so(&a, phys % PAGE || prot >> 5 || !(prot & 3), EINVAL);
	if_so(&a, phys + size < phys || phys + size > 1ULL << s->limit, ERANGE);
	if (a.nr) {
		wrong = judge(&a, res, &ok);
		return wrong ? wrong : no_results(res);
	}
	if (done % PAGE || done > size)
		return "an impossible size";
	spec_range(s, phys, done, &must, &never);
	if (done && never)
		return "maps what the host may not reach";
	if (done && spec_mapped(s, args[1], iova, done, &all))
		return "maps over what is mapped";
	if (done < size) {
		spec_range(s, phys + done, size - done, &must, &never);
		if_so(&a, never, EPERM);
		if_so(&a, spec_mapped(s, args[1], iova + done, size - done, &all), EEXIST);
	}
	if_so(&a, s->free_min < MAP_PAGES, ENOMEM);
	a.maybe = done;
	wrong = judge(&a, res, &ok);
	if (wrong)
		return wrong;
	if (ok && !done)
		return "no progress and no error";
	map_add(d, iova, phys, done, prot);
	pool_may_lose(s, MAP_PAGES);
	if ((int)res[0] == -ENOMEM)
		return !res[2] || res[2] > PKVM_IOMMU_TOPUP_MAX ?
			"-ENOMEM asks for a strange number of pages" : NULL;

	return res[2] ? "a second result" : NULL;
}

static const char *unmap(struct spec *s, const u64 *args, const u64 *res)
{
	u64 iova = args[2], size = args[3], done = res[1], block, start;
	const struct spec_map *m;
	struct allowed a = {};
	struct spec_domain *d;
	const char *wrong;
	bool ok, all;

	d = map_args(s, &a, args[1], iova, size);
	if (a.nr) {
		wrong = judge(&a, res, &ok);
		return wrong ? wrong : no_results(res);
	}
	if (done % PAGE || done > size)
		return "an impossible size";
	/* Could there be a block that lies in the range in part only? */
	for (block = 1ULL << 21; done < size && block <= 1ULL << 30; block <<= 9) {
		start = (iova + done) & ~(block - 1);
		if (start >= iova + done && start + block <= iova + size)
			continue;
		m = spec_mapped(s, args[1], start, block, &all);
		if (all && !((m->phys - m->iova) % block)) {
			if_so(&a, true, EINVAL);
			break;
		}
	}
	a.maybe = done;
	wrong = judge(&a, res, &ok);
	if (wrong)
		return wrong;
	if (ok && !done)
		return "no progress and no error";

	return map_del(d, iova, done) != res[2] ? "unmaps more or less than there was" : NULL;
}

static const char *lookup(struct spec *s, const u64 *args, const u64 *res)
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

	return res[2] ? "a second result" : NULL;
}

/* What ATTACH and DETACH have in common; NULL if there is no such stream. */
static struct spec_stream *stream_args(struct spec *s, const u64 *args, struct allowed *a)
{
	u64 iommu = args[1], sid = args[2];

	if_so(a, !domain_exists(s, args[3]), ENXIO);
	if (iommu >= (u64)s->nr_iommus) {
		if_so(a, true, ENOENT);
		return NULL;
	}
	if (sid >> s->iommu[iommu].sid_bits) {
		if_so(a, true, EINVAL);
		return NULL;
	}

	return stream(s, iommu, sid);
}

static const char *attach(struct spec *s, const u64 *args, const u64 *res)
{
	struct allowed a = {};
	struct spec_stream *st = stream_args(s, args, &a);
	const char *wrong;
	bool ok;

	if (st) {
		if_so(&a, st->attached, EBUSY);
		if_so(&a, s->iommu[st->iommu].dead, EIO);
		/* Only a pool that has fewer pages than was asked for runs out. */
		if (!a.nr && (!s->enough || s->free_min < s->enough)) {
			if_so(&a, true, ENOMEM);
			a.maybe = true;
		}
	}
	wrong = judge(&a, res, &ok);
	if (wrong)
		return wrong;
	if ((int)res[0] == -ENOMEM) {
		if (!res[1] || res[1] > PKVM_IOMMU_TOPUP_MAX || res[2])
			return "-ENOMEM asks for a strange number of pages";
		if (s->free_min > res[1])
			return "-ENOMEM asks for fewer pages than there are";
		s->enough = res[1] > s->enough ? res[1] : s->enough;
	} else if (no_results(res)) {
		return no_results(res);
	}
	/* It may have taken pages, even if it ran out of them. */
	if (ok || (int)res[0] == -ENOMEM) {
		u64 most = s->enough ? s->enough : s->free_min;

		s->free_min -= most < s->free_min ? most : s->free_min;
	}
	if (ok) {
		st->attached = true;
		st->domain = args[3];
	}

	return NULL;
}

static const char *detach(struct spec *s, const u64 *args, const u64 *res)
{
	struct allowed a = {};
	struct spec_stream *st = stream_args(s, args, &a);
	const char *wrong;
	bool ok;

	if (st)
		if_so(&a, !st->attached || st->domain != args[3], ENOTCONN);
	wrong = judge(&a, res, &ok);
	if (wrong)
		return wrong;
	if (ok)
		st->attached = false;

	return no_results(res);
}

static void pool_gets(struct spec *s, u64 pfn, u64 nr)
{
	give(s, pfn, nr, SPEC_POOL);
	s->total += nr;
	s->free_min += nr;
	s->free_max += nr;
}

static const char *topup(struct spec *s, const u64 *args, const u64 *res)
{
	struct allowed a = {};
	const char *wrong;
	u64 i;
	bool ok;

	cannot_give(s, &a, args[1], args[2], PKVM_IOMMU_TOPUP_MAX);
	for (i = 0; i < args[2] && i < PKVM_IOMMU_TOPUP_MAX; i++) {
		if (spec_pinned(s, args[1] + i)) {
			if_so(&a, true, EBUSY);
			break;
		}
	}
	wrong = judge(&a, res, &ok);
	if (wrong)
		return wrong;
	if (ok)
		pool_gets(s, args[1], args[2]);

	return no_results(res);
}

static const char *reclaim(struct spec *s, const u64 *res)
{
	struct allowed a = {};
	unsigned char *page;
	const char *wrong;
	bool ok;

	if_so(&a, !s->free_min, ENOMEM);
	a.maybe = s->free_max;
	wrong = judge(&a, res, &ok);
	if (wrong)
		return wrong;
	if (!ok) {
		s->free_max = 0;
		return no_results(res);
	}
	page = spec_page(s, res[1]);
	if (!page || *page != SPEC_POOL)
		return "a page that the pool was not given";
	*page = SPEC_HOST;
	s->total--;
	s->free_min -= s->free_min ? 1 : 0;
	s->free_max--;

	return res[2] ? "a second result" : NULL;
}

/* Faults. */

void spec_fault(struct spec *s, int iommu, struct spec_fault fault, bool room)
{
	struct spec_iommu *i = &s->iommu[iommu];

	if (!room) {
		i->loss = true;
		return;
	}
	fault.after_loss = i->loss;
	i->fault[i->nr_faults++] = fault;
}

static const char *fault(struct spec *s, const u64 *args, const u64 *res)
{
	struct allowed a = {};
	struct spec_iommu *i;
	struct spec_fault *f;
	const char *wrong;
	int reason, n;
	bool ok;

	if (args[1] >= (u64)s->nr_iommus) {
		if_so(&a, true, ENOENT);
		wrong = judge(&a, res, &ok);
		return wrong ? wrong : no_results(res);
	}
	i = &s->iommu[args[1]];
	if_so(&a, (!i->nr_faults && !i->errors) || i->dead, EAGAIN);
	wrong = judge(&a, res, &ok);
	if (wrong)
		return wrong;
	if (!ok)
		return no_results(res);

	reason = (res[1] & PKVM_IOMMU_FAULT_REASON) / (PKVM_IOMMU_FAULT_SID + 1);
	/* An error of its own has no stream; when it comes is not said. */
	if (i->errors && reason == PKVM_IOMMU_FAULT_HARDWARE && res[2] == i->errors) {
		if (res[1] & PKVM_IOMMU_FAULT_SID)
			return "an error of the IOMMU's own has a stream";
		i->errors = 0;
		return NULL;
	}
	if (!i->nr_faults)
		return "a fault that never was";
	f = &i->fault[0];
	if ((res[1] & PKVM_IOMMU_FAULT_SID) != f->sid || reason != f->reason ||
	    !!(res[1] & PKVM_IOMMU_FAULT_WRITE) != f->write || res[2] != f->addr)
		return "another fault than the oldest";
	if (res[1] & PKVM_IOMMU_FAULT_LOST) {
		if (!i->loss)
			return "says that records were lost";
		i->loss = false;
		for (n = 0; n < i->nr_faults; n++)
			i->fault[n].after_loss = false;
	}
	if (f->after_loss)
		return "does not say that records were lost before";
	memmove(f, f + 1, --i->nr_faults * sizeof(*f));

	return NULL;
}

static const char *info(struct spec *s, const u64 *args, const u64 *res)
{
	struct allowed a = {};
	const char *wrong;
	unsigned int bits = 64;
	int i;
	bool ok;

	if_so(&a, args[1] > PKVM_IOMMU_INFO_LIMIT, EINVAL);
	wrong = judge(&a, res, &ok);
	if (wrong)
		return wrong;
	if (!ok)
		return no_results(res);
	switch (args[1]) {
	case PKVM_IOMMU_INFO_POOL_FREE:
		if (res[1] < s->free_min || res[1] > s->free_max)
			return "free pages came or went";
		s->free_min = s->free_max = res[1];
		break;
	case PKVM_IOMMU_INFO_POOL_TOTAL:
		if (res[1] != s->total)
			return "the pool's pages are miscounted";
		break;
	case PKVM_IOMMU_INFO_SHADOW:
		if (!res[1] || res[1] > s->total)
			return "an impossible number of pages";
		break;
	case PKVM_IOMMU_INFO_LIMIT:
		for (i = 0; i < s->nr_iommus; i++)
			bits = s->iommu[i].oas < bits ? s->iommu[i].oas : bits;
		if (res[1] > bits || (s->limit && res[1] != s->limit))
			return "an impossible reach";
		s->limit = res[1];
		break;
	}

	return res[2] ? "a second result" : NULL;
}

/* Only what does not break anything. */
static const char *test(struct spec *s, const u64 *args, const u64 *res)
{
	struct allowed a = {};
	bool ok, must, never, is_test;
	const char *wrong;
	u64 value = res[1];

	is_test = args[2] < (u64)s->nr_iommus && !s->iommu[args[2]].isolates;
	switch (args[1]) {
	case PKVM_IOMMU_TEST_SHADOW:
		spec_range(s, args[2] / PAGE * PAGE, PAGE, &must, &never);
		value = must && !(s->limit < 64 && args[2] >> s->limit);
		/* It takes 0 for "no answer", which the contract does not say. */
		if (!args[2])
			value = res[1];
		break;
	case PKVM_IOMMU_TEST_STREAM:
		if_so(&a, !is_test, ENOENT);
		if_so(&a, is_test && args[3] >> s->iommu[args[2]].sid_bits, EINVAL);
		value = !a.nr && spec_attached(s, args[2], args[3]);
		break;
	case PKVM_IOMMU_TEST_INVALIDATIONS:
		if_so(&a, !is_test, ENOENT);
		break;
	default:
		if_so(&a, true, EOPNOTSUPP);
		break;
	}
	wrong = judge(&a, res, &ok);
	if (wrong)
		return wrong;
	if (!ok)
		return no_results(res);

	return res[1] != value || res[2] ? "the test call sees something else" : NULL;
}

static const char *simple(const u64 *res, int err)
{
	struct allowed a = {};
	const char *wrong;
	bool ok;

	if_so(&a, true, err);
	wrong = judge(&a, res, &ok);

	return wrong ? wrong : no_results(res);
}

const char *spec_call(struct spec *s, const u64 *args, const u64 *res)
{
	if (args[0] == PKVM_IOMMU_RECLAIM)
		return reclaim(s, res);
	if (s->state != SPEC_SEALED) {
		/* An operation that does not exist may be told so, or this. */
		if (args[0] > PKVM_IOMMU_INFO && (int)res[0] == -EOPNOTSUPP)
			return no_results(res);
		return simple(res, ENODEV);
	}
	switch (args[0]) {
	case PKVM_IOMMU_ATTACH:
		return attach(s, args, res);
	case PKVM_IOMMU_DETACH:
		return detach(s, args, res);
	case PKVM_IOMMU_TOPUP:
		return topup(s, args, res);
	case PKVM_IOMMU_FAULT:
		return fault(s, args, res);
	case PKVM_IOMMU_INFO:
		return info(s, args, res);
	case PKVM_IOMMU_TEST:
		return test(s, args, res);
	case PKVM_IOMMU_DOMAIN_ALLOC:
		return domain_alloc(s, res);
	case PKVM_IOMMU_DOMAIN_FREE:
		return domain_free(s, args, res);
	case PKVM_IOMMU_MAP:
		return map(s, args, res);
	case PKVM_IOMMU_UNMAP:
		return unmap(s, args, res);
	case PKVM_IOMMU_LOOKUP:
		return lookup(s, args, res);
	}

	return simple(res, EOPNOTSUPP);
}

/* Boot. */

static const char *boot_register(struct spec *s, const u64 *args, const u64 *res)
{
	u64 type = args[1], base = args[2], size = args[3], flags = args[4], pfn;
	struct allowed a = {};
	struct spec_iommu *new;
	const char *wrong;
	bool ok;
	int i;

	if_so(&a, s->state != SPEC_OPEN, EBUSY);
	if (type > PKVM_IOMMU_TYPE_TEST || (base | size) % PAGE || base + size < base ||
	    (!size && type != PKVM_IOMMU_TYPE_TEST) ||
	    flags & ~(PKVM_IOMMU_F_COHERENT | PKVM_IOMMU_F_STAGE1 | PKVM_IOMMU_F_LINEAR)) {
		if_so(&a, true, EINVAL);
	} else {
		if_so(&a, s->nr_iommus == PKVM_IOMMU_MAX, ENOSPC);
		for (i = 0; i < s->nr_iommus; i++) {
			if (base < s->iommu[i].base + s->iommu[i].size &&
			    base + size > s->iommu[i].base) {
				if_so(&a, true, EEXIST);
				break;
			}
		}
		for (i = 0; i < s->nr_mem; i++) {
			pfn = base / PAGE;
			if (pfn < s->mem[i].end && pfn + size / PAGE > s->mem[i].first) {
				if_so(&a, true, EPERM);
				break;
			}
		}
	}
	if_so(&a, s->refuses, ENXIO);
	wrong = judge(&a, res, &ok);
	if (wrong)
		return wrong;
	if ((int)res[0] == -ENXIO)
		return res[1] == PKVM_IOMMU_REFUSE_NONE || res[1] > PKVM_IOMMU_REFUSE_AUDIT ?
			"no reason for the refusal" : NULL;
	if (!ok)
		return no_results(res);
	if (res[1] != (u64)s->nr_iommus)
		return "ids are not in order";
	if (res[2] & (res[2] - 1) || (res[2] && res[2] < PAGE))
		return "wants memory that is not naturally aligned";
	new = &s->iommu[s->nr_iommus++];
	*new = (struct spec_iommu) { .base = base, .size = size, .wants = res[2],
				     .oas = s->new_oas,
				     .isolates = type != PKVM_IOMMU_TYPE_TEST };

	return NULL;
}

static const char *boot_donate(struct spec *s, const u64 *args, const u64 *res)
{
	u64 id = args[1], pfn = args[2], nr = args[3];
	struct allowed a = {};
	const char *wrong;
	bool ok;

	if_so(&a, s->state > SPEC_BUILDING, EBUSY);
	if (id != PKVM_IOMMU_POOL && id >= (u64)s->nr_iommus) {
		if_so(&a, true, ENOENT);
	} else {
		/* The registry is empty: there is no pool either. */
		if_so(&a, !s->nr_iommus, ENOENT);
		cannot_give(s, &a, pfn, nr, PKVM_IOMMU_DONATE_MAX);
		if (id != PKVM_IOMMU_POOL) {
			u64 wants = s->iommu[id].wants;

			if_so(&a, s->iommu[id].has || s->state == SPEC_BUILDING, EBUSY);
			if_so(&a, nr < wants / PAGE || (wants && pfn % (wants / PAGE)), EINVAL);
		}
	}
	wrong = judge(&a, res, &ok);
	if (wrong)
		return wrong;
	if (ok && id == PKVM_IOMMU_POOL) {
		pool_gets(s, pfn, nr);
	} else if (ok) {
		give(s, pfn, nr, SPEC_EL2);
		s->iommu[id].has = true;
	}

	return no_results(res);
}

static const char *boot_seal(struct spec *s, const u64 *args, const u64 *res)
{
	bool isolates = false, unfed = false, ok;
	struct allowed a = {};
	const char *wrong;
	int i;

	for (i = 0; i < s->nr_iommus; i++) {
		isolates |= s->iommu[i].isolates;
		unfed |= s->iommu[i].wants && !s->iommu[i].has;
	}
	if (s->state > SPEC_BUILDING) {
		if_so(&a, true, EBUSY);
	} else if (args[1] & ~(PKVM_IOMMU_F_OFF | PKVM_IOMMU_F_PARTIAL)) {
		if_so(&a, true, EINVAL);
	} else if (!(args[1] & PKVM_IOMMU_F_OFF)) {
		if_so(&a, true, EAGAIN);
		if_so(&a, true, ENOMEM);
		if_so(&a, !isolates, ENODEV);
		if_so(&a, unfed || s->refuses, ENXIO);
		if_so(&a, s->audit_fails, EPERM);
		if_so(&a, s->timeouts, ETIMEDOUT);
		a.maybe = isolates && !unfed && !s->refuses && !s->audit_fails && !s->timeouts;
	}
	wrong = judge(&a, res, &ok);
	if (wrong)
		return wrong;
	/* The build takes pages from the pool. */
	if (s->state <= SPEC_BUILDING)
		s->free_min = 0;
	switch (-(int)res[0]) {
	case 0:
		s->state = args[1] & PKVM_IOMMU_F_OFF ? SPEC_OFF : SPEC_SEALED;
		s->isolated = s->state == SPEC_SEALED && !(args[1] & PKVM_IOMMU_F_PARTIAL);
		return no_results(res);
	case EBUSY:
	case EINVAL:
		return no_results(res);
	case ENOMEM:
		if (!res[1] || res[1] > PKVM_IOMMU_DONATE_MAX)
			return "-ENOMEM asks for a strange number of pages";
		/* fall through */
	case EAGAIN:
		s->state = SPEC_BUILDING;
		return NULL;
	case ETIMEDOUT:
		s->state = SPEC_SEALED;
		for (i = 0; i < s->nr_iommus; i++)
			s->iommu[i].dead = s->timeouts & (1ULL << i);
		return res[1] != PKVM_IOMMU_REFUSE_TIMEOUT || !(s->timeouts & (1ULL << res[2])) ?
			"blames another" : NULL;
	case ENODEV:
		/* With no IOMMU that isolates, the others serve tests. */
		s->state = s->nr_iommus ? SPEC_SEALED : SPEC_FAILED;
		return no_results(res);
	}
	s->state = SPEC_FAILED;

	return res[1] == PKVM_IOMMU_REFUSE_NONE ? "no reason for the refusal" : NULL;
}

const char *spec_boot(struct spec *s, const u64 *args, const u64 *res)
{
	switch (args[0]) {
	case PKVM_IOMMU_BOOT_REGISTER:
		return boot_register(s, args, res);
	case PKVM_IOMMU_BOOT_DONATE:
		return boot_donate(s, args, res);
	case PKVM_IOMMU_BOOT_SEAL:
		return boot_seal(s, args, res);
	}

	return simple(res, EOPNOTSUPP);
}
