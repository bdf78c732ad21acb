/* SPDX-License-Identifier: MIT */
/* The public interface of libdaxsim. */
#ifndef DAXSIM_H
#define DAXSIM_H

/* The version of the library, from git; "unknown" where there was none. */
extern const char daxsim_version[];

#endif
