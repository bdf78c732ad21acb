// SPDX-License-Identifier: MIT
/* Loads and stores of a stress thread, which may meet the end of a file. */
#include "daxsim/stress/touch.h"

#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <ucontext.h>

static _Thread_local sigjmp_buf *volatile escape;

static void on_signal(int sig, siginfo_t *info, void *context)
{
	const ucontext_t *uc = context;

	(void)info;
	if (!escape) {
		/* Nobody's access: a bug, which happens again and ends the process. */
		signal(sig, SIG_DFL);
		return;
	}
	/* Here and not by sigsetjmp(), which would take a system call for each access. */
	pthread_sigmask(SIG_SETMASK, &uc->uc_sigmask, NULL);
	siglongjmp(*escape, sig);
}

static void install(void)
{
	struct sigaction sa = { .sa_sigaction = on_signal, .sa_flags = SA_SIGINFO };

	sigaction(SIGBUS, &sa, NULL);
	sigaction(SIGSEGV, &sa, NULL);
}

void touch_init(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, install);
}

/*
 * The pages are the simulator's, which maps other ones under them as it likes: that is no race, but
 * the thread sanitizer would say so. A handler that serves the fault of an access is sanitized.
 */
#define UNSANITIZED __attribute__((no_sanitize("thread")))

UNSANITIZED int touch_load(const u64 *p, u64 *value)
{
	sigjmp_buf env;
	int sig = sigsetjmp(env, 0);

	if (!sig) {
		escape = &env;
		*value = *(const volatile u64 *)p;
		__atomic_thread_fence(__ATOMIC_SEQ_CST);
	}
	escape = NULL;
	return sig;
}

UNSANITIZED int touch_store(u64 *p, u64 value)
{
	sigjmp_buf env;
	int sig = sigsetjmp(env, 0);

	if (!sig) {
		escape = &env;
		*(volatile u64 *)p = value;
		__atomic_thread_fence(__ATOMIC_SEQ_CST);
	}
	escape = NULL;
	return sig;
}
