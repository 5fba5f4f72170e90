/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A fence around the engine's objects: each stands on a page of its own, which nobody can touch any more once it is freed.
 *
 * So the first use of a freed object stops the exhibit, and is named: what it was, and in which line it was freed. Freed memory is never
 * reused; what a late reader may do to a type-stable object is the weaver's to show.
 */
#ifndef MUSEUM_FENCE_H
#define MUSEUM_FENCE_H

/*
 * From now on objects of all machines are fenced, and a touch of a freed one prints a sentence on stderr and ends the process. line:
 * of the workload that is carried out, kept up to date by the caller. Once, with no machine yet.
 */
void fence_begin(const volatile unsigned int *line);

#endif
