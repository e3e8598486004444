// SPDX-License-Identifier: MIT
/* Finds the tree that JavaScript works on, and runs functions in its thread. */
#include "environment.h"

#include "../loop/executor.h"

struct environment *environment_of(napi_env env) {
  void *data = NULL;
  return napi_get_instance_data(env, &data) == napi_ok ? data : NULL;
}

struct loop *loop_of(napi_env env) {
  struct environment *own = environment_of(env);
  return own == NULL ? NULL : own->loop;
}

void run_in_loop(napi_env env, void (*function)(void *), void *data) {
  const struct loop *own = loop_of(env);
  if (own == NULL || own->thread == NULL) function(data);
  else run_in(own->thread, function, data);
}
