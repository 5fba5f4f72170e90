// SPDX-License-Identifier: BSD-2-Clause
/*
 * rmrec: the record of a real program's memory, as a file.
 *
 * A record is what a process tree did to its address spaces: the layouts that exec left, the memory
 * calls with their results, the page faults, fork and exit. It is written once, by `rmap record`,
 * and read many times, so reading is the careful half: a reader hands out one event after the other
 * from blocks of bounded size, and believes nothing that it has not checked. Memory used by a
 * reader depends on the processes that really appear in the stream and on limits below, never on a
 * number that the file claims.
 *
 * docs/record-format.md describes the bytes; this header describes the meaning.
 */
#ifndef RMAP_TOOLS_RMREC_H
#define RMAP_TOOLS_RMREC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RMREC_VERSION	 1u
#define RMREC_MAX_PROCS	 1000000u
#define RMREC_MAX_FILES	 1000000u
#define RMREC_MAX_PATH	 4096u
#define RMREC_MAX_VMAS	 (1u << 20) /* in one layout */
#define RMREC_MAX_META	 (16u << 20)
#define RMREC_BLOCK_SIZE (256u << 10) /* of events, before compression */

/*
 * What an event says. `proc` is dense, from 0, in order of appearance; threads speak in the name of
 * their process. Calls stand in the order in which they took effect on the address space.
 */
enum rmrec_kind {
	RMREC_EXEC = 1,	   /* all old mappings gone; `count` RMREC_VMA events of this proc follow */
	RMREC_VMA,	   /* one VMA of a layout: addr, len, prot, vma_flags, file, offset */
	RMREC_MMAP,	   /* addr = hint, len, prot, flags, file, offset; result = where */
	RMREC_MUNMAP,	   /* addr, len */
	RMREC_MPROTECT,	   /* addr, len, prot */
	RMREC_MREMAP,	   /* addr, len = old length, new_len, flags; result = where */
	RMREC_MADVISE,	   /* addr, len, flags = advice */
	RMREC_BRK,	   /* addr = wanted (0 asks); result = the break now */
	RMREC_MLOCK,	   /* addr, len, flags = those of mlock2 */
	RMREC_MUNLOCK,	   /* addr, len */
	RMREC_MLOCKALL,	   /* flags */
	RMREC_MUNLOCKALL,  /* */
	RMREC_MSYNC,	   /* addr, len, flags */
	RMREC_FORK,	   /* child: a copy of the address space */
	RMREC_SHARE,	   /* child: a process in the same address space (vfork, CLONE_VM) */
	RMREC_THREAD,	   /* one more thread */
	RMREC_THREAD_EXIT, /* one thread less, others remain */
	RMREC_EXIT,	   /* the process ends */
	RMREC_FAULT,	   /* addr = the page; fault = bits below */
	RMREC_NR_KINDS,
};

/* rmrec_event.fault */
#define RMREC_F_WRITE	  1u  /* a write; without WRITE and EXEC: a read */
#define RMREC_F_EXEC	  2u  /* an instruction fetch */
#define RMREC_F_PRESENT	  4u  /* a PTE was there and forbade it (write-protected, say) */
#define RMREC_F_KERNEL	  8u  /* taken by the kernel on the program's behalf */
#define RMREC_F_DENIED	  16u /* ended in SIGSEGV or SIGBUS */

/* rmrec_event.prot, as in Linux */
#define RMREC_P_READ	  1u
#define RMREC_P_WRITE	  2u
#define RMREC_P_EXEC	  4u

/* rmrec_event.vma_flags */
#define RMREC_V_SHARED	  1u
#define RMREC_V_GROWSDOWN 2u /* the stack */
#define RMREC_V_HEAP	  4u /* the part up to the break */
#define RMREC_V_SPECIAL	  8u /* the kernel's own (vdso, vvar): no file, never written */

struct rmrec_event {
	enum rmrec_kind kind;
	uint32_t proc;
	uint32_t child;	    /* FORK, SHARE */
	uint32_t count;	    /* EXEC: VMAs that follow */
	uint32_t file;	    /* 0: none; else 1.. */
	uint32_t prot;	    /* any bits that the program passed */
	uint32_t vma_flags; /* VMA */
	uint32_t fault;	    /* FAULT */
	uint32_t error;	    /* Linux's errno of a call, 0 when it succeeded */
	uint64_t addr;	    /* EXEC: where the break starts */
	uint64_t len;
	uint64_t new_len;
	uint64_t new_addr; /* MREMAP with MREMAP_FIXED or DONTUNMAP: the fifth argument */
	uint64_t flags;
	uint64_t offset; /* in bytes */
	uint64_t result; /* valid when error is 0: MMAP, MREMAP, BRK */
};

/* What the header says. Strings belong to the reader and end with a 0. */
struct rmrec_info {
	uint32_t version;
	uint32_t page_size;
	uint32_t nr_procs;
	uint32_t nr_files;
	uint64_t nr_events;
	uint64_t nr_faults;
	uint64_t dropped;      /* events that the kernel lost while recording */
	uint64_t misfits;      /* events that did not fit when the recorder re-enacted them */
	uint64_t swap_ins;     /* pages read back from swap, as the kernel counted them */
	uint64_t memory_limit; /* bytes; 0: none */
	uint64_t time;	       /* seconds since 1970 */
	const char *machine;   /* as uname: sysname release machine */
	const char *clock;     /* the trace clock */
	const char *command;   /* the command line, words separated by blanks */
};

struct rmrec_file {
	const char *path;
	uint64_t size; /* bytes: no recorded fault lies beyond */
	uint64_t dev;
	uint64_t ino;
};

#define RMREC_ERR_SIZE 256

/*
 * Reading. Each returns 0 or a negative errno, and then `err` holds one sentence without a newline.
 * rmrec_open_mem() borrows the bytes until rmrec_close().
 */
struct rmrec;
int rmrec_open(const char *path, struct rmrec **out, char err[RMREC_ERR_SIZE]);
int rmrec_open_mem(const void *bytes, size_t size, struct rmrec **out, char err[RMREC_ERR_SIZE]);
void rmrec_close(struct rmrec *r);

const struct rmrec_info *rmrec_info(const struct rmrec *r);
/* @id: 1..nr_files; NULL for any other */
const struct rmrec_file *rmrec_file(const struct rmrec *r, uint32_t id);

/*
 * The next event: 1 and *ev filled, 0 at a sound end, -1 when the file is damaged (and again at
 * each further call; rmrec_error() has the sentence). What is promised of each event: the process
 * is alive and ran an exec or was forked; processes are numbered densely; `file` names an entry;
 * VMAs follow their EXEC, are page aligned and do not wrap.
 */
int rmrec_next(struct rmrec *r, struct rmrec_event *ev);
const char *rmrec_error(const struct rmrec *r);
/* Start again from the first event. */
void rmrec_rewind(struct rmrec *r);

const char *rmrec_kind_name(enum rmrec_kind kind);

/*
 * Writing. Compressed blocks are held in memory until rmrec_finish() puts them behind the header
 * and renames the finished file into place; so an interrupted recorder leaves no half a record.
 * rmrec_put() asserts what rmrec_next() promises. Returns are 0 or a negative errno.
 */
struct rmrec_writer;
struct rmrec_writer *rmrec_writer_new(uint32_t page_size);
/* Returns the id of the file (1..), 0 without memory. Sizes may grow until the end. */
uint32_t rmrec_add_file(struct rmrec_writer *w, const char *path, uint64_t dev, uint64_t ino);
void rmrec_file_size(struct rmrec_writer *w, uint32_t id, uint64_t at_least);
int rmrec_put(struct rmrec_writer *w, const struct rmrec_event *ev);
uint32_t rmrec_writer_procs(const struct rmrec_writer *w);
/* Of @info the counts of events, procs, files are the writer's; the rest is the caller's. */
int rmrec_finish(struct rmrec_writer *w, const char *path, const struct rmrec_info *info,
		 char err[RMREC_ERR_SIZE]);
/* The same to memory; *bytes is the caller's to free(). */
int rmrec_finish_mem(struct rmrec_writer *w, const struct rmrec_info *info, void **bytes,
		     size_t *size);
void rmrec_writer_free(struct rmrec_writer *w);

#endif
