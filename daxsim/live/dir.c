// SPDX-License-Identifier: MIT
/* Names and their files. */
#include "daxsim/live/dir.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "daxsim/kernel/inode.h"
#include "daxsim/sim/sim.h"

static int by_name(const struct live_dirent *a, const struct live_dirent *b)
{
	return strcmp(a->name, b->name);
}

RB_GENERATE_INTERNAL(live_names, live_dirent, link, by_name, static __maybe_unused)

void dir_init(struct live_dir *dir)
{
	pthread_mutex_init(&dir->lock, NULL);
	RB_INIT(&dir->names);
	dir->nr = 0;
}

static struct live_dirent *lookup(struct live_dir *dir, const char *name)
{
	struct live_dirent key = { .name = (char *)name };

	return RB_FIND(live_names, &dir->names, &key);
}

static int create(struct live_dir *dir, struct sim *sim, const char *name, struct inode **inodep)
{
	struct live_dirent *entry = arena_alloc(&sim->arena, sizeof(*entry));
	int err = -ENOMEM;

	if (!entry)
		return err;
	entry->name = arena_strdup(&sim->arena, name);
	if (entry->name)
		err = create_inode(sim->sb, entry->name, &entry->inode);
	if (err) {
		if (entry->name)
			arena_free(&sim->arena, entry->name, strlen(name) + 1);
		arena_free(&sim->arena, entry, sizeof(*entry));
		return err;
	}
	entry->inode->owns_name = true;
	RB_INSERT(live_names, &dir->names, entry);
	dir->nr++;
	*inodep = entry->inode;
	return 0;
}

static int check_name(const char *name)
{
	if (strlen(name) > LIVE_NAME_MAX)
		return -ENAMETOOLONG;
	return !*name || strchr(name, '/') ? -EINVAL : 0;
}

int dir_open(struct live_dir *dir, struct sim *sim, const char *name, int flags,
	     struct inode **inodep)
{
	struct live_dirent *entry;
	int err = check_name(name);

	if (err)
		return err;
	pthread_mutex_lock(&dir->lock);
	entry = lookup(dir, name);
	if (!entry && !(flags & O_CREAT))
		err = -ENOENT;
	else if (!entry)
		err = create(dir, sim, name, inodep);
	else if (flags & O_CREAT && flags & O_EXCL)
		err = -EEXIST;
	else
		*inodep = entry->inode;
	if (!err)
		ihold(*inodep);
	pthread_mutex_unlock(&dir->lock);
	return err;
}

int dir_unlink(struct live_dir *dir, struct sim *sim, const char *name)
{
	struct live_dirent *entry;
	struct inode *inode = NULL;

	pthread_mutex_lock(&dir->lock);
	entry = lookup(dir, name);
	if (entry) {
		inode = entry->inode;
		RB_REMOVE(live_names, &dir->names, entry);
		dir->nr--;
		arena_free(&sim->arena, entry, sizeof(*entry));
	}
	pthread_mutex_unlock(&dir->lock);
	/* Freeing blocks may take long, and needs no name. */
	if (inode)
		unlink_inode(inode);
	return inode ? 0 : -ENOENT;
}

u64 dir_count(struct live_dir *dir)
{
	u64 nr;

	pthread_mutex_lock(&dir->lock);
	nr = dir->nr;
	pthread_mutex_unlock(&dir->lock);
	return nr;
}
