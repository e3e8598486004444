// SPDX-License-Identifier: MIT
/*
 * ptrace(2), with the requests of kernel/patches that give the filters of a task to another. A descriptor that refers to
 * filters is their only name: it is close-on-exec, and no file, map or process keeps them beside the tasks that have them.
 */
#ifndef PORTCULLIS_TRACEE_H
#define PORTCULLIS_TRACEE_H

#include <stdint.h>

#include <linux/ptrace.h>

/* All return a negative errno on failure. */
long trace(long request, int pid, long address, const void *data);

/* Stops a tracee; what it was sent before reaches it. */
long stop_tracee(int pid);
/* Lets a tracee go on after wait4(2) has reported a stop with this status, as if it were not traced. */
void resume_tracee(int pid, int status);

/* Of a stopped tracee: the number of its newest filter, which no other has until the next boot. */
long newest_filter(int pid, uint64_t *number);
/* Whether a stopped tracee has the filter of this number. */
int has_filter(int pid, uint64_t number);
/* A descriptor for all filters of a stopped tracee; -EINVAL if it has none. */
long filters_of(int pid);
/* Adds filters to a stopped tracee, whose own must be the oldest of them. */
long give_filters(int pid, int filters);

/* Parts of wait4(2)'s status. */
static inline int is_stopped(int status) { return (status & 0xff) == 0x7f; }
static inline int signal_of(int status) { return status >> 8 & 0xff; }
static inline int event_of(int status) { return status >> 16; }

#endif
