// SPDX-License-Identifier: BSD-2-Clause
/*
 * perf's mmap events; see the header.
 *
 * A counter that counts nothing (the dummy) is opened on each CPU for the first process and
 * inherited by what it starts; its ring carries a PERF_RECORD_MMAP2 for each VMA that mmap, mprotect,
 * brk or shmat leaves, stamped by the same clock as the trace.
 */
#include "record_perf.h"
#include "perf_ring.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define RING_PAGES 256u /* 1 MiB each */

struct ring {
	int fd;
	struct perf_ring ring;
};

struct rec_perf {
	struct ring *rings;
	int nr_rings;
	size_t page_size;
	struct rec_raws raws;
	struct rec_map *maps;
	size_t nr_maps, cap_maps;
	uint64_t lost;
	uint64_t record[PERF_RECORD_MOST / 8]; /* one that wraps around */
};

/* what follows each record: sample_id_all with TID and TIME */
struct sample_id {
	uint32_t pid, tid;
	uint64_t time;
};

struct mmap2 {
	struct perf_event_header header;
	uint32_t pid, tid;
	uint64_t addr, len, pgoff;
	uint32_t maj, min;
	uint64_t ino, generation;
	uint32_t prot, flags;
	char filename[];
};

static int open_ring(struct rec_perf *p, pid_t pid, int cpu, char err[REC_ERR_SIZE])
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_SOFTWARE,
		.size = sizeof(attr),
		.config = PERF_COUNT_SW_DUMMY,
		.sample_type = PERF_SAMPLE_TID | PERF_SAMPLE_TIME,
		.inherit = 1,
		.mmap = 1,
		.mmap2 = 1,
		.mmap_data = 1,
		.sample_id_all = 1,
		.use_clockid = 1,
		.clockid = CLOCK_MONOTONIC,
	};
	struct ring *r = &p->rings[p->nr_rings];
	long fd = syscall(SYS_perf_event_open, &attr, pid, cpu, -1, PERF_FLAG_FD_CLOEXEC);
	int error;

	if (fd < 0 && errno == ENODEV)
		return 0; /* a CPU that is off */
	if (fd < 0)
		return rec_fail(err, "perf events cannot be opened: %s", strerror(errno));
	error = -perf_ring_map(&r->ring, (int)fd, RING_PAGES * p->page_size);
	if (error) {
		close((int)fd);
		return rec_fail(err, "perf's ring buffer cannot be mapped: %s", strerror(error));
	}
	r->fd = (int)fd;
	p->nr_rings++;
	return 0;
}

struct rec_perf *rec_perf_new(pid_t pid, char err[REC_ERR_SIZE])
{
	struct rec_perf *p = calloc(1, sizeof(*p));
	long cpus = sysconf(_SC_NPROCESSORS_CONF);

	if (p)
		p->rings = calloc((size_t)cpus, sizeof(*p->rings));
	if (!p || !p->rings) {
		rec_fail(err, "no memory");
		rec_perf_free(p);
		return NULL;
	}
	p->page_size = (size_t)sysconf(_SC_PAGESIZE);
	for (int cpu = 0; cpu < (int)cpus; cpu++) {
		if (open_ring(p, pid, cpu, err)) {
			rec_perf_free(p);
			return NULL;
		}
	}
	return p;
}

void rec_perf_free(struct rec_perf *p)
{
	if (!p)
		return;
	for (int i = 0; i < p->nr_rings; i++) {
		perf_ring_unmap(&p->rings[i].ring);
		close(p->rings[i].fd);
	}
	for (size_t i = 0; i < p->nr_maps; i++)
		free(p->maps[i].path);
	free(p->maps);
	free(p->raws.v);
	free(p->rings);
	free(p);
}

static int add_map(struct rec_perf *p, const struct mmap2 *m, size_t size)
{
	struct sample_id id;
	struct rec_map map = { .addr = m->addr, .len = m->len, .ino = m->ino };
	struct rec_raw *raw;

	memcpy(&id, (const char *)m + size - sizeof(id), sizeof(id));
	map.dev = (uint64_t)m->maj << 32 | m->min;
	if (m->maj || m->min || m->ino) {
		map.path = strndup(m->filename, size - sizeof(*m) - sizeof(id));
		if (!map.path)
			return -ENOMEM;
	}
	if (p->nr_maps == p->cap_maps) {
		size_t cap = p->cap_maps ? 2 * p->cap_maps : 1024;
		struct rec_map *maps = realloc(p->maps, cap * sizeof(*maps));

		if (!maps) {
			free(map.path);
			return -ENOMEM;
		}
		p->maps = maps;
		p->cap_maps = cap;
	}
	p->maps[p->nr_maps] = map;
	raw = rec_raw_add(&p->raws, id.time, id.tid, RAW_MAP);
	if (!raw) {
		free(map.path);
		return -ENOMEM;
	}
	raw->a[0] = p->nr_maps++;
	return 0;
}

static int take_record(struct rec_perf *p, const struct perf_event_header *h)
{
	if (h->type == PERF_RECORD_MMAP2 &&
	    h->size > sizeof(struct mmap2) + sizeof(struct sample_id))
		return add_map(p, (const struct mmap2 *)(const void *)h, h->size);
	if (h->type == PERF_RECORD_LOST) {
		uint64_t lost;

		memcpy(&lost, (const char *)h + sizeof(*h) + 8, sizeof(lost));
		p->lost += lost;
	}
	return 0;
}

int rec_perf_drain(struct rec_perf *p)
{
	for (int i = 0; i < p->nr_rings; i++) {
		struct perf_ring *r = &p->rings[i].ring;
		uint64_t head = perf_ring_head(r), tail = perf_ring_tail(r);

		while (tail < head) {
			const struct perf_event_header *h =
				perf_ring_at(r, tail, sizeof(*h), p->record);
			int ret;

			if (h->size < sizeof(*h))
				break;
			h = perf_ring_at(r, tail, h->size, p->record);
			ret = take_record(p, h);
			if (ret)
				return ret;
			tail += h->size;
		}
		perf_ring_done(r, head);
	}
	return 0;
}

int rec_perf_take(struct rec_perf *p, struct rec_raws *raws, uint64_t *dropped)
{
	int ret = rec_perf_drain(p);

	for (size_t i = 0; i < p->raws.nr && !ret; i++) {
		const struct rec_raw *from = &p->raws.v[i];
		struct rec_raw *raw = rec_raw_add(raws, from->ts, from->tid, RAW_MAP);

		if (!raw)
			return -ENOMEM;
		raw->a[0] = from->a[0];
	}
	*dropped += p->lost;
	return ret;
}

const struct rec_map *rec_perf_map(const struct rec_perf *p, uint64_t index)
{
	return index < p->nr_maps ? &p->maps[index] : NULL;
}
