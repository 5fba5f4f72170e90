// SPDX-License-Identifier: BSD-2-Clause
/*
 * Lines to tokens. A line ends at its newline, unless that is preceded by a backslash. `#` begins a comment outside of a
 * string. Bytes that mean nothing are named in the message, so that a binary file given by mistake says so at once.
 */
#include "lang.h"

#include <string.h>

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_word_start(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static bool is_word(char c)
{
	return is_word_start(c) || is_digit(c) || c == '.';
}

static int hex_value(char c)
{
	if (is_digit(c))
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

static bool scale(struct parser *p, struct token *t)
{
	uint64_t unit = 1;

	if (p->text < p->end) {
		switch (*p->text) {
		case 'p':
			unit = RMAP_PAGE_SIZE;
			break;
		case 'k':
		case 'K':
			unit = 1u << 10;
			break;
		case 'm':
		case 'M':
			unit = 1u << 20;
			break;
		case 'g':
		case 'G':
			unit = 1u << 30;
			break;
		case 't':
		case 'T':
			unit = (uint64_t)1 << 40;
			break;
		default:
			break;
		}
	}
	if (unit != 1)
		p->text++;
	if (__builtin_mul_overflow(t->number, unit, &t->number))
		return lang_fail(p, "a number is larger than 64 bits");
	if (p->text < p->end && is_word(*p->text))
		return lang_fail(p, "'%.*s' is no number (units are p for pages, K, M, G, T)",
				 (int)(p->text - t->s + 1), t->s);
	return true;
}

static bool lex_number(struct parser *p, struct token *t)
{
	uint64_t base = 10;
	const char *first;

	t->type = TOKEN_NUMBER;
	t->number = 0;
	if (p->end - p->text > 1 && p->text[0] == '0' && (p->text[1] == 'x' || p->text[1] == 'X')) {
		base = 16;
		p->text += 2;
	}
	first = p->text;
	for (; p->text < p->end; p->text++) {
		int digit = hex_value(*p->text);

		if (digit < 0 || (uint64_t)digit >= base)
			break;
		if (__builtin_mul_overflow(t->number, base, &t->number) ||
		    __builtin_add_overflow(t->number, (uint64_t)digit, &t->number))
			return lang_fail(p, "a number is larger than 64 bits");
	}
	if (p->text == first)
		return lang_fail(p, "0x is followed by no digit");
	return scale(p, t);
}

static bool lex_string(struct parser *p, struct token *t)
{
	t->type = TOKEN_STRING;
	t->s = ++p->text;
	while (p->text < p->end && *p->text != '"' && *p->text != '\n') {
		if ((unsigned char)*p->text < 0x20 || *p->text == 0x7f)
			return lang_fail(p, "a string holds the byte 0x%02x",
					 (unsigned char)*p->text);
		p->text++;
	}
	if (p->text == p->end || *p->text != '"')
		return lang_fail(p, "a string has no closing quote");
	t->len = (size_t)(p->text++ - t->s);
	return true;
}

static bool lex_punct(struct parser *p, struct token *t)
{
	static const struct {
		char text[3];
		int punct;
	} pairs[] = {
		{ "->", PUNCT_ARROW },
		{ "!=", PUNCT_NE },
		{ "<=", PUNCT_LE },
		{ ">=", PUNCT_GE },
	};
	char c = *p->text;

	t->type = TOKEN_PUNCT;
	if (p->end - p->text > 1)
		for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++)
			if (!memcmp(p->text, pairs[i].text, 2)) {
				t->punct = pairs[i].punct;
				p->text += 2;
				return true;
			}
	if (!c || !strchr("=<>+-*,:;{}[]!", c)) {
		if ((unsigned char)c > 0x20 && (unsigned char)c < 0x7f)
			return lang_fail(p, "'%c' means nothing here", c);
		return lang_fail(p, "the byte 0x%02x means nothing here", (unsigned char)c);
	}
	t->punct = (unsigned char)c;
	p->text++;
	return true;
}

static bool skip_blank(struct parser *p)
{
	while (p->text < p->end) {
		if (*p->text == ' ' || *p->text == '\t' || *p->text == '\r') {
			p->text++;
		} else if (*p->text == '\\' && p->end - p->text > 1 && p->text[1] == '\n') {
			p->text += 2;
			p->line++;
		} else {
			break;
		}
	}
	return p->text < p->end && *p->text != '\n' && *p->text != '#';
}

int lex_line(struct parser *p)
{
	p->nr = 0;
	p->pos = 0;
	if (p->text == p->end)
		return 0;
	p->line++;
	while (skip_blank(p)) {
		struct token *t = &p->tokens[p->nr];

		/* The last one is always a TOKEN_END. */
		if (p->nr == LANG_MAX_TOKENS - 1) {
			lang_fail(p, "the line has more than %u words", LANG_MAX_TOKENS - 1);
			return -1;
		}
		memset(t, 0, sizeof(*t));
		t->s = p->text;
		if (is_word_start(*p->text)) {
			t->type = TOKEN_WORD;
			while (p->text < p->end && is_word(*p->text))
				p->text++;
		} else if (is_digit(*p->text)) {
			if (!lex_number(p, t))
				return -1;
		} else if (*p->text == '"') {
			if (!lex_string(p, t))
				return -1;
		} else if (!lex_punct(p, t)) {
			return -1;
		}
		if (t->type != TOKEN_STRING)
			t->len = (size_t)(p->text - t->s);
		p->nr++;
	}
	memset(&p->tokens[p->nr], 0, sizeof(p->tokens[0]));
	while (p->text < p->end && *p->text != '\n')
		p->text++;
	if (p->text < p->end)
		p->text++;
	return 1;
}
