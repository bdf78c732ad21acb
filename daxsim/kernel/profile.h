/* SPDX-License-Identifier: MIT */
/*
 * Kernel versions as data. A profile is a set of protections; v10 lacks the
 * seven patches that make v11. Code asks has() at the place where a protection
 * acts, and the table here feeds the parser, the command line and the tests.
 */
#ifndef DAXSIM_PROFILE_H
#define DAXSIM_PROFILE_H

#include "daxsim/sim/name_table.h"
#include "daxsim/sim/types.h"

/* enumerator, id, name, the kernel that brought it, what it adds */
#define PROTECTION_TABLE(P)                                                                        \
	P(CHECK_CLEAR_ERROR, "p1", "check-clear-error", "v11",                                     \
	  "an error while zeroing fails the fault; end_io is called after zeroing")                \
	P(UNLOCK_ON_RACE, "p2", "unlock-on-race", "v11",                                           \
	  "the COW path drops i_mmap_mutex when it finds the file truncated")                      \
	P(CLEAR_UNDER_I_MMAP, "p3", "clear-under-i_mmap", "v11",                                   \
	  "a new block is zeroed under i_mmap_mutex, after the i_size re-check")                   \
	P(UNWRITTEN_IS_ALLOCATED, "p4", "unwritten-is-allocated", "v11",                           \
	  "an unwritten extent is not passed to get_block(create) again")                          \
	P(CONVERT_UNWRITTEN, "p5", "convert-unwritten", "v11",                                     \
	  "ext4 supplies end_io, which converts the extent to written")                            \
	P(NO_BUFFERED_FALLBACK, "p6", "no-buffered-fallback", "v11",                               \
	  "a short DAX read or write is not completed through the page cache")                     \
	P(END_IO_OUTSIDE_I_MMAP, "p7", "end-io-outside-i_mmap", "v11",                             \
	  "end_io runs after i_mmap_mutex is dropped")                                             \
	P(RECHECK_I_SIZE, "b1", "recheck-i_size", "v10",                                           \
	  "i_size is checked again before a page is inserted")                                     \
	P(I_MMAP_AROUND_INSERT, "b2", "i_mmap-around-insert", "v10",                               \
	  "that check, zeroing and insertion happen under i_mmap_mutex")                           \
	P(HANDLE_BEFORE_FAULT, "l1", "handle-before-fault", "4.7",                                 \
	  "ext4 opens its handle before a write fault locks a page (4.3)")                         \
	P(I_MMAP_SEM, "l2", "i_mmap_sem", "4.7",                                                   \
	  "faults share a lock that truncate and fallocate take exclusively (XFS 4.1, ext4 4.5)")  \
	P(PREZEROED_BLOCKS, "l3", "prezeroed-blocks", "4.7",                                       \
	  "get_block zeroes what it allocates or converts, under its lock (XFS 4.4 to ext2 4.7)")  \
	P(ENTRY_LOCK, "l4", "entry-lock", "4.7",                                                   \
	  "faults of one page, and write(2) dropping its hole page, exclude each other (4.7, 4.12)")     \
	P(PFN_MKWRITE, "l5", "pfn-mkwrite", "4.7",                                                 \
	  "a store to a page that is mapped read-only updates times and waits for a thaw (4.1)")   \
	P(END_IO_KNOWS_ERRORS, "l6", "end-io-knows-errors", "4.7",                                 \
	  "end_io is told whether the insertion worked, and converts only then (4.2)")             \
	P(EFAULT_ON_BAD_BUFFER, "b3", "efault-on-bad-buffer", "v10",                               \
	  "a user buffer that cannot be touched is EFAULT (Linux 4.4; 2014 returned 0)")

enum protection {
#define PROTECTION_ENUM(id, short_id, name, since, what) id,
	PROTECTION_TABLE(PROTECTION_ENUM)
#undef PROTECTION_ENUM
	NR_PROTECTIONS
};

struct protection_desc {
	const char *name;
	const char *id;
	const char *since;	/* the first profile of profile_table that has it */
	const char *what;
};

extern const struct protection_desc protection_table[NR_PROTECTIONS];

/* Profiles in historical order: each has all the protections of those before it. */
extern const char *const profile_names[];	/* ends with NULL */

/* A set of protections, bit per enum protection. */
typedef u64 profile_t;

extern const struct name_table protection_names;

/**
 * protection_find() - look a protection up by id or name
 * @name: such as "p3" or "clear-under-i_mmap"
 *
 * Return: the enum protection, or -1.
 */
int protection_find(const char *name);

/**
 * profile_find() - the protections of a kernel version
 * @name: such as "v11"
 * @profile: set on success
 *
 * Return: 0, or -ENOENT.
 */
int profile_find(const char *name, profile_t *profile);

/** profile_named() - the same for a name that is known to be right; none of them otherwise */
profile_t profile_named(const char *name);

#endif
