/* SPDX-License-Identifier: MIT */
/*
 * The common start of all supervisors in C: a command under a filter that notifies of some system calls, and its listener.
 */
#ifndef LISTENER_H
#define LISTENER_H

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

#ifndef SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV
#define SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV (1UL << 5)
#endif
#ifndef SECCOMP_IOCTL_NOTIF_SET_FLAGS
#define SECCOMP_IOCTL_NOTIF_SET_FLAGS SECCOMP_IOW(4, __u64)
#endif

enum { MOST_CALLS = 128 };

/* The listener, or −1. `flags` of seccomp(2) beside SECCOMP_FILTER_FLAG_NEW_LISTENER. */
static inline int start_for(char **command, const unsigned *numbers, unsigned count, unsigned long flags,
                            pid_t *child) {
  volatile int *shared = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (count > MOST_CALLS) return -1;
  *child = (pid_t)syscall(SYS_clone, CLONE_FILES | SIGCHLD, 0, 0, 0, 0);
  if (*child == 0) {
    struct sock_filter filter[MOST_CALLS + 3] = {BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0)};
    for (unsigned i = 0; i < count; i++)
      filter[1 + i] =
          (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, numbers[i], (unsigned char)(count - i), 0);
    filter[1 + count] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    filter[2 + count] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF);
    struct sock_fprog program = {(unsigned short)(count + 3), filter};
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    int listener =
        (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags | SECCOMP_FILTER_FLAG_NEW_LISTENER, &program);
    *shared = listener < 0 ? -1 : listener;
    execvp(command[0], command);
    _exit(127);
  }
  while (*shared == 0) usleep(100);
  return *shared;
}

static inline int start(char **command, unsigned number, unsigned long flags, pid_t *child) {
  return start_for(command, &number, 1, flags, child);
}

/* False if no task is left under the filter. */
static inline bool receive(int listener, struct seccomp_notif *notification) {
  for (;;) {
    memset(notification, 0, sizeof *notification);
    if (ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, notification) == 0) return true;
    if (errno == EINTR) continue;
    struct pollfd ended = {.fd = listener, .events = POLLIN};
    poll(&ended, 1, -1);
    if (ended.revents & POLLHUP) return false;
  }
}

static inline int answer(int listener, const struct seccomp_notif *call, int error, unsigned flags) {
  struct seccomp_notif_resp response = {.id = call->id, .error = error, .flags = flags};
  return ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &response);
}

#endif
