// SPDX-License-Identifier: MIT
/* Files of a live machine: the system calls, one to one. */
#include "daxsim/kernel/file.h"

#include <errno.h>
#include <fcntl.h>

#include "daxsim/kernel/inode.h"
#include "daxsim/live/live.h"

/* After what may have made a file longer, also by a part, or given blocks back. */
static ssize_t changed(struct daxsim *d, ssize_t ret)
{
	live_again(d);
	return ret;
}

static int open_inode(struct daxsim_file *f, const char *name, int flags)
{
	struct daxsim *d = f->d;
	int err = dir_open(&d->dir, &d->sim, name, flags, &f->file.inode);

	if (err || !(flags & O_TRUNC))
		return err;
	err = changed(d, do_truncate(&f->file, 0));
	if (err)
		iput(f->file.inode);
	return err;
}

static int open_file(struct daxsim *d, const char *name, int flags, struct daxsim_file **fp)
{
	struct daxsim_file *f = arena_alloc(&d->sim.arena, sizeof(*f));
	int err;

	if (!f)
		return -ENOMEM;
	*f = (struct daxsim_file){ .d = d, .file.writable = (flags & O_ACCMODE) == O_RDWR };
	err = open_inode(f, name, flags);
	if (err)
		arena_free(&d->sim.arena, f, sizeof(*f));
	else
		*fp = f;
	return err;
}

int daxsim_open(struct daxsim *d, const char *name, int flags, struct daxsim_file **fp)
{
	int access = flags & O_ACCMODE;

	if ((access != O_RDONLY && access != O_RDWR) || (access == O_RDONLY && flags & O_TRUNC) ||
	    flags & ~(O_ACCMODE | O_CREAT | O_EXCL | O_TRUNC | O_CLOEXEC))
		return live_error(-EINVAL, "open: expected O_RDONLY, or O_RDWR with O_TRUNC or without, "
				  "and besides only O_CREAT, O_EXCL, O_CLOEXEC");
	return CALL(d, "open", open_file(d, name, flags, fp));
}

static int close_file(struct daxsim_file *f)
{
	iput(f->file.inode);
	live_again(f->d);
	arena_free(&f->d->sim.arena, f, sizeof(*f));
	return 0;
}

void daxsim_close(struct daxsim_file *f)
{
	if (f)
		(void)CALL(f->d, "close", close_file(f));
}

int daxsim_unlink(struct daxsim *d, const char *name)
{
	return CALL(d, "unlink", changed(d, dir_unlink(&d->dir, &d->sim, name)));
}

ssize_t daxsim_pread(struct daxsim_file *f, void *buf, size_t count, off_t offset)
{
	struct iov_iter to = { .count = count, .user = true, .uaddr = (u64)buf };

	return CALL(f->d, "pread", vfs_read(&f->file, &to, offset));
}

ssize_t daxsim_pwrite(struct daxsim_file *f, const void *buf, size_t count, off_t offset)
{
	struct iov_iter from = { .count = count, .user = true, .uaddr = (u64)buf };

	return CALL(f->d, "pwrite", changed(f->d, vfs_write(&f->file, &from, offset)));
}

int daxsim_ftruncate(struct daxsim_file *f, off_t length)
{
	return CALL(f->d, "ftruncate", changed(f->d, do_truncate(&f->file, length)));
}

int daxsim_fallocate(struct daxsim_file *f, int mode, off_t offset, off_t length)
{
	return CALL(f->d, "fallocate", changed(f->d, do_fallocate(&f->file, mode, offset, length)));
}

int daxsim_fsync(struct daxsim_file *f)
{
	return CALL(f->d, "fsync", do_fsync(f->file.inode));
}

static int stat_file(struct inode *inode, struct daxsim_stat *st)
{
	u64 blocks = i_blocks(inode);

	guard_lock(&inode->i_lock);
	*st = (struct daxsim_stat){
		.ino = inode->i_ino,
		.size = i_size(inode),
		.blocks = blocks,
		.nlink = inode->i_nlink,
		.mtime = inode->i_mtime,
	};
	guard_unlock(&inode->i_lock);
	return 0;
}

int daxsim_fstat(struct daxsim_file *f, struct daxsim_stat *st)
{
	return CALL(f->d, "fstat", stat_file(f->file.inode, st));
}

static int list_extents(struct inode *inode, u64 start, struct daxsim_extent *extents,
			unsigned int count)
{
	unsigned int nr = 0;
	struct extent e;

	for (u64 block = start >> PAGE_SHIFT; nr < count && extent_lookup(inode, block, &e);
	     block = extent_end(&e)) {
		/* The map may have changed since the one before: do not list any of that again. */
		u64 skip = nr && e.lblk < block ? block - e.lblk : 0;

		extents[nr++] = (struct daxsim_extent){
			.logical = (e.lblk + skip) << PAGE_SHIFT,
			.physical = (e.pblk + skip) << PAGE_SHIFT,
			.length = (e.len - skip) << PAGE_SHIFT,
			.unwritten = e.unwritten,
		};
	}
	return nr;
}

int daxsim_fiemap(struct daxsim_file *f, off_t start, struct daxsim_extent *extents,
		  unsigned int count)
{
	if (start < 0)
		return live_error(-EINVAL, "fiemap: the start is %lld", (long long)start);
	return CALL(f->d, "fiemap", list_extents(f->file.inode, start, extents, count));
}
