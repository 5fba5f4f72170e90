// SPDX-License-Identifier: BSD-2-Clause
/*
 * From bytes to operations. The calls are the referee's random ones; added here is what only an engine can be asked: reclaim,
 * migration, bad frames, hibernation, failures to order, walks from outside.
 */
#include "fuzz_ops.h"

#include "verify_list.h"
#include "verify_random_int.h"

#include <stdlib.h>
#include <string.h>

#define HIBERNATIONS 2u /* in a sequence: each makes a machine anew */
#define SEGMENTS     3u

struct ops_decoder {
	struct random *random;
	struct op_source *source;
	const uint8_t *data;
	size_t size, at;
	uint32_t preamble; /* operations of it that are behind us */
	uint32_t hibernations;
	uint64_t written; /* values given out */
	struct op_segment segments[SEGMENTS];
};

/* ---------------------------------------------------------------- the head */

void ops_machine(const uint8_t *data, size_t size, struct ops_machine *out)
{
	static const uint64_t frames[] = { 256, 128, 400, 1024 };
	static const uint64_t slots[] = { 256, 32, 1024, 0 };
	static const uint32_t releases[] = {
		0, 0, 0, 0, 0, MM_RELEASE(6, 1), MM_RELEASE(6, 6), MM_RELEASE(6, 12)
	};
	static const uint32_t counts[] = { 0, 0, 0, 24 };
	uint8_t head[OPS_HEAD] = { 0 };

	memcpy(head, data, size < OPS_HEAD ? size : OPS_HEAD);
	out->frames = frames[head[0] & 3];
	out->swap_slots = slots[head[0] >> 2 & 3];
	out->fault_around = head[0] & 16 ? 4096 : 0;
	out->overcommit = head[0] & 32 ? MM_OVERCOMMIT_GUESS : MM_OVERCOMMIT_ALWAYS;
	out->no_anonmm = (head[0] & 192) == 192;
	out->processes = 1 + (head[1] & 7);
	out->weird = (head[1] >> 3 & 3) * 40;
	out->release = releases[head[2] & 7];
	out->max_map_count = counts[head[2] >> 3 & 3];
}

/* ---------------------------------------------------------------- what only an engine can be asked */

static bool make_nothing(struct random *g, struct op *op)
{
	(void)g;
	op->proc = OP_NOTHING;
	return true;
}

static bool make_reclaim(struct random *g, struct op *op)
{
	op->proc = OP_NOTHING;
	op->len = random_percent(g, 20) ? 4096 : 1 + random_below(g, 48);
	return true;
}

static bool make_page(struct random *g, struct op *op)
{
	aim_address(g, aim_page(g) & RMAP_PAGE_MASK, &op->addr);
	return true;
}

static bool make_migrate(struct random *g, struct op *op)
{
	make_page(g, op);
	op->len = random_percent(g, 70) ? PAGE : aim_len(g);
	return true;
}

static bool make_fetch(struct random *g, struct op *op)
{
	make_page(g, op);
	op->len = PAGE;
	return true;
}

static bool make_pin(struct random *g, struct op *op)
{
	static const uint32_t flags[] = {
		0,
		MM_PIN_WRITE,
		MM_PIN_LONGTERM,
		MM_PIN_LONGTERM | MM_PIN_WRITE,
		MM_PIN_FORCE,
		MM_PIN_FORCE | MM_PIN_WRITE,
		MM_PIN_LONGTERM | MM_PIN_WRITE | MM_PIN_FORCE,
	};

	for (uint32_t i = 0; i < RANDOM_PINS; i++) {
		if (g->pin[i])
			continue;
		make_page(g, op);
		op->flags = flags[random_below(g, sizeof(flags) / sizeof(flags[0]))];
		op->pin = g->pin[i] = ++g->last_pin;
		/* Who writes through a plain reference to what a fork may have shared writes to whoever comes to have it. */
		g->pin_flags[i] = op->flags & MM_PIN_LONGTERM ? op->flags : 0;
		return true;
	}
	return false;
}

/* The next operation is the one that something fails in: mostly an early allocation. */
static bool make_fail(struct random *g, struct op *op)
{
	static const uint32_t weights[OP_FAIL_POINTS] = { 80, 5, 5, 0, 5 };

	op->proc = OP_NOTHING;
	op->flags = random_weighted(g, weights, OP_FAIL_POINTS);
	op->value = 1 + random_below(g, random_percent(g, 60) ? 4 : 40);
	return true;
}

static bool make_file(struct random *g, struct op *op)
{
	uint32_t i = (uint32_t)random_below(g, RANDOM_FILES);

	if (g->file[i])
		return false;
	random_open_file(g, op, i);
	return true;
}

static bool make_process(struct random *g, struct op *op)
{
	if (g->nr_processes >= g->max_processes)
		return false;
	random_new_process(g, op);
	return true;
}

/* A scene goes to the queue; the record stands for all of it. */
static bool make_scene(struct random *g, struct op *op)
{
	random_scene(g);
	return random_queued(g, op);
}

/* Nobody else can say whether hibernation will do: a pin holds it up, and shared memory that nobody maps would be lost. */
static bool may_hibernate(struct runner *r)
{
	for (uint32_t i = 0; i < r->nr_named; i++) {
		struct rfile *f = r->named[i];
		bool mapped = false;

		if (!f || f->handle)
			continue;
		for (struct process *p = r->procs; p; p = p->next) {
			const struct layout *layout;

			space_changed(p->space);
			layout = space_layout(p->space);
			for (size_t v = 0; layout && v < layout->nr; v++)
				mapped |= layout->vmas[v].file == f->file;
		}
		if (!mapped)
			return false;
	}
	return !r->pins;
}

static bool make_hibernate(struct random *g, struct op *op)
{
	return may_hibernate(g->runner) && make_nothing(g, op);
}

/* A program of up to three segments, side by side or apart; ops_decode() gives them a home. */
static bool make_exec(struct random *g, struct op *op)
{
	op->nr_segments = (uint32_t)random_below(g, SEGMENTS + 1);
	op->len = op->nr_segments ? random_below(g, 3 * PAGE) : 0;
	return true;
}

static void make_segments(struct ops_decoder *d, struct op *op)
{
	static const uint32_t prots[] = { MM_PROT_READ | MM_PROT_EXEC, MM_PROT_READ,
					  MM_PROT_READ | MM_PROT_WRITE };
	struct random *g = d->random;
	uint64_t at = HOME_BASE;

	for (uint32_t i = 0; i < op->nr_segments; i++) {
		struct op_segment *s = &d->segments[i];

		*s = (struct op_segment){ .addr = at, .len = aim_len(g) };
		s->prot = prots[random_below(g, 3)];
		/* The first may be read. */
		s->file = random_percent(g, 60) ? g->file[0] : 0;
		s->offset = s->file ? random_below(g, 8) * PAGE : 0;
		at += s->len + (random_percent(g, 30) ? PAGE : 0);
	}
	op->segments = op->nr_segments ? d->segments : NULL;
}

static const struct random_call engine_calls[] = {
	{ 40, make_reclaim, OP_RECLAIM },    { 6, make_nothing, OP_BALANCE },
	{ 4, make_nothing, OP_SWAPOFF },     { 6, make_nothing, OP_SWAPON },
	{ 25, make_migrate, OP_MIGRATE },    { 3, make_page, OP_POISON },
	{ 1, make_hibernate, OP_HIBERNATE }, { 14, make_fail, OP_FAIL },
	{ 10, make_fetch, OP_FETCH },	     { 12, make_page, OP_PROBE },
	{ 4, make_exec, OP_EXEC },	     { 10, make_pin, OP_PIN },
	{ 2, make_file, OP_FILE },	     { 2, make_process, OP_NEW },
	{ 2, make_nothing, OP_VERIFY },	     { 24, make_scene, OP_NONE },
};
#define ENGINE_CALLS ((uint32_t)(sizeof(engine_calls) / sizeof(engine_calls[0])))

uint32_t ops_kinds(void)
{
	return random_nr_calls + ENGINE_CALLS;
}

static const struct random_call *call_of(uint32_t kind)
{
	return kind < random_nr_calls ? &random_calls[kind] : &engine_calls[kind - random_nr_calls];
}

uint32_t ops_kind_weight(uint32_t kind)
{
	return call_of(kind)->weight;
}

/* ---------------------------------------------------------------- decoding */

struct ops_decoder *ops_decoder_new(const struct ops_machine *machine, const uint8_t *data,
				    size_t size)
{
	struct random_options options = { .processes = machine->processes,
					  .swap = machine->swap_slots != 0 };
	struct ops_decoder *d = calloc(1, sizeof(*d));
	struct op_config *config;
	char err[OPS_ERR_SIZE];

	if (!d || random_open(&options, &d->source, err)) {
		free(d);
		return NULL;
	}
	d->random = rmap_container_of(d->source, struct random, source);
	d->random->max_processes = machine->processes;
	d->random->weird = machine->weird;
	d->data = data;
	d->size = size < OPS_BYTES ? size : OPS_BYTES;
	d->at = OPS_HEAD;
	config = &d->source->config;
	config->frames = machine->frames;
	config->swap_slots = machine->swap_slots;
	config->fault_around = machine->fault_around;
	config->max_map_count = machine->max_map_count;
	config->has_overcommit = true;
	config->overcommit = machine->overcommit;
	config->injects = true;
	/* What makes no sense at some moment is passed over, under all designs alike. */
	d->source->tolerant = true;
	d->source->name = "fuzz";
	return d;
}

void ops_decoder_free(struct ops_decoder *d)
{
	if (!d)
		return;
	d->source->close(d->source);
	free(d);
}

struct op_source *ops_decoder_source(struct ops_decoder *d)
{
	return d->source;
}

void ops_decoder_watch(struct ops_decoder *d, struct runner *runner)
{
	random_watch(d->source, runner);
}

/* First of all the files; and a process, whenever there is none. */
static bool needed(struct ops_decoder *d, struct op *op)
{
	if (d->preamble < RANDOM_FILES) {
		random_open_file(d->random, op, d->preamble++);
		return true;
	}
	if (d->random->nr_processes)
		return false;
	random_new_process(d->random, op);
	return true;
}

/* Out of the record, if it makes sense now. */
static bool from_record(struct ops_decoder *d, const uint8_t *record, struct op *op)
{
	const struct random_call *call = call_of(record[0] % ops_kinds());
	struct random *g = d->random;

	if (call->kind == OP_HIBERNATE && d->hibernations == HIBERNATIONS)
		return false;
	random_feed(g, record + 2, OPS_RECORD - 2);
	g->self = &g->process[record[1] % g->nr_processes];
	aim_look(g);
	op_init(op, call->kind);
	op->proc = g->self->id;
	if (!call->make(g, op))
		return false;
	if (op->kind == OP_HIBERNATE)
		d->hibernations++;
	if (op->kind == OP_EXEC)
		make_segments(d, op);
	return true;
}

/* Values that all designs write alike, also if one of them has to try twice. */
static void give_value(struct ops_decoder *d, struct op *op)
{
	if (op->kind != OP_WRITE && op->kind != OP_FILE_WRITE && op->kind != OP_PIN_WRITE)
		return;
	op->has_value = true;
	op->value_steps = op->kind != OP_PIN_WRITE;
	op->value = 1000 + d->written;
	d->written += 1000;
}

bool ops_decode(struct ops_decoder *d, struct op *op)
{
	struct random *g = d->random;
	bool made;

	random_settle(g);
	made = random_queued(g, op);
	if (!made) {
		op_init(op, OP_NONE);
		made = needed(d, op);
	}
	while (!made) {
		if (d->at + OPS_RECORD > d->size)
			return false;
		made = from_record(d, d->data + d->at, op);
		d->at += OPS_RECORD;
	}
	op->outcome = OP_MAY_FAIL;
	random_note(g, op);
	give_value(d, op);
	return true;
}
