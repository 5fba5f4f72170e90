// SPDX-License-Identifier: BSD-2-Clause
/*
 * Little memory for the recorded tree: a memory cgroup with a limit, and a swap file for what does
 * not fit. Both are made for one recording and removed after it. Names carry the recorder's process
 * number, so that the next one can clear away after one that was killed.
 */
#ifndef RMAP_TOOLS_RECORD_LIMIT_H
#define RMAP_TOOLS_RECORD_LIMIT_H

#include "record_raw.h"

struct rec_limit;

/* Clear away what a killed recorder left, also one that had other options. */
void rec_limit_clear(void);
/* @bytes: the limit; @swap_bytes: size of the swap file */
struct rec_limit *rec_limit_new(uint64_t bytes, uint64_t swap_bytes, char err[REC_ERR_SIZE]);
/* The file to which a process writes itself to be limited. */
const char *rec_limit_procs(const struct rec_limit *l);
/* Pages read back from swap since it was made, on this machine. */
uint64_t rec_limit_swap_ins(const struct rec_limit *l);
/* All of it is undone. The tree must have ended. */
void rec_limit_free(struct rec_limit *l);

#endif
