/* SPDX-License-Identifier: MIT */
/*
 * The DAX entry lock of Linux 4.7 (ac401cc78242): a lock per page of a file,
 * where the kernel uses a bit of the page's slot in the radix tree.
 */
#ifndef DAXSIM_ENTRY_H
#define DAXSIM_ENTRY_H

#include <bsd/sys/tree.h>

#include "daxsim/kernel/lock.h"
#include "daxsim/sim/types.h"

struct address_space;

#define ENTRY_SHIFT 4

struct dax_entry {
	struct lock lock;
};

/* Neighbours lie together: whoever faults on one page is likely to fault on the next. */
struct entry_node {
	RB_ENTRY(entry_node) link;
	pgoff_t number;			/* of its first page, >> ENTRY_SHIFT */
	u32 made;			/* bit per entry: it was asked for */
	struct dax_entry entries[1 << ENTRY_SHIFT];
};

RB_HEAD(entry_tree, entry_node);

/**
 * dax_lock_entry() - lock a page of a file against other faults of it
 * @mapping: the file's address_space
 * @index: page
 * @entry: set to what dax_unlock_entry() wants; NULL in kernels without such locks
 *
 * Return: 0 or -ENOMEM.
 */
int dax_lock_entry(struct address_space *mapping, pgoff_t index, struct dax_entry **entry);

/** dax_unlock_entry() - drop it; NULL is fine */
void dax_unlock_entry(struct dax_entry *entry);

/** dax_next_entry() - first page at or behind @index that was ever faulted; U64_MAX: none */
pgoff_t dax_next_entry(struct address_space *mapping, pgoff_t index);

/**
 * dax_nr_settled() - how many pages have no hole page, and no fault that may yet bring one
 * @mapping: the file's address_space
 * @index: the first of them; written blocks all, since before this is asked
 * @max: how many there are
 *
 * That stays so as long as their blocks do, where faults lock entries.
 */
u64 dax_nr_settled(struct address_space *mapping, pgoff_t index, u64 max);

/** dax_free_entries() - the file is going away, and nobody faults on it any more */
void dax_free_entries(struct address_space *mapping);

#endif
