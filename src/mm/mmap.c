// SPDX-License-Identifier: BSD-2-Clause
/*
 * mmap(2): the checks in Linux's order, since which error wins is part of the interface; then one new range, which a neighbour
 * takes if it can.
 */
#include "layout.h"

#include "file.h"

/* The flags that MAP_SHARED_VALIDATE accepts (Linux's LEGACY_MAP_MASK); others it refuses instead of ignoring them. */
#define MAP_TYPE	  0x0fu
#define MAP_32BIT	  0x40u
#define MAP_ABOVE4G	  0x80u
#define MAP_EXECUTABLE	  0x1000u
#define MAP_HUGETLB	  0x40000u
#define MAP_UNINITIALIZED 0x4000000u
#define MAP_HUGE_SIZES	  (21u << 26 | 30u << 26)
#define MAP_KNOWN                                                                                  \
	(MM_MAP_SHARED_VALIDATE | MM_MAP_FIXED | MM_MAP_ANONYMOUS | MM_MAP_GROWSDOWN |             \
	 MM_MAP_DENYWRITE | MM_MAP_LOCKED | MM_MAP_NORESERVE | MM_MAP_POPULATE | MM_MAP_NONBLOCK | \
	 MM_MAP_STACK | MAP_32BIT | MAP_ABOVE4G | MAP_EXECUTABLE | MAP_HUGETLB |                   \
	 MAP_UNINITIALIZED | MAP_HUGE_SIZES)

#define FILE_MAX ((uint64_t)INT64_MAX)

/* What is to be mapped, once the arguments have been understood. */
struct request {
	uint64_t addr, len, pgoff;
	uint64_t flags; /* VM_* */
	struct mm_file *file;
};

int mm_map_locked(struct mm *mm, uint64_t start, uint64_t len, uint64_t flags, struct mm_file *file,
		  uint64_t pgoff)
{
	uint64_t end = start + len, pages = PAGES(len), covered = 0, accounted = 0, charged = 0;
	struct vma *vma, *fresh;
	int error;

	rmap_assert_write_held(&mm->mmap_lock);
	error = unmap_split(mm, start, end);
	if (error)
		return error;
	vma_for_each_range(vma, mm, start, end) {
		covered += vma_pages(vma);
		if (vma->flags & VM_ACCOUNT)
			accounted += vma_pages(vma);
	}
	if (!mm_may_expand(mm, flags, pages - covered))
		return RMAP_ENOMEM;
	if (vm_is_accountable(flags)) {
		/* What the old mappings had been promised passes on to the new one. */
		charged = pages - accounted;
		accounted = 0;
		if (charged && mm_charge(mm, charged))
			return RMAP_ENOMEM;
		flags |= VM_ACCOUNT;
	}
	fresh = vma_alloc(mm, start, end, pgoff, flags, file);
	if (!fresh) {
		mm_uncharge(mm->sys, charged);
		return RMAP_ENOMEM;
	}

	(void)unmap_vmas(mm, start, end);
	mm_uncharge(mm->sys, accounted);
	/* Shared memory that is made for this mapping has no neighbour; then the file is a new one. */
	if (vma_merge_new(mm, start, end, pgoff, flags, file, NULL, false)) {
		vma_free(fresh);
	} else {
		vma_tree_insert(mm, fresh);
		rmap_vma_link(mm_rmap_of(mm), &fresh->rmap);
	}
	mm_account(mm, flags, (int64_t)pages);
	if (flags & VM_LOCKED)
		mm->locked_vm += pages;
	return 0;
}

/* The part of the checks that depends on the file and the type of sharing. */
static int check_file(const struct mm_mmap *args, struct request *r)
{
	if (r->pgoff > PAGES(FILE_MAX - r->len))
		return RMAP_EOVERFLOW;
	switch (args->flags & MAP_TYPE) {
	case MM_MAP_SHARED_VALIDATE:
		if (args->flags & ~MAP_KNOWN)
			return RMAP_EOPNOTSUPP;
		/* fall through */
	case MM_MAP_SHARED:
		if ((args->prot & MM_PROT_WRITE) && !(args->file_mode & MM_FILE_WRITE))
			return RMAP_EACCES;
		r->flags |= VM_SHARED | VM_MAYSHARE;
		if (!(args->file_mode & MM_FILE_WRITE))
			r->flags &= ~(VM_MAYWRITE | VM_SHARED);
		/* fall through */
	case MM_MAP_PRIVATE:
		if (!(args->file_mode & MM_FILE_READ))
			return RMAP_EACCES;
		return r->flags & VM_GROWSDOWN ? RMAP_EINVAL : 0;
	default:
		return RMAP_EINVAL;
	}
}

static int check_anonymous(const struct mm_mmap *args, struct request *r)
{
	switch (args->flags & MAP_TYPE) {
	case MM_MAP_SHARED:
		if (r->flags & VM_GROWSDOWN)
			return RMAP_EINVAL;
		r->flags |= VM_SHARED | VM_MAYSHARE;
		r->pgoff = 0;
		return 0;
	case MM_MAP_PRIVATE:
		r->pgoff = PAGES(r->addr);
		return 0;
	default:
		return RMAP_EINVAL;
	}
}

static uint64_t vm_map_flags(const struct mm *mm, const struct mm_mmap *args)
{
	uint64_t flags = vm_prot_flags(args->prot) | VM_MAYREAD | VM_MAYWRITE | VM_MAYEXEC;

	if (args->flags & MM_MAP_GROWSDOWN)
		flags |= VM_GROWSDOWN;
	if (args->flags & MM_MAP_LOCKED)
		flags |= VM_LOCKED;
	if ((args->flags & MM_MAP_STACK) && mm_since(mm->sys, 6, 7))
		flags |= VM_NOHUGEPAGE;
	return flags;
}

/* A hint below the lowest address that may be mapped becomes that address. */
static uint64_t round_hint(const struct mm *mm, uint64_t addr)
{
	addr &= RMAP_PAGE_MASK;
	return addr && addr < mm->sys->config.mmap_min_addr ? mm->sys->config.mmap_min_addr : addr;
}

/* Everything that can be refused before anything is touched. mmap write held. */
static int prepare(struct mm *mm, const struct mm_mmap *args, struct request *r)
{
	bool fixed = args->flags & (MM_MAP_FIXED | MM_MAP_FIXED_NOREPLACE);
	int error;

	r->addr = fixed ? args->addr : round_hint(mm, args->addr);
	r->len = page_align(args->len);
	r->pgoff = PAGES(args->offset);
	if (!r->len)
		return RMAP_ENOMEM;
	if (mm->map_count > mm->sys->config.max_map_count)
		return RMAP_ENOMEM;
	r->flags = vm_map_flags(mm, args) | mm->def_flags;
	error = mm_unmapped_area(mm, r->file, r->addr, r->len, r->pgoff, fixed, &r->addr);
	if (error)
		return error;
	if ((args->flags & MM_MAP_FIXED_NOREPLACE) && vma_first_in(mm, r->addr, r->addr + r->len))
		return RMAP_EEXIST;
	if ((args->flags & MM_MAP_LOCKED) && !mm_can_lock(mm))
		return RMAP_EPERM;
	if (!mm_lock_fits(mm, r->flags, r->len))
		return RMAP_EAGAIN;
	error = r->file ? check_file(args, r) : check_anonymous(args, r);
	if (error)
		return error;
	if ((args->flags & MM_MAP_NORESERVE) && mm->sys->config.overcommit != MM_OVERCOMMIT_NEVER)
		r->flags |= VM_NORESERVE;
	return 0;
}

static int map_locked(struct mm *mm, const struct mm_mmap *args, struct request *r,
		      struct mm_file *shm)
{
	int error = prepare(mm, args, r);

	if (error)
		return error;
	if (!r->file && (r->flags & VM_SHARED)) {
		if (!shm)
			return RMAP_ENOMEM;
		/* Memory that relatives will share is promised once, for as long as any of them maps it. */
		if (!(r->flags & VM_NORESERVE)) {
			error = mm_charge(mm, PAGES(r->len));
			if (error)
				return error;
			shm->accounted = PAGES(r->len);
		}
		r->file = shm;
	}
	return mm_map_locked(mm, r->addr, r->len, r->flags, r->file, r->pgoff);
}

int mm_mmap(struct mm *mm, const struct mm_mmap *args, uint64_t *result)
{
	bool anonymous = args->flags & MM_MAP_ANONYMOUS;
	struct request r = { .file = anonymous ? NULL : args->file };
	struct mm_file *shm = NULL;
	int error;

	if (page_offset(args->offset) || !args->len || (!anonymous && !args->file))
		return RMAP_EINVAL;
	/* Before the lock, which making a file may not wait under; that there is none (no memory) is found out later, in its turn. */
	if (anonymous && (args->flags & MAP_TYPE) == MM_MAP_SHARED &&
	    mm_file_create(mm->sys, NULL, page_align(args->len), &shm))
		shm = NULL;
	mm_write_lock(mm);
	error = map_locked(mm, args, &r, shm);
	mm_write_unlock(mm);
	if (shm)
		mm_file_put(shm);
	if (error)
		return error;
	if ((r.flags & VM_LOCKED) ||
	    (args->flags & (MM_MAP_POPULATE | MM_MAP_NONBLOCK)) == MM_MAP_POPULATE)
		(void)mm_populate(mm, r.addr, r.addr + r.len, true);
	*result = r.addr;
	return 0;
}
