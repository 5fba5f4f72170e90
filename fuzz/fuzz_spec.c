// SPDX-License-Identifier: BSD-2-Clause
/*
 * Fuzz target: what stands on a command line where a workload is asked for, NAME:key=value,…, and the sizes in it. Refused with a
 * sentence, or a generator whose operations all name processes, files and marks that exist in numbers a machine can hold.
 */
#include "ops.h"

#include <stdlib.h>
#include <string.h>

#define MAX_OPS 200u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A size is refused, or comes back. */
static void sizes(const char *text)
{
	uint64_t n = 0;

	if (!ops_parse_size(text, &n) && !strpbrk(text, "0123456789"))
		abort();
}

static void draw(struct op_source *source)
{
	char err[OPS_ERR_SIZE] = "", name[80];
	struct op op;

	for (unsigned int i = 0; i < MAX_OPS && source->next(source, &op, err) == 1; i++) {
		if (op.kind == OP_NONE || op.kind >= OP_KINDS)
			abort();
		source->proc_name(source, op.proc, name, sizeof(name));
	}
	if (err[0])
		abort(); /* a generator has nothing that could be damaged */
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char err[OPS_ERR_SIZE] = "";
	char *text = malloc(size + 1);
	struct op_source *source;

	if (!text)
		return 0;
	if (size)
		memcpy(text, data, size);
	text[size] = '\0';
	sizes(text);
	if (generator_open(text, &source, err)) {
		if (!err[0])
			abort(); /* a refusal without a sentence */
	} else {
		draw(source);
		source->close(source);
	}
	free(text);
	return 0;
}
