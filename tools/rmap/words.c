// SPDX-License-Identifier: BSD-2-Clause
/* Numbers and sentences for people. */
#include "words.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

const char *words_count(uint64_t n, char buf[32])
{
	char digits[32];
	int len = snprintf(digits, sizeof(digits), "%llu", (unsigned long long)n);
	char *out = buf;

	for (int i = 0; i < len; i++) {
		if (i && (len - i) % 3 == 0)
			*out++ = ',';
		*out++ = digits[i];
	}
	*out = '\0';
	return buf;
}

const char *words_bytes(uint64_t n, char buf[32])
{
	static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB" };
	unsigned int unit = 0;
	double value = (double)n;

	while (value >= 1024 && unit < 6) {
		value /= 1024;
		unit++;
	}
	snprintf(buf, 32, unit ? "%.1f %s" : "%.0f %s", value, units[unit]);
	return buf;
}

unsigned int words_terminal(FILE *out)
{
	struct winsize size;

	return !ioctl(fileno(out), TIOCGWINSZ, &size) ? size.ws_col : 0;
}

bool words_redraws(FILE *out)
{
	const char *kind = getenv("TERM");

	return isatty(fileno(out)) && kind && *kind && strcmp(kind, "dumb") != 0;
}

void words_progress(FILE *out, const char *format, ...)
{
	unsigned int columns = words_terminal(out);
	char text[256];
	va_list args;

	if (!words_redraws(out))
		return;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	/* A line that wraps would be left behind. */
	fprintf(out, "\r\033[K%.*s", columns ? (int)columns - 1 : (int)sizeof(text), text);
	fflush(out);
}

void words_progress_over(FILE *out)
{
	if (!words_redraws(out))
		return;
	fputs("\r\033[K", out);
	fflush(out);
}

static void say(FILE *out, size_t indent, const char *format, va_list args)
{
	size_t columns = words_terminal(out), at = indent;
	char text[1024];

	vsnprintf(text, sizeof(text), format, args);
	for (const char *word = text; *word;) {
		size_t len = strcspn(word, " ");

		if (at > indent && columns && at + 1 + len > columns) {
			fprintf(out, "\n%*s", (int)indent, "");
			at = indent;
		} else if (at > indent) {
			fputc(' ', out);
			at++;
		}
		fwrite(word, 1, len, out);
		at += len;
		word += len;
		word += *word == ' ';
	}
	fputc('\n', out);
}

void words_say(FILE *out, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	say(out, 0, format, args);
	va_end(args);
}

void words_say_at(FILE *out, size_t at, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	say(out, at, format, args);
	va_end(args);
}
