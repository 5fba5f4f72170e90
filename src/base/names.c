// SPDX-License-Identifier: BSD-2-Clause
/*
 * Names of errors, classes of locks, kinds of objects and purposes of walks, for people. Each function knows every number of its enum and
 * answers any other number with a question mark, since it is called to print what went wrong.
 */
#include <rmap/rmap.h>

const char *rmap_error_name(int error)
{
	switch (error) {
	case RMAP_OK:
		return "0";
	case RMAP_EPERM:
		return "EPERM";
	case RMAP_ENOENT:
		return "ENOENT";
	case RMAP_EINTR:
		return "EINTR";
	case RMAP_EIO:
		return "EIO";
	case RMAP_ENXIO:
		return "ENXIO";
	case RMAP_EAGAIN:
		return "EAGAIN";
	case RMAP_ENOMEM:
		return "ENOMEM";
	case RMAP_EACCES:
		return "EACCES";
	case RMAP_EFAULT:
		return "EFAULT";
	case RMAP_EBUSY:
		return "EBUSY";
	case RMAP_EEXIST:
		return "EEXIST";
	case RMAP_ENODEV:
		return "ENODEV";
	case RMAP_EINVAL:
		return "EINVAL";
	case RMAP_ENOSPC:
		return "ENOSPC";
	case RMAP_EOVERFLOW:
		return "EOVERFLOW";
	case RMAP_EBADMSG:
		return "EBADMSG";
	case RMAP_EOPNOTSUPP:
		return "EOPNOTSUPP";
	case RMAP_EHWPOISON:
		return "EHWPOISON";
	default:
		return "E?";
	}
}

const char *rmap_lock_name(enum rmap_lock_class lock_class)
{
	switch (lock_class) {
	case RMAP_LOCK_MMAP:
		return "mmap_lock";
	case RMAP_LOCK_VMA:
		return "VMA lock";
	case RMAP_LOCK_INVALIDATE:
		return "invalidate lock";
	case RMAP_LOCK_PAGE:
		return "page lock";
	case RMAP_LOCK_FILE_MAP:
		return "file map lock";
	case RMAP_LOCK_ANON_VMA:
		return "root lock";
	case RMAP_LOCK_DISPLACED:
		return "displaced lock";
	case RMAP_LOCK_PAGE_TABLE:
		return "table_lock";
	case RMAP_LOCK_PTL:
		return "PTL";
	case RMAP_LOCK_VMA_TREE:
		return "VMA tree lock";
	case RMAP_LOCK_PTE_CHAIN:
		return "PTE chain lock";
	case RMAP_LOCK_SWAP:
		return "swap lock";
	case RMAP_LOCK_MM_LIST:
		return "mm list lock";
	case RMAP_LOCK_SYSTEM:
		return "system list lock";
	case RMAP_LOCK_FILE_PAGES:
		return "file pages lock";
	case RMAP_LOCK_CPU:
		return "CPU lock";
	case RMAP_LOCK_LRU:
		return "LRU lock";
	case RMAP_LOCK_FRAMES:
		return "frame lock";
	case RMAP_LOCK_LINEAGE:
		return "lineage lock";
	case RMAP_LOCK_CLASSES:
		break;
	}
	return "?";
}

const char *rmap_kind_name(enum rmap_kind kind)
{
	switch (kind) {
	case RMAP_KIND_ANON_VMA:
		return "anon_vma";
	case RMAP_KIND_AVC:
		return "anon_vma_chain";
	case RMAP_KIND_PTE_CHAIN:
		return "pte_chain";
	case RMAP_KIND_ANONMM:
		return "anonmm";
	case RMAP_KIND_ANONMM_GROUP:
		return "anonmm_group";
	case RMAP_KIND_CONTEXT:
		return "cow_context";
	case RMAP_KIND_REMAP:
		return "remap";
	case RMAP_KIND_LINEAGE:
		return "lineage";
	case RMAP_KIND_CO_OWNERS:
		return "co_owners";
	case RMAP_KIND_MM:
		return "mm";
	case RMAP_KIND_VMA:
		return "vma";
	case RMAP_KIND_FILE:
		return "file";
	case RMAP_KIND_FILE_NODE:
		return "file_node";
	case RMAP_KIND_SYSTEM:
		return "system";
	case RMAP_KIND_BUFFER:
		return "buffer";
	case RMAP_KIND_TIER1_END:
	case RMAP_KINDS:
		break;
	}
	return "?";
}

const char *rmap_walk_purpose_name(enum rmap_walk_purpose purpose)
{
	switch (purpose) {
	case RMAP_WALK_PROBE:
		return "probe";
	case RMAP_WALK_REFERENCE:
		return "reference";
	case RMAP_WALK_UNMAP:
		return "unmap";
	case RMAP_WALK_MIGRATE:
		return "migrate";
	case RMAP_WALK_RESTORE:
		return "restore";
	case RMAP_WALK_CLEAN:
		return "clean";
	case RMAP_WALK_TRUNCATE:
		return "truncate";
	case RMAP_WALK_POISON:
		return "poison";
	case RMAP_WALK_PURPOSES:
		break;
	}
	return "?";
}
