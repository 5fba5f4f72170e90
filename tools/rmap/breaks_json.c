// SPDX-License-Identifier: BSD-2-Clause
/* What broke the sharing, for other programs: JSON (docs/json.md says what is in it), and CSV with a line for each stack in each VMA. */
#include "breaks_report.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

static json_t *integer(uint64_t n)
{
	return json_integer(n > INT64_MAX ? INT64_MAX : (json_int_t)n);
}

static json_t *hex(uint64_t n)
{
	char text[32];

	snprintf(text, sizeof(text), "0x%" PRIx64, n);
	return json_string(text);
}

/* pages, bytes, and how many of each class */
static void put_counts(json_t *o, const struct breaks_counts *c, uint64_t broken_bytes)
{
	json_t *faults = json_object();

	json_object_set_new(o, "pages", integer(breaks_broken(c)));
	json_object_set_new(o, "bytes", integer(broken_bytes));
	for (int i = 0; i < BREAKS_CLASSES; i++)
		json_object_set_new(faults, breaks_class_names[i], integer(c->n[i]));
	json_object_set_new(o, "faults", faults);
}

static json_t *json_frame(const struct breaks_named *f)
{
	json_t *o = json_object();

	json_object_set_new(o, "function", json_string(f->function));
	json_object_set_new(o, "file", f->file ? json_string(f->file) : json_null());
	json_object_set_new(o, "line", f->file ? json_integer(f->line) : json_null());
	json_object_set_new(o, "module", f->module[0] ? json_string(f->module) : json_null());
	json_object_set_new(o, "address", hex(f->address));
	json_object_set_new(o, "inlined", json_boolean(f->inlined));
	json_object_set_new(o, "kernel", json_boolean(f->kernel));
	return o;
}

static json_t *json_stack(const struct breaks_report *r, const struct breaks_path *path)
{
	struct breaks_named stack[BREAKS_NAMED];
	json_t *o = json_object(), *frames = json_array();
	size_t kernel, nr;
	bool cut;

	nr = breaks_names_stack(r->names, path->stack, stack, &kernel, &cut);
	for (size_t i = 0; i < nr; i++)
		json_array_append_new(frames, json_frame(&stack[i]));
	json_object_set_new(o, "pages", integer(path->pages));
	json_object_set_new(o, "bytes", integer(path->bytes));
	json_object_set_new(o, "cut", json_boolean(cut));
	json_object_set_new(o, "frames", frames);
	return o;
}

static json_t *json_lines(const struct breaks_report *r, const struct breaks_lines *lines)
{
	json_t *array = json_array();

	for (size_t i = 0; i < lines->nr; i++) {
		const struct breaks_line *l = &lines->v[i];
		json_t *o = json_frame(&l->at), *stacks = json_array();

		json_object_del(o, "kernel");
		json_object_del(o, "inlined");
		json_object_set_new(o, "by_kernel",
				    l->in_kernel ? json_string(l->in_kernel) : json_null());
		put_counts(o, &l->counts, l->broken_bytes);
		for (size_t k = 0; k < l->nr_paths; k++)
			json_array_append_new(stacks, json_stack(r, &l->paths[k]));
		json_object_set_new(o, "stacks", stacks);
		json_array_append_new(array, o);
	}
	return array;
}

/* What the cells of each VMA, or of each process, come to. */
static struct breaks_cell *sums(const struct breaks_tally *t, size_t nr, bool by_proc)
{
	struct breaks_cell *v = calloc(nr + 1, sizeof(*v));

	for (size_t i = 0; i < t->nr_cells && v; i++) {
		uint32_t vma = t->cells[i].vma, at = by_proc ? t->vmas[vma].proc : vma;

		breaks_counts_add(&v[at].counts, &t->cells[i].counts);
		v[at].broken_bytes += t->cells[i].broken_bytes;
	}
	return v;
}

static json_t *json_procs(const struct breaks_report *r)
{
	uint32_t nr = breaks_procs_nr(r->procs);
	struct breaks_cell *v = sums(r->tally, nr, true);
	json_t *array = v ? json_array() : NULL;

	for (uint32_t i = 0; i < nr && v; i++) {
		const struct breaks_proc *p = breaks_procs_at(r->procs, i);
		json_t *o = json_object();

		json_object_set_new(o, "pid", json_integer(p->pid));
		json_object_set_new(o, "comm", json_string(breaks_names_text(r->names, p->comm)));
		put_counts(o, &v[i].counts, v[i].broken_bytes);
		json_array_append_new(array, o);
	}
	free(v);
	return array;
}

static json_t *json_vmas(const struct breaks_report *r)
{
	const struct breaks_tally *t = r->tally;
	struct breaks_cell *v = sums(t, t->nr_vmas, false);
	json_t *array = v ? json_array() : NULL;
	char perms[5];

	for (size_t i = 0; i < t->nr_vmas && v; i++) {
		const struct breaks_vma *vma = &t->vmas[i];
		json_t *o = json_object();

		json_object_set_new(o, "pid",
				    json_integer(breaks_procs_at(r->procs, vma->proc)->pid));
		json_object_set_new(o, "start", hex(vma->start));
		json_object_set_new(o, "end", hex(vma->end));
		json_object_set_new(o, "perms", json_string(breaks_perms(vma, perms)));
		json_object_set_new(o, "name", json_string(breaks_vma_name(r, vma)));
		put_counts(o, &v[i].counts, v[i].broken_bytes);
		json_array_append_new(array, o);
	}
	free(v);
	return array;
}

static json_t *json_time(const struct breaks_tally *t)
{
	json_t *o = json_object(), *array = json_array();
	int nr = BREAKS_BINS;

	while (nr && !t->bins[nr - 1])
		nr--;
	for (int i = 0; i < nr; i++)
		json_array_append_new(array, integer(t->bins[i]));
	json_object_set_new(o, "seconds_each", json_real((double)t->bin_ns / 1e9));
	json_object_set_new(o, "pages", array);
	return o;
}

static json_t *json_modules(const struct breaks_report *r)
{
	json_t *array = json_array();

	for (uint32_t i = 0; i < breaks_modules_nr(r->modules); i++) {
		const char *problem, *path = breaks_module_path(r->modules, i);
		json_t *o;

		if (!breaks_module_used(r->modules, i))
			continue;
		o = json_object();
		problem = breaks_module_problem(r->modules, i);
		json_object_set_new(o, "path", json_string(breaks_names_text(r->names, path)));
		json_object_set_new(o, "problem", problem ? json_string(problem) : json_null());
		json_array_append_new(array, o);
	}
	return array;
}

int breaks_print_json(const struct breaks_report *r, FILE *out)
{
	json_t *root = json_object();
	struct breaks_lines lines;
	int ret = breaks_lines_make(r, &lines);

	if (!ret) {
		json_object_set_new(root, "seconds", json_real(r->seconds));
		json_object_set_new(root, "own_cpu_seconds", json_real(r->own_cpu));
		json_object_set_new(root, "events", integer(r->taken));
		json_object_set_new(root, "lost", integer(r->lost));
		json_object_set_new(root, "under_way", integer(r->open));
		put_counts(root, &r->tally->total, r->tally->broken_bytes);
		json_object_set_new(root, "time", json_time(r->tally));
		json_object_set_new(root, "lines", json_lines(r, &lines));
		json_object_set_new(root, "vmas", json_vmas(r));
		json_object_set_new(root, "processes", json_procs(r));
		json_object_set_new(root, "modules", json_modules(r));
		ret = json_dumpf(root, out, JSON_INDENT(2) | JSON_REAL_PRECISION(9));
		fputc('\n', out);
	}
	breaks_lines_free(&lines);
	json_decref(root);
	return ret ? -1 : 0;
}

/* -- CSV -------------------------------------------------------------------------------------- */

static void csv_inner(const char *text, FILE *out)
{
	for (; *text; text++) {
		if (*text == '"')
			fputc('"', out);
		fputc(*text, out);
	}
}

static void csv_text(const char *text, FILE *out)
{
	fputc('"', out);
	csv_inner(text, out);
	fputc('"', out);
}

static void csv_cell(const struct breaks_report *r, const struct breaks_cell *cell, FILE *out)
{
	static const struct breaks_named none = { .function = "(unknown)", .module = "" };
	const struct breaks_vma *vma = &r->tally->vmas[cell->vma];
	const struct breaks_proc *p = breaks_procs_at(r->procs, vma->proc);
	struct breaks_named stack[BREAKS_NAMED];
	const struct breaks_named *at;
	size_t kernel, nr;
	char perms[5];
	bool cut;

	nr = breaks_names_stack(r->names, cell->stack, stack, &kernel, &cut);
	at = !nr ? &none : &stack[kernel < nr ? kernel : 0];
	fprintf(out, "%" PRIu32 ",", p->pid);
	csv_text(breaks_names_text(r->names, p->comm), out);
	fprintf(out, ",0x%" PRIx64 ",%s,", vma->start, breaks_perms(vma, perms));
	csv_text(breaks_vma_name(r, vma), out);
	fputc(',', out);
	csv_text(at->function, out);
	fputc(',', out);
	csv_text(at->file ? at->file : "", out);
	fprintf(out, ",%d,", at->file ? at->line : 0);
	csv_text(at->module, out);
	fprintf(out, ",%" PRIu64 ",%" PRIu64, breaks_broken(&cell->counts), cell->broken_bytes);
	for (int i = 0; i < BREAKS_CLASSES; i++)
		fprintf(out, ",%" PRIu64, cell->counts.n[i]);
	fputs(",\"", out);
	for (size_t i = nr; i-- > 0;) {
		csv_inner(stack[i].function, out);
		csv_inner(i ? ";" : "", out);
	}
	fputs("\"\n", out);
}

int breaks_print_csv(const struct breaks_report *r, FILE *out)
{
	fputs("pid,comm,vma,perms,name,function,file,line,module,pages,bytes", out);
	for (int i = 0; i < BREAKS_CLASSES; i++)
		fprintf(out, ",%s", breaks_class_names[i]);
	fputs(",stack\n", out);
	for (size_t i = 0; i < r->tally->nr_cells; i++)
		csv_cell(r, &r->tally->cells[i], out);
	return 0;
}
