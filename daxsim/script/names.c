// SPDX-License-Identifier: MIT
/*
 * What the names of a scenario mean on its machine: processes, open files, mappings. A name that
 * several sessions use is a variable they share, so looking it up and binding it are accesses.
 */
#include "daxsim/script/names.h"

#include <errno.h>
#include <signal.h>
#include <string.h>

#include "daxsim/kernel/inode.h"

struct mm *machine_mm(struct machine *m, const char *name)
{
	for (unsigned int i = 0; i < m->nr_mms; i++)
		if (!strcmp(m->mms[i]->name, name))
			return m->mms[i];
	if (m->nr_mms == ARRAY_SIZE(m->mms))
		return NULL;
	m->mms[m->nr_mms] = mm_create(&m->sim, name);
	return m->mms[m->nr_mms] ? m->mms[m->nr_mms++] : NULL;
}

void *find_named(void *rows, size_t stride, unsigned int nr, const char *name)
{
	const struct name_table t = { rows, stride, nr };
	int i = name_find(&t, name);

	return i < 0 ? NULL : (char *)rows + i * stride;
}

static u64 name_object(const struct variable *v)
{
	return obj(OBJ_NAME, 0, v->id);
}

void use_name(const struct variable *v, enum point_kind kind)
{
	if (variable_shared(v))
		point(P_use_name, kind, name_object(v));
}

void also_name(const struct variable *v, enum point_kind kind)
{
	if (variable_shared(v))
		also(kind, name_object(v));
}

struct open_file *file_of(struct machine *m, const struct cmd *cmd, const char *name,
			  struct outcome *out)
{
	struct named_file *f;

	use_name(cmd->handle, cmd->verb == VERB_CLOSE ? P_WRITE : P_READ);
	f = FIND(m, files, nr_files, name);
	if (f) {
		f->open->users++;
		return f->open;
	}
	if (variable_shared(cmd->handle))
		out->ret = -EBADF;	/* another session has closed it, or comes to open it too late */
	else
		outcome_fail(out, "file %s is not open here; create or open it first", name);
	return NULL;
}

/* While the handle is there nobody's reference is the last, in whatever order they go. */
void file_put(struct machine *m, struct open_file *f)
{
	bool shared = variable_shared(f->handle);
	u64 references = obj(OBJ_NAME, 1, f->handle->id);

	if (shared)
		also(P_READ, references);
	if (shared && f->closed)
		also(P_WRITE, references);
	if (--f->users)
		return;
	iput(f->file.inode);
	arena_free(&m->sim.arena, f, sizeof(*f));
}

/* The reference of a name goes, which stands for something else by now, or for nothing. */
static void drop_file(struct machine *m, struct open_file *f)
{
	f->closed = true;
	file_put(m, f);
}

void bind_file(struct machine *m, const struct cmd *cmd, const char *name, struct inode *inode,
	       bool writable, struct outcome *out)
{
	struct open_file *open = arena_alloc(&m->sim.arena, sizeof(*open)), *old;
	struct named_file *f;

	also_name(cmd->handle, P_WRITE);
	f = FIND(m, files, nr_files, name);
	if (!open || (!f && m->nr_files == MAX_NAMES)) {
		outcome_fail(out, "more than %d files are open", MAX_NAMES);
		return;
	}
	inode->i_count++;
	*open = (struct open_file){ { inode, writable }, 1, cmd->handle, false };
	if (!f) {
		m->files[m->nr_files++] = (struct named_file){ name, open };
		return;
	}
	old = f->open;
	f->open = open;
	drop_file(m, old);
}

void close_file(struct machine *m, const char *name)
{
	struct named_file *f = FIND(m, files, nr_files, name);
	struct open_file *open = f->open;

	*f = m->files[--m->nr_files];
	drop_file(m, open);
}

/* What a call comes to with an address at which nothing is mapped, or never was. */
static void use_stray_address(const struct cmd *cmd, struct outcome *out)
{
	switch (cmd->verb) {
	case VERB_MREAD:
	case VERB_MWRITE:
		out->signal = SIGSEGV;
		break;
	case VERB_MUNMAP:
		out->ret = -EINVAL;
		break;
	case VERB_MPROTECT:
	case VERB_MSYNC:
		out->ret = -ENOMEM;
		break;
	default:
		out->ret = -EFAULT;
		break;
	}
}

bool mapping_exists(struct machine *m, const char *name, struct outcome *out)
{
	const struct named_mapping *map = FIND(m, maps, nr_maps, name);

	if (!map || !map->nr_pages)
		return false;
	outcome_fail(out, "mapping %s exists already; munmap it or use another name", name);
	return true;
}

void bind_mapping(struct machine *m, const struct cmd *cmd, u64 addr, u64 nr_pages,
		  struct outcome *out)
{
	struct named_mapping *map;

	also_name(cmd->mapping, P_WRITE);
	if (nr_pages && mapping_exists(m, cmd->name, out))
		return;
	map = FIND(m, maps, nr_maps, cmd->name);
	if (map && map->nr_pages)
		return;
	if (!map && m->nr_maps == MAX_NAMES) {
		outcome_fail(out, "more than %d mappings", MAX_NAMES);
		return;
	}
	if (!map)
		map = &m->maps[m->nr_maps++];
	*map = (struct named_mapping){ cmd->name, current->mm, addr, nr_pages };
}

struct named_mapping *mapping_of(struct machine *m, const struct cmd *cmd, const char *name,
				 struct outcome *out)
{
	struct named_mapping *map;

	if (cmd->mapping->moves) {
		point(P_use_address, P_READ, obj(OBJ_MMAP, current->mm->id, 0));
		also_name(cmd->mapping, P_READ);
	} else {
		use_name(cmd->mapping, P_READ);
	}
	map = FIND(m, maps, nr_maps, name);
	if (map ? !map->nr_pages : variable_shared(cmd->mapping))
		use_stray_address(cmd, out);
	else if (!map)
		outcome_fail(out, "there is no mapping %s here; mmap it first", name);
	else if (map->mm != current->mm)
		outcome_fail(out,
			     "mapping %s belongs to process %s, and %s runs in %s; mmap it there too",
			     name, map->mm->name, current->name, current->mm->name);
	else
		return map;
	return NULL;
}
