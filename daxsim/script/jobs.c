// SPDX-License-Identifier: MIT
/* Making processes for jobs, and collecting what they write through a pipe for each. */
#include "daxsim/script/jobs.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define LOOK_EVERY 100	/* milliseconds, for an interruption that came just before poll() */

/* What a process sends: this, the result, what it wrote, and its errors, each with a NUL. */
struct parcel {
	size_t result;
	size_t out, errors;
};

struct jobs_shared {
	volatile u64 first;	/* number of the first in the queue */
	volatile s32 free;	/* processes that can be made besides those of the jobs */
};

struct job {
	STAILQ_ENTRY(job) link;
	u64 number;		/* from 0 */
	void *arg;
	pid_t pid;
	int fd;			/* its pipe; -1: it has ended */
	int status;		/* as waitpid() says */
	FILE *parcel;		/* what came through the pipe: writes to text */
	char *text;
	size_t size;
};

unsigned int jobs_default(void)
{
	cpu_set_t set;

	return sched_getaffinity(0, sizeof(set), &set) ? 1 : CPU_COUNT(&set);
}

int jobs_begin(struct jobs *j, const struct job_kind *kind, unsigned int at_a_time,
	       FILE *progress, const volatile sig_atomic_t *interrupted)
{
	struct jobs_shared *shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
					  MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (shared == MAP_FAILED)
		return -ENOMEM;
	shared->free = at_a_time;
	*j = (struct jobs){
		.kind = kind, .at_a_time = at_a_time, .progress = progress,
		.interrupted = interrupted, .shared = shared,
	};
	STAILQ_INIT(&j->queue);
	return 0;
}

/* Progress is one line at the foot of a terminal: only one may write there, the others go unseen. */
struct foot {
	const struct jobs *j;
	u64 number;
};

static ssize_t write_foot(void *cookie, const char *text, size_t size)
{
	const struct foot *f = cookie;

	if (f->j->shared->first == f->number)
		fwrite(text, 1, size, f->j->progress);
	return size;
}

static FILE *open_foot(struct foot *f)
{
	FILE *to = fopencookie(f, "w", (cookie_io_functions_t){ .write = write_foot });

	if (to)
		setvbuf(to, NULL, _IONBF, 0);
	return to;
}

/* Do a job and write what comes of it. */
static void work(const struct jobs *j, const struct job *job, FILE *to)
{
	struct foot foot = { j, job->number };
	struct job_streams s = {
		.progress = j->progress ? open_foot(&foot) : NULL,
		.free = j->at_a_time > 1 ? &j->shared->free : NULL,
	};
	void *result = calloc(1, j->kind->result_size);
	char *out = NULL, *errors = NULL;
	struct parcel p;

	s.out = open_memstream(&out, &p.out);
	s.errors = open_memstream(&errors, &p.errors);
	if (!result || !s.out || !s.errors) {
		fprintf(stderr, "daxsim: error: out of memory\n");
		exit(EXIT_FAILURE);
	}
	j->kind->work(job->arg, &s, result);
	fclose(s.out);
	fclose(s.errors);
	if (s.progress)
		fclose(s.progress);
	p.result = j->kind->result_size;
	fwrite(&p, sizeof(p), 1, to);
	fwrite(result, p.result, 1, to);
	fwrite(out, p.out + 1, 1, to);
	fwrite(errors, p.errors + 1, 1, to);
	free(result);
	free(out);
	free(errors);
}

/*
 * In the process of a job. It does not outlive the one that made it, and it may hear of an
 * interruption twice, from the terminal and from that one.
 */
static _Noreturn void be_worker(const struct jobs *j, const struct job *job, int fd, pid_t parent)
{
	static const int signals[] = { SIGINT, SIGTERM };
	struct sigaction sa;
	FILE *to;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(EXIT_FAILURE);
	for (size_t i = 0; i < ARRAY_SIZE(signals); i++) {
		sigaction(signals[i], NULL, &sa);
		sa.sa_flags &= ~SA_RESETHAND;
		sigaction(signals[i], &sa, NULL);
	}
	to = fdopen(fd, "w");
	if (!to)
		exit(EXIT_FAILURE);
	work(j, job, to);
	exit(fclose(to) ? EXIT_FAILURE : EXIT_SUCCESS);
}

/* Returns false if no process can be made. */
static bool start(struct jobs *j, struct job *job)
{
	pid_t parent = getpid();
	int fds[2];

	if (pipe2(fds, O_CLOEXEC))
		return false;
	fflush(NULL);
	job->pid = fork();
	if (!job->pid) {
		close(fds[0]);
		be_worker(j, job, fds[1], parent);
	}
	close(fds[1]);
	if (job->pid < 0) {
		close(fds[0]);
		return false;
	}
	job->fd = fds[0];
	j->running++;
	__atomic_sub_fetch(&j->shared->free, 1, __ATOMIC_SEQ_CST);
	return true;
}

static void end(struct jobs *j, struct job *job)
{
	while (waitpid(job->pid, &job->status, 0) < 0 && errno == EINTR)
		;
	close(job->fd);
	job->fd = -1;
	j->running--;
	__atomic_add_fetch(&j->shared->free, 1, __ATOMIC_SEQ_CST);
}

/* Take what a process has written. */
static void receive(struct jobs *j, struct job *job)
{
	char buf[65536];
	ssize_t n = read(job->fd, buf, sizeof(buf));

	if (n > 0)
		fwrite(buf, 1, n, job->parcel);
	else if (!n || errno != EINTR)
		end(j, job);
}

static void signal_all(struct jobs *j, int sig)
{
	struct job *job;

	STAILQ_FOREACH(job, &j->queue, link)
		if (job->fd >= 0)
			kill(job->pid, sig);
}

/* Wait until any process writes or ends, or for a while. */
static void collect(struct jobs *j)
{
	struct pollfd fds[JOBS_MAX];
	struct job *jobs[JOBS_MAX], *job;
	nfds_t nr = 0;

	if (j->interrupted && *j->interrupted && !j->told) {
		j->told = true;
		signal_all(j, SIGTERM);
	}
	STAILQ_FOREACH(job, &j->queue, link) {
		if (job->fd < 0)
			continue;
		fds[nr] = (struct pollfd){ .fd = job->fd, .events = POLLIN };
		jobs[nr++] = job;
	}
	if (poll(fds, nr, LOOK_EVERY) <= 0)
		return;
	for (nfds_t i = 0; i < nr; i++)
		if (fds[i].revents)
			receive(j, jobs[i]);
}

/* Find the parts of a parcel. Returns false if it did not come as a whole. */
static bool unpack(const struct job *job, struct job_end *e)
{
	struct parcel p;

	if (job->status || job->size < sizeof(p))
		return false;
	memcpy(&p, job->text, sizeof(p));
	if (job->size != sizeof(p) + p.result + p.out + 1 + p.errors + 1)
		return false;
	e->result = job->text + sizeof(p);
	e->out = job->text + sizeof(p) + p.result;
	e->errors = e->out + p.out + 1;
	return true;
}

static void hand_over(struct jobs *j, struct job *job)
{
	struct job_end e = { .out = "", .errors = "" };

	fclose(job->parcel);
	job->parcel = NULL;
	if (!unpack(job, &e)) {
		if (WIFSIGNALED(job->status))
			snprintf(e.death, sizeof(e.death), "was killed by signal %d, %s",
				 WTERMSIG(job->status), strsignal(WTERMSIG(job->status)));
		else
			snprintf(e.death, sizeof(e.death), "ended with status %d",
				 WEXITSTATUS(job->status));
	}
	j->stopped = !j->kind->done(job->arg, &e);
}

static void drop(struct jobs *j, struct job *job)
{
	STAILQ_REMOVE_HEAD(&j->queue, link);
	if (job->parcel)
		fclose(job->parcel);
	free(job->text);
	j->kind->drop(job->arg);
	free(job);
}

/* What has come to its turn. */
static void hand_over_all(struct jobs *j)
{
	struct job *job;

	while (!j->stopped && (job = STAILQ_FIRST(&j->queue)) && job->fd < 0) {
		hand_over(j, job);
		drop(j, job);
		j->shared->first++;
	}
}

static bool wanted(const struct jobs *j)
{
	return !j->stopped && !(j->interrupted && *j->interrupted);
}

bool jobs_add(struct jobs *j, void *arg)
{
	struct job *job;

	while (j->running >= j->at_a_time && wanted(j)) {
		collect(j);
		hand_over_all(j);
	}
	job = wanted(j) ? calloc(1, sizeof(*job)) : NULL;
	if (job)
		job->parcel = open_memstream(&job->text, &job->size);
	if (!job || !job->parcel) {
		free(job);
		j->kind->drop(arg);
		return false;
	}
	job->arg = arg;
	job->fd = -1;
	job->number = j->added++;
	STAILQ_INSERT_TAIL(&j->queue, job, link);
	if (j->at_a_time == 1 || !start(j, job))
		work(j, job, job->parcel);
	hand_over_all(j);
	return wanted(j);
}

void jobs_end(struct jobs *j)
{
	struct job *job;

	while (j->running && !j->stopped) {
		collect(j);
		hand_over_all(j);
	}
	signal_all(j, SIGKILL);
	STAILQ_FOREACH(job, &j->queue, link)
		if (job->fd >= 0)
			end(j, job);
	while ((job = STAILQ_FIRST(&j->queue)))
		drop(j, job);
	munmap(j->shared, sizeof(*j->shared));
}
