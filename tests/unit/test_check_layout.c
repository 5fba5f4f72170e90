// SPDX-License-Identifier: BSD-2-Clause
/*
 * The checker on address spaces and VMAs: totals, bounds, groups, files. The scene is drawn in scene.h; each damage must be named.
 */
#include "scene.h"

#include <string.h>

static void map_count(struct scene *x)
{
	SET(x, x->p->map_count, 1);
}

static void total_vm(struct scene *x)
{
	SET(x, x->p->total_vm, 1000);
}

static void locked_vm(struct scene *x)
{
	SET(x, x->p->locked_vm, 2);
}

static void data_vm(struct scene *x)
{
	SET(x, x->p->data_vm, 1000);
}

static void brk_below_start(struct scene *x)
{
	SET(x, x->p->start_brk, 0x1000000);
}

static void vma_end(struct scene *x)
{
	SET(x, vma_of(x->p, ANON)->rmap.end, SWAP + PAGE);
}

static void vma_of_other_mm(struct scene *x)
{
	SET(x, vma_of(x->p, RO)->rmap.mm, (uintptr_t)&x->s->rmap);
}

static void vma_group(struct scene *x)
{
	SET(x, vma_of(x->p, RO)->group, 5);
}

static void vma_no_group(struct scene *x)
{
	SET(x, vma_of(x->p, ANON)->group, 0);
}

static void vma_forked(struct scene *x)
{
	SET(x, vma_of(x->p, RO)->forked, 1);
}

static void damage_vma_flags(struct scene *x)
{
	SET(x, vma_of(x->p, SHMEM)->rmap.flags, 0);
}

static void vma_bounds_unseen_by_the_tree(struct scene *x)
{
	SET(x, vma_of(x->p, ANON)->rmap.pgoff, 0x10001);
}

static void system_committed(struct scene *x)
{
	SET(x, x->e.sys->cpus[0].sum[SUM_COMMITTED], 7777);
}

static void vma_shared_without_file(struct scene *x)
{
	struct vma *vma = vma_of(x->p, RO);

	SET(x, vma->flags, vma->flags | VM_SHARED);
	SET(x, vma->rmap.flags, vma_rmap_flags(vma->flags));
}

static void vma_of_unknown_file(struct scene *x)
{
	SET(x, vma_of(x->p, FILES)->rmap.file, (uintptr_t)&x->p->rmap);
}

static const struct damage damages[] = {
	DAMAGE(map_count, "mm 2: "),
	DAMAGE(total_vm, "it counts 1000 pages of memory and has"),
	DAMAGE(locked_vm, "it counts 2 locked pages and has 1"),
	DAMAGE(data_vm, "it counts 1000 pages of data and has"),
	DAMAGE(brk_below_start, "the heap ends at 0x0, before its beginning 0x1000000"),
	DAMAGE(vma_end, "mm 2"),
	DAMAGE(vma_of_other_mm, "it says it is another mm's"),
	DAMAGE_CHAIN(vma_group, "the reverse map says unfaulted, the layout has group 5"),
	DAMAGE_CHAIN(vma_no_group, "the reverse map says faulted, the layout has group 0"),
	DAMAGE(vma_forked, "inherited faulted, but has no group"),
	DAMAGE(damage_vma_flags, "are not what the reverse map was told"),
	DAMAGE_CHAIN(vma_bounds_unseen_by_the_tree, "mm 2, VMA 0x10000000-0x10004000: "),
	DAMAGE(system_committed,
	       "the system has promised 7777 pages, its VMAs and files account for"),
	DAMAGE(vma_shared_without_file, "it is shared, but of no file"),
	DAMAGE(vma_of_unknown_file, "the system does not know its file"),
};

/* covers: I1, I3, I10, I13 */
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

	return cmocka_run_group_tests_name("check_layout", tests, NULL, NULL);
}
