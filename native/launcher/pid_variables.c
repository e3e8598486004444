// SPDX-License-Identifier: MIT
/* Rewrites systemd's variables about a process for the command. */
#include "pid_variables.h"

#include <linux/fcntl.h>
#include <linux/stat.h>

#include "kernel.h"

enum { MAX_NAME = 24, MAX_DIGITS = 21 };

static struct {
  const char *name; /* with its "=" */
  int is_inode;     /* of a pidfd; otherwise a pid */
  char text[MAX_NAME + MAX_DIGITS];
  int is_ours;
} variables[] = {
    {.name = "LISTEN_PID="},
    {.name = "LISTEN_PIDFDID=", .is_inode = 1},
    {.name = "SYSTEMD_EXEC_PID="},
    {.name = "WATCHDOG_PID="},
};

enum { VARIABLES = sizeof variables / sizeof *variables };

static void write_number(char *to, uint64_t number) {
  char digits[MAX_DIGITS], *at = digits + sizeof digits;
  *--at = 0;
  do *--at = (char)('0' + number % 10);
  while ((number /= 10) > 0);
  memcpy(to, at, (size_t)(digits + sizeof digits - at));
}

/* From Linux 6.9 on each process has an inode number of its own, which is not reused (fs/pidfs.c). Returns 0 on failure. */
static uint64_t inode_of(int pidfd) {
  struct statx status;
  return CALL(__NR_statx, pidfd, "", AT_EMPTY_PATH, STATX_INO, &status) < 0 ? 0 : status.stx_ino;
}

static uint64_t own_inode(void) {
  int pidfd = (int)CALL(__NR_pidfd_open, CALL(__NR_getpid, 0), 0);
  if (pidfd < 0) return 0;
  uint64_t inode = inode_of(pidfd);
  CALL(__NR_close, pidfd);
  return inode;
}

void find_pid_variables(char **environment) {
  for (char **entry = environment; *entry != NULL; entry++) {
    for (int i = 0; i < VARIABLES; i++) {
      size_t length = string_length(variables[i].name);
      /* getenv(3) returns the first entry of a name. */
      if (variables[i].text[0] != 0 || memcmp(*entry, variables[i].name, length) != 0) continue;
      memcpy(variables[i].text, variables[i].name, length);
      write_number(variables[i].text + length, variables[i].is_inode ? own_inode() : (uint64_t)CALL(__NR_getpid, 0));
      variables[i].is_ours = strings_equal(*entry, variables[i].text);
      if (variables[i].is_ours) *entry = variables[i].text;
    }
  }
}

void set_pid_variables(int pidfd) {
  for (int i = 0; i < VARIABLES; i++)
    if (variables[i].is_ours)
      write_number(variables[i].text + string_length(variables[i].name),
                   variables[i].is_inode ? inode_of(pidfd) : (uint64_t)CALL(__NR_getpid, 0));
}
