/* SPDX-License-Identifier: MIT */
/*
 * A machine as a scenario sees it: processes, open files and mappings by name,
 * and the commands that work on them.
 */
#ifndef DAXSIM_MACHINE_H
#define DAXSIM_MACHINE_H

#include "daxsim/kernel/file.h"
#include "daxsim/script/scenario.h"
#include "daxsim/sim/sim.h"

struct inode;

#define MAX_NAMES 64

/* A directory entry: its inode, until it is unlinked. */
struct named_inode {
	const char *name;
	struct inode *inode;
};

/* An open file; it lives until its handle and every call that uses it are done. */
struct open_file {
	struct file file;
	u32 users;
	const struct variable *handle;
	bool closed;		/* the handle is gone, or another file's */
};

struct named_file {
	const char *name;
	struct open_file *open;
};

struct named_mapping {
	const char *name;
	struct mm *mm;
	u64 addr;		/* bytes */
	u64 nr_pages;
};

struct machine {
	struct sim sim;
	struct named_inode dir[MAX_NAMES];
	unsigned int nr_dir;
	struct named_file files[MAX_NAMES];
	unsigned int nr_files;
	struct named_mapping maps[MAX_NAMES];
	unsigned int nr_maps;
	struct mm *mms[MAX_SESSIONS + 1];
	unsigned int nr_mms;
	u64 counted[MAX_TASKS][MAX_FIELDS];	/* what `faults` said last, by task */
};

/* What a command came to. */
struct outcome {
	s64 ret;		/* what the call returned; a negative errno */
	int signal;		/* it ended by this signal instead */
	u8 *data;		/* what was read; in the machine's arena */
	size_t nr_data;
	struct extent_value *extents;	/* fiemap; in the machine's arena */
	u32 nr_extents;
	size_t room;		/* bytes allocated for either */
	u64 fields[MAX_FIELDS];	/* in the order of stat_fields or fault_fields */
	char error[128];	/* the command made no sense here: why, and what would; else empty */
};

/* The names of outcome fields in their order; ends with NULL. */
extern const char *const stat_fields[];
extern const char *const fault_fields[];

/**
 * machine_init() - make a machine with an empty file system
 * @m: the machine, contents ignored
 * @s: the scenario that will run in it
 * @variant: file system and profile
 * @mmu: the MMU
 * @why: on failure, one line
 * @why_size: bytes of @why
 *
 * Return: 0 or a negative errno, with nothing left behind.
 */
int machine_init(struct machine *m, const struct scenario *s, const struct variant *variant,
		 const struct mmu_ops *mmu, char *why, size_t why_size);

/** machine_destroy() - drop it in whatever state it is */
void machine_destroy(struct machine *m);

/** machine_mm() - the process of that name, made if there is none yet; NULL without memory */
struct mm *machine_mm(struct machine *m, const char *name);

/**
 * machine_command() - run one command as the current task
 * @m: the machine
 * @cmd: the command
 * @out: what it came to; outcome_free() it
 */
void machine_command(struct machine *m, const struct cmd *cmd, struct outcome *out);

/** outcome_fail() - a command makes no sense here: say why, and what would */
__printf(2, 3) void outcome_fail(struct outcome *out, const char *fmt, ...);

/** outcome_free() - drop what an outcome holds */
void outcome_free(struct machine *m, struct outcome *out);

/** outcome_matches() - whether a command came to what its result asks for */
bool outcome_matches(const struct cmd *cmd, const struct outcome *out);

/** outcome_hash() - of a command, what it returned, and what it read or was told */
u64 outcome_hash(const struct cmd *cmd, const struct outcome *out);

/** outcome_print() - an outcome in the language's own words; returns @buf */
const char *outcome_print(const struct cmd *cmd, const struct outcome *out, char *buf,
			  size_t size);

/** result_print() - the result that a command asks for, in the language's words; returns @buf */
const char *result_print(const struct cmd *cmd, char *buf, size_t size);

#endif
