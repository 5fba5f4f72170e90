// SPDX-License-Identifier: BSD-2-Clause
/*
 * Heap sort: n log n at the worst, in place, which is all that is asked of it (images of address spaces are made and read rarely).
 */
#include "sort.h"

struct heap {
	unsigned char *base;
	size_t size;
	bool (*less)(const void *a, const void *b);
};

static void swap_elements(const struct heap *h, uint64_t a, uint64_t b)
{
	unsigned char tmp[SORT_ELEMENT_MAX];

	memcpy(tmp, h->base + a * h->size, h->size);
	memcpy(h->base + a * h->size, h->base + b * h->size, h->size);
	memcpy(h->base + b * h->size, tmp, h->size);
}

/* Let the element at root sink until it is not less than its children; the heap ends at nr. */
static void sift(const struct heap *h, uint64_t root, uint64_t nr)
{
	for (;;) {
		uint64_t child = 2 * root + 1;

		if (child >= nr)
			return;
		if (child + 1 < nr &&
		    h->less(h->base + child * h->size, h->base + (child + 1) * h->size))
			child++;
		if (!h->less(h->base + root * h->size, h->base + child * h->size))
			return;
		swap_elements(h, root, child);
		root = child;
	}
}

void sort_array(void *base, uint64_t nr, size_t size, bool (*less)(const void *a, const void *b))
{
	struct heap h = { .base = base, .size = size, .less = less };

	for (uint64_t i = nr / 2; i > 0; i--)
		sift(&h, i - 1, nr);
	for (uint64_t i = nr; i > 1; i--) {
		swap_elements(&h, 0, i - 1);
		sift(&h, 0, i - 1);
	}
}
