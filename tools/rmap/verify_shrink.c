// SPDX-License-Identifier: BSD-2-Clause
/*
 * Shrinking by delta debugging (Zeller): leave out a part, and where the rest still differs, forget that part.
 *
 * Parts are halves first, then quarters, down to single operations, again and again until nothing can be left out. Then what is
 * left is made simpler: fewer pages, fewer flags, a parent in place of its child. Each candidate runs in a session of its own,
 * so nothing of one is seen by the next. A candidate must differ in the same way, as far as the sentence says so: numbers and
 * names aside.
 */
#include "verify_shrink.h"

#include "words.h"

#include <stdlib.h>
#include <string.h>

struct shrink {
	const struct shrink_options *options;
	struct verify_options verify;
	struct op_list *list; /* the best so far */
	struct op_list trial;
	uint64_t start, last_shown;
	struct shrink_result *result;
	char kind[OPS_ERR_SIZE]; /* of the difference */
};

/* What it says without words that have digits. */
static void kind_of(const struct verify_difference *d, char kind[OPS_ERR_SIZE])
{
	size_t used = 0;

	for (const char *at = d->what; *at;) {
		size_t blank = strspn(at, " "), len = strcspn(at + blank, " ");

		if (strcspn(at + blank, "0123456789") >= len && used + len + 2 < OPS_ERR_SIZE) {
			memcpy(kind + used, at + blank, len);
			kind[used + len] = ' ';
			used += len + 1;
		}
		at += blank + len;
	}
	kind[used] = '\0';
}

static bool same_kind(struct shrink *s, const struct verify_difference *d)
{
	char kind[OPS_ERR_SIZE];

	kind_of(d, kind);
	if (!s->kind[0])
		memcpy(s->kind, kind, sizeof(kind));
	return !strcmp(s->kind, kind);
}

static uint64_t limit_ns(const struct shrink *s)
{
	return (s->options->seconds ? s->options->seconds : SHRINK_SECONDS) * 1000000000u;
}

static bool enough(const struct shrink *s)
{
	return runner_now() - s->start > limit_ns(s) || (s->options->stop && *s->options->stop);
}

static void show(struct shrink *s)
{
	uint64_t now = runner_now();

	if (!s->options->progress || now - s->last_shown < 100000000u)
		return;
	s->last_shown = now;
	words_progress(stderr, "shrinking: %zu operations of %zu left after %llu runs", s->list->nr,
		       s->result->before, (unsigned long long)s->result->runs);
}

/* Does the trial differ? Then it is the best so far, without what comes behind the difference. */
static bool better(struct shrink *s)
{
	struct list_run run = { .errors = NULL };
	struct op_list swap;

	show(s);
	s->result->runs++;
	op_list_run(&s->trial, &s->verify, &run);
	if ((run.result != VERIFY_DIFFER && run.result != VERIFY_FAILED) ||
	    !same_kind(s, &run.difference))
		return false;
	swap = *s->list;
	*s->list = s->trial;
	s->trial = swap;
	if (run.at < s->list->nr)
		s->list->nr = run.at + 1;
	return true;
}

static bool without(struct shrink *s, size_t first, size_t nr)
{
	if (!op_list_copy(&s->trial, s->list))
		return false;
	op_list_remove(&s->trial, first, nr);
	return better(s);
}

/* ---------------------------------------------------------------- leaving out */

/* One pass with parts of this size, from the end: what comes last depends on most. True: something was left out. */
static bool drop_parts(struct shrink *s, size_t size)
{
	bool any = false;
	size_t end = s->list->nr;

	while (end && !enough(s)) {
		size_t first = end > size ? end - size : 0;

		any |= without(s, first, end - first);
		end = first < s->list->nr ? first : s->list->nr;
	}
	return any;
}

static void drop(struct shrink *s)
{
	size_t size = s->list->nr / 2;

	while (size && !enough(s)) {
		bool any = drop_parts(s, size);

		if (size == 1 && !any)
			break;
		if (!any || size > s->list->nr)
			size = size > 1 && size / 2 < s->list->nr ? size / 2 : s->list->nr / 2;
		if (!size && s->list->nr > 1)
			size = 1;
	}
}

/* ---------------------------------------------------------------- making simpler */

/* The list with this in place of operation i. */
static bool instead(struct shrink *s, size_t i, const struct op *op)
{
	if (enough(s) || !op_list_copy(&s->trial, s->list))
		return false;
	s->trial.ops[i] = *op;
	return better(s);
}

static bool fewer_pages(struct shrink *s, size_t i)
{
	bool any = false;

	for (int field = 0; field < 2; field++) {
		uint64_t least = RMAP_PAGE_SIZE;

		while (i < s->list->nr && !enough(s)) {
			struct op op = s->list->ops[i];
			uint64_t *len = field ? &op.new_len : &op.len, old = *len;

			if (op.kind == OP_FILE || (op.kind == OP_BRK && field) || old <= least)
				break;
			/* A page, else half, else a page less. */
			*len = least;
			if (instead(s, i, &op)) {
				any = true;
				break;
			}
			*len = old / 2 & RMAP_PAGE_MASK;
			if (*len > least && instead(s, i, &op)) {
				any = true;
				continue;
			}
			*len = (old - 1) & RMAP_PAGE_MASK;
			if (!*len || *len == old / 2 || !instead(s, i, &op))
				break;
			any = true;
		}
	}
	return any;
}

static bool fewer_flags(struct shrink *s, size_t i)
{
	bool any = false;

	for (uint32_t bit = 1; bit && i < s->list->nr; bit <<= 1) {
		struct op op = s->list->ops[i];

		/* Numbers and types are no flags. */
		if (op.kind == OP_MADVISE || op.kind == OP_LIMIT || op.kind == OP_FILE ||
		    !(op.flags & bit) || (op.kind == OP_MMAP && bit <= MM_MAP_PRIVATE))
			continue;
		op.flags &= ~bit;
		if (op.kind == OP_MMAP && bit == MM_MAP_ANONYMOUS)
			continue;
		any |= instead(s, i, &op);
	}
	return any;
}

/* Plain memory in place of a file, read and write in place of anything else, no offset. */
static bool plainer(struct shrink *s, size_t i)
{
	struct op op = s->list->ops[i];
	bool any = false;

	if (op.kind == OP_MMAP && op.file) {
		op.file = 0;
		op.offset = 0;
		op.flags |= MM_MAP_ANONYMOUS;
		any |= instead(s, i, &op);
	}
	if (i >= s->list->nr)
		return any;
	op = s->list->ops[i];
	if (op.kind == OP_MMAP && op.offset) {
		op.offset = 0;
		any |= instead(s, i, &op);
	}
	if (i >= s->list->nr)
		return any;
	op = s->list->ops[i];
	if (op.kind == OP_MMAP && op.prot != (MM_PROT_READ | MM_PROT_WRITE)) {
		op.prot = MM_PROT_READ | MM_PROT_WRITE;
		any |= instead(s, i, &op);
	}
	return any;
}

/* Without the child that operation i forks: its parent does what it did. */
static bool without_child(struct shrink *s, size_t i)
{
	struct op fork = s->list->ops[i];

	if ((fork.kind != OP_FORK && fork.kind != OP_SHARE) || enough(s) ||
	    !op_list_copy(&s->trial, s->list))
		return false;
	for (size_t j = 0; j < s->trial.nr; j++)
		if (s->trial.ops[j].proc == fork.target) {
			s->trial.ops[j].proc = fork.proc;
			if (s->trial.ops[j].kind == OP_EXIT)
				s->trial.ops[j].kind = OP_NONE;
		}
	s->trial.ops[i].kind = OP_NONE;
	for (size_t j = s->trial.nr; j-- > 0;)
		if (s->trial.ops[j].kind == OP_NONE)
			op_list_remove(&s->trial, j, 1);
	return better(s);
}

static bool simplify(struct shrink *s)
{
	bool any = false;

	for (size_t i = 0; i < s->list->nr && !enough(s); i++)
		any |= without_child(s, i);
	for (size_t i = 0; i < s->list->nr && !enough(s); i++) {
		any |= fewer_pages(s, i);
		if (i < s->list->nr)
			any |= fewer_flags(s, i);
		if (i < s->list->nr)
			any |= plainer(s, i);
	}
	return any;
}

/* ---------------------------------------------------------------- all of it */

/* The list as it is, once more, with what each operation came to. */
static int last_run(struct shrink *s, struct list_run *run)
{
	run->errors = calloc(s->list->nr + 1, sizeof(*run->errors));
	run->skipped = calloc(s->list->nr + 1, sizeof(*run->skipped));
	if (run->errors && run->skipped) {
		op_list_run(s->list, &s->verify, run);
		if (run->result == VERIFY_DIFFER || run->result == VERIFY_FAILED)
			return 0;
	}
	return -1;
}

int op_list_shrink(struct op_list *list, const struct shrink_options *options,
		   struct shrink_result *result, struct list_run *run)
{
	struct shrink s = {
		.options = options,
		.verify = *options->verify,
		.list = list,
		.start = runner_now(),
		.result = result,
	};
	int ret = -1;

	memset(result, 0, sizeof(*result));
	memset(run, 0, sizeof(*run));
	result->before = list->nr;
	/* What no step shows the end does. */
	s.verify.full_every = UINT64_MAX;
	if (!op_list_copy(&s.trial, list))
		return -1;
	if (!better(&s)) {
		/* Perhaps only because it was seen in passing. */
		s.verify = *options->verify;
		if (!op_list_copy(&s.trial, list) || !better(&s))
			goto out;
	}
	do
		drop(&s);
	while (simplify(&s) && !enough(&s));
	ret = last_run(&s, run);
out:
	result->after = list->nr;
	result->seconds = (double)(runner_now() - s.start) / 1e9;
	if (options->progress)
		words_progress_over(stderr);
	op_list_free(&s.trial);
	return ret;
}
