// SPDX-License-Identifier: MIT
/* loop.h for JavaScript: src/linux/native.ts has the types. */
#include <errno.h>
#include <linux/filter.h>
#include <stdlib.h>
#include <string.h>

#include "node.h"
#include "../loop/loop.h"

static bool replace_reference(napi_env env, napi_value value, napi_ref *reference) {
  if (*reference != NULL) napi_delete_reference(env, *reference);
  *reference = NULL;
  return napi_create_reference(env, value, 1, reference) == napi_ok;
}

void end_loop(napi_env env, struct loop *own) {
  if (own->memory_reference != NULL) napi_delete_reference(env, own->memory_reference);
  if (own->deaths_reference != NULL) napi_delete_reference(env, own->deaths_reference);
  end_texts(env, &own->texts);
  own->memory_reference = own->deaths_reference = NULL;
}

bool step_of(napi_env env, const napi_value *arguments, struct step *step) {
  return napi_get_value_bool(env, arguments[0], &step->answer) == napi_ok &&
         napi_get_value_bool(env, arguments[1], &step->waits) == napi_ok &&
         napi_get_value_bool(env, arguments[2], &step->judges) == napi_ok;
}

/*
 * supervise(memory, deaths, listener, epoll, listening): sets the operands of `next`. Call it again when the memory has
 * grown, because its buffer is then another object.
 *
 * The addon waits for the listener by epoll: poll(2) fails if RLIMIT_NOFILE is less than the number of its descriptors
 * (fs/select.c), and any process of the same user can set it to 0.
 */
static napi_value supervise(napi_env env, napi_callback_info info) {
  struct loop *own = loop_of(env);
  napi_value arguments[5];
  size_t count = 5, memory_length, deaths_length;
  unsigned char *memory, *deaths;
  if (own == NULL || napi_get_cb_info(env, info, &count, arguments, NULL, NULL) != napi_ok || count != 5 ||
      !bytes_of(env, arguments[0], &memory, &memory_length) || memory_length < JUDGEMENT_END ||
      !bytes_of(env, arguments[1], &deaths, &deaths_length) || deaths_length < MAXIMUM_DEATHS * sizeof(uint32_t) ||
      napi_get_value_int32(env, arguments[2], &own->listener) != napi_ok ||
      napi_get_value_int32(env, arguments[3], &own->epoll) != napi_ok ||
      napi_get_value_int32(env, arguments[4], &own->listening) != napi_ok ||
      !replace_reference(env, arguments[0], &own->memory_reference) ||
      !replace_reference(env, arguments[1], &own->deaths_reference))
    return fail(env, "supervise takes (memory, deaths, listener, epoll, listening)");
  own->shared = memory;
  own->memory = own->thread == NULL ? memory : own->copy;
  own->deaths = (uint32_t *)(void *)deaths;
  return watch_listener(own) ? NULL : fail(env, "the listener cannot be watched");
}

struct keeping {
  struct loop *loop;
  int32_t event, epoll, passes, result;
  unsigned char *filter;
  size_t size;
};

static void start_keeping_tasks(void *data) {
  struct keeping *own = data;
  own->result = watch_stops(own->loop, own->event, own->epoll, own->filter, own->size, own->passes);
}

/*
 * startKeeping(event, epoll, filter, passes): 0 or a negative errno. `event`: an eventfd; `epoll`: an empty epoll descriptor;
 * `filter`: struct sock_filter[]; `passes`: a number, see `kept_passes`. Call it after `supervise`, startPins and startObjects.
 */
static napi_value keeps(napi_env env, napi_callback_info info) {
  struct keeping own = {.loop = loop_of(env)};
  napi_value arguments[4];
  size_t count = 4;
  if (own.loop == NULL || own.loop->memory == NULL ||
      napi_get_cb_info(env, info, &count, arguments, NULL, NULL) != napi_ok || count != 4 ||
      napi_get_value_int32(env, arguments[0], &own.event) != napi_ok ||
      napi_get_value_int32(env, arguments[1], &own.epoll) != napi_ok ||
      !bytes_of(env, arguments[2], &own.filter, &own.size) ||
      napi_get_value_int32(env, arguments[3], &own.passes) != napi_ok)
    return fail(env, "startKeeping takes (event, epoll, filter, passes)");
  run_in_loop(env, start_keeping_tasks, &own);
  return number_of(env, own.result);
}

/* deaths(): the number of watched tasks that have ended, at most 64. The array of `supervise` gets their keys. */
static napi_value deaths_now(napi_env env, napi_callback_info info) {
  (void)info;
  struct loop *own = loop_of(env);
  if (own == NULL || own->memory == NULL) return fail(env, "supervise must be called first");
  return number_of(env, collect_deaths(own));
}

/*
 * passPrepared(calls): if calls[n] is 1, `next` itself lets a prepared call of number n pass, because JavaScript has no
 * more work with it. `next` returns every other prepared call to its caller.
 */
static napi_value pass_prepared(napi_env env, napi_callback_info info) {
  struct loop *own = loop_of(env);
  napi_value argument;
  size_t count = 1, length;
  unsigned char *calls;
  if (own == NULL || napi_get_cb_info(env, info, &count, &argument, NULL, NULL) != napi_ok || count != 1 ||
      !bytes_of(env, argument, &calls, &length))
    return fail(env, "passPrepared takes an array");
  memset(own->passes, 0, sizeof own->passes);
  memcpy(own->passes, calls, length < sizeof own->passes ? length : sizeof own->passes);
  return NULL;
}

/*
 * passAllowed(filter): calls that this struct sock_filter[] allows pass in `next`, because the installed filter reports them
 * although the policy's own filter does not. Returns 0 or a negative errno.
 */
static napi_value pass_all_allowed(napi_env env, napi_callback_info info) {
  struct loop *own = loop_of(env);
  napi_value argument;
  size_t count = 1, length;
  unsigned char *instructions;
  if (own == NULL || napi_get_cb_info(env, info, &count, &argument, NULL, NULL) != napi_ok || count != 1 ||
      !bytes_of(env, argument, &instructions, &length) || length == 0 || length % sizeof(struct sock_filter) != 0)
    return fail(env, "passAllowed takes a filter");
  free(own->filter);
  own->filter = malloc(length);
  if (own->filter == NULL) return number_of(env, -ENOMEM);
  memcpy(own->filter, instructions, length);
  return number_of(env, 0);
}

/*
 * next(answer, waits, judges): sends the response in the memory (if `answer` is true), waits for the next notification,
 * and then collects the watched tasks that have ended. In this order, because the calling task is alive until it is
 * answered: an earlier task with the same id has ended by then and is collected. Prepared calls (`passPrepared`) pass here,
 * and with `judges` the text filter allows calls here, and `kept_passes` applies; then it waits for the next notification.
 *
 * | result | meaning |
 * | --- | --- |
 * | n >= 0 | the memory has a notification and its time; n watched tasks have ended |
 * | -EAGAIN | calls were handled, or no notification is present and `waits` is false |
 * | -ECANCELED | the text filter has allowed the call in the memory, and it cannot be pinned: the first word of the deaths |
 * | -ENOENT | no task is left under the filter, or poll(2) failed and the caller must check by other means |
 * | other | the kernel's error |
 *
 * A response that cannot be delivered (ENOENT: the caller died or was interrupted) is dropped. A call whose arguments were
 * read is never continued: a response that would continue it becomes EPERM.
 */
static napi_value next(napi_env env, napi_callback_info info) {
  struct loop *own = loop_of(env);
  napi_value arguments[3];
  size_t count = 3;
  struct step step;
  if (own == NULL || own->memory == NULL || own->thread != NULL) return fail(env, "supervise must be called first");
  if (napi_get_cb_info(env, info, &count, arguments, NULL, NULL) != napi_ok || count != 3 ||
      !step_of(env, arguments, &step))
    return fail(env, "next takes three booleans");
  return number_of(env, take_step(own, step));
}

void export_loop(napi_env env, napi_value exports) {
  const napi_property_descriptor functions[] = {
      METHOD("supervise", supervise),          METHOD("deaths", deaths_now),  METHOD("next", next),
      METHOD("passAllowed", pass_all_allowed), METHOD("startKeeping", keeps), METHOD("passPrepared", pass_prepared),
  };
  napi_define_properties(env, exports, sizeof functions / sizeof *functions, functions);
}
