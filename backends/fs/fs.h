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
	s64 max_bytes;			/* largest file, s_maxbytes; 0: 16 TiB */

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

	/*
	 * Change i_size, with all that it takes, i_mmap_sem included where there is one. i_mutex is
	 * held. Return: 0 or a negative errno.
	 */
	int (*setsize)(struct inode *inode, s64 newsize);

	/* A write up to @end failed: give back what it did past i_size. i_mutex is held. */
	void (*write_failed)(struct inode *inode, s64 end);

	/* write(2) is about to begin at @pos; may be NULL. i_mutex is held. Return: 0 or an errno. */
	int (*write_begin)(struct inode *inode, s64 pos);

	/* It moved @len bytes; may be NULL. Return: 0 or a negative errno. */
	int (*write_end)(struct inode *inode, s64 pos, s64 len);

	/* fallocate(2), such as falloc_range(); NULL: -EOPNOTSUPP. Return: 0 or a negative errno. */
	int (*fallocate)(struct inode *inode, u32 mode, s64 offset, s64 len);

	/*
	 * What falloc_range() needs of its file system: a transaction around the
	 * changes to one file, room for the extent tree as it is now (i_alloc is
	 * held), and the order in which a hole is punched. i_mutex is held.
	 */
	int (*trans_begin)(struct inode *inode);
	void (*trans_end)(struct inode *inode);
	int (*fit_tree)(struct inode *inode);
	int (*punch_hole)(struct inode *inode, s64 start, s64 end);

	/* fsync(2); may be NULL. Return: 0 or a negative errno. */
	int (*sync)(struct inode *inode);

	/* Protections of v11, bit per enum protection, whose absence shows on this file system. */
	u64 needs;

	/* Beside i_mutex it has an IOLOCK: shared in read(2), which then needs no i_mutex. */
	bool has_iolock;

	/* fallocate(2) waits for I/O in flight before it takes i_mmap_sem, not under it. */
	bool waits_before_i_mmap_sem;

	/* Blocks past end of file are its own business: a fixed or preallocated layout. */
	bool keeps_blocks_past_eof;
};

/* Every file system that was built in; ends with NULL. */
extern const struct fs_ops *const fs_table[];

/** fs_find() - look a file system up by name; NULL if there is none such */
const struct fs_ops *fs_find(const char *name);

#endif
