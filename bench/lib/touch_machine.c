// SPDX-License-Identifier: MIT
/* Setting up the file, and touching it as the session. */
#include "bench/lib/touch_machine.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "backends/mmu/toucher.h"
#include "bench/lib/placement.h"
#include "bench/lib/samples.h"
#include "daxsim/kernel/file.h"
#include "daxsim/kernel/inode.h"
#include "daxsim/kernel/uaccess.h"

#define FILES 8		/* that must fit on the device: the null file system makes so many slots */

/* Keep the first thing that failed. Returns whether everything is well so far. */
static bool ok(struct touch_machine *m, s64 ret, const char *what)
{
	if (ret < 0 && !m->error) {
		m->error = ret;
		m->failed = what;
	}
	return !m->error;
}

static void touch(struct touch_machine *m, u64 page, bool store)
{
	u64 value = page;
	struct access_result res =
		user_access(m->addr + (page << PAGE_SHIFT), &value, sizeof(value), store);

	ok(m, res.signal ? -EFAULT : 0, "touch a page");
}

static void make_file(struct task *t, void *arg)
{
	struct touch_machine *m = arg;
	u64 nr_pages = m->nr_pages + 1, size = nr_pages << PAGE_SHIFT;
	struct iov_iter bytes = { .count = size, .fill = 0x5a };
	struct file file = { .writable = true };
	u32 flags = VM_READ | VM_WRITE | VM_SHARED;

	if (!ok(m, create_inode(m->sim.sb, "f", &file.inode), "create a file") ||
	    !ok(m, do_truncate(&file, size), "set the size of a file"))
		return;
	if (m->touch.state == PAGE_WRITTEN)
		ok(m, vfs_write(&file, &bytes, 0), "write a file");
	if (m->touch.state == PAGE_HOLE && extent_find(&file.inode->extents, 0))
		ok(m, -ENODATA, "have holes in a file");
	if (!ok(m, 0, NULL) ||
	    !ok(m, do_mmap(t->mm, &file, "m", 0, nr_pages, flags, &m->addr), "map a file"))
		return;
	/* The first access of all starts the session's thread. */
	touch(m, nr_pages - 1, false);
	for (u64 page = 0; m->touch.loaded && page < m->nr_pages; page++)
		touch(m, page, false);
}

static void touch_timed(struct task *t, void *arg)
{
	struct touch_machine *m = arg;

	(void)t;
	for (u64 i = 0; i < m->nr; i++) {
		u64 start = now_ns();

		touch(m, m->first + i, m->touch.store);
		m->ns[i] = now_ns() - start;
	}
}

static void touch_stamped(struct task *t, void *arg)
{
	struct touch_machine *m = arg;

	(void)t;
	for (u64 page = 0; page < m->nr_pages; page++) {
		phases_begin(&m->phases);
		touch(m, page, m->touch.store);
		phases_end(&m->phases);
		for (int p = 0; p < NR_PHASES; p++)
			m->phase_ns[p][page] = m->phases.ns[p];
	}
}

static int run(struct touch_machine *m, void (*work)(struct task *t, void *arg))
{
	sched_start(m->task, work, m);
	sched_run(m->task);
	return m->error;
}

static int set_up(struct touch_machine *m, const struct fs_ops *fs, int cpu)
{
	struct toucher *thread;
	profile_t profile = 0;
	struct mm *mm;

	if (!ok(m, profile_find("v11", &profile), "find v11") ||
	    !ok(m, mount_fs(&m->sim, fs, profile), "make a file system"))
		return m->error;
	mm = mm_create(&m->sim, "p");
	m->task = mm ? sched_add_task(&m->sim, "session", mm) : NULL;
	if (!ok(m, m->task ? 0 : -ENOMEM, "make a session") || run(m, make_file))
		return m->error;
	thread = m->task->mmu;
	ok(m, placement_bind(atomic_load(&thread->tid), cpu), "bind a thread to a CPU");
	return m->error;
}

int touch_machine_open(struct touch_machine *m, const struct fs_ops *fs, const struct touch *how,
		       u64 nr_pages, int cpu, char *why, size_t size)
{
	int err;

	*m = (struct touch_machine){ .touch = *how, .nr_pages = nr_pages };
	err = sim_init(&m->sim, (FILES * (nr_pages + 1) + 1) << PAGE_SHIFT, &uffd_mmu, why, size);
	if (err)
		return err;
	err = set_up(m, fs, cpu);
	if (err) {
		snprintf(why, size, "cannot %s: %s", m->failed, strerror(-err));
		sim_destroy(&m->sim);
	}
	return err;
}

void touch_machine_close(struct touch_machine *m)
{
	sim_destroy(&m->sim);
}

int touch_machine_time(struct touch_machine *m, u64 first, u64 nr, u64 *ns)
{
	m->first = first;
	m->nr = nr;
	m->ns = ns;
	return run(m, touch_timed);
}

int touch_machine_dissect(struct touch_machine *m, u64 *ns)
{
	phases_init(&m->phases);
	for (int p = 0; p < NR_PHASES; p++)
		m->phase_ns[p] = ns + p * m->nr_pages;
	m->sim.sched.hold = phases_hold;
	m->sim.sched.hold_data = &m->phases;
	return run(m, touch_stamped);
}
