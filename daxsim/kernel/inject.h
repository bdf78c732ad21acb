/* SPDX-License-Identifier: MIT */
/*
 * Fault injection: a coming call of the simulated kernel is made to fail. Each
 * site holds at most one injection; a new one replaces it.
 */
#ifndef DAXSIM_INJECT_H
#define DAXSIM_INJECT_H

#include "daxsim/sim/guard.h"
#include "daxsim/sim/name_table.h"
#include "daxsim/sim/types.h"

/* enumerator, word, what fails there */
#define INJECT_TABLE(I)                                                                            \
	I(GET_BLOCK, "get_block", "the file system's get_block")                                   \
	I(DIRECT_ACCESS, "direct_access", "the device's direct_access: an error, or few bytes")    \
	I(CLEAR, "clear", "zeroing of a new block")                                                \
	I(COPY, "copy", "the copy between a system call's buffer and a file, after some bytes")

enum inject_site {
#define INJECT_ENUM(id, name, what) INJECT_##id,
	INJECT_TABLE(INJECT_ENUM)
#undef INJECT_ENUM
	NR_INJECT_SITES
};

struct inject_desc {
	const char *name;
	const char *what;
};

extern const struct inject_desc inject_table[NR_INJECT_SITES];
extern const struct name_table inject_names;

struct injection {
	s64 error;	/* negative errno; 0: @short_len counts */
	u64 short_len;	/* direct_access: bytes it returns at most */
	u64 after;	/* calls (copy: bytes) that still go well */
	u64 times;	/* failures left; 0: none */
	bool counts;	/* it may be armed some time: each call is an access */
	struct guard guard;	/* of the two counters */
};

/**
 * inject_fires() - count one call and tell whether it must fail
 * @inj: the site's injection
 *
 * Return: true if this call fails; the caller asks for inject_error() and inject_short_len().
 */
bool inject_fires(struct injection *inj);

static inline s64 inject_error(const struct injection *inj)
{
	return __atomic_load_n(&inj->error, __ATOMIC_RELAXED);
}

static inline u64 inject_short_len(const struct injection *inj)
{
	return __atomic_load_n(&inj->short_len, __ATOMIC_RELAXED);
}

/**
 * inject_arm() - replace a site's injection while calls may be under way
 * @inj: the site's injection
 * @with: the new one
 */
void inject_arm(struct injection *inj, const struct injection *with);

/**
 * inject_copy_limit() - how many of @len bytes a copy may do before it faults
 * @inj: the injection of INJECT_COPY
 * @len: bytes the caller wants to copy
 *
 * Return: @len, or fewer if the fault lies inside.
 */
size_t inject_copy_limit(struct injection *inj, size_t len);

#endif
