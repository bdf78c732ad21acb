/* SPDX-License-Identifier: MIT */
/*
 * A file system for tests of the fault path, with what ext2 lacks: fallocate()
 * makes unwritten extents, new blocks come as they are, and end_io converts.
 */
#ifndef TESTS_TOY_FS_H
#define TESTS_TOY_FS_H

#include "backends/fs/fs.h"
#include "daxsim/kernel/inode.h"

extern const struct fs_ops toy_fs;

/* What happened to a file so far; hangs on inode->i_private. */
struct toy_counts {
	u32 creates;		/* get_block(create = 1) */
	u32 end_ios;
	u32 end_ios_locked;	/* of those, with i_mmap_mutex held */
};

static inline struct toy_counts *toy_counts(const struct inode *inode)
{
	return inode->i_private;
}

#endif
