/* SPDX-License-Identifier: MIT */
/* The one directory of a live machine: names of files. */
#ifndef DAXSIM_LIVE_DIR_H
#define DAXSIM_LIVE_DIR_H

#include <bsd/sys/tree.h>
#include <pthread.h>

#include "daxsim/sim/types.h"

#define LIVE_NAME_MAX 255

struct inode;
struct sim;

struct live_dirent {
	RB_ENTRY(live_dirent) link;
	struct inode *inode;
	char *name;		/* outlives the entry, if the file does */
};

/* Never looked at in a fault, so an ordinary mutex will do. */
struct live_dir {
	pthread_mutex_t lock;
	RB_HEAD(live_names, live_dirent) names;
	u64 nr;
};

/** dir_init() - an empty directory */
void dir_init(struct live_dir *dir);

/**
 * dir_open() - find a file, or make one
 * @dir: the directory
 * @sim: the machine
 * @name: of the file
 * @flags: O_CREAT, O_EXCL as in open(2)
 * @inodep: set on success, with a reference for the caller
 *
 * Return: 0, -ENOENT, -EEXIST, -EINVAL or -ENAMETOOLONG for the name, -ENOMEM, -ENOSPC.
 */
int dir_open(struct live_dir *dir, struct sim *sim, const char *name, int flags,
	     struct inode **inodep);

/** dir_unlink() - take a name away, and the file with it unless somebody uses it. 0 or -ENOENT */
int dir_unlink(struct live_dir *dir, struct sim *sim, const char *name);

/** dir_count() - how many names there are */
u64 dir_count(struct live_dir *dir);

#endif
