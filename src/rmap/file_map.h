/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The file map's part in events about VMAs. Callers test vma->file; the functions take file->lock where they do not say that it
 * is held.
 */
#ifndef RMAP_FILE_MAP_H
#define RMAP_FILE_MAP_H

#include <rmap/rmap.h>

void file_map_lock(struct rmap *rmap, struct rmap_file *file);
void file_map_unlock(struct rmap *rmap, struct rmap_file *file);

/* file->lock held for writing. */
void file_map_insert(struct rmap_vma *vma);
void file_map_erase(struct rmap_vma *vma);

/* vma right behind prev, or in its own place where prev maps something else (see rmap_vma_fork()). */
void file_map_link_after(struct rmap *rmap, struct rmap_vma *vma, struct rmap_vma *prev);
void file_map_unlink(struct rmap *rmap, struct rmap_vma *vma);

#endif
