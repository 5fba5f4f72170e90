// SPDX-License-Identifier: BSD-2-Clause
/*
 * Memory of an address space reached without a processor's MMU: reads and writes for its owner, and pins.
 *
 * Bytes are moved under the PTL, so that the page cannot be unmapped and written out between the look at its entry and the copy.
 * Nothing else is needed: the entry says what is allowed, and a table that is being freed has only empty ones, until a grace period
 * after.
 */
#include "file.h"
#include "table.h"
#include "vma.h"
#include "vma_lock.h"

enum transfer {
	TRANSFER_READ,
	TRANSFER_WRITE,
};

/* Move bytes of one page if its entry allows it. In an RCU section, which keeps the table. */
static bool transfer_page(struct mm *mm, uint64_t addr, void *data, uint64_t len,
			  enum transfer direction)
{
	struct mm_system *sys = mm->sys;
	pte_t need = PTE_PRESENT | PTE_USER | (direction == TRANSFER_WRITE ? PTE_WRITE : 0);
	pte_t set = PTE_ACCESSED | (direction == TRANSFER_WRITE ? PTE_DIRTY : 0);
	pte_t *pte = table_find(mm, addr);
	struct rmap_spinlock *ptl;
	bool ok;

	if (!pte)
		return false;
	ptl = table_ptl(sys, pte);
	rmap_spin_lock(ptl);
	ok = (pte_read(pte) & need) == need;
	if (ok) {
		pte_t v = atomic_fetch_or_explicit((_Atomic pte_t *)pte, set, memory_order_acq_rel);
		unsigned char *page = page_data(sys, pfn_to_page(sys, pte_pfn(v)));

		if (page && direction == TRANSFER_WRITE)
			memcpy(page + (addr & ~RMAP_PAGE_MASK), data, len);
		else if (page)
			memcpy(data, page + (addr & ~RMAP_PAGE_MASK), len);
	}
	rmap_spin_unlock(ptl);
	return ok;
}

static int transfer(struct mm *mm, uint64_t addr, unsigned char *data, uint64_t len,
		    enum transfer direction, uint64_t *done_out)
{
	const struct rmap_port *os = mm_os(mm);
	uint64_t done = 0;
	int error = 0;

	while (done < len && !error) {
		uint64_t at = addr + done;
		uint64_t n = RMAP_PAGE_SIZE - (at & ~RMAP_PAGE_MASK);
		bool ok;

		if (n > len - done)
			n = len - done;
		if (at >= MM_TASK_SIZE) {
			error = RMAP_EFAULT;
			break;
		}
		os->rcu_read_lock(os->ctx);
		ok = transfer_page(mm, at, data + done, n, direction);
		os->rcu_read_unlock(os->ctx);
		if (ok)
			done += n;
		else
			error = mm_fault(mm, at,
					 direction == TRANSFER_WRITE ? MM_ACCESS_WRITE
								     : MM_ACCESS_READ);
	}
	if (done_out)
		*done_out = done;
	return error;
}

int mm_read(struct mm *mm, uint64_t addr, void *data, uint64_t len, uint64_t *done)
{
	if (mm->sys->config.phantom)
		memset(data, 0, len);
	return transfer(mm, addr, data, len, TRANSFER_READ, done);
}

int mm_write(struct mm *mm, uint64_t addr, const void *data, uint64_t len, uint64_t *done)
{
	/* transfer() does not write to data in this direction. */
	return transfer(mm, addr, (unsigned char *)(uintptr_t)data, len, TRANSFER_WRITE, done);
}

/* ---------------------------------------------------------------- pins */

/* May a holder with these flags use the page as it is mapped now? */
static bool pin_allowed(const struct mm_system *sys, const struct vma *vma, pte_t v, uint32_t flags)
{
	const struct page *page = pfn_to_page(sys, pte_pfn(v));
	bool anon = !(v & PTE_SPECIAL) && rmap_page_is_anon(&page->rmap);

	if (!(v & PTE_USER) && !(flags & MM_PIN_FORCE))
		return false;
	/* The page of zeros is nobody's to pin by the entry alone: there Linux asks the VMA. */
	if ((v & PTE_SPECIAL) && !(flags & MM_PIN_FORCE) && !(vma_flags(vma) & VM_READ))
		return false;
	if (flags & MM_PIN_WRITE) {
		if (v & PTE_WRITE)
			return true;
		/* A forced write has made a private copy that stays read-only for its owner: only such a page will do. */
		return (flags & MM_PIN_FORCE) && anon && rmap_page_is_exclusive(&page->rmap) &&
		       (v & PTE_DIRTY);
	}
	/* A long-term reader must go on seeing what the owner writes: no COW may come between. */
	return !(flags & MM_PIN_LONGTERM) || !vma_is_cow(vma) ||
	       (anon && rmap_page_is_exclusive(&page->rmap));
}

/*
 * One more holder. Looked at before it is added, so the rest of the count is room for all who look at once. False: so many hold it
 * that the count could come round to where nobody does, and the frame would go while they all have it.
 */
static bool hold(struct page *page, uint32_t refs)
{
	if (page_refs(page) >= PAGE_REFS_MOST)
		return false;
	atomic_fetch_add_explicit(&page->refs, refs, memory_order_acq_rel);
	return true;
}

/* RMAP_EAGAIN: what is there will not do. RMAP_ENOMEM: too many have it. */
static int pin_page(struct mm *mm, const struct vma *vma, uint64_t addr, uint32_t flags,
		    struct page **out)
{
	struct mm_system *sys = mm->sys;
	pte_t *pte = table_find(mm, addr);
	struct rmap_spinlock *ptl;
	int error = RMAP_EAGAIN;
	pte_t v;

	if (!pte)
		return error;
	ptl = table_ptl(sys, pte);
	rmap_spin_lock(ptl);
	v = pte_read(pte);
	if (pte_present(v) && pin_allowed(sys, vma, v, flags)) {
		struct page *page = pfn_to_page(sys, pte_pfn(v));

		if (!page_test(page, PG_RESERVED) &&
		    !hold(page, flags & MM_PIN_LONGTERM ? PAGE_PIN_BIAS : 1)) {
			error = RMAP_ENOMEM;
			goto unlock;
		}
		atomic_fetch_or_explicit((_Atomic pte_t *)pte,
					 PTE_ACCESSED | (flags & MM_PIN_WRITE ? PTE_DIRTY : 0),
					 memory_order_acq_rel);
		*out = page;
		error = RMAP_OK;
	}
unlock:
	rmap_spin_unlock(ptl);
	return error;
}

/* Pin what is there now, if that will do. */
static int try_pin(struct mm *mm, struct vma *vma, uint64_t addr, uint32_t flags,
		   struct page **page)
{
	/* Rights are the VMA's: an entry that a forced write left dirty is no right to write without force. */
	if ((flags & MM_PIN_WRITE) && !(vma->flags & VM_WRITE) &&
	    !((flags & MM_PIN_FORCE) && vma_is_cow(vma)))
		return RMAP_EAGAIN;
	return pin_page(mm, vma, addr, flags, page);
}

/*
 * Does the VMA refuse it? As for Linux's get_user_pages: nothing grows a stack for it (since 6.5), a page must not be faulted in for
 * what the VMA does not allow, even where the processor would not mind, and nobody writes to a stored file behind the back of its
 * write-back for long (since 6.4).
 */
static int pin_refused(const struct mm_system *sys, const struct vma *vma, uint32_t flags)
{
	const uint64_t shared = VM_SHARED | VM_WRITE;
	const uint32_t writes = MM_PIN_LONGTERM | MM_PIN_WRITE;

	if (!vma)
		return mm_since(sys, 6, 5) ? RMAP_EFAULT : 0;
	if (!(flags & MM_PIN_FORCE) &&
	    !(vma_flags(vma) & (flags & MM_PIN_WRITE ? VM_WRITE : VM_READ)))
		return RMAP_EACCES;
	if (mm_since(sys, 6, 4) && (flags & writes) == writes &&
	    (vma_flags(vma) & shared) == shared && !mm_file_is_shmem(file_of_rmap(vma->rmap.file)))
		return RMAP_EFAULT;
	return 0;
}

/* Under the VMA's lock or mmap_lock; vma NULL: there is none. RMAP_EAGAIN: the page has to be faulted in first. */
static int pin_now(struct mm *mm, struct vma *vma, uint64_t addr, uint32_t flags,
		   struct page **page)
{
	int refused = pin_refused(mm->sys, vma, flags);
	int pinned = RMAP_EAGAIN;

	if (vma && refused != RMAP_EFAULT)
		pinned = try_pin(mm, vma, addr, flags, page);
	/* What the entry allows is enough, as where Linux pins without a look at VMAs. */
	return pinned == RMAP_EAGAIN && refused ? refused : pinned;
}

int mm_pin(struct mm *mm, uint64_t addr, uint32_t flags, struct page **page)
{
	uint64_t at = addr & RMAP_PAGE_MASK;
	bool write = flags & MM_PIN_WRITE;
	int error;

	if (flags & ~(uint32_t)(MM_PIN_WRITE | MM_PIN_LONGTERM | MM_PIN_FORCE))
		return RMAP_EINVAL;
	if (addr >= MM_TASK_SIZE)
		return RMAP_EFAULT;
	/* fork looks for pins only where this is set, so it comes before the first one. */
	if (flags & MM_PIN_LONGTERM)
		atomic_store(&mm->has_pinned, 1);
	for (;;) {
		struct vma *vma = vma_read_lock(mm, at);

		if (vma) {
			error = pin_now(mm, vma, at, flags, page);
			vma_read_unlock(vma);
		} else {
			mm_read_lock(mm);
			error = pin_now(mm, vma_at(mm, at), at, flags, page);
			mm_read_unlock(mm);
		}
		if (error != RMAP_EAGAIN)
			return error;
		error = fault_on_behalf(mm, at, write, !write && (flags & MM_PIN_LONGTERM),
					flags & MM_PIN_FORCE);
		if (error)
			return error;
	}
}

void mm_unpin(struct mm_system *sys, struct page *page, uint32_t flags)
{
	if (page_test(page, PG_RESERVED))
		return;
	/* The holder wrote without the MMU's knowledge. The page lock keeps the page in its file, and so the file. */
	if (flags & MM_PIN_WRITE) {
		page_lock(sys, page);
		file_set_dirty(page, sys);
		page_unlock(sys, page);
	}
	page_put_n(sys, page, flags & MM_PIN_LONGTERM ? PAGE_PIN_BIAS : 1);
}

struct rmap_page *mm_page_rmap(struct page *page)
{
	return &page->rmap;
}

void *mm_page_data(struct mm_system *sys, struct page *page)
{
	return page_data(sys, page);
}
