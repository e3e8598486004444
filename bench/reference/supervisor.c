// SPDX-License-Identifier: MIT
/*
 * The simplest supervisor in C: supervisor [--asynchronous] [--killable] PROGRAM [ARGUMENT...]. It counts and allows
 * every getppid sequentially, and wakes the caller synchronously unless --asynchronous is given. With --killable only a
 * fatal signal interrupts a received call (SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV, Linux 5.19).
 */
#define _GNU_SOURCE
#include "listener.h"

#include <sys/wait.h>

int main(int argc, char **argv) {
  int asynchronous = 0, killable = 0;
  char **command = argv + 1;
  for (; *command != NULL && **command == '-'; command++) {
    if (strcmp(*command, "--asynchronous") == 0) asynchronous = 1;
    else if (strcmp(*command, "--killable") == 0) killable = 1;
    else return 125;
  }
  (void)argc;
  if (*command == NULL) return 125;
  pid_t child;
  int listener = start(command, SYS_getppid, killable ? SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV : 0, &child);
  if (listener < 0) return 125;
  if (!asynchronous && ioctl(listener, SECCOMP_IOCTL_NOTIF_SET_FLAGS, 1ul) != 0)
    return 124; /* the kernel lacks the flag */
  volatile unsigned long count = 0;
  struct seccomp_notif notification;
  while (receive(listener, &notification)) {
    count++;
    answer(listener, &notification, 0, SECCOMP_USER_NOTIF_FLAG_CONTINUE);
  }
  int status;
  waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}
