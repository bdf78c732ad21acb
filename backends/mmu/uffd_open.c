// SPDX-License-Identifier: MIT
/* Setting up what serves the touchers of a machine, and giving everything back. */
#include <errno.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "backends/mmu/toucher.h"
#include "backends/mmu/uffd.h"
#include "daxsim/sim/sim.h"

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
	*u = (struct uffd){ .done = -1, .tid = gettid() };
	SLIST_INIT(&u->areas);
	sim->mmu_data = u;
	err = uffd_pt_open(&u->pt, sim, UFFD_FEATURE_THREAD_ID, why, size);
	if (!err) {
		/* Not for io_uring to give up on: it is to wait. */
		u->done = eventfd(0, EFD_CLOEXEC);
		if (u->done < 0)
			err = uffd_fail(why, size, -errno, "cannot create an eventfd: %m");
	}
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
			uffd_map_eof(&u->pt, a);
		uffd_wake(&u->pt, t->asleep);
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
	uffd_pt_close(&u->pt);
	if (u->done >= 0)
		close(u->done);
	if (u->have_signals)
		toucher_signals_put();
	if (u->pinned)
		sched_setaffinity(u->tid, sizeof(u->affinity), &u->affinity);
	free(u);
	sim->mmu_data = NULL;
}
