// SPDX-License-Identifier: GPL-2.0
/* Boots, in the right or a wrong order of calls, see runner.h; and calls after EL2 has ended. */
#include <errno.h>

#include <linux/pkvm_iommu_test.h>

#include "runner.h"

/* Boot. */

int boot(u64 *res, u64 op, u64 a1, u64 a2, u64 a3, u64 a4)
{
	return call(true, res, op, a1, a2, a3, a4);
}

/*
 * Registers that no IOMMU has, or that one has, or memory. Not registers of an IOMMU that is
 * yet to be registered.
 */
static void withhold_noise(void)
{
	static const u64 bases[] = { 0, 0x9000018, 0x9002000, 0x9004ff8, ENV_RAM0 - 4, ENV_RAM0,
				     ENV_RAM0_END, ENV_RAM1_END + ENV_PAGE, 0x7fff000000,
				     ~(ENV_PAGE - 1),
				     0x9050000, 0x9080fff };
	bool all = spec.nr_iommus == nr_configured();
	u64 res[3];

	boot(res, PKVM_IOMMU_BOOT_WITHHOLD, bases[below(COUNT(bases) - (all ? 0 : 2))],
	     !below(8) ? 0 : below(8) || !all ? 1 + below(0x2000) : rnd() >> below(64), 0, 0);
}

/* Check that the host has lost the registers that are withheld, and the windows. */
static void check_registers(void)
{
	int i;

	for (i = 0; i < spec.nr_registers; i++)
		if (!env_is_taken(spec.registers[i].base, spec.registers[i].size))
			fail("the host has registers at %#llx",
			     (unsigned long long)spec.registers[i].base);
}

/* Windows of a test backend, as many as it lacks; one of them fails at first, or is too many. */
static void name_windows(int id)
{
	u64 res[3], base = 0x9800000 + id * 0x40000;

	for (; spec.iommu[id].lacks_windows; base += 0x10800) {
		if (config->no_window && spec.iommu[id].lacks_windows == 1)
			return;
		switch (below(6)) {
		case 0:	/* In use: by an IOMMU, or by this one. */
			boot(res, PKVM_IOMMU_BOOT_WINDOW, id,
			     below(2) && spec.iommu[0].size ? spec.iommu[0].base : base - 0x10800,
			     0x400, 0);
			break;
		case 1:
			boot(res, PKVM_IOMMU_BOOT_WINDOW, id, ENV_RAM0 - 4, 8, 0);
			break;
		case 2:
			boot(res, PKVM_IOMMU_BOOT_WINDOW, id, base, below(2) ? 0 : -base, 0);
			break;
		case 3:
			spec.no_room = true;
			env_fail_registers(true);
			boot(res, PKVM_IOMMU_BOOT_WINDOW, id, base, 0x400, 0);
			env_fail_registers(false);
			spec.no_room = false;
			break;
		}
		if (boot(res, PKVM_IOMMU_BOOT_WINDOW, id, base, 0x400, 0))
			fail("cannot name a window");
		env_check_window(id, PKVM_IOMMU_WINDOWS_MAX - 1 - spec.iommu[id].lacks_windows,
				 base, 0x400);
	}
	boot(res, PKVM_IOMMU_BOOT_WINDOW, id, base, 0x400, 0);
}

/* Random calls during boot. The specification tells which of them must fail. */
static void boot_noise(void)
{
	static const u64 bases[] = { 0, 1, 0x9050000, 0x9060000, 0x9040000, ENV_RAM0, ENV_RAM0_END,
				     ENV_RAM1_END, ~(ENV_PAGE - 1), 0x9050800 };
	u64 res[3];
	int id;

	if (below(3))
		return;
	switch (below(7)) {
	case 0:
		/* An unknown type at an impossible range, or registers of an IOMMU once more. */
		if (spec.state == SPEC_OPEN && !spec.nr_iommus) {
			boot(res, PKVM_IOMMU_BOOT_REGISTER, 6 + (rnd() >> below(62)),
			     bases[below(COUNT(bases))], 0x20000, 0);
			break;
		}
		if (spec.nr_iommus && spec.iommu[0].size)
			boot(res, PKVM_IOMMU_BOOT_REGISTER, PKVM_IOMMU_TYPE_SMMU_V3,
			     spec.iommu[0].base + spec.iommu[0].size / 2, 0x20000, rnd() & 7);
		break;
	case 1:
		/* A range of memory; an undefined flag. */
		boot(res, PKVM_IOMMU_BOOT_REGISTER, 0, below(2) ? ENV_RAM0 - ENV_PAGE :
		     ENV_RAM0_END - ENV_PAGE, 0x20000, below(2) ? 1 : 8);
		break;
	case 2:
		if (spec.nr_iommus)
			boot(res, PKVM_IOMMU_BOOT_DONATE, !below(3) ? PKVM_IOMMU_RUN_LIST :
			     below(2) ? PKVM_IOMMU_POOL : spec.nr_iommus + below(3),
			     some_pfn() | 1ULL << 45,
			     some_number(PKVM_IOMMU_DONATE_MAX), 0);
		break;
	case 3:
		/*
		 * To an IOMMU that has its memory already, or with the wrong size or alignment. If
		 * it wants one page, it gets one: more would be missed elsewhere.
		 */
		if (spec.nr_iommus && config->expect != UNFED &&
		    spec.iommu[spec.nr_iommus - 1].wants)
			boot(res, PKVM_IOMMU_BOOT_DONATE, spec.nr_iommus - 1, some_pfn() | 1,
			     spec.iommu[spec.nr_iommus - 1].has ||
			     spec.iommu[spec.nr_iommus - 1].wants > ENV_PAGE ?
			     some_number(PKVM_IOMMU_DONATE_MAX) : 1, 0);
		/* The right size and alignment, but not memory. */
		if (spec.nr_iommus && spec.iommu[spec.nr_iommus - 1].wants)
			boot(res, PKVM_IOMMU_BOOT_DONATE, spec.nr_iommus - 1, 0,
			     spec.iommu[spec.nr_iommus - 1].wants / ENV_PAGE, 0);
		break;
	case 4:
		/* Undefined flags, and an undefined operation. */
		boot(res, PKVM_IOMMU_BOOT_SEAL, rnd() | 1ULL << 63, rnd(), 0, 0);
		boot(res, PKVM_IOMMU_BOOT_WINDOW + 1, 0, 0, 0, 0);
		/* No such IOMMU, or it has its windows, or too late. */
		id = below(spec.nr_iommus + 2);
		if (id >= spec.nr_iommus || !spec.iommu[id].lacks_windows)
			boot(res, PKVM_IOMMU_BOOT_WINDOW, id, 0x9004000, 8, 0);
		break;
	case 5:
		/* The next IOMMU, but mapping its registers at EL2 fails. */
		if (spec.nr_iommus >= config->nr || is_smmu_v2(spec.nr_iommus))
			break;
		/* A quirk that its backend does not know. */
		boot(res, PKVM_IOMMU_BOOT_REGISTER, PKVM_IOMMU_TYPE_SMMU_V3,
		     config->smmu[spec.nr_iommus].base, 0x20000, 1ULL << (32 + below(32)));
		/* Less reach than any IOMMU has. */
		boot(res, PKVM_IOMMU_BOOT_REGISTER, PKVM_IOMMU_TYPE_SMMU_V3,
		     config->smmu[spec.nr_iommus].base, 0x20000, (1 + below(31)) << 8);
		spec.no_room = true;
		env_fail_registers(true);
		boot(res, PKVM_IOMMU_BOOT_REGISTER, PKVM_IOMMU_TYPE_SMMU_V3,
		     config->smmu[spec.nr_iommus].base, 0x20000, 0);
		env_fail_registers(false);
		spec.no_room = false;
		break;
	case 6:
		withhold_noise();
		break;
	}
}

/*
 * Contiguous, aligned memory of the host: from the top, but whole blocks from the bottom, so that
 * the former do not break the latter. More than a block takes what it needs.
 */
static u64 find_range(u64 pages)
{
	u64 n, nr, pfn, i, align = pages;

	while (align & (align - 1))
		align &= align - 1;
	nr = (ENV_RAM1_END - ENV_RAM0) / ENV_PAGE / align;
	for (n = 0; n < nr; n++) {
		pfn = ENV_RAM0 / ENV_PAGE + (pages < ENV_PTES ? nr - 1 - n : n) * align;
		for (i = 0; i < pages; i++) {
			unsigned char *page = spec_page(&spec, pfn + i);

			if (!page || *page != SPEC_HOST ||
			    (pages <= ENV_PTES && for_scenarios(pfn + i)))
				break;
		}
		if (i == pages)
			return pfn;
	}
	fail("no %llu pages in a row", (unsigned long long)pages);
}

static u64 type_of(int id)
{
	return is_smmu_v2(id) ? PKVM_IOMMU_TYPE_SMMU_V2 : PKVM_IOMMU_TYPE_SMMU_V3;
}

/* Resources of an SMMUv2. Its streams are ids with masks, or indices. */
static void spec_v2(int id)
{
	const struct smmu_config *c = &config->smmu[id];
	struct spec_iommu *iommu = &spec.iommu[id];

	iommu->banks = c->v2.banks;
	iommu->matches = c->v2.smrs;
	iommu->ids = c->v2.smrs ? (1U << c->sid_bits) - 1 : 0;
	iommu->masks = c->v2.masks & iommu->ids;
	iommu->unordered = true;
}

static int boot_register(int id, u64 *res)
{
	const struct vdev_config *v;
	const struct smmu_config *c;

	if (is_smmu(id)) {
		c = &config->smmu[id];
		spec.new_oas = c->v2.ias && c->v2.ias < c->oas ? c->v2.ias : c->oas;
		return boot(res, PKVM_IOMMU_BOOT_REGISTER, type_of(id), c->base,
			    c->size, (c->coherent || config->lies ? PKVM_IOMMU_F_COHERENT : 0) |
			    config->flags |
			    (c->v2.mmu500 ? (u64)PKVM_IOMMU_SMMU_V2_MMU500 << 32 : 0) |
			    (c->v2.mmu401 ? (u64)PKVM_IOMMU_SMMU_V2_MMU401 << 32 : 0));
	}
	if (is_virtio(id)) {
		v = &config->virtio[id - config->nr];
		spec.new_oas = v->no_ranges || v->input_bits > 52 ? 52 : v->input_bits;
		return boot(res, PKVM_IOMMU_BOOT_REGISTER, PKVM_IOMMU_TYPE_VIRTIO, v->base, v->size,
			    v->incoherent ? 0 : PKVM_IOMMU_F_COHERENT);
	}
	if (is_permits(id)) {
		spec.new_oas = config->permits_bits ?: 36;
		return boot(res, PKVM_IOMMU_BOOT_REGISTER, PKVM_IOMMU_TYPE_TEST_PERMITS, 0, 0,
			    config->permits_bits << 8);
	}
	spec.new_oas = 48;
	/* A quirk that the backend does not know. */
	boot(res, PKVM_IOMMU_BOOT_REGISTER, PKVM_IOMMU_TYPE_TEST, 0, 0, 1ULL << 33);

	return boot(res, PKVM_IOMMU_BOOT_REGISTER,
		    id < config->nr + config->nr_virtio + config->tests ?
		    PKVM_IOMMU_TYPE_TEST : PKVM_IOMMU_TYPE_TEST_TOLD, 0, 0, PKVM_IOMMU_F_COHERENT |
		    (below(2) ? (u64)PKVM_IOMMU_TEST_QUIRKS << 32 : 0) |
		    (config->no_window || below(2) ? (u64)PKVM_IOMMU_TEST_WINDOWS << 32 : 0));
}

/* Whole pages; kinds that the contract does not have are reserved. */
static void spec_regions(int id)
{
	const struct vdev_config *v = &config->virtio[id - config->nr];
	struct spec_iommu *iommu = &spec.iommu[id];
	const struct vdev_region *r;
	unsigned int i;

	iommu->tells = v->probe_size;
	for (i = 0, r = v->region; v->probe_size && i < v->regions; i++, r++)
		iommu->region[i] = (struct spec_region) {
			.first = r->start & ~(ENV_PAGE - 1), .last = r->last | (ENV_PAGE - 1),
			.kind = r->kind == VDEV_MSI, .odd = i,
		};
	iommu->nr_regions = i;
}

bool boot_all(void)
{
	u64 res[3], pfn, n, i, flags = below(6) ? 0 : PKVM_IOMMU_F_REFUSE_VMS;
	int id, ret;

	if (config->expect == OFF)
		flags |= PKVM_IOMMU_F_OFF;
	boot(res, PKVM_IOMMU_BOOT_DONATE, PKVM_IOMMU_POOL, ENV_RAM0 / ENV_PAGE, 1, 0);
	boot(res, PKVM_IOMMU_BOOT_REGISTER, 6 + (rnd() >> below(62)), 0x9050000, 0x20000, 0);
	boot_noise();
	for (id = 0; id < nr_configured(); id++) {
		spec.refuses = config->expect == REFUSE;
		ret = boot_register(id, res);
		if (config->expect == REFUSE) {
			if (ret != -ENXIO || (int)res[1] != config->why)
				fail("refused with %d, %llu", ret, (unsigned long long)res[1]);
			spec.refuses = false;
			/* Without it, the layer cannot be sealed. */
			boot(res, PKVM_IOMMU_BOOT_SEAL, 0, 0, 0, 0);
			return false;
		}
		if (ret)
			fail("cannot register");
		if (is_smmu_v2(id))
			spec_v2(id);
		boot_noise();
		name_windows(id);
		if (spec.iommu[id].wants && !spec.iommu[id].has &&
		    (config->expect != UNFED || config->no_window)) {
			pfn = find_range(spec.iommu[id].wants / ENV_PAGE);
			for (i = 0; i < spec.iommu[id].wants / ENV_PAGE; i++)
				scribble(pfn + i);
			if (boot(res, PKVM_IOMMU_BOOT_DONATE, id, pfn,
				 spec.iommu[id].wants / ENV_PAGE, 0))
				fail("cannot donate");
		}
	}

	for (id = 0; id < config->nr; id++) {
		const struct smmu_config *c = &config->smmu[id];

		if (c->dead_gbpa || c->dead_cr0 || c->dead_irq || c->dead_sync || c->v2.locked)
			spec.timeouts |= 1ULL << id;
		if (is_smmu_v2(id) && (c->dead_cr0 || c->v2.locked))
			spec.stubborn |= 1ULL << id;
	}
	for (id = 0; id < config->nr_virtio; id++) {
		if (config->virtio[id].lie == RESET_HANGS)
			spec.timeouts |= 1ULL << (config->nr + id);
	}
	if (config->tests == PKVM_IOMMU_MAX) {	/* one more than there can be */
		boot(res, PKVM_IOMMU_BOOT_REGISTER, PKVM_IOMMU_TYPE_TEST, 0, 0, 0);
		for (i = 0; i <= PKVM_IOMMU_WITHHELD_MAX; i++)
			boot(res, PKVM_IOMMU_BOOT_WITHHOLD, 0x8000000 + i * ENV_PAGE, 8, 0, 0);
	}
	/* Sometimes without a list. */
	if (spec.nr_iommus && below(8)) {
		/* If part of it cannot be shared, nothing is shared. */
		if (below(2))
			boot(res, PKVM_IOMMU_BOOT_DONATE, PKVM_IOMMU_RUN_LIST,
			     ENV_CARVEOUT / ENV_PAGE - 2, 3, 0);
		pfn = find_range(2);
		if (boot(res, PKVM_IOMMU_BOOT_DONATE, PKVM_IOMMU_RUN_LIST, pfn, 2, 0))
			fail("cannot give memory for runs");
		spec.runs = env_cpu(pfn * ENV_PAGE);
		if (!below(4))
			boot(res, PKVM_IOMMU_BOOT_DONATE, PKVM_IOMMU_RUN_LIST, some_pfn(), 1, 0);
	}
	spec.refuses = config->expect == STAGES;
	spec.cannot_take = config->expect == REGISTERS;
	env_fail_taking(spec.cannot_take);
	spec.audit_fails = config->expect == AUDIT;
	env_fail_ownership(spec.audit_fails);
	for (;;) {
		boot_noise();
		do_page();
		if (env_protected_vms())
			fail("protected VMs before the seal");
		ret = boot(res, PKVM_IOMMU_BOOT_SEAL, flags, rnd(), rnd(), rnd());
		if (ret == -EAGAIN)
			continue;
		if (ret != -ENOMEM)
			break;
		/* Part of the pages that it asks for, often few, or more; in one call or several. */
		for (n = below(16) ? 1 + below(below(8) ? 3 : res[1]) : 32; n; n -= i) {
			i = below(2) ? 1 : n < 32 ? n : 32;
			pfn = find_range(i);
			scribble(pfn);
			if (boot(res, PKVM_IOMMU_BOOT_DONATE, PKVM_IOMMU_POOL, pfn, i, 0))
				fail("cannot donate");
		}
	}
	if (env_protected_vms() != (spec.state == SPEC_OFF || spec.isolated))
		fail("protected VMs are %s", env_protected_vms() ? "allowed" : "refused");
	if (env_in_service() != (spec.state == SPEC_SEALED))
		fail("in service: %d", env_in_service());
	if (!env_in_service() && (!env_can_suspend() || !env_resume()))
		fail("without IOMMUs in service, a power-off changes nothing");
	if (config->expect == OFF && !ret)
		return false;
	if (spec.state == SPEC_SEALED)
		check_registers();
	boot_noise();
	if (config->expect == UNFED || config->expect == STAGES) {
		if (ret != -ENXIO)
			fail("sealed in spite of all");
		if (config->no_window && res[1] != PKVM_IOMMU_REFUSE_MMIO)
			fail("a missing window is reason %d", (int)res[1]);
		/* It is too late for one. */
		boot(res, PKVM_IOMMU_BOOT_WINDOW, spec.nr_iommus - 1, 0x9004000, 8, 0);
		return false;
	}
	if (config->expect == REGISTERS) {
		if (ret != -EIO || res[1] != PKVM_IOMMU_REFUSE_MMIO)
			fail("sealed with registers that the host still has");
		return false;
	}
	if (config->expect == AUDIT) {
		if (ret != -EPERM)
			fail("sealed with a failed audit");
		return false;
	}
	if (ret != (config->expect == TIMEOUT ? -ETIMEDOUT :
		    config->expect == TESTS ? -ENODEV : 0))
		fail("cannot seal");
	for (id = 0; id < spec.nr_iommus; id++) {
		spec.iommu[id].sid_bits = is_permits(id) ? 0 : 12;
		if (is_smmu(id))
			spec.iommu[id].sid_bits = spec.iommu[id].dead && !is_smmu_v2(id) ?
				config->smmu[id].sid_bits : smmu_table_bits(id);
		if (is_virtio(id)) {
			/* PCI requester ids of 256 segments, not all of which exist. */
			spec.iommu[id].sid_bits = 24;
			spec.iommu[id].endpoints = config->virtio[id - config->nr].endpoints;
			spec.iommu[id].fickle = config->virtio[id - config->nr].refuses ||
						config->virtio[id - config->nr].regions;
			spec_regions(id);
		}
	}
	for (id = 0; id < spec.nr_iommus; id++) {
		call(false, res, PKVM_IOMMU_INFO, PKVM_IOMMU_INFO_LIMIT, id);
		if (is_smmu(id))
			smmu_set_limit(id, limit_of(id));
		call(false, res, PKVM_IOMMU_INFO, PKVM_IOMMU_INFO_GEOMETRY, id);
	}
	call(false, res, PKVM_IOMMU_INFO, PKVM_IOMMU_INFO_SHADOW, 0, 0, 0);

	return true;
}

/*
 * EL2 has stopped on one CPU. A hostile host continues on the others, and the
 * hardware may recover: no page that a device may reach changes its owner.
 */
void aftermath(void)
{
	u64 res[3], i, n;
	struct act a;

	for (n = 0; n < 60; n++) {
		a = (struct act) { .kind = ACT_SYNC, .chance = noise(), .a = { below(2) } };
		if (!below(20))
			act(&a, res);
		if (below(2)) {
			a.kind = ACT_CALL;
			for (i = 1; i < 6; i++)
				a.a[i] = below(3) ? below(3) : some_pfn();
			a.a[0] = below(PKVM_IOMMU_REGION + 1);
		} else {
			a.kind = ACT_PAGE;
			a.a[0] = below(2) ? ENV_DONATE_GUEST : ENV_GUEST_UNSHARE;
			a.a[1] = some_pfn();
		}
		act(&a, res);
	}
}
