// SPDX-License-Identifier: MIT
/* Requests to a seccomp listener, again after a signal. */
#define _GNU_SOURCE
#include "listener.h"

#include <errno.h>
#include <linux/seccomp.h>
#include <sys/ioctl.h>

#include "old_libc.h"

static int ask(int listener, unsigned long request, const void *argument) {
  int result;
  do result = ioctl(listener, request, argument);
  while (result < 0 && errno == EINTR);
  return result < 0 ? -errno : result;
}

int send_response(int listener, const struct seccomp_notif_resp *response) {
  return ask(listener, SECCOMP_IOCTL_NOTIF_SEND, response);
}

bool awaits_answer(int listener, uint64_t id) { return ask(listener, SECCOMP_IOCTL_NOTIF_ID_VALID, &id) == 0; }

int add_descriptor(int listener, const struct seccomp_notif_addfd *order) {
  return ask(listener, SECCOMP_IOCTL_NOTIF_ADDFD, order);
}
