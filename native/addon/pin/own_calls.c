// SPDX-License-Identifier: MIT
/* Makes calls in a stopped caller, to set up its window. The policy's filter may notify us of them: notifications.c. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../base/old_libc.h"
#include "pins.h"

#ifndef SYS_mseal
#define SYS_mseal 462
#endif

/*
 * Limits of the wait for a caller's calls for its window, in nanoseconds and in looks: clocks run while the host has stopped our
 * virtual machine, so nanoseconds alone would end the wait too early. The nanoseconds are of all its calls together.
 */
enum { EAGER_LOOKS = 20, SLEEP = 20000, LEAST_LOOKS = 250, STOP_PATIENCE = 500000000 };
static const uint64_t calls_patience = 5000000000;

/*
 * Another filter can trap a call (SECCOMP_RET_TRAP): the call is not made, its end shows the caller's registers in place of
 * a result, and SIGSYS follows. That signal is ours, and the program must not get it.
 */
#ifndef SYS_SECCOMP
#define SYS_SECCOMP 1
#endif
static bool is_trap(const siginfo_t *signal) { return signal->si_signo == SIGSYS && signal->si_code == SYS_SECCOMP; }

static bool is_trapped(pid_t tid) {
  siginfo_t waiting[8];
  struct __ptrace_peeksiginfo_args wanted = {.off = 0, .flags = 0, .nr = 8};
  const long count = ptrace(PTRACE_PEEKSIGINFO, tid, &wanted, waiting);
  for (long i = 0; i < count; i++)
    if (is_trap(&waiting[i])) return true;
  return false;
}

/*
 * The stop at a call's begin or end, or for a trap. False if the thread ends, stops otherwise, or does not stop in time. The
 * first look waits for the stop, unless the filter has notified us of a call of this number: then it waits for us.
 */
static bool await_call(struct pins *self, pid_t tid, long number, const uint64_t arguments[6]) {
  const struct timespec moment = {0, SLEEP};
  /* The calls that are made here differ in these bits of their numbers. */
  const uint64_t call = UINT64_C(1) << (number % 64);
  for (int look = 0; look < LEAST_LOOKS || now() < self->calls_end; look++) {
    int status;
    const bool waits = look == 0 && (self->notified & call) == 0;
    const int found = change_of(tid, &status, waits);
    if (found == -EAGAIN) continue;
    if (found == tid) {
      if (!WIFSTOPPED(status)) return false;
      if (status >> 8 == (SIGTRAP | 0x80)) return true;
      siginfo_t signal;
      if (status >> 16 == 0 && ptrace(PTRACE_GETSIGINFO, tid, NULL, &signal) == 0 && is_trap(&signal)) return true;
      /*
       * All other signals that can be blocked are blocked, so this is a stop of the whole process, which must not see it
       * yet. Continuing it here also discards a delivery of the signal that is about to happen.
       */
      if (status >> 16 == 0) self->stopping = WSTOPSIG(status);
      if (!change_tracee(PTRACE_SYSCALL, tid, NULL, NULL)) return false;
    } else if (found < 0 && found != -EINTR) {
      return false;
    }
    if (pass_own_call(self, tid, number, arguments)) self->notified |= call;
    else if (look < EAGER_LOOKS) sched_yield();
    else nanosleep(&moment, NULL);
  }
  return false;
}

/*
 * Stops a thread that runs code of its program in place of our call, because another thread has written to that code, or that
 * got no processor time. If it does not stop either, its process is killed: it would make our call later, when nothing checks
 * the mapping, and continue with our registers. False if it ends.
 */
static bool recover(const struct thread *thread) {
  registers at;
  if (get_registers(thread->id, &at)) return true; /* it is stopped */
  interrupt(thread->id);
  const struct timespec moment = {0, SLEEP};
  const uint64_t end = now() + STOP_PATIENCE;
  for (int look = 0; look < LEAST_LOOKS || now() < end; look++) {
    int status;
    const int found = change_of(thread->id, &status, false);
    if (found == thread->id) return WIFSTOPPED(status);
    if (found < 0 && found != -EINTR) return false;
    nanosleep(&moment, NULL);
  }
  kill_tracee(thread->id, thread->process->id);
  return false;
}

/* From its begin on the thread makes the call, and next stops at its end, however late. */
static bool reach_end(struct pins *self, const struct thread *thread, long number, const uint64_t arguments[6],
                      registers *at) {
  return change_tracee(PTRACE_SYSCALL, thread->id, NULL, NULL) &&
         (await_call(self, thread->id, number, arguments) || recover(thread)) && get_registers(thread->id, at);
}

/* Other negative results are the kernel's errno. NOT_MADE: the thread is stopped elsewhere. LOST: it ends. */
enum { NOT_MADE = -100000, LOST = -100001 };
static bool is_made(int64_t result) { return result != NOT_MADE && result != LOST; }

static int64_t make_call(struct pins *self, const struct thread *thread, const registers *base, uint64_t instruction,
                         long number, const uint64_t arguments[6]) {
  const pid_t tid = thread->id;
  registers at = *base;
  enter_call(&at, instruction, number, arguments);
  /* The program's own memory holds the instruction, and another thread may have changed it. */
  const bool is_begun = set_registers(tid, &at) && change_tracee(PTRACE_SYSCALL, tid, NULL, NULL) &&
                        await_call(self, tid, number, arguments) && get_registers(tid, &at) &&
                        is_entering(&at, number, arguments);
  if (!is_begun) return recover(thread) ? NOT_MADE : LOST;
  if (!reach_end(self, thread, number, arguments, &at)) return LOST;
  if (!is_trapped(tid)) return result_of(&at);
  /* The next continuation from this stop discards the signal. */
  return reach_end(self, thread, number, arguments, &at) ? -EPERM : LOST;
}

/* Another thread can put any file at the number. An inode's number never changes, so no file server is asked for it. */
bool still_has(pid_t tid, int number, ino_t inode) {
  char path[64];
  struct statx found;
  snprintf(path, sizeof path, "/proc/%d/fd/%d", tid, number);
  return statx(AT_FDCWD, path, AT_STATX_DONT_SYNC | AT_NO_AUTOMOUNT, STATX_INO, &found) == 0 && found.stx_ino == inode;
}

#define CALL(number, ...) make_call(self, thread, base, instruction, number, (const uint64_t[6]){__VA_ARGS__})

/* Returns 0, NOT_MADE or LOST. A descriptor that cannot be closed keeps its number. */
static int64_t close_given(struct pins *self, const struct thread *thread, const registers *base, uint64_t instruction,
                           int *number, ino_t inode) {
  if (*number < 0) return 0;
  const int64_t result = still_has(thread->id, *number, inode) ? CALL(SYS_close, CLOSE_MARK | (uint64_t)*number) : 0;
  if (result == 0 || result == -EBADF) *number = -1;
  return is_made(result) ? 0 : result;
}

/*
 * Maps the missing parts, and closes the descriptors. All signals but SIGSYS are blocked; other threads may make any call
 * meanwhile.
 */
static int64_t map_missing(struct pins *self, struct thread *thread, const registers *base, uint64_t instruction,
                           struct given *given) {
  enum { FLAGS = MAP_SHARED | MAP_FIXED_NOREPLACE };
  const uint64_t start = start_of_place(given->place), data = data_of_place(given->place);
  int64_t result = 0;
  int seen;
  if (given->state == ABSENT) {
    result = CALL(SYS_mmap, start, CODE_SIZE, PROT_READ | PROT_EXEC, FLAGS, (uint64_t)given->code, 0);
    /*
     * Another thread may have put its own file in the descriptor's place. Then our call, which the policy did not
     * judge, has made that file executable, and the process must not continue with it.
     */
    if (result >= 0 && (look(self, thread, &seen) != CODE_ONLY || seen != given->place)) {
      kill_tracee(thread->id, thread->process->id);
      return LOST;
    }
    if (!is_made(result)) return result;
  }
  int64_t closed = close_given(self, thread, base, instruction, &given->code, self->windows.code_inode);
  if (closed != 0) return closed;
  if (result >= 0) {
    const uint64_t size = end_of_place(given->place) - data;
    result = CALL(SYS_mmap, data, size, PROT_READ, FLAGS, (uint64_t)given->data, 0);
    if (result >= 0) given->placement = UNSURE;
    if (!is_made(result)) return result;
  }
  closed = close_given(self, thread, base, instruction, &given->data, given->window->inode);
  return closed != 0 ? closed : result;
}

static int64_t protect(struct pins *self, const struct thread *thread, const registers *base, uint64_t instruction,
                       int place) {
  const uint64_t start = start_of_place(place), data = data_of_place(place), end = end_of_place(place);
  const int64_t result = CALL(SYS_madvise, data, end - data, MADV_DONTFORK);
  if (result != 0 || self->windows.protection != SEALED) return result;
  return CALL(SYS_mseal, start, end - start);
}

/* A later SIGCONT cancels a stop. */
static bool is_to_continue(pid_t tid) {
  char path[40], text[4096];
  snprintf(path, sizeof path, "/proc/%d/status", tid);
  int file = open(path, O_RDONLY | O_CLOEXEC);
  if (file < 0) return false;
  ssize_t length = read(file, text, sizeof text - 1);
  close(file);
  if (length < 0) return false;
  text[length] = 0;
  for (const char *at = text; (at = strstr(at, "Pnd:\t")) != NULL; at += 5)
    if ((strtoull(at + 5, NULL, 16) >> (SIGCONT - 1) & 1) != 0) return true;
  return false;
}

/* ── Before and after ────────────────────────────────────────────────────────────────────────────────────────────── */

/* Returns the caller's signal mask. The kernel resets the handler of SIGSYS if a call is trapped while the signal is blocked. */
static uint64_t begin_calls(struct pins *self, pid_t tid) {
  self->calls_end = now() + calls_patience;
  uint64_t all = ~((uint64_t)1 << (SIGSYS - 1)), before = 0;
  self->stopping = 0;
  ptrace(PTRACE_GETSIGMASK, tid, (void *)sizeof before, &before);
  change_tracee(PTRACE_SETSIGMASK, tid, (void *)sizeof all, &all);
  return before;
}

static void end_calls(struct pins *self, const struct thread *thread, uint64_t before) {
  const bool is_there = change_tracee(PTRACE_SETSIGMASK, thread->id, (void *)sizeof before, &before);
  if (is_there && self->stopping != 0 && !is_to_continue(thread->id)) kill(thread->process->id, self->stopping);
}

enum outcome map_window(struct pins *self, struct thread *thread, const registers *base, uint64_t instruction,
                        struct given *given, int *error) {
  const uint64_t before = begin_calls(self, thread->id);
  enum outcome outcome = NOT_MAPPED;
  int64_t result = map_missing(self, thread, base, instruction, given);
  if (result >= 0) {
    result = protect(self, thread, base, instruction, given->place);
    if (result == 0) given->placement = PLACED;
    outcome = result == 0 ? PREPARED : NOT_PROTECTED;
  }
  if (result == LOST) return GONE;
  end_calls(self, thread, before);
  *error = result < 0 && is_made(result) ? (int)-result : 0;
  return outcome;
}

/* ── Syscall user dispatch ───────────────────────────────────────────────────────────────────────────────────────── */

#ifndef PTRACE_GET_SYSCALL_USER_DISPATCH_CONFIG
#define PTRACE_SET_SYSCALL_USER_DISPATCH_CONFIG 0x4210
#define PTRACE_GET_SYSCALL_USER_DISPATCH_CONFIG 0x4211
#endif

/* struct ptrace_sud_config; all 0: it is off */
struct dispatch {
  uint64_t mode, selector, offset, length;
};

static bool get_dispatch(struct pins *self, pid_t tid, struct dispatch *into) {
  *into = (struct dispatch){0};
  if (!self->asks_for_dispatch || ptrace(PTRACE_GET_SYSCALL_USER_DISPATCH_CONFIG, tid, (void *)sizeof *into, into) == 0)
    return true;
  /* EIO: the request exists since 6.4; EINVAL: no dispatch on this machine. Else the tracee was killed. */
  if (errno != EIO && errno != EINVAL) return false;
  self->asks_for_dispatch = false;
  return true;
}

static bool set_dispatch(pid_t tid, const struct dispatch *to) {
  return change_tracee(PTRACE_SET_SYSCALL_USER_DISPATCH_CONFIG, tid, (void *)sizeof *to, to);
}

static void restore_dispatch(pid_t tid, const struct dispatch *to) {
  /* PR_SYS_DISPATCH_INCLUSIVE_ON (6.18) has no mode of its own in the answer, only the inverted range, which wraps around. */
  const struct dispatch inclusive = {2, to->selector, to->offset + to->length, -to->length};
  if (!set_dispatch(tid, to)) set_dispatch(tid, &inclusive);
}

bool has_dispatch(struct pins *self, pid_t tid) {
  struct dispatch dispatch;
  return get_dispatch(self, tid, &dispatch) && dispatch.mode != 0;
}

bool take_back(struct pins *self, struct thread *thread, const registers *base, uint64_t instruction,
               struct given *given) {
  const struct dispatch off = {0};
  struct dispatch dispatch;
  if (given->data < 0 && given->code < 0) return true;
  if (!get_dispatch(self, thread->id, &dispatch)) return false;
  const uint64_t before = begin_calls(self, thread->id);
  if (dispatch.mode != 0) set_dispatch(thread->id, &off);
  int64_t closed = close_given(self, thread, base, instruction, &given->code, self->windows.code_inode);
  if (closed == 0 && given->data >= 0)
    closed = close_given(self, thread, base, instruction, &given->data, given->window->inode);
  if (closed == LOST) return false;
  if (dispatch.mode != 0) restore_dispatch(thread->id, &dispatch);
  end_calls(self, thread, before);
  return true;
}
