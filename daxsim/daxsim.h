/* SPDX-License-Identifier: MIT */
/*
 * The public interface of libdaxsim: a simulated pmem device with a simulated DAX
 * file system on it, used by a program's own threads. Loads and stores go to real
 * mappings of the device; each page fault runs the fault path of the simulated
 * kernel.
 *
 * Functions that can fail return a negative errno, and daxsim_error() then has a
 * line about it. All of them may be called by any number of threads at a time,
 * and none of them by a signal handler. A device belongs to the process that
 * mounted it: a child of fork(2) has neither its mappings (a touch is SIGSEGV) nor
 * any use of its handles (-ESRCH), until it calls exec or mounts one of its own.
 */
#ifndef DAXSIM_H
#define DAXSIM_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define DAXSIM_API __attribute__((visibility("default")))
#else
#define DAXSIM_API
#endif

/* The version of the library, from git; "unknown" where there was none. */
extern DAXSIM_API const char daxsim_version[];

struct daxsim;		/* a mounted device */
struct daxsim_file;	/* an open file */

/*
 * Who serves the page faults.
 *
 * THREAD: handler threads read them from a userfaultfd. Right for every program;
 * system calls may be given addresses of mapped pages, whether or not they are there.
 *
 * INLINE: the faulting thread itself, in a SIGBUS handler (UFFD_FEATURE_SIGBUS), as in
 * a kernel; about 1.5 times as fast, and faults of several threads have nothing to wait
 * for. But a system call that meets an absent page returns EFAULT: populate first. The
 * program's own handlers of SIGBUS and SIGSEGV go on to be called for what is theirs if
 * they were installed before the mount.
 *
 * So THREAD is the default, and INLINE for who hands no mapped memory to system calls.
 */
enum daxsim_engine {
	DAXSIM_ENGINE_THREAD,
	DAXSIM_ENGINE_INLINE,
};

/* How handler threads wait: blocking read(2), or an io_uring, which is a little slower. */
enum daxsim_loop {
	DAXSIM_LOOP_READ,
	DAXSIM_LOOP_URING,
};

/* All zero is a good start. */
struct daxsim_options {
	const char *fs;			/* "ext4@v11 -p3" as in a scenario; NULL: "ext4@4.7" */
	uint64_t size;			/* of the device, bytes, whole pages; 0: 1 GiB */
	enum daxsim_engine engine;
	enum daxsim_loop loop;		/* of handler threads */
	unsigned int threads;		/* handler threads; 0: one for each CPU, 4 at most */
	unsigned int fault_around;	/* pages mapped by one fault at most; 0: 16; 1: just the one */
	/*
	 * Called with one line about what is going to go wrong, by any thread, in a fault too:
	 * it must not call this library, nor touch what is mapped. NULL: stderr.
	 */
	void (*warn)(void *ctx, const char *line);
	void *ctx;
};

/**
 * daxsim_mount() - make an empty device and file system
 * @o: options, NULL for none
 * @d: set on success
 *
 * Return: 0; -EINVAL for an option that makes no sense; -EPERM, -ENOSYS or -EOPNOTSUPP if this
 * system does not let it have a userfaultfd that can do what is needed; -EMFILE; -ENOMEM.
 */
DAXSIM_API int daxsim_mount(const struct daxsim_options *o, struct daxsim **d);

/**
 * daxsim_umount() - drop a device with everything on it
 *
 * Open files and mappings go with it: a later touch is SIGSEGV. Faults that other threads
 * are in are served, or end in SIGSEGV. No other call may be under way.
 */
DAXSIM_API void daxsim_umount(struct daxsim *d);

/** daxsim_error() - a line about the calling thread's last failed call; "" if there was none */
DAXSIM_API const char *daxsim_error(void);

/**
 * daxsim_open() - open(2)
 * @d: the device
 * @name: 1 to 255 bytes, any but NUL and '/': there are no directories
 * @flags: O_RDONLY or O_RDWR, with O_CREAT, O_EXCL, O_TRUNC; O_CLOEXEC goes without saying
 * @f: set on success
 *
 * Return: 0, -ENOENT, -EEXIST, -EINVAL, -ENAMETOOLONG, -ENOMEM or -ENOSPC.
 */
DAXSIM_API int daxsim_open(struct daxsim *d, const char *name, int flags, struct daxsim_file **f);

/** daxsim_close() - close(2); mappings of the file stay */
DAXSIM_API void daxsim_close(struct daxsim_file *f);

/** daxsim_unlink() - unlink(2); the blocks go with the last handle and mapping. 0 or -ENOENT */
DAXSIM_API int daxsim_unlink(struct daxsim *d, const char *name);

/** daxsim_pread() - pread(2): bytes read, 0 at end of file, or a negative errno */
DAXSIM_API ssize_t daxsim_pread(struct daxsim_file *f, void *buf, size_t count, off_t offset);

/** daxsim_pwrite() - pwrite(2): bytes written, fewer where space gave out, or a negative errno */
DAXSIM_API ssize_t daxsim_pwrite(struct daxsim_file *f, const void *buf, size_t count,
				 off_t offset);

/** daxsim_ftruncate() - ftruncate(2) to @length bytes. 0 or a negative errno */
DAXSIM_API int daxsim_ftruncate(struct daxsim_file *f, off_t length);

/** daxsim_fallocate() - fallocate(2) with FALLOC_FL_* of <fcntl.h>. 0 or a negative errno */
DAXSIM_API int daxsim_fallocate(struct daxsim_file *f, int mode, off_t offset, off_t length);

/** daxsim_fsync() - fsync(2). 0 or a negative errno */
DAXSIM_API int daxsim_fsync(struct daxsim_file *f);

/* What is known of a file; sizes and blocks as in struct stat. */
struct daxsim_stat {
	uint64_t ino;
	uint64_t size;		/* bytes */
	uint64_t blocks;	/* of 512 bytes */
	uint32_t nlink;
	uint64_t mtime;		/* how often the file was modified, as far as the kernel noticed */
};

/** daxsim_fstat() - fstat(2). 0 or a negative errno */
DAXSIM_API int daxsim_fstat(struct daxsim_file *f, struct daxsim_stat *st);

struct daxsim_extent {
	uint64_t logical;	/* offset in the file, bytes */
	uint64_t physical;	/* on the device, bytes */
	uint64_t length;	/* bytes */
	int unwritten;		/* reads as zeroes */
};

/**
 * daxsim_fiemap() - FS_IOC_FIEMAP
 * @f: the file
 * @start: offset, bytes: the first extent returned ends behind it
 * @extents: filled in
 * @count: how many there is room for
 *
 * Return: how many were filled in, fewer than @count at the end of the file's extents, or a
 * negative errno.
 */
DAXSIM_API int daxsim_fiemap(struct daxsim_file *f, off_t start, struct daxsim_extent *extents,
			     unsigned int count);

/**
 * daxsim_mmap() - mmap(2)
 * @f: the file; may be closed afterwards
 * @length: bytes, above 0; rounded up to whole pages
 * @prot: PROT_NONE, or PROT_READ, or that and PROT_WRITE
 * @flags: MAP_SHARED or MAP_PRIVATE, and MAP_POPULATE
 * @offset: in the file, bytes, a multiple of the page size
 * @addr: set on success
 *
 * Return: 0, -EACCES, -EINVAL or -ENOMEM.
 */
DAXSIM_API int daxsim_mmap(struct daxsim_file *f, size_t length, int prot, int flags, off_t offset,
			   void **addr);

/** daxsim_munmap() - munmap(2) of a range of @d's mappings. 0, -EINVAL or -ENOMEM */
DAXSIM_API int daxsim_munmap(struct daxsim *d, void *addr, size_t length);

/** daxsim_mprotect() - mprotect(2). 0, -EACCES, -EINVAL or -ENOMEM */
DAXSIM_API int daxsim_mprotect(struct daxsim *d, void *addr, size_t length, int prot);

/**
 * daxsim_mremap() - mremap(2)
 * @d: the device
 * @old: start of a range within one mapping
 * @old_length: bytes
 * @new_length: bytes
 * @flags: MREMAP_MAYMOVE, or 0: growing then fails where there is no room
 * @addr: set on success
 *
 * Return: 0, -EFAULT, -EINVAL or -ENOMEM.
 */
DAXSIM_API int daxsim_mremap(struct daxsim *d, void *old, size_t old_length, size_t new_length,
			     int flags, void **addr);

/** daxsim_msync() - msync(2), MS_SYNC: the file of each mapping in the range. 0, -EINVAL or -ENOMEM */
DAXSIM_API int daxsim_msync(struct daxsim *d, void *addr, size_t length);

/**
 * daxsim_populate() - fault pages in, as MADV_POPULATE_READ and MADV_POPULATE_WRITE do
 * @d: the device
 * @addr: start
 * @length: bytes
 * @write: for stores
 *
 * Return: 0; -EINVAL for what are not pages of this device; -ENOMEM for addresses without a
 * mapping; -EFAULT where a touch would be SIGBUS; -EACCES where the protection forbids it.
 */
DAXSIM_API int daxsim_populate(struct daxsim *d, void *addr, size_t length, int write);

struct daxsim_statistics {
	uint64_t faults;		/* served without an error, populating included */
	uint64_t major_faults;		/* of these, those that asked for a block */
	uint64_t signals;		/* faults that ended in SIGBUS or SIGSEGV */
	uint64_t pages_mapped;		/* by faults, those around included */
	uint64_t retargets;		/* times that another page of the device was put under an address */
	uint64_t files;
	uint64_t free_blocks;		/* of the device, of 4096 bytes */
	uint64_t extents;		/* of all files */
	uint64_t kernel_bytes;		/* memory that the simulated kernel uses */
	uint64_t device_bytes;		/* memory that the device uses */
	uint64_t regions;		/* kernel mappings (vm.max_map_count) that it takes at least */
	uint64_t max_regions;		/* of which it may take */
};

/** daxsim_statistics() - what happened so far; nothing in a child of fork(2) */
DAXSIM_API void daxsim_statistics(struct daxsim *d, struct daxsim_statistics *s);

/**
 * daxsim_check() - have the file system checked, as fsck does, and mappings with it
 * @d: the device; no other thread may be using it
 *
 * Return: 0, or -EUCLEAN, and daxsim_error() tells the first thing that is wrong.
 */
DAXSIM_API int daxsim_check(struct daxsim *d);

#ifdef __cplusplus
}
#endif
#endif
