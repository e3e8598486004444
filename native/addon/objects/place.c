// SPDX-License-Identifier: MIT
/*
 * Whether a held object is one of a policy's constants, or lies under one. Constants are looked up at each judgement, in
 * our root, links followed. `under` goes up by ".." from the object's directory and compares directories, so that renaming
 * a directory above both cannot hide one from the other.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "objects.h"

enum { ATTEMPTS = 64, MOST_LEVELS = 1024 };

static const char deleted[] = " (deleted)";

static bool unknown(struct failure *failure) {
  *failure = (struct failure){EACCES, PLACE_UNKNOWN};
  return false;
}

/* Its present path; empty without one. False if the path cannot be read. */
static bool path_of(const struct self *ours, int object, char text[PATH_MAX]) {
  char number[16];
  snprintf(number, sizeof number, "%d", object);
  ssize_t length = readlinkat(ours->descriptors, number, text, PATH_MAX);
  if (length < 0 || length == PATH_MAX) return false;
  text[text[0] == '/' ? length : 0] = 0; /* "pipe:[1]", "(unreachable)/…" */
  return true;
}

static bool ends_in(const char *text, const char *end) {
  size_t length = strlen(text), size = strlen(end);
  return length >= size && strcmp(text + length - size, end) == 0;
}

int parent_of(const struct self *ours, int object, uint64_t resolve, struct failure *failure) {
  char text[PATH_MAX];
  struct identity its, found;
  *failure = (struct failure){0, NO_OBSTACLE};
  if (!identify(object, &its)) {
    unknown(failure);
    return -1;
  }
  for (int attempt = 0; attempt < ATTEMPTS; attempt++) {
    if (!path_of(ours, object, text)) break;
    if (text[0] == 0) return -1;
    char *slash = strrchr(text, '/');
    char name[NAME_MAX + 1];
    if (strlen(slash + 1) > NAME_MAX || slash[1] == 0) break;
    bool is_deleted = ends_in(text, deleted);
    snprintf(name, sizeof name, "%s", slash + 1);
    slash[slash == text ? 1 : 0] = 0;
    const uint64_t plain = RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS;
    int parent = open_at(AT_FDCWD, text, O_PATH | O_DIRECTORY, 0, plain | resolve);
    int child = parent < 0 ? parent : open_at(parent, name, O_PATH | O_NOFOLLOW, 0, resolve);
    bool is_there = child >= 0 && identify(child, &found) && is_same(&its, &found) && its.mount == found.mount;
    if (child >= 0) close(child);
    if (is_there) return parent;
    if (parent >= 0) close(parent);
    if (is_deleted) return -1;
    if (child == -EMFILE || child == -ENFILE || child == -ENOMEM) {
      *failure = failure_of(-child);
      return -1;
    }
    if (child == -EACCES || child == -EAGAIN) break;
  }
  unknown(failure);
  return -1;
}

/* ── The directories above ───────────────────────────────────────────────────────────────────────────────────────── */

struct levels {
  size_t count;
  struct identity all[MOST_LEVELS];
};

/* Takes the descriptor. */
static bool climb(int directory, struct levels *levels, uint64_t resolve, struct failure *failure) {
  levels->count = 0;
  struct identity here;
  while (identify(directory, &here)) {
    const struct identity *last = levels->count == 0 ? NULL : &levels->all[levels->count - 1];
    /* At the root ".." is the root. */
    if (last != NULL && is_same(last, &here) && last->mount == here.mount) {
      close(directory);
      return true;
    }
    if (levels->count == MOST_LEVELS) break;
    levels->all[levels->count++] = here;
    int above = open_at(directory, "..", O_PATH | O_DIRECTORY, 0, resolve);
    if (above < 0) {
      close(directory);
      *failure = failure_of(-above);
      return failure->why != NO_OBSTACLE ? false : unknown(failure);
    }
    close(directory);
    directory = above;
  }
  close(directory);
  return unknown(failure);
}

static bool find_levels(const struct self *ours, const struct target *target, const struct identity *object,
                        struct levels *levels, uint64_t resolve, struct failure *failure) {
  levels->count = 0;
  if (target->object >= 0 && !S_ISDIR(object->mode)) {
    const int parent = parent_of(ours, target->object, resolve, failure);
    return parent >= 0 ? climb(parent, levels, resolve, failure) : failure->why == NO_OBSTACLE;
  }
  const int directory = fcntl(target->object >= 0 ? target->object : target->parent, F_DUPFD_CLOEXEC, 0);
  if (directory < 0) return unknown(failure);
  if (climb(directory, levels, resolve, failure)) return true;
  /* In a directory that may be read and not searched even ".." cannot be looked up. */
  if (target->object < 0 || levels->count != 1) return false;
  const int parent = parent_of(ours, target->object, resolve, failure);
  if (parent >= 0) return climb(parent, levels, resolve, failure);
  return failure->why == NO_OBSTACLE ? unknown(failure) : false;
}

/* ── Constants ───────────────────────────────────────────────────────────────────────────────────────────────────── */

/* 1: *found is its object; 0: it has no object; −1 with a failure. */
static int look_up(const char *path, uint64_t resolve, struct identity *found, struct failure *failure) {
  int object = open_at(AT_FDCWD, path, O_PATH, 0, RESOLVE_NO_MAGICLINKS | resolve);
  if (object >= 0) {
    bool is_known = identify(object, found);
    close(object);
    if (is_known) return 1;
    unknown(failure);
    return -1;
  }
  if (object == -ENOENT || object == -ENOTDIR) return 0;
  *failure = failure_of(-object);
  if (failure->why == NO_OBSTACLE && failure->error != EINTR) unknown(failure);
  return -1;
}

/* Whether a name that does not exist yet is the constant's. */
static int names(const char *path, const struct target *target, uint64_t resolve, struct failure *failure) {
  char directory[PATH_MAX];
  struct identity parent, found;
  const char *last = strrchr(path, '/') + 1;
  if (strcmp(last, target->name) != 0) return 0;
  size_t length = (size_t)(last - path);
  memcpy(directory, path, length);
  directory[length] = 0;
  int result = look_up(directory, resolve, &found, failure);
  if (result <= 0) return result;
  if (!identify(target->parent, &parent)) {
    unknown(failure);
    return -1;
  }
  return is_same(&found, &parent);
}

static int matches_one(const struct constant *constant, const struct target *target, const struct identity *object,
                       const struct levels *levels, uint64_t resolve, struct failure *failure) {
  struct identity found;
  if (!constant->is_directory && target->object < 0) return names(constant->path, target, resolve, failure);
  int result = look_up(constant->path, resolve, &found, failure);
  if (result <= 0) return result;
  if (target->object >= 0 && is_same(&found, object)) return 1;
  if (!constant->is_directory) return 0;
  for (size_t i = 0; i < levels->count; i++)
    if (is_same(&found, &levels->all[i])) return 1;
  return 0;
}

bool place_target(const struct self *ours, const struct target *target, const struct constant *constants,
                  const uint32_t *wanted, size_t count, uint64_t resolve, unsigned char *matches,
                  struct failure *failure) {
  struct identity object = {0};
  if (target->object >= 0 && !identify(target->object, &object)) return unknown(failure);
  struct levels levels;
  levels.count = 0;
  bool asks = false;
  for (size_t i = 0; i < count; i++) asks = asks || constants[wanted[i]].is_directory;
  bool result = !asks || find_levels(ours, target, &object, &levels, resolve, failure);
  for (size_t i = 0; result && i < count; i++) {
    int match = matches_one(&constants[wanted[i]], target, &object, &levels, resolve, failure);
    result = match >= 0;
    matches[i] = match > 0;
  }
  return result;
}
