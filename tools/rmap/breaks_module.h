/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The files that code comes from: programs and libraries, and the vdso. elfutils reads them; a file is opened while a process that
 * maps it lives, by that process's own link to it, so that one which was deleted or replaced since is still the right one.
 *
 * Addresses here are the file's own, as its symbols have them.
 */
#ifndef RMAP_TOOLS_BREAKS_MODULE_H
#define RMAP_TOOLS_BREAKS_MODULE_H

#include <elfutils/libdw.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct breaks_modules;

struct breaks_modules *breaks_modules_new(bool debuginfod);
void breaks_modules_free(struct breaks_modules *ms);
/* The number of a file, the same each time; BREAKS_NONE without memory. */
uint32_t breaks_module_find(struct breaks_modules *ms, uint64_t dev, uint64_t ino,
			    const char *path);
uint32_t breaks_modules_nr(const struct breaks_modules *ms);

/*
 * Opens it, by the mapping [start, end) of process @pid; from then on that is done. Of a file that cannot be read, or has become
 * another one, only offsets are known; breaks_module_problem() says why.
 */
void breaks_module_open(struct breaks_modules *ms, uint32_t module, pid_t pid, uint64_t start,
			uint64_t end);
/* The address that stands at this offset of the file; the offset itself when there is none. */
uint64_t breaks_module_address(const struct breaks_modules *ms, uint32_t module, uint64_t offset);
/* How to leave the frame of the code at @addr; NULL: unknown. The caller frees it. */
Dwarf_Frame *breaks_module_frame(struct breaks_modules *ms, uint32_t module, uint64_t addr);

struct breaks_place {
	const char *function; /* NULL: unknown */
	uint64_t offset;      /* from where it begins, if debug information does not say the line */
	const char *file;     /* of the source, NULL: unknown */
	int line;
	bool inlined; /* into the next place */
};

/* What stands at @addr, innermost inlined function first. At least one place, at most @max. */
size_t breaks_module_describe(struct breaks_modules *ms, uint32_t module, uint64_t addr,
			      struct breaks_place *places, size_t max);

const char *breaks_module_path(const struct breaks_modules *ms, uint32_t module);
/* Behind the last slash. */
const char *breaks_module_name(const struct breaks_modules *ms, uint32_t module);
/* Whether anything in it was looked at. */
bool breaks_module_used(const struct breaks_modules *ms, uint32_t module);
/* Why its functions or its lines are not known; NULL: both are. */
const char *breaks_module_problem(struct breaks_modules *ms, uint32_t module);

#endif
