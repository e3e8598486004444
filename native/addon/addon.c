// SPDX-License-Identifier: MIT
/*
 * The addon's core: raw system calls for TypeScript, and one combined call for the supervisor's loop.
 *
 * TypeScript encodes the attributes of bpf(2), seccomp(2) and message headers. C does only what JavaScript cannot: pass
 * a buffer's address in a register, and make the three system calls between two evaluations in one crossing between the
 * languages.
 *
 * It uses Node-API version 8, so one build works with Node 20 and later.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define NAPI_VERSION 8
#include <node_api.h>

#include "../launcher/sha256.h"
#include "addon.h"
#include "kept.h"
#include "listener.h"
#include "objects.h"
#include "pin.h"
#include "recording.h"
#include "text_filter.h"

#define MAXIMUM_DEATHS 64

/* Offsets in the policy's memory, whose layout src/compile/wasm defines (struct seccomp_notif comes first). */
enum {
  NOTIFICATION = 0,
  RESPONSE = 80,
  NOW = 104,
  CALLER_TID = 124,
  JUDGEMENT_END = 144,
};

/* Call numbers below this one. */
enum { CALLS = 1024 };

/* The data of the events of `listening`; the listener's own event has 0. */
enum { HELD_OBJECT = 1, READ_IS_OVER = 2, HAS_STOPPED = 3 };

_Static_assert(sizeof(struct seccomp_notif) == RESPONSE, "unexpected size of struct seccomp_notif");
_Static_assert(sizeof(struct seccomp_notif_resp) == NOW - RESPONSE, "unexpected size of struct seccomp_notif_resp");

/* Instance data: one for each thread that loads the addon. */
struct supervision {
  unsigned char *memory;
  uint32_t *deaths;
  int listener;
  int epoll;
  struct pins *pins;       /* NULL: no argument is read */
  struct objects *objects; /* NULL: no object is served */
  struct texts texts;
  int kept_passes; /* a kept task's call of this number passes in `next`; -1: none */
  int keeping;   /* an epoll descriptor that watches all that `next` waits for while tasks are kept (kept.h); else -1 */
  int listening; /* an epoll descriptor that watches the listener, for kernels whose RECV outlives the tree; else -1 */
  unsigned char passes[CALLS]; /* prepared calls of this number pass in `next` */
  napi_ref memory_reference;
  napi_ref deaths_reference;
};

napi_value number_of(napi_env env, int64_t value) {
  napi_value result;
  return napi_create_int64(env, value, &result) == napi_ok ? result : NULL;
}

bool unsigned_of(napi_env env, napi_value value, uint64_t *into) {
  bool lossless;
  return napi_get_value_bigint_uint64(env, value, into, &lossless) == napi_ok;
}

napi_value fail(napi_env env, const char *message) {
  napi_throw_type_error(env, NULL, message);
  return NULL;
}

/* The bytes of a typed array, a DataView or an ArrayBuffer. A backing store does not move while its object is alive. */
bool bytes_of(napi_env env, napi_value value, unsigned char **data, size_t *length) {
  bool is = false;
  void *start = NULL;
  *length = 0;
  if (napi_is_typedarray(env, value, &is) == napi_ok && is) {
    napi_typedarray_type type;
    size_t elements;
    if (napi_get_typedarray_info(env, value, &type, &elements, &start, NULL, NULL) != napi_ok) return false;
    static const unsigned char width[] = {1, 1, 1, 2, 2, 4, 4, 4, 8, 8, 8};
    *length = elements * ((size_t)type < sizeof width ? width[type] : 1);
  } else if (napi_is_dataview(env, value, &is) == napi_ok && is) {
    if (napi_get_dataview_info(env, value, length, &start, NULL, NULL) != napi_ok) return false;
  } else if (napi_is_arraybuffer(env, value, &is) == napi_ok && is) {
    if (napi_get_arraybuffer_info(env, value, &start, length) != napi_ok) return false;
  } else {
    return false;
  }
  *data = start;
  return true;
}

bool register_of(napi_env env, napi_value value, long *result) {
  napi_valuetype type;
  if (napi_typeof(env, value, &type) != napi_ok) return false;
  switch (type) {
    case napi_undefined:
    case napi_null:
      *result = 0;
      return true;
    case napi_number: {
      double number;
      if (napi_get_value_double(env, value, &number) != napi_ok) return false;
      if (!(number >= -9007199254740991.0 && number <= 9007199254740991.0)) return false;
      *result = (long)number;
      return (double)*result == number;
    }
    case napi_bigint: {
      int64_t pattern;
      bool lossless;
      if (napi_get_value_bigint_int64(env, value, &pattern, &lossless) != napi_ok) return false;
      *result = (long)pattern;
      return true;
    }
    default: {
      unsigned char *data;
      size_t length;
      if (!bytes_of(env, value, &data, &length)) return false;
      *result = (long)data;
      return true;
    }
  }
}

/* syscall(number, ...at most six): the kernel's result, or a negative errno. */
static napi_value raw_syscall(napi_env env, napi_callback_info info) {
  napi_value arguments[7];
  size_t count = 7;
  long registers[7] = {0};
  if (napi_get_cb_info(env, info, &count, arguments, NULL, NULL) != napi_ok || count < 1 || count > 7)
    return fail(env, "syscall takes a number and at most six arguments");
  for (size_t i = 0; i < count; i++)
    if (!register_of(env, arguments[i], &registers[i]))
      return fail(env, "an argument of a system call must be an integer, a bigint, null or a buffer");
  /* The buffers live at least until this function returns; the caller is responsible for the call's effects. */
  long result =
      syscall(registers[0], registers[1], registers[2], registers[3], registers[4], registers[5], registers[6]);
  return number_of(env, result == -1 ? -errno : result);
}

/* addressOf(buffer): bigint, for structures that contain pointers. The caller must keep the buffer alive. */
static napi_value address_of(napi_env env, napi_callback_info info) {
  napi_value argument, result;
  size_t count = 1, length;
  unsigned char *data;
  if (napi_get_cb_info(env, info, &count, &argument, NULL, NULL) != napi_ok || count != 1 ||
      !bytes_of(env, argument, &data, &length))
    return fail(env, "addressOf takes a buffer");
  return napi_create_bigint_uint64(env, (uint64_t)(uintptr_t)data, &result) == napi_ok ? result : NULL;
}

/* sha256(bytes, digest): stores the digest, 32 bytes. */
static napi_value digest_of(napi_env env, napi_callback_info info) {
  napi_value arguments[2];
  size_t count = 2, length, room;
  unsigned char *data, *digest;
  if (napi_get_cb_info(env, info, &count, arguments, NULL, NULL) != napi_ok || count != 2 ||
      !bytes_of(env, arguments[0], &data, &length) || !bytes_of(env, arguments[1], &digest, &room) || room != 32)
    return fail(env, "sha256 takes a buffer, and one of 32 bytes");
  struct sha256 hash;
  sha256_start(&hash);
  sha256_add(&hash, data, length);
  sha256_finish(&hash, digest);
  return NULL;
}

static void unmap(napi_env env, void *data, void *hint) {
  (void)env;
  munmap(data, (size_t)(uintptr_t)hint);
}

/*
 * mapMemory(descriptor, offset, length, writable): a shared mapping as an ArrayBuffer, or a negative errno. Garbage
 * collection unmaps it. A store to a mapping that is not writable raises SIGSEGV.
 */
static napi_value map_memory(napi_env env, napi_callback_info info) {
  napi_value arguments[4], result;
  size_t count = 4;
  int32_t descriptor;
  int64_t offset, length;
  bool writable;
  if (napi_get_cb_info(env, info, &count, arguments, NULL, NULL) != napi_ok || count != 4 ||
      napi_get_value_int32(env, arguments[0], &descriptor) != napi_ok ||
      napi_get_value_int64(env, arguments[1], &offset) != napi_ok ||
      napi_get_value_int64(env, arguments[2], &length) != napi_ok ||
      napi_get_value_bool(env, arguments[3], &writable) != napi_ok || length <= 0)
    return fail(env, "mapMemory takes (descriptor, offset, length, writable)");
  void *data = mmap(NULL, (size_t)length, PROT_READ | (writable ? PROT_WRITE : 0), MAP_SHARED, descriptor, offset);
  if (data == MAP_FAILED) return number_of(env, -errno);
  if (napi_create_external_arraybuffer(env, data, (size_t)length, unmap, (void *)(uintptr_t)length, &result) !=
      napi_ok) {
    munmap(data, (size_t)length);
    return fail(env, "this build of Node does not support external buffers");
  }
  return result;
}

/* ── The supervisor's loop ───────────────────────────────────────────────────────────────────────────────────────── */

static struct supervision *supervision_of(napi_env env) {
  void *data = NULL;
  return napi_get_instance_data(env, &data) == napi_ok ? data : NULL;
}

struct pins **pins_of(napi_env env) {
  struct supervision *own = supervision_of(env);
  return own == NULL ? NULL : &own->pins;
}

struct objects **objects_of(napi_env env) {
  struct supervision *own = supervision_of(env);
  return own == NULL ? NULL : &own->objects;
}

struct texts *texts_of(napi_env env) {
  struct supervision *own = supervision_of(env);
  return own == NULL ? NULL : &own->texts;
}

static bool replace_reference(napi_env env, napi_value value, napi_ref *reference) {
  if (*reference != NULL) napi_delete_reference(env, *reference);
  *reference = NULL;
  return napi_create_reference(env, value, 1, reference) == napi_ok;
}

/*
 * supervise(memory, deaths, listener, epoll, listening): sets the operands of `next`. Call it again when the memory has
 * grown, because its buffer is then another object.
 *
 * The addon waits for the listener by epoll: poll(2) fails if RLIMIT_NOFILE is less than the number of its descriptors
 * (fs/select.c), and any process of the same user can set it to 0.
 */
static napi_value supervise(napi_env env, napi_callback_info info) {
  struct supervision *own = supervision_of(env);
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
  own->memory = memory;
  own->deaths = (uint32_t *)(void *)deaths;
  struct epoll_event event = {.events = EPOLLIN};
  if (own->listening >= 0 && epoll_ctl(own->listening, EPOLL_CTL_ADD, own->listener, &event) < 0 && errno != EEXIST)
    return fail(env, "the listener cannot be watched");
  if (own->objects != NULL) {
    struct epoll_event held = {.events = EPOLLIN, .data.u32 = HELD_OBJECT};
    if (own->listening < 0 ||
        (epoll_ctl(own->listening, EPOLL_CTL_ADD, event_of(own->objects), &held) < 0 && errno != EEXIST))
      return fail(env, "held objects cannot be watched");
  }
  const int timer = own->pins == NULL ? -1 : pin_reads_timer(own->pins);
  if (own->objects != NULL && timer >= 0) {
    struct epoll_event over = {.events = EPOLLIN, .data.u32 = READ_IS_OVER};
    if (epoll_ctl(own->listening, EPOLL_CTL_ADD, timer, &over) < 0 && errno != EEXIST)
      return fail(env, "reads cannot be watched");
  }
  return NULL;
}

static bool watch(int epoll, int descriptor, uint32_t word) {
  struct epoll_event event = {.events = EPOLLIN, .data.u32 = word};
  return descriptor < 0 || epoll_ctl(epoll, EPOLL_CTL_ADD, descriptor, &event) == 0;
}

/*
 * startKeeping(event, epoll, filter, passes): 0 or a negative errno. `event`: an eventfd; `epoll`: an empty epoll descriptor;
 * `filter`: struct sock_filter[]; `passes`: a number, see `kept_passes`. Call it after `supervise`, startPins and startObjects.
 */
static napi_value keeps(napi_env env, napi_callback_info info) {
  struct supervision *own = supervision_of(env);
  napi_value arguments[4];
  size_t count = 4, size;
  int32_t event, epoll, passes;
  unsigned char *instructions;
  if (own == NULL || own->memory == NULL || napi_get_cb_info(env, info, &count, arguments, NULL, NULL) != napi_ok ||
      count != 4 || napi_get_value_int32(env, arguments[0], &event) != napi_ok ||
      napi_get_value_int32(env, arguments[1], &epoll) != napi_ok ||
      !bytes_of(env, arguments[2], &instructions, &size) || napi_get_value_int32(env, arguments[3], &passes) != napi_ok)
    return fail(env, "startKeeping takes (event, epoll, filter, passes)");
  const int timer = own->pins == NULL ? -1 : pin_reads_timer(own->pins);
  const int held = own->objects == NULL ? -1 : event_of(own->objects);
  if (!watch(epoll, own->listener, 0) || !watch(epoll, event, HAS_STOPPED) || !watch(epoll, timer, READ_IS_OVER) ||
      !watch(epoll, held, HELD_OBJECT))
    return number_of(env, -errno);
  const int result =
      start_keeping(event, (const struct sock_filter *)(const void *)instructions, size / sizeof(struct sock_filter));
  if (result != 0) return number_of(env, result);
  own->keeping = epoll;
  own->kept_passes = passes;
  return number_of(env, 0);
}

/*
 * Waits until there is a notification, or another reason to look, whose word is stored: 0. -EAGAIN if a kept task may have
 * stopped, or after some time; -ENOENT if no task is left under the filter.
 */
static int await_notification(struct supervision *own, uint32_t *word) {
  enum { LONGEST = 50, LATE_WAIT = 1 }; /* ms */
  while (!has_stops()) {
    struct epoll_event ready = {0};
    const bool waits_for_late = own->pins != NULL && has_late(own->pins);
    const int found = epoll_pwait(own->keeping, &ready, 1, waits_for_late ? LATE_WAIT : LONGEST, stops_mask());
    *word = ready.data.u32;
    if (found > 0 && *word == 0 && (ready.events & EPOLLIN) == 0) return -ENOENT;
    if (found > 0 && *word != HAS_STOPPED) return 0;
    if (found != 0 || !waits_for_late) return -EAGAIN;
  }
  return -EAGAIN;
}

static int collect_deaths(struct supervision *own) {
  struct epoll_event events[MAXIMUM_DEATHS];
  int count = own->epoll < 0 ? 0 : epoll_wait(own->epoll, events, MAXIMUM_DEATHS, 0);
  for (int i = 0; i < count; i++) own->deaths[i] = events[i].data.u32;
  return count < 0 ? 0 : count;
}

/* deaths(): the number of watched tasks that have ended, at most 64. The array of `supervise` gets their keys. */
static napi_value deaths_now(napi_env env, napi_callback_info info) {
  (void)info;
  struct supervision *own = supervision_of(env);
  if (own == NULL || own->memory == NULL) return fail(env, "supervise must be called first");
  return number_of(env, collect_deaths(own));
}

/*
 * Receives the next notification. Returns 0, or a negative errno. If the caller is interrupted before that (ENOENT), this
 * function waits for the next notification. Without `waits` it returns EAGAIN instead, because poll(2) may report a
 * notification that is gone before it is received.
 */
static int receive(struct supervision *own, bool waits) {
  struct seccomp_notif *into = (struct seccomp_notif *)(void *)(own->memory + NOTIFICATION);
  if (own->pins != NULL && next_waiting(own->pins, into)) return 0;
  const bool watches = own->keeping >= 0 && keeps_any();
  uint32_t found = 0;
  for (;;) {
    if (own->pins != NULL && pin_comes_back(own->pins, into)) return 0;
    if (watches && waits) {
      const int result = await_notification(own, &found);
      if (result != 0) return result;
      waits = false;
      continue;
    }
    if (own->objects != NULL && next_held(own->objects, into)) return 0;
    if (found != 0) return -EAGAIN; /* RECV would wait */
    if (own->objects != NULL) {
      struct epoll_event ready = {0};
      int patience = !waits ? 0 : own->pins != NULL && has_late(own->pins) ? 1 : -1;
      int found = epoll_wait(own->listening, &ready, 1, patience);
      if (found == 0 && !waits) return -EAGAIN;
      if (found <= 0 || ready.data.u32 != 0) continue;
      if ((ready.events & EPOLLIN) == 0) return -ENOENT;
    } else if (own->pins != NULL) {
      if (waits) await_late(own->pins);
      else has_late(own->pins);
      /* RECV does not return when a call comes back (reads.c). */
      if (waits && !pin_awaits_notification(own->pins, -1)) continue;
    }
    /*
     * Before Linux 6.11 RECV does not return when the last task under the filter has exited, but the listener hangs up.
     */
    if (own->listening >= 0 && own->objects == NULL) {
      struct epoll_event ready = {0};
      while (epoll_wait(own->listening, &ready, 1, -1) < 0 && errno == EINTR) {
      }
      if ((ready.events & EPOLLIN) == 0) return -ENOENT;
    }
    memset(own->memory + NOTIFICATION, 0, sizeof(struct seccomp_notif)); /* the kernel requires zeros */
    if (ioctl(own->listener, SECCOMP_IOCTL_NOTIF_RECV, own->memory + NOTIFICATION) == 0) {
      note_call(into);
      return 0;
    }
    if (errno == EINTR) continue;
    if (errno != ENOENT) return -errno;
    if (!waits) return -EAGAIN;
    struct pollfd state = {.fd = own->listener, .events = POLLIN};
    if (poll(&state, 1, 0) < 0 || (state.revents & POLLHUP) != 0) return -ENOENT;
  }
}

/*
 * passPrepared(calls): if calls[n] is 1, `next` itself lets a prepared call of number n pass, because JavaScript has no
 * more work with it. `next` returns every other prepared call to its caller.
 */
static napi_value pass_prepared(napi_env env, napi_callback_info info) {
  struct supervision *own = supervision_of(env);
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

/* Stores the time and the caller, the further inputs of a judgement. */
static void stamp(struct supervision *own) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  uint64_t nanoseconds = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
  memcpy(own->memory + NOW, &nanoseconds, sizeof nanoseconds);
  memcpy(own->memory + CALLER_TID, own->memory + 8, sizeof(uint32_t));
}

/* Calls in a row that `next` handles without a return to JavaScript, where Node can end this thread. */
enum { MOST_HANDLED = 64 };

enum handling {
  JUDGE, /* JavaScript judges the call or prepared call */
  HANDLED,
  UNPINNED, /* the text filter has allowed it, and the first word of the deaths is its `pin_call` result */
};

static bool pass_kept(struct supervision *own) {
  const struct seccomp_notif *call = (const struct seccomp_notif *)(const void *)(own->memory + NOTIFICATION);
  if (call->data.nr < 0 || call->data.nr != own->kept_passes || !is_kept((pid_t)call->pid)) return false;
  const struct seccomp_notif_resp response = {.id = call->id, .flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE};
  send_response(own->listener, &response);
  return true;
}

static enum handling handle(struct supervision *own, bool judges) {
  const struct seccomp_notif *call = (const struct seccomp_notif *)(const void *)(own->memory + NOTIFICATION);
  struct judged judged;
  const int number = call->data.nr;
  if (own->pins == NULL || number < 0 || number >= CALLS) return JUDGE;
  const bool filters = judges && own->texts.filter != NULL && judges_texts(own->texts.filter, number);
  if ((own->passes[number] == 0 && !filters) || !pin_is_same_task(own->pins, (pid_t)call->pid)) return JUDGE;
  switch (pin_arrival(own->pins, call, &judged)) {
    case ARRIVED:
      if (own->passes[number] == 0) return JUDGE;
      pin_pass(own->pins, call);
      return HANDLED;
    case NOT_FROM_STUB:
      if (!filters) return JUDGE;
      switch (allow_by_text(own->texts.filter, own->pins, call, own->deaths)) {
        case NOT_JUDGED:
          return JUDGE;
        case ALLOWED:
          return HANDLED;
        case NOT_PINNED:
          return UNPINNED;
      }
      return JUDGE;
    case UNPREPARED:
    case HAS_ENDED:
      return JUDGE;
  }
  return JUDGE;
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
  struct supervision *own = supervision_of(env);
  napi_value arguments[3];
  size_t count = 3;
  bool answer, waits, judges;
  if (own == NULL || own->memory == NULL) return fail(env, "supervise must be called first");
  if (napi_get_cb_info(env, info, &count, arguments, NULL, NULL) != napi_ok || count != 3 ||
      napi_get_value_bool(env, arguments[0], &answer) != napi_ok ||
      napi_get_value_bool(env, arguments[1], &waits) != napi_ok ||
      napi_get_value_bool(env, arguments[2], &judges) != napi_ok)
    return fail(env, "next takes three booleans");
  if (answer) {
    struct seccomp_notif_resp response;
    memcpy(&response, own->memory + RESPONSE, sizeof response);
    if (own->pins != NULL && response.flags != 0 && is_observed(own->pins, response.id))
      response = (struct seccomp_notif_resp){.id = response.id, .error = -EPERM};
    send_response(own->listener, &response);
  }
  for (int handled = 0; handled < MOST_HANDLED; handled++) {
    int result = receive(own, waits);
    if (result < 0) return number_of(env, result);
    int ended = 0;
    enum handling handling = judges && pass_kept(own) ? HANDLED : JUDGE;
    if (handling == JUDGE && (ended = collect_deaths(own)) == 0) handling = handle(own, judges);
    if (handling != HANDLED) {
      stamp(own);
      return number_of(env, handling == JUDGE ? ended : -ECANCELED);
    }
    if (!waits || (own->texts.filter != NULL && is_wanted(own->texts.filter))) break;
  }
  return number_of(env, -EAGAIN);
}

static void release(napi_env env, void *data, void *hint) {
  (void)env;
  (void)hint;
  struct supervision *own = data;
  if (own->texts.filter != NULL) free_text_filter(own->texts.filter);
  if (own->objects != NULL) end_objects(own->objects);
  if (own->pins != NULL) end_pins(own->pins);
  end_keeping();
  free(own);
}

NAPI_MODULE_INIT() {
  struct supervision *own = calloc(1, sizeof *own);
  if (own == NULL || napi_set_instance_data(env, own, release, NULL) != napi_ok) return NULL;
  own->listener = own->epoll = own->listening = own->keeping = own->kept_passes = -1;
  const napi_property_descriptor functions[] = {
      METHOD("syscall", raw_syscall), METHOD("addressOf", address_of),
      METHOD("sha256", digest_of),    METHOD("mapMemory", map_memory),
      METHOD("supervise", supervise), METHOD("deaths", deaths_now),
      METHOD("next", next),           METHOD("passPrepared", pass_prepared),
      METHOD("startKeeping", keeps),
  };
  napi_define_properties(env, exports, sizeof functions / sizeof *functions, functions);
  export_pins(env, exports);
  export_kept(env, exports);
  export_objects(env, exports);
  export_texts(env, exports);
  export_tracers(env, exports);
  export_recording(env, exports);
  export_lines(env, exports);
  return exports;
}
