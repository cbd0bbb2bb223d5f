/* SPDX-License-Identifier: GPL-2.0 */
#ifndef VM_H
#define VM_H

/* Interface between vm.c and guest.S. */
#define GUEST_RAM	0x80000000	/* page 0 holds the code */
#define GUEST_MMIO	0x10000000	/* not backed: an access ends KVM_RUN */

/* Offsets from GUEST_MMIO: the guest reads a command, writes its result. */
#define GUEST_OP	0
#define GUEST_ADDR	8
#define GUEST_SIZE	16
#define GUEST_SEED	24
#define GUEST_RESULT	32

/* Commands. Addresses are the guest's, sizes in bytes. */
#define OP_FILL		0	/* fill with the secret of GUEST_SEED */
#define OP_VERIFY	1	/* result: words that differ from the secret */
#define OP_SHARE	2	/* one page, result: SMCCC status */
#define OP_UNSHARE	3
#define OP_LOAD		4	/* result: the word at the address */
#define OP_OFF		5	/* no result */

#ifndef __ASSEMBLER__
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "phys.h"

/*
 * A small VMM: one VM, one vCPU, a few pages of anonymous memory, and a guest that
 * runs commands. Only one thread at a time uses a VM.
 */
struct vm {
	int kvm, fd, vcpu;
	void *run;		/* struct kvm_run */
	size_t run_size;
	uint8_t *mem;
	size_t pages;
	uint32_t seed;
	const char *step;	/* the last step that was started */
};

/* The guest's code, guest.S, which is loaded at the start of page 0. */
extern const uint8_t guest_start[], guest_end[];

/* Byte that the host fills guest memory with before the guest accesses it. */
#define VM_FILLER	0xa5

/* Start the guest. Returns 0 or a negative errno; @vm->step is then the step that failed. */
int vm_start(struct vm *vm, bool protected, size_t pages, uint32_t seed);
/* End the VM and keep its memory, which the host owns again. */
void vm_destroy(struct vm *vm);
/* End the VM, if it still exists, and free its memory. */
void vm_stop(struct vm *vm);
/* Run one command: 0 or a negative errno. */
int vm_do(struct vm *vm, uint64_t op, size_t page, size_t pages,
	  uint64_t *result);
/* Resume the guest after a command for which KVM_RUN failed. */
int vm_resume(struct vm *vm, uint64_t *result);
/* Let the guest read the word at @offset of its memory. */
int vm_load(struct vm *vm, size_t offset, uint64_t *word);
/* PSCI SYSTEM_OFF: 0 if KVM reported the shutdown. */
int vm_off(struct vm *vm);

static inline int vm_fill(struct vm *vm, size_t page, size_t pages)
{
	uint64_t unused;

	return vm_do(vm, OP_FILL, page, pages, &unused);
}

/* Word @i of page @page as OP_FILL writes it. */
uint64_t vm_secret(const struct vm *vm, size_t page, size_t i);
/* Physical address of a guest page, which the host has owned before. */
uint64_t vm_phys(const struct vm *vm, size_t page);
#endif

#endif
