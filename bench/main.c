// SPDX-License-Identifier: BSD-2-Clause
/*
 * rmap-bench: what the engine's operations cost, beside what it aims at and what Linux takes here.
 */
#include "bench.h"
#include "number.h"

#include <rmap/rmap.h>

#include <argp.h>
#include <jansson.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ROUNDS_MAX 99

struct row {
	const char *name; /* for --only and JSON */
	const char *what; /* for people */
	double aim;	  /* nanoseconds, of the machine that aim_for says; 0: none */
	enum bench_machine aim_for;
};

static const struct row rows[BENCH_OPS] = {
	[BENCH_ZERO_FILL] = { "zero_fill", "zero-fill fault", 0, 0 },
	[BENCH_COW] = { "cow", "COW fault", 300, BENCH_PHANTOM },
	[BENCH_FORK_PAGE] = { "fork_page", "fork, per mapped page", 15, BENCH_CONTENTS },
	[BENCH_FORK_VMA] = { "fork_vma", "fork, per faulted VMA", 200, BENCH_CONTENTS },
	[BENCH_EXIT_PAGE] = { "exit_page", "exit after fork, per shared page", 0, 0 },
	[BENCH_UNMAP_PAGE] = { "unmap_page", "munmap, per page", 0, 0 },
	[BENCH_MREMAP_PAGE] = { "mremap_page", "mremap, other alignment, per page", 0, 0 },
	[BENCH_MREMAP_TABLE] = { "mremap_table", "mremap, same alignment, per page", 0, 0 },
	[BENCH_SWAP_OUT] = { "swap_out", "swap-out, per page", 0, 0 },
	[BENCH_SWAP_IN] = { "swap_in", "swap-in, per page", 0, 0 },
	[BENCH_TRUNCATE] = { "truncate", "truncate, per PTE of 1,001", 0, 0 },
	[BENCH_WALK_ONE] = { "walk_one", "walk, whole, page mapped once", 0, 0 },
	[BENCH_WALK_WARM] = { "walk_warm", "walk, per PTE, 1,001 in one warm mm", 20,
			      BENCH_CONTENTS },
	[BENCH_WALK_1001] = { "walk_1001", "walk, per PTE over 1,001 mms", 60, BENCH_CONTENTS },
	[BENCH_MILLION] = { "million", "1,000 x 1,000 pages: fork, COW, exit", 2e9, BENCH_PHANTOM },
};

static const char *const machine_name[BENCH_MACHINES] = { "engine", "phantom", "linux" };

struct result {
	double round[ROUNDS_MAX];
	unsigned int rounds;
	char why[BENCH_WHY]; /* not measured */
};

static struct result results[BENCH_OPS][BENCH_MACHINES];

struct options {
	bool json, quick;
	bool engine; /* leave Linux out */
	bool instructions;
	unsigned int rounds;
	const struct rmap_ops *design; /* NULL: the engine's own choice */
	bool wanted[BENCH_OPS];
	bool only;
};

/* Sizes are no operation's, and nothing that takes instructions. */
static bool with_sizes(const struct options *o)
{
	return !o->only && !o->instructions;
}

/* ---------------------------------------------------------------- measuring */

static const struct bench_scale scale_full = {
	.pages = 32768,
	.vmas = 1024,
	.mappings = 1001,
	.children = 1000,
	.child_pages = 1000,
	.rounds = 15,
	.million_rounds = 3,
};

static const struct bench_scale scale_quick = {
	.pages = 2048,
	.vmas = 512,
	.mappings = 1001,
	.children = 100,
	.child_pages = 100,
	.rounds = 3,
	.million_rounds = 1,
};

static void measure(enum bench_op op, enum bench_machine machine, const struct bench_scale *scale)
{
	struct result *r = &results[op][machine];
	double ns = 0;
	bool done;

	if (r->why[0])
		return;
	done = machine == BENCH_LINUX ? native_run(op, scale, &ns, r->why)
				      : engine_run(machine, op, scale, &ns, r->why);
	if (done)
		r->round[r->rounds++] = ns;
}

static void measure_op(enum bench_op op, const struct bench_scale *scale, unsigned int machines)
{
	unsigned int round, rounds = op == BENCH_MILLION ? scale->million_rounds : scale->rounds;
	unsigned int machine;

	for (round = 0; round < rounds; round++) {
		for (machine = 0; machine < machines; machine++)
			measure(op, (enum bench_machine)machine, scale);
	}
}

static int by_size(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

/* => false: there is no figure */
static bool median(const struct result *r, double *ns)
{
	double sorted[ROUNDS_MAX];

	if (!r->rounds || r->why[0])
		return false;
	memcpy(sorted, r->round, r->rounds * sizeof(*sorted));
	qsort(sorted, r->rounds, sizeof(*sorted), by_size);
	*ns = r->rounds % 2 ? sorted[r->rounds / 2]
			    : (sorted[r->rounds / 2 - 1] + sorted[r->rounds / 2]) / 2;
	return true;
}

/* On one processor, the one that it runs on; the process for system calls inherits it. */
static void pin(void)
{
	int cpu = sched_getcpu();
	cpu_set_t set;

	CPU_ZERO(&set);
	if (cpu < 0)
		return;
	CPU_SET((size_t)cpu, &set);
	sched_setaffinity(0, sizeof(set), &set);
}

/* ---------------------------------------------------------------- the table */

static const char *readable(char *text, size_t room, double ns, bool instructions)
{
	if (instructions)
		snprintf(text, room, "%.1f", ns);
	else if (ns < 1000)
		snprintf(text, room, "%.1f ns", ns);
	else if (ns < 1e6)
		snprintf(text, room, "%.2f us", ns / 1e3);
	else if (ns < 1e9)
		snprintf(text, room, "%.1f ms", ns / 1e6);
	else
		snprintf(text, room, "%.2f s", ns / 1e9);
	return text;
}

/* What is aimed at is of the full scale: a short run on cold caches would miss it, and a small million meet it. */
static bool has_aim(enum bench_op op, const struct options *o)
{
	return rows[op].aim > 0 && !o->instructions && !o->quick;
}

static void print_row(enum bench_op op, const struct options *o)
{
	char text[32];
	double ns[BENCH_MACHINES];
	bool have[BENCH_MACHINES];
	int i;

	printf("%-38s", rows[op].what);
	for (i = 0; i < BENCH_MACHINES; i++) {
		have[i] = median(&results[op][i], &ns[i]);
		printf(" %10s",
		       have[i] ? readable(text, sizeof(text), ns[i], o->instructions) : "-");
	}
	i = have[BENCH_CONTENTS] ? BENCH_CONTENTS : BENCH_PHANTOM;
	if (have[i] && have[BENCH_LINUX] && ns[i] > 0)
		snprintf(text, sizeof(text), "%.1f x", ns[BENCH_LINUX] / ns[i]);
	else
		strcpy(text, "-");
	printf(" %9s", text);
	if (has_aim(op, o)) {
		printf("   <= %s (%s)", readable(text, sizeof(text), rows[op].aim, false),
		       machine_name[rows[op].aim_for]);
		if (have[rows[op].aim_for])
			printf(": %s", ns[rows[op].aim_for] <= rows[op].aim ? "met" : "MISSED");
	}
	printf("\n");
}

static void print_reasons(const struct options *o)
{
	int op, machine;

	for (op = 0; op < BENCH_OPS; op++) {
		for (machine = 0; o->wanted[op] && machine < BENCH_MACHINES; machine++) {
			if (results[op][machine].why[0])
				printf("skipped: %s (%s): %s\n", rows[op].what,
				       machine_name[machine], results[op][machine].why);
		}
	}
}

static void print_sizes(const struct bench_sizes *z)
{
	printf("\n%-38s %8.0f B   <= 64 B: %s\n", "page descriptor", z->descriptor_bytes,
	       z->descriptor_bytes <= 64 ? "met" : "MISSED");
	printf("%-38s %8.3f %%   <= 2 %%: %s\n", "all besides tables and contents, 1 GiB",
	       z->metadata_percent, z->metadata_percent <= 2 ? "met" : "MISSED");
	printf("%-38s %8.0f B\n", "objects of a VMA once faulted", z->vma_bytes);
	printf("%-38s %8.0f B\n", "objects of its copy after fork", z->fork_vma_bytes);
}

static void print_table(const struct options *o, const struct bench_scale *s,
			const struct bench_sizes *z)
{
	int op;

	printf("%llu pages, %llu VMAs, %llu children of %llu pages; medians of %u rounds, taking "
	       "turns\n\n",
	       (unsigned long long)s->pages, (unsigned long long)s->vmas,
	       (unsigned long long)s->children, (unsigned long long)s->child_pages, s->rounds);
	printf("%-38s %10s %10s %10s %9s%s\n", "", "engine", "phantom", "Linux", "ratio",
	       o->quick ? "" : "   aim");
	for (op = 0; op < BENCH_OPS; op++) {
		if (o->wanted[op])
			print_row((enum bench_op)op, o);
	}
	if (with_sizes(o))
		print_sizes(z);
	printf("\nengine: with contents. phantom: without, so besides clearing, copying and "
	       "I/O.\n%s",
	       o->instructions ? "Instructions, not time.\n"
	       : o->engine     ? ""
			       : "ratio: Linux's time to the engine's.\n");
	print_reasons(o);
}

/* ---------------------------------------------------------------- JSON */

static json_t *json_row(enum bench_op op, const struct options *o)
{
	json_t *row = json_object(), *rounds;
	double ns[BENCH_MACHINES];
	bool have[BENCH_MACHINES];
	unsigned int i, r;

	for (i = 0; i < BENCH_MACHINES; i++) {
		const struct result *result = &results[op][i];
		json_t *machine = json_object();

		have[i] = median(result, &ns[i]);
		if (have[i])
			json_object_set_new(machine, o->instructions ? "median" : "median_ns",
					    json_real(ns[i]));
		else
			json_object_set_new(machine, "skipped", json_string(result->why));
		rounds = json_array();
		for (r = 0; r < result->rounds; r++)
			json_array_append_new(rounds, json_real(result->round[r]));
		json_object_set_new(machine, o->instructions ? "rounds" : "rounds_ns", rounds);
		json_object_set_new(row, machine_name[i], machine);
	}
	i = have[BENCH_CONTENTS] ? BENCH_CONTENTS : BENCH_PHANTOM;
	if (have[i] && have[BENCH_LINUX] && ns[i] > 0)
		json_object_set_new(row, "ratio", json_real(ns[BENCH_LINUX] / ns[i]));
	if (has_aim(op, o)) {
		json_object_set_new(row, "aim_ns", json_real(rows[op].aim));
		json_object_set_new(row, "aim_for", json_string(machine_name[rows[op].aim_for]));
		if (have[rows[op].aim_for])
			json_object_set_new(row, "met",
					    json_boolean(ns[rows[op].aim_for] <= rows[op].aim));
	}
	return row;
}

static int print_json(const struct options *o, const struct bench_scale *s,
		      const struct bench_sizes *z)
{
	json_t *all = json_object(), *ops = json_object(), *scale, *sizes = NULL;
	int op, failed;

	for (op = 0; op < BENCH_OPS; op++) {
		if (o->wanted[op])
			json_object_set_new(ops, rows[op].name, json_row((enum bench_op)op, o));
	}
	scale = json_pack("{s:I,s:I,s:I,s:I,s:I,s:i}", "pages", (json_int_t)s->pages, "vmas",
			  (json_int_t)s->vmas, "mappings", (json_int_t)s->mappings, "children",
			  (json_int_t)s->children, "child_pages", (json_int_t)s->child_pages,
			  "rounds", (int)s->rounds);
	if (with_sizes(o))
		sizes = json_pack("{s:f,s:f,s:f,s:f}", "descriptor_bytes", z->descriptor_bytes,
				  "metadata_percent", z->metadata_percent, "vma_object_bytes",
				  z->vma_bytes, "fork_vma_object_bytes", z->fork_vma_bytes);
	json_object_set_new(all, "version", json_integer(1));
	json_object_set_new(all, "scale", scale);
	json_object_set_new(all, "operations", ops);
	if (sizes)
		json_object_set_new(all, "sizes", sizes);
	failed = json_dumpf(all, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(6));
	printf("\n");
	json_decref(all);
	return failed;
}

/* ---------------------------------------------------------------- the command line */

static const struct argp_option argp_options[] = {
	{ "json", 'j', NULL, 0, "Print JSON instead of a table", 0 },
	{ "quick", 'q', NULL, 0, "Small and short: only to see that it works", 0 },
	{ "design", 'd', "NAME", 0, "The reverse map (default: anon_vma_chain)", 0 },
	{ "engine", 'e', NULL, 0, "Only the engine, no system calls", 0 },
	{ "instructions", 'i', NULL, 0,
	  "Instructions outside of the kernel instead of time; only the engine's", 0 },
	{ "rounds", 'r', "N", 0, "Rounds per operation (1 to 99)", 0 },
	{ "only", 'o', "NAME", 0, "Only this operation; may be given several times", 0 },
	{ 0 },
};

static bool choose(struct options *o, const char *name)
{
	int op;

	for (op = 0; op < BENCH_OPS; op++) {
		if (!strcmp(rows[op].name, name)) {
			o->wanted[op] = true;
			o->only = true;
			return true;
		}
	}
	return false;
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct options *o = state->input;

	switch (key) {
	case 'j':
		o->json = true;
		return 0;
	case 'q':
		o->quick = true;
		return 0;
	case 'e':
		o->engine = true;
		return 0;
	case 'i':
		o->instructions = o->engine = true;
		return 0;
	case 'd':
		o->design = rmap_design_by_name(arg);
		if (!o->design)
			argp_failure(state, 2, 0, "there is no design '%s'", arg);
		return 0;
	case 'r':
		o->rounds = (unsigned int)number_option(state, "--rounds", arg, 1, ROUNDS_MAX);
		return 0;
	case 'o':
		if (!choose(o, arg))
			argp_failure(state, 2, 0, "there is no operation '%s'", arg);
		return 0;
	case ARGP_KEY_ARG:
		argp_failure(state, 2, 0, "'%s' is one word too many", arg);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp argp = {
	argp_options,
	parse,
	NULL,
	"Measure the engine's operations beside the same ones by system calls on this machine's "
	"Linux.",
	NULL,
	NULL,
	NULL,
};

int main(int argc, char **argv)
{
	struct options o = { 0 };
	struct bench_scale scale;
	struct bench_sizes sizes = { 0 };
	char why[BENCH_WHY] = "";
	unsigned int machines;
	int op, failed = 0;

	argp_err_exit_status = 2;
	argp_parse(&argp, argc, argv, 0, NULL, &o);
	scale = o.quick ? scale_quick : scale_full;
	if (o.rounds)
		scale.rounds = scale.million_rounds = o.rounds;
	for (op = 0; !o.only && op < BENCH_OPS; op++)
		o.wanted[op] = true;
	pin();
	machines = o.engine ? BENCH_LINUX : BENCH_MACHINES;
	if ((o.instructions && !bench_count_instructions(why)) ||
	    (!o.engine && !native_start(why)) || !engine_start(&scale, o.design, why)) {
		fprintf(stderr, "rmap-bench: %s\n", why);
		return 2;
	}
	if (with_sizes(&o))
		engine_sizes(&sizes);
	for (op = 0; op < BENCH_OPS; op++) {
		if (!o.wanted[op])
			continue;
		if (isatty(STDERR_FILENO))
			fprintf(stderr, "\r%-60s", rows[op].what);
		measure_op((enum bench_op)op, &scale, machines);
	}
	if (isatty(STDERR_FILENO))
		fprintf(stderr, "\r%60s\r", "");
	if (o.json)
		failed = print_json(&o, &scale, &sizes);
	else
		print_table(&o, &scale, &sizes);
	engine_stop();
	if (!o.engine)
		native_stop();
	return failed ? 1 : 0;
}
