// SPDX-License-Identifier: BSD-2-Clause
/*
 * mm_check(): is all of it still true?
 *
 * The page tables of all address spaces say which page is mapped where. Everything else in the machine that says something
 * about it (reverse maps, map counts, exclusive marks, references, resident sets, swap counts, LRU lists) is a second account
 * of the same facts, kept up to date by hand in every call and every fault. The checker reads the first account whole, sorts it
 * by page, and holds each of the others against it. No account is asked about itself.
 *
 * Two passes over the tables sort by counting: the first counts the entries of each frame, the second drops each where it
 * belongs. So a PTE costs one word and two visits, and a check of a million of them runs in well under a second; what was
 * never used (frames behind sys->untouched) is not looked at, so a machine of a few pages is checked in microseconds.
 *
 * Walks are flagged RMAP_WALK_CHECK, memory is taken from the port and not counted: nothing that is measured changes.
 */
#include "check.h"

void *check_alloc(struct check *c, uint64_t nr, size_t size)
{
	const struct rmap_port *os = &c->sys->port->os;
	void *start;

	if (nr == 0)
		nr = 1;
	MM_ASSERT(c->sys, c->nr_blocks < CHECK_BLOCKS);
	start = os->alloc(os->ctx, RMAP_KIND_BUFFER, nr * size);
	if (start) {
		c->block[c->nr_blocks].start = start;
		c->block[c->nr_blocks++].size = nr * size;
	}
	return start;
}

static void free_all(struct check *c)
{
	const struct rmap_port *os = &c->sys->port->os;

	while (c->nr_files)
		mm_file_put(c->files[--c->nr_files].file);
	while (c->nr_blocks) {
		c->nr_blocks--;
		os->free(os->ctx, RMAP_KIND_BUFFER, c->block[c->nr_blocks].start,
			 c->block[c->nr_blocks].size);
	}
}

uint64_t check_mix(uint64_t x)
{
	x += 0x9e3779b97f4a7c15u;
	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
	x = (x ^ x >> 27) * 0x94d049bb133111ebu;
	return x ^ x >> 31;
}

int check_map_init(struct check *c, struct check_map *map, uint64_t nr)
{
	uint64_t slots = 8;

	while (slots < 2 * nr)
		slots *= 2;
	map->mask = slots - 1;
	map->keys = check_alloc(c, slots, sizeof(map->keys[0]));
	map->values = check_alloc(c, slots, sizeof(map->values[0]));
	return map->keys && map->values ? 0 : RMAP_ENOMEM;
}

uint64_t *check_map_find(const struct check_map *map, const void *key, bool create)
{
	uint64_t i = check_mix((uintptr_t)key) & map->mask;

	while (map->keys[i] && map->keys[i] != key)
		i = (i + 1) & map->mask;
	if (!map->keys[i]) {
		if (!create)
			return NULL;
		map->keys[i] = key;
	}
	return &map->values[i];
}

/* Where every next has a prev that points back, no member is met twice, so this ends. */
int check_list(struct check *c, const struct list_head *head, const char *what, uint64_t *nr)
{
	const struct list_head *pos = head;

	*nr = 0;
	do {
		if (!pos->next || pos->next->prev != pos)
			return check_wrong(c, "the list of %s is broken behind member %lu", what,
					   *nr);
		pos = pos->next;
		++*nr;
	} while (pos != head);
	--*nr; /* the head itself */
	return 0;
}

/* How many there are in the lists of all processors, of the system and of the reverse map. */
static int count_mms(struct check *c, uint64_t *in_rmap)
{
	struct mm_system *sys = c->sys;
	uint64_t nr;
	int error = 0;

	c->nr_mms = 0;
	*in_rmap = 0;
	for (uint32_t i = 0; i < sys->nr_cpus && !error; i++) {
		error = check_list(c, &sys->cpus[i].mms, "address spaces", &nr);
		c->nr_mms += nr;
	}
	for (uint32_t i = 0; i < sys->rmap.nr_cpus && !error; i++) {
		error = check_list(c, &sys->rmap.cpus[i].mms, "the reverse map's address spaces",
				   &nr);
		*in_rmap += nr;
	}
	return error;
}

static void list_mms(struct check *c, const struct mm_cpu *cpu)
{
	struct list_head *pos;

	list_for_each(pos, &cpu->mms) {
		struct mm *mm = list_entry(pos, struct mm, list);

		*check_map_find(&c->mm_of, &mm->rmap, true) = c->nr_mms;
		c->mms[c->nr_mms++].mm = mm;
	}
}

static bool mms_known(struct check *c, const struct rmap_cpu *cpu)
{
	struct list_head *pos;

	list_for_each(pos, &cpu->mms)
		if (!check_map_find(&c->mm_of, list_entry(pos, struct rmap_mm, list), false))
			return false;
	return true;
}

static int find_mms(struct check *c)
{
	struct mm_system *sys = c->sys;
	uint64_t in_rmap;
	int error = count_mms(c, &in_rmap);

	if (error)
		return error;
	MM_ASSERT(sys, c->nr_mms < SITE_MM_MAX);
	c->mms = check_alloc(c, c->nr_mms, sizeof(c->mms[0]));
	if (!c->mms || check_map_init(c, &c->mm_of, c->nr_mms))
		return RMAP_ENOMEM;
	c->nr_mms = 0;
	for (uint32_t i = 0; i < sys->nr_cpus; i++)
		list_mms(c, &sys->cpus[i]);
	for (uint32_t i = 0; i < sys->rmap.nr_cpus; i++)
		if (!mms_known(c, &sys->rmap.cpus[i]))
			return check_wrong(
				c,
				"the reverse map knows an address space that the system does not");
	if (in_rmap != c->nr_mms)
		return check_wrong(c, "there are %lu address spaces, the reverse map knows %lu",
				   c->nr_mms, in_rmap);
	return 0;
}

static int list_files(struct check *c, uint64_t room)
{
	struct mm_system *sys = c->sys;
	struct list_head *pos;
	uint64_t nr;
	int error;

	rmap_spin_lock(&sys->list_lock);
	error = check_list(c, &sys->files, "files", &nr);
	for (pos = sys->files.next; !error && pos != &sys->files && room; pos = pos->next) {
		struct mm_file *file = list_entry(pos, struct mm_file, list);

		/* Else it is being taken down, by whoever ends a grace period. */
		if (!file_try_get(file))
			continue;
		*check_map_find(&c->file_of, &file->rmap, true) = c->nr_files;
		c->files[c->nr_files++].file = file;
		room--;
	}
	rmap_spin_unlock(&sys->list_lock);
	return error;
}

static int find_files(struct check *c)
{
	struct mm_system *sys = c->sys;
	uint64_t nr;
	int error;

	rmap_spin_lock(&sys->list_lock);
	error = check_list(c, &sys->files, "files", &nr);
	rmap_spin_unlock(&sys->list_lock);
	if (error)
		return error;
	c->files = check_alloc(c, nr, sizeof(c->files[0]));
	if (!c->files || check_map_init(c, &c->file_of, nr))
		return RMAP_ENOMEM;
	return list_files(c, nr);
}

static int find_frames(struct check *c)
{
	struct mm_system *sys = c->sys;

	if (sys->untouched > sys->nr_frames)
		return check_wrong(c, "frames are in use up to %lu of %lu", sys->untouched,
				   sys->nr_frames);
	if (sys->swap.next > sys->swap.nr_slots)
		return check_wrong(c, "swap slots are in use up to %lu of %lu", sys->swap.next,
				   sys->swap.nr_slots);
	c->nr_pages = sys->untouched;
	c->pages = check_alloc(c, c->nr_pages, sizeof(c->pages[0]));
	c->slot_entries = check_alloc(c, sys->swap.next, sizeof(c->slot_entries[0]));
	return c->pages && c->slot_entries ? 0 : RMAP_ENOMEM;
}

static int (*const parts[])(struct check *c) = {
	find_mms,    find_files, find_frames, check_layout, check_tables,
	check_files, check_swap, check_pages, check_rmap,   check_valid,
};

static int check_once(struct mm_system *sys, struct mm_check *check)
{
	struct check c;
	int error = 0;

	memset(&c, 0, sizeof(c));
	c.sys = sys;
	c.out = check;
	check->pages = 0;
	check->ptes = 0;
	check->walked = 0;
	check->message[0] = '\0';
	for (unsigned int i = 0; i < sizeof(parts) / sizeof(parts[0]) && !error; i++)
		error = parts[i](&c);
	free_all(&c);
	return error;
}

/*
 * A quiet system may still have frames (of page tables) and files that wait for a grace period, and one may end while we look.
 * So lists are followed under their locks, files are held, and what seems wrong is looked at again when nothing waits any more;
 * to wait every time would cost a thousand times what a small check does.
 */
int mm_check(struct mm_system *sys, struct mm_check *check)
{
	int error = check_once(sys, check);

	if (error != RMAP_EBADMSG)
		return error;
	sys->port->os.rcu_barrier(sys->port->os.ctx);
	return check_once(sys, check);
}
