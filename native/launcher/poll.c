// SPDX-License-Identifier: MIT
#include "poll.h"

#include <linux/eventpoll.h>
#include <linux/fcntl.h>

#include "kernel.h"

enum { MOST = 8 };

static int spare = -1;

int prepare_polling(void) {
  spare = (int)CALL(__NR_epoll_create1, O_CLOEXEC);
  return spare;
}

static int milliseconds(const struct __kernel_timespec *limit) {
  return limit == 0 ? -1 : (int)(limit->tv_sec * 1000 + (limit->tv_nsec + 999999) / 1000000);
}

static void wait_by_epoll(struct pollfd *sources, int count, const struct __kernel_timespec *limit) {
  struct epoll_event events[MOST];
  int watched = 0;
  for (int i = 0; i < count; i++) {
    struct epoll_event event = {.events = POLLIN, .data = (unsigned)i};
    sources[i].revents = 0;
    if (sources[i].fd >= 0 && CALL(__NR_epoll_ctl, spare, EPOLL_CTL_ADD, sources[i].fd, &event) == 0) watched++;
  }
  if (watched == 0) {
    /* Nothing can be waited for: look again soon, but do nothing else meanwhile. */
    struct __kernel_timespec pause = {0, 20000000};
    CALL(__NR_ppoll, 0, 0, &pause, 0, 0);
    return;
  }
  long ready = CALL(__NR_epoll_pwait, spare, events, MOST, milliseconds(limit), 0, 0);
  for (long i = 0; i < ready; i++) sources[events[i].data].revents = (short)events[i].events;
  for (int i = 0; i < count; i++)
    if (sources[i].fd >= 0) CALL(__NR_epoll_ctl, spare, EPOLL_CTL_DEL, sources[i].fd, events);
}

void wait_readable(struct pollfd *sources, int count, const struct __kernel_timespec *limit) {
  struct __kernel_timespec left = limit == 0 ? (struct __kernel_timespec){0, 0} : *limit; /* the kernel writes it */
  for (int i = 0; i < count; i++) sources[i].revents = 0;
  if (CALL(__NR_ppoll, sources, count, limit == 0 ? 0 : &left, 0, 0) == -22 /* EINVAL */)
    wait_by_epoll(sources, count, limit);
}
