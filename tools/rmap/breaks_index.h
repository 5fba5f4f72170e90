/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * From a hash to places in an array that the caller keeps: what is seen a million times (a stack, a name, a process) is kept once and
 * named by its number. Nothing is ever removed. Open addressing, at most half full, so a look-up costs one or two cache lines.
 */
#ifndef RMAP_TOOLS_BREAKS_INDEX_H
#define RMAP_TOOLS_BREAKS_INDEX_H

#include <stddef.h>
#include <stdint.h>

#define BREAKS_NONE UINT32_MAX

/* All zero is an empty one. */
struct breaks_index {
	struct breaks_slot {
		uint64_t hash;
		uint32_t place; /* plus one; 0: empty */
	} * slots;
	size_t cap, nr;
};

/*
 * The next place that was put under @hash, or BREAKS_NONE; *cursor is 0 at first. Whether it is the right one the caller sees by
 * looking there.
 */
uint32_t breaks_index_next(const struct breaks_index *index, uint64_t hash, size_t *cursor);
/* 0, or -1 without memory */
int breaks_index_put(struct breaks_index *index, uint64_t hash, uint32_t place);
void breaks_index_free(struct breaks_index *index);

/* A number's hash that no other number has. */
uint64_t breaks_hash(uint64_t n);

/* @array of *@cap elements with room for one more than @nr; NULL without memory, and @array stands. */
void *breaks_grow(void *array, size_t nr, size_t *cap, size_t size);

#endif
