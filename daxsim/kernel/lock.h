/* SPDX-License-Identifier: MIT */
/*
 * Locks of the simulated kernel. A lock has a class, which is what lock order
 * is about; waiting for one is a state of the scheduler, so that a deadlock is
 * seen when it closes and never by a time-out.
 *
 * In live mode, that is for tasks that are not deterministic, real threads wait
 * for real locks (lock_live.h). All who use a lock must be of one kind.
 */
#ifndef DAXSIM_LOCK_H
#define DAXSIM_LOCK_H

#include "daxsim/sim/name_table.h"
#include "daxsim/sim/types.h"

struct task;

/*
 * Lock classes under the kernel's names. Things that order like locks without
 * being one in the kernel (freeze protection, the page lock) are here too.
 */
#define LOCK_CLASS_TABLE(L)                                                                        \
	L(MMAP_SEM, "mmap_sem")                                                                    \
	L(SB_WRITERS, "sb_writers")                                                                \
	L(SB_PAGEFAULT, "sb_pagefault")                                                            \
	L(I_MUTEX, "i_mutex")                                                                      \
	L(I_MMAP_SEM, "i_mmap_sem")                                                                \
	L(ENTRY_LOCK, "entry_lock")                                                                \
	L(I_MMAP_MUTEX, "i_mmap_mutex")                                                            \
	L(JBD2_COMMIT, "jbd2_commit")                                                              \
	L(JBD2_HANDLE, "jbd2_handle")                                                              \
	L(IOLOCK, "iolock")                                                                        \
	L(TRUNCATE_MUTEX, "truncate_mutex")                                                        \
	L(I_DATA_SEM, "i_data_sem")                                                                \
	L(ILOCK, "ilock")                                                                          \
	L(PAGE_LOCK, "page_lock")                                                                  \
	L(DIO_WAIT, "dio_wait")

enum lock_class {
#define LOCK_ENUM(id, name) LOCK_##id,
	LOCK_CLASS_TABLE(LOCK_ENUM)
#undef LOCK_ENUM
	NR_LOCK_CLASSES
};

struct lock_class_desc {
	const char *name;
};

extern const struct lock_class_desc lock_class_table[NR_LOCK_CLASSES];
extern const struct name_table lock_class_names;

enum lock_mode {
	LOCK_SHARED,
	LOCK_EXCLUSIVE,
};

struct lock {
	u8 class;		/* enum lock_class */
	u64 object;		/* unique in its machine, OBJ_LOCK: what its points are about */
	const char *of;		/* what it belongs to, for people: a file or process name */
	struct task *writer;	/* exclusive holder, or NULL */
	u32 readers;		/* shared holders */
	u32 live;		/* live mode: all there is; writer and readers stay empty */
};

#define MAX_HELD 16

/* One entry of a session's stack of held locks. */
struct held_lock {
	struct lock *lock;
	enum lock_mode mode;
};

struct sim;

/**
 * lock_init() - give a lock its class and owner
 * @sim: the machine that numbers it
 * @lock: storage in the machine's arena
 * @class: what kind of lock it is
 * @of: name of the object it belongs to; must live as long as the lock
 */
void lock_init(struct sim *sim, struct lock *lock, enum lock_class class, const char *of);

/**
 * lock_init_at() - the same for a lock that sessions make while they run
 * @owner: number of what it belongs to, such as an inode
 * @index: which of the owner's locks
 *
 * Its number must not depend on who makes one first.
 */
void lock_init_at(struct lock *lock, enum lock_class class, const char *of, u32 owner, u64 index);

/*
 * The kernel's calls, for the current task. All wait, deterministic tasks in the
 * scheduler, when the lock is not to be had; dropping a lock that the caller does
 * not hold is reported as lock-leak.
 */
void mutex_lock(struct lock *lock);
void mutex_unlock(struct lock *lock);
void down_read(struct lock *lock);
void up_read(struct lock *lock);
void down_write(struct lock *lock);
void up_write(struct lock *lock);

/**
 * lock_wait() - wait until a lock could be had, without taking it
 * @lock: such as the count of direct I/O in flight
 * @mode: LOCK_EXCLUSIVE waits for readers too
 */
void lock_wait(struct lock *lock, enum lock_mode mode);

/**
 * lock_disown(), lock_adopt() - keep a lock taken beyond its session's stay in the kernel
 * @lock: held exclusively by the current session; later, by nobody
 *
 * A frozen file system is the case: the session that froze it returns, and any
 * other may thaw it. A lock that nobody has taken or can know of may be adopted too,
 * which takes it.
 */
void lock_disown(struct lock *lock);
void lock_adopt(struct lock *lock);

/** lock_is_held() - whether the current session, if there is one, holds it in any mode */
bool lock_is_held(const struct lock *lock);

/** lock_has_writer() - whether anybody holds it exclusively; the caller is a task */
bool lock_has_writer(const struct lock *lock);

/** lock_conflicts() - whether a deterministic task could not be granted a lock in @mode now */
static inline bool lock_conflicts(const struct lock *lock, enum lock_mode mode)
{
	return lock->writer || (mode == LOCK_EXCLUSIVE && lock->readers);
}

#endif
