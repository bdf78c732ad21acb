// SPDX-License-Identifier: MIT
/* SIGBUS and SIGSEGV of a program that has devices mounted: whose they are, and who gets them. */
#include <sys/time.h>

#include "tests/live_fixture.h"

TestSuite(live_signal, .timeout = 30);

/* Memory of the program's own, of which a touch is a signal. */
static u8 *forbidden(void)
{
	u8 *p = mmap(NULL, PAGES(1), PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	cr_assert_neq(p, MAP_FAILED);
	return p;
}

static u8 *past_the_end(void)
{
	int fd = memfd_create("empty", MFD_CLOEXEC);
	u8 *p = mmap(NULL, PAGES(1), RW, MAP_SHARED, fd, 0);

	cr_assert_neq(p, MAP_FAILED);
	close(fd);
	return p;
}

/* The program's own faults look as if nobody had been there. */
LIVE_TEST(live_signal, foreign)
{
	u8 *no = forbidden(), *end = past_the_end();

	ends_in(load(no + 3, &(u8){ 0 }), SIGSEGV, SEGV_ACCERR, no + 3);
	ends_in(store(no + 4, 1), SIGSEGV, SEGV_ACCERR, no + 4);
	ends_in(load(end + 5, &(u8){ 0 }), SIGBUS, BUS_ADRERR, end + 5);
	cr_assert_eq(munmap(no, PAGES(1)), 0);
	ends_in(load(no, &(u8){ 0 }), SIGSEGV, SEGV_MAPERR, no);
	cr_assert_eq(stats_of(r->d).signals, 0);
}

static struct daxsim_options options;
static volatile int handled, handled_code;
static u8 *mapped;

/* What a child does after its mount with the handlers it chose. */
static void mount_in_child(void)
{
	struct daxsim_file *f;
	struct daxsim *d;
	void *p;

	options.size = 1 << 20;
	must(!daxsim_mount(&options, &d));
	must(!daxsim_open(d, "f", O_RDWR | O_CREAT, &f));
	must(!daxsim_ftruncate(f, PAGES(8)));
	must(!daxsim_mmap(f, PAGES(16), RW, MAP_SHARED, 0, &p));
	mapped = p;
	mapped[0] = 1;
}

static int touch_past_end(void *arg)
{
	const int sigs[] = { SIGBUS, SIGSEGV };

	for (int i = 0; i < 2; i++)
		signal(sigs[i], arg ? SIG_IGN : SIG_DFL);	/* for a touch these are the same */
	mount_in_child();
	mapped[PAGES(8)] = 1;
	return 1;
}

static int touch_forbidden(void *arg)
{
	signal(SIGSEGV, SIG_DFL);
	mount_in_child();
	*(volatile u8 *)arg = 1;
	return 1;
}

static int send_default(void *arg)
{
	signal(SIGBUS, SIG_DFL);
	mount_in_child();
	(void)arg;
	kill(getpid(), SIGBUS);
	return 1;
}

static int send_ignored(void *arg)
{
	signal(SIGBUS, SIG_IGN);
	signal(SIGSEGV, SIG_IGN);
	mount_in_child();
	(void)arg;
	kill(getpid(), SIGBUS);
	kill(getpid(), SIGSEGV);
	mapped[PAGES(1)] = 1;
	return mapped[PAGES(1)] - 1;
}

static void on_sent(int sig)
{
	/* A fault in a handler is served, too. */
	mapped[PAGES(handled + 2)] = sig;
	handled++;
}

static int send_caught(void *arg)
{
	signal(SIGBUS, on_sent);
	signal(SIGSEGV, on_sent);
	mount_in_child();
	(void)arg;
	kill(getpid(), SIGSEGV);
	raise(SIGSEGV);
	must(handled == 2);
	must(mapped[PAGES(2)] == SIGSEGV && mapped[PAGES(3)] == SIGSEGV);
	return 0;
}

static void on_repairable(int sig, siginfo_t *info, void *uc)
{
	(void)sig;
	(void)uc;
	handled_code = info->si_code;
	handled++;
	/* Its own mask is in force, so that an inline fault here is no end. */
	mapped[PAGES(5)] = 5;
	mprotect(info->si_addr, PAGES(1), RW);
}

/* As programs do that write to read-only memory on purpose: repair, return, try again. */
static int repair(void *arg)
{
	struct sigaction sa = { .sa_sigaction = on_repairable, .sa_flags = SA_SIGINFO };

	sigaction(SIGSEGV, &sa, NULL);
	mount_in_child();
	*(volatile u8 *)arg = 7;
	must(handled == 1 && handled_code == SEGV_ACCERR);
	must(*(volatile u8 *)arg == 7 && mapped[PAGES(5)] == 5);
	return 0;
}

static void in_children(enum daxsim_engine engine)
{
	needs_children();
	options.engine = engine;
	dies_of(in_child(touch_past_end, NULL), SIGBUS);
	dies_of(in_child(touch_past_end, &options), SIGBUS);
	dies_of(in_child(touch_forbidden, forbidden()), SIGSEGV);
	dies_of(in_child(send_default, NULL), SIGBUS);
	exits_well(in_child(send_ignored, NULL));
	exits_well(in_child(send_caught, NULL));
	exits_well(in_child(repair, forbidden()));
}

Test(live_signal, actions_thread)
{
	in_children(DAXSIM_ENGINE_THREAD);
}

Test(live_signal, actions_inline)
{
	in_children(DAXSIM_ENGINE_INLINE);
}

/* Signals that come while threads are in faults are no matter. */
static void on_alarm(int sig)
{
	(void)sig;
	handled++;
	mapped[PAGES(handled % 8)]++;
}

LIVE_TEST(live_signal, interrupted)
{
	struct sigaction sa = { .sa_handler = on_alarm };
	struct itimerval often = { { 0, 300 }, { 0, 300 } }, never = { 0 };
	struct daxsim_file *f = open_new(r->d, "f", PAGES(64)), *g = open_new(r->d, "g", PAGES(64));
	u8 *p = map_shared(g, PAGES(64));

	if (THREAD_SANITIZED)
		cr_skip_test("has signals handled when they are blocked");
	mapped = map_shared(f, PAGES(8));
	sigaction(SIGALRM, &sa, NULL);
	setitimer(ITIMER_REAL, &often, NULL);
	for (int n = 0; n < 3000 && handled < 50; n++) {
		works(daxsim_ftruncate(g, 0));
		works(daxsim_ftruncate(g, PAGES(64)));
		for (int i = 0; i < 64; i++)
			p[PAGES(i)] = i;
		for (int i = 0; i < 64; i++)
			cr_assert_eq(p[PAGES(i)], i);
	}
	setitimer(ITIMER_REAL, &never, NULL);
	cr_assert_gt(handled, 0);
	daxsim_close(g);
	daxsim_close(f);
}

/* A fault is served on an alternate stack of the usual size. */
LIVE_TEST(live_signal, alternate_stack)
{
	size_t size = SANITIZED ? 1 << 16 : max_t(size_t, 16384, MINSIGSTKSZ);
	stack_t stack = { .ss_sp = malloc(size), .ss_size = size };
	struct daxsim_file *f = open_new(r->d, "f", PAGES(8));
	u8 *p = map_shared(f, PAGES(9));

	cr_assert_eq(sigaltstack(&stack, NULL), 0);
	for (int i = 0; i < 8; i++)
		works_at(store(p + PAGES(i), i));
	ends_in(store(p + PAGES(8), 1), SIGBUS, BUS_ADRERR, p + PAGES(8));
	stack.ss_flags = SS_DISABLE;
	cr_assert_eq(sigaltstack(&stack, NULL), 0);
	free(stack.ss_sp);
	daxsim_close(f);
}
