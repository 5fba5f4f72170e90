// SPDX-License-Identifier: BSD-2-Clause
/*
 * What every statement is made of: words, numbers, names, addresses, and the sentence that says why it is none.
 */
#include "lang.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool lang_fail(struct parser *p, const char *format, ...)
{
	va_list args;
	int n = p->place ? snprintf(p->err, OPS_ERR_SIZE, "'%s': ", p->place)
			 : snprintf(p->err, OPS_ERR_SIZE, "%s:%u: ", p->prog->name, p->line);

	if (n < 0 || n >= OPS_ERR_SIZE)
		return false;
	va_start(args, format);
	vsnprintf(p->err + n, (size_t)(OPS_ERR_SIZE - n), format, args);
	va_end(args);
	return false;
}

struct token *lang_peek(struct parser *p)
{
	return &p->tokens[p->pos];
}

bool lang_at_end(struct parser *p)
{
	return lang_peek(p)->type == TOKEN_END;
}

bool lang_is_word(const struct token *t, const char *word)
{
	return t->type == TOKEN_WORD && t->len == strlen(word) && !memcmp(t->s, word, t->len);
}

bool lang_is_punct(const struct token *t, int punct)
{
	return t->type == TOKEN_PUNCT && t->punct == punct;
}

bool lang_accept(struct parser *p, const char *word)
{
	if (!lang_is_word(lang_peek(p), word))
		return false;
	p->pos++;
	return true;
}

bool lang_accept_punct(struct parser *p, int punct)
{
	if (!lang_is_punct(lang_peek(p), punct))
		return false;
	p->pos++;
	return true;
}

const char *lang_show(const struct token *t, char buf[64])
{
	if (t->type == TOKEN_END)
		snprintf(buf, 64, "the end of the line");
	else
		snprintf(buf, 64, "'%.*s%s'", t->len > 40 ? 40 : (int)t->len, t->s,
			 t->len > 40 ? "..." : "");
	return buf;
}

bool lang_need_punct(struct parser *p, int punct, const char *what)
{
	char buf[64];

	if (lang_accept_punct(p, punct))
		return true;
	return lang_fail(p, "expected %s, found %s", what, lang_show(lang_peek(p), buf));
}

void *lang_block(struct parser *p, const void *data, size_t size)
{
	struct program *prog = p->prog;
	void *block;

	if (prog->nr_blocks == prog->block_room) {
		uint32_t room = prog->block_room ? prog->block_room * 2 : 64;
		void **blocks = realloc(prog->blocks, room * sizeof(*blocks));

		if (!blocks)
			return NULL;
		prog->blocks = blocks;
		prog->block_room = room;
	}
	block = malloc(size ? size : 1);
	if (!block)
		return NULL;
	if (data)
		memcpy(block, data, size);
	prog->blocks[prog->nr_blocks++] = block;
	return block;
}

bool lang_need_string(struct parser *p, const char *what, const char **text)
{
	struct token *t = lang_peek(p);
	char buf[64];
	char *copy;

	if (t->type != TOKEN_STRING)
		return lang_fail(p, "expected %s in quotes, found %s", what, lang_show(t, buf));
	copy = lang_block(p, NULL, t->len + 1);
	if (!copy)
		return lang_fail(p, "out of memory");
	memcpy(copy, t->s, t->len);
	copy[t->len] = '\0';
	*text = copy;
	p->pos++;
	return true;
}

/* ---------------------------------------------------------------- names */

static uint32_t bucket_of(const char *s, size_t len)
{
	uint32_t h = 2166136261u;

	for (size_t i = 0; i < len; i++)
		h = (h ^ (unsigned char)s[i]) * 16777619u;
	return h % LANG_BUCKETS;
}

struct symbol *lang_lookup(struct program *prog, const char *s, size_t len)
{
	for (uint32_t i = prog->buckets[bucket_of(s, len)]; i; i = prog->symbols[i - 1].next) {
		struct symbol *symbol = &prog->symbols[i - 1];

		if (strlen(symbol->name) == len && !memcmp(symbol->name, s, len))
			return symbol;
	}
	return NULL;
}

static const char *const kind_names[] = {
	[SYMBOL_PROC] = "a process",
	[SYMBOL_MARK] = "an address",
	[SYMBOL_FILE] = "a file",
	[SYMBOL_PIN] = "a pin",
};

static bool room_for_symbol(struct program *prog)
{
	uint32_t room = prog->symbol_room ? prog->symbol_room * 2 : 64;
	struct symbol *symbols;

	if (prog->nr_symbols < prog->symbol_room)
		return true;
	symbols = realloc(prog->symbols, room * sizeof(*symbols));
	if (!symbols)
		return false;
	prog->symbols = symbols;
	prog->symbol_room = room;
	return true;
}

static int find_var(struct parser *p, const struct token *t)
{
	for (uint32_t i = p->depth; i-- > 0;)
		if (p->vars[i] && lang_is_word(t, p->vars[i]))
			return (int)i;
	return -1;
}

bool lang_define(struct parser *p, const struct token *t, enum symbol_kind kind, uint32_t *id)
{
	struct program *prog = p->prog;
	struct symbol *symbol;
	char buf[64];
	uint32_t *bucket;

	if (t->type != TOKEN_WORD)
		return lang_fail(p, "expected a name for %s, found %s", kind_names[kind],
				 lang_show(t, buf));
	if (find_var(p, t) >= 0)
		return lang_fail(p, "%s is a loop's variable", lang_show(t, buf));
	symbol = lang_lookup(prog, t->s, t->len);
	if (symbol) {
		if (symbol->kind != kind)
			return lang_fail(p, "'%s' is %s already, it cannot be %s", symbol->name,
					 kind_names[symbol->kind], kind_names[kind]);
		*id = symbol->id;
		return true;
	}
	if (t->len > 48)
		return lang_fail(p, "a name has more than 48 letters");
	if (prog->nr_symbols == LANG_MAX_SYMBOLS)
		return lang_fail(p, "more than %u names", LANG_MAX_SYMBOLS);
	if (!room_for_symbol(prog))
		return lang_fail(p, "out of memory");
	symbol = &prog->symbols[prog->nr_symbols];
	symbol->name = lang_block(p, NULL, t->len + 1);
	if (!symbol->name)
		return lang_fail(p, "out of memory");
	memcpy(symbol->name, t->s, t->len);
	symbol->name[t->len] = '\0';
	symbol->kind = kind;
	symbol->id = ++prog->ids[kind];
	bucket = &prog->buckets[bucket_of(t->s, t->len)];
	symbol->next = *bucket;
	*bucket = ++prog->nr_symbols;
	*id = symbol->id;
	return true;
}

static bool need_symbol(struct parser *p, enum symbol_kind kind, uint32_t *id)
{
	struct token *t = lang_peek(p);
	struct symbol *symbol;
	char buf[64];

	if (t->type != TOKEN_WORD)
		return lang_fail(p, "expected the name of %s, found %s", kind_names[kind],
				 lang_show(t, buf));
	symbol = lang_lookup(p->prog, t->s, t->len);
	if (!symbol)
		return lang_fail(p, "no line above makes %s called %s", kind_names[kind],
				 lang_show(t, buf));
	if (symbol->kind != kind)
		return lang_fail(p, "%s is %s, not %s", lang_show(t, buf), kind_names[symbol->kind],
				 kind_names[kind]);
	*id = symbol->id;
	p->pos++;
	return true;
}

bool lang_file(struct parser *p, uint32_t *file)
{
	return need_symbol(p, SYMBOL_FILE, file);
}

/* ---------------------------------------------------------------- numbers and addresses */

/* var * scale is to be added to field; a field outside of the statement's op takes no variables. */
static bool add_patch(struct parser *p, uint64_t *field, uint8_t var, uint64_t factor)
{
	uintptr_t base = (uintptr_t)&p->st->op;
	uintptr_t at = (uintptr_t)field;
	struct patch *patch;

	if (at < base || at - base > sizeof(struct op) - sizeof(uint64_t))
		return lang_fail(p, "a loop's variable cannot stand here");
	if (p->st->nr_patches == LANG_MAX_PATCHES)
		return lang_fail(p, "more than %d loop variables in one statement",
				 LANG_MAX_PATCHES);
	patch = &p->st->patches[p->st->nr_patches++];
	patch->field = (uint16_t)(at - base);
	patch->var = var;
	patch->scale = factor;
	return true;
}

/* NUMBER, VARIABLE, NUMBER*VARIABLE, VARIABLE*NUMBER, NUMBER*NUMBER, MAX, TASK_SIZE */
static bool factor(struct parser *p, const char *what, uint64_t *number, int *var)
{
	struct token *t = lang_peek(p);
	char buf[64];

	*var = -1;
	if (t->type == TOKEN_NUMBER) {
		*number = t->number;
	} else if (lang_is_word(t, "MAX")) {
		*number = UINT64_MAX;
	} else if (lang_is_word(t, "TASK_SIZE")) {
		*number = MM_TASK_SIZE;
	} else if (t->type == TOKEN_WORD) {
		*number = 1;
		*var = find_var(p, t);
		if (*var < 0)
			return lang_fail(p, "expected %s, found %s", what, lang_show(t, buf));
	} else {
		return lang_fail(p, "expected %s, found %s", what, lang_show(t, buf));
	}
	p->pos++;
	return true;
}

static bool term(struct parser *p, const char *what, uint64_t *field, bool negative)
{
	uint64_t number = 0, more = 0;
	int var = -1, other = -1;

	if (!factor(p, what, &number, &var))
		return false;
	while (lang_accept_punct(p, '*')) {
		if (!factor(p, what, &more, &other))
			return false;
		if (var >= 0 && other >= 0)
			return lang_fail(p, "two loop variables cannot be multiplied");
		if (other >= 0)
			var = other;
		if (__builtin_mul_overflow(number, more, &number))
			return lang_fail(p, "a product is larger than 64 bits");
	}
	if (negative)
		number = -number;
	if (var >= 0)
		return add_patch(p, field, (uint8_t)var, number);
	*field += number;
	return true;
}

static bool more_terms(struct parser *p, const char *what, uint64_t *field)
{
	for (;;) {
		if (lang_accept_punct(p, '+')) {
			if (!term(p, what, field, false))
				return false;
		} else if (lang_accept_punct(p, '-')) {
			if (!term(p, what, field, true))
				return false;
		} else {
			return true;
		}
	}
}

bool lang_number(struct parser *p, const char *what, uint64_t *field)
{
	bool negative = lang_accept_punct(p, '-');

	*field = 0;
	return term(p, what, field, negative) && more_terms(p, what, field);
}

bool lang_constant(struct parser *p, const char *what, uint64_t *value)
{
	uint64_t number = 0;

	/* A field outside of the op: term() refuses variables. */
	if (!lang_number(p, what, &number))
		return false;
	*value = number;
	return true;
}

bool lang_addr(struct parser *p, const char *what, struct op_addr *addr)
{
	struct token *t = lang_peek(p);
	struct symbol *symbol;

	addr->mark = OP_NOTHING;
	addr->off = 0;
	symbol = t->type == TOKEN_WORD && find_var(p, t) < 0 ? lang_lookup(p->prog, t->s, t->len)
							     : NULL;
	if (symbol) {
		if (symbol->kind != SYMBOL_MARK)
			return lang_fail(p, "expected %s; '%s' is %s", what, symbol->name,
					 kind_names[symbol->kind]);
		addr->mark = symbol->id;
		p->pos++;
		return more_terms(p, what, &addr->off);
	}
	return lang_number(p, what, &addr->off);
}

/* [ INDEX ] behind a process's name. */
static bool proc_index(struct parser *p, uint32_t id, uint64_t *field)
{
	*field = (uint64_t)id << LANG_INDEX_BITS;
	if (!lang_accept_punct(p, '['))
		return true;
	*field += 1;
	if (!term(p, "an index", field, false) || !more_terms(p, "an index", field))
		return false;
	if (*field >> LANG_INDEX_BITS != id)
		return lang_fail(p, "an index is larger than %llu",
				 (unsigned long long)LANG_MAX_INDEX);
	return lang_need_punct(p, ']', "']'");
}

bool lang_proc(struct parser *p, uint64_t *field)
{
	uint32_t id = 0;

	return need_symbol(p, SYMBOL_PROC, &id) && proc_index(p, id, field);
}

bool lang_proc_new(struct parser *p, const struct token *name, uint64_t *field)
{
	uint32_t id = 0;

	return lang_define(p, name, SYMBOL_PROC, &id) && proc_index(p, id, field);
}

bool lang_cmp(struct parser *p, uint8_t *cmp)
{
	static const struct {
		int punct;
		uint8_t cmp;
	} signs[] = {
		{ '=', OP_EQ },	     { PUNCT_NE, OP_NE }, { '<', OP_LT },
		{ PUNCT_LE, OP_LE }, { '>', OP_GT },	  { PUNCT_GE, OP_GE },
	};
	char buf[64];

	for (size_t i = 0; i < sizeof(signs) / sizeof(signs[0]); i++)
		if (lang_accept_punct(p, signs[i].punct)) {
			*cmp = signs[i].cmp;
			return true;
		}
	return lang_fail(p, "expected =, !=, <, <=, > or >=, found %s",
			 lang_show(lang_peek(p), buf));
}

bool lang_accept_prot(struct parser *p, uint32_t *prot)
{
	struct token *t = lang_peek(p);
	uint32_t bits = 0;

	if (t->type != TOKEN_WORD)
		return false;
	if (!lang_is_word(t, "none")) {
		if (t->len > 3)
			return false;
		for (size_t i = 0; i < t->len; i++) {
			uint32_t bit = t->s[i] == 'r'	? MM_PROT_READ
				       : t->s[i] == 'w' ? MM_PROT_WRITE
				       : t->s[i] == 'x' ? MM_PROT_EXEC
							: 0;

			if (!bit || bits & bit)
				return false;
			bits |= bit;
		}
	}
	*prot = bits;
	p->pos++;
	return true;
}

bool lang_value(struct parser *p)
{
	struct op *op = &p->st->op;

	if (!lang_accept_punct(p, '='))
		return true;
	op->has_value = true;
	if (!lang_number(p, "a value", &op->value))
		return false;
	if (op->value >> 62)
		return lang_fail(p, "a value has at most 62 bits");
	op->value_steps = lang_accept(p, "step");
	return true;
}
