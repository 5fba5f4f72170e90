// SPDX-License-Identifier: BSD-2-Clause
/*
 * lineage: the blocks of a sieve (see lineage_settle.c for what it is for). They are of the size of a list's; the first holds what
 * there is to know and the bits of the youngest children, the others the bits of the older ones. The bit of a birth is how far it is
 * from the youngest, modulo the number of bits.
 */
#include "lineage.h"
#include "count.h"

struct co_owners *lineage_sieve_alloc(struct rmap *rmap, uint32_t bits)
{
	struct co_owners *first = NULL, **link = &first;
	uint32_t room = 0;

	while (room < bits) {
		struct co_owners *set = rmap_object_alloc(rmap, RMAP_KIND_CO_OWNERS, sizeof(*set));

		if (!set) {
			if (first)
				lineage_sieve_drop(rmap, first);
			return NULL;
		}
		memset(set, 0, sizeof(*set));
		set->rmap = rmap;
		atomic_init(&set->refs, 1);
		room += first ? SIEVE_MORE * 64 : SIEVE_FIRST * 64;
		*link = set;
		link = &set->more;
	}
	first->sieve.bits = bits;
	return first;
}

void lineage_sieve_drop(struct rmap *rmap, struct co_owners *set)
{
	if (set->sieve.top)
		lineage_put(rmap, set->sieve.top);
	while (set) {
		struct co_owners *more = set->more;

		rmap_object_free(rmap, RMAP_KIND_CO_OWNERS, set, sizeof(*set));
		set = more;
	}
}

uint64_t *lineage_sieve_word(struct lineage_cursor *c, uint32_t bit)
{
	if (!c->block || bit < c->first) {
		c->block = c->set;
		c->first = 0;
	}
	for (;;) {
		bool first = c->block == c->set;
		uint32_t here = first ? SIEVE_FIRST * 64 : SIEVE_MORE * 64;

		if (bit - c->first < here)
			return &(first ? c->block->sieve.word
				       : c->block->word)[(bit - c->first) / 64];
		c->first += here;
		c->block = c->block->more;
	}
}

bool lineage_sieve_passes(struct lineage_cursor *c, uint32_t birth)
{
	const struct co_owners *set = c->set;
	uint32_t bit;

	/* Clocks that are at their end tell nothing. */
	if (birth > set->sieve.upto)
		return set->sieve.own || set->sieve.upto == LINEAGE_STAMP_MAX;
	bit = lineage_sieve_bit(set, birth);
	return *lineage_sieve_word(c, bit) >> bit % 64 & 1;
}
