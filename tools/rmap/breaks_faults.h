/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * From the kernel's events to what came of each write: which were copies, of what, and which were none.
 *
 *	write ............................. done	nobody else had the page: the PTE was made writable
 *	write ..... alloc ................. done	copied: the page was shared since a fork
 *	write ..... alloc ... uncharge .... done	copied: it was a file's page
 *	write ..... alloc(zeroed) ......... done	it was the zero page
 *	write ... (no done before the next write)	refused: the mapping is read-only
 *
 * The allocations of a first touch have no `write` before them, those of system calls come behind the `done`, so neither is mistaken for
 * a copy. Writes that the kernel carries out without a fault (a debugger's, process_vm_writev, direct I/O into memory) make copies that
 * are not seen.
 */
#ifndef RMAP_TOOLS_BREAKS_FAULTS_H
#define RMAP_TOOLS_BREAKS_FAULTS_H

#include "breaks_stack.h"
#include "breaks_tally.h"

struct breaks_faults;

/* @everything: all tasks' events come, and only processes that @procs knows are meant. */
struct breaks_faults *breaks_faults_new(struct breaks_procs *procs, struct breaks_stacks *stacks,
					struct breaks_tally *tally, bool everything);
void breaks_faults_free(struct breaks_faults *f);
/* Takes one event; they come in order of time. 0, or -1 without memory. @arg: struct breaks_faults * */
int breaks_faults_event(void *arg, const struct breaks_event *ev);
/* Faults that had begun and not ended when all was over. */
uint64_t breaks_faults_open(const struct breaks_faults *f);

#endif
