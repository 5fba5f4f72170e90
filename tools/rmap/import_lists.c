// SPDX-License-Identifier: BSD-2-Clause
/*
 * Lists of pages, needs and VMAs that an import is made of: arrays in ascending order.
 */
#include "import.h"

#include <stdlib.h>
#include <string.h>

/* Room for one more. NULL without memory, and then the old array stays. */
static void *more(void *v, size_t nr, size_t *room, size_t size)
{
	size_t larger = *room ? 2 * *room : 64;
	void *p;

	if (nr < *room)
		return v;
	p = realloc(v, larger * size);
	if (p)
		*room = larger;
	return p;
}

bool imp_pages_add(struct imp_pages *pages, uint64_t addr, uint64_t key)
{
	struct imp_page *v = more(pages->v, pages->nr, &pages->room, sizeof(*v));

	if (!v)
		return false;
	pages->v = v;
	v[pages->nr++] = (struct imp_page){ addr, key };
	return true;
}

bool imp_needs_add(struct imp_needs *needs, struct imp_need need)
{
	struct imp_need *v = more(needs->v, needs->nr, &needs->room, sizeof(*v));

	if (!v)
		return false;
	needs->v = v;
	v[needs->nr++] = need;
	return true;
}

bool imp_moves_add(struct imp_moves *moves, struct imp_move move)
{
	struct imp_move *v = more(moves->v, moves->nr, &moves->room, sizeof(*v));

	if (!v)
		return false;
	moves->v = v;
	v[moves->nr++] = move;
	return true;
}

bool imp_layout_add(struct imp_layout *layout, struct imp_vma vma)
{
	struct imp_vma *v = more(layout->v, layout->nr, &layout->room, sizeof(*v));

	if (!v)
		return false;
	layout->v = v;
	v[layout->nr++] = vma;
	return true;
}

bool imp_layout_copy(struct imp_layout *to, const struct imp_layout *from)
{
	to->nr = 0;
	for (size_t i = 0; i < from->nr; i++)
		if (!imp_layout_add(to, from->v[i]))
			return false;
	return true;
}

size_t imp_layout_from(const struct imp_layout *layout, uint64_t addr)
{
	size_t low = 0, high = layout->nr;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (layout->v[mid].end <= addr)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

struct imp_vma *imp_layout_at(const struct imp_layout *layout, uint64_t addr)
{
	size_t i = imp_layout_from(layout, addr);

	return i < layout->nr && layout->v[i].start <= addr ? &layout->v[i] : NULL;
}

static bool insert(struct imp_layout *layout, size_t at, struct imp_vma vma)
{
	if (!imp_layout_add(layout, vma))
		return false;
	memmove(layout->v + at + 1, layout->v + at, (layout->nr - 1 - at) * sizeof(*layout->v));
	layout->v[at] = vma;
	return true;
}

bool imp_layout_cut(struct imp_layout *layout, uint64_t start, uint64_t end)
{
	size_t i = imp_layout_from(layout, start), gone;

	if (i < layout->nr && layout->v[i].start < start) {
		struct imp_vma tail = layout->v[i];

		layout->v[i++].end = start;
		if (tail.end > end) {
			tail.offset += end - tail.start;
			tail.start = end;
			return insert(layout, i, tail);
		}
	}
	if (i == layout->nr)
		return true;
	for (gone = 0; i + gone < layout->nr && layout->v[i + gone].end <= end; gone++)
		;
	memmove(layout->v + i, layout->v + i + gone, (layout->nr - i - gone) * sizeof(*layout->v));
	layout->nr -= gone;
	if (i < layout->nr && layout->v[i].start < end) {
		layout->v[i].offset += end - layout->v[i].start;
		layout->v[i].start = end;
	}
	return true;
}

bool imp_layout_put(struct imp_layout *layout, struct imp_vma vma)
{
	return imp_layout_cut(layout, vma.start, vma.end) &&
	       insert(layout, imp_layout_from(layout, vma.start), vma);
}

bool imp_same_kind(const struct imp_vma *a, const struct imp_vma *b)
{
	if (a->flags != b->flags || a->file != b->file)
		return false;
	return !a->file || a->offset - a->start == b->offset - b->start;
}
