// SPDX-License-Identifier: BSD-2-Clause
/*
 * From raw events to a record: pairs the ends of calls, knows which thread speaks for which process,
 * puts all in the order in which it took effect, and re-enacts it (record_sim.h) on the way out.
 */
#ifndef RMAP_TOOLS_RECORD_BUILD_H
#define RMAP_TOOLS_RECORD_BUILD_H

#include "record_perf.h"
#include "record_raw.h"
#include "record_tree.h"
#include "rmrec.h"

#define REC_MAX_WHYS 20

struct rec_build_stats {
	uint64_t events, faults, execs;
	uint64_t misfits;	      /* did not fit the layout known at that point */
	uint64_t late;		      /* by processes that had ended already: left out */
	uint64_t returned;	      /* faults on private pages that reclaim had taken */
	uint64_t nameless;	      /* file mappings whose file no perf event told */
	uint64_t compared;	      /* layouts at exit held against the kernel's */
	uint64_t differing;	      /* of these: not the same */
	char whys[REC_MAX_WHYS][256]; /* the first misfits and differences */
	unsigned int nr_whys;
};

/* @raws is sorted by time. Writes all events to @w. */
int rec_build(const struct rec_raws *raws, const struct rec_perf *perf, const struct rec_tree *tree,
	      struct rmrec_writer *w, struct rec_build_stats *stats, char err[REC_ERR_SIZE]);

#endif
