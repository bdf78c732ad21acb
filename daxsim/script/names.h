/* SPDX-License-Identifier: MIT */
/* What the names of a scenario mean on its machine, for the commands that use them. */
#ifndef DAXSIM_NAMES_H
#define DAXSIM_NAMES_H

#include "daxsim/script/machine.h"

/** find_named() - the row called @name of a table whose rows begin with their names; or NULL */
void *find_named(void *rows, size_t stride, unsigned int nr, const char *name);

#define FIND(m, table, nr, wanted) find_named((m)->table, sizeof((m)->table[0]), (m)->nr, wanted)

/**
 * use_name() - what a name is bound to is about to be looked at, or to change
 * @v: the name
 * @kind: which of the two
 *
 * Where no other session could tell, that is no access, and such names are looked up before any
 * point.
 */
void use_name(const struct variable *v, enum point_kind kind);

/** also_name() - the same as part of what was announced last */
void also_name(const struct variable *v, enum point_kind kind);

/**
 * file_of() - fdget(): the open file that a command's handle stands for
 * @m: the machine
 * @cmd: the command
 * @name: of the handle
 * @out: says so if there is none
 *
 * It stays open for a call that uses it, whoever closes its handle meanwhile; file_put() it.
 * Return: NULL if there is none.
 */
struct open_file *file_of(struct machine *m, const struct cmd *cmd, const char *name,
			  struct outcome *out);

/** file_put() - a call is done with an open file */
void file_put(struct machine *m, struct open_file *f);

/**
 * bind_file() - make a handle stand for a file that is opened now, whatever it stood for
 * @m: the machine
 * @cmd: the command that opens it
 * @name: of the handle
 * @inode: the file; it gets a reference
 * @writable: opened for writing, too
 * @out: says so if there is no room
 */
void bind_file(struct machine *m, const struct cmd *cmd, const char *name, struct inode *inode,
	       bool writable, struct outcome *out);

/** close_file() - have a handle, which stands for an open file, stand for nothing */
void close_file(struct machine *m, const char *name);

/** mapping_exists() - whether a name stands for a mapping; if it does, @out says that it may not */
bool mapping_exists(struct machine *m, const char *name, struct outcome *out);

/**
 * bind_mapping() - make a name stand for a mapping that was made now, if it stands for none
 * @m: the machine
 * @cmd: the command that made it
 * @addr: where
 * @nr_pages: its length; 0 if it could not be made: the name stands for a stray address then
 * @out: says so if the name is taken, or if there is no room
 */
void bind_mapping(struct machine *m, const struct cmd *cmd, u64 addr, u64 nr_pages,
		  struct outcome *out);

/**
 * mapping_of() - the mapping that a command works on
 * @m: the machine
 * @cmd: the command
 * @name: its first or its second name
 * @out: says so if there is none
 *
 * A pointer to one that moves is a variable that sessions share, so taking its value is an access.
 * Return: NULL if the current process has none of that name.
 */
struct named_mapping *mapping_of(struct machine *m, const struct cmd *cmd, const char *name,
				 struct outcome *out);

#endif
