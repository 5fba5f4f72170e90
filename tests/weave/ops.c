// SPDX-License-Identifier: BSD-2-Clause
/*
 * What a woven thread does: one operation each. "-c" acts on the child, all others on the parent. See world.h.
 */
#include "world.h"

#include <string.h>

#include <test/weave/port.h>

#include <mm/reclaim.h>
#include <mm/swap.h>
#include <mm/system.h>
#include <mm/vma.h>
#include <mm/vma_lock.h>

/* Each thread writes a value of its own. */
static uint64_t value_of(int thread)
{
	return 0x70 + (uint64_t)thread;
}

/* ---------------------------------------------------------------- touching memory */

/* Twice, so that the second time may go by a TLB entry of the first. What the first one saw is nobody's business. */
#define READS(name, mm, addr)                                                                      \
	static int name(struct world *w, int thread)                                               \
	{                                                                                          \
		uint64_t value;                                                                    \
		int r = weave_cpu_read(mm, addr, &value);                                          \
                                                                                                   \
		weave_step();                                                                      \
		return r ? r : weave_cpu_read(mm, addr, &w->value[thread]);                        \
	}
#define WRITES(name, mm, addr)                                                                     \
	static int name(struct world *w, int thread)                                               \
	{                                                                                          \
		int r = weave_cpu_write(mm, addr, value_of(thread));                               \
                                                                                                   \
		weave_step();                                                                      \
		return r ? r : weave_cpu_write(mm, addr, value_of(thread));                        \
	}

READS(read_a0, w->p, A(0))
READS(read_a2, w->p, A(2))
READS(read_a2_c, w->c, A(2))
READS(read_a3, w->p, A(3))
READS(read_f1, w->p, F(1))
READS(read_v1, w->p, V(1))
WRITES(write_a0, w->p, A(0))
WRITES(write_a0_c, w->c, A(0))
WRITES(write_a1, w->p, A(1))
WRITES(write_a1_c, w->c, A(1))
WRITES(write_a2, w->p, A(2))
WRITES(write_a2_c, w->c, A(2))
WRITES(write_a3, w->p, A(3))
WRITES(write_a4, w->p, A(4))
WRITES(write_f0, w->p, F(0))
WRITES(write_f0_c, w->c, F(0))
WRITES(write_f1, w->p, F(1))
WRITES(write_v0, w->p, V(0))
WRITES(write_v1, w->p, V(1))
WRITES(write_b, w->p, B)

/* The VMA grows, then a page comes into it; a fork may come between. */
static int grow(struct world *w, int thread)
{
	uint64_t value;
	int r = weave_cpu_read(w->p, S_LOW - 2 * PAGE, &value);

	weave_step();
	return r ? r : weave_cpu_write(w->p, S_LOW - 2 * PAGE, value_of(thread));
}

/* ---------------------------------------------------------------- address spaces */

static int fork_p(struct world *w, int thread)
{
	return mm_fork(w->p, &w->child[thread]);
}

static int fork_c(struct world *w, int thread)
{
	return mm_fork(w->c, &w->child[thread]);
}

/* Memory runs out halfway. */
static int fork_fail(struct world *w, int thread)
{
	weave_port_fail_alloc(thread, 5);
	return mm_fork(w->p, &w->child[thread]);
}

static int exit_p(struct world *w, int thread)
{
	bool has = w->has_p;

	(void)thread;
	w->has_p = false;
	if (has)
		mm_put(w->p);
	return 0;
}

static int exit_c(struct world *w, int thread)
{
	bool has = w->has_c;

	(void)thread;
	w->has_c = false;
	if (has)
		mm_put(w->c);
	return 0;
}

/* A new range, written to: a new anon_vma, or what other designs have. */
static int map_new(struct world *w, int thread)
{
	const struct mm_mmap args = { .addr = NEW(thread),
				      .len = PAGE,
				      .prot = MM_PROT_READ | MM_PROT_WRITE,
				      .flags = MM_MAP_PRIVATE | MM_MAP_ANONYMOUS | MM_MAP_FIXED };
	uint64_t at;
	int r = mm_mmap(w->p, &args, &at);

	weave_step();
	return r ? r : weave_cpu_write(w->p, NEW(thread), value_of(thread));
}

/* Behind a4, with which it merges. */
static int map_merge(struct world *w, int thread)
{
	const struct mm_mmap args = { .addr = A(A_PAGES),
				      .len = PAGE,
				      .prot = MM_PROT_READ | MM_PROT_WRITE,
				      .flags = MM_MAP_PRIVATE | MM_MAP_ANONYMOUS | MM_MAP_FIXED };
	uint64_t at;

	(void)thread;
	return mm_mmap(w->p, &args, &at);
}

#define RWX (MM_PROT_READ | MM_PROT_WRITE | MM_PROT_EXEC)

#define CALLS(name, call)                                                                          \
	static int name(struct world *w, int thread)                                               \
	{                                                                                          \
		(void)thread;                                                                      \
		return call;                                                                       \
	}

CALLS(munmap_a, mm_munmap(w->p, A(0), 2 * PAGE))
CALLS(munmap_a_c, mm_munmap(w->c, A(0), 2 * PAGE))
CALLS(munmap_f, mm_munmap(w->p, F(0), 2 * PAGE))
CALLS(mprotect_ro, mm_mprotect(w->p, A(0), 2 * PAGE, MM_PROT_READ))
CALLS(mprotect_exec, mm_mprotect(w->p, A(1), (A_PAGES - 1) * PAGE, RWX))
CALLS(mprotect_none, mm_mprotect(w->p, A(0), A_PAGES *PAGE, MM_PROT_NONE))
CALLS(dontneed, mm_madvise(w->p, A(0), A_PAGES *PAGE, MM_MADV_DONTNEED))
CALLS(dontneed_f, mm_madvise(w->p, F(0), 2 * PAGE, MM_MADV_DONTNEED))
CALLS(madv_free, mm_madvise(w->p, A(4), PAGE, MM_MADV_FREE))
CALLS(cold, mm_madvise(w->p, A(0), A_PAGES *PAGE, MM_MADV_COLD))
CALLS(pageout, mm_madvise(w->p, A(0), A_PAGES *PAGE, MM_MADV_PAGEOUT))
CALLS(pageout_c, mm_madvise(w->c, A(0), A_PAGES *PAGE, MM_MADV_PAGEOUT))
CALLS(lock_a, mm_mlock(w->p, A(0), 2 * PAGE, 0))
CALLS(lock_a2, mm_mlock(w->p, A(2), PAGE, 0))
CALLS(lock_a0_c, mm_mlock(w->c, A(0), PAGE, MM_MLOCK_ONFAULT))
CALLS(unlock_a, mm_munlock(w->p, A(0), 2 * PAGE))
CALLS(populate_f1, mm_madvise(w->p, F(1), PAGE, MM_MADV_POPULATE_READ))
CALLS(migrate_a0, mm_migrate(w->p, A(0)))
CALLS(migrate_a0_c, mm_migrate(w->c, A(0)))
CALLS(migrate_f0, mm_migrate(w->p, F(0)))
CALLS(poison_a0, mm_poison(w->p, A(0)))
CALLS(msync_f, mm_msync(w->p, F(0), 2 * PAGE, MM_MS_SYNC))
CALLS(truncate_f, mm_file_truncate(w->file, 0))
CALLS(truncate_v, mm_file_truncate(w->private_file, 0))
CALLS(willneed, mm_madvise(w->p, A(0), A_PAGES *PAGE, MM_MADV_WILLNEED))
CALLS(remove_f0, mm_madvise(w->p, F(0), PAGE, MM_MADV_REMOVE))
CALLS(poison_f0, mm_poison(w->p, F(0)))

/* b goes; its mark is 65,535 changes old, so that it comes true once more at the end of the change before this one. */
static int munmap_round(struct world *w, int thread)
{
	struct vma *vma;
	uint32_t old, mark;

	(void)thread;
	mm_write_lock(w->p);
	vma = vma_at(w->p, B);
	mark = (atomic_load(&w->p->lock_seq) + 1) << VMA_LOCK_SEQ_SHIFT;
	/* Another thread may have unmapped it. */
	old = vma ? atomic_load(&vma->lock) : 0;
	while (vma &&
	       !atomic_compare_exchange_strong(
		       &vma->lock, &old, (old & (((uint32_t)1 << VMA_LOCK_SEQ_SHIFT) - 1)) | mark))
		;
	mm_write_unlock(w->p);
	return mm_munmap(w->p, B, PAGE);
}

/* Nobody unmaps it, so its file stays. */
static int truncate_shmem(struct world *w, int thread)
{
	(void)thread;
	return mm_file_truncate(vma_file(vma_at(w->p, SHMEM)), 0);
}

/* Nobody switches it on again here. */
static int swapoff(struct world *w, int thread)
{
	int r = mm_swapoff(w->sys);

	(void)thread;
	if (!r && !swap_is_off(w->sys))
		weave_fail("swap was switched off, and is in use");
	return r;
}

/* The device fails the first time that it is asked. */
static int swapoff_fail(struct world *w, int thread)
{
	weave_port_fail_swap_read(thread, 1);
	return swapoff(w, thread);
}

/* The frame that the page has left is the next one to be had: a first touch gets it, while others may still wait for the page. */
static int migrate_a1_c(struct world *w, int thread)
{
	int r = mm_migrate(w->c, A(1));

	weave_step();
	(void)weave_cpu_write(w->c, A(3), value_of(thread));
	return r;
}

/* A program begins: its stack is made at the top of the address space and moved down. */
static int exec(struct world *w, int thread)
{
	const struct mm_exec program = { .stack_top = SECOND, .brk_start = FIRST };

	return mm_exec(w->c, &program, &w->child[thread]);
}

/* The first page of a stack that exec has made, wherever that is now, with a reference; NULL: there is none yet. */
static struct page *stack_page(struct mm_system *sys)
{
	struct page *found = NULL;
	uint64_t pfn;

	weave_quiet(true);
	for (pfn = 0; pfn < sys->nr_frames && !found; pfn++) {
		struct page *page = pfn_to_page(sys, pfn);

		if (rmap_page_is_anon(&page->rmap) &&
		    page->rmap.index == (MM_TASK_SIZE >> RMAP_PAGE_SHIFT) - 1 && page_try_get(page))
			found = page;
	}
	weave_quiet(false);
	weave_saw((uintptr_t)found);
	return found;
}

/* As compaction does: whatever page there is goes to another frame. */
static int migrate_stack(struct world *w, int thread)
{
	struct page *page = stack_page(w->sys);
	int r = RMAP_ENOENT;

	(void)thread;
	if (!page)
		return r;
	r = migrate_page(w->sys, page);
	page_put(w->sys, page);
	return r;
}

static int reclaim(struct world *w, int thread)
{
	(void)thread;
	return (int)mm_reclaim(w->sys, 4);
}

static int mremap_a(struct world *w, int thread)
{
	uint64_t at;

	(void)thread;
	return mm_mremap(w->p, A(0), 2 * PAGE, 2 * PAGE, MM_MREMAP_MAYMOVE | MM_MREMAP_FIXED, M(0),
			 &at);
}

/* To a lower place of the same page table, behind what walkers have passed. */
static int mremap_down(struct world *w, int thread)
{
	uint64_t at;

	(void)thread;
	return mm_mremap(w->p, A(0), 2 * PAGE, 2 * PAGE, MM_MREMAP_MAYMOVE | MM_MREMAP_FIXED,
			 FIRST - 2 * PAGE, &at);
}

/* There and back again: the second move goes into a VMA that was there before. */
static int mremap_back(struct world *w, int thread)
{
	const uint32_t flags = MM_MREMAP_MAYMOVE | MM_MREMAP_FIXED;
	uint64_t at;
	int r = mm_mremap(w->p, A(1), PAGE, PAGE, flags, M(1), &at);

	(void)thread;
	weave_step();
	return r ? r : mm_mremap(w->p, M(1), PAGE, PAGE, flags, A(1), &at);
}

/* And what the store has got then. */
static int fsync_f(struct world *w, int thread)
{
	const struct mm_port *port = w->sys->port;
	unsigned char page[PAGE] = { 0 };
	int r = mm_file_sync(w->file);

	if (!r)
		r = port->file_read(port->ctx, mm_file_handle(w->file), 0, page);
	memcpy(&w->value[thread], page, sizeof(w->value[thread]));
	return r;
}

static int write_file(struct world *w, int thread)
{
	uint64_t value = value_of(thread);

	return mm_file_write(w->file, 0, &value, sizeof(value), NULL);
}

/* A pin for reading that is gone again. */
static int pin_a0(struct world *w, int thread)
{
	const uint32_t flags = MM_PIN_LONGTERM;
	struct page *page;
	int r = mm_pin(w->p, A(0), flags, &page);

	(void)thread;
	if (!r)
		mm_unpin(w->sys, page, flags);
	return r;
}

/* The same of a page that is nobody else's: who has it cannot be swapped out meanwhile. */
static int pin_a4(struct world *w, int thread)
{
	const uint32_t flags = MM_PIN_LONGTERM;
	struct page *page;
	int r = mm_pin(w->p, A(4), flags, &page);

	(void)thread;
	weave_step();
	if (!r)
		mm_unpin(w->sys, page, flags);
	return r;
}

/* A debugger writes to what its owner may only read. */
static int pin_force(struct world *w, int thread)
{
	const uint32_t flags = MM_PIN_WRITE | MM_PIN_FORCE;
	struct page *page;
	int r = mm_pin(w->p, A(0), flags, &page);

	(void)thread;
	if (!r)
		mm_unpin(w->sys, page, flags);
	return r;
}

static int smaps(struct world *w, int thread)
{
	struct mm_smaps s;

	(void)thread;
	return mm_smaps(w->p, A(0), &s);
}

/* ---------------------------------------------------------------- walks */

struct hits {
	unsigned int nr;
	const struct mm *mm[HITS_MAX];
};

static enum rmap_visit collect_hit(struct rmap_hit *hit, void *arg)
{
	struct hits *h = arg;

	if (h->nr < HITS_MAX)
		h->mm[h->nr++] = mm_from_rmap(hit->mm);
	return RMAP_VISIT_NEXT;
}

/* Where pages may stand. */
static const struct {
	uint64_t start;
	unsigned int pages;
} places[] = {
	{ FIRST - 2 * PAGE, 2 }, { A(0), A_PAGES + 1 }, { F(0), 2 }, { V(0), 2 },
	{ S_LOW - 2 * PAGE, 3 }, { NEW(0), 12 },	{ M(0), 2 }, { B, 1 },
};

static pte_t entry_at(const struct mm *mm, const char *frames, uint64_t addr)
{
	const pte_t *table = mm_table_root(mm);
	int level;

	for (level = PT_LEVELS; table; level--) {
		pte_t entry = pte_read(&table[pt_index(addr, level)]);

		if (level == 1)
			return entry;
		if (!pte_present(entry))
			return 0;
		table = (const pte_t *)(const void *)(frames + (pte_pfn(entry) << RMAP_PAGE_SHIFT));
	}
	return 0;
}

/* Does the page stand anywhere in mm? By its tables, with nobody else running. */
static bool maps(const struct mm *mm, const char *frames, uint64_t pfn)
{
	unsigned int i, n;

	for (i = 0; mm && i < sizeof(places) / sizeof(places[0]); i++) {
		for (n = 0; n < places[i].pages; n++) {
			pte_t v = entry_at(mm, frames, places[i].start + n * PAGE);

			if (pte_present(v) && pte_pfn(v) == pfn)
				return true;
		}
	}
	return false;
}

/* Who maps the page that the thread looks for, a bit each: parent, child, grandchildren. */
static uint32_t who_maps(struct world *w, int thread)
{
	const struct mm_port *port = weave_port();
	uint64_t pfn =
		(uint64_t)((const char *)w->page[thread] - (const char *)port->descriptors) / 64;
	const char *frames = port->frames;
	uint32_t who = 0;
	int i;

	weave_quiet(true);
	who |= (uint32_t)maps(w->has_p ? w->p : NULL, frames, pfn);
	who |= (uint32_t)maps(w->has_c ? w->c : NULL, frames, pfn) << 1;
	for (i = 0; i < WEAVE_THREADS_MAX; i++)
		who |= (uint32_t)maps(w->child[i], frames, pfn) << (2 + i);
	weave_quiet(false);
	return who;
}

static bool was_found(const struct hits *hits, const struct mm *mm)
{
	unsigned int i;

	for (i = 0; i < hits->nr; i++) {
		if (hits->mm[i] == mm)
			return true;
	}
	return false;
}

/*
 * Who maps the page before a walk and after it must have been found by it, wherever the page was moved meanwhile. After it is right
 * behind it, or when all is quiet: right behind it somebody may just be moving the page, and it stands nowhere.
 */
static int walk(struct world *w, int thread)
{
	struct hits hits = { 0 };
	struct rmap_walk asked = { .visit = collect_hit, .arg = &hits };
	uint32_t who = who_maps(w, thread), i;
	int r;

	weave_saw(who);
	r = mm_walk_page(w->sys, w->page[thread], &asked);
	for (i = 0; i < 2 + WEAVE_THREADS_MAX; i++) {
		const struct mm *mm = i == 0 ? w->p : i == 1 ? w->c : w->child[i - 2];

		if (mm && was_found(&hits, mm))
			who &= ~(1u << i);
	}
	if (r || world_unmaps())
		who = 0;
	weave_saw(who);
	if (who && (who & who_maps(w, thread)))
		weave_fail("a walk missed a mapping");
	w->missed[thread] = who;
	/* What is still to be looked at must not be another page by then. */
	if (!who)
		mm_unpin(w->sys, w->page[thread], 0);
	return r;
}

void walks_check(struct world *w)
{
	int i;

	for (i = 0; i < WEAVE_THREADS_MAX; i++) {
		if (!w->missed[i])
			continue;
		if (w->missed[i] & who_maps(w, i))
			weave_fail("a walk missed a mapping that was there all the time");
		mm_unpin(w->sys, w->page[i], 0);
	}
}

#define PINS(name, mm, addr)                                                                       \
	static void name(struct world *w, int thread)                                              \
	{                                                                                          \
		must(mm_pin(mm, addr, 0, &w->page[thread]), "pin");                                \
	}

PINS(pin_page_a0, w->p, A(0))
PINS(pin_page_a1, w->p, A(1))
PINS(pin_page_a1_c, w->c, A(1))
PINS(pin_page_a4, w->p, A(4))
PINS(pin_page_f0, w->p, F(0))
PINS(pin_page_s, w->p, S_LOW)

/* Shared memory, of which only the second page was written, and is out in swap. */
static void map_shmem(struct world *w, int thread)
{
	const struct mm_mmap args = { .addr = SHMEM,
				      .len = 2 * PAGE,
				      .prot = MM_PROT_READ | MM_PROT_WRITE,
				      .flags = MM_MAP_SHARED | MM_MAP_ANONYMOUS | MM_MAP_FIXED };
	struct mm_page_info info;
	uint64_t at, value = 0x5e;

	(void)thread;
	must(mm_mmap(w->p, &args, &at), "mmap");
	must(mm_write(w->p, SHMEM + PAGE, &value, sizeof(value), NULL), "write");
	must(mm_madvise(w->p, SHMEM + PAGE, PAGE, MM_MADV_PAGEOUT), "pageout");
	mm_page_info(w->p, SHMEM + PAGE, &info);
	must(info.state == MM_PAGE_PRESENT ? RMAP_EBUSY : 0, "swap shared memory out");
}

/* As they are: a0 stays shared. */
static void lock_before(struct world *w, int thread)
{
	(void)thread;
	must(mm_mlock(w->p, A(0), 2 * PAGE, MM_MLOCK_ONFAULT), "mlock");
}

/* ---------------------------------------------------------------- the list */

const struct op ops[] = {
	{ "read-a0", "read a shared page", USES_P, read_a0, NULL },
	{ "read-a2", "swap in", USES_P, read_a2, NULL },
	{ "read-a2-c", "swap in, the child", USES_C, read_a2_c, NULL },
	{ "read-a3", "first touch: the zero page", USES_P, read_a3, NULL },
	{ "read-f1", "read a file's page", USES_P, read_f1, NULL },
	{ "read-v1", "read a private file's page", USES_P, read_v1, NULL },
	{ "write-a0", "COW", USES_P, write_a0, NULL },
	{ "write-a0-c", "COW, the child", USES_C, write_a0_c, NULL },
	{ "write-a1", "a page that nobody shares any more", USES_P, write_a1, NULL },
	{ "write-a1-c", "its own page, the child", USES_C, write_a1_c, NULL },
	{ "write-a2", "swap in to write", USES_P, write_a2, NULL },
	{ "write-a2-c", "swap in to write, the child", USES_C, write_a2_c, NULL },
	{ "write-a3", "first touch", USES_P, write_a3, NULL },
	{ "write-a4", "its own page", USES_P, write_a4, NULL },
	{ "write-f0", "a shared file's dirty page", USES_P, write_f0, NULL },
	{ "write-f0-c", "the same, the child", USES_C, write_f0_c, NULL },
	{ "write-f1", "a shared file's page not in memory", USES_P, write_f1, NULL },
	{ "write-v0", "its own copy of a file's page", USES_P, write_v0, NULL },
	{ "write-v1", "COW of a file's page", USES_P, write_v1, NULL },
	{ "write-b", "COW in another page table", USES_P, write_b, NULL },
	{ "grow", "the stack grows", USES_P, grow, NULL },
	{ "fork", "fork the parent", USES_P, fork_p, NULL },
	{ "fork-c", "fork the child", USES_C, fork_c, NULL },
	{ "fork-fail", "fork, and memory runs out halfway", USES_P, fork_fail, NULL },
	{ "exit", "the parent exits", 0, exit_p, NULL },
	{ "exit-c", "the child exits", 0, exit_c, NULL },
	{ "exec", "a program begins in place of the child", USES_C, exec, NULL },
	{ "mmap", "a new range, written to", USES_P, map_new, NULL },
	{ "mmap-merge", "a new range that merges", USES_P, map_merge, NULL },
	{ "munmap", "a0 and a1 away", USES_P, munmap_a, NULL },
	{ "munmap-c", "the same, the child", USES_C, munmap_a_c, NULL },
	{ "munmap-f", "the shared file away", USES_P, munmap_f, NULL },
	{ "munmap-round", "b away, whose mark comes round", USES_P, munmap_round, NULL },
	{ "mprotect", "a0 and a1 read-only", USES_P, mprotect_ro, NULL },
	{ "mprotect-exec", "all but a0 executable, too", USES_P, mprotect_exec, NULL },
	{ "mprotect-none", "all without access", USES_P, mprotect_none, NULL },
	{ "mremap", "a0 and a1 to another table", USES_P, mremap_a, NULL },
	{ "mremap-down", "the same, to below", USES_P, mremap_down, NULL },
	{ "mremap-back", "a1 to another table and back", USES_P, mremap_back, NULL },
	{ "dontneed", "MADV_DONTNEED, all", USES_P, dontneed, NULL },
	{ "dontneed-f", "the same, the shared file", USES_P, dontneed_f, NULL },
	{ "free", "MADV_FREE", USES_P, madv_free, NULL },
	{ "cold", "MADV_COLD", USES_P | LOOSE, cold, NULL },
	{ "pageout", "MADV_PAGEOUT", USES_P | LOOSE | UNMAPS | MAYBE, pageout, NULL },
	{ "pageout-c", "the same, the child", USES_C | LOOSE | UNMAPS | MAYBE, pageout_c, NULL },
	{ "willneed", "MADV_WILLNEED, all", USES_P, willneed, NULL },
	{ "remove-f0", "MADV_REMOVE, the shared file's dirty page", USES_P | LOOSE, remove_f0,
	  NULL },
	{ "mlock", "lock a0 and a1", USES_P, lock_a, NULL },
	{ "mlock-a2", "lock what is in swap", USES_P, lock_a2, NULL },
	{ "mlock-a0-c", "lock a shared page as it is, the child", USES_C, lock_a0_c, NULL },
	{ "munlock", "unlock a0 and a1", USES_P, unlock_a, lock_before },
	{ "populate-f1", "MADV_POPULATE_READ, a file's page not in memory", USES_P, populate_f1,
	  NULL },
	{ "migrate-a0", "move a shared page's frame", USES_P | LOOSE | UNMAPS, migrate_a0, NULL },
	{ "migrate-a0-c", "the same, the child", USES_C | LOOSE | UNMAPS, migrate_a0_c, NULL },
	{ "migrate-a1-c", "its own page's, and a page in it, the child", USES_C | LOOSE | UNMAPS,
	  migrate_a1_c, NULL },
	{ "migrate-stack", "of a program that begins", LOOSE | UNMAPS, migrate_stack, NULL },
	{ "migrate-f0", "a file's page", USES_P | LOOSE | UNMAPS, migrate_f0, NULL },
	{ "poison", "the frame of a0 goes bad", USES_P | LOOSE | UNMAPS | ANY_END, poison_a0,
	  NULL },
	{ "poison-f0", "the frame of a file's page goes bad", USES_P | LOOSE | UNMAPS | ANY_END,
	  poison_f0, NULL },
	{ "msync", "write the file back", USES_P, msync_f, NULL },
	{ "fsync", "the same, by file", 0, fsync_f, NULL },
	{ "truncate-f", "cut the shared file", 0, truncate_f, NULL },
	{ "truncate-v", "cut the private file", 0, truncate_v, NULL },
	{ "truncate-shmem", "cut shared memory that is out in swap", USES_P, truncate_shmem,
	  map_shmem },
	{ "write-file", "write(2)", 0, write_file, NULL },
	{ "swapoff", "everything back from swap", LOOSE, swapoff, NULL },
	{ "swapoff-fail", "the same, and a page cannot be read", LOOSE, swapoff_fail, NULL },
	{ "reclaim", "age and swap out by the LRU lists", LOOSE | UNMAPS | MAYBE, reclaim, NULL },
	{ "pin", "pin a0, and let go", USES_P, pin_a0, NULL },
	{ "pin-a4", "pin a4, and let go", USES_P, pin_a4, NULL },
	{ "pin-force", "a forced write's pin of a0", USES_P, pin_force, NULL },
	{ "smaps", "look at the range", USES_P, smaps, NULL },
	{ "walk-a0", "walk from a shared page", LOOSE, walk, pin_page_a0 },
	{ "walk-a1", "from a page that only the parent has", LOOSE, walk, pin_page_a1 },
	{ "walk-a1-c", "from the child's own", LOOSE, walk, pin_page_a1_c },
	{ "walk-a4", "from the parent's own", LOOSE, walk, pin_page_a4 },
	{ "walk-f0", "from a file's page", LOOSE, walk, pin_page_f0 },
	{ "walk-s", "from the stack's", LOOSE, walk, pin_page_s },
};

const unsigned int nr_ops = sizeof(ops) / sizeof(ops[0]);

const struct op *op_find(const char *name, size_t len)
{
	unsigned int i;

	for (i = 0; i < nr_ops; i++) {
		if (strlen(ops[i].name) == len && !memcmp(ops[i].name, name, len))
			return &ops[i];
	}
	return NULL;
}
