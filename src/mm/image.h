/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The file format of a hibernated system: chunks of numbers, little-endian, each with a checksum.
 */
#ifndef MM_IMAGE_H
#define MM_IMAGE_H

#include "mm_types.h"

#define IMAGE_MAGIC   0x3142494850414d52ull /* "RMAPHIB1" */
#define IMAGE_VERSION 3u

enum image_type {
	IMAGE_HEADER = 1,    /* first */
	IMAGE_FILE = 2,	     /* a file that is mapped; numbered from 0 in order of appearance */
	IMAGE_MM = 3,	     /* an address space; its VMAs follow */
	IMAGE_VMA = 4,	     /* in order of address */
	IMAGE_PAGE = 5,	     /* an anonymous page and the places that share it */
	IMAGE_SITES = 6,     /* more places of the page before */
	IMAGE_POISON = 7,    /* places whose contents a bad frame has taken */
	IMAGE_FILE_PAGE = 8, /* a page of shared memory */
	IMAGE_END = 9,	     /* last */
};

enum image_page_flags {
	IMAGE_PAGE_DATA =
		1 << 0, /* a page of contents follows; without it: zeros, or a phantom's nothing */
	IMAGE_PAGE_OUT = 1 << 1, /* it was out in swap */
	IMAGE_PAGE_BAD =
		1 << 2, /* of shared memory: its frame has gone bad, there are no contents */
};

enum image_site_flags {
	IMAGE_SITE_EXCLUSIVE = 1 << 0,
	IMAGE_SITE_ACCESSED = 1 << 1,
};

/* A place that a page stands at. */
struct image_site {
	uint64_t key; /* writer: which page */
	uint64_t addr;
	uint32_t mm;	/* number of the address space */
	uint32_t flags; /* enum image_site_flags */
};

#define IMAGE_CHUNK_MAX	 16384u
#define IMAGE_SITE_BYTES 16u

/* One image being written or read. The first error stays and makes every later call do nothing. */
struct image {
	const struct mm_stream *stream;
	unsigned char *buf; /* one chunk: type, length, payload, checksum */
	uint32_t type;	    /* of the chunk in buf */
	uint32_t len;	    /* bytes of payload */
	uint32_t pos;	    /* reader: how far it was taken */
	uint64_t hash;	    /* of all chunks so far */
	int error;
};

/* Sets aside the buffer. 0 or RMAP_ENOMEM. Give it back with close. */
int image_open(struct mm_system *sys, struct image *image, const struct mm_stream *stream);
void image_close(struct mm_system *sys, struct image *image);

/* Writing: begin, put…, end. */
void image_begin(struct image *image, enum image_type type);
void image_put32(struct image *image, uint32_t v);
void image_put64(struct image *image, uint64_t v);
void image_put(struct image *image, const void *data, uint32_t len);
/* Room for len bytes, to be filled by the caller at once. */
void *image_put_room(struct image *image, uint32_t len);
/* How much more the chunk holds. */
uint32_t image_room(const struct image *image);
void image_end(struct image *image);

/* Reading: next takes one chunk whole and verifies it; then get what is in it. Past its end: RMAP_EBADMSG in image->error. */
int image_next(struct image *image);
uint32_t image_get32(struct image *image);
uint64_t image_get64(struct image *image);
const void *image_get(struct image *image, uint32_t len);
uint32_t image_left(const struct image *image);
/* The image says what cannot be. */
void image_bad(struct image *image);

#endif
