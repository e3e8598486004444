// SPDX-License-Identifier: MIT
/*
 * Walks from a caller's path to its object, as an O_PATH descriptor, or to a name that does not exist yet.
 *
 * The kernel walks the path from the caller's own directory, without magic links (RESOLVE_NO_MAGICLINKS). If that walk
 * ends in procfs or fails, the path is walked again here, component by component: in /proc, the kernel takes "self" for
 * us, and the walk here takes it for the caller. All other places are the same for both, because the caller has our
 * credentials, root and mounts. A walk leaves /proc by "..", which is the same from every directory there, or by a
 * magic link.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "../base/old_libc.h"
#include "objects.h"

enum { MOST_LINKS = 40, PROC_ROOT = 1 /* its inode (fs/proc/root.c) */ };

int open_at(int directory, const char *path, uint64_t flags, uint64_t mode, uint64_t resolve) {
  struct open_how how = {.flags = flags | O_CLOEXEC, .mode = mode, .resolve = resolve};
  long result = syscall(SYS_openat2, directory, path, &how, sizeof how);
  return result < 0 ? -errno : (int)result;
}

struct failure failure_of(int error) {
  enum obstacle why = error == EMFILE || error == ENFILE ? NO_DESCRIPTORS : error == ENOMEM ? NOT_ENOUGH_MEMORY : 0;
  return (struct failure){error, why};
}

static bool fail(struct failure *failure, int error) {
  *failure = failure_of(error);
  return false;
}

static bool refuse(struct failure *failure, enum obstacle why) {
  *failure = (struct failure){EACCES, why};
  return false;
}

static bool is_automount(int descriptor) {
  struct statfs system;
  return fstatfs(descriptor, &system) == 0 && system.f_type == AUTOFS_SUPER_MAGIC;
}

/* ── One component after the other ───────────────────────────────────────────────────────────────────────────────── */

struct walk {
  const struct lookup *lookup;
  struct failure *failure;
  int at;
  unsigned links;
  bool met_proc;
  pid_t process; /* the process whose directory of /proc the walk has entered last */
  char rest[2 * PATH_MAX];
};

static void move_to(struct walk *walk, int descriptor) {
  close(walk->at);
  walk->at = descriptor;
}

/* Puts a text in front of the rest of the path. */
static bool prepend(struct walk *walk, const char *text) {
  size_t size = strlen(text), left = strlen(walk->rest);
  if (size + left + 2 > sizeof walk->rest) return fail(walk->failure, ENAMETOOLONG);
  memmove(walk->rest + size + (left > 0), walk->rest, left + 1);
  if (left > 0) walk->rest[size] = '/';
  memcpy(walk->rest, text, size);
  return true;
}

static bool start_at_root(struct walk *walk) {
  int root = open_at(AT_FDCWD, "/", O_PATH | O_DIRECTORY, 0, 0);
  if (root < 0) return fail(walk->failure, -root);
  if (walk->at >= 0) close(walk->at);
  walk->at = root;
  return true;
}

/* Takes the next component. False at the end of the path. *is_last: nothing follows; *slash: not even a slash. */
static bool next_component(struct walk *walk, char name[NAME_MAX + 1], bool *is_last, bool *slash, bool *is_too_long) {
  char *start = walk->rest + strspn(walk->rest, "/");
  size_t length = strcspn(start, "/");
  *is_too_long = length > NAME_MAX;
  if (length == 0 || *is_too_long) return false;
  memcpy(name, start, length);
  name[length] = 0;
  char *end = start + length, *next = end + strspn(end, "/");
  *is_last = *next == 0;
  *slash = next != end;
  memmove(walk->rest, next, strlen(next) + 1);
  return true;
}

/*
 * Whether the directory that the walk has entered last is one of the caller's process. The walk asks once it holds a file
 * below it: if the number is of a new thread by now, the held files are of an ended process, and opening them fails.
 */
static bool is_of_caller(const struct walk *walk) {
  char path[48];
  const pid_t process = walk->lookup->caller->process;
  if (walk->process == process) return true;
  snprintf(path, sizeof path, "%d/task/%d", process, walk->process);
  return walk->process > 0 && faccessat(walk->lookup->ours->proc, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

/*
 * A process's directory can have the root's number: a counter of 32 bits gives numbers in turn (fs/inode.c,
 * get_next_ino()). Only the root has a link to each process's own directory.
 */
static bool is_proc_root(const struct walk *walk, const struct identity *here) {
  return here->inode == PROC_ROOT && faccessat(walk->at, "self", F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

/*
 * In the root of procfs: whose directory the component names, and the caller's own for "self", a link, which the walk
 * `follows` or not. False if the walk may not enter it.
 */
static bool enter_proc(struct walk *walk, char name[NAME_MAX + 1], bool follows, bool *again) {
  const struct self *ours = walk->lookup->ours;
  const struct caller *caller = walk->lookup->caller;
  char text[48] = "";
  if (follows && strcmp(name, "self") == 0) snprintf(text, sizeof text, "%d", caller->process);
  if (follows && strcmp(name, "thread-self") == 0)
    snprintf(text, sizeof text, "%d/task/%d", caller->process, caller->tid);
  *again = text[0] != 0;
  if (*again) {
    /* The number is from our pid namespace, which is also that of this /proc. */
    if (!has_own_namespaces(ours, caller->tid)) return refuse(walk->failure, OTHER_NAMESPACES);
    if (++walk->links > MOST_LINKS) return fail(walk->failure, ELOOP);
    return prepend(walk, text);
  }
  if (name[strspn(name, "0123456789")] != 0) {
    walk->process = 0;
    return true;
  }
  char number[NAME_MAX + 1];
  snprintf(number, sizeof number, "%s", name);
  if (faccessat(ours->tasks, number, F_OK, AT_SYMLINK_NOFOLLOW) == 0) return refuse(walk->failure, OWN_PROCESS);
  walk->process = (pid_t)strtol(name, NULL, 10);
  if (!is_of_caller(walk) && hides_processes(ours)) return refuse(walk->failure, OTHER_PROCESS);
  return true;
}

/* fs/namei.c, may_follow_link() */
static bool may_follow(const struct walk *walk, int link) {
  struct stat its, directory;
  if (walk->lookup->ours->protects_links == 0) return true;
  if (stat_of_descriptor(link, &its) != 0 || stat_of_descriptor(walk->at, &directory) != 0) return false;
  return its.st_uid == walk->lookup->caller->user || (directory.st_mode & (S_ISVTX | S_IWOTH)) != (S_ISVTX | S_IWOTH) ||
         its.st_uid == directory.st_uid;
}

/* The walk is in procfs, and has not passed its root: it continues from there. */
static bool start_in_proc(struct walk *walk) {
  char number[16], text[PATH_MAX];
  snprintf(number, sizeof number, "%d", walk->at);
  ssize_t length = readlinkat(walk->lookup->ours->descriptors, number, text, sizeof text - 1);
  text[length < 0 ? 0 : length] = 0;
  if (strncmp(text, "/proc", 5) != 0 || (text[5] != 0 && text[5] != '/')) return refuse(walk->failure, OTHER_PROC);
  return prepend(walk, text) && start_at_root(walk);
}

static bool follow(struct walk *walk, int link, const char *name, bool in_proc) {
  char text[PATH_MAX];
  if (++walk->links > MOST_LINKS) return fail(walk->failure, ELOOP);
  if (in_proc) {
    int probe = open_at(walk->at, name, O_PATH, 0, RESOLVE_NO_MAGICLINKS);
    if (probe >= 0) close(probe);
    /* A further link could also give ELOOP; then the call is refused with this errno instead. */
    if (probe == -ELOOP) {
      if (!is_of_caller(walk)) return refuse(walk->failure, OTHER_PROCESS);
      int object = open_at(walk->at, name, O_PATH, 0, 0);
      if (object < 0) return fail(walk->failure, -object);
      move_to(walk, object);
      /* It can lead into any directory of procfs; the walk then enters that from the root. */
      return !is_proc(object) || start_in_proc(walk);
    }
  }
  if (!may_follow(walk, link)) return fail(walk->failure, EACCES);
  ssize_t length = readlinkat(link, "", text, sizeof text - 1);
  if (length <= 0) return fail(walk->failure, length < 0 ? errno : ENOENT);
  text[length] = 0;
  if (!prepend(walk, text)) return false;
  return text[0] != '/' || start_at_root(walk);
}

static bool step(struct walk *walk, bool no_follow, bool *is_over) {
  char name[NAME_MAX + 1];
  bool is_last = false, slash = false, is_too_long = false;
  struct identity here;
  *is_over = !next_component(walk, name, &is_last, &slash, &is_too_long);
  if (is_too_long) return fail(walk->failure, ENAMETOOLONG);
  if (!identify(walk->at, &here)) return fail(walk->failure, errno);
  if (*is_over) return true;
  if (!S_ISDIR(here.mode)) return fail(walk->failure, ENOTDIR);
  const struct self *ours = walk->lookup->ours;
  bool in_proc = is_proc(walk->at), follows = !is_last || slash || !no_follow;
  if (in_proc) {
    walk->met_proc = true;
    if (here.device != ours->proc_root.device || here.mount != ours->proc_root.mount)
      return refuse(walk->failure, OTHER_PROC);
    if (is_proc_root(walk, &here)) {
      bool again = false;
      if (!enter_proc(walk, name, follows, &again)) return false;
      if (again) {
        /* The rest of the path follows the replacement. */
        return true;
      }
    } else if (walk->process > 0 && !is_of_caller(walk) && !is_public(name)) {
      /* Before the lookup, because its result would also tell the caller something (map_files). */
      return refuse(walk->failure, OTHER_PROCESS);
    }
  }
  int next = open_at(walk->at, name, O_PATH | O_NOFOLLOW, 0, 0);
  struct identity found;
  if (next < 0) return fail(walk->failure, -next);
  if (!identify(next, &found)) {
    int error = errno;
    close(next);
    return fail(walk->failure, error);
  }
  if (S_ISLNK(found.mode) && follows) {
    bool result = follow(walk, next, name, in_proc);
    close(next);
    return result;
  }
  move_to(walk, next);
  if (slash && !S_ISDIR(found.mode)) return fail(walk->failure, ENOTDIR);
  return true;
}

/*
 * The object, or −1. *met_proc: the kernel's walk has no result, because it met procfs. Follows what `resolve` forbids,
 * so it goes at least as far as the kernel's walk.
 */
static int walk_slowly(const struct lookup *lookup, int base, const char *path, uint64_t flags, bool *met_proc,
                       struct failure *failure) {
  struct walk *walk = calloc(1, sizeof *walk);
  if (walk == NULL) {
    refuse(failure, NOT_ENOUGH_MEMORY);
    return -1;
  }
  *walk = (struct walk){.lookup = lookup, .failure = failure, .at = -1};
  snprintf(walk->rest, sizeof walk->rest, "%s", path);
  bool goes_on = true, is_over = false;
  if (path[0] == '/' && (lookup->resolve & RESOLVE_IN_ROOT) == 0) {
    goes_on = start_at_root(walk);
  } else {
    walk->at = fcntl(base, F_DUPFD_CLOEXEC, 0);
    goes_on = walk->at >= 0 || fail(failure, errno);
    if (goes_on && is_proc(walk->at)) {
      walk->met_proc = true;
      goes_on = start_in_proc(walk);
    }
  }
  while (goes_on && !is_over) goes_on = step(walk, (flags & O_NOFOLLOW) != 0, &is_over);
  struct identity found;
  if (goes_on && (!identify(walk->at, &found) || ((flags & O_DIRECTORY) != 0 && !S_ISDIR(found.mode))))
    goes_on = fail(failure, ENOTDIR);
  if (goes_on && is_proc(walk->at)) {
    walk->met_proc = true;
    if (found.device != lookup->ours->proc_root.device || found.mount != lookup->ours->proc_root.mount)
      goes_on = refuse(failure, OTHER_PROC);
    else if (!has_own_namespaces(lookup->ours, lookup->caller->tid)) goes_on = refuse(failure, OTHER_NAMESPACES);
  }
  *met_proc = walk->met_proc;
  int result = goes_on ? walk->at : -1;
  if (!goes_on && walk->at >= 0) close(walk->at);
  free(walk);
  return result;
}

/* ── The object ──────────────────────────────────────────────────────────────────────────────────────────────────── */

static int find_object(const struct lookup *lookup, int base, const char *path, uint64_t flags,
                       struct failure *failure) {
  int found = open_at(base, path, O_PATH | flags, 0, lookup->resolve | RESOLVE_NO_MAGICLINKS);
  if (found >= 0 && is_automount(found)) {
    /* An open triggers the automount; O_PATH does so with O_DIRECTORY alone (fs/namei.c, follow_automount()). */
    int mounted = open_at(base, path, O_PATH | O_DIRECTORY | flags, 0, lookup->resolve | RESOLVE_NO_MAGICLINKS);
    if (mounted >= 0) {
      close(found);
      found = mounted;
    }
  }
  if (found >= 0 && !is_proc(found)) return found;
  if (found < 0) fail(failure, -found);
  if (found < 0 && failure->why != NO_OBSTACLE) return -1;
  if (found >= 0) close(found);
  struct failure self = {0, NO_OBSTACLE};
  bool met_proc = false;
  int object = walk_slowly(lookup, base, path, flags, &met_proc, &self);
  if (lookup->resolve != 0) {
    if (object >= 0) close(object);
    /* In /proc, even the errno of the kernel's walk can be about our files. */
    if (found >= 0 || met_proc) refuse(failure, RESTRICTED_WALK);
    return -1;
  }
  if (object >= 0 && (found >= 0 || met_proc)) return object;
  if (object >= 0) close(object); /* the name exists now, and did not before */
  /* Without /proc, the kernel's result is complete. */
  if (found >= 0 || met_proc || self.why != NO_OBSTACLE) *failure = self;
  return -1;
}

/* ── A name that is not there yet ────────────────────────────────────────────────────────────────────────────────── */

/* The path without its last component; "." if it has only one. */
static bool split(const char *path, char directory[PATH_MAX], char name[NAME_MAX + 1], struct failure *failure) {
  const char *slash = strrchr(path, '/'), *last = slash == NULL ? path : slash + 1;
  if (strlen(last) > NAME_MAX) return fail(failure, ENAMETOOLONG);
  memcpy(name, last, strlen(last) + 1);
  size_t before = (size_t)(last - path);
  memcpy(directory, path, before);
  directory[before] = 0;
  if (before == 0) memcpy(directory, ".", 2);
  return true;
}

/* Whether slashes follow the last name, if the path ends with a name. */
static bool ends_in_slash(const char *path, size_t *length) {
  const size_t size = strlen(path);
  *length = size;
  while (*length > 0 && path[*length - 1] == '/') --*length;
  size_t start = *length;
  while (start > 0 && path[start - 1] != '/') start--;
  const bool is_dots = (*length - start == 1 || *length - start == 2) && strspn(path + start, ".") >= *length - start;
  return *length < size && *length > start && !is_dots;
}

/* An open that creates refuses such a path once it has found the name's directory (fs/namei.c, open_last_lookups()). */
static bool refuse_slash(const struct lookup *lookup, int base, const char *path, size_t length,
                         struct failure *failure) {
  char text[PATH_MAX], directory[PATH_MAX], name[NAME_MAX + 1];
  memcpy(text, path, length);
  text[length] = 0;
  if (!split(text, directory, name, failure)) return false;
  const int parent = find_object(lookup, base, directory, O_DIRECTORY, failure);
  if (parent < 0) return false;
  close(parent);
  return fail(failure, EISDIR);
}

/*
 * The kernel follows a link whose target is missing, and creates the target. True with a target, or with *again: the
 * link's text is the path, from the target's parent on.
 */
static bool find_name(const struct lookup *lookup, int base, const char *path, struct target *target, bool *again,
                      char text[PATH_MAX], struct failure *failure) {
  char directory[PATH_MAX];
  *again = false;
  if (!split(path, directory, target->name, failure)) return false;
  target->parent = find_object(lookup, base, directory, O_DIRECTORY, failure);
  if (target->parent < 0) return false;
  if (is_proc(target->parent)) return fail(failure, ENOENT);
  int link = open_at(target->parent, target->name, O_PATH | O_NOFOLLOW, 0, 0);
  if (link == -ENOENT) return true;
  if (link < 0) return fail(failure, -link);
  ssize_t length = readlinkat(link, "", text, PATH_MAX - 1);
  struct walk walk = {.lookup = lookup, .at = target->parent};
  int error = length < 0 ? ENOENT : (lookup->flags & O_EXCL) != 0 ? EEXIST : lookup->resolve != 0 ? ELOOP : 0;
  if (error == 0 && !may_follow(&walk, link)) error = EACCES;
  close(link);
  if (error != 0) return fail(failure, error);
  text[length] = 0;
  *again = true;
  return true;
}

/* The start of a relative path: a descriptor, −1 with a failure, AT_FDCWD if none is needed. */
static int base_of(const struct lookup *lookup, struct failure *failure) {
  char path[64];
  if (lookup->base != NULL) {
    *failure = lookup->base->failure;
    if (lookup->base->descriptor < 0) return lookup->base->descriptor;
    const int copy = fcntl(lookup->base->descriptor, F_DUPFD_CLOEXEC, 0);
    if (copy < 0) *failure = failure_of(errno);
    return copy;
  }
  if (lookup->path[0] == '/' && (lookup->resolve & (RESOLVE_BENEATH | RESOLVE_IN_ROOT)) == 0) return AT_FDCWD;
  if (lookup->directory == AT_FDCWD) snprintf(path, sizeof path, "%d/cwd", lookup->caller->tid);
  else snprintf(path, sizeof path, "%d/fd/%d", lookup->caller->tid, lookup->directory);
  int base = lookup->directory < 0 && lookup->directory != AT_FDCWD ? -ENOENT
                                                                    : open_at(lookup->ours->proc, path, O_PATH, 0, 0);
  if (base >= 0) return base;
  *failure = failure_of(base == -ENOENT ? EBADF : -base);
  if (base == -EACCES || base == -EPERM) refuse(failure, UNREADABLE_CALLER);
  return -1;
}

struct base open_base(const struct lookup *lookup) {
  struct base base = {.descriptor = -1};
  base.descriptor = base_of(lookup, &base.failure);
  return base;
}

/* An existing file is opened directly; creating or truncating one takes the disk's time. */
bool find_at_once(const struct lookup *lookup, struct target *target, struct identity *object) {
  const uint64_t known =
      O_ACCMODE | O_APPEND | O_NONBLOCK | O_NOCTTY | O_CLOEXEC | O_DIRECTORY | O_NOFOLLOW | O_LARGEFILE;
  struct failure failure;
  *target = (struct target){.object = -1, .parent = -1};
  /* The kernel accepts all of these flags, alone or together. */
  if ((lookup->flags & ~known) != 0 || lookup->mode != 0 || lookup->resolve != 0 || lookup->path[0] == 0) return false;
  int base = base_of(lookup, &failure);
  if (base == -1) return false;
  const uint64_t flags = O_PATH | (lookup->flags & (O_NOFOLLOW | O_DIRECTORY));
  int found = open_at(base, lookup->path, flags, 0, RESOLVE_NO_MAGICLINKS | RESOLVE_CACHED);
  if (base >= 0) close(base);
  if (found < 0) return false;
  if (!identify(found, object)) {
    close(found);
    return false;
  }
  target->object = found;
  return true;
}

bool find_target(const struct lookup *lookup, struct target *target, struct failure *failure) {
  *target = (struct target){.object = -1, .parent = -1};
  /* The kernel checks the flags first; with valid ones, the call fails by the bad descriptor. */
  int error = -open_at(-1, "a", lookup->flags, lookup->mode, lookup->resolve);
  if (error != EBADF) return fail(failure, error);
  if (lookup->path[0] == 0) return fail(failure, ENOENT);
  int base = base_of(lookup, failure);
  if (base == -1) return false;
  char path[PATH_MAX], text[PATH_MAX];
  snprintf(path, sizeof path, "%s", lookup->path);
  const bool creates = (lookup->flags & O_CREAT) != 0;
  uint64_t flags = lookup->flags & (O_NOFOLLOW | O_DIRECTORY);
  if ((lookup->flags & O_TMPFILE) == O_TMPFILE) flags |= O_DIRECTORY;
  if (creates && (lookup->flags & O_EXCL) != 0) flags |= O_NOFOLLOW;
  bool result = false;
  for (int links = 0;; links++) {
    size_t length;
    if (creates && ends_in_slash(path, &length)) {
      result = refuse_slash(lookup, base, path, length, failure);
      break;
    }
    target->object = find_object(lookup, base, path, flags, failure);
    result = target->object >= 0;
    if (result || !creates || failure->error != ENOENT || failure->why != NO_OBSTACLE) break;
    bool again;
    result = find_name(lookup, base, path, target, &again, text, failure);
    if (!result || !again) break;
    if (links == MOST_LINKS) {
      result = fail(failure, ELOOP);
      break;
    }
    if (base >= 0) close(base);
    base = target->parent;
    target->parent = -1;
    memcpy(path, text, sizeof path);
  }
  if (base >= 0) close(base);
  if (result) *failure = (struct failure){0, NO_OBSTACLE};
  if (result && target->object >= 0 && creates && (lookup->flags & O_EXCL) != 0) {
    close(target->object);
    target->object = -1;
    return fail(failure, EEXIST);
  }
  if (!result && target->parent >= 0) {
    close(target->parent);
    target->parent = -1;
  }
  return result;
}
