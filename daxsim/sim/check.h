/* SPDX-License-Identifier: MIT */
/*
 * The watchers of the invariants. They keep ground truth of their own, outside
 * of the code under test: who owns each block, and which bytes each file ought
 * to hold. The simulated kernel tells them what it does at the few places that
 * everything passes through; each call below is such a place. With a NULL
 * struct check nobody watches.
 */
#ifndef DAXSIM_CHECK_H
#define DAXSIM_CHECK_H

#include "daxsim/kernel/lock.h"
#include "daxsim/sim/invariant.h"
#include "daxsim/sim/types.h"

struct check;
struct inode;
struct sim;
struct task;
struct vm_fault;
struct vma;

/* Called for each violation with one line of text. */
typedef void (*check_report_fn)(void *data, enum invariant inv, const char *text);

/**
 * check_create() - watch a machine
 * @sim: a machine of whose device no file has a block yet; sim->check is set
 * @ignored: invariants not to report, bit per enum invariant
 * @report: where violations go
 * @data: handed to @report
 *
 * Return: 0 or -ENOMEM.
 */
int check_create(struct sim *sim, u64 ignored, check_report_fn report, void *data);

/** check_report() - report a violation that somebody else noticed */
__printf(3, 4) void check_report(struct check *c, enum invariant inv, const char *fmt, ...);

/* The allocator and the extent maps; each after the fact. */
void check_alloc(struct check *c, block_t block, u64 len);
void check_free(struct check *c, block_t block, u64 len, int err);
void check_extent_added(struct check *c, struct inode *inode, u64 lblk, block_t block, u64 len);
void check_extent_marked(struct check *c, struct inode *inode, u64 lblk, u64 len, bool unwritten);
void check_extent_moved(struct check *c, struct inode *inode, u64 lblk, s64 delta);
void check_extent_removed(struct check *c, struct inode *inode, u64 lblk, block_t block, u64 len);

/* The file is gone. */
void check_evict(struct check *c, struct inode *inode);

/*
 * The kernel is about to change a block on behalf of page @pgoff of a file:
 * _init zeroes a new block, or its edges, which must not change what the file
 * holds; _zero zeroes bytes of the file; _write writes them.
 */
void check_block_init(struct check *c, struct inode *inode, pgoff_t pgoff, block_t block, u64 off,
		      u64 len);
void check_block_zero(struct check *c, struct inode *inode, pgoff_t pgoff, block_t block, u64 off,
		      u64 len);
void check_block_write(struct check *c, struct inode *inode, pgoff_t pgoff, block_t block, u64 off,
		       const u8 *data, u64 len);

/* A cached page is about to be written to its block: it should be what the file holds. */
void check_write_back(struct check *c, struct inode *inode, pgoff_t pgoff, block_t block,
		      const u8 *page);

/* The kernel has read bytes of a file from a block, or zeroes from a hole. */
void check_block_read(struct check *c, struct inode *inode, pgoff_t pgoff, block_t block, u64 off,
		      const u8 *data, u64 len);
/*
 * A private page was copied from a block. What it holds is only seen once it is
 * mapped, and a fault that loses a race throws it away: check_cow() returns the
 * first byte that is not the file's, or -1, and check_cow_mapped() reports it.
 */
s64 check_cow(struct check *c, struct inode *inode, pgoff_t pgoff, const u8 *page);
void check_cow_mapped(struct check *c, struct inode *inode, const struct vm_fault *vmf);

void check_hole_read(struct check *c, struct inode *inode, pgoff_t pgoff, u64 off, u64 len);

/*
 * The page cache of a file holds bytes, which on a DAX file it never should:
 * @data was written there, or, NULL, a copy of the block was made.
 */
void check_cached(struct check *c, struct inode *inode, pgoff_t pgoff, u64 off, const u8 *data,
		  u64 len);

/* User code has loaded or stored @len bytes at @addr, within one page. */
void check_user_access(struct check *c, struct vma *vma, u64 addr, const u8 *data, u64 len,
		       bool write);

/* A PTE has changed. */
void check_pte(struct check *c, struct vma *vma, u64 page);

/* truncate(2) works on the file between these two; i_mutex is held. */
void check_truncate_begins(struct check *c, struct inode *inode);
void check_truncate_ends(struct check *c, struct inode *inode);

/* A task leaves the kernel: it must hold nothing. */
void check_return_to_user(struct check *c, struct task *t);

/* A task drops a lock that it does not hold. */
void check_unlock_imbalance(struct check *c, struct task *t, const struct lock *lock);

/* No task is inside the kernel: everything that must hold then is looked at. */
void check_quiescent(struct check *c);

#endif
