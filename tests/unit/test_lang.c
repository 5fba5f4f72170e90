// SPDX-License-Identifier: BSD-2-Clause
/*
 * The workload language: what a line becomes, and which sentence a wrong one gets.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "gen.h"
#include "ops.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct op_source *open_text(const char *text)
{
	char err[OPS_ERR_SIZE] = "";
	struct op_source *source = NULL;

	if (lang_open_text("t.rmw", text, strlen(text), &source, err))
		fail_msg("%s", err);
	return source;
}

/* The last operation of a text. */
static struct op last_op(const char *text, struct op_source **source)
{
	char err[OPS_ERR_SIZE] = "";
	struct op op, last;
	int more;

	op_init(&last, OP_NONE);
	*source = open_text(text);
	while ((more = (*source)->next(*source, &op, err)) > 0)
		last = op;
	assert_int_equal(more, 0);
	return last;
}

static void assert_refused(const char *text, const char *sentence)
{
	char err[OPS_ERR_SIZE] = "";
	struct op_source *source;

	if (!lang_open_text("t.rmw", text, strlen(text), &source, err)) {
		source->close(source);
		fail_msg("accepted: %s", text);
	}
	if (!strstr(err, sentence))
		fail_msg("'%s' got '%s', not '%s'", text, err, sentence);
}

/* ---------------------------------------------------------------- what lines become */

static void calls(void **state)
{
	struct op_source *source;
	struct op op;

	(void)state;
	op = last_op("process P\nfile f 4p\nh = P mmap 3p rx shared file=f offset=2p at=0x1000 "
		     "fixed -> ENOMEM\n",
		     &source);
	assert_int_equal(op.kind, OP_MMAP);
	assert_int_equal(op.line, 3);
	assert_int_equal(op.len, 3 * 4096);
	assert_int_equal(op.prot, MM_PROT_READ | MM_PROT_EXEC);
	assert_int_equal(op.flags, MM_MAP_SHARED | MM_MAP_FIXED);
	assert_int_equal(op.offset, 2 * 4096);
	assert_int_equal(op.addr.off, 0x1000);
	assert_int_equal(op.file, 1);
	assert_int_equal(op.outcome, OP_MUST_FAIL);
	assert_int_equal(op.error, RMAP_ENOMEM);
	source->close(source);

	op = last_op("process P\nh = P mmap 1p\nP mremap h-1p+0x10 2K 1M to=h+3p dontunmap -> h+3p",
		     &source);
	assert_int_equal(op.kind, OP_MREMAP);
	assert_int_equal(op.addr.mark, 1);
	assert_int_equal(op.addr.off, (uint64_t)0x10 - 4096);
	assert_int_equal(op.len, 2048);
	assert_int_equal(op.new_len, 1 << 20);
	assert_int_equal(op.flags, MM_MREMAP_MAYMOVE | MM_MREMAP_FIXED | MM_MREMAP_DONTUNMAP);
	assert_int_equal(op.new_addr.off, 3 * 4096);
	assert_int_equal(op.outcome, OP_MUST_BE);
	assert_int_equal(op.want.off, 3 * 4096);
	source->close(source);

	op = last_op("process P\nP write MAX 2p = 7 step -> SEGV_MAPERR", &source);
	assert_int_equal(op.kind, OP_WRITE);
	assert_int_equal(op.addr.off, UINT64_MAX);
	assert_true(op.has_value && op.value_steps);
	assert_int_equal(op.value, 7);
	assert_int_equal(op.outcome, OP_MUST_SIGNAL);
	assert_int_equal(op.error, OP_SEGV_MAPERR);
	source->close(source);

	/* Private and anonymous are what is meant when nothing is said. */
	op = last_op("process P\nP mmap 1p", &source);
	assert_int_equal(op.flags, MM_MAP_PRIVATE | MM_MAP_ANONYMOUS);
	assert_int_equal(op.prot, MM_PROT_READ | MM_PROT_WRITE);
	source->close(source);
	op = last_op("process P\nP mmap 1p flags=0", &source);
	assert_int_equal(op.flags, 0);
	source->close(source);
}

static void layouts(void **state)
{
	struct op_source *source;
	struct op op;

	(void)state;
	op = last_op("process P\nh = P mmap 1p\nexpect layout P exact in h 16p { # two\n"
		     "  h 2p rw private anon faulted pgoff=h\n\n  h+4p 1p none locked offset=3p; "
		     "0x10 1p any\n}\n",
		     &source);
	assert_int_equal(op.kind, OP_EXPECT_LAYOUT);
	assert_int_equal(op.line, 3);
	assert_true(op.exact);
	assert_int_equal(op.len, 16 * 4096);
	assert_int_equal(op.nr_vmas, 3);
	assert_int_equal(op.vmas[0].shared, 0);
	assert_int_equal(op.vmas[0].locked, -1);
	assert_int_equal(op.vmas[0].faulted, 1);
	assert_true(op.vmas[0].anonymous && op.vmas[0].has_pgoff);
	assert_int_equal(op.vmas[1].prot, 0);
	assert_int_equal(op.vmas[1].locked, 1);
	assert_int_equal(op.vmas[1].offset, 3 * 4096);
	assert_true(op.vmas[2].any_prot);
	source->close(source);
}

static void designs(void **state)
{
	struct op_source *source;
	struct op op;

	(void)state;
	op = last_op("process P\n[anon_vma_chain,anon_vma] expect stat P map_count=0", &source);
	assert_true(op_for_design(&op, "anon_vma_chain"));
	assert_true(op_for_design(&op, "anon_vma"));
	assert_false(op_for_design(&op, "anonmm"));
	source->close(source);
	op = last_op("process P\n[!anonmm] expect stat P map_count=0", &source);
	assert_false(op_for_design(&op, "anonmm"));
	assert_true(op_for_design(&op, "anon_vma"));
	source->close(source);
	op = last_op("process P\nexpect stat P map_count=0 rss<=3p brk>=0x1000", &source);
	assert_true(op_for_design(&op, "anonmm"));
	assert_int_equal(op.nr_tests, 3);
	assert_int_equal(op.tests[1].cmp, OP_LE);
	assert_int_equal(op.tests[1].value, 3 * 4096);
	assert_true(op.tests[2].place);
	source->close(source);
}

/* ---------------------------------------------------------------- loops */

static void loops(void **state)
{
	static const char text[] = "process P\nrepeat 3 as i\n  C[i+1] = P fork\n  repeat 2 as j\n"
				   "    C[i+1] write 0x1000+i*16p+2*j*1p = 10*i+j\n  end\nend\n";
	char err[OPS_ERR_SIZE], name[64];
	struct op_source *source = open_text(text);
	struct op op;
	unsigned int n = 0;

	(void)state;
	assert_int_equal(source->config.steps, 1 + 3 * 3);
	assert_int_equal(source->next(source, &op, err), 1);
	for (uint64_t i = 0; i < 3; i++) {
		assert_int_equal(source->next(source, &op, err), 1);
		assert_int_equal(op.kind, OP_FORK);
		snprintf(name, sizeof(name), "C[%u]", (unsigned int)i + 1);
		assert_string_equal(source->proc_name(source, op.target, err, 64), name);
		for (uint64_t j = 0; j < 2; j++, n++) {
			assert_int_equal(source->next(source, &op, err), 1);
			assert_int_equal(op.addr.off, 0x1000 + i * 16 * 4096 + 2 * j * 4096);
			assert_int_equal(op.value, 10 * i + j);
		}
	}
	assert_int_equal(source->next(source, &op, err), 0);
	assert_int_equal(source->next(source, &op, err), 0);
	source->close(source);
}

/* Bombs cost neither memory nor, where nothing is in them, time. */
static void bombs(void **state)
{
	struct op_source *source;
	struct op op;
	char err[OPS_ERR_SIZE];

	(void)state;
	source = open_text("repeat MAX\nrepeat MAX\nrepeat MAX\nend\nend\nend\nprocess P\n");
	assert_int_equal(source->next(source, &op, err), 1);
	assert_int_equal(op.kind, OP_NEW);
	assert_int_equal(source->next(source, &op, err), 0);
	source->close(source);

	source = open_text("repeat 0\nprocess P\nend\n");
	assert_int_equal(source->next(source, &op, err), 0);
	source->close(source);

	source = open_text("repeat 0x10000\nrepeat 0x100000 as i\nreclaim i\nend\nend\n");
	for (uint64_t i = 0; i < 1000; i++) {
		assert_int_equal(source->next(source, &op, err), 1);
		assert_int_equal(op.len, i);
	}
	source->close(source);

	/* An index runs out of its range while running. */
	source = open_text("process P\nrepeat 2 as i\nC[i*1048574] = P fork\nend\n");
	assert_int_equal(source->next(source, &op, err), 1);
	assert_int_equal(source->next(source, &op, err), 1);
	assert_int_equal(source->next(source, &op, err), 1);
	source->close(source);
	source = open_text("process P\nrepeat 2 as i\nC[i*1048575] = P fork\nend\n");
	assert_int_equal(source->next(source, &op, err), 1);
	assert_int_equal(source->next(source, &op, err), 1);
	assert_int_equal(source->next(source, &op, err), -1);
	assert_non_null(strstr(err, "t.rmw:3: an index is larger"));
	source->close(source);
}

/* ---------------------------------------------------------------- wrong ones */

static void refusals(void **state)
{
	static const struct {
		const char *text, *sentence;
	} wrong[] = {
		{ "foo", "t.rmw:1: 'foo' is neither a statement nor the name of a process" },
		{ "\n\nP mmap 1p", "t.rmw:3: 'P' is neither" },
		{ "process P\nP jump", "a process cannot do 'jump'" },
		{ "process P\nP", "a process cannot do nothing" },
		{ "process P\nP munmap heap 1p", "expected an address, found 'heap'" },
		{ "process P\nP munmap 0 99999999999999999999", "larger than 64 bits" },
		{ "process P\nP munmap 0 0xfffffffffffffffffp", "larger than 64 bits" },
		{ "process P\nP munmap 0 99999999999999999p", "larger than 64 bits" },
		{ "process P\nP munmap 0 12q", "is no number" },
		{ "process P\nP munmap 0 0x", "0x is followed by no digit" },
		{ "process P\nP fork", "the result needs a name" },
		{ "process P\nx = P exit", "no result that could have a name" },
		{ "process P\nP = P mmap 1p", "is a process already" },
		{ "process P\nP exit now", "expected the end of the line, found 'now'" },
		{ "process P\nP read 0 -> EINVAL", "expected SEGV_MAPERR" },
		{ "process P\nP munmap 0 1p -> EFOO", "expected an error" },
		{ "process P\nP madvise 0 1p needed", "expected an advice" },
		{ "process P\nP mprotect 0 1p rwr", "expected a protection" },
		{ "process P\nP frame 0", "the result needs a name" },
		{ "process P\nP mincore 0 2p = \"012\"", "a page is 0 or 1" },
		{ "process P\nP write 0 = 0x4000000000000000", "at most 62 bits" },
		{ "process P\nP mmap 1p file=g", "no line above makes a file called 'g'" },
		{ "repeat 3\n", "t.rmw:1: this 'repeat' has no 'end'" },
		{ "end", "'end' without 'repeat'" },
		{ "process P\nrepeat MAX\ncheck\nend",
		  "t.rmw:3: with this, the loops come to more than 2^36 operations" },
		{ "repeat 0x10000\nrepeat 0x100000\ncheck\nend\nend\ncheck",
		  "t.rmw:6: with this, the loops come to more than 2^36 operations" },
		{ "repeat 1\nrepeat 1\nrepeat 1\nrepeat 1\nrepeat 1\nrepeat 1\nrepeat 1\nrepeat "
		  "1\nrepeat 1",
		  "more than 8 loops" },
		{ "repeat 2 as i\nreclaim i*i\nend", "cannot be multiplied" },
		{ "repeat 2 as i\nrepeat i\nend\nend", "a loop's variable cannot stand here" },
		{ "phase \"x", "no closing quote" },
		{ "phase \"\x01\"", "holds the byte 0x01" },
		{ "phase x", "expected the phase's name in quotes" },
		{ "\x7f"
		  "ELF",
		  "the byte 0x7f means nothing here" },
		{ "process P ? 3", "'?' means nothing here" },
		{ "process P\nconfig frames=100", "config must stand before" },
		{ "config frames=1", "it must be from 64" },
		{ "config frames=99999999999999", "it must be from 64" },
		{ "config fault_around=5000", "power of two" },
		{ "config overcommit=often", "guess, always or never" },
		{ "config colour=3", "config knows no 'colour'" },
		{ "process P\nexpect", "expected layout, shared" },
		{ "process P\nexpect not stat P rss=0", "'not' cannot stand before 'stat'" },
		{ "process P\n[best] expect stat P rss=0", "the name of a design" },
		{ "process P\n[anonmm] P exit", "expected 'expect'" },
		{ "process P\nexpect stat P rss~0", "'~' means nothing" },
		{ "process P\nexpect stat P size=0", "expected a figure of a process" },
		{ "process P\nexpect layout P { 0 1p rw", "the layout of line 2 has no '}'" },
		{ "process P\nexpect layout P { 0 1p rw green }",
		  "expected an attribute of a VMA" },
		{ "process P\nexpect page P 0", "expected a state or a property" },
		{ "process P[99999999]", "an index is larger" },
		{ "process P\nP[0", "expected ']'" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		assert_refused(wrong[i].text, wrong[i].sentence);
}

static void bounds(void **state)
{
	char err[OPS_ERR_SIZE];
	struct op_source *source;
	size_t size = 5u << 20;
	char *text = malloc(size);

	(void)state;
	assert_non_null(text);
	memset(text, '\n', size);
	assert_int_equal(lang_open_text("t.rmw", text, size, &source, err), -1);
	assert_non_null(strstr(err, "larger than 4 MiB"));
	/* One line of numbers without an end. */
	memset(text, '1', size);
	for (size_t i = 1; i < 4u << 20; i += 2)
		text[i] = ' ';
	assert_int_equal(lang_open_text("t.rmw", text, 4u << 20, &source, err), -1);
	assert_non_null(strstr(err, "words"));
	/* Statements without an end. */
	for (size_t i = 0; i + 8 <= size; i += 8)
		for (size_t j = 0; j < 8; j++)
			text[i + j] = "balance\n"[j];
	assert_int_equal(lang_open_text("t.rmw", text, 4u << 20, &source, err), -1);
	assert_non_null(strstr(err, "more than 100000 statements"));
	free(text);
}

static void places(void **state)
{
	struct op_source *source = open_text("process P\nh = P mmap 4p\n");
	char err[OPS_ERR_SIZE];
	struct op_addr addr;
	uint64_t proc;

	(void)state;
	assert_int_equal(source->place(source, "P h+2p", &proc, &addr, err), 0);
	assert_int_equal(addr.mark, 1);
	assert_int_equal(addr.off, 8192);
	assert_int_equal(source->place(source, "P: 0x1000", &proc, &addr, err), 0);
	assert_int_equal(source->place(source, "Q h", &proc, &addr, err), -1);
	assert_int_equal(source->place(source, "P h h", &proc, &addr, err), -1);
	assert_int_equal(source->place(source, "", &proc, &addr, err), -1);
	source->close(source);
}

/* ---------------------------------------------------------------- generators */

static void generator_names(void **state)
{
	static const struct {
		const char *spec, *sentence;
	} wrong[] = {
		{ "fork-cows", "there is no such generator" },
		{ "fork-cow:childs=3", "there is no parameter 'childs'" },
		{ "fork-cow:children", "not of the form" },
		{ "fork-cow:children=0", "must be a number from 1" },
		{ "fork-cow:children=99999999999999999999999", "must be a number from 1" },
		{ "fork-cow:children=-1", "must be a number" },
		{ "fork-cow:children=3,", "not of the form" },
	};
	char err[OPS_ERR_SIZE];
	struct op_source *source;

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		assert_int_equal(source_open(wrong[i].spec, &source, err), -1);
		if (!strstr(err, wrong[i].sentence))
			fail_msg("'%s' got '%s'", wrong[i].spec, err);
	}
	assert_int_equal(source_open("/nonexistent/x.rmw", &source, err), -1);
	assert_int_equal(source_open("/tmp", &source, err), -1);
	assert_int_equal(source_open("/nonexistent/x.rmrec", &source, err), -1);
}

/* Every generator ends, says about how long it is, and says the same twice. */
static void generator_steps(void **state)
{
	char err[OPS_ERR_SIZE];

	(void)state;
	for (unsigned int g = 0; generators[g]; g++) {
		struct op_source *a, *b;
		uint64_t n = 0;
		struct op x, y;

		assert_int_equal(source_open(generators[g]->name, &a, err), 0);
		assert_int_equal(source_open(generators[g]->name, &b, err), 0);
		while (a->next(a, &x, err) > 0) {
			assert_int_equal(b->next(b, &y, err), 1);
			assert_int_equal(x.kind, y.kind);
			assert_int_equal(x.addr.off, y.addr.off);
			assert_int_equal(x.len, y.len);
			n++;
		}
		assert_int_equal(b->next(b, &y, err), 0);
		assert_true(n + 8 >= a->config.steps && n <= a->config.steps + 8);
		assert_true(a->config.frames >= 64);
		a->close(a);
		b->close(b);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(calls),	   cmocka_unit_test(layouts),
		cmocka_unit_test(designs),	   cmocka_unit_test(loops),
		cmocka_unit_test(bombs),	   cmocka_unit_test(refusals),
		cmocka_unit_test(bounds),	   cmocka_unit_test(places),
		cmocka_unit_test(generator_names), cmocka_unit_test(generator_steps),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
