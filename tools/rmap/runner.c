// SPDX-License-Identifier: BSD-2-Clause
/*
 * One operation after the other: who carries it out, how long it took, when to check, and what a failure is called.
 *
 * Checks are dear, so --check rations them: one at the end of each phase and, in between, as many as keep to half of the
 * run's time; where walks are so dear that a check would last for seconds, it walks from a sample of the pages. --check=N leaves
 * no choice: after every N operations that change something, at any price, from every page, with a look into the TLBs each time.
 */
#include "runner_int.h"

#include "design_list.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* Looked at in one go at the end of a phase. */
#define PEEK_LIMIT   20000u

/* PTE slots that one check's walks read before they are enough, about 2 seconds of them. */
#define CHECK_LOOKS  ((uint64_t)1 << 30)

/* How many frames are in use is asked once in so many operations, and at the ends of phases. */
#define SAMPLE_EVERY 64u

uint64_t runner_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* ---------------------------------------------------------------- sentences */

static void say(struct runner *r, const char *format, va_list args)
{
	int n = 0;

	if (r->op && r->op->line)
		n = snprintf(r->err, OPS_ERR_SIZE, "%s:%u: ", r->source->name, r->op->line);
	else if (r->op)
		n = snprintf(r->err, OPS_ERR_SIZE, "%s: operation %llu (%s): ", r->source->name,
			     (unsigned long long)r->ops, op_kind_name(r->op->kind));
	else
		n = snprintf(r->err, OPS_ERR_SIZE, "%s: at the end: ", r->source->name);
	if (n >= 0 && n < OPS_ERR_SIZE)
		vsnprintf(r->err + n, (size_t)(OPS_ERR_SIZE - n), format, args);
}

static enum runner_result misfit_or(struct runner *r, enum runner_result result)
{
	if (!r->source->tolerant)
		return result;
	if (!r->misfits++)
		memcpy(r->first_misfit, r->err, sizeof(r->first_misfit));
	return RUNNER_OK;
}

enum runner_result runner_failed(struct runner *r, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	say(r, format, args);
	va_end(args);
	return misfit_or(r, RUNNER_FAILED);
}

enum runner_result runner_bad(struct runner *r, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	say(r, format, args);
	va_end(args);
	return misfit_or(r, RUNNER_BAD);
}

enum runner_result runner_broken(struct runner *r, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	say(r, format, args);
	va_end(args);
	return RUNNER_FAILED;
}

enum runner_result runner_no_memory(struct runner *r)
{
	snprintf(r->err, OPS_ERR_SIZE, "%s: this computer's memory is used up", r->source->name);
	return RUNNER_BAD;
}

/* ---------------------------------------------------------------- making */

/* A quarter of this computer's memory, but no more than 1 GiB, in frames. */
static uint64_t default_frames(void)
{
	long pages = sysconf(_SC_PHYS_PAGES);
	uint64_t quarter = pages > 0 ? (uint64_t)pages / 4 : 65536;
	uint64_t most = ((uint64_t)1 << 30) >> RMAP_PAGE_SHIFT;

	return quarter < most ? quarter : most;
}

/* Whoever gives a workload less memory than it wants, wants it to swap: there is room for all of it. */
static uint64_t default_swap(const struct runner *r)
{
	uint64_t slots = r->source->config.frames;

	if (!slots && strcmp(r->source->kind, "workload") != 0)
		slots = default_frames();
	return slots > r->frames ? slots : r->frames;
}

static void choose_size(struct runner *r)
{
	const struct op_config *want = &r->source->config;

	r->frames = r->options.frames ? r->options.frames : want->frames;
	/* A workload that does not say is small: 64 MiB, so that a check after each step costs little. */
	if (!r->frames)
		r->frames = strcmp(r->source->kind, "workload") ? default_frames() : 16384;
	if (r->options.has_swap)
		r->swap_slots = r->options.swap_slots;
	else if (want->has_swap)
		r->swap_slots = want->swap_slots;
	else
		r->swap_slots = default_swap(r);
}

static enum runner_result take_snapshot(struct runner *r)
{
	for (unsigned int c = 0; c < counter_number(); c++)
		r->snapshot[c] = counter_value(r, c);
	return RUNNER_OK;
}

static void release(struct runner *r)
{
	free(r->page);
	free(r->page2);
	free(r->snapshot);
	free(r->marks);
	free(r->mark_set);
	free(r);
}

int runner_create(const struct runner_options *options, struct op_source *source,
		  struct runner **out, char err[OPS_ERR_SIZE])
{
	struct runner *r;
	char error[HOSTED_ERROR] = "";

	if (options->design && !design_named(options->design, err, OPS_ERR_SIZE))
		return -1;
	if (options->phantom && source->config.needs_contents) {
		snprintf(err, OPS_ERR_SIZE, "%s: needs contents, which phantom frames have not",
			 source->name);
		return -1;
	}
	r = calloc(1, sizeof(*r));
	snprintf(err, OPS_ERR_SIZE, "out of memory");
	if (!r)
		return -1;
	r->source = source;
	r->options = *options;
	r->phantom = options->phantom;
	r->sweep_files_at = 1024;
	r->page = malloc(RMAP_PAGE_SIZE);
	r->page2 = malloc(RMAP_PAGE_SIZE);
	r->snapshot = calloc(counter_number(), sizeof(*r->snapshot));
	if (!r->page || !r->page2 || !r->snapshot) {
		release(r);
		return -1;
	}
	choose_size(r);
	if (runner_machine_up(r, error)) {
		snprintf(err, OPS_ERR_SIZE, "%s", error);
		release(r);
		return -1;
	}
	r->start_ns = r->phase_start_ns = runner_now();
	*out = r;
	err[0] = '\0';
	return 0;
}

void runner_destroy(struct runner *r)
{
	if (r->sys)
		runner_unpin_all(r);
	while (r->procs)
		runner_remove(r, r->procs);
	runner_files_down(r);
	runner_machine_down(r);
	release(r);
}

/* ---------------------------------------------------------------- checks */

/* full: from every page, at any price */
static enum runner_result check(struct runner *r, bool tlb, bool full)
{
	struct mm_check c = {
		/* another sample each time */
		.seed = r->options.seed + r->checks,
		.max_looks = full ? 0 : CHECK_LOOKS,
	};
	uint64_t start = runner_now();
	char error[HOSTED_ERROR];
	enum runner_result ret = RUNNER_OK;
	int bad = mm_check(r->sys, &c);

	if (bad == RMAP_ENOMEM)
		return runner_no_memory(r);
	r->checks++;
	r->check_pages += c.pages;
	r->check_ptes += c.ptes;
	r->check_walked += c.walked;
	if (bad)
		ret = runner_broken(r, "the check found: %s", c.message);
	else if (tlb && hosted_tlb_check(r->hosted, error))
		ret = runner_broken(r, "the check found: %s", error);
	r->last_check_ns = runner_now() - start;
	r->check_ns += r->last_check_ns;
	return ret;
}

static bool check_is_affordable(const struct runner *r)
{
	uint64_t elapsed = runner_now() - r->start_ns;

	/* The next one will cost about what the last one did. */
	return (r->check_ns + r->last_check_ns) * 2 <= elapsed + r->last_check_ns;
}

static enum runner_result end_of_phase(struct runner *r, bool last)
{
	enum runner_result ret = RUNNER_OK;
	uint64_t start;

	if (r->options.check && (last || r->options.check_every || check_is_affordable(r)))
		ret = check(r, true, r->options.check_every != 0);
	if (ret != RUNNER_OK)
		return ret;
	start = runner_now();
	ret = runner_peek(r, last ? 0 : PEEK_LIMIT);
	if (ret == RUNNER_OK && r->options.verify)
		ret = runner_verify(r);
	if (ret == RUNNER_OK && last) {
		/* What was written through a pin is dirty when the pin is given back. */
		runner_unpin_all(r);
		ret = runner_files_written(r);
	}
	r->verify_ns += runner_now() - start;
	return ret;
}

static void sample_memory(struct runner *r)
{
	struct mm_memory memory;

	if (!r->sys)
		return;
	mm_get_memory(r->sys, &memory);
	if (memory.frames - memory.free > r->peak_used)
		r->peak_used = memory.frames - memory.free;
}

static void note_phase(struct runner *r)
{
	uint64_t now = runner_now();

	sample_memory(r);
	if (r->nr_phases) {
		struct phase_time *phase = &r->phases[r->nr_phases - 1];

		phase->ns += now - r->phase_start_ns;
		phase->ops += r->ops - r->phase_ops;
	}
	r->phase_start_ns = now;
	r->phase_ops = r->ops;
}

static enum runner_result do_phase(struct runner *r, const struct op *op)
{
	enum runner_result ret = RUNNER_OK;

	note_phase(r);
	if (r->ops > 1)
		ret = end_of_phase(r, false);
	r->phase_start_ns = runner_now();
	/* More phases than there is room for count with the last. */
	if (r->nr_phases < RUNNER_PHASES)
		snprintf(r->phases[r->nr_phases++].name, sizeof(r->phases[0].name), "%s",
			 op->text ? op->text : "");
	return ret;
}

enum runner_result runner_finish(struct runner *r, char err[OPS_ERR_SIZE])
{
	enum runner_result ret;

	if (r->result != RUNNER_OK)
		return r->result;
	r->err = err;
	r->op = NULL;
	note_phase(r);
	ret = end_of_phase(r, true);
	r->result = ret;
	r->end_ns = runner_now();
	return ret;
}

/* ---------------------------------------------------------------- the machine's operations */

static enum runner_result do_fail(struct runner *r, const struct op *op)
{
	static const enum testport_event events[OP_FAIL_POINTS] = {
		[OP_FAIL_ALLOC] = TESTPORT_ALLOC,
		[OP_FAIL_SWAP_WRITE] = TESTPORT_SWAP_WRITE,
		[OP_FAIL_SWAP_READ] = TESTPORT_SWAP_READ,
		[OP_FAIL_FILE_WRITE] = TESTPORT_FILE_WRITE,
		[OP_FAIL_FILE_READ] = TESTPORT_FILE_READ,
	};

	if (!r->testport)
		return runner_bad(r, "this source did not say that things are to fail");
	if (op->flags >= OP_FAIL_POINTS || !op->value)
		return runner_bad(r, "events are counted from 1");
	testport_fail(r->testport, events[op->flags], op->value, TESTPORT_ONCE);
	return RUNNER_OK;
}

/* What was written to a file's page is lost with it: the file has what stands in its store, whatever was synced last. */
static enum runner_result do_poison(struct runner *r, struct process *proc, uint64_t addr)
{
	struct space *space = proc->space;
	const struct layout_vma *vma = space->maps_files ? space_vma(space, addr) : NULL;
	struct rfile *f = vma && vma->file ? rfile_of(r, vma->file) : NULL;
	struct mm_page_info before, after;
	int error;

	mm_page_info(space->mm, addr, &before);
	error = mm_poison(space->mm, addr);
	mm_page_info(space->mm, addr, &after);
	if (f && f->handle && !error && !before.anon && after.state == MM_PAGE_POISONED &&
	    !rfile_punched(r, f, vma->offset + (addr - vma->start), RMAP_PAGE_SIZE, false))
		return runner_no_memory(r);
	return runner_outcome(r, error, "");
}

static enum runner_result do_migrate(struct runner *r, const struct op *op)
{
	enum runner_result ret;
	struct process *proc = runner_need(r, op->proc, &ret);
	uint64_t addr;
	int error;

	if (!proc)
		return ret;
	ret = runner_place(r, &op->addr, &addr);
	if (ret != RUNNER_OK)
		return ret;
	if (op->len > RUNNER_MAX_RANGE)
		return runner_bad(r, "more than %llu pages are to be migrated",
				  (unsigned long long)(RUNNER_MAX_RANGE >> RMAP_PAGE_SHIFT));
	if (op->kind == OP_POISON)
		return do_poison(r, proc, addr);
	for (uint64_t at = 0; ret == RUNNER_OK && (!at || at < op->len); at += RMAP_PAGE_SIZE) {
		error = mm_migrate(proc->space->mm, addr + at);
		/* In a range, places without a page are passed by. */
		if (error == RMAP_ENOENT && op->len > RMAP_PAGE_SIZE)
			continue;
		ret = runner_outcome(r, error, "");
	}
	return ret;
}

static enum runner_result switch_swap(struct runner *r, bool off)
{
	int error = off ? mm_swapoff(r->sys) : mm_swapon(r->sys);

	if (!error)
		r->swap_off = off;
	return runner_outcome(r, error, "");
}

static enum runner_result machine_op(struct runner *r, const struct op *op)
{
	switch (op->kind) {
	case OP_RECLAIM:
		r->times[op->kind].units += mm_reclaim(r->sys, op->len);
		return RUNNER_OK;
	case OP_BALANCE:
		mm_balance(r->sys);
		return RUNNER_OK;
	case OP_SWAPOFF:
	case OP_SWAPON:
		return switch_swap(r, op->kind == OP_SWAPOFF);
	case OP_MIGRATE:
	case OP_POISON:
		return do_migrate(r, op);
	case OP_HIBERNATE:
		return runner_hibernate(r);
	case OP_FAIL:
		return do_fail(r, op);
	case OP_PHASE:
		return do_phase(r, op);
	case OP_CHECK:
		return check(r, true, true);
	case OP_VERIFY:
		return runner_verify(r);
	case OP_SNAPSHOT:
		return take_snapshot(r);
	case OP_FRAME:
		return runner_note_frame(r, op);
	case OP_PROBE:
		return runner_probe(r, op);
	default:
		return runner_bad(r, "%s is no operation", op_kind_name(op->kind));
	}
}

/* ---------------------------------------------------------------- the step */

/* What is freed late may free more. */
static void catch_up(struct runner *r)
{
	const struct rmap_port *os = &hosted_port(r->hosted)->os;

	os->rcu_barrier(os->ctx);
	os->rcu_barrier(os->ctx);
}

static enum runner_result carry_out(struct runner *r, const struct op *op)
{
	if (op->kind >= OP_NEW && op->kind <= OP_CAPS)
		return runner_process_op(r, op);
	if (op->kind >= OP_MMAP && op->kind <= OP_MSYNC)
		return runner_call_op(r, op);
	if (op->kind >= OP_READ && op->kind <= OP_FETCH)
		return runner_access_op(r, op);
	if (op->kind >= OP_PIN && op->kind <= OP_UNPIN)
		return runner_pin_op(r, op);
	if (op->kind >= OP_FILE && op->kind <= OP_FILE_CLOSE)
		return runner_file_op(r, op);
	if (op_is_expectation(op->kind))
		return runner_expect_op(r, op);
	return machine_op(r, op);
}

static bool check_is_due(struct runner *r, const struct op *op)
{
	if (!r->options.check || !op_changes(op->kind))
		return false;
	if (r->options.check_every)
		return ++r->since_check % r->options.check_every == 0;
	return check_is_affordable(r);
}

enum runner_result runner_step(struct runner *r, const struct op *op, char err[OPS_ERR_SIZE])
{
	uint64_t start;
	enum runner_result ret;

	if (r->result != RUNNER_OK)
		return r->result;
	r->err = err;
	r->op = op;
	r->ops++;
	r->last_error = 0;
	r->last_result = r->last_at = 0;
	start = runner_now();
	ret = carry_out(r, op);
	/* What was to fail was to fail in this operation: checks are not meant. */
	if (r->testport && op->kind != OP_FAIL)
		testport_fail_none(r->testport);
	if (r->options.steady && r->hosted)
		catch_up(r);
	if (op->kind < OP_KINDS) {
		r->times[op->kind].count++;
		r->times[op->kind].ns += runner_now() - start;
	}
	if (ret == RUNNER_OK && check_is_due(r, op))
		ret = check(r, r->options.check_every != 0, r->options.check_every != 0);
	if (ret != RUNNER_OK)
		r->end_ns = runner_now();
	r->result = ret;
	if (r->ops % SAMPLE_EVERY == 0)
		sample_memory(r);
	return ret;
}

enum runner_result runner_step_within(struct runner *r, const struct op *op, char err[OPS_ERR_SIZE])
{
	const struct op *outer = r->op;
	char *outer_err = r->err;
	enum runner_result ret;

	r->op = op;
	r->err = err;
	ret = carry_out(r, op);
	r->op = outer;
	r->err = outer_err;
	r->last_error = 0;
	r->last_result = r->last_at = 0;
	return ret;
}

/* ---------------------------------------------------------------- for those who look */

struct mm_system *runner_system(struct runner *r)
{
	return r->sys;
}

struct mm *runner_mm(struct runner *r, uint64_t proc)
{
	struct process *p = runner_find(r, proc);

	return p ? p->space->mm : NULL;
}

void runner_for_each(struct runner *r, void (*visit)(uint64_t proc, struct mm *mm, void *arg),
		     void *arg)
{
	for (struct process *p = r->procs; p; p = p->next)
		visit(p->id, p->space->mm, arg);
}

int runner_resolve(struct runner *r, const struct op_addr *addr, uint64_t *out)
{
	if (!addr->mark) {
		*out = addr->off;
		return 0;
	}
	if (addr->mark >= r->nr_marks || !r->mark_set[addr->mark])
		return -1;
	*out = r->marks[addr->mark] + addr->off;
	return 0;
}

const char *runner_proc_name(struct runner *r, uint64_t proc, char *buf, size_t size)
{
	if (r->source->proc_name)
		return r->source->proc_name(r->source, proc, buf, size);
	snprintf(buf, size, "process %llu", (unsigned long long)proc);
	return buf;
}

uint64_t runner_misfits(const struct runner *r)
{
	return r->misfits;
}

uint64_t runner_operations(const struct runner *r)
{
	return r->ops;
}

uint64_t runner_frames_at_most(const struct runner *r)
{
	return r->peak_used;
}
