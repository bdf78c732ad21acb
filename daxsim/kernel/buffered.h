/* SPDX-License-Identifier: MIT */
/*
 * Buffered I/O, which a DAX file must never see: what v10 fell back to when a
 * DAX read or write stopped short (p6).
 */
#ifndef DAXSIM_BUFFERED_H
#define DAXSIM_BUFFERED_H

#include "daxsim/sim/types.h"

struct inode;
struct iov_iter;

/**
 * buffered_write() - write the rest through the page cache, then write it back
 * @inode: the file; i_mutex is held
 * @from: what is left to write
 * @pos: where, bytes
 *
 * generic_perform_write() and what __generic_file_write_iter() of Linux 3.17
 * does behind it for direct I/O. Return: bytes written, or a negative errno.
 */
ssize_t buffered_write(struct inode *inode, struct iov_iter *from, s64 pos);

/**
 * buffered_read() - read the rest through the page cache, which keeps a copy
 * @inode: the file
 * @to: where the bytes go
 * @pos: from where, bytes
 *
 * do_generic_file_read() of Linux 3.17. Return: bytes read, or a negative errno.
 */
ssize_t buffered_read(struct inode *inode, struct iov_iter *to, s64 pos);

/** filemap_write_and_wait_range() - write dirty pages [first, last] back. Return: 0 or an errno */
int filemap_write_and_wait_range(struct inode *inode, u64 first, u64 last);

#endif
