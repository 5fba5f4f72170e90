// SPDX-License-Identifier: BSD-2-Clause
/*
 * What one does without rmap, to measure it against: read every page table there is, as the kernel's tools/mm/page-types does (which
 * Debian does not package), asking the kernel for the map count of each page that is found.
 *
 *   plain who PFN        prints how many entries of all processes map the frame
 *   plain sharing PID... prints pages mapped once, pages mapped more often, and those of which all mappers are of the group
 *
 * For the last a table of all frames is kept, one entry for each page of the group that is met.
 */
#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PRESENT ((uint64_t)1 << 63)
#define FRAME	(((uint64_t)1 << 55) - 1)
#define WORDS	512u

struct frame {
	uint64_t pfn;
	uint32_t members;
};

static struct {
	struct frame *v;
	size_t slots, used;
} table;

static int kpagecount;

static struct frame *find(uint64_t pfn)
{
	size_t at = (size_t)(pfn * 0x9e3779b97f4a7c15u) & (table.slots - 1);

	while (table.v[at].members && table.v[at].pfn != pfn)
		at = (at + 1) & (table.slots - 1);
	return &table.v[at];
}

static void add(uint64_t pfn)
{
	struct frame *f;

	if (2 * (table.used + 1) > table.slots) {
		struct frame *old = table.v;
		size_t slots = table.slots;

		table.slots = slots ? 2 * slots : 1 << 16;
		table.v = calloc(table.slots, sizeof(*table.v));
		if (!table.v)
			exit(1);
		for (size_t i = 0; i < slots; i++)
			if (old[i].members)
				*find(old[i].pfn) = old[i];
		free(old);
	}
	f = find(pfn);
	table.used += !f->members;
	f->pfn = pfn;
	f->members++;
}

static uint64_t mapcount(uint64_t pfn)
{
	uint64_t count = 0;

	if (pread(kpagecount, &count, sizeof(count), (off_t)(pfn * sizeof(count))) < 0)
		return 0;
	return count;
}

static void each_page(const char *pid, void (*visit)(uint64_t pfn, void *arg), void *arg)
{
	char path[300], line[8192];
	uint64_t start, end, words[WORDS];
	int pagemap;
	FILE *maps;

	snprintf(path, sizeof(path), "/proc/%s/maps", pid);
	maps = fopen(path, "r");
	snprintf(path, sizeof(path), "/proc/%s/pagemap", pid);
	pagemap = open(path, O_RDONLY);
	while (maps && pagemap >= 0 && fgets(line, sizeof(line), maps)) {
		if (sscanf(line, "%" SCNx64 "-%" SCNx64, &start, &end) != 2)
			continue;
		for (uint64_t at = start / 4096; at < end / 4096; at += WORDS) {
			uint64_t nr = end / 4096 - at < WORDS ? end / 4096 - at : WORDS;
			ssize_t got = pread(pagemap, words, nr * 8, (off_t)(at * 8));

			for (ssize_t i = 0; i < got / 8; i++)
				if (words[i] & PRESENT)
					visit(words[i] & FRAME, arg);
		}
	}
	if (maps)
		fclose(maps);
	if (pagemap >= 0)
		close(pagemap);
}

struct search {
	uint64_t pfn, found;
};

static void look_for(uint64_t pfn, void *arg)
{
	struct search *s = arg;

	s->found += pfn == s->pfn;
}

static int who(const char *text)
{
	struct search s = { .pfn = strtoull(text, NULL, 0) };
	DIR *dir = opendir("/proc");
	struct dirent *entry;

	while (dir && (entry = readdir(dir)))
		if (entry->d_name[0] >= '1' && entry->d_name[0] <= '9')
			each_page(entry->d_name, look_for, &s);
	printf("%" PRIu64 " found\n", s.found);
	return 0;
}

struct sums {
	uint64_t once, more, within;
};

static void note(uint64_t pfn, void *arg)
{
	(void)arg;
	add(pfn);
}

static void sum(uint64_t pfn, void *arg)
{
	struct sums *s = arg;
	uint64_t count = mapcount(pfn);

	s->once += count == 1;
	s->more += count > 1;
	s->within += count > 1 && find(pfn)->members >= count;
}

static int sharing(int nr, char **pids)
{
	struct sums s = { 0 };

	for (int i = 0; i < nr; i++)
		each_page(pids[i], note, NULL);
	for (int i = 0; i < nr; i++)
		each_page(pids[i], sum, &s);
	printf("once %" PRIu64 ", more %" PRIu64 ", of these within %" PRIu64 "\n", s.once, s.more,
	       s.within);
	return 0;
}

int main(int argc, char **argv)
{
	kpagecount = open("/proc/kpagecount", O_RDONLY);
	if (argc == 3 && !strcmp(argv[1], "who"))
		return who(argv[2]);
	if (argc > 2 && !strcmp(argv[1], "sharing"))
		return sharing(argc - 2, argv + 2);
	fprintf(stderr, "usage: plain who PFN | sharing PID...\n");
	return 2;
}
