// SPDX-License-Identifier: BSD-2-Clause
/* The size of a machine as a command line says it. */
#include "machine_size.h"
#include "number.h"
#include "ops.h"

#include <string.h>
#include <sys/stat.h>

#define FRAMES_MIN 64
#define FRAMES_MAX ((uint64_t)1 << 36)

/* A plain number is pages, anything with a unit a size. */
static uint64_t pages(struct argp_state *state, const char *what, const char *arg)
{
	size_t len = strlen(arg);
	uint64_t n = 0;

	if (ops_parse_size(arg, &n))
		argp_error(state, "%s must be a number or a size as 64M, not '%.*s'", what,
			   number_shown(arg), arg);
	if (len && arg[len - 1] >= '0' && arg[len - 1] <= '9')
		return n;
	return n >> RMAP_PAGE_SHIFT;
}

/* "25%" is 25; what has no such sign is 0. */
static uint64_t share(struct argp_state *state, const char *arg)
{
	char *end;
	unsigned long n = strtoul(arg, &end, 10);

	if (!strchr(arg, '%'))
		return 0;
	if (*arg < '0' || *arg > '9' || strcmp(end, "%") != 0 || n < 1 || n > 1000)
		argp_error(state, "--frames takes from 1%% to 1000%%, not '%.*s'",
			   number_shown(arg), arg);
	return n;
}

void machine_frames(struct argp_state *state, const char *arg, struct runner_options *o,
		    uint64_t *percent)
{
	o->frames = 0;
	*percent = share(state, arg);
	if (*percent)
		return;
	o->frames = pages(state, "--frames", arg);
	if (o->frames < FRAMES_MIN || o->frames > FRAMES_MAX)
		argp_error(state, "--frames must be from 64 to 2^36");
}

void machine_swap(struct argp_state *state, const char *arg, struct runner_options *o)
{
	o->swap_slots = pages(state, "--swap", arg);
	o->has_swap = true;
	if (o->swap_slots > FRAMES_MAX)
		argp_error(state, "--swap must be at most 2^36 pages");
}

enum runner_result machine_measure(const char *workload, uint64_t percent, struct runner_options *o,
				   machine_carry_out *carry_out, void *ctx, char err[OPS_ERR_SIZE])
{
	struct runner_options first = { .design = o->design, .seed = o->seed, .steady = o->steady };
	enum runner_result result = RUNNER_BAD;
	struct op_source *source;
	struct runner *r;
	struct stat st;

	if (source_open(workload, &source, err))
		return RUNNER_BAD;
	if (strcmp(source->kind, "generator") != 0 &&
	    (stat(workload, &st) || !S_ISREG(st.st_mode))) {
		snprintf(err, OPS_ERR_SIZE, "%s: is no regular file, and would be read twice",
			 workload);
		source->close(source);
		return RUNNER_BAD;
	}
	first.phantom = !source->config.needs_contents;
	if (!runner_create(&first, source, &r, err)) {
		result = carry_out(ctx, source, r, err);
		o->frames = runner_frames_at_most(r) * percent / 100;
		if (o->frames < FRAMES_MIN)
			o->frames = FRAMES_MIN;
		runner_destroy(r);
	}
	source->close(source);
	return result;
}
