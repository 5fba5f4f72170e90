// SPDX-License-Identifier: BSD-2-Clause
/*
 * What the drawings show, held against what must be there: the states that explain the design.
 */
#include "engine.h"

#include "draw_model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HEAP  0x10000000ull
#define MOVED 0x20000000ull
#define FILES 0x30000000ull

struct stage {
	struct engine e;
	struct draw_process processes[24];
	uint32_t nr;
	struct draw_model m;
};

static void stage_make(struct stage *s)
{
	memset(s, 0, sizeof(*s));
	engine_setup(&s->e, NULL);
}

static void enter(struct stage *s, const char *name, struct mm *mm)
{
	snprintf(s->processes[s->nr].name, DRAW_NAME, "%s", name);
	s->processes[s->nr++].mm = mm;
}

/* Look again. */
static const struct draw_model *look(struct stage *s, struct page *wanted)
{
	draw_free(&s->m);
	assert_int_equal(draw_collect(&s->m, s->e.sys, s->processes, s->nr, wanted, DRAW_LIMITS),
			 0);
	return &s->m;
}

static void stage_end(struct stage *s)
{
	draw_free(&s->m);
	for (uint32_t i = 0; i < s->nr; i++)
		mm_put(s->processes[i].mm);
	engine_teardown(&s->e);
}

static const struct draw_vma *vma_of(const struct draw_model *m, uint32_t process, uint64_t addr)
{
	for (uint32_t i = 0; i < m->nr_vmas; i++)
		if (m->vmas[i].process == process && m->vmas[i].info.start <= addr &&
		    addr < m->vmas[i].info.end)
			return &m->vmas[i];
	fail_msg("no VMA of process %u is drawn at %#llx", process, (unsigned long long)addr);
	return NULL;
}

static const struct draw_pte *pte_of(const struct draw_model *m, uint32_t process, uint64_t addr)
{
	const struct draw_vma *v = vma_of(m, process, addr);

	for (uint32_t i = 0; i < v->nr_ptes; i++)
		if (v->ptes[i].addr == addr)
			return &v->ptes[i];
	fail_msg("no entry of process %u is drawn at %#llx", process, (unsigned long long)addr);
	return NULL;
}

static const struct draw_page *page_of(const struct draw_model *m, uint32_t process, uint64_t addr)
{
	const struct draw_pte *pte = pte_of(m, process, addr);

	assert_int_equal(pte->target, DRAW_PAGE);
	return &m->pages[pte->number];
}

/* Where new pages of the VMA go. */
static uint32_t own_of(const struct draw_vma *v)
{
	for (uint32_t i = 0; i < v->nr_links; i++)
		if (v->links[i].own)
			return v->links[i].owner;
	return DRAW_NONE;
}

/*
 * P [w w . .]   one VMA, one link, one anon_vma that is its own root; both pages name it.
 * covers: 1.0-3, 1.0-4, 1.0-6
 */
static void test_one_process(void **state)
{
	struct stage s;
	const struct draw_model *m;
	struct mm *p;

	(void)state;
	stage_make(&s);
	p = engine_mm(&s.e);
	enter(&s, "P", p);
	map_anon(&s.e, p, HEAP, 4);
	m = look(&s, NULL);
	assert_int_equal(m->nr_owners, 0);
	assert_int_equal(vma_of(m, 0, HEAP)->nr_links, 0);
	poke(&s.e, p, HEAP, 1);
	poke(&s.e, p, HEAP + PAGE, 2);
	m = look(&s, NULL);
	assert_int_equal(m->nr_processes, 1);
	assert_int_equal(m->nr_owners, 1);
	assert_ptr_equal(m->owners[0].parent, m->owners[0].owner);
	assert_int_equal(vma_of(m, 0, HEAP)->nr_links, 1);
	assert_int_equal(own_of(vma_of(m, 0, HEAP)), 0);
	assert_int_equal(m->nr_pages, 2);
	for (uint64_t i = 0; i < 2; i++) {
		assert_int_equal(page_of(m, 0, HEAP + i * PAGE)->owner, 0);
		assert_int_equal(page_of(m, 0, HEAP + i * PAGE)->index, (HEAP >> 12) + i);
		assert_true(page_of(m, 0, HEAP + i * PAGE)->exclusive);
		assert_true(pte_of(m, 0, HEAP + i * PAGE)->writable);
	}
	stage_end(&s);
}

/*
 * P [w w], C forked: C's VMA is linked to an anon_vma of its own, and to P's, which both pages still name.
 * covers: 1.0-2, 1.2-11
 */
static void test_fork_shares_the_anon_vma_and_gives_the_child_its_own(void **state)
{
	struct stage s;
	const struct draw_model *m;
	const struct draw_vma *c;
	struct mm *p;

	(void)state;
	stage_make(&s);
	p = engine_mm(&s.e);
	enter(&s, "P", p);
	map_anon(&s.e, p, HEAP, 4);
	poke(&s.e, p, HEAP, 1);
	poke(&s.e, p, HEAP + PAGE, 2);
	enter(&s, "C", engine_fork(&s.e, p));
	m = look(&s, NULL);
	c = vma_of(m, 1, HEAP);
	assert_int_equal(m->nr_owners, 2);
	assert_int_equal(c->nr_links, 2);
	assert_int_equal(c->links[0].owner, 1); /* its own first */
	assert_int_equal(c->links[1].owner, 0); /* the root's last */
	assert_int_equal(own_of(c), 1);
	assert_ptr_equal(m->owners[1].parent, m->owners[0].owner);
	assert_int_equal(m->nr_pages, 2);
	for (uint64_t i = 0; i < 2; i++) {
		assert_ptr_equal(page_of(m, 0, HEAP + i * PAGE), page_of(m, 1, HEAP + i * PAGE));
		assert_int_equal(page_of(m, 1, HEAP + i * PAGE)->owner, 0);
		assert_int_equal(page_of(m, 1, HEAP + i * PAGE)->mapcount, 2);
		assert_false(page_of(m, 1, HEAP + i * PAGE)->exclusive);
		assert_false(pte_of(m, 0, HEAP + i * PAGE)->writable);
	}
	stage_end(&s);
}

/*
 * P [1 2], C writes its second page: the chains stay as they were, link by link. Only the new page points elsewhere.
 * covers: 1.0-4, 1.6-3
 */
static void test_a_cow_write_changes_no_chain(void **state)
{
	struct stage s;
	const struct draw_model *m;
	struct draw_vma before[2];
	struct mm *p, *c;

	(void)state;
	stage_make(&s);
	p = engine_mm(&s.e);
	enter(&s, "P", p);
	map_anon(&s.e, p, HEAP, 4);
	poke(&s.e, p, HEAP, 1);
	poke(&s.e, p, HEAP + PAGE, 2);
	c = engine_fork(&s.e, p);
	enter(&s, "C", c);
	m = look(&s, NULL);
	before[0] = *vma_of(m, 0, HEAP);
	before[1] = *vma_of(m, 1, HEAP);
	poke(&s.e, c, HEAP + PAGE, 3);
	m = look(&s, NULL);
	assert_int_equal(m->nr_owners, 2);
	for (uint32_t i = 0; i < 2; i++) {
		const struct draw_vma *now = vma_of(m, i, HEAP);

		assert_int_equal(now->nr_links, before[i].nr_links);
		for (uint32_t l = 0; l < now->nr_links; l++) {
			assert_ptr_equal(now->links[l].link, before[i].links[l].link);
			assert_int_equal(now->links[l].owner, before[i].links[l].owner);
		}
	}
	assert_int_equal(m->nr_pages, 3);
	assert_int_equal(page_of(m, 1, HEAP + PAGE)->owner, 1); /* the child's own */
	assert_true(page_of(m, 1, HEAP + PAGE)->exclusive);
	assert_int_equal(page_of(m, 0, HEAP + PAGE)->owner, 0);
	assert_int_equal(page_of(m, 0, HEAP)->owner, 0);
	assert_ptr_equal(page_of(m, 0, HEAP), page_of(m, 1, HEAP));
	/* The same page number in the same place: what tells the two apart is the owner. */
	assert_int_equal(page_of(m, 0, HEAP + PAGE)->index, page_of(m, 1, HEAP + PAGE)->index);
	stage_end(&s);
}

/*
 * P [s], C [s] share a slot; C reads first: the page names the root, where P will look for it too.
 * covers: 1.6-4, B4
 */
static void test_swapped_in_by_the_child_the_page_names_the_root(void **state)
{
	struct stage s;
	const struct draw_model *m;
	struct mm *p, *c;

	(void)state;
	stage_make(&s);
	p = engine_mm(&s.e);
	enter(&s, "P", p);
	map_anon(&s.e, p, HEAP, 4);
	poke(&s.e, p, HEAP, 1);
	c = engine_fork(&s.e, p);
	enter(&s, "C", c);
	swap_out(&s.e, p, HEAP);
	m = look(&s, NULL);
	assert_int_equal(pte_of(m, 0, HEAP)->target, DRAW_SLOT);
	assert_int_equal(pte_of(m, 1, HEAP)->target, DRAW_SLOT);
	assert_int_equal(m->nr_slots, 1);
	assert_int_equal(m->slots[0].count, 2);
	assert_int_equal(peek(&s.e, c, HEAP), 1);
	m = look(&s, NULL);
	assert_int_equal(pte_of(m, 0, HEAP)->target, DRAW_SLOT);
	assert_int_equal(page_of(m, 1, HEAP)->owner, own_of(vma_of(m, 0, HEAP)));
	assert_int_not_equal(page_of(m, 1, HEAP)->owner, own_of(vma_of(m, 1, HEAP)));
	assert_int_not_equal(page_of(m, 1, HEAP)->slot, DRAW_NONE); /* P's entry finds it there */
	stage_end(&s);
}

/* How far into the VMA the page stands that process has at addr, in pages. */
static uint64_t distance(const struct draw_model *m, uint32_t process, uint64_t addr)
{
	return (addr - vma_of(m, process, addr)->info.start) / PAGE;
}

/*
 * Do all VMAs hold a page at one offset? Of its index, yes: index - pgoff is the place in each of them. Of the VMA's beginning or
 * of addresses, no:
 *
 *   P         [0 1 2 3]            one VMA, page 2 is at +2
 *   C         [0][1 2 3]           split by mprotect: page 2 is at +1 of the upper VMA
 *   G  moved  [0][1 2 3] ~> MOVED  another address, the same index
 *
 * covers: 1.0-6, 1.2-9, 1.9-7, 1.10-4
 */
static void test_one_page_at_many_offsets(void **state)
{
	struct stage s;
	const struct draw_model *m;
	struct mm *p, *c, *g;
	uint64_t page2 = HEAP + 2 * PAGE, moved = MOVED + PAGE, result;

	(void)state;
	stage_make(&s);
	p = engine_mm(&s.e);
	enter(&s, "P", p);
	map_anon(&s.e, p, HEAP, 4);
	for (uint64_t i = 0; i < 4; i++)
		poke(&s.e, p, HEAP + i * PAGE, i);
	c = engine_fork(&s.e, p);
	enter(&s, "C", c);
	assert_int_equal(STEP(&s.e, mm_mprotect(c, HEAP, PAGE, MM_PROT_READ)), 0);
	g = engine_fork(&s.e, c);
	enter(&s, "G", g);
	assert_int_equal(STEP(&s.e, mm_mremap(g, HEAP + PAGE, 3 * PAGE, 3 * PAGE,
					      MM_MREMAP_MAYMOVE | MM_MREMAP_FIXED, MOVED, &result)),
			 0);
	m = look(&s, NULL);
	assert_int_equal(distance(m, 0, page2), 2);
	assert_int_equal(distance(m, 1, page2), 1);
	assert_int_equal(distance(m, 2, moved), 1);
	assert_ptr_equal(page_of(m, 0, page2), page_of(m, 1, page2));
	assert_ptr_equal(page_of(m, 0, page2), page_of(m, 2, moved));
	assert_int_equal(page_of(m, 0, page2)->index, page2 >> 12);
	/* One index, and so in each VMA one place: that of its own beginning and offset. */
	for (uint32_t i = 0; i < 3; i++) {
		const struct draw_vma *v = vma_of(m, i, i == 2 ? moved : page2);
		uint64_t addr;

		assert_true(rmap_vma_address(v->info.rmap, page2 >> 12, &addr));
		assert_int_equal(addr, i == 2 ? moved : page2);
	}
	/* Both halves of the split have the same links. */
	assert_int_equal(vma_of(m, 1, HEAP)->nr_links, vma_of(m, 1, page2)->nr_links);
	assert_int_equal(own_of(vma_of(m, 1, HEAP)), own_of(vma_of(m, 1, page2)));
	stage_end(&s);
}

/*
 * A file of four pages, mapped whole and from its third page on: that page is at +2 of one VMA and at +0 of the other.
 * covers: 1.5-4, I11
 */
static void test_a_file_page_at_two_offsets(void **state)
{
	struct stage s;
	const struct draw_model *m;
	struct hosted_file *handle;
	struct mm_file *file;
	struct mm *p;

	(void)state;
	stage_make(&s);
	p = engine_mm(&s.e);
	enter(&s, "P", p);
	assert_int_equal(hosted_file_temp(s.e.h, 4 * PAGE, 1, &handle), 0);
	assert_int_equal(mm_file_create(s.e.sys, handle, 4 * PAGE, &file), 0);
	map_with(&s.e, p, FILES, 4, MM_PROT_READ | MM_PROT_WRITE, MM_MAP_SHARED, file, 0);
	map_with(&s.e, p, MOVED, 2, MM_PROT_READ | MM_PROT_WRITE, MM_MAP_SHARED, file, 2 * PAGE);
	poke(&s.e, p, FILES + 2 * PAGE, 1);
	poke(&s.e, p, MOVED, 2);
	m = look(&s, NULL);
	assert_int_equal(m->nr_files, 1);
	assert_int_equal(distance(m, 0, FILES + 2 * PAGE), 2);
	assert_int_equal(distance(m, 0, MOVED), 0);
	assert_ptr_equal(page_of(m, 0, FILES + 2 * PAGE), page_of(m, 0, MOVED));
	assert_int_equal(page_of(m, 0, MOVED)->index, 2);
	assert_int_equal(page_of(m, 0, MOVED)->file, 0);
	mm_file_put(file);
	stage_end(&s);
}

/* One page of many: every VMA that a walk from it looks at is drawn, also where another page stands by now. */
static void test_one_page_and_who_is_asked_for_it(void **state)
{
	struct stage s;
	const struct draw_model *m;
	struct mm *p, *c, *d;

	(void)state;
	stage_make(&s);
	p = engine_mm(&s.e);
	enter(&s, "P", p);
	map_anon(&s.e, p, HEAP, 4);
	poke(&s.e, p, HEAP, 1);
	poke(&s.e, p, HEAP + PAGE, 1);
	map_anon(&s.e, p, MOVED, 4);
	poke(&s.e, p, MOVED, 1);
	c = engine_fork(&s.e, p);
	enter(&s, "C", c);
	d = engine_fork(&s.e, p);
	enter(&s, "D", d);
	enter(&s, "stranger", engine_mm(&s.e));
	poke(&s.e, c, HEAP, 2);
	m = look(&s, draw_page_at(p, HEAP));
	assert_int_equal(m->nr_processes, 3);
	assert_int_equal(m->nr_vmas, 3);
	assert_int_equal(m->processes_left_out, 0);
	assert_int_equal(m->walk_looks, 3);
	assert_int_equal(m->walk_found, 2);
	assert_true(page_of(m, 0, HEAP)->wanted);
	assert_false(page_of(m, 1, HEAP)->wanted);
	assert_ptr_equal(page_of(m, 2, HEAP), page_of(m, 0, HEAP));
	/* From the child's own page one place is looked at. */
	m = look(&s, draw_page_at(c, HEAP));
	assert_int_equal(m->nr_vmas, 1);
	assert_int_equal(m->walk_looks, 1);
	assert_null(draw_page_at(p, HEAP + 2 * PAGE));
	assert_null(draw_page_at(p, UINT64_MAX));
	stage_end(&s);
}

static void test_what_is_left_out_is_said(void **state)
{
	struct stage s;
	const struct draw_model *m;
	struct mm *p;
	char *text, name[DRAW_NAME];
	size_t size;

	(void)state;
	stage_make(&s);
	p = engine_mm(&s.e);
	enter(&s, "P <&\"", p);
	map_anon(&s.e, p, HEAP, 20);
	for (uint64_t i = 0; i < 20; i++)
		poke(&s.e, p, HEAP + i * PAGE, 1);
	/* VMAs that are no neighbours, of which the last one is faulted: that one is drawn. */
	for (uint64_t i = 0; i < 10; i++)
		map_anon(&s.e, p, MOVED + 2 * i * PAGE, 1);
	poke(&s.e, p, MOVED + 18 * PAGE, 1);
	for (unsigned int i = 0; i < 19; i++) {
		snprintf(name, sizeof(name), "K%u", i);
		enter(&s, name, engine_fork(&s.e, p));
	}
	m = look(&s, NULL);
	assert_int_equal(m->nr_processes, 8);
	assert_int_equal(m->processes_left_out, 12);
	assert_int_equal(m->processes[0].vmas_left_out, 3);
	assert_int_equal(vma_of(m, 0, HEAP)->nr_ptes, DRAW_PTES);
	assert_int_equal(vma_of(m, 0, HEAP)->ptes_left_out, 20 - DRAW_PTES);
	assert_int_equal(vma_of(m, 0, MOVED + 18 * PAGE)->nr_ptes, 1);
	text = draw_dot(m, "a <title>", &size);
	assert_non_null(text);
	assert_int_equal(strlen(text), size);
	assert_non_null(strstr(text, "Left out: 12 more processes."));
	assert_non_null(strstr(text, "and 3 more VMAs"));
	assert_non_null(strstr(text, "and 14 more entries"));
	assert_non_null(strstr(text, "P &lt;&amp;&quot;"));
	assert_non_null(strstr(text, "a &lt;title&gt;"));
	free(text);
	stage_end(&s);
}

/* The text of what is there, under a design: P has forked C, and C has written its second page. */
static char *drawn_under(const char *design)
{
	struct engine_config config = { .mm.design = rmap_design_by_name(design) };
	struct stage s;
	struct mm *p, *c;
	size_t size;
	char *text;

	memset(&s, 0, sizeof(s));
	engine_setup(&s.e, &config);
	p = engine_mm(&s.e);
	enter(&s, "P", p);
	map_anon(&s.e, p, HEAP, 4);
	poke(&s.e, p, HEAP, 1);
	poke(&s.e, p, HEAP + PAGE, 2);
	c = engine_fork(&s.e, p);
	enter(&s, "C", c);
	poke(&s.e, c, HEAP + PAGE, 3);
	text = draw_dot(look(&s, NULL), "title", &size);
	assert_non_null(text);
	stage_end(&s);
	return text;
}

static unsigned int count(const char *text, const char *what)
{
	unsigned int n = 0;

	while ((text = strstr(text, what)) != NULL) {
		text += strlen(what);
		n++;
	}
	return n;
}

/*
 * Each design is drawn with its own objects, in its own words, and with no other's: three pages, two processes, four entries, and
 *
 *   by link   VMA - AVC - anon_vma        three AVCs
 *   by VMA    anon_vma - VMA              two arrows to the one anon_vma
 *   by mm     node - process, node - node
 *   by PTE    page - entry                four chain entries
 */
static void test_each_design_in_its_own_words(void **state)
{
	static const struct {
		const char *design, *owner;
		unsigned int owners, links, direct, family;
		const char *says, *never[4];
	} rows[] = {
		{ "anon_vma_chain",
		  "<B>anon_vma ",
		  2,
		  3,
		  0,
		  0,
		  "same_vma",
		  { "list of VMAs", "<B>node" } },
		{ "anon_vma",
		  "<B>anon_vma ",
		  1,
		  0,
		  2,
		  0,
		  "list of VMAs",
		  { "AVC", "link", "same_vma", "interval tree" } },
		{ "lineage",
		  "<B>node ",
		  2,
		  0,
		  2,
		  1,
		  "birth 1 &#183; clock 0",
		  { "anon_vma", "AVC", "link", "interval tree" } },
		{ "cow_context",
		  "<B>context ",
		  2,
		  0,
		  2,
		  1,
		  "a context's children",
		  { "anon_vma", "AVC", "link", "birth" } },
		{ "anonmm",
		  "<B>group ",
		  1,
		  0,
		  2,
		  0,
		  "a group's members",
		  { "anon_vma", "AVC", "link", "child of" } },
		{ "pte_chain",
		  "<B>anon_vma ",
		  0,
		  0,
		  4,
		  0,
		  "a page's chain",
		  { "anon_vma", "AVC", "link", "mapping" } },
		{ "scan",
		  "<B>anon_vma ",
		  0,
		  0,
		  0,
		  0,
		  "reads every page table",
		  { "anon_vma", "AVC", "chain", "mapping" } },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char *text = drawn_under(rows[i].design);

		assert_int_equal(count(text, rows[i].owner), rows[i].owners);
		assert_int_equal(count(text, ">AVC<"), rows[i].links);
		assert_int_equal(count(text, "dir=back"), rows[i].direct + rows[i].links);
		assert_int_equal(count(text, "o0 -> o1 ["), rows[i].family);
		assert_non_null(strstr(text, rows[i].says));
		for (unsigned int n = 0; n < 4 && rows[i].never[n]; n++)
			if (strstr(text, rows[i].never[n]))
				fail_msg("%s is drawn with '%s'", rows[i].design, rows[i].never[n]);
		free(text);
	}
}

/* With no design is a page that was asked for left without those who map it, wherever they moved it. */
static void test_one_page_under_each_design(void **state)
{
	(void)state;
	for (unsigned int i = 0; rmap_designs[i]; i++) {
		struct engine_config config = { .mm.design = rmap_designs[i] };
		const struct draw_model *m;
		struct stage s;
		uint64_t result;
		struct mm *p;

		memset(&s, 0, sizeof(s));
		engine_setup(&s.e, &config);
		p = engine_mm(&s.e);
		enter(&s, "P", p);
		map_anon(&s.e, p, HEAP, 2);
		poke(&s.e, p, HEAP + PAGE, 1);
		enter(&s, "C", engine_fork(&s.e, p));
		m = look(&s, draw_page_at(p, HEAP + PAGE));
		assert_int_equal(m->nr_vmas, 2);
		assert_int_equal(m->walk_found, 2);
		assert_true(page_of(m, 1, HEAP + PAGE)->wanted);
		assert_int_equal(
			STEP(&s.e, mm_mremap(p, HEAP, 2 * PAGE, 2 * PAGE,
					     MM_MREMAP_MAYMOVE | MM_MREMAP_FIXED, MOVED, &result)),
			0);
		m = look(&s, draw_page_at(p, MOVED + PAGE));
		assert_true(page_of(m, 0, MOVED + PAGE)->wanted);
		stage_end(&s);
	}
}

static void test_owners_have_letters(void **state)
{
	char buf[8];

	(void)state;
	assert_string_equal(draw_owner_name(0, buf), "A");
	assert_string_equal(draw_owner_name(25, buf), "Z");
	assert_string_equal(draw_owner_name(26, buf), "AA");
	assert_string_equal(draw_owner_name(26 + 26 * 26, buf), "AAA");
	assert_string_equal(draw_owner_name(DRAW_NONE - 1, buf), buf);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one_process),
		cmocka_unit_test(test_fork_shares_the_anon_vma_and_gives_the_child_its_own),
		cmocka_unit_test(test_a_cow_write_changes_no_chain),
		cmocka_unit_test(test_swapped_in_by_the_child_the_page_names_the_root),
		cmocka_unit_test(test_one_page_at_many_offsets),
		cmocka_unit_test(test_a_file_page_at_two_offsets),
		cmocka_unit_test(test_one_page_and_who_is_asked_for_it),
		cmocka_unit_test(test_what_is_left_out_is_said),
		cmocka_unit_test(test_each_design_in_its_own_words),
		cmocka_unit_test(test_one_page_under_each_design),
		cmocka_unit_test(test_owners_have_letters),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
