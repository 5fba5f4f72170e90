// SPDX-License-Identifier: BSD-2-Clause
#include "two_machines.h"

#include "failed.h"

#include <stdlib.h>
#include <string.h>

struct engine e;
struct testport *tp;

uint64_t write_end[WRITES];
unsigned int nr_writes;

struct image_memory image;
uint64_t full_at; /* writes beyond this length fail; 0: none do */

static int image_write(void *ctx, const void *data, uint64_t len)
{
	int error;

	if (full_at && image.len + len > full_at)
		return RMAP_ENOSPC;
	nr_writes = image.len ? nr_writes : 0;
	error = image_memory_write(ctx, data, len);
	if (!error && nr_writes < WRITES)
		write_end[nr_writes++] = image.len;
	return error;
}

const struct mm_stream stream = { .ctx = &image, .write = image_write, .read = image_memory_read };

struct mm *resumed[MMS];
struct mm_file *kept_file; /* of the first machine, mapped by its processes */
uint64_t file_seed;
const char *next_design; /* of the next machine; NULL: as the first */

static void start(uint64_t frames, uint64_t slots, bool phantom)
{
	struct engine_config config = {
		.machine = { .nr_frames = frames, .nr_swap_slots = slots },
		.mm = { .phantom = phantom, .overcommit = MM_OVERCOMMIT_ALWAYS },
	};

	if (next_design)
		config.mm.design = rmap_design_by_name(next_design);
	next_design = NULL;

	faulty_setup(&e, &tp, &config);
	memset(resumed, 0, sizeof(resumed));
}

int setup(void **state)
{
	(void)state;
	image = (struct image_memory){ 0 };
	kept_file = NULL;
	start(2048, 1024, false);
	return 0;
}

int setup_phantom(void **state)
{
	(void)state;
	image = (struct image_memory){ 0 };
	kept_file = NULL;
	start(2048, 1024, true);
	return 0;
}

int teardown(void **state)
{
	(void)state;
	if (test_has_failed())
		return 0;
	for (int i = 0; i < MMS; i++)
		if (resumed[i])
			mm_put(resumed[i]);
	settle(&e);
	faulty_teardown(&e, tp);
	free(image.data);
	return 0;
}

int resume_file(void *arg, uint64_t id, uint64_t size, void **handle)
{
	struct hosted_file *file;

	(void)arg;
	(void)id;
	if (hosted_file_temp(e.h, size, file_seed, &file))
		return RMAP_ENOMEM;
	*handle = file;
	return 0;
}

static void resume_mm(void *arg, uint64_t id, struct mm *mm)
{
	(void)arg;
	assert_in_range(id, 100, 100 + MMS - 1);
	resumed[id - 100] = mm;
}

const struct mm_resume resume = { .file = resume_file, .mm = resume_mm };

int try_resume(void)
{
	image.pos = 0;
	return mm_resume_image(e.sys, &stream, &resume);
}

void hibernate(struct mm **mms, uint32_t nr)
{
	static const uint64_t ids[MMS] = { 100, 101, 102, 103, 104, 105, 106, 107 };

	image.len = 0;
	assert_int_equal(STEP(&e, mm_hibernate(e.sys, mms, ids, nr, &stream)), 0);
}

void next_machine(struct mm **mms, uint32_t nr, uint64_t frames, uint64_t slots)
{
	bool phantom = mm_system_phantom(e.sys);

	for (uint32_t i = 0; i < nr; i++)
		mm_put(mms[i]);
	if (kept_file)
		mm_file_put(kept_file);
	kept_file = NULL;
	settle(&e);
	faulty_teardown(&e, tp);
	start(frames, slots, phantom);
}

/* Out, and back on a machine of the same size; mms are the resumed ones afterwards. */
void through_an_image(struct mm **mms, uint32_t nr)
{
	hibernate(mms, nr);
	next_machine(mms, nr, 2048, 1024);
	assert_int_equal(STEP(&e, try_resume()), 0);
	for (uint32_t i = 0; i < nr; i++) {
		mms[i] = resumed[i];
		assert_non_null(mms[i]);
	}
}

void assert_empty(void)
{
	engine_check(&e);
	assert_int_equal(memory_of(&e).anon + memory_of(&e).shmem + memory_of(&e).file, 0);
	assert_int_equal(memory_of(&e).swap_used, 0);
	assert_int_equal(memory_of(&e).committed, 0);
	for (int kind = RMAP_KIND_MM; kind < RMAP_KINDS; kind++)
		if (kind != RMAP_KIND_SYSTEM)
			assert_int_equal(objects_of(&e, (enum rmap_kind)kind), 0);
}

void make_an_image(struct mm **mm)
{
	uint64_t a, m;

	mm[0] = engine_mm(&e);
	a = map_anon(&e, mm[0], 0, 3);
	m = map_with(&e, mm[0], 0, 1, RW, MM_MAP_SHARED | MM_MAP_ANONYMOUS, NULL, 0);
	poke(&e, mm[0], a, 1);
	poke(&e, mm[0], a + PAGE, 2);
	poke(&e, mm[0], m, 3);
	mm[1] = engine_fork(&e, mm[0]);
	poke(&e, mm[1], a, 4);
	hibernate(mm, 2);
}

/* Every allocation fails in turn, here and there. => how often it did there */
uint64_t fail_each_allocation(struct mm **mm, uint32_t nr)
{
	static const uint64_t ids[MMS] = { 100, 101, 102, 103 };
	uint64_t failed, n;
	int error;

	for (n = 1;; n++) {
		image.len = 0;
		testport_fail(tp, TESTPORT_ALLOC, n, TESTPORT_ONCE);
		error = mm_hibernate(e.sys, mm, ids, nr, &stream);
		failed = testport_fail_none(tp);
		engine_check(&e);
		if (!failed)
			break;
		assert_int_equal(error, RMAP_ENOMEM);
	}
	assert_int_equal(error, 0);
	assert_true(n > 4);
	next_machine(mm, nr, 2048, 1024);
	for (n = 1;; n++) {
		testport_fail(tp, TESTPORT_ALLOC, n, TESTPORT_ONCE);
		error = try_resume();
		failed = testport_fail_none(tp);
		engine_check(&e);
		if (!failed)
			break;
		assert_int_equal(error, RMAP_ENOMEM);
		assert_empty();
	}
	assert_int_equal(error, 0);
	return n;
}
