// SPDX-License-Identifier: MIT
/*
 * Stops one thread for a moment: PTRACE_SEIZE, which does not stop it, then PTRACE_INTERRUPT and a wait for the stop.
 * The wait is bounded. A thread that does not stop, for example a frozen one, becomes a late tracee, which is released at its
 * later stop.
 */
#define _GNU_SOURCE
#include "../base/clock.h"
#include "kept.h"
#include "tracee.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <time.h>

#ifndef PTRACE_EVENT_STOP
#define PTRACE_EVENT_STOP 128
#endif

/* The number of looks for a stop before the thread sleeps between them; the sleep and the whole wait, in nanoseconds. */
enum { EAGER_LOOKS = 100, SLEEP = 50000, PATIENCE = 1000000000 };

/* Attempts of PTRACE_SEIZE, each of a moment, while another thread of the process executes a program. */
enum { MOST_MOMENTS = 50 };

int seize_at_once(pid_t tid) {
  return is_kept(tid) ? 0 : seize_promptly(tid, PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACEEXEC);
}

int seize(pid_t tid) {
  for (int moment = 1;; moment++) {
    const int error = seize_at_once(tid);
    if (error != EINTR || moment == MOST_MOMENTS) return error;
  }
}

static void add_late(struct late_tracee **late, pid_t tid) {
  struct late_tracee *one = malloc(sizeof *one);
  if (one == NULL) abort(); /* a tracee that is never released hangs forever; the kernel releases it when we end */
  *one = (struct late_tracee){tid, *late};
  *late = one;
}

bool is_late_tracee(const struct late_tracee *late, pid_t tid) {
  for (; late != NULL; late = late->next)
    if (late->tid == tid) return true;
  return false;
}

int change_of(pid_t tid, int *status, bool waits) {
  int found = waits ? wait_promptly(tid, status) : waitpid(tid, status, __WALL | __WNOTHREAD | WNOHANG);
  if (found < 0 && !waits) found = -errno;
  const bool has_ended = found == -ECHILD || (found == tid && !WIFSTOPPED(*status));
  if (has_ended || (found == tid && is_execution(*status >> 8))) forget_kept(tid);
  return found;
}

void detach(struct late_tracee **late, pid_t tid, int signal) {
  if (!is_new_program(tid) && let_go(tid, signal) == 0) return;
  /*
   * A tracee that was killed during a stop is no longer stopped, and remains a zombie of ours until it is waited for;
   * its parent waits as long. A leader cannot be waited for before its other threads have ended.
   */
  const struct timespec moment = {0, SLEEP};
  for (int look = 0; look < 2 * EAGER_LOOKS; look++) {
    int status;
    if (let_go(tid, 0) == 0) return;
    const int found = change_of(tid, &status, false);
    if ((found < 0 && found != -EINTR) || (found == tid && !WIFSTOPPED(status))) return;
    if (look < EAGER_LOOKS) sched_yield();
    else nanosleep(&moment, NULL);
  }
  add_late(late, tid);
}

static bool is_own_stop(int status) { return status >> 16 == PTRACE_EVENT_STOP; }

/* A stop without an event belongs to a signal; the thread gets that signal. */
static int signal_of(int status) { return status >> 16 == 0 ? WSTOPSIG(status) : 0; }

/* It usually stops within some microseconds. */
static enum stop await(struct late_tracee **late, pid_t tid, uint64_t patience) {
  const struct timespec moment = {0, SLEEP};
  int status, found = change_of(tid, &status, true);
  const uint64_t start = now();
  while (found != tid) {
    if (found < 0 && found != -EINTR && found != -EAGAIN) return ENDED;
    if (now() - start >= patience) {
      add_late(late, tid);
      return LATE;
    }
    nanosleep(&moment, NULL);
    found = change_of(tid, &status, false);
  }
  if (!WIFSTOPPED(status)) return ENDED;
  if (is_own_stop(status)) return STOPPED;
  if (is_execution(status >> 8)) {
    detach(late, tid, 0);
    return ENDED;
  }
  detach(late, tid, signal_of(status));
  return ELSEWHERE;
}

enum stop await_stop(struct late_tracee **late, pid_t tid) { return await(late, tid, PATIENCE); }
enum stop await_prompt_stop(struct late_tracee **late, pid_t tid) { return await(late, tid, 0); }

void release_late(struct late_tracee **late) {
  for (struct late_tracee **at = late; *at != NULL;) {
    struct late_tracee *one = *at;
    int status;
    const int found = change_of(one->tid, &status, false);
    bool is_over = (found < 0 && found != -EINTR) || (found == one->tid && !WIFSTOPPED(status));
    if (found == one->tid && WIFSTOPPED(status)) is_over = let_go(one->tid, signal_of(status)) == 0;
    if (!is_over) {
      at = &one->next;
      continue;
    }
    *at = one->next;
    free(one);
  }
}
