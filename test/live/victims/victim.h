// SPDX-License-Identifier: MIT
/* What the victims share: raw calls, so that a C library's wrappers add none of their own. */
#ifndef VICTIM_H
#define VICTIM_H
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* The result, a negative errno included. */
static inline long result_of(long result) { return result == -1 ? -errno : result; }

static inline long add_one(void) { return result_of(syscall(SYS_getppid)); }

/* The policy tells the tally by denying getpgrp with 100 plus it. */
static inline long tally(void) { return -result_of(syscall(SYS_getpgrp)) - 100; }

/* For all processes at once. */
static inline void *shared_page(void) {
  return mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
}
#endif
