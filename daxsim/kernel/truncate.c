// SPDX-License-Identifier: MIT
/*
 * Truncation and what shares its parts. The order is what the fault path relies
 * on: i_size is written before page tables are cut, and both happen before the
 * file system frees a block.
 */
#include "daxsim/kernel/truncate.h"

#include <errno.h>

#include "daxsim/kernel/file.h"
#include "daxsim/kernel/inode.h"
#include "daxsim/kernel/mm.h"
#include "daxsim/sim/check.h"
#include "daxsim/sim/media.h"
#include "daxsim/sim/sim.h"

void truncate_pagecache(struct inode *inode, s64 newsize)
{
	pgoff_t first = DIV_ROUND_UP((u64)newsize, PAGE_SIZE);

	mark(P_truncate_pagecache);
	unmap_mapping_range(inode, first, 0, true);
	truncate_inode_pages_range(&inode->i_data, first, U64_MAX);
	unmap_mapping_range(inode, first, 0, true);
}

void truncate_setsize(struct inode *inode, s64 newsize)
{
	mark(P_truncate_setsize);
	i_size_write(inode, newsize);
	truncate_pagecache(inode, newsize);
}

void truncate_pagecache_range(struct inode *inode, s64 start, s64 end)
{
	pgoff_t first = DIV_ROUND_UP((u64)start, PAGE_SIZE);
	pgoff_t behind = ((u64)end + 1) >> PAGE_SHIFT;

	if (first >= behind)
		return;
	mark(P_truncate_pagecache);
	unmap_mapping_range(inode, first, behind - first, false);
	truncate_inode_pages_range(&inode->i_data, first, behind - 1);
}

int dax_zero_page_range(struct inode *inode, s64 from, u64 length)
{
	pgoff_t index = from >> PAGE_SHIFT;
	u64 offset = from & ~PAGE_MASK;
	struct super_block *sb = inode->i_sb;
	struct buffer_head bh = { .b_size = PAGE_SIZE };
	void *addr;
	long avail;
	int err;

	if (!length)
		return 0;
	err = get_block(inode, index, &bh, 0);
	if (err || !buffer_written(&bh))
		return err;
	avail = bdev_direct_access(sb, bh.b_blocknr, &addr, PAGE_SIZE);
	if (avail < 0)
		return avail;
	point(P_dax_truncate_page, P_WRITE, obj(OBJ_BLOCK, 0, bh.b_blocknr));
	check_block_zero(sb->sim->check, inode, index, bh.b_blocknr, offset, length);
	pmem_dirty(&sb->sim->pmem, bh.b_blocknr);
	media_zero((u8 *)addr + offset, length);
	return 0;
}

int dax_truncate_page(struct inode *inode, s64 from)
{
	return dax_zero_page_range(inode, from, -(u64)from & ~PAGE_MASK);
}

void inode_dio_wait(struct inode *inode)
{
	mark(P_inode_dio_wait);
	lock_wait(&inode->i_dio, LOCK_EXCLUSIVE);
}

int do_truncate(struct file *file, s64 length)
{
	struct inode *inode = file->inode;
	struct check *check = inode->i_sb->sim->check;
	int err;

	mark(P_do_truncate);
	if (!file->writable || length < 0)
		return -EINVAL;
	if (length > s_maxbytes(inode->i_sb))
		return -EFBIG;
	down_read(&inode->i_sb->s_writers);
	inode_lock(inode);
	check_truncate_begins(check, inode);
	file_update_time(inode);
	err = inode->i_sb->ops->setsize(inode, length);
	check_truncate_ends(check, inode);
	inode_unlock(inode);
	up_read(&inode->i_sb->s_writers);
	return err;
}

int do_fallocate(struct file *file, u32 mode, s64 offset, s64 len)
{
	const struct fs_ops *ops = file->inode->i_sb->ops;
	int err;

	mark(P_do_fallocate);
	if (offset < 0 || len <= 0)
		return -EINVAL;
	if (!file->writable)
		return -EBADF;
	if (offset > s_maxbytes(file->inode->i_sb) - len)
		return -EFBIG;
	if (!ops->fallocate)
		return -EOPNOTSUPP;
	down_read(&file->inode->i_sb->s_writers);
	err = ops->fallocate(file->inode, mode, offset, len);
	up_read(&file->inode->i_sb->s_writers);
	if (!err)
		file_update_time(file->inode);
	return err;
}
