// SPDX-License-Identifier: BSD-2-Clause
/*
 * The checker, at the very bounds: not something far out, but the first frame that was never used, the first slot, the first address
 * behind all, the page right behind a file's end; what is just within them is sound. The scene is drawn in scene.h.
 */
#include "scene.h"

#include "mm/swap.h"

#include <string.h>

/* The first of the frames that were never used: right behind the last one that was. */
static struct page *next_page(struct scene *x)
{
	return &x->e.sys->pages[x->e.sys->untouched];
}

static void put_into(struct scene *x, struct list_head *head, struct list_head *entry)
{
	SET(x, entry->next, (uintptr_t)head);
	SET(x, entry->prev, (uintptr_t)head->prev);
	SET(x, head->prev->next, (uintptr_t)entry);
	SET(x, head->prev, (uintptr_t)entry);
}

/* Where the tree of the file has what stands at index, which is in its only node. */
static void **place_in_tree(struct scene *x, uint64_t index)
{
	struct file_tree_node *node = x->file->pages.root;

	assert_int_equal(x->file->pages.height, 1);
	return &node->slot[index];
}

/* ---------------------------------------------------------------- frames */

static void free_list_has_the_next_frame(struct scene *x)
{
	put_into(x, &x->e.sys->cpus[0].frames, &next_page(x)->lru);
}

static void batch_has_the_next_frame(struct scene *x)
{
	put_into(x, &x->e.sys->cpus[0].lru, &next_page(x)->lru);
}

static void lru_has_the_next_frame(struct scene *x)
{
	put_into(x, &x->e.sys->lru[LRU_UNEVICTABLE], &next_page(x)->lru);
}

static void entry_names_the_next_frame(struct scene *x)
{
	pte_t *pte = table_find(x->p, OWN);

	SET(x, *pte, pte_make(x->e.sys->untouched, *pte & ~PTE_PFN_MASK));
}

static void poison_entry_names_the_next_frame(struct scene *x)
{
	SET(x, next_page(x)->flags, PG_POISON);
	SET(x, *table_find(x->s, BAD), pte_make(x->e.sys->untouched, PTE_KIND_POISON));
}

static void slot_cached_in_the_next_frame(struct scene *x)
{
	SET(x, x->e.sys->swap.slots[slot_at(x->p, SWAP)].cache, (uintptr_t)next_page(x));
}

/* It is a frame, but not one that caches anything. */
static void slot_cached_in_the_first_frame(struct scene *x)
{
	SET(x, x->e.sys->swap.slots[slot_at(x->p, SWAP)].cache, (uintptr_t)x->e.sys->pages);
}

static void file_has_the_next_frame(struct scene *x)
{
	SET(x, *place_in_tree(x, 1), (uintptr_t)next_page(x));
}

/* ---------------------------------------------------------------- slots, addresses, ends */

static void entry_names_the_next_slot(struct scene *x)
{
	SET(x, *table_find(x->p, SWAP), pte_make(x->e.sys->swap.next, PTE_KIND_SWAP));
}

static void file_names_the_next_slot(struct scene *x)
{
	struct file_tree_node *root = vma_file(vma_of(x->s, OUT))->pages.root;

	assert_true(file_entry_is_slot(root->slot[0]));
	SET(x, root->slot[0], (uintptr_t)file_entry_of_slot(x->e.sys->swap.next));
}

/* The last page that a process may have, and behind it, in the same table, the first that it may not. */
static void page_behind_all_addresses(struct scene *x)
{
	pte_t *last;

	map_anon(&x->e, x->s, MM_TASK_SIZE - PAGE, 1);
	poke(&x->e, x->s, MM_TASK_SIZE - PAGE, 1);
	last = table_find(x->s, MM_TASK_SIZE - PAGE);
	SET(x, last[1], *last);
}

static void file_ends_before_its_page(struct scene *x)
{
	SET(x, x->file->size, PAGE);
}

static const struct damage damages[] = {
	DAMAGE(free_list_has_the_next_frame, "is on the list of free frames, but was never used"),
	DAMAGE(batch_has_the_next_frame, "is in the batch of processor 0, but no page"),
	DAMAGE(lru_has_the_next_frame, "the list of unevictable pages has what is no page"),
	DAMAGE(entry_names_the_next_frame, "which was never used"),
	DAMAGE(poison_entry_names_the_next_frame, "which is sound"),
	DAMAGE(slot_cached_in_the_next_frame, "it is cached in what is no page"),
	DAMAGE(slot_cached_in_the_first_frame, "which does not say so"),
	DAMAGE(file_has_the_next_frame, "its tree has at 0x1 what is no page"),
	DAMAGE(entry_names_the_next_slot, "which was never used"),
	DAMAGE(file_names_the_next_slot, "which was never used"),
	DAMAGE(page_behind_all_addresses, "something stands at 0x7ffffffff000, behind all"),
	DAMAGE(file_ends_before_its_page, "something is cached at 0x1, behind its end"),
};

/* covers: I10 */
static void test_one_too_far(void **state)
{
	(void)state;
	scene_expect_damages(damages, sizeof(damages) / sizeof(damages[0]));
}

/* A file that ends one byte into its second page has two. */
static void test_just_within(void **state)
{
	struct scene x;

	(void)state;
	scene_make(&x);
	SET(&x, x.file->size, PAGE + 1);
	engine_check(&x.e);
	SET(&x, x.file->size, 2 * PAGE);
	engine_check(&x.e);
	scene_repair(&x);
	scene_end(&x);
}

/* What it says is what it has just seen, whatever was in there from before. */
static void test_each_time_anew(void **state)
{
	struct mm_check first = { .seed = 1 }, again;
	struct scene x;

	(void)state;
	scene_make(&x);
	assert_int_equal(mm_check(x.e.sys, &first), 0);
	assert_true(first.pages && first.ptes && first.walked);
	again = first;
	strcpy(again.message, "left from before");
	assert_int_equal(mm_check(x.e.sys, &again), 0);
	assert_int_equal(again.pages, first.pages);
	assert_int_equal(again.ptes, first.ptes);
	assert_int_equal(again.walked, first.walked);
	assert_string_equal(again.message, "");
	scene_end(&x);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one_too_far),
		cmocka_unit_test(test_just_within),
		cmocka_unit_test(test_each_time_anew),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
