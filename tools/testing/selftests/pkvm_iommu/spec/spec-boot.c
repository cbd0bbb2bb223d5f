// SPDX-License-Identifier: GPL-2.0
/* The executable specification, see spec.h: boot. */
#include "spec-priv.h"

static bool overlap(u64 base, u64 size, u64 other, u64 other_size)
{
	return size && base < other + other_size && base + size > other;
}

/* Find the errors of whole pages of registers that EL2 is to take. */
static void cannot_take(struct spec *s, struct allowed *a, u64 base, u64 size)
{
	bool taken = false, memory = false;
	u64 pfn = base / PAGE;
	int i;

	for (i = 0; i < s->nr_iommus; i++)
		taken |= overlap(base, size, s->iommu[i].base, s->iommu[i].size);
	for (i = 0; i < s->nr_registers; i++)
		taken |= overlap(base, size, s->registers[i].base, s->registers[i].size);
	for (i = 0; i < s->nr_mem; i++)
		memory |= pfn < s->mem[i].end && pfn + size / PAGE > s->mem[i].first;
	if_so(a, taken, EEXIST);
	if_so(a, memory, EPERM);
}

/* Judge a call that names registers; with success, EL2 gets them at the seal. */
static const char *name_registers(struct spec *s, struct allowed *a, u64 base, u64 bytes,
				  const u64 *res, bool *ok)
{
	u64 first = base / PAGE * PAGE, end = base + bytes;
	u64 size = (end + PAGE - 1) / PAGE * PAGE - first;
	const char *wrong;

	if_so(a, s->state != SPEC_OPEN, EBUSY);
	if (!bytes || end < base || end > 1ULL << s->cpu_bits)
		if_so(a, true, EINVAL);
	else
		cannot_take(s, a, first, size);
	wrong = judge(a, res, ok);
	if (*ok && !wrong)
		s->registers[s->nr_registers++] = (struct spec_registers) { first, size };

	return wrong ?: no_results(res);
}

static const char *boot_withhold(struct spec *s, const u64 *args, const u64 *res)
{
	struct allowed a = {};
	const char *wrong;
	bool ok;

	if_so(&a, s->nr_withheld == PKVM_IOMMU_WITHHELD_MAX, ENOSPC);
	wrong = name_registers(s, &a, args[1], args[2], res, &ok);
	s->nr_withheld += ok;

	return wrong;
}

static const char *boot_window(struct spec *s, const u64 *args, const u64 *res)
{
	bool exists = args[1] < (u64)s->nr_iommus, ok;
	struct allowed a = {};
	const char *wrong;

	if_so(&a, !exists, ENOENT);
	if_so(&a, exists && !s->iommu[args[1]].lacks_windows, ENOSPC);
	if_so(&a, s->no_room, ENOMEM);
	wrong = name_registers(s, &a, args[2], args[3], res, &ok);
	if (ok && !wrong)
		s->iommu[args[1]].lacks_windows--;

	return wrong;
}

static const char *boot_register(struct spec *s, const u64 *args, const u64 *res)
{
	u64 type = args[1], base = args[2] / PAGE * PAGE, flags = args[4];
	u64 end = args[2] + args[3], size, reach = (flags & PKVM_IOMMU_F_REACH) >> 8;
	bool ok, permits = type == PKVM_IOMMU_TYPE_TEST_PERMITS;
	bool told = type == PKVM_IOMMU_TYPE_TEST_TOLD;
	bool test = permits || told || type == PKVM_IOMMU_TYPE_TEST;
	int windows = test && flags >> 32 & PKVM_IOMMU_TEST_WINDOWS ? PKVM_IOMMU_WINDOWS_MAX : 0;
	u64 quirks = test && !permits ? PKVM_IOMMU_TEST_QUIRKS | PKVM_IOMMU_TEST_WINDOWS :
		     type == PKVM_IOMMU_TYPE_SMMU_V2 ? PKVM_IOMMU_SMMU_V2_MMU500 |
						       PKVM_IOMMU_SMMU_V2_MMU401 : 0;
	struct allowed a = {};
	struct spec_iommu *new;
	const char *wrong;

	if_so(&a, s->state != SPEC_OPEN, EBUSY);
	/* All pages that the registers touch. */
	size = args[3] ? (end + PAGE - 1) / PAGE * PAGE - base : 0;
	if (type > PKVM_IOMMU_TYPE_SMMU_V2 || end < args[2] || end > 1ULL << s->cpu_bits ||
	    (!size && !test) ||
	    flags & ~(PKVM_IOMMU_F_COHERENT | PKVM_IOMMU_F_STAGE1 | PKVM_IOMMU_F_LINEAR |
		      PKVM_IOMMU_F_REACH |
		      quirks << 32) ||
	    (reach && reach < 32)) {
		if_so(&a, true, EINVAL);
	} else {
		cannot_take(s, &a, base, size);
	}
	if_so(&a, s->nr_iommus == PKVM_IOMMU_MAX, ENOSPC);
	if_so(&a, s->refuses, ENXIO);
	if_so(&a, s->no_room, ENOMEM);
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
	*new = (struct spec_iommu) { .base = base, .size = size, .at = args[2], .wants = res[2],
				     .geometry = -1,
				     .oas = reach && reach < s->new_oas ? reach : s->new_oas,
				     .isolates = !test, .permits = permits,
				     .lacks_windows = windows,
				     .contexts = test && !permits ? PKVM_IOMMU_TEST_CONTEXTS : 0,
				     .no_tables = told || type == PKVM_IOMMU_TYPE_VIRTIO };

	return NULL;
}

static const char *boot_donate(struct spec *s, const u64 *args, const u64 *res)
{
	u64 id = args[1], pfn = args[2], nr = args[3];
	struct allowed a = {};
	const char *wrong;
	bool ok;

	if_so(&a, s->state > SPEC_BUILDING, EBUSY);
	if (id == PKVM_IOMMU_RUN_LIST) {
		if_so(&a, !s->nr_iommus, ENOENT);
		if_so(&a, s->nr_runs, EBUSY);
		/* It may be beyond the addresses of devices. */
		cannot_give(s, &a, pfn, nr, PKVM_IOMMU_DONATE_MAX, 48);
	} else if (id != PKVM_IOMMU_POOL && id >= (u64)s->nr_iommus) {
		if_so(&a, true, ENOENT);
	} else {
		/* Without an IOMMU there is no pool. */
		if_so(&a, !s->nr_iommus, ENOENT);
		cannot_give(s, &a, pfn, nr, PKVM_IOMMU_DONATE_MAX,
			    id == PKVM_IOMMU_POOL ? pool_reach(s) : s->iommu[id].oas);
		if (id != PKVM_IOMMU_POOL) {
			u64 wants = s->iommu[id].wants;

			if_so(&a, s->iommu[id].has || s->state == SPEC_BUILDING, EBUSY);
			if_so(&a, nr < wants / PAGE || (wants && pfn % (wants / PAGE)), EINVAL);
		}
	}
	wrong = judge(&a, res, &ok);
	if (wrong)
		return wrong;
	if (ok && id == PKVM_IOMMU_RUN_LIST) {
		give(s, pfn, nr, SPEC_RUNS);
		s->nr_runs = nr * PAGE / sizeof(u64);
	} else if (ok && id == PKVM_IOMMU_POOL) {
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
		unfed |= (s->iommu[i].wants && !s->iommu[i].has) || s->iommu[i].lacks_windows;
	}
	if (s->state > SPEC_BUILDING) {
		if_so(&a, true, EBUSY);
	} else if (args[1] & ~(PKVM_IOMMU_F_OFF | PKVM_IOMMU_F_REFUSE_VMS)) {
		if_so(&a, true, EINVAL);
	} else if (!(args[1] & PKVM_IOMMU_F_OFF)) {
		if_so(&a, true, EAGAIN);
		if_so(&a, true, ENOMEM);
		if_so(&a, !isolates, ENODEV);
		if_so(&a, unfed || s->refuses, ENXIO);
		if_so(&a, s->audit_fails, EPERM);
		if_so(&a, s->cannot_take, EIO);
		if_so(&a, s->timeouts, ETIMEDOUT);
		a.maybe = isolates && !unfed && !s->refuses && !s->audit_fails &&
			  !s->cannot_take && !s->timeouts;
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
		s->isolated = s->state == SPEC_SEALED && !(args[1] & PKVM_IOMMU_F_REFUSE_VMS);
		return no_results(res);
	case EBUSY:
	case EINVAL:
		return no_results(res);
	case ENOMEM:
		if (!res[1] || res[1] > PKVM_IOMMU_DONATE_MAX)
			return "-ENOMEM asks for a strange number of pages";
		__attribute__((fallthrough));
	case EAGAIN:
		s->state = SPEC_BUILDING;
		return NULL;
	case ETIMEDOUT:
		s->state = SPEC_SEALED;
		for (i = 0; i < s->nr_iommus; i++)
			s->iommu[i].dead = s->timeouts & (1ULL << i);
		return !(s->timeouts & (1ULL << res[2])) ||
		       res[1] != (s->stubborn & (1ULL << res[2]) ? PKVM_IOMMU_REFUSE_PRESET :
								   PKVM_IOMMU_REFUSE_TIMEOUT) ?
			"blames another" : NULL;
	case ENODEV:
		/* IOMMUs that do not isolate are in service for tests. */
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
	case PKVM_IOMMU_BOOT_WITHHOLD:
		return boot_withhold(s, args, res);
	case PKVM_IOMMU_BOOT_WINDOW:
		return boot_window(s, args, res);
	}

	return simple(res, EOPNOTSUPP);
}
