/* SPDX-License-Identifier: MIT */
/*
 * Waiting for a word to change, for the locks of live mode. They are used inside signal
 * handlers, so nothing here allocates, calls into the threads library or leaves errno changed.
 */
#ifndef DAXSIM_FUTEX_H
#define DAXSIM_FUTEX_H

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "daxsim/sim/types.h"

/* Looks at a word before its waiter goes to sleep: a few microseconds, as most holds are shorter. */
#define SPINS 64

/** cpu_relax() - between two looks at a word that somebody else is about to change */
static inline void cpu_relax(void)
{
#if defined(__x86_64__)
	__builtin_ia32_pause();
#elif defined(__aarch64__)
	__asm__ volatile("isb" ::: "memory");
#endif
}

/** futex_wait() - sleep while *@word is @value; may return early */
static inline void futex_wait(u32 *word, u32 value)
{
	int saved = errno;

	syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, value, NULL, NULL, 0);
	errno = saved;
}

/** futex_wake() - wake at most @nr that sleep; nothing is read or written at @word */
static inline void futex_wake(u32 *word, int nr)
{
	int saved = errno;

	syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, nr, NULL, NULL, 0);
	errno = saved;
}

#endif
