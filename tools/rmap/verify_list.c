// SPDX-License-Identifier: BSD-2-Clause
/*
 * Lists of operations: kept, carried out again, written down.
 */
#include "verify_list.h"

#include <stdlib.h>
#include <string.h>

/* ---------------------------------------------------------------- keeping */

static bool make_room(struct op_list *list, size_t nr)
{
	size_t room = list->room ? list->room : 256;
	struct op *ops;

	while (room < nr)
		room *= 2;
	if (room == list->room)
		return true;
	ops = realloc(list->ops, room * sizeof(*ops));
	if (!ops)
		return false;
	list->ops = ops;
	list->room = room;
	return true;
}

bool op_list_add(struct op_list *list, const struct op *op)
{
	if (!make_room(list, list->nr + 1))
		return false;
	list->ops[list->nr++] = *op;
	return true;
}

bool op_list_copy(struct op_list *to, const struct op_list *from)
{
	if (!make_room(to, from->nr + 1))
		return false;
	to->nr = from->nr;
	if (from->nr)
		memcpy(to->ops, from->ops, from->nr * sizeof(*from->ops));
	return true;
}

void op_list_remove(struct op_list *list, size_t first, size_t nr)
{
	memmove(list->ops + first, list->ops + first + nr,
		(list->nr - first - nr) * sizeof(*list->ops));
	list->nr -= nr;
}

void op_list_free(struct op_list *list)
{
	free(list->ops);
	memset(list, 0, sizeof(*list));
}

/* ---------------------------------------------------------------- carrying out */

static const char *proc_name(struct op_source *source, uint64_t proc, char *buf, size_t size)
{
	(void)source;
	snprintf(buf, size, "p%llu", (unsigned long long)proc);
	return buf;
}

static const char *file_name(struct op_source *source, uint32_t file, char *buf, size_t size)
{
	(void)source;
	snprintf(buf, size, "f%u", file);
	return buf;
}

void op_list_source(struct op_source *source, bool swap)
{
	memset(source, 0, sizeof(*source));
	source->name = "random";
	source->kind = "generator";
	source->proc_name = proc_name;
	source->file_name = file_name;
	source->config.frames = 16384;
	source->config.swap_slots = swap ? 16384 : 0;
	source->config.has_swap = true;
	source->config.needs_contents = true;
}

#define FILES 4096u
#define PINS  65536u

/* Which files are open, which pins held: the runner would end the run at one that is not. */
struct open_files {
	bool open[FILES], held[PINS];
};

static bool applies(struct runner *r, const struct open_files *files, const struct op *op)
{
	uint64_t addr;

	if (op->file >= FILES || (op->kind != OP_FILE && op->file && !files->open[op->file]) ||
	    (op->kind == OP_FILE && files->open[op->file]))
		return false;
	if (op->kind >= OP_PIN && op->kind <= OP_UNPIN &&
	    (op->pin >= PINS || files->held[op->pin] != (op->kind != OP_PIN)))
		return false;
	if (op->kind == OP_NEW)
		return !runner_mm(r, op->proc);
	if (op->proc && !runner_mm(r, op->proc))
		return false;
	if ((op->kind == OP_FORK || op->kind == OP_SHARE) && runner_mm(r, op->target))
		return false;
	return !runner_resolve(r, &op->addr, &addr) && !runner_resolve(r, &op->new_addr, &addr);
}

static void run_in(struct verify_session *s, const struct op_list *list, struct list_run *run)
{
	struct open_files *files = calloc(1, sizeof(*files));

	run->result = files ? VERIFY_AGREE : VERIFY_BAD;
	for (run->at = 0; run->at < list->nr && run->result == VERIFY_AGREE; run->at++) {
		const struct op *op = &list->ops[run->at];
		bool skip = !applies(verify_runner(s), files, op);

		if (run->skipped)
			run->skipped[run->at] = skip;
		if (skip)
			continue;
		run->result = verify_step(s, op);
		if (run->errors)
			run->errors[run->at] = verify_last_error(s);
		if (op->kind == OP_FILE || op->kind == OP_FILE_CLOSE)
			files->open[op->file] = op->kind == OP_FILE;
		if (op->kind == OP_PIN || op->kind == OP_UNPIN)
			files->held[op->pin] = op->kind == OP_PIN && !verify_last_error(s);
		if (run->result != VERIFY_AGREE)
			break;
	}
	if (run->result == VERIFY_AGREE)
		run->result = verify_finish(s);
	run->difference = *verify_difference(s);
	free(files);
}

void op_list_run(const struct op_list *list, const struct verify_options *options,
		 struct list_run *run)
{
	struct verify_session *s;
	struct op_source source;
	bool unable;

	op_list_source(&source, options->swap);
	memset(&run->difference, 0, sizeof(run->difference));
	run->at = 0;
	run->result = VERIFY_BAD;
	if (verify_session_new(options, &source, &s, &unable, run->difference.what)) {
		run->result = unable ? VERIFY_UNABLE : VERIFY_BAD;
		return;
	}
	run_in(s, list, run);
	verify_session_free(s);
}

/* ---------------------------------------------------------------- writing */

static bool is_access(enum op_kind kind)
{
	return kind == OP_READ || kind == OP_WRITE || kind == OP_FETCH;
}

/* What both sides came to is what must come of it. */
static void expect(struct op *op, int error)
{
	static const struct {
		int error;
		enum op_signal signal;
	} signals[] = {
		{ RMAP_EFAULT, OP_SEGV_MAPERR },
		{ RMAP_EACCES, OP_SEGV_ACCERR },
		{ RMAP_EIO, OP_SIGBUS },
	};

	op->outcome = OP_MUST_SUCCEED;
	if (!error)
		return;
	op->outcome = OP_MUST_FAIL;
	op->error = error;
	if (!is_access(op->kind))
		return;
	op->outcome = OP_MAY_FAIL;
	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		if (signals[i].error == error) {
			op->outcome = OP_MUST_SIGNAL;
			op->error = (int)signals[i].signal;
		}
}

bool op_list_write(const struct op_list *list, const struct list_run *run, bool swap,
		   const char *head, FILE *out)
{
	struct op_source source;
	char line[1024];

	op_list_source(&source, swap);
	for (const char *at = head; *at;) {
		size_t len = strcspn(at, "\n");

		fprintf(out, "#%s%.*s\n", len ? " " : "", (int)len, at);
		at += len + (at[len] == '\n');
	}
	fprintf(out, "config frames=%llu swap=%llu\n\n", (unsigned long long)source.config.frames,
		(unsigned long long)source.config.swap_slots);
	for (size_t i = 0; i < list->nr && i <= run->at; i++) {
		struct op op = list->ops[i];

		if (run->skipped[i])
			continue;
		if (i < run->at)
			expect(&op, run->errors[i]);
		else
			op.outcome = OP_MAY_FAIL;
		/* Who knows errors by their names knows which; a few have none. */
		if (op.outcome == OP_MUST_FAIL && !strcmp(rmap_error_name(op.error), "E?"))
			op.outcome = OP_MAY_FAIL;
		fprintf(out, "%s\n", op_write(&op, &source, line, sizeof(line)));
	}
	return !fflush(out) && !ferror(out);
}
