/* SPDX-License-Identifier: MIT */
/*
 * Calls a JavaScript function in Node's event loop while a descriptor is readable. Node itself watches only sockets that
 * it also reads, and its reads lose the descriptors that come with the bytes.
 */
#include "node.h"

#include <stdlib.h>

/* Of libuv, whose headers are not Node-API's. Node exports these functions to addons, and libuv 1 keeps their types. */
struct uv_loop_s;
enum { UV_READABLE = 1, UV_POLL = 8 };
extern size_t uv_handle_size(int type);
extern void *uv_handle_get_data(const void *handle);
extern void uv_handle_set_data(void *handle, void *data);
extern int uv_poll_init(struct uv_loop_s *loop, void *handle, int descriptor);
extern int uv_poll_start(void *handle, int events, void (*callback)(void *handle, int status, int events));
extern void uv_unref(void *handle);

struct watcher {
  napi_env env;
  napi_ref callback;
  napi_async_context context;
};

static void tell(void *handle, int status, int events) {
  (void)status;
  (void)events;
  const struct watcher *self = uv_handle_get_data(handle);
  napi_handle_scope scope;
  napi_value callback, receiver;
  if (napi_open_handle_scope(self->env, &scope) != napi_ok) return;
  if (napi_get_reference_value(self->env, self->callback, &callback) == napi_ok &&
      napi_get_global(self->env, &receiver) == napi_ok)
    napi_make_callback(self->env, self->context, receiver, callback, 0, NULL, NULL);
  napi_close_handle_scope(self->env, scope);
}

/*
 * watchInLoop(descriptor, callback): 0 or a negative errno. For ever, so only for the main thread; the watch alone does not
 * keep the process alive.
 */
static napi_value watch(napi_env env, napi_callback_info info) {
  napi_value arguments[2], name;
  size_t count = 2;
  int32_t descriptor;
  napi_valuetype type;
  struct uv_loop_s *loop;
  if (napi_get_cb_info(env, info, &count, arguments, NULL, NULL) != napi_ok || count != 2 ||
      napi_get_value_int32(env, arguments[0], &descriptor) != napi_ok ||
      napi_typeof(env, arguments[1], &type) != napi_ok || type != napi_function)
    return fail(env, "watchInLoop takes (descriptor, callback)");
  struct watcher *self = calloc(1, sizeof *self);
  void *handle = calloc(1, uv_handle_size(UV_POLL));
  if (self == NULL || handle == NULL || napi_get_uv_event_loop(env, &loop) != napi_ok ||
      napi_create_reference(env, arguments[1], 1, &self->callback) != napi_ok ||
      napi_create_string_utf8(env, "portcullis", NAPI_AUTO_LENGTH, &name) != napi_ok ||
      napi_async_init(env, NULL, name, &self->context) != napi_ok) {
    free(self);
    free(handle);
    return fail(env, "out of memory");
  }
  self->env = env;
  const int result = uv_poll_init(loop, handle, descriptor);
  if (result < 0) {
    napi_delete_reference(env, self->callback);
    free(self);
    free(handle);
    return number_of(env, result);
  }
  uv_handle_set_data(handle, self);
  uv_unref(handle);
  return number_of(env, uv_poll_start(handle, UV_READABLE, tell));
}

void export_readiness(napi_env env, napi_value exports) {
  const napi_property_descriptor functions[] = {METHOD("watchInLoop", watch)};
  napi_define_properties(env, exports, sizeof functions / sizeof *functions, functions);
}
