/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The part of QEMU's plugin interface, version 4, that count.c uses. Debian packages
 * QEMU without the header.
 */
#ifndef PLUGIN_V4_H
#define PLUGIN_V4_H

#include <stddef.h>
#include <stdint.h>

typedef struct { struct qemu_plugin_scoreboard *score; size_t offset; } qemu_plugin_u64;
typedef struct { int type; union { uint64_t u64; uint64_t u128[2]; } data; } qemu_plugin_mem_value;
enum { NO_REGISTERS = 0, INLINE_ADD_U64 = 0, MEM_W = 2 };
void qemu_plugin_register_vcpu_tb_trans_cb(uint64_t id, void (*cb)(uint64_t id, void *tb));
void qemu_plugin_register_vcpu_tb_exec_cb(void *tb, void (*cb)(unsigned int cpu, void *data),
					  int flags, void *data);
void qemu_plugin_register_vcpu_insn_exec_inline_per_vcpu(void *insn, int op,
							 qemu_plugin_u64 entry, uint64_t imm);
void qemu_plugin_register_vcpu_mem_cb(void *insn, void (*cb)(unsigned int cpu, uint32_t info,
							     uint64_t vaddr, void *data),
				      int flags, int rw, void *data);
void qemu_plugin_register_atexit_cb(uint64_t id, void (*cb)(uint64_t id, void *data), void *data);
size_t qemu_plugin_tb_n_insns(const void *tb);
uint64_t qemu_plugin_tb_vaddr(const void *tb);
void *qemu_plugin_tb_get_insn(const void *tb, size_t i);
size_t qemu_plugin_insn_data(const void *insn, void *dest, size_t len);
void *qemu_plugin_get_hwaddr(uint32_t info, uint64_t vaddr);
uint64_t qemu_plugin_hwaddr_phys_addr(const void *addr);
qemu_plugin_mem_value qemu_plugin_mem_get_value(uint32_t info);
struct qemu_plugin_scoreboard *qemu_plugin_scoreboard_new(size_t size);
uint64_t qemu_plugin_u64_sum(qemu_plugin_u64 entry);

#endif /* PLUGIN_V4_H */
