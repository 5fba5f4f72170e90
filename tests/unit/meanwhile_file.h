/* SPDX-License-Identifier: BSD-2-Clause */
/* meanwhile.h's machine with a file of four pages, none of them in memory, and what others do to that. To be included last, too. */
#ifndef TESTS_MEANWHILE_FILE_H
#define TESTS_MEANWHILE_FILE_H

#include "faulty.h"

#include "mm/file.h"

#include "meanwhile.h"

#define SEED	5
#define WAITERS 0x40000000u /* somebody waits for a sleeping lock, whichever header it is from */

static struct mm_file *file; /* until a test lets go of it */

static inline int set_up_file(void **state)
{
	(void)state;
	meanwhile_begins(NULL);
	file = pattern_file(&e, 4, SEED);
	return 0;
}

static inline int tear_down_file(void **state)
{
	if (file && !test_has_failed())
		mm_file_put(file);
	return meanwhile_ends(state);
}

/* Its pages f0, f1, ..., as peek() reads them. */
static inline uint64_t word_of(uint64_t page)
{
	return pattern_word(SEED, page * PAGE);
}

/* |f0 f1| at BASE */
static inline void map_file(uint32_t flags)
{
	map_with(&e, mm, BASE, 2, RW, flags, file, 0);
}

/* Nobody but who waits for one of its pages has the file behind that. */
static inline int forgets(void)
{
	int error = unmaps_all();
	struct mm_file *last = file;

	file = NULL;
	mm_file_put(last);
	return error;
}

/* f0 stays. */
static inline int truncates(void)
{
	return PATIENT(mm_file_truncate(file, PAGE));
}

/* For the file's invalidate lock; and any reader, as far as the header of locks lets him say so. */
static inline bool writer_waits(void)
{
	return atomic_load(&file->invalidate_lock.word) & WAITERS;
}

#endif
