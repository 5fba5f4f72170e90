// SPDX-License-Identifier: BSD-2-Clause
/*
 * One design, chosen at build time, and all that asks it, as one unit: with -DRMAP_ONLY_DESIGN=NAME this file is compiled instead of
 * those that it includes. The compiler then sees the design's table where it is asked, calls what stands there without a detour, and
 * drops what the design does not care for. Without the definition there is nothing here.
 *
 * rmap_init() refuses any other design; layers around a design (rmap compare's clocks) are not possible in such a build.
 */
#include "design.h"

#ifdef RMAP_ONLY_DESIGN
#define ONLY_TEXT(text)	 #text
#define ONLY_QUOTE(text) ONLY_TEXT(text)
#include ONLY_QUOTE(RMAP_ONLY_DESIGN.c)

#include "page.c"
#include "rmap.c"
#include "vma.c"
#include "walk.c"
#endif
