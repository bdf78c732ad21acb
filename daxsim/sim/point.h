/* SPDX-License-Identifier: MIT */
/*
 * Scheduling points. The simulated kernel announces every access to something
 * that another session can see by calling point() just before it makes it; the
 * scheduler may let other sessions go first. A point has a name from the table
 * below, the kernel's name for the place wherever the kernel has one, and an
 * object and a kind, which say what two points have to do with each other.
 *
 * In live mode there is no scheduler and point() costs one predicted branch, unless
 * somebody wants it to delay threads (sim->jitter).
 */
#ifndef DAXSIM_POINT_H
#define DAXSIM_POINT_H

#include "daxsim/sim/name_table.h"
#include "daxsim/sim/task.h"
#include "daxsim/sim/types.h"

/*
 * Every named place, in the order in which `daxsim points` lists them. A
 * scenario holds a step there with `until NAME [n]`: the step stops before the
 * thing described happens.
 */
#define POINT_TABLE(P)                                                                             \
	P(user_load, "user code loads from a mapping; again at each retry after a fault")          \
	P(user_store, "user code stores to a mapping; again at each retry after a fault")          \
	P(handle_mm_fault, "a page fault enters the kernel")                                       \
	P(do_wp_page, "a store met a present read-only PTE")                                       \
	P(do_cow_fault, "first store to a page of a private mapping")                              \
	P(do_mmap, "mmap(2) enters the kernel")                                                    \
	P(do_munmap, "munmap(2) enters the kernel")                                                \
	P(do_mprotect, "mprotect(2) enters the kernel")                                            \
	P(do_mremap, "mremap(2) enters the kernel")                                                \
	P(use_address, "user code is about to use the address of a mapping that mremap(2) moves")  \
	P(use_name, "a handle or mapping is about to be used whose name one session binds or drops") \
	P(pte_read, "a PTE is looked at")                                                          \
	P(set_pte, "a PTE is about to be set")                                                     \
	P(zap_pte, "a PTE is about to be removed")                                                 \
	P(move_pte, "mremap(2) is about to move a PTE")                                            \
	P(dax_fault, "the fault handler of a DAX file is entered")                                 \
	P(do_dax_fault, "the fault is about to be resolved; before the first i_size check")        \
	P(find_get_page, "the fault looks for a hole page in the page cache")                      \
	P(get_block, "the file system is asked for the block of a page")                           \
	P(dax_load_hole, "a read fault on a hole is about to make a hole page")                    \
	P(copy_user_bh, "a private page is about to be copied from its block")                     \
	P(dax_clear_blocks, "a new block is about to be zeroed outside the insertion")             \
	P(find_lock_page, "after get_block allocated, before a racing hole page is looked for")    \
	P(unmap_hole_page, "a hole page is about to be unmapped and deleted")                      \
	P(dax_insert_mapping, "the block is known; before i_mmap_mutex and the i_size re-check")   \
	P(clear_page, "one block is about to be zeroed")                                           \
	P(vm_insert_mixed, "the page is about to be entered into the page table")                  \
	P(end_io, "b_end_io is about to run")                                                      \
	P(i_size_read, "i_size is read")                                                           \
	P(i_size_write, "i_size is about to change")                                               \
	P(extent_lookup, "the extent map is read")                                                 \
	P(extent_insert, "an extent is about to enter the extent map")                             \
	P(extent_remove, "an extent is about to leave the extent map")                             \
	P(extent_convert, "an unwritten extent is about to become written, or the reverse")        \
	P(extent_move, "extents are about to be shifted by collapse or insert")                    \
	P(alloc_blocks, "the allocator is asked for blocks")                                       \
	P(free_blocks, "blocks are about to go back to the allocator")                             \
	P(page_cache_lookup, "a slot of the page cache is read")                                   \
	P(page_cache_insert, "a page is about to enter the page cache")                            \
	P(page_cache_delete, "a page is about to leave the page cache")                            \
	P(do_truncate, "ftruncate(2) enters the kernel")                                           \
	P(truncate_setsize, "before i_size, page tables and page cache are cut to the new size")   \
	P(truncate_pagecache, "i_size is changed; before page tables and page cache are cut")      \
	P(unmap_mapping_range, "PTEs of a range of a file are about to be removed everywhere")     \
	P(truncate_inode_pages, "pages of the page cache are about to be dropped")                 \
	P(truncate_blocks, "page tables are cut; before blocks past the new size are freed")       \
	P(dax_truncate_page, "the tail of the new last page is about to be zeroed")                \
	P(do_fallocate, "fallocate(2) enters the kernel")                                          \
	P(truncate_range_again, "ext4 punch cuts page tables a second time, inside its handle")    \
	P(journal_start, "a journal handle is about to be opened")                                 \
	P(journal_stop, "a journal handle is about to be closed")                                  \
	P(journal_commit, "a commit of the running transaction begins")                            \
	P(do_read, "read(2) enters the kernel")                                                    \
	P(do_write, "write(2) enters the kernel")                                                  \
	P(buffered_write, "v10: the rest of a short write is about to go into the page cache")     \
	P(buffered_read, "v10: the rest of a short read comes out of the page cache")              \
	P(write_back, "a dirty page is about to be written to its block")                          \
	P(inode_dio_wait, "direct I/O in flight is waited for")                                    \
	P(dax_do_io, "DAX read or write of a range starts")                                        \
	P(dax_io, "the next chunk of a DAX read or write")                                         \
	P(dax_new_buf, "the edges of a new block, which write(2) will not cover, are zeroed")      \
	P(copy_from_iter, "write(2) is about to copy into a block")                                \
	P(copy_to_iter, "read(2) is about to copy out of a block")                                 \
	P(iov_iter_zero, "read(2) is about to deliver zeroes for a hole")                          \
	P(invalidate_inode_pages2_range, "write(2) is about to drop hole pages from the cache")    \
	P(iput, "a reference to an inode is about to be dropped")                                  \
	P(vfs_lookup, "a name is looked up, made or removed in the directory")                     \
	P(sync_file, "fsync(2) or msync(2) enters the kernel")                                     \
	P(sb_start_pagefault, "a write fault asks for freeze protection")                          \
	P(freeze_super, "the file system is about to be frozen")                                   \
	P(thaw_super, "the file system is about to be thawed")                                     \
	P(getrusage, "a session's page faults are about to be counted")                            \
	P(arm_injection, "a coming call is about to be made to fail")                              \
	P(also, "one more thing is looked at or changed, after a lock was dropped")                \
	P(lock, "a lock is about to be taken; a lock's own class name holds there too")            \
	P(unlock, "a lock is about to be dropped")

enum point_id {
#define POINT_ENUM(name, what) P_##name,
	POINT_TABLE(POINT_ENUM)
#undef POINT_ENUM
	NR_POINTS
};

struct point_desc {
	const char *name;
	const char *what;	/* what is about to happen there */
};

extern const struct point_desc point_table[NR_POINTS];

/* What the announced access does; two accesses of one object conflict unless both are P_READ. */
enum point_kind {
	P_MARK,			/* a named place, no access: conflicts with nothing */
	P_READ,
	P_WRITE,
	P_LOCK,
	P_RLOCK,
	P_UNLOCK,
	P_WAIT,
};

/* What a point's object is; obj() packs type, owner and index into one word. */
enum obj_type {
	OBJ_NONE,
	OBJ_I_SIZE,		/* inode */
	OBJ_EXTENT,		/* inode, logical block */
	OBJ_PTE,		/* mapping, page */
	OBJ_PAGE,		/* inode, page: a slot of the page cache */
	OBJ_BLOCK,		/* block: its bytes */
	OBJ_FREE_LIST,		/* one for the device: an allocation may look at every group */
	OBJ_LOCK,		/* lock */
	OBJ_FREEZE,		/* super block */
	OBJ_DIR,		/* the directory */
	OBJ_I_COUNT,		/* inode: its reference count */
	OBJ_MMAP,		/* process: its list of mappings */
	OBJ_I_MMAP,		/* inode: which mappings there are of it */
	OBJ_JOURNAL,		/* the state of the running transaction */
	OBJ_INJECT,		/* injected failures that are still to come */
	OBJ_RUSAGE,		/* task: how many page faults it had */
	OBJ_MODEL,		/* inode, page: the watchers' idea of what it holds */
	OBJ_ENTRY,		/* inode, task: which entries there are, as far as it made them */
	OBJ_META,		/* inode: its blocks of mapping metadata */
	OBJ_NAME,		/* 0 or 1, name that sessions share: what it is bound to, or who uses that */
	OBJ_MTIME,		/* inode, task: what it added to i_mtime */
};

#define EXTENT_ALL UINT32_MAX	/* index that stands for all objects of that type and owner */

static inline u64 obj(enum obj_type type, u32 owner, u64 index)
{
	return (u64)type << 56 | (u64)(owner & 0xffffff) << 32 | (index & 0xffffffff);
}

static inline enum obj_type obj_type(u64 o)
{
	return o >> 56;
}

static inline u32 obj_owner(u64 o)
{
	return o >> 32 & 0xffffff;
}

static inline u32 obj_index(u64 o)
{
	return (u32)o;
}

/* The slow half of point(): defined by the deterministic scheduler. */
void sched_point(struct task *t, enum point_id id, enum point_kind kind, u64 object);

/* The same for a live task that is jittered. */
void live_point(struct task *t, enum point_id id);

/**
 * point() - announce an access before it is made
 * @id: the named place
 * @kind: what the access does to @object
 * @object: what is accessed, from obj(); 0 with P_MARK
 *
 * Other sessions may run before it returns, so nothing read before the call
 * can be trusted after it unless a lock protects it. Costs a branch when the
 * calling thread is no session of a deterministic machine.
 */
static inline void point(enum point_id id, enum point_kind kind, u64 object)
{
	struct task *t = current;

	if (!t || !t->announces)
		return;
	if (likely(t->deterministic))
		sched_point(t, id, kind, object);
	else
		live_point(t, id);
}

/* The slow half of also(). */
void sched_also(struct task *t, enum point_kind kind, u64 object);

/**
 * also() - say what is accessed besides, before it is
 * @kind: P_READ or P_WRITE; P_LOCK for a lock that nobody can be waiting for
 * @object: as for point()
 *
 * It counts as part of what the last point announced, and nobody can come in between. But once
 * a lock was dropped since, others may have been waiting for just that, and this is a point
 * of its own: P_also. An explorer takes what it is not told of to be nobody else's business.
 */
static inline void also(enum point_kind kind, u64 object)
{
	struct task *t = current;

	if (t && t->deterministic)
		sched_also(t, kind, object);
}

/** mark() - announce a place that accesses nothing by itself */
static inline void mark(enum point_id id)
{
	point(id, P_MARK, 0);
}

extern const struct name_table point_names;

#endif
