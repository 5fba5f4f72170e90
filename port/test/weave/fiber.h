/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Coroutines: stacks, switches between them, and what the sanitizers must be told of them.
 *
 * A switch is a handful of instructions on x86-64 and swapcontext() elsewhere. A fiber that has ended is used again as it stands; one
 * that was left in the middle (an execution that failed or was given up) begins anew.
 */
#ifndef WEAVE_FIBER_H
#define WEAVE_FIBER_H

#include <stdbool.h>

#include "image.h"

struct fiber;

void fiber_start(void);
struct fiber *fiber_create(void);
/* The stack that fiber_start() was called on. */
struct fiber *fiber_main(void);

/* The next switch to it calls fn(arg), which does not return. */
void fiber_prepare(struct fiber *fiber, void (*fn)(void *arg), void *arg);
void fiber_switch(struct fiber *from, struct fiber *to);
/* From has nothing left to do until it is prepared again; then fn goes on behind this call. */
void fiber_end(struct fiber *from, struct fiber *to);

/* What happened up to here on this fiber happened before what follows an acquire elsewhere. Only ThreadSanitizer cares. */
void fiber_sync_release(void *address);
void fiber_sync_acquire(void *address);
/* What this fiber reads and writes from here on (until the end of it) is not looked at. */
void fiber_unwatched(bool on);
/* All that any fiber did happens before what main does next. */
void fiber_release_all(void);

/* Can all fibers but the running one, which is main, be copied and put back where they were? */
bool fiber_has_images(void);
void fiber_image(struct image *im);

#endif
