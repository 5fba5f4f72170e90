/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The shadow: what each page must hold, in eight bytes instead of 4,096.
 *
 * The runner only ever fills whole pages, with a pattern that one number makes. So a page's contents are that number, its
 * *stamp*, and a process's contents are a map from page to stamp. The map has leaves of 512 pages that are shared until
 * somebody changes one: a fork copies a pointer for each 2 MiB and nothing else, as the real thing copies no page.
 *
 * A page that was never written has no stamp: it shows its file, or zeros.
 */
#ifndef RMAP_TOOL_SHADOW_H
#define RMAP_TOOL_SHADOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define STAMP_NONE    ((uint64_t)0)
#define STAMP_UNKNOWN ((uint64_t)1)	  /* written by somebody else: any contents are right */
#define STAMP_WRITTEN ((uint64_t)1 << 63) /* the lower bits are the value */
#define STAMP_MAYBE                                                                                \
	((uint64_t)1 << 62) /* with WRITTEN: may have become as never written (MADV_FREE) */
#define STAMP_VALUE (STAMP_MAYBE - 1)

struct shadow;

/* An empty one, NULL: no memory. */
struct shadow *shadow_new(void);
/* What a fork gives the child. */
struct shadow *shadow_copy(struct shadow *shadow);
void shadow_free(struct shadow *shadow);

/* Addresses are in bytes; the page is meant. */
uint64_t shadow_get(const struct shadow *shadow, uint64_t addr);
/* False: no memory, nothing changed. */
bool shadow_set(struct shadow *shadow, uint64_t addr, uint64_t stamp);
/* No stamp in [start, start + len) any more. */
bool shadow_clear(struct shadow *shadow, uint64_t start, uint64_t len);
/* MADV_FREE: what is written may be lost. */
bool shadow_may_lose(struct shadow *shadow, uint64_t start, uint64_t len);
/* mremap: stamps go from [from, from + len) to the same distance behind to; the ranges do not overlap. */
bool shadow_move(struct shadow *shadow, uint64_t from, uint64_t to, uint64_t len);

/* Visit stamps in [start, start + len), in no order; false stops. Returns false if stopped. */
bool shadow_for_each(const struct shadow *shadow, uint64_t start, uint64_t len,
		     bool (*visit)(uint64_t addr, uint64_t stamp, void *arg), void *arg);
uint64_t shadow_count(const struct shadow *shadow);

/* The pattern of a value; 0 is a page of zeros. */
void pattern_fill(void *page, uint64_t value);
/* Do the first len bytes look so? */
bool pattern_matches(const void *page, size_t len, uint64_t value);
/* For messages: "value 7", "zeros", "a page of no pattern (its first word is 0x…)". Into buf, which is returned. */
const char *pattern_name(const void *page, size_t len, char *buf, size_t size);

#endif
