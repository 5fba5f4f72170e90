// SPDX-License-Identifier: BSD-2-Clause
/*
 * The checker on what each structure must satisfy by itself (mm/valid.h, rmap/valid.h): damages that no comparison of two structures
 * sees. The scene is drawn in scene.h.
 */
#include "scene.h"

#include <string.h>

static void system_watermarks(struct scene *x)
{
	SET(x, x->e.sys->watermark[WATERMARK_LOW], x->e.sys->watermark[WATERMARK_HIGH] + 1);
}

/* More than one may have for itself, though the sum is right. */
static void cpu_credit(struct scene *x)
{
	struct mm_system *sys = x->e.sys;
	uint64_t had = sys->cpus[0].credit, most = 2 * (uint64_t)sys->frame_batch;

	SET(x, sys->nr_free, sys->nr_free - (most + 1 - had));
	SET(x, sys->cpus[0].credit, most + 1);
}

static void rmap_spare(struct scene *x)
{
	SET(x, x->e.sys->rmap.spare.nr, 3);
}

static void mm_base(struct scene *x)
{
	SET(x, x->p->mmap_base, MM_TASK_SIZE + PAGE);
}

static void mm_forked(struct scene *x)
{
	SET(x, x->p->rmap.forked, 7);
}

static void page_table_dirty(struct scene *x)
{
	struct page *table = table_of(x->p, ANON);

	SET(x, table->flags, table->flags | PG_DIRTY);
}

static void slot_free_but_anonymous(struct scene *x)
{
	struct swap_map *swap = &x->e.sys->swap;

	assert_true(swap->free != SWAP_NONE);
	SET(x, swap->slots[swap->free].flags, SWAP_SLOT_ANON);
}

static void file_number(struct scene *x)
{
	SET(x, x->file->id, 0);
}

static void each_by_itself(void **state)
{
	static const struct damage damages[] = {
		DAMAGE(system_watermarks, "the system says of itself"),
		DAMAGE(rmap_spare, "the system says of itself"),
		DAMAGE(cpu_credit, "a processor says of itself"),
		DAMAGE(mm_base, "it says of itself"),
		DAMAGE(mm_forked, "it says of itself"),
		DAMAGE(page_table_dirty, "it says of itself"),
		DAMAGE(slot_free_but_anonymous, "it says of itself"),
		DAMAGE(file_number, "it says of itself"),
	};

	(void)state;
	scene_expect_damages(damages, sizeof(damages) / sizeof(damages[0]));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_by_itself),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
