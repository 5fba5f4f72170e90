// SPDX-License-Identifier: BSD-2-Clause
/*
 * Reading live structures for a drawing.
 *
 * VMAs come from the views of libmm, links from tier 1's rmap_vma_links(), the chains of pte_chain from its walks, entries
 * straight from the page tables. Everything
 * gets a number in order of its first appearance, so that the same state is always drawn alike, whatever addresses its objects
 * happen to have.
 */
#include "draw_model.h"

#include "mm/file.h"
#include "mm/table.h"
#include "mm/vma.h"

#include <stdlib.h>
#include <string.h>

/* Room for one more at the end of an array that doubles; field: where the pointer to it stands. NULL: no memory. */
static void *add(void *field, uint32_t *nr, size_t size)
{
	char *array;

	memcpy(&array, field, sizeof(array)); /* whatever type it points to */
	if ((*nr & (*nr - 1)) == 0) {
		array = realloc(array, (*nr ? 2 * (size_t)*nr : 1) * size);
		if (!array)
			return NULL;
		memcpy(field, &array, sizeof(array));
	}
	return memset(array + (*nr)++ * size, 0, size);
}

#define ADD(m, what) add(&(m)->what, &(m)->nr_##what, sizeof((m)->what[0]))

/* ---------------------------------------------------------------- numbers for things */

static uint32_t owner_number(struct draw_model *m, const void *owner)
{
	struct draw_owner *o;

	for (uint32_t i = 0; i < m->nr_owners; i++)
		if (m->owners[i].owner == owner)
			return i;
	o = ADD(m, owners);
	if (!o)
		return DRAW_NONE;
	o->owner = owner;
	return m->nr_owners - 1;
}

static uint32_t file_number(struct draw_model *m, struct mm_file *file)
{
	struct draw_file *f;

	for (uint32_t i = 0; i < m->nr_files; i++)
		if (m->files[i].file == file)
			return i;
	f = ADD(m, files);
	if (!f)
		return DRAW_NONE;
	f->file = file;
	f->id = mm_file_id(file);
	f->shmem = mm_file_is_shmem(file);
	return m->nr_files - 1;
}

static uint32_t slot_number(struct draw_model *m, uint64_t slot)
{
	struct draw_slot *s;

	for (uint32_t i = 0; i < m->nr_slots; i++)
		if (m->slots[i].slot == slot)
			return i;
	s = ADD(m, slots);
	if (!s)
		return DRAW_NONE;
	s->slot = slot;
	s->count = swap_count(m->sys, slot);
	return m->nr_slots - 1;
}

static uint32_t page_number(struct draw_model *m, struct page *page)
{
	struct rmap *rmap = mm_system_rmap(m->sys);
	const void *owner = rmap_page_owner(rmap, &page->rmap);
	struct rmap_file *file = rmap_page_file(&page->rmap);
	struct draw_page *p;

	for (uint32_t i = 0; i < m->nr_pages; i++)
		if (m->pages[i].page == page)
			return i;
	p = ADD(m, pages);
	if (!p)
		return DRAW_NONE;
	p->page = page;
	p->pfn = page_to_pfn(m->sys, page);
	p->index = page->rmap.index;
	p->mapcount = rmap_page_mapcount(&page->rmap);
	p->stamp = (uint32_t)page->rmap.design;
	p->exclusive = rmap_page_is_exclusive(&page->rmap);
	p->dirty = page_test(page, PG_DIRTY);
	p->wanted = page == m->wanted;
	p->owner = owner ? owner_number(m, owner) : DRAW_NONE;
	p->file = file ? file_number(m, file_of_rmap(file)) : DRAW_NONE;
	p->slot = page_test(page, PG_SWAPCACHE) ? slot_number(m, page->private) : DRAW_NONE;
	return m->nr_pages - 1;
}

/* ---------------------------------------------------------------- one VMA */

static bool read_pte(struct draw_model *m, struct draw_pte *out, uint64_t addr, pte_t pte)
{
	out->addr = addr;
	out->number = 0;
	if (!pte) {
		out->target = DRAW_EMPTY;
	} else if (pte_present(pte) && pte & PTE_SPECIAL) {
		out->target = DRAW_ZERO;
	} else if (pte_present(pte) || pte_is_migration(pte)) {
		out->target = pte_present(pte) ? DRAW_PAGE : DRAW_MIGRATING;
		out->writable = pte & PTE_WRITE;
		out->dirty = pte & PTE_DIRTY;
		out->accessed = pte & PTE_ACCESSED;
		out->number = page_number(m, pfn_to_page(m->sys, pte_pfn(pte)));
	} else if (pte_is_swap(pte)) {
		out->target = DRAW_SLOT;
		out->exclusive_entry = pte & PTE_SWP_EXCLUSIVE;
		out->number = slot_number(m, pte_pfn(pte));
	} else {
		out->target = DRAW_POISONED;
	}
	return out->number != DRAW_NONE;
}

/* All entries of the VMA; the first few get a row. */
static bool read_ptes(struct draw_model *m, struct draw_vma *v, const struct mm *mm)
{
	uint64_t addr = v->info.start, end = v->info.end;

	while ((addr = table_next(mm, addr, end)) < end) {
		uint64_t stop = table_end(addr, end);
		const pte_t *pte = table_find(mm, addr);

		for (; pte && addr < stop; addr += RMAP_PAGE_SIZE, pte++) {
			if (!pte_read(pte))
				continue;
			if (v->nr_ptes == DRAW_PTES)
				v->ptes_left_out++;
			else if (!read_pte(m, &v->ptes[v->nr_ptes++], addr, pte_read(pte)))
				return false;
		}
		addr = stop;
	}
	return true;
}

/*
 * Where the wanted page is in the VMA, or would be. Not all designs keep a page's index and a VMA's offsets in step, so the
 * entries are asked first, and then, where the index is the address itself, that.
 */
static bool wanted_address(const struct draw_model *m, const struct mm *mm,
			   const struct rmap_vma *vma, uint64_t *addr)
{
	const struct rmap_page *page = &m->wanted->rmap;
	uint64_t at = vma->start;

	while ((at = table_next(mm, at, vma->end)) < vma->end) {
		if (draw_page_at((struct mm *)mm, at) == m->wanted) {
			*addr = at;
			return true;
		}
		at += RMAP_PAGE_SIZE;
	}
	if (m->words->shape == DRAW_BY_MM && !rmap_page_file(page)) {
		*addr = page->index << RMAP_PAGE_SHIFT;
		return *addr >= vma->start && *addr < vma->end;
	}
	return rmap_vma_address(vma, page->index, addr);
}

/* Only the entry where the wanted page would be. */
static bool read_wanted_pte(struct draw_model *m, struct draw_vma *v, const struct mm *mm)
{
	const pte_t *pte;
	uint64_t addr;

	if (!wanted_address(m, mm, v->info.rmap, &addr))
		return true;
	pte = table_find(mm, addr);
	v->nr_ptes = 1;
	return read_pte(m, &v->ptes[0], addr, pte ? pte_read(pte) : 0);
}

struct link_reader {
	struct rmap_link_info *links;
	uint32_t nr;
	bool failed;
};

static void read_link(const struct rmap_link_info *info, void *arg)
{
	struct link_reader *r = arg;
	struct rmap_link_info *link = add(&r->links, &r->nr, sizeof(*link));

	if (link)
		*link = *info;
	else
		r->failed = true;
}

/* Owners are numbered from the root's on, so that a family's first letter is its root's. */
static bool number_links(struct draw_model *m, struct draw_vma *v, const struct link_reader *r)
{
	for (uint32_t i = r->nr; i-- > 0;) {
		const struct rmap_link_info *info = &r->links[i];
		uint32_t number = owner_number(m, info->owner);

		if (number == DRAW_NONE)
			return false;
		m->owners[number].parent = info->parent;
		m->owners[number].root = info->root;
		m->owners[number].mm = info->mm;
		m->owners[number].birth = info->birth;
		m->owners[number].clock = info->clock;
		m->owners[number].vmas_own += info->own;
		if (i < DRAW_LINKS)
			v->links[i] = (struct draw_link){ info->link, number, info->own };
	}
	v->nr_links = r->nr < DRAW_LINKS ? r->nr : DRAW_LINKS;
	v->links_left_out = r->nr - v->nr_links;
	return true;
}

static bool read_links(struct draw_model *m, struct draw_vma *v)
{
	struct link_reader reader = { 0 };
	bool ok;

	rmap_vma_links(mm_system_rmap(m->sys), v->info.rmap, read_link, &reader);
	ok = !reader.failed && number_links(m, v, &reader);
	free(reader.links);
	return ok;
}

static bool read_vma(struct draw_model *m, uint32_t process, const struct mm_vma_info *info)
{
	struct draw_vma *v = ADD(m, vmas);
	const struct mm *mm = m->processes[process].mm;

	if (!v)
		return false;
	v->process = process;
	v->info = *info;
	v->file = info->file ? file_number(m, info->file) : DRAW_NONE;
	if (info->file && v->file == DRAW_NONE)
		return false;
	if (!read_links(m, v))
		return false;
	return m->wanted ? read_wanted_pte(m, v, mm) : read_ptes(m, v, mm);
}

/* ---------------------------------------------------------------- one process */

struct candidate {
	struct mm_vma_info info;
	unsigned int score;
};

/* The VMAs of a process that have something to show. */
struct candidates {
	struct draw_model *m;
	struct mm *mm;
	struct candidate *array;
	uint32_t nr;
	bool failed;
};

struct search {
	const void *owner;
	bool found;
};

static void find_owner(const struct rmap_link_info *info, void *arg)
{
	struct search *s = arg;

	s->found |= info->owner == s->owner;
}

/* Would a walk from the wanted page look at this VMA? Where that is not a question of VMAs: is the page there? */
static bool covers_wanted(const struct draw_model *m, const struct mm *mm,
			  const struct rmap_vma *vma)
{
	struct rmap *rmap = mm_system_rmap(m->sys);
	struct search s = { .owner = rmap_page_owner(rmap, &m->wanted->rmap) };
	uint64_t addr;

	if (!wanted_address(m, mm, vma, &addr))
		return false;
	if (draw_page_at((struct mm *)mm, addr) == m->wanted)
		return true;
	if (m->words->shape == DRAW_BY_PTE || m->words->shape == DRAW_BY_NOTHING)
		return false;
	if (rmap_page_file(&m->wanted->rmap))
		return vma->file == rmap_page_file(&m->wanted->rmap);
	rmap_vma_links(rmap, vma, find_owner, &s);
	return s.found;
}

static void meet_vma(const struct mm_vma_info *info, void *arg)
{
	struct candidates *c = arg;
	struct candidate *new_one;

	if (c->m->wanted && !covers_wanted(c->m, c->mm, info->rmap))
		return;
	new_one = add(&c->array, &c->nr, sizeof(*new_one));
	if (!new_one) {
		c->failed = true;
		return;
	}
	new_one->info = *info;
	/* Where there are too many, those go first that the reverse map has to do with. */
	if (info->faulted)
		new_one->score = 2;
	else if (table_next(c->mm, info->start, info->end) < info->end)
		new_one->score = 1;
}

/* Keep the most telling ones, in order of address. */
static uint32_t pick(struct candidates *c, unsigned int most)
{
	unsigned int left = most;
	uint32_t kept = 0;

	for (unsigned int score = 3; score-- > 0;)
		for (uint32_t i = 0; i < c->nr && left; i++)
			if (c->array[i].score == score) {
				c->array[i].score = 9;
				left--;
			}
	for (uint32_t i = 0; i < c->nr; i++)
		if (c->array[i].score == 9)
			c->array[kept++] = c->array[i];
	return kept;
}

static int read_process(struct draw_model *m, const struct draw_process *process,
			struct draw_limits limits)
{
	struct candidates c = { .m = m, .mm = process->mm };
	struct draw_process *p;
	uint32_t kept;
	int result = 0;

	mm_for_each_vma(process->mm, meet_vma, &c);
	if (c.failed) {
		free(c.array);
		return -1;
	}
	if (!c.nr && m->wanted) {
		free(c.array);
		return 0;
	}
	if (m->nr_processes == limits.processes) {
		m->processes_left_out++;
		free(c.array);
		return 0;
	}
	kept = pick(&c, limits.vmas);
	p = ADD(m, processes);
	if (!p) {
		free(c.array);
		return -1;
	}
	memcpy(p->name, process->name, sizeof(p->name));
	p->mm = process->mm;
	p->vmas_left_out = c.nr - kept;
	for (uint32_t i = 0; i < kept && !result; i++)
		if (!read_vma(m, m->nr_processes - 1, &c.array[i].info))
			result = -1;
	free(c.array);
	return result;
}

/* ---------------------------------------------------------------- the whole */

static void ask_walk(struct draw_model *m)
{
	struct rmap_walk walk = { .flags = RMAP_WALK_CHECK, .purpose = RMAP_WALK_PROBE };

	if (!page_trylock(m->wanted))
		return;
	if (!rmap_walk(mm_system_rmap(m->sys), &m->wanted->rmap, &walk)) {
		m->walk_looks = walk.looks;
		m->walk_found = walk.found;
	}
	page_unlock(m->sys, m->wanted);
}

/* A parent that no drawn VMA is linked to may still be there, kept by its children. */
static bool add_parents(struct draw_model *m)
{
	for (uint32_t i = 0; i < m->nr_owners; i++) {
		const void *parent = m->owners[i].parent;
		uint32_t above = DRAW_NONE;

		if (parent && parent != m->owners[i].owner) {
			above = owner_number(m, parent);
			if (above == DRAW_NONE)
				return false;
		}
		m->owners[i].above = above;
	}
	return true;
}

static enum rmap_visit mark_chained(struct rmap_hit *hit, void *arg)
{
	struct draw_model *m = arg;

	for (uint32_t n = 0; n < m->nr_vmas; n++) {
		struct draw_vma *v = &m->vmas[n];

		if (v->info.rmap->mm != hit->mm)
			continue;
		for (uint32_t i = 0; i < v->nr_ptes; i++)
			if (v->ptes[i].addr == hit->addr)
				v->ptes[i].chained = true;
	}
	return RMAP_VISIT_NEXT;
}

/* Each page's chain, as the design itself goes along it. */
static void read_chains(struct draw_model *m)
{
	for (uint32_t i = 0; i < m->nr_pages; i++) {
		struct page *page = m->pages[i].page;
		struct rmap_walk walk = { .visit = mark_chained,
					  .arg = m,
					  .flags = RMAP_WALK_CHECK,
					  .purpose = RMAP_WALK_PROBE };

		if (!page_trylock(page))
			continue;
		rmap_walk(mm_system_rmap(m->sys), &page->rmap, &walk);
		page_unlock(m->sys, page);
	}
}

int draw_collect(struct draw_model *m, struct mm_system *sys, const struct draw_process *processes,
		 uint32_t nr_processes, struct page *wanted, struct draw_limits limits)
{
	int result = 0;

	memset(m, 0, sizeof(*m));
	m->sys = sys;
	m->design = rmap_design_name(mm_system_rmap(sys)->ops);
	m->words = draw_words_of(m->design);
	m->wanted = wanted;
	if (wanted)
		ask_walk(m);
	for (uint32_t i = 0; i < nr_processes && !result; i++)
		result = read_process(m, &processes[i], limits);
	if (!result && wanted && page_number(m, wanted) == DRAW_NONE)
		result = -1;
	if (!result && !add_parents(m))
		result = -1;
	if (!result && m->words->shape == DRAW_BY_PTE)
		read_chains(m);
	if (result)
		draw_free(m);
	return result;
}

void draw_free(struct draw_model *m)
{
	free(m->processes);
	free(m->vmas);
	free(m->owners);
	free(m->pages);
	free(m->slots);
	free(m->files);
	memset(m, 0, sizeof(*m));
}

struct page *draw_page_at(struct mm *mm, uint64_t addr)
{
	const pte_t *pte = addr < MM_TASK_SIZE ? table_find(mm, addr) : NULL;
	pte_t v = pte ? pte_read(pte) : 0;

	if (!pte_present(v) || v & PTE_SPECIAL)
		return NULL;
	return pfn_to_page(mm->sys, pte_pfn(v));
}

const char *draw_owner_name(uint32_t n, char buf[8])
{
	unsigned int at = 7;

	buf[at] = '\0';
	for (n++; n && at; n = (n - 1) / 26)
		buf[--at] = (char)('A' + (n - 1) % 26);
	return memmove(buf, buf + at, 8 - at);
}
