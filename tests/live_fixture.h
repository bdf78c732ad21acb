/* SPDX-License-Identifier: MIT */
/*
 * Live devices for tests: a test body runs on a fresh one for each engine, and where it
 * says so for each file system. Touches of memory say which signal they ended in.
 */
#ifndef TESTS_LIVE_FIXTURE_H
#define TESTS_LIVE_FIXTURE_H

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daxsim/daxsim.h"
#include "daxsim/sim/types.h"

#define PAGES(n) ((size_t)(n) << PAGE_SHIFT)
#define DEVICE_SIZE (32UL << 20)
#define RW (PROT_READ | PROT_WRITE)

#ifndef __has_feature
#define __has_feature(x) 0
#endif
#if defined(__SANITIZE_THREAD__) || __has_feature(thread_sanitizer)
#define THREAD_SANITIZED 1	/* has few addresses to give, and its own time for signals */
#else
#define THREAD_SANITIZED 0
#endif
/* Where the address space belongs to a sanitizer, its limits cannot be tried. */
#if defined(__SANITIZE_ADDRESS__) || __has_feature(address_sanitizer) || THREAD_SANITIZED
#define SANITIZED 1
#else
#define SANITIZED 0
#endif

/* What a test body is given. */
struct live_rig {
	const char *fs;		/* ext2, ext4 or xfs */
	enum daxsim_engine engine;
	struct daxsim *d;	/* a body that unmounts it sets NULL here */
};

/** on_device() - mount, run @body, check the device for errors, unmount */
void on_device(const char *fs, enum daxsim_engine engine, void (*body)(struct live_rig *r));

#define LIVE_TEST_ONE(suite, name, fs, which, ENGINE)                                              \
	Test(suite, name##_##fs##_##which)                                                         \
	{                                                                                          \
		on_device(#fs, DAXSIM_ENGINE_##ENGINE, suite##_##name);                            \
	}
#define LIVE_TEST_BOTH(suite, name, fs)                                                            \
	LIVE_TEST_ONE(suite, name, fs, thread, THREAD)                                             \
	LIVE_TEST_ONE(suite, name, fs, inline, INLINE)

/* A test for both engines; and one for all file systems, too. Its body follows. */
#define LIVE_TEST(suite, name)                                                                     \
	static void suite##_##name(struct live_rig *r);                                            \
	LIVE_TEST_BOTH(suite, name, ext4)                                                          \
	static void suite##_##name(struct live_rig *r)
#define LIVE_TEST_FS(suite, name)                                                                  \
	static void suite##_##name(struct live_rig *r);                                            \
	LIVE_TEST_BOTH(suite, name, ext2)                                                          \
	LIVE_TEST_BOTH(suite, name, ext4)                                                          \
	LIVE_TEST_BOTH(suite, name, xfs)                                                           \
	static void suite##_##name(struct live_rig *r)

/** mount_device() - with these options; it must work. The handler of touches is put below it */
struct daxsim *mount_device(const struct daxsim_options *o);

/* A call that must work, and one that must fail and say why with @text in its line. */
#define works(expr) cr_assert_geq((long)(expr), 0, "%s: %s", #expr, daxsim_error())
#define fails(expr, err, text)                                                                     \
	do {                                                                                       \
		long ret_ = (expr);                                                                \
                                                                                                   \
		cr_assert_eq(ret_, err, "%s is %ld (%s)", #expr, ret_, daxsim_error());            \
		cr_assert(strstr(daxsim_error(), text), "%s: \"%s\" lacks \"%s\"", #expr,          \
			  daxsim_error(), text);                                                   \
	} while (0)

/** open_new() - a file that is open for everything, of @size bytes of which none is there yet */
struct daxsim_file *open_new(struct daxsim *d, const char *name, off_t size);

/** map_shared() - all of a file, RW */
u8 *map_shared(struct daxsim_file *f, size_t size);

/** stats_of() - daxsim_statistics() */
struct daxsim_statistics stats_of(struct daxsim *d);

/* How a touch ended; sig is 0 if it went well. */
struct caught {
	int sig, code;
	void *addr;
};

/** catch_signals() - SIGBUS and SIGSEGV end touches; outside of one, the program */
void catch_signals(void);

/** load(), store() - touch one byte */
struct caught load(const void *p, u8 *byte);
struct caught store(void *p, u8 byte);

#define works_at(touch)                                                                            \
	do {                                                                                       \
		struct caught c_ = (touch);                                                        \
                                                                                                   \
		cr_assert_eq(c_.sig, 0, "%s: signal %d, code %d", #touch, c_.sig, c_.code);        \
	} while (0)
/* The address is the one that was touched, to the byte. */
#define ends_in(touch, wanted_sig, wanted_code, at)                                                \
	do {                                                                                       \
		struct caught c_ = (touch);                                                        \
                                                                                                   \
		cr_assert_eq(c_.sig, wanted_sig, "%s: signal %d", #touch, c_.sig);                 \
		cr_assert_eq(c_.code, wanted_code, "%s: code %d", #touch, c_.code);                \
		cr_assert_eq(c_.addr, (void *)(at), "%s: %p, not %p", #touch, c_.addr,             \
			     (void *)(at));                                                        \
	} while (0)

/** loads() - a byte that must be there */
u8 loads(const void *p);

/* At the start of a test that has children. */
#define needs_children()                                                                           \
	do {                                                                                       \
		if (THREAD_SANITIZED)                                                              \
			cr_skip_test("a child of a process with threads cannot have any");         \
	} while (0)

/**
 * in_child() - run @fn in a child of fork(2) that has 10 s
 *
 * Return: its wait status; what @fn returns is its exit status.
 */
int in_child(int (*fn)(void *arg), void *arg);

/* Assertions for children, which Criterion does not follow. */
#define must(cond)                                                                                 \
	do {                                                                                       \
		if (!(cond)) {                                                                     \
			fprintf(stderr, "%s:%d: %s (%s)\n", __FILE__, __LINE__, #cond,             \
				daxsim_error());                                                   \
			_exit(99);                                                                 \
		}                                                                                  \
	} while (0)
#define exits_well(child)                                                                          \
	do {                                                                                       \
		int status_ = (child);                                                             \
                                                                                                   \
		cr_assert_eq(status_, 0, "wait status %#x", status_);                              \
	} while (0)
#define dies_of(child, sig)                                                                        \
	do {                                                                                       \
		int status_ = (child);                                                             \
                                                                                                   \
		cr_assert(WIFSIGNALED(status_) && WTERMSIG(status_) == (sig), "wait status %#x",   \
			  status_);                                                                \
	} while (0)

/** count_lines() - of a file in /proc; of a directory its entries */
unsigned int count_lines(const char *path);

#endif
