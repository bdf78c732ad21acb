/* SPDX-License-Identifier: MIT */
/*
 * A journal after jbd2, as far as others have to wait for it: handles join the
 * running transaction, a commit locks it, waits until every open handle is
 * closed, writes it out and lets new handles begin. What is in a transaction
 * is only counted.
 */
#ifndef DAXSIM_JOURNAL_H
#define DAXSIM_JOURNAL_H

#include "daxsim/kernel/lock.h"
#include "daxsim/sim/guard.h"
#include "daxsim/sim/types.h"

struct sim;

enum transaction_state {
	T_RUNNING,
	T_LOCKED,	/* a commit waits for its open handles; no new ones */
	T_COMMIT,	/* being written out */
};

struct journal {
	struct lock j_handles;		/* readers: open handles, t_updates */
	struct lock j_commit;		/* held by the commit from T_LOCKED to its end */
	struct guard j_state_lock;	/* of what follows */
	enum transaction_state j_state;	/* of the running transaction */
	u32 j_tid;			/* its number, from 1 */
	u32 j_committed;		/* number of the last one that is on the device */
	u32 j_credits;			/* blocks that open and closed handles of it may change */
	u32 j_max;			/* blocks that one transaction may change */
};

/** journal_init() - an empty journal; @max: credits of one transaction, blocks */
void journal_init(struct sim *sim, struct journal *j, const char *name, u32 max);

/**
 * journal_start() - open a handle
 * @j: the journal
 * @credits: blocks that the caller may change
 *
 * Inside another handle of the same session it only nests. Otherwise it waits
 * while a commit holds the transaction locked (start_this_handle, Linux 4.0).
 * Return: 0; -ENOSPC if no transaction could ever hold so many.
 */
int journal_start(struct journal *j, u32 credits);

/** journal_stop() - close the handle; the outermost one lets a waiting commit go on */
void journal_stop(struct journal *j);

/** journal_dirty() - use one credit of the open handle. Return: 0, or -ENOSPC if none is left */
int journal_dirty(struct journal *j);

/**
 * journal_commit() - write the running transaction out
 * @j: the journal
 *
 * For fsync(2). Waits for every open handle; i_mutex may be held, a handle not.
 */
void journal_commit(struct journal *j);

#endif
