// SPDX-License-Identifier: BSD-2-Clause
/*
 * What figures are read from: the processor's time, the clock on the wall, or a count of instructions: the processor's own, or
 * callgrind's.
 *
 * Instructions of this thread outside of the kernel hardly depend on what else the machine does: two runs of one program differ by
 * less than a per cent. They are not time, since one that misses the cache costs as much as a hundred that do not; so they say
 * whether a change of the code made an operation do more, and the clock says what that costs.
 */
#include "bench.h"
#include "instructions.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static int counter = -1;
static bool by_callgrind;

bool bench_count_instructions(char why[BENCH_WHY])
{
	by_callgrind = bench_callgrind_counts();
	if (by_callgrind)
		return true;
	counter = instructions_open();
	if (counter >= 0)
		return true;
	snprintf(why, BENCH_WHY, "instructions cannot be counted here: %s", strerror(errno));
	return false;
}

static double read_clock(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static double read_counter(void)
{
	uint64_t instructions = 0;

	if (read(counter, &instructions, sizeof(instructions)) != sizeof(instructions))
		return 0;
	return (double)instructions;
}

static double read_instructions_or(clockid_t clock)
{
	if (by_callgrind)
		return bench_callgrind();
	return counter >= 0 ? read_counter() : read_clock(clock);
}

double bench_now(void)
{
	return read_instructions_or(CLOCK_THREAD_CPUTIME_ID);
}

double bench_wall(void)
{
	return read_instructions_or(CLOCK_MONOTONIC);
}
