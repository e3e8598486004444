// SPDX-License-Identifier: MIT
/*
 * Clones the child, which restores the inherited attributes, installs the filters and executes the command.
 *
 * The starter clones it, a process with the launcher's memory and descriptors, and in its former session. At the exit of a
 * process whose parent is in another process group of the same session, the kernel can find that the group has become
 * orphaned, and if one of its processes is stopped, sends SIGHUP to all (kill_orphaned_pgrp(), kernel/exit.c), the caller's
 * shell included. So the launcher, the parent, leaves the session before the child exists.
 */
#include "child.h"

#include <linux/futex.h>
#include <linux/prctl.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <linux/signal.h>
#include <linux/time_types.h>
#include <linux/wait.h>

#include "domain.h"
#include "kernel.h"
#include "pid_variables.h"

#ifndef SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV
#define SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV (1UL << 5)
#endif

/* The starter goes on after the child's execve or exit (CLONE_VFORK). The launcher then reads this. */
static struct {
  struct child *child;
  uint32_t is_asked, is_answered; /* futexes */
  volatile long pid;              /* or a negative errno */
  volatile int listener;
  volatile uint32_t detail;
  volatile long error;
  volatile enum stage stage;
} shared;

static unsigned char stack[CHILD_STACK] __attribute__((aligned(16)));
static unsigned char starter_stack[CHILD_STACK] __attribute__((aligned(16)));
static int launcher;
static long starter; /* a pid, or a negative errno */

static void fail(enum stage stage, long error) __attribute__((noreturn));
static void fail(enum stage stage, long error) {
  shared.stage = stage;
  shared.error = error;
  exit_process(127);
}

static long install(unsigned long flags, uint32_t length, struct sock_filter *filter) {
  struct sock_fprog program = {.len = (unsigned short)length, .filter = filter};
  return CALL(__NR_seccomp, SECCOMP_SET_MODE_FILTER, flags, &program);
}

/* Returns the listener, or a negative errno. */
static long install_with_listener(const struct orders *orders) {
  const struct orders_header *header = &orders->header;
  unsigned long flags = SECCOMP_FILTER_FLAG_NEW_LISTENER;
  long result = install(flags | SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV, header->filter_length, orders->filters);
  if (result >= 0) shared.detail = WAITS_KILLABLE;
  /* Linux before 5.19 lacks WAIT_KILLABLE_RECV. */
  if (result == -EINVAL) result = install(flags, header->filter_length, orders->filters);
  if (result >= 0) shared.listener = (int)result;
  /* A task can have only one listener. The part of the policy that needs no supervisor is still enforced. */
  if (result == -EBUSY && header->fallback_length > 0) {
    result = install(0, header->fallback_length, orders->filters + header->filter_length);
    shared.detail = WITHOUT_LISTENER;
  }
  return result;
}

static void become_command(void *unused) {
  (void)unused;
  const struct child *child = shared.child;
  uint32_t flags = child->orders->header.flags;
  restore_inheritance(child->inheritance);
  set_pid_variables(child->pidfd);
  if (flags & DIE_WITH_PARENT) CALL(__NR_prctl, PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
  enum stage stage = EXECVE;
  long result = 0;
  if (child->cgroup != NULL) {
    result = enter_cgroup(child->cgroup);
    if (result < 0) fail(MAKE_CGROUP, result);
  }
  int has_ties = is_tied(&child->orders->header);
  if (has_ties || flags & SEPARATE) {
    result = CALL(__NR_prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    if (result < 0) fail(NO_NEW_PRIVILEGES, result);
    long entered = enter_domain();
    if (entered < 0 && flags & SEPARATE) fail(ENTER_DOMAIN, entered);
    if (has_ties) result = install_shield(child->own, entered == 0);
    if (result < 0) fail(INSTALL, result);
  }
  if (flags & WANT_LISTENER) {
    stage = NO_NEW_PRIVILEGES;
    result = flags & KEEP_PRIVILEGES ? 0 : CALL(__NR_prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    if (result >= 0) {
      stage = INSTALL;
      result = install_with_listener(child->orders);
    }
  } else if (!(flags & KEEP_PRIVILEGES)) {
    result = confine(child->confinement, &stage);
  }
  if (result < 0) fail(stage, result);

  /* From here on the policy judges every call except this one. */
  fail(EXECVE, execute(child->file, child->argv, child->environment, child->confinement->token));
}

/* Nanoseconds after which the launcher looks whether the starter lives. */
enum { LOOK = 100000000 };

static void set(uint32_t *flag) {
  __atomic_store_n(flag, 1, __ATOMIC_RELEASE);
  CALL(__NR_futex, flag, FUTEX_WAKE_PRIVATE, 1);
}

/* Waits until the flag is set, but not much longer than `LOOK`. Clears it. */
static int is_set(uint32_t *flag) {
  const struct __kernel_timespec time = {0, LOOK};
  if (__atomic_load_n(flag, __ATOMIC_ACQUIRE) == 0) CALL(__NR_futex, flag, FUTEX_WAIT_PRIVATE, 0, &time);
  if (__atomic_load_n(flag, __ATOMIC_ACQUIRE) == 0) return 0;
  __atomic_store_n(flag, 0, __ATOMIC_RELAXED);
  return 1;
}

static void serve_launcher(void *unused) {
  (void)unused;
  const unsigned long flags = CLONE_VM | CLONE_VFORK | CLONE_FILES | CLONE_PARENT | CLONE_PIDFD;
  CALL(__NR_prctl, PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
  for (int is_done = 0; !is_done;) {
    if (CALL(__NR_getppid, 0) != launcher) break;
    if (!is_set(&shared.is_asked)) continue;
    shared.pid = clone_child(flags | SIGCHLD, stack + CHILD_STACK, &shared.child->pidfd, become_command, 0);
    is_done = shared.pid >= 0 && shared.error == 0;
    set(&shared.is_answered);
  }
  exit_process(0);
}

void prepare_starter(void) {
  launcher = (int)CALL(__NR_getpid, 0);
  starter = clone_child(CLONE_VM | CLONE_FILES | SIGCHLD, starter_stack + CHILD_STACK, NULL, serve_launcher, NULL);
  /* A program may also kill its whole process group. */
  CALL(__NR_setsid, 0);
}

/* Returns 0, or a negative errno if the starter was killed, and then no child runs. */
static long ask_starter(struct child *child) {
  set(&shared.is_asked);
  while (!is_set(&shared.is_answered)) {
    if (CALL(__NR_wait4, starter, 0, WNOHANG | __WALL, 0) == 0) continue;
    starter = -ECHILD;
    if (child->pidfd >= 0) CALL(__NR_pidfd_send_signal, child->pidfd, SIGKILL, 0, 0);
    return starter;
  }
  return 0;
}

static void reap(long pid) {
  while (CALL(__NR_wait4, pid, 0, __WALL, 0) == -EINTR) {
  }
}

long start_child(struct child *child, enum stage *stage) {
  shared.child = child;
  shared.listener = -1;
  shared.detail = 0;
  shared.error = 0;
  child->pidfd = -1;
  *stage = CLONE;
  if (starter < 0) return starter;
  long result = ask_starter(child);
  if (result < 0) return result;
  if (shared.pid < 0) return shared.pid;
  child->pid = (int)shared.pid;
  child->listener = shared.listener;
  child->detail = shared.detail;
  if (shared.error == 0) {
    reap(starter);
    return 0;
  }
  *stage = shared.stage;
  reap(child->pid);
  CALL(__NR_close, child->pidfd);
  if (child->listener >= 0) CALL(__NR_close, child->listener);
  return shared.error;
}
