// SPDX-License-Identifier: BSD-2-Clause
/*
 * An exhibit's drawings: before, the moment it goes wrong, and the same moment without the mistake. Each is drawn from live structures, in
 * a process of its own, since the wrong ones may not let themselves be drawn.
 */
#include "visit.h"

#include "draw.h"
#include "switch.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define DRAW_SECONDS 30

struct picture {
	const char *what;   /* of the file's name */
	const char *marker; /* in the workload: behind the line before it is drawn */
	const char *title;
	bool mistake;
};

static const struct picture pictures[] = {
	{ "before", "#@before ", "before", true },
	{ "wrong", "#@moment ", "the moment it goes wrong", true },
	{ "fixed", "#@moment ", "the same moment without the mistake", false },
};

/* The line of the marker, 0: there is none. */
static unsigned int marked_line(const char *workload, const char *marker)
{
	const char *at = strstr(workload, marker);
	unsigned int line = 1;

	for (; at && workload < at; workload++)
		line += *workload == '\n';
	return at ? line : 0;
}

static int draw_child(const struct exhibit *e, unsigned int number, const char *design,
		      const struct picture *picture, const char *path)
{
	struct runner_options options = { .design = design, .seed = 1 };
	struct draw_request request = { .workload = e->name,
					.output = path,
					.limits = DRAW_LIMITS };
	char err[OPS_ERR_SIZE] = "", title[256];
	struct op_source *source;
	uint64_t reached;
	struct runner *r;

	alarm(DRAW_SECONDS);
	museum_bug = picture->mistake ? number : 0;
	museum_shown = number;
	snprintf(title, sizeof(title), "%s %s: %s", e->bug, e->name, picture->title);
	request.title = title;
	if (*e->page)
		request.page = e->page;
	if (lang_open_text(e->name, e->workload, strlen(e->workload), &source, err) ||
	    runner_create(&options, source, &r, err) ||
	    draw_run_to(r, source, marked_line(e->workload, picture->marker), &reached, err) ||
	    draw_runner(&request, r, source, reached, err)) {
		fprintf(stderr, "rmap bugs: %s: %s\n", path, err);
		return 1;
	}
	return 0;
}

static int draw_one(const struct exhibit *e, unsigned int number, const char *design,
		    const struct picture *picture, const char *directory)
{
	char path[PATH_MAX];
	int status;
	pid_t pid;

	snprintf(path, sizeof(path), "%s/bug-%s-%s.svg", directory, e->name, picture->what);
	fflush(NULL);
	pid = fork();
	if (!pid)
		_exit(draw_child(e, number, design, picture, path));
	if (pid < 0) {
		fprintf(stderr, "rmap bugs: %s\n", strerror(errno));
		return -1;
	}
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (WIFSIGNALED(status))
		fprintf(stderr, "rmap bugs: %s: the structures are too wrong to be drawn (%s)\n",
			path, strsignal(WTERMSIG(status)));
	return status ? -1 : 0;
}

int visit_draw(const struct visit *v, const char *directory)
{
	const struct exhibit *exhibit = v->exhibit;
	bool failed = false;
	int drawn = 0;

	if (*exhibit->scenario)
		return race_draw(v, directory);
	for (size_t i = 0; i < sizeof(pictures) / sizeof(pictures[0]); i++)
		if (marked_line(exhibit->workload, pictures[i].marker)) {
			if (draw_one(exhibit, v->number, v->design, &pictures[i], directory))
				failed = true;
			drawn++;
		}
	return failed ? -1 : drawn;
}
