// SPDX-License-Identifier: MIT
/* The two engines: system calls, signals and threads that meet absent pages. */
#include <linux/futex.h>
#include <stdatomic.h>
#include <sys/syscall.h>

#include "tests/live_fixture.h"

TestSuite(live_engine, .timeout = 30);

/* read(2), write(2) and futex(2) on pages at @p, which nobody has touched; errno or 0. */
static int read_into(u8 *p)
{
	int fds[2], err = 0;

	cr_assert_eq(pipe(fds), 0);
	cr_assert_eq(write(fds[1], "ab", 2), 2);
	if (read(fds[0], p, 2) != 2)
		err = errno;
	close(fds[0]);
	close(fds[1]);
	return err;
}

static int write_from(u8 *p)
{
	int fds[2], err = 0;

	cr_assert_eq(pipe(fds), 0);
	if (write(fds[1], p, 2) != 2)
		err = errno;
	close(fds[0]);
	close(fds[1]);
	return err;
}

static int wait_on(u8 *p)
{
	/* The word is 0, so there is nothing to wait for. */
	return syscall(SYS_futex, p, FUTEX_WAIT, 1, NULL, NULL, 0) ? errno : 0;
}

static const struct {
	int (*call)(u8 *p);
	bool write;
	int result;
} calls[] = {
	{ read_into, true, 0 }, { write_from, false, 0 }, { wait_on, false, EAGAIN },
};

LIVE_TEST_FS(live_engine, system_calls)
{
	struct daxsim_file *f = open_new(r->d, "f", PAGES(8));
	u8 *p = map_shared(f, PAGES(8));

	for (size_t i = 0; i < ARRAY_SIZE(calls); i++) {
		u8 *at = p + PAGES(i);

		if (r->engine == DAXSIM_ENGINE_INLINE) {
			cr_assert_eq(calls[i].call(at), EFAULT, "call %zu", i);
			works(daxsim_populate(r->d, at, PAGES(1), calls[i].write));
		}
		cr_assert_eq(calls[i].call(at), calls[i].result, "call %zu", i);
	}
	cr_assert_eq(loads(p + 1), 'b');

	/* Past the end it is EFAULT, and only as long as that is so. */
	works(daxsim_ftruncate(f, PAGES(4)));
	for (size_t i = 0; i < ARRAY_SIZE(calls); i++)
		cr_assert_eq(calls[i].call(p + PAGES(4 + i)), EFAULT, "call %zu", i);
	works(daxsim_ftruncate(f, PAGES(8)));
	for (size_t i = 0; i < ARRAY_SIZE(calls); i++) {
		if (r->engine == DAXSIM_ENGINE_INLINE)
			works(daxsim_populate(r->d, p + PAGES(4 + i), PAGES(1), 1));
		cr_assert_eq(calls[i].call(p + PAGES(4 + i)), calls[i].result, "call %zu", i);
	}
	daxsim_close(f);
}

/* A full device: SIGBUS, or EFAULT, and nothing else is harmed; with space again it works. */
LIVE_TEST_FS(live_engine, device_full)
{
	struct daxsim_file *f = open_new(r->d, "f", PAGES(8)), *fill = open_new(r->d, "fill", 0);
	u8 *p = map_shared(f, PAGES(8)), *chunk = calloc(1, 1 << 20);
	void *q = NULL;
	off_t at = 0;
	ssize_t n;

	works_at(store(p, 1));
	while ((n = daxsim_pwrite(fill, chunk, 1 << 20, at)) > 0)
		at += n;
	cr_assert_eq(n, -ENOSPC);
	/* What a tree or an indirect block was too much for. */
	while (daxsim_pwrite(fill, chunk, 4096, at) > 0)
		at += 4096;
	for (int i = 0; i < 3; i++) {
		ends_in(store(p + PAGES(4) + 3, 1), SIGBUS, BUS_ADRERR, p + PAGES(4) + 3);
		cr_assert_eq(loads(p + PAGES(4)), 0);
	}
	cr_assert_eq(read_into(p + PAGES(5)), EFAULT);
	fails(daxsim_populate(r->d, p + PAGES(6), PAGES(1), 1), -EFAULT, "populate");
	works_at(store(p, 2));
	works(daxsim_mmap(f, PAGES(8), RW, MAP_PRIVATE, 0, &q));
	works_at(store((u8 *)q + PAGES(4), 9));		/* takes no block */

	works(daxsim_ftruncate(fill, 0));
	works_at(store(p + PAGES(4) + 3, 3));
	if (r->engine == DAXSIM_ENGINE_THREAD)
		cr_assert_eq(read_into(p + PAGES(5)), 0);
	works(daxsim_populate(r->d, p + PAGES(6), PAGES(1), 1));
	cr_assert_eq(loads(p), 2);
	cr_assert_eq(loads(p + PAGES(4) + 3), 3);
	cr_assert_eq(loads((u8 *)q + PAGES(4)), 9);
	daxsim_close(fill);
	daxsim_close(f);
	free(chunk);
}

/* Threads that all come to the same new pages at the same time, each with a byte of its own. */
#define CROWD 6
#define CROWD_PAGES 64

struct crowd {
	pthread_barrier_t start;
	u8 *p;
	bool same;		/* all go the same way through the pages */
	atomic_uint next;
};

static void *crowd_store(void *arg)
{
	struct crowd *c = arg;
	unsigned int me = atomic_fetch_add(&c->next, 1);

	pthread_barrier_wait(&c->start);
	for (unsigned int i = 0; i < CROWD_PAGES; i++) {
		unsigned int page = (c->same ? i : i * 5 + me * 11) % CROWD_PAGES;

		c->p[PAGES(page) + me] = page + me + 1;
	}
	return NULL;
}

static void crowd_on(u8 *p, bool same)
{
	struct crowd c = { .p = p, .same = same };
	pthread_t threads[CROWD];

	pthread_barrier_init(&c.start, NULL, CROWD);
	for (int i = 0; i < CROWD; i++)
		cr_assert_eq(pthread_create(&threads[i], NULL, crowd_store, &c), 0);
	for (int i = 0; i < CROWD; i++)
		cr_assert_eq(pthread_join(threads[i], NULL), 0);
	for (int page = 0; page < CROWD_PAGES; page++)
		for (int me = 0; me < CROWD; me++)
			cr_assert_eq(p[PAGES(page) + me], page + me + 1);
	pthread_barrier_destroy(&c.start);
}

LIVE_TEST_FS(live_engine, crowd)
{
	struct daxsim_file *f = open_new(r->d, "f", PAGES(CROWD_PAGES));
	u8 *p = map_shared(f, PAGES(CROWD_PAGES));
	void *q = NULL;

	for (int i = 0; i < 4; i++) {
		crowd_on(p, i % 2);
		works(daxsim_ftruncate(f, 0));
		works(daxsim_ftruncate(f, PAGES(CROWD_PAGES)));
	}
	memset(p, 0, PAGES(CROWD_PAGES));	/* there is something to be read first, or copied */
	for (int i = 0; i < 8; i++) {
		works(daxsim_mmap(f, PAGES(CROWD_PAGES), RW, MAP_PRIVATE, 0, &q));
		crowd_on(q, i % 2);
		works(daxsim_munmap(r->d, q, PAGES(CROWD_PAGES)));
	}
	for (int page = 0; page < CROWD_PAGES; page++)
		cr_assert_eq(p[PAGES(page)], 0);
	daxsim_close(f);
}

/* Each way for handler threads to wait, and numbers of them. */
Test(live_engine, loops)
{
	for (int i = 0; i < 6; i++) {
		struct daxsim_options o = {
			.size = DEVICE_SIZE, .threads = 1 + i % 3 + i % 3 / 2,
			.loop = i < 3 ? DAXSIM_LOOP_READ : DAXSIM_LOOP_URING, .fault_around = 1 + i,
		};
		struct daxsim *d = mount_device(&o);
		struct daxsim_file *f = open_new(d, "f", PAGES(CROWD_PAGES));

		for (int n = 0; n < 3; n++)
			crowd_on(map_shared(f, PAGES(CROWD_PAGES)), n % 2);
		cr_assert_eq(read_into(map_shared(f, PAGES(1))), 0);
		works(daxsim_check(d));
		daxsim_close(f);
		daxsim_umount(d);
	}
}

/* Bytes go from a mapping of one device to one of another, by copying and by calls. */
Test(live_engine, two_devices)
{
	struct daxsim_options o = { .size = DEVICE_SIZE, .engine = DAXSIM_ENGINE_THREAD };
	struct daxsim *a = mount_device(&o), *b;
	struct daxsim_file *f = open_new(a, "f", PAGES(32)), *g;
	u8 *p = map_shared(f, PAGES(32)), *q;

	o.engine = DAXSIM_ENGINE_INLINE;
	o.fs = "xfs@4.7";
	b = mount_device(&o);
	g = open_new(b, "g", PAGES(32));
	q = map_shared(g, PAGES(32));
	for (size_t i = 0; i < PAGES(32); i += 100)
		p[i] = i % 251;
	memcpy(q, p, PAGES(32));
	works(daxsim_ftruncate(f, 0));
	works(daxsim_ftruncate(f, PAGES(32)));
	cr_assert_eq(daxsim_pwrite(f, q, PAGES(32), 0), PAGES(32));
	cr_assert_eq(memcmp(p, q, PAGES(32)), 0);
	for (size_t i = 0; i < PAGES(32); i += 100)
		cr_assert_eq(p[i], i % 251);
	fails(daxsim_munmap(a, q, PAGES(1)), -EINVAL, "munmap");
	works(daxsim_check(a));
	works(daxsim_check(b));
	daxsim_close(g);
	daxsim_close(f);
	daxsim_umount(a);
	cr_assert_eq(q[100], 100);	/* the signals are still caught for this one */
	works_at(store(q + PAGES(31), 1));
	daxsim_umount(b);
}

Test(live_engine, sixteen_devices)
{
	struct daxsim_options o = { .size = 1 << 20, .threads = 1 };
	struct daxsim *d[16], *more;
	struct daxsim_file *f;
	u8 *p[16];

	if (THREAD_SANITIZED)
		cr_skip_test("no addresses for so many");
	for (int i = 0; i < 16; i++) {
		o.engine = i % 2 ? DAXSIM_ENGINE_INLINE : DAXSIM_ENGINE_THREAD;
		d[i] = mount_device(&o);
		f = open_new(d[i], "f", PAGES(1));
		p[i] = map_shared(f, PAGES(1));
		daxsim_close(f);
		works_at(store(p[i], i));
	}
	fails(daxsim_mount(&o, &more), -EMFILE, "16 devices");
	for (int i = 0; i < 16; i++)
		cr_assert_eq(loads(p[i]), i);
	daxsim_umount(d[5]);
	d[5] = mount_device(&o);
	for (int i = 0; i < 16; i++)
		daxsim_umount(d[i]);
}

/* Nothing is left of a device, however often one comes. */
Test(live_engine, mount_again)
{
	unsigned int maps = 0, fds = 0;

	if (THREAD_SANITIZED)
		cr_skip_test("keeps mappings of its own");
	for (int i = 0; i < 12; i++) {
		struct daxsim_options o = {
			.size = DEVICE_SIZE, .engine = i % 3 ? DAXSIM_ENGINE_THREAD : DAXSIM_ENGINE_INLINE,
			.loop = i % 3 == 1 ? DAXSIM_LOOP_READ : DAXSIM_LOOP_URING,
		};
		struct daxsim *d = mount_device(&o);
		struct daxsim_file *f = open_new(d, "f", PAGES(8));

		works_at(store(map_shared(f, PAGES(8)), 1));
		daxsim_close(f);
		daxsim_umount(d);
		if (i == 5) {
			maps = count_lines("/proc/self/maps");
			fds = count_lines("/proc/self/fd");
		}
	}
	/* A thread's stack may be kept for the next one. */
	cr_assert_leq(count_lines("/proc/self/maps"), maps + 4);
	cr_assert_eq(count_lines("/proc/self/fd"), fds);
	daxsim_umount(NULL);
}
