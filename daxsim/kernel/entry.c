// SPDX-License-Identifier: MIT
/* Locks of single pages of a file, made when first asked for. */
#include "daxsim/kernel/entry.h"

#include <errno.h>

#include "daxsim/kernel/inode.h"
#include "daxsim/sim/sim.h"

/* Page locks of the same file have the index itself; these lie above. */
#define ENTRY_OBJECT (1UL << 31)

static int node_cmp(const struct entry_node *a, const struct entry_node *b)
{
	return a->number < b->number ? -1 : a->number > b->number;
}

RB_GENERATE_INTERNAL(entry_tree, entry_node, link, node_cmp, static __maybe_unused)

static struct entry_node *get_node(struct address_space *mapping, pgoff_t number)
{
	struct arena *a = &mapping->host->i_sb->sim->arena;
	struct entry_node key = { .number = number };
	struct entry_node *node = RB_FIND(entry_tree, &mapping->entries, &key);

	if (node)
		return node;
	node = arena_alloc(a, sizeof(*node));
	if (!node)
		return NULL;
	node->number = number;
	RB_INSERT(entry_tree, &mapping->entries, node);
	return node;
}

/* The entry of a page, made if there is none. tree_lock is held. */
static struct dax_entry *get_entry(struct address_space *mapping, pgoff_t index)
{
	const struct inode *inode = mapping->host;
	struct entry_node *node = get_node(mapping, index >> ENTRY_SHIFT);
	u32 nr = index & ((1 << ENTRY_SHIFT) - 1);
	struct dax_entry *e;

	if (!node)
		return NULL;
	e = &node->entries[nr];
	if (node->made >> nr & 1)
		return e;
	node->made |= 1U << nr;
	lock_init_at(&e->lock, LOCK_ENTRY_LOCK, inode->name, inode->i_ino, ENTRY_OBJECT | index);
	return e;
}

int dax_lock_entry(struct address_space *mapping, pgoff_t index, struct dax_entry **entry)
{
	struct dax_entry *e;

	*entry = NULL;
	if (!has(mapping->host->i_sb, ENTRY_LOCK))
		return 0;
	/* Whoever makes it, it is the same entry: that commutes, but not with looking for entries. */
	also(P_WRITE, obj(OBJ_ENTRY, mapping->host->i_ino, current->id));
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

static struct dax_entry *entry_of(struct entry_node *node, pgoff_t index)
{
	return &node->entries[index & ((1 << ENTRY_SHIFT) - 1)];
}

/* The first entry of a node at or behind @index; U64_MAX: none. */
static pgoff_t next_in(const struct entry_node *node, pgoff_t index)
{
	pgoff_t first = node->number << ENTRY_SHIFT;
	u32 left = node->made >> (index > first ? index - first : 0);

	return left ? max_t(pgoff_t, index, first) + __builtin_ctz(left) : U64_MAX;
}

pgoff_t dax_next_entry(struct address_space *mapping, pgoff_t index)
{
	struct entry_node key = { .number = index >> ENTRY_SHIFT }, *node;
	pgoff_t next = U64_MAX;

	if (has(mapping->host->i_sb, ENTRY_LOCK))
		also(P_READ, obj(OBJ_ENTRY, mapping->host->i_ino, EXTENT_ALL));
	guard_lock(&mapping->tree_lock);
	node = RB_NFIND(entry_tree, &mapping->entries, &key);
	for (; node && next == U64_MAX; node = RB_NEXT(entry_tree, &mapping->entries, node))
		next = next_in(node, index);
	guard_unlock(&mapping->tree_lock);
	return next;
}

u64 dax_nr_settled(struct address_space *mapping, pgoff_t index, u64 max)
{
	struct entry_node key = { .number = index >> ENTRY_SHIFT }, *node;
	struct page hole = { .index = index };
	const struct page *page;
	pgoff_t end = index + max;

	guard_lock(&mapping->tree_lock);
	page = RB_NFIND(page_tree, &mapping->pages, &hole);
	if (page)
		end = min_t(pgoff_t, end, page->index);
	node = RB_NFIND(entry_tree, &mapping->entries, &key);
	for (; node; node = RB_NEXT(entry_tree, &mapping->entries, node)) {
		pgoff_t i = next_in(node, index);

		while (i < end && !lock_has_writer(&entry_of(node, i)->lock))
			i = next_in(node, i + 1);
		end = min_t(pgoff_t, end, i);
		if (node->number >= end >> ENTRY_SHIFT)
			break;
	}
	guard_unlock(&mapping->tree_lock);
	return end - index;
}

void dax_free_entries(struct address_space *mapping)
{
	struct entry_node *node, *next;

	RB_FOREACH_SAFE(node, entry_tree, &mapping->entries, next) {
		RB_REMOVE(entry_tree, &mapping->entries, node);
		arena_free(&mapping->host->i_sb->sim->arena, node, sizeof(*node));
	}
}
