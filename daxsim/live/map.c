// SPDX-License-Identifier: MIT
/* Mappings of a live machine: the system calls, one to one. */
#include <errno.h>
#include <sys/mman.h>

#include "daxsim/kernel/inode.h"
#include "daxsim/live/live.h"

static u64 pages_of(size_t length)
{
	return DIV_ROUND_UP((u64)length, PAGE_SIZE);
}

/* Returns VM_READ and VM_WRITE, or -EINVAL: writing alone is nothing that hardware can do. */
static int vm_flags(int prot)
{
	switch (prot) {
	case PROT_NONE:
		return 0;
	case PROT_READ:
		return VM_READ;
	case PROT_READ | PROT_WRITE:
		return VM_READ | VM_WRITE;
	default:
		return -EINVAL;
	}
}

static int map_file(struct daxsim_file *f, u64 pgoff, u64 nr_pages, int vm, int flags, u64 *addr)
{
	int err = do_mmap(f->d->mm, &f->file, "mapping", pgoff, nr_pages, vm, addr);

	/* As in Linux, it is mapped all the same if not every page is to be had. */
	if (!err && flags & MAP_POPULATE && vm & VM_READ)
		live_populate(f->d, *addr, nr_pages, vm & VM_WRITE && vm & VM_SHARED);
	return err;
}

int daxsim_mmap(struct daxsim_file *f, size_t length, int prot, int flags, off_t offset,
		void **addr)
{
	int type = flags & (MAP_SHARED | MAP_PRIVATE), vm = vm_flags(prot), err;
	u64 start;

	if (vm < 0)
		return live_error(vm, "mmap: expected PROT_NONE, PROT_READ or PROT_READ | PROT_WRITE");
	if (flags & ~(MAP_SHARED | MAP_PRIVATE | MAP_POPULATE) ||
	    (type != MAP_SHARED && type != MAP_PRIVATE))
		return live_error(-EINVAL, "mmap: expected MAP_SHARED or MAP_PRIVATE, and MAP_POPULATE "
				  "or nothing else");
	if (!length || offset < 0 || offset & ~PAGE_MASK)
		return live_error(-EINVAL, "mmap: expected a length above 0 and an offset in whole pages");
	if (type == MAP_SHARED)
		vm |= VM_SHARED;
	err = CALL(f->d, "mmap",
		   map_file(f, offset >> PAGE_SHIFT, pages_of(length), vm, flags, &start));
	if (!err)
		*addr = (void *)start;
	return err;
}

/* Whole pages inside of the device's addresses, or -EINVAL with a line. */
static int check_range(const struct daxsim *d, const void *addr, size_t length, const char *call)
{
	u64 at = (u64)addr - (u64)d->mmu.base;

	if ((u64)addr & ~PAGE_MASK || !length || at >= d->mmu.size || length > d->mmu.size - at)
		return live_error(-EINVAL, "%s: expected pages that daxsim_mmap() returned", call);
	return 0;
}

/* A file may be gone with its last mapping. */
static int unmap(struct daxsim *d, u64 addr, u64 nr_pages)
{
	int err = do_munmap(d->mm, addr, nr_pages);

	live_again(d);
	return err;
}

int daxsim_munmap(struct daxsim *d, void *addr, size_t length)
{
	int err = check_range(d, addr, length, "munmap");

	return err ? err : CALL(d, "munmap", unmap(d, (u64)addr, pages_of(length)));
}

int daxsim_mprotect(struct daxsim *d, void *addr, size_t length, int prot)
{
	int err = check_range(d, addr, length, "mprotect"), vm = vm_flags(prot);

	if (vm < 0)
		return live_error(vm, "mprotect: expected PROT_NONE, PROT_READ or "
				  "PROT_READ | PROT_WRITE");
	return err ? err : CALL(d, "mprotect", do_mprotect(d->mm, (u64)addr, pages_of(length), vm));
}

int daxsim_mremap(struct daxsim *d, void *old, size_t old_length, size_t new_length, int flags,
		  void **addr)
{
	int err = check_range(d, old, old_length, "mremap");
	u64 at;

	if (flags & ~MREMAP_MAYMOVE)
		return live_error(-EINVAL, "mremap: expected MREMAP_MAYMOVE or 0");
	if (!err)
		err = CALL(d, "mremap", do_mremap(d->mm, (u64)old, pages_of(old_length),
						  pages_of(new_length), flags, &at));
	if (!err)
		*addr = (void *)at;
	return err;
}

int daxsim_msync(struct daxsim *d, void *addr, size_t length)
{
	int err = check_range(d, addr, length, "msync");

	return err ? err : CALL(d, "msync", do_msync(d->mm, (u64)addr, pages_of(length)));
}

int daxsim_populate(struct daxsim *d, void *addr, size_t length, int write)
{
	int err = check_range(d, addr, length, "populate");

	return err ? err : CALL(d, "populate", live_populate(d, (u64)addr, pages_of(length), write));
}
