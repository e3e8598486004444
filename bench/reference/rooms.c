// SPDX-License-Identifier: MIT
/*
 * rooms PROGRAM [ARGUMENT...]: the least that a supervisor in C can do so that getppid and getpgrp do not overlap. A call waits,
 * in the order of arrival, until those of the other side have ended, which the next call of their threads shows: one
 * notification for each call. After 5 ms without one, a call counts as ended, and its thread is not examined. So this is a
 * lower bound of the cost, and enforces nothing.
 */
#define _GNU_SOURCE
#include "listener.h"

#include <sys/wait.h>

enum { THREADS = 64, PATIENCE = 5 /* ms */ };

struct call {
  struct seccomp_notif notification;
  int side;
};
static struct call holders[THREADS], waiting[THREADS];
static int holding, queued;

static void end_call(__u32 tid) {
  for (int i = 0; i < holding; i++)
    if (holders[i].notification.pid == tid) holders[i--] = holders[--holding];
}

static void admit(int listener) {
  while (queued > 0 && (holding == 0 || holders[0].side == waiting[0].side)) {
    holders[holding++] = waiting[0];
    answer(listener, &waiting[0].notification, 0, SECCOMP_USER_NOTIF_FLAG_CONTINUE);
    memmove(waiting, waiting + 1, sizeof *waiting * (size_t)--queued);
  }
}

int main(int argc, char **argv) {
  if (argc < 2) return 125;
  pid_t child;
  const unsigned numbers[] = {SYS_getppid, SYS_getpgrp};
  int listener = start_for(argv + 1, numbers, 2, 0, &child);
  if (listener < 0) return 125;
  if (ioctl(listener, SECCOMP_IOCTL_NOTIF_SET_FLAGS, 1ul) != 0) return 124; /* the kernel lacks the flag */
  for (;;) {
    struct pollfd asked = {.fd = listener, .events = POLLIN};
    if (queued > 0 && poll(&asked, 1, PATIENCE) == 0) {
      holding = 0;
      admit(listener);
      continue;
    }
    struct seccomp_notif notification;
    if (!receive(listener, &notification)) break;
    end_call(notification.pid);
    admit(listener);
    if (queued == THREADS || holding == THREADS) return 125;
    waiting[queued++] = (struct call){notification, notification.data.nr == SYS_getppid};
    admit(listener);
  }
  int status;
  waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}
