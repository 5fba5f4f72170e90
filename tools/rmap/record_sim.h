// SPDX-License-Identifier: BSD-2-Clause
/*
 * Re-enactment of a record on plain intervals: does each event fit what came before it?
 *
 * The recorder runs it over its own record before it is written, so that a lost event, a wrong
 * order or a misread layout shows up at once and not in somebody's replay. It knows nothing of page
 * tables or sharing: an address space is a sorted array of VMAs and a bitmap of pages that were
 * touched. A fault fits when a VMA covers it and allows it; a call fits when its result could have
 * come from the layout as known.
 */
#ifndef RMAP_TOOLS_RECORD_SIM_H
#define RMAP_TOOLS_RECORD_SIM_H

#include "rmrec.h"

struct rec_sim_vma {
	uint64_t start, end;
	uint64_t offset; /* of start, in the file */
	uint32_t file;
	uint32_t prot;
	uint32_t vma_flags;
};

struct rec_sim;

struct rec_sim *rec_sim_new(uint32_t page_size);
void rec_sim_free(struct rec_sim *sim);

/* 0: fits; 1: does not, and rec_sim_why() says why; -ENOMEM. The event takes effect either way. */
int rec_sim_event(struct rec_sim *sim, const struct rmrec_event *ev);
const char *rec_sim_why(const struct rec_sim *sim);

/* After a fault: the VMA that it hit, or NULL. Valid until the next event. */
const struct rec_sim_vma *rec_sim_hit(const struct rec_sim *sim);

/* The VMAs of a process, in order of address; NULL and 0 when it is gone. */
const struct rec_sim_vma *rec_sim_layout(const struct rec_sim *sim, uint32_t proc, size_t *nr);

/*
 * Faults on private pages that had been there before and that nothing in the record had dropped:
 * what reclaim had taken, and what came back from swap.
 */
uint64_t rec_sim_returned(const struct rec_sim *sim);

#endif
