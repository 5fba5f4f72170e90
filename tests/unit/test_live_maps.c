// SPDX-License-Identifier: BSD-2-Clause
/*
 * Layouts, page tables and sums out of a /proc that tells lies: lines that make no sense, files that are cut off, frames that no
 * machine has, processes that go while they are looked at.
 */
#include "live_maps.h"
#include "sharing_count.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define P(n)   ((uint64_t)(n) << LIVE_PAGE_SHIFT)
#define ONCE   (LIVE_PRESENT | LIVE_EXCLUSIVE)
#define FRAMES 16u
#define PAGES  24u /* of a planted page table */

static char dir[] = "/tmp/rmap-live-maps.XXXXXX";

static int set_up(void **state)
{
	char link[64];

	(void)state;
	if (!mkdtemp(dir))
		return -1;
	snprintf(link, sizeof(link), "%s/self", dir);
	return symlink("/proc/self", link);
}

static int tear_down(void **state)
{
	char command[128];

	(void)state;
	snprintf(command, sizeof(command), "rm -rf %s", dir);
	return system(command);
}

static void plant(const char *name, const void *bytes, size_t size)
{
	char path[128];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = fopen(path, "w");
	assert_non_null(f);
	if (size)
		assert_int_equal(fwrite(bytes, 1, size, f), size);
	fclose(f);
}

/* A process of these VMAs and this page table, from address 0 on. */
static void plant_proc(int pid, int ppid, const char *maps, const uint64_t *table, size_t nr)
{
	char name[64], stat[256];

	snprintf(name, sizeof(name), "%s/%d", dir, pid);
	mkdir(name, 0700);
	snprintf(name, sizeof(name), "%d/stat", pid);
	snprintf(stat, sizeof(stat), "%d (p) S %d 1 1 0 -1 0 1 2 3 4 5 6 7 8 20 0 1 0 %d 9 10\n",
		 pid, ppid, pid);
	plant(name, stat, strlen(stat));
	snprintf(name, sizeof(name), "%d/maps", pid);
	plant(name, maps, strlen(maps));
	snprintf(name, sizeof(name), "%d/pagemap", pid);
	plant(name, table, nr * sizeof(*table));
}

static int open_root(void)
{
	char err[LIVE_ERR_SIZE];
	int root = live_root_open(dir, err);

	assert_true(root >= 0);
	return root;
}

/* -- layouts ---------------------------------------------------------------------------------- */

static const char lies[] = "00001000-00003000 r-xp 00000000 fe:01 12      /bin/true\n"
			   "garbage\n"
			   "\n"
			   "00004000-00004000 rw-p 00000000 00:00 0 \n" /* empty */
			   "00006000-00005000 rw-p 00000000 00:00 0 \n" /* backwards */
			   "00002000-00005000 rw-p 00000000 00:00 0 \n" /* over another */
			   "00005001-00006000 rw-p 00000000 00:00 0 \n" /* unaligned */
			   "00007000-00008000 rw\n"			/* cut off */
			   "00008000-0000a000 rw-s 00001000 00:01 99  /dev/zero (deleted)\n"
			   "0000a000-0000b000 rw-p 00000000 00:00 0          [heap]\n"
			   "0000c000-0000d000 rw-p 00000000 00:00 0  \033[2Jname with blanks\n"
			   "11112222333344445-2 rw-p 00000000 00:00 0 \n"
			   "ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0  [vsyscall]\n"
			   "0000e000-0000f000 ---p 00000000 00:00 0";

static void lines_that_lie(void **state)
{
	static const struct {
		uint64_t start, end;
		const char *name;
	} wanted[] = {
		{ 0x1000, 0x3000, "/bin/true" }, { 0x8000, 0xa000, "/dev/zero (deleted)" },
		{ 0xa000, 0xb000, "[heap]" },	 { 0xc000, 0xd000, "\033[2Jname with blanks" },
		{ 0xe000, 0xf000, "" },
	};
	struct live_maps maps;
	struct live_vma vma;
	char name[64], text[5];
	int root = open_root(), proc;

	(void)state;
	plant_proc(7, 1, lies, NULL, 0);
	proc = openat(root, "7", O_RDONLY | O_DIRECTORY);
	assert_int_equal(live_maps_read(proc, &maps), 0);
	assert_int_equal(maps.nr, sizeof(wanted) / sizeof(wanted[0]));
	for (size_t i = 0; i < maps.nr; i++) {
		assert_int_equal(maps.v[i].start, wanted[i].start);
		assert_int_equal(maps.v[i].end, wanted[i].end);
		assert_string_equal(maps.v[i].name, wanted[i].name);
	}
	assert_string_equal(live_perms(&maps.v[0], text), "r-xp");
	assert_string_equal(live_perms(&maps.v[1], text), "rw-s");
	assert_int_equal(maps.v[1].offset, 0x1000);
	assert_int_equal(maps.v[1].ino, 99);
	assert_ptr_equal(live_maps_find(&maps, 0x9fff), &maps.v[1]);
	assert_null(live_maps_find(&maps, 0x3000));
	assert_null(live_maps_find(&maps, 0xf000));
	live_maps_free(&maps);

	/* one VMA, where the kernel has no ioctl for that */
	assert_int_equal(live_vma_at(proc, 0xa800, &vma, name, sizeof(name)), 1);
	assert_string_equal(vma.name, "[heap]");
	assert_int_equal(live_vma_at(proc, 0x7000, &vma, name, sizeof(name)), 0);
	close(proc);
	assert_int_equal(live_maps_read(root, &maps), -ESRCH);
	close(root);
}

/* -- page tables ------------------------------------------------------------------------------ */

static void tables_cut_off(void **state)
{
	uint64_t table[PAGES] = { 0 }, words[LIVE_BATCH], addr;
	int root = open_root(), proc, tables;
	struct live_cursor c;

	(void)state;
	for (unsigned int i = 0; i < PAGES; i++)
		table[i] = ONCE | i;
	plant_proc(7, 1, lies, table, PAGES);
	proc = openat(root, "7", O_RDONLY | O_DIRECTORY);
	tables = live_pagemap_open(proc);
	assert_true(tables >= 0);
	assert_int_equal(live_pagemap_at(tables, P(3), words), 0);
	assert_int_equal(words[0], ONCE | 3);
	assert_int_equal(live_pagemap_at(tables, P(PAGES), words), -ESRCH);
	/* a range that asks for its populated parts, of a file that knows no such question */
	live_cursor_init(&c, tables, P(20), P(1u << 20));
	assert_int_equal(live_cursor_next(&c, &addr, words), PAGES - 20);
	assert_int_equal(addr, P(20));
	assert_int_equal(live_cursor_next(&c, &addr, words), 0);
	close(tables);
	close(proc);
	close(root);
}

static void what_is_in_swap(void **state)
{
	(void)state;
	assert_true(live_is_swapped(LIVE_SWAP | 5 << 5));
	assert_true(live_is_swapped(LIVE_SWAP | 5 << 5 | 3));
	assert_false(live_is_swapped(LIVE_SWAP | 5 << 5 | 30)); /* migrates */
	assert_false(live_is_swapped(LIVE_SWAP | LIVE_GUARD));
	assert_false(live_is_swapped(LIVE_PRESENT | 5));
	assert_false(live_is_swapped(0));
}

/* -- sums --------------------------------------------------------------------------------------- */

/*
 * Page numbers and frames; kpagecount in brackets. 10 is the parent; all is one private mapping of no file.
 *
 *	page   1      2      3      4      5      6      7      8
 *	10     1[1]   2[3]   4[2]   6[5]   -      7[0]   8[1]   swap
 *	11     3[1]   2[3]   5[1]   6[5]   9[1]   7[0]   8[1]*  swap
 *
 * Frame 2 has a third mapper outside; frame 4 only 10 and 12; 7 the kernel does not count; 8 was let go of by one between the
 * reads (it is not marked as mapped once, but its count is 1 by now). Page 20 of 11 has a frame that no machine has.
 */
static void plant_group(uint64_t far)
{
	static const char maps[] = "00001000-00018000 rw-p 00000000 00:00 0 \n";
	const uint64_t swap = LIVE_SWAP | 77 << 5, here = LIVE_PRESENT;
	uint64_t parent[PAGES] = { 0, ONCE | 1, here | 2, here | 4, here | (6 + far),
				   0, here | 7, here | 8, swap };
	uint64_t child[PAGES] = { 0,	    ONCE | 3, here | 2, ONCE | 5, here | (6 + far),
				  ONCE | 9, here | 7, here | 8, swap };
	uint64_t other[PAGES] = { 0, 0, 0, here | 4 };
	uint64_t *counts = calloc(far + FRAMES, sizeof(*counts));

	assert_non_null(counts);
	child[20] = here | LIVE_FRAME;
	counts[1] = counts[3] = counts[5] = counts[8] = counts[9] = 1;
	counts[2] = 3;
	counts[4] = 2;
	counts[6 + far] = 5;
	plant_proc(10, 1, maps, parent, PAGES);
	plant_proc(11, 10, maps, child, PAGES);
	plant_proc(12, 10, maps, other, PAGES);
	plant("kpagecount", counts, (far + FRAMES) * sizeof(*counts));
	plant("kpageflags", counts, 0);
	free(counts);
}

static struct sharing count_group(int root, struct live_choice *choice, uint64_t frames)
{
	char err[LIVE_ERR_SIZE];
	struct live_procs procs;
	struct sharing s;

	assert_int_equal(live_procs_choose(root, choice, &procs, err), 0);
	assert_int_equal(sharing_count(root, &procs, frames, &s, err), 0);
	live_procs_free(&procs);
	return s;
}

static void check_group(const struct sharing *s)
{
	const struct sharing_sums *parent = &s->v[0].sums, *child = &s->v[1].sums;

	assert_int_equal(parent->private, 2);
	assert_int_equal(parent->within, 1);
	assert_int_equal(parent->beyond, 2);
	assert_int_equal(parent->swapped, 1);
	assert_int_equal(child->private, 4);
	assert_int_equal(child->within, 0);
	assert_int_equal(child->beyond, 2);
	assert_int_equal(child->swapped, 1);
	assert_int_equal(child->pss, 4 * SHARING_UNIT + SHARING_UNIT / 3 + SHARING_UNIT / 5);
	/* pages 1 and 3; page 5 the parent has not */
	assert_int_equal(child->broken, 2 * SHARING_UNIT);
	assert_int_equal(s->sums.once, 2 * (SHARING_UNIT / 2));
}

static void sums(void **state)
{
	struct live_choice choice = { .tree = 10 };
	static const uint64_t far[] = { 0, 5000 };
	int root = open_root();

	(void)state;
	if (geteuid() != 0)
		skip(); /* we are shown no frame numbers */
	for (size_t i = 0; i < 2; i++) {
		struct sharing s;

		plant_group(far[i]);
		s = count_group(root, &choice, 512);
		assert_int_equal(s.windows, far[i] ? 2 : 1);
		check_group(&s);
		sharing_free(&s);
		s = count_group(root, &choice, SHARING_FRAMES);
		assert_int_equal(s.windows, 1);
		check_group(&s);
		sharing_free(&s);
	}
	close(root);
}

/* One was there when it was chosen and has its number no more. */
static void gone_meanwhile(void **state)
{
	struct live_choice choice = { .tree = 10 };
	char err[LIVE_ERR_SIZE], path[64];
	struct live_procs procs;
	struct sharing s;
	int root = open_root();

	(void)state;
	plant_group(0);
	assert_int_equal(live_procs_choose(root, &choice, &procs, err), 0);
	plant("11/stat", "11 (p) S 10 1 1 0 -1 0 1 2 3 4 5 6 7 8 20 0 1 0 999 9 10\n", 58);
	/* and one ends between the reads of its layout and its page table */
	snprintf(path, sizeof(path), "%s/12/pagemap", dir);
	unlink(path);
	assert_int_equal(sharing_count(root, &procs, 512, &s, err), 0);
	assert_false(s.v[0].gone);
	assert_true(s.v[1].gone);
	assert_true(s.v[2].gone);
	assert_int_equal(s.v[1].sums.private, 0);
	sharing_free(&s);
	live_procs_free(&procs);
	close(root);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_that_lie),  cmocka_unit_test(tables_cut_off),
		cmocka_unit_test(what_is_in_swap), cmocka_unit_test(sums),
		cmocka_unit_test(gone_meanwhile),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
