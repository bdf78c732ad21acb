/* SPDX-License-Identifier: MIT */
/*
 * A scenario as the parser leaves it: variants, set-up, sessions with their
 * steps, schedules and final conditions. Every node knows where in the file it
 * stands, so that whatever goes wrong later can still be said with file:line.
 */
#ifndef DAXSIM_SCENARIO_H
#define DAXSIM_SCENARIO_H

#include <stdio.h>

#include "daxsim/kernel/inject.h"
#include "daxsim/kernel/inject.h"
#include "daxsim/kernel/profile.h"
#include "daxsim/sim/arena.h"
#include "daxsim/sim/explore.h"
#include "daxsim/sim/invariant.h"
#include "daxsim/sim/types.h"

struct fs_ops;
struct name_tree;

struct pos {
	u32 line;	/* from 1 */
	u32 col;	/* from 1, in bytes */
};

/* enumerator, word, arguments (see verb_table in parse_cmd.c), what it does */
#define VERB_TABLE(V)                                                                              \
	V(CREATE, "create", "FILE", "create an empty file")                                        \
	V(OPEN, "open", "FILE [ro|rw] [as HANDLE]", "open it again, under a second name")          \
	V(CLOSE, "close", "FILE", "close a handle; mappings keep the file alive")                  \
	V(UNLINK, "unlink", "FILE", "remove the name; handles and mappings go on")                 \
	V(TRUNCATE, "truncate", "FILE SIZE", "ftruncate(2)")                                       \
	V(FALLOCATE, "fallocate", "[-k] FILE OFFSET LENGTH", "fallocate(2); -k keeps the size")    \
	V(FPUNCH, "fpunch", "FILE OFFSET LENGTH", "FALLOC_FL_PUNCH_HOLE")                          \
	V(FZERO, "fzero", "[-k] FILE OFFSET LENGTH", "FALLOC_FL_ZERO_RANGE; -k keeps the size")    \
	V(FCOLLAPSE, "fcollapse", "FILE OFFSET LENGTH", "FALLOC_FL_COLLAPSE_RANGE")                \
	V(FINSERT, "finsert", "FILE OFFSET LENGTH", "FALLOC_FL_INSERT_RANGE")                      \
	V(PREAD, "pread", "FILE OFFSET LENGTH [to MAPPING OFFSET]",                                \
	  "read(2); into a mapping if one is named")                                               \
	V(PWRITE, "pwrite", "[-S BYTE] FILE OFFSET LENGTH [from MAPPING OFFSET]",                  \
	  "write(2) of one byte value (0xcd), or out of a mapping")                                \
	V(MMAP, "mmap", "MAPPING FILE OFFSET LENGTH shared|private [ro|rw]", "mmap(2)")            \
	V(MUNMAP, "munmap", "MAPPING [OFFSET LENGTH]", "munmap(2), of a part if one is named")     \
	V(MPROTECT, "mprotect", "MAPPING OFFSET LENGTH ro|rw|none", "mprotect(2)")                 \
	V(MREMAP, "mremap", "MAPPING SIZE",                                                        \
	  "mremap(2) with MREMAP_MAYMOVE; the name goes with it to another address")               \
	V(MREAD, "mread", "MAPPING OFFSET LENGTH", "load from the mapping")                        \
	V(MWRITE, "mwrite", "[-S BYTE] MAPPING OFFSET LENGTH [BYTE]",                              \
	  "store one byte value (0x58) to the mapping")                                            \
	V(MSYNC, "msync", "MAPPING", "msync(2), MS_SYNC")                                          \
	V(FSYNC, "fsync", "FILE", "fsync(2)")                                                      \
	V(FIEMAP, "fiemap", "FILE", "the file's extents, in pages")                                \
	V(STAT, "stat", "FILE", "size in bytes, blocks of 512 bytes, nlink, mtime (updates)")      \
	V(FAULTS, "faults", "",                                                                    \
	  "this session's page faults since it last asked: min, maj, pgfault, pgmajfault")         \
	V(INJECT, "inject",                                                                        \
	  "get_block|direct_access|clear|copy -ERRNO|short N|fault [after N] [times N]",           \
	  "make a coming call fail, once or N times, after N calls (copy: bytes) went well")       \
	V(FREEZE, "freeze", "", "FIFREEZE: write faults wait from now on")                         \
	V(THAW, "thaw", "", "FITHAW")

enum verb {
#define VERB_ENUM(id, word, args, what) VERB_##id,
	VERB_TABLE(VERB_ENUM)
#undef VERB_ENUM
	NR_VERBS
};

struct verb_desc {
	const char *name;
	const char *args;
	const char *what;
};

extern const struct verb_desc verb_table[NR_VERBS];
extern const struct name_table verb_names;

enum value_type {
	VALUE_ANY,	/* ... */
	VALUE_NUMBER,	/* a count or a 0; compared with what the call returned */
	VALUE_BYTES,	/* 0x5a or "text": every byte read is this, or the bytes read are these */
	VALUE_ERRNO,	/* -ENOSPC */
	VALUE_SIGNAL,	/* SIGBUS, SIGSEGV */
	VALUE_EXTENTS,	/* fiemap: [0+3 U][3+1 W], or none */
	VALUE_FIELDS,	/* stat, faults: name number pairs */
};

#define MAX_FIELDS 4

struct extent_value {
	u64 lblk;	/* pages */
	u64 len;	/* pages */
	bool unwritten;
};

struct value {
	enum value_type type;
	struct pos pos;
	s64 number;		/* VALUE_NUMBER, VALUE_ERRNO (negative), VALUE_SIGNAL (SIGBUS, ...) */
	const u8 *bytes;	/* VALUE_BYTES */
	size_t nr_bytes;	/* 1: that byte repeated, be it 0x5a or "Z" */
	const struct extent_value *extents;
	u32 nr_extents;
	u32 nr_fields;
	struct {
		const char *name;
		u64 number;
	} fields[MAX_FIELDS];
	struct value *next;	/* or ... */
};

/* Flags of a command. */
#define CMD_KEEP_SIZE 0x1	/* -k */
#define CMD_RDONLY 0x2		/* ro */
#define CMD_PRIVATE 0x4		/* private */
#define CMD_USER_BUFFER 0x8	/* to, from: name2 and off2 are a mapping and an offset in it */
#define CMD_WHOLE 0x10		/* munmap without a range */
#define CMD_NO_ACCESS 0x20	/* none */

/* The name of a handle or a mapping: a variable of the program that its sessions are threads of. */
struct variable {
	u32 id;			/* in its scenario, from 1; 0: no command is about it */
	u32 users;		/* sessions with commands about it, bit each */
	bool changes;		/* one of these binds or drops it */
	bool moves;		/* a mapping that an mremap anywhere names */
};

/* Whether what the name is bound to may be another session's doing. */
static inline bool variable_shared(const struct variable *v)
{
	return v->changes && v->users & (v->users - 1);
}

struct cmd {
	enum verb verb;
	struct pos pos;
	const char *text;	/* the command without its result, as it stands in the file, blanks folded */
	const char *name;	/* file or mapping; NULL for verbs without one */
	const char *name2;	/* mmap: the file; open: the new handle; to, from: the mapping */
	struct variable *handle;	/* that it uses, binds or drops; NULL without one */
	struct variable *mapping;	/* the same */
	u64 off, len;		/* bytes; truncate, mremap: the size is in len */
	u64 off2;		/* bytes */
	u8 byte;
	u32 flags;
	/* inject */
	enum inject_site site;
	s64 error;		/* negative errno; 0 with short */
	u64 short_len;		/* bytes, with short */
	u64 after, times;	/* times: default 1 */
	/* the result that is asked for */
	bool negated;		/* != */
	struct value *result;	/* NULL: the command must merely not fail (no error, no signal) */
	struct cmd *next;
};

struct step {
	const char *name;
	struct pos pos;
	struct session *session;
	u32 index;		/* in its session */
	struct cmd *cmds;
	struct step *next;	/* in its session */
};

struct session {
	const char *name;
	const char *process;	/* in NAME; "main" by default */
	struct pos pos;
	u32 index;
	struct step *steps;
	struct session *next;
};

enum sched_entry_type {
	ENTRY_STEP,	/* start or resume a step; until: hold it at a point */
	ENTRY_COUNT,	/* let a session pass a number of points */
};

#define COUNT_TO_END UINT32_MAX	/* SESSION:end, all points of the step */

struct sched_entry {
	enum sched_entry_type type;
	struct pos pos;
	struct step *step;
	int until;			/* enum point_id, or -1: to its end */
	int until_lock;			/* with until == P_lock: enum lock_class, or -1: any */
	u32 nth;			/* which hit of it, from 1 */
	bool or_end;			/* the step may also end without coming there */
	int blocks_on;			/* enum lock_class that [blocks on ...] asserts, or -1 */
	const char *blocks_of;		/* the file or process of that lock, or NULL */
	struct session *session;	/* ENTRY_COUNT */
	u64 count;			/* or COUNT_TO_END */
	u64 course;			/* ENTRY_COUNT: what course_add() must say behind it; 0: anything */
	struct sched_entry *next;
};

#define SCHEDULE_OPTION "--schedule"

struct schedule {
	const char *name;
	const char *text;	/* of SCHEDULE_OPTION; NULL: it is part of the scenario, or was found */
	struct pos pos;
	struct sched_entry *entries;
	struct schedule *next;
};

enum expectation {
	EXPECT_CLEAN,
	EXPECT_BUG,
};

struct variant {
	const char *text;	/* "ext2@v11 -recheck-i_size", blanks folded */
	struct pos pos;
	const struct fs_ops *fs;
	profile_t profile;
	enum expectation expect;
	u64 bugs;		/* EXPECT_BUG: bit per enum invariant; each must show */
	bool survey;		/* what is expected otherwise was said of schedules, and others are run */
	struct variant *next;
};

/* explore ...: how the interleavings of the sessions are searched. */
struct explore_request {
	enum explore_strategy strategy;
	u32 bound;		/* preempt N, pct D */
	u64 runs;		/* pct, random */
	u64 seed;
	bool wanted;
};

enum final_mode {
	FINAL_ALWAYS,
	FINAL_SOMETIMES,
	FINAL_NEVER,
};

enum final_if {
	FINAL_IF_ANY,
	FINAL_IF_BUG,		/* only in variants that expect a bug */
	FINAL_IF_CLEAN,		/* only in variants that expect none */
};

struct final {
	enum final_mode mode;
	enum final_if condition;
	struct pos pos;
	struct cmd *cmds;
	struct final *next;
};

struct scenario {
	const char *path;
	const char *name;
	struct pos pos;
	u64 device_size;	/* bytes; default 1 MiB */
	struct variant *variants;
	struct cmd *setup;
	struct session *sessions;
	u32 nr_sessions;
	struct schedule *schedules;	/* none: the sessions run one after the other */
	struct explore_request explore;
	struct final *finals;
	u64 injected;		/* bit per enum inject_site that some command arms */
	u64 ignored;		/* bit per enum invariant: not judged here */
	enum expectation expect;	/* of variants that do not say it themselves */
	u64 bugs;
	struct name_tree *names;	/* every name in it; for the parser only */
	struct arena arena;	/* everything above lives here */
};

#define MAX_SESSIONS 8
#define MAX_FINALS 32

/**
 * scenario_parse() - read a scenario
 * @path: for messages
 * @text: the file's contents; need not be terminated, may be anything
 * @len: bytes of @text
 * @errors: where one message goes if it is wrong, or NULL
 *
 * The message says file:line:column, what was found and what was expected, a
 * suggestion for a misspelt word, and shows the line with a mark.
 * Return: the scenario, to be freed by scenario_free(), or NULL.
 */
struct scenario *scenario_parse(const char *path, const char *text, size_t len, FILE *errors);

/** scenario_load() - scenario_parse() of a file; a file that cannot be read is one message too */
struct scenario *scenario_load(const char *path, FILE *errors);

/** scenario_free() - free a scenario; NULL is fine */
void scenario_free(struct scenario *s);

/**
 * scenario_parse_schedule() - read a schedule given on the command line
 * @s: the scenario whose steps and sessions it names
 * @text: "store@dax_insert_mapping shrink grab store" or "fault:6 trunc:11"
 * @errors: where one message goes if it is wrong
 *
 * Return: the schedule, living as long as @s, or NULL.
 */
struct schedule *scenario_parse_schedule(struct scenario *s, const char *text, FILE *errors);

/**
 * scenario_parse_variant() - read a variant given on the command line
 * @s: the scenario
 * @text: "ext2@v11 -recheck-i_size", and "expect ..." as after fs in a file
 * @errors: where one message goes if it is wrong
 *
 * Return: the variant, living as long as @s, or NULL.
 */
struct variant *scenario_parse_variant(struct scenario *s, const char *text, FILE *errors);

/**
 * scenario_parse_explore() - read a strategy given on the command line
 * @s: the scenario
 * @text: "all", "preempt 2", "pct 3 runs 10000 seed 1", ... as behind explore in a file
 * @how: filled in
 * @errors: where one message goes if it is wrong
 *
 * Return: 0 or -EINVAL.
 */
int scenario_parse_explore(struct scenario *s, const char *text, struct explore_request *how,
			   FILE *errors);

#endif
