// SPDX-License-Identifier: BSD-2-Clause
/*
 * Events about VMAs: the file map's part, then the design's (the file's lock is outside the design's).
 */
#include "count.h"
#include "design.h"
#include "valid.h"
#include "file_map.h"

void rmap_vma_init(struct rmap_vma *vma, struct rmap_mm *mm, uint64_t start, uint64_t end,
		   uint64_t pgoff, struct rmap_file *file, uint32_t flags)
{
	memset(vma, 0, sizeof(*vma));
	vma->start = start;
	vma->end = end;
	vma->pgoff = pgoff;
	vma->mm = mm;
	vma->file = file;
	vma->flags = flags;
	rmap_spin_init(&vma->first, RMAP_LOCK_PAGE_TABLE);
	rb_clear(&vma->file_node);
}

bool rmap_knows_faulted(const struct rmap *rmap)
{
	return ops_of(rmap)->vma_faulted != NULL;
}

bool rmap_vma_faulted(const struct rmap *rmap, const struct rmap_vma *vma)
{
	return ops_of(rmap)->vma_faulted && ops_of(rmap)->vma_faulted(vma);
}

void rmap_vma_link(struct rmap *rmap, struct rmap_vma *vma)
{
	RMAP_DEBUG_ASSERT(rmap->port, rmap_vma_valid(vma));
	if (!vma->file)
		return;
	file_map_lock(rmap, vma->file);
	file_map_insert(vma);
	file_map_unlock(rmap, vma->file);
}

int rmap_vma_prepare(struct rmap *rmap, struct rmap_vma *vma, struct rmap_vma *next,
		     struct rmap_vma *prev)
{
	RMAP_DEBUG_ASSERT(rmap->port, rmap_vma_valid(vma));
	if (!ops_of(rmap)->vma_prepare)
		return RMAP_OK;
	return ops_of(rmap)->vma_prepare(rmap, vma, next, prev);
}

int rmap_vma_fork(struct rmap *rmap, struct rmap_vma *dst, struct rmap_vma *src)
{
	int error = RMAP_OK;

	RMAP_DEBUG_ASSERT(rmap->port, rmap_vma_valid(dst) && rmap_vma_valid(src));
	if (ops_of(rmap)->vma_fork)
		error = ops_of(rmap)->vma_fork(rmap, dst, src);
	if (!error && dst->file)
		file_map_link_after(rmap, dst, src);
	return error;
}

int rmap_vma_clone(struct rmap *rmap, struct rmap_vma *dst, struct rmap_vma *src)
{
	RMAP_DEBUG_ASSERT(rmap->port, rmap_vma_valid(dst) && rmap_vma_valid(src));
	if (!ops_of(rmap)->vma_clone)
		return RMAP_OK;
	return ops_of(rmap)->vma_clone(rmap, dst, src);
}

bool rmap_vma_may_merge(struct rmap *rmap, const struct rmap_vma *a, const struct rmap_vma *b)
{
	if (!ops_of(rmap)->vma_may_merge || ops_of(rmap)->vma_may_merge(a, b))
		return true;
	count_event(&rmap_counting(rmap)->merges_refused);
	return false;
}

int rmap_vma_merge_prepare(struct rmap *rmap, struct rmap_vma *dst, struct rmap_vma *src,
			   bool *imported)
{
	*imported = false;
	if (!ops_of(rmap)->merge_prepare)
		return RMAP_OK;
	return ops_of(rmap)->merge_prepare(rmap, dst, src, imported);
}

void rmap_vma_merge_undo(struct rmap *rmap, struct rmap_vma *dst)
{
	if (ops_of(rmap)->merge_undo)
		ops_of(rmap)->merge_undo(rmap, dst);
}

void rmap_adjust_begin(struct rmap *rmap, struct rmap_adjust *adjust)
{
	adjust->file = adjust->vma[0]->file;
	adjust->design = NULL;
	if (adjust->file) {
		file_map_lock(rmap, adjust->file);
		for (unsigned int i = 0; i < 3; i++) {
			if (!adjust->vma[i])
				continue;
			RMAP_ASSERT(rmap->port, adjust->vma[i]->file == adjust->file);
			file_map_erase(adjust->vma[i]);
		}
	}
	if (ops_of(rmap)->adjust_begin)
		ops_of(rmap)->adjust_begin(rmap, adjust);
}

void rmap_adjust_end(struct rmap *rmap, struct rmap_adjust *adjust)
{
	for (unsigned int i = 0; i < 3; i++)
		RMAP_DEBUG_ASSERT(rmap->port, !adjust->vma[i] || adjust->removed[i] ||
						      rmap_vma_valid(adjust->vma[i]));
	if (ops_of(rmap)->adjust_end)
		ops_of(rmap)->adjust_end(rmap, adjust);
	if (!adjust->file)
		return;
	for (unsigned int i = 0; i < 3; i++) {
		if (adjust->vma[i] && !adjust->removed[i])
			file_map_insert(adjust->vma[i]);
	}
	if (adjust->insert)
		file_map_insert(adjust->insert);
	file_map_unlock(rmap, adjust->file);
}

/*
 * Could a walker pass between src's place and dst's, and meet the page at neither?
 *
 * A walk goes through the VMAs by rising page offset, ties in order of insertion. A dst that was made for the move has src's
 * offset and stands behind it: a PTE that leaves src before the walker comes is met at dst. A dst that existed before and was
 * grown may stand before src; there the walker may have looked already.
 */
static bool move_needs_locks(const struct rmap_vma *dst, const struct rmap_vma *src, bool merged)
{
	return merged && dst->pgoff <= src->pgoff;
}

void rmap_move_begin(struct rmap *rmap, struct rmap_vma *dst, struct rmap_vma *src, bool merged)
{
	bool passes = move_needs_locks(dst, src, merged);

	if (passes && src->file)
		file_map_lock(rmap, src->file);
	if (ops_of(rmap)->move_begin && (passes || ops_of(rmap)->locks_every_move))
		ops_of(rmap)->move_begin(rmap, dst, src);
}

void rmap_move_end(struct rmap *rmap, struct rmap_vma *dst, struct rmap_vma *src, bool merged)
{
	bool passes = move_needs_locks(dst, src, merged);

	if (ops_of(rmap)->move_end && (passes || ops_of(rmap)->locks_every_move))
		ops_of(rmap)->move_end(rmap, dst, src);
	if (passes && src->file)
		file_map_unlock(rmap, src->file);
}

int rmap_vma_shift_prepare(struct rmap *rmap, struct rmap_vma *vma)
{
	return ops_of(rmap)->vma_shift_prepare ? ops_of(rmap)->vma_shift_prepare(rmap, vma)
					       : RMAP_OK;
}

void rmap_vma_forget(struct rmap *rmap, struct rmap_vma *vma)
{
	if (ops_of(rmap)->vma_unlink)
		ops_of(rmap)->vma_unlink(rmap, vma);
}

void rmap_vma_unlink(struct rmap *rmap, struct rmap_vma *vma)
{
	if (ops_of(rmap)->vma_unlink)
		ops_of(rmap)->vma_unlink(rmap, vma);
	if (vma->file)
		file_map_unlink(rmap, vma);
}
