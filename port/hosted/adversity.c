// SPDX-License-Identifier: BSD-2-Clause
/*
 * A machine that is hard on its user, on purpose: it refuses objects, and its devices take their time.
 *
 * The port of such a machine has these functions in front of the usual ones; any other machine pays nothing for them. They do nothing
 * until hosted_adversity() says so, so that what a run begins with can be made in peace.
 *
 * A slow transfer is one as a disk does it by itself: half of the page is taken from memory, or put there, and the other half only
 * after a wait. Whoever reads a page before it is all there, or writes to one that is on its way out, is found out by its contents.
 */
#include "machine.h"

#include <time.h>

/* Any number, the same ones in the same order as long as one thread asks. */
static uint64_t draw(struct hosted *h)
{
	uint64_t n = atomic_fetch_add_explicit(&h->adversity.draws, 1, memory_order_relaxed);

	/* splitmix64 (Steele, Lea, Flood 2014) */
	n = h->adversity.seed + (n + 1) * 0x9e3779b97f4a7c15u;
	n = (n ^ n >> 30) * 0xbf58476d1ce4e5b9u;
	n = (n ^ n >> 27) * 0x94d049bb133111ebu;
	return n ^ n >> 31;
}

static bool on(const struct hosted *h)
{
	return atomic_load_explicit(&h->adversity.on, memory_order_relaxed);
}

void hosted_adversity(struct hosted *h, bool begin)
{
	atomic_store_explicit(&h->adversity.on, begin, memory_order_relaxed);
}

uint64_t hosted_refusals(const struct hosted *h)
{
	return atomic_load_explicit(&h->adversity.refused, memory_order_relaxed);
}

static void *alloc_or_refuse(void *ctx, enum rmap_kind kind, size_t size)
{
	struct hosted *h = ctx;

	if (!on(h) || draw(h) % h->adversity.refuse_one_in)
		return hosted_cache_alloc(ctx, kind, size);
	HOSTED_MAY_SLEEP("alloc");
	atomic_fetch_add_explicit(&h->adversity.refused, 1, memory_order_relaxed);
	return NULL;
}

/* ---------------------------------------------------------------- devices */

#define HALF (RMAP_PAGE_SIZE / 2)

/* From nothing to twice what was asked for. */
static void wait_for_device(struct hosted *h)
{
	uint64_t ns = draw(h) % (2 * h->adversity.transfer_ns + 1);
	struct timespec t = { .tv_sec = (time_t)(ns / 1000000000u),
			      .tv_nsec = (long)(ns % 1000000000u) };

	HOSTED_MAY_SLEEP("a slow device");
	nanosleep(&t, NULL);
}

/* What the device has taken once it is through with data. */
static const void *take_slowly(struct hosted *h, const void *data, unsigned char *page)
{
	memcpy(page, data, HALF);
	wait_for_device(h);
	memcpy(page + HALF, (const unsigned char *)data + HALF, HALF);
	return page;
}

static void give_slowly(struct hosted *h, const unsigned char *page, void *data)
{
	memcpy(data, page, HALF);
	wait_for_device(h);
	memcpy((unsigned char *)data + HALF, page + HALF, HALF);
}

static int slow_swap_write(void *ctx, uint64_t slot, const void *data)
{
	unsigned char page[RMAP_PAGE_SIZE];

	return hosted_swap_write(ctx, slot, on(ctx) ? take_slowly(ctx, data, page) : data);
}

static int slow_swap_read(void *ctx, uint64_t slot, void *data)
{
	unsigned char page[RMAP_PAGE_SIZE];
	bool slow = on(ctx);
	int error = hosted_swap_read(ctx, slot, slow ? page : data);

	if (slow && !error)
		give_slowly(ctx, page, data);
	return error;
}

static int slow_file_write(void *ctx, void *handle, uint64_t index, const void *data)
{
	unsigned char page[RMAP_PAGE_SIZE];

	return hosted_file_write(ctx, handle, index, on(ctx) ? take_slowly(ctx, data, page) : data);
}

static int slow_file_read(void *ctx, void *handle, uint64_t index, void *data)
{
	unsigned char page[RMAP_PAGE_SIZE];
	bool slow = on(ctx);
	int error = hosted_file_read(ctx, handle, index, slow ? page : data);

	if (slow && !error)
		give_slowly(ctx, page, data);
	return error;
}

void hosted_adversity_init(struct hosted *h, const struct hosted_config *config)
{
	struct mm_port *p = &h->port;

	h->adversity.refuse_one_in = config->refuse_one_in;
	h->adversity.transfer_ns = config->transfer_ns;
	h->adversity.seed = config->adversity_seed;
	if (config->refuse_one_in)
		p->os.alloc = alloc_or_refuse;
	if (!config->transfer_ns)
		return;
	p->swap_write = slow_swap_write;
	p->swap_read = slow_swap_read;
	p->file_write = slow_file_write;
	p->file_read = slow_file_read;
}
