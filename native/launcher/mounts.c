// SPDX-License-Identifier: MIT
/* Makes a mount namespace in which files are protected, and directories private; and limits the tree in it. */
#include "mounts.h"

#include <linux/capability.h>
#include <linux/fcntl.h>
#include <linux/limits.h>
#include <linux/mount.h>
#include <linux/prctl.h>
#include <linux/sched.h>
#include <linux/stat.h>

#include "kernel.h"
#include "listing.h"
#include "layer_format.h"
#include "process_limit.h"
#include "rules.h"

enum { RECURSIVE = 0x8000 /* AT_RECURSIVE */, MODE_OF_MOUNT_POINT = 0700 };

static int has_rule(const unsigned char *layers, size_t size, uint32_t kind) {
  const struct layer_header *layer = (const struct layer_header *)layers, *end = (const void *)(layers + size);
  for (; layer < end; layer = next_layer(layer))
    for (const struct layer_rule *rule = first_rule(layer); rule < end_of_rules(layer); rule = next_rule(rule))
      if (rule->kind == kind) return 1;
  return 0;
}

int need_mounts(const unsigned char *layers, size_t size) {
  return has_rule(layers, size, PROTECT) || has_rule(layers, size, PRIVATE) || has_rule(layers, size, PROCESSES);
}

int can_lack_mounts(const unsigned char *layers, size_t size) {
  return !has_rule(layers, size, PRIVATE) && !has_rule(layers, size, PROCESSES);
}

/* A copy of the mount at a path, with those below it. */
static long copy_mount(const char *path, unsigned flags) {
  return CALL(__NR_open_tree, AT_FDCWD, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | RECURSIVE | flags);
}

static long place_mount(long mount, const char *path) {
  return CALL(__NR_move_mount, mount, "", AT_FDCWD, path, MOVE_MOUNT_F_EMPTY_PATH);
}

/* Since Linux 5.12. */
static long make_read_only(long mount) {
  struct mount_attr attributes = {.attr_set = MOUNT_ATTR_RDONLY};
  return CALL(__NR_mount_setattr, mount, "", AT_EMPTY_PATH | RECURSIVE, &attributes, sizeof attributes);
}

static long type_of(const char *path, unsigned *type) {
  struct identity identity;
  const long file = CALL(__NR_openat, AT_FDCWD, path, O_PATH | O_NOFOLLOW | O_CLOEXEC, 0);
  if (file < 0) return file;
  const long result = identify(file, &identity, type);
  CALL(__NR_close, file);
  return result;
}

/* The options of a file system of a private directory. Its files without content take memory, too. */
static const char *options_of_private(uint32_t size) {
  enum { FEWEST_FILES = 1024, SIZE_OF_FILE = 4 /* KiB */ };
  static char options[64];
  char *at = options;
  memcpy(at, "mode=1777", 10);
  if (size == 0) return options;
  at += 9;
  memcpy(at, ",size=", 6);
  at = append_number(at + 6, size);
  memcpy(at, "k,nr_inodes=", 12);
  at = append_number(at + 12, size / SIZE_OF_FILE < FEWEST_FILES ? FEWEST_FILES : size / SIZE_OF_FILE);
  *at = 0;
  return options;
}

/* ── Protected files ─────────────────────────────────────────────────────────────────────────────────────────────── */

/* Mounts a path on itself. */
static long mount_on_itself(const char *path, int is_read_only, const char **what) {
  const long mount = copy_mount(path, AT_SYMLINK_NOFOLLOW);
  *what = about("`", path, "` cannot be mounted on itself");
  if (mount < 0) return mount;
  long result = is_read_only ? make_read_only(mount) : 0;
  if (result == 0) result = place_mount(mount, path);
  CALL(__NR_close, mount);
  return result;
}

static int is_mount_point(const char *path) {
  struct statx status;
  const unsigned flags = AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | AT_STATX_DONT_SYNC;
  return CALL(__NR_statx, AT_FDCWD, path, flags, STATX_TYPE, &status) == 0 &&
         (status.stx_attributes & STATX_ATTR_MOUNT_ROOT) != 0;
}

static long protect(const struct layer_rule *rule, const char **what) {
  const char *path = path_of(rule);
  unsigned type;
  long result = type_of(path, &type);
  if (result == -ENOENT && rule->kind == PROTECT && (rule->value & IS_DIRECTORY) != 0) {
    CALL(__NR_mkdirat, AT_FDCWD, path, 0777);
    result = type_of(path, &type);
  }
  *what = about("`", path, "`, which the policy protects, cannot be examined");
  if (result == -ENOENT || result == -ENOTDIR) return 0;
  if (result < 0) return result;
  *what = about(
      "`", path,
      "`, which the policy protects, is a symbolic link, which can be replaced: list the file to which it leads in "
      "a directory that the tree does not write");
  if (type == S_IFLNK) return -ELOOP;
  /* A file in the place of a directory above a protected one, as `.git` of a worktree. */
  const int is_read_only = rule->kind == PROTECT || type != S_IFDIR;
  return mount_on_itself(path, is_read_only, what);
}

/* Nothing is visible in the process's root directory afterwards. */
long try_each_mount(const char **what) {
  long result = mount_on_itself("/", 1, what);
  if (result < 0) return result;
  *what = "this user cannot mount an empty file system";
  return CALL(__NR_mount, "portcullis", "/", "tmpfs", MS_NOSUID | MS_NODEV, options_of_private(0));
}

/* ── Private directories ─────────────────────────────────────────────────────────────────────────────────────────── */

static int is_below(const char *path, const char *directory) {
  const size_t length = string_length(directory);
  return starts_with(path, directory, length) && path[length] == '/';
}

/* Makes the directories above a path, and an entry on which it can be mounted. */
static long make_mount_point(const char *path, size_t from, int is_directory) {
  char above[PATH_MAX];
  for (size_t at = from + 1; path[at] != 0; at++) {
    if (path[at] != '/') continue;
    memcpy(above, path, at);
    above[at] = 0;
    const long result = CALL(__NR_mkdirat, AT_FDCWD, above, 0755);
    if (result < 0 && result != -EEXIST) return result;
  }
  const long result = is_directory ? CALL(__NR_mkdirat, AT_FDCWD, path, MODE_OF_MOUNT_POINT)
                                   : CALL(__NR_mknodat, AT_FDCWD, path, S_IFREG | MODE_OF_MOUNT_POINT, 0);
  return result == -EEXIST ? 0 : result;
}

int is_nested(const struct layer_header *layer, const struct layer_rule *private) {
  for (const struct layer_rule *rule = first_rule(layer); rule < end_of_rules(layer); rule = next_rule(rule))
    if (rule->kind == PRIVATE && is_below(path_of(private), path_of(rule))) return 1;
  return 0;
}

/* A directory with an empty file system, in which files that the policy lists stay where they are. `size`: KiB, or 0. */
static long make_private(const struct layer_header *layer, const struct layer_rule *private, uint32_t size,
                         const char **what) {
  const char *path = path_of(private);
  enum { MAX_SHOWN = 256 };
  struct {
    long mount;
    const char *path;
    unsigned type;
  } *shown = allocate(MAX_SHOWN * sizeof *shown);
  int count = 0;
  if (shown == NULL) return -ENOMEM;
  unsigned type;
  if ((private->value & MAY_BE_MISSING) != 0 && type_of(path, &type) == -ENOENT) return 0;
  long result = 0;
  for (const struct layer_rule *rule = first_rule(layer); result == 0 && rule < end_of_rules(layer);
       rule = next_rule(rule)) {
    if (rule->kind != SHOWN || !is_below(path_of(rule), path)) continue;
    shown[count].path = path_of(rule);
    struct identity identity;
    const long mount = copy_mount(shown[count].path, 0);
    if (mount == -ENOENT || mount == -ENOTDIR) continue;
    *what = about("`", shown[count].path, "` cannot be shown in a private directory");
    result = mount < 0 ? mount : identify(mount, &identity, &shown[count].type);
    if (result == 0 && (rule->value & IS_READ_ONLY) != 0) result = make_read_only(mount);
    if (result == 0 && count + 1 == MAX_SHOWN) result = -ENOSPC;
    if (mount >= 0) shown[count++].mount = mount;
  }
  if (result == 0) {
    *what = about("`", path, "` cannot become private");
    result = CALL(__NR_mount, "portcullis", path, "tmpfs", MS_NOSUID | MS_NODEV, options_of_private(size));
  }
  for (const struct layer_rule *rule = first_rule(layer); result == 0 && rule < end_of_rules(layer);
       rule = next_rule(rule)) {
    if (rule->kind != PRIVATE || !is_below(path_of(rule), path)) continue;
    *what = about("`", path_of(rule), "` cannot become private");
    result = make_mount_point(path_of(rule), string_length(path), 1);
  }
  for (int i = 0; i < count; i++) {
    if (result == 0) {
      *what = about("`", shown[i].path, "` cannot be shown in a private directory");
      result = make_mount_point(shown[i].path, string_length(path), shown[i].type == S_IFDIR);
      if (result == 0) result = place_mount(shown[i].mount, shown[i].path);
    }
    CALL(__NR_close, shown[i].mount);
  }
  return result;
}

/* ── What leads around the mounts ────────────────────────────────────────────────────────────────────────────────── */

static const char *read_number(const char *text, long *number) {
  for (*number = 0; *text >= '0' && *text <= '9'; text++) *number = *number * 10 + (*text - '0');
  return text;
}

/* A directory that was opened outside leads to the files without the mounts, and the command would inherit it. */
static long check_descriptors(const char **what) {
  struct listing listing;
  *what = "/proc/self/fd cannot be listed";
  const long directory = CALL(__NR_openat, AT_FDCWD, "/proc/self/fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
  if (directory < 0) return directory;
  long result = 0;
  begin_listing(&listing, directory);
  for (const char *name; result == 0 && (name = next_name(&listing, &result)) != NULL;) {
    long descriptor;
    struct identity identity;
    unsigned type = 0;
    if (*read_number(name, &descriptor) != 0) continue;
    const long flags = CALL(__NR_fcntl, descriptor, F_GETFD);
    if (flags < 0 || (flags & FD_CLOEXEC) != 0 || identify(descriptor, &identity, &type) < 0) continue;
    if (type != S_IFDIR) continue;
    *what = about("descriptor ", name, " is an open directory, by which the command could change protected files");
    result = -EBADF;
  }
  CALL(__NR_close, directory);
  return result;
}

/* The working directory by its name: the process's own may be covered by a mount now. */
static long change_directory(const char *path, const char **what) {
  *what = about("the working directory `", path, "` is in no private directory, or cannot be entered");
  return CALL(__NR_chdir, path);
}

/* ── All ─────────────────────────────────────────────────────────────────────────────────────────────────────────── */

static long add_private(const struct layer_header *layer, uint32_t size, const char **what) {
  long result = 0;
  for (const struct layer_rule *rule = first_rule(layer); result == 0 && rule < end_of_rules(layer);
       rule = next_rule(rule))
    if (rule->kind == PRIVATE && !is_nested(layer, rule)) result = make_private(layer, rule, size, what);
  return result;
}

static long add_protection(const unsigned char *layers, size_t size, const char **what) {
  static const uint32_t kinds[] = {ABOVE_PROTECTED, PROTECT};
  const struct layer_header *first = (const struct layer_header *)layers, *end = (const void *)(layers + size);
  long result = 0;
  for (unsigned i = 0; i < sizeof kinds / sizeof *kinds; i++)
    for (const struct layer_header *layer = first; layer < end; layer = next_layer(layer))
      for (const struct layer_rule *rule = first_rule(layer); result == 0 && rule < end_of_rules(layer);
           rule = next_rule(rule))
        if (rule->kind == kinds[i]) result = protect(rule, what);
  return result;
}

long protect_again(const struct layer_rule *const *rules, size_t count, const char **what) {
  long result = 0;
  for (size_t i = 0; result == 0 && i < count; i++)
    if (!is_mount_point(path_of(rules[i]))) result = protect(rules[i], what);
  return result;
}

long enter_mounts(const unsigned char *layers, size_t size, const char **what) {
  char directory[PATH_MAX];
  *what = "the working directory has no name in this root directory";
  long result = CALL(__NR_getcwd, directory, sizeof directory);
  if (result < 0) return result;
  if (directory[0] != '/') return -ENOENT;
  result = check_descriptors(what);
  if (result < 0) return result;
  *what = "this user cannot create a mount namespace";
  result = CALL(__NR_unshare, CLONE_NEWNS);
  const struct layer_header *layer = (const struct layer_header *)layers, *end = (const void *)(layers + size);
  const uint32_t size_of_private = limit_of(layers, size, PRIVATE_SIZE), processes = limit_of(layers, size, PROCESSES);
  for (; result == 0 && layer < end; layer = next_layer(layer)) result = add_private(layer, size_of_private, what);
  if (result == 0) result = add_protection(layers, size, what);
  if (result == 0) result = change_directory(directory, what);
  if (result == 0 && processes != 0) result = limit_processes(processes, what);
  if (result < 0) return result;
  /* A command of root would have it in the namespaces, and could unmount. */
  *what = "the capability to change mounts cannot be dropped";
  return CALL(__NR_prctl, PR_CAPBSET_DROP, CAP_SYS_ADMIN, 0, 0, 0);
}
