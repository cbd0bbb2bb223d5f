// SPDX-License-Identifier: GPL-2.0
/* Hardware configurations of the walks, and the expected result of each. */
#include <linux/pkvm_iommu.h>

#include "runner.h"

#define AT(where)	.base = where, .size = 0x20000
#define BIG		.two_level = true, .sid_bits = 16, .cmdq_bits = 8, .evtq_bits = 7
#define VAT(where)	.base = where, .size = 0x200, .strict = true
#define REACH(bits)	((bits) * (PKVM_IOMMU_F_REACH & -PKVM_IOMMU_F_REACH))
/* 16 pages of space, and 16 of banks. */
#define V2AT(where)	.base = where, .size = 0x20000, .sid_bits = 15, .s2 = true
#define SMALL		.sid_bits = 7, .cmdq_bits = 6, .evtq_bits = 1

const struct config configs[] = {
	{ .name = "two-level", .ia = 36, .nr = 1, .scenario = donate_ranges, .smmu = { {
		AT(0x9050000), BIG, .s1 = true, .s2 = true, .coherent = true, .hyp = true,
		.oas = 44, .ril = true } } },
	{ .name = "virtio", .ia = 40, .scenario = replay_in_between, .nr_virtio = 1, .virtio = { {
		VAT(0x9080e00), .endpoints = 600, .input_bits = 39, .tag_bits = 16,
		.probe_size = 512, .polls = true } } },
	{ .name = "slow-queue", .ia = 36, .nr = 1, .scenario = same_stream, .smmu = { {
		AT(0x9050000), .two_level = true, .sid_bits = 16, .cmdq_bits = 6, .evtq_bits = 7,
		.s1 = true, .s2 = true, .coherent = true, .oas = 44, .pauses = 2 } } },
	{ .name = "lost-sync", .ia = 36, .nr = 1, .expect = LOST, .smmu = { {
		AT(0x9050000), .two_level = true, .sid_bits = 16, .cmdq_bits = 6, .evtq_bits = 7,
		.s1 = true, .s2 = true, .coherent = true, .oas = 44 } } },
	{ .name = "virtio-lost", .ia = 36, .nr_virtio = 1, .expect = LOST, .virtio = { {
		VAT(0x9080e00), .endpoints = 600, .input_bits = 39, .tag_bits = 16,
		.probe_size = 24 } } },
	{ .name = "virtio-many", .ia = 40, .nr_virtio = 2, .tests = 1, .virtio = {
		{ VAT(0x9080e00), .endpoints = 1000, .no_ranges = true, .no_mmio = true,
		  .latency = 1 },
		{ VAT(0x90a2000), .endpoints = 100, .input_bits = 48, .tag_bits = 8,
		  .refuses = 5, .probe_size = 256, .regions = 3, .region = {
			{ 0x40000000, 0x40001fff, VDEV_MSI },
			{ 0, 0xfff, VDEV_RESERVED },
			{ 0x123456789a, 0xffffffffffffffff, VDEV_RESERVED } } } } },
	{ .name = "stage1", .ia = 36, .nr = 1, .smmu = { {
		AT(0x9050000), BIG, .s1 = true, .coherent = true, .oas = 44, .msi = true } } },
	{ .name = "stage1-forced", .ia = 39, .nr = 1, .flags = PKVM_IOMMU_F_STAGE1, .smmu = { {
		AT(0x9050000), BIG, .s1 = true, .s2 = true, .coherent = true, .oas = 40,
		.ril = true, .ats = true, .ovr = true } } },
	{ .name = "linear", .ia = 44, .nr = 1, .flags = PKVM_IOMMU_F_LINEAR, .smmu = { {
		AT(0x9050000), .two_level = true, .sid_bits = 9, .cmdq_bits = 7, .evtq_bits = 3,
		.s1 = true, .s2 = true, .coherent = true, .hyp = true, .oas = 52,
		.msi = true, .ats = true, .ovr = true } } },
	{ .name = "noncoherent", .ia = 36, .nr = 1, .smmu = { {
		AT(0x9050000), BIG, .s1 = true, .s2 = true, .oas = 36, .latency = 3,
		.ril = true } } },
	{ .name = "noncoherent-s1", .ia = 36, .nr = 1, .smmu = { {
		AT(0x9050000), SMALL, .s1 = true, .oas = 36, .ats = true } } },
	{ .name = "noncoherent-lied", .ia = 36, .nr = 1, .lies = true, .smmu = { {
		AT(0x9050000), BIG, .s1 = true, .s2 = true, .oas = 36 } } },
	{ .name = "small", .ia = 32, .nr = 1, .smmu = { {
		AT(0x9050000), .sid_bits = 0, .cmdq_bits = 6, .evtq_bits = 0,
		.s2 = true, .coherent = true, .oas = 32 } } },
	{ .name = "several", .ia = 40, .nr = 3, .tests = 1, .smmu = {
		{ AT(0x9050000), BIG, .s1 = true, .s2 = true, .coherent = true, .oas = 44 },
		{ AT(ENV_RAM0 + ENV_SCALE * 0x520000), SMALL, .s2 = true, .coherent = true,
		  .oas = 40, .latency = 1 },
		{ AT(0x9070000), .two_level = true, .sid_bits = 7, .cmdq_bits = 10,
		  .evtq_bits = 2, .s1 = true, .s2 = true, .coherent = true, .oas = 42,
		  .hyp = true, .ats = true, .msi = true, .ril = true } } },
	{ .name = "kinds", .ia = 40, .nr = 1, .nr_virtio = 1, .tests = 1, .told = 1, .permits = 2,
	  .permits_bits = 32, .smmu = { {
		AT(0x9050000), BIG, .s1 = true, .s2 = true, .coherent = true, .oas = 44 } },
	  .virtio = { { VAT(0x9080e00), .endpoints = 600, .input_bits = 39, .tag_bits = 16 } } },
	{ .name = "mixed", .ia = 40, .nr = 3, .nr_virtio = 1, .tests = 1, .told = 1, .permits = 1,
	  .scenario = apart, .smmu = {
		{ AT(0x9050000), BIG, .s1 = true, .s2 = true, .coherent = true, .oas = 44,
		  .ril = true },
		{ AT(ENV_RAM0 + ENV_SCALE * 0x520000), SMALL, .s1 = true, .oas = 40,
		  .latency = 1 },
		{ AT(0x9070000), .two_level = true, .sid_bits = 7, .cmdq_bits = 10,
		  .evtq_bits = 2, .s1 = true, .s2 = true, .coherent = true, .oas = 32 } },
	  .virtio = { { VAT(0x90a0e00), .endpoints = 600, .input_bits = 39, .tag_bits = 16 } } },
	{ .name = "kinds-walk", .ia = 36, .nr = 2, .tests = 1, .permits = 1, .smmu = {
		{ AT(0x9050000), BIG, .s1 = true, .s2 = true, .oas = 44, .ril = true },
		{ AT(0x9070000), SMALL, .s2 = true, .coherent = true, .oas = 40 } } },
	{ .name = "permits-only", .ia = 36, .permits = 1, .expect = TESTS },
	{ .name = "mixed-coherency", .ia = 36, .nr = 2, .smmu = {
		{ AT(0x9050000), SMALL, .s1 = true, .s2 = true, .coherent = true, .oas = 44 },
		{ AT(0x9070000), BIG, .s1 = true, .oas = 40 } } },
	{ .name = "sid32", .ia = 36, .nr = 1, .smmu = { {
		AT(0x9050000), .two_level = true, .sid_bits = 32, .cmdq_bits = 19,
		.evtq_bits = 19, .s1 = true, .s2 = true, .coherent = true, .oas = 48 } } },
	{ .name = "reach32", .ia = 40, .nr = 1, .scenario = edge_of_reach, .smmu = { {
		AT(0x9050000), BIG, .s1 = true, .s2 = true, .coherent = true, .oas = 32 } } },
	{ .name = "reach40", .ia = 40, .nr = 1, .scenario = block_root, .smmu = { {
		AT(0x9050000), BIG, .s1 = true, .s2 = true, .coherent = true, .oas = 40,
		.ril = true } } },
	{ .name = "reach42", .ia = 48, .nr = 1, .scenario = block_root, .smmu = { {
		AT(0x9050000), BIG, .s1 = true, .s2 = true, .oas = 42, .latency = 1 } } },
	{ .name = "reach40-told", .ia = 44, .nr = 1, .flags = REACH(40), .scenario = block_root,
	  .smmu = { { AT(0x9050000), BIG, .s1 = true, .s2 = true, .coherent = true, .oas = 44 } } },
	{ .name = "reach40-s1", .ia = 40, .nr = 1, .smmu = { {
		AT(0x9050000), BIG, .s1 = true, .coherent = true, .oas = 44 } } },
	{ .name = "reach40-42", .ia = 42, .nr = 2, .smmu = {
		{ AT(0x9050000), BIG, .s2 = true, .coherent = true, .oas = 40 },
		{ AT(0x9070000), SMALL, .s2 = true, .coherent = true, .oas = 42 } } },
	{ .name = "reach42-s1", .ia = 42, .nr = 1, .smmu = { {
		AT(0x9050000), SMALL, .s1 = true, .oas = 42, .ril = true } } },
	{ .name = "reach48", .ia = 48, .nr = 1, .scenario = far_apart, .smmu = { {
		AT(0x9050000), BIG, .s1 = true, .s2 = true, .coherent = true, .oas = 48,
		.ril = true, .iidr = 0x4850043b } } },
	{ .name = "reach52", .ia = 52, .nr = 1, .scenario = edge_of_reach, .smmu = { {
		AT(0x9050000), SMALL, .s2 = true, .coherent = true, .oas = 52 } } },
	{ .name = "gib", .ia = 36, .nr = 1, .gib = ENV_PAGE_SHIFT != 14, .scenario = gib_blocks,
	  .smmu = { {
		AT(0x9050000), BIG, .s1 = true, .s2 = true, .coherent = true, .oas = 44,
		.ril = true } } },
	{ .name = "saturated", .ia = ENV_PAGE_SHIFT == 12 ? 40 : 44, .nr = 1,
	  .scenario = saturate_pins, .smmu = { {
		AT(0x9050000), BIG, .s1 = true, .s2 = true, .coherent = true, .oas = 48 } } },
	{ .name = "many-domains", .ia = 36, .nr = 1, .scenario = many_lazy_domains, .smmu = { {
		AT(0x9050000), BIG, .s1 = true, .coherent = true, .oas = 44, .ril = true } } },
	{ .name = "fetch-errors", .ia = 36, .nr = 1, .smmu = { {
		AT(0x9050000), BIG, .s1 = true, .s2 = true, .coherent = true, .oas = 44,
		.fetch_errors = 20, .latency = 2 } } },
	{ .name = "suspend", .ia = 36, .nr = 2, .suspends = true, .scenario = suspend_resume,
	  .smmu = {
		{ AT(0x9050000), .two_level = true, .sid_bits = 16, .cmdq_bits = 6,
		  .evtq_bits = 2, .s1 = true, .s2 = true, .coherent = true, .oas = 44,
		  .hyp = true, .ats = true, .msi = true },
		{ AT(0x9070000), BIG, .s1 = true, .s2 = true, .coherent = true, .oas = 44,
		  .ril = true, .latency = 2 } } },
	{ .name = "suspend-s1", .ia = 36, .nr = 1, .suspends = true, .scenario = suspend_resume,
	  .smmu = { { AT(0x9050000), SMALL, .s1 = true, .oas = 36, .fetch_errors = 20 } } },
	{ .name = "suspend-virtio", .ia = 36, .nr = 1, .nr_virtio = 1, .suspends = true, .smmu = { {
		AT(0x9050000), BIG, .s1 = true, .s2 = true, .coherent = true, .oas = 44 } },
	  .virtio = { { VAT(0x9080e00), .endpoints = 600, .input_bits = 39, .tag_bits = 16 } } },
	{ .name = "suspend-dead", .ia = 36, .nr = 2, .expect = TIMEOUT, .suspends = true, .smmu = {
		{ AT(0x9050000), BIG, .s2 = true, .coherent = true, .oas = 44, .dead_sync = true },
		{ AT(0x9070000), BIG, .s2 = true, .coherent = true, .oas = 44 } } },
	{ .name = "suspend-lost", .ia = 36, .nr = 2, .scenario = resume_after_loss, .smmu = {
		{ AT(0x9050000), BIG, .s2 = true, .coherent = true, .oas = 44 },
		{ AT(0x9070000), BIG, .s2 = true, .coherent = true, .oas = 44 } } },
	{ .name = "lost-detach", .ia = 36, .nr = 1, .scenario = lost_detach, .smmu = { {
		AT(0x9050000), BIG, .s2 = true, .coherent = true, .oas = 44 } } },
	{ .name = "resume-fails", .ia = 36, .nr = 2, .scenario = resume_fails, .smmu = {
		{ AT(0x9050000), BIG, .s2 = true, .coherent = true, .oas = 44 },
		{ AT(0x9070000), BIG, .s2 = true, .coherent = true, .oas = 44 } } },
	{ .name = "dead-gbpa", .ia = 36, .nr = 2, .expect = TIMEOUT, .smmu = {
		{ AT(0x9050000), BIG, .s2 = true, .coherent = true, .oas = 44, .dead_gbpa = true },
		{ AT(0x9070000), BIG, .s2 = true, .coherent = true, .oas = 44 } } },
	{ .name = "dead-cr0", .ia = 36, .nr = 2, .expect = TIMEOUT, .smmu = {
		{ AT(0x9050000), BIG, .s2 = true, .coherent = true, .oas = 44, .dead_cr0 = true },
		{ AT(0x9070000), BIG, .s2 = true, .coherent = true, .oas = 44 } } },
	{ .name = "dead-irq", .ia = 36, .nr = 2, .expect = TIMEOUT, .smmu = {
		{ AT(0x9050000), BIG, .s2 = true, .coherent = true, .oas = 44, .dead_irq = true },
		{ AT(0x9070000), BIG, .s2 = true, .coherent = true, .oas = 44 } } },
	{ .name = "dead-sync", .ia = 36, .nr = 2, .expect = TIMEOUT, .smmu = {
		{ AT(0x9050000), BIG, .s2 = true, .coherent = true, .oas = 44, .dead_sync = true },
		{ AT(0x9070000), BIG, .s2 = true, .coherent = true, .oas = 44 } } },
	{ .name = "mmu600-old", .ia = 36, .nr = 1, .smmu = { {
		AT(0x9050000), BIG, .s1 = true, .s2 = true, .coherent = true, .oas = 44,
		.iidr = 0x4831043b, .erratum = true } } },
	{ .name = "mmu700-old", .ia = 36, .nr = 2, .smmu = {
		{ AT(0x9050000), BIG, .s1 = true, .s2 = true, .coherent = true, .oas = 44,
		  .iidr = 0x4871043b, .erratum = true },
		{ AT(0x9070000), BIG, .s1 = true, .s2 = true, .oas = 44, .iidr = 0x4871143b } } },
	{ .name = "audit", .ia = 36, .nr = 1, .expect = AUDIT, .smmu = { {
		AT(0x9050000), BIG, .s2 = true, .coherent = true, .oas = 44 } } },
	{ .name = "off", .ia = 36, .nr = 1, .expect = OFF, .smmu = { {
		AT(0x9050000), BIG, .s2 = true, .coherent = true, .oas = 44 } } },
	{ .name = "no-memory", .ia = 36, .nr = 1, .expect = UNFED, .smmu = { {
		AT(0x9050000), BIG, .s2 = true, .coherent = true, .oas = 44 } } },
	{ .name = "no-window", .ia = 36, .nr = 1, .tests = 1, .no_window = true, .expect = UNFED,
	  .smmu = { {
		AT(0x9050000), BIG, .s2 = true, .coherent = true, .oas = 44 } } },
	{ .name = "stages-apart", .ia = 36, .nr = 2, .smmu = {
		{ AT(0x9050000), BIG, .s2 = true, .coherent = true, .oas = 44 },
		{ AT(0x9070000), BIG, .s1 = true, .coherent = true, .oas = 44 } } },
	{ .name = "virtio-smmu", .ia = 36, .nr = 1, .nr_virtio = 2, .smmu = { {
		AT(0x9050000), BIG, .s1 = true, .s2 = true, .coherent = true, .oas = 44,
		.ril = true } }, .virtio = {
		{ VAT(0x9080e00), .endpoints = 600, .input_bits = 36, .tag_bits = 16,
		  .refuses = 20, .probe_size = 512, .regions = 2, .region = {
			{ 0x401fff, 0x402000, VDEV_RESERVED },
			{ 0x8090010, 0x8090013, VDEV_MSI } } },
		{ VAT(0x9091000), .endpoints = 64, .no_ranges = true,
		  .latency = 2, .polls = true } } },
	{ .name = "virtio-smmu-s1", .ia = 36, .nr = 1, .nr_virtio = 1, .smmu = { {
		AT(0x9050000), SMALL, .s1 = true, .oas = 40 } }, .virtio = { {
		VAT(0x9080e00), .endpoints = 600, .input_bits = 52, .tag_bits = 10 } } },
	{ .name = "virtio-hangs", .ia = 36, .nr_virtio = 2, .expect = TIMEOUT, .virtio = {
		{ VAT(0x9080e00), .endpoints = 600, .input_bits = 39, .tag_bits = 16,
		  .lie = RESET_HANGS, .probe_size = 512 },
		{ VAT(0x90a2e00), .endpoints = 600, .input_bits = 39, .tag_bits = 16 } } },
	{ .name = "smmu-v2", .ia = 36, .nr = 2, .smmu = {
		{ V2AT(0x9050000), .s1 = true, .coherent = true, .oas = 40, .latency = 2,
		  .v2 = { .banks = 8, .s2_banks = 2, .smrs = 32, .masks = 0x7fff } },
		{ V2AT(0x9090000), .coherent = true, .oas = 40, .v2 = {
			.banks = 8, .s2_banks = 8, .smrs = 64, .masks = 0x7f80, .mmu500 = 2 } } } },
	{ .name = "smmu-v2-scarce", .ia = 36, .nr = 2, .smmu = {
		{ V2AT(0x9050000), .coherent = true, .oas = 36, .v2 = {
			.banks = 2, .s2_banks = 2, .smrs = 4, .masks = 0x7fff } },
		{ V2AT(0x9090000), .s1 = true, .oas = 48, .latency = 3, .v2 = {
			.banks = 3, .smrs = 3, .mmu500 = 1, .vmid16 = true } } } },
	{ .name = "smmu-v2-index", .ia = 36, .nr = 1, .smmu = { {
		.base = 0x9050000, .size = 0x100000, .sid_bits = 7, .s2 = true, .coherent = true,
		.oas = 44, .v2 = { .banks = 5, .s2_banks = 5, .pages64 = true, .vmid16 = true } } } },
	{ .name = "smmu-v2-mixed", .ia = 40, .nr = 3, .nr_virtio = 1, .smmu = {
		{ AT(0x9050000), BIG, .s1 = true, .s2 = true, .coherent = true, .oas = 44,
		  .ril = true },
		{ V2AT(0x90d0000), .s1 = true, .coherent = true, .oas = 44, .v2 = {
			.banks = 8, .smrs = 16, .masks = 0x7fff } },
		{ V2AT(0x9090000), .oas = 32, .v2 = { .banks = 4, .smrs = 8, .masks = 0xff } } },
	  .virtio = { { VAT(0x90b0e00), .endpoints = 600, .input_bits = 39, .tag_bits = 16 } } },
	{ .name = "smmu-v2-lost", .ia = 36, .nr = 1, .expect = LOST, .smmu = { {
		V2AT(0x9050000), .coherent = true, .oas = 40, .v2 = {
			.banks = 8, .smrs = 32, .masks = 0x7fff } } } },
	{ .name = "smmu-v2-frozen", .ia = 36, .nr = 1, .expect = LOST, .smmu = { {
		V2AT(0x9050000), .coherent = true, .oas = 40, .v2 = {
			.banks = 8, .smrs = 32, .masks = 0x7fff, .freezes = true } } } },
	{ .name = "smmu-v2-gated", .ia = 36, .nr = 1, .scenario = lost_clock, .smmu = { {
		V2AT(0x9050000), .coherent = true, .oas = 40, .v2 = {
			.banks = 8, .smrs = 32, .masks = 0x7fff } } } },
	{ .name = "smmu-v2-suspend", .ia = 36, .nr = 2, .suspends = true,
	  .scenario = suspend_resume, .smmu = {
		{ V2AT(0x9050000), .s1 = true, .coherent = true, .oas = 40, .latency = 2, .v2 = {
			.banks = 8, .smrs = 16, .masks = 0x7fff, .mmu500 = 2 } },
		{ .base = 0x9090000, .size = 0x20000, .sid_bits = 16, .s2 = true,
		  .coherent = true, .oas = 40, .v2 = {
			.banks = 6, .smrs = 16, .masks = 0xffff, .exids = true } } } },
	{ .name = "smmu-v2-lied", .ia = 40, .nr = 1, .lies = true, .smmu = { {
		V2AT(0x9050000), .oas = 36, .v2 = { .banks = 8, .smrs = 16, .ias = 40 } } } },
	{ .name = "smmu-v2-dead", .ia = 36, .nr = 3, .expect = TIMEOUT, .smmu = {
		{ V2AT(0x9050000), .coherent = true, .oas = 40, .dead_sync = true, .v2 = {
			.banks = 8, .smrs = 32, .masks = 0x7fff } },
		{ V2AT(0x9090000), .coherent = true, .oas = 40, .v2 = {
			.banks = 8, .smrs = 32, .mmu500 = 2, .locked = true } },
		{ V2AT(0x90d0000), .coherent = true, .oas = 40, .v2 = { .banks = 4, .smrs = 8 } } } },
	{ .name = "smmu-v2-stuck", .ia = 36, .nr = 2, .expect = TIMEOUT, .smmu = {
		{ V2AT(0x9050000), .coherent = true, .oas = 40, .dead_cr0 = true, .v2 = {
			.banks = 8, .smrs = 32, .masks = 0x7fff } },
		{ .base = 0x9090000, .size = 0x20000, .sid_bits = 16, .s2 = true,
		  .coherent = true, .oas = 36, .v2 = {
			.banks = 4, .smrs = 16, .masks = 0xf0f0, .exids = true, .ias = 32 } } } },
	{ .name = "smmu-v2-401", .ia = 36, .nr = 1, .why = PKVM_IOMMU_REFUSE_GRANULE,
	  .expect = ENV_PAGE_SHIFT == 16 ? RUN : REFUSE, .smmu = { {
		V2AT(0x9050000), .coherent = true, .oas = 40, .v2 = {
			.banks = 8, .s2_banks = 8, .smrs = 32, .masks = 0x7fff,
			.mmu401 = true } } } },
	{ .name = "no-reach", .ia = 31, .nr = 1, .expect = STAGES, .smmu = { {
		AT(0x9050000), BIG, .s2 = true, .coherent = true, .oas = 44 } } },
	{ .name = "no-registers", .ia = 36, .nr = 1, .expect = REGISTERS, .smmu = { {
		AT(0x9050000), BIG, .s2 = true, .coherent = true, .oas = 44 } } },
	{ .name = "tests-only", .ia = 36, .tests = 32, .expect = TESTS, .scenario = many_domains },
#define REFUSED(n, reason, ...)	{ .name = "refuse-" n, .ia = 36, .nr = 1, .expect = REFUSE,\
		.why = PKVM_IOMMU_REFUSE_##reason, .smmu = { { .base = 0x9050000,	\
		.two_level = true, .sid_bits = 16, .evtq_bits = 7, .coherent = true,	\
		.oas = 44, __VA_ARGS__ } } }
#define Q	.size = 0x20000, .cmdq_bits = 8
	REFUSED("no-stage", STAGE, Q),
	REFUSED("granule", GRANULE, Q, .s2 = true, .no_granule = true),
	REFUSED("stall", STAGE, Q, .s2 = true, .idr0_flip = 3 << 24),
	REFUSED("big-endian", STAGE, Q, .s2 = true, .idr0_flip = 1 << 21),
	REFUSED("preset-tables", PRESET, Q, .s2 = true, .idr1_set = 1 << 30),
	REFUSED("preset-queues", PRESET, Q, .s2 = true, .idr1_set = 1 << 29),
	REFUSED("ecmdq", PRESET, Q, .s2 = true, .idr1_set = 1U << 31),
	REFUSED("small-queue", PRESET, .size = 0x20000, .s2 = true, .cmdq_bits = 5),
	{ .name = "refuse-virtio-cached", .ia = 36, .nr_virtio = 1, .expect = REFUSE,
	  .why = PKVM_IOMMU_REFUSE_PRESET, .virtio = { {
		VAT(0x9080e00), .endpoints = 600, .input_bits = 39, .tag_bits = 16,
		.incoherent = true } } },
	{ .name = "refuse-virtio-open", .ia = 36, .nr_virtio = 1, .expect = REFUSE,
	  .why = PKVM_IOMMU_REFUSE_STAGE, .virtio = { {
		VAT(0x9080e00), .endpoints = 600, .input_bits = 39, .tag_bits = 16,
		.lie = NO_BYPASS_CONFIG } } },
	{ .name = "refuse-virtio-pages", .ia = 36, .nr_virtio = 1, .expect = REFUSE,
	  .why = PKVM_IOMMU_REFUSE_GRANULE, .virtio = { {
		VAT(0x9080e00), .endpoints = 600, .input_bits = 39, .tag_bits = 16,
		.lie = BIG_PAGES } } },
	{ .name = "refuse-virtio-short", .ia = 36, .nr_virtio = 1, .expect = REFUSE,
	  .why = PKVM_IOMMU_REFUSE_MMIO, .virtio = { {
		.base = 0x9080000 + ENV_PAGE - 0x20, .size = 0x20, .endpoints = 600,
		.input_bits = 39, .tag_bits = 16 } } },
	{ .name = "refuse-v2-stage", .ia = 36, .nr = 1, .expect = REFUSE,
	  .why = PKVM_IOMMU_REFUSE_STAGE, .smmu = { {
		.base = 0x9050000, .size = 0x20000, .sid_bits = 15, .s1 = true, .coherent = true,
		.oas = 40, .v2 = { .banks = 4, .smrs = 8 } } } },
	{ .name = "refuse-v2-granule", .ia = 36, .nr = 1, .expect = REFUSE,
	  .why = PKVM_IOMMU_REFUSE_GRANULE, .smmu = { {
		V2AT(0x9050000), .coherent = true, .oas = 40, .no_granule = true,
		.v2 = { .banks = 4, .smrs = 8 } } } },
	{ .name = "refuse-v2-short", .ia = 36, .nr = 1, .expect = REFUSE,
	  .why = PKVM_IOMMU_REFUSE_MMIO, .smmu = { {
		V2AT(0x9050000), .coherent = true, .oas = 40,
		.v2 = { .banks = 4, .smrs = 8, .overlong = true } } } },
	{ .name = "refuse-v2-base", .ia = 36, .nr = 1, .expect = REFUSE,
	  .why = PKVM_IOMMU_REFUSE_MMIO, .smmu = { {
		V2AT(0x9050800), .coherent = true, .oas = 40,
		.v2 = { .banks = 4, .smrs = 8 } } } },
	{ .name = "refuse-v2-banks", .ia = 36, .nr = 1, .expect = REFUSE,
	  .why = PKVM_IOMMU_REFUSE_MMIO, .smmu = { {
		V2AT(0x9050000), .coherent = true, .oas = 40, .v2 = { .banks = 17, .smrs = 8 } } } },
	{ .name = "refuse-v2-entries", .ia = 36, .nr = 1, .expect = REFUSE,
	  .why = PKVM_IOMMU_REFUSE_PRESET, .smmu = { {
		V2AT(0x9050000), .coherent = true, .oas = 40, .v2 = { .banks = 4, .smrs = 129 } } } },
	REFUSED("short", MMIO, .size = 0x10000, .cmdq_bits = 8, .s2 = true),
};

const unsigned int nr_configs = COUNT(configs);
