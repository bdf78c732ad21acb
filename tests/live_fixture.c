// SPDX-License-Identifier: MIT
/* Live devices for tests. */
#include "tests/live_fixture.h"

#include <dirent.h>
#include <setjmp.h>
#include <sys/resource.h>

static _Thread_local sigjmp_buf touching;
static _Thread_local volatile sig_atomic_t is_touching;
static _Thread_local struct caught last_caught;

static void on_touch(int sig, siginfo_t *info, void *uc)
{
	(void)uc;
	if (!is_touching) {
		signal(sig, SIG_DFL);
		return;
	}
	last_caught = (struct caught){ .sig = sig, .code = info->si_code, .addr = info->si_addr };
	siglongjmp(touching, 1);
}

void catch_signals(void)
{
	static bool done;
	const int sigs[] = { SIGBUS, SIGSEGV };

	/* Never over the handlers of a device. */
	if (done)
		return;
	done = true;
	for (size_t i = 0; i < ARRAY_SIZE(sigs); i++) {
		struct sigaction sa = { .sa_sigaction = on_touch, .sa_flags = SA_SIGINFO | SA_ONSTACK };

		cr_assert_eq(sigaction(sigs[i], &sa, NULL), 0);
	}
}

static struct caught touch(volatile u8 *p, u8 *byte, bool write)
{
	if (sigsetjmp(touching, 1)) {
		is_touching = 0;
		return last_caught;
	}
	is_touching = 1;
	/* Threads that touch the same byte do that on purpose. */
	if (write)
		__atomic_store_n(p, *byte, __ATOMIC_RELAXED);
	else
		*byte = __atomic_load_n(p, __ATOMIC_RELAXED);
	is_touching = 0;
	return (struct caught){ 0 };
}

struct caught load(const void *p, u8 *byte)
{
	return touch((u8 *)p, byte, false);
}

struct caught store(void *p, u8 byte)
{
	return touch(p, &byte, true);
}

u8 loads(const void *p)
{
	u8 byte = 0;

	works_at(load(p, &byte));
	return byte;
}

struct daxsim *mount_device(const struct daxsim_options *o)
{
	struct daxsim *d = NULL;

	catch_signals();
	works(daxsim_mount(o, &d));
	cr_assert_not_null(d);
	return d;
}

void on_device(const char *fs, enum daxsim_engine engine, void (*body)(struct live_rig *r))
{
	struct daxsim_options o = { .fs = fs, .size = DEVICE_SIZE, .engine = engine };
	struct live_rig r = { .fs = fs, .engine = engine };
	char name[32];

	snprintf(name, sizeof(name), "%s@4.7", fs);
	o.fs = name;
	r.d = mount_device(&o);
	body(&r);
	if (!r.d)
		return;
	works(daxsim_check(r.d));
	daxsim_umount(r.d);
}

struct daxsim_file *open_new(struct daxsim *d, const char *name, off_t size)
{
	struct daxsim_file *f = NULL;

	works(daxsim_open(d, name, O_RDWR | O_CREAT | O_EXCL, &f));
	works(daxsim_ftruncate(f, size));
	return f;
}

u8 *map_shared(struct daxsim_file *f, size_t size)
{
	void *p = NULL;

	works(daxsim_mmap(f, size, RW, MAP_SHARED, 0, &p));
	return p;
}

struct daxsim_statistics stats_of(struct daxsim *d)
{
	struct daxsim_statistics s;

	daxsim_statistics(d, &s);
	return s;
}

int in_child(int (*fn)(void *arg), void *arg)
{
	const struct rlimit no_core = { 0 };
	int status = -1;
	pid_t pid = fork();

	cr_assert_geq(pid, 0);
	if (!pid) {
		setrlimit(RLIMIT_CORE, &no_core);
		signal(SIGALRM, SIG_DFL);
		alarm(10);
		_exit(fn(arg));
	}
	cr_assert_eq(waitpid(pid, &status, 0), pid);
	return status;
}

unsigned int count_lines(const char *path)
{
	unsigned int nr = 0;
	DIR *dir = opendir(path);
	FILE *f;
	int c;

	if (dir) {
		while (readdir(dir))
			nr++;
		closedir(dir);
		return nr;
	}
	f = fopen(path, "re");
	cr_assert_not_null(f);
	while ((c = getc(f)) != EOF)
		nr += c == '\n';
	fclose(f);
	return nr;
}
