// SPDX-License-Identifier: MIT
/*
 * failing CASE LIMIT: forks that the kernel refuses after the policy has allowed them, in a tree with at most LIMIT
 * processes. Prints the number of forks below the limit that were denied.
 */
#include "victim.h"
#include <sys/resource.h>

static long raw_clone(unsigned long flags) { return result_of(syscall(SYS_clone, flags, 0, 0, 0, 0)); }

/* Each creates no process; an errno of the policy does not count. */
static const struct {
  const char *name;
  unsigned long flags;
} failures[] = {
    {"CLONE_SIGHAND without CLONE_VM", CLONE_SIGHAND | SIGCHLD},
    {"CLONE_NEWNS with CLONE_FS", CLONE_NEWNS | CLONE_FS | SIGCHLD},
    {"CLONE_NEWUSER with CLONE_FS", CLONE_NEWUSER | CLONE_FS | SIGCHLD},
    {"CLONE_PIDFD with CLONE_PARENT_SETTID", CLONE_PIDFD | CLONE_PARENT_SETTID | SIGCHLD},
    {"CLONE_PIDFD into nowhere", CLONE_PIDFD | SIGCHLD},
};
enum { FAILURES = sizeof failures / sizeof *failures };

static void fail_to_fork(int which) {
  long result = raw_clone(failures[which % FAILURES].flags);
  if (result == 0) _exit(0);
  if (result != -EINVAL && result != -EFAULT) printf("%s: %ld\n", failures[which % FAILURES].name, result);
}

/* Creates children that wait until the pipe closes, and returns their number. */
static int fill(int places, int hold[2]) {
  int made = 0;
  for (; made < places; made++) {
    pid_t pid = fork();
    if (pid < 0) break;
    if (pid > 0) continue;
    char byte;
    close(hold[1]);
    while (read(hold[0], &byte, 1) < 0) {
    }
    _exit(0);
  }
  return made;
}

/* Whether a fork was denied. */
static int is_refused(void) {
  pid_t pid = fork();
  if (pid == 0) _exit(0);
  if (pid < 0) return 1;
  waitpid(pid, NULL, 0);
  return 0;
}

/* A thread fails to fork and tells another process, which then forks. */
static int refused_beside(int times) {
  int ask[2], answer[2], refused = 0;
  char byte = 0;
  if (pipe(ask) != 0 || pipe(answer) != 0) return -1;
  pid_t pid = fork();
  if (pid == 0) {
    for (int i = 0; i < times; i++) {
      if (read(ask[0], &byte, 1) != 1) break;
      fail_to_fork(i);
      if (write(answer[1], &byte, 1) != 1) break;
    }
    _exit(0);
  }
  for (int i = 0; i < times; i++) {
    if (write(ask[1], &byte, 1) != 1 || read(answer[0], &byte, 1) != 1) return -1;
    refused += is_refused();
  }
  waitpid(pid, NULL, 0);
  return refused;
}

int main(int argc, char **argv) {
  setvbuf(stdout, NULL, _IONBF, 0);
  if (argc < 3) return 2;
  int limit = atoi(argv[2]), times = argc > 3 ? atoi(argv[3]) : 100, refused = 0, hold[2];
  if (pipe(hold) != 0) return 2;
  if (!strcmp(argv[1], "execute")) {
    /* Fails to fork, and executes itself at once. The count must be unchanged at the end. */
    fail_to_fork(times);
    char rest[16];
    snprintf(rest, sizeof rest, "%d", times - 1);
    if (times > 0) execv(argv[0], (char *[]){argv[0], argv[1], argv[2], rest, NULL});
    printf("execute: %d made\n", fill(limit, hold));
  } else if (!strcmp(argv[1], "again")) {
    /* One more process is allowed. */
    if (fill(limit - 2, hold) != limit - 2) return 3;
    for (int i = 0; i < times; i++) {
      fail_to_fork(i);
      refused += is_refused();
    }
    printf("again: %d refused\n", refused);
  } else if (!strcmp(argv[1], "beside")) {
    if (fill(limit - 3, hold) != limit - 3) return 3;
    printf("beside: %d refused\n", refused_beside(times));
  } else if (!strcmp(argv[1], "exit")) {
    /* A child fails to fork and exits at once; two more processes are allowed. */
    if (fill(limit - 3, hold) != limit - 3) return 3;
    for (int i = 0; i < times; i++) {
      pid_t pid = fork();
      if (pid == 0) {
        fail_to_fork(i);
        _exit(0);
      }
      if (pid < 0) refused++;
      else waitpid(pid, NULL, 0);
    }
    printf("exit: %d refused\n", refused);
  } else if (!strcmp(argv[1], "many")) {
    /* RLIMIT_NPROC, which does not hold for root: EAGAIN from the kernel. */
    struct rlimit limited, own;
    getrlimit(RLIMIT_NPROC, &own);
    limited = own;
    limited.rlim_cur = 0;
    if (fill(limit - 2, hold) != limit - 2) return 3;
    int passed = 0;
    for (int i = 0; i < times; i++) {
      setrlimit(RLIMIT_NPROC, &limited);
      passed += !is_refused();
      setrlimit(RLIMIT_NPROC, &own);
      refused += is_refused();
    }
    printf("many: %d passed, %d refused\n", passed, refused);
  }
  close(hold[1]);
  return 0;
}
