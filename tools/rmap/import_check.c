// SPDX-License-Identifier: BSD-2-Clause
/*
 * Is the sharing of the replay that of the processes? The record is carried out on an engine, everything is checked there, and
 * then each page that was found is looked up: what shares a frame (or a swap entry) with what must be the same on both sides. That
 * is so when the numbers of one side and those of the other belong together one to one.
 */
#include "import.h"
#include "replay.h"
#include "runner.h"

#include <stdlib.h>
#include <string.h>

/* A page by its number on both sides. */
struct pair {
	uint64_t live, engine;
};

struct pairs {
	struct pair *v;
	size_t nr;
};

static int by_live(const void *a, const void *b)
{
	const struct pair *x = a, *y = b;

	if (x->live != y->live)
		return x->live < y->live ? -1 : 1;
	return (x->engine > y->engine) - (x->engine < y->engine);
}

static int by_engine(const void *a, const void *b)
{
	const struct pair *x = a, *y = b;

	if (x->engine != y->engine)
		return x->engine < y->engine ? -1 : 1;
	return (x->live > y->live) - (x->live < y->live);
}

static uint64_t engine_key(struct mm *mm, uint64_t addr)
{
	struct mm_page_info info;

	mm_page_info(mm, addr, &info);
	switch (info.state) {
	case MM_PAGE_PRESENT:
		return (info.anon ? IMP_ANON : IMP_FILE) | info.pfn;
	case MM_PAGE_SWAPPED:
		return IMP_SWAP | info.slot;
	case MM_PAGE_ZERO:
		return IMP_ZERO;
	default:
		return 0;
	}
}

/* More pages than were found? */
static uint64_t surplus(struct mm *mm, const struct imp_proc *p)
{
	uint64_t wanted = 0, have;
	struct mm_stats stats;

	for (size_t i = 0; i < p->pages.nr; i++)
		wanted += (p->pages.v[i].key & IMP_KIND) != IMP_ZERO;
	mm_get_stats(mm, &stats);
	have = stats.rss_anon + stats.rss_file + stats.rss_shmem + stats.swap_entries;
	return have > wanted ? have - wanted : 0;
}

static void compare_proc(struct runner *r, const struct imp_proc *p, struct pairs *pairs,
			 struct import_verdict *out)
{
	struct mm *mm = runner_mm(r, (uint64_t)p->id + 1);

	out->pages += p->pages.nr;
	if (!mm) {
		out->differing += p->pages.nr;
		return;
	}
	for (size_t i = 0; i < p->pages.nr; i++) {
		uint64_t live = p->pages.v[i].key, engine = engine_key(mm, p->pages.v[i].addr);

		if ((live & IMP_KIND) != (engine & IMP_KIND))
			out->differing++;
		else
			pairs->v[pairs->nr++] = (struct pair){ live, engine };
	}
	out->differing += surplus(mm, p);
}

static int compare(const struct import *imp, struct runner *r, struct import_verdict *out)
{
	struct pairs pairs = { .v = malloc((imp->nr_pages + 1) * sizeof(*pairs.v)) };

	if (!pairs.v)
		return -1;
	for (size_t i = 1; i < imp->nr; i++)
		compare_proc(r, &imp->v[i], &pairs, out);
	qsort(pairs.v, pairs.nr, sizeof(*pairs.v), by_live);
	for (size_t i = 1; i < pairs.nr; i++)
		out->differing += pairs.v[i].live == pairs.v[i - 1].live &&
				  pairs.v[i].engine != pairs.v[i - 1].engine;
	qsort(pairs.v, pairs.nr, sizeof(*pairs.v), by_engine);
	for (size_t i = 1; i < pairs.nr; i++)
		out->differing += pairs.v[i].engine == pairs.v[i - 1].engine &&
				  pairs.v[i].live != pairs.v[i - 1].live;
	free(pairs.v);
	return 0;
}

static int replay(struct runner *r, struct op_source *source, char sentence[OPS_ERR_SIZE])
{
	struct op op;
	int more;

	while ((more = source->next(source, &op, sentence)) > 0)
		if (runner_step(r, &op, sentence) != RUNNER_OK)
			return -1;
	return more;
}

int import_check(const struct import *imp, const void *bytes, size_t size,
		 struct import_verdict *out, char err[LIVE_ERR_SIZE])
{
	/* Room for all pages were they no one else's, for tables, and for what stands between. */
	const uint64_t room = imp->nr_pages * 2 + imp->nr * 1024 + 65536;
	const struct runner_options options = { .frames = room,
						.swap_slots = imp->nr_swapped * 2 + 4096,
						.has_swap = true,
						.phantom = true };
	char sentence[OPS_ERR_SIZE] = "";
	struct mm_check report = { .max_walks = 200000, .seed = 1 };
	struct op_source *source;
	struct runner *r;
	int ret = -1;

	*out = (struct import_verdict){ 0 };
	if (replay_open_mem("import", bytes, size, &source, sentence))
		return live_fail(err, "%s", sentence);
	if (!runner_create(&options, source, &r, sentence)) {
		ret = replay(r, source, sentence);
		out->operations = runner_operations(r);
		out->misfits = runner_misfits(r);
		if (!ret && mm_check(runner_system(r), &report)) {
			snprintf(sentence, sizeof(sentence), "%s", report.message);
			ret = -1;
		}
		if (!ret && compare(imp, r, out)) {
			snprintf(sentence, sizeof(sentence), "no memory to compare");
			ret = -1;
		}
		runner_destroy(r);
	}
	source->close(source);
	return ret ? live_fail(err, "the replay: %s", sentence) : 0;
}
