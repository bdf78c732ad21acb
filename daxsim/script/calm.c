// SPDX-License-Identifier: MIT
/* Which commands stir what is calm otherwise. */
#include "daxsim/script/calm.h"

#define REMAP (BIT(VERB_MMAP) | BIT(VERB_MUNMAP) | BIT(VERB_MPROTECT) | BIT(VERB_MREMAP))
#define FREEZE (BIT(VERB_FREEZE) | BIT(VERB_THAW))
#define SYNC (BIT(VERB_FSYNC) | BIT(VERB_MSYNC))

struct calm calm_in(const struct scenario *s)
{
	static const struct {
		enum lock_class class;
		u64 stirred;
	} locks[] = {
		{ LOCK_MMAP_SEM, REMAP },
		{ LOCK_SB_WRITERS, FREEZE },
		/* Behind it a fault changes the file's time, which stat looks at, without a point. */
		{ LOCK_SB_PAGEFAULT, FREEZE | BIT(VERB_STAT) },
		{ LOCK_JBD2_COMMIT, SYNC },
		{ LOCK_JBD2_HANDLE, SYNC },
	};
	static const struct {
		enum obj_type type;
		bool changed;
		u64 stirred;
	} data[] = {
		{ OBJ_MTIME, true, BIT(VERB_STAT) },
		{ OBJ_MMAP, false, REMAP },
		{ OBJ_I_MMAP, false, REMAP },
		{ OBJ_JOURNAL, false, SYNC },
	};
	struct calm calm = { 0 };

	for (size_t i = 0; i < ARRAY_SIZE(locks); i++)
		calm.locks |= (u32)!(s->verbs & locks[i].stirred) << locks[i].class;
	for (size_t i = 0; i < ARRAY_SIZE(data); i++) {
		if (s->verbs & data[i].stirred)
			continue;
		calm.data |= 1U << data[i].type;
		calm.changed |= (u32)data[i].changed << data[i].type;
	}
	return calm;
}
