// SPDX-License-Identifier: BSD-2-Clause
/*
 * Fuzz target: a hostile workload file. It is parsed, and what it says is carried out on a small machine with the checker
 * on: whatever the file says, the answer is a sentence, and the machine is sound, and empty at the end.
 */
#include "ops.h"
#include "runner.h"

#include <stdlib.h>

#define MAX_OPS	  400u
#define MAX_PAGES 512u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What goes through pages one by one may be as long as it likes, but not here. */
static bool too_long(const struct op *op)
{
	uint64_t pages = op->len >> RMAP_PAGE_SHIFT;

	switch (op->kind) {
	case OP_READ:
	case OP_WRITE:
	case OP_FETCH:
	case OP_FILE_READ:
	case OP_FILE_WRITE:
	case OP_MIGRATE:
	case OP_MINCORE:
	case OP_EXPECT_CONTENT:
	case OP_RECLAIM:
		return pages > MAX_PAGES;
	case OP_MADVISE:
		return op->flags == MM_MADV_REMOVE && pages > MAX_PAGES;
	case OP_EXEC:
		return pages > MAX_PAGES;
	default:
		return false;
	}
}

static void carry_out(struct op_source *source)
{
	struct runner_options options = {
		.seed = 1, .check = true, .check_every = 16, .verify = true
	};
	char err[OPS_ERR_SIZE] = "";
	struct runner *r;
	struct op op;
	int more = 0;

	source->config.frames = 256;
	source->config.swap_slots = 64;
	source->config.has_swap = true;
	source->config.watermark_min = 0;
	if (runner_create(&options, source, &r, err))
		return;
	for (unsigned int i = 0; i < MAX_OPS; i++) {
		more = source->next(source, &op, err);
		if (more <= 0)
			break;
		if (!too_long(&op) && runner_step(r, &op, err) != RUNNER_OK)
			break;
	}
	runner_finish(r, err);
	if (more < 0 && !err[0])
		abort(); /* a failure without a sentence */
	runner_destroy(r);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char err[OPS_ERR_SIZE] = "";
	struct op_source *source;

	if (lang_open_text("fuzz", (const char *)data, size, &source, err)) {
		if (!err[0])
			abort();
		return 0;
	}
	carry_out(source);
	source->close(source);
	return 0;
}
