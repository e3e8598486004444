// SPDX-License-Identifier: MIT
/*
 * The simplest supervisor in C: supervisor [--asynchronous] [--killable] PROGRAM [ARGUMENT...]. It counts and allows
 * every getppid sequentially, and wakes the caller synchronously unless --asynchronous is given. With --killable only a
 * fatal signal interrupts a received call (SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV, Linux 5.19).
 */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV
#define SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV (1UL << 5)
#endif
#ifndef SECCOMP_IOCTL_NOTIF_SET_FLAGS
#define SECCOMP_IOCTL_NOTIF_SET_FLAGS SECCOMP_IOW(4, __u64)
#endif

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
  volatile int *shared = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  pid_t child = (pid_t)syscall(SYS_clone, CLONE_FILES | SIGCHLD, 0, 0, 0, 0);
  if (child == 0) {
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getppid, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {4, filter};
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    unsigned long flags = SECCOMP_FILTER_FLAG_NEW_LISTENER | (killable ? SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV : 0);
    int listener = (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &program);
    *shared = listener < 0 ? -1 : listener;
    execv(command[0], command);
    _exit(127);
  }
  while (*shared == 0) usleep(100);
  int listener = *shared;
  if (listener < 0) return 125;
  if (!asynchronous && ioctl(listener, SECCOMP_IOCTL_NOTIF_SET_FLAGS, 1ul) != 0)
    return 124; /* the kernel lacks the flag */
  volatile unsigned long count = 0;
  struct seccomp_notif notification;
  struct seccomp_notif_resp response;
  for (;;) {
    memset(&notification, 0, sizeof notification);
    if (ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &notification) != 0) {
      if (errno == EINTR) continue;
      struct pollfd ended = {.fd = listener, .events = POLLIN};
      poll(&ended, 1, -1);
      if (ended.revents & POLLHUP) break;
      continue;
    }
    count++;
    memset(&response, 0, sizeof response);
    response.id = notification.id;
    response.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
    ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &response);
  }
  int status;
  waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}
