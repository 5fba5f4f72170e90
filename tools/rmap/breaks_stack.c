// SPDX-License-Identifier: BSD-2-Clause
/* Who called whom; see the header. */
#include "breaks_stack.h"
#include "breaks_index.h"
#include "breaks_jit.h"
#include "breaks_unwind.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <xxhash.h>

struct entry {
	size_t first; /* in frames[] */
	uint32_t nr;
	bool cut;
};

struct breaks_stacks {
	struct breaks_procs *procs;
	struct breaks_modules *modules;
	struct breaks_unwinder *unwinder;
	struct breaks_jit *jit;
	struct breaks_frame *frames;
	size_t nr_frames, cap_frames;
	struct entry *v;
	size_t nr, cap;
	struct breaks_index index;
};

struct breaks_stacks *breaks_stacks_new(struct breaks_procs *procs, struct breaks_modules *modules)
{
	struct breaks_stacks *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->procs = procs;
	s->modules = modules;
	s->unwinder = breaks_unwinder_new(modules);
	s->jit = breaks_jit_new();
	if (s->unwinder && s->jit)
		return s;
	breaks_stacks_free(s);
	return NULL;
}

void breaks_stacks_free(struct breaks_stacks *s)
{
	if (!s)
		return;
	breaks_unwinder_free(s->unwinder);
	breaks_jit_free(s->jit);
	breaks_index_free(&s->index);
	free(s->frames);
	free(s->v);
	free(s);
}

struct breaks_stack breaks_stacks_at(const struct breaks_stacks *s, uint32_t stack)
{
	const struct entry *e = &s->v[stack];

	return (struct breaks_stack){ &s->frames[e->first], e->nr, e->cut };
}

uint32_t breaks_stacks_nr(const struct breaks_stacks *s)
{
	return (uint32_t)s->nr;
}

const char *breaks_stacks_jit_name(const struct breaks_stacks *s, uint64_t name)
{
	return breaks_jit_name(s->jit, (uint32_t)name);
}

/* -- one stack -------------------------------------------------------------------------------- */

struct walk {
	struct breaks_frame frames[BREAKS_DEPTH];
	uint32_t nr;
	bool cut;
};

/* In perf's order, AX BX CX DX SI DI BP SP IP R8..., to DWARF's: AX DX CX BX SI DI BP SP R8... */
static struct breaks_regs to_dwarf(const uint64_t *perf)
{
	static const uint8_t from[BREAKS_DWARF_REGS] = { 0, 3,	2,  1,	4,  5,	6,  7,
							 9, 10, 11, 12, 13, 14, 15, 16 };
	struct breaks_regs regs = { .pc = perf[BREAKS_REG_IP], .known = 0xffff };

	for (int i = 0; i < BREAKS_DWARF_REGS; i++)
		regs.r[i] = perf[from[i]];
	return regs;
}

static const struct breaks_map *code_at(const struct breaks_stacks *s, uint32_t proc, uint64_t pc,
					bool ask)
{
	const struct breaks_map *map =
		ask ? breaks_procs_map(s->procs, proc, pc) : breaks_procs_look(s->procs, proc, pc);

	return map && map->prot & PROT_EXEC ? map : NULL;
}

static struct breaks_frame name_frame(struct breaks_stacks *s, uint32_t proc,
				      const struct breaks_map *map, uint64_t pc)
{
	uint32_t pid = breaks_procs_at(s->procs, proc)->pid, name;

	if (map && map->module != BREAKS_NONE) {
		breaks_module_open(s->modules, map->module, (pid_t)pid, map->start, map->end);
		return (struct breaks_frame){ breaks_module_address(s->modules, map->module,
								    pc - map->start + map->pgoff),
					      map->module, BREAKS_CODE };
	}
	name = map ? breaks_jit_find(s->jit, pid, pc) : BREAKS_NONE;
	if (name != BREAKS_NONE)
		return (struct breaks_frame){ name, BREAKS_NONE, BREAKS_JIT };
	return (struct breaks_frame){ pc, BREAKS_NONE, BREAKS_BARE };
}

/*
 * The first frame is the instruction itself. A return address stands behind the call, which may be the function's last
 * instruction, so callers are looked up one byte before; but a signal came between two instructions, not by a call.
 */
static void walk_user(struct breaks_stacks *s, uint32_t proc, const struct breaks_write *w,
		      struct walk *walk)
{
	struct breaks_regs regs = to_dwarf(w->regs);
	struct breaks_memory stack = { w->stack, w->regs[BREAKS_REG_SP], w->stack_size };
	bool exact = true;

	for (;;) {
		uint64_t pc = exact ? regs.pc : regs.pc - 1, sp = regs.r[BREAKS_DWARF_SP];
		const struct breaks_map *map = code_at(s, proc, pc, exact);
		struct breaks_frame *f;
		int ret = BREAKS_NO_RULE;

		if (!exact && !map) { /* a return address leads to code, or it is none */
			walk->cut = regs.pc != 0;
			return;
		}
		if (walk->nr == BREAKS_DEPTH) {
			walk->cut = true;
			return;
		}
		f = &walk->frames[walk->nr++];
		*f = name_frame(s, proc, map, pc);
		exact = false;
		if (f->kind == BREAKS_CODE)
			ret = breaks_unwind(s->unwinder, f->module, f->at, &stack, &regs, &exact);
		f->at += exact; /* its rule stands before it, its name does not */
		if (ret == BREAKS_NO_RULE)
			ret = breaks_unwind_frame_pointer(&stack, &regs);
		if (ret <= 0 || regs.r[BREAKS_DWARF_SP] <= sp) {
			walk->cut = ret != 0;
			return;
		}
	}
}

static uint32_t intern(struct breaks_stacks *s, const struct walk *walk)
{
	size_t size = walk->nr * sizeof(*walk->frames);
	uint64_t hash = XXH3_64bits_withSeed(walk->frames, size, walk->cut);
	struct breaks_frame *frames;
	struct entry *v;
	size_t cursor = 0;
	uint32_t at;

	while ((at = breaks_index_next(&s->index, hash, &cursor)) != BREAKS_NONE)
		if (s->v[at].nr == walk->nr && s->v[at].cut == walk->cut &&
		    !memcmp(&s->frames[s->v[at].first], walk->frames, size))
			return at;
	v = breaks_grow(s->v, s->nr, &s->cap, sizeof(*v));
	if (!v)
		return BREAKS_NONE;
	s->v = v;
	while (s->nr_frames + walk->nr > s->cap_frames) {
		frames = breaks_grow(s->frames, s->cap_frames, &s->cap_frames, sizeof(*frames));
		if (!frames)
			return BREAKS_NONE;
		s->frames = frames;
	}
	if (breaks_index_put(&s->index, hash, (uint32_t)s->nr))
		return BREAKS_NONE;
	if (walk->nr)
		memcpy(&s->frames[s->nr_frames], walk->frames, size);
	v[s->nr] = (struct entry){ s->nr_frames, walk->nr, walk->cut };
	s->nr_frames += walk->nr;
	return (uint32_t)s->nr++;
}

uint32_t breaks_stacks_add(struct breaks_stacks *s, uint32_t proc, const struct breaks_write *write)
{
	struct walk walk;

	walk.nr = 0;
	walk.cut = false;
	for (size_t i = 0; i < write->nr_chain && walk.nr < BREAKS_DEPTH / 2; i++)
		walk.frames[walk.nr++] =
			(struct breaks_frame){ write->chain[i], BREAKS_NONE, BREAKS_KERNEL };
	if (write->regs) {
		walk_user(s, proc, write, &walk);
	} else if (!write->in_kernel) {
		walk.frames[walk.nr++] =
			name_frame(s, proc, code_at(s, proc, write->ip, true), write->ip);
		walk.cut = true;
	}
	return intern(s, &walk);
}
