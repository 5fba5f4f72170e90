/* SPDX-License-Identifier: BSD-2-Clause */
/* The engine of tests/engine.h on the test port, whose callbacks fail when told to; and a machine too small for its work. */
#ifndef TESTS_FAULTY_H
#define TESTS_FAULTY_H

#include "engine.h"

#include "test/testport.h"

/* As engine_setup() and engine_teardown(); config's wrap is not used. */
void faulty_setup(struct engine *e, struct testport **tp, const struct engine_config *config);
void faulty_teardown(struct engine *e, struct testport *tp);

/* A file of pages pages, each of whose bytes hosted_pattern_byte(seed, offset) tells; seed 0: zeros. */
struct mm_file *pattern_file(struct engine *e, uint64_t pages, uint64_t seed);
/* An anonymous shared memory file. */
struct mm_file *shmem_file(struct engine *e, uint64_t pages);

/* The first eight bytes at offset of a pattern, as peek() reads them. */
uint64_t pattern_word(uint64_t seed, uint64_t offset);

struct mm_memory memory_of(struct engine *e);

/* Let grace periods pass, so that what was deferred (a VMA's hold on its file) has happened. */
void settle(struct engine *e);

#endif
