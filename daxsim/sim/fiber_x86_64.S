/* SPDX-License-Identifier: MIT */
/*
 * The switch on x86-64, System V ABI: push the callee-saved registers, change
 * stacks, pop them.
 *
 * MXCSR and the x87 control word, which the ABI also calls callee-saved, are left
 * out: nothing in the simulator changes them, and saving and loading them would
 * cost as much as all the rest.
 *
 * It ends in ret, not in pop and jmp. A loop of bare switches is four times as fast
 * with the jump, but real fibers return through some frames after a switch, and
 * with a return too many in the predictor every one of those is mispredicted.
 *
 * The functions begin with endbr64, but the object carries no CET property note,
 * on purpose: this switch does not maintain a shadow stack, and without the note
 * the linker does not mark the program as ready for one, so libc leaves it off.
 */
#if defined(__x86_64__) && defined(__LP64__) && !defined(FIBER_UCONTEXT)

	.text

/* void fiber_swap(void **save, void *load): the frame layout is known to fiber.c */
	.globl	fiber_swap
	.hidden	fiber_swap
	.type	fiber_swap, @function
	.p2align 4
fiber_swap:
	.cfi_startproc
	endbr64
	pushq	%rbp
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset %rbp, 0
	pushq	%rbx
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset %rbx, 0
	pushq	%r12
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset %r12, 0
	pushq	%r13
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset %r13, 0
	pushq	%r14
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset %r14, 0
	pushq	%r15
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset %r15, 0
	movq	%rsp, (%rdi)
	movq	%rsi, %rsp
	popq	%r15
	.cfi_adjust_cfa_offset -8
	.cfi_restore %r15
	popq	%r14
	.cfi_adjust_cfa_offset -8
	.cfi_restore %r14
	popq	%r13
	.cfi_adjust_cfa_offset -8
	.cfi_restore %r13
	popq	%r12
	.cfi_adjust_cfa_offset -8
	.cfi_restore %r12
	popq	%rbx
	.cfi_adjust_cfa_offset -8
	.cfi_restore %rbx
	popq	%rbp
	.cfi_adjust_cfa_offset -8
	.cfi_restore %rbp
	ret
	.cfi_endproc
	.size	fiber_swap, .-fiber_swap

/* A fresh fiber begins here: %r12 is what to call, %rbx its argument. */
	.globl	fiber_boot
	.hidden	fiber_boot
	.type	fiber_boot, @function
	.p2align 4
fiber_boot:
	.cfi_startproc
	.cfi_undefined %rip		/* the outermost frame: debuggers stop here */
	endbr64
	movq	%rbx, %rdi
	call	*%r12
	ud2
	.cfi_endproc
	.size	fiber_boot, .-fiber_boot

#endif

	.section .note.GNU-stack, "", %progbits
