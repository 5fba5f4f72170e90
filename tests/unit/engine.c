// SPDX-License-Identifier: BSD-2-Clause
/* See tests/engine.h. */
#include "engine.h"
#include "failed.h"

#include "oom/inject.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void fail_at(const char *file, int line, const char *what)
{
	print_error("%s:%d: %s\n", file, line, what);
	_fail(file, line);
}

const struct rmap_ops *engine_design(void)
{
	const char *name = getenv("RMAP_DESIGN");
	const struct rmap_ops *design = rmap_design_by_name(name ? name : "anon_vma_chain");

	if (!design)
		fail_at(__FILE__, __LINE__, "RMAP_DESIGN names no design");
	return design;
}

bool engine_design_is(const char *name)
{
	return !strcmp(rmap_design_name(engine_design()), name);
}

void engine_setup(struct engine *e, const struct engine_config *config)
{
	struct engine_config c = { 0 };
	const struct mm_port *port;
	char error[HOSTED_ERROR];
	int result;

	test_begins();
	if (config)
		c = *config;
	if (!c.machine.nr_frames)
		c.machine.nr_frames = 2048;
	if (!c.machine.nr_swap_slots)
		c.machine.nr_swap_slots = 1024;
	if (c.machine.nr_swap_slots == UINT64_MAX)
		c.machine.nr_swap_slots = 0;
	c.machine.phantom = c.mm.phantom;
	if (!c.mm.design)
		c.mm.design = engine_design();
	/* One processor: nothing runs beside the test, not even what was deferred. */
	if (c.machine.nr_cpus <= 1)
		c.machine.deferral = HOSTED_DEFER_TO_BARRIER;
	c.machine.in_memory |= inject_in_tests();
	memset(e, 0, sizeof(*e));
	if (hosted_create(&c.machine, &e->h, error))
		fail_at(__FILE__, __LINE__, error);
	port = hosted_port(e->h);
	if (c.wrap)
		port = c.wrap(port, c.arg);
	result = mm_system_create(&c.mm, port, &e->sys);
	if (result)
		fail_at(__FILE__, __LINE__, rmap_error_name(result));
	e->cpu = hosted_cpu(e->h, 0);
	inject_test_system(e->sys);
	engine_check(e);
}

static void report_leak(void *arg, const char *what, uint64_t count, uint64_t bytes)
{
	(void)arg;
	print_error("left over: %llu %s, %llu bytes\n", (unsigned long long)count, what,
		    (unsigned long long)bytes);
}

void engine_teardown(struct engine *e)
{
	if (test_has_failed())
		return;
	engine_check(e);
	inject_test_system(NULL);
	mm_system_destroy(e->sys);
	assert_int_equal(hosted_destroy(e->h, report_leak, NULL), 0);
}

void engine_check_at(struct engine *e, const char *file, int line)
{
	struct mm_check check = { 0 };
	char error[HOSTED_ERROR];

	if (mm_check(e->sys, &check))
		fail_at(file, line, check.message);
	if (hosted_tlb_check(e->h, error))
		fail_at(file, line, error);
}

int engine_step_at(struct engine *e, int result, const char *file, int line)
{
	engine_check_at(e, file, line);
	return result;
}

struct mm *engine_mm(struct engine *e)
{
	struct mm *mm;

	assert_int_equal(STEP(e, mm_create(e->sys, &mm)), 0);
	return mm;
}

struct mm *engine_fork_at(struct engine *e, struct mm *mm, const char *file, int line)
{
	struct mm *child = NULL;
	int error = mm_fork(mm, &child);

	if (error)
		fail_at(file, line, rmap_error_name(error));
	engine_check_at(e, file, line);
	return child;
}

uint64_t engine_map_at(struct engine *e, struct mm *mm, uint64_t addr, uint64_t pages,
		       uint32_t prot, uint32_t flags, struct mm_file *file, uint64_t offset,
		       const char *at, int line)
{
	struct mm_mmap args = {
		.addr = addr,
		.len = pages * PAGE,
		.prot = prot,
		.flags = flags | (addr ? (uint32_t)MM_MAP_FIXED : 0u),
		.file = file,
		.file_mode = file ? MM_FILE_READ | MM_FILE_WRITE : 0,
		.offset = offset,
	};
	uint64_t result = 0;
	int error = mm_mmap(mm, &args, &result);

	if (error)
		fail_at(at, line, rmap_error_name(error));
	engine_check_at(e, at, line);
	return result;
}

void poke_at(struct engine *e, struct mm *mm, uint64_t addr, uint64_t value, const char *file,
	     int line)
{
	int error = hosted_write(e->cpu, mm, addr, &value, sizeof(value), NULL);

	if (error)
		fail_at(file, line, rmap_error_name(error));
	engine_check_at(e, file, line);
}

uint64_t peek_at(struct engine *e, struct mm *mm, uint64_t addr, const char *file, int line)
{
	uint64_t value = 0;
	int error = hosted_read(e->cpu, mm, addr, &value, sizeof(value), NULL);

	if (error)
		fail_at(file, line, rmap_error_name(error));
	engine_check_at(e, file, line);
	return value;
}

int touch_read(struct engine *e, struct mm *mm, uint64_t addr)
{
	uint8_t byte;

	return STEP(e, hosted_read(e->cpu, mm, addr, &byte, 1, NULL));
}

int touch_write(struct engine *e, struct mm *mm, uint64_t addr)
{
	uint8_t byte = 1;

	return STEP(e, hosted_write(e->cpu, mm, addr, &byte, 1, NULL));
}

struct mm_page_info page_info(struct mm *mm, uint64_t addr)
{
	struct mm_page_info info;

	mm_page_info(mm, addr, &info);
	return info;
}

bool same_frame(struct mm *a, uint64_t addr_a, struct mm *b, uint64_t addr_b)
{
	struct mm_page_info pa = page_info(a, addr_a);
	struct mm_page_info pb = page_info(b, addr_b);

	return pa.state == MM_PAGE_PRESENT && pb.state == MM_PAGE_PRESENT && pa.pfn == pb.pfn;
}

struct rmap_walk walk_from(struct engine *e, struct mm *mm, uint64_t addr, bool stop)
{
	struct rmap_walk walk = { .flags = stop ? RMAP_WALK_STOP_AT_MAPCOUNT : 0 };
	struct mm_page_info info = page_info(mm, addr);

	assert_int_equal(info.state, MM_PAGE_PRESENT);
	assert_int_equal(rmap_walk(mm_system_rmap(e->sys), mm_page_rmap(info.page), &walk), 0);
	return walk;
}

uint64_t objects_of(struct engine *e, enum rmap_kind kind)
{
	uint64_t objects, bytes;

	mm_get_objects(e->sys, kind, &objects, &bytes);
	return objects;
}

struct mm_counters counters_of(struct engine *e)
{
	struct mm_counters c;

	mm_get_counters(e->sys, &c);
	return c;
}

void swap_out_at(struct engine *e, struct mm *mm, uint64_t addr, const char *file, int line)
{
	struct mm_page_info info;

	/* MADV_PAGEOUT leaves pages alone that several map, so this asks reclaim until the page is gone. */
	for (int i = 0; i < 64; i++) {
		if (page_info(mm, addr).state == MM_PAGE_SWAPPED)
			return;
		mm_reclaim(e->sys, 32);
		engine_check_at(e, file, line);
	}
	info = page_info(mm, addr);
	if (info.state != MM_PAGE_SWAPPED)
		fail_at(file, line, "the page does not go to swap");
}

struct layout_text {
	char *buf;
	size_t size, used;
	uint64_t start, end, last_end, first_pgoff;
	bool any;
};

static void __attribute__((format(printf, 2, 3)))
add_text(struct layout_text *t, const char *format, ...)
{
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(t->buf + t->used, t->size - t->used, format, args);
	va_end(args);
	if (n > 0)
		t->used += (size_t)n < t->size - t->used ? (size_t)n : t->size - t->used - 1;
}

static void add_vma(const struct mm_vma_info *v, void *arg)
{
	struct layout_text *t = arg;

	if (v->end <= t->start || v->start >= t->end)
		return;
	if (t->any)
		add_text(t, " | ");
	else
		t->first_pgoff = v->pgoff;
	if (t->any && v->start > t->last_end)
		add_text(t, "~%llu | ", (unsigned long long)((v->start - t->last_end) / PAGE));
	add_text(t, "%c%c%c%c %llu @%lld", v->prot & MM_PROT_READ ? 'r' : '-',
		 v->prot & MM_PROT_WRITE ? 'w' : '-', v->prot & MM_PROT_EXEC ? 'x' : '-',
		 v->shared ? 's' : 'p', (unsigned long long)((v->end - v->start) / PAGE),
		 (long long)(v->pgoff - t->first_pgoff));
	t->any = true;
	t->last_end = v->end;
}

void layout_of(struct mm *mm, uint64_t start, uint64_t end, char *buf, size_t size)
{
	struct layout_text t = { .buf = buf, .size = size, .start = start, .end = end };

	buf[0] = '\0';
	mm_for_each_vma(mm, add_vma, &t);
}

void assert_layout_at(struct engine *e, struct mm *mm, uint64_t start, uint64_t end,
		      const char *expected, const char *file, int line)
{
	char buf[1024];

	layout_of(mm, start, end, buf, sizeof(buf));
	if (strcmp(buf, expected)) {
		print_error("%s:%d: layout is   %s\n%*s expected  %s\n", file, line, buf,
			    (int)strlen(file) + 4, "", expected);
		_fail(file, line);
	}
	engine_check_at(e, file, line);
}
