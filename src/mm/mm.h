/* SPDX-License-Identifier: BSD-2-Clause */
/* Making and dropping struct mm, for fork and exec, and holding one that was found on a list. */
#ifndef MM_MM_INTERNAL_H
#define MM_MM_INTERNAL_H

#include "../base/refs.h"
#include "mm_types.h"

/* A struct mm with an empty top table, one user, on no list, unknown to tier 1. NULL: no memory. */
struct mm *mm_new(struct mm_system *sys);
/* It is complete as far as tier 1 is concerned: on the system's list. */
void mm_publish(struct mm *mm);
/* Undo mm_new(): it was never published nor known to tier 1. */
void mm_discard(struct mm *mm);

/*
 * Become a user of an mm met on a list, unless its last user has gone. With the list's lock held; mm_put() returns it, without
 * that lock.
 */
static inline bool mm_try_get(struct mm *mm)
{
	return refs_try_get(&mm->users);
}

#endif
