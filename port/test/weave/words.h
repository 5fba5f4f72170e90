/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The words that threads touch: who did what to each, and hashes of what happened before what. See weave.h.
 *
 * One open-addressed table by address. What a thread has ever done to a word is kept for a scenario, in two sets: what was known
 * when this pass over the schedules began decides where to switch, so that a schedule means the same throughout the pass; what
 * is learned meanwhile is used in the next one.
 */
#ifndef WEAVE_WORDS_H
#define WEAVE_WORDS_H

#include "weave.h"

struct word {
	uintptr_t address;    /* 0: free */
	uint64_t run;	      /* the hashes below are of this execution */
	uint64_t wrote;	      /* the latest write */
	uint64_t added, read; /* sums of what came since */
	uint8_t known[3];     /* threads by enum weave_kind */
	uint8_t seen[3];
};

static inline uint64_t word_mix(uint64_t a, uint64_t b)
{
	uint64_t h = (a ^ (b + 0x9e3779b97f4a7c15u)) * 0xbf58476d1ce4e5b9u;

	h ^= h >> 29;
	h *= 0x94d049bb133111ebu;
	return h ^ h >> 32;
}

/* An execution begins. */
void words_begin(void);

/* Where it stands, and back there, within one execution: the hashes are as they were, what threads have ever done stays known. */
size_t words_mark(void);
void words_back(size_t mark);

/* The thread does that now; before: the hash of what it did so far. Returns the new one. */
uint64_t word_note(const volatile void *object, int thread, enum weave_kind kind, uint64_t before);

/* What word_note() would return, and nothing else happens. */
uint64_t word_after(const volatile void *object, enum weave_kind kind, uint64_t before);

/* Did another thread ever do something to it that does not commute with this? As known at the beginning of the pass. */
bool word_is_shared(const volatile void *object, int thread, enum weave_kind kind);

#endif
