// SPDX-License-Identifier: MIT
/*
 * Random system calls, loads and stores on two files, against a model of what
 * files and mappings hold: every byte that comes back is compared, on every
 * file system, in both MMUs, with all watchers on.
 *
 * The model keeps what lies past EOF in the last page, too: stores there stick.
 * Whether such bytes are zeroed when the file grows is the file system's choice,
 * so the model looks, accepts either, and holds it to what it saw.
 */
#include "tests/machine_fixture.h"

#include <stdio.h>

#define NR_FILES 2
#define NR_MAPS 5
#define FILE_PAGES 16ULL	/* enough for ext2's first indirect block */
#define DEVICE_BLOCKS 256
#define SCRATCH PAGES(FILE_PAGES + 4)

struct model_file {
	struct file *file;
	u64 size;
	u8 data[PAGES(FILE_PAGES)];	/* zero from the end of the last page on */
};

struct model_map {
	struct model_file *mf;		/* NULL: not in use */
	enum who who;
	bool private;
	u64 addr;
	pgoff_t pgoff;
	u64 nr_pages;
	bool gone[FILE_PAGES + 2];	/* unmapped again */
	u8 *copy[FILE_PAGES + 2];	/* private pages */
};

struct world {
	struct rig *r;
	struct model_file files[NR_FILES];
	struct model_map maps[NR_MAPS];
	u64 seed;
	u8 next_byte;
	u8 buf[SCRATCH], want[SCRATCH];
	char op[160];			/* the current operation, for people */
};

static u64 roll(struct world *w, u64 sides)
{
	w->seed ^= w->seed << 13;
	w->seed ^= w->seed >> 7;
	w->seed ^= w->seed << 17;
	return (w->seed >> 8) % sides;
}

/* A position: often at a page border, or beside one. */
static u64 roll_pos(struct world *w, u64 end)
{
	u64 pos = roll(w, end);

	switch (roll(w, 4)) {
	case 0: return pos & PAGE_MASK;
	case 1: return min_t(u64, pos | 0xff8, end - 1);
	default: return pos;
	}
}

static u64 roll_len(struct world *w)
{
	return roll(w, 3) ? 1 + roll(w, 40) : 1 + roll(w, PAGES(3));
}

static void fill(struct world *w, u64 len)
{
	for (u64 i = 0; i < len; i++)
		w->buf[i] = ++w->next_byte ? w->next_byte : ++w->next_byte;
}

static u64 pages_of(const struct model_file *mf)
{
	return DIV_ROUND_UP(mf->size, PAGE_SIZE);
}

static struct model_file *roll_file(struct world *w)
{
	return &w->files[roll(w, NR_FILES)];
}

static void expect_bytes(struct world *w, const u8 *got, const u8 *want, u64 len)
{
	for (u64 i = 0; i < len; i++)
		cr_assert_eq(got[i], want[i], "%s: byte %ju is %02x, expected %02x", w->op, i,
			     got[i], want[i]);
}

/* Growing: the bytes of the old last page past EOF are what they were, or zero. */
static void settle_tail(struct world *w, struct model_file *mf, u64 old_size, u64 first, u64 end)
{
	u64 page = old_size & PAGE_MASK, len = PAGE_SIZE, m;
	struct call c;

	if (!(old_size & ~PAGE_MASK) || mf->size <= page)
		return;
	m = rig_mmap(w->r, C, mf->file, page >> PAGE_SHIFT, 1, SHARED_RO);
	c = call_load(m, w->want, len);
	rig_call(w->r, C, &c);
	cr_assert_eq(c.access.done, len);
	cr_assert_eq(rig_munmap(w->r, C, m, 1), 0);
	for (u64 i = old_size - page; i < len; i++) {
		u8 *byte = &mf->data[page + i];

		if (page + i >= first && page + i < end)
			continue;
		cr_assert(w->want[i] == *byte || !w->want[i],
			  "%s: tail byte %ju is %02x, expected %02x or 0", w->op, page + i,
			  w->want[i], *byte);
		*byte = w->want[i];
	}
}

static void op_write(struct world *w)
{
	struct model_file *mf = roll_file(w);
	u64 len = roll_len(w), pos = roll_pos(w, PAGES(FILE_PAGES)), old = mf->size;
	ssize_t ret;

	len = min_t(u64, len, PAGES(FILE_PAGES) - pos);
	snprintf(w->op, sizeof(w->op), "write %s %ju+%ju, size %ju", mf->file->inode->name, pos,
		 len, old);
	fill(w, len);
	/* Now and then it stops short, or before it begins. */
	if (!roll(w, 8))
		rig_inject(w->r, INJECT_GET_BLOCK, -ENOSPC, roll(w, 3), 1);
	ret = rig_write(w->r, roll(w, 3), mf->file, w->buf, len, pos);
	if (!w->r->sb->inject[INJECT_GET_BLOCK].times && ret != (ssize_t)len)
		cr_assert(ret == -ENOSPC || (ret > 0 && ret < (ssize_t)len), "%s: %zd", w->op, ret);
	else
		cr_assert_eq(ret, (ssize_t)len, "%s: %zd", w->op, ret);
	rig_inject(w->r, INJECT_GET_BLOCK, 0, 0, 0);
	ret = max_t(ssize_t, ret, 0);
	memcpy(mf->data + pos, w->buf, ret);
	if (ret)
		mf->size = max_t(u64, mf->size, pos + ret);
	cr_assert_eq((u64)mf->file->inode->i_size, mf->size, "%s", w->op);
	if (pos + len > old)
		settle_tail(w, mf, old, pos, pos + ret);
}

static void op_read(struct world *w)
{
	struct model_file *mf = roll_file(w);
	u64 len = roll_len(w), pos = roll_pos(w, PAGES(FILE_PAGES));
	u64 end = min_t(u64, pos + len, mf->size), n = end > pos ? end - pos : 0;
	ssize_t ret;

	snprintf(w->op, sizeof(w->op), "read %s %ju+%ju", mf->file->inode->name, pos, len);
	ret = rig_read(w->r, roll(w, 3), mf->file, w->buf, len, pos);
	cr_assert_eq(ret, (ssize_t)n, "%s: %zd", w->op, ret);
	expect_bytes(w, w->buf, mf->data + pos, n);
}

static void drop_copy(struct model_map *map, u64 page)
{
	free(map->copy[page]);
	map->copy[page] = NULL;
}

static void op_truncate(struct world *w)
{
	struct model_file *mf = roll_file(w);
	u64 old = mf->size, size = roll(w, 4) ? roll_pos(w, PAGES(FILE_PAGES)) : 0;

	snprintf(w->op, sizeof(w->op), "truncate %s from %ju to %ju", mf->file->inode->name, old,
		 size);
	cr_assert_eq(rig_truncate(w->r, roll(w, 3), mf->file, size), 0);
	mf->size = size;
	if (size > old) {
		settle_tail(w, mf, old, 0, 0);
		return;
	}
	memset(mf->data + size, 0, PAGES(FILE_PAGES) - size);
	for (struct model_map *map = w->maps; map < w->maps + NR_MAPS; map++)
		for (u64 page = 0; map->mf == mf && page < map->nr_pages; page++)
			if (map->pgoff + page >= pages_of(mf))
				drop_copy(map, page);
}

static void op_sync(struct world *w)
{
	snprintf(w->op, sizeof(w->op), "fsync");
	cr_assert_eq(rig_fsync(w->r, roll(w, 3), roll_file(w)->file), 0);
}

static void forget_map(struct model_map *map)
{
	for (u64 page = 0; page < map->nr_pages; page++)
		drop_copy(map, page);
	*map = (struct model_map){ 0 };
}

static void map_new(struct world *w, struct model_map *map)
{
	map->mf = roll_file(w);
	map->who = roll(w, 3);
	map->private = roll(w, 2);
	map->pgoff = roll(w, FILE_PAGES);
	map->nr_pages = 1 + roll(w, FILE_PAGES + 2 - map->pgoff);
	snprintf(w->op, sizeof(w->op), "mmap %s page %ju+%ju", map->mf->file->inode->name,
		 map->pgoff, map->nr_pages);
	map->addr = rig_mmap(w->r, map->who, map->mf->file, map->pgoff, map->nr_pages,
			     map->private ? PRIVATE_RW : SHARED_RW);
}

static void map_part_away(struct world *w, struct model_map *map)
{
	u64 first = roll(w, 2) ? 0 : roll(w, map->nr_pages);
	u64 nr = roll(w, 2) ? map->nr_pages - first : 1 + roll(w, map->nr_pages - first);

	snprintf(w->op, sizeof(w->op), "munmap page %ju+%ju of %ju", first, nr, map->nr_pages);
	cr_assert_eq(rig_munmap(w->r, map->who, map->addr + PAGES(first), nr), 0);
	for (u64 page = first; page < first + nr; page++) {
		map->gone[page] = true;
		drop_copy(map, page);
	}
	for (u64 page = 0; page < map->nr_pages; page++)
		if (!map->gone[page])
			return;
	forget_map(map);
}

static void op_map(struct world *w)
{
	struct model_map *map = &w->maps[roll(w, NR_MAPS)];

	if (!map->mf)
		map_new(w, map);
	else if (!roll(w, 2))
		map_part_away(w, map);
}

/* What a page of a mapping shows: its private copy or the file. */
static u8 *shown(struct model_map *map, u64 page)
{
	return map->copy[page] ? map->copy[page] : map->mf->data + PAGES(map->pgoff + page);
}

/* An access comes to a page. Returns the signal that it ends with, or 0. */
static int touch_page(struct model_map *map, u64 page, bool write)
{
	if (map->gone[page])
		return SIGSEGV;
	if (map->pgoff + page >= pages_of(map->mf))
		return SIGBUS;
	if (write && map->private && !map->copy[page]) {
		u8 *copy = malloc(PAGE_SIZE);

		map->copy[page] = memcpy(copy, shown(map, page), PAGE_SIZE);
	}
	return 0;
}

static void move(struct model_map *map, u64 off, u8 *buf, u64 len, bool write)
{
	for (u64 i = 0; i < len; i++) {
		u8 *at = shown(map, (off + i) >> PAGE_SHIFT) + ((off + i) & ~PAGE_MASK);

		if (write)
			*at = buf[i];
		else
			buf[i] = *at;
	}
}

/* All instructions of an access, as the model has them. */
static struct access_result model_access(struct model_map *map, u64 off, u8 *buf, u64 len,
					 bool write)
{
	struct access_result res = { 0 };

	while (res.done < len) {
		u64 left = len - res.done, at = off + res.done;
		u64 n = left >= 8 ? 8 : left >= 4 ? 4 : left >= 2 ? 2 : 1;
		u64 page = at >> PAGE_SHIFT, last = (at + n - 1) >> PAGE_SHIFT;

		res.signal = touch_page(map, page, write);
		res.fault_addr = map->addr + at;
		if (!res.signal && last > page) {
			res.signal = touch_page(map, last, write);
			res.fault_addr = map->addr + PAGES(last);
		}
		if (res.signal)
			return res;
		move(map, at, buf + res.done, n, write);
		res.done += n;
	}
	return res;
}

static void op_access(struct world *w)
{
	struct model_map *map = &w->maps[roll(w, NR_MAPS)];
	bool write = roll(w, 2);
	u64 len = roll_len(w), off;
	struct access_result want;
	struct call c;

	if (!map->mf)
		return;
	off = roll_pos(w, PAGES(map->nr_pages));
	len = min_t(u64, len, PAGES(map->nr_pages) - off);
	snprintf(w->op, sizeof(w->op), "%s %s %ju+%ju of %s page %ju+%ju, size %ju",
		 map->private ? "private" : "shared", write ? "store" : "load", off, len,
		 map->mf->file->inode->name, map->pgoff, map->nr_pages, map->mf->size);
	if (write)
		fill(w, len);
	memcpy(w->want, w->buf, len);
	want = model_access(map, off, w->want, len, write);
	c = write ? call_store(map->addr + off, w->buf, len) :
		    call_load(map->addr + off, w->buf, len);
	rig_call(w->r, map->who, &c);
	cr_assert_eq(c.access.signal, want.signal, "%s: signal %d, expected %d", w->op,
		     c.access.signal, want.signal);
	cr_assert_eq(c.access.done, want.done, "%s: %zu done, expected %zu", w->op, c.access.done,
		     want.done);
	if (want.signal)
		cr_assert_eq(c.access.fault_addr, want.fault_addr, "%s", w->op);
	expect_bytes(w, w->buf, w->want, want.done);
}

/* Everything: files by read(2), and all that mappings show, past EOF too. */
static void compare_all(struct world *w)
{
	for (struct model_file *mf = w->files; mf < w->files + NR_FILES; mf++) {
		cr_assert_eq((u64)mf->file->inode->i_size, mf->size);
		cr_assert_eq(rig_read(w->r, B, mf->file, w->buf, SCRATCH, 0), (ssize_t)mf->size);
		expect_bytes(w, w->buf, mf->data, mf->size);
	}
	for (struct model_map *map = w->maps; map < w->maps + NR_MAPS; map++)
		for (u64 page = 0; map->mf && page < map->nr_pages; page++) {
			struct call c = call_load(map->addr + PAGES(page), w->buf, PAGE_SIZE);

			snprintf(w->op, sizeof(w->op), "%s mapping of %s page %ju+%ju, page %ju",
				 map->private ? "private" : "shared", map->mf->file->inode->name,
				 map->pgoff, map->nr_pages, page);
			rig_call(w->r, map->who, &c);
			cr_assert_eq(c.access.signal, touch_page(map, page, false), "%s", w->op);
			if (!c.access.signal)
				expect_bytes(w, w->buf, shown(map, page), PAGE_SIZE);
		}
}

static void run_ops(const struct mmu_ops *mmu, const struct fs_ops *fs, const char *profile,
		    u64 seed, int nr_ops)
{
	static void (*const ops[])(struct world *w) = {
		op_access, op_access, op_access, op_write, op_write, op_read, op_truncate, op_map,
		op_map,	   op_sync,
	};
	struct world *w = calloc(1, sizeof(*w));
	u64 free_blocks;

	w->r = rig_new_on(mmu, fs, profile, DEVICE_BLOCKS);
	w->seed = seed;
	free_blocks = rig_nr_free(w->r);
	for (int i = 0; i < NR_FILES; i++)
		w->files[i].file = rig_create(w->r, i ? "g" : "f");
	for (int i = 0; i < nr_ops; i++) {
		ops[roll(w, ARRAY_SIZE(ops))](w);
		for (int inv = 0; inv < NR_INVARIANTS; inv++)
			cr_assert_eq(w->r->seen[inv], 0, "%s@%s, seed %ju, op %d, %s: %s",
				     fs->name, profile, seed, i, w->op, w->r->text[inv]);
		if (i % 64 == 63)
			compare_all(w);
	}
	compare_all(w);
	rig_expect_clean(w->r);

	/* All that was taken comes back, in an order that leaves mappings for last. */
	for (int i = 0; i < NR_FILES; i++) {
		rig_unlink(w->r, w->files[i].file);
		rig_close(w->r, w->files[i].file);
	}
	for (struct model_map *map = w->maps; map < w->maps + NR_MAPS; map++)
		if (map->mf) {
			cr_assert_eq(rig_munmap(w->r, map->who, map->addr, map->nr_pages), 0);
			forget_map(map);
		}
	cr_expect(LIST_EMPTY(&w->r->sb->s_inodes));
	cr_expect_eq(rig_nr_free(w->r), free_blocks, "%s@%s, seed %ju: %ju of %ju blocks are free",
		     fs->name, profile, seed, rig_nr_free(w->r), free_blocks);
	cr_expect_null(balloc_check(w->r->sb->balloc));
	rig_expect_clean(w->r);
	rig_free(w->r);
	free(w);
}

/* Every file system, and every kernel but v10, which loses stores without any race. */
static void run_all(const struct mmu_ops *mmu, u64 first_seed, u64 nr_seeds, int nr_ops)
{
	for (int fs = 0; fs_table[fs]; fs++)
		for (int p = 1; profile_names[p]; p++)
			for (u64 i = 0; i < nr_seeds; i++)
				run_ops(mmu, fs_table[fs], profile_names[p],
					(first_seed + i) * 0x9e3779b97f4a7c15, nr_ops);
}

Test(random_ops, soft)
{
	run_all(&soft_mmu, 1, 6, 600);
}

Test(random_ops, uffd)
{
	run_all(&uffd_mmu, 101, 1, 200);
}
