// SPDX-License-Identifier: MIT
/* The loop of one tree: what it waits for, one step, and its beginning and end. */
#define _GNU_SOURCE
#include "loop.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <time.h>

#include "../base/classic.h"
#include "executor.h"
#include "../ptrace/kept.h"
#include "../base/listener.h"
#include "../objects/objects.h"
#include "../pin/pin.h"
#include "../pin/text_filter.h"

/* The data of the events of `listening`; the listener's own event has 0. */
enum { HELD_OBJECT = 1, READ_IS_OVER = 2, HAS_STOPPED = 3, WAKES = 4 };

_Static_assert(sizeof(struct seccomp_notif) == RESPONSE, "unexpected size of struct seccomp_notif");
_Static_assert(sizeof(struct seccomp_notif_resp) == NOW - RESPONSE, "unexpected size of struct seccomp_notif_resp");

/* ── What it waits for ───────────────────────────────────────────────────────────────────────────────────────────── */

/* The descriptor may be watched already. */
static bool watch(int epoll, int descriptor, uint32_t word) {
  struct epoll_event event = {.events = EPOLLIN, .data.u32 = word};
  return descriptor < 0 || epoll_ctl(epoll, EPOLL_CTL_ADD, descriptor, &event) == 0 || errno == EEXIST;
}

static int late_reads(const struct loop *own) { return own->pins == NULL ? -1 : pin_reads_timer(own->pins); }

bool watch_listener(struct loop *own) {
  if (own->listening >= 0 && !watch(own->listening, own->wake, WAKES)) return false;
  if (own->objects == NULL) return own->listening < 0 || watch(own->listening, own->listener, 0);
  return watch(own->listening, own->listener, 0) && watch(own->listening, event_of(own->objects), HELD_OBJECT) &&
         watch(own->listening, late_reads(own), READ_IS_OVER);
}

int watch_stops(struct loop *own, int event, int epoll, const unsigned char *filter, size_t size, int passes) {
  const int held = own->objects == NULL ? -1 : event_of(own->objects);
  if (!watch(epoll, own->listener, 0) || !watch(epoll, event, HAS_STOPPED) || !watch(epoll, own->wake, WAKES) ||
      !watch(epoll, late_reads(own), READ_IS_OVER) || !watch(epoll, held, HELD_OBJECT))
    return -errno;
  const int result =
      start_keeping(event, (const struct sock_filter *)(const void *)filter, size / sizeof(struct sock_filter));
  if (result != 0) return result;
  own->keeper = this_keeper();
  own->keeping = epoll;
  own->kept_passes = passes;
  return 0;
}

/* ms. In a thread of its own, nothing else takes the signals of stops away. */
enum { LONGEST = 50, LONGEST_APART = 1000 };

static bool is_woken(const struct loop *own) {
  struct pollfd wake = {.fd = own->wake, .events = POLLIN};
  return poll(&wake, 1, 0) > 0;
}

/* Whether JavaScript must look: a tracee has stopped or ended, or no wait is to begin. */
static bool has_news(struct loop *own) {
  if (take_stops() && has_changed_tracee()) own->has_stops = true;
  return own->has_stops || is_woken(own);
}

/*
 * Waits until there is a notification, or another reason to look, whose word is stored: 0. -EAGAIN if a kept task may have
 * stopped, or after some time; -ENOENT if no task is left under the filter.
 */
static int await_notification(struct loop *own, uint32_t *word) {
  enum { LATE_WAIT = 1 }; /* ms */
  while (!has_stops()) {
    struct epoll_event ready = {0};
    const bool waits_for_late = own->pins != NULL && has_late(own->pins);
    const int longest = own->thread == NULL ? LONGEST : LONGEST_APART;
    const int found = epoll_pwait(own->keeping, &ready, 1, waits_for_late ? LATE_WAIT : longest, stops_mask());
    *word = ready.data.u32;
    if (found > 0 && *word == 0 && (ready.events & EPOLLIN) == 0) return -ENOENT;
    if (found > 0 && *word != HAS_STOPPED && *word != WAKES) return 0;
    if (found == 0 && !waits_for_late && own->thread != NULL && !has_news(own)) continue;
    if (found != 0 || !waits_for_late) return -EAGAIN;
  }
  return -EAGAIN;
}

bool take_stops_of(struct loop *own) {
  if (own->thread == NULL) return take_stops();
  const bool has_stops = own->has_stops;
  own->has_stops = false;
  return has_stops;
}

void note_stops(struct loop *own) {
  if (own->thread != NULL && own->keeper != NULL && take_stops()) own->has_stops = true;
}

int collect_deaths(struct loop *own) {
  struct epoll_event events[MAXIMUM_DEATHS];
  int count = own->epoll < 0 ? 0 : epoll_wait(own->epoll, events, MAXIMUM_DEATHS, 0);
  for (int i = 0; i < count; i++) own->deaths[i] = events[i].data.u32;
  return count < 0 ? 0 : count;
}

/* Trees can share `epoll`, and with it what JavaScript does about each death: in a thread of its own this only looks. */
static int deaths_of_step(struct loop *own) {
  if (own->thread == NULL) return collect_deaths(own);
  struct epoll_event event;
  return own->epoll >= 0 && epoll_wait(own->epoll, &event, 1, 0) > 0 ? 1 : 0;
}

/* ── A step ──────────────────────────────────────────────────────────────────────────────────────────────────────── */

/*
 * Receives the next notification. Returns 0, or a negative errno. If the caller is interrupted before that (ENOENT), this
 * function waits for the next notification. Without `waits` it returns EAGAIN instead, because poll(2) may report a
 * notification that is gone before it is received.
 */
static int receive(struct loop *own, bool waits) {
  struct seccomp_notif *into = (struct seccomp_notif *)(void *)(own->memory + NOTIFICATION);
  if (own->pins != NULL && next_waiting(own->pins, into)) return 0;
  const bool watches = own->keeper != NULL && keeps_any(own->keeper);
  uint32_t found = 0;
  for (;;) {
    if (own->pins != NULL && pin_comes_back(own->pins, into)) return 0;
    if (watches && waits) {
      const int result = await_notification(own, &found);
      if (result != 0) return result;
      waits = false;
      continue;
    }
    if (own->objects != NULL && next_held(own->objects, into)) return 0;
    if (found != 0) return -EAGAIN; /* RECV would wait */
    if (own->objects != NULL) {
      struct epoll_event ready = {0};
      int patience = !waits ? 0 : own->pins != NULL && has_late(own->pins) ? 1 : -1;
      int found = epoll_wait(own->listening, &ready, 1, patience);
      if (found == 0 && !waits) return -EAGAIN;
      if (found > 0 && ready.data.u32 == WAKES) return -EAGAIN;
      if (found <= 0 || ready.data.u32 != 0) continue;
      if ((ready.events & EPOLLIN) == 0) return -ENOENT;
    } else if (own->pins != NULL) {
      if (waits) await_late(own->pins);
      else has_late(own->pins);
      /* RECV does not return when a call comes back (reads.c). */
      if (waits && !pin_awaits_notification(own->pins, own->wake < 0 ? -1 : LONGEST)) {
        if (is_woken(own)) return -EAGAIN;
        continue;
      }
    }
    /*
     * Before Linux 6.11 RECV does not return when the last task under the filter has exited, but the listener hangs up.
     */
    if (own->listening >= 0 && own->objects == NULL) {
      struct epoll_event ready = {0};
      int count;
      do count = epoll_wait(own->listening, &ready, 1, waits ? -1 : 0);
      while (count < 0 && errno == EINTR);
      if (count == 0 || ready.data.u32 == WAKES) return -EAGAIN;
      if ((ready.events & EPOLLIN) == 0) return -ENOENT;
    }
    memset(own->memory + NOTIFICATION, 0, sizeof(struct seccomp_notif)); /* the kernel requires zeros */
    if (ioctl(own->listener, SECCOMP_IOCTL_NOTIF_RECV, own->memory + NOTIFICATION) == 0) {
      note_call(into);
      return 0;
    }
    if (errno == EINTR) continue;
    if (errno != ENOENT) return -errno;
    if (!waits) return -EAGAIN;
    struct pollfd state = {.fd = own->listener, .events = POLLIN};
    if (poll(&state, 1, 0) < 0 || (state.revents & POLLHUP) != 0) return -ENOENT;
  }
}

/* Stores the time and the caller, the further inputs of a judgement. */
static void stamp(struct loop *own) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  uint64_t nanoseconds = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
  memcpy(own->memory + NOW, &nanoseconds, sizeof nanoseconds);
  memcpy(own->memory + CALLER_TID, own->memory + 8, sizeof(uint32_t));
}

/* Calls in a row that `next` handles without a return to JavaScript, where Node can end this thread. */
enum { MOST_HANDLED = 64 };

enum handling {
  JUDGE, /* JavaScript judges the call or prepared call */
  HANDLED,
  UNPINNED, /* the text filter has allowed it, and the first word of the deaths is its `pin_call` result */
};

static bool pass_kept(struct loop *own) {
  const struct seccomp_notif *call = (const struct seccomp_notif *)(const void *)(own->memory + NOTIFICATION);
  if (call->data.nr < 0 || call->data.nr != own->kept_passes || !is_kept((pid_t)call->pid)) return false;
  const struct seccomp_notif_resp response = {.id = call->id, .flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE};
  send_response(own->listener, &response);
  return true;
}

/* A container runtime's filter reports more calls than the policy's own. */
static bool pass_allowed(struct loop *own) {
  const struct seccomp_notif *call = (const struct seccomp_notif *)(const void *)(own->memory + NOTIFICATION);
  if ((run_classic(own->filter, &call->data) & SECCOMP_RET_ACTION_FULL) != SECCOMP_RET_ALLOW) return false;
  const struct seccomp_notif_resp response = {.id = call->id, .flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE};
  send_response(own->listener, &response);
  return true;
}

static enum handling handle(struct loop *own, bool judges) {
  const struct seccomp_notif *call = (const struct seccomp_notif *)(const void *)(own->memory + NOTIFICATION);
  struct judged judged;
  const int number = call->data.nr;
  if (own->pins == NULL || number < 0 || number >= CALLS) return JUDGE;
  const bool filters = judges && own->texts.filter != NULL && judges_texts(own->texts.filter, number);
  if ((own->passes[number] == 0 && !filters) || !pin_is_same_task(own->pins, (pid_t)call->pid)) return JUDGE;
  switch (pin_arrival(own->pins, call, &judged)) {
    case ARRIVED:
      if (own->passes[number] == 0) return JUDGE;
      pin_pass(own->pins, call);
      return HANDLED;
    case NOT_FROM_STUB:
      if (!filters) return JUDGE;
      switch (allow_by_text(own->texts.filter, own->pins, call, own->deaths)) {
        case NOT_JUDGED:
          return JUDGE;
        case ALLOWED:
          return HANDLED;
        case NOT_PINNED:
          return UNPINNED;
      }
      return JUDGE;
    case UNPREPARED:
    case HAS_ENDED:
      return JUDGE;
  }
  return JUDGE;
}

void send_answer(struct loop *own, const unsigned char *memory) {
  struct seccomp_notif_resp response;
  memcpy(&response, memory + RESPONSE, sizeof response);
  if (own->pins != NULL && response.flags != 0 && is_observed(own->pins, response.id))
    response = (struct seccomp_notif_resp){.id = response.id, .error = -EPERM};
  send_response(own->listener, &response);
}

/* The result of the step with the notification in the memory; -EAGAIN: it has been handled. */
static int handle_received(struct loop *own, bool judges) {
  if (own->filter != NULL && pass_allowed(own)) return -EAGAIN;
  if (judges && pass_kept(own)) return -EAGAIN;
  const int ended = deaths_of_step(own);
  const enum handling handling = ended == 0 ? handle(own, judges) : JUDGE;
  if (handling == HANDLED) return -EAGAIN;
  stamp(own);
  return handling == JUDGE ? ended : -ECANCELED;
}

int take_step(struct loop *own, struct step step) {
  if (step.answer) send_answer(own, own->memory);
  for (int handled = 0; handled < MOST_HANDLED; handled++) {
    int result = step.is_received ? 0 : receive(own, step.waits);
    step.is_received = false;
    if (result < 0) return result;
    result = handle_received(own, step.judges);
    if (result != -EAGAIN) return result;
    if (!step.waits || (own->texts.filter != NULL && is_wanted(own->texts.filter))) break;
  }
  return -EAGAIN;
}

/* ── A step in the thread of JavaScript ──────────────────────────────────────────────────────────────────────────── */

bool needs_thread(const struct loop *own) {
  return own->objects != NULL || (own->keeper != NULL && keeps_any(own->keeper)) ||
         (own->pins != NULL && pin_needs_thread(own->pins));
}

int try_step(struct loop *own, struct step *step) {
  const struct seccomp_notif *call = (const struct seccomp_notif *)(const void *)(own->memory + NOTIFICATION);
  int result = receive(own, false);
  /* What poll(2) has reported can be gone: the caller was killed. */
  if (result < 0 && result != -EAGAIN) return result;
  if (result == 0) {
    const int number = call->data.nr;
    if (step->judges && own->texts.filter != NULL && number >= 0 && number < CALLS)
      step->is_received = judges_texts(own->texts.filter, number);
    if (step->is_received) return -EINPROGRESS; /* it can be pinned, which traces */
    result = handle_received(own, step->judges);
  }
  return result == -EAGAIN && !is_woken(own) ? -EINPROGRESS : result;
}

/* ── Beginning and end ───────────────────────────────────────────────────────────────────────────────────────────── */

void initialise_loop(struct loop *own) {
  memset(own, 0, sizeof *own);
  own->listener = own->epoll = own->listening = own->keeping = own->kept_passes = own->wake = -1;
}

void release_loop(struct loop *own) {
  if (own->texts.filter != NULL) free_text_filter(own->texts.filter);
  if (own->objects != NULL) end_objects(own->objects);
  if (own->pins != NULL) end_pins(own->pins);
  end_keeping();
  free(own->filter);
  initialise_loop(own);
}
