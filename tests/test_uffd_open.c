// SPDX-License-Identifier: MIT
/*
 * The userfaultfd MMU as a guest of the process: what it says when it cannot be
 * had, and that it leaves nothing behind.
 */
#include <dirent.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "backends/mmu/uffd.h"
#include "tests/uffd_machine.h"

static int count_entries(const char *path)
{
	DIR *dir = opendir(path);
	int n = 0;

	cr_assert_not_null(dir);
	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}

/* Threads and mappings of the process that have @name in them. */
static int count_threads_named(const char *name)
{
	DIR *dir = opendir("/proc/self/task");
	struct dirent *e;
	int n = 0;

	cr_assert_not_null(dir);
	while ((e = readdir(dir))) {
		char path[300], comm[32] = "";
		FILE *f;

		snprintf(path, sizeof(path), "/proc/self/task/%s/comm", e->d_name);
		f = e->d_name[0] == '.' ? NULL : fopen(path, "r");
		if (!f)
			continue;
		if (fgets(comm, sizeof(comm), f))
			n += !strcmp(comm, name);
		fclose(f);
	}
	closedir(dir);
	return n;
}

static int count_mappings(const char *name)
{
	FILE *maps = fopen("/proc/self/maps", "r");
	char line[512];
	int n = 0;

	cr_assert_not_null(maps);
	while (fgets(line, sizeof(line), maps))
		n += strstr(line, name) != NULL;
	fclose(maps);
	return n;
}

/* Let a system call fail with EPERM, from now on, if an argument has a value. */
static void forbid(u32 nr, u32 arg, u32 value)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, nr, 0, 3),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args) + 8 * arg),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog prog = { .len = ARRAY_SIZE(code), .filter = code };

	cr_assert_eq(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
	if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog))
		cr_skip("no seccomp: %m\n");
}

static void forbid_kernel_mode(void)
{
	forbid(SYS_ioctl, 1, USERFAULTFD_IOC_NEW);
	forbid(SYS_userfaultfd, 0, O_CLOEXEC | O_NONBLOCK);
}

/* open() fails with @err, and its one line has both words. */
static void expect_no_open(int err, const char *word, const char *other)
{
	int fds = count_entries("/proc/self/fd");
	struct machine *m = machine_without_mmu();
	int ret = uffd_mmu.open(&m->sim, m->why, sizeof(m->why));

	cr_assert_eq(ret, err, "got %d: %s", ret, m->why);
	cr_expect(strstr(m->why, word) && strstr(m->why, other), "%s", m->why);
	cr_expect(strstr(m->why, "--mmu soft"), "%s", m->why);
	cr_expect_null(strchr(m->why, '\n'));
	cr_expect_null(m->sim.mmu_data);
	machine_destroy(m);
	cr_expect_eq(count_entries("/proc/self/fd"), fds);
}

Test(uffd_open, forbidden_userfaultfd_names_the_sysctl)
{
	machine_destroy(machine());
	forbid_kernel_mode();
	forbid(SYS_userfaultfd, 0, O_CLOEXEC | O_NONBLOCK | UFFD_USER_MODE_ONLY);
	expect_no_open(-EPERM, "vm.unprivileged_userfaultfd", "/dev/userfaultfd");
}

Test(uffd_open, forbidden_io_uring_is_named)
{
	machine_destroy(machine());
	forbid(SYS_io_uring_setup, 0, 8);
	expect_no_open(-EPERM, "io_uring", "kernel.io_uring_disabled");
}

Test(uffd_open, device_must_be_watchable)
{
	struct machine *m;
	int fd;

	machine_destroy(machine());
	m = machine_without_mmu();
	fd = open(".", O_RDWR | O_CLOEXEC | O_TMPFILE, 0600);
	if (fd < 0)
		cr_skip("no file in the current directory: %m\n");
	cr_assert_eq(dup2(fd, m->sim.pmem.fd), m->sim.pmem.fd);
	close(fd);
	if (uffd_mmu.open(&m->sim, m->why, sizeof(m->why)))
		cr_expect(strstr(m->why, "tmpfs") && strstr(m->why, "--mmu soft"), "%s", m->why);
	else
		cr_skip("the current directory is on tmpfs\n");
	machine_destroy(m);
}

/* One more file descriptor each time: every step of open() fails once. */
Test(uffd_open, without_file_descriptors_leaves_nothing)
{
	int fds = count_entries("/proc/self/fd") - 3, failed = 0, err = -1;
	struct rlimit limit;

	machine_destroy(machine());
	cr_assert_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
	for (rlim_t n = 0; err; n++) {
		struct machine *m = machine_without_mmu();

		limit.rlim_cur = n;
		cr_assert_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
		err = uffd_mmu.open(&m->sim, m->why, sizeof(m->why));
		limit.rlim_cur = limit.rlim_max;
		cr_assert_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
		failed += err != 0;
		cr_assert(!err || err == -EMFILE, "got %d: %s", err, m->why);
		cr_assert(!err || strstr(m->why, "Too many open files"), "%s", m->why);
		cr_assert(n < 100);
		machine_destroy(m);
		cr_assert_eq(count_entries("/proc/self/fd") - 3, fds, "with %d", (int)n);
	}
	cr_expect(failed > 5);
}

Test(uffd_open, user_mode_only_is_enough)
{
	struct machine *m;
	struct vma *vma;
	u32 got = 1;
	struct mmu_access a;

	machine_destroy(machine());
	forbid_kernel_mode();
	m = machine();
	cr_assert(((struct uffd *)m->sim.mmu_data)->pt.user_mode_only);
	vma = mapping(m, 0, SHARED);
	a = load(m, 0, at(vma, 0) + 4, &got, 4);
	a.kernel = true;
	expect_fault(go(&a), &a, at(vma, 0));
	set(vma, 0, HOLE);
	cr_assert_eq(again(&a), MMU_DONE);
	cr_expect_eq(got, 0);
	set(vma, 0, NONE);
	expect_fault(go(&a), &a, at(vma, 0));
	expect_signal(refuse(&a), &a, SIGBUS, at(vma, 0) + 4);
	uffd_mmu.unmap(vma, 0, 1);
	expect_signal(go(&a), &a, SIGBUS, at(vma, 0) + 4);
	machine_destroy(m);
}

Test(uffd_open, close_ends_threads_that_sleep_in_faults)
{
	int fds, threads, maps;
	struct sigaction before, after;
	cpu_set_t cpus, now;

	cr_assert_eq(sched_getaffinity(0, sizeof(cpus), &cpus), 0);
	machine_destroy(machine());
	fds = count_entries("/proc/self/fd");
	threads = count_entries("/proc/self/task");
	maps = count_mappings("daxsim-");
	sigaction(SIGBUS, NULL, &before);
	for (int kernel = 0; kernel < 2; kernel++) {
		struct machine *m = machine(), *second = machine();
		struct vma *vma = mapping(m, 0, SHARED);
		u64 value = 0x1111111111111111;
		struct mmu_access a[NR_TASKS] = {
			store(m, 0, at(vma, 0), &value, 8),
			store(m, 1, at(vma, 2) - 4, &value, 8),		/* over two pages */
			load(m, 2, at(vma, 0), &value, 8),		/* beside the first */
		};

		for (int i = 0; i < NR_TASKS; i++) {
			a[i].kernel = kernel;
			cr_assert_eq(go(&a[i]), MMU_FAULT);
		}
		cr_expect_eq(count_entries("/proc/self/task"), threads + NR_TASKS);
		cr_expect_eq(count_threads_named("a-task-with-a-l\n"), NR_TASKS);
		cr_assert_eq(sched_getaffinity(0, sizeof(now), &now), 0);
		cr_expect_eq(CPU_COUNT(&now), 1);
		machine_destroy(m);
		cr_expect_eq(value, 0x1111111111111111);
		machine_destroy(second);
		cr_expect_eq(count_entries("/proc/self/task"), threads);
		cr_expect_eq(count_entries("/proc/self/fd"), fds);
		cr_expect_eq(count_mappings("daxsim-"), maps);
		cr_assert_eq(sched_getaffinity(0, sizeof(now), &now), 0);
		cr_expect(CPU_EQUAL(&cpus, &now));
	}
	sigaction(SIGBUS, NULL, &after);
	cr_expect_eq((void *)before.sa_sigaction, (void *)after.sa_sigaction);
}

static sigjmp_buf back;
static volatile sig_atomic_t seen;
static void *volatile seen_addr;

static void on_foreign(int sig, siginfo_t *info, void *context)
{
	(void)context;
	seen = sig;
	seen_addr = info->si_addr;
	if (info->si_code > 0)
		siglongjmp(back, 1);
}

Test(uffd_open, signals_of_the_program_reach_its_handler)
{
	struct sigaction mine = { .sa_sigaction = on_foreign, .sa_flags = SA_SIGINFO }, now;
	int empty = memfd_create("empty", MFD_CLOEXEC);
	char *page = mmap(NULL, PAGE_SIZE, PROT_READ, MAP_SHARED, empty, 0);
	struct machine *m;
	struct vma *vma;
	u8 got;
	struct mmu_access a;

	cr_assert_neq(page, MAP_FAILED);
	cr_assert_eq(sigaction(SIGBUS, &mine, NULL), 0);
	m = machine();
	vma = mapping(m, 0, SHARED);
	a = load(m, 0, at(vma, 0), &got, 1);
	for (int i = 0; i < 2; i++) {
		seen = 0;
		if (!sigsetjmp(back, 1))
			got = *(volatile char *)(page + 17);
		cr_assert_eq(seen, SIGBUS);
		cr_assert_eq(seen_addr, page + 17);
		/* In between, one that is the toucher's. */
		seen = 0;
		expect_fault(go(&a), &a, at(vma, 0));
		expect_signal(refuse(&a), &a, SIGBUS, at(vma, 0));
		cr_assert_eq(seen, 0);
	}
	raise(SIGBUS);
	cr_expect_eq(seen, SIGBUS);
	machine_destroy(m);
	cr_assert_eq(sigaction(SIGBUS, NULL, &now), 0);
	cr_expect_eq((void *)now.sa_sigaction, (void *)on_foreign);
	munmap(page, PAGE_SIZE);
	close(empty);
}

Test(uffd_open, signal_without_a_handler_kills, .signal = SIGBUS)
{
	struct sigaction none = { .sa_handler = SIG_DFL };

	sigaction(SIGBUS, &none, NULL);
	machine();
	raise(SIGBUS);
}
