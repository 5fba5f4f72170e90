// SPDX-License-Identifier: BSD-2-Clause
/*
 * Fuzz target: the replay of a hostile record. The input is the events of one block, wrapped with right
 * checksums, and carried out on a small machine with the checker on: whatever a record says, the
 * runner must survive it, and the machine must be sound and empty at the end.
 */
#include "replay.h"
#include "rmrec.h"
#include "rmrec_code.h"
#include "runner.h"

#include <stdio.h>
#include <stdlib.h>
#include <xxhash.h>
#include <zstd.h>

#define MAX_OPS 1000u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t pack(uint8_t *to, size_t cap, const void *from, size_t n)
{
	size_t len = ZSTD_compress(to, cap, from, n, 1);

	if (ZSTD_isError(len))
		abort();
	return len;
}

/* A record with three files around the events given: a program, shared memory, an empty file. */
static uint8_t *wrap(const uint8_t *events, size_t n, size_t *size)
{
	static const char meta[] = "\1m\1c\1x"
				   "\1a\x80\x80\x02\1\2"
				   "\7/memfd:\x80\x80\x02\1\3"
				   "\1b\0\1\4";
	size_t cap = ZSTD_compressBound(n) + ZSTD_compressBound(sizeof(meta)) + RMREC_HEADER_SIZE +
		     RMREC_BLOCK_HEAD;
	uint8_t *h = calloc(1, cap), *block;
	size_t meta_len, len;

	if (!h)
		return NULL;
	meta_len = pack(h + RMREC_HEADER_SIZE, cap - RMREC_HEADER_SIZE, meta, sizeof(meta) - 1);
	block = h + RMREC_HEADER_SIZE + meta_len;
	len = pack(block + RMREC_BLOCK_HEAD, ZSTD_compressBound(n), events, n);
	rmrec_le32(block, (uint32_t)n);
	rmrec_le32(block + 4, (uint32_t)len);
	rmrec_le64(block + 8, XXH64(block + RMREC_BLOCK_HEAD, len, 0));

	memcpy(h, RMREC_MAGIC, sizeof(RMREC_MAGIC) - 1);
	rmrec_le32(h + 8, RMREC_VERSION);
	rmrec_le32(h + 12, 4096);
	rmrec_le64(h + 16, 1000);
	rmrec_le32(h + 72, 1000);
	rmrec_le32(h + 76, 3);
	rmrec_le32(h + 80, sizeof(meta) - 1);
	rmrec_le32(h + 84, (uint32_t)meta_len);
	rmrec_le64(h + 88, XXH64(h + RMREC_HEADER_SIZE, meta_len, 0));
	rmrec_le64(h + 96, RMREC_BLOCK_HEAD + len);
	rmrec_le64(h + 120, XXH64(h, 120, 0));
	*size = RMREC_HEADER_SIZE + meta_len + RMREC_BLOCK_HEAD + len;
	return h;
}

static void broken(const char *err)
{
	fprintf(stderr, "%s\n", err);
	abort();
}

static void replay(struct op_source *source)
{
	struct runner_options options = {
		.frames = 128, .swap_slots = 128, .has_swap = true, .check = true, .check_every = 16
	};
	char err[OPS_ERR_SIZE] = "";
	struct runner *r;
	struct op op;

	if (runner_create(&options, source, &r, err))
		broken(err);
	for (unsigned int i = 0; i < MAX_OPS && source->next(source, &op, err) == 1; i++) {
		if (runner_step(r, &op, err) != RUNNER_OK)
			broken(err);
	}
	if (runner_finish(r, err) != RUNNER_OK)
		broken(err);
	runner_destroy(r);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char err[OPS_ERR_SIZE];
	struct op_source *source;
	uint8_t *bytes;
	size_t n;

	if (!size || size > RMREC_BLOCK_SIZE)
		return 0;
	bytes = wrap(data, size, &n);
	if (bytes && !replay_open_mem("fuzz", bytes, n, &source, err)) {
		replay(source);
		source->close(source);
	}
	free(bytes);
	return 0;
}
