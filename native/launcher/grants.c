// SPDX-License-Identifier: MIT
/* Finds the mount points of proc file systems, and adds a rule for each file and directory beside the way to them. */
#include "grants.h"

#include <linux/fcntl.h>
#include <linux/limits.h>
#include <linux/magic.h>
#include <linux/stat.h>

#include "kernel.h"
#include "listing.h"
#include "rules.h"

enum { MAX_STEPS = 2048, MAX_NAMES = 1 << 18, MAX_DEPTH = 48 };
enum { ACCESS_OF_FILES = WRITE_FILES, ACCESS_OF_DIRECTORIES = WRITE_FILES | MOVE_FILES };

/* struct statfs of both architectures has 120 bytes and begins with the type. */
struct file_system {
  long type, rest[14];
};

/* A directory on the way to a proc file system, and the name in it that leads on. */
static struct step {
  struct identity directory;
  const char *next;
  int is_last; /* `next` is the mount point */
} steps[MAX_STEPS];
static int step_count;
static char names[MAX_NAMES];
static size_t names_length;

/* A line of mountinfo. `root`: the path in the file system, of which the mount shows a part. */
struct mount {
  char *id, *parent, *device, *root, *point;
  uint32_t major, minor; /* of the device */
  int is_proc;
  int is_protected; /* procfs, or a mount on the way to one */
  int is_done;      /* protect_mount() has read it */
};

/* ── The mount points ────────────────────────────────────────────────────────────────────────────────────────────── */

static int is_proc(long file) {
  struct file_system system;
  return CALL(__NR_fstatfs, file, &system) == 0 && system.type == PROC_SUPER_MAGIC;
}

static long open_entry(long directory, const char *name) {
  return CALL(__NR_openat, directory, name, O_PATH | O_NOFOLLOW | O_CLOEXEC, 0);
}

static int is_known(const struct step *step) {
  for (int i = 0; i < step_count; i++)
    if (steps[i].is_last == step->is_last && is_same(&steps[i].directory, &step->directory) &&
        strings_equal(steps[i].next, step->next))
      return 1;
  return 0;
}

/* Adds the steps from the root directory to a mount point of procfs, or to a directory above one. */
static long add_steps(const char *path, int is_point, const char **what) {
  *what = "too many proc file systems are mounted";
  size_t length = string_length(path);
  if (names_length + length + 1 > MAX_NAMES) return -ENOSPC;
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
    struct step step = {.next = name, .is_last = is_last && is_point};
    long result = identify(directory, &step.directory, &mode);
    if (result < 0) {
      CALL(__NR_close, directory);
      return result;
    }
    if (!is_known(&step)) steps[step_count++] = step;
    long next = is_last ? -ENOENT : open_entry(directory, name);
    CALL(__NR_close, directory);
    directory = next;
    name = end + 1;
  }
  if (directory < 0) return 0; /* Also where another mount hides the way, or the user cannot search it. */
  CALL(__NR_close, directory);
  return -ENOSPC;
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

/* Ends the field at a space, and returns the next one. */
static char *end_field(char *field) {
  while (*field != 0 && *field != ' ') field++;
  if (*field == 0) return field;
  *field = 0;
  return field + 1;
}

static const char *read_number(const char *text, uint32_t *number) {
  for (*number = 0; *text >= '0' && *text <= '9'; text++) *number = *number * 10 + (uint32_t)(*text - '0');
  return text;
}

/* id parent device root MOUNT-POINT options [tags] - TYPE source options */
static int read_line(char *line, struct mount *mount) {
  mount->id = line;
  mount->parent = end_field(line);
  mount->device = end_field(mount->parent);
  mount->root = end_field(mount->device);
  mount->point = end_field(mount->root);
  char *type = end_field(mount->point);
  while (*type != 0 && !starts_with(type, " - ", 3)) type++;
  if (*type == 0 || mount->root[0] == 0 || mount->point[0] != '/') return 0;
  mount->is_proc = mount->is_protected = starts_with(type, " - proc ", 8);
  const char *colon = read_number(mount->device, &mount->major);
  if (*colon != ':') return 0;
  read_number(colon + 1, &mount->minor);
  unescape(mount->root);
  unescape(mount->point);
  return 1;
}

/* Reads /proc/self/mountinfo to a new string, which is never released. Returns its length, or a negative errno. */
static long read_mounts(char **text) {
  enum { FIRST_SIZE = 1 << 16, MAX_SIZE = 1 << 26 };
  long file = CALL(__NR_openat, AT_FDCWD, "/proc/self/mountinfo", O_RDONLY | O_CLOEXEC, 0);
  if (file < 0) return file;
  long length = 0, size = 0, result = is_proc(file) ? 0 : -EPROTO;
  while (result == 0) {
    if (length + 1 >= size) {
      size = size == 0 ? FIRST_SIZE : 2 * size;
      char *larger = size > MAX_SIZE ? NULL : allocate((size_t)size);
      result = larger == NULL ? -ENOMEM : 0;
      if (result < 0) break;
      memcpy(larger, *text, (size_t)length);
      *text = larger;
    }
    long count = CALL(__NR_read, file, *text + length, size - 1 - length);
    if (count == -EINTR) continue;
    if (count < 0) result = count;
    if (count <= 0) break;
    length += count;
  }
  CALL(__NR_close, file);
  return result < 0 ? result : length;
}

static struct mount *mounts;
static int mount_count;

/* Lists the mounts of this namespace below this process's root directory. */
static long list_mounts(const char **what) {
  char *text = NULL;
  *what = "/proc/self/mountinfo cannot be read";
  long length = read_mounts(&text), lines = 0;
  if (length < 0) return length;
  for (long at = 0; at < length; at++) lines += text[at] == '\n';
  mounts = allocate(((size_t)lines + 1) * sizeof *mounts);
  if (mounts == NULL) return -ENOMEM;
  *what = "/proc/self/mountinfo has an unknown form";
  mount_count = 0;
  char *line = text;
  for (long at = 0; at < length; at++) {
    if (text[at] != '\n') continue;
    text[at] = 0;
    if (!read_line(line, &mounts[mount_count++])) return -EPROTO;
    line = text + at + 1;
  }
  return line == text + length ? 0 : -EPROTO;
}

/* The rest of a path below a directory: empty, or with a slash at its beginning. NULL: it is not below. */
static const char *below(const char *path, const char *directory) {
  if (strings_equal(directory, "/")) return strings_equal(path, "/") ? "" : path;
  size_t length = string_length(directory);
  const int is_below = starts_with(path, directory, length) && (path[length] == 0 || path[length] == '/');
  return is_below ? path + length : NULL;
}

/* Asks only file systems that mountinfo does not list: a server that does not answer would stop the start. */
static int is_in_proc(long file, const struct identity *identity) {
  for (int i = 0; i < mount_count; i++)
    if (mounts[i].major == identity->major && mounts[i].minor == identity->minor) return mounts[i].is_proc;
  return is_proc(file);
}

static char *append(char *to, const char *text) {
  size_t length = string_length(text);
  memcpy(to, text, length + 1);
  return to + length;
}

/*
 * A mount point of procfs moves with the directories above it, and another mount can show these under another name, in
 * a directory that has a rule. If the tree could rename them there, it could move them below a directory with a rule.
 * So the other names are on the way to a proc file system, too, and so are the names of the mounts that have them.
 */
static long protect_mount(const struct mount *mount, const char **what) {
  static char path[2 * PATH_MAX], other[2 * PATH_MAX];
  struct mount *in = NULL;
  for (int i = 0; i < mount_count; i++)
    if (strings_equal(mounts[i].id, mount->parent)) in = &mounts[i];
  if (in == NULL || in == mount) return 0;
  in->is_protected = 1;
  const char *rest = below(mount->point, in->point);
  if (rest == NULL) return 0;
  *what = "a mount point has too long a path";
  if (string_length(in->root) + string_length(rest) >= sizeof path) return -ENAMETOOLONG;
  /* The directory above the mount point, as a path in its file system. */
  char *end = append(append(path, strings_equal(in->root, "/") ? "" : in->root), rest);
  while (end > path && *end != '/') end--;
  *end = 0;
  const char *own = below(path, in->root);
  if (own == NULL || *own == 0) return 0; /* The root of a mount is no name that a rename could change. */
  for (int i = 0; i < mount_count; i++) {
    if (&mounts[i] == in || !strings_equal(mounts[i].device, in->device)) continue;
    const char *shown = below(path, mounts[i].root);
    if (shown == NULL || *shown == 0) continue;
    if (string_length(mounts[i].point) + string_length(shown) >= sizeof other) return -ENAMETOOLONG;
    append(append(other, strings_equal(mounts[i].point, "/") ? "" : mounts[i].point), shown);
    mounts[i].is_protected = 1;
    long result = add_steps(other, 0, what);
    if (result < 0) return result;
  }
  return 0;
}

static long find_proc(const char **what) {
  step_count = 0;
  names_length = 0;
  long result = list_mounts(what);
  for (int i = 0; result == 0 && i < mount_count; i++)
    if (mounts[i].is_protected) result = add_steps(mounts[i].point, 1, what);
  for (int i = 0; result == 0 && i < mount_count; i++) {
    if (!mounts[i].is_protected || mounts[i].is_done) continue;
    mounts[i].is_done = 1;
    result = protect_mount(&mounts[i], what);
    i = -1; /* It may have marked any other. */
  }
  return result;
}

/* ── The rules ───────────────────────────────────────────────────────────────────────────────────────────────────── */

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
  if (identify(file, &identity, &mode) == 0 && mode != S_IFLNK && !is_in_proc(file, &identity)) {
    descends = mode == S_IFDIR && (way == LEADS_ON || is_on_the_way(&identity));
    *what = "Landlock refuses a rule";
    if (!descends) result = add_rule_beneath(ruleset, file, mode == S_IFDIR ? ACCESS_OF_DIRECTORIES : ACCESS_OF_FILES);
  }
  CALL(__NR_close, file);
  return descends ? grant_entries(ruleset, directory, name, depth + 1, what) : result;
}

/* A user who may search a directory and not list it could write below it, but its entries cannot be granted. */
static long refuse_directory(long parent, const char *name, long error, const char **what) {
  long file = open_entry(parent, name);
  long inside = file < 0 ? file : open_entry(file, ".");
  if (file >= 0) CALL(__NR_close, file);
  if (inside < 0) return 0;
  CALL(__NR_close, inside);
  *what = about("the directory `", name, "`, below which a proc file system is mounted, cannot be listed");
  return error;
}

static long grant_entries(long ruleset, long parent, const char *name, int depth, const char **what) {
  *what = "directories are nested too deeply";
  if (depth > MAX_DEPTH) return -ELOOP;
  long directory = CALL(__NR_openat, parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC, 0);
  if (directory == -ENOENT || directory == -ENOTDIR) return 0;
  if (directory < 0) return refuse_directory(parent, name, directory, what);
  struct listing listing;
  struct identity own;
  unsigned mode;
  *what = "a directory cannot be listed";
  long result = identify(directory, &own, &mode);
  begin_listing(&listing, directory);
  for (const char *entry; result == 0 && (entry = next_name(&listing, &result)) != NULL;)
    result = grant_entry(ruleset, directory, &own, entry, depth, what);
  CALL(__NR_close, directory);
  return result;
}

static long grant_standard_streams(long ruleset, const char **what) {
  for (long stream = 0; stream <= 2; stream++) {
    struct identity identity;
    unsigned mode;
    if (identify(stream, &identity, &mode) < 0 || mode == S_IFDIR || is_proc(stream)) continue;
    long result = add_rule_beneath(ruleset, stream, ACCESS_OF_FILES);
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

long grant_moves(long ruleset, const char **what) {
  *what = "Landlock refuses a rule for the root directory";
  const long root = CALL(__NR_openat, AT_FDCWD, "/", O_PATH | O_DIRECTORY | O_CLOEXEC, 0);
  if (root < 0) return root;
  const long result = add_rule_beneath(ruleset, root, MOVE_FILES);
  CALL(__NR_close, root);
  return result;
}
