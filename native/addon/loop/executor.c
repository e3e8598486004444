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

static void await_turn(struct executor *own, enum turn turn) {
  for (uint32_t now; (now = atomic_load_explicit(&own->turn, memory_order_acquire)) != turn;)
    syscall(SYS_futex, &own->turn, FUTEX_WAIT_PRIVATE, now, NULL, NULL, 0);
}

static void give_turn(struct executor *own, enum turn turn) {
  atomic_store_explicit(&own->turn, turn, memory_order_release);
  syscall(SYS_futex, &own->turn, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

static void *work(void *argument) {
  struct executor *own = argument;
  for (;;) {
    await_turn(own, EXECUTOR);
    if (own->function == NULL) break;
    void (*const over)(void *) = own->over;
    void *const data = own->data;
    own->function(data);
    if (over == NULL) {
      give_turn(own, LOOP);
    } else {
      atomic_store_explicit(&own->turn, LOOP, memory_order_release);
      over(data);
    }
  }
  end_moments();
  free(own);
  return NULL;
}

struct executor *start_executor(size_t stack) {
  struct executor *own = calloc(1, sizeof *own);
  if (own == NULL) return NULL;
  const int error = start_detached(work, own, stack);
  if (error == 0) return own;
  free(own);
  errno = error;
  return NULL;
}

static void hand_over(struct executor *own, void (*function)(void *), void (*over)(void *), void *data) {
  own->function = function;
  own->over = over;
  own->data = data;
  give_turn(own, EXECUTOR);
}

void run_in(struct executor *own, void (*function)(void *), void *data) {
  hand_over(own, function, NULL, data);
  await_turn(own, LOOP);
}

void begin_in(struct executor *own, void (*function)(void *), void (*over)(void *), void *data) {
  hand_over(own, function, over, data);
}

void end_executor(struct executor *own) { hand_over(own, NULL, NULL, NULL); }
