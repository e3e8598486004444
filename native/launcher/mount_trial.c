// SPDX-License-Identifier: MIT
/* Tries mounts in a process of its own. */
#include "mount_trial.h"

#include <linux/fcntl.h>
#include <linux/mount.h>
#include <linux/sched.h>
#include <linux/wait.h>

#include "kernel.h"
#include "mounts.h"
#include "namespaces.h"
#include "process_limit.h"

enum { ANY_LIMIT = 1 << 20 };

/* The parent waits for the child's end, and has the same memory. */
static struct {
  struct namespaces namespaces;
  volatile long error;
  const char *volatile what;
  volatile int counts;
} trial;

static void try_there(void *unused) {
  (void)unused;
  const char *what = "the user namespace cannot be entered";
  long result = enter_namespaces(&trial.namespaces);
  if (result == 0) {
    what = "this user cannot create a mount namespace";
    result = CALL(__NR_unshare, CLONE_NEWNS);
  }
  if (result == 0) result = try_each_mount(&what);
  trial.error = result;
  trial.what = what;
  trial.counts = result == 0 && limit_processes(ANY_LIMIT, &what) == 0;
  exit_process(0);
}

long try_mounts(int *counts, const char **what) {
  *counts = 0;
  long result = make_user_namespace(&trial.namespaces, what);
  if (result < 0) return result;
  trial.error = -ESRCH;
  trial.what = "the trial of mounts has ended early";
  trial.counts = 0;
  unsigned char *stack = allocate(CHILD_STACK);
  /* Without a signal at its end. */
  const long pid =
      stack == NULL ? -ENOMEM : clone_child(CLONE_VM | CLONE_VFORK, stack + CHILD_STACK, NULL, try_there, NULL);
  CALL(__NR_close, trial.namespaces.user);
  if (pid > 0)
    while (CALL(__NR_wait4, pid, 0, __WALL, 0) == -EINTR) continue;
  if (stack != NULL) CALL(__NR_munmap, stack, CHILD_STACK);
  *what = pid < 0 ? "no further process can be made" : trial.what;
  *counts = trial.counts;
  return pid < 0 ? pid : trial.error;
}
