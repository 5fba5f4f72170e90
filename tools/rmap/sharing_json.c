// SPDX-License-Identifier: BSD-2-Clause
/*
 * What a group shares, for other programs: JSON, CSV, and the difference of two states that were saved as JSON.
 */
#include "sharing_show.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define PATH_ROOM (4 * 4096 + 1) /* a path with each byte spelled out */
#define FILE_MOST ((size_t)1 << 30)

static const char *const keys[] = { "private", "within", "beyond", "swapped", "pss", "broken" };

#define KEYS (sizeof(keys) / sizeof(keys[0]))

/* Bytes, in the order of keys[]. */
static void figures(const struct sharing_sums *s, int64_t out[KEYS])
{
	out[0] = (int64_t)sharing_bytes(s->private);
	out[1] = (int64_t)sharing_bytes(s->within);
	out[2] = (int64_t)sharing_bytes(s->beyond);
	out[3] = (int64_t)sharing_bytes(s->swapped);
	out[4] = (int64_t)sharing_unit_bytes(s->pss);
	out[5] = (int64_t)sharing_unit_bytes(s->broken);
}

/* What is not known without frame numbers is left out. */
static void put_sums(json_t *object, const struct sharing *s, const struct sharing_sums *sums)
{
	int64_t n[KEYS];

	figures(sums, n);
	for (size_t i = 0; i < KEYS; i++)
		if (s->sees_frames || i < 2 || i == 3)
			json_object_set_new(object, keys[i], json_integer(n[i]));
}

static json_t *safe_string(const char *raw)
{
	char *buf = malloc(PATH_ROOM);
	json_t *string = buf ? json_string(live_safe(raw, buf, PATH_ROOM)) : NULL;

	free(buf);
	return string;
}

/* -- JSON ------------------------------------------------------------------------------------------- */

static json_t *json_vma(const struct sharing *s, const struct sharing_vma *v)
{
	json_t *object = json_object();
	char text[40], perms[5];

	snprintf(text, sizeof(text), "%" PRIx64 "-%" PRIx64, v->vma.start, v->vma.end);
	json_object_set_new(object, "vma", json_string(text));
	json_object_set_new(object, "perms", json_string(live_perms(&v->vma, perms)));
	json_object_set_new(object, "name", safe_string(sharing_vma_name(&v->vma)));
	put_sums(object, s, &v->sums);
	return object;
}

static json_t *json_proc(const struct sharing *s, const struct sharing_proc *p, bool vmas)
{
	json_t *object = json_object(), *list;

	json_object_set_new(object, "pid", json_integer(p->proc.pid));
	json_object_set_new(object, "ppid", json_integer(p->proc.ppid));
	json_object_set_new(object, "start", json_integer((json_int_t)p->proc.start));
	json_object_set_new(object, "comm", safe_string(p->proc.comm));
	json_object_set_new(object, "state",
			    json_string(p->denied ? "denied"
					: p->gone ? "gone"
					: p->twin ? "shares_address_space"
						  : "counted"));
	put_sums(object, s, &p->sums);
	json_object_set_new(object, "page_tables", json_integer((json_int_t)p->tables));
	if (vmas && !p->gone && !p->twin) {
		list = json_array();
		for (size_t i = 0; i < p->maps.nr; i++)
			json_array_append_new(list, json_vma(s, &p->vmas[i]));
		json_object_set_new(object, "vmas", list);
	}
	return object;
}

static json_t *json_names(const struct sharing *s)
{
	struct sharing_names names;
	json_t *list = json_array();

	if (sharing_names(s, &names))
		return list;
	for (size_t i = 0; i < names.nr; i++) {
		json_t *object = json_object();

		json_object_set_new(object, "name", safe_string(names.v[i].name));
		json_object_set_new(object, "vmas", json_integer((json_int_t)names.v[i].nr_vmas));
		json_object_set_new(object, "processes",
				    json_integer((json_int_t)names.v[i].nr_procs));
		put_sums(object, s, &names.v[i].sums);
		json_array_append_new(list, object);
	}
	free(names.v);
	return list;
}

json_t *sharing_json(const struct sharing *s, bool vmas)
{
	json_t *top = json_object(), *total = json_object(), *procs = json_array();
	struct sharing_worker w;

	json_object_set_new(top, "version", json_integer(1));
	json_object_set_new(top, "time", json_integer((json_int_t)time(NULL)));
	json_object_set_new(top, "sees_frames", json_boolean(s->sees_frames));
	put_sums(total, s, &s->sums);
	if (s->sees_frames)
		json_object_set_new(total, "within_once",
				    json_integer((json_int_t)sharing_whole_bytes(s->sums.once)));
	json_object_set_new(top, "total", total);
	if (!sharing_worker(s, &w) && w.nr)
		json_object_set_new(top, "one_more_worker",
				    json_pack("{s:I, s:I, s:I, s:I}", "median_of", (json_int_t)w.nr,
					      "private", (json_int_t)w.private, "swapped",
					      (json_int_t)w.swapped, "page_tables",
					      (json_int_t)w.tables));
	for (size_t i = 0; i < s->nr; i++)
		json_array_append_new(procs, json_proc(s, &s->v[i], vmas));
	json_object_set_new(top, "processes", procs);
	json_object_set_new(top, "names", json_names(s));
	return top;
}

/* -- CSV -------------------------------------------------------------------------------------------- */

static void csv_text(const char *raw)
{
	char *buf = malloc(PATH_ROOM);

	putchar('"');
	if (buf)
		for (const char *p = live_safe(raw, buf, PATH_ROOM); *p; p++) {
			if (*p == '"')
				putchar('"');
			putchar(*p);
		}
	putchar('"');
	free(buf);
}

void sharing_print_csv(const struct sharing *s)
{
	char perms[5];

	printf("pid,comm,start,end,perms,name,private,within,beyond,swapped,pss,broken\n");
	for (size_t i = 0; i < s->nr; i++) {
		const struct sharing_proc *p = &s->v[i];

		for (size_t k = 0; !p->gone && !p->twin && k < p->maps.nr; k++) {
			const struct sharing_vma *v = &p->vmas[k];
			int64_t n[KEYS];

			figures(&v->sums, n);
			printf("%d,", (int)p->proc.pid);
			csv_text(p->proc.comm);
			printf(",0x%" PRIx64 ",0x%" PRIx64 ",%s,", v->vma.start, v->vma.end,
			       live_perms(&v->vma, perms));
			csv_text(sharing_vma_name(&v->vma));
			for (size_t j = 0; j < KEYS; j++)
				if (s->sees_frames || j < 2 || j == 3)
					printf(",%" PRId64, n[j]);
				else
					printf(",");
			putchar('\n');
		}
	}
}

/* -- two states ---------------------------------------------------------------------------------------- */

static json_t *load_state(const char *path, char err[LIVE_ERR_SIZE])
{
	char safe[LIVE_SAFE_SIZE];
	json_error_t error;
	json_t *top = json_load_file(path, JSON_REJECT_DUPLICATES, &error);

	if (!top && json_error_code(&error) == json_error_cannot_open_file) {
		live_fail(err, "%.200s: cannot be read: %s", live_safe(path, safe, sizeof(safe)),
			  strerror(errno));
		return NULL;
	}
	if (json_integer_value(json_object_get(top, "version")) == 1 &&
	    json_is_object(json_object_get(top, "total")) &&
	    json_is_array(json_object_get(top, "names")) &&
	    json_is_array(json_object_get(top, "processes")))
		return top;
	live_fail(err, "%.200s: is no state that rmap sharing has saved%s%.200s%s",
		  live_safe(path, safe, sizeof(safe)), top ? "" : " (", top ? "" : error.text,
		  top ? "" : ")");
	json_decref(top);
	return NULL;
}

struct change {
	const char *name;
	int64_t by[KEYS], weight;
	bool seen; /* in the later state */
};

static void add_figures(struct change *c, const json_t *object, int sign)
{
	for (size_t i = 0; i < KEYS; i++) {
		/* A file may hold anything; sums stay far from the limits. */
		int64_t n = json_integer_value(json_object_get(object, keys[i]));

		if (n > -((int64_t)1 << 56) && n < (int64_t)1 << 56)
			c->by[i] += sign * n;
	}
}

static int by_weight(const void *a, const void *b)
{
	const struct change *x = a, *y = b;

	return x->weight != y->weight ? (x->weight < y->weight ? 1 : -1) : strcmp(x->name, y->name);
}

static void print_change(const struct change *c)
{
	char buf[KEYS][16], name[LIVE_SAFE_SIZE];
	size_t len = strlen(live_safe(c->name, name, sizeof(name)));

	printf("%-32s", len > 31 ? name + len - 31 : name);
	for (size_t i = 0; i < KEYS; i++)
		printf("%8s", sharing_size(c->by[i], buf[i]));
	putchar('\n');
}

static json_t *names_by_name(const json_t *state)
{
	json_t *map = json_object(), *entry;
	size_t i;

	json_array_foreach(json_object_get(state, "names"), i, entry)
	{
		const char *name = json_string_value(json_object_get(entry, "name"));

		if (name)
			json_object_set(map, name, entry);
	}
	return map;
}

static int print_changes(const json_t *before, const json_t *after, size_t top)
{
	json_t *old = names_by_name(before), *new = names_by_name(after), *entry;
	size_t nr = 0, most = json_object_size(old) + json_object_size(new);
	struct change *v = calloc(most + 1, sizeof(*v));
	const char *name;

	if (v) {
		json_object_foreach(new, name, entry)
		{
			v[nr] = (struct change){ .name = name, .seen = true };
			add_figures(&v[nr], entry, 1);
			add_figures(&v[nr++], json_object_get(old, name), -1);
		}
		json_object_foreach(old, name, entry)
		{
			if (json_object_get(new, name))
				continue;
			v[nr] = (struct change){ .name = name };
			add_figures(&v[nr++], entry, -1);
		}
		for (size_t i = 0; i < nr; i++)
			for (size_t k = 0; k < 4; k++)
				v[i].weight += v[i].by[k] < 0 ? -v[i].by[k] : v[i].by[k];
		qsort(v, nr, sizeof(*v), by_weight);
		for (size_t i = 0; i < nr && (!top || i < top) && v[i].weight; i++)
			print_change(&v[i]);
	}
	free(v);
	json_decref(old);
	json_decref(new);
	return v ? 0 : -1;
}

int sharing_print_diff(const char *before, const char *after, size_t top, char err[LIVE_ERR_SIZE])
{
	json_t *old = load_state(before, err), *new = old ? load_state(after, err) : NULL;
	struct change total = { .name = "all together" };
	int ret = -1;

	if (new) {
		printf("%-32s", "change of");
		for (size_t i = 0; i < KEYS; i++)
			printf("%8s", keys[i]);
		putchar('\n');
		add_figures(&total, json_object_get(new, "total"), 1);
		add_figures(&total, json_object_get(old, "total"), -1);
		print_change(&total);
		ret = print_changes(old, new, top);
		if (ret)
			live_fail(err, "no memory for the differences");
		printf("processes: %zu, then %zu\n",
		       json_array_size(json_object_get(old, "processes")),
		       json_array_size(json_object_get(new, "processes")));
	}
	json_decref(old);
	json_decref(new);
	return ret;
}
