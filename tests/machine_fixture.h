/* SPDX-License-Identifier: MIT */
/*
 * A machine for tests of the simulated kernel: a device, a file system, two
 * processes with three tasks, all watchers on. A test describes system calls,
 * runs them on tasks to the end or up to a point, and looks at what is left.
 */
#ifndef TESTS_MACHINE_FIXTURE_H
#define TESTS_MACHINE_FIXTURE_H

#include <criterion/criterion.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "daxsim/kernel/file.h"
#include "daxsim/kernel/inode.h"
#include "daxsim/kernel/mm.h"
#include "daxsim/kernel/uaccess.h"
#include "daxsim/sim/check.h"
#include "daxsim/sim/sim.h"

#define SHARED_RW (VM_READ | VM_WRITE | VM_SHARED)
#define SHARED_RO (VM_READ | VM_SHARED)
#define PRIVATE_RW (VM_READ | VM_WRITE)
#define PRIVATE_RO VM_READ

#define PAGES(n) ((u64)(n) << PAGE_SHIFT)

#define ANY_POINT NR_POINTS

/* The tasks: A and B are threads of process p, C is alone in process q. */
enum who { A, B, C, NR_RIG_TASKS };

struct rig {
	struct sim sim;
	struct super_block *sb;
	struct task *task[NR_RIG_TASKS];
	struct file files[8];
	unsigned int nr_files;

	u64 seen[NR_INVARIANTS];		/* violations since the last rig_forget() */
	char text[NR_INVARIANTS][256];		/* of the last one of each kind */

	/* Where the running task must stop; point -1: nowhere, ANY_POINT: anywhere. */
	int point;
	int lock_class;				/* with P_lock and P_unlock; -1: any */
	unsigned int nth;
	bool held;

	struct arena full;			/* between rig_exhaust() and rig_relieve() */
};

/* One system call, or one piece of user code, and what came of it. */
struct call {
	void (*fn)(struct call *c);
	struct file *file;
	struct mm *mm;
	u64 addr;
	u8 *buf;
	size_t len;
	void *arg;		/* for calls that a test makes up */
	u64 pgoff;
	s64 pos;
	u32 flags;
	bool user;		/* read, write: the buffer is user memory at addr */
	ssize_t ret;
	struct access_result access;
};

/**
 * rig_new() - make a machine with the soft MMU
 * @fs: name of its file system
 * @profile: a kernel version with protections removed and added: "v11 -p3 +b1"
 * @nr_blocks: of the device, its label included
 */
struct rig *rig_new(const char *fs, const char *profile, u64 nr_blocks);

/** rig_new_on() - the same with another MMU and any file system; skips the test if it cannot be */
struct rig *rig_new_on(const struct mmu_ops *mmu, const struct fs_ops *fs, const char *profile,
		       u64 nr_blocks);

/** rig_free() - drop the machine in whatever state it is */
void rig_free(struct rig *r);

/** profile_of() - the protections that @text, as rig_new() takes it, stands for */
profile_t profile_of(const char *text);

/*
 * The calls. A buffer must live until the call has ended; a write without one
 * writes zeroes.
 */
struct call call_load(u64 addr, void *buf, size_t len);
struct call call_store(u64 addr, void *buf, size_t len);
struct call call_read(struct file *f, void *buf, size_t len, s64 pos);
struct call call_write(struct file *f, void *buf, size_t len, s64 pos);
struct call call_truncate(struct file *f, s64 len);
struct call call_fsync(struct file *f);
struct call call_munmap(struct rig *r, enum who who, u64 addr, u64 nr_pages);
struct call call_mprotect(struct rig *r, enum who who, u64 addr, u64 nr_pages, u32 flags);
/* With MREMAP_MAYMOVE; addr of the call becomes the new one. */
struct call call_mremap(struct rig *r, enum who who, u64 addr, u64 old_pages, u64 new_pages);
struct call call_mmap(struct file *f, pgoff_t pgoff, u64 nr_pages, u32 flags);
struct call call_create(struct file *f, const char *name);
struct call call_close(struct file *f);
struct call call_unlink(struct file *f);

/** rig_start() - give @who work; nothing of it runs yet */
void rig_start(struct rig *r, enum who who, struct call *c);

/** rig_until() - run @who until it is about to pass @point for the @nth time from here on */
void rig_until(struct rig *r, enum who who, enum point_id point, unsigned int nth);

/** rig_until_lock() - the same for the taking of a lock of a class */
void rig_until_lock(struct rig *r, enum who who, enum lock_class class, unsigned int nth);

/**
 * rig_step() - run @who until it is about to pass its @nth point from here on
 *
 * Return: whether it came so far; if not, it ended or blocks.
 */
bool rig_step(struct rig *r, enum who who, unsigned int nth);

/** rig_go() - run @who until it ends or blocks; returns which */
enum task_state rig_go(struct rig *r, enum who who);

/** rig_finish() - run @who to its end, which must come */
void rig_finish(struct rig *r, enum who who);

/** rig_settle() - run everybody to the end; returns false if some cannot */
bool rig_settle(struct rig *r);

/** rig_call() - start and finish; then nothing may be wrong with the machine at rest */
void rig_call(struct rig *r, enum who who, struct call *c);

/* The same in one line each. */
struct file *rig_create(struct rig *r, const char *name);
void rig_close(struct rig *r, struct file *f);
void rig_unlink(struct rig *r, struct file *f);
u64 rig_mmap(struct rig *r, enum who who, struct file *f, pgoff_t pgoff, u64 nr_pages, u32 flags);
int rig_munmap(struct rig *r, enum who who, u64 addr, u64 nr_pages);
int rig_mprotect(struct rig *r, enum who who, u64 addr, u64 nr_pages, u32 flags);
/* Sets *addr, which may be where @old_addr is kept; untouched after an error. */
int rig_mremap(struct rig *r, enum who who, u64 old_addr, u64 old_pages, u64 new_pages, u64 *addr);
int rig_truncate(struct rig *r, enum who who, struct file *f, s64 len);
ssize_t rig_read(struct rig *r, enum who who, struct file *f, void *buf, size_t len, s64 pos);
ssize_t rig_write(struct rig *r, enum who who, struct file *f, void *buf, size_t len, s64 pos);

int rig_fsync(struct rig *r, enum who who, struct file *f);

/** rig_fill() - write @len bytes @byte at @pos; returns what pwrite(2) would */
ssize_t rig_fill(struct rig *r, enum who who, struct file *f, u8 byte, size_t len, s64 pos);

/** rig_load(), rig_store() - one byte; returns the signal, 0 if all went well */
int rig_load(struct rig *r, enum who who, u64 addr, u8 *byte);
int rig_store(struct rig *r, enum who who, u64 addr, u8 byte);

/** rig_peek() - the byte that @who sees at @addr, which must be there */
u8 rig_peek(struct rig *r, enum who who, u64 addr);

/** rig_byte() - the byte that read(2) finds at @pos, -1 at end of file */
int rig_byte(struct rig *r, struct file *f, s64 pos);

/** rig_pte() - the page table entry of @who at @addr */
const struct pte *rig_pte(struct rig *r, enum who who, u64 addr);

/** rig_cached() - pages in the page cache of a file */
u64 rig_cached(const struct file *f);

/** rig_nr_free() - free blocks of the file system */
u64 rig_nr_free(struct rig *r);

/** rig_expect_flt() - the faults of @who since the last time */
void rig_expect_flt(struct rig *r, enum who who, u64 min, u64 maj);

/** rig_inject() - make calls fail: after @after good ones, @times times, with @error */
void rig_inject(struct rig *r, enum inject_site site, s64 error, u64 after, u64 times);

/** rig_expect_clean() - no violation was seen, and nothing is wrong now */
void rig_expect_clean(struct rig *r);

/** rig_expect_seen() - this violation was seen; it is forgotten */
void rig_expect_seen(struct rig *r, enum invariant inv);

/** rig_forget() - what was seen so far does not count */
void rig_forget(struct rig *r);

/** rig_exhaust() - no more memory for the machine, rig_relieve() ends that */
void rig_exhaust(struct rig *r);
void rig_relieve(struct rig *r);

#endif
