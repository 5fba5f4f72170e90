// SPDX-License-Identifier: BSD-2-Clause
/*
 * A workload file as a source of operations: read, parse, then walk the statements.
 *
 * Running is the cheap half: a statement is copied out and its loop variables are added. What costs memory is bounded while
 * parsing (LANG_MAX_…); what costs time is the reader's own wish: a loop runs as often as it says, up to LANG_MAX_STEPS.
 */
#include "lang.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FIFO_WAIT_MS 5000

static void program_free(struct program *prog)
{
	if (!prog)
		return;
	for (uint32_t i = 0; i < prog->nr_blocks; i++)
		free(prog->blocks[i]);
	free(prog->blocks);
	free(prog->symbols);
	free(prog->statements);
	free(prog->name);
	free(prog);
}

/* ---------------------------------------------------------------- parsing */

static bool new_statement(struct parser *p)
{
	struct program *prog = p->prog;

	if (prog->nr == LANG_MAX_STATEMENTS)
		return lang_fail(p, "more than %u statements", LANG_MAX_STATEMENTS);
	if (prog->nr == prog->room) {
		uint32_t room = prog->room ? prog->room * 2 : 32;
		struct statement *statements =
			realloc(prog->statements, room * sizeof(*statements));

		if (!statements)
			return lang_fail(p, "out of memory");
		prog->statements = statements;
		prog->room = room;
	}
	p->st = &prog->statements[prog->nr++];
	memset(p->st, 0, sizeof(*p->st));
	op_init(&p->st->op, OP_NONE);
	p->st->op.line = p->line;
	return true;
}

static bool config_number(struct parser *p, uint64_t *value, uint64_t lowest, uint64_t highest,
			  const char *what)
{
	if (!lang_constant(p, "a number", value))
		return false;
	if (*value < lowest || *value > highest)
		return lang_fail(p, "%s is %llu, it must be from %llu to %llu", what,
				 (unsigned long long)*value, (unsigned long long)lowest,
				 (unsigned long long)highest);
	return true;
}

static bool config_overcommit(struct parser *p, struct op_config *config)
{
	config->has_overcommit = true;
	if (lang_accept(p, "guess"))
		config->overcommit = MM_OVERCOMMIT_GUESS;
	else if (lang_accept(p, "always"))
		config->overcommit = MM_OVERCOMMIT_ALWAYS;
	else if (lang_accept(p, "never"))
		config->overcommit = MM_OVERCOMMIT_NEVER;
	else
		return lang_fail(p, "overcommit is guess, always or never");
	return true;
}

/* frames and swap may be said as memory (64M, 100p) or as a plain number of frames. */
static uint64_t to_frames(uint64_t n, const struct token *t)
{
	bool plain = !t->len || (t->s[t->len - 1] >= '0' && t->s[t->len - 1] <= '9');

	return plain ? n : n >> RMAP_PAGE_SHIFT;
}

static bool config_memory(struct parser *p, uint64_t *frames, uint64_t lowest, const char *what)
{
	const struct token *t = lang_peek(p);

	if (!lang_constant(p, "a number of frames or a size", frames))
		return false;
	*frames = to_frames(*frames, t);
	if (*frames < lowest || *frames > (uint64_t)1 << 36)
		return lang_fail(p, "%s is %llu frames, it must be from %llu to 2^36", what,
				 (unsigned long long)*frames, (unsigned long long)lowest);
	return true;
}

static bool config_item(struct parser *p, const struct token *key)
{
	struct op_config *config = &p->prog->source.config;
	uint64_t value = 0;
	bool ok;
	char buf[64];

	if (lang_is_word(key, "frames"))
		return config_memory(p, &config->frames, 64, "frames");
	if (lang_is_word(key, "swap")) {
		config->has_swap = true;
		return config_memory(p, &config->swap_slots, 0, "swap");
	}
	if (lang_is_word(key, "overcommit"))
		return config_overcommit(p, config);
	if (lang_is_word(key, "ratio")) {
		ok = config_number(p, &value, 1, 100, "ratio");
		config->overcommit_ratio = (uint32_t)value;
		return ok;
	}
	if (lang_is_word(key, "max_map_count")) {
		ok = config_number(p, &value, 1, 1u << 30, "max_map_count");
		config->max_map_count = (uint32_t)value;
		return ok;
	}
	if (lang_is_word(key, "fault_around")) {
		ok = config_number(p, &value, RMAP_PAGE_SIZE, 2u << 20, "fault_around");
		if (ok && value & (value - 1))
			return lang_fail(p, "fault_around must be a power of two");
		config->fault_around = (uint32_t)value;
		return ok;
	}
	if (lang_is_word(key, "guard_gap"))
		return config_number(p, &config->stack_guard_gap, RMAP_PAGE_SIZE, (uint64_t)1 << 40,
				     "guard_gap");
	if (lang_is_word(key, "min_addr"))
		return config_number(p, &config->mmap_min_addr, RMAP_PAGE_SIZE, (uint64_t)1 << 40,
				     "min_addr");
	if (lang_is_word(key, "watermark"))
		return config_number(p, &config->watermark_min, 1, (uint64_t)1 << 36, "watermark");
	if (lang_is_word(key, "cpus")) {
		ok = config_number(p, &value, 1, 256, "cpus");
		config->cpus = (uint32_t)value;
		return ok;
	}
	return lang_fail(p,
			 "config knows no %s (it knows frames, swap, overcommit, ratio, "
			 "max_map_count, fault_around, guard_gap, min_addr, watermark, cpus, "
			 "contents)",
			 lang_show(key, buf));
}

static bool parse_config(struct parser *p)
{
	if (p->seen_statement)
		return lang_fail(p, "config must stand before the first statement");
	while (!lang_at_end(p)) {
		const struct token *key = lang_peek(p);

		if (lang_accept(p, "contents")) {
			p->prog->source.config.needs_contents = true;
			continue;
		}
		if (key->type != TOKEN_WORD || !lang_is_punct(key + 1, '='))
			return lang_fail(p, "config wants name=value");
		p->pos += 2;
		if (!config_item(p, key))
			return false;
	}
	return true;
}

static bool parse_repeat(struct parser *p)
{
	uint64_t count = 0;
	char *var = NULL;

	if (p->depth == LANG_MAX_DEPTH)
		return lang_fail(p, "more than %u loops in one another", LANG_MAX_DEPTH);
	if (!lang_constant(p, "how often", &count) || !new_statement(p))
		return false;
	if (lang_accept(p, "as")) {
		struct token *t = lang_peek(p);
		char buf[64];

		if (t->type != TOKEN_WORD || lang_lookup(p->prog, t->s, t->len))
			return lang_fail(p, "expected a new name for the loop's variable, found %s",
					 lang_show(t, buf));
		var = lang_block(p, NULL, t->len + 1);
		if (!var)
			return lang_fail(p, "out of memory");
		memcpy(var, t->s, t->len);
		var[t->len] = '\0';
		p->pos++;
	}
	p->st->kind = STATEMENT_REPEAT;
	p->st->count = count;
	p->open[p->depth] = p->prog->nr - 1;
	p->vars[p->depth++] = var;
	return true;
}

/* Does any operation stand in the loop that begins there? Loops that never run are passed over. */
static bool has_operation(const struct program *prog, uint32_t begin)
{
	for (uint32_t i = begin + 1; i < prog->nr; i++) {
		const struct statement *st = &prog->statements[i];

		if (st->kind == STATEMENT_OP)
			return true;
		if (st->kind == STATEMENT_REPEAT && !st->count)
			i = st->other;
	}
	return false;
}

static bool parse_end(struct parser *p)
{
	uint32_t begin;

	if (!p->depth)
		return lang_fail(p, "'end' without 'repeat'");
	if (!new_statement(p))
		return false;
	begin = p->open[--p->depth];
	p->st->kind = STATEMENT_END;
	p->st->other = begin;
	p->prog->statements[begin].other = p->prog->nr - 1;
	/* An empty loop would keep lang_next() from ever coming back: it runs zero times. */
	if (!has_operation(p->prog, begin))
		p->prog->statements[begin].count = 0;
	return true;
}

static bool parse_line(struct parser *p)
{
	char buf[64];
	bool ok;

	if (lang_accept(p, "config")) {
		ok = parse_config(p);
	} else {
		p->seen_statement = true;
		if (lang_accept(p, "repeat"))
			ok = parse_repeat(p);
		else if (lang_accept(p, "end"))
			ok = parse_end(p);
		else if (!new_statement(p))
			ok = false;
		else if (lang_is_word(lang_peek(p), "expect") || lang_is_punct(lang_peek(p), '['))
			ok = lang_expect(p);
		else
			ok = lang_statement(p);
	}
	if (ok && !lang_at_end(p))
		return lang_fail(p, "expected the end of the line, found %s",
				 lang_show(lang_peek(p), buf));
	return ok;
}

static bool parse_program(struct parser *p)
{
	int more;

	while ((more = lex_line(p)) > 0)
		if (!lang_at_end(p) && !parse_line(p))
			return false;
	if (more < 0)
		return false;
	if (p->depth) {
		p->line = p->prog->statements[p->open[p->depth - 1]].op.line;
		return lang_fail(p, "this 'repeat' has no 'end'");
	}
	return true;
}

/* ---------------------------------------------------------------- running */

static struct program *program_of(struct op_source *source)
{
	return rmap_container_of(source, struct program, source);
}

static int add_variables(struct program *prog, const struct statement *st, struct op *op,
			 char err[OPS_ERR_SIZE])
{
	for (uint32_t i = 0; i < st->nr_patches; i++) {
		const struct patch *patch = &st->patches[i];
		uint64_t value;

		memcpy(&value, (char *)op + patch->field, sizeof(value));
		value += prog->var[patch->var] * patch->scale;
		memcpy((char *)op + patch->field, &value, sizeof(value));
	}
	if (op->proc >> LANG_INDEX_BITS != st->op.proc >> LANG_INDEX_BITS ||
	    op->target >> LANG_INDEX_BITS != st->op.target >> LANG_INDEX_BITS) {
		snprintf(err, OPS_ERR_SIZE, "%s:%u: an index is larger than %llu", prog->name,
			 op->line, (unsigned long long)LANG_MAX_INDEX);
		return -1;
	}
	if (op->has_value && op->value >> 62) {
		snprintf(err, OPS_ERR_SIZE, "%s:%u: a value has at most 62 bits", prog->name,
			 op->line);
		return -1;
	}
	return 0;
}

static int lang_next(struct op_source *source, struct op *op, char err[OPS_ERR_SIZE])
{
	struct program *prog = program_of(source);

	while (prog->at < prog->nr) {
		const struct statement *st = &prog->statements[prog->at];

		switch (st->kind) {
		case STATEMENT_REPEAT:
			if (!st->count) {
				prog->at = st->other + 1;
				break;
			}
			prog->var[prog->depth++] = 0;
			prog->at++;
			break;
		case STATEMENT_END:
			if (++prog->var[prog->depth - 1] < prog->statements[st->other].count) {
				prog->at = st->other + 1;
			} else {
				prog->depth--;
				prog->at++;
			}
			break;
		case STATEMENT_OP:
			*op = st->op;
			prog->at++;
			return add_variables(prog, st, op, err) ? -1 : 1;
		}
	}
	return 0;
}

static const char *symbol_name(struct program *prog, enum symbol_kind kind, uint32_t id)
{
	for (uint32_t i = 0; i < prog->nr_symbols; i++)
		if (prog->symbols[i].kind == kind && prog->symbols[i].id == id)
			return prog->symbols[i].name;
	return NULL;
}

static const char *lang_proc_name(struct op_source *source, uint64_t proc, char *buf, size_t size)
{
	uint64_t index = proc & (((uint64_t)1 << LANG_INDEX_BITS) - 1);
	const char *name =
		symbol_name(program_of(source), SYMBOL_PROC, (uint32_t)(proc >> LANG_INDEX_BITS));

	if (!name)
		snprintf(buf, size, "process %llu", (unsigned long long)proc);
	else if (index)
		snprintf(buf, size, "%s[%llu]", name, (unsigned long long)(index - 1));
	else
		snprintf(buf, size, "%s", name);
	return buf;
}

static const char *lang_file_name(struct op_source *source, uint32_t file, char *buf, size_t size)
{
	const char *name = symbol_name(program_of(source), SYMBOL_FILE, file);

	if (name)
		snprintf(buf, size, "%s", name);
	else
		snprintf(buf, size, "file %u", file);
	return buf;
}

static int lang_place(struct op_source *source, const char *text, uint64_t *proc,
		      struct op_addr *addr, char err[OPS_ERR_SIZE])
{
	struct program *prog = program_of(source);
	struct parser *p = calloc(1, sizeof(*p));
	struct statement st;
	int ret = -1;

	if (!p) {
		snprintf(err, OPS_ERR_SIZE, "out of memory");
		return -1;
	}
	memset(&st, 0, sizeof(st));
	p->prog = prog;
	p->text = text;
	p->end = text + strlen(text);
	p->err = err;
	p->st = &st;
	p->place = text;
	if (lex_line(p) < 0)
		goto out;
	if (!lang_proc(p, &st.op.proc))
		goto out;
	lang_accept_punct(p, ':');
	if (!lang_addr(p, "an address", &st.op.addr))
		goto out;
	if (!lang_at_end(p)) {
		char buf[64];

		lang_fail(p, "expected a process and an address, found %s behind them",
			  lang_show(lang_peek(p), buf));
		goto out;
	}
	*proc = st.op.proc;
	*addr = st.op.addr;
	ret = 0;
out:
	free(p);
	return ret;
}

static void lang_close(struct op_source *source)
{
	program_free(program_of(source));
}

/* ---------------------------------------------------------------- opening */

/* How often operations are asked for with all loops unrolled, for progress; and within bounds. */
static bool count_steps(struct parser *p)
{
	struct program *prog = p->prog;
	uint64_t times[LANG_MAX_DEPTH + 1] = { 1 };
	uint64_t steps = 0;
	uint32_t depth = 0;

	for (uint32_t i = 0; i < prog->nr; i++) {
		const struct statement *st = &prog->statements[i];

		if (st->kind == STATEMENT_REPEAT) {
			if (__builtin_mul_overflow(times[depth], st->count, &times[depth + 1]))
				times[depth + 1] = UINT64_MAX;
			depth++;
		} else if (st->kind == STATEMENT_END) {
			depth--;
		} else if (times[depth] > LANG_MAX_STEPS - steps) {
			p->line = st->op.line;
			return lang_fail(p,
					 "with this, the loops come to more than 2^36 operations");
		} else {
			steps += times[depth];
		}
	}
	prog->source.config.steps = steps;
	return true;
}

int lang_open_text(const char *name, const char *text, size_t size, struct op_source **out,
		   char err[OPS_ERR_SIZE])
{
	struct program *prog = calloc(1, sizeof(*prog));
	struct parser *p = calloc(1, sizeof(*p));
	bool ok = false;

	snprintf(err, OPS_ERR_SIZE, "%s: out of memory", name);
	if (prog && p && (prog->name = strdup(name))) {
		p->prog = prog;
		p->text = text;
		p->end = text + size;
		p->err = err;
		if (size > LANG_MAX_BYTES)
			snprintf(err, OPS_ERR_SIZE, "%s: larger than %u MiB", name,
				 LANG_MAX_BYTES >> 20);
		else
			ok = parse_program(p) && count_steps(p);
	}
	free(p);
	if (!ok) {
		program_free(prog);
		return -1;
	}
	prog->source.name = prog->name;
	prog->source.kind = "workload";
	prog->source.next = lang_next;
	prog->source.proc_name = lang_proc_name;
	prog->source.file_name = lang_file_name;
	prog->source.place = lang_place;
	prog->source.close = lang_close;
	*out = &prog->source;
	err[0] = '\0';
	return 0;
}

/*
 * A FIFO is fine, as a shell's <(...) is one, but nobody may be at its other end: whoever waits to be read writes within
 * seconds. NULL with errno set.
 */
static FILE *open_file(const char *path)
{
	int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	struct stat st;
	struct pollfd ready = { .fd = fd, .events = POLLIN };

	if (fd < 0)
		return NULL;
	if (!fstat(fd, &st) && S_ISFIFO(st.st_mode) && poll(&ready, 1, FIFO_WAIT_MS) == 0) {
		close(fd);
		errno = ETIMEDOUT;
		return NULL;
	}
	fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK);
	return fdopen(fd, "rb");
}

static int read_file(const char *path, char **text, size_t *size, char err[OPS_ERR_SIZE])
{
	FILE *f = open_file(path);
	char *data = NULL;
	size_t n = 0;

	if (!f) {
		snprintf(err, OPS_ERR_SIZE, "%s: %s", path,
			 errno == ETIMEDOUT ? "nobody writes into it" : strerror(errno));
		return -1;
	}
	/* One byte more than is allowed tells a file that is too large. */
	data = malloc(LANG_MAX_BYTES + 1);
	if (data)
		n = fread(data, 1, LANG_MAX_BYTES + 1, f);
	if (!data || ferror(f)) {
		snprintf(err, OPS_ERR_SIZE, "%s: %s", path, strerror(data ? errno : ENOMEM));
		free(data);
		fclose(f);
		return -1;
	}
	fclose(f);
	*text = data;
	*size = n;
	return 0;
}

int lang_open(const char *path, struct op_source **out, char err[OPS_ERR_SIZE])
{
	char *text;
	size_t size;
	int ret;

	if (read_file(path, &text, &size, err))
		return -1;
	ret = lang_open_text(path, text, size, out, err);
	free(text);
	return ret;
}
