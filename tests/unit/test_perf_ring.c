// SPDX-License-Identifier: BSD-2-Clause
/*
 * The reader of perf's rings, on one that the test fills itself: records of all lengths, which wrap around the end at every
 * place that there is, come out as they went in.
 */
#include "perf_ring.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define PAGE 4096u
#define SIZE (2 * PAGE)

static int setup(void **state)
{
	struct perf_ring *r = calloc(1, sizeof(*r));

	if (!r)
		return -1;
	r->page_size = PAGE;
	r->size = SIZE;
	r->page = calloc(1, PAGE + SIZE);
	*state = r;
	return r->page ? 0 : -1;
}

static int teardown(void **state)
{
	struct perf_ring *r = *state;

	free(r->page);
	free(r);
	return 0;
}

static void put(struct perf_ring *r, const uint8_t *bytes, size_t n)
{
	uint8_t *data = (uint8_t *)r->page + PAGE;

	for (size_t i = 0; i < n; i++)
		data[(r->page->data_head + i) % SIZE] = bytes[i];
	r->page->data_head += n;
}

/*
 *	|      tail--record 1--|record 2--head      |      the ring
 *	|-2--head          tail--record 1--|record |      a while later
 */
static void records_wrap(void **state)
{
	static uint64_t spare[SIZE / 8], record[SIZE / 8];
	struct perf_ring *r = *state;
	uint64_t pos = 0;

	for (unsigned int i = 1; i < 5000; i++) {
		struct perf_event_header *h = (void *)record, got;
		uint16_t size = (uint16_t)(8 + 8 * (i * 7 % (SIZE / 8)));

		for (unsigned int k = 0; k < size / 8u; k++)
			record[k] = i * 1000003ull + k;
		h->type = i;
		h->size = size;
		put(r, (const uint8_t *)record, size);
		assert_int_equal(perf_ring_head(r), pos + size);
		memcpy(&got, perf_ring_at(r, pos, sizeof(got), spare), sizeof(got));
		assert_int_equal(got.type, i);
		assert_int_equal(got.size, size);
		assert_memory_equal(perf_ring_at(r, pos, size, spare), record, size);
		pos += size;
		perf_ring_done(r, pos);
		assert_int_equal(perf_ring_tail(r), pos);
	}
}

static void nothing_to_map(void **state)
{
	struct perf_ring r;

	(void)state;
	assert_true(perf_ring_map(&r, -1, PAGE) < 0);
	perf_ring_unmap(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(records_wrap, setup, teardown),
		cmocka_unit_test(nothing_to_map),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
