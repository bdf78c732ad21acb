/* SPDX-License-Identifier: MIT */
/*
 * Moving bytes of files. The kernel copies them while user code stores to the same bytes through
 * its mappings, as on real hardware: whoever does that gets what he gets. The thread sanitizer
 * must not take it for a race of the simulator's own, so all of it goes through here.
 */
#ifndef DAXSIM_MEDIA_H
#define DAXSIM_MEDIA_H

#include <string.h>

#include "daxsim/sim/types.h"

#ifndef __has_feature
#define __has_feature(x) 0
#endif
#if defined(__SANITIZE_THREAD__) || __has_feature(thread_sanitizer)
void AnnotateIgnoreReadsBegin(const char *file, int line);
void AnnotateIgnoreReadsEnd(const char *file, int line);
void AnnotateIgnoreWritesBegin(const char *file, int line);
void AnnotateIgnoreWritesEnd(const char *file, int line);
#define MEDIA_BEGIN                                                                                \
	(AnnotateIgnoreReadsBegin(__FILE__, __LINE__), AnnotateIgnoreWritesBegin(__FILE__, __LINE__))
#define MEDIA_END                                                                                  \
	(AnnotateIgnoreWritesEnd(__FILE__, __LINE__), AnnotateIgnoreReadsEnd(__FILE__, __LINE__))
#else
#define MEDIA_BEGIN ((void)0)
#define MEDIA_END ((void)0)
#endif

/** media_copy() - copy bytes from or to a block, or a page that user code may have mapped */
static inline void media_copy(void *to, const void *from, size_t len)
{
	MEDIA_BEGIN;
	memcpy(to, from, len);
	MEDIA_END;
}

/** media_zero() - zero bytes there */
static inline void media_zero(void *to, size_t len)
{
	MEDIA_BEGIN;
	memset(to, 0, len);
	MEDIA_END;
}

#endif
