// SPDX-License-Identifier: MIT
/*
 * The child that becomes the command.
 *
 * It shares the launcher's memory and descriptors until its execve (CLONE_VM, CLONE_VFORK, CLONE_FILES). So the listener
 * that its seccomp(2) makes is the launcher's at once, its number is handed over by a store to memory, and between seccomp
 * and execve there is no system call that a policy could judge. The execve itself carries a random token in the argument
 * registers that execve does not use; the filter lets exactly that one through.
 */
#ifndef PORTCULLIS_CHILD_H
#define PORTCULLIS_CHILD_H

#include "cgroup.h"
#include "confine.h"
#include "inheritance.h"
#include "orders.h"
#include "shield.h"

struct child {
  /* What it is to do. */
  const char *file;
  char **argv;
  char **environment;
  const struct inheritance *inheritance;
  const struct orders *orders; /* flags; with WANT_LISTENER the filters, too */
  int group;                   /* the process group that it joins, 0: stays in its parent's */
  const struct cgroup *cgroup; /* NULL: stays in its parent's */
  const struct own_processes *own;
  const struct confinement *confinement; /* what is installed without WANT_LISTENER; the token */
  /* What became of it. */
  int pid, pidfd;
  int listener;    /* -1: there is none */
  uint32_t detail; /* of STARTED */
};

/* Starts it. Returns when the command has been executed: 0, or a negative errno with the stage that failed. */
long start_child(struct child *child, enum stage *stage);

#endif
