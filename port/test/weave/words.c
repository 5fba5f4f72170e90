// SPDX-License-Identifier: BSD-2-Clause
/*
 * The table of words. See words.h.
 */
#include "words.h"

#include <stdlib.h>
#include <string.h>

#define TABLE_SIZE 32768u /* a power of two; far more than the words of a small world */

/* What a word's hashes were before an operation. */
struct undo {
	struct word *word;
	uint64_t run, wrote, added, read;
};

static struct {
	struct undo *undo; /* of this execution, latest last */
	size_t nr_undo, undo_room;
	struct word word[TABLE_SIZE];
	struct word *latest; /* that was asked for */
	uint32_t used[TABLE_SIZE];
	uint32_t nr_used;
	uint64_t run;
} table;

/* One operation asks several times in a row; and words that are neighbours are neighbours here. */
static struct word *word_at(const volatile void *object)
{
	uintptr_t address = (uintptr_t)object;
	uint32_t i = (uint32_t)(address >> 3 ^ address >> 18) & (TABLE_SIZE - 1);

	if (table.latest && table.latest->address == address)
		return table.latest;
	while (table.word[i].address != address) {
		if (!table.word[i].address) {
			if (table.nr_used > TABLE_SIZE / 2)
				weave_fail("more words than the table holds");
			table.word[i].address = address;
			table.used[table.nr_used++] = i;
			break;
		}
		i = (i + 1) & (TABLE_SIZE - 1);
	}
	table.latest = &table.word[i];
	return table.latest;
}

void words_begin(void)
{
	table.run++;
	table.nr_undo = 0;
}

size_t words_mark(void)
{
	return table.nr_undo;
}

void words_back(size_t mark)
{
	while (table.nr_undo > mark) {
		const struct undo *u = &table.undo[--table.nr_undo];

		u->word->run = u->run;
		u->word->wrote = u->wrote;
		u->word->added = u->added;
		u->word->read = u->read;
	}
}

static void remember(struct word *word)
{
	if (table.nr_undo == table.undo_room) {
		table.undo_room = table.undo_room ? 2 * table.undo_room : 4096;
		table.undo = realloc(table.undo, table.undo_room * sizeof(*table.undo));
		if (!table.undo)
			abort();
	}
	table.undo[table.nr_undo++] =
		(struct undo){ word, word->run, word->wrote, word->added, word->read };
}

/* The linker's: where the program begins. */
extern const char __executable_start;

/* A name for a hash, the same in every process: the program's own variables lie elsewhere in each. */
static uint64_t name_of(const volatile void *object)
{
	uintptr_t offset = (uintptr_t)object - (uintptr_t)&__executable_start;

	return offset < (uintptr_t)1 << 30 ? offset : (uintptr_t)object;
}

uint64_t word_after(const volatile void *object, enum weave_kind kind, uint64_t before)
{
	struct word *word = word_at(object);
	uint64_t dependent;

	if (word->run != table.run) {
		word->run = table.run;
		word->wrote = word->added = word->read = 0;
	}
	dependent = word->wrote;
	if (kind != WEAVE_READ)
		dependent = word_mix(dependent, word->read);
	if (kind != WEAVE_ADD)
		dependent = word_mix(dependent, word->added);
	return word_mix(word_mix(before, name_of(object) * 4 + (uint64_t)kind), dependent);
}

uint64_t word_note(const volatile void *object, int thread, enum weave_kind kind, uint64_t before)
{
	struct word *word = word_at(object);
	uint64_t after;

	word->seen[kind] |= (uint8_t)(1u << thread);
	remember(word);
	after = word_after(object, kind, before);
	if (kind == WEAVE_READ) {
		word->read += after;
	} else if (kind == WEAVE_ADD) {
		word->added += after;
	} else {
		word->wrote = after;
		word->added = word->read = 0;
	}
	return after;
}

static bool conflicts(const uint8_t *did, int thread, enum weave_kind kind)
{
	uint32_t others = did[WEAVE_WRITE];

	if (kind != WEAVE_READ)
		others |= did[WEAVE_READ];
	if (kind != WEAVE_ADD)
		others |= did[WEAVE_ADD];
	return others & ~(1u << thread);
}

bool word_is_shared(const volatile void *object, int thread, enum weave_kind kind)
{
	return conflicts(word_at(object)->known, thread, kind);
}

void weave_words_forget(void)
{
	uint32_t i;

	for (i = 0; i < table.nr_used; i++)
		memset(&table.word[table.used[i]], 0, sizeof(struct word));
	table.nr_used = 0;
	table.latest = NULL;
}

bool weave_words_learn(void)
{
	bool more = false;
	uint32_t i;

	for (i = 0; i < table.nr_used; i++) {
		struct word *word = &table.word[table.used[i]];
		int kind, thread;

		for (kind = WEAVE_READ; kind <= WEAVE_WRITE; kind++) {
			for (thread = 0; thread <= WEAVE_RCU; thread++) {
				if ((word->seen[kind] >> thread & 1) &&
				    conflicts(word->seen, thread, (enum weave_kind)kind) &&
				    !conflicts(word->known, thread, (enum weave_kind)kind))
					more = true;
			}
		}
		memcpy(word->known, word->seen, sizeof(word->known));
	}
	return more;
}
