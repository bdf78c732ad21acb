/* SPDX-License-Identifier: MIT */
/* Open files and the system calls on them: read(2), write(2), ftruncate(2), fallocate(2), ... */
#ifndef DAXSIM_FILE_H
#define DAXSIM_FILE_H

#include "daxsim/sim/types.h"

struct inode;
struct super_block;

struct file {
	struct inode *inode;
	bool writable;
};

/* The other end of a read(2) or write(2): kernel memory, one repeated byte, or user memory. */
struct iov_iter {
	size_t count;		/* bytes left */
	u8 *kbuf;		/* the bytes, or NULL */
	u64 uaddr;		/* with kbuf NULL and user: address in current->mm */
	bool user;
	u8 fill;		/* with neither: the byte to write */
};

/**
 * iter_get(), iter_put() - move bytes out of, or into, the caller's buffer
 * @iter: the buffer; advances
 * @sb: whose injected copy faults count
 * @buf: kernel bytes, @n of them
 *
 * Return: bytes moved, fewer than @n if the buffer faults.
 */
size_t iter_get(struct iov_iter *iter, struct super_block *sb, u8 *buf, size_t n);
size_t iter_put(struct iov_iter *iter, struct super_block *sb, u8 *buf, size_t n);

/**
 * vfs_read() - pread(2)
 * @file: the open file
 * @to: where the bytes go
 * @pos: offset in the file, bytes
 *
 * Return: bytes read, 0 at or past end of file, or a negative errno.
 */
ssize_t vfs_read(struct file *file, struct iov_iter *to, s64 pos);

/**
 * vfs_write() - pwrite(2)
 * @file: the open file
 * @from: where the bytes come from
 * @pos: offset in the file, bytes
 *
 * Return: bytes written, fewer than asked for if space or the buffer gave out
 * half way, or a negative errno.
 */
ssize_t vfs_write(struct file *file, struct iov_iter *from, s64 pos);

/** do_truncate() - ftruncate(2) to @length bytes. Return: 0 or a negative errno */
int do_truncate(struct file *file, s64 length);

/* Modes of fallocate(2), with Linux's values. */
#define FALLOC_FL_KEEP_SIZE 0x01
#define FALLOC_FL_PUNCH_HOLE 0x02
#define FALLOC_FL_COLLAPSE_RANGE 0x08
#define FALLOC_FL_ZERO_RANGE 0x10
#define FALLOC_FL_INSERT_RANGE 0x20

/** do_fallocate() - fallocate(2); offset and length in bytes. Return: 0 or a negative errno */
int do_fallocate(struct file *file, u32 mode, s64 offset, s64 len);

/** do_fsync() - fsync(2), and msync(2) of one mapping. Return: 0 or a negative errno */
int do_fsync(struct inode *inode);

/** freeze_super(), thaw_super() - FIFREEZE and FITHAW. Return: 0, -EBUSY or -EINVAL */
int freeze_super(struct super_block *sb);
int thaw_super(struct super_block *sb);

#endif
