// SPDX-License-Identifier: BSD-2-Clause
/*
 * What a comparison came to: a table with a column for each design, lines of comma-separated values, or the JSON of docs/json.md.
 *
 * The table and the lines come from one list of figures, so that they cannot differ.
 */
#include "compare.h"
#include "json_figures.h"
#include "words.h"

#include <math.h>
#include <string.h>

/* ---------------------------------------------------------------- figures */

static double quotient(double a, double b)
{
	return b > 0 ? a / b : NAN;
}

static double of_bytes(const struct compare_design *d, int which)
{
	const double total = (double)d->peak.total;

	switch (which) {
	case 1:
		return quotient(total, (double)d->peak.nr_mms);
	case 2:
		return quotient(total, (double)d->peak.nr_vmas);
	case 3:
		return quotient(total, (double)d->peak.nr_pages);
	case 4:
		return (double)d->objects_peak;
	case 5:
		return (double)d->peak.objects;
	default:
		return total;
	}
}

/* How often that is done whose cost a class is. */
static uint64_t deeds(const struct compare_design *d, enum timed_class class)
{
	switch (class) {
	case TIMED_FORK:
		return d->totals.mm.forks;
	case TIMED_MAP:
		return d->totals.mm.faults;
	case TIMED_WALKS:
		return d->class[TIMED_WALKS].events;
	default:
		return 1;
	}
}

static double of_time(const struct compare_design *d, int class)
{
	return quotient(d->class[class].ns, (double)deeds(d, (enum timed_class) class));
}

static double of_instructions(const struct compare_design *d, int class)
{
	if (!d->counts_instructions)
		return NAN;
	return quotient(d->class[class].instructions, (double)deeds(d, (enum timed_class) class));
}

enum { MEAN, P99, MAX, RATIOS };

static double of_pool(const struct compare_pool *pool, const double *values, int which)
{
	struct compare_ratio ratio = compare_ratio(values, pool->nr);

	if (!pool->nr)
		return NAN;
	return which == MEAN ? ratio.mean : which == P99 ? ratio.p99 : ratio.max;
}

static double of_looks(const struct compare_design *d, int which)
{
	const struct compare_pool *pool = &d->pool[which / RATIOS];

	return of_pool(pool, pool->looks, which % RATIOS);
}

static double of_steps(const struct compare_design *d, int which)
{
	const struct compare_pool *pool = &d->pool[which / RATIOS];

	return of_pool(pool, pool->steps, which % RATIOS);
}

/* Of walks by the VM itself: reclaim, migration, write-back. */
static double of_own_walks(const struct compare_design *d, int which)
{
	uint64_t looks = 0, steps = 0, found = 0, walks = 0, most = 0;

	for (unsigned int i = 0; i < RMAP_WALK_PURPOSES; i++) {
		if (i == RMAP_WALK_PROBE)
			continue;
		walks += d->totals.walk[i].walks;
		looks += d->totals.walk[i].looks;
		steps += d->totals.walk[i].steps;
		found += d->totals.walk[i].found;
		if (d->totals.walk[i].max_looks > most)
			most = d->totals.walk[i].max_looks;
	}
	switch (which) {
	case 0:
		return (double)walks;
	case 1:
		return quotient((double)looks, (double)found);
	case 2:
		return walks ? (double)most : NAN;
	default:
		return quotient((double)steps, (double)found);
	}
}

static double of_counts(const struct compare_design *d, int which)
{
	switch (which) {
	case 0:
		return (double)d->totals.merges_refused;
	case 1:
		return (double)d->totals.locks_family;
	case 2:
		return (double)d->totals.locks_file;
	case 3:
		return (double)d->totals.adopted;
	case 4:
		return (double)d->totals.locks_page;
	case 5:
		return (double)d->totals.locks_mm;
	default:
		return (double)d->totals.mm.fork_pages_copied;
	}
}

enum unit {
	UNIT_NUMBER,
	UNIT_RATIO,
	UNIT_BYTES,
	UNIT_TIME,
};

struct figure {
	const char *group; /* a headline before it, or NULL */
	const char *name;
	const char *key; /* for CSV */
	double (*get)(const struct compare_design *d, int which);
	int which;
	enum unit unit;
	bool ranked; /* less is better */
};

#define POOL(pass, ratio) ((int)(pass)*RATIOS + (ratio))

static const struct figure figures[] = {
	{ "memory of the reverse map, at its peak", "all", "rmap_bytes_peak", of_bytes, 0,
	  UNIT_BYTES, true },
	{ NULL, "per process", "bytes_per_process", of_bytes, 1, UNIT_BYTES, true },
	{ NULL, "per VMA", "bytes_per_vma", of_bytes, 2, UNIT_BYTES, true },
	{ NULL, "per page", "bytes_per_page", of_bytes, 3, UNIT_BYTES, true },
	{ NULL, "in objects", "object_bytes", of_bytes, 5, UNIT_BYTES, true },
	{ NULL, "objects", "objects_peak", of_bytes, 4, UNIT_NUMBER, true },
	{ "time in the reverse map", "per fork", "fork_ns", of_time, TIMED_FORK, UNIT_TIME, true },
	{ NULL, "per fault", "fault_ns", of_time, TIMED_MAP, UNIT_TIME, true },
	{ NULL, "per walk of the VM", "walk_ns", of_time, TIMED_WALKS, UNIT_TIME, true },
	{ NULL, "unmapping, all", "unmap_ns", of_time, TIMED_UNMAP, UNIT_TIME, true },
	{ NULL, "split, merge, move, all", "layout_ns", of_time, TIMED_LAYOUT, UNIT_TIME, true },
	{ NULL, "everything", "total_ns", of_time, TIMED_CLASSES, UNIT_TIME, true },
	{ "instructions in the reverse map", "per fork", "fork_instructions", of_instructions,
	  TIMED_FORK, UNIT_NUMBER, true },
	{ NULL, "per fault", "fault_instructions", of_instructions, TIMED_MAP, UNIT_RATIO, true },
	{ NULL, "per walk of the VM", "walk_instructions", of_instructions, TIMED_WALKS,
	  UNIT_NUMBER, true },
	{ NULL, "unmapping, all", "unmap_instructions", of_instructions, TIMED_UNMAP, UNIT_NUMBER,
	  true },
	{ NULL, "split, merge, move, all", "layout_instructions", of_instructions, TIMED_LAYOUT,
	  UNIT_NUMBER, true },
	{ NULL, "everything", "total_instructions", of_instructions, TIMED_CLASSES, UNIT_NUMBER,
	  true },
	{ "looks per PTE found, first walk, may stop", "mean", "first_looks_mean", of_looks,
	  POOL(COMPARE_FIRST, MEAN), UNIT_RATIO, true },
	{ NULL, "99 of 100", "first_looks_p99", of_looks, POOL(COMPARE_FIRST, P99), UNIT_RATIO,
	  true },
	{ NULL, "worst", "first_looks_max", of_looks, POOL(COMPARE_FIRST, MAX), UNIT_RATIO, true },
	{ "looks per PTE found, second walk, may stop", "mean", "looks_mean", of_looks,
	  POOL(COMPARE_SECOND, MEAN), UNIT_RATIO, true },
	{ NULL, "99 of 100", "looks_p99", of_looks, POOL(COMPARE_SECOND, P99), UNIT_RATIO, true },
	{ NULL, "worst", "looks_max", of_looks, POOL(COMPARE_SECOND, MAX), UNIT_RATIO, true },
	{ "looks per PTE found, to the end", "mean", "full_looks_mean", of_looks,
	  POOL(COMPARE_FULL, MEAN), UNIT_RATIO, true },
	{ NULL, "99 of 100", "full_looks_p99", of_looks, POOL(COMPARE_FULL, P99), UNIT_RATIO,
	  true },
	{ NULL, "worst", "full_looks_max", of_looks, POOL(COMPARE_FULL, MAX), UNIT_RATIO, true },
	{ "steps per PTE found, second walk, may stop", "mean", "steps_mean", of_steps,
	  POOL(COMPARE_SECOND, MEAN), UNIT_RATIO, true },
	{ NULL, "99 of 100", "steps_p99", of_steps, POOL(COMPARE_SECOND, P99), UNIT_RATIO, true },
	{ NULL, "worst", "steps_max", of_steps, POOL(COMPARE_SECOND, MAX), UNIT_RATIO, true },
	{ "walks of the VM itself (reclaim, migration)", "walks", "vm_walks", of_own_walks, 0,
	  UNIT_NUMBER, false },
	{ NULL, "looks per PTE found", "vm_looks_mean", of_own_walks, 1, UNIT_RATIO, true },
	{ NULL, "most looks of one", "vm_looks_max", of_own_walks, 2, UNIT_NUMBER, true },
	{ NULL, "steps per PTE found", "vm_steps_mean", of_own_walks, 3, UNIT_RATIO, true },
	{ "counts", "merges it would refuse", "merges_refused", of_counts, 0, UNIT_NUMBER, true },
	{ NULL, "pages adopted", "adopted", of_counts, 3, UNIT_NUMBER, false },
	{ "locks taken by the design's own code", "of a page", "locks_page", of_counts, 4,
	  UNIT_NUMBER, true },
	{ NULL, "of an address space", "locks_mm", of_counts, 5, UNIT_NUMBER, true },
	{ NULL, "of a family", "locks_family", of_counts, 1, UNIT_NUMBER, true },
	{ NULL, "of a file", "locks_file", of_counts, 2, UNIT_NUMBER, false },
};

#define FIGURES (sizeof(figures) / sizeof(figures[0]))

/* ---------------------------------------------------------------- the table */

static void grouped(double value, char buf[32])
{
	char digits[32];
	int len = snprintf(digits, sizeof(digits), "%.0f", value);
	char *out = buf;

	for (int i = 0; i < len; i++) {
		if (i && (len - i) % 3 == 0)
			*out++ = ',';
		*out++ = digits[i];
	}
	*out = '\0';
}

static void scaled(double value, const char *const *units, double step, char buf[32])
{
	while (value >= step && units[1]) {
		value /= step;
		units++;
	}
	snprintf(buf, 32, value < 10 ? "%.2f %s" : "%.1f %s", value, *units);
}

static void ratio(double value, char buf[32])
{
	if (isnan(value))
		snprintf(buf, 32, "-");
	else if (value < 10000)
		snprintf(buf, 32, "%.2f", value);
	else
		grouped(value, buf);
}

static void format_figure(const struct figure *f, double value, char buf[32])
{
	static const char *const bytes[] = { "B", "KiB", "MiB", "GiB", "TiB", NULL };
	static const char *const times[] = { "ns", "us", "ms", "s", NULL };

	if (isnan(value))
		snprintf(buf, 32, "-");
	else if (f->unit == UNIT_BYTES)
		scaled(value, bytes, 1024, buf);
	else if (f->unit == UNIT_TIME)
		scaled(value, times, 1000, buf);
	else if (f->unit == UNIT_RATIO)
		ratio(value, buf);
	else
		grouped(value, buf);
}

#define NAME_COLUMNS   28
#define DESIGN_COLUMNS 16

/* What of the table stands side by side: the designs from first to before end. */
struct block {
	const struct compare *c;
	uint32_t first, end;
	FILE *out;
};

/* What a row is about: a longer name has a line of its own. */
static void print_what(const struct block *b, const char *what)
{
	if (strlen(what) > NAME_COLUMNS - 2)
		fprintf(b->out, "  %s\n%*s", what, NAME_COLUMNS, "");
	else
		fprintf(b->out, "  %-*s", NAME_COLUMNS - 2, what);
}

static void print_row(const struct block *b, const struct figure *f)
{
	const struct compare *c = b->c;
	double best = NAN;
	char text[32], best_text[32];

	for (uint32_t i = 0; i < c->nr; i++) {
		double value = f->get(c->design[i], f->which);

		/* Who got something wrong is not the best at anything. */
		if (c->design[i]->checked && !isnan(value) && !(value >= best))
			best = value;
	}
	format_figure(f, best, best_text);
	print_what(b, f->name);
	for (uint32_t i = b->first; i < b->end; i++) {
		double value = f->get(c->design[i], f->which);
		bool ranked = f->ranked && c->nr > 1 && c->design[i]->checked && !isnan(value);

		/* Two that read the same share the mark: nobody could see why one has it. */
		format_figure(f, value, text);
		fprintf(b->out, " %14s%s", text, ranked && !strcmp(text, best_text) ? "*" : " ");
	}
	fprintf(b->out, "\n");
}

static void print_names(const struct block *b, const char *head)
{
	fprintf(b->out, "%-*s", NAME_COLUMNS, head);
	for (uint32_t i = b->first; i < b->end; i++)
		fprintf(b->out, " %14.14s ", rmap_design_name(b->c->design[i]->ops));
	fprintf(b->out, "\n");
}

static void print_phases(const struct block *b)
{
	const struct compare *c = b->c;
	const struct compare_design *first = c->design[0];

	fprintf(b->out, "\n");
	print_names(b, "looks per PTE, second walk");
	for (uint32_t p = 0; p < first->nr_phases; p++) {
		char text[32];

		print_what(b, first->phase[p].name);
		for (uint32_t i = b->first; i < b->end; i++) {
			const struct compare_design *d = c->design[i];
			double looks = NAN;

			if (p < d->nr_phases)
				looks = quotient((double)d->phase[p].pass[COMPARE_SECOND].looks,
						 (double)d->phase[p].pass[COMPARE_SECOND].found);
			ratio(looks, text);
			fprintf(b->out, " %14s ", text);
		}
		fprintf(b->out, "\n");
	}
}

/* Walks that the workload itself asked for, each for what it may take when it may stop, and to the end. */
static void print_probes(const struct block *b)
{
	const struct compare *c = b->c;
	const struct compare_design *first = c->design[0];

	if (!first->nr_probes)
		return;
	fprintf(b->out, "\n");
	print_names(b, "looks from (stop, full)");
	for (uint32_t p = 0; p < first->nr_probes; p++) {
		print_what(b, first->probes[p].what);
		for (uint32_t i = b->first; i < b->end; i++) {
			const struct probe *probe = &c->design[i]->probes[p];
			char text[64] = "-";

			if (p < c->design[i]->nr_probes && probe->found_page)
				snprintf(text, sizeof(text), "%llu, %llu",
					 (unsigned long long)probe->stop_looks,
					 (unsigned long long)probe->full_looks);
			fprintf(b->out, " %14s ", text);
		}
		fprintf(b->out, "\n");
	}
}

/* With the lock checker's locks: all that the design's code took. */
static void print_locks(const struct block *b)
{
	const struct compare *c = b->c;

	if (!timed_lock_name(0))
		return;
	fprintf(b->out, "\n");
	print_names(b, "locks taken by the design");
	for (unsigned int k = 0; timed_lock_name(k); k++) {
		uint64_t any = 0;
		char text[32];

		for (uint32_t i = 0; i < c->nr; i++)
			any |= c->design[i]->locks[k];
		if (!any)
			continue;
		print_what(b, timed_lock_name(k));
		for (uint32_t i = b->first; i < b->end; i++) {
			grouped((double)c->design[i]->locks[k], text);
			fprintf(b->out, " %14s ", text);
		}
		fprintf(b->out, "\n");
	}
}

static void print_block(const struct block *b)
{
	print_names(b, "");
	fprintf(b->out, "%-*s", NAME_COLUMNS, "checked, nothing wrong");
	for (uint32_t i = b->first; i < b->end; i++)
		fprintf(b->out, " %14s ", b->c->design[i]->checked ? "yes" : "NO");
	fprintf(b->out, "\n");
	for (size_t i = 0; i < FIGURES; i++) {
		if (figures[i].get == of_instructions && !b->c->design[0]->counts_instructions)
			continue;
		if (figures[i].group)
			fprintf(b->out, "\n%s\n", figures[i].group);
		print_row(b, &figures[i]);
	}
	print_phases(b);
	print_probes(b);
	print_locks(b);
	fprintf(b->out, "\n");
}

/* As many designs side by side as the terminal is wide; all, where it is none. */
static uint32_t side_by_side(FILE *out)
{
	unsigned int columns = words_terminal(out);

	if (!columns)
		return DESIGNS_MAX;
	return columns < NAME_COLUMNS + DESIGN_COLUMNS ? 1
						       : (columns - NAME_COLUMNS) / DESIGN_COLUMNS;
}

void compare_print(const struct compare *c, FILE *out)
{
	const struct compare_design *first = c->design[0];
	struct block b = { .c = c, .out = out };
	uint32_t room = side_by_side(out);
	char frames[32], ops[32], procs[32];

	grouped((double)c->frames, frames);
	grouped((double)first->ops_carried_out, ops);
	grouped((double)first->procs_at_most, procs);
	words_say(out, "%s %s: %s operation%s, %s process%s at the most, %s frames%s", c->kind,
		  c->workload, ops, first->ops_carried_out == 1 ? "" : "s", procs,
		  first->procs_at_most == 1 ? "" : "es", frames,
		  c->options.phantom ? " of phantoms" : "");
	fprintf(out, "\n");
	for (; b.first < c->nr; b.first = b.end) {
		b.end = c->nr - b.first < room ? c->nr : b.first + room;
		print_block(&b);
	}
	words_say(out, "* the best of its row%s. Times by the %s, less %.0f ns an event; %s.",
		  c->nr > room ? ", of all designs" : "",
		  strcmp(timed_clock_name(), "tsc") ? "clock" : "time stamp counter",
		  first->clock_overhead_ns,
		  first->counts_instructions ? "instructions by the processor's counter, sampled"
					     : "no counter of instructions here");
}

/* ---------------------------------------------------------------- comma-separated */

static void csv_text(const char *text, FILE *out)
{
	fputc('"', out);
	for (; *text; text++) {
		if (*text == '"')
			fputc('"', out);
		fputc(*text, out);
	}
	fputc('"', out);
}

void compare_print_csv(const struct compare *c, FILE *out)
{
	fprintf(out, "workload,design,checked");
	for (size_t i = 0; i < FIGURES; i++)
		fprintf(out, ",%s", figures[i].key);
	fprintf(out, "\n");
	for (uint32_t i = 0; i < c->nr; i++) {
		csv_text(c->workload, out);
		fprintf(out, ",%s,%s", rmap_design_name(c->design[i]->ops),
			c->design[i]->checked ? "true" : "false");
		for (size_t f = 0; f < FIGURES; f++) {
			double value = figures[f].get(c->design[i], figures[f].which);

			if (isnan(value))
				fprintf(out, ",");
			else
				fprintf(out, ",%.*f", value == floor(value) ? 0 : 4, value);
		}
		fprintf(out, "\n");
	}
}

/* ---------------------------------------------------------------- JSON */

static json_t *json_ratio(const double *values, size_t nr)
{
	struct compare_ratio ratio = compare_ratio(values, nr);
	json_t *o = json_object();

	json_object_set_new(o, "mean", json_real(ratio.mean));
	json_object_set_new(o, "p99", json_real(ratio.p99));
	json_object_set_new(o, "max", json_real(ratio.max));
	json_put(o, "walks", ratio.walks);
	return o;
}

static json_t *json_bytes(const struct compare_design *d)
{
	json_t *o = json_object();

	json_put(o, "objects", d->peak.objects);
	json_put(o, "page", d->peak.page);
	json_put(o, "vma", d->peak.vma);
	json_put(o, "mm", d->peak.mm);
	json_put(o, "slot", d->peak.slot);
	json_put(o, "nr_pages", d->peak.nr_pages);
	json_put(o, "nr_vmas", d->peak.nr_vmas);
	json_put(o, "nr_mms", d->peak.nr_mms);
	json_put(o, "nr_slots", d->peak.nr_slots);
	return o;
}

/* Sums by class, in nanoseconds or instructions. */
static json_t *json_classes(const struct compare_design *d, bool instructions)
{
	json_t *o = json_object();

	for (unsigned int i = 0; i <= TIMED_CLASSES; i++) {
		double value = instructions ? d->class[i].instructions : d->class[i].ns;

		json_put(o, i == TIMED_CLASSES ? "total" : timed_class_name((enum timed_class)i),
			 (uint64_t)(value + 0.5));
	}
	return o;
}

static json_t *json_events(const struct compare_design *d)
{
	json_t *object = json_object();

	for (unsigned int i = 0; i < TIMED_EVENTS; i++) {
		json_t *o;

		if (!d->event[i].events)
			continue;
		o = json_object();
		json_put(o, "events", d->event[i].events);
		json_put(o, "pages", d->event[i].pages);
		json_put(o, "ns", (uint64_t)(d->event[i].ns + 0.5));
		if (d->counts_instructions)
			json_put(o, "instructions", (uint64_t)(d->event[i].instructions + 0.5));
		json_object_set_new(object, timed_event_name((enum timed_event)i), o);
	}
	return object;
}

static json_t *json_walks(const struct totals *t)
{
	json_t *object = json_object();

	for (unsigned int i = 0; i < RMAP_WALK_PURPOSES; i++) {
		json_t *o;

		if (i == RMAP_WALK_PROBE)
			continue;
		o = json_object();
		json_put(o, "walks", t->walk[i].walks);
		json_put(o, "looks", t->walk[i].looks);
		json_put(o, "steps", t->walk[i].steps);
		json_put(o, "found", t->walk[i].found);
		json_put(o, "max_looks", t->walk[i].max_looks);
		json_object_set_new(object, rmap_walk_purpose_name((enum rmap_walk_purpose)i), o);
	}
	return object;
}

static json_t *json_locks(const struct compare_design *d)
{
	json_t *o = json_object();

	for (unsigned int k = 0; timed_lock_name(k); k++)
		json_put(o, timed_lock_name(k), d->locks[k]);
	return o;
}

static json_t *json_counts(const struct compare_design *d)
{
	json_t *o = json_object();

	json_put(o, "operations", d->ops_carried_out);
	json_put(o, "misfits", d->misfits);
	json_put(o, "processes_at_most", d->procs_at_most);
	json_put(o, "faults", d->totals.mm.faults);
	json_put(o, "forks", d->totals.mm.forks);
	json_put(o, "fork_vmas", d->totals.mm.fork_vmas);
	json_put(o, "fork_ptes", d->totals.mm.fork_ptes);
	json_put(o, "cow_copies", d->totals.mm.fault_cow_copy);
	json_put(o, "cow_reuses", d->totals.mm.fault_cow_reuse);
	json_put(o, "swap_out", d->totals.mm.swap_out);
	json_put(o, "swap_in", d->totals.mm.swap_in);
	json_put(o, "moves", d->totals.mm.moves);
	json_put(o, "moved_ptes", d->totals.mm.moved_ptes);
	json_put(o, "adopted", d->totals.adopted);
	json_put(o, "merges", d->totals.mm.merges);
	json_put(o, "merges_refused", d->totals.merges_refused);
	json_put(o, "locks_page", d->totals.locks_page);
	json_put(o, "locks_mm", d->totals.locks_mm);
	json_put(o, "locks_family", d->totals.locks_family);
	json_put(o, "locks_file", d->totals.locks_file);
	json_put(o, "checks", d->checks);
	json_put(o, "checked_walks", d->check_walked);
	json_put(o, "verified_pages", d->verified_pages);
	json_put(o, "expectations", d->expectations);
	json_put(o, "missed_walks",
		 d->pool[COMPARE_FIRST].missed + d->pool[COMPARE_SECOND].missed +
			 d->pool[COMPARE_FULL].missed);
	json_object_set_new(o, "walks", json_walks(&d->totals));
	json_object_set_new(o, "events", json_events(d));
	if (timed_lock_name(0))
		json_object_set_new(o, "locks", json_locks(d));
	return o;
}

static json_t *json_phases(const struct compare_design *d)
{
	static const char *const passes[COMPARE_PASSES] = { "first", "second", "full" };
	json_t *array = json_array();
	char layout[32];

	for (uint32_t i = 0; i < d->nr_phases; i++) {
		const struct compare_phase *phase = &d->phase[i];
		json_t *o = json_object();

		json_object_set_new(o, "name", json_string(phase->name));
		json_put(o, "pages", phase->pages);
		snprintf(layout, sizeof(layout), "%016llx", (unsigned long long)phase->layout);
		json_object_set_new(o, "layout", json_string(layout));
		for (unsigned int pass = 0; pass < COMPARE_PASSES; pass++) {
			json_t *p = json_object();

			json_put(p, "looks", phase->pass[pass].looks);
			json_put(p, "steps", phase->pass[pass].steps);
			json_put(p, "found", phase->pass[pass].found);
			json_object_set_new(o, passes[pass], p);
		}
		json_array_append_new(array, o);
	}
	return array;
}

static json_t *json_design(const struct compare_design *d)
{
	const struct compare_pool *first = &d->pool[COMPARE_FIRST];
	const struct compare_pool *second = &d->pool[COMPARE_SECOND];
	const struct compare_pool *full = &d->pool[COMPARE_FULL];
	json_t *o = json_object();

	json_object_set_new(o, "name", json_string(rmap_design_name(d->ops)));
	json_object_set_new(o, "checked", json_boolean(d->checked));
	if (d->message[0])
		json_object_set_new(o, "message", json_string(d->message));
	json_object_set_new(o, "looks_per_pte", json_ratio(second->looks, second->nr));
	json_object_set_new(o, "looks_per_pte_first", json_ratio(first->looks, first->nr));
	json_object_set_new(o, "looks_per_pte_full", json_ratio(full->looks, full->nr));
	json_object_set_new(o, "steps_per_pte", json_ratio(second->steps, second->nr));
	json_object_set_new(o, "steps_per_pte_full", json_ratio(full->steps, full->nr));
	json_put(o, "rmap_bytes_peak", d->peak.total);
	json_object_set_new(o, "rmap_bytes", json_bytes(d));
	json_put(o, "objects_peak", d->objects_peak);
	json_object_set_new(o, "ns", json_classes(d, false));
	if (d->counts_instructions)
		json_object_set_new(o, "instructions", json_classes(d, true));
	json_object_set_new(o, "phases", json_phases(d));
	json_object_set_new(o, "probes", json_probes(d->probes, d->nr_probes));
	json_object_set_new(o, "counts", json_counts(d));
	return o;
}

int compare_print_json(const struct compare *c, FILE *out)
{
	json_t *root = json_object(), *designs = json_array(), *method = json_object();
	const struct compare_design *first = c->design[0];
	int ret;

	json_put(root, "version", 1);
	json_object_set_new(root, "workload", json_string(c->workload));
	json_object_set_new(root, "kind", json_string(c->kind));
	json_put(root, "frames", c->frames);
	json_put(root, "swap_slots", c->swap_slots);
	json_object_set_new(root, "phantom", json_boolean(c->options.phantom));
	json_put(root, "seed", c->options.seed);
	json_put(root, "probes", c->probes);
	json_object_set_new(method, "clock", json_string(timed_clock_name()));
	json_object_set_new(method, "taken_off_each_event_ns", json_real(first->clock_overhead_ns));
	json_object_set_new(method, "instructions",
			    json_string(first->counts_instructions ? "counter, sampled" : "none"));
	json_object_set_new(root, "method", method);
	for (uint32_t i = 0; i < c->nr; i++)
		json_array_append_new(designs, json_design(c->design[i]));
	json_object_set_new(root, "designs", designs);
	ret = json_dumpf(root, out, JSON_INDENT(2) | JSON_REAL_PRECISION(8));
	fputc('\n', out);
	json_decref(root);
	return ret;
}
