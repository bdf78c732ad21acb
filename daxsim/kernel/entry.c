// SPDX-License-Identifier: MIT
/* Locks of single pages of a file, made when first asked for. */
#include "daxsim/kernel/entry.h"

#include <errno.h>

#include "daxsim/kernel/inode.h"
#include "daxsim/sim/sim.h"

/* Page locks of the same file have the index itself; these lie above. */
#define ENTRY_OBJECT (1UL << 31)

static int entry_cmp(const struct dax_entry *a, const struct dax_entry *b)
{
	return a->index < b->index ? -1 : a->index > b->index;
}

RB_GENERATE_INTERNAL(entry_tree, dax_entry, link, entry_cmp, static __maybe_unused)

/* The entry of a page, made if there is none. tree_lock is held. */
static struct dax_entry *get_entry(struct address_space *mapping, pgoff_t index)
{
	struct inode *inode = mapping->host;
	struct dax_entry key = { .index = index };
	struct dax_entry *e = RB_FIND(entry_tree, &mapping->entries, &key);

	if (e)
		return e;
	/* invalidate_inode_pages2_range() looks for entries. */
	also(P_WRITE, obj(OBJ_PAGE, inode->i_ino, index));
	e = arena_alloc(&inode->i_sb->sim->arena, sizeof(*e));
	if (!e)
		return NULL;
	e->index = index;
	lock_init_at(&e->lock, LOCK_ENTRY_LOCK, inode->name, inode->i_ino, ENTRY_OBJECT | index);
	RB_INSERT(entry_tree, &mapping->entries, e);
	return e;
}

int dax_lock_entry(struct address_space *mapping, pgoff_t index, struct dax_entry **entry)
{
	struct dax_entry *e;

	*entry = NULL;
	if (!has(mapping->host->i_sb, ENTRY_LOCK))
		return 0;
	guard_lock(&mapping->tree_lock);
	e = get_entry(mapping, index);
	guard_unlock(&mapping->tree_lock);
	if (!e)
		return -ENOMEM;
	mutex_lock(&e->lock);
	*entry = e;
	return 0;
}

void dax_unlock_entry(struct dax_entry *entry)
{
	if (entry)
		mutex_unlock(&entry->lock);
}

pgoff_t dax_next_entry(struct address_space *mapping, pgoff_t index)
{
	struct dax_entry key = { .index = index };
	const struct dax_entry *e;

	guard_lock(&mapping->tree_lock);
	e = RB_NFIND(entry_tree, &mapping->entries, &key);
	guard_unlock(&mapping->tree_lock);
	/* It stays, and so does its index. */
	return e ? e->index : U64_MAX;
}

void dax_free_entries(struct address_space *mapping)
{
	struct dax_entry *e, *next;

	RB_FOREACH_SAFE(e, entry_tree, &mapping->entries, next) {
		RB_REMOVE(entry_tree, &mapping->entries, e);
		arena_free(&mapping->host->i_sb->sim->arena, e, sizeof(*e));
	}
}
