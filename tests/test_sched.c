// SPDX-License-Identifier: MIT
/* The scheduler: exact stops, counted points, and deadlocks seen when they close. */
#include "tests/lock_program.h"

static struct rig *rig(struct lock **locks)
{
	struct rig *r = rig_new("ext2", "v11", 64);

	*locks = three_locks(r);
	return r;
}

static void expect_graph(struct rig *r, const char *want)
{
	char graph[512];

	sched_wait_graph(&r->sim.sched, graph, sizeof(graph));
	cr_expect_str_eq(graph, want, "%s", graph);
}

Test(sched, deadlock_with_itself)
{
	static const char *const programs[] = { "m0 m0", "s0 x0", "x0 s0", "m1 w1" };

	for (size_t i = 0; i < ARRAY_SIZE(programs); i++) {
		struct lock *l;
		struct rig *r = rig(&l);
		struct program a;

		cr_assert_eq(play(r, A, &a, l, programs[i]), TASK_BLOCKED, "%s", programs[i]);
		cr_expect(sched_deadlocked(r->task[A]), "%s", programs[i]);
		expect_graph(r, i == 3 ? "a waits for i_mmap_mutex(l1), held by a" :
					 "a waits for i_mutex(l0), held by a");
		rig_free(r);
	}
}

/* Seen by the one who closes the circle, and from then on by both. */
Test(sched, deadlock_of_two)
{
	static const struct {
		const char *a, *b;
		bool dead;
	} cases[] = {
		{ "m0 . m1 M1 M0", "m1 . m0 M0 M1", true },
		{ "s0 . x1 X1 S0", "s1 . x0 X0 S1", true },
		{ "x0 . s1 S1 X0", "x1 . s0 S0 X1", true },
		{ "s0 . s1 S1 S0", "s1 . s0 S0 S1", false },
		{ "m0 . m1 M1 M0", "s2 . m0 M0 S2", false },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct lock *l;
		struct rig *r = rig(&l);
		struct program a, b;

		play(r, A, &a, l, cases[i].a);
		play(r, B, &b, l, cases[i].b);
		if (cases[i].dead) {
			cr_assert_eq(rig_go(r, A), TASK_BLOCKED);
			cr_expect(!sched_deadlocked(r->task[A]));
			cr_assert_eq(rig_go(r, B), TASK_BLOCKED);
			cr_expect(sched_deadlocked(r->task[A]));
			cr_expect(sched_deadlocked(r->task[B]));
			expect_graph(r, "a waits for i_mmap_mutex(l1), held by b; "
					"b waits for i_mutex(l0), held by a");
		} else {
			rig_go(r, B);
			if (r->task[B]->state == TASK_BLOCKED)
				cr_expect(!sched_deadlocked(r->task[B]));
			cr_expect(rig_settle(r));
		}
		rig_free(r);
	}
}

Test(sched, deadlock_of_three)
{
	struct lock *l;
	struct rig *r = rig(&l);
	struct program a, b, c;

	play(r, A, &a, l, "m0 . m1 M1 M0");
	play(r, B, &b, l, "m1 . m2 M2 M1");
	play(r, C, &c, l, "m2 . m0 M0 M2");
	cr_expect_eq(rig_go(r, A), TASK_BLOCKED);
	cr_expect_eq(rig_go(r, B), TASK_BLOCKED);
	cr_expect(!sched_deadlocked(r->task[A]) && !sched_deadlocked(r->task[B]));
	cr_expect_eq(rig_go(r, C), TASK_BLOCKED);
	for (int i = 0; i < NR_RIG_TASKS; i++)
		cr_expect(sched_deadlocked(r->task[i]));
	expect_graph(r, "a waits for i_mmap_mutex(l1), held by b; b waits for mmap_sem(l2), "
			"held by c; c waits for i_mutex(l0), held by a");
	rig_free(r);
}

/* A circle that one does not belong to holds it up all the same. */
Test(sched, behind_a_deadlock)
{
	struct lock *l;
	struct rig *r = rig(&l);
	struct program a, b, c;

	play(r, A, &a, l, "m0 . m1 M1 M0");
	play(r, B, &b, l, "m1 m2 . m0 M0 M2 M1");
	cr_expect_eq(play(r, C, &c, l, "s2 S2"), TASK_BLOCKED);
	cr_expect(!sched_deadlocked(r->task[C]));
	rig_go(r, A);
	rig_go(r, B);
	cr_expect(sched_deadlocked(r->task[C]));
	rig_free(r);
}

/* A leaked lock: its holder has returned and will not drop it. */
Test(sched, deadlock_behind_a_leak)
{
	struct lock *l;
	struct rig *r = rig(&l);
	struct program a, b, c;

	cr_expect_eq(play(r, A, &a, l, "s0"), TASK_IDLE);
	play(r, B, &b, l, "s0 . S0");
	cr_expect_eq(play(r, C, &c, l, "x0"), TASK_BLOCKED);
	cr_expect(sched_deadlocked(r->task[C]));
	expect_graph(r, "c waits for i_mutex(l0), held by a (which has returned) and b");
	rig_free(r);
}

/* All that is needed is somebody who can go on: a ready holder, or who was woken. */
Test(sched, no_deadlock_while_somebody_can_go_on)
{
	struct lock *l;
	struct rig *r = rig(&l);
	struct program a, b, c;
	char one[64];

	play(r, A, &a, l, "m0 . M0");
	cr_expect_eq(play(r, B, &b, l, "m1 m0 M0 M1"), TASK_BLOCKED);
	cr_expect_eq(play(r, C, &c, l, "m1 M1"), TASK_BLOCKED);
	cr_expect(!sched_deadlocked(r->task[A]));
	cr_expect(!sched_deadlocked(r->task[B]));
	cr_expect(!sched_deadlocked(r->task[C]));
	sched_wait_one(&r->sim.sched, r->task[C], one, sizeof(one));
	cr_expect_str_eq(one, "i_mmap_mutex(l1), held by b");
	sched_wait_one(&r->sim.sched, r->task[C], one, 16);
	cr_expect_str_eq(one, "i_mmap_mutex(l1");
	rig_finish(r, A);
	cr_expect_eq(r->task[B]->state, TASK_READY);
	cr_expect(!sched_deadlocked(r->task[B]) && !sched_deadlocked(r->task[C]));
	cr_expect(rig_settle(r));
	expect_graph(r, "");
	rig_free(r);
}

/* The hold hook is asked before each thing happens; nothing happens while the task is held. */
struct record {
	enum point_id id[16];
	enum point_kind kind[16];
	u64 object[16];
	unsigned int nr, hold_at;
};

static bool record_point(void *data, struct task *t, enum point_id id, enum point_kind kind,
			 u64 object)
{
	struct record *rec = data;

	(void)t;
	rec->id[rec->nr] = id;
	rec->kind[rec->nr] = kind;
	rec->object[rec->nr] = object;
	return ++rec->nr == rec->hold_at;
}

Test(sched, hold_hook_is_told_everything)
{
	static const enum point_id ids[] = {
		P_lock, P_do_read, P_unlock, P_lock, P_lock, P_unlock,
	};
	static const enum point_kind kinds[] = {
		P_LOCK, P_MARK, P_UNLOCK, P_WAIT, P_RLOCK, P_UNLOCK,
	};
	static const int locks[] = { 0, -1, 0, 1, 2, 2 };

	for (unsigned int hold_at = 1; hold_at <= 7; hold_at++) {
		struct lock *l;
		struct rig *r = rig(&l);
		struct program a = { .call = { .fn = run_program, .arg = &a }, .locks = l,
				     .text = "x0 . X0 w1 s2 S2" };
		struct record rec = { .hold_at = hold_at };

		r->sim.sched.hold = record_point;
		r->sim.sched.hold_data = &rec;
		rig_start(r, A, &a.call);
		cr_expect_eq(sched_run(r->task[A]), hold_at <= 6 ? TASK_READY : TASK_IDLE);
		/* What was announced has not happened. */
		cr_expect_eq(strlen(a.done), min_t(unsigned int, hold_at, 7) - 1);
		cr_expect_eq(rec.nr, min_t(unsigned int, hold_at, 6));
		cr_expect_eq(r->task[A]->nr_points, hold_at - 1);
		if (hold_at <= 6)
			cr_expect_eq(sched_run(r->task[A]), TASK_IDLE);
		cr_assert_eq(rec.nr, 6);
		for (int i = 0; i < 6; i++) {
			cr_expect_eq(rec.id[i], ids[i]);
			cr_expect_eq(rec.kind[i], kinds[i]);
			cr_expect_eq(rec.object[i], locks[i] < 0 ? 0 : l[locks[i]].object);
		}
		cr_expect_eq(r->task[A]->nr_points, 6);
		rig_free(r);
	}
}

/* A task is held where it was told to be, again and again, and runs on from there. */
Test(sched, hold_at_the_nth_hit)
{
	struct lock *l;
	struct rig *r = rig(&l);
	struct program a = { .call = { .fn = run_program, .arg = &a }, .locks = l,
			     .text = ". m0 . . m1 . M1 M0 ." };

	rig_start(r, A, &a.call);
	rig_until(r, A, P_do_read, 2);
	cr_expect_str_eq(a.done, ".m");
	rig_until(r, A, P_do_read, 1);
	cr_expect_str_eq(a.done, ".m.");
	rig_until_lock(r, A, LOCK_I_MMAP_MUTEX, 1);
	cr_expect_str_eq(a.done, ".m..");
	cr_expect_eq(r->task[A]->at_lock, &l[1]);
	rig_until(r, A, P_unlock, 2);
	cr_expect_str_eq(a.done, ".m..m.M");
	rig_finish(r, A);
	cr_expect_null(r->task[A]->at_lock);
	rig_expect_clean(r);
	rig_free(r);
}

/* Each announced access is one point, of the task that makes it. */
Test(sched, points_are_counted)
{
	struct lock *l;
	struct rig *r = rig(&l);
	struct program a;

	play(r, A, &a, l, "m0 M0 m1 M1");
	cr_expect_eq(r->task[A]->nr_points, 4);
	cr_expect_eq(r->task[B]->nr_points, 0);
	rig_free(r);
}

/* Who is current, and what its state is, on both sides of a switch. */
static void look_at_self(struct call *c)
{
	*(struct task **)c->arg = current;
	mark(P_do_read);
}

Test(sched, current_task)
{
	struct rig *r = rig_new("ext2", "v11", 64);
	struct task *seen = NULL;
	struct call c = { .fn = look_at_self, .arg = &seen };

	cr_expect_eq(r->task[A]->state, TASK_IDLE);
	rig_start(r, A, &c);
	cr_expect_eq(r->task[A]->state, TASK_READY);
	cr_expect_null(seen);
	rig_until(r, A, P_do_read, 1);
	cr_expect_eq(seen, r->task[A]);
	cr_expect_null(current);
	rig_finish(r, A);
	cr_expect_eq(r->task[A]->state, TASK_IDLE);
	rig_free(r);
}

Test(sched, number_of_tasks_is_limited)
{
	struct rig *r = rig_new("ext2", "v11", 64);

	for (u32 i = NR_RIG_TASKS; i < MAX_TASKS; i++) {
		struct task *t = sched_add_task(&r->sim, "t", r->task[A]->mm);

		cr_assert_not_null(t);
		cr_expect_eq(t->id, i);
	}
	cr_expect_null(sched_add_task(&r->sim, "t", r->task[A]->mm));
	rig_free(r);
}

/* A machine can be dropped with a task half way and another one waiting. */
Test(sched, machine_is_dropped_half_way)
{
	struct lock *l;
	struct rig *r = rig(&l);
	struct program a, b;

	play(r, A, &a, l, "m0 . M0");
	cr_expect_eq(play(r, B, &b, l, "m0 M0"), TASK_BLOCKED);
	rig_free(r);
}
