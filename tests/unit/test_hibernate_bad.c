// SPDX-License-Identifier: BSD-2-Clause
/* An image that is cut, altered or forged resumes nothing; whoever cannot write one, or has no memory for it, goes on as before. */
#include "failed.h"
#include "two_machines.h"

#include <stdlib.h>

#include "mm/image.h"
#include "mm/mm_types.h"

/* ---------------------------------------------------------------- bad images */

/* Cut behind each write, and a byte before and behind that. */
static void cut_at_writes(uint64_t len)
{
	for (unsigned int i = 0; i < nr_writes; i++) {
		for (int off = -1; off <= 1; off++) {
			image.len = write_end[i] + (uint64_t)(int64_t)off;
			if (image.len >= len)
				continue;
			assert_int_equal(try_resume(), RMAP_EBADMSG);
			assert_empty();
		}
	}
	image.len = len;
}

/* Cut anywhere, or with any byte altered: RMAP_EBADMSG, and nothing stays. */
static void cut_or_altered(void **state)
{
	struct mm *mm[2];
	uint64_t len;

	(void)state;
	make_an_image(mm);
	next_machine(mm, 2, 2048, 1024);
	len = image.len;
	for (uint64_t cut = 0; cut < len; cut += cut < 2000 ? 1 : 97) {
		image.len = cut;
		assert_int_equal(try_resume(), RMAP_EBADMSG);
		if (cut % 64 == 0)
			assert_empty();
	}
	cut_at_writes(len);
	for (uint64_t at = 0; at < len; at += at < 2000 ? 1 : 61) {
		image.data[at] ^= (unsigned char)(1u << at % 8);
		assert_int_equal(try_resume(), RMAP_EBADMSG);
		image.data[at] ^= (unsigned char)(1u << at % 8);
		if (at % 64 == 0)
			assert_empty();
	}
	assert_empty();
	assert_int_equal(STEP(&e, try_resume()), 0);
}

/*
 * Rewrite the image with one 32-bit word of one chunk's payload replaced; checksums are computed anew. False: there is no such
 * word.
 */
static bool forge(const struct image_memory *original, uint64_t word, uint32_t value)
{
	struct image_memory copy = *original;
	const struct mm_stream from = IMAGE_MEMORY_STREAM(&copy);
	struct image in, out;
	uint64_t seen = 0;
	bool done = false;

	copy.pos = 0;
	image.len = 0;
	assert_int_equal(image_open(e.sys, &in, &from), 0);
	assert_int_equal(image_open(e.sys, &out, &stream), 0);
	while (copy.pos < copy.len && image_next(&in) == 0) {
		image_begin(&out, (enum image_type)in.type);
		while (image_left(&in) >= 4) {
			uint32_t v = image_get32(&in);

			if (seen++ == word) {
				v = value;
				done = true;
			}
			image_put32(&out, v);
		}
		assert_int_equal(image_left(&in), 0);
		image_end(&out);
	}
	image_close(e.sys, &in);
	image_close(e.sys, &out);
	return done;
}

static struct mm *forged_mms[MMS];
static unsigned int nr_forged;

static void resume_forged(void *arg, uint64_t id, struct mm *mm)
{
	(void)arg;
	(void)id;
	forged_mms[nr_forged++] = mm;
}

/* Any number may be anything: an error or a machine that holds together, never a crash. */
static void forged(void **state)
{
	static const uint32_t values[] = { 0,	   1,	       2,	    0xfff,
					   0x1000, 0x7fffffff, 0x80000000u, UINT32_MAX };
	const struct mm_resume any_mm = { .file = resume_file, .mm = resume_forged };
	struct image_memory original;
	struct mm *mm[2];

	(void)state;
	make_an_image(mm);
	next_machine(mm, 2, 2048, 1024);
	original = image;
	image = (struct image_memory){ 0 };
	for (uint64_t word = 0;; word++) {
		bool any = false;

		for (unsigned int i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
			any = forge(&original, word, values[i]);
			if (!any)
				break;
			image.pos = 0;
			nr_forged = 0;
			/* Contents, a limit, a figure: it may be so. */
			(void)STEP(&e, mm_resume_image(e.sys, &stream, &any_mm));
			while (nr_forged)
				mm_put(forged_mms[--nr_forged]);
			settle(&e);
		}
		if (!any)
			break;
		/* Contents are a thousand words each: a few will do. */
		if (word > 400)
			word += 150;
	}
	assert_empty();
	free(original.data);
}

/* ---------------------------------------------------------------- failures on the way */

/* Each write fails in turn: the machine that wanted to sleep goes on. */
static void stream_full(void **state)
{
	struct mm *mm[2];
	unsigned int writes;
	static const uint64_t ids[2] = { 100, 101 };

	(void)state;
	make_an_image(mm);
	writes = nr_writes;
	assert_true(writes > 4);
	for (unsigned int i = 0; i < writes; i++) {
		image.len = 0;
		full_at = write_end[i] - 1;
		assert_int_equal(STEP(&e, mm_hibernate(e.sys, mm, ids, 2, &stream)), RMAP_ENOSPC);
	}
	image.len = full_at = 0;
	assert_int_equal(STEP(&e, mm_hibernate(e.sys, mm, ids, 2, &stream)), 0);
	assert_int_equal(nr_writes, writes);
	mm_put(mm[0]);
	mm_put(mm[1]);
}

static void no_memory(void **state)
{
	struct mm *mm[2];

	(void)state;
	make_an_image(mm);
	assert_true(fail_each_allocation(mm, 2) > 10);
}

/* A slot that cannot be read, a file that cannot be written: no image, and nothing lost. */
static void io_errors(void **state)
{
	static const uint64_t ids[1] = { 100 };
	struct mm *mm = engine_mm(&e);
	uint64_t a = map_anon(&e, mm, 0, 2), f;

	(void)state;
	kept_file = pattern_file(&e, 1, 3);
	f = map_with(&e, mm, 0, 1, RW, MM_MAP_SHARED, kept_file, 0);
	poke(&e, mm, a, 1);
	poke(&e, mm, f, 2);
	testport_fail(tp, TESTPORT_FILE_WRITE, 1, TESTPORT_ONCE);
	assert_int_equal(STEP(&e, mm_hibernate(e.sys, &mm, ids, 1, &stream)), RMAP_EIO);
	testport_fail(tp, TESTPORT_SWAP_READ, 1, TESTPORT_ONCE);
	assert_int_equal(STEP(&e, mm_hibernate(e.sys, &mm, ids, 1, &stream)), RMAP_EIO);
	testport_fail_none(tp);
	assert_int_equal(peek(&e, mm, a), 1);
	assert_int_equal(peek(&e, mm, f), 2);
	mm_put(mm);
	mm_file_put(kept_file);
	kept_file = NULL;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(cut_or_altered, setup, teardown),
		cmocka_unit_test_setup_teardown(forged, setup, teardown),
		cmocka_unit_test_setup_teardown(stream_full, setup, teardown),
		cmocka_unit_test_setup_teardown(no_memory, setup, teardown),
		cmocka_unit_test_setup_teardown(io_errors, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
