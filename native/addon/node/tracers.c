// SPDX-License-Identifier: MIT
/*
 * Tracers: threads that make calls of ptrace(2) and wait4(2) for the loop, one at a time.
 *
 * To the kernel a tracer is a thread, and a new task is traced by the thread that traces its parent
 * (include/linux/ptrace.h, ptrace_init_task(), Linux 6.18). So of a tracer that traces one parent only, every other tracee is
 * a child of that parent, whether the parent still lives or not (src/engines/notify/fork-tracer.ts).
 */
#define _GNU_SOURCE
#include <errno.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "node.h"
#include "../loop/executor.h"
#include "../ptrace/kept.h"
#include "../ptrace/tracee.h"

enum { STACK = 1 << 16, MOST_ARGUMENTS = 8 };

/* A system call, and its result: the kernel's, or a negative errno. */
struct call {
  long registers[7];
  long result;
};

static void make(void *data) {
  struct call *call = data;
  const long *at = call->registers;
  const long result = syscall(at[0], at[1], at[2], at[3], at[4], at[5], at[6]);
  call->result = result == -1 ? -errno : result;
}

static bool call_of(napi_env env, const napi_value *arguments, size_t count, struct call *call) {
  *call = (struct call){{0}, 0};
  if (count < 1 || count > 7) return false;
  for (size_t i = 0; i < count; i++)
    if (!register_of(env, arguments[i], &call->registers[i])) return false;
  return true;
}

struct seizure {
  int32_t tid;
  uint32_t options;
  int result;
};

static int begin_seizure(void *order) {
  const struct seizure *self = order;
  return -seize_promptly(self->tid, self->options);
}

/* A task that the loop keeps is its tracee already. */
static int begin_own_seizure(void *order) {
  const struct seizure *self = order;
  return is_kept(self->tid) ? 0 : begin_seizure(order);
}

static void make_seizure(void *data) { ((struct seizure *)data)->result = begin_seizure(data); }
static void make_own_seizure(void *data) { ((struct seizure *)data)->result = begin_own_seizure(data); }

static struct executor *tracer_of(napi_env env, napi_value value) {
  void *self;
  return napi_get_value_external(env, value, &self) == napi_ok ? self : NULL;
}

/* The arguments (tid, options), with `by` after a tracer. */
static bool seizure_of(napi_env env, napi_callback_info info, struct executor **by, struct seizure *seizure) {
  napi_value arguments[3];
  size_t count = 3;
  const size_t first = by == NULL ? 0 : 1;
  return napi_get_cb_info(env, info, &count, arguments, NULL, NULL) == napi_ok && count == first + 2 &&
         (by == NULL || (*by = tracer_of(env, arguments[0])) != NULL) &&
         napi_get_value_int32(env, arguments[first], &seizure->tid) == napi_ok &&
         napi_get_value_uint32(env, arguments[first + 1], &seizure->options) == napi_ok;
}

/* ── The loop's own tracees ──────────────────────────────────────────────────────────────────────────────────────── */

/* tracingCall(number, ...at most six): syscall(2) in the thread that traces for the loop. */
static napi_value own_call(napi_env env, napi_callback_info info) {
  napi_value arguments[MOST_ARGUMENTS];
  size_t count = MOST_ARGUMENTS;
  struct call call;
  if (napi_get_cb_info(env, info, &count, arguments, NULL, NULL) != napi_ok || !call_of(env, arguments, count, &call))
    return fail(env, "tracingCall takes a number and at most six integers, bigints, nulls or buffers");
  run_in_loop(env, make, &call);
  return number_of(env, call.result);
}

/* seize(tid, options): 0 or a negative errno; -EINTR after two milliseconds. */
static napi_value own_seizure(napi_env env, napi_callback_info info) {
  struct seizure seizure;
  if (!seizure_of(env, info, NULL, &seizure)) return fail(env, "seize takes (tid, options)");
  run_in_loop(env, make_own_seizure, &seizure);
  return number_of(env, seizure.result);
}

/* beginSeize(tid, options): the same as work of the tree. */
static napi_value begin_own(napi_env env, napi_callback_info info) {
  struct seizure seizure;
  if (!seizure_of(env, info, NULL, &seizure)) return fail(env, "beginSeize takes (tid, options)");
  return number_of(env, begin_work(env, NULL, begin_own_seizure, &seizure, sizeof seizure));
}

static int begin_await(void *order) {
  (void)order;
  return await_change();
}

/*
 * beginAwait(): waits, as work of the tree, until a tracee has stopped or ended. 0 or a negative errno; -EINTR after two
 * milliseconds.
 */
static napi_value begin_own_await(napi_env env, napi_callback_info info) {
  (void)info;
  return number_of(env, begin_work(env, NULL, begin_await, NULL, 0));
}

/* ── Other tracers ───────────────────────────────────────────────────────────────────────────────────────────────── */

static void end(napi_env env, void *data, void *hint) {
  (void)env;
  (void)hint;
  end_executor(data);
}

/* startTracer(): a tracer, which ends when it is collected as garbage; or a negative errno. */
static napi_value start(napi_env env, napi_callback_info info) {
  (void)info;
  struct executor *self = start_executor(STACK);
  if (self == NULL) return number_of(env, -errno);
  napi_value result;
  if (napi_create_external(env, self, end, NULL, &result) == napi_ok) return result;
  end_executor(self);
  return number_of(env, -ENOMEM);
}

/* tracerCall(tracer, number, ...at most six): `tracingCall` in that thread. */
static napi_value call_in(napi_env env, napi_callback_info info) {
  napi_value arguments[MOST_ARGUMENTS];
  size_t count = MOST_ARGUMENTS;
  struct call call;
  struct executor *self;
  if (napi_get_cb_info(env, info, &count, arguments, NULL, NULL) != napi_ok || count < 2 ||
      (self = tracer_of(env, arguments[0])) == NULL || !call_of(env, arguments + 1, count - 1, &call))
    return fail(env, "tracerCall takes a tracer, a number and at most six integers, bigints, nulls or buffers");
  run_in(self, make, &call);
  return number_of(env, call.result);
}

/* tracerSeize(tracer, tid, options): `seize` in that thread. */
static napi_value seize_in(napi_env env, napi_callback_info info) {
  struct executor *self;
  struct seizure seizure;
  if (!seizure_of(env, info, &self, &seizure)) return fail(env, "tracerSeize takes (tracer, tid, options)");
  run_in(self, make_seizure, &seizure);
  return number_of(env, seizure.result);
}

/* tracerBeginSeize(tracer, tid, options): `beginSeize` in that thread. */
static napi_value begin_in_tracer(napi_env env, napi_callback_info info) {
  struct executor *self;
  struct seizure seizure;
  if (!seizure_of(env, info, &self, &seizure)) return fail(env, "tracerBeginSeize takes (tracer, tid, options)");
  return number_of(env, begin_work(env, self, begin_seizure, &seizure, sizeof seizure));
}

/* tracerBeginAwait(tracer): `beginAwait` in that thread. */
static napi_value begin_await_in(napi_env env, napi_callback_info info) {
  napi_value argument;
  size_t count = 1;
  struct executor *self;
  if (napi_get_cb_info(env, info, &count, &argument, NULL, NULL) != napi_ok || count != 1 ||
      (self = tracer_of(env, argument)) == NULL)
    return fail(env, "tracerBeginAwait takes a tracer");
  return number_of(env, begin_work(env, self, begin_await, NULL, 0));
}

void export_tracers(napi_env env, napi_value exports) {
  const napi_property_descriptor functions[] = {
      METHOD("tracingCall", own_call),
      METHOD("seize", own_seizure),
      METHOD("startTracer", start),
      METHOD("tracerCall", call_in),
      METHOD("tracerSeize", seize_in),
      METHOD("beginSeize", begin_own),
      METHOD("tracerBeginSeize", begin_in_tracer),
      METHOD("beginAwait", begin_own_await),
      METHOD("tracerBeginAwait", begin_await_in),
  };
  napi_define_properties(env, exports, sizeof functions / sizeof *functions, functions);
}
