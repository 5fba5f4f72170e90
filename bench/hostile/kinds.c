// SPDX-License-Identifier: BSD-2-Clause
/*
 * The hostile programs. Each does what any program may do, and only to its own: fork, map, move, unmap, write.
 */
#include "hostile.h"

#include "../memory.h"

#include <stdlib.h>

#define PAGE RMAP_PAGE_SIZE

/* A child of parent that lives until the end. */
static int fork_mine(struct machine *m, struct mm *parent, struct mm **child)
{
	int error;

	if (m->nr_mine == m->room_mine) {
		uint64_t room = m->room_mine ? 2 * m->room_mine : 1024;
		struct mm **mine = realloc(m->mine, room * sizeof(struct mm *));

		if (!mine)
			return RMAP_ENOMEM;
		m->mine = mine;
		m->room_mine = room;
	}
	error = mm_fork(parent, child);
	if (!error)
		m->mine[m->nr_mine++] = *child;
	return error;
}

/* ---------------------------------------------------------------- forks */

/* Each generation writes a page, forks the next and exits. */
static int chain_of_dead(struct machine *m, const struct hostile_scale *scale)
{
	int error = 0;

	for (uint64_t i = 0; i < scale->processes && !error; i++) {
		struct mm *child;

		error = bench_write(m->cpu, m->hostile, HEAP + i % HOSTILE_PAGES * PAGE, 1);
		if (!error)
			error = mm_fork(m->hostile, &child);
		if (error)
			break;
		mm_put(m->hostile);
		m->hostile = child;
	}
	return error;
}

/* The same, but nobody exits: a fork bomb of a deep chain. */
static int chain_of_living(struct machine *m, const struct hostile_scale *scale)
{
	/* Under anon_vma_chain the depth costs its square in objects. */
	uint64_t depth = scale->processes < 1000 ? scale->processes : 1000;
	struct mm *last = m->hostile;
	int error = 0;

	for (uint64_t i = 0; i < depth && !error; i++) {
		error = bench_write(m->cpu, last, HEAP + i % HOSTILE_PAGES * PAGE, 1);
		if (!error)
			error = fork_mine(m, last, &last);
	}
	return error;
}

/* Children that keep all they inherited. */
static int shared_by_all(struct machine *m, const struct hostile_scale *scale)
{
	struct mm *child;
	int error = 0;

	for (uint64_t i = 0; i < scale->processes && !error; i++)
		error = fork_mine(m, m->hostile, &child);
	return error;
}

/* Children that write all they inherited, and so have none of it any more. */
static int copied_by_all(struct machine *m, const struct hostile_scale *scale)
{
	/* Frames for contents are dear, even without contents: fewer of them. */
	uint64_t children = scale->processes / 4 + 1;
	struct mm *child;
	int error = 0;

	for (uint64_t i = 0; i < children && !error; i++) {
		error = fork_mine(m, m->hostile, &child);
		if (!error)
			error = bench_write(m->cpu, child, HEAP, HOSTILE_PAGES);
	}
	return error;
}

/* Children that unmap it, and live. */
static int unmapped_by_all(struct machine *m, const struct hostile_scale *scale)
{
	struct mm *child;
	int error = 0;

	for (uint64_t i = 0; i < scale->processes && !error; i++) {
		error = fork_mine(m, m->hostile, &child);
		if (!error)
			error = mm_munmap(child, HEAP, HOSTILE_PAGES * PAGE);
	}
	return error;
}

/* ---------------------------------------------------------------- VMAs and moves */

/* All it inherited in VMAs of a page each, in every child of its own. */
static int split_and_forked(struct machine *m, const struct hostile_scale *scale)
{
	struct mm *child;
	int error = 0;

	for (uint64_t i = 0; i < HOSTILE_PAGES && !error; i += 2)
		error = mm_mprotect(m->hostile, HEAP + i * PAGE, PAGE, MM_PROT_READ);
	for (uint64_t i = 0; i < scale->processes / 10 && !error; i++)
		error = fork_mine(m, m->hostile, &child);
	return error;
}

/*
 * As many VMAs as one may have, all first written at the address where the relative has its heap, and moved away: so all of them
 * say that their first page is the one that stands there. Then children, so that there are a million such VMAs.
 */
static int displaced(struct machine *m, const struct hostile_scale *scale)
{
	struct mm *child;
	uint64_t result;
	int error = mm_munmap(m->hostile, HEAP, HOSTILE_PAGES * PAGE);

	for (uint64_t i = 0; i < scale->vmas && !error; i++) {
		error = bench_map(m->hostile, HEAP, 1, NULL, false);
		if (!error)
			error = bench_write(m->cpu, m->hostile, HEAP, 1);
		if (!error)
			error = mm_mremap(m->hostile, HEAP, PAGE, PAGE,
					  MM_MREMAP_MAYMOVE | MM_MREMAP_FIXED, ROOM + i * 2 * PAGE,
					  &result);
	}
	for (uint64_t i = 0; i < 15 && !error; i++)
		error = fork_mine(m, m->hostile, &child);
	return error;
}

/* Children that each move what they inherited to a place of their own. */
static int scattered(struct machine *m, const struct hostile_scale *scale)
{
	struct mm *child;
	uint64_t result;
	int error = 0;

	for (uint64_t i = 0; i < scale->processes / 10 && !error; i++) {
		error = fork_mine(m, m->hostile, &child);
		if (!error)
			error = mm_mremap(child, HEAP, HOSTILE_PAGES * PAGE, HOSTILE_PAGES * PAGE,
					  MM_MREMAP_MAYMOVE | MM_MREMAP_FIXED,
					  ROOM + i * 2 * HOSTILE_PAGES * PAGE, &result);
	}
	return error;
}

/* As many mappings of the stranger's file as one may have, nothing of it touched, and children. */
static int file_mapped(struct machine *m, const struct hostile_scale *scale)
{
	struct mm *child;
	int error = 0;

	for (uint64_t i = 0; i < scale->vmas && !error; i++)
		error = bench_map(m->hostile, ROOM + i * 2 * HOSTILE_PAGES * PAGE, HOSTILE_PAGES,
				  m->file, true);
	for (uint64_t i = 0; i < 15 && !error; i++)
		error = fork_mine(m, m->hostile, &child);
	return error;
}

const struct hostile_kind hostile_kinds[] = {
	{ "nobody", "the hostile process exits at once", NULL },
	{ "dead-chain", "each generation writes a page, forks the next and exits", chain_of_dead },
	{ "fork-chain", "the same, 1,000 deep, and all of them live", chain_of_living },
	{ "shared", "children keep all they inherited", shared_by_all },
	{ "copied", "children (a quarter as many) write all they inherited", copied_by_all },
	{ "unmapped", "children unmap what they inherited, and live", unmapped_by_all },
	{ "split",
	  "what it inherited is split into VMAs of a page, then it forks (a tenth as many)",
	  split_and_forked },
	{ "scattered", "children (a tenth as many) move what they inherited, each to another place",
	  scattered },
	{ "displaced",
	  "it unmaps what it inherited; many VMAs of its own are first written there, moved "
	  "away, and forked 15 times",
	  displaced },
	{ "file-maps",
	  "it maps the stranger's file again and again, touches none of it, and forks "
	  "15 times",
	  file_mapped },
};
const uint32_t hostile_nr_kinds = sizeof(hostile_kinds) / sizeof(hostile_kinds[0]);
