// SPDX-License-Identifier: MIT
/* Writing down the state of a machine at rest. */
#include "daxsim/sim/state.h"

#include <string.h>
#define XXH_STATIC_LINKING_ONLY	/* for XXH3_state_t on the stack */
#include <xxhash.h>

#include "daxsim/kernel/inode.h"
#include "daxsim/kernel/mm.h"
#include "daxsim/sim/sim.h"

typedef unsigned long long ull;	/* for printf */

static void print_inode(struct sim *sim, const struct inode *inode, FILE *to)
{
	const struct extent *e = extent_find_next(&inode->extents, 0);
	struct page *page;

	fprintf(to, "file %s size %lld blocks %llu nlink %u\n", inode->name,
		(long long)inode->i_size, (ull)i_blocks(inode), inode->i_nlink);
	for (; e; e = extent_find_next(&inode->extents, extent_end(e)))
		fprintf(to, "  extent %llu+%llu at %llu %c bytes %016llx\n", (ull)e->lblk,
			(ull)e->len, (ull)e->pblk, e->unwritten ? 'U' : 'W',
			(ull)XXH3_64bits(pmem_block(&sim->pmem, e->pblk), e->len << PAGE_SHIFT));
	RB_FOREACH(page, page_tree, (struct page_tree *)&inode->i_data.pages)
		fprintf(to, "  cached page %llu\n", (ull)page->index);
}

static void print_vma(const struct vma *vma, FILE *to)
{
	static const char kinds[] = { [PTE_NONE] = '-', [PTE_HOLE] = 'h', [PTE_PFN] = 'p',
				      [PTE_ANON] = 'a' };

	fprintf(to, "  mapping %s of %s page %llu+%llu at page %llu:", vma->name, vma->inode->name,
		(ull)vma->page_base, (ull)vma->nr_pages, (ull)vma->pgoff);
	for (u64 page = 0; page < vma->nr_pages; page++) {
		const struct pte *pte = &vma->pte[page];

		if (pte->kind != PTE_NONE)
			fprintf(to, " %llu=%c%s%llu", (ull)page, kinds[pte->kind],
				pte->writable ? "w" : "r",
				pte->kind == PTE_PFN ? (ull)pte->pfn : 0);
	}
	fputc('\n', to);
}

void state_print(struct sim *sim, FILE *to)
{
	const struct inode *inode;
	block_t block = 0;
	u64 len;

	LIST_FOREACH(inode, &sim->sb->s_inodes, i_sb_list)
		print_inode(sim, inode, to);
	while (balloc_next_free(sim->sb->balloc, block, &block, &len)) {
		fprintf(to, "free %llu+%llu\n", (ull)block, (ull)len);
		block += len;
	}
	for (unsigned int i = 0; i < sim->sched.nr_tasks; i++) {
		const struct task *t = sim->sched.tasks[i];
		const struct vma *vma;

		fprintf(to, "task %s in %s min %llu maj %llu holds %u\n", t->name, t->mm->name,
			(ull)t->min_flt, (ull)t->maj_flt, t->nr_held);
		LIST_FOREACH(vma, &t->mm->mmap, mm_link)
			print_vma(vma, to);
	}
}

static void hash_inode(struct sim *sim, const struct inode *inode, XXH3_state_t *h)
{
	const u64 facts[] = { inode->i_size, i_blocks(inode), inode->i_nlink };
	const struct extent *e = extent_find_next(&inode->extents, 0);
	const struct vma *vma;

	XXH3_64bits_update(h, inode->name, strlen(inode->name) + 1);
	XXH3_64bits_update(h, facts, sizeof(facts));
	for (; e; e = extent_find_next(&inode->extents, extent_end(e))) {
		const u64 where[] = { e->lblk, e->len, e->unwritten };

		XXH3_64bits_update(h, where, sizeof(where));
		if (!e->unwritten)
			XXH3_64bits_update(h, pmem_block(&sim->pmem, e->pblk), e->len << PAGE_SHIFT);
	}
	LIST_FOREACH(vma, &inode->i_data.i_mmap, i_mmap_link)
		for (u64 page = 0; page < vma->nr_pages; page++) {
			const u64 pte[] = { vma->flags, vma->page_base + page, vma->pte[page].kind,
					    vma->pte[page].writable };

			XXH3_64bits_update(h, pte, sizeof(pte));
		}
}

u64 state_hash(struct sim *sim)
{
	const struct inode *inode;
	XXH3_state_t h;

	XXH3_64bits_reset(&h);
	LIST_FOREACH(inode, &sim->sb->s_inodes, i_sb_list)
		hash_inode(sim, inode, &h);
	return XXH3_64bits_digest(&h);
}

int state_audit(struct sim *sim, char *why, size_t size)
{
	const struct inode *inode;
	struct vma *vma;
	int err = 0;

	if (!sim->mmu->audit)
		return 0;
	LIST_FOREACH(inode, &sim->sb->s_inodes, i_sb_list)
		LIST_FOREACH(vma, &inode->i_data.i_mmap, i_mmap_link)
			for (u64 page = 0; page < vma->nr_pages && !err; page++)
				err = sim->mmu->audit(vma, page, why, size);
	return err;
}
