// SPDX-License-Identifier: BSD-2-Clause
/*
 * The runner and its shadow: that what should fail does fail, with the sentence that a user needs.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "oom/inject.h"
#include "ops.h"
#include "runner.h"
#include "shadow.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PAGE ((uint64_t)4096)

/* ---------------------------------------------------------------- the shadow */

static void stamps(void **state)
{
	struct shadow *a = shadow_new(), *b;

	(void)state;
	assert_int_equal(shadow_get(a, 0x1000), STAMP_NONE);
	assert_true(shadow_set(a, 0x1000, STAMP_WRITTEN | 7));
	assert_true(shadow_set(a, 0xfffffffffffff000, STAMP_WRITTEN | 8));
	assert_int_equal(shadow_get(a, 0x1fff), STAMP_WRITTEN | 7);
	assert_int_equal(shadow_get(a, UINT64_MAX), STAMP_WRITTEN | 8);

	/* A fork: equal, then each its own. */
	b = shadow_copy(a);
	assert_true(shadow_set(b, 0x1000, STAMP_WRITTEN | 9));
	assert_int_equal(shadow_get(a, 0x1000), STAMP_WRITTEN | 7);
	assert_int_equal(shadow_get(b, 0x1000), STAMP_WRITTEN | 9);
	shadow_free(a);
	assert_int_equal(shadow_get(b, UINT64_MAX), STAMP_WRITTEN | 8);

	/* All of the address space is a range, too. */
	assert_true(shadow_clear(b, 0, UINT64_MAX));
	assert_int_equal(shadow_count(b), 0);
	shadow_free(b);
}

/* Against a plain array, at random. */
static void stamps_at_random(void **state)
{
	enum { PAGES = 3000 };
	static uint64_t model[PAGES];
	struct shadow *s = shadow_new(), *old;
	unsigned int seed = 1;

	(void)state;
	for (unsigned int step = 0; step < 20000; step++) {
		uint64_t first = (uint64_t)rand_r(&seed) % PAGES;
		uint64_t n = (uint64_t)rand_r(&seed) % (PAGES - first) % 700;
		uint64_t to;

		switch (rand_r(&seed) % 4) {
		case 0:
			assert_true(shadow_clear(s, first * PAGE, n * PAGE));
			memset(model + first, 0, n * sizeof(model[0]));
			break;
		case 1: /* ranges that do not overlap */
			to = first >= n ? first - n : first + n;
			if (to + n > PAGES)
				break;
			assert_true(shadow_move(s, first * PAGE, to * PAGE, n * PAGE));
			memcpy(model + to, model + first, n * sizeof(model[0]));
			memset(model + first, 0, n * sizeof(model[0]));
			break;
		case 2:
			old = s;
			s = shadow_copy(old);
			shadow_free(old);
			break;
		default:
			for (uint64_t i = first; i < first + n; i++) {
				assert_true(shadow_set(s, i * PAGE, STAMP_WRITTEN | step));
				model[i] = STAMP_WRITTEN | step;
			}
		}
		first = (uint64_t)rand_r(&seed) % PAGES;
		assert_int_equal(shadow_get(s, first * PAGE), model[first]);
	}
	for (uint64_t i = 0; i < PAGES; i++)
		assert_int_equal(shadow_get(s, i * PAGE), model[i]);
	shadow_free(s);
}

static void patterns(void **state)
{
	static unsigned char page[PAGE];
	char buf[96];

	(void)state;
	pattern_fill(page, 42);
	assert_true(pattern_matches(page, PAGE, 42));
	assert_false(pattern_matches(page, PAGE, 43));
	assert_string_equal(pattern_name(page, PAGE, buf, sizeof(buf)), "value 42");
	page[4095] ^= 1;
	assert_false(pattern_matches(page, PAGE, 42));
	assert_true(pattern_matches(page, 4095, 42));
	pattern_fill(page, 0);
	assert_string_equal(pattern_name(page, PAGE, buf, sizeof(buf)), "zeros");
}

/* ---------------------------------------------------------------- runs */

/* Runs a text to its end; err has the sentence of the first failure. */
static enum runner_result run_text(const char *text, bool phantom, char err[OPS_ERR_SIZE])
{
	struct runner_options options = {
		.seed = 1, .check = true, .check_every = 1, .phantom = phantom
	};
	enum runner_result result = RUNNER_OK;
	struct op_source *source;
	struct runner *r;
	struct op op;
	FILE *null = fopen("/dev/null", "w");

	if (lang_open_text("t.rmw", text, strlen(text), &source, err))
		fail_msg("%s", err);
	if (runner_create(&options, source, &r, err))
		fail_msg("%s", err);
	while (result == RUNNER_OK && source->next(source, &op, err) > 0)
		result = runner_step(r, &op, err);
	if (result == RUNNER_OK)
		result = runner_finish(r, err);
	runner_print(r, null);
	assert_int_equal(runner_print_json(r, null, result, err), 0);
	fclose(null);
	runner_destroy(r);
	source->close(source);
	return result;
}

static void assert_run(const char *text, enum runner_result wanted, const char *sentence)
{
	char err[OPS_ERR_SIZE] = "";
	enum runner_result result = run_text(text, false, err);

	if (result != wanted)
		fail_msg("result %d instead of %d (%s) of:\n%s", (int)result, (int)wanted, err,
			 text);
	if (sentence && !strstr(err, sentence))
		fail_msg("sentence '%s' instead of '%s'", err, sentence);
}

#define P "process P\na = P mmap 4p rw at=0x10000 fixed\nP write a 4p = 1 step\n"

static void expectations_fail(void **state)
{
	(void)state;
	assert_run(P "expect stat P map_count=1\n", RUNNER_OK, NULL);
	assert_run(P "expect stat P map_count=2\n", RUNNER_FAILED,
		   "t.rmw:4: expect stat: expected map_count = 2, found 1");
	assert_run(P "P munmap a 1p -> ENOMEM\n", RUNNER_FAILED,
		   "munmap: expected ENOMEM, found success");
	assert_run(P "P munmap a+1 1p\n", RUNNER_FAILED, "expected success, found EINVAL");
	assert_run(P "P read 0\n", RUNNER_FAILED,
		   "read at 0x0: expected success, found SEGV_MAPERR");
	assert_run(P "P read a -> SIGBUS\n", RUNNER_FAILED, "expected SIGBUS, found success");
	assert_run(P "b = P mmap 1p -> a\n", RUNNER_FAILED, "expected the address 0x10000, found");
	assert_run(P "P read a+1p = 3\n", RUNNER_FAILED, "expected value 3, found value 2");
	assert_run(P "expect content P a = 3\n", RUNNER_FAILED, "expected value 3, found value 1");
	assert_run(P "expect page P a swapped\n", RUNNER_FAILED,
		   "expected a page that is swapped, found one that is present");
	assert_run(P "expect page P a mapcount=2\n", RUNNER_FAILED,
		   "expected mapcount = 2, found 1");
	assert_run(P "expect layout P exact { a 4p r }\n", RUNNER_FAILED,
		   "expected protection r, found 0x10000 4p rw private faulted");
	assert_run(P "expect layout P exact { a 3p rw }\n", RUNNER_FAILED,
		   "expected a VMA of 3 pages");
	assert_run(P "expect layout P exact { }\n", RUNNER_FAILED, "expected no other VMA");
	assert_run(P "expect layout P { a+9p 1p rw }\n", RUNNER_FAILED, "found none");
	assert_run(P "C = P fork\nexpect not shared P a C a\n", RUNNER_FAILED,
		   "expected two pages, found one");
	assert_run(P "expect walk P a full found=2\n", RUNNER_FAILED,
		   "expected found = 2, found 1");
	assert_run(P "expect count forks = 1\n", RUNNER_FAILED, "expected forks = 1, found 0");
	assert_run(P "expect links P a = 2\n", RUNNER_FAILED, "expected links = 2, found 1");
	assert_run(P "P mincore a 2p = \"10\"\n", RUNNER_FAILED, "expected page 1 to be absent");
	/* A frame is remembered by name: the last who has a page keeps it, who writes first gets another. */
	assert_run(P "f = P frame a\nC = P fork\nP write a = 2\nexpect page P a frame!=f\n"
		     "expect page C a frame=f\nC write a = 3\nexpect page C a frame=f\n",
		   RUNNER_OK, NULL);
	assert_run(P "f = P frame a\nC = P fork\nP write a = 2\nexpect page P a frame=f\n",
		   RUNNER_FAILED, "expected frame = 0x");
	assert_run(P "f = P frame a\nP munmap a 2p\nexpect page P a frame!=f\n", RUNNER_FAILED,
		   "expected a page in a frame, found one that is none");
	assert_run(P "f = P frame a+9p\n", RUNNER_FAILED, "frame: expected a page that is present");
	/* Copies that populating and locking make without a write keep what the file held then. */
	assert_run("process P\nfile f 3p\nfilewrite f 0 3p = 10 step\n"
		   "a = P mmap 1p rw file=f populate\nb = P mmap 3p rw file=f\n"
		   "P mlock b 1p\nP madvise b+1p 1p populate_write\nfilewrite f 0 3p = 20 step\n"
		   "P read a = 10\nP read b 2p = 10 step\nP read b+2p = 22\n",
		   RUNNER_OK, NULL);
	assert_run("process P\nfile f 1p\na = P mmap 1p rw file=f populate\nfilewrite f 0 1p = 2\n"
		   "P read a = 2\n",
		   RUNNER_FAILED, "expected value 2, found");
	/* For another design: passed by. */
	assert_run(P "[anonmm] expect stat P map_count=2\n", RUNNER_OK, NULL);
}

static void nonsense(void **state)
{
	(void)state;
	assert_run("process P\nprocess P\n", RUNNER_BAD, "t.rmw:2: P lives already");
	assert_run(P "P exit\nP read a\n", RUNNER_BAD, "P is no living process");
	assert_run("process P\nb = P mmap 0 -> EINVAL\nP read b\n", RUNNER_BAD, "was never set");
	assert_run(P "expect count nothing = 1\n", RUNNER_BAD, "there is no counter 'nothing'");
	assert_run("file f 1p\nfile f 1p\n", RUNNER_BAD, "the file is open already");
	assert_run("file f MAX\n", RUNNER_BAD, "at most 2^62 bytes");
	assert_run("file f 1p\nclose f\nclose f\n", RUNNER_BAD, "the file is not open");
	assert_run("file f 8p\nfilewrite f 100 1p\n", RUNNER_BAD, "begins at a page");
	assert_run("file f 8p\nfilewrite f 0 100\n", RUNNER_BAD, "ends at the end of a page");
	assert_run(P "x = P pin a\nx = P pin a\n", RUNNER_BAD, "held already");
	assert_run(P "x = P pin a\nunpin x\nunpin x\n", RUNNER_BAD, "is not held");
	assert_run(P "x = P pin a\npinwrite x = 1\n", RUNNER_BAD, "not for writing");
	assert_run(P "x = P pin a\nhibernate\n", RUNNER_BAD, "a pin is held");
	assert_run(P "P exec args=1G\n", RUNNER_BAD, "64 MiB of arguments");
	assert_run(P "P migrate a MAX\n", RUNNER_BAD, "pages are to be migrated");
	assert_run("file f 8p shmem\nhibernate\n", RUNNER_BAD, "would be lost");
}

/* A byte that changes behind everybody's back is noticed: by a read, at the end of a phase, and at the end of the run. */
static void corruption_is_noticed(void **state)
{
	static const char *const ends[] = { "P read a", "phase \"x\"\n", "", "verify\n" };

	(void)state;
	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
		struct runner_options options = { .seed = 1 };
		enum runner_result result = RUNNER_OK;
		struct mm_page_info info;
		struct op_source *source;
		char text[256], err[OPS_ERR_SIZE] = "";
		struct runner *r;
		struct op op;
		char *frame;

		snprintf(text, sizeof(text), P "%s", ends[i]);
		assert_int_equal(lang_open_text("t.rmw", text, strlen(text), &source, err), 0);
		assert_int_equal(runner_create(&options, source, &r, err), 0);
		for (int n = 0; n < 3; n++) {
			assert_int_equal(source->next(source, &op, err), 1);
			assert_int_equal(runner_step(r, &op, err), RUNNER_OK);
		}
		mm_page_info(runner_mm(r, op.proc), 0x10000, &info);
		frame = (char *)mm_system_port(runner_system(r))->frames + info.pfn * PAGE;
		frame[100] ^= 1;
		while (result == RUNNER_OK && source->next(source, &op, err) > 0)
			result = runner_step(r, &op, err);
		if (result == RUNNER_OK)
			result = runner_finish(r, err);
		assert_int_equal(result, RUNNER_FAILED);
		assert_non_null(strstr(err, "contents: "));
		runner_destroy(r);
		source->close(source);
	}
}

static void phantoms(void **state)
{
	char err[OPS_ERR_SIZE] = "";

	(void)state;
	assert_int_equal(
		run_text(P "C = P fork\nC write a 4p = 9\nP read a = 77\nexpect content P a = 5\n"
			   "expect page C a exclusive\nP madvise a 1p pageout\nP read a\n",
			 true, err),
		RUNNER_OK);
	assert_int_equal(run_text(P "hibernate\n", true, err), RUNNER_BAD);
	assert_non_null(strstr(err, "no contents"));
}

/* What was switched off is off on the next machine, too, as it is where nobody hibernates. */
static void swap_stays_off(void **state)
{
	char err[OPS_ERR_SIZE] = "";

	(void)state;
	assert_int_equal(
		run_text(P
			 "swapoff\nhibernate\nswapoff -> EINVAL\nP madvise a 1p pageout\n"
			 "expect page P a present\nhibernate\nswapon\nhibernate\nswapon -> EBUSY\n"
			 "P madvise a 1p pageout\nexpect page P a swapped\n",
			 false, err),
		RUNNER_OK);
}

/*
 * Hibernation with its n-th request for memory refused: whatever it was for, the run ends with a sentence or goes on, and leaves nothing
 * behind on either machine. (runner_destroy() ends the program if something is left.) *refused: there was an n-th.
 */
static enum runner_result hibernate_without(uint64_t n, uint64_t *refused, char err[OPS_ERR_SIZE])
{
	/* Three files: one mapped, one open only, one mapped only. */
	static const char text[] = P "C = P fork\nC write a = 7\n"
				     "file f 3p\nb = P mmap 3p rw shared file=f\nP write b = 5\n"
				     "file g 2p\nfilewrite g 0 1p = 6\n"
				     "file h 2p\nc = C mmap 2p r file=h\nC read c\nclose h\n"
				     "hibernate\n"
				     "P read a = 1\nC read a = 7\nP read b = 5\n";
	struct runner_options options = {
		.seed = 1, .check = true, .check_every = 1, .alone = true
	};
	enum runner_result result = RUNNER_OK;
	struct op_source *source;
	struct runner *r;
	struct op op;

	if (lang_open_text("t.rmw", text, strlen(text), &source, err))
		fail_msg("%s", err);
	if (runner_create(&options, source, &r, err))
		fail_msg("%s", err);
	while (result == RUNNER_OK && source->next(source, &op, err) > 0) {
		if (op.kind == OP_HIBERNATE)
			inject_arm(n, false);
		result = runner_step(r, &op, err);
		if (op.kind == OP_HIBERNATE)
			inject_disarm(refused);
	}
	if (result == RUNNER_OK)
		result = runner_finish(r, err);
	runner_destroy(r);
	source->close(source);
	return result;
}

static void failed_hibernation(void **state)
{
	unsigned int resumes_failed = 0;
	uint64_t refused = 1;

	(void)state;
	/* Somebody else injects already. */
	if (getenv("RMAP_OOM") || getenv("RMAP_OOM_RATE"))
		skip();
	assert_true(inject_open());
	for (uint64_t n = 1; refused; n++) {
		char err[OPS_ERR_SIZE] = "";
		enum runner_result result = hibernate_without(n, &refused, err);

		if (!refused)
			assert_int_equal(result, RUNNER_OK);
		resumes_failed += strstr(err, "the image cannot be resumed: ENOMEM") != NULL;
		assert_true(result == RUNNER_OK || err[0]);
	}
	assert_true(resumes_failed > 5);
}

/* ---------------------------------------------------------------- a source of one's own */

struct list_source {
	struct op_source source;
	struct op ops[8];
	unsigned int nr, at;
};

static int list_next(struct op_source *source, struct op *op, char err[OPS_ERR_SIZE])
{
	struct list_source *list = (struct list_source *)(void *)source;

	(void)err;
	if (list->at == list->nr)
		return 0;
	*op = list->ops[list->at++];
	return 1;
}

static struct op *add(struct list_source *list, enum op_kind kind)
{
	struct op *op = &list->ops[list->nr++];

	op_init(op, kind);
	op->proc = 5;
	return op;
}

/* Results are imposed; what does not fit is counted, and the run goes on. */
static void imposed(void **state)
{
	struct list_source list = {
		.source = { .name = "list", .kind = "record", .tolerant = true, .next = list_next }
	};
	struct runner_options options = { .seed = 1, .frames = 256 };
	char err[OPS_ERR_SIZE] = "";
	struct mm_page_info info;
	struct runner *r;
	struct op *op, next;

	(void)state;
	add(&list, OP_NEW);
	op = add(&list, OP_MMAP);
	op->len = 2 * PAGE;
	op->prot = MM_PROT_READ | MM_PROT_WRITE;
	op->flags = MM_MAP_PRIVATE | MM_MAP_ANONYMOUS;
	op->impose = true;
	op->result = 0x70000000;
	list.ops[list.nr] = *op; /* again: it is taken */
	list.nr++;
	op = add(&list, OP_WRITE);
	op->addr.off = 0x70000000;
	op = add(&list, OP_MREMAP);
	op->addr.off = 0x70000000;
	op->len = op->new_len = 2 * PAGE;
	op->flags = MM_MREMAP_MAYMOVE;
	op->impose = true;
	op->result = 0x60000000;
	op = add(&list, OP_READ);
	op->addr.off = 0x70000000; /* nothing there any more */
	op = add(&list, OP_READ);
	op->proc = 99; /* nobody */
	assert_int_equal(runner_create(&options, &list.source, &r, err), 0);
	while (list.source.next(&list.source, &next, err) > 0)
		assert_int_equal(runner_step(r, &next, err), RUNNER_OK);
	assert_int_equal(runner_misfits(r), 3);
	mm_page_info(runner_mm(r, 5), 0x60000000, &info);
	assert_int_equal(info.state, MM_PAGE_PRESENT);
	assert_int_equal(runner_finish(r, err), RUNNER_OK);
	runner_destroy(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(stamps),
		cmocka_unit_test(stamps_at_random),
		cmocka_unit_test(patterns),
		cmocka_unit_test(expectations_fail),
		cmocka_unit_test(nonsense),
		cmocka_unit_test(corruption_is_noticed),
		cmocka_unit_test(phantoms),
		cmocka_unit_test(swap_stays_off),
		cmocka_unit_test(failed_hibernation),
		cmocka_unit_test(imposed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
