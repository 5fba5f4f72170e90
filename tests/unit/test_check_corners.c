// SPDX-License-Identifier: BSD-2-Clause
/*
 * The checker: damages that only one of several conditions sees. The scene is drawn in scene.h; each must be named.
 */
#include "scene.h"

#include "mm/swap.h"
#include "mm/vma_lock.h"

#include <string.h>

/* A frame beyond all that were ever used. */
static struct page *unused_page(struct scene *x)
{
	return &x->e.sys->pages[x->e.sys->nr_frames - 1];
}

/* In the swap cache: C has it back, P's entry still leads to it. */
static struct swap_slot *slot_of(struct scene *x)
{
	return &x->e.sys->swap.slots[slot_at(x->p, SWAP)];
}

/* ---------------------------------------------------------------- lists */

static void list_ends(struct scene *x)
{
	SET(x, x->p->list.next, 0);
}

static void lru_has_no_page(struct scene *x)
{
	struct list_head *head = &x->e.sys->lru[LRU_UNEVICTABLE];
	struct list_head *stranger = &unused_page(x)->lru;

	SET(x, stranger->next, (uintptr_t)head);
	SET(x, stranger->prev, (uintptr_t)head->prev);
	SET(x, head->prev->next, (uintptr_t)stranger);
	SET(x, head->prev, (uintptr_t)stranger);
}

static void free_list_has_unused_frame(struct scene *x)
{
	struct list_head *head = &x->e.sys->cpus[0].frames;
	struct list_head *stranger = &unused_page(x)->lru;

	SET(x, stranger->next, (uintptr_t)head);
	SET(x, stranger->prev, (uintptr_t)head->prev);
	SET(x, head->prev->next, (uintptr_t)stranger);
	SET(x, head->prev, (uintptr_t)stranger);
}

static void lru_page_is_free(struct scene *x)
{
	SET(x, slot_of(x)->cache->refs, 0);
}

static void lru_page_is_reserved(struct scene *x)
{
	struct page *page = page_at(x->p, FILES);

	SET(x, page->flags, page->flags | PG_RESERVED);
}

static void lru_page_says_unevictable(struct scene *x)
{
	struct page *page = page_at(x->p, FILES);

	SET(x, page->flags, page->flags | PG_UNEVICTABLE);
}

/* ---------------------------------------------------------------- pages */

static void free_page_is_mapped(struct scene *x)
{
	SET(x, free_page(x)->rmap.mapcount, 1);
}

static void free_page_is_exclusive(struct scene *x)
{
	SET(x, free_page(x)->rmap.exclusive, 1);
}

static void zero_page_is_mapped(struct scene *x)
{
	SET(x, x->e.sys->zero_page->rmap.mapcount, 1);
}

static void zero_page_is_free(struct scene *x)
{
	SET(x, x->e.sys->zero_page->refs, 0);
}

static void another_zero_page(struct scene *x)
{
	SET(x, x->e.sys->zero_page, (uintptr_t)unused_page(x));
}

/* ---------------------------------------------------------------- files */

/* As many VMAs in the tree as there are, but one of them is of no file, and one of the file's is not in it. */
static void file_has_another_vma(struct scene *x)
{
	SET(x, vma_of(x->p, NONE)->rmap.file, (uintptr_t)&x->file->rmap);
	SET(x, vma_of(x->p, CODE + 8 * PAGE)->rmap.file, 0);
}

static void file_page_is_of_another_file(struct scene *x)
{
	SET(x, page_at(x->p, SHMEM)->rmap.mapping, (uintptr_t)&x->file->rmap);
}

/* Read once, mapped by nobody. */
static struct page *unmapped_page(struct scene *x)
{
	char byte;
	struct page *page;

	assert_int_equal(mm_file_read(x->file, 3 * PAGE, &byte, 1, NULL), 0);
	page = file_tree_get(&x->file->pages, 3);
	assert_non_null(page);
	return page;
}

static void unmapped_page_is_of_another_file(struct scene *x)
{
	SET(x, unmapped_page(x)->rmap.mapping, page_at(x->p, SHMEM)->rmap.mapping);
}

static void unmapped_page_is_free(struct scene *x)
{
	struct page *page = unmapped_page(x);

	scene_unlink(x, &page->lru);
	SET(x, page->flags, page->flags & ~(uint32_t)(PG_LRU | PG_LRU_LIST));
	SET(x, x->e.sys->nr_lru[LRU_INACTIVE_FILE], x->e.sys->nr_lru[LRU_INACTIVE_FILE] - 1);
	SET(x, page->refs, 0);
}

/* ---------------------------------------------------------------- swap */

static void slot_cached_behind_the_last_page(struct scene *x)
{
	struct swap_slot *slot = slot_of(x);

	SET(x, slot->cache, (uintptr_t)unused_page(x));
}

static void cached_page_of_another_slot(struct scene *x)
{
	struct page *page = slot_of(x)->cache;

	SET(x, page->private, page->private + 1);
}

static void slot_free_but_cached(struct scene *x)
{
	struct swap_map *swap = &x->e.sys->swap;

	assert_true(swap->free != SWAP_NONE);
	SET(x, swap->slots[swap->free].cache, (uintptr_t)page_at(x->p, OWN));
}

static void free_slot_was_never_used(struct scene *x)
{
	SET(x, x->e.sys->swap.free, x->e.sys->swap.next);
}

static void more_bad_slots(struct scene *x)
{
	SET(x, x->e.sys->swap.bad, x->e.sys->swap.bad + 1);
}

static void more_cached_slots(struct scene *x)
{
	SET(x, x->e.sys->swap.cached, x->e.sys->swap.cached + 1);
}

/* ---------------------------------------------------------------- VMAs */

static void vma_lies_crooked(struct scene *x)
{
	SET(x, vma_of(x->p, OWN)->rmap.end, OWN + PAGE / 2);
}

static void vma_is_empty(struct scene *x)
{
	SET(x, vma_of(x->p, OWN)->rmap.end, OWN);
}

static void vma_behind_user_space(struct scene *x)
{
	SET(x, vma_of(x->p, NONE)->rmap.end, MM_TASK_SIZE + PAGE);
}

static void vma_gap(struct scene *x)
{
	SET(x, vma_of(x->p, OWN)->gap, PAGE);
}

static void vma_gap_below(struct scene *x)
{
	struct vma *root = rmap_container_of(x->p->vmas.node, struct vma, node);

	SET(x, root->gap_max, root->gap_max + PAGE);
}

static void vma_tree_is_no_tree(struct scene *x)
{
	SET(x, x->p->vmas.node, (uintptr_t)x->p->vmas.node->left);
}

static void vma_is_read_locked(struct scene *x)
{
	SET(x, vma_of(x->p, OWN)->lock, 1);
}

static void vma_says_it_has_left(struct scene *x)
{
	SET(x, vma_of(x->p, OWN)->lock, VMA_LOCK_DETACHED);
}

/* ---------------------------------------------------------------- tables */

static void table_is_free(struct scene *x)
{
	SET(x, table_of(x->p, OWN)->refs, 0);
}

static void table_of_another_level(struct scene *x)
{
	SET(x, table_of(x->p, OWN)->rmap.design, 2);
}

static void poison_of_no_page(struct scene *x)
{
	SET(x, *table_find(x->s, BAD), pte_make(x->e.sys->nr_frames + 1, PTE_KIND_POISON));
}

static const struct damage damages[] = {
	DAMAGE(list_ends, "the list of address spaces is broken behind member"),
	DAMAGE(lru_has_no_page, "the list of unevictable pages has what is no page"),
	DAMAGE(free_list_has_unused_frame, "is on the list of free frames, but was never used"),
	DAMAGE(lru_page_is_free, "which is free"),
	DAMAGE(lru_page_is_reserved, "which is the zero page"),
	DAMAGE(lru_page_says_unevictable, "but says it is on another"),
	DAMAGE(free_page_is_mapped, "still has an owner, a map count or an exclusive mark"),
	DAMAGE(free_page_is_exclusive, "still has an owner, a map count or an exclusive mark"),
	DAMAGE(zero_page_is_mapped, "is no proper zero page"),
	DAMAGE(zero_page_is_free, "zero page"),
	DAMAGE(another_zero_page, "zero page"),
	DAMAGE(file_has_another_vma, ", but others"),
	DAMAGE(file_page_is_of_another_file, "is of another file than VMA"),
	DAMAGE(unmapped_page_is_of_another_file, "says it belongs elsewhere"),
	DAMAGE(unmapped_page_is_free, "of its tree is free"),
	DAMAGE(slot_cached_behind_the_last_page, "it is cached in what is no page"),
	DAMAGE(cached_page_of_another_slot, "which does not say so"),
	DAMAGE(slot_free_but_cached, "it is free, but cached"),
	DAMAGE(free_slot_was_never_used, "is on the list of free slots, but is not free"),
	DAMAGE(more_bad_slots, "swap counts"),
	DAMAGE(more_cached_slots, "swap counts"),
	DAMAGE(vma_lies_crooked, "mm 2"),
	DAMAGE(vma_is_empty, "mm 2"),
	DAMAGE(vma_behind_user_space, "mm 2"),
	DAMAGE(vma_gap, "a VMA's gap is not what lies between it and the one before"),
	DAMAGE(vma_gap_below, "has another largest gap below it than it says"),
	DAMAGE(vma_tree_is_no_tree, "its tree of VMAs is no red-black tree"),
	DAMAGE(vma_is_read_locked, "a VMA is locked although no fault is under way"),
	DAMAGE(vma_says_it_has_left, "a VMA in the tree says that it has left"),
	DAMAGE(table_is_free, "which is no table"),
	DAMAGE(table_of_another_level, "but is at level 1"),
	DAMAGE(poison_of_no_page, "which is sound"),
};

/* covers: I10 */
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

	return cmocka_run_group_tests(tests, NULL, NULL);
}
