// SPDX-License-Identifier: BSD-2-Clause
/* The ring through which perf hands over its events; see the header. */
#include "perf_ring.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int perf_ring_map(struct perf_ring *r, int fd, size_t size)
{
	void *page;

	r->page_size = (size_t)sysconf(_SC_PAGESIZE);
	r->size = size;
	page = mmap(NULL, r->page_size + size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	r->page = page == MAP_FAILED ? NULL : page;
	return r->page ? 0 : -errno;
}

void perf_ring_unmap(struct perf_ring *r)
{
	if (r->page)
		munmap(r->page, r->page_size + r->size);
	r->page = NULL;
}

uint64_t perf_ring_head(const struct perf_ring *r)
{
	return __atomic_load_n(&r->page->data_head, __ATOMIC_ACQUIRE);
}

uint64_t perf_ring_tail(const struct perf_ring *r)
{
	return r->page->data_tail;
}

void perf_ring_done(struct perf_ring *r, uint64_t pos)
{
	__atomic_store_n(&r->page->data_tail, pos, __ATOMIC_RELEASE);
}

const void *perf_ring_at(const struct perf_ring *r, uint64_t pos, size_t n, void *spare)
{
	const uint8_t *data = (const uint8_t *)r->page + r->page_size;
	size_t at = (size_t)(pos & (r->size - 1)), first = r->size - at;

	if (n <= first)
		return data + at;
	memcpy(spare, data + at, first);
	memcpy((uint8_t *)spare + first, data, n - first);
	return spare;
}
