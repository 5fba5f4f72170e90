/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The port of woven threads: a machine in one piece of memory, which is put back as it was before each execution.
 *
 * Frames, descriptors, objects, swap space and files lie in an arena at a fixed address. weave_port_save() remembers it,
 * weave_port_restore() puts back what may have changed since: descriptors, objects, the frames that were in use, the stores that
 * were written. That is a few microseconds, so that tens of thousands of executions go into a second.
 *
 * Objects are handed out last freed first, so that a late reader of a type-stable one soon meets another's. Other freed memory is
 * overwritten, and found out at the next use of it if somebody wrote there.
 *
 * Each thread is a processor with a TLB of one entry, which goes on translating until it is flushed.
 */
#ifndef WEAVE_PORT_H
#define WEAVE_PORT_H

#include <rmap/mm.h>

#include "image.h"

#define WEAVE_FRAMES	 96
#define WEAVE_SLOTS	 16
#define WEAVE_FILES	 2
#define WEAVE_FILE_PAGES 8

void weave_port_create(void);

/* For mm_system_create(). */
const struct mm_port *weave_port(void);

/* Nothing is there yet. */
void weave_port_clear(void);

void weave_port_save(void);
void weave_port_restore(void);

/* Memory that is saved and restored with the rest, for the caller. */
void *weave_port_room(size_t size);

/* A file of the port: a handle for mm_file_create(). Its contents are zeros. */
void *weave_port_file(unsigned int n);

/* Objects that were handed out and not given back. */
uint64_t weave_port_objects(void);

/* A thread begins: before, in the middle of, or behind what a device has to do. */
void weave_port_begin(void);

/* The n-th allocation from now by the thread fails; 0: none. */
void weave_port_fail_alloc(int thread, uint32_t n);

/* The n-th page from now that the thread reads from swap cannot be read; 0: none. */
void weave_port_fail_swap_read(int thread, uint32_t n);

/*
 * The thread's processor reads or writes eight bytes of mm, faulting as needed: errors of mm_fault(). A write through an entry that
 * translates to a frame which is free is a failure of the execution.
 */
int weave_cpu_read(struct mm *mm, uint64_t addr, uint64_t *value);
int weave_cpu_write(struct mm *mm, uint64_t addr, uint64_t value);

/* The machine in the middle of an execution; see image.h. */
void weave_port_image(struct image *im);

#endif
