/* SPDX-License-Identifier: MIT */
/*
 * Where the time of an access goes, by time stamps at the points that it passes.
 * A stamp costs a reading of the clock, which is measured and taken off again.
 */
#ifndef DAXSIM_BENCH_PHASES_H
#define DAXSIM_BENCH_PHASES_H

#include "daxsim/sim/point.h"

/* identifier, column, what it is */
#define PHASE_TABLE(P)                                                                             \
	P(WAIT, "wait", "the session's thread is asked and faults, until the message is read")     \
	P(PATH, "path", "the simulated fault path as far as it is none of the following")          \
	P(GET_BLOCK, "get_block", "the file system finds or allocates the block")                  \
	P(ZERO, "zero", "a new block is zeroed")                                                   \
	P(ZAP, "zap", "a PTE is removed")                                                          \
	P(INSERT, "insert", "a PTE is set: mmap(2) and ioctls")                                    \
	P(WAKE, "wake", "the session's thread is woken, until it says that it is done")

enum phase {
#define PHASE_ENUM(id, name, what) PHASE_##id,
	PHASE_TABLE(PHASE_ENUM)
#undef PHASE_ENUM
	NR_PHASES
};

struct phase_desc {
	const char *name;
	const char *what;
};

extern const struct phase_desc phase_table[NR_PHASES];

/* The state of one access; all times in nanoseconds. */
struct phases {
	u64 stamp_ns;		/* what a stamp costs */
	u64 ns[NR_PHASES];
	u64 last;		/* stamp */
	enum phase now, outer;	/* a point's own phase ends at the next point: back to outer */
	u64 nr_stamps;		/* of all accesses */
};

/** phases_init() - measure what a stamp costs */
void phases_init(struct phases *p);

/** phases_begin() - an access begins */
void phases_begin(struct phases *p);

/** phases_end() - it is over: ns[] is complete */
void phases_end(struct phases *p);

/** phases_hold() - a sched.hold that never holds; @data is the struct phases */
bool phases_hold(void *data, struct task *t, enum point_id id, enum point_kind kind, u64 object);

#endif
