// SPDX-License-Identifier: BSD-2-Clause
/*
 * rmap draw: the live structures at a point of a workload, as a picture.
 *
 * The workload is carried out like any other, up to the point; then the structures are read (draw_model.c), put into Graphviz's
 * language (draw_dot.c) and handed to its `dot`, which is run, not linked.
 */
#include "commands.h"
#include "draw.h"
#include "number.h"
#include "output.h"

#include <argp.h>
#include <errno.h>
#include <inttypes.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
	EXIT_OK = 0,
	EXIT_FAILED = 1, /* an expectation on the way did not hold */
	EXIT_BAD = 2,	 /* bad input, or no picture could be made */
};

struct args {
	struct draw_request request;
	const char *design;
	uint64_t at; /* line, or operations; 0: the end */
};

static const char *const formats[] = { "svg", "png", "pdf", "dot" };

static const struct argp_option options[] = {
	{ "design", 'd', "NAME", 0, "The reverse map to use (default: anon_vma_chain)", 0 },
	{ "at", 'a', "LINE", 0,
	  "Stop behind this line of the workload, or this many operations of a record or generator "
	  "(default: at its end)",
	  0 },
	{ "page", 'p', "WHERE", 0,
	  "Draw only the page at WHERE, as 'P heap+1p', and what maps it or is looked at for it",
	  0 },
	{ "output", 'o', "FILE", 0,
	  "Write FILE.svg, FILE.png, FILE.pdf or, Graphviz's text, FILE.dot", 0 },
	{ "title", 't', "TEXT", 0, "What stands over the drawing (default: the workload and line)",
	  0 },
	{ "processes", 'n', "N", 0, "Draw at most N processes (default: 8)", 0 },
	{ "vmas", 'm', "N", 0, "Draw at most N VMAs of each process (default: 8)", 0 },
	{ 0 },
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct args *args = state->input;

	switch (key) {
	case 'd':
		args->design = arg;
		break;
	case 'a':
		args->at = number_option(state, "--at", arg, 1, UINT64_MAX);
		break;
	case 'p':
		args->request.page = arg;
		break;
	case 'o':
		args->request.output = arg;
		break;
	case 't':
		args->request.title = arg;
		break;
	case 'n':
		args->request.limits.processes =
			(unsigned int)number_option(state, "--processes", arg, 1, 1000);
		break;
	case 'm':
		args->request.limits.vmas =
			(unsigned int)number_option(state, "--vmas", arg, 1, 1000);
		break;
	case ARGP_KEY_ARG:
		if (args->request.workload)
			argp_error(state, "only one workload can be drawn");
		args->request.workload = arg;
		break;
	case ARGP_KEY_END:
		if (!args->request.workload)
			argp_error(state, "the workload is missing");
		if (!args->request.output)
			argp_error(state, "-o FILE is missing");
		break;
	default:
		return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

static const struct argp argp = {
	.options = options,
	.parser = parse,
	.args_doc = "WORKLOAD -o FILE",
	.doc = "Draw the live structures at a point of a workload: processes, VMAs, pages "
	       "and page-table entries, and what the reverse map holds to come from one to the "
	       "other.\v"
	       "WORKLOAD is what rmap run takes: FILE.rmw, FILE.rmrec or a generator.\n\n"
	       "  rmap draw workloads/draw/fork.rmw --at 43 -o cow.svg\n"
	       "        a parent and a child that has written one of its pages\n"
	       "  rmap draw workloads/draw/fork.rmw --at 44 --page 'P heap+1p' -o page.svg\n"
	       "        one page, and whom a walk from it asks\n"
	       "  rmap draw prefork:workers=5,pages=3 --at 14 --design lineage -o prefork.svg\n"
	       "        a generator after 14 operations, on another reverse map\n\n"
	       "SVG, PNG and PDF need Graphviz's dot. Exit code: 0 the drawing is there; 1 an "
	       "expectation on the way did not hold; 2 the command line or a file cannot be used, "
	       "or "
	       "nothing is there to be drawn.",
};

/* ---------------------------------------------------------------- to the point */

int draw_run_to(struct runner *r, struct op_source *source, uint64_t at, uint64_t *reached,
		char err[OPS_ERR_SIZE])
{
	struct op op;
	uint64_t operations = 0;
	int more;

	*reached = 0;
	while ((more = source->next(source, &op, err)) > 0) {
		uint64_t here = op.line ? op.line : ++operations;
		enum runner_result result;

		if (at && here > at)
			return EXIT_OK;
		result = runner_step(r, &op, err);
		if (result != RUNNER_OK)
			return result == RUNNER_FAILED ? EXIT_FAILED : EXIT_BAD;
		if (here > *reached)
			*reached = here;
	}
	return more < 0 ? EXIT_BAD : EXIT_OK;
}

struct process_list {
	struct runner *r;
	struct draw_process *array;
	uint32_t nr;
	bool failed;
};

static void add_process(uint64_t proc, struct mm *mm, void *arg)
{
	struct process_list *list = arg;
	struct draw_process *larger, *p;

	/* Threads and vfork children share what is drawn already. */
	for (uint32_t i = 0; i < list->nr; i++) {
		if (list->array[i].mm == mm) {
			size_t used = strlen(list->array[i].name);
			char name[DRAW_NAME];

			snprintf(list->array[i].name + used, DRAW_NAME - used, " = %s",
				 runner_proc_name(list->r, proc, name, sizeof(name)));
			return;
		}
	}
	larger = realloc(list->array, (list->nr + 1) * sizeof(*larger));
	if (!larger) {
		list->failed = true;
		return;
	}
	list->array = larger;
	p = &larger[list->nr++];
	memset(p, 0, sizeof(*p));
	p->mm = mm;
	runner_proc_name(list->r, proc, p->name, sizeof(p->name));
}

/* The page that --page asks for. */
static int find_page(struct runner *r, struct op_source *source, const char *where,
		     struct page **page, char err[OPS_ERR_SIZE])
{
	struct op_addr place;
	uint64_t proc, addr;
	struct mm *mm;

	if (!source->place) {
		snprintf(err, OPS_ERR_SIZE, "%s is a %s: it knows no places by name.", source->name,
			 source->kind);
		return -1;
	}
	if (source->place(source, where, &proc, &place, err))
		return -1;
	mm = runner_mm(r, proc);
	if (!mm) {
		snprintf(err, OPS_ERR_SIZE, "--page %s: there is no such process at that point.",
			 where);
		return -1;
	}
	if (runner_resolve(r, &place, &addr)) {
		snprintf(err, OPS_ERR_SIZE, "--page %s: that place has no address yet.", where);
		return -1;
	}
	*page = draw_page_at(mm, addr);
	if (!*page) {
		snprintf(err, OPS_ERR_SIZE, "--page %s: no page is mapped at 0x%" PRIx64 ".", where,
			 addr);
		return -1;
	}
	return 0;
}

/* ---------------------------------------------------------------- the picture */

static bool ends_in(const char *name, const char *end)
{
	size_t n = strlen(name), m = strlen(end);

	return n > m && !strcmp(name + n - m, end);
}

static int write_file(const char *path, const char *text, size_t size, char err[OPS_ERR_SIZE])
{
	FILE *out = fopen(path, "w");
	bool failed = !out || fwrite(text, 1, size, out) != size;

	if (out && fclose(out))
		failed = true;
	if (failed)
		snprintf(err, OPS_ERR_SIZE, "%s: %s.", path, strerror(errno));
	return failed ? -1 : 0;
}

/* dot -TFORMAT -o PATH, reading input from its beginning. */
static int spawn_dot(const char *format, const char *path, int input, pid_t *pid)
{
	char type[8];
	char *argv[] = { (char *)"dot", type, (char *)"-o", strdup(path), NULL };
	posix_spawn_file_actions_t actions;
	extern char **environ;
	int error;

	if (!argv[3])
		return ENOMEM;
	snprintf(type, sizeof(type), "-T%s", format);
	error = posix_spawn_file_actions_init(&actions);
	if (!error) {
		error = posix_spawn_file_actions_adddup2(&actions, input, STDIN_FILENO);
		if (!error)
			error = posix_spawnp(pid, "dot", &actions, NULL, argv, environ);
		posix_spawn_file_actions_destroy(&actions);
	}
	free(argv[3]);
	return error;
}

static int run_dot(const char *format, const char *path, int input, char err[OPS_ERR_SIZE])
{
	int status = 0, error;
	pid_t pid;

	error = spawn_dot(format, path, input, &pid);
	if (error) {
		snprintf(err, OPS_ERR_SIZE,
			 "Graphviz's dot cannot be run (%s): install graphviz, or write a .dot "
			 "file.",
			 strerror(error));
		return -1;
	}
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (!WIFEXITED(status) || WEXITSTATUS(status)) {
		snprintf(err, OPS_ERR_SIZE, "%s: Graphviz's dot could not write it.", path);
		return -1;
	}
	return 0;
}

/* The text for dot is in memory that looks like a file: a pipe would have to be fed while dot runs. */
static int write_picture(const char *path, const char *format, const char *text, size_t size,
			 char err[OPS_ERR_SIZE])
{
	FILE *input;
	int result, fd;

	if (!strcmp(format, "dot"))
		return write_file(path, text, size, err);
	fd = memfd_create("rmap-draw", MFD_CLOEXEC);
	input = fd < 0 ? NULL : fdopen(fd, "w");
	if (!input || fwrite(text, 1, size, input) != size || fflush(input)) {
		snprintf(err, OPS_ERR_SIZE, "No file for dot can be made: %s.", strerror(errno));
		if (input)
			fclose(input);
		else if (fd >= 0)
			close(fd);
		return -1;
	}
	rewind(input);
	result = run_dot(format, path, fileno(input), err);
	fclose(input);
	return result;
}

/* The workload's name and the point, over the picture. */
static void make_title(const struct draw_request *request, const struct draw_model *m,
		       const char *kind, uint64_t reached, char *title, size_t size)
{
	const char *name = strrchr(request->workload, '/');
	int used = snprintf(title, size, "%s", name ? name + 1 : request->workload);

	if (request->title) {
		snprintf(title, size, "%s", request->title);
		return;
	}
	if (reached && used > 0 && (size_t)used < size)
		used += snprintf(title + used, size - (size_t)used, ", %s %" PRIu64,
				 strcmp(kind, "workload") ? "operation" : "line", reached);
	if (request->page && used > 0 && (size_t)used < size)
		used += snprintf(title + used, size - (size_t)used, ": the page at %s",
				 request->page);
	if (strcmp(m->design, "anon_vma_chain") && used > 0 && (size_t)used < size)
		snprintf(title + used, size - (size_t)used, " (%s)", m->design);
}

/* NULL, with a sentence: the name says none. */
static const char *format_of(const char *output, char err[OPS_ERR_SIZE])
{
	for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++) {
		char end[8];

		snprintf(end, sizeof(end), ".%s", formats[i]);
		if (ends_in(output, end))
			return formats[i];
	}
	snprintf(err, OPS_ERR_SIZE, "%s: the name must end in .svg, .png, .pdf or .dot.", output);
	return NULL;
}

int draw_runner(const struct draw_request *request, struct runner *r, struct op_source *source,
		uint64_t reached, char err[OPS_ERR_SIZE])
{
	const char *format = format_of(request->output, err);
	struct process_list list = { .r = r };
	struct page *page = NULL;
	struct draw_model model;
	char title[512], *text;
	size_t size;
	int result;

	if (!format || (request->page && find_page(r, source, request->page, &page, err)))
		return EXIT_BAD;
	runner_for_each(r, add_process, &list);
	if (!list.nr && !list.failed) {
		snprintf(err, OPS_ERR_SIZE,
			 "No process is left to draw there, or none is there yet (--at asks for "
			 "another point).");
		return EXIT_BAD;
	}
	if (list.failed ||
	    draw_collect(&model, runner_system(r), list.array, list.nr, page, request->limits)) {
		free(list.array);
		snprintf(err, OPS_ERR_SIZE, "There is no memory for the drawing.");
		return EXIT_BAD;
	}
	free(list.array);
	make_title(request, &model, source->kind, reached, title, sizeof(title));
	text = draw_dot(&model, title, &size);
	draw_free(&model);
	if (!text) {
		snprintf(err, OPS_ERR_SIZE, "There is no memory for the drawing.");
		return EXIT_BAD;
	}
	result = write_picture(request->output, format, text, size, err);
	free(text);
	return result ? EXIT_BAD : EXIT_OK;
}

static int run_and_draw(const struct args *args, char err[OPS_ERR_SIZE])
{
	struct runner_options run = { .design = args->design };
	struct op_source *source;
	struct runner *r;
	uint64_t reached;
	int result;

	if (source_open(args->request.workload, &source, err))
		return EXIT_BAD;
	if (runner_create(&run, source, &r, err)) {
		source->close(source);
		return EXIT_BAD;
	}
	result = draw_run_to(r, source, args->at, &reached, err);
	if (result == EXIT_OK)
		result = draw_runner(&args->request, r, source, args->at ? reached : 0, err);
	runner_destroy(r);
	source->close(source);
	return result;
}

int cmd_draw(int argc, char **argv)
{
	struct args args = { .request.limits = DRAW_LIMITS };
	char err[OPS_ERR_SIZE] = "";
	int result;

	argp_err_exit_status = EXIT_BAD;
	if (argp_parse(&argp, argc, argv, 0, NULL, &args))
		return EXIT_BAD;
	result = EXIT_BAD;
	if (format_of(args.request.output, err) &&
	    !output_check(args.request.output, err, sizeof(err)))
		result = run_and_draw(&args, err);
	if (result)
		fprintf(stderr, "rmap draw: %s\n", err);
	return result;
}
