/* SPDX-License-Identifier: MIT */
/*
 * The switch on 64-bit ARM, AAPCS64: store the callee-saved registers (of the
 * vector registers only the low halves of v8 to v15 are), change stacks, load
 * them. FPCR stays as it is: nothing in the simulator changes it.
 *
 * fiber_boot is entered by a return, so it needs no branch target marker.
 */
#if defined(__aarch64__) && defined(__LP64__) && !defined(FIBER_UCONTEXT)

	.text

/* void fiber_swap(void **save, void *load): the frame layout is known to fiber.c */
	.globl	fiber_swap
	.hidden	fiber_swap
	.type	fiber_swap, %function
	.p2align 4
fiber_swap:
	.cfi_startproc
	hint	#34			/* bti c */
	stp	d8, d9, [sp, #-160]!
	.cfi_def_cfa_offset 160
	stp	d10, d11, [sp, #16]
	stp	d12, d13, [sp, #32]
	stp	d14, d15, [sp, #48]
	stp	x19, x20, [sp, #64]
	stp	x21, x22, [sp, #80]
	stp	x23, x24, [sp, #96]
	stp	x25, x26, [sp, #112]
	stp	x27, x28, [sp, #128]
	stp	x29, x30, [sp, #144]
	.cfi_rel_offset x29, 144
	.cfi_rel_offset x30, 152
	mov	x9, sp
	str	x9, [x0]
	mov	sp, x1
	ldp	x29, x30, [sp, #144]
	.cfi_restore x29
	.cfi_restore x30
	ldp	x27, x28, [sp, #128]
	ldp	x25, x26, [sp, #112]
	ldp	x23, x24, [sp, #96]
	ldp	x21, x22, [sp, #80]
	ldp	x19, x20, [sp, #64]
	ldp	d14, d15, [sp, #48]
	ldp	d12, d13, [sp, #32]
	ldp	d10, d11, [sp, #16]
	ldp	d8, d9, [sp], #160
	.cfi_def_cfa_offset 0
	ret
	.cfi_endproc
	.size	fiber_swap, .-fiber_swap

/* A fresh fiber begins here: x20 is what to call, x19 its argument. */
	.globl	fiber_boot
	.hidden	fiber_boot
	.type	fiber_boot, %function
	.p2align 4
fiber_boot:
	.cfi_startproc
	.cfi_undefined x30		/* the outermost frame: debuggers stop here */
	mov	x0, x19
	blr	x20
	brk	#1
	.cfi_endproc
	.size	fiber_boot, .-fiber_boot

#endif

	.section .note.GNU-stack, "", %progbits
