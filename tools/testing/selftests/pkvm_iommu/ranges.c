// SPDX-License-Identifier: GPL-2.0
/*
 * Find the memory and registers of EL2. Without our code in the kernel, which leaves
 * them unprotected, root finds most of them in /proc.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "attack.h"

/* First line of /proc/iomem that contains @name. */
static bool iomem(const char *name, uint64_t *start, uint64_t *end)
{
	FILE *f = fopen("/proc/iomem", "r");
	bool found = false;
	char line[160];

	while (f && !found && fgets(line, sizeof(line), f))
		found = strstr(line, name) &&
			sscanf(line, "%" SCNx64 "-%" SCNx64, start, end) == 2;
	if (f)
		fclose(f);
	return found && *start;
}

static uint64_t kallsyms(const char *name)
{
	FILE *f = fopen("/proc/kallsyms", "r");
	uint64_t address, found = 0;
	char line[256], symbol[128];

	while (f && !found && fgets(line, sizeof(line), f))
		if (sscanf(line, "%" SCNx64 " %*c %127s", &address, symbol) == 2 &&
		    !strcmp(symbol, name))
			found = address;
	if (f)
		fclose(f);
	return found;
}

/* Symbols around the sections: arch/arm64/kernel/vmlinux.lds.S. */
static bool kernel_range(uint64_t kind, uint64_t *start, uint64_t *size)
{
	static const char * const symbols[][2] = {
		[PKVM_IOMMU_TEST_RANGE_HYP_TEXT] = { "__hyp_text_start", "__hyp_text_end" },
		[PKVM_IOMMU_TEST_RANGE_HYP_DATA] = { "__hyp_data_start", "__hyp_data_end" },
		[PKVM_IOMMU_TEST_RANGE_HYP_BSS] = { "__hyp_bss_start", "__hyp_bss_end" },
	};
	uint64_t base, first, last, code, end;

	if (kind >= sizeof(symbols) / sizeof(symbols[0]) || !symbols[kind][0])
		return false;
	base = kallsyms("_stext");
	first = kallsyms(symbols[kind][0]);
	last = kallsyms(symbols[kind][1]);
	if (!base || first <= base || last <= first ||
	    !iomem("Kernel code", &code, &end))
		return false;
	*start = first - base + code;
	*size = last - first;
	return true;
}

bool find_range(uint64_t kind, unsigned int n, uint64_t *start, uint64_t *size)
{
	struct pkvm_iommu_test_range range;
	uint64_t end;

	if (td_present() && td_range(kind, n, &range)) {
		*start = range.address;
		*size = range.size;
		return *size != 0;
	}
	if (n)
		return false;
	/* /proc/iomem lists only windows with a device, of which there is one. */
	if (kind == PKVM_IOMMU_TEST_RANGE_MMIO &&
	    (iomem("smmu", start, &end) || iomem("virtio_mmio", start, &end))) {
		*size = end + 1 - *start;
		return true;
	}
	return !td_present() && kernel_range(kind, start, size);
}
