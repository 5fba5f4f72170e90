// SPDX-License-Identifier: BSD-2-Clause
/*
 * The layer that measures a design, and the choice of pages that are walked from.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "compare.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PAGE 4096u

/* ---------------------------------------------------------------- ratios */

static void ratios(void **state)
{
	double values[200] = { 0 };
	struct compare_ratio r = compare_ratio(values, 0);

	(void)state;
	assert_int_equal(r.walks, 0);
	assert_true(r.mean == 0 && r.max == 0);
	for (unsigned int i = 0; i < 200; i++)
		values[i] = 200 - i; /* 200 … 1 */
	r = compare_ratio(values, 200);
	assert_true(r.mean == 100.5);
	assert_true(r.p99 == 198);
	assert_true(r.max == 200);
	values[0] = 7;
	r = compare_ratio(values, 1);
	assert_true(r.mean == 7 && r.p99 == 7 && r.max == 7);
}

/* ---------------------------------------------------------------- the layer */

/* A design that takes so many instructions for an event and knows what it was told. */
static unsigned int spins = 1;
static unsigned int calls[8];

static void work(void)
{
	for (volatile unsigned int i = 0; i < spins; i++)
		;
}

static int fake_vma_fork(struct rmap *rmap, struct rmap_vma *dst, struct rmap_vma *src)
{
	(void)rmap;
	(void)dst;
	(void)src;
	calls[0]++;
	work();
	return RMAP_ENOMEM;
}

static void fake_page_map(struct rmap *rmap, struct rmap_page *const *pages, unsigned int nr,
			  struct rmap_vma *vma, uint64_t addr, void *pte, unsigned int flags,
			  struct rmap_reserve *reserve)
{
	(void)rmap;
	(void)vma;
	(void)reserve;
	assert_ptr_equal(pte, &calls);
	assert_int_equal(addr, 0x5000);
	assert_int_equal(flags, RMAP_MAP_EXCLUSIVE);
	assert_non_null(pages);
	calls[1] += nr;
	work();
}

static int fake_walk(struct rmap *rmap, struct rmap_page *page, struct rmap_walk_state *state)
{
	(void)rmap;
	(void)page;
	(void)state;
	calls[2]++;
	work();
	return RMAP_EAGAIN;
}

static const struct rmap_ops fake = {
	.name = "fake",
	.vma_fork = fake_vma_fork,
	.page_map = fake_page_map,
	.walk = fake_walk,
};

static void forward(struct rmap *rmap, unsigned int n)
{
	struct rmap_page page = { 0 }, *pages = &page;
	struct rmap_vma vma = { 0 };

	for (unsigned int i = 0; i < n; i++) {
		assert_int_equal(rmap->ops->vma_fork(rmap, &vma, &vma), RMAP_ENOMEM);
		rmap->ops->page_map(rmap, &pages, 1, &vma, 0x5000, &calls, RMAP_MAP_EXCLUSIVE,
				    NULL);
	}
}

/* Each event arrives, with its arguments and its result, and is counted where it belongs. */
static void layer_forwards(void **state)
{
	struct timed *t = timed_new(&fake);
	struct rmap rmap = { .ops = timed_ops(t) };
	struct rmap_mm parent = { 0 }, child = { 0 };

	(void)state;
	memset(calls, 0, sizeof(calls));
	assert_string_equal(rmap.ops->name, "fake");
	assert_null(rmap.ops->page_new);
	assert_null(rmap.ops->reserve);
	forward(&rmap, 3);
	assert_int_equal(calls[0], 3);
	assert_int_equal(calls[1], 3);
	assert_int_equal(timed_class_sum(t, TIMED_MAP).events, 3);
	assert_int_equal(timed_class_sum(t, TIMED_FORK).events, 3);

	/* In a fork it is the fork's. */
	assert_int_equal(rmap.ops->mm_fork_begin(&rmap, &child, &parent), RMAP_OK);
	forward(&rmap, 2);
	rmap.ops->mm_fork_end(&rmap, &child, &parent, true);
	forward(&rmap, 1);
	assert_int_equal(timed_class_sum(t, TIMED_MAP).events, 4);
	assert_int_equal(timed_class_sum(t, TIMED_FORK).events, 3 + 4 + 1);
	assert_int_equal(timed_event_sum(t, TIMED_PAGE_MAP).events, 6);
	assert_int_equal(timed_event_sum(t, TIMED_PAGE_NEW).events, 0);
	assert_int_equal(timed_class_sum(t, TIMED_CLASSES).events, 12);
	timed_free(t);
}

/* Twice the work is about twice the instructions, also where only a sample was counted; and nothing is about nothing. */
static void layer_measures(void **state)
{
	static const unsigned int work_of[3] = { 0, 1000, 2000 };
	double instructions[3], ns[3];

	(void)state;
	for (unsigned int i = 0; i < 3; i++) {
		struct timed *t = timed_new(&fake);
		struct rmap rmap = { .ops = timed_ops(t) };
		struct timed_sum sum;

		spins = work_of[i];
		forward(&rmap, 2000);
		sum = timed_event_sum(t, TIMED_PAGE_MAP);
		instructions[i] = timed_counts_instructions(t) ? sum.instructions / 2000 : -1;
		ns[i] = sum.ns / 2000;
		timed_free(t);
	}
	spins = 1;
	/* Somebody else may have had the processor meanwhile: nothing can be said but that it takes time. */
	assert_true(ns[2] > 0);
	if (instructions[0] < 0)
		return; /* no counter on this machine */
	/* The layer's own, less than a tenth of the work; a sanitizer's come on top of both. */
	assert_true(instructions[0] * 10 < instructions[1]);
	assert_true(instructions[2] - instructions[0] > 1.6 * (instructions[1] - instructions[0]));
	assert_true(instructions[2] - instructions[0] < 2.4 * (instructions[1] - instructions[0]));
}

static void *idle(void *arg)
{
	return arg;
}

static double instructions_of_500(bool second_thread)
{
	struct timed *t = timed_new(&fake);
	struct rmap rmap = { .ops = timed_ops(t) };
	struct timed_sum sum;
	pthread_t thread;

	/* The layer is calibrated before a machine with its threads is there. */
	if (second_thread) {
		assert_int_equal(pthread_create(&thread, NULL, idle, NULL), 0);
		pthread_join(thread, NULL);
	}
	forward(&rmap, 500);
	sum = timed_event_sum(t, TIMED_VMA_FORK);
	timed_free(t);
	return sum.instructions / 500;
}

/* What is taken off each event does not depend on there being a second thread. */
static void layer_with_threads(void **state)
{
	double alone = instructions_of_500(false), beside = instructions_of_500(true);

	(void)state;
#ifdef __SANITIZE_THREAD__
	/* ThreadSanitizer's own instructions do depend on it, and are far more than what is measured. */
	assert_true(alone >= 0 && beside >= 0);
#else
	assert_true(beside < alone + 10 && alone < beside + 10);
#endif
}

/* Walks by the checker are nobody's, those from outside apart. */
static void layer_walks(void **state)
{
	static const struct rmap_port port;
	struct timed *t = timed_new(&fake);
	struct rmap rmap;
	struct rmap_page page = { .mapping = RMAP_MAPPING_ANON, .mapcount = 1 };
	struct rmap_walk walk = { .purpose = RMAP_WALK_REFERENCE };

	(void)state;
	memset(calls, 0, sizeof(calls));
	assert_int_equal(rmap_init(&rmap, timed_ops(t), &port), 0);
	assert_int_equal(rmap_walk(&rmap, &page, &walk), RMAP_EAGAIN);
	walk.purpose = RMAP_WALK_PROBE;
	assert_int_equal(rmap_walk(&rmap, &page, &walk), RMAP_EAGAIN);
	walk.flags = RMAP_WALK_CHECK;
	assert_int_equal(rmap_walk(&rmap, &page, &walk), RMAP_EAGAIN);
	assert_int_equal(calls[2], 3);
	assert_int_equal(timed_event_sum(t, TIMED_WALK).events, 1);
	assert_int_equal(timed_event_sum(t, TIMED_PROBE).events, 1);
	assert_int_equal(timed_class_sum(t, TIMED_CLASSES).events, 1);
	assert_int_equal(timed_class_sum(t, TIMED_WALKS).events, 1);
	timed_free(t);
}

/* ---------------------------------------------------------------- which pages */

static void run(struct compare *c, struct compare_design *d, const char *text)
{
	char err[OPS_ERR_SIZE] = "";
	struct op_source *source;
	struct timed *t = timed_new(d->ops);
	struct runner *r;
	struct op op;

	c->options.ops = timed_ops(t);
	if (lang_open_text("t.rmw", text, strlen(text), &source, err) ||
	    runner_create(&c->options, source, &r, err))
		fail_msg("%s", err);
	while (source->next(source, &op, err) > 0) {
		if (runner_step(r, &op, err) != RUNNER_OK)
			fail_msg("%s", err);
		compare_sample_bytes(d, r);
	}
	assert_true(compare_probe(c, d, r, "all"));
	runner_destroy(r);
	source->close(source);
	timed_free(t);
}

static void release(struct compare_design *d)
{
	for (unsigned int pass = 0; pass < COMPARE_PASSES; pass++) {
		free(d->pool[pass].looks);
		free(d->pool[pass].steps);
	}
}

/*
 *   P      |1|2|3|…|40|    all shared with C0…C3, but for two that C0 wrote
 */
static const char family[] = "process P\nheap = P mmap 40p rw\nP write heap 40p\nrepeat 4 as i\n"
			     "C[i] = P fork\nend\nC[0] write heap 2p\nP mmap 100p rw\n";

static void pages_are_the_same(void **state)
{
	struct compare c = { .options = { .seed = 1 }, .probes = 1000 };
	static struct compare_design all, again, few;

	(void)state;
	all.ops = again.ops = few.ops = rmap_designs[0];
	run(&c, &all, family);
	/* 42 pages are there: each once, however often it is mapped. 38 × 5 + 2 × 4 + 2 PTEs. */
	assert_int_equal(all.nr_phases, 1);
	assert_int_equal(all.phase[0].pages, 42);
	assert_int_equal(all.phase[0].pass[COMPARE_SECOND].found, 200);
	assert_int_equal(all.phase[0].pass[COMPARE_FULL].found, 200);
	assert_int_equal(all.pool[COMPARE_FULL].nr, 42);
	assert_int_equal(all.pool[COMPARE_FULL].missed, 0);

	c.probes = 10;
	run(&c, &few, family);
	assert_int_equal(few.phase[0].pages <= 10, 1);
	assert_true(few.phase[0].pages >= 1);
	run(&c, &again, family);
	assert_memory_equal(&few.phase[0], &again.phase[0], sizeof(few.phase[0]));
	assert_true(few.phase[0].layout == all.phase[0].layout);
	release(&all);
	release(&few);
	release(&again);
}

static void layouts_differ(void **state)
{
	struct compare c = { .options = { .seed = 1 }, .probes = 0 };
	static struct compare_design a, b;

	(void)state;
	a.ops = b.ops = rmap_designs[0];
	run(&c, &a, "process P\nP mmap 4p rw\n");
	run(&c, &b, "process P\nP mmap 4p r\n");
	assert_true(a.phase[0].layout != b.phase[0].layout);
	assert_int_equal(a.phase[0].pages, 0);
}

/* The peak is behind the fork, not at the end. */
static void bytes_at_the_peak(void **state)
{
	struct compare c = { .options = { .seed = 1 }, .probes = 0 };
	static struct compare_design d;
	struct rmap_design_bytes each;

	(void)state;
	d.ops = rmap_design_by_name("anon_vma_chain");
	each = rmap_design_bytes(d.ops);
	run(&c, &d,
	    "process P\nheap = P mmap 8p rw\nP write heap 8p\nC = P fork\nC write heap 8p\nC "
	    "exit\n");
	assert_int_equal(d.peak.nr_mms, 2);
	assert_int_equal(d.peak.nr_vmas, 2);
	assert_int_equal(d.peak.nr_pages, 16);
	assert_int_equal(d.peak.page, 16 * each.page);
	assert_int_equal(d.peak.vma, 2 * each.vma);
	/* Two anon_vmas; one chain object for the parent, two for the child. */
	assert_int_equal(d.objects_peak, 5);
	assert_int_equal(d.peak.total,
			 d.peak.objects + d.peak.page + d.peak.vma + d.peak.mm + d.peak.slot);
	assert_true(d.peak.objects > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ratios),	  cmocka_unit_test(layer_forwards),
		cmocka_unit_test(layer_measures), cmocka_unit_test(layer_with_threads),
		cmocka_unit_test(layer_walks),	  cmocka_unit_test(pages_are_the_same),
		cmocka_unit_test(layouts_differ), cmocka_unit_test(bytes_at_the_peak),
	};

	return cmocka_run_group_tests_name("compare", tests, NULL, NULL);
}
