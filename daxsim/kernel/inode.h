/* SPDX-License-Identifier: MIT */
/*
 * Super block, inode, address_space and buffer_head: what the VFS has, reduced
 * to what the DAX paths of 2014 look at.
 */
#ifndef DAXSIM_INODE_H
#define DAXSIM_INODE_H

#include <bsd/sys/queue.h>

#include "backends/fs/fs.h"
#include "backends/pmem/balloc.h"
#include "daxsim/kernel/entry.h"
#include "daxsim/kernel/extent.h"
#include "daxsim/kernel/inject.h"
#include "daxsim/kernel/lock.h"
#include "daxsim/kernel/pagecache.h"
#include "daxsim/kernel/profile.h"
#include "daxsim/sim/guard.h"

struct vma;

struct address_space {
	struct inode *host;
	struct lock i_mmap_mutex;
	struct guard tree_lock;			/* of pages, their counts, and entries */
	LIST_HEAD(, vma) i_mmap;		/* every mapping of the file */
	struct page_tree pages;			/* the page cache: hole pages, on a DAX file */
	struct entry_tree entries;		/* locks of pages that were ever faulted (4.7) */
};

struct inode {
	struct super_block *i_sb;
	const char *name;			/* for people */
	bool owns_name;				/* which goes with it then, to the arena */
	u32 i_ino;
	struct guard i_lock;			/* of i_nlink to i_mtime, and the two extent maps */
	u32 i_nlink;
	u32 i_count;				/* handles and mappings that keep it alive */
	u64 i_mtime;				/* a clock of its own: times it was updated */
	s64 i_size;				/* bytes; i_mutex, but faults read it without */
	u64 i_prealloc_end;			/* fallocate -k may have left blocks up to this one */
	struct lock i_mutex;
	struct lock i_mmap_sem;			/* faults shared, truncate exclusive (4.5) */
	struct lock i_dio;			/* readers: direct I/O in flight, i_dio_count */
	struct lock i_iolock;			/* of file systems that have one beside i_mutex */
	struct lock i_alloc;			/* guards extents: truncate_mutex, i_data_sem, ... */
	struct address_space i_data;
	struct extent_map extents;		/* logical to device blocks */
	struct extent_map meta;			/* number of a metadata block to device block */
	void *i_private;			/* the file system's own */
	bool i_in_truncate;			/* the watchers': truncate(2) is at work on it */
	LIST_ENTRY(inode) i_sb_list;
};

struct super_block {
	struct sim *sim;
	const struct fs_ops *ops;
	profile_t profile;			/* of the simulated kernel: enum protection bits */
	struct balloc *balloc;
	struct guard s_balloc_lock;		/* of balloc */
	struct guard s_lock;			/* of s_frozen and s_inodes */
	struct lock s_writers;			/* freeze protection: write(2), truncate, fallocate */
	struct lock s_pagefault;		/* and of write faults, inside mmap_sem */
	bool s_frozen;
	struct injection inject[NR_INJECT_SITES];
	LIST_HEAD(, inode) s_inodes;
	void *s_fs_info;			/* the file system's own */
};

/* Whether the simulated kernel has a protection; asked where it acts. */
static inline bool has(const struct super_block *sb, enum protection p)
{
	return sb->profile >> p & 1;
}

/* Buffer state bits that get_block reports. */
#define BH_Mapped 0x1
#define BH_New 0x2
#define BH_Unwritten 0x4

struct buffer_head {
	u32 b_state;
	block_t b_blocknr;
	u64 b_size;		/* in: bytes wanted; out: bytes at b_blocknr, one extent's worth */
	void (*b_end_io)(struct buffer_head *bh, bool uptodate);
	struct inode *b_inode;	/* b_end_io: which file */
	sector_t b_iblock;	/* b_end_io: which block of it */
};

static inline bool buffer_mapped(const struct buffer_head *bh)
{
	return bh->b_state & BH_Mapped;
}

static inline bool buffer_new(const struct buffer_head *bh)
{
	return bh->b_state & BH_New;
}

static inline bool buffer_unwritten(const struct buffer_head *bh)
{
	return bh->b_state & BH_Unwritten;
}

static inline bool buffer_written(const struct buffer_head *bh)
{
	return buffer_mapped(bh) && !buffer_unwritten(bh);
}

/**
 * mount_fs() - make an empty file system on a machine's device
 * @sim: the machine; its pmem exists, its sb is set on success
 * @ops: the file system
 * @profile: protections of the simulated kernel
 *
 * Return: 0 or a negative errno.
 */
int mount_fs(struct sim *sim, const struct fs_ops *ops, profile_t profile);

/**
 * create_inode() - an empty file with one link and one reference
 * @sb: the file system
 * @name: for people; kept, not copied
 * @inodep: set on success
 *
 * Return: 0 or a negative errno.
 */
int create_inode(struct super_block *sb, const char *name, struct inode **inodep);

/** ihold() - one more reference to a file that the caller has one of */
void ihold(struct inode *inode);

/** iput() - drop a reference; the last one of an unlinked file frees its blocks */
void iput(struct inode *inode);

/** unlink_inode() - drop the link and the reference that came with it */
void unlink_inode(struct inode *inode);

/**
 * inode_lock(), inode_unlock() - i_mutex, and the IOLOCK of file systems that have one
 * inode_lock_shared(), inode_unlock_shared() - for read(2): IOLOCK shared, else i_mutex
 *
 * xfs_rw_ilock() and DIO_LOCKING of Linux 4.0.
 */
void inode_lock(struct inode *inode);
void inode_unlock(struct inode *inode);
void inode_lock_shared(struct inode *inode);
void inode_unlock_shared(struct inode *inode);

/**
 * file_update_time() - the file was, or may have been, modified
 *
 * A write fault counts once, when it is taken; what is stored through its PTE
 * afterwards does not show.
 */
void file_update_time(struct inode *inode);

/** i_size_read(), i_size_write() - the size in bytes, announced as an access */
s64 i_size_read(const struct inode *inode);
void i_size_write(struct inode *inode, s64 size);

/** i_size() - the size where that is no access to announce, as under i_mutex */
static inline s64 i_size(const struct inode *inode)
{
	return __atomic_load_n(&inode->i_size, __ATOMIC_ACQUIRE);
}

/** i_size_pages() - the same in pages, rounded up */
static inline u64 i_size_pages(const struct inode *inode)
{
	return DIV_ROUND_UP((u64)i_size(inode), PAGE_SIZE);
}

/** s_maxbytes() - the largest size a file may have, bytes */
s64 s_maxbytes(const struct super_block *sb);

/** i_blocks() - st_blocks: units of 512 bytes, mapping metadata included */
u64 i_blocks(const struct inode *inode);

/** i_nr_extents() - how many extents the file has */
u64 i_nr_extents(const struct inode *inode);

/** i_nr_meta() - blocks of mapping metadata */
u64 i_nr_meta(const struct inode *inode);

/**
 * get_block() - ask the file system for the block of a page
 * @inode: the file
 * @iblock: block of the file
 * @bh: b_size wanted, in bytes; b_state 0. Filled in as the kernel's get_block_t does
 * @create: allocate if there is none
 *
 * Return: 0 (also for a hole, with nothing in b_state), or a negative errno.
 */
int get_block(struct inode *inode, sector_t iblock, struct buffer_head *bh, int create);

/**
 * i_mmap_lock_write(), i_mmap_unlock_write() - keep faults out of a file that is cut or moved
 * i_mmap_lock_read(), i_mmap_unlock_read() - the fault's side
 *
 * Nothing happens in kernels without that lock.
 */
void i_mmap_lock_write(struct inode *inode);
void i_mmap_unlock_write(struct inode *inode);
void i_mmap_lock_read(struct inode *inode);
void i_mmap_unlock_read(struct inode *inode);

/* What get_block's create may be. */
#define GET_BLOCK_CREATE 1	/* the fault path, and whoever knows no better */
#define GET_BLOCK_WRITE 2	/* write(2), which ends with ops->write_end */

/**
 * map_bh() - report the extent at a block, as get_block does
 * @inode: the file
 * @iblock: block of the file
 * @bh: b_size wanted; BH_Mapped or BH_Unwritten, b_blocknr and b_size are set
 *
 * Return: whether there is one; if not, @bh is left alone.
 */
bool map_bh(struct inode *inode, sector_t iblock, struct buffer_head *bh);

/*
 * Blocks of mapping metadata (indirect blocks, extent tree nodes) take space and
 * show in st_blocks; they are numbered as their file system likes, from 0 without
 * gaps for set_meta_blocks(), else under i_alloc.
 */

/** add_meta_block() - allocate number @n. Return: 0, -ENOSPC or -ENOMEM */
int add_meta_block(struct inode *inode, u64 n);

/** drop_meta_block() - free number @n, if it exists */
void drop_meta_block(struct inode *inode, u64 n);

/** set_meta_blocks() - have @want blocks of mapping metadata. Return: 0, -ENOSPC or -ENOMEM */
int set_meta_blocks(struct inode *inode, u64 want);

/**
 * bdev_direct_access() - address of device memory, with injected failures
 * @sb: whose device
 * @block: where
 * @addr: set to the address
 * @size: bytes wanted
 *
 * Return: bytes available, at most @size, or a negative errno.
 */
long bdev_direct_access(struct super_block *sb, block_t block, void **addr, long size);

/*
 * The extent map of an inode and the free space, each change announced as an
 * access and told to the watchers. i_alloc is held by callers of file systems
 * that have such a lock; under it the map may also be looked at directly.
 */

/** extent_lookup() - a copy of the extent at or behind a block; false if none follows */
bool extent_lookup(struct inode *inode, sector_t iblock, struct extent *e);

/** extent_add() - map blocks of a hole. Return: 0 or a negative errno */
int extent_add(struct inode *inode, sector_t iblock, block_t block, u64 len, bool unwritten);

/** extent_set_unwritten() - change the state of mapped blocks. Return: 0 or a negative errno */
int extent_set_unwritten(struct inode *inode, sector_t iblock, u64 len, bool unwritten);

/** extent_move() - shift all extents from @iblock on by @delta blocks. Return: 0 or an errno */
int extent_move(struct inode *inode, sector_t iblock, s64 delta);

/** extent_free() - unmap [iblock, iblock + len) and free its blocks. Return: 0 or -ENOMEM */
int extent_free(struct inode *inode, sector_t iblock, u64 len);

/**
 * alloc_blocks() - take blocks from the allocator
 * @inode: for whom
 * @goal: wanted first block, 0 for none
 * @max_len: blocks wanted at most
 * @block: set to the first block
 * @len: set to their number, 1 to @max_len
 *
 * Return: 0, -ENOSPC or -ENOMEM.
 */
int alloc_blocks(struct inode *inode, block_t goal, u64 max_len, block_t *block, u64 *len);

/** free_blocks() - give blocks back that no extent refers to */
void free_blocks(struct super_block *sb, block_t block, u64 len);

/** nr_free_blocks() - as statfs(2) reports them */
u64 nr_free_blocks(struct super_block *sb);

#endif
