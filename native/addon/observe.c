// SPDX-License-Identifier: MIT
/*
 * Copies of what lies behind a waiting caller's pointers, made as the kernel would make its own: page by page, so that a
 * string which ends where the memory ends is whole. That the notification still stands afterwards shows that it was the
 * caller's memory, and not of another with its id.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/limits.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/uio.h>
#include <unistd.h>

#include "pins.h"

/* How many bytes were copied, up to the first page that is not there; or a negative errno. */
static long copy(pid_t tid, uint64_t address, unsigned char *into, size_t size) {
  const size_t page = 4096; /* the smallest: what is within one is mapped or not as a whole */
  struct iovec local = {into, size}, remote[17];
  size_t pieces = 0, done = 0;
  for (; done < size && pieces < sizeof remote / sizeof *remote; pieces++) {
    size_t left = page - ((address + done) & (page - 1));
    if (left > size - done) left = size - done;
    remote[pieces] = (struct iovec){(void *)(uintptr_t)(address + done), left};
    done += left;
  }
  local.iov_len = done;
  ssize_t count = process_vm_readv(tid, &local, 1, remote, pieces, 0);
  return count < 0 ? -errno : count;
}

static long copy_all(pid_t tid, uint64_t address, unsigned char *into, size_t size) {
  for (size_t done = 0; done < size;) {
    if (address + done < address) return -EFAULT;
    long count = copy(tid, address + done, into + done, size - done);
    if (count < 0) return count;
    if (count == 0) return -EFAULT;
    done += (size_t)count;
  }
  return 0;
}

static long copy_text(pid_t tid, uint64_t address, unsigned char *into, size_t size) {
  const size_t first = 256; /* most are shorter */
  for (size_t done = 0; done < size;) {
    size_t wanted = size - done;
    if (done == 0 && wanted > first) wanted = first;
    long count = copy(tid, address + done, into + done, wanted);
    if (count < 0) return count;
    if (count == 0) return -EFAULT;
    unsigned char *end = memchr(into + done, 0, (size_t)count);
    if (end != NULL) return end - into;
    done += (size_t)count;
  }
  return -ENAMETOOLONG;
}

static long copy_vector(pid_t tid, uint64_t address, unsigned char *into, size_t size, uint32_t *starts, size_t most) {
  size_t used = 0;
  uint64_t pointers[64];
  for (size_t count = 0;;) {
    /* Up to the page's end: beyond the array's own end there need be nothing. */
    uint64_t at = address + 8 * count;
    size_t wanted = 4096 - (at & 4095);
    wanted = wanted < 8 ? 8 : wanted > sizeof pointers ? sizeof pointers : wanted & ~(size_t)7;
    long result = copy_all(tid, at, (unsigned char *)pointers, wanted);
    if (result < 0) return result;
    for (size_t i = 0; i < wanted / 8; i++, count++) {
      if (pointers[i] == 0) return (long)count;
      if (count == most) return -E2BIG;
      long length = copy_text(tid, pointers[i], into + used, size - used);
      if (length == -ENAMETOOLONG) return -E2BIG;
      if (length < 0) return length;
      starts[count] = (uint32_t)used;
      used += (size_t)length + 1;
    }
  }
}

/* An unreadable caller gets EPERM; one that has gone does not care. */
static long checked(struct pins *own, const struct seccomp_notif *call, long result) {
  mark_observed(own, call->id);
  if (!still_waits(own, call)) return -ENOENT;
  return result == -ESRCH ? -ENOENT : result;
}

long observe_text(struct pins *own, const struct seccomp_notif *call, uint64_t address, unsigned char *into,
                  size_t size) {
  return checked(own, call, copy_text((pid_t)call->pid, address, into, size));
}

long observe_bytes(struct pins *own, const struct seccomp_notif *call, uint64_t address, unsigned char *into,
                   size_t size) {
  return checked(own, call, copy_all((pid_t)call->pid, address, into, size));
}

long observe_vector(struct pins *own, const struct seccomp_notif *call, uint64_t address, unsigned char *into,
                    size_t size, uint32_t *starts, size_t most) {
  return checked(own, call, copy_vector((pid_t)call->pid, address, into, size, starts, most));
}
