// SPDX-License-Identifier: BSD-2-Clause
/*
 * rmap compare: one workload on each design, one after the other, each on a fresh machine of the same size.
 *
 * The same operations come from the source each time, and the checker holds each design to what the page tables say. Layouts are the
 * VM's business and must come out the same: at the ends of phases their digests are compared, too.
 */
#include "commands.h"
#include "compare.h"
#include "machine_size.h"
#include "number.h"
#include "words.h"

#include <argp.h>
#include <stdlib.h>
#include <string.h>

#define EXIT_WRONG 1
#define EXIT_USAGE 2

enum {
	KEY_DESIGNS = 'd',
	KEY_FRAMES = 'f',
	KEY_SWAP = 's',
	KEY_CHECK = 'c',
	KEY_QUIET = 'q',
	KEY_PROBES = 'p',
	KEY_PHANTOM = 256,
	KEY_JSON,
	KEY_CSV,
	KEY_SEED,
};

struct command {
	struct compare c;
	const char *workload, *designs;
	uint64_t percent; /* --frames 25%: of what is in use at the most; 0: not said */
	bool json, csv, quiet;
};

static const struct argp_option options[] = {
	{ "designs", KEY_DESIGNS, "A,B,...", 0, "The reverse maps to compare (default: all)", 0 },
	{ "frames", KEY_FRAMES, "N", 0,
	  "Memory of the machine: frames of 4 KiB, a size as 64M, or as 25% a share of what the "
	  "workload has in use at the most, for which it is carried out once more (default: what "
	  "the workload needs)",
	  0 },
	{ "swap", KEY_SWAP, "SIZE", 0,
	  "Swap space: pages of 4 KiB, or a size as 64M; 0: none (default: as much as memory)", 0 },
	{ "check", KEY_CHECK, "EVERY", 0,
	  "Check after each EVERY operations that change something (default: at the ends of "
	  "phases, and for at "
	  "most half of the run time)",
	  0 },
	{ "probes", KEY_PROBES, "N", 0,
	  "Pages that are walked from at the end of each phase (default: 500; 0: none)", 0 },
	{ "phantom", KEY_PHANTOM, NULL, 0, "Frames without contents, for scale", 0 },
	{ "json", KEY_JSON, NULL, 0, "Print the comparison as JSON", 0 },
	{ "csv", KEY_CSV, NULL, 0, "Print it as comma-separated values, a line for each design",
	  0 },
	{ "seed", KEY_SEED, "N", 0, "For what is sampled (default: 1)", 0 },
	{ "quiet", KEY_QUIET, NULL, 0, "No progress", 0 },
	{ NULL, 0, NULL, 0, NULL, 0 },
};

/* ---------------------------------------------------------------- the command line */

static error_t parse_machine(int key, const char *arg, struct command *command,
			     struct argp_state *state)
{
	struct runner_options *o = &command->c.options;

	switch (key) {
	case KEY_FRAMES:
		machine_frames(state, arg, o, &command->percent);
		return 0;
	case KEY_SWAP:
		machine_swap(state, arg, o);
		return 0;
	case KEY_CHECK:
		o->check_every = number_option(state, "--check", arg, 0, UINT32_MAX);
		if (!o->check_every)
			argp_error(state, "--check=0 would never check");
		return 0;
	case KEY_PHANTOM:
		o->phantom = true;
		return 0;
	case KEY_SEED:
		o->seed = number_option(state, "--seed", arg, 0, UINT64_MAX - 1);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct command *command = state->input;

	switch (key) {
	case KEY_DESIGNS:
		command->designs = arg;
		break;
	case KEY_PROBES:
		command->c.probes = number_option(state, "--probes", arg, 0, 1000000);
		break;
	case KEY_JSON:
		command->json = true;
		break;
	case KEY_CSV:
		command->csv = true;
		break;
	case KEY_QUIET:
		command->quiet = true;
		break;
	case ARGP_KEY_ARG:
		if (command->workload)
			argp_error(state, "there is one workload, but '%s' and '%s' are given",
				   command->workload, arg);
		command->workload = arg;
		break;
	case ARGP_KEY_END:
		if (!command->workload)
			argp_error(state, "a workload is missing: FILE.rmw, FILE.rmrec or "
					  "GENERATOR[:key=value,...]");
		if (command->json && command->csv)
			argp_error(state, "--json and --csv exclude each other");
		break;
	default:
		return parse_machine(key, arg, command, state);
	}
	return 0;
}

/* ---------------------------------------------------------------- which designs */

static bool choose_designs(struct compare *c, const char *text, char err[OPS_ERR_SIZE])
{
	struct design_list list;

	if (!design_list_parse(text, &list, err, OPS_ERR_SIZE))
		return false;
	for (unsigned int i = 0; i < list.nr; i++) {
		struct compare_design *d = calloc(1, sizeof(*d));

		if (!d) {
			snprintf(err, OPS_ERR_SIZE, "out of memory");
			return false;
		}
		d->ops = list.design[i];
		c->design[c->nr++] = d;
	}
	return true;
}

static void compare_free(struct compare *c)
{
	for (uint32_t i = 0; i < c->nr; i++) {
		for (unsigned int pass = 0; pass < COMPARE_PASSES; pass++) {
			free(c->design[i]->pool[pass].looks);
			free(c->design[i]->pool[pass].steps);
		}
		free(c->design[i]);
	}
}

/* ---------------------------------------------------------------- running */

static enum runner_result out_of_memory(char err[OPS_ERR_SIZE])
{
	snprintf(err, OPS_ERR_SIZE, "this computer's memory is used up");
	return RUNNER_BAD;
}

static void show(const struct command *command, const char *what, const char *phase)
{
	if (!command->quiet)
		words_progress(stderr, "%s  %s", what, phase);
}

static void show_nothing(const struct command *command)
{
	if (!command->quiet)
		words_progress_over(stderr);
}

/* Before all designs, to see how much memory the workload has in use. */
static enum runner_result measure(void *ctx, struct op_source *source, struct runner *r,
				  char err[OPS_ERR_SIZE])
{
	const struct command *command = ctx;
	enum runner_result result;
	struct op op;
	int more;

	show(command, "how much memory it wants", "");
	while ((more = source->next(source, &op, err)) > 0) {
		if (op.kind == OP_PHASE)
			show(command, "how much memory it wants", op.text ? op.text : "");
		result = runner_step(r, &op, err);
		if (result != RUNNER_OK)
			return result;
	}
	return more < 0 ? RUNNER_BAD : runner_finish(r, err);
}

/* Under one design, so that all get a machine of one size, and the same one whichever are asked for. */
static int measure_first(struct command *command)
{
	char err[OPS_ERR_SIZE] = "";
	enum runner_result result;

	if (!command->percent)
		return 0;
	result = machine_measure(command->workload, command->percent, &command->c.options, measure,
				 command, err);
	if (result == RUNNER_OK)
		return 0;
	show_nothing(command);
	fprintf(stderr, "rmap compare: before --frames %" PRIu64 "%%: %s\n", command->percent, err);
	return result == RUNNER_FAILED ? EXIT_WRONG : EXIT_USAGE;
}

static enum runner_result steps(const struct command *command, struct compare_design *d,
				struct op_source *source, struct runner *r, char err[OPS_ERR_SIZE])
{
	char phase[64] = "";
	enum runner_result result;
	struct op op;
	int more;

	while ((more = source->next(source, &op, err)) > 0) {
		if (op.kind == OP_PHASE) {
			/* What ends has no name where nothing has happened yet. */
			if (runner_operations(r) && !compare_probe(&command->c, d, r, phase))
				return out_of_memory(err);
			snprintf(phase, sizeof(phase), "%s", op.text ? op.text : "");
			show(command, rmap_design_name(d->ops), phase);
		}
		result = runner_step(r, &op, err);
		if (result != RUNNER_OK)
			return result;
		compare_sample_bytes(d, r);
		if (op.kind == OP_FORK)
			d->fork_count++;
	}
	if (more < 0)
		return RUNNER_BAD;
	if (!compare_probe(&command->c, d, r, phase))
		return out_of_memory(err);
	return runner_finish(r, err);
}

static void collect(struct compare_design *d, const struct timed *timed, struct runner *r)
{
	if (runner_system(r))
		runner_totals(r, &d->totals);
	d->ops_carried_out = runner_operations(r);
	d->misfits = runner_misfits(r);
	memcpy(d->probes, r->probes, sizeof(d->probes));
	d->nr_probes = r->nr_probes;
	d->checks = r->checks;
	d->check_walked = r->check_walked;
	d->verified_pages = r->verified_pages;
	d->expectations = r->expectations;
	d->procs_at_most = r->peak_procs;
	d->run_ns = (r->end_ns ? r->end_ns : runner_now()) - r->start_ns;
	for (unsigned int i = 0; i <= TIMED_CLASSES; i++)
		d->class[i] = timed_class_sum(timed, (enum timed_class)i);
	for (unsigned int i = 0; i < TIMED_EVENTS; i++)
		d->event[i] = timed_event_sum(timed, (enum timed_event)i);
	for (unsigned int i = 0; i <= RMAP_LOCK_CLASSES; i++)
		d->locks[i] = timed_locks_taken(timed, i);
	d->counts_instructions = timed_counts_instructions(timed);
	d->clock_overhead_ns = timed_overhead_ns(timed);
}

/* False: nothing can be said, message has the sentence. */
static bool run_design(struct command *command, struct compare_design *d)
{
	struct runner_options o = command->c.options;
	struct timed *timed = timed_new(d->ops);
	struct op_source *source;
	struct runner *r;

	if (!timed) {
		snprintf(d->message, sizeof(d->message), "out of memory");
		return false;
	}
	o.ops = timed_ops(timed);
	o.check = true;
	if (source_open(command->workload, &source, d->message)) {
		timed_free(timed);
		return false;
	}
	if (runner_create(&o, source, &r, d->message)) {
		source->close(source);
		timed_free(timed);
		return false;
	}
	snprintf(command->c.kind, sizeof(command->c.kind), "%s", source->kind);
	command->c.frames = r->frames;
	command->c.swap_slots = r->swap_slots;
	show(command, rmap_design_name(d->ops), "");
	d->result = steps(command, d, source, r, d->message);
	d->ran = true;
	collect(d, timed, r);
	d->checked = d->result == RUNNER_OK && d->checks;
	if (d->result == RUNNER_OK)
		d->message[0] = '\0';
	runner_destroy(r);
	source->close(source);
	timed_free(timed);
	return d->result != RUNNER_BAD;
}

/* Layouts are the VM's: what differs from the first design's is wrong, whoever it was. */
static void compare_layouts(struct compare *c)
{
	const struct compare_design *first = c->design[0];

	for (uint32_t i = 1; i < c->nr; i++) {
		struct compare_design *d = c->design[i];
		uint32_t nr = d->nr_phases < first->nr_phases ? d->nr_phases : first->nr_phases;

		for (uint32_t p = 0; p < nr && d->result == RUNNER_OK; p++) {
			if (d->phase[p].layout == first->phase[p].layout)
				continue;
			d->result = RUNNER_FAILED;
			d->checked = false;
			snprintf(d->message, sizeof(d->message),
				 "%s: at the end of phase \"%s\" the VMAs are not those under %s",
				 c->workload, d->phase[p].name, rmap_design_name(first->ops));
		}
	}
}

static int run_all(struct command *command)
{
	struct compare *c = &command->c;
	int ret = 0;

	for (uint32_t i = 0; i < c->nr; i++) {
		if (run_design(command, c->design[i]))
			continue;
		/* A workload that cannot be run cannot be run on the others either. */
		show_nothing(command);
		fprintf(stderr, "rmap compare: %s\n", c->design[i]->message);
		return EXIT_USAGE;
	}
	show_nothing(command);
	compare_layouts(c);
	for (uint32_t i = 0; i < c->nr; i++)
		if (c->design[i]->result != RUNNER_OK)
			ret = EXIT_WRONG;
	return ret;
}

int cmd_compare(int argc, char **argv)
{
	static const struct argp argp = {
		.options = options,
		.parser = parse,
		.args_doc = "WORKLOAD",
		.doc = "Carry out a workload on each reverse map and show what it cost each.\v"
		       "WORKLOAD is a file in the workload language (FILE.rmw), a record of a real "
		       "program "
		       "(FILE.rmrec), or a generator as fork-cow:children=1000,pages=1000 (see "
		       "rmap run "
		       "--list).\n\n"
		       "  rmap compare --phantom fork-cow:children=1000,pages=1000\n"
		       "        all designs on 1,000 children that each write all\n"
		       "  rmap compare --designs anon_vma_chain,lineage survivors:left=2\n"
		       "        two of them on pages that few of many still have\n"
		       "  rmap compare --frames 25% --csv workloads/records/redis.rmrec\n"
		       "        a recorded program in a quarter of its memory, for a "
		       "spreadsheet\n\n"
		       "The best of each row is marked with *. Exit code: 0 all is "
		       "well; 1 an "
		       "expectation, a check or contents were wrong under some design; 2 the "
		       "command line or a "
		       "file cannot be used.",
	};
	struct command command = { .c = { .options = { .seed = 1 }, .probes = 500 } };
	struct compare *c = &command.c;
	char err[OPS_ERR_SIZE] = "";
	int ret;

	argp_err_exit_status = EXIT_USAGE;
	if (argp_parse(&argp, argc, argv, 0, NULL, &command))
		return EXIT_USAGE;
	c->workload = command.workload;
	if (!choose_designs(c, command.designs, err)) {
		fprintf(stderr, "rmap compare: %s\n", err);
		compare_free(c);
		return EXIT_USAGE;
	}
	ret = measure_first(&command);
	if (ret) {
		compare_free(c);
		return ret;
	}
	ret = run_all(&command);
	if (ret != EXIT_USAGE) {
		if (command.json)
			compare_print_json(c, stdout);
		else if (command.csv)
			compare_print_csv(c, stdout);
		else
			compare_print(c, stdout);
		for (uint32_t i = 0; i < c->nr; i++)
			if (c->design[i]->result != RUNNER_OK)
				fprintf(stderr, "rmap compare: on %s: %s\n",
					rmap_design_name(c->design[i]->ops), c->design[i]->message);
	}
	compare_free(c);
	if (fflush(stdout) || ferror(stdout)) {
		fprintf(stderr, "rmap compare: the output cannot be written\n");
		return EXIT_USAGE;
	}
	return ret;
}
