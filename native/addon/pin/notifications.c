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

int answer(struct pins *self, const struct seccomp_notif *call, int error, unsigned flags) {
  const struct seccomp_notif_resp response = {.id = call->id, .error = error, .flags = flags};
  return send_response(self->listener, &response);
}

int answer_value(struct pins *self, const struct seccomp_notif *call, int64_t value) {
  const struct seccomp_notif_resp response = {.id = call->id, .val = value};
  return send_response(self->listener, &response);
}

bool still_waits(struct pins *self, const struct seccomp_notif *call) {
  return awaits_answer(self->listener, call->id);
}

int pin_give_up(struct pins *self, const struct seccomp_notif *call, int refusal) {
  if (refusal > 0) return answer(self, call, -refusal, 0);
  if (!self->audits) return -EPERM;
  if (call->data.nr == SYS_execve || call->data.nr == SYS_execveat) pin_executes(self, (pid_t)call->pid);
  return answer(self, call, 0, SECCOMP_USER_NOTIF_FLAG_CONTINUE);
}

enum outcome refuse(struct pins *self, const struct seccomp_notif *call, enum outcome why, int refusal) {
  return pin_give_up(self, call, refusal) == 0 ? why : GONE;
}

void mark_observed(struct pins *self, uint64_t id) { self->observed = id; }
bool is_observed(const struct pins *self, uint64_t id) { return self->observed == id && id != 0; }

bool next_waiting(struct pins *self, struct seccomp_notif *into) {
  if (self->waiting_count == 0) return false;
  *into = self->waiting[self->waiting_first];
  self->waiting_first = (self->waiting_first + 1) % self->waiting_room;
  self->waiting_count--;
  return true;
}

bool has_waiting(const struct pins *self) { return self->waiting_count > 0; }

/* Whether a notification is present or arrives within so many milliseconds. */
static bool has_notification(struct pins *self, int milliseconds) {
  struct epoll_event event = {0};
  return epoll_wait(self->epoll, &event, 1, milliseconds) > 0 && (event.events & EPOLLIN) != 0;
}

/* Releases it where it has stopped: while calls wait for a room, this may be the only place that looks for its stop. */
bool pin_is_late(struct pins *self, pid_t tid) {
  release_late(&self->late);
  return is_late_tracee(self->late, tid);
}

void await_late(struct pins *self) {
  for (;;) {
    release_late(&self->late);
    if (self->late == NULL || has_notification(self, 1)) return;
  }
}

bool has_late(struct pins *self) {
  release_late(&self->late);
  return self->late != NULL;
}

/* A received notification must not be lost, so there is room for one before it is received. */
static bool has_room(struct pins *self) {
  enum { FIRST_ROOM = 64 };
  if (self->waiting_count < self->waiting_room) return true;
  const size_t room = self->waiting_room == 0 ? FIRST_ROOM : 2 * self->waiting_room;
  struct seccomp_notif *waiting = malloc(room * sizeof *waiting);
  if (waiting == NULL) return false;
  for (size_t i = 0; i < self->waiting_count; i++)
    waiting[i] = self->waiting[(self->waiting_first + i) % self->waiting_room];
  free(self->waiting);
  self->waiting = waiting;
  self->waiting_room = room;
  self->waiting_first = 0;
  return true;
}

/*
 * Lets our call pass without a judgement if the policy's filter has notified us of it, and queues earlier notifications of
 * other callers. Signals can end calls and bring others without an end, so one look receives a bounded number.
 */
bool pass_own_call(struct pins *self, pid_t tid, long number, const uint64_t arguments[6]) {
  enum { AT_ONCE = 1024 };
  for (int count = 0; count < AT_ONCE && has_room(self) && has_notification(self, 0); count++) {
    struct seccomp_notif call = {0};
    if (ioctl(self->listener, SECCOMP_IOCTL_NOTIF_RECV, &call) != 0) return false;
    note_call(&call);
    if ((pid_t)call.pid == tid && call.data.nr == (int)number &&
        memcmp(call.data.args, arguments, sizeof call.data.args) == 0) {
      answer(self, &call, 0, SECCOMP_USER_NOTIF_FLAG_CONTINUE);
      return true;
    }
    self->waiting[(self->waiting_first + self->waiting_count++) % self->waiting_room] = call;
  }
  return false;
}
