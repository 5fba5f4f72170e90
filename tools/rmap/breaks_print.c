// SPDX-License-Identifier: BSD-2-Clause
/* What broke the sharing, in tables for people. */
#include "breaks_index.h"
#include "breaks_report.h"
#include "words.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define PATHS	  5   /* of callers, under a line */
#define MAX_WIDTH 512 /* of a line */
#define WORTH	  50  /* a module with less than that part of all pages is not spoken of */

static size_t terminal_width(FILE *out)
{
	struct winsize size;

	if (!isatty(fileno(out)))
		return 120; /* a file's reader has more room than patience */
	if (ioctl(fileno(out), TIOCGWINSZ, &size) || size.ws_col < 60)
		return 80;
	return size.ws_col < MAX_WIDTH ? size.ws_col : MAX_WIDTH;
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
	fprintf(out, "sharing broken: %s page%s, %s more memory\n", words_count(broken, a),
		broken == 1 ? "" : "s", words_bytes(t->broken_bytes, b));
	fprintf(out, "\nwrite faults on present pages\n");
	for (int i = 0; i < BREAKS_CLASSES; i++)
		if (t->total.n[i])
			fprintf(out, "  %12s  %s\n", words_count(t->total.n[i], a), class_words[i]);
	if (!breaks_all(&t->total))
		fprintf(out, "          none\n");
	if (r->open)
		fprintf(out, "  %12s  still under way at the end\n", words_count(r->open, a));
}

static void print_time(const struct breaks_report *r, FILE *out)
{
	static const char levels[] = " .:-=+*#%@";
	const struct breaks_tally *t = r->tally;
	uint64_t most = 0;
	int last = 0;
	char a[32];

	for (int i = 0; i < BREAKS_BINS; i++) {
		if (t->bins[i] > most)
			most = t->bins[i];
		if (t->bins[i])
			last = i;
	}
	if (!most)
		return;
	fprintf(out, "\nover time: one column is %.3g s, '@' up to %s pages\n  |",
		(double)t->bin_ns / 1e9, words_count(most, a));
	for (int i = 0; i <= last; i++) {
		uint64_t level = (t->bins[i] * 9 + most - 1) / most;

		fputc(levels[level], out);
	}
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

/* Ways that differ only beyond what is shown are one. */
static void print_paths(const struct breaks_report *r, const struct breaks_line *l, size_t width,
			FILE *out)
{
	struct way shown[PATHS];
	size_t nr = 0, more = 0, k;
	char a[32];

	for (size_t i = 0; i < l->nr_paths; i++) {
		char text[MAX_WIDTH + 8];

		path_text(r, l->paths[i].stack, width, text);
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
		fprintf(out, "    %10s%21s%s\n", words_count(shown[k].pages, a), "", shown[k].text);
	if (more)
		fprintf(out, "%35sand %zu more way%s there\n", "", more, more == 1 ? "" : "s");
}

static int print_lines(const struct breaks_report *r, size_t width, FILE *out)
{
	struct breaks_lines lines;
	uint64_t broken = breaks_broken(&r->tally->total), rest = 0;
	int ret = breaks_lines_make(r, &lines);
	char a[32], b[32];

	if (broken)
		fprintf(out, "\n       pages       bytes      %%  where it is written, and who "
			     "called\n");
	for (size_t i = 0; i < lines.nr && !ret; i++) {
		const struct breaks_line *l = &lines.v[i];
		uint64_t pages = breaks_broken(&l->counts);

		if (!pages)
			break;
		if (i >= r->top) {
			rest += pages;
			continue;
		}
		fprintf(out, "  %10s  %10s  %5.1f  ", words_count(pages, a),
			words_bytes(l->broken_bytes, b), 100 * (double)pages / (double)broken);
		print_place(l, width - 33, out);
		print_paths(r, l, width - 40, out);
	}
	if (rest)
		fprintf(out, "  %10s  elsewhere (--top shows more)\n", words_count(rest, a));
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
		fprintf(out, "\n       pages       bytes  of files  perms  mapping\n");
	for (size_t i = 0; i < nr && i < r->top && breaks_broken(&groups[i].counts); i++)
		fprintf(out, "  %10s  %10s  %8s  %s   %.*s\n",
			words_count(breaks_broken(&groups[i].counts), a),
			words_bytes(groups[i].bytes, b),
			words_count(groups[i].counts.n[BREAKS_FROM_FILE], c), groups[i].perms,
			(int)width - 45, groups[i].name);
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

static int print_procs(const struct breaks_report *r, FILE *out)
{
	const struct breaks_tally *t = r->tally;
	size_t nr = breaks_procs_nr(r->procs), rest = 0;
	struct per_proc *v = calloc(nr + 1, sizeof(*v));
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
			"\n       pages       bytes  of files  not copied      pid  process\n");
	for (size_t i = 0; i < nr; i++) {
		const struct breaks_proc *p = breaks_procs_at(r->procs, v[i].proc);

		if (i >= r->top) {
			rest++;
			continue;
		}
		fprintf(out, "  %10s  %10s  %8s  %10s  %7u  %s\n",
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
		if (!said++)
			fprintf(out,
				"\nnames that are missing (a package of that name with -dbgsym or "
				"-dbg has them)\n");
		fprintf(out, "  %s: %s\n",
			breaks_names_text(r->names, breaks_module_path(r->modules, i)), problem);
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
	print_time(r, out);
	if (print_lines(r, width, out) || print_vmas(r, width, out) || print_procs(r, out) ||
	    print_modules(r, out))
		return -1;
	fprintf(out, "\nevents lost: %s of %s; followed at the cost of %.2f s of processor time\n",
		words_count(r->lost, a), words_count(r->taken + r->lost, b), r->own_cpu);
	return 0;
}
