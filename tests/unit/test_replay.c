// SPDX-License-Identifier: BSD-2-Clause
/*
 * Replay of records: what the record says is what the engine then has.
 *
 * The shipped records are replayed beside their re-enactment on plain intervals, which equals the
 * recording kernel's layouts (rmap record --verify): whenever a process ends, the engine's VMAs must
 * be the same ranges with the same rights. Once with memory for everything, once with little.
 */
#include "record_sim.h"
#include "replay.h"
#include "rmrec.h"
#include "runner.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define PAGE 4096ull

struct stretch {
	uint64_t start, end;
	uint32_t prot;
	bool shared;
};

struct layout {
	struct stretch v[4096];
	size_t nr;
};

/* VMAs that touch and are alike are one stretch: when they merge is not what is compared. */
static void add(struct layout *l, struct stretch s)
{
	struct stretch *last = l->nr ? &l->v[l->nr - 1] : NULL;

	if (last && last->end == s.start && last->prot == s.prot && last->shared == s.shared) {
		last->end = s.end;
		return;
	}
	assert_true(l->nr < sizeof(l->v) / sizeof(l->v[0]));
	l->v[l->nr++] = s;
}

static void add_engine(const struct mm_vma_info *vma, void *arg)
{
	add(arg, (struct stretch){ vma->start, vma->end, vma->prot & 7, vma->shared });
}

static void compare(struct runner *r, const struct rec_sim *sim, uint32_t proc)
{
	static struct layout engine, wanted;
	struct mm *mm = runner_mm(r, (uint64_t)proc + 1);
	size_t nr;
	const struct rec_sim_vma *v = rec_sim_layout(sim, proc, &nr);

	assert_non_null(mm);
	engine.nr = wanted.nr = 0;
	mm_for_each_vma(mm, add_engine, &engine);
	for (size_t i = 0; i < nr; i++)
		add(&wanted, (struct stretch){ v[i].start, v[i].end, v[i].prot,
					       v[i].vma_flags & RMREC_V_SHARED });
	assert_int_equal(engine.nr, wanted.nr);
	for (size_t i = 0; i < wanted.nr; i++) {
		assert_int_equal(engine.v[i].start, wanted.v[i].start);
		assert_int_equal(engine.v[i].end, wanted.v[i].end);
		assert_int_equal(engine.v[i].prot, wanted.v[i].prot);
		assert_int_equal(engine.v[i].shared, wanted.v[i].shared);
	}
}

/* Re-enacts up to the next end of a process, and says whose; that event itself is left to come. */
static uint32_t sim_to_exit(struct rmrec *record, struct rec_sim *sim)
{
	struct rmrec_event ev;

	while (rmrec_next(record, &ev) == 1) {
		if (ev.kind == RMREC_EXIT)
			return ev.proc;
		assert_int_equal(rec_sim_event(sim, &ev), 0);
	}
	fail_msg("the record has fewer ends than its replay");
	return 0;
}

static void replay_and_compare(const char *name, uint64_t frames)
{
	struct runner_options options = {
		.frames = frames, .swap_slots = 65536, .has_swap = true, .check = true
	};
	char path[4096], err[OPS_ERR_SIZE] = "", sentence[RMREC_ERR_SIZE];
	struct op_source *source;
	struct rec_sim *sim = rec_sim_new(PAGE);
	struct rmrec *record;
	struct runner *r;
	unsigned int ends = 0;
	struct op op;
	int ret;

	assert_non_null(sim);
	snprintf(path, sizeof(path), "%s/workloads/records/%s.rmrec", RMAP_SOURCE_DIR, name);
	assert_int_equal(rmrec_open(path, &record, sentence), 0);
	assert_int_equal(source_open(path, &source, err), 0);
	assert_int_equal(runner_create(&options, source, &r, err), 0);
	while ((ret = source->next(source, &op, err)) == 1) {
		if (op.kind == OP_EXIT) {
			uint32_t proc = sim_to_exit(record, sim);
			struct rmrec_event end = { .kind = RMREC_EXIT, .proc = proc };

			assert_int_equal(op.proc, proc + 1);
			compare(r, sim, proc);
			assert_int_equal(rec_sim_event(sim, &end), 0);
			ends++;
		}
		if (runner_step(r, &op, err) != RUNNER_OK)
			fail_msg("%s", err);
	}
	assert_int_equal(ret, 0);
	if (runner_finish(r, err) != RUNNER_OK)
		fail_msg("%s", err);
	assert_int_equal(ends, rmrec_info(record)->nr_procs);
	assert_int_equal(runner_misfits(r), 0);
	runner_destroy(r);
	source->close(source);
	rmrec_close(record);
	rec_sim_free(sim);
}

static void shipped_records(void **state)
{
	(void)state;
	replay_and_compare("redis", 65536);
	replay_and_compare("postgres", 65536);
	replay_and_compare("compile", 65536);
}

static void shipped_records_in_little_memory(void **state)
{
	(void)state;
	replay_and_compare("redis", 5000);
	replay_and_compare("postgres", 3000);
	replay_and_compare("compile", 2000);
}

/* -- what does not fit is counted, and only that ------------------------------------------------- */

#define A     0x10000000ull
#define STACK 0x7ffffff00000ull

/*
 * A 16 pages rw; a break at 20000; the stack.
 */
static const struct rmrec_event begin[] = {
	{ .kind = RMREC_EXEC, .count = 2, .addr = 0x20000, .file = 1 },
	{ .kind = RMREC_VMA, .addr = 0x10000, .len = 4 * PAGE, .prot = 5, .file = 1 },
	{ .kind = RMREC_VMA,
	  .addr = STACK - 4 * PAGE,
	  .len = 4 * PAGE,
	  .prot = 3,
	  .vma_flags = RMREC_V_GROWSDOWN },
	{ .kind = RMREC_MMAP, .len = 16 * PAGE, .prot = 3, .flags = 0x22, .result = A },
	{ .kind = RMREC_BRK, .addr = 0, .result = 0x20000 },
	{ .kind = RMREC_BRK, .addr = 0x23000, .result = 0x23000 },
};

static uint64_t misfits_of(const struct rmrec_event *events, size_t nr)
{
	struct rmrec_writer *w = rmrec_writer_new(PAGE);
	struct runner_options options = { .frames = 1024, .check = true, .check_every = 1 };
	char err[OPS_ERR_SIZE] = "";
	struct op_source *source;
	struct runner *r;
	uint64_t misfits;
	struct op op;
	void *bytes;
	size_t size;

	assert_non_null(w);
	assert_int_equal(rmrec_add_file(w, "/bin/true", 1, 2), 1);
	rmrec_file_size(w, 1, 4 * PAGE);
	for (size_t i = 0; i < sizeof(begin) / sizeof(begin[0]); i++)
		assert_int_equal(rmrec_put(w, &begin[i]), 0);
	for (size_t i = 0; i < nr; i++)
		assert_int_equal(rmrec_put(w, &events[i]), 0);
	assert_int_equal(rmrec_finish_mem(w, &(struct rmrec_info){ .time = 0 }, &bytes, &size), 0);
	rmrec_writer_free(w);
	assert_int_equal(replay_open_mem("a test", bytes, size, &source, err), 0);
	assert_int_equal(runner_create(&options, source, &r, err), 0);
	while (source->next(source, &op, err) == 1) {
		if (runner_step(r, &op, err) != RUNNER_OK)
			fail_msg("%s", err);
	}
	assert_int_equal(runner_finish(r, err), RUNNER_OK);
	misfits = runner_misfits(r);
	runner_destroy(r);
	source->close(source);
	free(bytes);
	return misfits;
}

static void what_fits(void **state)
{
	static const struct rmrec_event events[] = {
		{ .kind = RMREC_FAULT, .addr = 0x11000, .fault = RMREC_F_EXEC },
		{ .kind = RMREC_FAULT, .addr = A, .fault = RMREC_F_WRITE },
		{ .kind = RMREC_FAULT, .addr = 0x22000, .fault = RMREC_F_WRITE },
		{ .kind = RMREC_FAULT, .addr = STACK - 100 * PAGE, .fault = RMREC_F_WRITE },
		{ .kind = RMREC_FAULT, .addr = 0x700000000000, .fault = RMREC_F_DENIED },
		{ .kind = RMREC_MADVISE, .addr = A, .len = PAGE, .flags = 14 }, /* huge pages */
		{ .kind = RMREC_MADVISE, .addr = A, .len = PAGE, .flags = 4 },
		{ .kind = RMREC_MPROTECT, .addr = A, .len = 0x100 * PAGE, .prot = 3, .error = 12 },
		{ .kind = RMREC_MUNMAP, .addr = A + 1, .len = PAGE, .error = 22 },
		{ .kind = RMREC_MMAP, .len = PAGE, .prot = 1, .flags = 2, .error = 9 },
		{ .kind = RMREC_MREMAP,
		  .addr = A + 8 * PAGE,
		  .len = 8 * PAGE,
		  .new_len = 9 * PAGE,
		  .flags = 1,
		  .result = 0x20000000 },
		{ .kind = RMREC_FORK, .child = 1 },
		{ .kind = RMREC_SHARE, .proc = 1, .child = 2 },
		{ .kind = RMREC_EXEC, .proc = 2, .count = 1, .addr = 0x50000 },
		{ .kind = RMREC_VMA, .proc = 2, .addr = 0x40000, .len = PAGE, .prot = 3 },
		{ .kind = RMREC_FAULT, .proc = 2, .addr = 0x40000, .fault = RMREC_F_WRITE },
		{ .kind = RMREC_FAULT, .proc = 1, .addr = 0x20008000, .fault = RMREC_F_WRITE },
		{ .kind = RMREC_MLOCK, .addr = 0x20000000, .len = 9 * PAGE },
		{ .kind = RMREC_MUNLOCK, .addr = 0x20000000, .len = 9 * PAGE },
		{ .kind = RMREC_MLOCKALL, .flags = 1 },
		{ .kind = RMREC_MUNLOCKALL },
		{ .kind = RMREC_MSYNC, .addr = 0x10000, .len = PAGE, .flags = 4 },
		{ .kind = RMREC_EXIT },
		{ .kind = RMREC_EXIT, .proc = 2 },
		{ .kind = RMREC_EXIT, .proc = 1 },
	};

	(void)state;
	assert_int_equal(misfits_of(events, sizeof(events) / sizeof(events[0])), 0);
}

static void what_does_not_fit(void **state)
{
	static const struct rmrec_event events[] = {
		{ .kind = RMREC_FAULT, .addr = 0x700000000000 },
		{ .kind = RMREC_FAULT, .addr = 0x10000, .fault = RMREC_F_WRITE },
		{ .kind = RMREC_FAULT, .addr = A, .fault = RMREC_F_EXEC },
		{ .kind = RMREC_FAULT, .addr = UINT64_MAX & ~(PAGE - 1) },
		{ .kind = RMREC_MMAP, .len = PAGE, .prot = 3, .flags = 0x22, .result = A },
		{ .kind = RMREC_MMAP, .len = UINT64_MAX, .prot = 3, .flags = 0x22, .result = PAGE },
		{ .kind = RMREC_MUNMAP, .addr = A + 1, .len = PAGE },
		{ .kind = RMREC_MPROTECT, .addr = A, .len = 17 * PAGE, .prot = 3 },
		{ .kind = RMREC_MREMAP,
		  .addr = A,
		  .len = PAGE,
		  .new_len = PAGE << 50,
		  .flags = 1,
		  .result = 0x20000000 },
		{ .kind = RMREC_MADVISE, .addr = 0, .len = PAGE, .flags = 4 },
		{ .kind = RMREC_BRK, .addr = UINT64_MAX, .result = UINT64_MAX },
		{ .kind = RMREC_MLOCK, .addr = 0x600000000000, .len = PAGE },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(events) / sizeof(events[0]); i++) {
		if (misfits_of(&events[i], 1) != 1)
			fail_msg("event %zu was taken for a good one", i);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_fits),
		cmocka_unit_test(what_does_not_fit),
		cmocka_unit_test(shipped_records),
		cmocka_unit_test(shipped_records_in_little_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
