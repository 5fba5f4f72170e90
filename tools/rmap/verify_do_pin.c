// SPDX-License-Identifier: BSD-2-Clause
/*
 * Pins of a workload on the live side; what each is made of, verify_pins.h says.
 */
#include "verify_do.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#ifdef __x86_64__

static struct verify_pin **pin_of(struct verify_session *s, uint32_t id)
{
	struct verify_pin **pin = &s->pins;

	while (*pin && (*pin)->id != id)
		pin = &(*pin)->next;
	return pin;
}

static void drop_pin(struct verify_pin **pin)
{
	struct verify_pin *gone = *pin;

	*pin = gone->next;
	live_unpin(&gone->live);
	free(gone);
}

void verify_drop_pins(struct verify_session *s)
{
	while (s->pins)
		drop_pin(&s->pins);
}

/* The engine's page behind a pin. */
static const void *engine_pinned(struct verify_session *s, uint32_t id, struct page **page)
{
	struct pin *pin = s->runner->pins;

	while (pin && pin->id != id)
		pin = pin->next;
	if (page)
		*page = pin ? pin->page : NULL;
	return pin ? mm_page_data(s->runner->sys, pin->page) : NULL;
}

static enum verify_result new_pin(struct verify_session *s, const struct op *op)
{
	struct verify_pin *pin;
	struct puppet *p;
	enum verify_result ret = verify_need(s, op->proc, &p);
	uint64_t addr = op->addr.off & RMAP_PAGE_MASK;
	const void *bytes = engine_pinned(s, op->pin, NULL);
	int error;

	if (ret != VERIFY_AGREE)
		return ret;
	pin = calloc(1, sizeof(*pin));
	if (!pin)
		return verify_say(s, VERIFY_BAD, "out of memory");
	pin->id = op->pin;
	s->touched.who[0] = p;
	touch(s, addr, RMAP_PAGE_SIZE);
	memset(s->page, 0, RMAP_PAGE_SIZE);
	error = live_pin(p, addr, op->flags, bytes ? bytes : s->page, &pin->live);
	if (error)
		free(pin);
	if (error > 0)
		return verify_say(s, VERIFY_UNABLE, "pin: this machine does not let us");
	verify_rule(s, RULE_PINS);
	s->live_error = error == -EFAULT && s->engine_error ? s->engine_error : error;
	if (error)
		return VERIFY_AGREE;
	pin->next = s->pins;
	s->pins = pin;
	return VERIFY_AGREE;
}

/* A debugger's hold finds its page by address: is it still the one that the engine holds? */
static bool still_there(struct verify_session *s, const struct verify_pin *pin, struct page *page)
{
	struct puppet *p = NULL;
	struct mm_page_info info;

	if (!(pin->live.flags & MM_PIN_FORCE))
		return true;
	while ((p = live_next(s->live, p))) {
		struct mm *mm = runner_mm(s->runner, p->id);

		if (!mm)
			continue;
		mm_page_info(mm, pin->live.addr, &info);
		if (info.state == MM_PAGE_PRESENT && info.page == page)
			return true;
	}
	return false;
}

/* All who map the page see what a pin writes: they are compared in full. */
static enum verify_result use_pin(struct verify_session *s, const struct op *op,
				  struct verify_pin *pin)
{
	unsigned char live[RMAP_PAGE_SIZE];
	struct page *page;
	const void *bytes = engine_pinned(s, op->pin, &page);
	int error;

	if (!bytes || !still_there(s, pin, page))
		return verify_say(s, VERIFY_UNABLE,
				  "a debugger's hold on a page that was replaced");
	error = op->kind == OP_PIN_WRITE ? live_pin_write(&pin->live, bytes)
					 : live_pin_read(&pin->live, live);
	if (error)
		return verify_say(s, VERIFY_UNABLE, "%s: %s", op_kind_name(op->kind),
				  strerror(-error));
	if (op->kind == OP_PIN_READ && memcmp(live, bytes, RMAP_PAGE_SIZE) != 0)
		return verify_say(s, VERIFY_DIFFER, "what a pin reads differs");
	s->since_full = s->options.full_every;
	return VERIFY_AGREE;
}

enum verify_result verify_do_pin(struct verify_session *s, const struct op *op)
{
	struct verify_pin **pin;

	if (op->kind == OP_PIN)
		return new_pin(s, op);
	pin = pin_of(s, op->pin);
	if (!*pin)
		return verify_say(s, VERIFY_BAD, "this pin is not held");
	if (op->kind != OP_UNPIN)
		return use_pin(s, op, *pin);
	drop_pin(pin);
	return VERIFY_AGREE;
}

#endif
