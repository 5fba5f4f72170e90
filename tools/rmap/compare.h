/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Comparing designs: what was found out about each, and how it is shown.
 */
#ifndef RMAP_TOOL_COMPARE_H
#define RMAP_TOOL_COMPARE_H

#include "design_list.h"
#include "runner_int.h"
#include "timed.h"

/* How often each sampled page is walked from: twice stopping at the map count, then to the end. */
enum compare_pass {
	COMPARE_FIRST,
	COMPARE_SECOND,
	COMPARE_FULL,
	COMPARE_PASSES,
};

/* Walks from sampled pages: of each, the looks and the steps for each PTE that was found. */
struct compare_pool {
	double *looks, *steps;
	size_t nr, room;
	uint64_t sum_looks, sum_steps, sum_found;
	uint64_t missed; /* walks that found nothing: the page was there */
};

struct compare_phase {
	char name[64];
	uint64_t pages; /* walked from */
	struct {
		uint64_t looks, steps, found;
	} pass[COMPARE_PASSES];
	uint64_t layout; /* a digest of all VMAs */
};

/* Bytes at the moment of their peak. */
struct compare_bytes {
	uint64_t total, objects, page, vma, mm, slot;
	uint64_t nr_pages, nr_vmas, nr_mms, nr_slots;
};

struct compare_design {
	const struct rmap_ops *ops;
	bool ran;     /* as far as it went */
	bool checked; /* to the end, checked, and nothing wrong */
	char message[OPS_ERR_SIZE];
	enum runner_result result;
	struct compare_pool pool[COMPARE_PASSES];
	struct compare_phase phase[RUNNER_PHASES];
	uint32_t nr_phases;
	struct compare_bytes peak;
	uint64_t objects_peak;
	uint64_t seen_peak; /* the objects' peak as of the last operation */
	/* the run's end */
	struct probe probes[RUNNER_PROBES];
	uint32_t nr_probes;
	struct totals totals;
	uint64_t ops_carried_out, misfits, checks, check_walked, verified_pages, expectations;
	uint64_t procs_at_most, fork_count, run_ns;
	struct timed_sum class[TIMED_CLASSES + 1]; /* the last: all */
	struct timed_sum event[TIMED_EVENTS];
	uint64_t locks[RMAP_LOCK_CLASSES + 1]; /* by class, where they are counted */
	bool counts_instructions;
	double clock_overhead_ns;
};

struct compare {
	const char *workload;
	char kind[16];
	struct runner_options options;
	uint64_t probes; /* pages sampled at the end of each phase */
	uint64_t frames, swap_slots;
	struct compare_design *design[DESIGNS_MAX];
	uint32_t nr;
};

/* Walk from sampled pages: a phase called name has ended. False: no memory. */
bool compare_probe(const struct compare *c, struct compare_design *d, struct runner *r,
		   const char *name);
/* An operation is over: is this a peak? */
void compare_sample_bytes(struct compare_design *d, struct runner *r);

struct compare_ratio {
	double mean, p99, max;
	size_t walks;
};
struct compare_ratio compare_ratio(const double *values, size_t nr);

void compare_print(const struct compare *c, FILE *out);
void compare_print_csv(const struct compare *c, FILE *out);
int compare_print_json(const struct compare *c, FILE *out);

#endif
