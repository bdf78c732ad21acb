/* SPDX-License-Identifier: MIT */
/*
 * A machine for tests of file systems and the journal: files f and g, a shared
 * mapping of f, three tasks and the watchers. Every block of the device starts
 * out full of FS_STALE, so that whatever nobody zeroed can be told. A call is
 * work for a task, which runs to its end or up to a point.
 */
#ifndef DAXSIM_TEST_FS_FIXTURE_H
#define DAXSIM_TEST_FS_FIXTURE_H

#include <criterion/criterion.h>

#include "daxsim/kernel/file.h"
#include "daxsim/kernel/inode.h"
#include "daxsim/kernel/mm.h"
#include "daxsim/sim/check.h"
#include "daxsim/sim/sim.h"

#define FS_STALE 0xee
#define FS_MAP_PAGES 64
#define FS_TASKS 3
#define FS_PAGES(n) ((s64)(n) << PAGE_SHIFT)

struct fs_machine;

/* Work for a task, from the fs_*_call() below or made by a test. */
struct call {
	void (*fn)(struct fs_machine *m, struct call *c);
	struct file *file;
	u64 pos, len;		/* bytes */
	u32 mode;
	u8 byte;
	void *arg;
	ssize_t ret;		/* of the system call, or bytes that an access moved */
	int signal;		/* that ended an access */
};

struct fs_machine {
	struct sim sim;
	struct mm *mm;
	struct file f, g;
	u64 map;		/* address of f's first page */
	u64 private_map;	/* the same, MAP_PRIVATE */
	struct task *tasks[FS_TASKS];
	struct call calls[FS_TASKS];
	struct {
		int point;	/* enum point_id to stop at, or -1 */
		u32 left;	/* hits to pass before */
	} stops[FS_TASKS];
	u32 hits[NR_POINTS];	/* points that were passed, by all tasks */
	/* Asked at every point that a task comes to; may be NULL. */
	void (*see)(struct fs_machine *m, struct task *t, enum point_id id);
	void *see_data;
	u32 said[NR_INVARIANTS];	/* violations, and the text of the first */
	char text[300];
	u8 buf[4 * PAGE_SIZE];		/* of reads */
};

/**
 * fs_boot() - make a machine
 * @variant: "ext4@v11 -p3 +l1"
 * @blocks: size of its device; 0: 512
 *
 * Return: it, to be dropped by fs_halt().
 */
struct fs_machine *fs_boot(const char *variant, u64 blocks);

/** fs_halt() - look for violations at rest, expect that there were none that nobody asked for */
void fs_halt(struct fs_machine *m);

/** fs_said() - how often an invariant was violated since somebody last asked */
u32 fs_said(struct fs_machine *m, enum invariant inv);

/** fs_start() - give a task work; fs_run() lets it run to its end, a lock or the stop */
void fs_start(struct fs_machine *m, unsigned int task, struct call c);
enum task_state fs_run(struct fs_machine *m, unsigned int task);

/** fs_hold() - start a call and run it up to the @nth hit of a point, where it must come */
void fs_hold(struct fs_machine *m, unsigned int task, struct call c, enum point_id id, u32 nth);

/** fs_finish() - run a held or woken task to its end. Return: what its call came to */
struct call *fs_finish(struct fs_machine *m, unsigned int task);

/** fs_do() - a whole call, by task 0. Return: what it came to */
struct call *fs_do(struct fs_machine *m, struct call c);

/* Calls; positions and lengths in bytes. */
struct call fs_store(struct fs_machine *m, u64 pos, u8 byte);
struct call fs_private_store(struct fs_machine *m, u64 pos, u8 byte);
struct call fs_load(struct fs_machine *m, u64 pos);
struct call fs_write(struct file *file, u64 pos, u64 len, u8 byte);
struct call fs_read(struct file *file, u64 pos, u64 len);
struct call fs_truncate(struct file *file, u64 size);
struct call fs_falloc(struct file *file, u32 mode, u64 pos, u64 len);
struct call fs_fsync(struct file *file);

/** fs_extents() - fiemap as text: "[0+3 U][3+1 W]", "" for none. To be freed */
char *fs_extents(const struct inode *inode);

#define expect_extents(inode, want)                                                                \
	do {                                                                                       \
		char *got_ = fs_extents(inode);                                                    \
		cr_expect_str_eq(got_, want, "%s, not %s", got_, want);                            \
		free(got_);                                                                        \
	} while (0)

#define expect_ret(m, call, want)                                                                  \
	do {                                                                                       \
		ssize_t got_ = fs_do(m, call)->ret;                                                \
		cr_expect_eq(got_, want, #call " gave %zd", got_);                                 \
	} while (0)

/** fs_media() - the bytes of a page of a file on the device; the page has a block */
u8 *fs_media(const struct inode *inode, u64 page);

/** fs_nr_free() - free blocks of the device */
u64 fs_nr_free(struct fs_machine *m);

/*
 * What get_block has to say of page 6 of a file with one extent, [4+12], or of
 * its page 0, which is a hole of four; and what then is in the extent map.
 */
struct bh_row {
	const char *variant;
	char at;		/* 'h' page 0; 'w' or 'u' page 6, and the state of the extent */
	bool past_eof;		/* i_size is 0; else far behind */
	int create;
	u32 state;		/* BH_* bits */
	bool end_io;
	const char *extents;	/* after one page was asked for */
	bool zeroed;		/* its block no longer holds FS_STALE */
};

/** fs_check_bh() - hold get_block against rows, for one page and for more than there are */
void fs_check_bh(const struct bh_row *rows, size_t nr);

#endif
