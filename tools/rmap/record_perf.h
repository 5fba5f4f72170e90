// SPDX-License-Identifier: BSD-2-Clause
/*
 * perf's mmap events of one tree of processes: they name the file behind a mapping by device,
 * inode and path, which the arguments of mmap (a descriptor) do not.
 */
#ifndef RMAP_TOOLS_RECORD_PERF_H
#define RMAP_TOOLS_RECORD_PERF_H

#include "record_raw.h"

struct rec_perf;

/* Counts @pid and all that it will start, from now on. */
struct rec_perf *rec_perf_new(pid_t pid, char err[REC_ERR_SIZE]);
/* Moves what has come to the arrays; to be called often. */
int rec_perf_drain(struct rec_perf *p);
/* The events as RAW_MAP; the maps stay the property of @p. Adds what was lost to *dropped. */
int rec_perf_take(struct rec_perf *p, struct rec_raws *raws, uint64_t *dropped);
const struct rec_map *rec_perf_map(const struct rec_perf *p, uint64_t index);
void rec_perf_free(struct rec_perf *p);

#endif
