// SPDX-License-Identifier: GPL-2.0
/*
 * QEMU plugin for bench.sh: what an operation of dma_map_benchmark makes EL2 and
 * the SMMU do. For each benchmark that ran, a line with: operations, hypercalls,
 * SMMU commands, instructions at EL2; from the start of the first operation to
 * that of the last, so that nothing else is counted. Then, for each lock of EL2 that
 * was taken in these operations, a line with "lock", the number of the benchmark, the
 * address, how often it was taken, and the instructions until it was released.
 */
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "plugin-v4.h"

int qemu_plugin_version = 4;

#define KERNEL		(~0ULL << 48)	/* EL1's half of the addresses; EL2 has the other */
#define LOAD_ALIGN	0x10000		/* EL2's and EL1's addresses differ by multiples */
#define FROM_EL1	0x400		/* in the vectors: synchronous, from EL1 */
#define CMDQ_BASE	0x90
#define CMDQ_PROD	0x98

/*
 * After the name of the file to write, in this order, addresses in hex: where a
 * benchmark and where an operation begins, of two kinds each; EL2's text, its vectors,
 * a function that each entry calls, and that for the hypercalls to count; the SMMU's
 * registers, or 0.
 */
enum { PREPARE, PREPARE_SG, MAP, MAP_SG, START, END, VECTOR, TRAP, CALL, SMMU, ARGS };
enum { OPS, CALLS, COMMANDS, EL2, NR };
static uint64_t arg[ARGS], now[NR], first[64][NR], last[64][NR], offset, prod, wrap;
static size_t runs;
static bool found;
static qemu_plugin_u64 el2;
static FILE *out;

/* With large system extensions, hyp_spin_lock() is LDADDA Ws, Wt, [Xn]. */
#define LDADDA_MASK	0xffe0fc00
#define LDADDA		0xb8a00000
/* hyp_spin_unlock() is STADDLH Ws, [Xn]. */
#define STADDLH_MASK	0xffe0fc1f
#define STADDLH		0x7860001f

#define LOCKS		64
static struct lock {
	uint64_t addr, since, times, held;
} locks[LOCKS], last_locks[64][LOCKS];

static struct lock *lock_at(uint64_t addr)
{
	struct lock *l = locks;

	while (l < locks + LOCKS - 1 && l->addr && l->addr != addr)
		l++;
	l->addr = addr;
	return l;
}

static void take(unsigned int cpu, uint32_t info, uint64_t vaddr, void *data)
{
	lock_at(vaddr)->since = qemu_plugin_u64_sum(el2);
}

static void release(unsigned int cpu, uint32_t info, uint64_t vaddr, void *data)
{
	struct lock *l = lock_at(vaddr);

	if (l->since) {
		l->times++;
		l->held += qemu_plugin_u64_sum(el2) - l->since;
	}
	l->since = 0;
}

static void watch_lock(void *insn)
{
	uint32_t code = 0;

	qemu_plugin_insn_data(insn, &code, sizeof(code));
	if ((code & LDADDA_MASK) == LDADDA)
		qemu_plugin_register_vcpu_mem_cb(insn, take, NO_REGISTERS, MEM_W, NULL);
	if ((code & STADDLH_MASK) == STADDLH)
		qemu_plugin_register_vcpu_mem_cb(insn, release, NO_REGISTERS, MEM_W, NULL);
}

static void begin_run(unsigned int cpu, void *data)
{
	runs++;
	now[OPS] = 0;
}

static void begin_op(unsigned int cpu, void *data)
{
	if (!runs || runs > 64)
		return;
	now[EL2] = qemu_plugin_u64_sum(el2);
	if (!now[OPS]) {
		memcpy(first[runs - 1], now, sizeof(now));
		memset(locks, 0, sizeof(locks));
	}
	memcpy(last_locks[runs - 1], locks, sizeof(locks));
	memcpy(last[runs - 1], now, sizeof(now));
	now[OPS]++;
}

static void count_call(unsigned int cpu, void *data)
{
	now[CALLS]++;
}

/* The queue's index has one bit more than it needs: the difference is what was added. */
static void store(unsigned int cpu, uint32_t info, uint64_t vaddr, void *data)
{
	uint64_t reg = vaddr & 0xfff, val;
	void *at;

	if (reg != CMDQ_BASE && reg != CMDQ_PROD)
		return;
	at = qemu_plugin_get_hwaddr(info, vaddr);
	if (qemu_plugin_hwaddr_phys_addr(at) != arg[SMMU] + reg)
		return;
	val = qemu_plugin_mem_get_value(info).data.u64;
	if (reg == CMDQ_BASE)
		wrap = (2ULL << (val & 31)) - 1;
	else
		now[COMMANDS] += (val - prod) & wrap;
	prod = reg == CMDQ_BASE ? 0 : val;
}

/* Offset of EL2's addresses to those of the image, which is random. Found before userspace runs. */
static bool find_el2(uint64_t va)
{
	if (!found && (va - arg[VECTOR]) % LOAD_ALIGN == 0)
		offset = va - arg[VECTOR];
	found |= offset && va == arg[TRAP] + offset;
	return found;
}

static void translate(uint64_t id, void *tb)
{
	uint64_t va = qemu_plugin_tb_vaddr(tb);
	/* As long as it is not known, everything may be EL2. */
	bool hyp = va < KERNEL && (!find_el2(va) || (va - offset >= arg[START] &&
						     va - offset < arg[END]));
	size_t i, n = qemu_plugin_tb_n_insns(tb);

	if (va == arg[PREPARE] || va == arg[PREPARE_SG])
		qemu_plugin_register_vcpu_tb_exec_cb(tb, begin_run, NO_REGISTERS, NULL);
	if (va == arg[MAP] || va == arg[MAP_SG])
		qemu_plugin_register_vcpu_tb_exec_cb(tb, begin_op, NO_REGISTERS, NULL);
	if (hyp && va == arg[CALL] + offset)
		qemu_plugin_register_vcpu_tb_exec_cb(tb, count_call, NO_REGISTERS, NULL);
	for (i = 0; i < n; i++) {
		void *insn = qemu_plugin_tb_get_insn(tb, i);

		if (hyp) {
			qemu_plugin_register_vcpu_insn_exec_inline_per_vcpu(insn, INLINE_ADD_U64,
									    el2, 1);
			watch_lock(insn);
		}
		if (arg[SMMU])
			qemu_plugin_register_vcpu_mem_cb(insn, store, NO_REGISTERS, MEM_W, NULL);
	}
}

static void report(uint64_t id, void *data)
{
	size_t i, j;

	for (i = 0; found && i < runs && i < 64; i++) {
		for (j = 0; j < NR; j++) {
			if (j == COMMANDS && !arg[SMMU])
				fputs("- ", out);
			else
				fprintf(out, "%" PRIu64 " ", last[i][j] - first[i][j]);
		}
		fputs("\n", out);
	}
	for (i = 0; found && i < runs && i < 64; i++) {
		struct lock *l = last_locks[i];

		for (; l < last_locks[i] + LOCKS && l->addr; l++) {
			if (l->times)
				fprintf(out, "lock %zu %" PRIx64 " %" PRIu64 " %" PRIu64 "\n",
					i + 1, l->addr - offset, l->times, l->held);
		}
	}
	fclose(out);
}

int qemu_plugin_install(uint64_t id, const void *info, int argc, char **argv)
{
	int i;

	if (argc != ARGS + 1 || !strchr(argv[0], '='))
		return -1;
	for (i = 0; i < ARGS; i++)
		arg[i] = strtoull(strchr(argv[i + 1], '=') + 1, NULL, 16);
	arg[VECTOR] += FROM_EL1;
	out = fopen(strchr(argv[0], '=') + 1, "w");
	if (!out)
		return -1;
	el2.score = qemu_plugin_scoreboard_new(sizeof(uint64_t));
	qemu_plugin_register_vcpu_tb_trans_cb(id, translate);
	qemu_plugin_register_atexit_cb(id, report, NULL);
	return 0;
}
