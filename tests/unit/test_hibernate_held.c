// SPDX-License-Identifier: BSD-2-Clause
/*
 * Hibernation of what cannot be pushed out first: pages that are locked or that somebody holds, frames that have gone bad in the swap
 * cache or in shared memory, entries that are under way. What of it can be told comes back; what cannot is said at once. And images of
 * families and files that are resumed without memory, or that somebody has forged.
 */
#include "faulty.h"
#include "image_memory.h"

#include "mm/image.h"
#include "mm/table.h"

#include <stdlib.h>
#include <string.h>

#define RW (MM_PROT_READ | MM_PROT_WRITE)

static struct engine e;
static struct testport *tp;

/* ---------------------------------------------------------------- an image in memory */

static struct image_memory memory;
static const struct mm_stream stream = IMAGE_MEMORY_STREAM(&memory);

static int hibernate(struct mm **mms, uint32_t nr)
{
	static const uint64_t ids[3] = { 0, 1, 2 };

	memory.len = 0;
	return mm_hibernate(e.sys, mms, ids, nr, &stream);
}

static struct mm *resumed[3];

static void resume_mm(void *arg, uint64_t id, struct mm *mm)
{
	(void)arg;
	assert_in_range(id, 0, 2);
	resumed[id] = mm;
}

static int setup(void **state)
{
	(void)state;
	memory = (struct image_memory){ 0 };
	faulty_setup(&e, &tp, NULL);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	settle(&e);
	faulty_teardown(&e, tp);
	free(memory.data);
	return 0;
}

/* A machine like this one goes on. Pages are nobody's any more. */
static void go_on(struct mm **mms, uint32_t nr)
{
	const struct mm_resume resume = { .mm = resume_mm };

	for (uint32_t i = 0; i < nr; i++)
		mm_put(mms[i]);
	settle(&e);
	faulty_teardown(&e, tp);
	faulty_setup(&e, &tp, NULL);
	memory.pos = 0;
	assert_int_equal(STEP(&e, mm_resume_image(e.sys, &stream, &resume)), 0);
	for (uint32_t i = 0; i < nr; i++)
		mms[i] = resumed[i];
}

/*
 *	P [s]	an entry of the slot
 *	C [r]	came back to be read: it is in the swap cache
 */
static uint64_t half_in_swap(struct mm **p, struct mm **c)
{
	uint64_t a;

	*p = engine_mm(&e);
	a = map_anon(&e, *p, 0, 1);
	poke(&e, *p, a, 7);
	*c = engine_fork(&e, *p);
	swap_out(&e, *p, a);
	assert_int_equal(peek(&e, *c, a), 7);
	assert_int_equal(page_info(*p, a).state, MM_PAGE_SWAPPED);
	return a;
}

static struct page *hold(struct mm *mm, uint64_t addr, uint32_t flags)
{
	struct page *page;

	assert_int_equal(STEP(&e, mm_pin(mm, addr, flags, &page)), 0);
	return page;
}

/* ---------------------------------------------------------------- locked, and held */

/* C's page is locked: it stays in memory and in the swap cache. With P's entry it is one page, and so it is afterwards. */
static void locked_beside_an_entry(void **state)
{
	struct mm *mms[2];
	uint64_t a = half_in_swap(&mms[0], &mms[1]);

	(void)state;
	assert_int_equal(STEP(&e, mm_mprotect(mms[1], a, PAGE, MM_PROT_READ)), 0);
	assert_int_equal(STEP(&e, mm_mlock(mms[1], a, PAGE, 0)), 0);
	assert_int_equal(STEP(&e, hibernate(mms, 2)), 0);
	assert_int_equal(page_info(mms[0], a).state, MM_PAGE_SWAPPED);
	assert_int_equal(page_info(mms[1], a).state, MM_PAGE_PRESENT);
	go_on(mms, 2);
	assert_int_equal(page_info(mms[1], a).state, MM_PAGE_PRESENT);
	assert_int_equal(peek(&e, mms[0], a), 7);
	assert_int_equal(peek(&e, mms[1], a), 7);
	assert_true(same_frame(mms[0], a, mms[1], a));
	poke(&e, mms[0], a, 8);
	assert_int_equal(peek(&e, mms[1], a), 7);
	mm_put(mms[0]);
	mm_put(mms[1]);
}

/* C has let go of it, but not whoever has a reference: P's entry leads to a page that nobody maps. */
static void held_and_unmapped(void **state)
{
	struct mm *mms[2];
	uint64_t a = half_in_swap(&mms[0], &mms[1]);
	struct page *page = hold(mms[1], a, 0);

	(void)state;
	assert_int_equal(STEP(&e, mm_munmap(mms[1], a, PAGE)), 0);
	assert_int_equal(STEP(&e, hibernate(mms, 2)), 0);
	mm_unpin(e.sys, page, 0);
	go_on(mms, 2);
	assert_int_equal(peek(&e, mms[0], a), 7);
	assert_int_equal(touch_read(&e, mms[1], a), RMAP_EFAULT);
	mm_put(mms[0]);
	mm_put(mms[1]);
}

/* ---------------------------------------------------------------- bad frames */

/* The frame of a page in the swap cache: what its slot still holds may be older, so it is lost for P, too, here and afterwards. */
static void bad_in_the_swap_cache(void **state)
{
	struct mm *mms[2];
	uint64_t a = half_in_swap(&mms[0], &mms[1]);
	int p, c;

	(void)state;
	assert_int_equal(STEP(&e, mm_poison(mms[1], a)), 0);
	assert_int_equal(STEP(&e, hibernate(mms, 2)), 0);
	p = touch_read(&e, mms[0], a);
	c = touch_read(&e, mms[1], a);
	assert_int_equal(c, RMAP_EHWPOISON);
	go_on(mms, 2);
	assert_int_equal(touch_read(&e, mms[0], a), p);
	assert_int_equal(touch_read(&e, mms[1], a), c);
	mm_put(mms[0]);
	mm_put(mms[1]);
}

/* Of shared memory: [w !], and what comes after it is read. */
static void bad_in_shared_memory(void **state)
{
	struct mm *mm = engine_mm(&e);
	uint64_t m = map_with(&e, mm, 0, 3, RW, MM_MAP_SHARED | MM_MAP_ANONYMOUS, NULL, 0);

	(void)state;
	for (uint64_t i = 0; i < 3; i++)
		poke(&e, mm, m + i * PAGE, i + 1);
	assert_int_equal(STEP(&e, mm_poison(mm, m + PAGE)), 0);
	assert_int_equal(touch_read(&e, mm, m + PAGE), RMAP_EHWPOISON);
	assert_int_equal(STEP(&e, hibernate(&mm, 1)), 0);
	go_on(&mm, 1);
	assert_int_equal(peek(&e, mm, m), 1);
	assert_int_equal(touch_read(&e, mm, m + PAGE), RMAP_EHWPOISON);
	assert_int_equal(peek(&e, mm, m + 2 * PAGE), 3);
	mm_put(mm);
}

/* A slot of shared memory that cannot be read: no image, and nothing lost. */
static void shared_memory_unreadable(void **state)
{
	struct mm *mm = engine_mm(&e);
	uint64_t m = map_with(&e, mm, 0, 1, RW, MM_MAP_SHARED | MM_MAP_ANONYMOUS, NULL, 0);

	(void)state;
	poke(&e, mm, m, 5);
	testport_fail(tp, TESTPORT_SWAP_READ, 1, TESTPORT_ONCE);
	assert_int_equal(STEP(&e, hibernate(&mm, 1)), RMAP_EIO);
	assert_int_equal(testport_fail_none(tp), 1);
	assert_int_equal(peek(&e, mm, m), 5);
	mm_put(mm);
}

/* ---------------------------------------------------------------- under way */

/* Somebody migrates while the system is said to be quiet: two entries that lead to no page yet. */
static void entries_under_way(void **state)
{
	struct mm *mm = engine_mm(&e);
	uint64_t a = map_anon(&e, mm, 0, 2);
	struct page *held[2];
	pte_t *pte[2], old[2];

	(void)state;
	for (uint64_t i = 0; i < 2; i++) {
		poke(&e, mm, a + i * PAGE, i);
		held[i] = hold(mm, a + i * PAGE, MM_PIN_LONGTERM);
	}
	inject_test_system(NULL); /* the checker knows of no such migration */
	for (uint64_t i = 0; i < 2; i++) {
		pte[i] = table_find(mm, a + i * PAGE);
		old[i] = *pte[i];
		*pte[i] = pte_make(pte_pfn(old[i]), PTE_KIND_MIGRATION | PTE_MIG_EXCLUSIVE);
	}
	assert_int_equal(hibernate(&mm, 1), RMAP_EBUSY);
	for (uint64_t i = 0; i < 2; i++) {
		*pte[i] = old[i];
		mm_unpin(e.sys, held[i], MM_PIN_LONGTERM);
	}
	inject_test_system(e.sys);
	assert_int_equal(STEP(&e, hibernate(&mm, 1)), 0);
	assert_int_equal(peek(&e, mm, a + PAGE), 1);
	mm_put(mm);
}

/* ---------------------------------------------------------------- without memory */

static int give_file(void *arg, uint64_t id, uint64_t size, void **handle)
{
	(void)arg;
	(void)id;
	if (hosted_file_temp(e.h, size, 1, (struct hosted_file **)handle))
		return RMAP_ENOMEM;
	return 0;
}

/*
 *	P [.]		whose memory it was, and who has let go of it
 *	C [r|r r]	split
 *	D [r r r]
 *
 * D's one VMA is forked from C's, which have other bounds. One allocation after the other fails; nothing stays then.
 */
static void a_family_without_memory(void **state)
{
	const struct mm_resume resume = { .mm = resume_mm, .file = give_file };
	struct mm *mms[3];
	struct mm_file *file = pattern_file(&e, 1, 1);
	uint64_t a, failed, n;
	int error;

	(void)state;
	mms[0] = engine_mm(&e);
	a = map_anon(&e, mms[0], 0, 3);
	for (uint64_t i = 0; i < 3; i++)
		poke(&e, mms[0], a + i * PAGE, i);
	map_with(&e, mms[0], 0, 1, RW, MM_MAP_SHARED, file, 0);
	/* Of this nothing was promised, so nothing is to be taken back. */
	poke(&e, mms[0],
	     map_with(&e, mms[0], 0, 1, RW, MM_MAP_PRIVATE | MM_MAP_ANONYMOUS | MM_MAP_NORESERVE,
		      NULL, 0),
	     1);
	mms[1] = engine_fork(&e, mms[0]);
	mms[2] = engine_fork(&e, mms[0]);
	assert_int_equal(STEP(&e, mm_munmap(mms[0], a, 3 * PAGE)), 0);
	assert_int_equal(STEP(&e, mm_mprotect(mms[1], a, PAGE, MM_PROT_READ)), 0);
	assert_int_equal(STEP(&e, hibernate(mms, 3)), 0);
	for (uint32_t i = 0; i < 3; i++)
		mm_put(mms[i]);
	mm_file_put(file);
	settle(&e);
	faulty_teardown(&e, tp);
	faulty_setup(&e, &tp, NULL);
	for (n = 1;; n++) {
		memory.pos = 0;
		testport_fail(tp, TESTPORT_ALLOC, n, TESTPORT_ONCE);
		error = mm_resume_image(e.sys, &stream, &resume);
		failed = testport_fail_none(tp);
		engine_check(&e);
		if (!failed)
			break;
		assert_int_equal(error, RMAP_ENOMEM);
	}
	assert_int_equal(error, 0);
	assert_true(n > 10);
	for (uint64_t i = 0; i < 3; i++) {
		assert_int_equal(peek(&e, resumed[1], a + i * PAGE), i);
		assert_int_equal(peek(&e, resumed[2], a + i * PAGE), i);
	}
	for (uint32_t i = 0; i < 3; i++)
		mm_put(resumed[i]);
}

/* ---------------------------------------------------------------- forged */

/* A chunk of an image may be changed; how often it comes. */
typedef unsigned int forger(uint32_t type, uint32_t *word, uint32_t *nr);

static uint64_t forged_addr;

/* Read chunk by chunk, and written again with checksums that are right. */
static void forge(forger *change)
{
	static uint32_t word[IMAGE_CHUNK_MAX / 4];
	struct image_memory copy = { 0 };
	const struct mm_stream to = IMAGE_MEMORY_STREAM(&copy);
	struct image in, out;

	memory.pos = 0;
	assert_int_equal(image_open(e.sys, &in, &stream), 0);
	assert_int_equal(image_open(e.sys, &out, &to), 0);
	while (memory.pos < memory.len) {
		uint32_t nr = 0;
		unsigned int times;

		assert_int_equal(image_next(&in), 0);
		while (image_left(&in))
			word[nr++] = image_get32(&in);
		times = change(in.type, word, &nr);
		for (unsigned int i = 0; i < times; i++) {
			image_begin(&out, (enum image_type)in.type);
			for (uint32_t n = 0; n < nr; n++)
				image_put32(&out, word[n]);
			image_end(&out);
		}
	}
	assert_int_equal(out.error, 0);
	image_close(e.sys, &in);
	image_close(e.sys, &out);
	free(memory.data);
	memory = copy;
}

static int resume_forged(struct mm *mm)
{
	const struct mm_resume resume = { .mm = resume_mm };

	mm_put(mm);
	settle(&e);
	memory.pos = 0;
	return STEP(&e, mm_resume_image(e.sys, &stream, &resume));
}

/* The last site of the page stands elsewhere. */
static unsigned int moves_site(uint32_t type, uint32_t *word, uint32_t *nr)
{
	if (type == IMAGE_PAGE) {
		word[*nr - 2] = (uint32_t)forged_addr;
		word[*nr - 1] = (uint32_t)(forged_addr >> 32);
	}
	return 1;
}

/* A page where no page of its own can be, since the VMA has none. */
static void a_page_in_an_unfaulted_vma(void **state)
{
	struct mm *mm = engine_mm(&e);

	(void)state;
	poke(&e, mm, map_anon(&e, mm, 0x10000000, 1), 1);
	forged_addr = map_anon(&e, mm, 0x20000000, 1);
	assert_int_equal(STEP(&e, hibernate(&mm, 1)), 0);
	forge(moves_site);
	assert_int_equal(resume_forged(mm), RMAP_EBADMSG);
}

static unsigned int file_pages_twice(uint32_t type, uint32_t *word, uint32_t *nr)
{
	(void)word;
	(void)nr;
	return type == IMAGE_FILE_PAGE ? 2 : 1;
}

/* A bad frame of shared memory comes twice: the second time its place is taken, and cannot be read. */
static void a_bad_frame_twice(void **state)
{
	struct mm *mm = engine_mm(&e);
	uint64_t m = map_with(&e, mm, 0, 1, RW, MM_MAP_SHARED | MM_MAP_ANONYMOUS, NULL, 0);

	(void)state;
	poke(&e, mm, m, 1);
	assert_int_equal(STEP(&e, mm_poison(mm, m)), 0);
	assert_int_equal(STEP(&e, hibernate(&mm, 1)), 0);
	forge(file_pages_twice);
	assert_int_equal(resume_forged(mm), RMAP_EBADMSG);
}

static int setup_phantom(void **state)
{
	const struct engine_config config = { .mm.phantom = true };

	(void)state;
	memory = (struct image_memory){ 0 };
	faulty_setup(&e, &tp, &config);
	return 0;
}

/* Behind the flags and the number of sites there are contents now. */
static unsigned int claims_contents(uint32_t type, uint32_t *word, uint32_t *nr)
{
	if (type == IMAGE_PAGE) {
		memmove(word + 2 + PAGE / 4, word + 2, (*nr - 2) * sizeof(*word));
		memset(word + 2, 0x77, PAGE);
		word[0] |= IMAGE_PAGE_DATA;
		*nr += PAGE / 4;
	}
	return 1;
}

/* Frames that have no contents are said to have some: they are passed by. */
static void contents_of_no_frame(void **state)
{
	struct mm *mm = engine_mm(&e);
	uint64_t a = map_anon(&e, mm, 0, 1);

	(void)state;
	assert_int_equal(touch_write(&e, mm, a), 0);
	assert_int_equal(STEP(&e, hibernate(&mm, 1)), 0);
	forge(claims_contents);
	assert_int_equal(resume_forged(mm), 0);
	assert_int_equal(touch_read(&e, resumed[0], a), 0);
	mm_put(resumed[0]);
}

/* Not into a machine that has a file, though no process. */
static void not_beside_a_file(void **state)
{
	const struct mm_resume resume = { .mm = resume_mm };
	struct mm *mm = engine_mm(&e);
	struct mm_file *file = shmem_file(&e, 1);

	(void)state;
	assert_int_equal(STEP(&e, hibernate(&mm, 1)), 0);
	mm_put(mm);
	settle(&e);
	memory.pos = 0;
	assert_int_equal(STEP(&e, mm_resume_image(e.sys, &stream, &resume)), RMAP_EBUSY);
	mm_file_put(file);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(locked_beside_an_entry, setup, teardown),
		cmocka_unit_test_setup_teardown(held_and_unmapped, setup, teardown),
		cmocka_unit_test_setup_teardown(bad_in_the_swap_cache, setup, teardown),
		cmocka_unit_test_setup_teardown(bad_in_shared_memory, setup, teardown),
		cmocka_unit_test_setup_teardown(shared_memory_unreadable, setup, teardown),
		cmocka_unit_test_setup_teardown(entries_under_way, setup, teardown),
		cmocka_unit_test_setup_teardown(a_family_without_memory, setup, teardown),
		cmocka_unit_test_setup_teardown(a_page_in_an_unfaulted_vma, setup, teardown),
		cmocka_unit_test_setup_teardown(a_bad_frame_twice, setup, teardown),
		cmocka_unit_test_setup_teardown(contents_of_no_frame, setup_phantom, teardown),
		cmocka_unit_test_setup_teardown(not_beside_a_file, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
