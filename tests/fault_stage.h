/* SPDX-License-Identifier: MIT */
/* A file that two processes map, and a task of one that stops inside a fault on it. */
#ifndef TESTS_FAULT_STAGE_H
#define TESTS_FAULT_STAGE_H

#include "tests/machine_fixture.h"

#define BOTH(on, off) ((const char *[]){ on, off })

/* One machine, file f of 2 pages: page 0 written with 0x11, page 1 a hole. */
struct stage {
	struct rig *r;
	struct file *f;
	u64 m;			/* of A and B */
	u64 n;			/* of C */
	u8 byte;
	struct call call;	/* of A */
};

static inline struct stage *stage(const struct fs_ops *fs, const char *profile, u32 flags)
{
	struct stage *s = calloc(1, sizeof(*s));

	s->r = rig_new_on(&soft_mmu, fs, profile, 64);
	s->f = rig_create(s->r, "f");
	cr_assert_eq(rig_fill(s->r, A, s->f, 0x11, PAGE_SIZE, 0), (ssize_t)PAGE_SIZE);
	cr_assert_eq(rig_truncate(s->r, A, s->f, PAGES(2)), 0);
	s->m = rig_mmap(s->r, A, s->f, 0, 2, flags);
	s->n = rig_mmap(s->r, C, s->f, 0, 2, SHARED_RW);
	s->byte = 0x42;
	return s;
}

static inline struct stage *ext2(const char *profile, u32 flags)
{
	return stage(fs_find("ext2"), profile, flags);
}

static inline void drop(struct stage *s)
{
	rig_free(s->r);
	free(s);
}

/* A stores to, or loads from, a page and stops at a point. */
static inline void a_stops(struct stage *s, bool store, u64 page, enum point_id point,
			   unsigned int nth)
{
	u64 addr = s->m + PAGES(page);

	s->call = store ? call_store(addr, &s->byte, 1) : call_load(addr, &s->byte, 1);
	rig_start(s->r, A, &s->call);
	rig_until(s->r, A, point, nth);
}

static inline void a_ends(struct stage *s, int signal)
{
	rig_finish(s->r, A);
	cr_expect_eq(s->call.access.signal, signal, "signal %d", s->call.access.signal);
}

#endif
