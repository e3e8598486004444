// SPDX-License-Identifier: MIT
/*
 * The addon's core: raw system calls for TypeScript.
 *
 * TypeScript encodes the attributes of bpf(2), seccomp(2) and message headers. C does only what JavaScript cannot: pass
 * a buffer's address in a register, and make the system calls between two evaluations in one crossing between the languages
 * (loop.c).
 *
 * It uses Node-API version 8, so one build works with Node 20 and later.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../launcher/sha256.h"
#include "base/detached.h"
#include "node/node.h"
#include "record/recording.h"

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

static void *close_one(void *descriptor) {
  close((int)(intptr_t)descriptor);
  return NULL;
}

/* closeApart(descriptor): 0, or a negative errno; then it is open. The close of a file of FUSE waits for its server. */
static napi_value close_apart(napi_env env, napi_callback_info info) {
  napi_value argument;
  size_t count = 1;
  int32_t descriptor;
  if (napi_get_cb_info(env, info, &count, &argument, NULL, NULL) != napi_ok || count != 1 ||
      napi_get_value_int32(env, argument, &descriptor) != napi_ok)
    return fail(env, "closeApart takes a descriptor");
  return number_of(env, -start_detached(close_one, (void *)(intptr_t)descriptor, 64 * 1024));
}

NAPI_MODULE_INIT() {
  if (!start_environment(env)) return NULL;
  const napi_property_descriptor functions[] = {
      METHOD("syscall", raw_syscall),  METHOD("addressOf", address_of),   METHOD("sha256", digest_of),
      METHOD("mapMemory", map_memory), METHOD("closeApart", close_apart),
  };
  napi_define_properties(env, exports, sizeof functions / sizeof *functions, functions);
  export_loop(env, exports);
  export_trees(env, exports);
  export_pins(env, exports);
  export_kept(env, exports);
  export_objects(env, exports);
  export_texts(env, exports);
  export_tracers(env, exports);
  export_recording(env, exports);
  export_lines(env, exports);
  export_readiness(env, exports);
  return exports;
}
