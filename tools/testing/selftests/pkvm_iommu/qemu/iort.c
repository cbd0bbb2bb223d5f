// SPDX-License-Identifier: GPL-2.0
/*
 * Write an IORT for QEMU's virt machine with iommu=smmuv3 to stdout, changed by an edit: what
 * firmware can describe, and QEMU's does not. CONFIG_ACPI_TABLE_UPGRADE puts it in place of
 * the table that QEMU makes. "full" changes nothing: all requester IDs lead to the SMMU, as on
 * servers, where QEMU leaves out buses that have no device. Runs on the build machine.
 *
 * Layout: Arm DEN 0049E. Offsets are in comments; all numbers are little-endian.
 */
#include <stdint.h>
#include <stdio.h>
#include <string.h>

static uint8_t table[4096];
static size_t length, node;
static unsigned int nodes;

enum { ITS_GROUP, COMPONENT, ROOT_COMPLEX, SMMU, SMMU_V3, PMCG, RMR };

static void put(uint64_t value, size_t bytes)
{
	memcpy(table + length, &value, bytes);
	length += bytes;
}

static void set(size_t at, uint64_t value, size_t bytes)
{
	memcpy(table + at, &value, bytes);
}

static void text(const char *s, size_t bytes)
{
	memcpy(table + length, s, bytes);
	length += bytes;
}

/* Close the node before it, and begin another one. Returns its offset. */
static size_t begin(unsigned int type, unsigned int revision)
{
	if (node)
		set(node + 1, length - node, 2);
	node = length;
	put(type, 1);
	put(0, 2);		/* 1: length */
	put(revision, 1);
	put(nodes++, 4);	/* 4: identifier */
	put(0, 8);		/* 8: number of mappings, 12: their offset */
	return node;
}

static void map(uint32_t first, uint32_t last, uint32_t output, size_t to, uint32_t flags)
{
	uint32_t nr;

	memcpy(&nr, table + node + 8, 4);
	set(node + 8, nr + 1, 4);
	if (!nr)
		set(node + 12, length - node, 4);
	put(first, 4);
	put(last - first, 4);
	put(output, 4);
	put(to, 4);
	put(flags, 4);
}

int main(int argc, char **argv)
{
	const char *edit = argc > 1 ? argv[1] : "";
	uint32_t last = 0xffff;
	size_t its, smmu, i;
	uint8_t sum = 0;

#define EDIT(name) (!strcmp(edit, name))
	/* ACPI header. QEMU's revision of the table is 1, and a newer one replaces it. */
	text("IORT", 4);
	put(0, 4);		/* 4: length */
	put(5, 1);
	put(0, 1);		/* 9: checksum */
	text("BOCHS BXPC    ", 14);
	put(2, 4);
	text("TEST", 4);
	put(1, 4);
	put(0, 4);		/* 36: number of nodes */
	put(48, 4);
	put(0, 4);

	its = begin(ITS_GROUP, 1);
	put(1, 4);
	put(0, 4);

	smmu = begin(SMMU_V3, 4);
	put(0x9050000, 8);
	put(1, 4);		/* COHACC */
	put(0, 4);
	put(0, 8);
	put(EDIT("small-registers") ? 2 : 0, 4);	/* model; 2 has one register page */
	put(106, 4);		/* interrupts: event, PRI, global error, sync */
	put(107, 4);
	put(109, 4);
	put(108, 4);
	put(0, 4);
	put(0, 4);
	map(0, 0xffff, 0, its, 0);

	begin(ROOT_COMPLEX, 3);
	put(1, 4);		/* memory properties: coherent */
	put(0x03000000, 4);
	put(0, 4);
	put(0, 4);		/* segment */
	put(64, 4);
	if (EDIT("hole"))
		last = 0x7;
	map(0, last, 0, smmu, 0);
	if (EDIT("hole"))
		map(0x8, 0xffff, 0x8, its, 0);

	if (EDIT("smmu-v2")) {
		begin(SMMU, 3);
		put(0xa100000, 8);
		put(0x10000, 8);
		put(3, 4);
		put(0, 4);
		put(60, 4);	/* of the global interrupts */
		put(0, 4);
		put(76, 4);
		put(0, 4);
		put(76, 4);
		put(200, 8);
		put(201, 8);
	} else if (EDIT("component")) {
		begin(COMPONENT, 4);
		put(0, 4);
		put(1, 4);
		put(0x03000000, 4);
		put(64, 1);
		text("\\_SB.DMA0", 10);
		put(0, 1);
	} else if (EDIT("pmcg")) {
		begin(PMCG, 2);
		put(0x9052000, 8);
		put(120, 4);
		put(smmu, 4);
		put(0x9062000, 8);
	} else if (EDIT("rmr")) {
		begin(RMR, 3);
		put(0, 4);
		put(1, 4);
		put(28 + 20, 4);	/* of the descriptors, behind the mapping */
		map(0, 0, 8, smmu, 1);
		put(0x48000000, 8);
		put(0x10000, 8);
		put(0, 4);
	}
	set(node + 1, length - node, 2);
	if (EDIT("broken"))
		set(node + 1, 0x1000, 2);
	set(4, length, 4);
	set(36, nodes, 4);
	for (i = 0; i < length; i++)
		sum += table[i];
	set(9, (uint8_t)-sum, 1);

	return fwrite(table, 1, length, stdout) != length;
}
