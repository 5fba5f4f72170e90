// SPDX-License-Identifier: BSD-2-Clause
/*
 * The command: every hostile program under every design, as tables for docs/hostile.md, and a verdict on what must hold.
 *
 * What must hold: whoever is no relative pays nothing, under any design but scan, in looks and steps; and the bounds that
 * docs/hostile.md states for lineage.
 */
#include "hostile.h"

#include "../../tools/rmap/number.h"

#include <argp.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DESIGNS 16u
#define KINDS	16u
#define LISTED	48u /* who has a page, under lineage */

struct arguments {
	struct hostile_scale scale;
	const char *design, *kind;
	bool times;
};

struct table {
	const struct arguments *args;
	struct hostile_result result[DESIGNS][KINDS];
	uint32_t broken;
};

static bool wanted(const char *name, const char *only)
{
	return !only || !strcmp(name, only);
}

/* ---------------------------------------------------------------- tables */

static const char *dotted(uint64_t n, char buf[32])
{
	char plain[32];
	size_t len, at = 0;

	snprintf(plain, sizeof(plain), "%" PRIu64, n);
	len = strlen(plain);
	for (size_t i = 0; i < len; i++) {
		if (i && (len - i) % 3 == 0)
			buf[at++] = ',';
		buf[at++] = plain[i];
	}
	buf[at] = '\0';
	return buf;
}

static void print_counts(const struct hostile_cost *c)
{
	char found[32], first[32], again[32], end[32], steps[32], steps_again[32];

	printf(" %s | %s | %s | %s | %s | %s |", dotted(c->found, found),
	       dotted(c->looks[0], first), dotted(c->looks[1], again), dotted(c->looks[2], end),
	       dotted(c->steps[0], steps), dotted(c->steps[1], steps_again));
}

static void print_times(const struct hostile_cost *c)
{
	printf(" %.0f | %.0f | %.0f | %.1f | %" PRIu64 " |", c->walk_ns, c->new_ns, c->cow_ns,
	       c->fork_ns / 1e3, c->family_locks);
}

static void print_row(const struct table *t, uint32_t d, uint32_t k)
{
	const struct hostile_result *r = &t->result[d][k];
	char a[32], b[32], c[32], e[32], f[32];

	printf("| `%s` |", rmap_design_name(rmap_designs[d]));
	if (!r->ran) {
		printf(" %s |\n", r->why);
		return;
	}
	print_counts(&r->relative);
	printf(" %s | %s | %s | %s | %s |", dotted(r->late.found, a), dotted(r->late.looks[0], b),
	       dotted(r->late.looks[1], c), dotted(r->stranger.looks[0], e),
	       dotted(r->file_steps, f));
	if (t->args->times)
		print_times(&r->relative);
	printf("\n");
}

static void print_kind(const struct table *t, uint32_t k)
{
	printf("\n### `%s`: %s\n\n", hostile_kinds[k].name, hostile_kinds[k].doc);
	printf("| | PTEs | looks | again | to the end | steps | again | late: PTEs | looks | again "
	       "| "
	       "a stranger's looks | a file page's steps |%s\n",
	       t->args->times
		       ? " walk, ns a PTE | new page, ns | COW, ns | fork, µs | family locks |"
		       : "");
	printf("|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|%s\n",
	       t->args->times ? "---:|---:|---:|---:|---:|" : "");
	for (uint32_t d = 0; rmap_designs[d]; d++)
		if (wanted(rmap_design_name(rmap_designs[d]), t->args->design))
			print_row(t, d, k);
	fflush(stdout);
}

/* ---------------------------------------------------------------- what must hold */

static bool same_counts(const struct hostile_cost *a, const struct hostile_cost *b)
{
	return !memcmp(a->looks, b->looks, sizeof(a->looks)) &&
	       !memcmp(a->steps, b->steps, sizeof(a->steps)) && a->found == b->found &&
	       a->family_locks == b->family_locks;
}

/*
 * lineage's bounds: the first walk that may stop looks once into each living member of the family, and the next finds what there is
 * with two looks that fail at most. Where so few have the page that they are listed, the next takes no step for those who have not:
 * one for the block, one for the node, and where VMAs are displaced some to find them, for each that has it.
 */
static bool lineage_is_bounded(const struct table *t, const struct hostile_cost *c)
{
	const uint64_t family = t->args->scale.processes + 64;

	if (c->found <= LISTED && c->steps[1] > 8 * c->found + 8)
		return false;
	return c->looks[0] <= family && c->looks[1] <= c->found + 2;
}

static void broken(struct table *t, uint32_t d, uint32_t k, const char *what,
		   const struct hostile_cost *c)
{
	printf("\n%s, %s: %s: %" PRIu64 " looks, again %" PRIu64 ", %" PRIu64
	       " steps, again %" PRIu64 ", %" PRIu64 " PTEs\n",
	       rmap_design_name(rmap_designs[d]), hostile_kinds[k].name, what, c->looks[0],
	       c->looks[1], c->steps[0], c->steps[1], c->found);
	t->broken++;
}

static void judge(struct table *t, uint32_t d, uint32_t k)
{
	const char *name = rmap_design_name(rmap_designs[d]);
	const struct hostile_result *r = &t->result[d][k], *alone = &t->result[d][0];

	if (!r->ran) {
		printf("\n%s, %s: %s\n", name, hostile_kinds[k].name, r->why);
		t->broken++;
		return;
	}
	if (strcmp(name, "scan") != 0 && alone->ran && !same_counts(&r->stranger, &alone->stranger))
		broken(t, d, k, "a stranger pays", &r->stranger);
	if (strcmp(name, "lineage") != 0)
		return;
	if (!lineage_is_bounded(t, &r->relative))
		broken(t, d, k, "the relative pays more than the bound", &r->relative);
	if (!lineage_is_bounded(t, &r->late))
		broken(t, d, k, "the late child pays more than the bound", &r->late);
}

static void run(struct table *t)
{
	for (uint32_t k = 0; k < hostile_nr_kinds; k++) {
		/* The first is what others are held against. */
		if (k && !wanted(hostile_kinds[k].name, t->args->kind))
			continue;
		for (uint32_t d = 0; rmap_designs[d] && d < DESIGNS; d++)
			if (wanted(rmap_design_name(rmap_designs[d]), t->args->design))
				hostile_measure(rmap_designs[d], &hostile_kinds[k], &t->args->scale,
						&t->result[d][k]);
		print_kind(t, k);
		for (uint32_t d = 0; rmap_designs[d] && d < DESIGNS; d++)
			if (wanted(rmap_design_name(rmap_designs[d]), t->args->design))
				judge(t, d, k);
	}
}

/* ---------------------------------------------------------------- the command */

static const struct argp_option argp_options[] = {
	{ "processes", 'p', "N", 0, "that a hostile process makes (1000)", 0 },
	{ "vmas", 'v', "N", 0, "that it maps (4000; 65000 at most)", 0 },
	{ "design", 'd', "NAME", 0, "this one alone", 0 },
	{ "kind", 'k', "NAME", 0, "this hostile program alone", 0 },
	{ "counts", 'c', NULL, 0, "no times: what is the same on every run", 0 },
	{ "quick", 'q', NULL, 0, "small", 0 },
	{ 0 },
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct arguments *a = state->input;

	switch (key) {
	case 'p':
		a->scale.processes = number_option(state, "--processes", arg, 1, 1000000);
		break;
	case 'v':
		a->scale.vmas = number_option(state, "--vmas", arg, 1, 65000);
		break;
	case 'd':
		if (!rmap_design_by_name(arg))
			argp_error(state, "there is no design '%s'", arg);
		a->design = arg;
		break;
	case 'k':
		a->kind = arg;
		break;
	case 'c':
		a->times = false;
		break;
	case 'q':
		a->scale = (struct hostile_scale){ .processes = 200, .vmas = 400, .check = true };
		break;
	case ARGP_KEY_ARG:
		argp_error(state, "'%s' is not expected", arg);
		break;
	default:
		return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

int main(int argc, char **argv)
{
	static const struct argp argp = {
		argp_options, parse, NULL, "What one process can do to others, under each design.",
		NULL,	      NULL,  NULL
	};
	struct arguments args = { .scale = { .processes = 1000, .vmas = 4000 }, .times = true };
	struct table *table = calloc(1, sizeof(*table));

	argp_err_exit_status = 2;
	argp_parse(&argp, argc, argv, 0, NULL, &args);
	if (!table)
		return 2;
	table->args = &args;
	run(table);
	printf("\n%s\n",
	       table->broken
		       ? "Something that must hold does not."
		       : "Strangers pay nothing but under scan, and lineage keeps its bounds.");
	argc = table->broken != 0;
	free(table);
	return argc;
}
