// SPDX-License-Identifier: BSD-2-Clause
/*
 * Sequences made by chance: whole ones from a seed, and edits of others by records, which is what a mutator of bytes would hardly ever
 * hit upon: an operation done twice, left out, done by another process, moved, with one other argument.
 */
#include "fuzz_ops.h"

#include <string.h>

struct chance {
	uint64_t state;
};

static uint64_t next(struct chance *c)
{
	uint64_t z = c->state += 0x9e3779b97f4a7c15u;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return z ^ z >> 31;
}

static uint32_t below(struct chance *c, uint32_t n)
{
	return (uint32_t)((next(c) >> 16) % n);
}

/* ---------------------------------------------------------------- whole ones */

#define KINDS_MOST 64u

struct mood {
	uint32_t weight[KINDS_MOST], sum;
};

/* Some kinds are left out for a while, some come often: who does a bit of everything gets deep into nothing. */
static void change_mood(struct chance *c, struct mood *mood)
{
	static const uint32_t factors[] = { 0, 2, 2, 2, 2, 6 };

	mood->sum = 0;
	for (uint32_t i = 0; i < ops_kinds() && i < KINDS_MOST; i++) {
		uint32_t factor = factors[below(c, 6)];

		/* The first is mmap: without it nothing happens. */
		mood->weight[i] = ops_kind_weight(i) * (i || factor ? factor : 1);
		mood->sum += mood->weight[i];
	}
}

static uint8_t draw_kind(struct chance *c, const struct mood *mood)
{
	uint32_t at = below(c, mood->sum), kind = 0;

	while (at >= mood->weight[kind])
		at -= mood->weight[kind++];
	return (uint8_t)kind;
}

static void fill(struct chance *c, uint8_t *to, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		to[i] = (uint8_t)(next(c) >> 24);
}

size_t ops_random(uint64_t seed, uint32_t records, uint8_t *data)
{
	struct chance c = { seed * 0x2545f4914f6cdd1du };
	struct mood mood = { .sum = 0 };
	uint32_t changes = 0;

	fill(&c, data, OPS_HEAD);
	for (uint32_t i = 0; i < records; i++) {
		uint8_t *record = data + OPS_HEAD + i * OPS_RECORD;

		if (i == changes) {
			change_mood(&c, &mood);
			changes = i + 60 + below(&c, 240);
		}
		fill(&c, record, OPS_RECORD);
		record[0] = draw_kind(&c, &mood);
	}
	return OPS_HEAD + records * OPS_RECORD;
}

/* ---------------------------------------------------------------- edits */

static size_t records_of(size_t size)
{
	return size < OPS_HEAD ? 0 : (size - OPS_HEAD) / OPS_RECORD;
}

static uint8_t *record_at(uint8_t *data, size_t i)
{
	return data + OPS_HEAD + i * OPS_RECORD;
}

/* Room for n records before the i-th; what stood there goes on. False: it would not fit. */
static bool make_room(uint8_t *data, size_t *nr, size_t most, size_t i, size_t n)
{
	if (*nr + n > most)
		return false;
	memmove(record_at(data, i + n), record_at(data, i), (*nr - i) * OPS_RECORD);
	*nr += n;
	return true;
}

static void insert_new(struct chance *c, uint8_t *data, size_t *nr, size_t most)
{
	size_t i = below(c, (uint32_t)*nr + 1);

	if (!make_room(data, nr, most, i, 1))
		return;
	fill(c, record_at(data, i), OPS_RECORD);
	record_at(data, i)[0] = (uint8_t)below(c, ops_kinds());
}

/* A few records once more, somewhere. */
static void repeat(struct chance *c, uint8_t *data, size_t *nr, size_t most)
{
	size_t n = 1 + below(c, 6), from = below(c, (uint32_t)*nr), to;
	uint8_t some[6 * OPS_RECORD];

	if (n > *nr - from)
		n = *nr - from;
	memcpy(some, record_at(data, from), n * OPS_RECORD);
	to = below(c, (uint32_t)*nr + 1);
	if (make_room(data, nr, most, to, n))
		memcpy(record_at(data, to), some, n * OPS_RECORD);
}

static void take_out(struct chance *c, uint8_t *data, size_t *nr)
{
	size_t from = below(c, (uint32_t)*nr), n = 1 + below(c, below(c, 4) ? 3 : 32);

	if (n > *nr - from)
		n = *nr - from;
	memmove(record_at(data, from), record_at(data, from + n), (*nr - from - n) * OPS_RECORD);
	*nr -= n;
}

static void exchange(struct chance *c, uint8_t *data, size_t nr)
{
	uint8_t *a = record_at(data, below(c, (uint32_t)nr));
	uint8_t *b = record_at(data, below(c, (uint32_t)nr)), keep[OPS_RECORD];

	memcpy(keep, a, OPS_RECORD);
	memcpy(a, b, OPS_RECORD);
	memcpy(b, keep, OPS_RECORD);
}

static void edit(struct chance *c, uint8_t *data, size_t *nr, size_t most)
{
	uint32_t what = *nr ? below(c, 12) : 0;
	uint8_t *record = *nr ? record_at(data, below(c, (uint32_t)*nr)) : NULL;

	switch (what) {
	case 0:
	case 1:
	case 2:
		insert_new(c, data, nr, most);
		break;
	case 3:
		repeat(c, data, nr, most);
		break;
	case 4:
		take_out(c, data, nr);
		break;
	case 5:
		exchange(c, data, *nr);
		break;
	case 6: /* another kind with the same aim */
		record[0] = (uint8_t)below(c, ops_kinds());
		break;
	case 7: /* by another process */
		record[1] = (uint8_t)below(c, 8);
		break;
	case 8: /* another machine */
		data[below(c, OPS_HEAD)] = (uint8_t)next(c);
		break;
	default: /* one other argument */
		record[2 + below(c, OPS_RECORD - 2)] = (uint8_t)next(c);
		break;
	}
}

size_t ops_mutate(uint8_t *data, size_t size, size_t max, unsigned int seed)
{
	struct chance c = { seed };
	size_t nr = records_of(size), most = records_of(max < OPS_BYTES ? max : OPS_BYTES);

	if (max < OPS_HEAD)
		return size;
	if (size < OPS_HEAD)
		fill(&c, data, OPS_HEAD);
	if (nr > most)
		nr = most;
	for (uint32_t n = 1 + below(&c, 4); n; n--)
		edit(&c, data, &nr, most);
	return OPS_HEAD + nr * OPS_RECORD;
}

size_t ops_cross(const uint8_t *a, size_t a_size, const uint8_t *b, size_t b_size, uint8_t *out,
		 size_t max, unsigned int seed)
{
	struct chance c = { seed };
	size_t nr_a = records_of(a_size), nr_b = records_of(b_size), n = 0;
	size_t most = records_of(max < OPS_BYTES ? max : OPS_BYTES);
	size_t head, tail;

	if (max < OPS_HEAD || a_size < OPS_HEAD || b_size < OPS_HEAD)
		return 0;
	memcpy(out, a, OPS_HEAD);
	/* The beginning of one, the end of the other. */
	head = below(&c, (uint32_t)nr_a + 1);
	tail = below(&c, (uint32_t)nr_b + 1);
	for (size_t i = 0; i < head && n < most; i++)
		memcpy(record_at(out, n++), a + OPS_HEAD + i * OPS_RECORD, OPS_RECORD);
	for (size_t i = tail; i < nr_b && n < most; i++)
		memcpy(record_at(out, n++), b + OPS_HEAD + i * OPS_RECORD, OPS_RECORD);
	return OPS_HEAD + n * OPS_RECORD;
}
