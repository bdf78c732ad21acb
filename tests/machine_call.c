// SPDX-License-Identifier: MIT
/* The system calls that tests run on the tasks of a machine. */
#include "tests/machine_fixture.h"

static void do_load(struct call *c)
{
	c->access = user_access(c->addr, c->buf, c->len, false);
}

static void do_store(struct call *c)
{
	c->access = user_access(c->addr, c->buf, c->len, true);
}

static struct iov_iter iter_of(const struct call *c)
{
	return (struct iov_iter){ .count = c->len, .kbuf = c->user ? NULL : c->buf,
				  .uaddr = c->addr, .user = c->user };
}

static void do_pread(struct call *c)
{
	struct iov_iter to = iter_of(c);

	c->ret = vfs_read(c->file, &to, c->pos);
	cr_assert_eq(to.count, c->len - max_t(ssize_t, c->ret, 0));
}

static void do_pwrite(struct call *c)
{
	struct iov_iter from = iter_of(c);

	c->ret = vfs_write(c->file, &from, c->pos);
}

static void do_ftruncate(struct call *c)
{
	c->ret = do_truncate(c->file, c->pos);
}

static void do_sync(struct call *c)
{
	c->ret = do_fsync(c->file->inode);
}

static void do_unmap(struct call *c)
{
	c->ret = do_munmap(c->mm, c->addr, c->len);
}

static void do_protect(struct call *c)
{
	c->ret = do_mprotect(c->mm, c->addr, c->len, c->flags);
}

static void do_remap(struct call *c)
{
	c->ret = do_mremap(c->mm, c->addr, c->len, c->pgoff, c->flags, &c->addr);
}

static void do_map(struct call *c)
{
	c->ret = do_mmap(current->mm, c->file, "m", c->pgoff, c->len, c->flags, &c->addr);
}

static void do_create(struct call *c)
{
	c->ret = create_inode(current->sim->sb, (const char *)c->buf, &c->file->inode);
	if (!c->ret)
		c->file->inode->i_count++;
}

static void do_close(struct call *c)
{
	iput(c->file->inode);
}

static void do_unlink(struct call *c)
{
	unlink_inode(c->file->inode);
}

struct call call_load(u64 addr, void *buf, size_t len)
{
	return (struct call){ .fn = do_load, .addr = addr, .buf = buf, .len = len };
}

struct call call_store(u64 addr, void *buf, size_t len)
{
	return (struct call){ .fn = do_store, .addr = addr, .buf = buf, .len = len };
}

struct call call_read(struct file *f, void *buf, size_t len, s64 pos)
{
	return (struct call){ .fn = do_pread, .file = f, .buf = buf, .len = len, .pos = pos };
}

struct call call_write(struct file *f, void *buf, size_t len, s64 pos)
{
	return (struct call){ .fn = do_pwrite, .file = f, .buf = buf, .len = len, .pos = pos };
}

struct call call_truncate(struct file *f, s64 len)
{
	return (struct call){ .fn = do_ftruncate, .file = f, .pos = len };
}

struct call call_fsync(struct file *f)
{
	return (struct call){ .fn = do_sync, .file = f };
}

struct call call_munmap(struct rig *r, enum who who, u64 addr, u64 nr_pages)
{
	return (struct call){ .fn = do_unmap, .mm = r->task[who]->mm, .addr = addr,
			      .len = nr_pages };
}

struct call call_mprotect(struct rig *r, enum who who, u64 addr, u64 nr_pages, u32 flags)
{
	return (struct call){ .fn = do_protect, .mm = r->task[who]->mm, .addr = addr,
			      .len = nr_pages, .flags = flags };
}

struct call call_mremap(struct rig *r, enum who who, u64 addr, u64 old_pages, u64 new_pages)
{
	return (struct call){ .fn = do_remap, .mm = r->task[who]->mm, .addr = addr,
			      .len = old_pages, .pgoff = new_pages, .flags = MREMAP_MAYMOVE };
}

struct call call_mmap(struct file *f, pgoff_t pgoff, u64 nr_pages, u32 flags)
{
	return (struct call){ .fn = do_map, .file = f, .pgoff = pgoff, .len = nr_pages,
			      .flags = flags };
}

struct call call_create(struct file *f, const char *name)
{
	return (struct call){ .fn = do_create, .file = f, .buf = (u8 *)name };
}

struct call call_close(struct file *f)
{
	return (struct call){ .fn = do_close, .file = f };
}

struct call call_unlink(struct file *f)
{
	return (struct call){ .fn = do_unlink, .file = f };
}
