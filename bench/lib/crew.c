// SPDX-License-Identifier: MIT
/* Starting threads together. */
#include "bench/lib/crew.h"

#include <assert.h>
#include <err.h>
#include <pthread.h>
#include <stdlib.h>

#include "bench/lib/placement.h"
#include "bench/lib/samples.h"

struct member {
	pthread_t thread;
	pthread_barrier_t *ready;
	unsigned int index;
	int cpu;
	void (*work)(void *arg, unsigned int index);
	void *arg;
	u64 start, end;
};

static void *member_main(void *arg)
{
	struct member *m = arg;

	if (placement_bind(0, m->cpu))
		errx(EXIT_FAILURE, "cannot bind a thread to CPU %d", m->cpu);
	pthread_barrier_wait(m->ready);
	m->start = now_ns();
	m->work(m->arg, m->index);
	m->end = now_ns();
	return NULL;
}

u64 crew_time(unsigned int nr, const int *cpus, unsigned int nr_cpus,
	      void (*work)(void *arg, unsigned int index), void *arg)
{
	struct member members[MAX_CREW];
	pthread_barrier_t ready;
	u64 start = U64_MAX, end = 0;

	assert(nr && nr <= MAX_CREW);
	pthread_barrier_init(&ready, NULL, nr);
	for (unsigned int i = 0; i < nr; i++) {
		members[i] = (struct member){ .ready = &ready, .index = i, .arg = arg,
					      .cpu = cpus[i % nr_cpus], .work = work };
		if (pthread_create(&members[i].thread, NULL, member_main, &members[i]))
			errx(EXIT_FAILURE, "cannot start a thread");
	}
	for (unsigned int i = 0; i < nr; i++) {
		pthread_join(members[i].thread, NULL);
		start = min_t(u64, start, members[i].start);
		end = max_t(u64, end, members[i].end);
	}
	pthread_barrier_destroy(&ready);
	return end - start;
}
