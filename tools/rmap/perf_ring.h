/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The ring through which perf hands over its events: the kernel writes at the head, we read at the tail, in place. A record that
 * wraps around the end is straightened in a copy.
 */
#ifndef RMAP_TOOLS_PERF_RING_H
#define RMAP_TOOLS_PERF_RING_H

#include <linux/perf_event.h>
#include <stddef.h>
#include <stdint.h>

/* The largest that there can be: its size is a field of 16 bits. */
#define PERF_RECORD_MOST 65536u

struct perf_ring {
	struct perf_event_mmap_page *page; /* then the data */
	size_t page_size, size;		   /* of the data: a power of two of pages */
};

/* Of the event @fd. 0, or a negative errno. */
int perf_ring_map(struct perf_ring *r, int fd, size_t size);
void perf_ring_unmap(struct perf_ring *r);
/* Where the kernel will write next, and what it may not overwrite yet. */
uint64_t perf_ring_head(const struct perf_ring *r);
uint64_t perf_ring_tail(const struct perf_ring *r);
/* All before @pos was read. */
void perf_ring_done(struct perf_ring *r, uint64_t pos);
/* The @n bytes at @pos, which is aligned to 8; in @spare, which has room for them, if they wrap around. */
const void *perf_ring_at(const struct perf_ring *r, uint64_t pos, size_t n, void *spare);

#endif
