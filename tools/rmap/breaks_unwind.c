// SPDX-License-Identifier: BSD-2-Clause
/*
 * One frame left; see the header, and breaks_stack.h for why.
 *
 * Nearly every rule is of one form: the caller's stack pointer is a register plus a number, the return address stands below it, and
 * so do the registers that were saved. That is kept in 40 bytes. Others (the table of stubs through which libraries are called, the
 * frame of a signal handler) are little programs; elfutils' form of those is kept and carried out each time.
 */
#include "breaks_unwind.h"
#include "breaks_index.h"

#include <dwarf.h>
#include <stdlib.h>
#include <string.h>

enum { RBX = 3, RBP = 6, RSP = BREAKS_DWARF_SP, R12 = 12 };

#define SAVED	 6
#define SAME	 INT32_MIN	 /* the caller's register is the callee's */
#define LOST	 (INT32_MIN + 1) /* nobody knows it */
#define MAX_OPS	 64
#define MAX_RULE (1 << 20) /* offsets beyond that are no frame's */

/* Those that a function has to leave as they were. */
static const uint8_t saved_regs[SAVED] = { RBX, RBP, 12, 13, 14, 15 };

enum form { NO_RULE, PLAIN, PROGRAM };

struct rule {
	uint64_t addr;
	uint32_t module;
	uint8_t form, cfa_reg;
	bool signal, last; /* last: there is no caller */
	int32_t cfa, ret;  /* offsets: to the register, to the CFA */
	int32_t saved[SAVED];
	Dwarf_Frame *frame; /* PROGRAM */
};

struct breaks_unwinder {
	struct breaks_modules *modules;
	struct rule *rules;
	size_t nr, cap;
	struct breaks_index index;
};

struct breaks_unwinder *breaks_unwinder_new(struct breaks_modules *modules)
{
	struct breaks_unwinder *u = calloc(1, sizeof(*u));

	if (u)
		u->modules = modules;
	return u;
}

void breaks_unwinder_free(struct breaks_unwinder *u)
{
	if (!u)
		return;
	for (size_t i = 0; i < u->nr; i++)
		free(u->rules[i].frame);
	breaks_index_free(&u->index);
	free(u->rules);
	free(u);
}

/* -- reading a rule --------------------------------------------------------------------------- */

/* A register plus a number. */
static bool plain_cfa(Dwarf_Frame *frame, struct rule *rule)
{
	int64_t offset;
	Dwarf_Op *ops;
	uint64_t reg;
	size_t nr;

	if (dwarf_frame_cfa(frame, &ops, &nr) || nr != 1)
		return false;
	if (ops[0].atom == DW_OP_bregx) {
		reg = ops[0].number;
		offset = (int64_t)ops[0].number2;
	} else if (ops[0].atom >= DW_OP_breg0 && ops[0].atom <= DW_OP_breg31) {
		reg = (uint64_t)(ops[0].atom - DW_OP_breg0);
		offset = (int64_t)ops[0].number;
	} else {
		return false;
	}
	if (reg >= BREAKS_DWARF_REGS || offset < -MAX_RULE || offset > MAX_RULE)
		return false;
	rule->cfa_reg = (uint8_t)reg;
	rule->cfa = (int32_t)offset;
	return true;
}

/* Saved at the CFA plus a number, the same as before, or lost. */
static bool plain_register(Dwarf_Frame *frame, int reg, int32_t *where)
{
	Dwarf_Op mem[3], *ops;
	int64_t offset;
	size_t nr;

	if (dwarf_frame_register(frame, reg, mem, &ops, &nr))
		return false;
	if (!nr) {
		*where = ops ? LOST : SAME;
		return true;
	}
	if (ops[0].atom != DW_OP_call_frame_cfa || nr > 2 ||
	    (nr == 2 && ops[1].atom != DW_OP_plus_uconst))
		return false;
	offset = nr == 2 ? (int64_t)ops[1].number : 0;
	if (offset < -MAX_RULE || offset > MAX_RULE)
		return false;
	*where = (int32_t)offset;
	return true;
}

static bool plain_rule(Dwarf_Frame *frame, int ret, struct rule *rule)
{
	if (!plain_cfa(frame, rule) || !plain_register(frame, ret, &rule->ret) || rule->ret == SAME)
		return false;
	for (int i = 0; i < SAVED; i++)
		if (!plain_register(frame, saved_regs[i], &rule->saved[i]))
			return false;
	rule->last = rule->ret == LOST;
	return true;
}

static void read_rule(struct breaks_unwinder *u, struct rule *rule)
{
	Dwarf_Addr start, end;
	Dwarf_Frame *frame = breaks_module_frame(u->modules, rule->module, rule->addr);
	Dwarf_Op mem[3], *ops;
	size_t nr;
	int ret;

	if (!frame)
		return;
	ret = dwarf_frame_info(frame, &start, &end, &rule->signal);
	if (ret != BREAKS_DWARF_REGS) { /* the return address has a number of its own */
		free(frame);
		return;
	}
	if (plain_rule(frame, ret, rule)) {
		rule->form = PLAIN;
		free(frame);
		return;
	}
	rule->form = PROGRAM;
	rule->frame = frame;
	rule->last = !dwarf_frame_register(frame, ret, mem, &ops, &nr) && !nr && ops;
}

static const struct rule *find_rule(struct breaks_unwinder *u, uint32_t module, uint64_t addr)
{
	uint64_t hash = breaks_hash(addr + ((uint64_t)module << 48));
	struct rule *rules;
	size_t cursor = 0;
	uint32_t at;

	while ((at = breaks_index_next(&u->index, hash, &cursor)) != BREAKS_NONE)
		if (u->rules[at].addr == addr && u->rules[at].module == module)
			return &u->rules[at];
	rules = breaks_grow(u->rules, u->nr, &u->cap, sizeof(*rules));
	if (!rules)
		return NULL;
	u->rules = rules;
	rules[u->nr] = (struct rule){ .addr = addr, .module = module };
	read_rule(u, &rules[u->nr]);
	if (breaks_index_put(&u->index, hash, (uint32_t)u->nr)) {
		free(rules[u->nr].frame);
		return NULL;
	}
	return &rules[u->nr++];
}

/* -- carrying one out ------------------------------------------------------------------------- */

static bool load(const struct breaks_memory *m, uint64_t addr, uint64_t *value)
{
	if (addr < m->addr || m->size < 8 || addr - m->addr > m->size - 8)
		return false;
	memcpy(value, m->bytes + (addr - m->addr), 8);
	return true;
}

static bool known(const struct breaks_regs *regs, uint64_t reg)
{
	return reg < BREAKS_DWARF_REGS && regs->known >> reg & 1;
}

/* What rules that are programs compute with. */
struct machine {
	const struct breaks_regs *regs;
	const struct breaks_memory *memory;
	uint64_t cfa;
	uint64_t s[MAX_OPS + 1]; /* s[n] is the top */
	size_t n;
	bool place; /* the result is where the value stands */
};

enum done { NOT_MINE, DONE, IMPOSSIBLE };

static enum done push(struct machine *m, const Dwarf_Op *op)
{
	uint64_t reg = op->number, offset = op->number2;

	if (op->atom >= DW_OP_lit0 && op->atom <= DW_OP_lit31) {
		m->s[++m->n] = (uint64_t)(op->atom - DW_OP_lit0);
		return DONE;
	}
	if (op->atom >= DW_OP_breg0 && op->atom <= DW_OP_breg31) {
		reg = (uint64_t)(op->atom - DW_OP_breg0);
		offset = op->number;
	} else if (op->atom != DW_OP_bregx) {
		return NOT_MINE;
	}
	if (!known(m->regs, reg) && reg != BREAKS_DWARF_REGS)
		return IMPOSSIBLE;
	m->s[++m->n] = (reg == BREAKS_DWARF_REGS ? m->regs->pc : m->regs->r[reg]) + offset;
	return DONE;
}

static enum done push_constant(struct machine *m, const Dwarf_Op *op)
{
	switch (op->atom) {
	case DW_OP_call_frame_cfa:
		m->s[++m->n] = m->cfa;
		return DONE;
	case DW_OP_const1u:
	case DW_OP_const1s:
	case DW_OP_const2u:
	case DW_OP_const2s:
	case DW_OP_const4u:
	case DW_OP_const4s:
	case DW_OP_const8u:
	case DW_OP_const8s:
	case DW_OP_constu:
	case DW_OP_consts:
		m->s[++m->n] = op->number;
		return DONE;
	default:
		return NOT_MINE;
	}
}

static enum done of_one(struct machine *m, const Dwarf_Op *op)
{
	uint64_t *top = &m->s[m->n];

	if (!m->n)
		return IMPOSSIBLE;
	switch (op->atom) {
	case DW_OP_deref:
		return load(m->memory, *top, top) ? DONE : IMPOSSIBLE;
	case DW_OP_plus_uconst:
		*top += op->number;
		return DONE;
	case DW_OP_stack_value:
		m->place = false;
		return DONE;
	default:
		return NOT_MINE;
	}
}

static enum done of_two(struct machine *m, const Dwarf_Op *op)
{
	uint64_t *a = &m->s[m->n - 1], b = m->s[m->n];

	if (m->n < 2)
		return IMPOSSIBLE;
	m->n--;
	switch (op->atom) {
	case DW_OP_plus:
		*a += b;
		return DONE;
	case DW_OP_minus:
		*a -= b;
		return DONE;
	case DW_OP_mul:
		*a *= b;
		return DONE;
	case DW_OP_and:
		*a &= b;
		return DONE;
	case DW_OP_shl:
		*a = b < 64 ? *a << b : 0;
		return DONE;
	case DW_OP_ge:
		*a = (int64_t)*a >= (int64_t)b;
		return DONE;
	default:
		return IMPOSSIBLE;
	}
}

/* The operations that such rules are made of; another one makes the rule useless. */
static bool compute(struct machine *m, const Dwarf_Op *ops, size_t nr, uint64_t *result)
{
	static enum done (*const kinds[])(
		struct machine *, const Dwarf_Op *) = { push, push_constant, of_one, of_two };

	m->n = 0;
	m->place = true;
	for (size_t i = 0; i < nr; i++) {
		enum done done = NOT_MINE;

		if (m->n == MAX_OPS)
			return false;
		for (size_t k = 0; k < 4 && done == NOT_MINE; k++)
			done = kinds[k](m, &ops[i]);
		if (done != DONE)
			return false;
	}
	*result = m->s[m->n]; /* below it may stand the CFA, which an expression finds there */
	return m->n > 0;
}

/* A register of the caller by elfutils' words for it. false: lost. */
static bool caller_register(struct machine *m, Dwarf_Frame *frame, int reg, uint64_t *value)
{
	Dwarf_Op mem[3], *ops;
	size_t nr;

	if (dwarf_frame_register(frame, reg, mem, &ops, &nr))
		return false;
	if (!nr) {
		if (ops || !known(m->regs, (uint64_t)reg))
			return false;
		*value = m->regs->r[reg];
		return true;
	}
	if (nr == 1 && ops[0].atom == DW_OP_regx) {
		if (!known(m->regs, ops[0].number))
			return false;
		*value = m->regs->r[ops[0].number];
		return true;
	}
	if (!compute(m, ops, nr, value))
		return false;
	return !m->place || load(m->memory, *value, value);
}

/* A call leaves what its function saves; the frame of a signal's handler has all registers. */
static int run_program(const struct rule *rule, const struct breaks_memory *memory,
		       struct breaks_regs *regs)
{
	struct machine m = { .regs = regs, .memory = memory };
	struct breaks_regs caller = { 0 };
	Dwarf_Op *ops;
	size_t nr;

	if (dwarf_frame_cfa(rule->frame, &ops, &nr) || !nr || !compute(&m, ops, nr, &m.cfa) ||
	    !caller_register(&m, rule->frame, BREAKS_DWARF_REGS, &caller.pc))
		return -1;
	for (int i = 0; i < BREAKS_DWARF_REGS; i++) {
		if (!rule->signal && i < R12 && i != RBX && i != RBP)
			continue;
		if (caller_register(&m, rule->frame, i, &caller.r[i]))
			caller.known |= 1u << i;
	}
	if (!rule->signal) {
		caller.r[RSP] = m.cfa;
		caller.known |= 1u << RSP;
	}
	*regs = caller;
	return 1;
}

static int run_plain(const struct rule *rule, const struct breaks_memory *m,
		     struct breaks_regs *regs)
{
	struct breaks_regs caller = { .known = 1u << RSP };
	uint64_t cfa;

	if (!known(regs, rule->cfa_reg))
		return -1;
	cfa = regs->r[rule->cfa_reg] + (uint64_t)(int64_t)rule->cfa;
	if (!load(m, cfa + (uint64_t)(int64_t)rule->ret, &caller.pc))
		return -1;
	caller.r[RSP] = cfa;
	for (int i = 0; i < SAVED; i++) {
		uint8_t reg = saved_regs[i];
		int32_t where = rule->saved[i];
		bool have = where != LOST;

		if (where == SAME) {
			have = known(regs, reg);
			caller.r[reg] = regs->r[reg];
		} else if (have) {
			have = load(m, cfa + (uint64_t)(int64_t)where, &caller.r[reg]);
		}
		if (have)
			caller.known |= 1u << reg;
	}
	*regs = caller;
	return 1;
}

int breaks_unwind(struct breaks_unwinder *u, uint32_t module, uint64_t addr,
		  const struct breaks_memory *stack, struct breaks_regs *regs, bool *signal)
{
	const struct rule *rule = find_rule(u, module, addr);

	*signal = rule && rule->signal;
	if (!rule || rule->form == NO_RULE)
		return BREAKS_NO_RULE;
	if (rule->last)
		return 0;
	return rule->form == PLAIN ? run_plain(rule, stack, regs) : run_program(rule, stack, regs);
}

int breaks_unwind_frame_pointer(const struct breaks_memory *stack, struct breaks_regs *regs)
{
	struct breaks_regs caller = { .known = 1u << RSP | 1u << RBP };
	uint64_t fp = regs->r[RBP];

	if (known(regs, RBP) && !fp)
		return 0;
	if (!known(regs, RBP) || fp & 7 || fp < regs->r[RSP] || !load(stack, fp, &caller.r[RBP]) ||
	    !load(stack, fp + 8, &caller.pc))
		return -1;
	caller.r[RSP] = fp + 16;
	*regs = caller;
	return 1;
}
