/* SPDX-License-Identifier: BSD-2-Clause */
/* Sorting an array without memory and without recursion. */
#ifndef MM_SORT_H
#define MM_SORT_H

#include <rmap/types.h>

#define SORT_ELEMENT_MAX 64

/* Sort nr elements of size bytes (at most SORT_ELEMENT_MAX) so that less(b, a) is false for each a before b. n log n, unstable. */
void sort_array(void *base, uint64_t nr, size_t size, bool (*less)(const void *a, const void *b));

#endif
