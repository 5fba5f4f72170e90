// SPDX-License-Identifier: BSD-2-Clause
/*
 * The kernel's trace events of one tree of processes, through a tracing instance of our own.
 *
 * An instance has buffers and switches apart from the machine's, so nobody else's tracing is
 * disturbed, and removing it undoes all. It is named rmap-record-PID: what a killed recorder left
 * behind is recognised and removed by the next one.
 */
#ifndef RMAP_TOOLS_RECORD_TRACE_H
#define RMAP_TOOLS_RECORD_TRACE_H

#include "record_raw.h"

struct rec_trace;

/* @buffer_kb: of each CPU. Mounts tracefs where it is not mounted. */
struct rec_trace *rec_trace_new(unsigned int buffer_kb, char err[REC_ERR_SIZE]);
/* Follow @pid and all that it will start; from here on events are taken and moved to files. */
int rec_trace_start(struct rec_trace *t, pid_t pid, char err[REC_ERR_SIZE]);
/* Bytes of events so far; for progress. */
uint64_t rec_trace_bytes(const struct rec_trace *t);
/* No more events; what is left in the buffers is fetched. */
void rec_trace_stop(struct rec_trace *t);
/* All events in order of time within each CPU. Adds what the kernel dropped to *dropped. */
int rec_trace_decode(struct rec_trace *t, struct rec_raws *raws, uint64_t *dropped,
		     char err[REC_ERR_SIZE]);
void rec_trace_free(struct rec_trace *t);

#endif
