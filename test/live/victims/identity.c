// SPDX-License-Identifier: MIT
/*
 * identity PROGRAM [WORD...]: names itself in systemd's variables about a process, as systemd does, and executes PROGRAM.
 * identity: prints for each of these variables whether it names this process.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static const char *const pids[] = {"LISTEN_PID", "WATCHDOG_PID", "SYSTEMD_EXEC_PID"};

int main(int argc, char **argv) {
  char pid[32], inode[32];
  struct stat status = {0};
  int pidfd = (int)syscall(SYS_pidfd_open, getpid(), 0);
  if (pidfd < 0 || fstat(pidfd, &status) < 0) return 2;
  close(pidfd);
  snprintf(pid, sizeof pid, "%d", getpid());
  snprintf(inode, sizeof inode, "%lu", (unsigned long)status.st_ino);
  for (int i = 0; i < 4; i++) {
    const char *name = i < 3 ? pids[i] : "LISTEN_PIDFDID", *own = i < 3 ? pid : inode;
    if (argc > 1) {
      setenv(name, own, 1);
      continue;
    }
    const char *given = getenv(name);
    printf("%s %s\n", name, given == NULL ? "absent" : strcmp(given, own) == 0 ? "own" : "other");
  }
  if (argc < 2) return 0;
  execv(argv[1], argv + 1);
  return 3;
}
