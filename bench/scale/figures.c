// SPDX-License-Identifier: BSD-2-Clause
/*
 * Medians and quartiles.
 */
#include "scale.h"

#include <stdlib.h>
#include <string.h>

static int by_size(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

void scale_sort(double *figure, unsigned int nr)
{
	qsort(figure, nr, sizeof(*figure), by_size);
}

double scale_quantile(const double *sorted, unsigned int nr, double part)
{
	double place = part * (double)(nr - 1);
	unsigned int below = (unsigned int)place;

	if (below + 1 >= nr)
		return sorted[nr - 1];
	return sorted[below] + (place - below) * (sorted[below + 1] - sorted[below]);
}

struct scale_spread scale_spread_of(const double *figure, unsigned int nr)
{
	double sorted[SCALE_ROUNDS];
	struct scale_spread s = { 0, 0, 0 };

	if (!nr)
		return s;
	memcpy(sorted, figure, nr * sizeof(*sorted));
	scale_sort(sorted, nr);
	s.median = scale_quantile(sorted, nr, 0.5);
	s.low = scale_quantile(sorted, nr, 0.25);
	s.high = scale_quantile(sorted, nr, 0.75);
	return s;
}
