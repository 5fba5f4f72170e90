/* SPDX-License-Identifier: BSD-2-Clause */
/* Sentences without a libc: just what the checker's messages need. */
#ifndef MM_FORMAT_H
#define MM_FORMAT_H

#include <rmap/types.h>

/*
 * Write format to buf of size bytes (size > 0), cut where it does not fit, always terminated. %s string, %d int, %u unsigned
 * int, %lu uint64_t, %ld int64_t, %lx uint64_t in hexadecimal, %p pointer, %%. Returns buf.
 */
char *format_sentence(char *buf, size_t size, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

#endif
