// SPDX-License-Identifier: MIT
/* Bare round trips: one area of pages, one thread that resolves its faults. */
#include "bench/lib/bare_uffd.h"

#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "backends/mmu/uffd.h"
#include "bench/lib/samples.h"

struct trip {
	const char *name;
	bool on_device;		/* the area maps the device, whose pages hold data */
	bool write;
	int (*prepare)(struct bare *b, u64 addr);	/* a page before it is touched, or NULL */
	int (*resolve)(struct bare *b, u64 addr);	/* its fault; NULL: there is none */
};

struct bare {
	u64 nr_pages;
	int fd;			/* the userfaultfd, blocking */
	int hole, device;	/* memfds */
	char *area;
	_Atomic(const struct trip *) trip;
	pthread_t handler, partner;
	unsigned int nr_threads;	/* that run, in this order */
	atomic_bool quit;		/* the next round trip is the last one */
	sem_t go, done;			/* of the partner */
};

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
	struct uffdio_continue arg = { .range = { addr, PAGE_SIZE } };

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
	struct uffdio_register arg = {
		.range = { addr, len },
		.mode = UFFDIO_REGISTER_MODE_MISSING | UFFDIO_REGISTER_MODE_MINOR |
			UFFDIO_REGISTER_MODE_WP,
	};

	if (mmap((void *)addr, len, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED | MAP_NORESERVE,
		 fd, addr - (u64)b->area) == MAP_FAILED)
		return -1;
	return ioctl(b->fd, UFFDIO_REGISTER, &arg);
}

/* The device has no page there yet: COPY makes it. */
static int retarget(struct bare *b, u64 addr)
{
	return map(b, addr, PAGE_SIZE, b->device) ? -1 : copy(b, addr, 0);
}

static const struct trip trips[NR_BARE_TRIPS] = {
	[BARE_HANDOFF] = { "two semaphores", false, false, NULL, NULL },
	[BARE_COPY_WP] = { "COPY|WP", false, false, NULL, copy_wp },
	[BARE_RETARGET] = { "mmap+REGISTER+COPY", false, true, NULL, retarget },
	[BARE_RETARGET_WP] = { "mmap+REGISTER+COPY", false, true, copy_wp, retarget },
	[BARE_CONTINUE] = { "CONTINUE", true, false, NULL, proceed },
	[BARE_CONTINUE_WRITE] = { "CONTINUE", true, true, NULL, proceed },
	[BARE_UNPROTECT] = { "un-WRITEPROTECT", true, true, proceed_wp, unprotect },
};

const char *bare_name(enum bare_trip trip)
{
	return trips[trip].name;
}

static void *handler_main(void *arg)
{
	struct bare *b = arg;
	struct uffd_msg msg;

	while (!atomic_load(&b->quit)) {
		const struct trip *t;

		if (read(b->fd, &msg, sizeof(msg)) != sizeof(msg)) {
			if (errno == EINTR)
				continue;
			err(EXIT_FAILURE, "cannot read a userfaultfd");
		}
		t = atomic_load(&b->trip);
		if (t->resolve(b, msg.arg.pagefault.address & PAGE_MASK))
			err(EXIT_FAILURE, "%s cannot resolve a fault", t->name);
	}
	return NULL;
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
static int get_fd(void)
{
	struct uffdio_api api = {
		.api = UFFD_API,
		.features = UFFD_FEATURE_MISSING_SHMEM | UFFD_FEATURE_PAGEFAULT_FLAG_WP |
			    UFFD_FEATURE_MINOR_SHMEM | UFFD_FEATURE_WP_HUGETLBFS_SHMEM,
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

struct bare *bare_open(u64 nr_pages, int cpu, char *why, size_t size)
{
	struct bare *b = calloc(1, sizeof(*b));
	const char *what = "get memory";

	if (!b)
		goto fail;
	b->nr_pages = nr_pages;
	b->area = MAP_FAILED;
	sem_init(&b->go, 0, 0);
	sem_init(&b->done, 0, 0);
	b->hole = memfd_create("bare-hole", MFD_CLOEXEC);
	b->device = memfd_create("bare-device", MFD_CLOEXEC);
	b->fd = get_fd();
	what = "get a userfaultfd (try sysctl vm.unprivileged_userfaultfd=1)";
	if (b->fd < 0)
		goto fail;
	what = "create a memfd";
	if (b->hole < 0 || b->device < 0)
		goto fail;
	what = "reserve addresses";
	b->area = mmap(NULL, nr_pages << PAGE_SHIFT, PROT_NONE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (b->area == MAP_FAILED)
		goto fail;
	what = "start a thread";
	if (!start(b, cpu))
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
	if (!t->resolve)
		return 0;
	if (reset(b->hole, size) || reset(b->device, size) ||
	    map(b, area, size, t->on_device ? b->device : b->hole))
		return -errno;
	for (u64 at = 0; at < size; at += PAGE_SIZE) {
		if (t->on_device && pwrite(b->device, zeroes, PAGE_SIZE, at) != (ssize_t)PAGE_SIZE)
			return -errno;
		if (t->prepare && t->prepare(b, area + at))
			return -errno;
	}
	return 0;
}

void bare_touch(struct bare *b, u64 first, u64 nr, u64 *ns)
{
	const struct trip *t = atomic_load(&b->trip);

	for (u64 i = 0; i < nr; i++) {
		volatile u64 *at = (volatile u64 *)(b->area + ((first + i) << PAGE_SHIFT));
		u64 start = now_ns();

		if (!t->resolve) {
			sem_post(&b->go);
			wait_for(&b->done);
		} else if (t->write) {
			*at = i;
		} else {
			(void)*at;
		}
		ns[i] = now_ns() - start;
	}
}
