/* SPDX-License-Identifier: MIT */
/*
 * What a simulated file system is to the kernel: one const struct fs_ops. A
 * file system is one file of this folder, NAME.c, that ends in NAME_fs_ops; the
 * build collects them into fs_table.
 */
#ifndef DAXSIM_FS_H
#define DAXSIM_FS_H

#include "daxsim/kernel/lock.h"
#include "daxsim/sim/types.h"

struct buffer_head;
struct inode;
struct super_block;

struct fs_ops {
	const char *name;
	const char *what;		/* one line for people */
	enum lock_class alloc_lock;	/* class of inode->i_alloc */

	/* Set up a new file system; may be NULL. Return: 0 or a negative errno. */
	int (*fill_super)(struct super_block *sb);

	/* Set up a new file; may be NULL. Return: 0 or a negative errno. */
	int (*init_inode)(struct inode *inode);

	/* The last reference of an unlinked file is gone: free its blocks. */
	void (*evict_inode)(struct inode *inode);

	/*
	 * The kernel's get_block_t: report the blocks at @iblock, at most bh->b_size
	 * bytes of them, and with @create allocate them if there are none. A hole
	 * leaves b_state 0. Return: 0 or a negative errno.
	 */
	int (*get_block)(struct inode *inode, sector_t iblock, struct buffer_head *bh, int create);

	/* Change i_size, with all that it takes. i_mutex is held. Return: 0 or a negative errno. */
	int (*setsize)(struct inode *inode, s64 newsize);

	/* A write up to @end failed: give back what it did past i_size. i_mutex is held. */
	void (*write_failed)(struct inode *inode, s64 end);

	/* fallocate(2); NULL: -EOPNOTSUPP. Return: 0 or a negative errno. */
	int (*fallocate)(struct inode *inode, u32 mode, s64 offset, s64 len);

	/* Blocks past end of file are its own business: a fixed or preallocated layout. */
	bool keeps_blocks_past_eof;
};

/* Every file system that was built in; ends with NULL. */
extern const struct fs_ops *const fs_table[];

/** fs_find() - look a file system up by name; NULL if there is none such */
const struct fs_ops *fs_find(const char *name);

#endif
