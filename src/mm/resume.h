/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What is known of an image while it is read: resume.c reads it, resume_link.c makes what was read known to the system.
 *
 * One thread has it all, and nobody else has the system yet.
 */
#ifndef MM_RESUME_H
#define MM_RESUME_H

#include "image.h"
#include "vma.h"

struct resumed_vma {
	struct vma *vma;
	uint32_t mm;
	uint32_t family;
	uint32_t order; /* its mm's; while linking */
	bool linked;	/* tier 1 and the mm's tree know it */
};

struct resumed_mm {
	struct mm *mm;
	uint64_t id;   /* the caller's */
	uint32_t base; /* number of the address space that it is forked from; its own: from none */
	bool known;    /* to tier 1 and to the system's list */
	uint64_t first, nr, max; /* its VMAs in vmas[]; max: as announced */
	/* while linking (resume_link.c) */
	uint32_t order;		    /* how many were made known before */
	uint32_t last;		    /* order of the last that descends from it, or its own */
	struct resumed_mm *child;   /* the first that is forked from it, or NULL */
	struct resumed_mm *sibling; /* the next that is forked from its base, or NULL */
};

struct reader {
	struct mm_system *sys;
	struct image image;
	const struct mm_resume *resume;
	uint32_t max_mms, nr_mms, max_files, nr_files, nr_families; /* max: as announced */
	uint64_t max_vmas, nr_vmas;
	uint64_t room_mms, room_files, room_vmas; /* of the arrays, which grow with what is read */
	struct resumed_mm *mms;
	struct mm_file **files;
	struct resumed_vma *vmas;
	uint64_t counters[sizeof(struct mm_counters) / sizeof(uint64_t)];
	uint64_t last_group;
	bool linked;
	struct page *page; /* of the chunk before, locked, for more of its sites */
	uint32_t page_flags, sites_left;
	bool page_mapped;
	uint64_t page_index;
	uint32_t page_family;
	struct page *bad; /* stands for all frames that had gone bad */
};

/* The first error counts. => it */
static inline int fail(struct reader *r, int error)
{
	if (!r->image.error)
		r->image.error = error;
	return r->image.error;
}

static inline int bad(struct reader *r)
{
	return fail(r, RMAP_EBADMSG);
}

/* All VMAs have been read: make the address spaces and VMAs known, if that was not done. 0, or what failed; then some are. */
int resume_link(struct reader *r);

#endif
