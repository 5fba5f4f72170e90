// SPDX-License-Identifier: BSD-2-Clause
/*
 * Hibernation of a family with more of everything than fits in the first piece of any array: eight processes, forked from each
 * other at different times, 22 files, 44 VMAs each, moved, split, cut and partly written.
 *
 *	P ──┬── C1 ── C3 ── C7
 *	    ├── C2 ── C6            between two forks: writes, moves, holes, read-only pages, pages out
 *	    └── C4 ── C5
 *
 * After the image is taken the first machine is looked at from outside in every way there is: what stands where, which places
 * show one page, what a write then separates, what merges when rights are made alike, how many a walk finds. The machine that has
 * resumed the image must answer the same, word by word. (anonmm: nothing is moved, since that would copy.)
 */
#include "failed.h"
#include "faulty.h"
#include "image_memory.h"

#include <stdlib.h>
#include <string.h>

#define RW (MM_PROT_READ | MM_PROT_WRITE)

enum {
	MMS = 8,
	FILES = 22,
	VMAS = 44,
	PAGES = 4,	 /* of a VMA */
	STRIDE = 16,	 /* pages from one VMA to the next */
	STEPS = 160,	 /* between two forks */
	WORDS = 1 << 18, /* of what was seen */
};

#define BASE  0x10000000ull
#define PLACE (VMAS * STRIDE) /* pages */

static struct engine e;
static struct testport *tp;

/* ---------------------------------------------------------------- an image in memory */

static struct image_memory image;
static const struct mm_stream stream = IMAGE_MEMORY_STREAM(&image);

/* ---------------------------------------------------------------- the family */

static struct mm *mm[MMS];
static struct mm_file *file[FILES];
static uint64_t file_id[FILES];
static uint64_t random_state;

static uint64_t pick(uint64_t below)
{
	random_state = random_state * 6364136223846793005ull + 1442695040888963407ull;
	return (random_state >> 33) % below;
}

static uint64_t place(uint64_t page)
{
	return BASE + page * PAGE;
}

/* Every second VMA is anonymous; the others are of a file each, private, but for every seventh: shared memory, or a file to read. */
static void map_all(void)
{
	for (uint64_t i = 0; i < VMAS; i++) {
		uint64_t at = place(i * STRIDE);
		struct mm_file *of = file[i / 2];

		if (i % 2 == 0)
			map_anon(&e, mm[0], at, PAGES);
		else if (i % 7 == 0)
			map_with(&e, mm[0], at, PAGES, mm_file_is_shmem(of) ? RW : MM_PROT_READ,
				 MM_MAP_SHARED, of, PAGE);
		else
			map_with(&e, mm[0], at, PAGES, RW, MM_MAP_PRIVATE, of, PAGE);
	}
}

/* Something happens to one process. What cannot be done there is no matter: it is the same in every run. */
static void step(struct mm *who)
{
	uint64_t at = place(pick(VMAS) * STRIDE + pick(PAGES)), value = pick(1 << 20), to;

	switch (pick(16)) {
	case 0:
		(void)mm_munmap(who, at, PAGE);
		break;
	case 1:
		(void)mm_mprotect(who, at, PAGE, MM_PROT_READ);
		break;
	case 2:
		to = place(pick(VMAS) * STRIDE + 8 + pick(2));
		if (!engine_design_is("anonmm"))
			(void)mm_mremap(who, at, PAGE, PAGE, MM_MREMAP_MAYMOVE | MM_MREMAP_FIXED,
					to, &to);
		break;
	case 3:
		(void)mm_madvise(who, at, 2 * PAGE, MM_MADV_PAGEOUT);
		break;
	case 4:
		(void)mm_madvise(who, at, PAGE, MM_MADV_DONTNEED);
		break;
	case 5:
		(void)mm_madvise(who, at, PAGE, pick(2) ? MM_MADV_DONTFORK : MM_MADV_SEQUENTIAL);
		break;
	case 6:
		(void)mm_mlock(who, at, PAGE, 0);
		break;
	case 7:
	case 8:
		(void)touch_read(&e, who, at);
		break;
	default:
		(void)hosted_write(e.cpu, who, at, &value, sizeof(value), NULL);
	}
}

static void make_family(void)
{
	static const unsigned int parent[MMS] = { 0, 0, 0, 1, 0, 4, 2, 3 };

	for (unsigned int i = 0; i < FILES; i++) {
		file[i] = i % 3 == 1 ? shmem_file(&e, 8) : pattern_file(&e, 8, i + 1);
		file_id[i] = mm_file_id(file[i]);
	}
	mm[0] = engine_mm(&e);
	map_all();
	for (unsigned int i = 0; i < MMS; i++) {
		if (i)
			mm[i] = engine_fork(&e, mm[parent[i]]);
		for (unsigned int s = 0; s < STEPS; s++)
			step(mm[pick(i + 1)]);
		mm_set_limit(mm[i], MM_LIMIT_STACK, (1000 + i) * PAGE);
		engine_check(&e);
	}
}

/* ---------------------------------------------------------------- what can be seen */

static uint64_t seen[2][WORDS];
static uint64_t nr_seen;
static unsigned int look;

static void note(uint64_t word)
{
	assert_true(nr_seen < WORDS);
	seen[look][nr_seen++] = word;
}

static void note_vma(const struct mm_vma_info *vma, void *arg)
{
	(void)arg;
	note(vma->start);
	note(vma->end);
	note(vma->flags);
	note(vma->pgoff);
}

static void note_layouts(void)
{
	for (unsigned int i = 0; i < MMS; i++) {
		struct mm_stats stats;

		mm_for_each_vma(mm[i], note_vma, NULL);
		mm_get_stats(mm[i], &stats);
		note(stats.map_count);
		note(stats.total_vm);
		note(stats.locked_vm);
		note(stats.data_vm);
		note(stats.stack_vm);
		note(mm_get_limit(mm[i], MM_LIMIT_STACK));
	}
}

/* Which other place, the first of all, shows the same page? */
static uint64_t first_with(const struct page *page)
{
	for (unsigned int i = 0; i < MMS; i++)
		for (uint64_t p = 0; p < PLACE; p++)
			if (page_info(mm[i], place(p)).page == page)
				return i * PLACE + p;
	return UINT64_MAX;
}

static void note_pages(void)
{
	for (unsigned int i = 0; i < MMS; i++) {
		for (uint64_t p = 0; p < PLACE; p++) {
			uint64_t value = 0;
			int error =
				hosted_read(e.cpu, mm[i], place(p), &value, sizeof(value), NULL);

			note((uint64_t)(int64_t)error);
			note(value);
		}
	}
	engine_check(&e);
	for (unsigned int i = 0; i < MMS; i++) {
		for (uint64_t p = 0; p < PLACE; p++) {
			struct mm_page_info info = page_info(mm[i], place(p));

			note(info.state);
			if (info.state != MM_PAGE_PRESENT)
				continue;
			note((uint64_t)(info.anon | info.file << 1 | info.exclusive << 2 |
					info.locked << 3));
			note(info.mapcount);
			note(first_with(info.page));
			if (p % 8 == 0)
				note(walk_from(&e, mm[i], place(p), false).found);
		}
	}
}

/* Writes separate what was shared; rights made alike let merge what has one origin; children inherit. */
static void go_on(void)
{
	for (unsigned int i = 0; i < MMS; i++) {
		for (uint64_t v = 0; v < VMAS; v++) {
			note((uint64_t)(int64_t)mm_madvise(mm[i], place(v * STRIDE), PAGES * PAGE,
							   MM_MADV_DOFORK));
			note((uint64_t)(int64_t)mm_madvise(mm[i], place(v * STRIDE), PAGES * PAGE,
							   MM_MADV_NORMAL));
			note((uint64_t)(int64_t)mm_munlock(mm[i], place(v * STRIDE), PAGES * PAGE));
			note((uint64_t)(int64_t)mm_mprotect(mm[i], place(v * STRIDE), PAGES * PAGE,
							    RW));
		}
	}
	engine_check(&e);
	note_layouts();
	for (unsigned int s = 0; s < 4 * STEPS; s++) {
		uint64_t at = place(pick(VMAS) * STRIDE + pick(PAGES)), value = s;

		note((uint64_t)(int64_t)hosted_write(e.cpu, mm[pick(MMS)], at, &value,
						     sizeof(value), NULL));
	}
	engine_check(&e);
	note_pages();
}

static void look_at_all(void)
{
	nr_seen = 0;
	random_state = 99;
	note_layouts();
	note_pages();
	go_on();
}

/* ---------------------------------------------------------------- the other machine */

static int resume_file(void *arg, uint64_t id, uint64_t size, void **handle)
{
	struct hosted_file *of;
	unsigned int i = 0;

	(void)arg;
	while (i < FILES && file_id[i] != id)
		i++;
	assert_in_range(i, 0, FILES - 1);
	if (hosted_file_temp(e.h, size, i + 1, &of))
		return RMAP_ENOMEM;
	*handle = of;
	return 0;
}

static void resume_mm(void *arg, uint64_t id, struct mm *resumed)
{
	(void)arg;
	assert_in_range(id, 100, 100 + MMS - 1);
	mm[id - 100] = resumed;
}

static void start(void)
{
	struct engine_config config = {
		.machine = { .nr_frames = 8192, .nr_swap_slots = 4096 },
		.mm = { .overcommit = MM_OVERCOMMIT_ALWAYS },
	};

	faulty_setup(&e, &tp, &config);
}

static void put_all(void)
{
	for (unsigned int i = 0; i < MMS; i++)
		mm_put(mm[i]);
	memset(mm, 0, sizeof(mm));
	settle(&e);
}

static void test_a_family(void **state)
{
	static const uint64_t ids[MMS] = { 100, 101, 102, 103, 104, 105, 106, 107 };
	const struct mm_resume resume = { .file = resume_file, .mm = resume_mm };
	uint64_t nr;

	(void)state;
	for (uint64_t seed = 1; seed <= 3; seed++) {
		random_state = seed;
		image.len = image.pos = 0;
		start();
		make_family();
		assert_int_equal(STEP(&e, mm_hibernate(e.sys, mm, ids, MMS, &stream)), 0);
		look = 0;
		look_at_all();
		nr = nr_seen;
		put_all();
		for (unsigned int i = 0; i < FILES; i++)
			mm_file_put(file[i]);
		settle(&e);
		faulty_teardown(&e, tp);

		start();
		assert_int_equal(STEP(&e, mm_resume_image(e.sys, &stream, &resume)), 0);
		look = 1;
		look_at_all();
		assert_int_equal(nr_seen, nr);
		for (uint64_t i = 0; i < nr; i++)
			if (seen[0][i] != seen[1][i])
				fail_msg("seed %llu: word %llu of %llu: %llx before, %llx "
					 "afterwards",
					 (unsigned long long)seed, (unsigned long long)i,
					 (unsigned long long)nr, (unsigned long long)seen[0][i],
					 (unsigned long long)seen[1][i]);
		put_all();
		faulty_teardown(&e, tp);
	}
	free(image.data);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_family),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
