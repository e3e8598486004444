/* SPDX-License-Identifier: MIT */
/* A FUSE server that speaks the kernel's protocol (linux/fuse.h) itself, and whose files have a page each. */
#ifndef FUSE_SERVER_H
#define FUSE_SERVER_H
#include <errno.h>
#include <linux/fuse.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FILE_SIZE = 4096 };

static inline void reply(int device, const struct fuse_in_header *to, int error, const void *bytes, size_t size) {
  unsigned char buffer[sizeof(struct fuse_out_header) + FILE_SIZE];
  const struct fuse_out_header header = {(uint32_t)(sizeof header + size), error, to->unique};
  memcpy(buffer, &header, sizeof header);
  if (size > 0) memcpy(buffer + sizeof header, bytes, size);
  if (write(device, buffer, header.len) < 0 && errno != ENOENT) _exit(4);
}

static inline struct fuse_attr attributes_of(uint64_t node) {
  const struct fuse_attr attributes = {.ino = node,
                                       .size = node == FUSE_ROOT_ID ? 0 : FILE_SIZE,
                                       .mode = (node == FUSE_ROOT_ID ? S_IFDIR : S_IFREG) | 0755,
                                       .nlink = 1,
                                       .uid = getuid(),
                                       .gid = getgid()};
  return attributes;
}

static inline void reply_attributes(int device, const struct fuse_in_header *request) {
  const struct fuse_attr_out attributes = {.attr = attributes_of(request->nodeid)};
  reply(device, request, 0, &attributes, sizeof attributes);
}

static inline void reply_entry(int device, const struct fuse_in_header *request, uint64_t node) {
  const struct fuse_entry_out entry = {.nodeid = node, .attr = attributes_of(node)};
  reply(device, request, 0, &entry, sizeof entry);
}

/* Without FOPEN_KEEP_CACHE an open waits for the pages of earlier ones. */
static inline void reply_open(int device, const struct fuse_in_header *request, uint32_t more_flags) {
  const struct fuse_open_out opened = {.open_flags = FOPEN_KEEP_CACHE | more_flags};
  reply(device, request, 0, &opened, sizeof opened);
}

/* Answers the requests that need nothing of a file's contents or name. */
static inline void serve_other(int device, const struct fuse_in_header *request) {
  const struct fuse_init_out start = {.major = FUSE_KERNEL_VERSION, .minor = 31, .max_write = FILE_SIZE};
  switch (request->opcode) {
    case FUSE_INIT:
      reply(device, request, 0, &start, sizeof start);
      break;
    case FUSE_GETATTR:
      reply_attributes(device, request);
      break;
    case FUSE_OPEN:
      reply_open(device, request, 0);
      break;
    case FUSE_FORGET:
    case FUSE_BATCH_FORGET:
    case FUSE_INTERRUPT:
      break;
    case FUSE_FLUSH:
    case FUSE_RELEASE:
      reply(device, request, 0, NULL, 0);
      break;
    default:
      reply(device, request, -ENOSYS, NULL, 0);
  }
}

/* Serves a request. False if nothing is mounted any more (ENODEV). */
static inline bool serve_next(int device, void (*serve)(int device, const struct fuse_in_header *request)) {
  static union {
    struct fuse_in_header header;
    char bytes[FUSE_MIN_READ_BUFFER + FILE_SIZE];
  } request;
  const ssize_t length = read(device, &request, sizeof request);
  if (length < 0 && (errno == EINTR || errno == EAGAIN || errno == ENOENT)) return true;
  if (length < (ssize_t)sizeof request.header) return false;
  serve(device, &request.header);
  return true;
}

#endif
