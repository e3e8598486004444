// SPDX-License-Identifier: MIT
/*
 * Answers unpinned calls whose result does not depend on the caller: calls whose path leads to no object, mkdir(2) of an
 * object that exists, stat(2), access(2), readlink(2), and an open for reading of a file or a directory. Most calls with a path
 * that compilers and interpreters make are such calls.
 *
 * A process gets such results only once it has its window, unless it cannot be traced. Otherwise it could need the window
 * first when it has no descriptor left, or when a filter of its own refuses the calls that map it.
 *
 * The result is that of the caller's own walk. The path is walked here only for a caller with our rights, root and mounts
 * (caller.c), and only within one mount, neither procfs nor behind a magic link. A call whose result is uncertain, or whose
 * walk could wait for more than a local disk, is pinned.
 *
 * A thread is compared with us at its first such call, and again after each execution. In between only its own calls
 * change it, and the filter reports these (`pin_changes_rights`). An open also depends on a Landlock domain, which cannot be
 * compared, and on fanotify listeners, of which one in the tree can wait for us (`pin_restricts`). A thread can change its
 * security label by a write to a file of /proc, which the filter does not report. So labels are compared again before each
 * result but an errno of the path.
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
#include <time.h>
#include <unistd.h>

#include "../objects/objects.h"
#include "../base/old_libc.h"
#include "pins.h"

#ifndef RESOLVE_CACHED
#define RESOLVE_CACHED 0x20
#endif

enum { NO_DIRECTORY = -1, TEMPORARY_FILE = O_TMPFILE & ~O_DIRECTORY };

/* A walk without an answer was in vain. After so many of a thread in a row, only each eighth call is walked. */
enum { VAIN = 8, INTERVAL = 8 };

enum purpose { USES_OBJECT, READS, STATS, STATS_MORE, ACCESSES, READS_LINK, MAKES_DIRECTORY };

/* The way in which a call looks up its path. */
struct way {
  int path, directory; /* arguments */
  bool is_absolute;
  enum purpose purpose;
  bool no_follow;
  bool opens;      /* the call returns a descriptor, which the kernel reserves before it looks up the path */
  bool is_real;    /* ACCESSES: with the real users and groups */
  uint64_t flags;  /* READS: of open(2); STATS_MORE, ACCESSES: the flags about the result */
  unsigned mode;   /* ACCESSES: the mode; STATS_MORE: the mask */
  uint64_t result; /* the caller's buffer */
  uint64_t size;   /* READS_LINK: of the buffer */
};

static bool stats(struct way *way, uint64_t flags, uint64_t result) {
  way->purpose = STATS;
  way->result = result;
  way->no_follow = (flags & AT_SYMLINK_NOFOLLOW) != 0;
  return ((unsigned)flags & ~(unsigned)(AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | AT_EMPTY_PATH)) == 0;
}

static bool stats_more(struct way *way, uint64_t flags, uint64_t mask, uint64_t result) {
  const unsigned about_result = AT_STATX_FORCE_SYNC | AT_STATX_DONT_SYNC;
  if (((unsigned)flags & about_result) == about_result || ((unsigned)mask & STATX__RESERVED) != 0) return false;
  const bool is_known = stats(way, flags & ~(uint64_t)about_result, result);
  way->purpose = STATS_MORE;
  way->flags = flags & about_result;
  way->mode = (unsigned)mask;
  return is_known;
}

/* F_GETFL would show that we have opened it if the flags had O_PATH, or one that changes the file or its status flags. */
static bool opens(struct way *way, uint64_t flags) {
  way->opens = true;
  way->no_follow = (flags & O_NOFOLLOW) != 0;
  way->flags = flags;
  if ((flags & ~(uint64_t)(O_CLOEXEC | O_NONBLOCK | O_NOCTTY | O_DIRECTORY)) == 0) way->purpose = READS;
  return (flags & (O_CREAT | TEMPORARY_FILE)) == 0;
}

static bool reads_link(struct way *way, uint64_t result, uint64_t size) {
  way->purpose = READS_LINK;
  way->result = result;
  way->size = (unsigned)size; /* the kernel takes an int */
  way->no_follow = true;
  return (int)size > 0;
}

static bool makes_directory(struct way *way) {
  way->purpose = MAKES_DIRECTORY;
  way->no_follow = true;
  return true;
}

static bool accesses(struct way *way, uint64_t mode, uint64_t flags) {
  way->purpose = ACCESSES;
  way->flags = flags & AT_EACCESS;
  way->mode = (unsigned)mode;
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
      return stats(way, arguments[3], arguments[2]);
    case SYS_statx:
      return stats_more(way, arguments[2], arguments[3], arguments[4]);
    case SYS_readlinkat:
      return reads_link(way, arguments[2], arguments[3]);
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
      *way = (struct way){.path = 0, .directory = NO_DIRECTORY};
      return stats(way, call->nr == SYS_lstat ? AT_SYMLINK_NOFOLLOW : 0, arguments[1]);
    case SYS_readlink:
      *way = (struct way){.path = 0, .directory = NO_DIRECTORY};
      return reads_link(way, arguments[1], arguments[2]);
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

static bool has_our_rights(const struct pins *self, struct thread *thread) {
  if (thread->has_changed || thread->process->executing > 0) return false;
  if (!thread->is_compared || thread->compared_epoch != thread->process->epoch) {
    struct caller caller;
    struct failure failure;
    thread->is_compared = true;
    thread->compared_epoch = thread->process->epoch;
    thread->is_as_we_are = know_caller(self->ours, thread->id, &caller, &failure);
  }
  return thread->is_as_we_are;
}

/*
 * Names that the kernel does not have in its cache are looked up on a local disk. While that takes long, it delays other
 * callers, so walks that need it rest. A directory's lock is held for long only by a process whose memory is slow, too.
 */
enum { LONG_WALK = 200000 /* ns */, REST = 64 /* walks */ };

/* The object, or a negative errno: that of the call if it is ENOENT or ENOTDIR. */
static int walk(const struct self *ours, pid_t tid, const struct way *way, const char *path, uint64_t cached) {
  int base = AT_FDCWD;
  if (!way->is_absolute) {
    char name[32];
    snprintf(name, sizeof name, "%d/cwd", tid);
    base = open_at(ours->proc, name, O_PATH | O_DIRECTORY, 0, 0);
    if (base < 0) return -EAGAIN;
    /* In /proc, `self` would lead to us. */
    struct identity identity;
    if (!identify(base, &identity) || can_be_proc(ours, &identity) ||
        (cached == 0 && identity.mount != ours->root.mount)) {
      close(base);
      return -EAGAIN;
    }
  }
  const uint64_t resolve = cached | RESOLVE_NO_XDEV | RESOLVE_NO_MAGICLINKS | (way->is_absolute ? 0 : RESOLVE_BENEATH);
  int found = open_at(base, path, O_PATH | (way->no_follow ? O_NOFOLLOW : 0), 0, resolve);
  if (base != AT_FDCWD) close(base);
  return found;
}

static int walk_on_disk(struct pins *self, pid_t tid, const struct way *way, const char *path) {
  if (!self->ours->has_local_root || self->reads_apart) return -EAGAIN;
  if (self->rest > 0) {
    self->rest--;
    return -EAGAIN;
  }
  const uint64_t start = now();
  const int object = walk(self->ours, tid, way, path, 0);
  if (now() - start > LONG_WALK) self->rest = REST;
  return object;
}

/* Whether an open or a check of the object cannot wait for a file server. An absolute path stays on the root's mount. */
static bool is_at_hand(const struct self *ours, const struct way *way, int object) {
  struct identity identity;
  return ours->has_local_root &&
         (way->is_absolute || (identify(object, &identity) && identity.mount == ours->root.mount));
}

static enum answer answer_of(struct pins *self, const struct seccomp_notif *call, int error) {
  return answer(self, call, -error, 0) == 0 ? HAS_ANSWER : CALLER_IS_GONE;
}

static enum answer read_object(struct pins *self, const struct seccomp_notif *call, const struct way *way, int object) {
  struct identity identity;
  if (!self->is_killable || self->is_restricted || !is_at_hand(self->ours, way, object)) return NO_ANSWER;
  if (!identify(object, &identity)) return NO_ANSWER;
  if (!S_ISDIR(identity.mode) && (!S_ISREG(identity.mode) || (way->flags & O_DIRECTORY) != 0)) return NO_ANSWER;
  const struct caller caller = {.tid = (pid_t)call->pid};
  const struct service service = {
      .ours = self->ours,
      .caller = &caller,
      .listener = self->listener,
      .id = call->id,
      .flags = way->flags,
      .is_killable = true,
  };
  return serve_open_at_once(&service, object) ? HAS_ANSWER : NO_ANSWER;
}

static enum answer check_access(struct pins *self, const struct seccomp_notif *call, const struct way *way, int object,
                                int *error) {
  if (!is_at_hand(self->ours, way, object)) return NO_ANSWER;
  const int flags = (int)way->flags | AT_EMPTY_PATH;
  if (syscall(SYS_faccessat2, object, "", way->mode, flags) == 0) return answer_of(self, call, 0);
  if (errno != EACCES) return NO_ANSWER;
  *error = EACCES;
  return answer_of(self, call, EACCES);
}

/* The structures are the kernel's own: it fills them for us as for the caller. */
static enum answer give_status(struct pins *self, struct thread *thread, const struct seccomp_notif *call,
                               const struct way *way, int object) {
  struct stat status;
  struct statx more;
  const bool is_more = way->purpose == STATS_MORE;
  if (!is_at_hand(self->ours, way, object)) return NO_ANSWER;
  const long failed = is_more ? syscall(SYS_statx, object, "", (int)way->flags | AT_EMPTY_PATH, way->mode, &more)
                              : stat_of_descriptor(object, &status);
  const void *bytes = is_more ? (const void *)&more : &status;
  if (failed != 0 || !write_result(self, thread, call, way->result, bytes, is_more ? sizeof more : sizeof status))
    return NO_ANSWER;
  return answer_of(self, call, 0);
}

static enum answer give_link(struct pins *self, struct thread *thread, const struct seccomp_notif *call,
                             const struct way *way, int object, int *error) {
  struct identity identity;
  char text[PATH_MAX];
  if (!identify(object, &identity)) return NO_ANSWER;
  if (S_ISDIR(identity.mode) || S_ISREG(identity.mode)) {
    *error = EINVAL;
    return answer_of(self, call, EINVAL);
  }
  if (!S_ISLNK(identity.mode) || !is_at_hand(self->ours, way, object)) return NO_ANSWER;
  ssize_t length = readlinkat(object, "", text, way->size < sizeof text ? way->size : sizeof text);
  if (length <= 0 || !write_result(self, thread, call, way->result, text, (size_t)length)) return NO_ANSWER;
  return answer_value(self, call, length) == 0 ? HAS_ANSWER : CALLER_IS_GONE;
}

static enum answer use(struct pins *self, struct thread *thread, const struct seccomp_notif *call,
                       const struct way *way, int object, int *error) {
  if (!has_our_labels(self->ours, (pid_t)call->pid)) return NO_ANSWER;
  switch (way->purpose) {
    case USES_OBJECT:
      return NO_ANSWER;
    case READS:
      return read_object(self, call, way, object);
    case STATS:
    case STATS_MORE:
      return give_status(self, thread, call, way, object);
    case ACCESSES:
      return check_access(self, call, way, object, error);
    case READS_LINK:
      return give_link(self, thread, call, way, object, error);
    case MAKES_DIRECTORY:
      *error = EEXIST;
      return answer_of(self, call, EEXIST);
  }
  return NO_ANSWER;
}

static enum answer look_up(struct pins *self, struct thread *thread, const struct seccomp_notif *call,
                           const struct way *way, const char *path, bool has_window, int *error) {
  int object = walk(self->ours, (pid_t)call->pid, way, path, RESOLVE_CACHED);
  if (object == -EAGAIN) object = walk_on_disk(self, (pid_t)call->pid, way, path);
  if (object >= 0 && !has_window) {
    close(object);
    return NO_ANSWER;
  }
  if (object >= 0) {
    enum answer answer = use(self, thread, call, way, object, error);
    close(object);
    thread->vain = answer == NO_ANSWER ? thread->vain + 1 : 0;
    return answer;
  }
  /* mkdir(2) needs all but the last name. */
  if ((object != -ENOENT && object != -ENOTDIR) || way->purpose == MAKES_DIRECTORY) return NO_ANSWER;
  if (way->opens && !has_free_descriptor(self->ours, (pid_t)call->pid)) return NO_ANSWER;
  *error = -object;
  return answer_of(self, call, *error);
}

enum answer answer_by_path(struct pins *self, struct thread *thread, const struct seccomp_notif *call,
                           const struct image *image, bool has_window, int *error) {
  struct way way;
  if (self->ours == NULL || image->rooms != 0 || !way_of(&call->data, &way)) return NO_ANSWER;
  const int32_t at = image->registers[way.path];
  if (at < 0 || (uint32_t)at >= image->length) return NO_ANSWER;
  const char *path = (const char *)image->bytes + at;
  if (path[0] == 0 || memchr(path, 0, image->length - (uint32_t)at) == NULL) return NO_ANSWER;
  way.is_absolute = path[0] == '/';
  if (!way.is_absolute && way.directory != NO_DIRECTORY && (int)call->data.args[way.directory] != AT_FDCWD)
    return NO_ANSWER;
  if (way.is_real && !self->ours->is_real) return NO_ANSWER;
  if (thread->vain >= VAIN && ++thread->vain % INTERVAL != 0) return NO_ANSWER;
  if (!has_our_rights(self, thread)) return NO_ANSWER;
  return look_up(self, thread, call, &way, path, has_window, error);
}

bool pin_knows_rights(struct pins *self, pid_t tid) {
  int error;
  if (self->ours == NULL) return false;
  if (has_label(self->ours)) return false;
  struct thread *thread = enter_thread(self, tid, &error);
  if (thread == NULL) return false;
  has_executed(thread);
  return has_our_rights(self, thread);
}

void pin_changes_rights(struct pins *self, pid_t tid, bool of_others) {
  int error;
  struct thread *thread = of_others ? NULL : enter_thread(self, tid, &error);
  if (thread != NULL) thread->has_changed = true;
  else stop_walking(self);
}

void pin_restricts(struct pins *self) { self->is_restricted = true; }
void pin_protects_memory(struct pins *self) { self->writes_results = false; }

void start_walking(struct pins *self) {
  self->ours = malloc(sizeof *self->ours);
  if (self->ours != NULL && know_self(self->ours) < 0) {
    free(self->ours);
    self->ours = NULL;
  }
}

void stop_walking(struct pins *self) {
  if (self->ours == NULL) return;
  forget_self(self->ours);
  free(self->ours);
  self->ours = NULL;
}
