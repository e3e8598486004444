// SPDX-License-Identifier: MIT
/* Calls ppoll, or epoll_pwait where RLIMIT_NOFILE makes ppoll fail. */
#include "poll.h"

#include <linux/eventpoll.h>
#include <linux/fcntl.h>

#include "kernel.h"

enum { MAX_SOURCES = 8 };

static int epoll = -1;

int prepare_polling(void) {
  epoll = (int)CALL(__NR_epoll_create1, O_CLOEXEC);
  return epoll;
}

static int milliseconds(const struct __kernel_timespec *limit) {
  return limit == 0 ? -1 : (int)(limit->tv_sec * 1000 + (limit->tv_nsec + 999999) / 1000000);
}

static void wait_by_epoll(struct pollfd *sources, int count, const struct __kernel_timespec *limit) {
  struct epoll_event events[MAX_SOURCES];
  int watched = 0;
  for (int i = 0; i < count; i++) {
    struct epoll_event event = {.events = (unsigned short)sources[i].events, .data = (unsigned)i};
    sources[i].revents = 0;
    if (sources[i].fd >= 0 && CALL(__NR_epoll_ctl, epoll, EPOLL_CTL_ADD, sources[i].fd, &event) == 0) watched++;
  }
  if (watched == 0) {
    /* No descriptor can be watched: sleep, then poll again. */
    struct __kernel_timespec pause = {0, 20000000};
    CALL(__NR_ppoll, 0, 0, &pause, 0, 0);
    return;
  }
  long ready = CALL(__NR_epoll_pwait, epoll, events, MAX_SOURCES, milliseconds(limit), 0, 0);
  for (long i = 0; i < ready; i++) sources[events[i].data].revents = (short)events[i].events;
  for (int i = 0; i < count; i++)
    if (sources[i].fd >= 0) CALL(__NR_epoll_ctl, epoll, EPOLL_CTL_DEL, sources[i].fd, events);
}

void wait_readable(struct pollfd *sources, int count, const struct __kernel_timespec *limit) {
  struct __kernel_timespec left = limit == 0 ? (struct __kernel_timespec){0, 0} : *limit; /* ppoll modifies it */
  for (int i = 0; i < count; i++) sources[i].revents = 0;
  if (CALL(__NR_ppoll, sources, count, limit == 0 ? 0 : &left, 0, 0) == -22 /* EINVAL */)
    wait_by_epoll(sources, count, limit);
}
