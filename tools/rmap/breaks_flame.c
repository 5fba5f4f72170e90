// SPDX-License-Identifier: BSD-2-Clause
/* Stacks merged from the outside in; see the header. And the text form of it, for other programs that draw. */
#include "breaks_flame.h"
#include "breaks_index.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

struct maker {
	struct breaks_flame *flame;
	struct breaks_index index; /* by parent and frame */
	bool lines;
};

void breaks_flame_free(struct breaks_flame *flame)
{
	free(flame->v);
	*flame = (struct breaks_flame){ 0 };
}

/* @line: not 0 sets apart what is otherwise the same. */
static uint32_t child(struct maker *m, uint32_t parent, const struct breaks_named *frame, int line)
{
	uint64_t hash = breaks_hash((uintptr_t)frame->function + parent) ^
			breaks_hash((uintptr_t)frame->module ^ (uint64_t)line);
	struct breaks_flame *f = m->flame;
	struct breaks_node *v;
	size_t cursor = 0;
	uint32_t at;

	while ((at = breaks_index_next(&m->index, hash, &cursor)) != BREAKS_NONE) {
		const struct breaks_named *is = &f->v[at].frame;

		if (f->v[at].parent == parent && is->function == frame->function &&
		    is->module == frame->module && is->line == line &&
		    is->kernel == frame->kernel && is->inlined == frame->inlined)
			return at;
	}
	v = breaks_grow(f->v, f->nr, &f->cap, sizeof(*v));
	if (!v)
		return BREAKS_NONE;
	f->v = v;
	if (breaks_index_put(&m->index, hash, (uint32_t)f->nr))
		return BREAKS_NONE;
	v[f->nr] = (struct breaks_node){
		.frame = *frame, .parent = parent, .first = BREAKS_NONE, .next = BREAKS_NONE
	};
	v[f->nr].frame.line = line;
	if (parent != BREAKS_NONE) {
		v[f->nr].depth = v[parent].depth + 1;
		v[f->nr].next = v[parent].first;
		v[parent].first = (uint32_t)f->nr;
	}
	if (v[f->nr].depth > f->depth)
		f->depth = v[f->nr].depth;
	return (uint32_t)f->nr++;
}

static int add_cell(const struct breaks_report *r, struct maker *m, const struct breaks_cell *cell)
{
	const struct breaks_vma *vma = &r->tally->vmas[cell->vma];
	const char *comm = breaks_procs_at(r->procs, vma->proc)->comm;
	struct breaks_named stack[BREAKS_NAMED];
	struct breaks_named name = { .function = breaks_names_text(r->names, comm), .module = "" };
	struct breaks_named gap = { .function = breaks_names_text(r->names, "[not known]"),
				    .module = "" };
	size_t kernel, nr;
	uint32_t at;
	bool cut;

	nr = breaks_names_stack(r->names, cell->stack, stack, &kernel, &cut);
	at = child(m, 0, &name, 0);
	if (at != BREAKS_NONE && (cut || !nr))
		at = child(m, at, &gap, 0);
	for (size_t i = nr; i-- > 0 && at != BREAKS_NONE;)
		at = child(m, at, &stack[i], m->lines && !i && stack[i].file ? stack[i].line : 0);
	if (at == BREAKS_NONE)
		return -1;
	m->flame->v[at].self += breaks_broken(&cell->counts);
	for (; at != BREAKS_NONE; at = m->flame->v[at].parent) {
		m->flame->v[at].pages += breaks_broken(&cell->counts);
		m->flame->v[at].bytes += cell->broken_bytes;
	}
	return 0;
}

/* Children come before their siblings in the list by pages; by insertion, since most have few. */
static void sort_children(struct breaks_flame *f, uint32_t parent)
{
	uint32_t sorted = BREAKS_NONE, at, next;

	for (at = f->v[parent].first; at != BREAKS_NONE; at = next) {
		uint32_t *link = &sorted;

		next = f->v[at].next;
		while (*link != BREAKS_NONE && f->v[*link].pages >= f->v[at].pages)
			link = &f->v[*link].next;
		f->v[at].next = *link;
		*link = at;
	}
	f->v[parent].first = sorted;
}

int breaks_flame_make(const struct breaks_report *r, bool lines, struct breaks_flame *flame)
{
	struct breaks_named all = { .function = breaks_names_text(r->names, "all"), .module = "" };
	struct maker m = { .flame = flame, .lines = lines };
	int ret;

	*flame = (struct breaks_flame){ 0 };
	ret = child(&m, BREAKS_NONE, &all, 0) == BREAKS_NONE ? -1 : 0;
	for (size_t i = 0; i < r->tally->nr_cells && !ret; i++)
		if (breaks_broken(&r->tally->cells[i].counts))
			ret = add_cell(r, &m, &r->tally->cells[i]);
	for (uint32_t i = 0; i < flame->nr && !ret; i++)
		sort_children(flame, i);
	breaks_index_free(&m.index);
	return ret;
}

/* -- as text ---------------------------------------------------------------------------------- */

/* Semicolons part frames, and the number comes behind the last space. */
static void folded_text(const struct breaks_named *f, FILE *out)
{
	for (const char *c = f->function; *c; c++)
		fputc(*c == ';' ? ':' : *c == ' ' ? '_' : *c, out);
	if (f->kernel)
		fputs("_[k]", out);
	if (f->inlined)
		fputs("_[i]", out);
}

static void folded_line(const struct breaks_flame *f, uint32_t at, FILE *out)
{
	uint32_t path[BREAKS_NAMED + 4];
	size_t n = 0;

	for (uint32_t i = at; i && n < sizeof(path) / sizeof(path[0]); i = f->v[i].parent)
		path[n++] = i;
	while (n-- > 0) {
		folded_text(&f->v[path[n]].frame, out);
		fputc(n ? ';' : ' ', out);
	}
	fprintf(out, "%" PRIu64 "\n", f->v[at].self);
}

int breaks_print_folded(const struct breaks_report *r, FILE *out)
{
	struct breaks_flame flame;
	int ret = breaks_flame_make(r, false, &flame);

	for (uint32_t i = 1; i < flame.nr && !ret; i++)
		if (flame.v[i].self)
			folded_line(&flame, i, out);
	breaks_flame_free(&flame);
	return ret;
}
