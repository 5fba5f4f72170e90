// SPDX-License-Identifier: BSD-2-Clause
/*
 * An open hash table from 2 MiB of address space to a leaf of stamps. Leaves are counted and shared between processes; a
 * writer who is not alone copies the leaf first.
 */
#include "shadow.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PAGE_SHIFT    12
#define LEAF_SHIFT    21
#define LEAF_PAGES    512u
#define LEAF_OF(addr) ((addr) >> LEAF_SHIFT)
#define SLOT_OF(addr) (((addr) >> PAGE_SHIFT) & (LEAF_PAGES - 1))

struct leaf {
	uint64_t refs;
	uint64_t used; /* stamps that are not NONE */
	uint64_t stamp[LEAF_PAGES];
};

struct entry {
	uint64_t key; /* LEAF_OF(address) plus one; 0: free */
	struct leaf *leaf;
};

struct shadow {
	struct entry *entries; /* a power of two of them, at most three quarters in use */
	size_t nr, room;
};

/* ---------------------------------------------------------------- the table */

static size_t slot_for(const struct entry *entries, size_t room, uint64_t key)
{
	size_t i = (size_t)((key * 0x9e3779b97f4a7c15u) >> 20) & (room - 1);

	while (entries[i].key && entries[i].key != key)
		i = (i + 1) & (room - 1);
	return i;
}

static struct leaf *find_leaf(const struct shadow *s, uint64_t addr)
{
	return s->room ? s->entries[slot_for(s->entries, s->room, LEAF_OF(addr) + 1)].leaf : NULL;
}

static bool grow(struct shadow *s)
{
	size_t room = s->room ? s->room * 2 : 16;
	struct entry *entries = calloc(room, sizeof(*entries));

	if (!entries)
		return false;
	for (size_t i = 0; i < s->room; i++)
		if (s->entries[i].key)
			entries[slot_for(entries, room, s->entries[i].key)] = s->entries[i];
	free(s->entries);
	s->entries = entries;
	s->room = room;
	return true;
}

static void put_leaf(struct leaf *leaf)
{
	if (leaf && !--leaf->refs)
		free(leaf);
}

/* The leaf for addr, this shadow's alone; made if need be. */
static struct leaf *own_leaf(struct shadow *s, uint64_t addr)
{
	struct entry *entry;
	struct leaf *leaf;

	/* Not for a leaf that is there: those who walk the table while they change stamps rely on it. */
	if (!find_leaf(s, addr) && 4 * (s->nr + 1) > 3 * s->room && !grow(s))
		return NULL;
	entry = &s->entries[slot_for(s->entries, s->room, LEAF_OF(addr) + 1)];
	if (entry->leaf && entry->leaf->refs == 1)
		return entry->leaf;
	leaf = calloc(1, sizeof(*leaf));
	if (!leaf)
		return NULL;
	if (entry->leaf)
		memcpy(leaf, entry->leaf, sizeof(*leaf));
	leaf->refs = 1;
	put_leaf(entry->leaf);
	s->nr += !entry->key;
	entry->key = LEAF_OF(addr) + 1;
	entry->leaf = leaf;
	return leaf;
}

/* Take leaves without stamps out again, so that a long life does not fill the table. */
static void sweep(struct shadow *s)
{
	struct entry *old = s->entries;
	size_t room = s->room;
	size_t empty = 0;

	for (size_t i = 0; i < room; i++)
		empty += old[i].leaf && !old[i].leaf->used;
	if (empty < 64 || empty * 2 < s->nr)
		return;
	s->entries = NULL;
	s->room = 0;
	s->nr = 0;
	for (size_t i = 0; i < room; i++) {
		if (!old[i].leaf)
			continue;
		if (old[i].leaf->used && (4 * (s->nr + 1) <= 3 * s->room || grow(s))) {
			s->entries[slot_for(s->entries, s->room, old[i].key)] = old[i];
			s->nr++;
		} else {
			put_leaf(old[i].leaf);
		}
	}
	free(old);
}

struct shadow *shadow_new(void)
{
	return calloc(1, sizeof(struct shadow));
}

struct shadow *shadow_copy(struct shadow *s)
{
	struct shadow *copy = shadow_new();

	if (!copy || !s->nr)
		return copy;
	copy->entries = malloc(s->room * sizeof(*copy->entries));
	if (!copy->entries) {
		free(copy);
		return NULL;
	}
	memcpy(copy->entries, s->entries, s->room * sizeof(*copy->entries));
	copy->room = s->room;
	copy->nr = s->nr;
	for (size_t i = 0; i < copy->room; i++)
		if (copy->entries[i].leaf)
			copy->entries[i].leaf->refs++;
	return copy;
}

void shadow_free(struct shadow *s)
{
	if (!s)
		return;
	for (size_t i = 0; i < s->room; i++)
		put_leaf(s->entries[i].leaf);
	free(s->entries);
	free(s);
}

/* ---------------------------------------------------------------- stamps */

uint64_t shadow_get(const struct shadow *s, uint64_t addr)
{
	const struct leaf *leaf = find_leaf(s, addr);

	return leaf ? leaf->stamp[SLOT_OF(addr)] : STAMP_NONE;
}

bool shadow_set(struct shadow *s, uint64_t addr, uint64_t stamp)
{
	struct leaf *leaf = find_leaf(s, addr);
	uint64_t *slot;

	if (!leaf && stamp == STAMP_NONE)
		return true;
	if (leaf && leaf->stamp[SLOT_OF(addr)] == stamp)
		return true;
	leaf = own_leaf(s, addr);
	if (!leaf)
		return false;
	slot = &leaf->stamp[SLOT_OF(addr)];
	leaf->used += (stamp != STAMP_NONE);
	leaf->used -= (*slot != STAMP_NONE);
	*slot = stamp;
	return true;
}

struct range {
	struct shadow *shadow;
	uint64_t from, to;
	bool ok;
};

/* The pages of one leaf that are in [start, last]. */
static bool leaf_range(const struct shadow *s, const struct entry *entry, uint64_t start,
		       uint64_t last, bool (*visit)(uint64_t addr, uint64_t stamp, void *arg),
		       void *arg)
{
	uint64_t base = (entry->key - 1) << LEAF_SHIFT;
	struct leaf *leaf = entry->leaf;
	bool go_on = true;

	(void)s;
	/* The visitor may change the map, and with it give this leaf back. */
	leaf->refs++;
	for (uint64_t i = 0; i < LEAF_PAGES && go_on; i++) {
		uint64_t addr = base + (i << PAGE_SHIFT);

		if (leaf->stamp[i] != STAMP_NONE && addr >= start && addr <= last)
			go_on = visit(addr, leaf->stamp[i], arg);
	}
	put_leaf(leaf);
	return go_on;
}

bool shadow_for_each(const struct shadow *s, uint64_t start, uint64_t len,
		     bool (*visit)(uint64_t addr, uint64_t stamp, void *arg), void *arg)
{
	uint64_t last = start + (len - 1);

	if (!len || !s->room)
		return true;
	if (last < start)
		last = UINT64_MAX;
	start &= ~(((uint64_t)1 << PAGE_SHIFT) - 1);
	/* Few leaves in the range: look for each; else go through the table. */
	if (LEAF_OF(last) - LEAF_OF(start) < s->nr) {
		for (uint64_t key = LEAF_OF(start) + 1; key <= LEAF_OF(last) + 1; key++) {
			struct entry entry = s->entries[slot_for(s->entries, s->room, key)];

			if (entry.leaf && !leaf_range(s, &entry, start, last, visit, arg))
				return false;
		}
		return true;
	}
	for (size_t i = 0; i < s->room; i++) {
		struct entry entry = s->entries[i];

		if (entry.leaf && !leaf_range(s, &entry, start, last, visit, arg))
			return false;
	}
	return true;
}

uint64_t shadow_count(const struct shadow *s)
{
	uint64_t n = 0;

	for (size_t i = 0; i < s->room; i++)
		n += s->entries[i].leaf ? s->entries[i].leaf->used : 0;
	return n;
}

static bool clear_one(uint64_t addr, uint64_t stamp, void *arg)
{
	struct range *range = arg;

	(void)stamp;
	range->ok = shadow_set(range->shadow, addr, STAMP_NONE);
	return range->ok;
}

/*
 * Setting stamps that exist never grows the table (its leaf is found), so walking it meanwhile is safe; a shared leaf is
 * copied, while the walk goes on in the old one.
 */
bool shadow_clear(struct shadow *s, uint64_t start, uint64_t len)
{
	struct range range = { .shadow = s, .ok = true };

	shadow_for_each(s, start, len, clear_one, &range);
	sweep(s);
	return range.ok;
}

static bool may_lose_one(uint64_t addr, uint64_t stamp, void *arg)
{
	struct range *range = arg;

	if (stamp & STAMP_WRITTEN)
		range->ok = shadow_set(range->shadow, addr, stamp | STAMP_MAYBE);
	return range->ok;
}

bool shadow_may_lose(struct shadow *s, uint64_t start, uint64_t len)
{
	struct range range = { .shadow = s, .ok = true };

	shadow_for_each(s, start, len, may_lose_one, &range);
	return range.ok;
}

static bool move_one(uint64_t addr, uint64_t stamp, void *arg)
{
	struct range *range = arg;

	range->ok = shadow_set(range->shadow, range->to + (addr - range->from), stamp);
	return range->ok;
}

bool shadow_move(struct shadow *s, uint64_t from, uint64_t to, uint64_t len)
{
	/* The target's leaves enter the table while it is walked: walk a copy, which shares the leaves. */
	struct shadow *copy = shadow_copy(s);
	struct range range = { .shadow = s, .from = from, .to = to, .ok = true };

	if (!copy)
		return false;
	if (shadow_clear(s, from, len) && shadow_clear(s, to, len))
		shadow_for_each(copy, from, len, move_one, &range);
	else
		range.ok = false;
	shadow_free(copy);
	return range.ok;
}

/* ---------------------------------------------------------------- patterns */

#define WORDS  ((1u << PAGE_SHIFT) / sizeof(uint64_t))
#define SPREAD 0x9e3779b97f4a7c15u

/* The first word is the value itself, which a message can name; the others tell pages, and places in a page, apart. */
static uint64_t word(uint64_t value, uint64_t i)
{
	return value ^ (i * SPREAD);
}

void pattern_fill(void *page, uint64_t value)
{
	uint64_t *words = page;

	if (!value) {
		memset(page, 0, 1u << PAGE_SHIFT);
		return;
	}
	for (uint64_t i = 0; i < WORDS; i++)
		words[i] = word(value, i);
}

bool pattern_matches(const void *page, size_t len, uint64_t value)
{
	const unsigned char *bytes = page;
	size_t i;

	for (i = 0; i + sizeof(uint64_t) <= len; i += sizeof(uint64_t)) {
		uint64_t found;

		memcpy(&found, bytes + i, sizeof(found));
		if (found != (value ? word(value, i / sizeof(uint64_t)) : 0))
			return false;
	}
	if (i < len) {
		uint64_t rest = value ? word(value, i / sizeof(uint64_t)) : 0;

		return !memcmp(bytes + i, &rest, len - i);
	}
	return true;
}

const char *pattern_name(const void *page, size_t len, char *buf, size_t size)
{
	uint64_t first = 0;

	memcpy(&first, page, len < sizeof(first) ? len : sizeof(first));
	if (pattern_matches(page, len, 0))
		snprintf(buf, size, "zeros");
	else if (pattern_matches(page, len, first))
		snprintf(buf, size, "value %llu", (unsigned long long)first);
	else
		snprintf(buf, size, "no page that was written here (its first word is 0x%llx)",
			 (unsigned long long)first);
	return buf;
}
