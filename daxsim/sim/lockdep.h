/* SPDX-License-Identifier: MIT */
/*
 * The lock validator. From every acquisition it learns in which order classes
 * of locks are taken, and it reports an order that has a cycle: a deadlock that
 * some schedule can reach, even if none of those that ran did. One validator
 * may watch many executions, one after the other, so that what they do adds up.
 *
 * The rules are those of Linux's lockdep, unless said otherwise:
 *
 * - Who takes or waits for a lock of class B while holding one of class A makes
 *   an edge A -> B, whether or not he had to wait. All locks that he holds
 *   count. He is noted before he waits, so a deadlock is a cycle first.
 * - A reader waits behind a writer that waits, as with Linux's rwsems, freeze
 *   protection and journal handles. So a cycle is one even where a class is
 *   shared on both sides; the report then says that it takes a writer in
 *   between. The simulated locks let such readers pass, so no schedule can hang
 *   on it: only the validator sees it.
 * - Classes that merely count, such as I/O in flight, are always to be had
 *   shared. An edge that ends so is shown, and is part of no cycle; to wait
 *   until the count drops is an acquisition like any other, unless all who
 *   count hold a lock of the same file that all who wait hold as well, one of
 *   them exclusively: then nobody ever waits there, and it is no cycle either.
 *   Linux's lockdep knows nothing of such counts.
 * - A class inside of itself is a cycle, even if the two locks differ, unless
 *   the class is nestable. Shared inside of shared is none (for rwsems lockdep
 *   reports that too). The same lock inside of itself always is one, unless
 *   both are shared.
 * - Adopting a lock (lock_adopt) is no acquisition.
 */
#ifndef DAXSIM_LOCKDEP_H
#define DAXSIM_LOCKDEP_H

#include <bsd/sys/queue.h>
#include <stdio.h>

#include "daxsim/sim/arena.h"
#include "daxsim/sim/task.h"

_Static_assert(NR_LOCK_CLASSES <= 64, "a row of the validator's matrices is one word");

/* A lock in an edge: which, how it was taken, and where. */
struct lock_use {
	u8 class;		/* enum lock_class */
	u8 mode;		/* enum lock_mode */
	const char *of;		/* what the lock belongs to */
	struct lock_site at;
};

/* An edge in one pair of modes, with its first witness. */
struct lock_edge {
	STAILQ_ENTRY(lock_edge) link;
	struct lock_use outer, inner;
	const char *scenario;	/* or NULL */
	const char *session;
};

#define LOCK_MODE_PAIRS 4

/* One bit for each pair of classes: the word is the outer one's, the bit the inner one's. */
typedef u64 lock_matrix[NR_LOCK_CLASSES];

/*
 * Which locks of the same file everybody held who has counted or waited so far: by the mode
 * in which he wanted the count, and by the least mode in which he held the lock.
 */
struct lock_shelter {
	u32 held[2][2];		/* bit per class */
};

struct lockdep {
	struct arena arena;			/* edges and their strings */
	STAILQ_HEAD(, lock_edge) edges;		/* in the order in which they were first seen */
	lock_matrix seen[LOCK_MODE_PAIRS];	/* the same, by lock_modes() */
	lock_matrix waits;			/* edges at which somebody can have to wait */
	lock_matrix reach;			/* the transitive closure of these */
	lock_matrix told;			/* edges of cycles reported since lockdep_begin() */
	/* By inner class and mode, the outer ones, a bit each: edges that need no look until waits grows. */
	u32 settled[NR_LOCK_CLASSES][2];
	u64 counts;				/* classes that merely count; bit per class */
	struct lock_shelter shelters[NR_LOCK_CLASSES];	/* of these */
	u64 nestable;				/* classes that may be taken inside of themselves */
	const char *scenario;			/* as lockdep_begin() was told */
	FILE *report;				/* writes to text; NULL: nothing to report */
	char *text;
	size_t size;
};

/** lockdep_create() - a validator that has seen nothing; NULL without memory */
struct lockdep *lockdep_create(void);

/** lockdep_destroy() - drop a validator; NULL is fine */
void lockdep_destroy(struct lockdep *ld);

/**
 * lockdep_begin() - an execution begins
 * @ld: the validator
 * @scenario: for the witnesses; must live until the next call; may be NULL
 *
 * Forgets the report, and that cycles were reported, but no edge.
 */
void lockdep_begin(struct lockdep *ld, const char *scenario);

/**
 * lockdep_acquire() - a task is about to take a lock, or to wait for one
 * @ld: the validator
 * @t: the task, with what it holds
 * @lock: the lock, not among that yet unless it is taken twice
 * @mode: how
 *
 * Reports each cycle that this is part of as lock-order to the task's watchers,
 * once in an execution, and describes it in the report.
 */
void lockdep_acquire(struct lockdep *ld, const struct task *t, const struct lock *lock,
		     enum lock_mode mode);

/**
 * lockdep_learn() - the same of a task that is only known by one of the locks it held
 *
 * What shelters a count is not looked at.
 */
void lockdep_learn(struct lockdep *ld, const struct task *t, const struct lock *lock,
		   enum lock_mode mode);

/** lock_sheltered() - whether nobody who waits for a count to drop ever has to */
static inline bool lock_sheltered(const struct lock_shelter *s)
{
	return (s->held[LOCK_SHARED][LOCK_SHARED] & s->held[LOCK_EXCLUSIVE][LOCK_EXCLUSIVE]) |
	       (s->held[LOCK_SHARED][LOCK_EXCLUSIVE] & s->held[LOCK_EXCLUSIVE][LOCK_SHARED]);
}

/** lockdep_take_report() - what was reported since lockdep_begin(), to be freed; NULL if nothing */
char *lockdep_take_report(struct lockdep *ld);

/** lock_modes() - index in lockdep->seen of edges from a lock held in @outer to one in @inner */
static inline unsigned int lock_modes(enum lock_mode outer, enum lock_mode inner)
{
	return outer << 1 | inner;
}

/** lock_bit() - the bit of a class in a row of a matrix */
static inline u64 lock_bit(unsigned int class)
{
	return 1ULL << class;
}

/** lockdep_on_cycle() - whether the edge from @outer to @inner, once seen, is part of a cycle */
static inline bool lockdep_on_cycle(const struct lockdep *ld, unsigned int outer,
				    unsigned int inner)
{
	return ld->waits[outer] & lock_bit(inner) && ld->reach[inner] & lock_bit(outer);
}

/**
 * lockdep_print_order() - the observed order as text
 * @ld: the validator
 * @to: where to
 *
 * The classes from the outermost inwards, then each edge with its first witness.
 */
void lockdep_print_order(const struct lockdep *ld, FILE *to);

/**
 * lockdep_print_dot() - the observed order for Graphviz, cycles in red
 * @ld: the validator
 * @name: of the graph
 * @to: where to
 */
void lockdep_print_dot(const struct lockdep *ld, const char *name, FILE *to);

#endif
