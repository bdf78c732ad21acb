/* SPDX-License-Identifier: MIT */
/* How user code, and the kernel on its behalf, touches the memory of a process. */
#ifndef DAXSIM_UACCESS_H
#define DAXSIM_UACCESS_H

#include "daxsim/sim/types.h"

/* How an access by user code, or by the kernel on its behalf, ended. */
struct access_result {
	size_t done;		/* bytes that were loaded or stored */
	int signal;		/* SIGBUS or SIGSEGV that ended it, or 0 */
	u64 fault_addr;		/* address of the first byte it could not reach */
};

/**
 * user_access() - load or store as user code of the current task would
 * @addr: address in current->mm, bytes; any alignment
 * @buf: bytes to store, or where to put what is loaded
 * @len: bytes
 * @write: store
 *
 * Works like a loop of instructions of 8, 4, 2 and 1 bytes: one that touches
 * two pages stores nothing unless both can be reached. No lock may be held. For
 * live tasks it goes page by page instead: their instructions are real ones, and
 * this is for tests.
 */
struct access_result user_access(u64 addr, void *buf, size_t len, bool write);

/**
 * copy_user() - copy_to_user() and copy_from_user()
 * @addr: user address in current->mm, bytes
 * @buf: kernel bytes
 * @len: bytes
 * @write: to user memory
 *
 * Faults pages in like user code. i_mutex may be held, mmap_sem may not. For a live
 * task an address in no mapping is memory of its program, and just used: whoever catches a
 * signal there goes to t->bad_buffer.
 * Return: bytes copied; fewer than @len where a page is not to be had.
 */
size_t copy_user(u64 addr, void *buf, size_t len, bool write);

#endif
