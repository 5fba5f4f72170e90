// SPDX-License-Identifier: BSD-2-Clause
/*
 * Engines for the threads, and what they do to memory.
 *
 * Frames are phantoms unless contents are asked for: what is left without clearing and copying is what threads can be in each
 * other's way with, so it is the harder test. Descriptors have been touched, so that no figure contains Linux's own faults.
 */
#include "scale.h"

#include <stdio.h>
#include <string.h>

/* For pages that more is known of than can be looked at in a moment: a sample. */
#define CHECK_LOOKS 2000000

bool scale_refuse(char why[SCALE_WHY], const char *what, int error)
{
	snprintf(why, SCALE_WHY, "%s: %s", what, rmap_error_name(error));
	return false;
}

bool scale_engine_start(struct scale_engine *e, const struct scale_machine *machine,
			char why[SCALE_WHY])
{
	struct hosted_config hardware = { .nr_frames = machine->frames,
					  .nr_swap_slots = machine->slots,
					  .nr_cpus = machine->cpus,
					  .phantom = !machine->contents };
	struct mm_config config = { .design = machine->design,
				    .phantom = !machine->contents,
				    .overcommit = MM_OVERCOMMIT_ALWAYS,
				    .max_map_count = UINT32_MAX };
	const struct mm_port *port;
	char text[HOSTED_ERROR];
	int r;

	if (hosted_create(&hardware, &e->h, text)) {
		snprintf(why, SCALE_WHY, "%s", text);
		return false;
	}
	port = hosted_port(e->h);
	memset(port->descriptors, 0, machine->frames * 64);
	r = mm_system_create(&config, port, &e->sys);
	if (!r)
		return true;
	hosted_destroy(e->h, NULL, NULL);
	e->h = NULL;
	return scale_refuse(why, "mm_system_create", r);
}

static void run_deferred(struct scale_engine *e)
{
	const struct rmap_port *os = &hosted_port(e->h)->os;

	os->rcu_barrier(os->ctx);
}

bool scale_engine_check(struct scale_engine *e, char why[SCALE_WHY])
{
	struct mm_check check = { .max_looks = CHECK_LOOKS, .seed = 1 };
	char text[HOSTED_ERROR];
	int r;

	run_deferred(e);
	r = mm_check(e->sys, &check);
	if (r) {
		snprintf(why, SCALE_WHY, "the checker: %s",
			 check.message[0] ? check.message : rmap_error_name(r));
		return false;
	}
	if (hosted_tlb_check(e->h, text)) {
		snprintf(why, SCALE_WHY, "the TLBs: %s", text);
		return false;
	}
	return true;
}

bool scale_engine_stop(struct scale_engine *e, char why[SCALE_WHY])
{
	uint64_t left;

	if (!e->h)
		return true;
	mm_system_destroy(e->sys);
	left = hosted_destroy(e->h, NULL, NULL);
	e->h = NULL;
	if (left)
		snprintf(why, SCALE_WHY, "%llu objects were left behind", (unsigned long long)left);
	return !left;
}
