// SPDX-License-Identifier: BSD-2-Clause
/*
 * Processes out of a /proc that tells lies: names that would be obeyed, garbage, numbers that were given again.
 */
#include "live_procs.h"

#include <fcntl.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char dir[] = "/tmp/rmap-live-procs.XXXXXX";

static int set_up(void **state)
{
	(void)state;
	return mkdtemp(dir) ? 0 : -1;
}

static int tear_down(void **state)
{
	char command[128];

	(void)state;
	snprintf(command, sizeof(command), "rm -rf %s", dir);
	return system(command);
}

/* /proc/PID/stat with these words; NULL: a directory without one. */
static void plant(int pid, const char *stat)
{
	char path[128];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%d", dir, pid);
	mkdir(path, 0700);
	strcat(path, "/stat");
	unlink(path);
	if (!stat)
		return;
	f = fopen(path, "w");
	assert_non_null(f);
	fputs(stat, f);
	fclose(f);
}

static void plant_proc(int pid, const char *comm, int ppid, unsigned long flags, int start)
{
	char text[512];

	snprintf(text, sizeof(text), "%d (%s) S %d 1 1 0 -1 %lu 1 2 3 4 5 6 7 8 20 0 1 0 %d 9 10\n",
		 pid, comm, ppid, flags, start);
	plant(pid, text);
}

static int plant_all(void)
{
	char err[LIVE_ERR_SIZE];
	int root;

	plant_proc(1, "init", 0, 0x400100, 1);
	plant_proc(2, "kthreadd", 0, 0x208040, 1);
	plant_proc(10, "server", 1, 0x400000, 100);
	plant_proc(11, "worker", 10, 0x400000, 110);
	plant_proc(12, "a) S 99 (b\n", 11, 0x400000, 120);
	plant_proc(20, "\033[31mred", 1, 0x400000, 130);
	plant_proc(30, "circle", 31, 0x400000, 140);
	plant_proc(31, "circle", 30, 0x400000, 150);
	plant(40, "40 garbage");
	plant(41, "41 (short) S 1 2 3\n");
	plant(42, "");
	plant(43, NULL);
	plant(44, "44 (huge) S 99999999999999999999 1 1 0 -1 0 1 2 3 4 5 6 7 8 20 0 1 0 5 9\n");
	plant(45, ")(");
	root = live_root_open(dir, err);
	assert_true(root >= 0);
	return root;
}

static void all_but_garbage(void **state)
{
	static const pid_t wanted[] = { 1, 2, 10, 11, 12, 20, 30, 31 };
	char err[LIVE_ERR_SIZE];
	struct live_procs procs;
	int root = plant_all();

	(void)state;
	assert_int_equal(live_procs_all(root, &procs, err), 0);
	assert_int_equal(procs.nr, sizeof(wanted) / sizeof(wanted[0]));
	for (size_t i = 0; i < procs.nr; i++)
		assert_int_equal(procs.v[i].pid, wanted[i]);
	assert_string_equal(live_procs_find(&procs, 12)->comm, "a) S 99 (b\n");
	assert_int_equal(live_procs_find(&procs, 12)->ppid, 11);
	assert_int_equal(live_procs_find(&procs, 12)->start, 120);
	assert_true(live_procs_find(&procs, 2)->bodiless);
	assert_null(live_procs_find(&procs, 40));
	assert_true(live_procs_descends(&procs, 12, 10));
	assert_false(live_procs_descends(&procs, 10, 12));
	assert_false(live_procs_descends(&procs, 30, 10));
	live_procs_free(&procs);
	close(root);
}

static void choices(void **state)
{
	char err[LIVE_ERR_SIZE];
	struct live_choice choice = { .tree = 10 };
	struct live_procs procs;
	int root = plant_all();

	(void)state;
	assert_int_equal(live_procs_choose(root, &choice, &procs, err), 0);
	assert_int_equal(procs.nr, 3);
	live_procs_free(&procs);

	assert_int_equal(live_choice_pid(&choice, "20", err), 0);
	assert_int_equal(live_choice_pid(&choice, "11", err), 0);
	assert_int_equal(live_procs_choose(root, &choice, &procs, err), 0);
	assert_int_equal(procs.nr, 4);
	live_procs_free(&procs);

	/* Who is not there any more, or has no memory, is left out, and forgotten. */
	assert_int_equal(live_choice_pid(&choice, "2", err), 0);
	assert_int_equal(live_choice_pid(&choice, "77", err), 0);
	assert_int_equal(live_procs_choose(root, &choice, &procs, err), 0);
	assert_int_equal(procs.nr, 4);
	assert_int_equal(choice.nr_pids, 2);
	assert_int_equal(choice.pids[0], 20);
	assert_int_equal(choice.pids[1], 11);
	live_procs_free(&procs);
	live_choice_free(&choice);

	/* But somebody must be left. */
	assert_int_equal(live_choice_pid(&choice, "2", err), 0);
	assert_int_equal(live_procs_choose(root, &choice, &procs, err), -1);
	assert_string_equal(err, "process 2 (kthreadd) has no memory: a kernel thread or a zombie");
	assert_int_equal(choice.nr_pids, 1);
	assert_int_equal(live_choice_pid(&choice, "77", err), 0);
	assert_int_equal(live_procs_choose(root, &choice, &procs, err), -1);
	assert_string_equal(err, "none of the 2 processes is there any more");
	live_choice_free(&choice);

	choice.match = "wor*";
	assert_int_equal(live_procs_choose(root, &choice, &procs, err), 0);
	assert_int_equal(procs.nr, 1);
	live_procs_free(&procs);
	choice.match = "nobody";
	assert_int_equal(live_procs_choose(root, &choice, &procs, err), -1);
	choice.match = NULL;
	choice.tree = 77;
	assert_int_equal(live_procs_choose(root, &choice, &procs, err), -1);
	assert_string_equal(err, "there is no process 77");
	close(root);
}

static void numbers(void **state)
{
	static const char *const bad[] = { "",	  "0",	"-1",	      "12x", "x",
					   "+12", " 1", "2147483648", "1\n", "\033[2J" };
	char err[LIVE_ERR_SIZE];
	pid_t pid;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(live_parse_pid(bad[i], &pid, err), -1);
		assert_null(strchr(err, '\033'));
	}
	assert_int_equal(live_parse_pid("2147483647", &pid, err), 0);
	assert_int_equal(pid, 2147483647);
}

/* Its number was given to another: the directory is not opened for the one that was seen. */
static void another_with_its_number(void **state)
{
	char err[LIVE_ERR_SIZE];
	struct live_procs procs;
	int root = plant_all(), fd;

	(void)state;
	assert_int_equal(live_procs_all(root, &procs, err), 0);
	fd = live_proc_open(root, live_procs_find(&procs, 11));
	assert_true(fd >= 0);
	close(fd);
	plant_proc(11, "worker", 10, 0x400000, 999);
	assert_int_equal(live_proc_open(root, live_procs_find(&procs, 11)), -1);
	assert_int_equal(errno, ESRCH);
	live_procs_free(&procs);
	close(root);
}

static void safe_names(void **state)
{
	static const struct {
		const char *raw, *safe;
	} names[] = {
		{ "redis-server", "redis-server" },
		{ "\033]0;owned\007", "\\x1b]0;owned\\x07" },
		{ "gr\xc3\xbcn", "gr\xc3\xbcn" },
		{ "\xe2\x82", "\\xe2\\x82" }, /* cut off */
		{ "\xc0\xaf", "\\xc0\\xaf" }, /* overlong */
		{ "\xc2\x9b"
		  "31m",
		  "\\xc2\\x9b"
		  "31m" }, /* CSI in one character */
		{ "a\xe2\x80\xae"
		  "b",
		  "a\\xe2\\x80\\xae"
		  "b" }, /* from right to left */
		{ "a\\x1b", "a\\\\x1b" },
		{ "\xc1\x9c", "\\xc1\\x9c" }, /* a backslash, overlong */
		{ "line\nline", "line\\x0aline" },
	};
	char buf[64];

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		assert_string_equal(live_safe(names[i].raw, buf, sizeof(buf)), names[i].safe);
	live_safe("\xff\xff\xff\xff", buf, 10);
	assert_string_equal(buf, "\\xff\\xff");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_but_garbage), cmocka_unit_test(choices),
		cmocka_unit_test(numbers),	   cmocka_unit_test(another_with_its_number),
		cmocka_unit_test(safe_names),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
