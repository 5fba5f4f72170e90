// SPDX-License-Identifier: BSD-2-Clause
/*
 * The checker on swap slots and the swap cache. The scene is drawn in scene.h; each damage must be named.
 */
#include "scene.h"

#include <string.h>

static void swap_list(struct scene *x)
{
	struct list_head alone = { &x->s->swap_list, &x->s->swap_list };

	scene_put(x, &x->s->swap_list, sizeof(alone), &alone);
}

static void slot_count(struct scene *x)
{
	SET(x, x->e.sys->swap.slots[slot_at(x->p, SWAP)].count, 2);
}

static void slot_cache(struct scene *x)
{
	SET(x, x->e.sys->swap.slots[slot_at(x->p, SWAP)].cache, (uintptr_t)page_at(x->p, ANON));
}

static void slot_uncached(struct scene *x)
{
	SET(x, x->e.sys->swap.slots[slot_at(x->p, SWAP)].cache, 0);
}

static void slot_used(struct scene *x)
{
	SET(x, x->e.sys->swap.used, 1);
}

static void slot_free_in_use(struct scene *x)
{
	SET(x, x->e.sys->swap.free, slot_at(x->p, SWAP));
}

static void swapcache_flag(struct scene *x)
{
	SET(x, page_at(x->p, ANON)->flags, page_at(x->p, ANON)->flags | PG_SWAPCACHE);
}

static void swap_mms_unknown(struct scene *x)
{
	static struct mm nobody;
	struct list_head *head = &x->e.sys->swap.mms;

	nobody.swap_list.next = head->next;
	nobody.swap_list.prev = head;
	SET(x, head->next->prev, (uintptr_t)&nobody.swap_list);
	SET(x, head->next, (uintptr_t)&nobody.swap_list);
}

static void slots_beyond_the_device(struct scene *x)
{
	SET(x, x->e.sys->swap.next, x->e.sys->swap.nr_slots + 1);
}

static void slot_cached_nowhere(struct scene *x)
{
	SET(x, x->e.sys->swap.slots[slot_at(x->p, SWAP)].cache, 64);
}

static void slot_free_but_named(struct scene *x)
{
	SET(x, x->e.sys->swap.slots[slot_at(x->p, SWAP + PAGE)].flags, 0);
}

static void slot_in_use_for_nothing(struct scene *x)
{
	assert_true(x->e.sys->swap.free != SWAP_NONE);
	SET(x, x->e.sys->swap.slots[x->e.sys->swap.free].flags, SWAP_SLOT_USED);
}

static void slots_free_unlisted(struct scene *x)
{
	SET(x, x->e.sys->swap.free, SWAP_NONE);
}

static const struct damage damages[] = {
	DAMAGE(swap_list, "but swapoff would not look there"),
	DAMAGE(slot_count, "it counts 2 entries, 1 name it"),
	DAMAGE(slot_cache, "which does not say so"),
	DAMAGE(slot_uncached, "cached"),
	DAMAGE(slot_used, "swap counts 1 slots in use"),
	DAMAGE(slot_free_in_use, "is on the list of free slots, but is not free"),
	DAMAGE(swapcache_flag, "says it is in the swap cache, but is not found there"),
	DAMAGE(swap_mms_unknown, "swapoff would look into an address space that is not there"),
	DAMAGE(slots_beyond_the_device, "swap slots are in use up to 1025 of 1024"),
	DAMAGE(slot_cached_nowhere, "it is cached in what is no page"),
	DAMAGE(slot_free_but_named, "it is free, but entries name it"),
	DAMAGE(slot_in_use_for_nothing, "it is in use, but nothing names or caches it"),
	DAMAGE(slots_free_unlisted, "swap slots are free, on the list are less"),
};

/* covers: I9 */
static void test_every_damage_is_named(void **state)
{
	(void)state;
	scene_expect_damages(damages, sizeof(damages) / sizeof(damages[0]));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_damage_is_named),
	};

	return cmocka_run_group_tests_name("check_swap", tests, NULL, NULL);
}
