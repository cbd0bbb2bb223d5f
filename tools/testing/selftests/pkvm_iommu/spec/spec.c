// SPDX-License-Identifier: GPL-2.0
/* The executable specification of <linux/pkvm_iommu.h>, see spec.h. */
#include "spec-priv.h"

const char *judge(const struct allowed *a, const u64 *res, bool *ok)
{
	int ret = (int)res[0];
	unsigned int err = -ret;

	*ok = !ret;
	if ((u64)(int64_t)ret != res[0])
		return "x1 is no errno";
	if (!ret)
		return !a->nr || a->maybe ? NULL : "success, where an error is due";
	if (err < 8 * sizeof(a->err) && a->err[err / 64] >> err % 64 & 1)
		return NULL;

	return a->nr ? "the wrong error" : "an error without a reason";
}

const char *no_results(const u64 *res)
{
	return res[1] || res[2] ? "results, where there are none" : NULL;
}

const char *simple(const u64 *res, int err)
{
	struct allowed a = {};
	const char *wrong;
	bool ok;

	if_so(&a, true, err);
	wrong = judge(&a, res, &ok);

	return wrong ? wrong : no_results(res);
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
	return page == SPEC_HOST || page == SPEC_HOST_SHARED || page == SPEC_BORROWED ||
	       page == SPEC_RUNS;
}

/* Bytes of [@pa, @end) that are in [@start, @stop). */
static u64 common(u64 pa, u64 end, u64 start, u64 stop)
{
	if (pa >= stop || end <= start)
		return 0;
	return (end < stop ? end : stop) - (pa > start ? pa : start);
}

void spec_range(struct spec *s, u64 pa, u64 size, bool *must, bool *never)
{
	u64 end = pa + size, pfn, el2 = 0, other;
	struct spec_memory *m;
	int i;

	*must = false;
	for (i = 0; i < s->nr_iommus; i++)
		el2 += common(pa, end, s->iommu[i].base, s->iommu[i].base + s->iommu[i].size);
	for (i = 0; i < s->nr_registers; i++)
		el2 += common(pa, end, s->registers[i].base,
			      s->registers[i].base + s->registers[i].size);
	*never = el2;
	other = (size - el2) / PAGE;
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
	/* The rest is MMIO, which the host owns. */
	if (other)
		*must = true;
}

/* Bits of the addresses that all IOMMUs which walk page tables can read. */
u64 pool_reach(struct spec *s)
{
	/* An entry of a page table has room for 48 bits. */
	u64 reach = 48;
	int i;

	for (i = 0; i < s->nr_iommus; i++) {
		if (!s->iommu[i].no_tables && !s->iommu[i].permits && s->iommu[i].oas < reach)
			reach = s->iommu[i].oas;
	}

	return reach;
}

/* Find the errors of giving [@pfn, @pfn + @nr) to EL2; IOMMUs read @reach bits of addresses. */
void cannot_give(struct spec *s, struct allowed *a, u64 pfn, u64 nr, u64 max, u64 reach)
{
	bool wrong = false, in = false, out = false, edge = false;
	struct spec_memory *m;
	u64 i, was = 0;

	if (!nr || nr > max || pfn + nr < pfn || pfn + nr > ~0ULL / PAGE ||
	    (pfn + nr - 1) * PAGE >> reach) {
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
	/* Beyond physical addresses: the contract allows both errors. */
	edge |= (pfn + nr - 1) * PAGE >> s->cpu_bits;
	/* Memory also ends at a page that is only partly memory. */
	for (m = s->mem; m < s->mem + s->nr_mem; m++)
		edge |= (pfn < m->first && pfn + nr >= m->first) ||
			(pfn <= m->end && pfn + nr > m->end);
	if_so(a, edge || (in && out), EINVAL);
	if_so(a, wrong || out, EPERM);
}

void give(struct spec *s, u64 pfn, u64 nr, enum spec_page to)
{
	while (nr--)
		*spec_page(s, pfn++) = to;
}

/* Transitions of page ownership outside the layer. */

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

	/* EL2 has pinned the runs of MAP_LIST: they stay shared. */
	if (op == ENV_UNSHARE_HYP && page && *page == SPEC_RUNS)
		if_so(&a, true, EBUSY);
	else
		if_so(&a, !page || *page != page_ops[op].from, EPERM);
	if (!a.nr && !reachable(page_ops[op].to)) {
		if_so(&a, spec_pinned(s, pfn), EBUSY);
		may_be(&a, race_may_pin(s, pfn), EBUSY);
	}
	wrong = judge(&a, res, &ok);
	if (wrong)
		return wrong;
	if (ok) {
		*page = page_ops[op].to;
		if (!reachable(*page))
			flushed(s, pfn);
	}

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

/* Check if two stream ids with masks stand for the same id of the bus. */
static bool overlap(u32 a, u32 b)
{
	return !((a ^ b) & ~(a >> 16 | b >> 16) & 0xffff);
}

bool spec_owner(struct spec *s, int iommu, uint32_t id, uint32_t *sid)
{
	int i;

	for (i = 0; i < s->nr_streams; i++) {
		if (s->stream[i].iommu == iommu && s->stream[i].attached &&
		    overlap(s->stream[i].sid, id)) {
			*sid = s->stream[i].sid;
			return true;
		}
	}

	return false;
}

/* Common checks of ATTACH and DETACH. Returns NULL if there is no such stream. */
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

/* Streams of an IOMMU that are attached to other domains than the identity domain. */
static int translated(struct spec *s, int iommu)
{
	int i, n = 0;

	for (i = 0; i < s->nr_streams; i++)
		n += s->stream[i].iommu == iommu && s->stream[i].attached &&
		     s->stream[i].domain != PKVM_IOMMU_DOMAIN_IDENTITY;

	return n;
}

/* Check if an IOMMU has a context for a stream in the domain. One is for the identity domain. */
static bool has_context(struct spec *s, const struct spec_iommu *i, u64 domain)
{
	int n, m, iommu = i - s->iommu, domains = 0, streams = 0;

	for (n = 0; n < s->nr_streams; n++) {
		const struct spec_stream *st = &s->stream[n];

		if (st->iommu != iommu || !st->attached)
			continue;
		streams++;
		if (st->domain == PKVM_IOMMU_DOMAIN_IDENTITY)
			continue;
		for (m = 0; m < n && !(s->stream[m].iommu == iommu && s->stream[m].attached &&
				       s->stream[m].domain == st->domain); m++)
			;
		domains += m == n;
	}
	if (i->matches && streams >= i->matches)
		return false;

	return !i->banks || domain == PKVM_IOMMU_DOMAIN_IDENTITY ||
	       is_connected(s, iommu, domain) || domains < i->banks - 1;
}

/* Check if an IOMMU refuses the stream: there is none, or an attached one is the same. */
static bool is_refused(struct spec *s, const struct spec_iommu *i, u32 sid, bool *maybe)
{
	u32 id = sid & 0xffff, mask = sid >> 16, other;

	if (i->dead || (i->endpoints && sid >= i->endpoints))
		return true;
	if (!i->ids)
		return false;
	/* The same ids have a stream id without bits of the mask. */
	*maybe = id & mask;

	return id & ~i->ids || mask & ~i->masks || spec_owner(s, i - s->iommu, sid, &other);
}

static const char *attach(struct spec *s, const u64 *args, const u64 *res)
{
	struct allowed a = {};
	struct spec_stream *st = stream_args(s, args, &a);
	bool ok, refused = false, full = false, first, nested = false, odd = false;
	u64 mapped, lingers, root;
	struct spec_iommu *i;
	const char *wrong;

	if (st) {
		if_so(&a, st->attached, EBUSY);
		i = &s->iommu[st->iommu];
		refused = is_refused(s, i, st->sid, &odd);
		if_so(&a, refused, EIO);
		if_so(&a, i->no_tables && args[3] == PKVM_IOMMU_DOMAIN_IDENTITY, EOPNOTSUPP);
		if_so(&a, i->permits && args[3] != PKVM_IOMMU_DOMAIN_IDENTITY, EOPNOTSUPP);
		if_so(&a, !spec_fits(s, st->iommu, args[3]), EINVAL);
		full = i->contexts && args[3] != PKVM_IOMMU_DOMAIN_IDENTITY &&
		       translated(s, st->iommu) >= i->contexts;
		full |= !has_context(s, i, args[3]);
		if_so(&a, full, ENOSPC);
		nested = spec_nested(s, args[3], &root);
		if_so(&a, nested && i->nests == SPEC_NESTS_NOT, EOPNOTSUPP);
		may_be(&a, nested && i->nests == SPEC_MAY_NEST, EOPNOTSUPP);
		/*
		 * -ENOMEM needs a pool with fewer pages than the last call asked for. It is
		 * found before the hardware refuses the stream.
		 */
		if ((!a.nr || (a.nr == refused + full && !i->dead)) &&
		    (!s->enough || s->free_min < s->enough)) {
			a.maybe = !a.nr;
			if_so(&a, true, ENOMEM);
		}
		may_be(&a, race_may_set(s, st->iommu, st->sid), EAGAIN);
		may_be(&a, odd, EIO);
	}
	wrong = judge(&a, res, &ok);
	if (wrong)
		return wrong;
	if (nested && (ok || ((int)res[0] == -EOPNOTSUPP && i->nests == SPEC_MAY_NEST))) {
		wrong = nests(s, st->iommu, ok);
		if (wrong)
			return wrong;
	}
	if ((int)res[0] == -ENOMEM) {
		if (!res[1] || res[1] > PKVM_IOMMU_TOPUP_MAX || res[2])
			return "-ENOMEM asks for a strange number of pages";
		if (s->free_min > res[1])
			return "-ENOMEM asks for fewer pages than there are";
		s->enough = res[1] > s->enough ? res[1] : s->enough;
	} else if (!ok && no_results(res)) {
		return no_results(res);
	}
	/* It may have used pages even if it ran out of memory. */
	if (ok || (int)res[0] == -ENOMEM || ((int)res[0] == -EIO && (refused || odd)) ||
	    (int)res[0] == -ENOSPC) {
		u64 most = s->enough ? s->enough : s->free_min;

		s->free_min -= most < s->free_min ? most : s->free_min;
	}
	if (ok) {
		first = s->iommu[st->iommu].no_tables && !is_connected(s, st->iommu, args[3]);
		if (res[1] > 1 || res[2])
			return "strange results";
		if (!s->iommu[st->iommu].no_tables && res[1])
			return "a REPLAY, where there is nothing to tell";
		if (first && !res[1])
			return "no REPLAY, where nothing can be known";
		if (!first && !s->race && s->iommu[st->iommu].no_tables &&
		    !may_know(s, st->iommu, args[3]) &&
		    res[1] != !spec_knows(s, st->iommu, args[3], &mapped, &lingers))
			return "a REPLAY that is not needed, or none where one is";
		attached(s, st->iommu, args[3], res[1]);
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

	if (st) {
		if_so(&a, !st->attached || st->domain != args[3], ENOTCONN);
		may_be(&a, race_may_set(s, st->iommu, st->sid), EAGAIN);
	}
	wrong = judge(&a, res, &ok);
	if (wrong)
		return wrong;
	if (ok) {
		st->attached = false;
		detached(s, st->iommu, st->domain);
	}

	return no_results(res);
}

void pool_may_lose(struct spec *s, u64 pages)
{
	s->free_min -= pages < s->free_min ? pages : s->free_min;
}

void pool_gets(struct spec *s, u64 pfn, u64 nr)
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
	bool ok, pins = false;
	u64 i;

	cannot_give(s, &a, args[1], args[2], PKVM_IOMMU_TOPUP_MAX, pool_reach(s));
	for (i = 0; i < args[2] && i < PKVM_IOMMU_TOPUP_MAX; i++) {
		if (spec_pinned(s, args[1] + i)) {
			if_so(&a, true, EBUSY);
			break;
		}
		pins |= race_may_pin(s, args[1] + i);
	}
	may_be(&a, pins, EBUSY);
	wrong = judge(&a, res, &ok);
	if (wrong)
		return wrong;
	if (ok) {
		pool_gets(s, args[1], args[2]);
		for (i = 0; i < args[2]; i++)
			flushed(s, args[1] + i);
	}

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
		if (!s->race)
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
	int n;

	if (!room && i->unordered) {
		for (n = 0; n < i->nr_faults; n++)
			i->fault[n].hides |= i->fault[n].place == fault.place;
		return;
	}
	if (!room) {
		i->loss = true;
		return;
	}
	fault.after_loss = i->loss;
	i->fault[i->nr_faults++] = fault;
}

/* Check if the answer is this fault, of an id of the bus: of the attached stream that has it. */
static bool is_fault(struct spec *s, const struct spec_iommu *i, const struct spec_fault *f,
		     const u64 *res)
{
	u32 sid = f->sid;

	if (i->ids && f->reason != PKVM_IOMMU_FAULT_BLOCKED)
		spec_owner(s, i - s->iommu, f->sid, &sid);
	if ((res[1] & PKVM_IOMMU_FAULT_SID) != sid)
		return false;

	return (res[1] & PKVM_IOMMU_FAULT_REASON) / (PKVM_IOMMU_FAULT_SID + 1) == (u64)f->reason &&
	       !!(res[1] & PKVM_IOMMU_FAULT_WRITE) == f->write && res[2] == f->addr;
}

static const char *fault(struct spec *s, const u64 *args, const u64 *res)
{
	struct allowed a = {};
	struct spec_iommu *i;
	struct spec_fault *f;
	const char *wrong;
	int reason, n, last;
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
	/* An error of the IOMMU itself has no stream, and may come at any time. */
	if (i->errors && reason == PKVM_IOMMU_FAULT_HARDWARE && res[2] == i->errors) {
		if (res[1] & PKVM_IOMMU_FAULT_SID)
			return "an error of the IOMMU's own has a stream";
		i->errors = 0;
		return NULL;
	}
	if (!i->nr_faults)
		return "a fault that never was";
	last = i->unordered ? i->nr_faults - 1 : 0;
	for (n = 0; n < last && !is_fault(s, i, &i->fault[n], res); n++)
		;
	f = &i->fault[n];
	if (!is_fault(s, i, f, res))
		return "another fault than the oldest";
	if (i->unordered && !(res[1] & PKVM_IOMMU_FAULT_LOST) == f->hides)
		return "says that records were lost, or does not";
	if (!i->unordered && res[1] & PKVM_IOMMU_FAULT_LOST) {
		/* Some hardware reports no loss: it is known only that there was no room. */
		if (!i->loss && !(i->no_tables && i->nr_faults >= 64))
			return "says that records were lost";
		i->loss = false;
		for (n = 0; n < i->nr_faults; n++)
			i->fault[n].after_loss = false;
	}
	if (f->after_loss)
		return "does not say that records were lost before";
	memmove(f, f + 1, (i->fault + --i->nr_faults - f) * sizeof(*f));

	return NULL;
}

static const char *region(struct spec *s, const u64 *args, const u64 *res)
{
	const struct spec_region *r = NULL;
	u64 sid = args[2], nth = args[3];
	struct allowed a = {};
	struct spec_iommu *i;
	const char *wrong;
	int n;
	bool ok;

	if (args[1] >= (u64)s->nr_iommus)
		return simple(res, ENOENT);
	i = &s->iommu[args[1]];
	if_so(&a, sid >> i->sid_bits, EINVAL);
	if_so(&a, i->dead, EIO);
	/* The walk of a guest does not know if the IOMMU tells. */
	if_so(&a, i->endpoints && sid >= i->endpoints, EIO);
	for (n = 0; n < i->nr_regions && !r; n++) {
		if (sid % 2 && !i->region[n].odd)
			continue;
		if (!nth--)
			r = &i->region[n];
	}
	if_so(&a, !r && !(sid >> i->sid_bits) &&
	      !(i->tells && i->endpoints && sid >= i->endpoints), ENODATA);
	wrong = judge(&a, res, &ok);
	if (wrong)
		return wrong;
	if (!ok)
		return no_results(res);
	if (res[1] != (r->first | r->kind) || res[2] != r->last)
		return "another region than the IOMMU has";

	return NULL;
}

/* IOMMUs of one geometry are of one kind, and have one size of addresses. */
static const char *geometry(struct spec *s, struct spec_iommu *i, const u64 *res)
{
	struct spec_iommu *other;

	if (i->geometry >= 0 && (u64)i->geometry != res[1])
		return "another geometry than before";
	i->geometry = res[1];
	for (other = s->iommu; other < s->iommu + s->nr_iommus; other++) {
		if (other->geometry == i->geometry &&
		    (other->permits != i->permits || other->no_tables != i->no_tables ||
		     (other->limit && i->limit && other->limit != i->limit)))
			return "different IOMMUs have one geometry";
	}

	return res[2] ? "a second result" : NULL;
}

static const char *info(struct spec *s, const u64 *args, const u64 *res)
{
	bool of_iommu = args[1] == PKVM_IOMMU_INFO_IDENTITY || args[1] == PKVM_IOMMU_INFO_NESTED ||
			args[1] == PKVM_IOMMU_INFO_MANAGED || args[1] == PKVM_IOMMU_INFO_LIMIT ||
			args[1] == PKVM_IOMMU_INFO_GEOMETRY ||
			args[1] == PKVM_IOMMU_INFO_REGISTERS;
	struct spec_iommu *i = &s->iommu[args[2] < (u64)s->nr_iommus ? args[2] : 0];
	struct allowed a = {};
	const char *wrong;
	bool ok, must, never;

	if (args[1] == PKVM_IOMMU_INFO_MAPPED)
		return info_mapped(s, args, res);
	if_so(&a, args[1] > PKVM_IOMMU_INFO_REACHES, EINVAL);
	if_so(&a, of_iommu && args[2] >= (u64)s->nr_iommus, ENOENT);
	wrong = judge(&a, res, &ok);
	if (wrong)
		return wrong;
	if (!ok)
		return no_results(res);
	switch (args[1]) {
	case PKVM_IOMMU_INFO_POOL_FREE:
	case PKVM_IOMMU_INFO_POOL_TOTAL:
		/* Concurrent calls may hold pages. */
		if (s->race)
			break;
		if (args[1] == PKVM_IOMMU_INFO_POOL_TOTAL) {
			if (res[1] != s->total)
				return "the pool's pages are miscounted";
			break;
		}
		if (res[1] < s->free_min || res[1] > s->free_max)
			return "free pages came or went";
		s->free_min = res[1];
		s->free_max = res[1];
		break;
	case PKVM_IOMMU_INFO_SHADOW:
		if (!res[1] || res[1] > s->total)
			return "an impossible number of pages";
		break;
	case PKVM_IOMMU_INFO_LIMIT:
		if (res[1] > i->oas || (i->limit && res[1] != i->limit))
			return "an impossible reach";
		i->limit = res[1];
		break;
	case PKVM_IOMMU_INFO_GEOMETRY:
		return geometry(s, i, res);
	case PKVM_IOMMU_INFO_RUNS:
		if (res[1] != s->nr_runs)
			return "there is memory for another number of runs";
		break;
	case PKVM_IOMMU_INFO_IDENTITY:
		if (res[1] != !i->no_tables)
			return "an IOMMU without identity domain, or with one that cannot be";
		break;
	case PKVM_IOMMU_INFO_MANAGED:
		if (res[1] != (i->permits ? PKVM_IOMMU_MANAGED_NONE :
			       i->contexts || i->banks ? PKVM_IOMMU_MANAGED_SOME :
							 PKVM_IOMMU_MANAGED_ALL))
			return "an IOMMU without managed domains, or with some that cannot be";
		break;
	case PKVM_IOMMU_INFO_NESTED:
		wrong = nests(s, args[2], res[1]);
		if (wrong)
			return wrong;
		if (!res[1])
			break;
		if (res[1] >> 25 || (i->nested_format && res[1] != i->nested_format) ||
		    !(res[1] & PKVM_IOMMU_NESTED_IAS))
			return "a strange format, or another one than before";
		if (i->limit && (res[1] & PKVM_IOMMU_NESTED_OAS) >> 16 < i->limit)
			return "tables of the host's do not reach all of the identity domain";
		i->nested_format = res[1];
		break;
	case PKVM_IOMMU_INFO_REGISTERS:
		if (res[1] != s->iommu[args[2]].at)
			return "the registers are elsewhere";
		break;
	case PKVM_IOMMU_INFO_REACHES:
		/* Above all addresses, the end of the page would wrap. */
		must = args[2] >> 56;
		if (!must)
			spec_range(s, args[2] / PAGE * PAGE, PAGE, &must, &never);
		if (res[1] != must)
			return "the host reaches a page that it does not, or the reverse";
		break;
	}

	return res[2] ? "a second result" : NULL;
}

/* Only tests that do not break hardware. */
static const char *test(struct spec *s, const u64 *args, const u64 *res)
{
	struct allowed a = {};
	bool ok, must, never, is_test, walked;
	unsigned char *page;
	const char *wrong;
	u64 value = res[1];
	int i, bits;

	is_test = args[2] < (u64)s->nr_iommus && !s->iommu[args[2]].isolates;
	switch (args[1]) {
	case PKVM_IOMMU_TEST_SHADOW:
		spec_range(s, args[2] / PAGE * PAGE, PAGE, &must, &never);
		for (i = 0, walked = false; i < s->nr_iommus; i++)
			walked |= !s->iommu[i].no_tables && !s->iommu[i].permits &&
				  !(args[2] >> s->iommu[i].limit);
		value = walked && must;
		/*
		 * Page 0 is not compared: the contract does not define it. Nor is a page that
		 * may describe a nested domain: devices may read it.
		 */
		page = spec_page(s, args[2] / PAGE);
		for (i = 0; i < SPEC_DOMAINS && page && *page == SPEC_POOL; i++) {
			if (s->domain[i].nested)
				value = res[1];
		}
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
	case PKVM_IOMMU_TEST_PERMITTED:
		is_test &= args[2] < (u64)s->nr_iommus && s->iommu[args[2]].permits;
		if_so(&a, !is_test, ENOENT);
		spec_range(s, args[3] / PAGE * PAGE, PAGE, &must, &never);
		bits = s->iommu[is_test ? args[2] : 0].limit;
		value = is_test && must && !(args[3] >> bits);
		break;
	case PKVM_IOMMU_TEST_GUEST_PGD:
		if_so(&a, args[2] != ENV_GUEST, ENOENT);
		value = ENV_GUEST_PGD;
		break;
	case PKVM_IOMMU_TEST_UNMAP_DEV:
		value = 0;
		break;
	case PKVM_IOMMU_TEST_DONATE:
		page = spec_page(s, args[2]);
		if_so(&a, !page || *page != SPEC_HOST, EPERM);
		/* Not memory, only partly memory, or beyond physical addresses. */
		if_so(&a, !page || args[2] > ~0ULL / PAGE || args[2] * PAGE >> s->cpu_bits, EINVAL);
		if_so(&a, page && *page == SPEC_HOST && spec_pinned(s, args[2]), EBUSY);
		value = 0;
		break;
	case PKVM_IOMMU_TEST_RESUME:
		value = 0;
		break;
	case PKVM_IOMMU_TEST_WRITE_REG:
		if_so(&a, true, ENOENT);	/* no registers there */
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
	if (args[1] == PKVM_IOMMU_TEST_DONATE)
		flushed(s, args[2]);

	return res[1] != value || res[2] ? "the test call sees something else" : NULL;
}

const char *spec_call(struct spec *s, const u64 *args, const u64 *res)
{
	if (args[0] == PKVM_IOMMU_RECLAIM)
		return reclaim(s, res);
	if (s->state != SPEC_SEALED) {
		/* -EOPNOTSUPP is allowed too if the operation does not exist. */
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
		return domain_alloc(s, args, res);
	case PKVM_IOMMU_DOMAIN_FREE:
		return domain_free(s, args, res);
	case PKVM_IOMMU_MAP:
	case PKVM_IOMMU_MAP_LIST:
		return map(s, args, res);
	case PKVM_IOMMU_UNMAP:
		return unmap(s, args, res);
	case PKVM_IOMMU_LOOKUP:
		return lookup(s, args, res);
	case PKVM_IOMMU_FLUSH:
		return flush(s, args, res);
	case PKVM_IOMMU_REPLAY:
		return replay_maps(s, args, res);
	case PKVM_IOMMU_INVALIDATE:
		return invalidate(s, args, res);
	case PKVM_IOMMU_REGION:
		return region(s, args, res);
	}

	return simple(res, EOPNOTSUPP);
}
