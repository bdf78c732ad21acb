// SPDX-License-Identifier: MIT
/*
 * Live mode: many threads in the simulated kernel at once. Each has a file of its own, of which
 * it knows every byte, and all of them fight over two more. What they do is drawn from fixed
 * seeds; the order in which they do it is not, so nothing here depends on that order.
 */
#include <pthread.h>
#include <sched.h>

#include "daxsim/sim/state.h"
#include "tests/machine_fixture.h"

#define WORKERS 4
#define OPS 400			/* of each worker */
#define MAX_PAGES 48		/* of each file */
#define MAX_SIZE ((s64)PAGES(MAX_PAGES))
#define DEVICE_BLOCKS 2048

struct live;

struct worker {
	struct live *l;
	struct task *t;
	pthread_t thread;
	u64 rnd, jitter_rnd;
	struct file own;
	u64 own_map;
	s64 size;		/* of own */
	u8 bytes[MAX_PAGES << PAGE_SHIFT];	/* of own; zero past size */
};

struct live {
	struct sim sim;
	struct mm *mm;
	bool faults_excluded;	/* kernels in which a fault and what moves blocks exclude each other */
	bool has_fallocate;
	u64 nr_free;		/* with no file there */
	struct file mapped, plain;	/* that all workers use */
	u64 map;
	struct worker workers[WORKERS];
};

static u64 draw(u64 *rnd, u64 below)
{
	*rnd ^= *rnd << 13;
	*rnd ^= *rnd >> 7;
	*rnd ^= *rnd << 17;
	return (*rnd >> 11) % below;
}

/* Now and then, let the others go first. */
static void jitter(struct task *t, enum point_id id)
{
	struct worker *w = t->arg;

	(void)id;
	switch (w ? draw(&w->jitter_rnd, 64) : 63) {
	case 0:
		sched_yield();
		break;
	case 1:
		for (u64 i = draw(&w->jitter_rnd, 2000); i; i--)
			__asm__ volatile("");
		break;
	default:
		break;
	}
}

static void make_file(struct live *l, struct file *f, const char *name)
{
	cr_assert_eq(create_inode(l->sim.sb, name, &f->inode), 0);
	f->writable = true;
}

static u64 map_file(struct live *l, struct file *f, u32 flags)
{
	u64 addr = 0;

	cr_assert_eq(do_mmap(l->mm, f, "m", 0, MAX_PAGES, flags, &addr), 0);
	return addr;
}

static struct live *boot(const char *fs, const char *profile)
{
	struct live *l = calloc(1, sizeof(*l));
	char why[100];

	cr_assert_eq(sim_init(&l->sim, PAGES(DEVICE_BLOCKS), &soft_mmu, why, sizeof(why)), 0);
	memset(pmem_block(&l->sim.pmem, 1), 0xee, PAGES(DEVICE_BLOCKS - 1));
	l->sim.jitter = jitter;
	cr_assert_eq(mount_fs(&l->sim, fs_find(fs), profile_of(profile)), 0);
	l->faults_excluded = has(l->sim.sb, I_MMAP_SEM);
	l->has_fallocate = l->sim.sb->ops->fallocate;
	l->nr_free = nr_free_blocks(l->sim.sb);
	l->mm = mm_create(&l->sim, "p");
	current_task = live_task_create(&l->sim, "main", l->mm);
	cr_assert_not_null(current);
	make_file(l, &l->mapped, "mapped");
	make_file(l, &l->plain, "plain");
	l->map = map_file(l, &l->mapped, SHARED_RW);
	return l;
}

/* A range of the file, not past @end. */
static void draw_range(struct worker *w, s64 end, s64 *pos, s64 *len)
{
	*pos = draw(&w->rnd, end);
	*len = 1 + draw(&w->rnd, min_t(s64, end - *pos, PAGES(6)));
}

/*
 * What a worker does to its own file, and what must come of it.
 */
static void own_write(struct worker *w)
{
	s64 pos, len;
	u8 fill = 1 + draw(&w->rnd, 255);

	draw_range(w, MAX_SIZE, &pos, &len);
	memset(w->bytes + pos, fill, len);
	w->size = max_t(s64, w->size, pos + len);
	cr_assert_eq(vfs_write(&w->own, &(struct iov_iter){ .count = len, .fill = fill }, pos), len);
}

static void own_read(struct worker *w)
{
	u8 *buf = malloc(MAX_SIZE);
	s64 pos, len, want;

	draw_range(w, MAX_SIZE, &pos, &len);
	want = max_t(s64, min_t(s64, len, w->size - pos), 0);
	cr_assert_eq(vfs_read(&w->own, &(struct iov_iter){ .count = len, .kbuf = buf }, pos), want);
	cr_assert_eq(memcmp(buf, w->bytes + pos, want), 0);
	free(buf);
}

static void own_truncate(struct worker *w)
{
	s64 size = draw(&w->rnd, MAX_SIZE + 1);

	cr_assert_eq(do_truncate(&w->own, size), 0);
	if (size < w->size)
		memset(w->bytes + size, 0, w->size - size);
	w->size = size;
}

static void own_store(struct worker *w)
{
	u8 buf[64];
	s64 pos, len;

	if (!w->size)
		return;
	draw_range(w, w->size, &pos, &len);
	len = min_t(s64, len, sizeof(buf));
	memset(buf, 1 + draw(&w->rnd, 255), sizeof(buf));
	memcpy(w->bytes + pos, buf, len);
	cr_assert_eq(user_access(w->own_map + pos, buf, len, true).done, (size_t)len);
}

static void own_load(struct worker *w)
{
	u64 page = draw(&w->rnd, MAX_PAGES), pos = PAGES(page);
	struct access_result r;
	u8 buf[PAGE_SIZE];

	r = user_access(w->own_map + pos, buf, sizeof(buf), false);
	if ((s64)pos < w->size) {
		cr_assert_eq(r.done, sizeof(buf));
		cr_assert_eq(memcmp(buf, w->bytes + pos, min_t(s64, w->size - pos, PAGE_SIZE)), 0);
	} else {
		cr_assert_eq(r.signal, SIGBUS);
		cr_assert_eq(r.fault_addr, w->own_map + pos);
	}
}

/* A private mapping shows the file until it is stored to, and never changes it. */
static void own_private(struct worker *w)
{
	u64 addr = map_file(w->l, &w->own, PRIVATE_RW);
	u8 seen, byte = 0x5a;
	s64 pos;

	if (w->size) {
		pos = draw(&w->rnd, w->size);
		if (draw(&w->rnd, 2)) {
			cr_assert_eq(user_access(addr + pos, &seen, 1, false).done, 1);
			cr_assert_eq(seen, w->bytes[pos]);
		}
		cr_assert_eq(user_access(addr + pos, &byte, 1, true).done, 1);
		cr_assert_eq(user_access(addr + pos, &seen, 1, false).done, 1);
		cr_assert_eq(seen, byte);
	}
	cr_assert_eq(do_munmap(w->l->mm, addr, MAX_PAGES), 0);
}

static void own_fallocate(struct worker *w)
{
	static const u32 modes[] = {
		0, FALLOC_FL_KEEP_SIZE, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
		FALLOC_FL_ZERO_RANGE, FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE,
	};
	u32 mode = modes[draw(&w->rnd, ARRAY_SIZE(modes))];
	s64 pos, len;

	draw_range(w, MAX_SIZE, &pos, &len);
	if (!w->l->has_fallocate) {
		cr_assert_eq(do_fallocate(&w->own, mode, pos, len), -EOPNOTSUPP);
		return;
	}
	cr_assert_eq(do_fallocate(&w->own, mode, pos, len), 0);
	if (mode & (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE))
		memset(w->bytes + pos, 0, len);
	if (!(mode & FALLOC_FL_KEEP_SIZE))
		w->size = max_t(s64, w->size, pos + len);
}

/* Forget the file and make another one; what still maps it keeps it alive meanwhile. */
static void own_again(struct worker *w)
{
	unlink_inode(w->own.inode);
	cr_assert_eq(do_munmap(w->l->mm, w->own_map, MAX_PAGES), 0);
	make_file(w->l, &w->own, "own");
	w->own_map = map_file(w->l, &w->own, SHARED_RW);
	w->size = 0;
	memset(w->bytes, 0, sizeof(w->bytes));
}

/* write(2) out of a mapping of the file, read(2) into one: faults inside system calls. */
static void own_to_shared(struct worker *w)
{
	struct file *f = draw(&w->rnd, 2) ? &w->l->mapped : &w->l->plain;
	s64 pos, len;

	if (!w->size)
		return;
	draw_range(w, w->size, &pos, &len);
	cr_assert_eq(vfs_write(f, &(struct iov_iter){ .count = len, .user = true,
						      .uaddr = w->own_map + pos }, pos), len);
}

static void shared_to_own(struct worker *w)
{
	struct live *l = w->l;
	struct file *f = draw(&w->rnd, 2) ? &l->mapped : &l->plain;
	s64 pos, len;
	ssize_t n;

	if (!w->size)
		return;
	draw_range(w, w->size, &pos, &len);
	n = vfs_read(f, &(struct iov_iter){ .count = len, .user = true, .uaddr = w->own_map + pos },
		     pos);
	cr_assert(n >= 0 && n <= len);
	cr_assert_eq(user_access(w->own_map + pos, w->bytes + pos, n, false).done, (size_t)n);
}

/*
 * What all do to the shared files. Nobody knows what comes of it, only what may.
 */
static void shared_write(struct worker *w)
{
	struct file *f = draw(&w->rnd, 2) ? &w->l->mapped : &w->l->plain;
	s64 pos, len;

	draw_range(w, MAX_SIZE, &pos, &len);
	cr_assert_eq(vfs_write(f, &(struct iov_iter){ .count = len, .fill = 0x11 }, pos), len);
}

static void shared_read(struct worker *w)
{
	struct file *f = draw(&w->rnd, 2) ? &w->l->mapped : &w->l->plain;
	s64 pos, len;
	ssize_t n;

	draw_range(w, MAX_SIZE, &pos, &len);
	n = vfs_read(f, &(struct iov_iter){ .count = len }, pos);
	cr_assert(n >= 0 && n <= len);
}

static void shared_touch(struct worker *w)
{
	u8 byte = 0x22;
	struct access_result r = user_access(w->l->map + draw(&w->rnd, MAX_SIZE), &byte, 1,
					     draw(&w->rnd, 2));

	cr_assert(r.done == 1 || r.signal == SIGBUS);
}

/*
 * Kernels of 2014 let a fault insert a block that a truncate or punch beside it gave away, if
 * the file has grown again since. That would show in files that have nothing to do with it, so
 * there the mapped file only grows.
 */
static void shared_truncate(struct worker *w)
{
	struct live *l = w->l;
	bool any = l->faults_excluded && draw(&w->rnd, 2);

	cr_assert_eq(do_truncate(any ? &l->mapped : &l->plain, draw(&w->rnd, MAX_SIZE + 1)), 0);
	if (!l->faults_excluded)
		cr_assert_eq(do_fallocate(&l->mapped, 0, 0, 1 + draw(&w->rnd, MAX_SIZE)),
			     l->has_fallocate ? 0 : -EOPNOTSUPP);
}

static void shared_fallocate(struct worker *w)
{
	static const u32 modes[] = {
		0, FALLOC_FL_KEEP_SIZE, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
		FALLOC_FL_ZERO_RANGE, FALLOC_FL_COLLAPSE_RANGE, FALLOC_FL_INSERT_RANGE,
	};
	struct live *l = w->l;
	struct file *f = l->faults_excluded && draw(&w->rnd, 2) ? &l->mapped : &l->plain;
	u32 mode = modes[draw(&w->rnd, ARRAY_SIZE(modes))];
	s64 pos, len;
	int err;

	draw_range(w, MAX_SIZE, &pos, &len);
	if (mode & (FALLOC_FL_COLLAPSE_RANGE | FALLOC_FL_INSERT_RANGE)) {
		pos &= (s64)PAGE_MASK;
		len = PAGE_SIZE;
	}
	err = do_fallocate(f, mode, pos, len);
	/* A shift may lie past the end of the file by now. Growth by shifts is cut back. */
	if (l->has_fallocate)
		cr_assert(!err || (err == -EINVAL && len == PAGE_SIZE), "%d", err);
	if (i_size(f->inode) > MAX_SIZE)
		cr_assert_eq(do_truncate(f, MAX_SIZE), 0);
}

static void sync_all(struct worker *w)
{
	cr_assert_eq(do_fsync(w->own.inode), 0);
	cr_assert_eq(do_fsync(w->l->mapped.inode), 0);
}

static void freeze_and_thaw(struct worker *w)
{
	int err = freeze_super(w->l->sim.sb);

	cr_assert(!err || err == -EBUSY);
	if (!err)
		cr_assert_eq(thaw_super(w->l->sim.sb), 0);
}

static const struct {
	void (*fn)(struct worker *w);
	u32 weight;
} ops[] = {
	{ own_write, 8 },	{ own_read, 8 },	{ own_truncate, 3 },
	{ own_store, 16 },	{ own_load, 12 },	{ own_private, 2 },
	{ own_fallocate, 4 },	{ own_again, 1 },	{ own_to_shared, 4 },
	{ shared_to_own, 4 },	{ shared_write, 8 },	{ shared_read, 8 },
	{ shared_touch, 30 },	{ shared_truncate, 3 },	{ shared_fallocate, 4 },
	{ sync_all, 2 },	{ freeze_and_thaw, 1 },
};

static void *work(void *arg)
{
	struct worker *w = arg;
	u64 total = 0;

	current_task = w->t;
	for (size_t i = 0; i < ARRAY_SIZE(ops); i++)
		total += ops[i].weight;
	for (int n = 0; n < OPS; n++) {
		u64 at = draw(&w->rnd, total);
		size_t i = 0;

		while (at >= ops[i].weight)
			at -= ops[i++].weight;
		ops[i].fn(w);
		cr_assert_eq(w->t->nr_held, 0);
	}
	current_task = NULL;
	return NULL;
}

/* Every block of the device has one owner or is free; maps and trees are whole. */
static void account(struct live *l)
{
	struct super_block *sb = l->sim.sb;
	u8 *owners = calloc(1, DEVICE_BLOCKS);
	struct inode *inode;
	const char *wrong = balloc_check(sb->balloc);
	u64 used = 0;

	cr_assert_null(wrong, "%s", wrong);
	LIST_FOREACH(inode, &sb->s_inodes, i_sb_list) {
		const struct extent_map *maps[] = { &inode->extents, &inode->meta };

		for (int i = 0; i < 2; i++) {
			const struct extent *e = extent_find_next(maps[i], 0);

			cr_assert_eq(extent_map_check(maps[i]), 0);
			used += maps[i]->nr_blocks;
			for (; e; e = extent_find_next(maps[i], extent_end(e)))
				for (u64 b = e->pblk; b < e->pblk + e->len; b++) {
					cr_assert_eq(owners[b]++, 0, "block %ju", (uintmax_t)b);
					cr_assert(!balloc_is_free(sb->balloc, b));
				}
		}
	}
	cr_assert_eq(nr_free_blocks(sb) + used, l->nr_free);
	free(owners);
}

static void check_own(struct worker *w)
{
	u8 *buf = malloc(MAX_SIZE);

	cr_assert_eq(i_size(w->own.inode), w->size);
	cr_assert_eq(vfs_read(&w->own, &(struct iov_iter){ .count = MAX_SIZE, .kbuf = buf }, 0),
		     w->size);
	cr_assert_eq(memcmp(buf, w->bytes, w->size), 0);
	free(buf);
}

static void fight(const char *fs, const char *profile)
{
	struct live *l = boot(fs, profile);
	char why[100];

	for (int i = 0; i < WORKERS; i++) {
		struct worker *w = &l->workers[i];

		w->l = l;
		w->rnd = 1000 + i;
		w->jitter_rnd = 2000 + i;
		w->t = live_task_create(&l->sim, "worker", l->mm);
		w->t->arg = w;
		make_file(l, &w->own, "own");
		w->own_map = map_file(l, &w->own, SHARED_RW);
	}
	for (int i = 0; i < WORKERS; i++)
		cr_assert_eq(pthread_create(&l->workers[i].thread, NULL, work, &l->workers[i]), 0);
	for (int i = 0; i < WORKERS; i++)
		cr_assert_eq(pthread_join(l->workers[i].thread, NULL), 0);

	cr_expect_eq(state_audit(&l->sim, why, sizeof(why)), 0);
	account(l);
	for (int i = 0; i < WORKERS; i++) {
		struct worker *w = &l->workers[i];

		check_own(w);
		cr_expect_gt(w->t->min_flt + w->t->maj_flt, 0);
		unlink_inode(w->own.inode);
		cr_assert_eq(do_munmap(l->mm, w->own_map, MAX_PAGES), 0);
		live_task_free(w->t);
	}
	account(l);
	cr_assert_eq(do_munmap(l->mm, l->map, MAX_PAGES), 0);
	unlink_inode(l->mapped.inode);
	unlink_inode(l->plain.inode);
	cr_expect(LIST_EMPTY(&l->sim.sb->s_inodes));
	cr_expect(LIST_EMPTY(&l->mm->mmap));
	account(l);
	cr_expect_eq(nr_free_blocks(l->sim.sb), l->nr_free);
	cr_expect_eq(current->nr_held, 0);
	current_task = NULL;
	sim_destroy(&l->sim);
	free(l);
}

Test(live_kernel, ext2_v11)
{
	fight("ext2", "v11");
}

Test(live_kernel, ext4_v11)
{
	fight("ext4", "v11");
}

Test(live_kernel, xfs_v11)
{
	fight("xfs", "v11");
}

Test(live_kernel, ext2_47)
{
	fight("ext2", "4.7");
}

Test(live_kernel, ext4_47)
{
	fight("ext4", "4.7");
}

Test(live_kernel, xfs_47)
{
	fight("xfs", "4.7");
}
