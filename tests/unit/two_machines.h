/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Two machines, one after the other: an image of the first is in memory when it is destroyed, and the second resumes it.
 */
#ifndef RMAP_TEST_TWO_MACHINES_H
#define RMAP_TEST_TWO_MACHINES_H

#include "faulty.h"
#include "image_memory.h"

#define RW (MM_PROT_READ | MM_PROT_WRITE)

/* The machine that there is. */
extern struct engine e;
extern struct testport *tp;

extern struct image_memory image;
extern const struct mm_stream stream; /* to it and from it */
/* Where each write of the last image ended, of a large one the first. */
#define WRITES 512
extern uint64_t write_end[WRITES];
extern unsigned int nr_writes;
extern uint64_t full_at; /* writes beyond this length fail; 0: none do */

#define MMS 8
extern struct mm *resumed[MMS];
extern struct mm_file *kept_file; /* of the first machine, mapped by its processes */
extern uint64_t file_seed;	  /* the next machine finds its files by it */
extern const char *next_design;	  /* of the next machine; NULL: as the first */

int setup(void **state);
int setup_phantom(void **state);
int teardown(void **state);

/* What is resumed has this many frames and slots; the processes (and the file) of the machine that was are given back. */
void next_machine(struct mm **mms, uint32_t nr, uint64_t frames, uint64_t slots);
void hibernate(struct mm **mms, uint32_t nr);
int resume_file(void *arg, uint64_t id, uint64_t size, void **handle);
int try_resume(void);
/* Out, and back on a machine of the same size; mms are the resumed ones afterwards. */
void through_an_image(struct mm **mms, uint32_t nr);

/* Two processes with memory of every kind, hibernated. */
void make_an_image(struct mm **mm);
/* Nothing has stayed of a resume that failed. */
void assert_empty(void);
/* Every allocation fails in turn, here and there. => how often it did there */
uint64_t fail_each_allocation(struct mm **mm, uint32_t nr);

#endif
