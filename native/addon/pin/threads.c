// SPDX-License-Identifier: MIT
/* Tracks the pinned calls of threads, and whether a thread still has the window that was last seen. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "pins.h"

static struct thread **bucket(struct pins *self, pid_t tid) { return &self->threads[(unsigned)tid % BUCKETS]; }

struct thread *find_thread(struct pins *self, pid_t tid) {
  struct thread *one = *bucket(self, tid);
  while (one != NULL && one->id != tid) one = one->next;
  return one;
}

static pid_t process_of(pid_t tid) {
  char path[40], text[256];
  snprintf(path, sizeof path, "/proc/%d/status", tid);
  int file = open(path, O_RDONLY | O_CLOEXEC);
  if (file < 0) return -errno;
  ssize_t length = read(file, text, sizeof text - 1);
  close(file);
  if (length <= 0) return -ESRCH;
  text[length] = 0;
  const char *line = strstr(text, "\nTgid:\t");
  return line == NULL ? -ESRCH : (pid_t)atoi(line + 7);
}

static struct process *enter_process(struct pins *self, pid_t id) {
  struct process **first = &self->processes[(unsigned)id % BUCKETS];
  for (struct process *one = *first; one != NULL; one = one->next)
    if (one->id == id) return one;
  struct process *one = calloc(1, sizeof *one);
  if (one == NULL) return NULL;
  one->id = id;
  one->next = *first;
  *first = one;
  return one;
}

static void release_window(struct pins *self, struct window *window) {
  window->users--;
  drop_window(&self->windows, window);
}

/*
 * A caller whose window cannot be protected can unmap it and get another. So a process has one such window at most. If an
 * earlier one is still mapped, it is foreign memory from now on.
 */
static void hold_unsure(struct pins *self, struct process *process, struct window *window) {
  if (process->unsure != NULL) release_window(self, process->unsure);
  process->unsure = window;
}

void forget_memory(struct pins *self, struct process *process) {
  if (!process->is_open) return;
  close(process->memory);
  close(process->maps);
  process->is_open = false;
  self->known_memories--;
}

static void leave_process(struct pins *self, struct process *process) {
  if (--process->threads > 0) return;
  struct process **at = &self->processes[(unsigned)process->id % BUCKETS];
  while (*at != process) at = &(*at)->next;
  *at = process->next;
  forget_memory(self, process);
  hold_unsure(self, process, NULL);
  free(process);
}

static const struct given nothing = {.code = -1, .data = -1};

struct thread *enter_thread(struct pins *self, pid_t tid, int *error) {
  struct thread *one = find_thread(self, tid);
  if (one != NULL) return one;
  pid_t id = process_of(tid);
  one = id < 0 ? NULL : calloc(1, sizeof *one);
  *error = id < 0 ? -id : ENOMEM;
  if (one == NULL) return NULL;
  one->process = enter_process(self, id);
  if (one->process == NULL) {
    free(one);
    return NULL;
  }
  *error = 0;
  one->process->threads++;
  one->given = nothing;
  one->id = tid;
  struct thread **first = bucket(self, tid);
  one->next = *first;
  *first = one;
  return one;
}

void release_pinned(struct pinned *one) {
  if (one->use == UNUSED) return;
  if (one->slot != NULL) one->slot->is_taken = false;
  else give_room(one->window, one->at, one->length);
  one->use = UNUSED;
}

static void release_all(struct thread *thread) {
  for (int i = 0; i < NESTING; i++) release_pinned(&thread->pinned[i]);
}

static void set_window(struct thread *thread, struct window *window) {
  if (thread->window != NULL) thread->window->users--;
  thread->window = window;
  if (window != NULL) window->users++;
}

void pin_ended(struct pins *self, pid_t tid) {
  for (struct thread **at = bucket(self, tid); *at != NULL; at = &(*at)->next) {
    struct thread *one = *at;
    if (one->id != tid) continue;
    release_all(one);
    set_window(one, NULL);
    const struct given given = take_given(one);
    if (given.window != NULL) release_window(self, given.window);
    if (one->is_executing) {
      one->process->executing--;
      one->process->epoch++;
    }
    leave_process(self, one->process);
    *at = one->next;
    free(one);
    return;
  }
}

bool pin_is_same_task(struct pins *self, pid_t tid) {
  const struct thread *thread = find_thread(self, tid);
  return self->sees_threads_end || thread == NULL || thread->id == thread->process->id;
}

/* ── Executions ──────────────────────────────────────────────────────────────────────────────────────────────────── */

/*
 * Only execve(2) changes a thread's address space. The executing thread may take over its leader's id. A call that was
 * prepared for the old program must not be made by the new one.
 */
void pin_executes(struct pins *self, pid_t tid) {
  int error;
  struct thread *thread = enter_thread(self, tid, &error);
  if (thread == NULL || thread->is_executing) return;
  thread->is_executing = true;
  thread->process->executing++;
}

void has_executed(struct thread *thread) {
  if (!thread->is_executing) return;
  thread->is_executing = false;
  thread->process->executing--;
  thread->process->epoch++;
}

bool is_trusted(const struct pins *self, const struct thread *thread) {
  return self->trust_executions && thread->window != NULL && thread->process->executing == 0 &&
         thread->epoch == thread->process->epoch;
}

enum window_state look(struct pins *self, struct thread *thread, int *place) {
  struct window *window = NULL;
  enum window_state state = look_at(&self->windows, thread->id, &window, place);
  thread->epoch = thread->process->epoch;
  set_window(thread, window);
  for (int i = 0; i < NESTING; i++)
    if (thread->pinned[i].window != window) release_pinned(&thread->pinned[i]);
  return state;
}

/* ── Windows that callers get ────────────────────────────────────────────────────────────────────────────────────── */

struct given take_given(struct thread *thread) {
  const struct given given = thread->given;
  thread->given = nothing;
  return given;
}

void settle(struct pins *self, struct thread *thread, const struct given *given) {
  if (given->placement == UNSURE) {
    hold_unsure(self, thread->process, given->window);
  } else if (given->placement == NOT_PLACED && (given->data >= 0 || given->code >= 0)) {
    thread->given = *given;
  } else if (given->window != NULL) {
    given->window->users--;
    /* If another window is there, the caller has replaced the descriptor by that of another one. */
    if (given->placement == NOT_PLACED || (thread->window != NULL && thread->window != given->window))
      drop_window(&self->windows, given->window);
  }
}
