/* Runs a command under a classic filter. */
#pragma once
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Executes the command; returns an exit status if that fails, after a message. */
static int under_filter(const struct sock_fprog *program, char **command) {
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, program)) {
    perror("seccomp");
    return 125;
  }
  execvp(command[0], command);
  perror(command[0]);
  return 127;
}
