// SPDX-License-Identifier: MIT
/*
 * The thread engine: threads that read faults from a userfaultfd and serve them. What
 * such a fault costs is two switches from one thread to another, and these cost ten
 * times as much when the other is on another CPU. So a handler follows the threads
 * that it serves: it binds itself to the CPU where the faults come from.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "daxsim/live/live.h"

#define BATCH 16		/* messages that one read(2) may bring */
/* Faults between two looks, which cost as much as two or three of them: after a move soon again. */
#define LOOK_SOON 8
#define LOOK_RARELY 512


static u64 bell_of(const struct live_handler *h)
{
	return (u64)h->d->bell + (h - h->d->handlers) * PAGE_SIZE;
}

/* Where a thread ran last, field 39 of proc(5)'s stat; or -1. */
static int cpu_of(pid_t tid)
{
	char path[64], buf[512], *p;
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/self/task/%d/stat", tid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	n = read(fd, buf, sizeof(buf) - 1);
	close(fd);
	if (n <= 0)
		return -1;
	buf[n] = '\0';
	p = strrchr(buf, ')');		/* the name before it may hold anything */
	for (int field = 2; p && field < 39; field++)
		p = strchr(p + 1, ' ');
	return p ? atoi(p) : -1;
}

static void follow(struct live_handler *h, pid_t faulter)
{
	cpu_set_t one;
	int cpu;

	if (--h->until_look)
		return;
	cpu = cpu_of(faulter);
	if (cpu < 0 || cpu == h->cpu) {
		h->between_looks = min_t(u32, h->between_looks * 2, LOOK_RARELY);
		h->until_look = h->between_looks;
		return;
	}
	h->until_look = h->between_looks = LOOK_SOON;
	CPU_ZERO(&one);
	CPU_SET(cpu, &one);
	if (!sched_setaffinity(0, sizeof(one), &one))
		h->cpu = cpu;
}

/*
 * A fault that cannot be served: the thread is to meet the signal when it tries again. Unless
 * something has changed since there were @changes: live_again() may not have seen this page.
 */
static void fail(struct live_handler *h, u64 addr, int sig, u64 changes)
{
	struct mm *mm = h->d->mm;
	struct vma *vma;
	u64 page;

	down_read(&mm->mmap_sem);
	vma = find_vma(mm, addr);
	if (vma && sig == SIGBUS) {
		page = vma_page(vma, addr);
		live_put_eof(vma, page);
		if (atomic_load(&h->d->nr_changes) != changes)
			live_take_eof(vma, page, page + 1);
	} else {
		uffd_wake(h->pt, addr);
	}
	up_read(&mm->mmap_sem);
}

/* Returns false if the bell was rung. */
static bool serve(struct live_handler *h, const struct uffd_msg *msg, bool wake)
{
	bool write = msg->arg.pagefault.flags & (UFFD_PAGEFAULT_FLAG_WRITE | UFFD_PAGEFAULT_FLAG_WP);
	u64 addr = msg->arg.pagefault.address & PAGE_MASK;
	u64 changes = atomic_load(&h->d->nr_changes);
	int sig;

	if (msg->event != UFFD_EVENT_PAGEFAULT)
		return true;
	if (addr == bell_of(h)) {
		struct uffdio_range range = { .start = addr, .len = PAGE_SIZE };

		ioctl(h->pt->fd, UFFDIO_UNREGISTER, &range);
		/* That wakes, too, but before it is done: who is fast waits in the next fault by now. */
		uffd_wake(h->pt, addr);
		return false;
	}
	sig = live_fault(h->d, addr, write, wake);
	if (sig)
		fail(h, addr, sig, changes);
	follow(h, msg->arg.pagefault.feat.ptid);
	return true;
}

/* One wake-up for all whose faults came together. */
static void wake_all(struct live_handler *h, const struct uffd_msg *msgs, size_t nr)
{
	u64 first = U64_MAX, last = 0;

	for (size_t i = 0; i < nr; i++) {
		first = min_t(u64, first, msgs[i].arg.pagefault.address & PAGE_MASK);
		last = max_t(u64, last, msgs[i].arg.pagefault.address & PAGE_MASK);
	}
	struct uffdio_range range = { .start = first, .len = last - first + PAGE_SIZE };

	ioctl(h->pt->fd, UFFDIO_WAKE, &range);
}

/* Read what there is and serve it. Returns false if the bell was rung, or nothing is left to do. */
static bool serve_some(struct live_handler *h)
{
	struct uffd_msg msgs[BATCH];
	ssize_t n = read(h->pt->fd, msgs, sizeof(msgs));
	bool go_on = true;

	if (n < 0)
		return errno == EAGAIN || errno == EINTR;
	n /= sizeof(msgs[0]);
	for (ssize_t i = 0; i < n; i++)
		go_on &= serve(h, &msgs[i], n == 1);
	if (n > 1)
		wake_all(h, msgs, n);
	return go_on;
}

static void loop_read(struct live_handler *h)
{
	while (serve_some(h))
		;
}

static void loop_uring(struct live_handler *h)
{
	struct io_uring_sqe *sqe;
	struct io_uring_cqe *cqe;
	struct io_uring *ring = &h->ring;
	bool go_on = true, armed = false;

	while (go_on) {
		if (!armed) {
			sqe = io_uring_get_sqe(ring);
			io_uring_prep_poll_multishot(sqe, h->pt->fd, POLLIN);
			io_uring_submit(ring);
			armed = true;
		}
		if (io_uring_wait_cqe(ring, &cqe))
			continue;
		armed = cqe->flags & IORING_CQE_F_MORE;
		io_uring_cqe_seen(ring, cqe);
		go_on = serve_some(h);
	}
}

static void *handler_main(void *arg)
{
	struct live_handler *h = arg;
	struct live_stay stay;

	pthread_setname_np(pthread_self(), "daxsim-fault");
	if (live_claim(h->d, &stay))
		uffd_die("out of memory for a handler thread");
	if (h->d->loop == DAXSIM_LOOP_URING)
		loop_uring(h);
	else
		loop_read(h);
	live_release(&stay);
	return NULL;
}

static int start_thread(struct live_handler *h)
{
	sigset_t all, before;
	int err;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	err = -pthread_create(&h->thread, NULL, handler_main, h);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	h->started = !err;
	return err;
}

static int cannot(char *why, size_t size, int err, const char *what)
{
	errno = -err;
	return uffd_fail(why, size, err, "cannot %s: %m", what);
}

static int start(struct live_handler *h, char *why, size_t size)
{
	bool uring = h->d->loop == DAXSIM_LOOP_URING;
	int err;

	if (!uring && fcntl(h->pt->fd, F_SETFL, 0))
		return cannot(why, size, -errno, "make a userfaultfd block");
	err = uffd_register(h->pt, bell_of(h), PAGE_SIZE);
	if (err)
		return cannot(why, size, err, "register a page");
	err = uring ? io_uring_queue_init(4, &h->ring, 0) : 0;
	if (err)
		return cannot(why, size, err, "set up an io_uring for DAXSIM_LOOP_URING");
	err = start_thread(h);
	if (!err)
		return 0;
	if (uring)
		io_uring_queue_exit(&h->ring);
	return cannot(why, size, err, "start a handler thread");
}

int live_handlers_start(struct daxsim *d, char *why, size_t size)
{
	int err = 0;

	if (d->engine != DAXSIM_ENGINE_THREAD)
		return 0;
	d->bell = mmap(NULL, LIVE_SHARDS * PAGE_SIZE, PROT_READ, MAP_SHARED, d->mmu.shard[0].hole, 0);
	if (d->bell == MAP_FAILED) {
		d->bell = NULL;
		return uffd_fail(why, size, -errno, "cannot map a page: %m");
	}
	for (unsigned int i = 0; i < d->mmu.nr_shards && !err; i++) {
		d->handlers[i] = (struct live_handler){ .d = d, .pt = &d->mmu.shard[i], .cpu = -1,
							.until_look = 1,
							.between_looks = LOOK_SOON };
		err = start(&d->handlers[i], why, size);
	}
	if (err)
		live_handlers_stop(d);
	return err;
}

void live_handlers_stop(struct daxsim *d)
{
	for (unsigned int i = 0; i < LIVE_SHARDS; i++) {
		struct live_handler *h = &d->handlers[i];

		if (!h->started)
			continue;
		/* This thread, too, waits for it in a fault; all that came before are served. */
		(void)*(volatile u8 *)bell_of(h);
		pthread_join(h->thread, NULL);
		if (d->loop == DAXSIM_LOOP_URING)
			io_uring_queue_exit(&h->ring);
		h->started = false;
	}
	if (d->bell)
		munmap(d->bell, LIVE_SHARDS * PAGE_SIZE);
	d->bell = NULL;
}
