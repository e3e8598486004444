// SPDX-License-Identifier: MIT
/* Saves and restores the attributes that fork or the launcher changes. */
#include "inheritance.h"

#include <linux/prctl.h>
#include <linux/sched.h>
#include <linux/signal.h>
#include <linux/time.h>

#include "kernel.h"

_Static_assert(sizeof(struct signal_information) == 128, "siginfo_t has 128 bytes");

static const uint64_t all_signals = ~0ull;

/* The kernel's struct sigaction, with the same layout on arm64 and x86-64. */
struct action {
  long handler;
  unsigned long flags, restorer;
  uint64_t mask;
};

static long disposition_of(int signal) {
  struct action action = {0};
  CALL(__NR_rt_sigaction, signal, 0, &action, sizeof action.mask);
  return action.handler;
}

static void set_disposition(int signal, long handler) {
  struct action action = {.handler = handler};
  CALL(__NR_rt_sigaction, signal, &action, 0, sizeof action.mask);
}

static int64_t now(void) {
  struct {
    int64_t seconds, nanoseconds;
  } time = {0, 0};
  CALL(__NR_clock_gettime, CLOCK_MONOTONIC, &time);
  return time.seconds * 1000000000 + time.nanoseconds;
}

int dequeue_signal(struct signal_information *information) {
  static const int64_t no_time[2] = {0, 0};
  long result;
  do result = CALL(__NR_rt_sigtimedwait, &all_signals, information, no_time, sizeof all_signals);
  while (result == -EINTR);
  return result > 0 ? (int)result : 0;
}

void save_inheritance(struct inheritance *own) {
  CALL(__NR_prctl, PR_SET_DUMPABLE, 0, 0, 0, 0);
  CALL(__NR_rt_sigprocmask, SIG_SETMASK, &all_signals, &own->mask, sizeof own->mask);
  while (own->pending_count < SIGNALS && dequeue_signal(&own->pending[own->pending_count]) != 0) own->pending_count++;
  /* The kernel reaps the children of a process that ignores SIGCHLD, and their status is lost. */
  own->ignores_sigchld = disposition_of(SIGCHLD) == (long)SIG_IGN;
  if (own->ignores_sigchld) set_disposition(SIGCHLD, (long)SIG_DFL);
  CALL(__NR_prctl, PR_GET_PDEATHSIG, &own->parent_death_signal, 0, 0, 0);
  CALL(__NR_prctl, PR_GET_CHILD_SUBREAPER, &own->is_subreaper, 0, 0, 0);
  static const long no_timer[4] = {0, 0, 0, 0};
  for (int which = 0; which < 3; which++) CALL(__NR_setitimer, which, no_timer, &own->timers[which]);
  own->timers_read = now();
  if (CALL(__NR_sched_getattr, 0, &own->scheduling, sizeof own->scheduling, 0) < 0 ||
      (own->scheduling.flags & SCHED_FLAG_RESET_ON_FORK) == 0)
    own->scheduling.size = 0;
}

static void restore_timers(const struct inheritance *own) {
  for (int which = 0; which < 3; which++) {
    long timer[4];
    memcpy(timer, &own->timers[which], sizeof timer);
    int64_t left = (int64_t)timer[2] * 1000000 + timer[3];
    if (left == 0) continue;
    /* Only ITIMER_REAL has run since: the others count this process's CPU time. */
    if (which == ITIMER_REAL) left -= (now() - own->timers_read) / 1000;
    if (left < 1) left = 1;
    timer[2] = (long)(left / 1000000);
    timer[3] = (long)(left % 1000000);
    CALL(__NR_setitimer, which, timer, 0);
  }
}

void restore_inheritance(const struct inheritance *own) {
  if (own->ignores_sigchld) set_disposition(SIGCHLD, (long)SIG_IGN);
  CALL(__NR_prctl, PR_SET_PDEATHSIG, own->parent_death_signal, 0, 0, 0);
  CALL(__NR_prctl, PR_SET_CHILD_SUBREAPER, own->is_subreaper, 0, 0, 0);
  if (own->scheduling.size != 0) CALL(__NR_sched_setattr, 0, &own->scheduling, 0);
  restore_timers(own);
  /* A process may queue any siginfo to itself (kernel/signal.c, do_rt_sigqueueinfo). */
  long self = CALL(__NR_getpid, 0);
  for (uint32_t i = 0; i < own->pending_count; i++)
    CALL(__NR_rt_sigqueueinfo, self, own->pending[i].number, &own->pending[i]);
  CALL(__NR_rt_sigprocmask, SIG_SETMASK, &own->mask, 0, sizeof own->mask);
}

int is_fatal(const struct inheritance *own, int signal) {
  if ((own->mask & 1ull << (signal - 1)) != 0 || disposition_of(signal) != (long)SIG_DFL) return 0;
  switch (signal) {
    case SIGCHLD:
    case SIGCONT:
    case SIGURG:
    case SIGWINCH:
    case SIGSTOP:
    case SIGTSTP:
    case SIGTTIN:
    case SIGTTOU:
      return 0;
    default:
      return 1;
  }
}

void queue_default(int signal) {
  set_disposition(signal, (long)SIG_DFL);
  CALL(__NR_kill, CALL(__NR_getpid, 0), signal);
}

void deliver(int signal) {
  uint64_t one = 1ull << (signal - 1);
  CALL(__NR_rt_sigprocmask, SIG_UNBLOCK, &one, 0, sizeof one);
  CALL(__NR_rt_sigprocmask, SIG_BLOCK, &one, 0, sizeof one);
}

int cancel(int signal) {
  static const int64_t no_time[2] = {0, 0};
  uint64_t one = 1ull << (signal - 1);
  return CALL(__NR_rt_sigtimedwait, &one, 0, no_time, sizeof one) == signal;
}

void end_by(int signal) {
  queue_default(signal);
  deliver(signal);
  exit_process(128 + signal);
}
