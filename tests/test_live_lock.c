// SPDX-License-Identifier: MIT
/* The locks and guards of live mode, with real threads. */
#include <pthread.h>
#include <sched.h>

#include "daxsim/kernel/lock_live.h"
#include "daxsim/sim/guard.h"
#include "tests/machine_fixture.h"

#define THREADS 4
#define ROUNDS 20000

struct bench;

/* A thread, and what it is to do. */
struct actor {
	struct bench *b;
	struct task *t;
	void (*act)(struct actor *a);
	enum lock_mode mode;
	u32 turn;		/* when it came in */
	pthread_t thread;
};

struct bench {
	struct sim sim;
	struct lock lock;
	struct guard guard;
	u64 left, right;	/* what the lock protects */
	u32 turns;		/* atomic: who comes in is counted */
	u32 ready;		/* atomic: threads that are about to ask */
	struct actor actors[THREADS];
};

static struct bench *bench_new(void)
{
	struct bench *b = calloc(1, sizeof(*b));
	char why[100];

	cr_assert_eq(sim_init(&b->sim, 64 << PAGE_SHIFT, &soft_mmu, why, sizeof(why)), 0);
	lock_init(&b->sim, &b->lock, LOCK_I_MUTEX, "l");
	current_task = live_task_create(&b->sim, "main", NULL);
	return b;
}

/* Have the calling thread be @t instead of what it is. */
static void become(struct task *t)
{
	struct task *was = current;

	current_task = t;
	live_task_free(was);
}

static void bench_free(struct bench *b)
{
	cr_expect_eq(b->lock.live, 0, "the lock is left as %#x", b->lock.live);
	cr_expect_eq(b->guard.word, 0);
	cr_expect_eq(current->nr_held, 0);
	become(NULL);
	sim_destroy(&b->sim);
	free(b);
}

static void *actor_main(void *arg)
{
	struct actor *a = arg;

	current_task = a->t;
	a->act(a);
	current_task = NULL;
	return NULL;
}

static void start(struct bench *b, int i, void (*act)(struct actor *a), enum lock_mode mode)
{
	struct actor *a = &b->actors[i];

	*a = (struct actor){ .b = b, .act = act, .mode = mode };
	a->t = live_task_create(&b->sim, "actor", NULL);
	cr_assert_not_null(a->t);
	cr_assert_eq(pthread_create(&a->thread, NULL, actor_main, a), 0);
}

static void finish(struct bench *b, int i)
{
	cr_assert_eq(pthread_join(b->actors[i].thread, NULL), 0);
	cr_expect_eq(b->actors[i].t->nr_held, 0);
	live_task_free(b->actors[i].t);
}

static void wait_for(u32 *word, u32 bits)
{
	while ((__atomic_load_n(word, __ATOMIC_ACQUIRE) & bits) != bits)
		sched_yield();
}

static void take(struct lock *lock, enum lock_mode mode)
{
	if (mode == LOCK_EXCLUSIVE)
		down_write(lock);
	else
		down_read(lock);
}

static void drop(struct lock *lock, enum lock_mode mode)
{
	if (mode == LOCK_EXCLUSIVE)
		up_write(lock);
	else
		up_read(lock);
}

/* Every fourth is a writer, all of them for odd actors. */
static void read_and_write(struct actor *a)
{
	struct bench *b = a->b;

	for (u32 i = 0; i < ROUNDS; i++) {
		a->mode = (a - b->actors) & 1 || i % 4 == 0 ? LOCK_EXCLUSIVE : LOCK_SHARED;
		take(&b->lock, a->mode);
		cr_assert(lock_is_held(&b->lock));
		cr_assert_eq(lock_has_writer(&b->lock), a->mode == LOCK_EXCLUSIVE);
		cr_assert_eq(b->left, b->right);
		if (a->mode == LOCK_EXCLUSIVE) {
			b->left++;
			if (i % 64 == 0)
				sched_yield();
			b->right++;
		}
		drop(&b->lock, a->mode);
		cr_assert(!lock_is_held(&b->lock));
	}
}

Test(live_lock, writers_exclude_everybody)
{
	struct bench *b = bench_new();

	for (int i = 0; i < THREADS; i++)
		start(b, i, read_and_write, LOCK_SHARED);
	for (int i = 0; i < THREADS; i++)
		finish(b, i);
	cr_expect_eq(b->left, 2 * ROUNDS + 2 * ROUNDS / 4);
	bench_free(b);
}

static void count_guarded(struct actor *a)
{
	for (u32 i = 0; i < ROUNDS; i++) {
		guard_lock(&a->b->guard);
		a->b->left++;
		if (i % 64 == 0)
			sched_yield();
		guard_unlock(&a->b->guard);
	}
}

Test(live_lock, guards_exclude)
{
	struct bench *b = bench_new();

	for (int i = 0; i < THREADS; i++)
		start(b, i, count_guarded, LOCK_EXCLUSIVE);
	for (int i = 0; i < THREADS; i++)
		finish(b, i);
	cr_expect_eq(b->left, THREADS * ROUNDS);
	bench_free(b);
}

/* In a deterministic task nobody can come in between, and a guard is not even touched. */
Test(live_lock, guard_is_nothing_to_a_deterministic_task)
{
	struct bench *b = bench_new();
	struct task *live = current, t = { .deterministic = true };

	guard_lock(&b->guard);
	cr_expect_neq(b->guard.word, 0);
	guard_unlock(&b->guard);
	current_task = &t;
	guard_lock(&b->guard);
	cr_expect_eq(b->guard.word, 0);
	guard_unlock(&b->guard);
	current_task = live;
	bench_free(b);
}

/* Comes in, waits until all are in, leaves. */
static void meet(struct actor *a)
{
	take(&a->b->lock, a->mode);
	__atomic_fetch_add(&a->b->turns, 1, __ATOMIC_ACQ_REL);
	while (__atomic_load_n(&a->b->turns, __ATOMIC_ACQUIRE) < THREADS)
		sched_yield();
	drop(&a->b->lock, a->mode);
}

Test(live_lock, readers_are_inside_together)
{
	struct bench *b = bench_new();

	for (int i = 0; i < THREADS; i++)
		start(b, i, meet, LOCK_SHARED);
	for (int i = 0; i < THREADS; i++)
		finish(b, i);
	bench_free(b);
}

static void come_in(struct actor *a)
{
	__atomic_fetch_add(&a->b->ready, 1, __ATOMIC_RELEASE);
	take(&a->b->lock, a->mode);
	a->turn = __atomic_add_fetch(&a->b->turns, 1, __ATOMIC_ACQ_REL);
	drop(&a->b->lock, a->mode);
}

/* Readers that ask after a writer wait behind it, although the lock is only held shared. */
Test(live_lock, writer_is_not_starved)
{
	struct bench *b = bench_new();

	down_read(&b->lock);
	start(b, 0, come_in, LOCK_EXCLUSIVE);
	wait_for(&b->lock.live, LIVE_WANTED | LIVE_SLEEPERS);
	start(b, 1, come_in, LOCK_SHARED);
	start(b, 2, come_in, LOCK_SHARED);
	wait_for(&b->ready, 3);
	for (int i = 0; i < 1000; i++)
		sched_yield();
	cr_expect_eq(__atomic_load_n(&b->turns, __ATOMIC_ACQUIRE), 0);
	up_read(&b->lock);
	for (int i = 0; i < 3; i++)
		finish(b, i);
	cr_expect_eq(b->actors[0].turn, 1);
	bench_free(b);
}

static void only_wait(struct actor *a)
{
	lock_wait(&a->b->lock, a->mode);
	cr_expect(!lock_is_held(&a->b->lock));
	a->turn = __atomic_add_fetch(&a->b->turns, 1, __ATOMIC_ACQ_REL);
}

/* Whoever finds the lock taken goes to sleep, and is woken when it is dropped. */
Test(live_lock, sleepers_are_woken)
{
	static const struct {
		enum lock_mode held, wanted;
		void (*act)(struct actor *a);
	} cases[] = {
		{ LOCK_EXCLUSIVE, LOCK_EXCLUSIVE, come_in },
		{ LOCK_EXCLUSIVE, LOCK_SHARED, come_in },
		{ LOCK_SHARED, LOCK_EXCLUSIVE, come_in },
		{ LOCK_EXCLUSIVE, LOCK_EXCLUSIVE, only_wait },
		{ LOCK_EXCLUSIVE, LOCK_SHARED, only_wait },
		{ LOCK_SHARED, LOCK_EXCLUSIVE, only_wait },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct bench *b = bench_new();

		take(&b->lock, cases[i].held);
		for (int k = 0; k < THREADS; k++)
			start(b, k, cases[i].act, cases[i].wanted);
		wait_for(&b->lock.live, LIVE_SLEEPERS);
		cr_expect_eq(__atomic_load_n(&b->turns, __ATOMIC_ACQUIRE), 0, "case %zu", i);
		drop(&b->lock, cases[i].held);
		for (int k = 0; k < THREADS; k++)
			finish(b, k);
		cr_expect_eq(b->turns, THREADS, "case %zu", i);
		bench_free(b);
	}
}

Test(live_lock, guard_sleepers_are_woken)
{
	struct bench *b = bench_new();

	guard_lock(&b->guard);
	for (int i = 0; i < THREADS; i++)
		start(b, i, count_guarded, LOCK_EXCLUSIVE);
	wait_for(&b->guard.word, 2);
	cr_expect_eq(b->left, 0);
	guard_unlock(&b->guard);
	for (int i = 0; i < THREADS; i++)
		finish(b, i);
	cr_expect_eq(b->left, THREADS * ROUNDS);
	bench_free(b);
}

/* lock_wait() for the other mode than the one held goes on at once. */
Test(live_lock, wait_does_not_wait_for_nothing)
{
	struct bench *b = bench_new();

	lock_wait(&b->lock, LOCK_EXCLUSIVE);
	start(b, 0, meet, LOCK_SHARED);
	while (!__atomic_load_n(&b->turns, __ATOMIC_ACQUIRE))
		sched_yield();
	lock_wait(&b->lock, LOCK_SHARED);
	cr_expect(!lock_has_writer(&b->lock));
	__atomic_store_n(&b->turns, THREADS, __ATOMIC_RELEASE);
	finish(b, 0);
	bench_free(b);
}

static void adopt_and_drop(struct actor *a)
{
	cr_expect(lock_has_writer(&a->b->lock));
	lock_adopt(&a->b->lock);
	cr_expect(lock_is_held(&a->b->lock));
	up_write(&a->b->lock);
}

/* As a file system that one task freezes and another one thaws. */
Test(live_lock, disowned_lock_stays_taken)
{
	struct bench *b = bench_new();

	down_write(&b->lock);
	lock_disown(&b->lock);
	cr_expect(!lock_is_held(&b->lock));
	cr_expect_eq(current->nr_held, 0);
	start(b, 0, come_in, LOCK_SHARED);
	wait_for(&b->lock.live, LIVE_SLEEPERS);
	start(b, 1, adopt_and_drop, LOCK_EXCLUSIVE);
	finish(b, 1);
	finish(b, 0);
	cr_expect_eq(b->actors[0].turn, 1);
	/* And one that nobody else knows of is taken by that. */
	lock_adopt(&b->lock);
	cr_expect(lock_has_writer(&b->lock));
	mutex_unlock(&b->lock);
	bench_free(b);
}

/* The held stack knows locks that were not dropped in order, and those never taken. */
Test(live_lock, held_stack)
{
	struct bench *b = bench_new();
	struct lock other;

	lock_init(&b->sim, &other, LOCK_MMAP_SEM, "o");
	down_read(&b->lock);
	down_write(&other);
	up_read(&b->lock);
	cr_expect(!lock_is_held(&b->lock));
	cr_expect(lock_is_held(&other));
	up_read(&other);
	cr_expect(lock_is_held(&other), "it was held exclusively");
	up_write(&other);
	cr_expect_eq(other.live, 0);
	bench_free(b);
}

static u32 jitters;

static void count_points(struct task *t, enum point_id id)
{
	cr_assert_eq(t, current);
	cr_assert(id == P_lock || id == P_unlock);
	jitters++;
}

/* Points of live tasks go to the machine's jitter, if it has one, and nowhere else. */
Test(live_lock, points_go_to_jitter)
{
	struct bench *b = bench_new();

	b->sim.jitter = count_points;
	mutex_lock(&b->lock);
	mutex_unlock(&b->lock);
	cr_expect_eq(jitters, 0, "this task is older than the jitter");
	become(live_task_create(&b->sim, "jittered", NULL));
	mutex_lock(&b->lock);
	mutex_unlock(&b->lock);
	cr_expect_eq(jitters, 2);
	bench_free(b);
}
