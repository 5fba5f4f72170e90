// SPDX-License-Identifier: BSD-2-Clause
/*
 * Hibernation: all address spaces and what they hold, as a stream of bytes (image.h; resume.c reads it).
 *
 * First dirty file pages are written to their stores and all that can go is pushed out, so that what is left in frames is little.
 * Then every page is written once, however many places share it, together with the list of those places. Where a page is
 * shared cannot be asked of a swap slot, so the places of all shared pages are collected from the page tables and sorted by
 * page; a page with one place is written when its entry is met.
 *
 * Chains of the reverse map are not written: they say where a page *may* be, and the image knows where it *is*. What resume needs
 * is which origins belong together, and who is forked from whom. An origin is a VMA's group in its address space; origins that
 * share a page form a family, whose root is the address space of the fewest forks. The tree of bases has, for each family, its root
 * above all who have it: so an origin that was inherited from nobody is a root again. Where history left no choice that is the
 * real tree, without those who are gone; where relatives of a dead one are left, one of them takes its place.
 *
 * Costs memory only while it runs: 24 bytes for each place of a shared page and each VMA, 8 more for one of a file, 16 for each origin, 8 for
 * each address space, 4 for each family.
 */
#include "file.h"
#include "image.h"
#include "reclaim.h"
#include "sort.h"
#include "table.h"
#include "valid.h"
#include "vma.h"

struct unit {
	uint64_t group;
	uint32_t mm;
	uint32_t parent; /* index of a unit of the same family; a root has its own */
	uint32_t family; /* 0: shares nothing with other units */
	bool forked;
};

struct writer {
	struct mm_system *sys;
	struct image image;
	struct mm *const *mms;
	const uint64_t *ids;
	uint32_t nr_mms;
	uint32_t *base; /* per mm: the number of the one that it is forked from, or its own */
	struct mm_file **files;
	uint64_t nr_files, max_files;
	struct unit *units;
	uint64_t nr_units, max_units;
	struct image_site *sites; /* of shared pages, sorted by page */
	uint64_t nr_sites, max_sites;
	uint32_t nr_families;
	bool out; /* the pass that writes what is in swap alone */
};

/* ---------------------------------------------------------------- what stands in the tables */

enum place_kind { PLACE_NONE, PLACE_PAGE, PLACE_POISON, PLACE_BUSY };

struct place {
	enum place_kind kind;
	bool shared;
	struct image_site site;
};

static uint64_t key_of_page(const struct mm_system *sys, const struct page *page)
{
	if (page_test(page, PG_SWAPCACHE))
		return page->private << 1 | 1;
	return page_to_pfn(sys, page) << 1;
}

static void place_of_page(struct mm_system *sys, const struct page *page, pte_t entry,
			  struct place *place)
{
	if ((entry & PTE_SPECIAL) || !rmap_page_is_anon(&page->rmap))
		return;
	place->kind = PLACE_PAGE;
	place->site.key = key_of_page(sys, page);
	place->shared = rmap_page_mapcount(&page->rmap) > 1 ||
			(page_test(page, PG_SWAPCACHE) && swap_count(sys, page->private));
	if (rmap_page_is_exclusive(&page->rmap))
		place->site.flags |= IMAGE_SITE_EXCLUSIVE;
	if (entry & PTE_ACCESSED)
		place->site.flags |= IMAGE_SITE_ACCESSED;
}

static void place_of_slot(struct mm_system *sys, pte_t entry, struct place *place)
{
	uint64_t slot = pte_pfn(entry);
	const struct page *cache = sys->swap.slots[slot].cache;

	place->kind = cache && page_test(cache, PG_POISON) ? PLACE_POISON : PLACE_PAGE;
	place->site.key = slot << 1 | 1;
	place->shared = swap_count(sys, slot) > 1 || (cache && rmap_page_mapcount(&cache->rmap));
	if (entry & PTE_SWP_EXCLUSIVE)
		place->site.flags |= IMAGE_SITE_EXCLUSIVE;
}

static struct place place_of(struct mm_system *sys, uint32_t mm, uint64_t addr, pte_t entry)
{
	struct place place = { .kind = PLACE_NONE, .site = { .mm = mm, .addr = addr } };

	if (pte_present(entry))
		place_of_page(sys, pfn_to_page(sys, pte_pfn(entry)), entry, &place);
	else if (pte_is_swap(entry))
		place_of_slot(sys, entry, &place);
	else if (pte_is_poison(entry))
		place.kind = PLACE_POISON;
	else
		place.kind = PLACE_BUSY; /* it migrates */
	return place;
}

typedef void place_fn(struct writer *w, const struct place *place);

static void each_place_of_vma(struct writer *w, uint32_t mm, const struct vma *vma, place_fn *visit)
{
	uint64_t addr = vma->rmap.start, end = vma->rmap.end;

	while ((addr = table_next(w->mms[mm], addr, end)) < end) {
		uint64_t stop = table_end(addr, end);
		const pte_t *pte = table_find(w->mms[mm], addr);

		for (; addr < stop; addr += RMAP_PAGE_SIZE, pte++) {
			pte_t entry = pte_read(pte);
			struct place place;

			if (!entry)
				continue;
			place = place_of(w->sys, mm, addr, entry);
			if (place.kind == PLACE_BUSY && !w->image.error)
				w->image.error = RMAP_EBUSY;
			else if (place.kind != PLACE_NONE && !w->image.error)
				visit(w, &place);
		}
	}
}

/* Shared mappings have no pages of their own; their files' are written with the files. A bad frame shows in any. */
static void each_place(struct writer *w, place_fn *visit)
{
	for (uint32_t mm = 0; mm < w->nr_mms; mm++) {
		struct vma *vma;

		vma_for_each(vma, w->mms[mm])
			each_place_of_vma(w, mm, vma, visit);
	}
}

/* ---------------------------------------------------------------- collecting: files */

static bool file_less(const void *a, const void *b)
{
	return (*(struct mm_file *const *)a)->id < (*(struct mm_file *const *)b)->id;
}

/* All files that the address spaces map, each once, by id. */
static int collect_files(struct writer *w)
{
	struct vma *vma;
	uint64_t n = 0;

	for (uint32_t mm = 0; mm < w->nr_mms; mm++)
		vma_for_each(vma, w->mms[mm])
			w->max_files += !vma_is_anonymous(vma);
	if (!w->max_files)
		return 0;
	w->files = mm_alloc(w->sys, RMAP_KIND_BUFFER, w->max_files * sizeof(*w->files));
	if (!w->files)
		return RMAP_ENOMEM;
	for (uint32_t mm = 0; mm < w->nr_mms; mm++)
		vma_for_each(vma, w->mms[mm])
			if (!vma_is_anonymous(vma))
				w->files[n++] = vma_file(vma);
	sort_array(w->files, n, sizeof(*w->files), file_less);
	for (uint64_t i = 0; i < n; i++)
		if (!i || w->files[i] != w->files[w->nr_files - 1])
			w->files[w->nr_files++] = w->files[i];
	return 0;
}

static uint32_t file_number(const struct writer *w, const struct mm_file *file)
{
	uint64_t low = 0, high = w->nr_files;

	while (high - low > 1) {
		uint64_t middle = low + (high - low) / 2;

		if (w->files[middle]->id <= file->id)
			low = middle;
		else
			high = middle;
	}
	return (uint32_t)low;
}

/* ---------------------------------------------------------------- collecting: origins and families */

static bool unit_less(const void *a, const void *b)
{
	const struct unit *x = a, *y = b;

	return x->mm != y->mm ? x->mm < y->mm : x->group < y->group;
}

static int collect_units(struct writer *w)
{
	struct vma *vma;
	uint64_t n = 0;

	for (uint32_t mm = 0; mm < w->nr_mms; mm++)
		w->max_units += w->mms[mm]->map_count;
	if (!w->max_units)
		return 0;
	w->units = mm_alloc(w->sys, RMAP_KIND_BUFFER, w->max_units * sizeof(*w->units));
	if (!w->units)
		return RMAP_ENOMEM;
	for (uint32_t mm = 0; mm < w->nr_mms; mm++)
		vma_for_each(vma, w->mms[mm])
			if (vma_faulted(vma))
				w->units[n++] = (struct unit){ .group = atomic_load(&vma->group),
							       .mm = mm,
							       .forked = vma->forked };
	sort_array(w->units, n, sizeof(*w->units), unit_less);
	for (uint64_t i = 0; i < n; i++)
		if (!i || unit_less(&w->units[w->nr_units - 1], &w->units[i]))
			w->units[w->nr_units++] = w->units[i];
	for (uint64_t i = 0; i < w->nr_units; i++)
		w->units[i].parent = (uint32_t)i;
	return 0;
}

/* The number of a faulted VMA's unit. */
static uint32_t unit_number(const struct writer *w, uint32_t mm, const struct vma *vma)
{
	struct unit wanted = { .mm = mm, .group = atomic_load(&vma->group) };
	uint64_t low = 0, high = w->nr_units;

	while (high - low > 1) {
		uint64_t middle = low + (high - low) / 2;

		if (unit_less(&wanted, &w->units[middle]))
			high = middle;
		else
			low = middle;
	}
	return (uint32_t)low;
}

static uint32_t unit_root(struct writer *w, uint32_t unit)
{
	struct unit *units = w->units;

	while (units[unit].parent != unit) {
		units[unit].parent = units[units[unit].parent].parent;
		unit = units[unit].parent;
	}
	return unit;
}

static uint32_t unit_of_site(const struct writer *w, const struct image_site *site)
{
	return unit_number(w, site->mm, vma_at(w->mms[site->mm], site->addr));
}

/* Units that share a page become one family. */
static void join_units(struct writer *w)
{
	for (uint64_t i = 1; i < w->nr_sites; i++) {
		const struct image_site *a = &w->sites[i - 1], *b = &w->sites[i];

		if (a->key != b->key)
			continue;
		w->units[unit_root(w, unit_of_site(w, b))].parent =
			unit_root(w, unit_of_site(w, a));
	}
}

/* Number the families that have more than one member; a root's own number marks it first. */
static void number_families(struct writer *w)
{
	for (uint64_t i = 0; i < w->nr_units; i++) {
		struct unit *root = &w->units[unit_root(w, (uint32_t)i)];

		if (root != &w->units[i] && !root->family)
			root->family = ++w->nr_families;
	}
	for (uint64_t i = 0; i < w->nr_units; i++)
		w->units[i].family = w->units[unit_root(w, (uint32_t)i)].family;
}

/* Is a forked less often than b? Then it is above b, if any of them is above the other. */
static bool is_elder(const struct writer *w, uint32_t a, uint32_t b)
{
	uint64_t x = w->mms[a]->generation, y = w->mms[b]->generation;

	return x != y ? x < y : a < b;
}

/* A family has members in the address spaces of its root, the eldest, and of this one. */
struct edge {
	uint64_t generation; /* of root */
	uint32_t root, mm;
};

/* The families of the youngest roots first. */
static bool edge_less(const void *a, const void *b)
{
	const struct edge *x = a, *y = b;

	return x->generation != y->generation ? x->generation > y->generation : x->root > y->root;
}

/* Who has the family's origin that was inherited from nobody, or seems so. What others have of it was. */
static void find_roots(struct writer *w, uint32_t *root, struct edge *edges)
{
	for (uint64_t i = 0; i < w->nr_units; i++) {
		const struct unit *unit = &w->units[i];

		if (root[unit->family] == UINT32_MAX || is_elder(w, unit->mm, root[unit->family]))
			root[unit->family] = unit->mm;
	}
	for (uint64_t i = 0; i < w->nr_units; i++) {
		struct unit *unit = &w->units[i];
		uint32_t of = unit->family ? root[unit->family] : unit->mm;

		edges[i] = (struct edge){ w->mms[of]->generation, of, unit->mm };
		if (of != unit->mm)
			unit->forked = true;
	}
	sort_array(edges, w->nr_units, sizeof(*edges), edge_less);
}

/*
 * The lowest tree in which each root is above its families' members: Liu's elimination tree, the youngest eliminated first. top[]: on
 * the way from an address space up to the top of its tree as it is by now, with most of the way left out.
 */
static void find_bases(struct writer *w, const struct edge *edges, uint32_t *top)
{
	for (uint32_t mm = 0; mm < w->nr_mms; mm++)
		top[mm] = mm;
	for (uint64_t i = 0; i < w->nr_units; i++) {
		uint32_t root = edges[i].root, at = edges[i].mm;

		while (at != root && top[at] != root) {
			uint32_t above = top[at];

			top[at] = root;
			if (above == at)
				w->base[at] = root;
			at = above == at ? root : above;
		}
	}
}

static int find_families(struct writer *w)
{
	size_t families, size;
	struct edge *edges;
	uint32_t *root;

	join_units(w);
	number_families(w);
	families = (size_t)w->nr_families + 1;
	size = w->nr_units * sizeof(*edges) + (families + w->nr_mms) * sizeof(*root);
	edges = mm_alloc(w->sys, RMAP_KIND_BUFFER, size);
	if (!edges)
		return RMAP_ENOMEM;
	root = (uint32_t *)(edges + w->nr_units);
	for (size_t i = 0; i < families; i++)
		root[i] = UINT32_MAX;
	find_roots(w, root, edges);
	find_bases(w, edges, root + families);
	mm_free(w->sys, RMAP_KIND_BUFFER, edges, size);
	return 0;
}

/* ---------------------------------------------------------------- collecting: places of shared pages */

static void count_shared(struct writer *w, const struct place *place)
{
	w->max_sites += place->kind == PLACE_PAGE && place->shared;
}

static void keep_shared(struct writer *w, const struct place *place)
{
	if (place->kind == PLACE_PAGE && place->shared)
		w->sites[w->nr_sites++] = place->site;
}

static bool site_less(const void *a, const void *b)
{
	const struct image_site *x = a, *y = b;

	/* An anonymous page stands in an address space once at most. */
	return x->key != y->key ? x->key < y->key : x->mm < y->mm;
}

static int collect_sites(struct writer *w)
{
	each_place(w, count_shared);
	if (w->image.error || !w->max_sites)
		return w->image.error;
	w->sites = mm_alloc(w->sys, RMAP_KIND_BUFFER, w->max_sites * sizeof(*w->sites));
	if (!w->sites)
		return RMAP_ENOMEM;
	each_place(w, keep_shared);
	sort_array(w->sites, w->nr_sites, sizeof(*w->sites), site_less);
	return w->image.error;
}

/* ---------------------------------------------------------------- writing */

static void write_header(struct writer *w)
{
	struct image *image = &w->image;
	uint64_t vmas = 0, nr = sizeof(struct mm_counters) / sizeof(uint64_t);

	for (uint32_t mm = 0; mm < w->nr_mms; mm++)
		vmas += w->mms[mm]->map_count;
	image_begin(image, IMAGE_HEADER);
	image_put64(image, IMAGE_MAGIC);
	image_put32(image, IMAGE_VERSION);
	image_put32(image, RMAP_PAGE_SHIFT);
	image_put32(image, w->sys->config.phantom);
	image_put32(image, w->nr_mms);
	image_put32(image, (uint32_t)w->nr_files);
	image_put32(image, w->nr_families);
	image_put64(image, vmas);
	image_put32(image, (uint32_t)nr);
	for (uint64_t i = 0; i < nr; i++)
		image_put64(image, count_of(w->sys, i));
	image_end(image);
}

static void write_files(struct writer *w)
{
	for (uint64_t i = 0; i < w->nr_files; i++) {
		image_begin(&w->image, IMAGE_FILE);
		image_put64(&w->image, w->files[i]->id);
		image_put64(&w->image, mm_file_size(w->files[i]));
		image_put32(&w->image, mm_file_is_shmem(w->files[i]));
		image_put64(&w->image, w->files[i]->accounted);
		image_put32(&w->image, atomic_load(&w->files[i]->error) != 0);
		MM_DEBUG_ASSERT(w->sys, image_valid(&w->image));
		image_end(&w->image);
	}
}

static void write_vma(struct writer *w, uint32_t mm, const struct vma *vma)
{
	struct image *image = &w->image;
	const struct unit *unit = vma_faulted(vma) ? &w->units[unit_number(w, mm, vma)] : NULL;

	image_begin(image, IMAGE_VMA);
	image_put64(image, vma->rmap.start);
	image_put64(image, vma->rmap.end);
	image_put64(image, vma->rmap.pgoff);
	image_put64(image, vma->flags);
	image_put64(image, atomic_load(&vma->group));
	image_put32(image, unit && unit->forked);
	image_put32(image, vma_is_anonymous(vma) ? 0 : file_number(w, vma_file(vma)) + 1);
	image_put32(image, unit ? unit->family : 0);
	image_end(image);
}

static void write_mms(struct writer *w)
{
	struct image *image = &w->image;

	for (uint32_t i = 0; i < w->nr_mms; i++) {
		struct mm *mm = w->mms[i];
		struct vma *vma;

		image_begin(image, IMAGE_MM);
		image_put64(image, w->ids[i]);
		image_put32(image, w->base[i]);
		image_put32(image, MM_LIMITS);
		for (int limit = 0; limit < MM_LIMITS; limit++)
			image_put64(image, atomic_load(&mm->limit[limit]));
		image_put32(image, atomic_load(&mm->capabilities));
		image_put64(image, mm->start_brk);
		image_put64(image, mm->brk);
		image_put64(image, mm->start_stack);
		image_put64(image, mm->mmap_base);
		image_put64(image, mm->def_flags);
		image_put64(image, mm->locked_lost);
		image_put64(image, mm->map_count);
		image_end(image);
		vma_for_each(vma, mm)
			write_vma(w, i, vma);
	}
}

static bool all_zero(const void *data)
{
	const uint64_t *words = data;

	for (uint64_t i = 0; i < RMAP_PAGE_SIZE / sizeof(*words); i++)
		if (words[i])
			return false;
	return true;
}

/* The contents behind key go to room, if there are any but zeros. 0 or RMAP_EIO. */
static int load_contents(struct mm_system *sys, uint64_t key, void *room, bool *any)
{
	struct page *page = key & 1 ? sys->swap.slots[key >> 1].cache : pfn_to_page(sys, key >> 1);

	*any = false;
	if (sys->config.phantom)
		return 0;
	if (page)
		memcpy(room, page_data(sys, page), RMAP_PAGE_SIZE);
	else if (sys->port->swap_read(sys->port->ctx, key >> 1, room))
		return RMAP_EIO;
	*any = !all_zero(room);
	return 0;
}

static void write_site(struct image *image, const struct image_site *site)
{
	image_put32(image, site->mm);
	image_put32(image, site->flags);
	image_put64(image, site->addr);
}

/* Sites that did not fit go to chunks of their own. */
static void write_sites(struct image *image, const struct image_site *sites, uint64_t nr)
{
	for (uint64_t i = 0; i < nr; i++) {
		if (image_room(image) < IMAGE_SITE_BYTES) {
			image_end(image);
			image_begin(image, IMAGE_SITES);
		}
		write_site(image, &sites[i]);
	}
	image_end(image);
}

static bool is_out(const struct mm_system *sys, uint64_t key)
{
	return (key & 1) && !sys->swap.slots[key >> 1].cache;
}

/* A page, whose contents go behind the flags and the number of sites. (After an error no page is written.) */
static void write_page(struct writer *w, const struct image_site *sites, uint64_t nr)
{
	struct image *image = &w->image;
	unsigned char *contents = w->image.buf + IMAGE_CHUNK_MAX - RMAP_PAGE_SIZE;
	uint32_t flags = is_out(w->sys, sites[0].key) ? IMAGE_PAGE_OUT : 0;
	bool any;

	/* Loaded at the buffer's far end, where the few bytes before them do not reach. */
	image->error = load_contents(w->sys, sites[0].key, contents, &any);
	image_begin(image, IMAGE_PAGE);
	image_put32(image, flags | (any ? IMAGE_PAGE_DATA : 0));
	image_put32(image, (uint32_t)nr);
	if (any)
		memmove(image_put_room(image, RMAP_PAGE_SIZE), contents, RMAP_PAGE_SIZE);
	write_sites(image, sites, nr);
}

static void write_unshared(struct writer *w, const struct place *place)
{
	if (place->kind == PLACE_PAGE && !place->shared &&
	    is_out(w->sys, place->site.key) == w->out)
		write_page(w, &place->site, 1);
}

static void write_poison(struct writer *w, const struct place *place)
{
	if (place->kind != PLACE_POISON)
		return;
	image_begin(&w->image, IMAGE_POISON);
	write_site(&w->image, &place->site);
	image_end(&w->image);
}

static void write_shared(struct writer *w)
{
	uint64_t i = 0, n;

	for (; i < w->nr_sites && !w->image.error; i += n) {
		for (n = 1; i + n < w->nr_sites && w->sites[i + n].key == w->sites[i].key; n++)
			;
		if (is_out(w->sys, w->sites[i].key) == w->out)
			write_page(w, &w->sites[i], n);
	}
}

static void write_file_page(struct writer *w, uint32_t file, uint64_t index, const void *entry)
{
	struct image *image = &w->image;
	unsigned char *contents = w->image.buf + IMAGE_CHUNK_MAX - RMAP_PAGE_SIZE;
	uint64_t key = file_entry_is_slot(entry) ? file_entry_slot(entry) << 1 | 1
						 : page_to_pfn(w->sys, entry) << 1;
	const struct page *page = key & 1 ? w->sys->swap.slots[key >> 1].cache : entry;
	bool bad = page && page_test(page, PG_POISON), any = false;

	if (is_out(w->sys, key) != w->out)
		return;
	if (!bad)
		image->error = load_contents(w->sys, key, contents, &any);
	image_begin(image, IMAGE_FILE_PAGE);
	image_put32(image, file);
	image_put64(image, index);
	image_put32(image, (any ? IMAGE_PAGE_DATA : 0) | (bad ? IMAGE_PAGE_BAD : 0) |
				   (is_out(w->sys, key) ? IMAGE_PAGE_OUT : 0));
	if (any)
		memmove(image_put_room(image, RMAP_PAGE_SIZE), contents, RMAP_PAGE_SIZE);
	image_end(image);
}

/* Real files have it all in their stores. */
static void write_shmem(struct writer *w)
{
	for (uint64_t i = 0; i < w->nr_files; i++) {
		struct mm_file *file = w->files[i];
		uint64_t index = 0;
		void *entry;

		if (!mm_file_is_shmem(file))
			continue;
		while (!w->image.error && (entry = file_next_entry(file, &index)) != NULL) {
			write_file_page(w, (uint32_t)i, index, entry);
			if (!file_entry_is_slot(entry))
				page_put(w->sys, entry);
			index++;
		}
	}
}

static void write_all(struct writer *w)
{
	write_header(w);
	write_files(w);
	write_mms(w);
	/* First what was in swap: it passes through memory, which who reads fills with the rest until there may be no frame left. */
	for (int out = 1; out >= 0; out--) {
		w->out = out;
		each_place(w, write_unshared);
		write_shared(w);
		write_shmem(w);
	}
	each_place(w, write_poison);
	image_begin(&w->image, IMAGE_END);
	image_end(&w->image);
}

/* ---------------------------------------------------------------- the call */

/*
 * All files, also those that are open and mapped nowhere: what is in memory alone would be gone. What was lost before is for the next
 * sync to say.
 */
static int push_out(struct writer *w)
{
	struct mm_file *file = NULL;
	int error = 0;

	while (!error && (file = file_next(w->sys, file)) != NULL)
		error = file_write_range(file, 0, UINT64_MAX);
	if (file)
		mm_file_put(file);
	if (!error)
		reclaim_all(w->sys);
	return error;
}

static int hibernate(struct writer *w)
{
	int error = collect_files(w);

	if (!error)
		error = push_out(w);
	if (!error)
		error = collect_units(w);
	if (!error)
		error = collect_sites(w);
	if (!error)
		error = find_families(w);
	if (error)
		return error;
	write_all(w);
	return w->image.error;
}

int mm_hibernate(struct mm_system *sys, struct mm *const *mms, const uint64_t *ids, uint32_t nr,
		 const struct mm_stream *stream)
{
	struct writer w = { .sys = sys, .mms = mms, .ids = ids, .nr_mms = nr };
	int error = image_open(sys, &w.image, stream);

	if (error)
		return error;
	w.base = mm_alloc(sys, RMAP_KIND_BUFFER, (nr + 1) * sizeof(*w.base));
	if (w.base) {
		for (uint32_t i = 0; i < nr; i++)
			w.base[i] = i;
		error = hibernate(&w);
		mm_free(sys, RMAP_KIND_BUFFER, w.base, (nr + 1) * sizeof(*w.base));
	} else {
		error = RMAP_ENOMEM;
	}
	if (w.sites)
		mm_free(sys, RMAP_KIND_BUFFER, w.sites, w.max_sites * sizeof(*w.sites));
	if (w.units)
		mm_free(sys, RMAP_KIND_BUFFER, w.units, w.max_units * sizeof(*w.units));
	if (w.files)
		mm_free(sys, RMAP_KIND_BUFFER, w.files, w.max_files * sizeof(*w.files));
	image_close(sys, &w.image);
	return error;
}
