/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Swap space for the live side: a file that a process of its own, the *keeper*, swaps to and takes away again.
 *
 * The keeper waits for its maker to end, and ends swapping then, however the maker ended: it ignores signals and hears by a
 * socket that is closed. Should the keeper be killed, too, the file's name has its number, and the next one clears it away.
 */
#ifndef RMAP_TOOL_VERIFY_SWAP_H
#define RMAP_TOOL_VERIFY_SWAP_H

#include <stdbool.h>
#include <stdint.h>

#define VERIFY_SWAP_PAGES ((uint64_t)16384)
#define VERIFY_SWAP_ERROR 256

/* From now on, for this process, until it ends. 0, or -1 with a sentence: this machine does not let us. Again: nothing. */
int verify_swap_begin(char error[VERIFY_SWAP_ERROR]);
/* Switched off and removed when this returns. At the end of the process it is done by itself. */
void verify_swap_end(void);
/* swapon(2), swapoff(2). 0 or a negative error. */
int verify_swap_set(bool on);
/*
 * Does this error of verify_swap_set() say that swap was on, or off, as it should be? swapon(2) finds the file busy then, swapoff(2)
 * finds no such swap; both are answers, where any other error means that this machine cannot be asked.
 */
bool verify_swap_was_so(bool on, int error);

#endif
