// SPDX-License-Identifier: MIT
/* loop.h for JavaScript: src/machine/native.ts has the types. */
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

void end_loop(napi_env env, struct loop *self) {
  if (self->memory_reference != NULL) napi_delete_reference(env, self->memory_reference);
  if (self->deaths_reference != NULL) napi_delete_reference(env, self->deaths_reference);
  end_texts(env, &self->texts);
  self->memory_reference = self->deaths_reference = NULL;
}

bool step_of(napi_env env, const napi_value *arguments, struct step *step) {
  *step = (struct step){.is_received = false};
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
  struct loop *self = loop_of(env);
  napi_value arguments[5];
  size_t count = 5, memory_length, deaths_length;
  unsigned char *memory, *deaths;
  if (self == NULL || napi_get_cb_info(env, info, &count, arguments, NULL, NULL) != napi_ok || count != 5 ||
      !bytes_of(env, arguments[0], &memory, &memory_length) || memory_length < JUDGEMENT_END ||
      !bytes_of(env, arguments[1], &deaths, &deaths_length) || deaths_length < MAXIMUM_DEATHS * sizeof(uint32_t) ||
      napi_get_value_int32(env, arguments[2], &self->listener) != napi_ok ||
      napi_get_value_int32(env, arguments[3], &self->epoll) != napi_ok ||
      napi_get_value_int32(env, arguments[4], &self->listening) != napi_ok ||
      !replace_reference(env, arguments[0], &self->memory_reference) ||
      !replace_reference(env, arguments[1], &self->deaths_reference))
    return fail(env, "supervise takes (memory, deaths, listener, epoll, listening)");
  self->shared = memory;
  self->memory = self->thread == NULL ? memory : self->copy;
  self->deaths = (uint32_t *)(void *)deaths;
  return watch_listener(self) ? NULL : fail(env, "the listener cannot be watched");
}

struct keeping {
  struct loop *loop;
  int32_t event, epoll, passes, result;
  unsigned char *filter;
  size_t size;
};

static void start_keeping_tasks(void *data) {
  struct keeping *self = data;
  self->result = watch_stops(self->loop, self->event, self->epoll, self->filter, self->size, self->passes);
}

/*
 * startKeeping(event, epoll, filter, passes): 0 or a negative errno. `event`: an eventfd; `epoll`: an empty epoll descriptor;
 * `filter`: struct sock_filter[]; `passes`: a number, see `kept_passes`. Call it after `supervise`, startPins and startObjects.
 */
static napi_value keeps(napi_env env, napi_callback_info info) {
  struct keeping self = {.loop = loop_of(env)};
  napi_value arguments[4];
  size_t count = 4;
  if (self.loop == NULL || self.loop->memory == NULL ||
      napi_get_cb_info(env, info, &count, arguments, NULL, NULL) != napi_ok || count != 4 ||
      napi_get_value_int32(env, arguments[0], &self.event) != napi_ok ||
      napi_get_value_int32(env, arguments[1], &self.epoll) != napi_ok ||
      !bytes_of(env, arguments[2], &self.filter, &self.size) ||
      napi_get_value_int32(env, arguments[3], &self.passes) != napi_ok)
    return fail(env, "startKeeping takes (event, epoll, filter, passes)");
  run_in_loop(env, start_keeping_tasks, &self);
  return number_of(env, self.result);
}

/* deaths(): the number of watched tasks that have ended, at most 64. The array of `supervise` gets their keys. */
static napi_value deaths_now(napi_env env, napi_callback_info info) {
  (void)info;
  struct loop *self = loop_of(env);
  if (self == NULL || self->memory == NULL) return fail(env, "supervise must be called first");
  return number_of(env, collect_deaths(self));
}

/*
 * passPrepared(calls): if calls[n] is 1, `next` itself lets a prepared call of number n pass, because JavaScript has no
 * more work with it. `next` returns every other prepared call to its caller.
 */
static napi_value pass_prepared(napi_env env, napi_callback_info info) {
  struct loop *self = loop_of(env);
  napi_value argument;
  size_t count = 1, length;
  unsigned char *calls;
  if (self == NULL || napi_get_cb_info(env, info, &count, &argument, NULL, NULL) != napi_ok || count != 1 ||
      !bytes_of(env, argument, &calls, &length))
    return fail(env, "passPrepared takes an array");
  memset(self->passes, 0, sizeof self->passes);
  memcpy(self->passes, calls, length < sizeof self->passes ? length : sizeof self->passes);
  return NULL;
}

/*
 * passAllowed(filter): calls that this struct sock_filter[] allows pass in `next`, because the installed filter reports them
 * although the policy's own filter does not. Returns 0 or a negative errno.
 */
static napi_value pass_all_allowed(napi_env env, napi_callback_info info) {
  struct loop *self = loop_of(env);
  napi_value argument;
  size_t count = 1, length;
  unsigned char *instructions;
  if (self == NULL || napi_get_cb_info(env, info, &count, &argument, NULL, NULL) != napi_ok || count != 1 ||
      !bytes_of(env, argument, &instructions, &length) || length == 0 || length % sizeof(struct sock_filter) != 0)
    return fail(env, "passAllowed takes a filter");
  free(self->filter);
  self->filter = malloc(length);
  if (self->filter == NULL) return number_of(env, -ENOMEM);
  memcpy(self->filter, instructions, length);
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
  struct loop *self = loop_of(env);
  napi_value arguments[3];
  size_t count = 3;
  struct step step;
  if (self == NULL || self->memory == NULL || self->thread != NULL) return fail(env, "supervise must be called first");
  if (napi_get_cb_info(env, info, &count, arguments, NULL, NULL) != napi_ok || count != 3 ||
      !step_of(env, arguments, &step))
    return fail(env, "next takes three booleans");
  return number_of(env, take_step(self, step));
}

void export_loop(napi_env env, napi_value exports) {
  const napi_property_descriptor functions[] = {
      METHOD("supervise", supervise),          METHOD("deaths", deaths_now),  METHOD("next", next),
      METHOD("passAllowed", pass_all_allowed), METHOD("startKeeping", keeps), METHOD("passPrepared", pass_prepared),
  };
  napi_define_properties(env, exports, sizeof functions / sizeof *functions, functions);
}
