/* SPDX-License-Identifier: BSD-2-Clause */
/* Numbers and sentences for people. The numbers are written to @buf, and it is returned. */
#ifndef RMAP_TOOLS_WORDS_H
#define RMAP_TOOLS_WORDS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

/* 1,234,567 */
const char *words_count(uint64_t n, char buf[32]);
/* 1.2 GiB */
const char *words_bytes(uint64_t n, char buf[32]);

/* The columns of the terminal that @out is; 0: it is none. */
unsigned int words_terminal(FILE *out);
/* What stands on @out can be written over: a terminal, and not one that TERM calls dumb. */
bool words_redraws(FILE *out);
/*
 * One line that the next takes the place of, cut to the terminal's width, and an end to it: what is said afterwards stands where it was.
 * Nothing where words_redraws() is false.
 */
__attribute__((format(printf, 2, 3))) void words_progress(FILE *out, const char *format, ...);
void words_progress_over(FILE *out);
/* A sentence, and a newline. On a terminal it goes on in the next line where a word would be cut. */
__attribute__((format(printf, 2, 3))) void words_say(FILE *out, const char *format, ...);
/* The same behind @at columns that are printed already; the next lines leave them free. */
__attribute__((format(printf, 3, 4))) void words_say_at(FILE *out, size_t at, const char *format,
							...);

#endif
