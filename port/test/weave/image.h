/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * An execution that stands still, as bytes: the machine, the threads' stacks, and what the weaver knows of them.
 *
 * Whatever is part of it has one function that goes over its ranges and calls image_copy() for each, the sizes of ranges before the
 * ranges themselves; whether the bytes go to the image or come from it the image knows.
 */
#ifndef WEAVE_IMAGE_H
#define WEAVE_IMAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

struct image {
	unsigned char *bytes;
	size_t at, size;
	bool loads; /* from the image */
};

static inline void image_begin(struct image *im, bool loads)
{
	im->at = 0;
	im->loads = loads;
}

static inline void image_copy(struct image *im, void *range, size_t size)
{
	if (im->at + size > im->size) {
		im->size = 2 * (im->at + size);
		im->bytes = realloc(im->bytes, im->size);
		if (!im->bytes)
			abort();
	}
	if (im->loads)
		memcpy(range, im->bytes + im->at, size);
	else
		memcpy(im->bytes + im->at, range, size);
	im->at += size;
}

static inline void image_free(struct image *im)
{
	free(im->bytes);
}

#endif
