/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The workload language, inside: tokens, the program that a file becomes, and what the parser's files share.
 *
 * A file becomes a list of statements, each an operation ready made but for loop variables, which are added when the
 * operation is asked for. Loops are statements too and are walked, not unrolled: `repeat 1000000000` costs no memory.
 */
#ifndef RMAP_TOOL_LANG_H
#define RMAP_TOOL_LANG_H

#include "ops.h"

#define LANG_MAX_BYTES	    (4u << 20) /* a file */
#define LANG_MAX_STATEMENTS 100000u
#define LANG_MAX_TOKENS	    256u		/* a line */
#define LANG_MAX_STEPS	    ((uint64_t)1 << 36) /* operations with all loops unrolled: half a day */
#define LANG_MAX_DEPTH	    8u			/* of repeat */
#define LANG_MAX_VMAS	    4096u		/* in one layout */
#define LANG_MAX_SEGMENTS   64u
#define LANG_MAX_SYMBOLS    60000u

/* A process is its symbol's number in the upper bits and its index plus one (0: none) in the lower. */
#define LANG_INDEX_BITS	    20
#define LANG_MAX_INDEX	    (((uint64_t)1 << LANG_INDEX_BITS) - 2)

enum token_type { TOKEN_END, TOKEN_WORD, TOKEN_NUMBER, TOKEN_STRING, TOKEN_PUNCT };

enum { PUNCT_ARROW = 256, PUNCT_NE, PUNCT_LE, PUNCT_GE };

struct token {
	enum token_type type;
	const char *s;
	size_t len;
	uint64_t number;
	int punct;
};

enum symbol_kind { SYMBOL_PROC, SYMBOL_MARK, SYMBOL_FILE, SYMBOL_PIN };

struct symbol {
	char *name;
	enum symbol_kind kind;
	uint32_t id;   /* by kind, from 1 */
	uint32_t next; /* in its hash chain, 0: none, else index + 1 */
};

/* Add the loop variable of depth var, times scale, to the 64-bit field at this place in the op. */
struct patch {
	uint16_t field;
	uint8_t var;
	uint64_t scale;
};

#define LANG_MAX_PATCHES 6

enum statement_kind { STATEMENT_OP, STATEMENT_REPEAT, STATEMENT_END };

struct statement {
	enum statement_kind kind;
	uint32_t other; /* REPEAT: its END; END: its REPEAT */
	uint64_t count; /* REPEAT */
	uint32_t nr_patches;
	struct patch patches[LANG_MAX_PATCHES];
	struct op op;
};

#define LANG_BUCKETS 1024u

struct program {
	struct op_source source;
	char *name;
	struct statement *statements;
	uint32_t nr, room;
	struct symbol *symbols;
	uint32_t nr_symbols, symbol_room;
	uint32_t ids[SYMBOL_PIN + 1]; /* the last given out */
	uint32_t buckets[LANG_BUCKETS];
	void **blocks; /* texts, layouts, segments: freed with the program */
	uint32_t nr_blocks, block_room;
	/* running */
	uint32_t at;
	uint32_t depth;
	uint64_t var[LANG_MAX_DEPTH];
};

struct parser {
	struct program *prog;
	const char *text, *end; /* what is left of the file */
	uint32_t line;
	const char *place; /* not a file but this text is parsed, and shown in messages */
	struct token tokens[LANG_MAX_TOKENS];
	uint32_t nr, pos;
	uint32_t open[LANG_MAX_DEPTH]; /* statements of open repeats */
	char *vars[LANG_MAX_DEPTH];    /* their variables' names, or NULL; blocks of prog */
	uint32_t depth;
	bool seen_statement;  /* config comes first */
	struct statement *st; /* being made */
	char *err;	      /* OPS_ERR_SIZE */
};

/* lang_lex.c */

/* The next logical line into p->tokens; empty ones too. 1, 0 at the end of the file, -1 with a sentence. */
int lex_line(struct parser *p);

/* lang_token.c: all return false with a sentence in p->err. */

__attribute__((format(printf, 2, 3))) bool lang_fail(struct parser *p, const char *format, ...);
struct token *lang_peek(struct parser *p);
bool lang_at_end(struct parser *p);
bool lang_is_word(const struct token *t, const char *word);
bool lang_is_punct(const struct token *t, int punct);
/* Step over it, if it comes next. */
bool lang_accept(struct parser *p, const char *word);
bool lang_accept_punct(struct parser *p, int punct);
bool lang_need_punct(struct parser *p, int punct, const char *what);
/* For messages: the token as it stands in the file. */
const char *lang_show(const struct token *t, char buf[64]);

void *lang_block(struct parser *p, const void *data, size_t size);
bool lang_need_string(struct parser *p, const char *what, const char **text);
struct symbol *lang_lookup(struct program *prog, const char *s, size_t len);
/* Find or make a symbol of that kind. */
bool lang_define(struct parser *p, const struct token *t, enum symbol_kind kind, uint32_t *id);

/* A number, with loop variables: lands in field, a uint64_t of p->st->op. */
bool lang_number(struct parser *p, const char *what, uint64_t *field);
/* The same without loop variables. */
bool lang_constant(struct parser *p, const char *what, uint64_t *value);
bool lang_addr(struct parser *p, const char *what, struct op_addr *addr);
bool lang_proc(struct parser *p, uint64_t *field);
bool lang_proc_new(struct parser *p, const struct token *name, uint64_t *field);
bool lang_file(struct parser *p, uint32_t *file);
bool lang_cmp(struct parser *p, uint8_t *cmp);
/* r, rw, rwx, none … false without a sentence if the next word is none. */
bool lang_accept_prot(struct parser *p, uint32_t *prot);
/* "= 5", "= 5 step", or nothing. */
bool lang_value(struct parser *p);

/* lang_calls.c, lang_expect.c: what follows the verb. */
bool lang_statement(struct parser *p);
bool lang_expect(struct parser *p);
bool lang_outcome(struct parser *p);

#endif
