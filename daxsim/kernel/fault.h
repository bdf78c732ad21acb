/* SPDX-License-Identifier: MIT */
/* The fault handler of DAX files, and the zeroing it shares with the file systems. */
#ifndef DAXSIM_FAULT_H
#define DAXSIM_FAULT_H

#include "daxsim/sim/types.h"

struct inode;
struct vm_fault;
struct vma;

/**
 * dax_fault() - resolve a page fault on a DAX file
 * @vma: the mapping
 * @vmf: the fault; flags, pgoff, address and cow_page are set
 *
 * Also the page_mkwrite handler (dax_mkwrite is the same function in 2014).
 * mmap_sem is held. With VM_FAULT_LOCKED the caller finds vmf->page locked; if
 * that is NULL, cow_page is filled and i_mmap_mutex held.
 * Return: VM_FAULT_* bits. Source: fs/dax.c of the v10 and v11 series, Linux 4.0.
 */
int dax_fault(struct vma *vma, struct vm_fault *vmf);

/** dax_pfn_mkwrite() - a store met a read-only device PTE; mmap_sem is held (Linux 4.1) */
void dax_pfn_mkwrite(struct inode *inode);

/**
 * dax_clear_blocks() - zero blocks of the device, on behalf of a file
 * @inode: the file
 * @iblock: block of the file that the first of them is
 * @block: first block on the device
 * @size: bytes
 *
 * No lock is taken. Return: 0 or a negative errno of direct_access.
 */
int dax_clear_blocks(struct inode *inode, u64 iblock, block_t block, u64 size);

#endif
