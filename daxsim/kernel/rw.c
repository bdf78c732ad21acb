// SPDX-License-Identifier: MIT
/*
 * read(2) and write(2) on a DAX file: the generic decisions of mm/filemap.c and
 * dax_do_io() of fs/dax.c, as of 2014 (v11, Linux 4.0).
 */
#include <errno.h>
#include <string.h>

#include "daxsim/kernel/buffered.h"
#include "daxsim/kernel/file.h"
#include "daxsim/kernel/inode.h"
#include "daxsim/kernel/uaccess.h"
#include "daxsim/sim/check.h"
#include "daxsim/sim/media.h"
#include "daxsim/sim/sim.h"

size_t iter_get(struct iov_iter *from, struct super_block *sb, u8 *buf, size_t n)
{
	size_t good = inject_copy_limit(&sb->inject[INJECT_COPY], n);

	if (from->user)
		good = copy_user(from->uaddr, buf, good, false);
	else if (from->kbuf)
		memcpy(buf, from->kbuf, good);
	else
		memset(buf, from->fill, good);
	if (from->kbuf)
		from->kbuf += good;
	from->uaddr += good;
	from->count -= good;
	return good;
}

size_t iter_put(struct iov_iter *to, struct super_block *sb, u8 *buf, size_t n)
{
	size_t good = inject_copy_limit(&sb->inject[INJECT_COPY], n);

	if (to->user)
		good = copy_user(to->uaddr, buf, good, true);
	else if (to->kbuf && to->kbuf != buf)
		memcpy(to->kbuf, buf, good);
	if (to->kbuf)
		to->kbuf += good;
	to->uaddr += good;
	to->count -= good;
	return good;
}

/* A DAX read or write in progress. */
struct dax_io {
	struct inode *inode;
	struct iov_iter *iter;
	bool write;
	s64 pos, end;			/* bytes of the file */
	struct buffer_head bh;		/* what get_block said last */
	sector_t bh_block;		/* the block of the file it starts at */
	s64 bh_end;			/* where it ends, bytes of the file */
	u8 *addr;			/* device address of the page at pos; NULL for a hole */
	s64 mapped_end;			/* how far addr is good, bytes of the file */
};

static block_t block_at(const struct dax_io *io)
{
	return io->bh.b_blocknr + (io->pos >> PAGE_SHIFT) - io->bh_block;
}

/* Zero what write(2) will not cover of the new blocks in [@addr, @addr + @size). */
static void dax_new_buf(struct dax_io *io, u8 *addr, u64 size, u64 first)
{
	struct sim *sim = io->inode->i_sb->sim;
	sector_t iblock = io->pos >> PAGE_SHIFT;
	block_t block = block_at(io);
	u64 covered = first + (io->end - io->pos);

	if (first) {
		point(P_dax_new_buf, P_WRITE, obj(OBJ_BLOCK, 0, block));
		check_block_init(sim->check, io->inode, iblock, block, 0, first);
		pmem_dirty(&sim->pmem, block);
		media_zero(addr, first);
	}
	if (covered < size) {
		u64 last = covered >> PAGE_SHIFT;

		point(P_dax_new_buf, P_WRITE, obj(OBJ_BLOCK, 0, block + last));
		check_block_init(sim->check, io->inode, iblock + last, block + last,
				 covered & ~PAGE_MASK, size - covered);
		pmem_dirty(&sim->pmem, block + last);
		media_zero(addr + covered, size - covered);
	}
}

/* Find out what lies at io->pos. Return: 0 or a negative errno. */
static int dax_io_map(struct dax_io *io)
{
	u64 first = io->pos & ~PAGE_MASK;
	void *addr;
	long avail;

	if (io->pos >= io->bh_end) {
		int err;

		io->bh = (struct buffer_head){
			.b_size = (first + io->end - io->pos + PAGE_SIZE - 1) & PAGE_MASK,
		};
		io->bh_block = io->pos >> PAGE_SHIFT;
		err = get_block(io->inode, io->bh_block, &io->bh,
				io->write ? GET_BLOCK_WRITE : 0);
		if (err)
			return err;
		/* With nothing in b_state the length of the hole is unknown. */
		if (!io->bh.b_state)
			io->bh.b_size = PAGE_SIZE;
		io->bh_end = (io->bh_block << PAGE_SHIFT) + io->bh.b_size;
	}
	if (!io->write && !buffer_written(&io->bh)) {
		io->addr = NULL;
		io->mapped_end = min_t(s64, io->bh_end, io->end);
		return 0;
	}
	avail = bdev_direct_access(io->inode->i_sb, block_at(io), &addr,
				   io->bh_end - (io->pos - first));
	if (avail <= (long)first)
		return avail < 0 ? avail : -EIO;
	if (io->write && (buffer_new(&io->bh) || buffer_unwritten(&io->bh)))
		dax_new_buf(io, addr, avail, first);
	io->addr = addr;
	io->mapped_end = min_t(s64, io->pos - first + avail, io->end);
	return 0;
}

/* Move up to @n bytes, all in one page, at io->pos. Returns bytes moved. */
static size_t dax_io_move(struct dax_io *io, size_t n)
{
	struct super_block *sb = io->inode->i_sb;
	struct check *check = sb->sim->check;
	sector_t iblock = io->pos >> PAGE_SHIFT;
	u64 first = io->pos & ~PAGE_MASK;
	u8 bounce[PAGE_SIZE], *to = io->iter->kbuf ? io->iter->kbuf : bounce;

	if (io->write) {
		n = iter_get(io->iter, sb, bounce, n);
		if (!n)
			return 0;
		point(P_copy_from_iter, P_WRITE, obj(OBJ_BLOCK, 0, block_at(io)));
		check_block_write(check, io->inode, iblock, block_at(io), first, bounce, n);
		pmem_dirty(&sb->sim->pmem, block_at(io));
		media_copy(io->addr + first, bounce, n);
		return n;
	}
	if (io->addr) {
		point(P_copy_to_iter, P_READ, obj(OBJ_BLOCK, 0, block_at(io)));
		media_copy(to, io->addr + first, n);
		check_block_read(check, io->inode, iblock, block_at(io), first, to, n);
	} else {
		point(P_iov_iter_zero, P_READ, obj(OBJ_EXTENT, io->inode->i_ino, iblock));
		memset(to, 0, n);
		check_hole_read(check, io->inode, iblock, first, n);
	}
	return iter_put(io->iter, sb, to, n);
}

/*
 * Returns bytes moved, or the error that stopped the first of them. A user
 * buffer that cannot be touched at all gave 0 until Linux 4.4 made it -EFAULT.
 */
static ssize_t dax_io(struct inode *inode, struct iov_iter *iter, s64 start, bool write)
{
	struct dax_io io = {
		.inode = inode, .iter = iter, .write = write,
		.pos = start, .end = start + (s64)iter->count,
		.bh_end = start, .mapped_end = start,
	};
	int err = 0;

	if (!write)
		io.end = min_t(s64, io.end, i_size_read(inode));
	while (io.pos < io.end) {
		u64 page_end = (io.pos & PAGE_MASK) + PAGE_SIZE;
		size_t n, moved;

		mark(P_dax_io);
		if (io.pos >= io.mapped_end) {
			err = dax_io_map(&io);
			if (err)
				break;
		}
		n = min_t(s64, page_end, io.mapped_end) - io.pos;
		moved = dax_io_move(&io, n);
		io.pos += moved;
		if (io.addr && !(io.pos & ~PAGE_MASK))
			io.addr += PAGE_SIZE;
		if (moved < n) {
			if (has(inode->i_sb, EFAULT_ON_BAD_BUFFER))
				err = -EFAULT;
			break;
		}
	}
	return io.pos > start ? io.pos - start : err;
}

/* The count of direct I/O in flight is what truncate waits for. */
static ssize_t dax_do_io(struct inode *inode, struct iov_iter *iter, s64 pos, bool write)
{
	const struct fs_ops *ops = inode->i_sb->ops;
	ssize_t ret;

	mark(P_dax_do_io);
	/* A read takes its lock here, a write's caller has it. */
	if (!write)
		inode_lock_shared(inode);
	down_read(&inode->i_dio);
	ret = dax_io(inode, iter, pos, write);
	if (!write)
		inode_unlock_shared(inode);
	if (write && ret > 0 && ops->write_end) {
		int err = ops->write_end(inode, pos, ret);

		ret = err ? err : ret;
	}
	up_read(&inode->i_dio);
	return ret;
}

ssize_t vfs_read(struct file *file, struct iov_iter *to, s64 pos)
{
	struct inode *inode = file->inode;
	ssize_t done, more;

	mark(P_do_read);
	if (pos < 0)
		return -EINVAL;
	if (!to->count || pos >= i_size_read(inode))
		return 0;
	done = dax_do_io(inode, to, pos, false);
	if (has(inode->i_sb, NO_BUFFERED_FALLBACK))
		return done;
	/* v10 read the rest of a short transfer through the page cache (p6). */
	if (done < 0 || !to->count || pos + done >= i_size_read(inode))
		return done;
	more = buffered_read(inode, to, pos + done);
	return more < 0 && !done ? more : done + max_t(ssize_t, more, 0);
}

/* generic_file_direct_write(): hole pages go before and after, so that nobody keeps seeing them. */
static ssize_t direct_write(struct inode *inode, struct iov_iter *from, s64 pos)
{
	pgoff_t first = pos >> PAGE_SHIFT, last = (pos + from->count - 1) >> PAGE_SHIFT;
	size_t wanted = from->count;
	ssize_t written = filemap_write_and_wait_range(inode, first, last);

	if (written)
		return written;
	invalidate_inode_pages2_range(&inode->i_data, first, last);
	written = dax_do_io(inode, from, pos, true);
	invalidate_inode_pages2_range(&inode->i_data, first, last);
	if (written > 0 && pos + written > i_size_read(inode))
		i_size_write(inode, pos + written);
	/* Blocks were allocated for all of it: what lies past i_size must not stay. */
	if (written < (ssize_t)wanted)
		inode->i_sb->ops->write_failed(inode, pos + (s64)wanted);
	return written;
}

ssize_t vfs_write(struct file *file, struct iov_iter *from, s64 pos)
{
	struct inode *inode = file->inode;
	const struct fs_ops *ops = inode->i_sb->ops;
	ssize_t written;

	mark(P_do_write);
	if (!file->writable)
		return -EBADF;
	if (pos < 0)
		return -EINVAL;
	if (!from->count)
		return 0;
	if (pos > s_maxbytes(inode->i_sb) - (s64)from->count)
		return -EFBIG;
	down_read(&inode->i_sb->s_writers);
	inode_lock(inode);
	file_update_time(inode);
	written = ops->write_begin ? ops->write_begin(inode, pos) : 0;
	if (!written)
		written = direct_write(inode, from, pos);
	/* v10 wrote the rest of a short transfer through the page cache (p6). */
	if (written >= 0 && from->count && !has(inode->i_sb, NO_BUFFERED_FALLBACK)) {
		ssize_t more = buffered_write(inode, from, pos + written);

		written = more < 0 && !written ? more : written + max_t(ssize_t, more, 0);
	}
	inode_unlock(inode);
	up_read(&inode->i_sb->s_writers);
	return written;
}

int do_fsync(struct inode *inode)
{
	const struct fs_ops *ops = inode->i_sb->ops;
	int err;

	/* There is no dirty tracking of DAX pages before Linux 4.5: only metadata goes out. */
	mark(P_sync_file);
	inode_lock(inode);
	err = ops->sync ? ops->sync(inode) : 0;
	inode_unlock(inode);
	return err;
}

/* Set s_frozen; returns what it was. */
static bool set_frozen(struct super_block *sb, bool frozen)
{
	bool was;

	guard_lock(&sb->s_lock);
	was = sb->s_frozen;
	sb->s_frozen = frozen;
	guard_unlock(&sb->s_lock);
	return was;
}

static bool is_frozen(struct super_block *sb)
{
	bool frozen;

	guard_lock(&sb->s_lock);
	frozen = sb->s_frozen;
	guard_unlock(&sb->s_lock);
	return frozen;
}

int freeze_super(struct super_block *sb)
{
	point(P_freeze_super, P_WRITE, obj(OBJ_FREEZE, 0, 0));
	if (is_frozen(sb))
		return -EBUSY;
	/* Wait for writers, then for write faults in flight; new ones wait from here on. */
	down_write(&sb->s_writers);
	down_write(&sb->s_pagefault);
	lock_disown(&sb->s_pagefault);
	lock_disown(&sb->s_writers);
	/* From here on anybody may thaw it. */
	also(P_WRITE, obj(OBJ_FREEZE, 0, 0));
	set_frozen(sb, true);
	return 0;
}

int thaw_super(struct super_block *sb)
{
	point(P_thaw_super, P_WRITE, obj(OBJ_FREEZE, 0, 0));
	if (!set_frozen(sb, false))
		return -EINVAL;
	lock_adopt(&sb->s_writers);
	lock_adopt(&sb->s_pagefault);
	up_write(&sb->s_pagefault);
	up_write(&sb->s_writers);
	return 0;
}
