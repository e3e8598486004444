// SPDX-License-Identifier: MIT
/*
 * Gives the errno of calls that fail by their path: the path leads to no object, readlink(2) finds a file or a directory,
 * or mkdir(2) finds an object. Most calls with a path that compilers and interpreters make are such calls. They have no
 * effect, so an errno can replace the pin.
 *
 * The errno is that of the caller's own walk. The path is walked here only for a caller with our rights, root and
 * mounts (caller.c), and only within one mount, neither procfs nor behind a magic link. A call whose result is
 * uncertain, or whose walk could wait (RESOLVE_CACHED, Linux 5.12), is pinned.
 *
 * A thread is compared with us at its first such call, and again after each execution. In between only its own calls
 * change it, and the filter reports these (`pin_changes_rights`).
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <linux/stat.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "objects.h"
#include "old_libc.h"
#include "pins.h"

#ifndef RESOLVE_CACHED
#define RESOLVE_CACHED 0x20
#endif

enum { NO_DIRECTORY = -1, TEMPORARY_FILE = O_TMPFILE & ~O_DIRECTORY };

/* A walk that finds an object was in vain. After so many of a thread in a row, only each eighth call is walked. */
enum { FINDS = 8, INTERVAL = 8 };

enum purpose { USES_OBJECT, READS_LINK, MAKES_DIRECTORY };

/* The way in which a call looks up its path. */
struct way {
  int path, directory; /* arguments */
  enum purpose purpose;
  bool no_follow;
  bool is_real; /* with the real users and groups */
};

static bool stats(struct way *way, uint64_t flags, unsigned allowed) {
  way->no_follow = (flags & AT_SYMLINK_NOFOLLOW) != 0;
  return ((unsigned)flags & ~(AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | AT_EMPTY_PATH | allowed)) == 0;
}

static bool opens(struct way *way, uint64_t flags) {
  way->no_follow = (flags & O_NOFOLLOW) != 0;
  return (flags & (O_CREAT | TEMPORARY_FILE)) == 0;
}

static bool reads_link(struct way *way, uint64_t size) {
  way->purpose = READS_LINK;
  way->no_follow = true;
  return (int)size > 0;
}

static bool makes_directory(struct way *way) {
  way->purpose = MAKES_DIRECTORY;
  way->no_follow = true;
  return true;
}

static bool accesses(struct way *way, uint64_t mode, uint64_t flags) {
  way->no_follow = (flags & AT_SYMLINK_NOFOLLOW) != 0;
  way->is_real = (flags & AT_EACCESS) == 0;
  return ((unsigned)mode & ~(unsigned)(R_OK | W_OK | X_OK)) == 0 &&
         ((unsigned)flags & ~(unsigned)(AT_EACCESS | AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH)) == 0;
}

/* False for another call, or if the call could fail by a check that the kernel makes before the path. */
static bool way_of(const struct seccomp_data *call, struct way *way) {
  const __u64 *arguments = call->args;
  *way = (struct way){.path = 1, .directory = 0};
  switch (call->nr) {
    case SYS_openat:
      return opens(way, arguments[2]);
    case SYS_newfstatat:
      return stats(way, arguments[3], 0);
    case SYS_statx:
      return (arguments[3] & STATX__RESERVED) == 0 && stats(way, arguments[2], AT_STATX_DONT_SYNC);
    case SYS_readlinkat:
      return reads_link(way, arguments[3]);
    case SYS_faccessat:
      return accesses(way, arguments[2], 0);
    case SYS_faccessat2:
      return accesses(way, arguments[2], arguments[3]);
    case SYS_mkdirat:
      return makes_directory(way);
#ifdef SYS_open
    case SYS_open:
      *way = (struct way){.path = 0, .directory = NO_DIRECTORY};
      return opens(way, arguments[1]);
    case SYS_stat:
    case SYS_lstat:
      *way = (struct way){.path = 0, .directory = NO_DIRECTORY, .no_follow = call->nr == SYS_lstat};
      return true;
    case SYS_readlink:
      *way = (struct way){.path = 0, .directory = NO_DIRECTORY};
      return reads_link(way, arguments[2]);
    case SYS_access:
      *way = (struct way){.path = 0, .directory = NO_DIRECTORY};
      return accesses(way, arguments[1], 0);
    case SYS_mkdir:
      *way = (struct way){.path = 0, .directory = NO_DIRECTORY};
      return makes_directory(way);
#endif
    default:
      return false;
  }
}

static bool has_our_rights(const struct pins *own, struct thread *thread) {
  if (thread->has_changed || thread->process->executing > 0) return false;
  if (!thread->is_compared || thread->compared_epoch != thread->process->epoch) {
    struct caller caller;
    struct failure failure;
    thread->is_compared = true;
    thread->compared_epoch = thread->process->epoch;
    thread->is_as_we_are = know_caller(own->self, thread->id, &caller, &failure);
  }
  return thread->is_as_we_are;
}

static int walk(const struct pins *own, pid_t tid, const struct way *way, const char *path) {
  const bool is_absolute = path[0] == '/';
  int base = AT_FDCWD;
  if (!is_absolute) {
    char name[32];
    snprintf(name, sizeof name, "%d/cwd", tid);
    base = open_at(own->self->proc, name, O_PATH | O_DIRECTORY, 0, 0);
    if (base < 0) return 0;
  }
  const uint64_t resolve =
      RESOLVE_CACHED | RESOLVE_NO_XDEV | RESOLVE_NO_MAGICLINKS | (is_absolute ? 0 : RESOLVE_BENEATH);
  int found = open_at(base, path, O_PATH | (way->no_follow ? O_NOFOLLOW : 0), 0, resolve);
  if (base != AT_FDCWD) close(base);
  if (found < 0) {
    /* mkdir(2) needs all but the last name. */
    if (way->purpose == MAKES_DIRECTORY) return 0;
    return found == -ENOENT || found == -ENOTDIR ? -found : 0;
  }
  struct stat object;
  int error = 0;
  switch (way->purpose) {
    case USES_OBJECT:
      break;
    case READS_LINK:
      if (stat_of_descriptor(found, &object) == 0 && (S_ISDIR(object.st_mode) || S_ISREG(object.st_mode)))
        error = EINVAL;
      break;
    case MAKES_DIRECTORY:
      error = EEXIST;
      break;
  }
  close(found);
  return error;
}

int failure_by_path(struct pins *own, struct thread *thread, const struct seccomp_data *call,
                    const struct image *image) {
  struct way way;
  if (own->self == NULL || image->rooms != 0 || !way_of(call, &way)) return 0;
  const int32_t at = image->registers[way.path];
  if (at < 0 || (uint32_t)at >= image->length) return 0;
  const char *path = (const char *)image->bytes + at;
  if (path[0] == 0 || memchr(path, 0, image->length - (uint32_t)at) == NULL) return 0;
  if (path[0] != '/' && way.directory != NO_DIRECTORY && (int)call->args[way.directory] != AT_FDCWD) return 0;
  if (way.is_real && !own->self->is_real) return 0;
  if (thread->finds >= FINDS && ++thread->finds % INTERVAL != 0) return 0;
  if (!has_our_rights(own, thread)) return 0;
  const int error = walk(own, thread->id, &way, path);
  thread->finds = error == 0 ? thread->finds + 1 : 0;
  return error;
}

bool pin_knows_rights(struct pins *own, pid_t tid) {
  int error;
  if (own->self == NULL) return false;
  /* A process changes its label by a write, which the filter does not report. */
  for (int i = 0; i < LABELS; i++)
    if (own->self->has_label[i]) return false;
  struct thread *thread = enter_thread(own, tid, &error);
  if (thread == NULL) return false;
  has_executed(thread);
  return has_our_rights(own, thread);
}

void pin_changes_rights(struct pins *own, pid_t tid, bool of_others) {
  int error;
  struct thread *thread = of_others ? NULL : enter_thread(own, tid, &error);
  if (thread != NULL) thread->has_changed = true;
  else stop_walking(own);
}

void start_walking(struct pins *own) {
  own->self = malloc(sizeof *own->self);
  if (own->self != NULL && know_self(own->self) < 0) {
    free(own->self);
    own->self = NULL;
  }
}

void stop_walking(struct pins *own) {
  if (own->self == NULL) return;
  forget_self(own->self);
  free(own->self);
  own->self = NULL;
}
