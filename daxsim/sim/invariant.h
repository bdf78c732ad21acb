/* SPDX-License-Identifier: MIT */
/* The invariants, by the names that scenarios and reports use. */
#ifndef DAXSIM_INVARIANT_H
#define DAXSIM_INVARIANT_H

#include "daxsim/sim/name_table.h"

#define INVARIANT_TABLE(I)                                                                         \
	I(FOREIGN_WRITE, "foreign-write",                                                          \
	  "the kernel zeroes or writes a block for a page that does not own it at that moment")    \
	I(STALE_DATA, "stale-data",                                                                \
	  "a reader sees old bytes: of an earlier owner of the block, or gone from the file")      \
	I(STALE_PTE, "stale-pte",                                                                  \
	  "a present PTE points to a block that its file does not own at that page")               \
	I(PTE_PAST_EOF, "pte-past-eof",                                                            \
	  "a PTE is present wholly past end of file after truncate has returned")                  \
	I(LEAK_PAST_EOF, "leak-past-eof", "a block stays allocated past end of file")              \
	I(DOUBLE_ALLOC, "double-alloc", "one block has two owners, or is owned and free")          \
	I(LOST_STORE, "lost-store", "a completed store or write(2) is no longer there")            \
	I(INCOHERENT, "incoherent", "two views of one byte differ")                                \
	I(EARLY_WRITTEN, "early-written",                                                          \
	  "an unwritten extent became written before its block was zeroed or fully written")       \
	I(CACHED_DATA, "cached-data", "a DAX file has data in the page cache")                     \
	I(LOCK_LEAK, "lock-leak", "a session returns to user mode, or ends, holding a lock")       \
	I(LOCK_ORDER, "lock-order", "the order in which lock classes are taken has a cycle")       \
	I(DEADLOCK, "deadlock", "a session waits, or goes round, without end")

enum invariant {
#define INVARIANT_ENUM(id, name, what) INV_##id,
	INVARIANT_TABLE(INVARIANT_ENUM)
#undef INVARIANT_ENUM
	NR_INVARIANTS
};

struct invariant_desc {
	const char *name;
	const char *what;
};

extern const struct invariant_desc invariant_table[NR_INVARIANTS];

extern const struct name_table invariant_names;

#endif
