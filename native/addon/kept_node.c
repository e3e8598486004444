// SPDX-License-Identifier: MIT
/* kept.h for JavaScript: src/linux/kept-tasks.ts has the types. */
#include "addon.h"
#include "kept.h"

static bool task_of(napi_env env, napi_callback_info info, int32_t *tid) {
  napi_value argument;
  size_t count = 1;
  return napi_get_cb_info(env, info, &count, &argument, NULL, NULL) == napi_ok && count == 1 &&
         napi_get_value_int32(env, argument, tid) == napi_ok;
}

static napi_value boolean_of(napi_env env, bool value) {
  napi_value result;
  return napi_get_boolean(env, value, &result) == napi_ok ? result : NULL;
}

/* keepTask(tid): 0 or a negative errno. */
static napi_value keep(napi_env env, napi_callback_info info) {
  int32_t tid;
  return task_of(env, info, &tid) ? number_of(env, -keep_task(tid)) : fail(env, "keepTask takes (tid)");
}

/* addKept(tid) */
static napi_value add(napi_env env, napi_callback_info info) {
  int32_t tid;
  if (!task_of(env, info, &tid)) return fail(env, "addKept takes (tid)");
  add_kept(tid);
  return NULL;
}

/* forgetKept(tid) */
static napi_value forget(napi_env env, napi_callback_info info) {
  int32_t tid;
  if (!task_of(env, info, &tid)) return fail(env, "forgetKept takes (tid)");
  forget_kept(tid);
  return NULL;
}

/* isKept(tid): boolean. */
static napi_value is(napi_env env, napi_callback_info info) {
  int32_t tid;
  return task_of(env, info, &tid) ? boolean_of(env, is_kept(tid)) : fail(env, "isKept takes (tid)");
}

/* isSuspended(tid): boolean. */
static napi_value is_stopped(napi_env env, napi_callback_info info) {
  int32_t tid;
  return task_of(env, info, &tid) ? boolean_of(env, is_suspended(tid)) : fail(env, "isSuspended takes (tid)");
}

/* letGo(tid, signal): 0 or a negative errno. */
static napi_value go(napi_env env, napi_callback_info info) {
  napi_value arguments[2];
  size_t count = 2;
  int32_t tid, signal;
  if (napi_get_cb_info(env, info, &count, arguments, NULL, NULL) != napi_ok || count != 2 ||
      napi_get_value_int32(env, arguments[0], &tid) != napi_ok ||
      napi_get_value_int32(env, arguments[1], &signal) != napi_ok)
    return fail(env, "letGo takes (tid, signal)");
  return number_of(env, -let_go(tid, signal));
}

/* keepsAny(): boolean. */
static napi_value any(napi_env env, napi_callback_info info) {
  (void)info;
  return boolean_of(env, keeps_any());
}

/* takeStops(): boolean. */
static napi_value take(napi_env env, napi_callback_info info) {
  (void)info;
  return boolean_of(env, take_stops());
}

void export_kept(napi_env env, napi_value exports) {
  const napi_property_descriptor functions[] = {
      METHOD("keepTask", keep),     METHOD("addKept", add),
      METHOD("forgetKept", forget), METHOD("isKept", is),
      METHOD("letGo", go),          METHOD("keepsAny", any),
      METHOD("takeStops", take),    METHOD("isSuspended", is_stopped),
  };
  napi_define_properties(env, exports, sizeof functions / sizeof *functions, functions);
}
