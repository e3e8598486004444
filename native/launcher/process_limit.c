// SPDX-License-Identifier: MIT
/* Limits the processes of a user namespace. */
#include "process_limit.h"

#include <linux/resource.h>
#include <linux/sched.h>
#include <linux/wait.h>

#include "kernel.h"

static long set_limit(uint64_t soft, uint64_t hard) {
  const struct rlimit64 limit = {.rlim_cur = soft, .rlim_max = hard};
  return CALL(__NR_prlimit64, 0, RLIMIT_NPROC, &limit, 0);
}

static void end_at_once(void *unused) {
  (void)unused;
  exit_process(0);
}

/* Makes a process, which ends at once. Returns 0, or a negative errno. */
static long try_process(void) {
  unsigned char *stack = allocate(CHILD_STACK);
  if (stack == NULL) return -ENOMEM;
  const long pid = clone_child(CLONE_VM | CLONE_VFORK, stack + CHILD_STACK, NULL, end_at_once, NULL);
  if (pid > 0)
    while (CALL(__NR_wait4, pid, 0, __WALL, 0) == -EINTR) continue;
  CALL(__NR_munmap, stack, CHILD_STACK);
  return pid < 0 ? pid : 0;
}

/* Root has capabilities in its namespace, by which it becomes other users; each would have a count of its own. */
static int is_one_ordinary_user(void) {
  unsigned real, effective, saved;
  if (CALL(__NR_getresuid, &real, &effective, &saved) < 0) return 0;
  return real != 0 && real == effective && real == saved;
}

static uint64_t lower(uint64_t one, uint64_t other) { return one < other ? one : other; }

long limit_processes(uint32_t most, const char **what) {
  struct rlimit64 old;
  *what = "the limit of processes cannot be read";
  long result = CALL(__NR_prlimit64, 0, RLIMIT_NPROC, 0, &old);
  if (result < 0) return result;
  *what = "the kernel does not limit the processes of root, or of a process with several users";
  if (!is_one_ordinary_user()) return -EOPNOTSUPP;
  *what = "the limit of processes cannot be set";
  result = set_limit(lower(old.rlim_max, 1), old.rlim_max);
  if (result < 0) return result;
  *what = "the kernel exempts this user from limits of processes";
  if (try_process() != -EAGAIN) return -EOPNOTSUPP;
  if (old.rlim_max > 1) {
    *what = "the limit of processes cannot be set";
    result = set_limit(2, old.rlim_max);
    if (result < 0) return result;
    *what = "the kernel does not count the processes of a user namespace apart, or no further process can be made";
    if (try_process() < 0) return -EOPNOTSUPP;
  }
  *what = "the limit of processes cannot be set";
  return set_limit(lower(old.rlim_cur, most), lower(old.rlim_max, most));
}
