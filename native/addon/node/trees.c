// SPDX-License-Identifier: MIT
/*
 * Many trees for one thread of JavaScript, which judges and answers. A step that only waits for a notification is made here:
 * one epoll descriptor watches the listeners of all such trees, and the tree's turn receives the notification. Each other
 * step is made by the tree's own thread, which traces, handles the calls that a text decides, and pins judged calls. So a
 * tree's tracees are apart from all others, and a tree that waits delays no other one. When such a step has ended, the tree gets
 * into a queue.
 *
 * While a step runs, JavaScript calls no function for that tree.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#include "node.h"
#include "../loop/executor.h"
#include "../loop/loop.h"
#include "environment.h"

enum { STACK = 128 << 10, MOST_POLLED = 16 };

enum under_way {
  NO_STEP,
  STEP_HERE, /* made in the thread of JavaScript, as soon as a notification waits */
  STEP,
  POLL,
  WORK,
};

struct tree {
  struct loop loop;
  struct queue *queue;
  struct tree *next;
  int32_t id;
  enum under_way under_way;
  bool is_watched; /* the queue's epoll descriptor knows the listener */
  struct step step;
  int result;
  /* Of `begin_work`: */
  int (*work)(void *order);
  _Alignas(max_align_t) unsigned char order[MOST_ORDER];
  /* Of beginPoll: */
  uint32_t polled_count;
  int32_t *polled; /* descriptors; their bits replace them */
  double milliseconds;
  int spare;
};

/* The data of the events of `epoll` is a tree's id, or this. */
static const uint64_t of_queue = UINT64_MAX;

/* Of a loop with a thread. */
static struct tree *tree_with(struct loop *loop) {
  return (struct tree *)(void *)((char *)loop - offsetof(struct tree, loop));
}

static struct tree *tree_of(napi_env env, napi_value value) {
  void *self;
  return napi_get_value_external(env, value, &self) == napi_ok ? self : NULL;
}

/* ── The queue ───────────────────────────────────────────────────────────────────────────────────────────────────── */

static void put(void *data) {
  struct tree *self = data;
  struct queue *queue = self->queue;
  const uint64_t one = 1;
  self->next = NULL;
  pthread_mutex_lock(&queue->lock);
  const bool was_empty = queue->first == NULL;
  *queue->last = self;
  queue->last = &self->next;
  pthread_mutex_unlock(&queue->lock);
  if (was_empty && write(queue->event, &one, sizeof one) < 0) errno = 0; /* it is readable already */
}

static struct tree *take(struct queue *self) {
  pthread_mutex_lock(&self->lock);
  struct tree *first = self->first;
  if (first != NULL) {
    self->first = first->next;
    if (self->first == NULL) self->last = &self->first;
  }
  pthread_mutex_unlock(&self->lock);
  return first;
}

/* watchTrees(event): an eventfd, which other threads may make readable to end a wait of `awaitTrees`. */
static napi_value watch_trees(napi_env env, napi_callback_info info) {
  struct environment *self = environment_of(env);
  napi_value argument;
  size_t count = 1;
  struct epoll_event event = {.events = EPOLLIN, .data.u64 = of_queue};
  if (self == NULL || napi_get_cb_info(env, info, &count, &argument, NULL, NULL) != napi_ok || count != 1 ||
      napi_get_value_int32(env, argument, &self->queue.event) != napi_ok)
    return fail(env, "watchTrees takes (event)");
  self->queue.epoll = epoll_create1(EPOLL_CLOEXEC);
  if (self->queue.epoll < 0 || epoll_ctl(self->queue.epoll, EPOLL_CTL_ADD, self->queue.event, &event) != 0)
    return fail(env, "the trees cannot be watched");
  return NULL;
}

/* awaitTrees(milliseconds): waits until `nextTree` has a tree, the time is over, or another thread ends the wait. */
static napi_value await_trees(napi_env env, napi_callback_info info) {
  struct environment *self = environment_of(env);
  napi_value argument;
  size_t count = 1;
  int32_t milliseconds;
  if (self == NULL || napi_get_cb_info(env, info, &count, &argument, NULL, NULL) != napi_ok || count != 1 ||
      napi_get_value_int32(env, argument, &milliseconds) != napi_ok)
    return fail(env, "awaitTrees takes (milliseconds)");
  self->queue.ready_count = epoll_wait(self->queue.epoll, self->queue.ready, MOST_READY, milliseconds);
  return NULL;
}

/* nextTree(): the id of a tree whose step has ended or can be made; −1: none. */
static napi_value next_tree(napi_env env, napi_callback_info info) {
  (void)info;
  struct environment *self = environment_of(env);
  if (self == NULL) return fail(env, "nextTree takes nothing");
  while (self->queue.ready_count > 0) {
    const uint64_t id = self->queue.ready[--self->queue.ready_count].data.u64;
    uint64_t number;
    if (id != of_queue) return number_of(env, (int64_t)id);
    if (read(self->queue.event, &number, sizeof number) < 0) errno = 0;
  }
  struct tree *tree = take(&self->queue);
  return number_of(env, tree == NULL ? -1 : tree->id);
}

/* ── Trees ───────────────────────────────────────────────────────────────────────────────────────────────────────── */

static void release(void *data) { release_loop(data); }

/* A step can be under way only when the whole thread of JavaScript ends: then the process does, too. */
static void collect(napi_env env, void *data, void *hint) {
  (void)env;
  (void)hint;
  struct tree *self = data;
  if (self->under_way != NO_STEP) return;
  if (self->loop.thread != NULL) end_executor(self->loop.thread);
  free(self);
}

/* startTree(id, wake): a tree, or a negative errno. `wake`: an eventfd; while it is readable, steps do not wait. */
static napi_value start(napi_env env, napi_callback_info info) {
  struct environment *environment = environment_of(env);
  napi_value arguments[2], result;
  size_t count = 2;
  int32_t id, wake;
  if (environment == NULL || napi_get_cb_info(env, info, &count, arguments, NULL, NULL) != napi_ok || count != 2 ||
      napi_get_value_int32(env, arguments[0], &id) != napi_ok || id < 0 ||
      napi_get_value_int32(env, arguments[1], &wake) != napi_ok)
    return fail(env, "startTree takes (id, wake)");
  struct tree *self = calloc(1, sizeof *self);
  if (self == NULL) return number_of(env, -ENOMEM);
  initialise_loop(&self->loop);
  self->loop.wake = wake;
  self->queue = &environment->queue;
  self->id = id;
  self->loop.thread = start_executor(STACK);
  if (self->loop.thread == NULL) {
    const int error = errno;
    free(self);
    return number_of(env, -error);
  }
  if (napi_create_external(env, self, collect, NULL, &result) == napi_ok) return result;
  collect(env, self, NULL);
  return number_of(env, -ENOMEM);
}

/* enterTree(tree): the functions that work on a tree work on this one from now on; null: on that of this thread. */
static napi_value enter(napi_env env, napi_callback_info info) {
  struct environment *environment = environment_of(env);
  napi_value argument;
  size_t count = 1;
  napi_valuetype type;
  if (environment == NULL || napi_get_cb_info(env, info, &count, &argument, NULL, NULL) != napi_ok || count != 1 ||
      napi_typeof(env, argument, &type) != napi_ok)
    return fail(env, "enterTree takes a tree");
  struct tree *self = type == napi_null ? NULL : tree_of(env, argument);
  if (type != napi_null && (self == NULL || self->loop.thread == NULL)) return fail(env, "enterTree takes a tree");
  environment->loop = self == NULL ? &environment->single : &self->loop;
  return NULL;
}

/* endTree(tree): ends its thread. */
static napi_value end(napi_env env, napi_callback_info info) {
  struct environment *environment = environment_of(env);
  napi_value argument;
  size_t count = 1;
  struct tree *self;
  if (environment == NULL || napi_get_cb_info(env, info, &count, &argument, NULL, NULL) != napi_ok || count != 1 ||
      (self = tree_of(env, argument)) == NULL || self->under_way != NO_STEP || self->loop.thread == NULL)
    return fail(env, "endTree takes a tree without a step");
  struct executor *thread = self->loop.thread;
  end_loop(env, &self->loop);
  run_in(thread, release, &self->loop); /* keeps and traces nothing any more */
  end_executor(thread);
  self->loop.thread = NULL;
  if (environment->loop == &self->loop) environment->loop = &environment->single;
  return NULL;
}

/* ── Steps ───────────────────────────────────────────────────────────────────────────────────────────────────────── */

static void make_step(void *data) {
  struct tree *self = data;
  self->result = take_step(&self->loop, self->step);
  note_stops(&self->loop);
}

/*
 * For the next notification, once: in its turn the tree is not watched. So it is not when its listener is closed, and no event
 * follows if another process has the listener, too. False if the kernel refuses it.
 */
static bool watch_for_one(struct tree *self) {
  struct epoll_event event = {.events = EPOLLIN | EPOLLONESHOT, .data.u64 = (uint64_t)self->id};
  const int operation = self->is_watched ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;
  if (epoll_ctl(self->queue->epoll, operation, self->loop.listener, &event) != 0) return false;
  self->is_watched = true;
  return true;
}

static void begin_step(struct tree *self, bool may_be_here) {
  const bool is_here = may_be_here && self->step.waits && !self->step.is_received && !needs_thread(&self->loop);
  self->under_way = is_here && watch_for_one(self) ? STEP_HERE : STEP;
  if (self->under_way == STEP) begin_in(self->loop.thread, make_step, put, self);
}

/*
 * beginStep(tree, answer, waits, judges, here): as `next`, without the wait. Then `nextTree` returns the tree, and `endStep` the
 * result. `here`: it may be made in this thread.
 */
static napi_value begin(napi_env env, napi_callback_info info) {
  napi_value arguments[5];
  size_t count = 5;
  struct tree *self;
  struct step step;
  bool here;
  if (napi_get_cb_info(env, info, &count, arguments, NULL, NULL) != napi_ok || count != 5 ||
      (self = tree_of(env, arguments[0])) == NULL || self->under_way != NO_STEP || self->loop.thread == NULL ||
      self->loop.memory == NULL || !step_of(env, arguments + 1, &step) ||
      napi_get_value_bool(env, arguments[4], &here) != napi_ok)
    return fail(env, "beginStep takes (tree, answer, waits, judges, here)");
  /* From here, so that the caller goes on before the tree's thread has got its turn. */
  if (step.answer) send_answer(&self->loop, self->loop.shared);
  self->step = (struct step){.answer = false, .waits = step.waits, .judges = step.judges};
  begin_step(self, here);
  return NULL;
}

/* wakeTree(tree): `nextTree` returns a tree that waits for a notification. Only if it has not returned it yet. */
static napi_value wake_tree(napi_env env, napi_callback_info info) {
  napi_value argument;
  size_t count = 1;
  struct tree *self;
  if (napi_get_cb_info(env, info, &count, &argument, NULL, NULL) != napi_ok || count != 1 ||
      (self = tree_of(env, argument)) == NULL || self->under_way == NO_STEP)
    return fail(env, "wakeTree takes a tree with a step");
  /* `wake` of the loop ends those of the tree's thread. */
  if (self->under_way != STEP_HERE || epoll_ctl(self->queue->epoll, EPOLL_CTL_DEL, self->loop.listener, NULL) != 0)
    return NULL;
  self->is_watched = false;
  put(self);
  return NULL;
}

/* poll(2) fails if RLIMIT_NOFILE is below the number of descriptors, and any process of the user can set it to 0. */
static int wait_by_epoll(struct tree *self, int milliseconds) {
  struct epoll_event ready[MOST_POLLED];
  for (uint32_t i = 0; i < self->polled_count; i++) {
    struct epoll_event event = {.events = EPOLLIN, .data.u32 = i};
    if (self->polled[i] >= 0) epoll_ctl(self->spare, EPOLL_CTL_ADD, self->polled[i], &event);
  }
  const int count = epoll_wait(self->spare, ready, MOST_POLLED, milliseconds);
  for (uint32_t i = 0; i < self->polled_count; i++) {
    struct epoll_event event = {0};
    if (self->polled[i] >= 0) epoll_ctl(self->spare, EPOLL_CTL_DEL, self->polled[i], &event);
    self->polled[i] = 0;
  }
  for (int i = 0; i < count; i++) self->polled[ready[i].data.u32] = (int32_t)ready[i].events;
  return count < 0 ? 0 : count;
}

static void wait_for(struct tree *self) {
  struct pollfd descriptors[MOST_POLLED];
  const long nanoseconds = (long)(self->milliseconds * 1e6);
  const struct timespec time = {nanoseconds / 1000000000, nanoseconds % 1000000000};
  for (uint32_t i = 0; i < self->polled_count; i++)
    descriptors[i] = (struct pollfd){.fd = self->polled[i], .events = POLLIN};
  self->result = ppoll(descriptors, self->polled_count, &time, NULL);
  if (self->result < 0 && errno == EINVAL) {
    self->result = wait_by_epoll(self, (int)(self->milliseconds + 0.999));
    return;
  }
  for (uint32_t i = 0; i < self->polled_count; i++) self->polled[i] = self->result > 0 ? descriptors[i].revents : 0;
}

static void make_poll(void *data) {
  struct tree *self = data;
  wait_for(self);
  note_stops(&self->loop);
}

/*
 * beginPoll(tree, descriptors, milliseconds, spare): waits likewise until one of the descriptors of an Int32Array is readable.
 * Then their bits are in it. `spare`: an empty epoll descriptor.
 */
static napi_value begin_poll(napi_env env, napi_callback_info info) {
  napi_value arguments[4];
  size_t count = 4, size;
  struct tree *self;
  unsigned char *descriptors;
  if (napi_get_cb_info(env, info, &count, arguments, NULL, NULL) != napi_ok || count != 4 ||
      (self = tree_of(env, arguments[0])) == NULL || self->under_way != NO_STEP || self->loop.thread == NULL ||
      !bytes_of(env, arguments[1], &descriptors, &size) || size > MOST_POLLED * sizeof(int32_t) ||
      napi_get_value_double(env, arguments[2], &self->milliseconds) != napi_ok || !(self->milliseconds >= 0) ||
      !(self->milliseconds < 1e6) || napi_get_value_int32(env, arguments[3], &self->spare) != napi_ok)
    return fail(env, "beginPoll takes (tree, at most 16 descriptors, milliseconds, spare)");
  self->polled = (int32_t *)(void *)descriptors;
  self->polled_count = (uint32_t)(size / sizeof(int32_t));
  self->under_way = POLL;
  begin_in(self->loop.thread, make_poll, put, self);
  return NULL;
}

static void make_work(void *data) {
  struct tree *self = data;
  self->result = self->work(self->order);
}

static void make_own_work(void *data) {
  struct tree *self = data;
  make_work(self);
  note_stops(&self->loop);
}

/* For one that waits until the function has run. */
struct awaited_work {
  int (*work)(void *order);
  void *order;
  int result;
};

static void make_awaited(void *data) {
  struct awaited_work *self = data;
  self->result = self->work(self->order);
}

int begin_work(napi_env env, struct executor *by, int (*work)(void *order), void *order, size_t size) {
  struct loop *loop = loop_of(env);
  if (loop == NULL || loop->thread == NULL) {
    struct awaited_work awaited = {.work = work, .order = order};
    if (by == NULL) make_awaited(&awaited);
    else run_in(by, make_awaited, &awaited);
    return awaited.result;
  }
  struct tree *self = tree_with(loop);
  self->work = work;
  if (size > 0) memcpy(self->order, order, size);
  self->under_way = WORK;
  if (by == NULL) begin_in(loop->thread, make_own_work, put, self);
  else begin_in(by, make_work, put, self);
  return -EINPROGRESS;
}

/*
 * endStep(tree): the result; after a step the notification is in the policy's memory. Call it once, when `nextTree` has returned
 * the tree.
 * -EINPROGRESS: the step goes on, and `nextTree` returns the tree again.
 */
static napi_value end_step(napi_env env, napi_callback_info info) {
  napi_value argument;
  size_t count = 1;
  struct tree *self;
  if (napi_get_cb_info(env, info, &count, &argument, NULL, NULL) != napi_ok || count != 1 ||
      (self = tree_of(env, argument)) == NULL || self->under_way == NO_STEP)
    return fail(env, "endStep takes a tree with a step");
  if (self->under_way == STEP_HERE) {
    const int result = try_step(&self->loop, &self->step);
    if (result == -EINPROGRESS) {
      begin_step(self, true); /* the tree's thread may have stored its result already */
      return number_of(env, -EINPROGRESS);
    }
    self->result = result;
  }
  const bool is_step = self->under_way == STEP_HERE || self->under_way == STEP;
  self->under_way = NO_STEP;
  if (is_step && (self->result >= 0 || self->result == -ECANCELED)) {
    const struct loop *loop = &self->loop;
    memcpy(loop->shared + NOTIFICATION, loop->copy + NOTIFICATION, RESPONSE - NOTIFICATION);
    memcpy(loop->shared + NOW, loop->copy + NOW, sizeof(uint64_t));
    memcpy(loop->shared + CALLER_TID, loop->copy + CALLER_TID, sizeof(uint32_t));
  }
  return number_of(env, self->result);
}

/* ── The thread that loads the addon ─────────────────────────────────────────────────────────────────────────────── */

static void release_environment(napi_env env, void *data, void *hint) {
  (void)env;
  (void)hint;
  struct environment *self = data;
  release_loop(&self->single);
  if (self->queue.epoll >= 0) close(self->queue.epoll);
  /* A step of a tree can be under way. */
  if (self->queue.event < 0) free(self);
}

bool start_environment(napi_env env) {
  struct environment *self = calloc(1, sizeof *self);
  if (self == NULL || napi_set_instance_data(env, self, release_environment, NULL) != napi_ok) return false;
  initialise_loop(&self->single);
  self->loop = &self->single;
  self->queue = (struct queue){.lock = PTHREAD_MUTEX_INITIALIZER, .last = &self->queue.first, .event = -1, .epoll = -1};
  return true;
}

void export_trees(napi_env env, napi_value exports) {
  const napi_property_descriptor functions[] = {
      METHOD("watchTrees", watch_trees), METHOD("awaitTrees", await_trees), METHOD("nextTree", next_tree),
      METHOD("startTree", start),        METHOD("enterTree", enter),        METHOD("endTree", end),
      METHOD("beginStep", begin),        METHOD("beginPoll", begin_poll),   METHOD("endStep", end_step),
      METHOD("wakeTree", wake_tree),
  };
  napi_define_properties(env, exports, sizeof functions / sizeof *functions, functions);
}
