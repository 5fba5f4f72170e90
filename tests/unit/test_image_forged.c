// SPDX-License-Identifier: BSD-2-Clause
/*
 * Images that nobody wrote: of a machine with something of everything, chunk by chunk, with checksums that are right. A chunk is
 * missing, comes twice, is a word longer or shorter, is of another type; a word of it is another. Resume says that this cannot be, or
 * there is a machine that holds together; it never leaves anything behind.
 *
 *   P   [w w w .]  [w s]  [f f]  [F .]  [m m s]  [L]  [. w]  [!]        C, forked from P, and split; D, forked from P; G, from C
 *       anon       anon   file   file   shmem    mlock stack  bad        [x x] was P's, who has unmapped it: C, D and G share it
 *                  in swap shared private
 */
#include "faulty.h"
#include "image_memory.h"
#include "image_verdicts.h"

#include <stdlib.h>
#include <string.h>

#include "mm/image.h"
#include "mm/mm_types.h"

#define RW    (MM_PROT_READ | MM_PROT_WRITE)
#define ANON  0x10000000ull
#define SWAP  0x11000000ull
#define FILES 0x12000000ull
#define OWN   0x13000000ull
#define SHMEM 0x14000000ull
#define LOCK  0x15000000ull
#define STACK 0x16000000ull
#define BAD   0x17000000ull
#define GONE  0x18000000ull

enum { MMS = 4, WORDS = 48, VALUES = 11, PARTS = 6 };

/* ---------------------------------------------------------------- an image, cut into chunks */

struct chunk {
	uint32_t type, words;
	uint32_t *word;
};

static struct engine e;
static struct image_memory memory;
static const struct mm_stream stream = IMAGE_MEMORY_STREAM(&memory);
static struct chunk *chunks;
static unsigned int nr_chunks;

/* All numbers of an image are of four bytes or of eight. */
static void cut_into_chunks(void)
{
	struct image in;

	memory.pos = 0;
	assert_int_equal(image_open(e.sys, &in, &stream), 0);
	while (memory.pos < memory.len) {
		struct chunk *c;

		assert_int_equal(image_next(&in), 0);
		chunks = realloc(chunks, (nr_chunks + 1) * sizeof(*chunks));
		assert_non_null(chunks);
		c = &chunks[nr_chunks++];
		*c = (struct chunk){ .type = in.type, .words = image_left(&in) / 4 };
		c->word = calloc(c->words + 1, sizeof(*c->word));
		assert_non_null(c->word);
		for (uint32_t i = 0; i < c->words; i++)
			c->word[i] = image_get32(&in);
		assert_int_equal(image_left(&in), 0);
	}
	image_close(e.sys, &in);
}

/* How chunk number `at` is forged. */
struct forgery {
	unsigned int at, times; /* so often it comes: 0, 1, 2 */
	uint32_t type, words;	/* of the first */
};

static void put_chunk(struct image *out, const struct chunk *c, uint32_t type, uint32_t words)
{
	image_begin(out, (enum image_type)type);
	for (uint32_t i = 0; i < words; i++)
		image_put32(out, c->word[i]);
	image_end(out);
}

static void write_forged(const struct forgery *f)
{
	struct image out;

	memory.len = 0;
	assert_int_equal(image_open(e.sys, &out, &stream), 0);
	for (unsigned int i = 0; i < nr_chunks; i++) {
		for (unsigned int n = 0; n < (i == f->at ? f->times : 1); n++) {
			bool forged = i == f->at && n == 0;

			put_chunk(&out, &chunks[i], forged ? f->type : chunks[i].type,
				  forged ? f->words : chunks[i].words);
		}
	}
	assert_int_equal(out.error, 0);
	image_close(e.sys, &out);
}

/* ---------------------------------------------------------------- the machines */

static struct mm *mms[MMS * 4];
static unsigned int nr_mms;

static int give_file(void *arg, uint64_t id, uint64_t size, void **handle)
{
	struct hosted_file *file;

	(void)arg;
	(void)id;
	/* Its size is the forger's. */
	if (hosted_file_temp(e.h, size > 64 * PAGE ? 64 * PAGE : size, 1, &file))
		return RMAP_ENOMEM;
	*handle = file;
	return 0;
}

static void take_mm(void *arg, uint64_t id, struct mm *mm)
{
	(void)arg;
	(void)id;
	assert_true(nr_mms < sizeof(mms) / sizeof(mms[0]));
	mms[nr_mms++] = mm;
}

static void put_all(void)
{
	while (nr_mms)
		mm_put(mms[--nr_mms]);
}

static void start(void)
{
	struct engine_config config = {
		.machine = { .nr_frames = 2048, .nr_swap_slots = 256 },
		.mm = { .overcommit = MM_OVERCOMMIT_ALWAYS },
	};

	engine_setup(&e, &config);
}

static void assert_empty(void)
{
	struct mm_memory m;

	engine_check(&e);
	mm_get_memory(e.sys, &m);
	assert_int_equal(m.anon + m.shmem + m.file + m.swap_used + m.committed, 0);
	assert_int_equal(objects_of(&e, RMAP_KIND_MM) + objects_of(&e, RMAP_KIND_VMA) +
				 objects_of(&e, RMAP_KIND_FILE) + objects_of(&e, RMAP_KIND_BUFFER),
			 0);
}

static int resume_with(int (*file)(void *arg, uint64_t id, uint64_t size, void **handle))
{
	const struct mm_resume resume = { .file = file, .mm = take_mm };

	memory.pos = 0;
	return STEP(&e, mm_resume_image(e.sys, &stream, &resume));
}

/* 0, or an error that says so; whatever there is goes again. */
static int try_forged(const struct forgery *f)
{
	int error;

	write_forged(f);
	error = resume_with(give_file);
	assert_true(!error || error == RMAP_EBADMSG || error == RMAP_ENOMEM);
	if (error)
		assert_int_equal(nr_mms, 0);
	put_all();
	settle(&e);
	return error;
}

/* P, as drawn above. */
static struct mm *make_parent(struct mm_file *file)
{
	struct mm *p = engine_mm(&e);

	map_anon(&e, p, ANON, 4);
	for (unsigned int i = 0; i < 3; i++)
		poke(&e, p, ANON + i * PAGE, i + 1);
	map_anon(&e, p, SWAP, 2);
	poke(&e, p, SWAP, 1);
	poke(&e, p, SWAP + PAGE, 2);
	map_with(&e, p, FILES, 2, RW, MM_MAP_SHARED, file, 0);
	poke(&e, p, FILES, 3);
	map_with(&e, p, OWN, 2, RW, MM_MAP_PRIVATE, file, PAGE);
	poke(&e, p, OWN, 4);
	map_with(&e, p, SHMEM, 3, RW, MM_MAP_SHARED | MM_MAP_ANONYMOUS, NULL, 0);
	for (unsigned int i = 0; i < 3; i++)
		poke(&e, p, SHMEM + i * PAGE, i + 5);
	map_anon(&e, p, LOCK, 1);
	assert_int_equal(STEP(&e, mm_mlock(p, LOCK, PAGE, 0)), 0);
	map_with(&e, p, STACK, 2, RW, MM_MAP_PRIVATE | MM_MAP_ANONYMOUS | MM_MAP_GROWSDOWN, NULL,
		 0);
	poke(&e, p, STACK + PAGE, 8);
	map_anon(&e, p, BAD, 1);
	poke(&e, p, BAD, 9);
	map_anon(&e, p, GONE, 2);
	poke(&e, p, GONE, 10);
	poke(&e, p, GONE + PAGE, 11);
	return p;
}

static void make_the_image(void)
{
	static const uint64_t ids[MMS] = { 1, 2, 3, 4 };
	struct mm *family[MMS];
	struct hosted_file *handle;
	struct mm_file *file;

	assert_int_equal(hosted_file_temp(e.h, 4 * PAGE, 1, &handle), 0);
	assert_int_equal(mm_file_create(e.sys, handle, 4 * PAGE, &file), 0);
	family[0] = make_parent(file);
	family[1] = engine_fork(&e, family[0]);
	family[2] = engine_fork(&e, family[0]);
	/* C: three VMAs of one origin, one of its own pages, and less of another VMA than P has. */
	assert_int_equal(STEP(&e, mm_mprotect(family[1], ANON + PAGE, PAGE, MM_PROT_READ)), 0);
	poke(&e, family[1], ANON, 20);
	assert_int_equal(STEP(&e, mm_munmap(family[1], SWAP, PAGE)), 0);
	family[3] = engine_fork(&e, family[1]);
	assert_int_equal(STEP(&e, mm_munmap(family[0], GONE, 2 * PAGE)), 0);
	assert_int_equal(STEP(&e, mm_mprotect(family[2], GONE, PAGE, MM_PROT_READ)), 0);
	assert_int_equal(STEP(&e, mm_poison(family[0], BAD)), 0);
	swap_out(&e, family[0], SWAP);
	swap_out(&e, family[0], SWAP + PAGE);
	assert_int_equal(STEP(&e, mm_madvise(family[0], SHMEM + PAGE, PAGE, MM_MADV_PAGEOUT)), 0);
	/* One is back and must stay, and is in the swap cache for the other's sake. */
	assert_int_equal(STEP(&e, mm_mlock(family[2], SWAP + PAGE, PAGE, 0)), 0);
	memory.len = 0;
	assert_int_equal(STEP(&e, mm_hibernate(e.sys, family, ids, MMS, &stream)), 0);
	for (unsigned int i = 0; i < MMS; i++)
		mm_put(family[i]);
	mm_file_put(file);
	engine_teardown(&e);
	start();
	cut_into_chunks();
}

static int set_up(void **state)
{
	(void)state;
	memory = (struct image_memory){ 0 };
	chunks = NULL;
	nr_chunks = nr_mms = 0;
	start();
	make_the_image();
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	settle(&e);
	assert_empty();
	engine_teardown(&e);
	for (unsigned int i = 0; i < nr_chunks; i++)
		free(chunks[i].word);
	free(chunks);
	free(memory.data);
	return 0;
}

static struct forgery none_of(unsigned int at)
{
	return (struct forgery){ at, 1, chunks[at].type, chunks[at].words };
}

/* ---------------------------------------------------------------- the tests */

static void test_as_it_was_written(void **state)
{
	struct forgery f = none_of(0);

	(void)state;
	write_forged(&f);
	assert_int_equal(resume_with(give_file), 0);
	assert_int_equal(nr_mms, MMS);
	assert_int_equal(peek(&e, mms[0], ANON), 1);
	assert_int_equal(peek(&e, mms[1], ANON), 20);
	assert_int_equal(peek(&e, mms[2], GONE), 10);
	assert_int_equal(peek(&e, mms[1], GONE + PAGE), 11);
	assert_int_equal(peek(&e, mms[3], GONE + PAGE), 11);
	assert_true(same_frame(mms[1], GONE + PAGE, mms[3], GONE + PAGE));
	assert_int_equal(touch_read(&e, mms[0], BAD), RMAP_EHWPOISON);
	put_all();
}

/*
 * What is read is the same under all designs: all of it under one, a part under the others; and where each allocation of it is to
 * fail (tests/oom/inject.h), it is long enough as it is.
 */
static bool a_part(void)
{
	return !engine_design_is("anon_vma_chain") || getenv("RMAP_OOM");
}

/* Missing, twice, a word more or less, of every other type. Most of it cannot be, and what can be is a machine. */
static void test_chunks(void **state)
{
	(void)state;
	for (unsigned int at = 0; at < nr_chunks; at += a_part() ? 7 : 1) {
		struct forgery f = none_of(at);

		f.times = 0;
		try_forged(&f);
		f.times = 2;
		try_forged(&f);
		f = none_of(at);
		f.words++;
		/* More places than there are, or places of nobody. */
		assert_int_equal(try_forged(&f), RMAP_EBADMSG);
		f = none_of(at);
		if (f.words) {
			f.words--;
			assert_int_equal(try_forged(&f), RMAP_EBADMSG);
		}
		for (f = none_of(at), f.type = 0; f.type <= IMAGE_END + 1; f.type++)
			if (f.type != chunks[at].type)
				try_forged(&f);
	}
}

/* A letter for an error: taken, impossible, too large for this machine. */
static char verdict(int error)
{
	return error == RMAP_EBADMSG ? 'x' : error ? 'm' : '.';
}

/* What becomes of each forgery of word i of a chunk. */
static void try_word(const struct forgery *f, uint32_t *word, char *verdicts)
{
	const uint32_t v = *word;
	const uint32_t values[VALUES] = {
		0,	   1, 2, 3, v + 1, v - 1, v ^ 0x1000, v + 0x1000, v ^ 0x8, v | 0x80000000u,
		UINT32_MAX
	};

	for (unsigned int n = 0; n < VALUES; n++) {
		*word = values[n];
		verdicts[n] = verdict(try_forged(f));
	}
	*word = v;
}

/* As it stands in image_verdicts.h. */
static void print_verdicts(const char *line)
{
	const size_t most = 7 * (VALUES + 1);

	for (size_t len = strlen(line); len > most; len -= most, line += most)
		print_message("\t\"%.*s\"\n", (int)most, line);
	print_message("\t\"%s\",\n", line);
}

/*
 * Every number is another: none, small ones, its neighbours, a page more, one of another's, the largest. What can be a machine is
 * taken for one, and what cannot is refused, as image_verdicts.h has it: a line a chunk, a word a number. Who means to change it finds
 * what is to stand there in what the failed tests print, each of which tries a part of the chunks.
 */
static void try_words(unsigned int part)
{
	const uint32_t every = a_part() ? 7 : 1;
	const unsigned int recorded = sizeof(image_verdicts) / sizeof(image_verdicts[0]);
	bool same = nr_chunks == recorded;

	for (unsigned int at = part; at < nr_chunks; at += PARTS) {
		const struct chunk *c = &chunks[at];
		struct forgery f = none_of(at);
		char line[WORDS * (VALUES + 1) + 1] = "";

		for (uint32_t i = at % every; i < c->words && i < WORDS; i += every) {
			const char *known = at < recorded ? image_verdicts[at] : "";
			char *verdicts = line + strlen(line);

			/* A thousand words of contents are all alike, and so are counters. */
			if ((c->type == IMAGE_HEADER && i > 12) || (c->words > 1000 && i > 12))
				break;
			verdicts[VALUES] = ' ';
			try_word(&f, &c->word[i], verdicts);
			if (strlen(known) >= (i + 1) * (VALUES + 1))
				known += i * (VALUES + 1);
			same = same && !memcmp(known, verdicts, VALUES);
		}
		if (every == 1) {
			print_message("chunk %u\n", at);
			print_verdicts(line);
		}
	}
	/* What an image holds of memory that was refused on the way is another matter. */
	if (every == 1)
		assert_true(same);
}

#define WORDS_OF(part)                                                                             \
	static void test_words_##part(void **state)                                                \
	{                                                                                          \
		(void)state;                                                                       \
		try_words(part);                                                                   \
	}

WORDS_OF(0)
WORDS_OF(1)
WORDS_OF(2)
WORDS_OF(3)
WORDS_OF(4)
WORDS_OF(5)

static int no_file(void *arg, uint64_t id, uint64_t size, void **handle)
{
	(void)arg;
	(void)id;
	(void)size;
	*handle = NULL;
	return 0;
}

static int forbidden_file(void *arg, uint64_t id, uint64_t size, void **handle)
{
	(void)arg;
	(void)id;
	(void)size;
	(void)handle;
	return RMAP_EACCES;
}

static void test_its_file_is_not_there(void **state)
{
	struct forgery f = none_of(0);

	(void)state;
	write_forged(&f);
	assert_int_equal(resume_with(NULL), RMAP_ENOENT);
	assert_int_equal(resume_with(no_file), RMAP_ENOENT);
	assert_int_equal(resume_with(forbidden_file), RMAP_EACCES);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_as_it_was_written, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_chunks, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_words_0, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_words_1, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_words_2, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_words_3, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_words_4, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_words_5, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_its_file_is_not_there, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
