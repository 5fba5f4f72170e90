// SPDX-License-Identifier: BSD-2-Clause
/*
 * The software MMU: translation, rights, accessed and dirty bits, and above all that a missing flush is seen.
 */
#include "engine.h"

#include <pthread.h>
#include <string.h>

static struct engine e;

static void start(const struct engine_config *config)
{
	engine_setup(&e, config);
}

static struct hosted_mmu_stats stats(void)
{
	struct hosted_mmu_stats s;

	hosted_mmu_get_stats(e.h, &s);
	return s;
}

/* The slot of addr's PTE, as the processor finds it. */
static pte_t *slot_of(struct mm *mm, uint64_t addr)
{
	const struct mm_port *port = hosted_port(e.h);
	const pte_t *table = mm_table_root(mm);
	int level;

	for (level = PT_LEVELS; level > 1; level--) {
		pte_t entry = pte_read(&table[pt_index(addr, level)]);

		assert_true(pte_present(entry));
		table = (const pte_t *)((const char *)port->frames +
					(pte_pfn(entry) << RMAP_PAGE_SHIFT));
	}
	return (pte_t *)&table[pt_index(addr, 1)];
}

static void flush(struct mm *mm, uint64_t addr)
{
	const struct mm_port *port = hosted_port(e.h);

	port->tlb_flush(port->ctx, mm, addr, addr + PAGE, MM_FLUSH_UNMAP);
}

/*
 *	        a       a+1     a+2     a+3
 *	  hole |   rw  |   rw  |   r   | hole
 */
static void test_access(void **state)
{
	static char out[3 * PAGE], in[3 * PAGE];
	struct mm *mm;
	uint64_t a, done, i;

	(void)state;
	start(NULL);
	mm = engine_mm(&e);
	a = map_anon(&e, mm, 0x10000000, 3);
	assert_int_equal(STEP(&e, mm_mprotect(mm, a + 2 * PAGE, PAGE, MM_PROT_READ)), 0);
	for (i = 0; i < sizeof(out); i++)
		out[i] = (char)(i * 7 + i / 256);

	/* Across a page's border, byte by byte what was written. */
	assert_int_equal(hosted_write(e.cpu, mm, a + 100, out, PAGE, &done), 0);
	assert_int_equal(done, PAGE);
	assert_int_equal(hosted_read(e.cpu, mm, a, in, 3 * PAGE, &done), 0);
	assert_int_equal(done, 3 * PAGE);
	assert_memory_equal(in + 100, out, PAGE);
	assert_int_equal(in[99], 0);
	assert_int_equal(in[100 + PAGE], 0);

	/* What comes before the page that failed is done. */
	assert_int_equal(hosted_write(e.cpu, mm, a + PAGE, out, 2 * PAGE, &done), RMAP_EACCES);
	assert_int_equal(done, PAGE);
	assert_int_equal(hosted_read(e.cpu, mm, a + 2 * PAGE + 1, in, 2 * PAGE, &done),
			 RMAP_EFAULT);
	assert_int_equal(done, PAGE - 1);
	assert_int_equal(hosted_read(e.cpu, mm, a - 1, in, 2, &done), RMAP_EFAULT);
	assert_int_equal(done, 0);
	assert_int_equal(hosted_read(e.cpu, mm, a, in, 0, &done), 0);
	assert_int_equal(done, 0);
	/* Touching moves no bytes. */
	assert_int_equal(hosted_write(e.cpu, mm, a, NULL, 2 * PAGE, NULL), 0);
	assert_int_equal(hosted_read(e.cpu, mm, a, NULL, 2 * PAGE, NULL), 0);
	assert_int_equal(hosted_read(e.cpu, mm, a + 100, in, 8, NULL), 0);
	assert_memory_equal(in, out, 8);
	engine_check(&e);
	mm_put(mm);
	engine_teardown(&e);
}

/* Addresses at both ends, and a length that wraps. */
static void test_odd_addresses(void **state)
{
	static const uint64_t odd[] = { 0,
					1,
					MM_TASK_SIZE,
					MM_TASK_SIZE - 1,
					(uint64_t)1 << 47,
					((uint64_t)1 << 47) - 1,
					(uint64_t)1 << 63,
					UINT64_MAX - 7,
					UINT64_MAX };
	struct mm *mm;
	uint64_t done;
	char buffer[64];
	size_t i;

	(void)state;
	start(NULL);
	mm = engine_mm(&e);
	for (i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
		assert_int_equal(hosted_read(e.cpu, mm, odd[i], buffer, 64, &done), RMAP_EFAULT);
		assert_int_equal(done, 0);
		assert_int_equal(hosted_write(e.cpu, mm, odd[i], buffer, 64, NULL), RMAP_EFAULT);
		assert_int_equal(hosted_exec(e.cpu, mm, odd[i], buffer, 64, NULL), RMAP_EFAULT);
	}
	/* The last page that there is, and over its end. */
	map_anon(&e, mm, MM_TASK_SIZE - PAGE, 1);
	assert_int_equal(hosted_write(e.cpu, mm, MM_TASK_SIZE - 8, buffer, 64, &done), RMAP_EFAULT);
	assert_int_equal(done, 8);
	engine_check(&e);
	mm_put(mm);
	engine_teardown(&e);
}

static void test_exec(void **state)
{
	struct mm *mm;
	uint64_t a;
	char byte;

	(void)state;
	start(NULL);
	mm = engine_mm(&e);
	a = map_anon(&e, mm, 0, 1);
	poke(&e, mm, a, 0xc3);
	assert_int_equal(hosted_exec(e.cpu, mm, a, &byte, 1, NULL), RMAP_EACCES);
	assert_int_equal(STEP(&e, mm_mprotect(mm, a, PAGE, MM_PROT_READ | MM_PROT_EXEC)), 0);
	assert_int_equal(hosted_exec(e.cpu, mm, a, &byte, 1, NULL), 0);
	assert_int_equal((unsigned char)byte, 0xc3);
	/* What the TLB holds for execution goes with the right. */
	assert_int_equal(STEP(&e, mm_mprotect(mm, a, PAGE, MM_PROT_READ | MM_PROT_WRITE)), 0);
	assert_int_equal(hosted_exec(e.cpu, mm, a, &byte, 1, NULL), RMAP_EACCES);
	mm_put(mm);
	engine_teardown(&e);
}

/* Accessed by any access, dirty by writes alone; also by the first write through an entry that was read through. */
static void test_accessed_and_dirty(void **state)
{
	const pte_t marks = PTE_ACCESSED | PTE_DIRTY;
	struct mm *mm;
	uint64_t a;
	pte_t *slot;

	(void)state;
	start(NULL);
	mm = engine_mm(&e);
	a = map_anon(&e, mm, 0, 1);
	poke(&e, mm, a, 1);
	slot = slot_of(mm, a);
	pte_clear_bits(slot, marks);
	flush(mm, a);
	assert_int_equal(hosted_read(e.cpu, mm, a, NULL, 1, NULL), 0);
	assert_int_equal(pte_read(slot) & marks, PTE_ACCESSED);
	assert_int_equal(hosted_write(e.cpu, mm, a, NULL, 1, NULL), 0);
	assert_int_equal(pte_read(slot) & marks, marks);
	/* No further fault was needed for it. */
	pte_clear_bits(slot, marks);
	flush(mm, a);
	assert_int_equal(hosted_write(e.cpu, mm, a, NULL, 1, NULL), 0);
	assert_int_equal(pte_read(slot) & marks, marks);
	/* An entry that knows it is dirty does not go to the table again: the bit stays away until a flush. */
	pte_clear_bits(slot, PTE_ACCESSED);
	assert_int_equal(hosted_write(e.cpu, mm, a, NULL, 1, NULL), 0);
	assert_int_equal(pte_read(slot) & marks, PTE_DIRTY);
	flush(mm, a);
	engine_check(&e);
	mm_put(mm);
	engine_teardown(&e);
}

static void test_hits(void **state)
{
	struct engine_config no_tlb = { .machine.no_tlb = true };
	struct hosted_mmu_stats before, after;
	struct mm *mm;
	uint64_t a;
	int i, off;

	(void)state;
	for (off = 0; off < 2; off++) {
		start(off ? &no_tlb : NULL);
		mm = engine_mm(&e);
		a = map_anon(&e, mm, 0, 1);
		poke(&e, mm, a, 1);
		before = stats();
		for (i = 0; i < 100; i++)
			assert_int_equal(hosted_read(e.cpu, mm, a, NULL, 1, NULL), 0);
		after = stats();
		assert_int_equal(after.hits - before.hits, off ? 0 : 100);
		assert_int_equal(after.misses - before.misses, off ? 100 : 0);
		assert_int_equal(after.faults, before.faults);
		mm_put(mm);
		engine_teardown(&e);
	}
}

/* More pages than the TLB has entries, all in one of its sets; and as many in all of them. */
static void test_more_than_fits(void **state)
{
	struct mm *mm;
	uint64_t a, b, i;

	(void)state;
	start(&(struct engine_config){ .machine.nr_frames = 8192 });
	mm = engine_mm(&e);
	a = map_anon(&e, mm, 0, 64 * 40);
	b = map_anon(&e, mm, 0, 600);
	for (i = 0; i < 40; i++)
		assert_int_equal(hosted_write(e.cpu, mm, a + i * 64 * PAGE, &i, 8, NULL), 0);
	for (i = 0; i < 600; i++)
		assert_int_equal(hosted_write(e.cpu, mm, b + i * PAGE, &i, 8, NULL), 0);
	engine_check(&e);
	for (i = 0; i < 40; i++)
		assert_int_equal(peek(&e, mm, a + i * 64 * PAGE), i);
	for (i = 0; i < 600; i += 37)
		assert_int_equal(peek(&e, mm, b + i * PAGE), i);
	mm_put(mm);
	engine_teardown(&e);
}

/* One processor, one address, two address spaces: entries are tagged. */
static void test_tags(void **state)
{
	const uint64_t a = 0x40000000;
	struct mm *x, *y, *child;

	(void)state;
	start(NULL);
	x = engine_mm(&e);
	y = engine_mm(&e);
	map_anon(&e, x, a, 1);
	map_anon(&e, y, a, 1);
	poke(&e, x, a, 1);
	poke(&e, y, a, 2);
	assert_int_equal(peek(&e, x, a), 1);
	assert_int_equal(peek(&e, y, a), 2);
	child = engine_fork(&e, x);
	poke(&e, child, a, 3);
	assert_int_equal(peek(&e, x, a), 1);
	/* The loaded one goes; a new one, perhaps in its memory, sees nothing of it. */
	hosted_cpu_switch(e.cpu, child);
	mm_put(child);
	engine_check(&e);
	child = engine_mm(&e);
	assert_int_equal(hosted_read(e.cpu, child, a, NULL, 1, NULL), RMAP_EFAULT);
	hosted_cpu_switch(e.cpu, NULL);
	assert_int_equal(peek(&e, y, a), 2);
	mm_put(child);
	mm_put(x);
	mm_put(y);
	engine_teardown(&e);
}

/* What one processor holds is flushed by what another does. */
static void test_other_processors(void **state)
{
	struct hosted_cpu *second;
	struct mm *mm;
	uint64_t a, value = 0;

	(void)state;
	start(&(struct engine_config){ .machine.nr_cpus = 2 });
	second = hosted_cpu(e.h, 1);
	assert_non_null(second);
	assert_null(hosted_cpu(e.h, 2));
	assert_int_equal(hosted_nr_cpus(e.h), 2);
	mm = engine_mm(&e);
	a = map_anon(&e, mm, 0, 100);
	poke(&e, mm, a, 7);
	poke(&e, mm, a + 99 * PAGE, 8);
	assert_int_equal(hosted_read(second, mm, a, &value, 8, NULL), 0);
	assert_int_equal(value, 7);
	assert_int_equal(hosted_write(second, mm, a + 99 * PAGE, &value, 8, NULL), 0);
	assert_int_equal(STEP(&e, mm_mprotect(mm, a + 99 * PAGE, PAGE, MM_PROT_READ)), 0);
	assert_int_equal(hosted_write(second, mm, a + 99 * PAGE, &value, 8, NULL), RMAP_EACCES);
	assert_int_equal(STEP(&e, mm_munmap(mm, a, 100 * PAGE)), 0);
	assert_int_equal(hosted_read(second, mm, a, &value, 8, NULL), RMAP_EFAULT);
	mm_put(mm);
	engine_teardown(&e);
}

/* Every way in which an entry can be staler than the table is seen by the check, and named. */
static void test_stale_entries(void **state)
{
	static const struct {
		pte_t clear, set;
		const char *says;
	} cases[] = {
		{ PTE_PRESENT, 0, "but the PTE is not present" },
		{ (pte_t)1 << PTE_PFN_SHIFT, 0, "but the PTE names another frame" },
		{ 0, (pte_t)1 << PTE_PFN_SHIFT, "but the PTE names another frame" },
		{ PTE_USER, 0, "but the PTE does not let a process in" },
		{ PTE_WRITE, 0, "for writing, but the PTE does not allow it" },
		{ PTE_DIRTY, 0, "without marking writes, but the PTE is clean" },
		{ 0, PTE_NX, "for execution, but the PTE does not allow it" },
		{ PTE_ACCESSED, 0, "but the PTE says that nobody has used it" },
	};
	char error[HOSTED_ERROR];
	struct mm *mm;
	uint64_t a;
	pte_t *slot, good, bad;
	size_t i;

	(void)state;
	start(NULL);
	mm = engine_mm(&e);
	a = map_with(&e, mm, 0, 1, MM_PROT_READ | MM_PROT_WRITE | MM_PROT_EXEC,
		     MM_MAP_PRIVATE | MM_MAP_ANONYMOUS, NULL, 0);
	poke(&e, mm, a, 1);
	slot = slot_of(mm, a);
	good = pte_read(slot);
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		bad = (good & ~cases[i].clear) | cases[i].set;
		if (bad == good)
			continue; /* the frame number had that bit anyway */
		pte_write(slot, bad);
		assert_int_equal(hosted_tlb_check(e.h, error), RMAP_EBADMSG);
		if (!strstr(error, cases[i].says) || !strstr(error, "should have flushed it"))
			fail_msg("'%s' does not say '%s'", error, cases[i].says);
		/* With the flush that was missing all is well. */
		flush(mm, a);
		assert_int_equal(hosted_tlb_check(e.h, error), 0);
		pte_write(slot, good);
		assert_int_equal(hosted_read(e.cpu, mm, a, NULL, 1, NULL), 0);
		assert_int_equal(hosted_write(e.cpu, mm, a, NULL, 1, NULL), 0);
	}
	mm_put(mm);
	engine_teardown(&e);
}

/* A machine that watches names who has gone on by an old translation, and what it did. */
static void test_watched(void **state)
{
	struct hosted_cpu *second;
	char error[HOSTED_ERROR];
	uint64_t a, value = 1;
	struct mm *mm;
	pte_t *slot, good;

	(void)state;
	start(&(struct engine_config){ .machine = { .nr_cpus = 2, .watch_tlb = true } });
	second = hosted_cpu(e.h, 1);
	mm = engine_mm(&e);
	a = map_anon(&e, mm, 0, 1);
	poke(&e, mm, a, 1);
	assert_int_equal(hosted_write(second, mm, a, &value, 8, NULL), 0);
	slot = slot_of(mm, a);
	good = pte_read(slot);
	pte_write(slot, good & ~PTE_WRITE);
	assert_int_equal(hosted_read(second, mm, a, &value, 8, NULL), 0);
	assert_int_equal(hosted_write(second, mm, a, &value, 8, NULL), 0);
	assert_int_equal(hosted_write(second, mm, a, &value, 8, NULL), 0);
	/* The first processor's is as stale, but it has not used it. */
	assert_int_equal(hosted_tlb_check(e.h, error), RMAP_EBADMSG);
	assert_non_null(strstr(error, "Processor 0"));
	assert_null(strstr(error, "since"));
	assert_int_equal(hosted_write(e.cpu, mm, a, &value, 8, NULL), 0);
	assert_int_equal(hosted_tlb_check(e.h, error), RMAP_EBADMSG);
	assert_non_null(strstr(error, "fork, mprotect or write-back should have flushed it"));
	assert_non_null(strstr(error, "it has written there 1 times since"));
	flush(mm, a);
	pte_write(slot, good);
	assert_int_equal(hosted_tlb_check(e.h, error), 0);
	mm_put(mm);
	engine_teardown(&e);
}

static struct hosted_flush_stats flushes_for(enum mm_flush why)
{
	struct hosted_mmu_stats stats;

	hosted_mmu_get_stats(e.h, &stats);
	return stats.by[why];
}

/*
 *	processor 0   |rw 0 1 2 … 99|     wrote all
 *	processor 1   |r  0         |     read one, then went over to another address space
 */
static void test_flushes_are_counted(void **state)
{
	struct hosted_flush_stats before, now;
	struct hosted_cpu *second;
	struct mm *mm, *child;
	uint64_t a, value;

	(void)state;
	start(&(struct engine_config){ .machine = { .nr_cpus = 2 } });
	second = hosted_cpu(e.h, 1);
	mm = engine_mm(&e);
	a = map_anon(&e, mm, 0, 100);
	for (uint64_t i = 0; i < 100; i++)
		poke(&e, mm, a + i * PAGE, i);
	assert_int_equal(hosted_read(second, mm, a, &value, 8, NULL), 0);
	hosted_cpu_switch(second, NULL);
	peek(&e, mm, a);

	/* Only the other processor is interrupted, for the one page that it has; nobody for the other one. */
	assert_int_equal(STEP(&e, mm_mprotect(mm, a, PAGE, MM_PROT_READ)), 0);
	now = flushes_for(MM_FLUSH_PROTECT);
	assert_int_equal(now.flushes, 1);
	assert_int_equal(now.interrupts, 1);
	assert_int_equal(now.entries, 2);
	assert_int_equal(STEP(&e, mm_mprotect(mm, a + PAGE, PAGE, MM_PROT_READ)), 0);
	now = flushes_for(MM_FLUSH_PROTECT);
	assert_int_equal(now.flushes, 2);
	assert_int_equal(now.interrupts, 1);
	assert_int_equal(now.entries, 3);

	/* A child that touches nothing goes without: no processor can have translations of it. */
	child = engine_fork(&e, mm);
	assert_int_equal(flushes_for(MM_FLUSH_FORK).flushes, 1);
	before = flushes_for(MM_FLUSH_UNMAP);
	assert_int_equal(STEP(&e, mm_munmap(child, a, 100 * PAGE)), 0);
	assert_int_equal(flushes_for(MM_FLUSH_UNMAP).flushes, before.flushes);
	mm_put(child);

	/* Of a hundred pages that somebody else had, too: in batches. */
	for (uint64_t i = 0; i < 100; i++)
		peek(&e, mm, a + i * PAGE);
	before = flushes_for(MM_FLUSH_UNMAP);
	assert_int_equal(STEP(&e, mm_munmap(mm, a, 100 * PAGE)), 0);
	now = flushes_for(MM_FLUSH_UNMAP);
	assert_in_range(now.flushes, before.flushes + 1, before.flushes + 8);
	assert_int_equal(now.entries, before.entries + 100);
	mm_put(mm);
	engine_teardown(&e);
}

/*
 *	                 2 MiB
 *	processor 0   |0       |0       |0       | … |0       |
 *	processor 1   |0       |0       |0       | … |0       |     with first pages of more of them than fit in a TLB
 *
 * Who flushes asks by regions what a processor may have: none that it has may be passed by, also after the other has had, and lost,
 * many, and after it has looked again at what is left. (The checker is asked at the end alone: scan would look at each of 150,000
 * slots for each page.)
 */
static void test_regions(void **state)
{
	enum { REGIONS = 300 };
	const uint64_t region = (uint64_t)2 << 20;
	struct hosted_flush_stats before, now;
	struct hosted_cpu *second;
	char error[HOSTED_ERROR];
	struct mm *mm;
	uint64_t a, value;

	(void)state;
	start(&(struct engine_config){ .machine = { .nr_cpus = 2 },
				       .mm = { .overcommit = MM_OVERCOMMIT_ALWAYS } });
	second = hosted_cpu(e.h, 1);
	mm = engine_mm(&e);
	a = map_anon(&e, mm, 0, REGIONS * (region / PAGE));
	for (uint64_t i = 0; i < REGIONS; i++) {
		poke(&e, mm, a + i * region, i);
		assert_int_equal(hosted_read(second, mm, a + i * region, &value, 8, NULL), 0);
		assert_int_equal(value, i);
	}

	/* One by one, what it has and what it has lost; each gets another page meanwhile. */
	for (uint64_t i = 0; i < REGIONS; i++) {
		assert_int_equal(mm_madvise(mm, a + i * region, PAGE, MM_MADV_DONTNEED), 0);
		assert_int_equal(hosted_tlb_check(e.h, error), 0);
		assert_int_equal(hosted_read(second, mm, a + i * region, &value, 8, NULL), 0);
		assert_int_equal(value, 0);
	}

	/*
	 * It runs the address space, so it is interrupted; but nothing goes of the region where it was last and has nothing any more,
	 * however often.
	 */
	assert_int_equal(hosted_read(second, mm, a, &value, 8, NULL), 0);
	assert_int_equal(mm_madvise(mm, a, PAGE, MM_MADV_DONTNEED), 0);
	for (uint64_t i = 0; i < 40; i++) {
		poke(&e, mm, a + (1 + i) * PAGE, i);
		before = flushes_for(MM_FLUSH_UNMAP);
		assert_int_equal(mm_madvise(mm, a + (1 + i) * PAGE, PAGE, MM_MADV_DONTNEED), 0);
		now = flushes_for(MM_FLUSH_UNMAP);
		assert_int_equal(now.interrupts, before.interrupts + 1);
		assert_int_equal(now.entries, before.entries + 1);
	}

	/* What it has is found all the same: in one region, in a few, in all. */
	assert_int_equal(hosted_read(second, mm, a, &value, 8, NULL), 0);
	assert_int_equal(mm_mprotect(mm, a, PAGE, MM_PROT_NONE), 0);
	assert_int_equal(hosted_read(second, mm, a, &value, 8, NULL), RMAP_EACCES);
	assert_int_equal(hosted_read(second, mm, a + 5 * region, &value, 8, NULL), 0);
	assert_int_equal(mm_munmap(mm, a + region, 5 * region), 0);
	assert_int_equal(hosted_read(second, mm, a + 5 * region, &value, 8, NULL), RMAP_EFAULT);
	assert_int_equal(hosted_read(second, mm, a + 9 * region, &value, 8, NULL), 0);
	assert_int_equal(mm_munmap(mm, a, REGIONS * region), 0);
	assert_int_equal(hosted_read(second, mm, a + 9 * region, &value, 8, NULL), RMAP_EFAULT);
	mm_put(mm);
	engine_teardown(&e);
}

/* Ageing flushes what it finds used; when the page goes for that it was idle, nobody has its translation any more. */
static void test_idle_pages_go_without(void **state)
{
	struct mm *mm;
	uint64_t a;

	(void)state;
	start(NULL);
	mm = engine_mm(&e);
	a = map_anon(&e, mm, 0, 64);
	for (uint64_t i = 0; i < 64; i++)
		poke(&e, mm, a + i * PAGE, i);
	for (int i = 0; i < 4; i++)
		(void)mm_reclaim(e.sys, 64);
	engine_check(&e);
	assert_true(counters_of(&e).swap_out >= 32);
	assert_true(flushes_for(MM_FLUSH_AGE).flushes > 0);
	assert_int_equal(flushes_for(MM_FLUSH_RECLAIM).flushes, 0);
	for (uint64_t i = 0; i < 64; i++)
		assert_int_equal(peek(&e, mm, a + i * PAGE), i);
	mm_put(mm);
	engine_teardown(&e);
}

/* A flush that interrupts takes as long as it is told to. */
static void test_interrupts_cost(void **state)
{
	const struct mm_port *port;
	struct mm *mm;
	uint64_t a, value, began, ns = 2000000;

	(void)state;
	start(&(struct engine_config){ .machine = { .nr_cpus = 2, .interrupt_ns = ns } });
	port = hosted_port(e.h);
	mm = engine_mm(&e);
	a = map_anon(&e, mm, 0, 1);
	assert_int_equal(hosted_read(hosted_cpu(e.h, 1), mm, a, &value, 8, NULL), 0);
	peek(&e, mm, a);
	began = port->now(port->ctx);
	assert_int_equal(mm_munmap(mm, a, PAGE), 0);
	assert_true(port->now(port->ctx) - began >= ns);
	mm_put(mm);
	engine_teardown(&e);
}

static void no_flush(void *ctx, struct mm *mm, uint64_t start_addr, uint64_t end, enum mm_flush why)
{
	(void)ctx;
	(void)mm;
	(void)why;
	(void)start_addr;
	(void)end;
}

static const struct mm_port *without_flush(const struct mm_port *port, void *arg)
{
	struct mm_port *copy = arg;

	*copy = *port;
	copy->tlb_flush = no_flush;
	return copy;
}

/* A VM that forgets to flush when an address space goes is found out even when nothing of it is left. */
static void test_outlived(void **state)
{
	static struct mm_port port;
	char error[HOSTED_ERROR] = "";
	struct mm *mm;
	uint64_t a;

	(void)state;
	start(&(struct engine_config){ .wrap = without_flush, .arg = &port });
	mm = engine_mm(&e);
	a = map_anon(&e, mm, 0, 1);
	poke(&e, mm, a, 1);
	mm_put(mm);
	port.os.rcu_barrier(port.os.ctx);
	assert_int_equal(hosted_tlb_check(e.h, error), RMAP_EBADMSG);
	assert_non_null(strstr(error, "went while processor 0 still translated"));
	mm_system_destroy(e.sys);
	assert_int_equal(hosted_destroy(e.h, NULL, NULL), 0);
}

/* Phantom frames: everything but the bytes. */
static void test_phantom(void **state)
{
	struct mm *mm;
	uint64_t a, value = 5;

	(void)state;
	start(&(struct engine_config){ .mm.phantom = true });
	mm = engine_mm(&e);
	a = map_anon(&e, mm, 0, 2);
	assert_int_equal(hosted_write(e.cpu, mm, a, &value, 8, NULL), 0);
	value = 6;
	assert_int_equal(hosted_read(e.cpu, mm, a, &value, 8, NULL), 0);
	assert_int_equal(value, 6);
	assert_int_equal(pte_read(slot_of(mm, a)) & (PTE_ACCESSED | PTE_DIRTY),
			 PTE_ACCESSED | PTE_DIRTY);
	engine_check(&e);
	mm_put(mm);
	engine_teardown(&e);
}

/*
 * Threads write and read through processors of their own while the main thread takes the right to write away and gives it back:
 * once mprotect has returned, the bytes stand still.
 */
#define WRITERS 2

struct writer {
	struct hosted_cpu *cpu;
	struct mm *mm;
	uint64_t addr;
	_Atomic bool *stop;
	_Atomic uint64_t written;
	uint64_t refused;
	int odd; /* a result that cannot be */
};

static bool all_wrote(struct writer *w)
{
	for (int i = 0; i < WRITERS; i++)
		if (!atomic_load(&w[i].written))
			return false;
	return true;
}

static void *writer(void *arg)
{
	struct writer *w = arg;
	uint64_t value = 0;

	while (!atomic_load(w->stop)) {
		int r;

		value++;
		r = hosted_write(w->cpu, w->mm, w->addr, &value, 8, NULL);
		if (!r)
			atomic_fetch_add(&w->written, 1);
		else if (r == RMAP_EACCES)
			w->refused++;
		else
			w->odd = r;
	}
	return NULL;
}

static void test_flush_against_access(void **state)
{
	const struct mm_port *port;
	struct writer w[WRITERS];
	pthread_t threads[WRITERS];
	_Atomic bool stop = false;
	struct mm *mm;
	uint64_t a, i, written = 0, first[WRITERS], second[WRITERS];
	int round;

	(void)state;
	start(&(struct engine_config){ .machine.nr_cpus = WRITERS + 1 });
	port = hosted_port(e.h);
	mm = engine_mm(&e);
	a = map_anon(&e, mm, 0, 1);
	poke(&e, mm, a, 0);
	for (i = 0; i < WRITERS; i++) {
		w[i] = (struct writer){
			hosted_cpu(e.h, (uint32_t)i + 1), mm, a + 8 * i, &stop, 0, 0, 0
		};
		assert_int_equal(pthread_create(&threads[i], NULL, writer, &w[i]), 0);
	}
	/* On a busy machine a writer may not have run at all yet: as many rounds as it takes. */
	for (round = 0; round < 500 || !all_wrote(w); round++) {
		assert_int_equal(mm_mprotect(mm, a, PAGE, MM_PROT_READ), 0);
		assert_int_equal(mm_read(mm, a, first, sizeof(first), NULL), 0);
		for (i = 0; i < 200; i++)
			(void)port->now(port->ctx);
		assert_int_equal(mm_read(mm, a, second, sizeof(second), NULL), 0);
		assert_memory_equal(first, second, sizeof(first));
		assert_int_equal(mm_mprotect(mm, a, PAGE, MM_PROT_READ | MM_PROT_WRITE), 0);
		for (i = 0; i < 200; i++)
			(void)port->now(port->ctx);
	}
	atomic_store(&stop, true);
	for (i = 0; i < WRITERS; i++) {
		pthread_join(threads[i], NULL);
		assert_int_equal(w[i].odd, 0);
		written += w[i].written;
	}
	assert_true(written > 0);
	engine_check(&e);
	mm_put(mm);
	engine_teardown(&e);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_access),
		cmocka_unit_test(test_odd_addresses),
		cmocka_unit_test(test_exec),
		cmocka_unit_test(test_accessed_and_dirty),
		cmocka_unit_test(test_hits),
		cmocka_unit_test(test_more_than_fits),
		cmocka_unit_test(test_tags),
		cmocka_unit_test(test_other_processors),
		cmocka_unit_test(test_stale_entries),
		cmocka_unit_test(test_outlived),
		cmocka_unit_test(test_watched),
		cmocka_unit_test(test_flushes_are_counted),
		cmocka_unit_test(test_regions),
		cmocka_unit_test(test_idle_pages_go_without),
		cmocka_unit_test(test_interrupts_cost),
		cmocka_unit_test(test_phantom),
		cmocka_unit_test(test_flush_against_access),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
