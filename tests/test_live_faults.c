// SPDX-License-Identifier: MIT
/*
 * Faults and bad input: systems that refuse what is needed, limits that are reached, programs
 * that end in the middle of it, and memory that goes away under threads that touch it. Nothing
 * of this may hang, crash the library, or leave anything behind.
 */
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <linux/userfaultfd.h>
#include <stdatomic.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include "tests/live_fixture.h"

TestSuite(live_faults, .timeout = 30);

/* A child that mounts with these options expects this, on a system that was told to refuse. */
struct refusal {
	struct daxsim_options o;
	unsigned int syscall;		/* fails with error; -1: none */
	unsigned int request;		/* if it is an ioctl that does */
	int error;
	bool nobody;			/* become a user without rights */
	int result;
	const char *text;
};

static void refuse(const struct refusal *r)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, r->syscall, 0, 3),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[1])),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, r->request, 0, r->request ? 1 : 0),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | r->error),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog prog = { .len = ARRAY_SIZE(filter), .filter = filter };

	must(!prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
	must(!prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog));
}

static int mount_refused(void *arg)
{
	const struct refusal *r = arg;
	struct daxsim *d = NULL;
	int err;

	if (r->nobody)
		must(!setgid(65534) && !setuid(65534));
	if (r->syscall != -1U)
		refuse(r);
	err = daxsim_mount(&r->o, &d);
	if (err != r->result || !strstr(daxsim_error(), r->text))
		fprintf(stderr, "%d instead of %d, \"%s\" in: %s\n", err, r->result, r->text,
			daxsim_error());
	must(err == r->result && strstr(daxsim_error(), r->text));
	if (!err)
		daxsim_umount(d);
	return 0;
}

/* Whether a user without rights is given a userfaultfd that serves the kernel, too. */
static bool nobody_may(void)
{
	FILE *f = fopen("/proc/sys/vm/unprivileged_userfaultfd", "re");
	int allowed = f ? getc(f) : '0';

	if (f)
		fclose(f);
	return allowed == '1';
}

#define INLINE { .size = 1 << 20, .engine = DAXSIM_ENGINE_INLINE }
#define THREAD { .size = 1 << 20 }
#define URING { .size = 1 << 20, .loop = DAXSIM_LOOP_URING }

Test(live_faults, refusals)
{
	static struct refusal table[] = {
		{ THREAD, -1U, 0, 0, false, 0, "" },
		{ THREAD, SYS_userfaultfd, 0, EPERM, true, -EPERM, "vm.unprivileged_userfaultfd=1" },
		{ INLINE, SYS_userfaultfd, 0, EPERM, true, -EPERM, "/dev/userfaultfd" },
		{ INLINE, SYS_userfaultfd, 0, ENOSYS, true, -ENOSYS, "CONFIG_USERFAULTFD" },
		{ THREAD, SYS_userfaultfd, 0, EMFILE, true, -EMFILE, "ulimit -n" },
		{ THREAD, SYS_ioctl, UFFDIO_API, EINVAL, false, -EINVAL, "UFFDIO_API" },
		{ THREAD, SYS_ioctl, UFFDIO_REGISTER, EINVAL, false, -EINVAL, "watched" },
		{ URING, SYS_io_uring_setup, 0, EPERM, false, -EPERM, "DAXSIM_LOOP_URING" },
		{ THREAD, SYS_memfd_create, 0, EPERM, false, -EPERM, "device" },
		{ THREAD, SYS_clone3, 0, EAGAIN, false, -EAGAIN, "handler thread" },
	};

	needs_children();
	if (getuid())
		cr_skip_test("needs to change the user");
	/* A /dev/userfaultfd that anybody may use makes it easy for nobody. */
	for (size_t i = 0; i < ARRAY_SIZE(table); i++)
		if (!table[i].nobody || access("/dev/userfaultfd", F_OK))
			exits_well(in_child(mount_refused, &table[i]));
}

/* Without rights there is only UFFD_USER_MODE_ONLY, which the inline engine can do with. */
Test(live_faults, nobody)
{
	struct refusal thread = { THREAD, -1U, .nobody = true, .result = -EPERM, .text = "inline" };
	struct refusal in_line = { INLINE, -1U, .nobody = true, .text = "" };

	needs_children();
	if (getuid() || nobody_may())
		cr_skip_test("needs a system that refuses something");
	exits_well(in_child(mount_refused, &thread));
	exits_well(in_child(mount_refused, &in_line));
}

/* Each limit of open files up to the one that is enough; what was opened is closed again. */
static int mount_with_few_files(void *arg)
{
	struct daxsim_options *o = arg;
	unsigned int maps = 0, fds = count_lines("/proc/self/fd"), failures = 0;
	int err = -EMFILE;

	/* The first mount may leave the libraries' own caches behind. */
	for (unsigned int limit = 3; err; limit++, failures++) {
		struct rlimit files = { limit, 4096 };
		struct daxsim *d;

		must(!setrlimit(RLIMIT_NOFILE, &files));
		err = daxsim_mount(o, &d);
		must(!err || err == -EMFILE);
		must(!err || strlen(daxsim_error()) > 20);
		if (!err)
			daxsim_umount(d);
		files.rlim_cur = 1024;
		must(!setrlimit(RLIMIT_NOFILE, &files));
		if (failures == 5 && !SANITIZED)
			maps = count_lines("/proc/self/maps");
		must(!maps || count_lines("/proc/self/maps") <= maps + 6);
		must(count_lines("/proc/self/fd") == fds);
	}
	must(failures > 6);
	return 0;
}

Test(live_faults, few_files)
{
	struct daxsim_options table[] = { THREAD, INLINE, URING };

	needs_children();
	for (size_t i = 0; i < ARRAY_SIZE(table); i++)
		exits_well(in_child(mount_with_few_files, &table[i]));
}

/* No memory may be locked; nothing wants to. */
static int mount_without_locked_memory(void *arg)
{
	struct rlimit none = { 0, 0 };
	struct daxsim *d;

	must(!setrlimit(RLIMIT_MEMLOCK, &none));
	must(!daxsim_mount(arg, &d));
	daxsim_umount(d);
	return 0;
}

static int mount_in_little_space(void *arg)
{
	struct rlimit space = { 4UL << 30, RLIM_INFINITY };
	unsigned int maps = count_lines("/proc/self/maps");
	struct daxsim *d;

	must(!setrlimit(RLIMIT_AS, &space));
	for (int i = 0; i < 4; i++) {
		must(daxsim_mount(arg, &d) == -ENOMEM);
		must(strstr(daxsim_error(), "ulimit -v"));
	}
	must(count_lines("/proc/self/maps") <= maps + 4);
	return 0;
}

/* What the process has in address space now, bytes. */
static rlim_t space_taken(void)
{
	FILE *f = fopen("/proc/self/statm", "re");
	unsigned long pages = 0;

	must(f && fscanf(f, "%lu", &pages) == 1);
	fclose(f);
	return PAGES(pages);
}

/* With no more than it has a program goes on. */
static int run_out_of_space(void *arg)
{
	struct rlimit none = { 0, RLIM_INFINITY };
	struct daxsim_file *f;
	struct daxsim *d;
	void *p, *q;
	int err;

	must(!daxsim_mount(arg, &d));
	must(!daxsim_open(d, "f", O_RDWR | O_CREAT, &f) && !daxsim_ftruncate(f, PAGES(64)));
	must(!daxsim_mmap(f, PAGES(65), RW, MAP_SHARED, 0, &p));
	none.rlim_cur = space_taken();
	must(!setrlimit(RLIMIT_AS, &none));
	must(mmap(NULL, PAGES(1), PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED);
	for (int i = 0; i < 64; i++)
		must(!store((u8 *)p + PAGES(i), i).sig);
	must(store((u8 *)p + PAGES(64), 1).sig == SIGBUS);
	err = daxsim_mmap(f, PAGES(64), RW, MAP_SHARED, 0, &q);
	must(!err || err == -ENOMEM);
	none.rlim_cur = RLIM_INFINITY;
	must(!setrlimit(RLIMIT_AS, &none));
	for (int i = 0; i < 64; i++)
		must(!store((u8 *)p + PAGES(i), i).sig);
	must(!daxsim_check(d));
	daxsim_close(f);
	daxsim_umount(d);
	return 0;
}

Test(live_faults, little_memory)
{
	struct daxsim_options table[] = { THREAD, INLINE, URING };

	needs_children();
	catch_signals();
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		exits_well(in_child(mount_without_locked_memory, &table[i]));
		if (SANITIZED)
			continue;
		exits_well(in_child(mount_in_little_space, &table[i]));
		exits_well(in_child(run_out_of_space, &table[i]));
	}
}

/*
 * Most kernel mappings that a process may have are taken, so a file in few pieces takes the rest.
 */
#define SPARE_MAPS 5000

static bool take_maps(void)
{
	FILE *f = fopen("/proc/sys/vm/max_map_count", "re");
	unsigned long limit, nr;
	u8 *p;

	if (!f || fscanf(f, "%lu", &limit) != 1 || limit > 1UL << 18)
		return false;
	fclose(f);
	nr = limit - SPARE_MAPS - count_lines("/proc/self/maps");
	p = mmap(NULL, PAGES(nr), PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	for (unsigned long i = 1; i < nr; i += 2)
		if (mprotect(p + PAGES(i), PAGES(1), PROT_NONE))
			return false;
	return p != MAP_FAILED;
}

static char warning[256];
static int nr_warnings;

static void note_warning(void *ctx, const char *line)
{
	(void)ctx;
	nr_warnings++;
	snprintf(warning, sizeof(warning), "%s", line);
}

#define PIECES 4000

/* @f in pieces of one page that lie apart on the device. */
static void fragment(struct daxsim_file *f, struct daxsim_file *between)
{
	for (int i = 0; i < PIECES; i++) {
		cr_assert_eq(daxsim_pwrite(f, "f", 1, PAGES(i)), 1);
		cr_assert_eq(daxsim_pwrite(between, "b", 1, PAGES(i)), 1);
	}
}

static void too_many_mappings(enum daxsim_engine engine)
{
	struct daxsim_options o = { .engine = engine, .warn = note_warning, .fault_around = 1 };
	struct daxsim_file *f, *g;
	struct daxsim *d;
	int refused = 0;
	u8 *p, *q;

	if (SANITIZED || !take_maps())
		cr_skip_test("needs vm.max_map_count to be of the usual size");
	d = mount_device(&o);
	f = open_new(d, "f", 0);
	g = open_new(d, "g", 0);
	/* Mapped while it is one hole, so that each touch asks for a piece of its own. */
	p = map_shared(f, PAGES(PIECES));
	fragment(f, g);
	for (int i = 0; i < PIECES; i += 2) {
		struct caught c = store(p + PAGES(i), 'x');

		cr_assert(!c.sig || (c.sig == SIGBUS && nr_warnings), "signal %d", c.sig);
		refused += c.sig;
	}
	cr_assert_gt(refused, 0);
	cr_assert_eq(nr_warnings, 1);
	cr_assert(strstr(warning, "vm.max_map_count"), "%s", warning);
	/* What has no room of its own is SIGBUS, and everything else works. */
	q = map_shared(g, PAGES(4));
	cr_assert_eq(loads(p), 'x');
	cr_assert_eq(daxsim_pread(f, q + 9, 1, 0), 1);
	cr_assert_eq(daxsim_pwrite(f, "y", 1, PAGES(PIECES - 2)), 1);
	works(daxsim_munmap(d, q, PAGES(4)));
	works(daxsim_munmap(d, p, PAGES(PIECES / 2)));
	works_at(store(p + PAGES(PIECES - 2) + 1, 'z'));
	cr_assert_eq(loads(p + PAGES(PIECES - 2)), 'y');
	works(daxsim_check(d));
	daxsim_close(g);
	daxsim_close(f);
	daxsim_umount(d);
}

Test(live_faults, too_many_mappings_thread)
{
	too_many_mappings(DAXSIM_ENGINE_THREAD);
}

Test(live_faults, too_many_mappings_inline)
{
	too_many_mappings(DAXSIM_ENGINE_INLINE);
}

Test(live_faults, bad_options)
{
	static const struct {
		struct daxsim_options o;
		const char *text;
	} table[] = {
		{ { .fs = "ext5" }, "ext5" },
		{ { .fs = "ext5" }, "options.fs" },
		{ { .fs = "ext4@v99" }, "options.fs" },
		{ { .fs = "ext4@v11 -nonsense" }, "nonsense" },
		{ { .fs = "" }, "options.fs" },
		{ { .size = 12345 }, "options.size" },
		{ { .size = 4096 }, "options.size" },
		{ { .size = 1ULL << 60 }, "options.size" },
		{ { .engine = 7 }, "options.engine" },
		{ { .loop = 9 }, "options.loop" },
		{ { .threads = 1000 }, "options.threads" },
		{ { .fault_around = 1000 }, "options.fault_around" },
	};
	struct daxsim *d;

	for (size_t i = 0; i < ARRAY_SIZE(table); i++)
		fails(daxsim_mount(&table[i].o, &d), -EINVAL, table[i].text);
	works(daxsim_mount(NULL, &d));
	daxsim_umount(d);
}
