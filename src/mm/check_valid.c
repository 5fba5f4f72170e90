// SPDX-License-Identifier: BSD-2-Clause
/*
 * Each structure by itself: what its _valid() says (valid.h). Last, so that what is wrong between two structures, which can be said in more
 * words, is said first. Structures of the designs are asked by their own checks.
 */
#include "check.h"
#include "valid.h"

static int check_mms_valid(struct check *c)
{
	for (uint64_t i = 0; i < c->nr_mms; i++) {
		struct mm *mm = c->mms[i].mm;
		const struct vma *vma, *bad = NULL;
		bool valid;

		mm_read_lock(mm);
		valid = mm_valid(mm) && rmap_mm_valid(&mm->rmap);
		vma_for_each(vma, mm)
			if (!vma_valid(vma))
				bad = vma;
		mm_read_unlock(mm);
		if (!valid)
			return check_wrong(c, "mm %lu: it says of itself what cannot be", mm->id);
		if (bad)
			return check_wrong(c, "mm %lu, a VMA: it says of itself what cannot be",
					   mm->id);
	}
	return 0;
}

static int check_files_valid(struct check *c)
{
	for (uint64_t i = 0; i < c->nr_files; i++) {
		const struct mm_file *file = c->files[i].file;

		if (!mm_file_valid(file) || !rmap_file_valid(&file->rmap))
			return check_wrong(c, "file %lu: it says of itself what cannot be",
					   file->id);
	}
	return 0;
}

static int check_slots_valid(struct check *c)
{
	struct swap_map *swap = &c->sys->swap;
	uint64_t bad = SWAP_NONE;
	bool valid;

	rmap_spin_lock(&swap->lock);
	valid = swap_map_valid(swap);
	for (uint64_t slot = 0; slot < swap->next; slot++)
		if (!swap_slot_valid(&swap->slots[slot]))
			bad = slot;
	rmap_spin_unlock(&swap->lock);
	if (!valid)
		return check_wrong(c, "swap says of itself what cannot be");
	return bad == SWAP_NONE ? 0
				: check_wrong(c, "slot %lu: it says of itself what cannot be", bad);
}

static int check_cpus_valid(struct check *c)
{
	bool valid = true;

	for (uint32_t i = 0; i < c->sys->nr_cpus; i++) {
		struct mm_cpu *cpu = &c->sys->cpus[i];

		rmap_spin_lock(&cpu->lock);
		valid &= mm_cpu_valid(c->sys, cpu);
		rmap_spin_unlock(&cpu->lock);
	}
	return valid ? 0 : check_wrong(c, "a processor says of itself what cannot be");
}

int check_valid(struct check *c)
{
	int error = 0;

	if (!mm_system_valid(c->sys) || !rmap_valid(&c->sys->rmap))
		return check_wrong(c, "the system says of itself what cannot be");
	error = check_cpus_valid(c);
	if (!error)
		error = check_mms_valid(c);
	if (!error)
		error = check_files_valid(c);
	if (!error)
		error = check_slots_valid(c);
	for (uint64_t pfn = 0; pfn < c->nr_pages && !error; pfn++)
		if (!page_valid(pfn_to_page(c->sys, pfn)))
			error = check_wrong(c, "page %lu: it says of itself what cannot be", pfn);
	return error;
}
