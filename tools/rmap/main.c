// SPDX-License-Identifier: BSD-2-Clause
/*
 * rmap: the command. Finds the subcommand and steps aside.
 */
#include "commands.h"
#include "output.h"

#include <stdio.h>
#include <string.h>

#ifndef RMAP_VERSION
#define RMAP_VERSION "0.1.0"
#endif

static const struct command {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *doc;
} commands[] = {
	{ "run", cmd_run, "carry out a workload, a record or a generator, and show what happened" },
	{ "compare", cmd_compare, "carry out one workload on each reverse map, side by side" },
	{ "draw", cmd_draw, "draw the live structures of a workload at a point of it, as SVG" },
	{ "record", cmd_record, "record a real program's memory, for rmap run" },
	{ "who", cmd_who, "say which processes of the running system map a page" },
	{ "sharing", cmd_sharing, "say what running processes share, and what broke off" },
	{ "import", cmd_import, "make a workload of running processes as they are" },
	{ "breaks", cmd_breaks,
	  "follow what breaks the sharing of running processes, by function" },
	{ "stress", cmd_stress, "let real threads do everything at once, on each reverse map" },
	{ "bugs", cmd_bugs, "put the bugs of history back, one at a time, and show who sees them" },
	{ "verify", cmd_verify, "carry out a workload on the running kernel, too, and compare" },
};

#define COMMANDS (sizeof(commands) / sizeof(commands[0]))

static const char examples[] =
	"\n"
	"Which page-table entries map this page? rmap runs a virtual memory manager with Linux's\n"
	"semantics on a reverse map that answers it, and shows what the answer costs.\n"
	"\n"
	"  rmap run fork-cow:children=200,pages=1000\n"
	"        a parent forks 200 children that write all pages: faults, COW, walks, memory\n"
	"  rmap run --phantom fork-cow:children=1000,pages=1000\n"
	"        the same at scale, with frames that hold no contents\n"
	"  rmap run --list\n"
	"        all generators and their parameters\n"
	"  rmap run --check=1 workloads/tour.rmw\n"
	"        a workload file, everything checked after every step\n"
	"  rmap run --frames 25% workloads/records/redis.rmrec\n"
	"        a recorded program in a quarter of the memory it had, swapping\n"
	"  rmap run --json fork-chain:generations=50 > chain.json\n"
	"        the figures for other programs\n"
	"  rmap compare --phantom fork-cow:children=1000,pages=1000\n"
	"        the same on every reverse map: looks, steps, bytes, time, side by side\n"
	"  rmap draw --at 12 -o tour.svg workloads/tour.rmw\n"
	"        processes, VMAs, anon_vmas, chains and pages as they are behind line 12\n"
	"  rmap record -o make.rmrec -- make -j4\n"
	"        record a program and all its children (as root)\n"
	"  rmap sharing --tree 4242\n"
	"        what a running server and its workers share, and what broke off\n"
	"  rmap who 4242 7f3a5c021000\n"
	"        who else maps the page that process 4242 has there\n"
	"  rmap import -o pg.rmrec --tree 4242\n"
	"        a workload of running processes as they are, for rmap compare\n"
	"  rmap breaks --tree 4242 --seconds 10\n"
	"        which functions break that sharing (as root)\n"
	"  rmap stress --threads 4 --seconds 60\n"
	"        a minute of real threads, on every reverse map\n"
	"  rmap bugs\n"
	"        the bugs that history paid for, each brought out, and seen by a check\n"
	"  rmap verify workloads/tour.rmw\n"
	"        the same on the kernel that runs, by real processes, compared step by step (as "
	"root)\n"
	"\n"
	"'rmap COMMAND --help' says more, as does 'man rmap-COMMAND'; rmap-workload(5) is the "
	"language\n"
	"of workloads.\n"
	"Exit code: 0 all is well; 1 something that was expected or checked is wrong; 2 the\n"
	"command line or a file cannot be used.\n";

static void usage(FILE *out)
{
	fprintf(out, "Usage: rmap COMMAND ...\n\n");
	for (size_t i = 0; i < COMMANDS; i++)
		fprintf(out, "  %-8s %s\n", commands[i].name, commands[i].doc);
	fputs(examples, out);
}

/* The command of that name; NULL, and a sentence: there is none. */
static const struct command *command_named(const char *name)
{
	for (size_t i = 0; i < COMMANDS; i++)
		if (!strcmp(name, commands[i].name))
			return &commands[i];
	fprintf(stderr, "rmap: there is no command '%s' (try 'rmap --help')\n", name);
	return NULL;
}

static int run_command(const struct command *command, int argc, char **argv)
{
	static char name[64];

	/* So that messages of option parsing begin with "rmap run:". */
	snprintf(name, sizeof(name), "rmap %s", command->name);
	argv[0] = name;
	return command->run(argc, argv);
}

int main(int argc, char **argv)
{
	static char help[] = "--help";
	const struct command *command;

	output_must_arrive("rmap");
	if (argc < 2) {
		fprintf(stderr, "rmap: a command is missing (try 'rmap --help')\n");
		return 2;
	}
	if (!strcmp(argv[1], "help") && argc > 2) {
		command = command_named(argv[2]);
		argv[2] = help;
		return command ? run_command(command, 2, argv + 1) : 2;
	}
	if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h") || !strcmp(argv[1], "help")) {
		usage(stdout);
		return 0;
	}
	if (!strcmp(argv[1], "--version") || !strcmp(argv[1], "-V")) {
		printf("rmap %s\n", RMAP_VERSION);
		return 0;
	}
	command = command_named(argv[1]);
	return command ? run_command(command, argc - 1, argv + 1) : 2;
}
