// SPDX-License-Identifier: MIT
/* Machines for tests of file systems. */
#include "tests/fs_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daxsim/kernel/uaccess.h"

static void note(void *data, enum invariant inv, const char *text)
{
	struct fs_machine *m = data;
	bool first = true;

	for (int i = 0; i < NR_INVARIANTS; i++)
		first &= !m->said[i];
	if (first)
		snprintf(m->text, sizeof(m->text), "%s: %s", invariant_table[inv].name, text);
	m->said[inv]++;
}

static bool hold(void *data, struct task *t, enum point_id id, enum point_kind kind, u64 object)
{
	struct fs_machine *m = data;

	(void)kind;
	(void)object;
	if (m->see)
		m->see(m, t, id);
	m->hits[id]++;
	if (m->stops[t->id].point != (int)id || --m->stops[t->id].left)
		return false;
	m->stops[t->id].point = -1;
	return true;
}

/* "ext4@v11 -p3 +l1" */
static const struct fs_ops *parse(const char *variant, profile_t *profile)
{
	char text[100], *save, *word;
	const struct fs_ops *fs;

	snprintf(text, sizeof(text), "%s", variant);
	fs = fs_find(strtok_r(text, "@", &save));
	cr_assert_not_null(fs);
	cr_assert_eq(profile_find(strtok_r(NULL, " ", &save), profile), 0);
	while ((word = strtok_r(NULL, " ", &save))) {
		int p = protection_find(word + 1);

		cr_assert_geq(p, 0, "there is no %s", word + 1);
		*profile = *word == '-' ? *profile & ~BIT(p) : *profile | BIT(p);
	}
	return fs;
}

struct fs_machine *fs_boot(const char *variant, u64 blocks)
{
	static const char *const names[FS_TASKS] = { "a", "b", "c" };
	struct fs_machine *m = calloc(1, sizeof(*m));
	struct file *files[] = { &m->f, &m->g };
	char why[200];
	profile_t profile;
	const struct fs_ops *fs = parse(variant, &profile);

	cr_assert_eq(sim_init(&m->sim, (blocks ? blocks : 512) << PAGE_SHIFT, &soft_mmu, why,
			      sizeof(why)), 0, "%s", why);
	memset(pmem_block(&m->sim.pmem, 1), FS_STALE, (m->sim.pmem.nr_blocks - 1) << PAGE_SHIFT);
	cr_assert_eq(check_create(&m->sim, 0, note, m), 0);
	cr_assert_eq(mount_fs(&m->sim, fs, profile), 0);
	m->mm = mm_create(&m->sim, "main");
	cr_assert_not_null(m->mm);
	for (int i = 0; i < FS_TASKS; i++) {
		m->tasks[i] = sched_add_task(&m->sim, names[i], m->mm);
		cr_assert_not_null(m->tasks[i]);
		m->stops[i].point = -1;
	}
	m->sim.sched.hold = hold;
	m->sim.sched.hold_data = m;
	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		cr_assert_eq(create_inode(m->sim.sb, i ? "g" : "f", &files[i]->inode), 0);
		files[i]->writable = true;
	}
	return m;
}

u32 fs_said(struct fs_machine *m, enum invariant inv)
{
	u32 nr = m->said[inv];

	m->said[inv] = 0;
	return nr;
}

void fs_halt(struct fs_machine *m)
{
	check_quiescent(m->sim.check);
	for (int i = 0; i < NR_INVARIANTS; i++)
		cr_expect_eq(m->said[i], 0, "%u times %s; first %s", m->said[i],
			     invariant_table[i].name, m->text);
	sim_destroy(&m->sim);
	free(m);
}

static void work(struct task *t, void *arg)
{
	struct fs_machine *m = arg;

	m->calls[t->id].fn(m, &m->calls[t->id]);
}

void fs_start(struct fs_machine *m, unsigned int task, struct call c)
{
	m->calls[task] = c;
	sched_start(m->tasks[task], work, m);
}

enum task_state fs_run(struct fs_machine *m, unsigned int task)
{
	return sched_run(m->tasks[task]);
}

void fs_hold(struct fs_machine *m, unsigned int task, struct call c, enum point_id id, u32 nth)
{
	m->stops[task].point = id;
	m->stops[task].left = nth;
	fs_start(m, task, c);
	cr_assert_eq(fs_run(m, task), TASK_READY, "never came to %s", point_table[id].name);
}

struct call *fs_finish(struct fs_machine *m, unsigned int task)
{
	char why[300] = "";
	enum task_state state = fs_run(m, task);

	if (state == TASK_BLOCKED)
		sched_wait_graph(&m->sim.sched, why, sizeof(why));
	cr_assert_eq(state, TASK_IDLE, "task %u stopped: %s", task, why);
	return &m->calls[task];
}

struct call *fs_do(struct fs_machine *m, struct call c)
{
	fs_start(m, 0, c);
	return fs_finish(m, 0);
}

/* Both mappings are made by whoever touches f first. */
static u64 mapping(struct fs_machine *m, bool shared)
{
	u64 *addr = shared ? &m->map : &m->private_map;
	u32 flags = VM_READ | VM_WRITE | (shared ? VM_SHARED : 0);

	if (!*addr)
		cr_assert_eq(do_mmap(m->mm, &m->f, shared ? "m" : "p", 0, FS_MAP_PAGES, flags, addr),
			     0);
	return *addr;
}

static void touch(struct fs_machine *m, struct call *c, bool shared, bool write)
{
	struct access_result r = user_access(mapping(m, shared) + c->pos, write ? &c->byte : m->buf,
					     1, write);

	c->ret = r.done;
	c->signal = r.signal;
}

static void store(struct fs_machine *m, struct call *c)
{
	touch(m, c, true, true);
}

static void private_store(struct fs_machine *m, struct call *c)
{
	touch(m, c, false, true);
}

static void load(struct fs_machine *m, struct call *c)
{
	touch(m, c, true, false);
	c->byte = m->buf[0];
}

static void do_write(struct fs_machine *m, struct call *c)
{
	struct iov_iter from = { .count = c->len, .fill = c->byte };

	(void)m;
	c->ret = vfs_write(c->file, &from, c->pos);
}

static void do_read(struct fs_machine *m, struct call *c)
{
	struct iov_iter to = { .count = c->len, .kbuf = m->buf };

	cr_assert_leq(c->len, sizeof(m->buf));
	c->ret = vfs_read(c->file, &to, c->pos);
}

static void truncate_file(struct fs_machine *m, struct call *c)
{
	(void)m;
	c->ret = do_truncate(c->file, c->pos);
}

static void falloc(struct fs_machine *m, struct call *c)
{
	(void)m;
	c->ret = do_fallocate(c->file, c->mode, c->pos, c->len);
}

static void sync_file(struct fs_machine *m, struct call *c)
{
	(void)m;
	c->ret = do_fsync(c->file->inode);
}

struct call fs_store(struct fs_machine *m, u64 pos, u8 byte)
{
	return (struct call){ .fn = store, .file = &m->f, .pos = pos, .byte = byte };
}

struct call fs_private_store(struct fs_machine *m, u64 pos, u8 byte)
{
	return (struct call){ .fn = private_store, .file = &m->f, .pos = pos, .byte = byte };
}

struct call fs_load(struct fs_machine *m, u64 pos)
{
	return (struct call){ .fn = load, .file = &m->f, .pos = pos };
}

struct call fs_write(struct file *file, u64 pos, u64 len, u8 byte)
{
	return (struct call){ .fn = do_write, .file = file, .pos = pos, .len = len, .byte = byte };
}

struct call fs_read(struct file *file, u64 pos, u64 len)
{
	return (struct call){ .fn = do_read, .file = file, .pos = pos, .len = len };
}

struct call fs_truncate(struct file *file, u64 size)
{
	return (struct call){ .fn = truncate_file, .file = file, .pos = size };
}

struct call fs_falloc(struct file *file, u32 mode, u64 pos, u64 len)
{
	return (struct call){ .fn = falloc, .file = file, .mode = mode, .pos = pos, .len = len };
}

struct call fs_fsync(struct file *file)
{
	return (struct call){ .fn = sync_file, .file = file };
}

char *fs_extents(const struct inode *inode)
{
	const struct extent *e = extent_find_next(&inode->extents, 0);
	char *text;
	size_t size;
	FILE *to = open_memstream(&text, &size);

	cr_assert_not_null(to);
	cr_assert_eq(extent_map_check(&inode->extents), 0);
	for (; e; e = extent_find_next(&inode->extents, extent_end(e)))
		fprintf(to, "[%ju+%ju %c]", (uintmax_t)e->lblk, (uintmax_t)e->len,
			e->unwritten ? 'U' : 'W');
	fclose(to);
	return text;
}

u8 *fs_media(const struct inode *inode, u64 page)
{
	const struct extent *e = extent_find(&inode->extents, page);

	cr_assert_not_null(e, "page %ju is a hole", (uintmax_t)page);
	return pmem_block(&inode->i_sb->sim->pmem, e->pblk + (page - e->lblk));
}

u64 fs_nr_free(struct fs_machine *m)
{
	return balloc_nr_free(m->sim.sb->balloc);
}

/* One row, asking for @c->len bytes. */
static void ask(struct fs_machine *m, struct call *c)
{
	const struct bh_row *row = c->arg;
	struct inode *inode = m->f.inode;
	struct buffer_head bh = { .b_size = c->len };
	u64 page = row->at == 'h' ? 0 : 6, there = row->at == 'h' ? 4 : 10;
	u64 pages = c->len >> PAGE_SHIFT, len, want;
	const struct extent *e;
	block_t block;
	char name[120];

	snprintf(name, sizeof(name), "%s, %c%s, create %d, %ju pages", row->variant, row->at,
		 row->past_eof ? " past EOF" : "", row->create, (uintmax_t)pages);
	cr_assert_eq(alloc_blocks(inode, 100, 12, &block, &len), 0);
	cr_assert_eq(len, 12);
	cr_assert_eq(extent_add(inode, 4, block, 12, row->at != 'w'), 0);
	inode->i_size = row->past_eof ? 0 : FS_PAGES(64);

	cr_expect_eq(get_block(inode, page, &bh, row->create), 0);
	want = row->state ? min_t(u64, pages, there) : pages;
	e = extent_find(&inode->extents, page);
	cr_expect_eq(bh.b_state, row->state, "%s: b_state %#x", name, bh.b_state);
	cr_expect_eq(bh.b_size, want << PAGE_SHIFT, "%s: b_size %#jx", name, (uintmax_t)bh.b_size);
	cr_expect_eq(!!bh.b_end_io, row->end_io, "%s: b_end_io", name);
	cr_expect_eq(bh.b_iblock, page, "%s", name);
	cr_expect_eq(bh.b_inode, inode, "%s", name);
	cr_expect_eq(bh.b_blocknr, row->state ? e->pblk + (page - e->lblk) : 0, "%s: b_blocknr", name);
	if (pages == 1) {
		char *extents = fs_extents(inode);

		cr_expect_str_eq(extents, row->extents, "%s: %s", name, extents);
		free(extents);
	}
	for (u64 i = 0; e && i < min_t(u64, pages, there); i++)
		cr_expect_eq(*fs_media(inode, page + i), row->zeroed ? 0 : FS_STALE,
			     "%s: block %ju has %#x", name, (uintmax_t)i, *fs_media(inode, page + i));
}

void fs_check_bh(const struct bh_row *rows, size_t nr)
{
	static const char *const p4[] = { "+p4", "-p4" };

	for (size_t i = 0; i < nr * 4; i++) {
		const struct bh_row *row = &rows[i / 4];
		struct call c = { .fn = ask, .arg = (void *)row };
		struct fs_machine *m;
		char variant[100];

		snprintf(variant, sizeof(variant), "%s %s", row->variant, p4[i & 1]);
		m = fs_boot(variant, 0);
		c.len = i & 2 ? FS_PAGES(20) : FS_PAGES(1);
		fs_do(m, c);
		cr_expect_eq(m->tasks[0]->nr_held, 0);
		cr_expect_eq(m->tasks[0]->handle_depth, 0);
		/* v10 shows here what it is known for; that is not what the rows are about. */
		fs_said(m, INV_EARLY_WRITTEN);
		m->f.inode->i_size = FS_PAGES(64);
		fs_halt(m);
	}
}
