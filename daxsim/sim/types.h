/* SPDX-License-Identifier: MIT */
/*
 * The integer types and constants that the whole simulator speaks in, under
 * the kernel's names. The page size and the block size are both 4 KiB: DAX of
 * 2014 demands that they agree, and every supported machine has such pages.
 */
#ifndef DAXSIM_TYPES_H
#define DAXSIM_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;
typedef int16_t s16;
typedef int32_t s32;
typedef int64_t s64;

typedef u64 sector_t;	/* 512-byte sectors on a device, or blocks of a file, as in the kernel */
typedef u64 pgoff_t;	/* pages of a file */
typedef u64 block_t;	/* 4 KiB blocks of a device */

#define U64_MAX UINT64_MAX

#define PAGE_SHIFT 12
#define PAGE_SIZE (1UL << PAGE_SHIFT)
#define PAGE_MASK (~(PAGE_SIZE - 1))
#define SECTOR_SHIFT 9
#define SECTORS_PER_PAGE (1UL << (PAGE_SHIFT - SECTOR_SHIFT))

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define BIT(n) (1ULL << (n))
#define DIV_ROUND_UP(n, d) (((n) + (d) - 1) / (d))
#define min_t(type, a, b) ((type)(a) < (type)(b) ? (type)(a) : (type)(b))
#define max_t(type, a, b) ((type)(a) > (type)(b) ? (type)(a) : (type)(b))
#define container_of(ptr, type, member) ((type *)((char *)(ptr) - offsetof(type, member)))

#define likely(x) __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)
#define fallthrough __attribute__((fallthrough))
#define noinline __attribute__((noinline))
#define always_inline inline __attribute__((always_inline))
#define __maybe_unused __attribute__((unused))
#define __printf(fmt, args) __attribute__((format(printf, fmt, args)))

#endif
