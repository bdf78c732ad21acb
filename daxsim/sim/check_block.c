// SPDX-License-Identifier: MIT
/* Watching the bytes of blocks: who writes them on whose behalf, and who sees what. */
#include <stdio.h>

#include "daxsim/kernel/inode.h"
#include "daxsim/kernel/mm.h"
#include "daxsim/sim/check_private.h"
#include "daxsim/sim/sim.h"

void coverage_add(struct coverage *c, u64 off, u64 len)
{
	u64 end = off + len;

	if (off <= c->to && end >= c->from && c->to > c->from) {
		off = min_t(u64, off, c->from);
		end = max_t(u64, end, c->to);
	}
	c->from = off;
	c->to = end;
	if (c->from <= c->front)
		c->front = max_t(u64, c->front, c->to);
	if (c->to >= PAGE_SIZE - c->back_len)
		c->back_len = max_t(u64, c->back_len, PAGE_SIZE - c->from);
}

bool coverage_hides(const struct coverage *c, const u8 *bytes)
{
	if (c->to == c->from)
		return false;
	for (u64 i = c->front; i + c->back_len < PAGE_SIZE; i++)
		if (bytes[i] && (i < c->from || i >= c->to))
			return false;
	return true;
}

/* The kernel writes a block for a page: nobody else may own it, and it may not be free. */
static void check_owner(struct check *c, struct inode *inode, pgoff_t pgoff, block_t block,
			const char *verb)
{
	const struct shadow *s = check_shadow(c, block);

	if (s->allocated && (!s->owner || (s->owner == inode && s->lblk == pgoff)))
		return;
	check_report(c, INV_FOREIGN_WRITE,
		     "the kernel %s block %llu for page %llu of %s, but that block %s", verb,
		     (ull)(block), (ull)(pgoff), inode->name, DESCRIBE(s));
}

void check_block_init(struct check *c, struct inode *inode, pgoff_t pgoff, block_t block, u64 off,
		      u64 len)
{
	u8 want;
	s64 at;

	if (!c)
		return;
	check_owner(c, inode, pgoff, block, "zeroes");
	coverage_add(&check_shadow(c, block)->covered, off, len);
	at = model_diff(&c->model, inode->i_ino, pgoff, off, NULL, len, &want);
	if (at >= 0)
		check_report(c, INV_LOST_STORE,
			     "zeroing block %llu for page %llu of %s wipes out 0x%02x, stored at byte %llu of it",
			     (ull)(block), (ull)(pgoff), inode->name, want, (ull)(off + at));
}

void check_block_zero(struct check *c, struct inode *inode, pgoff_t pgoff, block_t block, u64 off,
		      u64 len)
{
	if (!c)
		return;
	check_owner(c, inode, pgoff, block, "zeroes");
	coverage_add(&check_shadow(c, block)->covered, off, len);
	model_write(&c->model, inode->i_ino, pgoff, off, NULL, len);
}

void check_block_write(struct check *c, struct inode *inode, pgoff_t pgoff, block_t block, u64 off,
		       const u8 *data, u64 len)
{
	if (!c)
		return;
	check_owner(c, inode, pgoff, block, "writes");
	coverage_add(&check_shadow(c, block)->covered, off, len);
	model_write(&c->model, inode->i_ino, pgoff, off, data, len);
}

void check_write_back(struct check *c, struct inode *inode, pgoff_t pgoff, block_t block,
		      const u8 *page)
{
	u8 want;
	s64 at;

	if (!c)
		return;
	check_owner(c, inode, pgoff, block, "writes");
	coverage_add(&check_shadow(c, block)->covered, 0, PAGE_SIZE);
	at = model_diff(&c->model, inode->i_ino, pgoff, 0, page, PAGE_SIZE, &want);
	if (at >= 0)
		check_report(c, INV_LOST_STORE,
			     "writing page %llu of %s back puts 0x%02x at byte %lld, where 0x%02x was stored",
			     (ull)(pgoff), inode->name, page[at], (long long)at, want);
}

/* The byte of a file that lies on the device; false if that page has no block. */
static bool media_byte(struct check *c, struct inode *inode, pgoff_t pgoff, u64 off, u8 *byte)
{
	const struct extent *e;

	also(P_READ, obj(OBJ_EXTENT, inode->i_ino, pgoff));
	e = extent_find(&inode->extents, pgoff);
	if (!e)
		return false;
	also(P_READ, obj(OBJ_BLOCK, 0, e->pblk + pgoff - e->lblk));
	*byte = *((u8 *)pmem_block(&c->sim->pmem, e->pblk + pgoff - e->lblk) + off);
	return true;
}

bool check_as_stored(struct check *c, const struct inode *inode, pgoff_t pgoff, u64 off,
		     const u8 *data, u64 len)
{
	u8 want;

	return model_diff(&c->model, inode->i_ino, pgoff, off, data, len, &want) < 0;
}

/*
 * Somebody saw @data at @off of a page. A byte where the file holds zero comes
 * from another owner of the block, or from before it was zeroed or cut off; one
 * that differs from what was stored is another view if the device still has the
 * right one, else a lost store.
 */
void check_seen(struct check *c, struct inode *inode, pgoff_t pgoff, u64 off,
		       const u8 *data, u64 len, const char *how)
{
	u8 want, got, media;
	s64 at = model_diff(&c->model, inode->i_ino, pgoff, off, data, len, &want);

	if (at < 0)
		return;
	got = data ? data[at] : 0;
	off += at;
	if (!want)
		check_report(c, INV_STALE_DATA,
			     "%s sees 0x%02x at byte %llu of page %llu of %s, where the file holds 0x00",
			     how, got, (ull)(off), (ull)(pgoff), inode->name);
	else if (media_byte(c, inode, pgoff, off, &media) && media == want)
		check_report(c, INV_INCOHERENT,
			     "%s sees 0x%02x at byte %llu of page %llu of %s, but the file holds 0x%02x",
			     how, got, (ull)(off), (ull)(pgoff), inode->name, want);
	else
		check_report(c, INV_LOST_STORE,
			     "%s sees 0x%02x at byte %llu of page %llu of %s, where 0x%02x was stored",
			     how, got, (ull)(off), (ull)(pgoff), inode->name, want);
}

void check_block_read(struct check *c, struct inode *inode, pgoff_t pgoff, block_t block, u64 off,
		      const u8 *data, u64 len)
{
	char how[40];

	if (!c || check_as_stored(c, inode, pgoff, off, data, len))
		return;
	snprintf(how, sizeof(how), "a read of block %llu", (ull)(block));
	check_seen(c, inode, pgoff, off, data, len, how);
}

void check_hole_read(struct check *c, struct inode *inode, pgoff_t pgoff, u64 off, u64 len)
{
	if (c)
		check_seen(c, inode, pgoff, off, NULL, len, "a read of a hole");
}

void check_cached(struct check *c, struct inode *inode, pgoff_t pgoff, u64 off, const u8 *data,
		  u64 len)
{
	if (!c)
		return;
	check_report(c, INV_CACHED_DATA, "page %llu of %s is in the page cache with %s", (ull)(pgoff),
		     inode->name, data ? "dirty data" : "a copy of its data");
	if (data)
		model_write(&c->model, inode->i_ino, pgoff, off, data, len);
}
