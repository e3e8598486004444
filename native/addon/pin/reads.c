// SPDX-License-Identifier: MIT
/*
 * Lets threads of a pool make reads of a caller's memory that may never end. The loop waits a moment for a read, and then
 * parks the call; the call comes back when its memory has been read, or when its time is over.
 *
 * process_vm_readv(2) waits for the page that it reads. A FUSE server, a file server or the holder of a userfaultfd(2)
 * can delay that page for ever, and only SIGKILL ends the wait (FAULT_FLAG_KILLABLE, mm/gup.c, 6.18). If a FUSE server
 * has already received the request, SIGKILL does not end it either. No flag restricts a read to present pages, and
 * another thread can change the mapping between a check and the read.
 *
 * Handing a read to one thread and the frame to another adds to the processor time of a pinned openat
 * (`npm run bench -- deep`). So the loop reads by itself until the tree can have such memory
 * (src/engines/notify/pin/stalling.ts says when).
 *
 * A thread whose read does not end is lost until the page arrives, its owner ends or portcullis ends. The number of
 * threads is bounded, and so is the number for one process, because a process can block one with each of its own threads.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../base/detached.h"
#include "../base/listener.h"
#include "copy_errors.h"
#include "pins.h"
#include "reads.h"

enum {
  MOST_READERS = 128,
  MOST_OF_PROCESS = 8,
  MOST_READS = 1024,
  STACK = 64 * 1024,
};

static const uint64_t moment = 1000 * 1000;                  /* ns; the loop's wait for a read */
static const uint64_t frame_patience = 100 * 1000 * 1000;    /* ns; its wait for a frame, whose caller has stopped */
static const uint64_t look_interval = 50 * 1000 * 1000;      /* ns between tests whether a stopped caller was killed */
static const uint64_t deadline = UINT64_C(10) * 1000000000u; /* ns; a read that takes longer is refused */

struct reads {
  int listener, timer, epoll;
  bool ends;
  pthread_mutex_t lock;
  pthread_cond_t work, change;
  struct read *first, **last; /* in the order in which they came */
  unsigned count, readers, idle;
};

static struct timespec time_of(uint64_t nanoseconds) {
  return (struct timespec){(time_t)(nanoseconds / 1000000000u), (long)(nanoseconds % 1000000000u)};
}

/* ── Functions that require the lock ─────────────────────────────────────────────────────────────────────────────── */

static unsigned running_of(const struct reads *self, pid_t process) {
  unsigned count = 0;
  for (const struct read *one = self->first; one != NULL; one = one->next)
    count += one->state == RUNS && one->process == process;
  return count;
}

static struct read *next_to_run(const struct reads *self) {
  for (struct read *one = self->first; one != NULL; one = one->next)
    if (one->state == WAITS && !one->has_expired && running_of(self, one->process) < MOST_OF_PROCESS) return one;
  return NULL;
}

/* Lets the timer expire when a call must come back, now or at the next deadline, or when stopped callers are tested. */
static void set_timer(struct reads *self) {
  uint64_t at = 0;
  for (const struct read *one = self->first; one != NULL; one = one->next) {
    if (!one->is_parked || one->is_delivered) continue;
    const uint64_t when = one->state == OVER ? 1 : one->stopped != 0 ? now() + look_interval : one->deadline;
    if (at == 0 || when < at) at = when;
  }
  const struct itimerspec setting = {.it_value = time_of(at)};
  timerfd_settime(self->timer, TFD_TIMER_ABSTIME, &setting, NULL);
}

static void drop(struct reads *self, struct read *read) {
  struct read **at = &self->first;
  while (*at != read) at = &(*at)->next;
  *at = read->next;
  if (self->last == &read->next) self->last = at;
  self->count--;
  free_read(read);
}

/* Drops the reads whose caller no longer waits. A running read stays until it ends. */
static void drop_stale(struct reads *self) {
  for (struct read *one = self->first, *next; one != NULL; one = next) {
    next = one->next;
    if (one->state != RUNS && one->stopped == 0 && !awaits_answer(self->listener, one->id)) drop(self, one);
  }
}

/*
 * A stopped caller was killed. It is ours until it is waited for, and its parent waits as long; the write into it need not
 * end with it.
 */
static bool was_killed(pid_t tid) {
  int status;
  const int found = change_of(tid, &status, false);
  return found == tid ? !WIFSTOPPED(status) : found < 0 && found != -EINTR;
}

/* ── The threads ─────────────────────────────────────────────────────────────────────────────────────────────────── */

static void *reader(void *argument) {
  struct reads *self = argument;
  pthread_mutex_lock(&self->lock);
  while (!self->ends) {
    struct read *read = next_to_run(self);
    if (read == NULL) {
      self->idle++;
      pthread_cond_wait(&self->work, &self->lock);
      self->idle--;
      continue;
    }
    read->state = RUNS;
    pthread_mutex_unlock(&self->lock);
    const long result = read->run(read);
    pthread_mutex_lock(&self->lock);
    read->state = OVER;
    if (!read->has_expired) read->result = result;
    if (read->is_parked) set_timer(self);
    pthread_cond_broadcast(&self->change);
  }
  self->readers--;
  pthread_cond_broadcast(&self->change);
  pthread_mutex_unlock(&self->lock);
  return NULL;
}

static bool start_reader(struct reads *self) {
  const bool is_started = start_detached(reader, self, STACK) == 0;
  self->readers += is_started;
  return is_started;
}

/* ── Functions of the loop ───────────────────────────────────────────────────────────────────────────────────────── */

struct reads *start_reads(int listener) {
  struct reads *self = calloc(1, sizeof *self);
  if (self == NULL) return NULL;
  self->listener = listener;
  self->last = &self->first;
  self->timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
  self->epoll = epoll_create1(EPOLL_CLOEXEC);
  struct epoll_event asked = {.events = EPOLLIN}, over = {.events = EPOLLIN, .data.u32 = 1};
  pthread_condattr_t attributes;
  pthread_condattr_init(&attributes);
  pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
  pthread_mutex_init(&self->lock, NULL);
  pthread_cond_init(&self->work, NULL);
  pthread_cond_init(&self->change, &attributes);
  pthread_condattr_destroy(&attributes);
  if (self->timer >= 0 && self->epoll >= 0 && epoll_ctl(self->epoll, EPOLL_CTL_ADD, listener, &asked) == 0 &&
      epoll_ctl(self->epoll, EPOLL_CTL_ADD, self->timer, &over) == 0)
    return self;
  const int error = errno;
  if (self->timer >= 0) close(self->timer);
  if (self->epoll >= 0) close(self->epoll);
  free(self);
  errno = error;
  return NULL;
}

/* A thread whose read never ends still uses the structure, which is then not freed. */
void end_reads(struct reads *self) {
  pthread_mutex_lock(&self->lock);
  self->ends = true;
  pthread_cond_broadcast(&self->work);
  while (self->idle > 0) pthread_cond_wait(&self->change, &self->lock);
  const bool is_used = self->readers > 0;
  pthread_mutex_unlock(&self->lock);
  close(self->timer);
  close(self->epoll);
  if (is_used) return;
  while (self->first != NULL) drop(self, self->first);
  free(self);
}

int reads_timer(const struct reads *self) { return self->timer; }

static struct read *find(struct reads *self, const struct read *like) {
  for (struct read *one = self->first; one != NULL; one = one->next)
    if (one->id == like->id && one->run == like->run && one->address == like->address && one->size == like->size)
      return one;
  return NULL;
}

struct read *new_read(const struct seccomp_notif *call, uint64_t address, size_t size) {
  struct read *read = calloc(1, sizeof *read + size);
  if (read == NULL) return NULL;
  read->id = call->id;
  read->call = *call;
  read->address = address;
  read->size = size;
  return read;
}

/* A thread counts as idle until it runs, so several reads can wait for the same idle thread. */
static bool needs_reader(const struct reads *self) {
  unsigned waiting = 1; /* the read that is about to be added */
  for (const struct read *one = self->first; one != NULL; one = one->next)
    waiting += one->state == WAITS && !one->has_expired;
  return self->idle < waiting && self->readers < MOST_READERS;
}

static bool submit(struct reads *self, struct read *read) {
  drop_stale(self);
  if (self->count >= MOST_READS) return false;
  if (needs_reader(self) && !start_reader(self) && self->readers == 0) return false;
  read->deadline = now() + deadline;
  *self->last = read;
  self->last = &read->next;
  self->count++;
  pthread_cond_signal(&self->work);
  return true;
}

static void await(struct reads *self, struct read *read, uint64_t patience) {
  const struct timespec until = time_of(now() + patience);
  while (read->state != OVER && pthread_cond_timedwait(&self->change, &self->lock, &until) == 0) {
  }
}

/* Copies the result of a read that has ended. */
static long taken(const struct read *read, unsigned char *into, uint32_t *starts) {
  if (read->result < 0) return read->result;
  memcpy(into, read->bytes, read->size);
  if (starts != NULL) memcpy(starts, read->starts, (size_t)read->result * sizeof *starts);
  return read->result;
}

long read_apart(struct reads *self, struct read *wanted, unsigned char *into, uint32_t *starts) {
  long result;
  pthread_mutex_lock(&self->lock);
  struct read *read = find(self, wanted);
  if (read != NULL) {
    free_read(wanted);
  } else {
    read = wanted;
    /* The loop does not wait for a process that already has a late read. */
    const bool is_late = running_of(self, read->process) > 0;
    if (!submit(self, read)) {
      pthread_mutex_unlock(&self->lock);
      free_read(read);
      return -COPY_STALLED;
    }
    if (!is_late) await(self, read, moment);
  }
  if (read->state == OVER || read->has_expired) {
    result = taken(read, into, starts);
    if (!read->is_parked) drop(self, read); /* a call that comes back may need a parked read again */
  } else {
    read->is_parked = true;
    read->is_delivered = false;
    set_timer(self);
    result = -COPY_UNDER_WAY;
  }
  pthread_mutex_unlock(&self->lock);
  return result;
}

long write_apart(struct reads *self, struct read *frame) {
  long result = -COPY_STALLED;
  pthread_mutex_lock(&self->lock);
  /* If the process already has a late read, a wait would only cost more of the loop's time. */
  const bool is_late = running_of(self, frame->process) > 0;
  if (!submit(self, frame)) {
    free_read(frame);
  } else {
    if (!is_late) await(self, frame, frame_patience);
    if (frame->state == OVER) {
      result = frame->result;
      drop(self, frame);
    } else {
      frame->stopped = (pid_t)frame->call.pid;
      frame->is_parked = true;
      set_timer(self);
      result = -COPY_UNDER_WAY;
    }
  }
  pthread_mutex_unlock(&self->lock);
  return result;
}

/*
 * The call comes back once for all of its reads: its observer asks for each of them again. Otherwise the next read that ends
 * would return a call that is already judged and whose object is being served, so that its caller still waits.
 */
static void deliver(struct reads *self, uint64_t id) {
  for (struct read *one = self->first; one != NULL; one = one->next)
    if (one->id == id) one->is_delivered = true;
}

enum next_read next_read(struct reads *self, struct seccomp_notif *into, pid_t *tid) {
  struct read *found = NULL;
  enum next_read result = NO_READ;
  pthread_mutex_lock(&self->lock);
  drop_stale(self);
  const uint64_t time = now();
  for (struct read *one = self->first; one != NULL && found == NULL; one = one->next) {
    if (!one->is_parked || one->is_delivered) continue;
    if (one->state != OVER) {
      if (one->stopped != 0 && was_killed(one->stopped)) {
        one->stopped = 0; /* its id can mean another thread from now on */
        one->is_delivered = true;
      }
      if (one->is_delivered || (one->stopped != 0 && one->state == RUNS) || time < one->deadline) continue;
      one->has_expired = true;
      one->result = -COPY_STALLED;
    }
    one->is_delivered = true;
    if (one->stopped != 0 || awaits_answer(self->listener, one->id)) found = one;
  }
  if (found != NULL && found->stopped == 0) {
    *into = found->call;
    deliver(self, found->id);
    result = CALL_COMES_BACK;
  } else if (found != NULL) {
    *tid = found->stopped;
    drop(self, found);
    result = CALLER_MAY_GO;
  }
  set_timer(self);
  pthread_mutex_unlock(&self->lock);
  return result;
}

static bool has_parked(struct reads *self) {
  bool has = false;
  pthread_mutex_lock(&self->lock);
  for (struct read *one = self->first; one != NULL && !has; one = one->next) has = one->is_parked && !one->is_delivered;
  pthread_mutex_unlock(&self->lock);
  return has;
}

bool is_question_first(struct reads *self, int milliseconds) {
  if (!has_parked(self)) return true;
  struct epoll_event event = {0};
  const int found = epoll_wait(self->epoll, &event, 1, milliseconds);
  return found > 0 && event.data.u32 == 0;
}
