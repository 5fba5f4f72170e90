// SPDX-License-Identifier: BSD-2-Clause
/*
 * Fuzz target: sequences of operations under all designs at once (fuzz_ops.h). Under libFuzzer coverage leads, and edits are of whole
 * operations; `make fuzz-long` runs random sequences by the million without it.
 */
#include "fuzz_ops.h"

#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned int seed);
size_t LLVMFuzzerCustomCrossOver(const uint8_t *a, size_t a_size, const uint8_t *b, size_t b_size,
				 uint8_t *out, size_t max, unsigned int seed);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct ops_options options = { 0 };
	struct ops_stats stats = { 0 };
	char wrong[OPS_ERR_SIZE];

	ops_run(data, size, &options, &stats, wrong);
	if (wrong[0]) {
		fprintf(stderr, "%s\n", wrong);
		abort();
	}
	return 0;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned int seed)
{
	return ops_mutate(data, size, max, seed);
}

size_t LLVMFuzzerCustomCrossOver(const uint8_t *a, size_t a_size, const uint8_t *b, size_t b_size,
				 uint8_t *out, size_t max, unsigned int seed)
{
	return ops_cross(a, a_size, b, b_size, out, max, seed);
}
