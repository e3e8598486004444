// SPDX-License-Identifier: MIT
/* pin.h for JavaScript: src/machine/pinned-calls.ts has the types. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "node.h"
#include "../loop/loop.h"
#include "../pin/pin.h"

enum { MOST_ARGUMENTS = 8 };

struct call {
  struct pins *pins;
  size_t count;
  napi_value arguments[MOST_ARGUMENTS];
};

static bool begin(napi_env env, napi_callback_info info, size_t count, struct call *call) {
  const struct loop *loop = loop_of(env);
  call->count = MOST_ARGUMENTS;
  call->pins = loop == NULL ? NULL : loop->pins;
  return call->pins != NULL && napi_get_cb_info(env, info, &call->count, call->arguments, NULL, NULL) == napi_ok &&
         call->count == count;
}

bool notification_of(napi_env env, napi_value value, struct seccomp_notif *into) {
  unsigned char *bytes;
  size_t length;
  if (!bytes_of(env, value, &bytes, &length) || length < sizeof *into) return false;
  memcpy(into, bytes, sizeof *into);
  return true;
}

/*
 * startPins(listener, sealed, trustExecutions, audits, answers, writesResults, killable, seesThreadsEnd): 0 or a negative
 * errno.
 */
static napi_value start(napi_env env, napi_callback_info info) {
  struct loop *loop = loop_of(env);
  napi_value arguments[8];
  size_t count = 8;
  int32_t listener;
  bool sealed, trust, audits, answers, writes, killable, sees_ends;
  if (loop == NULL || napi_get_cb_info(env, info, &count, arguments, NULL, NULL) != napi_ok || count != 8 ||
      napi_get_value_int32(env, arguments[0], &listener) != napi_ok ||
      napi_get_value_bool(env, arguments[1], &sealed) != napi_ok ||
      napi_get_value_bool(env, arguments[2], &trust) != napi_ok ||
      napi_get_value_bool(env, arguments[3], &audits) != napi_ok ||
      napi_get_value_bool(env, arguments[4], &answers) != napi_ok ||
      napi_get_value_bool(env, arguments[5], &writes) != napi_ok ||
      napi_get_value_bool(env, arguments[6], &killable) != napi_ok ||
      napi_get_value_bool(env, arguments[7], &sees_ends) != napi_ok)
    return fail(env,
                "startPins takes (listener, sealed, trustExecutions, audits, answers, writesResults, killable, "
                "seesThreadsEnd)");
  if (loop->pins != NULL) end_pins(loop->pins);
  loop->pins = start_pins(listener, sealed ? SEALED : BY_RULES, trust, audits, answers, writes, killable, sees_ends);
  return number_of(env, loop->pins == NULL ? -errno : 0);
}

/* A refusal: an errno, positive, or 0, where this is an audit. */
static bool is_refusal(const struct pins *self, int32_t refusal) {
  return refusal > 0 || (refusal == 0 && pin_audits(self));
}

struct pin_order {
  struct pins *pins;
  struct seccomp_notif call;
  struct image image;
  int refusal;
  unsigned char *copy; /* what the image points to; NULL: that is JavaScript's */
};
_Static_assert(sizeof(struct pin_order) <= MOST_ORDER, "begin_work copies an order");

static int make_pin(void *data) {
  const struct pin_order *self = data;
  int error;
  const enum outcome outcome = pin_call(self->pins, &self->call, &self->image, self->refusal, &error);
  free(self->copy);
  return (int)outcome | error << 8;
}

/* JavaScript goes on while the tree's thread pins the call. */
static bool copy_image(struct pin_order *self) {
  struct image *image = &self->image;
  enum { REGISTERS = 6 * sizeof(int32_t) };
  const size_t relocations = 2 * sizeof(uint32_t) * image->relocation_count;
  self->copy = malloc(REGISTERS + relocations + image->length);
  if (self->copy == NULL) return false;
  memcpy(self->copy, image->registers, REGISTERS);
  if (relocations > 0) memcpy(self->copy + REGISTERS, image->relocations, relocations);
  if (image->length > 0) memcpy(self->copy + REGISTERS + relocations, image->bytes, image->length);
  image->registers = (const int32_t *)(void *)self->copy;
  image->relocations = (const uint32_t *)(void *)(self->copy + REGISTERS);
  image->bytes = self->copy + REGISTERS + relocations;
  return true;
}

/*
 * pinCall(notification, bytes, length, relocations, registers, refusal, rooms, credentials): enum outcome, with an errno
 * in the bits above the lowest 8. `relocations`: pairs in a Uint32Array; `registers`: six in an Int32Array; `rooms` and
 * `credentials`: bigints. -EINPROGRESS: the tree's thread pins it, and `endStep` returns this number.
 */
static napi_value call_pinned(napi_env env, napi_callback_info info) {
  struct call call;
  struct seccomp_notif notification;
  unsigned char *bytes, *relocations, *registers;
  size_t size, relocations_size, registers_size;
  uint32_t length;
  uint64_t rooms, credentials;
  int32_t refusal;
  if (!begin(env, info, 8, &call) || !notification_of(env, call.arguments[0], &notification) ||
      !bytes_of(env, call.arguments[1], &bytes, &size) ||
      napi_get_value_uint32(env, call.arguments[2], &length) != napi_ok || length > size ||
      !bytes_of(env, call.arguments[3], &relocations, &relocations_size) ||
      !bytes_of(env, call.arguments[4], &registers, &registers_size) || registers_size != 6 * sizeof(int32_t) ||
      napi_get_value_int32(env, call.arguments[5], &refusal) != napi_ok || !is_refusal(call.pins, refusal) ||
      !unsigned_of(env, call.arguments[6], &rooms) || !unsigned_of(env, call.arguments[7], &credentials))
    return fail(env,
                "pinCall takes (notification, bytes, length, relocations, registers, refusal, rooms, credentials)");
  const struct image image = {bytes,
                              length,
                              (const uint32_t *)(void *)relocations,
                              (uint32_t)(relocations_size / (2 * sizeof(uint32_t))),
                              (const int32_t *)(void *)registers,
                              rooms,
                              credentials};
  for (uint32_t i = 0; i < image.relocation_count; i++)
    if ((uint64_t)image.relocations[2 * i] + 8 > length || image.relocations[2 * i + 1] > length)
      return fail(env, "a relocation lies outside of the image");
  for (int i = 0; i < 6; i++)
    if (image.registers[i] > (int32_t)length) return fail(env, "a register points outside of the image");
  if (!fits_call(&image, &notification.data))
    return fail(env, "clone3 is pinned with its structure, and a call that makes a child without rooms");
  struct pin_order order = {.pins = call.pins, .call = notification, .image = image, .refusal = refusal};
  if (loop_of(env)->thread != NULL && !copy_image(&order)) return fail(env, "no memory for a pinned call");
  return number_of(env, begin_work(env, NULL, make_pin, &order, sizeof order));
}

/* pinArrival(notification, judged): enum arrival; `judged` gets a struct judged. */
static napi_value arrival(napi_env env, napi_callback_info info) {
  struct call call;
  struct seccomp_notif notification;
  struct judged judged;
  unsigned char *into;
  size_t size;
  if (!begin(env, info, 2, &call) || !notification_of(env, call.arguments[0], &notification) ||
      !bytes_of(env, call.arguments[1], &into, &size) || size < sizeof judged)
    return fail(env, "pinArrival takes (notification, judged)");
  enum arrival result = pin_arrival(call.pins, &notification, &judged);
  if (result == ARRIVED) memcpy(into, &judged, sizeof judged);
  return number_of(env, result);
}

/* pinPass(notification): 0 or a negative errno. */
static napi_value pass(napi_env env, napi_callback_info info) {
  struct call call;
  struct seccomp_notif notification;
  if (!begin(env, info, 1, &call) || !notification_of(env, call.arguments[0], &notification))
    return fail(env, "pinPass takes (notification)");
  return number_of(env, pin_pass(call.pins, &notification));
}

/* pinRestarts(tid, data) */
static napi_value restarts(napi_env env, napi_callback_info info) {
  struct call call;
  struct seccomp_data data;
  unsigned char *bytes;
  size_t size;
  int32_t tid;
  if (!begin(env, info, 2, &call) || napi_get_value_int32(env, call.arguments[0], &tid) != napi_ok ||
      !bytes_of(env, call.arguments[1], &bytes, &size) || size != sizeof data)
    return fail(env, "pinRestarts takes (tid, data)");
  memcpy(&data, bytes, sizeof data);
  pin_restarts(call.pins, tid, &data);
  return NULL;
}

/* pinRefuse(notification, errno): 0 or a negative errno. */
static napi_value refuse(napi_env env, napi_callback_info info) {
  struct call call;
  struct seccomp_notif notification;
  int32_t error;
  if (!begin(env, info, 2, &call) || !notification_of(env, call.arguments[0], &notification) ||
      napi_get_value_int32(env, call.arguments[1], &error) != napi_ok || error <= 0)
    return fail(env, "pinRefuse takes (notification, errno)");
  return number_of(env, pin_refuse(call.pins, &notification, error));
}

/* pinGiveUp(notification, refusal): 0 or a negative errno. */
static napi_value give_up(napi_env env, napi_callback_info info) {
  struct call call;
  struct seccomp_notif notification;
  int32_t refusal;
  if (!begin(env, info, 2, &call) || !notification_of(env, call.arguments[0], &notification) ||
      napi_get_value_int32(env, call.arguments[1], &refusal) != napi_ok || !is_refusal(call.pins, refusal))
    return fail(env, "pinGiveUp takes (notification, refusal)");
  return number_of(env, pin_give_up(call.pins, &notification, refusal));
}

/* The operands of a function that can trace, which the tree's thread runs. */
struct thread_order {
  struct pins *pins;
  int32_t tid;
  int result;
};

static void make_interrupt(void *data) {
  struct thread_order *self = data;
  self->result = pin_interrupt(self->pins, self->tid);
}

static void look_for_late(void *data) {
  struct thread_order *self = data;
  self->result = pin_is_late(self->pins, self->tid);
}

/* pinInterrupt(tid): 0 or a negative errno. */
static napi_value interrupt_thread(napi_env env, napi_callback_info info) {
  struct call call;
  struct thread_order order;
  if (!begin(env, info, 1, &call) || napi_get_value_int32(env, call.arguments[0], &order.tid) != napi_ok)
    return fail(env, "pinInterrupt takes (tid)");
  order.pins = call.pins;
  run_in_loop(env, make_interrupt, &order);
  return number_of(env, order.result);
}

static napi_value of_thread(napi_env env, napi_callback_info info, void (*function)(struct pins *, pid_t)) {
  struct call call;
  int32_t tid;
  if (!begin(env, info, 1, &call) || napi_get_value_int32(env, call.arguments[0], &tid) != napi_ok)
    return fail(env, "one argument, a thread's id");
  function(call.pins, tid);
  return NULL;
}
static napi_value ended(napi_env env, napi_callback_info info) { return of_thread(env, info, pin_ended); }
static napi_value executes(napi_env env, napi_callback_info info) { return of_thread(env, info, pin_executes); }

/* pinChangesRights(tid, ofOthers) */
static napi_value changes_rights(napi_env env, napi_callback_info info) {
  struct call call;
  int32_t tid;
  bool of_others;
  if (!begin(env, info, 2, &call) || napi_get_value_int32(env, call.arguments[0], &tid) != napi_ok ||
      napi_get_value_bool(env, call.arguments[1], &of_others) != napi_ok)
    return fail(env, "pinChangesRights takes (tid, ofOthers)");
  pin_changes_rights(call.pins, tid, of_others);
  return NULL;
}

static napi_value notice(napi_env env, napi_callback_info info, void (*function)(struct pins *), const char *usage) {
  struct call call;
  if (!begin(env, info, 0, &call)) return fail(env, usage);
  function(call.pins);
  return NULL;
}

/* pinRestricts() */
static napi_value restricts(napi_env env, napi_callback_info info) {
  return notice(env, info, pin_restricts, "pinRestricts takes nothing");
}

/* pinProtectsMemory() */
static napi_value protects_memory(napi_env env, napi_callback_info info) {
  return notice(env, info, pin_protects_memory, "pinProtectsMemory takes nothing");
}

/* pinChangesState() */
static napi_value changes_state(napi_env env, napi_callback_info info) {
  return notice(env, info, pin_changes_state, "pinChangesState takes nothing");
}

/* pinStateAlwaysChanges() */
static napi_value always_changes(napi_env env, napi_callback_info info) {
  return notice(env, info, pin_state_always_changes, "pinStateAlwaysChanges takes nothing");
}

/* pinHasWaiting(): boolean. */
static napi_value waits(napi_env env, napi_callback_info info) {
  struct call call;
  napi_value result;
  if (!begin(env, info, 0, &call)) return fail(env, "pinHasWaiting takes nothing");
  return napi_get_boolean(env, has_waiting(call.pins), &result) == napi_ok ? result : NULL;
}

/* pinIsLate(tid): boolean. */
static napi_value is_late(napi_env env, napi_callback_info info) {
  struct call call;
  struct thread_order order;
  napi_value result;
  if (!begin(env, info, 1, &call) || napi_get_value_int32(env, call.arguments[0], &order.tid) != napi_ok)
    return fail(env, "pinIsLate takes (tid)");
  order.pins = call.pins;
  run_in_loop(env, look_for_late, &order);
  return napi_get_boolean(env, order.result != 0, &result) == napi_ok ? result : NULL;
}

/* pinReadsApart(): the descriptor that can be read when a call comes back. */
static napi_value reads_apart(napi_env env, napi_callback_info info) {
  struct call call;
  if (!begin(env, info, 0, &call)) return fail(env, "pinReadsApart takes nothing");
  pin_reads_apart(call.pins);
  return number_of(env, pin_reads_timer(call.pins));
}

static napi_value observe(napi_env env, napi_callback_info info,
                          long (*function)(struct pins *, const struct seccomp_notif *, uint64_t, unsigned char *,
                                           size_t)) {
  struct call call;
  struct seccomp_notif notification;
  uint64_t address;
  unsigned char *into;
  size_t size;
  if (!begin(env, info, 3, &call) || !notification_of(env, call.arguments[0], &notification) ||
      !unsigned_of(env, call.arguments[1], &address) || !bytes_of(env, call.arguments[2], &into, &size))
    return fail(env, "observing takes (notification, address, into)");
  return number_of(env, function(call.pins, &notification, address, into, size));
}
static napi_value text(napi_env env, napi_callback_info info) { return observe(env, info, observe_text); }
static napi_value bytes(napi_env env, napi_callback_info info) { return observe(env, info, observe_bytes); }

/* observeVector(notification, address, into, starts): how many; `starts` is a Uint32Array. */
static napi_value vector(napi_env env, napi_callback_info info) {
  struct call call;
  struct seccomp_notif notification;
  uint64_t address;
  unsigned char *into, *starts;
  size_t size, starts_size;
  if (!begin(env, info, 4, &call) || !notification_of(env, call.arguments[0], &notification) ||
      !unsigned_of(env, call.arguments[1], &address) || !bytes_of(env, call.arguments[2], &into, &size) ||
      !bytes_of(env, call.arguments[3], &starts, &starts_size))
    return fail(env, "observeVector takes (notification, address, into, starts)");
  return number_of(env, observe_vector(call.pins, &notification, address, into, size, (uint32_t *)(void *)starts,
                                       starts_size / sizeof(uint32_t)));
}

void export_pins(napi_env env, napi_value exports) {
  const napi_property_descriptor functions[] = {
      METHOD("startPins", start),
      METHOD("pinCall", call_pinned),
      METHOD("pinArrival", arrival),
      METHOD("pinPass", pass),
      METHOD("pinRestarts", restarts),
      METHOD("pinRefuse", refuse),
      METHOD("pinGiveUp", give_up),
      METHOD("pinInterrupt", interrupt_thread),
      METHOD("pinHasWaiting", waits),
      METHOD("pinIsLate", is_late),
      METHOD("pinEnded", ended),
      METHOD("pinExecutes", executes),
      METHOD("pinChangesRights", changes_rights),
      METHOD("pinRestricts", restricts),
      METHOD("pinProtectsMemory", protects_memory),
      METHOD("pinChangesState", changes_state),
      METHOD("pinStateAlwaysChanges", always_changes),
      METHOD("pinReadsApart", reads_apart),
      METHOD("observeText", text),
      METHOD("observeBytes", bytes),
      METHOD("observeVector", vector),
  };
  napi_define_properties(env, exports, sizeof functions / sizeof *functions, functions);
}
