// SPDX-License-Identifier: BSD-2-Clause
/*
 * rmap who: which processes map this page of the running system, where, and by which VMA.
 */
#include "commands.h"
#include "number.h"
#include "who_search.h"
#include "words.h"

#include <argp.h>
#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define EXIT_BAD   2
#define FLAGS_SIZE 320

enum { KEY_PFN = 256, KEY_ALL, KEY_JSON, KEY_PROC };

struct arguments {
	const char *root;
	pid_t pid;
	uint64_t addr, pfn;
	unsigned int nr_args;
	bool by_frame, all, json;
};

/* What is asked about, and what came of it. */
struct who {
	const struct arguments *args;
	struct live_frames frames;
	struct who_search search;
	uint64_t entry; /* pagemap's word */
	uint64_t flags; /* kpageflags' */
	double ms;
};

static const struct argp_option options[] = {
	{ "pfn", KEY_PFN, "N", 0, "Ask about the frame of this number, decimal or 0x...", 0 },
	{ "all", KEY_ALL, NULL, 0,
	  "Look into every page table, also when all are found that the kernel counts", 0 },
	{ "json", KEY_JSON, NULL, 0, "Print JSON", 0 },
	{ "proc", KEY_PROC, "DIR", OPTION_HIDDEN, "Look there instead of /proc", 0 },
	{ 0 },
};

static uint64_t frame_number(struct argp_state *state, const char *text)
{
	int base = text[0] == '0' && (text[1] == 'x' || text[1] == 'X') ? 16 : 10;
	uint64_t n;

	if (!number_parse_base(text, base, 0, LIVE_FRAME, &n))
		argp_error(state, "--pfn must be a frame's number, not '%.*s'", number_shown(text),
			   text);
	return n;
}

/* Addresses are hex, as maps prints them, with 0x or without. */
static uint64_t address(struct argp_state *state, const char *text)
{
	uint64_t n;

	if (!number_parse_base(text, 16, 0, INT64_MAX, &n))
		argp_error(state,
			   "'%.*s' is no address (they are hexadecimal, as in /proc/PID/maps)",
			   number_shown(text), text);
	return n & ~(LIVE_PAGE_SIZE - 1);
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct arguments *a = state->input;
	char err[LIVE_ERR_SIZE];

	switch (key) {
	case KEY_PFN:
		a->by_frame = true;
		a->pfn = frame_number(state, arg);
		break;
	case KEY_ALL:
		a->all = true;
		break;
	case KEY_JSON:
		a->json = true;
		break;
	case KEY_PROC:
		a->root = arg;
		break;
	case ARGP_KEY_ARG:
		if (a->nr_args == 0 && live_parse_pid(arg, &a->pid, err))
			argp_error(state, "%s", err);
		else if (a->nr_args == 1)
			a->addr = address(state, arg);
		else if (a->nr_args > 1)
			argp_error(state, "one process and one address, no more");
		a->nr_args++;
		break;
	case ARGP_KEY_END:
		if (a->by_frame && a->nr_args)
			argp_error(state, "either a process and an address, or --pfn");
		if (!a->by_frame && a->nr_args < 2)
			argp_error(state, "a process and an address are wanted, or --pfn N");
		break;
	default:
		return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

static const struct argp argp = {
	.options = options,
	.parser = parse,
	.args_doc = "PID ADDRESS\n--pfn N",
	.doc = "Say which processes map a page, at which address, by which VMA; of a page in swap, "
	       "who "
	       "holds its swap entry."
	       "\v  rmap who 4242 7f3a5c021000\n"
	       "        who shares the page that process 4242 has there\n"
	       "  rmap who --pfn 0x1a2b3c\n"
	       "        who maps this frame (found by looking into all page tables)\n"
	       "  rmap who --all 4242 7f3a5c021000\n"
	       "        look everywhere, also when enough is found\n"
	       "  rmap who --json 4242 7f3a5c021000 | jq '.mappings[].pid'\n"
	       "        for other programs\n"
	       "\n"
	       "The kernel says how often a frame is mapped, not by whom. Relatives are asked "
	       "first, at "
	       "the same address; then whoever maps the same part of the same file; then all. The "
	       "search ends when the kernel's number is reached, and says if it was not.\n"
	       "\n"
	       "Needs CAP_SYS_ADMIN, for frame numbers, and leave to look into other processes "
	       "(CAP_SYS_PTRACE). Reads only.",
};

/* -- the question ------------------------------------------------------------------------------- */

static int read_entry(struct who *w, char err[LIVE_ERR_SIZE])
{
	const struct arguments *a = w->args;
	struct live_proc proc;
	int dir = -1, tables, ret;

	ret = live_proc_read(w->search.root, a->pid, &proc);
	if (!ret)
		dir = live_proc_open(w->search.root, &proc);
	if (dir < 0)
		return live_fail(err, "there is no process %d", (int)a->pid);
	if (live_is_thread(w->search.root, a->pid)) {
		close(dir);
		return live_fail_absent(w->search.root, a->pid, err);
	}
	if (proc.bodiless) {
		close(dir);
		return live_fail(err, "process %d has no memory: a kernel thread or a zombie",
				 (int)a->pid);
	}
	tables = live_pagemap_open(dir);
	ret = tables < 0 ? tables : live_pagemap_at(tables, a->addr, &w->entry);
	if (tables >= 0)
		close(tables);
	close(dir);
	if (ret == -ESRCH)
		return live_fail(err, "process %d has gone, or has no such address", (int)a->pid);
	if (ret == -EACCES || ret == -EPERM)
		return live_fail(err, "process %d may not be looked into: %s", (int)a->pid,
				 live_refusal());
	if (ret)
		return live_fail(err, "the page table of process %d cannot be read: %s",
				 (int)a->pid, strerror(-ret));
	return 0;
}

/* There is no page: is anything mapped there? */
static int fail_no_page(const struct who *w, char err[LIVE_ERR_SIZE])
{
	const struct arguments *a = w->args;
	char name[PATH_MAX], safe[LIVE_SAFE_SIZE], perms[5];
	struct live_vma vma;
	struct live_proc proc;
	int dir = -1, found = -1;

	if (!live_proc_read(w->search.root, a->pid, &proc))
		dir = live_proc_open(w->search.root, &proc);
	if (dir >= 0) {
		found = live_vma_at(dir, a->addr, &vma, name, sizeof(name));
		close(dir);
	}
	live_fail(err, "process %d has no page at 0x%" PRIx64, (int)a->pid, a->addr);
	if (found == 1)
		live_fail(err,
			  "process %d has no page at 0x%" PRIx64 ": %s %s %" PRIx64 "-%" PRIx64
			  "%s%.200s",
			  (int)a->pid, a->addr,
			  w->entry & LIVE_GUARD ? "a guard page, in"
						: "not touched yet or given up, in",
			  live_perms(&vma, perms), vma.start, vma.end, *name ? " " : "",
			  live_safe(name, safe, sizeof(safe)));
	else if (!found)
		live_fail(err, "process %d has no page at 0x%" PRIx64 ": nothing is mapped there",
			  (int)a->pid, a->addr);
	return -1;
}

/* From the page-table entry to what is looked for. */
static int understand(struct who *w, char err[LIVE_ERR_SIZE])
{
	struct who_search *s = &w->search;

	s->key = w->entry & LIVE_FRAME;
	s->swapped = live_is_swapped(w->entry);
	if (s->swapped && s->key)
		return 0;
	if (!(w->entry & LIVE_PRESENT) && !s->swapped)
		return fail_no_page(w, err);
	if (!s->key)
		return live_fail(err,
				 "the kernel shows no frame numbers: CAP_SYS_ADMIN is missing (of "
				 "this page it says: %s)",
				 s->swapped		     ? "in swap"
				 : w->entry & LIVE_EXCLUSIVE ? "present, mapped once"
				 : w->entry & LIVE_FILE	     ? "present, of a file"
							     : "present, shared");
	return 0;
}

static int ask(struct who *w, char err[LIVE_ERR_SIZE])
{
	const struct arguments *a = w->args;
	struct who_search *s = &w->search;
	char missing[LIVE_ERR_SIZE];

	s->mapcount = -1;
	if (a->by_frame) {
		s->key = a->pfn;
		if (!live_sees_frames(s->root))
			return live_fail(err, "the kernel shows no frame numbers: CAP_SYS_ADMIN is "
					      "missing (rmap sharing tells private and shared "
					      "pages of one's own processes apart without it)");
	} else if (read_entry(w, err) || understand(w, err)) {
		return -1;
	}
	live_frames_open(s->root, &w->frames, missing);
	if (s->swapped)
		return 0;
	s->mapcount = live_frame_count(&w->frames, s->key);
	w->flags = live_frame_flags(&w->frames, s->key);
	if (a->by_frame && w->flags >> 20 & 1)
		return live_fail(err, "there is no frame of that number");
	if (s->mapcount < 0 && a->by_frame)
		return live_fail(err, "%s",
				 missing[0] ? missing : "there is no frame of that number");
	return 0;
}

static double now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

/* -- the answer ----------------------------------------------------------------------------------- */

/* Of whose file the page is; NULL: of none, or not found. */
static const struct who_hit *file_of(const struct who *w)
{
	const struct who_search *s = &w->search;
	bool anon = w->flags >> LIVE_KPF_ANON & 1 || s->swapped ||
		    (!w->args->by_frame && !w->flags && !(w->entry & LIVE_FILE));

	return s->nr && s->hits[0].vma.ino && !anon ? &s->hits[0] : NULL;
}

static uint64_t offset_of(const struct who_hit *hit)
{
	return hit->vma.offset + (hit->addr - hit->vma.start);
}

static bool uncounted(const struct who *w)
{
	return !w->search.swapped && w->search.mapcount == 0;
}

/* How the search ended, as a sentence. */
static const char *verdict(const struct who *w, char *buf, size_t size)
{
	const struct who_search *s = &w->search;

	if (uncounted(w) && w->flags >> LIVE_KPF_ZERO & 1)
		snprintf(buf, size,
			 "the page of zeros: everybody's who has read and not written; the kernel "
			 "does not count who maps it");
	else if (uncounted(w))
		snprintf(buf, size, "the kernel counts nobody who maps it");
	else if (s->swapped)
		snprintf(buf, size, "%zu found; the kernel does not say how many there are%s",
			 s->found, s->all ? "" : " (--all looks everywhere)");
	else if (s->mapcount < 0)
		snprintf(buf, size,
			 "%zu found; how many there are is in /proc/kpagecount, which "
			 "cannot be read",
			 s->found);
	else if (s->found < (uint64_t)s->mapcount)
		snprintf(buf, size,
			 "only %zu found of the %" PRId64
			 " that the kernel counts: the others came "
			 "and went, or cannot be seen from here",
			 s->found, s->mapcount);
	else if (s->found > (uint64_t)s->mapcount)
		snprintf(buf, size,
			 "%zu found, more than the %" PRId64 " that the kernel counted before",
			 s->found, s->mapcount);
	else
		snprintf(buf, size, "all %zu found", s->found);
	return buf;
}

static void print_page(const struct who *w)
{
	const struct who_search *s = &w->search;
	const struct who_hit *file = file_of(w);
	char flags[FLAGS_SIZE], safe[LIVE_SAFE_SIZE];

	if (s->swapped) {
		printf("swap entry   area %" PRIu64 ", slot %" PRIu64 "\n", s->key & 31,
		       s->key >> 5);
	} else {
		printf("frame        0x%" PRIx64 " (%" PRIu64 ")\n", s->key, s->key);
		if (s->mapcount >= 0)
			printf("map count    %" PRId64 "\n", s->mapcount);
		if (w->flags)
			printf("flags        %s\n",
			       live_flag_names(w->flags, flags, sizeof(flags)));
	}
	if (file)
		printf("file         %s, offset 0x%" PRIx64 " (device %" PRIx64 ":%" PRIx64
		       ", inode %" PRIu64 ")\n",
		       live_safe(file->vma.name, safe, sizeof(safe)), offset_of(file),
		       file->vma.dev >> 32, file->vma.dev & UINT32_MAX, file->vma.ino);
}

static void print_hits(const struct who *w)
{
	const struct who_search *s = &w->search;
	char safe[LIVE_SAFE_SIZE], name[LIVE_SAFE_SIZE], perms[5];

	if (s->nr)
		printf("\n%8s  %-15s  %-14s  %-4s  %s\n", "PID", "NAME", "ADDRESS", "", "VMA");
	for (size_t i = 0; i < s->nr; i++) {
		const struct who_hit *hit = &s->hits[i];

		printf("%8d  %-15s  0x%012" PRIx64 "  %s  %" PRIx64 "-%" PRIx64 "%s%s%s\n",
		       (int)hit->pid, live_safe(hit->comm, safe, sizeof(safe)), hit->addr,
		       live_perms(&hit->vma, perms), hit->vma.start, hit->vma.end,
		       *hit->vma.name ? " " : "", live_safe(hit->vma.name, name, sizeof(name)),
		       hit->shares_mm ? " (the same address space)" : "");
	}
}

static void print_end(const struct who *w)
{
	const struct who_search *s = &w->search;
	char sentence[256];

	putchar('\n');
	words_say(stdout, "%s", verdict(w, sentence, sizeof(sentence)));
	words_say(stdout, "looked into %zu process%s in %.1f ms", s->looked,
		  s->looked == 1 ? "" : "es", w->ms);
	if (s->denied)
		words_say(stdout, "processes that may not be looked into (%s): %zu", live_refusal(),
			  s->denied);
}

static json_t *json_hit(const struct who_hit *hit)
{
	char comm[LIVE_SAFE_SIZE], name[LIVE_SAFE_SIZE], addr[20], vma[64], perms[5];

	snprintf(addr, sizeof(addr), "0x%" PRIx64, hit->addr);
	snprintf(vma, sizeof(vma), "%" PRIx64 "-%" PRIx64, hit->vma.start, hit->vma.end);
	return json_pack("{s:i, s:s, s:s, s:s, s:s, s:s, s:b}", "pid", (int)hit->pid, "comm",
			 live_safe(hit->comm, comm, sizeof(comm)), "address", addr, "vma", vma,
			 "name", live_safe(hit->vma.name, name, sizeof(name)), "perms",
			 live_perms(&hit->vma, perms), "shares_address_space", hit->shares_mm);
}

static json_t *json_flags(uint64_t flags)
{
	json_t *array = json_array();
	char names[FLAGS_SIZE], *save = NULL;

	live_flag_names(flags, names, sizeof(names));
	for (char *name = strtok_r(names, " ", &save); name; name = strtok_r(NULL, " ", &save))
		json_array_append_new(array, json_string(name));
	return array;
}

static void print_json(const struct who *w)
{
	const struct who_search *s = &w->search;
	const struct who_hit *file = file_of(w);
	json_t *top =
		json_pack("{s:i, s:I, s:I, s:f}", "version", 1, "looked_into",
			  (json_int_t)s->looked, "denied", (json_int_t)s->denied, "ms", w->ms);
	json_t *mappings = json_array();
	char text[LIVE_SAFE_SIZE];

	json_object_set_new(top, "pfn",
			    s->swapped ? json_null() : json_integer((json_int_t)s->key));
	json_object_set_new(top, "mapcount",
			    s->mapcount < 0 ? json_null() : json_integer((json_int_t)s->mapcount));
	if (s->swapped)
		json_object_set_new(top, "swap",
				    json_pack("{s:I, s:I}", "area", (json_int_t)(s->key & 31),
					      "slot", (json_int_t)(s->key >> 5)));
	json_object_set_new(top, "flags", json_flags(w->flags));
	if (file)
		json_object_set_new(top, "file",
				    json_pack("{s:s, s:I, s:I}", "path",
					      live_safe(file->vma.name, text, sizeof(text)),
					      "offset", (json_int_t)offset_of(file), "inode",
					      (json_int_t)file->vma.ino));
	json_object_set_new(top, "found", json_integer((json_int_t)s->found));
	json_object_set_new(top, "complete",
			    s->swapped || s->mapcount < 0
				    ? json_null()
				    : json_boolean(s->found >= (uint64_t)s->mapcount));
	for (size_t i = 0; i < s->nr; i++)
		json_array_append_new(mappings, json_hit(&s->hits[i]));
	json_object_set_new(top, "mappings", mappings);
	json_dumpf(top, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(6));
	putchar('\n');
	json_decref(top);
}

static int answer(struct who *w, char err[LIVE_ERR_SIZE])
{
	const struct arguments *a = w->args;
	double began = now_ms();

	if (ask(w, err))
		return -1;
	if (a->by_frame && (w->search.mapcount || a->all))
		who_search_frame(&w->search);
	else if (!a->by_frame)
		who_search_from(&w->search, a->pid, a->addr);
	w->ms = now_ms() - began;
	if (w->search.no_memory)
		return live_fail(err, "no memory for what was found");
	if (a->json) {
		print_json(w);
		return 0;
	}
	print_page(w);
	print_hits(w);
	print_end(w);
	return 0;
}

int cmd_who(int argc, char **argv)
{
	struct arguments a = { .root = "/proc" };
	struct who w = { .args = &a, .frames = { -1, -1 } };
	char err[LIVE_ERR_SIZE];
	int ret;

	argp_err_exit_status = EXIT_BAD;
	if (argp_parse(&argp, argc, argv, 0, NULL, &a))
		return EXIT_BAD;
	w.search.root = live_root_open(a.root, err);
	w.search.all = a.all;
	w.search.progress = words_redraws(stderr) && !a.json;
	ret = w.search.root < 0 ? -1 : answer(&w, err);
	if (ret)
		fprintf(stderr, "rmap who: %s\n", err);
	who_search_free(&w.search);
	live_frames_close(&w.frames);
	if (w.search.root >= 0)
		close(w.search.root);
	return ret ? EXIT_BAD : 0;
}
