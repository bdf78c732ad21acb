// SPDX-License-Identifier: MIT
/* Super blocks and inodes: they come and go, their locks, their size and time. */
#include "daxsim/kernel/inode.h"

#include <errno.h>
#include <string.h>

#include "daxsim/sim/check.h"
#include "daxsim/sim/sim.h"

#define LABEL_BLOCKS 1		/* block 0 of the device is its label */

const struct fs_ops *fs_find(const char *name)
{
	for (int i = 0; fs_table[i]; i++)
		if (!strcmp(fs_table[i]->name, name))
			return fs_table[i];
	return NULL;
}

int mount_fs(struct sim *sim, const struct fs_ops *ops, profile_t profile)
{
	struct super_block *sb = arena_alloc(&sim->arena, sizeof(*sb));

	if (!sb)
		return -ENOMEM;
	sb->sim = sim;
	sb->ops = ops;
	sb->profile = profile;
	sb->balloc = balloc_create(&sim->arena, LABEL_BLOCKS, sim->pmem.nr_blocks - LABEL_BLOCKS);
	if (!sb->balloc)
		return -ENOMEM;
	lock_init(sim, &sb->s_writers, LOCK_SB_WRITERS, ops->name);
	lock_init(sim, &sb->s_pagefault, LOCK_SB_PAGEFAULT, ops->name);
	LIST_INIT(&sb->s_inodes);
	sim->sb = sb;
	return ops->fill_super ? ops->fill_super(sb) : 0;
}

int create_inode(struct super_block *sb, const char *name, struct inode **inodep)
{
	struct sim *sim = sb->sim;
	struct inode *inode = arena_alloc(&sim->arena, sizeof(*inode));
	int err;

	if (!inode)
		return -ENOMEM;
	inode->i_sb = sb;
	inode->name = name;
	inode->i_ino = sim_next_id(sim);
	inode->i_nlink = 1;
	inode->i_count = 1;
	lock_init(sim, &inode->i_mutex, LOCK_I_MUTEX, name);
	lock_init(sim, &inode->i_mmap_sem, LOCK_I_MMAP_SEM, name);
	lock_init(sim, &inode->i_dio, LOCK_DIO_WAIT, name);
	lock_init(sim, &inode->i_iolock, LOCK_IOLOCK, name);
	lock_init(sim, &inode->i_alloc, sb->ops->alloc_lock, name);
	lock_init(sim, &inode->i_data.i_mmap_mutex, LOCK_I_MMAP_MUTEX, name);
	inode->i_data.host = inode;
	LIST_INIT(&inode->i_data.i_mmap);
	RB_INIT(&inode->i_data.pages);
	RB_INIT(&inode->i_data.entries);
	extent_map_init(&inode->extents, &sim->arena);
	extent_map_init(&inode->meta, &sim->arena);
	err = sb->ops->init_inode ? sb->ops->init_inode(inode) : 0;
	if (err) {
		arena_free(&sim->arena, inode, sizeof(*inode));
		return err;
	}
	guard_lock(&sb->s_lock);
	LIST_INSERT_HEAD(&sb->s_inodes, inode, i_sb_list);
	guard_unlock(&sb->s_lock);
	*inodep = inode;
	return 0;
}

void ihold(struct inode *inode)
{
	guard_lock(&inode->i_lock);
	inode->i_count++;
	guard_unlock(&inode->i_lock);
}

void iput(struct inode *inode)
{
	struct super_block *sb = inode->i_sb;
	bool last;

	point(P_iput, P_WRITE, obj(OBJ_I_COUNT, inode->i_ino, 0));
	guard_lock(&inode->i_lock);
	last = !--inode->i_count && !inode->i_nlink;
	guard_unlock(&inode->i_lock);
	if (!last)
		return;
	truncate_inode_pages_range(&inode->i_data, 0, U64_MAX);
	sb->ops->evict_inode(inode);
	dax_free_entries(&inode->i_data);
	guard_lock(&sb->s_lock);
	LIST_REMOVE(inode, i_sb_list);
	guard_unlock(&sb->s_lock);
	check_evict(sb->sim->check, inode);
	if (inode->owns_name)
		arena_free(&sb->sim->arena, (char *)inode->name, strlen(inode->name) + 1);
	arena_free(&sb->sim->arena, inode, sizeof(*inode));
}

void unlink_inode(struct inode *inode)
{
	also(P_WRITE, obj(OBJ_I_COUNT, inode->i_ino, 0));
	guard_lock(&inode->i_lock);
	inode->i_nlink--;
	guard_unlock(&inode->i_lock);
	iput(inode);
}

void inode_lock(struct inode *inode)
{
	mutex_lock(&inode->i_mutex);
	if (inode->i_sb->ops->has_iolock)
		down_write(&inode->i_iolock);
}

void inode_unlock(struct inode *inode)
{
	if (inode->i_sb->ops->has_iolock)
		up_write(&inode->i_iolock);
	mutex_unlock(&inode->i_mutex);
}

void inode_lock_shared(struct inode *inode)
{
	if (inode->i_sb->ops->has_iolock)
		down_read(&inode->i_iolock);
	else
		mutex_lock(&inode->i_mutex);
}

void inode_unlock_shared(struct inode *inode)
{
	if (inode->i_sb->ops->has_iolock)
		up_read(&inode->i_iolock);
	else
		mutex_unlock(&inode->i_mutex);
}

void i_mmap_lock_write(struct inode *inode)
{
	if (has(inode->i_sb, I_MMAP_SEM))
		down_write(&inode->i_mmap_sem);
}

void i_mmap_unlock_write(struct inode *inode)
{
	if (has(inode->i_sb, I_MMAP_SEM))
		up_write(&inode->i_mmap_sem);
}

void i_mmap_lock_read(struct inode *inode)
{
	if (has(inode->i_sb, I_MMAP_SEM))
		down_read(&inode->i_mmap_sem);
}

void i_mmap_unlock_read(struct inode *inode)
{
	if (has(inode->i_sb, I_MMAP_SEM))
		up_read(&inode->i_mmap_sem);
}

void file_update_time(struct inode *inode)
{
	const struct task *t = current;

	/* Updates commute: each task has an object of its own, and who looks reads them all. */
	if (t)
		also(P_WRITE, obj(OBJ_MTIME, inode->i_ino, t->id));
	guard_lock(&inode->i_lock);
	inode->i_mtime++;
	guard_unlock(&inode->i_lock);
}

s64 i_size_read(const struct inode *inode)
{
	point(P_i_size_read, P_READ, obj(OBJ_I_SIZE, inode->i_ino, 0));
	return i_size(inode);
}

void i_size_write(struct inode *inode, s64 size)
{
	point(P_i_size_write, P_WRITE, obj(OBJ_I_SIZE, inode->i_ino, 0));
	__atomic_store_n(&inode->i_size, size, __ATOMIC_RELEASE);
}

s64 s_maxbytes(const struct super_block *sb)
{
	return sb->ops->max_bytes ? sb->ops->max_bytes : (s64)UINT32_MAX << PAGE_SHIFT;
}
