// SPDX-License-Identifier: GPL-2.0
/* Operations of attacks, and the proof of their outcome. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "attack.h"
#include "stage1.h"

struct edu edu;
uint64_t iommu, home;
bool probe_nested;
struct stage1 *probe_tables;

/*
 * edu is not in the identity domain, and reaches only mapped memory. So an attack first
 * asks EL2 to map its target, at its physical address.
 */
static bool mapped_only;
/* The IOMMU walks no page tables: its faults tell less, see domains.c. */
static bool vague;

/*
 * edu is in a nested domain: its page table maps the target, and maps it for good, at an
 * address that is not the physical one. The domain where edu was before.
 */
#define NESTED_AT	(1ULL << 40)
static struct stage1 tables;
static uint64_t outside;

uint64_t own_phys;

static uint8_t *own;		/* page of this program for the device */

static uint8_t control_pattern[ATTACK_LEN];
const uint8_t attack_pattern[ATTACK_LEN] = { [0 ... ATTACK_LEN - 1] = 0xbd };

bool give_pages(uint64_t n)
{
	return n && n <= 64 && td_topup(n);
}

int64_t map_page(uint64_t domain, uint64_t phys)
{
	const uint64_t prot = PKVM_IOMMU_PROT_READ | PKVM_IOMMU_PROT_WRITE |
			      PKVM_IOMMU_PROT_CACHE;
	struct td_res res;

	do {
		res = td_map(domain, phys, phys, PAGE, prot);
	} while (res.err == -ENOMEM && give_pages(res.x3));
	return res.err;
}

int64_t unmap_page(uint64_t domain, uint64_t phys, uint64_t flags)
{
	const uint64_t args[17] = { PKVM_IOMMU_UNMAP, domain, phys, PAGE, flags };
	struct td_res res = td_raw(PKVM_IOMMU_TEST_FN_CALL, args);

	return res.x0 ? TD_BROKEN : res.err;
}

enum outcome in_service(void)
{
	struct td_res res = td_call(PKVM_IOMMU_INFO, PKVM_IOMMU_INFO_LIMIT, 0, 0);

	return res.x0 || res.err ? expect_errno(res, 0) : REACHED;
}

uint64_t aim_at(uint64_t phys)
{
	return probe_tables ? phys + NESTED_AT : phys;
}

static bool aim_map(uint64_t phys)
{
	return stage1_set(&tables, aim_at(phys), phys | STAGE1_PAGE);
}

bool can_nest(void)
{
	struct td_res res = td_call(PKVM_IOMMU_INFO, PKVM_IOMMU_INFO_NESTED, iommu, 0);

	/* Without the layer there is one kind of IOMMU that could. */
	return res.x0 || res.err == -ENODEV ? is_smmu() : res.x2;
}

/* Give edu, which is detached, a nested domain. On an error it is back where it was. */
static int nest(void)
{
	struct td_res res = { .err = -ENOMEM };

	if (stage1_init(&tables) && stage1_set(&tables, own_phys + NESTED_AT,
					       own_phys | STAGE1_PAGE)) {
		do {
			res = td_call(PKVM_IOMMU_DOMAIN_ALLOC, PKVM_IOMMU_DOMAIN_NESTED,
				      stage1_root(&tables), iommu);
		} while (res.err == -ENOMEM && give_pages(res.x2));
	}
	outside = home;
	if (res.err) {
		stage1_free(&tables);
		td_attach(iommu, edu.sid, home);
		return res.err;
	}
	home = res.x2;
	probe_tables = &tables;
	return td_attach(iommu, edu.sid, home).err;
}

static void unnest(void)
{
	td_call(PKVM_IOMMU_DETACH, iommu, edu.sid, home);
	td_call(PKVM_IOMMU_DOMAIN_FREE, home, 0, 0);
	td_attach(iommu, edu.sid, outside);
	home = outside;
	probe_tables = NULL;
	stage1_free(&tables);
}

int probe_enter(void)
{
	if (in_service() != REACHED)
		return 0;	/* edu is not restricted */
	if (!td_take_stream(edu.sid, &iommu, &home))
		return -ENXIO;
	if (probe_nested)
		return nest();
	if (td_attach(iommu, edu.sid, home).err)
		return -ENXIO;
	mapped_only = home != PKVM_IOMMU_DOMAIN_IDENTITY;
	vague = !td_has_identity(iommu);
	return mapped_only ? map_page(home, own_phys) : 0;
}

void probe_leave(void)
{
	if (probe_tables)
		unnest();
	else if (mapped_only)
		unmap_page(home, own_phys, 0);
	mapped_only = false;
}

int probe_init(void)
{
	int ret = edu_open(&edu);
	size_t i;

	if (ret)
		return ret;
	own = phys_alloc(1);
	own_phys = own ? phys_of(own) : 0;
	for (i = 0; i < ATTACK_LEN; i++)
		control_pattern[i] = 0x40 + i;
	return own_phys ? probe_enter() : -ENOMEM;
}

typedef int (*dma_fn)(struct edu *edu, uint64_t phys, size_t len);

/*
 * DMA at the address of the attack. The mapping that EL2 made for it is unmapped
 * lazily: the IOMMU may still have it cached when the memory changes its owner.
 */
static int transfer(dma_fn dma, uint64_t phys, size_t len, int64_t *asked)
{
	uint64_t page = phys & ~(PAGE - 1);
	int ret;

	*asked = mapped_only ? map_page(home, page) : 0;
	if (probe_tables && !aim_map(page))
		return -ENOMEM;
	ret = dma(&edu, aim_at(phys), len);
	if (mapped_only && !*asked && unmap_page(home, page, PKVM_IOMMU_UNMAP_LAZY))
		return -EIO;
	return ret;
}

/* Read the device's buffer. */
static bool show_buffer(void *to, size_t len)
{
	memset(own, 0xee, ATTACK_LEN);
	if (edu_store(&edu, aim_at(own_phys), len))
		return false;
	memcpy(to, own, len);
	return true;
}

static bool load_buffer(const void *from, size_t len)
{
	memcpy(own, from, len);
	return !edu_fetch(&edu, aim_at(own_phys), len);
}

bool control(void)
{
	uint8_t got[ATTACK_LEN];

	return load_buffer(control_pattern, ATTACK_LEN) &&
	       show_buffer(got, ATTACK_LEN) &&
	       !memcmp(got, control_pattern, ATTACK_LEN);
}

/* The current attack, to identify its fault record. */
static struct {
	uint64_t at, len, faults;
	int64_t asked;		/* answer of EL2 to the mapping of it */
	bool write;
	bool detached;
	bool table;		/* a table may be refused, and read: the direction is not known */
} aim;

static void take_aim(uint64_t at, size_t len, bool write)
{
	struct pkvm_iommu_test_faults f = { 0 };

	aim.at = at;
	aim.len = len;
	aim.write = write;
	aim.detached = false;
	aim.table = false;
	if (td_present())
		td_faults(&f);
	aim.faults = f.count;
}

static const char *reason(uint64_t info)
{
	static const char * const names[] = {
		"unknown", "stream blocked", "unmapped", "permission",
		"forbidden", "hardware",
	};
	uint64_t n = (info & PKVM_IOMMU_FAULT_REASON) >> 32;

	return n < sizeof(names) / sizeof(names[0]) ? names[n] : "?";
}

/* Check that the last fault record is that of the attack. */
static bool fault_matches(const struct pkvm_iommu_test_faults *f)
{
	if (f->count <= aim.faults ||
	    (f->info & PKVM_IOMMU_FAULT_SID) != edu.sid)
		return false;
	/*
	 * Hardware need not record the address and the direction if it blocks the
	 * whole stream (IHI 0070: F_STREAM_DISABLED, C_BAD_STE).
	 */
	if (aim.detached)
		return (f->info & PKVM_IOMMU_FAULT_REASON) ==
		       (uint64_t)(vague ? PKVM_IOMMU_FAULT_UNKNOWN :
					  PKVM_IOMMU_FAULT_BLOCKED) << 32;
	return f->address >= aim.at && f->address < aim.at + aim.len &&
	       (vague || aim.table || !!(f->info & PKVM_IOMMU_FAULT_WRITE) == aim.write);
}

/* Returns BLOCKED if a record proves it. Waits for the record. */
static enum outcome proved_by_fault(void)
{
	struct pkvm_iommu_test_faults f = { 0 };
	const char *asked = mapped_only && !aim.detached ? "MAP: EPERM; " : "";
	int i;

	if (mapped_only && !aim.detached && aim.asked != -EPERM) {
		say("no effect at %#llx, and MAP: %lld rather than EPERM",
		    (unsigned long long)aim.at, (long long)aim.asked);
		return FAIL;
	}
	for (i = 0; i < 50 && td_present(); i++) {
		if (td_faults(&f))
			break;
		if (fault_matches(&f)) {
			if (aim.detached)
				say("fault: stream %#llx, %s",
				    f.info & PKVM_IOMMU_FAULT_SID,
				    reason(f.info));
			else
				say("%sfault: stream %#llx %s %#llx, %s", asked,
				    f.info & PKVM_IOMMU_FAULT_SID,
				    aim.write ? "write" : "read",
				    (unsigned long long)f.address,
				    reason(f.info));
			return BLOCKED;
		}
		usleep(10000);
	}
	if (f.count > aim.faults)
		say("only another fault: stream %#llx %s %#llx, %s",
		    f.info & PKVM_IOMMU_FAULT_SID,
		    f.info & PKVM_IOMMU_FAULT_WRITE ? "write" : "read",
		    (unsigned long long)f.address, reason(f.info));
	else
		say("no effect at %#llx, but no fault record either",
		    (unsigned long long)aim.at);
	return FAIL;
}

static bool all_zero(const uint8_t *p, size_t len)
{
	while (len && !*p)
		p++, len--;
	return !len;
}

enum outcome dma_read_len(uint64_t phys, size_t len, const void *secret,
			  void *got)
{
	uint64_t words[ATTACK_LEN / 8] = { 0 };
	uint8_t *seen = (uint8_t *)words;

	take_aim(aim_at(phys), len, false);
	if (!phys || transfer(edu_fetch, phys, len, &aim.asked) ||
	    !show_buffer(seen, len)) {
		say("could not try");
		return FAIL;
	}
	if (got)
		memcpy(got, seen, len);
	if (all_zero(seen, len) || !memcmp(seen, control_pattern, len))
		return proved_by_fault();

	say("read %#llx: %016llx %016llx", (unsigned long long)phys,
	    (unsigned long long)words[0], (unsigned long long)words[1]);
	/* Other data than the secret: a stale or a wrong page. */
	if (secret && memcmp(seen, secret, len))
		return FAIL;
	return REACHED;
}

enum outcome dma_read(uint64_t phys, const void *secret, void *got)
{
	return dma_read_len(phys, ATTACK_LEN, secret, got);
}

uint64_t dma_find(uint64_t phys)
{
	uint64_t part, chunk;
	int64_t asked;

	for (part = phys; part < phys + PAGE; part += EDU_MAX) {
		memset(own, 0, EDU_MAX);
		if (transfer(edu_fetch, part, EDU_MAX, &asked) ||
		    edu_store(&edu, aim_at(own_phys), EDU_MAX))
			return 0;
		for (chunk = 0; chunk < EDU_MAX; chunk += ATTACK_LEN)
			if (!all_zero(own + chunk, ATTACK_LEN))
				return part + chunk;
	}
	return 0;
}

bool dma_write(uint64_t phys, const void *data, size_t len)
{
	if (!phys || !load_buffer(data ? data : attack_pattern, len))
		return false;
	take_aim(aim_at(phys), len, true);
	return !transfer(edu_store, phys, len, &aim.asked);
}

bool dma_write_iova(uint64_t iova)
{
	if (!load_buffer(attack_pattern, ATTACK_LEN))
		return false;
	take_aim(iova, ATTACK_LEN, true);
	aim.table = true;
	return !edu_store(&edu, iova, ATTACK_LEN);
}

enum outcome dma_write_result(bool changed)
{
	if (!changed)
		return proved_by_fault();
	say("changed %llu bytes at %#llx", (unsigned long long)aim.len,
	    (unsigned long long)aim.at);
	return REACHED;
}

/*
 * A device that reaches nothing: its buffer can be neither loaded nor read, and holds the
 * control's pattern from before.
 */
static enum outcome blind_write(bool detached)
{
	memset(own, 0, ATTACK_LEN);
	take_aim(aim_at(own_phys), ATTACK_LEN, true);
	aim.detached = detached;
	aim.table = !detached;
	if (edu_store(&edu, aim_at(own_phys), ATTACK_LEN)) {
		say("could not try");
		return FAIL;
	}
	return dma_write_result(!all_zero(own, ATTACK_LEN));
}

enum outcome detached_write(void)
{
	return blind_write(true);
}

enum outcome rootless_write(void)
{
	return blind_write(false);
}

enum outcome detached_read(void)
{
	memcpy(own, attack_pattern, ATTACK_LEN);
	take_aim(aim_at(own_phys), ATTACK_LEN, false);
	aim.detached = true;
	if (edu_fetch(&edu, aim_at(own_phys), ATTACK_LEN)) {
		say("could not try");
		return FAIL;
	}
	return proved_by_fault();
}

bool buffer_is(const void *expected)
{
	uint8_t seen[ATTACK_LEN];

	return show_buffer(seen, ATTACK_LEN) &&
	       !memcmp(seen, expected, ATTACK_LEN);
}

static sigjmp_buf fault_env;

static void on_fault(int sig)
{
	siglongjmp(fault_env, sig);
}

static int cpu_access(uint64_t phys, uint32_t *value, bool write)
{
	const struct sigaction catch = { .sa_handler = on_fault };
	struct sigaction bus, segv;
	volatile uint32_t *p;
	int fd, sig;

	fd = open("/dev/mem", (write ? O_RDWR : O_RDONLY) | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	p = mmap(NULL, PAGE, PROT_READ | (write ? PROT_WRITE : 0), MAP_SHARED, fd,
		 phys & ~(PAGE - 1));
	close(fd);
	if (p == MAP_FAILED)
		return -errno;
	sigaction(SIGBUS, &catch, &bus);
	sigaction(SIGSEGV, &catch, &segv);
	sig = sigsetjmp(fault_env, 1);
	if (!sig && write)
		p[phys % PAGE / 4] = *value;
	else if (!sig)
		*value = p[phys % PAGE / 4];
	sigaction(SIGBUS, &bus, NULL);
	sigaction(SIGSEGV, &segv, NULL);
	munmap((void *)p, PAGE);
	return sig;
}

int cpu_read(uint64_t phys, uint32_t *value)
{
	return cpu_access(phys, value, false);
}

int cpu_write(uint64_t phys, uint32_t value)
{
	return cpu_access(phys, &value, true);
}

/* Outcome of a CPU access that raised @sig, or none. */
static enum outcome cpu_refused(uint64_t phys, int sig)
{
	if (sig == SIGSEGV || sig == SIGBUS) {
		say("%s at %#llx", sig == SIGBUS ? "SIGBUS" : "SIGSEGV",
		    (unsigned long long)phys);
		return REFUSED;
	}
	if (sig)
		say("could not try: %d", sig);
	return sig ? FAIL : REACHED;
}

enum outcome cpu_write_attack(uint64_t phys, uint32_t flip, uint32_t set)
{
	uint32_t old = 0, new = 0;
	int sig = cpu_read(phys, &old);
	enum outcome outcome = cpu_refused(phys, cpu_write(phys, (old ^ flip) | set));

	if (outcome != REACHED)
		return outcome;
	if (sig || cpu_read(phys, &new) || cpu_write(phys, old | set)) {
		say("could not look, or not restore");
		return FAIL;
	}
	say("%#llx was %08x, and became %08x", (unsigned long long)phys, old, new);
	return (old ^ new) & flip ? REACHED : FAIL;
}

enum outcome cpu_attack(uint64_t phys)
{
	enum outcome outcome;
	uint32_t value, marker = 0x600df00d;

	/* The control: memory of this program can be read this way. */
	memcpy(own, &marker, sizeof(marker));
	if (cpu_read(own_phys, &value) || value != marker) {
		say("/dev/mem does not work");
		return FAIL;
	}
	outcome = cpu_refused(phys, cpu_read(phys, &value));
	if (outcome == REACHED)
		say("read %#llx: %08x", (unsigned long long)phys, value);
	return outcome;
}

enum outcome expect_errno(struct td_res res, int err)
{
	if (res.x0) {
		if (res.x0 == TD_BROKEN)
			say("no test device");
		else
			say("x0 is %lld", (long long)res.x0);
		return FAIL;
	}
	if (res.err == -ENODEV && err != -ENODEV) {
		say("not in service: -ENODEV");
		return NOT_THERE;
	}
	if (res.err == err) {
		say("%s", strerrorname_np(-err));
		return REFUSED;
	}
	say("x1 is %lld rather than %d", (long long)res.err, err);
	return res.err ? FAIL : REACHED;
}
