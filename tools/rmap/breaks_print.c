// SPDX-License-Identifier: BSD-2-Clause
/* What broke the sharing, in tables for people. */
#include "breaks_index.h"
#include "breaks_report.h"
#include "words.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define PATHS	  5   /* of callers, under a line */
#define MAX_WIDTH 512 /* of a line */
#define MIN_WIDTH 40  /* a terminal that has less cuts lines */
#define NARROW	  74  /* with less, names stand in lines of their own, below their numbers */
#define WORTH	  50  /* a module with less than that part of all pages is not spoken of */

static size_t terminal_width(FILE *out)
{
	size_t columns = words_terminal(out);

	if (!columns)
		return 120; /* a file's reader has more room than patience */
	if (columns < MIN_WIDTH)
		return MIN_WIDTH;
	return columns < MAX_WIDTH ? columns : MAX_WIDTH;
}

/* -- how much --------------------------------------------------------------------------------- */

static const char *const class_words[BREAKS_CLASSES] = {
	[BREAKS_COPIED] = "copied: a page shared since a fork",
	[BREAKS_FROM_FILE] = "copied: a page of a file",
	[BREAKS_ZEROED] = "the zero page replaced by a page of zeroes",
	[BREAKS_UNSHARED] = "not copied: nobody else had it any more",
	[BREAKS_NOTICE] = "not copied: first write to a page of a shared mapping",
	[BREAKS_OVERTAKEN] = "not copied: another thread was first",
	[BREAKS_REFUSED] = "not copied: refused or interrupted",
};

static void print_head(const struct breaks_report *r, FILE *out)
{
	const struct breaks_tally *t = r->tally;
	uint64_t broken = breaks_broken(&t->total);
	char a[32], b[32];

	fprintf(out, "followed %s process%s for %.1f s\n",
		words_count(breaks_procs_nr(r->procs), a),
		breaks_procs_nr(r->procs) == 1 ? "" : "es", r->seconds);
	words_say(out, "sharing broken: %s page%s, %s more memory", words_count(broken, a),
		  broken == 1 ? "" : "s", words_bytes(t->broken_bytes, b));
	fprintf(out, "\nwrite faults on present pages\n");
	for (int i = 0; i < BREAKS_CLASSES; i++) {
		if (!t->total.n[i])
			continue;
		fprintf(out, "  %12s  ", words_count(t->total.n[i], a));
		words_say_at(out, 16, "%s", class_words[i]);
	}
	if (!breaks_all(&t->total))
		fprintf(out, "          none\n");
	if (r->open) {
		fprintf(out, "  %12s  ", words_count(r->open, a));
		words_say_at(out, 16, "still under way at the end");
	}
}

static void print_time(const struct breaks_report *r, size_t width, FILE *out)
{
	static const char levels[] = " .:-=+*#%@";
	const struct breaks_tally *t = r->tally;
	uint64_t column[BREAKS_BINS] = { 0 }, most = 0;
	size_t nr = 0, each; /* bins a column, so that all that are in use fit between the bars */
	char a[32];

	for (size_t i = 0; i < BREAKS_BINS; i++)
		if (t->bins[i])
			nr = i + 1;
	if (!nr)
		return;
	each = (nr + width - 5) / (width - 4);
	for (size_t i = 0; i < nr; i++) {
		column[i / each] += t->bins[i];
		if (column[i / each] > most)
			most = column[i / each];
	}
	fputc('\n', out);
	words_say(out, "over time: one column is %.3g s, '@' up to %s page%s",
		  (double)(t->bin_ns * each) / 1e9, words_count(most, a), most == 1 ? "" : "s");
	fprintf(out, "  |");
	for (size_t i = 0; i <= (nr - 1) / each; i++)
		fputc(levels[(column[i] * 9 + most - 1) / most], out);
	fprintf(out, "|\n");
}

/* -- where ------------------------------------------------------------------------------------ */

static void print_place(const struct breaks_line *l, size_t width, FILE *out)
{
	char text[1024];
	size_t n;

	n = (size_t)snprintf(text, sizeof(text), "%.400s", l->at.function);
	if (l->at.file)
		n += (size_t)snprintf(text + n, sizeof(text) - n, " %.200s:%d",
				      breaks_basename(l->at.file), l->at.line);
	if (l->at.known && l->at.module[0])
		n += (size_t)snprintf(text + n, sizeof(text) - n, " (%.200s)", l->at.module);
	if (l->in_kernel)
		snprintf(text + n, sizeof(text) - n, ", by the kernel: %.100s", l->in_kernel);
	fprintf(out, "%.*s\n", (int)width, text);
}

/* Who called it, as far as a line of the terminal goes. */
static void path_text(const struct breaks_report *r, uint32_t id, size_t width, char *text)
{
	struct breaks_named stack[BREAKS_NAMED];
	size_t kernel, nr, used = 0;
	bool cut;

	nr = breaks_names_stack(r->names, id, stack, &kernel, &cut);
	strcpy(text, nr > kernel + 1 ? "" : cut ? "< (not known)" : "(outermost)");
	for (size_t i = kernel + 1; i < nr; i++) {
		char frame[256], line[16] = "";
		size_t n;

		if (stack[i].file)
			snprintf(line, sizeof(line), ":%d", stack[i].line);
		n = (size_t)snprintf(frame, sizeof(frame), "%s< %.200s%s", used ? " " : "",
				     stack[i].function, line);
		if (used + n > width) {
			if (!used) { /* a part of one says more than nothing */
				memcpy(text, frame, width);
				used = width;
			}
			strcpy(text + used, " ...");
			return;
		}
		memcpy(text + used, frame, n + 1);
		used += n;
	}
}

struct way {
	char text[MAX_WIDTH + 8];
	uint64_t pages;
};

static int by_way(const void *x, const void *y)
{
	const struct way *a = x, *b = y;

	return a->pages > b->pages ? -1 : a->pages < b->pages;
}

/* From column @at on. Ways that differ only beyond what is shown are one. */
static void print_paths(const struct breaks_report *r, const struct breaks_line *l, size_t at,
			size_t width, FILE *out)
{
	struct way shown[PATHS];
	size_t nr = 0, more = 0, k;
	char a[32];

	for (size_t i = 0; i < l->nr_paths; i++) {
		char text[MAX_WIDTH + 8];

		path_text(r, l->paths[i].stack, width - at - 5, text);
		for (k = 0; k < nr && strcmp(shown[k].text, text); k++)
			;
		if (k == nr && nr == PATHS) {
			more++;
			continue;
		}
		if (k == nr) {
			strcpy(shown[k].text, text);
			shown[nr++].pages = 0;
		}
		shown[k].pages += l->paths[i].pages;
	}
	qsort(shown, nr, sizeof(shown[0]), by_way);
	for (k = 0; k < nr; k++)
		fprintf(out, "    %10s%*s%s\n", words_count(shown[k].pages, a), (int)at - 14, "",
			shown[k].text);
	if (more)
		fprintf(out, "%*sand %zu more way%s there\n", (int)at, "", more,
			more == 1 ? "" : "s");
}

static int print_lines(const struct breaks_report *r, size_t width, FILE *out)
{
	struct breaks_lines lines;
	uint64_t broken = breaks_broken(&r->tally->total), rest = 0;
	const char *below = width < NARROW ? "\n  " : "";
	size_t indent = width < NARROW ? 4 : 33;
	int ret = breaks_lines_make(r, &lines);
	char a[32], b[32];

	if (broken)
		fprintf(out,
			"\n       pages       bytes      %%%s  where it is written, and who "
			"called\n",
			below);
	for (size_t i = 0; i < lines.nr && !ret; i++) {
		const struct breaks_line *l = &lines.v[i];
		uint64_t pages = breaks_broken(&l->counts);

		if (!pages)
			break;
		if (i >= r->top) {
			rest += pages;
			continue;
		}
		fprintf(out, "  %10s  %10s  %5.1f%s  ", words_count(pages, a),
			words_bytes(l->broken_bytes, b), 100 * (double)pages / (double)broken,
			below);
		print_place(l, width - indent, out);
		print_paths(r, l, width < NARROW ? 16 : 35, width, out);
	}
	if (rest) {
		fprintf(out, "  %10s  ", words_count(rest, a));
		words_say_at(out, 14, "elsewhere (--top shows more)");
	}
	breaks_lines_free(&lines);
	return ret;
}

/* -- by VMA and by process -------------------------------------------------------------------- */

/* Of all processes, those of one name and one set of rights. */
struct group {
	const char *name;
	char perms[5];
	struct breaks_counts counts;
	uint64_t bytes;
};

static int by_group(const void *x, const void *y)
{
	const struct group *a = x, *b = y;
	uint64_t m = breaks_broken(&a->counts), n = breaks_broken(&b->counts);

	return m > n ? -1 : m < n ? 1 : strcmp(a->name, b->name);
}

static struct group *group_of(struct group **groups, size_t *nr, size_t *cap, const char *name,
			      const char *perms)
{
	struct group *v;

	for (size_t i = 0; i < *nr; i++)
		if ((*groups)[i].name == name && !strcmp((*groups)[i].perms, perms))
			return &(*groups)[i];
	v = breaks_grow(*groups, *nr, cap, sizeof(*v));
	if (!v)
		return NULL;
	*groups = v;
	v[*nr] = (struct group){ .name = name };
	memcpy(v[*nr].perms, perms, sizeof(v[*nr].perms));
	return &v[(*nr)++];
}

static int print_vmas(const struct breaks_report *r, size_t width, FILE *out)
{
	const struct breaks_tally *t = r->tally;
	size_t nr = 0, cap = 0;
	struct group *groups = NULL;
	bool narrow = width < NARROW;
	char a[32], b[32], c[32], perms[5];

	for (size_t i = 0; i < t->nr_cells; i++) {
		const struct breaks_vma *vma = &t->vmas[t->cells[i].vma];
		struct group *g = group_of(&groups, &nr, &cap, breaks_vma_name(r, vma),
					   breaks_perms(vma, perms));

		if (!g) {
			free(groups);
			return -1;
		}
		breaks_counts_add(&g->counts, &t->cells[i].counts);
		g->bytes += t->cells[i].broken_bytes;
	}
	if (nr)
		qsort(groups, nr, sizeof(*groups), by_group);
	if (nr && breaks_broken(&groups[0].counts))
		fprintf(out, narrow ? "\n      pages       bytes  of files  perms\n    mapping\n"
				    : "\n       pages       bytes  of files  perms  mapping\n");
	for (size_t i = 0; i < nr && i < r->top && breaks_broken(&groups[i].counts); i++)
		fprintf(out,
			narrow ? " %10s  %10s  %8s  %s\n    %.*s\n"
			       : "  %10s  %10s  %8s  %s   %.*s\n",
			words_count(breaks_broken(&groups[i].counts), a),
			words_bytes(groups[i].bytes, b),
			words_count(groups[i].counts.n[BREAKS_FROM_FILE], c), groups[i].perms,
			(int)width - (narrow ? 4 : 45), groups[i].name);
	free(groups);
	return 0;
}

struct per_proc {
	uint32_t proc;
	struct breaks_counts counts;
	uint64_t bytes;
};

static int by_proc(const void *x, const void *y)
{
	const struct per_proc *a = x, *b = y;
	uint64_t m = breaks_broken(&a->counts), n = breaks_broken(&b->counts);

	return m > n ? -1 : m < n ? 1 : a->proc < b->proc ? -1 : a->proc > b->proc;
}

static int print_procs(const struct breaks_report *r, size_t width, FILE *out)
{
	const struct breaks_tally *t = r->tally;
	size_t nr = breaks_procs_nr(r->procs), rest = 0;
	struct per_proc *v = calloc(nr + 1, sizeof(*v));
	bool narrow = width < NARROW;
	char a[32], b[32], c[32], d[32];

	if (!v)
		return -1;
	for (uint32_t i = 0; i < nr; i++)
		v[i].proc = i;
	for (size_t i = 0; i < t->nr_cells; i++) {
		struct per_proc *p = &v[t->vmas[t->cells[i].vma].proc];

		breaks_counts_add(&p->counts, &t->cells[i].counts);
		p->bytes += t->cells[i].broken_bytes;
	}
	qsort(v, nr, sizeof(*v), by_proc);
	if (nr)
		fprintf(out,
			narrow ? "\n    pages      bytes of files not copied\n      pid  process\n"
			       : "\n       pages       bytes  of files  not copied      pid  "
				 "process\n");
	for (size_t i = 0; i < nr; i++) {
		const struct breaks_proc *p = breaks_procs_at(r->procs, v[i].proc);

		if (i >= r->top) {
			rest++;
			continue;
		}
		fprintf(out,
			narrow ? "%9s %10s %8s %10s\n  %7u  %s\n"
			       : "  %10s  %10s  %8s  %10s  %7u  %s\n",
			words_count(breaks_broken(&v[i].counts), a), words_bytes(v[i].bytes, b),
			words_count(v[i].counts.n[BREAKS_FROM_FILE], c),
			words_count(v[i].counts.n[BREAKS_UNSHARED], d), p->pid,
			breaks_names_text(r->names, p->comm));
	}
	if (rest)
		fprintf(out, "  and %zu more (--top shows more)\n", rest);
	free(v);
	return 0;
}

/* -- what to make of it ----------------------------------------------------------------------- */

/* To the modules in which something of a stack has no name, and that of the place itself, its pages. */
static void weigh(const struct breaks_report *r, const struct breaks_path *path, uint64_t *weights)
{
	struct breaks_named stack[BREAKS_NAMED];
	uint32_t last = BREAKS_NONE;
	size_t kernel, nr;
	bool cut;

	nr = breaks_names_stack(r->names, path->stack, stack, &kernel, &cut);
	for (size_t i = kernel; i < nr; i++) {
		uint32_t module = stack[i].module_nr;

		if (module == BREAKS_NONE || module == last || (stack[i].known && i > kernel))
			continue;
		weights[module] += path->pages;
		last = module;
	}
}

/* Of the modules that matter: what is missing to name what is in them. */
static int print_modules(const struct breaks_report *r, FILE *out)
{
	uint32_t nr = breaks_modules_nr(r->modules);
	uint64_t *weights = calloc(nr + 1u, sizeof(*weights));
	struct breaks_lines lines;
	int ret = breaks_lines_make(r, &lines), said = 0;

	for (size_t i = 0; i < lines.nr && weights && !ret; i++)
		for (size_t k = 0; k < lines.v[i].nr_paths; k++)
			weigh(r, &lines.v[i].paths[k], weights);
	for (uint32_t i = 0; i < nr && weights && !ret; i++) {
		const char *problem;

		if (!weights[i] || weights[i] < breaks_broken(&r->tally->total) / WORTH)
			continue;
		problem = breaks_module_problem(r->modules, i);
		if (!problem)
			continue;
		if (!said++) {
			fputc('\n', out);
			words_say(out,
				  "names that are missing (a package of that name with -dbgsym "
				  "or -dbg has them)");
		}
		fprintf(out, "  ");
		words_say_at(out, 2, "%.800s: %s",
			     breaks_names_text(r->names, breaks_module_path(r->modules, i)),
			     problem);
	}
	breaks_lines_free(&lines);
	if (!weights)
		ret = -1;
	free(weights);
	return ret;
}

int breaks_print(const struct breaks_report *r, FILE *out)
{
	size_t width = terminal_width(out);
	char a[32], b[32];

	print_head(r, out);
	print_time(r, width, out);
	if (print_lines(r, width, out) || print_vmas(r, width, out) || print_procs(r, width, out) ||
	    print_modules(r, out))
		return -1;
	fputc('\n', out);
	words_say(out, "events lost: %s of %s; followed at the cost of %.2f s of processor time",
		  words_count(r->lost, a), words_count(r->taken + r->lost, b), r->own_cpu);
	return 0;
}
