// SPDX-License-Identifier: MIT
/*
 * Copies the memory behind a waiting caller's pointers, page by page as the kernel does, so that a string that ends where
 * the memory ends is complete. If the notification is still valid afterwards, the memory was the caller's, and not that
 * of a later thread with its id.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/uio.h>
#include <unistd.h>

#include "copy_errors.h"
#include "pins.h"
#include "reads.h"

/* Returns the number of bytes copied, up to the first unmapped page; or a negative errno. */
static long copy(pid_t tid, uint64_t address, unsigned char *into, size_t size) {
  const size_t page = 4096; /* the smallest page of all machines: it is mapped or unmapped as a whole */
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
    if (address + done < address) return -COPY_UNMAPPED;
    long count = copy(tid, address + done, into + done, size - done);
    if (count < 0) return count;
    if (count == 0) return -COPY_UNMAPPED;
    done += (size_t)count;
  }
  return 0;
}

static long copy_text(pid_t tid, uint64_t address, unsigned char *into, size_t size) {
  const size_t first = 256; /* most strings are shorter */
  for (size_t done = 0; done < size;) {
    size_t wanted = size - done;
    if (done == 0 && wanted > first) wanted = first;
    long count = copy(tid, address + done, into + done, wanted);
    if (count < 0) return count;
    if (count == 0) return -COPY_UNMAPPED;
    unsigned char *end = memchr(into + done, 0, (size_t)count);
    if (end != NULL) return end - into;
    done += (size_t)count;
  }
  return -COPY_LONG_PATH;
}

static long copy_vector(pid_t tid, uint64_t address, unsigned char *into, size_t size, uint32_t *starts, size_t most) {
  size_t used = 0;
  uint64_t pointers[64];
  for (size_t count = 0;;) {
    /* Reads up to the page's end, because the page behind the array's end may be unmapped. */
    uint64_t at = address + 8 * count;
    size_t wanted = 4096 - (at & 4095);
    wanted = wanted < 8 ? 8 : wanted > sizeof pointers ? sizeof pointers : wanted & ~(size_t)7;
    long result = copy_all(tid, at, (unsigned char *)pointers, wanted);
    if (result < 0) return result;
    for (size_t i = 0; i < wanted / 8; i++, count++) {
      if (pointers[i] == 0) return (long)count;
      if (count == most) return -COPY_LONG_LIST;
      long length = copy_text(tid, pointers[i], into + used, size - used);
      if (length == -COPY_LONG_PATH) return -COPY_LONG_LIST;
      if (length < 0) return length;
      starts[count] = (uint32_t)used;
      used += (size_t)length + 1;
    }
  }
}

/* process_vm_readv(2) gives the errno of COPY_UNTRACEABLE. */
static long checked(struct pins *self, const struct seccomp_notif *call, long result) {
  mark_observed(self, call->id);
  if (!still_waits(self, call)) return -COPY_GONE;
  return result == -ESRCH ? -COPY_GONE : result;
}

/* ── In a thread of the pool, if the tree can have memory whose reads never end ───────────────────────────────────── */

static long run_text(struct read *read) {
  return copy_text((pid_t)read->call.pid, read->address, read->bytes, read->size);
}
static long run_bytes(struct read *read) {
  return copy_all((pid_t)read->call.pid, read->address, read->bytes, read->size);
}
static long run_vector(struct read *read) {
  return copy_vector((pid_t)read->call.pid, read->address, read->bytes, read->size, read->starts, read->most);
}

static long apart(struct pins *self, const struct seccomp_notif *call, uint64_t address, unsigned char *into,
                  size_t size, long (*run)(struct read *), uint32_t *starts, size_t most) {
  int error;
  struct thread *thread = enter_thread(self, (pid_t)call->pid, &error);
  struct read *read = thread == NULL ? NULL : new_read(call, address, size);
  if (read != NULL && starts != NULL) read->starts = calloc(most, sizeof *starts);
  if (read == NULL || (starts != NULL && read->starts == NULL)) {
    if (read != NULL) free_read(read);
    return checked(self, call, thread == NULL ? -error : -COPY_NO_MEMORY);
  }
  read->process = thread->process->id;
  read->run = run;
  read->most = most;
  return checked(self, call, read_apart(self->reads, read, into, starts));
}

/* ── Functions of the loop ───────────────────────────────────────────────────────────────────────────────────────── */

long observe_text(struct pins *self, const struct seccomp_notif *call, uint64_t address, unsigned char *into,
                  size_t size) {
  if (self->reads_apart) return apart(self, call, address, into, size, run_text, NULL, 0);
  return checked(self, call, copy_text((pid_t)call->pid, address, into, size));
}

long read_unchecked_text(struct pins *self, const struct seccomp_notif *call, uint64_t address, unsigned char *into,
                         size_t size) {
  mark_observed(self, call->id);
  return copy_text((pid_t)call->pid, address, into, size);
}

long observe_bytes(struct pins *self, const struct seccomp_notif *call, uint64_t address, unsigned char *into,
                   size_t size) {
  if (self->reads_apart) return apart(self, call, address, into, size, run_bytes, NULL, 0);
  return checked(self, call, copy_all((pid_t)call->pid, address, into, size));
}

long observe_vector(struct pins *self, const struct seccomp_notif *call, uint64_t address, unsigned char *into,
                    size_t size, uint32_t *starts, size_t most) {
  if (self->reads_apart) return apart(self, call, address, into, size, run_vector, starts, most);
  return checked(self, call, copy_vector((pid_t)call->pid, address, into, size, starts, most));
}
