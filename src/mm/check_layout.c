// SPDX-License-Identifier: BSD-2-Clause
/*
 * Address spaces: VMA trees, what is counted from them, and the links that the design keeps for each VMA.
 *
 * Layout and design keep records of their own of which VMAs may hold anonymous pages (vma->group; the design's chain), since
 * the layout must be the same under every design. Here they are held against each other: a VMA has a group exactly if the
 * design calls it faulted. And two VMAs that put new pages with the same owner must be linked to the same owners: where they
 * are not, a merge of the two would lose one chain, and with it pages (CVE-2022-42703).
 */
#include "check.h"
#include "vma_lock.h"

/* What the VMAs of one address space add up to, in pages. */
struct sums {
	uint64_t vmas, total, locked, data, exec, stack;
};

struct chain {
	uint64_t hash;	 /* over the owners, in order */
	const void *own; /* where new pages go */
	uint64_t links;
};

static void add_link(const struct rmap_link_info *info, void *arg)
{
	struct chain *chain = arg;

	chain->links++;
	chain->hash = check_mix(chain->hash ^ (uintptr_t)info->owner);
	if (info->own)
		chain->own = info->owner;
}

/* The same own owner, the same chain: wherever the VMAs are (I4). */
static int check_chain(struct check *c, const struct mm *mm, const struct vma *vma)
{
	struct chain chain = { .hash = 1 };
	uint64_t *known;

	rmap_vma_links(&c->sys->rmap, &vma->rmap, add_link, &chain);
	if (!chain.own)
		return 0;
	chain.hash |= 1; /* 0: not seen before */
	known = check_map_find(&c->chain_of, chain.own, true);
	if (*known && *known != chain.hash)
		return check_wrong(c,
				   "mm %lu, VMA 0x%lx-0x%lx: another VMA has the same owner for "
				   "new pages, but "
				   "not the same %lu links",
				   mm->id, vma->rmap.start, vma->rmap.end, chain.links);
	*known = chain.hash;
	return 0;
}

static int check_vma_file(struct check *c, const struct mm *mm, const struct vma *vma)
{
	uint64_t *number;
	struct check_file *f;

	if (vma->rmap.flags != vma_rmap_flags(vma->flags))
		return check_wrong(c,
				   "mm %lu, VMA 0x%lx-0x%lx: its flags 0x%lx are not what the "
				   "reverse map was told",
				   mm->id, vma->rmap.start, vma->rmap.end, vma->flags);
	if (!vma->rmap.file) {
		if (vma->flags & VM_SHARED)
			return check_wrong(c,
					   "mm %lu, VMA 0x%lx-0x%lx: it is shared, but of no file",
					   mm->id, vma->rmap.start, vma->rmap.end);
		return 0;
	}
	number = check_map_find(&c->file_of, vma->rmap.file, false);
	if (!number)
		return check_wrong(c, "mm %lu, VMA 0x%lx-0x%lx: the system does not know its file",
				   mm->id, vma->rmap.start, vma->rmap.end);
	f = &c->files[*number];
	f->vmas++;
	f->sum += check_mix((uintptr_t)&vma->rmap);
	if ((vma->flags & (VM_SHARED | VM_MAYWRITE)) == (VM_SHARED | VM_MAYWRITE))
		f->writable++;
	return 0;
}

static int check_vma_origin(struct check *c, const struct mm *mm, const struct vma *vma)
{
	const char *wrong = rmap_vma_check(&c->sys->rmap, &vma->rmap);
	bool faulted = rmap_vma_faulted(&c->sys->rmap, &vma->rmap);

	if (wrong)
		return check_wrong(c, "mm %lu, VMA 0x%lx-0x%lx: %s", mm->id, vma->rmap.start,
				   vma->rmap.end, wrong);
	if (rmap_knows_faulted(&c->sys->rmap) && vma_faulted(vma) != faulted)
		return check_wrong(
			c,
			"mm %lu, VMA 0x%lx-0x%lx: the reverse map says %s, the layout has group "
			"%lu",
			mm->id, vma->rmap.start, vma->rmap.end, faulted ? "faulted" : "unfaulted",
			(uint64_t)atomic_load_explicit(&vma->group, memory_order_relaxed));
	if (vma->forked && !vma_faulted(vma))
		return check_wrong(c,
				   "mm %lu, VMA 0x%lx-0x%lx: inherited faulted, but has no group",
				   mm->id, vma->rmap.start, vma->rmap.end);
	return check_chain(c, mm, vma);
}

/* Linux's is_exec_mapping, is_stack_mapping, is_data_mapping, by meaning. */
static void add_vma(struct sums *s, const struct vma *vma)
{
	uint64_t pages = vma_pages(vma), flags = vma->flags;

	s->vmas++;
	s->total += pages;
	if (flags & VM_LOCKED)
		s->locked += pages;
	if ((flags & (VM_EXEC | VM_WRITE | VM_GROWSDOWN)) == VM_EXEC)
		s->exec += pages;
	else if (flags & VM_GROWSDOWN)
		s->stack += pages;
	else if ((flags & (VM_WRITE | VM_SHARED)) == VM_WRITE)
		s->data += pages;
}

static int check_vmas(struct check *c, const struct mm *mm, struct sums *s)
{
	struct vma *vma;

	vma_for_each(vma, mm) {
		const struct rmap_vma *v = &vma->rmap;
		int error;

		if (v->mm != &mm->rmap)
			return check_wrong(c, "mm %lu, VMA 0x%lx-0x%lx: it says it is another mm's",
					   mm->id, v->start, v->end);
		if (v->start >= v->end || (v->start | v->end) & ~RMAP_PAGE_MASK ||
		    v->end > MM_TASK_SIZE)
			return check_wrong(c, "mm %lu, VMA 0x%lx-0x%lx: no such range can be",
					   mm->id, v->start, v->end);
		if (vma_lock_check(vma))
			return check_wrong(c, "mm %lu, VMA 0x%lx-0x%lx: %s", mm->id, v->start,
					   v->end, vma_lock_check(vma));
		add_vma(s, vma);
		if (vma->flags & VM_ACCOUNT)
			c->accounted += vma_pages(vma);
		error = check_vma_file(c, mm, vma);
		if (!error)
			error = check_vma_origin(c, mm, vma);
		if (error)
			return error;
	}
	return 0;
}

static int check_stats(struct check *c, const struct mm *mm, const struct sums *s)
{
	const struct {
		const char *name;
		uint64_t said, found;
	} stats[] = {
		{ "VMAs", mm->map_count, s->vmas },
		{ "pages of memory", mm->total_vm, s->total },
		{ "locked pages", mm->locked_vm, s->locked + mm->locked_lost },
		{ "pages of data", mm->data_vm, s->data },
		{ "pages of code", mm->exec_vm, s->exec },
		{ "pages of stack", mm->stack_vm, s->stack },
	};

	for (unsigned int i = 0; i < sizeof(stats) / sizeof(stats[0]); i++)
		if (stats[i].said != stats[i].found)
			return check_wrong(c, "mm %lu: it counts %lu %s and has %lu", mm->id,
					   stats[i].said, stats[i].name, stats[i].found);
	if (mm->brk < mm->start_brk)
		return check_wrong(c, "mm %lu: the heap ends at 0x%lx, before its beginning 0x%lx",
				   mm->id, mm->brk, mm->start_brk);
	return 0;
}

static int check_mm(struct check *c, const struct mm *mm)
{
	struct sums s = { 0 };
	const char *wrong = vma_tree_check(mm);
	int error;

	if (wrong)
		return check_wrong(c, "mm %lu: %s", mm->id, wrong);
	error = check_vmas(c, mm, &s);
	return error ? error : check_stats(c, mm, &s);
}

/* Trees that can be followed, and how many VMAs there are in all: as many owners at the most. */
static int prepare_chains(struct check *c)
{
	for (uint64_t i = 0; i < c->nr_mms; i++) {
		const struct mm *mm = c->mms[i].mm;
		const struct rb_node *node;

		if (!rb_valid(&mm->vmas))
			return check_wrong(c, "mm %lu: its tree of VMAs is no red-black tree",
					   mm->id);
		for (node = rb_first(&mm->vmas); node; node = rb_next(node))
			c->nr_vmas++;
	}
	return check_map_init(c, &c->chain_of, c->nr_vmas);
}

int check_layout(struct check *c)
{
	uint64_t committed = sum_all(c->sys, SUM_COMMITTED);
	int error = prepare_chains(c);

	for (uint64_t i = 0; i < c->nr_mms && !error; i++) {
		struct mm *mm = c->mms[i].mm;

		if (atomic_load_explicit(&mm->users, memory_order_relaxed) == 0)
			return check_wrong(c, "mm %lu: nobody uses it any more, but it is there",
					   mm->id);
		mm_read_lock(mm);
		error = check_mm(c, mm);
		mm_read_unlock(mm);
	}
	for (uint64_t i = 0; i < c->nr_files; i++)
		c->accounted += c->files[i].file->accounted;
	if (!error && committed != c->accounted)
		return check_wrong(
			c, "the system has promised %lu pages, its VMAs and files account for %lu",
			committed, c->accounted);
	return error;
}
