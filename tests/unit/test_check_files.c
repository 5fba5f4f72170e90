// SPDX-License-Identifier: BSD-2-Clause
/*
 * The checker on files: their tree of VMAs, their pages, what is dirty. The scene is drawn in scene.h; each damage must be named.
 */
#include "scene.h"

#include <string.h>

static void file_vmas(struct scene *x)
{
	SET(x, x->file->rmap.nr_vmas, 1);
}

static void file_writable(struct scene *x)
{
	SET(x, x->file->rmap.writable, 1);
}

static void file_unlinked_vmas(struct scene *x)
{
	SET(x, x->file->rmap.vmas.node, 0);
}

static void file_entries(struct scene *x)
{
	SET(x, x->file->pages.count, 1);
}

static void file_dirty(struct scene *x)
{
	SET(x, x->file->nr_unsaved, 0);
}

static void file_size(struct scene *x)
{
	SET(x, x->file->size, PAGE);
}

static void file_page_not_filled(struct scene *x)
{
	SET(x, page_at(x->p, FILES)->flags, page_at(x->p, FILES)->flags & ~(uint32_t)PG_UPTODATE);
}

static void system_dirty(struct scene *x)
{
	SET(x, x->e.sys->cpus[0].sum[SUM_DIRTY], 77);
}

/* C has no page of its program, so that nothing but the tree knows where in the file its VMA is. */
static void file_tree_goes_back(struct scene *x)
{
	SET(x, vma_of(x->c, CODE)->rmap.pgoff, 1);
}

static void file_tree_is_no_tree(struct scene *x)
{
	SET(x, x->file->rmap.vmas.node->parent_color, 0);
}

static struct file_tree_node *file_root(struct scene *x)
{
	return x->file->pages.root;
}

static void file_with_store_has_slot(struct scene *x)
{
	SET(x, file_root(x)->slot[0], (uintptr_t)file_entry_of_slot(0));
}

static void file_tree_has_no_page(struct scene *x)
{
	SET(x, file_root(x)->slot[0], 64);
}

static void file_page_elsewhere(struct scene *x)
{
	SET(x, file_root(x)->slot[0], (uintptr_t)file_root(x)->slot[1]);
}

static void shmem_slot_never_used(struct scene *x)
{
	struct file_tree_node *root = vma_file(vma_of(x->s, OUT))->pages.root;

	assert_true(file_entry_is_slot(root->slot[0]));
	SET(x, root->slot[0], (uintptr_t)file_entry_of_slot(1 << 30));
}

static const struct damage damages[] = {
	DAMAGE(file_vmas, "it counts 1 VMAs, 2 of them writable, and has 6, 2 of them writable"),
	DAMAGE(file_writable, "it counts 6 VMAs, 1 of them writable"),
	DAMAGE(file_unlinked_vmas, "6 VMAs map it, its tree has 0"),
	DAMAGE(file_entries, "it counts 1 entries of its tree and has"),
	DAMAGE(file_dirty, "it counts 0 dirty pages and has 1"),
	DAMAGE(file_size, "something is cached at 0x1, behind its end"),
	DAMAGE(file_page_not_filled, "was never filled"),
	DAMAGE(system_dirty, "the system counts 77 dirty pages and has 1"),
	DAMAGE(file_tree_goes_back, "out of order or cut"),
	DAMAGE(file_tree_is_no_tree, "its tree of VMAs is no red-black tree"),
	DAMAGE(file_with_store_has_slot, "a swap slot at 0x0, though it has a store"),
	DAMAGE(file_tree_has_no_page, "its tree has at 0x0 what is no page"),
	DAMAGE(file_page_elsewhere, "at 0x0 of its tree says it belongs elsewhere, to 0x1"),
	DAMAGE(shmem_slot_never_used, "at 0x0 stands slot 1073741824, which was never used"),
};

/* covers: I11 */
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

	return cmocka_run_group_tests_name("check_files", tests, NULL, NULL);
}
