/* SPDX-License-Identifier: MIT */
/*
 * Tasks that take and drop locks by a little program: a letter says what, a
 * digit says which lock, blanks are for people.
 *
 *	x0 X0	down_write, up_write		m0 M0	mutex_lock, mutex_unlock
 *	s0 S0	down_read, up_read		w0 r0	lock_wait exclusive, shared
 *	d0 a0	lock_disown, lock_adopt		.	a point to stop at, P_do_read
 */
#ifndef TESTS_LOCK_PROGRAM_H
#define TESTS_LOCK_PROGRAM_H

#include "tests/machine_fixture.h"

#define NR_TEST_LOCKS 3

struct program {
	struct call call;
	struct lock *locks;
	const char *text;
	char done[32];		/* letters of what has been done so far */
};

static inline void run_program(struct call *c)
{
	struct program *p = c->arg;

	for (const char *at = p->text; *at; at++) {
		struct lock *lock = p->locks + (at[1] - '0');

		switch (*at) {
		case 'x': down_write(lock); break;
		case 'X': up_write(lock); break;
		case 'm': mutex_lock(lock); break;
		case 'M': mutex_unlock(lock); break;
		case 's': down_read(lock); break;
		case 'S': up_read(lock); break;
		case 'w': lock_wait(lock, LOCK_EXCLUSIVE); break;
		case 'r': lock_wait(lock, LOCK_SHARED); break;
		case 'd': lock_disown(lock); break;
		case 'a': lock_adopt(lock); break;
		case '.': mark(P_do_read); break;
		default: continue;
		}
		strncat(p->done, at, 1);
	}
}

/** three_locks() - locks i_mutex(l0), i_mmap_mutex(l1), mmap_sem(l2) of a machine */
static inline struct lock *three_locks(struct rig *r)
{
	static const enum lock_class classes[] = { LOCK_I_MUTEX, LOCK_I_MMAP_MUTEX, LOCK_MMAP_SEM };
	static const char *const names[] = { "l0", "l1", "l2" };
	struct lock *locks = arena_alloc(&r->sim.arena, NR_TEST_LOCKS * sizeof(*locks));

	for (int i = 0; i < NR_TEST_LOCKS; i++)
		lock_init(&r->sim, &locks[i], classes[i], names[i]);
	return locks;
}

/** play() - start a program on a task and run it until it ends, blocks or comes to a "." */
static inline enum task_state play(struct rig *r, enum who who, struct program *p,
				   struct lock *locks, const char *text)
{
	*p = (struct program){ .call = { .fn = run_program, .arg = p }, .locks = locks,
			       .text = text };
	rig_start(r, who, &p->call);
	r->point = P_do_read;
	r->nth = 1;
	return sched_run(r->task[who]);
}

#endif
