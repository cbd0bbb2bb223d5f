// SPDX-License-Identifier: GPL-2.0
/*
 * Acts: the single actions of a host, a guest, a device or the hardware. An act
 * holds everything that it depends on, the seed of random choices included. So a list
 * of acts replays exactly, and so does a list from which acts were removed.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <linux/pkvm_iommu.h>

#include "runner.h"

struct record *record;
u64 act_counts[18], act_answers[2];
u64 act_nr;
bool act_tracing;
bool may_stop;
bool ended;
const char *act_repeat = "";

/* The last acts, for the message of a failure. */
#define TRACE	24
#define TRACE_LEN	160
static char trace[TRACE][TRACE_LEN];
static u64 traced;

void note(const char *fmt, ...)
{
	char *line = trace[traced++ % TRACE];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(line, TRACE_LEN, fmt, ap);
	va_end(ap);
	if (act_tracing)
		printf("# %llu: %s\n", (unsigned long long)act_nr, line);
}

/* Keep the message without numbers: failures are compared by it. */
static void remember(const char *text)
{
	char *to = record->failure, *end = to + sizeof(record->failure) - 1;

	for (; *text && to < end; text++) {
		if (*text < '0' || *text > '9')
			*to++ = *text;
		else
			text += strspn(text, "0123456789abcdefx") - 1;
	}
	*to = 0;
}

void fail(const char *fmt, ...)
{
	char text[512];
	va_list ap;
	u64 i;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	fflush(stdout);
	printf("# FAILED: %s\n# in act %llu; what led to it:\n", text, (unsigned long long)act_nr);
	for (i = traced > TRACE ? traced - TRACE : 0; i < traced; i++)
		printf("#   %s\n", trace[i % TRACE]);
	printf("# repeat: %s\n", act_repeat);
	fflush(stdout);
	if (record)
		remember(text);
	_exit(1);
}

/*
 * Memory of the host: page tables that open everything, or stream table entries
 * that bypass (4), translate with stage 1 (5) or with stage 2 (6).
 */
void scribble(u64 pfn)
{
	u64 *cpu = env_cpu(pfn * ENV_PAGE), *poc = env_poc(pfn * ENV_PAGE);
	bool entries = smmu_random(2);
	int i;

	for (i = 0; i < (int)ENV_PTES; i++) {
		u64 chance = smmu_random(1 << 16);
		u64 addr = chance & 1 ? ENV_RAM0 + (chance >> 5) * ENV_PAGE : ENV_RAM2;

		if (entries && !(i % 8))
			cpu[i] = addr | 1 | (4 + (chance >> 1) % 3) << 1;
		else if (entries && i % 8 == 2)
			cpu[i] = 1 | (64ULL - 36) << 32 | 1ULL << 38 | 1ULL << 51;
		else
			cpu[i] = addr | 0x6c1 | (chance & 2);
		poc[i] = cpu[i];
	}
}

bool mapping_says(u64 domain, u64 iova, u64 size, struct smmu_map *map)
{
	const struct spec_map *m = spec_mapped(&spec, domain, iova, size, &map->all);

	if (!m)
		return false;
	map->pa = iova - m->iova + m->phys;
	map->read = m->prot & PKVM_IOMMU_PROT_READ;
	map->write = m->prot & PKVM_IOMMU_PROT_WRITE;
	map->mmio = m->prot & PKVM_IOMMU_PROT_MMIO;
	map->cache = m->prot & PKVM_IOMMU_PROT_CACHE;

	return true;
}

bool lingers_says(u64 domain, u64 iova, u64 size, const struct smmu_map *map)
{
	u64 prot = (map->read ? PKVM_IOMMU_PROT_READ : 0) | (map->write ? PKVM_IOMMU_PROT_WRITE : 0);
	u64 mask = PKVM_IOMMU_PROT_WRITE | (map->only_write ? PKVM_IOMMU_PROT_READ : 0);

	return spec_was_mapped(&spec, domain, iova, size, map->pa, prot, mask);
}

bool knows_says(int iommu, u64 domain, u64 *mapped, u64 *lingers)
{
	return spec_knows(&spec, iommu, domain, mapped, lingers);
}

/* Acts as text. */

static const char *const names[] = {
	"attach", "detach", "topup", "reclaim", "fault", "info", "test", "domain alloc",
	"domain free", "map", "unmap", "lookup", "flush", "replay", "map list",
	"invalidate", "region",
};

const char *const page_op_names[ENV_OPS] = {
	[ENV_SHARE_HYP]		= "share",
	[ENV_UNSHARE_HYP]	= "unshare",
	[ENV_DONATE_GUEST]	= "donate to guest",
	[ENV_RECLAIM_GUEST]	= "reclaim from guest",
	[ENV_GUEST_SHARE]	= "guest shares",
	[ENV_GUEST_UNSHARE]	= "guest unshares",
};

static const char *call_name(const struct act *a)
{
	static const char *const boot_names[] = { "register", "donate", "seal", "withhold" };

	if (a->kind == ACT_BOOT)
		return a->a[0] < COUNT(boot_names) ? boot_names[a->a[0]] : "unknown";

	return a->a[0] < COUNT(names) ? names[a->a[0]] : "unknown";
}

/* Number of arguments that an act uses. */
int act_args(const struct act *a)
{
	static const int named[] = { 3, 3, 2, 0, 1, 2, 3, 2, 1, 4, 4, 2, 1, 2, ARGS - 1, 4,
				     3 };
	static const int boot_named[] = { 4, 3, 1, 2 };
	int last;

	if (a->kind == ACT_BOOT)
		return a->a[0] < COUNT(boot_named) ? boot_named[a->a[0]] : ARGS - 1;
	if (a->kind == ACT_CALL && a->a[0] == PKVM_IOMMU_MAP) {
		/* The first 0 ends its runs. */
		for (last = 4; last < ARGS - 1 && a->a[last]; last++)
			;
		return last;
	}
	if (a->kind == ACT_CALL)
		return a->a[0] < COUNT(named) ? named[a->a[0]] : ARGS - 1;

	return ARGS - 1;
}

void act_words(const struct act *a, char *to, size_t size)
{
	int i, n;

	switch (a->kind) {
	case ACT_BOOT:
	case ACT_CALL:
		n = snprintf(to, size, "%s(", call_name(a));
		for (i = 1; i <= act_args(a) && n < (int)size; i++)
			n += snprintf(to + n, size - n, "%s%#llx", i == 1 ? "" : ", ",
				      (unsigned long long)a->a[i]);
		if (n < (int)size)
			snprintf(to + n, size - n, ")");
		break;
	case ACT_PAGE:
		snprintf(to, size, "page %#llx: %s", (unsigned long long)a->a[1],
			 page_op_names[a->a[0] % ENV_OPS]);
		break;
	case ACT_DMA:
		snprintf(to, size, "dma of stream %#llx of %llu: %s %#llx",
			 (unsigned long long)a->a[1], (unsigned long long)a->a[0],
			 a->a[3] ? "write" : "read", (unsigned long long)a->a[2]);
		break;
	case ACT_EVENT:
		snprintf(to, size, "event %#llx of stream %#llx of %llu",
			 (unsigned long long)a->a[2], (unsigned long long)a->a[1],
			 (unsigned long long)a->a[0]);
		break;
	case ACT_GERROR:
		snprintf(to, size, "errors %#llx of %llu", (unsigned long long)a->a[1],
			 (unsigned long long)a->a[0]);
		break;
	case ACT_SYNC:
		snprintf(to, size, "IOMMU 0 %s", a->a[0] ? "is lost from here on" : "works again");
		break;
	case ACT_RESUME:
		snprintf(to, size, "SMMUs %#llx come from power-off, of these dead: %#llx, how: %llu",
			 (unsigned long long)a->a[0], (unsigned long long)a->a[2],
			 (unsigned long long)a->a[1]);
		break;
	}
}

/* Checks after an act. */

bool is_smmu(u64 id)
{
	return id < (u64)config->nr;
}

bool is_smmu_v2(u64 id)
{
	return is_smmu(id) && config->smmu[id].v2.banks;
}

bool is_virtio(u64 id)
{
	return !is_smmu(id) && id < (u64)(config->nr + config->nr_virtio);
}

bool is_permits(u64 id)
{
	return id < (u64)nr_configured() && id >= (u64)(nr_configured() - config->permits);
}

int nr_configured(void)
{
	return config->nr + config->nr_virtio + config->tests + config->told + config->permits;
}

static bool is_hardware(u64 id)
{
	return is_smmu(id) || is_virtio(id);
}

static void check_stream(int id, u32 sid, bool attached, u64 domain)
{
	if (is_smmu(id))
		smmu_check_stream(id, sid, attached, domain);
	else
		vdev_check_stream(id, sid, attached, domain);
}

static void check_iommu(int id, bool thorough)
{
	if (is_smmu(id)) {
		smmu_check_enabled(id);
		smmu_check_events(id, spec.iommu[id].nr_faults);
		smmu_check_reach(id, thorough);
	} else {
		vdev_check_enabled(id);
		if (!vdev_room(id) && spec.iommu[id].nr_faults < 64)
			fail("events are not taken from the queue of virtio %d", id);
		vdev_check_reach(id, thorough);
	}
}

static void check_permitted(int id, u64 pa)
{
	bool must, never, attached;

	pa &= ~(ENV_PAGE - 1);
	spec_range(&spec, pa, ENV_PAGE, &must, &never);
	must &= pa < limit_of(id);
	if (env_permitted(id, pa, &attached) == must)
		return;
	note("IOMMU %d: page %#llx", id, (unsigned long long)pa);
	fail(must ? "an IOMMU denies what the host reaches" :
		    "an IOMMU permits what the host does not reach");
}

/* All memory, or the pages that the walk uses most; and registers, of IOMMUs and of others. */
static void check_permits(int id, bool thorough)
{
	const u64 first = ENV_RAM1 / ENV_PAGE + 0x1f0, end = first + 0x30;
	struct spec_memory *m;
	u64 pfn;
	int i;

	for (pfn = first; pfn < end; pfn++)
		check_permitted(id, pfn * ENV_PAGE);
	for (i = 0; i < spec.nr_iommus; i++)
		check_permitted(id, spec.iommu[i].base);
	if (!thorough)
		return;
	for (i = 0; i < spec.nr_registers; i++)
		check_permitted(id, spec.registers[i].base);
	for (m = spec.mem; m < spec.mem + spec.nr_mem; m++) {
		for (pfn = m->first - 1; pfn <= m->end; pfn++)
			check_permitted(id, pfn * ENV_PAGE);
	}
	check_permitted(id, 0);
	check_permitted(id, limit_of(id) - 1);
	check_permitted(id, limit_of(id));
}

static void check(bool tables, bool streams)
{
	int i, n;

	for (i = 0; i < spec.nr_iommus; i++) {
		if (is_permits(i))
			check_permits(i, tables);
		if (!is_hardware(i) || spec.iommu[i].dead)
			continue;
		check_iommu(i, tables);
		for (n = 0; streams && n < spec.nr_streams; n++) {
			if (spec.stream[n].iommu == i)
				check_stream(i, spec.stream[n].sid, spec.stream[n].attached,
					     spec.stream[n].domain);
		}
	}
}

void check_all(bool thorough)
{
	check(thorough, thorough);
}

/* The streams in any case: the software SMMU then knows the domain of each. */
void check_race(bool thorough)
{
	check(thorough, true);
}

static void check_one(u64 iommu, u64 sid)
{
	bool attached;

	if (spec.state == SPEC_SEALED && is_hardware(iommu) && !spec.iommu[iommu].dead &&
	    sid < 1ULL << 32) {
		attached = !(sid >> spec.iommu[iommu].sid_bits) &&
			   spec_attached(&spec, iommu, sid);
		check_stream(iommu, sid, attached,
			     attached ? spec_domain_of(&spec, iommu, sid) : 0);
	}
}

/* Acts. */

/*
 * The runs of a MAP_LIST are taken from registers that the call ignores: they repeat,
 * each time one page further.
 */
static unsigned char list_read[2 * ENV_PAGE / sizeof(u64)];

static void write_list(const struct act *a)
{
	u64 *list = (u64 *)spec.runs, i, n;

	for (n = 0; n < ARGS - 6 && a->a[6 + n]; n++)
		;
	for (i = 0; i < a->a[5] && i < PKVM_IOMMU_LIST_RUNS && a->a[4] + i < spec.nr_runs; i++)
		list[a->a[4] + i] = n ? a->a[6 + i % n] + i / n * ENV_PAGE : 0;
	memset(list_read, 0, sizeof(list_read));
}

/* The host could have changed a run by the second time that EL2 reads it. */
void list_access(const void *addr)
{
	const u64 *word = spec.runs ? env_cpu(env_el2_pa(addr)) : NULL;

	if (!word || word < spec.runs || word >= spec.runs + spec.nr_runs)
		return;
	if (list_read[word - spec.runs]++)
		fail("EL2 reads run %llu of a list again", (unsigned long long)(word - spec.runs));
}

/* The CPUs of a group; or the one that is alone. */
static int caller(const struct act *a)
{
	return a->group ? 1 + a->cpu : 0;
}

/* Prepare memory for a call: pages that are given away have random contents. */
void act_prepare(const struct act *a)
{
	u64 i;

	if (a->kind == ACT_CALL && a->a[0] == PKVM_IOMMU_TOPUP) {
		for (i = 0; i < a->a[2] && i < PKVM_IOMMU_TOPUP_MAX; i++) {
			if (env_host_owns(a->a[1] + i))
				scribble(a->a[1] + i);
		}
	}
	if (a->kind == ACT_CALL && a->a[0] == PKVM_IOMMU_MAP_LIST)
		write_list(a);
	if (a->kind == ACT_CALL && a->a[0] == PKVM_IOMMU_ATTACH)
		smmu_attaching = a->a[3];
	if (a->kind == ACT_CALL && a->a[0] == PKVM_IOMMU_INVALIDATE)
		smmu_invalidating(caller(a), a->a[1], a->a[2], a->a[3],
				  a->a[4] & PKVM_IOMMU_INVALIDATE_LEAF);
}

/* A call has returned, on some CPU. */
void act_returned(const struct act *a, const u64 *res)
{
	if (a->kind == ACT_CALL && a->a[0] == PKVM_IOMMU_INVALIDATE)
		smmu_invalidated(caller(a), !res[0]);
}

/* Check memory after a call: pages that are returned are zero. */
void act_finish(const struct act *a, const u64 *res)
{
	static const u64 zero[ENV_PTES];

	if (a->kind == ACT_CALL && a->a[0] == PKVM_IOMMU_RECLAIM && !res[0] && env_cpu(res[1] * ENV_PAGE)) {
		if (memcmp(env_cpu(res[1] * ENV_PAGE), zero, ENV_PAGE) ||
		    memcmp(env_poc(res[1] * ENV_PAGE), zero, ENV_PAGE))
			fail("page %#llx comes back with contents", (unsigned long long)res[1]);
		if (env_host_owns(res[1]))
			scribble(res[1]);
	}
}

bool nested_says(u64 domain, struct smmu_nested *nested)
{
	int iommu = spec_domain_iommu(&spec, domain);
	u64 format = iommu < 0 ? 0 : spec.iommu[iommu].nested_format;

	nested->ias = (format & PKVM_IOMMU_NESTED_IAS) >> 8;
	nested->oas = (format & PKVM_IOMMU_NESTED_OAS) >> 16;
	nested->coherent = format & PKVM_IOMMU_NESTED_COHERENT;

	return spec_nested(&spec, domain, &nested->root);
}

bool owner_says(int iommu, u32 id, u32 *sid, u64 *domain)
{
	if (!spec_owner(&spec, iommu, id, sid))
		return false;
	*domain = spec_domain_of(&spec, iommu, *sid);

	return true;
}

static void stopped(const char *words)
{
	note("%s: EL2 stops", words);
	if (!may_stop || !env_rightly)
		fail("EL2 stops in %s", env_bug_func);
	ended = true;
}

static int act_call(const struct act *a, u64 *res, const char *words)
{
	bool boot = a->kind == ACT_BOOT;
	const char *wrong;

	/* The specification has no room for more domains. */
	if (!boot && a->a[0] == PKVM_IOMMU_DOMAIN_ALLOC && !spec_domain_room(&spec))
		return -ENOSPC;
	res[0] = 0xdead;
	act_prepare(a);
	vdev_notified();
	if (!env_hvc(boot, a->a, res)) {
		stopped(words);
		return STOPPED;
	}
	note("%s = %lld, %#llx, %#llx", words, (long long)res[0], (unsigned long long)res[1],
	     (unsigned long long)res[2]);
	if (ended)
		fail("call %llu is answered after a lost command", (unsigned long long)a->a[0]);
	if (!boot) {
		act_counts[a->a[0] < COUNT(act_counts) ? a->a[0] : COUNT(act_counts) - 1]++;
		act_answers[!res[0]]++;
	}
	/* A refused request may need a second one that undoes the first. */
	if (!boot && vdev_notified() > 1 && !res[0])
		fail("a device is notified more than once in a call");
	act_returned(a, res);
	env_no_locks();
	wrong = boot ? spec_boot(&spec, a->a, res) : spec_call(&spec, a->a, res);
	if (wrong)
		fail("%s", wrong);
	act_finish(a, res);
	if (!boot && (a->a[0] == PKVM_IOMMU_ATTACH || a->a[0] == PKVM_IOMMU_DETACH))
		check_one(a->a[1], a->a[2]);

	return (int)res[0];
}

static int act_page(const struct act *a, u64 *res, const char *words)
{
	const char *wrong;

	/* In a shortened list of acts, the page may be in another state. */
	if (!spec_page(&spec, a->a[1]))
		return 0;
	res[0] = env_page_op(a->a[0], a->a[1]);
	if ((int)res[0] == -EIO) {
		stopped(words);
		return STOPPED;
	}
	note("%s: %d", words, (int)res[0]);
	if (ended && !res[0] && a->a[1] * ENV_PAGE < limit_of(0) &&
	    (a->a[0] == ENV_DONATE_GUEST || a->a[0] == ENV_GUEST_UNSHARE))
		fail("page %#llx is revoked after a lost command", (unsigned long long)a->a[1]);
	if (ended)
		return 0;
	env_no_locks();
	wrong = spec_page_op(&spec, a->a[0], a->a[1], (int)res[0]);
	if (wrong)
		fail("%s", wrong);

	return (int)res[0];
}

/* Returns the result of the access, in the walk and in a race. */
static enum smmu_result dma(const struct act *a, u32 sid, u64 *pa, struct spec_fault *f, bool *room)
{
	static const int reasons[] = {
		[SMMU_BLOCKED]		= PKVM_IOMMU_FAULT_BLOCKED,
		[SMMU_UNMAPPED]		= PKVM_IOMMU_FAULT_UNMAPPED,
		[SMMU_PERMISSION]	= PKVM_IOMMU_FAULT_PERMISSION,
	};
	enum smmu_result got;
	bool attached;

	if (is_permits(a->a[0])) {
		/* The device is in front of the IOMMU; there are no records. */
		*pa = a->a[2];
		if (!env_permitted(a->a[0], *pa, &attached))
			return SMMU_UNMAPPED;
		return attached ? SMMU_OK : SMMU_BLOCKED;
	}
	if (is_virtio(a->a[0])) {
		*room = vdev_room(a->a[0]);
		got = vdev_dma(a->a[0], sid, a->a[2], a->a[3], pa, f);
	} else {
		got = smmu_dma(a->a[0], sid, a->a[2], a->a[3], pa, f, room);
	}
	if (got == SMMU_BYPASS)
		fail("a device bypasses translation");
	if (got != SMMU_OK && is_smmu(a->a[0])) {
		f->reason = reasons[got];
		f->place = smmu_place;
	}

	return got;
}

static int act_dma(const struct act *a, const char *words)
{
	u64 iommu = a->a[0], sid = a->a[1], addr = a->a[2], pa, right = addr, domain = 0;
	u64 mapped, lingers, root;
	u32 bus = sid, owner;
	bool write = a->a[3], attached, must, never, room = true;
	enum smmu_result got;
	struct spec_fault f;
	struct smmu_map map;

	attached = !(sid >> spec.iommu[iommu].sid_bits) && spec_attached(&spec, iommu, sid);
	if (attached)
		domain = spec_domain_of(&spec, iommu, sid);
	if (spec.iommu[iommu].ids) {
		/* One of the ids that the stream stands for, which may belong to another. */
		bus = (sid | (smmu_random(1 << 16) & (sid >> 16))) & spec.iommu[iommu].ids;
		attached = owner_says(iommu, bus, &owner, &domain);
	}
	if (spec_nested(&spec, domain, &root))
		domain = PKVM_IOMMU_DOMAIN_IDENTITY;
	spec_range(&spec, addr & ~(ENV_PAGE - 1), ENV_PAGE, &must, &never);
	if (domain) {
		must = mapping_says(domain, addr, 1, &map) && (write ? map.write : map.read);
		/* Stage 1 has no write-only entries. */
		never = !mapping_says(domain, addr, 1, &map) || (write && !map.write);
		right = map.pa;
	} else if (addr >= limit_of(iommu)) {
		must = false;
		never = true;
	} else if (!env_cpu(addr) && !never) {
		return 0;	/* MMIO: smmu_check_reach() checks it */
	}
	if (!domain && !write && addr < limit_of(iommu) && !is_permits(iommu) && smmu_lent(addr))
		never = false;
	got = dma(a, bus, &pa, &f, &room);
	/* Not before the REPLAY that ATTACH asked for. */
	if (domain && is_virtio(iommu) && !spec_knows(&spec, iommu, domain, &mapped, &lingers))
		must = false;
	/* A lingering translation: the old address or the old permissions. */
	if (domain && spec_may_linger(&spec, domain, addr)) {
		must = false;
		if (got == SMMU_OK && spec_was_mapped(&spec, domain, addr, 1, pa,
						      write ? PKVM_IOMMU_PROT_WRITE : 0,
						      write ? PKVM_IOMMU_PROT_WRITE : 0)) {
			never = false;
			right = pa;
		}
	}
	note("%s: %d%s", words, got, got && !room ? ", not recorded" : "");
	if (got == SMMU_OK && (!attached || never || pa != right))
		fail("a device reaches what it must not");
	if (got != SMMU_OK && attached && must)
		fail("a device is refused what it may have");
	if (got != SMMU_OK && !is_permits(iommu))
		spec_fault(&spec, iommu, f, room);

	return 0;
}

/* Events that a device can cause other than by the address of an access. */
struct spec_fault event_fault(const struct act *a)
{
	struct spec_fault f = { .sid = a->a[1], .reason = a->a[3] };

	if (a->a[4])
		f.addr = a->a[5];
	if (a->a[4] || is_virtio(a->a[0]))
		f.write = a->a[6];

	return f;
}

bool make_event(const struct act *a)
{
	bool room;

	if (is_smmu(a->a[0]))
		return smmu_event(a->a[0], a->a[1], a->a[2], a->a[5], a->a[6]);
	room = vdev_room(a->a[0]);
	vdev_strange(a->a[0], a->a[1], a->a[2], a->a[4], a->a[5], a->a[6]);

	return room;
}

static int act_event(const struct act *a, const char *words)
{
	bool room = make_event(a);
	struct spec_fault f = event_fault(a);

	f.place = smmu_place;
	note("%s%s", words, room ? "" : ", not recorded");
	spec_fault(&spec, a->a[0], f, room);

	return 0;
}

/* The other CPUs are off, or wait in EL2. Devices are not programmed before EL2 returns. */
static int act_resume(const struct act *a, const char *words)
{
	bool denied = nr_configured() > config->nr;
	int i;

	/* The host asks first. EL2 sets up the other IOMMUs whatever the answer is. */
	if (env_can_suspend() != !(spec.state == SPEC_SEALED && denied))
		fail("SYSTEM_SUSPEND is %s", denied ? "permitted" : "denied");
	for (i = 0; i < config->nr; i++) {
		if (!(a->a[0] >> i & 1) || spec.iommu[i].dead)
			continue;
		smmu_reset(i, a->a[2] >> i & 1 ? a->a[1] : SMMU_LIVES);
		spec.iommu[i].nr_faults = 0;
		spec.iommu[i].errors = 0;
		spec.iommu[i].loss = false;
		may_stop |= a->a[1];
	}
	smmu_resuming = true;
	if (!env_resume()) {
		smmu_resuming = false;
		stopped(words);
		if (!strcmp(env_bug_func, "BRK"))
			fail("the host runs, to report a panic");
		/* Devices behind the others do not wait. */
		for (i = 0; i < config->nr; i++) {
			if (!(a->a[2] >> i & 1) && a->a[0] >> i & 1 && !spec.iommu[i].dead)
				smmu_check_enabled(i);
		}
		return STOPPED;
	}
	smmu_resuming = false;
	note("%s", words);
	if (a->a[0] & a->a[2] && a->a[1])
		fail("the host runs, and an SMMU is not set up");
	env_no_locks();
	/* After a lost command, what the calls have changed is not known. */
	for (i = 0; i < config->nr && ended; i++)
		smmu_check_enabled(i);
	if (!ended)
		check_all(true);

	return 0;
}

static void keep(const struct act *a)
{
	if (record && a->kind != ACT_BOOT && record->on && record->nr < MAX_ACTS)
		record->act[record->nr++] = *a;
	act_nr++;
}

int act_group(const struct act *acts, int nr)
{
	int i;

	for (i = 0; i < nr; i++)
		keep(&acts[i]);

	return race(acts, nr);
}

int act(const struct act *a, u64 *res)
{
	char words[TRACE_LEN];

	keep(a);
	smmu_chance = a->chance;
	act_words(a, words, sizeof(words));
	memset(res, 0, 3 * sizeof(*res));
	switch (a->kind) {
	case ACT_BOOT:
	case ACT_CALL:
		return act_call(a, res, words);
	case ACT_PAGE:
		return act_page(a, res, words);
	case ACT_DMA:
		return act_dma(a, words);
	case ACT_EVENT:
		return act_event(a, words);
	case ACT_GERROR:
		smmu_raise_gerror(a->a[0], a->a[1]);
		spec.iommu[a->a[0]].errors |= a->a[1];
		break;
	case ACT_SYNC:
		if (is_smmu(0))
			smmu_break_sync(0, a->a[0]);
		else
			vdev_break(0, a->a[0]);
		may_stop = true;
		break;
	case ACT_RESUME:
		return act_resume(a, words);
	}
	note("%s", words);

	return 0;
}

int call_some(bool boot, u64 *res, int nr, const u64 *args)
{
	struct act a = { .kind = boot ? ACT_BOOT : ACT_CALL, .chance = noise() };
	int i;

	for (i = 0; i < ARGS; i++)
		a.a[i] = i < nr ? args[i] : noise();

	return act(&a, res);
}
