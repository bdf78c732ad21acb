// SPDX-License-Identifier: MIT
/*
 * Locks that wait in the scheduler, or, for live tasks, in the system. Every lock
 * is a reader-writer lock inside; a mutex is one that is only ever taken exclusively.
 */
#include "daxsim/kernel/lock.h"

#include <assert.h>

#include "daxsim/kernel/lock_live.h"
#include "daxsim/sim/check.h"
#include "daxsim/sim/lockdep.h"
#include "daxsim/sim/sim.h"

const struct lock_class_desc lock_class_table[NR_LOCK_CLASSES] = {
#define LOCK_DESC(id, name) { name },
	LOCK_CLASS_TABLE(LOCK_DESC)
#undef LOCK_DESC
};

const struct name_table lock_class_names = NAME_TABLE(lock_class_table);

void lock_init(struct sim *sim, struct lock *lock, enum lock_class class, const char *of)
{
	lock_init_at(lock, class, of, 0, sim_next_id(sim));
}

void lock_init_at(struct lock *lock, enum lock_class class, const char *of, u32 owner, u64 index)
{
	*lock = (struct lock){ .class = class, .object = obj(OBJ_LOCK, owner, index), .of = of };
}

static void announce(struct lock *lock, enum lock_mode mode, enum point_id id,
		     enum point_kind kind)
{
	struct task *t = current;

	t->at_lock = lock;
	t->at_mode = mode;
	point(id, kind, lock->object);
	t->at_lock = NULL;
}

static void hold(struct task *t, struct lock *lock, enum lock_mode mode)
{
	assert(t->nr_held < MAX_HELD);
	t->held_at[t->nr_held] = (struct lock_site){ t->step, t->function };
	t->held[t->nr_held++] = (struct held_lock){ lock, mode };
}

/* Take the latest entry of @lock off the stack. Returns whether there was one. */
static bool unhold(struct task *t, const struct lock *lock, enum lock_mode mode)
{
	for (unsigned int i = t->nr_held; i-- > 0;) {
		if (t->held[i].lock != lock || t->held[i].mode != mode)
			continue;
		for (t->nr_held--; i < t->nr_held; i++) {
			t->held[i] = t->held[i + 1];
			t->held_at[i] = t->held_at[i + 1];
		}
		return true;
	}
	return false;
}

/* The order counts whether or not there is anything to wait for. */
static void wait_for(struct lock *lock, enum lock_mode mode)
{
	struct task *t = current;

	if (unlikely(t->sim->lockdep))
		lockdep_acquire(t->sim->lockdep, t, lock, mode);
	while (lock_conflicts(lock, mode))
		sched_block(lock, mode);
}

/* The whole of it for live tasks: out of the others' way. */
static noinline void acquire_live(struct lock *lock, enum lock_mode mode)
{
	point(P_lock, mode == LOCK_EXCLUSIVE ? P_LOCK : P_RLOCK, lock->object);
	live_acquire(&lock->live, mode);
	hold(current, lock, mode);
}

static noinline void release_live(struct lock *lock, enum lock_mode mode)
{
	struct task *t = current;

	point(P_unlock, P_UNLOCK, lock->object);
	if (unhold(t, lock, mode))
		live_release(&lock->live, mode);
	else
		check_unlock_imbalance(t->sim->check, t, lock);
}

static always_inline void acquire(struct lock *lock, enum lock_mode mode)
{
	if (unlikely(!current->deterministic)) {
		acquire_live(lock, mode);
		return;
	}
	announce(lock, mode, P_lock, mode == LOCK_EXCLUSIVE ? P_LOCK : P_RLOCK);
	wait_for(lock, mode);
	if (mode == LOCK_EXCLUSIVE)
		lock->writer = current;
	else
		lock->readers++;
	hold(current, lock, mode);
}

static always_inline void release(struct lock *lock, enum lock_mode mode)
{
	struct task *t = current;

	if (unlikely(!t->deterministic)) {
		release_live(lock, mode);
		return;
	}
	announce(lock, mode, P_unlock, P_UNLOCK);
	if (!unhold(t, lock, mode)) {
		check_unlock_imbalance(t->sim->check, t, lock);
		return;
	}
	if (mode == LOCK_EXCLUSIVE)
		lock->writer = NULL;
	else
		lock->readers--;
	sched_wake(t->sim, lock);
}

void mutex_lock(struct lock *lock)
{
	acquire(lock, LOCK_EXCLUSIVE);
}

void mutex_unlock(struct lock *lock)
{
	release(lock, LOCK_EXCLUSIVE);
}

void down_read(struct lock *lock)
{
	acquire(lock, LOCK_SHARED);
}

void up_read(struct lock *lock)
{
	release(lock, LOCK_SHARED);
}

void down_write(struct lock *lock)
{
	acquire(lock, LOCK_EXCLUSIVE);
}

void up_write(struct lock *lock)
{
	release(lock, LOCK_EXCLUSIVE);
}

void lock_wait(struct lock *lock, enum lock_mode mode)
{
	if (unlikely(!current->deterministic)) {
		point(P_lock, P_WAIT, lock->object);
		live_wait(&lock->live, mode);
		return;
	}
	announce(lock, mode, P_lock, P_WAIT);
	wait_for(lock, mode);
}

void lock_disown(struct lock *lock)
{
	unhold(current, lock, LOCK_EXCLUSIVE);
}

void lock_adopt(struct lock *lock)
{
	if (likely(current->deterministic)) {
		also(P_LOCK, lock->object);
		lock->writer = current;
	} else {
		__atomic_fetch_or(&lock->live, LIVE_WRITER, __ATOMIC_ACQUIRE);
	}
	hold(current, lock, LOCK_EXCLUSIVE);
}

bool lock_has_writer(const struct lock *lock)
{
	if (likely(current->deterministic))
		return lock->writer;
	return __atomic_load_n(&lock->live, __ATOMIC_SEQ_CST) & LIVE_WRITER;
}

bool lock_is_held(const struct lock *lock)
{
	const struct task *t = current;

	for (unsigned int i = 0; t && i < t->nr_held; i++)
		if (t->held[i].lock == lock)
			return true;
	return false;
}
