// SPDX-License-Identifier: BSD-2-Clause
/*
 * The software MMU: what x86-64 does between an address and a byte.
 *
 * A processor looks in its TLB, walks the four levels on a miss, and remembers what it found. The TLB is what makes a missing
 * flush visible: an entry goes on translating by what the tables said once. tlb_flush removes entries from all processors.
 *
 * One lock a processor is held around look-up, walk, insertion and the access itself, so that a flush, which takes each lock in
 * turn, returns when no access through an old entry is under way and no walk that saw the old PTE can still insert it. This is
 * what an interprocessor interrupt does on hardware: it is not answered in the middle of an instruction. The lock is a
 * processor's own and costs one uncontended exchange an access.
 *
 *	   63     48 47     39 38     30 29     21 20     12 11       0
 *	  | sign    | level 4 | level 3 | level 2 | level 1 | offset   |
 *
 * A walk reads tables that may have left the tree meanwhile: without a flush, if nobody can have had a translation from them. They live
 * on for a grace period, and a grace period takes each lock, too (hosted_mmu_wait_for_walks()): the lock is the walk's read-side
 * section, as interrupts that are off are one on a kernel. An RCU section of its own would cost each miss 45 instructions.
 *
 * Entries above level 1 have their accessed bits preset, as Linux's have; the walk writes to PTEs only. The lock is dropped
 * before mm_fault(), which flushes.
 */
#include "machine.h"

#include <stdlib.h>

#define TLB_SETS      64
#define TLB_WAYS      4
#define TLB_SIZE      ((size_t)TLB_SETS * TLB_WAYS)

/* From here on looking at every entry is cheaper than looking for each page. */
#define FLUSH_BY_PAGE 48

/* Of address space that a processor says it has translations of; with more of them at once a flush does not ask for each. */
#define REGION_SHIFT  (21 - RMAP_PAGE_SHIFT)
#define REGIONS_MAX   8
#define FILTER_WORDS  8

/* After so many flushes in vain of what a processor seemed to have it looks at what it has. */
#define VAIN_MAX      16

#define FAULTS_MAX    1000

#define USER_END      ((uint64_t)1 << 47)

struct tlb_entry {
	uint64_t mm_id; /* 0: empty; all fields: the processor's lock */
	uint64_t vpn;
	pte_t pte; /* frame, and the rights of all levels together: WRITE, NX; DIRTY if the PTE has it */
	struct mm *mm;
	/* watch_tlb: reads and writes that went by it although the tables said otherwise; a flush may be on its way */
	uint32_t stale_reads, stale_writes;
};

/*
 * What a processor lets others know, so that who flushes something that it has nothing of passes it by without a look at its lock or
 * its TLB. A bit that is set may mean nothing, one that is clear means that nothing is there. Set before the first walk that may
 * lead to an entry; changed under the processor's lock, read by everybody.
 */
struct seen {
	/* What it runs, by id; 0: nothing. Who flushes that interrupts it, whatever it has: a real machine has a mask of that, no more. */
	_Alignas(HOSTED_APART) _Atomic uint64_t loaded;
	/* by a hash of their ids: address spaces that it runs or has translations of */
	_Atomic uint64_t spaces;
	/* regions of 2 MiB of these, by a hash of both */
	_Atomic uint64_t regions[FILTER_WORDS];
	char gap[HOSTED_CACHE_LINE];
};

struct hosted_cpu {
	_Alignas(HOSTED_APART) struct hosted_spin lock;
	uint32_t number;			/* fixed */
	struct hosted *h;			/* fixed */
	struct mm *mm;				/* loaded, or NULL; lock */
	uint64_t mm_id;				/* lock */
	const pte_t *root;			/* lock */
	uint64_t region;			/* of mm, whose bit is set, or NO_REGION; lock */
	uint32_t victim;			/* the way that goes next; lock */
	uint32_t valid;				/* entries in use; lock */
	uint32_t vain;				/* flushes by others that found nothing; lock */
	uint64_t hits, misses, faults, flushed; /* lock */
	struct tlb_entry tlb[TLB_SETS][TLB_WAYS];
	/* A flush that goes through all entries is fetched ahead of, beyond the last: nothing of another processor's may stand there. */
	char gap[HOSTED_AHEAD];
	struct seen seen; /* of what is above */
};

#define NO_REGION UINT64_MAX

/* One access within one page. */
struct access {
	uint64_t addr;
	uint64_t len;
	enum mm_access kind;
	void *into;	  /* read, exec: where to, or NULL */
	const void *from; /* write: where from, or NULL */
};

/* The processor that this thread accessed memory through last, perhaps of a machine that is gone: see own_of(). */
static __thread struct hosted_cpu *own_cpu;

static const pte_t access_refused[] = {
	[MM_ACCESS_READ] = 0,
	[MM_ACCESS_WRITE] = 0,
	[MM_ACCESS_EXEC] = PTE_NX,
};

/* All TLB_SIZE entries in a row: a pointer to the first set would end with it. */
static struct tlb_entry *tlb_begin(struct hosted_cpu *cpu)
{
	return (struct tlb_entry *)(void *)cpu->tlb;
}

static inline struct tlb_entry *tlb_set(struct hosted_cpu *cpu, uint64_t mm_id, uint64_t vpn)
{
	return cpu->tlb[(vpn + mm_id) % TLB_SETS];
}

static struct tlb_entry *tlb_find(struct hosted_cpu *cpu, uint64_t mm_id, uint64_t vpn)
{
	struct tlb_entry *set = tlb_set(cpu, mm_id, vpn);
	int way;

	for (way = 0; way < TLB_WAYS; way++) {
		if (set[way].vpn == vpn && set[way].mm_id == mm_id)
			return &set[way];
	}
	return NULL;
}

static void tlb_drop(struct hosted_cpu *cpu, struct tlb_entry *entry)
{
	entry->mm_id = 0;
	cpu->valid--;
	cpu->flushed++;
}

static void tlb_insert(struct hosted_cpu *cpu, uint64_t vpn, pte_t pte)
{
	struct tlb_entry *set = tlb_set(cpu, cpu->mm_id, vpn), *entry = NULL;
	int way;

	for (way = 0; way < TLB_WAYS; way++) {
		if (set[way].vpn == vpn && set[way].mm_id == cpu->mm_id) {
			entry = &set[way];
			break;
		}
		if (!set[way].mm_id)
			entry = &set[way];
	}
	if (!entry)
		entry = &set[cpu->victim++ % TLB_WAYS];
	else if (!entry->mm_id)
		cpu->valid++;
	*entry = (struct tlb_entry){ .mm_id = cpu->mm_id, .vpn = vpn, .pte = pte, .mm = cpu->mm };
}

/* ---------------------------------------------------------------- what others know of it */

/* Spread, since processors give out numbers 64 apart. */
static uint64_t space_bit(uint64_t mm_id)
{
	return (uint64_t)1 << (mm_id * 0x9e3779b97f4a7c15u >> 58);
}

/* Its place in seen.regions. */
static uint64_t region_place(uint64_t mm_id, uint64_t region)
{
	return (region + (mm_id << 32)) * 0x9e3779b97f4a7c15u >> 32 & (FILTER_WORDS * 64 - 1);
}

/* Set before what comes next reads a table; who flushes has changed it, and reads this behind a fence, too. */
static void saw(_Atomic uint64_t *word, uint64_t bit)
{
	uint64_t old = atomic_load_explicit(word, memory_order_relaxed);

	if (old & bit)
		return;
	atomic_store_explicit(word, old | bit, memory_order_relaxed);
	atomic_thread_fence(memory_order_seq_cst);
}

static void saw_space(struct hosted_cpu *cpu, uint64_t mm_id)
{
	saw(&cpu->seen.spaces, space_bit(mm_id));
}

static void saw_region(struct hosted_cpu *cpu, uint64_t region)
{
	uint64_t place = region_place(cpu->mm_id, region);

	saw(&cpu->seen.regions[place / 64], (uint64_t)1 << place % 64);
	cpu->region = region;
}

/* The TLB is empty, and no walk is under way: the lock is held. */
static void saw_nothing(struct hosted_cpu *cpu)
{
	int i;

	atomic_store_explicit(&cpu->seen.spaces, 0, memory_order_relaxed);
	for (i = 0; i < FILTER_WORDS; i++)
		atomic_store_explicit(&cpu->seen.regions[i], 0, memory_order_relaxed);
	cpu->region = NO_REGION;
}

/* Only what there is by now. Rare: not in line. */
static __attribute__((noinline)) void see_again(struct hosted_cpu *cpu)
{
	uint64_t regions[FILTER_WORDS] = { 0 };
	const struct tlb_entry *entry;
	int i;

	for (entry = tlb_begin(cpu); entry < tlb_begin(cpu) + TLB_SIZE; entry++) {
		uint64_t place = region_place(entry->mm_id, entry->vpn >> REGION_SHIFT);

		if (entry->mm_id)
			regions[place / 64] |= (uint64_t)1 << place % 64;
	}
	for (i = 0; i < FILTER_WORDS; i++)
		atomic_store_explicit(&cpu->seen.regions[i], regions[i], memory_order_relaxed);
	cpu->region = NO_REGION;
	cpu->vain = 0;
}

/* May the processor have translations of the address space, or a walk under way that will? The tables were changed before. */
static bool may_have_any(const struct hosted_cpu *cpu, uint64_t mm_id)
{
	return atomic_load_explicit(&cpu->seen.spaces, memory_order_relaxed) & space_bit(mm_id);
}

/* The same, of pages [first, end) of it. */
static bool may_have(const struct hosted_cpu *cpu, uint64_t mm_id, uint64_t first, uint64_t end)
{
	uint64_t region = first >> REGION_SHIFT, last = (end - 1) >> REGION_SHIFT;

	if (!may_have_any(cpu, mm_id))
		return false;
	if (last - region >= REGIONS_MAX)
		return true;
	for (; region <= last; region++) {
		uint64_t place = region_place(mm_id, region);
		uint64_t word =
			atomic_load_explicit(&cpu->seen.regions[place / 64], memory_order_relaxed);

		if (word >> place % 64 & 1)
			return true;
	}
	return false;
}

static inline char *frame_data(const struct hosted *h, uint64_t pfn)
{
	return (char *)h->port.frames + (pfn << RMAP_PAGE_SHIFT);
}

/* The table below the one at level, or NULL; *all, *any: the rights so far. */
static inline const pte_t *table_below(const struct hosted *h, const pte_t *table, uint64_t vaddr,
				       int level, pte_t *all, pte_t *any)
{
	pte_t entry = pte_read_acquire(&table[pt_index(vaddr, level)]);

	if (!pte_present(entry) || pte_pfn(entry) >= h->port.nr_frames)
		return NULL;
	*all &= entry;
	*any |= entry;
	return (const pte_t *)frame_data(h, pte_pfn(entry));
}

/*
 * The slot of the PTE for vaddr, or NULL where no table leads there. *rights: WRITE, USER if all levels above have it, NX if one
 * has it.
 */
static pte_t *table_walk(const struct hosted *h, const pte_t *root, uint64_t vaddr, pte_t *rights)
{
	pte_t all = PTE_WRITE | PTE_USER, any = 0;
	const pte_t *table = table_below(h, root, vaddr, 4, &all, &any);

	if (table)
		table = table_below(h, table, vaddr, 3, &all, &any);
	if (table)
		table = table_below(h, table, vaddr, 2, &all, &any);
	if (!table)
		return NULL;
	*rights = all | (any & PTE_NX);
	return (pte_t *)&table[pt_index(vaddr, 1)];
}

static pte_t effective(pte_t pte, pte_t rights)
{
	return (pte & ~(PTE_WRITE | PTE_USER)) | (pte & rights & (PTE_WRITE | PTE_USER)) |
	       (rights & PTE_NX);
}

static bool allowed(pte_t pte, enum mm_access kind)
{
	if (!(pte & PTE_USER) || (pte & access_refused[kind]))
		return false;
	return kind != MM_ACCESS_WRITE || (pte & PTE_WRITE);
}

/* => the effective PTE of the page with accessed (and dirty) set in the table, or 0: a fault; the processor's lock held */
static pte_t walk_and_mark(struct hosted_cpu *cpu, uint64_t addr, enum mm_access kind)
{
	pte_t rights, marks = PTE_ACCESSED | (kind == MM_ACCESS_WRITE ? PTE_DIRTY : 0);
	pte_t *slot = table_walk(cpu->h, cpu->root, addr, &rights);
	pte_t pte;

	if (!slot)
		return 0;
	pte = pte_read(slot);
	do {
		if (!pte_present(pte) || !allowed(effective(pte, rights), kind))
			return 0;
	} while ((pte & marks) != marks && !pte_compare_exchange(slot, &pte, pte | marks));
	HOSTED_ASSERT(cpu->h, pte_pfn(pte) < cpu->h->port.nr_frames && "a PTE names a frame");
	return effective(pte | marks, rights);
}

struct staleness {
	const char *what; /* NULL: the entry is good */
	const char *who;  /* should have flushed */
};

static struct staleness entry_wrong(const struct hosted *h, const struct tlb_entry *e);

/* The processor goes by this entry: note it if the tables say otherwise by now. */
static void watch(const struct hosted *h, struct tlb_entry *entry, enum mm_access kind)
{
	bool wrong;

	hosted_rcu_read_lock((void *)(uintptr_t)h);
	wrong = entry_wrong(h, entry).what != NULL;
	hosted_rcu_read_unlock((void *)(uintptr_t)h);
	if (!wrong)
		return;
	if (kind == MM_ACCESS_WRITE)
		entry->stale_writes++;
	else
		entry->stale_reads++;
}

/* => the effective PTE, or 0: a fault; the processor's lock held */
static pte_t translate(struct hosted_cpu *cpu, uint64_t addr, enum mm_access kind)
{
	uint64_t vpn = addr >> RMAP_PAGE_SHIFT;
	struct tlb_entry *entry;
	pte_t pte;

	if (!cpu->h->no_tlb) {
		entry = tlb_find(cpu, cpu->mm_id, vpn);
		/* The first write through a clean entry goes to the table, to set the dirty bit there. */
		if (entry && allowed(entry->pte, kind) &&
		    (kind != MM_ACCESS_WRITE || (entry->pte & PTE_DIRTY))) {
			cpu->hits++;
			if (rmap_unlikely(cpu->h->watch_tlb))
				watch(cpu->h, entry, kind);
			return entry->pte;
		}
		/* x86 walks again before it faults, and forgets what did not allow it. */
		if (entry)
			tlb_drop(cpu, entry);
	}
	cpu->misses++;
	if (vpn >> REGION_SHIFT != cpu->region)
		saw_region(cpu, vpn >> REGION_SHIFT);
	pte = walk_and_mark(cpu, addr, kind);
	if (pte && !cpu->h->no_tlb)
		tlb_insert(cpu, vpn, pte);
	return pte;
}

static void move_bytes(const struct hosted *h, pte_t pte, const struct access *a)
{
	char *data = frame_data(h, pte_pfn(pte)) + (a->addr & ~RMAP_PAGE_MASK);

	if (a->into)
		memcpy(a->into, data, a->len);
	else if (a->from)
		memcpy(data, a->from, a->len);
}

static void cpu_load(struct hosted_cpu *cpu, struct mm *mm)
{
	uint64_t id = mm ? mm_id(mm) : 0;

	if (!cpu->valid)
		saw_nothing(cpu);
	cpu->mm = mm;
	cpu->mm_id = id;
	cpu->root = mm ? mm_table_root(mm) : NULL;
	cpu->region = NO_REGION;
	atomic_store_explicit(&cpu->seen.loaded, id, memory_order_relaxed);
	if (id)
		saw_space(cpu, id);
}

static int access_page(struct hosted_cpu *cpu, struct mm *mm, const struct access *a)
{
	int tries, r;

	for (tries = 0; tries < FAULTS_MAX; tries++) {
		pte_t pte;

		hosted_spin_lock(&cpu->lock);
		if (cpu->mm != mm || cpu->mm_id != mm_id(mm))
			cpu_load(cpu, mm);
		pte = translate(cpu, a->addr, a->kind);
		if (pte && !cpu->h->phantom)
			move_bytes(cpu->h, pte, a);
		if (!pte)
			cpu->faults++;
		hosted_spin_unlock(&cpu->lock);
		if (pte)
			return 0;
		r = mm_fault(mm, a->addr, a->kind);
		if (r)
			return r;
	}
	return RMAP_EAGAIN;
}

static int access_range(struct hosted_cpu *cpu, struct mm *mm, struct access a, uint64_t len,
			uint64_t *done)
{
	uint64_t at = 0;
	int r = 0;

	own_cpu = cpu;
	while (at < len) {
		uint64_t left = RMAP_PAGE_SIZE - (a.addr & ~RMAP_PAGE_MASK);

		a.len = len - at < left ? len - at : left;
		r = a.addr < USER_END ? access_page(cpu, mm, &a) : RMAP_EFAULT;
		if (r)
			break;
		at += a.len;
		a.addr += a.len;
		if (a.into)
			a.into = (char *)a.into + a.len;
		if (a.from)
			a.from = (const char *)a.from + a.len;
	}
	if (done)
		*done = at;
	return r;
}

int hosted_read(struct hosted_cpu *cpu, struct mm *mm, uint64_t addr, void *data, uint64_t len,
		uint64_t *done)
{
	struct access a = { .addr = addr, .kind = MM_ACCESS_READ, .into = data };

	return access_range(cpu, mm, a, len, done);
}

int hosted_write(struct hosted_cpu *cpu, struct mm *mm, uint64_t addr, const void *data,
		 uint64_t len, uint64_t *done)
{
	struct access a = { .addr = addr, .kind = MM_ACCESS_WRITE, .from = data };

	return access_range(cpu, mm, a, len, done);
}

int hosted_exec(struct hosted_cpu *cpu, struct mm *mm, uint64_t addr, void *data, uint64_t len,
		uint64_t *done)
{
	struct access a = { .addr = addr, .kind = MM_ACCESS_EXEC, .into = data };

	return access_range(cpu, mm, a, len, done);
}

/* ---------------------------------------------------------------- flushing */

static unsigned long long shown_addr(const struct tlb_entry *entry)
{
	return entry->vpn << RMAP_PAGE_SHIFT;
}

/* Too many pages to look for each. */
static __attribute__((noinline)) void flush_sweep(struct hosted_cpu *cpu, uint64_t mm_id,
						  uint64_t first, uint64_t end)
{
	struct tlb_entry *entry;

	for (entry = tlb_begin(cpu); entry < tlb_begin(cpu) + TLB_SIZE; entry++) {
		if (entry->mm_id == mm_id && entry->vpn >= first && entry->vpn < end)
			tlb_drop(cpu, entry);
	}
}

/* => entries that went */
static uint64_t flush_cpu(struct hosted_cpu *cpu, uint64_t mm_id, uint64_t first, uint64_t end)
{
	uint64_t before = cpu->flushed;
	struct tlb_entry *entry;

	if (!cpu->valid || !may_have_any(cpu, mm_id))
		return 0;
	if (end - first > FLUSH_BY_PAGE) {
		flush_sweep(cpu, mm_id, first, end);
		return cpu->flushed - before;
	}
	for (; first < end; first++) {
		entry = tlb_find(cpu, mm_id, first);
		if (entry)
			tlb_drop(cpu, entry);
	}
	return cpu->flushed - before;
}

/* The same, when no walk is under way: also where the TLB is empty. */
static uint64_t flush_locked(struct hosted_cpu *cpu, uint64_t mm_id, uint64_t first, uint64_t end)
{
	uint64_t gone;

	hosted_spin_lock(&cpu->lock);
	gone = flush_cpu(cpu, mm_id, first, end);
	if (!gone && cpu != own_cpu && ++cpu->vain == VAIN_MAX)
		see_again(cpu);
	hosted_spin_unlock(&cpu->lock);
	return gone;
}

static bool runs(const struct hosted_cpu *cpu, uint64_t mm_id)
{
	return atomic_load_explicit(&cpu->seen.loaded, memory_order_relaxed) == mm_id;
}

/* What waiting for the others' answers takes: they answer at the same time. */
static __attribute__((noinline)) void wait_for_answers(const struct hosted *h)
{
	uint64_t end = h->port.now(h->port.ctx) + h->interrupt_ns;

	while (h->port.now(h->port.ctx) < end)
		rmap_cpu_relax();
}

/* What a flush has come to. */
struct flush {
	uint64_t mm_id, first, end; /* pages */
	uint64_t entries, interrupts;
};

/* Whose TLBs are looked into is decided by what they say that they have seen, behind a fence. Not in line: most machines have one. */
static __attribute__((noinline)) void flush_others(struct hosted *h, const struct hosted_cpu *own,
						   struct flush *f)
{
	atomic_thread_fence(memory_order_seq_cst);
	for (uint32_t i = 0; i < h->nr_cpus; i++) {
		struct hosted_cpu *cpu = &h->cpus[i];
		uint64_t gone = 0;

		if (cpu == own)
			continue;
		if (may_have(cpu, f->mm_id, f->first, f->end))
			gone = flush_locked(cpu, f->mm_id, f->first, f->end);
		f->interrupts += gone || runs(cpu, f->mm_id);
		f->entries += gone;
	}
}

/* The processor of this machine that the caller runs on, or NULL. */
static struct hosted_cpu *own_of(const struct hosted *h)
{
	uintptr_t own = (uintptr_t)own_cpu;

	if (own < (uintptr_t)h->cpus || own >= (uintptr_t)(h->cpus + h->nr_cpus))
		return NULL;
	return own_cpu;
}

void hosted_tlb_flush(void *ctx, struct mm *mm, uint64_t start, uint64_t end, enum mm_flush why)
{
	struct hosted *h = ctx;
	struct hosted_cpu *own = own_of(h);
	struct hosted_flushes *count = &h->flush[hosted_cpu_number(h)].by[why];
	struct flush f = { .mm_id = mm_id(mm), .first = start >> RMAP_PAGE_SHIFT };

	atomic_fetch_add_explicit(&count->flushes, 1, memory_order_relaxed);
	if (end <= start)
		return;
	f.end = ((end - 1) >> RMAP_PAGE_SHIFT) + 1;
	/* Nobody else wants the lock of the one that we run on: we look there, and whatever walk was under way has ended. */
	if (own)
		f.entries = flush_locked(own, f.mm_id, f.first, f.end);
	if (h->nr_cpus > (own ? 1 : 0))
		flush_others(h, own, &f);
	if (f.entries)
		atomic_fetch_add_explicit(&count->entries, f.entries, memory_order_relaxed);
	if (!f.interrupts)
		return;
	atomic_fetch_add_explicit(&count->interrupts, f.interrupts, memory_order_relaxed);
	if (h->interrupt_ns)
		wait_for_answers(h);
}

void hosted_mmu_wait_for_walks(struct hosted *h)
{
	uint32_t i;

	for (i = 0; i < h->nr_cpus; i++) {
		hosted_spin_lock(&h->cpus[i].lock);
		hosted_spin_unlock(&h->cpus[i].lock);
	}
}

void hosted_mmu_forget(struct hosted *h, const void *object, size_t size)
{
	const char *low = object, *high = low + size;
	uint64_t id = mm_id(object);
	uint32_t i;

	for (i = 0; i < h->nr_cpus; i++) {
		struct hosted_cpu *cpu = &h->cpus[i];
		struct tlb_entry *entry;

		if (!may_have_any(cpu, id))
			continue;
		hosted_spin_lock(&cpu->lock);
		if ((const char *)cpu->mm >= low && (const char *)cpu->mm < high)
			cpu_load(cpu, NULL);
		for (entry = tlb_begin(cpu); cpu->valid && entry < tlb_begin(cpu) + TLB_SIZE;
		     entry++) {
			if (!entry->mm_id || (const char *)entry->mm < low ||
			    (const char *)entry->mm >= high)
				continue;
			hosted_spin_lock(&h->stale_lock);
			hosted_say(h->stale,
				   "Address space %llu went while processor %u still translated "
				   "its 0x%llx.",
				   (unsigned long long)entry->mm_id, cpu->number,
				   shown_addr(entry));
			hosted_spin_unlock(&h->stale_lock);
			tlb_drop(cpu, entry);
		}
		hosted_spin_unlock(&cpu->lock);
	}
}

/* ---------------------------------------------------------------- the check */

/* What is wrong with the entry, and who makes tables say such a thing. */
static struct staleness entry_wrong(const struct hosted *h, const struct tlb_entry *e)
{
	pte_t rights, pte;
	const pte_t *slot = table_walk(h, mm_table_root(e->mm), e->vpn << RMAP_PAGE_SHIFT, &rights);

	if (!slot)
		return (struct staleness){ "but there is no page table", "munmap or exit" };
	pte = pte_read(slot);
	if (!pte_present(pte))
		return (struct staleness){ "but the PTE is not present",
					   "munmap, mremap, madvise, truncation, swap-out or "
					   "migration" };
	pte = effective(pte, rights);
	if (pte_pfn(pte) != pte_pfn(e->pte))
		return (struct staleness){ "but the PTE names another frame",
					   "a copy on write, swap-out or migration" };
	if (!(pte & PTE_USER))
		return (struct staleness){ "but the PTE does not let a process in", "mprotect" };
	if ((e->pte & PTE_WRITE) && !(pte & PTE_WRITE))
		return (struct staleness){ "for writing, but the PTE does not allow it",
					   "fork, mprotect or write-back" };
	if ((e->pte & PTE_DIRTY) && !(pte & PTE_DIRTY))
		return (struct staleness){ "without marking writes, but the PTE is clean",
					   "write-back or madvise" };
	if (!(e->pte & PTE_NX) && (pte & PTE_NX))
		return (struct staleness){ "for execution, but the PTE does not allow it",
					   "mprotect" };
	if (!(pte & PTE_ACCESSED))
		return (struct staleness){ "but the PTE says that nobody has used it",
					   "ageing or madvise" };
	return (struct staleness){ 0 };
}

/* What the processor did by an old translation, as far as somebody watched. */
static void say_used(const struct tlb_entry *e, char *text, size_t room)
{
	if (e->stale_writes)
		snprintf(text, room, "; it has written there %u times since", e->stale_writes);
	else if (e->stale_reads)
		snprintf(text, room, "; it has read there %u times since", e->stale_reads);
	else
		text[0] = '\0';
}

static int cpu_check(struct hosted_cpu *cpu, char *error)
{
	const struct tlb_entry *entry;

	for (entry = tlb_begin(cpu); entry < tlb_begin(cpu) + TLB_SIZE; entry++) {
		struct staleness wrong = { 0 };
		char used[64];

		if (entry->mm_id)
			wrong = entry_wrong(cpu->h, entry);
		if (!wrong.what)
			continue;
		say_used(entry, used, sizeof(used));
		hosted_say(error,
			   "Processor %u translates 0x%llx of address space %llu to frame %llu, %s "
			   "(%s should have flushed it)%s.",
			   cpu->number, shown_addr(entry), (unsigned long long)entry->mm_id,
			   (unsigned long long)pte_pfn(entry->pte), wrong.what, wrong.who, used);
		return RMAP_EBADMSG;
	}
	return 0;
}

int hosted_tlb_check(struct hosted *h, char *error)
{
	int r = 0;
	uint32_t i;

	hosted_spin_lock(&h->stale_lock);
	if (h->stale[0]) {
		hosted_say(error, "%s", h->stale);
		r = RMAP_EBADMSG;
	}
	hosted_spin_unlock(&h->stale_lock);
	for (i = 0; i < h->nr_cpus && !r; i++) {
		hosted_spin_lock(&h->cpus[i].lock);
		r = cpu_check(&h->cpus[i], error);
		hosted_spin_unlock(&h->cpus[i].lock);
	}
	return r;
}

/* ---------------------------------------------------------------- processors */

struct hosted_cpu *hosted_cpu(struct hosted *h, uint32_t number)
{
	return number < h->nr_cpus ? &h->cpus[number] : NULL;
}

uint32_t hosted_nr_cpus(const struct hosted *h)
{
	return h->nr_cpus;
}

void hosted_cpu_switch(struct hosted_cpu *cpu, struct mm *mm)
{
	hosted_spin_lock(&cpu->lock);
	cpu_load(cpu, mm);
	hosted_spin_unlock(&cpu->lock);
}

void hosted_mmu_get_stats(struct hosted *h, struct hosted_mmu_stats *out)
{
	uint32_t i, seat;

	*out = (struct hosted_mmu_stats){ 0 };
	for (i = 0; i < MM_FLUSH_REASONS; i++) {
		for (seat = 0; seat < HOSTED_SEATS; seat++) {
			out->by[i].flushes += atomic_load(&h->flush[seat].by[i].flushes);
			out->by[i].interrupts += atomic_load(&h->flush[seat].by[i].interrupts);
			out->by[i].entries += atomic_load(&h->flush[seat].by[i].entries);
		}
		out->flushes += out->by[i].flushes;
		out->interrupts += out->by[i].interrupts;
	}
	for (i = 0; i < h->nr_cpus; i++) {
		struct hosted_cpu *cpu = &h->cpus[i];

		hosted_spin_lock(&cpu->lock);
		out->hits += cpu->hits;
		out->misses += cpu->misses;
		out->faults += cpu->faults;
		out->flushed += cpu->flushed;
		hosted_spin_unlock(&cpu->lock);
	}
}

int hosted_mmu_init(struct hosted *h, const struct hosted_config *config, uint32_t nr_cpus)
{
	uint32_t i;

	h->cpus = aligned_alloc(HOSTED_APART, nr_cpus * sizeof(*h->cpus));
	if (!h->cpus)
		return RMAP_ENOMEM;
	memset(h->cpus, 0, nr_cpus * sizeof(*h->cpus));
	h->nr_cpus = nr_cpus;
	h->no_tlb = config->no_tlb;
	h->watch_tlb = config->watch_tlb;
	h->interrupt_ns = config->interrupt_ns;
	for (i = 0; i < nr_cpus; i++) {
		h->cpus[i].number = i;
		h->cpus[i].h = h;
		h->cpus[i].region = NO_REGION;
	}
	return 0;
}

void hosted_mmu_destroy(struct hosted *h)
{
	free(h->cpus);
	h->cpus = NULL;
	h->nr_cpus = 0;
}
