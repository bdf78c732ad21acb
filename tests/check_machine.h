/* SPDX-License-Identifier: MIT */
/*
 * A machine for tests of the watchers, built by hand: a device, two files f and
 * g without blocks, and whatever page tables a test makes up. The test plays the
 * kernel, rightly or wrongly, and this keeps what the watchers say about it.
 */
#ifndef DAXSIM_TEST_CHECK_MACHINE_H
#define DAXSIM_TEST_CHECK_MACHINE_H

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daxsim/kernel/inode.h"
#include "daxsim/kernel/mm.h"
#include "daxsim/sim/check.h"
#include "daxsim/sim/sim.h"

#define MAX_SAID 16

struct watched {
	struct sim sim;
	struct mm mm;
	struct task task;	/* who is in the kernel; without a fiber, so no point stops it */
	struct inode *f, *g;
	struct said {
		enum invariant inv;
		char text[300];
	} said[MAX_SAID];
	unsigned int nr_said, nr_read;
};

static inline void note_said(void *data, enum invariant inv, const char *text)
{
	struct watched *w = data;

	cr_assert_lt(w->nr_said, MAX_SAID);
	w->said[w->nr_said].inv = inv;
	snprintf(w->said[w->nr_said].text, sizeof(w->said->text), "%s", text);
	w->nr_said++;
}

static inline struct watched *watch(const char *fs, u64 ignored)
{
	struct watched *w = calloc(1, sizeof(*w));
	char why[200];

	cr_assert_not_null(w);
	cr_assert_eq(sim_init(&w->sim, 1 << 20, &soft_mmu, why, sizeof(why)), 0);
	cr_assert_eq(check_create(&w->sim, ignored, note_said, w), 0);
	cr_assert_eq(mount_fs(&w->sim, fs_find(fs), 0), 0);
	cr_assert_eq(create_inode(w->sim.sb, "f", &w->f), 0);
	cr_assert_eq(create_inode(w->sim.sb, "g", &w->g), 0);
	w->mm.sim = &w->sim;
	w->mm.name = "main";
	w->task = (struct task){ .sim = &w->sim, .name = "task", .mm = &w->mm };
	current = &w->task;
	return w;
}

static inline void unwatch(struct watched *w)
{
	struct inode *files[] = { w->f, w->g };

	for (size_t i = 0; i < ARRAY_SIZE(files); i++)
		while (!LIST_EMPTY(&files[i]->i_data.i_mmap)) {
			struct vma *vma = LIST_FIRST(&files[i]->i_data.i_mmap);

			LIST_REMOVE(vma, i_mmap_link);
			free(vma->pte - 1);
			free(vma);
		}
	cr_expect_eq(w->nr_read, w->nr_said, "nobody expected this: %s",
		     w->nr_read < w->nr_said ? w->said[w->nr_read].text : "");
	current = NULL;
	sim_destroy(&w->sim);
	free(w);
}

/* The next thing that the watchers said; silent() is that there is none. */
#define expect_said(w, i, what)                                                                    \
	do {                                                                                       \
		cr_assert_lt((w)->nr_read, (w)->nr_said, "the watchers say nothing");              \
		cr_expect_str_eq(invariant_table[(w)->said[(w)->nr_read].inv].name,                \
				 invariant_table[i].name);                                         \
		cr_expect_str_eq((w)->said[(w)->nr_read].text, what);                              \
		(w)->nr_read++;                                                                    \
	} while (0)

#define expect_silent(w)                                                                           \
	cr_expect_eq((w)->nr_read, (w)->nr_said, "%s",                                             \
		     (w)->nr_read < (w)->nr_said ? (w)->said[(w)->nr_read].text : "")

/* Blocks as a well-behaved file system gives them to a file. */
static inline void own(struct watched *w, struct inode *inode, u64 lblk, block_t block, u64 len)
{
	check_alloc(w->sim.check, block, len);
	cr_assert_eq(extent_add(inode, lblk, block, len, false), 0);
	if (inode->i_size < (s64)((lblk + len) << PAGE_SHIFT))
		inode->i_size = (lblk + len) << PAGE_SHIFT;
}

static inline struct vma *map(struct watched *w, const char *name, struct inode *inode,
			      pgoff_t pgoff, u64 nr_pages)
{
	struct vma *vma = calloc(1, sizeof(*vma));

	cr_assert_not_null(vma);
	vma->mm = &w->mm;
	vma->inode = inode;
	vma->start = 0x10000000;
	vma->nr_pages = nr_pages;
	vma->pgoff = pgoff;
	vma->flags = VM_READ | VM_WRITE | VM_SHARED;
	vma->name = name;
	/* On either side of the table lies what would be seen by whoever looks too far. */
	vma->pte = calloc(nr_pages + 2, sizeof(*vma->pte));
	cr_assert_not_null(vma->pte);
	vma->pte++;
	vma->pte[-1].kind = vma->pte[nr_pages].kind = PTE_HOLE;
	LIST_INSERT_HEAD(&inode->i_data.i_mmap, vma, i_mmap_link);
	return vma;
}

static inline void set_pte(struct vma *vma, u64 page, enum pte_kind kind, block_t block)
{
	vma->pte[page] = (struct pte){ .kind = kind, .pfn = block };
}

static inline u8 *media(struct watched *w, block_t block)
{
	return pmem_block(&w->sim.pmem, block);
}

#endif
