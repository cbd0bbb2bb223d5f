/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The guest: position independent, runs at EL1 with the MMU off, asks the VMM
 * for one command after another. x19 is the base of the command registers.
 */
#include "vm.h"

#define MEM_SHARE	0xc6000003	/* ARM_SMCCC_VENDOR_HYP_KVM_MEM_SHARE */
#define MEM_UNSHARE	0xc6000004
#define SYSTEM_OFF	0x84000008	/* PSCI */

	.section .rodata
	.balign	4096
	.globl	guest_start, guest_end
guest_start:
	mov	x19, #GUEST_MMIO

next:	ldr	x9, [x19, #GUEST_OP]
	ldr	x1, [x19, #GUEST_ADDR]
	ldr	x2, [x19, #GUEST_SIZE]
	ldr	x3, [x19, #GUEST_SEED]
	add	x2, x2, x1		// end
	mov	x0, #0			// result
	cmp	x9, #OP_FILL
	b.eq	fill
	cmp	x9, #OP_VERIFY
	b.eq	verify
	cmp	x9, #OP_LOAD
	b.eq	load
	cmp	x9, #OP_SHARE
	b.eq	share
	cmp	x9, #OP_UNSHARE
	b.eq	unshare
	cmp	x9, #OP_OFF
	b.eq	off
	mov	x0, #-1
done:	str	x0, [x19, #GUEST_RESULT]
	b	next

	/* The secret in a word: seed in the upper half, its own address / 8 below. */
fill:	orr	x4, x3, x1, lsr #3
	str	x4, [x1], #8
	cmp	x1, x2
	b.lo	fill
	b	done

verify:	orr	x4, x3, x1, lsr #3
	ldr	x5, [x1], #8
	cmp	x4, x5
	cinc	x0, x0, ne
	cmp	x1, x2
	b.lo	verify
	b	done

load:	ldr	x0, [x1]
	b	done

share:	ldr	w0, =MEM_SHARE
	b	hyp
unshare:
	ldr	w0, =MEM_UNSHARE
hyp:	mov	x2, #0
	mov	x3, #0
	hvc	#0
	b	done

off:	ldr	w0, =SYSTEM_OFF
	hvc	#0
	b	.

	.ltorg
guest_end:
	.section .note.GNU-stack, "", %progbits
