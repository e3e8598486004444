// SPDX-License-Identifier: MIT
/* objects.h for JavaScript: src/machine/held-objects.ts has the types. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "node.h"
#include "../loop/loop.h"
#include "../objects/objects.h"
#include "../pin/pin.h"

enum { MOST_ARGUMENTS = 5, FIELDS = 6 };

struct given {
  struct objects *objects;
  napi_value arguments[MOST_ARGUMENTS];
};

static bool begin(napi_env env, napi_callback_info info, size_t count, struct given *given) {
  const struct loop *loop = loop_of(env);
  size_t found = MOST_ARGUMENTS;
  given->objects = loop == NULL ? NULL : loop->objects;
  return given->objects != NULL && napi_get_cb_info(env, info, &found, given->arguments, NULL, NULL) == napi_ok &&
         found == count;
}

/*
 * startObjects(listener, paths, kinds, killable, readsProc, takesRights): returns the descriptor that is readable when an object is held, or a
 * negative errno. `paths` has one string with its NUL for each byte of `kinds` (1: `under`). Can be called once for a
 * tree.
 */
static napi_value start(napi_env env, napi_callback_info info) {
  struct loop *loop = loop_of(env);
  napi_value arguments[6];
  size_t count = 6, size, kinds_size;
  int32_t listener;
  unsigned char *paths, *kinds;
  bool killable, reads_proc, takes_rights;
  if (loop == NULL || loop->objects != NULL || napi_get_cb_info(env, info, &count, arguments, NULL, NULL) != napi_ok ||
      count != 6 || napi_get_value_int32(env, arguments[0], &listener) != napi_ok ||
      !bytes_of(env, arguments[1], &paths, &size) || !bytes_of(env, arguments[2], &kinds, &kinds_size) ||
      napi_get_value_bool(env, arguments[3], &killable) != napi_ok ||
      napi_get_value_bool(env, arguments[4], &reads_proc) != napi_ok ||
      napi_get_value_bool(env, arguments[5], &takes_rights) != napi_ok)
    return fail(env, "startObjects takes (listener, paths, kinds, killable, readsProc, takesRights), once");
  /* One block, which `start_objects` takes over. */
  struct constant *constants = malloc((kinds_size + 1) * sizeof *constants + size + 1);
  if (constants == NULL) return number_of(env, -ENOMEM);
  char *texts = (char *)(constants + kinds_size + 1), *end = texts + size;
  memcpy(texts, paths, size);
  *end = 0;
  for (size_t i = 0; i < kinds_size; i++) {
    if (texts >= end || texts[0] != '/') {
      free(constants);
      return fail(env, "a constant is not an absolute path");
    }
    constants[i] = (struct constant){kinds[i] != 0, texts};
    texts += strlen(texts) + 1;
  }
  loop->objects = start_objects(listener, constants, kinds_size, killable, reads_proc, takes_rights);
  if (loop->objects == NULL) free(constants);
  return number_of(env, loop->objects == NULL ? -errno : event_of(loop->objects));
}

/*
 * holdObject(notification, order, path, wanted): 0 or a negative errno. `order` is a BigInt64Array: enum order_kind,
 * directory, flags, mode, resolve, socket. `wanted`: a Uint32Array of indexes of constants.
 */
static napi_value hold(napi_env env, napi_callback_info info) {
  struct given given;
  struct seccomp_notif notification;
  unsigned char *fields, *path, *wanted;
  size_t fields_size, length, wanted_size;
  int64_t field[FIELDS];
  if (!begin(env, info, 4, &given) || !notification_of(env, given.arguments[0], &notification) ||
      !bytes_of(env, given.arguments[1], &fields, &fields_size) || fields_size != sizeof field ||
      !bytes_of(env, given.arguments[2], &path, &length) || !bytes_of(env, given.arguments[3], &wanted, &wanted_size))
    return fail(env, "holdObject takes (notification, order, path, wanted)");
  memcpy(field, fields, sizeof field);
  const struct order order = {
      .kind = field[0] == CONNECTS ? CONNECTS
              : field[0] == OPENS  ? OPENS
                                   : OPENS_STRICTLY,
      .directory = (int)field[1],
      .flags = (uint64_t)field[2],
      .mode = (uint64_t)field[3],
      .resolve = (uint64_t)field[4],
      .socket = (int)field[5],
  };
  struct pins *pins = loop_of(env)->pins;
  const bool has_our_rights = pins != NULL && pin_knows_rights(pins, (pid_t)notification.pid);
  return number_of(env, hold_object(given.objects, &notification, has_our_rights, &order, (const char *)path, length,
                                    (const uint32_t *)(const void *)wanted, wanted_size / sizeof(uint32_t)));
}

/*
 * heldObject(id, matches): −1 for an unknown call; 0 if the object is held, with a byte in `matches` for each wanted
 * constant; else an errno in the low 16 bits and an obstacle above them.
 */
static napi_value held(napi_env env, napi_callback_info info) {
  struct given given;
  uint64_t id;
  unsigned char *matches;
  size_t size;
  struct failure failure;
  if (!begin(env, info, 2, &given) || !unsigned_of(env, given.arguments[0], &id) ||
      !bytes_of(env, given.arguments[1], &matches, &size))
    return fail(env, "heldObject takes (id, matches)");
  if (held_object(given.objects, id, matches, size, &failure) < 0) return number_of(env, -1);
  return number_of(env, (int64_t)failure.error | (int64_t)failure.why << 16);
}

/* dropObject(id) */
static napi_value drop(napi_env env, napi_callback_info info) {
  struct given given;
  uint64_t id;
  if (!begin(env, info, 1, &given) || !unsigned_of(env, given.arguments[0], &id))
    return fail(env, "dropObject takes a notification's id");
  drop_object(given.objects, id);
  return NULL;
}

/* openObjectsApart() */
static napi_value opens_apart(napi_env env, napi_callback_info info) {
  struct given given;
  if (!begin(env, info, 0, &given)) return fail(env, "openObjectsApart takes nothing");
  open_apart(given.objects);
  return NULL;
}

static napi_value of_id(napi_env env, napi_callback_info info, bool (*function)(struct objects *, uint64_t)) {
  struct given given;
  uint64_t id;
  napi_value result;
  if (!begin(env, info, 1, &given) || !unsigned_of(env, given.arguments[0], &id))
    return fail(env, "one argument, a notification's id");
  return napi_get_boolean(env, function(given.objects, id), &result) == napi_ok ? result : NULL;
}
/* serveObject(id): whether the call has got its answer. */
static napi_value serve(napi_env env, napi_callback_info info) { return of_id(env, info, serve_object); }
/* isServed(id): whether this call is neither answered nor dropped. */
static napi_value is_served(napi_env env, napi_callback_info info) { return of_id(env, info, is_under_way); }

void export_objects(napi_env env, napi_value exports) {
  const napi_property_descriptor functions[] = {
      METHOD("startObjects", start),
      METHOD("holdObject", hold),
      METHOD("heldObject", held),
      METHOD("serveObject", serve),
      METHOD("dropObject", drop),
      METHOD("isServed", is_served),
      METHOD("openObjectsApart", opens_apart),
  };
  napi_define_properties(env, exports, sizeof functions / sizeof *functions, functions);
}
