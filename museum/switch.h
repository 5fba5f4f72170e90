/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The switches of the museum: which mistake is in the engine now. Included by the sources in which museum.py planted some; the
 * library itself knows nothing of them.
 */
#ifndef MUSEUM_SWITCH_H
#define MUSEUM_SWITCH_H

/* Number of the exhibit whose mistake is made, 1 upwards; 0: none. Set before the engine runs. */
extern unsigned int museum_bug;

/* Number of the exhibit that is shown, with its mistake or without. */
extern unsigned int museum_shown;

/* What the shown exhibit does at its point of the engine, or NULL. */
extern void (*museum_meeting)(void);

#define museum_has(number) __builtin_expect(museum_bug == (number), 0)

static inline __attribute__((unused)) void museum_meet(unsigned int number)
{
	if (__builtin_expect(museum_shown == number, 0) && museum_meeting)
		museum_meeting();
}

#endif
