// SPDX-License-Identifier: MIT
/*
 * Answers the notifications of a recording: receives one, copies the memory behind the call's pointers, writes a record to
 * the ring that another thread reads, and lets the call continue. The caller waits for all of that, so C does it without
 * a crossing between the languages. src/observe/record/notify/answering.ts does the rest, which is rare.
 *
 * Another thread of the caller can change the memory between this copy and the kernel's. A recording is not a judgement;
 * its header states this.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "../node/node.h"
#include "../base/listener.h"
#include "recording.h"

/* The step with which `answerCalls` begins, and the reason why it returns (src/observe/record/notify/answering.ts). */
enum stage { RECEIVE, RECORD, SEND };
enum reason { TASK = 1, FULL = 2, MADE = 3 };

/* A record (src/observe/record/notify/notifications.ts): the notification, with its time in place of its id, then the copies. */
enum { TIME = 0, READS = 12, MEMORY = sizeof(struct seccomp_notif), CONTENT = 1 << 18 };
enum { ABSENT, FAILED, TEXTS };

/* The ring's words and the head of its records (src/observe/record/notify/ring.ts). */
enum { WRITTEN, READ };
enum { HEAD = 8, SKIP = 0, CALL = 1 };

/* The words of a read in the plan, and the kinds of reads. */
enum { KIND, REGISTER, LENGTH_REGISTER, MINIMUM, MOST, READ_WORDS };
enum { TEXT, LIST, ADDRESS, MESSAGE, STRUCTURE };
enum { NO_REGISTER = UINT32_MAX };

/* Words of the state. */
enum { ID_LOW, ID_HIGH, ROOM, GONE, STATE_WORDS };

enum { CALLS = 1024, PAGE = 4096, TEXT_BYTES = 4096, FIRST_READ = 256, ENTRIES = 512, LIST_BYTES = 1 << 16 };

_Static_assert(sizeof(struct msghdr) == 56 && offsetof(struct msghdr, msg_namelen) == 8, "unexpected struct msghdr");
_Static_assert(MEMORY == 80, "unexpected size of struct seccomp_notif");
_Static_assert(2 * (LIST_BYTES + TEXT_BYTES + 12 * ENTRIES) + 2 * TEXT_BYTES < CONTENT, "execve's memory does not fit");

struct answering {
  int listener;
  uint32_t architecture;
  bool outlives;             /* RECV does not return when no task is left (before Linux 6.11) */
  _Atomic uint32_t *control; /* of the ring */
  unsigned char *ring;
  uint32_t ring_size;
  unsigned char *content;     /* the record that is being made */
  const uint32_t *plan;       /* by call number: the index of the call's reads, or 0 */
  const unsigned char *known; /* a bit for each thread that JavaScript knows; NULL: it need not know threads */
  size_t known_bytes;
  const unsigned char *makes;   /* a byte for each call number: 1 if JavaScript must look at the tasks after the call */
  const _Atomic uint32_t *gone; /* counts threads that have ended without a call */
  uint32_t *state;
  uint32_t end; /* of the record */
};

static const struct seccomp_notif *notification(const struct answering *self) {
  return (const struct seccomp_notif *)(const void *)self->content;
}

static void word(struct answering *self, uint32_t value) {
  memcpy(self->content + self->end, &value, sizeof value);
  self->end += sizeof value;
}

static void failed(struct answering *self, int number) {
  word(self, FAILED);
  word(self, (uint32_t)number);
}

/* Appends the head of a read that has so many entries. */
static void begin(struct answering *self, bool is_cut, uint32_t count) {
  word(self, TEXTS);
  word(self, is_cut);
  word(self, count);
}

/* Appends the head of an entry, whose bytes are already behind it. */
static void entry(struct answering *self, uint32_t length, bool is_cut) {
  word(self, is_cut);
  word(self, length);
  memset(self->content + self->end + length, 0, -length & 3); /* so that records of equal memory are equal */
  self->end += (length + 3) & ~3u;
}

/* Returns the number of bytes, or a negative errno. */
static int copy(struct answering *self, uint64_t address, size_t length, void *into) {
  struct iovec local = {into, length}, remote = {(void *)(uintptr_t)address, length};
  ssize_t copied = process_vm_readv((pid_t)notification(self)->pid, &local, 1, &remote, 1, 0);
  return copied < 0 ? -errno : (int)copied;
}

/* Returns 0 or the positive errno. */
static int copy_whole(struct answering *self, uint64_t address, size_t length, void *into) {
  int copied = length == 0 ? 0 : copy(self, address, length, into);
  return copied == (int)length ? 0 : copied < 0 ? -copied : EFAULT;
}

/*
 * Copies a string and returns its length without the NUL; -ENAMETOOLONG if the first `most` bytes, which are then copied,
 * have no NUL. Reads page by page, so that a string that ends where the memory ends is complete.
 */
static int copy_text(struct answering *self, uint64_t address, uint32_t most, unsigned char *into) {
  for (uint32_t done = 0; done < most;) {
    uint32_t wanted = PAGE - (uint32_t)((address + done) & (PAGE - 1));
    if (wanted > most - done) wanted = most - done;
    if (done == 0 && wanted > FIRST_READ) wanted = FIRST_READ;
    int copied = copy(self, address + done, wanted, into + done);
    if (copied <= 0) return copied < 0 ? copied : -EFAULT;
    const unsigned char *end = memchr(into + done, 0, (size_t)copied);
    if (end != NULL) return (int)(end - into);
    done += (uint32_t)copied;
  }
  return -ENAMETOOLONG;
}

enum { BEGIN = 12, ENTRY = 8 };

static void read_text(struct answering *self, uint64_t address, uint32_t most) {
  int length = copy_text(self, address, most, self->content + self->end + BEGIN + ENTRY);
  if (length < 0 && length != -ENAMETOOLONG) {
    failed(self, -length);
    return;
  }
  begin(self, false, 1);
  entry(self, length < 0 ? most : (uint32_t)length, length < 0);
}

static void read_bytes(struct answering *self, uint64_t address, uint32_t length) {
  int error = copy_whole(self, address, length, self->content + self->end + BEGIN + ENTRY);
  if (error != 0) {
    failed(self, error);
    return;
  }
  begin(self, false, 1);
  entry(self, length, false);
}

static void read_address(struct answering *self, uint64_t address, int32_t length) {
  if (length < 0 || length > (int32_t)sizeof(struct sockaddr_storage)) failed(self, EINVAL);
  else read_bytes(self, address, (uint32_t)length);
}

static void read_message(struct answering *self, uint64_t address) {
  struct msghdr header;
  int error = copy_whole(self, address, sizeof header, &header);
  const int32_t most = sizeof(struct sockaddr_storage), length = (int32_t)header.msg_namelen;
  if (error != 0) failed(self, error);
  else if (header.msg_name == NULL || length == 0) word(self, ABSENT);
  else read_address(self, (uintptr_t)header.msg_name, length < most ? length : most);
}

static void read_list(struct answering *self, uint64_t address) {
  const uint32_t start = self->end;
  bool is_cut = false;
  uint32_t count = 0, total = 0;
  int error = 0;
  for (self->end += BEGIN; error == 0; count++) {
    is_cut = count == ENTRIES || total > LIST_BYTES;
    if (is_cut) break;
    uint64_t pointer;
    error = copy_whole(self, address + 8 * count, sizeof pointer, &pointer);
    if (error != 0 || pointer == 0) break;
    int length = copy_text(self, pointer, TEXT_BYTES, self->content + self->end + ENTRY);
    if (length < 0 && length != -ENAMETOOLONG) error = -length;
    if (error != 0) break;
    const uint32_t bytes = length < 0 ? TEXT_BYTES : (uint32_t)length;
    entry(self, bytes, length < 0);
    total += bytes;
  }
  const uint32_t end = self->end;
  self->end = start;
  if (error != 0) {
    failed(self, error);
    return;
  }
  begin(self, is_cut, count);
  self->end = end;
}

static void read_structure(struct answering *self, const uint32_t *read) {
  const uint64_t *registers = (const uint64_t *)notification(self)->data.args;
  uint64_t length = read[LENGTH_REGISTER] == NO_REGISTER ? read[MINIMUM] : registers[read[LENGTH_REGISTER]];
  read_bytes(self, registers[read[REGISTER]], length > read[MOST] ? read[MOST] : (uint32_t)length);
}

static void read_one(struct answering *self, const uint32_t *read) {
  const uint64_t *registers = (const uint64_t *)notification(self)->data.args;
  const uint64_t address = registers[read[REGISTER]];
  if (address == 0) {
    word(self, ABSENT);
    return;
  }
  switch (read[KIND]) {
    case TEXT:
      read_text(self, address, read[MOST]);
      return;
    case LIST:
      read_list(self, address);
      return;
    case ADDRESS:
      read_address(self, address, (int32_t)registers[read[LENGTH_REGISTER]]);
      return;
    case MESSAGE:
      read_message(self, address);
      return;
    case STRUCTURE:
      read_structure(self, read);
      return;
    default:
      failed(self, EINVAL);
  }
}

static bool is_native(const struct answering *self) { return notification(self)->data.arch == self->architecture; }

/* The thread that made the plan has checked its bounds. */
static void read_memory(struct answering *self) {
  const int number = notification(self)->data.nr;
  const uint32_t at = is_native(self) && number >= 0 && number < CALLS ? self->plan[number] : 0;
  const uint32_t count = at == 0 ? 0 : self->plan[at];
  self->end = MEMORY;
  for (uint32_t i = 0; i < count; i++) read_one(self, self->plan + at + 1 + READ_WORDS * i);
  memcpy(self->content + READS, &count, sizeof count);
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  const uint64_t nanoseconds = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
  memcpy(self->content + TIME, &nanoseconds, sizeof nanoseconds);
}

/* False if the ring has no room; the state then says how many bytes the record needs. */
static bool put(struct answering *self) {
  const uint32_t size = (HEAD + self->end + 7) & ~7u;
  uint32_t written = atomic_load_explicit(&self->control[WRITTEN], memory_order_relaxed);
  uint32_t place = written & (self->ring_size - 1);
  const uint32_t rest = self->ring_size - place, skipped = rest < size ? rest : 0;
  self->state[ROOM] = skipped + size;
  if (written - atomic_load(&self->control[READ]) + skipped + size > self->ring_size) return false;
  if (skipped != 0) {
    memcpy(self->ring + place, &rest, sizeof rest);
    memset(self->ring + place + 4, SKIP, 4);
    place = 0;
  }
  const uint32_t kind = CALL;
  memcpy(self->ring + place, &size, sizeof size);
  memcpy(self->ring + place + 4, &kind, sizeof kind);
  memset(self->ring + place + size - 8, 0, 8);
  memcpy(self->ring + place + HEAD, self->content, self->end);
  atomic_store(&self->control[WRITTEN], written + skipped + size);
  return true;
}

static bool is_over(const struct answering *self) {
  struct pollfd state = {.fd = self->listener, .events = POLLIN};
  return poll(&state, 1, 0) > 0 && (state.revents & POLLHUP) != 0;
}

/* Returns 0 or a negative errno: ENOENT if no task is left under the filter. */
static int receive(struct answering *self) {
  for (;;) {
    if (self->outlives) {
      struct pollfd state = {.fd = self->listener, .events = POLLIN};
      const int found = poll(&state, 1, -1);
      if (found > 0 && (state.revents & POLLIN) == 0) return (state.revents & POLLHUP) != 0 ? -ENOENT : -EBADF;
      if (found <= 0) continue;
    }
    memset(self->content, 0, sizeof(struct seccomp_notif)); /* the kernel requires zeros */
    if (ioctl(self->listener, SECCOMP_IOCTL_NOTIF_RECV, self->content) == 0) break;
    /* ENOENT can also mean that the caller was interrupted before. */
    if (errno != EINTR && (errno != ENOENT || is_over(self))) return -errno;
  }
  memcpy(self->state + ID_LOW, &notification(self)->id, sizeof(uint64_t));
  return 0;
}

static bool is_known(const struct answering *self) {
  const uint32_t tid = notification(self)->pid;
  if (self->known == NULL) return true;
  if (atomic_load(self->gone) != self->state[GONE]) return false;
  return tid / 8 < self->known_bytes && (self->known[tid / 8] >> (tid % 8) & 1) != 0;
}

static bool makes(const struct answering *self) {
  const int number = notification(self)->data.nr;
  return self->known != NULL && is_native(self) && number >= 0 && number < CALLS && self->makes[number] != 0;
}

/* A caller that has died meanwhile needs no answer. */
static void let_continue(struct answering *self) {
  struct seccomp_notif_resp response = {.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE};
  memcpy(&response.id, self->state + ID_LOW, sizeof response.id);
  send_response(self->listener, &response);
}

static int run(struct answering *self, enum stage stage) {
  for (;; stage = RECEIVE) {
    if (stage == RECEIVE) {
      const int error = receive(self);
      if (error != 0) return error;
      if (!is_known(self)) return TASK;
    }
    if (stage != SEND) {
      read_memory(self);
      if (!put(self)) return FULL;
      if (makes(self)) return MADE;
    }
    let_continue(self);
  }
}

/*
 * answerCalls(stage, listener, architecture, outlives, ring, memory, plan, known, makes, gone, state, content): answers until
 * JavaScript has something to do.
 *
 * | result | meaning | goes on with |
 * | --- | --- | --- |
 * | TASK | the content has the notification of a thread that is not known | RECORD |
 * | FULL | the ring has less room than `state` says | RECORD |
 * | MADE | the recorded call makes or ends tasks, or executes a program | SEND |
 * | -ENOENT | no task is left under the filter | |
 * | other | the kernel's error | |
 */
static napi_value answer_calls(napi_env env, napi_callback_info info) {
  enum { ARGUMENTS = 12, BUFFERS = 8, FIRST_BUFFER = 4 };
  napi_value arguments[ARGUMENTS];
  size_t count = ARGUMENTS, lengths[BUFFERS] = {0};
  unsigned char *buffers[BUFFERS] = {NULL};
  uint32_t stage;
  struct answering self = {0};
  if (napi_get_cb_info(env, info, &count, arguments, NULL, NULL) != napi_ok || count != ARGUMENTS ||
      napi_get_value_uint32(env, arguments[0], &stage) != napi_ok ||
      napi_get_value_int32(env, arguments[1], &self.listener) != napi_ok ||
      napi_get_value_uint32(env, arguments[2], &self.architecture) != napi_ok ||
      napi_get_value_bool(env, arguments[3], &self.outlives) != napi_ok)
    return fail(env, "answerCalls takes (stage, listener, architecture, outlives, and eight buffers)");
  for (int i = 0; i < BUFFERS; i++)
    if (!bytes_of(env, arguments[FIRST_BUFFER + i], &buffers[i], &lengths[i]))
      return fail(env, "answerCalls takes eight buffers");
  enum { CONTROL, RING, PLAN, KNOWN, MAKES, GONE_COUNT, STATE, RECORD_CONTENT };
  self.control = (_Atomic uint32_t *)(void *)buffers[CONTROL];
  self.ring = buffers[RING];
  self.ring_size = (uint32_t)lengths[RING];
  self.plan = (const uint32_t *)(const void *)buffers[PLAN];
  self.known = lengths[KNOWN] == 0 ? NULL : buffers[KNOWN];
  self.known_bytes = lengths[KNOWN];
  self.makes = buffers[MAKES];
  self.gone = (const _Atomic uint32_t *)(const void *)buffers[GONE_COUNT];
  self.state = (uint32_t *)(void *)buffers[STATE];
  self.content = buffers[RECORD_CONTENT];
  if (lengths[CONTROL] < 8 || lengths[RING] < 2 * CONTENT || (lengths[RING] & (lengths[RING] - 1)) != 0 ||
      lengths[PLAN] < 4 * CALLS || lengths[MAKES] < CALLS || lengths[GONE_COUNT] < 4 ||
      lengths[STATE] < 4 * STATE_WORDS || lengths[RECORD_CONTENT] < CONTENT)
    return fail(env, "a buffer of answerCalls is too small");
  return number_of(env, run(&self, (enum stage)stage));
}

void export_recording(napi_env env, napi_value exports) {
  const napi_property_descriptor functions[] = {
      {.utf8name = "answerCalls", .method = answer_calls, .attributes = napi_enumerable},
  };
  napi_define_properties(env, exports, sizeof functions / sizeof *functions, functions);
}
