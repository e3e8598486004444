// SPDX-License-Identifier: MIT
/* Finds the mount points of proc file systems, and adds a rule for each file and directory beside the way to them. */
#include "grants.h"

#include <linux/fcntl.h>
#include <linux/limits.h>
#include <linux/magic.h>
#include <linux/stat.h>

#include "kernel.h"

enum { RULE_PATH_BENEATH = 1 /* LANDLOCK_RULE_PATH_BENEATH */ };
/* A line of mountinfo has two paths, whose special bytes take four characters each. */
enum { MAX_LINE = 8 * PATH_MAX + 4096, MAX_STEPS = 2048, MAX_NAMES = 1 << 16, MAX_DEPTH = 64, ENTRIES = 4096 };
enum { ACCESS_OF_FILES = WRITE_FILES, ACCESS_OF_DIRECTORIES = WRITE_FILES | MOVE_FILES };

/* struct statfs of both architectures has 120 bytes and begins with the type. */
struct file_system {
  long type, rest[14];
};

struct identity {
  uint32_t major, minor;
  uint64_t inode;
};

/* A directory on the way to a proc file system, and the name in it that leads on. */
static struct {
  struct identity directory;
  const char *next;
  int is_last; /* `next` is the mount point */
} steps[MAX_STEPS];
static int step_count;
static char names[MAX_NAMES];
static size_t names_length;

static char message[PATH_MAX + 128];

/* ── The mount points ────────────────────────────────────────────────────────────────────────────────────────────── */

static int is_proc(long file) {
  struct file_system system;
  return CALL(__NR_fstatfs, file, &system) == 0 && system.type == PROC_SUPER_MAGIC;
}

static long identify(long file, struct identity *identity, unsigned *mode) {
  struct statx status;
  long result = CALL(__NR_statx, file, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_TYPE | STATX_INO, &status);
  if (result < 0) return result;
  *identity = (struct identity){status.stx_dev_major, status.stx_dev_minor, status.stx_ino};
  *mode = status.stx_mode & S_IFMT;
  return 0;
}

static long open_entry(long directory, const char *name) {
  return CALL(__NR_openat, directory, name, O_PATH | O_NOFOLLOW | O_CLOEXEC, 0);
}

/* Adds the steps from the root directory to a mount point, whose path is changed. */
static long add_steps(char *path, const char **what) {
  *what = "too many proc file systems are mounted";
  size_t length = string_length(path);
  if (names_length + length + 1 > MAX_NAMES) return -E2BIG;
  memcpy(names + names_length, path, length + 1);
  char *name = names + names_length + 1;
  names_length += length + 1;
  long directory = CALL(__NR_openat, AT_FDCWD, "/", O_PATH | O_DIRECTORY | O_CLOEXEC, 0);
  while (directory >= 0) {
    char *end = name;
    while (*end != 0 && *end != '/') end++;
    const int is_last = *end == 0;
    *end = 0;
    unsigned mode;
    if (step_count == MAX_STEPS) break;
    long result = identify(directory, &steps[step_count].directory, &mode);
    if (result < 0) {
      CALL(__NR_close, directory);
      return result;
    }
    steps[step_count].next = name;
    steps[step_count++].is_last = is_last;
    long next = is_last ? -ENOENT : open_entry(directory, name);
    CALL(__NR_close, directory);
    directory = next;
    name = end + 1;
  }
  if (directory < 0) return 0; /* Also where another mount hides the way, or the user cannot search it. */
  CALL(__NR_close, directory);
  return -E2BIG;
}

/* Decodes a path in its place: mountinfo has space, tab, newline and backslash as \040. */
static void unescape(char *text) {
  char *to = text;
  while (*text != 0) {
    if (text[0] == '\\' && text[1] >= '0' && text[1] <= '3' && text[2] >= '0' && text[2] <= '7' && text[3] >= '0' &&
        text[3] <= '7') {
      *to++ = (char)((text[1] - '0') << 6 | (text[2] - '0') << 3 | (text[3] - '0'));
      text += 4;
    } else {
      *to++ = *text++;
    }
  }
  *to = 0;
}

/* id parent device root MOUNT-POINT options [tags] - TYPE source options */
static long read_line(char *line, const char **what) {
  enum { BEFORE_POINT = 4 };
  char *point = line;
  for (int i = 0; i < BEFORE_POINT; i++) {
    while (*point != 0 && *point != ' ') point++;
    if (*point != 0) point++;
  }
  char *end = point;
  while (*end != 0 && *end != ' ') end++;
  char *type = end;
  while (*type != 0 && !starts_with(type, " - ", 3)) type++;
  *what = "/proc/self/mountinfo has an unknown form";
  if (*type == 0 || *point != '/') return -EPROTO;
  if (!starts_with(type, " - proc ", 8)) return 0;
  *end = 0;
  unescape(point);
  return add_steps(point, what);
}

static long find_proc(const char **what) {
  static char text[MAX_LINE + 1];
  step_count = 0;
  names_length = 0;
  *what = "/proc/self/mountinfo cannot be read";
  long file = CALL(__NR_openat, AT_FDCWD, "/proc/self/mountinfo", O_RDONLY | O_CLOEXEC, 0);
  if (file < 0) return file;
  size_t have = 0;
  long result = is_proc(file) ? 0 : -EPROTO;
  while (result == 0) {
    long count = CALL(__NR_read, file, text + have, MAX_LINE - have);
    if (count == -EINTR) continue;
    if (count < 0) result = count;
    if (count <= 0) break;
    have += (size_t)count;
    size_t start = 0;
    for (size_t at = have - (size_t)count; result == 0 && at < have; at++) {
      if (text[at] != '\n') continue;
      text[at] = 0;
      result = read_line(text + start, what);
      start = at + 1;
    }
    for (size_t at = start; at < have; at++) text[at - start] = text[at];
    have -= start;
    if (result == 0 && have == MAX_LINE) result = -EPROTO;
  }
  CALL(__NR_close, file);
  return result == 0 && have > 0 ? -EPROTO : result;
}

/* ── The rules ───────────────────────────────────────────────────────────────────────────────────────────────────── */

static int is_same(const struct identity *one, const struct identity *other) {
  return one->inode == other->inode && one->major == other->major && one->minor == other->minor;
}

enum way { BESIDE, LEADS_ON, IS_PROC };

/* Where a name in a directory leads. Several steps can have it, because several mounts can show the directory. */
static enum way way_of(const struct identity *directory, const char *name) {
  enum way way = BESIDE;
  for (int i = 0; i < step_count; i++) {
    if (!is_same(&steps[i].directory, directory) || !strings_equal(steps[i].next, name)) continue;
    if (steps[i].is_last) return IS_PROC;
    way = LEADS_ON;
  }
  return way;
}

static int is_on_the_way(const struct identity *directory) {
  for (int i = 0; i < step_count; i++)
    if (is_same(&steps[i].directory, directory)) return 1;
  return 0;
}

static long grant(long ruleset, long file, uint64_t access) {
  struct __attribute__((packed)) {
    uint64_t access;
    int32_t file;
  } rule = {access, (int32_t)file};
  long result = CALL(__NR_landlock_add_rule, ruleset, RULE_PATH_BENEATH, &rule, 0);
  return result == -EBADFD ? 0
                           : result; /* The kernel's own files, such as namespaces: Landlock never restricts them. */
}

static long grant_entries(long ruleset, long parent, const char *name, int depth, const char **what);

/* One entry of a directory. An entry that the user cannot reach now gets no rule. */
static long grant_entry(long ruleset, long directory, const struct identity *own, const char *name, int depth,
                        const char **what) {
  const enum way way = way_of(own, name);
  if (way == IS_PROC) return 0;
  *what = "a file cannot be opened";
  long file = open_entry(directory, name);
  if (file == -EMFILE || file == -ENFILE || file == -ENOMEM) return file;
  if (file < 0) return 0;
  struct identity identity;
  unsigned mode;
  long result = 0;
  int descends = 0;
  if (identify(file, &identity, &mode) == 0 && mode != S_IFLNK && !is_proc(file)) {
    descends = mode == S_IFDIR && (way == LEADS_ON || is_on_the_way(&identity));
    *what = "Landlock refuses a rule";
    if (!descends) result = grant(ruleset, file, mode == S_IFDIR ? ACCESS_OF_DIRECTORIES : ACCESS_OF_FILES);
  }
  CALL(__NR_close, file);
  return descends ? grant_entries(ruleset, directory, name, depth + 1, what) : result;
}

/* A user who may search a directory and not list it could write below it, but its entries cannot be granted. */
static long refuse_directory(long parent, const char *name, long error, const char **what) {
  static const char before[] = "the directory `",
                    after[] = "`, below which a proc file system is mounted, cannot be listed";
  long file = open_entry(parent, name);
  long inside = file < 0 ? file : open_entry(file, ".");
  if (file >= 0) CALL(__NR_close, file);
  if (inside < 0) return 0;
  CALL(__NR_close, inside);
  size_t length = string_length(name);
  memcpy(message, before, sizeof before - 1);
  memcpy(message + sizeof before - 1, name, length);
  memcpy(message + sizeof before - 1 + length, after, sizeof after);
  *what = message;
  return error;
}

static long grant_entries(long ruleset, long parent, const char *name, int depth, const char **what) {
  struct entry {
    uint64_t inode;
    int64_t offset;
    unsigned short length;
    unsigned char type;
    char name[];
  };
  *what = "directories are nested too deeply";
  if (depth > MAX_DEPTH) return -ELOOP;
  long directory = CALL(__NR_openat, parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC, 0);
  if (directory == -ENOENT || directory == -ENOTDIR) return 0;
  if (directory < 0) return refuse_directory(parent, name, directory, what);
  char entries[ENTRIES] __attribute__((aligned(8)));
  struct identity own;
  unsigned mode;
  *what = "a directory cannot be listed";
  long result = identify(directory, &own, &mode);
  while (result == 0) {
    long count = CALL(__NR_getdents64, directory, entries, sizeof entries);
    if (count < 0) result = count;
    if (count <= 0) break;
    for (long at = 0; result == 0 && at < count;) {
      const struct entry *entry = (const struct entry *)(entries + at);
      at += entry->length;
      if (strings_equal(entry->name, ".") || strings_equal(entry->name, "..")) continue;
      result = grant_entry(ruleset, directory, &own, entry->name, depth, what);
    }
  }
  CALL(__NR_close, directory);
  return result;
}

static long grant_standard_streams(long ruleset, const char **what) {
  for (long stream = 0; stream <= 2; stream++) {
    struct identity identity;
    unsigned mode;
    if (identify(stream, &identity, &mode) < 0 || mode == S_IFDIR || is_proc(stream)) continue;
    long result = grant(ruleset, stream, ACCESS_OF_FILES);
    *what = "Landlock refuses a rule for a standard stream";
    if (result < 0) return result;
  }
  return 0;
}

long grant_files_outside_proc(long ruleset, const char **what) {
  long result = find_proc(what);
  if (result == 0) result = grant_entries(ruleset, AT_FDCWD, "/", 0, what);
  return result < 0 ? result : grant_standard_streams(ruleset, what);
}
