// SPDX-License-Identifier: MIT
/*
 * The child that executes the command.
 *
 * It shares the launcher's memory and descriptors until its execve (CLONE_VM, CLONE_VFORK, CLONE_FILES). The launcher
 * therefore has the listener that the child's seccomp(2) creates, and reads its number from memory: the child makes no
 * system call between seccomp and execve that a policy could judge. The execve carries a random token in the argument
 * registers that it does not use; the filter allows the call with that token.
 */
#ifndef PORTCULLIS_CHILD_H
#define PORTCULLIS_CHILD_H

#include "cgroup.h"
#include "confine.h"
#include "inheritance.h"
#include "mount_watch.h"
#include "namespaces.h"
#include "orders.h"
#include "restrictions.h"
#include "shield.h"

struct child {
  /* Input. */
  const char *file;
  char **argv;
  char **environment;
  const struct inheritance *inheritance;
  const struct orders *orders;         /* flags; with WANT_LISTENER also the filters */
  int group;                           /* the process group to join, 0: the starter's */
  int front;                           /* the socket to which the child announces itself (CLONED), or -1 */
  const struct cgroup *cgroup;         /* NULL: the parent's */
  const struct namespaces *namespaces; /* NULL: the parent's */
  const struct own_processes *own;
  int mounts;                /* enter the mounts of the layers, and make the restrictions there; else they are made */
  struct mount_watch *watch; /* of the mounts, for the parent */
  struct restrictions restrictions;
  const struct confinement *confinement; /* the filters without WANT_LISTENER; the token */
  /* Output. */
  int pid, pidfd;
  int listener;    /* or -1 */
  uint32_t detail; /* of STARTED */
};

/*
 * Starts the child, whose parent is this process's parent (CLONE_PARENT), and waits for its execve. Returns 0, or a
 * negative errno, the stage that failed, and NULL or a sentence in `what`.
 */
long start_child(struct child *child, enum stage *stage, const char **what);

#endif
