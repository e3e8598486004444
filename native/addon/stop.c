// SPDX-License-Identifier: MIT
/*
 * Stops one thread for a moment: PTRACE_SEIZE, which does not stop it, then PTRACE_INTERRUPT and a wait for the stop.
 * The wait is bounded. A thread that does not stop, for example a frozen one, becomes a stray, which is released at its
 * later stop.
 */
#define _GNU_SOURCE
#include "pin.h"

#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <time.h>

#ifndef PTRACE_EVENT_STOP
#define PTRACE_EVENT_STOP 128
#endif

/* Looks for a stop that takes long, and nanoseconds. */
enum { EAGER_LOOKS = 100, SLEEP = 50000, PATIENCE = 1000000000 };

/* Of the moments that a seizure lasts, while another thread of the process executes a program. */
enum { MOST_MOMENTS = 50 };

int seize(pid_t tid) {
  for (int moment = 1;; moment++) {
    const int error = seize_promptly(tid, PTRACE_O_TRACESYSGOOD);
    if (error != EINTR || moment == MOST_MOMENTS) return error;
  }
}

void interrupt(pid_t tid) { ptrace(PTRACE_INTERRUPT, tid, NULL, NULL); }

static void add_stray(struct stray **strays, pid_t tid) {
  struct stray *one = malloc(sizeof *one);
  if (one == NULL) abort(); /* a tracee that is never released hangs forever; the kernel releases it when we end */
  *one = (struct stray){tid, *strays};
  *strays = one;
}

bool is_stray(const struct stray *strays, pid_t tid) {
  for (; strays != NULL; strays = strays->next)
    if (strays->tid == tid) return true;
  return false;
}

void detach(struct stray **strays, pid_t tid, int signal) {
  if (ptrace(PTRACE_DETACH, tid, NULL, (void *)(uintptr_t)signal) == 0) return;
  /*
   * A tracee that was killed during a stop is no longer stopped, and remains a zombie of ours until it is waited for;
   * its parent waits as long. A leader cannot be waited for before its other threads have ended.
   */
  const struct timespec moment = {0, SLEEP};
  for (int look = 0; look < 2 * EAGER_LOOKS; look++) {
    int status;
    pid_t found = waitpid(tid, &status, __WALL | __WNOTHREAD | WNOHANG);
    if ((found < 0 && errno != EINTR) || (found == tid && !WIFSTOPPED(status))) return;
    if (found == tid && ptrace(PTRACE_DETACH, tid, NULL, NULL) == 0) return;
    if (look < EAGER_LOOKS) sched_yield();
    else nanosleep(&moment, NULL);
  }
  add_stray(strays, tid);
}

/* A stop other than the requested one belongs to a signal; the thread gets that signal. */
static bool is_own_stop(int status) { return status >> 16 == PTRACE_EVENT_STOP; }

/* It usually stops within some microseconds. */
static enum stop await(struct stray **strays, pid_t tid, uint64_t patience) {
  const struct timespec moment = {0, SLEEP};
  int status, found = wait_promptly(tid, &status);
  const uint64_t start = now();
  while (found != tid) {
    if (found < 0 && found != -EINTR && found != -EAGAIN) return ENDED;
    if (now() - start >= patience) {
      add_stray(strays, tid);
      return LATE;
    }
    nanosleep(&moment, NULL);
    found = waitpid(tid, &status, __WALL | __WNOTHREAD | WNOHANG);
    if (found < 0) found = -errno;
  }
  if (!WIFSTOPPED(status)) return ENDED;
  if (is_own_stop(status)) return STOPPED;
  detach(strays, tid, WSTOPSIG(status));
  return ELSEWHERE;
}

enum stop await_stop(struct stray **strays, pid_t tid) { return await(strays, tid, PATIENCE); }
enum stop await_prompt_stop(struct stray **strays, pid_t tid) { return await(strays, tid, 0); }

void release_strays(struct stray **strays) {
  for (struct stray **at = strays; *at != NULL;) {
    struct stray *one = *at;
    int status;
    pid_t found = waitpid(one->tid, &status, __WALL | __WNOTHREAD | WNOHANG);
    bool is_over = (found < 0 && errno != EINTR) || (found == one->tid && !WIFSTOPPED(status));
    if (found == one->tid && WIFSTOPPED(status))
      is_over =
          ptrace(PTRACE_DETACH, one->tid, NULL, (void *)(uintptr_t)(is_own_stop(status) ? 0 : WSTOPSIG(status))) == 0;
    if (!is_over) {
      at = &one->next;
      continue;
    }
    *at = one->next;
    free(one);
  }
}
