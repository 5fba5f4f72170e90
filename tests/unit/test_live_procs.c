// SPDX-License-Identifier: BSD-2-Clause
/*
 * Processes out of a /proc that tells lies: names that would be obeyed, garbage, numbers that were given again.
 */
#include "live_procs.h"

#include <fcntl.h>
#include <errno.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
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

/* By the kernel alone: a thread without thread-local memory of its own must touch nobody's, nor may ThreadSanitizer for it. */
__attribute__((no_sanitize_thread)) static int wait_for_nothing(void *arg)
{
	(void)arg;
	syscall(SYS_prctl, PR_SET_PDEATHSIG, SIGKILL);
	while (syscall(SYS_ppoll, NULL, 0, NULL, NULL, 0) <= 0)
		;
	return 0;
}

/*
 *	we --- vforked	one address space
 *	   \-- forked	its own
 *
 * Only the kernel's own list of our PID namespace has the numbers that it can be asked about: 10 and 11 of a planted one may be
 * kernel threads of this machine, which have one address space among them, namely none.
 */
static void one_address_space(void **state)
{
	static char stack[64 << 10] __attribute__((aligned(16)));
	char err[LIVE_ERR_SIZE], self[64];
	int planted = live_root_open(dir, err), real = live_root_open("/proc", err);
	pid_t vforked = clone(wait_for_nothing, stack + sizeof(stack), CLONE_VM | SIGCHLD, NULL);
	pid_t forked = fork();
	struct {
		bool told, vforked, forked, planted, elsewhere;
	} same;

	(void)state;
	if (!forked)
		wait_for_nothing(NULL);
	same.told = live_same_mm(real, getpid(), getpid()); /* not by a kernel without kcmp() */
	same.vforked = live_same_mm(real, vforked, getpid());
	same.forked = live_same_mm(real, forked, getpid());
	snprintf(self, sizeof(self), "%s/self", dir);
	same.planted = live_same_mm(planted, vforked, getpid()) || symlink("/proc/self", self) ||
		       live_same_mm(planted, vforked, getpid()) || unlink(self);
	same.elsewhere = symlink("1234567890", self) || live_same_mm(planted, vforked, getpid()) ||
			 unlink(self);
	/* Before anything is found wrong: nobody is to be left behind. */
	if (vforked > 0 && !kill(vforked, SIGKILL))
		waitpid(vforked, NULL, 0);
	if (forked > 0 && !kill(forked, SIGKILL))
		waitpid(forked, NULL, 0);
	close(real);
	close(planted);
	assert_true(vforked > 0 && forked > 0);
	assert_false(same.forked);
	assert_false(same.planted);
	assert_false(same.elsewhere);
	if (!same.told)
		skip();
	assert_true(same.vforked);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_but_garbage), cmocka_unit_test(choices),
		cmocka_unit_test(numbers),	   cmocka_unit_test(another_with_its_number),
		cmocka_unit_test(safe_names),	   cmocka_unit_test(one_address_space),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
