// SPDX-License-Identifier: BSD-2-Clause
/*
 * Resume: a fresh system becomes what an image says.
 *
 * Address spaces and VMAs are read first and then made known (resume_link.c), so that whatever the design, all who share a page
 * descend from one origin, and that is where pages that are not exclusive go.
 *
 * Pages follow, each at once with all its places: the first maps it new, the others map it again, as after a swap-in. One that
 * was out in swap goes out again the way any page goes, at once, so that an image needs no more memory than its system had; if
 * swap has no room it simply stays.
 *
 * What is read is believed only after its checksum, and even then no number is trusted: a hostile image gets RMAP_EBADMSG. On
 * every failure the address spaces and files made so far are let go, which leaves the system empty.
 */
#include "file.h"
#include "image.h"
#include "mm.h"
#include "reclaim.h"
#include "resume.h"
#include "table.h"
#include "valid.h"
#include "vma.h"

/* ---------------------------------------------------------------- the header */

static int read_header(struct reader *r)
{
	struct image *image = &r->image;
	uint32_t nr = sizeof(r->counters) / sizeof(r->counters[0]);

	if (image_next(image))
		return image->error;
	if (image->type != IMAGE_HEADER || image_get64(image) != IMAGE_MAGIC ||
	    image_get32(image) != IMAGE_VERSION || image_get32(image) != RMAP_PAGE_SHIFT ||
	    image_get32(image) != r->sys->config.phantom)
		return bad(r);
	r->max_mms = image_get32(image);
	r->max_files = image_get32(image);
	r->nr_families = image_get32(image);
	r->max_vmas = image_get64(image);
	if (image_get32(image) != nr)
		return bad(r);
	for (uint32_t i = 0; i < nr; i++)
		r->counters[i] = image_get64(image);
	return image_left(image) ? bad(r) : image->error;
}

/*
 * array, with room for one more element behind nr; NULL: no memory, and array is as it was. What is announced is not believed:
 * memory is taken for what has come.
 */
static void *array_grow(struct reader *r, void *array, uint64_t nr, uint64_t *room, size_t size)
{
	uint64_t more = *room ? *room * 2 : 16;
	void *grown;

	if (nr < *room)
		return array;
	grown = mm_alloc(r->sys, RMAP_KIND_BUFFER, more * size);
	if (!grown) {
		fail(r, RMAP_ENOMEM);
		return NULL;
	}
	if (array) {
		memcpy(grown, array, nr * size);
		mm_free(r->sys, RMAP_KIND_BUFFER, array, *room * size);
	}
	*room = more;
	return grown;
}

static void array_free(struct reader *r, void *array, uint64_t room, size_t size)
{
	if (array)
		mm_free(r->sys, RMAP_KIND_BUFFER, array, room * size);
}

static void free_arrays(struct reader *r)
{
	array_free(r, r->mms, r->room_mms, sizeof(*r->mms));
	array_free(r, r->files, r->room_files, sizeof(struct mm_file *));
	array_free(r, r->vmas, r->room_vmas, sizeof(*r->vmas));
}

/* ---------------------------------------------------------------- files, address spaces, VMAs */

static int read_file(struct reader *r)
{
	uint64_t id = image_get64(&r->image), size = image_get64(&r->image);
	uint32_t shmem = image_get32(&r->image);
	uint64_t accounted = image_get64(&r->image);
	uint32_t lost = image_get32(&r->image);
	void *handle = NULL, *grown;
	int error = 0;

	if (r->image.error || image_left(&r->image) || r->nr_files == r->max_files || shmem > 1 ||
	    accounted > (shmem ? size >> RMAP_PAGE_SHIFT : 0) || lost > !shmem)
		return bad(r);
	if (!shmem) {
		if (!r->resume->file)
			return fail(r, RMAP_ENOENT);
		error = r->resume->file(r->resume->arg, id, size, &handle);
		if (!error && !handle)
			error = RMAP_ENOENT;
	}
	if (error)
		return fail(r, error);
	grown = array_grow(r, r->files, r->nr_files, &r->room_files, sizeof(struct mm_file *));
	error = grown ? 0 : RMAP_ENOMEM;
	if (grown)
		r->files = grown;
	if (!error)
		error = mm_file_create(r->sys, handle, size, &r->files[r->nr_files]);
	if (error) {
		if (handle && r->sys->port->file_release)
			r->sys->port->file_release(r->sys->port->ctx, handle);
		return fail(r, error);
	}
	atomic_store(&r->files[r->nr_files]->error, lost ? RMAP_EIO : 0);
	/* It was promised before: by whatever rule, it is not refused now. */
	r->files[r->nr_files]->accounted = accounted;
	mm_commit(r->sys, (int64_t)accounted);
	r->nr_files++;
	return 0;
}

static int read_mm(struct reader *r)
{
	struct image *image = &r->image;
	struct resumed_mm *rm, *grown;
	struct mm *mm;

	/* Once all are linked there are as many as were announced. So it is with VMAs. */
	if (r->nr_mms == r->max_mms)
		return bad(r);
	grown = array_grow(r, r->mms, r->nr_mms, &r->room_mms, sizeof(*r->mms));
	if (!grown)
		return r->image.error;
	r->mms = grown;
	mm = mm_new(r->sys);
	if (!mm)
		return fail(r, RMAP_ENOMEM);
	rm = &r->mms[r->nr_mms];
	*rm = (struct resumed_mm){ .mm = mm, .first = r->nr_vmas };
	r->nr_mms++;
	rm->id = image_get64(image);
	rm->base = image_get32(image);
	if (image_get32(image) != MM_LIMITS || rm->base >= r->max_mms)
		return bad(r);
	for (int i = 0; i < MM_LIMITS; i++)
		atomic_store(&mm->limit[i], image_get64(image));
	atomic_store(&mm->capabilities, image_get32(image));
	mm->start_brk = image_get64(image);
	mm->brk = image_get64(image);
	mm->start_stack = image_get64(image);
	mm->mmap_base = image_get64(image);
	mm->def_flags = image_get64(image);
	mm->locked_lost = image_get64(image);
	mm->locked_vm = mm->locked_lost;
	rm->max = image_get64(image);
	if (mm->brk < mm->start_brk || mm->brk > MM_TASK_SIZE || mm->mmap_base > MM_TASK_SIZE ||
	    mm->start_stack > MM_TASK_SIZE || (mm->def_flags & ~VM_LOCKED_MASK) ||
	    mm->locked_lost > UINT64_MAX / 4)
		return bad(r);
	return image_left(image) ? bad(r) : image->error;
}

#define VM_KNOWN                                                                                   \
	(VM_ACCESS | VM_SHARED | VM_MAYREAD | VM_MAYWRITE | VM_MAYEXEC | VM_MAYSHARE |             \
	 VM_GROWSDOWN | VM_LOCKED | VM_SEQ_READ | VM_RAND_READ | VM_DONTCOPY | VM_LOCKONFAULT |    \
	 VM_ACCOUNT | VM_NORESERVE | VM_WIPEONFORK | VM_DONTDUMP | VM_HUGEPAGE | VM_NOHUGEPAGE |   \
	 VM_STACK_EARLY)

struct vma_record {
	uint64_t start, end, pgoff, flags, group;
	uint32_t forked, file, family;
};

static bool vma_possible(const struct reader *r, const struct vma_record *v, uint64_t floor)
{
	if (((v->start | v->end) & ~RMAP_PAGE_MASK) || v->start < floor || v->end <= v->start ||
	    v->end > MM_TASK_SIZE || v->pgoff > UINT64_MAX / 4)
		return false;
	if ((v->flags & ~VM_KNOWN) || v->forked > 1 || v->file > r->nr_files ||
	    v->family > r->nr_families)
		return false;
	if (v->group)
		return !(v->flags & VM_SHARED) && v->group < UINT64_MAX / 2;
	if (v->family || v->forked)
		return false;
	/* Unfaulted, it need not be in its own place: a move that left it there, without its pages, may not have been its first. */
	return v->file || !(v->flags & VM_SHARED);
}

/* Of the address space that was read last. */
static int read_vma(struct reader *r)
{
	struct image *image = &r->image;
	struct resumed_mm *rm = r->nr_mms ? &r->mms[r->nr_mms - 1] : NULL;
	uint64_t floor = rm && rm->nr ? r->vmas[r->nr_vmas - 1].vma->rmap.end : 0;
	struct resumed_vma *grown;
	struct vma_record v;
	struct vma *vma;

	v.start = image_get64(image);
	v.end = image_get64(image);
	v.pgoff = image_get64(image);
	v.flags = image_get64(image);
	v.group = image_get64(image);
	v.forked = image_get32(image);
	v.file = image_get32(image);
	v.family = image_get32(image);
	if (!rm || image->error || image_left(image) || r->nr_vmas == r->max_vmas ||
	    rm->nr == rm->max || !vma_possible(r, &v, floor))
		return bad(r);
	grown = array_grow(r, r->vmas, r->nr_vmas, &r->room_vmas, sizeof(*r->vmas));
	if (!grown)
		return r->image.error;
	r->vmas = grown;
	vma = vma_alloc(rm->mm, v.start, v.end, v.pgoff, v.flags,
			v.file ? r->files[v.file - 1] : NULL);
	if (!vma)
		return fail(r, RMAP_ENOMEM);
	atomic_store(&vma->group, v.group);
	vma->forked = v.forked;
	if (v.group > r->last_group)
		r->last_group = v.group;
	r->vmas[r->nr_vmas++] =
		(struct resumed_vma){ .vma = vma, .mm = r->nr_mms - 1, .family = v.family };
	rm->nr++;
	return 0;
}

/* ---------------------------------------------------------------- pages */

/* The page's last place is restored: let it go its ways. */
static void finish_page(struct reader *r)
{
	struct page *page = r->page;
	struct list_head list;

	if (!page)
		return;
	r->page = NULL;
	/* Also from a VMA that is locked: it was out there when the image was written, and there may be no room for it. */
	if ((r->page_flags & IMAGE_PAGE_OUT) && r->page_mapped && swap_add(r->sys, page))
		(void)page_unmap_all(r->sys, this_cpu(r->sys), page, UNMAP_IGNORE_MLOCK);
	page_unlock(r->sys, page);
	if ((r->page_flags & IMAGE_PAGE_OUT) && r->page_mapped) {
		list_init(&list);
		list_add(&page->lru, &list);
		reclaim_pages(r->sys, &list, true); /* takes our reference */
		return;
	}
	if (r->page_mapped)
		lru_add(r->sys, page);
	page_put(r->sys, page);
}

static void fill_contents(struct reader *r, struct page *page, uint32_t flags)
{
	const void *data = flags & IMAGE_PAGE_DATA ? image_get(&r->image, RMAP_PAGE_SIZE) : NULL;

	if (data && page_data(r->sys, page))
		memcpy(page_data(r->sys, page), data, RMAP_PAGE_SIZE);
	else
		page_zero(r->sys, page);
}

/* What was read about vma; an address space's are sorted by address by now. */
static const struct resumed_vma *find_resumed(const struct reader *r, uint32_t mm,
					      const struct vma *vma)
{
	uint64_t low = r->mms[mm].first, high = low + r->mms[mm].nr;

	while (high - low > 1) {
		uint64_t middle = low + (high - low) / 2;

		if (r->vmas[middle].vma->rmap.start <= vma->rmap.start)
			low = middle;
		else
			high = middle;
	}
	return &r->vmas[low];
}

struct site {
	struct mm *mm;
	struct vma *vma;
	uint64_t addr;
	uint32_t number, flags;
	pte_t *pte;
};

/* One place, whose entry must be empty. */
static int read_site(struct reader *r, struct site *s, bool faulted)
{
	s->number = image_get32(&r->image);
	s->flags = image_get32(&r->image);
	s->addr = image_get64(&r->image);
	if (r->image.error || s->number >= r->nr_mms || (s->addr & ~RMAP_PAGE_MASK))
		return bad(r);
	s->mm = r->mms[s->number].mm;
	s->vma = vma_at(s->mm, s->addr);
	/* What is shared is never faulted: see vma_possible(). */
	if (!s->vma || (faulted && !vma_faulted(s->vma)))
		return bad(r);
	s->pte = table_make(s->mm, s->addr);
	if (!s->pte)
		return fail(r, RMAP_ENOMEM);
	return pte_read(s->pte) ? bad(r) : 0;
}

/* Could the page, which stands at other places already, stand here too? */
static bool site_fits(struct reader *r, const struct site *s)
{
	const struct resumed_vma *rv;
	uint64_t index = rmap_vma_index(&s->vma->rmap, s->addr);

	if (!r->page_mapped && !r->sites_left) {
		/* Alone: nobody to agree with. */
		r->page_index = index;
		return true;
	}
	rv = find_resumed(r, s->number, s->vma);
	if (s->flags & IMAGE_SITE_EXCLUSIVE)
		return false;
	if (!r->page_mapped) {
		r->page_index = index;
		r->page_family = rv->family;
	}
	return rv->family && rv->family == r->page_family && index == r->page_index;
}

/* Under this design the page may not stand here, too (rmap_page_fits()): a copy does. */
static int copy_site(struct reader *r, const struct site *s)
{
	struct page *page = page_alloc(r->sys, 0);
	struct fault f = {
		.mm = s->mm,
		.cpu = this_cpu(r->sys),
		.vma = s->vma,
		.addr = s->addr,
		.unshare = true, /* read-only */
		.pte = s->pte,
		.ptl = table_ptl(r->sys, s->pte),
	};

	if (!page)
		return fail(r, RMAP_ENOMEM);
	page_copy(r->sys, page, r->page);
	/* Nobody else is there who could have been first. */
	(void)fault_install_anon(&f, page);
	return 0;
}

static int map_site(struct reader *r, const struct site *s)
{
	struct mm_system *sys = r->sys;
	struct rmap_page *rpage = &r->page->rmap;
	struct rmap_reserve reserve = { 0 };
	bool exclusive = s->flags & IMAGE_SITE_EXCLUSIVE;
	unsigned int flags = exclusive ? RMAP_MAP_EXCLUSIVE : 0;
	pte_t bits = vma_pte_bits(s->vma, exclusive);
	int error;

	if (r->page_mapped && !rmap_page_fits(&sys->rmap, rpage, &s->vma->rmap, s->addr))
		return copy_site(r, s);
	error = rmap_reserve(&sys->rmap, &reserve, 1);
	if (error)
		return fail(r, error);
	if (!r->page_mapped) {
		flags |= RMAP_MAP_NEW;
		sum_add(sys, SUM_ANON, 1);
	}
	if (s->flags & IMAGE_SITE_ACCESSED)
		bits |= PTE_ACCESSED;
	rmap_spin_lock(table_ptl(sys, s->pte));
	if (rmap_page_map(&sys->rmap, &rpage, 1, &s->vma->rmap, s->addr, s->pte, flags, &reserve))
		page_get(r->page);
	bits |= vma_mlock_bit(s->vma, r->page);
	pte_write(s->pte, pte_make(page_to_pfn(sys, r->page), bits));
	mm_rss_add(s->mm, RSS_ANON, 1);
	rmap_spin_unlock(table_ptl(sys, s->pte));
	rmap_unreserve(&sys->rmap, &reserve);
	r->page_mapped = true;
	return 0;
}

/* As many places as the chunk holds. */
static int read_sites(struct reader *r)
{
	while (image_left(&r->image) && r->sites_left) {
		struct site s;

		if (read_site(r, &s, true))
			return r->image.error;
		r->sites_left--;
		if (!site_fits(r, &s))
			return bad(r);
		if (map_site(r, &s))
			return r->image.error;
	}
	return image_left(&r->image) ? bad(r) : 0;
}

static int read_page(struct reader *r)
{
	struct page *page;

	r->page_flags = image_get32(&r->image);
	r->sites_left = image_get32(&r->image);
	if (r->image.error || !r->sites_left ||
	    (r->page_flags & ~(uint32_t)(IMAGE_PAGE_DATA | IMAGE_PAGE_OUT)))
		return bad(r);
	page = page_alloc(r->sys, 0);
	if (!page)
		return fail(r, RMAP_ENOMEM);
	page_lock(r->sys, page);
	page_set(page, PG_UPTODATE);
	page_set(page, PG_SWAPBACKED);
	page_set(page, PG_DIRTY);
	r->page = page;
	r->page_mapped = false;
	fill_contents(r, page, r->page_flags);
	return r->image.error ? r->image.error : read_sites(r);
}

/* A frame that stands for all that had gone bad; it is never handed out again. */
static int make_bad_frame(struct reader *r)
{
	if (r->bad)
		return 0;
	r->bad = page_alloc(r->sys, 0);
	if (!r->bad)
		return fail(r, RMAP_ENOMEM);
	page_set(r->bad, PG_POISON);
	return 0;
}

static int read_poison(struct reader *r)
{
	struct site s;

	if (make_bad_frame(r) || read_site(r, &s, false))
		return r->image.error;
	pte_write(s.pte, pte_make(page_to_pfn(r->sys, r->bad), PTE_KIND_POISON));
	return image_left(&r->image) ? bad(r) : 0;
}

static int read_file_page(struct reader *r)
{
	uint32_t number = image_get32(&r->image);
	uint64_t index = image_get64(&r->image);
	uint32_t flags = image_get32(&r->image);
	struct mm_file *file;
	struct page *page;
	int error;

	if (r->image.error || number >= r->nr_files ||
	    (flags & ~(uint32_t)(IMAGE_PAGE_DATA | IMAGE_PAGE_OUT | IMAGE_PAGE_BAD)))
		return bad(r);
	file = r->files[number];
	if (!mm_file_is_shmem(file) || index >= file_pages(file))
		return bad(r);
	error = file_get_page(file, index, &page);
	if (error)
		return fail(r, error == RMAP_EHWPOISON ? RMAP_EBADMSG : error);
	fill_contents(r, page, flags);
	file_set_dirty(page, r->sys);
	if (flags & IMAGE_PAGE_BAD)
		page_set(page, PG_POISON);
	page_unlock(r->sys, page);
	if ((flags & IMAGE_PAGE_OUT) && lru_del(r->sys, page)) {
		struct list_head list;

		list_init(&list);
		list_add(&page->lru, &list);
		reclaim_pages(r->sys, &list, true);
	} else {
		page_put(r->sys, page);
	}
	return image_left(&r->image) ? bad(r) : r->image.error;
}

/* ---------------------------------------------------------------- the whole */

static int read_chunk(struct reader *r)
{
	uint32_t type = r->image.type;

	if (type != IMAGE_SITES) {
		if (r->page && r->sites_left)
			return bad(r);
		finish_page(r);
	}
	switch (type) {
	case IMAGE_FILE:
		return r->nr_mms ? bad(r) : read_file(r);
	case IMAGE_MM:
		return r->nr_mms && r->mms[r->nr_mms - 1].nr != r->mms[r->nr_mms - 1].max
			       ? bad(r)
			       : read_mm(r);
	case IMAGE_VMA:
		return read_vma(r);
	case IMAGE_PAGE:
		return resume_link(r) ? r->image.error : read_page(r);
	case IMAGE_SITES:
		return r->page && r->sites_left ? read_sites(r) : bad(r);
	case IMAGE_POISON:
		return resume_link(r) ? r->image.error : read_poison(r);
	case IMAGE_FILE_PAGE:
		return resume_link(r) ? r->image.error : read_file_page(r);
	case IMAGE_END:
		return image_left(&r->image) ? bad(r) : resume_link(r);
	default:
		return bad(r);
	}
}

static int read_image(struct reader *r)
{
	if (read_header(r))
		return r->image.error;
	do {
		MM_DEBUG_ASSERT(r->sys, image_valid(&r->image));
		if (image_next(&r->image) || read_chunk(r))
			return r->image.error;
	} while (r->image.type != IMAGE_END);
	return r->image.error;
}

/* Let go of all that is not known to tier 1 yet; the rest by an ordinary exit, if it is not to stay. */
static void drop_vmas(struct reader *r)
{
	for (uint64_t i = 0; r->vmas && i < r->nr_vmas; i++)
		if (!r->vmas[i].linked)
			vma_free(r->vmas[i].vma);
}

static void drop_mms(struct reader *r)
{
	for (uint32_t i = 0; r->mms && i < r->nr_mms; i++) {
		if (r->mms[i].known)
			mm_put(r->mms[i].mm);
		else
			mm_discard(r->mms[i].mm);
	}
}

/* Files are held by the VMAs from here on. */
static void drop_files(struct reader *r)
{
	for (uint32_t i = 0; r->files && i < r->nr_files; i++)
		mm_file_put(r->files[i]);
}

static void keep_figures(struct reader *r)
{
	struct mm_system *sys = r->sys;

	origins_reserve(sys, r->last_group);
	for (uint32_t i = 0; i < sizeof(r->counters) / sizeof(r->counters[0]); i++)
		count_set(sys, i, r->counters[i]);
}

int mm_resume_image(struct mm_system *sys, const struct mm_stream *stream,
		    const struct mm_resume *resume)
{
	struct reader r = { .sys = sys, .resume = resume };
	int error;

	for (uint32_t i = 0; i < sys->nr_cpus; i++)
		if (!list_empty(&sys->cpus[i].mms))
			return RMAP_EBUSY;
	if (!list_empty(&sys->files))
		return RMAP_EBUSY;
	error = image_open(sys, &r.image, stream);
	if (error)
		return error;
	error = read_image(&r);
	finish_page(&r);
	if (r.bad)
		page_put(sys, r.bad);
	if (error) {
		drop_vmas(&r);
		drop_mms(&r);
		drop_files(&r);
		sys->port->os.rcu_barrier(sys->port->os.ctx);
	} else {
		keep_figures(&r);
		for (uint32_t i = 0; i < r.nr_mms; i++)
			resume->mm(resume->arg, r.mms[i].id, r.mms[i].mm);
		drop_files(&r);
	}
	free_arrays(&r);
	image_close(sys, &r.image);
	return error;
}
