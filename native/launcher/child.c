// SPDX-License-Identifier: MIT
/*
 * Clones the child, which restores the inherited attributes, installs the filters and executes the command. The starter
 * (launcher.c) clones it as the launcher's child.
 */
#include "child.h"

#include <linux/poll.h>
#include <linux/prctl.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <linux/signal.h>

#include "domain.h"
#include "kernel.h"
#include "mounts.h"
#include "pid_variables.h"
#include "poll.h"

#ifndef SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV
#define SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV (1UL << 5)
#endif

/* The parent reads this after the child's execve or exit (CLONE_VFORK). */
static struct {
  struct child *child;
  volatile int listener;
  volatile uint32_t detail;
  volatile long error;
  volatile enum stage stage;
  const char *volatile what; /* NULL, or a sentence about the error */
} shared;

static void fail(enum stage stage, long error) __attribute__((noreturn));
static void fail(enum stage stage, long error) {
  shared.stage = stage;
  shared.error = error;
  exit_process(127);
}

static void fail_with(const struct fault *fault) __attribute__((noreturn));
static void fail_with(const struct fault *fault) {
  shared.what = fault->what;
  fail(fault->stage, fault->error);
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
  int has_ties = is_tied(&child->orders->header);
  /* Before the filters and the command: if the launcher is killed, the front ends this process. */
  if (child->front >= 0) {
    struct message message = {CLONED, 0, (int)CALL(__NR_getpid, 0), has_ties ? TIED : 0};
    long error = send_message(child->front, &message, &child->pidfd, 1);
    if (error < 0) fail(PASS_DESCRIPTORS, error);
  }
  restore_inheritance(child->inheritance);
  set_pid_variables(child->pidfd);
  if (child->group != 0) CALL(__NR_setpgid, 0, child->group);
  enum stage stage = EXECVE;
  long result = 0;
  if (child->cgroup != NULL) {
    result = enter_cgroup(child->cgroup);
    if (result < 0) fail(MAKE_CGROUP, result);
  }
  if (child->namespaces != NULL) {
    result = enter_namespaces(child->namespaces);
    if (result < 0) fail(child->mounts ? ENTER_MOUNTS : ENTER_NETWORK, result);
    /* The kernel forgets it when credentials change (kernel/cred.c, commit_creds()). */
    CALL(__NR_prctl, PR_SET_PDEATHSIG, child->inheritance->parent_death_signal, 0, 0, 0);
  }
  if (flags & DIE_WITH_PARENT) CALL(__NR_prctl, PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
  struct restrictions *restrictions = &shared.child->restrictions;
  if (child->mounts) {
    struct fault fault = {.stage = ENTER_MOUNTS};
    fault.error = enter_mounts(restrictions->bytes, restrictions->size, &fault.what);
    /* The parent has the descriptors, too. */
    if (fault.error == 0)
      fault.error = watch_mounts(child->watch, child->namespaces, restrictions->bytes, restrictions->size);
    if (fault.error < 0 || make_restrictions(restrictions, &fault) < 0) fail_with(&fault);
  }
  if (has_ties || restrictions->domain >= 0 || restrictions->layers.count > 0) {
    result = CALL(__NR_prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    if (result < 0) fail(NO_NEW_PRIVILEGES, result);
    struct fault fault = {.stage = ENTER_DOMAIN};
    const int reads_proc = restrictions->of_domain & READS_PROC;
    fault.error = restrictions->domain < 0 ? -EOPNOTSUPP
                                           : enter_domain(restrictions->domain, restrictions->of_domain, &fault.what);
    const int keeps_signals = fault.error == 0 && restrictions->of_domain & KEEPS_SIGNALS;
    if (reads_proc) fault.stage = PROTECT_PROC;
    if (fault.error < 0 && (reads_proc || flags & SEPARATE)) fail_with(&fault);
    fault = (struct fault){.stage = RESTRICT_OBJECTS};
    fault.error = enter_layers(&restrictions->layers, child->orders->header.label, &fault.what);
    if (fault.error < 0) fail_with(&fault);
    if (has_ties) result = install_shield(child->own, keeps_signals);
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
  result = execute(child->file, child->argv, child->environment, child->confinement->token);
  if (result == -EACCES && restrictions->restricts_execution)
    shared.what = "`files.execute` of the policy may lack it, its interpreter or the dynamic linker";
  fail(EXECVE, result);
}

long start_child(struct child *child, enum stage *stage, const char **what) {
  shared.child = child;
  shared.listener = -1;
  shared.detail = 0;
  shared.error = 0;
  shared.what = NULL;
  *stage = CLONE;
  *what = NULL;
  /* Directories are listed on it if it makes the restrictions. The caller can have a small limit of data. */
  const size_t size = child->mounts ? 256 << 10 : CHILD_STACK;
  unsigned char *stack = allocate(size);
  if (stack == NULL) return -ENOMEM;
  long pid = clone_child(CLONE_VM | CLONE_VFORK | CLONE_FILES | CLONE_PIDFD | CLONE_PARENT | SIGCHLD, stack + size,
                         &child->pidfd, become_command, 0);
  CALL(__NR_munmap, stack, size);
  if (pid < 0) return pid;
  child->pid = (int)pid;
  child->listener = shared.listener;
  child->detail = shared.detail;
  if (shared.error == 0) return 0;
  *stage = shared.stage;
  *what = shared.what;
  /* Its cgroup cannot be removed before it has ended. The launcher reaps it later. */
  struct pollfd end = {child->pidfd, POLLIN, 0};
  while (end.revents == 0) wait_readable(&end, 1, 0);
  CALL(__NR_close, child->pidfd);
  if (child->listener >= 0) CALL(__NR_close, child->listener);
  return shared.error;
}
