/* SPDX-License-Identifier: MIT */
/*
 * Processes, their mappings and page tables. The kernel's idea of a page table
 * entry is struct pte; an MMU (backends/mmu) makes it true, in a model or on
 * real page tables.
 */
#ifndef DAXSIM_MM_H
#define DAXSIM_MM_H

#include <bsd/sys/queue.h>
#include <bsd/sys/tree.h>

#include "daxsim/kernel/lock.h"
#include "daxsim/sim/guard.h"
#include "daxsim/sim/types.h"

struct file;
struct inode;
struct page;
struct sim;
struct task;

/* Results of the fault path, with the values of Linux 4.0 (include/linux/mm.h). */
#define VM_FAULT_OOM 0x0001
#define VM_FAULT_SIGBUS 0x0002
#define VM_FAULT_MAJOR 0x0004
#define VM_FAULT_WRITE 0x0008
#define VM_FAULT_SIGSEGV 0x0040
#define VM_FAULT_NOPAGE 0x0100
#define VM_FAULT_LOCKED 0x0200
#define VM_FAULT_ERROR (VM_FAULT_OOM | VM_FAULT_SIGBUS | VM_FAULT_SIGSEGV)

#define FAULT_FLAG_WRITE 0x01
#define FAULT_FLAG_MKWRITE 0x02

#define VM_READ 0x1
#define VM_WRITE 0x2
#define VM_SHARED 0x8
#define VM_MAYWRITE 0x20	/* mprotect(2) may add VM_WRITE */

#define MREMAP_MAYMOVE 1

enum pte_kind {
	PTE_NONE,
	PTE_HOLE,	/* a hole page: zeroes, always read-only */
	PTE_PFN,	/* a block of the device; special, as vm_insert_mixed() makes it */
	PTE_ANON,	/* a page of a private mapping, copied on write */
};

struct pte {
	u8 kind;	/* enum pte_kind */
	bool writable;
	bool dirty;
	block_t pfn;	/* PTE_PFN: the block */
	void *anon;	/* PTE_ANON: PAGE_SIZE bytes; after insertion the MMU decides where they live */
	u64 backing;	/* belongs to the MMU: what lies under the page now, */
	u8 hw;		/* and, where it may lag behind, enum pte_hw; */
	bool fresh;	/* whether the device may not even have that page yet */
};

/* What the hardware has of a PTE. */
enum pte_hw {
	PTE_HW_NONE,
	PTE_HW_RO,
	PTE_HW_RW,
};

struct vma {
	struct mm *mm;
	struct inode *inode;
	u64 start;			/* address, bytes */
	u64 nr_pages;
	pgoff_t pgoff;			/* of its first page, in the file */
	u32 flags;			/* VM_* */
	u32 id;				/* names the objects of its points; a part or a move keeps it */
	u64 page_base;			/* index of its first page in the mapping as mmap(2) made it */
	const char *name;		/* for people */
	struct guard ptl;		/* page table lock: of the bytes of pte[] */
	struct pte *pte;		/* nr_pages of them */
	void *mmu;			/* what the MMU keeps for it; set by its map() */
	LIST_ENTRY(vma) mm_link;	/* mm->mmap; mmap_sem */
	RB_ENTRY(vma) mm_rb_link;	/* mm->mm_rb; mmap_sem */
	LIST_ENTRY(vma) i_mmap_link;	/* address_space->i_mmap; i_mmap_mutex */
};

/* The address of a page of a mapping. */
static inline u64 vma_address(const struct vma *vma, u64 page)
{
	return vma->start + (page << PAGE_SHIFT);
}

/* The page of a mapping that holds an address. */
static inline u64 vma_page(const struct vma *vma, u64 address)
{
	return (address - vma->start) >> PAGE_SHIFT;
}

/* Whether user code may load or store there; no x86 can allow stores alone. */
static inline bool vma_permits(const struct vma *vma, bool write)
{
	return vma->flags & (write ? VM_WRITE : VM_READ | VM_WRITE);
}

struct mm {
	struct sim *sim;
	const char *name;
	u32 id;
	struct lock mmap_sem;
	LIST_HEAD(, vma) mmap;		/* the latest first */
	RB_HEAD(vma_tree, vma) mm_rb;	/* the same, by address */
	u32 nr_mappings;		/* made so far; mmap_sem */
};

RB_PROTOTYPE(vma_tree, vma, mm_rb_link, vma_cmp)

/* What a fault handler is given and gives back, as in the kernel. */
struct vm_fault {
	u32 flags;		/* FAULT_FLAG_* */
	pgoff_t pgoff;		/* page of the file */
	u64 address;		/* page-aligned */
	void *cow_page;		/* PAGE_SIZE bytes that a COW fault fills, or NULL */
	block_t cow_block;	/* where they were copied from */
	s64 cow_stale;		/* the watchers': first byte that is not the file's, or -1 */
	struct page *page;	/* a locked page-cache page, with VM_FAULT_LOCKED */
};

/**
 * mm_create() - make an address space
 * @sim: the machine
 * @name: for people; kept, not copied
 *
 * Return: the mm, or NULL without memory.
 */
struct mm *mm_create(struct sim *sim, const char *name);

/**
 * do_mmap() - mmap(2) of a file
 * @mm: the address space
 * @file: the open file; the mapping keeps its inode alive
 * @name: of the mapping, for people; kept, not copied
 * @pgoff: first page of the file
 * @nr_pages: length in pages, above 0
 * @flags: VM_READ, VM_WRITE, VM_SHARED
 * @addr: set to the address
 *
 * Takes mmap_sem for writing and i_mmap_mutex. Return: 0; -EACCES for a shared
 * writable mapping of a file that is open read-only; -EINVAL; -ENOMEM.
 */
int do_mmap(struct mm *mm, struct file *file, const char *name, pgoff_t pgoff, u64 nr_pages,
	    u32 flags, u64 *addr);

/** do_munmap() - munmap(2) of whole pages; parts of mappings are split off. Return: 0 or -ENOMEM */
int do_munmap(struct mm *mm, u64 addr, u64 nr_pages);

/**
 * do_mprotect() - mprotect(2) of whole pages
 * @mm: the address space
 * @addr: page-aligned, bytes
 * @nr_pages: length in pages; 0 is fine
 * @flags: VM_READ, VM_WRITE; 0: nobody may touch it
 *
 * Mappings are split at the edges, and parts joined where they are equal again. Takes
 * mmap_sem for writing and, for splitting and joining, i_mmap_mutex. What comes before
 * the page that fails has been changed. Return: 0; -ENOMEM where nothing is mapped, or
 * without memory; -EACCES for VM_WRITE where the mapping is shared and its file was
 * open read-only; -EINVAL.
 */
int do_mprotect(struct mm *mm, u64 addr, u64 nr_pages, u32 flags);

/**
 * do_mremap() - mremap(2) of whole pages
 * @mm: the address space
 * @old_addr: page-aligned, bytes
 * @old_pages: length in pages, above 0; if it grows, pages of one mapping
 * @new_pages: length in pages, above 0
 * @flags: MREMAP_MAYMOVE: another address will do
 * @addr: set to the address
 *
 * Takes mmap_sem for writing and i_mmap_mutex. Return: 0; -EFAULT where not all is
 * mapped; -ENOMEM if it would have to move but may not, or without memory; -EINVAL.
 */
int do_mremap(struct mm *mm, u64 old_addr, u64 old_pages, u64 new_pages, u32 flags, u64 *addr);

/**
 * do_msync() - msync(2) of whole pages, MS_SYNC
 * @mm: the address space
 * @addr: page-aligned, bytes
 * @nr_pages: length in pages
 *
 * Syncs the file of each mapping, with mmap_sem, which is taken to find it, dropped
 * again. Return: 0; -ENOMEM where nothing is mapped, the rest being synced all the same; or
 * what do_fsync() of a file came to, with which it stops.
 */
int do_msync(struct mm *mm, u64 addr, u64 nr_pages);

/** find_vma() - the mapping that holds @addr, or NULL */
struct vma *find_vma(struct mm *mm, u64 addr);

/** peek_vma() - the same for an onlooker, which is no access of the current session */
struct vma *peek_vma(const struct mm *mm, u64 addr);

/**
 * unmap_mapping_range() - remove PTEs of a range of a file from every process
 * @inode: the file
 * @first: first page
 * @nr: pages; 0: to the end of everything
 * @even_cows: whether private copies go too, as truncation wants
 *
 * Takes i_mmap_mutex (Linux 3.17 mm/memory.c).
 */
void unmap_mapping_range(struct inode *inode, pgoff_t first, u64 nr, bool even_cows);

#endif
