// SPDX-License-Identifier: MIT
/* Handles and commits (Linux 4.0 fs/jbd2/transaction.c, commit.c). */
#include "daxsim/kernel/journal.h"

#include <errno.h>

#include "daxsim/sim/sim.h"

void journal_init(struct sim *sim, struct journal *j, const char *name, u32 max)
{
	*j = (struct journal){ .j_tid = 1, .j_max = max };
	lock_init(sim, &j->j_handles, LOCK_JBD2_HANDLE, name);
	lock_init(sim, &j->j_commit, LOCK_JBD2_COMMIT, name);
}

/* Whether a commit keeps new handles out; and which transaction runs, with how many credits. */
#define STATE obj(OBJ_JOURNAL, 0, 0)
#define TRANSACTION obj(OBJ_JOURNAL, 0, 1)

/* jbd2 sizes a transaction so that several handles fit; a commit makes room. */
static bool has_room(struct journal *j, u32 credits)
{
	bool room;

	also(P_READ, TRANSACTION);
	guard_lock(&j->j_state_lock);
	room = j->j_credits + credits <= j->j_max;
	guard_unlock(&j->j_state_lock);
	return room;
}

/*
 * Reserve credits of the running transaction. Not of one that a commit has locked: that does not
 * count on us. Nor if others have taken the room meanwhile.
 */
static bool join_running(struct journal *j, u32 credits)
{
	bool joins;

	also(P_READ, STATE);
	also(P_READ, TRANSACTION);
	guard_lock(&j->j_state_lock);
	joins = j->j_state == T_RUNNING && j->j_credits + credits <= j->j_max;
	if (joins)
		j->j_credits += credits;
	guard_unlock(&j->j_state_lock);
	return joins;
}

int journal_start(struct journal *j, u32 credits)
{
	struct task *t = current;

	if (t->handle_depth) {
		t->handle_depth++;
		return 0;
	}
	mark(P_journal_start);
	if (credits > j->j_max)
		return -ENOSPC;
	for (;;) {
		lock_wait(&j->j_commit, LOCK_SHARED);
		if (!has_room(j, credits))
			journal_commit(j);
		down_read(&j->j_handles);
		if (join_running(j, credits))
			break;
		up_read(&j->j_handles);
	}
	t->handle_depth = 1;
	t->handle_credits = credits;
	return 0;
}

void journal_stop(struct journal *j)
{
	struct task *t = current;

	if (--t->handle_depth)
		return;
	mark(P_journal_stop);
	up_read(&j->j_handles);
}

int journal_dirty(struct journal *j)
{
	struct task *t = current;

	(void)j;
	if (!t->handle_depth || !t->handle_credits)
		return -ENOSPC;
	t->handle_credits--;
	return 0;
}

static u32 running_tid(struct journal *j)
{
	u32 tid;

	guard_lock(&j->j_state_lock);
	tid = j->j_tid;
	guard_unlock(&j->j_state_lock);
	return tid;
}

static void set_state(struct journal *j, enum transaction_state state)
{
	guard_lock(&j->j_state_lock);
	j->j_state = state;
	guard_unlock(&j->j_state_lock);
}

/* The running transaction is on the device; another one begins. */
static void next_transaction(struct journal *j)
{
	guard_lock(&j->j_state_lock);
	j->j_committed = j->j_tid++;
	j->j_credits = 0;
	j->j_state = T_RUNNING;
	guard_unlock(&j->j_state_lock);
}

void journal_commit(struct journal *j)
{
	u32 tid;

	also(P_READ, TRANSACTION);
	tid = running_tid(j);
	mark(P_journal_commit);
	mutex_lock(&j->j_commit);
	/* Whoever else committed it while we waited has done it for us too. */
	if (running_tid(j) == tid) {
		also(P_WRITE, STATE);
		set_state(j, T_LOCKED);
		lock_wait(&j->j_handles, LOCK_EXCLUSIVE);
		also(P_WRITE, STATE);
		also(P_WRITE, TRANSACTION);
		set_state(j, T_COMMIT);
		next_transaction(j);
	}
	mutex_unlock(&j->j_commit);
}
