// SPDX-License-Identifier: MIT
/*
 * Getting a userfaultfd that can do what is needed, or saying why not, and giving
 * everything back.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "backends/mmu/toucher.h"
#include "backends/mmu/uffd.h"
#include "daxsim/sim/sim.h"

#define UFFD_FLAGS (O_CLOEXEC | O_NONBLOCK)

static const struct {
	u64 bit;
	const char *name;
	const char *since;	/* Linux */
} needed[] = {
	{ UFFD_FEATURE_MISSING_SHMEM, "UFFD_FEATURE_MISSING_SHMEM", "4.11" },
	{ UFFD_FEATURE_THREAD_ID, "UFFD_FEATURE_THREAD_ID", "4.14" },
	{ UFFD_FEATURE_PAGEFAULT_FLAG_WP, "UFFD_FEATURE_PAGEFAULT_FLAG_WP", "5.7" },
	{ UFFD_FEATURE_MINOR_SHMEM, "UFFD_FEATURE_MINOR_SHMEM", "5.14" },
	{ UFFD_FEATURE_WP_HUGETLBFS_SHMEM, "UFFD_FEATURE_WP_HUGETLBFS_SHMEM", "5.19" },
};

static int by_device(void)
{
	int dev = open("/dev/userfaultfd", O_RDWR | O_CLOEXEC);
	int fd, err;

	if (dev < 0)
		return -1;
	fd = ioctl(dev, USERFAULTFD_IOC_NEW, UFFD_FLAGS);
	err = errno;
	close(dev);
	errno = err;
	return fd;
}

static int by_syscall(void)
{
	return syscall(SYS_userfaultfd, UFFD_FLAGS);
}

static int for_user_mode(void)
{
	return syscall(SYS_userfaultfd, UFFD_FLAGS | UFFD_USER_MODE_ONLY);
}

/* Best first. The last one needs no privilege, but Linux itself cannot fault then. */
static const struct {
	const char *name;
	int (*get)(void);
	bool user_mode_only;
} ways[] = {
	{ "/dev/userfaultfd", by_device, false },
	{ "userfaultfd(2)", by_syscall, false },
	{ "UFFD_USER_MODE_ONLY", for_user_mode, true },
};

int uffd_fail(char *why, size_t size, int err, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(why, size, fmt, ap);
	va_end(ap);
	return err;
}

_Noreturn void uffd_die(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	fprintf(stderr, "daxsim: ");
	vfprintf(stderr, fmt, ap);
	fprintf(stderr, "\n");
	va_end(ap);
	abort();
}

static const char *advice(int err)
{
	switch (err) {
	case ENOSYS:
		return "this kernel was built without CONFIG_USERFAULTFD: use --mmu soft";
	case EMFILE:
	case ENFILE:
		return "raise the limit of open files (ulimit -n), or use --mmu soft";
	default:
		return "set sysctl vm.unprivileged_userfaultfd=1, or make /dev/userfaultfd "
		       "readable and writable, or in a container let seccomp pass "
		       "userfaultfd, or use --mmu soft";
	}
}

static int get_fd(struct uffd *u, char *why, size_t size)
{
	size_t len = 0;
	int err = 0;

	for (size_t i = 0; i < ARRAY_SIZE(ways); i++) {
		u->fd = ways[i].get();
		u->user_mode_only = ways[i].user_mode_only;
		if (u->fd >= 0)
			return 0;
		err = errno;
		uffd_fail(why + len, size - len, 0, "%s: %m; ", ways[i].name);
		len += strnlen(why + len, size - len);
	}
	return uffd_fail(why + len, size - len, -err, "%s", advice(err));
}

static int check_features(struct uffd *u, char *why, size_t size)
{
	struct uffdio_api api = { .api = UFFD_API };
	int err;

	for (size_t i = 0; i < ARRAY_SIZE(needed); i++)
		api.features |= needed[i].bit;
	if (!ioctl(u->fd, UFFDIO_API, &api))
		return 0;
	err = -errno;

	/* Refused: ask again for nothing, and be told what there is. */
	api = (struct uffdio_api){ .api = UFFD_API };
	if (!ioctl(u->fd, UFFDIO_API, &api))
		for (size_t i = 0; i < ARRAY_SIZE(needed); i++)
			if (!(api.features & needed[i].bit))
				return uffd_fail(why, size, -EOPNOTSUPP,
						 "this kernel lacks %s, which is in Linux since %s "
						 "(5.19 or later is needed): use --mmu soft",
						 needed[i].name, needed[i].since);
	errno = -err;
	return uffd_fail(why, size, err, "UFFDIO_API: %m: use --mmu soft");
}

static int get_files(struct uffd *u, char *why, size_t size)
{
	u->hole = memfd_create("daxsim-hole", MFD_CLOEXEC);
	u->eof = memfd_create("daxsim-eof", MFD_CLOEXEC);
	if (u->hole < 0 || u->eof < 0)
		return uffd_fail(why, size, -errno, "cannot create a memfd: %m");
	/* As long as a file can be: it is indexed by the page offsets of all files. */
	if (ftruncate(u->hole, INT64_MAX & PAGE_MASK))
		return uffd_fail(why, size, -errno, "cannot make a sparse memfd: %m");
	/* Not for io_uring to give up on: it is to wait. */
	u->done = eventfd(0, EFD_CLOEXEC);
	if (u->done < 0)
		return uffd_fail(why, size, -errno, "cannot create an eventfd: %m");
	u->pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	return 0;
}

/* The device may be an image in any file, but only those on tmpfs can be watched. */
static int check_device(struct uffd *u, char *why, size_t size)
{
	void *page = mmap(NULL, PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, u->sim->pmem.fd, 0);
	int err;

	if (page == MAP_FAILED)
		return uffd_fail(why, size, -errno, "cannot map the device: %m");
	err = uffd_register(u, (u64)page, PAGE_SIZE);
	munmap(page, PAGE_SIZE);
	if (!err)
		return 0;
	errno = -err;
	return uffd_fail(why, size, err,
			 "the device cannot be watched (%m): put its image on tmpfs, /dev/shm for "
			 "instance, or use --mmu soft");
}

/*
 * A fault is two switches between threads, ten times slower if the other is on
 * another CPU. A thread that has one CPU only is left alone, so that machines that
 * a thread has side by side can be closed in any order.
 */
static void pin(struct uffd *u)
{
	cpu_set_t one;

	if (sched_getaffinity(0, sizeof(u->affinity), &u->affinity) || CPU_COUNT(&u->affinity) < 2)
		return;
	CPU_ZERO(&one);
	CPU_SET(sched_getcpu(), &one);
	u->pinned = !sched_setaffinity(0, sizeof(one), &one);
}

int uffd_open(struct sim *sim, char *why, size_t size)
{
	struct uffd *u = malloc(sizeof(*u));
	int err;

	if (!u)
		return uffd_fail(why, size, -ENOMEM, "out of memory");
	*u = (struct uffd){ .sim = sim, .fd = -1, .hole = -1, .eof = -1, .pagemap = -1,
			    .done = -1, .tid = gettid() };
	SLIST_INIT(&u->areas);
	sim->mmu_data = u;
	err = get_fd(u, why, size);
	if (!err)
		err = check_features(u, why, size);
	if (!err)
		err = check_device(u, why, size);
	if (!err)
		err = get_files(u, why, size);
	if (!err)
		err = uffd_loop_open(u, why, size);
	if (!err) {
		err = toucher_signals_get();
		if (err)
			uffd_fail(why, size, err, "cannot install signal handlers");
		u->have_signals = !err;
	}
	if (err)
		uffd_close(sim);
	else
		pin(u);
	return err;
}

/* A thread that sleeps in a fault is given the end of the file, whatever it wants. */
static void end_toucher(struct uffd *u, struct task *task)
{
	struct toucher *t = task->mmu;

	if (!t)
		return;
	if (t->asleep) {
		for (u64 a = t->addr & PAGE_MASK; a < t->addr + t->len; a += PAGE_SIZE)
			uffd_map_eof(u, a);
		uffd_wake(u, t->asleep);
	}
	toucher_destroy(t);
	task->mmu = NULL;
}

void uffd_close(struct sim *sim)
{
	struct uffd *u = sim->mmu_data;
	struct uffd_area *area;

	if (!u)
		return;
	for (unsigned int i = 0; i < sim->sched.nr_tasks; i++)
		end_toucher(u, sim->sched.tasks[i]);
	while ((area = SLIST_FIRST(&u->areas))) {
		SLIST_REMOVE_HEAD(&u->areas, link);
		munmap(area->start, area->len);
		free(area);
	}
	uffd_loop_close(u);

	const int fds[] = { u->fd, u->hole, u->eof, u->pagemap, u->done };

	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		if (fds[i] >= 0)
			close(fds[i]);
	if (u->have_signals)
		toucher_signals_put();
	if (u->pinned)
		sched_setaffinity(u->tid, sizeof(u->affinity), &u->affinity);
	free(u);
	sim->mmu_data = NULL;
}
