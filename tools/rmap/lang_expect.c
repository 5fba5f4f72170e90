// SPDX-License-Identifier: BSD-2-Clause
/*
 * Statements that say what shall be true: [designs] expect [not] WHAT ...
 */
#include "lang.h"

#include <stdlib.h>
#include <string.h>

static bool unexpected(struct parser *p, const char *wanted)
{
	char buf[64];

	return lang_fail(p, "expected %s, found %s", wanted, lang_show(lang_peek(p), buf));
}

static bool accept_key(struct parser *p, const char *key)
{
	if (!lang_is_word(lang_peek(p), key) || !lang_is_punct(lang_peek(p) + 1, '='))
		return false;
	p->pos += 2;
	return true;
}

static bool proc_addr(struct parser *p)
{
	return lang_proc(p, &p->st->op.proc) && lang_addr(p, "an address", &p->st->op.addr);
}

static bool target_addr(struct parser *p)
{
	return lang_proc(p, &p->st->op.target) && lang_addr(p, "an address", &p->st->op.new_addr);
}

/* ---------------------------------------------------------------- layouts */

static bool vma_attribute(struct parser *p, struct op_vma *vma)
{
	if (lang_accept(p, "shared"))
		vma->shared = 1;
	else if (lang_accept(p, "private"))
		vma->shared = 0;
	else if (lang_accept(p, "locked"))
		vma->locked = 1;
	else if (lang_accept(p, "unlocked"))
		vma->locked = 0;
	else if (lang_accept(p, "growsdown"))
		vma->growsdown = 1;
	else if (lang_accept(p, "faulted"))
		vma->faulted = 1;
	else if (lang_accept(p, "unfaulted"))
		vma->faulted = 0;
	else if (lang_accept(p, "anon"))
		vma->anonymous = true;
	else if (accept_key(p, "file"))
		return lang_file(p, &vma->file);
	else if (accept_key(p, "offset"))
		return (vma->has_offset = true) && lang_constant(p, "an offset", &vma->offset);
	else if (accept_key(p, "pgoff"))
		return (vma->has_pgoff = true) && lang_addr(p, "a page number", &vma->pgoff);
	else
		return unexpected(p,
				  "an attribute of a VMA (shared, private, anon, file=, offset=, "
				  "pgoff=, locked, unlocked, growsdown, faulted, unfaulted)");
	return true;
}

static bool layout_line(struct parser *p, struct op_vma *vma)
{
	memset(vma, 0, sizeof(*vma));
	vma->shared = vma->locked = vma->growsdown = vma->faulted = -1;
	if (!lang_addr(p, "the start of a VMA", &vma->start) ||
	    !lang_constant(p, "its length", &vma->len))
		return false;
	vma->any_prot = lang_accept(p, "any");
	if (!vma->any_prot && !lang_accept_prot(p, &vma->prot))
		return unexpected(p, "a protection (none, r, rw, rx, rwx or any)");
	while (!lang_at_end(p) && !lang_is_punct(lang_peek(p), ';') &&
	       !lang_is_punct(lang_peek(p), '}'))
		if (!vma_attribute(p, vma))
			return false;
	return true;
}

static bool layout_body(struct parser *p, struct op_vma *vmas, uint32_t *n)
{
	uint32_t first = p->line;
	int more;

	for (;;) {
		if (lang_accept_punct(p, ';'))
			continue;
		if (lang_accept_punct(p, '}')) {
			p->st->op.line = first;
			return true;
		}
		if (lang_at_end(p)) {
			more = lex_line(p);
			if (more < 0)
				return false;
			if (!more)
				return lang_fail(p, "the layout of line %u has no '}'", first);
			continue;
		}
		if (*n == LANG_MAX_VMAS)
			return lang_fail(p, "more than %u VMAs in a layout", LANG_MAX_VMAS);
		if (!layout_line(p, &vmas[(*n)++]))
			return false;
	}
}

static bool parse_layout(struct parser *p)
{
	struct op *op = &p->st->op;
	struct op_vma *vmas;
	uint32_t n = 0;
	bool ok;

	if (!lang_proc(p, &op->proc))
		return false;
	op->exact = lang_accept(p, "exact");
	if (lang_accept(p, "in") &&
	    (!lang_addr(p, "an address", &op->addr) || !lang_number(p, "a length", &op->len)))
		return false;
	if (!lang_need_punct(p, '{', "'{'"))
		return false;
	vmas = malloc(LANG_MAX_VMAS * sizeof(*vmas));
	if (!vmas)
		return lang_fail(p, "out of memory");
	ok = layout_body(p, vmas, &n);
	if (ok) {
		op->vmas = lang_block(p, vmas, n * sizeof(*vmas));
		op->nr_vmas = n;
		if (!op->vmas)
			ok = lang_fail(p, "out of memory");
	}
	free(vmas);
	return ok;
}

/* ---------------------------------------------------------------- tests on fields */

static struct op_test *add_test(struct parser *p)
{
	struct op *op = &p->st->op;

	if (op->nr_tests == OP_TESTS_MAX) {
		lang_fail(p, "more than %d conditions in one line", OP_TESTS_MAX);
		return NULL;
	}
	return &op->tests[op->nr_tests++];
}

/* CMP NUMBER, or CMP ADDRESS for a field that is a place. */
static bool test_value(struct parser *p, struct op_test *test, bool place)
{
	struct op_addr addr;
	bool ok;

	if (!lang_cmp(p, &test->cmp))
		return false;
	if (!place)
		return lang_number(p, "a number", &test->value);
	ok = lang_addr(p, "an address", &addr);
	test->place = true;
	test->mark = addr.mark;
	test->value = addr.off;
	return ok;
}

static bool field_tests(struct parser *p, const char *(*name)(unsigned int), const char *what,
			bool (*is_place)(unsigned int))
{
	while (!lang_at_end(p)) {
		struct op_test *test = add_test(p);
		unsigned int i;

		if (!test)
			return false;
		for (i = 0; name(i); i++)
			if (lang_accept(p, name(i)))
				break;
		if (!name(i))
			return unexpected(p, what);
		test->field = (uint16_t)i;
		if (!test_value(p, test, is_place && is_place(i)))
			return false;
	}
	return p->st->op.nr_tests ? true : unexpected(p, what);
}

static bool stat_is_place(unsigned int field)
{
	return field == OP_STAT_BRK || field == OP_STAT_BRK_START;
}

static bool parse_stat(struct parser *p)
{
	return lang_proc(p, &p->st->op.proc) &&
	       field_tests(p, op_stat_field_name, "a figure of a process (map_count, rss, ...)",
			   stat_is_place);
}

static bool parse_smaps(struct parser *p)
{
	return proc_addr(p) &&
	       field_tests(p, op_smaps_field_name, "a figure of smaps (rss, pss, swap, ...)", NULL);
}

static bool parse_walk(struct parser *p)
{
	if (!proc_addr(p))
		return false;
	p->st->op.flags = lang_accept(p, "stop");
	if (!p->st->op.flags)
		lang_accept(p, "full");
	return field_tests(p, op_walk_field_name, "stop, full, looks, steps or found", NULL);
}

static bool accept_state(struct parser *p, struct op_test *test)
{
	for (unsigned int i = 0; op_page_state_name(i); i++)
		if (lang_accept(p, op_page_state_name(i))) {
			test->field = OP_PAGE_STATE;
			test->cmp = OP_EQ;
			test->value = i;
			return true;
		}
	return false;
}

static bool page_condition(struct parser *p)
{
	struct op_test *test = add_test(p);
	bool negate = lang_accept_punct(p, '!');
	unsigned int i;

	if (!test)
		return false;
	if (accept_state(p, test)) {
		test->cmp = negate ? OP_NE : OP_EQ;
		return true;
	}
	for (i = OP_PAGE_ANON; op_page_field_name(i); i++)
		if (lang_accept(p, op_page_field_name(i)))
			break;
	if (!op_page_field_name(i))
		return unexpected(p, "a state or a property of a page (see rmap-workload(5))");
	test->field = (uint16_t)i;
	if (i == OP_PAGE_MAPCOUNT || i == OP_PAGE_SWAP_COUNT)
		return negate ? unexpected(p, "no '!'") : test_value(p, test, false);
	if (i == OP_PAGE_INDEX || i == OP_PAGE_FRAME)
		return negate ? unexpected(p, "no '!'") : test_value(p, test, true);
	test->cmp = OP_EQ;
	test->value = !negate;
	return true;
}

static bool parse_page(struct parser *p)
{
	if (!proc_addr(p))
		return false;
	do {
		if (!page_condition(p))
			return false;
	} while (!lang_at_end(p));
	return true;
}

/* ---------------------------------------------------------------- the rest */

static bool parse_shared(struct parser *p)
{
	return proc_addr(p) && target_addr(p);
}

static bool parse_owner(struct parser *p)
{
	if (!proc_addr(p))
		return false;
	if (!lang_accept(p, "of"))
		return unexpected(p, "'of', a process and an address");
	return target_addr(p);
}

static bool parse_content(struct parser *p)
{
	struct op *op = &p->st->op;

	if (!proc_addr(p))
		return false;
	if (!lang_is_punct(lang_peek(p), '=') && !lang_number(p, "a length", &op->len))
		return false;
	if (!lang_is_punct(lang_peek(p), '='))
		return unexpected(p, "= and a value");
	return lang_value(p);
}

static bool parse_count(struct parser *p)
{
	struct op_test *test = add_test(p);
	struct token *t = lang_peek(p);
	char *name;

	if (t->type != TOKEN_WORD)
		return unexpected(p, "the name of a counter");
	name = lang_block(p, NULL, t->len + 1);
	if (!test || !name)
		return lang_fail(p, "out of memory");
	memcpy(name, t->s, t->len);
	name[t->len] = '\0';
	p->st->op.text = name;
	p->pos++;
	return test_value(p, test, false);
}

static bool parse_links(struct parser *p)
{
	struct op_test *test = add_test(p);

	return proc_addr(p) && test && test_value(p, test, false);
}

static bool parse_file(struct parser *p)
{
	struct op_test *test = add_test(p);

	if (!lang_file(p, &p->st->op.file) || !test)
		return false;
	if (!lang_accept(p, "size"))
		return unexpected(p, "'size'");
	return test_value(p, test, false);
}

static const struct {
	const char *word;
	enum op_kind kind;
	bool negatable;
	bool (*parse)(struct parser *p);
} expectations[] = {
	{ "layout", OP_EXPECT_LAYOUT, false, parse_layout },
	{ "shared", OP_EXPECT_SHARED, true, parse_shared },
	{ "page", OP_EXPECT_PAGE, false, parse_page },
	{ "content", OP_EXPECT_CONTENT, false, parse_content },
	{ "stat", OP_EXPECT_STAT, false, parse_stat },
	{ "smaps", OP_EXPECT_SMAPS, false, parse_smaps },
	{ "walk", OP_EXPECT_WALK, false, parse_walk },
	{ "count", OP_EXPECT_COUNT, false, parse_count },
	{ "grown", OP_EXPECT_GROWN, false, parse_count },
	{ "owner", OP_EXPECT_OWNER, true, parse_owner },
	{ "origin", OP_EXPECT_ORIGIN, true, parse_shared },
	{ "links", OP_EXPECT_LINKS, false, parse_links },
	{ "file", OP_EXPECT_FILE, false, parse_file },
};

static bool is_design(const struct token *t)
{
	static const char *const names[] = {
		"scan",		  "pte_chain",	 "anon_vma", "anonmm",
		"anon_vma_chain", "cow_context", "lineage",
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (lang_is_word(t, names[i]))
			return true;
	return false;
}

/* [a,b] or [!a,b]: for which designs */
static bool qualifier(struct parser *p)
{
	char text[256] = "";
	size_t n = 0;

	if (!lang_accept_punct(p, '['))
		return true;
	if (lang_accept_punct(p, '!'))
		text[n++] = '!';
	do {
		struct token *t = lang_peek(p);

		if (!is_design(t))
			return unexpected(p, "the name of a design");
		if (n + t->len + 2 > sizeof(text))
			return lang_fail(p, "the list of designs is too long");
		memcpy(text + n, t->s, t->len);
		n += t->len;
		text[n++] = ',';
		p->pos++;
	} while (lang_accept_punct(p, ','));
	text[n - 1] = '\0';
	p->st->op.only = lang_block(p, text, n);
	if (!p->st->op.only)
		return lang_fail(p, "out of memory");
	return lang_need_punct(p, ']', "']'");
}

bool lang_expect(struct parser *p)
{
	struct op *op = &p->st->op;

	if (!qualifier(p))
		return false;
	if (!lang_accept(p, "expect"))
		return unexpected(p, "'expect'");
	op->negate = lang_accept(p, "not");
	for (size_t i = 0; i < sizeof(expectations) / sizeof(expectations[0]); i++) {
		if (!lang_accept(p, expectations[i].word))
			continue;
		if (op->negate && !expectations[i].negatable)
			return lang_fail(p, "'not' cannot stand before '%s'", expectations[i].word);
		op->kind = expectations[i].kind;
		return expectations[i].parse(p);
	}
	return unexpected(p, "layout, shared, page, content, stat, smaps, walk, count, grown, "
			     "owner, origin, links or file");
}
