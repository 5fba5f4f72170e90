/* SPDX-License-Identifier: BSD-2-Clause */
/* Numbers on a command line: digits and nothing else, within bounds. strtoull() alone takes signs, spaces and what is too large. */
#ifndef RMAP_TOOL_NUMBER_H
#define RMAP_TOOL_NUMBER_H

#include <argp.h>
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

/* False: text is no number in that base from least to most, and *out says nothing. In base 16 it may begin with 0x. */
static inline bool number_parse_base(const char *text, int base, uint64_t least, uint64_t most,
				     uint64_t *out)
{
	char *end;

	errno = 0;
	*out = strtoull(text, &end, base);
	return (base == 16 ? isxdigit((unsigned char)*text) : isdigit((unsigned char)*text)) &&
	       !*end && !errno && *out >= least && *out <= most;
}

/* The same, decimal. */
static inline bool number_parse(const char *text, uint64_t least, uint64_t most, uint64_t *out)
{
	return number_parse_base(text, 10, least, most, out);
}

/* How much of what was typed can be shown: what comes behind might be meant for the terminal. */
static inline int number_shown(const char *text)
{
	int n = 0;

	while (n < 60 && text[n] >= ' ' && text[n] <= '~')
		n++;
	return n;
}

/* The number that option what (its name, with dashes) was given; if that is none, says so and ends the program with 2. */
static inline uint64_t number_option(struct argp_state *state, const char *what, const char *text,
				     uint64_t least, uint64_t most)
{
	uint64_t value;

	if (!number_parse(text, least, most, &value))
		argp_failure(state, 2, 0,
			     "%s must be a number from %" PRIu64 " to %" PRIu64 ", not '%.*s'",
			     what, least, most, number_shown(text), text);
	return value;
}

/* The same for seconds, which may have a fraction. */
static inline double number_seconds(struct argp_state *state, const char *what, const char *text,
				    double least, double most)
{
	char *end;
	double value = strtod(text, &end);

	/* Written so that what is no number at all is none either. */
	if (!isdigit((unsigned char)*text) || *end || !(value >= least && value <= most))
		argp_failure(state, 2, 0, "%s must be seconds from %g to %.0f, not '%.*s'", what,
			     least, most, number_shown(text), text);
	return value;
}

#endif
