// SPDX-License-Identifier: BSD-2-Clause
/*
 * The files that code comes from; see the header.
 *
 * Each has a Dwfl of its own, based at 0: programs that are not position-independent all want the same addresses. Separate debug
 * information is found by build-id below /usr/lib/debug, as debuggers do. debuginfod would ask servers on the network, so it is off
 * unless it is wanted.
 */
#include "breaks_module.h"
#include "breaks_index.h"

#include <dwarf.h>
#include <elfutils/libdwfl.h>
#include <fcntl.h>
#include <gelf.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

struct segment {
	uint64_t offset, size, addr;
};

struct module {
	uint64_t dev, ino;
	char *path;
	bool tried;
	Dwfl *dwfl;
	Dwfl_Module *mod;
	struct segment *segments;
	size_t nr_segments;
	const char *problem;
};

struct breaks_modules {
	struct module *v;
	size_t nr, cap;
	struct breaks_index index;
	char *debuginfo_path;
	Dwfl_Callbacks callbacks;
};

struct breaks_modules *breaks_modules_new(bool debuginfod)
{
	struct breaks_modules *ms = calloc(1, sizeof(*ms));

	if (!debuginfod)
		unsetenv("DEBUGINFOD_URLS"); /* libdwfl looks at nothing else */
	if (ms)
		ms->callbacks = (Dwfl_Callbacks){ .find_elf = dwfl_build_id_find_elf,
						  .find_debuginfo = dwfl_standard_find_debuginfo,
						  .section_address = dwfl_offline_section_address,
						  .debuginfo_path = &ms->debuginfo_path };
	return ms;
}

void breaks_modules_free(struct breaks_modules *ms)
{
	if (!ms)
		return;
	for (size_t i = 0; i < ms->nr; i++) {
		if (ms->v[i].dwfl)
			dwfl_end(ms->v[i].dwfl);
		free(ms->v[i].segments);
		free(ms->v[i].path);
	}
	breaks_index_free(&ms->index);
	free(ms->v);
	free(ms);
}

uint32_t breaks_module_find(struct breaks_modules *ms, uint64_t dev, uint64_t ino, const char *path)
{
	uint64_t hash = breaks_hash(ino) ^ dev ^ XXH3_64bits(path, strlen(path));
	struct module *v;
	size_t cursor = 0;
	uint32_t at;

	while ((at = breaks_index_next(&ms->index, hash, &cursor)) != BREAKS_NONE)
		if (ms->v[at].dev == dev && ms->v[at].ino == ino && !strcmp(ms->v[at].path, path))
			return at;
	v = breaks_grow(ms->v, ms->nr, &ms->cap, sizeof(*v));
	if (!v)
		return BREAKS_NONE;
	ms->v = v;
	v[ms->nr] = (struct module){ .dev = dev, .ino = ino, .path = strdup(path) };
	if (!v[ms->nr].path || breaks_index_put(&ms->index, hash, (uint32_t)ms->nr)) {
		free(v[ms->nr].path);
		return BREAKS_NONE;
	}
	return (uint32_t)ms->nr++;
}

uint32_t breaks_modules_nr(const struct breaks_modules *ms)
{
	return (uint32_t)ms->nr;
}

const char *breaks_module_path(const struct breaks_modules *ms, uint32_t module)
{
	return ms->v[module].path;
}

const char *breaks_module_name(const struct breaks_modules *ms, uint32_t module)
{
	const char *slash = strrchr(ms->v[module].path, '/');

	return slash && slash[1] ? slash + 1 : ms->v[module].path;
}

/* -- opening ---------------------------------------------------------------------------------- */

/* Every process has the same vdso, and so have we. */
static int open_vdso(void)
{
	const uint8_t *image =
		(const uint8_t *)getauxval(AT_SYSINFO_EHDR); // NOLINT: it is an address
	const Elf64_Ehdr *head = (const void *)image;
	size_t size;
	int fd;

	if (!image)
		return -1;
	size = head->e_shoff + (size_t)head->e_shnum * head->e_shentsize;
	fd = memfd_create("vdso", MFD_CLOEXEC);
	if (fd >= 0 && write(fd, image, size) != (ssize_t)size) {
		close(fd);
		return -1;
	}
	return fd;
}

static int open_if_same(const char *path, uint64_t ino)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	struct stat st;

	if (fd < 0)
		return -1;
	if (fstat(fd, &st) || !S_ISREG(st.st_mode) || st.st_ino != ino) {
		close(fd);
		return -1;
	}
	return fd;
}

/* Its own link to what it maps; else the path as the process sees it; else as we do. */
static int open_file(struct module *m, pid_t pid, uint64_t start, uint64_t end)
{
	char path[4200];
	int fd;

	if (!strcmp(m->path, "[vdso]"))
		return open_vdso();
	if (m->path[0] != '/') {
		m->problem = "it is no file";
		return -1;
	}
	snprintf(path, sizeof(path), "/proc/%d/map_files/%" PRIx64 "-%" PRIx64, (int)pid, start,
		 end);
	fd = open_if_same(path, m->ino);
	if (fd < 0) {
		snprintf(path, sizeof(path), "/proc/%d/root%s", (int)pid, m->path);
		fd = open_if_same(path, m->ino);
	}
	if (fd < 0)
		fd = open_if_same(m->path, m->ino);
	if (fd < 0)
		m->problem = access(m->path, R_OK) ? "the file cannot be read any more"
						   : "the file was replaced since";
	return fd;
}

static void read_segments(struct module *m)
{
	GElf_Addr bias;
	Elf *elf = dwfl_module_getelf(m->mod, &bias);
	size_t nr = 0;

	if (!elf || elf_getphdrnum(elf, &nr) || !nr)
		return;
	m->segments = calloc(nr, sizeof(*m->segments));
	for (size_t i = 0; i < nr && m->segments; i++) {
		GElf_Phdr ph;

		if (!gelf_getphdr(elf, (int)i, &ph) || ph.p_type != PT_LOAD)
			continue;
		m->segments[m->nr_segments++] =
			(struct segment){ ph.p_offset, ph.p_filesz, ph.p_vaddr };
	}
}

void breaks_module_open(struct breaks_modules *ms, uint32_t module, pid_t pid, uint64_t start,
			uint64_t end)
{
	struct module *m = &ms->v[module];
	int fd;

	if (m->tried)
		return;
	m->tried = true;
	fd = open_file(m, pid, start, end);
	if (fd < 0)
		return;
	m->dwfl = dwfl_begin(&ms->callbacks);
	if (m->dwfl) {
		dwfl_report_begin(m->dwfl);
		m->mod = dwfl_report_elf(m->dwfl, m->path, m->path, fd, 0, true);
		dwfl_report_end(m->dwfl, NULL, NULL);
	}
	if (!m->mod) { /* else the descriptor is libdwfl's */
		close(fd);
		m->problem = "it is no program";
		return;
	}
	read_segments(m);
}

uint64_t breaks_module_address(const struct breaks_modules *ms, uint32_t module, uint64_t offset)
{
	const struct module *m = &ms->v[module];

	for (size_t i = 0; i < m->nr_segments; i++) {
		const struct segment *s = &m->segments[i];

		if (offset >= s->offset && offset - s->offset < s->size)
			return offset - s->offset + s->addr;
	}
	return offset;
}

Dwarf_Frame *breaks_module_frame(struct breaks_modules *ms, uint32_t module, uint64_t addr)
{
	struct module *m = &ms->v[module];
	Dwarf_Frame *frame = NULL;
	Dwarf_Addr bias = 0;
	Dwarf_CFI *cfi;

	if (!m->mod)
		return NULL;
	cfi = dwfl_module_eh_cfi(m->mod, &bias);
	if (cfi && !dwarf_cfi_addrframe(cfi, addr - bias, &frame))
		return frame;
	cfi = dwfl_module_dwarf_cfi(m->mod, &bias);
	if (cfi && !dwarf_cfi_addrframe(cfi, addr - bias, &frame))
		return frame;
	return NULL;
}

/* -- functions and lines ---------------------------------------------------------------------- */

/* Where an inlined function was called, in the words of the function that it is inlined into. */
static void call_site(Dwarf_Die *cu, Dwarf_Die *inlined, struct breaks_place *outer)
{
	Dwarf_Attribute attr;
	Dwarf_Files *files;
	Dwarf_Word n;
	size_t nr;

	if (!dwarf_formudata(dwarf_attr(inlined, DW_AT_call_line, &attr), &n))
		outer->line = (int)n;
	if (!dwarf_formudata(dwarf_attr(inlined, DW_AT_call_file, &attr), &n) &&
	    !dwarf_getsrcfiles(cu, &files, &nr) && n < nr)
		outer->file = dwarf_filesrc(files, (size_t)n, NULL, NULL);
}

static size_t by_scopes(Dwarf_Die *cu, Dwarf_Addr addr, struct breaks_place *places, size_t max)
{
	Dwarf_Die *scopes = NULL, *nest = NULL;
	int nr = dwarf_getscopes(cu, addr, &scopes);
	size_t n = 0;

	/* The first list goes on where an inlined function was written; what is wanted is where it was put. */
	if (nr > 0)
		nr = dwarf_getscopes_die(&scopes[0], &nest);
	for (int i = 0; i < nr && n < max; i++) {
		int tag = dwarf_tag(&nest[i]);

		if (tag != DW_TAG_inlined_subroutine && tag != DW_TAG_subprogram)
			continue;
		places[n].function = dwarf_diename(&nest[i]);
		n++;
		if (tag == DW_TAG_subprogram || n == max)
			break;
		places[n - 1].inlined = true;
		places[n] = (struct breaks_place){ 0 };
		call_site(cu, &nest[i], &places[n]);
	}
	free(scopes);
	free(nest);
	return n;
}

size_t breaks_module_describe(struct breaks_modules *ms, uint32_t module, uint64_t addr,
			      struct breaks_place *places, size_t max)
{
	struct module *m = &ms->v[module];
	const char *symbol;
	Dwarf_Addr bias;
	GElf_Off offset = 0;
	GElf_Sym sym;
	Dwfl_Line *line;
	Dwarf_Die *cu;
	size_t n = 0;

	places[0] = (struct breaks_place){ 0 };
	if (!m->mod)
		return 1;
	line = dwfl_module_getsrc(m->mod, addr);
	if (line)
		places[0].file = dwfl_lineinfo(line, NULL, &places[0].line, NULL, NULL, NULL);
	cu = dwfl_module_addrdie(m->mod, addr, &bias);
	if (cu)
		n = by_scopes(cu, addr - bias, places, max);
	if (n && places[n - 1].function)
		return n;
	if (!n)
		n = 1;
	symbol = dwfl_module_addrinfo(m->mod, addr, &offset, &sym, NULL, NULL, NULL);
	if (symbol && (!sym.st_size || offset < sym.st_size)) {
		places[n - 1].function = symbol;
		places[n - 1].offset = offset;
	}
	return n;
}

bool breaks_module_used(const struct breaks_modules *ms, uint32_t module)
{
	return ms->v[module].tried;
}

const char *breaks_module_problem(struct breaks_modules *ms, uint32_t module)
{
	struct module *m = &ms->v[module];
	Dwarf_Addr bias;

	if (m->problem || !m->mod)
		return m->problem;
	if (dwfl_module_getdwarf(m->mod, &bias))
		return NULL;
	for (int i = dwfl_module_getsymtab(m->mod) - 1; i > 0; i--) {
		GElf_Sym sym;
		const char *name = dwfl_module_getsym(m->mod, i, &sym, NULL);

		/* What is left when it was stripped are exported ones; a local one is the rest's sign. */
		if (name && GELF_ST_TYPE(sym.st_info) == STT_FUNC &&
		    GELF_ST_BIND(sym.st_info) == STB_LOCAL)
			return "no debug information: functions, no lines";
	}
	return "stripped: only the functions that it exports have names";
}
