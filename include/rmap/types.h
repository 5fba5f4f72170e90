/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The ground that every header stands on: integers, errors, the page size, assertions.
 *
 * Everything below src/ is freestanding C11. The four memory functions are the only symbols that it leaves for the
 * embedder (every C compiler demands them anyway).
 */
#ifndef RMAP_TYPES_H
#define RMAP_TYPES_H

#ifdef __cplusplus
#error "rmap's headers are C11 (_Atomic, restrict): call the library from C files, see docs/interface.md"
/* There is no such file, which ends the compiler here: hundreds of errors would follow from this one. */
#include <rmap/headers-are-C>
#endif

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

_Static_assert(sizeof(void *) == 8 && sizeof(size_t) == 8, "rmap is for 64-bit machines");

/* The embedder's. Default visibility: ours is hidden, where the libraries themselves are compiled. */
#pragma GCC visibility push(default)
void *memcpy(void *restrict dst, const void *restrict src, size_t n);
void *memmove(void *dst, const void *src, size_t n);
void *memset(void *dst, int c, size_t n);
int memcmp(const void *a, const void *b, size_t n);
#pragma GCC visibility pop

/* The page size is a build-time constant. */
#ifndef RMAP_PAGE_SHIFT
#define RMAP_PAGE_SHIFT 12
#endif
#define RMAP_PAGE_SIZE ((uint64_t)1 << RMAP_PAGE_SHIFT)
#define RMAP_PAGE_MASK (~(RMAP_PAGE_SIZE - 1))

/* Errors have Linux's numbers, negated, and names of our own: a plain ENOMEM would clash with the embedder's. */
enum rmap_error {
	RMAP_OK = 0,
	RMAP_EPERM = -1,
	RMAP_ENOENT = -2,
	RMAP_EINTR = -4,
	RMAP_EIO = -5,
	RMAP_ENXIO = -6,
	RMAP_EAGAIN = -11,
	RMAP_ENOMEM = -12,
	RMAP_EACCES = -13,
	RMAP_EFAULT = -14,
	RMAP_EBUSY = -16,
	RMAP_EEXIST = -17,
	RMAP_ENODEV = -19,
	RMAP_EINVAL = -22,
	RMAP_ENOSPC = -28,
	RMAP_EOVERFLOW = -75,
	RMAP_EBADMSG = -74,
	RMAP_EOPNOTSUPP = -95,
	RMAP_EHWPOISON = -133,
};

/* "ENOMEM" for RMAP_ENOMEM, "0" for success, "E?" for a number that is none of ours. Never NULL. */
const char *rmap_error_name(int error);

#define rmap_container_of(ptr, type, member)                                                       \
	((type *)(void *)((char *)(ptr)-offsetof(type, member)))

/*
 * Told to the compiler only where the branch decides the shape of a hot path. A build that looks at decisions (coverage) defines both
 * as nothing.
 */
#ifndef rmap_likely
#define rmap_likely(x)	 __builtin_expect(!!(x), 1)
#define rmap_unlikely(x) __builtin_expect(!!(x), 0)
#endif
/* Out of the way of what is hot: a call of its own, whose registers nobody saves who does not come here. */
#define rmap_cold __attribute__((cold, noinline))

#endif
