/* SPDX-License-Identifier: MIT */
/*
 * What the files of the watchers share: ground truth about every block. Whether a watcher finds
 * a violation depends on when it looks: its looks are accesses like those of the code under test,
 * announced with also().
 */
#ifndef DAXSIM_CHECK_PRIVATE_H
#define DAXSIM_CHECK_PRIVATE_H

#include "daxsim/sim/check.h"
#include "daxsim/sim/model.h"
#include "daxsim/sim/sim.h"

/* What is known of blocks comes in small pieces: an exploration copies it again and again. */
#define CHUNK_SHIFT 4
#define CHUNK_BLOCKS (1UL << CHUNK_SHIFT)

typedef unsigned long long ull;	/* for printf */

/*
 * Which bytes of a block have been set: those before front, those from back on,
 * and [from, to) in between. One write(2) needs no more: it zeroes the edges and
 * fills the middle.
 */
struct coverage {
	u16 front, back_len;	/* bytes */
	u16 from, to;
};

/* What is known of one block. */
struct shadow {
	struct inode *owner;	/* NULL: none; a block being set up has none yet */
	u64 lblk : 63;		/* block of the owner */
	u64 allocated : 1;
	struct coverage covered;	/* bytes zeroed or written since it was allocated */
};

struct check {
	struct sim *sim;
	u64 ignored;
	check_report_fn report;
	void *data;
	struct shadow **chunks;	/* by block >> CHUNK_SHIFT; NULL: all free and unowned */
	struct model model;
};

/** check_shadow() - what is known of a block, to look at */
struct shadow *check_shadow(struct check *c, block_t block);

/** check_change() - the same, to change who owns it */
struct shadow *check_change(struct check *c, block_t block);

/** check_describe() - whose a block is, in words: "is page 3 of f"; returns @buf */
const char *check_describe(const struct shadow *s, char *buf, size_t size);

#define DESCRIBE(s) check_describe(s, (char[80]){ 0 }, 80)

/** coverage_add() - bytes [off, off + len) of a block were set */
void coverage_add(struct coverage *c, u64 off, u64 len);

/**
 * coverage_hides() - whether nothing of what a block held before shows in it
 * @bytes: the block as it is
 *
 * All was set, or something was and the rest is zero anyway. A block that
 * nobody touched does not count as clean, whatever it holds.
 */
bool coverage_hides(const struct coverage *c, const u8 *bytes);

/** check_mappings() - look at every PTE of a file */
void check_mappings(struct check *c, struct inode *inode);

/** check_still_mapped() - PTEs of pages [lblk, lblk + len) that point to blocks given up */
void check_still_mapped(struct check *c, struct inode *inode, u64 lblk, block_t block, u64 len);

/** check_as_stored() - whether bytes of a file are what was stored; the common case of check_seen() */
bool check_as_stored(struct check *c, const struct inode *inode, pgoff_t pgoff, u64 off,
		     const u8 *data, u64 len);

/**
 * check_seen() - somebody saw bytes of a file
 * @data: what was seen; NULL: zeroes
 * @how: who saw it, for people
 */
void check_seen(struct check *c, struct inode *inode, pgoff_t pgoff, u64 off, const u8 *data,
		u64 len, const char *how);

#endif
