/* SPDX-License-Identifier: BSD-2-Clause */
/* Numbers for people. Each writes to @buf and returns it. */
#ifndef RMAP_TOOLS_WORDS_H
#define RMAP_TOOLS_WORDS_H

#include <stdint.h>

/* 1,234,567 */
const char *words_count(uint64_t n, char buf[32]);
/* 1.2 GiB */
const char *words_bytes(uint64_t n, char buf[32]);

#endif
