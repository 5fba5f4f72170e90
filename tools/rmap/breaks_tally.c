// SPDX-License-Identifier: BSD-2-Clause
/* What came of each write fault; see the header. */
#include "breaks_tally.h"
#include "breaks_index.h"

#include <stdlib.h>
#include <string.h>

#define FIRST_BIN_NS 10000000u

enum { BY_VMA, BY_CELL, INDEXES };

const char *const breaks_class_names[BREAKS_CLASSES] = {
	"copied", "from_file", "zeroed", "unshared", "notice", "overtaken", "refused",
};

struct breaks_tally *breaks_tally_new(uint64_t start)
{
	struct breaks_tally *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	t->indexes = calloc(INDEXES, sizeof(*t->indexes));
	t->start = t->last = start;
	t->bin_ns = FIRST_BIN_NS;
	if (t->indexes)
		return t;
	free(t);
	return NULL;
}

void breaks_tally_free(struct breaks_tally *t)
{
	if (!t)
		return;
	for (int i = 0; i < INDEXES; i++)
		breaks_index_free(&t->indexes[i]);
	free(t->indexes);
	free(t->vmas);
	free(t->cells);
	free(t);
}

uint32_t breaks_tally_vma(struct breaks_tally *t, uint32_t proc, const struct breaks_map *map)
{
	struct breaks_map none = { .name = BREAKS_NONE, .module = BREAKS_NONE };
	const struct breaks_map *m = map ? map : &none;
	uint64_t hash = breaks_hash(m->start + proc) ^ m->name;
	struct breaks_vma *v;
	size_t cursor = 0;
	uint32_t at;

	while ((at = breaks_index_next(&t->indexes[BY_VMA], hash, &cursor)) != BREAKS_NONE) {
		v = &t->vmas[at];
		if (v->proc != proc || v->start != m->start || v->name != m->name ||
		    v->shared != m->shared)
			continue;
		if (v->end < m->end)
			v->end = m->end;
		return at;
	}
	v = breaks_grow(t->vmas, t->nr_vmas, &t->cap_vmas, sizeof(*v));
	if (!v)
		return BREAKS_NONE;
	t->vmas = v;
	if (breaks_index_put(&t->indexes[BY_VMA], hash, (uint32_t)t->nr_vmas))
		return BREAKS_NONE;
	v[t->nr_vmas] = (struct breaks_vma){ proc, m->start, m->end, m->name, m->prot, m->shared };
	return (uint32_t)t->nr_vmas++;
}

static struct breaks_cell *cell_of(struct breaks_tally *t, uint32_t vma, uint32_t stack)
{
	uint64_t key = (uint64_t)vma << 32 | stack, hash = breaks_hash(key);
	struct breaks_cell *cells;
	size_t cursor = 0;
	uint32_t at = breaks_index_next(&t->indexes[BY_CELL], hash, &cursor);

	if (at != BREAKS_NONE) /* the hash is the key */
		return &t->cells[at];
	cells = breaks_grow(t->cells, t->nr_cells, &t->cap_cells, sizeof(*cells));
	if (!cells)
		return NULL;
	t->cells = cells;
	if (breaks_index_put(&t->indexes[BY_CELL], hash, (uint32_t)t->nr_cells))
		return NULL;
	cells[t->nr_cells] = (struct breaks_cell){ .vma = vma, .stack = stack };
	return &cells[t->nr_cells++];
}

static void add_time(struct breaks_tally *t, uint64_t time)
{
	uint64_t since = time > t->start ? time - t->start : 0;

	while (since / t->bin_ns >= BREAKS_BINS) {
		for (int i = 0; i < BREAKS_BINS / 2; i++)
			t->bins[i] = t->bins[2 * i] + t->bins[2 * i + 1];
		memset(&t->bins[BREAKS_BINS / 2], 0, BREAKS_BINS / 2 * sizeof(t->bins[0]));
		t->bin_ns *= 2;
	}
	t->bins[since / t->bin_ns]++;
}

static void count(struct breaks_counts *c, enum breaks_class class, uint64_t bytes)
{
	c->n[class]++;
	c->bytes += bytes;
}

int breaks_tally_add(struct breaks_tally *t, uint32_t vma, uint32_t stack, enum breaks_class class,
		     uint64_t bytes, uint64_t time)
{
	struct breaks_cell *cell = cell_of(t, vma, stack);
	bool broken = class == BREAKS_COPIED || class == BREAKS_FROM_FILE;

	if (!cell)
		return -1;
	count(&cell->counts, class, bytes);
	count(&t->total, class, bytes);
	if (time > t->last)
		t->last = time;
	if (!broken)
		return 0;
	cell->broken_bytes += bytes;
	t->broken_bytes += bytes;
	add_time(t, time);
	return 0;
}

uint64_t breaks_broken(const struct breaks_counts *c)
{
	return c->n[BREAKS_COPIED] + c->n[BREAKS_FROM_FILE];
}

uint64_t breaks_all(const struct breaks_counts *c)
{
	uint64_t n = 0;

	for (int i = 0; i < BREAKS_CLASSES; i++)
		n += c->n[i];
	return n;
}

void breaks_counts_add(struct breaks_counts *to, const struct breaks_counts *from)
{
	for (int i = 0; i < BREAKS_CLASSES; i++)
		to->n[i] += from->n[i];
	to->bytes += from->bytes;
}
