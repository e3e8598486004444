// SPDX-License-Identifier: MIT
/* A futex word says whose turn it is: the loop's or the executor's. */
#define _GNU_SOURCE
#include "executor.h"

#include <errno.h>
#include <linux/futex.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../base/detached.h"
#include "../ptrace/tracee.h"

/* Of the word that both threads wait on. */
enum turn { LOOP, EXECUTOR };

struct executor {
  _Atomic uint32_t turn;
  void (*function)(void *data); /* NULL: the thread ends */
  void (*over)(void *data);     /* NULL: the loop waits */
  void *data;
};

static void await_turn(struct executor *self, enum turn turn) {
  for (uint32_t now; (now = atomic_load_explicit(&self->turn, memory_order_acquire)) != turn;)
    syscall(SYS_futex, &self->turn, FUTEX_WAIT_PRIVATE, now, NULL, NULL, 0);
}

static void give_turn(struct executor *self, enum turn turn) {
  atomic_store_explicit(&self->turn, turn, memory_order_release);
  syscall(SYS_futex, &self->turn, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

static void *work(void *argument) {
  struct executor *self = argument;
  for (;;) {
    await_turn(self, EXECUTOR);
    if (self->function == NULL) break;
    void (*const over)(void *) = self->over;
    void *const data = self->data;
    self->function(data);
    if (over == NULL) {
      give_turn(self, LOOP);
    } else {
      atomic_store_explicit(&self->turn, LOOP, memory_order_release);
      over(data);
    }
  }
  end_moments();
  free(self);
  return NULL;
}

struct executor *start_executor(size_t stack) {
  struct executor *self = calloc(1, sizeof *self);
  if (self == NULL) return NULL;
  const int error = start_detached(work, self, stack);
  if (error == 0) return self;
  free(self);
  errno = error;
  return NULL;
}

static void hand_over(struct executor *self, void (*function)(void *), void (*over)(void *), void *data) {
  self->function = function;
  self->over = over;
  self->data = data;
  give_turn(self, EXECUTOR);
}

void run_in(struct executor *self, void (*function)(void *), void *data) {
  hand_over(self, function, NULL, data);
  await_turn(self, LOOP);
}

void begin_in(struct executor *self, void (*function)(void *), void (*over)(void *), void *data) {
  hand_over(self, function, over, data);
}

void end_executor(struct executor *self) { hand_over(self, NULL, NULL, NULL); }
