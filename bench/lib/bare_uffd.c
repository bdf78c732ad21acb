// SPDX-License-Identifier: MIT
/*
 * Bare round trips: one area of pages, and a thread that resolves its faults, or none
 * where each thread resolves its own.
 */
#include "bench/lib/bare_uffd.h"

#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "backends/mmu/uffd_pt.h"
#include "bench/lib/samples.h"

struct trip {
	const char *name;
	/* What lies under a page before it is touched. */
	enum { HOLE, DEVICE, DEVICE_UNWATCHED } under;	/* pages of the device hold data */
	bool write;
	int (*prepare)(struct bare *b, u64 addr);	/* a page before it is touched, or NULL */
	int (*resolve)(struct bare *b, u64 addr);	/* its fault; NULL: none is reported */
	bool direct;		/* resolve instead of touching */
};

struct bare {
	enum bare_engine engine;
	u64 nr_pages;
	u64 window;		/* pages that a fault is resolved for */
	int fd;			/* the userfaultfd, blocking */
	int hole, device;	/* memfds */
	bool filled;		/* the device has all pages */
	char *area;
	char *pages;		/* of the device, as the simulator sees them */
	_Atomic(const struct trip *) trip;
	struct sigaction others;	/* between bare_enter() and bare_leave() */
	pthread_t handler, partner;
	unsigned int nr_threads;	/* that run, in this order */
	atomic_bool quit;		/* the next round trip is the last one */
	sem_t go, done;			/* of the partner */
};

/* Whose pages this thread touches: for its signal handler. */
static _Thread_local struct bare *touching;

static const u8 zeroes[PAGE_SIZE];

static int copy(struct bare *b, u64 addr, u64 mode)
{
	struct uffdio_copy arg = {
		.dst = addr,
		.src = (u64)zeroes,
		.len = PAGE_SIZE,
		.mode = mode,
	};

	return ioctl(b->fd, UFFDIO_COPY, &arg);
}

static int copy_wp(struct bare *b, u64 addr)
{
	return copy(b, addr, UFFDIO_COPY_MODE_WP);
}

static int proceed(struct bare *b, u64 addr)
{
	u64 end = (u64)b->area + (b->nr_pages << PAGE_SHIFT);
	struct uffdio_continue arg = {
		.range = { addr, min_t(u64, b->window << PAGE_SHIFT, end - addr) },
	};

	return ioctl(b->fd, UFFDIO_CONTINUE, &arg);
}

static int protect(struct bare *b, u64 addr, u64 mode)
{
	struct uffdio_writeprotect arg = { .range = { addr, PAGE_SIZE }, .mode = mode };

	return ioctl(b->fd, UFFDIO_WRITEPROTECT, &arg);
}

static int proceed_wp(struct bare *b, u64 addr)
{
	return proceed(b, addr) ? -1 : protect(b, addr, UFFDIO_WRITEPROTECT_MODE_WP);
}

static int unprotect(struct bare *b, u64 addr)
{
	return protect(b, addr, 0);
}

static int map(struct bare *b, u64 addr, u64 len, int fd)
{
	if (mmap((void *)addr, len, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED | MAP_NORESERVE,
		 fd, addr - (u64)b->area) == MAP_FAILED)
		return -1;
	return 0;
}

static int watch(struct bare *b, u64 addr, u64 len)
{
	struct uffdio_register arg = {
		.range = { addr, len },
		.mode = UFFDIO_REGISTER_MODE_MISSING | UFFDIO_REGISTER_MODE_MINOR |
			UFFDIO_REGISTER_MODE_WP,
	};

	return ioctl(b->fd, UFFDIO_REGISTER, &arg);
}

/* The device has no page there yet: COPY makes it. */
static int retarget(struct bare *b, u64 addr)
{
	if (map(b, addr, PAGE_SIZE, b->device) || watch(b, addr, PAGE_SIZE))
		return -1;
	return copy(b, addr, 0);
}

static const struct trip trips[NR_BARE_TRIPS] = {
	[BARE_HANDOFF] = { "two semaphores", HOLE, false, NULL, NULL, false },
	[BARE_NATIVE] = { "native fault", DEVICE_UNWATCHED, true, NULL, NULL, false },
	[BARE_COPY_WP] = { "COPY|WP", HOLE, false, NULL, copy_wp, false },
	[BARE_RETARGET] = { "mmap+REGISTER+COPY", HOLE, true, NULL, retarget, false },
	[BARE_RETARGET_WP] = { "mmap+REGISTER+COPY", HOLE, true, copy_wp, retarget, false },
	[BARE_CONTINUE] = { "CONTINUE", DEVICE, false, NULL, proceed, false },
	[BARE_CONTINUE_WRITE] = { "CONTINUE", DEVICE, true, NULL, proceed, false },
	[BARE_CONTINUE_ALONE] = { "ioctl alone", DEVICE, false, NULL, proceed, true },
	[BARE_UNPROTECT] = { "un-WRITEPROTECT", DEVICE, true, proceed_wp, unprotect, false },
};

const char *bare_name(enum bare_trip trip)
{
	return trips[trip].name;
}

/*
 * Between mmap and REGISTER the page is open: a thread that was not asleep yet may have
 * touched it then. It is there, which is all that was to be achieved.
 */
static void resolve(struct bare *b, u64 addr)
{
	const struct trip *t = atomic_load(&b->trip);
	struct uffdio_range range = { .start = addr & PAGE_MASK, .len = PAGE_SIZE };

	if (t->resolve(b, range.start) && (errno != EEXIST || ioctl(b->fd, UFFDIO_WAKE, &range)))
		err(EXIT_FAILURE, "%s cannot resolve a fault", t->name);
}

static void *handler_main(void *arg)
{
	struct bare *b = arg;
	struct uffd_msg msg;

	while (!atomic_load(&b->quit)) {
		if (read(b->fd, &msg, sizeof(msg)) != sizeof(msg)) {
			if (errno == EINTR)
				continue;
			err(EXIT_FAILURE, "cannot read a userfaultfd");
		}
		resolve(b, msg.arg.pagefault.address);
	}
	return NULL;
}

static void on_sigbus(int sig, siginfo_t *info, void *context)
{
	(void)sig;
	(void)context;
	if (!touching)
		abort();
	resolve(touching, (u64)info->si_addr);
}

static void wait_for(sem_t *sem)
{
	while (sem_wait(sem))
		;
}

static void *partner_main(void *arg)
{
	struct bare *b = arg;

	while (!atomic_load(&b->quit)) {
		wait_for(&b->go);
		sem_post(&b->done);
	}
	return NULL;
}

/* User mode is all that is touched from, which needs no privilege. */
static int get_fd(enum bare_engine engine)
{
	struct uffdio_api api = {
		.api = UFFD_API,
		.features = UFFD_FEATURE_MISSING_SHMEM | UFFD_FEATURE_PAGEFAULT_FLAG_WP |
			    UFFD_FEATURE_MINOR_SHMEM | UFFD_FEATURE_WP_HUGETLBFS_SHMEM |
			    (engine == BARE_INLINE ? UFFD_FEATURE_SIGBUS : 0),
	};
	int fd = syscall(SYS_userfaultfd, O_CLOEXEC | UFFD_USER_MODE_ONLY), dev, why = errno;

	if (fd < 0) {
		dev = open("/dev/userfaultfd", O_RDWR | O_CLOEXEC);
		if (dev >= 0) {
			fd = ioctl(dev, USERFAULTFD_IOC_NEW, O_CLOEXEC);
			close(dev);
		}
		errno = why;
	}
	if (fd >= 0 && ioctl(fd, UFFDIO_API, &api)) {
		close(fd);
		return -1;
	}
	return fd;
}

static int start(struct bare *b, int cpu)
{
	pthread_attr_t attr;
	cpu_set_t one;
	int ret;

	CPU_ZERO(&one);
	CPU_SET(cpu, &one);
	pthread_attr_init(&attr);
	ret = pthread_attr_setaffinity_np(&attr, sizeof(one), &one);
	if (!ret)
		ret = pthread_create(&b->handler, &attr, handler_main, b);
	if (!ret) {
		b->nr_threads++;
		ret = pthread_create(&b->partner, &attr, partner_main, b);
	}
	if (!ret)
		b->nr_threads++;
	pthread_attr_destroy(&attr);
	errno = ret;
	return ret;
}

struct bare *bare_open(enum bare_engine engine, u64 nr_pages, int cpu, char *why, size_t size)
{
	struct bare *b = calloc(1, sizeof(*b));
	const char *what = "get memory";

	if (!b)
		goto fail;
	b->engine = engine;
	b->nr_pages = nr_pages;
	b->window = 1;
	b->area = b->pages = MAP_FAILED;
	sem_init(&b->go, 0, 0);
	sem_init(&b->done, 0, 0);
	b->hole = memfd_create("bare-hole", MFD_CLOEXEC);
	b->device = memfd_create("bare-device", MFD_CLOEXEC);
	b->fd = get_fd(engine);
	what = "get a userfaultfd (try sysctl vm.unprivileged_userfaultfd=1)";
	if (b->fd < 0)
		goto fail;
	what = "create a memfd";
	if (b->hole < 0 || b->device < 0)
		goto fail;
	what = "reserve addresses";
	b->area = mmap(NULL, nr_pages << PAGE_SHIFT, PROT_NONE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	b->pages = mmap(NULL, nr_pages << PAGE_SHIFT, PROT_READ | PROT_WRITE,
			MAP_SHARED | MAP_NORESERVE, b->device, 0);
	if (b->area == MAP_FAILED || b->pages == MAP_FAILED)
		goto fail;
	what = "start a thread";
	if (engine == BARE_INLINE || !start(b, cpu))
		return b;
fail:
	snprintf(why, size, "cannot %s: %m", what);
	if (b)
		bare_close(b);
	return NULL;
}

/* A thread in a blocking read(2) ends by what it reads: one more fault. */
static void stop(struct bare *b)
{
	u64 ns;

	atomic_store(&b->quit, true);
	if (b->nr_threads > 0) {
		if (bare_begin(b, BARE_COPY_WP))
			err(EXIT_FAILURE, "cannot end a thread");
		bare_touch(b, 0, 1, &ns);
		pthread_join(b->handler, NULL);
	}
	if (b->nr_threads > 1) {
		sem_post(&b->go);
		pthread_join(b->partner, NULL);
	}
}

void bare_close(struct bare *b)
{
	const int fds[] = { b->hole, b->device, b->fd };

	stop(b);
	if (b->area != MAP_FAILED)
		munmap(b->area, b->nr_pages << PAGE_SHIFT);
	if (b->pages != MAP_FAILED)
		munmap(b->pages, b->nr_pages << PAGE_SHIFT);
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		if (fds[i] >= 0)
			close(fds[i]);
	sem_destroy(&b->go);
	sem_destroy(&b->done);
	free(b);
}

/* Drop what a file holds, and give it its size again. */
static int reset(int fd, u64 size)
{
	return ftruncate(fd, 0) ? -1 : ftruncate(fd, size);
}

int bare_begin(struct bare *b, enum bare_trip trip)
{
	const struct trip *t = &trips[trip];
	u64 area = (u64)b->area, size = b->nr_pages << PAGE_SHIFT;

	atomic_store(&b->trip, t);
	if (trip == BARE_HANDOFF)
		return 0;
	if (reset(b->hole, size) || (t->under == HOLE && reset(b->device, size)) ||
	    (t->under != HOLE && ftruncate(b->device, size)) ||
	    map(b, area, size, t->under == HOLE ? b->hole : b->device) ||
	    (t->under != DEVICE_UNWATCHED && watch(b, area, size)))
		return -errno;
	if (t->under != HOLE && !b->filled)
		memset(b->pages, 0x5a, size);
	b->filled = t->under != HOLE;
	for (u64 at = 0; t->prepare && at < size; at += PAGE_SIZE)
		if (t->prepare(b, area + at))
			return -errno;
	return 0;
}

void bare_set_window(struct bare *b, u64 nr)
{
	b->window = nr;
}

void bare_enter(struct bare *b)
{
	struct sigaction ours = { .sa_sigaction = on_sigbus, .sa_flags = SA_SIGINFO | SA_NODEFER };

	if (b->engine == BARE_INLINE && sigaction(SIGBUS, &ours, &b->others))
		err(EXIT_FAILURE, "cannot handle a signal");
}

void bare_leave(struct bare *b)
{
	if (b->engine == BARE_INLINE && sigaction(SIGBUS, &b->others, NULL))
		err(EXIT_FAILURE, "cannot handle a signal");
}

static void touch(struct bare *b, const struct trip *t, u64 page)
{
	volatile u64 *at = (volatile u64 *)(b->area + (page << PAGE_SHIFT));

	if (t->direct) {
		resolve(b, (u64)at);
	} else if (t == &trips[BARE_HANDOFF]) {
		sem_post(&b->go);
		wait_for(&b->done);
	} else if (t->write) {
		*at = page;
	} else {
		(void)*at;
	}
}

void bare_touch(struct bare *b, u64 first, u64 nr, u64 *ns)
{
	const struct trip *t = atomic_load(&b->trip);

	touching = b;
	for (u64 i = 0; i < nr; i++) {
		u64 start;

		if (!ns) {
			touch(b, t, first + i);
			continue;
		}
		start = now_ns();
		touch(b, t, first + i);
		ns[i] = now_ns() - start;
	}
	touching = NULL;
}
