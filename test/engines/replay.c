// SPDX-License-Identifier: MIT
/*
 * replay SCRIPT FILE: a tree of processes and threads that makes given calls in a given order (script.ts), and writes
 * their results to FILE: one signed decimal per line.
 *
 * Its internal calls carry a mark in the sixth argument register, which the tested policies always allow. It has no C
 * library, because the policy would judge the library's start. The first process only creates the first task and
 * records exits: every other process is its child (CLONE_PARENT).
 *
 * A script is hexadecimal numbers, for each step: what, task, and
 *   1 call      number, six arguments       7 call that ends the process, 8 the thread     likewise
 *   2 fork      the child's task            3 thread   likewise
 *   4 the process ends   5 the thread ends
 *   9 call while the process may have no more processes (RLIMIT_NPROC 0)     likewise
 */
#include "../../native/launcher/kernel.h"

#include <linux/fcntl.h>
#include <linux/futex.h>
#include <linux/mman.h>
#include <linux/sched.h>
#include <linux/signal.h>

#define MARK 0x5eed5eed000l
enum { STEPS = 512, TASKS = 32, STACK = 16384 };
enum {
  CALL_ONCE = 1,
  FORK,
  THREAD,
  END_PROCESS,
  END_THREAD,
  KILLED_PROCESS = 7,
  KILLED_THREAD,
  CALL_WITHOUT_PROCESSES
};
enum { TRAPPED = 1 << 20 }; /* a trap shows as less than its negative */

struct step {
  long what, task, words[7];
};

struct shared {
  volatile int turn;
  volatile int pids[TASKS];
  volatile int threads[TASKS]; /* the kernel clears one when its thread has ended, and its process has others */
  volatile long results[STEPS];
};

static struct step steps[STEPS];
static int count;
static struct shared *shared;
static unsigned char stacks[TASKS][STACK] __attribute__((aligned(16)));

static long marked(long number, long a, long b, long c, long d, long e) { return call6(number, a, b, c, d, e, MARK); }

void end(int status) __attribute__((noreturn));
void end(int status) {
  for (;;) marked(__NR_exit_group, status, 0, 0, 0, 0);
}

/* Sleeps while the word has this value. */
static void wait_while(volatile int *word, int value) {
  while (*word == value) marked(__NR_futex, (long)word, FUTEX_WAIT, value, 0, 0);
}

static void wait_until(volatile int *word, int value) {
  for (int now = *word; now != value; now = *word) marked(__NR_futex, (long)word, FUTEX_WAIT, now, 0, 0);
}

static void tell(volatile int *word, int value) {
  *word = value;
  marked(__NR_futex, (long)word, FUTEX_WAKE, 0x7fffffff, 0, 0);
}

/* Continues in a child: a process on a copy of this stack, a thread on its own stack, without a return address. */
long branch(long flags, void *stack, volatile int *tid, void (*function)(long), long argument);
__asm__(
    ".text\n"
    "branch:\n"
    "  mov %r8, %r11\n" /* argument */
    "  push %rbx\n"
    "  push %r12\n"
    "  mov %rcx, %rbx\n"
    "  mov %r11, %r12\n"
    "  mov %rdx, %r10\n" /* child_tid */
    "  xor %edx, %edx\n"
    "  xor %r8d, %r8d\n"
    "  movabs $0x5eed5eed000, %r9\n"
    "  mov $56, %eax\n"
    "  syscall\n"
    "  test %rax, %rax\n"
    "  jnz 1f\n"
    "  and $-16, %rsp\n"
    "  mov %r12, %rdi\n"
    "  call *%rbx\n"
    "  hlt\n"
    "1: pop %r12\n"
    "  pop %rbx\n"
    "  ret\n"
    "restore:\n"
    "  mov $15, %eax\n"
    "  syscall\n");
void restore(void);

/* SIGSYS: sets the result of the interrupted call. */
static void trapped(int signal, int *info, unsigned long *context) {
  (void)signal;
  /*
   * siginfo: si_signo, si_errno (the filter's word); ucontext: flags, link, stack (3 words), then r8 … with rax 13th.
   */
  context[5 + 13] = (unsigned long)(-(long)TRAPPED - info[1]);
}

static void live(long task);

static long call_without_processes(const long *w) {
  enum { NPROC = 6 }; /* RLIMIT_NPROC */
  unsigned long own[2], none[2];
  marked(__NR_prlimit64, 0, NPROC, 0, (long)own, 0);
  none[0] = 0;
  none[1] = own[1];
  marked(__NR_prlimit64, 0, NPROC, (long)none, 0, 0);
  long result = call6(w[0], w[1], w[2], w[3], w[4], w[5], w[6]);
  marked(__NR_prlimit64, 0, NPROC, (long)own, 0, 0);
  return result;
}

static void perform(int at) {
  struct step *step = steps + at;
  long *w = step->words, result = 0;
  switch (step->what) {
    case CALL_ONCE:
    case KILLED_PROCESS:
    case KILLED_THREAD:
      result = call6(w[0], w[1], w[2], w[3], w[4], w[5], w[6]);
      break;
    case CALL_WITHOUT_PROCESSES:
      result = call_without_processes(w);
      break;
    case FORK:
      shared->threads[w[0]] = 1;
      result = branch(SIGCHLD | CLONE_PARENT | CLONE_CHILD_CLEARTID, 0, shared->threads + w[0], live, w[0]);
      if (result > 0) wait_while(shared->pids + w[0], 0);
      break;
    case THREAD:
      shared->threads[w[0]] = 1;
      result = branch(
          CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM | CLONE_CHILD_CLEARTID,
          stacks[w[0]] + STACK, shared->threads + w[0], live, w[0]);
      if (result > 0) wait_while(shared->pids + w[0], 0);
      break;
    case END_PROCESS:
      end(0);
    case END_THREAD:
      for (;;) marked(__NR_exit, 0, 0, 0, 0, 0);
  }
  shared->results[at] = result;
  tell(&shared->turn, at + 1);
}

static void live(long task) {
  int from = shared->turn;
  tell(shared->pids + task, (int)marked(__NR_getpid, 0, 0, 0, 0, 0));
  for (int at = from; at < count; at++) {
    if (steps[at].task != task) continue;
    wait_until(&shared->turn, at);
    perform(at);
  }
  /* The process counts as alive until the end. */
  wait_until(&shared->turn, count);
  end(0);
}

/* The first process: a step that ends a task is complete when the task has ended. */
static void keep(void) {
  for (int at = 0; at < count; at++) {
    long what = steps[at].what, task = steps[at].task;
    int ends_process = what == END_PROCESS || what == KILLED_PROCESS;
    int ends_thread = what == END_THREAD || what == KILLED_THREAD;
    if (!ends_process && !ends_thread) continue;
    wait_until(&shared->turn, at);
    int status = 0;
    if (ends_process) {
      while (marked(__NR_wait4, shared->pids[task], (long)&status, 0x40000000, 0, 0) == -EINTR) {
      }
      shared->results[at] = status;
    } else {
      wait_while(shared->threads + task, 1);
    }
    tell(&shared->turn, at + 1);
  }
  wait_until(&shared->turn, count);
  while (marked(__NR_wait4, -1, 0, 0x40000000, 0, 0) >= 0) {
  }
}

static void read_script(const char *text) {
  long words[9];
  int have = 0, wanted = 0;
  for (const char *c = text; *c != 0 && count < STEPS;) {
    long number = 0;
    for (; *c != 0 && *c != ' '; c++) number = number * 16 + (*c <= '9' ? *c - '0' : *c - 'a' + 10);
    if (*c == ' ') c++;
    words[have++] = number;
    if (have == 1) wanted = number == CALL_ONCE || number >= KILLED_PROCESS ? 9 : number <= THREAD ? 3 : 2;
    if (have < wanted) continue;
    steps[count].what = words[0];
    steps[count].task = words[1];
    for (int i = 2; i < wanted; i++) steps[count].words[i - 2] = words[i];
    count++;
    have = 0;
  }
}

static void write_results(const char *file) {
  static char text[STEPS * 24];
  int length = 0;
  for (int at = 0; at < count; at++) {
    long result = shared->results[at];
    unsigned long number = result < 0 ? -(unsigned long)result : (unsigned long)result;
    char digits[24];
    int places = 0;
    if (result < 0) text[length++] = '-';
    do digits[places++] = (char)('0' + number % 10);
    while ((number /= 10) > 0);
    while (places > 0) text[length++] = digits[--places];
    text[length++] = '\n';
  }
  long into = marked(__NR_openat, AT_FDCWD, (long)file, O_WRONLY | O_CREAT | O_TRUNC, 0600, 0);
  marked(__NR_write, into, (long)text, length, 0, 0);
}

void start(long *stack) {
  char **argv = (char **)(stack + 1);
  if (stack[0] < 3) end(125);
  read_script(argv[1]);
  for (int descriptor = 0; descriptor < 3; descriptor++) marked(__NR_close, descriptor, 0, 0, 0, 0);
  /* struct sigaction of the kernel: handler, flags (SA_SIGINFO, SA_NODEFER, SA_RESTORER), restorer, mask */
  long action[4] = {(long)trapped, 0x4 | 0x40000000 | 0x4000000, (long)restore, 0};
  marked(__NR_rt_sigaction, SIGSYS, (long)action, 0, 8, 0);
  shared = (struct shared *)call6(__NR_mmap, 0, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
                                  MARK);
  /* Task 0 is the first process's child. */
  shared->threads[0] = 1;
  long first = branch(SIGCHLD | CLONE_CHILD_CLEARTID, 0, shared->threads, live, 0);
  if (first < 0) end(124);
  keep();
  write_results(argv[2]);
  end(0);
}
