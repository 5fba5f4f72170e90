/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The weaver as a program that is started: what showing a race and drawing one have in common.
 */
#ifndef MUSEUM_RACE_H
#define MUSEUM_RACE_H

#include "visit.h"

#include <limits.h>
#include <sys/types.h>

/* The variable of the environment that sets the switch of a program that is started for one exhibit. */
#define RACE_SWITCH "RMAP_MUSEUM_BUG"

/* rmap-museum-weave, which lies beside this program. False: it does not. */
bool race_find_weaver(char path[PATH_MAX]);

/* Programs that are started from now on have the visit's switch set; unsetenv(RACE_SWITCH) ends that. */
void race_set_switch(const struct visit *v);

/*
 * Start argv[0], reading from input (-1: as we do), and let *from read what it writes to its descriptor output; where that is not
 * its standard output, the standard output goes nowhere. 0 or an errno.
 */
int race_spawn(char *const argv[], int input, int output, int *from, pid_t *pid);

#endif
