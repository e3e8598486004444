// SPDX-License-Identifier: MIT
/*
 * What a process passes on to the program that it executes, but not to a child, or what the launcher must change for
 * itself: the signal mask, the disposition of SIGCHLD, pending signals, interval timers, the parent-death signal, the
 * child subreaper attribute, and scheduling that is reset on fork.
 */
#ifndef PORTCULLIS_INHERITANCE_H
#define PORTCULLIS_INHERITANCE_H

#include <stdint.h>

enum { SIGNALS = 64 };

struct signal_information { /* siginfo_t */
  int number, error, code, padding;
  int pid, uid;
  uint64_t rest[13];
};

struct inheritance {
  uint64_t mask;
  int ignores_sigchld;
  int parent_death_signal;
  int is_subreaper;
  /* Timers are taken away from this process: the command has them. */
  struct {
    long interval_seconds, interval_microseconds, seconds, microseconds;
  } timers[3];
  int64_t timers_read; /* CLOCK_MONOTONIC, ns */
  struct signal_information pending[SIGNALS];
  uint32_t pending_count;
  struct {
    uint32_t size, policy;
    uint64_t flags;
    int32_t nice;
    uint32_t priority;
    uint64_t runtime, deadline, period;
    uint32_t utilization_least, utilization_most;
  } scheduling; /* size 0: nothing is reset on fork */
};

/*
 * Blocks all signals, makes this process not dumpable, and reads what the command must get. To be called before anything
 * else.
 */
void take_inheritance(struct inheritance *inheritance);

/*
 * Gives it to the process that calls, which is about to execute the command: this process itself, or a child of it, which
 * may share its memory. The signal mask comes last, so pending signals act there.
 */
void give_inheritance(const struct inheritance *inheritance);

/* Removes one pending signal; 0 where there is none. */
int take_signal(struct signal_information *information);

/* Whether this signal would have ended this process as it was started: not blocked, with the default action to terminate. */
int is_fatal(const struct inheritance *inheritance, int signal);

/* Ends this process by a signal, or exits with 128 + signal where the kernel does not let it (an init). */
void end_by(int signal) __attribute__((noreturn));

#endif
