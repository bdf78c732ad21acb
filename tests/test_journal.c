// SPDX-License-Identifier: MIT
/* The journal: handles, credits, commits, and who waits for whom. */
#include "tests/fs_fixture.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "daxsim/kernel/journal.h"

#define MAX 20	/* credits of a transaction */

/* A machine whose tasks have a journal, and a mutex beside it. */
struct world {
	struct fs_machine *m;
	struct journal j;
	struct lock mutex;
	char log[1000];
};

static void setup(struct world *w)
{
	*w = (struct world){ .m = fs_boot("null@v11", 0) };
	journal_init(&w->m->sim, &w->j, "t", MAX);
	lock_init(&w->m->sim, &w->mutex, LOCK_I_MMAP_MUTEX, "t");
}

/* Calls of this file; c->arg is the world, c->len a number of credits. */
static struct call call(void (*fn)(struct fs_machine *m, struct call *c), struct world *w,
			u64 credits)
{
	return (struct call){ .fn = fn, .arg = w, .len = credits };
}

/* Open a handle, be somewhere inside it, close it. */
static void handle(struct fs_machine *m, struct call *c)
{
	struct world *w = c->arg;

	(void)m;
	c->ret = journal_start(&w->j, c->len);
	if (c->ret)
		return;
	mark(P_dax_io);
	journal_stop(&w->j);
}

static void commit(struct fs_machine *m, struct call *c)
{
	struct world *w = c->arg;

	(void)m;
	journal_commit(&w->j);
}

static void handle_then_mutex(struct fs_machine *m, struct call *c)
{
	struct world *w = c->arg;

	(void)m;
	cr_assert_eq(journal_start(&w->j, 1), 0);
	mark(P_dax_io);
	mutex_lock(&w->mutex);
	mutex_unlock(&w->mutex);
	journal_stop(&w->j);
}

static void mutex_then_handle(struct fs_machine *m, struct call *c)
{
	struct world *w = c->arg;

	(void)m;
	mutex_lock(&w->mutex);
	mark(P_dax_io);
	cr_assert_eq(journal_start(&w->j, 1), 0);
	journal_stop(&w->j);
	mutex_unlock(&w->mutex);
}

static void nested(struct fs_machine *m, struct call *c)
{
	struct world *w = c->arg;
	struct task *t = current;

	cr_assert_eq(journal_start(&w->j, 2), 0);
	cr_expect_eq(w->j.j_credits, 2);
	/* The inner one asks for more than any transaction has, and brings no credits. */
	cr_assert_eq(journal_start(&w->j, MAX + 1), 0);
	cr_expect_eq(t->handle_depth, 2);
	cr_expect_eq(t->handle_credits, 2);
	cr_expect_eq(w->j.j_credits, 2);
	cr_expect_eq(w->j.j_handles.readers, 1);
	cr_expect_eq(journal_dirty(&w->j), 0);
	journal_stop(&w->j);
	cr_expect_eq(t->handle_depth, 1);
	cr_expect(lock_is_held(&w->j.j_handles));
	cr_expect_eq(m->hits[P_journal_stop], 0);
	cr_expect_eq(journal_dirty(&w->j), 0);
	cr_expect_eq(journal_dirty(&w->j), -ENOSPC);
	cr_expect_eq(journal_dirty(&w->j), -ENOSPC);
	journal_stop(&w->j);
	cr_expect_eq(t->handle_depth, 0);
	cr_expect_eq(w->j.j_handles.readers, 0);
	cr_expect_eq(m->hits[P_journal_start], 1);
	cr_expect_eq(m->hits[P_journal_stop], 1);
	/* What it used up and what it left both stay counted. */
	cr_expect_eq(w->j.j_credits, 2);
}

Test(journal, handles_nest)
{
	struct world w;

	setup(&w);
	fs_do(w.m, call(nested, &w, 0));
	fs_halt(w.m);
}

static void credits(struct fs_machine *m, struct call *c)
{
	struct world *w = c->arg;

	(void)m;
	cr_expect_eq(journal_dirty(&w->j), -ENOSPC, "without a handle");
	cr_expect_eq(journal_start(&w->j, MAX + 1), -ENOSPC);
	cr_expect_eq(current->handle_depth, 0);
	cr_expect_eq(w->j.j_handles.readers, 0);
	cr_expect_eq(w->j.j_credits, 0);
	cr_assert_eq(journal_start(&w->j, MAX), 0);
	cr_expect_eq(w->j.j_tid, 1);
	for (int i = 0; i < MAX; i++)
		cr_expect_eq(journal_dirty(&w->j), 0);
	cr_expect_eq(journal_dirty(&w->j), -ENOSPC);
	journal_stop(&w->j);
	/* What one handle did not use is not there for the next. */
	cr_assert_eq(journal_start(&w->j, 3), 0);
	cr_expect_eq(current->handle_credits, 3);
	journal_stop(&w->j);
	cr_assert_eq(journal_start(&w->j, 0), 0);
	cr_expect_eq(journal_dirty(&w->j), -ENOSPC);
	journal_stop(&w->j);
}

Test(journal, credits_run_out)
{
	struct world w;

	setup(&w);
	fs_do(w.m, call(credits, &w, 0));
	fs_halt(w.m);
}

Test(journal, commit_waits_for_open_handles_and_keeps_new_ones_out)
{
	struct world w;

	setup(&w);
	fs_hold(w.m, 0, call(handle, &w, 1), P_dax_io, 1);
	fs_start(w.m, 1, call(commit, &w, 0));
	cr_assert_eq(fs_run(w.m, 1), TASK_BLOCKED);
	cr_expect_eq(w.m->tasks[1]->waiting, &w.j.j_handles);
	cr_expect_eq(w.j.j_state, T_LOCKED);
	cr_expect_not(sched_deadlocked(w.m->tasks[1]));
	fs_start(w.m, 2, call(handle, &w, 1));
	cr_assert_eq(fs_run(w.m, 2), TASK_BLOCKED);
	cr_expect_eq(w.m->tasks[2]->waiting, &w.j.j_commit);
	cr_expect_not(sched_deadlocked(w.m->tasks[2]));
	cr_expect_eq(w.j.j_handles.readers, 1);
	cr_expect_eq(w.j.j_tid, 1);

	fs_finish(w.m, 0);
	cr_expect_eq(w.m->tasks[1]->state, TASK_READY);
	cr_expect_eq(w.m->tasks[2]->state, TASK_BLOCKED);
	fs_finish(w.m, 1);
	cr_expect_eq(w.j.j_state, T_RUNNING);
	cr_expect_eq(w.j.j_tid, 2);
	cr_expect_eq(w.j.j_committed, 1);
	cr_expect_eq(fs_finish(w.m, 2)->ret, 0);
	cr_expect_eq(w.j.j_credits, 1);
	fs_halt(w.m);
}

/* The session that waits for nothing but the commit's start: it nests, so it may go on. */
static void nests_while_committing(struct fs_machine *m, struct call *c)
{
	struct world *w = c->arg;

	(void)m;
	cr_assert_eq(journal_start(&w->j, 1), 0);
	mark(P_dax_io);
	cr_assert_eq(journal_start(&w->j, 1), 0);
	journal_stop(&w->j);
	journal_stop(&w->j);
}

Test(journal, a_handle_inside_a_handle_does_not_wait_for_the_commit)
{
	struct world w;

	setup(&w);
	fs_hold(w.m, 0, call(nests_while_committing, &w, 1), P_dax_io, 1);
	fs_start(w.m, 1, call(commit, &w, 0));
	cr_assert_eq(fs_run(w.m, 1), TASK_BLOCKED);
	fs_finish(w.m, 0);
	fs_finish(w.m, 1);
	cr_expect_eq(w.j.j_committed, 1);
	fs_halt(w.m);
}

/* Past the wait for a commit, but not in the transaction yet: a new commit must not miss it. */
Test(journal, commit_overtakes_a_starting_handle)
{
	struct world w;

	setup(&w);
	/* the first lock of a handle is the wait, the second j_handles */
	fs_hold(w.m, 0, call(handle, &w, 1), P_lock, 2);
	cr_expect_eq(w.m->tasks[0]->at_lock, &w.j.j_handles);
	fs_hold(w.m, 1, call(handle, &w, 1), P_dax_io, 1);
	fs_start(w.m, 2, call(commit, &w, 0));
	cr_assert_eq(fs_run(w.m, 2), TASK_BLOCKED);
	cr_expect_eq(fs_run(w.m, 0), TASK_BLOCKED);
	cr_expect_eq(w.m->tasks[0]->waiting, &w.j.j_commit);
	cr_expect_eq(w.m->tasks[0]->nr_held, 0);
	cr_expect_eq(w.j.j_credits, 2 - 1);
	fs_finish(w.m, 1);
	fs_finish(w.m, 2);
	fs_finish(w.m, 0);
	cr_expect_eq(w.j.j_tid, 2);
	cr_expect_eq(w.j.j_credits, 1);
	fs_halt(w.m);
}

/* What the journal looks like at each step of a commit. */
static void see_commit(struct fs_machine *m, struct task *t, enum point_id id)
{
	struct world *w = m->see_data;
	size_t used = strlen(w->log);

	if (t->id == 0 && (id == P_lock || id == P_unlock || id == P_journal_commit))
		snprintf(w->log + used, sizeof(w->log) - used, "%s %s state %d tid %u committed %u\n",
			 point_table[id].name,
			 t->at_lock ? lock_class_table[t->at_lock->class].name : "-", w->j.j_state,
			 w->j.j_tid, w->j.j_committed);
}

Test(journal, order_of_a_commit)
{
	struct world w;

	setup(&w);
	w.m->see = see_commit;
	w.m->see_data = &w;
	fs_do(w.m, call(commit, &w, 0));
	fs_do(w.m, call(commit, &w, 0));
	cr_expect_str_eq(w.log, "journal_commit - state 0 tid 1 committed 0\n"
			 "lock jbd2_commit state 0 tid 1 committed 0\n"
			 "lock jbd2_handle state 1 tid 1 committed 0\n"
			 "unlock jbd2_commit state 0 tid 2 committed 1\n"
			 "journal_commit - state 0 tid 2 committed 1\n"
			 "lock jbd2_commit state 0 tid 2 committed 1\n"
			 "lock jbd2_handle state 1 tid 2 committed 1\n"
			 "unlock jbd2_commit state 0 tid 3 committed 2\n");
	fs_halt(w.m);
}

Test(journal, full_transaction_commits_by_itself)
{
	struct world w;

	setup(&w);
	for (int i = 0; i < 4; i++)
		fs_do(w.m, call(handle, &w, 5));
	cr_expect_eq(w.j.j_credits, MAX);
	cr_expect_eq(w.j.j_tid, 1);
	fs_do(w.m, call(handle, &w, 0));
	cr_expect_eq(w.j.j_tid, 1);
	fs_do(w.m, call(handle, &w, 1));
	cr_expect_eq(w.j.j_tid, 2);
	cr_expect_eq(w.j.j_committed, 1);
	cr_expect_eq(w.j.j_credits, 1);
	fs_do(w.m, call(handle, &w, MAX));
	cr_expect_eq(w.j.j_tid, 3);
	cr_expect_eq(w.j.j_credits, MAX);
	fs_halt(w.m);
}

/* The one that finds no room waits for those who took it. */
Test(journal, full_transaction_waits_for_its_handles)
{
	struct world w;

	setup(&w);
	fs_hold(w.m, 0, call(handle, &w, MAX), P_dax_io, 1);
	fs_start(w.m, 1, call(handle, &w, 1));
	cr_assert_eq(fs_run(w.m, 1), TASK_BLOCKED);
	cr_expect_eq(w.m->tasks[1]->waiting, &w.j.j_handles);
	fs_finish(w.m, 0);
	cr_expect_eq(fs_finish(w.m, 1)->ret, 0);
	cr_expect_eq(w.j.j_tid, 2);
	cr_expect_eq(w.j.j_credits, 1);
	fs_halt(w.m);
}

/* Two saw the last room; only one of them gets it. */
Test(journal, room_is_looked_at_again)
{
	struct world w;

	setup(&w);
	fs_hold(w.m, 0, call(handle, &w, 15), P_lock, 2);
	fs_start(w.m, 1, call(handle, &w, 15));
	fs_finish(w.m, 1);
	cr_expect_eq(w.j.j_credits, 15);
	fs_finish(w.m, 0);
	cr_expect_eq(w.j.j_credits, 15, "%u of %u", w.j.j_credits, MAX);
	cr_expect_eq(w.j.j_tid, 2);
	fs_halt(w.m);
}

/* One commit serves all who wanted that transaction out. */
Test(journal, commits_of_one_transaction_are_one)
{
	struct world w;

	setup(&w);
	fs_hold(w.m, 0, call(handle, &w, 1), P_dax_io, 1);
	for (int i = 1; i < 3; i++) {
		fs_start(w.m, i, call(commit, &w, 0));
		cr_assert_eq(fs_run(w.m, i), TASK_BLOCKED);
	}
	fs_finish(w.m, 0);
	fs_finish(w.m, 1);
	fs_finish(w.m, 2);
	cr_expect_eq(w.j.j_tid, 2);
	/* A later one is another. */
	fs_do(w.m, call(commit, &w, 0));
	cr_expect_eq(w.j.j_tid, 3);
	cr_expect_eq(w.j.j_committed, 2);
	fs_halt(w.m);
}

/*
 * Patch 7: one has a handle and wants the mutex, one has the mutex and wants a
 * handle. That alone is harmless, as handles share; a commit between them is not.
 */
Test(journal, commit_handle_and_mutex_deadlock)
{
	struct world w;
	char graph[400];

	setup(&w);
	fs_hold(w.m, 0, call(handle_then_mutex, &w, 0), P_dax_io, 1);
	fs_hold(w.m, 1, call(mutex_then_handle, &w, 0), P_dax_io, 1);
	fs_start(w.m, 2, call(commit, &w, 0));
	cr_assert_eq(fs_run(w.m, 2), TASK_BLOCKED);
	cr_expect_not(sched_deadlocked(w.m->tasks[2]));
	cr_assert_eq(fs_run(w.m, 1), TASK_BLOCKED);
	for (int i = 1; i < 3; i++)
		cr_expect_not(sched_deadlocked(w.m->tasks[i]), "%d is only waiting", i);
	cr_assert_eq(fs_run(w.m, 0), TASK_BLOCKED);
	for (int i = 0; i < 3; i++)
		cr_expect(sched_deadlocked(w.m->tasks[i]), "%d cannot go on", i);
	sched_wait_graph(&w.m->sim.sched, graph, sizeof(graph));
	cr_expect_str_eq(graph, "a waits for i_mmap_mutex(t), held by b; "
			 "b waits for jbd2_commit(t), held by c; "
			 "c waits for jbd2_handle(t), held by a");
	fs_halt(w.m);
}

Test(journal, the_same_without_a_commit)
{
	struct world w;

	setup(&w);
	fs_hold(w.m, 0, call(handle_then_mutex, &w, 0), P_dax_io, 1);
	fs_hold(w.m, 1, call(mutex_then_handle, &w, 0), P_dax_io, 1);
	cr_assert_eq(fs_run(w.m, 0), TASK_BLOCKED);
	cr_expect_not(sched_deadlocked(w.m->tasks[0]));
	fs_finish(w.m, 1);
	fs_finish(w.m, 0);
	fs_halt(w.m);
}

/* And in one order for all, with a commit. */
Test(journal, handle_first_everywhere)
{
	struct world w;

	setup(&w);
	fs_hold(w.m, 0, call(handle_then_mutex, &w, 0), P_dax_io, 1);
	fs_hold(w.m, 1, call(handle_then_mutex, &w, 0), P_unlock, 1);
	fs_start(w.m, 2, call(commit, &w, 0));
	cr_assert_eq(fs_run(w.m, 2), TASK_BLOCKED);
	cr_assert_eq(fs_run(w.m, 0), TASK_BLOCKED);
	for (int i = 0; i < 3; i += 2)
		cr_expect_not(sched_deadlocked(w.m->tasks[i]));
	fs_finish(w.m, 1);
	cr_expect_eq(w.m->tasks[2]->state, TASK_BLOCKED);
	fs_finish(w.m, 0);
	fs_finish(w.m, 2);
	cr_expect_eq(w.j.j_committed, 1);
	fs_halt(w.m);
}

static void never_stops(struct fs_machine *m, struct call *c)
{
	struct world *w = c->arg;

	(void)m;
	cr_assert_eq(journal_start(&w->j, 1), 0);
}

/* A session that came back with its handle open blocks every commit for ever. */
Test(journal, forgotten_handle)
{
	struct world w;

	setup(&w);
	fs_do(w.m, call(never_stops, &w, 0));
	fs_start(w.m, 1, call(commit, &w, 0));
	cr_assert_eq(fs_run(w.m, 1), TASK_BLOCKED);
	cr_expect(sched_deadlocked(w.m->tasks[1]));
	fs_halt(w.m);
}
