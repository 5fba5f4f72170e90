// SPDX-License-Identifier: BSD-2-Clause
/*
 * NAME:key=value,... to a generator, and what the generators share.
 */
#include "gen.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const struct gen_kind *const generators[] = {
	&gen_fork_cow,
	&gen_fork_chain,
	&gen_prefork,
	&gen_zygote,
	&gen_mremap_churn,
	&gen_split_merge,
	&gen_survivors,
	&gen_unmapped,
	&gen_fork_vmas,
	&gen_swap_shared,
	&gen_single_pages,
	&gen_fork_move,
	&gen_displaced,
	&gen_file_offsets,
	&gen_neighbours,
	&gen_moves,
	NULL,
};

static struct gen *gen_of(struct op_source *source)
{
	return rmap_container_of(source, struct gen, source);
}

/* ---------------------------------------------------------------- opening */

static const struct gen_kind *find_kind(const char *name, size_t len)
{
	for (unsigned int i = 0; generators[i]; i++)
		if (strlen(generators[i]->name) == len && !memcmp(generators[i]->name, name, len))
			return generators[i];
	return NULL;
}

static void list_names(char *buf, size_t size)
{
	size_t n = 0;

	buf[0] = '\0';
	for (unsigned int i = 0; generators[i] && n < size; i++)
		n += (size_t)snprintf(buf + n, size - n, "%s%s", i ? ", " : "",
				      generators[i]->name);
}

static void list_params(const struct gen_kind *kind, char *buf, size_t size)
{
	size_t n = 0;

	buf[0] = '\0';
	for (unsigned int i = 0; i < GEN_MAX_PARAMS && kind->params[i].name && n < size; i++)
		n += (size_t)snprintf(buf + n, size - n, "%s%s", i ? ", " : "",
				      kind->params[i].name);
}

/* The number of the word, or UINT64_MAX. */
static uint64_t find_word(const char *const *words, const char *value)
{
	for (uint64_t i = 0; words[i]; i++)
		if (!strcmp(words[i], value))
			return i;
	return UINT64_MAX;
}

static void list_words(const char *const *words, char *buf, size_t size)
{
	size_t n = 0;

	buf[0] = '\0';
	for (unsigned int i = 0; words[i] && n < size; i++)
		n += (size_t)snprintf(buf + n, size - n, "%s%s", i ? ", " : "", words[i]);
}

static int set_param(struct gen *gen, const char *item, size_t len, char err[OPS_ERR_SIZE])
{
	const struct gen_kind *kind = gen->kind;
	const char *equals = memchr(item, '=', len);
	char value[32], list[128];
	uint64_t n;

	if (!equals) {
		snprintf(err, OPS_ERR_SIZE, "%s: '%.*s' is not of the form key=value", kind->name,
			 (int)(len < 40 ? len : 40), item);
		return -1;
	}
	for (unsigned int i = 0; i < GEN_MAX_PARAMS && kind->params[i].name; i++) {
		const struct gen_param *param = &kind->params[i];
		size_t digits = len - (size_t)(equals + 1 - item);

		if (strlen(param->name) != (size_t)(equals - item) ||
		    memcmp(param->name, item, (size_t)(equals - item)) != 0)
			continue;
		if (digits >= sizeof(value))
			digits = sizeof(value) - 1;
		memcpy(value, equals + 1, digits);
		value[digits] = '\0';
		if (param->words) {
			n = find_word(param->words, value);
			if (n == UINT64_MAX) {
				list_words(param->words, list, sizeof(list));
				snprintf(err, OPS_ERR_SIZE, "%s: %s must be one of %s", kind->name,
					 param->name, list);
				return -1;
			}
			gen->param[i] = n;
			return 0;
		}
		if (ops_parse_size(value, &n) || n < param->min || n > param->max) {
			snprintf(err, OPS_ERR_SIZE, "%s: %s must be a number from %llu to %llu",
				 kind->name, param->name, (unsigned long long)param->min,
				 (unsigned long long)param->max);
			return -1;
		}
		gen->param[i] = n;
		return 0;
	}
	list_params(kind, list, sizeof(list));
	snprintf(err, OPS_ERR_SIZE, "%s: there is no parameter '%.*s' (there are %s)", kind->name,
		 (int)(equals - item < 40 ? equals - item : 40), item, list);
	return -1;
}

static int gen_next(struct op_source *source, struct op *op, char err[OPS_ERR_SIZE])
{
	struct gen *gen = gen_of(source);

	(void)err;
	op_init(op, OP_NONE);
	return gen->kind->next(gen, op) ? 1 : 0;
}

static const char *gen_proc_name(struct op_source *source, uint64_t proc, char *buf, size_t size)
{
	struct gen *gen = gen_of(source);

	if (gen->kind->proc_name)
		gen->kind->proc_name(proc, buf, size);
	else if (proc == 1)
		snprintf(buf, size, "parent");
	else
		snprintf(buf, size, "child %llu", (unsigned long long)(proc - 1));
	return buf;
}

static void gen_close(struct op_source *source)
{
	free(gen_of(source));
}

int generator_open(const char *spec, struct op_source **out, char err[OPS_ERR_SIZE])
{
	size_t len = strcspn(spec, ":");
	const struct gen_kind *kind = find_kind(spec, len);
	struct gen *gen;
	char list[400];

	if (!kind) {
		list_names(list, sizeof(list));
		snprintf(err, OPS_ERR_SIZE,
			 "%.60s%s: no file of that name ends in .rmw or .rmrec, and there is no "
			 "such "
			 "generator (there are %.300s)",
			 spec, strlen(spec) > 60 ? "..." : "", list);
		return -1;
	}
	gen = calloc(1, sizeof(*gen));
	if (!gen) {
		snprintf(err, OPS_ERR_SIZE, "out of memory");
		return -1;
	}
	gen->kind = kind;
	snprintf(gen->name, sizeof(gen->name), "%s", spec);
	for (unsigned int i = 0; i < GEN_MAX_PARAMS; i++)
		gen->param[i] = kind->params[i].def;
	spec += len;
	while (*spec) {
		size_t item = strcspn(++spec, ",");

		if (set_param(gen, spec, item, err)) {
			free(gen);
			return -1;
		}
		spec += item;
	}
	gen->random = 88172645463325252u;
	gen->source.name = gen->name;
	gen->source.kind = "generator";
	gen->source.next = gen_next;
	gen->source.proc_name = gen_proc_name;
	gen->source.close = gen_close;
	kind->config(gen);
	*out = &gen->source;
	return 0;
}

/* ---------------------------------------------------------------- what they share */

bool gen_parent(struct gen *gen, struct op *op, const char *phase, uint64_t pages)
{
	switch (gen->stage++) {
	case 0:
		return gen_phase(op, phase);
	case 1:
		return gen_new(op, PARENT);
	case 2:
		return gen_mmap(op, PARENT, pages, HEAP);
	default:
		return gen_access(op, OP_WRITE, PARENT, HEAP, 0, pages);
	}
}

bool gen_family(struct gen *gen, struct op *op, const char *phase, uint64_t pages, const char *fork,
		uint64_t children)
{
	if (gen->stage < GEN_BORN)
		return gen_parent(gen, op, phase, pages);
	if (gen->stage++ == GEN_BORN) {
		if (fork)
			return gen_phase(op, fork);
		gen->stage++;
	}
	return gen_fork(op, PARENT, CHILD(gen_each(gen, children)));
}

uint64_t gen_each(struct gen *gen, uint64_t n)
{
	uint64_t i = gen->i++;

	if (gen->i < n)
		gen->stage--;
	else
		gen->i = 0;
	return i;
}

uint64_t gen_frames(uint64_t processes, uint64_t pages_each, uint64_t pages)
{
	/* Three tables above the last level, and the last level's, which an unlucky address doubles. */
	uint64_t tables = 3 + 2 + pages_each / 512;
	uint64_t frames = pages + processes * tables;

	/* Room below which reclaim would start. */
	return frames + frames / 16 + 1024;
}

uint64_t gen_random(struct gen *gen, uint64_t n)
{
	gen->random ^= gen->random << 13;
	gen->random ^= gen->random >> 7;
	gen->random ^= gen->random << 17;
	return n ? gen->random % n : 0;
}

bool gen_new(struct op *op, uint64_t proc)
{
	op->kind = OP_NEW;
	op->proc = proc;
	return true;
}

bool gen_fork(struct op *op, uint64_t proc, uint64_t child)
{
	op->kind = OP_FORK;
	op->proc = proc;
	op->target = child;
	return true;
}

bool gen_exit(struct op *op, uint64_t proc)
{
	op->kind = OP_EXIT;
	op->proc = proc;
	return true;
}

bool gen_phase(struct op *op, const char *name)
{
	op->kind = OP_PHASE;
	op->text = name;
	return true;
}

bool gen_mmap(struct op *op, uint64_t proc, uint64_t pages, uint32_t mark)
{
	op->kind = OP_MMAP;
	op->proc = proc;
	op->len = pages << RMAP_PAGE_SHIFT;
	op->prot = MM_PROT_READ | MM_PROT_WRITE;
	op->flags = MM_MAP_PRIVATE | MM_MAP_ANONYMOUS;
	op->out = mark;
	return true;
}

bool gen_access(struct op *op, enum op_kind kind, uint64_t proc, uint32_t mark, uint64_t first,
		uint64_t pages)
{
	op->kind = kind;
	op->proc = proc;
	op->addr.mark = mark;
	op->addr.off = first << RMAP_PAGE_SHIFT;
	op->len = pages << RMAP_PAGE_SHIFT;
	return true;
}

bool gen_move(struct op *op, uint64_t proc, uint32_t mark, uint64_t pages, uint64_t to)
{
	op->kind = OP_MREMAP;
	op->proc = proc;
	op->addr.mark = mark;
	op->len = pages << RMAP_PAGE_SHIFT;
	op->new_len = op->len;
	op->flags = MM_MREMAP_MAYMOVE | MM_MREMAP_FIXED;
	op->new_addr.off = to;
	op->out = mark; /* 0: none */
	return true;
}

bool gen_unmap(struct op *op, uint64_t proc, uint32_t mark, uint64_t pages)
{
	op->kind = OP_MUNMAP;
	op->proc = proc;
	op->addr.mark = mark;
	op->len = pages << RMAP_PAGE_SHIFT;
	return true;
}

bool gen_reclaim(struct op *op, uint64_t frames)
{
	op->kind = OP_RECLAIM;
	op->len = frames;
	return true;
}

bool gen_probe(struct op *op, uint64_t proc, uint32_t mark, uint64_t page, const char *what)
{
	op->kind = OP_PROBE;
	op->proc = proc;
	op->addr.mark = mark;
	op->addr.off = page << RMAP_PAGE_SHIFT;
	op->text = what;
	return true;
}
