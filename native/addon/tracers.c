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
#include <linux/futex.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "addon.h"
#include "detached.h"
#include "pin.h"

enum { STACK = 1 << 16 };

/* Of the word that both threads wait on. */
enum turn { LOOP, TRACER };
enum order { CALL, SEIZE, END };

struct tracer {
  _Atomic uint32_t turn;
  enum order order;
  long registers[7];
  long result;
};

static void await_turn(struct tracer *own, enum turn turn) {
  for (uint32_t now; (now = atomic_load_explicit(&own->turn, memory_order_acquire)) != turn;)
    syscall(SYS_futex, &own->turn, FUTEX_WAIT_PRIVATE, now, NULL, NULL, 0);
}

static void give_turn(struct tracer *own, enum turn turn) {
  atomic_store_explicit(&own->turn, turn, memory_order_release);
  syscall(SYS_futex, &own->turn, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

static void *trace(void *data) {
  struct tracer *own = data;
  for (;;) {
    await_turn(own, TRACER);
    const long *at = own->registers;
    switch (own->order) {
      case CALL:
        own->result = syscall(at[0], at[1], at[2], at[3], at[4], at[5], at[6]);
        if (own->result == -1) own->result = -errno;
        break;
      case SEIZE:
        own->result = -seize_promptly((pid_t)at[0], (unsigned long)at[1]);
        break;
      case END:
        end_moments();
        free(own);
        return NULL;
    }
    give_turn(own, LOOP);
  }
}

static long order(struct tracer *own, enum order order) {
  own->order = order;
  give_turn(own, TRACER);
  await_turn(own, LOOP);
  return own->result;
}

/* The kernel detaches the thread's tracees when it ends. */
static void end(napi_env env, void *data, void *hint) {
  (void)env;
  (void)hint;
  struct tracer *own = data;
  own->order = END;
  give_turn(own, TRACER);
}

/* startTracer(): a tracer, which ends when it is collected as garbage; or a negative errno. */
static napi_value start(napi_env env, napi_callback_info info) {
  (void)info;
  struct tracer *own = calloc(1, sizeof *own);
  if (own == NULL) return number_of(env, -ENOMEM);
  /* It blocks all signals, and moment.c unblocks its own. */
  const int error = start_detached(trace, own, STACK);
  if (error != 0) {
    free(own);
    return number_of(env, -error);
  }
  napi_value result;
  if (napi_create_external(env, own, end, NULL, &result) == napi_ok) return result;
  end(env, own, NULL);
  return number_of(env, -ENOMEM);
}

static struct tracer *tracer_of(napi_env env, napi_value value) {
  void *own;
  return napi_get_value_external(env, value, &own) == napi_ok ? own : NULL;
}

/* tracerCall(tracer, number, ...at most six): syscall(2) in that thread; the kernel's result, or a negative errno. */
static napi_value call(napi_env env, napi_callback_info info) {
  napi_value arguments[8];
  size_t count = 8;
  if (napi_get_cb_info(env, info, &count, arguments, NULL, NULL) != napi_ok || count < 2 || count > 8)
    return fail(env, "tracerCall takes a tracer, a number and at most six arguments");
  struct tracer *own = tracer_of(env, arguments[0]);
  if (own == NULL) return fail(env, "tracerCall takes a tracer");
  for (size_t i = 0; i < 7; i++) {
    own->registers[i] = 0;
    if (i + 1 < count && !register_of(env, arguments[i + 1], &own->registers[i]))
      return fail(env, "an argument of a system call must be an integer, a bigint, null or a buffer");
  }
  return number_of(env, order(own, CALL));
}

/* tracerSeize(tracer, tid, options): `seize` in that thread. */
static napi_value seize_in(napi_env env, napi_callback_info info) {
  napi_value arguments[3];
  size_t count = 3;
  int32_t tid;
  uint32_t options;
  if (napi_get_cb_info(env, info, &count, arguments, NULL, NULL) != napi_ok || count != 3 ||
      napi_get_value_int32(env, arguments[1], &tid) != napi_ok ||
      napi_get_value_uint32(env, arguments[2], &options) != napi_ok)
    return fail(env, "tracerSeize takes (tracer, tid, options)");
  struct tracer *own = tracer_of(env, arguments[0]);
  if (own == NULL) return fail(env, "tracerSeize takes a tracer");
  own->registers[0] = tid;
  own->registers[1] = (long)options;
  return number_of(env, order(own, SEIZE));
}

void export_tracers(napi_env env, napi_value exports) {
  const napi_property_descriptor functions[] = {
      METHOD("startTracer", start),
      METHOD("tracerCall", call),
      METHOD("tracerSeize", seize_in),
  };
  napi_define_properties(env, exports, sizeof functions / sizeof *functions, functions);
}
