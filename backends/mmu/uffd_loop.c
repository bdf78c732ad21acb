// SPDX-License-Identifier: MIT
/*
 * What the simulated kernel waits for while user code runs: a page fault, or the
 * end of the access. One io_uring waits for both, so that each costs one system
 * call and none is polled for.
 */
#include <errno.h>
#include <poll.h>
#include <unistd.h>

#include "backends/mmu/toucher.h"
#include "backends/mmu/uffd.h"
#include "daxsim/sim/sim.h"

#define RING_ENTRIES 8
#define MAX_SILENCE 10		/* seconds */

enum {
	TAG_FAULT = 1,
	TAG_DONE,
};

/* The ring has room: never more than one request of each kind is on its way. */
static void arm(struct uffd *u, u64 tag)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&u->ring);

	if (tag == TAG_FAULT)
		io_uring_prep_poll_multishot(sqe, u->pt.fd, POLLIN);
	else
		io_uring_prep_read(sqe, u->done, &u->done_count, sizeof(u->done_count), 0);
	io_uring_sqe_set_data64(sqe, tag);
}

int uffd_loop_open(struct uffd *u, char *why, size_t size)
{
	int err = io_uring_queue_init(RING_ENTRIES, &u->ring, 0);

	if (err == -ENOSYS)
		return uffd_fail(why, size, err,
				 "this kernel has no io_uring (CONFIG_IO_URING): use --mmu soft");
	if (err == -EPERM)
		return uffd_fail(why, size, err,
				 "io_uring is forbidden: set sysctl kernel.io_uring_disabled=0, or "
				 "in a container let seccomp pass it, or use --mmu soft");
	if (err) {
		errno = -err;
		return uffd_fail(why, size, err, "cannot set up io_uring: %m");
	}
	u->have_ring = true;
	arm(u, TAG_FAULT);
	arm(u, TAG_DONE);
	return 0;
}

void uffd_loop_close(struct uffd *u)
{
	if (u->have_ring)
		io_uring_queue_exit(&u->ring);
	u->have_ring = false;
}

static struct task *task_of_thread(struct uffd *u, int tid)
{
	const struct sched *s = &u->pt.sim->sched;

	for (unsigned int i = 0; i < s->nr_tasks; i++) {
		struct toucher *t = s->tasks[i]->mmu;

		if (t && atomic_load(&t->tid) == tid)
			return s->tasks[i];
	}
	return NULL;
}

/*
 * Look for the message of the running toucher. A sleeping one sends another when
 * something wakes it unasked, a debugger for instance: that says nothing new.
 */
static bool read_fault(struct uffd *u, struct toucher *t, struct uffd_fault *fault)
{
	struct uffd_msg msg;

	while (read(u->pt.fd, &msg, sizeof(msg)) == sizeof(msg)) {
		int tid = msg.arg.pagefault.feat.ptid;

		if (msg.event != UFFD_EVENT_PAGEFAULT)
			uffd_die("unexpected userfaultfd event %#x", msg.event);
		if (tid == atomic_load(&t->tid)) {
			*fault = (struct uffd_fault){
				.addr = msg.arg.pagefault.address & PAGE_MASK,
				.write = msg.arg.pagefault.flags &
					 (UFFD_PAGEFAULT_FLAG_WRITE | UFFD_PAGEFAULT_FLAG_WP),
			};
			return true;
		}
		if (!task_of_thread(u, tid))
			uffd_die("thread %d, which is no task, touched a mapping at %#llx", tid,
				 (unsigned long long)msg.arg.pagefault.address);
	}
	if (errno != EAGAIN && errno != EINTR)
		uffd_die("cannot read the userfaultfd: %m");
	return false;
}

/* Return: whether there may be messages. */
static bool complete(struct uffd *u, struct io_uring_cqe *cqe)
{
	u64 tag = io_uring_cqe_get_data64(cqe);
	bool again = !(cqe->flags & IORING_CQE_F_MORE);
	int res = cqe->res;

	io_uring_cqe_seen(&u->ring, cqe);
	if (res < 0 && res != -EINTR && res != -EAGAIN) {
		errno = -res;
		uffd_die("io_uring cannot wait for a %s: %m",
			 tag == TAG_FAULT ? "fault" : "toucher");
	}
	if (again)
		arm(u, tag);
	return tag == TAG_FAULT;
}

bool uffd_loop_wait(struct uffd *u, struct toucher *t, struct uffd_fault *fault)
{
	/* Counted by the second, for a process that is stopped for long loses only one. */
	struct __kernel_timespec second = { .tv_sec = 1 };
	int silence = 0;

	while (!toucher_finished(t)) {
		struct io_uring_cqe *cqe = NULL;
		int err = io_uring_submit_and_wait_timeout(&u->ring, &cqe, 1, &second, NULL);

		if (cqe) {
			if (complete(u, cqe) && read_fault(u, t, fault))
				return false;
		} else if (err == -ETIME) {
			if (++silence == MAX_SILENCE)
				uffd_die("toucher %d did not answer for %d seconds",
					 atomic_load(&t->tid), MAX_SILENCE);
		} else if (err < 0 && err != -EINTR && err != -EAGAIN) {
			errno = -err;
			uffd_die("cannot wait on io_uring: %m");
		}
	}
	return true;
}
