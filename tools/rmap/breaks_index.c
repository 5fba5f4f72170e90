// SPDX-License-Identifier: BSD-2-Clause
/* From a hash to places in an array; see the header. */
#include "breaks_index.h"

#include <stdlib.h>

uint64_t breaks_hash(uint64_t n)
{
	n = (n ^ (n >> 30)) * 0xbf58476d1ce4e5b9u;
	n = (n ^ (n >> 27)) * 0x94d049bb133111ebu;
	return n ^ (n >> 31);
}

uint32_t breaks_index_next(const struct breaks_index *index, uint64_t hash, size_t *cursor)
{
	while (*cursor < index->cap) {
		const struct breaks_slot *s = &index->slots[(hash + *cursor) & (index->cap - 1)];

		(*cursor)++;
		if (!s->place)
			break;
		if (s->hash == hash)
			return s->place - 1;
	}
	return BREAKS_NONE;
}

static void insert(struct breaks_slot *slots, size_t cap, struct breaks_slot slot)
{
	size_t at = slot.hash & (cap - 1);

	while (slots[at].place)
		at = (at + 1) & (cap - 1);
	slots[at] = slot;
}

int breaks_index_put(struct breaks_index *index, uint64_t hash, uint32_t place)
{
	if (2 * (index->nr + 1) > index->cap) {
		size_t cap = index->cap ? 2 * index->cap : 64;
		struct breaks_slot *slots = calloc(cap, sizeof(*slots));

		if (!slots)
			return -1;
		for (size_t i = 0; i < index->cap; i++)
			if (index->slots[i].place)
				insert(slots, cap, index->slots[i]);
		free(index->slots);
		index->slots = slots;
		index->cap = cap;
	}
	insert(index->slots, index->cap, (struct breaks_slot){ hash, place + 1 });
	index->nr++;
	return 0;
}

void breaks_index_free(struct breaks_index *index)
{
	free(index->slots);
	*index = (struct breaks_index){ 0 };
}

void *breaks_grow(void *array, size_t nr, size_t *cap, size_t size)
{
	size_t more = *cap ? 2 * *cap : 16;
	void *bigger;

	if (nr < *cap)
		return array;
	bigger = reallocarray(array, more, size);
	if (bigger)
		*cap = more;
	return bigger;
}
