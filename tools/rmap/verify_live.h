/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The live side: puppets, their system calls and accesses, and the files that they map.
 *
 * Every puppet is a child of this process (also one that another puppet forked), asks the kernel to be killed when this
 * process dies, and shares its table of open files, so that a file opened here has the same number there.
 */
#ifndef RMAP_TOOL_VERIFY_LIVE_H
#define RMAP_TOOL_VERIFY_LIVE_H

#include "verify_block.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define LIVE_ERROR 512

struct live;

struct puppet {
	struct live *live;
	struct puppet_slot *slot;
	uint32_t number; /* of the slot */
	uint64_t id;	 /* the workload's process */
	pid_t pid;
	struct puppet *shares; /* a thread: whose address space; NULL: its own */
	uint32_t users;	       /* of this one's address space */
	bool dead;
	/* of /proc/PID, opened when first asked for; -1 before */
	int maps, smaps, pagemap, mem, status;
};

/* 0, or -1 with a sentence. */
int live_new(struct live **out, char error[LIVE_ERROR]);
void live_free(struct live *live);

/* A puppet with an empty address space; one that parent forks; a thread of parent. NULL: error says why. */
struct puppet *live_start(struct live *live, uint64_t id, char error[LIVE_ERROR]);
/* *result: 0 or the negative error of fork(2), with which NULL comes and error is empty. */
struct puppet *live_fork(struct puppet *parent, uint64_t id, bool share, int *result,
			 char error[LIVE_ERROR]);
/* It dies and is gone when this returns. */
void live_exit(struct puppet *puppet);
struct puppet *live_find(struct live *live, uint64_t id);
/* Each living one; start with NULL. */
struct puppet *live_next(struct live *live, struct puppet *last);

/*
 * A system call, made by the puppet: its result or a negative error. A puppet that died on the way sets live_broken().
 */
int64_t live_call(struct puppet *puppet, uint32_t number, uint64_t a, uint64_t b, uint64_t c,
		  uint64_t d, uint64_t e, uint64_t f);

/*
 * Up to SLOT_PAGES pages from addr, through the buffer. 0 or the error that the signal means (RMAP_EFAULT, EACCES, EIO,
 * EHWPOISON); *done: pages before it. last: bytes of the last page that are written.
 */
int live_read(struct puppet *puppet, uint64_t addr, uint64_t pages, uint64_t *done);
int live_fetch(struct puppet *puppet, uint64_t addr, uint64_t pages, uint64_t *done);
int live_write(struct puppet *puppet, uint64_t addr, uint64_t pages, uint64_t last, uint64_t *done);
/* The buffer here, and where the puppet sees it. */
void *live_buffer(struct puppet *puppet);
uint64_t live_buffer_addr(const struct puppet *puppet);

/* NULL, or what became of the puppets: a sentence. Nothing more can be done then. */
const char *live_broken(const struct live *live);

/* Descriptors of /proc/PID/…, -1: it cannot be opened. */
int live_maps(struct puppet *puppet);
int live_smaps(struct puppet *puppet);
int live_pagemap(struct puppet *puppet);
int live_mem(struct puppet *puppet);
int live_status(struct puppet *puppet);

#endif
