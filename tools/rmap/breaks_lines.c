// SPDX-License-Identifier: BSD-2-Clause
/* The places that write: what the stacks of a function's line have in common. */
#include "breaks_index.h"
#include "breaks_report.h"

#include <stdlib.h>
#include <string.h>

const char *breaks_basename(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

const char *breaks_perms(const struct breaks_vma *vma, char buf[5])
{
	buf[0] = vma->prot & 1 ? 'r' : '-';
	buf[1] = vma->prot & 2 ? 'w' : '-';
	buf[2] = vma->prot & 4 ? 'x' : '-';
	buf[3] = vma->shared ? 's' : 'p';
	buf[4] = '\0';
	return buf;
}

const char *breaks_vma_name(const struct breaks_report *r, const struct breaks_vma *vma)
{
	const char *name = breaks_procs_name(r->procs, vma->name);

	if (vma->name == BREAKS_NONE)
		return "(unknown)";
	return name[0] ? breaks_names_text(r->names, name) : "(anonymous)";
}

void breaks_lines_free(struct breaks_lines *lines)
{
	for (size_t i = 0; i < lines->nr; i++)
		free(lines->v[i].paths);
	free(lines->v);
	*lines = (struct breaks_lines){ 0 };
}

/* Texts are the same at the same address. An instruction without a name is a place by itself, by its text. */
static bool same(const struct breaks_line *l, const struct breaks_named *at, const char *in_kernel)
{
	return l->at.function == at->function && l->at.module == at->module &&
	       l->at.file == at->file && l->at.line == at->line && l->in_kernel == in_kernel;
}

static struct breaks_line *line_of(struct breaks_lines *lines, struct breaks_index *index,
				   const struct breaks_named *at, const char *in_kernel)
{
	uint64_t hash = breaks_hash((uintptr_t)at->function) ^ breaks_hash((uint64_t)at->line) ^
			(uintptr_t)in_kernel;
	struct breaks_line *v;
	size_t cursor = 0;
	uint32_t i;

	while ((i = breaks_index_next(index, hash, &cursor)) != BREAKS_NONE)
		if (same(&lines->v[i], at, in_kernel))
			return &lines->v[i];
	v = breaks_grow(lines->v, lines->nr, &lines->cap, sizeof(*v));
	if (!v)
		return NULL;
	lines->v = v;
	if (breaks_index_put(index, hash, (uint32_t)lines->nr))
		return NULL;
	v[lines->nr] = (struct breaks_line){ .at = *at, .in_kernel = in_kernel };
	return &v[lines->nr++];
}

/* A stack has one line, so @index, by stack, is of the paths of all lines. */
static int add_path(struct breaks_line *line, struct breaks_index *index,
		    const struct breaks_cell *cell)
{
	uint64_t pages = breaks_broken(&cell->counts);
	struct breaks_path *paths;
	size_t cursor = 0;
	uint32_t at;

	if (!pages)
		return 0;
	at = breaks_index_next(index, breaks_hash(cell->stack), &cursor);
	if (at == BREAKS_NONE) {
		paths = breaks_grow(line->paths, line->nr_paths, &line->cap_paths, sizeof(*paths));
		if (!paths)
			return -1;
		line->paths = paths;
		at = (uint32_t)line->nr_paths;
		if (breaks_index_put(index, breaks_hash(cell->stack), at))
			return -1;
		paths[line->nr_paths++] = (struct breaks_path){ .stack = cell->stack };
	}
	line->paths[at].pages += pages;
	line->paths[at].bytes += cell->broken_bytes;
	return 0;
}

static int by_pages(const void *x, const void *y)
{
	const struct breaks_path *a = x, *b = y;

	return a->pages > b->pages ? -1 : a->pages < b->pages;
}

static int by_broken(const void *x, const void *y)
{
	const struct breaks_line *a = x, *b = y;
	uint64_t m = breaks_broken(&a->counts), n = breaks_broken(&b->counts);

	if (m != n)
		return m > n ? -1 : 1;
	m = breaks_all(&a->counts);
	n = breaks_all(&b->counts);
	if (m != n)
		return m > n ? -1 : 1;
	return strcmp(a->at.function, b->at.function);
}

/* The place is where the program was, also when the kernel wrote for it. */
static int add_cell(const struct breaks_report *r, struct breaks_lines *lines,
		    struct breaks_index index[2], const struct breaks_cell *cell)
{
	struct breaks_named stack[BREAKS_NAMED];
	struct breaks_line *line;
	size_t kernel, nr;
	bool cut;

	nr = breaks_names_stack(r->names, cell->stack, stack, &kernel, &cut);
	if (!nr) {
		stack[0] =
			(struct breaks_named){ .function = breaks_names_text(r->names, "(unknown)"),
					       .module = "" };
		nr = 1;
	}
	line = line_of(lines, &index[0], &stack[kernel < nr ? kernel : 0],
		       kernel ? stack[kernel - 1].function : NULL);
	if (!line)
		return -1;
	breaks_counts_add(&line->counts, &cell->counts);
	line->broken_bytes += cell->broken_bytes;
	return add_path(line, &index[1], cell);
}

int breaks_lines_make(const struct breaks_report *r, struct breaks_lines *lines)
{
	struct breaks_index index[2] = { 0 }; /* of lines, of stacks */
	int ret = 0;

	*lines = (struct breaks_lines){ 0 };
	for (size_t i = 0; i < r->tally->nr_cells && !ret; i++)
		ret = add_cell(r, lines, index, &r->tally->cells[i]);
	breaks_index_free(&index[0]);
	breaks_index_free(&index[1]);
	for (size_t i = 0; i < lines->nr; i++)
		if (lines->v[i].nr_paths)
			qsort(lines->v[i].paths, lines->v[i].nr_paths, sizeof(*lines->v[i].paths),
			      by_pages);
	if (lines->nr)
		qsort(lines->v, lines->nr, sizeof(*lines->v), by_broken);
	return ret;
}
