// SPDX-License-Identifier: MIT
/*
 * Process attributes that survive execve but not fork, or that the launcher must change for itself: the signal mask,
 * the disposition of SIGCHLD, pending signals, interval timers, the parent-death signal, the child subreaper attribute,
 * and scheduling that is reset on fork. The launcher saves them at its start and restores them for the command.
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
  /* Disarmed in this process and armed again for the command. */
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
    uint32_t utilization_min, utilization_max;
  } scheduling; /* size 0: not reset on fork */
};

/* Blocks all signals, makes this process not dumpable, and saves the attributes. Call it before anything else. */
void save_inheritance(struct inheritance *inheritance);

/*
 * Restores the attributes in the calling process, which is about to execute the command: this process or its child,
 * which may share its memory. The signal mask comes last, so pending signals are delivered there.
 */
void restore_inheritance(const struct inheritance *inheritance);

/* Dequeues one pending signal and returns its number, or 0. */
int dequeue_signal(struct signal_information *information);

/* Whether the signal would have ended this process at its start: not blocked, with terminate as its default action. */
int is_fatal(const struct inheritance *inheritance, int signal);

/* Sends a blocked signal to this process and sets its default action, which it takes once it is delivered. */
void queue_default(int signal);
/* Lets a pending signal take effect. */
void deliver(int signal);
/* Removes a signal that may be pending. Returns whether it was. */
int cancel(int signal);

/*
 * Ends this process by the default action of a signal, or exits with 128 + signal if the kernel ignores the signal (for
 * an init process). There is no core dump, because this process is not dumpable.
 */
void end_by(int signal) __attribute__((noreturn));

#endif
