/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Mutant schemata: all mutants of the sources are compiled into one build, each behind a question.
 *
 * mutants.py writes `a < b` as `(mutant_on(7) ? (a <= b) : mutant_on(8) ? (a >= b) : (a < b))` into a copy of the sources, and this
 * header is included before all of them by the compiler's command line. Which mutant lives is a matter of the environment, read
 * once; so the tests are built once, and a mutant costs no more than the run of the tests that reach it.
 */
#ifndef MUTANT_H
#define MUTANT_H

#ifndef MUTANT_OFF /* mutant.c itself */

/* 0: none; MUTANT_TRACE: none, and whoever is asked for is noted down. Set before main(). */
extern int mutant_number;

enum { MUTANT_TRACE = -1 };

void mutant_reached(int number);

static inline _Bool mutant_on(int number)
{
	int live = mutant_number;

	if (__builtin_expect(live == MUTANT_TRACE, 0))
		mutant_reached(number);
	return __builtin_expect(live == number, 0);
}

#endif
#endif
