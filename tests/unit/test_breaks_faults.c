// SPDX-License-Identifier: BSD-2-Clause
/*
 * rmap breaks, from events to sums, without a kernel: what each order of events means, and what is known of processes that /proc has
 * never heard of, from their events alone.
 */
#include "breaks_faults.h"
#include "breaks_index.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <cmocka.h>

#define PAGE   4096ull
#define RW     (PROT_READ | PROT_WRITE)
/* No process has such a number: /proc cannot help. */
#define PARENT 5000001u
#define CHILD  5000002u
#define THREAD 5000003u
#define OTHER  5000009u

#define ANON   0x10000000ull
#define FILE_  0x20000000ull
#define SHARED 0x30000000ull
#define STACK  0x7ffffff00000ull

struct scene {
	struct breaks_modules *modules;
	struct breaks_procs *procs;
	struct breaks_stacks *stacks;
	struct breaks_tally *tally;
	struct breaks_faults *faults;
	uint64_t time;
};

static void tell(struct scene *s, struct breaks_event ev)
{
	s->time += 1000;
	ev.time = s->time;
	assert_int_equal(breaks_faults_event(s->faults, &ev), 0);
}

static void maps(struct scene *s, uint32_t pid, uint64_t start, uint64_t pages, bool shared,
		 const char *name)
{
	tell(s, (struct breaks_event){ .kind = BREAKS_MMAP,
				       .pid = pid,
				       .tid = pid,
				       .mmap = { .addr = start,
						 .len = pages * PAGE,
						 .prot = RW,
						 .shared = shared,
						 .ino = name[0] == '/' && name[1] != '/',
						 .name = name } });
}

static void forks(struct scene *s, uint32_t parent, uint32_t pid, uint32_t tid)
{
	tell(s, (struct breaks_event){
			.kind = BREAKS_FORK, .pid = pid, .tid = tid, .fork = { parent, parent } });
}

static void ends(struct scene *s, uint32_t pid, uint32_t tid)
{
	tell(s, (struct breaks_event){ .kind = BREAKS_EXIT, .pid = pid, .tid = tid });
}

static void writes_by(struct scene *s, uint32_t pid, uint32_t tid, uint64_t addr, uint32_t by)
{
	tell(s, (struct breaks_event){ .kind = BREAKS_WRITE,
				       .pid = pid,
				       .tid = tid,
				       .by = by,
				       .write = { .addr = addr, .ip = 0x400000 } });
}

static void writes(struct scene *s, uint32_t pid, uint64_t addr)
{
	writes_by(s, pid, pid, addr, 0);
}

static void allocates(struct scene *s, uint32_t pid, uint32_t tid, bool zeroed, uint32_t order)
{
	tell(s, (struct breaks_event){
			.kind = BREAKS_ALLOC, .pid = pid, .tid = tid, .alloc = { order, zeroed } });
}

static void uncharges(struct scene *s, uint32_t pid)
{
	tell(s, (struct breaks_event){ .kind = BREAKS_UNCHARGE, .pid = pid, .tid = pid });
}

static void done(struct scene *s, uint32_t pid, uint32_t tid, uint64_t addr)
{
	tell(s, (struct breaks_event){ .kind = BREAKS_DONE, .pid = pid, .tid = tid, .addr = addr });
}

/* copied, from_file, zeroed, unshared, notice, overtaken, refused; since the last time */
static void expect(struct scene *s, const uint64_t n[BREAKS_CLASSES], uint64_t bytes)
{
	for (int i = 0; i < BREAKS_CLASSES; i++)
		assert_int_equal(s->tally->total.n[i], n[i]);
	assert_int_equal(s->tally->total.bytes, bytes);
}

#define EXPECT(s, bytes, ...) expect(s, (const uint64_t[BREAKS_CLASSES]){ __VA_ARGS__ }, bytes)

/*
 * What each test begins with, in the parent:
 *
 *	ANON [ 16 pages rw-p ]   FILE_ [ 4 rw-p /data ]   SHARED [ 4 rw-s /data ]   [ 4 stack ] STACK
 */
static int set_up(void **state, bool everything)
{
	struct scene *s = calloc(1, sizeof(*s));

	if (!s)
		return -1;
	s->modules = breaks_modules_new(false);
	s->procs = breaks_procs_new(s->modules);
	s->stacks = breaks_stacks_new(s->procs, s->modules);
	s->tally = breaks_tally_new(0);
	s->faults = breaks_faults_new(s->procs, s->stacks, s->tally, everything);
	breaks_procs_thread(s->procs, PARENT, PARENT);
	maps(s, PARENT, ANON, 16, false, "//anon");
	maps(s, PARENT, FILE_, 4, false, "/data");
	maps(s, PARENT, SHARED, 4, true, "/data");
	maps(s, PARENT, STACK - 4 * PAGE, 4, false, "[stack]");
	*state = s;
	return 0;
}

static int setup(void **state)
{
	return set_up(state, false);
}

static int setup_everything(void **state)
{
	return set_up(state, true);
}

static int teardown(void **state)
{
	struct scene *s = *state;

	breaks_faults_free(s->faults);
	breaks_tally_free(s->tally);
	breaks_stacks_free(s->stacks);
	breaks_procs_free(s->procs);
	breaks_modules_free(s->modules);
	free(s);
	return 0;
}

static void each_class(void **state)
{
	struct scene *s = *state;

	writes(s, PARENT, ANON);
	done(s, PARENT, PARENT, ANON);
	EXPECT(s, 0, 0, 0, 0, 1);
	writes(s, PARENT, ANON);
	allocates(s, PARENT, PARENT, false, 0);
	done(s, PARENT, PARENT, ANON);
	EXPECT(s, PAGE, 1, 0, 0, 1);
	writes(s, PARENT, FILE_ + 8);
	allocates(s, PARENT, PARENT, false, 0);
	uncharges(s, PARENT);
	done(s, PARENT, PARENT, FILE_ + 8);
	EXPECT(s, 2 * PAGE, 1, 1, 0, 1);
	writes(s, PARENT, ANON + PAGE);
	allocates(s, PARENT, PARENT, true, 0);
	done(s, PARENT, PARENT, ANON + PAGE);
	EXPECT(s, 3 * PAGE, 1, 1, 1, 1);
	/* a file system may allocate for its own purposes: no page of the process */
	writes(s, PARENT, SHARED);
	allocates(s, PARENT, PARENT, false, 0);
	done(s, PARENT, PARENT, SHARED);
	EXPECT(s, 3 * PAGE, 1, 1, 1, 1, 1);
	assert_int_equal(s->tally->broken_bytes, 2 * PAGE);
	assert_int_equal(breaks_broken(&s->tally->total), 2);
	assert_int_equal(breaks_faults_open(s->faults), 0);
}

static void huge_zero_page(void **state)
{
	struct scene *s = *state;

	writes(s, PARENT, ANON);
	allocates(s, PARENT, PARENT, true, 9);
	done(s, PARENT, PARENT, ANON);
	EXPECT(s, 512 * PAGE, 0, 0, 1);
}

/* First touches and system calls allocate, too, but not between a write and its end. */
static void allocations_of_others(void **state)
{
	struct scene *s = *state;

	allocates(s, PARENT, PARENT, true, 0);
	done(s, PARENT, PARENT, ANON + 3 * PAGE);
	writes(s, PARENT, ANON);
	done(s, PARENT, PARENT, ANON);
	allocates(s, PARENT, PARENT, false, 0);
	allocates(s, PARENT, PARENT, false, 0);
	EXPECT(s, 0, 0, 0, 0, 1);
	/* nor are another thread's this one's */
	forks(s, PARENT, PARENT, THREAD);
	writes(s, PARENT, ANON);
	allocates(s, PARENT, THREAD, false, 0);
	done(s, PARENT, THREAD, ANON + 5 * PAGE);
	done(s, PARENT, PARENT, ANON);
	EXPECT(s, 0, 0, 0, 0, 2);
}

static void refused(void **state)
{
	struct scene *s = *state;

	writes(s, PARENT, ANON);
	allocates(s, PARENT, PARENT, false, 0); /* the handler's first touch of its stack */
	done(s, PARENT, PARENT, STACK - 1);
	writes(s, PARENT, ANON); /* again, as it was mapped writable meanwhile */
	done(s, PARENT, PARENT, ANON);
	EXPECT(s, 0, 0, 0, 0, 1, 0, 0, 1);
	/* the handler maps something else there: what ends then is another fault */
	writes(s, PARENT, ANON);
	maps(s, PARENT, ANON, 1, false, "//anon");
	allocates(s, PARENT, PARENT, true, 0);
	done(s, PARENT, PARENT, ANON);
	EXPECT(s, 0, 0, 0, 0, 1, 0, 0, 2);
	/* it dies of it */
	writes(s, PARENT, ANON);
	ends(s, PARENT, PARENT);
	EXPECT(s, 0, 0, 0, 0, 1, 0, 0, 3);
	assert_int_equal(breaks_faults_open(s->faults), 0);
}

static void under_way(void **state)
{
	struct scene *s = *state;

	writes(s, PARENT, ANON);
	assert_int_equal(breaks_faults_open(s->faults), 1);
	EXPECT(s, 0, 0);
}

/* Two threads at one page: both allocate, one is late and frees what it has. */
static void overtaken(void **state)
{
	struct scene *s = *state;

	forks(s, PARENT, PARENT, THREAD);
	forks(s, PARENT, CHILD, CHILD);
	writes_by(s, PARENT, PARENT, ANON + 8, 0);
	writes_by(s, PARENT, THREAD, ANON + 16, 0);
	writes(s, CHILD, ANON + 8); /* the same address, another address space */
	allocates(s, PARENT, PARENT, false, 0);
	allocates(s, PARENT, THREAD, false, 0);
	allocates(s, CHILD, CHILD, false, 0);
	done(s, PARENT, THREAD, ANON + 16);
	done(s, CHILD, CHILD, ANON + 8);
	done(s, PARENT, PARENT, ANON + 8);
	EXPECT(s, 2 * PAGE, 2, 0, 0, 0, 0, 1);
}

/* A task that was found twice tells all twice: as a child, and by its own name. */
static void followed_twice(void **state)
{
	struct scene *s = *state;

	for (int i = 0; i < 3; i++) {
		uint64_t at = ANON + (unsigned int)i * PAGE;

		writes_by(s, PARENT, PARENT, at, 0);
		writes_by(s, PARENT, PARENT, at, 1);
		allocates(s, PARENT, PARENT, false, 0);
		allocates(s, PARENT, PARENT, false, 0);
		done(s, PARENT, PARENT, at);
		done(s, PARENT, PARENT, at);
	}
	EXPECT(s, 3 * PAGE, 3);
	forks(s, PARENT, CHILD, CHILD);
	forks(s, PARENT, CHILD, CHILD);
	assert_int_equal(breaks_procs_nr(s->procs), 2);
}

static void strangers(void **state)
{
	struct scene *s = *state;

	writes(s, OTHER, ANON);
	allocates(s, OTHER, OTHER, false, 0);
	done(s, OTHER, OTHER, ANON);
	forks(s, OTHER, OTHER + 1, OTHER + 1);
	writes(s, OTHER + 1, ANON);
	done(s, OTHER + 1, OTHER + 1, ANON);
	EXPECT(s, 0, 0);
	forks(s, PARENT, CHILD, CHILD);
	writes(s, CHILD, ANON);
	allocates(s, CHILD, CHILD, false, 0);
	done(s, CHILD, CHILD, ANON);
	EXPECT(s, PAGE, 1);
	assert_int_equal(breaks_procs_nr(s->procs), 2);
}

/* -- what is mapped --------------------------------------------------------------------------- */

static const struct breaks_map *at(struct scene *s, uint32_t pid, uint64_t addr)
{
	uint32_t thread = breaks_procs_thread(s->procs, pid, pid);

	return breaks_procs_map(s->procs, breaks_procs_thread_at(s->procs, thread)->proc, addr);
}

static void expect_map(struct scene *s, uint32_t pid, uint64_t addr, uint64_t start, uint64_t end,
		       const char *name)
{
	const struct breaks_map *m = at(s, pid, addr);

	assert_non_null(m);
	assert_int_equal(m->start, start);
	assert_int_equal(m->end, end);
	assert_string_equal(breaks_procs_name(s->procs, m->name), name);
}

/*
 *	ANON [ 16 ]  then over it:   [2]      [1]          [4    ]
 *	ANON                         [ 0..2 ][ 2 ][ 3..8 ][ 8..12 ][ 12..16 ]
 */
static void later_mappings_cover(void **state)
{
	struct scene *s = *state;

	maps(s, PARENT, ANON + 2 * PAGE, 1, false, "/x");
	maps(s, PARENT, ANON + 8 * PAGE, 4, true, "/y");
	expect_map(s, PARENT, ANON, ANON, ANON + 2 * PAGE, "");
	expect_map(s, PARENT, ANON + 2 * PAGE, ANON + 2 * PAGE, ANON + 3 * PAGE, "/x");
	expect_map(s, PARENT, ANON + 3 * PAGE, ANON + 3 * PAGE, ANON + 8 * PAGE, "");
	assert_int_equal(at(s, PARENT, ANON + 3 * PAGE)->pgoff, 3 * PAGE);
	expect_map(s, PARENT, ANON + 11 * PAGE, ANON + 8 * PAGE, ANON + 12 * PAGE, "/y");
	expect_map(s, PARENT, ANON + 15 * PAGE, ANON + 12 * PAGE, ANON + 16 * PAGE, "");
	/* one over all of them, and beyond both ends */
	maps(s, PARENT, ANON - PAGE, 20, false, "[heap]");
	expect_map(s, PARENT, ANON + 9 * PAGE, ANON - PAGE, ANON + 19 * PAGE, "[heap]");
	assert_null(at(s, PARENT, ANON + 19 * PAGE));
	/* an empty one, and one that is the same again */
	maps(s, PARENT, ANON + PAGE, 0, false, "/none");
	maps(s, PARENT, ANON - PAGE, 20, false, "[heap]");
	expect_map(s, PARENT, ANON + 9 * PAGE, ANON - PAGE, ANON + 19 * PAGE, "[heap]");
}

static void children_have_what_parents_had(void **state)
{
	struct scene *s = *state;

	forks(s, PARENT, CHILD, CHILD);
	maps(s, PARENT, ANON, 16, false, "/later");
	expect_map(s, CHILD, ANON, ANON, ANON + 16 * PAGE, "");
	expect_map(s, PARENT, ANON, ANON, ANON + 16 * PAGE, "/later");
	tell(s, (struct breaks_event){ .kind = BREAKS_COMM,
				       .pid = CHILD,
				       .tid = CHILD,
				       .comm = { "program", true } });
	assert_null(at(s, CHILD, ANON));
	assert_string_equal(breaks_procs_at(s->procs, 1)->comm, "program");
}

static void stacks_grow(void **state)
{
	struct scene *s = *state;

	expect_map(s, PARENT, STACK - 40 * PAGE, STACK - 40 * PAGE, STACK, "[stack]");
	assert_null(at(s, PARENT, STACK - 4000 * PAGE));
}

static void numbers_are_used_again(void **state)
{
	struct scene *s = *state;

	forks(s, PARENT, CHILD, CHILD);
	maps(s, CHILD, ANON, 16, false, "/first");
	ends(s, CHILD, CHILD);
	forks(s, PARENT, CHILD, CHILD);
	expect_map(s, CHILD, ANON, ANON, ANON + 16 * PAGE, "");
	assert_int_equal(breaks_procs_nr(s->procs), 3);
	ends(s, CHILD, CHILD);
	/* the same number, now of a thread */
	forks(s, PARENT, PARENT, CHILD);
	writes_by(s, PARENT, CHILD, ANON, 0);
	done(s, PARENT, CHILD, ANON);
	EXPECT(s, 0, 0, 0, 0, 1);
	assert_int_equal(s->tally->vmas[0].proc, 0);
}

/* -- sums ------------------------------------------------------------------------------------- */

static void time_runs_out_of_bins(void **state)
{
	struct breaks_tally *t = breaks_tally_new(1000);
	uint32_t vma = breaks_tally_vma(t, 0, NULL);
	uint64_t sum = 0;

	(void)state;
	for (uint64_t i = 0; i < 10000; i++)
		assert_int_equal(
			breaks_tally_add(t, vma, 0, BREAKS_COPIED, PAGE, 1000 + i * 1000000), 0);
	assert_true(t->bin_ns * BREAKS_BINS >= 10000000000u);
	assert_true(t->bin_ns * BREAKS_BINS / 2 < 10000000000u);
	for (int i = 0; i < BREAKS_BINS; i++)
		sum += t->bins[i];
	assert_int_equal(sum, 10000);
	assert_int_equal(t->bins[0], t->bin_ns / 1000000);
	/* what comes before the beginning, by a clock that is read elsewhere, is of the beginning */
	assert_int_equal(breaks_tally_add(t, vma, 0, BREAKS_COPIED, PAGE, 1), 0);
	assert_int_equal(t->bins[0], t->bin_ns / 1000000 + 1);
	breaks_tally_free(t);
}

static void many_places(void **state)
{
	struct breaks_tally *t = breaks_tally_new(0);
	struct breaks_map map = { .module = BREAKS_NONE };

	(void)state;
	for (int round = 0; round < 2; round++) {
		for (uint32_t i = 0; i < 1000; i++) {
			map.start = i * PAGE;
			map.end = map.start + PAGE;
			assert_int_equal(breaks_tally_vma(t, 7, &map), i);
			for (uint32_t k = 0; k < 5; k++)
				assert_int_equal(breaks_tally_add(t, i, k, BREAKS_ZEROED, PAGE, 0),
						 0);
		}
	}
	assert_int_equal(t->nr_cells, 5000);
	for (size_t i = 0; i < t->nr_cells; i++)
		assert_int_equal(t->cells[i].counts.n[BREAKS_ZEROED], 2);
	assert_int_equal(t->broken_bytes, 0);
	breaks_tally_free(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(each_class, setup, teardown),
		cmocka_unit_test_setup_teardown(huge_zero_page, setup, teardown),
		cmocka_unit_test_setup_teardown(allocations_of_others, setup, teardown),
		cmocka_unit_test_setup_teardown(refused, setup, teardown),
		cmocka_unit_test_setup_teardown(under_way, setup, teardown),
		cmocka_unit_test_setup_teardown(overtaken, setup, teardown),
		cmocka_unit_test_setup_teardown(followed_twice, setup, teardown),
		cmocka_unit_test_setup_teardown(strangers, setup_everything, teardown),
		cmocka_unit_test_setup_teardown(later_mappings_cover, setup, teardown),
		cmocka_unit_test_setup_teardown(children_have_what_parents_had, setup, teardown),
		cmocka_unit_test_setup_teardown(stacks_grow, setup, teardown),
		cmocka_unit_test_setup_teardown(numbers_are_used_again, setup, teardown),
		cmocka_unit_test(time_runs_out_of_bins),
		cmocka_unit_test(many_places),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
