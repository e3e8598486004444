// SPDX-License-Identifier: MIT
/*
 * PTRACE_SEIZE that ends after a moment.
 *
 * The kernel takes the mutex that an execution in the thread's process holds until its other threads have ended
 * (kernel/ptrace.c, ptrace_attach(), and fs/exec.c, de_thread(), Linux 6.18). The execution can wait for us, to reap
 * another thread of that process which we trace, or for a file that never arrives. The kernel restarts the call after
 * every signal, so the signal's handler moves the thread behind the call.
 */
#define _GNU_SOURCE
#include "pin.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

enum { MOMENT = 2000000 /* ns */ };

long seize_call(long request, long tid, long address, long data);
extern const char seize_entered[], seize_left[];

#ifdef __x86_64__
__asm__(
    ".text\n"
    ".globl seize_call, seize_entered, seize_left\n"
    ".hidden seize_call, seize_entered, seize_left\n"
    "seize_call:\n mov %rcx, %r10\n mov $101, %eax\n"
    "seize_entered:\n syscall\n"
    "seize_left:\n ret\n");
#else
__asm__(
    ".text\n"
    ".globl seize_call, seize_entered, seize_left\n"
    ".hidden seize_call, seize_entered, seize_left\n"
    "seize_call:\n mov x8, #117\n"
    "seize_entered:\n svc #0\n"
    "seize_left:\n ret\n");
#endif

static void leave(int signal, siginfo_t *information, void *context) {
  (void)signal;
  (void)information;
  mcontext_t *at = &((ucontext_t *)context)->uc_mcontext;
#ifdef __x86_64__
  const uintptr_t pointer = (uintptr_t)at->gregs[REG_RIP];
#else
  const uintptr_t pointer = (uintptr_t)at->pc;
#endif
  if (pointer < (uintptr_t)seize_call || pointer > (uintptr_t)seize_entered) return;
#ifdef __x86_64__
  at->gregs[REG_RIP] = (greg_t)(uintptr_t)seize_left;
  at->gregs[REG_RAX] = -EINTR;
#else
  at->pc = (uintptr_t)seize_left;
  at->regs[0] = (unsigned long long)-EINTR;
#endif
}

/* The kernel's id of this thread's timer. */
static __thread int timer;
static __thread bool has_timer;

static bool start_timer(void) {
  if (has_timer) return true;
  const int number = SIGRTMAX - 1;
  struct sigaction action = {.sa_sigaction = leave, .sa_flags = SA_SIGINFO | SA_RESTART};
  struct sigevent event;
  memset(&event, 0, sizeof event);
  event.sigev_notify = SIGEV_THREAD_ID;
  event.sigev_signo = number;
  event._sigev_un._tid = (int)syscall(SYS_gettid);
  sigset_t one;
  sigemptyset(&one);
  sigaddset(&one, number);
  has_timer = sigaction(number, &action, NULL) == 0 && pthread_sigmask(SIG_UNBLOCK, &one, NULL) == 0 &&
              syscall(SYS_timer_create, CLOCK_MONOTONIC, &event, &timer) == 0;
  return has_timer;
}

static void set_timer(long interval) {
  const struct itimerspec time = {{0, interval}, {0, interval}};
  syscall(SYS_timer_settime, timer, 0, &time, NULL);
}

int seize_promptly(pid_t tid, unsigned long options) {
  if (!start_timer()) return EAGAIN;
  set_timer(MOMENT);
  const long result = seize_call(PTRACE_SEIZE, tid, 0, (long)options);
  set_timer(0);
  return result == 0 ? 0 : (int)-result;
}
