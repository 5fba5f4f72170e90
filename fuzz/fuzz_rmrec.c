// SPDX-License-Identifier: BSD-2-Clause
/*
 * Fuzz target: the reader of records. The first byte chooses what the rest is: the whole file as
 * it is; or the events of a block, wrapped with right checksums, since a mutator never finds those.
 */
#include "rmrec.h"
#include "rmrec_code.h"

#include <stdlib.h>
#include <xxhash.h>
#include <zstd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_all(const uint8_t *bytes, size_t size)
{
	char err[RMREC_ERR_SIZE];
	struct rmrec_event ev;
	struct rmrec *r;

	if (rmrec_open_mem(bytes, size, &r, err))
		return;
	for (uint64_t n = 0; n < 1000000 && rmrec_next(r, &ev) > 0; n++) {
		if (ev.file && !rmrec_file(r, ev.file))
			abort();
		if (ev.kind == RMREC_VMA && (!ev.len || ev.addr + ev.len < ev.addr))
			abort();
		if (ev.proc >= rmrec_info(r)->nr_procs)
			abort();
	}
	rmrec_close(r);
}

static size_t pack(uint8_t *to, size_t cap, const uint8_t *from, size_t n)
{
	size_t len = ZSTD_compress(to, cap, from, n, 1);

	if (ZSTD_isError(len))
		abort();
	return len;
}

/* A record with two files around the events given. */
static void read_wrapped(const uint8_t *events, size_t n)
{
	static const uint8_t meta[] = { 1, 'm', 1, 'c', 1, 'x', 1, 'a', 9, 1, 2, 1, 'b', 9, 1, 3 };
	size_t cap = ZSTD_compressBound(n) + ZSTD_compressBound(sizeof(meta)) + RMREC_HEADER_SIZE +
		     RMREC_BLOCK_HEAD;
	uint8_t *h = calloc(1, cap), *block;
	size_t meta_len, len;

	if (!h || !n || n > RMREC_BLOCK_SIZE) {
		free(h);
		return;
	}
	meta_len = pack(h + RMREC_HEADER_SIZE, cap - RMREC_HEADER_SIZE, meta, sizeof(meta));
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
	rmrec_le32(h + 76, 2);
	rmrec_le32(h + 80, sizeof(meta));
	rmrec_le32(h + 84, (uint32_t)meta_len);
	rmrec_le64(h + 88, XXH64(h + RMREC_HEADER_SIZE, meta_len, 0));
	rmrec_le64(h + 96, RMREC_BLOCK_HEAD + len);
	rmrec_le64(h + 120, XXH64(h, 120, 0));
	read_all(h, RMREC_HEADER_SIZE + meta_len + RMREC_BLOCK_HEAD + len);
	free(h);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (!size)
		return 0;
	if (data[0] & 1)
		read_wrapped(data + 1, size - 1);
	else
		read_all(data + 1, size - 1);
	return 0;
}
