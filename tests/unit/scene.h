/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A machine with something of everything in it, for the tests of the checker: one field after the other is damaged, and the
 * sentence must name it.
 *
 *   S                 P                                   C, forked from P
 *   0x10000 [w s]     0x10000 [w w w .]   anonymous       [0 W 2 .]     page 1 copied by its write
 *                     0x20000 [s s]       swapped out     [r s]         page 0 came back, is in the swap cache
 *                     0x30000 [z .]       read-only       [z .]
 *                     0x40000 [m m]       shared memory   [. .]
 *                     0x50000 [f f f f]   a file, shared  [. . . .]
 *                     0x60000 [w]         anonymous       unmapped there
 *                     0x70000 [. w]       grows down      [. w]
 *                     0x80000 [f . . .]   file, private   [. . . .]
 *                     0x90000 [w]         locked          [w]
 *   0xa0000 [w]       0xa0000 [w]         no rights       [w]
 *   0xb0000 [s .]                         shared memory, in swap
 *   0xc0000 [!]                           gone bad
 *
 * (all 0x1000 times that; w written, s in swap, z the zero page)
 */
#ifndef TESTS_SCENE_H
#define TESTS_SCENE_H

#include "engine.h"

#include "mm/check.h"

#define ANON  0x10000000ull
#define SWAP  0x20000000ull
#define RO    0x30000000ull
#define SHMEM 0x40000000ull
#define FILES 0x50000000ull
#define OWN   0x60000000ull
#define STACK 0x70000000ull
#define CODE  0x80000000ull
#define LOCK  0x90000000ull
#define NONE  0xa0000000ull
#define OUT   0xb0000000ull
#define BAD   0xc0000000ull

struct scene {
	struct engine e;
	struct mm *s, *p, *c;
	struct mm_file *file;
	/* what the last damage changed */
	struct saved {
		void *field;
		size_t size;
		unsigned char before[64];
	} saved[8];
	unsigned int nr_saved;
};

void scene_make(struct scene *x);
void scene_end(struct scene *x);

/* Write value over a field; scene_repair() gives all of them their old ones back. */
void scene_put(struct scene *x, void *field, size_t size, const void *value);
void scene_repair(struct scene *x);

/* Set a field of whatever integer type. */
#define SET(x, field_, value_)                                                                     \
	do {                                                                                       \
		unsigned char bytes[sizeof(field_)];                                               \
		uint64_t v = (uint64_t)(value_);                                                   \
                                                                                                   \
		memcpy(bytes, &v, sizeof(bytes));                                                  \
		scene_put(x, (void *)&(field_), sizeof(field_), bytes);                            \
	} while (0)

/* Take an entry out of its list. */
void scene_unlink(struct scene *x, struct list_head *entry);
/* The page that stands at addr, the VMA, the page of the table that has its entry, the slot that the entry names: must be there. */
struct page *page_at(struct mm *mm, uint64_t addr);
struct vma *vma_of(struct mm *mm, uint64_t addr);
struct page *table_of(struct mm *mm, uint64_t addr);
uint64_t slot_at(struct mm *mm, uint64_t addr);
/* The next to be handed out. */
struct page *free_page(struct scene *x);

struct damage {
	const char *name;
	void (*damage)(struct scene *x);
	const char *sentence; /* part of it */
	bool chain;	      /* under anon_vma_chain */
};

#define DAMAGE(what, sentence)                                                                     \
	{                                                                                          \
#what, what, sentence, false                                                       \
	}
/* Only seen where the design keeps a record of its own that contradicts it. */
#define DAMAGE_CHAIN(what, sentence)                                                               \
	{                                                                                          \
#what, what, sentence, true                                                        \
	}

/* Makes the scene, does one after the other, and fails if the checker does not name each. */
void scene_expect_damages(const struct damage *damages, size_t nr);

#endif
