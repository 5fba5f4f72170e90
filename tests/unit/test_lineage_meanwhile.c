// SPDX-License-Identifier: BSD-2-Clause
/*
 * lineage: what happens while a walk is under way. The port's callbacks do it, in the very thread that walks, between two steps of it: a
 * process forks, exits, moves pages there and back, or lets go of the page. The walk must find whoever had the page before and after, and
 * what it keeps for the next one must be right or nothing.
 */
#include "lineage.h"

#include "mm/system.h"

#include <string.h>

#ifndef LOCKDEP_H

#define BASE 0x10000000ull

/* ---------------------------------------------------------------- between two steps */

static struct engine e;
static struct rmap_port below; /* what the callbacks were */

/* When the countdown ends, act. NULL: nothing. */
static void (*act)(void);
static unsigned int countdown;
static struct rmap_mm *looked_in; /* whose tables were asked last */

static void tick(void)
{
	void (*now)(void) = act;

	if (!now || --countdown)
		return;
	act = NULL;
	now();
}

static enum rmap_find_result find(void *ctx, struct rmap_mm *mm, uint64_t addr,
				  struct rmap_page *page, unsigned int flags, struct rmap_hit *hit)
{
	bool armed = act != NULL;

	looked_in = mm;
	tick();
	/* Whoever acted may have taken the tables away. */
	if (armed && !act && !looked_in)
		return RMAP_FIND_NO_SLOT;
	return below.pte_find(ctx, mm, addr, page, flags, hit);
}

static bool refused; /* the allocation that is under way */

static void refuse(void)
{
	refused = true;
}

static void *alloc_set(void *ctx, enum rmap_kind kind, size_t size)
{
	refused = false;
	if (kind == RMAP_KIND_CO_OWNERS)
		tick();
	return refused ? NULL : below.alloc(ctx, kind, size);
}

static void leave_section(void *ctx)
{
	below.rcu_read_unlock(ctx);
	tick();
}

enum where { AT_LOOKS, AT_SETS, AT_BREATHS };

/* At the n-th of such from here on. */
static void meanwhile(enum where where, unsigned int n, void (*what)(void))
{
	struct rmap_port *port = &e.sys->rmap_port;

	below = e.sys->port->os;
	below.pte_find = port->pte_find;
	if (where == AT_LOOKS)
		port->pte_find = find;
	else if (where == AT_SETS)
		port->alloc = alloc_set;
	else
		port->rcu_read_unlock = leave_section;
	countdown = n;
	act = what;
}

/* It has happened, and nothing more is to. */
static void happened(void)
{
	struct rmap_port *port = &e.sys->rmap_port;

	assert_null(act);
	port->pte_find = below.pte_find;
	port->alloc = below.alloc;
	port->rcu_read_unlock = below.rcu_read_unlock;
	engine_check(&e);
}

/* ---------------------------------------------------------------- a family */

enum { MOST = 4200 };

static struct mm *parent, *child[MOST];
static int nr;
static uint64_t a;

/* P has a page; so many children have it, too, but those who write. */
static void family(int children, bool (*writes)(int i))
{
	static const uint8_t byte = 1;

	parent = engine_mm(&e);
	a = map_anon(&e, parent, BASE, 1);
	poke(&e, parent, a, 7);
	for (nr = 0; nr < children; nr++)
		assert_int_equal(mm_fork(parent, &child[nr]), 0);
	for (int i = 0; i < children; i++)
		if (writes && writes(i))
			assert_int_equal(hosted_write(e.cpu, child[i], a, &byte, 1, NULL), 0);
	engine_check(&e);
}

/* So many generations below the parent, one child each: the last of them. */
static struct mm *line(int generations)
{
	struct mm *from = parent;

	for (int i = 0; i < generations; i++) {
		assert_int_equal(mm_fork(from, &child[nr]), 0);
		from = child[nr++];
	}
	return from;
}

static void family_ends(void)
{
	while (nr > 0)
		if (child[--nr])
			mm_put(child[nr]);
	if (parent)
		mm_put(parent);
}

static int setup(void **state)
{
	(void)state;
	lineage_setup(&e, 16384, 256);
	inject_test_system(NULL); /* in the middle of a walk a page is locked */
	act = NULL;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	engine_teardown(&e);
	return 0;
}

static bool all_write(int i)
{
	(void)i;
	return true;
}

static bool two_of_three_write(int i)
{
	return i % 3;
}

static struct mm *owner_of(struct rmap_mm *mm)
{
	for (int i = 0; i < nr; i++)
		if (child[i] && mm_rmap(child[i]) == mm)
			return child[i];
	return parent;
}

static void exits(struct mm *mm)
{
	for (int i = 0; i < nr; i++)
		if (child[i] == mm)
			child[i] = NULL;
	if (parent == mm)
		parent = NULL;
	mm_put(mm);
}

/* ---------------------------------------------------------------- moves */

/*
 * C has a page of its own at the number of P's, and moves another VMA away and home again between the look at its state and that at its
 * tables: nothing is displaced before or after, but something was; it is looked at with its lock.
 */
static void moves_there_and_back(void)
{
	uint64_t at;

	assert_int_equal(mm_mremap(child[0], BASE + 16 * PAGE, PAGE, PAGE,
				   MM_MREMAP_MAYMOVE | MM_MREMAP_FIXED, BASE + 32 * PAGE, &at),
			 0);
	assert_int_equal(mm_mremap(child[0], BASE + 32 * PAGE, PAGE, PAGE,
				   MM_MREMAP_MAYMOVE | MM_MREMAP_FIXED, BASE + 16 * PAGE, &at),
			 0);
}

static void moved_while_looked_at(void **state)
{
	struct rmap_walk walk;

	(void)state;
	family(1, all_write);
	map_anon(&e, child[0], BASE + 16 * PAGE, 1);
	poke(&e, child[0], BASE + 16 * PAGE, 1);
	/* P's own place, then C's. */
	meanwhile(AT_LOOKS, 2, moves_there_and_back);
	walk = walk_from(&e, parent, a, false);
	happened();
	assert_int_equal(walk.found, 1);
	assert_int_equal(peek(&e, child[0], BASE + 16 * PAGE), 1);
	family_ends();
}

/* ---------------------------------------------------------------- exits, where a walk takes breath */

/* The node on which the walk stands has a pin while it breathes; its process exits then. It goes when the walk goes on. */
static void pinned_one_exits(void)
{
	for (int i = 0; i < nr; i++) {
		if (node_of(child[i])->pins) {
			exits(child[i]);
			return;
		}
	}
	fail_msg("nobody is pinned");
}

static void exits_while_it_breathes(void **state)
{
	struct rmap_walk walk;
	uint64_t nodes;

	(void)state;
	family(600, NULL);
	nodes = objects_of(&e, RMAP_KIND_LINEAGE);
	meanwhile(AT_BREATHS, 1, pinned_one_exits);
	walk = walk_from(&e, parent, a, false);
	happened();
	assert_int_equal(walk.found, 601);
	e.sys->port->os.rcu_barrier(e.sys->port->os.ctx);
	assert_true(objects_of(&e, RMAP_KIND_LINEAGE) < nodes);
	assert_int_equal(walk_from(&e, parent, a, false).found, 600);
	family_ends();
}

/* Before it is pinned: nobody keeps it, so there is no breath here. Or a page that its child has keeps its name, and it cannot be pinned. */
static void looked_at_exits(void)
{
	exits(owner_of(looked_in));
	looked_in = NULL;
}

static void exits_before_it_breathes(void **state)
{
	struct mm *last, *heir;

	(void)state;
	family(600, NULL);
	for (unsigned int round = 0; round < 2; round++) {
		/* P and 255 children, the youngest first; the last of them, or the one before that when it has gone. */
		last = child[nr - 255 - (round ? 1 : 0)];
		if (round) {
			map_anon(&e, last, BASE + 16 * PAGE, 1);
			poke(&e, last, BASE + 16 * PAGE, 1);
			heir = engine_fork(&e, last);
			assert_int_equal(STEP(&e, mm_munmap(heir, a, PAGE)), 0);
		}
		meanwhile(AT_LOOKS, 256, looked_at_exits);
		assert_in_range(walk_from(&e, parent, a, false).found, 598, 600);
		happened();
	}
	assert_int_equal(peek(&e, heir, BASE + 16 * PAGE), 1);
	mm_put(heir);
	family_ends();
}

/* ---------------------------------------------------------------- more than there were */

static unsigned int hits;

/* At each of the first hits another one of those who will be looked at later forks: his children have the page, and are met. */
static enum rmap_visit next_one_forks(struct rmap_hit *hit, void *arg)
{
	(void)arg;
	(void)hit;
	if (hits < 20) {
		struct mm *next = child[20 - hits++];

		for (int i = 0; i < 2; i++)
			assert_int_equal(mm_fork(next, &child[nr++]), 0);
	}
	return RMAP_VISIT_NEXT;
}

/* 23 that had it are a list; by the end of the walk they are too many for one. */
static void too_many_for_a_list(void **state)
{
	struct rmap_walk walk = { .visit = next_one_forks };

	(void)state;
	family(40, NULL);
	hits = 0;
	for (int i = 22; i < 40; i++)
		assert_int_equal(touch_write(&e, child[i], a), 0);
	assert_int_equal(mm_walk_page(e.sys, page_info(parent, a).page, &walk), 0);
	engine_check(&e);
	assert_true(walk.found > 48);
	assert_int_equal(objects_of(&e, RMAP_KIND_CO_OWNERS), 0);
	assert_int_equal(walk_from(&e, parent, a, false).found, 23 + 40);
	family_ends();
}

/* ---------------------------------------------------------------- while room is made for a sieve */

/* A line of 40 below one that has the page: too deep to be below a child of the top. */
static void line_forks(void)
{
	struct mm *from = child[0];

	for (int i = 0; i < 40; i++) {
		assert_int_equal(mm_fork(from, &child[nr]), 0);
		from = child[nr++];
	}
}

/* The top forks, and has the page no more: whoever is born now is covered by nothing. */
static void top_forks_and_lets_go(void)
{
	assert_int_equal(mm_fork(parent, &child[nr++]), 0);
	assert_int_equal(mm_munmap(parent, a, PAGE), 0);
}

/* It has one child only: that one takes its place. */
static void top_exits(void)
{
	exits(parent);
}

static void all_let_go(void)
{
	for (int i = 0; i < nr; i++)
		assert_int_equal(mm_munmap(child[i], a, PAGE), 0);
	assert_int_equal(mm_munmap(parent, a, PAGE), 0);
}

/* No sieve comes of it, and whoever has the page afterwards is found. Of 200 children of P, or of its only child, 67 have it. */
static void sieve_is_given_up(void (*what)(void), bool only_child, uint64_t left)
{
	struct mm_page_info info;
	struct rmap_walk walk = { .flags = 0 };

	family(only_child ? 1 : 200, only_child ? NULL : two_of_three_write);
	for (int i = 0; only_child && i < 200; i++) {
		assert_int_equal(mm_fork(child[0], &child[nr]), 0);
		if (i % 3 || !i)
			assert_int_equal(touch_write(&e, child[nr], a), 0);
		nr++;
	}
	assert_int_equal(mm_pin(child[0], a, 0, &info.page), 0);
	meanwhile(AT_SETS, 1, what);
	assert_int_equal(mm_walk_page(e.sys, info.page, &walk), 0);
	happened();
	assert_int_equal(walk.found, 68);
	assert_int_equal(objects_of(&e, RMAP_KIND_CO_OWNERS), 0);
	walk = (struct rmap_walk){ .flags = 0 };
	assert_int_equal(rmap_walk(mm_system_rmap(e.sys), mm_page_rmap(info.page), &walk), 0);
	assert_int_equal(walk.found, left);
	mm_unpin(e.sys, info.page, 0);
	family_ends();
}

static void a_line_forks(void **state)
{
	(void)state;
	sieve_is_given_up(line_forks, false, 68 + 40);
}

static void the_top_forks_and_lets_go(void **state)
{
	(void)state;
	sieve_is_given_up(top_forks_and_lets_go, false, 68);
}

static void the_top_exits(void **state)
{
	(void)state;
	sieve_is_given_up(top_exits, true, 67);
}

static void everybody_lets_go(void **state)
{
	(void)state;
	sieve_is_given_up(all_let_go, false, 0);
}

/* ---------------------------------------------------------------- deep, or of many births */

/*
 *	P - l0 - l1 … l39		a line; the last has the page, and 60 children of his have it
 *	 \- x				and x, 40 generations above them: nobody is above all of them and near enough
 */
static void too_deep_for_a_sieve(void **state)
{
	struct mm *from;

	(void)state;
	family(1, NULL);
	from = line(40);
	for (int i = 0; i < 60; i++)
		assert_int_equal(mm_fork(from, &child[nr++]), 0);
	for (int i = 1; i < 40; i++)
		assert_int_equal(touch_write(&e, child[i], a), 0);
	assert_int_equal(touch_write(&e, parent, a), 0);
	for (int i = 0; i < 3; i++) {
		struct rmap_walk walk = settle_from(&e, child[0], a, false);

		assert_int_equal(walk.found, 62);
		assert_int_equal(walk.looks, 102);
	}
	assert_int_equal(objects_of(&e, RMAP_KIND_CO_OWNERS), 0);
	family_ends();
}

/*
 *	P - c0			wrote, and is looked at last
 *	  - l1 - l2 … l40	a line; the last has the page
 *	  - c41 … c160		each other one has it
 *
 * Who stops at the map count stops at l40, with whom he knows that no sieve will come of it: c0 is not looked at.
 */
static void too_deep_at_the_last(void **state)
{
	(void)state;
	family(1, NULL);
	(void)line(40);
	for (int i = 0; i < 120; i++)
		assert_int_equal(mm_fork(parent, &child[nr++]), 0);
	for (int i = 0; i < nr; i++)
		if (i < 40 || (i > 40 && i % 2))
			assert_int_equal(touch_write(&e, child[i], a), 0);
	for (int i = 0; i < 2; i++) {
		struct rmap_walk walk = settle_from(&e, parent, a, true);

		assert_int_equal(walk.found, 62);
		assert_int_equal(walk.looks, 161);
	}
	assert_int_equal(settle_from(&e, parent, a, false).looks, 162);
	assert_int_equal(objects_of(&e, RMAP_KIND_CO_OWNERS), 0);
	family_ends();
}

/* More births than bits: several share one, and nobody is forgotten. Then most let go, and it is made again. */
static void births_share_bits(void **state)
{
	struct rmap_walk walk;
	struct mm *brief;

	(void)state;
	family(100, NULL);
	for (int i = 0; i < 3000; i++) {
		assert_int_equal(mm_fork(parent, &brief), 0);
		mm_put(brief);
	}
	for (int i = 0; i < 100; i++)
		assert_int_equal(mm_fork(parent, &child[nr++]), 0);
	for (int i = 0; i < nr; i++)
		if (i % 3)
			assert_int_equal(touch_write(&e, child[i], a), 0);
	engine_check(&e);
	assert_int_equal(settle_from(&e, parent, a, true).found, 68);
	assert_true(objects_of(&e, RMAP_KIND_CO_OWNERS) > 1);
	assert_int_equal(settle_from(&e, parent, a, true).found, 68);
	assert_int_equal(settle_from(&e, parent, a, false).found, 68);
	for (int i = 0; i < 30; i += 3)
		assert_int_equal(touch_write(&e, child[i], a), 0);
	/* (Those are the last to be looked at: who stops at the map count does not come to them.) */
	assert_int_equal(settle_from(&e, parent, a, false).found, 58);
	/* That one was made again. More let go before it is used once: and again. */
	for (int i = 30; i < 57; i += 3)
		assert_int_equal(touch_write(&e, child[i], a), 0);
	assert_int_equal(settle_from(&e, parent, a, false).looks, 2 * 58);
	walk = settle_from(&e, parent, a, false);
	assert_int_equal(walk.found, 49);
	assert_int_equal(walk.looks, 49);
	family_ends();
}

static int setup_large(void **state)
{
	(void)state;
	lineage_setup(&e, 40000, 0);
	inject_test_system(NULL); /* in the middle of a walk a page is locked */
	act = NULL;
	return 0;
}

/* 16 bits for each look, but no more than 65,536 of them; and no more than there were births. */
static void more_than_a_sieve_holds(void **state)
{
	(void)state;
	family(MOST, two_of_three_write);
	assert_int_equal(settle_from(&e, parent, a, true).looks, 2 * (MOST + 1));
	assert_int_equal(settle_from(&e, parent, a, true).looks, MOST / 3 + 1);
	family_ends();
}

/* A page with a list, and then more than a list holds. */
static void from_list_to_sieve(void **state)
{
	struct rmap_walk walk;

	(void)state;
	family(80, NULL);
	for (int i = 0; i < 60; i++)
		assert_int_equal(touch_write(&e, child[i], a), 0);
	assert_int_equal(settle_from(&e, parent, a, false).looks, 81);
	walk = settle_from(&e, parent, a, false);
	assert_int_equal(walk.looks, 21);
	for (int i = 0; i < 40; i++)
		assert_int_equal(mm_fork(child[79], &child[nr++]), 0);
	assert_int_equal(settle_from(&e, parent, a, true).found, 61);
	assert_int_equal(settle_from(&e, parent, a, false).found, 61);
	family_ends();
}

/* ---------------------------------------------------------------- who stops, and who passes by */

static enum rmap_visit stop(struct rmap_hit *hit, void *arg)
{
	(void)hit;
	(void)arg;
	return RMAP_VISIT_STOP;
}

static bool pass_by(const struct rmap_vma *vma, void *arg)
{
	(void)vma;
	(void)arg;
	return false;
}

/* The first walk by a sieve, which is to tell what it costs, is stopped: it tells nothing, and the next one does. */
static void stopped_walks(void **state)
{
	struct rmap_walk walk = { .visit = stop };
	uint64_t at;

	(void)state;
	family(200, two_of_three_write);
	assert_int_equal(settle_from(&e, parent, a, false).found, 68);
	assert_int_equal(mm_walk_page(e.sys, page_info(parent, a).page, &walk), 0);
	assert_int_equal(walk.found, 1);
	assert_int_equal(settle_from(&e, parent, a, false).looks, 68);
	/* And in a process that has moved something: its page at home is looked at with the lock, and is the last. */
	map_anon(&e, parent, BASE + 16 * PAGE, 1);
	poke(&e, parent, BASE + 16 * PAGE, 1);
	assert_int_equal(
		STEP(&e, mm_mremap(parent, BASE + 16 * PAGE, PAGE, PAGE,
				   MM_MREMAP_MAYMOVE | MM_MREMAP_FIXED, BASE + 32 * PAGE, &at)),
		0);
	walk = (struct rmap_walk){ .visit = stop };
	assert_int_equal(mm_walk_page(e.sys, page_info(parent, a).page, &walk), 0);
	assert_int_equal(walk.found, 1);
	family_ends();
}

static int try_walk(uint64_t addr, unsigned int flags, struct rmap_walk *walk)
{
	*walk = (struct rmap_walk){ .flags = RMAP_WALK_TRYLOCK | flags,
				    .purpose = RMAP_WALK_REFERENCE };
	return rmap_walk(mm_system_rmap(e.sys), mm_page_rmap(page_info(parent, addr).page), walk);
}

/*
 * In a process that has moved something, whose lock another has; the walk may not wait. What is at home is found all the same, whether he
 * stops there or not; of what was moved he hears that he must come again.
 */
static void another_has_the_lock(void **state)
{
	uint64_t away = BASE + 32 * PAGE;
	struct rmap_walk walk;
	uint64_t at;

	(void)state;
	family(1, all_write);
	map_anon(&e, parent, BASE + 16 * PAGE, 1);
	poke(&e, parent, BASE + 16 * PAGE, 1);
	assert_int_equal(STEP(&e, mm_mremap(parent, BASE + 16 * PAGE, PAGE, PAGE,
					    MM_MREMAP_MAYMOVE | MM_MREMAP_FIXED, away, &at)),
			 0);
	rmap_spin_lock(&node_of(parent)->lock);
	assert_int_equal(try_walk(a, 0, &walk), 0);
	assert_int_equal(walk.found, 1);
	assert_int_equal(walk.looks, 2);
	assert_int_equal(try_walk(a, RMAP_WALK_STOP_AT_MAPCOUNT, &walk), 0);
	assert_int_equal(walk.found, 1);
	assert_int_equal(walk.looks, 1);
	assert_int_equal(try_walk(away, RMAP_WALK_STOP_AT_MAPCOUNT, &walk), RMAP_EAGAIN);
	assert_int_equal(walk.found, 0);
	rmap_spin_unlock(&node_of(parent)->lock);
	assert_int_equal(try_walk(away, 0, &walk), 0);
	assert_int_equal(walk.found, 1);
	family_ends();
}

/* Who passes by VMAs may have missed somebody: nothing is learned from him. */
static void who_passes_by_learns_nothing(void **state)
{
	(void)state;
	family(40, two_of_three_write);
	for (int i = 0; i < 2; i++) {
		struct rmap_walk walk = { .skip = pass_by };

		assert_int_equal(mm_walk_page(e.sys, page_info(parent, a).page, &walk), 0);
		assert_int_equal(walk.found, 15);
		assert_int_equal(walk.looks, 41);
	}
	assert_int_equal(settle_from(&e, parent, a, false).looks, 41);
	assert_int_equal(settle_from(&e, parent, a, false).looks, 15);
	family_ends();
}

/* ---------------------------------------------------------------- blocks put by */

/* Reclaim's walk finds 20, for whom there are not blocks enough any more: those that it took go back. */
static void too_few_blocks_put_by(void **state)
{
	struct rmap *rmap;
	struct co_owners *taken[14];
	struct rmap_walk walk;

	(void)state;
	family(60, two_of_three_write);
	rmap = mm_system_rmap(e.sys);
	for (int round = 0; round < 2; round++) {
		walk = (struct rmap_walk){ .flags = RMAP_WALK_STOP_AT_MAPCOUNT | RMAP_WALK_TRYLOCK |
						    RMAP_WALK_SETTLE,
					   .purpose = RMAP_WALK_REFERENCE };
		assert_int_equal(rmap_walk(rmap, mm_page_rmap(page_info(parent, a).page), &walk),
				 0);
		assert_int_equal(walk.found, 21);
		if (round)
			break;
		/* None was put by; the next fork does it. */
		assert_int_equal(mm_fork(child[1], &child[nr++]), 0);
		assert_int_equal(objects_of(&e, RMAP_KIND_CO_OWNERS), 16);
		for (int i = 0; i < 14; i++)
			assert_non_null(taken[i] = lineage_block_get(rmap, false));
	}
	for (int i = 0; i < 14; i++)
		lineage_block_put(rmap, taken[i], false);
	engine_check(&e);
	assert_int_equal(objects_of(&e, RMAP_KIND_CO_OWNERS), 16);
	/* All are back: one more is one too many. And there is nothing left where there is nothing. */
	lineage_block_put(rmap, lineage_block_get(rmap, true), false);
	assert_int_equal(objects_of(&e, RMAP_KIND_CO_OWNERS), 16);
	family_ends();
}

/* Who may allocate, and gets only two of the four blocks that it takes: they go back to where they came from. */
static void memory_for_half_a_list(void **state)
{
	(void)state;
	family(60, two_of_three_write);
	meanwhile(AT_SETS, 3, refuse);
	assert_int_equal(settle_from(&e, parent, a, false).looks, 61);
	happened();
	assert_int_equal(objects_of(&e, RMAP_KIND_CO_OWNERS), 0);
	assert_int_equal(settle_from(&e, parent, a, false).looks, 61);
	assert_int_equal(settle_from(&e, parent, a, false).looks, 21);
	family_ends();
}

/* ---------------------------------------------------------------- the bits of a sieve */

/* Looked for forwards and back again; of clocks that are at their end nothing is known. */
static void bits(void **state)
{
	struct rmap *rmap = mm_system_rmap(e.sys);
	struct co_owners *set = lineage_sieve_alloc(rmap, 1000);
	struct lineage_cursor c = { .set = set };

	(void)state;
	assert_non_null(set);
	for (uint32_t bit = 0; bit < 1000; bit += 7)
		*lineage_sieve_word(&c, bit) |= (uint64_t)1 << bit % 64;
	for (uint32_t bit = 1000; bit-- > 0;)
		assert_int_equal(*lineage_sieve_word(&c, bit) >> bit % 64 & 1, bit % 7 == 0);
	set->sieve.upto = 1000;
	assert_false(lineage_sieve_passes(&c, 1001));
	set->sieve.own = true;
	assert_true(lineage_sieve_passes(&c, 1001));
	set->sieve.own = false;
	set->sieve.upto = LINEAGE_STAMP_MAX;
	assert_true(lineage_sieve_passes(&c, LINEAGE_STAMP_MAX + 1));
	lineage_sieve_drop(rmap, set);
}

/* ---------------------------------------------------------------- swap, files */

static const struct page *page;

/* Once the page has its slot, and not before. */
static void parent_forks(void)
{
	if (page_test(page, PG_SWAPCACHE)) {
		assert_int_equal(mm_fork(parent, &child[nr++]), 0);
		return;
	}
	countdown = 1;
	act = parent_forks;
}

/*
 * A page that was its owner's alone when its slot was filled is a child's, too, when its entry is made: then the slot says so, and the
 * child comes for it.
 */
static void forks_between_slot_and_entry(void **state)
{
	(void)state;
	family(0, NULL);
	page = page_info(parent, a).page;
	for (int i = 0; i < 64 && !nr; i++) {
		meanwhile(AT_LOOKS, 1, parent_forks);
		mm_reclaim(e.sys, 32);
		act = NULL;
		happened();
	}
	assert_int_equal(nr, 1);
	swap_out(&e, parent, a);
	assert_int_equal(peek(&e, child[0], a), 7);
	assert_int_equal(peek(&e, parent, a), 7);
	assert_true(same_frame(parent, a, child[0], a));
	family_ends();
}

/* A file's page that takes another's place has an owner that is not counted. */
static void a_files_page_is_replaced(void **state)
{
	struct rmap_page old_page = { 0 }, new_page = { 0 };
	struct rmap_file file;

	(void)state;
	rmap_file_init(&file);
	rmap_page_set_file(&old_page, &file, 3);
	rmap_page_replace(mm_system_rmap(e.sys), &new_page, &old_page);
	assert_ptr_equal(rmap_page_file(&new_page), &file);
	assert_int_equal(new_page.index, 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(moved_while_looked_at, setup, teardown),
		cmocka_unit_test_setup_teardown(exits_while_it_breathes, setup, teardown),
		cmocka_unit_test_setup_teardown(exits_before_it_breathes, setup, teardown),
		cmocka_unit_test_setup_teardown(too_many_for_a_list, setup, teardown),
		cmocka_unit_test_setup_teardown(a_line_forks, setup, teardown),
		cmocka_unit_test_setup_teardown(the_top_forks_and_lets_go, setup, teardown),
		cmocka_unit_test_setup_teardown(the_top_exits, setup, teardown),
		cmocka_unit_test_setup_teardown(everybody_lets_go, setup, teardown),
		cmocka_unit_test_setup_teardown(too_deep_for_a_sieve, setup, teardown),
		cmocka_unit_test_setup_teardown(too_deep_at_the_last, setup, teardown),
		cmocka_unit_test_setup_teardown(births_share_bits, setup, teardown),
		cmocka_unit_test_setup_teardown(more_than_a_sieve_holds, setup_large, teardown),
		cmocka_unit_test_setup_teardown(from_list_to_sieve, setup, teardown),
		cmocka_unit_test_setup_teardown(stopped_walks, setup, teardown),
		cmocka_unit_test_setup_teardown(another_has_the_lock, setup, teardown),
		cmocka_unit_test_setup_teardown(who_passes_by_learns_nothing, setup, teardown),
		cmocka_unit_test_setup_teardown(too_few_blocks_put_by, setup, teardown),
		cmocka_unit_test_setup_teardown(memory_for_half_a_list, setup, teardown),
		cmocka_unit_test_setup_teardown(bits, setup, teardown),
		cmocka_unit_test_setup_teardown(forks_between_slot_and_entry, setup, teardown),
		cmocka_unit_test_setup_teardown(a_files_page_is_replaced, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

#else

#include <stdio.h>

/* What others would do meanwhile is done by the walker, in a section where he could not sleep. */
int main(void)
{
	puts("skipped: it forks in the middle of a walk, which the checker of locks rightly "
	     "forbids");
	return 77;
}

#endif
