// SPDX-License-Identifier: BSD-2-Clause
/* Write-back: what was written through mappings reaches the store, once; nothing written meanwhile is lost; errors are told. */
#include "faulty_fixture.h"

#include <pthread.h>
#include <string.h>

#include "mm/file.h"
#include "mm/reclaim.h"

#define RW (MM_PROT_READ | MM_PROT_WRITE)

static uint64_t in_store(struct mm_file *file, uint64_t offset)
{
	const struct mm_port *port = testport_port(tp);
	unsigned char page[PAGE];
	uint64_t word;

	assert_int_equal(port->file_read(port->ctx, mm_file_handle(file), offset / PAGE, page), 0);
	memcpy(&word, page + offset % PAGE, sizeof(word));
	return word;
}

/*
 *	dirty, writable  --sync-->  clean, read-only  --write-->  dirty, writable
 *
 * covers: 1.5-8
 */
static void protected_before_written(void **state)
{
	struct mm *p = engine_mm(&e), *q = engine_mm(&e);
	struct mm_file *file = pattern_file(&e, 2, 5);
	uint64_t a = map_with(&e, p, 0, 2, RW, MM_MAP_SHARED, file, 0);
	uint64_t b = map_with(&e, q, 0, 2, RW, MM_MAP_SHARED, file, 0);

	(void)state;
	poke(&e, p, a, 1);
	poke(&e, q, b, 2);
	assert_int_equal(in_store(file, 0), pattern_word(5, 0));
	assert_int_equal(STEP(&e, mm_file_sync(file)), 0);
	assert_int_equal(in_store(file, 0), 2);
	assert_false(page_info(p, a).writable);
	assert_false(page_info(q, b).writable);
	assert_int_equal(memory_of(&e).dirty, 0);
	/* Through the TLBs, too: a write after the sync faults and makes it dirty again. */
	poke(&e, p, a, 3);
	assert_int_equal(memory_of(&e).dirty, 1);
	assert_int_equal(STEP(&e, mm_file_sync(file)), 0);
	assert_int_equal(in_store(file, 0), 3);
	assert_int_equal(counters_of(&e).file_out, 2);
	/* Nothing dirty: nothing written. */
	assert_int_equal(STEP(&e, mm_file_sync(file)), 0);
	assert_int_equal(counters_of(&e).file_out, 2);
	mm_put(p);
	mm_put(q);
	mm_file_put(file);
}

/* A private mapping of a page is not asked, and keeps what it may. covers: 1.5-8 */
static void private_mappings_are_left_alone(void **state)
{
	struct mm *p = engine_mm(&e), *q = engine_mm(&e);
	struct mm_file *file = pattern_file(&e, 1, 5);
	uint64_t a = map_with(&e, p, 0, 1, RW, MM_MAP_SHARED, file, 0);
	uint64_t b = map_with(&e, q, 0, 1, RW, MM_MAP_PRIVATE, file, 0);

	(void)state;
	poke(&e, p, a, 1);
	assert_int_equal(peek(&e, q, b), 1);
	assert_true(same_frame(p, a, q, b));
	assert_int_equal(STEP(&e, mm_file_sync(file)), 0);
	assert_int_equal(page_info(q, b).state, MM_PAGE_PRESENT);
	poke(&e, q, b, 9);
	assert_int_equal(peek(&e, p, a), 1);
	assert_int_equal(STEP(&e, mm_file_sync(file)), 0);
	assert_int_equal(in_store(file, 0), 1);
	mm_put(p);
	mm_put(q);
	mm_file_put(file);
}

/* Some pages fail, the others are written all the same; the error is told once, and the failed page goes with the next sync. */
static void one_page_fails(void **state)
{
	struct mm_file *file = pattern_file(&e, 3, 5);

	(void)state;
	for (uint64_t i = 0; i < 3; i++)
		assert_int_equal(STEP(&e, mm_file_write(file, i * PAGE, &i, 8, NULL)), 0);
	testport_io_error(tp, RMAP_ENOSPC);
	testport_fail(tp, TESTPORT_FILE_WRITE, 2, TESTPORT_ONCE);
	assert_int_equal(STEP(&e, mm_file_sync(file)), RMAP_ENOSPC);
	testport_fail_none(tp);
	assert_int_equal(in_store(file, 0), 0);
	assert_int_equal(in_store(file, PAGE), pattern_word(5, PAGE));
	assert_int_equal(in_store(file, 2 * PAGE), 2);
	assert_int_equal(memory_of(&e).dirty, 1);
	assert_int_equal(STEP(&e, mm_file_sync(file)), 0);
	assert_int_equal(in_store(file, PAGE), 1);
	assert_int_equal(memory_of(&e).dirty, 0);
	mm_file_put(file);
}

/* The dirty bit of a mapping that goes reaches the page. */
static void unmapped_page_is_still_dirty(void **state)
{
	struct mm *mm = engine_mm(&e);
	struct mm_file *file = pattern_file(&e, 1, 5);
	uint64_t a = map_with(&e, mm, 0, 1, RW, MM_MAP_SHARED, file, 0);

	(void)state;
	poke(&e, mm, a, 1);
	mm_put(mm);
	engine_check(&e);
	assert_int_equal(memory_of(&e).dirty, 1);
	assert_int_equal(STEP(&e, mm_file_sync(file)), 0);
	assert_int_equal(in_store(file, 0), 1);
	mm_file_put(file);
}

/* What stands behind the end in the last page is not written. */
static void tail_is_zeroed(void **state)
{
	struct mm *mm = engine_mm(&e);
	struct mm_file *file = pattern_file(&e, 1, 0);
	uint64_t a = map_with(&e, mm, 0, 1, RW, MM_MAP_SHARED, file, 0);

	(void)state;
	assert_int_equal(STEP(&e, mm_file_truncate(file, 16)), 0);
	poke(&e, mm, a + 8, 1);
	poke(&e, mm, a + 16, 2);
	assert_int_equal(STEP(&e, mm_file_sync(file)), 0);
	assert_int_equal(in_store(file, 8), 1);
	assert_int_equal(in_store(file, 16), 0);
	mm_put(mm);
	mm_file_put(file);
}

/* The last holder goes: what is dirty is written before the store is let go. */
static void last_put_writes(void **state)
{
	struct mm_file *file = pattern_file(&e, 2, 5);
	uint64_t word = 1;

	(void)state;
	assert_int_equal(STEP(&e, mm_file_write(file, 0, &word, 8, NULL)), 0);
	mm_file_put(file);
	engine_check(&e);
	assert_int_equal(counters_of(&e).file_out, 1);
	assert_int_equal(memory_of(&e).file, 0);
}

/* msync writes its range and no other. covers: 1.11-7 */
static void msync_writes_its_range(void **state)
{
	struct mm *mm = engine_mm(&e);
	struct mm_file *file = pattern_file(&e, 4, 5);
	uint64_t a = map_with(&e, mm, 0, 4, RW, MM_MAP_SHARED, file, 0);

	(void)state;
	for (uint64_t i = 0; i < 4; i++)
		poke(&e, mm, a + i * PAGE, i + 1);
	assert_int_equal(STEP(&e, mm_msync(mm, a + PAGE, 2 * PAGE, MM_MS_SYNC)), 0);
	assert_int_equal(counters_of(&e).file_out, 2);
	assert_int_equal(memory_of(&e).dirty, 2);
	assert_int_equal(in_store(file, PAGE), 2);
	assert_int_equal(in_store(file, 3 * PAGE), pattern_word(5, 3 * PAGE));
	mm_put(mm);
	mm_file_put(file);
}

/* ---------------------------------------------------------------- a mapping that goes away */

struct spy {
	struct mm_port port;
	const struct mm_port *real;
	struct page *page; /* whose fate is watched; NULL: nobody's */
	unsigned int flushes, mapped;
};

static void spy_flush(void *ctx, struct mm *mm, uint64_t start, uint64_t end, enum mm_flush why)
{
	struct spy *s = rmap_container_of(ctx, struct spy, port);

	if (s->page) {
		s->flushes++;
		s->mapped += rmap_page_mapcount(mm_page_rmap(s->page));
	}
	s->real->tlb_flush(s->real->ctx, mm, start, end, why);
}

static int spy_swap_write(void *ctx, uint64_t slot, const void *data)
{
	struct spy *s = rmap_container_of(ctx, struct spy, port);

	return s->real->swap_write(s->real->ctx, slot, data);
}

static int spy_swap_read(void *ctx, uint64_t slot, void *data)
{
	struct spy *s = rmap_container_of(ctx, struct spy, port);

	return s->real->swap_read(s->real->ctx, slot, data);
}

static int spy_file_read(void *ctx, void *handle, uint64_t index, void *data)
{
	struct spy *s = rmap_container_of(ctx, struct spy, port);

	return s->real->file_read(s->real->ctx, handle, index, data);
}

static int spy_file_write(void *ctx, void *handle, uint64_t index, const void *data)
{
	struct spy *s = rmap_container_of(ctx, struct spy, port);

	return s->real->file_write(s->real->ctx, handle, index, data);
}

static void spy_file_release(void *ctx, void *handle)
{
	struct spy *s = rmap_container_of(ctx, struct spy, port);

	s->real->file_release(s->real->ctx, handle);
}

static uint64_t spy_now(void *ctx)
{
	struct spy *s = rmap_container_of(ctx, struct spy, port);

	return s->real->now(s->real->ctx);
}

static const struct mm_port *spy_wrap(const struct mm_port *port, void *arg)
{
	struct spy *s = arg;

	s->real = port;
	s->port = *port;
	s->port.ctx = &s->port;
	s->port.tlb_flush = spy_flush;
	s->port.swap_write = spy_swap_write;
	s->port.swap_read = spy_swap_read;
	s->port.file_read = spy_file_read;
	s->port.file_write = spy_file_write;
	s->port.file_release = spy_file_release;
	s->port.now = spy_now;
	return &s->port;
}

/*
 *	dirty, writable  --DONTNEED-->  nothing
 *
 * Until the flush a processor may go on writing through its TLB. Who writes the page back in that moment must still see that it
 * is mapped, and so wait for the table's lock; else it would take the page for clean before the last write.
 *
 * covers: 1.5-8, B15
 */
static void flushed_before_unmapped(void **state)
{
	struct spy spy = { .page = NULL };
	struct engine_config config = { .wrap = spy_wrap, .arg = &spy };
	struct engine s;
	struct mm *mm;
	struct mm_file *file;
	uint64_t a;

	(void)state;
	engine_setup(&s, &config);
	mm = engine_mm(&s);
	file = pattern_file(&s, 2, 5);
	a = map_with(&s, mm, 0, 2, RW, MM_MAP_SHARED, file, 0);
	poke(&s, mm, a, 1);
	spy.page = page_info(mm, a).page;
	assert_int_equal(mm_madvise(mm, a, PAGE, MM_MADV_DONTNEED), 0);
	assert_true(spy.flushes >= 1);
	assert_true(spy.mapped >= 1);
	spy.page = NULL;
	engine_check(&s);
	assert_int_equal(peek(&s, mm, a), 1);
	mm_put(mm);
	mm_file_put(file);
	engine_teardown(&s);
}

/* ---------------------------------------------------------------- write-back while write(2) moves the end */

/* As soon as somebody has let go of a page, another one, who has waited for it, does something with it. */
struct meanwhile {
	const struct mm_port *real;
	struct mm_port port;
	struct mm_file *file;
	struct page *page;  /* NULL: not yet, or not any more */
	unsigned int later; /* how often it is unlocked before that */
	int (*what)(void);
	int error;
	/* For who writes through a mapping. */
	struct engine *e;
	struct mm *mm;
	uint64_t at, written;
};

static struct meanwhile meanwhile;

/* For whom the port is to be told when the page is unlocked. */
static void somebody_waits(uint64_t index, unsigned int later)
{
	struct page *page = file_find_page(meanwhile.file, index);

	assert_non_null(page);
	page_set(page, PG_WAITERS);
	meanwhile.page = page;
	meanwhile.later = later;
	meanwhile.error = RMAP_EAGAIN;
	page_put(meanwhile.file->sys, page);
}

static int sync_file(void)
{
	return mm_file_sync(meanwhile.file);
}

static void meanwhile_wake(void *ctx, const _Atomic uint32_t *word)
{
	struct page *page = meanwhile.page;

	if (page && word == &page->flags) {
		if (meanwhile.later--) {
			page_set(page, PG_WAITERS);
		} else {
			meanwhile.page = NULL;
			meanwhile.error = meanwhile.what();
		}
	}
	meanwhile.real->os.wake(ctx, word);
}

/* A page behind the end is made for the write. */
static int meanwhile_read(void *ctx, void *handle, uint64_t index, void *data)
{
	if (meanwhile.file && index == 1)
		somebody_waits(1, 0);
	return meanwhile.real->file_read(ctx, handle, index, data);
}

static int meanwhile_write(void *ctx, void *handle, uint64_t index, const void *data)
{
	int error = meanwhile.real->file_write(ctx, handle, index, data);

	if (meanwhile.mm)
		somebody_waits(index, 0);
	return error;
}

static const struct mm_port *meanwhile_wrap(const struct mm_port *real, void *arg)
{
	(void)arg;
	meanwhile.real = real;
	meanwhile.port = *real;
	meanwhile.port.os.wake = meanwhile_wake;
	meanwhile.port.file_read = meanwhile_read;
	meanwhile.port.file_write = meanwhile_write;
	return &meanwhile.port;
}

static void meanwhile_begins(struct engine *s, int (*what)(void))
{
	const struct engine_config config = { .wrap = meanwhile_wrap, .machine = { .nr_cpus = 2 } };

	meanwhile = (struct meanwhile){ .what = what };
	engine_setup(s, &config);
	meanwhile.file = pattern_file(s, 1, 5);
}

static void meanwhile_ends(struct engine *s)
{
	mm_file_put(meanwhile.file);
	engine_teardown(s);
}

static const uint64_t unlikely_word = 0x1234567890abcdef;

/* At the end of the file, or behind it; the sync in the middle succeeds. */
static void written_meanwhile(struct engine *s, uint64_t offset)
{
	assert_int_equal(STEP(s, mm_file_write(meanwhile.file, offset, &unlikely_word, 8, NULL)),
			 0);
	assert_int_equal(meanwhile.error, 0);
	assert_int_equal(mm_file_size(meanwhile.file), offset + 8);
}

static void still_there(struct engine *s, uint64_t offset)
{
	uint64_t there = 0;

	assert_int_equal(STEP(s, mm_file_read(meanwhile.file, offset, &there, 8, NULL)), 0);
	assert_int_equal(there, unlikely_word);
}

/*
 *	file    |pattern, 100 bytes|word| . . .|     in one page
 *
 * What stands behind the end is zeroed by write-back; what is written there by write(2) is not, since the end moves before the page is
 * anybody else's.
 */
static void end_moves_within_a_page(void **state)
{
	struct engine s;

	(void)state;
	meanwhile_begins(&s, sync_file);
	assert_int_equal(STEP(&s, mm_file_truncate(meanwhile.file, 100)), 0);
	/* First what a mapping may have left behind the end is zeroed. */
	somebody_waits(0, 1);
	written_meanwhile(&s, 100);
	still_there(&s, 100);
	meanwhile_ends(&s);
}

/*
 *	file    |pattern|word . . .|     a page more
 *
 * A page that lies behind the end is not written back, and counts as clean from then on; the one that write(2) is at does not.
 */
static void end_moves_to_another_page(void **state)
{
	struct engine s;

	(void)state;
	meanwhile_begins(&s, sync_file);
	written_meanwhile(&s, PAGE);
	assert_int_equal(STEP(&s, mm_file_sync(meanwhile.file)), 0);
	(void)reclaim_all(s.sys);
	assert_false(file_is_cached(meanwhile.file, 1));
	still_there(&s, PAGE);
	meanwhile_ends(&s);
}

static void *write_through_mapping(void *arg)
{
	uint64_t value = meanwhile.written + 1;
	int *error = arg;

	*error = PATIENT(hosted_write(hosted_cpu(meanwhile.e->h, 1), meanwhile.mm, meanwhile.at,
				      &value, sizeof(value), NULL));
	if (!*error)
		meanwhile.written = value;
	return NULL;
}

/* By a thread of its own, which holds nothing. */
static int write_elsewhere(void)
{
	pthread_t thread;
	int error;

	if (pthread_create(&thread, NULL, write_through_mapping, &error))
		return RMAP_ENOMEM;
	pthread_join(thread, NULL);
	return error;
}

/*
 *	file    |1|     mapped, dirty; MADV_REMOVE, and whenever the page is unlocked 2, 3, … is written through the mapping
 *
 * Who writes meanwhile writes before the hole, or behind it: the last value is there, or zeros, but none that was overwritten.
 */
static void hole_under_writes(void **state)
{
	struct engine s;
	uint64_t there;

	(void)state;
	meanwhile_begins(&s, write_elsewhere);
	meanwhile.e = &s;
	meanwhile.mm = engine_mm(&s);
	meanwhile.at = map_with(&s, meanwhile.mm, 0, 1, RW, MM_MAP_SHARED, meanwhile.file, 0);
	assert_int_equal(write_elsewhere(), 0);
	somebody_waits(0, 0);
	assert_int_equal(mm_madvise(meanwhile.mm, meanwhile.at, PAGE, MM_MADV_REMOVE), 0);
	assert_int_equal(meanwhile.error, 0);
	assert_true(meanwhile.written > 1);
	engine_check(&s);
	there = peek(&s, meanwhile.mm, meanwhile.at);
	assert_true(there == 0 || there == meanwhile.written);
	mm_put(meanwhile.mm);
	meanwhile.mm = NULL;
	meanwhile_ends(&s);
}

/*
 *	[c d]   a page that was only read, one that was written; both lose the right to write, and get it back
 *
 * The dirty one may be written at once. The clean one must ask: the file is to know that it is dirty now.
 */
static void rights_that_come_back(void **state)
{
	struct mm *mm = engine_mm(&e);
	struct mm_file *file = pattern_file(&e, 2, 7);
	uint64_t a = map_with(&e, mm, 0, 2, MM_PROT_READ | MM_PROT_WRITE, MM_MAP_SHARED, file, 0);
	uint64_t faults;

	(void)state;
	(void)peek(&e, mm, a);
	poke(&e, mm, a + PAGE, 1);
	assert_int_equal(STEP(&e, mm_mprotect(mm, a, 2 * PAGE, MM_PROT_READ)), 0);
	assert_false(page_info(mm, a).writable);
	assert_false(page_info(mm, a + PAGE).writable);
	assert_int_equal(STEP(&e, mm_mprotect(mm, a, 2 * PAGE, MM_PROT_READ | MM_PROT_WRITE)), 0);
	assert_false(page_info(mm, a).writable);
	assert_true(page_info(mm, a + PAGE).writable);
	faults = counters_of(&e).faults;
	poke(&e, mm, a + PAGE, 2);
	assert_int_equal(counters_of(&e).faults, faults);
	poke(&e, mm, a, 3);
	assert_int_equal(counters_of(&e).faults, faults + 1);
	mm_put(mm);
	mm_file_put(file);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(protected_before_written, setup, teardown),
		cmocka_unit_test_setup_teardown(private_mappings_are_left_alone, setup, teardown),
		cmocka_unit_test_setup_teardown(rights_that_come_back, setup, teardown),
		cmocka_unit_test_setup_teardown(one_page_fails, setup, teardown),
		cmocka_unit_test_setup_teardown(unmapped_page_is_still_dirty, setup, teardown),
		cmocka_unit_test_setup_teardown(tail_is_zeroed, setup, teardown),
		cmocka_unit_test_setup_teardown(last_put_writes, setup, teardown),
		cmocka_unit_test_setup_teardown(msync_writes_its_range, setup, teardown),
		cmocka_unit_test(flushed_before_unmapped),
		cmocka_unit_test(end_moves_within_a_page),
		cmocka_unit_test(end_moves_to_another_page),
		cmocka_unit_test(hole_under_writes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
