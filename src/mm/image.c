// SPDX-License-Identifier: BSD-2-Clause
/*
 * Chunks: type (4 bytes), length of the payload (4), payload, checksum (8); all numbers little-endian.
 *
 * The checksum is over everything from the image's beginning to here, so a chunk that was altered, lost, doubled or moved is
 * found before a byte of it is believed. It guards against accidents; a forger can make a right one. Therefore the reader still
 * checks what it reads against what can be (resume.c), and nothing here is longer than a chunk's buffer.
 *
 * The hash takes eight bytes per step: multiply, rotate, multiply, as the fast ones of this kind do, with odd constants of our
 * own (the golden ratio's fraction and others without pattern). A changed word changes about half the bits.
 */
#include "image.h"

#define HASH_K1	   0x9e3779b97f4a7c15ull
#define HASH_K2	   0xd6e8feb86659fd93ull
#define HASH_K3	   0xa0761d6478bd642full

#define HEAD_BYTES 8u
#define TAIL_BYTES 8u

static uint64_t load64(const unsigned char *p)
{
	uint64_t v = 0;

	for (int i = 7; i >= 0; i--)
		v = v << 8 | p[i];
	return v;
}

static uint32_t load32(const unsigned char *p)
{
	return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static void store64(unsigned char *p, uint64_t v)
{
	for (int i = 0; i < 8; i++, v >>= 8)
		p[i] = (unsigned char)v;
}

static void store32(unsigned char *p, uint32_t v)
{
	for (int i = 0; i < 4; i++, v >>= 8)
		p[i] = (unsigned char)v;
}

static uint64_t rotate(uint64_t v, unsigned int bits)
{
	return v << bits | v >> (64 - bits);
}

static uint64_t hash_bytes(uint64_t h, const unsigned char *p, uint32_t len)
{
	unsigned char last[8] = { 0 };

	h ^= len * HASH_K3;
	for (; len >= 8; len -= 8, p += 8)
		h = rotate(h ^ (rotate(load64(p) * HASH_K1, 29) * HASH_K2), 31) * HASH_K1 + HASH_K3;
	if (len) {
		memcpy(last, p, len);
		h = rotate(h ^ (rotate(load64(last) * HASH_K1, 29) * HASH_K2), 31) * HASH_K1 +
		    HASH_K3;
	}
	h ^= h >> 32;
	h *= HASH_K2;
	return h ^ h >> 29;
}

int image_open(struct mm_system *sys, struct image *image, const struct mm_stream *stream)
{
	memset(image, 0, sizeof(*image));
	image->stream = stream;
	image->hash = IMAGE_MAGIC;
	image->buf = mm_alloc(sys, RMAP_KIND_BUFFER, HEAD_BYTES + IMAGE_CHUNK_MAX + TAIL_BYTES);
	return image->buf ? 0 : RMAP_ENOMEM;
}

void image_close(struct mm_system *sys, struct image *image)
{
	mm_free(sys, RMAP_KIND_BUFFER, image->buf, HEAD_BYTES + IMAGE_CHUNK_MAX + TAIL_BYTES);
}

/* ---------------------------------------------------------------- writing */

void image_begin(struct image *image, enum image_type type)
{
	image->type = type;
	image->len = 0;
}

void *image_put_room(struct image *image, uint32_t len)
{
	unsigned char *p = image->buf + HEAD_BYTES + image->len;

	image->len += len;
	return p;
}

void image_put(struct image *image, const void *data, uint32_t len)
{
	memcpy(image_put_room(image, len), data, len);
}

void image_put32(struct image *image, uint32_t v)
{
	store32(image_put_room(image, 4), v);
}

void image_put64(struct image *image, uint64_t v)
{
	store64(image_put_room(image, 8), v);
}

uint32_t image_room(const struct image *image)
{
	return IMAGE_CHUNK_MAX - image->len;
}

void image_end(struct image *image)
{
	unsigned char *tail = image->buf + HEAD_BYTES + image->len;

	store32(image->buf, image->type);
	store32(image->buf + 4, image->len);
	image->hash = hash_bytes(image->hash, image->buf, HEAD_BYTES + image->len);
	store64(tail, image->hash);
	if (!image->error)
		image->error = image->stream->write(image->stream->ctx, image->buf,
						    HEAD_BYTES + image->len + TAIL_BYTES);
}

/* ---------------------------------------------------------------- reading */

void image_bad(struct image *image)
{
	if (!image->error)
		image->error = RMAP_EBADMSG;
}

/* There was no error so far. */
static void read_bytes(struct image *image, uint32_t at, uint32_t len)
{
	image->error = image->stream->read(image->stream->ctx, image->buf + at, len);
}

int image_next(struct image *image)
{
	image->pos = 0;
	image->len = 0;
	read_bytes(image, 0, HEAD_BYTES);
	if (image->error)
		return image->error;
	image->type = load32(image->buf);
	image->len = load32(image->buf + 4);
	if (image->len > IMAGE_CHUNK_MAX) {
		image->len = 0;
		image_bad(image);
		return image->error;
	}
	read_bytes(image, HEAD_BYTES, image->len + TAIL_BYTES);
	if (image->error)
		return image->error;
	image->hash = hash_bytes(image->hash, image->buf, HEAD_BYTES + image->len);
	if (load64(image->buf + HEAD_BYTES + image->len) != image->hash)
		image_bad(image);
	return image->error;
}

uint32_t image_left(const struct image *image)
{
	return image->len - image->pos;
}

const void *image_get(struct image *image, uint32_t len)
{
	const unsigned char *p = image->buf + HEAD_BYTES + image->pos;

	if (len > image_left(image)) {
		image_bad(image);
		return NULL;
	}
	image->pos += len;
	return p;
}

uint32_t image_get32(struct image *image)
{
	const unsigned char *p = image_get(image, 4);

	return p ? load32(p) : 0;
}

uint64_t image_get64(struct image *image)
{
	const unsigned char *p = image_get(image, 8);

	return p ? load64(p) : 0;
}
