// SPDX-License-Identifier: MIT
/*
 * What a process does while its threads are in faults: end, fork, exec, unmap, unmount, truncate.
 * Touches end in SIGBUS or SIGSEGV or go well; nobody hangs.
 */
#include <stdatomic.h>
#include <time.h>

#include "tests/live_fixture.h"

TestSuite(live_process, .timeout = 30);

#define TOUCHERS 4
#define FILE_PAGES 128

/* Threads that touch all the pages of a mapping again and again. */
struct touchers {
	u8 *p;
	atomic_bool stop;
	atomic_uint rounds, buses, segvs, others;
	pthread_t threads[TOUCHERS];
};

static void *touch_all(void *arg)
{
	struct touchers *t = arg;

	while (!atomic_load(&t->stop)) {
		for (int i = 0; i < FILE_PAGES; i++) {
			u8 *at = t->p + PAGES(i * 37 % FILE_PAGES), byte;
			struct caught c = i % 3 ? store(at + i, i) : load(at, &byte);

			if (c.sig == SIGBUS)
				atomic_fetch_add(&t->buses, 1);
			else if (c.sig == SIGSEGV)
				atomic_fetch_add(&t->segvs, 1);
			else if (c.sig)
				atomic_fetch_add(&t->others, 1);
		}
		atomic_fetch_add(&t->rounds, 1);
	}
	return NULL;
}

static void start_touching(struct touchers *t, u8 *p)
{
	*t = (struct touchers){ .p = p };
	for (int i = 0; i < TOUCHERS; i++)
		must(!pthread_create(&t->threads[i], NULL, touch_all, t));
}

static void stop_touching(struct touchers *t)
{
	atomic_store(&t->stop, true);
	for (int i = 0; i < TOUCHERS; i++)
		must(!pthread_join(t->threads[i], NULL));
}

static void pause_us(long us)
{
	nanosleep(&(struct timespec){ .tv_nsec = us * 1000 }, NULL);
}

LIVE_TEST_FS(live_process, truncate_under_threads)
{
	struct daxsim_file *f = open_new(r->d, "f", PAGES(FILE_PAGES));
	struct touchers t;
	u8 *p = map_shared(f, PAGES(FILE_PAGES));

	start_touching(&t, p);
	for (int i = 0; i < 60 || (atomic_load(&t.rounds) < 20 && i < 2000); i++) {
		works(daxsim_ftruncate(f, PAGES(i * 29 % FILE_PAGES)));
		if (i % 4 == 0 && strcmp(r->fs, "ext2"))
			works(daxsim_fallocate(f, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
					       PAGES(8), PAGES(16)));
		works(daxsim_ftruncate(f, PAGES(FILE_PAGES)));
		if (i % 8 == 0)
			pause_us(300);
	}
	stop_touching(&t);
	cr_assert_eq(t.segvs + t.others, 0);
	works(daxsim_ftruncate(f, 0));
	works(daxsim_ftruncate(f, PAGES(FILE_PAGES)));
	for (int i = 0; i < FILE_PAGES; i++)
		cr_assert_eq(loads(p + PAGES(i) + i), 0);
	daxsim_close(f);
}

/* Parts of a mapping go while threads are in faults on it. */
LIVE_TEST_FS(live_process, munmap_under_threads)
{
	struct daxsim_file *f = open_new(r->d, "f", PAGES(FILE_PAGES));
	struct touchers t;

	for (int n = 0; n < 8; n++) {
		u8 *p = map_shared(f, PAGES(FILE_PAGES));

		start_touching(&t, p);
		pause_us(200);
		for (int i = 0; i < FILE_PAGES; i += 16)
			works(daxsim_munmap(r->d, p + PAGES(i * 5 % FILE_PAGES), PAGES(16)));
		while (!atomic_load(&t.segvs))
			pause_us(100);
		stop_touching(&t);
		cr_assert_eq(t.buses + t.others, 0);
		works(daxsim_ftruncate(f, 0));
		works(daxsim_ftruncate(f, PAGES(FILE_PAGES)));
	}
	cr_assert_eq(stats_of(r->d).regions, 0);
	daxsim_close(f);
}

static void umount_under_threads(struct daxsim_options o)
{
	o.size = DEVICE_SIZE;
	for (int n = 0; n < 15; n++) {
		struct daxsim *d = mount_device(&o);
		struct daxsim_file *f = open_new(d, "f", PAGES(FILE_PAGES));
		struct touchers t;

		start_touching(&t, map_shared(f, PAGES(FILE_PAGES)));
		daxsim_close(f);
		pause_us(n * 60);
		daxsim_umount(d);
		while (!atomic_load(&t.segvs))
			pause_us(100);
		stop_touching(&t);
		cr_assert_eq(t.buses + t.others, 0);
	}
}

Test(live_process, umount_under_threads_thread)
{
	umount_under_threads((struct daxsim_options){ .threads = 2 });
}

Test(live_process, umount_under_threads_uring)
{
	umount_under_threads((struct daxsim_options){ .loop = DAXSIM_LOOP_URING });
}

Test(live_process, umount_under_threads_inline)
{
	umount_under_threads((struct daxsim_options){ .engine = DAXSIM_ENGINE_INLINE });
}

/* A program in the middle of everything, and how it ends. */
struct ending {
	struct daxsim_options o;
	int how;
};

enum { EXIT, KILLED, EXEC, RETURN_TO_ATEXIT };

static int end_in_the_middle(void *arg)
{
	static struct touchers t;
	struct ending *e = arg;
	struct daxsim_file *f;
	struct daxsim *d;
	void *p;

	e->o.size = DEVICE_SIZE;
	must(!daxsim_mount(&e->o, &d));
	must(!daxsim_open(d, "f", O_RDWR | O_CREAT, &f) && !daxsim_ftruncate(f, PAGES(FILE_PAGES)));
	must(!daxsim_mmap(f, PAGES(FILE_PAGES), RW, MAP_SHARED, 0, &p));
	start_touching(&t, p);
	pause_us(500);
	switch (e->how) {
	case EXIT:
		_exit(0);
	case KILLED:
		kill(getpid(), SIGKILL);
		break;
	case EXEC:
		execl("/bin/true", "true", NULL);
		break;
	case RETURN_TO_ATEXIT:
		stop_touching(&t);
		exit(0);
	}
	return 1;
}

Test(live_process, endings)
{
	struct ending e;

	needs_children();
	catch_signals();
	for (int i = 0; i < 12; i++) {
		e = (struct ending){ .how = i % 4, .o.engine = i / 4 == 2 };
		e.o.loop = i / 4 == 1;
		if (SANITIZED && e.how == RETURN_TO_ATEXIT)
			continue;	/* what it did not give back is a leak */
		if (e.how == KILLED)
			dies_of(in_child(end_in_the_middle, &e), SIGKILL);
		else
			exits_well(in_child(end_in_the_middle, &e));
	}
}

/* What a child has of its parent's device: nothing that works, and nothing that harms. */
struct inheritance {
	struct daxsim_options o;
	struct daxsim *d;
	struct daxsim_file *f;
	u8 *p;
};

#define MAX_HANDLERS 4

static int inherit(void *arg)
{
	struct inheritance *in = arg;
	struct daxsim_statistics s;
	struct daxsim_stat st;
	struct daxsim_file *f;
	struct daxsim *d;
	void *p;
	int fds[8];
	u8 byte;

	must(load(in->p, &byte).sig == SIGSEGV && store(in->p + PAGES(1), 1).sig == SIGSEGV);
	must(daxsim_fstat(in->f, &st) == -ESRCH && strstr(daxsim_error(), "parent"));
	must(daxsim_pread(in->f, &byte, 1, 0) == -ESRCH && daxsim_pwrite(in->f, "", 1, 0) == -ESRCH);
	must(daxsim_ftruncate(in->f, 0) == -ESRCH && daxsim_fsync(in->f) == -ESRCH);
	must(daxsim_fallocate(in->f, 0, 0, 1) == -ESRCH && daxsim_unlink(in->d, "f") == -ESRCH);
	must(daxsim_open(in->d, "f", O_RDWR, &f) == -ESRCH);
	must(daxsim_mmap(in->f, 1, RW, MAP_SHARED, 0, &p) == -ESRCH);
	must(daxsim_munmap(in->d, in->p, 1) == -ESRCH && daxsim_msync(in->d, in->p, 1) == -ESRCH);
	must(daxsim_populate(in->d, in->p, 1, 1) == -ESRCH && daxsim_check(in->d) == -ESRCH);
	must(daxsim_fiemap(in->f, 0, NULL, 0) == -ESRCH);
	daxsim_statistics(in->d, &s);
	must(!s.faults && !s.kernel_bytes);

	/* One of its own, beside the copy, and after it. Descriptors are not mixed up. */
	must(!daxsim_mount(&in->o, &d));
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		fds[i] = dup(2);
	daxsim_close(in->f);
	daxsim_umount(in->d);
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		must(fcntl(fds[i], F_GETFD) >= 0);
	must(!daxsim_open(d, "g", O_RDWR | O_CREAT, &f) && !daxsim_ftruncate(f, PAGES(4)));
	must(!daxsim_mmap(f, PAGES(8), RW, MAP_SHARED, 0, &p));
	must(!store((u8 *)p + PAGES(2), 3).sig && !load((u8 *)p + PAGES(2), &byte).sig && byte == 3);
	must(store((u8 *)p + PAGES(5), 3).sig == SIGBUS);
	must(load((void *)4096, &byte).sig == SIGSEGV);		/* its own handlers are chained to */
	daxsim_close(f);
	daxsim_umount(d);
	must(load((void *)4096, &byte).sig == SIGSEGV);
	return 0;
}

LIVE_TEST(live_process, fork)
{
	struct inheritance in = { .o = { .size = 1 << 20, .engine = r->engine }, .d = r->d };
	struct touchers t;

	needs_children();
	in.f = open_new(r->d, "f", PAGES(FILE_PAGES));
	in.p = map_shared(in.f, PAGES(FILE_PAGES));
	works_at(store(in.p, 0x77));
	/* Each handler has served a fault: no thread is just being made when the process forks. */
	for (int i = 0; i < MAX_HANDLERS; i++)
		works_at(store(map_shared(in.f, PAGES(FILE_PAGES)), 0x77));
	exits_well(in_child(inherit, &in));
	/* The same with other threads anywhere. A sanitizer's allocator cannot have that. */
	if (!SANITIZED) {
		start_touching(&t, in.p);
		for (int i = 0; i < 5; i++)
			exits_well(in_child(inherit, &in));
		stop_touching(&t);
		cr_assert_eq(t.buses + t.segvs + t.others, 0);
	}
	works_at(store(in.p + 9, 0x78));
	cr_assert_eq(loads(in.p + 9), 0x78);
	daxsim_close(in.f);
}
