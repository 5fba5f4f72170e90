// SPDX-License-Identifier: BSD-2-Clause
/*
 * The random source: who lives, what comes next.
 *
 * Each operation is one process's, of a kind that is drawn by weight. The weights change every few hundred operations: some
 * kinds are left out for a while, some come often. A program that does a bit of everything all the time never gets deep into
 * anything; one that does nothing but map, move and fork for a while does. Now and then several operations that belong
 * together come one after the other (scenes).
 *
 * Nothing here depends on how an operation came out on the live side, nor on time: the same seed makes the same list.
 */
#include "runner_int.h"
#include "verify_list.h"
#include "verify_random_int.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The files: with a store and without, some that end within a page, one only for reading and one only for writing. */
static const struct {
	uint64_t size;
	uint32_t flags;
	uint32_t mode;
} first_files[RANDOM_FILES] = {
	{ 20 * PAGE, 0, MM_FILE_READ | MM_FILE_WRITE },
	{ 16 * PAGE, OP_FILE_SHMEM, MM_FILE_READ | MM_FILE_WRITE },
	{ 5 * PAGE + 1234, 0, MM_FILE_READ | MM_FILE_WRITE },
	{ 12 * PAGE, OP_FILE_SPARSE, MM_FILE_READ | MM_FILE_WRITE },
	{ 3 * PAGE + 99, OP_FILE_SHMEM | OP_FILE_SPARSE, MM_FILE_READ | MM_FILE_WRITE },
	{ 18 * PAGE, 0, MM_FILE_READ },
	{ 9 * PAGE, 0, MM_FILE_WRITE },
};

/* ---------------------------------------------------------------- chance */

/* splitmix64: any seed will do. */
static uint64_t next_random(struct random *g)
{
	uint64_t z = g->state += 0x9e3779b97f4a7c15u;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return z ^ z >> 31;
}

uint64_t random_below(struct random *g, uint64_t n)
{
	uint32_t width = n > 256 ? 2 : 1;
	uint64_t drawn;

	if (g->nr_fed < width || n > 65536)
		return (next_random(g) >> 16) % n;
	drawn = g->fed[0];
	if (width == 2)
		drawn = drawn << 8 | g->fed[1];
	g->fed += width;
	g->nr_fed -= width;
	return drawn % n;
}

void random_feed(struct random *g, const uint8_t *bytes, uint32_t nr)
{
	g->state = nr;
	for (uint32_t i = 0; i < nr; i++)
		g->state = (g->state ^ bytes[i]) * 0x100000001b3u;
	g->fed = bytes;
	g->nr_fed = nr;
}

bool random_percent(struct random *g, uint32_t percent)
{
	return random_below(g, 100) < percent;
}

uint32_t random_weighted(struct random *g, const uint32_t *weights, uint32_t n)
{
	uint64_t sum = 0, at;

	for (uint32_t i = 0; i < n; i++)
		sum += weights[i];
	if (!sum)
		return 0;
	at = random_below(g, sum);
	for (uint32_t i = 0; i < n; i++) {
		if (at < weights[i])
			return i;
		at -= weights[i];
	}
	return n - 1;
}

/* Another taste for the next few hundred operations. */
static void change_mood(struct random *g)
{
	static const uint32_t factors[] = { 0, 2, 2, 2, 2, 5 };

	for (uint32_t i = 0; i < random_nr_calls; i++) {
		uint32_t factor = factors[random_below(g, 6)];

		/* Nothing at all happens to what is never mapped or written. */
		if (!factor &&
		    (random_calls[i].kind == OP_MMAP || random_calls[i].kind == OP_WRITE))
			factor = 1;
		g->weight[i] = random_calls[i].weight * factor;
	}
	g->weird = (uint32_t)random_below(g, 4) * 40;
	g->max_processes = 1 + (uint32_t)random_below(g, g->options.processes);
	g->mood_ends = g->given + 200 + random_below(g, 600);
}

/* ---------------------------------------------------------------- what came of the last operation */

static void forget_dead(struct random *g)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < g->nr_processes; i++)
		if (runner_mm(g->runner, g->process[i].id))
			g->process[n++] = g->process[i];
	g->nr_processes = n;
	for (uint32_t i = 0; i < n; i++)
		if (g->process[i].depth > g->most_depth)
			g->most_depth = g->process[i].depth;
	if (n > g->most_processes)
		g->most_processes = n;
}

static void note_mark(struct random *g)
{
	struct op_addr at = { .mark = g->pending.number };

	if (at.mark && !runner_resolve(g->runner, &at, &g->pending.addr)) {
		g->mark[g->next_mark] = g->pending;
		g->next_mark = (g->next_mark + 1) % RANDOM_MARKS;
	}
	g->pending.number = 0;
}

/* A hold that came to nothing is none. */
static void forget_pins(struct random *g)
{
	for (uint32_t i = 0; i < RANDOM_PINS; i++) {
		const struct pin *pin = g->runner->pins;

		while (pin && pin->id != g->pin[i])
			pin = pin->next;
		if (!pin)
			g->pin[i] = 0;
	}
}

/* A process that is about to be; if it comes to nothing it is forgotten at the next look. */
static void add_process(struct random *g, uint64_t id, uint32_t depth)
{
	if (g->nr_processes < RANDOM_MAX_PROCESSES)
		g->process[g->nr_processes++] = (struct random_process){ id, depth };
	if (id > g->last_id)
		g->last_id = id;
}

void random_note(struct random *g, const struct op *op)
{
	if (op->kind == OP_NEW)
		add_process(g, op->proc, 1);
	else if (op->kind == OP_FORK || op->kind == OP_SHARE)
		add_process(g, op->target, g->self->depth + 1);
}

/* ---------------------------------------------------------------- what comes next */

void random_open_file(struct random *g, struct op *op, uint32_t i)
{
	op_init(op, OP_FILE);
	op->file = g->file[i] = ++g->last_file;
	op->len = first_files[i].size;
	op->flags = first_files[i].flags;
}

uint32_t random_file_mode(const struct random *g, uint32_t file)
{
	for (uint32_t i = 0; i < RANDOM_FILES; i++)
		if (file && g->file[i] == file)
			return first_files[i].mode;
	return MM_FILE_READ | MM_FILE_WRITE;
}

void random_new_process(struct random *g, struct op *op)
{
	op_init(op, OP_NEW);
	op->proc = g->last_id + 1;
}

/* What must be there before anything else can be: a process; and files, after a while also those that were closed. */
static bool make_needed(struct random *g, struct op *op)
{
	for (uint32_t i = 0; i < RANDOM_FILES; i++)
		if (!g->file[i] && (g->given < RANDOM_FILES + 1 || random_percent(g, 1))) {
			random_open_file(g, op, i);
			return true;
		}
	if (g->nr_processes && (g->nr_processes >= g->max_processes || random_below(g, 1000) != 0))
		return false;
	random_new_process(g, op);
	return true;
}

static void make(struct random *g, struct op *op)
{
	for (;;) {
		uint32_t i = random_weighted(g, g->weight, random_nr_calls);

		op_init(op, random_calls[i].kind);
		op->proc = g->self->id;
		if (random_calls[i].make(g, op))
			return;
	}
}

/* Each lives as long as the others, but the youngest are busiest. */
static const struct random_process *pick_process(struct random *g)
{
	uint32_t n = g->nr_processes;

	if (n > 3 && random_percent(g, 40))
		return &g->process[n - 1 - random_below(g, 3)];
	return &g->process[random_below(g, n)];
}

void random_queue(struct random *g, const struct op *op)
{
	if (g->queued < RANDOM_QUEUE) {
		g->queue[g->queued] = *op;
		g->queue[g->queued++].outcome = OP_MAY_FAIL;
	}
}

static const struct random_process *find_process(struct random *g, uint64_t id)
{
	for (uint32_t i = 0; i < g->nr_processes; i++)
		if (g->process[i].id == id)
			return &g->process[i];
	return &g->process[0];
}

bool random_queued(struct random *g, struct op *op)
{
	while (g->queue_at < g->queued) {
		*op = g->queue[g->queue_at++];
		/* Its process may have gone meanwhile. */
		if (!runner_mm(g->runner, op->proc))
			continue;
		g->self = find_process(g, op->proc);
		return true;
	}
	g->queue_at = g->queued = 0;
	return false;
}

void random_settle(struct random *g)
{
	forget_dead(g);
	note_mark(g);
	forget_pins(g);
}

static int random_next(struct op_source *source, struct op *op, char err[OPS_ERR_SIZE])
{
	struct random *g = rmap_container_of(source, struct random, source);

	(void)err;
	if (g->options.ops && g->given >= g->options.ops)
		return 0;
	random_settle(g);
	if (g->given >= g->mood_ends)
		change_mood(g);
	g->given++;
	if (!random_queued(g, op) && !make_needed(g, op)) {
		g->self = pick_process(g);
		aim_look(g);
		if (random_below(g, 100) < 3)
			random_scene(g);
		if (!random_queued(g, op))
			make(g, op);
	}
	op->outcome = OP_MAY_FAIL;
	random_note(g, op);
	return 1;
}

/* ---------------------------------------------------------------- the source */

static void random_close(struct op_source *source)
{
	free(rmap_container_of(source, struct random, source));
}

int random_open(const struct random_options *options, struct op_source **out,
		char err[OPS_ERR_SIZE])
{
	struct random *g;

	if (options->processes > RANDOM_MAX_PROCESSES) {
		snprintf(err, OPS_ERR_SIZE, "at most %u processes", RANDOM_MAX_PROCESSES);
		return -1;
	}
	g = calloc(1, sizeof(*g));
	if (!g) {
		snprintf(err, OPS_ERR_SIZE, "out of memory");
		return -1;
	}
	g->options = *options;
	if (!g->options.processes)
		g->options.processes = RANDOM_PROCESSES;
	g->state = options->seed;
	op_list_source(&g->source, options->swap);
	g->source.next = random_next;
	g->source.close = random_close;
	g->source.config.steps = options->ops;
	*out = &g->source;
	return 0;
}

void random_watch(struct op_source *source, struct runner *runner)
{
	rmap_container_of(source, struct random, source)->runner = runner;
}

void random_tree(const struct op_source *source, uint64_t *processes, uint64_t *depth)
{
	const struct random *g = rmap_container_of(source, struct random, source);

	*processes = g->most_processes;
	*depth = g->most_depth;
}
