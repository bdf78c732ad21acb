/* SPDX-License-Identifier: MIT */
/* Cutting a file short: what file systems share of it (Linux 3.17 mm/truncate.c, fs/dax.c). */
#ifndef DAXSIM_TRUNCATE_H
#define DAXSIM_TRUNCATE_H

#include "daxsim/sim/types.h"

struct inode;

/**
 * truncate_setsize() - set i_size and cut page tables and page cache to it
 * @inode: the file; i_mutex is held
 * @newsize: bytes
 *
 * i_size first, then the page tables, twice, with the page cache in between:
 * the second pass catches private copies made meanwhile.
 */
void truncate_setsize(struct inode *inode, s64 newsize);

/** truncate_pagecache() - the part of it behind i_size_write() */
void truncate_pagecache(struct inode *inode, s64 newsize);

/**
 * truncate_pagecache_range() - unmap and uncache the whole pages of a range
 * @inode: the file
 * @start: first byte
 * @end: last byte
 */
void truncate_pagecache_range(struct inode *inode, s64 start, s64 end);

/**
 * dax_zero_page_range() - zero bytes of one page in place
 * @inode: the file
 * @from: first byte of the file
 * @length: bytes, not beyond the end of that page
 *
 * A hole or unwritten page is left alone. No lock of its own.
 * Return: 0 or a negative errno.
 */
int dax_zero_page_range(struct inode *inode, s64 from, u64 length);

/** dax_truncate_page() - zero from @from to the end of its page. Return: 0 or a negative errno */
int dax_truncate_page(struct inode *inode, s64 from);

/** inode_dio_wait() - wait until no direct I/O is in flight on the file */
void inode_dio_wait(struct inode *inode);

#endif
