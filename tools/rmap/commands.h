// SPDX-License-Identifier: BSD-2-Clause
/* The subcommands: each takes what follows its name (argv[0] is the name) and returns the exit code. */
#ifndef RMAP_TOOLS_COMMANDS_H
#define RMAP_TOOLS_COMMANDS_H

int cmd_breaks(int argc, char **argv);
int cmd_bugs(int argc, char **argv);
int cmd_compare(int argc, char **argv);
int cmd_draw(int argc, char **argv);
int cmd_import(int argc, char **argv);
int cmd_record(int argc, char **argv);
int cmd_run(int argc, char **argv);
int cmd_stress(int argc, char **argv);
int cmd_sharing(int argc, char **argv);
int cmd_verify(int argc, char **argv);
int cmd_who(int argc, char **argv);

#endif
