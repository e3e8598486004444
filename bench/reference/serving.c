// SPDX-License-Identifier: MIT
/*
 * The simplest supervisors in C that open files on their callers' behalf. serving [--unchecked] PROGRAM [ARGUMENT...]:
 * every openat is read and opened here, and the caller gets the descriptor. Paths are absolute, and files exist.
 *
 * It takes the steps of native/addon/objects/objects.h, in this order: compares the caller's credentials, namespaces and root with its
 * own, so that the caller gains no rights; holds the file (O_PATH); refuses it if it is below /forbidden, by the
 * directories above it; and opens this very file. With --unchecked it refuses paths that begin with /forbidden/ and opens
 * the others, for any caller.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/wait.h>

#include "listener.h"

#ifndef SECCOMP_ADDFD_FLAG_SEND
#define SECCOMP_ADDFD_FLAG_SEND 2
#endif

enum { PAGE = 4096, STATUS = 16384 };

static const char forbidden[] = "/forbidden";
static int listener;

static int open_at(int directory, const char *path, uint64_t flags, uint64_t resolve) {
  struct open_how how = {.flags = flags | O_CLOEXEC, .resolve = resolve};
  return (int)syscall(SYS_openat2, directory, path, &how, sizeof how);
}

/* ── The caller ──────────────────────────────────────────────────────────────────────────────────────────────────── */

/* The attributes that must be equal. */
struct situation {
  char credentials[1024], user_namespace[64], mount_namespace[64];
  struct statx root;
};

static bool is_compared(const char *line) {
  static const char *const names[] = {"Uid:", "Gid:", "Groups:", "CapPrm:", "CapEff:"};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++)
    if (strncmp(line, names[i], strlen(names[i])) == 0) return true;
  return false;
}

static bool link_of(const char *task, const char *name, char into[64]) {
  char path[64];
  snprintf(path, sizeof path, "/proc/%s/ns/%s", task, name);
  ssize_t length = readlink(path, into, 63);
  into[length < 0 ? 0 : length] = 0;
  return length > 0;
}

static bool identify(int directory, const char *path, struct statx *into) {
  return statx(directory, path, AT_EMPTY_PATH, STATX_BASIC_STATS | STATX_MNT_ID, into) == 0;
}

static bool is_same(const struct statx *a, const struct statx *b) {
  return a->stx_ino == b->stx_ino && a->stx_dev_major == b->stx_dev_major && a->stx_dev_minor == b->stx_dev_minor;
}

static bool know(const char *task, struct situation *into) {
  char path[64], status[STATUS];
  memset(into, 0, sizeof *into);
  snprintf(path, sizeof path, "/proc/%s/status", task);
  int file = open(path, O_RDONLY | O_CLOEXEC);
  ssize_t length = read(file, status, sizeof status - 1);
  close(file);
  if (length <= 0) return false;
  status[length] = 0;
  size_t used = 0;
  for (char *line = status; line != NULL && *line != 0;) {
    char *end = strchr(line, '\n');
    if (end == NULL) break;
    size_t size = (size_t)(end + 1 - line);
    if (is_compared(line) && used + size < sizeof into->credentials) {
      memcpy(into->credentials + used, line, size);
      used += size;
    }
    line = end + 1;
  }
  snprintf(path, sizeof path, "/proc/%s/root", task);
  return link_of(task, "user", into->user_namespace) && link_of(task, "mnt", into->mount_namespace) &&
         identify(AT_FDCWD, path, &into->root);
}

static bool is_as(const struct situation *own, pid_t tid) {
  char task[16];
  struct situation other;
  snprintf(task, sizeof task, "%d", tid);
  return know(task, &other) && strcmp(own->credentials, other.credentials) == 0 &&
         strcmp(own->user_namespace, other.user_namespace) == 0 &&
         strcmp(own->mount_namespace, other.mount_namespace) == 0 && is_same(&own->root, &other.root);
}

/* ── The file ────────────────────────────────────────────────────────────────────────────────────────────────────── */

/* The directory in which the held file has its name. */
static int parent_of(int held, const struct statx *file) {
  char path[PAGE], link[32];
  struct statx found;
  snprintf(link, sizeof link, "/proc/self/fd/%d", held);
  ssize_t length = readlink(link, path, sizeof path - 1);
  if (length <= 0 || path[0] != '/') return -1;
  path[length] = 0;
  char *slash = strrchr(path, '/');
  *slash = 0;
  int parent = open_at(AT_FDCWD, slash == path ? "/" : path, O_PATH | O_DIRECTORY, RESOLVE_NO_SYMLINKS);
  int child = open_at(parent, slash + 1, O_PATH | O_NOFOLLOW, 0);
  bool is_there = child >= 0 && identify(child, "", &found) && is_same(&found, file);
  close(child);
  if (is_there) return parent;
  close(parent);
  return -1;
}

/* 1 if it lies under the forbidden directory, 0 if not, −1 if that is unknown. */
static int is_forbidden(int held) {
  struct statx file, top, here, last = {0};
  int directory = identify(held, "", &file) ? parent_of(held, &file) : -1;
  if (directory < 0) return -1;
  int result = 0, root = open_at(AT_FDCWD, forbidden, O_PATH | O_DIRECTORY, 0);
  bool is_there = root >= 0 && identify(root, "", &top);
  if (root >= 0) close(root);
  for (;;) {
    if (!identify(directory, "", &here)) result = -1;
    if (result != 0 || is_same(&here, &last)) break;
    if (is_there && is_same(&here, &top)) result = 1;
    last = here;
    int above = open_at(directory, "..", O_PATH | O_DIRECTORY, 0);
    if (above < 0) result = -1;
    close(directory);
    directory = above;
  }
  close(directory);
  return result;
}

static int open_held(const struct situation *own, const struct seccomp_notif *call, const char *path, int flags) {
  char number[32];
  if (!is_as(own, (pid_t)call->pid)) return -EACCES;
  int held = open_at(AT_FDCWD, path, O_PATH, RESOLVE_NO_MAGICLINKS);
  if (held < 0) return -errno;
  snprintf(number, sizeof number, "/proc/self/fd/%d", held);
  int result = is_forbidden(held) == 0 ? open(number, flags | O_CLOEXEC) : (errno = EACCES, -1);
  if (result < 0) result = -errno;
  close(held);
  return result;
}

static int open_unchecked(const char *path, int flags) {
  if (strncmp(path, forbidden, sizeof forbidden - 1) == 0) return -EACCES;
  int opened = open(path, flags | O_CLOEXEC);
  return opened < 0 ? -errno : opened;
}

/* ── The loop ────────────────────────────────────────────────────────────────────────────────────────────────────── */

static void serve(const struct situation *own, const struct seccomp_notif *call) {
  char path[256];
  uint64_t address = call->data.args[1], id = call->id;
  size_t size = PAGE - (address & (PAGE - 1));
  struct iovec local = {path, sizeof path},
               remote = {(void *)(uintptr_t)address, size < sizeof path ? size : sizeof path};
  ssize_t length = process_vm_readv((pid_t)call->pid, &local, 1, &remote, 1, 0);
  if (length <= 0 || memchr(path, 0, (size_t)length) == NULL) {
    answer(listener, call, -EFAULT, 0);
    return;
  }
  if (ioctl(listener, SECCOMP_IOCTL_NOTIF_ID_VALID, &id) != 0) return;
  const int flags = (int)call->data.args[2] | O_NOCTTY;
  int opened = own == NULL ? open_unchecked(path, flags) : open_held(own, call, path, flags);
  if (opened < 0) {
    answer(listener, call, opened, 0);
    return;
  }
  struct seccomp_notif_addfd order = {.id = id, .srcfd = (uint32_t)opened, .flags = SECCOMP_ADDFD_FLAG_SEND};
  order.newfd_flags = (uint32_t)flags & O_CLOEXEC;
  ioctl(listener, SECCOMP_IOCTL_NOTIF_ADDFD, &order);
  close(opened);
}

int main(int argc, char **argv) {
  const bool unchecked = argc > 1 && strcmp(argv[1], "--unchecked") == 0;
  char **command = argv + 1 + unchecked;
  struct situation own;
  if (argc < 2 || *command == NULL) {
    fprintf(stderr, "usage: %s [--unchecked] PROGRAM [ARGUMENT...]\n", argv[0]);
    return 125;
  }
  if (!know("self", &own)) return 125;
  pid_t child;
  listener = start(command, SYS_openat, SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV, &child);
  if (listener < 0 || ioctl(listener, SECCOMP_IOCTL_NOTIF_SET_FLAGS, 1ul) != 0) return 124;
  struct seccomp_notif notification;
  while (receive(listener, &notification)) serve(unchecked ? NULL : &own, &notification);
  int status;
  waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}
