// SPDX-License-Identifier: MIT
/*
 * Lets Criterion run under the thread sanitizer on x86-64. Criterion shares a
 * memory arena with the processes of its tests and maps it at an address it
 * draws with rand_r(3) from 64 TiB that start at 0x200000000000. The sanitizer
 * keeps nearly all of that for its shadow memory, and the mapping fails. Here
 * rand_r() draws from the part that is left to programs. Criterion counts in
 * units of 16 MiB and draws again when an address is taken. The library must see this one, so it
 * is not hidden as all else is.
 */
#include <stdlib.h>

#if defined(__has_feature)
#if __has_feature(thread_sanitizer) && !defined(__SANITIZE_THREAD__)
#define __SANITIZE_THREAD__ 1
#endif
#endif

#if defined(__SANITIZE_THREAD__) && defined(__x86_64__)

#define ARENA_UNIT (1UL << 24)
#define ARENA_BASE 0x200000000000UL
#define PROGRAM_START 0x550000000000UL
#define PROGRAM_END 0x568000000000UL

__attribute__((visibility("default"))) int rand_r(unsigned int *seed)
{
	*seed = *seed * 1103515245 + 12345;
	return (PROGRAM_START - ARENA_BASE) / ARENA_UNIT +
	       (*seed >> 8) % ((PROGRAM_END - PROGRAM_START) / ARENA_UNIT);
}

#endif
