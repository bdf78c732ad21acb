/* SPDX-License-Identifier: MIT */
/*
 * Small concurrent programs to explore. Each notes in a hash how its execution
 * ordered what depends on each other: which write every read saw, which reads and
 * which write every write overtook, whose turn every lock was. Two executions
 * have equal hashes if and only if they are of one class; the hash knows nothing
 * of vector clocks, so that it can be held against what explore() says.
 */
#ifndef TESTS_TOY_PROGRAM_H
#define TESTS_TOY_PROGRAM_H

#include "daxsim/sim/explore.h"

#define TOY_VARS 12
#define TOY_CODE 24

struct toy_op {
	u8 kind;		/* enum explore_kind */
	u8 var;
	u8 kind2;		/* a second access in the same event, or EXPLORE_NONE */
	u8 var2;
};

/* What the first access of an event reads decides between the second one and this. */
struct toy_fork {
	bool forks;
	u8 kind;		/* or EXPLORE_NONE */
	u8 var;
};

struct toy_var {
	int value;
	u64 turn;		/* hash of the last write, or of the last exclusive critical section */
	u64 readers;		/* sum of hashes of who read, or locked it shared, or waited, since */
	int writer;		/* 1 + thread that has the lock */
	u32 shared;		/* threads that have it shared, bit each */
};

enum toy_kind {
	TOY_CODE_KIND,		/* as the threads' code says */
	TOY_LASTZERO,
};

struct toy {
	enum toy_kind kind;
	unsigned int nr_threads;
	struct toy_op code[EXPLORE_THREADS][TOY_CODE];
	struct toy_fork forks[EXPLORE_THREADS][TOY_CODE];
	u32 hidden;		/* accesses not told to explore(), bit per enum explore_kind */
	u32 limit;		/* lastzero: n */
	/* An access joins the taking of a lock right before it, and dropping locks what comes before. */
	bool joined;

	/* what reset() makes new */
	struct toy_var vars[TOY_VARS];
	u32 pc[EXPLORE_THREADS];
	int reg[EXPLORE_THREADS];
	u64 hash;
};

/** toy_program() - @toy as a program for explore() */
struct explore_program toy_program(struct toy *toy);

/** toy_lastzero() - n threads make a[i] = a[i - 1] + 1; one looks for the last zero, downwards */
struct toy toy_lastzero(u32 n);

/** toy_readers() - one thread writes a variable that n others read */
struct toy toy_readers(u32 n);

/**
 * toy_random() - a program drawn from a seed, with properly nested locks
 * @seed: any; equal seeds give equal programs
 * @locks: whether to use locks, too
 */
struct toy toy_random(u64 seed, bool locks);

/** toy_random_forks() - the same, but what many a read finds decides what its event accesses besides */
struct toy toy_random_forks(u64 seed, bool locks);

/* What executions came to: the distinct hashes among them, sorted. */
struct behaviours {
	u64 *hashes;
	size_t nr;
	size_t room;
	struct explore_result result;
	int err;		/* what explore() returned */
};

/** toy_explore() - explore a program, and collect what its executions did; free hashes */
struct behaviours toy_explore(struct toy *toy, struct explore_options options);

/** same_behaviours() - whether two sets are equal */
bool same_behaviours(const struct behaviours *a, const struct behaviours *b);

#endif
