// SPDX-License-Identifier: BSD-2-Clause
/*
 * Instructions, counted by valgrind's callgrind where the processor has no counter that one may read. It takes some fifty times as
 * long, and counts this thread's alone, as the counter does.
 *
 * A program cannot ask callgrind for a number. It can ask for a dump of what its thread has executed since the one before, a file with
 * a sum at its end. What finding and reading that file executes is thrown away, so that two readings differ by what was done between
 * them.
 */
#include "bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#if __has_include(<valgrind/callgrind.h>)
#include <valgrind/callgrind.h>
#else /* then it was not installed, and is not what runs this */
#define RUNNING_ON_VALGRIND 0
#define CALLGRIND_DUMP_STATS
#define CALLGRIND_ZERO_STATS
#endif

/* What --callgrind-out-file= says; bench/against sets both. */
static const char *out;
static unsigned int dumps;
static double total;

/* => false: there is no such file, or no sum in it */
static bool read_dump(const char *name, double *instructions)
{
	FILE *file = fopen(name, "re");
	char line[256];
	bool found = false;

	if (!file)
		return false;
	while (!found && fgets(line, sizeof(line), file))
		found = sscanf(line, "totals: %lf", instructions) == 1;
	fclose(file);
	return found;
}

static bool dump(double *instructions)
{
	char name[4096];
	bool found;

	CALLGRIND_DUMP_STATS;
	/* As --separate-threads=yes has them: this is the first thread. */
	snprintf(name, sizeof(name), "%s.%u-01", out, ++dumps);
	found = read_dump(name, instructions);
	unlink(name);
	CALLGRIND_ZERO_STATS;
	return found;
}

bool bench_callgrind_counts(void)
{
	double ignored;

	out = RUNNING_ON_VALGRIND ? getenv("RMAP_BENCH_CALLGRIND") : NULL;
	return out && dump(&ignored);
}

double bench_callgrind(void)
{
	double instructions = 0;

	if (!dump(&instructions)) {
		fprintf(stderr, "rmap-bench: a dump of callgrind's cannot be read: %s\n", out);
		exit(2);
	}
	return total += instructions;
}
