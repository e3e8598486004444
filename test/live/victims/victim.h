// SPDX-License-Identifier: MIT
/* Shared functions of the victims: raw calls, without the additional calls of a C library's wrappers. */
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
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

/* The result, or a negative errno. */
static inline long result_of(long result) { return result == -1 ? -errno : result; }

static inline long add_one(void) { return result_of(syscall(SYS_getppid)); }

/* The policy returns the tally by denying getpgrp with errno 100 plus the tally. */
static inline long tally(void) { return -result_of(syscall(SYS_getpgrp)) - 100; }

/* For all processes at once. */
static inline void *shared_page(void) {
  return mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
}

/*
 * Sends SIGALRM as frequently as possible: an operation that takes longer than the interval would be restarted forever,
 * so the interval doubles whenever a signal arrives before an operation has succeeded.
 */
static useconds_t storm_densest, storm_pause;

static inline void on_storm(int signal) {
  (void)signal;
  if (storm_pause < 500000) storm_pause *= 2;
  ualarm(storm_pause, 0);
}

static inline void storm_let_through(void) { storm_pause = storm_densest; }

static inline void begin_storm(useconds_t densest, int flags) {
  struct sigaction action = {.sa_handler = on_storm, .sa_flags = flags};
  storm_densest = storm_pause = densest;
  sigaction(SIGALRM, &action, NULL);
  ualarm(densest, 0);
}

static inline void end_storm(void) {
  signal(SIGALRM, SIG_IGN);
  ualarm(0, 0);
}
#endif
