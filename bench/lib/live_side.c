// SPDX-License-Identifier: MIT
/* Making files, touching their pages, and looking whether the right bytes are there. */
#include "bench/lib/live_side.h"

#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define IO_PAGES 256		/* of one pread or pwrite */

/* A page starts with what was in the file before, behind which the touch stores. */
struct page_head {
	u64 before, stored;
};

static u64 mark(u64 page)
{
	return page * 0x9e3779b97f4a7c15ULL + 1;
}

static u64 expected(const struct live *l, u64 page)
{
	return l->what->touch.state == PAGE_WRITTEN ? mark(page) : 0;
}

void live_open(struct live *l, const char *name, const struct daxsim_options *o)
{
	*l = (struct live){ .name = name, .fault_around = o->fault_around };
	if (daxsim_mount(o, &l->d))
		errx(EXIT_FAILURE, "%s: cannot mount: %s", name, daxsim_error());
}

void live_close(struct live *l)
{
	if (daxsim_check(l->d))
		errx(EXIT_FAILURE, "%s: %s", l->name, daxsim_error());
	daxsim_umount(l->d);
}

/* Read or write the file from its start to its end, whole pages. */
static int each_page(struct live *l, bool write, bool (*look)(struct live *l, u64 page,
							       struct page_head *head))
{
	char *buf = calloc(IO_PAGES, PAGE_SIZE);
	bool ok = buf;

	for (u64 page = 0; ok && page < l->nr_pages; page += IO_PAGES) {
		u64 nr = min_t(u64, IO_PAGES, l->nr_pages - page);
		ssize_t size = nr << PAGE_SHIFT;
		off_t at = page << PAGE_SHIFT;

		ok = write || daxsim_pread(l->file, buf, size, at) == size;
		for (u64 i = 0; ok && i < nr; i++)
			ok = look(l, page + i, (struct page_head *)(buf + (i << PAGE_SHIFT)));
		ok = ok && (!write || daxsim_pwrite(l->file, buf, size, at) == size);
	}
	free(buf);
	return ok ? 0 : -EILSEQ;
}

static bool fill(struct live *l, u64 page, struct page_head *head)
{
	(void)l;
	*head = (struct page_head){ .before = mark(page) };
	return true;
}

static bool right(struct live *l, u64 page, struct page_head *head)
{
	u64 stored = l->what->touch.store ? mark(page) : 0;

	return head->before == expected(l, page) && head->stored == stored;
}

static int open_file(struct live *l, const char *name, int flags)
{
	return daxsim_open(l->d, name, O_RDWR | O_CREAT | flags, &l->file);
}

/* Written by an earlier round, and not stored to, is as good. */
static int fill_file(struct live *l, off_t size)
{
	int err = 0;

	if (l->nr_filled < l->nr_pages) {
		err = daxsim_ftruncate(l->file, size);
		if (!err)
			err = each_page(l, true, fill);
	}
	l->nr_filled = err || l->what->touch.store ? 0 : max_t(u64, l->nr_filled, l->nr_pages);
	return err;
}

/* New blocks, or the same ones that the file had. */
static int make_file(struct live *l)
{
	off_t size = (l->nr_pages + 1) << PAGE_SHIFT;
	char name[32];
	int err;

	switch (l->what->touch.state) {
	case PAGE_HOLE:
		snprintf(name, sizeof(name), "holes-%u", l->nr_files++);
		err = open_file(l, name, O_EXCL);
		return err ? err : daxsim_ftruncate(l->file, size);
	case PAGE_FALLOCATED:
		err = open_file(l, "fallocated", 0);
		if (!err)
			err = daxsim_ftruncate(l->file, size);
		if (!err)
			err = each_page(l, true, fill);
		if (!err)
			err = daxsim_ftruncate(l->file, 0);
		return err ? err : daxsim_fallocate(l->file, 0, 0, size);
	default:
		err = open_file(l, "written", 0);
		return err ? err : fill_file(l, size);
	}
}

static volatile struct page_head *head_at(struct live *l, u64 page)
{
	return (volatile struct page_head *)(l->addr + (page << PAGE_SHIFT));
}

static u64 nr_faults(struct live *l)
{
	struct daxsim_statistics s;

	daxsim_statistics(l->d, &s);
	return s.faults;
}

int live_begin(struct live *l, const struct fault_case *c, u64 nr_pages)
{
	void *addr;
	int err;

	l->what = c;
	l->nr_pages = nr_pages;
	l->nr_wrong = 0;
	err = make_file(l);
	if (!err)
		err = daxsim_mmap(l->file, (nr_pages + 1) << PAGE_SHIFT, PROT_READ | PROT_WRITE,
				  MAP_SHARED, 0, &addr);
	if (err)
		return err;
	l->addr = addr;
	(void)head_at(l, nr_pages)->before;
	for (u64 page = 0; c->touch.loaded && page < nr_pages; page++)
		l->nr_wrong += head_at(l, page)->before != expected(l, page);
	l->faults = nr_faults(l);
	return 0;
}

static void touch(struct live *l, u64 page, u64 *before)
{
	if (l->what->touch.store)
		head_at(l, page)->stored = mark(page);
	else
		*before = head_at(l, page)->before;
}

void live_touch(struct live *l, u64 first, u64 nr, u64 *ns)
{
	u64 nr_wrong = 0;

	for (u64 i = 0; i < nr; i++) {
		u64 page = first + i, before = expected(l, page), start;

		if (!ns) {
			touch(l, page, &before);
		} else {
			start = now_ns();
			touch(l, page, &before);
			ns[i] = now_ns() - start;
		}
		nr_wrong += before != expected(l, page);
	}
	if (nr_wrong)
		__atomic_fetch_add(&l->nr_wrong, nr_wrong, __ATOMIC_RELAXED);
}

int live_end(struct live *l)
{
	u64 faults = nr_faults(l) - l->faults;
	int err = l->nr_wrong ? -EILSEQ : each_page(l, false, right);

	/* The last fault may be counted only after it is over. */
	if (!err && l->fault_around == 1 && (faults + 1 < l->nr_pages || faults > l->nr_pages + 1))
		err = -ERANGE;
	if (!err)
		err = daxsim_munmap(l->d, l->addr, (l->nr_pages + 1) << PAGE_SHIFT);
	daxsim_close(l->file);
	return err;
}

static int side_begin(void *self, const struct fault_case *c, u64 nr_pages)
{
	return live_begin(self, c, nr_pages);
}

static void side_touch(void *self, u64 first, u64 nr, u64 *ns)
{
	live_touch(self, first, nr, ns);
}

static int side_end(void *self)
{
	return live_end(self);
}

struct side live_side(struct live *l)
{
	return (struct side){ .name = l->name, .self = l, .begin = side_begin,
			      .touch = side_touch, .end = side_end };
}
