// SPDX-License-Identifier: BSD-2-Clause
/*
 * The world is made once for a scenario and saved; each execution begins with a copy. See world.h.
 */
#include "world.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <test/weave/port.h>

#include <mm/file.h>

#define VMAS_MAX    32
#define ALLOWED_MAX 24
#define TEXT_MAX    8192

struct observation {
	size_t len;
	char text[TEXT_MAX];
};

static struct {
	const struct rmap_ops *design;
	const struct op *const *threads;
	unsigned int nr;
	struct observation allowed[ALLOWED_MAX];
	unsigned int nr_allowed;
	uint32_t idle; /* threads that do nothing, a bit each */
	struct observation seen;
} scenario;

static struct world *world(void)
{
	return weave_port_room(sizeof(struct world));
}

void must(int r, const char *what)
{
	if (r)
		weave_fail("the world cannot be made: %s: %s", what, rmap_error_name(r));
}

static bool one_does(enum op_uses what)
{
	unsigned int i;

	for (i = 0; i < scenario.nr; i++) {
		if (scenario.threads[i]->uses & what)
			return true;
	}
	return false;
}

bool world_unmaps(void)
{
	return one_does(UNMAPS);
}

/* ---------------------------------------------------------------- making it */

static void map(struct mm *mm, uint64_t addr, uint64_t pages, uint32_t flags, struct mm_file *file)
{
	const struct mm_mmap args = { .addr = addr,
				      .len = pages * PAGE,
				      .prot = MM_PROT_READ | MM_PROT_WRITE,
				      .flags = flags | MM_MAP_FIXED,
				      .file = file,
				      .file_mode = MM_FILE_READ | MM_FILE_WRITE };
	uint64_t result;

	must(mm_mmap(mm, &args, &result), "mmap");
}

static void put_word(struct mm *mm, uint64_t addr, uint64_t value)
{
	must(mm_write(mm, addr, &value, sizeof(value), NULL), "write");
}

static void make_parent(struct world *w)
{
	const uint32_t anon = MM_MAP_PRIVATE | MM_MAP_ANONYMOUS;
	struct mm_page_info info;
	uint64_t value;

	must(mm_create(w->sys, &w->p), "mm_create");
	must(mm_file_create(w->sys, weave_port_file(0), 2 * PAGE, &w->file), "file");
	must(mm_file_create(w->sys, weave_port_file(1), 2 * PAGE, &w->private_file), "file");
	map(w->p, A(0), A_PAGES, anon, NULL);
	map(w->p, F(0), 2, MM_MAP_SHARED, w->file);
	map(w->p, V(0), 2, MM_MAP_PRIVATE, w->private_file);
	map(w->p, S_LOW, 1, anon | MM_MAP_GROWSDOWN, NULL);
	map(w->p, B, 1, anon, NULL);
	put_word(w->p, A(2), 0xa2);
	must(mm_madvise(w->p, A(2), PAGE, MM_MADV_PAGEOUT), "pageout");
	mm_page_info(w->p, A(2), &info);
	must(info.state == MM_PAGE_SWAPPED ? 0 : RMAP_EBUSY, "swap a2 out");
	put_word(w->p, A(0), 0xa0);
	put_word(w->p, A(1), 0xa1);
	put_word(w->p, F(0), 0xf0);
	put_word(w->p, S_LOW, 0x55);
	put_word(w->p, B, 0xbb);
	must(mm_read(w->p, V(0), &value, sizeof(value), NULL), "read");
}

static void make_world(void *arg)
{
	struct mm_config config = { .design = scenario.design,
				    .overcommit = MM_OVERCOMMIT_ALWAYS,
				    .stack_guard_gap = PAGE,
				    .fault_around = RMAP_PAGE_SIZE };
	struct world *w;
	unsigned int i;

	(void)arg;
	weave_port_clear();
	w = world();
	must(mm_system_create(&config, weave_port(), &w->sys), "mm_system_create");
	make_parent(w);
	must(mm_fork(w->p, &w->c), "fork");
	w->has_p = w->has_c = true;
	put_word(w->c, A(1), 0xc1);
	put_word(w->p, A(4), 0xa4);
	put_word(w->p, V(0), 0xe0);
	for (i = 0; i < scenario.nr; i++) {
		const struct op *op = scenario.threads[i];

		if (op->uses & USES_P)
			mm_get(w->p);
		if (op->uses & USES_C)
			mm_get(w->c);
		if (op->prepare)
			op->prepare(w, (int)i);
	}
	weave_rcu_drain();
	weave_port_save();
}

bool world_make(const struct rmap_ops *design, const struct op *const *threads, unsigned int nr)
{
	scenario.design = design;
	scenario.threads = threads;
	scenario.nr = nr;
	scenario.nr_allowed = 0;
	scenario.idle = 0;
	weave_message_clear();
	return weave_guarded(make_world, NULL) == WEAVE_DONE;
}

void world_reset(void *arg)
{
	(void)arg;
	weave_port_restore();
}

void world_thread(int thread, void *arg)
{
	const struct op *op = scenario.threads[thread];
	struct world *w = world();

	(void)arg;
	weave_port_begin();
	if (!(scenario.idle >> thread & 1))
		w->result[thread] = op->run(w, thread);
	if (op->uses & USES_P)
		mm_put(w->p);
	if (op->uses & USES_C)
		mm_put(w->c);
}

/* ---------------------------------------------------------------- looking at it */

struct vmas {
	unsigned int nr;
	struct mm_vma_info vma[VMAS_MAX];
};

static void note(struct observation *o, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
static void note(struct observation *o, const char *format, ...)
{
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(o->text + o->len, TEXT_MAX - o->len, format, args);
	va_end(args);
	if (n > 0 && (size_t)n < TEXT_MAX - o->len)
		o->len += (size_t)n;
}

/* Printing is most of what looking costs, so numbers are put by hand. */
static void note_hex(struct observation *o, char mark, uint64_t v)
{
	char digits[17];
	int n = 0;

	do {
		digits[n++] = "0123456789abcdef"[v & 15];
		v >>= 4;
	} while (v);
	if (o->len + (size_t)n + 2 >= TEXT_MAX)
		return;
	o->text[o->len++] = mark;
	while (n)
		o->text[o->len++] = digits[--n];
	o->text[o->len] = 0;
}

static void collect(const struct mm_vma_info *vma, void *arg)
{
	struct vmas *all = arg;

	if (all->nr < VMAS_MAX)
		all->vma[all->nr++] = *vma;
}

static void observe_mm(struct observation *o, const char *name, struct mm *mm)
{
	struct vmas all;
	unsigned int i;

	all.nr = 0;
	mm_for_each_vma(mm, collect, &all);
	note(o, "\n%s:", name);
	for (i = 0; i < all.nr; i++) {
		const struct mm_vma_info *v = &all.vma[i];
		uint64_t addr;

		note_hex(o, ' ', (v->start - FIRST) / PAGE);
		note_hex(o, '-', (v->end - FIRST) / PAGE);
		note_hex(o, ' ', v->prot | (uint64_t)v->shared << 4 | (uint64_t)v->locked << 5);
		note_hex(o, '@', v->offset);
		for (addr = v->start; addr < v->end; addr += PAGE) {
			uint64_t value = 0;
			int r = mm_read(mm, addr, &value, sizeof(value), NULL);

			note_hex(o, r ? '!' : '=', r ? (uint64_t)-r : value);
		}
	}
}

static void observe(struct observation *o)
{
	struct world *w = world();
	unsigned int i;

	o->len = 0;
	o->text[0] = 0;
	for (i = 0; i < scenario.nr; i++) {
		const struct op *op = scenario.threads[i];

		if (!(op->uses & LOOSE)) {
			note_hex(o, w->result[i] < 0 ? '-' : '+',
				 (uint64_t)(w->result[i] < 0 ? -w->result[i] : w->result[i]));
			note_hex(o, '=', w->value[i]);
		}
	}
	if (w->has_p)
		observe_mm(o, "P", w->p);
	if (w->has_c)
		observe_mm(o, "C", w->c);
	for (i = 0; i < scenario.nr; i++) {
		if (w->child[i])
			observe_mm(o, "child", w->child[i]);
	}
}

/* What counts as clean is what the store says. */
static void check_store(struct mm_file *file)
{
	const struct mm_port *port = file->sys->port;
	unsigned char stored[PAGE];
	uint64_t index = 0;
	void *entry;

	for (; (entry = file_next_entry(file, &index)) != NULL; index++) {
		struct page *page = entry;

		if (!page_test(page, PG_DIRTY | PG_POISON)) {
			must(port->file_read(port->ctx, file->handle, index, stored), "read");
			if (memcmp(stored, page_data(file->sys, page), PAGE) != 0)
				weave_fail(
					"page %llu of a file is clean, and not what its store says",
					(unsigned long long)index);
		}
		page_put(file->sys, page);
	}
}

static void check(struct world *w)
{
	struct mm_check c = { .max_walks = 0 };
	int r = mm_check(w->sys, &c);

	if (r)
		weave_fail("mm_check: %s", c.message[0] ? c.message : rmap_error_name(r));
	check_store(w->file);
	check_store(w->private_file);
}

static void end(struct world *w)
{
	unsigned int i;

	for (i = 0; i < scenario.nr; i++) {
		if (w->child[i])
			mm_put(w->child[i]);
	}
	if (w->has_c)
		mm_put(w->c);
	if (w->has_p)
		mm_put(w->p);
	mm_file_put(w->file);
	mm_file_put(w->private_file);
	weave_rcu_drain();
	mm_system_destroy(w->sys);
	if (weave_port_objects())
		weave_fail("%llu objects are left", (unsigned long long)weave_port_objects());
}

static bool is_allowed(const struct observation *o)
{
	unsigned int i;

	for (i = 0; i < scenario.nr_allowed; i++) {
		if (scenario.allowed[i].len == o->len &&
		    !memcmp(scenario.allowed[i].text, o->text, o->len))
			return true;
	}
	return false;
}

uint32_t world_ways(void)
{
	uint32_t ways = 1;
	unsigned int i;

	for (i = 0; i < scenario.nr; i++) {
		if (scenario.threads[i]->uses & MAYBE)
			ways *= 2;
	}
	return ways;
}

void world_way(void *arg, uint32_t n)
{
	unsigned int i;

	(void)arg;
	scenario.idle = 0;
	for (i = 0; i < scenario.nr; i++) {
		if (!(scenario.threads[i]->uses & MAYBE))
			continue;
		scenario.idle |= (n & 1) << i;
		n >>= 1;
	}
}

void world_learn(void *arg)
{
	struct world *w = world();

	(void)arg;
	walks_check(w);
	weave_rcu_drain();
	check(w);
	observe(&scenario.seen);
	if (!is_allowed(&scenario.seen)) {
		if (scenario.nr_allowed == ALLOWED_MAX)
			weave_fail("more ends than can be remembered");
		scenario.allowed[scenario.nr_allowed++] = scenario.seen;
	}
	end(w);
}

void world_judge(void *arg)
{
	struct world *w = world();

	(void)arg;
	walks_check(w);
	weave_rcu_drain();
	check(w);
	observe(&scenario.seen);
	if (!is_allowed(&scenario.seen) && !one_does(ANY_END))
		weave_fail("the end is that of no order: %s\n  one after the other: %s",
			   scenario.seen.text, scenario.allowed[0].text);
	end(w);
}
