// SPDX-License-Identifier: BSD-2-Clause
/*
 * scan: no reverse map. Who maps this page? Every page table of every process is read to find out.
 *
 *	page           process 1          process 2          process 3
 *	+------+      [. . P . . .]      [. . . . . .]      [P . . . . .]
 *	| (no  |       ^ ^ ^ ^ ^ ^        ^ ^ ^ ^ ^ ^        ^ ^ ^ ^ ^ ^
 *	|  way)|       every slot of every table is looked at
 *	+------+
 *
 * Before Linux 2.5 there was no way back from a page. 2.4 itself never asked the question: its swap-out swept each process's
 * tables by virtual address and unmapped what it met there, so that a page shared by N processes left memory when the sweep had
 * met it for the Nth time. Asked per page, as here, the tables give the answer that every other design must give; this is the
 * baseline, and what a checker does anyway.
 *
 * Costs: nothing in memory, nothing at faults, fork and exit; a walk looks at every slot of every page table there is, for file
 * pages too. Fails: everywhere where a walk is made while there is much memory.
 *
 * How it holds still what it reads: the list of address spaces is walked under RCU, whose grace period mms and tables outlive;
 * a forked child is behind its parent in the list. Within one address space, mremap may move an entry from where the scan has
 * not been to where it has: moves are counted at begin and end, and a scan that a move overlapped is made again.
 */
#include "design.h"
#include "walk.h"

/* mm->design counts the beginnings and ends of moves; odd: one is under way. Written under mmap write. */
static uintptr_t moves_of(const struct rmap_mm *mm)
{
	return (uintptr_t)__atomic_load_n(&mm->design, __ATOMIC_ACQUIRE);
}

static void count_move(struct rmap_mm *mm)
{
	uintptr_t n = (uintptr_t)mm->design + 1;

	__atomic_store_n(&mm->design, (void *)n, __ATOMIC_SEQ_CST);
}

static void scan_move(struct rmap *rmap, struct rmap_vma *dst, struct rmap_vma *src)
{
	(void)rmap;
	(void)dst;
	count_move(src->mm);
}

static void scan_page_new(struct rmap *rmap, struct rmap_page *const *pages, unsigned int nr,
			  struct rmap_vma *vma, uint64_t addr, bool exclusive)
{
	(void)rmap;
	(void)vma;
	(void)addr;
	(void)exclusive;
	for (unsigned int i = 0; i < nr; i++)
		page_set_owner(pages[i], NULL);
}

/* All slots of one address space. False: the walk is over. */
static bool scan_tables(struct rmap_walk_state *state, struct rmap_page *page, struct rmap_mm *mm)
{
	const struct rmap_port *port = state->port;
	uint64_t cursor = 0;

	for (;;) {
		struct rmap_hit hit = { .vma = NULL };
		enum rmap_find_result result =
			port->pte_scan(port->tables_ctx, mm, page, state->find_flags, &cursor,
				       &state->walk->looks, &hit);

		if (result != RMAP_FIND_HIT)
			return true;
		if (!walk_hit(state, &hit))
			return false;
	}
}

static bool scan_mm(struct rmap_walk_state *state, struct rmap_page *page, struct rmap_mm *mm)
{
	for (;;) {
		uintptr_t before = moves_of(mm);

		state->walk->steps++;
		if (!scan_tables(state, page, mm))
			return false;
		/* A slot that was read empty because its entry had moved was read after the move was counted. */
		atomic_thread_fence(memory_order_acquire);
		if (!(before & 1) && moves_of(mm) == before)
			return true;
		rmap_cpu_relax();
	}
}

/* False: the visitor has seen enough. */
static bool scan_list(struct rmap_walk_state *state, struct rmap_page *page, struct list_head *head)
{
	struct list_head *entry = __atomic_load_n(&head->next, __ATOMIC_ACQUIRE);

	while (entry != head) {
		if (!scan_mm(state, page, list_entry(entry, struct rmap_mm, list)))
			return false;
		entry = __atomic_load_n(&entry->next, __ATOMIC_ACQUIRE);
	}
	return true;
}

static int scan_walk(struct rmap *rmap, struct rmap_page *page, struct rmap_walk_state *state)
{
	rmap->port->rcu_read_lock(rmap->port->ctx);
	for (uint32_t i = 0; i < rmap->nr_cpus; i++)
		if (!scan_list(state, page, &rmap->cpus[i].mms))
			break;
	rmap->port->rcu_read_unlock(rmap->port->ctx);
	return RMAP_OK;
}

const struct rmap_ops rmap_scan = {
	.name = "scan",
	.walks_file_pages = true,
	.walks_mms = true,
	.locks_every_move = true,
	.bytes = { .mm = 8 },
	.move_begin = scan_move,
	.move_end = scan_move,
	.page_new = scan_page_new,
	.walk = scan_walk,
};
