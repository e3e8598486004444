// SPDX-License-Identifier: MIT
/* Finds the tree that JavaScript works on, and runs functions in its thread. */
#include "environment.h"

#include "../loop/executor.h"

struct environment *environment_of(napi_env env) {
  void *data = NULL;
  return napi_get_instance_data(env, &data) == napi_ok ? data : NULL;
}

struct loop *loop_of(napi_env env) {
  struct environment *self = environment_of(env);
  return self == NULL ? NULL : self->loop;
}

void run_in_loop(napi_env env, void (*function)(void *), void *data) {
  const struct loop *self = loop_of(env);
  if (self == NULL || self->thread == NULL) function(data);
  else run_in(self->thread, function, data);
}
