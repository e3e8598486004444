// SPDX-License-Identifier: MIT
/* The classic filter that protects the front, Node and the launcher from the command. */
#include "shield.h"

#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/ioprio.h>
#include <linux/resource.h>
#include <linux/seccomp.h>
#include <linux/signal.h>

#include "kernel.h"
#include "listing.h"

#if defined(__x86_64__)
enum { ARCHITECTURE = AUDIT_ARCH_X86_64 };
#else
enum { ARCHITECTURE = AUDIT_ARCH_AARCH64 };
#endif

/* Node has seven or eight threads when the command starts. */
enum { PROGRAM_SIZE = 2048, MOST_THREADS = 32, NO_SIGNAL = -1, EXISTS = 0 };

static struct sock_filter program[PROGRAM_SIZE];
static unsigned length;

static void add(uint16_t code, uint32_t k, unsigned if_true, unsigned if_false) {
  if (length < PROGRAM_SIZE) program[length] = (struct sock_filter){code, (uint8_t)if_true, (uint8_t)if_false, k};
  length++;
}

static void load(uint32_t offset) { add(BPF_LD | BPF_W | BPF_ABS, offset, 0, 0); }
/* The low word: pid_t and int have 32 bits, and the kernel ignores the upper half of the register. Little-endian. */
static void load_argument(int index) { load(16 + 8 * (uint32_t)index); }
static void return_action(uint32_t action) { add(BPF_RET | BPF_K, action, 0, 0); }
static void deny_if(uint32_t value) {
  add(BPF_JMP | BPF_JEQ | BPF_K, value, 0, 1);
  return_action(SECCOMP_RET_ERRNO | EPERM);
}
static void allow_if(uint32_t value) {
  add(BPF_JMP | BPF_JEQ | BPF_K, value, 0, 1);
  return_action(SECCOMP_RET_ALLOW);
}

/*
 * Node's other threads: to most of these calls a thread's id names its process. Threads that Node starts later are not known
 * here. The id of one that ends can become another process's, which these calls then do not reach.
 */
static uint32_t threads[MOST_THREADS];
static unsigned thread_count;

/* 0 for a text that is no number. */
static uint32_t number_in(const char *text) {
  uint32_t number = 0;
  for (; *text >= '0' && *text <= '9'; text++) number = 10 * number + (uint32_t)(*text - '0');
  return *text == 0 ? number : 0;
}

/* The directory of the process's threads. /proc can be that of another pid namespace. */
static long open_threads_of(uint32_t pid) {
  char own[16], path[32] = "/proc/", digits[10];
  long length = CALL(__NR_readlinkat, AT_FDCWD, "/proc/self", own, sizeof own - 1);
  if (length <= 0) return -ENOENT;
  own[length] = 0;
  if (number_in(own) != (uint32_t)CALL(__NR_getpid, 0)) return -ENOENT;
  unsigned count = 0, at = 6;
  for (; pid > 0; pid /= 10) digits[count++] = (char)('0' + pid % 10);
  while (count > 0) path[at++] = digits[--count];
  memcpy(path + at, "/task", 6);
  return CALL(__NR_openat, AT_FDCWD, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
}

static void find_threads(uint32_t pid) {
  static struct listing listing;
  thread_count = 0;
  long directory = open_threads_of(pid);
  if (directory < 0) return;
  begin_listing(&listing, directory);
  long error;
  for (const char *name; (name = next_name(&listing, &error)) != NULL;) {
    uint32_t thread = number_in(name);
    if (thread != 0 && thread != pid && thread_count < MOST_THREADS) threads[thread_count++] = thread;
  }
  CALL(__NR_close, directory);
}

struct denied_call {
  int number;
  int pid;    /* which argument */
  int signal; /* which argument, or NO_SIGNAL */
};

/* Limits and priorities of another process require only the same user (kernel/sys.c, kernel/sched, block/ioprio.c). */
static const struct denied_call limiting[] = {
    {__NR_prlimit64, 0, NO_SIGNAL},      {__NR_setpriority, 1, NO_SIGNAL},
    {__NR_sched_setattr, 0, NO_SIGNAL},  {__NR_sched_setscheduler, 0, NO_SIGNAL},
    {__NR_sched_setparam, 0, NO_SIGNAL}, {__NR_sched_setaffinity, 0, NO_SIGNAL},
    {__NR_ioprio_set, 1, NO_SIGNAL},
};

static const struct denied_call signalling[] = {
    {__NR_kill, 0, 1},
    {__NR_tkill, 0, 1},
    {__NR_tgkill, 0, 2},
    {__NR_rt_sigqueueinfo, 0, 1},
    {__NR_rt_tgsigqueueinfo, 0, 2},
    {__NR_pidfd_open, 0, NO_SIGNAL},
    {__NR_ptrace, 1, NO_SIGNAL},
    {__NR_process_vm_writev, 0, NO_SIGNAL},
};

static void deny_call(const struct denied_call *call, const struct own_processes *own) {
  unsigned test = length;
  add(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)call->number, 0, 0);
  if (call->signal != NO_SIGNAL) {
    load_argument(call->signal);
    allow_if(EXISTS);
  }
  /* All processes of a user, and so ours. */
  if (call->number == __NR_setpriority || call->number == __NR_ioprio_set) {
    load_argument(0);
    deny_if(call->number == __NR_setpriority ? PRIO_USER : IOPRIO_WHO_USER);
  }
  load_argument(call->pid);
  for (unsigned i = 0; i < thread_count; i++) deny_if(threads[i]);
  int pids[] = {own->node, own->launcher};
  for (unsigned i = 0; i < 2; i++) {
    if (pids[i] == 0) continue;
    deny_if((uint32_t)pids[i]);
    /* Node and the launcher each lead a process group without other members. */
    if (call->number == __NR_kill) deny_if((uint32_t)-pids[i]);
  }
  if (own->front != 0) {
    if (call->signal == NO_SIGNAL) {
      deny_if((uint32_t)own->front);
    } else {
      /* The front forwards any other signal to the command. */
      unsigned front = length;
      add(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)own->front, 0, 0);
      load_argument(call->signal);
      deny_if(SIGKILL);
      deny_if(SIGSTOP);
      program[front].jf = (uint8_t)(length - front - 1);
    }
  }
  return_action(SECCOMP_RET_ALLOW);
  program[test].jf = (uint8_t)(length - test - 1);
}

long install_shield(const struct own_processes *own, int is_separate) {
  length = 0;
  thread_count = 0;
  if (own->node != 0) find_threads((uint32_t)own->node);
  load(4);
  /* The policy's own filter refuses foreign architectures. */
  add(BPF_JMP | BPF_JEQ | BPF_K, ARCHITECTURE, 1, 0);
  return_action(SECCOMP_RET_ALLOW);
  load(0);
  for (unsigned i = 0; i < sizeof limiting / sizeof *limiting; i++) deny_call(&limiting[i], own);
  if (!is_separate)
    for (unsigned i = 0; i < sizeof signalling / sizeof *signalling; i++) deny_call(&signalling[i], own);
  return_action(SECCOMP_RET_ALLOW);
  if (length > PROGRAM_SIZE) return -E2BIG;
  struct sock_fprog filter = {(unsigned short)length, program};
  return CALL(__NR_seccomp, SECCOMP_SET_MODE_FILTER, 0, &filter);
}
