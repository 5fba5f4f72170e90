// SPDX-License-Identifier: BSD-2-Clause
/*
 * The switches' variables. A program that is started for one exhibit (rmap-museum-weave) is told by the environment.
 */
#include "switch.h"

#include <stdlib.h>

unsigned int museum_bug;
unsigned int museum_shown;
void (*museum_meeting)(void);

__attribute__((constructor)) static void from_environment(void)
{
	const char *bug = getenv("RMAP_MUSEUM_BUG");

	if (bug)
		museum_bug = (unsigned int)strtoul(bug, NULL, 10);
}
