// SPDX-License-Identifier: BSD-2-Clause
/*
 * The table of what a group shares.
 */
#include "sharing_show.h"
#include "words.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NAME_MOST   24u
#define NAME_LEAST  14u
#define SUM_COLUMNS 8u
#define BAR_MOST    60u
#define BAR_LEAST   4u /* shorter ones say nothing */

uint64_t sharing_bytes(uint64_t pages)
{
	return pages << LIVE_PAGE_SHIFT;
}

uint64_t sharing_unit_bytes(uint64_t units)
{
	return units / (SHARING_UNIT >> LIVE_PAGE_SHIFT);
}

uint64_t sharing_whole_bytes(uint64_t units)
{
	return sharing_bytes((units + SHARING_UNIT / 2) / SHARING_UNIT);
}

const char *sharing_size(int64_t bytes, char buf[16])
{
	static const char units[] = "KMGTP";
	double n = (bytes < 0 ? -(double)bytes : (double)bytes) / 1024;
	unsigned int unit = 0;

	while (n >= 999.95 && units[unit + 1]) {
		n /= 1024;
		unit++;
	}
	if (!bytes)
		return strcpy(buf, "0");
	snprintf(buf, 16, "%s%.*f%c", bytes < 0 ? "-" : "", unit ? 1 : 0, n, units[unit]);
	return buf;
}

const char *sharing_vma_name(const struct live_vma *vma)
{
	return *vma->name ? vma->name : "[anon]";
}

/* -- by name -------------------------------------------------------------------------------------- */

struct named {
	const struct sharing_vma *vma;
	size_t proc;
};

static int by_name(const void *a, const void *b)
{
	const struct named *x = a, *y = b;
	int order = strcmp(sharing_vma_name(&x->vma->vma), sharing_vma_name(&y->vma->vma));

	return order ? order : (x->proc > y->proc) - (x->proc < y->proc);
}

static int by_size(const void *a, const void *b)
{
	const struct sharing_sums *x = &((const struct sharing_name *)a)->sums;
	const struct sharing_sums *y = &((const struct sharing_name *)b)->sums;
	uint64_t n = x->private + x->swapped, m = y->private + y->swapped;

	if (n != m)
		return n < m ? 1 : -1;
	return x->pss != y->pss ? (x->pss < y->pss ? 1 : -1) : 0;
}

/* Runs of one name become one. */
static void gather(struct sharing_names *out, const struct named *all, size_t nr)
{
	for (size_t i = 0; i < nr; i++) {
		struct sharing_name *n = out->nr ? &out->v[out->nr - 1] : NULL;
		const char *name = sharing_vma_name(&all[i].vma->vma);

		if (!n || strcmp(n->name, name) != 0) {
			n = &out->v[out->nr++];
			*n = (struct sharing_name){ .name = name };
		}
		n->nr_procs += !n->nr_vmas || all[i].proc != all[i - 1].proc;
		n->nr_vmas++;
		sharing_add(&n->sums, &all[i].vma->sums);
	}
}

int sharing_names(const struct sharing *s, struct sharing_names *out)
{
	size_t nr = 0, at = 0;
	struct named *all;

	for (size_t i = 0; i < s->nr; i++)
		nr += s->v[i].twin ? 0 : s->v[i].maps.nr;
	all = calloc(nr + 1, sizeof(*all));
	*out = (struct sharing_names){ .v = calloc(nr + 1, sizeof(*out->v)) };
	if (!all || !out->v) {
		free(all);
		free(out->v);
		return -1;
	}
	for (size_t i = 0; i < s->nr; i++)
		for (size_t k = 0; !s->v[i].twin && k < s->v[i].maps.nr; k++)
			all[at++] = (struct named){ &s->v[i].vmas[k], i };
	qsort(all, nr, sizeof(*all), by_name);
	gather(out, all, nr);
	qsort(out->v, out->nr, sizeof(*out->v), by_size);
	free(all);
	return 0;
}

/* -- one more worker ------------------------------------------------------------------------------ */

static int by_cost(const void *a, const void *b)
{
	const struct sharing_proc *x = *(const struct sharing_proc *const *)a;
	const struct sharing_proc *y = *(const struct sharing_proc *const *)b;
	uint64_t n = sharing_bytes(x->sums.private + x->sums.swapped) + x->tables;
	uint64_t m = sharing_bytes(y->sums.private + y->sums.swapped) + y->tables;

	return (n > m) - (n < m);
}

int sharing_worker(const struct sharing *s, struct sharing_worker *out)
{
	const struct sharing_proc **workers = calloc(s->nr + 1, sizeof(*workers));

	*out = (struct sharing_worker){ 0 };
	if (!workers)
		return -1;
	for (size_t i = 0; i < s->nr; i++)
		if (!s->v[i].gone && !s->v[i].twin && s->v[i].parent != SIZE_MAX)
			workers[out->nr++] = &s->v[i];
	if (out->nr) {
		const struct sharing_proc *p;

		qsort(workers, out->nr, sizeof(*workers), by_cost);
		p = workers[out->nr / 2];
		out->private = sharing_bytes(p->sums.private);
		out->swapped = sharing_bytes(p->sums.swapped);
		out->tables = p->tables;
	}
	free(workers);
	return 0;
}

/* -- rows ------------------------------------------------------------------------------------------ */

struct table {
	unsigned int name; /* columns of the name */
	unsigned int nr;   /* sums of a row, the first so many */
	unsigned int bar;  /* columns; 0: none */
	uint64_t most;	   /* pages of the longest bar */
	bool sees_frames;
};

static const char *const sum_names[] = { "private", "within", "beyond", "swapped", "pss" };
static const bool sum_needs_frames[] = { false, false, true, false, true };

static uint64_t pages_of(const struct sharing_sums *s)
{
	return s->private + s->within + s->beyond + s->swapped;
}

static void print_bar(const struct table *t, const struct sharing_sums *s)
{
	const uint64_t parts[] = { s->private, s->within, s->beyond, s->swapped };
	uint64_t done = 0, sum = 0;

	if (!t->most)
		return;
	for (int i = 0; i < 4; i++) {
		uint64_t until;

		sum += parts[i];
		until = (sum * t->bar + t->most / 2) / t->most;
		if (until && !done)
			fputs("  ", stdout);
		for (; done < until; done++)
			putchar("#=-~"[i]);
	}
}

static void print_sums(const struct table *t, const struct sharing_sums *s)
{
	const uint64_t sums[] = { sharing_bytes(s->private), sharing_bytes(s->within),
				  sharing_bytes(s->beyond), sharing_bytes(s->swapped),
				  sharing_unit_bytes(s->pss) };
	char buf[16];

	for (unsigned int i = 0; i < t->nr; i++)
		printf("%*s", (int)SUM_COLUMNS,
		       sum_needs_frames[i] && !t->sees_frames
			       ? "?"
			       : sharing_size((int64_t)sums[i], buf));
	print_bar(t, s);
	putchar('\n');
}

static size_t letters_of(const char *name)
{
	size_t letters = 0;

	for (; *name; name++)
		letters += ((unsigned char)*name & 0xc0) != 0x80;
	return letters;
}

/* Where so many letters of a name have gone by. */
static const char *letters_on(const char *name, size_t letters)
{
	while (letters) {
		name++;
		letters -= ((unsigned char)*name & 0xc0) != 0x80;
	}
	return name;
}

/*
 * The end of a long name says more than its beginning: paths differ there. But of a file whose own name is too long the
 * beginning is wanted, too: modules of an interpreter all end alike.
 */
static void print_name(const char *raw, unsigned int columns)
{
	char safe[LIVE_SAFE_SIZE];
	const char *name = live_safe(raw, safe, sizeof(safe)), *slash = strrchr(name, '/');
	size_t letters = letters_of(name), head = 0;

	if (letters <= columns) {
		printf("%s%*s", name, (int)(columns - letters), "");
		return;
	}
	if (slash && letters_of(slash + 1) > columns) {
		name = slash + 1;
		letters = letters_of(name);
		head = (columns - 2) / 2;
	}
	printf("%.*s..%s", (int)(letters_on(name, head) - name), name,
	       letters_on(name, letters - (columns - 2 - head)));
}

/* A process's name is cut behind, and its number never is. */
static void print_pid(const struct table *t, const struct live_proc *proc)
{
	char safe[LIVE_SAFE_SIZE];
	const char *name = live_safe(proc->comm, safe, sizeof(safe));
	size_t room = t->name - 8, letters = letters_of(name), len = 0;

	printf("%7d ", (int)proc->pid);
	if (letters <= room) {
		printf("%s%*s", name, (int)(room - letters), "");
		return;
	}
	for (letters = 0; letters < room - 2; letters++)
		do
			len++;
		while (((unsigned char)name[len] & 0xc0) == 0x80);
	printf("%.*s..", (int)len, name);
}

static void print_head(const struct table *t, const char *what)
{
	printf("%-*s", (int)t->name, what);
	for (unsigned int i = 0; i < t->nr; i++)
		printf("%*s", (int)SUM_COLUMNS, sum_names[i]);
	printf("%s%.*s\n", t->bar ? "  " : "", (int)t->bar, "# = - ~");
}

static void print_others(const struct table *t, size_t nr, const struct sharing_sums *sums)
{
	struct table bare = *t;
	char text[40];

	if (!nr)
		return;
	bare.most = 0;
	snprintf(text, sizeof(text), "%zu other%s", nr, nr == 1 ? "" : "s");
	print_name(text, t->name);
	print_sums(&bare, sums);
}

/* -- the tables ------------------------------------------------------------------------------------ */

static int by_private(const void *a, const void *b)
{
	const struct sharing_proc *x = *(const struct sharing_proc *const *)a;
	const struct sharing_proc *y = *(const struct sharing_proc *const *)b;
	uint64_t n = x->sums.private + x->sums.swapped, m = y->sums.private + y->sums.swapped;

	return n != m ? (n < m ? 1 : -1)
		      : (x->proc.pid > y->proc.pid) - (x->proc.pid < y->proc.pid);
}

static void print_vmas(const struct table *t, const struct sharing_proc *p)
{
	char text[64], perms[5];

	for (size_t i = 0; i < p->maps.nr; i++) {
		const struct sharing_vma *v = &p->vmas[i];

		if (!pages_of(&v->sums))
			continue;
		snprintf(text, sizeof(text), " %s %" PRIx64, live_perms(&v->vma, perms),
			 v->vma.start);
		print_name(text, t->name);
		print_sums(t, &v->sums);
		printf("      %s\n", live_safe(sharing_vma_name(&v->vma),
					       (char[LIVE_SAFE_SIZE]){ 0 }, LIVE_SAFE_SIZE));
	}
}

static void print_proc(const struct table *t, const struct sharing_proc *p, bool vmas)
{
	print_pid(t, &p->proc);
	if (p->gone)
		printf("  %s\n", p->denied ? "may not be looked at" : "has ended");
	else if (p->twin)
		printf("  in the address space of its parent\n");
	else
		print_sums(t, &p->sums);
	if (vmas && !p->gone && !p->twin)
		print_vmas(t, p);
}

static int print_procs(const struct sharing *s, struct table *t, size_t top, bool vmas)
{
	const struct sharing_proc **order = calloc(s->nr + 1, sizeof(*order));
	struct sharing_sums others = { 0 };
	size_t rows = top && top < s->nr ? top : s->nr;

	if (!order)
		return -1;
	t->most = 0;
	for (size_t i = 0; i < s->nr; i++) {
		order[i] = &s->v[i];
		if (pages_of(&s->v[i].sums) > t->most)
			t->most = pages_of(&s->v[i].sums);
	}
	if (rows < s->nr)
		qsort(order, s->nr, sizeof(*order), by_private);
	print_head(t, "    pid name");
	for (size_t i = 0; i < rows; i++)
		print_proc(t, order[i], vmas);
	for (size_t i = rows; i < s->nr; i++)
		sharing_add(&others, &order[i]->sums);
	print_others(t, s->nr - rows, &others);
	free(order);
	return 0;
}

static int print_names(const struct sharing *s, struct table *t, size_t top)
{
	struct sharing_sums others = { 0 };
	struct sharing_names names;
	size_t rows, used = 0;

	if (sharing_names(s, &names))
		return -1;
	t->most = 0;
	for (size_t i = 0; i < names.nr; i++) {
		if (pages_of(&names.v[i].sums) > t->most)
			t->most = pages_of(&names.v[i].sums);
		used += pages_of(&names.v[i].sums) != 0;
	}
	rows = top && top < used ? top : used;
	print_head(t, "file or name");
	for (size_t i = 0, row = 0; i < names.nr; i++) {
		if (!pages_of(&names.v[i].sums))
			continue;
		if (row++ < rows) {
			print_name(names.v[i].name, t->name);
			print_sums(t, &names.v[i].sums);
		} else {
			sharing_add(&others, &names.v[i].sums);
		}
	}
	print_others(t, used - rows, &others);
	free(names.v);
	return 0;
}

/* -- what it comes to ------------------------------------------------------------------------------- */

/* What the forks of the group cost; nothing can be said of that where none of it was forked by another. */
static int print_forks(const struct sharing *s)
{
	uint64_t own = sharing_bytes(s->sums.private) + sharing_whole_bytes(s->sums.once);
	uint64_t broken = sharing_unit_bytes(s->sums.broken);
	char a[16], b[16], c[16], d[16];
	struct sharing_worker w;

	if (sharing_worker(s, &w))
		return -1;
	if (!w.nr) {
		words_say(stdout, "nobody here descends from another of the group, so what was "
				  "written since a fork is not known (--tree PID takes a server "
				  "and its workers)");
		return 0;
	}
	words_say(stdout,
		  "one more worker costs about %s: what the median of %zu has for itself "
		  "(private %s, swapped %s, page tables %s)",
		  sharing_size((int64_t)(w.private + w.swapped + w.tables), a), w.nr,
		  sharing_size((int64_t)w.private, b), sharing_size((int64_t)w.swapped, c),
		  sharing_size((int64_t)w.tables, d));
	if (s->sees_frames)
		words_say(
			stdout,
			"had nothing been written since the fork, at most %s would be saved (%.0f "
			"%% of the group's own)",
			sharing_size((int64_t)broken, a),
			own ? 100 * (double)broken / (double)own : 0.0);
	return 0;
}

static int print_sentences(const struct sharing *s)
{
	uint64_t private = sharing_bytes(s->sums.private), once = sharing_whole_bytes(s->sums.once);
	size_t gone = 0, denied = 0;
	char a[16], b[16], c[16];

	for (size_t i = 0; i < s->nr; i++) {
		gone += s->v[i].gone && !s->v[i].denied;
		denied += s->v[i].denied;
	}
	putchar('\n');
	if (s->sees_frames)
		words_say(
			stdout,
			"the group's own memory is %s: private %s, shared within it %s (each page "
			"once)",
			sharing_size((int64_t)(private + once), a),
			sharing_size((int64_t) private, b), sharing_size((int64_t)once, c));
	else
		words_say(stdout,
			  "without CAP_SYS_ADMIN the kernel shows no frame numbers: all that is "
			  "shared stands under 'within', and what was broken is not known");
	if (print_forks(s))
		return -1;
	if (denied)
		words_say(stdout, "processes that may not be looked at (%s): %zu", live_refusal(),
			  denied);
	if (gone)
		printf("processes that ended meanwhile: %zu\n", gone);
	return 0;
}

/* First bars get shorter, then names, then the last sums are left out. The last column stays free. */
static void lay_out(struct table *t, unsigned int columns)
{
	unsigned int left;

	t->nr = sizeof(sum_names) / sizeof(sum_names[0]);
	while (t->nr > 1 && NAME_LEAST + SUM_COLUMNS * t->nr + 1 > columns)
		t->nr--;
	left = columns > SUM_COLUMNS * t->nr + 1 ? columns - SUM_COLUMNS * t->nr - 1 : 0;
	t->name = left < NAME_LEAST ? NAME_LEAST : left < NAME_MOST ? left : NAME_MOST;
	left -= left < t->name ? left : t->name;
	t->bar = left < 2 + BAR_LEAST ? 0 : left - 2 < BAR_MOST ? left - 2 : BAR_MOST;
}

int sharing_print(const struct sharing *s, unsigned int columns, size_t top, bool vmas)
{
	struct table t = { .sees_frames = s->sees_frames };

	lay_out(&t, columns);
	if (print_procs(s, &t, top, vmas))
		return -1;
	putchar('\n');
	if (print_names(s, &t, top))
		return -1;
	return print_sentences(s);
}
