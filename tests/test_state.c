// SPDX-License-Identifier: MIT
/* Tests of writing down the state of a machine: equal if alike, different if not. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "daxsim/kernel/file.h"
#include "daxsim/kernel/inode.h"
#include "daxsim/kernel/mm.h"
#include "daxsim/kernel/uaccess.h"
#include "daxsim/sim/sim.h"
#include "daxsim/sim/state.h"

/* f has pages 0 and 1 written and 2 a hole; all are mapped by m, page 0 privately by p. */
struct box {
	struct sim sim;
	struct mm *mm;
	struct task *task;
	struct inode *f;
	struct vma *m, *p;
};

static void fill(struct task *t, void *arg)
{
	struct box *b = arg;
	struct file file = { NULL, true };
	struct iov_iter from = { .count = 2 * PAGE_SIZE, .fill = 0x11 };
	u64 m, p;
	u8 byte = 0x22;

	cr_assert_eq(create_inode(b->sim.sb, "f", &b->f), 0);
	file.inode = b->f;
	cr_assert_eq(vfs_write(&file, &from, 0), 2 * PAGE_SIZE);
	cr_assert_eq(do_truncate(&file, 3 * PAGE_SIZE), 0);
	cr_assert_eq(do_mmap(t->mm, &file, "m", 0, 3, VM_READ | VM_WRITE | VM_SHARED, &m), 0);
	cr_assert_eq(do_mmap(t->mm, &file, "p", 1, 1, VM_READ | VM_WRITE, &p), 0);
	cr_assert_eq(user_access(m, &byte, 1, true).done, 1);
	cr_assert_eq(user_access(m + PAGE_SIZE, &byte, 1, false).done, 1);
	cr_assert_eq(user_access(m + 2 * PAGE_SIZE, &byte, 1, false).done, 1);
	cr_assert_eq(user_access(p, &byte, 1, true).done, 1);
	b->m = find_vma(t->mm, m);
	b->p = find_vma(t->mm, p);
}

static void make_box(struct box *b)
{
	char why[200];

	cr_assert_eq(sim_init(&b->sim, 1 << 20, &soft_mmu, why, sizeof(why)), 0);
	cr_assert_eq(mount_fs(&b->sim, fs_find("ext2"), ~0ULL), 0);
	b->mm = mm_create(&b->sim, "main");
	cr_assert_not_null(b->mm);
	b->task = sched_add_task(&b->sim, "t", b->mm);
	cr_assert_not_null(b->task);
	sched_start(b->task, fill, b);
	cr_assert_eq(sched_run(b->task), TASK_IDLE);
}

static char *state_of(struct box *b)
{
	char *text;
	size_t size;
	FILE *to = open_memstream(&text, &size);

	cr_assert_not_null(to);
	state_print(&b->sim, to);
	fclose(to);
	return text;
}

static u8 *first_block(struct box *b)
{
	return pmem_block(&b->sim.pmem, extent_find(&b->f->extents, 0)->pblk);
}

Test(state, text)
{
	struct box b;
	const struct extent *e;
	unsigned long long at, hash;
	char *text, want[500];

	make_box(&b);
	e = extent_find(&b.f->extents, 0);
	cr_assert_eq(e->len, 2);
	at = e->pblk;
	hash = XXH3_64bits(first_block(&b), 2 * PAGE_SIZE);
	snprintf(want, sizeof(want),
		 "file f size 12288 blocks 16 nlink 1\n"
		 "  extent 0+2 at %llu W bytes %016llx\n"
		 "  cached page 2\n"
		 "free %llu+%llu\n"
		 "task t in main min 5 maj 0 holds 0\n"
		 "  mapping p of f page 0+1 at page 1: 0=aw0\n"
		 "  mapping m of f page 0+3 at page 0: 0=pw%llu 1=pr%llu 2=hr0\n",
		 at, hash, at + 2, 256 - at - 2, at, at + 1);
	text = state_of(&b);
	cr_expect_str_eq(text, want);
	free(text);
	sim_destroy(&b.sim);
}

Test(state, machines_that_did_the_same)
{
	struct box a, b;
	char *one, *two;

	make_box(&a);
	make_box(&b);
	/* where things lie in memory, and what nobody can see, is no part of it */
	b.m->start += PAGE_SIZE;
	b.m->pte[0].backing = 99;
	b.sim.next_id += 7;
	memset(pmem_block(&b.sim.pmem, 200), 0x77, PAGE_SIZE);
	one = state_of(&a);
	two = state_of(&b);
	cr_expect_str_eq(one, two);
	free(two);
	two = state_of(&b);
	cr_expect_str_eq(one, two, "printing changes nothing");
	free(one);
	free(two);
	sim_destroy(&a.sim);
	sim_destroy(&b.sim);
}

static void first_byte(struct box *b)
{
	first_block(b)[0] ^= 1;
}

static void last_byte(struct box *b)
{
	first_block(b)[2 * PAGE_SIZE - 1] ^= 0x80;
}

static void size(struct box *b)
{
	b->f->i_size--;
}

static void meta_block(struct box *b)
{
	cr_assert_eq(extent_insert(&b->f->meta, 0, 250, 1, false), 0);
}

static void link_count(struct box *b)
{
	b->f->i_nlink++;
}

static void unwritten(struct box *b)
{
	cr_assert_eq(extent_mark(&b->f->extents, 0, 2, true), 0);
}

static void other_block(struct box *b)
{
	block_t at = extent_find(&b->f->extents, 0)->pblk;

	memcpy(pmem_block(&b->sim.pmem, 200), first_block(b), 2 * PAGE_SIZE);
	cr_assert_eq(extent_remove(&b->f->extents, 0, 2, NULL, NULL), 0);
	cr_assert_eq(extent_insert(&b->f->extents, 0, at == 200 ? 202 : 200, 2, false), 0);
}

static void free_space(struct box *b)
{
	block_t block;
	u64 len;

	cr_assert_eq(balloc_alloc(b->sim.sb->balloc, 0, 1, &block, &len), 0);
}

static void cached_page(struct box *b)
{
	struct page key = { .index = 2 };
	struct page *page = RB_FIND(page_tree, &b->f->i_data.pages, &key);

	cr_assert_not_null(page);
	page->index = 3;
}

static void another_file(struct box *b)
{
	struct inode *g;

	cr_assert_eq(create_inode(b->sim.sb, "g", &g), 0);
}

static void pte_kind(struct box *b)
{
	b->m->pte[2].kind = PTE_NONE;
}

static void pte_writable(struct box *b)
{
	b->m->pte[1].writable = true;
}

static void pte_block(struct box *b)
{
	b->m->pte[1].pfn++;
}

static void lock_held(struct box *b)
{
	b->task->held[b->task->nr_held++] = (struct held_lock){ &b->f->i_mutex, LOCK_EXCLUSIVE };
}

static void minor_fault(struct box *b)
{
	b->task->min_flt++;
}

static void major_fault(struct box *b)
{
	b->task->maj_flt++;
}

static void one_mapping_less(struct box *b)
{
	LIST_REMOVE(b->p, mm_link);
}

Test(state, one_thing_different)
{
	static void (*const changes[])(struct box *b) = {
		first_byte, last_byte, size, meta_block, link_count, unwritten, other_block,
		free_space, cached_page, another_file, pte_kind, pte_writable, pte_block, lock_held,
		minor_fault, major_fault, one_mapping_less,
	};

	for (size_t i = 0; i < ARRAY_SIZE(changes); i++) {
		struct box b;
		char *before, *after;

		make_box(&b);
		before = state_of(&b);
		changes[i](&b);
		after = state_of(&b);
		cr_expect_str_neq(before, after, "change %zu shows", i);
		free(before);
		free(after);
		sim_destroy(&b.sim);
	}
}

/* An MMU that finds fault with page 1 of every mapping; counts what it was asked. */
static unsigned int asked;

static int audit_page_one(struct vma *vma, u64 page, char *why, size_t why_size)
{
	asked++;
	if (page != 1)
		return 0;
	snprintf(why, why_size, "page 1 of %s is odd", vma->name);
	return -EUCLEAN;
}

static int audit_nothing(struct vma *vma, u64 page, char *why, size_t why_size)
{
	(void)vma, (void)page, (void)why, (void)why_size;
	asked++;
	return 0;
}

Test(state, audit)
{
	struct mmu_ops mmu = soft_mmu;
	char why[40] = "nothing";
	struct box b;

	make_box(&b);
	cr_expect_eq(state_audit(&b.sim, why, sizeof(why)), 0, "the soft MMU has no audit");
	b.sim.mmu = &mmu;
	mmu.audit = audit_nothing;
	cr_expect_eq(state_audit(&b.sim, why, sizeof(why)), 0);
	cr_expect_eq(asked, 4, "every page of every mapping");
	cr_expect_str_eq(why, "nothing");
	mmu.audit = audit_page_one;
	asked = 0;
	cr_expect_eq(state_audit(&b.sim, why, sizeof(why)), -EUCLEAN);
	cr_expect_str_eq(why, "page 1 of m is odd");
	cr_expect_leq(asked, 3, "nothing is asked behind the first difference");
	b.sim.mmu = &soft_mmu;
	sim_destroy(&b.sim);
}
