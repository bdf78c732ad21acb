// SPDX-License-Identifier: MIT
/* The machine of a scenario, and its commands as system calls of the current task. */
#include "daxsim/script/machine.h"

#include <errno.h>
#include <string.h>

#include "daxsim/kernel/inode.h"
#include "daxsim/kernel/uaccess.h"
#include "daxsim/script/names.h"
#include "daxsim/sim/check.h"

int machine_init(struct machine *m, const struct scenario *s, const struct variant *variant,
		 const struct mmu_ops *mmu, char *why, size_t why_size)
{
	int err;

	memset(m, 0, sizeof(*m));
	err = sim_init(&m->sim, s->device_size, mmu, why, why_size);
	if (err)
		return err;
	err = mount_fs(&m->sim, variant->fs, variant->profile);
	if (err) {
		snprintf(why, why_size, "cannot make a file system: %s", strerror(-err));
		sim_destroy(&m->sim);
		return err;
	}
	for (int i = 0; i < NR_INJECT_SITES; i++)
		m->sim.sb->inject[i].counts = s->injected >> i & 1;
	return 0;
}

void machine_destroy(struct machine *m)
{
	sim_destroy(&m->sim);
}

static void cmd_create(struct machine *m, const struct cmd *cmd, struct outcome *out)
{
	struct named_inode *d;
	struct inode *inode;

	point(P_vfs_lookup, P_WRITE, obj(OBJ_DIR, 0, 0));
	if (FIND(m, dir, nr_dir, cmd->name)) {
		out->ret = -EEXIST;
		return;
	}
	if (m->nr_dir == MAX_NAMES) {
		outcome_fail(out, "a directory holds %d files", MAX_NAMES);
		return;
	}
	/* The name is taken before the file is made: nobody else makes one of that name meanwhile. */
	m->dir[m->nr_dir++] = (struct named_inode){ cmd->name, NULL };
	out->ret = create_inode(m->sim.sb, cmd->name, &inode);
	also(P_WRITE, obj(OBJ_DIR, 0, 0));
	d = FIND(m, dir, nr_dir, cmd->name);
	if (out->ret) {
		*d = m->dir[--m->nr_dir];
		return;
	}
	d->inode = inode;
	bind_file(m, cmd, cmd->name, inode, true, out);
}

static void cmd_open(struct machine *m, const struct cmd *cmd, struct outcome *out)
{
	const char *handle = cmd->name2 ? cmd->name2 : cmd->name;
	struct named_inode *d;

	point(P_vfs_lookup, P_WRITE, obj(OBJ_DIR, 0, 0));
	d = FIND(m, dir, nr_dir, cmd->name);
	if (d && d->inode)
		bind_file(m, cmd, handle, d->inode, !(cmd->flags & CMD_RDONLY), out);
	else
		out->ret = -ENOENT;
}

static void cmd_close(struct machine *m, const struct cmd *cmd, struct outcome *out)
{
	struct open_file *f = file_of(m, cmd, cmd->name, out);

	if (!f)
		return;
	close_file(m, cmd->name);
	file_put(m, f);
}

static void cmd_unlink(struct machine *m, const struct cmd *cmd, struct outcome *out)
{
	struct named_inode *d;
	struct inode *inode;

	point(P_vfs_lookup, P_WRITE, obj(OBJ_DIR, 0, 0));
	d = FIND(m, dir, nr_dir, cmd->name);
	if (!d || !d->inode) {
		out->ret = -ENOENT;
		return;
	}
	inode = d->inode;
	*d = m->dir[--m->nr_dir];
	unlink_inode(inode);
}

static void cmd_truncate(struct machine *m, const struct cmd *cmd, struct outcome *out)
{
	struct open_file *f = file_of(m, cmd, cmd->name, out);

	if (!f)
		return;
	out->ret = do_truncate(&f->file, cmd->len);
	file_put(m, f);
}

static void cmd_fallocate(struct machine *m, const struct cmd *cmd, struct outcome *out)
{
	static const u32 modes[NR_VERBS] = {
		[VERB_FPUNCH] = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
		[VERB_FZERO] = FALLOC_FL_ZERO_RANGE,
		[VERB_FCOLLAPSE] = FALLOC_FL_COLLAPSE_RANGE,
		[VERB_FINSERT] = FALLOC_FL_INSERT_RANGE,
	};
	struct open_file *f = file_of(m, cmd, cmd->name, out);
	u32 keep = cmd->flags & CMD_KEEP_SIZE ? FALLOC_FL_KEEP_SIZE : 0;

	if (!f)
		return;
	out->ret = do_fallocate(&f->file, modes[cmd->verb] | keep, cmd->off, cmd->len);
	file_put(m, f);
}

/* Point an iterator at the user memory that a command names. */
static bool user_buffer(struct machine *m, const struct cmd *cmd, struct iov_iter *iter,
			struct outcome *out)
{
	struct named_mapping *map = mapping_of(m, cmd, cmd->name2, out);

	if (!map)
		return false;
	iter->user = true;
	iter->uaddr = map->addr + cmd->off2;
	return true;
}

/* Room for @len bytes that are read or written. */
static bool make_room(struct machine *m, struct outcome *out, size_t len)
{
	out->data = arena_alloc_raw(&m->sim.arena, len);
	out->room = len;
	if (!out->data)
		outcome_fail(out, "out of memory for %zu bytes", len);
	return out->data;
}

static void read_file(struct machine *m, struct file *f, const struct cmd *cmd,
		      struct outcome *out)
{
	struct iov_iter to = { .count = cmd->len };

	if (cmd->flags & CMD_USER_BUFFER) {
		if (user_buffer(m, cmd, &to, out))
			out->ret = vfs_read(f, &to, cmd->off);
		return;
	}
	if (!make_room(m, out, cmd->len))
		return;
	to.kbuf = out->data;
	out->ret = vfs_read(f, &to, cmd->off);
	out->nr_data = out->ret > 0 ? out->ret : 0;
}

static void cmd_pread(struct machine *m, const struct cmd *cmd, struct outcome *out)
{
	struct open_file *f = file_of(m, cmd, cmd->name, out);

	if (!f)
		return;
	read_file(m, &f->file, cmd, out);
	file_put(m, f);
}

static void cmd_pwrite(struct machine *m, const struct cmd *cmd, struct outcome *out)
{
	struct open_file *f = file_of(m, cmd, cmd->name, out);
	struct iov_iter from = { .count = cmd->len, .fill = cmd->byte };

	if (!f)
		return;
	if (!(cmd->flags & CMD_USER_BUFFER) || user_buffer(m, cmd, &from, out))
		out->ret = vfs_write(&f->file, &from, cmd->off);
	file_put(m, f);
}

static void map_file(struct machine *m, struct file *f, const struct cmd *cmd,
		     struct outcome *out)
{
	u32 flags = VM_READ | (cmd->flags & CMD_RDONLY ? 0 : VM_WRITE) |
		    (cmd->flags & CMD_PRIVATE ? 0 : VM_SHARED);
	u64 nr_pages = DIV_ROUND_UP(cmd->len, PAGE_SIZE), addr;

	use_name(cmd->mapping, P_READ);
	if (mapping_exists(m, cmd->name, out))
		return;
	out->ret = -EINVAL;
	if (cmd->off & ~PAGE_MASK)
		return;
	out->ret = do_mmap(current->mm, f, cmd->name, cmd->off >> PAGE_SHIFT, nr_pages, flags,
			   &addr);
	/* MAP_FAILED is an address, too. Others may have been faster. */
	bind_mapping(m, cmd, out->ret ? 0 : addr, out->ret ? 0 : nr_pages, out);
}

static void cmd_mmap(struct machine *m, const struct cmd *cmd, struct outcome *out)
{
	struct open_file *f = file_of(m, cmd, cmd->name2, out);

	if (f) {
		map_file(m, &f->file, cmd, out);
		file_put(m, f);
	} else if (out->ret == -EBADF) {
		bind_mapping(m, cmd, 0, 0, out);
	}
}

static void cmd_munmap(struct machine *m, const struct cmd *cmd, struct outcome *out)
{
	struct named_mapping *map = mapping_of(m, cmd, cmd->name, out);

	if (!map)
		return;
	if (cmd->flags & CMD_WHOLE) {
		out->ret = do_munmap(map->mm, map->addr, map->nr_pages);
		/* Others may have come and gone meanwhile. */
		also_name(cmd->mapping, P_WRITE);
		map = FIND(m, maps, nr_maps, cmd->name);
		if (!out->ret && map)
			*map = m->maps[--m->nr_maps];
		return;
	}
	out->ret = -EINVAL;
	if (!(cmd->off & ~PAGE_MASK) && cmd->len && cmd->off < map->nr_pages << PAGE_SHIFT) {
		u64 first = cmd->off >> PAGE_SHIFT;
		u64 nr = min_t(u64, DIV_ROUND_UP(cmd->len, PAGE_SIZE), map->nr_pages - first);

		out->ret = do_munmap(map->mm, map->addr + cmd->off, nr);
	}
}

static void cmd_mprotect(struct machine *m, const struct cmd *cmd, struct outcome *out)
{
	const struct named_mapping *map = mapping_of(m, cmd, cmd->name, out);
	u32 flags = cmd->flags & CMD_NO_ACCESS ? 0 :
		    cmd->flags & CMD_RDONLY ? VM_READ : VM_READ | VM_WRITE;

	if (!map)
		return;
	/* Nothing is mapped behind it; what an MMU has there is nobody's business. */
	out->ret = -ENOMEM;
	if (cmd->off < map->nr_pages << PAGE_SHIFT)
		out->ret = do_mprotect(map->mm, map->addr + cmd->off,
				       DIV_ROUND_UP(cmd->len, PAGE_SIZE), flags);
}

static void cmd_mremap(struct machine *m, const struct cmd *cmd, struct outcome *out)
{
	struct named_mapping *map = mapping_of(m, cmd, cmd->name, out);
	u64 nr_pages = DIV_ROUND_UP(cmd->len, PAGE_SIZE), was, addr;

	if (!map)
		return;
	was = map->addr;
	out->ret = do_mremap(map->mm, was, map->nr_pages, nr_pages, MREMAP_MAYMOVE, &addr);
	if (out->ret)
		return;
	/* Others may have been there meanwhile. */
	also(P_WRITE, obj(OBJ_MMAP, current->mm->id, 0));
	also_name(cmd->mapping, P_WRITE);
	map = FIND(m, maps, nr_maps, cmd->name);
	if (!map || map->addr != was)
		return;
	map->addr = addr;
	map->nr_pages = nr_pages;
}

static void cmd_mread(struct machine *m, const struct cmd *cmd, struct outcome *out)
{
	struct named_mapping *map = mapping_of(m, cmd, cmd->name, out);
	struct access_result res;

	if (!map || !make_room(m, out, cmd->len))
		return;
	res = user_access(map->addr + cmd->off, out->data, cmd->len, false);
	out->ret = out->nr_data = res.done;
	out->signal = res.signal;
}

static void cmd_mwrite(struct machine *m, const struct cmd *cmd, struct outcome *out)
{
	struct named_mapping *map = mapping_of(m, cmd, cmd->name, out);
	struct access_result res;

	if (!map || !make_room(m, out, cmd->len))
		return;
	memset(out->data, cmd->byte, cmd->len);
	res = user_access(map->addr + cmd->off, out->data, cmd->len, true);
	out->ret = res.done;
	out->signal = res.signal;
}

static void cmd_msync(struct machine *m, const struct cmd *cmd, struct outcome *out)
{
	const struct named_mapping *map = mapping_of(m, cmd, cmd->name, out);

	if (map)
		out->ret = do_msync(map->mm, map->addr, map->nr_pages);
}

static void cmd_fsync(struct machine *m, const struct cmd *cmd, struct outcome *out)
{
	struct open_file *f = file_of(m, cmd, cmd->name, out);

	if (!f)
		return;
	out->ret = do_fsync(f->file.inode);
	file_put(m, f);
}

static void cmd_fiemap(struct machine *m, const struct cmd *cmd, struct outcome *out)
{
	struct open_file *f = file_of(m, cmd, cmd->name, out);
	const struct extent_map *map;
	const struct extent *e;

	if (!f)
		return;
	map = &f->file.inode->extents;
	point(P_extent_lookup, P_READ, obj(OBJ_EXTENT, f->file.inode->i_ino, EXTENT_ALL));
	out->room = (map->nr_extents + 1) * sizeof(*out->extents);
	out->extents = arena_alloc(&m->sim.arena, out->room);
	if (!out->extents)
		outcome_fail(out, "out of memory for the extents of %s", cmd->name);
	for (e = extent_find_next(map, 0); e && out->extents;
	     e = extent_find_next(map, extent_end(e)))
		out->extents[out->nr_extents++] =
			(struct extent_value){ e->lblk, e->len, e->unwritten };
	file_put(m, f);
}

const char *const stat_fields[] = { "size", "blocks", "nlink", "mtime", NULL };
const char *const fault_fields[] = { "min", "maj", "pgfault", "pgmajfault", NULL };

static void cmd_stat(struct machine *m, const struct cmd *cmd, struct outcome *out)
{
	struct open_file *f = file_of(m, cmd, cmd->name, out);

	if (!f)
		return;
	out->fields[0] = i_size_read(f->file.inode);
	also(P_READ, obj(OBJ_I_COUNT, f->file.inode->i_ino, 0));
	also(P_READ, obj(OBJ_EXTENT, f->file.inode->i_ino, EXTENT_ALL));
	also(P_READ, obj(OBJ_MTIME, f->file.inode->i_ino, EXTENT_ALL));
	out->fields[1] = i_blocks(f->file.inode);
	out->fields[2] = f->file.inode->i_nlink;
	out->fields[3] = f->file.inode->i_mtime;
	file_put(m, f);
}

static void cmd_faults(struct machine *m, const struct cmd *cmd, struct outcome *out)
{
	const struct task *t = current;
	const u64 *const now[MAX_FIELDS] = {
		&t->min_flt, &t->maj_flt, &t->pgfault, &t->pgmajfault,
	};

	(void)cmd;
	point(P_getrusage, P_READ, obj(OBJ_RUSAGE, t->id, 0));
	for (int i = 0; i < MAX_FIELDS; i++) {
		out->fields[i] = *now[i] - m->counted[t->id][i];
		m->counted[t->id][i] = *now[i];
	}
}

static void cmd_inject(struct machine *m, const struct cmd *cmd, struct outcome *out)
{
	(void)out;
	point(P_arm_injection, P_WRITE, obj(OBJ_INJECT, 0, 0));
	m->sim.sb->inject[cmd->site] = (struct injection){
		.error = cmd->error, .short_len = cmd->short_len, .after = cmd->after,
		.times = cmd->times, .counts = true,
	};
}

static void cmd_freeze(struct machine *m, const struct cmd *cmd, struct outcome *out)
{
	out->ret = cmd->verb == VERB_FREEZE ? freeze_super(m->sim.sb) : thaw_super(m->sim.sb);
}

static void (*const commands[NR_VERBS])(struct machine *m, const struct cmd *cmd,
					struct outcome *out) = {
	[VERB_CREATE] = cmd_create,	[VERB_OPEN] = cmd_open,
	[VERB_CLOSE] = cmd_close,	[VERB_UNLINK] = cmd_unlink,
	[VERB_TRUNCATE] = cmd_truncate, [VERB_FALLOCATE] = cmd_fallocate,
	[VERB_FPUNCH] = cmd_fallocate,	[VERB_FZERO] = cmd_fallocate,
	[VERB_FCOLLAPSE] = cmd_fallocate, [VERB_FINSERT] = cmd_fallocate,
	[VERB_PREAD] = cmd_pread,	[VERB_PWRITE] = cmd_pwrite,
	[VERB_MMAP] = cmd_mmap,		[VERB_MUNMAP] = cmd_munmap,
	[VERB_MPROTECT] = cmd_mprotect,	[VERB_MREMAP] = cmd_mremap,
	[VERB_MREAD] = cmd_mread,	[VERB_MWRITE] = cmd_mwrite,
	[VERB_MSYNC] = cmd_msync,	[VERB_FSYNC] = cmd_fsync,
	[VERB_FIEMAP] = cmd_fiemap,	[VERB_STAT] = cmd_stat,
	[VERB_FAULTS] = cmd_faults,	[VERB_INJECT] = cmd_inject,
	[VERB_FREEZE] = cmd_freeze,	[VERB_THAW] = cmd_freeze,
};

void machine_command(struct machine *m, const struct cmd *cmd, struct outcome *out)
{
	memset(out, 0, sizeof(*out));
	commands[cmd->verb](m, cmd, out);
	check_return_to_user(m->sim.check, current);
}
