/* SPDX-License-Identifier: BSD-2-Clause */
/* An image in memory: what mm_hibernate() writes goes to its end, what mm_resume_image() reads comes from pos on. */
#ifndef TESTS_IMAGE_MEMORY_H
#define TESTS_IMAGE_MEMORY_H

#include <stdlib.h>
#include <string.h>

#include <rmap/mm.h>

/* All zero: empty. Who is through with it frees data. */
struct image_memory {
	unsigned char *data;
	uint64_t len, size, pos;
};

static inline int image_memory_write(void *ctx, const void *data, uint64_t len)
{
	struct image_memory *m = ctx;

	if (!len)
		return 0;
	if (m->len + len > m->size) {
		uint64_t size = (m->len + len) * 2;
		unsigned char *more = realloc(m->data, size);

		if (!more)
			return RMAP_ENOMEM;
		m->data = more;
		m->size = size;
	}
	memcpy(m->data + m->len, data, len);
	m->len += len;
	return 0;
}

static inline int image_memory_read(void *ctx, void *data, uint64_t len)
{
	struct image_memory *m = ctx;

	if (len > m->len - m->pos)
		return RMAP_EBADMSG;
	if (len)
		memcpy(data, m->data + m->pos, len);
	m->pos += len;
	return 0;
}

#define IMAGE_MEMORY_STREAM(memory)                                                                \
	{                                                                                          \
		.ctx = (memory), .write = image_memory_write, .read = image_memory_read            \
	}

#endif
