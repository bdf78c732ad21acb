/* SPDX-License-Identifier: MIT */
/* Page faults and page table entries: how a page of a file gets into a mapping, and out of it. */
#ifndef DAXSIM_MEMORY_H
#define DAXSIM_MEMORY_H

#include "daxsim/sim/types.h"

struct vma;

/** zap_pages() - remove the PTEs of pages [first, last) of a vma; i_mmap_mutex is held */
void zap_pages(struct vma *vma, u64 first, u64 last, bool even_cows);

/**
 * change_protection() - give the PTEs of a vma the protection that its flags ask for
 * @vma: the mapping; mmap_sem is held for writing
 *
 * Linux 4.0 change_pte_range(): a DAX file wants to hear of first stores, so only
 * what is dirty already may be stored to at once (vma_wants_writenotify()).
 */
void change_protection(struct vma *vma);

/**
 * move_ptes() - move the PTEs of the first pages of a vma to those of another
 * @from: the vma
 * @to: another of that file and those pages; it has none of their PTEs yet
 * @nr: pages
 *
 * mmap_sem is held for writing, and i_mmap_mutex. Private copies keep their bytes.
 * Return: 0, or a negative errno, when some have moved and the others have not.
 */
int move_ptes(struct vma *from, struct vma *to, u64 nr);

/**
 * vm_insert_mixed() - enter a device page into a page table
 * @vma: the mapping
 * @address: page-aligned
 * @pfn: the block
 *
 * The PTE is read-only and special even for a write fault, because the DAX
 * vm_ops have page_mkwrite (insert_pfn, Linux 4.0). Return: 0, or -EBUSY if a
 * PTE is there already.
 */
int vm_insert_mixed(struct vma *vma, u64 address, block_t pfn);

/**
 * handle_mm_fault() - one page fault inside of a mapping (Linux 4.0 mm/memory.c)
 * @vma: the mapping; mmap_sem is held for reading
 * @address: page-aligned
 * @write: a store
 *
 * Return: VM_FAULT_*. Without an error the access may be tried again; whether it gets
 * further then is for the PTE to say.
 */
int handle_mm_fault(struct vma *vma, u64 address, bool write);

/**
 * do_page_fault() - what the architecture does about a page fault of the current task
 * @address: in current->mm, bytes
 * @write: a store faulted
 *
 * Takes mmap_sem for reading and all that the file system wants; a lock that faults take must
 * not be held. The page table is changed through the MMU; whether the instruction now goes
 * through is for the caller to try, since others may undo it at any time.
 * Return: VM_FAULT_*; with none of VM_FAULT_ERROR the instruction is to be tried again.
 */
int do_page_fault(u64 address, bool write);

/**
 * vm_insert_around() - enter what lies behind a page that was just entered
 * @vma: the mapping
 * @address: of that page
 * @pfn: its block
 * @nr: pages of the device to take from there, its own included
 * @write: they are going to be stored to, too
 *
 * Pages that have a PTE already keep it. Not for deterministic machines: nothing is announced.
 */
void vm_insert_around(struct vma *vma, u64 address, block_t pfn, u64 nr, bool write);

#endif
