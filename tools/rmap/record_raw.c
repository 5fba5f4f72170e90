// SPDX-License-Identifier: BSD-2-Clause
/* The array of raw events, and small helpers that every part of the recorder uses. */
#include "record_raw.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

struct rec_raw *rec_raw_add(struct rec_raws *raws, uint64_t ts, uint32_t tid,
			    enum rec_raw_type type)
{
	if (raws->nr == raws->cap) {
		size_t cap = raws->cap ? 2 * raws->cap : 4096;
		struct rec_raw *v = realloc(raws->v, cap * sizeof(*v));

		if (!v)
			return NULL;
		raws->v = v;
		raws->cap = cap;
	}

	struct rec_raw *raw = &raws->v[raws->nr];

	*raw = (struct rec_raw){ .ts = ts, .seq = raws->nr, .tid = tid, .type = type };
	raws->nr++;
	return raw;
}

static int by_time(const void *x, const void *y)
{
	const struct rec_raw *a = x, *b = y;

	if (a->ts != b->ts)
		return a->ts < b->ts ? -1 : 1;
	return a->seq < b->seq ? -1 : a->seq > b->seq;
}

void rec_raw_sort(struct rec_raws *raws)
{
	if (raws->nr)
		qsort(raws->v, raws->nr, sizeof(*raws->v), by_time);
}

void rec_layout_free(struct rec_layout *l)
{
	if (!l)
		return;
	for (size_t i = 0; i < l->nr_vmas; i++)
		free(l->vmas[i].path);
	free(l->vmas);
	free(l->pages);
	free(l->exe);
	free(l);
}

uint64_t rec_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

int rec_fail(char err[REC_ERR_SIZE], const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(err, REC_ERR_SIZE, fmt, ap);
	va_end(ap);
	return -1;
}
