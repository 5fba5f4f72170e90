// SPDX-License-Identifier: BSD-2-Clause
/*
 * A race as a drawing: a column for each thread, and from top to bottom who ran when and what he was doing.
 *
 * The schedule that brought it out is executed again with a trace of its points. binutils' addr2line says which function of src/ each
 * address belongs to; where it is not installed the drawing shows counts alone.
 */
#include "race.h"
#include "xml.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define STEPS_MAX    512  /* functions in a row that differ */
#define POINTS_MAX   8192 /* of a trace */
#define FUNCTION     48
#define LINES_MAX    7 /* of a box */
#define COLUMN	     300
#define LINE_HEIGHT  17
#define MARGIN	     24
#define THREAD_NAMES "abcr"

struct point {
	char thread;
	unsigned long address;
	char function[FUNCTION]; /* empty: nobody knows */
};

struct trace {
	unsigned int nr;
	struct point point[POINTS_MAX];
};

/* ---------------------------------------------------------------- the trace */

static int read_points(FILE *in, struct trace *t)
{
	char line[256];

	while (fgets(line, sizeof(line), in)) {
		const char *at = strstr(line, " at 0x");

		if (!at || !strchr(THREAD_NAMES, line[0]) || t->nr == POINTS_MAX)
			continue;
		t->point[t->nr].thread = line[0];
		t->point[t->nr].address = strtoul(at + 4, NULL, 16);
		t->point[t->nr++].function[0] = 0;
	}
	return 0;
}

static int execute_again(const struct visit *v, struct trace *t)
{
	char path[PATH_MAX], scenario[128], design[32], schedule[VISIT_TEXT];
	char *argv[] = { path,
			 scenario,
			 (char *)"--design",
			 design,
			 (char *)"--schedule",
			 schedule,
			 (char *)"--trace",
			 NULL };
	int fd, status, error;
	FILE *in;
	pid_t pid;

	if (!race_find_weaver(path))
		return -1;
	snprintf(scenario, sizeof(scenario), "%s", v->exhibit->scenario);
	snprintf(design, sizeof(design), "%s", v->design);
	snprintf(schedule, sizeof(schedule), "%s", v->schedule);
	race_set_switch(v);
	error = race_spawn(argv, -1, STDERR_FILENO, &fd, &pid);
	unsetenv(RACE_SWITCH);
	if (error)
		return -1;
	in = fdopen(fd, "r");
	error = in ? read_points(in, t) : -1;
	if (in)
		fclose(in);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return error;
}

/* ---------------------------------------------------------------- functions */

/* A memory file with all addresses, at its beginning. -1: none. */
static int list_addresses(const struct trace *t)
{
	int fd = memfd_create("rmap-museum", MFD_CLOEXEC);

	for (unsigned int i = 0; fd >= 0 && i < t->nr; i++)
		dprintf(fd, "0x%lx\n", t->point[i].address);
	if (fd >= 0)
		lseek(fd, 0, SEEK_SET);
	return fd;
}

/*
 * Each address, then function and place of each frame that was inlined there: the first of a .c file in src/ is who did it, or else
 * the machine in port/.
 */
static void read_functions(FILE *in, struct trace *t)
{
	char line[512], function[FUNCTION] = "";
	struct point *point = t->point - 1;
	bool is_place = false, found = false;

	while (fgets(line, sizeof(line), in)) {
		if (!strncmp(line, "0x", 2)) {
			if (++point == t->point + t->nr)
				return;
			is_place = found = false;
			continue;
		}
		if (point < t->point)
			return;
		if (!is_place) {
			snprintf(function, sizeof(function), "%.*s", (int)strcspn(line, "\n"),
				 line);
		} else if (!found && strstr(line, ".c:")) {
			found = strstr(line, "/src/") != NULL;
			if (found || !*point->function)
				memcpy(point->function, function, sizeof(function));
		}
		is_place = !is_place;
	}
}

static void name_functions(struct trace *t)
{
	char path[PATH_MAX];
	char *argv[] = { (char *)"addr2line", (char *)"-f", (char *)"-i", (char *)"-a",
			 (char *)"-e",	      path,	    NULL };
	int input = list_addresses(t), fd, status;
	pid_t pid;
	FILE *in;

	if (input < 0)
		return;
	if (!race_find_weaver(path) || race_spawn(argv, input, STDOUT_FILENO, &fd, &pid)) {
		close(input);
		return;
	}
	close(input);
	in = fdopen(fd, "r");
	if (in) {
		read_functions(in, t);
		fclose(in);
	}
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
}

/* ---------------------------------------------------------------- the drawing */

/* A thread runs from one point to another, in these functions. */
struct segment {
	unsigned int first, end;
	unsigned int nr;
	const char *function[STEPS_MAX];
};

static void collect(const struct trace *t, struct segment *s)
{
	char thread = t->point[s->first].thread;

	s->nr = 0;
	for (s->end = s->first; s->end < t->nr && t->point[s->end].thread == thread; s->end++) {
		const char *function = t->point[s->end].function;

		if (*function && s->nr < STEPS_MAX &&
		    (!s->nr || strcmp(s->function[s->nr - 1], function)))
			s->function[s->nr++] = function;
	}
}

static unsigned int lines_of(const struct segment *s)
{
	return 1 + (s->nr < LINES_MAX ? s->nr : LINES_MAX);
}

static void print_text(FILE *out, int x, int y, const char *style, const char *text)
{
	fprintf(out, "<text x=\"%d\" y=\"%d\" class=\"%s\">", x, y, style);
	xml_put(text, SIZE_MAX, out);
	fputs("</text>\n", out);
}

static unsigned int nr_threads(const struct visit *v)
{
	unsigned int nr = 1;

	for (const char *at = v->exhibit->scenario; *at; at++)
		nr += *at == '+';
	return nr;
}

/* RCU's stands behind the threads'. */
static unsigned int column_of(const struct visit *v, char thread)
{
	return thread == 'r' ? nr_threads(v) : (unsigned int)(thread - 'a');
}

/* Many functions: how it began, and where it was stopped. */
static void print_functions(FILE *out, const struct segment *s, int x, int y)
{
	for (unsigned int i = 0, line = 0; i < s->nr; i++) {
		if (s->nr > LINES_MAX && i == 2) {
			print_text(out, x, y + (int)line++ * LINE_HEIGHT, "more", "…");
			i = s->nr - (LINES_MAX - 3);
		}
		print_text(out, x, y + (int)line++ * LINE_HEIGHT, "function", s->function[i]);
	}
}

static int print_segment(FILE *out, const struct visit *v, const struct trace *t,
			 const struct segment *s, int y)
{
	int x = MARGIN + (int)column_of(v, t->point[s->first].thread) * COLUMN;
	int height = (int)lines_of(s) * LINE_HEIGHT + 10;
	char text[64];

	fprintf(out, "<rect x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\" rx=\"5\"/>\n", x, y,
		COLUMN - 30, height);
	snprintf(text, sizeof(text), "%u point%s", s->end - s->first,
		 s->end - s->first == 1 ? "" : "s");
	print_text(out, x + 10, y + LINE_HEIGHT, "more", text);
	print_functions(out, s, x + 10, y + 2 * LINE_HEIGHT);
	return y + height + 10;
}

static void print_heads(FILE *out, const struct visit *v, unsigned int columns, int y)
{
	const char *operation = v->exhibit->scenario;

	for (unsigned int i = 0; i < columns; i++) {
		size_t n = strcspn(operation, "+");
		char text[96];

		if (i == nr_threads(v))
			snprintf(text, sizeof(text), "what RCU put off");
		else
			snprintf(text, sizeof(text), "%c: %.*s", (char)('a' + i), (int)n,
				 operation);
		print_text(out, MARGIN + (int)i * COLUMN, y, "head", text);
		operation += n + (operation[n] == '+');
	}
}

static void print_svg(FILE *out, const struct visit *v, const struct trace *t)
{
	unsigned int columns = 0;
	int height = 130, y = 100;
	struct segment s;
	char text[VISIT_TEXT + 64];

	for (s.first = 0; s.first < t->nr; s.first = s.end) {
		unsigned int column = column_of(v, t->point[s.first].thread) + 1;

		collect(t, &s);
		height += (int)lines_of(&s) * LINE_HEIGHT + 20;
		columns = column > columns ? column : columns;
	}
	fprintf(out,
		"<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%u\" height=\"%d\">\n"
		"<style>text { font-family: sans-serif; font-size: 12px } .title { font-size: "
		"17px; "
		"font-weight: bold } .head { font-weight: bold; font-size: 14px } .more { fill: "
		"#667 } "
		".wrong { fill: #b02; font-weight: bold } rect { fill: #eef2f8; stroke: #8ab "
		"}</style>\n"
		"<rect width=\"100%%\" height=\"100%%\" style=\"fill: white; stroke: none\"/>\n",
		2 * MARGIN + columns * COLUMN, height);
	snprintf(text, sizeof(text), "%s %s: who ran when (%s)", v->exhibit->bug, v->exhibit->name,
		 v->design);
	print_text(out, MARGIN, 34, "title", text);
	print_text(out, MARGIN, 56, "more",
		   "from top to bottom; functions in which a thread met others, "
		   "the last one where it was stopped");
	print_heads(out, v, columns, 86);
	for (s.first = 0; s.first < t->nr; s.first = s.end) {
		collect(t, &s);
		y = print_segment(out, v, t, &s, y);
	}
	print_text(out, MARGIN, y + LINE_HEIGHT, "wrong", v->how);
	fputs("</svg>\n", out);
}

int race_draw(const struct visit *v, const char *directory)
{
	static struct trace trace;
	char path[PATH_MAX];
	FILE *out;

	trace.nr = 0;
	if (*v->schedule && execute_again(v, &trace)) {
		fprintf(stderr, "rmap bugs: %s: its schedule cannot be executed again\n",
			v->exhibit->name);
		return -1;
	}
	/* Wrong with the threads one after the other, too: there is no order to be drawn. */
	if (!trace.nr)
		return 0;
	name_functions(&trace);
	snprintf(path, sizeof(path), "%s/bug-%s-wrong.svg", directory, v->exhibit->name);
	out = fopen(path, "w");
	if (out)
		print_svg(out, v, &trace);
	if (!out || ferror(out) || fclose(out)) {
		fprintf(stderr, "rmap bugs: %s: %s\n", path, strerror(errno));
		return -1;
	}
	return 1;
}
