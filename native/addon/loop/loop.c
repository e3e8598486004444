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

static int late_reads(const struct loop *self) { return self->pins == NULL ? -1 : pin_reads_timer(self->pins); }

bool watch_listener(struct loop *self) {
  if (self->listening >= 0 && !watch(self->listening, self->wake, WAKES)) return false;
  if (self->objects == NULL) return self->listening < 0 || watch(self->listening, self->listener, 0);
  return watch(self->listening, self->listener, 0) && watch(self->listening, event_of(self->objects), HELD_OBJECT) &&
         watch(self->listening, late_reads(self), READ_IS_OVER);
}

int watch_stops(struct loop *self, int event, int epoll, const unsigned char *filter, size_t size, int passes) {
  const int held = self->objects == NULL ? -1 : event_of(self->objects);
  if (!watch(epoll, self->listener, 0) || !watch(epoll, event, HAS_STOPPED) || !watch(epoll, self->wake, WAKES) ||
      !watch(epoll, late_reads(self), READ_IS_OVER) || !watch(epoll, held, HELD_OBJECT))
    return -errno;
  const int result =
      start_keeping(event, (const struct sock_filter *)(const void *)filter, size / sizeof(struct sock_filter));
  if (result != 0) return result;
  self->keeper = this_keeper();
  self->keeping = epoll;
  self->kept_passes = passes;
  return 0;
}

/* ms. In a thread of its own, nothing else takes the signals of stops away. */
enum { LONGEST = 50, LONGEST_APART = 1000 };

static bool is_woken(const struct loop *self) {
  struct pollfd wake = {.fd = self->wake, .events = POLLIN};
  return poll(&wake, 1, 0) > 0;
}

/* Whether JavaScript must look: a tracee has stopped or ended, or no wait is to begin. */
static bool has_news(struct loop *self) {
  if (take_stops() && has_changed_tracee()) self->has_stops = true;
  return self->has_stops || is_woken(self);
}

/*
 * Waits until there is a notification, or another reason to look, whose word is stored: 0. -EAGAIN if a kept task may have
 * stopped, or after some time; -ENOENT if no task is left under the filter.
 */
static int await_notification(struct loop *self, uint32_t *word) {
  enum { LATE_WAIT = 1 }; /* ms */
  while (!has_stops()) {
    struct epoll_event ready = {0};
    const bool waits_for_late = self->pins != NULL && has_late(self->pins);
    const int longest = self->thread == NULL ? LONGEST : LONGEST_APART;
    const int found = epoll_pwait(self->keeping, &ready, 1, waits_for_late ? LATE_WAIT : longest, stops_mask());
    *word = ready.data.u32;
    if (found > 0 && *word == 0 && (ready.events & EPOLLIN) == 0) return -ENOENT;
    if (found > 0 && *word != HAS_STOPPED && *word != WAKES) return 0;
    if (found == 0 && !waits_for_late && self->thread != NULL && !has_news(self)) continue;
    if (found != 0 || !waits_for_late) return -EAGAIN;
  }
  return -EAGAIN;
}

bool take_stops_of(struct loop *self) {
  if (self->thread == NULL) return take_stops();
  const bool has_stops = self->has_stops;
  self->has_stops = false;
  return has_stops;
}

void note_stops(struct loop *self) {
  if (self->thread != NULL && self->keeper != NULL && take_stops()) self->has_stops = true;
}

int collect_deaths(struct loop *self) {
  struct epoll_event events[MAXIMUM_DEATHS];
  int count = self->epoll < 0 ? 0 : epoll_wait(self->epoll, events, MAXIMUM_DEATHS, 0);
  for (int i = 0; i < count; i++) self->deaths[i] = events[i].data.u32;
  return count < 0 ? 0 : count;
}

/* Trees can share `epoll`, and with it what JavaScript does about each death: in a thread of its own this only looks. */
static int deaths_of_step(struct loop *self) {
  if (self->thread == NULL) return collect_deaths(self);
  struct epoll_event event;
  return self->epoll >= 0 && epoll_wait(self->epoll, &event, 1, 0) > 0 ? 1 : 0;
}

/* ── A step ──────────────────────────────────────────────────────────────────────────────────────────────────────── */

/*
 * Receives the next notification. Returns 0, or a negative errno. If the caller is interrupted before that (ENOENT), this
 * function waits for the next notification. Without `waits` it returns EAGAIN instead, because poll(2) may report a
 * notification that is gone before it is received.
 */
static int receive(struct loop *self, bool waits) {
  struct seccomp_notif *into = (struct seccomp_notif *)(void *)(self->memory + NOTIFICATION);
  if (self->pins != NULL && next_waiting(self->pins, into)) return 0;
  const bool watches = self->keeper != NULL && keeps_any(self->keeper);
  uint32_t found = 0;
  for (;;) {
    if (self->pins != NULL && pin_comes_back(self->pins, into)) return 0;
    if (watches && waits) {
      const int result = await_notification(self, &found);
      if (result != 0) return result;
      waits = false;
      continue;
    }
    if (self->objects != NULL && next_held(self->objects, into)) return 0;
    if (found != 0) return -EAGAIN; /* RECV would wait */
    if (self->objects != NULL) {
      struct epoll_event ready = {0};
      int patience = !waits ? 0 : self->pins != NULL && has_late(self->pins) ? 1 : -1;
      int found = epoll_wait(self->listening, &ready, 1, patience);
      if (found == 0 && !waits) return -EAGAIN;
      if (found > 0 && ready.data.u32 == WAKES) return -EAGAIN;
      if (found <= 0 || ready.data.u32 != 0) continue;
      if ((ready.events & EPOLLIN) == 0) return -ENOENT;
    } else if (self->pins != NULL) {
      if (waits) await_late(self->pins);
      else has_late(self->pins);
      /* RECV does not return when a call comes back (reads.c). */
      if (waits && !pin_awaits_notification(self->pins, self->wake < 0 ? -1 : LONGEST)) {
        if (is_woken(self)) return -EAGAIN;
        continue;
      }
    }
    /*
     * Before Linux 6.11 RECV does not return when the last task under the filter has exited, but the listener hangs up.
     */
    if (self->listening >= 0 && self->objects == NULL) {
      struct epoll_event ready = {0};
      int count;
      do count = epoll_wait(self->listening, &ready, 1, waits ? -1 : 0);
      while (count < 0 && errno == EINTR);
      if (count == 0 || ready.data.u32 == WAKES) return -EAGAIN;
      if ((ready.events & EPOLLIN) == 0) return -ENOENT;
    }
    memset(self->memory + NOTIFICATION, 0, sizeof(struct seccomp_notif)); /* the kernel requires zeros */
    if (ioctl(self->listener, SECCOMP_IOCTL_NOTIF_RECV, self->memory + NOTIFICATION) == 0) {
      note_call(into);
      return 0;
    }
    if (errno == EINTR) continue;
    if (errno != ENOENT) return -errno;
    if (!waits) return -EAGAIN;
    struct pollfd state = {.fd = self->listener, .events = POLLIN};
    if (poll(&state, 1, 0) < 0 || (state.revents & POLLHUP) != 0) return -ENOENT;
  }
}

/* Stores the time and the caller, the further inputs of a judgement. */
static void stamp(struct loop *self) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  uint64_t nanoseconds = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
  memcpy(self->memory + NOW, &nanoseconds, sizeof nanoseconds);
  memcpy(self->memory + CALLER_TID, self->memory + 8, sizeof(uint32_t));
}

/* Calls in a row that `next` handles without a return to JavaScript, where Node can end this thread. */
enum { MOST_HANDLED = 64 };

enum handling {
  JUDGE, /* JavaScript judges the call or prepared call */
  HANDLED,
  UNPINNED, /* the text filter has allowed it, and the first word of the deaths is its `pin_call` result */
};

static bool pass_kept(struct loop *self) {
  const struct seccomp_notif *call = (const struct seccomp_notif *)(const void *)(self->memory + NOTIFICATION);
  if (call->data.nr < 0 || call->data.nr != self->kept_passes || !is_kept((pid_t)call->pid)) return false;
  const struct seccomp_notif_resp response = {.id = call->id, .flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE};
  send_response(self->listener, &response);
  return true;
}

/* A container runtime's filter reports more calls than the policy's own. */
static bool pass_allowed(struct loop *self) {
  const struct seccomp_notif *call = (const struct seccomp_notif *)(const void *)(self->memory + NOTIFICATION);
  if ((run_classic(self->filter, &call->data) & SECCOMP_RET_ACTION_FULL) != SECCOMP_RET_ALLOW) return false;
  const struct seccomp_notif_resp response = {.id = call->id, .flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE};
  send_response(self->listener, &response);
  return true;
}

static enum handling handle(struct loop *self, bool judges) {
  const struct seccomp_notif *call = (const struct seccomp_notif *)(const void *)(self->memory + NOTIFICATION);
  struct judged judged;
  const int number = call->data.nr;
  if (self->pins == NULL || number < 0 || number >= CALLS) return JUDGE;
  const bool filters = judges && self->texts.filter != NULL && judges_texts(self->texts.filter, number);
  if ((self->passes[number] == 0 && !filters) || !pin_is_same_task(self->pins, (pid_t)call->pid)) return JUDGE;
  switch (pin_arrival(self->pins, call, &judged)) {
    case ARRIVED:
      if (self->passes[number] == 0) return JUDGE;
      pin_pass(self->pins, call);
      return HANDLED;
    case NOT_FROM_STUB:
      if (!filters) return JUDGE;
      switch (allow_by_text(self->texts.filter, self->pins, call, self->deaths)) {
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

void send_answer(struct loop *self, const unsigned char *memory) {
  struct seccomp_notif_resp response;
  memcpy(&response, memory + RESPONSE, sizeof response);
  if (self->pins != NULL && response.flags != 0 && is_observed(self->pins, response.id))
    response = (struct seccomp_notif_resp){.id = response.id, .error = -EPERM};
  send_response(self->listener, &response);
}

/* The result of the step with the notification in the memory; -EAGAIN: it has been handled. */
static int handle_received(struct loop *self, bool judges) {
  if (self->filter != NULL && pass_allowed(self)) return -EAGAIN;
  if (judges && pass_kept(self)) return -EAGAIN;
  const int ended = deaths_of_step(self);
  const enum handling handling = ended == 0 ? handle(self, judges) : JUDGE;
  if (handling == HANDLED) return -EAGAIN;
  stamp(self);
  return handling == JUDGE ? ended : -ECANCELED;
}

int take_step(struct loop *self, struct step step) {
  if (step.answer) send_answer(self, self->memory);
  for (int handled = 0; handled < MOST_HANDLED; handled++) {
    int result = step.is_received ? 0 : receive(self, step.waits);
    step.is_received = false;
    if (result < 0) return result;
    result = handle_received(self, step.judges);
    if (result != -EAGAIN) return result;
    if (!step.waits || (self->texts.filter != NULL && is_wanted(self->texts.filter))) break;
  }
  return -EAGAIN;
}

/* ── A step in the thread of JavaScript ──────────────────────────────────────────────────────────────────────────── */

bool needs_thread(const struct loop *self) {
  return self->objects != NULL || (self->keeper != NULL && keeps_any(self->keeper)) ||
         (self->pins != NULL && pin_needs_thread(self->pins));
}

int try_step(struct loop *self, struct step *step) {
  const struct seccomp_notif *call = (const struct seccomp_notif *)(const void *)(self->memory + NOTIFICATION);
  int result = receive(self, false);
  /* What poll(2) has reported can be gone: the caller was killed. */
  if (result < 0 && result != -EAGAIN) return result;
  if (result == 0) {
    const int number = call->data.nr;
    if (step->judges && self->texts.filter != NULL && number >= 0 && number < CALLS)
      step->is_received = judges_texts(self->texts.filter, number);
    if (step->is_received) return -EINPROGRESS; /* it can be pinned, which traces */
    result = handle_received(self, step->judges);
  }
  return result == -EAGAIN && !is_woken(self) ? -EINPROGRESS : result;
}

/* ── Beginning and end ───────────────────────────────────────────────────────────────────────────────────────────── */

void initialise_loop(struct loop *self) {
  memset(self, 0, sizeof *self);
  self->listener = self->epoll = self->listening = self->keeping = self->kept_passes = self->wake = -1;
}

void release_loop(struct loop *self) {
  if (self->texts.filter != NULL) free_text_filter(self->texts.filter);
  if (self->objects != NULL) end_objects(self->objects);
  if (self->pins != NULL) end_pins(self->pins);
  end_keeping();
  free(self->filter);
  initialise_loop(self);
}
