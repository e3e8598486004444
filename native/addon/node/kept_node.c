// SPDX-License-Identifier: MIT
/* kept.h for JavaScript: src/machine/kept-tasks.ts has the types. */
#include <errno.h>

#include "node.h"
#include "../ptrace/kept.h"
#include "../loop/loop.h"

/* All run in the thread that keeps the tree's tasks. */
struct task {
  int32_t tid, signal;
  int result;
};

static void make_known(void *data) { add_kept(((struct task *)data)->tid); }
static void make_forgotten(void *data) { forget_kept(((struct task *)data)->tid); }
static void look_for_kept(void *data) {
  struct task *self = data;
  self->result = is_kept(self->tid);
}
static void make_go(void *data) {
  struct task *self = data;
  self->result = -let_go(self->tid, self->signal);
}
static bool task_of(napi_env env, napi_callback_info info, int32_t *tid) {
  napi_value argument;
  size_t count = 1;
  return napi_get_cb_info(env, info, &count, &argument, NULL, NULL) == napi_ok && count == 1 &&
         napi_get_value_int32(env, argument, tid) == napi_ok;
}

/* False, with an exception, if the argument is no id. */
static bool run(napi_env env, napi_callback_info info, void (*function)(void *), struct task *task) {
  if (!task_of(env, info, &task->tid)) {
    fail(env, "one argument, a thread's id");
    return false;
  }
  run_in_loop(env, function, task);
  return true;
}

static napi_value boolean_of(napi_env env, bool value) {
  napi_value result;
  return napi_get_boolean(env, value, &result) == napi_ok ? result : NULL;
}

struct keep_order {
  int32_t *tasks;
  size_t count;
};

/* An execution in the process of one delays all attempts in that process. */
static int make_kept(void *data) {
  const struct keep_order *self = data;
  bool is_delayed = false;
  for (size_t i = 0; i < self->count; i++) {
    const int error = is_delayed ? EINTR : is_kept(self->tasks[i]) ? 0 : keep_task(self->tasks[i]);
    is_delayed = error == EINTR;
    self->tasks[i] = -error;
  }
  return 0;
}

/*
 * beginKeep(tasks): keeps the threads of one process whose ids are in an Int32Array, as work of the tree. Then the array has 0 or
 * a negative errno for each. It must live until then.
 */
static napi_value keep(napi_env env, napi_callback_info info) {
  napi_value argument;
  size_t count = 1, size;
  unsigned char *tasks;
  if (napi_get_cb_info(env, info, &count, &argument, NULL, NULL) != napi_ok || count != 1 ||
      !bytes_of(env, argument, &tasks, &size))
    return fail(env, "beginKeep takes an Int32Array");
  struct keep_order order = {(int32_t *)(void *)tasks, size / sizeof(int32_t)};
  return number_of(env, begin_work(env, NULL, make_kept, &order, sizeof order));
}

/* addKept(tid) */
static napi_value add(napi_env env, napi_callback_info info) {
  struct task task;
  run(env, info, make_known, &task);
  return NULL;
}

/* forgetKept(tid) */
static napi_value forget(napi_env env, napi_callback_info info) {
  struct task task;
  run(env, info, make_forgotten, &task);
  return NULL;
}

/* The keeper of the present tree, which another thread can be while it does nothing; NULL if it keeps no task. */
static struct keeper *keeper_of(napi_env env) {
  const struct loop *loop = loop_of(env);
  return loop == NULL ? NULL : loop->keeper;
}

/* isKept(tid): boolean. */
static napi_value is(napi_env env, napi_callback_info info) {
  struct keeper *keeper = keeper_of(env);
  struct task task = {0, 0, 0};
  if (!task_of(env, info, &task.tid)) return fail(env, "isKept takes (tid)");
  if (keeper != NULL && has_kept(keeper, task.tid)) run_in_loop(env, look_for_kept, &task);
  return boolean_of(env, task.result != 0);
}

/* isSuspended(tid): boolean. */
static napi_value is_stopped(napi_env env, napi_callback_info info) {
  struct keeper *keeper = keeper_of(env);
  int32_t tid;
  if (!task_of(env, info, &tid)) return fail(env, "isSuspended takes (tid)");
  return boolean_of(env, keeper != NULL && is_suspended(keeper, tid));
}

/* letGo(tid, signal): 0 or a negative errno. */
static napi_value go(napi_env env, napi_callback_info info) {
  napi_value arguments[2];
  size_t count = 2;
  struct task task;
  if (napi_get_cb_info(env, info, &count, arguments, NULL, NULL) != napi_ok || count != 2 ||
      napi_get_value_int32(env, arguments[0], &task.tid) != napi_ok ||
      napi_get_value_int32(env, arguments[1], &task.signal) != napi_ok)
    return fail(env, "letGo takes (tid, signal)");
  run_in_loop(env, make_go, &task);
  return number_of(env, task.result);
}

/* keepsAny(): boolean. */
static napi_value any(napi_env env, napi_callback_info info) {
  (void)info;
  struct keeper *keeper = keeper_of(env);
  return boolean_of(env, keeper != NULL && keeps_any(keeper));
}

/* takeStops(): boolean. */
static napi_value take(napi_env env, napi_callback_info info) {
  (void)info;
  struct loop *loop = loop_of(env);
  return boolean_of(env, loop != NULL && take_stops_of(loop));
}

void export_kept(napi_env env, napi_value exports) {
  const napi_property_descriptor functions[] = {
      METHOD("beginKeep", keep),    METHOD("addKept", add),
      METHOD("forgetKept", forget), METHOD("isKept", is),
      METHOD("letGo", go),          METHOD("keepsAny", any),
      METHOD("takeStops", take),    METHOD("isSuspended", is_stopped),
  };
  napi_define_properties(env, exports, sizeof functions / sizeof *functions, functions);
}
