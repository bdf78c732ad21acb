// SPDX-License-Identifier: MIT
/* Jobs in processes: their order, their ends, and what is left of them. */
#include <criterion/criterion.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daxsim/script/jobs.h"

enum what { PRINT, LONG, CRASH, EXIT, WAIT, STOP, OPEN, LAST };

/* What a job is to do, and where is noted what became of it. */
struct errand {
	enum what what;
	int id;
	struct log *log;
	volatile bool *gate;	/* closed until the job that is to OPEN it does; or NULL */
};

struct log {
	char *text;
	size_t size;
	FILE *to;
	unsigned int dropped;
};

static volatile sig_atomic_t stop;

static void on_signal(int sig)
{
	(void)sig;
	stop = 1;
}

/* The earlier ones take longer, so that they end in another order. */
static void work(void *arg, const struct job_streams *to, void *result)
{
	const struct errand *e = arg;

	*(int *)result = 10 * e->id;
	if (to->progress)
		fprintf(to->progress, "at %d\n", e->id);
	fprintf(to->out, "out %d\n", e->id);
	fprintf(to->errors, "errors %d\n", e->id);
	switch (e->what) {
	case LONG:
		for (int i = 0; i < 20000; i++)
			fprintf(to->out, "line %d\n", i);
		break;
	case CRASH:
		raise(SIGKILL);
		break;
	case EXIT:
		exit(7);
	case STOP:
		kill(getppid(), SIGTERM);
		/* fall through */
	case WAIT:
		while (!stop && !(e->gate && *e->gate))
			usleep(1000);
		break;
	case OPEN:
		*e->gate = true;
		break;
	default:
		usleep(e->id < 3 ? 20000 : 0);
		break;
	}
}

static bool done(void *arg, const struct job_end *end)
{
	const struct errand *e = arg;

	if (end->result)
		fprintf(e->log->to, "%d: %d\n%s%s", e->id, *(const int *)end->result, end->out,
			end->errors);
	else
		fprintf(e->log->to, "%d: it %s\n", e->id, end->death);
	return e->what != LAST;
}

static void drop(void *arg)
{
	struct errand *e = arg;

	e->log->dropped++;
}

static const struct job_kind errands = {
	.result_size = sizeof(int), .work = work, .done = done, .drop = drop,
};

static void open_log(struct log *log)
{
	*log = (struct log){ 0 };
	log->to = open_memstream(&log->text, &log->size);
	cr_assert_not_null(log->to);
}

static void expect_log(struct log *log, const char *want)
{
	fclose(log->to);
	cr_expect_str_eq(log->text, want);
	free(log->text);
	cr_expect(waitpid(-1, NULL, WNOHANG) < 0 && errno == ECHILD, "somebody is left");
}

/* Run jobs that do this one after the other; returns how many were asked for. */
static unsigned int run(const enum what *whats, unsigned int nr, unsigned int at_a_time,
			struct log *log)
{
	struct errand all[16];
	unsigned int i = 0;
	bool more = true;
	struct jobs j;

	cr_assert_eq(jobs_begin(&j, &errands, at_a_time, NULL, &stop), 0);
	for (; i < nr && more; i++) {
		all[i] = (struct errand){ whats[i], i, log, NULL };
		more = jobs_add(&j, &all[i]);
	}
	jobs_end(&j);
	return i;
}

Test(jobs, are_handed_over_in_order)
{
	static const enum what whats[] = { PRINT, PRINT, PRINT, LONG, PRINT, PRINT };
	static const unsigned int at_a_time[] = { 1, 2, 4, 9 };
	char *first = NULL;

	for (size_t i = 0; i < ARRAY_SIZE(at_a_time); i++) {
		struct log log;

		open_log(&log);
		cr_expect_eq(run(whats, ARRAY_SIZE(whats), at_a_time[i], &log), ARRAY_SIZE(whats));
		cr_expect_eq(log.dropped, ARRAY_SIZE(whats));
		fflush(log.to);
		if (!first)
			first = strdup(log.text);
		expect_log(&log, first);
	}
	cr_expect_eq(strstr(first, "0: 0\nout 0\nerrors 0\n1: 10\nout 1\n"), first);
	cr_expect_not_null(strstr(first, "line 19999\nerrors 3\n4: 40\n"));
	free(first);
}

Test(jobs, process_that_dies_is_told_of)
{
	static const enum what whats[] = { PRINT, CRASH, EXIT, PRINT };
	struct log log;

	open_log(&log);
	cr_expect_eq(run(whats, ARRAY_SIZE(whats), 2, &log), ARRAY_SIZE(whats));
	expect_log(&log, "0: 0\nout 0\nerrors 0\n1: it was killed by signal 9, Killed\n"
			 "2: it ended with status 7\n3: 30\nout 3\nerrors 3\n");
}

Test(jobs, what_comes_after_the_last_is_killed)
{
	static const enum what whats[] = { PRINT, LAST, WAIT, WAIT, PRINT };

	for (unsigned int at_a_time = 1; at_a_time < 4; at_a_time++) {
		struct log log;
		unsigned int nr;

		open_log(&log);
		nr = run(whats, ARRAY_SIZE(whats), at_a_time, &log);
		cr_expect_eq(log.dropped, nr);
		expect_log(&log, "0: 0\nout 0\nerrors 0\n1: 10\nout 1\nerrors 1\n");
	}
}

/* Each hears of it from the process that made it, and so does that from one of them. */
Test(jobs, interrupted_ones_still_tell)
{
	static const enum what whats[] = { WAIT, STOP, PRINT };
	struct log log;
	unsigned int nr;

	signal(SIGTERM, on_signal);
	open_log(&log);
	nr = run(whats, ARRAY_SIZE(whats), 2, &log);
	cr_expect_geq(nr, 2);
	cr_expect_eq(log.dropped, nr);
	expect_log(&log, "0: 0\nout 0\nerrors 0\n1: 10\nout 1\nerrors 1\n");
}

/* The second says where it is while the first is not done, so nobody sees it. */
Test(jobs, only_the_first_shows_progress)
{
	FILE *progress = tmpfile();
	volatile bool *gate = mmap(NULL, sizeof(*gate), PROT_READ | PROT_WRITE,
				   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct log log;
	struct errand first = { WAIT, 0, &log, gate }, second = { OPEN, 5, &log, gate };
	char text[20] = "";
	struct jobs j;

	cr_assert(progress && gate != MAP_FAILED);
	setvbuf(progress, NULL, _IONBF, 0);
	open_log(&log);
	cr_assert_eq(jobs_begin(&j, &errands, 2, progress, NULL), 0);
	jobs_add(&j, &first);
	jobs_add(&j, &second);
	jobs_end(&j);
	expect_log(&log, "0: 0\nout 0\nerrors 0\n5: 50\nout 5\nerrors 5\n");
	rewind(progress);
	cr_expect_eq(fread(text, 1, sizeof(text) - 1, progress), 5);
	cr_expect_str_eq(text, "at 0\n");
	fclose(progress);
	munmap((void *)gate, sizeof(*gate));
}

Test(jobs, none)
{
	struct jobs j;

	cr_assert_eq(jobs_begin(&j, &errands, 2, NULL, NULL), 0);
	jobs_end(&j);
	cr_expect_geq(jobs_default(), 1);
}
