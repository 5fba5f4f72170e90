// SPDX-License-Identifier: BSD-2-Clause
/*
 * Sentences without a libc.
 *
 * The checker names what is wrong with numbers in it, and nothing below src/ may call snprintf. Seven conversions are enough
 * for that; an unknown one is written as it stands, so that a mistake shows instead of being swallowed.
 */
#include "format.h"

#include <stdarg.h>

/* Where the next character goes; one byte is always left for the end. */
struct sentence {
	char *next;
	char *last; /* the place of the terminating zero at the latest */
};

static void put_char(struct sentence *s, char c)
{
	if (s->next < s->last)
		*s->next++ = c;
}

static void put_string(struct sentence *s, const char *text)
{
	if (!text)
		text = "(null)";
	while (*text)
		put_char(s, *text++);
}

static void put_number(struct sentence *s, uint64_t value, unsigned int base)
{
	char digits[20]; /* of 2^64 in base 10 */
	unsigned int nr = 0;

	do {
		digits[nr++] = "0123456789abcdef"[value % base];
		value /= base;
	} while (value);
	while (nr)
		put_char(s, digits[--nr]);
}

static void put_signed(struct sentence *s, int64_t value)
{
	uint64_t magnitude = (uint64_t)value;

	if (value < 0) {
		put_char(s, '-');
		magnitude = 0 - magnitude;
	}
	put_number(s, magnitude, 10);
}

/* One conversion behind its %; returns what follows it in the format. */
static const char *put_conversion(struct sentence *s, const char *format, va_list *args)
{
	switch (*format) {
	case 's':
		put_string(s, va_arg(*args, const char *));
		return format + 1;
	case 'd':
		put_signed(s, va_arg(*args, int));
		return format + 1;
	case 'u':
		put_number(s, va_arg(*args, unsigned int), 10);
		return format + 1;
	case 'p':
		put_string(s, "0x");
		put_number(s, (uintptr_t)va_arg(*args, void *), 16);
		return format + 1;
	case '%':
		put_char(s, '%');
		return format + 1;
	case 'l':
		if (format[1] == 'u' || format[1] == 'x') {
			put_number(s, va_arg(*args, uint64_t), format[1] == 'u' ? 10 : 16);
			return format + 2;
		}
		if (format[1] == 'd') {
			put_signed(s, va_arg(*args, int64_t));
			return format + 2;
		}
		break;
	}
	put_char(s, '%');
	return format;
}

char *format_sentence(char *buf, size_t size, const char *format, ...)
{
	struct sentence s = { .next = buf, .last = buf + size - 1 };
	va_list args;

	va_start(args, format);
	while (*format) {
		if (*format == '%')
			format = put_conversion(&s, format + 1, &args);
		else
			put_char(&s, *format++);
	}
	va_end(args);
	*s.next = '\0';
	return buf;
}
