/* SPDX-License-Identifier: MIT */
/* What the victims of the tests of rooms share: calls of the gate (test/live/programs.ts), and threads that make them. */
#ifndef ROOMS_H
#define ROOMS_H
#include "victim.h"
#include <fcntl.h>
#include <poll.h>
#include <time.h>

static inline void say(const char *name, long value) { printf("%s: %ld\n", name, value); }

/* ── Calls ───────────────────────────────────────────────────────────────────────────────────────────────────────── */

static inline long sleep_for(time_t seconds, long nanoseconds) {
  struct timespec time = {seconds, nanoseconds};
  return result_of(syscall(SYS_clock_nanosleep, CLOCK_MONOTONIC, 0, &time, NULL));
}
static inline long hold(void) { return sleep_for(100000, 0); }
static inline long nap(void) { return sleep_for(0, 0); }
static inline long ask(void) { return result_of(syscall(SYS_getppid)) > 0 ? 0 : -errno; }
static inline long alone(void) { return result_of(syscall(SYS_getpgrp)) > 0 ? 0 : -errno; }

/* No call of a room. */
static inline void pause_for(int milliseconds) { poll(NULL, 0, milliseconds); }

/* ── Threads ─────────────────────────────────────────────────────────────────────────────────────────────────────── */

struct worker {
  long (*call)(void);
  pthread_t thread;
  _Atomic pid_t tid;
  _Atomic long result;
  _Atomic int done;
};

static inline void *work(void *given) {
  struct worker *own = given;
  own->tid = (pid_t)syscall(SYS_gettid);
  own->result = own->call();
  own->done = 1;
  return NULL;
}

/* The call that a thread sleeps in, and where that was made; −1: in none, or it runs. */
static inline long call_at(pid_t pid, pid_t tid, unsigned long *instruction) {
  char path[64], text[256] = "";
  snprintf(path, sizeof path, "/proc/%d/task/%d/syscall", pid, tid);
  int file = open(path, O_RDONLY);
  if (file < 0) return -1;
  if (read(file, text, sizeof text - 1) <= 0) text[0] = 'r';
  close(file);
  const char *last = strrchr(text, ' ');
  *instruction = last == NULL ? 0 : strtoul(last, NULL, 16);
  return text[0] == 'r' ? -1 : atol(text);
}
static inline long call_of(pid_t pid, pid_t tid) {
  unsigned long instruction;
  return call_at(pid, tid, &instruction);
}

/* The thread sleeps in a call that the window's stub makes. */
static inline int is_reported(pid_t tid) {
  unsigned long instruction = 0;
  return call_at(getpid(), tid, &instruction) >= 0 && instruction > 0 && instruction < 0x20000;
}

static inline void await_call(pid_t pid, pid_t tid, long number) {
  while (call_of(pid, tid) != number) {
    if (waitpid(pid, NULL, WNOHANG) > 0) exit(5);
    pause_for(1);
  }
}

static inline void start(struct worker *own, long (*call)(void)) {
  own->call = call;
  own->tid = 0;
  own->done = 0;
  if (pthread_create(&own->thread, NULL, work, own) != 0) exit(3);
}

static inline void start_in(struct worker *own, long (*call)(void), long number) {
  start(own, call);
  while (own->tid == 0) pause_for(1);
  while (!own->done && call_of(getpid(), own->tid) != number) pause_for(1);
}

/* The kernel's function that the thread sleeps in; "0" if it runs, and always without CONFIG_KALLSYMS. */
static inline void place_of(pid_t tid, char *function, size_t size) {
  char path[64];
  snprintf(path, sizeof path, "/proc/%d/task/%d/wchan", getpid(), tid);
  memset(function, 0, size);
  int file = open(path, O_RDONLY);
  if (file < 0) return;
  if (read(file, function, size - 1) < 0) function[0] = 0;
  close(file);
}

/* On a busy machine a thread that may run can wait for a processor for long. */
static inline int sleeps(pid_t tid) {
  char path[64], text[512];
  snprintf(path, sizeof path, "/proc/%d/task/%d/stat", getpid(), tid);
  int file = open(path, O_RDONLY);
  if (file < 0) return 0;
  ssize_t length = read(file, text, sizeof text - 1);
  close(file);
  text[length < 0 ? 0 : length] = 0;
  const char *name_end = strrchr(text, ')');
  return name_end != NULL && strncmp(name_end, ") S", 3) == 0;
}

/* The thread is in its nap, and so holds its room. While it waits for the supervisor, /proc shows it in the same call. */
static inline void start_holder(struct worker *own, long (*call)(void)) {
  enum { UNNAMED = 50 };
  char function[64];
  start_in(own, call, SYS_clock_nanosleep);
  for (int unnamed = 0; !own->done && unnamed < UNNAMED; pause_for(1)) {
    place_of(own->tid, function, sizeof function);
    if (strstr(function, "nanosleep") != NULL) return;
    unnamed = strcmp(function, "0") == 0 && sleeps(own->tid) ? unnamed + 1 : 0;
  }
}

static inline long finish(struct worker *own) {
  pthread_join(own->thread, NULL);
  return own->result;
}

static inline void nothing(int signal) { (void)signal; }

static inline void handle(int signal, void (*handler)(int), int flags) {
  struct sigaction action = {.sa_handler = handler, .sa_flags = flags};
  sigaction(signal, &action, NULL);
}

/* Ends a hold. The signal can come before the call begins. */
static inline long release(struct worker *own) {
  while (!own->done) {
    pthread_kill(own->thread, SIGUSR1);
    pause_for(1);
  }
  return finish(own);
}

/* Two calls want the gate at once. */
static inline void contend(void) {
  struct worker one, other;
  ask(); /* so that the supervisor has started */
  start_in(&one, hold, SYS_clock_nanosleep);
  pause_for(10);
  start_in(&other, ask, SYS_getppid);
  while (!other.done && !is_reported(other.tid)) pause_for(1);
  release(&one);
  finish(&other);
}

/* A thread holds the gate, and the end of its call is to be reported: the room has to be contended still. */
static inline void start_reported(struct worker *holder, long (*call)(void)) {
  for (;;) {
    contend();
    start_in(holder, call, SYS_clock_nanosleep);
    for (int look = 0; look < 100; look++) {
      if (is_reported(holder->tid)) return;
      pause_for(2);
    }
    release(holder);
  }
}
#endif
