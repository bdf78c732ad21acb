// SPDX-License-Identifier: MIT
/* Locks that wait in the scheduler: who gets them, who waits, who is woken. */
#include "tests/lock_program.h"

static struct rig *rig(struct lock **locks)
{
	struct rig *r = rig_new("ext2", "v11", 64);

	*locks = three_locks(r);
	return r;
}

/* A holds the lock in one way, B wants it in another. */
Test(lock, what_excludes_what)
{
	static const struct {
		const char *holds, *wants;
		enum task_state state;
	} cases[] = {
		{ "x0.X0", "x0X0", TASK_BLOCKED }, { "x0.X0", "s0S0", TASK_BLOCKED },
		{ "s0.S0", "x0X0", TASK_BLOCKED }, { "s0.S0", "s0S0", TASK_IDLE },
		{ "m0.M0", "m0M0", TASK_BLOCKED }, { "x0.X0", "w0", TASK_BLOCKED },
		{ "x0.X0", "r0", TASK_BLOCKED },   { "s0.S0", "w0", TASK_BLOCKED },
		{ "s0.S0", "r0", TASK_IDLE },	   { "x0X0.", "x0X0", TASK_IDLE },
		{ "x1.X1", "x0X0", TASK_IDLE },	   { "w0.", "x0X0", TASK_IDLE },
		{ "x0 d0.a0 X0", "s0S0", TASK_BLOCKED },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct lock *l;
		struct rig *r = rig(&l);
		struct program a, b;

		cr_assert_eq(play(r, A, &a, l, cases[i].holds), TASK_READY);
		cr_expect_eq(play(r, B, &b, l, cases[i].wants), cases[i].state, "case %zu", i);
		if (cases[i].state == TASK_BLOCKED) {
			cr_expect_eq(r->task[B]->waiting, l);
			cr_expect_eq(b.done[0], '\0');
			cr_expect(!sched_deadlocked(r->task[B]));
		}
		cr_expect(rig_settle(r));
		cr_expect_null(r->task[B]->waiting);
		cr_expect_null(l->writer);
		cr_expect_eq(l->readers, 0);
		rig_expect_clean(r);
		rig_free(r);
	}
}

/* The last of two readers lets the writer in, the first does not. */
Test(lock, writer_waits_for_all_readers)
{
	struct lock *l;
	struct rig *r = rig(&l);
	struct program a, b, c;

	play(r, A, &a, l, "s0.S0");
	play(r, B, &b, l, "s0.S0");
	cr_expect_eq(l->readers, 2);
	cr_expect_eq(play(r, C, &c, l, "x0.X0"), TASK_BLOCKED);
	rig_finish(r, A);
	cr_expect_eq(r->task[C]->state, TASK_BLOCKED);
	rig_finish(r, B);
	cr_assert_eq(r->task[C]->state, TASK_READY);
	rig_until(r, C, P_do_read, 1);
	cr_expect_eq(l->writer, r->task[C]);
	rig_finish(r, C);
	rig_expect_clean(r);
	rig_free(r);
}

/* Both waiters are woken; who is run first gets it, and the other waits again. */
Test(lock, woken_is_not_granted)
{
	static const enum who order[][2] = { { B, C }, { C, B } };

	for (size_t i = 0; i < ARRAY_SIZE(order); i++) {
		struct lock *l;
		struct rig *r = rig(&l);
		struct program a, b, c;

		play(r, A, &a, l, "m0.M0");
		cr_expect_eq(play(r, B, &b, l, "m0.M0"), TASK_BLOCKED);
		cr_expect_eq(play(r, C, &c, l, "m0.M0"), TASK_BLOCKED);
		rig_finish(r, A);
		cr_expect_eq(r->task[B]->state, TASK_READY);
		cr_expect_eq(r->task[C]->state, TASK_READY);
		rig_until(r, order[i][0], P_do_read, 1);
		cr_expect_eq(rig_go(r, order[i][1]), TASK_BLOCKED);
		rig_finish(r, order[i][0]);
		rig_finish(r, order[i][1]);
		rig_expect_clean(r);
		rig_free(r);
	}
}

/* A waiting writer does not stop new readers, and readers do not wake it. */
Test(lock, readers_pass_a_waiting_writer)
{
	struct lock *l;
	struct rig *r = rig(&l);
	struct program a, b, c;

	play(r, A, &a, l, "s0.S0");
	cr_expect_eq(play(r, B, &b, l, "x0X0"), TASK_BLOCKED);
	cr_expect_eq(play(r, C, &c, l, "s0S0"), TASK_IDLE);
	cr_expect_eq(r->task[B]->state, TASK_BLOCKED);
	rig_finish(r, A);
	rig_finish(r, B);
	rig_expect_clean(r);
	rig_free(r);
}

Test(lock, waiting_takes_nothing)
{
	struct lock *l;
	struct rig *r = rig(&l);
	struct program a, b, c;

	play(r, A, &a, l, "s0.S0");
	cr_expect_eq(play(r, B, &b, l, "w0 ."), TASK_BLOCKED);
	rig_finish(r, A);
	rig_until(r, B, P_do_read, 1);
	cr_expect_null(l->writer);
	cr_expect_eq(r->task[B]->nr_held, 0);
	cr_expect_eq(play(r, C, &c, l, "x0X0"), TASK_IDLE);
	rig_finish(r, B);
	rig_expect_clean(r);
	rig_free(r);
}

/* Kept beyond the task that took it, dropped by another. */
Test(lock, disowned_and_adopted)
{
	struct lock *l;
	struct rig *r = rig(&l);
	struct program a, b, c;

	cr_expect_eq(play(r, A, &a, l, "x0 d0"), TASK_IDLE);
	cr_expect_eq(r->task[A]->nr_held, 0);
	rig_expect_clean(r);
	cr_expect_eq(play(r, B, &b, l, "s0 S0"), TASK_BLOCKED);
	cr_expect(!sched_deadlocked(r->task[B]));
	cr_expect_eq(play(r, C, &c, l, "a0 . X0"), TASK_READY);
	cr_expect_eq(r->task[C]->nr_held, 1);
	rig_finish(r, C);
	rig_finish(r, B);
	rig_expect_clean(r);
	rig_free(r);
}

/* Locks need not be dropped in the order of a stack; the rest stays as it was. */
Test(lock, held_stack)
{
	struct lock *l;
	struct rig *r = rig(&l);
	struct task *t = r->task[A];
	struct program a;

	play(r, A, &a, l, "x0 s1 x2 s1 S1 X0 . S1 X2");
	cr_assert_eq(t->nr_held, 2);
	cr_expect(t->held[0].lock == &l[1] && t->held[0].mode == LOCK_SHARED);
	cr_expect(t->held[1].lock == &l[2] && t->held[1].mode == LOCK_EXCLUSIVE);
	current_task = t;
	cr_expect(lock_is_held(&l[1]) && lock_is_held(&l[2]) && !lock_is_held(&l[0]));
	current_task = r->task[B];
	cr_expect(!lock_is_held(&l[1]));
	current_task = NULL;
	rig_finish(r, A);
	rig_expect_clean(r);
	rig_free(r);
}

Test(lock, leaks_are_reported)
{
	struct lock *l;
	struct rig *r = rig(&l);
	struct program a;

	play(r, A, &a, l, "x0 s1 S1");
	cr_expect_eq(r->seen[INV_LOCK_LEAK], 1);
	cr_expect_str_eq(r->text[INV_LOCK_LEAK], "a returns to user mode holding i_mutex(l0)");
	rig_free(r);
}

/* Dropping what is not held, or not in that mode, is reported and changes nothing. */
Test(lock, imbalance_is_reported)
{
	static const char *const bad[] = {
		"X0", "S0", "x0 S0 X0", "s0 X0 S0", "x0 X0 X0", "x1 X0 X1",
	};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct lock *l;
		struct rig *r = rig(&l);
		struct program a, b;

		cr_expect_eq(play(r, A, &a, l, bad[i]), TASK_IDLE);
		cr_expect_eq(r->seen[INV_LOCK_LEAK], 1, "%s", bad[i]);
		cr_expect_str_eq(r->text[INV_LOCK_LEAK],
				 "a drops i_mutex(l0), which it does not hold");
		rig_forget(r);
		cr_expect_eq(play(r, B, &b, l, "x0 X0"), TASK_IDLE);
		rig_expect_clean(r);
		rig_free(r);
	}
}

/* Another one's lock cannot be dropped for it. */
Test(lock, dropping_for_another_is_reported)
{
	struct lock *l;
	struct rig *r = rig(&l);
	struct program a, b;

	play(r, A, &a, l, "x0.X0");
	play(r, B, &b, l, "X0");
	rig_expect_seen(r, INV_LOCK_LEAK);
	cr_expect_eq(l->writer, r->task[A]);
	rig_finish(r, A);
	rig_expect_clean(r);
	rig_free(r);
}
