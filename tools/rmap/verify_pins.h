/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Holders of pages on the live side, as an unprivileged program can be one:
 *
 *	nothing			a page given to a pipe (vmsplice)		a plain reference, read by tee(2)
 *	longterm write		a buffer registered with io_uring		a pin; read and written by fixed-buffer I/O
 *	force write		/proc/PID/mem, as a debugger writes		no holder: the page is found again by its address
 *
 * Others there are none of without a device of one's own.
 */
#ifndef RMAP_TOOL_VERIFY_PINS_H
#define RMAP_TOOL_VERIFY_PINS_H

#include "verify_live.h"

#include <linux/io_uring.h>

struct live_pin {
	uint32_t flags; /* MM_PIN_* */
	int pipe[2];	/* the page is in it; or, of a ring, where its bytes pass through */
	int ring;	/* io_uring, -1: none */
	void *queue;	/* its queues, mapped here */
	struct io_uring_params params; /* where in them what is */
	uint64_t addr;		       /* of the page in its owner */
	int mem;		       /* /proc/PID/mem, -1: none */
};

/* NULL, or why there are no such holders. */
const char *live_pin_unable(uint32_t flags);
/*
 * Hold the page at addr; page: its bytes as they are now, which a forced write puts there again. 0; a negative error of the kernel;
 * or 1: this machine does not let us.
 */
int live_pin(struct puppet *puppet, uint64_t addr, uint32_t flags, const void *page,
	     struct live_pin *pin);
/* The page's bytes as the holder has them. 0 or a negative error. */
int live_pin_read(struct live_pin *pin, void *page);
int live_pin_write(struct live_pin *pin, const void *page);
void live_unpin(struct live_pin *pin);

#endif
