// SPDX-License-Identifier: MIT
/* The listener: answers, and notifications that arrive while a caller is being prepared. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>

#include "../ptrace/kept.h"
#include "../base/listener.h"
#include "pins.h"

int answer(struct pins *own, const struct seccomp_notif *call, int error, unsigned flags) {
  const struct seccomp_notif_resp response = {.id = call->id, .error = error, .flags = flags};
  return send_response(own->listener, &response);
}

int answer_value(struct pins *own, const struct seccomp_notif *call, int64_t value) {
  const struct seccomp_notif_resp response = {.id = call->id, .val = value};
  return send_response(own->listener, &response);
}

bool still_waits(struct pins *own, const struct seccomp_notif *call) { return awaits_answer(own->listener, call->id); }

int pin_give_up(struct pins *own, const struct seccomp_notif *call, int refusal) {
  if (refusal > 0) return answer(own, call, -refusal, 0);
  if (!own->audits) return -EPERM;
  if (call->data.nr == SYS_execve || call->data.nr == SYS_execveat) pin_executes(own, (pid_t)call->pid);
  return answer(own, call, 0, SECCOMP_USER_NOTIF_FLAG_CONTINUE);
}

enum outcome refuse(struct pins *own, const struct seccomp_notif *call, enum outcome why, int refusal) {
  return pin_give_up(own, call, refusal) == 0 ? why : GONE;
}

void mark_observed(struct pins *own, uint64_t id) { own->observed = id; }
bool is_observed(const struct pins *own, uint64_t id) { return own->observed == id && id != 0; }

bool next_waiting(struct pins *own, struct seccomp_notif *into) {
  if (own->waiting_count == 0) return false;
  *into = own->waiting[own->waiting_first];
  own->waiting_first = (own->waiting_first + 1) % own->waiting_room;
  own->waiting_count--;
  return true;
}

bool has_waiting(const struct pins *own) { return own->waiting_count > 0; }

/* Whether a notification is present or arrives within so many milliseconds. */
static bool has_notification(struct pins *own, int milliseconds) {
  struct epoll_event event = {0};
  return epoll_wait(own->epoll, &event, 1, milliseconds) > 0 && (event.events & EPOLLIN) != 0;
}

/* Releases it where it has stopped: while calls wait for a room, this may be the only place that looks for its stop. */
bool pin_is_late(struct pins *own, pid_t tid) {
  release_late(&own->late);
  return is_late_tracee(own->late, tid);
}

void await_late(struct pins *own) {
  for (;;) {
    release_late(&own->late);
    if (own->late == NULL || has_notification(own, 1)) return;
  }
}

bool has_late(struct pins *own) {
  release_late(&own->late);
  return own->late != NULL;
}

/* A received notification must not be lost, so there is room for one before it is received. */
static bool has_room(struct pins *own) {
  enum { FIRST_ROOM = 64 };
  if (own->waiting_count < own->waiting_room) return true;
  const size_t room = own->waiting_room == 0 ? FIRST_ROOM : 2 * own->waiting_room;
  struct seccomp_notif *waiting = malloc(room * sizeof *waiting);
  if (waiting == NULL) return false;
  for (size_t i = 0; i < own->waiting_count; i++)
    waiting[i] = own->waiting[(own->waiting_first + i) % own->waiting_room];
  free(own->waiting);
  own->waiting = waiting;
  own->waiting_room = room;
  own->waiting_first = 0;
  return true;
}

/*
 * Lets our call pass without a judgement if the policy's filter has notified us of it, and queues earlier notifications of
 * other callers. Signals can end calls and bring others without an end, so one look receives a bounded number.
 */
bool pass_own_call(struct pins *own, pid_t tid, long number, const uint64_t arguments[6]) {
  enum { AT_ONCE = 1024 };
  for (int count = 0; count < AT_ONCE && has_room(own) && has_notification(own, 0); count++) {
    struct seccomp_notif call = {0};
    if (ioctl(own->listener, SECCOMP_IOCTL_NOTIF_RECV, &call) != 0) return false;
    note_call(&call);
    if ((pid_t)call.pid == tid && call.data.nr == (int)number &&
        memcmp(call.data.args, arguments, sizeof call.data.args) == 0) {
      answer(own, &call, 0, SECCOMP_USER_NOTIF_FLAG_CONTINUE);
      return true;
    }
    own->waiting[(own->waiting_first + own->waiting_count++) % own->waiting_room] = call;
  }
  return false;
}
