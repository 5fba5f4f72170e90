// SPDX-License-Identifier: BSD-2-Clause
/*
 * A sequence under all designs at once: a step under each, and what came of it held together.
 */
#include "fuzz_ops.h"

#include "verify.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define PAGES_EVERY 8u
#define SCAN_RARELY 4u

struct machine {
	struct runner *runner;
	struct ops_layer *layer; /* around the design */
	const char *name;
	struct ops_view view;
	uint64_t walked; /* PTEs that the step's walks found, both ways */
	bool stray;
};

struct world {
	const struct ops_options *options;
	struct ops_stats *stats;
	char *wrong; /* the first thing that was */
	struct ops_decoder *decoder;
	struct machine machine[OPS_DESIGNS]; /* the first is what the others are held against */
	uint32_t nr;
	uint64_t steps;
	uint32_t check_every;
	struct op fail; /* kind OP_FAIL: what is to fail in the next step */
	bool hit;	/* an allocation failed in this step */
	bool cut;
};

__attribute__((format(printf, 3, 4))) static void wrong(struct world *w, const struct op *op,
							const char *format, ...)
{
	char line[256] = "";
	va_list args;
	int n;

	if (w->wrong[0])
		return;
	if (op)
		op_write(op, ops_decoder_source(w->decoder), line, sizeof(line));
	n = snprintf(w->wrong, OPS_ERR_SIZE, "step %llu%s%s: ", (unsigned long long)w->steps,
		     op ? ", " : "", line);
	va_start(args, format);
	if (n > 0 && n < OPS_ERR_SIZE)
		vsnprintf(w->wrong + n, (size_t)(OPS_ERR_SIZE - n), format, args);
	va_end(args);
}

/* ---------------------------------------------------------------- a step */

static void print(struct world *w, const struct op *op)
{
	char line[512];

	if (!w->options->print)
		return;
	fprintf(w->options->print, "%s\n",
		op_write(op, ops_decoder_source(w->decoder), line, sizeof(line)));
	fflush(w->options->print);
}

static const enum testport_event fail_events[OP_FAIL_POINTS] = {
	[OP_FAIL_ALLOC] = TESTPORT_ALLOC,	  [OP_FAIL_SWAP_WRITE] = TESTPORT_SWAP_WRITE,
	[OP_FAIL_SWAP_READ] = TESTPORT_SWAP_READ, [OP_FAIL_FILE_WRITE] = TESTPORT_FILE_WRITE,
	[OP_FAIL_FILE_READ] = TESTPORT_FILE_READ,
};

/*
 * Where a step that fails half-way and is done again comes to the same as one that did not fail. A move to a given place may have
 * unmapped what was there, or moved the first of several VMAs; an image may be cut.
 */
static bool can_try_again(const struct op *op)
{
	switch (op->kind) {
	case OP_MREMAP:
		return !(op->flags & MM_MREMAP_FIXED) && op->new_len >= op->len;
	case OP_HIBERNATE:
	case OP_POISON:
	case OP_PROBE:
		return false;
	default:
		return true;
	}
}

/* Its outcome hangs on which pages are in memory, and in which frames. */
static bool is_about_frames(const struct op *op)
{
	return op->kind == OP_MIGRATE || op->kind == OP_POISON || op->kind == OP_PROBE ||
	       op->kind == OP_RECLAIM;
}

static bool any_stray(const struct world *w)
{
	for (uint32_t i = 0; i < w->nr; i++)
		if (w->machine[i].stray)
			return true;
	return false;
}

static bool run_one(struct world *w, struct machine *m, const struct op *op)
{
	char err[OPS_ERR_SIZE] = "";

	if (runner_step(m->runner, op, err) == RUNNER_OK)
		return true;
	wrong(w, op, "under %s: %s", m->name, err);
	return false;
}

/* With the failure that was ordered; => did it come? */
static bool run_failing(struct world *w, struct machine *m, const struct op *op)
{
	struct testport *tp = m->runner->testport;
	enum testport_event event = fail_events[w->fail.flags];
	bool hit;

	testport_fail(tp, event, w->fail.value, TESTPORT_ONCE);
	if (!run_one(w, m, op))
		return false;
	/* Hibernation has another port afterwards, but then nothing was to fail. */
	hit = testport_reached(tp, event) >= w->fail.value;
	if (!hit)
		return false;
	w->stats->injected++;
	if (m->runner->last_error)
		run_one(w, m, op);
	return true;
}

/* A page of this process, walked from as reclaim does; what is found is what the map count says, however the walk goes. */
static void walk_one(struct world *w, struct machine *m, const struct op *op)
{
	struct runner *r = m->runner;
	struct mm *mm = runner_mm(r, op->proc);
	struct mm_page_info info;
	uint64_t addr;

	if (!mm || runner_resolve(r, &op->addr, &addr))
		return;
	mm_page_info(mm, addr, &info);
	if (info.state != MM_PAGE_PRESENT)
		return;
	for (int stop = 0; stop < 2; stop++) {
		struct rmap_walk walk = { .flags = stop ? RMAP_WALK_STOP_AT_MAPCOUNT : 0,
					  .purpose = RMAP_WALK_PROBE };
		int error = mm_walk_page(r->sys, info.page, &walk);

		if (error || walk.found != info.mapcount)
			wrong(w, op, "under %s: a walk found %llu of %u PTEs (%s)", m->name,
			      (unsigned long long)walk.found, info.mapcount,
			      rmap_error_name(error));
		m->walked = m->walked << 32 | walk.found;
	}
	w->stats->operations += 2;
}

static void run_all(struct world *w, const struct op *op)
{
	bool fails = w->fail.kind == OP_FAIL && can_try_again(op), hit = false;

	w->hit = false;

	for (uint32_t i = 0; i < w->nr && !w->wrong[0]; i++) {
		struct machine *m = &w->machine[i];

		m->walked = 0;
		if (op->kind == OP_PROBE)
			walk_one(w, m, op);
		else if (fails)
			hit |= run_failing(w, m, op);
		else
			run_one(w, m, op);
	}
	/* Where allocations fail each design is in another place. */
	w->hit = hit && w->fail.flags == OP_FAIL_ALLOC;
	for (uint32_t i = 0; i < w->nr && w->hit; i++)
		w->machine[i].stray = true;
	w->fail.kind = OP_NONE;
	/* Where the workload is run, it shall be done again, too. */
	if (hit && w->machine[0].runner->last_error)
		print(w, op);
}

/* ---------------------------------------------------------------- holding together */

/*
 * Errors that hang on what is in memory: want of it; and what may be executed and not read can be read all the same, by a
 * processor and by whoever takes references, while its page is there.
 */
static bool is_want(const struct op *op, int error)
{
	return error == RMAP_ENOMEM || error == RMAP_EAGAIN ||
	       (error == RMAP_EACCES && (op->kind == OP_READ || op->kind == OP_PIN));
}

static void same_outcome(struct world *w, const struct op *op, const struct machine *m)
{
	const struct machine *first = &w->machine[0];
	const struct runner *a = first->runner, *b = m->runner;
	bool stray = first->stray || m->stray;

	if (stray && is_about_frames(op))
		return;
	/* It has come as far as there was memory, which need not be as far everywhere. */
	if (stray && op->kind == OP_FILE_WRITE && a->last_error == RMAP_ENOMEM) {
		w->cut = true;
		return;
	}
	if (a->last_error == b->last_error && a->last_result == b->last_result &&
	    a->last_at == b->last_at && a->misfits == b->misfits && first->walked == m->walked)
		return;
	if (stray && (is_want(op, a->last_error) || is_want(op, b->last_error))) {
		w->cut = true;
		return;
	}
	wrong(w, op,
	      "%s came to %s (0x%llx at 0x%llx, %llu misfits, found 0x%llx), %s to %s (0x%llx at "
	      "0x%llx, %llu misfits, found 0x%llx)",
	      first->name, rmap_error_name(a->last_error), (unsigned long long)a->last_result,
	      (unsigned long long)a->last_at, (unsigned long long)a->misfits,
	      (unsigned long long)first->walked, m->name, rmap_error_name(b->last_error),
	      (unsigned long long)b->last_result, (unsigned long long)b->last_at,
	      (unsigned long long)b->misfits, (unsigned long long)m->walked);
}

/* Views of one process (OP_NOTHING: of all, and of the machine), all of one detail. */
static void take_view(struct machine *m, uint64_t proc, unsigned int detail)
{
	m->view.nr = 0;
	if (proc != OP_NOTHING) {
		struct mm *mm = runner_mm(m->runner, proc);

		if (mm)
			ops_view_process(&m->view, proc, mm, detail);
		return;
	}
	for (struct process *p = m->runner->procs; p; p = p->next)
		ops_view_process(&m->view, p->id, p->space->mm, detail);
	if (detail & OPS_STRICT)
		ops_view_system(&m->view, m->runner->sys);
}

static void same_views(struct world *w, const struct op *op, uint64_t proc, unsigned int detail)
{
	struct machine *first = &w->machine[0];
	unsigned int held = 0; /* the detail of first's view, 0: it has none */

	for (uint32_t i = 1; i < w->nr && !w->wrong[0]; i++) {
		struct machine *m = &w->machine[i];
		bool stray = first->stray || m->stray;
		unsigned int how = detail | (stray ? 0u : (unsigned int)OPS_STRICT);
		char what[OPS_ERR_SIZE];
		bool touched;

		if (held != how)
			take_view(first, proc, how);
		held = how;
		take_view(m, proc, how);
		w->stats->compared++;
		if (ops_view_same(&first->view, first->name, &m->view, m->name, what, &touched))
			continue;
		/*
		 * Pages made in advance, whose want is no failure: one has touched the VMA, the other could not. And a call that goes from
		 * VMA to VMA keeps what it did before memory came to an end.
		 */
		if (w->hit || (stray && (touched || is_want(op, first->runner->last_error))))
			w->cut = true;
		else
			wrong(w, op, "%.400s", what);
	}
}

static void note_strays(struct world *w, const struct op *op)
{
	bool halfway;
	uint64_t from;

	/* In which order swapoff comes to address spaces is the order in which walks first took pages from them. */
	halfway = op->kind == OP_SWAPOFF && w->machine[0].runner->nr_procs > 1;
	for (uint32_t i = 0; i < w->nr; i++) {
		struct machine *m = &w->machine[i];

		halfway |= ops_layer_halfway(m->layer);
		if (!ops_layer_missed(m->layer))
			continue;
		halfway = true;
		if (op->kind != OP_EXEC)
			wrong(w, op, "under %s: a walk missed a PTE", m->name);
	}
	for (uint32_t i = 0; i < w->nr && halfway; i++)
		w->machine[i].stray = true;
	/* Pages that move and are somebody else's, too: anonmm copies them. */
	if (op->kind != OP_MREMAP)
		return;
	for (uint32_t i = 0; i < w->nr; i++) {
		struct machine *m = &w->machine[i];

		/* Even where it failed: some may have been copied before. */
		if (!strcmp(m->name, "anonmm") && !runner_resolve(m->runner, &op->addr, &from) &&
		    (m->runner->last_error == RMAP_ENOMEM || m->runner->last_result != from))
			m->stray = true;
	}
}

/* Everything there is to look at. */
static void check_point(struct world *w, const struct op *op)
{
	same_views(w, op, OP_NOTHING, OPS_VMAS | OPS_PAGES | OPS_SMAPS);
	for (uint32_t i = 0; i < w->nr && !w->wrong[0]; i++) {
		struct machine *m = &w->machine[i];
		char err[OPS_ERR_SIZE] = "";

		m->runner->err = err;
		m->runner->op = NULL;
		if (runner_peek(m->runner, 0) != RUNNER_OK)
			wrong(w, op, "under %s: %s", m->name, err);
		else if (i && !m->stray && !w->machine[0].stray &&
			 !ops_contents_same(w->machine[0].runner, m->runner, err))
			wrong(w, op, "%s and %s: %s", w->machine[0].name, m->name, err);
		testport_run_deferred(m->runner->testport, UINT64_MAX,
				      w->steps & 1 ? TESTPORT_NEWEST_FIRST : TESTPORT_OLDEST_FIRST);
	}
}

static void step(struct world *w, const struct op *op)
{
	uint32_t pages_every = w->options->pages_every ? w->options->pages_every : PAGES_EVERY;
	unsigned int detail;

	if (op->kind == OP_POISON && any_stray(w))
		return; /* whose frame it is differs */
	w->steps++;
	print(w, op);
	if (op->kind == OP_FAIL) {
		w->fail = *op;
		return;
	}
	run_all(w, op);
	note_strays(w, op);
	for (uint32_t i = 1; i < w->nr && !w->wrong[0] && !w->cut; i++)
		same_outcome(w, op, &w->machine[i]);
	if (w->machine[0].runner->last_error)
		w->stats->failed++;
	if (w->wrong[0] || w->cut)
		return;
	detail = w->steps % pages_every ? OPS_VMAS : OPS_VMAS | OPS_PAGES;
	if (op->proc != OP_NOTHING)
		same_views(w, op, op->proc, detail);
	if (w->steps % w->check_every == 0 && !w->wrong[0])
		check_point(w, op);
}

/* ---------------------------------------------------------------- the machines */

/* Today's Linux is what the others are held against. */
static bool make_machines(struct world *w, const struct ops_machine *machine)
{
	struct runner_options options = { .check = true,
					  .alone = true,
					  .release = machine->release };
	char err[OPS_ERR_SIZE] = "";

	for (int others = 0; others < 2; others++)
		for (uint32_t i = 0; rmap_designs[i]; i++) {
			const char *name = rmap_design_name(rmap_designs[i]);
			struct machine *m = &w->machine[w->nr];

			if (w->options->design ? others || strcmp(name, w->options->design) != 0
					       : (strcmp(name, "anon_vma_chain") != 0) != others)
				continue;
			if (machine->no_anonmm && !strcmp(name, "anonmm") && !w->options->design)
				continue;
			m->layer = ops_layer_new(rmap_designs[i]);
			if (!m->layer) {
				wrong(w, NULL, "this computer's memory is used up");
				return false;
			}
			options.ops = ops_layer_design(m->layer);
			/* A walk of its reads every table there is, and a check walks from every page. */
			options.check_every =
				w->check_every * (strcmp(name, "scan") ? 1 : SCAN_RARELY);
			m->name = name;
			if (runner_create(&options, ops_decoder_source(w->decoder), &m->runner,
					  err)) {
				free(m->layer);
				wrong(w, NULL, "%s", err);
				return false;
			}
			w->nr++;
		}
	return true;
}

static void end_machines(struct world *w)
{
	for (uint32_t i = 0; i < w->nr; i++) {
		struct machine *m = &w->machine[i];
		char err[OPS_ERR_SIZE] = "";

		if (!w->wrong[0] && runner_finish(m->runner, err) != RUNNER_OK)
			wrong(w, NULL, "under %s: %s", m->name, err);
		w->stats->operations += m->runner->ops;
		w->stats->checks += m->runner->checks;
		w->stats->walked += m->runner->check_walked;
		/* Of a machine that broke nobody expects an orderly end; the process will not live long. */
		if (!w->wrong[0]) {
			runner_destroy(m->runner);
			free(m->layer);
		}
		ops_view_free(&m->view);
	}
}

/* Short sequences can be looked at closely. */
static uint32_t check_interval(const struct ops_options *options, size_t size)
{
	size_t records = size / OPS_RECORD;

	if (options->check_every)
		return options->check_every;
	return records < 16 ? 1 : records < 128 ? 8 : 64;
}

static void print_head(const struct ops_options *options, const struct ops_machine *m)
{
	if (!options->print)
		return;
	fprintf(options->print, "config frames=%llu swap=%llu", (unsigned long long)m->frames,
		(unsigned long long)m->swap_slots);
	if (m->fault_around)
		fprintf(options->print, " fault_around=%u", m->fault_around);
	if (m->max_map_count)
		fprintf(options->print, " max_map_count=%u", m->max_map_count);
	fprintf(options->print, " overcommit=%s\n",
		m->overcommit == MM_OVERCOMMIT_ALWAYS ? "always" : "guess");
	if (m->release)
		fprintf(options->print, "# run with --kernel %u.%u\n", m->release >> 8,
			m->release & 255);
}

void ops_run(const uint8_t *data, size_t size, const struct ops_options *options,
	     struct ops_stats *stats, char wrong_out[OPS_ERR_SIZE])
{
	struct world w = { .options = options, .stats = stats, .wrong = wrong_out };
	struct ops_machine machine;
	struct op op;

	wrong_out[0] = '\0';
	ops_machine(data, size, &machine);
	w.check_every = check_interval(options, size);
	w.decoder = ops_decoder_new(&machine, data, size);
	if (!w.decoder) {
		snprintf(wrong_out, OPS_ERR_SIZE, "this computer's memory is used up");
		return;
	}
	print_head(options, &machine);
	if (make_machines(&w, &machine)) {
		ops_decoder_watch(w.decoder, w.machine[0].runner);
		while (!wrong_out[0] && !w.cut && ops_decode(w.decoder, &op))
			step(&w, &op);
		stats->sequences++;
		stats->steps += w.steps;
		stats->cut += w.cut;
	}
	end_machines(&w);
	ops_decoder_free(w.decoder);
}
