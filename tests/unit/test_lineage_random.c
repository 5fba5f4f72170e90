// SPDX-License-Identifier: BSD-2-Clause
/*
 * lineage under random operations: fork, exit, write, map, unmap, move, protect, swap-out, swap-in, migration, walks that settle; of
 * anonymous memory and of private file mappings. After each the whole machine is checked (every walk against every page table) and
 * what was written is there. The sequence of a seed is always the same one.
 */
#include "lineage.h"

#include <stdlib.h>

#define WINDOW 40
#define BASE   0x10000000ull
#define MMS    14

struct process {
	struct mm *mm;
	bool mapped[WINDOW];
	uint64_t value[WINDOW];
};

struct scene {
	struct engine e;
	struct process p[MMS];
	unsigned int nr;
	struct mm_file *file;
	uint64_t random;
	uint64_t next_value;
};

static uint64_t draw(struct scene *s, uint64_t n)
{
	s->random ^= s->random << 13;
	s->random ^= s->random >> 7;
	s->random ^= s->random << 17;
	return (s->random >> 11) % n;
}

static uint64_t at(uint64_t page)
{
	return BASE + page * PAGE;
}

static void do_fork(struct scene *s, struct process *p)
{
	struct process *c = &s->p[s->nr];

	if (s->nr == MMS)
		return;
	*c = *p;
	assert_int_equal(mm_fork(p->mm, &c->mm), 0);
	s->nr++;
}

static void do_exit(struct scene *s, struct process *p)
{
	if (s->nr == 1)
		return;
	mm_put(p->mm);
	*p = s->p[--s->nr];
}

static void do_map(struct scene *s, struct process *p)
{
	uint64_t first = draw(s, WINDOW), len = 1 + draw(s, 6);
	bool of_file = draw(s, 3) == 0;
	struct mm_mmap args = {
		.addr = at(first),
		.prot = MM_PROT_READ | MM_PROT_WRITE,
		.flags =
			MM_MAP_PRIVATE | MM_MAP_FIXED | (of_file ? 0u : (uint32_t)MM_MAP_ANONYMOUS),
		.file = of_file ? s->file : NULL,
		.file_mode = of_file ? MM_FILE_READ | MM_FILE_WRITE : 0,
		.offset = of_file ? draw(s, 8) * PAGE : 0,
	};
	uint64_t result;

	if (len > WINDOW - first)
		len = WINDOW - first;
	args.len = len * PAGE;
	assert_int_equal(mm_mmap(p->mm, &args, &result), 0);
	for (uint64_t i = first; i < first + len; i++) {
		p->mapped[i] = true;
		p->value[i] = 0;
	}
}

static void do_unmap(struct scene *s, struct process *p)
{
	uint64_t first = draw(s, WINDOW), len = 1 + draw(s, 4);

	if (len > WINDOW - first)
		len = WINDOW - first;
	assert_int_equal(mm_munmap(p->mm, at(first), len * PAGE), 0);
	for (uint64_t i = first; i < first + len; i++) {
		p->mapped[i] = false;
		p->value[i] = 0;
	}
}

static void do_move(struct scene *s, struct process *p)
{
	uint64_t from = draw(s, WINDOW), to = draw(s, WINDOW), len = 1 + draw(s, 6), result;
	bool keep = draw(s, 6) == 0;

	if (len > WINDOW - from)
		len = WINDOW - from;
	if (len > WINDOW - to)
		len = WINDOW - to;
	if (from < to + len && to < from + len)
		return;
	for (uint64_t i = from; i < from + len; i++)
		if (!p->mapped[i])
			return;
	if (mm_mremap(p->mm, at(from), len * PAGE, len * PAGE,
		      MM_MREMAP_MAYMOVE | MM_MREMAP_FIXED |
			      (keep ? (uint32_t)MM_MREMAP_DONTUNMAP : 0u),
		      at(to), &result)) {
		fail_msg("mremap");
		return;
	}
	for (uint64_t i = 0; i < len; i++) {
		p->value[to + i] = p->value[from + i];
		p->mapped[to + i] = true;
		p->mapped[from + i] = keep;
		p->value[from + i] = 0;
	}
}

static void do_write(struct scene *s, struct process *p)
{
	uint64_t page = draw(s, WINDOW), value = ++s->next_value;

	if (!p->mapped[page])
		return;
	assert_int_equal(hosted_write(s->e.cpu, p->mm, at(page), &value, sizeof(value), NULL), 0);
	p->value[page] = value;
}

static void do_protect(struct scene *s, struct process *p)
{
	uint64_t page = draw(s, WINDOW);

	if (!p->mapped[page])
		return;
	assert_int_equal(mm_mprotect(p->mm, at(page), PAGE, MM_PROT_READ), 0);
	engine_check(&s->e);
	assert_int_equal(mm_mprotect(p->mm, at(page), PAGE, MM_PROT_READ | MM_PROT_WRITE), 0);
}

static void do_walk(struct scene *s, struct process *p)
{
	uint64_t page = draw(s, WINDOW);
	struct mm_page_info info;

	if (!p->mapped[page])
		return;
	info = page_info(p->mm, at(page));
	if (info.state != MM_PAGE_PRESENT || !info.page || !info.anon)
		return;
	struct rmap_walk first = settle_from(&s->e, p->mm, at(page), draw(s, 2));
	struct rmap_walk second = settle_from(&s->e, p->mm, at(page), true);

	assert_true(first.found >= 1);
	assert_int_equal(second.found, info.mapcount);
}

static void step(struct scene *s)
{
	struct process *p = &s->p[draw(s, s->nr)];
	uint64_t what = draw(s, 100);

	if (what < 10)
		do_fork(s, p);
	else if (what < 17)
		do_exit(s, p);
	else if (what < 50)
		do_write(s, p);
	else if (what < 58)
		do_map(s, p);
	else if (what < 62)
		do_unmap(s, p);
	else if (what < 72)
		do_move(s, p);
	else if (what < 77)
		do_protect(s, p);
	else if (what < 84)
		mm_reclaim(s->e.sys, 1 + draw(s, 16));
	else if (what < 90)
		(void)mm_migrate(p->mm, at(draw(s, WINDOW)));
	else
		do_walk(s, p);
	engine_check(&s->e);
}

static void verify(struct scene *s)
{
	for (unsigned int i = 0; i < s->nr; i++)
		for (uint64_t page = 0; page < WINDOW; page++)
			if (s->p[i].mapped[page])
				assert_int_equal(peek(&s->e, s->p[i].mm, at(page)),
						 s->p[i].value[page]);
}

static void run(uint64_t seed, unsigned int steps)
{
	struct scene *s = calloc(1, sizeof(*s));

	s->random = seed * 0x9e3779b97f4a7c15ull + 1;
	lineage_setup(&s->e, 1024, 1024);
	assert_int_equal(mm_file_create(s->e.sys, NULL, 64 * PAGE, &s->file), 0);
	s->p[0].mm = engine_mm(&s->e);
	s->nr = 1;
	if (seed % 3 == 0)
		atomic_store(&node_of(s->p[0].mm)->clock, LINEAGE_BIRTH_MAX - 4);
	do_map(s, &s->p[0]);
	for (unsigned int i = 0; i < steps; i++) {
		step(s);
		if (i % 50 == 0)
			verify(s);
	}
	verify(s);
	assert_int_equal(rmap_counting(mm_system_rmap(s->e.sys))->merges_refused, 0);
	assert_int_equal(family_locks(&s->e), 0);
	while (s->nr) {
		mm_put(s->p[--s->nr].mm);
		engine_check(&s->e);
	}
	mm_file_put(s->file);
	engine_teardown(&s->e);
	free(s);
}

/* LINEAGE_SEEDS=N and LINEAGE_FIRST=N for longer runs. */
static void sequences(void **state)
{
	const char *text = getenv("LINEAGE_SEEDS"), *from = getenv("LINEAGE_FIRST");
	uint64_t first = from ? strtoull(from, NULL, 0) : 1;
	uint64_t seeds = text ? strtoull(text, NULL, 0) : 20;

	(void)state;
	for (uint64_t seed = first; seed < first + seeds; seed++) {
		print_message("seed %llu\n", (unsigned long long)seed);
		run(seed, 300);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sequences),
	};

	return cmocka_run_group_tests_name("lineage_random", tests, NULL, NULL);
}
