// SPDX-License-Identifier: MIT
/*
 * Calls of ours that wait for another task, and end after a moment.
 *
 * PTRACE_SEIZE takes the mutex that an execution in the thread's process holds until its other threads have ended
 * (kernel/ptrace.c, ptrace_attach(), and fs/exec.c, de_thread(), Linux 6.18). The execution can wait for us, to reap
 * another thread of that process which we trace, or for a file that never arrives. wait4(2) and waitid(2) wait for a stop that
 * may not come. The kernel restarts all of them after a signal, so the signal's handler moves the thread behind the call.
 */
#define _GNU_SOURCE
#include "tracee.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

enum { MOMENT = 2000000 /* ns */ };

/* The fifth argument of the call is 0. */
long moment_call(long number, long first, long second, long third, long fourth);
extern const char moment_entered[], moment_left[];

#ifdef __x86_64__
__asm__(
    ".text\n"
    ".globl moment_call, moment_entered, moment_left\n"
    ".hidden moment_call, moment_entered, moment_left\n"
    "moment_call:\n"
    " mov %rdi, %rax\n mov %rsi, %rdi\n mov %rdx, %rsi\n mov %rcx, %rdx\n mov %r8, %r10\n xor %r8d, %r8d\n"
    "moment_entered:\n syscall\n"
    "moment_left:\n ret\n");
#else
__asm__(
    ".text\n"
    ".globl moment_call, moment_entered, moment_left\n"
    ".hidden moment_call, moment_entered, moment_left\n"
    "moment_call:\n"
    " mov x8, x0\n mov x0, x1\n mov x1, x2\n mov x2, x3\n mov x3, x4\n mov x4, xzr\n"
    "moment_entered:\n svc #0\n"
    "moment_left:\n ret\n");
#endif

/*
 * The timer of this thread. Setting a timer takes as long as a seizure, so it ticks from one call on until a moment has
 * none.
 */
static __thread int timer; /* the kernel's id */
static __thread bool has_timer;
static __thread volatile sig_atomic_t ticks;
static __thread volatile unsigned calls, calls_at_tick;

static void set_timer(long interval) {
  const struct itimerspec time = {{0, interval}, {0, interval}};
  syscall(SYS_timer_settime, timer, 0, &time, NULL);
}

/* A call ends at its second tick, so after one to two moments. */
static void tick(int signal, siginfo_t *information, void *context) {
  (void)signal;
  (void)information;
  const bool is_second = calls == calls_at_tick;
  calls_at_tick = calls;
  if (!is_second) return;
  mcontext_t *at = &((ucontext_t *)context)->uc_mcontext;
#ifdef __x86_64__
  const uintptr_t pointer = (uintptr_t)at->gregs[REG_RIP];
#else
  const uintptr_t pointer = (uintptr_t)at->pc;
#endif
  if (pointer < (uintptr_t)moment_call || pointer > (uintptr_t)moment_entered) {
    set_timer(0);
    ticks = false;
    return;
  }
#ifdef __x86_64__
  at->gregs[REG_RIP] = (greg_t)(uintptr_t)moment_left;
  at->gregs[REG_RAX] = -EINTR;
#else
  at->pc = (uintptr_t)moment_left;
  at->regs[0] = (unsigned long long)-EINTR;
#endif
}

static bool start_timer(void) {
  if (has_timer) return true;
  const int number = SIGRTMAX - 1;
  struct sigaction action = {.sa_sigaction = tick, .sa_flags = SA_SIGINFO | SA_RESTART};
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

static long call_for_a_moment(long number, long first, long second, long third, long fourth) {
  if (!start_timer()) return -EAGAIN;
  calls++; /* before the look at `ticks`, so that the handler cannot stop the timer in between */
  if (!ticks) {
    ticks = true;
    set_timer(MOMENT);
  }
  return moment_call(number, first, second, third, fourth);
}

int seize_promptly(pid_t tid, unsigned long options) {
  return (int)-call_for_a_moment(SYS_ptrace, PTRACE_SEIZE, tid, 0, (long)options);
}

int wait_promptly(pid_t tid, int *status) {
  return (int)call_for_a_moment(SYS_wait4, tid, (long)(uintptr_t)status, __WALL | __WNOTHREAD, 0);
}

int await_change(void) {
  const long options = WSTOPPED | WEXITED | WNOWAIT | __WALL | __WNOTHREAD;
  return (int)call_for_a_moment(SYS_waitid, P_ALL, 0, 0, options);
}

void end_moments(void) {
  if (has_timer) syscall(SYS_timer_delete, timer);
  has_timer = false;
}
