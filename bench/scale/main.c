// SPDX-License-Identifier: BSD-2-Clause
/*
 * rmap-scale: the command line, and what the cells came to.
 */
#include "scale.h"

#include <argp.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define EXIT_WRONG 1
#define EXIT_USAGE 2
#define AIM	   0.95
#define NAMES_MAX  64

static const char *const variant_name[SCALE_VARIANTS] = { "process", "thread" };

struct command {
	struct scale_options o;
	const char *only[NAMES_MAX]; /* SHAPE, or SHAPE/VARIANT */
	unsigned int nr_only;
	json_t *cells;
	bool wrong;
};

/* ---------------------------------------------------------------- the command line */

static const struct argp_option argp_options[] = {
	{ "only", 'o', "SHAPE[/VARIANT]", 0, "Only this one; may be given several times", 0 },
	{ "designs", 'd', "A,B,...", 0, "The reverse maps to run on (default: all)", 0 },
	{ "threads", 't', "N,N,...", 0,
	  "So many at once, 1 to 64 (default: 2, and on by doubling to the machine's processors)",
	  0 },
	{ "rounds", 'r', "N", 0, "Rounds of each cell, 1 to 99 (default: 15)", 0 },
	{ "slice", 's', "MS", 0,
	  "Milliseconds that threads run at a time, 1 to 10000 (default: 20)", 0 },
	{ "pages", 'p', "N", 0, "Pages of a thread's memory, 1 to 65536 (default: 1024)", 0 },
	{ "contents", 'c', NULL, 0, "Frames with contents, not phantoms", 0 },
	{ "quick", 'q', NULL, 0, "Small and short: only to see that it works", 0 },
	{ "json", 'j', NULL, 0, "Print JSON instead of tables", 0 },
	{ 0 },
};

static unsigned int number(struct argp_state *state, const char *what, const char *arg,
			   unsigned long least, unsigned long most)
{
	char *end;
	unsigned long n = strtoul(arg, &end, 10);

	if (*arg < '0' || *arg > '9' || *end || n < least || n > most)
		argp_failure(state, EXIT_USAGE, 0, "%s must be a number from %lu to %lu, not '%s'",
			     what, least, most, arg);
	return (unsigned int)n;
}

/* Calls each with every part of a list between commas. */
static void split(struct argp_state *state, struct command *c, char *list,
		  void (*each)(struct argp_state *state, struct command *c, const char *part))
{
	char *rest = list, *part;

	while ((part = strsep(&rest, ",")))
		each(state, c, part);
}

static void add_threads(struct argp_state *state, struct command *c, const char *part)
{
	struct scale_options *o = &c->o;

	if (o->nr_threads == sizeof(o->threads) / sizeof(o->threads[0]))
		argp_failure(state, EXIT_USAGE, 0, "--threads: too many numbers");
	o->threads[o->nr_threads++] = number(state, "--threads", part, 1, SCALE_THREADS);
}

static void add_design(struct argp_state *state, struct command *c, const char *part)
{
	struct scale_options *o = &c->o;
	const struct rmap_ops *design = rmap_design_by_name(part);

	if (!design)
		argp_failure(state, EXIT_USAGE, 0, "there is no design '%s'", part);
	for (unsigned int i = 0; i < o->nr_designs; i++)
		if (o->design[i] == design)
			argp_failure(state, EXIT_USAGE, 0, "the design '%s' is named twice", part);
	o->design[o->nr_designs++] = design;
}

/* Is name (SHAPE, or SHAPE/VARIANT) this cell's? */
static bool names(const char *name, unsigned int shape, enum scale_variant variant)
{
	size_t len = strlen(scale_shape_name(shape));

	if (strncmp(name, scale_shape_name(shape), len) != 0)
		return false;
	return !name[len] || (name[len] == '/' && !strcmp(name + len + 1, variant_name[variant]));
}

static void add_only(struct argp_state *state, struct command *c, const char *name)
{
	for (unsigned int shape = 0; shape < scale_nr_shapes(); shape++)
		for (int v = 0; v < SCALE_VARIANTS; v++)
			if (scale_shape_has(shape, v) && names(name, shape, v)) {
				if (c->nr_only < NAMES_MAX)
					c->only[c->nr_only++] = name;
				return;
			}
	argp_failure(state, EXIT_USAGE, 0, "there is no shape '%s'", name);
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct command *c = state->input;

	switch (key) {
	case 'o':
		add_only(state, c, arg);
		return 0;
	case 'd':
		split(state, c, arg, add_design);
		return 0;
	case 't':
		split(state, c, arg, add_threads);
		return 0;
	case 'r':
		c->o.rounds = number(state, "--rounds", arg, 1, SCALE_ROUNDS);
		return 0;
	case 's':
		c->o.slice_ns = 1e6 * number(state, "--slice", arg, 1, 10000);
		return 0;
	case 'p':
		c->o.pages = number(state, "--pages", arg, 1, 65536);
		return 0;
	case 'c':
		c->o.contents = true;
		return 0;
	case 'q':
		c->o.quick = true;
		return 0;
	case 'j':
		c->o.json = true;
		return 0;
	case ARGP_KEY_ARG:
		argp_failure(state, EXIT_USAGE, 0, "'%s' is one word too many", arg);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp argp = {
	.options = argp_options,
	.parser = parse,
	.doc = "Measure what threads that do the same at once cost each other, beside the same "
	       "threads each on an engine of its own.",
};

static void fill_in(struct scale_options *o)
{
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);

	if (!o->rounds)
		o->rounds = o->quick ? 1 : 15;
	if (o->slice_ns <= 0)
		o->slice_ns = o->quick ? 1e6 : 20e6;
	if (!o->pages)
		o->pages = o->quick ? 64 : 1024;
	if (!o->nr_threads) {
		o->threads[o->nr_threads++] = 2;
		for (unsigned int n = 4; n <= cpus && n <= SCALE_THREADS; n *= 2)
			o->threads[o->nr_threads++] = n;
	}
	if (!o->nr_designs)
		while (rmap_designs[o->nr_designs]) {
			o->design[o->nr_designs] = rmap_designs[o->nr_designs];
			o->nr_designs++;
		}
}

/* ---------------------------------------------------------------- tables */

static const char *readable(char text[16], double n)
{
	if (n >= 1e6)
		snprintf(text, 16, "%.2fM", n / 1e6);
	else if (n >= 1e3)
		snprintf(text, 16, "%.1fk", n / 1e3);
	else
		snprintf(text, 16, "%.0f", n);
	return text;
}

static void print_head(const struct scale_cell *cell)
{
	printf("\n%s, %s: %s; %s a second, %u threads\n\n", scale_shape_name(cell->shape),
	       variant_name[cell->variant], scale_shape_what(cell->shape),
	       scale_shape_unit(cell->shape), cell->threads);
	printf("%-15s %9s %9s %9s %18s %7s %18s\n", "", "alone", "apart", "together",
	       "ratio (quartiles)", "by CPU", "control");
}

static void print_cell(const struct scale_cell *cell)
{
	struct scale_spread ratio = scale_spread_of(cell->ratio, cell->rounds);
	struct scale_spread control = scale_spread_of(cell->control, cell->rounds);
	char alone[16], apart[16], together[16];

	printf("%-15s %9s %9s %9s %5.2f (%.2f..%.2f) %7.2f %5.2f (%.2f..%.2f)",
	       rmap_design_name(cell->design),
	       readable(alone, scale_spread_of(cell->alone, cell->rounds).median),
	       readable(apart, scale_spread_of(cell->apart, cell->rounds).median),
	       readable(together, scale_spread_of(cell->together, cell->rounds).median),
	       ratio.median, ratio.low, ratio.high,
	       scale_spread_of(cell->ratio_cpu, cell->rounds).median, control.median, control.low,
	       control.high);
	if (scale_shape_aims(cell->shape, cell->variant))
		printf("   >= %.2f: %s", AIM, ratio.median >= AIM ? "met" : "MISSED");
	printf("\n");
	fflush(stdout);
}

/* ---------------------------------------------------------------- JSON */

static json_t *json_spread(const double *figure, unsigned int nr)
{
	struct scale_spread s = scale_spread_of(figure, nr);
	json_t *rounds = json_array();

	for (unsigned int i = 0; i < nr; i++)
		json_array_append_new(rounds, json_real(figure[i]));
	return json_pack("{s:f,s:f,s:f,s:o}", "median", s.median, "low", s.low, "high", s.high,
			 "rounds", rounds);
}

static json_t *json_locks(const struct scale_lock *lock)
{
	json_t *all = json_object();

	for (unsigned int i = 0; i < RMAP_LOCK_CLASSES; i++) {
		if (!lock[i].taken)
			continue;
		json_object_set_new(all, scale_lock_name(i),
				    json_pack("{s:I,s:I,s:f,s:f,s:f,s:f}", "taken",
					      (json_int_t)lock[i].taken, "contended",
					      (json_int_t)lock[i].contended, "wait_ns",
					      lock[i].wait_ns, "hold_ns", lock[i].hold_ns,
					      "longest_wait_ns", lock[i].longest_wait_ns,
					      "longest_hold_ns", lock[i].longest_hold_ns));
	}
	return all;
}

static json_t *json_cell(const struct scale_cell *c)
{
	json_t *o =
		json_pack("{s:s,s:s,s:s,s:i,s:s}", "shape", scale_shape_name(c->shape), "variant",
			  variant_name[c->variant], "design", rmap_design_name(c->design),
			  "threads", (int)c->threads, "unit", scale_shape_unit(c->shape));

	json_object_set_new(o, "alone", json_spread(c->alone, c->rounds));
	json_object_set_new(o, "apart", json_spread(c->apart, c->rounds));
	json_object_set_new(o, "together", json_spread(c->together, c->rounds));
	json_object_set_new(o, "ratio", json_spread(c->ratio, c->rounds));
	json_object_set_new(o, "ratio_cpu", json_spread(c->ratio_cpu, c->rounds));
	json_object_set_new(o, "control", json_spread(c->control, c->rounds));
	json_object_set_new(o, "done", json_integer((json_int_t)c->done));
	if (scale_shape_aims(c->shape, c->variant))
		json_object_set_new(o, "aim", json_real(AIM));
	if (scale_locks_measured())
		json_object_set_new(o, "locks", json_locks(c->locks));
	return o;
}

static int print_json(const struct command *c)
{
	json_t *all = json_pack("{s:i,s:b,s:i,s:f,s:I,s:b,s:O}", "version", 1, "locks_measured",
				scale_locks_measured(), "rounds", (int)c->o.rounds, "slice_ns",
				c->o.slice_ns, "pages", (json_int_t)c->o.pages, "contents",
				c->o.contents, "cells", c->cells);
	int failed = json_dumpf(all, stdout, JSON_INDENT(1) | JSON_REAL_PRECISION(6));

	printf("\n");
	json_decref(all);
	return failed;
}

/* ---------------------------------------------------------------- all cells */

static bool wanted(const struct command *c, unsigned int shape, enum scale_variant variant)
{
	bool found = !c->nr_only;

	for (unsigned int i = 0; i < c->nr_only && !found; i++)
		found = names(c->only[i], shape, variant);
	return found && scale_shape_has(shape, variant);
}

static void progress(const struct scale_cell *cell)
{
	if (isatty(STDERR_FILENO))
		fprintf(stderr, "\r\033[K%s, %s, %s, %u threads\r", scale_shape_name(cell->shape),
			variant_name[cell->variant], rmap_design_name(cell->design), cell->threads);
}

static void run_cells(struct command *c, struct scale_cell *cell)
{
	char why[SCALE_WHY];

	for (unsigned int i = 0; i < c->o.nr_designs; i++) {
		memset(cell->locks, 0, sizeof(cell->locks));
		cell->done = 0;
		cell->design = c->o.design[i];
		progress(cell);
		if (!scale_cell_run(&c->o, cell, why)) {
			fprintf(stderr, "rmap-scale: %s, %s: %s\n", scale_shape_name(cell->shape),
				rmap_design_name(cell->design), why);
			c->wrong = true;
			continue;
		}
		if (!c->o.json && !i)
			print_head(cell);
		if (!c->o.json)
			print_cell(cell);
		json_array_append_new(c->cells, json_cell(cell));
	}
}

int main(int argc, char **argv)
{
	static struct command c;
	static struct scale_cell cell;
	int failed = 0;

	argp_err_exit_status = EXIT_USAGE;
	argp_parse(&argp, argc, argv, 0, NULL, &c);
	fill_in(&c.o);
	c.cells = json_array();
	for (unsigned int t = 0; t < c.o.nr_threads; t++) {
		for (cell.shape = 0; cell.shape < scale_nr_shapes(); cell.shape++) {
			for (int v = 0; v < SCALE_VARIANTS; v++) {
				cell.threads = c.o.threads[t];
				cell.variant = (enum scale_variant)v;
				if (wanted(&c, cell.shape, cell.variant))
					run_cells(&c, &cell);
			}
		}
	}
	if (isatty(STDERR_FILENO))
		fprintf(stderr, "\r\033[K");
	if (c.o.json)
		failed = print_json(&c);
	json_decref(c.cells);
	crew_stop();
	return failed || c.wrong ? EXIT_WRONG : 0;
}
