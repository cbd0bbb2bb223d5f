// SPDX-License-Identifier: GPL-2.0
/* The rows of the attack catalogue. See attack.c for their output. */
#include <endian.h>
#include <errno.h>
#include <string.h>

#include "attack.h"

/* The victim: one protected VM for all rows that need a running guest. */
#define GUEST_PAGES	8
enum guest_page { CODE, DATA, LENT, STALE };
/* Offset in the code page that guest.S does not use. */
#define CODE_SPARE	2048

static struct vm vm;

/* A running guest whose page @page holds the secret. */
static bool guest_ready(size_t page)
{
	int ret = 0;

	if (!vm.mem)
		ret = vm_start(&vm, true, GUEST_PAGES, 0x5ec2e701);
	if (!ret && page != CODE)
		ret = vm_fill(&vm, page, 1);
	if (ret)
		say("guest: %s: %s", vm.step, strerror(-ret));
	return !ret;
}

/* Number of words of the page that differ from the secret; -1 if the guest is dead. */
static int64_t guest_verify(size_t page)
{
	uint64_t wrong;

	return vm_do(&vm, OP_VERIFY, page, 1, &wrong) ? -1 : (int64_t)wrong;
}

static bool guest_op(uint64_t op, size_t page)
{
	uint64_t status;

	return !vm_do(&vm, op, page, 1, &status) && !status;
}

static void guest_secret(const struct vm *v, size_t page, void *to)
{
	uint64_t words[ATTACK_LEN / 8];
	size_t i;

	for (i = 0; i < ATTACK_LEN / 8; i++)
		words[i] = vm_secret(v, page, i);
	memcpy(to, words, sizeof(words));
}

static enum outcome guest_data_read(const struct row *row)
{
	uint8_t secret[ATTACK_LEN];

	(void)row;
	if (!guest_ready(DATA))
		return FAIL;
	guest_secret(&vm, DATA, secret);
	return dma_read(vm_phys(&vm, DATA), secret, NULL);
}

static enum outcome guest_data_write(const struct row *row)
{
	int64_t wrong;

	(void)row;
	if (!guest_ready(DATA))
		return FAIL;
	if (!dma_write(vm_phys(&vm, DATA), NULL, ATTACK_LEN))
		return broken("could not try");
	wrong = guest_verify(DATA);
	if (wrong < 0)
		return broken("the guest does not answer");
	return dma_write_result(wrong);
}

static enum outcome guest_code_read(const struct row *row)
{
	(void)row;
	if (!guest_ready(CODE))
		return FAIL;
	return dma_read(vm_phys(&vm, CODE), guest_start, NULL);
}

static enum outcome guest_code_write(const struct row *row)
{
	uint64_t before, after;

	(void)row;
	if (!guest_ready(CODE))
		return FAIL;
	if (vm_load(&vm, CODE * PAGE + CODE_SPARE, &before) ||
	    !dma_write(vm_phys(&vm, CODE) + CODE_SPARE, NULL, ATTACK_LEN) ||
	    vm_load(&vm, CODE * PAGE + CODE_SPARE, &after))
		return broken("could not try");
	return dma_write_result(before != after);
}

/* The host can read the page while it is shared, and not afterwards. */
static enum outcome guest_unshared_read(const struct row *row)
{
	uint8_t secret[ATTACK_LEN];

	(void)row;
	if (!guest_ready(LENT))
		return FAIL;
	guest_secret(&vm, LENT, secret);
	if (!guest_op(OP_SHARE, LENT))
		return broken("the guest could not share");
	if (dma_read(vm_phys(&vm, LENT), secret, NULL) != REACHED)
		return broken("DMA did not read the page while it was shared");
	if (!guest_op(OP_UNSHARE, LENT))
		return broken("the guest could not unshare");
	/* Overwrite the secret in the device's buffer. */
	if (!control())
		return broken("control broken after unsharing");
	return dma_read(vm_phys(&vm, LENT), secret, NULL);
}

static enum outcome guest_unshared_write(const struct row *row)
{
	int64_t wrong;

	(void)row;
	if (!guest_ready(LENT))
		return FAIL;
	if (!guest_op(OP_SHARE, LENT))
		return broken("the guest could not share");
	if (!dma_write(vm_phys(&vm, LENT), NULL, ATTACK_LEN) ||
	    guest_verify(LENT) != ATTACK_LEN / 8)
		return broken("DMA did not write the page while it was shared");
	if (vm_fill(&vm, LENT, 1) || !guest_op(OP_UNSHARE, LENT))
		return broken("the guest could not unshare");
	if (!dma_write(vm_phys(&vm, LENT), NULL, ATTACK_LEN))
		return broken("could not try");
	wrong = guest_verify(LENT);
	if (wrong < 0)
		return broken("the guest does not answer");
	return dma_write_result(wrong);
}

/* Translations that the IOMMU cached while the host owned the page. */
static enum outcome guest_stale_read(const struct row *row)
{
	uint8_t filler[ATTACK_LEN], secret[ATTACK_LEN];
	struct vm late;
	enum outcome outcome;
	uint64_t phys;
	int i;

	(void)row;
	memset(filler, VM_FILLER, sizeof(filler));
	if (vm_start(&late, true, GUEST_PAGES, 0x5ec2e702))
		return broken("no second guest");
	phys = vm_phys(&late, STALE);
	outcome = broken("DMA did not read the page while it was the host's");
	for (i = 0; i < 3; i++)
		if (dma_read(phys, filler, NULL) != REACHED)
			goto out;
	/* The guest takes the page by its first access. */
	guest_secret(&late, STALE, secret);
	if (vm_fill(&late, STALE, 1))
		outcome = broken("the guest does not answer");
	else
		outcome = dma_read(phys, secret, NULL);
out:
	vm_stop(&late);
	return outcome;
}

/* Memory of a guest that has ended: wiped, and owned by the host again. */
static enum outcome guest_dead_read(const struct row *row)
{
	static const uint8_t zero[ATTACK_LEN];
	uint8_t secret[ATTACK_LEN], got[ATTACK_LEN];
	enum outcome outcome = FAIL;
	struct vm late;
	uint64_t phys;

	(void)row;
	if (vm_start(&late, true, GUEST_PAGES, 0x5ec2e703) ||
	    vm_fill(&late, DATA, 1))
		return broken("no second guest");
	guest_secret(&late, DATA, secret);
	phys = vm_phys(&late, DATA);
	vm_destroy(&late);
	if (vm_phys(&late, DATA) != phys) {
		say("the page moved");
	} else if (dma_read(phys, secret, got) == REACHED) {
		outcome = REACHED;
	} else if (memcmp(got, zero, ATTACK_LEN)) {
		say("neither the secret nor zero");
	} else if (!dma_write(phys, NULL, ATTACK_LEN) ||
		   memcmp(late.mem + DATA * PAGE, attack_pattern, ATTACK_LEN)) {
		say("zero, but DMA does not reach the page again");
	} else {
		say("wiped: reads as zero, and DMA reaches it again");
		outcome = BLOCKED;
	}
	vm_stop(&late);
	return outcome;
}

/*
 * A read of zeros without a fault proves nothing: search the range for non-zero
 * memory. Not reached if reads are blocked.
 */
#define LOOKS	24

static enum outcome read_range(uint64_t start, uint64_t size)
{
	/* The tables in EL2's carve-out follow many pages of zeros. */
	uint64_t step = size > LOOKS * PAGE ? 32 * PAGE : PAGE;
	enum outcome outcome = dma_read(start, NULL, NULL);
	uint64_t at, found = 0;

	if (outcome != FAIL)
		return outcome;
	start &= ~(PAGE - 1);
	for (at = 0; at < size && at < LOOKS * step && !found; at += step)
		found = dma_find(start + at);
	if (!found || !control())
		return FAIL;
	return dma_read(found, NULL, NULL);
}

/*
 * Overwrite ATTACK_LEN bytes and restore them. If that could crash EL2 (not @spare,
 * and not zero), write the old bytes instead: then only the missing fault shows that
 * the write was not blocked.
 */
static enum outcome write_at(uint64_t at, bool spare)
{
	static const uint8_t zero[ATTACK_LEN];
	uint8_t old[ATTACK_LEN], new[ATTACK_LEN];
	enum outcome outcome = dma_read(at, NULL, old);
	const uint8_t *data = attack_pattern;

	if (memcmp(old, zero, ATTACK_LEN)) {
		if (outcome != REACHED)
			return broken("cannot tell what would be overwritten");
		if (!spare)
			data = old;
	}
	if (!dma_write(at, data, ATTACK_LEN))
		return broken("could not try");
	outcome = dma_write_result(false);
	if (outcome == BLOCKED)
		return outcome;
	if (data == old) {
		say("%#llx took the bytes that it had, without a fault",
		    (unsigned long long)at);
		return REACHED;
	}
	dma_read(at, NULL, new);
	if (memcmp(new, attack_pattern, ATTACK_LEN))
		return broken("no fault record, and no change");
	if (!dma_write(at, old, ATTACK_LEN))
		return broken("could not restore");
	return dma_write_result(true);
}

/* Attack all ranges of the kind. */
#define RANGES_MAX	4

static enum outcome each_range(uint64_t kind,
			       enum outcome (*attack)(uint64_t, uint64_t))
{
	enum outcome outcome = NOT_THERE;
	uint64_t start, size;
	unsigned int n;

	say("there is none on this machine");
	for (n = 0; n < RANGES_MAX && find_range(kind, n, &start, &size); n++) {
		outcome = attack(start, size);
		if (outcome == FAIL || outcome == REACHED)
			break;
	}
	return outcome;
}

static enum outcome range_read(const struct row *row)
{
	return each_range(row->arg, read_range);
}

static enum outcome write_range_end(uint64_t start, uint64_t size)
{
	return write_at(start + size - ATTACK_LEN, false);
}

static enum outcome range_write(const struct row *row)
{
	return each_range(row->arg, write_range_end);
}

/*
 * Pages of the pool that were left over after boot belong to the host again: attack
 * its first page, and the last page that the CPU cannot read, which holds another
 * table.
 */
static enum outcome write_pool(uint64_t start, uint64_t size)
{
	enum outcome outcome = write_at(start, false);
	uint64_t at = start + size;
	uint32_t unused;

	while (outcome == BLOCKED && (at -= PAGE) > start) {
		if (cpu_read(at, &unused) > 0) {
			if (!control())
				return broken("control broken between two writes");
			return write_at(at + PAGE - ATTACK_LEN, false);
		}
	}
	return outcome;
}

static enum outcome pool_write(const struct row *row)
{
	return each_range(row->arg, write_pool);
}

/*
 * Each page of the pool that EL2 has, queues included. Not descriptors of nested domains, which
 * devices can read: see attack_nested.c.
 */
static enum outcome write_each_page(uint64_t start, uint64_t size)
{
	enum outcome outcome = NOT_THERE;
	unsigned int pages = 0;
	uint32_t unused;
	uint64_t at;

	for (at = start; at < start + size; at += PAGE) {
		if (cpu_read(at, &unused) <= 0 ||
		    td_call(PKVM_IOMMU_TEST, PKVM_IOMMU_TEST_SHADOW, at, 0).x2)
			continue;
		outcome = write_at(at, false);
		if (outcome != BLOCKED)
			return outcome;
		pages++;
	}
	say("%u pages, each with a fault", pages);
	return outcome;
}

static enum outcome pool_write_all(const struct row *row)
{
	return each_range(row->arg, write_each_page);
}

/* EL2's text ends with an exception table and padding. */
static enum outcome write_text_end(uint64_t start, uint64_t size)
{
	return write_at(start + size - ATTACK_LEN, true);
}

static enum outcome text_write(const struct row *row)
{
	return each_range(row->arg, write_text_end);
}

static enum outcome cpu_range(uint64_t start, uint64_t size)
{
	(void)size;
	return cpu_attack(start);
}

static enum outcome range_cpu(const struct row *row)
{
	return each_range(row->arg, cpu_range);
}

static enum outcome registers_read(const struct row *row)
{
	return each_range(row->arg, regs_read);
}

static enum outcome registers_write(const struct row *row)
{
	return each_range(row->arg, regs_write);
}

static enum outcome registers_cpu_write(const struct row *row)
{
	return each_range(row->arg, regs_cpu_write);
}

/* Changing the host's view of all devices must not give the registers back. */
static enum outcome registers_unmap_dev(const struct row *row)
{
	struct td_res res = td_call(PKVM_IOMMU_TEST, PKVM_IOMMU_TEST_UNMAP_DEV,
				    0, 0);
	enum outcome outcome;

	if (res.x0 || res.err)
		return expect_errno(res, 0);
	outcome = each_range(row->arg, cpu_range);
	if (outcome != REFUSED)
		return outcome;
	outcome = each_range(row->arg, regs_read);
	return outcome == BLOCKED ? each_range(row->arg, cpu_range) : outcome;
}

/* Root of the guest's stage 2, which EL2 took from the host. */
static enum outcome guest_pgd(uint64_t *phys)
{
	struct td_res one, res = { .err = -ENOENT };
	uint64_t handle;
	int vms = 0;

	if (!guest_ready(DATA))
		return FAIL;
	/* HANDLE_OFFSET of hyp/nvhe/pkvm.c; there are few VMs. */
	for (handle = 0x1000; handle < 0x1010; handle++) {
		one = td_call(PKVM_IOMMU_TEST, PKVM_IOMMU_TEST_GUEST_PGD, handle, 0);
		if (one.err == -ENOENT)
			continue;
		if (one.x0 || one.err)
			return expect_errno(one, 0);
		res = one;
		vms++;
	}
	/* If that of somebody else ends, its table is the host's. */
	if (vms > 1)
		return broken("more than one VM runs");
	*phys = res.x2;
	return res.x0 || res.err ? expect_errno(res, 0) : REACHED;
}

static enum outcome guest_pgd_read(const struct row *row)
{
	uint64_t phys;
	enum outcome outcome = guest_pgd(&phys);
	uint64_t offset;

	(void)row;
	if (outcome != REACHED)
		return outcome;
	/* It has few entries; the one for GUEST_RAM is near the start. */
	for (offset = 0; offset < 2 * ATTACK_LEN; offset += ATTACK_LEN) {
		outcome = dma_read(phys + offset, NULL, NULL);
		if (outcome != FAIL)
			break;
	}
	return outcome;
}

static enum outcome guest_pgd_write(const struct row *row)
{
	uint64_t phys;
	enum outcome outcome = guest_pgd(&phys);

	(void)row;
	if (outcome != REACHED)
		return outcome;
	return write_at(phys + PAGE - ATTACK_LEN, false);
}

/* Hypercalls. */

static struct td_res topup(uint64_t phys)
{
	return td_call(PKVM_IOMMU_TOPUP, phys / PAGE, 1, 0);
}

/* Larger than the id of any domain. */
#define NO_SUCH_DOMAIN	0xffff

static enum outcome detached(const struct row *row)
{
	bool write = row->arg;
	enum outcome outcome = in_service();
	struct td_res res;

	if (outcome != REACHED)
		return outcome;
	res = td_call(PKVM_IOMMU_DETACH, iommu, edu.sid, home);
	if (res.err)
		return expect_errno(res, 0);
	outcome = write ? detached_write() : detached_read();
	if (td_attach(iommu, edu.sid, home).err)
		return broken("cannot attach again");
	if (!write && buffer_is(attack_pattern)) {
		say("the device has what it read while detached");
		return REACHED;
	}
	return outcome;
}

/* The kernel has released the device and its stream; root still drives the device. */
static enum outcome removed(const struct row *row)
{
	enum outcome outcome = in_service();

	(void)row;
	if (outcome != REACHED)
		return outcome;
	probe_leave();
	if (edu_remove(&edu))
		return broken("cannot remove the device");
	outcome = detached_write();
	if (edu_rescan(&edu) || probe_enter())
		return broken("the device does not come back");
	return outcome;
}

enum bad_stream { BEYOND_TABLE, DOUBLE_ATTACH, NOT_ATTACHED, NO_DOMAIN };

static enum outcome bad_stream(const struct row *row)
{
	enum outcome outcome = in_service();

	if (outcome != REACHED)
		return outcome;
	switch ((enum bad_stream)row->arg) {
	case BEYOND_TABLE:
		return expect_errno(td_call(PKVM_IOMMU_ATTACH, iommu, 0xffffffff,
					    home), -EINVAL);
	case DOUBLE_ATTACH:
		return expect_errno(td_call(PKVM_IOMMU_ATTACH, iommu, edu.sid,
					    home), -EBUSY);
	case NOT_ATTACHED:	/* function 7 of edu does not exist */
		return expect_errno(td_call(PKVM_IOMMU_DETACH, iommu, edu.sid | 7,
					    home), -ENOTCONN);
	case NO_DOMAIN:
		return expect_errno(td_call(PKVM_IOMMU_DETACH, iommu, edu.sid,
					    NO_SUCH_DOMAIN), -ENXIO);
	}
	return FAIL;
}

static enum outcome topup_range(const struct row *row)
{
	uint64_t start, size;

	if (!find_range(row->arg, 0, &start, &size)) {
		say("there is none on this machine");
		return NOT_THERE;
	}
	return expect_errno(topup(start), -EPERM);
}

static enum outcome topup_guest(const struct row *row)
{
	(void)row;
	if (!guest_ready(DATA))
		return FAIL;
	return expect_errno(topup(vm_phys(&vm, DATA)), -EPERM);
}

static enum outcome topup_shared(const struct row *row)
{
	uint64_t phys = td_present() ? td_alloc() : 0;
	const uint64_t args[17] = { phys / PAGE };
	enum outcome outcome;
	struct td_res res;

	(void)row;
	if (!phys)
		return broken("no page");
	res = td_raw(PKVM_IOMMU_TEST_FN_SHARE_HYP, args);
	if (res.x0 || res.err) {
		outcome = broken("could not share");
	} else {
		outcome = expect_errno(topup(phys), -EPERM);
		td_raw(PKVM_IOMMU_TEST_FN_UNSHARE_HYP, args);
	}
	td_free(phys);
	return outcome;
}

static enum outcome boot_late(const struct row *row)
{
	const uint64_t args[17] = { row->arg };
	struct td_res res = td_raw(PKVM_IOMMU_TEST_FN_BOOT, args);

	if (res.x0 == SMCCC_NOT_SUPPORTED) {
		say("x0 is NOT_SUPPORTED");
		return REFUSED;
	}
	say("x0 is %lld, x1 is %lld", (long long)res.x0, (long long)res.err);
	return res.x0 || res.err ? FAIL : REACHED;
}

/*
 * QEMU's firmware configuration device is behind no IOMMU (docs/specs/fw_cfg.rst in QEMU):
 * a write to the DMA register makes it execute the command at that address. Numbers are
 * big-endian.
 */
#define FW_CFG_DMA		(0x9020000 + 16)
#define FW_CFG_READ_SIGNATURE	(1 << 3 | 1 << 1)

static enum outcome uncovered_write(const struct row *row)
{
	struct {
		uint32_t control, length;
		uint64_t address;
	} *command;
	enum outcome outcome = FAIL;
	uint64_t phys;
	int64_t wrong;

	(void)row;
	if (!guest_ready(DATA))
		return FAIL;
	outcome = cpu_attack(FW_CFG_DMA);
	if (outcome != REACHED)
		return outcome;
	command = phys_alloc(1);
	phys = phys_of(command);
	if (!phys)
		return broken("no page");
	command->control = htobe32(FW_CFG_READ_SIGNATURE);
	command->length = htobe32(4);
	command->address = htobe64(vm_phys(&vm, DATA));
	if (cpu_write(FW_CFG_DMA, htobe32(phys >> 32)) ||
	    cpu_write(FW_CFG_DMA + 4, htobe32(phys))) {
		phys_free(command, 1);
		return broken("could not write the register");
	}
	wrong = guest_verify(DATA);
	say("control is %#x, %lld words of the guest have changed", be32toh(command->control),
	    (long long)wrong);
	phys_free(command, 1);
	/* The guest's other rows start from its secret. */
	if (vm_fill(&vm, DATA, 1))
		return broken("the guest does not answer");
	return wrong == 1 ? REACHED : FAIL;
}

/* Give the pool a page that holds attack_pattern. */
static enum outcome pool_give(uint64_t *phys)
{
	struct td_res res;

	*phys = td_present() ? td_alloc() : 0;
	if (!*phys)
		return broken("no page");
	if (!dma_write(*phys, NULL, ATTACK_LEN) || !control() ||
	    dma_read(*phys, attack_pattern, NULL) != REACHED || !control()) {
		td_free(*phys);
		return broken("DMA does not reach the page beforehand");
	}
	res = topup(*phys);
	if (!res.x0 && !res.err)
		return REACHED;
	td_free(*phys);
	return expect_errno(res, 0);
}

/* Take this page back. Other pages that come first return to the pool. */
static bool pool_take(uint64_t phys)
{
	uint64_t others[64];
	struct td_res res;
	bool found = false;
	size_t n = 0;

	while (!found && n < 64) {
		res = td_call(PKVM_IOMMU_RECLAIM, 0, 0, 0);
		if (res.err)
			break;
		found = res.x2 * PAGE == phys;
		if (!found)
			others[n++] = res.x2 * PAGE;
	}
	while (n)
		topup(others[--n]);
	return found;
}

static enum outcome pool_page_read(const struct row *row)
{
	uint64_t phys;
	enum outcome outcome = pool_give(&phys);

	(void)row;
	if (outcome != REACHED)
		return outcome;
	outcome = dma_read(phys, NULL, NULL);
	pool_take(phys);
	td_free(phys);
	return outcome;
}

static enum outcome pool_page_reclaimed(const struct row *row)
{
	static const uint8_t zero[ATTACK_LEN];
	uint8_t got[ATTACK_LEN];
	uint64_t phys;
	enum outcome outcome = pool_give(&phys);

	(void)row;
	if (outcome != REACHED)
		return outcome;
	if (!pool_take(phys)) {
		outcome = broken("the page does not come back");
	} else if (dma_read(phys, attack_pattern, got) == REACHED) {
		outcome = REACHED;
	} else if (memcmp(got, zero, ATTACK_LEN)) {
		outcome = FAIL;
	} else if (!dma_write(phys, NULL, ATTACK_LEN) || !control() ||
		   dma_read(phys, attack_pattern, NULL) != REACHED) {
		outcome = broken("zero, but DMA does not reach the page again");
	} else {
		say("wiped: reads as zero, and DMA reaches it again");
		outcome = BLOCKED;
	}
	td_free(phys);
	return outcome;
}

#define RANGE(x) PKVM_IOMMU_TEST_RANGE_##x

const struct row rows[] = {
	{ "guest-data-read", "DMA read of a protected guest's data",
	  guest_data_read, 0 },
	{ "guest-data-write", "DMA write of a protected guest's data",
	  guest_data_write, 0 },
	{ "guest-code-read", "DMA read of a protected guest's code",
	  guest_code_read, 0 },
	{ "guest-code-write", "DMA write of a protected guest's code",
	  guest_code_write, 0 },
	{ "guest-unshared-read", "DMA read of a page that a guest shared and took back",
	  guest_unshared_read, 0 },
	{ "guest-unshared-write", "DMA write of a page that a guest shared and took back",
	  guest_unshared_write, 0 },
	{ "guest-stale-read", "DMA read of a guest's page through a cached older translation",
	  guest_stale_read, 0 },
	{ "guest-dead-read", "DMA read of what a dead guest left behind",
	  guest_dead_read, 0, .stock = true },
	{ "guest-table-read", "DMA read of a guest's stage-2 root table",
	  guest_pgd_read, 0 },
	{ "guest-table-write", "DMA write of a guest's stage-2 root table",
	  guest_pgd_write, 0 },
	{ "el2-text-read", "DMA read of EL2's text",
	  range_read, RANGE(HYP_TEXT) },
	{ "el2-text-write", "DMA write of EL2's text",
	  text_write, RANGE(HYP_TEXT) },
	{ "el2-data-read", "DMA read of EL2's data",
	  range_read, RANGE(HYP_DATA) },
	{ "el2-data-write", "DMA write of EL2's data",
	  range_write, RANGE(HYP_DATA) },
	{ "el2-bss-read", "DMA read of EL2's bss",
	  range_read, RANGE(HYP_BSS) },
	{ "el2-bss-write", "DMA write of EL2's bss",
	  range_write, RANGE(HYP_BSS) },
	{ "el2-carveout-read", "DMA read of memory reserved for EL2 at boot",
	  range_read, RANGE(CARVEOUT) },
	{ "el2-carveout-write", "DMA write of memory reserved for EL2 at boot",
	  range_write, RANGE(CARVEOUT) },
	{ "pool-read", "DMA read of IOMMU page tables and queues",
	  range_read, RANGE(POOL) },
	{ "pool-write", "DMA write of IOMMU page tables and queues",
	  pool_write, RANGE(POOL) },
	{ "pool-cpu", "CPU read of IOMMU page tables and queues",
	  range_cpu, RANGE(POOL) },
	{ "pool-map", "map each page of IOMMU page tables and queues for a device",
	  pool_map, 0 },
	{ "pool-page-read", "DMA read of a page just given to EL2",
	  pool_page_read, 0 },
	{ "pool-page-reclaimed", "DMA read of what EL2 left in a page that it gave back",
	  pool_page_reclaimed, 0 },
	{ "table-read", "DMA read of an IOMMU's stream table",
	  range_read, RANGE(TABLE) },
	{ "table-write", "DMA write of an IOMMU's stream table",
	  range_write, RANGE(TABLE) },
	{ "table-cpu", "CPU read of an IOMMU's stream table",
	  range_cpu, RANGE(TABLE) },
	{ "registers-read", "DMA read of an IOMMU's registers",
	  registers_read, RANGE(MMIO) },
	{ "registers-write", "DMA write of an IOMMU's registers",
	  registers_write, RANGE(MMIO) },
	{ "registers-cpu", "CPU read of an IOMMU's registers",
	  range_cpu, RANGE(MMIO) },
	{ "registers-cpu-write", "CPU write of an IOMMU's registers",
	  registers_cpu_write, RANGE(MMIO) },
	{ "registers-unmap-dev", "IOMMU's registers after the host's devices were unmapped",
	  registers_unmap_dev, RANGE(MMIO) },
	{ "detached-read", "DMA read by a stream that was detached",
	  detached, 0 },
	{ "detached-write", "DMA write by a stream that was detached",
	  detached, 1 },
	{ "removed-write", "DMA write by a device that was removed",
	  removed, 0 },
	{ "attach-beyond", "attach a stream beyond the stream table",
	  bad_stream, BEYOND_TABLE },
	{ "attach-twice", "attach a stream that is attached",
	  bad_stream, DOUBLE_ATTACH },
	{ "detach-foreign", "detach a stream that is not attached",
	  bad_stream, NOT_ATTACHED },
	{ "detach-domain", "detach a stream from a domain that is not there",
	  bad_stream, NO_DOMAIN },
	{ "topup-el2", "give EL2 its own memory",
	  topup_range, RANGE(CARVEOUT) },
	{ "topup-text", "give EL2 its own text",
	  topup_range, RANGE(HYP_TEXT) },
	{ "topup-registers", "give EL2 an IOMMU's registers as memory",
	  topup_range, RANGE(MMIO) },
	{ "topup-guest", "give EL2 a guest's page",
	  topup_guest, 0 },
	{ "topup-shared", "give EL2 a page that is shared with it",
	  topup_shared, 0 },
	{ "topup-mapped", "give EL2 a page that a device has mapped",
	  topup_mapped, 0 },
	{ "late-register", "register an IOMMU after boot",
	  boot_late, PKVM_IOMMU_BOOT_REGISTER, .stock = true },
	{ "late-donate", "donate an IOMMU's memory after boot",
	  boot_late, PKVM_IOMMU_BOOT_DONATE, .stock = true },
	{ "late-seal", "seal the registry after boot",
	  boot_late, PKVM_IOMMU_BOOT_SEAL, .stock = true },
	{ "late-withhold", "have EL2 take registers after boot",
	  boot_late, PKVM_IOMMU_BOOT_WITHHOLD, .stock = true },
	{ "uncovered-write", "write to a guest's data by a device behind no IOMMU",
	  uncovered_write, 0 },
	{ "nested-guest-read", "DMA read of a guest's data by the host's page table",
	  guest_data_read, 0, .nested = true },
	{ "nested-guest-write", "DMA write of a guest's data by the host's page table",
	  guest_data_write, 0, .nested = true },
	{ "nested-unshared-read", "DMA read of a page taken back, by a table that still maps it",
	  guest_unshared_read, 0, .nested = true },
	{ "nested-stale-read", "DMA read of a guest's page by a cached combined translation",
	  guest_stale_read, 0, .nested = true },
	{ "nested-stale-pool", "DMA read of EL2's new page by a cached combined translation",
	  pool_page_read, 0, .nested = true },
	{ "nested-el2-read", "DMA read of EL2's memory by the host's page table",
	  range_read, RANGE(CARVEOUT), .nested = true },
	{ "nested-pool-write", "DMA write of IOMMU page tables by the host's page table",
	  pool_write, RANGE(POOL), .nested = true },
	{ "nested-queue-write", "DMA write of each page of EL2's tables and queues, by that table",
	  pool_write_all, RANGE(POOL), .nested = true },
	{ "nested-streams-write", "DMA write of an IOMMU's stream table by the host's page table",
	  range_write, RANGE(TABLE), .nested = true },
	{ "nested-regs-write", "DMA write of an IOMMU's registers by the host's page table",
	  registers_write, RANGE(MMIO), .nested = true },
	{ "nested-rewritten", "DMA write of a guest's data by an entry that was changed",
	  nested_rewritten, 0, .nested = true },
	{ "nested-table-guest", "translate by a host's table that a guest has taken",
	  nested_table, 0, .nested = true },
	{ "nested-root-guest", "translate by a root table that a guest has taken",
	  nested_table, 1, .nested = true },
	{ "nested-root-donated", "translate by a root table that was given to EL2",
	  nested_root, 0, .nested = true },
	{ "nested-cd-write", "DMA write of the descriptor of the host's page table",
	  nested_descriptor, 0, .nested = true },
	{ "nested-cd-identity", "DMA write of that descriptor without stage 1",
	  nested_descriptor, 1 },
	{ "nested-cd-cpu", "CPU read of that descriptor",
	  nested_descriptor_taken, 0, .nested = true },
	{ "nested-cd-topup", "give EL2 that descriptor",
	  nested_descriptor_taken, 1, .nested = true },
	{ "nested-id-reused", "DMA by a translation of a freed domain whose id is used again",
	  nested_id_reused, 0, .nested = true },
	{ "nested-inv-domain", "invalidate a domain that is not there",
	  nested_invalidate, WRONG_DOMAIN, .nested = true },
	{ "nested-inv-wraps", "invalidate a range that wraps",
	  nested_invalidate, WRAPS, .nested = true },
	{ "nested-inv-huge", "invalidate more than there is",
	  nested_invalidate, HUGE, .nested = true },
	/* Last: the guest is intact after all attacks. */
	{ "guest-intact", "DMA write of a guest's data, with the guest through all of the above",
	  guest_data_write, 0 },
};

const size_t nr_rows = sizeof(rows) / sizeof(rows[0]);
